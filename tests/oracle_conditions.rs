//! Conditions against a naive evaluator that keeps every event and works each answer out from scratch.
//!
//! The evaluator below shares types with the domain, and no code: it walks values, counts, adds and compares on its
//! own. Instants, spans and amounts lie on coarse grids, so that edges and ties are met all the time. A failure prints
//! the seed; `REVEILLE_SEED=n` repeats it, `REVEILLE_SOAK=1` runs many more customers.

use reveille::domain::campaign::Topic;
use reveille::domain::condition::{
    Condition, Edge, EntryFacts, EventCondition, EventSelector, EventTest, Facts, NumberRange,
    Pattern, PropertyTest, Range, ValueTest, evaluate, explain,
};
use reveille::domain::event::Event;
use reveille::domain::id::{EventName, SegmentName, TagName, TopicId};
use reveille::domain::preference::{Consent, ConsentState, Consents};
use reveille::domain::time::{Span, Timestamp};
use reveille::domain::track::{TrackPlan, Tracks};
use reveille::domain::value::{Properties, Value};
use std::collections::{BTreeMap, BTreeSet};

const START: i64 = 1_700_000_000_000;
const STEP: i64 = 6 * 3_600_000;
const DAYS: i64 = 86_400_000;

/// SplitMix64: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }
    fn word<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len() as u64) as usize]
    }
}

const NAMES: [&str; 4] = [
    "Order Completed",
    "Product Added",
    "Page Viewed",
    "Email Opened",
];
const TAGS: [&str; 3] = ["vip", "staff", "late"];
const TOPICS: [&str; 4] = ["offers", "news", "digest", "undeclared"];
const SEGMENTS: [&str; 3] = ["one", "two", "three"];

fn name(text: &str) -> EventName {
    EventName::parse(text).unwrap()
}

/// One customer with everything that was ever told of them.
struct World {
    known_since: i64,
    attributes: Properties,
    email: Option<String>,
    tags: BTreeSet<TagName>,
    consents: Consents,
    topics: BTreeMap<TopicId, Topic>,
    segments: BTreeMap<SegmentName, Condition>,
    /// With the instant of their arrival.
    events: Vec<(i64, Event)>,
    entry: Option<(i64, String, Option<EventName>)>,
    lenient: bool,
}

// ---- the naive evaluator ------------------------------------------------------------------------------------------

/// Every value that a path leads to; lists are opened on the way and at its end.
fn reach<'a>(map: &'a Properties, path: &[String]) -> Vec<&'a Value> {
    let mut found: Vec<&Value> = map.get(&path[0]).into_iter().collect();
    for part in &path[1..] {
        let mut next = Vec::new();
        for value in opened(found) {
            if let Value::Map(map) = value {
                next.extend(map.get(part));
            }
        }
        found = next;
    }
    let mut all = found.clone();
    for value in found {
        if let Value::List(items) = value {
            all.extend(items);
        }
    }
    all
}

fn opened(values: Vec<&Value>) -> Vec<&Value> {
    let mut all = Vec::new();
    for value in values {
        match value {
            Value::List(items) => all.extend(items.iter()),
            other => all.push(other),
        }
    }
    all
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(n) => Some(*n as f64),
        Value::Float(n) => Some(*n),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => a == b,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => {
            number(a) == number(b)
        }
        _ => false,
    }
}

fn in_numbers(range: &NumberRange, n: f64) -> bool {
    if let Some((low, edge)) = range.low {
        if n < low || (n == low && edge == Edge::Exclusive) {
            return false;
        }
    }
    if let Some((high, edge)) = range.high {
        if n > high || (n == high && edge == Edge::Exclusive) {
            return false;
        }
    }
    true
}

fn passes(test: &PropertyTest, values: Vec<&Value>) -> bool {
    let mut there = values.into_iter().filter(|v| **v != Value::Null);
    match &test.test {
        ValueTest::Exists(wanted) => there.next().is_some() == *wanted,
        ValueTest::Equals(wanted) => there.any(|v| equal(v, wanted)),
        ValueTest::In(wanted) => there.any(|v| wanted.iter().any(|w| equal(v, w))),
        ValueTest::Contains(part) => {
            there.any(|v| matches!(v, Value::Text(text) if text.contains(part.as_str())))
        }
        ValueTest::ContainsAny(parts) => there.any(
            |v| matches!(v, Value::Text(text) if parts.iter().any(|p| text.contains(p.as_str()))),
        ),
        ValueTest::Matches(pattern) => there.any(|v| match v {
            Value::Text(text) => pattern.0.is_match(text),
            Value::Int(n) => pattern.0.is_match(&format!("{n}")),
            Value::Float(n) => pattern.0.is_match(&format!("{n}")),
            Value::Bool(b) => pattern.0.is_match(if *b { "true" } else { "false" }),
            _ => false,
        }),
        ValueTest::Is(range) => there.any(|v| number(v).is_some_and(|n| in_numbers(range, n))),
    }
}

