//! Lots: who is drawn of those who are due at one occurrence, where the campaign's quota is a number.
//!
//! Each shard walks its own customers, so the draw comes before. Who is due, and who of them would enter, hangs on what is
//! done before this occurrence: alarms, occurrences of the same instant, what those of other zones have taken. So nobody
//! draws before all shards have come to this occurrence or past it ([`super::course`]): who is drawn hangs on none being
//! faster. Then one of them looks through the due index of all, a stretch of it each turn, and writes down up to which
//! number is drawn; the others wait until it stands there, and one that goes on after a crash finds it. For a shard that
//! has stopped (its part of the store fails) the draw is put off from tick to tick, but not for long, and not again for
//! each occurrence; its customers who stand in the index are looked at all the same.
//!
//! Who comes to stand in the index since is drawn by the same number, while there is room. Who is due and takes no place,
//! since they would not enter or are held out, is not counted.

use crate::domain::campaign::Campaign;
use crate::domain::id::{CampaignId, CustomerNo, SHARDS, ShardNo};
use crate::domain::quota::{Lot, Quota, Taken, lot_of};
use crate::domain::react::{keeps_some_out, takes_room, would_enter};
use crate::domain::record::{DueAt, Record};
use crate::domain::rules::Rules;
use crate::domain::time::{Span, Timestamp};
use crate::engine::batch::{BatchError, Surroundings, walked};
use crate::engine::pages::records_of;
use crate::engine::quotas::read_one;
use crate::engine::shard::{Refused, Shard};
use crate::store::codec::encode;
use crate::store::{Batch, Direction, KeyRange, StoreError, keys};
use chrono::NaiveDateTime;
use std::collections::BinaryHeap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::CHUNK;
use super::course::{Course, Occasion, Others};

/// So many chunks of the due index are looked through in one turn.
const STRETCH: usize = 8;
/// So long draws are put off for a shard that has stopped: less than what makes an occurrence a missed one.
const PATIENCE: Span = Span::minutes(1);

/// Which draw: of this campaign, at this place of the due index, for this occurrence.
type Which = (CampaignId, DueAt, NaiveDateTime);

/// The draws that are being made, over all shards: each by one.
#[derive(Default)]
pub struct Draws {
    under_way: Mutex<Vec<Which>>,
}

/// How it stands with the lots of an occurrence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lots {
    Drawn,
    /// It is to be asked again: the draw goes on, or something is waited for.
    Later,
    /// Not in this tick.
    PutOff,
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
    course: Arc<Course>,
    lowest: Lowest,
    /// Where it goes on: the rest of this shard's index, and the shards after it.
    shard: u8,
    rest: Option<KeyRange>,
}

impl Drop for Draw {
    fn drop(&mut self) {
        let under_way = &self.course.draws;
        under_way.under_way().retain(|which| *which != self.which);
        self.course.stir();
    }
}

impl Draw {
    fn begun(course: &Arc<Course>, which: &Which) -> Option<Draw> {
        let mut under_way = course.draws.under_way();
        let first = !under_way.contains(which);
        if first {
            under_way.push(which.clone());
        }
        drop(under_way);
        first.then(|| Draw {
            which: which.clone(),
            course: Arc::clone(course),
            lowest: Lowest::default(),
            shard: 0,
            rest: None,
        })
    }
}

/// The numbers of all who stand there and would take a place.
#[derive(Default)]
pub struct Lowest {
    /// The lowest so far, at most as many as the quota may ever let in; numbers from 0 on sort as their bits do.
    lowest: BinaryHeap<u64>,
    all: u64,
}

impl Lowest {
    /// One more; `most` is what the quota may ever let in.
    pub fn add(&mut self, number: f64, most: u64) {
        self.all += 1;
        self.lowest.push(number.to_bits());
        if self.lowest.len() as u64 > most {
            self.lowest.pop();
        }
    }

