//! Nobody is surprised: history starts nothing, a draft enters nobody, and whoever would enter many at once is asked
//! first.

mod app;

use app::watched::Watched;
use app::{App, CONFIG};
use reveille::domain::cause::{Cause, Liveness, ProfileChange};
use reveille::domain::id::ShardNo;
use reveille::domain::preference::ConsentState;
use reveille::domain::time::Span;
use reveille::domain::value::Value;
use reveille::engine::control::{ControlError, Scope};
use reveille::store::{StoreError, keys};
use serde_json::json;

const START: &str = "2026-03-02T03:00:00Z";

/// Who has an order enters when that begins to hold.
fn buyers(state: &str, existing: &str, condition: &str) -> String {
    format!(
        r#"
name  = "Buyers"
state = "{state}"
class = "informational"

[audience]
{condition}

[entry]
existing = "{existing}"

[[step]]
id       = "hello"
template = "welcome"
subject  = "Hello"
"#
    )
}

const ORDERED: &str = "event = \"Order Completed\"";

fn at_nine(existing: &str) -> String {
    let audience = buyers("live", existing, ORDERED);
    format!("{audience}\n[schedule]\ncron = \"0 9 * * *\"\ntimezone = \"UTC\"\n")
}

const TRIGGERED: &str = r#"
name  = "Signed up"
state = "live"
class = "informational"

[trigger]
event = "Signed Up"

[[step]]
id       = "hello"
template = "welcome"
subject  = "Hello"
"#;

/// A day in which no occurrence is missed.
async fn a_day(app: &App) {
    for _ in 0..8 {
        app.leap(Span::hours(3)).await;
    }
}

#[tokio::test]
async fn history_starts_nothing() {
    let audience = buyers("live", "skip", ORDERED);
    let files = [
        ("signed.toml", TRIGGERED),
        ("buyers.toml", audience.as_str()),
    ];
    let app = App::start(START, &files).await;
    app.sign_up("mina", "Asia/Seoul").await;
    let before = app.now() - Span::minutes(1);
    for (id, name, time, liveness) in [
        ("mina", "Signed Up", app.now(), Liveness::History),
        ("mina", "Order Completed", app.now(), Liveness::History),
        // Heard of by history only.
        ("joon", "Signed Up", before, Liveness::History),
        ("joon", "Order Completed", before, Liveness::History),
        // Live, but of before the campaign was: a trigger is live from its activation.
        ("ana", "Signed Up", before, Liveness::Live),
    ] {
        app.event_at(id, name, json!({}), time, liveness).await;
    }
    app.advance(Span::minutes(5)).await;
    // Nor does anything that happens to them afterwards.
    app.consent("joon", ConsentState::Given).await;
    app.event("joon", "Product Viewed", json!({})).await;
    app.leap(Span::days(3)).await;
    assert_eq!(app.log().await, []);
    // What is live starts, too late by less than `fresh`.
    let late = app.now() - Span::hours(23);
    app.event_at("mina", "Signed Up", json!({}), late, Liveness::Live)
        .await;
    app.event("lee", "Order Completed", json!({})).await;
    let too_late = app.now() - Span::hours(25);
    app.event_at("kim", "Signed Up", json!({}), too_late, Liveness::Live)
        .await;
    app.settle().await;
    assert_eq!(
        (app.entered("signed").await, app.entered("buyers").await),
        (1, 1)
    );
}

#[tokio::test]
async fn a_draft_enters_nobody_and_a_start_enters_from_then_on() {
    let draft = TRIGGERED.replace("live", "draft");
    let audience = buyers("draft", "skip", ORDERED);
    let files = [
        ("signed.toml", draft.as_str()),
        ("buyers.toml", audience.as_str()),
    ];
    let app = App::start(START, &files).await;
    app.sign_up("mina", "Asia/Seoul").await;
    app.event("mina", "Signed Up", json!({})).await;
    app.event("mina", "Order Completed", json!({})).await;
    app.leap(Span::hours(1)).await;
    assert_eq!(app.log().await, []);
    app.file("signed.toml", Some(TRIGGERED));
    app.file("buyers.toml", Some(&buyers("live", "skip", ORDERED)));
    app.reload().await;
    app.leap(Span::days(1)).await;
    assert_eq!(app.log().await, [], "what was before the start is history");
    for id in ["joon", "mina"] {
        app.event(id, "Signed Up", json!({})).await;
        app.event(id, "Order Completed", json!({})).await;
    }
    app.settle().await;
    assert_eq!(app.entered("signed").await, 2);
    assert_eq!(
        app.entered("buyers").await,
        1,
        "mina held already, and is skipped"
    );
}

