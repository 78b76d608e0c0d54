//! Journeys of several steps: when each falls due, on what condition it is had, and what acts do.

use crate::world::files::{ever, since_entry, tagged, triggered, window};
use crate::world::soundness::check_log;
use crate::world::{Draft, World, at, audience, refused, scheduled, try_later};
use reveille::domain::address::EmailAddress;
use reveille::domain::campaign::{Act, Again, Existing, Otherwise};
use reveille::domain::condition::{Condition, MessageCondition, MessageWas};
use reveille::domain::id::{CampaignId, CustomerNo, StaffName, StepId, TagName, TopicId};
use reveille::domain::ledger::{Reason, Status};
use reveille::domain::preference::{Class, ConsentState};
use reveille::domain::record::{Entry, EntryState, SuppressionCause};
use reveille::domain::time::{Span, Timestamp};

const START: &str = "2026-03-02T09:00:00Z";

fn series() -> Draft {
    triggered("series", "Signed Up").step("one", Span::ZERO, Span::days(3))
}

/// Mina signs up for a series a minute after the world begins.
fn begin(draft: Draft) -> (World, CustomerNo, Timestamp) {
    begin_among(vec![draft])
}

fn begin_among(drafts: Vec<Draft>) -> (World, CustomerNo, Timestamp) {
    let mut world = World::new(START, drafts);
    let mina = world.customer("mina");
    world.run_for(Span::minutes(1));
    let now = world.now;
    world.event(mina, "Signed Up", &[]);
    (world, mina, now)
}

fn entry(world: &World, no: CustomerNo) -> &Entry {
    &world.record(no).campaigns["series"].entries[0]
}

fn steps(world: &World) -> Vec<String> {
    let sent = world.attempts.iter();
    sent.map(|a| format!("{} {}", a.step, a.at)).collect()
}

fn tag(name: &str) -> TagName {
    TagName::parse(name).unwrap()
}

fn answered(step: &str) -> Condition {
    Condition::Message(MessageCondition {
        campaign: CampaignId::parse("series").unwrap(),
        step: StepId::parse(step).unwrap(),
        was: MessageWas::Answered,
        within: None,
        of_entry: true,
    })
}

fn notify(who: &str) -> Act {
    Act::Notify(StaffName::parse(who).unwrap())
}

// ---- when a step falls due -------------------------------------------------------------------------------------------

#[test]
fn a_step_waits_from_when_the_one_before_was_settled() {
    let (mut world, _, now) = begin(series().then("two").wait(Span::days(2)).then("three"));
    world.script = Box::new(|a| match (a.step.as_str(), a.attempt) {
        // Its third attempt is taken, an hour and ten minutes later.
        ("two", 1 | 2) => (try_later(), Span::ZERO),
        _ => (crate::world::accepted(), Span::minutes(1)),
    });
    world.run_for(Span::days(9));
    let two = now + Span::days(2);
    let settled = two + Span::minutes(71);
    let expected = [
        format!("one {now}"),
        format!("two {two}"),
        format!("two {}", two + Span::minutes(10)),
        format!("two {}", two + Span::minutes(70)),
        format!("three {settled}"),
    ];
    assert_eq!(steps(&world), expected);
    check_log(&world);
}

#[test]
fn after_counts_from_entry_and_never_before_the_one_before_is_settled() {
    let draft = series().and_step("two", Span::days(1), Span::days(3));
    let (mut world, mina, now) = begin(draft.and_step("three", Span::hours(30), Span::days(3)));
    world.prefer(mina, |p| {
        p.preferences.pause_until = Some(Some(now + Span::days(2)));
    });
    world.run_for(Span::days(9));
    // The first left at once; the second was due after a day and waited another for the pause.
    let two = now + Span::days(2);
    assert_eq!(
        steps(&world),
        [
            format!("one {now}"),
            format!("two {two}"),
            format!("three {two}")
        ]
    );
}

