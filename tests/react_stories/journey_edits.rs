//! Journeys whose files are edited while customers are under way.

use crate::world::files::{since_entry, triggered};
use crate::world::soundness::check_log;
use crate::world::{Draft, World, accepted, campaign_id, try_later};
use reveille::domain::campaign::{Again, OnChange};
use reveille::domain::cause::{Cause, Liveness};
use reveille::domain::condition::{Condition, MessageCondition, MessageWas};
use reveille::domain::id::{CustomerNo, StepId};
use reveille::domain::ledger::{Reason, Status};
use reveille::domain::moved::Moved;
use reveille::domain::preference::ConsentState;
use reveille::domain::react::{Moves, moves};
use reveille::domain::record::EntryState;
use reveille::domain::time::{Span, Timestamp};

const START: &str = "2026-03-02T09:00:00Z";

/// One at once, each other step so many days after the one before.
fn series(on_change: OnChange, steps: &[(&str, i64)]) -> Draft {
    let (first, others) = steps.split_first().unwrap();
    let begun = triggered("series", "Signed Up").step(first.0, Span::ZERO, Span::days(3));
    (others.iter())
        .fold(begun.wait(Span::days(first.1)), |draft, (id, days)| {
            draft.then(id).wait(Span::days(*days))
        })
        .on_change(on_change)
}

fn begin(draft: Draft) -> (World, CustomerNo, Timestamp) {
    let mut world = World::new(START, vec![draft]);
    let mina = world.customer("mina");
    let now = world.now;
    world.event(mina, "Signed Up", &[]);
    (world, mina, now)
}

/// What was sent, and on which day.
fn sent(world: &World, from: Timestamp) -> Vec<(String, i64)> {
    let day = |at: Timestamp| at.since(from).0 / 86_400_000;
    (world.attempts.iter())
        .map(|a| (a.step.to_string(), day(a.at)))
        .collect()
}

fn had(pairs: &[(&str, i64)]) -> Vec<(String, i64)> {
    (pairs.iter()).map(|(s, d)| ((*s).to_owned(), *d)).collect()
}

const FORMER: &[(&str, i64)] = &[("one", 0), ("two", 7), ("three", 7)];

/// One day on, the file becomes `edited`; then all that comes.
fn edited(on_change: OnChange, steps: &[(&str, i64)]) -> (World, Vec<(String, i64)>) {
    let (mut world, _, from) = begin(series(on_change, FORMER));
    world.run_for(Span::days(1));
    world.adopt(vec![series(on_change, steps)]);
    world.run_for(Span::days(40));
    check_log(&world);
    let sent = sent(&world, from);
    (world, sent)
}

#[test]
fn finish_keeps_what_they_wait_for_and_goes_on_by_the_file_as_it_stands() {
    let finish = |steps: &[(&str, i64)]| edited(OnChange::Finish, steps).1;
    // A shorter wait: the instant stays; the next step's wait is the new one.
    assert_eq!(
        finish(&[("one", 0), ("two", 2), ("three", 3)]),
        had(&[("one", 0), ("two", 7), ("three", 10)])
    );
    // Inserted before their place: not for them. After it: for them, too. Appended: they are not at the end yet.
    assert_eq!(
        finish(&[
            ("one", 0),
            ("new", 1),
            ("two", 7),
            ("newer", 1),
            ("three", 1),
            ("last", 1)
        ]),
        had(&[
            ("one", 0),
            ("two", 7),
            ("newer", 8),
            ("three", 9),
            ("last", 10)
        ])
    );
    // Their step is gone: the next of the former order that is still there, in its time from when the one before was
    // settled; what was inserted before that is not for them.
    assert_eq!(
        finish(&[("one", 0), ("new", 1), ("three", 4)]),
        had(&[("one", 0), ("three", 4)])
    );
    // All that was to come is gone: they have finished.
    assert_eq!(finish(&[("one", 0), ("new", 1)]), had(&[("one", 0)]));
    // A step that they had stands behind them wherever it stands in the file.
    assert_eq!(
        finish(&[("three", 1), ("two", 7), ("one", 1)]),
        had(&[("one", 0), ("two", 7)])
    );
}

