//! What tracks hold depends on the events, not on their order, and stays bounded.

use super::{
    HOUR, MOST_HOURS, MOST_INSTANTS, Rest, TrackKey, TrackPlan, Tracks, count_within, key_text,
};
use crate::domain::campaign::{Repeat, Trigger};
use crate::domain::condition::{
    Condition, EventCondition, EventSelector, EventTest, NumberRange, PropertyTest, Range,
    ValueTest,
};
use crate::domain::event::{Event, EventRule, EventRules, Undo};
use crate::domain::id::EventName;
use crate::domain::time::{Span, Timestamp};
use crate::domain::value::{Properties, Value};
use proptest::prelude::{Just, ProptestConfig, Strategy, prop, prop_assert, prop_assert_eq};
use proptest::proptest;

fn name(text: &str) -> EventName {
    EventName::parse(text).unwrap()
}

fn select(text: &str) -> EventSelector {
    EventSelector {
        name: Some(name(text)),
        filter: vec![],
    }
}

fn event(of: &str, at: i64, properties: &[(&str, Value)]) -> Event {
    Event {
        name: name(of),
        time: Timestamp(at),
        properties: properties
            .iter()
            .map(|(k, v)| ((*k).to_owned(), v.clone()))
            .collect(),
        identity: 0,
        ahead: false,
    }
}

fn counted(text: &str) -> EventTest {
    EventTest::Count(Range::<u64>::parse(text).unwrap())
}

fn asked(within: Option<Span>, since: bool, same: Option<&str>, test: EventTest) -> EventCondition {
    EventCondition::new(
        select("Order Completed"),
        within,
        since,
        same.map(str::to_owned),
        test,
    )
}

fn sum() -> EventTest {
    EventTest::Sum {
        property: vec!["total".into()],
        is: NumberRange::parse(">= 10").unwrap(),
    }
}

fn plan(events: &[EventCondition]) -> TrackPlan {
    let conditions: Vec<Condition> = events.iter().cloned().map(Condition::Event).collect();
    TrackPlan::from_conditions(&conditions, [])
}

fn instants(tracks: &Tracks, key: TrackKey) -> Vec<i64> {
    let track = tracks.get(key).expect("the track was fed");
    track.instants().iter().map(|one| one.at.0).collect()
}

/// Plans that between them have every kind of track.
fn plans() -> impl Strategy<Value = TrackPlan> {
    let span = |hours| Some(Span::hours(hours));
    let last = || EventTest::Last(Range::default());
    let first = || EventTest::First(Range::default());
    let all = vec![
        asked(None, false, None, counted(">= 3")),
        asked(span(40), false, None, counted("2..4")),
        asked(span(5), false, Some("cart"), counted(">= 1")),
        asked(None, true, Some("cart"), counted(">= 1")),
        asked(span(90), false, None, sum()),
        asked(None, false, None, sum()),
        asked(None, false, None, last()),
        asked(None, false, None, first()),
        asked(span(90), false, None, first()),
        asked(span(0), false, None, counted(">= 1")),
    ];
    prop::sample::subsequence(all, 1..5).prop_map(|events| plan(&events))
}

fn histories(most: usize) -> impl Strategy<Value = Vec<Event>> {
    let one =
        (0..200_i64, 0..3_i64, 0..4_u8, -3..9_i64).prop_map(|(half_hour, ms, cart, total)| {
            let mut properties = vec![("total", Value::Float(total as f64 * 0.1))];
            if cart > 0 {
                properties.push(("cart", Value::Int(i64::from(cart))));
            }
            event("Order Completed", half_hour * HOUR / 2 + ms, &properties)
        });
    prop::collection::vec(one, 0..most)
}

