//! Breakers: a campaign that does too much harm pauses itself.
//!
//! What is counted against it stands in [`super::hourly`]. Whoever is about to ask for a message looks here first, so that
//! from the commit on that reached a limit nothing of that campaign begins any more; what is under way comes to its end.
//! The pause is one of the controls: kept over restarts, and lifted by a resume, from which on all is counted anew. The
//! owner is told by the outbox.

use super::core::Core;
use super::shard::Refused;
use crate::domain::breaker::{Anew, Harm, LONGEST, Trip, hour_of};
use crate::domain::campaign::Campaign;
use crate::domain::id::CampaignId;
use crate::domain::rules::Controls;
use std::sync::Arc;

impl Core {
    /// Pauses the campaigns that have reached a limit since the last look; costs nothing where nothing was counted.
    pub(super) async fn heed_breakers(self: &Arc<Self>) -> Result<(), Refused> {
        let hourly = &self.tally().hourly;
        if !hourly.has_changed() {
            return Ok(());
        }
        // Whoever comes while another looks waits for what that one finds.
        let _looking = hourly.looking.lock().await;
        let changed = hourly.take_changed();
        let trips: Vec<(CampaignId, Trip)> =
            (changed.iter()).filter_map(|id| self.trip(id)).collect();
        if trips.is_empty() {
            hourly.looked(Default::default());
            return Ok(());
        }
        let paused = self.turn(|controls| {
            for (id, trip) in &trips {
                controls.paused.insert(id.clone());
                controls.tripped.insert(id.clone(), trip.clone());
            }
        });
        if let Err(error) = paused.await {
            hourly.looked(changed);
            return Err(error);
        }
        for (id, trip) in &trips {
            self.tally().trip(id);
            tracing::warn!(campaign = %id, breaker = trip.harm.as_str(), why = %trip, "the campaign has paused itself; `reveille resume CAMPAIGN` lets it go on and counts anew");
        }
        hourly.looked(Default::default());
        Ok(())
    }

    /// The limit that the campaign of this name, present or former, has reached, unless it is paused already.
    fn trip(&self, name: &CampaignId) -> Option<(CampaignId, Trip)> {
        let (catalogue, config) = (self.catalogue(), self.config());
        let rules = &catalogue.rules;
        let id = rules.present_name(name);
        let campaign = rules.campaigns.get(id)?;
        let controls = &rules.controls;
        if controls.paused.contains(id) || controls.cancelled.contains(id) {
            return None;
        }
        let now = self.clock.now();
        let reached = Harm::ALL.into_iter().find_map(|harm| {
            let limits = campaign
                .breakers
                .limits(harm, campaign.class, &config.breakers)?;
            limits.iter().find_map(|limit| {
                let hour = hour_of(now);
                let hours = hour - i64::from(limit.hours())..=hour;
                let anew = controls.counted.get(id);
                let counts = (self.tally().hourly).of_campaign(&names(campaign), hours, anew);
                limit.is_reached(harm, counts).then(|| Trip {
                    at: now,
                    harm,
                    many: counts.harm(harm),
                    of: counts.base(harm),
                    limit: limit.to_string(),
                    told: campaign.owner.is_none(),
                    by_hand: false,
                    in_earnest: !config.is_rehearsal(),
                })
            })
        });
        Some((id.clone(), reached?))
    }

    /// What lifts the pause of a campaign that has paused itself: from now on it is counted anew.
    pub(super) fn lifting(&self, id: &CampaignId) -> impl FnOnce(&mut Controls) + use<> {
        let hour = hour_of(self.clock.now());
        let catalogue = self.catalogue();
        let own = [id];
        let names = (catalogue.rules.campaigns.get(id)).map_or(own.to_vec(), |c| names(c));
        let before = (self.tally().hourly).of_campaign(&names, hour..=hour, None);
        let id = id.clone();
        move |controls| {
            (controls.counted).retain(|_, anew| anew.hour + i64::from(LONGEST) >= hour);
            if controls.tripped.remove(&id).is_some() {
                controls.counted.insert(id, Anew { hour, before });
            }
        }
    }
}

/// What a campaign is called, and was.
fn names(campaign: &Campaign) -> Vec<&CampaignId> {
    [&campaign.id]
        .into_iter()
        .chain(&campaign.renamed_from)
        .collect()
}
