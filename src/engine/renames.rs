//! Campaigns whose files bear another name now: what the house keeps of them under the old one goes over to the new one.
//! What each customer's record knows goes over when that record is brought up to date ([`crate::domain::react`]).

use crate::domain::campaign::{Campaign, Start};
use crate::domain::id::{CampaignId, StepId};
use crate::domain::react::journeys_before;
use crate::domain::rules::{Controls, Rules};
use crate::domain::time::Timestamp;

/// The rules that others take the place of.
#[derive(Clone, Copy)]
pub(super) struct Replaced<'a> {
    pub rules: &'a Rules,
    /// Whether their walk has come to everybody: all that they renamed is known by its present names.
    pub walked: bool,
}

impl<'a> Replaced<'a> {
    /// The campaign as it was, by whichever name.
    fn campaign(self, campaign: &Campaign) -> Option<&'a Campaign> {
        let known = |id: &CampaignId| self.rules.campaigns.get(id).map(|c| &**c);
        known(&campaign.id).or_else(|| known(campaign.renamed_from.as_ref()?))
    }
}

/// Old and new names, of those whose old file is gone.
pub(super) fn renamed(rules: &Rules) -> impl Iterator<Item = (&CampaignId, &CampaignId)> {
    (rules.campaigns.values())
        .filter_map(|c| Some((c.renamed_from.as_ref()?, &c.id)))
        .filter(|(old, _)| !rules.campaigns.contains_key(*old))
}

/// A renamed campaign is no new one: it stays live, or paused, as it was. One with a schedule goes on when all customers
/// stand in its due index under the new name.
pub(super) fn carry_over(
    rules: &Rules,
    replaced: Option<Replaced<'_>>,
    controls: &mut Controls,
    now: Timestamp,
) {
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
    carry_counts(rules, replaced, controls);
}

/// What was counted of a campaign's steps, and what was let, stands for the same steps under other names: of the file
/// itself, of steps, or of campaigns that their conditions ask about. It is counted anew where customers may stand by
/// names that nobody can tell of any more.
fn carry_counts(rules: &Rules, replaced: Option<Replaced<'_>>, controls: &mut Controls) {
    controls.moved.retain(|id, known| {
        let Some(campaign) = rules.campaigns.get(id).filter(|c| c.may_move()) else {
            return true;
        };
        let former = replaced.and_then(|r| r.campaign(campaign));
        let steps: Vec<StepId> = (former.iter().flat_map(|c| &c.steps))
            .map(|s| s.id.clone())
            .collect();
        let journeys = journeys_before(campaign, &steps, rules);
        if let (Some(replaced), Some(former)) = (replaced.filter(|r| !r.walked), former) {
            let told = |j: &u64| *j == campaign.journey || journeys.contains(j);
            if !journeys_before(former, &[], replaced.rules)
                .iter()
                .all(told)
            {
                return false;
            }
        }
        let counted = known.goes_on;
        let before = |journey: &u64| campaign.goes_on_by(*journey) == counted;
        if counted != campaign.goes_on() && journeys.iter().any(before) {
            known.goes_on = campaign.goes_on();
        }
        true
    });
}
