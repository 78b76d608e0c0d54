//! Nobody is surprised: history starts nothing, a draft enters nobody, and whoever would enter many at once is asked
//! first.

mod app;

use app::watched::Watched;
use app::{App, CONFIG};
use reveille::domain::cause::{Cause, Liveness, ProfileChange};
use reveille::domain::id::{CustomerId, ShardNo};
use reveille::domain::ledger::{LogRow, Status};
use reveille::domain::preference::ConsentState;
use reveille::domain::time::Span;
use reveille::domain::value::Value;
use reveille::engine::control::{ControlError, Scope};
use reveille::engine::query::Phase;
use reveille::engine::state::{Number, Walk};
use reveille::store::codec::decode;
use reveille::store::{Batch, StoreError, keys};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::Notify;

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
async fn a_live_campaign_that_becomes_a_draft_enters_nobody_more_and_those_under_way_finish() {
    let after = |text: &str| text.replace("subject  =", "after    = \"10h\"\nsubject  =");
    let files = [
        ("signed", after(TRIGGERED)),
        ("edge", after(&buyers("live", "skip", ORDERED))),
        ("nine", after(&at_nine("enter"))),
    ];
    let app = App::start(START, &[]).await;
    for (name, text) in &files {
        app.file(&format!("{name}.toml"), Some(text));
    }
    app.reload().await;
    let act = async |id: &str| {
        app.sign_up(id, "UTC").await;
        app.event(id, "Signed Up", json!({})).await;
        app.event(id, "Order Completed", json!({})).await;
    };
    act("mina").await;
    // 09:00 UTC, and an hour more; nothing is due before 13:00.
    app.leap(Span::hours(7)).await;
    for (name, text) in &files {
        assert_eq!(app.entered(name).await, 1, "{name}");
        let draft = text.replace("\"live\"", "\"draft\"");
        app.file(&format!("{name}.toml"), Some(&draft));
    }
    app.reload().await;
    act("joon").await;
    // Over a restart too.
    let store = app.core.store.clone();
    let app = app.reopen(store).await;
    for _ in 0..4 {
        app.leap(Span::hours(10)).await;
    }
    let finished = app.story("mina").await;
    for (name, _) in &files {
        assert_eq!(app.entered(name).await, 1, "{name}");
        assert!(
            finished.contains(&format!("{name} accepted/accepted")),
            "{name}: {finished:?}"
        );
    }
    assert_eq!(app.story("joon").await, Vec::<String>::new());
    assert_eq!(app.mails().len(), 3);
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

/// The walk cannot get on, in one shard or in any.
fn no_walk(shard: Option<ShardNo>) -> impl FnMut(&Batch) -> Option<StoreError> + Send + 'static {
    let rows: Vec<Vec<u8>> = match shard {
        Some(shard) => vec![keys::walk(shard)],
        None => ShardNo::all().map(keys::walk).collect(),
    };
    move |batch| {
        let mut walks = (batch.puts.iter())
            .filter(|(key, _)| rows.contains(key))
            .map(|(_, value)| decode::<Walk>(value).unwrap());
        let gets_on = walks.any(|walk| walk.walked > 0 || walk.done);
        gets_on.then(|| StoreError::Unavailable("away".into()))
    }
}