#[test]
fn jump_works_out_their_place_anew() {
    let jump = |steps: &[(&str, i64)]| edited(OnChange::Jump, steps).1;
    assert_eq!(
        jump(&[("one", 0), ("two", 2), ("three", 3)]),
        had(&[("one", 0), ("two", 2), ("three", 5)])
    );
    // A wait that is over by now: at once.
    assert_eq!(
        jump(&[("one", 0), ("two", 0), ("three", 3)]),
        had(&[("one", 0), ("two", 1), ("three", 4)])
    );
    assert_eq!(
        jump(&[
            ("zero", 0),
            ("one", 0),
            ("new", 2),
            ("two", 7),
            ("three", 7)
        ]),
        had(&[
            ("one", 0),
            ("zero", 1),
            ("new", 3),
            ("two", 10),
            ("three", 17)
        ])
    );
    // What they had is not had again; the rest comes in the new order.
    assert_eq!(
        jump(&[("three", 2), ("one", 0), ("two", 2)]),
        had(&[("one", 0), ("three", 2), ("two", 4)])
    );
    assert_eq!(
        jump(&[("one", 0), ("new", 3)]),
        had(&[("one", 0), ("new", 3)])
    );
}

#[test]
fn exit_ends_what_is_under_way_with_that_reason() {
    let steps = [("one", 0), ("two", 2), ("three", 3)];
    let (world, all) = edited(OnChange::Exit, &steps);
    assert_eq!(all, had(&[("one", 0)]));
    assert_eq!(world.last_row("series"), "left edited");
}

#[test]
fn an_edit_of_texts_or_of_what_a_change_means_is_no_change() {
    for on_change in [OnChange::Finish, OnChange::Jump, OnChange::Exit] {
        let (mut world, _, from) = begin(series(OnChange::Finish, FORMER));
        world.run_for(Span::days(1));
        world.adopt(vec![series(on_change, FORMER).with(|c| {
            c.name = "Another name".into();
            c.steps[1].template = "another".into();
            c.steps[1].expires = Span::days(5);
        })]);
        world.run_for(Span::days(40));
        assert_eq!(
            sent(&world, from),
            had(&[("one", 0), ("two", 7), ("three", 14)])
        );
    }
}

#[test]
fn an_appended_step_is_not_for_those_who_have_finished() {
    for on_change in [OnChange::Finish, OnChange::Jump, OnChange::Exit] {
        let (mut world, mina, from) = begin(series(on_change, &[("one", 0), ("two", 1)]));
        world.run_for(Span::days(2));
        world.adopt(vec![series(on_change, FORMER)]);
        world.run_for(Span::days(30));
        assert_eq!(sent(&world, from), had(&[("one", 0), ("two", 1)]));
        let entry = &world.record(mina).campaigns["series"].entries[0];
        assert!(matches!(entry.state, EntryState::Finished { .. }));
    }
}

#[test]
fn a_change_is_followed_once_whatever_touches_the_record_first() {
    for cause in [Cause::Walk, Cause::Alarm, Cause::Release] {
        let (mut world, mina, from) = begin(series(OnChange::Jump, FORMER));
        world.run_for(Span::days(1));
        // The new rules are in force; the walk has not come by yet.
        let mut rules = (*world.rules).clone();
        let draft = series(OnChange::Jump, &[("one", 0), ("new", 3), ("two", 7)]);
        rules.campaigns = [(draft.0.id.clone(), std::sync::Arc::new(draft.0))].into();
        rules.version += 1;
        world.rules = std::sync::Arc::new(rules);
        let known = counted(&world, None);
        world.control(|c| _ = c.moved.insert(campaign_id("series"), known));
        world.apply(mina, cause);
        let rows = world.log.len();
        for _ in 0..3 {
            world.apply(mina, Cause::Walk);
        }
        assert_eq!(world.log.len(), rows);
        assert!(world.has("series", Status::Waiting, Reason::Edited));
        world.run_for(Span::days(30));
        assert_eq!(
            sent(&world, from),
            had(&[("one", 0), ("new", 3), ("two", 10)])
        );
    }
}

