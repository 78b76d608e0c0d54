//! Lots: who is drawn of those who are due at one occurrence, where the campaign's quota is a number.
//!
//! Each shard walks its own customers, so the draw comes before: whichever shard comes to the occurrence first looks
//! through the due index of all, a stretch of it each turn, and writes down up to which number is drawn. The others come
//! back until it stands there, and so does one that goes on after a crash. Who comes to stand in the index since is drawn
//! by the same number, while there is room. Who is due and takes no place, since they would not enter or are held out, is
//! not counted.

use crate::domain::campaign::Campaign;
use crate::domain::id::{CampaignId, CustomerNo, SHARDS, ShardNo};
use crate::domain::quota::{Lot, Quota, Taken, lot_of};
use crate::domain::react::{keeps_some_out, takes_room, would_enter};
use crate::domain::record::{DueAt, Record};
use crate::engine::batch::BatchError;
use crate::engine::pages::records_of;
use crate::engine::quotas::read_one;
use crate::engine::shard::{Refused, Shard};
use crate::store::codec::encode;
use crate::store::{Batch, Direction, KeyRange, StoreError, keys};
use chrono::NaiveDateTime;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

use super::CHUNK;

/// So many chunks of the due index are looked through in one turn.
const STRETCH: usize = 8;
/// So long a shard that waits for another's draw lies idle before it looks whether there is something else to do.
const PATIENCE: Duration = Duration::from_millis(10);

/// Which draw: of this campaign, at this place of the due index, for this occurrence.
type Which = (CampaignId, DueAt, NaiveDateTime);

/// The draws that are being made, over all shards: each by one.
#[derive(Default)]
pub struct Draws {
    under_way: Mutex<Vec<Which>>,
    ended: Notify,
}

impl Draws {
    fn under_way(&self) -> MutexGuard<'_, Vec<Which>> {
        // A list of names is whole whatever panicked beside it.
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A draw that this shard makes, as far as it has come. However it ends, another shard may begin it anew then.
pub struct Draw {
    which: Which,
    draws: Arc<Draws>,
    /// The lowest numbers so far, at most as many as the quota may ever let in; numbers from 0 on sort as their bits do.
    lowest: BinaryHeap<u64>,
    /// All who stand there, and would take a place.
    all: u64,
    /// Where it goes on: the rest of this shard's index, and the shards after it.
    shard: u8,
    rest: Option<KeyRange>,
}

impl Drop for Draw {
    fn drop(&mut self) {
        self.draws.under_way().retain(|which| *which != self.which);
        self.draws.ended.notify_waiters();
    }
}

impl Draw {
    fn begun(draws: &Arc<Draws>, which: &Which) -> Option<Draw> {
        let mut under_way = draws.under_way();
        let first = !under_way.contains(which);
        if first {
            under_way.push(which.clone());
        }
        drop(under_way);
        first.then(|| Draw {
            which: which.clone(),
            draws: Arc::clone(draws),
            lowest: BinaryHeap::new(),
            all: 0,
            shard: 0,
            rest: None,
        })
    }

    /// The number up to which so many of those who stand there are drawn.
    fn upto(&self, places: u64) -> f64 {
        if self.all <= places {
            return 1.0;
        }
        let mut lowest = self.lowest.clone();
        while lowest.len() as u64 > places {
            lowest.pop();
        }
        lowest
            .peek()
            .map_or(-1.0, |highest| f64::from_bits(*highest))
    }
}

impl Shard {
    /// Sees to it that the lots of this occurrence are drawn; false: not yet, it is to be asked again.
    pub(in crate::engine) async fn draw_lots(
        &mut self,
        campaign: &Campaign,
        place: DueAt,
        occurrence: NaiveDateTime,
    ) -> Result<bool, Refused> {
        let Some(quota) = campaign.quota().filter(|quota| quota.is_number()) else {
            return Ok(true);
        };
        let which = (campaign.id.clone(), place, occurrence);
        let own = self.clockwork.draw.take();
        let own = own.filter(|draw| draw.which == which);
        if own.is_none() {
            let stood = read_one(&*self.store, &self.rules, campaign).await?;
            if is_drawn(&stood.taken, &which) {
                return Ok(true);
            }
        }
        let Some(mut draw) = own.or_else(|| Draw::begun(&self.draws, &which)) else {
            let ended = self.draws.ended.notified();
            // Whether it ends in that time or not: there is another look.
            let _ = tokio::time::timeout(PATIENCE, ended).await;
            return Ok(false);
        };
        // An error drops the draw: another shard may do better.
        let stretch = match keeps_some_out(campaign) {
            true => 1,
            false => STRETCH,
        };
        for _ in 0..stretch {
            if self.look_on(&mut draw, campaign, quota).await? {
                self.write_lot(campaign, quota, &draw).await?;
                return Ok(true);
            }
        }
        self.clockwork.draw = Some(draw);
        Ok(false)
    }

