//! Letters between customers as older versions wrote them.

use super::Preferences1;
use super::before_goals::{Entry4, Standing4};
use super::one_step::{Entry1, Standing1, standings};
use crate::domain::address::{EmailAddress, MailboxId};
use crate::domain::cause::Liveness;
use crate::domain::consent_ledger::MailOf;
use crate::domain::engagement::SentMessage;
use crate::domain::event::Event;
use crate::domain::goal::Goals;
use crate::domain::hours::Hours;
use crate::domain::id::{CampaignId, CustomerNo, MessageNo, MessageRef, TagName, TopicId};
use crate::domain::opt_in::Pendings;
use crate::domain::posted::{Absorb, Letter, Posted};
use crate::domain::preference::{ConsentState, Consents, Preferences};
use crate::domain::time::Timestamp;
use crate::domain::value::Properties;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Of the time of [`CustomerState1`](super::CustomerState1).
#[derive(Serialize, Deserialize)]
pub struct Letter1 {
    pub sender: CustomerNo,
    pub no: u64,
    pub posted: Posted1,
}

#[derive(Serialize, Deserialize)]
pub enum Posted1 {
    Absorb(Box<Absorb1>),
    Entry { campaign: CampaignId, entry: Entry1 },
    Refusal(ConsentChange1),
}

#[derive(Serialize, Deserialize)]
pub struct Absorb1 {
    pub source: CustomerNo,
    pub earlier: Vec<CustomerNo>,
    pub known_since: Timestamp,
    pub email: Option<EmailAddress>,
    pub attributes: Properties,
    pub tags: BTreeSet<TagName>,
    pub preferences: Preferences1,
    pub consents: Consents,
    pub standings: BTreeMap<CampaignId, Standing1>,
    pub events: Vec<(Event, Liveness)>,
}

#[derive(Serialize, Deserialize)]
pub struct ConsentChange1 {
    pub topic: Option<TopicId>,
    pub state: ConsentState,
    pub at: Timestamp,
    pub source: String,
    pub wording: Option<String>,
    pub origin: Origin1,
}

/// In letters it was always empty.
#[derive(Serialize, Deserialize)]
pub struct Origin1 {
    pub address: Option<String>,
    pub message: Option<MessageNo>,
    pub mail: Option<Box<MailOf>>,
    pub mailbox: Option<MailboxId>,
}

impl From<Letter1> for Letter {
    fn from(old: Letter1) -> Letter {
        let posted = match old.posted {
            Posted1::Absorb(from) => Posted::Absorb(Box::new(Absorb {
                source: from.source,
                earlier: from.earlier,
                known_since: from.known_since,
                email: from.email,
                attributes: from.attributes,
                told: BTreeMap::new(),
                tags: from.tags,
                preferences: from.preferences.into(),
                consents: from.consents,
                pending: Pendings::new(),
                standings: standings(from.standings),
                sent: Vec::new(),
                events: from.events,
                goals: Goals::default(),
                hours: Hours::default(),
                left_by: Vec::new(),
            })),
            Posted1::Entry { campaign, entry } => Posted::Entry {
                campaign,
                entry: entry.into(),
                way: None,
            },
            // Needed no more: whom a message is of now is asked before it leaves. No message has this number.
            Posted1::Refusal(_) => Posted::Sent {
                message: MessageRef {
                    customer: old.sender,
                    message: MessageNo(0),
                },
                sent: None,
            },
        };
        Letter {
            sender: old.sender,
            no: old.no,
            posted,
        }
    }
}

/// Before campaigns had several steps, and letters told of when each trait was said.
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
                told: BTreeMap::new(),
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
            Posted2::Entry { campaign, entry } => Posted::Entry {
                campaign,
                entry: entry.into(),
                way: None,
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

/// Before events could be credited to messages.
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
        entry: Entry4,
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
    pub standings: BTreeMap<CampaignId, Standing4>,
    pub sent: Vec<SentMessage>,
    pub events: Vec<(Event, Liveness)>,
}

#[cfg(test)]
mod tests {
    use crate::domain::posted::{Letter, Posted};
    use crate::domain::time::Timestamp;
    use crate::store::codec::{decode, encode};

    #[test]
    fn a_letter_of_before_it_told_when_each_trait_was_said_is_read() {
        // Who posted it, its number, all that they had: source, earlier, known_since, email, attributes, tags,
        // preferences, consents, pending, standings, sent, events.
        let bytes = [
            &[2u8, 9, 1, 0, 9, 0, 12, 0, 1, 4][..],
            b"city",
            &postcard::to_stdvec(&crate::domain::value::Value::Text("Busan".into())).unwrap(),
            &[0, 0, 1, 2],
            b"ko",
            &[0; 10],
        ]
        .concat();
        let letter = decode::<Letter>(&bytes).unwrap();
        assert_eq!(encode(&letter)[0], 5);
        let Posted::Absorb(from) = letter.posted else {
            panic!("{letter:?}");
        };
        assert_eq!(from.attributes["city"].as_text(), Some("Busan"));
        assert_eq!(from.preferences.locale.as_deref(), Some("ko"));
        assert_eq!((from.known_since, from.told.len()), (Timestamp(6), 0));
    }
}
