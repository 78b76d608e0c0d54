//! Events compared with the one that started the entry: "bought something like it". And steps that were appended to the
//! end of a file.

use crate::world::files::{alike, since_entry, triggered};
use crate::world::soundness::check_log;
use crate::world::{Draft, World, campaign_id};
use reveille::domain::campaign::{Again, CampaignState, Repeat};
use reveille::domain::condition::Condition;
use reveille::domain::id::CustomerNo;
use reveille::domain::ledger::{Reason, Status};
use reveille::domain::time::{Span, Timestamp};

const START: &str = "2026-03-02T09:00:00Z";

fn not_bought_like_it() -> Condition {
    Condition::NoEvent(alike(
        "Order Completed",
        Span::days(30),
        "category",
        "category",
    ))
}

fn begin(draft: Draft) -> (World, CustomerNo) {
    let mut world = World::new(START, vec![draft]);
    let mina = world.customer("mina");
    (world, mina)
}

fn viewed(world: &mut World, no: CustomerNo, product: &str, category: &str) {
    let properties = [("product_id", product), ("category", category)];
    world.event(no, "Product Viewed", &properties);
}

/// Browse abandonment: nobody is written to about what they have just bought something like.
#[test]
fn who_bought_something_like_it_recently_does_not_enter() {
    let draft = triggered("browse", "Product Viewed")
        .per("product_id")
        .of(not_bought_like_it())
        .step("mail", Span::hours(1), Span::days(3));
    let (mut world, mina) = begin(draft);
    world.event(mina, "Order Completed", &[("category", "tea")]);
    viewed(&mut world, mina, "pot", "tea");
    viewed(&mut world, mina, "cup", "cups");
    world.run_for(Span::days(1));
    assert_eq!(world.sent("browse").len(), 1);
    assert_eq!(world.attempts[0].entry.0, "cup");
    // Thirty days later the order is no longer recent.
    world.run_for(Span::days(30));
    viewed(&mut world, mina, "caddy", "tea");
    world.run_for(Span::days(1));
    assert_eq!(world.sent("browse").len(), 2);
    check_log(&world);
}

#[test]
fn who_buys_something_like_it_meanwhile_gets_nothing_more() {
    let audience = triggered("browse", "Product Viewed")
        .per("product_id")
        .of(not_bought_like_it())
        .step("mail", Span::hours(1), Span::days(3));
    let exit = triggered("browse", "Product Viewed")
        .per("product_id")
        .exit(Condition::Not(Box::new(not_bought_like_it())))
        .step("mail", Span::hours(1), Span::days(3));
    let only_if = triggered("browse", "Product Viewed")
        .per("product_id")
        .step("mail", Span::hours(1), Span::days(3))
        .only_if(not_bought_like_it());
    for (draft, why) in [
        (audience, Reason::AudienceFails),
        (exit, Reason::Exit),
        (only_if, Reason::OnlyIf),
    ] {
        let (mut world, mina) = begin(draft);
        viewed(&mut world, mina, "pot", "tea");
        viewed(&mut world, mina, "cup", "cups");
        world.event(mina, "Order Completed", &[("category", "tea")]);
        world.run_for(Span::days(4));
        let about: Vec<&str> = world.attempts.iter().map(|a| a.entry.0.as_str()).collect();
        assert_eq!(about, ["cup"], "{why:?}");
        assert!(
            [Status::Dropped, Status::Left, Status::Skipped]
                .into_iter()
                .any(|status| world.has("browse", status, why)),
            "{why:?}: {:?}",
            world.rows("browse")
        );
        check_log(&world);
    }
}

/// After a purchase: an order that starts the entry is not itself something like it.
#[test]
fn the_event_that_starts_an_entry_is_not_like_itself() {
    let draft = triggered("again", "Order Completed")
        .again(Again::Always)
        .of(not_bought_like_it())
        .step("mail", Span::days(7), Span::days(3));
    let (mut world, mina) = begin(draft);
    world.event(mina, "Order Completed", &[("category", "tea")]);
    world.run_for(Span::days(8));
    assert_eq!(world.sent("again").len(), 1);
    // The one before was tea, too, and is not thirty days old.
    world.event(mina, "Order Completed", &[("category", "tea")]);
    world.run_for(Span::days(8));
    assert_eq!(world.sent("again").len(), 1);
    world.event(mina, "Order Completed", &[("category", "cups")]);
    world.run_for(Span::days(8));
    assert_eq!(world.sent("again").len(), 2);
    check_log(&world);
}

/// What moves an entry is what it is about from then on; and what has no such property is like nothing.
#[test]
fn an_entry_that_is_moved_is_about_the_event_that_moved_it() {
    let draft = triggered("browse", "Product Viewed")
        .repeat(Repeat::Restart)
        .of(not_bought_like_it())
        .step("mail", Span::hours(1), Span::days(3));
    let (mut world, mina) = begin(draft.clone());
    viewed(&mut world, mina, "pot", "tea");
    world.run_for(Span::minutes(10));
    viewed(&mut world, mina, "cup", "cups");
    world.event(mina, "Order Completed", &[("category", "tea")]);
    world.run_for(Span::days(1));
    assert_eq!(world.sent("browse").len(), 1);
    let (mut world, mina) = begin(draft);
    world.event(mina, "Order Completed", &[("category", "tea")]);
    world.event(mina, "Product Viewed", &[("product_id", "pot")]);
    world.run_for(Span::days(1));
    assert_eq!(world.sent("browse").len(), 1);
}

