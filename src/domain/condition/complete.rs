//! Absences that look past what is known. Config may say since when a kind of event is told completely; what looks further
//! back for something that did *not* happen cannot know, and holds for nobody.
//!
//! Under `not` it is the other way round: a presence is the absence then, and what cannot be known is taken to have
//! happened. Until the whole stretch is known the answer is fixed; from then on it is the plain one.

use super::{EventCondition, EventTest, Verdict};
use crate::domain::time::{Span, Timestamp};

impl EventCondition {
    /// From when on the answer is known; `None`: always. [`Timestamp::NEVER`]: never. `negated`: an odd number of `not`
    /// stands around it.
    pub fn known_from(&self, absence: bool, negated: bool) -> Option<Timestamp> {
        let since = self.complete_since.filter(|_| !self.since_entry)?;
        let reach = |reach: Option<Span>| match reach {
            Some(reach) => since.saturating_add(reach),
            None => Timestamp::NEVER,
        };
        match (&self.test, negated) {
            (_, false) if absence => Some(reach(self.within)),
            _ if absence => None,
            (EventTest::Count(range), false) => range.high.map(|_| reach(self.within)),
            (EventTest::Count(range), true) => {
                range.low.filter(|low| *low > 0).map(|_| reach(self.within))
            }
            (EventTest::Sum { is, .. }, false) => is.high.map(|_| reach(self.within)),
            (EventTest::Sum { is, .. }, true) => is.low.map(|_| reach(self.within)),
            (EventTest::Last(ages), false) => ages.low.map(|low| reach(Some(low))),
            (EventTest::Last(ages), true) => ages.high.map(|high| reach(Some(high))),
            (EventTest::First(_) | EventTest::Gap(_), _) => None,
        }
    }
}

/// The answer at `now`, where `plain` answers from what is known.
pub(super) fn as_far_as_known(
    event: &EventCondition,
    absence: bool,
    negated: bool,
    now: Timestamp,
    plain: impl Fn(Timestamp) -> Verdict,
) -> Verdict {
    let Some(known) = event.known_from(absence, negated).filter(|at| now < *at) else {
        return plain(now);
    };
    if known == Timestamp::NEVER {
        return Verdict {
            holds: negated,
            until: None,
        };
    }
    let then = plain(known);
    Verdict {
        holds: negated,
        until: match then.holds == negated {
            true => then.until,
            false => Some(known),
        },
    }
}
