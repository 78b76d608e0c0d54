//! Merges: an anonymous customer turns out to be a known one.

use crate::world::chance::Chance;
use crate::world::files::{dormant, ever, since_entry, window};
use crate::world::soundness::check_log;
use crate::world::{
    Draft, World, accepted, at, audience, campaign_id, not_started, refused, triggered, try_later,
    uncertain,
};
use reveille::domain::campaign::{Again, Existing, OnChange};
use reveille::domain::cause::{Cause, ConsentChange, Liveness};
use reveille::domain::condition::{Condition, MessageCondition, MessageWas};
use reveille::domain::consent_ledger::{MailOf, Origin};
use reveille::domain::engagement::{Engagement, HitClass, HitKind};
use reveille::domain::id::{CustomerNo, EntryKey, MessageNo, MessageRef, StepId};
use reveille::domain::ledger::{Reason, Status};
use reveille::domain::outcome::Outcome;
use reveille::domain::preference::{Class, ConsentState};
use reveille::domain::record::{EntryState, Record};
use reveille::domain::time::{Span, Timestamp};
use reveille::domain::track::Tracks;
use reveille::domain::value::Value;

const START: &str = "2026-03-02T09:00:00Z";

fn cart() -> Draft {
    triggered("cart", "Product Added")
        .per("cart_id")
        .step("reminder", Span::hours(24), Span::days(3))
        .exit(since_entry("Order Completed", Some("cart_id")))
}

/// Mina, with address and consent, and somebody of whom nothing is known.
fn begin(drafts: Vec<Draft>) -> (World, CustomerNo, CustomerNo, Timestamp) {
    let mut world = World::new(START, drafts);
    let mina = world.customer("mina");
    let somebody = world.stranger("somebody");
    world.run_for(Span::minutes(1));
    let now = world.now;
    (world, mina, somebody, now)
}

/// One who has an address and consent too, by a form perhaps.
fn reachable(world: &mut World, no: CustomerNo, address: &str) {
    world.email(no, address);
    world.consent(no, None, ConsentState::Given);
}

#[test]
fn an_anonymous_cart_is_the_known_customers_cart_once_at_its_own_time() {
    let (mut world, mina, somebody, now) = begin(vec![cart()]);
    world.event(somebody, "Product Added", &[("cart_id", "a")]);
    world.run_for(Span::hours(5));
    world.merge(somebody, mina);
    world.run_for(Span::days(9));
    assert_eq!(world.sent("cart"), [now + Span::hours(24)]);
    assert_eq!(
        world.rows("cart"),
        [
            "entered trigger",
            "left moved",
            "entered merged",
            "waiting step_due",
            "attempting policy",
            "accepted accepted"
        ]
    );
    assert_eq!(world.attempts[0].customer, mina);
    check_log(&world);
}

#[test]
fn an_order_after_the_merge_ends_the_cart_of_before_it() {
    for by_old_id in [false, true] {
        let (mut world, mina, somebody, _) = begin(vec![cart()]);
        world.event(somebody, "Product Added", &[("cart_id", "a")]);
        world.merge(somebody, mina);
        let who = if by_old_id { somebody } else { mina };
        world.event(who, "Order Completed", &[("cart_id", "a")]);
        world.run_for(Span::days(9));
        assert!(world.attempts.is_empty());
        assert_eq!(world.last_row("cart"), "left exit");
    }
}

#[test]
fn what_started_at_the_source_does_not_start_again() {
    let drafts = || vec![cart().again(Again::Always)];
    // The cart was reminded of, at the source.
    let (mut world, mina, somebody, _) = begin(drafts());
    reachable(&mut world, somebody, "somebody@mail.example");
    world.event(somebody, "Product Added", &[("cart_id", "a")]);
    world.run_for(Span::hours(24));
    assert_eq!(world.attempts.len(), 1);
    world.merge(somebody, mina);
    world.run_for(Span::days(9));
    assert_eq!(world.attempts.len(), 1);
    // The cart was ordered, at the source.
    let (mut world, mina, somebody, _) = begin(drafts());
    world.event(somebody, "Product Added", &[("cart_id", "a")]);
    world.event(somebody, "Order Completed", &[("cart_id", "a")]);
    world.merge(somebody, mina);
    world.run_for(Span::days(9));
    assert!(world.attempts.is_empty());
    assert_eq!(world.count("cart", Status::Entered), 1);
}

