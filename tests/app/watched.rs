//! A store that is watched and disturbed: it counts what is asked of it, and fails commits when a test says so.
//! Benchmarks count with it too.
#![allow(dead_code)]

use futures_util::future::{BoxFuture, FutureExt};
use reveille::domain::id::ShardNo;
use reveille::store::keys;
use reveille::store::memory::MemoryStore;
use reveille::store::{
    Batch, Committed, Direction, Key, KeyRange, Row, Store, StoreError, Stream, StreamFilter,
    Versioned,
};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// Says whether a commit is to fail, before it is made.
type Fault = Box<dyn FnMut(&Batch) -> Option<StoreError> + Send>;

/// Is told of each range that was read, and how many rows were found.
type Look = Box<dyn FnMut(&KeyRange, usize) + Send>;

/// What is to happen before a commit is made, if anything.
type Before = Box<dyn FnMut(&Batch) -> Option<BoxFuture<'static, ()>> + Send>;

/// What is to happen after keys were read, if anything.
type After = Box<dyn FnMut(&[Key]) -> Option<BoxFuture<'static, ()>> + Send>;

pub struct Watched<S = MemoryStore> {
    pub inner: S,
    after_read: Mutex<Option<After>>,
    before: Mutex<Option<Before>>,
    fault: Mutex<Option<Fault>>,
    look: Mutex<Option<Look>>,
    /// Lets others in between what a batch has read and its commit.
    pub dawdles: AtomicBool,
    /// Says of commits that they are durable and throws them away: what all but the commit costs.
    pub pretends: AtomicBool,
    pub conflicts: AtomicU64,
    pub reads: AtomicU64,
    pub keys_read: AtomicU64,
    pub scans: AtomicU64,
    pub rows_scanned: AtomicU64,
    pub streams: AtomicU64,
    pub commits: AtomicU64,
    pub keys_written: AtomicU64,
    pub hourly_rows: AtomicU64,
}

/// What was asked of a store.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    pub reads: u64,
    pub keys_read: u64,
    pub scans: u64,
    pub rows_scanned: u64,
    pub streams: u64,
    pub commits: u64,
    pub keys_written: u64,
    /// Of those, the rows of what is counted by the hour: one a batch, however many messages share it.
    pub hourly_rows: u64,
}

impl Watched {
    pub fn new() -> Arc<Watched> {
        Watched::over(MemoryStore::new())
    }

    /// The same data as another opening has it; what still runs over this one is fenced off.
    pub fn again(&self) -> Arc<Watched> {
        Watched::over(self.inner.reopen())
    }
}

impl<S: Store> Watched<S> {
    pub fn over(inner: S) -> Arc<Watched<S>> {
        Arc::new(Watched {
            inner,
            after_read: Mutex::new(None),
            before: Mutex::new(None),
            fault: Mutex::new(None),
            look: Mutex::new(None),
            dawdles: AtomicBool::new(false),
            pretends: AtomicBool::new(false),
            conflicts: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            keys_read: AtomicU64::new(0),
            scans: AtomicU64::new(0),
            rows_scanned: AtomicU64::new(0),
            streams: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            keys_written: AtomicU64::new(0),
            hourly_rows: AtomicU64::new(0),
        })
    }

    pub fn fail(&self, fault: impl FnMut(&Batch) -> Option<StoreError> + Send + 'static) {
        *self.fault.lock().unwrap() = Some(Box::new(fault));
    }

    /// Lets something happen between what a batch has read and its commit.
    pub fn before(
        &self,
        before: impl FnMut(&Batch) -> Option<BoxFuture<'static, ()>> + Send + 'static,
    ) {
        *self.before.lock().unwrap() = Some(Box::new(before));
    }

    /// Lets something happen between what was read and what is made of it.
    pub fn after_read(
        &self,
        after: impl FnMut(&[Key]) -> Option<BoxFuture<'static, ()>> + Send + 'static,
    ) {
        *self.after_read.lock().unwrap() = Some(Box::new(after));
    }

    /// Calls this after every scan.
    pub fn look(&self, look: impl FnMut(&KeyRange, usize) + Send + 'static) {
        *self.look.lock().unwrap() = Some(Box::new(look));
    }

