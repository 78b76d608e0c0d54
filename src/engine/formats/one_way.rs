//! What a customer had under way when all entries in a campaign stood by the same steps: the standing said by which.

use crate::domain::about::About;
use crate::domain::address::{EmailAddress, MailboxId};
use crate::domain::cause::Liveness;
use crate::domain::coupon::Coupon;
use crate::domain::engagement::{SentMessage, SentMessages};
use crate::domain::event::Event;
use crate::domain::goal::Goals;
use crate::domain::holdout::Drawn;
use crate::domain::hours::Hours;
use crate::domain::id::{
    CampaignId, CustomerId, CustomerNo, EntryKey, MessageNo, MessageRef, StepId, TagName,
};
use crate::domain::ledger::Reason;
use crate::domain::opt_in::Pendings;
use crate::domain::posted::{Absorb, Letter, Posted};
use crate::domain::preference::{Consents, Preferences};
use crate::domain::record::{ByClock, DueAt, Entry, EntryState, Message, Record, Standing};
use crate::domain::time::Timestamp;
use crate::domain::track::Tracks;
use crate::domain::value::Properties;
use crate::domain::way::Way;
use crate::engine::state::{CustomerState, Seen};
use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Serialize, Deserialize)]
pub struct CustomerState5 {
    pub record: Record5,
    pub seen: Seen,
    pub posted: u64,
}

#[derive(Serialize, Deserialize)]
pub struct Record5 {
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
    pub campaigns: BTreeMap<CampaignId, Standing5>,
    pub messages: BTreeMap<MessageNo, Message>,
    pub next_message: u32,
    pub alarm: Option<Timestamp>,
    pub sent: SentMessages,
    pub moved_to: Option<CustomerNo>,
    pub absorbed: Vec<CustomerNo>,
    pub pending: Pendings,
    pub told: BTreeMap<String, Timestamp>,
    pub former: Vec<MailboxId>,
    pub goals: Goals,
    pub hours: Hours,
    pub coupons: Vec<Coupon>,
    pub left_by: Vec<MessageRef>,
}

impl From<CustomerState5> for CustomerState {
    fn from(old: CustomerState5) -> CustomerState {
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
                messages: record.messages,
                next_message: record.next_message,
                alarm: record.alarm,
                sent: record.sent,
                moved_to: record.moved_to,
                absorbed: record.absorbed,
                pending: record.pending,
                told: record.told,
                former: record.former,
                goals: record.goals,
                hours: record.hours,
                coupons: record.coupons,
                left_by: record.left_by,
            },
            seen: old.seen,
            posted: old.posted,
        }
    }
}

fn standings(old: BTreeMap<CampaignId, Standing5>) -> BTreeMap<CampaignId, Standing> {
    old.into_iter().map(|(id, s)| (id, s.into())).collect()
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Standing5 {
    pub judged_by: u64,
    pub held: bool,
    pub existing: bool,
    pub left_since_entry: bool,
    pub due: Option<DueAt>,
    pub blocked: bool,
    pub met: Option<NaiveDateTime>,
    pub entries: Vec<Entry5>,
    pub entered: u32,
    pub journey: u64,
    pub steps: Vec<StepId>,
    pub kept_out: Option<(EntryKey, Reason, Timestamp)>,
}

impl From<Standing5> for Standing {
    fn from(old: Standing5) -> Standing {
        let entries = old.entries.into_iter().map(|e| e.standing_by(old.journey));
        let mut standing = Standing {
            judged_by: old.judged_by,
            held: old.held,
            existing: old.existing,
            left_since_entry: old.left_since_entry,
            due: old.due,
            blocked: old.blocked,
            met: old.met,
            entries: entries.collect(),
            entered: old.entered,
            kept_out: old.kept_out,
            ways: way(old.journey, old.steps).into_iter().collect(),
        };
        standing.forget_ways();
        standing
    }
}

/// By none that is known there was nothing to tell.
fn way(journey: u64, steps: Vec<StepId>) -> Option<Way> {
    (journey != 0).then_some(Way { journey, steps })
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Entry5 {
    pub key: EntryKey,
    pub at: Timestamp,
    pub state: EntryState,
    pub counted: bool,
    pub since: Timestamp,
    pub passed: Vec<StepId>,
    pub clock: Option<ByClock>,
    pub drawn: Option<Drawn>,
    pub about: About,
}

impl Entry5 {
    /// One that is open stands as its standing did.
    fn standing_by(self, journey: u64) -> Entry {
        let entry = Entry::from(self);
        Entry {
            journey: if entry.state.is_open() { journey } else { 0 },
            ..entry
        }
    }
}

impl From<Entry5> for Entry {
    fn from(old: Entry5) -> Entry {
        Entry {
            key: old.key,
            at: old.at,
            state: old.state,
            counted: old.counted,
            since: old.since,
            passed: old.passed,
            clock: old.clock,
            drawn: old.drawn,
            about: old.about,
            journey: 0,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub struct Letter4 {
    pub sender: CustomerNo,
    pub no: u64,
    pub posted: Posted4,
}

#[derive(Serialize, Deserialize)]
pub enum Posted4 {
    Absorb(Box<Absorb4>),
    Entry {
        campaign: CampaignId,
        entry: Entry5,
        journey: u64,
        steps: Vec<StepId>,
    },
    Sent {
        message: MessageRef,
        sent: Option<SentMessage>,
    },
    Coupons(Vec<Coupon>),
}

#[derive(Serialize, Deserialize)]
pub struct Absorb4 {
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
    pub standings: BTreeMap<CampaignId, Standing5>,
    pub sent: Vec<SentMessage>,
    pub events: Vec<(Event, Liveness)>,
    pub goals: Goals,
    pub hours: Hours,
    pub left_by: Vec<MessageRef>,
}

impl From<Letter4> for Letter {
    fn from(old: Letter4) -> Letter {
        let posted = match old.posted {
            Posted4::Absorb(from) => Posted::Absorb(Box::new(Absorb {
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
                goals: from.goals,
                hours: from.hours,
                left_by: from.left_by,
            })),
            Posted4::Entry {
                campaign,
                entry,
                journey,
                steps,
            } => {
                let entry = entry.standing_by(journey);
                Posted::Entry {
                    campaign,
                    way: way(journey, steps).filter(|_| entry.state.is_open()),
                    entry,
                }
            }
            Posted4::Sent { message, sent } => Posted::Sent { message, sent },
            Posted4::Coupons(coupons) => Posted::Coupons(coupons),
        };
        Letter {
            sender: old.sender,
            no: old.no,
            posted,
        }
    }
}

#[cfg(test)]
mod tests;
