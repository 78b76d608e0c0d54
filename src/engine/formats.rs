//! Values as older versions of this program wrote them, and how each becomes the newest. What stands here never changes:
//! data in that shape exist. (Parts that are named by their present type have not changed since.)

mod one_step;

pub use one_step::{Letter1, Message1, Standing1};

use super::state::{CustomerState, Seen};
use crate::domain::address::EmailAddress;
use crate::domain::engagement::SentMessages;
use crate::domain::id::{CampaignId, CustomerId, CustomerNo, MessageNo, TagName};
use crate::domain::preference::{Consents, Preferences};
use crate::domain::record::Record;
use crate::domain::time::Timestamp;
use crate::domain::track::Tracks;
use crate::domain::value::Properties;
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
    pub preferences: Preferences,
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
                sent: SentMessages::default(),
                moved_to: None,
                absorbed: Vec::new(),
            },
            seen,
            posted: 0,
        }
    }
}

/// Before campaigns had several steps.
#[derive(Clone, Serialize, Deserialize)]
pub struct CustomerState2 {
    pub record: Record2,
    pub seen: Seen,
    pub posted: u64,
}

#[derive(Clone, Serialize, Deserialize)]
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
}

impl From<CustomerState2> for CustomerState {
    fn from(old: CustomerState2) -> CustomerState {
        let CustomerState2 {
            record,
            seen,
            posted,
        } = old;
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
            },
            seen,
            posted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CustomerState1, Record1};
    use crate::domain::id::{CustomerId, CustomerNo};
    use crate::domain::record::Record;
    use crate::domain::time::Timestamp;
    use crate::engine::state::{CustomerState, Seen, id_of_stored};
    use crate::store::codec::{decode, encode};
    use std::collections::BTreeMap;

    #[test]
    fn a_record_of_before_customers_could_be_merged_is_read() {
        let id = CustomerId::parse("mina").unwrap();
        let new = CustomerState {
            record: Record::new(CustomerNo(7), id.clone(), Timestamp(5)),
            seen: Seen {
                recent: vec![3, 4],
                ..Seen::default()
            },
            posted: 0,
        };
        let record = new.record.clone();
        let old = CustomerState1 {
            record: Record1 {
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
                campaigns: BTreeMap::new(),
                messages: BTreeMap::new(),
                next_message: record.next_message,
                alarm: record.alarm,
            },
            seen: new.seen.clone(),
        };
        let bytes = postcard::to_extend(&old, vec![1]).unwrap();
        assert_eq!(decode::<CustomerState>(&bytes), Ok(new.clone()));
        assert_eq!(id_of_stored(&bytes), Some(id));
        // Written again, it is of the newest format.
        assert_eq!(encode(&new)[0], 3);
        assert!(decode::<CustomerState>(&[9, 0]).is_err());
        assert!(decode::<CustomerState>(&[1, 0]).is_err());
    }

    /// The bytes as the first version of this program wrote them, so that no part of the old shape changes unseen.
    #[test]
    fn the_old_format_is_as_it_was_written() {
        let bytes = [
            &[1u8, 7, 4][..],
            b"mina",
            // rules, plan, walked, known_since, email, attributes, tags
            &[2, 3, 10, 12, 0, 0, 0],
            // preferences, consents, tracks, campaigns, messages, next_message, alarm
            &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
            // seen: recent, pages, spilled
            &[2, 3, 4, 0, 0],
        ]
        .concat();
        let state = decode::<CustomerState>(&bytes).unwrap();
        assert_eq!(state.record.id.as_str(), "mina");
        assert_eq!(state.record.known_since, Timestamp(6));
        assert_eq!(state.record.next_message, 1);
        assert_eq!(state.seen.recent, [3, 4]);
    }
}
