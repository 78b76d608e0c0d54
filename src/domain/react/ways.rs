//! Ways: by which steps each entry stands, kept beside the entries as they begin, come to another place, and go over to
//! another customer. What follows from an edit is [`super::edits`]'s.

use super::Life;
use super::edits::rename_of;
use super::renaming::is_only_renamed;
use crate::domain::campaign::Campaign;
use crate::domain::id::{CampaignId, EntryKey, StepId};
use crate::domain::record::{Entry, Standing};
use crate::domain::rules::Rules;
use crate::domain::way::Way;

impl Life<'_> {
    /// The open entry under `key` goes by the file from now on. The steps by which it stood, in order.
    pub(super) fn stand_by(
        &mut self,
        id: &CampaignId,
        campaign: &Campaign,
        key: &EntryKey,
    ) -> Vec<StepId> {
        let Some(standing) = self.record.campaigns.get_mut(id) else {
            return Vec::new();
        };
        let open = (standing.entries.iter_mut()).find(|e| e.key == *key && e.state.is_open());
        let Some(entry) = open else {
            return Vec::new();
        };
        let was = std::mem::replace(&mut entry.journey, campaign.journey);
        let former = standing.steps_of(was).to_vec();
        standing.note_way(campaign);
        standing.forget_ways();
        former
    }
}

/// The journeys of a standing from which the file differs by names alone. To be asked by the names of before.
pub(super) fn only_renamed(standing: &Standing, campaign: &Campaign, rules: &Rules) -> Vec<u64> {
    (standing.ways.iter())
        .filter(|w| is_only_renamed((w.journey, &w.steps), campaign, rules))
        .map(|w| w.journey)
        .collect()
}

/// The ways by which `entries` stood elsewhere are known here, too. Where their steps are called otherwise here already,
/// they are called so.
pub(super) fn take_ways(standing: &mut Standing, ways: &[Way], entries: &mut [Entry]) {
    for way in ways {
        let Some(own) = standing.ways.iter().find(|w| w.journey == way.journey) else {
            standing.ways.push(way.clone());
            continue;
        };
        let other = (way.steps.iter().zip(&own.steps)).filter(|(theirs, ours)| theirs != ours);
        for (theirs, ours) in other {
            let of_this = entries.iter_mut().filter(|e| e.journey == way.journey);
            of_this.for_each(|entry| rename_of(entry, theirs, ours));
        }
    }
}
