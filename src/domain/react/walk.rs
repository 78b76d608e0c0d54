//! Bringing a record up to date with the rules: its tracks are rebuilt if the plan of tracks changed, and for each new or
//! edited campaign the audience's answer is set without entering anybody.

use super::{Life, NeedsHistory};
use crate::domain::campaign::{CampaignState, Existing, Start};
use crate::domain::condition::{Facts, evaluate};
use crate::domain::event::Event;
use crate::domain::id::EntryKey;
use crate::domain::record::{Entry, EntryState, MessageState};
use crate::domain::track::Tracks;

impl Life<'_> {
    pub(super) fn bring_up_to_date(
        &mut self,
        history: Option<&[Event]>,
    ) -> Result<(), NeedsHistory> {
        let plan = self.rules.plan.fingerprint();
        let first_sight = self.record.rules == 0;
        if self.record.plan != plan {
            if !first_sight {
                let history = history.ok_or(NeedsHistory)?;
                self.record.tracks = Tracks::rebuild(&self.rules.plan, history.iter());
            }
            self.record.plan = plan;
        }
        self.record.rules = self.rules.version;
        let walked = std::mem::replace(&mut self.record.walked, self.now);
        let rules = self.rules;
        for (id, campaign) in &rules.campaigns {
            let enters_by_audience =
                matches!(campaign.start, Start::Scheduled(_) | Start::Audience);
            if !enters_by_audience || !self.admits(campaign.state) {
                if let Some(standing) = self.record.campaigns.get_mut(id) {
                    standing.judged_by = 0;
                    standing.due = None;
                }
                continue;
            }
            let standing = self.record.campaigns.get(id);
            // A customer without a row never held; one walked since the activation was judged by this audience.
            let judged = match standing {
                Some(s) => s.judged_by == campaign.audience_hash,
                None => (rules.controls.activations.get(id)).is_some_and(|a| {
                    a.audience_hash == campaign.audience_hash && walked >= a.at && !first_sight
                }),
            };
            if judged {
                continue;
            }
            // After an edit, those who held by the old file are where they were; the others are "existing".
            let held_before = standing.is_some_and(|s| s.judged_by != 0 && s.held);
            let holds = campaign.audience.as_ref().is_none_or(|audience| {
                evaluate(audience, &Facts::of(&self.record, rules), self.now).holds
            });
            let now = self.now;
            if first_sight || (!holds && standing.is_none()) {
                continue;
            }
            let standing = self.record.campaigns.entry(id.clone()).or_default();
            standing.judged_by = campaign.audience_hash;
            standing.held = holds;
            standing.existing = false;
            if holds && !held_before {
                self.existing.push(id.clone());
                match campaign.entry.existing {
                    Existing::Enter | Existing::Pace { .. } => standing.existing = true,
                    Existing::Skip => {
                        // They count as entered now.
                        standing.left_since_entry = false;
                        standing.entered += 1;
                        standing.entries.push(Entry {
                            key: EntryKey::default(),
                            at: now,
                            state: EntryState::Finished { at: now },
                            counted: true,
                        });
                    }
                }
            }
        }
        // What policy answered by the old rules is asked again.
        self.ask_again();
        Ok(())
    }

    /// Whether a campaign in this state may enter this customer at all.
    pub(super) fn admits(&self, state: CampaignState) -> bool {
        match state {
            CampaignState::Draft => false,
            CampaignState::Test => self
                .record
                .attributes
                .get("test")
                .is_some_and(|v| matches!(v, crate::domain::value::Value::Bool(true))),
            CampaignState::Live => true,
        }
    }

    /// Waiting messages that policy put off are asked again now: something that it rests on has changed.
    pub(super) fn ask_again(&mut self) {
        for message in self.record.messages.values_mut() {
            if message.state == MessageState::Waiting {
                message.not_before = message.not_before.min(message.due.max(self.now));
            }
        }
    }
}
