//! One order of an export, put together from its rows: what was ordered, what of it was taken back, and what is left.
//!
//! Some shops write what was sent back as a row of its own, of the same order, with a negative quantity or amount. It
//! takes back as many of the product that it names, and its amount from the order's, wherever in the file it stands.

use super::columns::ORDER_ID;
use super::totals::Totals;
use crate::domain::id::CustomerId;
use crate::domain::time::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet, VecDeque};

/// The event that an order becomes.
const EVENT: &str = "Order Completed";
/// Below that an amount is nothing.
const DUST: f64 = 1e-6;
/// By what a row names its product, the surest first.
const NAMES: [&str; 3] = ["sku", "product_id", "name"];

pub struct Order {
    pub customer: CustomerId,
    pub at: Timestamp,
    pub number: Option<String>,
    pub properties: Map<String, Value>,
    pub lines: Vec<Line>,
    /// Whether its first row was cancelled or sent back: so are those that do not say.
    pub began_undone: bool,
    /// The date of cancelling beside a status that says that only a part was.
    pub partly: Option<Option<String>>,
    /// All rows as yet take something back: who ordered, and when, the others say better.
    pub has_backs_only: bool,
    /// What is left; `None` before it is worked out, or if nothing is.
    pub left: Option<Left>,
    /// While all rows take something back: the orders that they name, two at most.
    pub refund_of: Vec<String>,
    /// It was a refund, whose rows were put to another order's.
    pub is_laid: bool,
}

/// One row of an order.
pub struct Line {
    /// Its product's id, name, price ...; empty where the row names none.
    pub product: Map<String, Value>,
    pub total: Option<f64>,
    pub price: Option<f64>,
    pub quantity: Option<f64>,
    /// Cancelled or sent back, says the row itself.
    pub undone: bool,
}

/// What is left of an order.
pub struct Left {
    pub total: Option<f64>,
    quantity: Option<f64>,
    products: Vec<Map<String, Value>>,
}

impl Line {
    /// Whether it takes something back.
    pub fn is_back(&self) -> bool {
        let negative = |n: Option<f64>| n.is_some_and(|n| n < 0.0);
        negative(self.total) || negative(self.quantity)
    }

    /// Whether it is a discount, or money back.
    fn is_given(&self) -> bool {
        self.price.is_some_and(|price| price < 0.0)
    }

    fn units(&self) -> f64 {
        self.quantity.unwrap_or(1.0).abs()
    }

    /// What so many of it cost, if that is known.
    fn cost(&self, units: f64) -> Option<f64> {
        self.price.map(|price| price.abs() * units)
    }

    fn names(&self) -> impl Iterator<Item = (&'static str, &str)> {
        NAMES
            .iter()
            .filter_map(|key| Some((*key, self.product.get(*key)?.as_str()?)))
    }
}

/// The rows of an order that may be taken back, by what they name.
struct Shelf<'a> {
    lines: &'a [&'a Line],
    by_name: HashMap<(&'static str, &'a str), VecDeque<usize>>,
    /// How many are left of each.
    units: Vec<f64>,
    touched: Vec<bool>,
}

impl<'a> Shelf<'a> {
    fn of(lines: &'a [&'a Line]) -> Shelf<'a> {
        let mut by_name: HashMap<_, VecDeque<usize>> = HashMap::new();
        // What says of itself that it was sent back is what a row that takes back speaks of first.
        for undone in [true, false] {
            for (at, line) in lines.iter().enumerate().filter(|(_, l)| l.undone == undone) {
                for name in line.names() {
                    by_name.entry(name).or_default().push_back(at);
                }
            }
        }
        Shelf {
            lines,
            by_name,
            units: lines.iter().map(|line| line.units()).collect(),
            touched: vec![false; lines.len()],
        }
    }

    /// Takes back what a row says; returns which part of its money is to go off the order: what was cancelled by its own
    /// row does not count there anyway.
    fn take_back(&mut self, back: &'a Line, totals: Totals) -> f64 {
        let wanted = back.units();
        let name = back.names().find(|name| self.by_name.contains_key(name));
        let Some(queue) = name.and_then(|name| self.by_name.get_mut(&name)) else {
            return 1.0;
        };
        let (mut rest, mut undone) = (wanted, 0.0);
        while let Some(at) = queue.front().copied() {
            let line = self.lines[at];
            if self.units[at] <= DUST && self.touched[at] {
                queue.pop_front();
                continue;
            }
            // Money back without the thing: a row that gives no negative quantity, and less than the thing cost.
            let is_less = back.quantity.is_none_or(|n| n >= 0.0) && {
                let own = line.total.filter(|_| totals == Totals::Item);
                let share = (wanted / line.units().max(DUST)).min(1.0);
                let own = own.map(|total| total * share);
                let cost = own.or(line.cost(wanted.min(line.units())));
                let money = back.total.map(f64::abs).or(back.cost(wanted));
                money
                    .zip(cost)
                    .is_some_and(|(money, cost)| money < cost - DUST)
            };
            if is_less || rest <= DUST {
                break;
            }
            let taken = rest.min(self.units[at]);
            self.touched[at] = true;
            self.units[at] -= taken;
            rest -= taken;
            if line.undone {
                undone += taken;
            }
        }
        match wanted > DUST {
            true => 1.0 - undone / wanted,
            false => 1.0,
        }
    }

    fn is_gone(&self, at: usize) -> bool {
        self.touched[at] && self.units[at] <= DUST
    }
}

