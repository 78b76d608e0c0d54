//! JSON Schemas of the files that people write, so that editors complete and check while somebody types.
//!
//! A schema is made of the keys that the reader knows ([`super::toml_reader::Keys`]), each with its shape and one line that
//! says what it means ([`Described`]); a test holds the two lists equal. It is draft 7, the newest that taplo reads. What
//! a schema refuses `check` refuses, too; the reverse does not hold, since a schema sees one file only.
//!
//! Here are the shapes, and config.toml's own lines ([`settings`]); those of campaign files stand in that room.

pub mod settings;
pub mod spelling;

use super::toml_reader::Keys;
use serde_json::{Map, Value, json};
use spelling::Spelling;

/// What may stand behind a key.
#[derive(Clone, Copy)]
pub enum Shape {
    /// Any text.
    Text,
    Spelled(&'static Spelling),
    Words(&'static [&'static str]),
    /// Words that another list holds.
    WordsOf(fn() -> Vec<&'static str>),
    /// One of these, or what is spelled so.
    WordOr(&'static [&'static str], &'static Spelling),
    Flag,
    /// A whole number, both ends in.
    Whole(i64, i64),
    /// A text, a number, true or false.
    Scalar,
    List(&'static Shape),
    /// With one item at least.
    Some(&'static Shape),
    Table(&'static Described),
    /// A table whose keys are the writer's own, spelled so.
    Named(&'static Spelling, &'static Shape),
    /// What stands under this name in the schema's `definitions`.
    Defined(&'static str),
    Special(fn() -> Value),
}

/// The keys of one kind of table, each with what may stand there and what it means.
pub struct Described {
    pub keys: &'static Keys,
    pub required: &'static [&'static str],
    pub lines: &'static [Line],
    /// What the keys ask of each other.
    pub also: Option<fn() -> Value>,
}

/// A kind of file by its name, and what makes its schema.
pub type Kind = (&'static str, fn() -> Value);

/// A key, its shape, and one line for people.
pub type Line = (&'static str, Shape, &'static str);

/// Lines of a table, one a line of the source: `"key": Shape::Text, "what it means";`.
macro_rules! lines {
    ($($key:literal: $shape:expr, $meaning:literal;)*) => { &[$(($key, $shape, $meaning)),*] };
}
pub(crate) use lines;

impl Shape {
    pub fn schema(&self) -> Value {
        match self {
            Shape::Text => json!({ "type": "string" }),
            Shape::Spelled(spelling) => spelling.schema(),
            Shape::Words(words) => json!({ "type": "string", "enum": words }),
            Shape::WordsOf(words) => json!({ "type": "string", "enum": words() }),
            Shape::WordOr(words, spelling) => {
                json!({ "anyOf": [{ "type": "string", "enum": words }, spelling.schema()] })
            }
            Shape::Flag => json!({ "type": "boolean" }),
            Shape::Whole(low, high) => {
                json!({ "type": "integer", "minimum": low, "maximum": high })
            }
            Shape::Scalar => json!({ "type": ["string", "number", "boolean"] }),
            Shape::List(of) => json!({ "type": "array", "items": of.schema() }),
            Shape::Some(of) => json!({ "type": "array", "items": of.schema(), "minItems": 1 }),
            Shape::Table(described) => described.schema(),
            Shape::Named(names, of) => json!({
                "type": "object",
                "propertyNames": names.schema(),
                "additionalProperties": of.schema(),
            }),
            Shape::Defined(name) => json!({ "$ref": format!("#/definitions/{name}") }),
            Shape::Special(make) => make(),
        }
    }
}

impl Described {
    pub fn schema(&self) -> Value {
        let mut properties = Map::new();
        for (key, shape, meaning) in self.lines {
            properties.insert((*key).to_owned(), with_meaning(shape.schema(), meaning));
        }
        let mut object = json!({
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
        });
        if !self.required.is_empty() {
            object["required"] = json!(self.required);
        }
        if let (Some(also), Value::Object(object)) = (self.also, &mut object)
            && let Value::Object(more) = also()
        {
            object.extend(more);
        }
        object
    }

    pub fn line(&self, key: &str) -> Option<&'static Line> {
        self.lines.iter().find(|(name, ..)| *name == key)
    }
}

/// Beside a `$ref` nothing else counts in draft 7, so that is wrapped.
pub fn with_meaning(schema: Value, meaning: &str) -> Value {
    let mut schema = match schema.get("$ref") {
        Some(_) => json!({ "allOf": [schema] }),
        None => schema,
    };
    schema["description"] = json!(meaning);
    schema
}

/// A whole schema, of a file whose top level is `root`.
pub fn document(title: &str, root: Value, definitions: Vec<(&str, Value)>) -> Value {
    let mut whole = root;
    whole["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    whole["title"] = json!(title);
    if !definitions.is_empty() {
        let named = definitions.into_iter().map(|(n, v)| (n.to_owned(), v));
        whole["definitions"] = Value::Object(named.collect());
    }
    whole
}

/// The names of all time zones, which are too many to stand at every key.
pub fn zones() -> Value {
    let names: Vec<&str> = chrono_tz::TZ_VARIANTS.iter().map(|z| z.name()).collect();
    json!({ "type": "string", "enum": names })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::Described;
    use crate::config::keys::ALL_TABLES;
    use crate::config::toml_reader::Keys;

    /// Each table that the reader knows is described, key by key, and nothing else is.
    pub(crate) fn hold_equal(tables: &[&Keys], described: &[&Described]) {
        let mut wrong = Vec::new();
        for keys in tables {
            let Some(one) = described.iter().find(|d| std::ptr::eq(d.keys, *keys)) else {
                wrong.push(format!("{} has no `Described`", keys.of));
                continue;
            };
            for key in keys.known {
                if one.line(key).is_none() {
                    wrong.push(format!("`{key}` of {} has no line in the schema", keys.of));
                }
            }
            for (at, (key, _, meaning)) in one.lines.iter().enumerate() {
                if !keys.known.contains(key) {
                    wrong.push(format!("{} has no key `{key}`", keys.of));
                }
                if one.lines[..at].iter().any(|(other, ..)| other == key) {
                    wrong.push(format!("`{key}` of {} stands twice", keys.of));
                }
                if meaning.is_empty() || meaning.len() > 200 || meaning.contains('\n') {
                    wrong.push(format!("`{key}` of {} needs one line", keys.of));
                }
            }
            for key in one.required {
                if one.line(key).is_none() {
                    wrong.push(format!("{} needs `{key}`, which is none", keys.of));
                }
            }
        }
        for one in described {
            if !tables.iter().any(|keys| std::ptr::eq(*keys, one.keys)) {
                wrong.push(format!("no reader knows {}", one.keys.of));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn every_setting_stands_in_the_schema_and_no_other() {
        hold_equal(&ALL_TABLES, &super::settings::ALL);
    }
}
