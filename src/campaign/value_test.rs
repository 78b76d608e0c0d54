//! Tests of one value: `where = { ... }`, and what refines `attribute`.

use super::keys::PROPERTY;
use crate::config::toml_reader::{Item, Table};
use crate::domain::condition::{NumberRange, Pattern, PropertyTest, ValueTest};
use crate::domain::value::Value;
use toml::de::DeValue;

/// How large a compiled pattern may be: 1 MiB, beyond what anybody writes on purpose.
const PATTERN_SIZE: usize = 1 << 20;

/// Reads a path: names parted by dots.
pub fn path(item: &Item<'_>, text: &str, at_key: bool) -> Option<Vec<String>> {
    let parts: Vec<String> = text.split('.').map(str::to_owned).collect();
    if parts.iter().any(|part| part.trim().is_empty()) {
        let span = if at_key { item.key_span() } else { item.span() };
        item.reader().error(
            span,
            format!("{text:?} is no name of a property"),
            "write \"total\", or a path such as \"products.category\"",
        );
        return None;
    }
    Some(parts)
}

/// Reads `where = { property = value, "a.path" = { is = ">= 3" } }`.
pub fn read_where(item: &Item<'_>) -> Option<Vec<PropertyTest>> {
    let entries = item.entries("write where = { property = value }")?;
    read_properties(item, &entries)
}

/// The same without those of `entries` that are read elsewhere.
pub fn read_properties(item: &Item<'_>, entries: &[Item<'_>]) -> Option<Vec<PropertyTest>> {
    let mut tests = Vec::new();
    let mut good = true;
    for entry in entries {
        let read = path(entry, entry.name, true).and_then(|path| {
            Some(
                property_tests(entry)?
                    .into_iter()
                    .map(move |test| PropertyTest {
                        path: path.clone(),
                        test,
                    }),
            )
        });
        match read {
            Some(read) => tests.extend(read),
            None => good = false,
        }
    }
    if entries.is_empty() {
        item.error(
            "`where` asks for nothing",
            "name a property, or remove `where`",
        );
        good = false;
    }
    good.then_some(tests)
}

fn property_tests(entry: &Item<'_>) -> Option<Vec<ValueTest>> {
    match entry.value() {
        DeValue::Table(_) => {
            if !entry.written().starts_with('{')
                && let Some(inner) = dotted(entry)
            {
                entry.reader().error(
                    entry.key_span(),
                    format!("a path stands in quotes: \"{}.{inner}\"", entry.name),
                    format!("write where = {{ \"{}.{inner}\" = ... }}", entry.name),
                );
                return None;
            }
            let table = entry.table(&PROPERTY)?;
            if let Some(item) = table.get("same") {
                item.reader().error(
            item.key_span(),
            "`same` stands alone, in `where` of a condition on events: it compares with the event that started the entry",
            "give it a property of its own: where = { \"products.category\" = { same = \"category\" } }",
        );
                return None;
            }
            let tests = read_tests(&table)?;
            if tests.is_empty() {
                entry.error(
                    format!("nothing is asked of `{}`", entry.name),
                    "write { exists = true } or { is = \">= 3\" }",
                );
                return None;
            }
            Some(tests)
        }
        DeValue::Array(_) => {
            entry.error(
                format!("`{}` is compared with a list", entry.name),
                format!("write {} = {{ in = [...] }}", entry.name),
            );
            None
        }
        DeValue::String(text) if text.trim_start().starts_with(['<', '>']) => {
            entry.error(
                format!("this asks whether `{}` is the text {text:?}", entry.name),
                format!(
                    "to compare numbers, write {} = {{ is = {text:?} }}",
                    entry.name
                ),
            );
            None
        }
        _ => Some(vec![ValueTest::Equals(scalar(entry)?)]),
    }
}

