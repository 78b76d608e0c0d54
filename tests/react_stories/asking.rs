//! Campaigns that ask about each other, and about how customers answer.

use crate::world::files::{dormant, scheduled, selector, since_entry, tagged};
use crate::world::{Draft, World, at, audience, triggered};
use reveille::domain::campaign::{Again, Existing};
use reveille::domain::condition::{
    CampaignCondition, CampaignWas, Condition, EventCondition, EventTest, MessageCondition,
    MessageWas, Range,
};
use reveille::domain::event::{EventRule, Undo};
use reveille::domain::id::{CampaignId, EventName, StepId};
use reveille::domain::ledger::{Reason, Status};
use reveille::domain::time::Span;

const START: &str = "2026-03-02T09:00:00Z";

fn was(campaign: &str, was: CampaignWas) -> Condition {
    Condition::Campaign(CampaignCondition {
        campaign: CampaignId::parse(campaign).unwrap(),
        was,
        within: None,
    })
}

fn not(condition: Condition) -> Condition {
    Condition::Not(Box::new(condition))
}

/// Under way in no campaign of a priority above 0.
fn free() -> Condition {
    not(Condition::UnderWay { above: 0 })
}

/// "a" stands before "z" by name and after it by what it asks.
#[test]
fn who_finishes_one_campaign_enters_the_next_in_the_same_instant() {
    let first = triggered("z", "Signed Up").step("mail", Span::hours(2), Span::days(3));
    let next = audience("a", was("z", CampaignWas::Finished));
    let mut world = World::new(START, vec![next, first]);
    let mina = world.customer("mina");
    world.event(mina, "Signed Up", &[]);
    world.run_for(Span::days(10));
    assert_eq!(world.sent("z"), [at("2026-03-02T11:00:00Z")]);
    assert_eq!(world.sent("a"), [at("2026-03-02T11:00:00Z")]);
}

#[test]
fn an_exit_by_another_campaigns_entry_ends_the_entry() {
    let cart = triggered("cart", "Product Added")
        .step("mail", Span::hours(24), Span::days(3))
        .exit(was("welcome", CampaignWas::Entered));
    let welcome = triggered("welcome", "Signed Up");
    let mut world = World::new(START, vec![cart, welcome]);
    let mina = world.customer("mina");
    world.event(mina, "Product Added", &[]);
    world.run_for(Span::hours(1));
    world.event(mina, "Signed Up", &[]);
    world.run_for(Span::days(5));
    assert!(world.has("cart", Status::Left, Reason::Exit));
    assert!(world.sent("cart").is_empty());
}

#[test]
fn who_is_in_a_journey_of_higher_priority_is_kept_out_at_entry_and_at_leaving() {
    let high =
        triggered("high", "Signed Up")
            .priority(10)
            .step("mail", Span::days(2), Span::days(3));
    let low = triggered("low", "Product Added")
        .step("mail", Span::hours(24), Span::days(3))
        .per("cart_id")
        .of(free());
    let edge = audience("edge", Condition::All(vec![tagged("vip"), free()]));
    let mut world = World::new(START, vec![high, low, edge]);
    let mina = world.customer("mina");
    // Let in, and dropped when the message would leave.
    world.event(mina, "Product Added", &[("cart_id", "a")]);
    world.run_for(Span::hours(12));
    world.event(mina, "Signed Up", &[]);
    world.tag(mina, "vip", true);
    world.run_for(Span::hours(20));
    assert_eq!(world.last_row("low"), "dropped audience_fails");
    // Not let in.
    world.event(mina, "Product Added", &[("cart_id", "b")]);
    assert_eq!(world.count("low", Status::Entered), 1);
    assert_eq!(world.count("edge", Status::Entered), 0);
    // The journey ends, and so does what it kept out.
    world.run_for(Span::hours(48));
    assert_eq!(world.sent("high"), [at("2026-03-04T21:00:00Z")]);
    assert_eq!(world.sent("edge"), [at("2026-03-04T21:00:00Z")]);
}

