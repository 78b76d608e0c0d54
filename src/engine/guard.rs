//! The guard: when its walk has ended, a campaign goes live, or waits for approval if it would enter more at once than
//! `[safety] at_once` allows. And the walks themselves: which shards have ended theirs, whom they counted, and those that
//! were asked for and cut off.

use super::batch::BatchError;
use super::core::Core;
use super::going_on;
use super::shard::{Notice, Order, Refused};
use super::state::{Number, Walk};
use crate::domain::campaign::{Campaign, Existing, Start};
use crate::domain::id::{CampaignId, ShardNo};
use crate::domain::quota::Quota;
use crate::domain::rules::{Activation, Controls, Rules};
use crate::store::codec::decode;
use crate::store::{Direction, keys};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The row that counts walks asked for beside those to new rules.
pub(super) const WALKS: &str = "admissions";

impl Core {
    /// Takes note of what the shards told: walks that have ended.
    pub(super) async fn heed_notices(self: &Arc<Self>) -> Result<(), Refused> {
        self.drain_notices().await;
        // Asked at each tick, not once a walk has ended: the store may have failed when it did.
        if self.has_walked().await {
            self.guard().await?;
        }
        Ok(())
    }

    pub(super) async fn drain_notices(&self) {
        let mut notices = self.notices.lock().await;
        let mut walked = self.walked.lock().await;
        while let Ok(notice) = notices.try_recv() {
            match notice {
                Notice::Walked {
                    shard,
                    version,
                    existing,
                } if version == walked.version => _ = walked.shards.insert(shard, existing),
                Notice::Existing {
                    shard,
                    version,
                    existing,
                } if version == walked.version => {
                    if let Some(counted) = walked.shards.get_mut(&shard) {
                        *counted = existing;
                    }
                }
                _ => {}
            }
        }
    }

    /// At opening: which shards had walked to the present version already, and whether those who stood in an audience
    /// at its start have all been let in.
    pub(super) async fn recall_walks(self: &Arc<Self>) -> Result<(), Refused> {
        let version = self.catalogue().rules.version;
        let rows = self
            .store
            .get_many(ShardNo::all().map(keys::walk).collect())
            .await
            .map_err(BatchError::from)?;
        let round = self.walks_asked_for().await?;
        let mut behind = false;
        {
            let mut walked = self.walked.lock().await;
            walked.version = version;
            for (shard, row) in ShardNo::all().zip(rows) {
                if let Some(value) = row {
                    let walk: Walk = decode(&value.value).map_err(BatchError::from)?;
                    behind |= walk.round < round;
                    if walk.version == version && walk.done {
                        walked.shards.insert(shard, walk.existing);
                    }
                }
            }
        }
        if behind {
            self.walk_again(round).await;
        }
        if self.has_walked().await {
            self.guard().await?;
        }
        Ok(())
    }

    /// Whether every shard has walked to the rules in force.
    pub async fn has_walked(&self) -> bool {
        let walked = self.walked.lock().await;
        walked.shards.len() == self.shards.len()
    }

    /// The walk has ended: campaigns that are not live yet go live, or wait for approval if they would enter more at once
    /// than `[safety] at_once`.
    async fn guard(self: &Arc<Self>) -> Result<(), Refused> {
        let edited = going_on::uncounted(&self.catalogue().rules);
        if self.undecided().is_empty() && edited.is_empty() {
            return Ok(());
        }
        // No import begins or ends in between: what goes live now is what its end is measured against.
        let _changing = self.imports.changing().await;
        let catalogue = self.catalogue();
        let waiting = self.undecided();
        let base = self.directory.count().await?;
        let allowed = self.config().safety.at_once.of(base);
        let mut counts = BTreeMap::new();
        for id in &waiting {
            let Some(campaign) = catalogue.rules.campaigns.get(id) else {
                continue;
            };
            let all = self.count_existing(id, campaign).await?;
            let at_once = at_once(campaign, all);
            counts.insert(id.clone(), (campaign.audience_hash, all, at_once));
        }
        let now = self.clock.now();
        let rules = &catalogue.rules;
        let going_on = going_on::count(&*self.store, rules, &edited, now).await?;
        let anybody = (going_on.values()).any(|f| f.at_once <= allowed && f.behind + f.at_once > 0);
        let change = |controls: &mut Controls| {
            for (id, found) in &going_on {
                let Some(campaign) = rules.campaigns.get(id) else {
                    continue;
                };
                going_on::decide(controls, campaign, found, allowed);
                if controls.waiting_to_go_on(id).is_some() {
                    tracing::warn!(campaign = %id, customers = found.at_once, allowed, "the edit of its steps would move more customers at once than [safety] at_once allows; `reveille campaign approve` lets it");
                }
            }
            for (id, (hash, all, at_once)) in &counts {
                let counted = controls.activations.get_mut(id);
                // An edit may have come in between; its own walk counts for it.
                let undecided = |a: &&mut Activation| {
                    a.audience_hash == *hash && a.live.is_none() && !a.awaiting_approval
                };
                let Some(activation) = counted.filter(undecided) else {
                    continue;
                };
                let was_let = activation.was_let();
                activation.existing = *all;
                if *at_once > allowed && !was_let {
                    activation.awaiting_approval = true;
                    tracing::warn!(campaign = %id, customers = at_once, allowed, "would enter more customers at once than [safety] at_once allows; `reveille campaign approve` lets it");
                } else {
                    activation.live = Some(now);
                    tracing::info!(campaign = %id, existing = all, "live");
                }
            }
        };
        let counted = (counts.iter()).map(|(id, (hash, all, _))| (id.clone(), (*hash, *all)));
        let measured = self.measured_anew(counted).await?;
        let walks = |rules: &Rules| anybody || let_existing_in(rules, &waiting);
        self.turn_and_walk(measured, walks, change).await
    }

