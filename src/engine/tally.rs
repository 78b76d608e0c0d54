//! How many decisions of each kind were made durable since the start: for metrics. What stands in the send log is counted
//! by reading it.

use crate::domain::ledger::Status;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Rows of the send log, by status.
pub type Decided = BTreeMap<Status, u64>;

/// Shared by all shards; touched once a batch.
#[derive(Default)]
pub struct Tally(Mutex<Decided>);

impl Tally {
    fn counts(&self) -> MutexGuard<'_, Decided> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch was committed.
    pub fn add(&self, decided: &Decided) {
        if decided.is_empty() {
            return;
        }
        let mut counts = self.counts();
        for (status, many) in decided {
            *counts.entry(*status).or_default() += many;
        }
    }

    /// Those that occurred.
    pub fn all(&self) -> Decided {
        self.counts().clone()
    }
}
