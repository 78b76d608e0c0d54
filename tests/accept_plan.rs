//! The forecast equals what then happens, decision by decision, given what it says it takes for given; and nothing of the
//! store changes by it.

mod app;
#[path = "world/chance.rs"]
mod chance;

use app::{App, CONFIG, shipped};
use chance::Chance;
use reveille::domain::address::EmailAddress;
use reveille::domain::cap::Cap;
use reveille::domain::cause::{Cause, Liveness, ProfileChange};
use reveille::domain::id::{CampaignId, CustomerNo};
use reveille::domain::ledger::{LogRow, Status};
use reveille::domain::time::{Span, Timestamp};
use reveille::domain::value::Value;
use reveille::domain::window::Window;
use reveille::engine::batch::Work;
use reveille::engine::control::Scope;
use reveille::engine::forecast::{Decision, Forecast, ForecastError, Question, Told};
use reveille::engine::intake::{Inbound, Options, Reading, Rows, What};
use reveille::engine::outbox::Outbox;
use reveille::engine::sample::{Sample, generate};
use reveille::store::{Direction, KeyRange, Store, Stream, StreamFilter, Versioned};
use reveille::transport::config::{CarrierConfig, TransportConfig};
use std::collections::{BTreeMap, BTreeSet};

/// A folder that keeps nobody waiting.
fn quick_folder(dir: &std::path::Path) -> TransportConfig {
    let mut folder = TransportConfig::folder("main", dir);
    folder.connections = 64;
    if let CarrierConfig::Folder(carrier) = &mut folder.carrier {
        carrier.durable = false;
    }
    folder
}

async fn started(now: &str, config: &str, files: &[(&str, &str)]) -> (App, tempfile::TempDir) {
    let mail = app::scratch();
    let app = App::start_with(vec![quick_folder(mail.path())], now, config, files).await;
    (app, mail)
}

/// Every value with its revision, and how many rows each stream has: any commit shows.
async fn everything(store: &dyn Store) -> (Vec<(Vec<u8>, Versioned)>, Vec<usize>) {
    let range = KeyRange {
        from: Vec::new(),
        to: vec![255; 64],
    };
    let values = store.scan(range, Direction::Forward, usize::MAX);
    let values = values.await.unwrap();
    let mut rows = Vec::new();
    for stream in [Stream::Events, Stream::Log, Stream::Mails, Stream::Hits] {
        let found = store.read_stream(stream, StreamFilter::default());
        rows.push(found.await.unwrap().len());
    }
    (values, rows)
}

async fn forecast(app: &App, question: Question) -> (Forecast, Vec<Decision>) {
    let (out, mut told) = tokio::sync::mpsc::channel(4);
    let listening = tokio::spawn(async move {
        let (mut decisions, mut progress) = (Vec::new(), (0, 0));
        while let Some(told) = told.recv().await {
            match told {
                Told::Decisions(more) => decisions.extend(more),
                Told::Progress { done, of } => progress = (done, of),
            }
        }
        assert_eq!(progress.0, progress.1, "it tells of its end");
        decisions
    });
    let forecast = app.core.forecast(question, out).await.unwrap();
    (forecast, listening.await.unwrap())
}

fn question(days: u32, tick: Span) -> Question {
    Question {
        days,
        decisions: true,
        running: true,
        tick: Some(tick),
        ..Question::default()
    }
}

/// What is compared of a decision.
type Told1 = (
    Timestamp,
    String,
    String,
    String,
    String,
    &'static str,
    &'static str,
);

fn of_decision(d: &Decision) -> Told1 {
    (
        d.at,
        d.customer.to_string(),
        d.campaign.to_string(),
        d.step.as_ref().map(ToString::to_string).unwrap_or_default(),
        d.variant.clone().unwrap_or_default(),
        d.status.as_str(),
        d.reason.code(),
    )
}

fn of_row(row: &LogRow, ids: &BTreeMap<CustomerNo, String>) -> Told1 {
    (
        row.time,
        ids[&row.customer].clone(),
        row.campaign.to_string(),
        row.step
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        row.variant.clone().unwrap_or_default(),
        row.status.as_str(),
        row.reason.code(),
    )
}

