//! A batch's part in giving coupon codes: which one a message is offered, and what is written of those that are taken or
//! come back.
//!
//! What is read here is checked where something was written on it: a code's own row, and the share's. So two shards that
//! have come to the same share, or daemons to the same code, conflict, and one of them is redone.

use super::overlay::Overlay;
use super::{BatchError, Surroundings};
use crate::domain::coupon::{Pool, same, share_of};
use crate::domain::id::{PoolName, SHARDS};
use crate::engine::coupons::{GivenCode, Share};
use crate::store::codec::{decode, encode};
use crate::store::{Batch, Check, keys};
use std::collections::HashMap;
use std::sync::Arc;

/// So many codes are asked for at once.
const CHUNK: usize = 1_000;

/// What a batch has read of coupons, and changed.
#[derive(Default)]
pub(super) struct Coupons {
    shares: HashMap<(PoolName, u8), Row>,
    /// By the code as it counts.
    codes: HashMap<String, Code>,
}

struct Row {
    revision: Option<u64>,
    share: Share,
    changed: bool,
}

struct Code {
    /// The store has it as given.
    was: bool,
    /// It is given.
    given: bool,
    /// Out of which pool, where that can be told.
    pool: Option<PoolName>,
}

impl Overlay {
    /// A code of the pool that `react` asked for, if there is one. Nobody has it before the reaction takes it.
    pub(super) async fn offer(
        &mut self,
        around: &Surroundings<'_>,
        pool: &PoolName,
    ) -> Result<Option<String>, BatchError> {
        let Some(pool) = around.rules.pools.get(pool).map(Arc::clone) else {
            return Ok(None);
        };
        let own = around.shard.0;
        if let Some(code) = self.coupons.free_of(around, &pool, own).await? {
            return Ok(Some(code));
        }
        // The own share is used up: the others are gone through from here on, so that not all shards meet in the first.
        let others: Vec<u8> = (1..SHARDS as u8)
            .map(|n| (own + n) % SHARDS as u8)
            .filter(|n| pool.codes.share(*n).len() > 0)
            .collect();
        self.coupons.load(around, &pool, &others).await?;
        for share in others {
            if let Some(code) = self.coupons.free_of(around, &pool, share).await? {
                return Ok(Some(code));
            }
        }
        Ok(None)
    }

    /// What a reaction did to coupons.
    pub(super) async fn note_coupons(
        &mut self,
        around: &Surroundings<'_>,
        drawn: Option<(PoolName, String)>,
        given_back: Vec<String>,
    ) -> Result<(), BatchError> {
        for code in given_back {
            self.coupons.give_back(around, &code).await?;
        }
        if let Some((pool, code)) = drawn
            && let Some(pool) = around.rules.pools.get(&pool)
        {
            self.coupons.give(around, pool, &code).await?;
        }
        Ok(())
    }
}

impl Coupons {
    /// The first code of a share that nobody has.
    async fn free_of(
        &mut self,
        around: &Surroundings<'_>,
        pool: &Arc<Pool>,
        share: u8,
    ) -> Result<Option<String>, BatchError> {
        let places = pool.codes.share(share).len();
        if places == 0 {
            return Ok(None);
        }
        self.load(around, pool, &[share]).await?;
        let at = (pool.name.clone(), share);
        loop {
            let Some(row) = self.shares.get(&at) else {
                return Ok(None);
            };
            let free = row.share.first_free(places);
            let Some((place, code)) = free.and_then(|p| Some((p, pool.codes.at(share, p)?))) else {
                return Ok(None);
            };
            if !self.is_given(around, code).await? {
                return Ok(Some(code.to_owned()));
            }
            // It was given as another pool's.
            if let Some(row) = self.shares.get_mut(&at) {
                row.share.take(place);
                row.changed = true;
            }
        }
    }

    /// Reads shares, and makes again those that are of another list.
    async fn load(
        &mut self,
        around: &Surroundings<'_>,
        pool: &Arc<Pool>,
        shares: &[u8],
    ) -> Result<(), BatchError> {
        let wanted: Vec<u8> = (shares.iter().copied())
            .filter(|share| !self.shares.contains_key(&(pool.name.clone(), *share)))
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let keys = wanted.iter().map(|n| keys::coupon_share(&pool.name, *n));
        let found = around.store.get_many(keys.collect()).await?;
        for (share, value) in wanted.into_iter().zip(found) {
            let revision = value.as_ref().map(|v| v.revision);
            // One that cannot be read is made again like one of another list.
            let stored = value.and_then(|v| decode::<Share>(&v.value).ok());
            let current = stored.filter(|row| row.list == pool.codes.hash());
            let (row, changed) = match current {
                Some(row) => (row, false),
                None => (self.made_again(around, pool, share).await?, true),
            };
            let row = Row {
                revision,
                share: row,
                changed,
            };
            self.shares.insert((pool.name.clone(), share), row);
        }
        Ok(())
    }

