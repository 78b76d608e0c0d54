//! What goes on beside commits: sealing, snapshots, dropping the journal, many reopenings, and how fast it all is.

use crate::world::{append, image, open, options, run, soak};
use reveille::store::embedded::{EmbeddedStore, Options, Probe, restore, verify};
use reveille::store::{Batch, Store, Stream, StreamFilter};
use std::sync::Arc;
use std::time::Duration;

fn batch(committer: u64, round: u64, events: u64) -> Batch {
    let customer = |n: u64| (committer * 7919 + round * 104_729 + n * 31) % 20_000;
    let payload = [7u8; 120];
    Batch {
        puts: (0..events)
            .map(|n| (customer(n).to_be_bytes().to_vec(), vec![round as u8; 280]))
            .collect(),
        appends: (0..events)
            .map(|n| append(Stream::Events, customer(n), round as i64, &payload))
            .collect(),
        ..Batch::default()
    }
}

async fn load(store: Arc<EmbeddedStore>, committers: u64, rounds: u64, events: u64) {
    let tasks: Vec<_> = (0..committers)
        .map(|committer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for round in 0..rounds {
                    store.commit(batch(committer, round, events)).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn the_journal_goes_when_two_snapshots_stand_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let small = Options {
        seal_bytes: 200 << 10,
        snapshot_bytes: 2 << 20,
        ..options()
    };
    let (store, _) = EmbeddedStore::open(folder.path(), small).unwrap();
    let store = Arc::new(store);
    run(load(Arc::clone(&store), 8, 10, 100));
    let before = store.stats();
    assert!(before.journal_bytes > 2 << 20);
    // A snapshot's position is sled's, which may lag; so some are taken, with commits between them.
    for n in 0..50 {
        run(store.commit(batch(9, n, 1))).unwrap();
        store.snapshot().unwrap();
        // Left are the file being written and the one before it.
        if store.stats().journal_files <= 2 {
            break;
        }
    }
    let expected = run(image(store.as_ref()));
    let two = store.stats();
    assert!(two.journal_files <= 2, "{two:?}");
    assert!(two.journal_bytes < before.journal_bytes / 4, "{two:?}");
    assert_eq!(
        std::fs::read_dir(folder.path().join("snapshots"))
            .unwrap()
            .count(),
        2
    );
    assert_eq!(two.hot_rows, 0);
    assert_eq!(store.verify().unwrap(), []);
    store.close().unwrap();
    drop(store);
    assert_eq!(verify(folder.path()).unwrap(), []);
    std::fs::remove_dir_all(folder.path().join("sled")).unwrap();
    let (store, opening) = open(folder.path());
    assert!(opening.rebuilt.is_some());
    assert_eq!(run(image(&store)), expected);
}

#[test]
fn many_reopenings_keep_everything_and_little_else() {
    let folder = tempfile::tempdir().unwrap();
    let rounds = if soak() { 50 } else { 10 };
    let mut rows = 0;
    let mut epoch = 0;
    for round in 0..rounds {
        let (store, opening) = open(folder.path());
        assert_eq!(
            opening.clean,
            round > 0 && round % 2 == 0,
            "{round}: {opening}"
        );
        assert!(opening.epoch > epoch);
        epoch = opening.epoch;
        let (values, [events, _, _]) = run(image(&store));
        assert_eq!(events.len(), rows);
        assert_eq!(values.len(), usize::from(round > 0) * 50 * round.min(1));
        let store = Arc::new(store);
        let puts = (0..50u64).map(|n| (n.to_be_bytes().to_vec(), vec![round as u8]));
        let appends = (0..40).map(|n| append(Stream::Events, n % 5, round as i64, &[1; 20]));
        let both = Batch {
            puts: puts.collect(),
            appends: appends.collect(),
            ..Batch::default()
        };
        run(store.commit(both)).unwrap();
        rows += 40;
        if round % 2 == 1 {
            store.close().unwrap();
        }
        assert!(store.stats().segments <= 8, "small segments are merged");
    }
}

#[test]
fn one_customer_among_many_segments_is_found_by_statistics() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    run(async {
        for round in 0..12u64 {
            let appends = (0..2_000).map(|n| append(Stream::Events, n, round as i64, &[3; 300]));
            store
                .commit(Batch {
                    appends: appends.collect(),
                    ..Batch::default()
                })
                .await
                .unwrap();
            store.seal().unwrap();
        }
        for customer in [0, 1_234, 1_999, 2_000] {
            let filter = StreamFilter {
                customers: Some(vec![customer]),
                ..StreamFilter::default()
            };
            let found = store.read_stream(Stream::Events, filter).await.unwrap();
            let times: Vec<_> = found.iter().map(|row| row.time).collect();
            let expected: Vec<_> = if customer < 2_000 {
                (0..12).collect()
            } else {
                Vec::new()
            };
            assert_eq!(times, expected);
        }
    });
    assert!(store.stats().segments > 1);
}

#[test]
fn a_backup_taken_under_load_is_one_instant_of_the_store() {
    let scene = tempfile::tempdir().unwrap();
    let (store, _) = open(&scene.path().join("store"));
    let store = Arc::new(store);
    run(async {
        let committers: Vec<_> = (0..4u64)
            .map(|committer| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    for n in 1..=400i64 {
                        let both = Batch {
                            puts: vec![(
                                committer.to_be_bytes().to_vec(),
                                n.to_be_bytes().to_vec(),
                            )],
                            appends: vec![append(Stream::Log, committer, n, &[1; 200])],
                            ..Batch::default()
                        };
                        store.commit(both).await.unwrap();
                    }
                })
            })
            .collect();
        let keeper = Arc::clone(&store);
        let root = scene.path().to_owned();
        let backups = tokio::task::spawn_blocking(move || {
            for n in 0..4 {
                let sealing = Arc::clone(&keeper);
                let sealing = std::thread::spawn(move || sealing.seal().unwrap());
                keeper.backup(&root.join(format!("backup-{n}"))).unwrap();
                sealing.join().unwrap();
                if n == 1 {
                    keeper.snapshot().unwrap();
                }
            }
        });
        backups.await.unwrap();
        for committer in committers {
            committer.await.unwrap();
        }
    });
    for n in 0..4 {
        let path = scene.path().join(format!("restored-{n}"));
        restore(&scene.path().join(format!("backup-{n}")), &path).unwrap();
        assert_eq!(verify(&path).unwrap(), []);
        let (store, opening) = open(&path);
        assert!(opening.held.is_some() && opening.cut == 0, "{opening}");
        let (values, [_, log, _]) = run(image(&store));
        for committer in 0..4u64 {
            let times: Vec<i64> = log
                .iter()
                .filter(|row| row.customer == committer)
                .map(|row| row.time)
                .collect();
            let last = values.get(&committer.to_be_bytes()[..]).map_or(0, |found| {
                i64::from_be_bytes(found.value.clone().try_into().unwrap())
            });
            assert_eq!(times, (1..=last).collect::<Vec<_>>(), "backup {n}");
        }
    }
}

