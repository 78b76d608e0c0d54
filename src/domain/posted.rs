//! What customers post to each other. A reaction posts; the letter is written in the same commit and deleted in the
//! commit that consumes it, so that it takes effect exactly once, whatever crashes in between.
//!
//! At present all letters are about merging: an anonymous customer (the *source*) turns out to be a known one (the
//! *target*). What each side does with a letter is [`super::react`]'s; carrying it is the engine's.

use super::address::EmailAddress;
use super::cause::Liveness;
use super::coupon::Coupon;
use super::engagement::SentMessage;
use super::event::Event;
use super::goal::Goals;
use super::hours::Hours;
use super::id::{CampaignId, CustomerNo, MessageRef, TagName};
use super::opt_in::Pendings;
use super::preference::{Consents, Preferences};
use super::record::{Entry, Standing};
use super::time::Timestamp;
use super::value::Properties;
use super::way::Way;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A letter as it lies in the inbox: who posted it, and the how-manieth of that customer's it is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Letter {
    pub sender: CustomerNo,
    pub no: u64,
    pub posted: Posted,
}

/// What a letter says.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Posted {
    /// To the target: all that the source had.
    Absorb(Box<Absorb>),
    /// To the target: an entry whose message was under way when the source moved, now that the message is settled. It was
    /// told as over before, so that nothing else entered under its key meanwhile.
    Entry {
        campaign: CampaignId,
        entry: Entry,
        /// The way by which it stood at the source, as in its [`Standing`]; none where that is not known, or it is over.
        way: Option<Way>,
    },
    /// To the target: what came back for a message that the source got, or `None` where it did not leave after all.
    Sent {
        message: MessageRef,
        sent: Option<SentMessage>,
    },
    /// To the target: coupon codes that the source has had.
    Coupons(Vec<Coupon>),
}

impl Posted {
    /// What comes from somebody of whom only history is known is history: it starts nothing.
    pub fn liveness(&self) -> Liveness {
        let past = |from: &Absorb| {
            let live = |(_, liveness): &(Event, Liveness)| *liveness == Liveness::Live;
            !from.events.is_empty() && !from.events.iter().any(live)
        };
        match self {
            Posted::Absorb(from) if past(from) => Liveness::History,
            Posted::Absorb(_) | Posted::Entry { .. } | Posted::Sent { .. } | Posted::Coupons(_) => {
                Liveness::Live
            }
        }
    }
}

/// What the source had. Messages that were under way, and their entries, stay there until they are settled.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Absorb {
    pub source: CustomerNo,
    /// Whom the source had absorbed before.
    pub earlier: Vec<CustomerNo>,
    pub known_since: Timestamp,
    pub email: Option<EmailAddress>,
    pub attributes: Properties,
    /// Of when what stands is, by trait, as in the source's record.
    pub told: BTreeMap<String, Timestamp>,
    pub tags: BTreeSet<TagName>,
    pub preferences: Preferences,
    pub consents: Consents,
    /// What the source had asked for and not confirmed.
    pub pending: Pendings,
    pub standings: BTreeMap<CampaignId, Standing>,
    /// The messages that the source got, or those whom it had absorbed.
    pub sent: Vec<SentMessage>,
    /// The events of source and `earlier` that the target has not met. Empty in the letter, since they stand in the
    /// history under their own numbers; whoever hands the letter over reads them there.
    pub events: Vec<(Event, Liveness)>,
    /// What may still be credited to the messages of either.
    pub goals: Goals,
    /// The hours at which the source answered.
    pub hours: Hours,
    /// Messages by whose links the source has left something.
    pub left_by: Vec<MessageRef>,
}
