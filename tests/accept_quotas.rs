//! Quotas over all shards: how many a schedule lets in, who they are, and that an entry counts once whatever fails.

mod app;

use app::watched::Watched;
use app::{App, CONFIG};
use reveille::domain::cause::{Cause, Liveness, ProfileChange};
use reveille::domain::id::{CampaignId, CustomerNo, ShardNo};
use reveille::domain::ledger::Status;
use reveille::domain::quota::{Taken, lot_of};
use reveille::domain::time::Span;
use reveille::engine::batch::Work;
use reveille::engine::core::preset_salt;
use reveille::engine::forecast::{Question, Told};
use reveille::store::codec::decode;
use reveille::store::memory::MemoryStore;
use reveille::store::{Store, StoreError, keys};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// 09:00 in Seoul.
const START: &str = "2026-03-02T00:00:00Z";

fn lottery(quota: &str) -> String {
    format!(
        r#"
name = "Lottery"
state = "live"
class = "advertising"
topic = "offers"
[schedule]
cron = "0 10 * * *"
[audience]
event = "Order Completed"
[entry]
existing = "enter"
[[step]]
id = "mail"
template = "welcome"
subject = {{ en = "Drawn", ko = "당첨" }}
[limits]
quota = "{quota}"
"#
    )
}

fn id() -> CampaignId {
    CampaignId::parse("lottery").unwrap()
}

/// Who entered, day by day, each once.
async fn entered(app: &App) -> BTreeMap<i64, BTreeSet<CustomerNo>> {
    let mut days: BTreeMap<i64, BTreeSet<CustomerNo>> = BTreeMap::new();
    let mut all = BTreeSet::new();
    for row in app.log().await {
        if row.status == Status::Entered {
            assert!(all.insert(row.customer), "{row:?}");
            let day = row.time.millis() / 86_400_000;
            days.entry(day).or_default().insert(row.customer);
        }
    }
    days
}

async fn taken(store: &dyn Store, id: &CampaignId) -> Option<Taken> {
    let found = store.get_many(vec![keys::quota(id)]).await.unwrap();
    let value = found.into_iter().next().flatten()?;
    Some(decode::<Taken>(&value.value).unwrap())
}

#[tokio::test]
async fn a_schedule_draws_by_lot_from_all_who_are_due() {
    let app = App::start(START, &[("lottery.toml", &lottery("20 per 1d"))]).await;
    let people = app.buyers(0..150).await;
    app.settle().await;
    for _ in 0..2 {
        app.leap(Span::hours(1)).await;
        app.leap(Span::hours(23)).await;
    }
    let days: Vec<BTreeSet<CustomerNo>> = entered(&app).await.into_values().collect();
    assert_eq!(days.iter().map(BTreeSet::len).collect::<Vec<_>>(), [20, 20]);
    // The lowest numbers of each draw, and not the lowest ids.
    let salt = app.core.catalogue().rules.salt;
    let mut left: Vec<CustomerNo> = people.clone();
    for (n, day) in days.iter().enumerate() {
        let date = chrono::NaiveDate::from_ymd_opt(2026, 3, 2 + n as u32).unwrap();
        let at = date.and_hms_opt(10, 0, 0).unwrap();
        left.sort_by(|a, b| {
            let number = |no: &CustomerNo| lot_of(&salt, &id(), *no, at);
            number(a).total_cmp(&number(b))
        });
        let drawn: BTreeSet<CustomerNo> = left.drain(..20).collect();
        assert_eq!(*day, drawn, "day {n}");
    }
    let shards: BTreeSet<u8> = days[0].iter().map(|no| no.shard().0).collect();
    assert!(shards.len() > 8, "{shards:?}");
    // Who was not drawn is told so, at each draw.
    let log = app.log().await;
    let refused = log.iter().filter(|r| r.status == Status::NotDrawn).count();
    assert_eq!(refused, 130 + 110);
    assert_eq!(taken(&*app.core.store, &id()).await.unwrap().total, 40);
}