    async fn made_again(
        &mut self,
        around: &Surroundings<'_>,
        pool: &Arc<Pool>,
        share: u8,
    ) -> Result<Share, BatchError> {
        let codes: Vec<&str> = pool.codes.share(share).collect();
        let mut given = Vec::with_capacity(codes.len());
        for some in codes.chunks(CHUNK) {
            let wanted = some.iter().map(|code| keys::coupon_given(code)).collect();
            let found = around.store.get_many(wanted).await?;
            for (code, stored) in some.iter().zip(found) {
                let here = self.codes.get(&same(code));
                given.push(here.map_or(stored.is_some(), |code| code.given));
            }
        }
        Ok(Share::made(pool.codes.hash(), given))
    }

    async fn is_given(
        &mut self,
        around: &Surroundings<'_>,
        code: &str,
    ) -> Result<bool, BatchError> {
        let key = same(code);
        if let Some(known) = self.codes.get(&key) {
            return Ok(known.given);
        }
        let found = around
            .store
            .get_many(vec![keys::coupon_given(code)])
            .await?;
        let Some(value) = found.into_iter().next().flatten() else {
            self.codes.insert(
                key,
                Code {
                    was: false,
                    given: false,
                    pool: None,
                },
            );
            return Ok(false);
        };
        // One that cannot be read is given all the same: it is passed by, and left as it is.
        let pool = match decode::<GivenCode>(&value.value) {
            Ok(given) => Some(given.pool),
            Err(error) => {
                tracing::error!(share = share_of(code), %error, "a coupon code is passed by: nobody else is given it");
                None
            }
        };
        let code = Code {
            was: true,
            given: true,
            pool,
        };
        self.codes.insert(key, code);
        Ok(true)
    }

    async fn give(
        &mut self,
        around: &Surroundings<'_>,
        pool: &Arc<Pool>,
        code: &str,
    ) -> Result<(), BatchError> {
        self.is_given(around, code).await?;
        if let Some(known) = self.codes.get_mut(&same(code)) {
            known.given = true;
            known.pool = Some(pool.name.clone());
        }
        self.mark(around, pool, code, true).await
    }

    async fn give_back(&mut self, around: &Surroundings<'_>, code: &str) -> Result<(), BatchError> {
        self.is_given(around, code).await?;
        if let Some(known) = self.codes.get_mut(&same(code)) {
            known.given = false;
        }
        // Its pool may be called otherwise by now, or it may stand in the list of another.
        let rules = around.rules;
        for pool in rules.pools.values() {
            self.mark(around, pool, code, false).await?;
        }
        Ok(())
    }

    /// Writes down in the share of a pool whether a code of its list is given.
    async fn mark(
        &mut self,
        around: &Surroundings<'_>,
        pool: &Arc<Pool>,
        code: &str,
        given: bool,
    ) -> Result<(), BatchError> {
        let Some(place) = pool.codes.place(code) else {
            return Ok(());
        };
        let share = share_of(code);
        self.load(around, pool, &[share]).await?;
        if let Some(row) = self.shares.get_mut(&(pool.name.clone(), share)) {
            match given {
                true => row.share.take(place),
                false => row.share.free(place),
            }
            row.changed = true;
        }
        Ok(())
    }

    /// What is to be written, each with its check.
    pub(super) fn write(self, batch: &mut Batch) {
        for ((pool, share), row) in self.shares.into_iter().filter(|(_, row)| row.changed) {
            let key = keys::coupon_share(&pool, share);
            batch.checks.push(Check {
                key: key.clone(),
                expected: row.revision,
            });
            batch.puts.push((key, encode(&row.share)));
        }
        for (code, Code { was, given, pool }) in self.codes {
            let key = keys::coupon_given(&code);
            match (was, given, pool) {
                (false, true, Some(pool)) => {
                    batch.checks.push(Check {
                        key: key.clone(),
                        expected: None,
                    });
                    batch.puts.push((key, encode(&GivenCode { pool })));
                }
                (true, false, _) => batch.deletes.push(key),
                _ => {}
            }
        }
    }
}
