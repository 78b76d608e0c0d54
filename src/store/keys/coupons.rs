//! What is given of coupon codes. It stands outside the shards and is written with checks: a code by itself, so that no
//! list, name or edit can make it two; and of each pool the share of codes that each shard takes from.

use crate::domain::coupon::same;
use crate::domain::id::PoolName;
use crate::store::port::{Key, KeyRange};

const COUPONS: u8 = 0xFC;
const GIVEN: u8 = b'g';
const SHARE: u8 = b's';

/// A code that is given.
pub fn coupon_given(code: &str) -> Key {
    let mut key = vec![COUPONS, GIVEN];
    key.extend(same(code).into_bytes());
    key
}

/// Of one share of a pool: which of its codes are given.
pub fn coupon_share(pool: &PoolName, share: u8) -> Key {
    let mut key = vec![COUPONS, SHARE];
    key.extend(pool.as_str().as_bytes());
    key.push(0);
    key.push(share);
    key
}

/// All that is kept of coupons.
pub fn coupons_all() -> KeyRange {
    super::prefix(vec![COUPONS])
}
