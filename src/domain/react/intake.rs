//! What comes in from outside: events, profiles, consent, suppression.

use super::{Life, NeedsHistory};
use crate::domain::address::{EmailAddress, MailboxId};
use crate::domain::cause::{ConsentChange, Liveness, ProfileChange};
use crate::domain::consent_ledger::ConsentRow;
use crate::domain::event::Event;
use crate::domain::id::TopicId;
use crate::domain::ledger::{LogRow, Reason, Status};
use crate::domain::preference::{Consent, ConsentState, Consents};
use crate::domain::record::{Mailbox, Place, Suppression, SuppressionCause};
use crate::domain::track::Tracks;
use crate::domain::value::Value;

/// The event by which a shop's systems tell of an order (Segment's ecommerce spec).
const ORDER: &str = "Order Completed";

impl Life<'_> {
    pub(super) fn take_event(
        &mut self,
        event: &Event,
        liveness: Liveness,
        history: Option<&[Event]>,
    ) -> Result<(), NeedsHistory> {
        if self.record.tracks.absorb(&self.rules.plan, event).is_err() {
            let history = history.ok_or(NeedsHistory)?;
            let all = history.iter().chain(std::iter::once(event));
            self.record.tracks = Tracks::rebuild(&self.rules.plan, all);
        }
        self.record.known_since = self.record.known_since.min(event.time);
        if event.name.as_str() == ORDER {
            self.record.sent.ordered(event.time);
        }
        if liveness == Liveness::Live {
            self.pull_triggers(event, |_, _| false);
        }
        Ok(())
    }

    pub(super) fn take_profile(&mut self, change: &ProfileChange) {
        for (name, value) in &change.attributes {
            match value {
                Value::Null => self.record.attributes.remove(name),
                value => self.record.attributes.insert(name.clone(), value.clone()),
            };
        }
        if let Some(created) = change.created_at {
            self.record.known_since = self.record.known_since.min(created);
        }
        for (tag, bears) in &change.tags {
            if *bears {
                self.record.tags.insert(tag.clone());
            } else {
                self.record.tags.remove(tag);
            }
        }
        let own = &mut self.record.preferences;
        let new = &change.preferences;
        set(&mut own.timezone, &new.timezone);
        set(&mut own.locale, &new.locale);
        set(&mut own.window, &new.window);
        set(&mut own.caps, &new.caps);
        set(&mut own.gap, &new.gap);
        set(&mut own.pause_until, &new.pause_until);
        if let Some(email) = &change.email {
            self.move_to(email);
        }
        self.unblock();
        self.ask_again();
    }

    /// A new address takes over the old one's places: changing it must not win another message. What was refused before
    /// there was any address binds the first one.
    pub(super) fn move_to(&mut self, email: &EmailAddress) {
        let old = self
            .record
            .email
            .replace(email.clone())
            .map(|e| e.mailbox());
        let new = email.mailbox();
        if old.is_none() {
            let mailbox = self.boxes.entry(new.clone()).or_default();
            for (topic, consent) in &self.record.consents {
                tell_mailbox(mailbox, topic, consent);
            }
            lift_by_later_words(mailbox, &self.record.consents);
        }
        let Some(old) = old.filter(|old| *old != new) else {
            return;
        };
        let places: Vec<Place> = (self.boxes.get(&old))
            .map(|b| b.places.clone())
            .unwrap_or_default();
        let mailbox = self.boxes.entry(new).or_default();
        for place in places {
            if !mailbox.places.iter().any(|p| p.message == place.message) {
                mailbox.places.push(place);
            }
        }
        mailbox.places.sort_by_key(|p| (p.at, p.message));
    }

    pub(super) fn take_consent(&mut self, change: &ConsentChange) {
        // What is dated ahead was said at its receipt: nothing said from then on may count as older.
        let at = change.at.min(self.now);
        let consent = Consent {
            state: change.state,
            at,
            source: change.source.clone(),
            wording: change.wording.clone(),
        };
        let known = self.record.consents.get(&change.topic);
        // Told out of order, the newest word stands; a refusal told at the same instant wins.
        let newer = known
            .is_none_or(|k| at > k.at || (at == k.at && change.state == ConsentState::Refused));
        // A list that repeats each night who has left says nothing new; a consent given again is a newer proof.
        let says_more = known.is_none_or(|k| {
            let anew = consent.state == ConsentState::Given && consent.at != k.at;
            anew || (&k.source, &k.wording, k.state)
                != (&consent.source, &consent.wording, consent.state)
        });
        if newer && says_more {
            self.keep_proof(change, &consent);
        }
        if newer {
            self.record
                .consents
                .insert(change.topic.clone(), consent.clone());
        }
        if let Some(email) = &self.record.email {
            let mailbox = self.boxes.entry(email.mailbox()).or_default();
            tell_mailbox(mailbox, &change.topic, &consent);
            lift_by_later_words(mailbox, &self.record.consents);
        }
        // Who leaves by the link of a mail speaks for the mailbox that it went to, theirs still or not.
        if let (Some(went_to), ConsentState::Refused) = (&change.origin.mailbox, change.state) {
            let mailbox = self.boxes.entry(went_to.clone()).or_default();
            tell_mailbox(mailbox, &change.topic, &consent);
        }
        self.unblock();
        self.ask_again();
    }

    /// Somebody at an address whose former customer was forgotten consents, now and not by a list of old consents: they
    /// may be written to again.
    pub(super) fn lift_forgetting(&mut self, change: &ConsentChange) {
        let at = change.at.min(self.now);
        let Some(email) =
            (self.record.email.as_ref()).filter(|_| change.state == ConsentState::Given)
        else {
            return;
        };
        let mailbox = self.boxes.entry(email.mailbox()).or_default();
        let lifted = |s: &Suppression| s.cause == SuppressionCause::Forgotten && s.at < at;
        if mailbox.suppression.as_ref().is_some_and(lifted) {
            mailbox.suppression = None;
        }
    }

    /// What was told goes into the ledger; who left by a link of a mail, into the send log beside that mail.
    fn keep_proof(&mut self, change: &ConsentChange, consent: &Consent) {
        let origin = &change.origin;
        self.consents.push(ConsentRow {
            told: self.now,
            topic: change.topic.clone(),
            state: consent.state,
            at: consent.at,
            source: consent.source.clone(),
            wording: consent.wording.clone(),
            address: origin.address.clone(),
            message: origin.message,
            campaign: origin.mail.as_ref().map(|mail| mail.campaign.clone()),
        });
        if let (Some(mail), ConsentState::Refused) = (&origin.mail, change.state) {
            let topic = change.topic.as_ref().map(TopicId::as_str);
            let detail = topic.unwrap_or("advertising as a whole");
            let (status, reason) = (Status::Unsubscribed, Reason::Unsubscribed);
            let row = LogRow {
                step: Some(mail.step.clone()),
                message: origin.message,
                variant: mail.variant.clone(),
                ..self.row(&mail.campaign, &mail.entry, status, reason, detail)
            };
            self.log.push(row);
        }
    }

    pub(super) fn suppress(&mut self, mailbox: &MailboxId, suppression: Option<Suppression>) {
        self.boxes.entry(mailbox.clone()).or_default().suppression = suppression;
        self.unblock();
    }

    /// A cause that may have cured what a message was dropped for: the want of an address, of a consent, of a name.
    pub(super) fn unblock(&mut self) {
        for standing in self.record.campaigns.values_mut() {
            standing.blocked = false;
        }
    }
}

