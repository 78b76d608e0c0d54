//! Quotas in a forecast. Customers are played one mailbox after the other, each to the end, so who would be drawn is not
//! known; how many is: of each period's places one is taken by whoever comes to it.

use crate::domain::id::CampaignId;
use crate::domain::quota::{Quotas, Taken};
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;
use crate::engine::quotas::numbered;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What has been taken so far, in the store and in the forecast.
#[derive(Default)]
pub struct Drawn {
    start: Option<Timestamp>,
    stored: Quotas,
    taken: Mutex<BTreeMap<CampaignId, Entered>>,
}

/// How many entered one campaign in the forecast so far: in all, and by the beginning of the period.
#[derive(Default)]
struct Entered {
    total: u64,
    periods: BTreeMap<Option<Timestamp>, u64>,
}

impl Drawn {
    pub fn new(mut stored: Quotas, start: Timestamp) -> Drawn {
        for taken in stored.values_mut() {
            taken.lots.clear();
        }
        Drawn {
            start: Some(start),
            stored,
            taken: Mutex::default(),
        }
    }

    /// What stands at `now`.
    pub fn at(&self, rules: &Rules, now: Timestamp) -> Quotas {
        let mut all = Quotas::new();
        for campaign in numbered(rules) {
            let mut taken = self.stored.get(&campaign.id).cloned().unwrap_or_default();
            taken.first = taken.first.or(self.start);
            let begins = period(&taken, campaign.quota(), rules, now);
            let stood = match taken.begins {
                Some(known) if begins.is_some_and(|begins| known >= begins) => taken.count,
                _ => 0,
            };
            let own = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            let (in_period, total) = own.get(&campaign.id).map_or((0, 0), |entered| {
                let of = entered.periods.get(&begins);
                (of.copied().unwrap_or_default(), entered.total)
            });
            drop(own);
            (taken.begins, taken.count) = (begins, stood.saturating_add(in_period));
            taken.total = taken.total.saturating_add(total);
            all.insert(campaign.id.clone(), taken);
        }
        all
    }

    /// Takes down who entered.
    pub fn take(&self, rules: &Rules, before: &Quotas, after: &Quotas, now: Timestamp) {
        for (id, new) in after {
            let old = before.get(id).map_or(0, |taken| taken.total);
            let campaign = rules.campaigns.get(id);
            let begins = period(new, campaign.and_then(|c| c.quota()), rules, now);
            if new.total > old {
                let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
                let entered = taken.entry(id.clone()).or_default();
                entered.total += new.total - old;
                *entered.periods.entry(begins).or_default() += new.total - old;
            }
        }
    }
}

fn period(
    taken: &Taken,
    quota: Option<&crate::domain::quota::Quota>,
    rules: &Rules,
    now: Timestamp,
) -> Option<Timestamp> {
    taken.period_of(quota?, now, rules.shop.timezone)
}
