//! New versions of the files: walks, rebuilt tracks, and who is entered again.

use crate::world::files::{dormant, ever, selector, since_entry, tagged};
use crate::world::soundness::check_log;
use crate::world::{Draft, World, at, audience, scheduled, triggered};
use reveille::domain::campaign::{Again, CampaignState, Existing};
use reveille::domain::cause::Cause;
use reveille::domain::condition::{Condition, EventCondition, EventTest, Range};
use reveille::domain::ledger::{Reason, Status};
use reveille::domain::react::{Context, Needs, react};
use reveille::domain::record::EntryState;
use reveille::domain::time::Span;

const START: &str = "2026-03-02T09:00:00Z";

fn bought(times: u64) -> Condition {
    let range = Range {
        low: Some(times),
        high: None,
    };
    Condition::Event(EventCondition::new(
        selector("Order Completed"),
        None,
        false,
        None,
        EventTest::Count(range),
    ))
}

fn buyers(times: u64) -> Draft {
    audience("buyers", bought(times)).existing(Existing::Enter)
}

#[test]
fn tracks_are_rebuilt_from_history_when_the_files_ask_for_more() {
    let mut world = World::new(START, vec![]);
    let mina = world.customer("mina");
    for _ in 0..3 {
        world.event(mina, "Order Completed", &[]);
        world.run_for(Span::days(1));
    }
    world.adopt(vec![buyers(3)]);
    assert!(world.has("buyers", Status::Entered, Reason::Existing));
}

#[test]
fn a_record_of_an_older_plan_asks_for_its_history_and_changes_nothing_without_it() {
    let mut world = World::new(START, vec![buyers(1)]);
    let mina = world.customer("mina");
    let old = world.record(mina).clone();
    world.adopt(vec![buyers(5)]);
    let context = Context {
        now: world.now,
        rules: &world.rules,
        history: None,
        unfinished: false,
        coupon: None,
        person: None,
        quotas: &Default::default(),
    };
    let asked = react(&old, &world.boxes, &Cause::Walk, &context);
    assert_eq!(asked.map(|_| ()), Err(Needs::History));
}

#[test]
fn after_an_edit_those_who_held_by_the_old_file_are_not_entered_again() {
    let mut world = World::new(START, vec![buyers(2).again(Again::Always)]);
    let mina = world.customer("mina");
    let joon = world.customer("joon");
    for (no, orders) in [(mina, 2), (joon, 1)] {
        for _ in 0..orders {
            world.event(no, "Order Completed", &[]);
        }
    }
    assert_eq!(world.count("buyers", Status::Entered), 1);
    world.run_for(Span::days(1));
    world.adopt(vec![buyers(1).again(Again::Always)]);
    world.run_for(Span::days(1));
    // Mina held by the old file; Joon is new by this edit.
    let entered: Vec<_> = (world.log.iter())
        .filter(|r| r.status == Status::Entered)
        .map(|r| r.customer)
        .collect();
    assert_eq!(entered, [mina, joon]);
}

#[test]
fn an_edit_of_texts_enters_nobody() {
    let mut world = World::new(START, vec![buyers(1).again(Again::Always)]);
    let mina = world.customer("mina");
    world.event(mina, "Order Completed", &[]);
    for n in 0..5 {
        world.run_for(Span::days(1));
        let edited = buyers(1).again(Again::Always).with(|c| {
            c.name = format!("edit {n}");
        });
        world.adopt(vec![edited]);
    }
    assert_eq!(world.count("buyers", Status::Entered), 1);
}

#[test]
fn a_walk_enters_nobody_who_is_to_be_skipped_however_often_it_is_done() {
    let draft = audience("buyers", ever("Order Completed"));
    let mut world = World::new(START, vec![]);
    let mina = world.customer("mina");
    world.event(mina, "Order Completed", &[]);
    world.run_for(Span::days(1));
    world.adopt(vec![draft]);
    for _ in 0..5 {
        world.apply(mina, Cause::Walk);
        world.run_for(Span::days(1));
    }
    assert_eq!(world.count("buyers", Status::Entered), 0);
}

