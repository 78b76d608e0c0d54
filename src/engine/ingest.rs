//! Taking rows in, many at once: ids are resolved in one go, every cause is offered before the first answer is awaited,
//! and the causes of one customer keep the order of their rows.
//!
//! Reading files, and telling equal rows apart, is for [`super::intake`] and the callers; what schedules wait for while
//! history comes in is for [`super::imports`].

use super::batch::{BatchError, Reply, Work};
use super::core::Core;
use super::intake::{Inbound, What};
use super::shard::Refused;
use crate::domain::cause::{Cause, Liveness};
use crate::domain::event::Event;
use crate::domain::id::{CustomerId, CustomerNo};
use crate::domain::react::Answer;
use crate::domain::time::Timestamp;
use serde::Serialize;
use std::collections::HashMap;
use tokio::sync::oneshot;

/// What became of a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Ingested {
    /// False for an event that was known already and changed nothing; a profile is always told anew.
    pub fresh: bool,
}

type Answers = Vec<oneshot::Receiver<Result<Reply, Refused>>>;

impl Core {
    /// Takes rows in; returns when each is durable or refused, in the rows' order. The number beside a row is what two
    /// copies of it share ([`super::intake::Counter::identify`]).
    pub async fn ingest(
        &self,
        rows: Vec<(Inbound, u64)>,
        liveness: Liveness,
    ) -> Vec<Result<Ingested, Refused>> {
        let numbers = match self.numbers_of(&rows).await {
            Ok(numbers) => numbers,
            Err(error) => {
                let refused = Refused::from(error);
                return rows.iter().map(|_| Err(refused.clone())).collect();
            }
        };
        let now = self.clock.now();
        let mut offered: Vec<Option<Answers>> = Vec::with_capacity(rows.len());
        for ((row, identity), no) in rows.into_iter().zip(numbers) {
            let Some(no) = no else {
                offered.push(None);
                continue;
            };
            let mut answers = Vec::with_capacity(1);
            for cause in causes(row.what, identity, liveness, now) {
                let work = Work {
                    customer: no,
                    id: Some(row.customer.clone()),
                    cause,
                    mail: None,
                };
                answers.push(self.shard(no).offer_in_order(work).await);
            }
            offered.push(Some(answers));
        }
        let mut done = Vec::with_capacity(offered.len());
        for answers in offered {
            let Some(answers) = answers else {
                done.push(Err(Refused::Forgotten));
                continue;
            };
            let mut outcome = Ok(Ingested { fresh: false });
            for answer in answers {
                let reply = answer.await.unwrap_or(Err(Refused::Stopping));
                let reply = reply.and_then(|reply| match reply.answer {
                    // Forgotten since the number was asked for.
                    Some(Answer::Gone) => Err(Refused::Forgotten),
                    _ => Ok(reply),
                });
                outcome = match (outcome, reply) {
                    (Ok(so_far), Ok(reply)) => Ok(Ingested {
                        fresh: so_far.fresh || reply.fresh,
                    }),
                    (Err(first), _) => Err(first),
                    (_, Err(refused)) => Err(refused),
                };
            }
            done.push(outcome);
        }
        done
    }

    /// None for rows of those who were forgotten.
    async fn numbers_of(
        &self,
        rows: &[(Inbound, u64)],
    ) -> Result<Vec<Option<CustomerNo>>, BatchError> {
        let mut places: HashMap<&CustomerId, usize> = HashMap::new();
        let mut ids: Vec<CustomerId> = Vec::new();
        let of_rows: Vec<usize> = (rows.iter())
            .map(|(row, _)| {
                *places.entry(&row.customer).or_insert_with(|| {
                    ids.push(row.customer.clone());
                    ids.len() - 1
                })
            })
            .collect();
        let numbers = self.directory.admit(&ids).await?;
        Ok(of_rows.into_iter().map(|place| numbers[place]).collect())
    }
}

/// What a row means to the engine. A profile comes before its consents, so that a refusal finds the mailbox.
fn causes(what: What, identity: u64, liveness: Liveness, now: Timestamp) -> Vec<Cause> {
    match what {
        What::Event {
            name,
            time,
            properties,
        } => {
            let event = Event {
                name,
                time,
                properties,
                identity,
                ahead: false,
            };
            vec![Cause::Event(event.settle_time(now), liveness)]
        }
        What::Profile { change, consents } => std::iter::once(Cause::Profile(change, liveness))
            .chain(consents.into_iter().map(|c| Cause::Consent(c, liveness)))
            .collect(),
    }
}
