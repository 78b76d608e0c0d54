//! The room as a whole: the shipped files, each kind of condition, hashes, the manual, and files nobody wrote.

use super::keys::ALL_TABLES;
use super::{Context, Loaded, Source, Sources, compile, cross};
use crate::config::Config;
use crate::config::problem::{Problem, render_all};
use crate::config::settings::DEFAULT_FILE;
use crate::domain::campaign::{
    Again, Campaign, CampaignState, CampaignWindow, Existing, Missed, Repeat, ScheduleZone, Start,
    When,
};
use crate::domain::condition::{
    Condition, EventCondition, EventSelector, EventTest, NumberRange, PropertyTest, Range,
    ValueTest,
};
use crate::domain::id::{CampaignId, EventName, SegmentName, TagName, TopicId};
use crate::domain::preference::Class;
use crate::domain::time::Span;
use crate::domain::value::Value;
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};
use std::path::Path;

const SEGMENTS: &str = include_str!("../../campaigns/segments.toml");
const TOPICS: &str = include_str!("../../campaigns/topics.toml");
const SHIPPED: [(&str, &str); 3] = [
    (
        "cart_reminder",
        include_str!("../../campaigns/cart_reminder.toml"),
    ),
    (
        "wake_dormant",
        include_str!("../../campaigns/wake_dormant.toml"),
    ),
    ("welcome", include_str!("../../campaigns/welcome.toml")),
];
const MANUAL: &str = include_str!("../../docs/campaigns.md");
const STEP: &str = "\n[[step]]\nid = \"m\"\ntemplate = \"welcome\"\nsubject = \"s\"\n";

fn config(text: &str) -> Config {
    Config::parse(Path::new("config.toml"), text)
        .unwrap_or_else(|p| panic!("{}", render_all(&p, false)))
}

fn context() -> Context {
    let mut context = Context::of(&config(DEFAULT_FILE));
    context.templates = Some(
        ["welcome", "cart_reminder", "dormant"]
            .map(|n| (n.to_owned(), 1))
            .into(),
    );
    context
}

fn source(file: &str, text: &str) -> Source {
    Source {
        file: format!("{file}.toml"),
        text: text.to_owned(),
    }
}

fn sources(campaigns: &[(&str, &str)]) -> Sources {
    Sources {
        campaigns: campaigns
            .iter()
            .map(|(name, text)| (CampaignId::parse(name).unwrap(), source(name, text)))
            .collect(),
        segments: Some(source("segments", SEGMENTS)),
        topics: Some(source("topics", TOPICS)),
    }
}

/// One campaign without any problem.
fn good(text: &str) -> Campaign {
    let (campaign, problems) = read(text, &context());
    assert!(
        problems.is_empty(),
        "{text}\n{}",
        render_all(&problems, false)
    );
    campaign.unwrap()
}

fn read(text: &str, context: &Context) -> (Option<Campaign>, Vec<Problem>) {
    let loaded = compile(sources(&[("c", text)]), context);
    let campaign = loaded.campaigns.into_values().next().unwrap().ok();
    (campaign, loaded.problems)
}

/// A campaign that holds `rest`.
fn with(rest: &str) -> String {
    format!("name = \"x\"\nstate = \"live\"\nclass = \"informational\"\n{rest}")
}

fn audience(condition: &str) -> Condition {
    let text = with(&format!(
        "[trigger]\nevent = \"Signed Up\"\n[audience]\n{condition}\n{STEP}"
    ));
    good(&text).audience.unwrap()
}

