//! Imports of history: schedules wait for all of them, at once, broken off, run again, and over restarts.

mod app;

use app::watched::Watched;
use app::{App, CONFIG};
use reveille::domain::time::Span;
use reveille::engine::control::Scope;
use reveille::engine::imports::{Ended, ImportView};
use reveille::store::StoreError;

/// 03:00; the schedule is at 09:00.
const START: &str = "2026-03-02T03:00:00Z";

const DAILY: &str = r#"
name  = "Buyers"
state = "live"
class = "informational"

[schedule]
cron     = "0 9 * * *"
timezone = "UTC"

[audience]
event = "Order Completed"

[entry]
existing = "enter"

[[step]]
id       = "hello"
template = "welcome"
subject  = "Hello"
"#;

async fn shop() -> App {
    App::start(START, &[("daily.toml", DAILY)]).await
}

fn names(imports: &[ImportView]) -> Vec<(&str, bool)> {
    (imports.iter())
        .map(|i| (i.source.as_str(), i.running))
        .collect()
}

async fn waits_for(app: &App) -> Vec<(String, bool)> {
    let imports = app.core.imports().await.unwrap();
    assert_eq!(imports.is_empty(), app.core.importing().is_none());
    let names = names(&imports).into_iter();
    names
        .map(|(source, running)| (source.to_owned(), running))
        .collect()
}

#[tokio::test]
async fn the_last_of_two_imports_lifts_the_wait_and_is_measured_against_the_first() {
    let app = shop().await;
    let one = app.core.import_begin("one.jsonl").await.unwrap();
    app.buyers(0..150).await;
    let two = app.core.import_begin("two.jsonl").await.unwrap();
    app.buyers(150..250).await;
    let ended = app.core.import_end(one).await.unwrap();
    assert_eq!(ended.held, []);
    assert_eq!(names(&ended.waits_for), [("two.jsonl", true)]);
    // Nine o'clock comes and goes.
    app.leap(Span::hours(7)).await;
    assert_eq!(app.entered("daily").await, 0);
    let ended = app.core.import_end(two).await.unwrap();
    assert_eq!(ended.waits_for, []);
    // 150 by the first and 100 by the second: neither alone is more than 200.
    assert_eq!(ended.held.len(), 1);
    assert_eq!((ended.held[0].customers, ended.held[0].more), (250, 250));
    assert_eq!(app.core.importing(), None);
    app.approve("daily").await;
    app.leap(Span::hours(24)).await;
    assert_eq!(app.entered("daily").await, 250);
    // The next one is measured against what stands by then.
    let again = app.core.import_begin("one.jsonl").await.unwrap();
    app.buyers(250..350).await;
    assert_eq!(app.core.import_end(again).await.unwrap(), Ended::default());
}

#[tokio::test]
async fn what_was_broken_off_is_waited_for_until_it_is_run_again_to_its_end() {
    let app = shop().await;
    let one = app.core.import_begin("one.jsonl").await.unwrap();
    let two = app.core.import_begin("two.jsonl").await.unwrap();
    app.buyers(0..10).await;
    drop(one);
    let broken = |name: &str| (name.to_owned(), false);
    let runs = |name: &str| (name.to_owned(), true);
    assert_eq!(
        waits_for(&app).await,
        [broken("one.jsonl"), runs("two.jsonl")]
    );
    // Another one's end does not stand in for it, ...
    let ended = app.core.import_end(two).await.unwrap();
    assert_eq!(names(&ended.waits_for), [("one.jsonl", false)]);
    let three = app.core.import_begin("three.jsonl").await.unwrap();
    app.core.import_end(three).await.unwrap();
    assert_eq!(waits_for(&app).await, [broken("one.jsonl")]);
    app.leap(Span::hours(7)).await;
    assert_eq!(app.entered("daily").await, 0);
    // ... nor does its own that breaks off again; told since when it was first begun.
    let since = app.core.imports().await.unwrap()[0].since;
    drop(app.core.import_begin("one.jsonl").await.unwrap());
    assert_eq!(waits_for(&app).await, [broken("one.jsonl")]);
    assert_eq!(app.core.imports().await.unwrap()[0].since, since);
    // Beside another that runs, its end lifts its own part, and the other's the wait.
    let other = app.core.import_begin("other.jsonl").await.unwrap();
    let one = app.core.import_begin("one.jsonl").await.unwrap();
    app.core.import_end(one).await.unwrap();
    assert_eq!(waits_for(&app).await, [runs("other.jsonl")]);
    app.core.import_end(other).await.unwrap();
    assert_eq!(waits_for(&app).await, []);
    app.leap(Span::hours(24)).await;
    assert_eq!(app.entered("daily").await, 10);
}

#[tokio::test]
async fn the_same_source_twice_at_once_is_two_imports() {
    let app = shop().await;
    let one = app.core.import_begin("standard input").await.unwrap();
    let two = app.core.import_begin("standard input").await.unwrap();
    app.core.import_end(two).await.unwrap();
    assert!(app.core.importing().is_some());
    app.core.import_end(one).await.unwrap();
    assert_eq!(app.core.importing(), None);
}

