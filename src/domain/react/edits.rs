//! Edits: what a change of a campaign's steps, or of its name, means for those who are under way.
//!
//! It is worked out when the record is brought up to date with the rules, so exactly once for each change and customer,
//! whatever touches the record first. A record names the steps by which its entries stand; texts are none of that.

use super::Life;
use super::journey::{pass_before, place, stand_by};
use crate::domain::campaign::{Campaign, OnChange, Otherwise};
use crate::domain::condition::{Condition, Named};
use crate::domain::id::{CampaignId, EntryKey, StepId};
use crate::domain::ledger::{LogRow, Reason, Status};
use crate::domain::policy::zone_of;
use crate::domain::record::{Entry, EntryState, MessageState, Standing};
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;

impl Life<'_> {
    /// Brings this customer's entries in `campaign` to its steps as they stand.
    pub(super) fn follow_edit(&mut self, id: &CampaignId, campaign: &Campaign) {
        let by_other_names = (self.record.campaigns.get(id))
            .is_some_and(|standing| is_only_renamed(standing, campaign, self.rules));
        self.rename_steps(id, campaign);
        let Some(standing) = self.record.campaigns.get_mut(id) else {
            return;
        };
        let edited = standing.journey != campaign.journey && !by_other_names;
        let former = standing.steps.clone();
        stand_by(standing, campaign);
        for (key, _) in self.open_entries(id) {
            match campaign.entry.on_change {
                _ if !edited => self.find_time(id, campaign, &key),
                OnChange::Exit => self.leave(id, &key, Reason::Edited, ""),
                on_change => self.find_place(id, campaign, &key, &former, on_change),
            }
        }
        self.have_appended(id, campaign);
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
    fn rename_steps(&mut self, id: &CampaignId, campaign: &Campaign) {
        for (old, new) in renames(campaign) {
            let mut rename = |step: &mut StepId| {
                if step == old {
                    *step = new.clone();
                }
            };
            if let Some(standing) = self.record.campaigns.get_mut(id) {
                standing.steps.iter_mut().for_each(&mut rename);
                for entry in &mut standing.entries {
                    entry.passed.iter_mut().for_each(&mut rename);
                    if let EntryState::Waiting { step, .. }
                    | EntryState::Sending { step, .. }
                    | EntryState::Elsewhere { step } = &mut entry.state
                    {
                        rename(step);
                    }
                }
            }
            for message in self
                .record
                .messages
                .values_mut()
                .filter(|m| m.campaign == *id)
            {
                rename(&mut message.step);
            }
            for sent in self.record.sent.iter_mut().filter(|m| m.campaign == *id) {
                rename(&mut sent.step);
            }
            for window in (self.record.goals.windows_mut()).filter(|w| w.campaign == *id) {
                rename(&mut window.step);
            }
        }
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

    fn take_over(&mut self, id: &CampaignId, from: Standing) {
        let Some(own) = self.record.campaigns.get_mut(id) else {
            self.record.campaigns.insert(id.clone(), from);
            return;
        };
        // Under the new name something began already: two of one key are not open at once.
        let now = self.now;
        own.entered += from.entered;
        own.met = own.met.max(from.met);
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

/// Whether the steps are those by which the entries stand, some of them under new ids, or asking about a campaign under its
/// new name: that is no change of the way.
fn is_only_renamed(standing: &Standing, campaign: &Campaign, rules: &Rules) -> bool {
    let steps: Vec<(&StepId, &StepId)> = renames(campaign)
        .filter(|(old, _)| standing.steps.contains(old))
        .collect();
    let files: Vec<(&CampaignId, &CampaignId)> = rules.renamed().collect();
    if standing.journey == campaign.journey || (steps.is_empty() && files.is_empty()) {
        return false;
    }
    let named = Named {
        segments: &rules.segments,
        tags: &rules.tags,
    };
    // A file that was renamed long ago still says so.
    [files.as_slice(), &[]].into_iter().any(|files| {
        let former = under_former_names(campaign, &steps, files);
        former.journey_hash(&named) == standing.journey
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

/// Former and present ids of steps, of those that the file has under the present one only.
fn renames(campaign: &Campaign) -> impl Iterator<Item = (&StepId, &StepId)> {
    (campaign.steps.iter())
        .filter_map(|s| Some((s.renamed_from.as_ref()?, &s.id)))
        .filter(|(old, _)| campaign.step(old).is_none())
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
