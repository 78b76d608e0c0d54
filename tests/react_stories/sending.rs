//! From a waiting message to its outcome: order, limits, retries, doubt, pauses, mailboxes.

use crate::world::files::{caps, tagged, window};
use crate::world::soundness::{check_log, check_nothing_is_stuck};
use crate::world::{
    Draft, World, accepted, at, campaign_id, not_started, refused, relay_fault, scheduled, shop,
    triggered, try_later, uncertain,
};
use chrono_tz::Tz;
use reveille::domain::campaign::{Again, CampaignWindow, Existing};
use reveille::domain::cause::{Cause, Operator};
use reveille::domain::id::{CustomerNo, MessageNo};
use reveille::domain::ledger::{Reason, Status};
use reveille::domain::outcome::Outcome;
use reveille::domain::preference::Class;
use reveille::domain::react::Answer;
use reveille::domain::record::{MessageState, SuppressionCause};
use reveille::domain::rules::InDoubt;
use reveille::domain::time::{Span, Timestamp};

/// A Monday.
const START: &str = "2026-03-02T09:00:00Z";

/// A mail for each visit, at once.
fn hello() -> Draft {
    triggered("hello", "Visited").again(Again::Always)
}

fn begin(drafts: Vec<Draft>) -> (World, CustomerNo, Timestamp) {
    let mut world = World::new(START, drafts);
    let mina = world.customer("mina");
    let now = world.now;
    (world, mina, now)
}

fn visit(world: &mut World, no: CustomerNo) {
    world.event(no, "Visited", &[]);
}

/// Plays these outcomes in turn, then accepts.
fn outcomes(world: &mut World, script: Vec<Outcome>) {
    let mut script = script.into_iter();
    world.script = Box::new(move |_| match script.next() {
        Some(outcome) => (outcome, Span::seconds(30)),
        None => (accepted(), Span::seconds(30)),
    });
}

#[test]
fn the_cart_mail_waits_for_the_evening_that_the_customer_wants() {
    let (mut world, mina, _) = begin(vec![hello()]);
    world.prefer(mina, |p| {
        p.preferences.timezone = Some(Some(Tz::Asia__Seoul));
        p.preferences.window = Some(Some(window("Mon-Sun 19:00-21:00")));
    });
    world.run_until(at("2026-03-02T14:12:00+09:00").max(world.now));
    visit(&mut world, mina);
    world.run_for(Span::days(3));
    assert_eq!(world.sent("hello"), [at("2026-03-02T19:00:00+09:00")]);
    assert_eq!(world.rows("hello")[2], "waiting window");
}

#[test]
fn a_window_ends_five_seconds_early() {
    for (millis, sent) in [(0, "2026-03-02T17:59:54.999Z"), (1, "2026-03-03T09:00:00Z")] {
        let (mut world, mina, _) = begin(vec![hello()]);
        world.prefer(mina, |p| {
            p.preferences.window = Some(Some(window("Mon-Sun 09:00-18:00")));
        });
        world.run_until(at("2026-03-02T17:59:54.999Z") + Span::millis(millis));
        visit(&mut world, mina);
        world.run_for(Span::days(2));
        assert_eq!(world.sent("hello"), [at(sent)]);
    }
}

#[test]
fn what_finds_no_permitted_instant_before_it_expires_is_dropped_at_once() {
    let (mut world, mina, _) = begin(vec![hello().step("s", Span::ZERO, Span::hours(5))]);
    world.prefer(mina, |p| {
        p.preferences.window = Some(Some(window("Sat 09:00-18:00")));
    });
    visit(&mut world, mina);
    assert_eq!(world.last_row("hello"), "dropped window");
    assert!(
        world
            .log
            .last()
            .unwrap()
            .detail
            .contains("no permitted instant")
    );
}

