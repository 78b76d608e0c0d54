//! What every adapter must do: checks, epochs, appends, order, scans, filters. One function, run on each.

use crate::watched::Watched;
use crate::world::{append, everything, open, put, run};
use reveille::store::memory::MemoryStore;
use reveille::store::overlay::OverlayStore;
use reveille::store::{
    Batch, Check, Direction, KeyRange, Row, Store, StoreError, Stream, StreamFilter, Versioned,
};
use std::sync::Arc;

async fn conforms(store: Arc<dyn Store>) {
    checks(store.as_ref()).await;
    epochs(store.as_ref()).await;
    batches(store.as_ref()).await;
    scans(store.as_ref()).await;
    streams(store.as_ref()).await;
    racing(Arc::clone(&store)).await;
}

async fn get(store: &dyn Store, key: &[u8]) -> Option<Versioned> {
    store.get_many(vec![key.to_vec()]).await.unwrap().remove(0)
}

fn checked(key: &[u8], expected: Option<u64>, batch: Batch) -> Batch {
    let key = key.to_vec();
    Batch {
        checks: vec![Check { key, expected }],
        ..batch
    }
}

async fn checks(store: &dyn Store) {
    assert_eq!(get(store, b"c").await, None);
    let first = store
        .commit(checked(b"c", None, put(b"c", b"1")))
        .await
        .unwrap()
        .revision;
    let found = get(store, b"c").await.unwrap();
    assert_eq!((found.revision, found.value.as_slice()), (first, &b"1"[..]));
    let conflict = Err(StoreError::Conflict { key: b"c".to_vec() });
    assert_eq!(
        store.commit(checked(b"c", None, put(b"c", b"2"))).await,
        conflict
    );
    let mut more = put(b"other", b"x");
    more.appends.push(append(Stream::Log, 1, 1, b"never"));
    assert_eq!(
        store.commit(checked(b"c", Some(first + 1), more)).await,
        conflict
    );
    assert_eq!(
        get(store, b"other").await,
        None,
        "nothing of a failing batch is written"
    );
    let rows = store
        .read_stream(Stream::Log, StreamFilter::default())
        .await
        .unwrap();
    assert!(rows.is_empty());
    let second = store
        .commit(checked(b"c", Some(first), put(b"c", b"2")))
        .await
        .unwrap()
        .revision;
    assert!(second > first);
    let delete = Batch {
        deletes: vec![b"c".to_vec()],
        ..Batch::default()
    };
    let third = store
        .commit(checked(b"c", Some(second), delete.clone()))
        .await
        .unwrap()
        .revision;
    assert_eq!(get(store, b"c").await, None);
    assert_eq!(
        store.commit(checked(b"c", Some(second), delete)).await,
        conflict
    );
    let fourth = store
        .commit(checked(b"c", None, put(b"c", b"3")))
        .await
        .unwrap()
        .revision;
    assert!(
        fourth > third,
        "no revision comes twice, though the key was deleted meanwhile"
    );
}

async fn epochs(store: &dyn Store) {
    let epoch = store.epoch();
    for (told, fenced) in [(epoch, false), (epoch - 1, true), (epoch + 1, true)] {
        let batch = Batch {
            epochs: vec![(0, epoch), (63, told)],
            ..put(b"e", b"1")
        };
        let done = store.commit(batch).await;
        assert_eq!(done.err(), fenced.then_some(StoreError::Fenced), "{told}");
    }
}

async fn batches(store: &dyn Store) {
    store.commit(put(b"b1", b"old")).await.unwrap();
    let batch = Batch {
        puts: vec![
            (b"b1".to_vec(), b"new".to_vec()),
            (b"b2".to_vec(), b"first".to_vec()),
            (b"b2".to_vec(), b"second".to_vec()),
            (b"b3".to_vec(), Vec::new()),
        ],
        deletes: vec![b"b1".to_vec(), b"absent".to_vec()],
        ..Batch::default()
    };
    let revision = store.commit(batch).await.unwrap().revision;
    let keys = [&b"b3"[..], b"b1", b"absent", b"b2", b"b1"];
    let found = store
        .get_many(keys.iter().map(|key| key.to_vec()).collect())
        .await
        .unwrap();
    let value = |bytes: &[u8]| {
        let value = bytes.to_vec();
        Some(Versioned { revision, value })
    };
    let expected = [
        value(b""),
        value(b"new"),
        None,
        value(b"second"),
        value(b"new"),
    ];
    assert_eq!(found, expected);
    assert_eq!(store.get_many(Vec::new()).await.unwrap(), []);
    store.commit(Batch::default()).await.unwrap();
}

