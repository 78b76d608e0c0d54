//! Each row of the table of conditions, with its edges a millisecond either side.

use super::{EntryFacts, Facts, evaluate};
use crate::domain::about::NOTHING;
use crate::domain::campaign::Topic;
use crate::domain::condition::{
    Condition, EventCondition, EventSelector, EventTest, NumberRange, PropertyTest, Range,
    ValueTest, Verdict, explain,
};
use crate::domain::engagement::SentMessages;
use crate::domain::event::Event;
use crate::domain::id::{CampaignId, EventName, SegmentName, TagName, TopicId};
use crate::domain::preference::{Consent, ConsentState, Consents, Preferences};
use crate::domain::record::Standing;
use crate::domain::time::{Span, Timestamp};
use crate::domain::track::{MOST_HOURS, MOST_INSTANTS, TrackPlan, Tracks};
use crate::domain::value::{Properties, Value};
use chrono_tz::Tz;
use std::collections::{BTreeMap, BTreeSet};

const DAY: i64 = 86_400_000;

fn t(millis: i64) -> Timestamp {
    Timestamp(1_700_000_000_000 + millis)
}

fn name(text: &str) -> EventName {
    EventName::parse(text).unwrap()
}

fn event(of: &str, at: i64, properties: &[(&str, Value)]) -> Event {
    Event {
        name: name(of),
        time: t(at),
        properties: properties
            .iter()
            .map(|(k, v)| ((*k).to_owned(), v.clone()))
            .collect(),
        identity: 0,
        ahead: false,
    }
}

fn orders(at: &[i64]) -> Vec<Event> {
    at.iter()
        .map(|at| event("Order Completed", *at, &[]))
        .collect()
}

fn order_selector() -> EventSelector {
    EventSelector {
        name: Some(name("Order Completed")),
        filter: vec![],
    }
}

fn on_orders(within: Option<i64>, test: EventTest) -> Condition {
    Condition::Event(EventCondition::new(
        order_selector(),
        within.map(Span),
        false,
        None,
        test,
    ))
}

fn count(text: &str) -> EventTest {
    EventTest::Count(Range::<u64>::parse(text).unwrap())
}

fn ages(text: &str) -> Range<Span> {
    Range::<Span>::parse(text).unwrap()
}

/// A customer, with what a test needs of them.
#[derive(Default)]
struct Customer {
    attributes: Properties,
    email: Option<&'static str>,
    tags: BTreeSet<TagName>,
    consents: Consents,
    topics: BTreeMap<TopicId, Topic>,
    segments: BTreeMap<SegmentName, Condition>,
    history: Vec<Event>,
    entry: Option<(i64, &'static str, Option<EventName>)>,
    lenient: bool,
    derived: BTreeMap<TagName, Condition>,
    preferences: Preferences,
    zone: Tz,
    standings: BTreeMap<CampaignId, Standing>,
}

impl Customer {
    fn with(history: Vec<Event>) -> Customer {
        Customer {
            history,
            ..Customer::default()
        }
    }