#[test]
fn of_what_waits_the_more_important_goes_first_and_the_cap_keeps_the_rest() {
    let (mut world, mina, now) = begin(vec![
        triggered("low", "Visited").priority(1),
        triggered("high", "Visited").priority(9),
        triggered("mid", "Visited").priority(5),
        triggered("receipt", "Visited").class(Class::Transactional),
    ]);
    world.prefer(mina, |p| {
        p.preferences.caps = Some(Some(caps(&["1 per 20h"])));
    });
    visit(&mut world, mina);
    world.run_for(Span::days(3));
    let mut sent: Vec<_> = (world.attempts.iter())
        .map(|a| (a.campaign.as_str(), a.at))
        .collect();
    // What is transactional takes no place and stands in no order.
    sent.sort_by_key(|(campaign, at)| (*at, *campaign));
    assert_eq!(
        sent,
        [
            ("high", now),
            ("receipt", now),
            ("mid", now + Span::hours(20)),
            ("low", now + Span::hours(40)),
        ]
    );
}

#[test]
fn ready_sends_the_outbox_to_the_message_that_goes_first() {
    let (mut world, mina, _) = begin(vec![
        triggered("high", "Visited").priority(9),
        triggered("low", "Visited").priority(1),
    ]);
    world.prefer(mina, |p| {
        p.preferences.pause_until = Some(Some(at(START) + Span::days(1)));
    });
    visit(&mut world, mina);
    let numbered = |name: &str| {
        let mut all = world.record(mina).messages.values();
        all.find(|m| m.campaign.as_str() == name).unwrap().no
    };
    let (high, low) = (numbered("high"), numbered("low"));
    world.now = at(START) + Span::days(1);
    let ready = |world: &mut World, message: MessageNo| {
        let attempt = 1;
        world.apply(mina, Cause::Ready { message, attempt })
    };
    assert_eq!(ready(&mut world, low), Some(Answer::After(high)));
    assert_eq!(ready(&mut world, high), Some(Answer::Attempting));
    assert_eq!(ready(&mut world, low), Some(Answer::Attempting));
    assert_eq!(ready(&mut world, low), Some(Answer::Gone));
}

#[test]
fn while_an_occurrence_is_unfinished_only_transactional_messages_begin() {
    let (mut world, mina, _) = begin(vec![
        hello(),
        triggered("receipt", "Visited").class(Class::Transactional),
    ]);
    world.now = world.now + Span::hours(1);
    world.unfinished = true;
    let event = world.make_event("Visited", world.now, &[]);
    world.apply(
        mina,
        Cause::Event(event, reveille::domain::cause::Liveness::Live),
    );
    world.apply(mina, Cause::Release);
    let now = world.now;
    let numbers: Vec<_> = world.record(mina).messages.keys().copied().collect();
    let mut answers: Vec<_> = numbers.iter().map(|m| world.ask(mina, *m)).collect();
    answers.sort_by_key(|a| format!("{a:?}"));
    assert_eq!(
        answers,
        [Some(Answer::Attempting), Some(Answer::Later(now))]
    );
    world.unfinished = false;
    world.run_for(Span::minutes(1));
    assert_eq!(world.sent("hello"), [now]);
}

#[test]
fn a_refusal_for_now_is_tried_again_after_the_shops_waits() {
    let (mut world, mina, now) = begin(vec![hello()]);
    world.script = Box::new(|a| match a.attempt {
        4 => (accepted(), Span::ZERO),
        _ => (try_later(), Span::ZERO),
    });
    visit(&mut world, mina);
    world.run_for(Span::days(3));
    let minutes = [0, 10, 70, 130].map(|m| now + Span::minutes(m));
    assert_eq!(world.sent("hello"), minutes);
    assert_eq!(world.last_row("hello"), "accepted accepted");
    let places = world.mailbox("mina@mail.example").places;
    assert_eq!(places.len(), 1);
    assert_eq!(places[0].at, now + Span::minutes(130));
}

#[test]
fn a_message_that_is_tried_for_too_long_expires() {
    let (mut world, mina, _) = begin(vec![hello().step("s", Span::ZERO, Span::hours(3))]);
    world.script = Box::new(|_| (try_later(), Span::ZERO));
    visit(&mut world, mina);
    world.run_for(Span::days(3));
    assert_eq!(world.attempts.len(), 4);
    assert_eq!(world.last_row("hello"), "expired expired");
    assert!(world.mailbox("mina@mail.example").places.is_empty());
}