#[test]
fn what_is_dropped_refused_or_expired_goes_on_to_the_next_step() {
    let draft = series()
        .then("two")
        .wait(Span::days(1))
        .then("three")
        .wait(Span::days(1))
        .then("four")
        .wait(Span::days(1));
    let (mut world, mina, _) = begin(draft);
    world.script = Box::new(|_| (refused(false), Span::ZERO));
    world.run_for(Span::hours(23));
    world.consent(mina, None, ConsentState::Refused);
    world.run_for(Span::hours(2));
    world.consent(mina, None, ConsentState::Given);
    world.down_until(world.now + Span::days(6));
    world.run_for(Span::days(3));
    let ended: Vec<String> = (world.log.iter())
        .filter(|r| r.message.is_some())
        .filter(|r| !matches!(r.status, Status::Waiting | Status::Attempting))
        .map(|r| format!("{} {}", r.step.as_ref().unwrap(), r.status.as_str()))
        .collect();
    assert_eq!(
        ended,
        [
            "one accepted",
            "two dropped",
            "three expired",
            "four refused"
        ]
    );
}

#[test]
fn at_is_the_first_such_time_of_the_customers_clock() {
    let (mut world, mina, now) = begin(series().then("two").wait(Span::days(2)).at("10:00"));
    let seoul = chrono_tz::Tz::Asia__Seoul;
    world.prefer(mina, |p| p.preferences.timezone = Some(Some(seoul)));
    assert_eq!(now, at("2026-03-02T09:01:00Z"));
    world.run_for(Span::days(9));
    // Two days later it is 18:01 in Seoul; 10:00 is the next morning's.
    assert_eq!(
        steps(&world)[1..],
        [format!("two {}", at("2026-03-05T01:00:00Z"))]
    );
}

#[test]
fn who_moves_before_a_step_is_due_has_it_by_the_new_clock() {
    let (mut world, mina, _) = begin(series().then("two").wait(Span::days(2)).at("10:00"));
    world.run_for(Span::hours(1));
    let due = |world: &World| match &entry(world, mina).state {
        EntryState::Waiting { due, .. } => *due,
        other => panic!("{other:?}"),
    };
    assert_eq!(due(&world), at("2026-03-04T10:00:00Z"));
    let zone = |world: &mut World, zone| {
        world.prefer(mina, |p| p.preferences.timezone = Some(Some(zone)));
    };
    zone(&mut world, chrono_tz::Tz::Asia__Seoul);
    assert_eq!(due(&world), at("2026-03-05T01:00:00Z"));
    // There and back again is as if nothing had been.
    zone(&mut world, chrono_tz::Tz::UTC);
    assert_eq!(due(&world), at("2026-03-04T10:00:00Z"));
    zone(&mut world, chrono_tz::Tz::America__New_York);
    assert_eq!(due(&world), at("2026-03-04T15:00:00Z"));
    // It is past 10:00 in Seoul, and past when it would have been due: the next morning there.
    world.run_until(at("2026-03-04T14:59:00Z"));
    zone(&mut world, chrono_tz::Tz::Asia__Seoul);
    world.run_for(Span::days(3));
    assert_eq!(
        steps(&world)[1..],
        [format!("two {}", at("2026-03-05T01:00:00Z"))]
    );
}

#[test]
fn a_local_time_that_the_clock_leaps_over_is_right_after_the_gap() {
    let mut world = World::new(
        "2026-03-07T20:00:00Z",
        vec![series().then("two").at("02:30")],
    );
    let mina = world.customer("mina");
    let zone = chrono_tz::Tz::America__New_York;
    world.prefer(mina, |p| p.preferences.timezone = Some(Some(zone)));
    world.event(mina, "Signed Up", &[]);
    world.run_for(Span::days(1));
    assert_eq!(
        steps(&world)[1..],
        [format!("two {}", at("2026-03-08T07:00:00Z"))]
    );
}

#[test]
fn a_wait_until_something_ends_with_it_or_at_the_latest_by_itself() {
    let draft = || {
        series()
            .then("two")
            .wait(Span::days(7))
            .until(since_entry("Product Viewed", None))
    };
    let (mut world, mina, now) = begin(draft());
    world.run_for(Span::days(3));
    let viewed = world.now;
    world.event(mina, "Product Viewed", &[]);
    world.run_for(Span::days(9));
    assert_eq!(
        steps(&world),
        [format!("one {now}"), format!("two {viewed}")]
    );
    let (mut world, _, now) = begin(draft());
    world.run_for(Span::days(9));
    assert_eq!(steps(&world)[1..], [format!("two {}", now + Span::days(7))]);
    // With a time of the clock beside it: the next one after it happened.
    let (mut world, mina, _) = begin(draft().at("10:00"));
    world.run_for(Span::days(3));
    world.event(mina, "Product Viewed", &[]);
    world.run_for(Span::hours(3));
    world.event(mina, "Product Viewed", &[]);
    world.run_for(Span::days(9));
    assert_eq!(
        steps(&world)[1..],
        [format!("two {}", at("2026-03-05T10:00:00Z"))]
    );
}

