//! The source's side of a merge: an anonymous customer turns out to be another one, and hands over all there is.
//!
//! Messages that were attempted and are not settled stay, since an outcome is awaited under their numbers, and so do the
//! places that they hold; their entries follow when they are settled. Whether they may be tried again is judged by what
//! the target says and is at that instant ([`super::ready`]), so nothing need be told to the source afterwards. A message that waits is withdrawn: its entry goes
//! on at the target, where the step falls due when it was due here. Whoever moved is judged by no campaign any more.

use super::{Life, NeedsHistory};
use crate::domain::engagement::{SentMessage, SentMessages};
use crate::domain::event::Event;
use crate::domain::id::{CampaignId, CustomerNo, MessageRef};
use crate::domain::ledger::{Reason, Status};
use crate::domain::posted::{Absorb, Posted};
use crate::domain::record::{Entry, EntryState, MessageState, Record, Standing};
use crate::domain::track::Tracks;
use std::collections::BTreeMap;

impl Life<'_> {
    /// From now on this customer is `into`. Who has moved already stays where they moved to.
    pub(super) fn merge(&mut self, into: CustomerNo) {
        if self.record.moved_to.is_some() || into == self.record.no {
            return;
        }
        self.record.moved_to = Some(into);
        let record = &self.record;
        self.moving = Some(Box::new(Absorb {
            source: record.no,
            earlier: record.absorbed.clone(),
            known_since: record.known_since,
            email: record.email.clone(),
            attributes: record.attributes.clone(),
            told: record.told.clone(),
            tags: record.tags.clone(),
            preferences: record.preferences.clone(),
            consents: record.consents.clone(),
            pending: record.pending.clone(),
            standings: BTreeMap::new(),
            sent: record.sent.handed_over(record.no),
            events: Vec::new(),
            goals: record.goals.handed_over(record.no),
            hours: record.hours.clone(),
            left_by: record.left_by.clone(),
        }));
        self.hand_over_coupons();
    }
}

impl<'a> Life<'a> {
    /// A letter has come. Whoever moved on sends it after.
    pub(super) fn read_letter(
        &mut self,
        posted: &'a Posted,
        history: Option<&[Event]>,
    ) -> Result<(), NeedsHistory> {
        match (posted, self.record.moved_to) {
            (posted, Some(to)) => self.posts.push((to, posted.clone())),
            (Posted::Absorb(from), None) => self.absorb(from, history, posted.liveness())?,
            (
                Posted::Entry {
                    campaign,
                    entry,
                    way,
                },
                None,
            ) => self.absorb_entry(campaign, entry, way.as_slice()),
            (Posted::Coupons(coupons), None) => self.take_over_coupons(coupons),
            (
                Posted::Sent {
                    sent: Some(sent), ..
                },
                None,
            ) => {
                self.learn_from_sent(sent);
                self.take_over_sent(sent);
            }
            (
                Posted::Sent {
                    message,
                    sent: None,
                },
                None,
            ) => {
                self.record.sent.take_back(*message);
                self.record.goals.take_back(*message);
            }
        }
        Ok(())
    }
}