fn cases(few: u32) -> ProptestConfig {
    let soak = std::env::var("REVEILLE_SOAK").is_ok_and(|v| v == "1");
    ProptestConfig {
        cases: if soak { few * 50 } else { few },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn any_order_of_arrival_makes_the_same_bytes(
        plan in plans(),
        (sorted, shuffled) in histories(60).prop_flat_map(|mut history| {
            let shuffled = Just(history.clone()).prop_shuffle();
            history.sort_by_key(|event| event.time);
            (Just(history), shuffled)
        }),
    ) {
        let rebuilt = postcard::to_stdvec(&Tracks::rebuild(&plan, &sorted)).unwrap();
        let mut tracks = Tracks::default();
        for event in &shuffled {
            let before = tracks.clone();
            let changed = tracks.absorb(&plan, event).unwrap();
            prop_assert_eq!(changed, tracks != before);
        }
        prop_assert_eq!(&postcard::to_stdvec(&tracks).unwrap(), &rebuilt);
        prop_assert!(postcard::from_bytes::<Tracks>(&rebuilt).unwrap() == tracks);
    }
}

proptest! {
    #![proptest_config(cases(6))]

    /// As above, with more events than a track keeps singly, and more hours than it keeps of the rest.
    #[test]
    fn so_do_tracks_that_overflow(seed in 1..u64::MAX, reach in prop::option::of(500..3_000_i64)) {
        let reach = reach.map(Span::hours);
        let same = asked(reach, false, Some("cart"), counted(">= 1"));
        let plan = plan(&[asked(reach, false, None, sum()), same]);
        let mut state = seed;
        let mut next = move |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below) as i64
        };
        let mut history: Vec<Event> = (0..9_000)
            .map(|_| {
                let properties = [("total", Value::Int(next(50))), ("cart", Value::Int(next(20)))];
                event("Order Completed", next(6_000) * HOUR / 2 + next(2), &properties)
            })
            .collect();
        // On the hour, so that a reach of whole hours ends exactly where an hour begins.
        history.insert(4_500, event("Order Completed", 3_000 * HOUR, &[]));
        let shuffled = Tracks::rebuild(&plan, &history);
        history.sort_by_key(|event| event.time);
        let sorted = Tracks::rebuild(&plan, &history);
        prop_assert!(sorted == shuffled);
        history.reverse();
        prop_assert!(Tracks::rebuild(&plan, &history) == sorted);
    }
}

#[test]
fn a_count_keeps_what_decides_it_and_no_more() {
    let keeps = |test| {
        let one = asked(None, false, None, test);
        let history: Vec<Event> = (0..9).map(|at| event("Order Completed", at, &[])).collect();
        instants(
            &Tracks::rebuild(&plan(std::slice::from_ref(&one)), &history),
            one.track(),
        )
    };
    assert_eq!(keeps(counted(">= 3")), [6, 7, 8]);
    assert_eq!(keeps(counted("<= 3")), [5, 6, 7, 8]);
    assert_eq!(keeps(counted("2..4")), [4, 5, 6, 7, 8]);
    assert_eq!(keeps(EventTest::Last(Range::default())), [8]);
    assert_eq!(keeps(EventTest::Gap(Range::default())), [7, 8]);
    assert_eq!(keeps(EventTest::First(Range::default())), [8]);
}

#[test]
fn asks_of_one_kind_share_a_track_as_long_as_the_longest() {
    let day = Some(Span::days(1));
    let two_days = Some(Span::days(2));
    let short = asked(day, false, None, counted(">= 1"));
    let long = asked(two_days, false, None, counted(">= 2"));
    let for_ever = asked(None, true, None, counted(">= 1"));
    assert_eq!(short.track(), for_ever.track());
    let at = [0, Span::days(2).0 - 1, Span::days(2).0];
    let history: Vec<Event> = at
        .iter()
        .map(|at| event("Order Completed", *at, &[]))
        .collect();
    let kept = |events: &[EventCondition], history: &[Event]| {
        instants(&Tracks::rebuild(&plan(events), history), short.track())
    };
    // Two days on, the first event is out of every window; a millisecond earlier it is not.
    let both = [short.clone(), long.clone()];
    assert_eq!(kept(&both, &history[..2]), at[..2]);
    assert_eq!(
        kept(&both, &[history[0].clone(), history[2].clone()]),
        at[2..]
    );
    let all = [short.clone(), long, for_ever];
    assert_eq!(
        kept(&all, &[history[0].clone(), history[2].clone()]),
        [at[0], at[2]]
    );
}

