//! One spelling for each condition, as bytes, to be hashed.
//!
//! Hashes of conditions are stored (due keys, tracks, approvals), so they must not hang on `Debug`, on a compiler's
//! layout, or on the standard library's hasher. Every part is tagged and every text carries its length, so that no
//! two conditions share a spelling. Changing anything here is a change of the stored format.

use super::{
    Condition, Edge, EventCondition, EventSelector, EventTest, MessageWas, NumberRange,
    PropertyTest, Range, ValueTest,
};
use crate::domain::id::{SegmentName, TagName};
use crate::domain::value::Value;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

/// The conditions that have names.
#[derive(Clone, Copy)]
pub struct Named<'a> {
    pub segments: &'a BTreeMap<SegmentName, Condition>,
    pub tags: &'a BTreeMap<TagName, Condition>,
}

#[derive(Default)]
pub(in crate::domain) struct Canonical(Vec<u8>);

impl Canonical {
    pub fn hash(&self) -> u64 {
        xxh3_64(&self.0)
    }

    pub fn tag(&mut self, tag: u8) {
        self.0.push(tag);
    }

    pub fn int(&mut self, n: i64) {
        self.0.extend_from_slice(&n.to_le_bytes());
    }

    pub fn count(&mut self, n: usize) {
        self.int(n as i64);
    }

