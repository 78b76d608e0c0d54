//! Random customers, histories and conditions. Instants, spans and amounts lie on coarse grids, so that edges and
//! ties are met all the time.

use super::messages::{self, Raw, raws};
use super::standing::{self, RawEntry};
use chrono_tz::Tz;
use reveille::domain::campaign::Topic;
use reveille::domain::condition::{
    Condition, ConsentAge, Edge, EventCondition, EventSelector, EventTest, Like, NumberRange,
    Pattern, PropertyTest, Range, Refused, ValueTest,
};
use reveille::domain::event::{Event, EventRule, EventRules, Undo};
use reveille::domain::id::{EventName, SegmentName, TagName, TopicId};
use reveille::domain::preference::{Consent, ConsentState, Consents, Preferences};
use reveille::domain::time::{Span, Timestamp};
use reveille::domain::value::{Properties, Value};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

pub const START: i64 = 1_700_000_000_000;
const STEP: i64 = 6 * 3_600_000;
pub const DAYS: i64 = 86_400_000;

/// SplitMix64: small, and the same everywhere.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
    pub fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }
    pub fn word<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len() as u64) as usize]
    }
}

const NAMES: [&str; 5] = [
    "Order Completed",
    "Product Added",
    "Page Viewed",
    "Email Opened",
    "Order Cancelled",
];
const TAGS: [&str; 3] = ["vip", "staff", "late"];
const TOPICS: [&str; 4] = ["offers", "news", "digest", "undeclared"];
/// Orders are undone by cancellations of the same cart.
pub fn rules() -> EventRules {
    let rule = EventRule {
        undone_by: Some(Undo {
            event: name("Order Cancelled"),
            same: "cart".into(),
        }),
        ..EventRule::default()
    };
    [(name("Order Completed"), rule)].into()
}

pub const SEGMENTS: [&str; 3] = ["one", "two", "three"];

fn name(text: &str) -> EventName {
    EventName::parse(text).unwrap()
}

/// One customer with everything that was ever told of them.
pub struct World {
    pub known_since: i64,
    pub attributes: Properties,
    pub email: Option<String>,
    pub tags: BTreeSet<TagName>,
    pub consents: Consents,
    pub topics: BTreeMap<TopicId, Topic>,
    pub segments: BTreeMap<SegmentName, Condition>,
    /// Tags that a rule derives.
    pub derived: BTreeMap<TagName, Condition>,
    pub preferences: Preferences,
    pub zone: Tz,
    pub entries: Vec<RawEntry>,
    /// With the instant of their arrival.
    pub events: Vec<(i64, Event)>,
    pub entry: Option<(i64, String, Option<EventName>)>,
    /// The properties of the event that made the entry.
    pub about: Properties,
    pub lenient: bool,
    /// Messages that left, with what came back.
    pub messages: Vec<Raw>,
    /// Up to when the naive evaluator has heard of what became of them.
    pub heard: Cell<i64>,
}

pub fn span(dice: &mut Dice) -> Span {
    let jitter = if dice.one_in(6) {
        dice.below(3) as i64 - 1
    } else {
        0
    };
    Span((dice.below(60) as i64 * STEP + jitter).max(0))
}

pub fn spans(dice: &mut Dice) -> Range<Span> {
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
    let since_then =
        (!plain && dice.one_in(3)).then(|| Timestamp(START + dice.below(40) as i64 * STEP));
    // Likeness asks whether there was one, or how old it is.
    let like = (!plain && same.is_none() && dice.one_in(4)).then(|| like(dice));
    let test = match test {
        EventTest::Last(_) | EventTest::First(_) => test,
        _ if like.is_some() => EventTest::Count(Range {
            low: Some(1),
            high: None,
        }),
        test => test,
    };
    EventCondition::new(select, within, since, same, test)
        .complete_since(since_then)
        .like(like)
}

fn like(dice: &mut Dice) -> Like {
    let path = |dice: &mut Dice| {
        let paths = ["cart", "lines.colour", "labels", "labels"];
        dice.word(&paths).split('.').map(str::to_owned).collect()
    };
    Like {
        property: path(dice),
        of: path(dice),
    }
}

pub fn condition(dice: &mut Dice, depth: u32, segments: &[&str], plain: bool) -> Condition {
    let parts = |dice: &mut Dice| -> Vec<Condition> {
        (0..dice.below(4))
            .map(|_| condition(dice, depth - 1, segments, plain))
            .collect()
    };
    match dice.below(if depth == 0 { 13 } else { 21 }) {
        0..=4 => Condition::Event(event_condition(dice, plain)),
        5..=6 => Condition::NoEvent(event_condition(dice, plain)),
        7 if dice.one_in(2) => Condition::KnownFor(spans(dice)),
        7 => messages::condition(dice),
        8 if dice.one_in(3) => Condition::Attribute(PropertyTest {
            path: vec!["email".into()],
            test: property_test(dice).test,
        }),
        8 => Condition::Attribute(property_test(dice)),
        // Rules of tags name segments, and no other way round: no circle.
        9 if segments.len() < SEGMENTS.len() => {
            Condition::Tag(TagName::parse(dice.word(&["staff", "late"])).unwrap())
        }
        9 => Condition::Tag(TagName::parse(dice.word(&TAGS)).unwrap()),
        20 => standing::condition(dice),
        12 if depth == 0 => standing::condition(dice),
        10 => {
            let topic = TopicId::parse(dice.word(&TOPICS)).unwrap();
            match dice.below(4) {
                0 => Condition::Subscribed(topic),
                1 => Condition::Refused(Refused {
                    topic,
                    within: spans(dice).high,
                }),
                _ => Condition::ConsentAge(ConsentAge {
                    topic,
                    age: spans(dice),
                }),
            }
        }
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

fn event(dice: &mut Dice, plain: bool) -> (i64, Event) {
    let at = instant(dice);
    let late = if dice.one_in(4) {
        dice.below(40) as i64 * STEP
    } else {
        0
    };
    let event = Event {
        name: name(dice.word(if plain { &NAMES[..4] } else { &NAMES })),
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
                at: Timestamp(START + STEP * dice.below(5) as i64),
                source: "form".into(),
                wording: None,
            };
            consents.insert(topic.map(|t| TopicId::parse(t).unwrap()), consent);
        }
    }
    consents
}

pub fn world(dice: &mut Dice, events: u64, plain: bool) -> World {
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
            confirm: false,
            default,
        };
        (id, topic)
    };
    // The rule of "vip", which some have been given by hand as well; it names segments only.
    let vip = condition(dice, 2, &SEGMENTS[..2], plain);
    let mut attributes = properties(dice);
    standing::dates(dice, &mut attributes);
    World {
        derived: [(TagName::parse("vip").unwrap(), vip)].into(),
        preferences: standing::preferences(dice),
        zone: *dice.of(&standing::ZONES),
        entries: standing::entries(dice),
        known_since: instant(dice),
        attributes,
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
        events: (0..events).map(|_| event(dice, plain)).collect(),
        entry: (!dice.one_in(4)).then(|| {
            let trigger = dice.one_in(2).then(|| name(dice.word(&NAMES)));
            (
                instant(dice),
                (dice.word(&["1", "2", "3"])).to_owned(),
                trigger,
            )
        }),
        about: properties(dice),
        lenient: dice.one_in(3),
        messages: raws(dice),
        heard: Cell::new(START),
    }
}
