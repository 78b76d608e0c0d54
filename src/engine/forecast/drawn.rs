//! Quotas in a forecast.
//!
//! The lots of a schedule are drawn as the engine draws them: whoever comes to an occurrence whose lots are not drawn waits
//! there until all others have come to it or past it ([`super::lots`]), so that who is drawn is known. Of triggers, dates,
//! and audiences that begin to hold, the first have the places; customers are played one mailbox after the other, each to
//! the end, so who comes first is not known, and how many is: of each period's places one is taken by whoever comes to it.
//! Lots go by that, too, where too many would have to wait ([`Drawn::give_up`]).

use crate::domain::campaign::{Campaign, Start};
use crate::domain::id::CampaignId;
use crate::domain::quota::{Lot, Quotas, Taken};
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;
use crate::engine::clockwork::Lowest;
use crate::engine::quotas::numbered;
use chrono::NaiveDateTime;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What has been taken so far, in the store and in the forecast.
#[derive(Default)]
pub struct Drawn {
    start: Option<Timestamp>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Of the campaigns whose lots are drawn, as the engine would have it.
    lots: Quotas,
    /// Lots are not drawn (any more).
    given_up: bool,
    /// Of the others, as it stood.
    stored: Quotas,
    taken: BTreeMap<CampaignId, Entered>,
}

/// How many entered one campaign in the forecast so far: in all, and by the beginning of the period.
#[derive(Default)]
struct Entered {
    total: u64,
    periods: BTreeMap<Option<Timestamp>, u64>,
}

/// Whether who enters is drawn by lot.
pub fn by_lot(campaign: &Campaign) -> bool {
    let numbered = campaign.quota().is_some_and(|quota| quota.is_number());
    numbered && matches!(campaign.start, Start::Scheduled(_))
}

impl Drawn {
    pub fn new(stored: Quotas, start: Timestamp) -> Drawn {
        let known = Known {
            lots: stored.clone(),
            stored,
            ..Known::default()
        };
        Drawn {
            start: Some(start),
            known: Mutex::new(known),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on lots are not drawn: how many enter is kept to, and who comes first does.
    pub fn give_up(&self) {
        let mut known = self.known();
        if !known.given_up {
            known.given_up = true;
            known.stored = std::mem::take(&mut known.lots);
        }
    }

    /// Whether the campaign's lots are drawn, so that who enters is known.
    pub fn draws(&self, campaign: &Campaign) -> bool {
        by_lot(campaign) && !self.known().given_up
    }

    /// Whether the lots of an occurrence are still to be drawn.
    pub fn is_open(&self, campaign: &Campaign, zone: &str, occurrence: NaiveDateTime) -> bool {
        let known = self.known();
        let taken = known.lots.get(&campaign.id);
        let lot = taken.and_then(|taken| taken.lots.get(zone));
        by_lot(campaign) && !known.given_up && lot.is_none_or(|lot| lot.occurrence < occurrence)
    }

    /// Draws them, at the tick at `now`.
    pub fn draw(
        &self,
        rules: &Rules,
        (campaign, zone, occurrence): (&CampaignId, &str, NaiveDateTime),
        lowest: &Lowest,
        now: Timestamp,
    ) {
        let quota = rules.campaigns.get(campaign).and_then(|c| c.quota());
        let Some(quota) = quota else { return };
        let mut known = self.known();
        let taken = known.lots.entry(campaign.clone()).or_default();
        let left = taken.left(quota, now, rules.shop.timezone);
        let upto = lowest.upto(left);
        taken.lots.insert(zone.to_owned(), Lot { occurrence, upto });
    }

    /// What stands at `now`.
    pub fn at(&self, rules: &Rules, now: Timestamp) -> Quotas {
        let mut all = Quotas::new();
        for campaign in numbered(rules) {
            let known = self.known();
            let taken = match by_lot(campaign) && !known.given_up {
                true => known.lots.get(&campaign.id).cloned().unwrap_or_default(),
                false => self.counted(&known, campaign, rules, now),
            };
            all.insert(campaign.id.clone(), taken);
        }
        all
    }

    fn counted(&self, known: &Known, campaign: &Campaign, rules: &Rules, now: Timestamp) -> Taken {
        let mut taken = known.stored.get(&campaign.id).cloned().unwrap_or_default();
        taken.lots.clear();
        taken.first = taken.first.or(self.start);
        let begins = period(&taken, campaign, rules, now);
        let stood = match taken.begins {
            Some(known) if begins.is_some_and(|begins| known >= begins) => taken.count,
            _ => 0,
        };
        let own = known.taken.get(&campaign.id);
        let (in_period, total) = own.map_or((0, 0), |entered| {
            let of = entered.periods.get(&begins);
            (of.copied().unwrap_or_default(), entered.total)
        });
        (taken.begins, taken.count) = (begins, stood.saturating_add(in_period));
        taken.total = taken.total.saturating_add(total);
        taken
    }

    /// Takes down who entered.
    pub fn take(&self, rules: &Rules, before: &Quotas, after: &Quotas, now: Timestamp) {
        for (id, new) in after {
            let old = before.get(id).map_or(0, |taken| taken.total);
            let (Some(campaign), true) = (rules.campaigns.get(id), new.total > old) else {
                continue;
            };
            let mut known = self.known();
            match (by_lot(campaign) && !known.given_up, campaign.quota()) {
                (true, Some(quota)) => {
                    let taken = known.lots.entry(id.clone()).or_default();
                    for _ in old..new.total {
                        taken.take(quota, now, rules.shop.timezone);
                    }
                }
                _ => {
                    let begins = period(new, campaign, rules, now);
                    let entered = known.taken.entry(id.clone()).or_default();
                    entered.total += new.total - old;
                    *entered.periods.entry(begins).or_default() += new.total - old;
                }
            }
        }
    }
}

fn period(taken: &Taken, campaign: &Campaign, rules: &Rules, now: Timestamp) -> Option<Timestamp> {
    taken.period_of(campaign.quota()?, now, rules.shop.timezone)
}
