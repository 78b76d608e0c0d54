//! The overlay adapter: reads through to another store and keeps its writes to itself, in memory. For forecasts and dry
//! runs on real data that must change nothing.
//!
//! It is no snapshot: what others write below is seen where nothing was written here. Rows that are appended here stand
//! behind every row below, from [`OWN_ROWS`] on; so an overlay lies over a store, not over another overlay.

use super::port::{
    Append, Batch, Committed, Direction, Key, KeyRange, Row, Store, StoreError, Stream,
    StreamFilter, Versioned,
};
use futures_util::future::{BoxFuture, FutureExt};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::RwLock;

/// The position of the first row that was appended here; no store below has ever so many.
pub const OWN_ROWS: u64 = 1 << 62;

#[derive(Default)]
struct Own {
    /// The revision of the latest commit.
    revision: u64,
    /// What was put here, or (`None`) deleted.
    values: BTreeMap<Key, Option<Versioned>>,
    rows: BTreeMap<Stream, Vec<Row>>,
    appended: u64,
}

/// A store over another one. Nothing that is done to it reaches the one below.
pub struct OverlayStore {
    below: Arc<dyn Store>,
    own: RwLock<Own>,
}

impl OverlayStore {
    pub fn over(below: Arc<dyn Store>) -> OverlayStore {
        OverlayStore {
            below,
            own: RwLock::default(),
        }
    }

    /// What stands under each key, here or below.
    async fn stands(
        &self,
        own: &Own,
        keys: Vec<Key>,
    ) -> Result<Vec<Option<Versioned>>, StoreError> {
        let known: Vec<Option<Option<Versioned>>> = keys
            .iter()
            .map(|key| own.values.get(key).cloned())
            .collect();
        let unknown: Vec<Key> = (keys.into_iter().zip(&known))
            .filter(|(_, known)| known.is_none())
            .map(|(key, _)| key)
            .collect();
        let below = match unknown.is_empty() {
            true => Vec::new(),
            false => self.below.get_many(unknown).await?,
        };
        let mut below = below.into_iter();
        let found = known.into_iter();
        Ok(found
            .map(|known| known.unwrap_or_else(|| below.next().flatten()))
            .collect())
    }
}

impl Own {
    fn write(&mut self, batch: Batch, revision: u64) {
        self.revision = revision;
        for key in batch.deletes {
            self.values.insert(key, None);
        }
        for (key, value) in batch.puts {
            self.values.insert(key, Some(Versioned { revision, value }));
        }
        for Append {
            stream,
            customer,
            time,
            payload,
        } in batch.appends
        {
            let row = Row {
                position: OWN_ROWS + self.appended,
                customer,
                time,
                payload,
            };
            self.appended += 1;
            self.rows.entry(stream).or_default().push(row);
        }
    }

    /// The own keys of a range, deleted ones too, in the order of `direction`.
    fn in_range(&self, range: &KeyRange, direction: Direction) -> Vec<(Key, Option<Versioned>)> {
        if range.from >= range.to {
            return Vec::new();
        }
        let found = self.values.range(range.from.clone()..range.to.clone());
        let found = found.map(|(key, value)| (key.clone(), value.clone()));
        match direction {
            Direction::Forward => found.collect(),
            Direction::Backward => found.rev().collect(),
        }
    }
}

impl Store for OverlayStore {
    fn epoch(&self) -> u64 {
        self.below.epoch()
    }

    fn get_many(
        &self,
        keys: Vec<Key>,
    ) -> BoxFuture<'_, Result<Vec<Option<Versioned>>, StoreError>> {
        async move {
            let own = self.own.read().await;
            self.stands(&own, keys).await
        }
        .boxed()
    }

    fn scan(
        &self,
        range: KeyRange,
        direction: Direction,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(Key, Versioned)>, StoreError>> {
        async move {
            let own = self.own.read().await;
            let first = |a: &Key, b: &Key| match direction {
                Direction::Forward => a < b,
                Direction::Backward => a > b,
            };
            let mut mine = own.in_range(&range, direction).into_iter().peekable();
            let mut rest = range;
            let mut found = Vec::new();
            while found.len() < limit {
                // What is deleted here hides as many of those below: a part that falls short is followed by another.
                let wanted = limit - found.len();
                let part = self.below.scan(rest.clone(), direction, wanted).await?;
                let last_part = part.len() < wanted;
                for (key, value) in part {
                    while let Some((own_key, own_value)) =
                        mine.next_if(|(own_key, _)| first(own_key, &key))
                    {
                        found.extend(own_value.map(|value| (own_key, value)));
                    }
                    match mine.next_if(|(own_key, _)| *own_key == key) {
                        Some((key, own_value)) => found.extend(own_value.map(|v| (key, v))),
                        None => found.push((key.clone(), value)),
                    }
                    match direction {
                        Direction::Forward => rest = rest.after(key),
                        Direction::Backward => rest.to = key,
                    }
                }
                if last_part {
                    found.extend(mine.filter_map(|(key, value)| Some((key, value?))));
                    break;
                }
            }
            found.truncate(limit);
            Ok(found)
        }
        .boxed()
    }

    fn read_stream(
        &self,
        stream: Stream,
        filter: StreamFilter,
    ) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        async move {
            let own = self.own.read().await;
            let mut found = self.below.read_stream(stream, filter.clone()).await?;
            let mine = own.rows.get(&stream).into_iter().flatten();
            let mine = mine.filter(|row| filter.takes(row.position, row.customer, row.time));
            let room = filter.limit - found.len();
            found.extend(mine.take(room).cloned());
            Ok(found)
        }
        .boxed()
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed, StoreError>> {
        async move {
            let epoch = self.epoch();
            if batch.epochs.iter().any(|(_, told)| *told != epoch) {
                return Err(StoreError::Fenced);
            }
            let mut own = self.own.write().await;
            let touched = (batch.checks.iter().map(|check| &check.key))
                .chain(batch.puts.iter().map(|(key, _)| key))
                .chain(&batch.deletes);
            let stands = self.stands(&own, touched.cloned().collect()).await?;
            for (check, found) in batch.checks.iter().zip(&stands) {
                if found.as_ref().map(|found| found.revision) != check.expected {
                    return Err(StoreError::Conflict {
                        key: check.key.clone(),
                    });
                }
            }
            // Above whatever these keys had below, so that none is met twice.
            let highest = stands.iter().flatten().map(|found| found.revision).max();
            let revision = own.revision.max(highest.unwrap_or(0)) + 1;
            own.write(batch, revision);
            Ok(Committed { revision })
        }
        .boxed()
    }
}