    /// Looks through one more chunk; true when that was the last one.
    async fn look_on(
        &self,
        draw: &mut Draw,
        campaign: &Campaign,
        quota: &Quota,
    ) -> Result<bool, Refused> {
        let (id, place, occurrence) = &draw.which;
        let range = draw.rest.take();
        let range = range
            .unwrap_or_else(|| keys::prefix(keys::due_prefix(ShardNo(draw.shard), id, *place)));
        let found = self
            .store
            .scan(range.clone(), Direction::Forward, CHUNK)
            .await;
        let found = found.map_err(BatchError::from)?;
        let most = match quota {
            Quota::Number { most, .. } => *most,
            Quota::Share(_) => u64::MAX,
        };
        let due = (found.iter()).filter_map(|(key, _)| keys::read_due_customer(key));
        let takes = |no: &CustomerNo| takes_room(*no, campaign, &self.rules);
        let mut due: Vec<CustomerNo> = due.filter(takes).collect();
        if keeps_some_out(campaign) {
            due = self.who_would_enter(campaign, due, *occurrence).await?;
        }
        for no in due {
            draw.all += 1;
            let number = lot_of(&self.rules.salt, id, no, *occurrence);
            draw.lowest.push(number.to_bits());
            if draw.lowest.len() as u64 > most {
                draw.lowest.pop();
            }
        }
        match found.last() {
            Some((last, _)) if found.len() == CHUNK => draw.rest = Some(range.after(last.clone())),
            _ => draw.shard += 1,
        }
        Ok(u64::from(draw.shard) >= SHARDS)
    }

    /// Those of these customers who would enter, if they were drawn.
    async fn who_would_enter(
        &self,
        campaign: &Campaign,
        due: Vec<CustomerNo>,
        occurrence: NaiveDateTime,
    ) -> Result<Vec<CustomerNo>, Refused> {
        let now = self.clock.now();
        let records = records_of(&*self.store, &due).await?;
        let enters = |r: &Record| would_enter(r, campaign, &self.rules, occurrence, now);
        let enter = (records.iter().flatten()).filter(|r| enters(r));
        Ok(enter.map(|r| r.no).collect())
    }

    async fn write_lot(
        &self,
        campaign: &Campaign,
        quota: &Quota,
        draw: &Draw,
    ) -> Result<(), Refused> {
        let (_, place, occurrence) = &draw.which;
        loop {
            let stood = read_one(&*self.store, &self.rules, campaign).await?;
            let mut taken = stood.taken;
            if is_drawn(&taken, &draw.which) {
                return Ok(());
            }
            let left = taken.left(quota, self.clock.now(), self.rules.shop.timezone);
            let lot = Lot {
                occurrence: *occurrence,
                upto: draw.upto(left),
            };
            taken.lots.insert(zone_name(*place).to_owned(), lot);
            let batch = Batch {
                epochs: vec![(self.no.0, self.store.epoch())],
                checks: stood.checks,
                puts: vec![(keys::quota(&campaign.id), encode(&taken))],
                ..Batch::default()
            };
            match self.store.commit(batch).await {
                Ok(_) => return Ok(()),
                // Somebody drew, or entered, meanwhile.
                Err(StoreError::Conflict { .. }) => {}
                Err(other) => return Err(BatchError::from(other).into()),
            }
        }
    }
}

fn is_drawn(taken: &Taken, (_, place, occurrence): &Which) -> bool {
    let lot = taken.lots.get(zone_name(*place));
    lot.is_some_and(|lot| lot.occurrence >= *occurrence)
}

fn zone_name(place: DueAt) -> &'static str {
    place.zone.map_or("", |zone| zone.name())
}

#[cfg(test)]
mod tests {
    use super::{Draw, Draws};
    use crate::domain::id::CampaignId;
    use crate::domain::record::DueAt;
    use chrono::NaiveDate;
    use std::sync::Arc;

    #[test]
    fn one_draws_and_the_lowest_numbers_are_drawn() {
        let draws = Arc::new(Draws::default());
        let place = DueAt {
            hash: 1,
            zone: None,
        };
        let day = NaiveDate::from_ymd_opt(2026, 3, 2).unwrap();
        let at = day.and_hms_opt(9, 0, 0).unwrap();
        let which = (CampaignId::parse("a").unwrap(), place, at);
        let mut draw = Draw::begun(&draws, &which).unwrap();
        assert!(Draw::begun(&draws, &which).is_none());
        for number in [0.7, 0.1, 0.4, 0.9] {
            draw.lowest.push(f64::to_bits(number));
            draw.all += 1;
        }
        let upto: Vec<f64> = (0..6).map(|places| draw.upto(places)).collect();
        assert_eq!(upto, [-1.0, 0.1, 0.4, 0.7, 1.0, 1.0]);
        drop(draw);
        assert!(Draw::begun(&draws, &which).is_some());
    }
}
