//! Pause, resume, cancel, and the guard over the clock.

mod app;

use app::watched::Watched;
use app::{App, CONFIG, shipped};
use reveille::domain::cause::{Cause, Liveness, ProfileChange};
use reveille::domain::id::CampaignId;
use reveille::domain::ledger::{Reason, Status};
use reveille::domain::preference::Class;
use reveille::domain::time::{Span, Timestamp};
use reveille::domain::window::Window;
use reveille::engine::control::{ControlError, Scope};
use reveille::store::StoreError;
use reveille::store::memory::MemoryStore;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

const START: &str = "2026-03-02T03:00:00Z";

fn triggered(event: &str, class: &str, expires: &str) -> String {
    format!(
        r#"
name  = "On {event}"
state = "live"
class = "{class}"
topic = "offers"

[trigger]
event = "{event}"

[entry]
again = "always"

[[step]]
id       = "hello"
template = "welcome"
after    = "10m"
expires  = "{expires}"
subject  = "Hello"
"#
    )
}

fn scope(campaign: &str) -> Scope {
    Scope::Campaign(CampaignId::parse(campaign).unwrap())
}

async fn attempts(app: &App) -> usize {
    let log = app.log().await;
    log.iter()
        .filter(|r| r.status == Status::Attempting)
        .count()
}

#[tokio::test]
async fn what_a_pause_holds_back_comes_back() {
    let news = triggered("Product Viewed", "advertising", "3d");
    let files = [
        ("welcome.toml", shipped("welcome.toml")),
        ("news.toml", news),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(n, t)| (*n, t.as_str())).collect();
    for (scope, paused_only) in [
        (scope("news"), true),
        (Scope::Class(Class::Advertising), true),
        (Scope::All, false),
    ] {
        let app = App::start(START, &files).await;
        app.sign_up("mina", "Asia/Seoul").await;
        app.event("mina", "Product Viewed", json!({})).await;
        app.event("mina", "Signed Up", json!({})).await;
        app.core.pause(&scope, "test").await.unwrap();
        app.leap(Span::minutes(15)).await;
        let others = usize::from(paused_only);
        assert_eq!(app.mails().len(), others, "{scope:?}");
        // Kept over restarts.
        let store = app.core.store.clone();
        let app = app.reopen(store).await;
        app.leap(Span::minutes(15)).await;
        assert_eq!(app.mails().len(), others, "{scope:?}");
        // Who enters meanwhile waits as well.
        app.sign_up("joon", "Asia/Seoul").await;
        app.event("joon", "Product Viewed", json!({})).await;
        app.leap(Span::minutes(15)).await;
        assert_eq!(app.mails().len(), others, "{scope:?}");
        app.core.resume(&scope, "test").await.unwrap();
        app.settle().await;
        let (mina, joon) = (app.story("mina").await, app.story("joon").await);
        assert_eq!(app.mails().len(), 3, "{scope:?} {mina:?} {joon:?}");
    }
}

#[tokio::test]
async fn one_pause_does_not_lift_another() {
    let news = triggered("Product Viewed", "advertising", "3d");
    let app = App::start(START, &[("news.toml", &news)]).await;
    app.sign_up("mina", "Asia/Seoul").await;
    app.event("mina", "Product Viewed", json!({})).await;
    let all = [scope("news"), Scope::Class(Class::Advertising), Scope::All];
    for scope in &all {
        app.core.pause(scope, "test").await.unwrap();
        app.leap(Span::minutes(6)).await;
    }
    for scope in &all {
        assert_eq!(app.mails().len(), 0, "before {scope:?}");
        app.core.resume(scope, "test").await.unwrap();
        app.leap(Span::minutes(6)).await;
    }
    assert_eq!(app.mails().len(), 1);
    let nobody = app.core.pause(&scope("nothing"), "test").await;
    assert!(matches!(nobody, Err(ControlError::Unknown(_))));
}

#[tokio::test]
async fn what_expired_while_paused_is_dropped_at_resume() {
    let news = triggered("Product Viewed", "advertising", "2d");
    let app = App::start(START, &[("news.toml", &news)]).await;
    app.sign_up("mina", "Asia/Seoul").await;
    app.event("mina", "Product Viewed", json!({})).await;
    app.core.pause(&scope("news"), "test").await.unwrap();
    app.leap(Span::minutes(15)).await;
    app.leap(Span::days(3)).await;
    app.core.resume(&scope("news"), "test").await.unwrap();
    app.settle().await;
    assert_eq!(
        app.story("mina").await.last().unwrap(),
        "news expired/expired"
    );
    assert_eq!(app.mails().len(), 0);
}

