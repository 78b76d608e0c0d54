//! Triggers and exits.

use crate::world::files::{since_entry, tagged};
use crate::world::soundness::check_log;
use crate::world::{Draft, World, at, relay_fault, triggered, try_later};
use reveille::domain::campaign::{Again, Repeat};
use reveille::domain::id::CustomerNo;
use reveille::domain::ledger::{Reason, Status};
use reveille::domain::time::{Span, Timestamp};

const START: &str = "2026-03-02T09:00:00Z";

/// A day after a product was put into a cart; ended by an order.
fn cart() -> Draft {
    triggered("cart", "Product Added")
        .per("cart_id")
        .step("reminder", Span::hours(24), Span::days(3))
        .exit(since_entry("Order Completed", Some("cart_id")))
}

fn begin(draft: Draft) -> (World, CustomerNo, Timestamp) {
    let mut world = World::new(START, vec![draft]);
    let mina = world.customer("mina");
    world.run_for(Span::minutes(1));
    let now = world.now;
    (world, mina, now)
}

#[test]
fn a_cart_reminder_goes_a_day_after_the_event_to_the_second() {
    let (mut world, mina, now) = begin(cart());
    world.event(mina, "Product Added", &[("cart_id", "a")]);
    world.run_for(Span::days(9));
    assert_eq!(world.sent("cart"), [now + Span::days(1)]);
    assert_eq!(
        world.rows("cart"),
        [
            "entered trigger",
            "waiting step_due",
            "attempting policy",
            "accepted accepted"
        ]
    );
    check_log(&world);
}

#[test]
fn each_cart_has_an_entry_of_its_own() {
    let (mut world, mina, now) = begin(cart());
    world.event(mina, "Product Added", &[("cart_id", "a")]);
    world.run_for(Span::hours(1));
    world.event(mina, "Product Added", &[("cart_id", "b")]);
    world.run_for(Span::days(9));
    assert_eq!(
        world.sent("cart"),
        [now + Span::hours(24), now + Span::hours(25)]
    );
    // `again = "never"`, the default, is judged per cart.
    world.event(mina, "Product Added", &[("cart_id", "a")]);
    world.event(mina, "Product Added", &[("cart_id", "c")]);
    world.run_for(Span::days(9));
    assert_eq!(world.sent("cart").len(), 3);
}

#[test]
fn the_same_event_moves_an_entry_that_has_sent_nothing_or_is_ignored() {
    for (repeat, hours) in [(Repeat::Restart, 30), (Repeat::Ignore, 24)] {
        let (mut world, mina, now) = begin(cart().repeat(repeat));
        world.event(mina, "Product Added", &[("cart_id", "a")]);
        world.run_for(Span::hours(6));
        world.event(mina, "Product Added", &[("cart_id", "a")]);
        world.run_for(Span::days(9));
        assert_eq!(world.sent("cart"), [now + Span::hours(hours)], "{repeat:?}");
        assert_eq!(world.count("cart", Status::Entered), 1);
    }
}

#[test]
fn a_restart_withdraws_a_message_that_waits_and_leaves_one_that_has_left() {
    let (mut world, mina, now) = begin(cart());
    world.prefer(mina, |p| {
        p.preferences.pause_until = Some(Some(now + Span::days(2)));
    });
    world.event(mina, "Product Added", &[("cart_id", "a")]);
    world.run_for(Span::hours(36));
    assert_eq!(world.last_row("cart"), "waiting pause");
    world.event(mina, "Product Added", &[("cart_id", "a")]);
    assert!(world.has("cart", Status::Dropped, Reason::Restarted));
    world.run_for(Span::days(3));
    assert_eq!(world.sent("cart"), [now + Span::hours(60)]);
    world.event(mina, "Product Added", &[("cart_id", "a")]);
    world.run_for(Span::days(9));
    assert_eq!(world.sent("cart").len(), 1);
    check_log(&world);
}

#[test]
fn a_message_under_way_is_not_moved_by_the_same_event() {
    let (mut world, mina, now) = begin(cart());
    world.script = Box::new(|a| match a.attempt {
        1 => (try_later(), Span::minutes(3)),
        _ => (super::world::accepted(), Span::ZERO),
    });
    world.event(mina, "Product Added", &[("cart_id", "a")]);
    world.run_for(Span::hours(24));
    world.event(mina, "Product Added", &[("cart_id", "a")]);
    world.run_for(Span::minutes(5));
    world.event(mina, "Product Added", &[("cart_id", "a")]);
    world.run_for(Span::days(9));
    let first = now + Span::days(1);
    assert_eq!(world.sent("cart"), [first, first + Span::minutes(13)]);
    assert_eq!(world.count("cart", Status::Accepted), 1);
}

