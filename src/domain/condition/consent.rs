//! How old a customer's consent to a topic is: for asking again before it is too old, which laws want.
//!
//! Whether there is consent at all is [`Condition::Subscribed`](super::Condition::Subscribed)'s.

use super::evaluate::{age, stands};
use super::{Facts, Range, Verdict};
use crate::domain::id::TopicId;
use crate::domain::preference::resting_on;
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