/// The order is given in the middle of a run; when it returns, nothing more begins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_or_cancel_is_in_force_before_it_returns() {
    for (cancel, scope) in [
        (false, scope("news")),
        (false, Scope::Class(Class::Informational)),
        (false, Scope::All),
        (true, scope("news")),
    ] {
        let news = triggered("Product Viewed", "informational", "3d");
        let app = App::start(START, &[("news.toml", &news)]).await;
        app.crowd(0..300).await;
        for n in 0..300 {
            app.event(&format!("c{n}"), "Product Viewed", json!({}))
                .await;
        }
        app.clock.advance(Span::minutes(10));
        let core = app.core.clone();
        let running = tokio::spawn(async move { core.settle().await });
        while app.mails().len() < 10 {
            tokio::task::yield_now().await;
        }
        if let (true, Scope::Campaign(id)) = (cancel, &scope) {
            app.core.cancel(id, "test").await.unwrap();
        } else {
            app.core.pause(&scope, "test").await.unwrap();
        }
        let begun = attempts(&app).await;
        running.await.unwrap().unwrap();
        app.leap(Span::minutes(1)).await;
        assert_eq!(attempts(&app).await, begun, "{scope:?}");
        assert_eq!(app.mails().len(), begun, "what had begun is finished");
        println!("{scope:?}: {begun} of 300 had begun");
        if cancel {
            let log = app.log().await;
            let dropped = log.iter().filter(|r| r.status == Status::Dropped).count();
            assert_eq!(dropped, 300 - begun, "told once each");
            let left = log.iter().filter(|r| r.status == Status::Left);
            let left: Vec<_> = left.map(|r| (r.customer, r.reason)).collect();
            assert!(
                left.iter()
                    .all(|(_, why)| *why == Reason::CampaignCancelled)
            );
            let whose: BTreeSet<_> = left.iter().map(|(no, _)| *no).collect();
            assert_eq!(left.len(), whose.len(), "told once each");
            // Who had their mail when it was cancelled had finished, unless it was in hand.
            let dropped = log.iter().filter(|r| r.status == Status::Dropped);
            assert!(dropped.clone().all(|r| whose.contains(&r.customer)));
            assert!(
                dropped
                    .clone()
                    .all(|r| r.reason == Reason::CampaignCancelled)
            );
            let again = app.core.pause(&scope, "test").await;
            assert!(matches!(again, Err(ControlError::Cancelled(_))));
        } else {
            app.core.resume(&scope, "test").await.unwrap();
            app.settle().await;
            assert_eq!(app.mails().len(), 300);
        }
    }
}

/// Wherever an entry stands: its step not due yet, its message in the outbox, held back by a pause, put off by a window.
#[tokio::test]
async fn whoever_is_under_way_when_a_campaign_is_cancelled_is_told_to_have_left() {
    let news = triggered("Product Viewed", "informational", "3d");
    for (file_gone, crash) in [(false, false), (false, true), (true, false)] {
        let store = Watched::new();
        let app = App::start_on(store.clone(), START, CONFIG, &[("news.toml", &news)]).await;
        for id in ["sent", "parked", "outbox", "off", "waiting"] {
            app.sign_up(id, "UTC").await;
        }
        // Evenings only: it is 03:00.
        let mut hours = ProfileChange::default();
        hours.preferences.window = Some(Some(Window::parse("Mon-Sun 20:00-21:00").unwrap()));
        app.act("off", Cause::Profile(Box::new(hours), Liveness::Live))
            .await;
        app.event("sent", "Product Viewed", json!({})).await;
        app.leap(Span::minutes(10)).await;
        assert_eq!(app.mails().len(), 1);
        app.core.pause(&scope("news"), "test").await.unwrap();
        app.event("parked", "Product Viewed", json!({})).await;
        app.leap(Span::minutes(10)).await;
        app.core.resume(&scope("news"), "test").await.unwrap();
        // Nothing leaves: a hold leaves the outbox as it is.
        app.core.hold("a test").await.unwrap();
        for id in ["outbox", "off"] {
            app.event(id, "Product Viewed", json!({})).await;
        }
        app.leap(Span::minutes(10)).await;
        app.event("waiting", "Product Viewed", json!({})).await;
        if file_gone {
            app.file("news.toml", None);
            app.reload().await;
        }
        let id = CampaignId::parse("news").unwrap();
        if crash {
            // It dies after its word, before the walk has met anybody.
            store.fail(|batch| {
                let walks = !batch.epochs.is_empty();
                walks.then(|| StoreError::Unavailable("away".into()))
            });
            let _ = app.core.cancel(&id, "test").await;
        } else {
            app.core.cancel(&id, "test").await.unwrap();
        }
        let app = app.reopen(store.again()).await;
        for _ in 0..3 {
            app.core.tick().await.unwrap();
            app.settle().await;
        }
        assert_eq!(
            app.story("sent").await.last().unwrap(),
            "news accepted/accepted"
        );
        for id in ["parked", "outbox", "off", "waiting"] {
            let story = app.story(id).await;
            let left = "news left/campaign_cancelled".to_owned();
            let rows = story.iter().filter(|row| **row == left);
            assert_eq!(
                rows.count(),
                1,
                "{id}, file gone {file_gone}, crash {crash}: {story:?}"
            );
            let fell_due = story.iter().any(|row| row.starts_with("news waiting"));
            let dropped = "news dropped/campaign_cancelled".to_owned();
            assert_eq!(story.contains(&dropped), fell_due, "{id}: {story:?}");
            assert_eq!(fell_due, id != "waiting", "{id}: {story:?}");
        }
        app.core.resume(&Scope::All, "test").await.unwrap();
        app.leap(Span::days(1)).await;
        assert_eq!(app.mails().len(), 1);
    }
}

