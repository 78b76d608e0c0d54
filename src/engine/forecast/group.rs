//! Who are played together: the customers of one mailbox, and what is kept of each while they are played.

use super::play::ReadHistory;
use crate::domain::event::Event;
use crate::domain::id::CustomerNo;
use crate::domain::react::Boxes;
use crate::domain::record::Record;
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;
use crate::engine::clockwork::Occasion;
use std::collections::BTreeSet;

/// One customer of a group.
#[derive(Clone)]
pub struct Person {
    pub record: Record,
    /// Their history as it stands, where it was read.
    pub history: Option<Vec<Event>>,
    pub(super) wants_release: bool,
    /// `react` panicked over this customer: they stand still from then on.
    pub(super) broken: bool,
    /// Letters posted in the forecast.
    pub(super) posted: u64,
    /// When there is next something to do.
    pub(super) next: Timestamp,
}

impl Person {
    pub fn new(record: Record, history: Option<Vec<Event>>) -> Person {
        Person {
            record,
            history,
            wants_release: false,
            broken: false,
            posted: 0,
            next: Timestamp::NEVER,
        }
    }
}

impl Person {
    /// All that counts of their history by these rules.
    pub(super) fn history(&self, rules: &Rules, read: ReadHistory<'_>) -> Option<Vec<Event>> {
        let Some(history) = &self.history else {
            return read(&self.record, rules);
        };
        let mut sieve = rules.sieve();
        let counts = history.iter().filter(|event| sieve.lets_through(event));
        Some(counts.cloned().collect())
    }

    /// Left out from some instant on.
    pub fn is_broken(&self) -> bool {
        self.broken
    }
}

/// Who share a mailbox, in the order of their shards, and the mailboxes that concern them.
#[derive(Clone)]
pub struct Group {
    pub people: Vec<Person>,
    pub boxes: Boxes,
    /// When each has something to do next.
    pub(super) queue: BTreeSet<(Timestamp, usize)>,
    /// The tick under way: its instant, those who have something to do at it, and the occurrence that is over for whom.
    pub(super) now: Timestamp,
    pub(super) acting: Vec<usize>,
    pub(super) passed: Option<(Occasion, usize)>,
    /// Who got a letter in it.
    pub(super) stirred: Vec<usize>,
}

impl Group {
    pub fn new(people: Vec<Person>, boxes: Boxes) -> Group {
        Group {
            people,
            boxes,
            queue: BTreeSet::new(),
            now: Timestamp::EARLIEST,
            acting: Vec::new(),
            passed: None,
            stirred: Vec::new(),
        }
    }

    /// It waits, with many others: histories are read again if they are asked for.
    pub fn rests(&mut self) {
        for person in &mut self.people {
            person.history = None;
        }
    }

    /// Whom the customer of this number was merged into, at the end of the chain, where that one is of this group.
    pub fn whom(&self, mut no: CustomerNo) -> Option<&Record> {
        loop {
            let found = self.people.iter().find(|p| p.record.no == no)?;
            match found.record.moved_to {
                Some(to) => no = to,
                None => return Some(&found.record),
            }
        }
    }
}
