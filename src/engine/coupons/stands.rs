//! How the pools stand: how many codes each has, how many are given, how many are left; and the word that is said when one
//! runs low.

use super::Share;
use crate::domain::alert::{Stock, heed_pools};
use crate::domain::campaign::{Campaign, Step};
use crate::domain::coupon::Pool;
use crate::domain::id::{CampaignId, PoolName, SHARDS};
use crate::domain::rules::Rules;
use crate::domain::time::Span;
use crate::engine::batch::BatchError;
use crate::engine::core::Core;
use crate::engine::shard::Refused;
use crate::store::codec::{decode, encode};
use crate::store::{Batch, Check, Store, StoreError, keys};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// So many codes are asked for at once.
const CHUNK: usize = 1_000;

/// Whether a pool has enough.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Plenty,
    /// Fewer are left than `warn_below`.
    Low,
    UsedUp,
}

impl Level {
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Plenty => "plenty",
            Level::Low => "low",
            Level::UsedUp => "used_up",
        }
    }
}

/// A pool as it stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PoolView {
    pub pool: PoolName,
    /// The codes that may be given.
    pub size: u64,
    /// Those of them that are given.
    pub given: u64,
    pub left: u64,
    pub level: Level,
    pub warn_below: u64,
    /// How long a code is good for.
    pub valid: Option<String>,
    pub most_each: Option<u32>,
    /// The campaigns whose messages name it.
    pub campaigns: BTreeSet<CampaignId>,
    /// Who is named in their files as to be told.
    pub owners: BTreeSet<String>,
}

/// What is watched: whether a code may have been given since the last look, and what was said of each pool.
pub struct Watch {
    moved: AtomicBool,
    said: Mutex<BTreeMap<PoolName, Level>>,
}

impl Default for Watch {
    /// The first look is at what stood before.
    fn default() -> Watch {
        Watch {
            moved: AtomicBool::new(true),
            said: Mutex::default(),
        }
    }
}

impl Watch {
    /// A code was asked for.
    pub fn moved(&self) {
        self.moved.store(true, Ordering::Relaxed);
    }
}

/// How many codes of a pool are given.
pub async fn given_of(store: &dyn Store, pool: &Pool) -> Result<u64, BatchError> {
    let shares: Vec<u8> = (0..SHARDS as u8).collect();
    let wanted = shares.iter().map(|n| keys::coupon_share(&pool.name, *n));
    let found = store.get_many(wanted.collect()).await?;
    let mut given = 0;
    for (share, value) in shares.into_iter().zip(found) {
        let row = value.and_then(|v| decode::<Share>(&v.value).ok());
        given += match row.filter(|row| row.list == pool.codes.hash()) {
            Some(row) => row.given() as u64,
            None => {
                let codes: Vec<&str> = pool.codes.share(share).collect();
                let given = given_among(store, &codes).await?;
                given.into_iter().filter(|given| *given).count() as u64
            }
        };
    }
    Ok(given)
}

