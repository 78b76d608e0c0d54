//! Taking rows in, many at once: ids are resolved in one go, every cause is offered before the first answer is awaited,
//! and the causes of one customer keep the order of their rows.
//!
//! While a history import runs, occurrences of schedules wait (the mark stands in the controls, so a crash in the middle
//! keeps them waiting until the import is run again, or somebody resumes everything). When it ends, a campaign whose
//! next occurrence would let in many more than before waits for approval. Reading files, and telling equal rows apart,
//! is for [`super::intake`] and the callers.

use super::batch::{BatchError, Reply, Work};
use super::core::Core;
use super::intake::{Inbound, What};
use super::shard::Refused;
use crate::domain::campaign::Start;
use crate::domain::cause::{Cause, Liveness};
use crate::domain::event::Event;
use crate::domain::id::{CampaignId, CustomerId, CustomerNo};
use crate::domain::time::Timestamp;
use crate::store::codec::{Stored, decode, encode};
use crate::store::{Batch, keys};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::sync::oneshot;

const BASELINE: &str = "import";

/// What became of a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Ingested {
    /// False for an event that was known already and changed nothing; a profile is always told anew.
    pub fresh: bool,
}

/// A campaign that an import put back to wait for approval.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Held {
    pub campaign: CampaignId,
    pub name: String,
    /// How many would enter at the next occurrence.
    pub customers: u64,
    /// How many of them the import brought.
    pub more: u64,
    /// What `[safety] at_once` allows.
    pub allowed: u64,
    /// Five of them.
    pub examples: Vec<CustomerId>,
}

/// How many stood in each campaign's due index when the import began.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Baseline(BTreeMap<CampaignId, u64>);

impl Stored for Baseline {
    const WHAT: &'static str = "beginning of an import";
    const VERSION: u8 = 1;
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
        let mut offered: Vec<Answers> = Vec::with_capacity(rows.len());
        for ((row, identity), no) in rows.into_iter().zip(numbers) {
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
            offered.push(answers);
        }
        let mut done = Vec::with_capacity(offered.len());
        for answers in offered {
            let mut outcome = Ok(Ingested { fresh: false });
            for answer in answers {
                let reply = answer.await.unwrap_or(Err(Refused::Stopping));
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

    async fn numbers_of(&self, rows: &[(Inbound, u64)]) -> Result<Vec<CustomerNo>, BatchError> {
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
        let numbers = self.directory.resolve(&ids).await?;
        Ok(of_rows.into_iter().map(|place| numbers[place]).collect())
    }

    /// Since when an import of history is under way; schedules wait until it ends.
    pub fn importing(&self) -> Option<Timestamp> {
        self.catalogue().rules.controls.importing
    }

    /// An import of history begins: occurrences wait from now on, over restarts too. One that was cut off is gone on
    /// with: what its end is measured against stays.
    pub async fn import_begin(self: &Arc<Self>) -> Result<(), Refused> {
        if self.importing().is_some() {
            return Ok(());
        }
        let mut baseline = Baseline::default();
        for (id, hash) in self.guarded() {
            baseline
                .0
                .insert(id.clone(), self.count_due(&id, hash).await?);
        }
        let now = self.clock.now();
        let put = (keys::house(BASELINE), encode(&baseline));
        self.turn_with(vec![put], |controls| controls.importing = Some(now))
            .await
    }

    /// The import has ended: occurrences go on, save those of campaigns that would now let in more than `[safety]
    /// at_once` customers more than before. These are returned, and wait for `campaign approve`. Without a beginning there
    /// is no end: then nothing is done.
    pub async fn import_end(self: &Arc<Self>) -> Result<Vec<Held>, Refused> {
        let found = self
            .store
            .get_many(vec![keys::house(BASELINE)])
            .await
            .map_err(BatchError::from)?;
        let value = found.into_iter().next().flatten();
        if value.is_none() && self.importing().is_none() {
            return Ok(Vec::new());
        }
        let baseline: Baseline = value
            .map(|v| decode(&v.value))
            .transpose()
            .map_err(BatchError::from)?
            .unwrap_or_default();
        let held = self.hold_surprises(&baseline.0, self.guarded()).await?;
        self.turn(|controls| controls.importing = None).await?;
        let forget = Batch {
            deletes: vec![keys::house(BASELINE)],
            ..Batch::default()
        };
        self.store.commit(forget).await.map_err(BatchError::from)?;
        Ok(held)
    }

    /// Puts back to wait for approval those of `campaigns` whose next occurrence would let in more than `[safety] at_once`
    /// customers more than `before` (invariant 11). Returns them.
    pub(super) async fn hold_surprises(
        self: &Arc<Self>,
        before: &BTreeMap<CampaignId, u64>,
        campaigns: Vec<(CampaignId, u64)>,
    ) -> Result<Vec<Held>, Refused> {
        let allowed = self.allowed_at_once().await?;
        let catalogue = self.catalogue();
        let mut held = Vec::new();
        for (id, hash) in campaigns {
            let customers = self.count_due(&id, hash).await?;
            let more = customers.saturating_sub(before.get(&id).copied().unwrap_or(0));
            if more <= allowed {
                continue;
            }
            held.push(Held {
                name: catalogue.rules.campaigns[&id].name.clone(),
                customers,
                more,
                allowed,
                examples: self.examples(&id).await?,
                campaign: id,
            });
        }
        if held.is_empty() {
            return Ok(held);
        }
        self.turn(|controls| {
            for one in &held {
                if let Some(activation) = controls.activations.get_mut(&one.campaign) {
                    activation.existing = one.customers;
                    activation.live = None;
                    activation.awaiting_approval = true;
                    tracing::warn!(campaign = %one.campaign, customers = one.customers, more = one.more, allowed, "more customers than [safety] at_once allows would enter at the next occurrence; `reveille campaign approve` lets it");
                }
            }
        })
        .await?;
        Ok(held)
    }

    /// Scheduled campaigns that don't wait for approval already, with the hash that their due index stands under.
    pub(super) fn guarded(&self) -> Vec<(CampaignId, u64)> {
        let catalogue = self.catalogue();
        let controls = &catalogue.rules.controls;
        (catalogue.rules.campaigns.iter())
            .filter(|(id, campaign)| {
                matches!(campaign.start, Start::Scheduled(_))
                    && !controls.cancelled.contains(*id)
                    && (controls.activations.get(*id)).is_some_and(|a| !a.awaiting_approval)
            })
            .map(|(id, campaign)| (id.clone(), campaign.audience_hash))
            .collect()
    }

    /// How many may enter a campaign at once without approval.
    pub(super) async fn allowed_at_once(&self) -> Result<u64, Refused> {
        let base = self.directory.count().await?;
        Ok(self.config().safety.at_once.of(base))
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
