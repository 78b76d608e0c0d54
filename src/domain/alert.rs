//! What the owners of campaigns are to hear of beside breakers: a campaign that waits for approval, a pool of coupons that
//! runs low. Here is which cases stand, since when, and who was told of them; telling is the engine's.
//!
//! A case is told once. It ends when what it speaks of is over, and only then may another of the same kind begin.

use super::coupon::Pool;
use super::id::{CampaignId, PoolName};
use super::rules::Controls;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use xxhash_rust::xxh3::xxh3_64;

/// What is the matter.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Case {
    /// More would enter the campaign at once than may without approval.
    Enters(CampaignId),
    /// An edit of its steps would move more on at once (under way, or finished) than may be without approval.
    GoesOn(CampaignId),
    /// The pool has fewer codes left than its `warn_below`.
    Low(PoolName),
    /// The pool has none left.
    UsedUp(PoolName),
}

impl Case {
    fn is_of_pool(&self) -> bool {
        matches!(self, Case::Low(_) | Case::UsedUp(_))
    }
}

/// A case that stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Alert {
    pub at: Timestamp,
    /// Of a pool: its list and limit. While they are the same, a code that comes back ends nothing, or the next one given
    /// would be told again.
    pub of: u64,
    /// Keyed hashes of the addresses that were told.
    pub told: BTreeSet<u64>,
}

impl Alert {
    fn begun(at: Timestamp, of: u64) -> Alert {
        Alert {
            at,
            of,
            told: BTreeSet::new(),
        }
    }
}

/// Those that stand.
pub type Alerts = BTreeMap<Case, Alert>;

/// How a pool stands.
#[derive(Clone, Copy)]
pub struct Stock<'a> {
    pub pool: &'a Pool,
    pub left: u64,
}

impl Stock<'_> {
    /// Whether fewer are left than the pool's file wants, or none.
    pub fn is_low(&self) -> bool {
        self.left == 0 || self.left < self.pool.warn_below
    }

    fn of(&self) -> u64 {
        let parts = [self.pool.codes.hash(), self.pool.warn_below];
        xxh3_64(&parts.map(u64::to_le_bytes).concat())
    }
}

impl Controls {
    /// Begins and ends cases of campaigns that wait for approval, as the controls stand now.
    pub fn heed_approvals(&mut self, now: Timestamp) {
        let mut stand = BTreeSet::new();
        let entering = self.activations.iter().filter(|(_, a)| a.awaiting_approval);
        stand.extend(entering.map(|(id, _)| Case::Enters(id.clone())));
        let going_on = self.moved.iter().filter(|(_, a)| a.waiting.is_some());
        stand.extend(going_on.map(|(id, _)| Case::GoesOn(id.clone())));
        let cancelled = &self.cancelled;
        stand.retain(|case| match case {
            Case::Enters(id) | Case::GoesOn(id) => !cancelled.contains(id),
            Case::Low(_) | Case::UsedUp(_) => false,
        });
        let alerts = &mut self.alerts;
        alerts.retain(|case, _| case.is_of_pool() || stand.contains(case));
        for case in stand {
            alerts.entry(case).or_insert_with(|| Alert::begun(now, 0));
        }
    }

    /// A renamed campaign waits on: nobody is told anew.
    pub fn rename_alerts(&mut self, old: &CampaignId, new: &CampaignId) {
        for case in [Case::Enters, Case::GoesOn] {
            if let Some(alert) = self.alerts.remove(&case(old.clone())) {
                self.alerts.insert(case(new.clone()), alert);
            }
        }
    }
}

/// What makes a case of a pool.
type Kind = fn(PoolName) -> Case;

/// The cases that stand once pools are known to stand so: of pools that are gone none.
pub fn heed_pools<'a>(
    alerts: &Alerts,
    pools: impl IntoIterator<Item = Stock<'a>>,
    now: Timestamp,
) -> Alerts {
    let of_pools = |case: &Case| case.is_of_pool();
    let (mut before, mut stand): (Alerts, Alerts) = (alerts.iter())
        .map(|(case, alert)| (case.clone(), alert.clone()))
        .partition(|(case, _)| of_pools(case));
    for stock in pools {
        let pool = stock.pool;
        let kinds: [(Kind, bool); 2] =
            [(Case::Low, stock.is_low()), (Case::UsedUp, stock.left == 0)];
        for (case, stands) in kinds {
            let own = case(pool.name.clone());
            let former = pool.renamed_from.clone().map(case);
            let known = (before.remove(&own)).or_else(|| before.remove(&former?));
            let alert = match known {
                Some(known) if stands => Alert {
                    of: stock.of(),
                    ..known
                },
                Some(known) if known.of == stock.of() => known,
                None if stands => Alert::begun(now, stock.of()),
                Some(_) | None => continue,
            };
            stand.insert(own, alert);
        }
    }
    stand
}

#[cfg(test)]
mod tests {
    use super::{Alerts, Case, Stock, heed_pools};
    use crate::domain::coupon::{Codes, Pool};
    use crate::domain::id::PoolName;
    use crate::domain::time::Timestamp;

    fn pool(name: &str, codes: usize, renamed_from: Option<&str>) -> Pool {
        let codes: Vec<String> = (0..codes).map(|n| format!("C{n}")).collect();
        Pool {
            name: PoolName::parse(name).unwrap(),
            codes: Codes::of(codes.iter().map(String::as_str)),
            valid: None,
            most_each: None,
            warn_below: 3,
            renamed_from: renamed_from.map(|name| PoolName::parse(name).unwrap()),
        }
    }

    /// What stands after each look, as `low` or `used up` and since when.
    fn looks(looks: &[(&Pool, u64)]) -> Vec<Vec<String>> {
        let mut alerts = Alerts::new();
        let mut said = Vec::new();
        for (at, (pool, left)) in looks.iter().enumerate() {
            let (pool, left) = (*pool, *left);
            alerts = heed_pools(&alerts, [Stock { pool, left }], Timestamp(at as i64));
            let line = |(case, alert): (&Case, &super::Alert)| match case {
                Case::Low(name) => format!("{name} low {}", alert.at.0),
                Case::UsedUp(name) => format!("{name} used up {}", alert.at.0),
                other => panic!("{other:?}"),
            };
            said.push(alerts.iter().map(line).collect());
        }
        said
    }

    #[test]
    fn a_code_that_comes_back_ends_no_case_and_a_longer_list_does() {
        let (ten, twenty) = (pool("p", 10, None), pool("p", 20, None));
        let said = looks(&[
            (&ten, 3),
            (&ten, 2),
            (&ten, 3),
            (&ten, 0),
            (&ten, 1),
            (&twenty, 2),
            (&twenty, 3),
            (&ten, 0),
            (&twenty, 10),
            (&twenty, 2),
        ]);
        let said: Vec<String> = said.iter().map(|all| all.join(", ")).collect();
        assert_eq!(
            said,
            [
                "",
                "p low 1",
                "p low 1",
                "p low 1, p used up 3",
                "p low 1, p used up 3",
                // More were added: that they are used up is over, and that they are few is not.
                "p low 1",
                "p low 1",
                "p low 1, p used up 7",
                "",
                "p low 9",
            ]
        );
    }

    #[test]
    fn a_renamed_pool_is_the_same_case_and_one_that_is_gone_is_none() {
        let (old, new) = (pool("old", 10, None), pool("new", 10, Some("old")));
        let said = looks(&[(&old, 1), (&new, 1), (&old, 9)]);
        assert_eq!(said, [vec!["old low 0"], vec!["new low 0"], vec![]]);
    }
}
