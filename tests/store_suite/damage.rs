//! Damaged folders: what sled has lost comes back exact from snapshot and journal; what the journal has lost is an
//! error with file and offset; nothing is silently wrong.

use crate::world::{append, commit_now, copy_tree, image, journal, open, options, put, run, soak};
use reveille::store::embedded::{EmbeddedStore, Options, restore, verify};
use reveille::store::{Batch, Direction, Store, StoreError, Stream, StreamFilter};
use std::fs;
use std::path::Path;

fn fill(store: &dyn Store, rounds: std::ops::Range<u64>) {
    for n in rounds {
        let batch = Batch {
            puts: (0..20)
                .map(|m| ((n * 7 + m).to_be_bytes().to_vec(), vec![n as u8; 90]))
                .collect(),
            deletes: vec![(n * 3).to_be_bytes().to_vec()],
            appends: vec![append(Stream::Events, n % 9, n as i64, &n.to_be_bytes())],
            ..Batch::default()
        };
        commit_now(store, batch).unwrap();
    }
}

#[test]
fn whatever_becomes_of_sleds_folder_the_store_comes_back_exact() {
    let folder = tempfile::tempdir().unwrap();
    let (path, sled) = (folder.path(), folder.path().join("sled"));
    let older = tempfile::tempdir().unwrap();
    let (store, opening) = open(path);
    assert!(opening.fresh && opening.rebuilt.is_none());
    fill(&store, 0..20);
    store.close().unwrap();
    drop(store);
    copy_tree(&sled, older.path());
    let (store, _) = open(path);
    fill(&store, 20..40);
    store.snapshot().unwrap();
    fill(&store, 40..60);
    let expected = run(image(&store));
    drop(store);
    let garbage = |path: &Path| {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let length = fs::metadata(&path).unwrap().len() as usize;
                fs::write(&path, vec![0xa5; length]).unwrap();
            }
        }
    };
    type Damage<'a> = Box<dyn Fn() + 'a>;
    let rounds: Vec<(&str, Damage)> = vec![
        ("removed", Box::new(|| fs::remove_dir_all(&sled).unwrap())),
        (
            "emptied",
            Box::new(|| {
                fs::remove_dir_all(&sled).unwrap();
                fs::create_dir(&sled).unwrap();
            }),
        ),
        (
            "an older copy in its place",
            Box::new(|| {
                fs::remove_dir_all(&sled).unwrap();
                copy_tree(older.path(), &sled);
            }),
        ),
        (
            "an older copy in the same folder",
            Box::new(|| {
                for entry in fs::read_dir(&sled).unwrap() {
                    let path = entry.unwrap().path();
                    if path.is_dir() {
                        fs::remove_dir_all(path).unwrap()
                    } else {
                        fs::remove_file(path).unwrap()
                    }
                }
                copy_tree(older.path(), &sled);
            }),
        ),
        ("garbage", Box::new(|| garbage(&sled))),
        (
            "no mark",
            Box::new(|| fs::remove_file(path.join("mark")).unwrap()),
        ),
        (
            "a damaged mark",
            Box::new(|| {
                let mut bytes = fs::read(path.join("mark")).unwrap();
                bytes[40] ^= 1;
                fs::write(path.join("mark"), bytes).unwrap();
            }),
        ),
    ];
    for (what, damage) in &rounds {
        for clean in [true, false] {
            let (store, _) = open(path);
            if clean {
                store.close().unwrap();
            }
            drop(store);
            damage();
            let (store, opening) = open(path);
            assert!(opening.rebuilt.is_some(), "{what}, {clean}: {opening}");
            assert_eq!(run(image(&store)), expected, "{what}, {clean}");
        }
    }
}

#[test]
fn a_flipped_byte_in_sled_is_noticed_and_the_next_opening_is_exact() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (store, _) = open(path);
    fill(&store, 0..60);
    let expected = run(image(&store));
    store.close().unwrap();
    drop(store);
    let rounds = if soak() { 60 } else { 6 };
    let mut noticed = 0;
    for round in 0..rounds {
        let file = path.join("sled/db");
        let mut bytes = fs::read(&file).unwrap();
        let used: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
        for part in 0..20 {
            let at = used[(used.len() * part / 20 + round * 131) % used.len()];
            bytes[at] ^= 0x20;
        }
        fs::write(&file, &bytes).unwrap();
        let (store, opening) = open(path);
        let scanned = run(store.scan(crate::world::everything(), Direction::Forward, usize::MAX));
        match scanned {
            Ok(found) => assert!(found.into_iter().eq(expected.0.clone()), "silently wrong"),
            Err(error) => {
                noticed += 1;
                assert!(matches!(commit_now(&store, put(b"k", b"v")), Err(e) if e == error));
                assert!(store.close().is_err());
            }
        }
        noticed += usize::from(opening.rebuilt.is_some());
        drop(store);
        let (store, _) = open(path);
        assert_eq!(run(image(&store)), expected);
        store.close().unwrap();
    }
    assert!(noticed > 0);
}