/// Answers a question, does `then`, and lets the engine live through those days at the same ticks: both must tell the same.
/// Gives how many mails left, and the forecast.
async fn equals(app: &App, asked: Question, then: impl AsyncFnOnce()) -> (usize, Forecast) {
    let (days, tick) = (asked.days, asked.tick.unwrap());
    let core = &app.core;
    let before = everything(&*core.store).await;
    let start = app.now();
    let (forecast, decisions) = forecast(app, asked).await;
    assert!(
        everything(&*core.store).await == before,
        "something was written"
    );
    let known = app.log().await.len();
    then().await;
    let end = start + Span::days(i64::from(days));
    while app.now() + tick < end {
        app.clock.advance(tick);
        core.advance().await.unwrap();
        while core.held().is_none() && Outbox::pump(core).await.unwrap() > 0 {
            core.outbox.wait_idle().await;
        }
    }
    let rows = app.log().await.split_off(known);
    let mut ids = BTreeMap::new();
    for no in rows.iter().map(|row| row.customer).collect::<BTreeSet<_>>() {
        let state = core.customer(no).await.unwrap().unwrap();
        ids.insert(no, state.record.id.to_string());
    }
    let mut happened: Vec<Told1> = (rows.iter())
        .filter(|row| row.status != Status::Accepted)
        .map(|row| of_row(row, &ids))
        .collect();
    let mut foretold: Vec<Told1> = decisions.iter().map(of_decision).collect();
    happened.sort();
    foretold.sort();
    if happened != foretold {
        let only = |a: &[Told1], b: &[Told1]| {
            let b: BTreeSet<_> = b.iter().collect();
            let only: Vec<_> = a.iter().filter(|told| !b.contains(told)).collect();
            let some: Vec<String> = only.iter().take(12).map(|t| format!("{t:?}")).collect();
            format!("{}:\n  {}", only.len(), some.join("\n  "))
        };
        panic!(
            "of {} happened only {}\nof {} foretold only {}",
            happened.len(),
            only(&happened, &foretold),
            foretold.len(),
            only(&foretold, &happened)
        );
    }
    let sent = happened
        .iter()
        .filter(|told| told.5 == "attempting")
        .count();
    let counted: u64 = forecast.days.iter().map(|day| day.counts.sent).sum();
    assert_eq!(counted, sent as u64);
    let entered: u64 = forecast.days.iter().map(|day| day.counts.entered).sum();
    let entries = happened.iter().filter(|told| told.5 == "entered").count();
    assert_eq!(entered, entries as u64);
    (sent, forecast)
}

/// Profiles, then events in order of time, of the sample shop.
fn shop(customers: u32, days: u32, until: Timestamp) -> (Vec<Inbound>, Vec<Inbound>) {
    let sample = Sample {
        customers,
        days,
        until,
        seed: 5,
    };
    let mut bytes = Vec::new();
    generate(sample, &mut bytes).unwrap();
    let rows = Rows::open(bytes.as_slice(), Options::new(Reading::new(until))).unwrap();
    (rows.map(|(_, row)| row.unwrap())).partition(|row| matches!(row.what, What::Profile { .. }))
}

fn time_of(row: &Inbound) -> Timestamp {
    match &row.what {
        What::Event { time, .. } => *time,
        What::Profile { .. } => panic!("an event"),
    }
}

/// Every tenth customer reads the mail of the one before.
fn share_mailboxes(profiles: &mut [Inbound]) {
    for n in (10..profiles.len()).step_by(10) {
        let What::Profile { change, .. } = profiles[n - 1].what.clone() else {
            unreachable!()
        };
        if let What::Profile { change: own, .. } = &mut profiles[n].what {
            own.email = change.email;
        }
    }
}

const NUDGE: &str = r#"
name  = "Looked around"
state = "live"
class = "advertising"
topic = "offers"
priority = 25
[audience]
all = [{ event = "Product Viewed", last = ">= 6d" }]
[entry]
again = "9d"
existing = "15 per 1d"
[[step]]
id = "look"
template = "dormant"
subject = "Still looking?"
expires = "2d"
"#;

const MORNING: &str = r#"
name  = "Morning paper"
state = "live"
class = "informational"
[schedule]
cron = "30 9 * * *"
timezone = "customer"
[audience]
all = [{ known_for = ">= 20d" }]
[entry]
again = "6d"
existing = "40 per 1d"
[[step]]
id = "paper"
template = "dormant"
subject = "The paper"
expires = "1d"
[limits]
window = "Mon-Fri 09:00-20:00"
"#;

const HALTED: &str = r#"
name  = "Halted"
state = "live"
class = "advertising"
topic = "offers"
[schedule]
cron = "0 */6 * * *"
timezone = "Europe/Madrid"
[audience]
all = [{ event = "Product Viewed", count = ">= 1", within = "30d" }]
[entry]
again = "2d"
existing = "enter"
[[step]]
id = "halt"
template = "dormant"
subject = "Halted"
expires = "9d"
"#;

const BIG: &str = r#"
name  = "Too many at once"
state = "live"
class = "advertising"
topic = "offers"
[schedule]
cron = "0 11 * * *"
timezone = "Asia/Seoul"
[audience]
all = [{ known_for = ">= 1d" }]
[entry]
again = "always"
existing = "enter"
[[step]]
id = "big"
template = "dormant"
subject = "Big"
"#;

