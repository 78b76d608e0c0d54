//! Conditions: tests of one customer, each answering with how long the answer stands.

use super::id::{EventName, SegmentName, TagName, TopicId};
use super::time::{Span, Timestamp};
use super::value::Value;

/// A closed range in its natural order; `None` is open. `"> 3"` on whole numbers is `low = 4`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Range<T> {
    pub low: Option<T>,
    pub high: Option<T>,
}

/// A range of numbers, whose ends may be left out.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct NumberRange {
    pub low: Option<(f64, Edge)>,
    pub high: Option<(f64, Edge)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Edge {
    Inclusive,
    Exclusive,
}

/// A regular expression that remembers how it was written (it compares and hashes by that).
#[derive(Clone, Debug)]
pub struct Pattern(pub regex::Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

/// A test of one value. A missing value passes only `Exists(false)`.
#[derive(Clone, PartialEq, Debug)]
pub enum ValueTest {
    Equals(Value),
    In(Vec<Value>),
    Contains(String),
    ContainsAny(Vec<String>),
    Matches(Pattern),
    Exists(bool),
    Is(NumberRange),
}

/// A test of the value, or of any of the values, that a path leads to.
#[derive(Clone, PartialEq, Debug)]
pub struct PropertyTest {
    pub path: Vec<String>,
    pub test: ValueTest,
}

/// Which events are meant. `name` `None` is `"*"`: anything that customers did themselves.
#[derive(Clone, PartialEq, Debug)]
pub struct EventSelector {
    pub name: Option<EventName>,
    pub filter: Vec<PropertyTest>,
}

/// What is asked of the events selected.
#[derive(Clone, PartialEq, Debug)]
pub enum EventTest {
    /// How many.
    Count(Range<u64>),
    /// The sum of a numeric property.
    Sum {
        property: Vec<String>,
        is: NumberRange,
    },
    /// The age of the latest.
    Last(Range<Span>),
    /// The age of the earliest.
    First(Range<Span>),
    /// The time between the latest two.
    Gap(Range<Span>),
}

#[derive(Clone, PartialEq, Debug)]
pub struct EventCondition {
    pub select: EventSelector,
    /// Only those in (now - within, now].
    pub within: Option<Span>,
    /// Only those since the entry (at or after it; strictly after, for the entry's own triggering event name).
    pub since_entry: bool,
    /// Only those whose property equals the entry's key.
    pub same: Option<String>,
    pub test: EventTest,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Event(EventCondition),
    /// None happened: the test is ignored (always `Count(0..0)`); one without the `same` property counts as the same.
    NoEvent(EventCondition),
    KnownFor(Range<Span>),
    Attribute(PropertyTest),
    Tag(TagName),
    Segment(SegmentName),
    Subscribed(TopicId),
}

/// A condition's answer: it stands until `until` if nothing happens. `until` is strictly after `now`; `None`: only a
/// cause can change it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    pub holds: bool,
    pub until: Option<Timestamp>,
}

pub struct Facts<'a>(std::marker::PhantomData<&'a ()>);
pub struct EntryFacts<'a> {
    pub at: Timestamp,
    pub key: &'a str,
    pub trigger: Option<&'a EventName>,
}
impl<'a> Facts<'a> {
    pub fn of(_r: &'a super::record::Record, _rules: &'a super::rules::Rules) -> Facts<'a> {
        todo!()
    }
    pub fn for_exit(self, _e: EntryFacts<'a>) -> Facts<'a> {
        todo!()
    }
}
pub fn evaluate(_c: &Condition, _f: &Facts<'_>, _now: Timestamp) -> Verdict {
    todo!()
}
impl Condition {
    pub fn describe(&self) -> String {
        todo!()
    }
}
impl EventSelector {
    pub fn matches(&self, _e: &super::event::Event) -> bool {
        todo!()
    }
}
