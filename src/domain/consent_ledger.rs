//! The consent ledger: every change of a customer's word, once told never altered: what, since when, how, in which
//! wording, and from where. The record keeps what stands at present; the ledger is the proof of how it came to stand
//! (GDPR art. 7(1)). Where the rows are kept is the engine's matter.

use super::address::MailboxId;
use super::id::{CampaignId, EntryKey, MessageNo, StepId, TopicId};
use super::preference::ConsentState;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a customer's word came from, as far as it is known.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Origin {
    /// The network address that it was told from.
    pub address: Option<String>,
    /// The message whose link was followed.
    pub message: Option<MessageNo>,
    /// What that message was, where it can still be told.
    pub mail: Option<Box<MailOf>>,
    /// The mailbox that it went to: a refusal binds this one, whatever the customer's address is by now.
    pub mailbox: Option<MailboxId>,
}

/// A message that has left, named as the send log names it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MailOf {
    pub campaign: CampaignId,
    pub step: StepId,
    pub entry: EntryKey,
    pub variant: Option<String>,
}

/// One row of the ledger.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ConsentRow {
    /// When we were told.
    pub told: Timestamp,
    /// `None` speaks of advertising as a whole.
    pub topic: Option<TopicId>,
    pub state: ConsentState,
    /// Since when it holds.
    pub at: Timestamp,
    pub source: String,
    pub wording: Option<String>,
    pub address: Option<String>,
    pub message: Option<MessageNo>,
    pub campaign: Option<CampaignId>,
}
