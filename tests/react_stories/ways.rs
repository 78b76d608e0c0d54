//! Entries of one customer that stand by different steps: those that wait until a jump is approved, beside those that
//! began since; at home, and over a merge.

use crate::world::soundness::check_log;
use crate::world::{Draft, World, accepted, campaign_id, triggered, try_later};
use reveille::domain::campaign::OnChange;
use reveille::domain::id::{CustomerNo, StepId};
use reveille::domain::ledger::Status;
use reveille::domain::moved::Moved;
use reveille::domain::preference::ConsentState;
use reveille::domain::react::{Moves, moves};
use reveille::domain::record::{EntryState, Standing};
use reveille::domain::time::{Span, Timestamp};

const START: &str = "2026-03-02T09:00:00Z";

/// One entry a cart; each step so many hours after the one before.
fn file(steps: &[(&str, i64)]) -> Draft {
    let (first, others) = steps.split_first().unwrap();
    let begun = triggered("cart", "Product Added")
        .per("cart_id")
        .step(first.0, Span::ZERO, Span::days(9))
        .on_change(OnChange::Jump);
    (others.iter()).fold(begun, |draft, (id, hours)| {
        draft.then(id).wait(Span::hours(*hours))
    })
}

fn former() -> Draft {
    file(&[("one", 0), ("two", 100)])
}

fn with_new() -> Draft {
    file(&[("one", 0), ("new", 1), ("two", 100)])
}

fn with_newer() -> Draft {
    file(&[("one", 0), ("newer", 2), ("new", 1), ("two", 100)])
}

fn fill(world: &mut World, no: CustomerNo, cart: &str) {
    world.event(no, "Product Added", &[("cart_id", cart)]);
    world.run_for(Span::ZERO);
}

/// What was sent of a cart, whoever had it, and in which hour.
fn of_cart(world: &World, cart: &str, from: Timestamp) -> Vec<(String, i64)> {
    let began = |r: &&reveille::domain::ledger::LogRow| {
        r.status == Status::Attempting && r.entry.0 == cart && r.attempt <= 1
    };
    let hour = |at: Timestamp| at.since(from).0 / 3_600_000;
    (world.log.iter().filter(began))
        .map(|r| (r.step.as_ref().unwrap().to_string(), hour(r.time)))
        .collect()
}

fn had(pairs: &[(&str, i64)]) -> Vec<(String, i64)> {
    (pairs.iter()).map(|(s, h)| ((*s).to_owned(), *h)).collect()
}

fn standing(world: &World, no: CustomerNo) -> &Standing {
    &world.record(no).campaigns["cart"]
}

fn told(world: &World, no: CustomerNo) -> Moves {
    let rules = &world.rules;
    moves(world.record(no), &rules.campaigns["cart"], rules, world.now)
}

/// Too many would be mailed: somebody has to approve the file in force.
fn waits(world: &mut World) {
    let known = Moved {
        goes_on: world.rules.campaigns["cart"].goes_on(),
        waiting: Some(300),
    };
    world.control(|c| _ = c.moved.insert(campaign_id("cart"), known));
}

/// Mina had a cart ten hours ago, and the edit of the steps since waits.
fn held() -> (World, CustomerNo, Timestamp) {
    let mut world = World::new(START, vec![former()]);
    let mina = world.customer("mina");
    let from = world.now;
    fill(&mut world, mina, "a");
    world.run_for(Span::hours(10));
    world.withhold_approval = true;
    world.adopt(vec![with_new()]);
    waits(&mut world);
    (world, mina, from)
}

#[test]
fn what_begins_while_a_jump_waits_goes_by_the_file_and_the_rest_stays() {
    let (mut world, mina, from) = held();
    let both = Moves {
        behind: true,
        at_once: true,
    };
    assert_eq!(told(&world, mina), both);
    fill(&mut world, mina, "b");
    assert_eq!(standing(&world, mina).ways.len(), 2);
    world.run_for(Span::hours(120));
    assert_eq!(of_cart(&world, "a", from), had(&[("one", 0)]));
    let by_file = had(&[("one", 10), ("new", 11), ("two", 111)]);
    assert_eq!(of_cart(&world, "b", from), by_file);
    // What is over keeps no way; who still waits is counted.
    assert_eq!(standing(&world, mina).ways.len(), 1);
    assert_eq!(told(&world, mina), both);
    world.approve();
    world.run_for(Span::hours(200));
    assert_eq!(
        of_cart(&world, "a", from),
        had(&[("one", 0), ("new", 130), ("two", 230)])
    );
    assert_eq!(of_cart(&world, "b", from), by_file);
    assert_eq!(told(&world, mina), Moves::default());
    assert_eq!(standing(&world, mina).ways, []);
    check_log(&world);
}

