//! Conditions: a table with one leading key, refined by the others.

use super::alike::read_where_of;
use super::keys::CONDITIONS;
use super::names::Names;
use super::standing::{read_campaign, read_date, read_preference, read_refused, read_unanswered};
use super::value_test::{path, read_tests, read_where};
use crate::config::nearest::suggest;
use crate::config::text::positive;
use crate::config::toml_reader::{Item, Table};
use crate::domain::condition::{
    Condition, ConsentAge, EventCondition, EventSelector, EventTest, Like, MessageCondition,
    MessageWas, NumberRange, PropertyTest, Range,
};
use crate::domain::id::{SegmentName, TagName, TopicId};
use crate::domain::time::Span;

/// `no_event` over this long says little of customers who were not known that long.
const LONG_SILENCE: Span = Span::days(30);

/// Where a condition stands, which decides what it may ask.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    pub names: &'a Names<'a>,
    pub entry: Entry<'a>,
    /// An `event` or `known_for` stands beside it, so that a long `no_event` is about somebody known.
    pub known: bool,
    /// Entries are started by an event, with which others can be compared.
    pub by_event: bool,
}

/// What a condition may say of an entry.
#[derive(Clone, Copy)]
pub enum Entry<'a> {
    /// There is none: an audience, a segment.
    None,
    /// There is one; its key is the value of this property of the trigger, if any.
    Keyed(Option<&'a str>),
}

/// Reads one condition.
pub fn read(item: &Item<'_>, scope: Scope<'_>) -> Option<Condition> {
    let entries = item.entries("write { event = \"Order Completed\" }")?;
    let leading: Vec<&Item<'_>> = entries
        .iter()
        .filter(|e| CONDITIONS.iter().any(|(key, _)| *key == e.name))
        .collect();
    match leading.as_slice() {
        [one] => {
            let (_, keys) = CONDITIONS.iter().find(|(key, _)| *key == one.name)?;
            let before = item.reader().errors();
            let condition = read_kind(one, &item.table(keys)?, scope);
            condition.filter(|_| item.reader().errors() == before)
        }
        [] => {
            let span = entries.first().map_or(item.span(), Item::key_span);
            let what = match entries.first() {
                Some(first) => format!("`{}` does not begin a condition", first.name),
                None => "this condition is empty".to_owned(),
            };
            let name = entries.first().map_or("", |first| first.name);
            let known = CONDITIONS.iter().map(|(key, _)| *key);
            item.reader().error(span, what, suggest(name, known));
            None
        }
        [first, second, ..] => {
            item.reader().error(
                second.key_span(),
                format!(
                    "a condition has one leading key, and this has both `{}` and `{}`",
                    first.name, second.name
                ),
                "give each a table of its own: all = [{ ... }, { ... }]",
            );
            None
        }
    }
}

fn read_kind(leading: &Item<'_>, table: &Table<'_>, scope: Scope<'_>) -> Option<Condition> {
    match leading.name {
        "all" => read_list(leading, scope, true).map(Condition::All),
        "any" => read_list(leading, scope, false).map(Condition::Any),
        "not" => {
            let inner = read(
                leading,
                Scope {
                    known: true,
                    ..scope
                },
            )?;
            Some(Condition::Not(Box::new(inner)))
        }
        "event" => read_event(leading, table, scope),
        "no_event" => read_no_event(leading, table, scope),
        "known_for" => leading
            .parsed(Range::<Span>::parse)
            .map(Condition::KnownFor),
        "attribute" => read_attribute(leading, table),
        "tag" => {
            scope.names.tag(leading)?;
            leading.parsed(TagName::parse).map(Condition::Tag)
        }
        "date" => read_date(leading, table),
        "preference" => read_preference(leading, table),
        "campaign" => read_campaign(leading, table, scope),
        "engaged" => leading.parsed(Range::<Span>::parse).map(Condition::Engaged),
        "unanswered" => read_unanswered(leading),
        "message" => read_message(leading, table, scope),
        "refused" => read_refused(leading, table, scope),
        "segment" => {
            let name = scope.names.segment(leading)?;
            SegmentName::parse(name).ok().map(Condition::Segment)
        }
        _ => {
            let name = scope.names.topic(leading)?;
            let topic = TopicId::parse(name).ok()?;
            let Some(given) = table.get("given") else {
                return Some(Condition::Subscribed(topic));
            };
            let age = given.parsed(Range::<Span>::parse)?;
            Some(Condition::ConsentAge(ConsentAge { topic, age }))
        }
    }
}