#[test]
fn the_shipped_files_are_what_they_say() {
    let loaded = compile(sources(&SHIPPED), &context());
    assert!(
        loaded.problems.is_empty(),
        "{}",
        render_all(&loaded.problems, false)
    );
    let campaigns: Vec<&Campaign> = loaded.good().collect();
    let [cart, dormant, welcome] = campaigns[..] else {
        panic!("three campaigns");
    };
    assert!(
        campaigns
            .iter()
            .all(|c| c.state == CampaignState::Live && c.steps.len() == 1)
    );

    let Start::Triggered(trigger) = &cart.start else {
        panic!("a trigger")
    };
    assert_eq!(trigger.event.name, EventName::parse("Product Added").ok());
    assert_eq!(
        (trigger.per.as_deref(), trigger.repeat, trigger.fresh),
        (Some("cart_id"), Repeat::Restart, Span::hours(24))
    );
    assert_eq!(cart.class, Class::Advertising);
    assert_eq!(cart.steps[0].after, Span::hours(24));
    let order = EventSelector {
        name: EventName::parse("Order Completed").ok(),
        filter: vec![],
    };
    let once = EventTest::Count(Range {
        low: Some(1),
        high: None,
    });
    assert_eq!(
        cart.entry.exit,
        [Condition::Event(EventCondition::new(
            order.clone(),
            None,
            true,
            Some("cart_id".into()),
            once
        ))]
    );
    assert_eq!(cart.limits.caps.len(), 1);

    let Start::Scheduled(schedule) = &dormant.start else {
        panic!("a schedule")
    };
    assert!(matches!(&schedule.when, When::Cron(cron) if cron.as_str() == "0 10 * * MON-FRI"));
    assert_eq!(
        (schedule.zone, schedule.missed, schedule.max_late),
        (ScheduleZone::Customer, Missed::RunOnce, Span::hours(6))
    );
    let old = EventTest::Last(Range {
        low: Some(Span::days(90)),
        high: None,
    });
    assert_eq!(
        dormant.audience,
        Some(Condition::All(vec![
            Condition::Event(EventCondition::new(order, None, false, None, old)),
            Condition::Not(Box::new(Condition::Tag(TagName::parse("vip").unwrap()))),
        ]))
    );
    assert_eq!(dormant.entry.again, Again::AfterLeaving);
    assert_eq!(dormant.entry.at_most, Some(4));
    assert_eq!(
        dormant.entry.existing,
        Existing::Pace {
            count: 500,
            per: Span::days(1)
        }
    );
    let step = &dormant.steps[0];
    assert_eq!(
        (step.id.as_str(), step.expires),
        ("miss-you", Span::days(3))
    );
    let names: Vec<&str> = step.variants.iter().map(|v| v.name.as_str()).collect();
    assert_eq!(names, ["plain", "gift"]);
    let subject = step.variants[0].subject.as_ref().unwrap();
    assert!(subject["ko"].contains("오랜만이에요"));
    assert_eq!(
        subject[""], subject["en"],
        "the shop's locale is every other's"
    );

    assert_eq!(welcome.class, Class::Informational);
    assert_eq!(welcome.steps[0].after, Span::minutes(10));
    assert_eq!(loaded.segments.len(), 2);
    let monthly = &loaded.topics[&TopicId::parse("monthly").unwrap()];
    assert!(monthly.on_request && !monthly.default);
    assert!(loaded.topics[&TopicId::parse("offers").unwrap()].default);
}