#[test]
fn a_retry_waits_for_the_window_and_is_judged_without_its_own_place() {
    let (mut world, mina, _) = begin(vec![hello()]);
    world.prefer(mina, |p| {
        p.preferences.window = Some(Some(window("Mon-Sun 09:00-10:00")));
        p.preferences.caps = Some(Some(caps(&["1 per 7d"])));
    });
    world.script = Box::new(|a| match a.attempt {
        1 => (try_later(), Span::minutes(5)),
        _ => (accepted(), Span::ZERO),
    });
    world.run_until(at("2026-03-02T09:50:00Z"));
    visit(&mut world, mina);
    world.run_for(Span::days(3));
    assert_eq!(
        world.sent("hello"),
        [at("2026-03-02T09:50:00Z"), at("2026-03-03T09:00:00Z")]
    );
}

#[test]
fn in_doubt_the_same_message_is_sent_again_and_keeps_its_place() {
    let (mut world, mina, now) = begin(vec![hello()]);
    outcomes(&mut world, vec![uncertain()]);
    visit(&mut world, mina);
    world.run_for(Span::days(1));
    assert_eq!(world.attempts.len(), 2);
    assert_eq!(world.attempts[0].message, world.attempts[1].message);
    assert!(world.has("hello", Status::Attempting, Reason::Resent));
    assert_eq!(world.attempts[1].at, now + Span::seconds(90));
    assert_eq!(world.mailbox("mina@mail.example").places.len(), 1);
}

#[test]
fn what_may_have_been_delivered_keeps_its_place_whatever_comes_after() {
    let undeliverable = Outcome::Undeliverable { why: "no".into() };
    for (second, last) in [
        (refused(false), "refused refused"),
        (undeliverable, "dropped undeliverable"),
        (try_later(), "expired expired"),
    ] {
        let (mut world, mina, _) = begin(vec![hello().step("s", Span::ZERO, Span::minutes(30))]);
        outcomes(&mut world, vec![uncertain(), second]);
        visit(&mut world, mina);
        world.run_for(Span::days(5));
        assert_eq!(world.last_row("hello"), last);
        assert_eq!(world.mailbox("mina@mail.example").places.len(), 1);
        check_log(&world);
    }
}

#[test]
fn held_in_doubt_waits_for_an_operator() {
    for resend in [true, false] {
        let mut held = shop();
        held.in_doubt = InDoubt::Hold;
        let mut world = World::with_shop(at(START), held, vec![hello()]);
        let mina = world.customer("mina");
        outcomes(&mut world, vec![uncertain()]);
        visit(&mut world, mina);
        world.run_for(Span::days(1));
        assert_eq!(world.attempts.len(), 1);
        assert_eq!(world.last_row("hello"), "uncertain in_doubt_held");
        let message = world.attempts[0].message;
        assert_eq!(world.ask(mina, message), Some(Answer::Gone));
        let cause = Cause::Operator(Operator::Settle { message, resend });
        assert_eq!(world.apply(mina, cause.clone()), Some(Answer::Settled));
        if !resend {
            // Once said, it is no longer in doubt.
            assert_eq!(world.apply(mina, cause), Some(Answer::Gone));
        }
        world.run_for(Span::days(1));
        assert_eq!(world.attempts.len(), 1 + usize::from(resend));
        let last = if resend {
            "accepted accepted"
        } else {
            "dropped taken_as_sent"
        };
        assert_eq!(world.last_row("hello"), last);
        assert_eq!(world.mailbox("mina@mail.example").places.len(), 1);
    }
}