impl Life<'_> {
    /// Posts what is not under way any more to whom this customer moved; after the first time that is entries only.
    pub(super) fn hand_over(&mut self, to: CustomerNo) {
        let mut moving = self.moving.take();
        for (id, mut standing) in std::mem::take(&mut self.record.campaigns) {
            let stays: Vec<Entry> = (standing.entries.iter())
                .filter(|e| under_way(&self.record, e))
                .cloned()
                .collect();
            for entry in &mut standing.entries {
                self.give_out(&id, entry);
            }
            if !stays.is_empty() {
                // An edit is followed here until the message is settled.
                let mut kept = Standing {
                    entries: stays.clone(),
                    ways: standing.ways.clone(),
                    ..Standing::default()
                };
                kept.forget_ways();
                self.record.campaigns.insert(id.clone(), kept);
            }
            standing.forget_ways();
            if let Some(absorb) = &mut moving {
                standing.due = None;
                absorb.standings.insert(id, standing);
                continue;
            }
            let kept = |e: &Entry| stays.iter().any(|s| s.key == e.key && s.at == e.at);
            for entry in std::mem::take(&mut standing.entries) {
                if kept(&entry) {
                    continue;
                }
                let campaign = id.clone();
                let mut ways = standing.ways.iter();
                let way = ways.find(|w| w.journey == entry.journey && entry.state.is_open());
                let way = way.cloned();
                let posted = Posted::Entry {
                    campaign,
                    entry,
                    way,
                };
                self.posts.push((to, posted));
            }
        }
        // What waits for no entry would be dropped when it is asked for.
        let orphans = (self.record.messages.values())
            .filter(|m| m.state == MessageState::Waiting && m.staff.is_none());
        for no in orphans.map(|m| m.no).collect::<Vec<_>>() {
            if let Some(message) = self.record.messages.remove(&no) {
                self.log_message(&message, Status::Dropped, Reason::Moved, "");
                self.settle_coupon(&message, false);
            }
        }
        if let Some(absorb) = moving {
            self.posts.push((to, Posted::Absorb(absorb)));
        }
        if self.record.messages.is_empty() {
            self.forget_oneself();
        }
    }

    /// Posts to whom this customer moved what has come back since for the messages that were sent here.
    pub(super) fn tell_of_sent(&mut self, to: CustomerNo, before: &SentMessages) {
        let source = self.record.no;
        let (before, now) = (
            before.handed_over(source),
            self.record.sent.handed_over(source),
        );
        let reference = |m: &SentMessage| MessageRef {
            customer: m.by.unwrap_or(source),
            message: m.no,
        };
        for sent in now.iter().filter(|sent| !before.contains(sent)) {
            let (message, sent) = (reference(sent), Some(sent.clone()));
            self.posts.push((to, Posted::Sent { message, sent }));
        }
        let known: Vec<MessageRef> = now.iter().map(reference).collect();
        let gone = before.iter().map(reference).filter(|m| !known.contains(m));
        let gone = gone.map(|message| {
            (
                to,
                Posted::Sent {
                    message,
                    sent: None,
                },
            )
        });
        self.posts.extend(gone);
    }

    /// Makes of an entry what the target is told of it.
    fn give_out(&mut self, id: &CampaignId, entry: &mut Entry) {
        if under_way(&self.record, entry)
            && let Some(step) = entry.state.step().cloned()
        {
            // Nothing else is to enter under its key meanwhile, and no step is to follow.
            entry.end(EntryState::Elsewhere { step });
            return;
        }
        if !entry.state.is_open() {
            return;
        }
        if let EntryState::Sending { step, message } = &entry.state
            && let Some(waiting) = self.record.messages.remove(message)
        {
            entry.state = EntryState::Waiting {
                step: step.clone(),
                due: waiting.due,
            };
            self.log_message(&waiting, Status::Dropped, Reason::Moved, "");
            self.settle_coupon(&waiting, false);
        }
        let row = self.row(id, &entry.key, Status::Left, Reason::Moved, "");
        self.log.push(row);
    }

    /// Nothing is under way: all that the record knew is the target's now.
    fn forget_oneself(&mut self) {
        let Record { no, id, .. } = &self.record;
        let empty = Record::new(*no, id.clone(), self.record.known_since);
        // The target may have an address of its own, and then nobody else knows this one.
        if let Some(email) = self.record.email.take() {
            self.record.remember_mailbox(email.mailbox());
        }
        self.record.attributes = empty.attributes;
        self.record.tags = empty.tags;
        self.record.preferences = empty.preferences;
        self.record.consents = empty.consents;
        self.record.pending = empty.pending;
        self.record.tracks = Tracks::default();
        self.record.told = empty.told;
        self.record.goals = empty.goals;
        self.record.hours = empty.hours;
        self.record.left_by = empty.left_by;
    }
}

/// Whether the entry's message was attempted and is not settled.
fn under_way(record: &Record, entry: &Entry) -> bool {
    let EntryState::Sending { message, .. } = &entry.state else {
        return false;
    };
    (record.messages.get(message)).is_some_and(|m| m.state != MessageState::Waiting)
}
