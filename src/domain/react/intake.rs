//! What comes in from outside: events, profiles, consent, suppression.

use super::{Life, NeedsHistory};
use crate::domain::address::{EmailAddress, MailboxId};
use crate::domain::cause::{ConsentChange, Liveness, ProfileChange};
use crate::domain::consent_ledger::{ConsentRow, Word};
use crate::domain::event::Event;
use crate::domain::id::{MessageRef, TopicId};
use crate::domain::ledger::{LogRow, Reason, Status};
use crate::domain::preference::{Consent, ConsentState, Consents, consent_for};
use crate::domain::record::{Mailbox, Place, Suppression, SuppressionCause};
use crate::domain::time::Timestamp;
use crate::domain::track::Tracks;
use crate::domain::value::Value;

/// The event by which a shop's systems tell of an order (Segment's ecommerce spec).
const ORDER: &str = "Order Completed";

/// The event by which they tell that the customer wrote to the shop.
const REPLY: &str = "Message Received";

/// So many messages are remembered by whose links somebody left.
const LEFT_BY: usize = 50;

/// Of when a word on somebody is.
#[derive(Clone, Copy)]
struct Said {
    as_of: Option<Timestamp>,
    liveness: Liveness,
}

impl<'a> Life<'a> {
    pub(super) fn take_event(
        &mut self,
        event: &'a Event,
        liveness: Liveness,
        history: Option<&[Event]>,
    ) -> Result<(), NeedsHistory> {
        if self.record.tracks.absorb(&self.rules.plan, event).is_err() {
            let history = history.ok_or(NeedsHistory)?;
            let all = history.iter().chain(std::iter::once(event));
            self.record.tracks = Tracks::rebuild(&self.rules.plan, all);
        }
        self.record.known_since = self.record.known_since.min(event.time);
        self.note_answer(event);
        self.note_goals(event);
        if liveness == Liveness::Live {
            self.triggering.push(event);
        }
        Ok(())
    }
}

