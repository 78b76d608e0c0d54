//! `products` of a step or a variant: which products of the customer's own events its templates see.

use super::condition::check_reach;
use super::keys::PRODUCTS;
use super::step::Around;
use super::value_test::{path, read_where};
use crate::config::text::positive;
use crate::config::toml_reader::{Item, Table};
use crate::domain::condition::EventSelector;
use crate::domain::event::Undo;
use crate::domain::id::EventName;
use crate::domain::products::{CART_EVENTS, ORDER, Source, Wanted};
use toml::de::DeValue;

/// So many products a mail shows at most.
const MOST: i64 = 50;
/// Where nothing is said.
const USUAL: usize = 12;
/// Properties by which an entry is a cart's, and those by which it is an order's.
const OF_CARTS: [&str; 2] = ["cart_id", "checkout_id"];
const OF_ORDERS: [&str; 1] = ["order_id"];

/// Reads `products`, if the table has it.
pub fn read(table: &Table<'_>, around: &Around<'_>) -> Option<Option<Wanted>> {
    let Some(item) = table.get("products") else {
        return Some(None);
    };
    let table = item.table(&PRODUCTS)?;
    let from = table
        .required(
            "from",
            "write from = \"cart\", from = \"order\", or the name of an event such as \"Product Viewed\"",
        )
        .and_then(|item| read_from(&item, &table, around));
    let within = match table.get("within") {
        None => Some(None),
        Some(item) => item.parsed(positive).map(|within| {
            check_reach(&item, within, around.names);
            Some(within)
        }),
    };
    let number = |key: &str, low: i64, usual: usize| match table.get(key) {
        None => Some(usual),
        Some(item) => (item.whole(low, MOST)).and_then(|n| usize::try_from(n).ok()),
    };
    let (most, fewest) = (number("most", 1, USUAL), number("fewest", 0, 0));
    if let (Some(most), Some(fewest), Some(item)) = (most, fewest, table.get("fewest"))
        && fewest > most
    {
        item.error(
            format!("`fewest` is {fewest}, and `most` only {most}: nothing would ever be sent"),
            "make `most` larger, or `fewest` smaller",
        );
    }
    let same = match table.get("same") {
        None => from.as_ref().map(|from| usual_same(from, around)),
        Some(item) => read_same(&item, around).map(Some),
    };
    let except = table
        .get("except")
        .map_or(Some(Vec::new()), |item| read_except(&item, around));
    let (from, except) = (from?, except?);
    Some(Some(Wanted {
        undone: undone(&from, &except, around),
        from,
        within: within?,
        most: most?,
        fewest: fewest?,
        same: same?,
        except,
    }))
}

fn read_from(item: &Item<'_>, table: &Table<'_>, around: &Around<'_>) -> Option<Source> {
    let source = match item.text()? {
        "cart" => Source::Cart,
        "order" => Source::Order,
        _ => {
            let name = around.names.event(item);
            let filter = (table.get("where")).map_or(Some(Vec::new()), |item| read_where(&item));
            return Some(Source::Events(EventSelector {
                name: name?,
                filter: filter?,
            }));
        }
    };
    if let Some(filter) = table.get("where") {
        filter.reader().error(
            filter.key_span(),
            format!(
                "`where` asks events, and this is all of the {}",
                item.text()?
            ),
            "remove it, or name an event: from = \"Product Viewed\"",
        );
    }
    Some(source)
}

/// A cart is the entry's where the entry is a cart, an order where it is an order.
fn usual_same(from: &Source, around: &Around<'_>) -> Option<String> {
    let of: &[&str] = match from {
        Source::Cart => &OF_CARTS,
        Source::Order => &OF_ORDERS,
        Source::Events(_) => &[],
    };
    let per = around.per.filter(|per| of.contains(per));
    per.map(str::to_owned)
}

fn read_same(item: &Item<'_>, around: &Around<'_>) -> Option<String> {
    let property = item.text()?;
    path(item, property, false)?;
    if around.per.is_none() {
        item.error(
            "`same` compares with the entry's key, and the entries of this campaign have none",
            format!("write per = {property:?} under [trigger]"),
        );
    }
    Some(property.to_owned())
}

fn read_except(item: &Item<'_>, around: &Around<'_>) -> Option<Vec<EventName>> {
    let items = match item.value() {
        DeValue::Array(_) => item.list("write except = \"Order Completed\"")?,
        _ => vec![*item],
    };
    let read: Vec<Option<EventName>> = (items.iter())
        .map(|item| match around.names.event(item)? {
            Some(name) => Some(name),
            None => {
                item.error(
                    "`except` names events, and \"*\" is all of them: nothing would be left",
                    "write except = \"Order Completed\"",
                );
                None
            }
        })
        .collect();
    read.into_iter().collect()
}

/// What config says undoes the events that are read.
fn undone(from: &Source, except: &[EventName], around: &Around<'_>) -> Vec<(EventName, Undo)> {
    let reads = |name: &EventName| {
        let own = match from {
            Source::Events(selector) => selector.names(name),
            Source::Cart => CART_EVENTS.contains(&name.as_str()),
            Source::Order => name.as_str() == ORDER,
        };
        own || except.contains(name)
    };
    let rules = around.names.context.events.iter();
    rules
        .filter(|(name, _)| reads(name))
        .filter_map(|(name, rule)| Some((name.clone(), rule.undone_by.clone()?)))
        .collect()
}
