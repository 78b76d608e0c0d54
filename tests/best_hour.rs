//! `at = "best"`: the hour is learned from each customer's answers and the shop's, lies inside every window, is the same
//! in a replay and in the forecast, and `explain` says where it comes from.

mod app;
mod world;

use app::App;
use reveille::domain::best::best_instant;
use reveille::domain::cause::Cause;
use reveille::domain::engagement::{Engagement, HitClass, HitKind};
use reveille::domain::hours::{Answers, Hours, Learned, worth};
use reveille::domain::id::{CampaignId, CustomerId, CustomerNo, MessageNo, SegmentName};
use reveille::domain::ledger::{Reason, Status};
use reveille::domain::policy::{LEAD, Limits, zone_of};
use reveille::domain::record::Record;
use reveille::domain::rules::Rules;
use reveille::domain::time::{Span, Timestamp};
use reveille::domain::wall;
use reveille::engine::forecast::{Question, Told};
use reveille::store::Store;
use reveille::store::memory::MemoryStore;
use serde_json::json;
use std::sync::Arc;
use world::chance::Chance;
use world::random::{ZONES, a_shop, change_preferences};
use world::{Customer, World, at, triggered};

fn answer(message: MessageNo, kind: HitKind, at: Timestamp) -> Cause {
    Cause::Engagement(Engagement {
        message,
        kind,
        class: HitClass::HumanLikely,
        reason: Reason::Reader,
        link: None,
        first: at,
        last: at,
    })
}

fn segment(name: &str) -> SegmentName {
    SegmentName::parse(name).unwrap()
}

fn hour(at: Timestamp, zone: chrono_tz::Tz) -> usize {
    chrono::Timelike::hour(&wall::local(at, zone)) as usize
}

fn learned(chance: &mut Chance) -> Learned {
    let mut table = Learned::default();
    for day in 0..chance.below(4) as i64 {
        let mut by_hour = || std::array::from_fn(|_| chance.below(30));
        let answers = Answers {
            shop: by_hour(),
            segments: [("nurses", by_hour()), ("gone", by_hour())]
                .map(|(name, answers)| (segment(name), answers))
                .into(),
        };
        table = table.next(&answers, 1, day * 24);
    }
    table
}

// ---- one customer, played by the domain ----------------------------------------------------------------------------

#[test]
fn the_hour_follows_a_customers_own_answers_and_leaves_no_window() {
    let step = |name: &str| {
        let draft = triggered(name, "Visited").again(reveille::domain::campaign::Again::Always);
        draft.best()
    };
    // Seoul, 03:00 in the morning; the shop's hours are those of `shop()`.
    let mut world = World::new("2026-03-01T18:00:00Z", vec![step("t")]);
    let (mina, jun) = (world.customer("mina"), world.customer("jun"));
    for no in [mina, jun] {
        world.prefer(no, |p| {
            let own = &mut p.preferences;
            own.timezone = Some(Some(chrono_tz::Asia::Seoul));
            own.window = Some(Some(world::files::window("Mon-Sun 08:00-22:00")));
            own.caps = Some(Some(Vec::new()));
        });
    }
    let mut answers = Answers::default();
    (answers.shop[19], answers.shop[3]) = (40, 400);
    let table = Learned::default().next(&answers, 1, 0);
    world.control(|c| c.learned = table);
    world.event(mina, "Visited", &[]);
    world.run_for(Span::days(1));
    // Most of the shop answers at three in the night, when nothing may go; of the rest 19:00 is best.
    assert_eq!(world.sent("t"), [at("2026-03-02T10:00:00Z")]);

    // Twelve answers at half past eight outweigh the shop.
    for n in 0..12 {
        let no = world.record(mina).sent.iter().next_back().unwrap().no;
        let told = at("2026-03-02T23:30:00Z") + Span::minutes(n);
        world.now = world.now.max(told);
        world.apply(mina, answer(no, HitKind::Open, told));
        world.apply(mina, answer(no, HitKind::Click, told));
        world.event(mina, "Visited", &[]);
        world.run_for(Span::days(1));
    }
    let last = *world.sent("t").last().unwrap();
    assert_eq!(hour(last, chrono_tz::Asia::Seoul), 8);
    assert_eq!(world.record(mina).hours.answers(), 24);

    // The other has none: theirs is the shop's, and a hit told again counts once.
    world.event(jun, "Visited", &[]);
    world.run_for(Span::days(1));
    let no = world.record(jun).sent.iter().next_back().unwrap().no;
    let told = world.now;
    for _ in 0..3 {
        world.apply(jun, answer(no, HitKind::Open, told));
    }
    assert_eq!(world.record(jun).hours.answers(), 1);

    // Two who are one have the answers of both; what comes back later for a mail of the one counts for both, once.
    let clicked = answer(no, HitKind::Click, told);
    world.merge(jun, mina);
    assert_eq!(world.record(mina).hours.answers(), 25);
    world.apply(jun, clicked.clone());
    world.apply(jun, clicked);
    assert_eq!(world.record(mina).hours.answers(), 26);
    assert_eq!(world.record(jun).hours, Hours::default());
}

