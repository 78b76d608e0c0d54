//! The orders of an export, put together from its rows, and their customers.

use super::columns::{Column, Known, ORDER_ID};
use super::writing::{Marks, When, currency_of};
use super::{Survey, is_hangul};
use crate::domain::id::CustomerId;
use crate::domain::time::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};
use std::io::{self, Write};

/// The event that an order becomes.
const EVENT: &str = "Order Completed";

/// What stands before the address of somebody without an account, where the others have ids: as the shops' webhooks name
/// them, so that a guest's order is one however it is told.
const GUEST: &str = "guest:";

/// What an order's status, or a part of it, says of one that came to nothing.
#[rustfmt::skip]
const UNDONE: [&str; 10] = ["cancel", "refunded", "void", "failed", "returned", "취소", "환불", "반품", "입금전", "미입금"];

/// Whether a row says of itself that it was cancelled or sent back, all of it.
fn is_undone(row: &Row) -> bool {
    let at = row.get(Known::Cancelled);
    // "-", "N" and 0000-00-00 are what some platforms write where nothing was cancelled.
    let has_date = at.is_some_and(|text| text.contains(|c: char| ('1'..='9').contains(&c)));
    let status = row.get(Known::Status).map(str::to_lowercase);
    let says = status.is_some_and(|status| {
        let partly = ["partial", "부분"].iter().any(|word| status.contains(word));
        !partly && UNDONE.iter().any(|word| status.contains(word))
    });
    has_date || says
}

/// What a cell on consent says.
#[rustfmt::skip]
const YES: [&str; 12] = ["yes", "y", "true", "t", "1", "o", "given", "subscribed", "동의", "동의함", "수신", "수신함"];
#[rustfmt::skip]
const NO: [&str; 15] = ["no", "n", "false", "f", "0", "x", "refused", "unsubscribed", "not_subscribed", "거부", "거부함", "미동의", "동의안함", "수신거부", "수신안함"];

/// What an export came to.
pub struct Taken {
    /// The export's header, as it stood.
    pub header: Vec<u8>,
    columns: Vec<Column>,
    amounts: Marks,
    currency: Option<&'static str>,
    customers: HashMap<CustomerId, Customer>,
    orders: Vec<Order>,
    /// Where the order of a number stands.
    by_number: HashMap<String, usize>,
    /// Orders of which a row cannot be taken: none of them is, since the rest would be another order.
    bad: HashSet<String>,
}

#[derive(Default)]
struct Customer {
    /// When what is known of them was told last.
    at: Option<Timestamp>,
    traits: Map<String, Value>,
    consent: Option<(Timestamp, bool)>,
}

struct Order {
    customer: CustomerId,
    at: Timestamp,
    number: Option<String>,
    /// What each row says it comes to.
    totals: Vec<f64>,
    properties: Map<String, Value>,
    products: Vec<Map<String, Value>>,
    /// Whether its first row was cancelled or sent back: so are those that do not say.
    began_undone: bool,
    /// Rows that came to something.
    done: u64,
}

/// One row's cells by what they are.
struct Row<'a> {
    columns: &'a [Column],
    cells: &'a [String],
}

impl Row<'_> {
    /// The cell of a column, if it is not empty.
    fn get(&self, known: Known) -> Option<&str> {
        let at = (self.columns.iter()).position(|c| *c == Column::Known(known))?;
        let cell = self.cells.get(at)?;
        (!cell.is_empty()).then_some(cell)
    }

    /// Who ordered, by the shop's own id. 0 is what some platforms write of somebody without an account.
    fn id(&self) -> Option<&str> {
        self.get(Known::Customer).filter(|id| *id != "0")
    }
}

impl Taken {
    pub(super) fn new(survey: &Survey, header: Vec<u8>) -> Taken {
        Taken {
            header,
            columns: survey.columns.iter().map(|c| c.column.clone()).collect(),
            amounts: survey.amounts,
            currency: survey.currency,
            customers: HashMap::new(),
            orders: Vec::new(),
            by_number: HashMap::new(),
            bad: HashSet::new(),
        }
    }

    /// Takes one row.
    pub(super) fn take(&mut self, cells: Vec<String>, when: &When) -> Result<(), String> {
        let columns = std::mem::take(&mut self.columns);
        let row = Row {
            columns: &columns,
            cells: &cells,
        };
        let taken = self.take_row(&row, when);
        if let (Err(_), Some(number)) = (&taken, row.get(Known::Order)) {
            self.bad.insert(number.to_owned());
        }
        self.columns = columns;
        taken
    }

