//! The guard over what gathers while nobody looks (an import, a pause): a campaign whose next occurrence would let in many
//! more than before waits for approval.

use super::catalogue::Catalogue;
use super::core::Core;
use super::shard::Refused;
use crate::domain::campaign::Start;
use crate::domain::id::{CampaignId, CustomerId};
use crate::domain::preference::Class;
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

/// A scheduled campaign that does not wait for approval already.
pub(super) struct Guarded {
    pub id: CampaignId,
    pub name: String,
    pub class: Class,
    /// That its due index stands under.
    pub audience_hash: u64,
}

/// Those of a catalogue.
pub(super) fn guarded(catalogue: &Catalogue) -> impl Iterator<Item = Guarded> {
    let controls = &catalogue.rules.controls;
    (catalogue.rules.campaigns.iter())
        .filter(|(id, campaign)| {
            matches!(campaign.start, Start::Scheduled(_))
                && !controls.cancelled.contains(*id)
                && (controls.activations.get(*id)).is_some_and(|a| !a.awaiting_approval)
        })
        .map(|(id, campaign)| Guarded {
            id: id.clone(),
            name: campaign.name.clone(),
            class: campaign.class,
            audience_hash: campaign.audience_hash,
        })
}

impl Core {
    /// Puts back to wait for approval those of `campaigns` whose next occurrence would let in more than `[safety] at_once`
    /// customers more than `before`, which counted them by campaign and audience (invariant 11): how many stood in another
    /// audience, before an edit, says nothing of this one. Returns them.
    pub(super) async fn hold_surprises(
        self: &Arc<Self>,
        before: &BTreeMap<CampaignId, (u64, u64)>,
        campaigns: impl Iterator<Item = Guarded>,
    ) -> Result<Vec<Held>, Refused> {
        let allowed = self.allowed_at_once().await?;
        let mut held = Vec::new();
        for Guarded {
            id,
            name,
            audience_hash,
            ..
        } in campaigns
        {
            let customers = self.count_due(&id, audience_hash).await?;
            let of_this = before.get(&id).filter(|(hash, _)| *hash == audience_hash);
            let more = customers.saturating_sub(of_this.map_or(0, |(_, due)| *due));
            if more <= allowed {
                continue;
            }
            held.push(Held {
                name,
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

    /// How many may enter a campaign at once without approval.
    pub(super) async fn allowed_at_once(&self) -> Result<u64, Refused> {
        let base = self.directory.count().await?;
        Ok(self.config().safety.at_once.of(base))
    }
}