#[test]
fn what_is_left_out_has_its_default() {
    let welcome = good(&with(&format!("[trigger]\nevent = \"Signed Up\"\n{STEP}")));
    assert_eq!(
        (welcome.priority, welcome.owner, welcome.topic),
        (0, None, None)
    );
    assert_eq!(
        (welcome.entry.again, welcome.entry.existing),
        (Again::Never, Existing::Skip)
    );
    assert_eq!(welcome.limits.window, CampaignWindow::None);
    let step = &welcome.steps[0];
    assert_eq!(
        (step.after, step.expires, step.recheck),
        (Span::ZERO, Span::days(7), true)
    );
    assert_eq!(step.transport, None);

    let text = with(&format!(
        "topic = \"offers\"\n[audience]\ntag = \"a\"\n{STEP}class = \"advertising\"\n"
    ));
    let offers = good(&text);
    assert!(matches!(offers.start, Start::Audience));
    assert_eq!(
        (offers.steps[0].expires, offers.steps[0].class),
        (Span::days(3), Class::Advertising)
    );

    let text = with(&format!(
        "[audience]\ntag = \"a\"\n[schedule]\non = 2026-12-01T10:00:00\n[entry]\nexisting = \"enter\"\nagain = \"90d\"\n{STEP}"
    ));
    let once = good(&text);
    let Start::Scheduled(schedule) = once.start else {
        panic!("a schedule")
    };
    assert_eq!(schedule.zone, ScheduleZone::Fixed(chrono_tz::UTC));
    assert!(matches!(schedule.when, When::On(at) if at.to_string() == "2026-12-01 10:00:00"));
    assert_eq!(once.entry.again, Again::After(Span::days(90)));
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

#[test]
fn hashes_change_with_what_they_stand_for_and_with_nothing_else() {
    let (name, text) = SHIPPED[1];
    let hashes = |text: &str, segments: &str, topics: &str, template: u64| {
        let mut context = context();
        context.templates = Some(
            ["welcome", "dormant"]
                .map(|n| (n.to_owned(), template))
                .into(),
        );
        let mut sources = sources(&[(name, text)]);
        sources.segments = Some(source("segments", segments));
        sources.topics = Some(source("topics", topics));
        let loaded = compile(sources, &context);
        let campaign = loaded.good().next().expect("it is good").clone();
        (campaign.hash, campaign.audience_hash)
    };
    let text = &text.replace("{ tag = \"vip\" }", "{ segment = \"repeat_buyers\" }");
    let (hash, audience_hash) = hashes(text, SEGMENTS, TOPICS, 1);

    let by_the_letter = text
        .replace("name     =", "# a comment\nname =")
        .replace("again    = \"after_leaving\"", "")
        .replace("at_most  = 4", "at_most  = 0x4\nagain = \"after_leaving\"");
    assert_eq!(
        hashes(&by_the_letter, SEGMENTS, TOPICS, 1),
        (hash, audience_hash)
    );
    let others = format!("{SEGMENTS}\n[unused]\ntag = \"z\"\n");
    assert_eq!(hashes(text, &others, TOPICS, 1), (hash, audience_hash));

    for (what, changed, same_audience) in [
        (
            "subject",
            hashes(
                &text.replace("오랜만이에요", "반가워요"),
                SEGMENTS,
                TOPICS,
                1,
            ),
            true,
        ),
        ("template", hashes(text, SEGMENTS, TOPICS, 2), true),
        (
            "topic",
            hashes(text, SEGMENTS, &TOPICS.replace("\"Offers\"", "\"News\""), 1),
            true,
        ),
        (
            "audience",
            hashes(&text.replace(">= 90d", ">= 91d"), SEGMENTS, TOPICS, 1),
            false,
        ),
        (
            "segment",
            hashes(text, &SEGMENTS.replace(">= 2", ">= 3"), TOPICS, 1),
            false,
        ),
        (
            "schedule",
            hashes(&text.replace("0 10 *", "0 11 *"), SEGMENTS, TOPICS, 1),
            false,
        ),
        (
            "zone",
            hashes(
                &text.replace("\"customer\"", "\"Asia/Seoul\""),
                SEGMENTS,
                TOPICS,
                1,
            ),
            false,
        ),
    ] {
        assert_ne!(changed.0, hash, "{what}");
        assert_eq!(changed.1 == audience_hash, same_audience, "{what}");
    }
}

#[test]
fn a_window_is_held_against_those_that_apply() {
    let mut context = context();
    let campaign = |class: &str, window: &str| {
        format!(
            "name = \"x\"\nstate = \"live\"\nclass = \"{class}\"\ntopic = \"offers\"\n[trigger]\nevent = \"Signed Up\"\n{STEP}\n[limits]\nwindow = \"{window}\"\n"
        )
    };
    let opens = |context: &Context, class: &str, window: &str| {
        read(&campaign(class, window), context).0.is_some()
    };
    assert!(!opens(&context, "advertising", "21:00-08:00"));
    assert!(opens(&context, "advertising", "20:59-21:30"));
    assert!(opens(&context, "advertising", "always"));
    assert!(
        opens(&context, "informational", "21:00-08:00"),
        "it does not obey the shop's defaults"
    );
    context.shop.ceiling.window = config("[ceiling]\nwindow = \"Sat-Sun 22:00-02:00\"")
        .shop()
        .ceiling
        .window;
    assert!(!opens(&context, "informational", "Tue-Fri 00:00-24:00"));
    assert!(
        opens(&context, "informational", "Mon 01:00-03:00"),
        "Sunday's hours reach into Monday"
    );
}

#[test]
fn advertising_by_smtp_needs_an_address_and_a_way_out() {
    let smtp = "[transport.main]\nkind = \"smtp\"\nhost = \"localhost\"\n[sender]\nfrom = \"a@shop.example\"\n";
    let found = |text: &str, campaigns: &[(&str, &str)]| {
        let config = config(text);
        let loaded = compile(sources(campaigns), &Context::of(&config));
        cross::check(&config, &loaded).len()
    };
    assert_eq!(found(smtp, &SHIPPED), 2);
    assert_eq!(found(smtp, &SHIPPED[2..]), 0, "informational only");
    assert_eq!(found("", &SHIPPED), 0, "into a folder");
    let complete = format!(
        "{smtp}address = \"1 Market Street\"\nunsubscribe_mailto = \"leave@shop.example\"\n"
    );
    assert_eq!(found(&complete, &SHIPPED), 0);
}

/// The blocks of TOML in the manual, with the word that follows "toml".
fn examples() -> Vec<(&'static str, &'static str)> {
    MANUAL
        .split("\n```toml")
        .skip(1)
        .map(|block| {
            let (kind, rest) = block.split_once('\n').unwrap();
            (kind.trim(), rest.split_once("\n```").unwrap().0)
        })
        .collect()
}

#[test]
fn the_manual_names_every_key_and_its_examples_read() {
    for keys in ALL_TABLES {
        for key in keys.known.iter().chain(keys.later) {
            let told = MANUAL.contains(&format!("`{key}`")) || MANUAL.contains(&format!("[{key}]"));
            assert!(told, "`{key}` of {} is not in docs/campaigns.md", keys.of);
        }
    }
    let examples = examples();
    assert!(examples.len() > 8);
    for (kind, text) in examples {
        let loaded: Loaded = match kind {
            "segments" => {
                let mut sources = sources(&[]);
                sources.segments = Some(source("segments", text));
                compile(sources, &context())
            }
            "topics" => {
                let mut sources = sources(&[]);
                sources.topics = Some(source("topics", text));
                compile(sources, &context())
            }
            "part" => {
                let mut whole = with(text);
                let has = |table: &str| text.contains(table);
                if has("[schedule]") {
                    whole.push_str("\n[audience]\ntag = \"a\"\n[entry]\nexisting = \"skip\"\n");
                } else if !has("[trigger]") && !has("[entry]") {
                    whole.push_str("\n[trigger]\nevent = \"Signed Up\"\n");
                }
                if !has("[[step]]") {
                    whole.push_str(STEP);
                }
                compile(sources(&[("c", &whole)]), &context())
            }
            _ => compile(sources(&[("c", text)]), &context()),
        };
        assert!(
            loaded.problems.is_empty(),
            "{text}\n{}",
            render_all(&loaded.problems, false)
        );
    }
}

fn rounds() -> ProptestConfig {
    let soak = std::env::var_os("REVEILLE_SOAK").is_some();
    ProptestConfig {
        cases: if soak { 20_000 } else { 200 },
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(rounds())]

    /// However a file is mangled: no panic, and a campaign is unusable just when an error says why.
    #[test]
    fn a_mangled_file_is_told_and_never_panics(
        which in 0..5usize,
        cuts in proptest::collection::vec((any::<proptest::sample::Index>(), 0..40usize, ".{0,3}"), 1..4),
    ) {
        let texts = [SHIPPED[0].1, SHIPPED[1].1, SHIPPED[2].1, SEGMENTS, TOPICS];
        let mut text: Vec<char> = texts[which].chars().collect();
        for (at, length, new) in cuts {
            let start = at.index(text.len().max(1)).min(text.len());
            let end = (start + length).min(text.len());
            text.splice(start..end, new.chars());
        }
        let text: String = text.into_iter().collect();
        let mut files = sources(&SHIPPED);
        match which {
            3 => files.segments = Some(source("segments", &text)),
            4 => files.topics = Some(source("topics", &text)),
            _ => {
                files.campaigns.insert(CampaignId::parse("mangled").unwrap(), source("mangled", &text));
            }
        }
        let loaded = compile(files, &context());
        for (id, campaign) in &loaded.campaigns {
            let file = format!("{id}.toml");
            let errors = loaded.problems.iter().any(|p| p.is_error() && p.file == file);
            prop_assert_eq!(campaign.is_err(), errors);
        }
        for problem in &loaded.problems {
            problem.render(true);
            problem.to_json();
        }
    }
}
