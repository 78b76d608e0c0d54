//! Goals: which message an event is credited to, when it is told, and what takes it back.

use crate::world::soundness::check_log;
use crate::world::{Draft, World, accepted, not_started, triggered};
use reveille::domain::campaign::Again;
use reveille::domain::id::{CustomerNo, StepId};
use reveille::domain::ledger::{LogRow, Reason, Status};
use reveille::domain::preference::ConsentState;
use reveille::domain::time::{Span, Timestamp};

const START: &str = "2026-03-02T09:00:00Z";
const ORDER: &str = "Order Completed";

/// A message at once, another three days later; an order within a week after either is success.
fn series() -> Draft {
    triggered("series", "Signed Up")
        .step("one", Span::ZERO, Span::days(3))
        .then("two")
        .wait(Span::days(3))
        .goal(ORDER, Span::days(7))
}

fn begin(drafts: Vec<Draft>) -> (World, CustomerNo, Timestamp) {
    let mut world = World::new(START, drafts);
    let mina = world.customer("mina");
    world.run_for(Span::minutes(1));
    let now = world.now;
    world.event(mina, "Signed Up", &[]);
    (world, mina, now)
}

/// Which step each event was credited to, with its value.
fn credits(world: &World) -> Vec<(String, i64)> {
    let rows = world.log.iter().filter(|r| r.status == Status::Goal);
    let told = |row: &LogRow| {
        assert!(row.message.is_some());
        let undone = match row.reason {
            Reason::GoalReached => "",
            Reason::GoalUndone => " undone",
            other => panic!("{other:?}"),
        };
        let step = row.step.as_ref().unwrap();
        let value = row.value.unwrap() / 1_000_000;
        (format!("{} {step}{undone}", row.campaign), value)
    };
    rows.map(told).collect()
}

fn credited(to: &str, value: i64) -> (String, i64) {
    (to.to_owned(), value)
}

#[test]
fn an_order_is_credited_to_the_latest_message_in_whose_time_it_lies() {
    let (mut world, mina, now) = begin(vec![series()]);
    let order = |world: &mut World, after: Span, total: &str| {
        world.run_until(now + after);
        world.event(mina, ORDER, &[("total", total)]);
    };
    // What happens at the very instant happened before it.
    order(&mut world, Span::ZERO, "1");
    order(&mut world, Span::days(2), "20");
    order(&mut world, Span::days(4), "300");
    // Told a day late: it happened before the second message.
    let late = now + Span::days(3) - Span::minutes(1);
    world.late_event(mina, ORDER, late, &[("total", "4000")]);
    // Told as history, from an import.
    world.history(mina, ORDER, now + Span::hours(60));
    // Nothing else counts, nor what comes a week after the second.
    world.event(mina, "Product Added", &[("total", "9")]);
    order(&mut world, Span(Span::days(10).0 - 1), "50000");
    order(&mut world, Span::days(10), "9");
    assert_eq!(
        credits(&world),
        [
            credited("series one", 20),
            credited("series two", 300),
            credited("series one", 4000),
            credited("series one", 0),
            credited("series two", 50000),
        ]
    );
    let row = world.log.iter().find(|r| r.status == Status::Goal).unwrap();
    let expected = format!("{ORDER} at {}, value 20", now + Span::days(2));
    assert_eq!(
        (row.detail.as_str(), row.time),
        (expected.as_str(), now + Span::days(2))
    );
    check_log(&world);
}

#[test]
fn an_order_is_credited_once_for_each_campaign() {
    let other = triggered("other", "Signed Up").goal(ORDER, Span::days(30));
    let none = triggered("none", "Signed Up");
    let (mut world, mina, _) = begin(vec![series(), other.again(Again::Always), none]);
    world.run_for(Span::days(1));
    world.event(mina, "Signed Up", &[]);
    world.run_for(Span::days(1));
    world.event(mina, ORDER, &[("total", "5")]);
    assert_eq!(
        credits(&world),
        [credited("other mail", 5), credited("series one", 5)]
    );
    let of_other = world.log.iter().filter(|r| r.campaign.as_str() == "other");
    let numbers: Vec<_> = of_other
        .filter(|r| r.status == Status::Goal)
        .map(|r| r.message)
        .collect();
    // Of its two messages the later one.
    let last = world
        .attempts
        .iter()
        .rfind(|a| a.campaign.as_str() == "other")
        .unwrap();
    assert_eq!(numbers, [Some(last.message)]);
}

#[test]
fn what_is_undone_is_taken_back_whichever_was_told_first() {
    let (mut world, mina, now) = begin(vec![series()]);
    world.run_for(Span::days(1));
    let order = |world: &mut World, id, total| {
        world.event(mina, ORDER, &[("order_id", id), ("total", total)]);
    };
    order(&mut world, "a", "20");
    order(&mut world, "b", "30");
    for _ in 0..2 {
        world.event(mina, "Order Cancelled", &[("order_id", "a")]);
    }
    world.event(mina, "Order Cancelled", &[("order_id", "never")]);
    // Cancelled before the order itself is told.
    world.event(mina, "Order Cancelled", &[("order_id", "c")]);
    let late = now + Span::hours(2);
    world.late_event(mina, ORDER, late, &[("order_id", "c"), ("total", "7")]);
    assert_eq!(
        credits(&world),
        [
            credited("series one", 20),
            credited("series one", 30),
            credited("series one undone", -20),
        ]
    );
}