impl Order {
    /// Works out what is left.
    pub fn settle(&mut self, totals: Totals) {
        let lines = std::mem::take(&mut self.lines);
        self.left = left(&lines, totals);
    }

    /// Its event, as a row of JSON Lines.
    pub fn row(&self, left: &Left) -> Value {
        let mut properties = self.properties.clone();
        let numbers = [("quantity", left.quantity), ("total", left.total)];
        for (key, number) in numbers {
            properties.extend(number.map(|n| (key.to_owned(), plain(n))));
        }
        if !left.products.is_empty() {
            properties.insert("products".to_owned(), json!(left.products));
        }
        let mut row = json!({
            "type": "track",
            "userId": self.customer.as_str(),
            "event": EVENT,
            "timestamp": self.at.to_string(),
        });
        if let Some(number) = &self.number {
            // What the platform itself knows it by is another column, where the number is called its name.
            let number_is = match properties.contains_key(ORDER_ID) {
                true => "order_name",
                false => ORDER_ID,
            };
            properties.insert(number_is.to_owned(), json!(number));
            row["messageId"] = json!(format!("order-{number}"));
        }
        row["properties"] = Value::Object(properties);
        row
    }
}

/// The sum, if all are known and there are any.
fn sum(all: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let all: Option<Vec<f64>> = all.collect();
    all.filter(|all| !all.is_empty())
        .map(|all| all.iter().sum())
}

fn left(lines: &[Line], totals: Totals) -> Option<Left> {
    // A negative price alone is a discount, unless it is that of something ordered.
    let ordered = lines.iter().filter(|l| !l.is_back() && !l.is_given());
    let ordered: HashSet<_> = ordered.flat_map(Line::names).collect();
    let takes_back = |line: &&Line| {
        line.is_back() || line.is_given() && line.names().any(|name| ordered.contains(&name))
    };
    let (backs, lines): (Vec<&Line>, Vec<&Line>) = lines.iter().partition(takes_back);
    let live = || lines.iter().enumerate().filter(|(_, line)| !line.undone);
    live().next()?;
    let said = live().filter_map(|(_, line)| line.total);
    let stated = match totals {
        Totals::Item => said.reduce(|a, b| a + b),
        Totals::Order => said.reduce(f64::max),
    };
    let named = |line: &Line| !line.product.is_empty();
    let costs = live().filter(|(_, line)| named(line));
    let goods = sum(costs.map(|(_, line)| Some(line.price? * line.quantity.unwrap_or(1.0))));
    let mut shelf = Shelf::of(&lines);
    let mut money = 0.0;
    let once = totals == Totals::Order && repeat_the_total(&backs, stated);
    for back in &backs {
        let part = shelf.take_back(back, totals);
        let cost = back.cost(back.units());
        let own = match (back.total, totals) {
            (Some(total), _) if total < 0.0 => Some(-total),
            (Some(total), Totals::Item) if total > 0.0 => Some(total),
            // An order's total that covers all its goods still holds what came back.
            _ => cost.filter(|_| {
                stated
                    .zip(goods)
                    .is_none_or(|(all, goods)| all >= goods - DUST)
            }),
        };
        let own = own.unwrap_or(0.0) * part;
        money = if once { own } else { money + own };
    }
    let whole = stated.or(goods);
    let mut products = Vec::new();
    for (at, line) in live().filter(|(at, line)| named(line) && !shelf.is_gone(*at)) {
        let mut product = line.product.clone();
        let units = match shelf.touched[at] {
            true => Some(shelf.units[at]),
            false => line.quantity,
        };
        product.extend(units.map(|n| ("quantity".to_owned(), plain(n))));
        products.push(product);
    }
    let had_products = live().any(|(_, line)| named(line));
    let unnamed = live().filter(|(_, line)| !named(line));
    let mut quantity = unnamed.filter_map(|(_, line)| line.quantity).next_back();
    let mut total = whole;
    if !backs.is_empty() {
        let returned: f64 = (backs.iter().filter(|back| !named(back)))
            .filter_map(|back| back.quantity)
            .map(f64::abs)
            .sum();
        quantity = quantity.map(|n| n - returned);
        total = whole.map(|whole| whole - money);
        let nothing = |n: Option<f64>| n.is_some_and(|n| n <= DUST);
        let no_products = had_products && products.is_empty();
        if no_products || nothing(total) || !had_products && total.is_none() && nothing(quantity) {
            return None;
        }
        quantity = quantity.filter(|n| *n > DUST);
    }
    Some(Left {
        total,
        quantity,
        products,
    })
}

/// Whether each row that takes back repeats, negative, the total of the whole order.
fn repeat_the_total(backs: &[&Line], stated: Option<f64>) -> bool {
    let first = backs.first().and_then(|back| back.total);
    let is_whole = first.zip(stated).is_some_and(|(n, all)| -n >= all - DUST);
    is_whole && backs.iter().all(|back| back.total == first)
}

/// A number as people write it: 12, not 12.0; a sum of cents without the dust of binary fractions.
pub fn plain(number: f64) -> Value {
    let rounded = (number * 1e6).round() / 1e6;
    match rounded.fract() == 0.0 && rounded.abs() < 9e15 {
        // Whole and below 2^53: nothing is lost.
        true => json!(rounded as i64),
        false => json!(rounded),
    }
}
