//! Campaigns that start by a date of the profile.

use crate::world::files::{dated, tagged};
use crate::world::soundness::check_log;
use crate::world::{Draft, World, at};
use reveille::domain::campaign::Again;
use reveille::domain::cause::{Cause, Liveness, ProfileChange};
use reveille::domain::id::CustomerNo;
use reveille::domain::ledger::{Reason, Status};
use reveille::domain::time::Span;
use reveille::domain::value::Value;

const START: &str = "2026-03-02T09:00:00Z";

/// Three days before the birthday, at nine in the morning.
fn birthday() -> Draft {
    dated("birthday", "birthday", true, -3, "09:00")
}

fn born(world: &mut World, no: CustomerNo, day: &str) {
    let day = Value::Text(day.to_owned());
    world.profile(no, |p| _ = p.attributes.insert("birthday".into(), day));
}

fn lives_in(world: &mut World, no: CustomerNo, zone: &str) {
    let zone = zone.parse().unwrap();
    world.profile(no, |p| p.preferences.timezone = Some(Some(zone)));
}

#[test]
fn a_birthday_mail_goes_once_a_year_on_the_customers_own_clock() {
    let mut world = World::new(START, vec![birthday()]);
    let mina = world.customer("mina");
    lives_in(&mut world, mina, "Asia/Seoul");
    born(&mut world, mina, "1990-05-17");
    world.run_for(Span::days(800));
    // Nine in Seoul is midnight in UTC.
    assert_eq!(
        world.sent("birthday"),
        [at("2026-05-14T00:00:00Z"), at("2027-05-14T00:00:00Z")]
    );
    let keys: Vec<&str> = (world.attempts.iter())
        .map(|a| a.entry.0.as_str())
        .collect();
    assert_eq!(keys, ["2026-05-17", "2027-05-17"]);
    assert!(world.has("birthday", Status::Entered, Reason::Date));
    check_log(&world);
}

#[test]
fn an_hour_that_the_clock_leaps_over_is_met_right_after_it() {
    let draft = dated("birthday", "birthday", true, 0, "02:30");
    let mut world = World::new(START, vec![draft]);
    let mina = world.customer("mina");
    lives_in(&mut world, mina, "America/New_York");
    born(&mut world, mina, "03-08");
    world.run_for(Span::days(20));
    assert_eq!(world.sent("birthday"), [at("2026-03-08T07:00:00Z")]);
}

#[test]
fn a_birthday_that_is_corrected_moves_and_one_that_was_met_does_not_come_again() {
    let mut world = World::new(START, vec![birthday()]);
    let mina = world.customer("mina");
    born(&mut world, mina, "1990-05-17");
    world.run_for(Span::days(10));
    born(&mut world, mina, "1990-04-17");
    world.run_for(Span::days(60));
    assert_eq!(world.sent("birthday"), [at("2026-04-14T09:00:00Z")]);
    // Whoever changes it every week gets no mail every week.
    born(&mut world, mina, "1990-05-20");
    world.run_for(Span::days(200));
    assert_eq!(world.sent("birthday").len(), 1);
    world.run_for(Span::days(300));
    assert_eq!(world.sent("birthday")[1..], [at("2027-05-17T09:00:00Z")]);
}

#[test]
fn each_later_renewal_is_met_where_the_date_comes_once() {
    let draft = dated("renewal", "birthday", false, -7, "10:00").again(Again::Never);
    let mut world = World::new(START, vec![draft]);
    let mina = world.customer("mina");
    born(&mut world, mina, "2026-03-20");
    world.run_for(Span::days(30));
    born(&mut world, mina, "2026-06-20");
    world.run_for(Span::days(100));
    assert_eq!(
        world.sent("renewal"),
        [at("2026-03-13T10:00:00Z"), at("2026-06-13T10:00:00Z")]
    );
}

#[test]
fn after_downtime_it_is_made_up_for_while_it_is_fresh() {
    for (down, sent) in [(23, 1), (25, 0)] {
        let mut world = World::new(START, vec![birthday()]);
        let mina = world.customer("mina");
        born(&mut world, mina, "03-10");
        world.run_until(at("2026-03-07T08:00:00Z"));
        world.down_until(at("2026-03-07T09:00:00Z") + Span::hours(down));
        world.run_for(Span::days(30));
        assert_eq!(world.sent("birthday").len(), sent, "down for {down} hours");
    }
}

#[test]
fn history_starts_nothing_and_what_it_tells_is_met_next_year() {
    let mut world = World::new(START, vec![birthday()]);
    let mina = world.customer("mina");
    // Today at nine it was three days to her birthday; at ten an import tells of it.
    world.run_until(at("2026-03-07T10:00:00Z"));
    let change = ProfileChange {
        attributes: [("birthday".to_owned(), Value::Text("1990-03-10".into()))].into(),
        ..ProfileChange::default()
    };
    world.apply(mina, Cause::Profile(Box::new(change), Liveness::History));
    world.run_for(Span::hours(1));
    world.event(mina, "Visited", &[]);
    world.run_for(Span::days(300));
    assert!(world.sent("birthday").is_empty());
    world.run_for(Span::days(100));
    assert_eq!(world.sent("birthday"), [at("2027-03-07T09:00:00Z")]);
    // Told live in the morning of the day, it starts at once.
    let joon = world.customer("joon");
    world.run_until(at("2028-03-07T10:00:00Z"));
    born(&mut world, joon, "03-10");
    assert_eq!(world.sent("birthday").last(), Some(&world.now));
}

#[test]
fn who_is_not_in_the_audience_when_the_date_comes_is_not_entered_later() {
    let mut world = World::new(START, vec![birthday().of(tagged("vip"))]);
    let mina = world.customer("mina");
    born(&mut world, mina, "03-10");
    world.run_until(at("2026-03-07T09:30:00Z"));
    world.tag(mina, "vip", true);
    world.run_for(Span::days(200));
    assert!(world.sent("birthday").is_empty());
    world.run_for(Span::days(200));
    assert_eq!(world.sent("birthday"), [at("2027-03-07T09:00:00Z")]);
}

#[test]
fn a_campaign_that_is_new_enters_those_whose_date_comes_after_it() {
    let mut world = World::new(START, vec![]);
    let mina = world.customer("mina");
    born(&mut world, mina, "03-10");
    let joon = world.customer("joon");
    born(&mut world, joon, "03-11");
    world.run_until(at("2026-03-07T12:00:00Z"));
    world.adopt(vec![birthday()]);
    world.run_for(Span::days(30));
    assert_eq!(world.sent("birthday"), [at("2026-03-08T09:00:00Z")]);
}