/// The events that a condition asks about at `now`, oldest first.
fn asked<'a>(
    world: &World,
    known: &[&'a Event],
    event: &EventCondition,
    absence: bool,
    now: i64,
) -> Vec<&'a Event> {
    let own = |name: &EventName| {
        !name.as_str().starts_with("Email ") && !name.as_str().starts_with("Reveille ")
    };
    let meant = |name: &EventName| match &event.select.name {
        Some(wanted) => wanted == name,
        None => own(name),
    };
    let mut all: Vec<&Event> = Vec::new();
    for one in known {
        let at = one.time.0;
        if at > now || !meant(&one.name) {
            continue;
        }
        if !event
            .select
            .filter
            .iter()
            .all(|t| passes(t, reach(&one.properties, &t.path)))
        {
            continue;
        }
        if event.within.is_some_and(|within| now - at >= within.0) {
            continue;
        }
        if event.since_entry {
            let Some((entered, _, trigger)) = &world.entry else {
                continue;
            };
            let by_its_own_event = trigger.as_ref().is_some_and(&meant);
            if at < *entered || (at == *entered && by_its_own_event) {
                continue;
            }
        }
        if let Some(property) = &event.same {
            let Some((_, key, _)) = &world.entry else {
                continue;
            };
            let text = match one.properties.get(property) {
                Some(Value::Text(text)) => Some(text.clone()),
                Some(Value::Int(n)) => Some(format!("{n}")),
                _ => None,
            };
            match text {
                Some(text) if text == *key => {}
                None if absence || world.lenient => {}
                _ => continue,
            }
        }
        all.push(one);
    }
    all.sort_by_key(|one| one.time);
    all
}

fn aged(range: &Range<Span>, age: i64) -> bool {
    range.low.is_none_or(|low| age >= low.0) && range.high.is_none_or(|high| age <= high.0)
}

fn holds(world: &World, known: &[&Event], condition: &Condition, now: i64) -> bool {
    match condition {
        Condition::All(parts) => parts.iter().all(|part| holds(world, known, part, now)),
        Condition::Any(parts) => parts.iter().any(|part| holds(world, known, part, now)),
        Condition::Not(part) => !holds(world, known, part, now),
        Condition::Segment(name) => world
            .segments
            .get(name)
            .is_some_and(|part| holds(world, known, part, now)),
        Condition::KnownFor(range) => aged(range, now - world.known_since),
        Condition::Tag(tag) => world.tags.iter().any(|one| one == tag),
        Condition::Attribute(test) if test.path == ["email"] => {
            let email = world.email.clone().map(Value::Text);
            passes(test, email.iter().collect())
        }
        Condition::Attribute(test) => passes(test, reach(&world.attributes, &test.path)),
        Condition::Subscribed(topic) => {
            let row = |key| world.consents.get(&key).map(|c| (c.state, c.at.0));
            let follows = world
                .topics
                .get(topic)
                .is_some_and(|t| t.default && !t.on_request);
            match (row(Some(topic.clone())), row(None)) {
                (Some((ConsentState::Given, at)), whole) => {
                    !whole.is_some_and(|(state, when)| state == ConsentState::Refused && when > at)
                }
                (Some((ConsentState::Refused, _)), _) => false,
                (None, Some((ConsentState::Given, _))) => follows,
                (None, _) => false,
            }
        }
        Condition::NoEvent(event) => asked(world, known, event, true, now).is_empty(),
        Condition::Event(event) => {
            if world.entry.is_none() && (event.since_entry || event.same.is_some()) {
                return false;
            }
            let events = asked(world, known, event, false, now);
            match &event.test {
                EventTest::Count(range) => {
                    let n = events.len() as u64;
                    range.low.is_none_or(|low| n >= low) && range.high.is_none_or(|high| n <= high)
                }
                EventTest::Sum { property, is } => {
                    // Amounts are quarters, so that floating point adds them exactly.
                    let amounts = events
                        .iter()
                        .flat_map(|one| reach(&one.properties, property));
                    in_numbers(is, amounts.filter_map(number).sum())
                }
                EventTest::Last(range) => events
                    .last()
                    .is_some_and(|one| aged(range, now - one.time.0)),
                EventTest::First(range) => events
                    .first()
                    .is_some_and(|one| aged(range, now - one.time.0)),
                EventTest::Gap(range) => match events.as_slice() {
                    [.., before, last] => aged(range, last.time.0 - before.time.0),
                    _ => false,
                },
            }
        }
    }
}

