//! Keys of what stays of whoever was forgotten: the erasures, and keyed hashes of ids and addresses.

use super::{house, prefix, read_u64, start};
use crate::domain::id::CustomerNo;
use crate::store::port::{Key, KeyRange};

const GONE: u8 = b'g';
const ERASURES: &str = "erasure:";

/// What is known of one erasure, by its number.
pub fn erasure(no: u64) -> Key {
    let mut key = house(ERASURES);
    key.extend(no.to_be_bytes());
    key
}

pub fn erasures_all() -> KeyRange {
    prefix(house(ERASURES))
}

pub fn read_erasure(key: &[u8]) -> Option<u64> {
    read_u64(key.strip_prefix(house(ERASURES).as_slice())?)
}

/// The keyed hash of a forgotten customer's id.
pub fn forgotten_id(hash: &[u8]) -> Key {
    [house("forgotten_id:").as_slice(), hash].concat()
}

/// The keyed hash of a forgotten customer's address.
pub fn forgotten_address(hash: &[u8]) -> Key {
    [house("forgotten_address:").as_slice(), hash].concat()
}

/// Stands where the record of a forgotten customer stood: nothing is to be kept under this number again.
pub fn gone(no: CustomerNo) -> Key {
    let mut key = start(no.shard(), GONE);
    key.extend(no.0.to_be_bytes());
    key
}