#[test]
fn what_did_not_leave_is_credited_with_nothing() {
    let mut world = World::new(START, vec![series()]);
    let mina = world.customer("mina");
    let now = world.now;
    let mut first = true;
    world.script = Box::new(move |_| match std::mem::take(&mut first) {
        true => (not_started(), Span::hours(1)),
        false => (accepted(), Span::ZERO),
    });
    world.event(mina, "Signed Up", &[]);
    world.run_for(Span::minutes(30));
    world.event(mina, "Product Added", &[]);
    world.run_for(Span::hours(1));
    // It left an hour later than it first began to; its time runs from then.
    let windows: Vec<_> = world.record(mina).goals.windows().map(|w| w.left).collect();
    assert_eq!(windows, [now + Span::hours(1)]);
    world.late_event(mina, ORDER, now + Span::minutes(40), &[]);
    assert_eq!(credits(&world), []);
}

#[test]
fn a_goal_that_is_edited_counts_for_what_leaves_from_then_on() {
    let (mut world, mina, now) = begin(vec![series()]);
    world.run_for(Span::days(1));
    world.adopt(vec![series().goal(ORDER, Span::hours(5))]);
    world.run_for(Span::days(3));
    let windows: Vec<_> = (world.record(mina).goals.windows())
        .map(|w| w.until.since(w.left))
        .collect();
    assert_eq!(windows, [Span::days(7), Span::hours(5)]);
    // The second's time is over, the first's is not.
    assert!(world.now > now + Span::days(4) - Span::hours(1));
    world.event(mina, ORDER, &[("total", "8")]);
    assert_eq!(credits(&world), [credited("series one", 8)]);
}

#[test]
fn a_campaign_under_a_new_name_keeps_its_credits() {
    let (mut world, mina, _) = begin(vec![series()]);
    world.run_for(Span::days(1));
    let renamed = triggered("greeting", "Signed Up")
        .step("hello", Span::ZERO, Span::days(3))
        .goal(ORDER, Span::days(7))
        .with(|c| {
            c.renamed_from = Some(crate::world::campaign_id("series"));
            c.steps[0].renamed_from = StepId::parse("one").ok();
        });
    world.adopt(vec![renamed]);
    world.event(mina, ORDER, &[("total", "5")]);
    assert_eq!(credits(&world), [credited("greeting hello", 5)]);
}

#[test]
fn a_merge_brings_events_and_messages_together() {
    let (mut world, mina, _) = begin(vec![series()]);
    let somebody = world.stranger("somebody");
    world.email(somebody, "min@work.example");
    world.consent(somebody, None, ConsentState::Given);
    world.run_for(Span::days(1));
    // What they ordered under another name is credited to what Mina got, once it is known who it was.
    world.event(somebody, ORDER, &[("order_id", "a"), ("total", "20")]);
    assert_eq!(credits(&world), []);
    world.merge(somebody, mina);
    assert_eq!(credits(&world), [credited("series one", 20)]);
    // Told by either name, it counts for both.
    world.event(somebody, ORDER, &[("order_id", "b"), ("total", "1")]);
    world.event(mina, "Order Cancelled", &[("order_id", "a")]);
    let expected = [
        credited("series one", 20),
        credited("series one", 1),
        credited("series one undone", -20),
    ];
    assert_eq!(credits(&world), expected);
}

#[test]
fn what_was_sent_before_a_merge_is_credited_where_it_stands_and_once() {
    let again = |draft: Draft| draft.again(Again::Always);
    let (mut world, mina, _) = begin(vec![again(series())]);
    let somebody = world.stranger("somebody");
    world.email(somebody, "min@work.example");
    world.consent(somebody, None, ConsentState::Given);
    world.run_for(Span::hours(5));
    world.event(somebody, "Signed Up", &[]);
    world.run_for(Span::hours(5));
    world.event(somebody, ORDER, &[("order_id", "a"), ("total", "20")]);
    world.run_for(Span::hours(5));
    world.merge(somebody, mina);
    // The order had been credited to their message already.
    assert_eq!(credits(&world), [credited("series one", 20)]);
    world.event(mina, ORDER, &[("order_id", "b"), ("total", "3")]);
    world.event(mina, "Order Cancelled", &[("order_id", "a")]);
    let rows: Vec<_> = (world.log.iter())
        .filter(|r| r.status == Status::Goal)
        .map(|r| (r.customer, r.value.unwrap() / 1_000_000))
        .collect();
    assert_eq!(rows, [(somebody, 20), (somebody, 3), (somebody, -20)]);
    check_log(&world);
}
