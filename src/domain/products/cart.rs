//! What lies in a cart: what was put in, without what was taken out. Where the shop told the whole cart (`Cart Viewed`,
//! `Checkout Started` with its `products`), that is what lay in it then. An order empties it.

use super::line::{Line, lines_of};
use super::{CART_EVENTS, ORDER};
use crate::domain::event::Event;
use crate::domain::track::key_text;
use crate::domain::value::Value;

/// The property that tells two carts apart, where the entry says nothing else.
const CART_ID: &str = "cart_id";
/// So many lines of a cart are known; of more, those that were put in last.
const MOST_LINES: usize = 200;

/// The lines of the cart whose `same` is `key`; without `same`, of the one touched last. The one put in last is the first.
pub(super) fn lines(in_time: &[&Event], same: Option<&str>, key: &str) -> Vec<Line> {
    let told = (in_time.iter().copied()).filter(|e| CART_EVENTS.contains(&e.name.as_str()));
    let (property, cart) = match same {
        Some(property) => (property, Some(key.to_owned())),
        None => {
            let others = told.clone().filter(|e| e.name.as_str() != ORDER);
            let latest = others
                .filter_map(|e| key_text(&e.properties, CART_ID))
                .next_back();
            (CART_ID, latest)
        }
    };
    // Groups of lines, each with what was told at once; the newest is the last.
    let mut cart_holds: Vec<Vec<Line>> = Vec::new();
    for event in told {
        let id = key_text(&event.properties, property);
        let ours = match event.name.as_str() {
            // An order that does not say of which cart it is counts as this one's.
            ORDER => id.is_none() || id == cart,
            _ => id == cart,
        };
        if !ours {
            continue;
        }
        match event.name.as_str() {
            ORDER => cart_holds.clear(),
            "Product Added" => put_in(&mut cart_holds, event),
            "Product Removed" => take_out(&mut cart_holds, event),
            _ => replace(&mut cart_holds, event),
        }
    }
    cart_holds.into_iter().rev().flatten().collect()
}

fn taken(holds: &mut [Vec<Line>], wanted: &Line) -> Option<Line> {
    holds.iter_mut().find_map(|group| {
        let at = group.iter().position(|line| line.id == wanted.id)?;
        Some(group.remove(at))
    })
}

fn put_in(holds: &mut Vec<Vec<Line>>, event: &Event) {
    let mut group: Vec<Line> = Vec::new();
    for mut line in lines_of(event).take(MOST_LINES) {
        let twice = group.iter().position(|known| known.id == line.id);
        let before = match twice {
            Some(at) => Some(group.remove(at)),
            None => taken(holds, &line),
        };
        let before_held = before.as_ref().map_or(0.0, Line::quantity);
        line.set_quantity(before_held + line.quantity());
        if let Some(before) = before {
            line.complete_by(&before.properties);
        }
        group.push(line);
    }
    holds.push(group);
    while holds.iter().map(Vec::len).sum::<usize>() > MOST_LINES {
        holds.remove(0);
    }
}

/// Without a quantity, all of it is taken out.
fn take_out(holds: &mut [Vec<Line>], event: &Event) {
    for out in lines_of(event).take(MOST_LINES) {
        let said = (out.properties.get("quantity")).and_then(Value::as_number);
        for group in holds.iter_mut() {
            group.retain_mut(|line| {
                if line.id != out.id {
                    return true;
                }
                let left = said.map_or(0.0, |n| line.quantity() - n.max(0.0));
                if left > 0.0 {
                    line.set_quantity(left);
                }
                left > 0.0
            });
        }
    }
}

/// A cart that was told whole. Without a list of products nothing is told.
fn replace(holds: &mut Vec<Vec<Line>>, event: &Event) {
    if !matches!(event.properties.get("products"), Some(Value::List(_))) {
        return;
    }
    let mut before = std::mem::take(holds);
    put_in(holds, event);
    for line in holds.iter_mut().flatten() {
        if let Some(known) = taken(&mut before, line) {
            line.complete_by(&known.properties);
        }
    }
}
