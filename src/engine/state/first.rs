//! The first format of a customer's record, which remembered no messages that left.

use super::{CustomerState, Seen};
use crate::domain::address::EmailAddress;
use crate::domain::engagement::SentMessages;
use crate::domain::id::{CampaignId, CustomerId, CustomerNo, MessageNo, TagName};
use crate::domain::preference::{Consents, Preferences};
use crate::domain::record::{Message, Record, Standing};
use crate::domain::time::Timestamp;
use crate::domain::track::Tracks;
use crate::domain::value::Properties;
use crate::store::codec::{CodecError, Stored};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Serialize, Deserialize)]
struct First {
    record: FirstRecord,
    seen: Seen,
}

#[derive(Serialize, Deserialize)]
struct FirstRecord {
    no: CustomerNo,
    id: CustomerId,
    rules: u64,
    plan: u64,
    walked: Timestamp,
    known_since: Timestamp,
    email: Option<EmailAddress>,
    attributes: Properties,
    tags: BTreeSet<TagName>,
    preferences: Preferences,
    consents: Consents,
    tracks: Tracks,
    campaigns: BTreeMap<CampaignId, Standing>,
    messages: BTreeMap<MessageNo, Message>,
    next_message: u32,
    alarm: Option<Timestamp>,
}

pub(super) fn read(body: &[u8]) -> Result<CustomerState, CodecError> {
    let First { record: old, seen } =
        postcard::from_bytes(body).map_err(|e| CodecError::Damaged {
            what: CustomerState::WHAT,
            why: e.to_string(),
        })?;
    let record = Record {
        no: old.no,
        id: old.id,
        rules: old.rules,
        plan: old.plan,
        walked: old.walked,
        known_since: old.known_since,
        email: old.email,
        attributes: old.attributes,
        tags: old.tags,
        preferences: old.preferences,
        consents: old.consents,
        tracks: old.tracks,
        campaigns: old.campaigns,
        messages: old.messages,
        next_message: old.next_message,
        alarm: old.alarm,
        sent: SentMessages::default(),
    };
    Ok(CustomerState { record, seen })
}

#[cfg(test)]
mod tests {
    use super::{First, FirstRecord};
    use crate::domain::id::{CustomerId, CustomerNo};
    use crate::domain::record::Record;
    use crate::domain::time::Timestamp;
    use crate::engine::state::{CustomerState, Seen, id_of_stored};
    use crate::store::codec::decode;

    #[test]
    fn a_record_of_the_first_format_opens() {
        let id = CustomerId::parse("고객 7").unwrap();
        let mut new = Record::new(CustomerNo(70_000), id.clone(), Timestamp(5));
        new.next_message = 9;
        new.alarm = Some(Timestamp(77));
        let of = new.clone();
        let old = First {
            record: FirstRecord {
                no: of.no,
                id: of.id,
                rules: of.rules,
                plan: of.plan,
                walked: of.walked,
                known_since: of.known_since,
                email: of.email,
                attributes: of.attributes,
                tags: of.tags,
                preferences: of.preferences,
                consents: of.consents,
                tracks: of.tracks,
                campaigns: of.campaigns,
                messages: of.messages,
                next_message: of.next_message,
                alarm: of.alarm,
            },
            seen: Seen {
                recent: vec![1, 2],
                ..Seen::default()
            },
        };
        let mut bytes = vec![1];
        bytes.extend(postcard::to_stdvec(&old).unwrap());
        let state: CustomerState = decode(&bytes).unwrap();
        assert_eq!(state.record, new);
        assert_eq!(state.seen.recent, [1, 2]);
        assert_eq!(id_of_stored(&bytes), Some(id));
    }
}
