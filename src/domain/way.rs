//! By which steps the entries of a customer stand: each by those of the file with which it began, or came to its present
//! place. After an edit that waits for approval, those of before stand beside those that began since.
//!
//! What an edit means for an entry is [`super::react`]'s.

use super::campaign::Campaign;
use super::id::StepId;
use super::record::Standing;
use serde::{Deserialize, Serialize};

/// The steps of a campaign as a file had them.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Way {
    /// Its [`journey`](Campaign::journey) by that file; entries name it.
    pub journey: u64,
    /// Its steps, in order, under the ids by which they are known now.
    pub steps: Vec<StepId>,
}

impl Standing {
    /// The steps of that journey, in order; none of one that is unknown.
    pub fn steps_of(&self, journey: u64) -> &[StepId] {
        steps_of(&self.ways, journey)
    }

    /// An entry stands by the file from now on.
    pub fn note_way(&mut self, campaign: &Campaign) {
        if self.ways.iter().all(|w| w.journey != campaign.journey) {
            self.ways.push(Way {
                journey: campaign.journey,
                steps: campaign.steps.iter().map(|s| s.id.clone()).collect(),
            });
        }
    }

    /// Ways by which no open entry stands are forgotten.
    pub fn forget_ways(&mut self) {
        let open = self.entries.iter().filter(|e| e.state.is_open());
        let known: Vec<u64> = open.map(|e| e.journey).collect();
        self.ways.retain(|w| known.contains(&w.journey));
    }
}

/// The same of some ways.
pub fn steps_of(ways: &[Way], journey: u64) -> &[StepId] {
    let way = ways.iter().find(|w| w.journey == journey);
    way.map_or(&[], |w| &w.steps)
}
