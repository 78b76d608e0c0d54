//! Whether an audience can never hold, or always does: found by reading it, without any customer.
//!
//! Only what is certain is said. A contradiction that this does not see shows in `plan` as a campaign that writes to
//! nobody.

use super::standing::REMEMBERED;
use crate::config::toml_reader::Item;
use crate::domain::condition::{
    Condition, EventCondition, EventSelector, EventTest, Named, PreferenceTest, Range,
};
use crate::domain::time::{Span, Timestamp};

/// `Some(true)`: it holds for everybody; `Some(false)`: for nobody; `None`: it depends.
pub fn certain(condition: &Condition, named: &Named<'_>) -> Option<bool> {
    match condition {
        Condition::All(list) => {
            let flat = flatten(list, named, true);
            let answers: Vec<Option<bool>> = flat.iter().map(|c| certain(c, named)).collect();
            if answers.contains(&Some(false)) || some_pair(&flat, contradict) {
                Some(false)
            } else if answers.iter().all(|a| *a == Some(true)) {
                Some(true)
            } else {
                None
            }
        }
        Condition::Any(list) => {
            let flat = flatten(list, named, false);
            let answers: Vec<Option<bool>> = flat.iter().map(|c| certain(c, named)).collect();
            if answers.contains(&Some(true)) || some_pair(&flat, opposites) {
                Some(true)
            } else if answers.iter().all(|a| *a == Some(false)) {
                Some(false)
            } else {
                None
            }
        }
        Condition::Not(inner) => certain(inner, named).map(|answer| !answer),
        Condition::Segment(name) => named.segments.get(name).and_then(|c| certain(c, named)),
        Condition::Tag(tag) => named.tags.get(tag).and_then(|c| certain(c, named)),
        Condition::KnownFor(range) => {
            let any = range.low.is_none_or(|low| low <= Span::ZERO) && range.high.is_none();
            any.then_some(true)
        }
        Condition::Event(event) => certain_event(event),
        Condition::Unanswered(range) => {
            let any =
                range.low.unwrap_or(0) == 0 && range.high.is_none_or(|high| high >= REMEMBERED);
            any.then_some(true)
        }
        _ => None,
    }
}

fn certain_event(event: &EventCondition) -> Option<bool> {
    match &event.test {
        EventTest::Count(range) if range.low.unwrap_or(0) == 0 && range.high.is_none() => {
            Some(true)
        }
        // The latest, or earliest, of the last 30 days cannot be 30 days old.
        EventTest::Last(age) | EventTest::First(age) => {
            let too_old = age
                .low
                .zip(event.within)
                .is_some_and(|(low, within)| low >= within);
            too_old.then_some(false)
        }
        _ => None,
    }
}

/// What in a condition can hold for nobody, since it looks past what is known of an event; in words.
pub fn beyond_knowing(condition: &Condition) -> Vec<String> {
    fn walk(condition: &Condition, negated: bool, found: &mut Vec<String>) {
        let (event, absence) = match condition {
            Condition::All(list) | Condition::Any(list) => {
                return list.iter().for_each(|inner| walk(inner, negated, found));
            }
            Condition::Not(inner) => return walk(inner, !negated, found),
            Condition::Event(event) => (event, false),
            Condition::NoEvent(event) => (event, true),
            _ => return,
        };
        let never = event.known_from(absence, negated) == Some(Timestamp::NEVER);
        if let (true, Some(since)) = (never, event.complete_since) {
            let not = if negated { "not " } else { "" };
            found.push(format!(
                "\"{not}{}\" looks further back than {since}, since when config.toml says the event is told completely",
                condition.describe().replace('"', "'")
            ));
        }
    }
    let mut found = Vec::new();
    walk(condition, false, &mut found);
    found
}

/// Warns of it.
pub fn warn_beyond_knowing(item: &Item<'_>, condition: &Condition) {
    for what in beyond_knowing(condition) {
        item.reader().warn(
            item.key_span(),
            format!("{what}: it holds for nobody"),
            "ask for less with `within`, or set `complete_since` under [events] earlier",
        );
    }
}

