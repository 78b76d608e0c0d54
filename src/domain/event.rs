//! What customers did or met.

use super::id::EventName;
use super::time::{Span, Timestamp};
use super::value::Properties;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is said of each kind of event.
pub type EventRules = BTreeMap<EventName, EventRule>;

/// What config says of one kind of event.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EventRule {
    /// What happened before this instant was not told completely.
    pub complete_since: Option<Timestamp>,
    /// The property that is its value.
    pub value: Option<Vec<String>>,
    pub undone_by: Option<Undo>,
    pub once_per: OncePer,
}

/// Which events of a name are one, whatever brought them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum OncePer {
    /// As [`Once`](super::once::Once) has it for the name.
    #[default]
    Usual,
    /// Each row that tells one is one.
    Never,
    /// Those of a customer that bear the same value of this property.
    Property(String),
}

/// An event that undoes others: those whose property is the same never happened, as far as conditions count them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Undo {
    pub event: EventName,
    /// The property that both bear.
    pub same: String,
}

/// One event, as it stands in the history. `time` is never ahead of its receipt (see [`Event::settle_time`]).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Event {
    pub name: EventName,
    pub time: Timestamp,
    pub properties: Properties,
    /// What two copies of one event share: a salted 8-byte hash of its identity.
    pub identity: u64,
    /// The sender's clock ran ahead by more than five minutes; `time` is the receipt's.
    pub ahead: bool,
}

impl Event {
    /// An event ahead of its receipt gets the receipt's time, flagged beyond five minutes.
    pub fn settle_time(mut self, received: Timestamp) -> Event {
        if self.time > received {
            self.ahead = self.time.since(received) > Span::minutes(5);
            self.time = received;
        }
        self
    }

    /// Whether the customer did it themselves: `"*"` in a condition is any such event.
    pub fn is_own(name: &EventName) -> bool {
        !name.as_str().starts_with("Email ") && !name.as_str().starts_with("Reveille ")
    }
}
