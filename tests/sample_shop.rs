//! The sample shop: the same bytes everywhere, taken in without an error, and like a shop.

use reveille::domain::id::CustomerId;
use reveille::domain::preference::ConsentState;
use reveille::domain::time::{Span, Timestamp};
use reveille::domain::value::Value;
use reveille::engine::intake::{Counter, Options, Reading, Rows, What};
use reveille::engine::sample::{Sample, Summary, generate};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use xxhash_rust::xxh3::xxh3_64;

fn until() -> Timestamp {
    Timestamp::parse_rfc3339("2026-09-01T00:00:00Z").unwrap()
}

fn made(sample: Sample) -> (Vec<u8>, Summary) {
    let mut out = Vec::new();
    let summary = generate(sample, &mut out).unwrap();
    (out, summary)
}

/// Demos, documents and other tests rest on the shop: a change of its bytes must be meant.
#[test]
fn the_bytes_are_fixed() {
    let small = Sample {
        customers: 40,
        days: 60,
        seed: 7,
        until: until(),
    };
    let (bytes, _) = made(small);
    assert_eq!(bytes, made(small).0);
    assert_eq!((bytes.len(), xxh3_64(&bytes)), FIXED);
    assert_ne!(bytes, made(Sample { seed: 8, ..small }).0);
}
const FIXED: (usize, u64) = (144_684, 2_948_322_933_963_605_756);

#[test]
fn nothing_breaks_at_the_edges() {
    for (customers, days) in [(0, 365), (5, 0), (5, 1), (300, 100)] {
        let sample = Sample {
            customers,
            until: until(),
            days,
            seed: 3,
        };
        let (bytes, summary) = made(sample);
        assert_eq!(bytes.len() as u64, summary.bytes);
        let rows = bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty());
        assert_eq!(rows.count() as u64, summary.customers + summary.events);
    }
}

#[test]
fn every_row_is_taken_in_and_the_shop_is_like_one() {
    let sample = Sample::new(until());
    let (bytes, summary) = made(sample);
    let rows = Rows::open(bytes.as_slice(), Options::new(Reading::new(until()))).unwrap();
    let (mut last, mut counter, mut seen) = (Timestamp(0), Counter::new(), HashSet::new());
    let mut orders: BTreeMap<CustomerId, Timestamp> = BTreeMap::new();
    let mut carts: BTreeSet<String> = BTreeSet::new();
    let mut ordered: BTreeSet<String> = BTreeSet::new();
    let mut names: BTreeMap<String, u64> = BTreeMap::new();
    let (mut given, mut refused, mut windows, mut caps, mut vip, mut known) = (0, 0, 0, 0, 0, 0);
    let (mut zones, mut locales) = (BTreeSet::new(), BTreeSet::new());
    for (line, row) in rows {
        let row = row.unwrap_or_else(|e| panic!("{e}"));
        let hash = counter.identify(&[0; 16], &row.customer, &row.identity);
        assert!(seen.insert(hash), "line {line} has another row's identity");
        match row.what {
            What::Profile { change, consents } => {
                known += 1;
                assert!(last == Timestamp(0), "profiles come first");
                assert!(change.email.is_some());
                zones.extend(change.preferences.timezone.flatten().map(|z| z.name()));
                locales.extend(change.preferences.locale.flatten());
                windows += u32::from(change.preferences.window.is_some());
                caps += u32::from(change.preferences.caps.is_some());
                vip += u32::from(!change.tags.is_empty());
                for consent in consents {
                    assert!(consent.at < until());
                    match consent.state {
                        ConsentState::Given => given += 1,
                        ConsentState::Refused => refused += 1,
                    }
                }
            }
            What::Event {
                name,
                time,
                properties,
            } => {
                assert!(last <= time && time < until(), "line {line}: {time}");
                assert!(time >= until() - Span::days(365));
                last = time;
                let cart = properties.get("cart_id").and_then(Value::as_key);
                match name.as_str() {
                    "Product Added" => drop(carts.insert(cart.unwrap())),
                    "Order Completed" => {
                        ordered.insert(cart.unwrap());
                        assert!(properties["total"].as_number().unwrap() > 0.0);
                        orders.insert(row.customer, time);
                    }
                    _ => {}
                }
                *names.entry(name.as_str().to_owned()).or_default() += 1;
            }
        }
    }
    assert_eq!(known, 3_000);
    assert_eq!(names.values().sum::<u64>(), summary.events);
    assert_eq!(names.len(), 6, "{names:?}");
    assert_eq!(names["Order Completed"], summary.orders);
    assert!(ordered.is_subset(&carts));
    assert_eq!(carts.difference(&ordered).count() as u64, summary.abandoned);
    let dormant = orders
        .values()
        .filter(|at| **at < until() - Span::days(90))
        .count() as u64;
    assert_eq!(dormant, summary.dormant);
    println!("{summary}; {} bytes; {names:?}", bytes.len());
    println!("given {given}, refused {refused}, windows {windows}, caps {caps}, vip {vip}");
    assert!((300..=1_200).contains(&dormant), "{dormant} dormant");
    assert!(summary.abandoned > 1_000, "{summary}");
    assert!(summary.orders > 6_000, "{summary}");
    assert!((2_100..2_600).contains(&given), "{given} gave consent");
    assert!((200..600).contains(&refused), "{refused} refused");
    assert!((600..1_000).contains(&windows), "{windows} have hours");
    assert!((400..800).contains(&caps), "{caps} have caps");
    assert!((50..250).contains(&vip), "{vip} are VIP");
    assert_eq!(zones.len(), 8, "{zones:?}");
    assert_eq!(locales.len(), 5, "{locales:?}");
    // What a demo needs: people who signed up and carts that were left in the last days.
    let (text, recent) = (
        std::str::from_utf8(&bytes).unwrap(),
        "\"timestamp\":\"2026-08-3",
    );
    assert!(
        text.lines()
            .any(|l| l.contains("Signed Up") && l.contains(recent))
    );
    assert!(
        text.lines()
            .filter(|l| l.contains("Product Added") && l.contains(recent))
            .count()
            > 20
    );
    assert!(text.contains(r#"Robert\"); DROP <b>"#));
}