/// A customer's word reaches the mailbox: a refusal binds all who share it, a later consent lifts that.
fn tell_mailbox(mailbox: &mut Mailbox, topic: &Option<TopicId>, consent: &Consent) {
    match consent.state {
        ConsentState::Refused => {
            let bound = mailbox.refusals.get(topic);
            if bound.is_none_or(|b| b.at <= consent.at) {
                mailbox.refusals.insert(topic.clone(), consent.clone());
            }
        }
        ConsentState::Given => {
            let lifted = |c: &Consent| c.at < consent.at;
            if mailbox.refusals.get(topic).is_some_and(lifted) {
                mailbox.refusals.remove(topic);
            }
            // Consent to a topic by name, later than the refusal of the whole, is the more precise word
            // ([`consent_for`](crate::domain::preference::consent_for)); the mailbox must know of it to let it through.
            let bound = mailbox.refusals.get(topic);
            let free = bound.is_none_or(|b| b.at < consent.at);
            if topic.is_some() && free && mailbox.refusals.get(&None).is_some_and(lifted) {
                mailbox.refusals.insert(topic.clone(), consent.clone());
            }
            let by_unsubscribe = mailbox
                .suppression
                .as_ref()
                .is_some_and(|s| s.cause == SuppressionCause::Unsubscribe && s.at < consent.at);
            if by_unsubscribe {
                mailbox.suppression = None;
            }
        }
    }
}

/// A refusal that is told late is lifted by what the customer consented to after it.
fn lift_by_later_words(mailbox: &mut Mailbox, consents: &Consents) {
    for (topic, consent) in consents {
        if consent.state == ConsentState::Given {
            tell_mailbox(mailbox, topic, consent);
        }
    }
}

fn set<T: Clone>(own: &mut Option<T>, new: &Option<Option<T>>) {
    if let Some(new) = new {
        own.clone_from(new);
    }
}