#[test]
fn a_draft_that_becomes_live_takes_those_who_hold_as_existing() {
    for (existing, entered) in [(Existing::Skip, 0), (Existing::Enter, 1)] {
        let draft = |state| {
            vec![
                audience("edge", tagged("vip"))
                    .existing(existing)
                    .state(state)
                    .with(|c| c.name = format!("{state:?}")),
            ]
        };
        let mut world = World::new(START, draft(CampaignState::Draft));
        let mina = world.customer("mina");
        world.tag(mina, "vip", true);
        world.run_for(Span::days(1));
        // What the engine does for a draft that goes live: it is activated anew.
        world.control(|c| c.activations.clear());
        world.adopt(draft(CampaignState::Live));
        world.run_for(Span::days(1));
        assert_eq!(world.count("edge", Status::Entered), entered);
    }
}

#[test]
fn a_step_that_an_edit_removes_is_passed_over_by_those_who_wait_for_it() {
    let series = triggered("series", "Signed Up")
        .step("one", Span::ZERO, Span::days(1))
        .and_step("two", Span::days(2), Span::days(1));
    let mut world = World::new(START, vec![series.clone()]);
    let mina = world.customer("mina");
    world.event(mina, "Signed Up", &[]);
    world.run_for(Span::days(1));
    let shorter = triggered("series", "Signed Up").step("one", Span::ZERO, Span::days(1));
    world.adopt(vec![shorter]);
    world.run_for(Span::days(5));
    assert_eq!(world.last_row("series"), "skipped step_gone");
    let entries = &world.record(mina).campaigns["series"].entries;
    assert!(matches!(entries[0].state, EntryState::Finished { .. }));
    assert_eq!(world.attempts.len(), 1);
}

#[test]
fn a_new_exit_ends_entries_that_are_open() {
    let cart = triggered("cart", "Product Added").step("s", Span::days(5), Span::days(1));
    let mut world = World::new(START, vec![cart.clone()]);
    let mina = world.customer("mina");
    world.event(mina, "Product Added", &[]);
    world.run_for(Span::days(1));
    world.event(mina, "Order Completed", &[]);
    world.adopt(vec![cart.exit(since_entry("Order Completed", None))]);
    assert_eq!(world.last_row("cart"), "left exit");
    check_log(&world);
}

#[test]
fn limits_that_an_edit_loosens_are_heeded_by_what_waits() {
    let mut world = World::new(
        START,
        vec![
            triggered("hello", "Visited")
                .again(Again::Always)
                .caps(&["1 per 30d"])
                .step("s", Span::ZERO, Span::days(60)),
        ],
    );
    let mina = world.customer("mina");
    world.event(mina, "Visited", &[]);
    world.event(mina, "Visited", &[]);
    world.run_for(Span::days(1));
    assert_eq!(world.attempts.len(), 1);
    let loose = triggered("hello", "Visited").again(Again::Always);
    world.adopt(vec![loose.step("s", Span::ZERO, Span::days(60))]);
    assert_eq!(world.attempts.len(), 2);
}

#[test]
fn the_due_index_follows_the_files() {
    let daily = scheduled(
        "daily",
        "0 10 * * *",
        dormant("Order Completed", Span::days(9)),
    )
    .existing(Existing::Enter);
    let mut world = World::new(START, vec![daily.clone()]);
    let mina = world.customer("mina");
    world.event(mina, "Order Completed", &[]);
    assert!(world.record(mina).index().due.is_empty());
    world.run_for(Span::days(9));
    assert_eq!(world.record(mina).index().due.len(), 1);
    world.adopt(vec![]);
    assert!(world.record(mina).index().due.is_empty());
    world.adopt(vec![daily]);
    assert_eq!(world.record(mina).index().due.len(), 1);
    world.run_until(at("2026-03-11T10:00:00Z"));
    assert_eq!(world.sent("daily").len(), 1);
    assert!(world.record(mina).index().due.is_empty());
}
