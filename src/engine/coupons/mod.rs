//! Coupons: the pools as campaign files have them, what is kept of codes that are given, and who hears of a pool that
//! runs low.
//!
//! A code is given by a row of its own, which a commit may only make where there is none: so it is never given twice,
//! whatever else is wrong. Beside it stand, of each pool, 64 rows of bits, one for each share; they say where the next
//! free code is, and can be made again from the codes' rows at any time (they are, when the list is another one). Each
//! shard takes from the share of its own number, where it meets nobody, and from the others' when that is used up.
//! Giving itself is a part of the batch that commits the customer's record ([`super::batch`]).

pub(super) mod freed;
mod pools;
pub(super) mod rehearsed;
mod stands;

pub use pools::{keep_former, pools_of, secret};
pub(in crate::engine) use stands::users;
pub use stands::{Level, PoolView, Watch, left_of};

use crate::domain::id::PoolName;
use crate::store::codec::Stored;
use serde::{Deserialize, Serialize};

/// A code is given to somebody; who it is says their record alone, so that forgetting them leaves nothing of them here.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GivenCode {
    /// Out of which pool, as it was called then.
    pub pool: PoolName,
}

impl Stored for GivenCode {
    const WHAT: &'static str = "row of a coupon code";
    const VERSION: u8 = 1;
}

/// Which codes of one share of a pool are given, by their places.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Share {
    /// The list that the places are of; 0: none, the row is to be made again.
    pub list: u64,
    taken: Vec<u8>,
}

impl Stored for Share {
    const WHAT: &'static str = "row of a pool's share";
    const VERSION: u8 = 1;
}

impl Share {
    /// The share of the list `list`, of whose codes those are given for which `given` says so.
    pub fn made(list: u64, given: impl IntoIterator<Item = bool>) -> Share {
        let mut share = Share {
            list,
            taken: Vec::new(),
        };
        for (place, given) in given.into_iter().enumerate() {
            if given {
                share.take(place);
            }
        }
        share
    }

    pub fn take(&mut self, place: usize) {
        let byte = place / 8;
        if self.taken.len() <= byte {
            self.taken.resize(byte + 1, 0);
        }
        self.taken[byte] |= 1 << (place % 8);
    }

    pub fn free(&mut self, place: usize) {
        if let Some(byte) = self.taken.get_mut(place / 8) {
            *byte &= !(1 << (place % 8));
        }
    }

    fn is_taken(&self, place: usize) -> bool {
        (self.taken.get(place / 8)).is_some_and(|byte| byte & (1 << (place % 8)) != 0)
    }

    /// The first free place of so many.
    pub fn first_free(&self, places: usize) -> Option<usize> {
        let full = self
            .taken
            .iter()
            .take_while(|byte| **byte == u8::MAX)
            .count();
        (full * 8..places).find(|place| !self.is_taken(*place))
    }

    pub fn given(&self) -> usize {
        self.taken
            .iter()
            .map(|byte| byte.count_ones() as usize)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::Share;

    #[test]
    fn places_are_taken_and_freed() {
        let mut share = Share::made(1, (0..20).map(|n| n < 17));
        assert_eq!((share.given(), share.first_free(20)), (17, Some(17)));
        for place in 17..20 {
            share.take(place);
        }
        assert_eq!((share.given(), share.first_free(20)), (20, None));
        // The list has grown.
        assert_eq!(share.first_free(21), Some(20));
        share.free(3);
        share.free(900);
        assert_eq!((share.given(), share.first_free(20)), (19, Some(3)));
        assert_eq!(Share::default().first_free(0), None);
    }
}
