//! What is counted and shown of a transport, and what an outcome says about its relay.

use super::health::{Aside, Sign};
use super::reply::without_addresses;
use crate::domain::outcome::Outcome;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

#[derive(Default)]
pub(crate) struct Counters {
    pub opened: AtomicU64,
    pub accepted: AtomicU64,
    pub refused: AtomicU64,
    pub try_later: AtomicU64,
    pub uncertain: AtomicU64,
    pub relay_faults: AtomicU64,
    pub not_started: AtomicU64,
    pub undeliverable: AtomicU64,
}

/// What metrics and alerts show of a transport. Counters run from the start of the process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    pub name: String,
    /// The most at once.
    pub connections: usize,
    /// Slots taken: messages under way and permits held.
    pub in_use: usize,
    /// Connections open and idle.
    pub idle: usize,
    /// Set aside, with the latest fault; the alert.
    pub aside: Option<Aside>,
    pub faults_in_a_row: u32,
    pub times_set_aside: u64,
    /// Connections opened or tried.
    pub opened: u64,
    pub accepted: u64,
    pub refused: u64,
    pub try_later: u64,
    pub uncertain: u64,
    /// Messages given back through the relay's fault, and connections that could not be made ready.
    pub relay_faults: u64,
    pub not_started: u64,
    pub undeliverable: u64,
}

impl Counters {
    /// Counts one outcome.
    pub fn count(&self, outcome: &Outcome) {
        let counter = match outcome {
            Outcome::Accepted { .. } => &self.accepted,
            Outcome::Refused { .. } => &self.refused,
            Outcome::TryLater { .. } => &self.try_later,
            Outcome::Uncertain { .. } => &self.uncertain,
            Outcome::RelayFault { .. } => &self.relay_faults,
            Outcome::NotStarted { .. } => &self.not_started,
            Outcome::Undeliverable { .. } | Outcome::TooFew { .. } => &self.undeliverable,
        };
        counter.fetch_add(1, Relaxed);
    }
}

/// What an outcome says about the relay's health.
pub(crate) fn sign(outcome: &Outcome) -> Sign {
    match outcome {
        Outcome::Accepted { .. } | Outcome::Refused { .. } | Outcome::TryLater { .. } => Sign::Good,
        Outcome::RelayFault { what, reply, .. } => {
            let reply = reply.as_deref().map_or(String::new(), |r| format!(": {r}"));
            Sign::Fault(without_addresses(&format!("{what}{reply}")))
        }
        Outcome::Uncertain { why } => Sign::Fault(without_addresses(why)),
        Outcome::NotStarted { .. } | Outcome::Undeliverable { .. } | Outcome::TooFew { .. } => {
            Sign::None
        }
    }
}
