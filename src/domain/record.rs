//! All that [`super::react`] needs to know of one customer, and of one mailbox.

use super::address::{EmailAddress, MailboxId};
use super::id::{
    CampaignId, CustomerId, CustomerNo, EntryKey, MessageNo, MessageRef, StepId, TagName, TopicId,
};
use super::preference::{Class, Consents, Preferences};
use super::time::Timestamp;
use super::track::Tracks;
use super::value::Properties;
use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One customer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Record {
    pub no: CustomerNo,
    pub id: CustomerId,
    /// The rules' version that this record was built for; an older one is brought up to date before any cause.
    pub rules: u64,
    /// The earliest of `createdAt`, the first event and first sight.
    pub known_since: Timestamp,
    pub email: Option<EmailAddress>,
    pub attributes: Properties,
    pub tags: BTreeSet<TagName>,
    pub preferences: Preferences,
    pub consents: Consents,
    pub tracks: Tracks,
    pub campaigns: BTreeMap<CampaignId, Standing>,
    /// Messages not yet settled.
    pub messages: BTreeMap<MessageNo, Message>,
    pub next_message: u32,
    /// Where this customer's alarm key stands: at or before the true alarm (alarms are lazy).
    pub alarm: Option<Timestamp>,
}

/// What a customer's record remembers of one campaign.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Standing {
    /// The campaign's `audience_hash` that `held` was judged by.
    pub judged_by: u64,
    /// The audience's last answer.
    pub held: bool,
    /// The audience already held when the campaign (or this edit) started; entered by `existing` only.
    pub existing: bool,
    /// The audience was seen not to hold since the last entry.
    pub left_since_entry: bool,
    /// Stands in the due index.
    pub due: bool,
    /// The last occurrence (local time) that this customer met, so that each local time is met at most once.
    pub met: Option<NaiveDateTime>,
    /// Open entries and the newest 200 that are over, oldest first.
    pub entries: Vec<Entry>,
    /// Entries that counted, over all keys.
    pub entered: u32,
}

/// One customer's way through one campaign.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Entry {
    pub key: EntryKey,
    pub at: Timestamp,
    pub state: EntryState,
    /// A message of it was attempted or held out; only then does it count for `again` and `at_most`.
    pub counted: bool,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum EntryState {
    /// The next step falls due at `due`.
    Waiting {
        step: StepId,
        due: Timestamp,
    },
    /// This step's message is on its way.
    Sending {
        step: StepId,
        message: MessageNo,
    },
    Finished {
        at: Timestamp,
    },
    Left {
        at: Timestamp,
    },
}

impl EntryState {
    pub fn is_open(&self) -> bool {
        matches!(
            self,
            EntryState::Waiting { .. } | EntryState::Sending { .. }
        )
    }
}

/// One message in the send ledger, until it is settled.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Message {
    pub no: MessageNo,
    pub campaign: CampaignId,
    pub step: StepId,
    pub entry: EntryKey,
    pub class: Class,
    pub topic: Option<TopicId>,
    pub priority: i32,
    pub variant: Option<String>,
    pub state: MessageState,
    /// When its step fell due.
    pub due: Timestamp,
    pub expires: Timestamp,
    /// Not asked for before this instant; set by policy's "later" and by retries.
    pub not_before: Timestamp,
    /// Stands in the outbox.
    pub released: bool,
    /// The mailbox of its first attempt, kept through retries.
    pub mailbox: Option<MailboxId>,
    /// Attempts made or given back; a number is never used again.
    pub attempts: u32,
    /// Any attempt's delivery is in doubt.
    pub doubted: bool,
    /// The state, `not_before` and place that an attempt given back returns to.
    pub before_attempt: Option<Box<(MessageState, Timestamp, Option<Timestamp>)>>,
}

/// Where a message stands (the send ledger's states; settled ones live in the send log only).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum MessageState {
    Waiting,
    Attempting(u32),
    Retrying,
    Uncertain,
}

/// One address: what all customers who share it share.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Mailbox {
    pub suppression: Option<Suppression>,
    /// Refusals bind all customers of the mailbox until a later consent.
    pub refusals: Consents,
    /// Places taken, oldest first, kept for the longest cap in force.
    pub places: Vec<Place>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Suppression {
    pub cause: SuppressionCause,
    pub at: Timestamp,
    pub note: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuppressionCause {
    HardBounce,
    Complaint,
    Unsubscribe,
    ByHand,
}

/// One of the N messages of a cap.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Place {
    pub at: Timestamp,
    pub message: MessageRef,
    pub campaign: CampaignId,
    pub class: Class,
}