#[test]
fn a_flipped_bit_below_what_is_synced_is_an_error_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (store, _) = open(path);
    fill(&store, 0..8);
    store.close().unwrap();
    drop(store);
    assert_eq!(verify(path).unwrap(), []);
    let file = journal(path).remove(0);
    let good = fs::read(&file).unwrap();
    // The last page, too: the clean mark vouches for it.
    for at in [4096 + 100, 4 * 4096 + 60, good.len() - 4096 + 70] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&file, &bad).unwrap();
        let mut findings = verify(path).unwrap();
        findings.retain(|finding| finding.damage);
        let page = (at / 4096 * 4096) as u64;
        assert!(findings.len() == 1, "{findings:?}");
        assert_eq!((&findings[0].file, findings[0].offset), (&file, page));
        // Without sled's folder the damaged frame is needed.
        fs::rename(path.join("sled"), path.join("away")).unwrap();
        match EmbeddedStore::open(path, options()) {
            Err(StoreError::Corrupt {
                file: named,
                offset,
                ..
            }) => assert_eq!((named, offset), (file.clone(), page)),
            Err(other) => panic!("{other}"),
            Ok((_, opening)) => panic!("opened: {opening}"),
        }
        assert_eq!(fs::read(&file).unwrap(), bad, "nothing was repaired");
        let _ = fs::remove_dir_all(path.join("sled"));
        fs::rename(path.join("away"), path.join("sled")).unwrap();
    }
    fs::write(&file, &good).unwrap();
    let (store, _) = open(path);
    assert_eq!(run(image(&store)).1[0].len(), 8);
}

#[test]
fn a_damaged_snapshot_is_passed_by_for_an_older_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (store, _) = open(path);
    fill(&store, 0..20);
    store.snapshot().unwrap();
    fill(&store, 20..300);
    store.snapshot().unwrap();
    fill(&store, 300..320);
    let expected = run(image(&store));
    store.close().unwrap();
    drop(store);
    let mut snapshots: Vec<_> = fs::read_dir(path.join("snapshots"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    snapshots.sort();
    assert_eq!(snapshots.len(), 2);
    let good = fs::read(&snapshots[1]).unwrap();
    for at in [3, 30, good.len() / 2, good.len() - 3] {
        let mut bad = good.clone();
        bad[at] ^= 8;
        fs::write(&snapshots[1], bad).unwrap();
        assert!(
            verify(path)
                .unwrap()
                .iter()
                .any(|found| found.file == snapshots[1] && found.damage)
        );
        fs::remove_file(path.join("mark")).unwrap();
        let (store, opening) = open(path);
        assert!(opening.rebuilt.is_some());
        assert_eq!(run(image(&store)), expected, "{at}");
    }
}

#[test]
fn a_damaged_or_missing_segment_is_an_error_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (store, _) = open(path);
    fill(&store, 0..50);
    store.seal().unwrap();
    store.close().unwrap();
    drop(store);
    let listing = fs::read_dir(path.join("streams")).unwrap();
    let file = listing.map(|entry| entry.unwrap().path()).next().unwrap();
    let good = fs::read(&file).unwrap();
    let mut bad = good.clone();
    bad[40] ^= 1;
    fs::write(&file, bad).unwrap();
    let (store, _) = open(path);
    let read = run(store.read_stream(Stream::Events, StreamFilter::default()));
    assert!(matches!(read, Err(StoreError::Corrupt { file: named, .. }) if named == file));
    drop(store);
    assert!(
        verify(path)
            .unwrap()
            .iter()
            .any(|found| found.file == file && found.damage)
    );
    fs::remove_file(&file).unwrap();
    let opened = EmbeddedStore::open(path, options());
    assert!(matches!(opened, Err(StoreError::Corrupt { file: named, .. }) if named == file));
    fs::write(&file, good).unwrap();
    open(path);
}

