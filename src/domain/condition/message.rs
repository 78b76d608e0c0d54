//! Conditions on messages: whether one was sent, accepted, opened, clicked, answered, and when that was last.

use super::evaluate::came_within;
use super::explain::rough;
use super::{Facts, MessageCondition, MessageWas, Verdict};
use crate::domain::engagement::SentMessage;
use crate::domain::time::Timestamp;

impl MessageWas {
    /// As campaign files write it.
    pub const ALL: [(&'static str, MessageWas); 7] = [
        ("sent", MessageWas::Sent),
        ("accepted", MessageWas::Accepted),
        ("bounced", MessageWas::Bounced),
        ("opened", MessageWas::Opened),
        ("maybe_opened", MessageWas::MaybeOpened),
        ("clicked", MessageWas::Clicked),
        ("answered", MessageWas::Answered),
    ];

    fn text(self) -> &'static str {
        match self {
            MessageWas::Sent => "was sent",
            MessageWas::Accepted => "was accepted",
            MessageWas::Bounced => "bounced",
            MessageWas::Opened => "was opened",
            MessageWas::MaybeOpened => "was opened, perhaps by a machine",
            MessageWas::Clicked => "was clicked",
            MessageWas::Answered => "was answered",
        }
    }

    /// When this last became of `message`.
    fn last(self, message: &SentMessage) -> Option<Timestamp> {
        match self {
            MessageWas::Sent => Some(message.left),
            MessageWas::Accepted => message.accepted,
            MessageWas::Bounced => message.bounced,
            MessageWas::Opened => message.opened,
            MessageWas::MaybeOpened => message.maybe_opened,
            MessageWas::Clicked => message.clicked,
            MessageWas::Answered => message.answered(),
        }
    }
}

impl MessageCondition {
    /// The latest time at which it happened to a message that is meant.
    fn latest(&self, facts: &Facts<'_>) -> Option<Timestamp> {
        let of_entry = |m: &SentMessage| match facts.entry {
            _ if !self.of_entry => true,
            Some(entry) => m.entry.0 == entry.key && m.left >= entry.at,
            None => false,
        };
        (facts.sent.iter())
            .filter(|m| m.step == self.step && m.campaign == self.campaign && of_entry(m))
            .filter_map(|m| self.was.last(m))
            .max()
    }

    pub(super) fn evaluate(&self, facts: &Facts<'_>, now: Timestamp) -> Verdict {
        came_within(self.latest(facts), self.within, now)
    }

    /// What it asks, in a phrase.
    pub(super) fn describe(&self) -> String {
        let whose = if self.of_entry { " of this entry" } else { "" };
        let within = (self.within).map_or_else(String::new, |span| format!(" in the last {span}"));
        format!(
            "the message \"{}/{}\"{whose} {}{within}",
            self.campaign,
            self.step,
            self.was.text()
        )
    }

    /// What is so at present.
    pub(super) fn present(&self, facts: &Facts<'_>, now: Timestamp) -> String {
        match self.latest(facts) {
            Some(at) => format!("last {at}, {} ago", rough(now.since(at))),
            None => "never, as far as is remembered".to_owned(),
        }
    }
}
