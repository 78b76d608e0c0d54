//! Occurrences that were missed, or interrupted: made up for once, or dropped, and none is done twice; over changes of
//! the clock, on each customer's own.

mod app;

use app::watched::Watched;
use app::{App, CONFIG};
use reveille::domain::cause::{Cause, Liveness, ProfileChange};
use reveille::domain::id::CustomerNo;
use reveille::domain::ledger::Status;
use reveille::domain::time::{Span, Timestamp};
use reveille::store::{StoreError, keys};
use serde_json::json;
use std::collections::BTreeMap;

const START: &str = "2026-03-02T08:00:00Z";

fn scheduled(cron: &str, zone: &str, missed: &str) -> String {
    format!(
        r#"
name  = "Daily"
state = "live"
class = "informational"

[schedule]
cron     = "{cron}"
timezone = "{zone}"
missed   = "{missed}"

[audience]
event = "Order Completed"

[entry]
again    = "always"
existing = "enter"

[[step]]
id       = "hello"
template = "welcome"
subject  = "Hello"
"#
    )
}

/// When each customer entered.
async fn entries(app: &App) -> BTreeMap<CustomerNo, Vec<Timestamp>> {
    let mut found: BTreeMap<CustomerNo, Vec<Timestamp>> = BTreeMap::new();
    for row in app.log().await {
        if row.status == Status::Entered {
            found.entry(row.customer).or_default().push(row.time);
        }
    }
    found
}