async fn scans(store: &dyn Store) {
    let key = |n: u16| [b"s/".to_vec(), n.to_be_bytes().to_vec()].concat();
    for chunk in 0..20u16 {
        let puts = (0..50).map(|n| (key(chunk + n * 20), vec![1]));
        store
            .commit(Batch {
                puts: puts.collect(),
                ..Batch::default()
            })
            .await
            .unwrap();
    }
    let deletes = (0..1000).filter(|n| n % 3 == 0).map(key).collect();
    store
        .commit(Batch {
            deletes,
            ..Batch::default()
        })
        .await
        .unwrap();
    let kept: Vec<u16> = (0..1000).filter(|n| n % 3 != 0).collect();
    for (from, to) in [
        (0, 1000),
        (1, 2),
        (3, 4),
        (100, 517),
        (998, 3000),
        (5, 5),
        (9, 2),
    ] {
        for limit in [0, 1, 7, 100, usize::MAX] {
            for direction in [Direction::Forward, Direction::Backward] {
                let mut wanted: Vec<_> = kept
                    .iter()
                    .filter(|n| **n >= from && **n < to)
                    .map(|n| key(*n))
                    .collect();
                if direction == Direction::Backward {
                    wanted.reverse();
                }
                wanted.truncate(limit);
                let range = KeyRange {
                    from: key(from),
                    to: key(to),
                };
                let found = store.scan(range, direction, limit).await.unwrap();
                let found: Vec<_> = found.into_iter().map(|(key, _)| key).collect();
                assert_eq!(found, wanted, "{from}..{to} {direction:?} {limit}");
            }
        }
    }
    let all = store
        .scan(everything(), Direction::Forward, usize::MAX)
        .await
        .unwrap();
    assert!(all.is_sorted_by(|a, b| a.0 < b.0) && all.len() > kept.len());
}

async fn streams(store: &dyn Store) {
    for round in 0..30i64 {
        let appends = (0..20).map(|n| {
            let stream = if n % 4 == 0 {
                Stream::Log
            } else {
                Stream::Events
            };
            append(
                stream,
                n % 7,
                round * 10,
                &[u8::try_from(round).unwrap(), n as u8],
            )
        });
        store
            .commit(Batch {
                appends: appends.collect(),
                ..Batch::default()
            })
            .await
            .unwrap();
    }
    let all = store
        .read_stream(Stream::Events, StreamFilter::default())
        .await
        .unwrap();
    assert_eq!(all.len(), 30 * 15);
    assert!(all.is_sorted_by(|a, b| a.position < b.position));
    let told: Vec<_> = all.iter().map(|row| row.payload.clone()).collect();
    assert!(
        told.is_sorted(),
        "the order of positions is that of commits"
    );
    let log = store
        .read_stream(Stream::Log, StreamFilter::default())
        .await
        .unwrap();
    assert_eq!(log.len(), 30 * 5);
    let mut positions: Vec<_> = all.iter().chain(&log).map(|row| row.position).collect();
    positions.sort_unstable();
    positions.dedup();
    assert_eq!(
        positions.len(),
        30 * 20,
        "positions are the store's, not the stream's"
    );
    let middle = all[200].position;
    for filter in [
        StreamFilter {
            customers: Some(vec![2, 3, 99]),
            ..StreamFilter::default()
        },
        StreamFilter {
            customers: Some(Vec::new()),
            ..StreamFilter::default()
        },
        StreamFilter {
            from_position: middle,
            limit: 9,
            ..StreamFilter::default()
        },
        StreamFilter {
            from_time: 50,
            to_time: 90,
            ..StreamFilter::default()
        },
        StreamFilter {
            from_time: 90,
            to_time: 50,
            ..StreamFilter::default()
        },
        StreamFilter {
            customers: Some(vec![0, 6]),
            from_position: middle,
            from_time: 10,
            to_time: 280,
            limit: 11,
        },
        StreamFilter {
            limit: 0,
            ..StreamFilter::default()
        },
    ] {
        let found = store
            .read_stream(Stream::Events, filter.clone())
            .await
            .unwrap();
        let wanted = |row: &&Row| {
            filter
                .customers
                .as_ref()
                .is_none_or(|some| some.contains(&row.customer))
                && row.position >= filter.from_position
                && row.time >= filter.from_time
                && row.time < filter.to_time
        };
        let expected: Vec<_> = all
            .iter()
            .filter(wanted)
            .take(filter.limit)
            .cloned()
            .collect();
        assert_eq!(found, expected, "{filter:?}");
    }
    assert_eq!(
        store
            .read_stream(Stream::Mails, StreamFilter::default())
            .await
            .unwrap(),
        []
    );
}

