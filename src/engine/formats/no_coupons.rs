//! A customer before there were coupons.

use super::super::state::{CustomerState, Seen};
use crate::domain::address::{EmailAddress, MailboxId};
use crate::domain::engagement::SentMessages;
use crate::domain::id::{
    CampaignId, CustomerId, CustomerNo, EntryKey, MessageNo, StaffName, StepId, TagName, TopicId,
};
use crate::domain::opt_in::Pendings;
use crate::domain::preference::{Class, Consents, Preferences};
use crate::domain::record::{BeforeAttempt, Message, MessageState, Record, Standing};
use crate::domain::time::Timestamp;
use crate::domain::track::Tracks;
use crate::domain::value::Properties;
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
    pub campaigns: BTreeMap<CampaignId, Standing>,
    pub messages: BTreeMap<MessageNo, Message2>,
    pub next_message: u32,
    pub alarm: Option<Timestamp>,
    pub sent: SentMessages,
    pub moved_to: Option<CustomerNo>,
    pub absorbed: Vec<CustomerNo>,
    pub pending: Pendings,
    pub told: BTreeMap<String, Timestamp>,
    pub former: Vec<MailboxId>,
}

#[derive(Serialize, Deserialize)]
pub struct Message2 {
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

impl From<Message2> for Message {
    fn from(old: Message2) -> Message {
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
                campaigns: record.campaigns,
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
                coupons: Vec::new(),
            },
            seen: old.seen,
            posted: old.posted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CustomerState4, Record4};
    use crate::domain::address::EmailAddress;
    use crate::domain::engagement::SentMessages;
    use crate::domain::id::{CampaignId, CustomerId, CustomerNo, EntryKey, MessageNo, StepId};
    use crate::domain::preference::Class;
    use crate::domain::record::{MessageState, Record};
    use crate::domain::time::Timestamp;
    use crate::engine::state::{CustomerState, Seen};
    use crate::store::codec::{decode, encode};

    #[test]
    fn a_record_of_before_coupons_is_read_with_its_messages() {
        let id = CustomerId::parse("mina").unwrap();
        let new = Record::new(CustomerNo(7), id, Timestamp(5));
        let email = EmailAddress::parse("mina@customers.example").unwrap();
        let message = super::Message2 {
            no: MessageNo(3),
            campaign: CampaignId::parse("cart").unwrap(),
            step: StepId::parse("mail").unwrap(),
            entry: EntryKey("c1".into()),
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
            to: Some(email.clone()),
            attempts: 2,
            doubted: true,
            before: None,
            staff: None,
        };
        let old = CustomerState4 {
            record: Record4 {
                no: new.no,
                id: new.id.clone(),
                rules: 8,
                plan: 9,
                walked: new.walked,
                known_since: new.known_since,
                email: Some(email.clone()),
                attributes: new.attributes.clone(),
                tags: new.tags.clone(),
                preferences: new.preferences.clone(),
                consents: new.consents.clone(),
                tracks: new.tracks.clone(),
                campaigns: Default::default(),
                messages: [(MessageNo(3), message)].into(),
                next_message: 4,
                alarm: Some(Timestamp(11)),
                sent: SentMessages::default(),
                moved_to: None,
                absorbed: vec![CustomerNo(2)],
                pending: Default::default(),
                told: Default::default(),
                former: vec![email.mailbox()],
            },
            seen: Seen::default(),
            posted: 6,
        };
        let bytes = postcard::to_extend(&old, vec![4]).unwrap();
        let read: CustomerState = decode(&bytes).unwrap();
        let found = &read.record.messages[&MessageNo(3)];
        assert_eq!(
            (found.attempts, found.doubted, &found.coupon),
            (2, true, &None)
        );
        assert_eq!((read.record.former.len(), read.posted), (1, 6));
        assert!(read.record.coupons.is_empty() && !found.dry);
        assert_eq!(encode(&read)[0], 5);
    }
}
