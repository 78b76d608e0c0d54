//! What a customer had under way before messages could be held out or bear coupons, events were credited to them, and
//! entries remembered the event that started them.

use super::letters::{Letter3, Posted3};
use super::one_way::{Entry5, Standing5};
use crate::domain::about::About;
use crate::domain::address::{EmailAddress, MailboxId};
use crate::domain::engagement::SentMessages;
use crate::domain::goal::Goals;
use crate::domain::hours::Hours;
use crate::domain::id::{
    CampaignId, CustomerId, CustomerNo, EntryKey, MessageNo, StaffName, StepId, TagName, TopicId,
};
use crate::domain::ledger::{LogRow, Reason, Status};
use crate::domain::opt_in::Pendings;
use crate::domain::posted::{Absorb, Letter, Posted};
use crate::domain::preference::{Class, Consents, Preferences};
use crate::domain::record::{
    BeforeAttempt, ByClock, DueAt, EntryState, Message, MessageState, Record, Standing,
};
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
    pub campaigns: BTreeMap<CampaignId, Standing4>,
    pub messages: BTreeMap<MessageNo, Message4>,
    pub next_message: u32,
    pub alarm: Option<Timestamp>,
    pub sent: SentMessages,
    pub moved_to: Option<CustomerNo>,
    pub absorbed: Vec<CustomerNo>,
    pub pending: Pendings,
    pub told: BTreeMap<String, Timestamp>,
    pub former: Vec<MailboxId>,
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
                former: record.former,
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

fn standings(old: BTreeMap<CampaignId, Standing4>) -> BTreeMap<CampaignId, Standing> {
    old.into_iter().map(|(id, s)| (id, s.into())).collect()
}

#[derive(Serialize, Deserialize)]
pub struct Message4 {
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
    pub staff: Option<StaffName>,
}

impl From<Message4> for Message {
    fn from(old: Message4) -> Message {
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
            staff: old.staff,
            coupon: None,
            dry: false,
        }
    }
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Standing4 {
    pub judged_by: u64,
    pub held: bool,
    pub existing: bool,
    pub left_since_entry: bool,
    pub due: Option<DueAt>,
    pub blocked: bool,
    pub met: Option<NaiveDateTime>,
    pub entries: Vec<Entry4>,
    pub entered: u32,
    pub journey: u64,
    pub steps: Vec<StepId>,
}