#[test]
fn a_cart_open_on_both_sides_is_one() {
    let (mut world, mina, somebody, now) = begin(vec![cart()]);
    world.event(somebody, "Product Added", &[("cart_id", "a")]);
    world.run_for(Span::hours(1));
    world.event(mina, "Product Added", &[("cart_id", "a")]);
    world.run_for(Span::hours(1));
    world.event(somebody, "Product Added", &[("cart_id", "a")]);
    world.merge(somebody, mina);
    world.run_for(Span::days(9));
    // As if all three had been mina's: the last one counts.
    assert_eq!(world.sent("cart"), [now + Span::hours(26)]);
}

#[test]
fn a_cart_reminded_of_at_the_source_is_not_reminded_of_again() {
    for under_way in [false, true] {
        let (mut world, mina, somebody, _) = begin(vec![cart()]);
        reachable(&mut world, somebody, "somebody@mail.example");
        let takes = Span::hours(if under_way { 3 } else { 0 });
        world.script = Box::new(move |_| (accepted(), takes));
        world.event(somebody, "Product Added", &[("cart_id", "a")]);
        world.run_for(Span::hours(23));
        world.event(mina, "Product Added", &[("cart_id", "a")]);
        world.run_for(Span::hours(2));
        assert_eq!(world.attempts.len(), 1);
        world.merge(somebody, mina);
        world.run_for(Span::days(9));
        assert_eq!(world.attempts.len(), 1);
        assert!(world.has("cart", Status::Left, Reason::Merged));
    }
}

#[test]
fn what_only_both_together_amount_to_starts_now() {
    let third = triggered("third", "Order Completed").times(3, None);
    let (mut world, mina, somebody, now) = begin(vec![third]);
    world.event(mina, "Order Completed", &[]);
    world.event(somebody, "Order Completed", &[]);
    world.event(somebody, "Order Completed", &[]);
    assert!(world.attempts.is_empty());
    world.merge(somebody, mina);
    assert_eq!(world.sent("third"), [now]);
    // History starts nothing, on whatever side.
    let third = triggered("third", "Order Completed").times(3, None);
    let (mut world, mina, somebody, now) = begin(vec![third]);
    for no in [mina, somebody, somebody] {
        world.history(no, "Order Completed", now);
    }
    world.merge(somebody, mina);
    world.run_for(Span::days(1));
    assert!(world.attempts.is_empty());
}

#[test]
fn a_waiting_message_goes_on_with_the_target_and_goes_once() {
    let (mut world, mina, somebody, _) = begin(vec![cart()]);
    reachable(&mut world, somebody, "mina@mail.example");
    // In the evening only.
    world.prefer(somebody, |p| {
        p.preferences.window = Some(Some(window("Mon-Sun 20:00-21:00")));
    });
    world.event(somebody, "Product Added", &[("cart_id", "a")]);
    world.run_for(Span::hours(25));
    assert_eq!(world.record(somebody).messages.len(), 1);
    world.merge(somebody, mina);
    assert!(world.record(somebody).messages.is_empty());
    world.run_for(Span::days(9));
    assert_eq!(world.attempts.len(), 1);
    let attempt = &world.attempts[0];
    assert_eq!(attempt.customer, mina);
    // What mina had not said herself was taken from the other side.
    assert_eq!(attempt.at, at("2026-03-03T20:00:00Z"));
    check_log(&world);
}

/// Merged while the mail is under way, which ends as `outcomes` say; gives the world some days later.
fn merged_under_way(outcomes: Vec<Outcome>, drafts: Vec<Draft>) -> (World, CustomerNo, CustomerNo) {
    let (mut world, mina, somebody, _) = begin(drafts);
    reachable(&mut world, somebody, "mina@mail.example");
    let mut outcomes = outcomes.into_iter();
    world.script = Box::new(move |_| (outcomes.next().unwrap_or(accepted()), Span::minutes(3)));
    world.event(somebody, "Product Added", &[("cart_id", "a")]);
    world.run_for(Span::hours(24) + Span::minutes(1));
    assert_eq!(world.attempts.len(), 1);
    world.merge(somebody, mina);
    assert_eq!(world.record(somebody).messages.len(), 1);
    // The same cart again, while its mail is under way.
    world.event(mina, "Product Added", &[("cart_id", "a")]);
    world.run_for(Span::days(9));
    check_log(&world);
    assert!(world.record(somebody).messages.is_empty());
    assert!(world.record(somebody).email.is_none());
    (world, mina, somebody)
}