#[test]
fn a_message_that_waits_is_withdrawn_only_if_its_place_is_another_now() {
    let paused = |world: &mut World, no, until| {
        world.prefer(no, |p| p.preferences.pause_until = Some(Some(until)));
    };
    for (on_change, steps, expected) in [
        (
            OnChange::Finish,
            vec![("one", 0), ("new", 1), ("two", 9)],
            vec![("two", 8)],
        ),
        (
            OnChange::Jump,
            vec![("one", 0), ("new", 1), ("two", 9)],
            vec![("new", 8), ("two", 17)],
        ),
        (
            OnChange::Jump,
            vec![("one", 0), ("two", 9), ("new", 1)],
            vec![("two", 8), ("new", 9)],
        ),
        (
            OnChange::Finish,
            vec![("one", 0), ("three", 5)],
            vec![("three", 8)],
        ),
        (OnChange::Exit, vec![("one", 0), ("two", 9)], vec![]),
    ] {
        let (mut world, mina, from) = begin(series(on_change, FORMER));
        world.run_for(Span::days(1));
        paused(&mut world, mina, from + Span::days(8));
        world.run_for(Span::days(6) + Span::hours(1));
        assert_eq!(world.last_row("series"), "waiting pause");
        world.adopt(vec![series(on_change, &steps)]);
        world.run_for(Span::days(30));
        assert_eq!(
            sent(&world, from)[1..],
            had(&expected),
            "{on_change:?} {steps:?}"
        );
        check_log(&world);
    }
}

#[test]
fn a_message_under_way_comes_to_its_end_before_the_next_place() {
    for (on_change, expected) in [
        (OnChange::Finish, vec!["one", "two", "two", "three"]),
        (OnChange::Jump, vec!["one", "two", "two", "new", "three"]),
        // The customer left: it is not tried again.
        (OnChange::Exit, vec!["one", "two"]),
    ] {
        let (mut world, _, _) = begin(series(on_change, FORMER));
        world.script = Box::new(|a| match (a.step.as_str(), a.attempt) {
            ("two", 1) => (try_later(), Span::minutes(3)),
            _ => (crate::world::accepted(), Span::ZERO),
        });
        world.run_for(Span::days(7) + Span::minutes(1));
        assert_eq!(world.last_row("series"), "attempting policy");
        let steps = [("one", 0), ("new", 1), ("two", 7), ("three", 7)];
        world.adopt(vec![series(on_change, &steps)]);
        world.run_for(Span::days(30));
        let had: Vec<&str> = world.attempts.iter().map(|a| a.step.as_str()).collect();
        assert_eq!(had, expected, "{on_change:?}");
        check_log(&world);
    }
}

#[test]
fn a_file_that_was_away_while_a_message_came_to_its_end_goes_on_when_it_is_back() {
    let (mut world, _, from) = begin(series(OnChange::Finish, FORMER));
    world.script = Box::new(|_| (crate::world::accepted(), Span::hours(2)));
    world.run_for(Span::days(7) + Span::minutes(150));
    world.adopt(vec![]);
    world.run_for(Span::days(1));
    world.adopt(vec![series(OnChange::Finish, FORMER)]);
    world.run_for(Span::days(30));
    assert_eq!(
        sent(&world, from),
        had(&[("one", 0), ("two", 7), ("three", 14)])
    );
}

#[test]
fn a_renamed_step_is_the_same_step() {
    let (mut world, mina, from) = begin(series(OnChange::Jump, FORMER));
    world.run_for(Span::days(8));
    let renamed = series(OnChange::Jump, &[("one", 0), ("second", 7), ("third", 7)]).with(|c| {
        c.steps[1].renamed_from = StepId::parse("two").ok();
        c.steps[2].renamed_from = StepId::parse("three").ok();
    });
    world.adopt(vec![renamed]);
    let left: Vec<&str> = (world.record(mina).sent.iter())
        .map(|m| m.step.as_str())
        .collect();
    assert_eq!(left, ["one", "second"]);
    world.run_for(Span::days(30));
    assert_eq!(
        sent(&world, from),
        had(&[("one", 0), ("two", 7), ("third", 14)])
    );
}

