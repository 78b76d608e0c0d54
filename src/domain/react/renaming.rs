//! Steps and files under other names: whether that is all that an edit did.

use super::edits::renamed_steps;
use crate::domain::campaign::{Campaign, Otherwise};
use crate::domain::condition::{Condition, Named};
use crate::domain::id::{CampaignId, StepId};
use crate::domain::rules::Rules;

/// Whether the steps are those by which the entries stand, some of them under new ids, or asking about a campaign under its
/// new name: that is no change of the way.
pub(super) fn is_only_renamed(
    (journey, stood_by): (u64, &[StepId]),
    campaign: &Campaign,
    rules: &Rules,
) -> bool {
    let steps: Vec<(&StepId, &StepId)> = renamed_steps(campaign)
        .filter(|(old, _)| stood_by.contains(old))
        .collect();
    let files: Vec<(&CampaignId, &CampaignId)> = rules.renamed().collect();
    if journey == campaign.journey || (steps.is_empty() && files.is_empty()) {
        return false;
    }
    let named = Named {
        segments: &rules.segments,
        tags: &rules.tags,
    };
    // A file that was renamed long ago still says so.
    [files.as_slice(), &[]].into_iter().any(|files| {
        let former = under_former_names(campaign, &steps, files);
        former.journey_hash(&named) == journey
    })
}

/// The campaign as it would read with these steps and files under the names that they had, each told with its new one.
fn under_former_names(
    campaign: &Campaign,
    steps: &[(&StepId, &StepId)],
    files: &[(&CampaignId, &CampaignId)],
) -> Campaign {
    let mut former = campaign.clone();
    let step_was = |step: &mut StepId| {
        if let Some((old, _)) = steps.iter().find(|(_, new)| *new == step) {
            *step = (*old).clone();
        }
    };
    let file_was = |file: &mut CampaignId| {
        if let Some((old, _)) = files.iter().find(|(_, new)| *new == file) {
            *file = (*old).clone();
        }
    };
    for step in &mut former.steps {
        step_was(&mut step.id);
        if let Otherwise::GoTo(to) = &mut step.otherwise {
            step_was(to);
        }
    }
    for condition in former.conditions_mut() {
        condition.each_leaf_mut(&mut |leaf| match leaf {
            Condition::Message(message) => {
                if message.campaign == campaign.id {
                    step_was(&mut message.step);
                }
                file_was(&mut message.campaign);
            }
            Condition::Campaign(asked) => file_was(&mut asked.campaign),
            _ => {}
        });
    }
    former
}
