//! Each kind of condition, as it is written and as it is meant.

use super::audience;
use crate::domain::condition::{
    CampaignCondition, CampaignWas, Condition, ConsentAge, DateCondition, DateRule, EventCondition,
    EventSelector, EventTest, MessageCondition, MessageWas, NumberRange, Preference,
    PreferenceCondition, PreferenceTest, PropertyTest, Range, Refused, ValueTest,
};
use crate::domain::id::{CampaignId, EventName, SegmentName, StepId, TagName, TopicId};
use crate::domain::time::{Span, Timestamp};
use crate::domain::value::Value;

/// What config.toml says of events.
#[test]
fn conditions_go_by_what_is_known_of_events() {
    let said = "[events.\"Order Completed\"]\ncomplete_since = \"2025-01-01\"\nvalue = \"total\"\n[defaults]\ntimezone = \"Asia/Seoul\"\n";
    let mut context = super::context();
    context.events = super::config(said).events;
    let ask = |condition: &str| {
        let text = super::with(&format!(
            "[trigger]\nevent = \"Signed Up\"\n[audience]\n{condition}\n{}",
            super::STEP
        ));
        let (campaign, problems) = super::read(&text, &context);
        let audience = campaign.and_then(|c| c.audience);
        (
            audience,
            problems
                .iter()
                .map(|p| p.to_line())
                .collect::<Vec<_>>()
                .join("\n"),
        )
    };
    let (Some(Condition::Event(event)), problems) =
        ask("event = \"Order Completed\"\nis = \">= 300\"\nwithin = \"1y\"")
    else {
        panic!("a sum of the value");
    };
    assert!(problems.is_empty(), "{problems}");
    let since = Timestamp::parse_rfc3339("2025-01-01T00:00:00+09:00");
    assert_eq!(event.complete_since, since);
    assert!(matches!(event.test, EventTest::Sum { property, .. } if property == ["total"]));
    for (condition, told) in [
        ("no_event = \"Order Completed\"\nwithin = \"20d\"", false),
        ("no_event = \"Order Completed\"", true),
        ("event = \"Order Completed\"\ncount = \"0\"", true),
        ("event = \"Order Completed\"", false),
        ("not = { event = \"Order Completed\" }", true),
        ("event = \"Order Completed\"\nlast = \">= 90d\"", false),
        ("no_event = \"Product Viewed\"", false),
    ] {
        let (_, problems) = ask(condition);
        assert_eq!(
            problems.contains("holds for nobody"),
            told,
            "{condition}: {problems}"
        );
    }
}

