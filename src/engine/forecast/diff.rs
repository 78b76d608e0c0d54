//! What edited files would do against those in force: each customer is played by both, and what differs is told by
//! campaign, with a few examples.

use super::play::Teller;
use super::told::Decision;
use crate::domain::campaign::Step;
use crate::domain::explain::rfc3339;
use crate::domain::id::{CampaignId, CustomerId, EntryKey, StepId};
use crate::domain::ledger::{Reason, Status};
use crate::domain::rules::Rules;
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
    /// How many mails or entries more, or fewer, that is in all; 0 where it is not counted.
    #[serde(skip_serializing_if = "is_none")]
    pub times: u64,
}

/// So serde wants it.
fn is_none(times: &u64) -> bool {
    *times == 0
}

impl Who {
    fn add(&mut self, customer: &CustomerId) {
        self.add_times(customer, 0);
    }

    fn add_times(&mut self, customer: &CustomerId, times: u64) {
        self.customers += 1;
        self.times += times;
        if self.examples.len() < EXAMPLES {
            self.examples.push(customer.clone());
        }
    }

    fn merge(&mut self, other: Who) {
        self.customers += other.customers;
        self.times += other.times;
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
    /// Would get a step's mail for an entry, and by the files in force would not.
    pub mailed: Who,
    /// Would get one within the hour, and by the files in force would not, or later.
    pub mailed_at_once: Who,
    /// The other way round.
    pub no_longer_mailed: Who,
    /// Would enter by both, and more often.
    pub enter_more: Who,
    /// The other way round.
    pub enter_less: Who,
    /// Would get a step's mail for an entry by both, and more often, as of a digest that everybody gets again and again.
    pub mailed_more: Who,
    /// The other way round.
    pub mailed_less: Who,
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

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum What {
    Enters,
    Leaves,
    /// The mail of one step of one entry.
    Mailed(StepId, EntryKey),
}

/// When something happens first, and how often.
#[derive(Clone, Copy)]
struct Times {
    first: Timestamp,
    many: u64,
}

/// What happens to the customers of one group by one set of files. Entries of most campaigns bear the same key, so each
/// thing is counted.
#[derive(Default)]
pub struct Gathered(BTreeMap<(CampaignId, CustomerId, What), Times>);

impl Teller for Gathered {
    fn tell(&mut self, decision: Decision) {
        let what = match (decision.status, decision.step) {
            (Status::Entered, _) => What::Enters,
            (Status::Left, _) => What::Leaves,
            (Status::Attempting, Some(step)) if decision.reason != Reason::Notified => {
                What::Mailed(step, decision.entry)
            }
            _ => return,
        };
        let once = Times {
            first: decision.at,
            many: 1,
        };
        self.add((decision.campaign, decision.customer, what), once);
    }

    fn existing(&mut self, _: &CampaignId) {}
}

impl Gathered {
    fn add(&mut self, key: (CampaignId, CustomerId, What), times: Times) {
        let found = self.0.entry(key).or_insert(Times { many: 0, ..times });
        found.first = found.first.min(times.first);
        found.many += times.many;
    }

    /// The same under the names that campaigns and steps bear by `rules`: who bears another name now is met by the same.
    pub fn named_by(self, rules: &Rules) -> Gathered {
        let mut all = Gathered::default();
        for ((campaign, customer, what), times) in self.0 {
            let campaign = rules.present_name(&campaign).clone();
            let what = match (what, rules.campaigns.get(&campaign)) {
                (What::Mailed(step, entry), Some(by)) if by.step(&step).is_none() => {
                    let was = |s: &&Step| s.renamed_from.as_ref() == Some(&step);
                    let now = by.steps.iter().find(was).map(|s| s.id.clone());
                    What::Mailed(now.unwrap_or(step), entry)
                }
                (what, _) => what,
            };
            all.add((campaign, customer, what), times);
        }
        all
    }

    /// What of this, by campaign and customer, does not happen by `other`, or less often, or only after `later` while here
    /// it is before; each with how much more often.
    fn beyond(
        &self,
        other: &Gathered,
        later: Timestamp,
    ) -> BTreeMap<(&CampaignId, &CustomerId), BTreeMap<Kind, u64>> {
        let mut found: BTreeMap<_, BTreeMap<Kind, u64>> = BTreeMap::new();
        for (key @ (campaign, customer, what), times) in &self.0 {
            let elsewhere = other.0.get(key);
            let more = times.many - times.many.min(elsewhere.map_or(0, |other| other.many));
            let mut note = |kind| {
                let kinds = found.entry((campaign, customer)).or_default();
                *kinds.entry(kind).or_default() += more;
            };
            match (what, elsewhere.is_some()) {
                (What::Enters, false) => note(Kind::Enters),
                (What::Leaves, false) => note(Kind::Leaves),
                (What::Mailed(..), false) => note(Kind::Mailed),
                (What::Enters, true) if more > 0 => note(Kind::EntersMore),
                (What::Mailed(..), true) if more > 0 => note(Kind::MailedMore),
                _ => {}
            }
            let mailed = matches!(what, What::Mailed(..));
            if mailed && times.first <= later && elsewhere.is_none_or(|other| other.first > later) {
                note(Kind::AtOnce);
            }
        }
        found
    }
}

/// In what a customer is met otherwise in a campaign, each counted once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    Enters,
    Leaves,
    Mailed,
    AtOnce,
    EntersMore,
    MailedMore,
}

impl Differences {
    /// Compares a group played by the files in force, and by the edited ones from `start` on.
    pub fn add(&mut self, in_force: &Gathered, edited: &Gathered, start: Timestamp) {
        let at_once = start + AT_ONCE;
        for ((campaign, customer), kinds) in edited.beyond(in_force, at_once) {
            let of = self.0.entry(campaign.clone()).or_default();
            for (kind, more) in kinds {
                match kind {
                    Kind::Enters => of.enter.add(customer),
                    Kind::Leaves => of.leave.add(customer),
                    Kind::Mailed => of.mailed.add(customer),
                    Kind::AtOnce => of.mailed_at_once.add(customer),
                    Kind::EntersMore => of.enter_more.add_times(customer, more),
                    Kind::MailedMore => of.mailed_more.add_times(customer, more),
                }
            }
        }
        for ((campaign, customer), kinds) in in_force.beyond(edited, at_once) {
            let of = self.0.entry(campaign.clone()).or_default();
            for (kind, more) in kinds {
                match kind {
                    Kind::Enters => of.no_longer_enter.add(customer),
                    Kind::Mailed => of.no_longer_mailed.add(customer),
                    Kind::EntersMore => of.enter_less.add_times(customer, more),
                    Kind::MailedMore => of.mailed_less.add_times(customer, more),
                    // Who left by the files in force and now does not, goes on: nothing new befalls them. What leaves
                    // later than it would have surprises nobody.
                    Kind::Leaves | Kind::AtOnce => {}
                }
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
            own.enter_more.merge(difference.enter_more);
            own.enter_less.merge(difference.enter_less);
            own.mailed_more.merge(difference.mailed_more);
            own.mailed_less.merge(difference.mailed_less);
        }
    }
}