    /// Whether rows could not be taken whose orders have others.
    pub fn has_bad_orders(&self) -> bool {
        !self.bad.is_empty()
    }

    /// Whether this row's order is left out since one of its rows cannot be taken.
    pub(super) fn is_of_bad_order(&self, cells: &[String]) -> bool {
        let row = Row {
            columns: &self.columns,
            cells,
        };
        row.get(Known::Order).is_some_and(|n| self.bad.contains(n))
    }

    fn counts(&self, order: &Order) -> bool {
        let is_bad = |number: &String| self.bad.contains(number);
        !order.number.as_ref().is_some_and(is_bad)
    }

    fn take_row(&mut self, row: &Row, when: &When) -> Result<(), String> {
        let number = row.get(Known::Order);
        // Some exports say only in an order's first row who ordered, and when.
        let known = number
            .and_then(|number| self.by_number.get(number))
            .copied();
        let at = match (row.get(Known::Time), known) {
            (Some(text), _) => when.read(text)?,
            (None, Some(order)) => self.orders[order].at,
            (None, None) => return Err("the time is empty".to_owned()),
        };
        let email = row.get(Known::Email).map(str::to_lowercase);
        let customer = match (row.id(), email.as_deref(), known) {
            (Some(id), ..) => CustomerId::parse(id)?,
            (None, _, Some(order)) => self.orders[order].customer.clone(),
            (None, Some(email), None) => {
                match row.columns.contains(&Column::Known(Known::Customer)) {
                    true => CustomerId::parse(&format!("{GUEST}{email}"))?,
                    false => CustomerId::parse(email)?,
                }
            }
            (None, None, None) => return Err("it does not say who ordered".to_owned()),
        };
        let number_of = |known: Known, what: &str| {
            let read = row.get(known).map(|text| {
                let number = self.amounts.read(text);
                number.ok_or_else(|| format!("{what} {text:?} is not a number"))
            });
            read.transpose()
        };
        let total = number_of(Known::Total, "the total")?;
        let price = number_of(Known::Price, "the price")?;
        let quantity = number_of(Known::Quantity, "the quantity")?;
        let says = row.get(Known::Status).is_some() || row.get(Known::Cancelled).is_some();
        let undone = match known.filter(|_| !says) {
            Some(order) => self.orders[order].began_undone,
            None => is_undone(row),
        } || total.is_some_and(|n| n < 0.0)
            || quantity.is_some_and(|n| n < 0.0);

        self.tell(&customer, at, email.as_deref(), row);
        let order = known.unwrap_or(self.orders.len());
        if known.is_none() {
            self.orders.push(Order {
                customer,
                at,
                number: number.map(str::to_owned),
                totals: Vec::new(),
                properties: Map::new(),
                products: Vec::new(),
                began_undone: undone,
                done: 0,
            });
            if let Some(number) = number {
                self.by_number.insert(number.to_owned(), order);
            }
        }
        let order = &mut self.orders[order];
        if undone {
            return Ok(());
        }
        order.done += 1;
        order.totals.extend(total);
        let mut said = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                order.properties.entry(key).or_insert(value);
            }
        };
        let text = |known: Known| row.get(known).map(|text| json!(text));
        let sign = self.currency.map(str::to_owned);
        let currency = row.get(Known::Currency).map(str::to_uppercase).or(sign);
        let signed = || row.get(Known::Total).and_then(currency_of);
        said(
            "currency",
            currency
                .or_else(|| signed().map(str::to_owned))
                .map(Value::from),
        );
        said("status", text(Known::Status));
        for (column, cell) in row.columns.iter().zip(row.cells) {
            if let (Column::Property(name), false) = (column, cell.is_empty()) {
                said(name, Some(json!(cell)));
            }
        }
        let mut product = Map::new();
        for (key, value) in [
            ("product_id", text(Known::ProductId)),
            ("sku", text(Known::Sku)),
            ("name", text(Known::Product)),
            ("category", text(Known::Category)),
            ("price", price.map(plain)),
        ] {
            product.extend(value.map(|value| (key.to_owned(), value)));
        }
        let named = !product.is_empty();
        product.extend(quantity.map(|n| ("quantity".to_owned(), plain(n))));
        match named {
            true => order.products.push(product),
            false => order.properties.extend(product),
        }
        Ok(())
    }

    /// What a row says of its customer; the latest word counts.
    fn tell(&mut self, customer: &CustomerId, at: Timestamp, email: Option<&str>, row: &Row) {
        let known = self.customers.entry(customer.clone()).or_default();
        let newer = known.at.is_none_or(|told| at >= told);
        let mut say = |key: &str, value: &str| {
            if newer || !known.traits.contains_key(key) {
                known.traits.insert(key.to_owned(), json!(value));
            }
        };
        if let Some(email) = email {
            say("email", email);
        }
        if let Some(name) = row.get(Known::Name) {
            say("name", name);
            // Korean names are not parted by a space, and stand whole before 님.
            let (first, last) = match name.chars().any(is_hangul) {
                true => (name, None),
                false => match name.split_once(char::is_whitespace) {
                    Some((first, last)) => (first, Some(last.trim())),
                    None => (name, None),
                },
            };
            say("first_name", first);
            if let Some(last) = last {
                say("last_name", last);
            }
        }
        for (field, key) in [
            (Known::FirstName, "first_name"),
            (Known::LastName, "last_name"),
            (Known::Phone, "phone"),
            (Known::Birthday, "birthday"),
            (Known::Country, "country"),
        ] {
            if let Some(text) = row.get(field) {
                say(key, text);
            }
        }
        if newer {
            known.at = Some(at);
        }
        let said = row.get(Known::Consent).map(|text| {
            let text = text.to_lowercase().replace(' ', "");
            (YES.contains(&&*text), NO.contains(&&*text))
        });
        if let Some((yes, _)) = said.filter(|(yes, no)| yes != no)
            && known.consent.is_none_or(|(told, _)| at >= told)
        {
            known.consent = Some((at, yes));
        }
    }

    pub fn customers(&self) -> u64 {
        self.customers.len() as u64
    }

    /// Orders that are written.
    pub fn orders(&self) -> u64 {
        let counts = |o: &&Order| o.done > 0 && self.counts(o);
        self.orders.iter().filter(counts).count() as u64
    }

    /// Orders left out, since they were cancelled or sent back.
    pub fn undone(&self) -> u64 {
        let undone = |o: &&Order| o.done == 0 && self.counts(o);
        self.orders.iter().filter(undone).count() as u64
    }

    /// Writes customers, then orders from the earliest to the latest, as JSON Lines for `reveille import`.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut customers: Vec<_> = self.customers.iter().collect();
        customers.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        for (id, customer) in customers {
            let mut traits = customer.traits.clone();
            if let Some((at, given)) = customer.consent {
                traits.insert("consent".to_owned(), json!(given));
                traits.insert("consent_at".to_owned(), json!(at.to_string()));
                traits.insert("consent_source".to_owned(), json!("export of orders"));
            }
            if !traits.is_empty() {
                let row = json!({"type": "identify", "userId": id.as_str(), "traits": traits});
                writeln!(out, "{row}")?;
            }
        }
        // Where rows of one order say different totals, they are those of its items; where all say the same, it is the
        // order's. What most orders do, the file does.
        let several = || self.orders.iter().filter(|order| order.totals.len() > 1);
        let differ = |order: &&Order| order.totals.iter().any(|total| *total != order.totals[0]);
        let by_item = several().filter(differ).count() * 2 > several().count();
        let counts = |o: &&Order| o.done > 0 && self.counts(o);
        let mut orders: Vec<&Order> = self.orders.iter().filter(counts).collect();
        orders.sort_by_key(|order| order.at);
        for order in orders {
            writeln!(out, "{}", order.row(by_item))?;
        }
        Ok(())
    }
}