/// Who is due and would not enter, or enters to be held out, takes nobody's place.
#[tokio::test]
async fn places_are_for_those_who_enter_and_are_written_to() {
    let exit = "existing = \"enter\"\nexit = [{ event = \"Product Viewed\" }]";
    let some_kept_out = lottery("20 per 1d").replace("existing = \"enter\"", exit);
    let control = format!("{CONFIG}[control]\nshare = \"40%\"\n");
    for (config, file) in [(CONFIG, &some_kept_out), (&control, &lottery("20 per 1d"))] {
        let app = App::start_on(
            Arc::new(MemoryStore::new()),
            START,
            config,
            &[("lottery.toml", file)],
        )
        .await;
        let people = app.buyers(0..120).await;
        let viewed = people[..60].iter();
        let viewed = viewed.map(|no| app.past(*no, "Product Viewed", app.now()));
        assert!(app.offer(viewed.collect()).await.iter().all(Result::is_ok));
        app.settle().await;
        app.leap(Span::hours(1)).await;
        app.leap(Span::hours(1)).await;
        let log = app.log().await;
        let of = |status| log.iter().filter(|r| r.status == status).count();
        assert_eq!(of(Status::Attempting), 20);
        assert_eq!(of(Status::Entered) - of(Status::HeldOut), 20);
        assert_eq!(taken(&*app.core.store, &id()).await.unwrap().total, 20);
        let lot = taken(&*app.core.store, &id()).await.unwrap().lots[""];
        let salt = app.core.catalogue().rules.salt;
        let drawn = |no: &&CustomerNo| lot_of(&salt, &id(), **no, lot.occurrence) <= lot.upto;
        let some = if config == CONFIG {
            &people[60..]
        } else {
            &people
        };
        assert_eq!(of(Status::Entered), some.iter().filter(drawn).count());
        // Those to be compared with come in by the same chance, and are told apart.
        let held_out = if config == CONFIG { 0..1 } else { 5..30 };
        assert!(
            held_out.contains(&of(Status::HeldOut)),
            "{}",
            of(Status::HeldOut)
        );
    }
}

/// Commits fail, and the daemon dies and comes back, in the middle of it: no more enter, nobody twice, and what is counted
/// is what entered.
#[tokio::test]
async fn an_entry_counts_once_whatever_fails() {
    for every in [2, 3, 5] {
        let store = Watched::new();
        let mut app = App::start_on(
            store.clone(),
            START,
            CONFIG,
            &[("lottery.toml", &lottery("20 per 1d"))],
        )
        .await;
        app.buyers(0..120).await;
        app.settle().await;
        let count = Arc::new(AtomicU64::new(0));
        let failing = Arc::clone(&count);
        store.fail(move |_| {
            let n = failing.fetch_add(1, Ordering::Relaxed);
            (n % every == 1).then(|| StoreError::Unavailable("for a moment".into()))
        });
        app.clock.advance(Span::hours(1));
        for _ in 0..6 {
            let _ = app.core.tick().await;
        }
        let store = store.again();
        app = app.reopen(store.clone()).await;
        app.settle().await;
        app.leap(Span::hours(1)).await;
        let days = entered(&app).await;
        assert_eq!(
            days.values().map(BTreeSet::len).collect::<Vec<_>>(),
            [20],
            "{every}"
        );
        let taken = taken(&*store, &id()).await.unwrap();
        assert_eq!((taken.total, taken.count), (20, 20));
        assert!(count.load(Ordering::Relaxed) > 5);
    }
}

/// The first hundred: events of many customers at once, in all shards.
#[tokio::test]
async fn the_first_so_many_are_so_many_over_all_shards_and_restarts() {
    let file = |name: &str| {
        format!(
            r#"
name = "First"
state = "live"
class = "advertising"
topic = "offers"
{name}
[trigger]
event = "Signed Up"
[[step]]
id = "mail"
template = "welcome"
subject = {{ en = "Among the first", ko = "선착순" }}
[limits]
quota = "25"
"#
        )
    };
    let app = App::start(START, &[("first.toml", &file(""))]).await;
    app.crowd(0..90).await;
    app.settle().await;
    let signing = |n: usize| {
        let app = &app;
        async move { app.event(&format!("c{n}"), "Signed Up", json!({})).await }
    };
    futures_util::future::join_all((0..40).map(signing)).await;
    assert_eq!(app.entered("first").await, 25);
    // Under another name it goes on counting.
    app.file("first.toml", None);
    app.file("gift.toml", Some(&file("renamed_from = \"first\"")));
    app.reload().await;
    for n in 40..90 {
        app.event(&format!("c{n}"), "Signed Up", json!({})).await;
    }
    assert_eq!(app.entered("gift").await, 0);
    app.file(
        "gift.toml",
        Some(&file("renamed_from = \"first\"").replace("\"25\"", "\"30\"")),
    );
    app.reload().await;
    for n in 40..90 {
        app.event(&format!("c{n}"), "Signed Up", json!({})).await;
    }
    assert_eq!(app.entered("gift").await, 5);
    // And under a third, though nothing tells of the first any more and nobody entered under it meanwhile.
    app.file("gift.toml", None);
    for (name, former) in [("prize", "gift"), ("bonus", "prize")] {
        let former = format!("renamed_from = \"{former}\"");
        let file = file(&former).replace("\"25\"", "\"30\"");
        app.file(&format!("{name}.toml"), Some(&file));
        app.reload().await;
        app.file(&format!("{name}.toml"), None);
    }
    app.file("bonus.toml", Some(&file("").replace("\"25\"", "\"31\"")));
    app.reload().await;
    for n in 40..90 {
        app.event(&format!("c{n}"), "Signed Up", json!({})).await;
    }
    let rows = async |name: &str| {
        let id = CampaignId::parse(name).unwrap();
        taken(&*app.core.store, &id).await.map(|taken| taken.total)
    };
    assert_eq!(app.entered("bonus").await, 1);
    assert_eq!((rows("first").await, rows("bonus").await), (None, Some(31)));
}