#[test]
fn a_wait_until_time_alone_has_come_rings_the_alarm() {
    let silent = Condition::Not(Box::new(crate::world::files::dormant(
        "Signed Up",
        Span::hours(5),
    )));
    let draft = series()
        .then("two")
        .wait(Span::days(7))
        .until(Condition::Not(Box::new(silent)));
    let (mut world, _, now) = begin(draft);
    world.run_for(Span::days(1));
    assert_eq!(
        steps(&world)[1..],
        [format!("two {}", now + Span::hours(5))]
    );
}

// ---- on what condition -----------------------------------------------------------------------------------------------

#[test]
fn a_step_whose_condition_fails_is_skipped_and_what_follows_is_not() {
    let draft = series()
        .then("gift")
        .wait(Span::days(2))
        .only_if(Condition::Not(Box::new(answered("one"))))
        .then("survey")
        .wait(Span::days(1));
    let (mut world, mina, now) = begin(draft.clone());
    world.run_for(Span::days(1));
    world.event(mina, "Order Completed", &[]);
    world.run_for(Span::days(9));
    // The survey's wait counts from when the gift was skipped.
    let survey = now + Span::days(3);
    assert_eq!(
        steps(&world),
        [format!("one {now}"), format!("survey {survey}")]
    );
    let skipped = (world.log.iter()).find(|r| r.status == Status::Skipped);
    let skipped = skipped.unwrap();
    assert_eq!(skipped.reason, Reason::OnlyIf);
    assert_eq!(skipped.step.as_ref().unwrap().as_str(), "gift");
    assert!(skipped.detail.contains("was answered"), "{skipped:?}");
    let (mut world, _, _) = begin(draft);
    world.run_for(Span::days(9));
    assert_eq!(world.attempts.len(), 3);
}

#[test]
fn otherwise_ends_the_journey_or_leads_to_a_later_step() {
    for (otherwise, expected, last) in [
        (
            Otherwise::Skip,
            vec!["one", "three", "four"],
            "accepted accepted",
        ),
        (Otherwise::Exit, vec!["one"], "left only_if"),
        (
            Otherwise::GoTo(StepId::parse("four").unwrap()),
            vec!["one", "four"],
            "accepted accepted",
        ),
    ] {
        let draft = series()
            .then("two")
            .only_if(tagged("vip"))
            .otherwise(otherwise)
            .then("three")
            .then("four");
        let (mut world, _, _) = begin(draft);
        world.run_for(Span::days(1));
        let had: Vec<&str> = world.attempts.iter().map(|a| a.step.as_str()).collect();
        assert_eq!(had, expected);
        assert_eq!(world.last_row("series"), last);
    }
}

#[test]
fn the_condition_is_judged_again_when_the_message_leaves_unless_the_file_says_otherwise() {
    for (recheck, expected) in [(true, vec!["one", "three"]), (false, vec!["one", "two"])] {
        let draft = series()
            .then("two")
            .wait(Span::hours(1))
            .only_if(Condition::Not(Box::new(tagged("vip"))))
            .otherwise(Otherwise::GoTo(StepId::parse("three").unwrap()))
            .last(|s| s.recheck = recheck)
            .then("between")
            .only_if(tagged("nobody"))
            .then("three")
            .only_if(tagged("vip"))
            .otherwise(Otherwise::Exit)
            .last(|s| s.recheck = recheck);
        let (mut world, mina, now) = begin(draft);
        world.prefer(mina, |p| {
            p.preferences.pause_until = Some(Some(now + Span::hours(9)));
        });
        world.run_for(Span::hours(2));
        assert_eq!(world.last_row("series"), "waiting pause");
        world.tag(mina, "vip", true);
        world.run_for(Span::days(1));
        let had: Vec<&str> = world.attempts.iter().map(|a| a.step.as_str()).collect();
        assert_eq!(had[..2], expected[..2]);
        assert_eq!(
            world.has("series", Status::Dropped, Reason::OnlyIf),
            recheck
        );
        check_log(&world);
    }
}

