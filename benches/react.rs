//! One customer's decisions, in isolation: evaluating a condition, reacting to an event, to an alarm, to `Ready`.

use criterion::{Criterion, criterion_group, criterion_main};
use reveille::domain::cause::{Cause, Liveness};
use reveille::domain::condition::{
    Condition, EventCondition, EventSelector, EventTest, Facts, Range, evaluate,
};
use reveille::domain::event::Event;
use reveille::domain::id::{CustomerId, CustomerNo, EventName, TagName};
use reveille::domain::react::{Boxes, Context, react};
use reveille::domain::record::Record;
use reveille::domain::rules::{Ceiling, Controls, InDoubt, Rules, Shop};
use reveille::domain::time::{Span, Timestamp};
use reveille::domain::track::TrackPlan;
use reveille::domain::value::Properties;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

const NOW: Timestamp = Timestamp(1_772_000_000_000);

fn dormant() -> Condition {
    let select = EventSelector {
        name: EventName::parse("Order Completed").ok(),
        filter: Vec::new(),
    };
    let last = EventTest::Last(Range {
        low: Some(Span::days(90)),
        high: None,
    });
    let tag = TagName::parse("vip").expect("a good tag");
    Condition::All(vec![
        Condition::Event(EventCondition::new(select, None, false, None, last)),
        Condition::Not(Box::new(Condition::Tag(tag))),
    ])
}

fn rules(conditions: &[Condition]) -> Rules {
    Rules {
        version: 1,
        campaigns: BTreeMap::new(),
        segments: BTreeMap::new(),
        tags: BTreeMap::new(),
        order: Vec::new(),
        topics: BTreeMap::new(),
        shop: Shop {
            timezone: chrono_tz::UTC,
            locale: "en".into(),
            window: None,
            caps: Vec::new(),
            gap: None,
            ceiling: Ceiling::default(),
            in_doubt: InDoubt::Resend,
            settle: Span::minutes(1),
            give_up: Span::days(4),
            retry: Vec::new(),
            only_to: None,
            staff: Default::default(),
            closed: Default::default(),
            control: None,
        },
        plan: TrackPlan::from_conditions(conditions, []),
        controls: Arc::new(Controls::default()),
        pools: Default::default(),
        salt: [7; 16],
        once: Default::default(),
    }
}

fn event(n: i64) -> Event {
    Event {
        name: EventName::parse("Order Completed").expect("a good name"),
        time: NOW - Span::days(100 - n % 50),
        properties: Properties::new(),
        identity: n as u64,
        ahead: false,
    }
}

fn benches(c: &mut Criterion) {
    let condition = dormant();
    let rules = rules(std::slice::from_ref(&condition));
    let id = CustomerId::parse("c1").expect("a good id");
    let mut record = Record::new(CustomerNo(1), id, NOW - Span::days(365));
    let quotas = reveille::domain::quota::Quotas::new();
    let context = Context {
        now: NOW,
        rules: &rules,
        history: None,
        unfinished: false,
        coupon: None,
        person: None,
        quotas: &quotas,
    };
    for n in 0..8 {
        let cause = Cause::Event(event(n), Liveness::Live);
        record = react(&record, &Boxes::new(), &cause, &context)
            .expect("no history")
            .record;
    }
    c.bench_function("evaluate: 90 days without an order, and no tag", |b| {
        let facts = Facts::of(&record, &rules);
        b.iter(|| evaluate(black_box(&condition), &facts, NOW));
    });
    c.bench_function("react: an event", |b| {
        let cause = Cause::Event(event(3), Liveness::Live);
        b.iter(|| react(black_box(&record), &Boxes::new(), &cause, &context));
    });
    c.bench_function("react: an alarm", |b| {
        b.iter(|| react(black_box(&record), &Boxes::new(), &Cause::Alarm, &context));
    });
}

criterion_group!(all, benches);
criterion_main!(all);