#[test]
fn a_late_event_counts_from_its_own_time_and_one_that_is_stale_starts_nothing() {
    let (mut world, mina, now) = begin(cart().fresh(Span::hours(6)));
    world.run_for(Span::hours(30));
    let late = world.now - Span::hours(5);
    world.late_event(mina, "Product Added", late, &[("cart_id", "a")]);
    let stale = world.now - Span::hours(7);
    world.late_event(mina, "Product Added", stale, &[("cart_id", "b")]);
    world.late_event(
        mina,
        "Product Added",
        now - Span::hours(1),
        &[("cart_id", "c")],
    );
    world.run_for(Span::days(9));
    assert_eq!(world.sent("cart"), [late + Span::hours(24)]);
}

#[test]
fn a_step_already_past_when_the_event_arrives_falls_due_at_once() {
    let (mut world, mina, _) = begin(cart().step("reminder", Span::hours(1), Span::days(3)));
    world.run_for(Span::hours(30));
    let late = world.now - Span::hours(20);
    world.late_event(mina, "Product Added", late, &[("cart_id", "a")]);
    assert_eq!(world.sent("cart"), [world.now]);
}

#[test]
fn an_event_older_than_the_activation_starts_nothing() {
    let (mut world, mina, _) = begin(cart());
    world.late_event(
        mina,
        "Product Added",
        at(START) - Span::millis(1),
        &[("cart_id", "a")],
    );
    world.late_event(mina, "Product Added", at(START), &[("cart_id", "b")]);
    world.run_for(Span::days(9));
    assert_eq!(world.sent("cart"), [at(START) + Span::days(1)]);
}

#[test]
fn a_count_is_reached_within_its_time_only() {
    let draft = triggered("views", "Product Viewed")
        .times(3, Some(Span::hours(1)))
        .again(Again::Always);
    let (mut world, mina, _) = begin(draft);
    for _ in 0..2 {
        world.event(mina, "Product Viewed", &[]);
        world.run_for(Span::minutes(30));
    }
    // The first lies exactly an hour back: out.
    world.event(mina, "Product Viewed", &[]);
    assert!(world.sent("views").is_empty());
    world.run_for(Span::minutes(10));
    world.event(mina, "Product Viewed", &[]);
    assert_eq!(world.sent("views"), [world.now]);
}

#[test]
fn a_count_that_late_events_complete_is_reached() {
    let draft = triggered("views", "Product Viewed").times(3, Some(Span::hours(1)));
    let (mut world, mina, _) = begin(draft);
    world.run_for(Span::hours(10));
    // All three arrive two hours late: together they were within an hour.
    let then = world.now - Span::hours(2);
    for minutes in [0, 40, 20] {
        world.late_event(mina, "Product Viewed", then + Span::minutes(minutes), &[]);
    }
    assert_eq!(world.count("views", Status::Entered), 1);
}

/// What came since does not push out those of the late event's own time.
#[test]
fn a_late_event_is_counted_with_those_of_its_time_whatever_came_since() {
    for per in [None, Some("cart_id")] {
        let draft = triggered("views", "Product Viewed").times(2, Some(Span::hours(1)));
        let draft = match per {
            Some(property) => draft.per(property),
            None => draft,
        };
        let (mut world, mina, _) = begin(draft);
        let then = world.now;
        world.event(mina, "Product Viewed", &[("cart_id", "a")]);
        world.run_for(Span::hours(4));
        world.event(mina, "Product Viewed", &[("cart_id", "b")]);
        world.run_for(Span::hours(2));
        world.event(mina, "Product Viewed", &[("cart_id", "c")]);
        assert_eq!(world.count("views", Status::Entered), 0);
        let late = then + Span::minutes(30);
        world.late_event(mina, "Product Viewed", late, &[("cart_id", "a")]);
        assert_eq!(world.count("views", Status::Entered), 1, "{per:?}");
    }
}

#[test]
fn a_count_per_product_counts_that_product_only() {
    let draft = triggered("views", "Product Viewed")
        .per("product_id")
        .times(2, Some(Span::days(7)));
    let (mut world, mina, _) = begin(draft);
    world.event(mina, "Product Viewed", &[("product_id", "x")]);
    world.event(mina, "Product Viewed", &[("product_id", "y")]);
    assert!(world.sent("views").is_empty());
    world.event(mina, "Product Viewed", &[("product_id", "y")]);
    assert_eq!(world.sent("views").len(), 1);
}

#[test]
fn at_most_twenty_entries_are_open_and_the_oldest_goes() {
    let (mut world, mina, _) = begin(cart());
    for n in 0..21 {
        world.event(mina, "Product Added", &[("cart_id", &n.to_string())]);
        world.run_for(Span::seconds(1));
    }
    let left: Vec<_> = (world.log.iter())
        .filter(|row| row.status == Status::Left)
        .collect();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].reason, Reason::TooManyOpen);
    assert_eq!(left[0].entry.0, "0");
    world.run_for(Span::days(9));
    assert_eq!(world.sent("cart").len(), 20);
}

