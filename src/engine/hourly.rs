//! What is counted by the hour: what became of each campaign's mails (for its breakers), and at which hours of their clocks
//! customers answered (for `at = "best"`).
//!
//! Each shard keeps one row an hour, written in the commits that it counts, so that a restart loses nothing and reads the
//! rows of some days instead of the log. In memory stand the sums of all shards. Rows that nothing asks for any more are
//! dropped once a day ([`super::learning`]).

use super::batch::BatchError;
use crate::domain::breaker::{Anew, Counts, hour_of};
use crate::domain::hours::Answers;
use crate::domain::id::{CampaignId, SegmentName, ShardNo};
use crate::domain::ledger::LogRow;
use crate::domain::time::Timestamp;
use crate::store::codec::{Stored, decode, encode};
use crate::store::{Direction, Key, Store, keys};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What was counted: in one batch, or by one shard in one hour.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counted {
    campaigns: BTreeMap<CampaignId, Counts>,
    /// By the hour that the customer's clock showed.
    answers: Answers,
}

impl Stored for Counted {
    const WHAT: &'static str = "row of hourly counts";
    const VERSION: u8 = 1;
}

impl Counted {
    /// A row of the send log, of a mail to a customer.
    pub fn row(&mut self, row: &LogRow) {
        let counts = Counts::of(row);
        if !counts.is_none() {
            self.add_to(&row.campaign, counts);
        }
    }

    /// A customer who is in these segments answered when their clock showed `hour`.
    pub fn answer(&mut self, hour: usize, segments: Vec<SegmentName>) {
        self.answers.note(hour, segments);
    }

    fn add_to(&mut self, campaign: &CampaignId, counts: Counts) {
        let known = self.campaigns.entry(campaign.clone()).or_default();
        *known = known.plus(counts);
    }

    fn is_empty(&self) -> bool {
        self.campaigns.is_empty() && self.answers.is_none()
    }

    fn plus(&self, more: &Counted) -> Counted {
        let mut sum = self.clone();
        for (campaign, counts) in &more.campaigns {
            sum.add_to(campaign, *counts);
        }
        sum.answers.add(&more.answers);
        sum
    }
}

#[derive(Default)]
struct Sums {
    /// Of each shard, the row that it writes at present.
    rows: BTreeMap<ShardNo, (i64, Counted)>,
    campaigns: BTreeMap<CampaignId, BTreeMap<i64, Counts>>,
    answers: BTreeMap<i64, Answers>,
    /// Campaigns with harm, of which more was counted than has been looked at.
    changed: BTreeSet<CampaignId>,
    harmed: BTreeSet<CampaignId>,
}

impl Sums {
    fn add(&mut self, hour: i64, counted: &Counted) {
        for (campaign, counts) in &counted.campaigns {
            let hours = self.campaigns.entry(campaign.clone()).or_default();
            let known = hours.entry(hour).or_default();
            *known = known.plus(*counts);
            let accepted = Counts {
                accepted: counts.accepted,
                ..Counts::default()
            };
            if *counts != accepted {
                self.harmed.insert(campaign.clone());
            }
            // A mail more may be the one that a share waits for.
            if self.harmed.contains(campaign) {
                self.changed.insert(campaign.clone());
            }
        }
        if !counted.answers.is_none() {
            self.answers.entry(hour).or_default().add(&counted.answers);
        }
    }
}

/// The sums of all shards.
#[derive(Default)]
pub struct Hourly {
    sums: Mutex<Sums>,
    /// Something was counted that no breaker has looked at.
    changed: AtomicBool,
    /// The table of answers was made of all hours before this one.
    learned: AtomicI64,
    /// Held by whoever looks.
    pub(super) looking: tokio::sync::Mutex<()>,
}

