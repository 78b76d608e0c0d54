//! Campaigns whose files bear another name now: what the house keeps of them under the old one goes over to the new one.
//! What each customer's record knows goes over when that record is brought up to date ([`crate::domain::react`]).

use crate::domain::campaign::Start;
use crate::domain::id::CampaignId;
use crate::domain::react::journeys_before;
use crate::domain::rules::{Controls, Rules};
use crate::domain::time::Timestamp;

/// Old and new names, of those whose old file is gone.
pub(super) fn renamed(rules: &Rules) -> impl Iterator<Item = (&CampaignId, &CampaignId)> {
    (rules.campaigns.values())
        .filter_map(|c| Some((c.renamed_from.as_ref()?, &c.id)))
        .filter(|(old, _)| !rules.campaigns.contains_key(*old))
}

/// A renamed campaign is no new one: it stays live, or paused, as it was. One with a schedule goes on when all customers
/// stand in its due index under the new name.
pub(super) fn carry_over(rules: &Rules, controls: &mut Controls, now: Timestamp) {
    for (old, new) in renamed(rules) {
        if controls.paused.remove(old) {
            controls.paused.insert(new.clone());
        }
        if let Some(trip) = controls.tripped.remove(old) {
            controls.tripped.insert(new.clone(), trip);
        }
        if let Some(moved) = controls.moved.remove(old) {
            controls.moved.insert(new.clone(), moved);
        }
        controls.rename_alerts(old, new);
        if let Some(anew) = controls.counted.remove(old) {
            controls.counted.insert(new.clone(), anew);
        }
        let Some(mut activation) = controls.activations.remove(old) else {
            continue;
        };
        let scheduled =
            (rules.campaigns.get(new)).is_some_and(|c| matches!(c.start, Start::Scheduled(_)));
        if scheduled {
            activation.rename(now);
        }
        controls
            .activations
            .entry(new.clone())
            .or_insert(activation);
    }
    carry_counts(rules, controls);
}

/// What was counted of a campaign's steps, and what was let, stands for the same steps under other names: of the file
/// itself, of steps, or of campaigns that their conditions ask about.
fn carry_counts(rules: &Rules, controls: &mut Controls) {
    for (id, known) in &mut controls.moved {
        let Some(campaign) = rules.campaigns.get(id).filter(|c| c.may_move()) else {
            continue;
        };
        let counted = known.goes_on;
        let before = |journey: &u64| campaign.goes_on_by(*journey) == counted;
        if counted != campaign.goes_on() && journeys_before(campaign, rules).iter().any(before) {
            known.goes_on = campaign.goes_on();
        }
    }
}