#[test]
fn an_entry_that_was_moved_is_not_the_oldest() {
    let (mut world, mina, _) = begin(cart());
    for n in 0..20 {
        world.event(mina, "Product Added", &[("cart_id", &n.to_string())]);
        world.run_for(Span::seconds(1));
    }
    world.event(mina, "Product Added", &[("cart_id", "0")]);
    world.run_for(Span::seconds(1));
    world.event(mina, "Product Added", &[("cart_id", "20")]);
    let left: Vec<_> = (world.log.iter())
        .filter(|row| row.status == Status::Left)
        .map(|row| row.entry.0.as_str())
        .collect();
    assert_eq!(left, ["1"]);
}

#[test]
fn an_order_ends_the_cart_before_the_step_falls_due() {
    let (mut world, mina, _) = begin(cart());
    world.event(mina, "Product Added", &[("cart_id", "a")]);
    world.event(mina, "Product Added", &[("cart_id", "b")]);
    world.run_for(Span::hours(2));
    world.event(mina, "Order Completed", &[("cart_id", "a")]);
    assert_eq!(world.last_row("cart"), "left exit");
    world.run_for(Span::days(9));
    let keys: Vec<_> = world.attempts.iter().map(|a| a.entry.0.as_str()).collect();
    assert_eq!(keys, ["b"]);
}

#[test]
fn an_order_without_a_cart_ends_every_cart() {
    let (mut world, mina, _) = begin(cart());
    world.event(mina, "Product Added", &[("cart_id", "a")]);
    world.event(mina, "Product Added", &[("cart_id", "b")]);
    world.run_for(Span::hours(2));
    world.event(mina, "Order Completed", &[]);
    world.run_for(Span::days(9));
    assert!(world.sent("cart").is_empty());
    assert_eq!(world.count("cart", Status::Left), 2);
}

#[test]
fn an_order_told_late_or_out_of_order_ends_the_cart() {
    let (mut world, mina, now) = begin(cart());
    world.run_for(Span::hours(3));
    world.late_event(mina, "Order Completed", now + Span::hours(2), &[]);
    world.late_event(
        mina,
        "Product Added",
        now + Span::hours(1),
        &[("cart_id", "a")],
    );
    world.run_for(Span::days(9));
    assert!(world.sent("cart").is_empty());
}

#[test]
fn an_exit_after_release_withdraws_what_waits() {
    let (mut world, mina, now) = begin(cart());
    world.prefer(mina, |p| {
        p.preferences.pause_until = Some(Some(now + Span::days(2)));
    });
    world.event(mina, "Product Added", &[("cart_id", "a")]);
    world.run_for(Span::hours(30));
    world.event(mina, "Order Completed", &[]);
    assert_eq!(world.last_row("cart"), "dropped exit");
    world.run_for(Span::days(9));
    assert!(world.sent("cart").is_empty());
    check_log(&world);
}

#[test]
fn an_exit_while_attempting_lets_the_attempt_end_and_tries_no_more() {
    for (outcome, last) in [
        (super::world::accepted(), "accepted accepted"),
        (try_later(), "dropped exit"),
        (relay_fault(), "dropped exit"),
        (super::world::uncertain(), "dropped exit"),
    ] {
        let (mut world, mina, _) = begin(cart());
        let name = format!("{outcome:?}");
        world.script = Box::new(move |_| (outcome.clone(), Span::minutes(2)));
        world.event(mina, "Product Added", &[("cart_id", "a")]);
        world.run_for(Span::minutes(24 * 60 + 1));
        world.event(mina, "Order Completed", &[]);
        world.run_for(Span::days(9));
        assert_eq!(world.attempts.len(), 1, "{name}");
        assert_eq!(world.last_row("cart"), last, "{name}");
        check_log(&world);
    }
}

#[test]
fn an_attempt_given_back_after_the_exit_counts_for_nothing() {
    let (mut world, mina, _) = begin(cart().at_most(1).again(Again::Always));
    world.script = Box::new(|a| match a.message.0 {
        1 => (relay_fault(), Span::minutes(2)),
        _ => (super::world::accepted(), Span::ZERO),
    });
    world.event(mina, "Product Added", &[("cart_id", "a")]);
    world.run_for(Span::minutes(24 * 60 + 1));
    world.event(mina, "Order Completed", &[]);
    world.run_for(Span::hours(1));
    world.event(mina, "Product Added", &[("cart_id", "a")]);
    world.run_for(Span::days(9));
    assert_eq!(world.count("cart", Status::Accepted), 1);
}

