//! Reading every customer once (who was merged into another is that one), a page at a time, shard by shard.

use super::batch::BatchError;
use super::state::CustomerState;
use crate::domain::id::{CustomerNo, ShardNo};
use crate::domain::record::Record;
use crate::store::codec::decode;
use crate::store::{Direction, Store, keys};

/// So many records are read at once.
const PAGE: usize = 1_000;

pub struct RecordPages<'a> {
    store: &'a dyn Store,
    shards: Vec<ShardNo>,
    /// The last one read of the shard that is read now.
    after: Option<CustomerNo>,
}

impl RecordPages<'_> {
    pub fn of(store: &dyn Store) -> RecordPages<'_> {
        let mut shards: Vec<ShardNo> = ShardNo::all().collect();
        shards.reverse();
        RecordPages {
            store,
            shards,
            after: None,
        }
    }

    /// The next page; `None` when all were read. A page may be empty; customers who cannot be read are passed by.
    pub async fn next(&mut self) -> Result<Option<Vec<Record>>, BatchError> {
        let Some(shard) = self.shards.last() else {
            return Ok(None);
        };
        let range = keys::records_after(*shard, self.after);
        let found = self.store.scan(range, Direction::Forward, PAGE).await?;
        let mut records = Vec::with_capacity(found.len());
        for (_, value) in &found {
            // Who cannot be read is told elsewhere, and keeps nobody from being counted.
            let state = decode::<CustomerState>(&value.value).ok();
            // Who was merged into another is counted as that one.
            records.extend(state.map(|s| s.record).filter(|r| r.moved_to.is_none()));
        }
        let last = found.last().and_then(|(key, _)| keys::read_record(key));
        if found.len() < PAGE {
            self.shards.pop();
            self.after = None;
        } else {
            self.after = last;
        }
        Ok(Some(records))
    }
}
