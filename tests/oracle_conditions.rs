//! Conditions against a naive evaluator that keeps every event and works each answer out from scratch.
//!
//! The evaluator in `naive` shares types with the domain, and no code: it walks values, counts, adds and compares on
//! its own. A failure prints the seed; `REVEILLE_SEED=n` repeats it, `REVEILLE_SOAK=1` runs many more customers.

#[path = "oracle_conditions/customers.rs"]
mod customers;
#[path = "oracle_conditions/messages.rs"]
mod messages;
#[path = "oracle_conditions/naive.rs"]
mod naive;
#[path = "oracle_conditions/standing.rs"]
mod standing;

use customers::{DAYS, Dice, SEGMENTS, START, World, condition, rules, world};
use messages::remembered;
use naive::holds;
use reveille::domain::about::About;
use reveille::domain::condition::{
    Condition, EntryFacts, EventTest, Facts, Range, evaluate, explain,
};
use reveille::domain::event::Event;
use reveille::domain::time::{Span, Timestamp};
use reveille::domain::track::{TrackPlan, Tracks};
use std::collections::BTreeSet;

/// Every length of time in a condition at which an answer can turn.
fn lengths(world: &World, condition: &Condition, all: &mut BTreeSet<i64>) {
    let range = |range: &Range<Span>, all: &mut BTreeSet<i64>| {
        all.extend(range.low.into_iter().chain(range.high).map(|span| span.0));
    };
    match condition {
        Condition::All(parts) | Condition::Any(parts) => {
            parts.iter().for_each(|part| lengths(world, part, all));
        }
        Condition::Not(part) => lengths(world, part, all),
        Condition::Segment(name) => {
            if let Some(part) = world.segments.get(name) {
                lengths(world, part, all);
            }
        }
        Condition::KnownFor(ages) => range(ages, all),
        Condition::Event(event) | Condition::NoEvent(event) => {
            all.extend(event.within.map(|span| span.0));
            if let EventTest::Last(ages) | EventTest::First(ages) = &event.test {
                range(ages, all);
            }
        }
        Condition::Message(message) => all.extend(message.within.map(|span| span.0)),
        Condition::Tag(tag) => {
            if let Some(part) = world.derived.get(tag) {
                lengths(world, part, all);
            }
        }
        Condition::Campaign(campaign) => all.extend(campaign.within.map(|span| span.0)),
        Condition::Engaged(ages) => range(ages, all),
        Condition::ConsentAge(consent) => range(&consent.age, all),
        Condition::Refused(refused) => all.extend(refused.within.map(|span| span.0)),
        Condition::Attribute(_)
        | Condition::Subscribed(_)
        | Condition::Date(_)
        | Condition::Preference(_)
        | Condition::UnderWay { .. }
        | Condition::Unanswered(_) => {}
    }
}

/// Every instant at which the condition's answer can turn, with its neighbours.
fn edges(world: &World, known: &[&Event], condition: &Condition) -> Vec<i64> {
    let mut all = BTreeSet::from([0]);
    lengths(world, condition, &mut all);
    let mut edges = BTreeSet::new();
    let acts = world.messages.iter().flat_map(|raw| &raw.acts);
    let told = acts
        .map(|(at, _)| *at)
        .filter(|at| *at <= world.heard.get());
    let mut since = BTreeSet::new();
    sinces(world, condition, &mut since);
    let entries = (world.entries.iter().flat_map(standing::RawEntry::instants))
        .filter(|at| *at <= world.heard.get());
    let mut dated = false;
    condition.each_leaf(&mut |leaf| {
        dated |= matches!(
            leaf,
            Condition::Date(_) | Condition::Segment(_) | Condition::Tag(_)
        );
    });
    let days = standing::midnights(world.zone);
    let days = days.into_iter().filter(|_| dated);
    edges.extend(days.flat_map(|at| [at - 1, at, at + 1]));
    let pause = world.preferences.pause_until.map(|until| until.0);
    for at in known
        .iter()
        .map(|event| event.time.0)
        .chain([world.known_since])
        .chain(told)
        .chain(entries)
        .chain(pause)
        .chain(world.consents.values().map(|consent| consent.at.0))
        .chain(since)
    {
        for length in &all {
            edges.extend([
                at + length - 1,
                at + length,
                at + length + 1,
                at + length + 2,
            ]);
        }
    }
    edges.into_iter().collect()
}

