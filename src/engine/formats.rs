//! Values as older versions of this program wrote them, and how each becomes the newest. What stands here never changes:
//! data in that shape exist. (Parts that are named by their present type have not changed since.)

mod before_goals;
mod controls;
mod letters;
mod one_step;
mod one_way;

pub use before_goals::{CustomerState4, LogRow1};
pub use controls::Controls1;
pub use letters::{Letter1, Letter2, Letter3};
pub use one_step::{Message1, Standing1};
pub use one_way::{CustomerState5, Letter4};

use super::state::{CustomerState, Seen};
use crate::domain::address::EmailAddress;
use crate::domain::cap::Cap;
use crate::domain::consent_ledger::ConsentRow;
use crate::domain::engagement::{SentMessage, SentMessages};
use crate::domain::goal::Goals;
use crate::domain::hours::Hours;
use crate::domain::id::{
    CampaignId, CustomerId, CustomerNo, EntryKey, MessageNo, StepId, TagName, TopicId,
};
use crate::domain::opt_in::Pendings;
use crate::domain::preference::{ConsentState, Consents, Preferences};
use crate::domain::record::Record;
use crate::domain::time::{Span, Timestamp};
use crate::domain::track::Tracks;
use crate::domain::value::Properties;
use crate::domain::window::Window;
use chrono_tz::Tz;
use one_step::standings;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Before customers could be merged, and before what came back for messages was remembered.
#[derive(Serialize, Deserialize)]
pub struct CustomerState1 {
    pub record: Record1,
    pub seen: Seen,
}

#[derive(Serialize, Deserialize)]
pub struct Record1 {
    pub no: CustomerNo,
    pub id: CustomerId,
    pub rules: u64,
    pub plan: u64,
    pub walked: Timestamp,
    pub known_since: Timestamp,
    pub email: Option<EmailAddress>,
    pub attributes: Properties,
    pub tags: BTreeSet<TagName>,
    pub preferences: Preferences1,
    pub consents: Consents,
    pub tracks: Tracks,
    pub campaigns: BTreeMap<CampaignId, Standing1>,
    pub messages: BTreeMap<MessageNo, Message1>,
    pub next_message: u32,
    pub alarm: Option<Timestamp>,
}

impl From<CustomerState1> for CustomerState2 {
    fn from(old: CustomerState1) -> CustomerState2 {
        let CustomerState1 { record, seen } = old;
        CustomerState2 {
            record: Record2 {
                no: record.no,
                id: record.id,
                rules: record.rules,
                plan: record.plan,
                walked: record.walked,
                known_since: record.known_since,
                email: record.email,
                attributes: record.attributes,
                tags: record.tags,
                preferences: record.preferences,
                consents: record.consents,
                tracks: record.tracks,
                campaigns: record.campaigns,
                messages: record.messages,
                next_message: record.next_message,
                alarm: record.alarm,
                sent: Vec::new(),
                moved_to: None,
                absorbed: Vec::new(),
            },
            seen,
            posted: 0,
        }
    }
}

/// Before consents could wait for a confirmation, and mails be plain text.
#[derive(Serialize, Deserialize)]
pub struct CustomerState2 {
    pub record: Record2,
    pub seen: Seen,
    pub posted: u64,
}

#[derive(Serialize, Deserialize)]
pub struct Record2 {
    pub no: CustomerNo,
    pub id: CustomerId,
    pub rules: u64,
    pub plan: u64,
    pub walked: Timestamp,
    pub known_since: Timestamp,
    pub email: Option<EmailAddress>,
    pub attributes: Properties,
    pub tags: BTreeSet<TagName>,
    pub preferences: Preferences1,
    pub consents: Consents,
    pub tracks: Tracks,
    pub campaigns: BTreeMap<CampaignId, Standing1>,
    pub messages: BTreeMap<MessageNo, Message1>,
    pub next_message: u32,
    pub alarm: Option<Timestamp>,
    pub sent: Vec<SentMessage2>,
    pub moved_to: Option<CustomerNo>,
    pub absorbed: Vec<CustomerNo>,
}

#[derive(Serialize, Deserialize)]
pub struct Preferences1 {
    pub timezone: Option<Tz>,
    pub locale: Option<String>,
    pub window: Option<Window>,
    pub caps: Option<Vec<Cap>>,
    pub gap: Option<Span>,
    pub pause_until: Option<Timestamp>,
}

impl From<Preferences1> for Preferences {
    fn from(old: Preferences1) -> Preferences {
        Preferences {
            timezone: old.timezone,
            locale: old.locale,
            window: old.window,
            caps: old.caps,
            gap: old.gap,
            pause_until: old.pause_until,
            format: None,
        }
    }
}

