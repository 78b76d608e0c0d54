//! The consent ledger: every change of a customer's word, once told never altered: what, since when, how, in which
//! wording, and from where. The record keeps what stands at present; the ledger is the proof of how it came to stand
//! (GDPR art. 7(1)). Where the rows are kept is the engine's matter.

use super::address::MailboxId;
use super::id::{CampaignId, CustomerNo, EntryKey, MessageNo, MessageRef, StepId, TopicId};
use super::preference::ConsentState;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a customer's word came from, as far as it is known.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Origin {
    /// The network address that it was told from.
    pub address: Option<String>,
    /// The message whose link was followed: whose it was, too, since a mail of before a merge is the other one's.
    pub message: Option<MessageRef>,
    /// What that message was, where it can still be told.
    pub mail: Option<Box<MailOf>>,
    /// The mailbox that it went to: a refusal binds this one, whatever the customer's address is by now.
    pub mailbox: Option<MailboxId>,
    /// What needs a confirmation was asked for on purpose, just now: another mail about it is wanted.
    pub anew: bool,
    /// What two copies of it share; `None` where it is told by itself and not by a row.
    #[serde(default)]
    pub identity: Option<u64>,
}

/// A message that has left, named as the send log names it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MailOf {
    pub campaign: CampaignId,
    pub step: StepId,
    pub entry: EntryKey,
    pub variant: Option<String>,
}

/// What a row of the ledger says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    Given,
    Refused,
    /// Asked for, and to be confirmed by the owner of the mailbox before it counts.
    Asked,
}

impl From<ConsentState> for Word {
    fn from(state: ConsentState) -> Word {
        match state {
            ConsentState::Given => Word::Given,
            ConsentState::Refused => Word::Refused,
        }
    }
}

/// One row of the ledger.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ConsentRow {
    /// When we were told.
    pub told: Timestamp,
    /// `None` speaks of advertising as a whole.
    pub topic: Option<TopicId>,
    pub state: Word,
    /// Since when it holds.
    pub at: Timestamp,
    pub source: String,
    pub wording: Option<String>,
    pub address: Option<String>,
    /// Of whom `message` was, where it was not this customer's own: of somebody who was merged into them.
    pub message_of: Option<CustomerNo>,
    pub message: Option<MessageNo>,
    pub campaign: Option<CampaignId>,
}
