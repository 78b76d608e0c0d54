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
    /// By the beginning of the period.
    taken: Mutex<BTreeMap<(CampaignId, Option<Timestamp>), u64>>,
}

impl Drawn {
    pub fn new(stored: Quotas, start: Timestamp) -> Drawn {
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
            taken.lots.clear();
            taken.first = taken.first.or(self.start);
            let begins = period(&taken, campaign.quota(), rules, now);
            let stood = match taken.begins {
                Some(known) if begins.is_some_and(|begins| known >= begins) => taken.count,
                _ => 0,
            };
            let own = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            let of = |wanted: &Option<Timestamp>| -> u64 {
                (own.iter())
                    .filter(|((id, at), _)| {
                        *id == campaign.id && (wanted.is_none() || at == wanted)
                    })
                    .map(|(_, many)| many)
                    .sum()
            };
            let (in_period, total) = (of(&begins), of(&None));
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
                *taken.entry((id.clone(), begins)).or_default() += new.total - old;
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
