//! What became of an attempt.

use super::places::takes_place;
use super::ready::status_of;
use super::{Answer, Life};
use crate::domain::id::MessageNo;
use crate::domain::ledger::{Reason, Status};
use crate::domain::outcome::Outcome;
use crate::domain::policy::paused;
use crate::domain::record::{
    Entry, EntryState, Message, MessageState, Suppression, SuppressionCause,
};
use crate::domain::rules::InDoubt;
use crate::domain::time::Timestamp;

impl Life<'_> {
    pub(super) fn take_outcome(&mut self, no: MessageNo, attempt: u32, outcome: &Outcome) {
        let Some(message) = self.record.messages.get(&no).cloned() else {
            return;
        };
        if attempt == 0 {
            // It was not composed: nothing was attempted, and another try would end the same.
            let reason = match outcome {
                Outcome::Undeliverable { why } => Some((Reason::RenderError, why)),
                Outcome::TooFew { why } => Some((Reason::TooFewProducts, why)),
                _ => None,
            };
            if let Some((reason, why)) = reason
                && !matches!(message.state, MessageState::Attempting(_))
            {
                // While it is paused somebody may mend what it is made of.
                if let Some(reason) = paused(&message, self.rules) {
                    return self.park(&message, reason);
                }
                self.conclude(no, Status::Dropped, reason, why.clone());
            }
            return;
        }
        if message.state != MessageState::Attempting(attempt) {
            return;
        }
        match outcome {
            Outcome::Accepted { reply } => {
                self.conclude(no, Status::Accepted, Reason::Accepted, reply.clone());
            }
            Outcome::Refused {
                reply, suppress, ..
            } => {
                let reason = if *suppress {
                    Reason::DeadAddress
                } else {
                    Reason::Refused
                };
                if *suppress && let Some(to) = &message.to {
                    let now = self.now;
                    let mailbox = self.boxes.entry(to.mailbox()).or_default();
                    mailbox.suppression.get_or_insert(Suppression {
                        cause: SuppressionCause::HardBounce,
                        at: now,
                        note: reply.clone(),
                    });
                    self.record.remember_mailbox(to.mailbox());
                }
                self.conclude(no, Status::Refused, reason, reply.clone());
            }
            Outcome::TryLater { reply } => {
                let at = self.next_try(attempt);
                self.becomes(
                    &message,
                    MessageState::Retrying,
                    at,
                    Reason::TryLater,
                    reply,
                );
            }
            Outcome::Uncertain { why } => {
                if let Some(m) = self.record.messages.get_mut(&no) {
                    m.doubted = true;
                }
                let (at, reason) = match self.rules.shop.in_doubt {
                    InDoubt::Resend => (self.now + self.rules.shop.settle, Reason::InDoubt),
                    InDoubt::Hold => (Timestamp::NEVER, Reason::InDoubtHeld),
                };
                self.becomes(&message, MessageState::Uncertain, at, reason, why);
            }
            // A relay that refuses this very message each time must not be asked without end.
            Outcome::RelayFault { what, .. } => {
                let at = self.next_try(attempt);
                self.give_back(&message, at, Reason::RelayFault, what);
            }
            Outcome::NotStarted { why } => {
                self.give_back(&message, self.now, Reason::NotStarted, why);
            }
            Outcome::Undeliverable { why } | Outcome::TooFew { why } => {
                // Nothing of it left, whatever an earlier attempt did.
                self.conclude(no, Status::Dropped, Reason::Undeliverable, why.clone());
            }
        }
    }

    fn next_try(&self, attempt: u32) -> Timestamp {
        let waits = &self.rules.shop.retry;
        let nth = (attempt as usize).saturating_sub(1);
        let wait = waits.get(nth).or(waits.last()).copied().unwrap_or_default();
        self.now + wait
    }

    fn becomes(
        &mut self,
        message: &Message,
        state: MessageState,
        at: Timestamp,
        reason: Reason,
        detail: &str,
    ) {
        let gone_over = self.entry_is_over(message);
        if let Some(m) = self.record.messages.get_mut(&message.no) {
            m.state = state;
            m.not_before = at;
            m.before = None;
            let now = m.clone();
            self.log_message(&now, status_of(&now), reason, detail);
        }
        // The customer left while it was under way: it is not tried again.
        if gone_over && state == MessageState::Retrying {
            self.conclude(message.no, Status::Dropped, self.why_over(message), "");
        }
    }

    /// The attempt never reached the recipient: state and place are as before; its number is never used again.
    fn give_back(&mut self, message: &Message, at: Timestamp, reason: Reason, detail: &str) {
        let gone_over = self.entry_is_over(message);
        let Some(m) = self.record.messages.get_mut(&message.no) else {
            return;
        };
        let Some(before) = m.before.take() else {
            return;
        };
        m.state = before.state;
        m.not_before = before.not_before.max(m.due).max(at);
        let given_back = m.clone();
        self.set_place(&given_back, before.place);
        if !before.counted {
            self.uncount(&given_back);
        }
        if given_back.state == MessageState::Waiting {
            self.record.sent.came_back(given_back.no);
            self.record.goals.came_back(given_back.no);
        }
        self.log_message(&given_back, status_of(&given_back), reason, detail);
        // Room for what waits, where it held a place.
        if takes_place(&given_back, self.rules) {
            self.ask_again();
        }
        if let Some(m) = self.record.messages.get_mut(&message.no) {
            m.not_before = given_back.not_before;
        }
        if gone_over && given_back.state != MessageState::Uncertain {
            self.conclude(message.no, Status::Dropped, self.why_over(message), "");
        }
    }

    /// The message's entry, open or left meanwhile, no longer counts: nothing of it was attempted.
    fn uncount(&mut self, message: &Message) {
        let Some(standing) = self.record.campaigns.get_mut(&message.campaign) else {
            return;
        };
        let sends = |e: &Entry| matches!(&e.state, EntryState::Sending { message: m, .. } if *m == message.no);
        let left = |e: &Entry| e.key == message.entry && matches!(e.state, EntryState::Left { .. });
        let entries = &standing.entries;
        let place = (entries.iter().position(sends))
            .or_else(|| entries.iter().rposition(|e| left(e) && e.counted));
        if let Some(place) = place {
            standing.entries[place].counted = false;
            standing.entered = standing.entered.saturating_sub(1);
        }
    }

    /// Whether the message's entry ended while the message was under way.
    pub(super) fn entry_is_over(&self, message: &Message) -> bool {
        let of_customer = message.staff.is_none();
        of_customer
            && (self.record.campaigns.get(&message.campaign)).is_none_or(|standing| {
                !standing.entries.iter().any(
                |e| matches!(&e.state, EntryState::Sending { message: m, .. } if *m == message.no),
            )
            })
    }

    /// Why a message whose entry is over does not go.
    pub(super) fn why_over(&self, message: &Message) -> Reason {
        match self.rules.controls.cancelled.contains(&message.campaign) {
            true => Reason::CampaignCancelled,
            false => Reason::Exit,
        }
    }

    /// An operator settles a message in doubt, held or not.
    pub(super) fn settle_doubt(&mut self, no: MessageNo, resend: bool) -> Answer {
        let found = self.record.messages.get(&no).cloned();
        let Some(message) = found.filter(|m| m.state == MessageState::Uncertain) else {
            return Answer::Gone;
        };
        if resend {
            self.becomes(
                &message,
                MessageState::Uncertain,
                self.now,
                Reason::Operator,
                "send again",
            );
        } else {
            self.conclude(no, Status::Dropped, Reason::TakenAsSent, "");
        }
        Answer::Settled
    }
}