#[test]
fn a_message_under_way_ends_where_it_began() {
    for outcomes in [
        vec![],
        vec![try_later()],
        vec![uncertain(), try_later()],
        vec![try_later(), not_started()],
    ] {
        let tries = outcomes.len() + 1;
        let (world, mina, somebody) = merged_under_way(outcomes, vec![cart()]);
        assert_eq!(world.attempts.len(), tries);
        assert!(world.attempts.iter().all(|a| a.customer == somebody));
        assert_eq!(world.count("cart", Status::Accepted), 1);
        let standing = &world.record(mina).campaigns.values().next().unwrap();
        assert_eq!(standing.entered, 1);
        let state = &standing.entries[0].state;
        assert!(matches!(state, EntryState::Finished { .. }), "{state:?}");
    }
}

#[test]
fn an_attempt_that_is_given_back_goes_on_with_the_target() {
    let (world, mina, somebody) = merged_under_way(vec![not_started()], vec![cart()]);
    let who: Vec<_> = world.attempts.iter().map(|a| a.customer).collect();
    assert_eq!(who, [somebody, mina]);
    assert_eq!(world.count("cart", Status::Accepted), 1);
    let standing = &world.record(mina).campaigns.values().next().unwrap();
    assert_eq!((standing.entered, standing.entries.len()), (1, 1));
}

#[test]
fn a_refused_mail_gives_its_place_back_to_the_mailbox() {
    let (world, ..) = merged_under_way(vec![refused(false)], vec![cart()]);
    assert!(world.mailbox("mina@mail.example").places.is_empty());
    assert_eq!(world.attempts.len(), 1);
}

#[test]
fn the_next_step_of_an_entry_under_way_is_the_targets() {
    let drafts = vec![cart().and_step("second", Span::hours(48), Span::days(3))];
    let (world, mina, somebody) = merged_under_way(vec![try_later()], drafts);
    let who: Vec<_> = (world.attempts.iter())
        .map(|a| (a.customer, a.step.as_str()))
        .collect();
    assert_eq!(
        who,
        [
            (somebody, "reminder"),
            (somebody, "reminder"),
            (mina, "second")
        ]
    );
}

/// Its mail is on its way at the source: that is no end of the file, to which a step could have been appended since.
#[test]
fn a_step_under_way_at_the_source_is_not_sent_again_as_an_appended_one() {
    let file = |steps: &[&str]| {
        let begun = cart()
            .then("middle")
            .wait(Span::hours(1))
            .with(|c| c.entry.appended = true);
        (steps.iter()).fold(begun, |draft, step| draft.then(step).wait(Span::hours(1)))
    };
    for reloaded in [false, true] {
        let (mut world, mina, somebody, _) = begin(vec![file(&["last"])]);
        reachable(&mut world, somebody, "mina@mail.example");
        world.script = Box::new(|a| match a.step.as_str() {
            "middle" => (accepted(), Span::hours(5)),
            _ => (accepted(), Span::ZERO),
        });
        world.event(somebody, "Product Added", &[("cart_id", "a")]);
        world.run_for(Span::hours(26));
        assert_eq!(world.attempts.len(), 2);
        world.merge(somebody, mina);
        if reloaded {
            world.adopt(vec![file(&["last", "new"])]);
        }
        world.run_for(Span::hours(2));
        // The same cart is not to be entered anew while its mail is under way.
        assert_eq!(world.attempts.len(), 2, "{:?}", world.rows("cart"));
        world.run_for(Span::days(9));
        let steps: Vec<&str> = world.attempts.iter().map(|a| a.step.as_str()).collect();
        let all = ["reminder", "middle", "last", "new"];
        assert_eq!(steps, all[..if reloaded { 4 } else { 3 }]);
        check_log(&world);
    }
}

#[test]
fn a_refusal_is_carried_over_and_binds_what_is_under_way() {
    // The source refused: the target's waiting mail does not go.
    let (mut world, mina, somebody, _) = begin(vec![cart()]);
    world.event(mina, "Product Added", &[("cart_id", "a")]);
    world.consent(somebody, None, ConsentState::Refused);
    world.merge(somebody, mina);
    world.run_for(Span::days(9));
    assert!(world.attempts.is_empty());
    assert!(world.has("cart", Status::Dropped, Reason::TopicRefused));
    assert!(
        world
            .mailbox("mina@mail.example")
            .refusals
            .contains_key(&None)
    );
    // An older refusal is lifted by what mina said after it, as words told out of order are.
    let (mut world, mina, somebody, now) = begin(vec![cart()]);
    world.consent_at(somebody, None, ConsentState::Refused, now - Span::days(3));
    world.event(mina, "Product Added", &[("cart_id", "a")]);
    world.merge(somebody, mina);
    world.run_for(Span::days(9));
    assert_eq!(world.attempts.len(), 1);
    // The target refuses while a mail of the source, to another address, is tried again.
    let (mut world, mina, somebody, _) = begin(vec![cart()]);
    reachable(&mut world, somebody, "elsewhere@mail.example");
    world.script = Box::new(|_| (try_later(), Span::ZERO));
    world.event(somebody, "Product Added", &[("cart_id", "a")]);
    world.run_for(Span::hours(24) + Span::minutes(1));
    assert_eq!(world.attempts.len(), 1);
    world.merge(somebody, mina);
    world.consent(mina, None, ConsentState::Refused);
    world.run_for(Span::days(9));
    assert_eq!(world.attempts.len(), 1);
}

