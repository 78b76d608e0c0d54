//! How campaigns come into force: since when, and whether at once or after the walk and the guard.

use super::catalogue::Catalogue;
use super::going_on::forget_former;
use super::renames::{Replaced, carry_over};
use crate::domain::campaign::{CampaignState, Start};
use crate::domain::rules::{Activation, Controls};
use crate::domain::time::Timestamp;

/// Activations for campaigns that are new, or whose audience was edited; the others' stay. `replaced`: the rules in force
/// until now, if any are.
pub(super) fn activated(
    catalogue: &Catalogue,
    replaced: Option<Replaced<'_>>,
    now: Timestamp,
) -> Controls {
    let rules = &catalogue.rules;
    let mut controls = (*rules.controls).clone();
    carry_over(rules, replaced, &mut controls, now);
    forget_former(rules, &mut controls);
    for (id, campaign) in &rules.campaigns {
        if campaign.state == CampaignState::Draft {
            controls.activations.remove(id);
            continue;
        }
        match controls.activations.get_mut(id) {
            Some(known) if known.audience_hash == campaign.audience_hash => {
                known.hash = campaign.hash
            }
            _ => {
                // Triggers are live at once; the others when the walk has ended and the guard is passed.
                let by_event = matches!(
                    campaign.start,
                    Start::Triggered(_) | Start::Dated(_) | Start::Asked
                );
                let live = by_event.then_some(now);
                let new = Activation {
                    hash: campaign.hash,
                    audience_hash: campaign.audience_hash,
                    at: now,
                    live,
                    existing: 0,
                    awaiting_approval: false,
                };
                controls.activations.insert(id.clone(), new);
            }
        }
    }
    controls.heed_approvals(now);
    controls
}
