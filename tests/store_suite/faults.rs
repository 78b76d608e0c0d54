//! A disk that fails to sync, or is full: nothing is acknowledged that is not durable, and where the disk was merely
//! full, work goes on by itself.

use crate::world::{commit_now, image, journal, open, options, put, run};
use reveille::store::embedded::{Disk, EmbeddedStore, Options, RealDisk};
use reveille::store::{Batch, Room, Store, StoreError};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// The real disk, until told to fail.
pub struct Faults {
    syncs_fail: AtomicBool,
    /// Bytes that writes may still take.
    room: AtomicU64,
    free: AtomicU64,
    /// Only files that are gone make room: what is written while the reserve stands fails.
    quota: AtomicBool,
    reserve: Mutex<Option<PathBuf>>,
}

impl Default for Faults {
    fn default() -> Self {
        Faults {
            syncs_fail: AtomicBool::new(false),
            room: AtomicU64::new(u64::MAX),
            free: AtomicU64::new(u64::MAX),
            quota: AtomicBool::new(false),
            reserve: Mutex::default(),
        }
    }
}

impl Faults {
    pub fn fail_syncs(&self) {
        self.syncs_fail.store(true, Ordering::SeqCst);
    }
}

impl Disk for Faults {
    fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut room = self.room.load(Ordering::SeqCst);
        let reserve = self.reserve.lock().unwrap();
        if self.quota.load(Ordering::SeqCst) && reserve.as_ref().is_some_and(|r| !r.exists()) {
            room = u64::MAX;
        }
        let fits = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        // A full disk takes what still fits.
        RealDisk.write(file, &bytes[..fits], offset)?;
        if fits < bytes.len() {
            return Err(io::Error::from(ErrorKind::StorageFull));
        }
        Ok(())
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        if self.syncs_fail.load(Ordering::SeqCst) {
            return Err(io::Error::other("the medium does not answer"));
        }
        RealDisk.sync(file)
    }

    fn free(&self, _: &Path) -> io::Result<u64> {
        Ok(self.free.load(Ordering::SeqCst))
    }
}

fn faulty(path: &Path, more: impl FnOnce(&mut Options)) -> (Arc<Faults>, EmbeddedStore) {
    let faults = Arc::new(Faults::default());
    let mut options = Options {
        disk: faults.clone(),
        ..options()
    };
    more(&mut options);
    let (store, _) = EmbeddedStore::open(path, options).unwrap();
    (faults, store)
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_until_reopened() {
    let folder = tempfile::tempdir().unwrap();
    let (faults, store) = faulty(folder.path(), |_| {});
    commit_now(&store, put(b"a", b"1")).unwrap();
    let before = run(image(&store));
    faults.fail_syncs();
    assert!(matches!(
        commit_now(&store, put(b"a", b"2")),
        Err(StoreError::Unavailable(_))
    ));
    faults.syncs_fail.store(false, Ordering::SeqCst);
    let length = fs::metadata(journal(folder.path()).pop().unwrap())
        .unwrap()
        .len();
    assert!(matches!(
        commit_now(&store, put(b"b", b"3")),
        Err(StoreError::Unavailable(_))
    ));
    assert_eq!(
        fs::metadata(journal(folder.path()).pop().unwrap())
            .unwrap()
            .len(),
        length
    );
    assert_eq!(run(image(&store)), before);
    assert!(matches!(store.close(), Err(StoreError::Unavailable(_))));
    drop(store);
    let (store, opening) = open(folder.path());
    assert!(!opening.clean);
    let after = run(image(&store));
    // The one in doubt may be there or not; the one refused afterwards may not.
    assert!(after.0[&b"a"[..]].value == b"1" || after.0[&b"a"[..]].value == b"2");
    assert_eq!(after.0.len(), 1);
    commit_now(&store, put(b"b", b"3")).unwrap();
}

#[test]
fn a_full_disk_refuses_and_work_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let (faults, store) = faulty(folder.path(), |_| {});
    commit_now(&store, put(b"a", b"1")).unwrap();
    for room in [0, 1, 4096, 5000, 20_000] {
        let before = run(image(&store));
        faults.room.store(room, Ordering::SeqCst);
        for _ in 0..3 {
            let done = commit_now(&store, put(b"big", &[7; 30_000]));
            assert!(matches!(done, Err(StoreError::Full(_))), "{done:?}");
        }
        assert!(store.stats().full);
        assert_eq!(run(image(&store)), before);
        faults.room.store(u64::MAX, Ordering::SeqCst);
        commit_now(&store, put(b"a", &room.to_be_bytes())).unwrap();
        assert!(!store.stats().full);
    }
    let before = run(image(&store));
    drop(store);
    let (store, opening) = open(folder.path());
    assert_eq!(opening.cut, 0, "{opening}");
    assert_eq!(run(image(&store)), before);
    assert!(store.verify().unwrap().is_empty());
}