/// Makes the shares of a pool again that are of another list, so that nobody has to count codes one by one any more. One
/// that is written by a shard meanwhile is left to that.
async fn make_again(store: &dyn Store, pool: &Pool) -> Result<(), BatchError> {
    let shares: Vec<u8> = (0..SHARDS as u8).collect();
    let wanted = shares.iter().map(|n| keys::coupon_share(&pool.name, *n));
    let found = store.get_many(wanted.collect()).await?;
    for (share, value) in shares.into_iter().zip(found) {
        let codes: Vec<&str> = pool.codes.share(share).collect();
        let expected = value.as_ref().map(|v| v.revision);
        let row = value.and_then(|v| decode::<Share>(&v.value).ok());
        if codes.is_empty() || row.is_some_and(|row| row.list == pool.codes.hash()) {
            continue;
        }
        let given = given_among(store, &codes).await?;
        let key = keys::coupon_share(&pool.name, share);
        let batch = Batch {
            checks: vec![Check {
                key: key.clone(),
                expected,
            }],
            puts: vec![(key, encode(&Share::made(pool.codes.hash(), given)))],
            ..Batch::default()
        };
        match store.commit(batch).await {
            Ok(_) | Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// How many codes of a pool are left.
pub async fn left_of(store: &dyn Store, pool: &Pool) -> Result<u64, BatchError> {
    let given = given_of(store, pool).await?;
    Ok((pool.codes.len() as u64).saturating_sub(given))
}

/// Which of these codes are given.
pub async fn given_among(store: &dyn Store, codes: &[&str]) -> Result<Vec<bool>, BatchError> {
    let mut given = Vec::with_capacity(codes.len());
    for some in codes.chunks(CHUNK) {
        let wanted = some.iter().map(|code| keys::coupon_given(code)).collect();
        let found = store.get_many(wanted).await?;
        // One that cannot be read is given all the same.
        given.extend(found.into_iter().map(|value| value.is_some()));
    }
    Ok(given)
}

/// The campaigns whose messages give codes of a pool.
pub(in crate::engine) fn users<'r>(
    rules: &'r Rules,
    pool: &'r PoolName,
) -> impl Iterator<Item = &'r Arc<Campaign>> {
    let names = move |step: &Step| {
        let variants = step.variants.iter().filter_map(|v| v.coupon.as_ref());
        step.coupon.iter().chain(variants).any(|name| name == pool)
    };
    (rules.campaigns.values()).filter(move |c| c.steps.iter().any(names))
}

impl Core {
    /// All pools in force, by name.
    pub async fn pools(&self) -> Result<Vec<PoolView>, Refused> {
        self.pools_by(&self.catalogue().rules).await
    }

    async fn pools_by(&self, rules: &Rules) -> Result<Vec<PoolView>, Refused> {
        let mut views = Vec::with_capacity(rules.pools.len());
        for pool in rules.pools.values() {
            let size = pool.codes.len() as u64;
            let given = given_of(&*self.store, pool).await?.min(size);
            let left = size - given;
            views.push(PoolView {
                pool: pool.name.clone(),
                size,
                given,
                left,
                level: match left {
                    0 => Level::UsedUp,
                    left if left < pool.warn_below => Level::Low,
                    _ => Level::Plenty,
                },
                warn_below: pool.warn_below,
                valid: pool.valid.map(|span: Span| span.to_string()),
                most_each: pool.most_each,
                campaigns: users(rules, &pool.name).map(|c| c.id.clone()).collect(),
                owners: users(rules, &pool.name)
                    .filter_map(|c| c.owner.clone())
                    .collect(),
            });
        }
        Ok(views)
    }

    /// Says in the log which pools have come to run low since it last did, and has their owners told, if any code may have
    /// been given since.
    pub(in crate::engine) async fn watch_pools(self: &Arc<Self>) -> Result<(), Refused> {
        if !self.coupons.moved.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let watched = self.watch().await;
        if watched.is_err() {
            self.coupons.moved();
        }
        watched
    }

    async fn watch(self: &Arc<Self>) -> Result<(), Refused> {
        let rules = Arc::clone(&self.catalogue().rules);
        for pool in rules.pools.values() {
            make_again(&*self.store, pool).await?;
        }
        let views = match rules.pools.is_empty() {
            true => Vec::new(),
            false => self.pools_by(&rules).await?,
        };
        self.say_levels(&views);
        let now = self.clock.now();
        let stock = || {
            let pools = views.iter().filter_map(|view| {
                let pool = rules.pools.get(&view.pool)?;
                Some(Stock {
                    pool,
                    left: view.left,
                })
            });
            pools.collect::<Vec<_>>()
        };
        let stood = &self.catalogue().rules.controls.alerts;
        if heed_pools(stood, stock(), now) != *stood {
            self.turn(|controls| controls.alerts = heed_pools(&controls.alerts, stock(), now))
                .await?;
        }
        Ok(())
    }

    fn say_levels(&self, views: &[PoolView]) {
        let mut said = self
            .coupons
            .said
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for PoolView {
            pool,
            level,
            left,
            size,
            ..
        } in views
        {
            let before = said.insert(pool.clone(), *level).unwrap_or(Level::Plenty);
            if *level <= before {
                continue;
            }
            match level {
                Level::Plenty => {}
                Level::Low => tracing::warn!(
                    %pool, left, size,
                    "a pool of coupons runs low; add codes to it, and `reveille reload`"
                ),
                Level::UsedUp => tracing::error!(
                    %pool, size,
                    "a pool of coupons is used up: its messages wait until they expire; add codes to it, and `reveille reload`"
                ),
            }
        }
    }
}
