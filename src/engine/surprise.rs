//! The guard over what gathers while nobody looks (an import, a pause): a campaign whose next occurrence would let in many
//! more than before waits for approval.

use super::core::Core;
use super::shard::Refused;
use crate::domain::campaign::Start;
use crate::domain::id::{CampaignId, CustomerId};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A campaign that was put back to wait for approval.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Held {
    pub campaign: CampaignId,
    pub name: String,
    /// How many would enter at the next occurrence.
    pub customers: u64,
    /// How many of them are new since it was last counted.
    pub more: u64,
    /// What `[safety] at_once` allows.
    pub allowed: u64,
    /// Five of them.
    pub examples: Vec<CustomerId>,
}

impl Core {
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
