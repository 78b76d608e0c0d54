//! Records and letters of before it was known at which hours customers answer.

use crate::domain::address::{EmailAddress, MailboxId};
use crate::domain::cause::Liveness;
use crate::domain::engagement::{SentMessage, SentMessages};
use crate::domain::event::Event;
use crate::domain::hours::Hours;
use crate::domain::id::{CampaignId, CustomerId, CustomerNo, MessageNo, MessageRef, TagName};
use crate::domain::opt_in::Pendings;
use crate::domain::posted::{Absorb, Letter, Posted};
use crate::domain::preference::{Consents, Preferences};
use crate::domain::record::{Entry, Message, Record, Standing};
use crate::domain::time::Timestamp;
use crate::domain::track::Tracks;
use crate::domain::value::Properties;
use crate::engine::state::{CustomerState, Seen};
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
                messages: record.messages,
                next_message: record.next_message,
                alarm: record.alarm,
                sent: record.sent,
                moved_to: record.moved_to,
                absorbed: record.absorbed,
                pending: record.pending,
                told: record.told,
                former: record.former,
                hours: Hours::default(),
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
        entry: Entry,
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
    pub standings: BTreeMap<CampaignId, Standing>,
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
                standings: from.standings,
                sent: from.sent,
                events: from.events,
                hours: Hours::default(),
            })),
            Posted3::Entry { campaign, entry } => Posted::Entry { campaign, entry },
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
    use crate::domain::engagement::SentMessages;
    use crate::domain::posted::{Letter, Posted};
    use crate::domain::time::Timestamp;
    use crate::engine::state::CustomerState;
    use crate::store::codec::{decode, encode};

    #[test]
    fn what_was_written_before_hours_were_learned_is_read() {
        let bytes = [
            &[4u8, 7, 4][..],
            b"mina",
            // rules, plan, walked, known_since, email, attributes, tags
            &[2, 3, 10, 12, 0, 0, 0],
            // preferences: timezone, locale, window, caps, gap, pause_until, format
            &[0, 0, 0, 0, 0, 0, 0],
            // consents, tracks, campaigns, messages, next_message, alarm
            &[0, 0, 0, 0, 6, 0],
            &postcard::to_stdvec(&SentMessages::default()).unwrap(),
            // moved_to, absorbed, pending, told, former (one); seen: recent, pages, spilled; posted
            &[0, 0, 0, 0, 1, 3],
            b"a@b",
            &[0, 0, 0, 9],
        ]
        .concat();
        let state = decode::<CustomerState>(&bytes).unwrap();
        assert_eq!((state.record.next_message, state.posted), (6, 9));
        assert_eq!(state.record.former.len(), 1);
        assert_eq!(state.record.hours.answers(), 0);
        assert_eq!(encode(&state)[0], 5);
    }

    #[test]
    fn a_letter_of_before_hours_were_learned_is_read() {
        // Who posted it, its number, all that they had: source, earlier, known_since, email, attributes, told, tags,
        // preferences (seven), consents, pending, standings, sent, events.
        let bytes = [&[3u8, 9, 1, 0, 9, 0, 12][..], &[0; 16]].concat();
        let letter = decode::<Letter>(&bytes).unwrap();
        assert_eq!(encode(&letter)[0], 4);
        let Posted::Absorb(from) = letter.posted else {
            panic!("{letter:?}");
        };
        assert_eq!((from.known_since, from.hours.answers()), (Timestamp(6), 0));
    }
}
