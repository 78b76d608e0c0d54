//! The guard over steps that were appended to a campaign: those who have finished go on with them at once if they are no
//! more than `[safety] at_once`; else that waits for approval, as entering does (invariant 11).
//!
//! They are counted when the walk to the edited files has ended, by one pass over all customers; then another walk, or the
//! approval's, lets them on ([`crate::domain::react`]).

use super::batch::BatchError;
use super::pages::RecordPages;
use crate::domain::campaign::{Campaign, CampaignState};
use crate::domain::id::CampaignId;
use crate::domain::react::would_go_on;
use crate::domain::rules::{Appended, Controls, Rules};
use crate::store::Store;
use std::collections::BTreeMap;

/// Campaigns whose files let those who have finished go on, as far as these were not counted by the present file.
pub(super) fn uncounted(rules: &Rules) -> Vec<CampaignId> {
    let controls = &rules.controls;
    let counted = |c: &Campaign| {
        (controls.appended.get(&c.id)).is_some_and(|known| known.goes_on == c.goes_on())
    };
    (rules.campaigns.iter())
        .filter(|(id, c)| {
            let in_force = c.state != CampaignState::Draft && !controls.cancelled.contains(*id);
            c.entry.appended && in_force && !counted(c)
        })
        .map(|(id, _)| id.clone())
        .collect()
}

/// How many customers would go on in each of these campaigns.
pub(super) async fn count(
    store: &dyn Store,
    rules: &Rules,
    campaigns: &[CampaignId],
) -> Result<BTreeMap<CampaignId, u64>, BatchError> {
    let mut found = BTreeMap::new();
    if campaigns.is_empty() {
        return Ok(found);
    }
    let mut pages = RecordPages::of(store);
    while let Some(records) = pages.next().await? {
        for campaign in campaigns.iter().filter_map(|id| rules.campaigns.get(id)) {
            let many = records.iter().filter(|r| would_go_on(r, campaign)).count();
            *found.entry(campaign.id.clone()).or_default() += many as u64;
        }
    }
    Ok(found)
}

/// Writes down what was counted of a campaign; whether anybody goes on now.
pub(super) fn decide(
    controls: &mut Controls,
    campaign: &Campaign,
    found: u64,
    allowed: u64,
) -> bool {
    let goes_on = campaign.goes_on();
    let waiting = (found > allowed).then_some(found);
    let known = Appended { goes_on, waiting };
    controls.appended.insert(campaign.id.clone(), known);
    found > 0 && waiting.is_none()
}

/// Lets those go on who wait for it.
pub(super) fn approve(controls: &mut Controls, id: &CampaignId) {
    if let Some(known) = controls.appended.get_mut(id) {
        known.waiting = None;
    }
}