#[test]
fn nothing_is_erased_without_room_for_what_stays_and_no_half_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let (faults, store) = faulty(folder.path(), |options| {
        options.floor_bytes = 1000;
        options.reserve_bytes = 5000;
    });
    commit_now(&store, put(b"a", b"1")).unwrap();
    faults.free.store(5999, Ordering::SeqCst);
    let erased = store.erase(&[7], Arc::new(|_: &str, _, _| ()));
    assert!(matches!(erased, Err(StoreError::Full(_))), "{erased:?}");
    faults.free.store(u64::MAX, Ordering::SeqCst);
    store.erase(&[7], Arc::new(|_: &str, _, _| ())).unwrap();
    store.close().unwrap();
    drop(store);
    // A pass that was cut off.
    let fresh = folder.path().join("sled.new");
    fs::create_dir(&fresh).unwrap();
    let (store, _) = open(folder.path());
    assert!(!fresh.exists());
    store.close().unwrap();
}

#[test]
fn below_the_floor_commits_are_refused_and_the_reserve_makes_room() {
    let folder = tempfile::tempdir().unwrap();
    let (faults, store) = faulty(folder.path(), |options| {
        options.floor_bytes = 1000;
        options.reserve_bytes = 5000;
    });
    assert!(store.stats().reserve);
    assert_eq!(
        fs::metadata(folder.path().join("reserve")).unwrap().len(),
        5000
    );
    faults.free.store(999, Ordering::SeqCst);
    let Err(StoreError::Full(text)) = commit_now(&store, put(b"a", b"1")) else {
        panic!("taken below the floor")
    };
    assert!(text.contains("999") && text.contains("1000"), "{text}");
    // What is urgent goes, with the reserve's room, and that room is for nothing else.
    commit_now(&store, urgent(b"outcome", b"1")).unwrap();
    assert!(!folder.path().join("reserve").exists() && !store.stats().reserve);
    faults.free.store(5999, Ordering::SeqCst);
    assert!(matches!(
        commit_now(&store, put(b"a", b"1")),
        Err(StoreError::Full(_))
    ));
    commit_now(&store, urgent(b"outcome", b"2")).unwrap();
    assert_eq!(store.room(), Room::Full);
    faults.free.store(6000, Ordering::SeqCst);
    commit_now(&store, put(b"a", b"1")).unwrap();
    assert_eq!(store.room(), Room::Low);
    assert!(!store.stats().reserve);
    faults.free.store(u64::MAX, Ordering::SeqCst);
    commit_now(&store, put(b"a", b"2")).unwrap();
    // Not enough before the reserve is there again.
    store.seal().unwrap();
    assert!(store.stats().reserve && folder.path().join("reserve").exists());
    assert_eq!(store.room(), Room::Enough);
}

/// The disk says that it has room, and has none (a quota): the reserve is given up all the same, and what is urgent
/// goes, whatever gathered beside it.
#[test]
fn a_disk_that_is_fuller_than_it_says_still_takes_what_is_urgent() {
    let folder = tempfile::tempdir().unwrap();
    let (faults, store) = faulty(folder.path(), |options| options.reserve_bytes = 40_000);
    faults.quota.store(true, Ordering::SeqCst);
    faults.room.store(0, Ordering::SeqCst);
    *faults.reserve.lock().unwrap() = Some(folder.path().join("reserve"));
    let big = put(b"big", &[7; 30_000]);
    assert!(matches!(
        commit_now(&store, big.clone()),
        Err(StoreError::Full(_))
    ));
    let both = run(async {
        futures_util::future::join(
            store.commit(big),
            store.commit(urgent(b"outcome", &[7; 20_000])),
        )
        .await
    });
    assert!(matches!(both.0, Err(StoreError::Full(_))), "{:?}", both.0);
    both.1.unwrap();
    // It still says that it has room; that it has none was seen a moment ago.
    commit_now(&store, put(b"little", b"1")).unwrap();
    store.seal().unwrap();
    assert!(store.room() > Room::Enough);
    assert!(!folder.path().join("reserve").exists());
    let before = run(image(&store));
    assert!(before.0.contains_key(&b"outcome"[..]) && !before.0.contains_key(&b"big"[..]));
    drop(store);
    let (store, _) = open(folder.path());
    assert_eq!(run(image(&store)), before);
}

fn urgent(key: &[u8], value: &[u8]) -> Batch {
    Batch {
        urgent: true,
        ..put(key, value)
    }
}