/// Who is foretold, too: those who are then drawn, day by day.
#[tokio::test]
async fn a_forecast_draws_the_same() {
    let app = App::start(START, &[("lottery.toml", &lottery("120 per 1d"))]).await;
    app.buyers(0..300).await;
    app.settle().await;
    let (out, mut told) = tokio::sync::mpsc::channel(100);
    let heard = tokio::spawn(async move {
        let mut decisions = Vec::new();
        while let Some(told) = told.recv().await {
            if let Told::Decisions(more) = told {
                decisions.extend(more);
            }
        }
        decisions
    });
    let question = Question {
        days: 4,
        running: true,
        decisions: true,
        ..Question::default()
    };
    let forecast = app.core.forecast(question, out).await.unwrap();
    let mut foretold: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
    for decision in heard.await.unwrap() {
        if decision.status == Status::Entered {
            let day = decision.at.millis() / 86_400_000;
            let of_day = foretold.entry(day).or_default();
            of_day.insert(decision.customer.to_string());
        }
    }
    let many: Vec<u64> = (forecast.days.iter())
        .map(|day| day.counts.entered)
        .filter(|many| *many > 0)
        .collect();
    // So many that who waits for one draw goes on in more than one part.
    assert_eq!(many, [120, 120, 60]);
    assert!(
        forecast.notes.iter().all(|n| !n.contains("quota")),
        "{:?}",
        forecast.notes
    );
    assert!(taken(&*app.core.store, &id()).await.is_none());
    for _ in 0..4 {
        app.leap(Span::hours(1)).await;
        app.leap(Span::hours(23)).await;
    }
    let mut happened: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
    for (day, drawn) in entered(&app).await {
        for no in drawn {
            let state = app.core.customer(no).await.unwrap().unwrap();
            let of_day = happened.entry(day).or_default();
            of_day.insert(state.record.id.to_string());
        }
    }
    assert_eq!(happened, foretold);
}

/// Of triggers the first have the places: how many they are is foretold, not who.
#[tokio::test]
async fn of_those_who_come_one_at_a_time_a_forecast_says_how_many() {
    let begins = lottery("20 per 1d")
        .replace("[schedule]\ncron = \"0 10 * * *\"\n", "")
        .replace(
            "event = \"Order Completed\"",
            "event = \"Order Completed\"\nlast = \">= 11d\"",
        )
        .replace("existing = \"enter\"", "again = \"never\"");
    let app = App::start(START, &[("lottery.toml", &begins)]).await;
    app.buyers(0..50).await;
    app.settle().await;
    let (out, mut told) = tokio::sync::mpsc::channel(100);
    let drain = tokio::spawn(async move { while told.recv().await.is_some() {} });
    let question = Question {
        days: 2,
        running: true,
        ..Question::default()
    };
    let forecast = app.core.forecast(question, out).await.unwrap();
    drain.await.unwrap();
    let foretold: u64 = forecast.days.iter().map(|day| day.counts.entered).sum();
    let note = "its quota (20 per 1d) is kept to; how many enter is foretold, not who comes first";
    assert!(forecast.notes.iter().any(|n| n.contains(note)));
    app.leap(Span::days(1)).await;
    assert_eq!((foretold, app.entered("lottery").await), (20, 20));
}

