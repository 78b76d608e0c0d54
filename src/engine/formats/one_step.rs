//! What a customer had under way before campaigns had several steps.

use crate::domain::about::About;
use crate::domain::address::EmailAddress;
use crate::domain::id::{CampaignId, EntryKey, MessageNo, StepId, TopicId};
use crate::domain::preference::Class;
use crate::domain::record::{
    BeforeAttempt, DueAt, Entry, EntryState, Message, MessageState, Standing,
};
use crate::domain::time::Timestamp;
use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
            kept_out: None,
            ways: Vec::new(),
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
            drawn: None,
            about: About::default(),
            journey: 0,
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
            coupon: None,
            dry: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::letters::Posted2;
    use super::super::{CustomerState3, Letter2, Record3};
    use super::{Entry1, Message1, Standing1};
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
        assert_eq!((standing.entered, standing.ways.len()), (1, 0));
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