/// The next attempt may begin between the question what is in doubt and the operator's word.
#[test]
fn an_operators_word_on_a_message_that_is_sent_again_already_is_not_taken() {
    for resend in [true, false] {
        let (mut world, mina, _) = begin(vec![hello()]);
        outcomes(&mut world, vec![uncertain()]);
        visit(&mut world, mina);
        world.run_for(Span::minutes(1));
        assert_eq!(world.last_row("hello"), "uncertain in_doubt");
        let message = world.attempts[0].message;
        world.now = world.now + Span::hours(1);
        assert_eq!(world.ask(mina, message), Some(Answer::Attempting));
        let before = world.record(mina).clone();
        let cause = Cause::Operator(Operator::Settle { message, resend });
        assert_eq!(world.apply(mina, cause), Some(Answer::Gone));
        assert_eq!(world.record(mina).messages, before.messages);
    }
}

#[test]
fn an_attempt_given_back_leaves_state_and_place_as_they_were_and_its_number_used() {
    // What a relay gave back waits as a retry does; what never began is asked for again at once.
    let cases = [
        (relay_fault(), Span::minutes(10), Span::minutes(60)),
        (not_started(), Span::ZERO, Span::ZERO),
    ];
    for (fault, first_wait, third_wait) in cases {
        let (mut world, mina, now) = begin(vec![hello()]);
        outcomes(&mut world, vec![fault.clone(), try_later(), fault]);
        visit(&mut world, mina);
        world.run_for(Span::seconds(10));
        assert_eq!(world.mailbox("mina@mail.example").places.len(), 1);
        let second = now + Span::seconds(30) + first_wait;
        world.run_until(second + Span::seconds(1));
        // The first was given back: waiting, no place; the second is under way.
        assert!(
            world
                .rows("hello")
                .iter()
                .any(|r| r.starts_with("waiting relay") || r.starts_with("waiting not_started"))
        );
        world.run_for(Span::minutes(10));
        assert_eq!(world.attempts[1].at, second);
        assert!(
            world
                .rows("hello")
                .contains(&"retrying try_later".to_owned())
        );
        let third = second + Span::seconds(30) + Span::minutes(60);
        world.run_until(third + Span::seconds(31) + third_wait);
        let m = world.record(mina).messages.values().next().cloned();
        // The third was given back: retrying, with the place of the second attempt, and asked for again.
        assert!(m.is_some_and(|m| m.state == MessageState::Attempting(4)));
        world.run_for(Span::days(1));
        let numbers: Vec<_> = world.attempts.iter().map(|a| a.attempt).collect();
        assert_eq!(numbers, [1, 2, 3, 4]);
        assert_eq!(world.last_row("hello"), "accepted accepted");
    }
}

#[test]
fn a_place_given_back_lets_another_message_go_at_once() {
    // The first dies by its relay and its exit; the second was put off by the cap.
    let first = triggered("first", "Visited")
        .priority(9)
        .exit(crate::world::files::since_entry("Order Completed", None));
    for outcome in [relay_fault(), refused(false), try_later()] {
        let (mut world, mina, now) = begin(vec![first.clone(), triggered("second", "Visited")]);
        world.prefer(mina, |p| {
            p.preferences.caps = Some(Some(caps(&["1 per 48h"])));
        });
        let first_outcome = outcome.clone();
        world.script = Box::new(move |a| match a.campaign.as_str() {
            "first" => (first_outcome.clone(), Span::minutes(1)),
            _ => (accepted(), Span::ZERO),
        });
        visit(&mut world, mina);
        assert!(world.sent("second").is_empty());
        world.run_for(Span::seconds(30));
        world.event(mina, "Order Completed", &[]);
        world.run_for(Span::days(1));
        assert_eq!(
            world.sent("second"),
            [now + Span::minutes(1)],
            "{outcome:?}"
        );
    }
}

#[test]
fn refused_gives_the_place_back_and_accepted_keeps_it() {
    for (outcome, places) in [(accepted(), 1), (refused(false), 0), (refused(true), 0)] {
        let (mut world, mina, _) = begin(vec![hello()]);
        outcomes(&mut world, vec![outcome]);
        visit(&mut world, mina);
        world.run_for(Span::hours(1));
        assert_eq!(world.mailbox("mina@mail.example").places.len(), places);
    }
}

