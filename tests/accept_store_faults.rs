//! What can befall the store's folder, as an administrator meets it: held by another process, copied, its journal
//! half-written or unreadable, a clock that is not what it was.

mod cli_house;

use cli_house::{House, ROWS};
use reveille::store::embedded::{EmbeddedStore, Options};
use reveille::store::{Batch, Store};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Customers and orders, each acknowledged.
fn with_customers() -> House {
    let house = House::new();
    house.write("rows.jsonl", ROWS);
    house.run(&["import", "rows.jsonl"]).good();
    house
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let dest = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &dest);
        } else if path.is_file() {
            fs::copy(&path, &dest).unwrap();
        }
    }
}

/// The files of the journal, oldest first.
fn journal(house: &House) -> Vec<PathBuf> {
    let listing = fs::read_dir(house.path("data/journal")).unwrap();
    let mut files: Vec<PathBuf> = listing.map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn a_store_that_another_process_holds_is_left_alone() {
    let house = with_customers();
    let config = fs::read_to_string(house.path("config.toml")).unwrap();
    // The same store, and a socket on which nobody answers.
    let other = config.replace("[admin]\n", "[admin]\nsocket = \"other.sock\"\n");
    assert_ne!(other, config);
    house.write("other.toml", &other);
    let running = house.start();
    for asked in [
        &["customer", "list"][..],
        &["import", "rows.jsonl"],
        &["pause", "welcome"],
        &["run"],
        &["verify"],
        &["backup", "copy"],
    ] {
        let came = house.run(&[&["--config", "other.toml"], asked].concat());
        assert_eq!(came.code, 5, "{asked:?}: {}", came.all());
        assert!(
            came.err.contains("in use by another process"),
            "{asked:?}: {}",
            came.err
        );
    }
    // Whoever holds it noticed nothing.
    house.run(&["customer", "show", "c-2"]).good();
    assert_eq!(running.stop().0.code(), Some(0));
    let shown = house.run(&["--config", "other.toml", "customer", "show", "c-2"]);
    shown.good();
}

#[test]
fn a_copied_store_sends_nothing_until_somebody_says_that_it_is_the_one() {
    let house = with_customers();
    copy(&house.path("data"), &house.path("copy"));
    let config = fs::read_to_string(house.path("config.toml")).unwrap();
    house.write(
        "config.toml",
        &config.replace("path  = \"data\"", "path  = \"copy\""),
    );
    let running = house.start();
    assert!(running.log().contains("copy"), "{}", running.log());
    let listed = house.run(&["campaign", "list"]).good();
    assert!(listed.starts_with("sending is held: "), "{listed}");
    // It takes in what comes, and knows what it knew.
    house.run(&["import", "rows.jsonl"]).good();
    house.run(&["customer", "show", "c-2"]).good();
    house.run(&["resume", "--all", "--yes"]).good();
    let free = house.run(&["campaign", "list"]).good();
    assert!(free.starts_with("campaign"), "{free}");
    running.stop();
    // Said once, it holds; and the original was never in doubt.
    let listed = house.run(&["campaign", "list"]).good();
    assert!(listed.starts_with("campaign"), "{listed}");
    house.write("config.toml", &config);
    house.run(&["pause", "welcome"]).good();
    let listed = house.run(&["campaign", "list"]).good();
    assert!(listed.starts_with("campaign"), "{listed}");
}

#[test]
fn a_journal_that_was_being_written_when_the_power_went_loses_nothing_acknowledged() {
    // What stood in the page that was being written: nothing that means anything, or the head of a frame.
    for half_of_a_frame in [false, true] {
        let house = House::new();
        house.write("rows.jsonl", ROWS);
        let running = house.start();
        house.run(&["import", "rows.jsonl"]).good();
        running.kill();
        let file = journal(&house).pop().unwrap();
        let bytes = fs::read(&file).unwrap();
        let used = bytes.iter().rposition(|b| *b != 0).unwrap() + 1;
        let end = used.div_ceil(4096) * 4096;
        let first = bytes.iter().skip(4096).position(|b| *b != 0).unwrap() + 4096;
        let mut torn = bytes[..end.min(bytes.len())].to_vec();
        torn.resize(end, 0);
        match half_of_a_frame {
            true => torn.extend_from_slice(&bytes[first..first + 40]),
            false => torn.extend_from_slice(&[0xa5; 1_000]),
        }
        let mut damaged = fs::File::create(&file).unwrap();
        damaged.write_all(&torn).unwrap();
        drop(damaged);
        let running = house.start();
        for id in ["c-1", "c-2"] {
            house.run(&["customer", "show", id]).good();
        }
        let again = house.run(&["import", "rows.jsonl"]).good();
        assert!(
            again.contains("3 events (0 new, 3 known already)"),
            "{again}"
        );
        assert_eq!(running.stop().0.code(), Some(0));
        assert_eq!(house.run(&["verify"]).good(), "the store is whole\n");
    }
}

#[test]
fn a_journal_that_cannot_be_read_is_told_with_its_file_and_nothing_is_changed() {
    let house = with_customers();
    let file = journal(&house).remove(0);
    let good = fs::read(&file).unwrap();
    let mut bad = good.clone();
    let first = good.iter().skip(4096).position(|b| *b != 0).unwrap() + 4096;
    bad[first + 24] ^= 0x40;
    // Without sled's folder every frame is needed.
    fs::rename(house.path("data/sled"), house.path("sled")).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    fs::write(&file, &bad).unwrap();
    for asked in [&["run"][..], &["import", "rows.jsonl"]] {
        let came = house.run(asked);
        assert_eq!(came.code, 5, "{asked:?}: {}", came.all());
        assert!(
            came.err.contains(name) && came.err.contains(" at byte "),
            "{asked:?}: {}",
            came.err
        );
        assert!(came.err.contains("help: "), "{}", came.err);
        assert_eq!(fs::read(&file).unwrap(), bad, "nothing was repaired");
    }
    // Where a file should be there is none that can be read.
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    for asked in [&["run"][..], &["verify"]] {
        let came = house.run(asked);
        assert_eq!(came.code, 5, "{asked:?}: {}", came.all());
        let told = came.all();
        assert!(told.contains(name), "{asked:?}: {told}");
        assert!(!told.contains("panicked"), "{told}");
    }
    fs::remove_dir(&file).unwrap();
    fs::write(&file, &good).unwrap();
    house.run(&["pause", "welcome"]).good();
    house.run(&["customer", "show", "c-2"]).good();
}

/// A commit at what the clock then said.
fn written_at(house: &House, wall: fn() -> i64) {
    let options = Options {
        reserve_bytes: 0,
        wall,
        ..Options::default()
    };
    let (store, _) = EmbeddedStore::open(&house.path("data"), options).unwrap();
    let batch = Batch {
        puts: vec![(b"~a test".to_vec(), b"x".to_vec())],
        ..Batch::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(store.commit(batch)).unwrap();
    store.close().unwrap();
}

#[test]
fn a_clock_that_leapt_while_the_daemon_was_down_holds_sending() {
    const HOUR: i64 = 3_600_000;
    let an_hour_ahead: fn() -> i64 = || reveille::clock::wall() + HOUR;
    let a_year_ago: fn() -> i64 = || reveille::clock::wall() - 365 * 24 * HOUR;
    for (wall, why) in [
        (an_hour_ahead, "lies before the last thing that was written"),
        (a_year_ago, "longer than [safety] resume_after"),
    ] {
        let house = House::new();
        written_at(&house, wall);
        let running = house.start();
        let held = house.run(&["campaign", "list"]).good();
        assert!(
            held.starts_with("sending is held: ") && held.contains(why),
            "{held}"
        );
        // What comes is taken in all the same.
        house.write("rows.jsonl", ROWS);
        house.run(&["import", "rows.jsonl"]).good();
        house.run(&["resume", "--all", "--yes"]).good();
        let free = house.run(&["campaign", "list"]).good();
        assert!(free.starts_with("campaign"), "{free}");
        assert_eq!(running.stop().0.code(), Some(0));
    }
}