/// One event starts both; which file's name comes first says nothing.
#[test]
fn of_two_that_one_event_starts_the_higher_priority_keeps_the_other_out() {
    for (high, low) in [("a", "b"), ("b", "a")] {
        let journey =
            triggered(high, "Signed Up")
                .priority(10)
                .step("mail", Span::days(2), Span::days(3));
        let other = triggered(low, "Signed Up").of(not(Condition::UnderWay { above: 0 }));
        let mut world = World::new(START, vec![journey, other]);
        let mina = world.customer("mina");
        world.event(mina, "Signed Up", &[]);
        world.run_for(Span::days(5));
        assert_eq!(world.count(high, Status::Entered), 1);
        assert_eq!(world.count(low, Status::Entered), 0, "{low} beside {high}");
        // So does a condition that asks what became of the other.
        let next = triggered(low, "Signed Up").of(was(high, CampaignWas::Entered));
        let mut world = World::new(START, vec![triggered(high, "Signed Up"), next]);
        let mina = world.customer("mina");
        world.event(mina, "Signed Up", &[]);
        assert_eq!(world.count(low, Status::Entered), 1, "{low} after {high}");
    }
}

/// `unless_in` is beside the audience: being elsewhere is not leaving it, and coming back is not beginning to stand in it.
#[test]
fn whoever_is_kept_out_by_a_journey_has_not_left_the_audience() {
    let journey = || {
        let high = triggered("high", "Signed Up").again(Again::Always);
        high.priority(10).step("mail", Span::days(2), Span::days(3))
    };
    let beside = |draft: Draft| draft.with(|c| c.entry.unless_in = Some(free()));
    let daily = beside(scheduled("daily", "0 10 * * *", tagged("vip")))
        .again(Again::AfterLeaving)
        .existing(Existing::Enter);
    let edge = beside(audience("edge", tagged("vip"))).again(Again::AfterLeaving);
    let mut world = World::new(START, vec![journey(), daily.clone(), edge.clone()]);
    let mina = world.customer("mina");
    world.tag(mina, "vip", true);
    world.run_for(Span::days(2));
    assert_eq!(
        (world.sent("daily").len(), world.sent("edge").len()),
        (1, 1)
    );
    world.event(mina, "Signed Up", &[]);
    world.run_for(Span::days(9));
    assert_eq!(
        (world.sent("daily").len(), world.sent("edge").len()),
        (1, 1)
    );
    // Who begins to stand in it meanwhile is told why not; at a schedule's time each time.
    let juno = world.customer("juno");
    world.event(juno, "Signed Up", &[]);
    world.tag(juno, "vip", true);
    assert!(world.has("edge", Status::KeptOut, Reason::HigherPriority));
    world.run_for(Span::days(9));
    assert_eq!(world.count("daily", Status::KeptOut), 2);
    assert_eq!(
        (world.sent("daily").len(), world.sent("edge").len()),
        (2, 1)
    );
    // Who is elsewhere when the campaign starts stands in its audience all the same.
    for existing in [Existing::Skip, Existing::Enter] {
        let mut world = World::new(START, vec![journey()]);
        let mina = world.customer("mina");
        world.tag(mina, "vip", true);
        world.event(mina, "Signed Up", &[]);
        let both = [daily.clone(), edge.clone()].map(|draft| draft.existing(existing));
        world.adopt([vec![journey()], both.to_vec()].concat());
        world.run_for(Span::days(9));
        let many = usize::from(existing == Existing::Enter);
        assert_eq!(world.sent("daily").len(), many);
        assert_eq!(world.sent("edge").len(), many);
    }
}

