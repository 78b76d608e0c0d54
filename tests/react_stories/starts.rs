//! Schedules, edges of audiences, `again`, `existing`, states, approval.

use crate::world::files::{dormant, ever, none, since_entry, tagged};
use crate::world::soundness::check_log;
use crate::world::{Draft, World, at, audience, scheduled, triggered};
use chrono_tz::Tz;
use reveille::domain::campaign::{Act, Again, CampaignState, Existing};
use reveille::domain::cause::Cause;
use reveille::domain::condition::Condition;
use reveille::domain::explain::explain;
use reveille::domain::id::{CustomerNo, TagName};
use reveille::domain::ledger::{Reason, Status};
use reveille::domain::preference::ConsentState;
use reveille::domain::time::Span;
use reveille::domain::value::Value;

const START: &str = "2026-03-02T09:00:00Z";

fn daily() -> Draft {
    scheduled("daily", "0 10 * * *", tagged("vip")).existing(Existing::Enter)
}

fn vip(draft: Draft) -> (World, CustomerNo) {
    let mut world = World::new(START, vec![draft]);
    let mina = world.customer("mina");
    world.tag(mina, "vip", true);
    (world, mina)
}

#[test]
fn a_schedule_enters_those_whose_audience_holds_once_each() {
    let (mut world, _) = vip(daily());
    let joon = world.customer("joon");
    world.run_for(Span::days(2));
    world.tag(joon, "vip", true);
    world.run_for(Span::days(5));
    assert_eq!(
        world.sent("daily"),
        [at("2026-03-02T10:00:00Z"), at("2026-03-04T10:00:00Z")]
    );
    assert!(world.has("daily", Status::Entered, Reason::Schedule));
}

#[test]
fn a_customer_who_moves_meets_each_local_time_once() {
    let (mut world, mina) = vip(daily().again(Again::Always));
    let to = |world: &mut World, zone: Tz| {
        world.prefer(mina, |p| p.preferences.timezone = Some(Some(zone)));
    };
    to(&mut world, Tz::Asia__Seoul);
    // 10:00 in Seoul on the 3rd is 01:00 UTC; then she flies west, where it is 10:00 on the 3rd again.
    world.run_until(at("2026-03-03T02:00:00Z"));
    to(&mut world, Tz::America__Los_Angeles);
    world.run_until(at("2026-03-04T17:00:00Z"));
    // 10:00 on the 4th in Los Angeles is 18:00 UTC; she flies east before: in Seoul that time is past.
    to(&mut world, Tz::Asia__Seoul);
    world.run_until(at("2026-03-06T00:00:00Z"));
    assert_eq!(
        world.sent("daily"),
        [at("2026-03-03T01:00:00Z"), at("2026-03-05T01:00:00Z")]
    );
}

#[test]
fn a_schedule_in_a_fixed_zone_fires_by_that_clock() {
    let (mut world, _) = vip(daily().fixed(Tz::Asia__Seoul));
    world.run_for(Span::days(3));
    assert_eq!(world.sent("daily"), [at("2026-03-03T01:00:00Z")]);
}

#[test]
fn after_downtime_a_schedule_fires_once_at_the_real_now() {
    let (mut world, _) = vip(daily().again(Again::Always));
    world.run_until(at("2026-03-02T09:30:00Z"));
    world.down_until(at("2026-03-07T11:00:00Z"));
    assert_eq!(world.sent("daily"), [at("2026-03-07T11:00:00Z")]);
}

#[test]
fn what_came_and_went_during_downtime_is_not_sent() {
    // Dormant for 10 to 12 days: the alarm would have rung on day 10.
    let between = Condition::All(vec![
        dormant("Order Completed", Span::days(10)),
        none("Order Completed", Some(Span::days(5))),
        Condition::Not(Box::new(dormant("Order Completed", Span::days(12)))),
    ]);
    for (back_after, entered) in [(Span::days(11), 1), (Span::days(13), 0)] {
        let mut world = World::new(START, vec![audience("wake", between.clone())]);
        let mina = world.customer("mina");
        world.event(mina, "Order Completed", &[]);
        world.run_for(Span::days(1));
        world.down_until(at(START) + back_after);
        world.run_for(Span::days(30));
        assert_eq!(world.count("wake", Status::Entered), entered);
        assert_eq!(world.sent("wake").len(), entered);
    }
}