#[test]
fn exits_and_the_audience_are_judged_before_every_message() {
    let draft = series()
        .then("two")
        .wait(Span::days(1))
        .then("three")
        .wait(Span::days(1))
        .of(Condition::Not(Box::new(tagged("staff"))))
        .exit(since_entry("Order Completed", None));
    let (mut world, mina, _) = begin(draft);
    world.tag(mina, "staff", true);
    world.run_for(Span::days(1));
    assert_eq!(world.last_row("series"), "dropped audience_fails");
    world.tag(mina, "staff", false);
    world.event(mina, "Order Completed", &[]);
    assert_eq!(world.last_row("series"), "left exit");
    world.run_for(Span::days(9));
    assert_eq!(world.attempts.len(), 1);
}

// ---- acts ------------------------------------------------------------------------------------------------------------

#[test]
fn a_tag_is_given_and_taken_when_its_step_falls_due() {
    let draft = series()
        .then("mark")
        .act(Act::Tag(tag("welcomed")))
        .then("unmark")
        .wait(Span::days(1))
        .act(Act::Untag(tag("welcomed")));
    let (mut world, mina, _) = begin(draft);
    world.run_for(Span::minutes(1));
    assert!(world.record(mina).tags.contains("welcomed"));
    assert_eq!(world.last_row("series"), "done tagged");
    world.run_for(Span::days(2));
    assert!(world.record(mina).tags.is_empty());
    assert_eq!(world.last_row("series"), "done untagged");
    assert!(matches!(
        entry(&world, mina).state,
        EntryState::Finished { .. }
    ));
}

#[test]
fn what_a_tag_brings_about_happens_in_the_same_reaction() {
    // "an" is judged before "series", which gives the tag.
    let an = audience("an", tagged("new"));
    let draft = triggered("series", "Signed Up")
        .step("one", Span::ZERO, Span::days(1))
        .act(Act::Tag(tag("new")));
    let (mut world, _, now) = begin_among(vec![an, draft]);
    world.run_for(Span::ZERO);
    assert_eq!(world.sent("an"), [now]);
    assert_eq!(world.rows("series"), ["entered trigger", "done tagged"]);
}

#[test]
fn an_exit_that_an_act_brings_about_ends_the_journey_before_the_next_message() {
    let draft = series()
        .then("mark")
        .act(Act::Tag(tag("done")))
        .then("two")
        .exit(tagged("done"));
    let (mut world, _, _) = begin(draft);
    world.run_for(Span::days(1));
    assert_eq!(world.attempts.len(), 1);
    assert_eq!(world.last_row("series"), "left exit");
}

#[test]
fn campaigns_that_undo_each_others_tags_come_to_rest() {
    let on = audience("on", Condition::Not(Box::new(tagged("x"))))
        .again(Again::Always)
        .step("s", Span::ZERO, Span::days(1))
        .act(Act::Tag(tag("x")));
    let off = audience("off", tagged("x"))
        .again(Again::Always)
        .step("s", Span::ZERO, Span::days(1))
        .act(Act::Untag(tag("x")));
    let mut world = World::new(START, vec![on, off]);
    let mina = world.customer("mina");
    world.tag(mina, "x", true);
    let before = world.reactions;
    world.run_for(Span::hours(5));
    assert!(world.reactions - before < 50, "{}", world.reactions);
    assert!(world.has("on", Status::Done, Reason::Tagged));
    assert!(world.has("off", Status::Done, Reason::Untagged));
}

#[test]
fn a_long_chain_of_tags_comes_to_its_end_some_of_it_later() {
    // Each is judged before the one that brings it about.
    let link = |n: usize| {
        audience(&format!("c{n:02}"), tagged(&format!("t{}", n + 1)))
            .step("s", Span::ZERO, Span::days(1))
            .act(Act::Tag(tag(&format!("t{n}"))))
    };
    let mut world = World::new(START, (0..12).map(link).collect());
    let mina = world.customer("mina");
    world.tag(mina, "t12", true);
    assert!(world.record(mina).tags.contains("t4"));
    world.run_for(Span::hours(2));
    assert!(world.record(mina).tags.contains("t0"));
}