fn read_list(leading: &Item<'_>, scope: Scope<'_>, all: bool) -> Option<Vec<Condition>> {
    let items = leading.list(&format!("write {} = [{{ ... }}, {{ ... }}]", leading.name))?;
    if items.is_empty() {
        leading.error(
            format!("`{}` is empty", leading.name),
            "put one condition into it at least, or remove it",
        );
        return None;
    }
    let tells = |item: &Item<'_>| {
        let entries = if item.is_table() {
            item.entries("")
        } else {
            None
        };
        entries.is_some_and(|e| e.iter().any(|e| matches!(e.name, "event" | "known_for")))
    };
    let known = scope.known || (all && items.iter().any(tells));
    let read: Vec<Option<Condition>> = items
        .iter()
        .map(|item| read(item, Scope { known, ..scope }))
        .collect();
    read.into_iter().collect()
}

/// The only place that makes an event condition.
fn event_condition(asked: &Asked, test: EventTest, names: &Names<'_>) -> EventCondition {
    let rule = (asked.select.name.as_ref()).and_then(|name| names.context.events.get(name));
    EventCondition::new(
        asked.select.clone(),
        asked.within,
        asked.since_entry,
        asked.same.clone(),
        test,
    )
    .complete_since(rule.and_then(|rule| rule.complete_since))
    .like(asked.like.clone())
}

/// What `event` and `no_event` share.
struct Asked {
    select: EventSelector,
    within: Option<Span>,
    since_entry: bool,
    same: Option<String>,
    like: Option<Like>,
}

fn read_asked(leading: &Item<'_>, table: &Table<'_>, scope: Scope<'_>) -> Option<Asked> {
    let name = scope.names.event(leading);
    let filter = match table.get("where") {
        None => Some((Vec::new(), None)),
        Some(item) => read_where_of(&item, table, (leading.name == "event", scope)),
    };
    let within = table.get("within").and_then(|item| {
        let within = item.parsed(positive)?;
        check_reach(&item, within, scope.names);
        Some(within)
    });
    let since_entry = table.get("since").is_some_and(|item| {
        if item.choice(&[("entry", ())]).is_none() {
            return false;
        }
        if matches!(scope.entry, Entry::None) {
            item.error(
                "`since = \"entry\"` has a meaning only where there is an entry",
                "use it in `exit` under [entry]; here, use `within`",
            );
        }
        true
    });
    let same = table.get("same").and_then(|item| {
        let property = item.text()?;
        match scope.entry {
            Entry::None => item.error(
                "`same` compares with an entry, and here is none",
                "use it in `exit` under [entry]",
            ),
            Entry::Keyed(None) => item.error(
                "`same` compares with the entry's key, and the entries of this campaign have none",
                format!("write per = {property:?} under [trigger]"),
            ),
            Entry::Keyed(Some(_)) => {}
        }
        path(&item, property, false)?;
        Some(property.to_owned())
    });
    let (filter, like) = filter?;
    let name = name?;
    Some(Asked {
        select: EventSelector { name, filter },
        within,
        since_entry,
        same,
        like,
    })
}

/// Reads the selector of a trigger: `event` and `where`.
pub fn read_selector(
    event: &Item<'_>,
    table: &Table<'_>,
    names: &Names<'_>,
) -> Option<EventSelector> {
    let name = names.event(event);
    let filter = table
        .get("where")
        .map_or(Some(Vec::new()), |i| read_where(&i));
    Some(EventSelector {
        name: name?,
        filter: filter?,
    })
}