/// The members, with those of lists of the same kind (and segments and tags that are such) in their place.
fn flatten<'a>(list: &'a [Condition], named: &Named<'a>, all: bool) -> Vec<&'a Condition> {
    let mut flat = Vec::new();
    for condition in list {
        let mut resolved = condition;
        loop {
            let inner = match resolved {
                Condition::Segment(name) => named.segments.get(name),
                Condition::Tag(tag) => named.tags.get(tag),
                _ => None,
            };
            let Some(inner) = inner else { break };
            resolved = inner;
        }
        match resolved {
            Condition::All(inner) if all => flat.extend(flatten(inner, named, all)),
            Condition::Any(inner) if !all => flat.extend(flatten(inner, named, all)),
            other => flat.push(other),
        }
    }
    flat
}

fn some_pair(list: &[&Condition], test: fn(&Condition, &Condition) -> bool) -> bool {
    list.iter()
        .enumerate()
        .any(|(at, a)| list[at + 1..].iter().any(|b| test(a, b) || test(b, a)))
}

/// One is the `not` of the other.
fn opposites(a: &Condition, b: &Condition) -> bool {
    matches!(a, Condition::Not(inner) if **inner == *b)
}

/// They cannot hold together.
fn contradict(a: &Condition, b: &Condition) -> bool {
    if opposites(a, b) {
        return true;
    }
    let a = match (a, b) {
        (Condition::Event(a), _) => a,
        (Condition::Preference(a), Condition::Preference(b)) if a.what == b.what => {
            // Not set, and yet set or something.
            return a.test == PreferenceTest::Exists(false)
                && b.test != PreferenceTest::Exists(false);
        }
        (Condition::Engaged(a), Condition::Engaged(b)) => return apart(*a, *b),
        (Condition::Unanswered(a), Condition::Unanswered(b)) => return apart(*a, *b),
        (Condition::ConsentAge(a), Condition::ConsentAge(b)) => {
            return a.topic == b.topic && apart(a.age, b.age);
        }
        _ => return false,
    };
    match b {
        Condition::NoEvent(b) => {
            // None within b; but one within a, which lies inside b.
            let inside = match (needs_one_within(a), b.within) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(Some(a)), Some(b)) => a <= b,
                (Some(None), Some(_)) => false,
            };
            inside && same_events(a, b) && plain(a) && plain(b)
        }
        Condition::Event(b) => match (&a.test, &b.test) {
            (EventTest::Last(a_age), EventTest::Last(b_age)) => {
                same_events(a, b) && a.within == b.within && apart(*a_age, *b_age)
            }
            (EventTest::Count(a_count), EventTest::Count(b_count)) => {
                same_events(a, b) && a.within == b.within && apart(*a_count, *b_count)
            }
            // The latest is older than the time in which there must be one.
            (EventTest::Last(age), EventTest::Count(_)) => {
                let older = match (age.low, needs_one_within(b)) {
                    (Some(low), Some(Some(within))) => low >= within,
                    _ => false,
                };
                older && a.within.is_none() && same_events(a, b) && plain(a) && plain(b)
            }
            _ => false,
        },
        _ => false,
    }
}

fn same_events(a: &EventCondition, b: &EventCondition) -> bool {
    let name = |s: &EventSelector| s.name.clone();
    name(&a.select) == name(&b.select)
        && a.select.filter == b.select.filter
        && a.alike() == b.alike()
}

fn plain(event: &EventCondition) -> bool {
    !event.since_entry && event.same.is_none() && event.alike().is_none()
}

fn apart<T: Ord + Copy>(a: Range<T>, b: Range<T>) -> bool {
    let below = |a: Range<T>, b: Range<T>| a.high.zip(b.low).is_some_and(|(high, low)| high < low);
    below(a, b) || below(b, a)
}

/// Within which time there must be one at least: `Some(None)` for any time.
fn needs_one_within(event: &EventCondition) -> Option<Option<Span>> {
    match &event.test {
        EventTest::Count(range) if range.low.unwrap_or(0) >= 1 => Some(event.within),
        EventTest::Last(age) if age.high.is_some() => Some(age.high.min(event.within.or(age.high))),
        _ => None,
    }
}
