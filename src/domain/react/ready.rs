//! `Ready`: the outbox asks, before every attempt, whether it may begin now. `Claim` asks the same for a message without
//! its coupon code, and ends where the attempt would begin: there is no mail yet that could leave.
//!
//! A message that stayed with one who was merged into another is that other's mail: it is judged by that one's record, as
//! it stands at the commit (the batch checks it, as it checks mailboxes). So what was acknowledged there binds here from
//! the same instant, and no letter has to arrive first.

use super::enrollment::exits;
use super::opt_in::is_answered_by;
use super::{Answer, Boxes, Life};
use crate::domain::id::MessageNo;
use crate::domain::ledger::{Reason, Status};
use crate::domain::policy::{Decision, judge, may_be_asked, precedence, recipient};
use crate::domain::preference::Class;
use crate::domain::record::{BeforeAttempt, Entry, Mailbox, Message, MessageState, Record};
use crate::domain::rules::{InDoubt, Rules};
use crate::domain::time::Timestamp;
use std::borrow::Cow;

impl Life<'_> {
    /// Answers for attempt `attempt` of message `no`. While an occurrence is unfinished (`unfinished`) only
    /// transactional messages make their first attempt, so that the outcome does not depend on which schedule was
    /// processed first.
    pub(super) fn ready(&mut self, no: MessageNo, attempt: u32, unfinished: bool) -> Answer {
        let Some(message) = self.record.messages.get(&no).cloned() else {
            return Answer::Gone;
        };
        if self.rules.controls.cancelled.contains(&message.campaign) {
            // The entry leaves, and is told as such, before its last message ends.
            self.leave_all(&message.campaign, Reason::CampaignCancelled);
            if !self.record.messages.contains_key(&no) {
                return Answer::Dropped;
            }
        }
        let under_way = matches!(message.state, MessageState::Attempting(_));
        let held = message.state == MessageState::Uncertain
            && self.rules.shop.in_doubt == InDoubt::Hold
            && message.not_before == Timestamp::NEVER;
        if under_way || held || message.parked || attempt != message.attempts + 1 {
            return Answer::Gone;
        }
        let first = message.state == MessageState::Waiting;
        if first && unfinished && message.class != Class::Transactional {
            return Answer::Later(message.not_before.max(self.now));
        }
        if message.not_before > self.now {
            return Answer::Later(message.not_before);
        }
        if let Some((reason, exit)) = self.exit_after_moving(&message) {
            self.leave(&message.campaign, &message.entry, reason, &exit);
            if !self.record.messages.contains_key(&no) {
                return Answer::Dropped;
            }
        }
        if self.entry_is_over(&message) {
            self.conclude(no, Status::Dropped, self.why_over(&message), "");
            return Answer::Dropped;
        }
        let (decision, before) = self.judgement(&message);
        match decision {
            Decision::Never { reason, detail } => {
                let status = match reason {
                    Reason::Expired => Status::Expired,
                    _ => Status::Dropped,
                };
                self.conclude(no, status, reason, detail);
                Answer::Dropped
            }
            Decision::Paused { reason } => {
                self.park(&message, reason);
                Answer::Parked
            }
            Decision::Later { at, reason, detail } => {
                self.put_off(&message, at, reason, detail);
                Answer::Later(at)
            }
            // Whose mail it is has not taken in yet what was handed over: a refusal may be among it.
            Decision::Go if self.person().is_none() => {
                Answer::Later(message.not_before.max(self.now))
            }
            Decision::Go => match before {
                Some(other) => {
                    // It is asked for next, so it must stand in the outbox.
                    if let Some(m) = self.record.messages.get_mut(&other) {
                        m.released = true;
                    }
                    Answer::After(other)
                }
                None => match self.withheld(&message) {
                    Some(reason) => self.hold_out(&message, reason),
                    None => match self.claim(&message) {
                        Some(answer) => answer,
                        None if self.only_claims => Answer::Coupon,
                        None => self.begin(&message),
                    },
                },
            },
        }
    }

    /// Whose mail the messages here are: the customer's own, or that of whom they were merged into, once that one has
    /// taken in what was handed over.
    fn person(&self) -> Option<Cow<'_, Record>> {
        match self.record.moved_to {
            None => Some(Cow::Borrowed(&self.record)),
            Some(_) => (self.person)
                .filter(|person| person.absorbed.contains(&self.record.no))
                .map(|person| Cow::Owned(self.record.seen_as(person))),
        }
    }

    /// Policy's decision, and what goes before the message if it may go. Until the person is known, what the customer
    /// said here binds.
    fn judgement(&self, message: &Message) -> (Decision, Option<MessageNo>) {
        let known = self.person();
        let record = known.as_deref().unwrap_or(&self.record);
        let (boxes, rules, now) = (&self.boxes, self.rules, self.now);
        let decision = decide(record, boxes, rules, now, message);
        let before = match decision {
            Decision::Go => goes_before(record, boxes, rules, now, message),
            _ => None,
        };
        (decision, before)
    }

    /// The exit condition, or the answer, that ends the entry of a message of one who moved: no campaign is judged there any
    /// more, so it is asked here, of the person.
    fn exit_after_moving(&self, message: &Message) -> Option<(Reason, String)> {
        if message.staff.is_some() {
            return None;
        }
        self.record.moved_to?;
        let person = self.person()?;
        let campaign = self.rules.campaigns.get(&message.campaign)?;
        let standing = self.record.campaigns.get(&message.campaign)?;
        let entry =
            (standing.entries.iter()).find(|e| e.key == message.entry && e.state.is_open())?;
        if is_answered_by(&person, &campaign.start, &entry.key) {
            return Some((Reason::Answered, String::new()));
        }
        exits(campaign, &person, self.rules, entry, self.now)
            .into_iter()
            .find(|(_, verdict)| verdict.holds)
            .map(|(condition, _)| (Reason::Exit, condition.describe()))
    }

    pub(super) fn park(&mut self, message: &Message, reason: Reason) {
        if let Some(m) = self.record.messages.get_mut(&message.no) {
            m.parked = true;
            m.released = false;
        }
        self.log_message(message, status_of(message), reason, "");
    }

    fn put_off(&mut self, message: &Message, at: Timestamp, reason: Reason, detail: String) {
        if let Some(m) = self.record.messages.get_mut(&message.no) {
            m.not_before = at;
        }
        self.log_message(
            message,
            status_of(message),
            reason,
            format!("until {at}: {detail}"),
        );
    }

    /// The attempt begins: the message takes its place and counts as having left.
    fn begin(&mut self, message: &Message) -> Answer {
        let now = self.now;
        let Some(to) = message.to.clone().or_else(|| self.record.email.clone()) else {
            return Answer::Gone;
        };
        let mut leaving = message.clone();
        leaving.to = Some(to.clone());
        let place = self.set_place(&leaving, Some(now));
        let counted = self.count_in(message);
        let attempt = message.attempts + 1;
        let Some(m) = self.record.messages.get_mut(&message.no) else {
            return Answer::Gone;
        };
        m.before = Some(Box::new(BeforeAttempt {
            state: m.state,
            not_before: m.not_before,
            place,
            counted,
        }));
        m.attempts = attempt;
        m.state = MessageState::Attempting(attempt);
        m.to = Some(to);
        if attempt == 1 {
            m.expires = m.expires.min(now + self.rules.shop.give_up);
        }
        m.not_before = now;
        let begun = m.clone();
        let (reason, detail) = match (&message.staff, message.state) {
            (Some(staff), _) => (Reason::Notified, staff.as_str()),
            (None, MessageState::Uncertain) => (Reason::Resent, ""),
            (None, _) => (Reason::Policy, ""),
        };
        if message.staff.is_none() {
            self.record.sent.leaves(&begun, now);
            self.open_goal(&begun);
        }
        self.log_message(&begun, Status::Attempting, reason, detail);
        Answer::Attempting
    }

    /// The message's entry counts from now on; whether it did before.
    pub(super) fn count_in(&mut self, message: &Message) -> bool {
        let standing = self.record.campaigns.get_mut(&message.campaign);
        let Some(standing) = standing else {
            return true;
        };
        let sends = |e: &&mut Entry| e.sends(message.no) && !e.counted;
        let Some(entry) = standing.entries.iter_mut().find(sends) else {
            return true;
        };
        entry.counted = true;
        standing.entered += 1;
        false
    }
}

