//! Identity: what two copies of one row share, so that what was taken in once is known when it comes again.
//!
//! A row's own `messageId` is its identity. A row without one is known by its canonical text: what was read of it, keys
//! sorted, numbers normalised, whitespace gone; never its time of receipt nor `sentAt`, which change from one sending to
//! the next. Equal rows of one file are told apart by their count ([`Counter`]), so that two like purchases on one day
//! are two, and importing the file again is none. Whether an identity is known already is for the store to say.

use crate::domain::chance::{Salt, keyed_hash};
use crate::domain::id::CustomerId;
use crate::domain::time::Timestamp;
use crate::domain::value::{Properties, Value};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt::Write;

/// What tells a row from another of the same customer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Identity {
    /// The row's own `messageId`.
    MessageId(String),
    /// The row's canonical text.
    Canonical(String),
}

/// The salted 8 bytes that the store keeps of an identity: [`keyed_hash`] over a domain name, the kind of identity, the
/// customer, the text, and `nth` (0 for the first of equal rows; a `messageId` has no count, and `nth` is not used).
pub fn identity_hash(salt: &Salt, customer: &CustomerId, identity: &Identity, nth: u32) -> u64 {
    let (kind, text, nth): (&[u8], &str, u32) = match identity {
        Identity::MessageId(id) => (b"message id", id, 0),
        Identity::Canonical(text) => (b"canonical", text, nth),
    };
    let fields: [&[u8]; 5] = [
        b"identity",
        kind,
        customer.as_str().as_bytes(),
        text.as_bytes(),
        &nth.to_le_bytes(),
    ];
    keyed_hash(salt, &fields)
}

/// The identity of one part of a profile's row: what is told of the customer is the first, each consent another. None of
/// them is the row's own, so that a profile is never taken for an event that bears its `messageId`.
pub fn part(identity: u64, nth: u64) -> u64 {
    // 2^64 divided by the golden ratio, made odd: the parts of one identity all differ.
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    identity.wrapping_add(STEP.wrapping_mul(nth.wrapping_add(1)))
}

/// Counts equal rows of one file. It keeps 8 bytes of hash and 4 of count a distinct row without `messageId` (some
/// 25 bytes with the table's slack), and nothing for the others.
#[derive(Debug, Default)]
pub struct Counter {
    seen: HashMap<u64, u32>,
}

impl Counter {
    pub fn new() -> Counter {
        Counter::default()
    }

    /// The identity of the next row of the file: the k-th of equal rows gets one of its own, the same at each reading.
    pub fn identify(&mut self, salt: &Salt, customer: &CustomerId, identity: &Identity) -> u64 {
        let first = identity_hash(salt, customer, identity, 0);
        if matches!(identity, Identity::MessageId(_)) {
            return first;
        }
        let count = self.seen.entry(first).or_insert(0);
        let nth = *count;
        *count = count.saturating_add(1);
        match nth {
            0 => first,
            nth => identity_hash(salt, customer, identity, nth),
        }
    }
}

/// The canonical text of an event's row or a profile's: `kind` is the event's name, or `None` for a profile.
pub(super) fn canonical(
    event: Option<&str>,
    time: Option<Timestamp>,
    told: &Properties,
) -> Identity {
    let mut out = String::with_capacity(128);
    match event {
        Some(name) => write_text(&mut out, name),
        None => out.push('-'),
    }
    match time {
        // Writing to a string never fails.
        Some(time) => drop(write!(out, " {} ", time.millis())),
        None => out.push_str(" - "),
    }
    write_map(&mut out, told);
    Identity::Canonical(out)
}

fn write_map(out: &mut String, map: &Properties) {
    out.push('{');
    for (i, (key, value)) in map.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write_text(out, key);
        out.push(':');
        write_value(out, value);
    }
    out.push('}');
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Int(i) => drop(write!(out, "{i}")),
        // The shortest digits that give this number back; the `e` keeps it apart from a whole one.
        Value::Float(f) => drop(write!(out, "{f:e}")),
        Value::Text(text) => write_text(out, text),
        Value::List(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_value(out, item);
            }
            out.push(']');
        }
        Value::Map(map) => write_map(out, map),
    }
}

/// In quotes, with quotes and backslashes escaped: no other text writes the same.
fn write_text(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(['"', '\\']) {
        out.push_str(&rest[..at]);
        out.push('\\');
        out.push_str(&rest[at..=at]);
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::{Counter, Identity, canonical, identity_hash};
    use crate::domain::id::CustomerId;
    use crate::domain::value::{Properties, Value};

    #[test]
    fn equal_rows_of_one_file_differ_and_a_second_reading_gives_the_same() {
        let (a, b) = (
            CustomerId::parse("a").unwrap(),
            CustomerId::parse("b").unwrap(),
        );
        let row = Identity::Canonical("x".into());
        let own = Identity::MessageId("x".into());
        let read = || {
            let mut counter = Counter::new();
            [(&a, &row), (&a, &row), (&b, &row), (&a, &row), (&a, &own)]
                .map(|(customer, identity)| counter.identify(&[1; 16], customer, identity))
        };
        let hashes = read();
        let mut distinct = hashes.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 5, "{hashes:?}");
        assert_eq!(hashes, read());
    }

    #[test]
    fn a_message_id_counts_once_however_often_it_comes() {
        let a = CustomerId::parse("a").unwrap();
        let id = Identity::MessageId("m-1".into());
        let mut counter = Counter::new();
        let first = counter.identify(&[1; 16], &a, &id);
        assert_eq!(counter.identify(&[1; 16], &a, &id), first);
        assert_eq!(identity_hash(&[1; 16], &a, &id, 7), first);
        assert_ne!(
            identity_hash(&[2; 16], &a, &id, 0),
            first,
            "another store's salt"
        );
    }

    /// Identities are kept for years: what they are made of must never change.
    #[test]
    fn the_hash_is_fixed() {
        let customer = CustomerId::parse("customer-1").unwrap();
        let told = Properties::from([
            ("b".to_owned(), Value::Float(29.33)),
            ("a".to_owned(), Value::Text("say \"\\\"".into())),
        ]);
        let row = canonical(Some("Order Completed"), None, &told);
        let text = r#""Order Completed" - {"a":"say \"\\\"","b":2.933e1}"#;
        assert_eq!(row, Identity::Canonical(text.to_owned()));
        assert_eq!(identity_hash(&[0; 16], &customer, &row, 0), FIXED);
    }
    const FIXED: u64 = 7_758_036_028_802_474_552;
}