#[test]
fn a_track_stays_bounded_and_its_whole_stays_exact() {
    let total = asked(None, false, None, sum());
    let plan = plan(std::slice::from_ref(&total));
    let n = (MOST_INSTANTS + MOST_HOURS + 500) as i64;
    let paid = [("total", Value::Float(0.1))];
    let history: Vec<Event> = (0..n)
        .map(|i| event("Order Completed", i * HOUR, &paid))
        .collect();
    let tracks = Tracks::rebuild(&plan, &history);
    let track = tracks.get(total.track()).unwrap();
    assert_eq!(
        (track.instants().len(), track.hours().len()),
        (MOST_INSTANTS, MOST_HOURS)
    );
    assert_eq!(
        track.rest(),
        Some(Rest {
            count: 500,
            sum: 50_000_000
        })
    );
    assert!(tracks.folded(total.track()));
    assert!(!Tracks::rebuild(&plan, &history[..MOST_INSTANTS]).folded(total.track()));
    assert_eq!(
        count_within(&tracks, total.track(), None, None, Timestamp(n * HOUR)),
        n as u64
    );
}

#[test]
fn the_plan_knows_which_events_concern_it_and_when_it_is_another() {
    let filtered = EventSelector {
        name: None,
        filter: vec![PropertyTest {
            path: vec!["vip".into()],
            test: ValueTest::Equals(Value::Bool(true)),
        }],
    };
    let any = EventCondition::new(filtered, None, false, None, counted(">= 1"));
    let own = asked(None, false, None, counted(">= 1"));
    let named = plan(std::slice::from_ref(&own));
    assert!(named.concerns(&name("Order Completed")) && !named.concerns(&name("Page Viewed")));
    let star = plan(std::slice::from_ref(&any));
    assert!(star.concerns(&name("Page Viewed")) && !star.concerns(&name("Email Opened")));
    let mut tracks = Tracks::default();
    assert_eq!(
        tracks.absorb(&star, &event("Page Viewed", 0, &[])),
        Ok(false)
    );
    assert_eq!(tracks, Tracks::default());
    let vip = event("Page Viewed", 0, &[("vip", Value::Bool(true))]);
    assert_eq!(tracks.absorb(&star, &vip), Ok(true));

    let more = plan(&[asked(None, false, None, counted(">= 2"))]);
    let mut prints = [&named, &star, &more, &TrackPlan::default()].map(TrackPlan::fingerprint);
    // How the count is compared is no matter of what is remembered.
    assert_eq!(
        plan(&[asked(None, true, None, counted("> 0"))]).fingerprint(),
        prints[0]
    );
    assert_eq!(
        plan(&[own.clone(), any.clone()]).fingerprint(),
        plan(&[any, own]).fingerprint()
    );
    prints.sort_unstable();
    assert!(prints.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn a_trigger_counts_its_events_by_the_property_it_is_per() {
    let trigger = |count, per: Option<&str>| Trigger {
        event: select("Product Added"),
        count,
        within: Some(Span::days(1)),
        per: per.map(str::to_owned),
        repeat: Repeat::Ignore,
        fresh: Span::days(1),
    };
    let added = |at, cart: &str| event("Product Added", at, &[("cart", Value::Text(cart.into()))]);
    let history = [added(0, "a"), added(1, "b"), added(2, "a")];
    let (per_cart, plain) = (trigger(2, Some("cart")), trigger(3, None));
    let plan = TrackPlan::from_conditions([], [&per_cart, &plain]);
    let tracks = Tracks::rebuild(&plan, &history);
    let day = Span::days(1).0;
    let counts = |trigger: &Trigger, cart: Option<&str>, now| {
        let key = TrackPlan::trigger_track(trigger);
        count_within(&tracks, key, cart, trigger.within, Timestamp(now))
    };
    assert_eq!(counts(&per_cart, Some("a"), 2), 2);
    assert_eq!(counts(&per_cart, Some("b"), 2), 1);
    assert_eq!(counts(&per_cart, Some("a"), day), 1);
    assert_eq!(counts(&plain, None, day - 1), 3);
    assert_eq!(counts(&plain, None, day), 2);
    // A trigger of one event remembers nothing.
    assert!(!TrackPlan::from_conditions([], [&trigger(1, None)]).concerns(&name("Product Added")));
}

#[test]
fn a_key_is_found_by_its_name_or_through_maps() {
    let inner = Properties::from([("id".to_owned(), Value::Int(7))]);
    let mut properties = Properties::from([("cart".to_owned(), Value::Map(inner))]);
    assert_eq!(key_text(&properties, "cart.id").as_deref(), Some("7"));
    assert_eq!(key_text(&properties, "cart"), None);
    assert_eq!(key_text(&properties, "order.id"), None);
    properties.insert("cart.id".to_owned(), Value::Text("x".into()));
    assert_eq!(key_text(&properties, "cart.id").as_deref(), Some("x"));
}

/// Orders that were cancelled, whatever was told first.
#[test]
fn what_was_undone_never_happened_in_any_order_of_arrival() {
    let cart = |of: &str, at: i64, order: Option<&str>| {
        let mut properties = vec![("total", Value::Int(10))];
        properties.extend(order.map(|id| ("order_id", Value::Text(id.to_owned()))));
        event(of, at * HOUR, &properties)
    };
    let latest = asked(
        None,
        false,
        None,
        EventTest::Last(Range {
            low: None,
            high: Some(Span::days(1)),
        }),
    );
    let total = asked(None, false, None, sum());
    let any = EventCondition::new(
        EventSelector {
            name: None,
            filter: vec![],
        },
        None,
        false,
        None,
        counted(">= 9"),
    );
    let rule = EventRule {
        undone_by: Some(Undo {
            event: name("Order Cancelled"),
            same: "order_id".into(),
        }),
        ..EventRule::default()
    };
    let rules: EventRules = [(name("Order Completed"), rule)].into();
    let conditions = [&latest, &total, &any].map(|c| Condition::Event(c.clone()));
    let undone = TrackPlan::with_events(&conditions, [], &rules);
    let plain = TrackPlan::from_conditions(&conditions, []);
    assert_ne!(undone.fingerprint(), plain.fingerprint());
    assert!(undone.concerns(&name("Order Cancelled")));
    let all = [
        cart("Order Completed", 1, Some("a")),
        cart("Order Completed", 2, Some("b")),
        cart("Order Completed", 3, None),
        cart("Order Completed", 4, Some("c")),
        // One that came before its order, one that says nothing new, one of nothing.
        cart("Order Cancelled", 0, Some("c")),
        cart("Order Cancelled", 5, Some("c")),
        cart("Order Cancelled", 6, None),
    ];
    let expected = Tracks::rebuild(&undone, &all);
    assert_eq!(instants(&expected, latest.track()), [3 * HOUR]);
    let sums = expected.get(total.track()).unwrap().instants();
    assert_eq!(sums.len(), 3);
    // The customer did it all the same.
    assert_eq!(instants(&expected, any.track()).len(), 7);
    let mut orders = vec![vec![]];
    for n in 0..all.len() {
        orders = (orders.iter())
            .flat_map(|order| {
                (0..=order.len()).map(move |place| {
                    let mut order: Vec<usize> = order.clone();
                    order.insert(place, n);
                    order
                })
            })
            .collect();
    }
    assert_eq!(orders.len(), 5_040);
    for order in orders {
        let (mut tracks, mut told) = (Tracks::default(), Vec::new());
        for n in &order {
            told.push(&all[*n]);
            if tracks.absorb(&undone, &all[*n]).is_err() {
                assert_eq!(all[*n].name.as_str(), "Order Cancelled");
                tracks = Tracks::rebuild(&undone, told.iter().copied());
            }
        }
        assert!(tracks == expected, "{order:?}");
    }
}