/// The order that ends the cart's journey starts the one after a purchase, whatever their files are called.
#[test]
fn a_journey_that_an_event_ends_keeps_nobody_out_of_what_it_starts() {
    for (cart, after) in [("a", "b"), ("b", "a")] {
        let series = triggered(cart, "Product Added")
            .priority(50)
            .step("mail", Span::days(2), Span::days(3))
            .exit(since_entry("Order Completed", None));
        let purchase = triggered(after, "Order Completed")
            .with(|c| c.entry.unless_in = Some(not(Condition::UnderWay { above: 0 })));
        let mut world = World::new(START, vec![series, purchase]);
        let mina = world.customer("mina");
        world.event(mina, "Product Added", &[]);
        world.run_for(Span::hours(1));
        world.event(mina, "Order Completed", &[]);
        assert_eq!(world.last_row(cart), "left exit");
        assert_eq!(world.count(after, Status::Entered), 1, "{after}");
    }
}

/// Who looks at many pages is told once a day what keeps them out.
#[test]
fn what_keeps_somebody_out_is_told_once_a_day() {
    let high = triggered("high", "Signed Up").step("mail", Span::days(20), Span::days(3));
    let looked = triggered("looked", "Product Viewed")
        .per("product_id")
        .with(|c| c.entry.unless_in = Some(free()));
    let mut world = World::new(START, vec![high.priority(10), looked]);
    let mina = world.customer("mina");
    world.event(mina, "Signed Up", &[]);
    let mut look = |product: &str, times: usize| {
        for _ in 0..times {
            world.event(mina, "Product Viewed", &[("product_id", product)]);
            world.run_for(Span::hours(1));
        }
        world.count("looked", Status::KeptOut)
    };
    assert_eq!(look("tea", 20), 1);
    assert_eq!(look("jam", 3), 2, "of each product");
    assert_eq!(look("jam", 25), 3, "on the next day again");
}

/// An exit that holds already lets nobody in who would leave as they came, once at every occurrence.
#[test]
fn whoever_would_leave_at_once_does_not_enter() {
    let bought = || {
        let once = EventTest::Count(Range {
            low: Some(1),
            high: None,
        });
        let event = selector("Order Completed");
        Condition::Event(EventCondition::new(event, None, false, None, once))
    };
    let daily = scheduled("daily", "0 10 * * *", tagged("vip"))
        .again(Again::Always)
        .existing(Existing::Enter)
        .exit(bought());
    let cart = triggered("cart", "Product Added").exit(bought());
    // What is asked since the entry says nothing before there is one.
    let since = triggered("since", "Product Added").exit(since_entry("Order Completed", None));
    let mut world = World::new(START, vec![daily, cart, since]);
    let mina = world.customer("mina");
    world.tag(mina, "vip", true);
    world.event(mina, "Order Completed", &[]);
    world.run_for(Span::hours(1));
    world.event(mina, "Product Added", &[]);
    world.run_for(Span::days(3));
    for name in ["daily", "cart"] {
        assert_eq!(world.count(name, Status::Entered), 0, "{name}");
        assert!(world.has(name, Status::KeptOut, Reason::Exit), "{name}");
    }
    assert_eq!(world.sent("since").len(), 1);
}

#[test]
fn those_who_leave_five_messages_unanswered_get_no_more_until_they_answer() {
    let news = triggered("news", "Published")
        .again(reveille::domain::campaign::Again::Always)
        .of(not(Condition::Unanswered(Range {
            low: Some(5),
            high: None,
        })));
    let asleep = audience(
        "asleep",
        Condition::Unanswered(Range {
            low: Some(5),
            high: None,
        }),
    )
    .class(reveille::domain::preference::Class::Informational);
    let mut world = World::new(START, vec![news, asleep]);
    let mina = world.customer("mina");
    for _ in 0..8 {
        world.event(mina, "Published", &[]);
        world.run_for(Span::days(1));
    }
    assert_eq!(world.sent("news").len(), 5);
    // What asks is no advertising itself, and does not count.
    assert_eq!(world.sent("asleep").len(), 1);
    world.event(mina, "Order Completed", &[]);
    world.event(mina, "Published", &[]);
    world.run_for(Span::days(1));
    assert_eq!(world.sent("news").len(), 6);
}

