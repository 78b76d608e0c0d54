//! Entries: who enters a campaign, and who leaves. The way through it is [`super::journey`]'s.

use super::Life;
use super::journey::place;
use super::kept_out::kept_out;
use crate::domain::about::About;
use crate::domain::campaign::{Again, Campaign, Otherwise, Repeat};
use crate::domain::condition::{Condition, EntryFacts, Facts, Verdict, evaluate};
use crate::domain::id::{CampaignId, EntryKey, MessageNo};
use crate::domain::ledger::{Reason, Status};
use crate::domain::policy::zone_of;
use crate::domain::record::{Entry, EntryState, MessageState, Record, Standing};
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;

/// At most so many entries of one customer in one campaign are open; the oldest goes.
const MOST_OPEN: usize = 20;
/// So many entries that are over are remembered for `again`.
const REMEMBERED: usize = 200;

/// Whether a customer may enter again under `key`, and when that answer changes by itself.
pub(super) fn may_enter(
    standing: Option<&Standing>,
    campaign: &Campaign,
    key: &EntryKey,
    now: Timestamp,
) -> (bool, Option<Timestamp>) {
    let Some(standing) = standing else {
        return (true, None);
    };
    let spent = campaign
        .entry
        .at_most
        .is_some_and(|most| standing.entered >= most);
    let of_key = || standing.entries.iter().filter(|e| e.key == *key);
    if spent || of_key().any(|e| e.state.is_under_way()) {
        return (false, None);
    }
    let Some(last) = of_key().filter(|e| e.counted).map(|e| e.at).max() else {
        return (true, None);
    };
    match campaign.entry.again {
        Again::Never => (false, None),
        Again::Always => (true, None),
        Again::AfterLeaving => (standing.left_since_entry, None),
        Again::After(span) if now >= last + span => (true, None),
        Again::After(span) => (false, Some(last + span)),
    }
}