#[tokio::test]
async fn after_a_restart_all_that_ran_were_broken_off() {
    for resumed in [false, true] {
        let app = shop().await;
        let _one = app.core.import_begin("one.jsonl").await.unwrap();
        let _two = app.core.import_begin("two.jsonl").await.unwrap();
        app.buyers(0..250).await;
        let store = app.core.store.clone();
        let app = app.reopen(store).await;
        let broken = |name: &str| (name.to_owned(), false);
        assert_eq!(
            waits_for(&app).await,
            [broken("one.jsonl"), broken("two.jsonl")]
        );
        app.leap(Span::hours(7)).await;
        assert_eq!(app.entered("daily").await, 0);
        let one = app.core.import_begin("one.jsonl").await.unwrap();
        let held = if resumed {
            // What runs is waited for; what was broken off is not any more.
            let done = app.core.resume(&Scope::All, "test").await.unwrap();
            assert_eq!(done.held, []);
            assert_eq!(waits_for(&app).await, [("one.jsonl".to_owned(), true)]);
            app.core.import_end(one).await.unwrap().held
        } else {
            app.core.import_end(one).await.unwrap();
            assert_eq!(waits_for(&app).await, [broken("two.jsonl")]);
            let two = app.core.import_begin("two.jsonl").await.unwrap();
            app.core.import_end(two).await.unwrap().held
        };
        // Measured against what stood before the first, over the restart.
        assert_eq!(held.len(), 1, "resumed {resumed}");
        assert_eq!(held[0].more, 250);
        assert_eq!(waits_for(&app).await, []);
        assert!(app.awaits_approval("daily"));
    }
}

#[tokio::test]
async fn a_resume_tells_whom_it_put_back() {
    let app = shop().await;
    app.core.pause(&Scope::All, "test").await.unwrap();
    drop(app.core.import_begin("one.jsonl").await.unwrap());
    app.buyers(0..250).await;
    let done = app.core.resume(&Scope::All, "test").await.unwrap();
    assert_eq!(done.held.len(), 1, "once: {done:?}");
    assert_eq!((done.held[0].customers, done.held[0].allowed), (250, 200));
    assert_eq!(done.held[0].examples.len(), 5);
    assert_eq!(app.core.importing(), None);
}

/// An end that the store refuses leaves the import broken off, and the next one ends it.
#[tokio::test]
async fn an_end_that_cannot_be_written_is_none() {
    let store = Watched::new();
    let app = App::start_on(store.clone(), START, CONFIG, &[("daily.toml", DAILY)]).await;
    let one = app.core.import_begin("one.jsonl").await.unwrap();
    app.buyers(0..10).await;
    store.fail_all(StoreError::Unavailable("away".into()));
    assert!(app.core.import_end(one).await.is_err());
    store.mend();
    assert_eq!(waits_for(&app).await, [("one.jsonl".to_owned(), false)]);
    let one = app.core.import_begin("one.jsonl").await.unwrap();
    let before = store.counts();
    assert_eq!(app.core.import_end(one).await.unwrap(), Ended::default());
    let spent = store.counts() - before;
    assert_eq!(spent.commits, 1, "all of the end or nothing of it");
}

/// How many of another audience stood there says nothing of this one.
#[tokio::test]
async fn a_campaign_edited_during_an_import_is_not_measured_against_its_old_audience() {
    let app = shop().await;
    let numbers = app.buyers(0..250).await;
    let import = app.core.import_begin("one.jsonl").await.unwrap();
    let edited = DAILY.replace("event = \"Order Completed\"", "event = \"Tea Tasted\"");
    app.file("daily.toml", Some(&edited));
    app.reload().await;
    let at = app.now() - Span::days(10);
    let tasted = (numbers.iter().take(240)).map(|no| app.past(*no, "Tea Tasted", at));
    for reply in app.offer(tasted.collect()).await {
        reply.unwrap();
    }
    let ended = app.core.import_end(import).await.unwrap();
    assert_eq!(ended.held.len(), 1, "{ended:?}");
    assert_eq!((ended.held[0].customers, ended.held[0].more), (240, 240));
    assert!(app.awaits_approval("daily"));
}

/// Whoever approved an edit during an import is not asked again for the same customers at its end.
#[tokio::test]
async fn what_was_approved_during_an_import_is_measured_from_there_on() {
    for more in [10, 201] {
        let early = DAILY.replace("event = \"Order Completed\"", "event = \"Tea Tasted\"");
        let app = App::start(START, &[("daily.toml", &early)]).await;
        let import = app.core.import_begin("one.jsonl").await.unwrap();
        app.buyers(0..250).await;
        app.file("daily.toml", Some(DAILY));
        app.reload().await;
        assert!(app.awaits_approval("daily"));
        app.approve("daily").await;
        app.buyers(250..250 + more).await;
        let held = app.core.import_end(import).await.unwrap().held;
        let told: Vec<_> = held.iter().map(|h| h.more).collect();
        let wanted: &[u64] = if more > 200 { &[201] } else { &[] };
        assert_eq!(told, wanted);
        assert_eq!(app.awaits_approval("daily"), more > 200);
    }
}

/// An edit that lets in no more than allowed goes live by itself, and is measured from there on too.
#[tokio::test]
async fn what_went_live_by_itself_during_an_import_is_measured_from_there_on() {
    let early = DAILY.replace("event = \"Order Completed\"", "event = \"Tea Tasted\"");
    let app = App::start(START, &[("daily.toml", &early)]).await;
    let import = app.core.import_begin("one.jsonl").await.unwrap();
    app.buyers(0..150).await;
    app.file("daily.toml", Some(DAILY));
    app.reload().await;
    assert!(!app.awaits_approval("daily"));
    app.buyers(150..250).await;
    let held = app.core.import_end(import).await.unwrap().held;
    assert_eq!(held, [], "150 were let go live, 100 are new since");
}
