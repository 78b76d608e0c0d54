//! Whole reopenings after a power cut. The last group is written but its sync fails, so it was never acknowledged;
//! then its pages go missing in any way. sled's folder is not to be trusted then (here: the folder was copied).

use crate::faults::Faults;
use crate::world::{append, commit_now, copy_tree, image, journal, open, options, put, run, soak};
use reveille::store::embedded::EmbeddedStore;
use reveille::store::{Batch, Store, StoreError, Stream};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

const PAGE: u64 = 4096;

fn batch(n: u64) -> Batch {
    let mut batch = put(&(n % 30).to_be_bytes(), &n.to_be_bytes().repeat(40));
    batch
        .puts
        .push((b"last".to_vec(), n.to_be_bytes().to_vec()));
    batch.appends = (0..20)
        .map(|m| append(Stream::Events, m % 5, m as i64, &n.to_be_bytes().repeat(30)))
        .collect();
    batch
}

#[test]
fn acknowledged_is_exact_and_the_rest_is_whole_or_absent() {
    let scene = tempfile::tempdir().unwrap();
    let base = scene.path().join("base");
    let faults = Arc::new(Faults::default());
    let (store, _) = EmbeddedStore::open(
        &base,
        reveille::store::embedded::Options {
            disk: faults.clone(),
            ..options()
        },
    )
    .unwrap();
    for n in 0..60 {
        commit_now(&store, batch(n)).unwrap();
        if n == 20 {
            store.snapshot().unwrap();
        }
        if n == 40 {
            store.seal().unwrap();
        }
    }
    let expected = run(image(&store));
    let last = journal(&base).pop().unwrap();
    let synced = fs::metadata(&last).unwrap().len();
    faults.fail_syncs();
    let big = Batch {
        puts: (0..40u64)
            .map(|n| (n.to_be_bytes().to_vec(), vec![9; 700]))
            .collect(),
        ..batch(60)
    };
    assert!(matches!(
        commit_now(&store, big.clone()),
        Err(StoreError::Unavailable(_))
    ));
    assert!(matches!(
        commit_now(&store, batch(61)),
        Err(StoreError::Unavailable(_))
    ));
    assert_eq!(
        run(image(&store)),
        expected,
        "what was not acknowledged is not seen"
    );
    drop(store);
    let written = fs::metadata(&last).unwrap().len();
    let pages = (written - synced) / PAGE;
    assert!(pages >= 8, "{pages}");
    let mut with_it = 0;
    let rounds = if soak() { 50 } else { 10 };
    let seed = 0x9e37_79b9_7f4a_7c15u64;
    println!("seed {seed:x}");
    let mut random = seed;
    let mut draw = |most: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % most
    };
    for round in 0..rounds {
        let path = scene.path().join(format!("cut-{round}"));
        copy_tree(&base, &path);
        let file = path.join("journal").join(last.file_name().unwrap());
        let file = OpenOptions::new().write(true).open(file).unwrap();
        // The first round loses nothing; then pages are zeroed, in odd rounds the end is lost as well.
        for _ in 0..if round == 0 { 0 } else { 1 + draw(4) } {
            file.write_all_at(&[0; PAGE as usize], synced + PAGE * draw(pages))
                .unwrap();
        }
        if round % 2 == 1 {
            file.set_len(synced + draw(written - synced)).unwrap();
        }
        let (store, opening) = open(&path);
        assert!(
            opening.rebuilt.is_some() && opening.held.is_some(),
            "{opening}"
        );
        let found = run(image(&store));
        if found == expected {
            assert!(opening.cut > 0 || round % 2 == 1, "{opening}");
        } else {
            let put = |(key, value): &(Vec<u8>, Vec<u8>)| found.0[key].value == *value;
            assert!(round == 0 && big.puts.iter().all(put) && found.1[0].len() == 61 * 20);
            with_it += 1;
        }
        // Work goes on behind the cut, and once more after the next crash.
        commit_now(&store, batch(77)).unwrap();
        let after = run(image(&store));
        drop(store);
        let (store, _) = open(&path);
        assert_eq!(run(image(&store)), after);
        assert!(store.verify().unwrap().is_empty());
        assert!(store.epoch() >= 3);
        drop(store);
        fs::remove_dir_all(&path).unwrap();
    }
    assert_eq!(with_it, 1, "a tail that survived whole is taken");
}