/// One shard looks through the due index of all; the others come back, and whoever is not drawn conflicts with nobody.
#[tokio::test]
async fn one_draws_for_all_shards() {
    let store = Watched::new();
    store.dawdles.store(true, Ordering::Relaxed);
    let lottery = lottery("20 per 1d");
    let app = App::start_on(store.clone(), START, CONFIG, &[("lottery.toml", &lottery)]).await;
    app.buyers(0..300).await;
    app.settle().await;
    app.leap(Span::minutes(59)).await;
    let scans = || store.scans.load(Ordering::Relaxed);
    let conflicts = || store.conflicts.load(Ordering::Relaxed);
    let quiet = scans();
    app.leap(Span::minutes(1)).await;
    let fired = scans() - quiet;
    assert_eq!(entered(&app).await.len(), 1);
    eprintln!("{fired} scans, {} conflicts", conflicts());
    assert!(fired < 1_500, "{fired} scans");
}

/// Every commit of a shard dawdles: each shard at a pace of its own, another for each `order`.
fn at_many_paces(store: &Watched, order: u64) {
    store.before(move |batch| {
        let shard = batch.epochs.first()?.0;
        let turns = xxhash_rust::xxh3::xxh3_64(&[order as u8, shard]) % 23;
        Some(Box::pin(async move {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        }))
    });
}

const SALT: [u8; 16] = [9; 16];

/// Of these the so many whose numbers are the lowest.
fn lowest(of: &[CustomerNo], many: usize, day: u32) -> BTreeSet<CustomerNo> {
    let date = chrono::NaiveDate::from_ymd_opt(2026, 3, day).unwrap();
    let at = date.and_hms_opt(10, 0, 0).unwrap();
    let mut all = of.to_vec();
    all.sort_by(|a, b| {
        let number = |no: &CustomerNo| lot_of(&SALT, &id(), *no, at);
        number(a).total_cmp(&number(b))
    });
    all.into_iter().take(many).collect()
}

async fn who_entered(app: &App, campaign: &str) -> BTreeSet<CustomerNo> {
    let log = app.log().await;
    let of = log.iter().filter(|row| row.campaign.as_str() == campaign);
    let entered: Vec<CustomerNo> = (of.filter(|row| row.status == Status::Entered))
        .map(|row| row.customer)
        .collect();
    let all: BTreeSet<CustomerNo> = entered.iter().copied().collect();
    assert_eq!(all.len(), entered.len(), "somebody entered twice");
    all
}

/// At the instant of the draw a journey of higher priority begins for a quarter of the customers, ends for another, and a
/// third begins to stand in the audience. Gives the shop a minute before, and those of the lottery who may then enter.
async fn much_at_one_instant(store: Arc<Watched>) -> (App, Vec<CustomerNo>) {
    preset_salt(&*store, SALT).await.unwrap();
    let lottery = lottery("20 per 1d")
        .replace(
            "event = \"Order Completed\"",
            "event = \"Signed Up\"\nlast = \">= 1h\"",
        )
        .replace("[entry]", "[entry]\nunless_in = \"higher_priority\"");
    let higher = |schedule: &str, event: &str, after: &str| {
        format!(
            "name = \"Higher\"\nstate = \"live\"\nclass = \"advertising\"\ntopic = \"offers\"\npriority = 30\n[schedule]\n{schedule}\n[audience]\nevent = \"{event}\"\n[entry]\nexisting = \"enter\"\n[[step]]\nid = \"mark\"\nafter = \"{after}\"\ntag = \"seen\"\n"
        )
    };
    let begins = higher("cron = \"0 10 * * *\"", "Product Viewed", "2d");
    let ends = higher("on = \"2026-03-02 09:30\"", "Cart Viewed", "30m");
    let files = [
        // Its name comes last; since the lottery asks about it its turn is before.
        ("starts.toml", begins.as_str()),
        ("ends.toml", ends.as_str()),
        ("lottery.toml", lottery.as_str()),
    ];
    let app = App::start_on(store, START, CONFIG, &files).await;
    let people = app.crowd(0..160).await;
    let mut works = Vec::new();
    for (n, no) in people.iter().enumerate() {
        let ago = if n % 4 == 3 { 0 } else { 1 };
        works.push(app.past(*no, "Signed Up", app.now() - Span::hours(ago)));
        match n % 4 {
            0 => works.push(app.past(*no, "Product Viewed", app.now())),
            1 => works.push(app.past(*no, "Cart Viewed", app.now())),
            _ => {}
        }
    }
    assert!(app.offer(works).await.iter().all(Result::is_ok));
    app.settle().await;
    app.advance(Span::minutes(59)).await;
    assert_eq!(app.entered("ends").await, 40);
    let may = people.chunks(4).flat_map(|four| four[1..].to_vec());
    (app, may.collect())
}

