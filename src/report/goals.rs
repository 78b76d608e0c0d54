//! What messages brought about by their campaigns' goals, beside those that were held out. Pure.
//!
//! A rate is of customers and not of messages, since somebody who was written to three times and ordered once is one
//! success. It counts those only with a message whose window is over: of the others, who has reached the goal early is
//! known and who won't is not, so that a young campaign would look better than it is. What left counts, refused or
//! not, since of those held out nobody knows who would have been refused.

use super::lift::Lift;
use super::rate::Rate;
use super::tally::{By, Key, Mail, key_of};
use crate::domain::goal::amount;
use crate::domain::ledger::Reason;
use crate::domain::time::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What became of a group by its campaign's goal.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct GoalReport {
    pub written_to: Reached,
    /// By the campaign's `holdout`; of a variant, by all of its step.
    pub held_out: Reached,
    /// In the control group of the whole shop; in no lift, since they lack the other campaigns, too.
    pub control: Reached,
    /// None where nobody is held out.
    pub lift: Option<Lift>,
}

/// What some customers did.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Reached {
    /// Events credited so far, less those that were undone; in windows that are open still, too.
    pub goals: u64,
    /// What they are worth together.
    pub value: f64,
    /// Customers with a message whose window is over: those of them who have reached the goal by such a one.
    pub converted: Rate,
}

#[derive(Default)]
struct Sum {
    goals: i64,
    value: i64,
    /// With a message whose window is over: whether one of these reached the goal.
    over: BTreeMap<u64, bool>,
    all: BTreeSet<u64>,
}

impl Sum {
    fn add(&mut self, mail: &Mail, now: Timestamp) {
        let Some(until) = mail.goal_until else { return };
        self.goals += mail.goals;
        self.value = self.value.saturating_add(mail.value);
        self.all.insert(mail.customer);
        if until <= now {
            *self.over.entry(mail.customer).or_default() |= mail.goals > 0;
        }
    }

    fn rate(&self, left_out: &BTreeSet<u64>) -> Rate {
        let over = (self.over.iter()).filter(|(who, _)| !left_out.contains(who));
        let (mut count, mut of) = (0, 0);
        for (_, converted) in over {
            of += 1;
            count += u64::from(*converted);
        }
        Rate::new(count, of)
    }

    fn told(&self) -> Reached {
        Reached {
            goals: u64::try_from(self.goals).unwrap_or(0),
            value: amount(self.value),
            converted: self.rate(&BTreeSet::new()),
        }
    }
}

/// All groups that have a goal.
pub(super) struct Goals {
    written_to: BTreeMap<Key, Sum>,
    /// By group, all variants together.
    arms: BTreeMap<Key, Arms>,
}

#[derive(Default)]
struct Arms {
    written_to: BTreeSet<u64>,
    held_out: Sum,
    control: Sum,
}

impl Goals {
    pub(super) fn of(mails: &[Mail], by: By, now: Timestamp) -> Goals {
        let mut goals = Goals {
            written_to: BTreeMap::new(),
            arms: BTreeMap::new(),
        };
        for mail in mails.iter().filter(|mail| mail.goal_until.is_some()) {
            let Some(key) = key_of(mail, by).filter(|_| by != By::Hours) else {
                continue;
            };
            let arms = goals.arms.entry(key.of_step()).or_default();
            match mail.held {
                Some(Reason::Control) => arms.control.add(mail, now),
                Some(_) => arms.held_out.add(mail, now),
                None if mail.sent => {
                    arms.written_to.insert(mail.customer);
                    goals.written_to.entry(key).or_default().add(mail, now);
                }
                None => {}
            }
        }
        goals
    }

    pub(super) fn report(&self, key: &Key) -> Option<GoalReport> {
        let arms = self.arms.get(&key.of_step())?;
        let nothing = Sum::default();
        let written_to = self.written_to.get(key).unwrap_or(&nothing);
        // Who was held out once and written to another time, since the share was changed, is on neither side.
        let both: BTreeSet<u64> = (arms.held_out.all)
            .intersection(&arms.written_to)
            .copied()
            .collect();
        let lift = || Lift::new(written_to.rate(&both), arms.held_out.rate(&both));
        Some(GoalReport {
            written_to: written_to.told(),
            held_out: arms.held_out.told(),
            control: arms.control.told(),
            lift: (!arms.held_out.all.is_empty()).then(lift),
        })
    }
}
