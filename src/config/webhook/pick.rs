//! Where a mapping finds a value: a path into the body, a header, a constant; the first place that holds one counts.

use super::keys::{FIELD, PLACE, WHEN};
use crate::config::toml_reader::{Item, Table};
use crate::domain::value::Value;
use std::collections::BTreeMap;
use toml::de::DeValue;

/// A value: what the first of these places holds.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Pick {
    pub places: Vec<Place>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Place {
    pub from: Source,
    /// Put before what is found.
    pub prefix: String,
    /// Texts that count as nothing.
    pub except: Vec<String>,
    pub form: Option<Form>,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Source {
    /// Into the body; a number stands for the place in a list, from 0, or counted from its end, from -1.
    Path(Vec<String>),
    /// In small letters.
    Header(String),
    Const(Value),
}

/// What is made of what is found; what cannot be made so counts as nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    Text,
    Number,
    /// A text in small letters.
    Lower,
    /// An instant, in the mapping's zone where it names no offset.
    Time,
}

/// A property or a trait.
#[derive(Clone, PartialEq, Debug)]
pub enum Field {
    One(Pick),
    /// A list with an object for each element of the body's list; paths start from the element.
    Each {
        list: Vec<String>,
        fields: BTreeMap<String, Pick>,
    },
}

/// A condition on a delivery.
#[derive(Clone, PartialEq, Debug)]
pub struct When {
    pub pick: Pick,
    pub test: Test,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Test {
    Empty(bool),
    Is(Vec<String>),
    Not(Vec<String>),
}

const SHAPES: &str = "write a path such as \"customer.id\", { header = \"X-Topic\" }, { const = \"KRW\" }, or a list of these";

pub fn read(item: &Item<'_>) -> Option<Pick> {
    let items = match item.value() {
        DeValue::Array(_) => item.list(SHAPES)?,
        _ => vec![*item],
    };
    if items.is_empty() {
        item.error(format!("`{}` names no place", item.name), SHAPES);
        return None;
    }
    // All are read before one that is wrong spoils the list.
    let places: Vec<Option<Place>> = items.iter().map(read_place).collect();
    let places: Option<Vec<Place>> = places.into_iter().collect();
    Some(Pick { places: places? })
}

fn read_place(item: &Item<'_>) -> Option<Place> {
    if item.is_table() {
        let table = item.table(&PLACE)?;
        return of_table(item, &table);
    }
    if item.as_text().is_none() {
        item.error(format!("`{}` is no place of a value", item.name), SHAPES);
        return None;
    }
    Some(Place {
        from: Source::Path(item.parsed(path)?),
        prefix: String::new(),
        except: Vec::new(),
        form: None,
    })
}

fn of_table(item: &Item<'_>, table: &Table<'_>) -> Option<Place> {
    let prefix = table.get("prefix").map_or(Some(""), |i| i.text());
    let except = table.get("except").map_or(Some(Vec::new()), |i| texts(&i));
    let form = match table.get("as") {
        None => Some(None),
        Some(form) => {
            let words = [
                ("text", Form::Text),
                ("number", Form::Number),
                ("lower", Form::Lower),
                ("time", Form::Time),
            ];
            form.choice(&words).map(Some)
        }
    };
    let from = source(item, table);
    Some(Place {
        from: from?,
        prefix: prefix?.to_owned(),
        except: except?,
        form: form?,
    })
}

/// Exactly one of `path`, `header` and, where the table knows it, `const`.
fn source(item: &Item<'_>, table: &Table<'_>) -> Option<Source> {
    let all = table.items();
    let told: Vec<&Item<'_>> = (all.iter())
        .filter(|i| matches!(i.name, "path" | "header" | "const"))
        .collect();
    let [one] = told[..] else {
        item.error(
            "a value stands at one place",
            "give either `path` or `header` or `const`; several places stand in a list",
        );
        return None;
    };
    match one.name {
        "path" => one.parsed(path).map(Source::Path),
        "header" => one.parsed(header).map(Source::Header),
        _ => constant(one).map(Source::Const),
    }
}

fn constant(item: &Item<'_>) -> Option<Value> {
    let value = match item.value() {
        DeValue::String(text) => Some(Value::Text(text.to_string())),
        DeValue::Boolean(is) => Some(Value::Bool(*is)),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .map(Value::Int),
        DeValue::Float(number) => (number.as_str().parse().ok())
            .filter(|n: &f64| n.is_finite())
            .map(Value::Float),
        _ => None,
    };
    if value.is_none() {
        item.error("`const` must be a text, a number, true or false", "");
    }
    value
}

/// A dotted path: `line_items.0.name`.
pub fn path(text: &str) -> Result<Vec<String>, String> {
    let parts: Vec<String> = text.split('.').map(str::to_owned).collect();
    match parts.iter().any(|part| part.trim().is_empty()) || parts.len() > 16 {
        true => Err(format!(
            "{text:?} is no path into the body; write it like \"customer.id\" or \"line_items.0.name\""
        )),
        false => Ok(parts),
    }
}

/// A header's name, in small letters (RFC 9110 §5.1).
pub fn header(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    match (1..=64).contains(&text.len()) && text.chars().all(good) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(format!(
            "{text:?} is no name of a header; write it like \"X-Shop-Topic\""
        )),
    }
}

