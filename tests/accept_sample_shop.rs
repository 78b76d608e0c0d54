//! The sample shop, lived through by the shipped campaigns: every record can be replayed from its causes, and alarms ring
//! for something.

mod app;

use app::{App, shipped};
use reveille::domain::cause::{Cause, Liveness};
use reveille::domain::event::Event;
use reveille::domain::id::{CustomerNo, ShardNo};
use reveille::domain::react::{Boxes, Context, Offer, mailboxes_for, react};
use reveille::domain::record::Record;
use reveille::domain::time::{Span, Timestamp};
use reveille::engine::intake::{Inbound, Options, Reading, Rows, What};
use reveille::engine::sample::{Sample, generate};
use reveille::engine::shard::Ticked;
use reveille::store::codec::decode;
use reveille::store::{Direction, keys};
use std::collections::{BTreeMap, BTreeSet};

const CAMPAIGNS: [&str; 4] = [
    "welcome.toml",
    "cart_reminder.toml",
    "wake_dormant.toml",
    "segments.toml",
];

/// Profiles, then events in order of time.
fn shop(customers: u32, days: u32) -> (Timestamp, Vec<Inbound>, Vec<Inbound>) {
    let until = Timestamp::parse_rfc3339("2026-09-01T00:00:00Z").unwrap();
    let sample = Sample {
        customers,
        days,
        until,
        seed: 11,
    };
    let mut bytes = Vec::new();
    generate(sample, &mut bytes).unwrap();
    let rows = Rows::open(bytes.as_slice(), Options::new(Reading::new(until))).unwrap();
    let (profiles, events) = (rows.map(|(_, row)| row.unwrap()))
        .partition(|row| matches!(row.what, What::Profile { .. }));
    (until - Span::days(i64::from(days)), profiles, events)
}

fn time_of(row: &Inbound) -> Timestamp {
    match &row.what {
        What::Event { time, .. } => *time,
        What::Profile { .. } => panic!("an event"),
    }
}

/// On one thread, so that what the shards tell the recorder comes in the order of their commits; customers who share a
/// mailbox are replayed in that order.
#[tokio::test]
async fn replaying_the_recorded_causes_gives_the_same_records_byte_for_byte() {
    let (start, profiles, mut events) = shop(150, 120);
    let texts: Vec<(&str, String)> = CAMPAIGNS.iter().map(|n| (*n, shipped(n))).collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(n, t)| (*n, t.as_str())).collect();
    let (recorder, mut recorded) = tokio::sync::mpsc::unbounded_channel();
    let app = App::start_recorded(&start.to_string(), &files, recorder).await;
    // Every tenth customer reads the mail of the one before: one mailbox, two shards.
    let mut profiles = profiles;
    for n in (10..profiles.len()).step_by(10) {
        let What::Profile { change, .. } = profiles[n - 1].what.clone() else {
            unreachable!()
        };
        if let What::Profile { change: own, .. } = &mut profiles[n].what {
            own.email = change.email;
        }
    }
    app.take_in(&profiles, Liveness::History).await;
    let end = start + Span::days(120);
    let mut edited = false;
    while app.now() < end {
        app.clock.advance(Span::hours(6));
        let now = app.now();
        let later = events.partition_point(|e| time_of(e) <= now);
        let rest = events.split_off(later);
        app.take_in(&events, Liveness::Live).await;
        events = rest;
        app.settle().await;
        if !edited && now.since(start) > Span::days(80) {
            // An edit whose tracks must be rebuilt from history, with a walk.
            edited = true;
            let text = shipped("wake_dormant.toml").replace(
                r#"{ event = "Order Completed", last = ">= 90d" },"#,
                r#"{ event = "Product Viewed", count = ">= 3", within = "60d" },"#,
            );
            assert_ne!(text, shipped("wake_dormant.toml"));
            app.file("wake_dormant.toml", Some(&text));
            app.reload().await;
        }
    }
    assert!(app.mails().len() > 50, "{}", app.mails().len());

    let mut records: BTreeMap<CustomerNo, Record> = BTreeMap::new();
    let mut histories: BTreeMap<CustomerNo, Vec<Event>> = BTreeMap::new();
    let mut mailboxes = Boxes::new();
    let (mut causes, mut rebuilt) = (0, 0);
    let mut kinds = BTreeSet::new();
    while let Ok(told) = recorded.try_recv() {
        causes += 1;
        kinds.insert(
            format!("{:?}", told.cause)
                .split(['(', ' ', '{'])
                .next()
                .unwrap()
                .to_owned(),
        );
        let no = told.customer;
        let record = records.entry(no).or_insert_with(|| {
            Record::new(no, told.id.clone().expect("first heard of by id"), told.now)
        });
        let boxes: Boxes = (mailboxes_for(record, &told.cause, &told.rules).into_iter())
            .map(|id| (id.clone(), mailboxes.get(&id).cloned().unwrap_or_default()))
            .collect();
        let history = histories.entry(no).or_default();
        let mut context = Context {
            now: told.now,
            rules: &told.rules,
            history: None,
            unfinished: told.unfinished,
            person: told.person.as_deref(),
            quotas: &told.quotas,
            coupon: Some(told.coupon.as_deref().map_or(Offer::NoneLeft, Offer::Code)),
        };
        let reaction = react(record, &boxes, &told.cause, &context).or_else(|_| {
            rebuilt += 1;
            context.history = Some(history);
            react(record, &boxes, &told.cause, &context)
        });
        let reaction = reaction.unwrap();
        *record = reaction.record;
        mailboxes.extend(reaction.boxes);
        if let Cause::Event(event, _) = told.cause {
            history.push(event);
        }
    }
    println!(
        "{causes} causes of {} customers, {rebuilt} rebuilds; {kinds:?}",
        records.len()
    );
    assert!(rebuilt > 100 && records.len() == 150);
    for kind in [
        "Event", "Alarm", "Fires", "Release", "Ready", "Outcome", "Walk",
    ] {
        assert!(kinds.contains(kind), "{kind} is missing");
    }
    for (no, replayed) in &records {
        let stored = app.core.customer(*no).await.unwrap().unwrap().record;
        assert_eq!(
            bytes(&stored),
            bytes(replayed),
            "customer {no:?}: {stored:?} {replayed:?}"
        );
    }
    let found = app
        .core
        .store
        .scan(keys::mailboxes_after(None), Direction::Forward, usize::MAX);
    for (key, value) in found.await.unwrap() {
        let id = keys::read_mailbox(&key).unwrap();
        assert_eq!(
            decode::<reveille::domain::record::Mailbox>(&value.value).unwrap(),
            mailboxes[&id],
            "{id:?}"
        );
    }
}