#[tokio::test]
async fn a_few_existing_ones_enter_when_the_walk_has_ended() {
    for text in [buyers("live", "enter", ORDERED), at_nine("enter")] {
        let app = App::start(START, &[]).await;
        app.buyers(0..150).await;
        app.file("buyers.toml", Some(&text));
        app.reload().await;
        assert!(!app.awaits_approval("buyers"));
        // 09:00 UTC, for the one with a schedule.
        app.leap(Span::hours(6)).await;
        assert_eq!(app.entered("buyers").await, 150);
        app.leap(Span::days(2)).await;
        assert_eq!(app.entered("buyers").await, 150, "each once");
        assert_eq!(app.mails().len(), 150);
    }
}

#[tokio::test]
async fn a_start_that_would_enter_many_waits_for_approval() {
    for text in [buyers("live", "enter", ORDERED), at_nine("enter")] {
        let app = App::start(START, &[]).await;
        app.buyers(0..300).await;
        app.file("buyers.toml", Some(&text));
        app.reload().await;
        assert!(app.awaits_approval("buyers"));
        app.leap(Span::hours(30)).await;
        assert_eq!(app.entered("buyers").await, 0);
        // Somebody new begins to hold while it waits: one of those who wait.
        app.event("late", "Order Completed", json!({})).await;
        app.settle().await;
        assert_eq!(app.entered("buyers").await, 0);
        // Over a restart too.
        let store = app.core.store.clone();
        let app = app.reopen(store).await;
        app.leap(Span::hours(1)).await;
        assert!(app.awaits_approval("buyers"));
        assert_eq!(app.entered("buyers").await, 0);
        app.approve("buyers").await;
        app.leap(Span::hours(24)).await;
        assert_eq!(app.entered("buyers").await, 301);
        let id = reveille::domain::id::CampaignId::parse("buyers").unwrap();
        let again = app.core.approve(&id, "test").await;
        assert!(matches!(again, Err(ControlError::NotAwaiting(_))));
    }
}

#[tokio::test]
async fn an_edit_that_would_enter_many_waits_for_approval() {
    let rare = "event = \"Order Completed\"\ncount = \">= 2\"";
    for (existing, start) in [
        ("enter", buyers("live", "enter", rare)),
        ("enter", at_nine("enter").replace(ORDERED, rare)),
    ] {
        let app = App::start(START, &[("buyers.toml", &start)]).await;
        let numbers = app.buyers(0..300).await;
        let second = app.now() - Span::days(1);
        let second = app.past(numbers[0], "Order Completed", second);
        app.offer(vec![second]).await;
        app.event("c1", "Order Completed", json!({})).await;
        a_day(&app).await;
        let before = app.entered("buyers").await;
        assert!((1..=2).contains(&before), "{before} by the first file");
        let edited = start.replace("\ncount = \">= 2\"", "");
        assert_ne!(edited, start);
        app.file("buyers.toml", Some(&edited));
        app.reload().await;
        assert!(app.awaits_approval("buyers"), "{existing}");
        a_day(&app).await;
        assert_eq!(app.entered("buyers").await, before);
        app.approve("buyers").await;
        a_day(&app).await;
        let entered = app.entered("buyers").await;
        assert!((299..=300).contains(&entered), "{entered}");
        // Texts alone may be edited freely.
        app.file("buyers.toml", Some(&edited.replace("\"Hello\"", "\"Hi\"")));
        app.reload().await;
        assert!(!app.awaits_approval("buyers"));
    }
}

/// Who may enter, and how often, decides on as many as the audience does.
#[tokio::test]
async fn an_edit_of_entry_that_would_enter_many_waits_for_approval() {
    let never = at_nine("enter").replace("[entry]\n", "[entry]\nagain = \"never\"\n");
    let always = never.replace("never", "always");
    let at_most = always.replace("always\"", "always\"\nat_most = 1");
    let skip = at_nine("skip");
    let skip_always = skip.replace("[entry]\n", "[entry]\nagain = \"always\"\n");
    for (what, before, after, entered) in [
        ("again", &never, &always, 300),
        ("at_most", &at_most, &always, 300),
        ("again of those who were skipped", &skip, &skip_always, 0),
    ] {
        let app = App::start(START, &[]).await;
        app.buyers(0..300).await;
        app.file("buyers.toml", Some(before));
        app.reload().await;
        if app.awaits_approval("buyers") {
            app.approve("buyers").await;
        }
        a_day(&app).await;
        assert_eq!(app.entered("buyers").await, entered, "{what}");
        app.file("buyers.toml", Some(after));
        app.reload().await;
        assert!(app.awaits_approval("buyers"), "{what}");
        a_day(&app).await;
        assert_eq!(app.entered("buyers").await, entered, "{what}");
        // The occurrence of that day waited for the approval.
        app.approve("buyers").await;
        assert_eq!(app.entered("buyers").await, entered + 300, "{what}");
    }
}

