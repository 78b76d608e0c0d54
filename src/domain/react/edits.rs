//! Edits: what a change of a campaign's steps, or of its name, means for those who are under way.
//!
//! It is worked out when the record is brought up to date with the rules, so exactly once for each change and customer,
//! whatever touches the record first; and when an entry comes from another customer, who may have stood by an older file. A
//! record names the steps by which each entry stands; texts are none of that.

use super::Life;
use super::journey::{pass_before, place};
use super::jumping::stays_put;
use super::ways::{only_renamed, take_ways};
use crate::domain::campaign::{Campaign, OnChange};
use crate::domain::id::{CampaignId, EntryKey, StepId};
use crate::domain::ledger::{LogRow, Reason, Status};
use crate::domain::policy::zone_of;
use crate::domain::record::{Entry, EntryState, MessageState, Standing};
use crate::domain::time::Timestamp;
use crate::domain::way::Way;
use std::collections::BTreeMap;

impl Life<'_> {
    /// Brings this customer's entries in `campaign` to its steps as they stand; save those that may not jump yet.
    pub(super) fn follow_edit(&mut self, id: &CampaignId, campaign: &Campaign) {
        let Some(standing) = self.record.campaigns.get(id) else {
            return self.rename_steps(id, campaign);
        };
        let by_other_names = only_renamed(standing, campaign, self.rules);
        match names_by_place(standing, campaign, &by_other_names) {
            Some(names) => self.rename_all(id, &names),
            None => {
                self.rename_steps(id, campaign);
                self.rename_by_place(id, campaign, &by_other_names);
            }
        }
        for (key, _) in self.open_entries(id) {
            self.follow(id, campaign, &key, &by_other_names);
        }
        self.have_appended(id, campaign);
    }

    /// Brings one entry to the steps as they stand.
    fn follow(
        &mut self,
        id: &CampaignId,
        campaign: &Campaign,
        key: &EntryKey,
        by_other_names: &[u64],
    ) {
        let rules = self.rules;
        let Some(entry) = self.open_entry(id, key) else {
            return;
        };
        let edited = entry.journey != campaign.journey && !by_other_names.contains(&entry.journey);
        if edited && stays_put(entry, campaign, &rules.controls) {
            return;
        }
        let former = self.stand_by(id, campaign, key);
        match campaign.entry.on_change {
            _ if !edited => self.find_time(id, campaign, key),
            OnChange::Exit => self.leave(id, key, Reason::Edited, ""),
            on_change => self.find_place(id, campaign, key, &former, on_change),
        }
    }

    /// The file was away when the step before was settled: only now is it known when this one falls due.
    fn find_time(&mut self, id: &CampaignId, campaign: &Campaign, key: &EntryKey) {
        let (now, zone) = (self.now, zone_of(&self.record, self.rules));
        if let Some(entry) = self.open_entry(id, key)
            && matches!(entry.state, EntryState::Waiting { due, .. } if due == Timestamp::NEVER)
        {
            place(entry, Some(campaign), now, zone);
        }
    }

    fn find_place(
        &mut self,
        id: &CampaignId,
        campaign: &Campaign,
        key: &EntryKey,
        former: &[StepId],
        on_change: OnChange,
    ) {
        let (now, zone) = (self.now, zone_of(&self.record, self.rules));
        let Some(entry) = self.open_entry(id, key) else {
            return;
        };
        let (before, was_at) = (entry.state.clone(), entry.state.step().cloned());
        let gone = was_at.filter(|s| campaign.step(s).is_none());
        leave_behind(entry, campaign, former, on_change);
        let next = (campaign.steps.iter()).find(|s| !entry.passed.contains(&s.id));
        let stays = next.is_some_and(|s| Some(&s.id) == before.step());
        if let Some(step) = &gone {
            let row = LogRow {
                step: Some(step.clone()),
                ..self.row(id, key, Status::Skipped, Reason::StepGone, "")
            };
            self.log.push(row);
        }
        if let EntryState::Sending { message, .. } = &before {
            let waits = (self.record.messages.get(message))
                .is_some_and(|m| m.state == MessageState::Waiting);
            // What was attempted comes to its end; then the first step that is not behind is next.
            if stays || !waits {
                return;
            }
            if let Some(m) = self.record.messages.remove(message) {
                let reason = match gone {
                    Some(_) => Reason::StepGone,
                    None => Reason::Edited,
                };
                self.log_message(&m, Status::Dropped, reason, "");
                self.settle_coupon(&m, false);
            }
        }
        let Some(entry) = self.open_entry(id, key) else {
            return;
        };
        let unknown = matches!(before, EntryState::Waiting { due, .. } if due == Timestamp::NEVER);
        if stays && on_change == OnChange::Finish && !unknown {
            return;
        }
        place(entry, Some(campaign), now, zone);
        let after = entry.state.clone();
        self.forget_old_entries(id);
        if let EntryState::Waiting { step, due } = &after
            && after != before
        {
            let row = LogRow {
                step: Some(step.clone()),
                ..self.row(
                    id,
                    key,
                    Status::Waiting,
                    Reason::Edited,
                    format!("due {due}"),
                )
            };
            self.log.push(row);
        }
    }

    /// Steps that the file says were called otherwise before are known by their new ids from now on.
    pub(super) fn rename_steps(&mut self, id: &CampaignId, campaign: &Campaign) {
        for (old, new) in renamed_steps(campaign) {
            self.rename_step(id, old, new);
        }
    }

    /// Where names are all that differs, each step is known by the id that stands in its place: an edit under which steps
    /// were renamed, and which somebody did not follow yet, may have been taken back.
    fn rename_by_place(&mut self, id: &CampaignId, campaign: &Campaign, by_other_names: &[u64]) {
        let Some(standing) = self.record.campaigns.get(id) else {
            return;
        };
        let same = |way: &&Way| {
            let journey = way.journey == campaign.journey || by_other_names.contains(&way.journey);
            journey && way.steps.len() == campaign.steps.len()
        };
        let ids = || campaign.steps.iter().map(|s| s.id.clone());
        let other: Vec<(StepId, StepId)> = (standing.ways.iter().filter(same))
            .flat_map(|way| way.steps.iter().cloned().zip(ids()))
            .filter(|(known, step)| known != step && campaign.step(known).is_none())
            .collect();
        for (known, step) in other {
            self.rename_step(id, &known, &step);
        }
    }

    fn rename_step(&mut self, id: &CampaignId, old: &StepId, new: &StepId) {
        self.rename_all(id, &BTreeMap::from([(old.clone(), new.clone())]));
    }

    /// All at once: a new name may be another step's former one.
    fn rename_all(&mut self, id: &CampaignId, names: &BTreeMap<StepId, StepId>) {
        let rename = |step: &mut StepId| {
            if let Some(new) = names.get(step) {
                step.clone_from(new);
            }
        };
        if let Some(standing) = self.record.campaigns.get_mut(id) {
            (standing.ways.iter_mut().flat_map(|w| &mut w.steps)).for_each(rename);
            for entry in &mut standing.entries {
                each_step(entry, rename);
            }
        }
        let messages = self.record.messages.values_mut();
        (messages.filter(|m| m.campaign == *id)).for_each(|m| rename(&mut m.step));
        let sent = self.record.sent.iter_mut();
        (sent.filter(|m| m.campaign == *id)).for_each(|m| rename(&mut m.step));
        let windows = self.record.goals.windows_mut();
        (windows.filter(|w| w.campaign == *id)).for_each(|w| rename(&mut w.step));
    }

    /// Campaigns whose files bear another name now: all that the record knows of them goes on under the new one.
    pub(super) fn rename_campaigns(&mut self) {
        let rules = self.rules;
        for (old, new) in rules.renamed() {
            if let Some(standing) = self.record.campaigns.remove(old) {
                self.take_over(new, standing);
            }
            for message in self.record.messages.values_mut() {
                if message.campaign == *old {
                    message.campaign = new.clone();
                }
            }
            for sent in self.record.sent.iter_mut() {
                if sent.campaign == *old {
                    sent.campaign = new.clone();
                }
            }
            for window in (self.record.goals.windows_mut()).filter(|w| w.campaign == *old) {
                window.campaign = new.clone();
            }
            let places = self.boxes.values_mut().flat_map(|b| &mut b.places);
            for place in places.filter(|place| place.campaign == *old) {
                place.campaign = new.clone();
            }
        }
    }

    fn take_over(&mut self, id: &CampaignId, mut from: Standing) {
        let Some(own) = self.record.campaigns.get_mut(id) else {
            self.record.campaigns.insert(id.clone(), from);
            return;
        };
        // Under the new name something began already: two of one key are not open at once.
        let now = self.now;
        own.entered += from.entered;
        own.met = own.met.max(from.met);
        take_ways(own, &from.ways, &mut from.entries);
        for mut entry in from.entries {
            let open = |e: &Entry| e.key == entry.key && e.state.is_open();
            if entry.state.is_open() && own.entries.iter().any(open) {
                entry.end(EntryState::Left { at: now });
            }
            own.entries.push(entry);
        }
        own.entries.sort_by_key(|e| e.at);
        self.forget_old_entries(id);
    }
}