/// A new name is no change of the way, whatever the file says of changes: nobody leaves for it, and what is waited for
/// keeps its instant.
#[test]
fn a_step_that_is_only_renamed_changes_nothing_for_those_under_way() {
    for on_change in [OnChange::Finish, OnChange::Jump, OnChange::Exit] {
        let (mut world, mina, from) = begin(series(on_change, FORMER));
        world.run_for(Span::days(3));
        let renamed = |wait| {
            series(on_change, &[("one", 0), ("second", wait), ("three", 7)])
                .with(|c| c.steps[1].renamed_from = StepId::parse("two").ok())
        };
        world.adopt(vec![renamed(7)]);
        assert!(!world.has("series", Status::Left, Reason::Edited));
        world.run_for(Span::days(30));
        let had = had(&[("one", 0), ("second", 7), ("three", 14)]);
        assert_eq!(sent(&world, from), had, "{on_change:?}");
        assert_eq!(world.count("series", Status::Left), 0);
        // One that is renamed and put off, too, is an edit.
        if on_change == OnChange::Exit {
            world.adopt(vec![series(on_change, FORMER).again(Again::Always)]);
            world.event(mina, "Signed Up", &[]);
            world.run_for(Span::days(1));
            world.adopt(vec![renamed(9)]);
            assert!(world.has("series", Status::Left, Reason::Edited));
        }
        check_log(&world);
    }
}

#[test]
fn a_renamed_file_carries_over_places_messages_and_what_again_counts() {
    let answered = Condition::Message(MessageCondition {
        campaign: campaign_id("renewed"),
        step: StepId::parse("one").unwrap(),
        was: MessageWas::Sent,
        within: None,
        of_entry: false,
    });
    let renewed = || {
        let Draft(mut campaign) = series(OnChange::Finish, FORMER);
        campaign.id = campaign_id("renewed");
        campaign.renamed_from = Some(campaign_id("series"));
        Draft(campaign)
    };
    let other = || crate::world::audience("other", answered.clone());
    let (mut world, mina, from) = begin(series(OnChange::Finish, FORMER));
    // Joon has finished; Suji's second message is being tried again.
    let (joon, suji) = (world.customer("joon"), world.customer("suji"));
    world.event(joon, "Signed Up", &[]);
    world.run_for(Span::days(15));
    world.event(suji, "Signed Up", &[]);
    world.script = Box::new(|a| match (a.step.as_str(), a.attempt) {
        ("two", 1) => (try_later(), Span::ZERO),
        _ => (crate::world::accepted(), Span::ZERO),
    });
    world.run_for(Span::days(7) + Span::minutes(5));
    world.adopt(vec![renewed(), other()]);
    assert!(
        world
            .record(mina)
            .campaigns
            .keys()
            .all(|id| id.as_str() != "series")
    );
    world.run_for(Span::days(30));
    // Nothing was sent twice, and nothing begins anew.
    let suji_had: Vec<(&str, &str)> = (world.attempts.iter())
        .filter(|a| a.customer == suji)
        .filter(|a| a.campaign.as_str() != "other")
        .map(|a| (a.campaign.as_str(), a.step.as_str()))
        .collect();
    assert_eq!(
        suji_had,
        [
            ("series", "one"),
            ("series", "two"),
            ("renewed", "two"),
            ("renewed", "three")
        ]
    );
    for no in [mina, joon, suji] {
        world.event(no, "Signed Up", &[]);
        assert_eq!(world.record(no).campaigns["renewed"].entered, 1);
    }
    world.run_for(Span::days(30));
    assert_eq!(world.count("renewed", Status::Entered), 0);
    assert!(from < world.now);
    check_log(&world);
}

#[test]
fn a_renamed_file_still_knows_its_customers_when_somebody_merges_by_the_old_name() {
    let Draft(mut campaign) = series(OnChange::Finish, FORMER);
    let renewed = {
        campaign.id = campaign_id("renewed");
        campaign.renamed_from = Some(campaign_id("series"));
        Draft(campaign)
    };
    let (mut world, anonymous, _) = begin(series(OnChange::Finish, FORMER));
    let mina = world.customer("known");
    world.run_for(Span::days(1));
    world.adopt(vec![renewed.again(Again::Always)]);
    world.merge(anonymous, mina);
    assert_eq!(world.record(mina).campaigns["renewed"].entries.len(), 1);
    let _ = Liveness::Live;
    world.run_for(Span::days(30));
    let last = world.attempts.last().unwrap();
    assert_eq!((last.customer, last.step.as_str()), (mina, "three"));
}