impl From<CustomerState2> for CustomerState3 {
    fn from(old: CustomerState2) -> CustomerState3 {
        let record = old.record;
        CustomerState3 {
            record: Record3 {
                no: record.no,
                id: record.id,
                rules: record.rules,
                plan: record.plan,
                walked: record.walked,
                known_since: record.known_since,
                email: record.email,
                attributes: record.attributes,
                tags: record.tags,
                preferences: record.preferences.into(),
                consents: record.consents,
                tracks: record.tracks,
                campaigns: record.campaigns,
                messages: record.messages,
                next_message: record.next_message,
                alarm: record.alarm,
                sent: sent_messages(record.sent),
                moved_to: record.moved_to,
                absorbed: record.absorbed,
                pending: Pendings::new(),
                told: BTreeMap::new(),
            },
            seen: old.seen,
            posted: old.posted,
        }
    }
}

/// Before campaigns had several steps, and former mailboxes were remembered.
#[derive(Serialize, Deserialize)]
pub struct CustomerState3 {
    pub record: Record3,
    pub seen: Seen,
    pub posted: u64,
}

#[derive(Serialize, Deserialize)]
pub struct Record3 {
    pub no: CustomerNo,
    pub id: CustomerId,
    pub rules: u64,
    pub plan: u64,
    pub walked: Timestamp,
    pub known_since: Timestamp,
    pub email: Option<EmailAddress>,
    pub attributes: Properties,
    pub tags: BTreeSet<TagName>,
    pub preferences: Preferences,
    pub consents: Consents,
    pub tracks: Tracks,
    pub campaigns: BTreeMap<CampaignId, Standing1>,
    pub messages: BTreeMap<MessageNo, Message1>,
    pub next_message: u32,
    pub alarm: Option<Timestamp>,
    pub sent: SentMessages,
    pub moved_to: Option<CustomerNo>,
    pub absorbed: Vec<CustomerNo>,
    pub pending: Pendings,
    pub told: BTreeMap<String, Timestamp>,
}

impl From<CustomerState3> for CustomerState {
    fn from(old: CustomerState3) -> CustomerState {
        let record = old.record;
        CustomerState {
            record: Record {
                no: record.no,
                id: record.id,
                rules: record.rules,
                plan: record.plan,
                walked: record.walked,
                known_since: record.known_since,
                email: record.email,
                attributes: record.attributes,
                tags: record.tags,
                preferences: record.preferences,
                consents: record.consents,
                tracks: record.tracks,
                campaigns: standings(record.campaigns),
                messages: (record.messages.into_iter())
                    .map(|(no, m)| (no, m.into()))
                    .collect(),
                next_message: record.next_message,
                alarm: record.alarm,
                sent: record.sent,
                moved_to: record.moved_to,
                absorbed: record.absorbed,
                pending: record.pending,
                told: record.told,
                former: Vec::new(),
                goals: Goals::default(),
                hours: Hours::default(),
                coupons: Vec::new(),
                left_by: Vec::new(),
            },
            seen: old.seen,
            posted: old.posted,
        }
    }
}

/// A message that left, of the same time: only the customer's own were remembered.
#[derive(Serialize, Deserialize)]
pub struct SentMessage2 {
    pub no: MessageNo,
    pub campaign: CampaignId,
    pub step: StepId,
    pub entry: EntryKey,
    pub variant: Option<String>,
    pub left: Timestamp,
    pub accepted: Option<Timestamp>,
    pub bounced: Option<Timestamp>,
    pub opened: Option<Timestamp>,
    pub maybe_opened: Option<Timestamp>,
    pub clicked: Option<Timestamp>,
    pub ordered: Option<Timestamp>,
    pub told: u8,
}

fn sent_messages(old: Vec<SentMessage2>) -> SentMessages {
    let mut sent = SentMessages::default();
    for m in old {
        sent.take_over(SentMessage {
            by: None,
            no: m.no,
            campaign: m.campaign,
            step: m.step,
            entry: m.entry,
            variant: m.variant,
            left: m.left,
            accepted: m.accepted,
            bounced: m.bounced,
            opened: m.opened,
            maybe_opened: m.maybe_opened,
            clicked: m.clicked,
            ordered: m.ordered,
            told: m.told,
        });
    }
    sent
}

/// A row of the consent ledger of the same time as the first letters: a message was the customer's own.
#[derive(Serialize, Deserialize)]
pub struct ConsentRow1 {
    pub told: Timestamp,
    pub topic: Option<TopicId>,
    pub state: ConsentState,
    pub at: Timestamp,
    pub source: String,
    pub wording: Option<String>,
    pub address: Option<String>,
    pub message: Option<MessageNo>,
    pub campaign: Option<CampaignId>,
}

impl From<ConsentRow1> for ConsentRow {
    fn from(old: ConsentRow1) -> ConsentRow {
        ConsentRow {
            told: old.told,
            topic: old.topic,
            state: old.state.into(),
            at: old.at,
            source: old.source,
            wording: old.wording,
            address: old.address,
            message_of: None,
            message: old.message,
            campaign: old.campaign,
        }
    }
}

#[cfg(test)]
mod tests;
