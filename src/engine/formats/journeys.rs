//! What was stored before entries remembered anything of the event that started them.

use crate::domain::about::About;
use crate::domain::address::{EmailAddress, MailboxId};
use crate::domain::cause::Liveness;
use crate::domain::engagement::{SentMessage, SentMessages};
use crate::domain::event::Event;
use crate::domain::id::{
    CampaignId, CustomerId, CustomerNo, EntryKey, MessageNo, MessageRef, StepId, TagName,
};
use crate::domain::opt_in::Pendings;
use crate::domain::posted::{Absorb, Letter, Posted};
use crate::domain::preference::{Consents, Preferences};
use crate::domain::record::{ByClock, DueAt, Entry, EntryState, Message, Record, Standing};
use crate::domain::time::Timestamp;
use crate::domain::track::Tracks;
use crate::domain::value::Properties;
use crate::engine::state::{CustomerState, Seen};
use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Serialize, Deserialize)]
pub struct CustomerState4 {
    pub record: Record4,
    pub seen: Seen,
    pub posted: u64,
}

#[derive(Serialize, Deserialize)]
pub struct Record4 {
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
    pub campaigns: BTreeMap<CampaignId, Standing2>,
    pub messages: BTreeMap<MessageNo, Message>,
    pub next_message: u32,
    pub alarm: Option<Timestamp>,
    pub sent: SentMessages,
    pub moved_to: Option<CustomerNo>,
    pub absorbed: Vec<CustomerNo>,
    pub pending: Pendings,
    pub told: BTreeMap<String, Timestamp>,
    pub former: Vec<MailboxId>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Standing2 {
    pub judged_by: u64,
    pub held: bool,
    pub existing: bool,
    pub left_since_entry: bool,
    pub due: Option<DueAt>,
    pub blocked: bool,
    pub met: Option<NaiveDateTime>,
    pub entries: Vec<Entry2>,
    pub entered: u32,
    pub journey: u64,
    pub steps: Vec<StepId>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Entry2 {
    pub key: EntryKey,
    pub at: Timestamp,
    pub state: EntryState,
    pub counted: bool,
    pub since: Timestamp,
    pub passed: Vec<StepId>,
    pub clock: Option<ByClock>,
}

impl From<Entry2> for Entry {
    fn from(old: Entry2) -> Entry {
        Entry {
            key: old.key,
            at: old.at,
            state: old.state,
            counted: old.counted,
            since: old.since,
            passed: old.passed,
            clock: old.clock,
            about: About::default(),
        }
    }
}

impl From<Standing2> for Standing {
    fn from(old: Standing2) -> Standing {
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
            journey: old.journey,
            steps: old.steps,
        }
    }
}

fn standings(old: BTreeMap<CampaignId, Standing2>) -> BTreeMap<CampaignId, Standing> {
    old.into_iter().map(|(id, s)| (id, s.into())).collect()
}

impl From<CustomerState4> for CustomerState {
    fn from(old: CustomerState4) -> CustomerState {
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
                messages: record.messages,
                next_message: record.next_message,
                alarm: record.alarm,
                sent: record.sent,
                moved_to: record.moved_to,
                absorbed: record.absorbed,
                pending: record.pending,
                told: record.told,
                former: record.former,
            },
            seen: old.seen,
            posted: old.posted,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub struct Letter3 {
    pub sender: CustomerNo,
    pub no: u64,
    pub posted: Posted3,
}

#[derive(Serialize, Deserialize)]
pub enum Posted3 {
    Absorb(Box<Absorb3>),
    Entry {
        campaign: CampaignId,
        entry: Entry2,
    },
    Sent {
        message: MessageRef,
        sent: Option<SentMessage>,
    },
}

#[derive(Serialize, Deserialize)]
pub struct Absorb3 {
    pub source: CustomerNo,
    pub earlier: Vec<CustomerNo>,
    pub known_since: Timestamp,
    pub email: Option<EmailAddress>,
    pub attributes: Properties,
    pub told: BTreeMap<String, Timestamp>,
    pub tags: BTreeSet<TagName>,
    pub preferences: Preferences,
    pub consents: Consents,
    pub pending: Pendings,
    pub standings: BTreeMap<CampaignId, Standing2>,
    pub sent: Vec<SentMessage>,
    pub events: Vec<(Event, Liveness)>,
}

impl From<Letter3> for Letter {
    fn from(old: Letter3) -> Letter {
        let posted = match old.posted {
            Posted3::Absorb(from) => Posted::Absorb(Box::new(Absorb {
                source: from.source,
                earlier: from.earlier,
                known_since: from.known_since,
                email: from.email,
                attributes: from.attributes,
                told: from.told,
                tags: from.tags,
                preferences: from.preferences,
                consents: from.consents,
                pending: from.pending,
                standings: standings(from.standings),
                sent: from.sent,
                events: from.events,
            })),
            Posted3::Entry { campaign, entry } => Posted::Entry {
                campaign,
                entry: entry.into(),
            },
            Posted3::Sent { message, sent } => Posted::Sent { message, sent },
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
    use super::{CustomerState4, Entry2, Letter3, Posted3, Record4, Standing2};
    use crate::domain::about::About;
    use crate::domain::id::{CampaignId, CustomerId, CustomerNo, EntryKey, StepId};
    use crate::domain::posted::{Letter, Posted};
    use crate::domain::record::{Entry, EntryState, Record};
    use crate::domain::time::Timestamp;
    use crate::engine::state::{CustomerState, Seen};
    use crate::store::codec::decode;

    /// Someone in the middle of a journey, and the same entry in a letter.
    #[test]
    fn who_was_under_way_before_entries_remembered_their_event_goes_on() {
        let (campaign, step) = (
            CampaignId::parse("cart").unwrap(),
            StepId::parse("mail").unwrap(),
        );
        let entry = Entry2 {
            key: EntryKey("a".into()),
            at: Timestamp(5),
            state: EntryState::Waiting {
                step: step.clone(),
                due: Timestamp(90),
            },
            counted: true,
            since: Timestamp(7),
            passed: vec![StepId::parse("hello").unwrap()],
            clock: None,
        };
        let standing = Standing2 {
            entries: vec![entry.clone()],
            entered: 1,
            journey: 4,
            steps: vec![step],
            ..Standing2::default()
        };
        let id = CustomerId::parse("mina").unwrap();
        let record = Record::new(CustomerNo(7), id, Timestamp(5));
        let old = CustomerState4 {
            record: Record4 {
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
                messages: record.messages,
                next_message: 2,
                alarm: Some(Timestamp(90)),
                sent: record.sent,
                moved_to: None,
                absorbed: Vec::new(),
                pending: record.pending,
                told: record.told,
                former: record.former,
            },
            seen: Seen::default(),
            posted: 4,
        };
        let bytes = postcard::to_extend(&old, vec![4]).unwrap();
        let state = decode::<CustomerState>(&bytes).unwrap();
        assert_eq!((state.posted, state.record.next_message), (4, 2));
        let standing = &state.record.campaigns[&campaign];
        assert_eq!((standing.entered, standing.journey), (1, 4));
        let expected = Entry::from(entry.clone());
        assert_eq!(standing.entries.first(), Some(&expected));
        assert_eq!(
            (expected.since, expected.about.clone()),
            (Timestamp(7), About::default())
        );
        let letter = Letter3 {
            sender: CustomerNo(3),
            no: 9,
            posted: Posted3::Entry { campaign, entry },
        };
        let bytes = postcard::to_extend(&letter, vec![3]).unwrap();
        let letter = decode::<Letter>(&bytes).unwrap();
        assert!(matches!(letter.posted, Posted::Entry { entry, .. } if entry == expected));
    }
}
