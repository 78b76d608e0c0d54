//! How many decisions of each kind were made durable since the start, for metrics; and what is counted by the hour. What
//! stands in the send log is counted by reading it.

use super::hourly::Hourly;
use crate::domain::id::CampaignId;
use crate::domain::ledger::Status;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Rows of the send log, by status.
pub type Decided = BTreeMap<Status, u64>;

/// Shared by all shards; touched once a batch.
#[derive(Default)]
pub struct Tally {
    decided: Mutex<Decided>,
    tripped: Mutex<BTreeMap<CampaignId, u64>>,
    pub hourly: Hourly,
}

impl Tally {
    /// With what was counted by the hour before the start.
    pub fn with(hourly: Hourly) -> Tally {
        Tally {
            hourly,
            ..Tally::default()
        }
    }

    fn counts(&self) -> MutexGuard<'_, Decided> {
        self.decided.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// A campaign paused itself.
    pub fn trip(&self, campaign: &CampaignId) {
        let mut tripped = self.tripped.lock().unwrap_or_else(PoisonError::into_inner);
        *tripped.entry(campaign.clone()).or_default() += 1;
    }

    /// How often campaigns paused themselves since the start.
    pub fn trips(&self) -> BTreeMap<CampaignId, u64> {
        let tripped = self.tripped.lock().unwrap_or_else(PoisonError::into_inner);
        tripped.clone()
    }
}