#[test]
fn what_is_under_way_at_the_source_goes_as_the_target_is_and_wants() {
    let under_way = |then: &dyn Fn(&mut World, CustomerNo)| {
        let (mut world, mina, somebody, _) = begin(vec![cart()]);
        reachable(&mut world, somebody, "elsewhere@mail.example");
        world.script = Box::new(|a| match a.attempt {
            1 => (try_later(), Span::ZERO),
            _ => (accepted(), Span::ZERO),
        });
        world.event(somebody, "Product Added", &[("cart_id", "a")]);
        world.run_for(Span::hours(24) + Span::minutes(1));
        assert_eq!(world.attempts.len(), 1);
        world.merge(somebody, mina);
        then(&mut world, mina);
        world.run_for(Span::days(2));
        check_log(&world);
        world
    };
    let world = under_way(&|_, _| {});
    assert_eq!(world.attempts.len(), 2);
    // The hours that mina chose.
    let world = under_way(&|world, mina| {
        world.prefer(mina, |p| {
            p.preferences.window = Some(Some(window("Mon-Sun 20:00-21:00")));
        });
    });
    assert_eq!(world.attempts[1].at, at("2026-03-03T20:00:00Z"));
    // Or none for a while.
    let until = at("2026-03-04T09:00:00Z");
    let world = under_way(&|world, mina| {
        world.prefer(mina, |p| p.preferences.pause_until = Some(Some(until)));
    });
    assert_eq!(world.attempts[1].at, until);
    // What ends the entry.
    let world = under_way(&|world, mina| world.event(mina, "Order Completed", &[("cart_id", "a")]));
    assert_eq!(world.attempts.len(), 1);
    assert!(world.has("cart", Status::Left, Reason::Exit));
    assert!(world.has("cart", Status::Dropped, Reason::Exit));
}

/// Whether the reminder was answered.
fn answered() -> Condition {
    Condition::Message(MessageCondition {
        campaign: campaign_id("cart"),
        step: StepId::parse("reminder").unwrap(),
        was: MessageWas::Answered,
        within: None,
        of_entry: false,
    })
}

/// What mina's record remembers of the reminders that left: each as sent, accepted, opened, ordered after.
fn sent(world: &World, mina: CustomerNo) -> Vec<[bool; 3]> {
    (world.record(mina).sent.iter())
        .filter(|m| m.campaign.as_str() == "cart")
        .map(|m| [m.accepted, m.opened, m.ordered].map(|at| at.is_some()))
        .collect()
}

fn opened(world: &World) -> Cause {
    Cause::Engagement(Engagement {
        message: MessageNo(1),
        kind: HitKind::Open,
        class: HitClass::HumanLikely,
        reason: Reason::Reader,
        link: None,
        first: world.now,
        last: world.now,
    })
}