/// From when on the events that it asks about are told completely.
fn sinces(world: &World, condition: &Condition, all: &mut BTreeSet<i64>) {
    let mut leaves = Vec::new();
    condition.each_leaf(&mut |leaf| leaves.push(leaf));
    for leaf in leaves {
        match leaf {
            Condition::Event(event) | Condition::NoEvent(event) => {
                all.extend(event.complete_since.map(|since| since.0));
            }
            Condition::Segment(name) => {
                (world.segments.get(name).into_iter()).for_each(|part| sinces(world, part, all));
            }
            Condition::Tag(tag) => {
                (world.derived.get(tag).into_iter()).for_each(|part| sinces(world, part, all));
            }
            _ => {}
        }
    }
}

fn is_leaf(condition: &Condition) -> bool {
    !matches!(
        condition,
        Condition::All(_)
            | Condition::Any(_)
            | Condition::Not(_)
            | Condition::Segment(_)
            | Condition::Tag(_)
    )
}

#[derive(Default, Debug)]
struct Seen {
    answers: u64,
    yes: u64,
    untils: u64,
    exact: u64,
}

struct Checks {
    conditions: u64,
    events: u64,
    /// Edges tried, each with a millisecond either side.
    edges: u64,
    random: u64,
    /// Every so many instants, `until` is held against the naive evaluator's future.
    futures: u64,
    plain: bool,
}