#[test]
fn a_dead_address_is_suppressed_for_every_class() {
    let (mut world, mina, _) = begin(vec![
        hello(),
        triggered("receipt", "Order Completed").class(Class::Transactional),
    ]);
    outcomes(&mut world, vec![refused(true)]);
    visit(&mut world, mina);
    world.run_for(Span::hours(1));
    assert_eq!(world.last_row("hello"), "refused dead_address");
    visit(&mut world, mina);
    world.event(mina, "Order Completed", &[]);
    assert_eq!(world.last_row("hello"), "dropped suppressed");
    assert_eq!(world.last_row("receipt"), "dropped suppressed");
    let cause = world
        .mailbox("mina@mail.example")
        .suppression
        .unwrap()
        .cause;
    assert_eq!(cause, SuppressionCause::HardBounce);
}

#[test]
fn a_message_that_cannot_be_composed_is_dropped_before_any_attempt() {
    let (mut world, mina, _) = begin(vec![hello()]);
    let pause = at(START) + Span::days(1);
    world.prefer(mina, |p| p.preferences.pause_until = Some(Some(pause)));
    visit(&mut world, mina);
    let cause = Cause::Outcome {
        message: MessageNo(1),
        attempt: 0,
        outcome: Outcome::Undeliverable {
            why: "line 3".into(),
        },
    };
    world.apply(mina, cause);
    assert_eq!(world.last_row("hello"), "dropped render_error");
    check_log(&world);
}

#[test]
fn an_outcome_of_another_attempt_changes_nothing() {
    let (mut world, mina, _) = begin(vec![hello()]);
    outcomes(&mut world, vec![try_later()]);
    visit(&mut world, mina);
    world.run_for(Span::minutes(1));
    let before = world.record(mina).clone();
    for attempt in [0, 1, 2, 9] {
        let cause = Cause::Outcome {
            message: MessageNo(1),
            attempt,
            outcome: accepted(),
        };
        world.apply(mina, cause);
    }
    assert_eq!(*world.record(mina), before);
}

#[test]
fn a_paused_campaign_parks_its_messages_and_resuming_sends_what_has_not_expired() {
    for (days, last) in [(2, "accepted accepted"), (4, "expired expired")] {
        let (mut world, mina, now) = begin(vec![hello()]);
        world.control(|c| {
            c.paused.insert(campaign_id("hello"));
        });
        visit(&mut world, mina);
        assert_eq!(world.record(mina).index().parked.len(), 1);
        assert_eq!(world.last_row("hello"), "waiting campaign_paused");
        world.run_for(Span::days(days));
        let rows = world.log.len();
        world.unpark();
        assert_eq!(
            world.log.len(),
            rows,
            "a pause that goes on is not logged again"
        );
        world.control(|c| c.paused.clear());
        world.unpark();
        assert_eq!(world.last_row("hello"), last);
        assert_eq!(
            world
                .sent("hello")
                .first()
                .is_some_and(|t| *t == now + Span::days(days)),
            days == 2
        );
        check_log(&world);
    }
}

#[test]
fn a_pause_by_class_or_of_all_holds_retries_too() {
    for whole in [true, false] {
        let (mut world, mina, _) = begin(vec![
            hello(),
            triggered("receipt", "Order Completed").class(Class::Transactional),
        ]);
        outcomes(&mut world, vec![try_later()]);
        visit(&mut world, mina);
        world.run_for(Span::minutes(1));
        world.control(|c| {
            c.paused_all = whole;
            if !whole {
                c.paused_classes.insert(Class::Advertising);
            }
        });
        world.event(mina, "Order Completed", &[]);
        world.run_for(Span::hours(2));
        assert_eq!(world.sent("hello").len(), 1);
        assert_eq!(world.sent("receipt").len(), usize::from(!whole));
        world.control(|c| {
            c.paused_all = false;
            c.paused_classes.clear();
        });
        world.unpark();
        world.run_for(Span::hours(2));
        assert_eq!(world.last_row("hello"), "accepted accepted");
        assert_eq!(world.sent("receipt").len(), 1);
    }
}

