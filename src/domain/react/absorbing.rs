//! The target's side of a merge: what the source had is taken in as if it had been the target's all along.
//!
//! Where both sides say something, the target's own word stands for attributes and preferences; of consents the newest
//! stands, as of words told out of order. Audiences are judged afresh. What started at the source does not start again;
//! what only both together amount to (a third order, a cart that nobody could be reminded of) starts now.

use super::enrollment::may_enter;
use super::triggers::Elsewhere;
use super::ways::take_ways;
use super::{Life, NeedsHistory};
use crate::domain::address::EmailAddress;
use crate::domain::campaign::Again;
use crate::domain::cause::{ConsentChange, Liveness};
use crate::domain::consent_ledger::Origin;
use crate::domain::engagement::SentMessage;
use crate::domain::event::Event;
use crate::domain::id::{CampaignId, EntryKey, TopicId};
use crate::domain::ledger::{Reason, Status};
use crate::domain::posted::Absorb;
use crate::domain::preference::{Consent, Preferences};
use crate::domain::record::{Entry, EntryState, Standing};
use crate::domain::track::Tracks;
use crate::domain::way::Way;
use std::collections::{BTreeMap, BTreeSet};

impl<'a> Life<'a> {
    pub(super) fn absorb(
        &mut self,
        from: &'a Absorb,
        history: Option<&[Event]>,
        liveness: Liveness,
    ) -> Result<(), NeedsHistory> {
        self.absorb_events(from, history)?;
        let own = &mut self.record;
        own.absorbed.push(from.source);
        own.absorbed.extend(&from.earlier);
        own.known_since = own.known_since.min(from.known_since);
        // What the own word has taken back stays so: `told` knows of it, and the value is gone.
        let spoken: BTreeSet<String> = own.told.keys().cloned().collect();
        let silent = |name: &str| !spoken.contains(name);
        for (name, value) in from.attributes.iter().filter(|(name, _)| silent(name)) {
            let told = own.attributes.entry(name.clone());
            told.or_insert_with(|| value.clone());
        }
        let tags = from.tags.iter().filter(|tag| silent(&format!("tag:{tag}")));
        own.tags.extend(tags.cloned());
        fill(&mut own.preferences, &from.preferences, silent);
        if let (None, Some(email)) = (&own.email, &from.email) {
            self.move_to(email);
            self.ask_at_new_address(liveness);
        }
        // With each value goes of when it is, or a late delivery would overwrite it. Where only history spoke here, its
        // value stands, and a word told live over there is no word on it.
        self.absorb_told(from);
        for (topic, consent) in &from.consents {
            self.take_consent(&told(topic, consent), Liveness::History);
        }
        let mailbox = |email: &Option<EmailAddress>| email.as_ref().map(|e| e.mailbox());
        let same = mailbox(&self.record.email) == mailbox(&from.email);
        for (topic, pending) in &from.pending {
            self.absorb_pending(topic, pending, same, liveness);
        }
        self.record.hours.take_over(&from.hours);
        self.absorb_left_by(&from.left_by);
        for sent in &from.sent {
            self.take_over_sent(sent);
        }
        let rules = self.rules;
        (self.record.goals).take_over(&from.goals, |id| rules.present_name(id));
        for (event, _) in &from.events {
            self.note_answer(event);
            self.note_goals(event);
        }
        let open = (self.record.campaigns.iter())
            .flat_map(|(id, s)| s.entries.iter().map(move |e| (id, e)))
            .filter(|(_, e)| e.state.is_open())
            .map(|(id, e)| (id.clone(), e.key.clone()))
            .collect();
        for (id, standing) in &from.standings {
            self.absorb_standing(rules.present_name(id), standing);
        }
        // The letter may be older than the files.
        for (id, campaign) in &rules.campaigns {
            self.rename_steps(id, campaign);
        }
        let live = (from.events.iter()).filter(|(_, l)| *l == Liveness::Live);
        self.triggering.extend(live.map(|(event, _)| event));
        if !self.triggering.is_empty() {
            let mut entries: BTreeMap<CampaignId, Vec<Entry>> = BTreeMap::new();
            for (id, standing) in &from.standings {
                let of = entries.entry(rules.present_name(id).clone()).or_default();
                of.extend(standing.entries.iter().cloned());
            }
            self.elsewhere = Some(Elsewhere { open, entries });
        }
        self.unblock();
        self.ask_again();
        Ok(())
    }
}