/// Texts to compare with; numbers and truths are compared as they are written.
pub fn texts(item: &Item<'_>) -> Option<Vec<String>> {
    let help = "write a list of texts, such as [\"processing\", \"completed\"]";
    let one = |item: &Item<'_>| match item.value() {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(_) | DeValue::Boolean(_) => Some(item.written().to_owned()),
        _ => {
            item.error(format!("`{}` holds what is no text", item.name), help);
            None
        }
    };
    let all: Vec<Option<String>> = item.list(help)?.iter().map(one).collect();
    all.into_iter().collect()
}

/// A table of the writer's own names.
pub fn fields(item: &Item<'_>) -> Option<BTreeMap<String, Field>> {
    let entries = item.entries("write name = \"a.path\"")?;
    let read: Vec<_> = (entries.iter())
        .map(|entry| Some((entry.name.to_owned(), field(entry)?)))
        .collect();
    read.into_iter().collect()
}

fn field(item: &Item<'_>) -> Option<Field> {
    let each = match item.value() {
        DeValue::Table(map) => map.contains_key("each") || map.contains_key("fields"),
        _ => false,
    };
    if !each {
        return read(item).map(Field::One);
    }
    let table = item.table(&FIELD)?;
    for other in table.items() {
        if PLACE.known.contains(&other.name) {
            table.reader().error(
                other.key_span(),
                format!("`{}` has no meaning beside `each`", other.name),
                "write { each = \"line_items\", fields = { name = \"title\" } }",
            );
        }
    }
    let list = table
        .required("each", "name the list in the body: each = \"line_items\"")
        .and_then(|i| i.parsed(path));
    let inner = table
        .required("fields", "write fields = { name = \"title\" }")
        .and_then(|i| {
            let entries = i.entries("write fields = { name = \"title\" }")?;
            let read: Vec<_> = (entries.iter())
                .map(|entry| Some((entry.name.to_owned(), self::read(entry)?)))
                .collect();
            read.into_iter().collect()
        });
    Some(Field::Each {
        list: list?,
        fields: inner?,
    })
}

/// The conditions of `when`; all of them must hold.
pub fn conditions(item: Option<Item<'_>>) -> Option<Vec<When>> {
    let Some(item) = item else {
        return Some(Vec::new());
    };
    let items = item.list("write when = [{ path = \"status\", is = [\"paid\"] }]")?;
    let all: Vec<Option<When>> = items.iter().map(condition).collect();
    all.into_iter().collect()
}

fn condition(item: &Item<'_>) -> Option<When> {
    let table = item.table(&WHEN)?;
    let from = source(item, &table);
    let all = table.items();
    let told: Vec<&Item<'_>> = (all.iter())
        .filter(|i| matches!(i.name, "is" | "not" | "empty"))
        .collect();
    let test = match told[..] {
        [one] if one.name == "is" => texts(one).map(Test::Is),
        [one] if one.name == "not" => texts(one).map(Test::Not),
        [one] => one.flag().map(Test::Empty),
        _ => {
            item.error(
                "a condition asks one thing",
                "give one of `is = [..]`, `not = [..]`, `empty = true`",
            );
            None
        }
    };
    let place = Place {
        from: from?,
        prefix: String::new(),
        except: Vec::new(),
        form: None,
    };
    Some(When {
        pick: Pick {
            places: vec![place],
        },
        test: test?,
    })
}
