//! What the column of totals says in an order of several rows: each row's own, or the order's.

use super::amounts::Decimals;
use std::collections::HashMap;

/// Whose totals stand in the rows of one order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Totals {
    /// Each row's own: they are added up.
    Item,
    /// The order's, in all of its rows or in one: it counts once.
    Order,
}

impl Totals {
    /// As `--totals` names it.
    pub fn parse(text: &str) -> Result<Totals, String> {
        match text {
            "item" => Ok(Totals::Item),
            "order" => Ok(Totals::Order),
            _ => Err(format!(
                "totals are those of each \"item\" or of the whole \"order\", not {}",
                crate::engine::intake::quoted(text)
            )),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Totals::Item => "item",
            Totals::Order => "order",
        }
    }
}

/// The cells of one row that tell.
pub struct Told<'a> {
    pub order: &'a str,
    pub total: &'a str,
    pub price: Option<&'a str>,
    pub quantity: Option<&'a str>,
}

struct Seen {
    first: f64,
    rows: u64,
    differ: bool,
    /// Every row's total is its price times its quantity.
    own: bool,
}

/// What most orders of several rows do, the file does. Totals that differ are those of items; equal ones are the order's,
/// unless each is just what its own row costs. What is taken back says nothing.
pub fn found<'a>(rows: impl Iterator<Item = Told<'a>>, decimals: Decimals) -> Totals {
    let mut orders: HashMap<&str, Seen> = HashMap::new();
    for row in rows {
        let read = |cell: Option<&str>| cell.and_then(|text| decimals.read(text));
        let (total, price, quantity) = (read(Some(row.total)), read(row.price), read(row.quantity));
        let Some(total) = total.filter(|n| *n >= 0.0 && quantity.is_none_or(|q| q >= 0.0)) else {
            continue;
        };
        let cost = price.map(|price| price * quantity.unwrap_or(1.0));
        let own = total > 0.0 && cost.is_some_and(|cost| (cost - total).abs() < 1e-6);
        let seen = orders.entry(row.order).or_insert(Seen {
            first: total,
            rows: 0,
            differ: false,
            own: true,
        });
        seen.rows += 1;
        seen.differ |= total != seen.first;
        seen.own &= own;
    }
    let several = || orders.values().filter(|seen| seen.rows > 1);
    let by_item = several().filter(|seen| seen.differ || seen.own).count();
    // Items may cost the same by chance, orders' totals don't differ by chance: as many of these are enough.
    match by_item > 0 && by_item * 2 >= several().count() {
        true => Totals::Item,
        false => Totals::Order,
    }
}
