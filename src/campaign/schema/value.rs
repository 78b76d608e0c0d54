//! What a value is asked, of a property or an attribute.

use crate::campaign::keys;
use crate::config::schema::spelling::{IS, PATH, PLAIN};
use crate::config::schema::{Described, Line, Shape};
use serde_json::{Value, json};

/// `where`: the writer's own properties, each a value or tests of it.
pub fn filter() -> Value {
    json!({
        "type": "object",
        "minProperties": 1,
        "propertyNames": PATH.schema(),
        "additionalProperties": {
            "anyOf": [
                { "type": ["number", "boolean"] },
                PLAIN.schema(),
                PROPERTY.schema(),
            ],
        },
    })
}

fn is() -> Value {
    json!({ "anyOf": [{ "type": ["number", "boolean"] }, IS.schema()] })
}

/// What a value is asked, of a property or an attribute.
pub const TESTS: [Line; 6] = [
    (
        "is",
        Shape::Special(is),
        "This very value; a text such as \">= 3\" or \"10..20\" compares numbers",
    ),
    ("in", Shape::Some(&Shape::Scalar), "Any of these values"),
    (
        "contains",
        Shape::Text,
        "The text holds this text; of a list, any element does",
    ),
    (
        "contains_any",
        Shape::Some(&Shape::Text),
        "The same for any text of a list",
    ),
    (
        "matches",
        Shape::Text,
        "A regular expression finds something in the text; ^ and $ hold it to the ends",
    ),
    ("exists", Shape::Flag, "Whether there is a value"),
];

pub static PROPERTY: Described = Described {
    keys: &keys::PROPERTY,
    required: &[],
    lines: &[
        TESTS[0],
        TESTS[1],
        TESTS[2],
        TESTS[3],
        TESTS[4],
        TESTS[5],
        (
            "same",
            Shape::Spelled(&PATH),
            "Alone: what the event that started the entry had as this property",
        ),
    ],
    also: Some(|| json!({ "minProperties": 1 })),
};
