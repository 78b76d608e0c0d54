//! Hits that are kept and not settled yet, by instant and by message, with those settled just before: a hit is judged
//! with what surrounds it on both sides.

use crate::domain::engagement::{Hit, SETTLING};
use crate::domain::id::MessageRef;
use crate::domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many hits of one message stand here at most: somebody who calls for one pixel without end fills neither memory
/// nor disk, and keeps nobody else's from being settled.
const MOST_OF_A_MESSAGE: usize = 500;

#[derive(Default)]
pub(super) struct Pending {
    state: Mutex<State>,
    len: AtomicUsize,
}

#[derive(Default)]
struct State {
    /// Not settled: by instant, the number tells those of one instant apart.
    waiting: BTreeMap<(Timestamp, u64), MessageRef>,
    next: u64,
    by_message: HashMap<MessageRef, Vec<Waiting>>,
    /// Messages with hits that are settled and stand for those after them, by the instant from which they need not.
    surrounding: BTreeSet<(Timestamp, MessageRef)>,
}

struct Waiting {
    hit: Hit,
    settled: bool,
}

/// Hits that are due to be settled.
pub(super) struct Due {
    /// All hits up to here.
    pub(super) upto: Timestamp,
    pub(super) messages: Vec<DueMessage>,
}

/// One message's hits, with those around them.
pub(super) struct DueMessage {
    pub(super) message: MessageRef,
    pub(super) hits: Vec<Hit>,
    /// Whether each is to be settled now.
    pub(super) now: Vec<bool>,
}

impl Pending {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic in between leaves at worst a hit that is judged without one beside it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many stand here.
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Leaves out hits of messages that have so many here that more would tell nothing; returns how many.
    pub(super) fn leave_out(&self, hits: &mut Vec<(MessageRef, Hit)>) -> usize {
        let state = self.lock();
        let mut counts: HashMap<MessageRef, usize> = HashMap::new();
        let before = hits.len();
        hits.retain(|(message, _)| {
            let known = || state.by_message.get(message).map_or(0, Vec::len);
            let count = counts.entry(*message).or_insert_with(known);
            *count += 1;
            *count <= MOST_OF_A_MESSAGE
        });
        before - hits.len()
    }

    /// Adds hits that are kept; those up to `settled` only surround the others.
    pub(super) fn add(&self, hits: Vec<(MessageRef, Hit)>, settled: Option<Timestamp>) {
        let mut state = self.lock();
        self.len.fetch_add(hits.len(), Ordering::Relaxed);
        for (message, hit) in hits {
            let settled = settled.is_some_and(|settled| hit.at <= settled);
            if settled {
                state.surrounding.insert((hit.at + SETTLING, message));
            } else {
                let place = (hit.at, state.next);
                state.next += 1;
                state.waiting.insert(place, message);
            }
            let of = state.by_message.entry(message).or_default();
            of.push(Waiting { hit, settled });
        }
    }

    /// What is due by `by`, about `most` hits of it at a time.
    pub(super) fn due(&self, by: Timestamp, most: usize) -> Option<Due> {
        let state = self.lock();
        let due = |(at, _): &&(Timestamp, u64)| at <= &by;
        let (last, _) = state.waiting.keys().take_while(due).take(most).last()?;
        let upto = *last;
        let messages: BTreeSet<MessageRef> = (state.waiting.range(..=(upto, u64::MAX)))
            .map(|(_, message)| *message)
            .collect();
        let of = |message: MessageRef| {
            let hits = state.by_message.get(&message)?;
            Some(DueMessage {
                message,
                hits: hits.iter().map(|w| w.hit.clone()).collect(),
                now: (hits.iter().map(|w| !w.settled && w.hit.at <= upto)).collect(),
            })
        };
        Some(Due {
            upto,
            messages: messages.into_iter().filter_map(of).collect(),
        })
    }

    /// All up to `upto` is settled.
    pub(super) fn settled(&self, upto: Timestamp) {
        let mut state = self.lock();
        let later = state.waiting.split_off(&(upto, u64::MAX));
        let done = std::mem::replace(&mut state.waiting, later);
        for message in done.into_values() {
            state.surrounding.insert((upto + SETTLING, message));
            for waiting in state.by_message.get_mut(&message).into_iter().flatten() {
                waiting.settled |= waiting.hit.at <= upto;
            }
        }
        let mut gone = 0;
        while let Some((until, message)) = state.surrounding.first().copied()
            && until <= upto
        {
            state.surrounding.pop_first();
            let Some(of) = state.by_message.get_mut(&message) else {
                continue;
            };
            let before = of.len();
            of.retain(|w| !w.settled || w.hit.at + SETTLING > upto);
            gone += before - of.len();
            if of.is_empty() {
                state.by_message.remove(&message);
            }
        }
        self.len.fetch_sub(gone, Ordering::Relaxed);
    }

    /// Lets go of what surrounds nothing any more by `by`, where nothing waits.
    pub(super) fn rest(&self, by: Timestamp) {
        let idle = {
            let state = self.lock();
            !state.surrounding.is_empty() && state.waiting.first_key_value().is_none()
        };
        if idle {
            self.settled(by);
        }
    }
}