/// The event comes again before anything of the entry was sent: it begins anew, by the steps as they stand.
#[test]
fn an_entry_that_begins_anew_while_it_waits_waits_no_longer() {
    let mut world = World::new(START, vec![file(&[("zero", 20), ("two", 100)])]);
    let mina = world.customer("mina");
    world.prefer(mina, |p| {
        p.preferences.pause_until = Some(Some(crate::world::at(START) + Span::hours(9)));
    });
    fill(&mut world, mina, "a");
    world.withhold_approval = true;
    let edited = file(&[("zero", 0), ("new", 1), ("two", 100)]);
    world.adopt(vec![edited]);
    world.run_for(Span::hours(3));
    waits(&mut world);
    let from = world.now;
    fill(&mut world, mina, "a");
    world.run_for(Span::hours(20));
    assert_eq!(of_cart(&world, "a", from), had(&[("zero", 6), ("new", 7)]));
    check_log(&world);
}

#[test]
fn two_edits_piled_up_are_three_ways_and_one_approval_has_all_go_by_the_last() {
    let (mut world, mina, from) = held();
    fill(&mut world, mina, "b");
    world.run_for(Span::minutes(30));
    world.adopt(vec![with_newer()]);
    waits(&mut world);
    fill(&mut world, mina, "c");
    assert_eq!(standing(&world, mina).ways.len(), 3);
    // What was let of the first edit is let of no other.
    let first = Moved {
        goes_on: {
            let mut first = with_new().0;
            first.state = world.rules.campaigns["cart"].state;
            first.goes_on()
        },
        waiting: None,
    };
    world.control(|c| _ = c.moved.insert(campaign_id("cart"), first));
    world.run_for(Span::hours(40));
    assert_eq!(of_cart(&world, "a", from), had(&[("one", 0)]));
    assert_eq!(of_cart(&world, "b", from), had(&[("one", 10)]));
    let of_c = had(&[("one", 10), ("newer", 12), ("new", 13)]);
    assert_eq!(of_cart(&world, "c", from), of_c);
    world.approve();
    assert_eq!(standing(&world, mina).ways.len(), 1);
    world.run_for(Span::hours(300));
    for (cart, one) in [("a", 0), ("b", 10)] {
        let all = had(&[("one", one), ("newer", 50), ("new", 51), ("two", 151)]);
        assert_eq!(of_cart(&world, cart, from), all, "{cart}");
    }
    let of_c = had(&[("one", 10), ("newer", 12), ("new", 13), ("two", 113)]);
    assert_eq!(of_cart(&world, "c", from), of_c);
    check_log(&world);
}

/// Back to the first file: who had stood by it all along goes on in their time, who began since goes by it as an edit.
#[test]
fn a_file_that_is_put_back_has_those_who_stood_by_it_go_on_in_their_time() {
    let (mut world, mina, from) = held();
    fill(&mut world, mina, "b");
    world.run_for(Span::hours(10));
    world.adopt(vec![former()]);
    waits(&mut world);
    world.run_for(Span::hours(85));
    assert_eq!(of_cart(&world, "a", from), had(&[("one", 0), ("two", 100)]));
    assert_eq!(of_cart(&world, "b", from), had(&[("one", 10), ("new", 11)]));
    world.approve();
    world.run_for(Span::hours(200));
    let of_b = had(&[("one", 10), ("new", 11), ("two", 111)]);
    assert_eq!(of_cart(&world, "b", from), of_b);
    check_log(&world);
}

/// Steps get other names in an edit that waits, and the names of before when it is taken back.
#[test]
fn names_of_an_edit_that_is_taken_back_are_taken_back_in_every_way() {
    let (mut world, mina, from) = held();
    let renamed = file(&[("one", 0), ("newer", 2), ("second", 100)])
        .with(|c| c.steps[2].renamed_from = StepId::parse("two").ok());
    world.adopt(vec![renamed]);
    waits(&mut world);
    fill(&mut world, mina, "b");
    world.run_for(Span::hours(5));
    let at = |world: &World| -> Vec<String> {
        let open = standing(world, mina).entries.iter();
        open.filter_map(|e| e.state.step().map(ToString::to_string))
            .collect()
    };
    assert_eq!(at(&world), ["second", "second"]);
    world.adopt(vec![former()]);
    waits(&mut world);
    assert_eq!(at(&world), ["two", "two"]);
    world.approve();
    world.run_for(Span::hours(200));
    assert_eq!(of_cart(&world, "a", from), had(&[("one", 0), ("two", 100)]));
    let of_b = had(&[("one", 10), ("newer", 12), ("two", 112)]);
    assert_eq!(of_cart(&world, "b", from), of_b);
    check_log(&world);
}

