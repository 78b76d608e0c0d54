//! The guard over edits of journeys: those who have finished go on with what was appended, and those under way jump to
//! another place, at once if no more than `[safety] at_once` are moved by it; else that waits for approval, as entering
//! does (invariant 11).
//!
//! They are counted when the walk to the edited files has ended, by one pass over all customers; then another walk, or the
//! approval's, lets them on ([`crate::domain::react`]). Who has just edited is told before, by a rehearsal of that walk
//! (`forecast/edits.rs`).

use super::batch::BatchError;
use super::core::Core;
use super::pages::RecordPages;
use super::shard::Refused;
use crate::domain::campaign::{Campaign, CampaignState, OnChange};
use crate::domain::id::{CampaignId, CustomerId};
use crate::domain::moved::Moved;
use crate::domain::react::moves;
use crate::domain::record::Record;
use crate::domain::rules::{Controls, Rules};
use crate::domain::time::Timestamp;
use crate::store::Store;
use serde::Serialize;
use std::collections::BTreeMap;

/// So many examples are told.
const EXAMPLES: usize = 5;

/// Whom the steps of one campaign move.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Found {
    /// Under way, to be given another place.
    pub behind: u64,
    /// Mailed for it at once, or going on though they had finished.
    pub at_once: u64,
    /// Some of the latter.
    pub examples: Vec<CustomerId>,
}

impl Found {
    pub fn look_at(&mut self, record: &Record, campaign: &Campaign, rules: &Rules, now: Timestamp) {
        let moves = moves(record, campaign, rules, now);
        self.behind += u64::from(moves.behind);
        self.at_once += u64::from(moves.at_once);
        if moves.at_once && self.examples.len() < EXAMPLES {
            self.examples.push(record.id.clone());
        }
    }

    pub fn merge(&mut self, other: Found) {
        self.behind += other.behind;
        self.at_once += other.at_once;
        let room = EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.into_iter().take(room));
    }
}

/// An edit that waits for approval, or will.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Waits {
    pub campaign: CampaignId,
    /// How many would be moved at once, in words.
    pub what: String,
    pub customers: u64,
    /// What `[safety] at_once` allows.
    pub allowed: u64,
    /// Five of them.
    pub examples: Vec<CustomerId>,
}

impl Waits {
    pub(super) fn of(
        campaign: &Campaign,
        customers: u64,
        allowed: u64,
        examples: Vec<CustomerId>,
    ) -> Waits {
        Waits {
            campaign: campaign.id.clone(),
            what: campaign.who_moves(customers),
            customers,
            allowed,
            examples,
        }
    }
}

/// Campaigns whose edits may move many, as far as these were not counted by the present file.
pub(super) fn uncounted(rules: &Rules) -> Vec<CampaignId> {
    let controls = &rules.controls;
    let counted = |c: &Campaign| {
        (controls.moved.get(&c.id)).is_some_and(|known| known.goes_on == c.goes_on())
    };
    (rules.campaigns.iter())
        .filter(|(id, c)| {
            // Of a draft those who are under way go on all the same.
            let enters = c.state != CampaignState::Draft || c.entry.on_change == OnChange::Jump;
            c.may_move() && enters && !controls.cancelled.contains(*id) && !counted(c)
        })
        .map(|(id, _)| id.clone())
        .collect()
}

/// Forgets what was counted by other files than those in force: should they come back, it is counted anew.
pub(super) fn forget_former(rules: &Rules, controls: &mut Controls) {
    controls.moved.retain(|id, known| {
        (rules.campaigns.get(id)).is_none_or(|c| c.may_move() && known.goes_on == c.goes_on())
    });
}

/// Whom each of these campaigns would move.
pub(super) async fn count(
    store: &dyn Store,
    rules: &Rules,
    campaigns: &[CampaignId],
    now: Timestamp,
) -> Result<BTreeMap<CampaignId, Found>, BatchError> {
    let mut found: BTreeMap<CampaignId, Found> = BTreeMap::new();
    if campaigns.is_empty() {
        return Ok(found);
    }
    let mut pages = RecordPages::of(store);
    while let Some(records) = pages.next().await? {
        for campaign in campaigns.iter().filter_map(|id| rules.campaigns.get(id)) {
            let found = found.entry(campaign.id.clone()).or_default();
            for record in &records {
                found.look_at(record, campaign, rules, now);
            }
        }
    }
    Ok(found)
}

/// Writes down what was counted of a campaign; whether anybody goes on now.
pub(super) fn decide(
    controls: &mut Controls,
    campaign: &Campaign,
    found: &Found,
    allowed: u64,
) -> bool {
    let goes_on = campaign.goes_on();
    let waiting = (found.at_once > allowed).then_some(found.at_once);
    let known = Moved { goes_on, waiting };
    controls.moved.insert(campaign.id.clone(), known);
    found.behind + found.at_once > 0 && waiting.is_none()
}

/// Lets those go on who wait for it.
pub(super) fn approve(controls: &mut Controls, id: &CampaignId) {
    if let Some(known) = controls.moved.get_mut(id) {
        known.waiting = None;
    }
}

impl Core {
    /// Five of those whom the steps of a campaign would move at once.
    pub(super) async fn examples_moved(
        &self,
        campaign: &Campaign,
        rules: &Rules,
    ) -> Result<Vec<CustomerId>, Refused> {
        let now = self.clock.now();
        let mut found = Found::default();
        let mut pages = RecordPages::of(&*self.store);
        while found.examples.len() < EXAMPLES
            && let Some(records) = pages.next().await?
        {
            for record in &records {
                found.look_at(record, campaign, rules, now);
            }
        }
        Ok(found.examples)
    }
}