impl Life<'_> {
    fn absorb_told(&mut self, from: &Absorb) {
        let own = &mut self.record;
        for (name, at) in &from.told {
            let same = match name.strip_prefix("tag:") {
                Some(_) => true,
                None if name == "email" => own.email == from.email,
                None => own.attributes.get(name) == from.attributes.get(name),
            };
            if same {
                own.told.entry(name.clone()).or_insert(*at);
            }
        }
    }

    fn absorb_events(
        &mut self,
        from: &Absorb,
        history: Option<&[Event]>,
    ) -> Result<(), NeedsHistory> {
        let plan = &self.rules.plan;
        let mut tracks = self.record.tracks.clone();
        let events = || from.events.iter().map(|(event, _)| event);
        let placed = events().all(|event| tracks.absorb(plan, event).is_ok());
        if !placed {
            let history = history.ok_or(NeedsHistory)?;
            tracks = Tracks::rebuild(plan, history.iter().chain(events()));
        }
        self.record.tracks = tracks;
        Ok(())
    }

    fn absorb_standing(&mut self, id: &CampaignId, from: &Standing) {
        let rules = self.rules;
        let campaign = rules.campaigns.get(id);
        for key in self.overtaken(id, from) {
            self.leave(id, &key, Reason::Merged, "");
        }
        let known = self.record.campaigns.get(id);
        let was_inside = known.is_some_and(|s| !s.entries.is_empty());
        // Judged by what the target had: at the source each was let in already.
        let mut taken = from.entries.clone();
        for entry in &mut taken {
            let goes_on = match campaign {
                Some(campaign) => may_enter(known, campaign, &entry.key, self.now).0,
                // Its file is gone for now; what keeps two of one key apart holds all the same.
                None => known.is_none_or(|s| {
                    (s.entries.iter()).all(|e| e.key != entry.key || !e.state.is_open())
                }),
            };
            if entry.state.is_open() && !goes_on {
                entry.end(EntryState::Left { at: self.now });
            }
        }
        let standing = self.record.campaigns.entry(id.clone()).or_default();
        take_ways(standing, &from.ways, &mut taken);
        // Held by the same audience on the other side: it does not begin to hold.
        if campaign.is_some_and(|c| from.judged_by == c.audience_hash) && from.held {
            standing.judged_by = from.judged_by;
            standing.existing = from.existing && (standing.existing || !standing.held);
            standing.held = true;
        }
        standing.left_since_entry = match was_inside {
            true => standing.left_since_entry && (from.left_since_entry || from.entries.is_empty()),
            false => from.left_since_entry,
        };
        standing.met = standing.met.max(from.met);
        standing.entered += from.entered;
        standing.entries.extend(taken.iter().cloned());
        standing.entries.sort_by_key(|e| e.at);
        for entry in taken.iter().filter(|e| e.state.is_open()) {
            let row = self.row(id, &entry.key, Status::Entered, Reason::Merged, "");
            self.log.push(row);
        }
        self.bring_in(id);
    }

    /// What has come in goes by the file as it stands, or stays where it is, as it would have here all along.
    fn bring_in(&mut self, id: &CampaignId) {
        while self.leave_the_oldest(id) {}
        self.forget_old_entries(id);
        if let Some(campaign) = self.rules.campaigns.get(id) {
            self.follow_edit(id, campaign);
        }
    }

    /// Open entries of which nothing was sent, and which `again` would not have let in after what was sent at the source:
    /// one cart is reminded of once.
    fn overtaken(&self, id: &CampaignId, from: &Standing) -> Vec<EntryKey> {
        let own = self.record.campaigns.get(id);
        let again = self.rules.campaigns.get(id).map(|c| &c.entry.again);
        let bars = |sent: &Entry, own: &Entry| match again {
            Some(Again::Never) | None => true,
            Some(Again::After(span)) => own.at < sent.at + *span,
            Some(Again::Always | Again::AfterLeaving) => false,
        };
        (own.into_iter().flat_map(|s| &s.entries))
            .filter(|e| e.state.is_open() && !e.counted)
            .filter(|e| {
                let sent = from.entries.iter().filter(|s| s.counted && s.key == e.key);
                sent.into_iter().any(|s| bars(s, e))
            })
            .map(|e| e.key.clone())
            .collect()
    }

    /// What is known of a message that the source got, under its campaign's present name.
    pub(super) fn take_over_sent(&mut self, sent: &SentMessage) {
        let mut sent = sent.clone();
        sent.campaign = self.rules.present_name(&sent.campaign).clone();
        self.record.sent.take_over(sent);
    }

    /// An entry that stayed at the source until its message was settled.
    pub(super) fn absorb_entry(&mut self, id: &CampaignId, from: &Entry, way: &[Way]) {
        let id = self.rules.present_name(id);
        let standing = self.record.campaigns.entry(id.clone()).or_default();
        let mut entry = from.clone();
        take_ways(standing, way, std::slice::from_mut(&mut entry));
        let told = (standing.entries.iter())
            .position(|e| e.key == entry.key && e.at == entry.at && !e.state.is_open());
        let counted = told.is_some_and(|n| standing.entries[n].counted);
        if entry.counted && !counted {
            standing.entered += 1;
        } else if counted && !entry.counted {
            standing.entered = standing.entered.saturating_sub(1);
        }
        let other = (standing.entries.iter()).any(|e| e.key == entry.key && e.state.is_open());
        if entry.state.is_open() && other {
            entry.end(EntryState::Left { at: self.now });
        }
        let goes_on = entry.state.is_open();
        let key = entry.key.clone();
        match told {
            Some(n) => standing.entries[n] = entry,
            None => standing.entries.push(entry),
        }
        if goes_on {
            let row = self.row(id, &key, Status::Entered, Reason::Merged, "");
            self.log.push(row);
        }
        self.bring_in(id);
    }
}

/// A consent as it was told.
fn told(topic: &Option<TopicId>, consent: &Consent) -> ConsentChange {
    ConsentChange {
        topic: topic.clone(),
        state: consent.state,
        at: consent.at,
        source: consent.source.clone(),
        wording: consent.wording.clone(),
        // The ledger of the source says where it came from.
        origin: Origin::default(),
    }
}

/// What the customer has not said is taken from the other side.
fn fill(own: &mut Preferences, from: &Preferences, silent: impl Fn(&str) -> bool) {
    macro_rules! fill {
        ($($name:ident),*) => {$(
            if own.$name.is_none() && silent(stringify!($name)) {
                own.$name.clone_from(&from.$name);
            }
        )*};
    }
    fill!(timezone, locale, window, caps, gap, format);
    // A break that is over says nothing against one that both are to keep.
    if own.pause_until.is_some() || silent("pause_until") {
        own.pause_until = own.pause_until.max(from.pause_until);
    }
}
