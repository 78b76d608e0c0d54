//! A configuration that takes away what campaigns in force cannot do without: the address of the customers' pages, a
//! transport, somebody of the staff, the history that a condition looks back on. No last good version of theirs helps, so
//! such a reload is refused as a whole: like any bad config.toml it changes nothing.
//!
//! At a start there is nothing to go on by: there such a campaign waits, and its messages with it, until its files or
//! config.toml are mended.

use super::catalogue::{Catalogue, FileState};
use crate::config::problem::Problem;
use crate::domain::campaign::CampaignState;
use crate::domain::id::CampaignId;
use crate::message::TemplateProblem;
use std::fmt;
use std::path::Path;

/// Why a reload is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TakenAway {
    /// They are in force, and would not be.
    pub campaigns: Vec<CampaignId>,
    /// What is wrong with all files.
    pub problems: Vec<Problem>,
    pub template_problems: Vec<TemplateProblem>,
}

impl TakenAway {
    /// What `new` would take away, if anything.
    pub fn of(old: &Catalogue, new: &Catalogue) -> Option<TakenAway> {
        let in_force = old.rules.campaigns.values();
        let cancelled = &old.rules.controls.cancelled;
        let in_force = in_force.filter(|c| c.state != CampaignState::Draft);
        let campaigns: Vec<CampaignId> = (in_force.map(|c| &c.id))
            .filter(|id| new.files.get(*id) == Some(&FileState::Broken))
            .filter(|id| !cancelled.contains(*id))
            .cloned()
            .collect();
        (!campaigns.is_empty()).then(|| TakenAway {
            campaigns,
            problems: new.problems.clone(),
            template_problems: new.template_problems.clone(),
        })
    }

    /// What is wrong with config.toml, then with everything else.
    pub fn told(&self, config: &Path) -> Vec<Problem> {
        let of_config = Problem::of_file(
            config.display().to_string(),
            self.to_string(),
            "put back what the files below miss, or change these campaigns first (`reveille cancel NAME` ends one)",
        );
        let mut told = vec![of_config];
        told.extend(self.problems.iter().cloned());
        told
    }
}

impl fmt::Display for TakenAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = (self.campaigns.iter().map(|id| format!("`{id}`"))).collect();
        let (are, they) = match self.campaigns.len() {
            1 => ("is", "it"),
            _ => ("are", "they"),
        };
        write!(
            f,
            "{} {are} in force, and {they} could not go on by this configuration, not even as the last good version",
            names.join(", ")
        )
    }
}
