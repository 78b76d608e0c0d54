//! `data` and `data_file` of a step or a variant: what its templates see as `data`.
//!
//! Files are named relative to the campaigns' folder and read with it ([`super::sources`]), so that they are part of the
//! campaign's version. A table stands in `data` as it is; a list (a CSV file is one) stands in `data.rows`.

use super::data_file;
use super::step::Around;
use crate::config::nearest::suggest;
use crate::config::toml_reader::{Item, Table};
use crate::domain::value::{Properties, Value};
use std::collections::BTreeSet;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// `data` in one file: 64 KiB is more than a person types into a campaign.
const MOST_INLINE: usize = 64 << 10;

/// Reads both; `None` inside: the table has neither.
pub fn read(table: &Table<'_>, around: &Around<'_>) -> Option<Option<Arc<Properties>>> {
    let from_file = match table.get("data_file") {
        None => None,
        Some(item) => Some(read_file(&item, around)?),
    };
    let own = match table.get("data") {
        None => None,
        Some(item) => Some(read_own(&item)?),
    };
    if from_file.is_none() && own.is_none() {
        return Some(None);
    }
    let mut all = from_file.unwrap_or_default();
    all.extend(own.unwrap_or_default());
    Some(Some(Arc::new(all)))
}

/// A variant's data lies over its step's, key by key.
pub fn over(
    step: Option<&Arc<Properties>>,
    own: Option<Arc<Properties>>,
) -> Option<Arc<Properties>> {
    match (step, own) {
        (Some(step), Some(own)) => {
            let mut all = (**step).clone();
            all.extend((*own).clone());
            Some(Arc::new(all))
        }
        (_, own) => own,
    }
}

fn read_own(item: &Item<'_>) -> Option<Properties> {
    let DeValue::Table(map) = item.value() else {
        item.error(
            "`data` must be a table",
            "write data = { code = \"SPRING\", lines = [\"a\", \"b\"] }",
        );
        return None;
    };
    let bytes = item.span().len();
    if bytes > MOST_INLINE {
        item.error(
            format!("`data` has {bytes} bytes; {MOST_INLINE} may stand here"),
            "put it into a file and name that: data_file = \"lookbook.json\"",
        );
        return None;
    }
    let (properties, wrong) = from_toml(map);
    for (span, what) in &wrong {
        item.reader()
            .error(span.clone(), what, "write it as a text, in quotes");
    }
    wrong.is_empty().then_some(properties)
}

fn read_file(item: &Item<'_>, around: &Around<'_>) -> Option<Properties> {
    let name = item.text()?;
    if let Err((what, help)) = data_file::allowed(name) {
        item.error(what, help);
        return None;
    }
    match around.names.data.get(name) {
        Some(Ok(source)) => match data_file::parse(source) {
            Ok(properties) => Some(properties),
            Err(problem) => {
                item.reader().add(*problem);
                None
            }
        },
        Some(Err(what)) => {
            let others = around.names.data.iter().filter(|(_, read)| read.is_ok());
            let help = suggest(name, others.map(|(name, _)| name.as_str()));
            item.error(format!("`{name}`: {what}"), help);
            None
        }
        None => {
            item.error(
                format!("there is no `{name}` in the campaigns' folder"),
                "write the file's name relative to that folder",
            );
            None
        }
    }
}

/// The data files that a campaign's text names, wherever they stand in it.
pub fn named_in(text: &str) -> BTreeSet<String> {
    fn walk(value: &DeValue<'_>, found: &mut BTreeSet<String>) {
        match value {
            DeValue::Table(map) => {
                for (key, value) in map.iter() {
                    match value.get_ref() {
                        DeValue::String(name) if **key.get_ref() == *"data_file" => {
                            found.insert(name.to_string());
                        }
                        // What a marketer calls so in data of their own is no file.
                        _ if **key.get_ref() == *"data" => {}
                        value => walk(value, found),
                    }
                }
            }
            DeValue::Array(items) => items.iter().for_each(|item| walk(item.get_ref(), found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    if let Ok(root) = DeTable::parse(text) {
        walk(&DeValue::Table(root.into_inner()), &mut found);
    }
    found
}

/// Where something is wrong, and what.
type Wrong = Vec<(std::ops::Range<usize>, String)>;

/// A TOML table as templates see it: dates are texts.
pub fn from_toml(map: &DeTable<'_>) -> (Properties, Wrong) {
    let mut wrong = Wrong::new();
    (table(map, &mut wrong), wrong)
}

fn table(map: &DeTable<'_>, wrong: &mut Wrong) -> Properties {
    map.iter()
        .map(|(key, value)| (key.get_ref().to_string(), value_of(value, wrong)))
        .collect()
}

fn value_of(value: &Spanned<DeValue<'_>>, wrong: &mut Wrong) -> Value {
    let mut refuse = |written: &str| {
        wrong.push((
            value.span(),
            format!("{written} is no number that a mail could show"),
        ));
        Value::Null
    };
    match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(n) => match i64::from_str_radix(n.as_str(), n.radix()) {
            Ok(n) => Value::Int(n),
            Err(_) => refuse(n.as_str()),
        },
        DeValue::Float(n) => match n.as_str().parse::<f64>() {
            Ok(n) if n.is_finite() => Value::Float(n),
            _ => refuse(n.as_str()),
        },
        DeValue::Boolean(b) => Value::Bool(*b),
        DeValue::Datetime(at) => Value::Text(at.to_string()),
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| value_of(item, wrong)).collect())
        }
        DeValue::Table(map) => Value::Map(table(map, wrong)),
    }
}