#[test]
fn reading_only_never_repairs_and_says_what_to_do() {
    let read_only = || Options {
        read_only: true,
        ..options()
    };
    let scene = tempfile::tempdir().unwrap();
    let path = scene.path().join("store");
    let text = |opened: Result<_, StoreError>| match opened {
        Err(StoreError::Unavailable(text)) => text,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("opened"),
    };
    let none = text(EmbeddedStore::open(&path, read_only()).map(drop));
    assert!(none.contains("start the daemon once"), "{none}");
    let (store, _) = open(&path);
    fill(&store, 0..30);
    let held = text(EmbeddedStore::open(&path, read_only()).map(drop));
    assert!(held.contains("in use by another process"), "{held}");
    let expected = run(image(&store));
    // Crashed, clean, and after reading: each is answered truthfully, and the journal stays as it is.
    drop(store);
    for round in 0..3 {
        let before: Vec<_> = journal(&path)
            .iter()
            .map(|file| fs::read(file).unwrap())
            .collect();
        let (store, opening) = EmbeddedStore::open(&path, read_only()).unwrap();
        assert_eq!(opening.clean, round > 0, "{opening}");
        assert_eq!(run(image(&store)), expected);
        assert!(matches!(
            commit_now(&store, put(b"k", b"v")),
            Err(StoreError::Unavailable(_))
        ));
        store.close().unwrap();
        drop(store);
        let after: Vec<_> = journal(&path)
            .iter()
            .map(|file| fs::read(file).unwrap())
            .collect();
        assert!(before == after);
        if round == 0 {
            open(&path).0.close().unwrap();
        }
    }
    fs::remove_file(path.join("mark")).unwrap();
    let why = text(EmbeddedStore::open(&path, read_only()).map(drop));
    assert!(
        why.contains("start the daemon once") && why.contains("reveille verify"),
        "{why}"
    );
    assert!(!path.join("sled.aside").exists());
    let copy = scene.path().join("copy");
    copy_tree(&path, &copy);
    let why = text(EmbeddedStore::open(&copy, read_only()).map(drop));
    assert!(why.contains("copy"), "{why}");
}

#[test]
fn a_copy_and_a_restored_backup_are_told_from_the_original() {
    let scene = tempfile::tempdir().unwrap();
    let (path, backup) = (scene.path().join("store"), scene.path().join("backup"));
    let (store, opening) = open(&path);
    assert_eq!(opening.held, None);
    fill(&store, 0..30);
    store.snapshot().unwrap();
    fill(&store, 30..40);
    let expected = run(image(&store));
    let made = store.backup(&backup).unwrap();
    assert_eq!(made.position, store.stats().durable);
    assert!(store.backup(&backup).is_err(), "not over another one");
    fill(&store, 40..50);
    let later = run(image(&store));
    store.close().unwrap();
    drop(store);
    let restored = scene.path().join("restored");
    assert_eq!(restore(&backup, &restored).unwrap(), made);
    assert!(
        restore(&backup, &restored).is_err(),
        "not over another store"
    );
    assert_eq!(verify(&restored).unwrap(), []);
    for _ in 0..2 {
        let (store, opening) = open(&restored);
        assert!(
            opening
                .held
                .as_deref()
                .is_some_and(|why| why.contains("backup")),
            "{opening}"
        );
        assert_eq!(run(image(&store)), expected);
    }
    open(&restored).0.release().unwrap();
    assert_eq!(open(&restored).1.held, None);
    let copy = scene.path().join("copy");
    copy_tree(&path, &copy);
    let (store, opening) = open(&copy);
    assert!(opening.held.is_some_and(|why| why.contains("copy")));
    assert_eq!(run(image(&store)), later);
    assert_eq!(open(&path).1.held, None);
    // Every file of the backup is compared before the first is put in place.
    for entry in walk(&backup) {
        let good = fs::read(&entry).unwrap();
        let mut bad = good.clone();
        let at = bad.len() / 2;
        bad[at] ^= 1;
        fs::write(&entry, bad).unwrap();
        let to = scene.path().join("never");
        assert!(
            matches!(restore(&backup, &to), Err(StoreError::Corrupt { .. })),
            "{entry:?}"
        );
        assert!(!to.exists());
        fs::write(&entry, good).unwrap();
    }
}

fn walk(path: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path))
        } else {
            found.push(path)
        }
    }
    found
}