    fn ask<T>(&self, condition: &Condition, with: impl FnOnce(&Facts<'_>) -> T) -> T {
        let plan = TrackPlan::from_conditions(self.segments.values().chain([condition]), []);
        let tracks = Tracks::rebuild(&plan, &self.history);
        with(&Facts {
            known_since: t(0),
            attributes: &self.attributes,
            email: self.email,
            tags: &self.tags,
            derived: &self.derived,
            consents: &self.consents,
            topics: &self.topics,
            preferences: &self.preferences,
            zone: self.zone,
            segments: &self.segments,
            tracks: &tracks,
            plan: &plan,
            sent: &SentMessages::default(),
            standings: &self.standings,
            campaigns: &BTreeMap::new(),
            entry: self.entry.as_ref().map(|(at, key, trigger)| EntryFacts {
                at: t(*at),
                key,
                trigger: trigger.as_ref(),
                about: &NOTHING,
            }),
            lenient_same: self.lenient,
        })
    }

    fn at(&self, condition: &Condition, now: i64) -> Verdict {
        self.ask(condition, |facts| evaluate(condition, facts, t(now)))
    }

    fn holds(&self, condition: &Condition, now: i64) -> bool {
        self.at(condition, now).holds
    }
}

fn verdict(holds: bool, until: Option<i64>) -> Verdict {
    Verdict {
        holds,
        until: until.map(t),
    }
}

#[test]
fn a_count_looks_back_to_but_not_at_the_edge_of_its_window() {
    let customer = Customer::with(orders(&[0, 10, 20]));
    let three = on_orders(Some(DAY), count(">= 3"));
    assert_eq!(customer.at(&three, 20), verdict(true, Some(DAY)));
    assert_eq!(customer.at(&three, DAY - 1), verdict(true, Some(DAY)));
    assert_eq!(customer.at(&three, DAY), verdict(false, None));
    let at_most_one = on_orders(Some(DAY), count("<= 1"));
    assert_eq!(
        customer.at(&at_most_one, DAY + 9),
        verdict(false, Some(DAY + 10))
    );
    assert_eq!(customer.at(&at_most_one, DAY + 10), verdict(true, None));
    let exactly_two = on_orders(Some(DAY), count("2"));
    assert_eq!(customer.at(&exactly_two, 20), verdict(false, Some(DAY)));
    assert_eq!(
        customer.at(&exactly_two, DAY),
        verdict(true, Some(DAY + 10))
    );
    assert_eq!(customer.at(&exactly_two, DAY + 10), verdict(false, None));
    assert_eq!(
        customer.at(&on_orders(None, count(">= 3")), 900 * DAY),
        verdict(true, None)
    );
}

#[test]
fn events_that_leave_together_may_pass_a_range_by() {
    let customer = Customer::with(orders(&[0, 5, 5]));
    assert_eq!(
        customer.at(&on_orders(Some(DAY), count("1")), 5),
        verdict(false, None)
    );
    assert_eq!(
        customer.at(&on_orders(Some(DAY), count("2")), 5),
        verdict(false, Some(DAY))
    );
    assert_eq!(
        customer.at(&on_orders(Some(DAY), count("0..1")), 5),
        verdict(false, Some(DAY + 5))
    );
}

#[test]
fn the_age_of_the_latest_has_both_ends_in() {
    let customer = Customer::with(orders(&[0, 10]));
    let between = on_orders(None, EventTest::Last(ages("2d..3d")));
    assert_eq!(
        customer.at(&between, 10),
        verdict(false, Some(2 * DAY + 10))
    );
    assert_eq!(
        customer.at(&between, 2 * DAY + 9),
        verdict(false, Some(2 * DAY + 10))
    );
    assert_eq!(
        customer.at(&between, 2 * DAY + 10),
        verdict(true, Some(3 * DAY + 11))
    );
    assert_eq!(
        customer.at(&between, 3 * DAY + 10),
        verdict(true, Some(3 * DAY + 11))
    );
    assert_eq!(customer.at(&between, 3 * DAY + 11), verdict(false, None));
    let dormant = on_orders(None, EventTest::Last(ages(">= 90d")));
    assert_eq!(Customer::default().at(&dormant, 0), verdict(false, None));
    // A window that closes before the range begins, and one that closes within it.
    let never = on_orders(Some(DAY), EventTest::Last(ages(">= 2d")));
    assert_eq!(customer.at(&never, 10), verdict(false, None));
    let cut = on_orders(Some(2 * DAY), EventTest::Last(ages(">= 1d")));
    assert_eq!(
        customer.at(&cut, DAY + 10),
        verdict(true, Some(2 * DAY + 10))
    );
}

#[test]
fn the_first_is_the_earliest_of_all_or_of_the_window() {
    let customer = Customer::with(orders(&[0, 1_000, DAY]));
    let all = on_orders(None, EventTest::First(ages("1d..2d")));
    assert_eq!(customer.at(&all, DAY), verdict(true, Some(2 * DAY + 1)));
    // In the window of a day the first event leaves at DAY; then the second is the first, a second younger.
    let customer = Customer::with(orders(&[0, 1_000]));
    let window = on_orders(Some(DAY), EventTest::First(ages("> 23h")));
    assert_eq!(
        customer.at(&window, DAY - 1),
        verdict(true, Some(DAY + 1_000))
    );
    let young = on_orders(Some(DAY), EventTest::First(ages("< 12h")));
    assert_eq!(customer.at(&young, DAY - 1), verdict(false, None));
    let customer = Customer::with(orders(&[0, DAY - 1]));
    assert_eq!(customer.at(&young, DAY - 1), verdict(false, Some(DAY)));
    assert_eq!(
        customer.at(&young, DAY),
        verdict(true, Some(DAY + DAY / 2 - 1))
    );
}

#[test]
fn a_gap_lies_between_the_latest_two_and_ends_with_the_window() {
    let gap = |within| on_orders(within, EventTest::Gap(ages("10ms..20ms")));
    let customer = Customer::with(orders(&[0, 100, 120]));
    assert_eq!(customer.at(&gap(None), 120), verdict(true, None));
    assert_eq!(
        customer.at(&gap(Some(DAY)), 120),
        verdict(true, Some(DAY + 100))
    );
    assert_eq!(
        customer.at(&gap(Some(DAY)), DAY + 100),
        verdict(false, None)
    );
    assert_eq!(
        Customer::with(orders(&[0, 9])).at(&gap(None), 9),
        verdict(false, None)
    );
    assert_eq!(
        Customer::with(orders(&[0])).at(&gap(None), 9),
        verdict(false, None)
    );
}

#[test]
fn sums_are_exact_and_change_when_an_amount_leaves() {
    let of = |at, total: f64| event("Order Completed", at, &[("total", Value::Float(total))]);
    let sum = |within, is: &str| {
        let test = EventTest::Sum {
            property: vec!["total".into()],
            is: NumberRange::parse(is).unwrap(),
        };
        on_orders(within, test)
    };
    let tenths = Customer::with((0..10).map(|i| of(i, 0.1)).collect());
    assert_eq!(tenths.at(&sum(None, "= 1"), 10), verdict(true, None));
    assert_eq!(
        tenths.at(&sum(Some(DAY), ">= 0.95"), 10),
        verdict(true, Some(DAY))
    );
    assert_eq!(
        tenths.at(&sum(Some(DAY), "< 0.5"), 10),
        verdict(false, Some(DAY + 5))
    );
    // A refund that leaves last: the sum falls below and never recovers.
    let refund = Customer::with(vec![of(0, 50.0), of(5, -20.0)]);
    assert_eq!(
        refund.at(&sum(Some(DAY), "30..40"), 5),
        verdict(true, Some(DAY))
    );
    assert_eq!(
        refund.at(&sum(Some(DAY), ">= 0"), DAY),
        verdict(false, Some(DAY + 5))
    );
    assert_eq!(
        Customer::default().at(&sum(None, "< 10"), 0),
        verdict(true, None)
    );
    // What leaves together leaves at once: the sum is never 60 or -40 in between.
    let paid_back = Customer::with(vec![of(0, 50.0), of(0, -50.0), of(5, 10.0)]);
    assert_eq!(
        paid_back.at(&sum(Some(DAY), "= 10"), 5),
        verdict(true, Some(DAY + 5))
    );
}

#[test]
fn events_too_old_to_be_kept_singly_count_from_the_start_of_their_hour() {
    let hour_start = 2 * DAY + 2_800_000; // t(0) lies 800,000 ms after an hour began
    let paid = |at| event("Order Completed", at, &[("total", Value::Int(1))]);
    let mut history = vec![paid(hour_start + 7), paid(hour_start + 9)];
    history.extend((0..MOST_INSTANTS as i64).map(|i| paid(3 * DAY + i)));
    let customer = Customer::with(history);
    let test = EventTest::Sum {
        property: vec!["total".into()],
        is: NumberRange::parse(">= 1002").unwrap(),
    };
    let spent = on_orders(Some(30 * DAY), test);
    let leave = verdict(true, Some(hour_start + 30 * DAY));
    assert_eq!(customer.at(&spent, 4 * DAY), leave);
    let explained = customer.ask(&spent, |facts| explain(&spent, facts, t(4 * DAY)));
    assert_eq!(
        explained.present,
        "adds up to 1002 (older events are counted by the hour)"
    );
}

#[test]
fn a_count_without_a_window_is_exact_however_large() {
    let n = (MOST_INSTANTS + MOST_HOURS + 500) as i64;
    let customer = Customer::with(orders(&(0..n).map(|i| i * 3_600_000).collect::<Vec<_>>()));
    let at = |text: &str| customer.at(&on_orders(None, count(text)), n * 3_600_000);
    assert_eq!(at(&format!("{n}")), verdict(true, None));
    assert_eq!(at(&format!("> {n}")), verdict(false, None));
    assert_eq!(at(&format!("< {n}")), verdict(false, None));
}

#[test]
fn no_event_holds_until_something_happens() {
    let none = |within: Option<i64>| {
        Condition::NoEvent(EventCondition::none(
            order_selector(),
            within.map(Span),
            false,
            None,
        ))
    };
    let customer = Customer::with(orders(&[0, 10]));
    assert_eq!(
        customer.at(&none(Some(DAY)), DAY + 9),
        verdict(false, Some(DAY + 10))
    );
    assert_eq!(customer.at(&none(Some(DAY)), DAY + 10), verdict(true, None));
    assert_eq!(customer.at(&none(None), 900 * DAY), verdict(false, None));
    assert_eq!(Customer::default().at(&none(None), 0), verdict(true, None));
}

#[test]
fn since_the_entry_is_at_or_after_it_and_after_it_for_its_own_trigger() {
    let since = |name: Option<EventName>| {
        let select = EventSelector {
            name,
            filter: vec![],
        };
        Condition::Event(EventCondition::new(select, None, true, None, count(">= 1")))
    };
    let order = since(Some(name("Order Completed")));
    let with = |at, trigger: Option<&str>| Customer {
        entry: Some((100, "", trigger.map(name))),
        ..Customer::with(orders(&[at]))
    };
    assert!(!with(99, None).holds(&order, 200));
    assert!(with(100, None).holds(&order, 200));
    assert!(with(100, Some("Product Added")).holds(&order, 200));
    assert!(!with(100, Some("Order Completed")).holds(&order, 200));
    assert!(with(101, Some("Order Completed")).holds(&order, 200));
    // "*" names the trigger too.
    assert!(!with(100, Some("Order Completed")).holds(&since(None), 200));
    // Without an entry there is nothing to count from.
    assert!(!Customer::with(orders(&[100])).holds(&order, 200));
    let never = Condition::NoEvent(EventCondition::none(order_selector(), None, true, None));
    assert!(Customer::with(orders(&[100])).holds(&never, 200));
    assert!(!with(100, None).holds(&never, 200));
}

#[test]
fn same_asks_that_the_property_equals_the_entrys_key() {
    let same = || Some("cart_id".to_owned());
    let test = || EventCondition::new(order_selector(), None, false, same(), count(">= 1"));
    let none = || EventCondition::none(order_selector(), None, false, same());
    let with = |cart: Option<Value>, lenient| {
        let properties: Vec<(&str, Value)> = cart.into_iter().map(|v| ("cart_id", v)).collect();
        Customer {
            entry: Some((0, "17", None)),
            lenient,
            ..Customer::with(vec![event("Order Completed", 5, &properties)])
        }
    };
    let text = |t: &str| Some(Value::Text(t.into()));
    for (cart, lenient, event, no_event) in [
        (text("17"), false, true, false),
        (Some(Value::Int(17)), false, true, false),
        (text("18"), false, false, true),
        (text("18"), true, false, true),
        (None, false, false, false),
        (None, true, true, false),
        (Some(Value::Null), true, true, false),
    ] {
        let customer = with(cart.clone(), lenient);
        assert_eq!(
            customer.holds(&Condition::Event(test()), 9),
            event,
            "{cart:?} {lenient}"
        );
        assert_eq!(
            customer.holds(&Condition::NoEvent(none()), 9),
            no_event,
            "{cart:?} {lenient}"
        );
    }
}

#[test]
fn a_star_is_what_customers_did_themselves() {
    let any = Condition::Event(EventCondition::new(
        EventSelector {
            name: None,
            filter: vec![],
        },
        None,
        false,
        None,
        count(">= 1"),
    ));
    let did = |of: &str| Customer::with(vec![event(of, 0, &[])]).holds(&any, 1);
    assert!(did("Page Viewed") && did("Emailed Us"));
    assert!(!did("Email Opened") && !did("Reveille Mail Sent"));
}

#[test]
fn known_for_is_the_age_of_the_first_sight() {
    let known = Condition::KnownFor(ages(">= 2d"));
    let customer = Customer::default();
    assert_eq!(
        customer.at(&known, 2 * DAY - 1),
        verdict(false, Some(2 * DAY))
    );
    assert_eq!(customer.at(&known, 2 * DAY), verdict(true, None));
    let fresh = Condition::KnownFor(ages("<= 2d"));
    assert_eq!(
        customer.at(&fresh, 2 * DAY),
        verdict(true, Some(2 * DAY + 1))
    );
}

#[test]
fn attributes_tags_and_segments_stand_until_a_cause() {
    let path = |path: &str, test| {
        Condition::Attribute(PropertyTest {
            path: vec![path.into()],
            test,
        })
    };
    let mut customer = Customer {
        email: Some("mina@shop.example"),
        ..Customer::default()
    };
    customer
        .attributes
        .insert("city".into(), Value::Text("Seoul".into()));
    let ends = |part: &str| ValueTest::Contains(part.into());
    assert_eq!(
        customer.at(&path("city", ends("Seo")), 0),
        verdict(true, None)
    );
    assert!(customer.holds(&path("email", ends("@shop.example")), 0));
    assert!(customer.holds(&path("email", ValueTest::Exists(true)), 0));
    assert!(Customer::default().holds(&path("email", ValueTest::Exists(false)), 0));
    assert!(!Customer::default().holds(&path("email", ends("")), 0));
    let vip = TagName::parse("vip").unwrap();
    let segment = SegmentName::parse("loyal").unwrap();
    customer
        .segments
        .insert(segment.clone(), Condition::KnownFor(ages(">= 2d")));
    assert!(!customer.holds(&Condition::Tag(vip.clone()), 0));
    customer.tags.insert(vip.clone());
    assert!(customer.holds(&Condition::Tag(vip), 0));
    assert_eq!(
        customer.at(&Condition::Segment(segment), 0),
        verdict(false, Some(2 * DAY))
    );
    let unknown = Condition::Segment(SegmentName::parse("nobody").unwrap());
    assert_eq!(customer.at(&unknown, 0), verdict(false, None));
}

#[test]
fn a_topic_follows_the_whole_only_where_it_says_so() {
    let topic = TopicId::parse("offers").unwrap();
    let consent = |state, at| Consent {
        state,
        at: t(at),
        source: "form".into(),
        wording: None,
    };
    use ConsentState::{Given, Refused};
    // (topic's own row, the whole's row, on_request, default) -> subscribed
    for (own, whole, on_request, default, expected) in [
        (None, None, false, true, false),
        (None, Some((Given, 1)), false, true, true),
        (None, Some((Given, 1)), false, false, false),
        (None, Some((Given, 1)), true, true, false),
        (Some((Given, 1)), None, true, false, true),
        (Some((Given, 1)), None, false, false, true),
        (Some((Given, 1)), Some((Refused, 2)), true, false, false),
        (Some((Given, 3)), Some((Refused, 2)), true, false, true),
        (Some((Refused, 1)), Some((Given, 2)), false, true, false),
        (None, Some((Refused, 1)), false, true, false),
    ] {
        let mut customer = Customer::default();
        let declared = Topic {
            id: topic.clone(),
            name: BTreeMap::new(),
            description: BTreeMap::new(),
            on_request,
            confirm: false,
            default,
        };
        customer.topics.insert(topic.clone(), declared);
        for (key, row) in [(Some(topic.clone()), own), (None, whole)] {
            if let Some((state, at)) = row {
                customer.consents.insert(key, consent(state, at));
            }
        }
        let subscribed = customer.holds(&Condition::Subscribed(topic.clone()), 9);
        assert_eq!(
            subscribed, expected,
            "{own:?} {whole:?} {on_request} {default}"
        );
    }
}

#[test]
fn all_and_any_stand_as_long_as_what_decides_them() {
    let known = |text: &str| Condition::KnownFor(ages(text));
    let tag = || Condition::Tag(TagName::parse("vip").unwrap());
    let customer = Customer::default();
    let at = |condition: Condition| customer.at(&condition, 0);
    // Both hold: the first to fall decides. Both fail: the last to hold decides.
    let both = vec![known("<= 2d"), known("<= 3d")];
    assert_eq!(
        at(Condition::All(both.clone())),
        verdict(true, Some(2 * DAY + 1))
    );
    assert_eq!(at(Condition::Any(both)), verdict(true, Some(3 * DAY + 1)));
    let neither = vec![known(">= 2d"), known(">= 3d")];
    assert_eq!(
        at(Condition::All(neither.clone())),
        verdict(false, Some(3 * DAY))
    );
    assert_eq!(
        at(Condition::Any(neither.clone())),
        verdict(false, Some(2 * DAY))
    );
    let inverse = Condition::Not(Box::new(Condition::Any(neither)));
    assert_eq!(at(inverse), verdict(true, Some(2 * DAY)));
    // What only a cause can change outlasts every clock.
    assert_eq!(
        at(Condition::All(vec![tag(), known(">= 2d")])),
        verdict(false, None)
    );
    assert_eq!(
        at(Condition::Any(vec![tag(), known(">= 2d")])),
        verdict(false, Some(2 * DAY))
    );
    assert_eq!(at(Condition::All(vec![])), verdict(true, None));
    assert_eq!(at(Condition::Any(vec![])), verdict(false, None));
}

#[test]
fn windows_beyond_the_end_of_time_overflow_nothing() {
    let for_ever = Some(i64::MAX);
    let customer = Customer::with(orders(&[0]));
    assert_eq!(
        customer.at(&on_orders(for_ever, count(">= 1")), 5),
        verdict(true, None)
    );
    let age = Range {
        low: None,
        high: Some(Span(i64::MAX)),
    };
    assert_eq!(
        customer.at(&on_orders(for_ever, EventTest::Last(age)), 5),
        verdict(true, None)
    );
    assert_eq!(
        customer.at(&on_orders(for_ever, EventTest::First(age)), 5),
        verdict(true, None)
    );
}

#[test]
fn an_explanation_says_what_is_so_at_present() {
    let customer = Customer::with(orders(&[0, 10_000]));
    let present = |condition: &Condition, now| {
        customer.ask(condition, |facts| explain(condition, facts, t(now)).present)
    };
    let thrice = on_orders(Some(90 * DAY), count(">= 3"));
    assert_eq!(present(&thrice, DAY), "2 in the last 90d");
    let once = on_orders(None, count(">= 1"));
    assert_eq!(present(&once, DAY), "at least 1 so far");
    let last = on_orders(None, EventTest::Last(ages(">= 90d")));
    assert_eq!(
        present(&last, 83 * DAY + 20_000),
        "latest 2023-11-14T22:13:30Z, 83d ago"
    );
    let both = Condition::All(vec![thrice, Condition::Not(Box::new(last))]);
    let explained = customer.ask(&both, |facts| explain(&both, facts, t(DAY)));
    assert_eq!(explained.present, "1 of 2 hold");
    assert_eq!(explained.children[1].present, "it does not hold");
    assert_eq!(
        explained.children[1].children[0].verdict.until,
        Some(t(90 * DAY + 10_000))
    );
}