/// While the file is away, what is next is told by the steps by which each stands.
#[test]
fn a_mail_that_is_settled_while_the_file_is_away_leads_on_by_its_own_way() {
    let (mut world, mina, from) = held();
    world.script = Box::new(|_| (accepted(), Span::hours(3)));
    fill(&mut world, mina, "b");
    world.run_for(Span::hours(1));
    world.adopt(vec![]);
    world.run_for(Span::hours(4));
    let waits_for = |world: &World, n: usize| match &standing(world, mina).entries[n].state {
        EntryState::Waiting { step, due } => (step.to_string(), *due == Timestamp::NEVER),
        other => panic!("{other:?}"),
    };
    assert_eq!(waits_for(&world, 0), ("two".into(), false));
    assert_eq!(waits_for(&world, 1), ("new".into(), true));
    assert_eq!(standing(&world, mina).ways.len(), 2);
    world.adopt(vec![with_new()]);
    waits(&mut world);
    world.run_for(Span::hours(120));
    assert_eq!(of_cart(&world, "a", from), had(&[("one", 0)]));
    let of_b = of_cart(&world, "b", from);
    assert_eq!(of_b[..2], had(&[("one", 10), ("new", 15)])[..]);
    world.approve();
    world.run_for(Span::hours(200));
    let steps: Vec<String> = of_cart(&world, "a", from)
        .into_iter()
        .map(|s| s.0)
        .collect();
    assert_eq!(steps, ["one", "new", "two"]);
    check_log(&world);
}

/// Somebody whose cart waits turns out to be mina: it waits on with her, and goes on when that is approved, once. Her own,
/// which began since, goes its way.
#[test]
fn a_merge_of_somebody_who_is_held_back_mails_nothing_before_it_is_approved() {
    for under_way in [false, true] {
        let mut world = World::new(START, vec![former()]);
        let (mina, somebody) = (world.customer("mina"), world.stranger("somebody"));
        world.email(somebody, "somebody@mail.example");
        world.consent(somebody, None, ConsentState::Given);
        let from = world.now;
        let takes = Span::hours(if under_way { 30 } else { 0 });
        world.script = Box::new(move |a| match (a.step.as_str(), a.attempt) {
            ("one", 1) => (try_later(), takes),
            _ => (accepted(), Span::ZERO),
        });
        fill(&mut world, somebody, "a");
        world.run_for(Span::hours(10));
        world.withhold_approval = true;
        world.adopt(vec![with_new()]);
        waits(&mut world);
        world.script = Box::new(|_| (accepted(), Span::ZERO));
        fill(&mut world, mina, "b");
        world.merge(somebody, mina);
        world.run_for(Span::hours(150));
        assert_eq!(
            of_cart(&world, "a", from),
            had(&[("one", 0)]),
            "{under_way}"
        );
        let of_b = had(&[("one", 10), ("new", 11), ("two", 111)]);
        assert_eq!(of_cart(&world, "b", from), of_b);
        let held_back = Moves {
            behind: true,
            at_once: true,
        };
        assert_eq!(told(&world, mina), held_back);
        world.approve();
        world.run_for(Span::hours(200));
        let of_a = had(&[("one", 0), ("new", 160), ("two", 260)]);
        assert_eq!(of_cart(&world, "a", from), of_a, "{under_way}");
        assert_eq!(of_cart(&world, "b", from), of_b);
        let by_her = world.log.iter().filter(|r| r.status == Status::Attempting);
        assert!(by_her.skip(2).all(|r| r.customer == mina || r.attempt > 1));
        check_log(&world);
    }
}

/// Two edits wait, and each side has carts by ways of its own, one of them by the same.
#[test]
fn a_merge_over_two_edits_takes_every_way_along() {
    let mut world = World::new(START, vec![former()]);
    let (mina, somebody) = (world.customer("mina"), world.stranger("somebody"));
    let from = world.now;
    world.email(somebody, "somebody@mail.example");
    world.consent(somebody, None, ConsentState::Given);
    fill(&mut world, somebody, "a");
    fill(&mut world, mina, "b");
    world.run_for(Span::hours(10));
    world.withhold_approval = true;
    world.adopt(vec![with_new()]);
    waits(&mut world);
    fill(&mut world, somebody, "c");
    world.run_for(Span::minutes(10));
    world.adopt(vec![with_newer()]);
    waits(&mut world);
    fill(&mut world, mina, "d");
    world.merge(somebody, mina);
    assert_eq!(standing(&world, mina).ways.len(), 3);
    world.run_for(Span::hours(20));
    let sent = |world: &World| ["a", "b", "c", "d"].map(|cart| of_cart(world, cart, from));
    assert_eq!(
        sent(&world),
        [
            had(&[("one", 0)]),
            had(&[("one", 0)]),
            had(&[("one", 10)]),
            had(&[("one", 10), ("newer", 12), ("new", 13)])
        ]
    );
    world.approve();
    world.run_for(Span::hours(300));
    let let_on = |one| had(&[("one", one), ("newer", 30), ("new", 31), ("two", 131)]);
    assert_eq!(
        sent(&world),
        [
            let_on(0),
            let_on(0),
            let_on(10),
            had(&[("one", 10), ("newer", 12), ("new", 13), ("two", 113)])
        ]
    );
    check_log(&world);
}
