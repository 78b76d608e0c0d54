//! Once a day: the table of the hours at which the shop's customers answer, for `at = "best"`; and the end of hourly rows
//! that nothing asks for any more.
//!
//! The table is one of the controls, so it is durable, has a version, reaches `react` with the rules, and walks nobody. A
//! day is one of UTC. What was counted while the daemon was down, or the table could not be written, is in the next one.

use super::batch::BatchError;
use super::core::Core;
use super::shard::Refused;
use crate::domain::breaker::{LONGEST, hour_of};
use crate::domain::id::ShardNo;
use crate::store::{Batch, Direction, keys};
use std::sync::Arc;

const DAY: i64 = 24;

impl Core {
    /// Makes the table of today, unless that was done.
    pub(super) async fn learn(self: &Arc<Self>) -> Result<(), Refused> {
        let hourly = &self.tally().hourly;
        let today = hour_of(self.clock.now()).div_euclid(DAY) * DAY;
        if hourly.is_learned(today) {
            return Ok(());
        }
        let catalogue = self.catalogue();
        let known = &catalogue.rules.controls.learned;
        if known.upto < today {
            let answers = hourly.answers(known.upto..today);
            let days = u32::try_from((today - known.upto) / DAY).unwrap_or(u32::MAX);
            let learned = known.next(&answers, days, today);
            // Where nobody has answered yet there is nothing to write each day.
            if learned.answers() > 0 || known.answers() > 0 {
                let (version, answers) = (learned.version, learned.answers());
                self.turn(|controls| controls.learned = learned).await?;
                tracing::info!(
                    version,
                    answers,
                    "the hours at which customers answer were worked out"
                );
            }
        }
        let needed = today - i64::from(LONGEST) - DAY;
        if hourly.has_before(needed) {
            self.forget_hours(needed).await?;
        }
        hourly.learned(today);
        Ok(())
    }

    async fn forget_hours(&self, before: i64) -> Result<(), Refused> {
        for shard in ShardNo::all() {
            let range = keys::hourly_before(shard, before);
            let old = (self.store.scan(range, Direction::Forward, usize::MAX).await)
                .map_err(BatchError::from)?;
            if old.is_empty() {
                continue;
            }
            let batch = Batch {
                deletes: old.into_iter().map(|(key, _)| key).collect(),
                ..Batch::default()
            };
            self.store.commit(batch).await.map_err(BatchError::from)?;
        }
        self.tally().hourly.forget_before(before);
        Ok(())
    }
}