/// Steps that were called otherwise before: by that id, and by the present one.
pub(super) fn renamed_steps(campaign: &Campaign) -> impl Iterator<Item = (&StepId, &StepId)> {
    (campaign.steps.iter())
        .filter_map(|s| Some((s.renamed_from.as_ref()?, &s.id)))
        .filter(|(old, _)| campaign.step(old).is_none())
}

pub(super) fn rename_in(standing: &mut Standing, old: &StepId, new: &StepId) {
    let steps = standing.ways.iter_mut().flat_map(|w| &mut w.steps);
    steps.filter(|s| *s == old).for_each(|s| *s = new.clone());
    for entry in &mut standing.entries {
        rename_of(entry, old, new);
    }
}

pub(super) fn rename_of(entry: &mut Entry, old: &StepId, new: &StepId) {
    each_step(entry, |step| {
        if step == old {
            step.clone_from(new);
        }
    });
}

fn each_step(entry: &mut Entry, mut rename: impl FnMut(&mut StepId)) {
    entry.passed.iter_mut().for_each(&mut rename);
    if let EntryState::Waiting { step, .. }
    | EntryState::Sending { step, .. }
    | EntryState::Elsewhere { step } = &mut entry.state
    {
        rename(step);
    }
}

/// What each known id is called now, where all entries stand by the file's steps under other names: by its place; of steps
/// that are no more in any way, as the file says.
fn names_by_place(
    standing: &Standing,
    campaign: &Campaign,
    by_other_names: &[u64],
) -> Option<BTreeMap<StepId, StepId>> {
    let mut names = BTreeMap::new();
    for way in &standing.ways {
        let same = by_other_names.contains(&way.journey) || way.journey == campaign.journey;
        if !same || way.steps.len() != campaign.steps.len() {
            return None;
        }
        for (known, step) in way.steps.iter().zip(&campaign.steps) {
            // By two places it is unknown which is meant.
            if *names.entry(known.clone()).or_insert(step.id.clone()) != step.id {
                return None;
            }
        }
    }
    for (old, new) in renamed_steps(campaign) {
        names.entry(old.clone()).or_insert(new.clone());
    }
    Some(names)
}

/// Writes down what is behind an entry by the new order: under `finish` all that stands before its place, which is the
/// next of the former order where its own step is gone.
pub(super) fn leave_behind(
    entry: &mut Entry,
    campaign: &Campaign,
    former: &[StepId],
    on_change: OnChange,
) {
    let Some(at) = entry.state.step().cloned() else {
        return;
    };
    let gone = campaign.step(&at).is_none();
    if gone {
        entry.pass(at.clone());
    }
    if on_change == OnChange::Jump {
        return;
    }
    let behind = former
        .iter()
        .position(|s| *s == at)
        .map_or(former.len(), |n| n + 1);
    let stands = |s: &&StepId| campaign.step(s).is_some() && !entry.passed.contains(s);
    let place = match gone {
        false => Some(at),
        true => former[behind..].iter().find(stands).cloned(),
    };
    match place {
        Some(place) => pass_before(entry, campaign, &place),
        None => (campaign.steps.iter()).for_each(|s| entry.pass(s.id.clone())),
    }
}
