//! The sample shop: a corner shop's customers and a year of what they did, made up by our own generator, as JSON Lines
//! that `reveille import` takes like any other file.
//!
//! The same arguments give the same bytes on any machine and in any version: chance comes from [`dice`], numbers are
//! whole, and local hours go by fixed offsets instead of a zone database, whose releases differ. The shop is for trying
//! things out: it has what a campaign needs to meet (abandoned carts, regulars, one-timers, dormant customers, evening
//! people, refused consent, awkward names), and none of its customers exists (`customers.example`, RFC 2606).

mod catalogue;
mod dice;
mod habits;
mod people;
mod places;

use crate::domain::time::{Span, Timestamp};
use dice::Dice;
use habits::{Act, Happening};
use people::Person;
use std::fmt;
use std::io::{self, Write};
use xxhash_rust::xxh3::xxh3_64;

/// What is to be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    pub customers: u32,
    /// Nothing happens at or after this instant.
    pub until: Timestamp,
    /// How many days before `until` the events begin. Customers may be known for longer.
    pub days: u32,
    pub seed: u64,
}

impl Sample {
    /// 3,000 customers and a year up to `until`.
    pub fn new(until: Timestamp) -> Sample {
        Sample {
            customers: 3_000,
            until,
            days: 365,
            seed: 1,
        }
    }

    fn from(&self) -> Timestamp {
        self.until - Span::days(i64::from(self.days))
    }
}

/// What was made. Displays as one sentence.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    pub customers: u64,
    pub events: u64,
    pub orders: u64,
    /// Carts that something was put into and that were not ordered.
    pub abandoned: u64,
    /// Customers whose last order lies more than 90 days before the end.
    pub dormant: u64,
    pub bytes: u64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} customers, {} events, {} orders, {} abandoned carts, {} customers dormant for 90 days",
            self.customers, self.events, self.orders, self.abandoned, self.dormant
        )
    }
}

/// Writes the shop: a row for each customer, then the events in order of time. Some 30 bytes of memory an event.
pub fn generate(sample: Sample, out: &mut dyn Write) -> io::Result<Summary> {
    let mut summary = Summary::default();
    let mut all: Vec<Happening> = Vec::new();
    let mut people = Vec::with_capacity(sample.customers as usize);
    for who in 0..sample.customers {
        // A customer of its own draw: adding customers leaves the others as they were.
        let mut dice = Dice::new(sample.seed, u64::from(who));
        let person = people::make(who, &sample, &mut dice);
        let mut row = people::row(&person, &sample);
        row.push('\n');
        write(out, &row, &mut summary)?;
        let told = habits::live(&person, &sample, &mut dice, &mut all);
        summary.abandoned += told.abandoned;
        summary.orders += told.orders;
        let dormant_since = sample.until - Span::days(90);
        summary.dormant += u64::from(told.last_order.is_some_and(|at| at < dormant_since));
        people.push(person);
    }
    summary.customers = u64::from(sample.customers);
    all.sort_unstable_by_key(|h| (h.at, h.who, h.turn));
    for happening in &all {
        let mut row = event_row(happening, &people[happening.who as usize], &sample);
        row.push('\n');
        write(out, &row, &mut summary)?;
    }
    summary.events = all.len() as u64;
    Ok(summary)
}

fn write(out: &mut dyn Write, row: &str, summary: &mut Summary) -> io::Result<()> {
    summary.bytes += row.len() as u64;
    out.write_all(row.as_bytes())
}

fn event_row(happening: &Happening, person: &Person, sample: &Sample) -> String {
    let currency = person.currency();
    let properties = match &happening.act {
        Act::SignedUp => r#"{"method":"email"}"#.to_owned(),
        Act::Viewed(product) => format!("{{{}}}", catalogue::product(*product, currency)),
        Act::Added { cart, line } => format!(
            r#"{{"cart_id":"{}",{},"quantity":{}}}"#,
            cart_id(happening.who, *cart),
            catalogue::product(line.product, currency),
            line.quantity
        ),
        Act::CartViewed { cart, basket } => format!(
            r#"{{"cart_id":"{}","products":{}}}"#,
            cart_id(happening.who, *cart),
            catalogue::products(basket.lines(), currency)
        ),
        Act::CheckoutStarted { cart, basket } | Act::Ordered { cart, basket } => format!(
            r#"{{"order_id":"order-{}-{cart}","cart_id":"{}","total":{},"currency":"{}","products":{}}}"#,
            happening.who + 1,
            cart_id(happening.who, *cart),
            catalogue::total(basket.lines(), currency),
            currency.code,
            catalogue::products(basket.lines(), currency)
        ),
    };
    format!(
        r#"{{"type":"track","userId":"{}","event":"{}","timestamp":"{}","properties":{properties},"messageId":"{}"}}"#,
        person.id(),
        happening.act.name(),
        happening.at,
        message_id(sample, happening.who, happening.turn, happening.at)
    )
}

fn cart_id(who: u32, cart: u16) -> String {
    format!("cart-{}-{cart}", who + 1)
}

/// Names the row by what made it, so that a shop made up to a later instant shares no id with another row of this one.
fn message_id(sample: &Sample, who: u32, turn: u32, at: Timestamp) -> String {
    let made = format!("{}/{who}/{turn}/{}", sample.seed, at.millis());
    format!("sample-{:016x}", xxh3_64(made.as_bytes()))
}