#[test]
fn an_act_counts_for_again() {
    let daily = scheduled("series", "0 10 * * *", tagged("vip"))
        .existing(Existing::Enter)
        .step("mark", Span::ZERO, Span::days(1))
        .act(Act::Tag(tag("seen")));
    let mut world = World::new(START, vec![daily]);
    let mina = world.customer("mina");
    world.tag(mina, "vip", true);
    world.run_for(Span::days(5));
    assert_eq!(world.count("series", Status::Done), 1);
    assert_eq!(world.record(mina).campaigns["series"].entered, 1);
}

#[test]
fn a_step_that_leaves_a_topic_refuses_it_for_customer_and_mailbox_and_is_proof_in_the_ledger() {
    let draft = series()
        .then("bye")
        .wait(Span::days(1))
        .act(Act::Leave(TopicId::parse("offers").unwrap()))
        .then("two");
    let (mut world, mina, now) = begin(draft);
    // Somebody else of the same mailbox must be found refused, too, and what it held before kept.
    let joon = world.customer("joon");
    world.email(joon, "mina@mail.example");
    world.run_for(Span::days(2));
    let left = now + Span::days(1);
    let topic = TopicId::parse("offers").ok();
    let told = &world.record(mina).consents[&topic];
    assert_eq!(told.state, ConsentState::Refused);
    assert_eq!(told.source, "campaign series/bye");
    assert_eq!(told.at, left);
    let mailbox = world.mailbox("mina@mail.example");
    assert_eq!(mailbox.refusals[&topic].state, ConsentState::Refused);
    assert_eq!(mailbox.places.len(), 1, "what the mailbox held is kept");
    assert_eq!(world.last_row("series"), "dropped topic_refused");
    assert_eq!(world.attempts.len(), 1);
    world.event(joon, "Signed Up", &[]);
    world.run_for(Span::hours(1));
    assert_eq!(world.last_row("series"), "dropped topic_refused");
}

// ---- mails to staff --------------------------------------------------------------------------------------------------

#[test]
fn staff_are_told_whatever_the_customer_consented_to_and_nothing_waits_for_it() {
    let draft = triggered("series", "Signed Up")
        .step("tell", Span::ZERO, Span::days(1))
        .act(notify("crm"))
        .then("two");
    let mut world = World::new(START, vec![draft]);
    let mina = world.stranger("mina");
    world.script = Box::new(|a| match a.to.as_str() {
        "crm@shop.example" => (try_later(), Span::ZERO),
        _ => (crate::world::accepted(), Span::ZERO),
    });
    world.event(mina, "Signed Up", &[]);
    world.run_for(Span::hours(5));
    // The customer's own message had no address; the one to staff is tried again meanwhile.
    let rows = world.rows("series");
    assert_eq!(
        rows[..4],
        [
            "entered trigger",
            "done notified",
            "waiting notified",
            "waiting step_due"
        ]
    );
    assert!(rows.contains(&"dropped no_address".to_owned()));
    assert!(world.attempts.len() > 2);
    assert!(
        world
            .attempts
            .iter()
            .all(|a| a.class == Class::Transactional)
    );
    assert!(matches!(
        entry(&world, mina).state,
        EntryState::Finished { .. }
    ));
    world.script = Box::new(|_| (crate::world::accepted(), Span::ZERO));
    world.run_for(Span::hours(2));
    assert_eq!(world.last_row("series"), "accepted accepted");
    assert!(world.record(mina).messages.is_empty());
    assert_eq!(world.record(mina).sent.iter().count(), 0);
    assert!(world.boxes.values().all(|b| b.places.is_empty()));
    check_log(&world);
}

#[test]
fn a_mail_to_staff_takes_no_place_and_obeys_no_hours() {
    let draft = triggered("series", "Signed Up")
        .step("tell", Span::ZERO, Span::days(1))
        .act(notify("crm"))
        .then("mail");
    let mut world = World::new(START, vec![draft]);
    let mina = world.customer("mina");
    world.prefer(mina, |p| {
        p.preferences.window = Some(Some(window("Mon-Sun 15:00-16:00")));
        p.preferences.caps = Some(Some(crate::world::files::caps(&["1 per day"])));
    });
    let now = world.now;
    world.event(mina, "Signed Up", &[]);
    world.run_for(Span::days(1));
    let when: Vec<(&str, Timestamp)> = (world.attempts.iter())
        .map(|a| (a.to.as_str(), a.at))
        .collect();
    assert_eq!(
        when,
        [
            ("crm@shop.example", now),
            ("mina@mail.example", at("2026-03-02T15:00:00Z"))
        ]
    );
}