#[test]
fn an_exit_that_an_edit_adds_goes_before_the_place() {
    let (mut world, mina, _) = begin(series(OnChange::Jump, FORMER));
    world.run_for(Span::days(1));
    world.event(mina, "Order Completed", &[]);
    let steps = [("one", 0), ("new", 0), ("two", 7)];
    world.adopt(vec![
        series(OnChange::Jump, &steps).exit(since_entry("Order Completed", None)),
    ]);
    assert_eq!(world.last_row("series"), "left exit");
    assert_eq!(world.attempts.len(), 1);
}

/// A mail that was attempted stays with the anonymous customer until it is settled, and its entry is told of then: by the
/// steps as they are called by that time.
#[test]
fn an_edit_is_followed_where_a_mail_is_under_way_at_one_who_was_merged() {
    let renamed = |on_change, steps: &[(&str, i64)]| {
        let draft = series(on_change, steps);
        draft.with(|c| c.steps[1].renamed_from = Some(StepId::parse("one").unwrap()))
    };
    let hidden: &[(&str, i64)] = &[("early", 0), ("first", 0), ("two", 7), ("three", 7)];
    for on_change in [OnChange::Finish, OnChange::Exit] {
        let mut world = World::new(START, vec![series(on_change, FORMER)]);
        let (anonymous, mina) = (world.stranger("anonymous"), world.customer("mina"));
        world.script = Box::new(|a| match a.attempt {
            1 if a.step.as_str() == "one" => (try_later(), Span::ZERO),
            _ => (accepted(), Span::ZERO),
        });
        world.email(anonymous, "mina@mail.example");
        world.consent(anonymous, None, ConsentState::Given);
        let from = world.now;
        world.event(anonymous, "Signed Up", &[]);
        world.run_for(Span::minutes(1));
        world.merge(anonymous, mina);
        world.adopt(vec![renamed(on_change, hidden)]);
        world.run_for(Span::days(40));
        let all = had(&[("one", 0), ("first", 0), ("two", 7), ("three", 14)]);
        match on_change {
            OnChange::Exit => {
                assert_eq!(sent(&world, from), all[..1]);
                assert!(world.has("series", Status::Left, Reason::Edited));
            }
            _ => assert_eq!(sent(&world, from), all),
        }
        assert!(world.record(anonymous).messages.is_empty());
        check_log(&world);
    }
}

/// What the guard writes down of the file in force.
fn counted(world: &World, waiting: Option<u64>) -> Moved {
    let goes_on = world.rules.campaigns["series"].goes_on();
    Moved { goes_on, waiting }
}

/// Too many would be mailed at once: nobody moves before it is approved, and a further edit asks anew.
#[test]
fn who_would_jump_stays_until_that_is_let() {
    let (mut world, mina, from) = begin(series(OnChange::Jump, FORMER));
    world.run_for(Span::days(8));
    world.withhold_approval = true;
    let shorter = |days| {
        series(
            OnChange::Jump,
            &[("one", 0), ("two", 7), ("new", days), ("three", 7)],
        )
    };
    world.adopt(vec![shorter(1)]);
    let told = moves(
        world.record(mina),
        &world.rules.campaigns["series"],
        &world.rules,
        world.now,
    );
    let expected = Moves {
        behind: true,
        at_once: true,
    };
    assert_eq!(told, expected);
    let rows = world.log.len();
    for waiting in [None, Some(1)] {
        if waiting.is_some() {
            let known = counted(&world, waiting);
            world.control(|c| _ = c.moved.insert(campaign_id("series"), known));
        }
        for cause in [Cause::Walk, Cause::Alarm, Cause::Release] {
            world.apply(mina, cause);
        }
        world.run_for(Span::days(10));
    }
    assert_eq!(sent(&world, from), had(&[("one", 0), ("two", 7)]));
    assert_eq!(world.log.len(), rows, "nothing was decided of it");
    // What was let of one file is let of no other.
    let known = counted(&world, None);
    world.adopt(vec![shorter(2)]);
    world.control(|c| _ = c.moved.insert(campaign_id("series"), known));
    world.run_for(Span::days(1));
    assert_eq!(world.log.len(), rows);
    world.approve();
    world.run_for(Span::days(30));
    check_log(&world);
    assert_eq!(
        sent(&world, from),
        had(&[("one", 0), ("two", 7), ("new", 29), ("three", 36)])
    );
}