impl From<Standing4> for Standing {
    fn from(old: Standing4) -> Standing {
        Standing::from(Standing5 {
            judged_by: old.judged_by,
            held: old.held,
            existing: old.existing,
            left_since_entry: old.left_since_entry,
            due: old.due,
            blocked: old.blocked,
            met: old.met,
            entries: old.entries.into_iter().map(Entry5::from).collect(),
            entered: old.entered,
            journey: old.journey,
            steps: old.steps,
            kept_out: None,
        })
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Entry4 {
    pub key: EntryKey,
    pub at: Timestamp,
    pub state: EntryState,
    pub counted: bool,
    pub since: Timestamp,
    pub passed: Vec<StepId>,
    pub clock: Option<ByClock>,
}

impl From<Entry4> for Entry5 {
    fn from(old: Entry4) -> Entry5 {
        Entry5 {
            key: old.key,
            at: old.at,
            state: old.state,
            counted: old.counted,
            since: old.since,
            passed: old.passed,
            clock: old.clock,
            drawn: None,
            about: About::default(),
        }
    }
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
                goals: Goals::default(),
                hours: Hours::default(),
                left_by: Vec::new(),
            })),
            Posted3::Entry { campaign, entry } => Posted::Entry {
                campaign,
                entry: Entry5::from(entry).into(),
                way: None,
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

/// A row of the send log of the same time.
#[derive(Serialize, Deserialize)]
pub struct LogRow1 {
    pub time: Timestamp,
    pub customer: CustomerNo,
    pub campaign: CampaignId,
    pub step: Option<StepId>,
    pub message: Option<MessageNo>,
    pub entry: EntryKey,
    pub variant: Option<String>,
    pub status: Status,
    pub reason: Reason,
    pub detail: String,
    pub attempt: u32,
}

impl From<LogRow1> for LogRow {
    fn from(old: LogRow1) -> LogRow {
        LogRow {
            time: old.time,
            customer: old.customer,
            campaign: old.campaign,
            step: old.step,
            message: old.message,
            entry: old.entry,
            variant: old.variant,
            status: old.status,
            reason: old.reason,
            detail: old.detail,
            attempt: old.attempt,
            goal_until: None,
            value: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::letters::{Letter3, Posted3};
    use super::{CustomerState4, Entry4, Entry5, LogRow1, Message4, Record4, Standing4};
    use crate::domain::id::{CampaignId, CustomerId, CustomerNo, EntryKey, MessageNo, StepId};
    use crate::domain::ledger::{LogRow, Reason, Status};
    use crate::domain::posted::{Letter, Posted};
    use crate::domain::preference::Class;
    use crate::domain::record::{Entry, EntryState, MessageState, Record};
    use crate::domain::time::Timestamp;
    use crate::engine::state::{CustomerState, Seen};
    use crate::store::codec::decode;

    /// Someone on the way, the same entry in a letter, and a row of their log, as they were stored before goals.
    #[test]
    fn what_was_under_way_before_goals_goes_on() {
        let campaign = CampaignId::parse("cart").unwrap();
        let entry = Entry4 {
            key: EntryKey("a".into()),
            at: Timestamp(5),
            state: EntryState::Waiting {
                step: StepId::parse("mail").unwrap(),
                due: Timestamp(90),
            },
            counted: true,
            since: Timestamp(7),
            passed: vec![StepId::parse("first").unwrap()],
            clock: None,
        };
        let expected = Entry::from(Entry5::from(entry.clone()));
        assert!(expected.drawn.is_none() && expected.passed.len() == 1);
        let record = Record::new(
            CustomerNo(7),
            CustomerId::parse("mina").unwrap(),
            Timestamp(5),
        );
        let standing = Standing4 {
            entries: vec![entry.clone()],
            entered: 1,
            journey: 6,
            ..Standing4::default()
        };
        let message = Message4 {
            no: MessageNo(3),
            campaign: campaign.clone(),
            step: StepId::parse("mail").unwrap(),
            entry: EntryKey("a".into()),
            class: Class::Advertising,
            topic: None,
            priority: 4,
            variant: Some("plain".into()),
            state: MessageState::Retrying,
            due: Timestamp(1),
            expires: Timestamp(2),
            not_before: Timestamp(3),
            released: true,
            parked: false,
            to: None,
            attempts: 2,
            doubted: true,
            before: None,
            staff: None,
        };
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
                messages: [(MessageNo(3), message)].into(),
                next_message: 2,
                alarm: Some(Timestamp(90)),
                sent: record.sent,
                moved_to: None,
                absorbed: vec![CustomerNo(3)],
                pending: record.pending,
                told: record.told,
                former: record.former,
            },
            seen: Seen::default(),
            posted: 4,
        };
        let bytes = postcard::to_extend(&old, vec![4]).unwrap();
        let state = decode::<CustomerState>(&bytes).unwrap();
        assert_eq!((state.posted, state.record.rules), (4, 8));
        assert_eq!(state.record.absorbed, [CustomerNo(3)]);
        assert_eq!(state.record.alarm, Some(Timestamp(90)));
        assert_eq!(state.record.goals.windows().count(), 0);
        let message = &state.record.messages[&MessageNo(3)];
        assert_eq!((message.attempts, message.doubted), (2, true));
        assert!(message.coupon.is_none() && !message.dry && state.record.coupons.is_empty());
        let standing = &state.record.campaigns[&campaign];
        assert_eq!((standing.entered, standing.ways[0].journey), (1, 6));
        let by_six = Entry {
            journey: 6,
            ..expected.clone()
        };
        assert_eq!(standing.entries, [by_six]);
        let letter = Letter3 {
            sender: CustomerNo(3),
            no: 9,
            posted: Posted3::Entry {
                campaign: campaign.clone(),
                entry,
            },
        };
        let bytes = postcard::to_extend(&letter, vec![3]).unwrap();
        let letter = decode::<Letter>(&bytes).unwrap();
        assert!(matches!(letter.posted, Posted::Entry { entry, .. } if entry == expected));
        let row = LogRow1 {
            time: Timestamp(5),
            customer: CustomerNo(7),
            campaign,
            step: None,
            message: None,
            entry: EntryKey("a".into()),
            variant: Some("gift".into()),
            status: Status::Entered,
            reason: Reason::Trigger,
            detail: "Product Added".into(),
            attempt: 2,
        };
        let bytes = postcard::to_extend(&row, vec![1]).unwrap();
        let row = decode::<LogRow>(&bytes).unwrap();
        assert_eq!((row.attempt, row.goal_until, row.value), (2, None, None));
        assert_eq!(
            (row.detail.as_str(), row.reason),
            ("Product Added", Reason::Trigger)
        );
    }
}