#[test]
fn a_cancelled_campaign_drops_what_waits_and_lets_an_attempt_end() {
    let (mut world, mina, _) = begin(vec![
        hello(),
        triggered("late", "Visited").step("s", Span::days(1), Span::days(1)),
    ]);
    outcomes(&mut world, vec![try_later()]);
    visit(&mut world, mina);
    world.control(|c| {
        c.cancelled.insert(campaign_id("hello"));
        c.cancelled.insert(campaign_id("late"));
    });
    world.run_for(Span::days(3));
    assert_eq!(world.attempts.len(), 1);
    assert!(world.last_row("hello").ends_with("campaign_cancelled"));
    assert_eq!(world.last_row("late"), "left campaign_cancelled");
    visit(&mut world, mina);
    assert_eq!(world.count("hello", Status::Entered), 1);
    check_log(&world);
}

#[test]
fn a_campaign_whose_file_is_gone_waits_and_goes_on_when_it_is_back() {
    let late = triggered("late", "Visited").step("s", Span::days(1), Span::days(3));
    let (mut world, mina, now) = begin(vec![hello(), late.clone()]);
    let pause = now + Span::days(1);
    world.prefer(mina, |p| p.preferences.pause_until = Some(Some(pause)));
    visit(&mut world, mina);
    world.adopt(vec![]);
    world.run_for(Span::days(2));
    assert!(world.attempts.is_empty());
    assert_eq!(world.last_row("hello"), "waiting campaign_missing");
    world.adopt(vec![hello(), late]);
    world.run_for(Span::days(2));
    assert_eq!(world.sent("hello"), [now + Span::days(2)]);
    assert_eq!(world.sent("late"), [now + Span::days(2)]);
}

#[test]
fn a_campaign_that_is_gone_can_be_cancelled() {
    let late = triggered("late", "Visited").step("s", Span::days(1), Span::days(3));
    let (mut world, mina, now) = begin(vec![hello(), late]);
    world.prefer(mina, |p| {
        p.preferences.pause_until = Some(Some(now + Span::hours(1)));
    });
    visit(&mut world, mina);
    world.adopt(vec![]);
    world.run_for(Span::hours(2));
    world.control(|c| {
        c.cancelled.insert(campaign_id("hello"));
        c.cancelled.insert(campaign_id("late"));
    });
    world.unpark();
    world.run_for(Span::days(2));
    assert!(world.record(mina).messages.is_empty());
    assert!(world.last_row("hello").contains("campaign_cancelled"));
    assert_eq!(world.last_row("late"), "left campaign_cancelled");
    check_log(&world);
}

#[test]
fn two_customers_with_one_mailbox_share_its_places() {
    let mut held = shop();
    held.caps = caps(&["1 per 24h"]);
    let mut world = World::with_shop(at(START), held, vec![hello()]);
    let mina = world.customer("mina");
    let joon = world.customer("joon");
    world.email(joon, "MINA@mail.example");
    visit(&mut world, mina);
    visit(&mut world, joon);
    world.run_for(Span::days(3));
    let now = at(START);
    assert_eq!(world.sent("hello"), [now, now + Span::days(1)]);
}

#[test]
fn a_new_address_takes_the_old_ones_places_over() {
    let (mut world, mina, now) = begin(vec![hello()]);
    world.prefer(mina, |p| {
        p.preferences.caps = Some(Some(caps(&["1 per 24h"])));
    });
    visit(&mut world, mina);
    world.run_for(Span::hours(1));
    world.email(mina, "new@mail.example");
    visit(&mut world, mina);
    world.run_for(Span::days(3));
    assert_eq!(world.sent("hello"), [now, now + Span::days(1)]);
    assert_eq!(world.attempts[1].to.as_str(), "new@mail.example");
}

#[test]
fn a_place_taken_over_follows_the_message_that_is_still_under_way() {
    let (mut world, mina, _) = begin(vec![hello()]);
    outcomes(&mut world, vec![try_later(), refused(false)]);
    visit(&mut world, mina);
    world.run_for(Span::minutes(1));
    world.email(mina, "new@mail.example");
    assert_eq!(world.mailbox("new@mail.example").places.len(), 1);
    world.run_for(Span::minutes(10));
    // The retry went to the first attempt's address and moved both places; its refusal gives both back.
    assert_eq!(world.attempts[1].to.as_str(), "mina@mail.example");
    assert_eq!(world.mailbox("mina@mail.example").places.len(), 0);
    assert_eq!(world.mailbox("new@mail.example").places.len(), 0);
}