/// A cause that comes before the walk brings its customer up to date; an edit of another campaign begins the walk anew.
#[tokio::test]
async fn those_who_are_judged_before_the_walk_meets_them_are_counted() {
    for edited_meanwhile in [false, true] {
        let store = Watched::new();
        let app = App::start_on(store.clone(), START, CONFIG, &[]).await;
        app.buyers(0..300).await;
        store.fail(no_walk(None));
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

/// Who is judged, or begins to hold, before the campaign is live is counted in the commit that found it: a crash between
/// that and the end of the walk forgets nobody.
#[tokio::test]
async fn a_crash_forgets_nobody_who_was_found_before_the_walk() {
    // Those who held already, and were met by a cause; those who begin to hold while the walk stands still.
    for (bought_before, event) in [(true, "Product Viewed"), (false, "Order Completed")] {
        for crash in [false, true] {
            let store = Watched::new();
            let app = App::start_on(store.clone(), START, CONFIG, &[]).await;
            match bought_before {
                true => app.buyers(0..300).await,
                false => app.crowd(0..300).await,
            };
            store.fail(no_walk(None));
            app.file("buyers.toml", Some(&buyers("live", "enter", ORDERED)));
            let config = app::load_config(app.dir.path());
            app.core.reload(config).await.unwrap();
            for n in 0..250 {
                app.event(&format!("c{n}"), event, json!({})).await;
            }
            let app = match crash {
                true => app.reopen(store.again()).await,
                false => {
                    store.mend();
                    app
                }
            };
            app.settle().await;
            assert!(app.awaits_approval("buyers"), "{event}, crash {crash}");
            assert_eq!(app.entered("buyers").await, 0);
            app.approve("buyers").await;
            let all = if bought_before { 300 } else { 250 };
            assert_eq!(app.entered("buyers").await, all, "{event}, crash {crash}");
        }
    }
}

/// Most shards have walked, one has not: whoever begins to hold in the others meanwhile is counted too.
#[tokio::test]
async fn those_who_begin_to_hold_behind_the_walk_are_counted() {
    for crash in [false, true] {
        let store = Watched::new();
        let app = App::start_on(store.clone(), START, CONFIG, &[]).await;
        let numbers = app.crowd(0..300).await;
        let slow = numbers[0].shard();
        store.fail(no_walk(Some(slow)));
        app.file("buyers.toml", Some(&buyers("live", "enter", ORDERED)));
        let config = app::load_config(app.dir.path());
        app.core.reload(config).await.unwrap();
        // The tick comes back when the walk of all others has had its turns.
        for _ in 0..20 {
            let _ = app.core.tick().await;
        }
        for (n, _) in numbers
            .iter()
            .enumerate()
            .filter(|(_, no)| no.shard() != slow)
        {
            app.event(&format!("c{n}"), "Order Completed", json!({}))
                .await;
        }
        let app = match crash {
            true => app.reopen(store.again()).await,
            false => {
                store.mend();
                app
            }
        };
        app.settle().await;
        assert!(app.awaits_approval("buyers"), "crash {crash}");
        assert_eq!(app.entered("buyers").await, 0);
    }
}

/// An approval beside the end of another campaign's walk: each has a walk of its own to let its customers in.
#[tokio::test]
async fn an_approval_beside_a_start_lets_both_in() {
    let store = Watched::new();
    let app = App::start_on(store.clone(), START, CONFIG, &[]).await;
    app.buyers(0..300).await;
    app.file("many.toml", Some(&buyers("live", "enter", ORDERED)));
    app.reload().await;
    assert!(app.awaits_approval("many"));
    let numbers = app.crowd(300..350).await;
    let viewed = (numbers.iter()).map(|no| app.past(*no, "Product Viewed", app.now()));
    assert!(app.offer(viewed.collect()).await.iter().all(Result::is_ok));
    let viewers = buyers("live", "enter", "event = \"Product Viewed\"");
    app.file("few.toml", Some(&viewers));
    let config = app::load_config(app.dir.path());
    app.core.reload(config).await.unwrap();
    let number = || async {
        let found = app
            .core
            .store
            .get_many(vec![keys::house("admissions")])
            .await;
        let value = found.unwrap().remove(0);
        value.map_or(0, |v| decode::<Number>(&v.value).unwrap().0)
    };
    let before = number().await;
    // The approval comes between the instant at which the other campaign's start has its number, and its commit.
    let numbered = Arc::new(Notify::new());
    let tell = numbered.clone();
    store.fail(move |batch| {
        let is_number = |(key, _): &(Vec<u8>, Vec<u8>)| *key == keys::house("admissions");
        if batch.puts.iter().any(is_number) {
            tell.notify_one();
        }
        None
    });
    store.dawdles.store(true, Relaxed);
    let many = reveille::domain::id::CampaignId::parse("many").unwrap();
    tokio::join!(app.settle(), async {
        numbered.notified().await;
        app.core.approve(&many, "test").await.unwrap();
    });
    app.settle().await;
    assert_eq!(number().await, before + 2, "a number each");
    assert_eq!(
        (app.entered("many").await, app.entered("few").await),
        (300, 50)
    );
}

/// A way of two steps, the second so long after the first.
fn series(wait: &str, subject: &str) -> String {
    let first =
        buyers("live", "enter", ORDERED).replace("[entry]", "[entry]\non_change = \"jump\"");
    format!(
        "{first}\n[[step]]\nid = \"later\"\nwait = \"{wait}\"\ntemplate = \"welcome\"\nsubject = \"{subject}\"\n"
    )
}

async fn had_later(app: &App) -> usize {
    let log = app.log().await;
    let later = |r: &&LogRow| r.step.as_ref().is_some_and(|s| s.as_str() == "later");
    (log.iter().filter(later))
        .filter(|r| r.status == Status::Attempting)
        .count()
}

/// Steps that are edited under `on_change = "jump"` and would mail many at once: they stay where they are until somebody
/// approves it, over restarts, and a further edit asks anew.
#[tokio::test]
async fn an_edit_that_would_mail_many_at_once_waits_for_approval() {
    for many in [3, 7] {
        let store = Watched::new();
        let config = format!("{CONFIG}[safety]\nat_once = \"5\"\n");
        let mut app = App::start_on(store.clone(), START, &config, &[]).await;
        app.buyers(0..many).await;
        app.file("series.toml", Some(&series("10d", "Later")));
        app.reload().await;
        if many > 5 {
            app.approve("series").await;
        }
        app.advance(Span::minutes(5)).await;
        app.leap(Span::days(2)).await;
        assert_eq!(app.mails().len(), many);
        // An edit of texts, and one after which nobody is mailed at once, wait for nothing.
        for file in [series("10d", "Much later"), series("9d", "Much later")] {
            app.file("series.toml", Some(&file));
            app.reload().await;
            assert!(!app.awaits_approval("series"));
        }
        app.file("series.toml", Some(&series("1d", "Sooner")));
        let waits = if many > 5 { 1 } else { 0 };
        let told = app.core.edits_in_files().await.unwrap();
        assert_eq!(told.len(), waits);
        let config = app::load_config(app.dir.path());
        app.core.reload(config).await.unwrap();
        assert_eq!(app.core.edits_in_force().await.unwrap(), told);
        app.settle().await;
        app.advance(Span::minutes(5)).await;
        assert_eq!(app.awaits_approval("series"), many > 5);
        if many <= 5 {
            assert_eq!(had_later(&app).await, many);
            continue;
        }
        assert_eq!(
            (told[0].customers, told[0].allowed, told[0].examples.len()),
            (7, 5, 5)
        );
        app = app.reopen(store.again()).await;
        app.settle().await;
        app.leap(Span::days(1)).await;
        assert_eq!(had_later(&app).await, 0);
        let id = reveille::domain::id::CampaignId::parse("series").unwrap();
        match app.core.campaign(&id).await.unwrap().unwrap().phase {
            Phase::AwaitingApproval {
                customers: 7,
                allowed: 5,
                examples,
                edit: Some(edit),
            } => {
                assert_eq!(examples.len(), 5);
                assert!(edit.contains("7 are under way"), "{edit}");
            }
            other => panic!("{other:?}"),
        }
        let one = CustomerId::shown("c3").unwrap();
        let told = app.core.explain(&one, Some(&id)).await.unwrap().unwrap();
        let stays = told.campaigns[0].enrollments[0].stays;
        assert!(stays.is_some_and(|why| why.contains("waits for approval")));
        assert_eq!(told.campaigns[0].messages, []);
        // Approved, and edited before the next tick: what was approved was that file.
        app.core.approve(&id, "test").await.unwrap();
        app.file("series.toml", Some(&series("1h", "Sooner")));
        app.reload().await;
        let asks_anew = app.awaits_approval("series");
        assert_eq!(had_later(&app).await, if asks_anew { 0 } else { 7 });
        if asks_anew {
            app.approve("series").await;
        }
        app.advance(Span::minutes(5)).await;
        assert_eq!(had_later(&app).await, 7);
        assert!(!app.awaits_approval("series"));
        // Back to a file that was let before, with nobody under way: nothing to ask.
        app.file("series.toml", Some(&series("1d", "Sooner")));
        app.reload().await;
        assert!(!app.awaits_approval("series"));
    }
}

/// One edit lets more in, and moves many who are under way: each is shown, and approved, by itself.
#[tokio::test]
async fn an_approval_lets_in_those_whom_it_showed_and_no_others() {
    let config = format!("{CONFIG}[safety]\nat_once = \"5\"\n");
    let app = App::start_on(Watched::new(), START, &config, &[]).await;
    app.buyers(0..7).await;
    app.crowd(7..15).await;
    app.file("series.toml", Some(&series("10d", "Later")));
    app.reload().await;
    app.approve("series").await;
    app.advance(Span::minutes(5)).await;
    app.leap(Span::days(2)).await;
    let edited = series("1d", "Sooner").replace(ORDERED, "known_for = \">= 0s\"");
    app.file("series.toml", Some(&edited));
    app.reload().await;
    app.advance(Span::minutes(5)).await;
    let id = reveille::domain::id::CampaignId::parse("series").unwrap();
    let shown = async || match app.core.campaign(&id).await.unwrap().unwrap().phase {
        Phase::AwaitingApproval {
            customers, edit, ..
        } => Some((customers, edit.is_some())),
        _ => None,
    };
    assert_eq!(
        (shown().await, had_later(&app).await),
        (Some((8, false)), 0)
    );
    app.core.approve(&id, "test").await.unwrap();
    app.settle().await;
    app.advance(Span::minutes(5)).await;
    assert_eq!(app.entered("series").await, 15);
    assert_eq!((shown().await, had_later(&app).await), (Some((7, true)), 0));
    app.core.approve(&id, "test").await.unwrap();
    app.settle().await;
    app.advance(Span::minutes(5)).await;
    assert_eq!((shown().await, had_later(&app).await), (None, 7));
}

/// Each cart on its own: a mail at once, and one later.
fn carts(wait: &str) -> String {
    let begun = TRIGGERED.replace("Signed Up", "Product Added").replace(
        "\n[[step]]",
        "per = \"cart_id\"\n\n[entry]\non_change = \"jump\"\n\n[[step]]",
    );
    format!(
        "{begun}\n[[step]]\nid = \"later\"\nwait = \"{wait}\"\ntemplate = \"welcome\"\nsubject = \"Later\"\n"
    )
}

/// While an edit waits for approval, the same customer's next cart goes by the file; and somebody who waits, and turns out
/// to be a known customer, waits on as that one. Each gets each mail once.
#[tokio::test]
async fn what_begins_while_an_edit_waits_goes_on_and_a_merge_mails_nobody_who_waits() {
    let store = Watched::new();
    let config = format!("{CONFIG}[safety]\nat_once = \"5\"\n");
    let files = [("carts.toml", carts("10d"))];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let mut app = App::start_on(store.clone(), START, &config, &files).await;
    app.crowd(0..7).await;
    let fill = async |app: &App, who: &str, cart: &str| {
        app.event(who, "Product Added", json!({"cart_id": cart}))
            .await;
    };
    for n in 0..7 {
        fill(&app, &format!("c{n}"), "old").await;
    }
    fill(&app, "anon:7f3a", "theirs").await;
    app.advance(Span::minutes(5)).await;
    app.leap(Span::days(2)).await;
    app.file("carts.toml", Some(&carts("1d")));
    app.reload().await;
    assert!(app.awaits_approval("carts"));
    fill(&app, "c3", "new").await;
    app.advance(Span::minutes(5)).await;
    let (one, anonymous) = (
        CustomerId::shown("c3").unwrap(),
        CustomerId::shown("anon:7f3a").unwrap(),
    );
    app.core.alias(&anonymous, &one).await.unwrap();
    app = app.reopen(store.again()).await;
    app.settle().await;
    let id = reveille::domain::id::CampaignId::parse("carts").unwrap();
    let told = app.core.explain(&one, Some(&id)).await.unwrap().unwrap();
    let mut stays: Vec<(&str, bool)> = (told.campaigns[0].enrollments.iter())
        .map(|e| (e.key.as_str(), e.stays.is_some()))
        .collect();
    stays.sort_unstable();
    assert_eq!(stays, [("new", false), ("old", true), ("theirs", true)]);
    assert_eq!(told.campaigns[0].messages.len(), 1, "that of the new cart");
    let counted = app.core.standings(&id, |_, _| true).await.unwrap().unwrap();
    let later = &counted.steps[1];
    assert_eq!((later.waiting, later.unknown, later.due.day), (9, 8, 1));
    app.leap(Span::days(2)).await;
    app.advance(Span::minutes(5)).await;
    let of_later = async |app: &App| {
        let log = app.log().await;
        let later = |r: &&LogRow| r.step.as_ref().is_some_and(|s| s.as_str() == "later");
        let sent = log.iter().filter(later);
        let mut carts: Vec<String> = (sent.filter(|r| r.status == Status::Attempting))
            .map(|r| r.entry.0.clone())
            .collect();
        carts.sort_unstable();
        carts
    };
    assert_eq!(of_later(&app).await, ["new"]);
    app.approve("carts").await;
    app.advance(Span::minutes(5)).await;
    app.leap(Span::days(12)).await;
    app.advance(Span::minutes(5)).await;
    let mut all = vec!["new".to_owned(), "theirs".to_owned()];
    all.extend(vec!["old".to_owned(); 7]);
    all.sort_unstable();
    assert_eq!(of_later(&app).await, all);
    assert!(!app.awaits_approval("carts"));
}