/// Whichever shard is faster, the same are drawn, and no place stays empty.
#[tokio::test]
async fn who_is_drawn_does_not_hang_on_which_shard_is_faster() {
    for order in 0..4 {
        let store = Watched::new();
        let (app, may) = much_at_one_instant(store.clone()).await;
        at_many_paces(&store, order);
        app.clock.advance(Span::minutes(1));
        app.core.tick().await.unwrap();
        let drawn = who_entered(&app, "lottery").await;
        assert_eq!(drawn, lowest(&may, 20, 2), "order {order}");
        assert_eq!(app.entered("starts").await, 40);
        app.settle().await;
        assert_eq!(who_entered(&app, "lottery").await.len(), 20);
    }
}

/// It dies at one commit or another of that tick, and comes back: the same are drawn as if nothing had happened.
#[tokio::test]
async fn who_is_drawn_does_not_hang_on_when_the_daemon_dies() {
    let mut died = 0;
    for commits in [0, 7, 31, 64, 90, 120, 150, 190, 240] {
        let store = Watched::new();
        let (mut app, may) = much_at_one_instant(store.clone()).await;
        at_many_paces(&store, commits);
        let left = AtomicU64::new(commits);
        store.fail(move |_| {
            let alive =
                left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
            (alive.is_err()).then(|| StoreError::Unavailable("the daemon has died".into()))
        });
        app.clock.advance(Span::minutes(1));
        died += u64::from(app.core.tick().await.is_err());
        let store = store.again();
        at_many_paces(&store, commits + 1);
        app = app.reopen(store).await;
        app.settle().await;
        let drawn = who_entered(&app, "lottery").await;
        assert_eq!(drawn, lowest(&may, 20, 2), "after {commits} commits");
        app.leap(Span::minutes(5)).await;
        assert_eq!(who_entered(&app, "lottery").await.len(), 20);
    }
    assert!(died > 6, "{died}");
}

/// Two zones whose clocks show the same: the second draws from what the first has left.
#[tokio::test]
async fn what_one_zone_leaves_is_for_the_next() {
    for order in 0..3 {
        let store = Watched::new();
        preset_salt(&*store, SALT).await.unwrap();
        let zoned =
            lottery("50 per 1d").replace("[audience]", "timezone = \"customer\"\n[audience]");
        let app = App::start_on(store.clone(), START, CONFIG, &[("lottery.toml", &zoned)]).await;
        let people = app.buyers(0..80).await;
        let mut works = Vec::new();
        for no in &people[40..] {
            let mut tokyo = ProfileChange::default();
            tokyo.preferences.timezone = Some(Some("Asia/Tokyo".parse().unwrap()));
            works.push(Work {
                customer: *no,
                id: None,
                cause: Cause::Profile(Box::new(tokyo), Liveness::Live),
                mail: None,
            });
        }
        assert!(app.offer(works).await.iter().all(Result::is_ok));
        app.settle().await;
        at_many_paces(&store, order);
        app.leap(Span::hours(1)).await;
        let mut expected: BTreeSet<CustomerNo> = people[..40].iter().copied().collect();
        expected.extend(lowest(&people[40..], 10, 2));
        assert_eq!(
            who_entered(&app, "lottery").await,
            expected,
            "order {order}"
        );
    }
}