#[test]
fn staff_whom_the_config_no_longer_names_or_whose_address_is_dead_stop_nothing() {
    let draft = triggered("series", "Signed Up")
        .step("tell", Span::ZERO, Span::days(1))
        .act(notify("crm"))
        .then("mail")
        .again(Again::Always);
    let (mut world, mina, _) = begin(draft);
    world.run_for(Span::minutes(1));
    world.suppress(mina, "crm@shop.example", Some(SuppressionCause::HardBounce));
    world.event(mina, "Signed Up", &[]);
    world.run_for(Span::minutes(1));
    assert!(world.has("series", Status::Dropped, Reason::Suppressed));
    world.reshape(|shop| shop.staff.clear());
    world.event(mina, "Signed Up", &[]);
    world.run_for(Span::minutes(1));
    assert!(world.has("series", Status::Dropped, Reason::NoAddress));
    let own = EmailAddress::parse("mina@mail.example").unwrap();
    let to_mina = world.attempts.iter().filter(|a| a.to == own);
    assert_eq!(to_mina.count(), 3);
}

#[test]
fn a_mail_to_staff_goes_though_the_customer_turns_out_to_be_another() {
    let draft = triggered("series", "Visited")
        .step("tell", Span::ZERO, Span::days(1))
        .act(notify("crm"))
        .then("mail")
        .wait(Span::days(1));
    let mut world = World::new(START, vec![draft]);
    let (anonymous, mina) = (world.stranger("anonymous"), world.customer("mina"));
    world.script = Box::new(|a| match a.attempt {
        1 => (try_later(), Span::ZERO),
        _ => (crate::world::accepted(), Span::ZERO),
    });
    let now = world.now;
    world.event(anonymous, "Visited", &[]);
    world.merge(anonymous, mina);
    world.run_for(Span::days(2));
    let sent: Vec<(CustomerNo, &str)> = (world.attempts.iter())
        .map(|a| (a.customer, a.step.as_str()))
        .collect();
    assert_eq!(
        sent,
        [
            (anonymous, "tell"),
            (anonymous, "tell"),
            (mina, "mail"),
            (mina, "mail")
        ]
    );
    // The journey went on where it was, with what it waited for.
    assert_eq!(world.attempts[2].at, now + Span::days(1));
    assert!(world.record(anonymous).messages.is_empty());
    check_log(&world);
}

// ---- entries ---------------------------------------------------------------------------------------------------------

#[test]
fn a_restart_begins_the_journey_anew_until_something_was_had() {
    let draft = triggered("series", "Signed Up")
        .step("never", Span::ZERO, Span::days(1))
        .only_if(ever("Unheard"))
        .then("two")
        .wait(Span::hours(10));
    let (mut world, mina, _) = begin(draft);
    world.run_for(Span::hours(5));
    let again = world.now;
    world.event(mina, "Signed Up", &[]);
    world.run_for(Span::hours(11));
    assert_eq!(steps(&world), [format!("two {}", again + Span::hours(10))]);
    // Skipped anew, too.
    assert_eq!(world.count("series", Status::Skipped), 2);
}

#[test]
fn two_carts_open_at_once_are_two_journeys() {
    let draft = triggered("series", "Product Added")
        .per("cart_id")
        .step("one", Span::hours(24), Span::days(3))
        .then("two")
        .wait(Span::hours(48))
        .exit(since_entry("Order Completed", Some("cart_id")));
    let mut world = World::new(START, vec![draft]);
    let mina = world.customer("mina");
    let now = world.now;
    world.event(mina, "Product Added", &[("cart_id", "a")]);
    world.run_for(Span::hours(6));
    world.event(mina, "Product Added", &[("cart_id", "b")]);
    world.run_for(Span::hours(30));
    world.event(mina, "Order Completed", &[("cart_id", "a")]);
    world.run_for(Span::days(9));
    let sent: Vec<String> = (world.attempts.iter())
        .map(|a| format!("{} {} {}", a.entry.0, a.step, a.at))
        .collect();
    let hours = |h: i64| now + Span::hours(h);
    assert_eq!(
        sent,
        [
            format!("a one {}", hours(24)),
            format!("b one {}", hours(30)),
            format!("b two {}", hours(78))
        ]
    );
}
