//! Double opt-in: a consent that only asks, the mail about it, and its confirmation.

use super::{Answer, Life};
use crate::domain::campaign::Start;
use crate::domain::cause::{ConsentChange, Liveness};
use crate::domain::consent_ledger::Word;
use crate::domain::id::{EntryKey, TopicId};
use crate::domain::ledger::Reason;
use crate::domain::opt_in::{
    Asking, HOLDS, Pending, asking, campaign_id, key_of, latest_refusal, reaches, topic_of,
};
use crate::domain::preference::{Consent, ConsentState};
use crate::domain::record::{Mailbox, Record};
use crate::domain::time::Timestamp;

impl Life<'_> {
    /// Whether this word only asks: a consent by name, told live, to a topic that wants it confirmed and that does not
    /// reach the customer as it is. What comes in as history brings its proof along.
    pub(super) fn only_asks(&self, change: &ConsentChange, liveness: Liveness) -> bool {
        let confirms = |topic: &TopicId| self.rules.topics.get(topic).is_some_and(|t| t.confirm);
        let given = change.state == ConsentState::Given && liveness == Liveness::Live;
        (change.topic.as_ref()).is_some_and(|topic| given && confirms(topic) && !self.gets(topic))
    }

    fn gets(&self, topic: &TopicId) -> bool {
        reaches(&self.record, self.present_mailbox(), self.rules, topic)
    }

    fn present_mailbox(&self) -> Option<&Mailbox> {
        self.boxes.get(&self.record.email.as_ref()?.mailbox())
    }

    /// When the latest refusal that binds the customer on this topic was said, by them or by who shares the mailbox.
    fn last_refused(&self, topic: &TopicId) -> Option<Timestamp> {
        let by_mailbox = (self.present_mailbox()).and_then(|m| latest_refusal(&m.refusals, topic));
        latest_refusal(&self.record.consents, topic).max(by_mailbox)
    }

    /// Keeps that they asked, and has them asked back. Telling the same again is no new asking, and a page that is loaded
    /// at each visit says it again and again: another mail goes when they ask for one, or when the link of the last has
    /// run out.
    pub(super) fn ask(&mut self, change: &ConsentChange) {
        let Some(topic) = change.topic.clone() else {
            return;
        };
        let at = change.at.min(self.now);
        let refused = self.last_refused(&topic);
        if refused.is_some_and(|refused| refused >= at) {
            return;
        }
        let known = self.record.pending.get(&topic);
        if let Some(known) = known {
            let run_out = self.now >= known.at.max(known.since) + HOLDS;
            if at <= known.at || !(change.origin.anew || run_out) {
                return;
            }
        }
        let pending = Pending {
            at,
            source: change.source.clone(),
            wording: change.wording.clone(),
            since: known.map_or(self.now, |known| known.since),
        };
        let asked = Consent {
            state: ConsentState::Given,
            at,
            source: change.source.clone(),
            wording: change.wording.clone(),
        };
        self.keep_proof(change, &asked, Word::Asked);
        self.record.pending.insert(topic.clone(), pending);
        self.send_question(&topic);
    }

    /// One mail for each asking; while one is on its way it serves for another.
    fn send_question(&mut self, topic: &TopicId) {
        let (id, rules) = (campaign_id(), self.rules);
        let Some(campaign) = rules.campaigns.get(&id) else {
            return;
        };
        if !rules.controls.cancelled.contains(&id) {
            let (key, now) = (key_of(topic), self.now);
            self.enter(&id, campaign, key, now, Reason::Asked, String::new());
        }
    }

    /// The address is another one: what was mailed to the former one confirms nothing for this one. What is history
    /// starts nothing; those can ask again.
    pub(super) fn ask_at_new_address(&mut self, liveness: Liveness) {
        let now = self.now;
        let topics: Vec<TopicId> = self.record.pending.keys().cloned().collect();
        for topic in topics {
            if let Some(pending) = self.record.pending.get_mut(&topic) {
                pending.since = now;
            }
            self.leave(&campaign_id(), &key_of(&topic), Reason::Restarted, "");
            if liveness == Liveness::Live {
                self.send_question(&topic);
            }
        }
    }

    /// A refusal takes back what was asked before it, of this topic or of all.
    pub(super) fn take_back(&mut self, topic: Option<&TopicId>, refused: Timestamp) {
        (self.record.pending).retain(|of, p| !is_taken_back(of, p, topic, refused));
    }

    /// Whether a refusal of that instant takes back anything that was asked.
    pub(super) fn is_asked(&self, topic: Option<&TopicId>, refused: Timestamp) -> bool {
        let mut pending = self.record.pending.iter();
        pending.any(|(of, p)| is_taken_back(of, p, topic, refused))
    }

    /// A consent of that instant that needs no confirmation was told. It leaves nothing to ask where it is later than the
    /// asking, or stands (`newest`) and is enough; an old one that comes late is neither.
    pub(super) fn settle_asking(&mut self, topic: &TopicId, given: Timestamp, newest: bool) {
        let asked = self.record.pending.get(topic).map(|pending| pending.at);
        if asked.is_some_and(|asked| given > asked || (newest && self.gets(topic))) {
            self.record.pending.remove(topic);
        }
    }

    /// Whether nothing is left to ask in this entry of the program's own campaign.
    pub(super) fn is_answered(&self, start: &Start, key: &EntryKey) -> bool {
        is_answered_by(&self.record, start, key)
    }

    /// The link of the asking of `asked` was followed and its button pressed; `change` is the consent as of now.
    /// [`Answer::Settled`] once it is in force, by this or by an earlier press; else [`Answer::Gone`].
    pub(super) fn confirm(&mut self, asked: Timestamp, change: &ConsentChange) -> Answer {
        let Some(topic) = change.topic.clone() else {
            return Answer::Gone;
        };
        let mailbox = self.present_mailbox();
        match asking(&self.record, mailbox, self.rules, &topic, asked, self.now) {
            Asking::Confirmed => return Answer::Settled,
            Asking::Over => return Answer::Gone,
            Asking::Open => {}
        }
        self.record.pending.remove(&topic);
        self.take_word(change);
        self.lift_forgetting(change);
        Answer::Settled
    }

    /// What somebody had asked who was merged into this customer. Where this customer's address is another one, they are
    /// asked there.
    pub(super) fn absorb_pending(
        &mut self,
        topic: &TopicId,
        theirs: &Pending,
        same_address: bool,
        liveness: Liveness,
    ) {
        let refused = self.last_refused(topic);
        if self.gets(topic) || refused.is_some_and(|refused| refused >= theirs.at) {
            return;
        }
        let mut pending = theirs.clone();
        if let Some(own) = self.record.pending.get(topic) {
            pending = match own.at >= theirs.at {
                true => own.clone(),
                false => pending,
            };
            pending.since = match same_address {
                true => own.since.min(theirs.since),
                false => own.since,
            };
            self.record.pending.insert(topic.clone(), pending);
            return;
        }
        if !same_address {
            pending.since = self.now;
        }
        self.record.pending.insert(topic.clone(), pending);
        if !same_address && liveness == Liveness::Live {
            self.send_question(topic);
        }
    }
}

/// Whether `record` has nothing left to ask in this entry of the program's own campaign.
pub(super) fn is_answered_by(record: &Record, start: &Start, key: &EntryKey) -> bool {
    matches!(start, Start::Asked)
        && topic_of(key).is_none_or(|topic| !record.pending.contains_key(&topic))
}

fn is_taken_back(
    of: &TopicId,
    pending: &Pending,
    topic: Option<&TopicId>,
    refused: Timestamp,
) -> bool {
    topic.is_none_or(|topic| topic == of) && pending.at <= refused
}
