//! Quotas, as one customer after the other meets them.

use crate::world::files::{audience, ever, triggered};
use crate::world::soundness::check_log;
use crate::world::{Draft, World};
use reveille::domain::campaign::Again;
use reveille::domain::id::{CampaignId, CustomerNo};
use reveille::domain::ledger::{Reason, Status};
use reveille::domain::preference::Class;
use reveille::domain::quota::Quota;
use reveille::domain::time::Span;
use std::collections::BTreeSet;

const START: &str = "2026-03-02T09:00:00Z";

fn limited(draft: Draft, quota: &str) -> Draft {
    let quota = Quota::parse(quota).unwrap();
    draft.with(|c| c.limits.quota = Some(quota))
}

fn gift(quota: &str) -> Draft {
    limited(triggered("gift", "Signed Up"), quota)
}

fn people(world: &mut World, many: usize) -> Vec<CustomerNo> {
    (0..many)
        .map(|n| world.customer(&format!("c{n}")))
        .collect()
}

fn entered(world: &World) -> BTreeSet<CustomerNo> {
    let rows = world.log.iter();
    rows.filter(|r| r.status == Status::Entered)
        .map(|r| r.customer)
        .collect()
}

#[test]
fn the_first_so_many_enter_and_the_others_are_told_why_not() {
    let mut world = World::new(START, vec![gift("3")]);
    let people = people(&mut world, 5);
    for no in &people {
        world.event(*no, "Signed Up", &[]);
    }
    world.run_for(Span::days(1));
    assert_eq!(entered(&world), people[..3].iter().copied().collect());
    assert_eq!(world.sent("gift").len(), 3);
    let refused: Vec<CustomerNo> = (world.log.iter())
        .filter(|r| (r.status, r.reason) == (Status::NotDrawn, Reason::Quota))
        .map(|r| r.customer)
        .collect();
    assert_eq!(refused, people[3..]);
    // It is never filled up again; a larger one has places for those who come from then on.
    world.event(people[3], "Signed Up", &[]);
    world.run_for(Span::days(400));
    assert_eq!(entered(&world).len(), 3);
    world.adopt(vec![gift("4")]);
    world.run_for(Span::days(1));
    assert_eq!(entered(&world).len(), 3);
    for no in &people {
        world.event(*no, "Signed Up", &[]);
    }
    world.run_for(Span::days(1));
    assert_eq!(entered(&world), people[..4].iter().copied().collect());
    check_log(&world);
}

#[test]
fn each_period_has_its_places_and_every_entry_takes_one() {
    let draft = || {
        limited(
            triggered("gift", "Signed Up").again(Again::Always),
            "2 per 1d",
        )
    };
    let mut world = World::new(START, vec![draft()]);
    let people = people(&mut world, 3);
    let mut counts = Vec::new();
    for _ in 0..3 {
        for no in &people {
            world.event(*no, "Signed Up", &[]);
            world.run_for(Span::minutes(10));
        }
        counts.push(world.count("gift", Status::Entered));
        // To half past midnight.
        let minutes = world.now.millis() / 60_000 % 1_440;
        world.run_for(Span::minutes(1_440 - minutes + 30));
    }
    assert_eq!(counts, [2, 4, 6]);
    check_log(&world);
}

#[test]
fn a_share_grows_around_those_who_were_in_it() {
    let mut world = World::new(START, vec![gift("30%")]);
    let people = people(&mut world, 200);
    for no in &people {
        world.event(*no, "Signed Up", &[]);
    }
    world.run_for(Span::hours(1));
    let id = CampaignId::parse("gift").unwrap();
    let share = |text: &str| -> BTreeSet<CustomerNo> {
        let quota = Quota::parse(text).unwrap();
        let all = people.iter().copied();
        all.filter(|no| quota.admits(&world.rules.salt, &id, *no))
            .collect()
    };
    let (small, large) = (share("30%"), share("60%"));
    assert!((40..80).contains(&small.len()) && small.is_subset(&large));
    assert_eq!(entered(&world), small);
    world.adopt(vec![gift("60%")]);
    for no in &people {
        world.event(*no, "Signed Up", &[]);
    }
    world.run_for(Span::hours(1));
    assert_eq!(entered(&world), large);
    check_log(&world);
}

/// Who finds no place as the audience begins to hold enters when it begins to hold again.
#[test]
fn an_edge_without_a_place_is_over() {
    let draft = limited(audience("gift", ever("Order Completed")), "1");
    let mut world = World::new(START, vec![draft]);
    let people = people(&mut world, 2);
    for no in &people {
        world.event(*no, "Order Completed", &[]);
    }
    world.run_for(Span::days(2));
    assert_eq!(entered(&world), [people[0]].into());
    assert_eq!(world.count("gift", Status::NotDrawn), 1);
    check_log(&world);
}

#[test]
fn transactional_mail_knows_no_quota() {
    let draft = gift("1").class(Class::Transactional);
    let mut world = World::new(START, vec![draft]);
    let people = people(&mut world, 3);
    for no in &people {
        world.event(*no, "Signed Up", &[]);
    }
    world.run_for(Span::hours(1));
    assert_eq!(entered(&world).len(), 3);
}
