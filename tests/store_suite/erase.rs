//! Erasing customers' rows: they are gone from every file, everybody else's stand as they were, while commits go on;
//! and a folder in which it was cut off opens with all that it held.

use crate::world::{append, image, open, options, run};
use reveille::store::embedded::{EmbeddedStore, Options, Progress, verify};
use reveille::store::{Batch, Store, Stream, StreamFilter};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const STREAMS: [Stream; 4] = [Stream::Events, Stream::Log, Stream::Mails, Stream::Hits];

fn quiet() -> Progress {
    Arc::new(|_: &str, _, _| ())
}

fn secret(customer: u64) -> Vec<u8> {
    format!("secret-of-{customer}-").repeat(4).into_bytes()
}

fn batch(customer: u64, round: u64) -> Batch {
    let key = [b"c".as_slice(), &customer.to_be_bytes()].concat();
    let payload = [secret(customer), round.to_be_bytes().to_vec()].concat();
    Batch {
        puts: vec![(key, payload.clone())],
        appends: (STREAMS.into_iter())
            .map(|stream| append(stream, customer, round as i64, &payload))
            .collect(),
        ..Batch::default()
    }
}

async fn fill(store: &EmbeddedStore, rounds: std::ops::Range<u64>) {
    for round in rounds {
        for customer in 0..40 {
            store.commit(batch(customer, round)).await.unwrap();
        }
    }
}

/// Files that hold these bytes as they stand.
fn holding(path: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, bytes));
        } else {
            let all = std::fs::read(&path).unwrap();
            if all.windows(bytes.len()).any(|w| w == bytes) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn what_is_erased_is_in_no_file_and_all_else_stands() {
    let folder = tempfile::tempdir().unwrap();
    let small = Options {
        seal_bytes: 100 << 10,
        journal_keep: 90 * 86_400_000,
        ..options()
    };
    let (store, _) = EmbeddedStore::open(folder.path(), small).unwrap();
    let store = Arc::new(store);
    run(fill(&store, 0..4));
    store.seal().unwrap();
    store.snapshot().unwrap();
    run(fill(&store, 4..6));
    let key = |no: u64| [b"c".as_slice(), &no.to_be_bytes()].concat();
    let gone = Batch {
        deletes: vec![key(7), key(9)],
        ..Batch::default()
    };
    run(store.commit(gone)).unwrap();
    assert!(!holding(folder.path(), &secret(7)).is_empty());
    let filter = || StreamFilter {
        customers: Some((0..40).filter(|no| ![7, 9].contains(no)).collect()),
        ..StreamFilter::default()
    };
    let rows = |stream| run(store.read_stream(stream, filter())).unwrap();
    let before = STREAMS.map(rows);
    let stop = Arc::new(AtomicBool::new(false));
    let beside = {
        let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
        std::thread::spawn(move || {
            run(async {
                let mut n = 0u64;
                while !stop.load(Ordering::Relaxed) {
                    store.commit(batch(100 + n % 50, n)).await.unwrap();
                    n += 1;
                }
                n
            })
        })
    };
    for _ in 0..3 {
        let erased = store.erase(&[7, 9], quiet()).unwrap();
        assert!(erased.journal_files > 0 && erased.snapshots > 0 || erased.rows == 0);
    }
    stop.store(true, Ordering::Relaxed);
    let committed = beside.join().unwrap();
    assert!(committed > 10, "{committed}");
    assert_eq!(holding(folder.path(), &secret(7)), [""; 0]);
    assert_eq!(holding(folder.path(), &secret(9)), [""; 0]);
    assert_eq!(STREAMS.map(rows), before);
    for stream in STREAMS {
        let theirs = StreamFilter {
            customers: Some(vec![7, 9]),
            ..StreamFilter::default()
        };
        assert_eq!(run(store.read_stream(stream, theirs)).unwrap(), []);
    }
    assert_eq!(store.verify().unwrap(), []);
    let expected = run(image(store.as_ref()));
    for customer in 0..committed.min(50) {
        assert!(expected.0.contains_key(&key(100 + customer)));
    }
    // As a crash leaves it, as a stop does, and built anew from what the pass left.
    drop(store);
    let (store, opening) = open(folder.path());
    assert!(opening.rebuilt.is_none(), "{opening}");
    assert_eq!(run(image(&store)), expected);
    store.close().unwrap();
    drop(store);
    assert_eq!(verify(folder.path()).unwrap(), []);
    std::fs::remove_dir_all(folder.path().join("sled")).unwrap();
    let (store, opening) = open(folder.path());
    assert!(opening.rebuilt.is_some());
    assert_eq!(run(image(&store)), expected);
}
