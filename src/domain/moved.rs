//! Edits of a journey that move many at once: those who have finished, by what was appended (`appended = "finished"`);
//! those under way, to another place (`on_change = "jump"`). Both wait for the same count and the same approval
//! ([`Controls::moved`](super::rules::Controls::moved)); who is moved, and how, is [`super::react`]'s.

use super::campaign::{Campaign, OnChange};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// What became of an edit that may move customers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Moved {
    /// For whom and for which steps this stands ([`Campaign::goes_on`]); by another file it is counted anew.
    pub goes_on: u64,
    /// So many customers would be moved at once, more than `[safety] at_once`: they wait for approval. None: they go on.
    pub waiting: Option<u64>,
}

impl Campaign {
    /// Whether an edit of its steps may move many at once.
    pub fn may_move(&self) -> bool {
        self.entry.appended || self.entry.on_change == OnChange::Jump
    }

    /// Of what decides whom its steps move: the steps themselves, what the file says of edits, and which customers are
    /// meant.
    pub fn goes_on(&self) -> u64 {
        self.goes_on_by(self.journey)
    }

    /// The same if its steps had this journey, as while they bore other names.
    pub fn goes_on_by(&self, journey: u64) -> u64 {
        let (entry, state) = (&self.entry, self.state);
        let whole = (journey, state, entry.appended, entry.on_change);
        xxh3_64(format!("{whole:?}").as_bytes())
    }

    /// Whom its steps move at once, in words.
    pub fn who_moves(&self, many: u64) -> String {
        let jumps = self.entry.on_change == OnChange::Jump;
        match (self.entry.appended, jumps) {
            (true, false) => {
                format!("{many} have finished and would go on with the steps that were appended")
            }
            (false, _) => format!(
                "{many} are under way and would be mailed at once by the steps as edited (on_change = \"jump\")"
            ),
            (true, true) => format!(
                "{many} would be mailed at once by the steps as edited, or have finished and would go on with what was appended"
            ),
        }
    }
}
