//! The orders of an export and their customers, taken from its rows one by one; what each order comes to is for
//! [`Order`].

use super::amounts::{Decimals, currency_of};
use super::broken::Broken;
use super::columns::{Column, Known, ORDER_ID, property};
use super::order::{Left, Line, Order, plain};
use super::refunds::{lay, named, note};
use super::totals::Totals;
use super::writing::When;
use super::{Survey, is_hangul};
use crate::domain::id::CustomerId;
use crate::domain::time::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};
use std::io::{self, Write};

/// What stands before the address of somebody without an account, where the others have ids: as WooCommerce's webhook names
/// them, so that a guest's order is one however it is told.
const GUEST: &str = "guest:";

/// What an order's status, or a part of it, says of one that came to nothing; and of one of which only a part did.
#[rustfmt::skip]
const UNDONE: [&str; 10] = ["cancel", "refunded", "void", "failed", "returned", "취소", "환불", "반품", "입금전", "미입금"];
const PARTLY: [&str; 4] = ["partial", "partly", "부분", "일부"];

/// Whether a status has one of these words.
fn says(row: &Row, words: &[&str]) -> bool {
    let status = row.get(Known::Status).map(str::to_lowercase);
    status.is_some_and(|status| words.iter().any(|word| status.contains(word)))
}

/// Whether a row says of itself that it was cancelled or sent back, all of it.
fn is_undone(row: &Row) -> bool {
    let at = row.get(Known::Cancelled);
    // "-", "N" and 0000-00-00 are what some platforms write where nothing was cancelled.
    let has_date = at.is_some_and(|text| text.contains(|c: char| ('1'..='9').contains(&c)));
    !says(row, &PARTLY) && (has_date || says(row, &UNDONE))
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
    decimals: Decimals,
    totals: Totals,
    currency: Option<&'static str>,
    customers: HashMap<CustomerId, Customer>,
    orders: Vec<Order>,
    /// Where the order of a number stands.
    by_number: HashMap<String, usize>,
    /// Orders of which a row cannot be taken: none of them is, since the rest would be another order.
    bad: HashSet<String>,
    /// Of rows that cannot be taken and may take back: the number of each, and of the order that it names.
    bad_refunds: Vec<(Option<String>, String)>,
    /// The property that the column of refunded orders is, where a row is no refund.
    parent: Option<String>,
    /// Rows that cannot be read at all; those from `unfollowed` on have no row behind them yet.
    broken: Vec<Broken>,
    unfollowed: usize,
    /// The order of the row before.
    before: Option<String>,
}

#[derive(Default)]
struct Customer {
    /// When what is known of them was told last.
    at: Option<Timestamp>,
    traits: Map<String, Value>,
    consent: Option<(Timestamp, bool)>,
}

/// One row's cells by what they are.
pub(super) struct Row<'a> {
    pub columns: &'a [Column],
    pub cells: &'a [String],
}

