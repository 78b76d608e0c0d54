//! Letters between customers, and rows of the consent ledger, as older versions wrote them.

use super::Preferences1;
use super::one_step::{Absorb2, Entry1, Letter2, Posted2, Standing1};
use crate::domain::address::{EmailAddress, MailboxId};
use crate::domain::cause::Liveness;
use crate::domain::consent_ledger::{ConsentRow, MailOf};
use crate::domain::event::Event;
use crate::domain::id::{CampaignId, CustomerNo, MessageNo, MessageRef, TagName, TopicId};
use crate::domain::opt_in::Pendings;
use crate::domain::preference::{ConsentState, Consents};
use crate::domain::time::Timestamp;
use crate::domain::value::Properties;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Letters of before consents could wait for a confirmation.
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

impl From<Letter1> for Letter2 {
    fn from(old: Letter1) -> Letter2 {
        let posted = match old.posted {
            Posted1::Absorb(from) => Posted2::Absorb(Box::new(Absorb2 {
                source: from.source,
                earlier: from.earlier,
                known_since: from.known_since,
                email: from.email,
                attributes: from.attributes,
                tags: from.tags,
                preferences: from.preferences.into(),
                consents: from.consents,
                pending: Pendings::new(),
                standings: from.standings,
                sent: Vec::new(),
                events: from.events,
            })),
            Posted1::Entry { campaign, entry } => Posted2::Entry { campaign, entry },
            // Needed no more: whom a message is of now is asked before it leaves. No message has this number.
            Posted1::Refusal(_) => Posted2::Sent {
                message: MessageRef {
                    customer: old.sender,
                    message: MessageNo(0),
                },
                sent: None,
            },
        };
        Letter2 {
            sender: old.sender,
            no: old.no,
            posted,
        }
    }
}

/// A row of the consent ledger of the same time: a message was the customer's own.
#[derive(Serialize, Deserialize)]
pub struct ConsentRow1 {
    pub told: Timestamp,
    pub topic: Option<TopicId>,
    pub state: ConsentState,
    pub at: Timestamp,
    pub source: String,
    pub wording: Option<String>,
    pub address: Option<String>,
    pub message: Option<MessageNo>,
    pub campaign: Option<CampaignId>,
}

impl From<ConsentRow1> for ConsentRow {
    fn from(old: ConsentRow1) -> ConsentRow {
        ConsentRow {
            told: old.told,
            topic: old.topic,
            state: old.state.into(),
            at: old.at,
            source: old.source,
            wording: old.wording,
            address: old.address,
            message_of: None,
            message: old.message,
            campaign: old.campaign,
        }
    }
}
