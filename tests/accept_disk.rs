//! A disk that fills up under the real engine and the real store: sending stops first, then what comes in is refused;
//! what became of a message, a consent, a suppression and a pause are still written; and all goes on by itself.

mod app;

use app::{App, CONFIG, shipped};
use reveille::domain::address::EmailAddress;
use reveille::domain::cause::{Cause, ConsentChange, Liveness};
use reveille::domain::preference::ConsentState;
use reveille::domain::time::Span;
use reveille::engine::batch::Work;
use reveille::engine::control::Scope;
use reveille::engine::shard::Refused;
use reveille::store::embedded::{Disk, EmbeddedStore, Options, RealDisk};
use reveille::store::{Room, Store, StoreError};
use serde_json::json;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const FLOOR: u64 = 1 << 20;
const RESERVE: u64 = 1 << 20;

/// The real disk, with as much room as a test says.
struct Filling {
    free: AtomicU64,
}

impl Filling {
    fn set(&self, free: u64) {
        self.free.store(free, Ordering::SeqCst);
    }
}

impl Disk for Filling {
    fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        RealDisk.write(file, bytes, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        RealDisk.sync(file)
    }

    fn free(&self, _: &Path) -> io::Result<u64> {
        Ok(self.free.load(Ordering::SeqCst))
    }
}

async fn start() -> (App, Arc<Filling>, Arc<EmbeddedStore>, tempfile::TempDir) {
    let folder = app::scratch();
    let disk = Arc::new(Filling {
        free: AtomicU64::new(u64::MAX),
    });
    let options = Options {
        disk: disk.clone(),
        floor_bytes: FLOOR,
        reserve_bytes: RESERVE,
        ..Options::default()
    };
    let (store, _) = EmbeddedStore::open(folder.path(), options).unwrap();
    let store = Arc::new(store);
    let welcome = shipped("welcome.toml");
    let files = [("welcome.toml", welcome.as_str())];
    let app = App::start_on(store.clone(), "2026-03-02T09:00:00Z", CONFIG, &files).await;
    app.crowd(0..6).await;
    (app, disk, store, folder)
}

fn refusal(app: &App, liveness: Liveness) -> Cause {
    let consent = ConsentChange {
        topic: None,
        state: ConsentState::Refused,
        at: app.now(),
        source: "test".into(),
        wording: None,
        origin: Default::default(),
    };
    Cause::Consent(consent, liveness)
}

/// Lets the store look at its disk, as its own thread does each second.
async fn look(app: &App) {
    let _ = app
        .core
        .store
        .commit(reveille::store::Batch {
            puts: vec![(b"\xff".to_vec(), Vec::new())],
            ..Default::default()
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sending_stops_before_the_disk_is_full_and_goes_on_by_itself() {
    let (app, disk, store, _folder) = start().await;
    disk.set(FLOOR + RESERVE - 1);
    look(&app).await;
    assert_eq!(store.room(), Room::Low);
    // What comes in is taken.
    for n in 0..6 {
        app.event(&format!("c{n}"), "Signed Up", json!({})).await;
    }
    app.leap(Span::minutes(10)).await;
    assert_eq!(app.mails().len(), 0);
    assert!(app.core.held().unwrap().contains("nearly full"));
    disk.set(u64::MAX);
    look(&app).await;
    app.leap(Span::minutes(1)).await;
    assert_eq!(app.core.held(), None);
    assert_eq!(app.mails().len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_what_must_not_wait_is_written_and_all_else_refused() {
    let (app, disk, store, folder) = start().await;
    for n in 0..3 {
        app.event(&format!("c{n}"), "Signed Up", json!({})).await;
    }
    disk.set(FLOOR - 1);
    let no = app.customer("c0").await;
    let event = |name: &str| Work {
        cause: match app.past(no, name, app.now()).cause {
            Cause::Event(event, _) => Cause::Event(event, Liveness::Live),
            other => other,
        },
        ..app.past(no, name, app.now())
    };
    let work = |cause| Work {
        customer: no,
        id: None,
        cause,
        mail: None,
    };
    // In one batch with what is refused.
    let replies = app
        .offer(vec![
            event("Product Viewed"),
            work(refusal(&app, Liveness::Live)),
            event("Product Viewed"),
            work(refusal(&app, Liveness::History)),
        ])
        .await;
    let full = |reply: &Result<_, Refused>| matches!(reply, Err(Refused::Store(StoreError::Full(why))) if why.contains("make room"));
    assert!(full(&replies[0]) && full(&replies[2]), "{replies:?}");
    assert!(replies[1].is_ok(), "{replies:?}");
    assert!(full(&replies[3]), "an import can be run again: {replies:?}");
    assert!(!folder.path().join("reserve").exists());
    let address = EmailAddress::parse("c1@customers.example").unwrap();
    assert!(app.core.suppress(&address, "by hand").await.unwrap());
    app.core.pause(&Scope::All, "test").await.unwrap();
    assert_eq!(store.room(), Room::Full);
    disk.set(u64::MAX);
    look(&app).await;
    app.core.resume(&Scope::All, "test").await.unwrap();
    app.leap(Span::minutes(10)).await;
    let sent: Vec<String> = app.mails().into_iter().map(|(_, text)| text).collect();
    assert_eq!(
        sent.len(),
        1,
        "{:?} {:?}",
        app.story("c0").await,
        app.story("c1").await
    );
    assert!(sent[0].contains("c2@customers.example"));
    assert!(folder.path().join("reserve").exists());
}