/// Whether policy's hours, breaks and closed days let a mail begin at `at`, said anew.
fn may_go(rules: &Rules, record: &Record, at: Timestamp) -> bool {
    let campaign = &rules.campaigns[&CampaignId::parse("t").unwrap()];
    let limits = Limits::of(campaign.steps[0].class, campaign, record, rules);
    let zone = zone_of(record, rules);
    let open = |at| limits.windows.iter().all(|(w, _)| w.contains(at, zone));
    let shut =
        |closed: &reveille::domain::calendar::ClosedDays| closed.next_open(at, zone, LEAD) != at;
    open(at)
        && open(at + LEAD - Span::millis(1))
        && limits.pause_until.is_none_or(|until| at >= until)
        && !limits.closed.is_some_and(shut)
}

#[test]
fn it_is_never_outside_a_window_and_nothing_in_that_day_is_better() {
    let rounds = match std::env::var_os("REVEILLE_SOAK") {
        Some(_) => 5_000,
        None => 150,
    };
    let mut moved = 0;
    for seed in 0..rounds {
        let mut chance = Chance(seed);
        let shop = a_shop(&mut chance);
        let start = at("2025-01-01T00:00:00Z") + Span::minutes(chance.between(0, 1_000_000));
        let mut world = World::with_shop(start, shop, vec![triggered("t", "Visited").best()]);
        let no = world.customer("c");
        for _ in 0..6 {
            change_preferences(&mut chance, &mut world, no);
        }
        let table = learned(&mut chance);
        world.control(|c| c.learned = table);
        let mut record = world.record(no).clone();
        for n in 0..chance.below(40) {
            let hour = chance.below(24) as usize;
            record.hours.note(hour, start + Span::days(n as i64));
        }
        let rules = &world.rules;
        let campaign = &rules.campaigns[&CampaignId::parse("t").unwrap()];
        let from = world.now + Span::millis(chance.between(0, 90_000_000));
        let best = || best_instant(&campaign.steps[0], campaign, &record, rules, from);
        let chosen = best();
        assert_eq!(chosen, best(), "seed {seed}");
        assert!(chosen >= from, "seed {seed}");
        // Minute by minute; windows open at full minutes.
        let full = Timestamp((from.0 / 60_000 + 1) * 60_000);
        let minutes = (0..14 * 1_440 - 2).map(|n| full + Span::minutes(n));
        let mut open = std::iter::once(from)
            .chain(minutes)
            .filter(|at| may_go(rules, &record, *at));
        let Some(first) = open.next() else {
            assert_eq!(chosen, from, "seed {seed}: nothing is open");
            continue;
        };
        assert!(may_go(rules, &record, chosen), "seed {seed}: {chosen}");
        assert!(chosen.since(first) < Span::hours(25), "seed {seed}");
        let zone = zone_of(&record, rules);
        // No segment stands in these rules.
        let worth = worth(&record.hours, None, &rules.controls.learned.shop);
        let most = std::iter::once(first)
            .chain(open.take_while(|at| at.since(first) < Span::hours(22)))
            .map(|at| worth[hour(at, zone)])
            .max();
        assert!(Some(worth[hour(chosen, zone)]) >= most, "seed {seed}");
        moved += usize::from(chosen != first);
    }
    assert!(moved > 30, "{moved}");
}