    /// Campaigns that are neither live nor wait for approval.
    fn undecided(&self) -> Vec<CampaignId> {
        let catalogue = self.catalogue();
        (catalogue.rules.controls.activations.iter())
            .filter(|(id, a)| {
                a.live.is_none()
                    && !a.awaiting_approval
                    && catalogue.rules.campaigns.contains_key(*id)
            })
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// How many stand in a campaign's audience while it is not live: those in the due index; or those whom the walk, or
    /// any cause beside it, found in it.
    pub(super) async fn count_existing(
        &self,
        id: &CampaignId,
        campaign: &Campaign,
    ) -> Result<u64, Refused> {
        match &campaign.start {
            Start::Scheduled(_) => self.count_due(id, campaign.audience_hash).await,
            Start::Audience => {
                let walked = self.walked.lock().await;
                let counts = walked.shards.values().filter_map(|s| s.get(id));
                let of_this = counts.filter(|c| c.hash == campaign.audience_hash);
                Ok(of_this.map(|c| c.customers).sum())
            }
            Start::Triggered(_) | Start::Dated(_) | Start::Asked => Ok(0),
        }
    }

    /// The number of the latest such walk.
    pub(super) async fn walks_asked_for(&self) -> Result<u32, Refused> {
        let found = self
            .store
            .get_many(vec![keys::house(WALKS)])
            .await
            .map_err(BatchError::from)?;
        let Some(value) = found.into_iter().next().flatten() else {
            return Ok(0);
        };
        let Number(round) = decode(&value.value).map_err(BatchError::from)?;
        Ok(round as u32)
    }

    pub(super) async fn walk_again(&self, round: u32) {
        for shard in &self.shards {
            shard.order(Order::WalkAgain(round)).await;
        }
    }

    /// How many customers stand in a scheduled campaign's due index.
    pub async fn count_due(&self, id: &CampaignId, hash: u64) -> Result<u64, Refused> {
        let mut total = 0;
        for shard in ShardNo::all() {
            let range = keys::prefix(keys::due_campaign(shard, id, hash));
            let found = self
                .store
                .scan(range, Direction::Forward, usize::MAX)
                .await
                .map_err(BatchError::from)?;
            total += found.len() as u64;
        }
        Ok(total)
    }
}

/// Whether those who stood in the audience of one of these campaigns, without a schedule, are let in when it goes live.
pub(super) fn let_existing_in(rules: &Rules, campaigns: &[CampaignId]) -> bool {
    campaigns.iter().any(|id| {
        (rules.campaigns.get(id)).is_some_and(|c| {
            matches!(c.start, Start::Audience) && c.entry.existing != Existing::Skip
        })
    })
}

/// How many would enter a campaign at once as it goes live, or at its next occurrence, of `all` who stand in its audience.
pub(super) fn at_once(campaign: &Campaign, all: u64) -> u64 {
    match (&campaign.start, campaign.entry.existing) {
        (Start::Triggered(_) | Start::Dated(_) | Start::Asked, _)
        | (Start::Audience, Existing::Skip) => 0,
        (Start::Audience | Start::Scheduled(_), pace) => match campaign.quota() {
            Some(Quota::Number { most, .. }) => paced(pace, all).min(*most),
            _ => paced(pace, all),
        },
    }
}

/// How many of `all` would enter in the first period.
fn paced(existing: Existing, all: u64) -> u64 {
    match existing {
        Existing::Pace { count, .. } => all.min(u64::from(count)),
        Existing::Skip | Existing::Enter => all,
    }
}
