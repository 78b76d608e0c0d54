//! The shipped `campaigns/tags.toml`: who bears which of its tags, and when.

use crate::world::{World, at, audience, triggered};
use reveille::campaign::{Context, Source, Sources, compile};
use reveille::config::Config;
use reveille::config::problem::render_all;
use reveille::domain::cause::{Cause, Liveness};
use reveille::domain::condition::{Condition, tags_of};
use reveille::domain::engagement::{Engagement, HitClass, HitKind};
use reveille::domain::id::{CustomerNo, TagName};
use reveille::domain::ledger::{Reason, Status};
use reveille::domain::time::Span;
use std::path::Path;
use std::sync::Arc;

const START: &str = "2026-03-02T09:00:00Z";

fn shipped(world: &mut World) {
    let source = |file: &str, text: &str| {
        Some(Source {
            file: file.to_owned(),
            text: text.to_owned(),
        })
    };
    let sources = Sources {
        tags: source("tags.toml", include_str!("../../campaigns/tags.toml")),
        topics: source("topics.toml", include_str!("../../campaigns/topics.toml")),
        ..Sources::default()
    };
    let config = Config::parse(Path::new("config.toml"), include_str!("../../config.toml"));
    let loaded = compile(sources, &Context::of(&config.unwrap()));
    assert!(
        loaded.problems.is_empty(),
        "{}",
        render_all(&loaded.problems, false)
    );
    let mut rules = (*world.rules).clone();
    rules.tags = loaded.tags;
    world.rules = Arc::new(rules);
}

fn shop() -> (World, CustomerNo) {
    shop_with(vec![triggered("news", "Published")])
}

fn shop_with(drafts: Vec<crate::world::Draft>) -> (World, CustomerNo) {
    let mut world = World::new(START, vec![]);
    shipped(&mut world);
    world.adopt(drafts);
    let mina = world.customer("mina");
    (world, mina)
}

/// The tags that begin so, or all without a family.
fn tags(world: &World, no: CustomerNo, family: &str) -> Vec<String> {
    let all = tags_of(world.record(no), &world.rules, world.now);
    let all = all.iter().map(|tag| tag.to_string());
    match family {
        "" => all
            .filter(|tag| !tag.contains('_') || tag.starts_with("high") || tag.starts_with("new"))
            .collect(),
        family => all.filter(|tag| tag.starts_with(family)).collect(),
    }
}

#[test]
fn a_customer_is_new_then_active_then_dormant_and_active_again() {
    let (mut world, mina) = shop();
    assert_eq!(tags(&world, mina, ""), ["new_subscriber"]);
    world.event(mina, "Product Viewed", &[]);
    assert_eq!(tags(&world, mina, ""), ["active", "new_subscriber"]);
    world.event(mina, "Product Viewed", &[]);
    world.event(mina, "Product Viewed", &[]);
    assert_eq!(
        tags(&world, mina, ""),
        ["active", "high_potential", "new_subscriber"]
    );
    world.event(mina, "Order Completed", &[]);
    assert_eq!(tags(&world, mina, ""), ["active", "new_subscriber"]);
    world.run_until(at(START) + Span::days(30) - Span::millis(1));
    assert_eq!(tags(&world, mina, ""), ["active", "new_subscriber"]);
    world.run_for(Span::millis(1));
    assert!(tags(&world, mina, "").is_empty());
    world.run_until(at(START) + Span::days(90) - Span::millis(1));
    assert!(tags(&world, mina, "").is_empty());
    world.run_for(Span::millis(1));
    assert_eq!(tags(&world, mina, ""), ["dormant"]);
    world.event(mina, "Signed In", &[]);
    assert_eq!(tags(&world, mina, ""), ["active"]);
}

