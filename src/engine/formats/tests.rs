//! Bytes and shapes of older versions, read as the newest.

use super::{CustomerState1, Preferences1, Record1};
use crate::domain::consent_ledger::{ConsentRow, Word};
use crate::domain::engagement::SentMessages;
use crate::domain::id::{CustomerId, CustomerNo, MessageNo};
use crate::domain::posted::{Letter, Posted};
use crate::domain::record::Record;
use crate::domain::time::Timestamp;
use crate::engine::state::{CustomerState, Seen, id_of_stored};
use crate::store::codec::{decode, encode};
use std::collections::BTreeMap;

fn no_preferences() -> Preferences1 {
    Preferences1 {
        timezone: None,
        locale: None,
        window: None,
        caps: None,
        gap: None,
        pause_until: None,
    }
}

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
            preferences: no_preferences(),
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
    assert_eq!(encode(&new)[0], 6);
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

#[test]
fn what_was_written_before_former_mailboxes_were_remembered_is_read() {
    let bytes = [
        &[3u8, 7, 4][..],
        b"mina",
        // rules, plan, walked, known_since, email, attributes, tags
        &[2, 3, 10, 12, 0, 0, 0],
        // preferences: timezone, locale, window, caps, gap, pause_until, format
        &[0, 0, 0, 0, 0, 0, 0],
        // consents, tracks, campaigns, messages, next_message, alarm
        &[0, 0, 0, 0, 6, 0],
        &postcard::to_stdvec(&SentMessages::default()).unwrap(),
        // moved_to, absorbed, pending, told (of the address); seen: recent, pages, spilled; posted
        &[0, 0, 0, 1, 5],
        b"email",
        &[8, 0, 0, 0, 9],
    ]
    .concat();
    let state = decode::<CustomerState>(&bytes).unwrap();
    assert_eq!(state.record.told["email"], Timestamp(4));
    assert_eq!((state.record.next_message, state.posted), (6, 9));
    assert!(state.record.former.is_empty());
}

#[test]
fn what_was_written_before_consents_were_confirmed_is_read() {
    let bytes = [
        &[2u8, 7, 4][..],
        b"mina",
        // rules, plan, walked, known_since, email, attributes, tags
        &[2, 3, 10, 12, 0, 0, 0],
        // preferences, of which the language is said
        &[0, 1, 2],
        b"ko",
        // window, caps, gap, pause_until, consents, tracks, campaigns, messages, next_message, alarm
        &[0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
        &postcard::to_stdvec(&SentMessages::default()).unwrap(),
        // moved_to, absorbed; seen: recent, pages, spilled; posted
        &[1, 9, 0, 0, 0, 0, 5],
    ]
    .concat();
    let state = decode::<CustomerState>(&bytes).unwrap();
    assert_eq!(state.record.preferences.locale.as_deref(), Some("ko"));
    assert_eq!(state.record.preferences.format, None);
    assert!(state.record.pending.is_empty());
    assert_eq!(
        (state.record.moved_to, state.posted),
        (Some(CustomerNo(9)), 5)
    );

    // A row of the ledger: told, topic, refused, at, source, wording, address, message, campaign.
    let bytes = [&[1u8, 8, 0, 1, 6, 4][..], b"page", &[0, 0, 1, 3, 0]].concat();
    let row = decode::<ConsentRow>(&bytes).unwrap();
    assert_eq!((row.state, row.told), (Word::Refused, Timestamp(4)));
    assert_eq!((row.message, row.message_of), (Some(MessageNo(3)), None));
    assert_eq!(encode(&row)[0], 2);

    // A letter: who posted it, its number, a refusal (topic, state, at, source, wording, origin).
    let bytes = [&[1u8, 9, 1, 2, 0, 1, 6, 4][..], b"page", &[0, 0, 0, 0, 0]].concat();
    let letter = decode::<Letter>(&bytes).unwrap();
    assert!(matches!(letter.posted, Posted::Sent { sent: None, .. }));
}