#[test]
fn what_the_source_got_is_remembered_at_the_target_and_what_comes_back_is_told_there() {
    let thanks = || audience("thanks", answered()).class(Class::Informational);
    let (mut world, mina, somebody, _) = begin(vec![cart(), thanks()]);
    let between = world.stranger("between");
    reachable(&mut world, somebody, "somebody@mail.example");
    world.event(somebody, "Product Added", &[("cart_id", "a")]);
    world.run_for(Span::hours(25));
    assert_eq!(world.attempts.len(), 1);
    world.merge(somebody, between);
    world.merge(between, mina);
    assert_eq!(sent(&world, mina), [[true, false, false]]);
    // Hits of that mail name the source for ever; its row stands beside the mail's others.
    let cause = opened(&world);
    world.apply(somebody, cause);
    world.run_for(Span::minutes(1));
    assert_eq!(sent(&world, mina), [[true, true, false]]);
    let row = world.log.iter().find(|row| row.status == Status::Opened);
    assert_eq!(row.unwrap().customer, somebody);
    assert_eq!(world.sent("thanks").len(), 1);
    // An order of mina's answers it as well.
    world.run_for(Span::days(3));
    world.event(mina, "Order Completed", &[("cart_id", "a")]);
    assert_eq!(sent(&world, mina)[0], [true, true, true]);

    // An order that the source made answers what mina got.
    let (mut world, mina, somebody, _) = begin(vec![cart(), thanks()]);
    world.event(mina, "Product Added", &[("cart_id", "a")]);
    world.run_for(Span::hours(25));
    world.event(somebody, "Order Completed", &[]);
    assert_eq!(sent(&world, mina), [[true, false, false]]);
    world.merge(somebody, mina);
    world.run_for(Span::minutes(1));
    assert_eq!(sent(&world, mina)[0], [true, false, true]);
    assert_eq!(world.sent("thanks").len(), 1);

    // What is settled after the merge.
    let (world, mina, _) = merged_under_way(vec![try_later()], vec![cart()]);
    assert_eq!(sent(&world, mina), [[true, false, false]]);
    // It never left the source, and left mina once.
    let (world, mina, _) = merged_under_way(vec![not_started()], vec![cart()]);
    assert_eq!(sent(&world, mina), [[true, false, false]]);
    assert!(world.record(mina).sent.iter().all(|m| m.by.is_none()));
}

#[test]
fn the_targets_own_word_stands() {
    let (mut world, mina, somebody, _) = begin(vec![cart()]);
    let text = |t: &str| Value::Text(t.into());
    // A break that is over hides none that they are in.
    let (over, until) = (world.now - Span::days(30), world.now + Span::days(5));
    world.profile(mina, |p| {
        p.preferences.pause_until = Some(Some(over));
    });
    world.profile(somebody, |p| {
        p.preferences.pause_until = Some(Some(until));
    });
    world.profile(mina, |p| {
        p.attributes.insert("name".into(), text("Mina"));
        p.preferences.locale = Some(Some("ko".into()));
    });
    world.profile(somebody, |p| {
        p.attributes.insert("name".into(), text("Somebody"));
        p.attributes.insert("browser".into(), text("Lynx"));
        p.preferences.locale = Some(Some("en".into()));
        p.preferences.gap = Some(Some(Span::days(2)));
    });
    world.email(somebody, "other@mail.example");
    world.tag(somebody, "vip", true);
    world.merge(somebody, mina);
    let record = world.record(mina);
    assert_eq!(record.attributes["name"], text("Mina"));
    assert_eq!(record.attributes["browser"], text("Lynx"));
    assert_eq!(record.preferences.locale.as_deref(), Some("ko"));
    assert_eq!(record.preferences.gap, Some(Span::days(2)));
    assert_eq!(record.preferences.pause_until, Some(until));
    assert_eq!(record.email.as_ref().unwrap().as_str(), "mina@mail.example");
    assert!(record.tags.contains("vip"));
    // Nothing personal stays where nobody is any more.
    let left = world.record(somebody);
    assert!(left.attributes.is_empty() && left.email.is_none() && left.tags.is_empty());
}

#[test]
fn an_address_of_the_source_is_the_targets_where_it_has_none() {
    let (mut world, _, somebody, _) = begin(vec![cart()]);
    let known = world.stranger("known");
    reachable(&mut world, somebody, "known@mail.example");
    world.consent(somebody, Some("offers"), ConsentState::Refused);
    world.merge(somebody, known);
    let record = world.record(known);
    assert_eq!(
        record.email.as_ref().unwrap().as_str(),
        "known@mail.example"
    );
    assert_eq!(record.consents.len(), 2);
}

#[test]
fn an_audience_that_held_on_the_other_side_does_not_begin_to_hold() {
    let welcome = || audience("welcome", ever("Signed Up")).class(Class::Informational);
    let (mut world, mina, somebody, _) = begin(vec![welcome()]);
    reachable(&mut world, somebody, "mina@mail.example");
    world.event(somebody, "Signed Up", &[]);
    assert_eq!(world.attempts.len(), 1);
    world.merge(somebody, mina);
    world.run_for(Span::days(2));
    assert_eq!(world.attempts.len(), 1);
    // One of whom only history is known starts nothing; what is remembered goes by it.
    let (mut world, mina, somebody, now) = begin(vec![welcome()]);
    world.history(somebody, "Signed Up", now);
    world.merge(somebody, mina);
    world.event(mina, "Signed Up", &[]);
    world.run_for(Span::days(2));
    assert!(world.attempts.is_empty());
    // What holds by both together only begins to hold, and judging goes on from there.
    let quiet = || {
        audience("quiet", dormant("Visited", Span::days(30)))
            .again(Again::AfterLeaving)
            .existing(Existing::Skip)
    };
    let (mut world, mina, somebody, now) = begin(vec![quiet()]);
    world.event(somebody, "Visited", &[]);
    world.run_for(Span::days(1));
    world.merge(somebody, mina);
    world.run_for(Span::days(60));
    assert_eq!(world.sent("quiet"), [now + Span::days(30)]);
}