    /// The number up to which so many of them are drawn.
    pub fn upto(&self, places: u64) -> f64 {
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
    /// Sees to it that the lots of this occurrence are drawn.
    pub(in crate::engine) async fn draw_lots(
        &mut self,
        campaign: &Campaign,
        place: DueAt,
        occurrence: NaiveDateTime,
        here: &Occasion,
    ) -> Result<Lots, Refused> {
        let Some(quota) = campaign.quota().filter(|quota| quota.is_number()) else {
            return Ok(Lots::Drawn);
        };
        let which = (campaign.id.clone(), place, occurrence);
        let own = self.clockwork.draw.take();
        let own = own.filter(|draw| draw.which == which);
        if own.is_none() {
            // What moves from here on is not missed.
            self.runner.look();
            match (self.runner).others(self.clockwork.tick, here, PATIENCE) {
                Others::Abreast => {}
                Others::Behind => {
                    self.clockwork.waits = true;
                    return Ok(Lots::Later);
                }
                Others::Stopped | Others::Ahead => return Ok(Lots::PutOff),
            }
            let stood = read_one(&*self.store, &self.rules, campaign).await?;
            if is_drawn(&stood.taken, &which) {
                return Ok(Lots::Drawn);
            }
        }
        let Some(mut draw) = own.or_else(|| Draw::begun(&self.runner.course, &which)) else {
            // Another shard draws.
            self.clockwork.waits = true;
            return Ok(Lots::Later);
        };
        // An error drops the draw: another shard may do better.
        let stretch = match keeps_some_out(campaign) {
            true => 1,
            false => STRETCH,
        };
        for _ in 0..stretch {
            if self.look_on(&mut draw, campaign, quota).await? {
                self.write_lot(campaign, quota, &draw).await?;
                return Ok(Lots::Drawn);
            }
        }
        self.clockwork.draw = Some(draw);
        Ok(Lots::Later)
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
        let due = (found.iter()).filter_map(|(key, _)| keys::read_due_customer(key));
        let takes = |no: &CustomerNo| takes_room(*no, campaign, &self.rules);
        let mut due: Vec<CustomerNo> = due.filter(takes).collect();
        if keeps_some_out(campaign) {
            due = self.who_would_enter(campaign, due, &draw.which).await?;
        }
        for no in due {
            let number = lot_of(&self.rules.salt, id, no, *occurrence);
            draw.lowest.add(number, most_of(quota));
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
        (_, place, occurrence): &Which,
    ) -> Result<Vec<CustomerNo>, Refused> {
        let now = self.clock.now();
        let mut records = records_of(&*self.store, &due).await?;
        self.bring_up_to_date(&mut records, now).await?;
        // Brought up to date, some may stand there no more.
        let stands = |r: &Record| {
            let standing = r.campaigns.get(&campaign.id);
            standing.is_some_and(|s| s.due == Some(*place))
        };
        let enter = (records.iter().flatten())
            .filter(|r| stands(r) && enters(r, campaign, &self.rules, *occurrence, now));
        Ok(enter.map(|r| r.no).collect())
    }

    /// Those whom the walk to the present rules has not met yet: as it will find them. Nothing is written.
    async fn bring_up_to_date(
        &self,
        records: &mut [Option<Record>],
        now: Timestamp,
    ) -> Result<(), Refused> {
        let outdated = |r: &&mut Record| r.rules != self.rules.version;
        let mut outdated: Vec<&mut Record> =
            (records.iter_mut().flatten()).filter(outdated).collect();
        let numbers: Vec<CustomerNo> = outdated.iter().map(|record| record.no).collect();
        let around = Surroundings {
            store: &*self.store,
            shard: self.no,
            rules: &self.rules,
            forgotten: &self.forgotten,
            first_message: self.first_message,
            now,
            unfinished: true,
            urgent: false,
        };
        let mut walked = walked(&around, &numbers).await?;
        for record in &mut outdated {
            if let Some(walked) = walked.remove(&record.no) {
                **record = walked;
            }
        }
        Ok(())
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
                upto: draw.lowest.upto(left),
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

/// Whether a customer would enter, if they were drawn. One over whom that panics would not, for it would then, too.
pub(in crate::engine) fn enters(
    record: &Record,
    campaign: &Campaign,
    rules: &Rules,
    occurrence: NaiveDateTime,
    now: Timestamp,
) -> bool {
    let asked = || would_enter(record, campaign, rules, occurrence, now);
    catch_unwind(AssertUnwindSafe(asked)).unwrap_or(false)
}

/// How many the quota may ever let in at once.
pub(in crate::engine) fn most_of(quota: &Quota) -> u64 {
    match quota {
        Quota::Number { most, .. } => *most,
        Quota::Share(_) => u64::MAX,
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
    use super::{Course, Draw};
    use crate::domain::id::CampaignId;
    use crate::domain::record::DueAt;
    use chrono::NaiveDate;
    use std::sync::Arc;

    #[test]
    fn one_draws_and_the_lowest_numbers_are_drawn() {
        let course = Arc::new(Course::default());
        let place = DueAt {
            hash: 1,
            zone: None,
        };
        let day = NaiveDate::from_ymd_opt(2026, 3, 2).unwrap();
        let at = day.and_hms_opt(9, 0, 0).unwrap();
        let which = (CampaignId::parse("a").unwrap(), place, at);
        let mut draw = Draw::begun(&course, &which).unwrap();
        assert!(Draw::begun(&course, &which).is_none());
        for number in [0.7, 0.1, 0.4, 0.9] {
            draw.lowest.add(number, 4);
        }
        let upto: Vec<f64> = (0..6).map(|places| draw.lowest.upto(places)).collect();
        assert_eq!(upto, [-1.0, 0.1, 0.4, 0.7, 1.0, 1.0]);
        drop(draw);
        assert!(Draw::begun(&course, &which).is_some());
    }
}
