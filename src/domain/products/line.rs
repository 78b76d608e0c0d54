//! One product of one event: how it is known, and what other mentions of it add.

use crate::domain::event::Event;
use crate::domain::time::Timestamp;
use crate::domain::value::{Properties, Value};
use std::collections::HashMap;

/// How a product is known: by which property, and its text.
pub(super) type Id = (&'static str, String);

/// By these, the first that it has.
const IDS: [&str; 3] = ["product_id", "sku", "name"];

/// What an older mention tells where a newer one does not. Quantities are of their moment; prices go with their currency.
const LASTING: [&str; 8] = [
    "product_id",
    "sku",
    "name",
    "url",
    "image_url",
    "image",
    "category",
    "brand",
];

#[derive(Clone, PartialEq, Debug)]
pub(super) struct Line {
    pub id: Id,
    pub at: Timestamp,
    pub properties: Properties,
}

/// The products that an event names, in its order.
pub(super) fn lines_of(event: &Event) -> impl Iterator<Item = Line> {
    let (list, own): (&[Value], _) = match event.properties.get("products") {
        Some(Value::List(items)) => (items, None),
        _ => (&[], Some(&event.properties)),
    };
    let listed = list.iter().filter_map(|item| match item {
        Value::Map(properties) => Some(properties),
        _ => None,
    });
    let currency = event.properties.get("currency");
    listed.chain(own).filter_map(move |properties| {
        let id = id_of(properties)?;
        let mut properties = properties.clone();
        if let Some(currency) = currency.filter(|_| !properties.contains_key("currency")) {
            properties.insert("currency".to_owned(), currency.clone());
        }
        Some(Line {
            id,
            at: event.time,
            properties,
        })
    })
}

fn id_of(properties: &Properties) -> Option<Id> {
    let mut ids = IDS.iter().filter_map(|kind| text_of(properties, kind));
    ids.next()
}

fn text_of(properties: &Properties, kind: &'static str) -> Option<Id> {
    let text = properties.get(kind)?.as_key()?;
    (!text.trim().is_empty()).then_some((kind, text))
}

impl Line {
    /// Takes over from an older mention what this one leaves out.
    pub(super) fn complete_by(&mut self, older: &Properties) {
        let mut take = |name: &str| {
            if let Some(value) = older.get(name)
                && !self.properties.contains_key(name)
            {
                self.properties.insert(name.to_owned(), value.clone());
            }
        };
        LASTING.iter().for_each(|name| take(name));
        if !self.properties.contains_key("price")
            && let Some(price) = older.get("price")
        {
            self.properties.insert("price".to_owned(), price.clone());
            match older.get("currency") {
                Some(currency) => self
                    .properties
                    .insert("currency".to_owned(), currency.clone()),
                None => self.properties.remove("currency"),
            };
        }
    }

    /// How many; 1 where it is not said.
    pub(super) fn quantity(&self) -> f64 {
        let said = self.properties.get("quantity").and_then(Value::as_number);
        said.filter(|n| *n >= 0.0).unwrap_or(1.0)
    }

    pub(super) fn set_quantity(&mut self, quantity: f64) {
        // Beyond 2^53 a count is none.
        let value = match quantity.fract() == 0.0 && quantity < 9e15 {
            true => Value::Int(quantity as i64),
            false => Value::Float(quantity),
        };
        self.properties.insert("quantity".to_owned(), value);
    }
}

/// What certain events named, and when they did last.
pub(super) struct Bought(HashMap<Id, Timestamp>);

impl Bought {
    pub(super) fn of<'e>(events: impl Iterator<Item = &'e Event>) -> Bought {
        let mut last: HashMap<Id, Timestamp> = HashMap::new();
        for event in events {
            for line in lines_of(event) {
                for id in IDS
                    .iter()
                    .filter_map(|kind| text_of(&line.properties, kind))
                {
                    let at = last.entry(id).or_insert(event.time);
                    *at = event.time.max(*at);
                }
            }
        }
        Bought(last)
    }

    /// Whether the product was among them at its own instant or later. A name counts only where there is nothing better.
    pub(super) fn since(&self, line: &Line) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let of = |kind| text_of(&line.properties, kind);
        let (product, sku) = (of("product_id"), of("sku"));
        let name = of("name").filter(|_| product.is_none() && sku.is_none());
        let ids = [product, sku, name];
        let mut times = ids.iter().flatten().filter_map(|id| self.0.get(id));
        times.any(|at| *at >= line.at)
    }
}
