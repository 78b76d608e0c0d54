//! What a customer had under way, and told others, before campaigns had several steps.

use crate::domain::address::EmailAddress;
use crate::domain::cause::Liveness;
use crate::domain::engagement::{SentMessage, SentMessages};
use crate::domain::event::Event;
use crate::domain::id::{
    CampaignId, CustomerId, CustomerNo, EntryKey, MessageNo, MessageRef, StepId, TagName, TopicId,
};
use crate::domain::opt_in::Pendings;
use crate::domain::posted::{Absorb, Letter, Posted};
use crate::domain::preference::{Class, Consents, Preferences};
use crate::domain::record::{
    BeforeAttempt, DueAt, Entry, EntryState, Message, MessageState, Record, Standing,
};
use crate::domain::time::Timestamp;
use crate::domain::track::Tracks;
use crate::domain::value::Properties;
use crate::engine::state::{CustomerState, Seen};
use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn standings(old: BTreeMap<CampaignId, Standing1>) -> BTreeMap<CampaignId, Standing> {
    old.into_iter().map(|(id, s)| (id, s.into())).collect()
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Standing1 {
    pub judged_by: u64,
    pub held: bool,
    pub existing: bool,
    pub left_since_entry: bool,
    pub due: Option<DueAt>,
    pub blocked: bool,
    pub met: Option<NaiveDateTime>,
    pub entries: Vec<Entry1>,
    pub entered: u32,
}

impl From<Standing1> for Standing {
    fn from(old: Standing1) -> Standing {
        Standing {
            judged_by: old.judged_by,
            held: old.held,
            existing: old.existing,
            left_since_entry: old.left_since_entry,
            due: old.due,
            blocked: old.blocked,
            met: old.met,
            entries: old.entries.into_iter().map(Entry::from).collect(),
            entered: old.entered,
            journey: 0,
            steps: Vec::new(),
        }
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Entry1 {
    pub key: EntryKey,
    pub at: Timestamp,
    pub state: EntryState,
    pub counted: bool,
}

impl From<Entry1> for Entry {
    fn from(old: Entry1) -> Entry {
        Entry {
            key: old.key,
            at: old.at,
            state: old.state,
            counted: old.counted,
            since: old.at,
            passed: Vec::new(),
            clock: None,
        }
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Message1 {
    pub no: MessageNo,
    pub campaign: CampaignId,
    pub step: StepId,
    pub entry: EntryKey,
    pub class: Class,
    pub topic: Option<TopicId>,
    pub priority: i32,
    pub variant: Option<String>,
    pub state: MessageState,
    pub due: Timestamp,
    pub expires: Timestamp,
    pub not_before: Timestamp,
    pub released: bool,
    pub parked: bool,
    pub to: Option<EmailAddress>,
    pub attempts: u32,
    pub doubted: bool,
    pub before: Option<Box<BeforeAttempt>>,
}

impl From<Message1> for Message {
    fn from(old: Message1) -> Message {
        Message {
            no: old.no,
            campaign: old.campaign,
            step: old.step,
            entry: old.entry,
            class: old.class,
            topic: old.topic,
            priority: old.priority,
            variant: old.variant,
            state: old.state,
            due: old.due,
            expires: old.expires,
            not_before: old.not_before,
            released: old.released,
            parked: old.parked,
            to: old.to,
            attempts: old.attempts,
            doubted: old.doubted,
            before: old.before,
            staff: None,
        }
    }
}

/// A customer of before campaigns had several steps.
#[derive(Clone, Serialize, Deserialize)]
pub struct CustomerState3 {
    pub record: Record3,
    pub seen: Seen,
    pub posted: u64,
}

#[derive(Clone, Serialize, Deserialize)]
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
            },
            seen: old.seen,
            posted: old.posted,
        }
    }
}

/// A letter of the same time.
#[derive(Serialize, Deserialize)]
pub struct Letter2 {
    pub sender: CustomerNo,
    pub no: u64,
    pub posted: Posted2,
}

#[derive(Serialize, Deserialize)]
pub enum Posted2 {
    Absorb(Box<Absorb2>),
    Entry {
        campaign: CampaignId,
        entry: Entry1,
    },
    Sent {
        message: MessageRef,
        sent: Option<SentMessage>,
    },
}

#[derive(Serialize, Deserialize)]
pub struct Absorb2 {
    pub source: CustomerNo,
    pub earlier: Vec<CustomerNo>,
    pub known_since: Timestamp,
    pub email: Option<EmailAddress>,
    pub attributes: Properties,
    pub tags: BTreeSet<TagName>,
    pub preferences: Preferences,
    pub consents: Consents,
    pub pending: Pendings,
    pub standings: BTreeMap<CampaignId, Standing1>,
    pub sent: Vec<SentMessage>,
    pub events: Vec<(Event, Liveness)>,
}

impl From<Letter2> for Letter {
    fn from(old: Letter2) -> Letter {
        let posted = match old.posted {
            Posted2::Absorb(from) => Posted::Absorb(Box::new(Absorb {
                source: from.source,
                earlier: from.earlier,
                known_since: from.known_since,
                email: from.email,
                attributes: from.attributes,
                tags: from.tags,
                preferences: from.preferences,
                consents: from.consents,
                pending: from.pending,
                standings: standings(from.standings),
                sent: from.sent,
                events: from.events,
            })),
            Posted2::Entry { campaign, entry } => Posted::Entry {
                campaign,
                entry: entry.into(),
            },
            Posted2::Sent { message, sent } => Posted::Sent { message, sent },
        };
        Letter {
            sender: old.sender,
            no: old.no,
            posted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CustomerState3, Entry1, Letter2, Message1, Posted2, Record3, Standing1};
    use crate::domain::address::EmailAddress;
    use crate::domain::id::{
        CampaignId, CustomerId, CustomerNo, EntryKey, MessageNo, StepId, TopicId,
    };
    use crate::domain::posted::{Letter, Posted};
    use crate::domain::preference::Class;
    use crate::domain::record::{Entry, EntryState, MessageState, Record};
    use crate::domain::time::Timestamp;
    use crate::engine::state::{CustomerState, Seen};
    use crate::store::codec::decode;

    /// Someone on the way through a campaign of one step, whose message is being tried again, as it was stored before
    /// there were several; and the same entry in a letter.
    #[test]
    fn what_was_under_way_before_journeys_goes_on() {
        let (campaign, step) = (
            CampaignId::parse("cart").unwrap(),
            StepId::parse("mail").unwrap(),
        );
        let entry = Entry1 {
            key: EntryKey("a".into()),
            at: Timestamp(5),
            state: EntryState::Sending {
                step: step.clone(),
                message: MessageNo(1),
            },
            counted: true,
        };
        let message = Message1 {
            no: MessageNo(1),
            campaign: campaign.clone(),
            step,
            entry: entry.key.clone(),
            class: Class::Advertising,
            topic: TopicId::parse("offers").ok(),
            priority: 3,
            variant: None,
            state: MessageState::Retrying,
            due: Timestamp(6),
            expires: Timestamp(900),
            not_before: Timestamp(70),
            released: true,
            parked: false,
            to: EmailAddress::parse("mina@mail.example").ok(),
            attempts: 1,
            doubted: true,
            before: None,
        };
        let record = Record::new(
            CustomerNo(7),
            CustomerId::parse("mina").unwrap(),
            Timestamp(5),
        );
        let standing = Standing1 {
            entries: vec![entry.clone()],
            entered: 1,
            ..Standing1::default()
        };
        let old = CustomerState3 {
            record: Record3 {
                no: record.no,
                id: record.id,
                rules: 8,
                plan: record.plan,
                walked: record.walked,
                known_since: record.known_since,
                email: record.email,
                attributes: record.attributes,
                tags: record.tags,
                preferences: record.preferences,
                consents: record.consents,
                tracks: record.tracks,
                campaigns: [(campaign.clone(), standing)].into(),
                messages: [(MessageNo(1), message)].into(),
                next_message: 2,
                alarm: None,
                sent: record.sent,
                moved_to: None,
                absorbed: Vec::new(),
                pending: record.pending,
                told: [("email".to_owned(), Timestamp(4))].into(),
            },
            seen: Seen::default(),
            posted: 4,
        };
        let bytes = postcard::to_extend(&old, vec![3]).unwrap();
        let state = decode::<CustomerState>(&bytes).unwrap();
        assert_eq!((state.posted, state.record.rules), (4, 8));
        assert_eq!(state.record.told["email"], Timestamp(4));
        let standing = &state.record.campaigns[&campaign];
        assert_eq!((standing.entered, standing.journey), (1, 0));
        let (expected, found) = (Entry::from(entry.clone()), &standing.entries[0]);
        assert_eq!(*found, expected);
        assert!(found.sends(MessageNo(1)) && found.since == Timestamp(5));
        let message = &state.record.messages[&MessageNo(1)];
        assert!(message.doubted && message.not_before == Timestamp(70) && message.staff.is_none());
        let letter = Letter2 {
            sender: CustomerNo(3),
            no: 9,
            posted: Posted2::Entry { campaign, entry },
        };
        let bytes = postcard::to_extend(&letter, vec![2]).unwrap();
        let letter = decode::<Letter>(&bytes).unwrap();
        assert!(matches!(letter.posted, Posted::Entry { entry, .. } if entry == expected));
    }
}
