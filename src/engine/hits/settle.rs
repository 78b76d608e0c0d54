//! Settling: hits of a minute ago are judged, and what they come to is told to the customers' records.
//!
//! Records are told first, then the classes are kept together with the instant up to which all is settled. A crash
//! between the two tells the records again, which changes nothing; the classes stand in the stream once.

use super::pending::{Due, DueMessage};
use super::{HitRow, SETTLED};
use crate::domain::cause::Cause;
use crate::domain::engagement::{Engagement, SETTLING, classify};
use crate::domain::id::CustomerNo;
use crate::domain::time::Timestamp;
use crate::engine::batch::{BatchError, Work};
use crate::engine::core::Core;
use crate::engine::shard::Refused;
use crate::engine::state::{CustomerState, Number};
use crate::store::codec::{decode, encode};
use crate::store::{Append, Batch, Stream, keys};
use std::collections::HashMap;

/// About so many hits are settled in one go.
const CHUNK: usize = 5_000;

impl Core {
    /// Settles all hits that are due by now; returns how many. Costs nothing where nobody hit anything.
    pub async fn settle_hits(&self) -> Result<u64, Refused> {
        let by = self.clock.now() - SETTLING;
        if self.hits.pending.len() == 0 && self.hits.queue.capacity() == super::QUEUE {
            return Ok(0);
        }
        let _one_at_a_time = self.hits.settling.lock().await;
        // What was taken in before that instant may still wait to be kept.
        self.hits.flush().await;
        let mut settled = 0;
        while let Some(due) = self.hits.pending.due(by, CHUNK) {
            settled += self.settle_part(&due).await?;
            self.hits.pending.settled(due.upto);
        }
        self.hits.pending.rest(by);
        Ok(settled)
    }

    async fn settle_part(&self, due: &Due) -> Result<u64, Refused> {
        let known = self.records_of(&due.messages).await?;
        let mut appends = Vec::new();
        let mut waiting = Vec::new();
        for one in &due.messages {
            let state = known.get(&one.message.customer);
            let sent = state.and_then(|s| s.record.sent.get(one.message.message));
            // Of a mail in doubt it is known only when it left.
            let accepted = sent.map(|m| m.accepted.unwrap_or(m.left));
            let judged = classify(&one.hits, accepted);
            let settled = (one.hits.iter().zip(judged).zip(&one.now))
                .filter(|(_, now)| **now)
                .map(|((hit, (class, reason)), _)| (hit, class, reason));
            for (hit, class, reason) in settled.clone() {
                appends.push(Append {
                    stream: Stream::Hits,
                    customer: one.message.customer.0,
                    time: hit.at.millis(),
                    payload: encode(&HitRow::Classed {
                        message: one.message.message,
                        kind: hit.kind,
                        link: hit.link,
                        at: hit.at,
                        class,
                        reason,
                    }),
                });
            }
            for engagement in Engagement::of(one.message.message, settled) {
                let work = Work {
                    customer: one.message.customer,
                    id: None,
                    cause: Cause::Engagement(engagement),
                    mail: None,
                };
                waiting.push(self.shard(one.message.customer).offer(work).await);
            }
        }
        for answered in waiting {
            match answered.await.unwrap_or(Err(Refused::Stopping)) {
                // A customer who cannot be read keeps nobody else's hits from being settled.
                Ok(_) | Err(Refused::Unreadable(_)) => {}
                Err(error) => return Err(error),
            }
        }
        // Whoever was forgotten meanwhile leaves nothing behind.
        appends.retain(|row| !self.forgotten.has(CustomerNo(row.customer)));
        let settled = appends.len() as u64;
        self.keep_settled(appends, due.upto).await?;
        Ok(settled)
    }

    async fn keep_settled(&self, appends: Vec<Append>, upto: Timestamp) -> Result<(), Refused> {
        let upto = Number(u64::try_from(upto.millis()).unwrap_or(0));
        let batch = Batch {
            appends,
            puts: vec![(keys::house(SETTLED), encode(&upto))],
            ..Batch::default()
        };
        self.store.commit(batch).await.map_err(BatchError::from)?;
        Ok(())
    }

    async fn records_of(
        &self,
        messages: &[DueMessage],
    ) -> Result<HashMap<CustomerNo, CustomerState>, Refused> {
        let mut customers: Vec<CustomerNo> = messages.iter().map(|m| m.message.customer).collect();
        customers.dedup();
        let found = (self.store)
            .get_many(customers.iter().map(|no| keys::record(*no)).collect())
            .await
            .map_err(BatchError::from)?;
        let read = (customers.into_iter().zip(found))
            .filter_map(|(no, value)| Some((no, decode(&value?.value).ok()?)));
        Ok(read.collect())
    }
}
