//! The naive evaluator: every answer from scratch, out of every event.

use super::customers::World;
use reveille::domain::condition::{
    Condition, Edge, EventCondition, EventTest, NumberRange, PropertyTest, Range, ValueTest,
};
use reveille::domain::event::Event;
use reveille::domain::id::EventName;
use reveille::domain::preference::{Consent, ConsentState};
use reveille::domain::time::Span;
use reveille::domain::value::{Properties, Value};

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
    let too_small = |(low, edge)| n < low || (n == low && edge == Edge::Exclusive);
    let too_large = |(high, edge)| n > high || (n == high && edge == Edge::Exclusive);
    !range.low.is_some_and(too_small) && !range.high.is_some_and(too_large)
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
    let cart = |one: &Event| match one.properties.get("cart") {
        Some(Value::Text(text)) => Some(text.clone()),
        Some(Value::Int(n)) => Some(format!("{n}")),
        _ => None,
    };
    let cancelled: Vec<String> = (known.iter())
        .filter(|one| one.name.as_str() == "Order Cancelled")
        .filter_map(|one| cart(one))
        .collect();
    let by_name = event.select.name.as_ref();
    let orders = by_name.is_some_and(|name| name.as_str() == "Order Completed");
    let mut all: Vec<&Event> = Vec::new();
    for one in known {
        let at = one.time.0;
        if orders && cart(one).is_some_and(|cart| cancelled.contains(&cart)) {
            continue;
        }
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
        if let Some(like) = event.alike() {
            let Some((entered, _, trigger)) = &world.entry else {
                continue;
            };
            let itself = at == *entered && trigger.as_ref().is_some_and(&meant);
            let had = |map: &Properties, path: &[String]| -> Vec<String> {
                let texts = reach(map, path)
                    .into_iter()
                    .filter_map(|value| match value {
                        Value::Text(text) => Some(text.clone()),
                        Value::Int(n) => Some(format!("{n}")),
                        Value::Float(n) => Some(format!("{n}")),
                        Value::Bool(b) => Some(format!("{b}")),
                        _ => None,
                    });
                texts.collect()
            };
            let wanted = had(&world.about, &like.of);
            let own = had(&one.properties, &like.property);
            if itself || !own.iter().any(|text| wanted.contains(text)) {
                continue;
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

pub fn holds(world: &World, known: &[&Event], condition: &Condition, now: i64) -> bool {
    holds_in(world, known, condition, now, false)
}

/// Whether what is asked is an absence (under a `not`: a presence) that looks past what is known.
fn beyond(event: &EventCondition, absence: bool, negated: bool, now: i64) -> bool {
    let Some(since) = event.complete_since else {
        return false;
    };
    let within = event.within.map(|span| span.0);
    let reach = match (absence, negated, &event.test) {
        (true, false, _) => within,
        (true, true, _) => return false,
        (false, false, EventTest::Count(range)) if range.high.is_some() => within,
        (false, true, EventTest::Count(range)) if range.low.is_some_and(|low| low > 0) => within,
        (false, false, EventTest::Sum { is, .. }) if is.high.is_some() => within,
        (false, true, EventTest::Sum { is, .. }) if is.low.is_some() => within,
        (false, false, EventTest::Last(ages)) if ages.low.is_some() => ages.low.map(|s| s.0),
        (false, true, EventTest::Last(ages)) if ages.high.is_some() => ages.high.map(|s| s.0),
        _ => return false,
    };
    !event.since_entry && reach.is_none_or(|reach| now - reach < since.0)
}

fn holds_in(
    world: &World,
    known: &[&Event],
    condition: &Condition,
    now: i64,
    negated: bool,
) -> bool {
    let holds = |world: &World, known: &[&Event], condition: &Condition, now: i64| {
        holds_in(world, known, condition, now, negated)
    };
    match condition {
        Condition::Event(event) if beyond(event, false, negated, now) => return negated,
        Condition::NoEvent(event) if beyond(event, true, negated, now) => return negated,
        _ => {}
    }
    match condition {
        Condition::All(parts) => parts.iter().all(|part| holds(world, known, part, now)),
        Condition::Any(parts) => parts.iter().any(|part| holds(world, known, part, now)),
        Condition::Not(part) => !holds_in(world, known, part, now, !negated),
        Condition::Segment(name) => world
            .segments
            .get(name)
            .is_some_and(|part| holds(world, known, part, now)),
        Condition::KnownFor(range) => aged(range, now - world.known_since),
        Condition::Tag(tag) => match world.derived.get(tag) {
            Some(rule) => holds(world, known, rule, now),
            None => world.tags.iter().any(|one| one == tag),
        },
        Condition::Date(_)
        | Condition::Preference(_)
        | Condition::Campaign(_)
        | Condition::UnderWay { .. }
        | Condition::Engaged(_)
        | Condition::Unanswered(_) => super::standing::holds(world, condition, now),
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
        Condition::Refused(asked) => {
            // The newer of the two words, of two at one instant the topic's own; but no consent to the whole outdoes a
            // topic's own refusal.
            let own = world.consents.get(&Some(asked.topic.clone()));
            let whole = world.consents.get(&None);
            let refused = |word: &&Consent| word.state == ConsentState::Refused;
            let no = match (own, whole) {
                (Some(own), Some(whole)) if refused(&whole) && whole.at > own.at => Some(whole),
                (Some(own), _) => Some(own).filter(refused),
                (None, whole) => whole.filter(refused),
            };
            no.is_some_and(|no| (asked.within).is_none_or(|within| now - no.at.0 < within.0))
        }
        Condition::ConsentAge(asked) => {
            let subscribed = Condition::Subscribed(asked.topic.clone());
            let follows =
                (world.topics.get(&asked.topic)).is_some_and(|t| t.default && !t.on_request);
            let mut given: Vec<i64> = Vec::new();
            for (topic, consent) in &world.consents {
                let counts = match topic {
                    Some(topic) => *topic == asked.topic,
                    None => follows,
                };
                if counts && consent.state == ConsentState::Given {
                    given.push(consent.at.0);
                }
            }
            given.sort_unstable();
            holds(world, known, &subscribed, now) && aged(&asked.age, now - given[given.len() - 1])
        }
        Condition::Message(message) => super::messages::holds(world, message, now),
        Condition::NoEvent(event) => asked(world, known, event, true, now).is_empty(),
        Condition::Event(event) => {
            let of_entry = event.since_entry || event.same.is_some() || event.alike().is_some();
            if world.entry.is_none() && of_entry {
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