/// The rest of a path that was written without quotes, which TOML reads as tables within tables.
fn dotted(entry: &Item<'_>) -> Option<String> {
    let entries = match entry.value() {
        DeValue::Table(_) => entry.entries("")?,
        _ => return None,
    };
    match entries.as_slice() {
        [only] if !PROPERTY.known.contains(&only.name) => {
            let end = dotted(only).map_or(String::new(), |rest| format!(".{rest}"));
            Some(format!("{}{end}", only.name))
        }
        _ => None,
    }
}

/// Reads `is`, `in`, `contains`, `contains_any`, `matches`, `exists`: any number of them, all of which must hold.
pub fn read_tests(table: &Table<'_>) -> Option<Vec<ValueTest>> {
    let before = table.reader().errors();
    let mut tests = Vec::new();
    if let Some(item) = table.get("is") {
        tests.extend(read_is(&item));
    }
    if let Some(item) = table.get("in") {
        tests.extend(values(&item).map(ValueTest::In));
    }
    if let Some(item) = table.get("contains") {
        tests.extend(item.text().map(|t| ValueTest::Contains(t.to_owned())));
    }
    if let Some(item) = table.get("contains_any") {
        let list = item.parsed_list("write contains_any = [\"a\", \"b\"]", |t| Ok(t.to_owned()));
        if list.as_ref().is_some_and(Vec::is_empty) {
            empty_list(&item);
        }
        tests.extend(list.map(ValueTest::ContainsAny));
    }
    if let Some(item) = table.get("matches") {
        tests.extend(item.parsed(pattern).map(ValueTest::Matches));
    }
    if let Some(item) = table.get("exists") {
        tests.extend(item.flag().map(ValueTest::Exists));
    }
    (table.reader().errors() == before).then_some(tests)
}

/// `is` compares where it reads as a comparison, and otherwise asks for that very value.
fn read_is(item: &Item<'_>) -> Option<ValueTest> {
    match item.as_text() {
        Some(text)
            if text.trim_start().starts_with(['<', '>', '='])
                || (text.contains("..") && NumberRange::parse(text).is_ok()) =>
        {
            item.parsed(NumberRange::parse).map(ValueTest::Is)
        }
        _ => scalar(item).map(ValueTest::Equals),
    }
}

fn values(item: &Item<'_>) -> Option<Vec<Value>> {
    let items = item.list("write in = [\"a\", \"b\"]")?;
    if items.is_empty() {
        empty_list(item);
    }
    items.iter().map(scalar).collect()
}

fn empty_list(item: &Item<'_>) {
    item.error(
        format!("`{}` is empty, so nothing could pass", item.name),
        "name one value at least",
    );
}

/// A text, number, true or false.
fn scalar(item: &Item<'_>) -> Option<Value> {
    match item.value() {
        DeValue::String(text) => Some(Value::Text(text.to_string())),
        DeValue::Boolean(b) => Some(Value::Bool(*b)),
        DeValue::Integer(_) => item.whole(i64::MIN, i64::MAX).map(Value::Int),
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(n) if n.is_finite() => Some(Value::Float(n)),
            _ => {
                item.error("this number is none that a value can have", "");
                None
            }
        },
        DeValue::Datetime(_) => {
            item.error(
                "dates in events and profiles are text",
                "put it in quotes, exactly as the shop sends it",
            );
            None
        }
        DeValue::Array(_) | DeValue::Table(_) => {
            item.error(
                format!("`{}` must be one value", item.name),
                "a text in quotes, a number, true or false",
            );
            None
        }
    }
}

/// A regular expression, looked for anywhere in the text.
fn pattern(text: &str) -> Result<Pattern, String> {
    regex::RegexBuilder::new(text)
        .size_limit(PATTERN_SIZE)
        .build()
        .map(Pattern)
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                "this pattern is too large; ask for fewer repetitions".to_owned()
            }
            error => {
                let text = error.to_string();
                let last = text.lines().last().unwrap_or("").trim();
                format!(
                    "this is no regular expression: {}; to mean a character itself, write \\\\ before it",
                    last.strip_prefix("error: ").unwrap_or(last)
                )
            }
        })
}
