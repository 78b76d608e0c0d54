//! Keys of what each shard counted in each hour.

use super::{prefix, start};
use crate::domain::id::ShardNo;
use crate::store::port::{Key, KeyRange};

const HOURLY: u8 = b'h';

/// What `shard` counted in the hour of this number.
pub fn hourly(shard: ShardNo, hour: i64) -> Key {
    let mut key = start(shard, HOURLY);
    key.extend(((hour as u64) ^ (1 << 63)).to_be_bytes());
    key
}

pub fn hourly_all(shard: ShardNo) -> KeyRange {
    prefix(start(shard, HOURLY))
}

/// Those of the hours before `hour`.
pub fn hourly_before(shard: ShardNo, hour: i64) -> KeyRange {
    KeyRange {
        from: start(shard, HOURLY),
        to: hourly(shard, hour),
    }
}

pub fn read_hourly(key: &[u8]) -> Option<i64> {
    let raw = super::read_u64(key.get(2..)?)?;
    Some((raw ^ (1 << 63)) as i64)
}

#[cfg(test)]
mod tests {
    use super::{hourly, hourly_all, hourly_before, read_hourly};
    use crate::domain::id::ShardNo;

    #[test]
    fn hours_sort_and_read_back() {
        let key = |hour| hourly(ShardNo(3), hour);
        assert!(key(-1) < key(0) && key(0) < key(500_000));
        assert_eq!(read_hourly(&key(500_000)), Some(500_000));
        let (all, before) = (hourly_all(ShardNo(3)), hourly_before(ShardNo(3), 7));
        assert!(all.from <= key(-1) && key(500_000) < all.to);
        assert!(before.from <= key(6) && key(6) < before.to && key(7) >= before.to);
    }
}
