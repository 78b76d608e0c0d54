//! The memory adapter: the port's meaning in its plainest form, for tests. It keeps nothing, and everything that it
//! does is done under one lock; what the embedded adapter answers must be what this one answers.

use super::port::{
    Batch, Committed, Direction, Key, KeyRange, Row, Store, StoreError, Stream, StreamFilter,
    Versioned,
};
use futures_util::future::{BoxFuture, FutureExt, ready};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
struct State {
    epoch: u64,
    revision: u64,
    position: u64,
    values: BTreeMap<Key, Versioned>,
    rows: BTreeMap<Stream, Vec<Row>>,
}

/// A store in memory. Clones share what is stored.
#[derive(Clone)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    epoch: u64,
}

impl Default for MemoryStore {
    fn default() -> Self {
        MemoryStore::new()
    }
}

impl MemoryStore {
    /// An empty store at epoch 1.
    pub fn new() -> MemoryStore {
        let state = State {
            epoch: 1,
            ..State::default()
        };
        MemoryStore {
            state: Arc::new(Mutex::new(state)),
            epoch: 1,
        }
    }

    /// The same store as another daemon would open it: at the next epoch. What this handle commits from now on for
    /// a shard is `Fenced`.
    pub fn reopen(&self) -> MemoryStore {
        let mut state = self.lock();
        state.epoch += 1;
        MemoryStore {
            state: Arc::clone(&self.state),
            epoch: state.epoch,
        }
    }

    // A panic while the lock was held cannot leave a batch half written: nothing below can fail once it writes.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn commit(&mut self, batch: Batch) -> Result<Committed, StoreError> {
        if batch.epochs.iter().any(|(_, epoch)| *epoch != self.epoch) {
            return Err(StoreError::Fenced);
        }
        for check in &batch.checks {
            if self.values.get(&check.key).map(|found| found.revision) != check.expected {
                return Err(StoreError::Conflict {
                    key: check.key.clone(),
                });
            }
        }
        self.revision += 1;
        let revision = self.revision;
        for key in batch.deletes {
            self.values.remove(&key);
        }
        for (key, value) in batch.puts {
            self.values.insert(key, Versioned { revision, value });
        }
        for append in batch.appends {
            let row = Row {
                position: self.position,
                customer: append.customer,
                time: append.time,
                payload: append.payload,
            };
            self.position += 1;
            self.rows.entry(append.stream).or_default().push(row);
        }
        Ok(Committed { revision })
    }

    fn scan(&self, range: KeyRange, direction: Direction, limit: usize) -> Vec<(Key, Versioned)> {
        if range.from >= range.to {
            return Vec::new();
        }
        let found = self
            .values
            .range(range.from..range.to)
            .map(|(key, value)| (key.clone(), value.clone()));
        match direction {
            Direction::Forward => found.take(limit).collect(),
            Direction::Backward => found.rev().take(limit).collect(),
        }
    }

    fn read(&self, stream: Stream, filter: &StreamFilter) -> Vec<Row> {
        let Some(rows) = self.rows.get(&stream) else {
            return Vec::new();
        };
        rows.iter()
            .filter(|row| filter.takes(row.position, row.customer, row.time))
            .take(filter.limit)
            .cloned()
            .collect()
    }
}

impl Store for MemoryStore {
    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn get_many(
        &self,
        keys: Vec<Key>,
    ) -> BoxFuture<'_, Result<Vec<Option<Versioned>>, StoreError>> {
        let state = self.lock();
        let found = keys.iter().map(|key| state.values.get(key).cloned());
        ready(Ok(found.collect())).boxed()
    }

    fn scan(
        &self,
        range: KeyRange,
        direction: Direction,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(Key, Versioned)>, StoreError>> {
        ready(Ok(self.lock().scan(range, direction, limit))).boxed()
    }

    fn read_stream(
        &self,
        stream: Stream,
        filter: StreamFilter,
    ) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        ready(Ok(self.lock().read(stream, &filter))).boxed()
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed, StoreError>> {
        // Lazily, as the embedded adapter does: a future that is never awaited commits nothing.
        async move { self.lock().commit(batch) }.boxed()
    }
}