    pub fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    pub fn path(&mut self, path: &[String]) {
        self.count(path.len());
        path.iter().for_each(|part| self.text(part));
    }

    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            None => self.tag(0),
            Some(value) => {
                self.tag(1);
                write(self, value);
            }
        }
    }

    fn float(&mut self, n: f64) {
        // 0 and -0 are one number.
        let n = if n == 0.0 { 0.0 } else { n };
        self.0.extend_from_slice(&n.to_bits().to_le_bytes());
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.tag(0),
            Value::Bool(b) => {
                self.tag(1);
                self.tag(u8::from(*b));
            }
            Value::Int(n) => {
                self.tag(2);
                self.int(*n);
            }
            Value::Float(n) => {
                self.tag(3);
                self.float(*n);
            }
            Value::Text(text) => {
                self.tag(4);
                self.text(text);
            }
            Value::List(items) => {
                self.tag(5);
                self.count(items.len());
                items.iter().for_each(|item| self.value(item));
            }
            Value::Map(map) => {
                self.tag(6);
                self.count(map.len());
                for (name, value) in map {
                    self.text(name);
                    self.value(value);
                }
            }
        }
    }

    fn numbers(&mut self, range: &NumberRange) {
        for end in [range.low, range.high] {
            self.option(end, |to, (n, edge)| {
                to.float(n);
                to.tag(u8::from(edge == Edge::Exclusive));
            });
        }
    }

    pub(super) fn range<T: Copy>(&mut self, range: &Range<T>, int: fn(T) -> i64) {
        for end in [range.low, range.high] {
            self.option(end, |to, n| to.int(int(n)));
        }
    }

    pub(super) fn texts(&mut self, texts: &[String]) {
        self.path(texts);
    }

    fn property(&mut self, property: &PropertyTest) {
        self.path(&property.path);
        match &property.test {
            ValueTest::Equals(value) => {
                self.tag(0);
                self.value(value);
            }
            ValueTest::In(values) => {
                self.tag(1);
                self.count(values.len());
                values.iter().for_each(|value| self.value(value));
            }
            ValueTest::Contains(text) => {
                self.tag(2);
                self.text(text);
            }
            ValueTest::ContainsAny(texts) => {
                self.tag(3);
                self.texts(texts);
            }
            ValueTest::Matches(pattern) => {
                self.tag(4);
                self.text(pattern.0.as_str());
            }
            ValueTest::Exists(wanted) => {
                self.tag(5);
                self.tag(u8::from(*wanted));
            }
            ValueTest::Is(range) => {
                self.tag(6);
                self.numbers(range);
            }
        }
    }

    /// The order of a filter's tests changes nothing that it selects, so they are sorted.
    pub fn selector(&mut self, selector: &EventSelector) {
        self.option(selector.name.as_ref(), |to, name| to.text(name.as_str()));
        let mut tests: Vec<Vec<u8>> = selector
            .filter
            .iter()
            .map(|test| {
                let mut one = Canonical::default();
                one.property(test);
                one.0
            })
            .collect();
        tests.sort();
        tests.dedup();
        self.count(tests.len());
        for test in tests {
            self.count(test.len());
            self.0.extend_from_slice(&test);
        }
    }

    fn event(&mut self, event: &EventCondition) {
        self.selector(&event.select);
        self.option(event.within, |to, span| to.int(span.0));
        self.tag(u8::from(event.since_entry));
        self.option(event.same.as_deref(), |to, same| to.text(same));
        // Without it the spelling is as it always was.
        if let Some(since) = event.complete_since {
            self.tag(201);
            self.int(since.0);
        }
        if let Some(like) = event.alike() {
            self.tag(202);
            self.path(&like.property);
            self.path(&like.of);
        }
    }

    fn test(&mut self, test: &EventTest) {
        match test {
            EventTest::Count(range) => {
                self.tag(0);
                self.range(range, |n| n as i64);
            }
            EventTest::Sum { property, is } => {
                self.tag(1);
                self.path(property);
                self.numbers(is);
            }
            EventTest::Last(range) => {
                self.tag(2);
                self.range(range, |span| span.0);
            }
            EventTest::First(range) => {
                self.tag(3);
                self.range(range, |span| span.0);
            }
            EventTest::Gap(range) => {
                self.tag(4);
                self.range(range, |span| span.0);
            }
        }
    }

    fn condition(&mut self, condition: &Condition, named: &Named<'_>) {
        match condition {
            Condition::All(children) | Condition::Any(children) => {
                self.tag(if matches!(condition, Condition::All(_)) {
                    0
                } else {
                    1
                });
                self.count(children.len());
                for child in children {
                    self.condition(child, named);
                }
            }
            Condition::Not(child) => {
                self.tag(2);
                self.condition(child, named);
            }
            Condition::Event(event) => {
                self.tag(3);
                self.event(event);
                self.test(&event.test);
            }
            Condition::NoEvent(event) => {
                self.tag(4);
                self.event(event);
            }
            Condition::KnownFor(range) => {
                self.tag(5);
                self.range(range, |span| span.0);
            }
            Condition::Attribute(property) => {
                self.tag(6);
                self.property(property);
            }
            Condition::Tag(tag) => {
                self.tag(7);
                self.text(tag.as_str());
                // One set by hand is spelled as it always was.
                if let Some(inner) = named.tags.get(tag) {
                    self.tag(200);
                    self.condition(inner, named);
                }
            }
            Condition::Segment(name) => {
                self.tag(8);
                self.text(name.as_str());
                self.option(named.segments.get(name), |to, inner| {
                    to.condition(inner, named)
                });
            }
            Condition::Subscribed(topic) => {
                self.tag(9);
                self.text(topic.as_str());
            }
            Condition::Message(message) => {
                self.tag(10);
                self.text(message.campaign.as_str());
                self.text(message.step.as_str());
                self.tag(match message.was {
                    MessageWas::Sent => 0,
                    MessageWas::Accepted => 1,
                    MessageWas::Bounced => 2,
                    MessageWas::Opened => 3,
                    MessageWas::MaybeOpened => 4,
                    MessageWas::Clicked => 5,
                    MessageWas::Answered => 6,
                });
                self.option(message.within, |to, span| to.int(span.0));
                self.tag(u8::from(message.of_entry));
            }
            other => self.standing(other),
        }
    }
}

impl Condition {
    /// A hash of what the condition asks, the segments and tags that it names included: alike in every build and release
    /// of one format. They must be free of cycles.
    pub fn stable_hash(&self, named: &Named<'_>) -> u64 {
        let mut canonical = Canonical::default();
        canonical.condition(self, named);
        canonical.hash()
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::condition::{
        Condition, ConsentAge, EventCondition, EventSelector, EventTest, Named, PropertyTest,
        Range, Refused, ValueTest,
    };
    use crate::domain::id::{EventName, SegmentName, TagName, TopicId};
    use crate::domain::time::Span;
    use crate::domain::value::Value;
    use std::collections::{BTreeMap, BTreeSet};

    fn none() -> Named<'static> {
        static SEGMENTS: BTreeMap<SegmentName, Condition> = BTreeMap::new();
        static TAGS: BTreeMap<TagName, Condition> = BTreeMap::new();
        Named {
            segments: &SEGMENTS,
            tags: &TAGS,
        }
    }