/// Who writes back to the survey is not asked on, whoever's mail it is that counts.
#[test]
fn a_reply_is_an_answer_as_an_order_is() {
    let answered = Condition::Message(MessageCondition {
        campaign: CampaignId::parse("survey").unwrap(),
        step: StepId::parse("ask").unwrap(),
        was: MessageWas::Answered,
        within: None,
        of_entry: true,
    });
    let survey = triggered("survey", "Published")
        .step("ask", Span::ZERO, Span::days(3))
        .then("again")
        .wait(Span::days(9))
        .only_if(not(answered));
    let mut world = World::new(START, vec![survey]);
    let people = ["silent", "replies", "late", "merged"].map(|name| world.customer(name));
    for no in people {
        world.event(no, "Published", &[]);
    }
    world.run_for(Span::days(2));
    world.event(people[1], "Message Received", &[]);
    // Under an id of its own, until it is known whose it is.
    let somebody = world.stranger("somebody");
    world.event(somebody, "Message Received", &[]);
    world.merge(somebody, people[3]);
    world.run_for(Span::days(5));
    // Seven days after the mail left it is about something else.
    world.event(people[2], "Message Received", &[]);
    world.run_for(Span::days(5));
    let asked_on = world.attempts.iter().filter(|a| a.step.as_str() == "again");
    let mut asked_on: Vec<_> = asked_on.map(|a| a.customer).collect();
    asked_on.sort();
    assert_eq!(asked_on, [people[0], people[2]]);
    assert_eq!(world.count("survey", Status::Skipped), 2);
    let replied = world.record(people[1]).sent.iter().next().unwrap();
    assert_eq!(replied.answered(), Some(at(START) + Span::days(2)));
}

fn awake_and_free(most: u64) -> Condition {
    let unanswered = Range {
        low: None,
        high: Some(most),
    };
    Condition::All(vec![Condition::Unanswered(unanswered), free()])
}

#[test]
fn a_schedule_leaves_out_who_does_not_answer_or_is_in_a_journey_of_higher_priority() {
    let daily = scheduled("daily", "0 10 * * *", awake_and_free(2))
        .again(Again::Always)
        .existing(Existing::Enter);
    let high =
        triggered("high", "Signed Up")
            .priority(10)
            .step("mail", Span::days(2), Span::days(3));
    let mut world = World::new(START, vec![daily, high]);
    let mina = world.customer("mina");
    world.run_for(Span::days(5));
    let days = |world: &World| -> Vec<i64> {
        let from = at("2026-03-01T00:00:00Z");
        let sent = world.sent("daily").into_iter();
        sent.map(|at| at.since(from).0 / 86_400_000 + 1).collect()
    };
    assert_eq!(days(&world), [2, 3, 4]);
    world.event(mina, "Order Completed", &[]);
    world.run_for(Span::hours(26));
    assert_eq!(days(&world)[3..], [7, 8]);
    // Under way for two days; of that mail, too, there is no answer.
    world.event(mina, "Signed Up", &[]);
    world.run_for(Span::days(5));
    assert_eq!(world.sent("high").len(), 1);
    assert_eq!(days(&world).len(), 5);
    world.event(mina, "Order Completed", &[]);
    world.run_for(Span::days(1));
    assert_eq!(days(&world)[5..], [14]);
}

#[test]
fn a_step_asks_so_of_the_customer_at_its_own_time() {
    let series = triggered("series", "Published")
        .step("one", Span::ZERO, Span::days(3))
        .then("two")
        .wait(Span::days(1))
        .only_if(awake_and_free(0));
    let high =
        triggered("high", "Signed Up")
            .priority(10)
            .step("mail", Span::days(9), Span::days(3));
    let mut world = World::new(START, vec![series, high]);
    let people = ["silent", "answers", "elsewhere"].map(|name| world.customer(name));
    for no in people {
        world.event(no, "Published", &[]);
    }
    world.run_for(Span::hours(5));
    world.event(people[1], "Order Completed", &[]);
    world.event(people[2], "Order Completed", &[]);
    world.event(people[2], "Signed Up", &[]);
    world.run_for(Span::days(3));
    let twos = world.attempts.iter().filter(|a| a.step.as_str() == "two");
    assert_eq!(twos.map(|a| a.customer).collect::<Vec<_>>(), [people[1]]);
    assert_eq!(world.count("series", Status::Skipped), 2);
}

