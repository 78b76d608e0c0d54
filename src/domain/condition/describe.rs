//! Conditions in plain English, for `explain` and `plan`.

use super::{
    Condition, Edge, EventCondition, EventSelector, EventTest, NumberRange, PropertyTest, Range,
    ValueTest,
};
use crate::domain::time::Span;
use crate::domain::value::Value;

impl Condition {
    /// What it asks, in a phrase: `"Order Completed" happened at least 3 times in the last 90d`.
    pub fn describe(&self) -> String {
        match self {
            Condition::All(children) => listed(children, "all of", "nothing is asked"),
            Condition::Any(children) => listed(children, "any of", "nothing can hold"),
            Condition::Not(child) => format!("not ({})", child.describe()),
            Condition::Event(event) => happened(event),
            Condition::NoEvent(event) => {
                format!(
                    "{} did not happen{}",
                    selector(&event.select),
                    narrowed(event)
                )
            }
            Condition::KnownFor(range) => format!("known for {}", spans(range)),
            Condition::Attribute(test) => format!("attribute {}", property(test)),
            Condition::Tag(tag) => format!("tagged \"{tag}\""),
            Condition::Segment(name) => format!("in segment \"{name}\""),
            Condition::Subscribed(topic) => format!("subscribed to \"{topic}\""),
            Condition::Message(message) => message.describe(),
            Condition::Date(date) => date.describe(),
            Condition::Preference(preference) => preference.describe(),
            Condition::Campaign(campaign) => campaign.describe(),
            Condition::UnderWay { above } => {
                format!("under way in a campaign of a higher priority than {above}")
            }
            Condition::Engaged(range) => {
                format!("the latest answer to any message was {} ago", spans(range))
            }
            Condition::Unanswered(range) => format!(
                "the latest advertising went unanswered {} in a row",
                times(range)
            ),
            Condition::ConsentAge(consent) => format!(
                "subscribed to \"{}\", consented to {} ago",
                consent.topic,
                spans(&consent.age)
            ),
            Condition::Refused(refused) => refused.describe(),
        }
    }
}

impl EventSelector {
    /// The events that are meant, in a phrase: `"Order Completed" with "total" is at least 100`.
    pub fn describe(&self) -> String {
        selector(self)
    }
}

fn listed(children: &[Condition], head: &str, none: &str) -> String {
    match children {
        [] => none.to_owned(),
        [only] => only.describe(),
        _ => {
            let parts: Vec<String> = children.iter().map(Condition::describe).collect();
            format!("{head} ({})", parts.join("; "))
        }
    }
}

fn happened(event: &EventCondition) -> String {
    let (name, narrowed) = (selector(&event.select), narrowed(event));
    match &event.test {
        EventTest::Count(range) => format!("{name} happened {}{narrowed}", times(range)),
        EventTest::Sum { property, is } => {
            format!(
                "\"{}\" of {name} adds up to {}{narrowed}",
                property.join("."),
                numbers(is)
            )
        }
        EventTest::Last(range) => format!("the latest {name}{narrowed} was {} ago", spans(range)),
        EventTest::First(range) => format!("the first {name}{narrowed} was {} ago", spans(range)),
        EventTest::Gap(range) => {
            format!("the latest two {name}{narrowed} lie {} apart", spans(range))
        }
    }
}

fn selector(select: &EventSelector) -> String {
    let name = match &select.name {
        Some(name) => format!("\"{name}\""),
        None => "anything the customer did".to_owned(),
    };
    if select.filter.is_empty() {
        return name;
    }
    let tests: Vec<String> = select.filter.iter().map(property).collect();
    format!("{name} with {}", tests.join(" and "))
}

fn narrowed(event: &EventCondition) -> String {
    let mut text = String::new();
    if let Some(within) = event.within {
        text.push_str(&format!(" in the last {within}"));
    }
    if event.since_entry {
        text.push_str(" since the entry");
    }
    if let Some(same) = &event.same {
        text.push_str(&format!(" with the entry's \"{same}\""));
    }
    if let Some(like) = event.alike() {
        let (property, of) = (like.property.join("."), like.of.join("."));
        text.push_str(&format!(
            " with a \"{property}\" that is the \"{of}\" of what started the entry"
        ));
    }
    text
}

fn times(range: &Range<u64>) -> String {
    let n = |n: u64| match n {
        1 => "once".to_owned(),
        n => format!("{n} times"),
    };
    match (range.low, range.high) {
        (None | Some(0), None) => "any number of times".to_owned(),
        (Some(low), None) => format!("at least {}", n(low)),
        (None | Some(0), Some(0)) => "not once".to_owned(),
        (None | Some(0), Some(high)) => format!("at most {}", n(high)),
        (Some(low), Some(high)) if low == high => format!("exactly {}", n(low)),
        (Some(low), Some(high)) => format!("{low} to {high} times"),
    }
}

fn spans(range: &Range<Span>) -> String {
    // "> 90d" is kept as 90d and a millisecond; it is read back as it was written.
    let low = |span: Span| match span.0 % 1_000 {
        1 => format!("more than {}", Span(span.0 - 1)),
        _ => format!("at least {span}"),
    };
    let high = |span: Span| match span.0 % 1_000 {
        999 => format!("less than {}", Span(span.0.saturating_add(1))),
        _ => format!("at most {span}"),
    };
    match (range.low, range.high) {
        (None, None) => "any time".to_owned(),
        (Some(l), None) => low(l),
        (None, Some(h)) => high(h),
        (Some(l), Some(h)) => format!("{l} to {h}"),
    }
}