// ---- random customers ---------------------------------------------------------------------------------------------

fn span(dice: &mut Dice) -> Span {
    let jitter = if dice.one_in(6) {
        dice.below(3) as i64 - 1
    } else {
        0
    };
    Span((dice.below(60) as i64 * STEP + jitter).max(0))
}

fn spans(dice: &mut Dice) -> Range<Span> {
    let (a, b) = (span(dice), span(dice));
    let (low, high) = (a.min(b), a.max(b));
    match dice.below(4) {
        0 | 1 => Range {
            low: Some(low),
            high: None,
        },
        2 => Range {
            low: None,
            high: Some(high),
        },
        _ => Range {
            low: Some(low),
            high: Some(high),
        },
    }
}

fn counts(dice: &mut Dice) -> Range<u64> {
    let low = dice.below(5);
    match dice.below(4) {
        0 => Range {
            low: None,
            high: Some(low),
        },
        1 => Range {
            low: Some(low),
            high: Some(low + dice.below(3)),
        },
        _ => Range {
            low: Some(low),
            high: None,
        },
    }
}

fn numbers(dice: &mut Dice) -> NumberRange {
    let edge = |dice: &mut Dice| *dice.of(&[Edge::Inclusive, Edge::Exclusive]);
    let low = dice.below(40) as f64 / 4.0 - 2.0;
    let high = low + dice.below(20) as f64 / 4.0;
    let ends = dice.below(3);
    NumberRange {
        low: (ends != 0).then(|| (low, edge(dice))),
        high: (ends != 1).then(|| (high, edge(dice))),
    }
}

fn amount(dice: &mut Dice) -> Value {
    let quarters = dice.below(24) as f64 / 4.0 - 1.0;
    match dice.below(6) {
        0 => Value::Int(quarters as i64),
        1 => Value::Text(format!("{quarters}")),
        2 => Value::Null,
        3 => Value::Text("none".into()),
        _ => Value::Float(quarters),
    }
}

fn cart(dice: &mut Dice) -> Value {
    match dice.below(5) {
        0 => Value::Null,
        1 => Value::Text("1".into()),
        n => Value::Int(n as i64 - 1),
    }
}

fn colour(dice: &mut Dice) -> Value {
    Value::Text((dice.word(&["red", "dark red", "blue"])).to_owned())
}

fn properties(dice: &mut Dice) -> Properties {
    let mut map = Properties::new();
    if !dice.one_in(5) {
        map.insert("total".into(), amount(dice));
    }
    if !dice.one_in(4) {
        map.insert("cart".into(), cart(dice));
    }
    if dice.one_in(2) {
        let line = |dice: &mut Dice| {
            let mut one = Properties::from([("price".to_owned(), amount(dice))]);
            if dice.one_in(2) {
                one.insert("colour".into(), colour(dice));
            }
            Value::Map(one)
        };
        let lines = (0..dice.below(3)).map(|_| line(dice)).collect();
        map.insert("lines".into(), Value::List(lines));
    }
    if dice.one_in(3) {
        let labels = (0..dice.below(3)).map(|_| colour(dice)).collect();
        map.insert("labels".into(), Value::List(labels));
    }
    map
}