#[test]
fn an_exit_while_retrying_ends_it_at_once_and_gives_the_place_back() {
    let (mut world, mina, _) = begin(cart());
    world.script = Box::new(|_| (try_later(), Span::ZERO));
    world.event(mina, "Product Added", &[("cart_id", "a")]);
    world.run_for(Span::minutes(24 * 60 + 1));
    assert_eq!(world.mailbox("mina@mail.example").places.len(), 1);
    world.event(mina, "Order Completed", &[]);
    assert_eq!(world.last_row("cart"), "dropped exit");
    assert!(world.mailbox("mina@mail.example").places.is_empty());
}

#[test]
fn a_trigger_asks_its_audience_at_the_event_and_again_when_the_message_leaves() {
    let (mut world, mina, _) = begin(cart().of(tagged("vip")));
    world.event(mina, "Product Added", &[("cart_id", "a")]);
    assert_eq!(world.count("cart", Status::Entered), 0);
    world.tag(mina, "vip", true);
    world.event(mina, "Product Added", &[("cart_id", "b")]);
    world.event(mina, "Product Added", &[("cart_id", "c")]);
    world.run_for(Span::hours(1));
    world.tag(mina, "vip", false);
    world.run_for(Span::days(9));
    assert!(world.sent("cart").is_empty());
    assert_eq!(world.last_row("cart"), "dropped audience_fails");
}

#[test]
fn without_recheck_the_audience_is_asked_at_the_event_only() {
    let (mut world, mina, _) = begin(cart().of(tagged("vip")).no_recheck());
    world.tag(mina, "vip", true);
    world.event(mina, "Product Added", &[("cart_id", "b")]);
    world.tag(mina, "vip", false);
    world.run_for(Span::days(9));
    assert_eq!(world.sent("cart").len(), 1);
}

#[test]
fn again_by_time_counts_from_the_last_entry_that_sent() {
    let (mut world, mina, now) =
        begin(triggered("hello", "Visited").again(Again::After(Span::days(30))));
    for _ in 0..70 {
        world.event(mina, "Visited", &[]);
        world.run_for(Span::days(1));
    }
    let days = [0, 30, 60].map(|d| now + Span::days(d));
    assert_eq!(world.sent("hello"), days);
}

#[test]
fn at_most_counts_over_all_keys() {
    let (mut world, mina, _) = begin(cart().at_most(2));
    for n in 0..5 {
        world.event(mina, "Product Added", &[("cart_id", &n.to_string())]);
        world.run_for(Span::days(2));
    }
    assert_eq!(world.count("cart", Status::Accepted), 2);
}

#[test]
fn a_later_step_falls_due_from_entry_but_not_before_the_one_before_is_settled() {
    let draft = triggered("series", "Signed Up")
        .step("one", Span::ZERO, Span::days(9))
        .and_step("two", Span::days(2), Span::days(1))
        .and_step("three", Span::days(10), Span::days(1));
    let (mut world, mina, now) = begin(draft);
    // The first waits until day 5, so the second, due on day 2, falls due then, and has its full day.
    world.prefer(mina, |p| {
        p.preferences.pause_until = Some(Some(now + Span::days(5)));
    });
    world.event(mina, "Signed Up", &[]);
    world.run_for(Span::days(30));
    let sent: Vec<_> = (world.attempts.iter())
        .map(|a| (a.step.as_str(), a.at))
        .collect();
    assert_eq!(
        sent,
        [
            ("one", now + Span::days(5)),
            ("two", now + Span::days(5)),
            ("three", now + Span::days(10)),
        ]
    );
}

#[test]
fn a_step_that_expires_while_the_daemon_is_down_does_not_stop_the_next() {
    let draft = triggered("series", "Signed Up")
        .step("one", Span::days(1), Span::hours(1))
        .and_step("two", Span::days(20), Span::days(1));
    let (mut world, mina, now) = begin(draft);
    world.event(mina, "Signed Up", &[]);
    world.down_until(now + Span::days(10));
    assert!(world.has("series", Status::Expired, Reason::Expired));
    world.run_for(Span::days(30));
    assert_eq!(world.sent("series"), [now + Span::days(20)]);
    check_log(&world);
}

/// Events that lack the property share one entry, also where more than one is wanted.
#[test]
fn events_without_the_property_are_counted_together() {
    let (mut world, mina, _) = begin(cart().times(2, Some(Span::days(2))));
    world.event(mina, "Product Added", &[]);
    world.event(mina, "Product Added", &[("cart_id", "a")]);
    assert_eq!(world.count("cart", Status::Entered), 0);
    world.run_for(Span::hours(1));
    world.event(mina, "Product Added", &[]);
    assert_eq!(world.count("cart", Status::Entered), 1);
    world.event(mina, "Product Added", &[("cart_id", "a")]);
    assert_eq!(world.count("cart", Status::Entered), 2);
    check_log(&world);
}