#[test]
fn expiry_counts_from_when_the_step_fell_due_also_after_downtime() {
    let draft = triggered("t", "Visited").step("s", Span::days(1), Span::days(3));
    for (days, last) in [(3, "accepted accepted"), (4, "expired expired")] {
        let mut world = World::new(START, vec![draft.clone()]);
        let mina = world.customer("mina");
        world.event(mina, "Visited", &[]);
        world.down_until(at(START) + Span::days(days));
        assert_eq!(world.last_row("t"), last);
        check_log(&world);
    }
}

#[test]
fn a_customer_enters_when_the_audience_begins_to_hold_live() {
    let mut world = World::new(START, vec![audience("edge", tagged("vip"))]);
    let mina = world.customer("mina");
    world.run_for(Span::days(1));
    assert!(world.sent("edge").is_empty());
    world.tag(mina, "vip", true);
    assert_eq!(world.sent("edge"), [world.now]);
    world.run_for(Span::days(9));
    assert_eq!(world.sent("edge").len(), 1);
}

#[test]
fn a_customer_enters_at_the_instant_at_which_time_alone_makes_the_audience_hold() {
    let draft = audience("dormant", dormant("Order Completed", Span::days(90)));
    let mut world = World::new(START, vec![draft.again(Again::Always)]);
    let mina = world.customer("mina");
    world.event(mina, "Order Completed", &[]);
    world.run_for(Span::days(100));
    world.event(mina, "Order Completed", &[]);
    world.run_for(Span::days(100));
    let start = at(START);
    assert_eq!(
        world.sent("dormant"),
        [start + Span::days(90), start + Span::days(190)]
    );
}

#[test]
fn history_sets_the_remembered_answer_only() {
    let draft = audience("buyers", ever("Order Completed"));
    let mut world = World::new(START, vec![draft.again(Again::Always)]);
    let mina = world.customer("mina");
    world.history(mina, "Order Completed", at("2025-01-01T00:00:00Z"));
    world.run_for(Span::days(1));
    world.event(mina, "Order Completed", &[]);
    world.run_for(Span::days(9));
    assert_eq!(world.count("buyers", Status::Entered), 0);
}

#[test]
fn again_after_leaving_wants_the_audience_to_have_failed_since() {
    let (mut world, mina) = vip(daily().again(Again::AfterLeaving));
    world.run_for(Span::days(5));
    assert_eq!(world.sent("daily").len(), 1);
    world.tag(mina, "vip", false);
    world.run_for(Span::days(1));
    world.tag(mina, "vip", true);
    world.run_for(Span::days(5));
    assert_eq!(world.sent("daily").len(), 2);
}

#[test]
fn a_trigger_may_let_in_again_after_leaving() {
    let draft = triggered("t", "Visited")
        .of(tagged("vip"))
        .again(Again::AfterLeaving);
    let (mut world, mina) = vip(draft);
    for _ in 0..3 {
        world.event(mina, "Visited", &[]);
        world.run_for(Span::days(1));
    }
    assert_eq!(world.sent("t").len(), 1);
    world.tag(mina, "vip", false);
    world.tag(mina, "vip", true);
    world.event(mina, "Visited", &[]);
    assert_eq!(world.sent("t").len(), 2);
}

#[test]
fn again_by_time_and_always_for_a_schedule() {
    for (again, days) in [
        (Again::Always, vec![0, 1, 2, 3, 4, 5, 6]),
        (Again::After(Span::days(3)), vec![0, 3, 6]),
        (Again::Never, vec![0]),
    ] {
        let (mut world, _) = vip(daily().again(again));
        world.run_for(Span::days(7));
        let first = at("2026-03-02T10:00:00Z");
        let wanted: Vec<_> = days.iter().map(|d| first + Span::days(*d)).collect();
        assert_eq!(world.sent("daily"), wanted, "{again:?}");
    }
}