#[test]
fn informational_mail_obeys_the_customer_and_the_ceiling_not_the_shops_defaults() {
    let news = triggered("info", "Visited").class(Class::Informational);
    let mut strict = shop();
    strict.window = Some(window("Sat 09:00-10:00"));
    strict.caps = caps(&["1 per 365d"]);
    strict.gap = Some(Span::days(100));
    let mut world = World::with_shop(
        at(START),
        strict.clone(),
        vec![news.clone().again(Again::Always)],
    );
    let mina = world.stranger("mina");
    world.email(mina, "mina@mail.example");
    visit(&mut world, mina);
    visit(&mut world, mina);
    assert_eq!(world.sent("info").len(), 2);
    world.prefer(mina, |p| {
        p.preferences.window = Some(Some(window("Tue 09:00-10:00")));
    });
    visit(&mut world, mina);
    world.run_for(Span::days(2));
    assert_eq!(world.sent("info")[2], at("2026-03-03T09:00:00Z"));
    strict.ceiling.gap = Some(Span::hours(12));
    let mut world = World::with_shop(at(START), strict, vec![news.again(Again::Always)]);
    let mina = world.stranger("mina");
    world.email(mina, "mina@mail.example");
    visit(&mut world, mina);
    visit(&mut world, mina);
    world.run_for(Span::days(2));
    let now = at(START);
    assert_eq!(world.sent("info"), [now, now + Span::hours(12)]);
}

#[test]
fn transactional_mail_obeys_nothing_and_takes_no_place() {
    let mut strict = shop();
    strict.ceiling.window = Some(window("Sat 09:00-10:00"));
    strict.ceiling.caps = caps(&["1 per 365d"]);
    let receipt = triggered("receipt", "Order Completed").class(Class::Transactional);
    let mut world = World::with_shop(at(START), strict, vec![receipt.again(Again::Always)]);
    let mina = world.stranger("mina");
    world.email(mina, "mina@mail.example");
    world.prefer(mina, |p| {
        p.preferences.pause_until = Some(Some(at(START) + Span::days(9)));
    });
    for _ in 0..3 {
        world.event(mina, "Order Completed", &[]);
    }
    assert_eq!(world.sent("receipt").len(), 3);
    assert!(world.mailbox("mina@mail.example").places.is_empty());
}

#[test]
fn a_campaigns_limits_come_on_top_and_count_its_own_messages() {
    let mut loose = shop();
    loose.window = Some(window("Mon-Sun 08:00-20:00"));
    let capped = hello().caps(&["1 per 48h"]);
    let (drafts, now) = (
        vec![capped, triggered("other", "Visited").again(Again::Always)],
        at(START),
    );
    let mut world = World::with_shop(now, loose.clone(), drafts);
    let mina = world.customer("mina");
    visit(&mut world, mina);
    visit(&mut world, mina);
    world.run_for(Span::days(3));
    assert_eq!(world.sent("hello"), [now, now + Span::hours(48)]);
    assert_eq!(world.sent("other"), [now, now]);
    // "always" is over the shop's window, never over the customer's own.
    let always = hello().window(CampaignWindow::Always);
    let mut world = World::with_shop(at("2026-03-02T22:00:00Z"), loose, vec![always]);
    let mina = world.customer("mina");
    visit(&mut world, mina);
    assert_eq!(world.sent("hello").len(), 1);
    world.prefer(mina, |p| {
        p.preferences.window = Some(Some(window("Mon-Sun 10:00-11:00")));
    });
    visit(&mut world, mina);
    world.run_for(Span::days(1));
    assert_eq!(world.sent("hello")[1], at("2026-03-03T10:00:00Z"));
}