impl Life<'_> {
    /// An order, or a reply, is an answer to what left shortly before it.
    pub(super) fn note_answer(&mut self, event: &Event) {
        if matches!(event.name.as_str(), ORDER | REPLY) {
            self.record.sent.ordered(event.time);
        }
    }

    pub(super) fn take_profile(&mut self, change: &ProfileChange, liveness: Liveness) {
        let said = Said {
            as_of: change.as_of,
            liveness,
        };
        for (name, value) in &change.attributes {
            if !self.is_news(name, said) {
                continue;
            }
            match value {
                Value::Null => self.record.attributes.remove(name),
                value => self.record.attributes.insert(name.clone(), value.clone()),
            };
        }
        if let Some(created) = change.created_at {
            self.record.known_since = self.record.known_since.min(created);
        }
        for (tag, bears) in &change.tags {
            if !self.is_news(&format!("tag:{tag}"), said) {
                continue;
            }
            if *bears {
                self.record.tags.insert(tag.clone());
            } else {
                self.record.tags.remove(tag);
            }
        }
        let new = &change.preferences;
        macro_rules! prefer {
            ($($name:ident),*) => {$(
                if new.$name.is_some() && self.is_news(stringify!($name), said) {
                    set(&mut self.record.preferences.$name, &new.$name);
                }
            )*};
        }
        prefer!(timezone, locale, window, caps, gap, pause_until, format);
        if let Some(email) = &change.email
            && self.is_news("email", said)
        {
            let former = self.record.email.as_ref().map(|e| e.mailbox());
            self.move_to(email);
            if former != Some(email.mailbox()) {
                self.ask_at_new_address(liveness);
            }
        }
        self.unblock();
        self.ask_again();
    }

    /// Whether what is told of this trait is the newest word on it; takes note of when that is. What comes live and
    /// without a time of its own is said now; history without one is of no known time.
    fn is_news(&mut self, name: &str, said: Said) -> bool {
        let now = self.now;
        let told = &mut self.record.told;
        let known = told.get_mut(name);
        match (said.as_of, known) {
            (None, None) if said.liveness == Liveness::History => {}
            (None, None) => _ = told.insert(name.to_owned(), now),
            (None, Some(at)) => *at = now.max(*at),
            (Some(new), Some(at)) if new < *at => return false,
            (Some(new), Some(at)) => *at = new.min(now).max(*at),
            (Some(new), None) => _ = told.insert(name.to_owned(), new.min(now)),
        }
        true
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
        self.record.remember_mailbox(old.clone());
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

    /// Takes the customer's word; one that is to be confirmed first only asks, and lifts nothing.
    pub(super) fn take_consent(&mut self, change: &ConsentChange, liveness: Liveness) {
        if self.only_asks(change, liveness) {
            return self.ask(change);
        }
        self.take_word(change);
        if liveness == Liveness::Live {
            self.lift_forgetting(change);
        }
    }

    pub(super) fn take_word(&mut self, change: &ConsentChange) {
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
        let says_more = says_more || self.overrules(change, at);
        let takes_back =
            change.state == ConsentState::Refused && self.is_asked(change.topic.as_ref(), at);
        if (newer && says_more) || takes_back {
            self.keep_proof(change, &consent, change.state.into());
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
            self.record.remember_mailbox(went_to.clone());
        }
        match change.state {
            ConsentState::Refused => {
                self.take_back(change.topic.as_ref(), at);
                if change.topic.is_none() {
                    self.refuse_confirmed(&consent, change.origin.mailbox.as_ref());
                }
            }
            ConsentState::Given => {
                if let Some(topic) = &change.topic {
                    self.settle_asking(topic, at, newer);
                }
            }
        }
        self.unblock();
        self.ask_again();
    }

    /// Whether this refusal of the whole, said before, undoes what was given by name since.
    fn overrules(&self, change: &ConsentChange, at: Timestamp) -> bool {
        let consents = &self.record.consents;
        let Some(before) = consents.get(&None) else {
            return false;
        };
        (change.topic.is_none() && change.state == ConsentState::Refused)
            && consents.iter().any(|(topic, c)| {
                topic.is_some() && c.state == ConsentState::Given && before.at <= c.at && c.at <= at
            })
    }

    /// Who leaves altogether leaves each topic that wants confirming by its name: a consent to advertising as a whole that
    /// comes later brings none of them back unconfirmed.
    /// It binds the mailbox that the mail went to by whose link they left, too.
    fn refuse_confirmed(&mut self, refusal: &Consent, went_to: Option<&MailboxId>) {
        let rules = self.rules;
        let present = self.record.email.as_ref().map(|email| email.mailbox());
        let former = went_to.filter(|went_to| Some(*went_to) != present.as_ref());
        for topic in rules.topics.values().filter(|t| t.confirm) {
            let key = Some(topic.id.clone());
            let known = self.record.consents.get(&key);
            if known.is_none_or(|k| refusal.at >= k.at) {
                self.record.consents.insert(key.clone(), refusal.clone());
            }
            if let Some(present) = &present {
                let mailbox = self.boxes.entry(present.clone()).or_default();
                tell_mailbox(mailbox, &key, refusal);
                lift_by_later_words(mailbox, &self.record.consents);
            }
            if let Some(former) = former {
                let mailbox = self.boxes.entry(former.clone()).or_default();
                tell_mailbox(mailbox, &key, refusal);
            }
        }
    }

    /// Somebody at an address whose former customer was forgotten consents, now and not by a list of old consents, and has
    /// confirmed it where that is wanted: they may be written to again.
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
    pub(super) fn keep_proof(&mut self, change: &ConsentChange, consent: &Consent, word: Word) {
        let origin = &change.origin;
        self.consents.push(ConsentRow {
            told: self.now,
            topic: change.topic.clone(),
            state: word,
            at: consent.at,
            source: consent.source.clone(),
            wording: consent.wording.clone(),
            address: origin.address.clone(),
            message: origin.message.map(|m| m.message),
            message_of: (origin.message.map(|m| m.customer)).filter(|no| *no != self.record.no),
            campaign: origin.mail.as_ref().map(|mail| mail.campaign.clone()),
        });
        if let (Some(mail), ConsentState::Refused) = (&origin.mail, change.state) {
            let topic = change.topic.as_ref().map(TopicId::as_str);
            let detail = topic.unwrap_or("advertising as a whole");
            // A press on a button may tell several topics, and a link may be followed again and again.
            let consents = &self.record.consents;
            let had_left = |topic| {
                consent_for(consents, topic).is_some_and(|c| c.state == ConsentState::Refused)
            };
            let leaves = !had_left(change.topic.as_ref());
            let counts = leaves && origin.message.is_none_or(|m| self.is_first_by(m));
            let reason = match counts {
                true => Reason::Unsubscribed,
                false => Reason::LeftAgain,
            };
            let status = Status::Unsubscribed;
            let own = self.record.no;
            let row = LogRow {
                // Beside the mail that it came by, whoever that one was merged into since.
                customer: origin.message.map_or(own, |m| m.customer),
                step: Some(mail.step.clone()),
                message: origin.message.map(|m| m.message),
                variant: mail.variant.clone(),
                ..self.row(&mail.campaign, &mail.entry, status, reason, detail)
            };
            self.log.push(row);
        }
    }

    /// Takes note of a message by whose link the customer leaves; false if they had left something by it before.
    fn is_first_by(&mut self, message: MessageRef) -> bool {
        let known = &mut self.record.left_by;
        if known.contains(&message) {
            return false;
        }
        known.push(message);
        let surplus = known.len().saturating_sub(LEFT_BY);
        known.drain(..surplus);
        true
    }

    /// The same of messages by which somebody left who was merged into this customer.
    pub(super) fn absorb_left_by(&mut self, from: &[MessageRef]) {
        for message in from {
            self.is_first_by(*message);
        }
    }

    pub(super) fn suppress(&mut self, mailbox: &MailboxId, suppression: Option<Suppression>) {
        let known = self.boxes.entry(mailbox.clone()).or_default();
        let complains = |s: &Option<Suppression>| {
            (s.as_ref()).is_some_and(|s| s.cause == SuppressionCause::Complaint)
        };
        let stops_all = |s: &Suppression| {
            matches!(
                s.cause,
                SuppressionCause::ByHand
                    | SuppressionCause::HardBounce
                    | SuppressionCause::Forgotten
            )
        };
        // A complaint lets transactional mail through: it loosens nothing that stands.
        if complains(&suppression) && known.suppression.as_ref().is_some_and(stops_all) {
            return;
        }
        let new = complains(&suppression) && !complains(&known.suppression);
        known.suppression = suppression;
        if new {
            self.lay_complaint();
        }
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