impl<'a> Row<'a> {
    /// The cell of a column, if it is not empty.
    pub fn get(&self, known: Known) -> Option<&'a str> {
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
            decimals: survey.decimals,
            totals: survey.totals,
            currency: survey.currency,
            customers: HashMap::new(),
            orders: Vec::new(),
            by_number: HashMap::new(),
            bad: HashSet::new(),
            bad_refunds: Vec::new(),
            parent: (survey.columns.iter())
                .find(|c| c.column == Column::Known(Known::RefundOf))
                .map(|c| property(&c.heading))
                .filter(|name| !name.is_empty() && name != ORDER_ID),
            broken: Vec::new(),
            unfollowed: 0,
            before: None,
        }
    }

    /// The number that a row stands under; a refund that has none stands under its order's.
    fn number<'a>(&self, row: &Row<'a>) -> Option<&'a str> {
        let own = row.get(Known::Order);
        own.or_else(|| named(row).filter(|_| self.takes_back(row, false)))
    }

    /// Whether a row takes something back; `unread`: what is to be thought of one whose numbers cannot be read.
    fn takes_back(&self, row: &Row, unread: bool) -> bool {
        [Known::Total, Known::Quantity].into_iter().any(|known| {
            let text = row.get(known);
            text.is_some_and(|text| self.decimals.read(text).map_or(unread, |n| n < 0.0))
        })
    }

    /// Takes one row.
    pub(super) fn take(&mut self, cells: Vec<String>, when: &When) -> Result<(), String> {
        let columns = std::mem::take(&mut self.columns);
        let row = Row {
            columns: &columns,
            cells: &cells,
        };
        let taken = self.take_row(&row, when);
        let number = self.number(&row).map(str::to_owned);
        if taken.is_err() {
            self.bad.extend(number.clone());
            let of = named(&row).filter(|_| self.takes_back(&row, true));
            self.bad_refunds
                .extend(of.map(|of| (number.clone(), of.to_owned())));
        }
        for broken in self.broken.iter_mut().skip(self.unfollowed) {
            broken.behind.clone_from(&number);
        }
        self.unfollowed = self.broken.len();
        self.before = number;
        self.columns = columns;
        taken
    }

    /// Takes note of a row that cannot be read: as it stood, and what it was parted into, if it was.
    pub(super) fn take_broken(&mut self, raw: &[u8], fields: &[String], delimiter: u8) {
        let place = |known| {
            let at = (self.columns.iter()).position(|c| *c == Column::Known(known))?;
            Some((at, self.columns.len()))
        };
        if let Some(number) = place(Known::Order) {
            let places = (number, place(Known::RefundOf));
            let before = self.before.clone();
            self.broken
                .push(Broken::new((raw, fields), delimiter, places, before));
        }
    }

    /// All rows were taken: works out which orders are bad, and what is left of the others.
    pub(super) fn settle(&mut self) {
        let mut bad = std::mem::take(&mut self.bad);
        let known = |number: &str| self.by_number.contains_key(number) || bad.contains(number);
        let broken = std::mem::take(&mut self.broken).into_iter();
        let more: Vec<String> = broken.flat_map(|row| row.orders(known)).collect();
        bad.extend(more);
        for (own, of) in std::mem::take(&mut self.bad_refunds) {
            // A number that has ordinary rows is an order's own.
            let own = own.and_then(|own| self.by_number.get(&own));
            if own.is_none_or(|at| self.orders[*at].has_backs_only) {
                bad.insert(of);
            }
        }
        lay(&mut self.orders, &self.by_number, &mut bad);
        self.bad = bad;
        for order in &mut self.orders {
            order.settle(self.totals);
        }
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
        self.number(&row).is_some_and(|n| self.bad.contains(n))
    }

    /// Those of which no row is bad.
    fn good(&self) -> impl Iterator<Item = &Order> {
        let is_bad = |number: &String| self.bad.contains(number);
        (self.orders.iter())
            .filter(move |order| !order.is_laid && !order.number.as_ref().is_some_and(is_bad))
    }

    /// Those of which something is left, with what it is.
    pub(super) fn standing(&self) -> impl Iterator<Item = (&Order, &Left)> {
        self.good()
            .filter_map(|order| Some((order, order.left.as_ref()?)))
    }

    fn take_row(&mut self, row: &Row, when: &When) -> Result<(), String> {
        let number = self.number(row);
        // Some exports say only in an order's first row who ordered, and when.
        let known = number
            .and_then(|number| self.by_number.get(number))
            .copied();
        // So does a refund for which its order says it.
        let of = named(row).filter(|_| self.takes_back(row, false));
        let like = known.or_else(|| of.and_then(|of| self.by_number.get(of)).copied());
        let at = match (row.get(Known::Time), like) {
            (Some(text), _) => when.read(text)?,
            (None, Some(order)) => self.orders[order].at,
            (None, None) => return Err("the time is empty".to_owned()),
        };
        let email = row.get(Known::Email).map(str::to_lowercase);
        let customer = match (row.id(), email.as_deref(), like) {
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
                let number = self.decimals.read(text);
                number.ok_or_else(|| format!("{what} {text:?} is not a number"))
            });
            read.transpose()
        };
        let total = number_of(Known::Total, "the total")?;
        let price = number_of(Known::Price, "the price")?;
        let quantity = number_of(Known::Quantity, "the quantity")?;
        let known_order = known.map(|order| &self.orders[order]);
        let date = row.get(Known::Cancelled);
        let is_silent = row.get(Known::Status).is_none()
            && known_order.is_some_and(|order| {
                let partly = order.partly.as_ref().map(Option::as_deref);
                date.is_none() || partly == Some(date)
            });
        let undone = match known_order.filter(|_| is_silent) {
            Some(order) => order.began_undone,
            None => is_undone(row),
        };

        self.tell(&customer, at, email.as_deref(), row);
        let order = known.unwrap_or(self.orders.len());
        if known.is_none() {
            self.orders.push(Order {
                customer: customer.clone(),
                at,
                number: number.map(str::to_owned),
                properties: Map::new(),
                lines: Vec::new(),
                began_undone: false,
                partly: None,
                has_backs_only: true,
                left: None,
                refund_of: Vec::new(),
                is_laid: false,
            });
            if let Some(number) = number {
                self.by_number.insert(number.to_owned(), order);
            }
        }
        let order = &mut self.orders[order];
        if says(row, &PARTLY) {
            order.partly = Some(date.map(str::to_owned));
        }
        let text = |known: Known| row.get(known).map(|text| json!(text));
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
        let line = Line {
            product,
            total,
            price,
            quantity,
            undone,
        };
        let is_back = line.is_back();
        order.lines.push(line);
        if is_back {
            if let Some(of) = of {
                note(order, of);
            }
            return Ok(());
        }
        if std::mem::take(&mut order.has_backs_only) {
            (order.customer, order.at, order.began_undone) = (customer, at, undone);
        }
        if undone {
            return Ok(());
        }
        let mut said = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                order.properties.entry(key).or_insert(value);
            }
        };
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
        if let Some(parent) = &self.parent {
            said(parent, text(Known::RefundOf));
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
        self.standing().count() as u64
    }

    /// Orders left out, since they were cancelled or sent back.
    pub fn undone(&self) -> u64 {
        self.good().filter(|order| order.left.is_none()).count() as u64
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
        let mut orders: Vec<_> = self.standing().collect();
        orders.sort_by_key(|(order, _)| order.at);
        for (order, left) in orders {
            writeln!(out, "{}", order.row(left))?;
        }
        Ok(())
    }
}