/// What waits to be sent may go, an exit ends it, the former file puts all back; and who comes anew is not kept waiting.
#[test]
fn who_stays_may_leave_and_goes_on_by_the_former_file() {
    let held = |exit: bool| {
        let file = |steps: &[(&str, i64)]| {
            let draft = series(OnChange::Jump, steps);
            match exit {
                true => draft.exit(since_entry("Order Completed", None)),
                false => draft,
            }
        };
        let (mut world, mina, from) = begin(file(FORMER));
        let later = world.now + Span::days(8);
        world.run_for(Span::days(1));
        world.prefer(mina, |p| p.preferences.pause_until = Some(Some(later)));
        world.run_for(Span::days(6));
        world.withhold_approval = true;
        world.adopt(vec![file(&[("one", 0), ("new", 0), ("two", 7)])]);
        world.run_for(Span::days(5));
        assert_eq!(sent(&world, from), had(&[("one", 0), ("two", 8)]));
        let joon = world.customer("joon");
        world.event(joon, "Signed Up", &[]);
        world.run_for(Span::hours(1));
        let of_joon = world.attempts.iter().filter(|a| a.customer == joon);
        assert_eq!(of_joon.count(), 2, "one, and new at once");
        (world, mina, from, file(FORMER))
    };
    let (mut world, mina, ..) = held(true);
    world.event(mina, "Order Completed", &[]);
    assert!(!open_of(&world, mina));
    let (mut world, mina, from, former) = held(false);
    assert!(open_of(&world, mina));
    world.adopt(vec![former]);
    world.run_for(Span::days(30));
    check_log(&world);
    let of_mina = (world.attempts.iter().filter(|a| a.customer == mina))
        .map(|a| (a.step.to_string(), a.at.since(from).0 / 86_400_000));
    assert_eq!(
        of_mina.collect::<Vec<_>>(),
        had(&[("one", 0), ("two", 8), ("three", 15)])
    );
}

fn open_of(world: &World, no: CustomerNo) -> bool {
    let entries = &world.record(no).campaigns["series"].entries;
    entries.iter().any(|e| e.state.is_open())
}

/// Only who would be mailed for it at once is counted.
#[test]
fn who_jumps_to_a_step_to_come_is_not_counted() {
    let after = |days: i64, steps: &[(&str, i64)]| {
        let (mut world, mina, _) = begin(series(OnChange::Jump, FORMER));
        world.run_for(Span::days(days));
        world.withhold_approval = true;
        world.adopt(vec![series(OnChange::Jump, steps)]);
        let rules = &world.rules;
        let told = moves(
            world.record(mina),
            &rules.campaigns["series"],
            rules,
            world.now,
        );
        (told.behind, told.at_once)
    };
    // Not over yet; over by now; a step inserted before their place; one at the end.
    assert_eq!(
        after(3, &[("one", 0), ("two", 5), ("three", 7)]),
        (true, false)
    );
    assert_eq!(
        after(3, &[("one", 0), ("two", 2), ("three", 7)]),
        (true, true)
    );
    assert_eq!(
        after(3, &[("one", 0), ("new", 1), ("two", 7), ("three", 7)]),
        (true, true)
    );
    assert_eq!(
        after(3, &[("one", 0), ("two", 7), ("three", 7), ("last", 0)]),
        (true, false)
    );
    // The same steps; and nobody is under way any more.
    assert_eq!(after(3, FORMER), (false, false));
    assert_eq!(
        after(20, &[("zero", 0), ("one", 0), ("two", 7)]),
        (false, false)
    );
}