/// A shop that has lived for two months, with shared mailboxes, customers' own hours and caps, eight zones of which several
/// change their clocks in the days forecast, an existing pace, a paused campaign and one that waits for approval.
#[tokio::test]
async fn thirty_days_of_the_sample_shop_are_forecast_message_by_message() {
    let until = Timestamp::parse_rfc3339("2026-10-12T07:20:30Z").unwrap();
    let (mut profiles, mut events) = shop(100, 150, until);
    share_mailboxes(&mut profiles);
    let start = until - Span::days(60);
    let texts: Vec<(&str, String)> = [
        "welcome.toml",
        "cart_reminder.toml",
        "wake_dormant.toml",
        "segments.toml",
    ]
    .map(|name| (name, shipped(name)))
    .into();
    let mut files: Vec<(&str, &str)> = texts.iter().map(|(n, t)| (*n, t.as_str())).collect();
    files.extend([("halted.toml", HALTED), ("nudge.toml", NUDGE)]);
    let config = format!("{CONFIG}gap = \"6h\"\n[safety]\nat_once = \"60\"\n");
    let (app, _mail) = started(&start.to_string(), &config, &files).await;
    let later = events.partition_point(|event| time_of(event) <= start);
    let live = events.split_off(later);
    let past = std::mem::replace(&mut events, live);
    app.take_in(&profiles, Liveness::History).await;
    app.take_in(&past, Liveness::History).await;
    app.settle().await;
    while app.now() < until - Span::hours(8) {
        app.clock.advance(Span::hours(8));
        let now = app.now();
        let later = events.partition_point(|event| time_of(event) <= now);
        let rest = events.split_off(later);
        app.take_in(&events, Liveness::Live).await;
        events = rest;
        app.settle().await;
    }
    app.file("morning.toml", Some(MORNING));
    app.file("big.toml", Some(BIG));
    app.reload().await;
    assert!(app.awaits_approval("big"));
    assert!(!app.core.catalogue().has_errors());
    app.clock.advance_to(until);
    app.take_in(&events, Liveness::Live).await;
    app.settle().await;
    let halted = Scope::Campaign(CampaignId::parse("halted").unwrap());
    app.core.pause(&halted, "test").await.unwrap();
    let asked = question(30, Span::minutes(15));
    let (sent, forecast) = equals(&app, asked, async || {}).await;
    println!(
        "{sent} mails, {} lines, {:?}",
        forecast.days.len(),
        forecast.collisions
    );
    assert!(sent > 300, "{sent}");
    assert_eq!(forecast.customers, 100);
    let campaigns: BTreeSet<&str> = forecast.days.iter().map(|d| d.campaign.as_str()).collect();
    assert!(campaigns.is_superset(&["morning", "nudge", "wake_dormant"].into()));
    assert!(!campaigns.contains("big"));
    let told = |text: &str| forecast.notes.iter().any(|note| note.contains(text));
    assert!(
        told("halted is paused") && told("big waits for approval"),
        "{:?}",
        forecast.notes
    );
    assert!(forecast.collisions.iter().any(|c| c.waited > 0));
    let [load] = forecast.loads.as_slice() else {
        panic!("one transport");
    };
    assert_eq!((load.transport.as_str(), load.sent), ("main", sent as u64));
}

fn campaign(head: &str, rest: &str) -> String {
    format!(
        "name = \"One\"\nclass = \"informational\"\n{head}\n{rest}\n[[step]]\nid = \"one\"\ntemplate = \"dormant\"\nsubject = \"One\"\n"
    )
}

const BOUGHT: &str = r#"{ event = "Order Completed", last = ">= 5d" }"#;