fn read_event(leading: &Item<'_>, table: &Table<'_>, scope: Scope<'_>) -> Option<Condition> {
    let asked = read_asked(leading, table, scope);
    let mut tests = Vec::new();
    if let Some(item) = table.get("count") {
        tests.extend(item.parsed(Range::<u64>::parse).map(EventTest::Count));
    }
    match (table.get("sum"), table.get("is")) {
        (Some(sum), Some(is)) => {
            let property = sum.text().and_then(|text| path(&sum, text, false));
            let is = is.parsed(NumberRange::parse);
            tests.extend(
                property
                    .zip(is)
                    .map(|(property, is)| EventTest::Sum { property, is }),
            );
        }
        (Some(sum), None) => table.reader().error(
            sum.key_span(),
            "`sum` stands without `is`",
            "say what the sum must be: is = \">= 100\"",
        ),
        (None, Some(is)) => match value_of(leading, scope.names) {
            Some(property) => {
                let is = is.parsed(NumberRange::parse);
                tests.extend(is.map(|is| EventTest::Sum { property, is }));
            }
            None => table.reader().error(
                is.key_span(),
                "`is` stands without `sum`",
                "write sum = \"total\" beside it, or count = \">= 3\" to count events",
            ),
        },
        (None, None) => {}
    }
    let mut age = |key: &str, test: fn(Range<Span>) -> EventTest| {
        if let Some(item) = table.get(key)
            && let Some(range) = item.parsed(Range::<Span>::parse)
        {
            let furthest = range.high.max(range.low).unwrap_or(Span::ZERO);
            check_reach(&item, furthest, scope.names);
            tests.push(test(range));
        }
    };
    age("last", EventTest::Last);
    age("first", EventTest::First);
    age("gap", EventTest::Gap);
    if tests.is_empty() {
        let once_or_more = Range {
            low: Some(1),
            high: None,
        };
        tests.push(EventTest::Count(once_or_more));
    }
    let asked = asked?;
    let mut conditions: Vec<Condition> = tests
        .into_iter()
        .map(|test| Condition::Event(event_condition(&asked, test, scope.names)))
        .collect();
    match conditions.len() {
        1 => conditions.pop(),
        _ => Some(Condition::All(conditions)),
    }
}

/// The property that config says is the event's value.
fn value_of(leading: &Item<'_>, names: &Names<'_>) -> Option<Vec<String>> {
    let rule = names.context.events.get(leading.as_text()?)?;
    rule.value.clone()
}

fn read_no_event(leading: &Item<'_>, table: &Table<'_>, scope: Scope<'_>) -> Option<Condition> {
    let asked = read_asked(leading, table, scope)?;
    let long = asked.within.is_none_or(|within| within >= LONG_SILENCE);
    if long && !scope.known && !asked.since_entry && matches!(scope.entry, Entry::None) {
        table.reader().warn(
            leading.key_span(),
            "this also holds for customers of whom nothing was known that long: the newest, too",
            format!(
                "put {{ known_for = \">= {}\" }} or an `event` beside it in `all`",
                asked.within.unwrap_or(LONG_SILENCE)
            ),
        );
    }
    let none = Range {
        low: Some(0),
        high: Some(0),
    };
    Some(Condition::NoEvent(event_condition(
        &asked,
        EventTest::Count(none),
        scope.names,
    )))
}

fn read_message(leading: &Item<'_>, table: &Table<'_>, scope: Scope<'_>) -> Option<Condition> {
    let step = scope.names.step(leading);
    let was = table
        .required("was", "say what became of it: was = \"opened\"")
        .and_then(|item| item.choice(&MessageWas::ALL));
    let within = match table.get("within") {
        None => Some(None),
        Some(item) => item.parsed(positive).map(Some),
    };
    let (campaign, step, short) = step?;
    Some(Condition::Message(MessageCondition {
        campaign,
        step,
        was: was?,
        within: within?,
        // Where there is an entry, a step of one's own is that entry's.
        of_entry: short && matches!(scope.entry, Entry::Keyed(_)),
    }))
}

fn read_attribute(leading: &Item<'_>, table: &Table<'_>) -> Option<Condition> {
    let path = leading.text().and_then(|text| path(leading, text, false));
    let tests = read_tests(table)?;
    if tests.is_empty() {
        leading.error(
            format!(
                "nothing is asked of the attribute `{}`",
                leading.as_text().unwrap_or("")
            ),
            "add is = \"...\", or exists = true",
        );
        return None;
    }
    let path = path?;
    let mut conditions: Vec<Condition> = tests
        .into_iter()
        .map(|test| {
            Condition::Attribute(PropertyTest {
                path: path.clone(),
                test,
            })
        })
        .collect();
    match conditions.len() {
        1 => conditions.pop(),
        _ => Some(Condition::All(conditions)),
    }
}

/// Events are kept for a time; a condition that looks further back would be silently wrong.
pub fn check_reach(item: &Item<'_>, reach: Span, names: &Names<'_>) {
    let kept = names.context.events_kept;
    if reach > kept {
        item.error(
            format!("this looks back {reach}, and events are kept for {kept}"),
            "ask for less, or keep events longer: `events` under [retention] in config.toml",
        );
    }
}

/// Whether an exit asks for an event at any time, so that one from long before the entry ends it at once.
pub fn forgets_the_entry(exit: &Condition) -> bool {
    let Condition::Event(event) = exit else {
        return false;
    };
    let open = matches!(&event.test, EventTest::Count(range) if range.high.is_none());
    open && event.within.is_none() && !event.since_entry && event.same.is_none()
}