#[test]
fn an_entry_dropped_for_want_of_an_address_is_due_again_when_a_cause_cures_it() {
    let mut world = World::new(START, vec![daily()]);
    let mina = world.stranger("mina");
    world.consent(mina, None, ConsentState::Given);
    world.tag(mina, "vip", true);
    world.run_for(Span::days(4));
    assert_eq!(world.count("daily", Status::Entered), 1);
    assert_eq!(world.last_row("daily"), "dropped no_address");
    assert!(world.record(mina).index().due.is_empty());
    world.email(mina, "mina@mail.example");
    world.run_for(Span::days(4));
    assert_eq!(world.sent("daily"), [at("2026-03-06T10:00:00Z")]);
}

fn forty_vips(existing: Existing, start: fn(&str) -> Draft) -> World {
    let mut world = World::new(START, vec![]);
    for n in 0..40 {
        let no = world.customer(&format!("c{n}"));
        world.tag(no, "vip", true);
    }
    world.run_for(Span::days(1));
    world.adopt(vec![
        start("new").existing(existing).again(Again::AfterLeaving),
    ]);
    world
}

fn by_schedule(name: &str) -> Draft {
    scheduled(name, "0 10 * * *", tagged("vip"))
}

fn by_audience(name: &str) -> Draft {
    audience(name, tagged("vip"))
}

#[test]
fn those_who_held_at_the_start_are_skipped_entered_or_paced() {
    for start in [by_schedule as fn(&str) -> Draft, by_audience] {
        let mut world = forty_vips(Existing::Skip, start);
        world.run_for(Span::days(30));
        assert_eq!(world.count("new", Status::Entered), 0);
        // Leaving and coming back is a new beginning.
        let first = CustomerNo(1);
        world.tag(first, "vip", false);
        world.tag(first, "vip", true);
        world.run_for(Span::days(2));
        assert_eq!(world.count("new", Status::Entered), 1);

        let mut world = forty_vips(Existing::Enter, start);
        world.run_for(Span::days(1));
        assert_eq!(world.count("new", Status::Entered), 40);
        assert!(world.has("new", Status::Entered, Reason::Existing));

        let pace = Existing::Pace {
            count: 10,
            per: Span::days(1),
        };
        let mut world = forty_vips(pace, start);
        let mut a_day = vec![world.count("new", Status::Entered)];
        for _ in 0..5 {
            let before = world.count("new", Status::Entered);
            world.run_for(Span::days(1));
            a_day.push(world.count("new", Status::Entered) - before);
        }
        assert_eq!(a_day.iter().sum::<usize>(), 40, "{a_day:?}");
        assert!(a_day.iter().all(|n| *n <= 18), "{a_day:?}");
        assert!(a_day.iter().filter(|n| **n > 0).count() >= 4, "{a_day:?}");
    }
}

#[test]
fn a_campaign_that_awaits_approval_enters_nobody_until_it_has_it() {
    for start in [by_schedule as fn(&str) -> Draft, by_audience] {
        let mut world = World::new(START, vec![]);
        let mina = world.customer("mina");
        let joon = world.customer("joon");
        world.tag(mina, "vip", true);
        world.withhold_approval = true;
        world.adopt(vec![start("new").existing(Existing::Enter)]);
        world.run_for(Span::days(2));
        world.tag(joon, "vip", true);
        world.run_for(Span::days(2));
        assert_eq!(world.count("new", Status::Entered), 0);
        world.approve();
        world.run_for(Span::days(2));
        assert_eq!(world.count("new", Status::Entered), 2);
    }
}

#[test]
fn who_joins_the_audience_of_a_skipping_campaign_before_it_is_live_counts_as_entered() {
    let mut world = World::new(START, vec![]);
    let mina = world.customer("mina");
    world.withhold_approval = true;
    world.adopt(vec![by_audience("new")]);
    world.tag(mina, "vip", true);
    world.approve();
    world.tag(mina, "vip", false);
    world.tag(mina, "vip", true);
    // `again` is "never", and being there at the start counts as an entry.
    assert_eq!(world.count("new", Status::Entered), 0);
}