/// Edited and new files, a draft, and a campaign that somebody approves at once: forecast before they are in force.
#[tokio::test]
async fn files_of_another_folder_are_forecast_as_they_then_happen() {
    let daily = "[schedule]\ncron = \"0 10 * * *\"\ntimezone = \"UTC\"\n";
    let old = campaign(
        "state = \"live\"",
        &format!(
            "{daily}[audience]\nall = [{BOUGHT}]\n[entry]\nagain = \"4d\"\nexisting = \"skip\""
        ),
    );
    let config = format!("{CONFIG}[safety]\nat_once = \"30\"\n");
    let files = [("daily.toml", old.as_str())];
    let (app, _mail) = started("2026-05-04T08:00:00Z", &config, &files).await;
    app.buyers(0..40).await;
    let viewed = app.crowd(40..60).await;
    let day = app.now() - Span::days(2);
    let views = viewed.iter().map(|no| app.past(*no, "Product Viewed", day));
    for reply in app.offer(views.collect()).await {
        reply.unwrap();
    }
    app.settle().await;
    // Another event is looked at, so everybody's tracks are made anew from their history.
    let edited = old.replace(BOUGHT, r#"{ event = "Product Viewed", last = ">= 3d" }"#);
    let edge = |state: &str, existing: &str| {
        campaign(
            &format!("state = {state:?}"),
            &format!("[audience]\nall = [{BOUGHT}]\n[entry]\nexisting = {existing:?}"),
        )
    };
    let new = [
        ("daily.toml", edited),
        ("slowly.toml", edge("live", "7 per 1d")),
        ("at_once.toml", edge("live", "enter")),
        ("draft.toml", edge("draft", "9 per 1d")),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in &new {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    std::fs::copy(
        app.dir.path().join("campaigns/topics.toml"),
        folder.path().join("topics.toml"),
    )
    .unwrap();
    let asked = Question {
        campaigns: Some(folder.path().to_owned()),
        ..question(9, Span::minutes(30))
    };
    let (told, _) = forecast(&app, asked.clone()).await;
    let days = |name: &str| {
        told.days
            .iter()
            .filter(|d| d.campaign.as_str() == name)
            .count()
    };
    assert_eq!((days("at_once"), days("draft")), (0, 0), "{:?}", told.notes);
    assert!(days("slowly") > 3 && days("daily") > 0);
    let note = |text: &str| told.notes.iter().any(|note| note.contains(text));
    assert!(note("at_once waits for approval: 40"), "{:?}", told.notes);
    assert!(note("draft is a draft"), "{:?}", told.notes);
    let asked = Question {
        as_live: true,
        ..asked
    };
    let (sent, _) = equals(&app, asked, async || {
        for (name, text) in &new {
            app.file(name, Some(&text.replace("\"draft\"", "\"live\"")));
        }
        app.reload().await;
        assert!(app.awaits_approval("at_once"));
        app.approve("at_once").await;
    })
    .await;
    assert!(sent > 100, "{sent}");
}

/// What they would have in some hours, within the day that is compared, they would have now; and once more where a step is
/// new. A step that has another name is the same.
#[tokio::test]
async fn mail_that_an_edit_moves_to_now_is_told_and_a_renamed_step_is_not() {
    let file = |rest: &str| {
        let entry = format!(
            "[audience]\nall = [{BOUGHT}]\n[entry]\nexisting = \"enter\"\non_change = \"jump\""
        );
        let text = campaign("state = \"live\"", &entry);
        format!("{text}[[step]]\ntemplate = \"dormant\"\nsubject = \"Two\"\n{rest}")
    };
    let (app, _mail) = started("2026-05-04T08:00:00Z", CONFIG, &[]).await;
    app.buyers(0..7).await;
    app.file("series.toml", Some(&file("id = \"two\"\nwait = \"12h\"\n")));
    app.reload().await;
    app.advance(Span::minutes(30)).await;
    let told = async |rest: &str| {
        app.file("series.toml", Some(&file(rest)));
        let (out, mut told) = tokio::sync::mpsc::channel(4);
        tokio::spawn(async move { while told.recv().await.is_some() {} });
        let compared = app.core.compare(question(1, Span::minutes(5)), out).await;
        let campaigns = compared.unwrap().campaigns.0;
        campaigns.values().next().map(|difference| {
            let of = [
                &difference.mailed,
                &difference.mailed_at_once,
                &difference.no_longer_mailed,
            ];
            of.map(|who| who.customers)
        })
    };
    assert_eq!(told("id = \"two\"\nwait = \"12h\"\n").await, None);
    assert_eq!(
        told("id = \"two\"\nwait = \"10m\"\n").await,
        Some([0, 7, 0])
    );
    assert_eq!(
        told("id = \"second\"\nrenamed_from = \"two\"\nwait = \"12h\"\n").await,
        None
    );
    assert_eq!(
        told("id = \"new\"\nwait = \"10m\"\n").await,
        Some([7, 7, 7])
    );
}

/// More have finished than may go on at once: nobody does before somebody approves it, and the forecast says so.
#[tokio::test]
async fn those_who_have_finished_go_on_by_approval_where_they_are_many() {
    let entry = format!(
        "[audience]\nall = [{BOUGHT}]\n[entry]\nexisting = \"enter\"\nappended = \"finished\""
    );
    let short = campaign("state = \"live\"", &entry);
    let long =
        format!("{short}[[step]]\nid = \"two\"\ntemplate = \"dormant\"\nsubject = \"Two\"\n");
    for (allowed, waits) in [(5, true), (8, false)] {
        let config = format!("{CONFIG}[safety]\nat_once = \"{allowed}\"\n");
        let (app, _mail) = started("2026-05-04T08:00:00Z", &config, &[]).await;
        app.buyers(0..7).await;
        app.file("series.toml", Some(&short));
        app.reload().await;
        if app.awaits_approval("series") {
            app.approve("series").await;
        }
        app.advance(Span::minutes(5)).await;
        app.file("series.toml", Some(&long));
        let asked = question(1, Span::minutes(10));
        let edited = Question {
            campaigns: Some(app.dir.path().join("campaigns")),
            ..asked.clone()
        };
        let (told, _) = forecast(&app, edited).await;
        let note = |n: &String| n.contains("7 have finished and would go on");
        assert_eq!(told.notes.iter().any(note), waits, "{:?}", told.notes);
        let foretold = |told: &Forecast| told.days.iter().map(|day| day.counts.sent).sum::<u64>();
        let sent = async || {
            app.advance(Span::minutes(30)).await;
            let log = app.log().await;
            let two = |row: &&LogRow| row.step.as_ref().is_some_and(|s| s.as_str() == "two");
            let left = |row: &&LogRow| row.status == Status::Attempting;
            log.iter().filter(two).filter(left).count()
        };
        assert_eq!(foretold(&told), if waits { 0 } else { 7 });
        app.reload().await;
        assert_eq!(sent().await, if waits { 0 } else { 7 });
        assert_eq!(app.awaits_approval("series"), waits);
        if waits {
            let as_live = Question {
                as_live: true,
                ..asked
            };
            assert_eq!(foretold(&forecast(&app, as_live).await.0), 7);
            app.approve("series").await;
            assert_eq!(sent().await, 7);
            assert!(!app.awaits_approval("series"));
        }
    }
}

/// The same of those under way whom an edit would mail at once: the forecast names some, and nobody is mailed.
#[tokio::test]
async fn those_who_jump_go_on_by_approval_where_they_are_many() {
    let entry = format!(
        "[audience]\nall = [{BOUGHT}]\n[entry]\nexisting = \"enter\"\non_change = \"jump\""
    );
    let begins = campaign("state = \"live\"", &entry);
    let file = |wait: &str| {
        format!(
            "{begins}[[step]]\nid = \"two\"\nwait = \"{wait}\"\ntemplate = \"dormant\"\nsubject = \"Two\"\n"
        )
    };
    for (allowed, waits) in [(5, true), (8, false)] {
        let config = format!("{CONFIG}[safety]\nat_once = \"{allowed}\"\n");
        let (app, _mail) = started("2026-05-04T08:00:00Z", &config, &[]).await;
        app.buyers(0..7).await;
        app.file("series.toml", Some(&file("9d")));
        app.reload().await;
        if app.awaits_approval("series") {
            app.approve("series").await;
        }
        app.advance(Span::minutes(5)).await;
        app.leap(Span::hours(21)).await;
        app.file("series.toml", Some(&file("20h")));
        let asked = question(1, Span::minutes(10));
        let edited = Question {
            campaigns: Some(app.dir.path().join("campaigns")),
            ..asked.clone()
        };
        let (told, _) = forecast(&app, edited.clone()).await;
        let note = |n: &String| n.contains("7 are under way") && n.contains("(such as c");
        assert_eq!(told.notes.iter().any(note), waits, "{:?}", told.notes);
        let (out, _progress) = tokio::sync::mpsc::channel(100);
        let compared = app.core.compare(edited, out).await.unwrap();
        assert_eq!(compared.notes.iter().any(note), waits);
        let at_once = (compared.campaigns.0.values()).map(|d| d.mailed_at_once.customers);
        assert_eq!(at_once.sum::<u64>(), if waits { 0 } else { 7 });
        let foretold = |told: &Forecast| told.days.iter().map(|day| day.counts.sent).sum::<u64>();
        assert_eq!(foretold(&told), if waits { 0 } else { 7 });
        app.reload().await;
        let sent = async || {
            app.advance(Span::minutes(15)).await;
            let log = app.log().await;
            let two = |row: &&LogRow| row.step.as_ref().is_some_and(|s| s.as_str() == "two");
            let left = |row: &&LogRow| row.status == Status::Attempting;
            log.iter().filter(two).filter(left).count()
        };
        assert_eq!(sent().await, if waits { 0 } else { 7 });
        assert_eq!(app.awaits_approval("series"), waits);
        if waits {
            let as_live = Question {
                as_live: true,
                ..asked
            };
            assert_eq!(foretold(&forecast(&app, as_live).await.0), 7);
            app.approve("series").await;
            assert_eq!(sent().await, 7);
        }
    }
}

/// The daemon has been down since before ten: what it makes up for, and what it does not, when it starts.
#[tokio::test]
async fn what_a_start_makes_up_for_is_forecast() {
    let at = |cron: &str, rest: &str| {
        campaign(
            "state = \"live\"",
            &format!(
                "[schedule]\ncron = {cron:?}\ntimezone = \"UTC\"\n{rest}\n[audience]\nall = [{BOUGHT}]\n[entry]\nagain = \"1d\"\nexisting = \"enter\""
            ),
        )
    };
    let (run, skip) = (at("0 10 * * *", ""), at("0 9 * * *", "missed = \"skip\""));
    let files = [("run.toml", run.as_str()), ("skip.toml", skip.as_str())];
    let (app, _mail) = started("2026-05-04T08:00:00Z", CONFIG, &files).await;
    app.buyers(0..12).await;
    app.settle().await;
    app.advance(Span::minutes(20)).await;
    app.clock.advance(Span::hours(3));
    let asked = Question {
        running: false,
        ..question(3, Span::minutes(10))
    };
    let (_, decisions) = forecast(&app, asked.clone()).await;
    let first = |name: &str| decisions.iter().find(|d| d.campaign.as_str() == name);
    assert_eq!(first("run").map(|d| d.at), Some(app.now()));
    assert!(first("skip").is_some_and(|d| d.at > app.now() + Span::hours(20)));
    let (sent, _) = equals(&app, asked, async || app.settle().await).await;
    assert!(sent >= 60, "{sent}");
}

#[tokio::test]
async fn a_forecast_that_nobody_waits_for_ends_and_only_one_is_worked_out_at_a_time() {
    let text = campaign("state = \"live\"", &format!("[audience]\nall = [{BOUGHT}]"));
    let (app, _mail) = started("2026-05-04T08:00:00Z", CONFIG, &[("one.toml", &text)]).await;
    app.crowd(0..300).await;
    let (out, told) = tokio::sync::mpsc::channel(1);
    drop(told);
    let gone = app.core.forecast(question(5, Span::hours(1)), out).await;
    assert!(matches!(gone, Err(ForecastError::Unwanted)), "{gone:?}");
    // One that is stuck with whoever listens, and another.
    let (out, mut told) = tokio::sync::mpsc::channel(1);
    let (core, asked) = (app.core.clone(), question(5, Span::hours(1)));
    let first = tokio::spawn(async move { core.forecast(asked, out).await });
    assert!(told.recv().await.is_some());
    let (out, _told) = tokio::sync::mpsc::channel(1);
    let second = app.core.forecast(question(5, Span::hours(1)), out).await;
    assert!(matches!(second, Err(ForecastError::Busy)), "{second:?}");
    while told.recv().await.is_some() {}
    assert_eq!(first.await.unwrap().unwrap().customers, 300);
    for bad in [
        question(0, Span::hours(1)),
        question(900, Span::hours(1)),
        Question {
            from: Some(app.now() - Span::hours(1)),
            ..question(5, Span::hours(1))
        },
    ] {
        let (out, _told) = tokio::sync::mpsc::channel(1);
        let refused = app.core.forecast(bad, out).await;
        assert!(
            matches!(refused, Err(ForecastError::Asked(_))),
            "{refused:?}"
        );
    }
}

/// What is asked on the way, drawn at random.
fn a_condition(chance: &mut Chance, nth: usize) -> String {
    let of = [
        "{ tag = \"met\" }",
        "{ tag = \"asleep\" }",
        "{ not = { tag = \"met\" } }",
        "{ event = \"Order Completed\", last = \"< 11d\" }",
        "{ not = { segment = \"lately\" } }",
        "{ unanswered = \"< 2\" }",
        "{ subscribed = \"offers\" }",
    ];
    // Of those before it only: files must not ask each other in a circle.
    match nth.checked_sub(1).filter(|_| chance.once_in(4)) {
        Some(before) if chance.once_in(2) => {
            format!("{{ message = \"random{before}/one\", was = \"accepted\" }}")
        }
        Some(before) => format!(
            "{{ not = {{ campaign = \"random{before}\", was = \"entered\", within = \"4d\" }} }}"
        ),
        None => chance.of(&of).to_owned(),
    }
}

/// The steps after the first, drawn at random: mails and acts, at all kinds of times, on conditions.
fn some_steps(chance: &mut Chance, nth: usize) -> String {
    let ids = ["two", "three", "four", "five"];
    let many = chance.below(5) as usize;
    let mut steps = String::new();
    for (n, id) in ids.iter().take(many).enumerate() {
        steps += &format!("[[step]]\nid = \"{id}\"\n");
        steps += match chance.below(5) {
            0 => "",
            1 => "after = \"50h\"\n",
            2 => "wait = \"36h\"\nat = \"10:30\"\n",
            3 => "wait = \"20h\"\n",
            _ => "wait = \"3d\"\n",
        };
        if steps.ends_with("\"3d\"\n") && chance.once_in(2) {
            steps += &format!("until = {}\n", a_condition(chance, nth));
        }
        if chance.once_in(3) {
            steps += &format!("only_if = {}\n", a_condition(chance, nth));
            steps += match ids.get(n + 2).filter(|_| n + 2 < many) {
                Some(later) if chance.once_in(3) => format!("otherwise = \"{later}\"\n"),
                _ if chance.once_in(3) => "otherwise = \"exit\"\n".to_owned(),
                _ => String::new(),
            }
            .as_str();
        }
        steps += match chance.below(8) {
            0 => "tag = \"met\"\n",
            1 => "untag = \"met\"\n",
            2 => "leave = \"monthly\"\n",
            3 => "template = \"dormant\"\nsubject = \"More\"\nexpires = \"2d\"\nrecheck = false\n",
            _ => "template = \"dormant\"\nsubject = \"More\"\nexpires = \"30h\"\n",
        };
    }
    steps.replace(
        "wait = \"20h\"\ntemplate",
        "wait = \"20h\"\nat = \"best\"\ntemplate",
    )
}

/// Campaigns drawn at random: schedules, edges and dates, classes, limits, paces, journeys.
fn a_campaign(chance: &mut Chance, nth: usize) -> String {
    let class = chance.of(&["advertising", "informational", "advertising"]);
    let topic = match class {
        "advertising" => "topic = \"offers\"\n",
        _ => "",
    };
    let cron = chance.of(&[
        "0 9 * * *",
        "30 */5 * * *",
        "15 2 * * *",
        "0 18 * * MON-FRI",
    ]);
    let zone = chance.of(&["customer", "customer", "America/New_York", "Asia/Seoul"]);
    let days = chance.between(3, 14);
    let (start, condition) = match chance.below(7) {
        0 | 1 => (
            String::new(),
            format!("{{ event = \"Order Completed\", last = \">= {days}d\" }}"),
        ),
        2 => (
            format!(
                "[trigger]\ndate = \"renewal\"\nbefore = \"{}d\"\nat = \"09:30\"\n",
                days / 3
            ),
            a_condition(chance, nth),
        ),
        _ => (
            format!("[schedule]\ncron = \"{cron}\"\ntimezone = \"{zone}\"\n"),
            format!("{{ known_for = \">= {days}d\" }}"),
        ),
    };
    let again = chance.of(&["always", "2d", "after_leaving", "never", "36h"]);
    let limits = chance.of(&[
        "",
        "caps = [\"1 per 3d\"]",
        "gap = \"20h\"",
        "window = \"Mon-Sat 07:00-10:00\"",
        "holdout = \"40%\"\n[goal]\nevent = \"Order Completed\"\nwithin = \"2d\"",
        "caps = [\"2 per week\"]\nwindow = \"19:00-03:30\"",
        "quota = \"30%\"",
    ]);
    // Without a schedule the first have the places: who comes first cannot be foretold.
    let limits = match start.contains("[schedule]") && chance.once_in(2) {
        true => chance.of(&[
            "quota = \"3 per 1d\"",
            "quota = \"2 per 7h\"",
            "quota = \"9\"",
            "quota = \"5 per 2d\"\nholdout = \"30%\"\n[goal]\nevent = \"Order Completed\"\nwithin = \"2d\"",
        ]),
        false => limits,
    };
    let dated = start.contains("renewal");
    let existing = match dated {
        true => "skip",
        // A quota is a pace, too.
        false if limits.contains("quota") => "enter",
        false => chance.of(&["enter", "4 per 1d", "skip", "9 per 12h"]),
    };
    let mut entry = String::new();
    if chance.once_in(3) {
        entry += &format!("exit = [{}]\n", a_condition(chance, nth));
    }
    if chance.once_in(4) {
        entry += "unless_in = \"higher_priority\"\n";
    }
    if chance.once_in(3) {
        entry += "at_most = 2\n";
    }
    let more = some_steps(chance, nth);
    // A journey of higher priority stands before it, as `unless_in` asks.
    let (priority, expires) = (40 - 8 * nth, chance.of(&["5h", "1d", "3d", "30h"]));
    format!(
        "name = \"Random\"\nstate = \"live\"\nclass = \"{class}\"\n{topic}priority = {priority}\n{start}[audience]\nall = [{condition}]\n[entry]\nagain = \"{again}\"\nexisting = \"{existing}\"\n{entry}[[step]]\nid = \"one\"\ntemplate = \"dormant\"\nsubject = \"One\"\nexpires = \"{expires}\"\nvariants = [{{ name = \"a\", weight = 1 }}, {{ name = \"b\", weight = 2 }}]\n{more}[limits]\n{limits}\n"
    )
}

/// What a customer has said, drawn at random; now and then another's address.
fn a_profile(chance: &mut Chance, now: Timestamp) -> ProfileChange {
    let mut change = ProfileChange::default();
    let own = &mut change.preferences;
    let zones = [
        "Europe/Berlin",
        "America/New_York",
        "Asia/Seoul",
        "Australia/Lord_Howe",
    ];
    own.timezone = Some(Some(chance.of(&zones).parse().unwrap()));
    if chance.once_in(3) {
        let hours = chance.of(&["Mon-Fri 18:00-21:00", "22:00-02:00", "Sat,Sun 01:30-09:00"]);
        own.window = Some(Some(Window::parse(hours).unwrap()));
    }
    if chance.once_in(3) {
        let cap = chance.of(&["1 per day", "2 per 5d", "1 per week", "3 per 30h"]);
        own.caps = Some(Some(vec![Cap::parse(cap).unwrap()]));
    }
    if chance.once_in(4) {
        own.gap = Some(Some(Span::hours(chance.between(1, 60))));
    }
    if chance.once_in(2) {
        let day = now + Span::days(chance.between(-3, 14));
        let day = day.to_string().chars().take(10).collect::<String>();
        (change.attributes).insert("renewal".to_owned(), Value::Text(day));
    }
    if chance.once_in(6) {
        own.pause_until = Some(Some(now + Span::hours(chance.between(1, 200))));
    }
    if chance.once_in(4) {
        let shared = format!("c{}@customers.example", chance.below(8));
        change.email = Some(EmailAddress::parse(&shared).unwrap());
    }
    change
}

/// Random worlds over the weekend at which Europe, and then America, put their clocks back. `REVEILLE_SEED` chooses one.
#[tokio::test]
async fn random_worlds_are_forecast_message_by_message() {
    let seed = std::env::var("REVEILLE_SEED").ok();
    let seeds = match seed.and_then(|seed| seed.parse::<u64>().ok()) {
        Some(seed) => vec![seed],
        None => vec![1, 16],
    };
    let (mut all, mut held_out, mut not_drawn) = (0, 0, 0);
    for seed in seeds {
        println!("REVEILLE_SEED={seed}");
        let mut chance = Chance(seed);
        let texts: Vec<String> = (0..5).map(|n| a_campaign(&mut chance, n)).collect();
        let names: Vec<String> = (0..5).map(|n| format!("random{n}.toml")).collect();
        let mut files: Vec<(&str, &str)> = (names.iter().zip(&texts))
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        files.push((
            "tags.toml",
            "asleep = { event = \"Order Completed\", last = \">= 12d\" }",
        ));
        files.push((
            "segments.toml",
            "lately = { event = \"Order Completed\", within = \"9d\" }",
        ));
        let config = format!(
            "{CONFIG}gap = \"3h\"\n[control]\nshare = \"10%\"\n[calendar]\nclosed = [\"2026-10-26\", \"SUN\"]\n"
        );
        // The salt is of the seed, too: who is held out, and which variant a customer gets, is drawn by it.
        let salt: [u8; 16] = std::array::from_fn(|_| chance.below(256) as u8);
        let mail = app::scratch();
        let (start, folder) = ("2026-10-22T05:11:07Z", vec![quick_folder(mail.path())]);
        let app = App::start_drawn(folder, start, &config, &files, Some(salt)).await;
        let problems = app.core.catalogue().problems.clone();
        assert!(!app.core.catalogue().has_errors(), "{problems:?}");
        let people = app.buyers(0..36).await;
        let mut works = Vec::new();
        for no in &people {
            let profile = a_profile(&mut chance, app.now());
            works.push(Work {
                customer: *no,
                id: None,
                cause: Cause::Profile(Box::new(profile), Liveness::Live),
                mail: None,
            });
            let ago = Span::hours(chance.between(1, 400));
            works.push(app.past(*no, "Order Completed", app.now() - ago));
        }
        for reply in app.offer(works).await {
            reply.unwrap();
        }
        app.settle().await;
        let tick = Span::minutes(chance.between(7, 45));
        app.advance(Span::hours(chance.between(1, 30))).await;
        let asked = question(13, tick);
        let (sent, forecast) = equals(&app, asked, async || {}).await;
        all += sent;
        let days = forecast.days.iter();
        held_out += days
            .map(|d| d.counts.held_out.values().sum::<u64>())
            .sum::<u64>();
        let log = app.log().await;
        not_drawn += log.iter().filter(|r| r.status == Status::NotDrawn).count();
    }
    let enough = all > 200 && held_out > 10 && not_drawn > 50;
    assert!(enough, "{all} {held_out} {not_drawn}");
}