#[test]
fn chains_are_followed_and_late_letters_sent_after() {
    let (mut world, mina, somebody, now) = begin(vec![cart()]);
    let between = world.stranger("between");
    world.event(somebody, "Product Added", &[("cart_id", "a")]);
    world.event(between, "Product Added", &[("cart_id", "b")]);
    world.merge(somebody, between);
    world.merge(between, mina);
    assert_eq!(world.whom(somebody), mina);
    assert_eq!(world.record(mina).absorbed, [between, somebody]);
    world.event(somebody, "Product Added", &[("cart_id", "c")]);
    world.run_for(Span::days(9));
    assert_eq!(world.sent("cart"), [now + Span::hours(24); 3]);
    assert!(world.attempts.iter().all(|a| a.customer == mina));
    // Merged the other way round, or anew, nothing happens.
    let before = world.record(mina).clone();
    world.apply(somebody, Cause::Merge { into: between });
    world.apply(mina, Cause::Merge { into: mina });
    assert_eq!(*world.record(mina), before);
    assert_eq!(world.record(somebody).moved_to, Some(between));
}

#[test]
fn whoever_moved_is_judged_by_no_campaign_and_walks_on_without_history() {
    let (mut world, mina, somebody, _) = begin(vec![cart()]);
    world.event(somebody, "Visited", &[]);
    world.merge(somebody, mina);
    // A new campaign asks for events that nobody remembered: the tracks are rebuilt.
    let visited = audience("visited", ever("Visited")).existing(Existing::Enter);
    world.adopt(vec![cart(), visited]);
    world.run_for(Span::days(1));
    let who: Vec<_> = world.attempts.iter().map(|a| a.customer).collect();
    assert_eq!(who, [mina]);
    let record = world.record(somebody);
    assert!(record.campaigns.is_empty() && record.index().due.is_empty());
}

/// What a record remembers of events.
fn remembered(record: &Record) -> Vec<u8> {
    postcard::to_stdvec(&record.tracks).unwrap()
}

#[test]
fn any_interleaving_of_events_and_a_merge_ends_in_the_tracks_of_one_customer() {
    let rounds = if std::env::var_os("REVEILLE_SOAK").is_some() {
        2_000
    } else {
        150
    };
    for seed in 0..rounds {
        let mut chance = Chance(seed);
        let drafts = || {
            vec![
                cart().again(Again::Always),
                triggered("third", "Order Completed").times(3, Some(Span::days(20))),
                audience("quiet", dormant("Visited", Span::days(3))),
            ]
        };
        let (mut world, mina, somebody, _) = begin(drafts());
        // The oracle: one customer to whom everything happens.
        let (mut one, only, _, _) = begin(drafts());
        let merge_at = chance.below(40);
        for n in 0..40 {
            if n == merge_at {
                world.merge(somebody, mina);
            }
            let pause = Span::minutes(chance.between(0, 900));
            world.run_for(pause);
            one.run_for(pause);
            let name = chance.of(&["Visited", "Product Added", "Order Completed"]);
            let time = world.now - Span::minutes(chance.of(&[0, 0, 30, 3_000]));
            let cart = chance.below(3).to_string();
            let event = world.make_event(name, time, &[("cart_id", &cart)]);
            let live = chance.of(&[Liveness::Live, Liveness::Live, Liveness::History]);
            let who = if chance.once_in(2) { mina } else { somebody };
            world.apply(who, Cause::Event(event.clone(), live));
            // A copy, by whichever way it comes: a known identity changes nothing.
            if chance.once_in(3) && n > merge_at {
                let who = if chance.once_in(2) { mina } else { somebody };
                world.apply(who, Cause::Event(event.clone(), live));
            }
            one.apply(only, Cause::Event(event, live));
        }
        let (merged, oracle) = (world.record(mina), one.record(only));
        assert_eq!(remembered(merged), remembered(oracle), "seed {seed}");
        assert_eq!(merged.known_since, oracle.known_since, "seed {seed}");
        assert_eq!(world.record(somebody).tracks, Tracks::default());
        world.run_for(Span::days(10));
        check_log(&world);
        // No cart is reminded of twice for one entering.
        let entered = world.count("cart", Status::Entered);
        assert!(world.sent("cart").len() <= entered, "seed {seed}");
    }
}

