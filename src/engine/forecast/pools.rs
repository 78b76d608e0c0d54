//! Coupons in a forecast. Groups of customers are played by themselves, so each draws as if a pool had no end; what it has
//! is laid over the result in order of time: whoever comes when nothing is left gets no mail.

use super::summary::Counts;
use crate::domain::cause::Cause;
use crate::domain::explain::rfc3339_or_null;
use crate::domain::id::{CampaignId, PoolName};
use crate::domain::ledger::Reason;
use crate::domain::record::Record;
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;
use crate::domain::wall;
use crate::engine::coupons::left_of;
use crate::engine::shard::Refused;
use crate::store::Store;
use chrono_tz::Tz;
use serde::Serialize;
use std::collections::BTreeMap;

const MINUTE: i64 = 60_000;

/// A code that nobody has: in a forecast there is always one.
pub fn imagined(record: &Record, cause: &Cause) -> String {
    let message = match cause {
        Cause::Ready { message, .. } | Cause::Claim { message, .. } => message.0,
        _ => 0,
    };
    format!("imagined.{}.{message}", record.no.0)
}

/// How many codes are drawn, by pool, minute since 1970, and campaign.
#[derive(Default)]
pub struct Draws(BTreeMap<PoolName, BTreeMap<i64, BTreeMap<CampaignId, u64>>>);

impl Draws {
    pub fn drew(&mut self, pool: &PoolName, campaign: &CampaignId, at: Timestamp) {
        let minutes = self.0.entry(pool.clone()).or_default();
        let campaigns = minutes.entry(at.millis().div_euclid(MINUTE)).or_default();
        *campaigns.entry(campaign.clone()).or_default() += 1;
    }

    pub fn merge(&mut self, other: Draws) {
        for (pool, minutes) in other.0 {
            let own = self.0.entry(pool).or_default();
            for (minute, campaigns) in minutes {
                let own = own.entry(minute).or_default();
                for (campaign, many) in campaigns {
                    *own.entry(campaign).or_default() += many;
                }
            }
        }
    }
}

/// What is asked of one pool.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Drawn {
    pub pool: PoolName,
    /// Codes left as the forecast begins.
    pub left: u64,
    /// Messages that need one of their own.
    pub wanted: u64,
    /// Those for whom none is left.
    pub without: u64,
    /// When the first of them comes.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub dry: Option<Timestamp>,
}

/// How many codes each pool has left.
pub async fn left(store: &dyn Store, rules: &Rules) -> Result<BTreeMap<PoolName, u64>, Refused> {
    let mut left = BTreeMap::new();
    for (name, pool) in rules.pools.iter() {
        left.insert(name.clone(), left_of(store, pool).await?);
    }
    Ok(left)
}

/// Lays what the pools have over what was played: mails without a code wait, and are not sent.
pub fn lay_over(
    counts: &mut Counts,
    left: &BTreeMap<PoolName, u64>,
    from: Timestamp,
    shop: Tz,
) -> Vec<Drawn> {
    let draws = std::mem::take(&mut counts.draws);
    let mut all = Vec::new();
    for (pool, has) in left {
        let mut drawn = Drawn {
            pool: pool.clone(),
            left: *has,
            wanted: 0,
            without: 0,
            dry: None,
        };
        for (minute, campaigns) in draws.0.get(pool).into_iter().flatten() {
            let at = Timestamp(minute * MINUTE);
            for (campaign, many) in campaigns {
                let free = has.saturating_sub(drawn.wanted);
                let without = many.saturating_sub(free);
                drawn.wanted += many;
                if without == 0 {
                    continue;
                }
                drawn.without += without;
                drawn.dry.get_or_insert(at);
                // Days before the one that is asked from are not told.
                if at.millis() + MINUTE > from.millis() {
                    let day = wall::local(at, shop).date();
                    let day = counts.day(day, campaign);
                    day.sent = day.sent.saturating_sub(without);
                    *day.waits.entry(Reason::CouponsGone.code()).or_default() += without;
                }
            }
        }
        all.push(drawn);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{MINUTE, lay_over};
    use crate::domain::id::{CampaignId, PoolName};
    use crate::domain::time::Timestamp;
    use crate::engine::forecast::summary::Counts;
    use chrono_tz::Tz::UTC;
    use std::collections::BTreeMap;

    #[test]
    fn whoever_comes_when_nothing_is_left_goes_without() {
        let pool = PoolName::parse("ten").unwrap();
        let id = |name: &str| CampaignId::parse(name).unwrap();
        let (start, mut counts, mut other) =
            (1_788_000_000_000, Counts::default(), Counts::default());
        let at = |minute: i64| Timestamp(start + minute * MINUTE);
        for minute in [0, 5] {
            counts.draws.drew(&pool, &id("a"), at(minute));
            other.draws.drew(&pool, &id("b"), at(minute));
        }
        counts.merge(other);
        for campaign in ["a", "b"] {
            counts
                .day(crate::domain::wall::local(at(0), UTC).date(), &id(campaign))
                .sent = 2;
        }
        let left = BTreeMap::from([(pool, 3)]);
        let drawn = lay_over(&mut counts, &left, at(0), UTC);
        assert_eq!((drawn[0].wanted, drawn[0].without), (4, 1));
        assert_eq!(drawn[0].dry, Some(at(5)));
        let days = counts.days(None);
        let told: Vec<_> = days
            .iter()
            .map(|d| (d.counts.sent, d.counts.waits.len()))
            .collect();
        assert_eq!(told, [(2, 0), (1, 1)]);
    }
}