/// Sixteen committers raise one counter under a check: none of their steps may be lost.
async fn racing(store: Arc<dyn Store>) {
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut done = 0;
                while done < 10 {
                    let found = get(store.as_ref(), b"count").await;
                    let count = found.as_ref().map_or(0, |found| found.value[0]);
                    let revision = found.map(|found| found.revision);
                    let batch = checked(b"count", revision, put(b"count", &[count + 1]));
                    match store.commit(batch).await {
                        Ok(_) => done += 1,
                        Err(StoreError::Conflict { .. }) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(get(store.as_ref(), b"count").await.unwrap().value, [160]);
}

#[test]
fn memory_conforms() {
    run(conforms(Arc::new(MemoryStore::new())));
}

#[test]
fn embedded_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    run(conforms(Arc::new(store)));
}

#[test]
fn a_reopened_memory_store_fences_the_handle_before_it() {
    run(async {
        let old = MemoryStore::new();
        let new = old.reopen();
        assert!(new.epoch() > old.epoch());
        let batch = |epoch| Batch {
            epochs: vec![(1, epoch)],
            ..put(b"k", b"v")
        };
        assert_eq!(
            old.commit(batch(old.epoch())).await,
            Err(StoreError::Fenced)
        );
        new.commit(batch(new.epoch())).await.unwrap();
    });
}

/// Over an empty store, and over one that holds other keys and rows already: what stands below is neither lost nor written.
#[test]
fn an_overlay_conforms_and_never_writes_below() {
    run(async {
        conforms(Arc::new(OverlayStore::over(Arc::new(MemoryStore::new())))).await;
        let below = Watched::new();
        let filled = Batch {
            puts: (0..50).map(|n| (vec![b'z', n], vec![n])).collect(),
            appends: vec![append(Stream::Hits, 1, 1, b"below")],
            ..Batch::default()
        };
        below.commit(filled).await.unwrap();
        let before = (all_of(below.as_ref()).await, below.counts().commits);
        let overlay = Arc::new(OverlayStore::over(below.clone()));
        conforms(overlay.clone()).await;
        let own = append(Stream::Hits, 2, 2, b"here");
        let batch = Batch {
            deletes: vec![vec![b'z', 7]],
            appends: vec![own],
            ..Batch::default()
        };
        overlay.commit(batch).await.unwrap();
        assert_eq!(get(overlay.as_ref(), &[b'z', 7]).await, None);
        let hits = overlay.read_stream(Stream::Hits, StreamFilter::default());
        let hits: Vec<_> = (hits.await.unwrap().iter())
            .map(|row| row.payload.clone())
            .collect();
        assert_eq!(hits, [b"below".to_vec(), b"here".to_vec()]);
        assert_eq!(
            (all_of(below.as_ref()).await, below.counts().commits),
            before
        );
    });
}

async fn all_of(store: &dyn Store) -> Vec<(Vec<u8>, Versioned)> {
    let all = store.scan(everything(), Direction::Forward, usize::MAX);
    all.await.unwrap()
}

/// Whatever was put and deleted over whatever stood below: a scan finds what one store would that had met both.
#[test]
fn an_overlay_scans_as_one_store() {
    run(async {
        for seed in 0..60u64 {
            let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            let mut draw = |most: u64| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state % most) as u8
            };
            let (below, one) = (Arc::new(MemoryStore::new()), MemoryStore::new());
            let overlay = OverlayStore::over(below.clone());
            for n in 0..60u8 {
                let key = vec![draw(40)];
                let batch = match draw(3) {
                    0 => Batch {
                        deletes: vec![key],
                        ..Batch::default()
                    },
                    _ => put(&key, &[n]),
                };
                one.commit(batch.clone()).await.unwrap();
                match n < 30 {
                    true => below.commit(batch).await.unwrap(),
                    false => overlay.commit(batch).await.unwrap(),
                };
            }
            for _ in 0..40 {
                let (from, to) = (vec![draw(40)], vec![draw(42)]);
                let limit = match draw(4) {
                    0 => usize::MAX,
                    _ => usize::from(draw(12)),
                };
                for direction in [Direction::Forward, Direction::Backward] {
                    let range = KeyRange {
                        from: from.clone(),
                        to: to.clone(),
                    };
                    let values = |found: Vec<(Vec<u8>, Versioned)>| {
                        let found = found.into_iter();
                        found.map(|(k, v)| (k, v.value)).collect::<Vec<_>>()
                    };
                    let found = overlay.scan(range.clone(), direction, limit).await.unwrap();
                    let wanted = one.scan(range, direction, limit).await.unwrap();
                    assert_eq!(values(found), values(wanted), "seed {seed}");
                }
            }
        }
    });
}