#[test]
fn the_same_causes_give_the_same_record_and_every_mail_goes_inside_its_window() {
    for seed in 0..4 {
        let mut chance = Chance(seed);
        let campaigns = vec![
            triggered("t", "Visited")
                .again(reveille::domain::campaign::Again::Always)
                .best()
                .then("more")
                .wait(Span::hours(30))
                .best(),
        ];
        let mut world = World::with_shop(at("2025-03-20T00:00:00Z"), world::shop(), campaigns);
        for name in ["a", "b", "c", "d"] {
            let no = world.customer(name);
            let zone = chance.of(ZONES);
            world.prefer(no, |p| {
                p.preferences.timezone = Some(Some(zone));
                p.preferences.caps = Some(Some(Vec::new()));
            });
        }
        for _ in 0..120 {
            world.run_for(Span::minutes(chance.between(1, 1_000)));
            let no = CustomerNo(1 + chance.below(4));
            match chance.below(12) {
                0 => change_preferences(&mut chance, &mut world, no),
                1 => {
                    let table = learned(&mut chance);
                    world.control(|c| c.learned = table);
                }
                2 if chance.once_in(8) => world.merge(no, CustomerNo(1 + chance.below(4))),
                3..=7 => {
                    let sent: Vec<MessageNo> = (world.record(no).sent.iter())
                        .filter(|m| m.by.is_none())
                        .map(|m| m.no)
                        .collect();
                    if !sent.is_empty() {
                        let kind = chance.of(&[HitKind::Open, HitKind::Click]);
                        let told = answer(chance.of(&sent), kind, world.now);
                        world.apply(no, told);
                    }
                }
                _ => world.event(no, "Visited", &[]),
            }
        }
        world.run_for(Span::days(10));
        assert!(world.attempts.len() > 20, "{}", world.attempts.len());
        let answered = |n| world.record(CustomerNo(n)).hours.answers();
        assert!((1..=4).map(answered).sum::<u32>() > 5);
        for attempt in &world.attempts {
            let zone = attempt.preferences.timezone.unwrap();
            let window = attempt.preferences.window.as_ref();
            let window = window.or(attempt.rules.shop.window.as_ref());
            assert!(window.is_none_or(|w| w.contains(attempt.at, zone)));
        }

        let mut customers: std::collections::BTreeMap<CustomerNo, Customer> =
            (world.first_sight.iter())
                .map(|record| (record.no, Customer::of(record.clone())))
                .collect();
        let mut boxes = Default::default();
        for recorded in &world.recorded {
            let customer = customers.get_mut(&recorded.customer).unwrap();
            world::play(recorded, customer, &mut boxes);
            let stored = postcard::to_stdvec(&customer.record).unwrap();
            customer.record = postcard::from_bytes(&stored).unwrap();
        }
        for (no, customer) in &customers {
            assert_eq!(&customer.record, world.record(*no), "seed {seed}");
        }
    }
}

// ---- the engine ----------------------------------------------------------------------------------------------------

const SERIES: &str = r#"
name  = "Series"
state = "live"
class = "informational"

[trigger]
event = "Signed Up"

[[step]]
id       = "hello"
template = "welcome"
subject  = "Hello"

[[step]]
id       = "more"
wait     = "1d"
at       = "best"
template = "welcome"
subject  = "More"

