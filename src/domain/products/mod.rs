//! Which products a message shows: those that the customer's own events name, as they are known at one instant.
//!
//! Pure, so that the forecast counts as the composer does. Events are named, and products described, as Segment's
//! ecommerce specification has it: the properties of the event itself, or a list `products`. How a product looks to a
//! reader (prices, safe addresses) is for `message`.

mod cart;
mod line;
#[cfg(test)]
mod tests;

use super::condition::EventSelector;
use super::event::{Event, Undo};
use super::id::EventName;
use super::time::{Span, Timestamp};
use super::track::key_text;
use super::value::Properties;
use line::{Bought, Line, lines_of};
use std::collections::{BTreeSet, HashMap};

/// What a cart is made of, and what ends it.
pub const CART_EVENTS: [&str; 5] = [
    "Product Added",
    "Product Removed",
    "Cart Viewed",
    "Checkout Started",
    ORDER,
];
/// The event of an order.
pub const ORDER: &str = "Order Completed";

/// `products` of a step.
#[derive(Clone, PartialEq, Debug)]
pub struct Wanted {
    pub from: Source,
    /// In (now - within, now].
    pub within: Option<Span>,
    /// So many at most, the newest.
    pub most: usize,
    /// With fewer, the message is dropped.
    pub fewest: usize,
    /// Only events of which this property is the entry's key.
    pub same: Option<String>,
    /// What these events named since is left out.
    pub except: Vec<EventName>,
    /// What undoes the events that are read here: an undone one never happened.
    pub undone: Vec<(EventName, Undo)>,
}

/// Where the products come from.
#[derive(Clone, PartialEq, Debug)]
pub enum Source {
    Events(EventSelector),
    /// What lies in the entry's cart, else in the latest.
    Cart,
    /// What the entry's order holds, else the latest.
    Order,
}

/// A product as the shop told it.
#[derive(Clone, PartialEq, Debug)]
pub struct Product {
    /// `product_id`, else `sku`, else `name`.
    pub id: String,
    /// With the event's `currency`, where the product has none of its own.
    pub properties: Properties,
}

/// The products to show, newest first, each once. `events` in the order in which they were taken in; `key` is the entry's.
pub fn select(wanted: &Wanted, events: &[Event], key: &str, now: Timestamp) -> Vec<Product> {
    let since = wanted.within.map(|within| now - within);
    let undone = undone(&wanted.undone, events);
    let mut in_time: Vec<&Event> = (events.iter())
        .filter(|e| e.time <= now)
        .filter(|e| !is_undone(e, &wanted.undone, &undone))
        .collect();
    in_time.sort_by_key(|e| e.time);
    let same = |event: &Event| match &wanted.same {
        Some(property) => key_text(&event.properties, property).as_deref() == Some(key),
        None => true,
    };
    let recent = |at: Timestamp| since.is_none_or(|since| at > since);
    let mut told = (in_time.iter().copied()).filter(|e| recent(e.time) && same(e));
    let lines = match &wanted.from {
        Source::Events(selector) => newest(told.filter(|e| selector.selects(e))),
        Source::Order => {
            let latest = told.rfind(|e| e.name.as_str() == ORDER);
            newest(latest.into_iter())
        }
        Source::Cart => {
            let mut lines = cart::lines(&in_time, wanted.same.as_deref(), key);
            lines.retain(|line| recent(line.at));
            lines
        }
    };
    let bought = Bought::of(
        in_time
            .iter()
            .copied()
            .filter(|e| wanted.except.contains(&e.name)),
    );
    let shown = lines.into_iter().filter(|line| !bought.since(line));
    let all = shown.take(wanted.most);
    all.map(|line| Product {
        id: line.id.1,
        properties: line.properties,
    })
    .collect()
}

/// What is short, if these are fewer than the step asks for.
pub fn too_few(wanted: &Wanted, found: usize) -> Option<String> {
    (found < wanted.fewest).then(|| format!("{found} of at least {}", wanted.fewest))
}

/// Each product once, the one named last first; of one event in its order. What the newest mention leaves out is told by
/// older ones.
fn newest<'e>(events: impl DoubleEndedIterator<Item = &'e Event>) -> Vec<Line> {
    let mut found: Vec<Line> = Vec::new();
    let mut places = HashMap::new();
    for event in events.rev() {
        for line in lines_of(event) {
            match places.get(&line.id) {
                Some(at) => {
                    let known: &mut Line = &mut found[*at];
                    known.complete_by(&line.properties);
                }
                None => {
                    places.insert(line.id.clone(), found.len());
                    found.push(line);
                }
            }
        }
    }
    found
}

/// What was undone: the place of the rule, and what both events bear.
fn undone(rules: &[(EventName, Undo)], events: &[Event]) -> BTreeSet<(usize, String)> {
    let mut found = BTreeSet::new();
    for (n, (_, undo)) in rules.iter().enumerate() {
        let undoing = events.iter().filter(|e| e.name == undo.event);
        let keys = undoing.filter_map(|e| key_text(&e.properties, &undo.same));
        found.extend(keys.map(|key| (n, key)));
    }
    found
}

fn is_undone(
    event: &Event,
    rules: &[(EventName, Undo)],
    undone: &BTreeSet<(usize, String)>,
) -> bool {
    !undone.is_empty()
        && rules.iter().enumerate().any(|(n, (name, undo))| {
            let key = || key_text(&event.properties, &undo.same);
            *name == event.name && key().is_some_and(|key| undone.contains(&(n, key)))
        })
}
