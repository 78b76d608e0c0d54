//! Lots: who is drawn of those who are due at one occurrence, where the campaign's quota is a number.
//!
//! Each shard walks its own customers, so the draw comes before: whichever shard comes to the occurrence first looks
//! through the due index of all, and writes down up to which number is drawn. The others find it there, and so does one
//! that goes on after a crash. Who comes to stand in the index since is drawn by the same number, while there is room.

use crate::domain::campaign::Campaign;
use crate::domain::id::ShardNo;
use crate::domain::quota::{Lot, lot_of};
use crate::domain::record::DueAt;
use crate::engine::batch::BatchError;
use crate::engine::quotas::read_one;
use crate::engine::shard::{Refused, Shard};
use crate::store::codec::encode;
use crate::store::{Batch, Direction, StoreError, keys};
use chrono::NaiveDateTime;
use std::collections::BinaryHeap;

use super::CHUNK;

impl Shard {
    /// Sees to it that the lots of this occurrence are drawn.
    pub(in crate::engine) async fn draw_lots(
        &self,
        campaign: &Campaign,
        place: DueAt,
        occurrence: NaiveDateTime,
    ) -> Result<(), Refused> {
        let Some(quota) = campaign.quota().filter(|quota| quota.is_number()) else {
            return Ok(());
        };
        let zone = place.zone.map_or("", |zone| zone.name());
        loop {
            let stood = read_one(&*self.store, &self.rules, campaign).await?;
            let mut taken = stood.taken;
            let drawn = taken.lots.get(zone);
            if drawn.is_some_and(|lot| lot.occurrence >= occurrence) {
                return Ok(());
            }
            let left = taken.left(quota, self.clock.now(), self.rules.shop.timezone);
            let upto = self.drawn_upto(campaign, place, occurrence, left).await?;
            taken.lots.insert(zone.to_owned(), Lot { occurrence, upto });
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

    /// The number up to which `places` of those who stand in the due index are drawn.
    async fn drawn_upto(
        &self,
        campaign: &Campaign,
        place: DueAt,
        occurrence: NaiveDateTime,
        places: u64,
    ) -> Result<f64, Refused> {
        let places = usize::try_from(places).unwrap_or(usize::MAX);
        // Numbers from 0 on sort as their bits do.
        let mut lowest: BinaryHeap<u64> = BinaryHeap::new();
        let mut all = 0_usize;
        for shard in ShardNo::all() {
            let mut range = keys::prefix(keys::due_prefix(shard, &campaign.id, place));
            loop {
                let found = self
                    .store
                    .scan(range.clone(), Direction::Forward, CHUNK)
                    .await;
                let found = found.map_err(BatchError::from)?;
                for no in (found.iter()).filter_map(|(key, _)| keys::read_due_customer(key)) {
                    all += 1;
                    let number = lot_of(&self.rules.salt, &campaign.id, no, occurrence);
                    lowest.push(number.to_bits());
                    if lowest.len() > places {
                        lowest.pop();
                    }
                }
                match found.last() {
                    Some((last, _)) if found.len() == CHUNK => range = range.after(last.clone()),
                    _ => break,
                }
            }
        }
        Ok(match lowest.peek() {
            _ if all <= places => 1.0,
            Some(highest) => f64::from_bits(*highest),
            None => -1.0,
        })
    }
}