#[test]
fn an_answer_to_a_mail_counts_as_life() {
    let (mut world, mina) = shop();
    world.run_for(Span::days(95));
    assert_eq!(tags(&world, mina, ""), ["dormant"]);
    // What the shop sends is no life of the customer's.
    let opened = world.now + Span::hours(2);
    world.history(mina, "Reveille Published", world.now);
    assert_eq!(tags(&world, mina, ""), ["dormant"]);
    let news = world.make_event("Published", world.now, &[]);
    world.apply(mina, Cause::Event(news, Liveness::Live));
    world.run_until(opened);
    let engagement = Engagement {
        message: world.attempts[0].message,
        kind: HitKind::Open,
        class: HitClass::HumanLikely,
        reason: Reason::Reader,
        link: None,
        first: opened,
        last: opened,
    };
    world.apply(mina, Cause::Engagement(engagement));
    assert_eq!(tags(&world, mina, ""), ["active"]);
    world.run_until(opened + Span::days(30) - Span::millis(1));
    assert_eq!(tags(&world, mina, ""), ["active"]);
    world.run_for(Span::millis(1));
    assert!(tags(&world, mina, "").is_empty());
}

#[test]
fn the_orders_of_a_year_make_one_tier() {
    let (mut world, mina) = shop();
    assert!(tags(&world, mina, "value").is_empty());
    world.event(mina, "Order Completed", &[("total", "299.99")]);
    assert_eq!(tags(&world, mina, "value"), ["value_low"]);
    world.run_for(Span::days(100));
    world.event(mina, "Order Completed", &[("total", "0.01")]);
    assert_eq!(tags(&world, mina, "value"), ["value_middle"]);
    world.event(mina, "Order Completed", &[("total", "900")]);
    assert_eq!(tags(&world, mina, "value"), ["value_high"]);
    world.run_until(at(START) + Span::days(365));
    assert_eq!(tags(&world, mina, "value"), ["value_middle"]);
    world.run_for(Span::days(100));
    assert!(tags(&world, mina, "value").is_empty());
}

#[test]
fn a_customer_goes_through_the_stages_and_bears_one_at_a_time() {
    let (mut world, mina) = shop();
    let mut met = Vec::new();
    let mut look = |world: &World| {
        let now = tags(world, mina, "stage");
        assert_eq!(now.len(), 1, "{now:?}");
        met.push(now[0].clone());
    };
    look(&world);
    for _ in 0..3 {
        world.event(mina, "Order Completed", &[]);
        world.run_for(Span::days(10));
        look(&world);
    }
    world.run_for(Span::days(170));
    look(&world);
    world.event(mina, "Order Completed", &[]);
    look(&world);
    world.run_for(Span::days(60));
    look(&world);
    assert_eq!(
        met,
        [
            "stage_prospect",
            "stage_new",
            "stage_new",
            "stage_loyal",
            "stage_dormant",
            "stage_resurrected",
            "stage_loyal",
        ]
    );
}

#[test]
fn what_customers_write_tells_an_intent_that_fades_and_an_interest_that_lasts() {
    for text in ["How much is the TEAPOT?", "찻잔 가격이 얼마예요?"] {
        let (mut world, mina) = shop();
        world.event(mina, "Message Received", &[("text", text)]);
        assert_eq!(
            tags(&world, mina, "int"),
            ["intent_price_hot", "interest_tea"]
        );
        world.run_for(Span::days(3));
        assert_eq!(
            tags(&world, mina, "int"),
            ["intent_price_warm", "interest_tea"]
        );
        world.run_for(Span::days(12));
        assert_eq!(tags(&world, mina, "int"), ["interest_tea"]);
        world.run_for(Span::days(45));
        assert!(tags(&world, mina, "int").is_empty());
    }
    let (mut world, mina) = shop();
    for (text, tags_then) in [
        ("Steaming along, without a priceless word", &[][..]),
        ("I want a refund", &["intent_return"]),
        ("원두 있나요", &["intent_return", "interest_coffee"]),
    ] {
        world.event(mina, "Message Received", &[("text", text)]);
        assert_eq!(tags(&world, mina, "int"), tags_then, "{text}");
    }
}

#[test]
fn a_derived_tag_lets_customers_into_a_campaign_by_itself_and_none_set_by_hand_does() {
    let tag = TagName::parse("dormant").unwrap();
    let (mut world, mina) = shop_with(vec![audience("wake", Condition::Tag(tag.clone()))]);
    world.tag(mina, "dormant", true);
    assert!(tags(&world, mina, "dormant").is_empty());
    world.run_for(Span::days(89));
    assert_eq!(world.count("wake", Status::Entered), 0);
    world.run_for(Span::days(2));
    assert_eq!(world.sent("wake"), [at(START) + Span::days(90)]);
}