fn property_test(dice: &mut Dice) -> PropertyTest {
    let path = dice.word(&[
        "total",
        "cart",
        "lines.price",
        "lines.colour",
        "labels",
        "lines",
    ]);
    let text = |t: &str| t.to_owned();
    let test = match dice.below(8) {
        0 => ValueTest::Equals(amount(dice)),
        1 => ValueTest::In(vec![colour(dice), cart(dice)]),
        2 => ValueTest::Contains(text(dice.word(&["red", "lue"]))),
        3 => ValueTest::ContainsAny(vec![text(dice.word(&["dark", "blue"])), "5".into()]),
        4 => ValueTest::Matches(Pattern(
            regex::Regex::new(dice.word(&["^r", "^1$", "[25]"])).unwrap(),
        )),
        5 => ValueTest::Exists(dice.one_in(2)),
        _ => ValueTest::Is(numbers(dice)),
    };
    PropertyTest {
        path: path.split('.').map(str::to_owned).collect(),
        test,
    }
}

/// `plain`: nothing that a track bounds, so that it is exact for customers with any number of events.
fn event_condition(dice: &mut Dice, plain: bool) -> EventCondition {
    let select = EventSelector {
        name: (!dice.one_in(4)).then(|| name(dice.word(&NAMES))),
        filter: if dice.one_in(3) {
            vec![property_test(dice)]
        } else {
            vec![]
        },
    };
    let within = (!dice.one_in(3)).then(|| span(dice));
    let since = dice.one_in(4);
    let same = (!plain && dice.one_in(4)).then(|| "cart".to_owned());
    let test = match dice.below(7) {
        0 => EventTest::Last(spans(dice)),
        1 => EventTest::Gap(spans(dice)),
        2 if !plain => EventTest::First(spans(dice)),
        3 if !plain => EventTest::Sum {
            property: dice
                .word(&["total", "lines.price"])
                .split('.')
                .map(str::to_owned)
                .collect(),
            is: numbers(dice),
        },
        _ => EventTest::Count(counts(dice)),
    };
    EventCondition::new(select, within, since, same, test)
}

fn condition(dice: &mut Dice, depth: u32, segments: &[&str], plain: bool) -> Condition {
    let parts = |dice: &mut Dice| -> Vec<Condition> {
        (0..dice.below(4))
            .map(|_| condition(dice, depth - 1, segments, plain))
            .collect()
    };
    match dice.below(if depth == 0 { 12 } else { 20 }) {
        0..=4 => Condition::Event(event_condition(dice, plain)),
        5..=6 => Condition::NoEvent(event_condition(dice, plain)),
        7 => Condition::KnownFor(spans(dice)),
        8 if dice.one_in(3) => Condition::Attribute(PropertyTest {
            path: vec!["email".into()],
            test: property_test(dice).test,
        }),
        8 => Condition::Attribute(property_test(dice)),
        9 => Condition::Tag(TagName::parse(dice.word(&TAGS)).unwrap()),
        10 => Condition::Subscribed(TopicId::parse(dice.word(&TOPICS)).unwrap()),
        11 if !segments.is_empty() => {
            Condition::Segment(SegmentName::parse(dice.word(segments)).unwrap())
        }
        11 => Condition::Event(event_condition(dice, plain)),
        12..=14 => Condition::All(parts(dice)),
        15..=17 => Condition::Any(parts(dice)),
        _ => Condition::Not(Box::new(condition(dice, depth - 1, segments, plain))),
    }
}

fn instant(dice: &mut Dice) -> i64 {
    let jitter = if dice.one_in(4) {
        dice.below(3) as i64
    } else {
        0
    };
    START + dice.below(100) as i64 * STEP + jitter
}

fn event(dice: &mut Dice) -> (i64, Event) {
    let at = instant(dice);
    let late = if dice.one_in(4) {
        dice.below(40) as i64 * STEP
    } else {
        0
    };
    let event = Event {
        name: name(dice.word(&NAMES)),
        time: Timestamp(at),
        properties: properties(dice),
        identity: 0,
        ahead: false,
    };
    (at + late, event)
}

fn consents(dice: &mut Dice) -> Consents {
    let mut consents = Consents::new();
    for topic in TOPICS.map(Some).into_iter().chain([None]) {
        if dice.one_in(2) {
            let consent = Consent {
                state: *dice.of(&[
                    ConsentState::Given,
                    ConsentState::Given,
                    ConsentState::Refused,
                ]),
                at: Timestamp(dice.below(5) as i64),
                source: "form".into(),
                wording: None,
            };
            consents.insert(topic.map(|t| TopicId::parse(t).unwrap()), consent);
        }
    }
    consents
}

