//! Campaigns that an event starts.
//!
//! They are started in their turn while all campaigns are judged ([`Life::settle`]), after those that they ask about: what
//! the event ends there keeps nobody out here, and what it starts there does.

use super::Life;
use crate::domain::about::About;
use crate::domain::campaign::{Campaign, Trigger};
use crate::domain::condition::{EntryFacts, Facts, evaluate};
use crate::domain::event::Event;
use crate::domain::id::{CampaignId, EntryKey};
use crate::domain::ledger::Reason;
use crate::domain::record::{Entry, EntryState};
use crate::domain::time::Timestamp;
use crate::domain::track::{TrackPlan, count_within, key_text};
use std::collections::{BTreeMap, BTreeSet};

/// What live events that came from another customer have started there: it does not start again.
pub(super) struct Elsewhere {
    /// Which entries were open here before.
    pub(super) open: BTreeSet<(CampaignId, EntryKey)>,
    /// All that began there.
    pub(super) entries: BTreeMap<CampaignId, Vec<Entry>>,
}

impl Elsewhere {
    /// Whether an event of this key and time has started an entry there, moved one, or come while one was open.
    fn has_started(&self, id: &CampaignId, key: &EntryKey, time: Timestamp) -> bool {
        let mut of_key = (self.entries.get(id).into_iter().flatten()).filter(|e| e.key == *key);
        let met = of_key.any(|e| match e.state {
            EntryState::Finished { at } | EntryState::Left { at } => time <= at,
            _ => true,
        });
        met && !self.open.contains(&(id.clone(), key.clone()))
    }
}

impl Life<'_> {
    /// The live events of this reaction start what they trigger of this campaign.
    pub(super) fn pull_triggers(
        &mut self,
        id: &CampaignId,
        campaign: &Campaign,
        trigger: &Trigger,
    ) {
        for n in 0..self.triggering.len() {
            self.pull_trigger(id, campaign, trigger, self.triggering[n]);
        }
    }

    fn pull_trigger(
        &mut self,
        id: &CampaignId,
        campaign: &Campaign,
        trigger: &Trigger,
        event: &Event,
    ) {
        let rules = self.rules;
        if !trigger.event.selects(event) {
            return;
        }
        let active = (rules.controls.activations.get(id)).is_some_and(|a| event.time >= a.at);
        let cancelled = rules.controls.cancelled.contains(id);
        if !active || cancelled || self.now.since(event.time) > trigger.fresh {
            return;
        }
        let per = trigger.per.as_deref();
        let key = per.and_then(|property| key_text(&event.properties, property));
        let key = EntryKey(key.unwrap_or_default());
        let elsewhere = self.elsewhere.as_ref();
        if elsewhere.is_some_and(|e| e.has_started(id, &key, event.time)) {
            return;
        }
        let about = About::of(&event.properties, campaign.compared());
        if self.restart(id, campaign, trigger.repeat, &key, (event.time, &about)) {
            return;
        }
        let facts = Facts::of(&self.record, rules).for_exit(EntryFacts {
            at: event.time,
            key: &key.0,
            trigger: Some(&event.name),
            about: &about,
        });
        let reached = trigger.count <= 1 || self.is_reached(trigger, event, &key);
        let welcome = campaign
            .audience
            .as_ref()
            .is_none_or(|a| evaluate(a, &facts, self.now).holds);
        if reached
            && welcome
            && self.enter(
                id,
                campaign,
                key.clone(),
                event.time,
                Reason::Trigger,
                event.name.to_string(),
            )
            && let Some(entry) = self.open_entry(id, &key)
        {
            entry.about = about;
        }
    }

    /// Whether `event` is one of as many as the trigger counts to, in its time: some stretch of that length, which ends
    /// at an event that is remembered and holds this one, has them all. Events may arrive late and in any order.
    fn is_reached(&self, trigger: &Trigger, event: &Event, key: &EntryKey) -> bool {
        let track = TrackPlan::trigger_track(trigger);
        let correlation = trigger.per.as_ref().map(|_| key.0.as_str());
        let tracks = &self.record.tracks;
        let ends = (tracks.get(track).into_iter())
            .flat_map(|t| t.instants().iter().map(|i| i.at))
            .filter(|end| {
                let begins = trigger.within.map(|within| *end - within);
                *end >= event.time && begins.is_none_or(|begins| event.time > begins)
            });
        let count = |end| count_within(tracks, track, correlation, trigger.within, end);
        (ends.chain([event.time])).any(|end| count(end) >= trigger.count)
    }
}
