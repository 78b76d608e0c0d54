//! Edits under `on_change = "jump"` would take everybody who is under way to another place in the same instant. So they stay
//! where they are until it is known that not too many would be mailed at once ([`Controls::go_on`]): no step of theirs
//! falls due, what waits to be sent may go, an exit ends them. Then their place is worked out ([`super::edits`]).
//!
//! A record says of each entry by which steps it stands; that they are not the file's is all that there is to it. What has
//! begun since the edit stands by the file's, and goes on beside those.

use super::Life;
use super::appended::would_go_on;
use super::edits::{leave_behind, rename_in, renamed_steps};
use super::journey::{counts_from, falls_due, pass_before};
use super::ways::only_renamed;
use crate::domain::campaign::{Campaign, OnChange, Otherwise, Step};
use crate::domain::condition::{Condition, EntryFacts, Facts, evaluate};
use crate::domain::id::{CampaignId, EntryKey};
use crate::domain::policy::zone_of;
use crate::domain::record::{Entry, EntryState, MessageState, Record};
use crate::domain::rules::{Controls, Rules};
use crate::domain::time::Timestamp;

/// What the steps of a file mean for a customer who stands by earlier ones, or has finished.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moves {
    /// They are under way, and their place is to be worked out anew.
    pub behind: bool,
    /// They would be mailed for it at once, or have finished and would go on.
    pub at_once: bool,
}

/// What the steps of `campaign` mean for the customer of `record`, if those whom they move go on at `now`.
pub fn moves(record: &Record, campaign: &Campaign, rules: &Rules, now: Timestamp) -> Moves {
    let mut moves = Moves {
        behind: false,
        at_once: would_go_on(record, campaign, rules, now),
    };
    // Asked before the record was brought up to date, it may know the campaign by its former name.
    let former = || {
        campaign
            .renamed_from
            .as_ref()
            .and_then(|old| record.campaigns.get(old))
    };
    let Some(standing) = record.campaigns.get(&campaign.id).or_else(former) else {
        return moves;
    };
    let behind = |e: &Entry| jumps(e, campaign);
    if record.moved_to.is_some() || !standing.entries.iter().any(behind) {
        return moves;
    }
    let by_other_names = only_renamed(standing, campaign, rules);
    let mut standing = standing.clone();
    (standing.entries).retain(|e| behind(e) && !by_other_names.contains(&e.journey));
    moves.behind = !standing.entries.is_empty();
    for (old, new) in renamed_steps(campaign) {
        rename_in(&mut standing, old, new);
    }
    let mut entries = standing.entries.iter();
    moves.at_once |= entries.any(|entry| is_mailed(entry, record, campaign, rules, now));
    moves
}

/// Whether the entry is to jump to another place: it is under way by other steps than the file's. Of one by none, an
/// older version's, that is unknown.
fn jumps(entry: &Entry, campaign: &Campaign) -> bool {
    let other = entry.journey != campaign.journey && entry.journey != 0;
    campaign.entry.on_change == OnChange::Jump && other && entry.state.is_open()
}

/// Whether the entry stays where it is until the edit has been counted, or approved.
pub fn stays_put(entry: &Entry, campaign: &Campaign, controls: &Controls) -> bool {
    jumps(entry, campaign)
        && !controls.cancelled.contains(&campaign.id)
        && !controls.go_on(campaign)
}

/// Whether an entry that jumps is mailed for it, now or at the next such hour of the customer's clock.
fn is_mailed(
    entry: &Entry,
    record: &Record,
    campaign: &Campaign,
    rules: &Rules,
    now: Timestamp,
) -> bool {
    let (mut entry, was) = (entry.clone(), entry.state.clone());
    leave_behind(&mut entry, campaign, &[], OnChange::Jump);
    if let EntryState::Sending { step, message } = &was {
        let next = next_of(&entry, campaign).map(|s| &s.id);
        let waits =
            (record.messages.get(message)).is_some_and(|m| m.state == MessageState::Waiting);
        if next == Some(step) || !waits {
            return false;
        }
    }
    let zone = zone_of(record, rules);
    let holds = |condition: &Condition, entry: &Entry| {
        let facts = Facts::of(record, rules).for_exit(EntryFacts::of(entry, campaign));
        evaluate(condition, &facts, now).holds
    };
    while let Some(step) = next_of(&entry, campaign) {
        let comes = step.timing.until.as_ref().is_some_and(|c| holds(c, &entry));
        if counts_from(step, &entry) > now && !comes {
            return false;
        }
        let anyway = |due: Timestamp| due <= falls_due(step, &entry, now, zone).0;
        if matches!(&was, EntryState::Waiting { step: at, due } if *at == step.id && anyway(*due)) {
            return false;
        }
        let otherwise = match &step.only_if {
            Some(only_if) if !holds(only_if, &entry) => &step.otherwise,
            _ if step.act.is_none() => return true,
            _ => &Otherwise::Skip,
        };
        entry.pass(step.id.clone());
        entry.since = now;
        match otherwise {
            Otherwise::Skip => {}
            Otherwise::Exit => return false,
            Otherwise::GoTo(to) => pass_before(&mut entry, campaign, to),
        }
    }
    false
}

fn next_of<'c>(entry: &Entry, campaign: &'c Campaign) -> Option<&'c Step> {
    (campaign.steps.iter()).find(|s| !entry.passed.contains(&s.id))
}

impl Life<'_> {
    /// Whether the open entry under `key` stays where it is. It may leave all the same.
    pub(super) fn stays_put(&self, id: &CampaignId, campaign: &Campaign, key: &EntryKey) -> bool {
        let entries = self.record.campaigns.get(id).map(|s| s.entries.iter());
        let mut open = entries.into_iter().flatten().filter(|e| e.key == *key);
        open.any(|e| stays_put(e, campaign, &self.rules.controls))
    }

    /// Where entries that stayed were let since, their place is worked out now.
    pub(super) fn let_jump(&mut self, id: &CampaignId, campaign: &Campaign) {
        let controls = &self.rules.controls;
        let let_since = |e: &Entry| jumps(e, campaign) && !stays_put(e, campaign, controls);
        let standing = self.record.campaigns.get(id);
        if standing.is_some_and(|s| s.entries.iter().any(let_since)) {
            self.follow_edit(id, campaign);
        }
    }
}