#[test]
fn an_edit_while_some_still_wait_for_their_pace_does_not_forget_them() {
    let slow = Existing::Pace {
        count: 1,
        per: Span::days(1),
    };
    for start in [by_schedule as fn(&str) -> Draft, by_audience] {
        let mut world = forty_vips(slow, start);
        world.run_for(Span::days(2));
        let before = world.count("new", Status::Entered);
        assert!(before < 40);
        let other = Condition::All(vec![tagged("vip")]);
        world.adopt(vec![start("new").of(other).existing(Existing::Enter)]);
        world.run_for(Span::days(2));
        assert_eq!(world.count("new", Status::Entered), 40);
    }
}

#[test]
fn a_draft_enters_nobody_and_a_test_only_those_marked() {
    let drafts = |state| {
        vec![
            audience("edge", tagged("vip")).state(state),
            daily().state(state),
            triggered("t", "Visited").state(state),
        ]
    };
    for (state, who) in [
        (CampaignState::Draft, vec![]),
        (CampaignState::Test, vec![2]),
        (CampaignState::Live, vec![1, 2]),
    ] {
        let mut world = World::new(START, drafts(state));
        let mina = world.customer("mina");
        let tess = world.customer("tess");
        world.profile(tess, |p| {
            p.attributes.insert("test".into(), Value::Bool(true));
        });
        for no in [mina, tess] {
            world.tag(no, "vip", true);
            world.event(no, "Visited", &[]);
        }
        world.run_for(Span::days(3));
        for campaign in ["edge", "daily", "t"] {
            let mut entered: Vec<u64> = (world.log.iter())
                .filter(|r| r.campaign.as_str() == campaign && r.status == Status::Entered)
                .map(|r| r.customer.0)
                .collect();
            entered.sort();
            assert_eq!(entered, who, "{campaign} {state:?}");
        }
    }
}

#[test]
fn a_customer_no_longer_marked_as_test_stands_in_no_due_index() {
    let (mut world, mina) = vip(daily().state(CampaignState::Test));
    let mark = |world: &mut World, is: bool| {
        world.profile(mina, |p| {
            p.attributes.insert("test".into(), Value::Bool(is));
        });
    };
    mark(&mut world, true);
    assert_eq!(world.record(mina).index().due.len(), 1);
    mark(&mut world, false);
    assert!(world.record(mina).index().due.is_empty());
}

#[test]
fn an_occurrence_met_once_enters_nobody_twice() {
    let (mut world, mina) = vip(daily().again(Again::Always));
    world.run_until(at("2026-03-02T10:00:00Z"));
    let cause = Cause::Fires {
        campaign: crate::world::campaign_id("daily"),
        occurrence: "2026-03-02T10:00:00".parse().unwrap(),
    };
    world.apply(mina, cause);
    world.run_for(Span::hours(2));
    assert_eq!(world.sent("daily").len(), 1);
}

#[test]
fn who_leaves_by_an_exit_is_due_again_from_that_very_cause() {
    let exit = since_entry("Order Completed", None);
    let draft = daily()
        .again(Again::Always)
        .step("s", Span::days(9), Span::days(1))
        .exit(exit);
    let (mut world, mina) = vip(draft);
    world.run_until(at("2026-03-02T10:00:00Z"));
    assert!(world.record(mina).index().due.is_empty());
    world.event(mina, "Order Completed", &[]);
    assert_eq!(world.record(mina).index().due.len(), 1);
}

#[test]
fn a_cancelled_campaign_enters_nobody_even_if_its_schedule_fires() {
    let (mut world, mina) = vip(daily());
    world.control(|c| {
        c.cancelled.insert(crate::world::campaign_id("daily"));
    });
    let cause = Cause::Fires {
        campaign: crate::world::campaign_id("daily"),
        occurrence: "2026-03-02T10:00:00".parse().unwrap(),
    };
    world.apply(mina, cause);
    assert_eq!(world.count("daily", Status::Entered), 0);
}