fn decide(
    record: &Record,
    boxes: &Boxes,
    rules: &Rules,
    now: Timestamp,
    message: &Message,
) -> Decision {
    let nothing_known = Mailbox::default();
    let mailbox = recipient(message, record).and_then(|to| boxes.get(&to.mailbox()));
    judge(
        message,
        record,
        mailbox.unwrap_or(&nothing_known),
        rules,
        now,
    )
}

/// The first of the customer's other messages that stands before `message` and may go now. Those that are tried again
/// stand in the same order: which of two places moves first decides whether the other may go. Transactional messages take
/// no place: they wait for none of the others, and none waits for them. `boxes` as of `mailboxes_for`.
pub fn goes_before(
    record: &Record,
    boxes: &Boxes,
    rules: &Rules,
    now: Timestamp,
    message: &Message,
) -> Option<MessageNo> {
    if message.class == Class::Transactional {
        return None;
    }
    let mut before: Vec<&Message> = (record.messages.values())
        .filter(|m| may_be_asked(m) && m.no != message.no && m.not_before <= now)
        .filter(|m| m.class != Class::Transactional && precedence(m) < precedence(message))
        .collect();
    before.sort_by(|a, b| precedence(a).cmp(&precedence(b)));
    before
        .into_iter()
        .find(|m| decide(record, boxes, rules, now, m) == Decision::Go)
        .map(|m| m.no)
}

/// The status under which a message that has not gone is logged.
pub(super) fn status_of(message: &Message) -> Status {
    match message.state {
        MessageState::Waiting => Status::Waiting,
        MessageState::Attempting(_) => Status::Attempting,
        MessageState::Retrying => Status::Retrying,
        MessageState::Uncertain => Status::Uncertain,
    }
}