#[test]
fn whole_segments_of_old_rows_are_forgotten_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    for (round, payload) in [(1i64, 9_000), (2, 900), (3, 1)] {
        let appends = (0..100).map(|n| append(Stream::Mails, n, round, &vec![4; payload]));
        run(store.commit(Batch {
            appends: appends.collect(),
            ..Batch::default()
        }))
        .unwrap();
        store.seal().unwrap();
    }
    assert_eq!(store.stats().segments, 3);
    assert_eq!(store.forget(Stream::Events, 9).unwrap(), 0);
    assert_eq!(store.forget(Stream::Mails, 1).unwrap(), 0);
    assert_eq!(store.forget(Stream::Mails, 3).unwrap(), 200);
    let kept = run(image(&store));
    assert!(kept.1[2].len() == 100 && kept.1[2].iter().all(|row| row.time == 3));
    drop(store);
    // Built anew from the whole journal, too, which still tells of the rows.
    std::fs::remove_file(folder.path().join("mark")).unwrap();
    let (store, _) = open(folder.path());
    assert_eq!(run(image(&store)), kept);
    assert_eq!(
        std::fs::read_dir(folder.path().join("streams"))
            .unwrap()
            .count(),
        1
    );
}

#[test]
fn a_child_that_fails_or_hangs_has_sled_rebuilt() {
    for (program, args) in [
        ("/bin/false", vec![]),
        ("/bin/sh", vec!["-c", "read never < /dev/zero"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = open(folder.path());
        run(store.commit(batch(1, 1, 20))).unwrap();
        let expected = run(image(&store));
        drop(store);
        let probing = Options {
            probe: Some(Probe {
                program: program.into(),
                args: args.into_iter().map(Into::into).collect(),
            }),
            sled_open_deadline: Duration::from_millis(1500),
            ..options()
        };
        let (store, opening) = EmbeddedStore::open(folder.path(), probing).unwrap();
        assert!(opening.rebuilt.is_some(), "{opening}");
        assert_eq!(run(image(&store)), expected);
    }
}

/// How fast it is, on this machine: printed, not judged, save that it ends. `--ignored --nocapture` runs it.
#[test]
#[ignore = "a measurement"]
fn throughput() {
    let folder = tempfile::tempdir().unwrap();
    let plain = Options {
        reserve_bytes: 0,
        ..Options::default()
    };
    let (store, _) = EmbeddedStore::open(folder.path(), plain.clone()).unwrap();
    let store = Arc::new(store);
    let (committers, rounds, events) = (64, 10, 1_000);
    let opened = |path| drop(EmbeddedStore::open(path, plain.clone()).unwrap());
    let timed = |what: &str, work: &dyn Fn()| {
        let before = std::fs::read_to_string("/proc/uptime").unwrap();
        work();
        let after = std::fs::read_to_string("/proc/uptime").unwrap();
        let at = |text: &str| text.split(' ').next().unwrap().parse::<f64>().unwrap();
        println!("{what}: {:.2} s", at(&after) - at(&before));
    };
    timed("640,000 events durable", &|| {
        run(load(Arc::clone(&store), committers, rounds, events))
    });
    println!("{:?}", store.stats());
    timed("closed", &|| store.close().unwrap());
    drop(store);
    timed("opened", &|| opened(folder.path()));
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = EmbeddedStore::open(folder.path(), plain.clone()).unwrap();
    let store = Arc::new(store);
    timed("1,000,000 keys put and applied", &|| {
        run(async {
            for n in 0..1_000u64 {
                let key = |m: u64| (n * 1_000 + m).to_be_bytes().to_vec();
                let puts = (0..1_000).map(|m| (key(m), vec![m as u8; 300]));
                let batch = Batch {
                    puts: puts.collect(),
                    ..Batch::default()
                };
                store.commit(batch).await.unwrap();
            }
        });
        store.close().unwrap();
    });
    drop(store);
    timed("opened with 1,000,000 keys", &|| opened(folder.path()));
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!(
        "{:?}",
        status
            .lines()
            .filter(|line| line.starts_with("Vm"))
            .collect::<Vec<_>>()
    );
    let (store, _) = EmbeddedStore::open(folder.path(), plain.clone()).unwrap();
    let store = Arc::new(store);
    timed("snapshot of 1,000,000 keys", &|| store.snapshot().unwrap());
    run(load(Arc::clone(&store), 8, 2, 100));
    drop(store);
    std::fs::remove_file(folder.path().join("mark")).unwrap();
    timed("rebuilt with 1,000,000 keys", &|| opened(folder.path()));
}
