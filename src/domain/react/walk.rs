//! Bringing a record up to date with the rules: its tracks are rebuilt if the plan of tracks changed, and for each new or
//! edited campaign the audience's answer is set without entering anybody.

use super::places::takes_place;
use super::{Life, NeedsHistory};
use crate::domain::about::About;
use crate::domain::campaign::{Campaign, CampaignState, Existing, Start};
use crate::domain::condition::{Facts, evaluate};
use crate::domain::event::Event;
use crate::domain::id::{CampaignId, EntryKey};
use crate::domain::record::{Entry, EntryState, MessageState, Record};
use crate::domain::time::Timestamp;
use crate::domain::track::Tracks;
use crate::domain::value::Value;

impl Life<'_> {
    pub(super) fn bring_up_to_date(
        &mut self,
        history: Option<&[Event]>,
    ) -> Result<(), NeedsHistory> {
        let plan = self.rules.plan.fingerprint();
        let first_sight = self.record.rules == 0;
        if self.record.plan != plan {
            // Whoever moved has no events any more, save to judge what stayed behind.
            let bare = self.record.moved_to.is_some() && self.record.messages.is_empty();
            if !first_sight && !bare {
                let history = history.ok_or(NeedsHistory)?;
                self.record.tracks = Tracks::rebuild(&self.rules.plan, history.iter());
            }
            self.record.plan = plan;
        }
        self.record.rules = self.rules.version;
        let walked = std::mem::replace(&mut self.record.walked, self.now);
        let rules = self.rules;
        self.rename_campaigns();
        self.record.coupons = self.by_present_names(&self.record.coupons);
        for (id, standing) in &mut self.record.campaigns {
            if !rules.campaigns.contains_key(id) {
                standing.due = None;
            }
        }
        let moved = self.record.moved_to.is_some();
        for (id, campaign) in rules.campaigns.iter().filter(|_| !moved) {
            self.judge_at_start(id, campaign, walked, first_sight);
        }
        // Of whoever moved only what is under way stands here; its place is told to the other when it is settled.
        for (id, campaign) in &rules.campaigns {
            self.follow_edit(id, campaign);
        }
        // What policy answered by the old rules is asked again.
        self.unpark();
        self.ask_again();
        // A template may have been mended.
        self.unblock();
        Ok(())
    }

    /// For a campaign that this record was not judged by yet: sets the audience's answer, and what becomes of those who
    /// hold already.
    fn judge_at_start(
        &mut self,
        id: &CampaignId,
        campaign: &Campaign,
        walked: Timestamp,
        first_sight: bool,
    ) {
        let rules = self.rules;
        let by_audience = matches!(campaign.start, Start::Scheduled(_) | Start::Audience);
        if !by_audience || !self.admits(campaign.state) {
            if let Some(standing) = self.record.campaigns.get_mut(id) {
                standing.judged_by = 0;
                standing.due = None;
            }
            return;
        }
        let standing = self.record.campaigns.get(id);
        // A customer without a row never held; one walked after the activation was judged by this audience. At the very
        // same instant it may have been walked by the rules before it.
        let judged = match standing {
            Some(s) => s.judged_by == campaign.audience_hash,
            None => (rules.controls.activations.get(id)).is_some_and(|a| {
                a.audience_hash == campaign.audience_hash && walked > a.at && !first_sight
            }),
        };
        if judged || first_sight {
            return;
        }
        // After an edit, those who held by the old file are where they were, save those who still wait to be entered;
        // the others are "existing".
        let was_inside = standing.is_some_and(|s| s.judged_by != 0 && s.held && !s.existing);
        let holds = campaign.audience.as_ref().is_none_or(|audience| {
            evaluate(audience, &Facts::of(&self.record, rules), self.now).holds
        });
        if !holds && standing.is_none() {
            return;
        }
        let standing = self.record.campaigns.entry(id.clone()).or_default();
        standing.judged_by = campaign.audience_hash;
        standing.held = holds;
        standing.existing = false;
        if holds && !was_inside && self.is_in_share(campaign) {
            self.existing.push(id.clone());
            self.hold_at_start(id, campaign.entry.existing);
        }
    }

    /// The audience holds as the campaign starts: the customer waits to be entered, or counts as entered now.
    pub(super) fn hold_at_start(&mut self, id: &CampaignId, existing: Existing) {
        let standing = self.record.campaigns.entry(id.clone()).or_default();
        match existing {
            Existing::Enter | Existing::Pace { .. } => standing.existing = true,
            Existing::Skip => {
                standing.left_since_entry = false;
                standing.entered += 1;
                standing.entries.push(Entry {
                    key: EntryKey::default(),
                    at: self.now,
                    state: EntryState::Finished { at: self.now },
                    counted: true,
                    since: self.now,
                    passed: Vec::new(),
                    clock: None,
                    drawn: None,
                    about: About::default(),
                    journey: 0,
                });
                self.forget_old_entries(id);
            }
        }
    }

    /// Whether a campaign in this state may enter this customer at all.
    pub(super) fn admits(&self, state: CampaignState) -> bool {
        admits(&self.record, state)
    }

    /// Waiting messages that policy put off are asked again now: something that it rests on has changed. What takes
    /// no place is never put off by policy: what it waits for is the relay.
    pub(super) fn ask_again(&mut self) {
        for message in self.record.messages.values_mut() {
            let by_policy = takes_place(message, self.rules);
            if by_policy && message.state == MessageState::Waiting {
                message.not_before = message.not_before.min(message.due.max(self.now));
            }
        }
    }
}

pub(super) fn admits(record: &Record, state: CampaignState) -> bool {
    match state {
        CampaignState::Draft => false,
        CampaignState::Test => record.attributes.get("test") == Some(&Value::Bool(true)),
        CampaignState::Live => true,
    }
}