    fn tag(name: &str) -> Condition {
        Condition::Tag(TagName::parse(name).unwrap())
    }

    #[test]
    fn every_part_of_a_condition_counts_in_its_hash() {
        let select = |filter: Vec<PropertyTest>| EventSelector {
            name: Some(EventName::parse("Order Completed").unwrap()),
            filter,
        };
        let test = |n: i64| PropertyTest {
            path: vec!["total".into()],
            test: ValueTest::Equals(Value::Int(n)),
        };
        let count = |text: &str| EventTest::Count(Range::<u64>::parse(text).unwrap());
        let event = EventCondition::new;
        let aged = |topic: &str, days: i64| {
            Condition::ConsentAge(ConsentAge {
                topic: TopicId::parse(topic).unwrap(),
                age: Range {
                    low: Some(Span::days(days)),
                    high: None,
                },
            })
        };
        let refused = |topic: &str, within: Option<Span>| {
            Condition::Refused(Refused {
                topic: TopicId::parse(topic).unwrap(),
                within,
            })
        };
        let span = Some(Span::days(1));
        let all = [
            Condition::Event(event(select(vec![]), None, false, None, count(">= 1"))),
            Condition::Event(event(select(vec![]), None, false, None, count("1"))),
            Condition::Event(event(select(vec![]), span, false, None, count("1"))),
            Condition::Event(event(select(vec![]), span, true, None, count("1"))),
            Condition::Event(event(
                select(vec![]),
                span,
                true,
                Some("cart".into()),
                count("1"),
            )),
            Condition::Event(event(
                select(vec![test(1)]),
                None,
                false,
                None,
                count(">= 1"),
            )),
            Condition::Event(event(
                select(vec![test(2)]),
                None,
                false,
                None,
                count(">= 1"),
            )),
            Condition::NoEvent(EventCondition::none(select(vec![]), None, false, None)),
            Condition::All(vec![tag("a"), tag("b")]),
            Condition::Any(vec![tag("a"), tag("b")]),
            Condition::All(vec![tag("ab")]),
            Condition::Not(Box::new(tag("a"))),
            tag("a"),
            Condition::Subscribed(TopicId::parse("a").unwrap()),
            aged("a", 700),
            aged("a", 701),
            aged("b", 700),
            refused("a", None),
            refused("a", span),
            refused("b", None),
        ];
        let hashes: BTreeSet<u64> = all.iter().map(|c| c.stable_hash(&none())).collect();
        assert_eq!(hashes.len(), all.len());
    }

    #[test]
    fn a_segment_is_hashed_with_what_it_holds_and_the_hash_is_fixed() {
        let name = SegmentName::parse("vips").unwrap();
        let by_name = Condition::Segment(name.clone());
        let with = |inner: Condition| {
            by_name.stable_hash(&Named {
                segments: &BTreeMap::from([(name.clone(), inner)]),
                ..none()
            })
        };
        assert_ne!(with(tag("vip")), with(tag("gold")));
        assert_eq!(with(tag("vip")), with(tag("vip")));
        // A value written down: stored hashes must outlive compilers and releases.
        assert_eq!(tag("vip").stable_hash(&none()), 1_311_477_239_295_913_184);
    }

    #[test]
    fn the_order_of_a_filter_does_not_make_another_track() {
        let test = |path: &str| PropertyTest {
            path: vec![path.into()],
            test: ValueTest::Exists(true),
        };
        let track = |filter| {
            EventCondition::none(EventSelector { name: None, filter }, None, false, None).track()
        };
        assert_eq!(
            track(vec![test("a"), test("b")]),
            track(vec![test("b"), test("a")])
        );
        assert_ne!(track(vec![test("a")]), track(vec![test("b")]));
    }
}
