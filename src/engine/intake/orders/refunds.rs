//! Refunds that stand under numbers of their own, with their order's beside them: which order each goes off. Told only
//! when all rows are in: a number of which all rows take back is a refund's, one with ordinary rows an order's, whichever
//! it names (one that follows another, an exchange).

use super::book::Row;
use super::columns::Known;
use super::order::Order;
use std::collections::{HashMap, HashSet};

/// The order that a row names as the one that it takes back, or follows.
pub(super) fn named<'a>(row: &Row<'a>) -> Option<&'a str> {
    let of = row.get(Known::RefundOf).filter(|of| *of != "0");
    of.filter(|of| row.get(Known::Order) != Some(*of))
}

/// Takes note of the order that a row of a refund names; more than two tell no more than two.
pub(super) fn note(order: &mut Order, of: &str) {
    let known = &mut order.refund_of;
    if known.len() < 2 && !known.iter().any(|one| one == of) {
        known.push(of.to_owned());
    }
}

/// Puts the rows of refunds to those of their orders, where these are in the file. A refund and its order are bad
/// together, so that they are mended together.
pub(super) fn lay(
    orders: &mut [Order],
    by_number: &HashMap<String, usize>,
    bad: &mut HashSet<String>,
) {
    let mut refunds = Vec::new();
    for (at, order) in orders.iter().enumerate() {
        let (Some(own), [of]) = (&order.number, order.refund_of.as_slice()) else {
            continue;
        };
        let home = by_number.get(of).copied();
        if order.has_backs_only && home.is_none_or(|home| !orders[home].has_backs_only) {
            refunds.push((at, own.clone(), of.clone(), home));
        }
    }
    for (_, own, of, _) in &refunds {
        if bad.contains(own) {
            bad.insert(of.clone());
        }
    }
    for (at, own, of, home) in refunds {
        if bad.contains(&of) {
            bad.insert(own);
        } else if let Some(home) = home {
            let lines = std::mem::take(&mut orders[at].lines);
            orders[home].lines.extend(lines);
            orders[at].is_laid = true;
        }
    }
}
