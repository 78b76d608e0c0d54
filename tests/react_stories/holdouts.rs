//! Holdouts and the control group: who is not written to, when that is said, and what goes on all the same.

use crate::world::files::{shop, window};
use crate::world::soundness::check_log;
use crate::world::{Draft, World, at, campaign_id, triggered};
use reveille::domain::campaign::Again;
use reveille::domain::holdout::{Drawn, Share, is_control};
use reveille::domain::id::CustomerNo;
use reveille::domain::ledger::{Reason, Status};
use reveille::domain::preference::Class;
use reveille::domain::record::EntryState;
use reveille::domain::time::{Span, Timestamp};

const START: &str = "2026-03-02T05:00:00Z";

fn series() -> Draft {
    triggered("series", "Signed Up")
        .step("one", Span::ZERO, Span::days(3))
        .then("two")
        .wait(Span::days(2))
}

/// Forty customers, of whom all sign up at once.
fn forty(world: &mut World, events: &[&str]) -> Vec<CustomerNo> {
    let all: Vec<CustomerNo> = (0..40).map(|n| world.customer(&format!("c{n}"))).collect();
    world.run_for(Span::minutes(1));
    for no in &all {
        events.iter().for_each(|e| world.event(*no, e, &[]));
    }
    all
}

fn is_held_out(world: &World, no: CustomerNo, campaign: &str) -> bool {
    let rules = &world.rules;
    Drawn::of(no, &rules.campaigns[&campaign_id(campaign)], rules).holdout
}

/// What became of each customer's messages, with the instants.
fn ends(world: &World, no: CustomerNo, status: Status) -> Vec<(String, Timestamp)> {
    let rows = world.log.iter().filter(|r| r.customer == no);
    rows.filter(|r| r.status == status)
        .map(|r| (r.step.as_ref().unwrap().to_string(), r.time))
        .collect()
}

#[test]
fn who_is_held_out_gets_nothing_and_goes_on_as_if_it_had_been_settled() {
    let mut shop = shop();
    shop.window = Some(window("Mon-Sun 09:00-21:00"));
    let draft = series()
        .holdout("40%")
        .goal("Order Completed", Span::days(7));
    let mut world = World::with_shop(at(START), shop, vec![draft]);
    let all = forty(&mut world, &["Signed Up"]);
    world.run_for(Span::days(9));
    let nine = at("2026-03-02T09:00:00Z");
    let left = |step: &str, after| (step.to_owned(), nine + after);
    let expected = [left("one", Span::ZERO), left("two", Span::days(2))];
    let (mut held, mut sent) = (0, 0);
    for no in all {
        let (status, other) = match is_held_out(&world, no, "series") {
            true => (Status::HeldOut, Status::Attempting),
            false => (Status::Attempting, Status::HeldOut),
        };
        held += u32::from(status == Status::HeldOut);
        sent += u32::from(status == Status::Attempting);
        assert_eq!(ends(&world, no, status), expected);
        assert_eq!(ends(&world, no, other), []);
        let record = world.record(no);
        let standing = &record.campaigns[&campaign_id("series")];
        assert_eq!(standing.entered, 1);
        let entry = &standing.entries[0];
        assert!(entry.counted && matches!(entry.state, EntryState::Finished { .. }));
        // The goal's time runs for both, from the same instants.
        let windows: Vec<_> = record.goals.windows().map(|w| (w.left, w.until)).collect();
        let week = Span::days(7);
        assert_eq!(
            windows,
            expected.clone().map(|(_, at)| (at, at + week)).to_vec()
        );
        let remembered = record.sent.iter().count();
        assert_eq!(remembered, if status == Status::HeldOut { 0 } else { 2 });
    }
    assert!(held > 5 && sent > 5, "{held} {sent}");
    assert!(world.has("series", Status::HeldOut, Reason::Holdout));
    let row = world
        .log
        .iter()
        .find(|r| r.status == Status::HeldOut)
        .unwrap();
    assert_eq!(row.detail, "40 % of its customers");
    assert_eq!(row.goal_until, Some(row.time + Span::days(7)));
    check_log(&world);
}

#[test]
fn a_share_that_changes_moves_nobody_who_is_on_the_way() {
    let again = |draft: Draft| draft.again(Again::Always);
    let mut world = World::new(START, vec![again(series().holdout("30%"))]);
    let all = forty(&mut world, &["Signed Up"]);
    world.run_for(Span::days(1));
    let before: Vec<bool> = (all.iter())
        .map(|no| is_held_out(&world, *no, "series"))
        .collect();
    world.adopt(vec![again(series().holdout("70%"))]);
    world.run_for(Span::days(4));
    for (no, held) in all.iter().zip(&before) {
        let steps = ends(&world, *no, Status::HeldOut).len();
        assert_eq!(steps, if *held { 2 } else { 0 });
    }
    // Their next entry goes by the share in force; whoever was held out by the smaller one is held out by the larger.
    all.iter().for_each(|no| world.event(*no, "Signed Up", &[]));
    world.run_for(Span::days(4));
    let mut joined = 0;
    for (no, held) in all.iter().zip(&before) {
        let now = is_held_out(&world, *no, "series");
        assert!(now || !held);
        joined += u32::from(now && !held);
        let steps = ends(&world, *no, Status::HeldOut).len();
        assert_eq!(steps, 2 * usize::from(*held) + 2 * usize::from(now));
    }
    assert!(joined > 5, "{joined}");
    check_log(&world);
}

