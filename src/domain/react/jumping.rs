//! Edits under `on_change = "jump"` would take everybody who is under way to another place in the same instant. So they stay
//! where they are until it is known that not too many would be mailed at once ([`Controls::go_on`]): no step of theirs
//! falls due, what waits to be sent may go, an exit ends them. Then their place is worked out ([`super::edits`]).
//!
//! A record says by which steps its entries stand; that they are not the file's is all that there is to it.

use super::Life;
use super::appended::would_go_on;
use super::edits::{leave_behind, rename_in, renamed_steps};
use super::journey::{counts_from, falls_due, pass_before};
use crate::domain::campaign::{Campaign, OnChange, Otherwise, Step};
use crate::domain::condition::{Condition, EntryFacts, Facts, evaluate};
use crate::domain::id::CampaignId;
use crate::domain::policy::zone_of;
use crate::domain::record::{Entry, EntryState, MessageState, Record, Standing};
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
    if record.moved_to.is_some() || !jumps(standing, campaign) {
        return moves;
    }
    moves.behind = true;
    let mut standing = standing.clone();
    for (old, new) in renamed_steps(campaign) {
        rename_in(&mut standing, old, new);
    }
    let mut open = standing.entries.iter().filter(|e| e.state.is_open());
    moves.at_once |= open.any(|entry| is_mailed(entry, record, campaign, rules, now));
    moves
}

/// Whether the entries of a standing are to jump to another place.
fn jumps(standing: &Standing, campaign: &Campaign) -> bool {
    campaign.entry.on_change == OnChange::Jump && is_behind(standing, campaign)
}

/// Whether entries are under way by other steps than the file's; of those by none, an older version's, that is unknown.
pub(super) fn is_behind(standing: &Standing, campaign: &Campaign) -> bool {
    let other = standing.journey != campaign.journey && standing.journey != 0;
    other && standing.entries.iter().any(|e| e.state.is_open())
}

/// Whether the customer's entries stay where they are until the edit has been counted, or approved.
pub fn stays_put(record: &Record, campaign: &Campaign, controls: &Controls) -> bool {
    let standing = record.campaigns.get(&campaign.id);
    standing.is_some_and(|s| jumps(s, campaign))
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
    pub(super) fn stays_put(&self, campaign: &Campaign) -> bool {
        stays_put(&self.record, campaign, &self.rules.controls)
    }

    /// Those who stay where they are may leave all the same. True if the entries do stay; where they were let since,
    /// their place is worked out now.
    pub(super) fn keep_in_place(&mut self, id: &CampaignId, campaign: &Campaign) -> bool {
        let behind = (self.record.campaigns.get(id)).is_some_and(|s| is_behind(s, campaign));
        if !behind {
            return false;
        }
        if !self.stays_put(campaign) {
            self.follow_edit(id, campaign);
            return false;
        }
        for (key, _) in self.open_entries(id) {
            self.stays(id, campaign, &key);
        }
        true
    }
}