fn check_customer(seed: u64, checks: &Checks, seen: &mut Seen) {
    let dice = &mut Dice(seed);
    let world = world(dice, checks.events, checks.plain);
    let conditions: Vec<Condition> = (0..checks.conditions)
        .map(|n| condition(dice, (n % 5) as u32, &SEGMENTS, checks.plain))
        .collect();
    let shared = world.segments.values().chain(world.derived.values());
    let plan = TrackPlan::with_events(shared.chain(&conditions), [], &rules());
    let campaigns = standing::campaigns();
    let mut compared: BTreeSet<&[String]> = BTreeSet::new();
    let shared = world.segments.values().chain(world.derived.values());
    for condition in shared.chain(&conditions) {
        condition.each_event(&mut |event, _| {
            compared.extend(event.alike().map(|like| like.of.as_slice()));
        });
    }
    let about = About::of(&world.about, compared);

    world.heard.set(i64::MAX);
    let everything: Vec<&Event> = world.events.iter().map(|(_, event)| event).collect();
    let mut instants = BTreeSet::new();
    for condition in &conditions {
        let all = edges(&world, &everything, condition);
        for _ in 0..checks.edges {
            let edge = *dice.of(&all);
            instants.extend([edge - 1, edge, edge + 1]);
        }
    }
    let random = |dice: &mut Dice| START + dice.below(60 * DAYS as u64) as i64;
    instants.extend((0..checks.random).map(|_| random(dice)));

    let mut arrivals: Vec<&(i64, Event)> = world.events.iter().collect();
    arrivals.sort_by_key(|(arrival, _)| *arrival);
    let mut arrivals = arrivals.into_iter().peekable();
    let mut known: Vec<&Event> = Vec::new();
    let mut tracks = Tracks::default();
    for now in instants {
        while let Some((_, event)) = arrivals.next_if(|(arrival, _)| *arrival <= now) {
            known.push(event);
            // What undoes others is found in the history; all else finds its place.
            if tracks.absorb(&plan, event).is_err() {
                assert_eq!(event.name.as_str(), "Order Cancelled");
                tracks = Tracks::rebuild(&plan, known.iter().copied());
            }
        }
        world.heard.set(now);
        let sent = remembered(&world, now);
        let standings = standing::standings(&world, now);
        let facts = Facts {
            known_since: Timestamp(world.known_since),
            attributes: &world.attributes,
            email: world.email.as_deref(),
            tags: &world.tags,
            derived: &world.derived,
            preferences: &world.preferences,
            zone: world.zone,
            standings: &standings,
            campaigns: &campaigns,
            consents: &world.consents,
            topics: &world.topics,
            segments: &world.segments,
            tracks: &tracks,
            plan: &plan,
            sent: &sent,
            entry: world.entry.as_ref().map(|(at, key, trigger)| EntryFacts {
                at: Timestamp(*at),
                key,
                trigger: trigger.as_ref(),
                about: &about,
            }),
            lenient_same: world.lenient,
        };
        for condition in &conditions {
            let case = || format!("seed {seed}, now {now}, {condition:?}");
            let verdict = evaluate(condition, &facts, Timestamp(now));
            let expected = holds(&world, &known, condition, now);
            assert_eq!(verdict.holds, expected, "{}", case());
            seen.answers += 1;
            seen.yes += u64::from(expected);
            if !dice.one_in(checks.futures) {
                continue;
            }
            assert_eq!(
                explain(condition, &facts, Timestamp(now)).verdict,
                verdict,
                "{}",
                case()
            );
            let until = verdict.until.map_or(i64::MAX, |until| until.0);
            assert!(until > now, "{}", case());
            seen.untils += u64::from(verdict.until.is_some());
            for later in edges(&world, &known, condition) {
                if now < later && later < until {
                    let then = holds(&world, &known, condition, later);
                    assert_eq!(then, expected, "changed at {later}, {}", case());
                }
            }
            if is_leaf(condition) && verdict.until.is_some() {
                let then = holds(&world, &known, condition, until);
                assert_ne!(then, expected, "no change at {until}, {}", case());
                seen.exact += 1;
            }
        }
    }
    let rebuilt = Tracks::rebuild(&plan, known.iter().rev().copied());
    assert!(tracks == rebuilt, "seed {seed}: a rebuild differs");
}

fn run(what: &str, customers: u64, soak: u64, checks: &Checks) -> Seen {
    let soaking = std::env::var("REVEILLE_SOAK").is_ok_and(|v| v == "1");
    let repeat = std::env::var("REVEILLE_SEED")
        .ok()
        .and_then(|seed| seed.parse::<u64>().ok());
    let seeds = match repeat {
        Some(seed) => seed..seed + 1,
        None => 1..1 + if soaking { soak } else { customers },
    };
    println!("{what}: seeds {seeds:?}");
    let mut seen = Seen::default();
    for seed in seeds {
        check_customer(seed, checks, &mut seen);
    }
    println!("{what}: {seen:?}");
    seen
}

#[test]
fn conditions_answer_as_a_naive_evaluator_does() {
    let checks = Checks {
        conditions: 5,
        events: 14,
        edges: 12,
        random: 100,
        futures: 8,
        plain: false,
    };
    let seen = run("conditions", 400, 20_000, &checks);
    if std::env::var("REVEILLE_SEED").is_err() {
        // The run means something: both answers occur, and so do ends of answers.
        assert!(
            seen.yes * 10 > seen.answers && seen.yes * 10 < seen.answers * 9,
            "{seen:?}"
        );
        assert!(seen.untils > 3_000 && seen.exact > 1_000, "{seen:?}");
    }
}

/// Counts, ages and gaps stay exact however many events there are.
#[test]
fn customers_with_thousands_of_events_are_answered_exactly() {
    let checks = Checks {
        conditions: 5,
        events: 2_500,
        edges: 3,
        random: 5,
        futures: 1_000,
        plain: true,
    };
    run("busy customers", 10, 300, &checks);
}