impl Life<'_> {
    /// The same event again, for an entry that is open: moves it if nothing of it was sent. True if one is open.
    pub(super) fn restart(
        &mut self,
        id: &CampaignId,
        campaign: &Campaign,
        repeat: Repeat,
        key: &EntryKey,
        (at, about): (Timestamp, &About),
    ) -> bool {
        let (now, zone) = (self.now, zone_of(&self.record, self.rules));
        let Some(entry) = self.open_entry(id, key) else {
            return false;
        };
        if repeat == Repeat::Ignore || entry.counted || at <= entry.at {
            return true;
        }
        let before = entry.state.clone();
        (entry.at, entry.since) = (at, at);
        entry.about = about.clone();
        entry.passed.clear();
        place(entry, Some(campaign), now, zone);
        // It begins anew, by the steps as they stand.
        self.stand_by(id, campaign, key);
        // A message that has fallen due, but was never attempted, is withdrawn and falls due anew.
        if let EntryState::Sending { message, .. } = before
            && let Some(m) = self.record.messages.remove(&message)
        {
            self.log_message(&m, Status::Dropped, Reason::Restarted, "");
            self.settle_coupon(&m, false);
        }
        true
    }

    /// Lets the customer in, if `again`, `at_most` and the quota allow it, and nothing keeps them out.
    pub(super) fn enter(
        &mut self,
        id: &CampaignId,
        campaign: &Campaign,
        key: EntryKey,
        at: Timestamp,
        reason: Reason,
        detail: String,
    ) -> bool {
        if !may_enter(self.record.campaigns.get(id), campaign, &key, self.now).0 {
            return false;
        }
        let Some(first) = campaign.steps.first() else {
            return false;
        };
        if !self.is_in_share(campaign) {
            return false;
        }
        if let Some(kept) = kept_out(campaign, &self.record, self.rules, self.now) {
            self.log_kept_out(id, &key, kept);
            return false;
        }
        if !self.has_room(campaign) {
            self.log_not_drawn(id, campaign, &key);
            return false;
        }
        let mut entry = Entry::waiting(key.clone(), at, first.id.clone(), at);
        let zone = zone_of(&self.record, self.rules);
        // A step already past (a trigger's event arrived late) falls due now.
        place(&mut entry, Some(campaign), self.now, zone);
        let standing = self.record.campaigns.entry(id.clone()).or_default();
        standing.existing = false;
        standing.left_since_entry = false;
        standing.entries.push(entry);
        self.stand_by(id, campaign, &key);
        self.take_room(campaign);
        self.log_entry(id, &key, Status::Entered, reason, detail);
        self.leave_the_oldest(id);
        true
    }

    /// Of more entries than may be open the oldest goes; true if one went.
    pub(super) fn leave_the_oldest(&mut self, id: &CampaignId) -> bool {
        let Some(standing) = self.record.campaigns.get(id) else {
            return false;
        };
        let open = standing.entries.iter().filter(|e| e.state.is_open());
        let oldest = (open.clone().min_by_key(|e| e.at))
            .filter(|_| open.count() > MOST_OPEN)
            .map(|e| e.key.clone());
        if let Some(oldest) = &oldest {
            self.leave(id, oldest, Reason::TooManyOpen, "");
        }
        oldest.is_some()
    }

    pub(super) fn log_entry(
        &mut self,
        id: &CampaignId,
        key: &EntryKey,
        status: Status,
        reason: Reason,
        detail: impl Into<String>,
    ) {
        let row = self.row(id, key, status, reason, detail);
        self.log.push(row);
    }

    /// The open entry under `key` ends; a message of it that has not left is dropped. One whose attempt is under way or
    /// in doubt is judged when its outcome is known.
    pub(super) fn leave(&mut self, id: &CampaignId, key: &EntryKey, reason: Reason, detail: &str) {
        let now = self.now;
        let Some(entry) = self.open_entry(id, key) else {
            return;
        };
        let message = match &entry.state {
            EntryState::Sending { message, .. } => Some(*message),
            _ => None,
        };
        entry.end(EntryState::Left { at: now });
        self.log_entry(id, key, Status::Left, reason, detail);
        let withdrawn = message.filter(|no| {
            (self.record.messages.get(no))
                .is_some_and(|m| matches!(m.state, MessageState::Waiting | MessageState::Retrying))
        });
        if let Some(no) = withdrawn {
            self.conclude(no, Status::Dropped, reason, detail);
        }
        self.forget_old_entries(id);
    }

    pub(super) fn forget_old_entries(&mut self, id: &CampaignId) {
        if let Some(standing) = self.record.campaigns.get_mut(id) {
            let over = standing
                .entries
                .iter()
                .filter(|e| !e.state.is_open())
                .count();
            let mut excess = over.saturating_sub(REMEMBERED);
            standing.entries.retain(|e| {
                let goes = excess > 0 && !e.state.is_open();
                excess -= usize::from(goes);
                !goes
            });
            standing.forget_ways();
        }
    }

    /// All open entries end.
    pub(super) fn leave_all(&mut self, id: &CampaignId, reason: Reason) {
        for (key, _) in self.open_entries(id) {
            self.leave(id, &key, reason, "");
        }
    }

    pub(super) fn open_entry(&mut self, id: &CampaignId, key: &EntryKey) -> Option<&mut Entry> {
        let standing = self.record.campaigns.get_mut(id)?;
        (standing.entries.iter_mut()).find(|e| e.key == *key && e.state.is_open())
    }

    pub(super) fn open_entries(&self, id: &CampaignId) -> Vec<(EntryKey, Timestamp)> {
        let entries = self.record.campaigns.get(id).map(|s| s.entries.iter());
        (entries.into_iter().flatten())
            .filter(|e| e.state.is_open())
            .map(|e| (e.key.clone(), e.at))
            .collect()
    }

    /// Settles a message: it leaves the record, its row is logged, its entry goes on.
    pub(super) fn conclude(
        &mut self,
        no: MessageNo,
        status: Status,
        reason: Reason,
        detail: impl Into<String>,
    ) {
        let Some(message) = self.record.messages.remove(&no) else {
            return;
        };
        self.log_message(&message, status, reason, detail);
        // A mail to staff is nothing to the customer's journey, nor to what is known of the customer.
        if message.staff.is_some() {
            return;
        }
        self.settle_coupon(&message, status == Status::Accepted || message.doubted);
        // What may have been delivered keeps its place, whatever became of a later attempt.
        if status != Status::Accepted && !message.doubted {
            self.give_back_place(&message);
        }
        let now = self.now;
        match (status, reason) {
            (Status::Accepted, _) | (_, Reason::TakenAsSent) => self.record.sent.accepted(no, now),
            (Status::Refused, _) => self.record.sent.bounced(no, now),
            _ => {}
        }
        let Some(standing) = self.record.campaigns.get_mut(&message.campaign) else {
            return;
        };
        if matches!(
            reason,
            Reason::NoAddress
                | Reason::NoConsent
                | Reason::TopicRefused
                | Reason::NotRequested
                | Reason::Unconfirmed
                | Reason::OnRequestOnly
                | Reason::Suppressed
                | Reason::Rehearsal
                | Reason::RenderError
                | Reason::Undeliverable
                | Reason::TooFewProducts
                | Reason::CouponLimit
        ) {
            standing.blocked = true;
        }
        let Some(entry) = standing.entries.iter().find(|e| e.sends(no)) else {
            return;
        };
        let key = entry.key.clone();
        let campaign = self.rules.campaigns.get(&message.campaign);
        let otherwise = (campaign.and_then(|c| c.step(&message.step)))
            .filter(|_| reason == Reason::OnlyIf)
            .map_or(&Otherwise::Skip, |step| &step.otherwise);
        self.go_on(&message.campaign, campaign.map(|c| &**c), &key, otherwise);
    }
}

/// The exit conditions of an entry, as they stand for the customer of `record`.
pub(super) fn exits<'c>(
    campaign: &'c Campaign,
    record: &Record,
    rules: &Rules,
    entry: &Entry,
    now: Timestamp,
) -> Vec<(&'c Condition, Verdict)> {
    let facts = Facts::of(record, rules).for_exit(EntryFacts::of(entry, campaign));
    let conditions = campaign.entry.exit.iter();
    conditions.map(|c| (c, evaluate(c, &facts, now))).collect()
}
