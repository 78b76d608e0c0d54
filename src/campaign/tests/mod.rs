//! The room as a whole, on the shipped files.

mod conditions;
mod entries;
mod mangled;
mod manual;
mod versions;

use super::{Context, Source, Sources, compile};
use crate::config::Config;
use crate::config::problem::{Problem, render_all};
use crate::config::settings::DEFAULT_FILE;
use crate::domain::address::EmailAddress;
use crate::domain::breaker::Harm;
use crate::domain::campaign::{
    Again, At, Campaign, CampaignState, CampaignWindow, DueFrom, Existing, Missed, Repeat,
    ScheduleZone, Start, Timing, When,
};
use crate::domain::condition::{Condition, EventCondition, EventSelector, EventTest, Range};
use crate::domain::id::{CampaignId, EventName, StaffName, TagName, TopicId};
use crate::domain::preference::Class;
use crate::domain::time::Span;
use std::path::Path;

const SEGMENTS: &str = include_str!("../../../campaigns/segments.toml");
const TOPICS: &str = include_str!("../../../campaigns/topics.toml");
const SHIPPED: [(&str, &str); 3] = [
    (
        "cart_reminder",
        include_str!("../../../campaigns/cart_reminder.toml"),
    ),
    (
        "wake_dormant",
        include_str!("../../../campaigns/wake_dormant.toml"),
    ),
    ("welcome", include_str!("../../../campaigns/welcome.toml")),
];
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
    let crm = EmailAddress::parse("crm@shop.example").unwrap();
    let staff = StaffName::parse("crm").unwrap();
    context.shop.staff = [(staff, crm)].into();
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
        tags: None,
        data: Default::default(),
        coupons: None,
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
    let other = with(&format!("[trigger]\nevent = \"Signed Up\"\n{STEP}"));
    let loaded = compile(sources(&[("c", text), ("other", &other)]), context);
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
    assert_eq!(cart.steps[0].timing.from, DueFrom::Entry(Span::hours(24)));
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
    assert_eq!(
        welcome.steps[0].timing.from,
        DueFrom::Entry(Span::minutes(10))
    );
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
        (&step.timing, step.expires, step.recheck),
        (&Timing::AT_ONCE, Span::days(7), true)
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
fn the_best_hour_is_for_messages() {
    let start = "[trigger]\nevent = \"Signed Up\"\n";
    let best = good(&with(&format!("{start}{STEP}at = \"best\"\n")));
    assert_eq!(best.steps[0].timing.at, Some(At::Best));
    let act = "[[step]]\nid = \"mark\"\ntag = \"new\"\nat = \"best\"\n";
    let (_, problems) = read(&with(&format!("{start}{STEP}{act}")), &context());
    assert!(told(&problems, "this step sends them none"), "{problems:?}");
    let (_, problems) = read(&with(&format!("{start}{STEP}at = \"soon\"\n")), &context());
    assert!(
        told(&problems, "\"soon\" is no time of day"),
        "{problems:?}"
    );
}

#[test]
fn a_campaign_says_how_much_harm_it_may_do() {
    let text = |breakers: &str| {
        let start = "[trigger]\nevent = \"Signed Up\"\n";
        with(&format!("{start}{STEP}[breakers]\n{breakers}\n"))
    };
    let own = good(&text("refusals = \"off\"\nerrors = \"5 in 1h\"")).breakers;
    assert_eq!(own.get(Harm::Refusals).map(|l| l.iter().count()), Some(0));
    assert_eq!(own.get(Harm::Errors).map(|l| l.iter().count()), Some(1));
    assert_eq!(own.get(Harm::Complaints), None);
    let (_, problems) = read(&text("errors = \"5%\""), &context());
    assert!(told(&problems, "\"5%\" is no limit"), "{problems:?}");
    let (_, problems) = read(&text("bounces = \"5 in 1h\""), &context());
    assert!(told(&problems, "bounces"), "{problems:?}");
}

fn told(problems: &[Problem], what: &str) -> bool {
    problems.iter().any(|p| p.to_line().contains(what))
}
