//! Random operations on the embedded store, across closings, crashes, seals and snapshots, against maps and vectors.

use crate::world::{append, everything, open, run, soak};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use reveille::store::{
    Batch, Check, Direction, Key, Row, Store, StoreError, Stream, StreamFilter, Versioned,
};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Commit {
        puts: Vec<(u8, u16)>,
        deletes: Vec<u8>,
        appends: Vec<(u8, u8, i8, u16)>,
        /// A key, and whether the check tells the truth.
        check: Option<(u8, bool)>,
    },
    Close,
    Crash,
    Seal,
    Snapshot,
    LoseSled,
    Read {
        customers: Option<Vec<u8>>,
        from: u8,
        limit: u8,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let vector = |most| proptest::collection::vec(any::<(u8, u16)>(), 0..most);
    let appends = proptest::collection::vec(any::<(u8, u8, i8, u16)>(), 0..20);
    let commit = (
        vector(12),
        proptest::collection::vec(any::<u8>(), 0..4),
        appends,
        proptest::option::of(any::<(u8, bool)>()),
    );
    let read = (
        proptest::option::of(proptest::collection::vec(0..9u8, 0..3)),
        any::<u8>(),
        any::<u8>(),
    );
    prop_oneof![
        12 => commit.prop_map(|(puts, deletes, appends, check)| Step::Commit { puts, deletes, appends, check }),
        1 => Just(Step::Close),
        1 => Just(Step::Crash),
        1 => Just(Step::Seal),
        1 => Just(Step::Snapshot),
        1 => Just(Step::LoseSled),
        3 => read.prop_map(|(customers, from, limit)| Step::Read { customers, from, limit }),
    ]
}

#[derive(Default)]
struct Model {
    values: BTreeMap<Key, Versioned>,
    rows: [Vec<Row>; 3],
    position: u64,
}

const STREAMS: [Stream; 3] = [Stream::Events, Stream::Log, Stream::Mails];

fn key(n: u8) -> Key {
    vec![n % 40; usize::from(n % 3) + 1]
}

fn play(steps: &[Step]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut store = open(path).0;
    let mut model = Model::default();
    let mut epoch = store.epoch();
    for step in steps {
        match step {
            Step::Commit {
                puts,
                deletes,
                appends,
                check,
            } => {
                let batch = Batch {
                    epochs: vec![(3, epoch)],
                    checks: check
                        .map(|(n, truth)| {
                            let held = model.values.get(&key(n)).map(|found| found.revision);
                            let expected = if truth {
                                held
                            } else {
                                Some(held.unwrap_or(0) + 1)
                            };
                            Check {
                                key: key(n),
                                expected,
                            }
                        })
                        .into_iter()
                        .collect(),
                    puts: puts
                        .iter()
                        .map(|(n, value)| {
                            (key(*n), value.to_be_bytes().repeat(usize::from(value % 9)))
                        })
                        .collect(),
                    deletes: deletes.iter().map(|n| key(*n)).collect(),
                    appends: appends
                        .iter()
                        .map(|(stream, customer, time, payload)| {
                            let stream = STREAMS[usize::from(stream % 3)];
                            append(
                                stream,
                                u64::from(customer % 9),
                                i64::from(*time),
                                &payload.to_be_bytes(),
                            )
                        })
                        .collect(),
                    urgent: false,
                };
                let done = run(store.commit(batch.clone()));
                if check.is_some_and(|(_, truth)| !truth) {
                    assert!(matches!(done, Err(StoreError::Conflict { .. })));
                    continue;
                }
                let revision = done.unwrap().revision;
                for key in batch.deletes {
                    model.values.remove(&key);
                }
                for (key, value) in batch.puts {
                    model.values.insert(key, Versioned { revision, value });
                }
                for row in batch.appends {
                    let at = STREAMS
                        .iter()
                        .position(|stream| *stream == row.stream)
                        .unwrap();
                    model.rows[at].push(Row {
                        position: model.position,
                        customer: row.customer,
                        time: row.time,
                        payload: row.payload,
                    });
                    model.position += 1;
                }
            }
            Step::Seal => store.seal().unwrap(),
            Step::Snapshot => store.snapshot().unwrap(),
            Step::Close | Step::Crash | Step::LoseSled => {
                if matches!(step, Step::Close) {
                    store.close().unwrap();
                }
                drop(store);
                if matches!(step, Step::LoseSled) {
                    std::fs::remove_dir_all(path.join("sled")).unwrap();
                }
                let (again, opening) = open(path);
                assert_eq!(opening.clean, matches!(step, Step::Close), "{opening}");
                assert_eq!(
                    opening.rebuilt.is_some(),
                    matches!(step, Step::LoseSled),
                    "{opening}"
                );
                assert!(again.epoch() > epoch);
                epoch = again.epoch();
                store = again;
            }
            Step::Read {
                customers,
                from,
                limit,
            } => {
                let customers = customers.clone().map(|mut some| {
                    some.sort_unstable();
                    some.into_iter().map(u64::from).collect::<Vec<_>>()
                });
                let filter = StreamFilter {
                    customers,
                    from_position: model.position * u64::from(*from) / 256,
                    from_time: -90,
                    to_time: 100,
                    limit: usize::from(*limit),
                };
                for (at, stream) in STREAMS.into_iter().enumerate() {
                    let found = run(store.read_stream(stream, filter.clone())).unwrap();
                    let wanted = |row: &&Row| {
                        row.position >= filter.from_position
                            && (-90..100).contains(&row.time)
                            && filter
                                .customers
                                .as_ref()
                                .is_none_or(|some| some.contains(&row.customer))
                    };
                    let expected: Vec<_> = model.rows[at]
                        .iter()
                        .filter(wanted)
                        .take(filter.limit)
                        .cloned()
                        .collect();
                    assert_eq!(found, expected, "{stream:?} {filter:?}");
                }
            }
        }
        same(&store, &model);
    }
    assert_eq!(store.verify().unwrap(), []);
    store.close().unwrap();
    drop(store);
    assert_eq!(reveille::store::embedded::verify(path).unwrap(), []);
    let (store, opening) = open(path);
    assert!(opening.clean, "{opening}");
    same(&store, &model);
}

fn same(store: &dyn Store, model: &Model) {
    run(async {
        for direction in [Direction::Forward, Direction::Backward] {
            let mut found = store
                .scan(everything(), direction, usize::MAX)
                .await
                .unwrap();
            if direction == Direction::Backward {
                found.reverse();
            }
            let expected: Vec<_> = model
                .values
                .iter()
                .map(|(key, found)| (key.clone(), found.clone()))
                .collect();
            assert_eq!(found, expected);
        }
        for (at, stream) in STREAMS.into_iter().enumerate() {
            let rows = store
                .read_stream(stream, StreamFilter::default())
                .await
                .unwrap();
            assert_eq!(rows, model.rows[at], "{stream:?}");
        }
    });
}

#[test]
fn random_operations_match_maps_and_vectors() {
    let cases = if soak() { 300 } else { 8 };
    // The seed of a case that fails is printed by proptest with the shrunk case.
    let config = Config {
        cases,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let steps = proptest::collection::vec(step(), 1..40);
    let done = runner.run(&steps, |steps| {
        play(&steps);
        Ok(())
    });
    if let Err(failure) = done {
        panic!("{failure}");
    }
}