#[test]
fn each_kind_of_condition_reads_as_it_is_written() {
    let select = |name: &str, filter: Vec<PropertyTest>| EventSelector {
        name: EventName::parse(name).ok(),
        filter,
    };
    let asks =
        |test| EventCondition::new(select("Order Completed", vec![]), None, false, None, test);
    let path = |text: &str| -> Vec<String> { text.split('.').map(str::to_owned).collect() };
    let attribute = |p: &str, test| {
        Condition::Attribute(PropertyTest {
            path: path(p),
            test,
        })
    };
    let preference = |what, test| Condition::Preference(PreferenceCondition { what, test });
    let text = |t: &str| Value::Text(t.to_owned());
    let over = |low: &str| NumberRange::parse(&format!(">= {low}")).unwrap();
    let days = |low: i64, high: Option<i64>| Range {
        low: Some(Span::days(low)),
        high: high.map(Span::days),
    };
    for (written, meant) in [
        (
            "event = \"Order Completed\"",
            Condition::Event(asks(EventTest::Count(Range {
                low: Some(1),
                high: None,
            }))),
        ),
        (
            "event = \"Order Completed\"\ncount = \"0\"",
            Condition::Event(asks(EventTest::Count(Range {
                low: Some(0),
                high: Some(0),
            }))),
        ),
        (
            "event = \"Order Completed\"\nsum = \"total\"\nis = \">= 300\"\nlast = \"75d..90d\"",
            Condition::All(vec![
                Condition::Event(asks(EventTest::Sum {
                    property: path("total"),
                    is: over("300"),
                })),
                Condition::Event(asks(EventTest::Last(days(75, Some(90))))),
            ]),
        ),
        (
            "event = \"Order Completed\"\nfirst = \">= 30d\"",
            Condition::Event(asks(EventTest::First(days(30, None)))),
        ),
        (
            "event = \"Order Completed\"\ngap = \">= 2d\"",
            Condition::Event(asks(EventTest::Gap(days(2, None)))),
        ),
        (
            "event = \"*\"\nwithin = \"7d\"",
            Condition::Event(EventCondition::new(
                EventSelector {
                    name: None,
                    filter: vec![],
                },
                Some(Span::days(7)),
                false,
                None,
                EventTest::Count(Range {
                    low: Some(1),
                    high: None,
                }),
            )),
        ),
        (
            "no_event = \"Product Viewed\"\nwithin = \"2w\"\nwhere = { \"products.category\" = \"tea\", price = { is = \">= 10\", exists = true } }",
            Condition::NoEvent(EventCondition::none(
                select(
                    "Product Viewed",
                    vec![
                        PropertyTest {
                            path: path("products.category"),
                            test: ValueTest::Equals(text("tea")),
                        },
                        PropertyTest {
                            path: path("price"),
                            test: ValueTest::Is(over("10")),
                        },
                        PropertyTest {
                            path: path("price"),
                            test: ValueTest::Exists(true),
                        },
                    ],
                ),
                Some(Span::days(14)),
                false,
                None,
            )),
        ),
        (
            "known_for = \"30d..60d\"",
            Condition::KnownFor(days(30, Some(60))),
        ),
        (
            "attribute = \"plan\"\nis = \"gold\"",
            attribute("plan", ValueTest::Equals(text("gold"))),
        ),
        (
            "attribute = \"age\"\nis = 3",
            attribute("age", ValueTest::Equals(Value::Int(3))),
        ),
        (
            "attribute = \"vip\"\nis = true",
            attribute("vip", ValueTest::Equals(Value::Bool(true))),
        ),
        (
            "attribute = \"age\"\nis = \">= 18\"",
            attribute("age", ValueTest::Is(over("18"))),
        ),
        (
            "attribute = \"age\"\nis = \"18..30\"",
            attribute("age", ValueTest::Is(NumberRange::parse("18..30").unwrap())),
        ),
        (
            "attribute = \"note\"\nis = \"see ..\"",
            attribute("note", ValueTest::Equals(text("see .."))),
        ),
        (
            "attribute = \"address.city\"\nin = [\"Seoul\", 2.5]",
            attribute(
                "address.city",
                ValueTest::In(vec![text("Seoul"), Value::Float(2.5)]),
            ),
        ),
        (
            "attribute = \"n\"\ncontains = \"x\"",
            attribute("n", ValueTest::Contains("x".into())),
        ),
        (
            "attribute = \"n\"\ncontains_any = [\"x\", \"y\"]",
            attribute("n", ValueTest::ContainsAny(vec!["x".into(), "y".into()])),
        ),
        (
            "attribute = \"n\"\nexists = false",
            attribute("n", ValueTest::Exists(false)),
        ),
        (
            "tag = \"vip\"",
            Condition::Tag(TagName::parse("vip").unwrap()),
        ),
        (
            "segment = \"repeat_buyers\"",
            Condition::Segment(SegmentName::parse("repeat_buyers").unwrap()),
        ),
        (
            "subscribed = \"offers\"",
            Condition::Subscribed(TopicId::parse("offers").unwrap()),
        ),
        (
            "subscribed = \"offers\"\ngiven = \">= 700d\"",
            Condition::ConsentAge(ConsentAge {
                topic: TopicId::parse("offers").unwrap(),
                age: days(700, None),
            }),
        ),
        (
            "refused = \"offers\"\nwithin = \"14d\"",
            Condition::Refused(Refused {
                topic: TopicId::parse("offers").unwrap(),
                within: Some(Span::days(14)),
            }),
        ),
        (
            "message = \"m\"\nwas = \"maybe_opened\"\nwithin = \"7d\"",
            Condition::Message(MessageCondition {
                campaign: CampaignId::parse("c").unwrap(),
                step: StepId::parse("m").unwrap(),
                was: MessageWas::MaybeOpened,
                within: Some(Span::days(7)),
                of_entry: false,
            }),
        ),
        (
            "date = \"address.moved\"\nbefore = \"1w\"\nafter = \"2d\"\nevery = \"year\"",
            Condition::Date(DateCondition {
                rule: DateRule {
                    path: path("address.moved"),
                    yearly: true,
                },
                before: 7,
                after: 2,
            }),
        ),
        (
            "preference = \"caps\"\nis = \"2 per 7d\"",
            preference(
                Preference::Caps,
                PreferenceTest::OneOf(vec!["2 per 7d".into()]),
            ),
        ),
        (
            "preference = \"locale\"\nin = [\"KO\", \"en-GB\"]",
            preference(
                Preference::Locale,
                PreferenceTest::OneOf(vec!["ko".into(), "en-gb".into()]),
            ),
        ),
        (
            "preference = \"pause\"\nexists = false",
            preference(Preference::Pause, PreferenceTest::Exists(false)),
        ),
        (
            "campaign = \"other\"\nwas = \"finished\"\nwithin = \"30d\"",
            Condition::Campaign(CampaignCondition {
                campaign: CampaignId::parse("other").unwrap(),
                was: CampaignWas::Finished,
                within: Some(Span::days(30)),
            }),
        ),
        ("engaged = \">= 7d\"", Condition::Engaged(days(7, None))),
        (
            "unanswered = \">= 5\"",
            Condition::Unanswered(Range {
                low: Some(5),
                high: None,
            }),
        ),
        (
            "any = [{ tag = \"a\" }, { not = { all = [{ tag = \"b\" }] } }]",
            Condition::Any(vec![
                Condition::Tag(TagName::parse("a").unwrap()),
                Condition::Not(Box::new(Condition::All(vec![Condition::Tag(
                    TagName::parse("b").unwrap(),
                )]))),
            ]),
        ),
    ] {
        assert_eq!(audience(written), meant, "{written}");
    }
    let Condition::Attribute(test) = audience("attribute = \"n\"\nmatches = '^a\\.b$'") else {
        panic!("an attribute");
    };
    assert!(
        matches!(test.test, ValueTest::Matches(pattern) if pattern.0.is_match("a.b") && !pattern.0.is_match("axb"))
    );
}