[limits]
window = "Mon-Sun 08:00-22:00"
"#;

/// When the second mail left, on the clock of Seoul.
async fn more_left(app: &App, id: &str) -> Option<String> {
    let no = app.customer(id).await;
    let log = app.log().await;
    let left = log.iter().find(|r| {
        r.customer == no
            && r.status == Status::Attempting
            && r.step.as_ref().is_some_and(|s| s.as_str() == "more")
    })?;
    let shown = wall::local(left.time, chrono_tz::Asia::Seoul);
    Some(shown.format("%d %H:%M").to_string())
}

async fn explained(app: &App, id: &str) -> String {
    let campaign = CampaignId::parse("series").unwrap();
    let id = CustomerId::parse(id).unwrap();
    let told = app.core.explain(&id, Some(&campaign)).await.unwrap();
    told.unwrap().render()
}

#[tokio::test]
async fn the_shops_hours_are_learned_each_day_and_kept_over_a_restart() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    // Monday, 11:00 in Seoul.
    let start = "2026-03-02T02:00:00Z";
    let files = [("series.toml", SERIES)];
    let app = App::start_on(Arc::clone(&store), start, app::CONFIG, &files).await;
    for n in 0..6 {
        app.sign_up(&format!("early{n}"), "Asia/Seoul").await;
        app.event(&format!("early{n}"), "Signed Up", json!({}))
            .await;
    }
    app.settle().await;
    assert!(
        explained(&app, "early0")
            .await
            .contains("no answers are known yet")
    );
    // At 20:10 in Seoul five of them read it; a machine looks at six o'clock, which is no answer.
    app.leap(Span::minutes(9 * 60 + 10)).await;
    for n in 0..5 {
        let told = answer(MessageNo(1), HitKind::Open, app.now());
        app.act(&format!("early{n}"), told).await;
    }
    let mut machine = answer(MessageNo(1), HitKind::Click, app.now());
    if let Cause::Engagement(e) = &mut machine {
        e.class = HitClass::Scanner;
        e.first = app.now() - Span::hours(2);
    }
    app.act("early0", machine).await;
    let learned = |app: &App| app.core.catalogue().rules.controls.learned.clone();
    app.settle().await;
    assert_eq!(learned(&app).answers(), 0, "not before the day is over");

    // It dies and is back on the next day (of UTC); what was counted is in the table then.
    let app = app.reopen(Arc::clone(&store)).await;
    app.leap(Span::hours(14)).await;
    let table = learned(&app);
    assert_eq!((table.version, table.answers()), (1, 5));
    app.leap(Span::minutes(10)).await;
    assert_eq!(learned(&app), table, "once a day");
    let app = app.reopen(Arc::clone(&store)).await;
    app.settle().await;
    assert_eq!(learned(&app), table, "kept");

    // Somebody new has the shop's hour.
    app.sign_up("late", "Asia/Seoul").await;
    app.event("late", "Signed Up", json!({})).await;
    app.settle().await;
    let said = explained(&app, "late").await;
    assert!(
        said.contains("20:00, learned from 5 answers of the shop's"),
        "{said}"
    );

    // The forecast says what then happens, with what is known now.
    let (out, mut told) = tokio::sync::mpsc::channel(64);
    let question = Question {
        days: 4,
        decisions: true,
        running: true,
        tick: Some(Span::minutes(10)),
        ..Question::default()
    };
    let listening = tokio::spawn(async move {
        let mut sent = Vec::new();
        while let Some(told) = told.recv().await {
            if let Told::Decisions(more) = told {
                let left = more.into_iter().filter(|d| d.status == Status::Attempting);
                sent.extend(left.map(|d| (d.at, d.customer.to_string())));
            }
        }
        sent.sort();
        sent
    });
    app.core.forecast(question, out).await.unwrap();
    let foreseen = listening.await.unwrap();
    let from = app.now();
    for _ in 0..3 * 144 {
        app.leap(Span::minutes(10)).await;
    }
    let mut left = Vec::new();
    for name in (0..6).map(|n| format!("early{n}")).chain(["late".into()]) {
        let no = app.customer(&name).await;
        let log = app.log().await;
        let rows = log
            .iter()
            .filter(|r| r.customer == no && r.status == Status::Attempting && r.time > from);
        left.extend(rows.map(|r| (r.time, name.clone())));
    }
    left.sort();
    assert_eq!(foreseen, left);
    assert_eq!(left.len(), 7);
    assert_eq!(more_left(&app, "early0").await.as_deref(), Some("03 20:00"));
    // Signed up on the 3rd at 10:20: a day later, at the next 20:00.
    assert_eq!(more_left(&app, "late").await.as_deref(), Some("04 20:00"));
    let no = app.customer("late").await;
    let log = app.log().await;
    let due = log
        .iter()
        .rfind(|r| r.customer == no && r.reason == Reason::StepDue);
    let detail = &due.unwrap().detail;
    assert!(detail.starts_with("20:00, learned from"), "{detail}");
}