fn numbers(range: &NumberRange) -> String {
    let sign = |edge: Edge, open: &'static str, closed: &'static str| match edge {
        Edge::Exclusive => open,
        Edge::Inclusive => closed,
    };
    match (range.low, range.high) {
        (None, None) => "any number".to_owned(),
        (Some((l, edge)), None) => format!("{} {l}", sign(edge, "more than", "at least")),
        (None, Some((h, edge))) => format!("{} {h}", sign(edge, "less than", "at most")),
        (Some((l, Edge::Inclusive)), Some((h, Edge::Inclusive))) if l == h => {
            format!("exactly {l}")
        }
        (Some((l, le)), Some((h, he))) => format!(
            "{} {l} and {} {h}",
            sign(le, "more than", "at least"),
            sign(he, "less than", "at most")
        ),
    }
}

fn property(test: &PropertyTest) -> String {
    let path = format!("\"{}\"", test.path.join("."));
    let quoted = |texts: &[String]| {
        let texts: Vec<String> = texts.iter().map(|t| format!("\"{t}\"")).collect();
        texts.join(", ")
    };
    match &test.test {
        ValueTest::Equals(wanted) => format!("{path} is {}", value(wanted)),
        ValueTest::In(wanted) => {
            let wanted: Vec<String> = wanted.iter().map(value).collect();
            format!("{path} is one of {}", wanted.join(", "))
        }
        ValueTest::Contains(part) => format!("{path} contains \"{part}\""),
        ValueTest::ContainsAny(parts) => format!("{path} contains any of {}", quoted(parts)),
        ValueTest::Matches(pattern) => format!("{path} matches {}", pattern.0.as_str()),
        ValueTest::Exists(true) => format!("{path} is set"),
        ValueTest::Exists(false) => format!("{path} is not set"),
        ValueTest::Is(range) => format!("{path} is {}", numbers(range)),
    }
}

/// A value as JSON, shortened.
pub(super) fn value(value: &Value) -> String {
    let text = value.to_json().to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::condition::{
        Condition, EventCondition, EventSelector, EventTest, NumberRange, PropertyTest, Range,
        ValueTest,
    };
    use crate::domain::id::{EventName, SegmentName, TagName, TopicId};
    use crate::domain::time::Span;
    use crate::domain::value::Value;

    #[test]
    fn each_condition_reads_as_english() {
        let select = || EventSelector {
            name: Some(EventName::parse("Order Completed").unwrap()),
            filter: vec![],
        };
        let event = |within, since, same: Option<&str>, test| {
            EventCondition::new(select(), within, since, same.map(str::to_owned), test)
        };
        let count = |text: &str| EventTest::Count(Range::<u64>::parse(text).unwrap());
        let ages = |text: &str| Range::<Span>::parse(text).unwrap();
        let days = |n| Some(Span::days(n));
        let shoes = PropertyTest {
            path: vec!["products".into(), "category".into()],
            test: ValueTest::Equals(Value::Text("shoes".into())),
        };
        let sum = EventTest::Sum {
            property: vec!["total".into()],
            is: NumberRange::parse("> 100").unwrap(),
        };
        let vip = || Condition::Tag(TagName::parse("vip").unwrap());
        let filtered = EventSelector {
            name: None,
            filter: vec![shoes.clone()],
        };
        let cases = [
            (
                Condition::Event(event(days(90), false, None, count(">= 3"))),
                "\"Order Completed\" happened at least 3 times in the last 90d",
            ),
            (
                Condition::Event(event(None, true, Some("cart_id"), count(">= 1"))),
                "\"Order Completed\" happened at least once since the entry with the entry's \"cart_id\"",
            ),
            (
                Condition::Event(event(None, false, None, EventTest::Last(ages("75d..90d")))),
                "the latest \"Order Completed\" was 75d to 90d ago",
            ),
            (
                Condition::Event(event(None, false, None, EventTest::First(ages("> 1d")))),
                "the first \"Order Completed\" was more than 1d ago",
            ),
            (
                Condition::Event(event(None, false, None, EventTest::Gap(ages("< 1d")))),
                "the latest two \"Order Completed\" lie less than 1d apart",
            ),
            (
                Condition::Event(event(days(30), false, None, sum)),
                "\"total\" of \"Order Completed\" adds up to more than 100 in the last 30d",
            ),
            (
                Condition::NoEvent(EventCondition::none(filtered, days(7), false, None)),
                "anything the customer did with \"products.category\" is \"shoes\" did not happen in the last 7d",
            ),
            (Condition::KnownFor(ages(">= 2d")), "known for at least 2d"),
            (
                Condition::Attribute(shoes),
                "attribute \"products.category\" is \"shoes\"",
            ),
            (
                Condition::All(vec![
                    Condition::Not(Box::new(vip())),
                    Condition::Segment(SegmentName::parse("loyal").unwrap()),
                    Condition::Subscribed(TopicId::parse("offers").unwrap()),
                ]),
                "all of (not (tagged \"vip\"); in segment \"loyal\"; subscribed to \"offers\")",
            ),
            (Condition::Any(vec![vip()]), "tagged \"vip\""),
        ];
        for (condition, text) in cases {
            assert_eq!(condition.describe(), text);
        }
    }
}