fn world(dice: &mut Dice, events: u64, plain: bool) -> World {
    let mut segments = BTreeMap::new();
    for (place, name) in SEGMENTS.iter().enumerate() {
        // Each may name those before it: no cycle.
        let inner = condition(dice, 2, &SEGMENTS[..place], plain);
        segments.insert(SegmentName::parse(name).unwrap(), inner);
    }
    let topic = |(text, on_request, default): (&str, bool, bool)| {
        let id = TopicId::parse(text).unwrap();
        let topic = Topic {
            id: id.clone(),
            name: BTreeMap::new(),
            description: BTreeMap::new(),
            on_request,
            default,
        };
        (id, topic)
    };
    World {
        known_since: instant(dice),
        attributes: properties(dice),
        email: dice.one_in(2).then(|| "blue@shop.example".to_owned()),
        tags: TAGS
            .iter()
            .filter(|_| dice.one_in(2))
            .map(|t| TagName::parse(t).unwrap())
            .collect(),
        consents: consents(dice),
        topics: [
            ("offers", false, true),
            ("news", false, false),
            ("digest", true, true),
        ]
        .map(topic)
        .into(),
        segments,
        events: (0..events).map(|_| event(dice)).collect(),
        entry: (!dice.one_in(4)).then(|| {
            let trigger = dice.one_in(2).then(|| name(dice.word(&NAMES)));
            (
                instant(dice),
                (dice.word(&["1", "2", "3"])).to_owned(),
                trigger,
            )
        }),
        lenient: dice.one_in(3),
    }
}

// ---- the comparison -----------------------------------------------------------------------------------------------

/// Every length of time in a condition at which an answer can turn.
fn lengths(world: &World, condition: &Condition, all: &mut BTreeSet<i64>) {
    let range = |range: &Range<Span>, all: &mut BTreeSet<i64>| {
        all.extend(range.low.into_iter().chain(range.high).map(|span| span.0));
    };
    match condition {
        Condition::All(parts) | Condition::Any(parts) => {
            parts.iter().for_each(|part| lengths(world, part, all));
        }
        Condition::Not(part) => lengths(world, part, all),
        Condition::Segment(name) => {
            if let Some(part) = world.segments.get(name) {
                lengths(world, part, all);
            }
        }
        Condition::KnownFor(ages) => range(ages, all),
        Condition::Event(event) | Condition::NoEvent(event) => {
            all.extend(event.within.map(|span| span.0));
            if let EventTest::Last(ages) | EventTest::First(ages) = &event.test {
                range(ages, all);
            }
        }
        Condition::Attribute(_) | Condition::Tag(_) | Condition::Subscribed(_) => {}
    }
}

/// Every instant at which the condition's answer can turn, with its neighbours.
fn edges(world: &World, known: &[&Event], condition: &Condition) -> Vec<i64> {
    let mut all = BTreeSet::from([0]);
    lengths(world, condition, &mut all);
    let mut edges = BTreeSet::new();
    for at in known
        .iter()
        .map(|event| event.time.0)
        .chain([world.known_since])
    {
        for length in &all {
            edges.extend([
                at + length - 1,
                at + length,
                at + length + 1,
                at + length + 2,
            ]);
        }
    }
    edges.into_iter().collect()
}

fn is_leaf(condition: &Condition) -> bool {
    !matches!(
        condition,
        Condition::All(_) | Condition::Any(_) | Condition::Not(_) | Condition::Segment(_)
    )
}

#[derive(Default, Debug)]
struct Seen {
    answers: u64,
    yes: u64,
    untils: u64,
    exact: u64,
}

struct Checks {
    conditions: u64,
    events: u64,
    /// Edges tried, each with a millisecond either side.
    edges: u64,
    random: u64,
    /// Every so many instants, `until` is held against the naive evaluator's future.
    futures: u64,
    plain: bool,
}

