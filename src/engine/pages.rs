//! Reading customers a page at a time: all of them (who was merged into another is that one), shard by shard; or those of
//! whom messages are to go.

use super::batch::BatchError;
use super::state::CustomerState;
use crate::domain::id::{CustomerNo, MessageRef, ShardNo};
use crate::domain::record::Record;
use crate::store::codec::decode;
use crate::store::{Direction, Key, Store, Versioned, keys};

/// So many records are read at once.
pub const PAGE: usize = 1_000;

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
        // Who cannot be read is told elsewhere, and keeps nobody from being counted.
        Ok(self.next_stored().await?.map(|(_, found)| {
            let found = found.iter().map(|(_, value)| value);
            let records = found.filter_map(record_in);
            // Who was merged into another is counted as that one.
            records.filter(|r| r.moved_to.is_none()).collect()
        }))
    }

    /// The same as it is stored, with its shard.
    pub async fn next_stored(
        &mut self,
    ) -> Result<Option<(ShardNo, Vec<(Key, Versioned)>)>, BatchError> {
        let Some(shard) = self.shards.last().copied() else {
            return Ok(None);
        };
        let range = keys::records_after(shard, self.after);
        let found = self.store.scan(range, Direction::Forward, PAGE).await?;
        let last = found.last().and_then(|(key, _)| keys::read_record(key));
        if found.len() < PAGE {
            self.shards.pop();
            self.after = None;
        } else {
            self.after = last;
        }
        Ok(Some((shard, found)))
    }
}

fn record_in(value: &Versioned) -> Option<Record> {
    let state = decode::<CustomerState>(&value.value).ok()?;
    Some(state.record)
}

/// The messages of a shard that stand in its outbox or are held back.
pub async fn messages_to_go(
    store: &dyn Store,
    shard: ShardNo,
) -> Result<Vec<MessageRef>, BatchError> {
    let all = async |range| store.scan(range, Direction::Forward, usize::MAX).await;
    let outbox = all(keys::outbox_all(shard)).await?;
    let parked = all(keys::parked_all(shard)).await?;
    let outbox = outbox.iter().filter_map(|(key, _)| keys::read_outbox(key));
    let parked = parked.iter().filter_map(|(key, _)| keys::read_parked(key));
    Ok(outbox.map(|(_, message)| message).chain(parked).collect())
}

/// Their records, in their order; none of those who cannot be read.
pub async fn records_of(
    store: &dyn Store,
    customers: &[CustomerNo],
) -> Result<Vec<Option<Record>>, BatchError> {
    let wanted = customers.iter().map(|no| keys::record(*no)).collect();
    let found = store.get_many(wanted).await?;
    let found = found.iter();
    Ok(found
        .map(|value| value.as_ref().and_then(record_in))
        .collect())
}