impl Order {
    fn row(&self, by_item: bool) -> Value {
        let mut properties = self.properties.clone();
        let of_items = || {
            let product = |p: &Map<String, Value>| {
                let number = |key: &str| p.get(key).and_then(Value::as_f64);
                Some(number("price")? * number("quantity").unwrap_or(1.0))
            };
            let all: Option<Vec<f64>> = self.products.iter().map(product).collect();
            all.filter(|all| !all.is_empty())
                .map(|all| all.iter().sum())
        };
        let total = match (self.totals.first(), by_item) {
            (Some(_), true) => Some(self.totals.iter().sum()),
            (Some(_), false) => self.totals.iter().copied().reduce(f64::max),
            (None, _) => of_items(),
        };
        properties.extend(total.map(|n| ("total".to_owned(), plain(n))));
        if !self.products.is_empty() {
            properties.insert("products".to_owned(), json!(self.products));
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

/// A number as people write it: 12, not 12.0; a sum of cents without the dust of binary fractions.
fn plain(number: f64) -> Value {
    let rounded = (number * 1e6).round() / 1e6;
    match rounded.fract() == 0.0 && rounded.abs() < 9e15 {
        // Whole and below 2^53: nothing is lost.
        true => json!(rounded as i64),
        false => json!(rounded),
    }
}