/// A shard whose part of the store fails: the others wait for it a minute, no longer; its customers come in when it is mended.
#[tokio::test]
async fn a_shard_that_has_stopped_keeps_nobody_waiting_for_long() {
    let store = Watched::new();
    preset_salt(&*store, SALT).await.unwrap();
    let lottery = lottery("20 per 1d");
    let app = App::start_on(store.clone(), START, CONFIG, &[("lottery.toml", &lottery)]).await;
    let people = app.buyers(0..150).await;
    app.settle().await;
    app.advance(Span::minutes(59)).await;
    let drawn = lowest(&people, 20, 2);
    let bad = drawn.first().unwrap().shard().0;
    // It has something to do before the draw, too.
    app.file(
        "first.toml",
        Some(&lottery.replace("quota = \"20 per 1d\"", "")),
    );
    app.reload().await;
    store.fail(move |batch| {
        let of_bad = batch.epochs.iter().any(|(shard, _)| *shard == bad);
        of_bad.then(|| StoreError::Unavailable("this part of the disk".into()))
    });
    for (wait, entered) in [(60, false), (40, false), (21, true)] {
        app.clock.advance(Span::seconds(wait));
        assert!(app.core.tick().await.is_err());
        let entered_now = who_entered(&app, "lottery").await;
        let others: BTreeSet<CustomerNo> = (drawn.iter().copied())
            .filter(|no| entered && no.shard().0 != bad)
            .collect();
        assert_eq!(entered_now, others, "{wait}");
    }
    store.mend();
    app.settle().await;
    assert_eq!(who_entered(&app, "lottery").await, drawn);
    app.leap(Span::hours(23)).await;
    app.leap(Span::hours(1)).await;
    assert_eq!(app.entered("lottery").await, 40);
}

/// The lottery's file is edited, and no shard gets to walk to it.
async fn edited_before_any_walk(app: &App, store: &Watched, file: &str) {
    let walks: BTreeSet<Vec<u8>> = ShardNo::all().map(keys::walk).collect();
    store.fail(move |batch| {
        let walks = batch.puts.iter().any(|(key, _)| walks.contains(key));
        walks.then(|| StoreError::Unavailable("no walk yet".into()))
    });
    app.file("lottery.toml", Some(file));
    let config = (*app.core.config()).clone();
    app.core.reload(config).await.unwrap();
}

/// An edit has just come into force, and no shard has walked to it yet: who is drawn is judged by it all the same.
#[tokio::test]
async fn whom_the_walk_has_not_met_yet_is_judged_by_the_files_in_force() {
    let store = Watched::new();
    preset_salt(&*store, SALT).await.unwrap();
    let before = lottery("20 per 1d");
    let app = App::start_on(store.clone(), START, CONFIG, &[("lottery.toml", &before)]).await;
    let people = app.buyers(0..120).await;
    let viewed = people[..60].iter();
    let viewed = viewed.map(|no| app.past(*no, "Product Viewed", app.now()));
    assert!(app.offer(viewed.collect()).await.iter().all(Result::is_ok));
    app.settle().await;
    let exit = "existing = \"enter\"\nexit = [{ event = \"Product Viewed\" }]";
    let after = before.replace("existing = \"enter\"", exit);
    edited_before_any_walk(&app, &store, &after).await;
    app.clock.advance(Span::hours(1));
    app.core.tick().await.unwrap();
    assert_eq!(
        who_entered(&app, "lottery").await,
        lowest(&people[60..], 20, 2)
    );
    store.mend();
    app.settle().await;
    assert_eq!(app.entered("lottery").await, 20);
}

/// An edit of how often they may enter: nobody is drawn before the walk has found who stands in the index by it.
#[tokio::test]
async fn who_may_not_enter_again_since_an_edit_takes_nobodys_place() {
    let store = Watched::new();
    preset_salt(&*store, SALT).await.unwrap();
    let lottery = |again: &str| {
        let entry = format!("existing = \"enter\"\nagain = \"{again}\"");
        lottery("20 per 1d").replace("existing = \"enter\"", &entry)
    };
    let before = lottery("always");
    let app = App::start_on(store.clone(), START, CONFIG, &[("lottery.toml", &before)]).await;
    let people = app.buyers(0..120).await;
    app.settle().await;
    app.leap(Span::hours(1)).await;
    let mut drawn = lowest(&people, 20, 2);
    assert_eq!(who_entered(&app, "lottery").await, drawn);
    app.leap(Span::hours(23)).await;
    edited_before_any_walk(&app, &store, &lottery("never")).await;
    app.clock.advance(Span::hours(1));
    app.core.tick().await.unwrap();
    assert_eq!(who_entered(&app, "lottery").await, drawn);
    store.mend();
    app.settle().await;
    app.leap(Span::hours(24)).await;
    let others: Vec<CustomerNo> = (people.iter().copied())
        .filter(|no| !drawn.contains(no))
        .collect();
    drawn.extend(lowest(&others, 20, 4));
    assert_eq!(who_entered(&app, "lottery").await, drawn);
}