#[tokio::test]
async fn a_schedule_that_was_paused_over_its_time_is_missed_like_any_other() {
    let campaign = r#"
name  = "Daily"
state = "live"
class = "informational"

[schedule]
cron     = "0 9 * * *"
timezone = "UTC"

[audience]
event = "Order Completed"

[entry]
again    = "always"
existing = "enter"

[[step]]
id       = "hello"
template = "welcome"
subject  = "Hello"
"#;
    for (hours, entered) in [(4, 1), (8, 0)] {
        let app = App::start(START, &[("daily.toml", campaign)]).await;
        app.sign_up("mina", "UTC").await;
        app.event("mina", "Order Completed", json!({})).await;
        app.core.pause(&scope("daily"), "test").await.unwrap();
        // From 03:00 to 09:00, and so many hours on.
        app.leap(Span::hours(6)).await;
        app.leap(Span::hours(hours)).await;
        app.core.resume(&scope("daily"), "test").await.unwrap();
        app.settle().await;
        assert_eq!(
            app.entered("daily").await,
            entered,
            "resumed {hours} hours late"
        );
        app.leap(Span::hours(24 - hours)).await;
        assert_eq!(app.entered("daily").await, entered + 1, "the next day");
    }
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

#[tokio::test]
async fn after_a_leap_forward_events_are_taken_and_sending_is_held_until_somebody_resumes() {
    let news = triggered("Product Viewed", "informational", "7d");
    let app = App::start(START, &[("news.toml", &news)]).await;
    app.sign_up("mina", "UTC").await;
    app.event("mina", "Product Viewed", json!({})).await;
    app.clock.set_wall(at("2026-03-05T03:00:00Z"));
    let why = app.core.held().unwrap();
    assert!(why.contains("forward by 3d"), "{why}");
    // The leapt time is used for nothing; time runs on as before.
    assert!(app.event("mina", "Signed Up", json!({})).await.fresh);
    app.leap(Span::minutes(15)).await;
    assert_eq!(app.now(), at("2026-03-02T03:15:00Z"));
    assert_eq!(app.mails().len(), 0);
    assert_eq!(
        app.story("mina").await.last().unwrap(),
        "news waiting/step_due"
    );
    let log = app.log().await;
    assert!(log.iter().all(|r| r.time < at("2026-03-03T00:00:00Z")));
    // It stays held over a long time, and is let go by an operator, who takes the wall clock as it is.
    app.leap(Span::hours(10)).await;
    assert_eq!(app.mails().len(), 0);
    app.core.resume(&Scope::All, "test").await.unwrap();
    assert_eq!(app.core.held(), None);
    app.settle().await;
    assert_eq!(app.mails().len(), 1);
    assert_eq!(app.now(), at("2026-03-05T13:15:00Z"));
}

#[tokio::test]
async fn a_clock_that_is_put_right_goes_on_by_itself() {
    let news = triggered("Product Viewed", "informational", "7d");
    for wrong in ["2027-03-02T03:00:00Z", "2026-03-02T02:00:00Z"] {
        let app = App::start(START, &[("news.toml", &news)]).await;
        app.sign_up("mina", "UTC").await;
        app.event("mina", "Product Viewed", json!({})).await;
        app.clock.set_wall(at(wrong));
        assert!(app.core.held().is_some(), "{wrong}");
        app.leap(Span::minutes(5)).await;
        assert!(app.event("mina", "Signed Up", json!({})).await.fresh);
        app.clock.set_wall(at(START) + Span::minutes(5));
        assert_eq!(app.core.held(), None, "{wrong}");
        app.leap(Span::minutes(5)).await;
        assert_eq!(app.mails().len(), 1, "{wrong}");
        assert_eq!(app.now(), at(START) + Span::minutes(10));
    }
}

#[tokio::test]
async fn after_a_step_back_time_stands_until_the_wall_has_caught_up_or_somebody_resumes() {
    let news = triggered("Product Viewed", "informational", "7d");
    let config = format!("{CONFIG}caps = []\n");
    let app = App::start_on(
        Arc::new(MemoryStore::new()),
        START,
        &config,
        &[("news.toml", &news)],
    )
    .await;
    app.sign_up("mina", "UTC").await;
    app.event("mina", "Product Viewed", json!({})).await;
    app.clock.set_wall(at(START) - Span::hours(1));
    app.leap(Span::minutes(30)).await;
    assert_eq!(app.now(), at(START));
    assert!(app.core.held().unwrap().contains("back by 1h"));
    app.leap(Span::minutes(31)).await;
    assert_eq!(
        app.now(),
        at(START) + Span::minutes(1),
        "the wall has caught up"
    );
    app.leap(Span::minutes(10)).await;
    // Sending stays held: that the clocks ran apart is not undone by waiting.
    assert!(app.core.held().is_some());
    assert_eq!(app.mails().len(), 0);
    app.core.resume(&Scope::All, "test").await.unwrap();
    app.settle().await;
    assert_eq!(app.mails().len(), 1);
}
