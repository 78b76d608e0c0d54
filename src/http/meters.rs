//! What HTTP counts of itself: requests, and what became of events. From the start of the process; no customer in it.

use crate::engine::intake::json::MessageKind;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What became of a message that was sent to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Taken in, and durable.
    Taken,
    /// Known already; it changed nothing.
    Known,
    /// It cannot be taken: its sender was told why.
    Refused,
}

impl Fate {
    pub const ALL: [Fate; 3] = [Fate::Taken, Fate::Known, Fate::Refused];

    pub fn as_str(self) -> &'static str {
        match self {
            Fate::Taken => "taken",
            Fate::Known => "known",
            Fate::Refused => "refused",
        }
    }
}

/// What became of a shop's delivery.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Delivered {
    Taken,
    /// All of it was known already.
    Known,
    /// Some of its messages could not be taken.
    Spoilt,
    /// The mapping makes nothing of it.
    Nothing,
    UnknownTopic,
    /// The shop asks something of the operator.
    Asked,
    Ping,
    /// It does not prove to come from the shop.
    Unproved,
    /// Too large, broken off, or not JSON.
    Unreadable,
    /// Answered 429 or 503.
    PutOff,
}

impl Delivered {
    pub const ALL: [Delivered; 10] = [
        Delivered::Taken,
        Delivered::Known,
        Delivered::Spoilt,
        Delivered::Nothing,
        Delivered::UnknownTopic,
        Delivered::Asked,
        Delivered::Ping,
        Delivered::Unproved,
        Delivered::Unreadable,
        Delivered::PutOff,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Delivered::Taken => "taken",
            Delivered::Known => "known",
            Delivered::Spoilt => "spoilt",
            Delivered::Nothing => "nothing",
            Delivered::UnknownTopic => "unknown_topic",
            Delivered::Asked => "asked",
            Delivered::Ping => "ping",
            Delivered::Unproved => "unproved",
            Delivered::Unreadable => "unreadable",
            Delivered::PutOff => "put_off",
        }
    }
}

/// Route, method, status.
pub type Asked = (String, &'static str, u16);

#[derive(Clone, Copy, Default, Debug)]
pub struct Answered {
    pub count: u64,
    pub took: Duration,
}

/// The counters.
#[derive(Default)]
pub struct Meters {
    requests: Mutex<BTreeMap<Asked, Answered>>,
    /// By fate, by kind; the last kind is "of a kind that could not be read".
    messages: [[AtomicU64; 7]; 3],
    /// Requests answered 429 for want of room.
    pub put_off: AtomicU64,
    /// Deliveries, by webhook.
    deliveries: Mutex<BTreeMap<(String, Delivered), u64>>,
}

impl Meters {
    pub fn answered(&self, route: &str, method: &'static str, status: u16, took: Duration) {
        let mut requests = self.requests();
        let answered = requests
            .entry((route.to_owned(), method, status))
            .or_default();
        answered.count += 1;
        answered.took += took;
    }

    /// A delivery for a webhook that is declared: others would be names that callers make up.
    pub fn delivered(&self, webhook: &str, delivered: Delivered) {
        let mut deliveries = self.deliveries();
        *deliveries
            .entry((webhook.to_owned(), delivered))
            .or_default() += 1;
    }

    fn deliveries(&self) -> MutexGuard<'_, BTreeMap<(String, Delivered), u64>> {
        (self.deliveries.lock()).unwrap_or_else(PoisonError::into_inner)
    }

    pub fn all_deliveries(&self) -> BTreeMap<(String, Delivered), u64> {
        self.deliveries().clone()
    }

    fn requests(&self) -> MutexGuard<'_, BTreeMap<Asked, Answered>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn all_requests(&self) -> BTreeMap<Asked, Answered> {
        self.requests().clone()
    }

    pub fn count(&self, kind: Option<MessageKind>, fate: Fate, many: u64) {
        let place = kind.map_or(6, |kind| kind as usize);
        self.messages[fate as usize][place].fetch_add(many, Relaxed);
    }

    pub fn messages(&self, kind: Option<MessageKind>, fate: Fate) -> u64 {
        let place = kind.map_or(6, |kind| kind as usize);
        self.messages[fate as usize][place].load(Relaxed)
    }
}