/// One word on advertising: who said it, when, and what.
struct Word {
    by: CustomerNo,
    at: Timestamp,
    given: bool,
}

#[test]
fn no_consent_is_broken_over_a_merge() {
    let rounds = match std::env::var_os("REVEILLE_SOAK") {
        Some(_) => 1_000,
        None => 100,
    };
    let (mut ads, mut kept) = (0, 0);
    for seed in 0..rounds {
        let mut chance = Chance(seed);
        let wait = Span::hours(chance.between(0, 30));
        let ad = triggered("ad", "Visited")
            .again(Again::Always)
            .step("s", wait, Span::days(9));
        let (mut world, mina, somebody, _) = begin(vec![ad]);
        // At her address, or at another.
        let address = chance.of(&["mina@mail.example", "other@mail.example"]);
        let one_box = address == "mina@mail.example";
        world.email(somebody, address);
        let mut fate = Chance(seed + 1);
        world.script = Box::new(move |_| match fate.below(3) {
            0 => (accepted(), Span::minutes(1)),
            1 => (uncertain(), Span::minutes(20)),
            _ => (try_later(), Span::minutes(20)),
        });
        let mut words = vec![Word {
            by: mina,
            at: Timestamp::EARLIEST,
            given: true,
        }];
        let merge_at = chance.below(60);
        let mut merged = None;
        for n in 0..80 {
            if n == merge_at {
                world.merge(somebody, mina);
                merged = Some(world.now);
            }
            let who = if chance.once_in(2) { mina } else { somebody };
            let before = world.attempts.len();
            if chance.once_in(4) {
                let given = !chance.once_in(3);
                words.push(Word {
                    by: who,
                    at: world.now,
                    given,
                });
                let state = match given {
                    true => ConsentState::Given,
                    false => ConsentState::Refused,
                };
                world.consent(who, None, state);
            } else {
                world.event(who, "Visited", &[]);
            }
            world.run_for(Span::minutes(chance.between(1, 900)));
            for attempt in &world.attempts[before..] {
                let known = words.iter().filter(|w| w.at <= attempt.at);
                let is_one = merged.is_some_and(|at| at <= attempt.at);
                // The last word of the person; before the merge, of each customer of the mailbox.
                let last_of = |by: Option<CustomerNo>| {
                    let of = known.clone().filter(|w| by.is_none_or(|no| w.by == no));
                    of.max_by_key(|w| (w.at, !w.given)).is_some_and(|w| w.given)
                };
                let allowed = match is_one {
                    true => last_of(None),
                    false => last_of(Some(attempt.customer)) && (!one_box || last_of(None)),
                };
                assert!(
                    allowed,
                    "seed {seed}: {} {:?}",
                    attempt.at, attempt.customer
                );
                ads += 1;
                kept += u32::from(is_one && attempt.customer == somebody);
            }
        }
        check_log(&world);
    }
    println!("{ads} attempts, {kept} of them at the source after the merge");
    assert!(ads > 10 * rounds && kept > 0);
}

#[test]
fn of_when_a_word_is_goes_over_with_it() {
    let (mut world, mina, somebody, _) = begin(vec![cart()]);
    let tell = |world: &mut World, no, name: &str, value: Value, as_of| {
        world.profile(no, |change| {
            change.attributes.insert(name.to_owned(), value);
            change.as_of = as_of;
        });
    };
    let text = |text: &str| Value::Text(text.to_owned());
    let said = world.now;
    tell(&mut world, somebody, "city", text("Jeju"), Some(said));
    tell(&mut world, somebody, "size", text("M"), None);
    tell(&mut world, somebody, "shoe", text("41"), None);
    // Taken back by the known customer themselves.
    tell(&mut world, mina, "shoe", text("40"), None);
    tell(&mut world, mina, "shoe", Value::Null, None);
    world.run_for(Span::hours(1));
    world.merge(somebody, mina);
    let late = Some(said - Span::minutes(1));
    for name in ["city", "size", "shoe"] {
        tell(&mut world, mina, name, text("late"), late);
    }
    let stands = |world: &World, name: &str| {
        let record = world.record(mina);
        (record.attributes.get(name)).and_then(|v| v.as_text().map(str::to_owned))
    };
    assert_eq!(stands(&world, "city").as_deref(), Some("Jeju"));
    assert_eq!(stands(&world, "size").as_deref(), Some("M"));
    assert_eq!(stands(&world, "shoe"), None);
    let newer = Some(said + Span::minutes(30));
    tell(&mut world, mina, "city", text("Busan"), newer);
    assert_eq!(stands(&world, "city").as_deref(), Some("Busan"));
}

