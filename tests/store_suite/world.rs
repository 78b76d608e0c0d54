//! What the store's tests share: small stores on real folders, batches, and ways to look at all that is stored.

use futures_util::FutureExt;
use reveille::store::embedded::{EmbeddedStore, Opening, Options};
use reveille::store::{
    Append, Batch, Direction, Key, KeyRange, Row, Store, StoreError, Stream, StreamFilter,
    Versioned,
};
use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};

/// Small sizes, so that a test meets files that end, seals and snapshots.
pub fn options() -> Options {
    Options {
        cache_bytes: 4 << 20,
        journal_segment_bytes: 64 << 10,
        seal_bytes: 1 << 20,
        reserve_bytes: 0,
        floor_bytes: 0,
        journal_keep: 0,
        ..Options::default()
    }
}

pub fn open(path: &Path) -> (EmbeddedStore, Opening) {
    EmbeddedStore::open(path, options()).unwrap()
}

pub fn soak() -> bool {
    std::env::var_os("REVEILLE_SOAK").is_some_and(|value| value == "1")
}

pub fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

pub fn put(key: &[u8], value: &[u8]) -> Batch {
    Batch {
        puts: vec![(key.to_vec(), value.to_vec())],
        ..Batch::default()
    }
}

pub fn append(stream: Stream, customer: u64, time: i64, payload: &[u8]) -> Append {
    Append {
        stream,
        customer,
        time,
        payload: payload.to_vec(),
    }
}

pub fn everything() -> KeyRange {
    KeyRange {
        from: Vec::new(),
        to: vec![0xff; 64],
    }
}

pub type Image = (BTreeMap<Key, Versioned>, [Vec<Row>; 3]);

/// All values and all rows.
pub async fn image(store: &dyn Store) -> Image {
    let scanned = store
        .scan(everything(), Direction::Forward, usize::MAX)
        .await
        .unwrap();
    let mut rows: [Vec<Row>; 3] = Default::default();
    for (at, stream) in [Stream::Events, Stream::Log, Stream::Mails]
        .into_iter()
        .enumerate()
    {
        rows[at] = store
            .read_stream(stream, StreamFilter::default())
            .await
            .unwrap();
    }
    (scanned.into_iter().collect(), rows)
}

pub fn commit_now(store: &dyn Store, batch: Batch) -> Result<u64, StoreError> {
    run(store
        .commit(batch)
        .map(|done| done.map(|committed| committed.revision)))
}

pub fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let dest = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &dest);
        } else {
            fs::copy(entry.path(), dest).unwrap();
        }
    }
}

/// The journal's files, oldest first.
pub fn journal(path: &Path) -> Vec<PathBuf> {
    let listing = fs::read_dir(path.join("journal")).unwrap();
    let mut found: Vec<_> = listing.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}