#[test]
fn a_preference_that_changes_is_heeded_by_what_waits_already() {
    let (mut world, mina, now) = begin(vec![hello()]);
    world.prefer(mina, |p| {
        p.preferences.pause_until = Some(Some(now + Span::days(2)));
    });
    visit(&mut world, mina);
    world.run_for(Span::hours(1));
    world.prefer(mina, |p| p.preferences.pause_until = Some(None));
    assert_eq!(world.sent("hello"), [now + Span::hours(1)]);
}

#[test]
fn variants_are_drawn_by_weight_and_stay() {
    let draft = hello().variants(&[("a", 3), ("b", 1)]);
    let mut world = World::new(START, vec![draft]);
    let mut a = 0;
    for n in 0..200 {
        let no = world.customer(&format!("c{n}"));
        visit(&mut world, no);
        visit(&mut world, no);
        let own: Vec<_> = (world.log.iter())
            .filter(|r| r.customer == no && r.status == Status::Accepted)
            .map(|r| r.variant.clone().unwrap())
            .collect();
        assert_eq!(own[0], own[1]);
        a += usize::from(own[0] == "a");
    }
    assert!((130..170).contains(&a), "{a}");
}

#[test]
fn the_outcome_does_not_depend_on_which_schedule_is_processed_first() {
    let drafts = || {
        let one = |name: &str, priority| {
            scheduled(name, "0 10 * * *", tagged("vip"))
                .existing(Existing::Enter)
                .again(Again::Always)
                .priority(priority)
        };
        vec![
            one("a", 1),
            one("b", 7),
            one("c", 7),
            hello(),
            triggered("receipt", "Visited").class(Class::Transactional),
        ]
    };
    let play = |backwards: bool| {
        let mut held = shop();
        held.caps = caps(&["1 per 20h", "3 per 7d"]);
        let mut world = World::with_shop(at(START), held, drafts());
        world.backwards = backwards;
        world.script = Box::new(
            |a| match (a.at.millis() / 60_000 + i64::from(a.attempt)) % 3 {
                0 => (try_later(), Span::minutes(1)),
                _ => (accepted(), Span::minutes(1)),
            },
        );
        for name in ["mina", "joon", "tess"] {
            let no = world.customer(name);
            world.tag(no, "vip", true);
        }
        for day in 0..20 {
            world.run_until(at("2026-03-02T10:00:00Z") + Span::days(day));
            visit(&mut world, CustomerNo(1 + day as u64 % 3));
        }
        world.run_for(Span::days(10));
        check_log(&world);
        check_nothing_is_stuck(&world);
        let mut sent: Vec<_> = (world.attempts.iter())
            .map(|a| (a.at, a.customer, a.campaign.clone(), a.attempt))
            .collect();
        sent.sort();
        sent
    };
    let forwards = play(false);
    assert!(forwards.len() > 30);
    assert_eq!(forwards, play(true));
}

#[test]
fn advertising_waits_on_closed_days_of_the_customers_own_calendar_and_nothing_else_does() {
    let mut shop = crate::world::shop();
    shop.closed = reveille::domain::calendar::ClosedDays::parse_one("2026-03-03").unwrap();
    let start = at("2026-03-02T14:00:00Z");
    let ad = triggered("ad", "Visited");
    let news = triggered("news", "Visited").class(Class::Informational);
    let mut world = World::with_shop(start, shop, vec![ad, news]);
    let (mina, ana) = (world.customer("mina"), world.customer("ana"));
    let zone = chrono_tz::Tz::Asia__Seoul;
    world.prefer(mina, |p| p.preferences.timezone = Some(Some(zone)));
    // Six in the evening of the 2nd in UTC; in Seoul the 3rd has begun.
    world.run_until(at("2026-03-02T18:00:00Z"));
    for no in [mina, ana] {
        world.event(no, "Visited", &[]);
    }
    assert_eq!(world.sent("news").len(), 2);
    assert_eq!(world.sent("ad"), [world.now]);
    assert!(world.has("ad", Status::Waiting, Reason::ClosedDay));
    world.run_for(Span::days(3));
    assert_eq!(world.sent("ad")[1..], [at("2026-03-03T15:00:00Z")]);
}