#[tokio::test]
async fn from_test_to_live_is_a_start() {
    let app = App::start(START, &[("buyers.toml", &buyers("test", "enter", ORDERED))]).await;
    app.buyers(0..300).await;
    let mut tester = ProfileChange::default();
    tester.attributes.insert("test".into(), Value::Bool(true));
    let tester = Cause::Profile(Box::new(tester), Liveness::Live);
    app.act("tester", tester).await;
    app.event("tester", "Order Completed", json!({})).await;
    app.event("c0", "Order Completed", json!({})).await;
    app.leap(Span::hours(1)).await;
    assert_eq!(app.entered("buyers").await, 1, "the tester alone");
    assert!(!app.awaits_approval("buyers"));
    app.file("buyers.toml", Some(&buyers("live", "enter", ORDERED)));
    app.reload().await;
    assert!(app.awaits_approval("buyers"));
    app.leap(Span::hours(30)).await;
    assert_eq!(app.entered("buyers").await, 1);
    app.approve("buyers").await;
    app.settle().await;
    assert_eq!(app.entered("buyers").await, 301);
}

#[tokio::test]
async fn a_pace_lets_so_many_in_each_day() {
    for text in [buyers("live", "100 per 1d", ORDERED), at_nine("100 per 1d")] {
        let app = App::start(START, &[]).await;
        app.buyers(0..400).await;
        app.file("buyers.toml", Some(&text));
        app.reload().await;
        assert!(!app.awaits_approval("buyers"), "100 at once are few");
        let mut days = Vec::new();
        let mut before = 0;
        // Counted an hour before the next share begins.
        for hours in [23, 24, 24, 24, 24, 24] {
            app.leap(Span::hours(8)).await;
            app.leap(Span::hours(8)).await;
            app.leap(Span::hours(hours - 16)).await;
            let all = app.entered("buyers").await;
            days.push(all - before);
            before = all;
        }
        println!("{days:?}");
        assert_eq!(before, 400);
        // Four or five days' shares, each about a hundred by the hash; a day may see one share more at its edge.
        assert!(days.iter().all(|n| *n <= 150), "{days:?}");
        assert!(days.iter().filter(|n| **n > 55).count() >= 3, "{days:?}");
    }
}

#[tokio::test]
async fn a_pause_does_not_stop_the_count() {
    // Paused before the walk has ended: approval is asked for all the same, and resuming alone enters nobody.
    let app = App::start(START, &[]).await;
    app.buyers(0..300).await;
    app.file("buyers.toml", Some(&buyers("live", "enter", ORDERED)));
    app.reload().await;
    app.core.pause(&Scope::All, "test").await.unwrap();
    app.leap(Span::hours(2)).await;
    app.core.resume(&Scope::All, "test").await.unwrap();
    app.leap(Span::hours(2)).await;
    assert!(app.awaits_approval("buyers"));
    assert_eq!(app.entered("buyers").await, 0);
}

/// A cause that comes before the walk brings its customer up to date; an edit of another campaign begins the walk anew.
#[tokio::test]
async fn those_who_are_judged_before_the_walk_meets_them_are_counted() {
    for edited_meanwhile in [false, true] {
        let store = Watched::new();
        let app = App::start_on(store.clone(), START, CONFIG, &[]).await;
        app.buyers(0..300).await;
        // The walk cannot get on.
        let is_walk =
            |key: &Vec<u8>| key.len() == 2 && ShardNo::all().any(|s| *key == keys::walk(s));
        store.fail(move |batch| {
            let walks = batch.puts.iter().any(|(key, _)| is_walk(key));
            walks.then(|| StoreError::Unavailable("away".into()))
        });
        app.file("buyers.toml", Some(&buyers("live", "enter", ORDERED)));
        let config = app::load_config(app.dir.path());
        app.core.reload(config).await.unwrap();
        for n in 0..200 {
            app.event(&format!("c{n}"), "Product Viewed", json!({}))
                .await;
        }
        if edited_meanwhile {
            app.file("signed.toml", Some(TRIGGERED));
            let config = app::load_config(app.dir.path());
            app.core.reload(config).await.unwrap();
        }
        assert_eq!(app.entered("buyers").await, 0);
        store.mend();
        app.settle().await;
        assert!(app.awaits_approval("buyers"), "{edited_meanwhile}");
        app.approve("buyers").await;
        assert_eq!(app.entered("buyers").await, 300);
    }
}
