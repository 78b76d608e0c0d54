//! What edited files would do against those in force: each customer is played by both, and what differs is told by
//! campaign, with a few examples.

use super::play::Teller;
use super::told::Decision;
use crate::domain::explain::rfc3339;
use crate::domain::id::{CampaignId, CustomerId};
use crate::domain::ledger::{Reason, Status};
use crate::domain::time::{Span, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;

/// So many examples are told of each.
const EXAMPLES: usize = 5;
/// What leaves within this time leaves at once.
const AT_ONCE: Span = Span::hours(1);

/// How many customers, and some of them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Who {
    pub customers: u64,
    pub examples: Vec<CustomerId>,
}

impl Who {
    fn add(&mut self, customer: &CustomerId) {
        self.customers += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(customer.clone());
        }
    }

    fn merge(&mut self, other: Who) {
        self.customers += other.customers;
        let room = EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.into_iter().take(room));
    }
}

/// What is different for one campaign, in the time that was asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Difference {
    /// Would enter, and by the files in force would not.
    pub enter: Who,
    /// The other way round.
    pub no_longer_enter: Who,
    /// Would leave before the end, and by the files in force would not.
    pub leave: Who,
    /// Would get a mail, and by the files in force would not.
    pub mailed: Who,
    /// Those of them who would get it within the hour.
    pub mailed_at_once: Who,
    /// The other way round.
    pub no_longer_mailed: Who,
}

/// By campaign; one of which nothing differs is not named.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Differences(pub BTreeMap<CampaignId, Difference>);

/// The whole answer.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Compared {
    #[serde(serialize_with = "rfc3339")]
    pub from: Timestamp,
    #[serde(serialize_with = "rfc3339")]
    pub until: Timestamp,
    pub customers: u64,
    pub campaigns: Differences,
    /// What is in force beside the edited files, and how the forecast goes by it.
    pub notes: Vec<String>,
    pub given: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum What {
    Enters,
    Leaves,
    Mailed,
}

/// What happens to the customers of one group by one set of files: when each thing happens first.
#[derive(Default)]
pub struct Gathered(BTreeMap<(CampaignId, What, CustomerId), Timestamp>);

impl Teller for Gathered {
    fn tell(&mut self, decision: Decision) {
        let what = match decision.status {
            Status::Entered => What::Enters,
            Status::Left => What::Leaves,
            Status::Attempting if decision.reason != Reason::Notified => What::Mailed,
            _ => return,
        };
        let key = (decision.campaign, what, decision.customer);
        self.0.entry(key).or_insert(decision.at);
    }

    fn existing(&mut self, _: &CampaignId) {}
}

impl Differences {
    /// Compares a group played by the files in force, and by the edited ones from `start` on.
    pub fn add(&mut self, in_force: &Gathered, edited: &Gathered, start: Timestamp) {
        for ((campaign, what, customer), at) in &edited.0 {
            let key = (campaign.clone(), *what, customer.clone());
            if in_force.0.contains_key(&key) {
                continue;
            }
            let of = self.0.entry(campaign.clone()).or_default();
            match what {
                What::Enters => of.enter.add(customer),
                What::Leaves => of.leave.add(customer),
                What::Mailed => {
                    of.mailed.add(customer);
                    if at.since(start) <= AT_ONCE {
                        of.mailed_at_once.add(customer);
                    }
                }
            }
        }
        for (campaign, what, customer) in in_force.0.keys() {
            let key = (campaign.clone(), *what, customer.clone());
            if edited.0.contains_key(&key) {
                continue;
            }
            let of = self.0.entry(campaign.clone()).or_default();
            match what {
                What::Enters => of.no_longer_enter.add(customer),
                // Who left by the files in force and now does not, goes on: nothing new befalls them.
                What::Leaves => {}
                What::Mailed => of.no_longer_mailed.add(customer),
            }
        }
        self.0
            .retain(|_, difference| *difference != Difference::default());
    }

    pub fn merge(&mut self, other: Differences) {
        for (campaign, difference) in other.0 {
            let own = self.0.entry(campaign).or_default();
            own.enter.merge(difference.enter);
            own.no_longer_enter.merge(difference.no_longer_enter);
            own.leave.merge(difference.leave);
            own.mailed.merge(difference.mailed);
            own.mailed_at_once.merge(difference.mailed_at_once);
            own.no_longer_mailed.merge(difference.no_longer_mailed);
        }
    }
}