fn bytes(record: &Record) -> Vec<u8> {
    postcard::to_stdvec(record).unwrap()
}

/// Each alarm rings at its own instant, as it does in a daemon that ticks every second.
#[tokio::test]
async fn rings_that_change_nothing_are_fewer_than_one_for_every_three_events() {
    let (start, profiles, events) = shop(300, 365);
    let texts: Vec<(&str, String)> = CAMPAIGNS.iter().map(|n| (*n, shipped(n))).collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(n, t)| (*n, t.as_str())).collect();
    let app = App::start(&start.to_string(), &files).await;
    app.take_in(&profiles, Liveness::History).await;
    let mut events = events.into_iter().peekable();
    let mut total = Ticked::default();
    let mut taken = 0u64;
    let mut alarms: Vec<Option<Timestamp>> = Vec::new();
    for shard in ShardNo::all() {
        alarms.push(next_alarm(&app, shard).await);
    }
    let end = start + Span::days(365);
    let mut whole = start;
    while app.now() < end {
        let event = events.peek().map(time_of).unwrap_or(Timestamp::NEVER);
        let (shard, alarm) = (alarms.iter().enumerate())
            .filter_map(|(n, at)| at.map(|at| (n, at)))
            .min_by_key(|(_, at)| *at)
            .unwrap_or((0, Timestamp::NEVER));
        let next = event.min(alarm).min(whole);
        app.clock.advance_to(next);
        if alarm == next {
            let shard = ShardNo(shard as u8);
            total += app
                .core
                .shard(CustomerNo(u64::from(shard.0)))
                .tick(app.core.next_tick())
                .await
                .unwrap();
            alarms[usize::from(shard.0)] = next_alarm(&app, shard).await;
        } else if event == next {
            let row = events.next().unwrap();
            let shard = app.customer(row.customer.as_str()).await.shard();
            taken += app.take_in(&[row], Liveness::Live).await as u64;
            alarms[usize::from(shard.0)] = next_alarm(&app, shard).await;
        } else {
            // Now and then the whole engine: schedules and the outbox.
            total += app.core.settle().await.unwrap();
            for shard in ShardNo::all() {
                alarms[usize::from(shard.0)] = next_alarm(&app, shard).await;
            }
            whole = whole + Span::hours(6);
        }
    }
    println!("{taken} events, {total:?}, {} mails", app.mails().len());
    assert!(taken > 3_000 && app.mails().len() > 200);
    assert!(
        total.idle_rings * 3 < taken,
        "{} idle rings for {taken} events",
        total.idle_rings
    );
}

async fn next_alarm(app: &App, shard: ShardNo) -> Option<Timestamp> {
    let range = keys::alarms_until(shard, Timestamp::NEVER);
    let found = app
        .core
        .store
        .scan(range, Direction::Forward, 1)
        .await
        .unwrap();
    found
        .first()
        .and_then(|(key, _)| keys::read_alarm(key))
        .map(|(at, _)| at)
}