/// Who left by a link of a mail, came back and follows the same link again has left by it once, merged or not.
#[test]
fn a_mail_by_which_the_source_left_counts_once_after_the_merge_too() {
    let (mut world, mina, somebody, _) = begin(vec![cart()]);
    reachable(&mut world, somebody, "somebody@mail.example");
    world.event(somebody, "Product Added", &[("cart_id", "a")]);
    world.run_for(Span::hours(25));
    let message = MessageRef {
        customer: somebody,
        message: world.attempts[0].message,
    };
    let leave = |world: &mut World| {
        let mail = MailOf {
            campaign: campaign_id("cart"),
            step: StepId::parse("reminder").unwrap(),
            entry: EntryKey("a".into()),
            variant: None,
        };
        let change = ConsentChange {
            topic: None,
            state: ConsentState::Refused,
            at: world.now,
            source: "unsubscribe link".into(),
            wording: None,
            origin: Origin {
                message: Some(message),
                mail: Some(Box::new(mail)),
                ..Origin::default()
            },
        };
        world.apply(somebody, Cause::Consent(change, Liveness::Live));
        world.run_for(Span::minutes(1));
    };
    leave(&mut world);
    world.merge(somebody, mina);
    world.run_for(Span::hours(1));
    world.consent(mina, None, ConsentState::Given);
    world.run_for(Span::hours(1));
    leave(&mut world);
    let why = |reason| (world.log.iter()).filter(|r| r.reason == reason).count();
    assert_eq!((why(Reason::Unsubscribed), why(Reason::LeftAgain)), (1, 1));
}

/// A step whose mail is on its way at the source is edited, with or without a wait for approval: that mail is that step's
/// still, whatever it is called now, and what follows at the target is what would follow had they been one all along.
#[test]
fn an_edit_while_a_mail_is_on_its_way_at_the_source_is_followed() {
    let file = |on_change: OnChange, steps: &[&str]| {
        let (first, others) = steps.split_first().unwrap();
        let begun = triggered("cart", "Product Added")
            .per("cart_id")
            .step(first, Span::ZERO, Span::days(3))
            .on_change(on_change);
        (others.iter()).fold(begun, |draft, step| draft.then(step).wait(Span::hours(10)))
    };
    let renamed = |draft: Draft| {
        draft.with(|c| {
            let one = (c.steps.iter_mut()).find(|s| s.id.as_str() == "first");
            one.unwrap().renamed_from = Some(StepId::parse("one").unwrap());
        })
    };
    let edited = |draft: Draft, waits: bool| {
        let on_change = draft.0.entry.on_change;
        let (mut world, mina, somebody, _) = begin(vec![file(on_change, &["one", "two"])]);
        reachable(&mut world, somebody, "somebody@mail.example");
        world.script = Box::new(|a| match (a.step.as_str(), a.attempt) {
            ("one", 1) => (try_later(), Span::hours(2)),
            _ => (accepted(), Span::ZERO),
        });
        world.event(somebody, "Product Added", &[("cart_id", "a")]);
        world.run_for(Span::minutes(1));
        world.merge(somebody, mina);
        world.run_for(Span::minutes(1));
        world.withhold_approval = waits;
        world.adopt(vec![draft]);
        world.run_for(Span::days(3));
        world.approve();
        world.run_for(Span::days(9));
        let done = (world.attempts.iter()).filter(|a| a.attempt > 1 || a.step.as_str() != "one");
        done.map(|a| a.step.to_string()).collect::<Vec<_>>()
    };
    let finish = OnChange::Finish;
    assert_eq!(
        edited(renamed(file(finish, &["first", "two"])), false),
        ["first", "two"]
    );
    // Inserted before their place: not for them.
    assert_eq!(
        edited(file(finish, &["zero", "one", "two"]), false),
        ["one", "two"]
    );
    for waits in [false, true] {
        let longer = file(OnChange::Jump, &["one", "new", "two"]);
        assert_eq!(edited(longer, waits), ["one", "new", "two"], "{waits}");
    }
}