async fn of(app: &App, no: CustomerNo) -> Vec<Timestamp> {
    entries(app).await.remove(&no).unwrap_or_default()
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

#[tokio::test]
async fn downtime_over_occurrences_is_made_up_for_once_or_not_at_all() {
    // Down since 08:00 of the first day; what is missed is 09:00 of three days.
    for (missed, back, made_up) in [
        ("run_once", "2026-03-04T12:00:00Z", true),
        ("run_once", "2026-03-04T15:00:00Z", true),
        ("run_once", "2026-03-04T15:00:01Z", false),
        ("skip", "2026-03-04T09:04:00Z", true),
        ("skip", "2026-03-04T09:06:00Z", false),
    ] {
        let app = App::start(
            START,
            &[("daily.toml", &scheduled("0 9 * * *", "UTC", missed))],
        )
        .await;
        app.sign_up("mina", "Asia/Seoul").await;
        app.event("mina", "Order Completed", json!({})).await;
        app.settle().await;
        let no = app.customer("mina").await;
        app.clock.advance_to(at(back));
        let store = app.core.store.clone();
        let app = app.reopen(store).await;
        app.settle().await;
        let mut expected: Vec<Timestamp> = Vec::new();
        expected.extend(made_up.then_some(at(back)));
        assert_eq!(of(&app, no).await, expected, "{missed}, back at {back}");
        // Not again by ticking, nor by another restart.
        app.leap(Span::minutes(1)).await;
        let store = app.core.store.clone();
        let app = app.reopen(store).await;
        app.leap(Span::minutes(1)).await;
        assert_eq!(of(&app, no).await, expected, "{missed}, back at {back}");
        // And the next one on its time.
        app.clock.advance_to(at("2026-03-05T09:00:00Z"));
        app.settle().await;
        expected.push(at("2026-03-05T09:00:00Z"));
        assert_eq!(of(&app, no).await, expected, "{missed}, back at {back}");
    }
}

/// A tick takes its time: what falls due while it lasts waits for the alarms that ring before it.
#[tokio::test]
async fn an_alarm_rings_before_an_occurrence_that_falls_due_during_the_tick() {
    let file = scheduled("0 9 * * *", "UTC", "run_once").replace(
        "event = \"Order Completed\"",
        "event = \"Order Completed\"\nlast = \">= 1h\"",
    );
    let store = Watched::new();
    let app = App::start_on(store.clone(), START, CONFIG, &[("daily.toml", &file)]).await;
    app.sign_up("mina", "UTC").await;
    let ordered = at("2026-03-02T07:59:45Z");
    app.event_at(
        "mina",
        "Order Completed",
        json!({}),
        ordered,
        Liveness::Live,
    )
    .await;
    app.settle().await;
    // Her alarm stands at 08:59:45. The tick begins before it; when it has looked for alarms it is past nine already.
    let begins = at("2026-03-02T08:59:30Z");
    app.clock.advance_to(begins);
    let no = app.customer("mina").await;
    let (alarms, clock) = (keys::alarms_until(no.shard(), begins), app.clock.clone());
    store.look(move |range, found| {
        if *range == alarms {
            assert_eq!(found, 0);
            clock.advance(Span::minutes(1));
        }
    });
    app.core.tick().await.unwrap();
    assert_eq!(app.now(), begins + Span::minutes(1));
    assert_eq!(of(&app, no).await, [], "nothing was due when it began");
    app.settle().await;
    assert_eq!(of(&app, no).await, [begins + Span::minutes(1)]);
}

#[tokio::test]
async fn an_occurrence_that_is_cut_off_is_finished_and_done_once() {
    // 40 customers a shard would be one chunk; what matters is that shards are cut off at different places.
    for allowed in [0, 1, 7, 40, 90, 150] {
        let store = Watched::new();
        let file = scheduled("0 9 * * *", "UTC", "run_once");
        let app = App::start_on(store.clone(), START, CONFIG, &[("daily.toml", &file)]).await;
        app.buyers(0..200).await;
        app.settle().await;
        app.clock.advance_to(at("2026-03-02T09:00:00Z"));
        let mut left = allowed;
        store.fail(move |_| {
            left -= 1;
            (left < 0).then(|| StoreError::Unavailable("cut off".into()))
        });
        let cut_off = app.core.tick().await;
        assert!(cut_off.is_err(), "{allowed}");
        let before: usize = entries(&app).await.values().map(Vec::len).sum();
        let again = store.again();
        let app = app.reopen(again).await;
        app.leap(Span::minutes(1)).await;
        app.leap(Span::minutes(10)).await;
        let found = entries(&app).await;
        println!("{allowed} commits: {before} had entered");
        assert_eq!(found.len(), 200, "{allowed}");
        assert!(found.values().all(|e| e.len() == 1), "{allowed}: {found:?}");
        assert_eq!(app.mails().len(), 200);
    }
}

#[tokio::test]
async fn each_local_time_is_met_once_over_changes_of_the_clock() {
    // 02:30 is skipped in Berlin on 29 March 2026 and comes twice on 25 October; New York's nights are a few weeks off.
    for (start, days, expected) in [
        (
            "2026-03-28T00:00:00Z",
            2,
            [
                (
                    "berlin",
                    vec!["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z"],
                ),
                ("york", vec!["2026-03-28T06:30:00Z", "2026-03-29T06:30:00Z"]),
                (
                    "seoul",
                    vec!["2026-03-28T17:30:00Z", "2026-03-29T17:30:00Z"],
                ),
            ],
        ),
        (
            "2026-10-24T00:00:00Z",
            3,
            [
                (
                    "berlin",
                    vec![
                        "2026-10-24T00:30:00Z",
                        "2026-10-25T00:30:00Z",
                        "2026-10-26T01:30:00Z",
                    ],
                ),
                (
                    "york",
                    vec![
                        "2026-10-24T06:30:00Z",
                        "2026-10-25T06:30:00Z",
                        "2026-10-26T06:30:00Z",
                    ],
                ),
                (
                    "seoul",
                    vec![
                        "2026-10-24T17:30:00Z",
                        "2026-10-25T17:30:00Z",
                        "2026-10-26T17:30:00Z",
                    ],
                ),
            ],
        ),
    ] {
        let app = App::start(
            start,
            &[(
                "daily.toml",
                &scheduled("30 2 * * *", "customer", "run_once"),
            )],
        )
        .await;
        for (id, zone) in [
            ("berlin", "Europe/Berlin"),
            ("york", "America/New_York"),
            ("seoul", "Asia/Seoul"),
        ] {
            app.sign_up(id, zone).await;
            app.event(id, "Order Completed", json!({})).await;
        }
        app.settle().await;
        for _ in 0..days * 48 {
            app.leap(Span::minutes(30)).await;
        }
        let found = entries(&app).await;
        for (id, times) in expected {
            let times: Vec<Timestamp> = times.into_iter().map(at).collect();
            assert_eq!(found[&app.customer(id).await], times, "{id}");
        }
    }
}

#[tokio::test]
async fn who_moves_to_another_zone_meets_each_local_time_once() {
    let file = scheduled("0 10 * * *", "customer", "run_once");
    let app = App::start("2026-03-02T00:00:00Z", &[("daily.toml", &file)]).await;
    app.sign_up("mina", "Asia/Seoul").await;
    app.event("mina", "Order Completed", json!({})).await;
    let moves = |zone: &str| {
        let mut change = ProfileChange::default();
        change.preferences.timezone = Some(Some(zone.parse().unwrap()));
        Cause::Profile(Box::new(change), Liveness::Live)
    };
    for hour in 1..=48 {
        app.leap(Span::hours(1)).await;
        // After ten in Seoul (01:00 UTC) to New York, where ten of the same day is yet to come (15:00 UTC); and back,
        // before ten of the next day in Seoul.
        let to = match hour {
            3 => "America/New_York",
            20 => "Asia/Seoul",
            _ => continue,
        };
        app.act("mina", moves(to)).await;
    }
    let found = entries(&app).await;
    let times: Vec<Timestamp> = ["2026-03-02T01:00:00Z", "2026-03-03T01:00:00Z"]
        .map(at)
        .to_vec();
    assert_eq!(found[&app.customer("mina").await], times);
}
