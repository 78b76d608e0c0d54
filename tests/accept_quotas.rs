//! Quotas over all shards: how many a schedule lets in, who they are, and that an entry counts once whatever fails.

mod app;

use app::watched::Watched;
use app::{App, CONFIG};
use reveille::domain::id::{CampaignId, CustomerNo};
use reveille::domain::ledger::Status;
use reveille::domain::quota::{Taken, lot_of};
use reveille::domain::time::Span;
use reveille::engine::forecast::Question;
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

/// How many is foretold; who, is drawn.
#[tokio::test]
async fn a_forecast_keeps_to_the_quota() {
    let app = App::start(START, &[("lottery.toml", &lottery("20 per 1d"))]).await;
    app.buyers(0..50).await;
    app.settle().await;
    let (out, mut told) = tokio::sync::mpsc::channel(100);
    let drain = tokio::spawn(async move { while told.recv().await.is_some() {} });
    let question = Question {
        days: 4,
        running: true,
        ..Question::default()
    };
    let forecast = app.core.forecast(question, out).await.unwrap();
    drain.await.unwrap();
    let foretold: Vec<u64> = (forecast.days.iter())
        .map(|day| day.counts.entered)
        .filter(|many| *many > 0)
        .collect();
    assert_eq!(foretold, [20, 20, 10]);
    assert!(
        forecast
            .notes
            .iter()
            .any(|n| n.contains("its quota (20 per 1d)"))
    );
    assert!(taken(&*app.core.store, &id()).await.is_none());
    for _ in 0..4 {
        app.leap(Span::hours(1)).await;
        app.leap(Span::hours(23)).await;
    }
    let days: Vec<u64> = entered(&app)
        .await
        .values()
        .map(|d| d.len() as u64)
        .collect();
    assert_eq!(days, foretold);
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