fn check_customer(seed: u64, checks: &Checks, seen: &mut Seen) {
    let dice = &mut Dice(seed);
    let world = world(dice, checks.events, checks.plain);
    let conditions: Vec<Condition> = (0..checks.conditions)
        .map(|n| condition(dice, (n % 5) as u32, &SEGMENTS, checks.plain))
        .collect();
    let plan = TrackPlan::from_conditions(world.segments.values().chain(&conditions), []);

    let everything: Vec<&Event> = world.events.iter().map(|(_, event)| event).collect();
    let mut instants = BTreeSet::new();
    for condition in &conditions {
        let all = edges(&world, &everything, condition);
        for _ in 0..checks.edges {
            let edge = *dice.of(&all);
            instants.extend([edge - 1, edge, edge + 1]);
        }
    }
    let random = |dice: &mut Dice| START + dice.below(60 * DAYS as u64) as i64;
    instants.extend((0..checks.random).map(|_| random(dice)));

    let mut arrivals: Vec<&(i64, Event)> = world.events.iter().collect();
    arrivals.sort_by_key(|(arrival, _)| *arrival);
    let mut arrivals = arrivals.into_iter().peekable();
    let mut known: Vec<&Event> = Vec::new();
    let mut tracks = Tracks::default();
    for now in instants {
        while let Some((_, event)) = arrivals.next_if(|(arrival, _)| *arrival <= now) {
            known.push(event);
            tracks
                .absorb(&plan, event)
                .expect("late events find their place");
        }
        let facts = Facts {
            known_since: Timestamp(world.known_since),
            attributes: &world.attributes,
            email: world.email.as_deref(),
            tags: &world.tags,
            consents: &world.consents,
            topics: &world.topics,
            segments: &world.segments,
            tracks: &tracks,
            plan: &plan,
            entry: world.entry.as_ref().map(|(at, key, trigger)| EntryFacts {
                at: Timestamp(*at),
                key,
                trigger: trigger.as_ref(),
            }),
            lenient_same: world.lenient,
        };
        for condition in &conditions {
            let case = || format!("seed {seed}, now {now}, {condition:?}");
            let verdict = evaluate(condition, &facts, Timestamp(now));
            let expected = holds(&world, &known, condition, now);
            assert_eq!(verdict.holds, expected, "{}", case());
            seen.answers += 1;
            seen.yes += u64::from(expected);
            if !dice.one_in(checks.futures) {
                continue;
            }
            assert_eq!(
                explain(condition, &facts, Timestamp(now)).verdict,
                verdict,
                "{}",
                case()
            );
            let until = verdict.until.map_or(i64::MAX, |until| until.0);
            assert!(until > now, "{}", case());
            seen.untils += u64::from(verdict.until.is_some());
            for later in edges(&world, &known, condition) {
                if now < later && later < until {
                    let then = holds(&world, &known, condition, later);
                    assert_eq!(then, expected, "changed at {later}, {}", case());
                }
            }
            if is_leaf(condition) && verdict.until.is_some() {
                let then = holds(&world, &known, condition, until);
                assert_ne!(then, expected, "no change at {until}, {}", case());
                seen.exact += 1;
            }
        }
    }
    let rebuilt = Tracks::rebuild(&plan, known.iter().rev().copied());
    assert!(tracks == rebuilt, "seed {seed}: a rebuild differs");
}

fn run(what: &str, customers: u64, soak: u64, checks: &Checks) -> Seen {
    let soaking = std::env::var("REVEILLE_SOAK").is_ok_and(|v| v == "1");
    let repeat = std::env::var("REVEILLE_SEED")
        .ok()
        .and_then(|seed| seed.parse::<u64>().ok());
    let seeds = match repeat {
        Some(seed) => seed..seed + 1,
        None => 1..1 + if soaking { soak } else { customers },
    };
    println!("{what}: seeds {seeds:?}");
    let mut seen = Seen::default();
    for seed in seeds {
        check_customer(seed, checks, &mut seen);
    }
    println!("{what}: {seen:?}");
    seen
}

#[test]
fn conditions_answer_as_a_naive_evaluator_does() {
    let checks = Checks {
        conditions: 5,
        events: 14,
        edges: 12,
        random: 100,
        futures: 8,
        plain: false,
    };
    let seen = run("conditions", 400, 20_000, &checks);
    if std::env::var("REVEILLE_SEED").is_err() {
        // The run means something: both answers occur, and so do ends of answers.
        assert!(
            seen.yes * 10 > seen.answers && seen.yes * 10 < seen.answers * 9,
            "{seen:?}"
        );
        assert!(seen.untils > 3_000 && seen.exact > 1_000, "{seen:?}");
    }
}

/// Counts, ages and gaps stay exact however many events there are.
#[test]
fn customers_with_thousands_of_events_are_answered_exactly() {
    let checks = Checks {
        conditions: 5,
        events: 2_500,
        edges: 3,
        random: 5,
        futures: 1_000,
        plain: true,
    };
    run("busy customers", 10, 300, &checks);
}