#[tokio::test]
async fn who_is_in_a_segment_goes_by_its_hours_before_the_shops() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    // Monday, 11:00 in Seoul.
    let start = "2026-03-02T02:00:00Z";
    let segments = r#"
        nurses   = { event = "Shift Chosen" }
        everyone = { known_for = ">= 0s" }
        bakers   = { event = "Oven Lit" }
    "#;
    let files = [("series.toml", SERIES), ("segments.toml", segments)];
    let app = App::start_on(store.clone(), start, app::CONFIG, &files).await;
    let come = async |names: &[String], event: Option<&str>| {
        for name in names {
            app.sign_up(name, "Asia/Seoul").await;
            if let Some(event) = event {
                app.event(name, event, json!({})).await;
            }
            app.event(name, "Signed Up", json!({})).await;
        }
        app.settle().await;
    };
    let named = |what: &str, n: usize| (0..n).map(|i| format!("{what}{i}")).collect::<Vec<_>>();
    let (nurses, bakers, others) = (named("nurse", 30), named("baker", 29), named("other", 60));
    come(&nurses, Some("Shift Chosen")).await;
    come(&bakers, Some("Oven Lit")).await;
    come(&others, None).await;
    // Bakers read at 13:00, nurses at 17:00, the others at 20:00.
    for (after, who) in [(2, &bakers), (4, &nurses), (3, &others)] {
        app.leap(Span::hours(after)).await;
        for name in who {
            let told = answer(MessageNo(1), HitKind::Open, app.now());
            app.act(name, told).await;
        }
    }
    app.leap(Span::hours(14)).await;
    let table = app.core.catalogue().rules.controls.learned.clone();
    let of = |name: &str| table.segments[&segment(name)].answers();
    assert_eq!(
        (table.answers(), of("nurses"), of("bakers"), of("everyone")),
        (119, 30, 29, 119)
    );

    // A new nurse goes by the nurses. The bakers gave too few answers to speak for themselves: a new one goes by the next
    // wider segment, as does who is in no other.
    let late = [
        ("late-nurse", Some("Shift Chosen")),
        ("late-baker", Some("Oven Lit")),
        ("late-other", None),
    ];
    let mut told = Vec::new();
    for (name, event) in late {
        come(&[name.to_owned()], event).await;
        let said = explained(&app, name).await;
        let line = said.lines().find(|line| line.contains("learned from"));
        told.push(format!("{name}: {}", line.unwrap_or(&said).trim()));
    }
    insta::assert_snapshot!(told.join("\n"));
    for _ in 0..48 {
        app.leap(Span::hours(1)).await;
    }
    assert_eq!(
        more_left(&app, "late-nurse").await.as_deref(),
        Some("04 17:00")
    );
    assert_eq!(
        more_left(&app, "late-baker").await.as_deref(),
        Some("04 20:00")
    );
}