/// Mina is under way as a vip while the file comes to be for all who have visited, whom she is one of.
fn under_way_as_the_audience_changes(draft: fn(Condition) -> Draft) -> (World, CustomerNo) {
    let mut world = World::new(START, vec![draft(tagged("vip"))]);
    let mina = world.customer("mina");
    world.event(mina, "Visited", &[]);
    world.tag(mina, "vip", true);
    assert_eq!(world.count("back", Status::Entered), 1);
    world.tag(mina, "vip", false);
    world.run_for(Span::hours(1));
    world.adopt(vec![draft(ever("Visited"))]);
    (world, mina)
}

fn outlook(world: &World, no: CustomerNo) -> String {
    let back = crate::world::campaign_id("back");
    let (record, boxes) = (world.record(no), &world.boxes);
    let explained = explain(record, boxes, &world.rules, None, world.now, Some(&back));
    let found = &explained.campaigns[0];
    format!("{} {:?}", found.outlook, found.enters)
}

#[test]
fn who_waits_to_be_let_in_enters_in_the_instant_in_which_a_former_way_ends() {
    // It ends by an event, or as its time comes.
    for by_event in [true, false] {
        let (mut world, mina) = under_way_as_the_audience_changes(|condition| {
            let untag = Act::Untag(TagName::parse("nobody_bears_it").unwrap());
            audience("back", condition)
                .existing(Existing::Enter)
                .again(Again::Always)
                .then("last")
                .wait(Span::days(2))
                .until(since_entry("Order Completed", None))
                .act(untag)
        });
        world.run_for(Span::hours(1));
        assert_eq!(world.count("back", Status::Entered), 1);
        assert_eq!(
            outlook(&world, mina),
            "enters with those whose audience held when the campaign started, once this way is over None"
        );
        let end = match by_event {
            true => {
                world.event(mina, "Order Completed", &[]);
                world.now
            }
            false => {
                let end = at(START) + Span::days(2);
                world.run_until(end);
                end
            }
        };
        let entered = (world.log.iter()).rfind(|row| row.status == Status::Entered);
        let entered = entered.map(|row| (row.time, row.reason));
        assert_eq!(entered, Some((end, Reason::Existing)), "{by_event}");
        assert_eq!(world.count("back", Status::Entered), 2);
        // Once: the way that began so lets nobody in as it ends.
        world.run_for(Span::days(30));
        assert_eq!(world.count("back", Status::Entered), 2);
    }
}

/// What is said of them while a former way is under way is what comes of it.
#[test]
fn who_waits_to_be_let_in_enters_once_their_way_is_over_if_that_is_said() {
    let mut said = Vec::new();
    for again in [Again::Never, Again::Always, Again::AfterLeaving] {
        for most in [u32::MAX, 2, 1] {
            let (mut world, mina) = under_way_as_the_audience_changes(|condition| {
                audience("back", condition)
                    .existing(Existing::Enter)
                    .then("last")
                    .wait(Span::days(2))
            });
            let visited = audience("back", ever("Visited"))
                .existing(Existing::Enter)
                .then("last")
                .wait(Span::days(2));
            world.adopt(vec![visited.again(again).at_most(most)]);
            world.run_for(Span::hours(1));
            assert_eq!(world.count("back", Status::Entered), 1);
            let enters = outlook(&world, mina).contains("once this way is over");
            world.run_for(Span::days(30));
            let entered = world.count("back", Status::Entered);
            assert_eq!(entered > 1, enters, "{again:?}, at most {most}");
            said.push(enters);
        }
    }
    assert!(said.contains(&true) && said.contains(&false), "{said:?}");
}

#[test]
fn who_waits_to_be_let_in_and_may_not_yet_by_again_enters_when_they_may() {
    let (mut world, mina) = under_way_as_the_audience_changes(|condition| {
        audience("back", condition)
            .existing(Existing::Enter)
            .again(Again::After(Span::hours(30)))
    });
    world.run_for(Span::hours(1));
    assert_eq!(world.count("back", Status::Entered), 1);
    let may = at(START) + Span::hours(30);
    assert_eq!(
        outlook(&world, mina),
        format!("enters with those whose audience held when the campaign started Some({may:?})")
    );
    world.run_until(may);
    assert!(world.has("back", Status::Entered, Reason::Existing));
    assert_eq!(world.sent("back"), [at(START), may]);
}