#[test]
fn a_holdout_that_is_begun_or_ended_on_the_way_changes_the_next_entry_only() {
    let mut world = World::new(START, vec![series()]);
    let all = forty(&mut world, &["Signed Up"]);
    world.run_for(Span::hours(1));
    world.adopt(vec![series().holdout("99%")]);
    world.run_for(Span::days(4));
    assert_eq!(world.count("series", Status::HeldOut), 0);
    assert_eq!(world.attempts.len(), 2 * all.len());
}

#[test]
fn the_control_group_gets_no_advertising_of_any_campaign_and_all_else() {
    let mut shop = shop();
    shop.control = Some(Share::parse("50%").unwrap());
    let of = |name: &str, class| triggered(name, "Signed Up").class(class);
    let drafts = vec![
        of("first", Class::Advertising).holdout("50%"),
        of("second", Class::Advertising),
        of("news", Class::Informational),
        of("receipt", Class::Transactional),
    ];
    let mut world = World::with_shop(at(START), shop, drafts);
    let all = forty(&mut world, &["Signed Up"]);
    world.run_for(Span::days(2));
    let (mut both, mut control) = (0, 0);
    for no in all {
        let reasons = |campaign: &str| -> Vec<Reason> {
            let rows = world.log.iter().filter(|r| r.customer == no);
            let rows = rows.filter(|r| r.campaign.as_str() == campaign);
            rows.filter(|r| matches!(r.status, Status::HeldOut | Status::Accepted))
                .map(|r| r.reason)
                .collect()
        };
        let in_control = is_control(no, &world.rules);
        let held = is_held_out(&world, no, "first");
        both += u32::from(in_control && held);
        control += u32::from(in_control);
        let first = match (in_control, held) {
            (true, _) => Reason::Control,
            (false, true) => Reason::Holdout,
            (false, false) => Reason::Accepted,
        };
        assert_eq!(reasons("first"), [first]);
        let second = if in_control {
            Reason::Control
        } else {
            Reason::Accepted
        };
        assert_eq!(reasons("second"), [second]);
        assert_eq!(reasons("news"), [Reason::Accepted]);
        assert_eq!(reasons("receipt"), [Reason::Accepted]);
    }
    assert!((10..30).contains(&control) && both > 2, "{control} {both}");
    check_log(&world);
}

#[test]
fn what_is_held_out_takes_no_place_and_goes_in_the_same_order() {
    let mut shop = shop();
    shop.caps = crate::world::files::caps(&["1 per 7d"]);
    let of = |name: &str| triggered(name, "Signed Up").step("mail", Span::ZERO, Span::days(2));
    let drafts = vec![of("a").priority(9).holdout("50%"), of("b")];
    let mut world = World::with_shop(at(START), shop, drafts);
    let all = forty(&mut world, &["Signed Up"]);
    world.run_for(Span::days(4));
    let mut held = 0;
    for no in all {
        let status = |campaign: &str| {
            let rows = world.log.iter().filter(|r| r.customer == no);
            let mut rows = rows.filter(|r| r.campaign.as_str() == campaign);
            rows.rfind(|r| r.message.is_some()).unwrap().status
        };
        let found = (status("a"), status("b"));
        match is_held_out(&world, no, "a") {
            // The first takes the only place ...
            false => assert_eq!(found, (Status::Accepted, Status::Dropped)),
            // ... or leaves it to the second.
            true => assert_eq!(found, (Status::HeldOut, Status::Accepted)),
        }
        held += u32::from(found.0 == Status::HeldOut);
        let address = world.record(no).email.clone().unwrap();
        assert_eq!(world.mailbox(address.as_str()).places.len(), 1);
    }
    assert!(held > 5, "{held}");
}

#[test]
fn who_could_not_have_been_written_to_is_not_held_out() {
    let mut world = World::new(
        START,
        vec![triggered("series", "Signed Up").holdout("99.9%")],
    );
    let nobody = world.stranger("nobody");
    world.run_for(Span::minutes(1));
    world.event(nobody, "Signed Up", &[]);
    world.run_for(Span::days(1));
    assert_eq!(world.last_row("series"), "dropped no_address");
    assert_eq!(world.count("series", Status::HeldOut), 0);
}