#[test]
fn an_answer_ages_through_the_tiers() {
    let tier = |name: &str, text: &str| {
        let range = Range::<Span>::parse(text).unwrap();
        audience(name, Condition::Engaged(range))
    };
    let ordered = Condition::Event(EventCondition::new(
        selector("Order Completed"),
        None,
        false,
        None,
        EventTest::Count(Range {
            low: Some(1),
            high: None,
        }),
    ));
    let drafts = vec![
        triggered("news", "Published"),
        tier("hot", "< 24h"),
        tier("warm", "24h..72h"),
        tier("cool", "> 72h"),
        audience("ordered", ordered),
    ];
    let mut world = World::new(START, drafts);
    let mina = world.customer("mina");
    world.event(mina, "Published", &[]);
    world.run_for(Span::days(2));
    assert!(world.sent("hot").is_empty() && world.sent("cool").is_empty());
    let at = world.now;
    world.event(mina, "Order Completed", &[]);
    world.run_for(Span::days(10));
    assert_eq!(world.sent("hot"), [at]);
    assert_eq!(world.sent("warm"), [at + Span::hours(24)]);
    // To the millisecond: what is 72 hours old is warm still.
    assert_eq!(world.sent("cool"), [at + Span::hours(72) + Span::millis(1)]);
}

/// Who bought 90 days ago or longer, by orders that were not cancelled.
#[test]
fn a_cancelled_order_leaves_what_is_counted_whenever_it_is_told() {
    let rule = EventRule {
        undone_by: Some(Undo {
            event: EventName::parse("Order Cancelled").unwrap(),
            same: "order_id".into(),
        }),
        ..EventRule::default()
    };
    let mut world = World::new(START, vec![]);
    world.events = [(EventName::parse("Order Completed").unwrap(), rule)].into();
    world.adopt(vec![audience(
        "wake",
        dormant("Order Completed", Span::days(90)),
    )]);
    let (mina, joon) = (world.customer("mina"), world.customer("joon"));
    let begin = world.now;
    for no in [mina, joon] {
        world.event(no, "Order Completed", &[("order_id", "1")]);
    }
    // The cancellation of joon's second order overtakes the order.
    world.event(joon, "Order Cancelled", &[("order_id", "2")]);
    world.run_for(Span::days(50));
    for no in [mina, joon] {
        world.event(no, "Order Completed", &[("order_id", "2")]);
    }
    world.run_for(Span::days(1));
    world.event(mina, "Order Cancelled", &[("order_id", "2")]);
    world.run_for(Span::days(100));
    let woken: Vec<_> = world.attempts.iter().map(|a| (a.customer, a.at)).collect();
    let at = begin + Span::days(90);
    assert_eq!(woken, [(mina, at), (joon, at)]);
}

/// "No order in 30 days" is not known before the orders of 30 days are.
#[test]
fn an_absence_that_looks_past_what_is_known_holds_for_nobody_until_it_does_not() {
    let silent = |negated: bool| {
        let select = selector("Order Completed");
        let within = Some(Span::days(30));
        let since = Some(at(START) - Span::days(10));
        let none = EventCondition::none(select.clone(), within, false, None);
        let some = EventTest::Count(Range {
            low: Some(1),
            high: None,
        });
        match negated {
            false => Condition::NoEvent(none.complete_since(since)),
            true => not(Condition::Event(
                EventCondition::new(select, within, false, None, some).complete_since(since),
            )),
        }
    };
    let drafts = vec![audience("no", silent(false)), audience("not", silent(true))];
    let mut world = World::new(START, drafts);
    world.customer("mina");
    world.run_for(Span::days(90));
    let known = at(START) + Span::days(20);
    assert_eq!(world.sent("no"), [known]);
    assert_eq!(world.sent("not"), [known]);
}