    /// Every commit fails from now on.
    pub fn fail_all(&self, error: StoreError) {
        self.fail(move |_| Some(error.clone()));
    }

    pub fn mend(&self) {
        *self.fault.lock().unwrap() = None;
    }

    pub fn counts(&self) -> Counts {
        Counts {
            reads: self.reads.load(Relaxed),
            keys_read: self.keys_read.load(Relaxed),
            scans: self.scans.load(Relaxed),
            rows_scanned: self.rows_scanned.load(Relaxed),
            streams: self.streams.load(Relaxed),
            commits: self.commits.load(Relaxed),
            keys_written: self.keys_written.load(Relaxed),
            hourly_rows: self.hourly_rows.load(Relaxed),
        }
    }
}

impl Counts {
    pub fn calls(&self) -> u64 {
        self.reads + self.scans + self.streams + self.commits
    }

    pub fn keys(&self) -> u64 {
        self.keys_read + self.keys_written
    }
}

impl std::ops::Sub for Counts {
    type Output = Counts;
    fn sub(self, earlier: Counts) -> Counts {
        Counts {
            reads: self.reads - earlier.reads,
            keys_read: self.keys_read - earlier.keys_read,
            scans: self.scans - earlier.scans,
            rows_scanned: self.rows_scanned - earlier.rows_scanned,
            streams: self.streams - earlier.streams,
            commits: self.commits - earlier.commits,
            keys_written: self.keys_written - earlier.keys_written,
            hourly_rows: self.hourly_rows - earlier.hourly_rows,
        }
    }
}

impl<S: Store> Store for Watched<S> {
    fn epoch(&self) -> u64 {
        self.inner.epoch()
    }

    fn get_many(
        &self,
        keys: Vec<Key>,
    ) -> BoxFuture<'_, Result<Vec<Option<Versioned>>, StoreError>> {
        self.reads.fetch_add(1, Relaxed);
        self.keys_read.fetch_add(keys.len() as u64, Relaxed);
        async move {
            let found = self.inner.get_many(keys.clone()).await;
            let after = (self.after_read.lock().unwrap().as_mut()).and_then(|after| after(&keys));
            if let Some(after) = after {
                after.await;
            }
            found
        }
        .boxed()
    }

    fn scan(
        &self,
        range: KeyRange,
        direction: Direction,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(Key, Versioned)>, StoreError>> {
        self.scans.fetch_add(1, Relaxed);
        async move {
            let found = self.inner.scan(range.clone(), direction, limit).await?;
            if let Some(look) = self.look.lock().unwrap().as_mut() {
                look(&range, found.len());
            }
            self.rows_scanned.fetch_add(found.len() as u64, Relaxed);
            Ok(found)
        }
        .boxed()
    }

    fn read_stream(
        &self,
        stream: Stream,
        filter: StreamFilter,
    ) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        self.streams.fetch_add(1, Relaxed);
        self.inner.read_stream(stream, filter)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed, StoreError>> {
        async move {
            let before = (self.before.lock().unwrap().as_mut()).and_then(|before| before(&batch));
            if let Some(before) = before {
                before.await;
            }
            let error = (self.fault.lock().unwrap().as_mut()).and_then(|fault| fault(&batch));
            if let Some(error) = error {
                return Err(error);
            }
            self.commits.fetch_add(1, Relaxed);
            let hourly = |key: &Key| {
                let range = keys::hourly_all(ShardNo(key[0]));
                range.from <= *key && *key < range.to
            };
            let rows = batch.puts.iter().filter(|(key, _)| hourly(key)).count();
            self.hourly_rows.fetch_add(rows as u64, Relaxed);
            let written = batch.puts.len() + batch.deletes.len() + batch.appends.len();
            self.keys_written.fetch_add(written as u64, Relaxed);
            if self.pretends.load(Relaxed) {
                return Ok(Committed { revision: 0 });
            }
            if self.dawdles.load(Relaxed) {
                tokio::task::yield_now().await;
            }
            let committed = self.inner.commit(batch).await;
            if matches!(committed, Err(StoreError::Conflict { .. })) {
                self.conflicts.fetch_add(1, Relaxed);
            }
            committed
        }
        .boxed()
    }
}