/// An anonymous visitor's entry goes on at whom they are, and knows what it is about.
#[test]
fn a_merged_entry_knows_what_it_is_about() {
    let draft = triggered("browse", "Product Viewed")
        .per("product_id")
        .of(not_bought_like_it())
        .step("mail", Span::hours(1), Span::days(3));
    let (mut world, mina) = begin(draft);
    let visitor = world.stranger("visitor");
    viewed(&mut world, visitor, "pot", "tea");
    viewed(&mut world, visitor, "cup", "cups");
    world.merge(visitor, mina);
    world.event(mina, "Order Completed", &[("category", "tea")]);
    world.run_for(Span::days(1));
    let about: Vec<&str> = world.attempts.iter().map(|a| a.entry.0.as_str()).collect();
    assert_eq!(about, ["cup"]);
}

// ---- steps that were appended ----------------------------------------------------------------------------------------

/// A step at once, each other so many days after the one before.
fn series(appended: bool, steps: &[(&str, i64)]) -> Draft {
    let (first, others) = steps.split_first().unwrap();
    let begun = triggered("series", "Signed Up")
        .step(first.0, Span::ZERO, Span::days(3))
        .wait(Span::days(first.1));
    (others.iter())
        .fold(begun, |draft, (id, days)| {
            draft.then(id).wait(Span::days(*days))
        })
        .with(|c| c.entry.appended = appended)
}

fn sent(world: &World, from: Timestamp) -> Vec<(&str, i64)> {
    let day = |at: Timestamp| at.since(from).0 / 86_400_000;
    (world.attempts.iter())
        .map(|a| (a.step.as_str(), day(a.at)))
        .collect()
}

#[test]
fn who_has_finished_has_an_appended_step_where_the_file_says_so() {
    let after = |appended: bool, days: i64, steps: &[(&str, i64)]| {
        let (mut world, mina) = begin(series(appended, &[("one", 0), ("two", 2)]));
        let from = world.now;
        world.event(mina, "Signed Up", &[]);
        world.run_for(Span::days(days));
        world.adopt(vec![series(appended, steps)]);
        world.run_for(Span::days(40));
        check_log(&world);
        let sent = sent(&world, from).into_iter();
        sent.map(|(s, d)| (s.to_owned(), d)).collect::<Vec<_>>()
    };
    let had = |pairs: &[(&str, i64)]| -> Vec<(String, i64)> {
        pairs.iter().map(|(s, d)| ((*s).to_owned(), *d)).collect()
    };
    let longer = [("one", 0), ("two", 2), ("three", 7), ("four", 1)];
    assert_eq!(after(false, 4, &longer), had(&[("one", 0), ("two", 2)]));
    // In its time from when the last was settled; at once where that is over.
    assert_eq!(
        after(true, 4, &longer),
        had(&[("one", 0), ("two", 2), ("three", 9), ("four", 10)])
    );
    assert_eq!(
        after(true, 20, &longer),
        had(&[("one", 0), ("two", 2), ("three", 20), ("four", 21)])
    );
    // What is inserted before what they had is not appended; nor is a step that they had and that stands last now.
    let inserted = [("zero", 0), ("one", 0), ("new", 1), ("two", 2)];
    assert_eq!(after(true, 4, &inserted), had(&[("one", 0), ("two", 2)]));
    let swapped = [("two", 2), ("new", 1), ("one", 0)];
    assert_eq!(after(true, 4, &swapped), had(&[("one", 0), ("two", 2)]));
}

#[test]
fn an_appended_step_is_had_once_however_often_the_file_is_read() {
    let (mut world, mina) = begin(series(true, &[("one", 0)]));
    let from = world.now;
    world.event(mina, "Signed Up", &[]);
    world.run_for(Span::days(1));
    for _ in 0..3 {
        world.adopt(vec![series(true, &[("one", 0), ("two", 2)])]);
        world.run_for(Span::days(5));
    }
    // Appended again: it goes on from there; and nobody waits for what is asked for later on only.
    world.adopt(vec![series(false, &[("one", 0), ("two", 2), ("three", 1)])]);
    world.run_for(Span::days(5));
    assert_eq!(sent(&world, from), [("one", 0), ("two", 2)]);
    world.adopt(vec![series(true, &[("one", 0), ("two", 2), ("three", 1)])]);
    world.run_for(Span::days(5));
    assert_eq!(sent(&world, from)[2..], [("three", 21)]);
    assert!(world.has("series", Status::Waiting, Reason::Appended));
    check_log(&world);
}

#[test]
fn an_appended_step_is_not_for_those_who_left_nor_of_a_draft() {
    let left = |draft: Draft| draft.exit(since_entry("Order Completed", None));
    let (mut world, mina) = begin(left(series(true, &[("one", 0), ("two", 2)])));
    let juno = world.customer("juno");
    let sora = world.customer("sora");
    world.event(mina, "Signed Up", &[]);
    world.event(juno, "Signed Up", &[]);
    world.event(sora, "Signed Up", &[]);
    world.run_for(Span::days(1));
    // One leaves in the middle; one has finished, and has bought since.
    world.event(mina, "Order Completed", &[]);
    world.run_for(Span::days(2));
    world.event(juno, "Order Completed", &[]);
    let longer = || left(series(true, &[("one", 0), ("two", 2), ("three", 4)]));
    world.adopt(vec![longer().state(CampaignState::Draft)]);
    world.run_for(Span::days(10));
    let three = |world: &World| -> Vec<CustomerNo> {
        let all = world.attempts.iter().filter(|a| a.step.as_str() == "three");
        all.map(|a| a.customer).collect()
    };
    assert_eq!(three(&world), []);
    world.adopt(vec![longer()]);
    world.run_for(Span::days(10));
    assert_eq!(three(&world), [sora]);
    assert!(
        !world.record(mina).campaigns[&campaign_id("series")].entries[0]
            .state
            .is_open()
    );
    check_log(&world);
}
