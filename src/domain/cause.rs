//! Causes: everything that can happen to a customer.

use super::address::{EmailAddress, MailboxId};
use super::cap::Cap;
use super::consent_ledger::Origin;
use super::engagement::Engagement;
use super::event::Event;
use super::id::{CampaignId, CustomerNo, MessageNo, TagName, TopicId};
use super::outcome::Outcome;
use super::posted::Letter;
use super::preference::{ConsentState, Format};
use super::record::Suppression;
use super::time::{Span, Timestamp};
use super::value::Properties;
use super::window::Window;
use chrono::NaiveDateTime;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// Whether what came in happens now or is history: history starts nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Liveness {
    Live,
    History,
}

/// One thing that happens to one customer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Cause {
    Event(Event, Liveness),
    Profile(Box<ProfileChange>, Liveness),
    Consent(ConsentChange, Liveness),
    /// The customer's alarm rang.
    Alarm,
    /// A schedule fired; the local time is the occurrence's identity.
    Fires {
        campaign: CampaignId,
        occurrence: NaiveDateTime,
    },
    /// All alarms and occurrences up to now have been applied: waiting messages may stand in the outbox.
    Release,
    /// The outbox asks whether attempt `attempt` of this message may begin.
    Ready {
        message: MessageNo,
        attempt: u32,
    },
    /// The outbox found that the message wants a coupon code, and so made no mail yet: it is judged as by `Ready`, and may
    /// be given its code, but nothing begins.
    Claim {
        message: MessageNo,
        attempt: u32,
    },
    /// What became of an attempt; attempt 0 speaks of a message that could not be composed.
    Outcome {
        message: MessageNo,
        attempt: u32,
        outcome: Outcome,
    },
    /// The mailbox is suppressed, or no longer.
    Suppress {
        mailbox: MailboxId,
        suppression: Option<Suppression>,
    },
    /// Hits of a message that left were settled.
    Engagement(Engagement),
    /// Bring the record up to date with the rules.
    Walk,
    Operator(Operator),
    /// This customer, anonymous so far, is that one: all there is goes there.
    Merge {
        into: CustomerNo,
    },
    /// A letter from another customer.
    Posted(Box<Letter>),
    /// The customer confirms what was asked for then (double opt-in); `change` is the consent as of now.
    Confirm {
        asked: Timestamp,
        change: ConsentChange,
    },
}

impl Cause {
    /// What two copies of it share, where the second is to change nothing.
    pub fn identity(&self) -> Option<u64> {
        match self {
            Cause::Event(event, _) => Some(event.identity),
            Cause::Profile(change, _) => change.identity,
            Cause::Consent(change, _) => change.origin.identity,
            _ => None,
        }
    }
}

/// What an operator does to one customer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Operator {
    Tag {
        tag: TagName,
        bears: bool,
    },
    /// Settles a message in doubt that is held: send it again, or take it as gone.
    Settle {
        message: MessageNo,
        resend: bool,
    },
}

/// A change of the profile; what is `None` stays as it is.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ProfileChange {
    /// Set, or with `Value::Null` removed.
    pub attributes: Properties,
    pub email: Option<EmailAddress>,
    pub created_at: Option<Timestamp>,
    pub preferences: PreferenceChange,
    pub tags: Vec<(TagName, bool)>,
    /// As of when it is told, where its source may tell things out of order: what is older than the word that stands
    /// changes nothing, trait by trait. `None`: now.
    #[serde(default)]
    pub as_of: Option<Timestamp>,
    /// What two copies of it share, as an event's identity; `None`: it is told anew each time.
    #[serde(default)]
    pub identity: Option<u64>,
}

/// A change of preferences: `None` stays, `Some(None)` goes back to the shop's default.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct PreferenceChange {
    pub timezone: Option<Option<Tz>>,
    pub locale: Option<Option<String>>,
    pub window: Option<Option<Window>>,
    pub caps: Option<Option<Vec<Cap>>>,
    pub gap: Option<Option<Span>>,
    pub pause_until: Option<Option<Timestamp>>,
    pub format: Option<Option<Format>>,
}

/// The customer's word on a topic, or (`None`) on advertising as a whole.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ConsentChange {
    pub topic: Option<TopicId>,
    pub state: ConsentState,
    pub at: Timestamp,
    pub source: String,
    pub wording: Option<String>,
    /// Where it was told from; for the ledger, and for the mailbox that a refusal binds.
    pub origin: Origin,
}