impl Hourly {
    /// Reads what stands of the last days.
    pub async fn open(store: &dyn Store) -> Result<Hourly, BatchError> {
        let mut sums = Sums::default();
        for shard in ShardNo::all() {
            let range = keys::hourly_all(shard);
            for (key, value) in store.scan(range, Direction::Forward, usize::MAX).await? {
                let Some(hour) = keys::read_hourly(&key) else {
                    continue;
                };
                match decode::<Counted>(&value.value) {
                    Ok(counted) => {
                        sums.add(hour, &counted);
                        sums.rows.insert(shard, (hour, counted));
                    }
                    Err(error) => {
                        tracing::error!(shard = shard.0, hour, %error, "what was counted in this hour cannot be read; breakers do without it");
                    }
                }
            }
        }
        Ok(Hourly {
            changed: AtomicBool::new(!sums.changed.is_empty()),
            sums: Mutex::new(sums),
            ..Hourly::default()
        })
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `shard` writes with a batch that counted so much.
    pub fn row(&self, shard: ShardNo, now: Timestamp, counted: &Counted) -> Option<(Key, Vec<u8>)> {
        if counted.is_empty() {
            return None;
        }
        let hour = hour_of(now);
        let row = match self.sums().rows.get(&shard) {
            Some((of, row)) if *of == hour => row.plus(counted),
            _ => counted.clone(),
        };
        Some((keys::hourly(shard, hour), encode(&row)))
    }

    /// That batch is durable.
    pub fn note(&self, shard: ShardNo, now: Timestamp, counted: &Counted) {
        if counted.is_empty() {
            return;
        }
        let hour = hour_of(now);
        let mut sums = self.sums();
        let row = match sums.rows.get(&shard) {
            Some((of, row)) if *of == hour => row.plus(counted),
            _ => counted.clone(),
        };
        sums.rows.insert(shard, (hour, row));
        sums.add(hour, counted);
        if !sums.changed.is_empty() {
            self.changed.store(true, Ordering::Release);
        }
    }

    /// Whether a breaker is to look.
    pub fn has_changed(&self) -> bool {
        self.changed.load(Ordering::Acquire)
    }

    /// Campaigns to be looked at.
    pub fn take_changed(&self) -> BTreeSet<CampaignId> {
        std::mem::take(&mut self.sums().changed)
    }

    /// They have been looked at; or are to be, once more.
    pub fn looked(&self, again: BTreeSet<CampaignId>) {
        let mut sums = self.sums();
        sums.changed.extend(again);
        self.changed
            .store(!sums.changed.is_empty(), Ordering::Release);
    }

    /// What became of the mails of a campaign that has these names, in these hours, as far as it counts.
    pub fn of_campaign(
        &self,
        names: &[&CampaignId],
        hours: std::ops::RangeInclusive<i64>,
        anew: Option<&Anew>,
    ) -> Counts {
        let sums = self.sums();
        let from = anew.map_or(i64::MIN, |anew| anew.hour).max(*hours.start());
        let mut total = Counts::default();
        for counts in names.iter().filter_map(|name| sums.campaigns.get(*name)) {
            let within = counts.range(from..=(*hours.end()).max(from));
            total = within.fold(total, |sum, (_, counts)| sum.plus(*counts));
        }
        match anew {
            Some(anew) if from == anew.hour => total.minus(anew.before),
            _ => total,
        }
    }

    /// The answers of these hours.
    pub fn answers(&self, hours: std::ops::Range<i64>) -> Answers {
        let mut total = Answers::default();
        for (_, of_hour) in self.sums().answers.range(hours) {
            total.add(of_hour);
        }
        total
    }

    /// Whether that was done by `hour`.
    pub fn is_learned(&self, hour: i64) -> bool {
        self.learned.load(Ordering::Relaxed) >= hour
    }

    pub fn learned(&self, hour: i64) {
        self.learned.store(hour, Ordering::Relaxed);
    }

    /// Whether anything stands of before `hour`.
    pub fn has_before(&self, hour: i64) -> bool {
        let sums = self.sums();
        let first = |hours: &BTreeMap<i64, Counts>| hours.keys().next().copied();
        let campaigns = sums.campaigns.values().filter_map(first);
        let answers = sums.answers.keys().next().copied();
        campaigns.chain(answers).any(|first| first < hour)
    }

    /// What was counted before `hour` is needed no more.
    pub fn forget_before(&self, hour: i64) {
        let mut sums = self.sums();
        sums.answers = sums.answers.split_off(&hour);
        let gone: Vec<CampaignId> = (sums.campaigns.iter_mut())
            .filter_map(|(campaign, hours)| {
                *hours = hours.split_off(&hour);
                hours.is_empty().then(|| campaign.clone())
            })
            .collect();
        for campaign in gone {
            sums.campaigns.remove(&campaign);
            sums.harmed.remove(&campaign);
        }
    }
}
