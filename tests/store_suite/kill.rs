//! A process that is killed while it writes: this test binary started once more as a child, and a real SIGKILL.

use crate::world::{append, image, open, run, soak};
use reveille::store::{Batch, Store, Stream};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

const FOLDER: &str = "REVEILLE_TEST_KILLED_FOLDER";
const WRITERS: u64 = 8;

/// A batch whose parts all say the same: any part without the others is seen.
fn batch(writer: u64, n: u64) -> Batch {
    let value = n.to_be_bytes().to_vec();
    let key = |part: u64| [writer.to_be_bytes(), part.to_be_bytes()].concat();
    Batch {
        puts: (0..5).map(|part| (key(part), value.clone())).collect(),
        appends: (0..3)
            .map(|_| append(Stream::Log, writer, n as i64, &value))
            .collect(),
        ..Batch::default()
    }
}

fn acknowledge(writer: u64, n: u64) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "acknowledged {writer} {n}").unwrap();
    out.flush().unwrap();
}

/// What the child does; does nothing in a run of the suite.
#[test]
fn child_that_writes() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let (store, _) = open(Path::new(&folder));
    let store = Arc::new(store);
    run(async {
        let tasks: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    let key = [writer.to_be_bytes(), 0u64.to_be_bytes()].concat();
                    let found = store.get_many(vec![key]).await.unwrap().remove(0);
                    let from = found.map_or(0, |v| u64::from_be_bytes(v.value.try_into().unwrap()));
                    for n in from + 1.. {
                        store.commit(batch(writer, n)).await.unwrap();
                        acknowledge(writer, n);
                        if writer == 0 && n % 50 == 0 {
                            let store = Arc::clone(&store);
                            tokio::task::spawn_blocking(move || match n % 100 {
                                0 => store.snapshot().unwrap(),
                                _ => store.seal().unwrap(),
                            })
                            .await
                            .unwrap();
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn a_killed_process_keeps_what_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let rounds = if soak() { 70 } else { 4 };
    let mut acknowledged = [0u64; WRITERS as usize];
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::child_that_writes", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let most = 300 + round * 137 % 900;
        let mut read = 0;
        let mut take = |line: String| {
            let Some(at) = line.find("acknowledged ") else {
                return;
            };
            let mut numbers = line[at..]
                .split(' ')
                .skip(1)
                .map(|n| n.parse::<u64>().unwrap());
            let (writer, n) = (numbers.next().unwrap(), numbers.next().unwrap());
            acknowledged[writer as usize] = acknowledged[writer as usize].max(n);
        };
        while read < most {
            let line = lines.next().expect("the child ended by itself").unwrap();
            take(line);
            read += 1;
        }
        child.kill().unwrap();
        // What it had still said before it died was acknowledged, too; the last line may be cut short.
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        rest.iter()
            .take(rest.len().saturating_sub(1))
            .cloned()
            .for_each(&mut take);
        child.wait().unwrap();
        let (store, opening) = open(folder.path());
        assert!(!opening.clean && opening.rebuilt.is_none(), "{opening}");
        let (values, [_, rows, _]) = run(image(&store));
        for writer in 0..WRITERS {
            let found: Vec<u64> = values
                .iter()
                .filter(|(key, _)| key.starts_with(&writer.to_be_bytes()))
                .map(|(_, v)| u64::from_be_bytes(v.value.as_slice().try_into().unwrap()))
                .collect();
            let n = found.first().copied().unwrap_or(0);
            assert!(found.iter().all(|value| *value == n), "torn: {found:?}");
            assert!(
                n >= acknowledged[writer as usize],
                "{n} of {acknowledged:?}"
            );
            let told: Vec<i64> = rows
                .iter()
                .filter(|row| row.customer == writer)
                .map(|row| row.time)
                .collect();
            let expected: Vec<i64> = (1..=n as i64).flat_map(|n| [n, n, n]).collect();
            assert_eq!(told, expected, "each row of each batch once, in order");
        }
        if round % 3 == 2 {
            store.close().unwrap();
        }
    }
}
