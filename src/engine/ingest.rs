//! Taking rows in, many at once: ids are resolved in one go, every cause is offered before the first answer is awaited,
//! and the causes of one customer keep the order of their rows.
//!
//! Reading files, and telling equal rows apart, is for [`super::intake`] and the callers; what schedules wait for while
//! history comes in is for [`super::imports`].

use super::batch::{BatchError, Reply, Work};
use super::core::Core;
use super::directory::Known;
use super::intake::identity::part;
use super::intake::{Inbound, What};
use super::shard::Refused;
use crate::domain::cause::{Cause, Liveness};
use crate::domain::event::Event;
use crate::domain::id::CustomerId;
use crate::domain::react::Answer;
use crate::domain::time::Timestamp;
use serde::Serialize;
use std::collections::HashMap;
use tokio::sync::oneshot;

/// What became of a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Ingested {
    /// False for what was known already and changed nothing ([`Inbound::counts_once`]).
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
        let mut offered: Vec<Result<Answers, Refused>> = Vec::with_capacity(rows.len());
        for ((row, identity), no) in rows.into_iter().zip(numbers) {
            let no = match no {
                Ok(Some(no)) => no,
                Ok(None) => {
                    offered.push(Err(Refused::Forgotten));
                    continue;
                }
                // Theirs alone: nobody else of the batch is held up by it.
                Err(error) => {
                    offered.push(Err(Refused::Unreadable(error.to_string())));
                    continue;
                }
            };
            let mut answers = Vec::with_capacity(1);
            let once = row.counts_once();
            for cause in causes(row.what, (identity, once), liveness, now) {
                let work = Work {
                    customer: no,
                    id: Some(row.customer.clone()),
                    cause,
                    mail: None,
                };
                answers.push(self.shard(no).offer_in_order(work).await);
            }
            offered.push(Ok(answers));
        }
        let mut done = Vec::with_capacity(offered.len());
        for answers in offered {
            let answers = match answers {
                Ok(answers) => answers,
                Err(refused) => {
                    done.push(Err(refused));
                    continue;
                }
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

    /// None for rows of those who were forgotten; an error for each of whose number cannot be read.
    async fn numbers_of(&self, rows: &[(Inbound, u64)]) -> Result<Vec<Known>, BatchError> {
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
        Ok((of_rows.into_iter())
            .map(|at| numbers[at].clone())
            .collect())
    }
}

/// What a row means to the engine. A profile comes before its consents, so that a refusal finds the mailbox. Each has an
/// identity of its own: a disk that is full, or a crash, may have let one in and not the other.
fn causes(
    what: What,
    (identity, once): (u64, bool),
    liveness: Liveness,
    now: Timestamp,
) -> Vec<Cause> {
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
        What::Profile {
            mut change,
            consents,
        } => {
            let own = |nth| once.then(|| part(identity, nth));
            change.identity = own(0);
            let consents = (1..).zip(consents).map(|(nth, mut consent)| {
                consent.origin.identity = own(nth);
                Cause::Consent(consent, liveness)
            });
            std::iter::once(Cause::Profile(change, liveness))
                .chain(consents)
                .collect()
        }
    }
}
