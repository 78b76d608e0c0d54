//! What laws want to be asked of a customer's word on a topic: how old consent is, for asking again before it is too old;
//! and whether they refused, and lately, for telling them that it was done.
//!
//! Whether there is consent at all is [`Condition::Subscribed`](super::Condition::Subscribed)'s.

use super::evaluate::{age, came_within, stands};
use super::{Facts, Range, Verdict};
use crate::domain::id::TopicId;
use crate::domain::preference::{ConsentState, consent_for, resting_on};
use crate::domain::time::{Span, Timestamp};

/// The customer is subscribed to the topic, and this is the age of the latest consent that it rests on.
#[derive(Clone, PartialEq, Debug)]
pub struct ConsentAge {
    pub topic: TopicId,
    pub age: Range<Span>,
}

impl ConsentAge {
    /// When that consent was given: by the topic's own name, or to advertising as a whole where the topic follows it.
    pub(super) fn given(&self, facts: &Facts<'_>) -> Option<Timestamp> {
        resting_on(facts.consents, Some(&self.topic), facts.topics).map(|consent| consent.at)
    }

    pub(super) fn evaluate(&self, facts: &Facts<'_>, now: Timestamp) -> Verdict {
        match self.given(facts) {
            None => stands(false),
            given => age(given, None, &self.age, now),
        }
    }
}

/// The customer's word in force on the topic is no: to the topic by name, or later to advertising as a whole.
#[derive(Clone, PartialEq, Debug)]
pub struct Refused {
    pub topic: TopicId,
    /// Said in (now - d, now].
    pub within: Option<Span>,
}

impl Refused {
    /// When they said so.
    fn said(&self, facts: &Facts<'_>) -> Option<Timestamp> {
        consent_for(facts.consents, Some(&self.topic))
            .filter(|word| word.state == ConsentState::Refused)
            .map(|word| word.at)
    }

    pub(super) fn evaluate(&self, facts: &Facts<'_>, now: Timestamp) -> Verdict {
        came_within(self.said(facts), self.within, now)
    }

    /// What it asks, in a phrase.
    pub(super) fn describe(&self) -> String {
        let within = (self.within).map_or_else(String::new, |span| format!(" in the last {span}"));
        format!("refused \"{}\"{within}", self.topic)
    }
}
