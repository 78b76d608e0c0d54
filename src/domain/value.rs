//! What attributes and event properties hold: JSON's values, in a form that every codec can carry.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A JSON value. Whole numbers that fit are `Int`; no number is NaN or infinite (JSON has none).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Value>),
    Map(Properties),
}

/// Named values: an event's properties, a customer's attributes.
pub type Properties = BTreeMap<String, Value>;

impl Value {
    pub fn from_json(json: serde_json::Value) -> Value {
        match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(b) => Value::Bool(b),
            serde_json::Value::Number(n) => match n.as_i64() {
                Some(i) => Value::Int(i),
                None => Value::Float(n.as_f64().unwrap_or(0.0)),
            },
            serde_json::Value::String(s) => Value::Text(s),
            serde_json::Value::Array(items) => {
                Value::List(items.into_iter().map(Value::from_json).collect())
            }
            serde_json::Value::Object(map) => Value::Map(properties_from_json(map)),
        }
    }

    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Null => serde_json::Value::Null,
            Value::Bool(b) => (*b).into(),
            Value::Int(i) => (*i).into(),
            Value::Float(f) => (*f).into(),
            Value::Text(s) => s.clone().into(),
            Value::List(items) => items.iter().map(Value::to_json).collect(),
            Value::Map(map) => properties_to_json(map),
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(s) => Some(s),
            _ => None,
        }
    }

    /// The number that this is, or that this text spells.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Value::Int(i) => Some(*i as f64),
            Value::Float(f) => Some(*f),
            Value::Text(s) => s.trim().parse().ok().filter(|n: &f64| n.is_finite()),
            _ => None,
        }
    }

    /// The value as the text that identifies it (an entry key, a correlation): `None` for null, lists and maps.
    pub fn as_key(&self) -> Option<String> {
        match self {
            Value::Bool(b) => Some(b.to_string()),
            Value::Int(i) => Some(i.to_string()),
            Value::Float(f) => Some(f.to_string()),
            Value::Text(s) => Some(s.clone()),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Equality as people mean it: 3 is 3.0; everything else must be alike in kind and content.
    pub fn same_as(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Int(a), Value::Float(b)) | (Value::Float(b), Value::Int(a)) => *a as f64 == *b,
            (a, b) => a == b,
        }
    }
}

pub fn properties_from_json(map: serde_json::Map<String, serde_json::Value>) -> Properties {
    map.into_iter()
        .map(|(k, v)| (k, Value::from_json(v)))
        .collect()
}

pub fn properties_to_json(map: &Properties) -> serde_json::Value {
    serde_json::Value::Object(map.iter().map(|(k, v)| (k.clone(), v.to_json())).collect())
}

/// Calls `each` with every value that `path` leads to; a list on the way stands for each of its elements,
/// so `products.category` visits the category of each product. Returns whether `each` ever said true.
pub fn any_at(map: &Properties, path: &[String], each: &mut dyn FnMut(&Value) -> bool) -> bool {
    fn walk(value: &Value, path: &[String], each: &mut dyn FnMut(&Value) -> bool) -> bool {
        match (value, path.split_first()) {
            (Value::List(items), _) if !path.is_empty() => {
                items.iter().any(|item| walk(item, path, each))
            }
            (Value::List(items), None) => each(value) || items.iter().any(&mut *each),
            (value, None) => each(value),
            (Value::Map(map), Some((head, rest))) => {
                map.get(head).is_some_and(|v| walk(v, rest, each))
            }
            _ => false,
        }
    }
    match path.split_first() {
        None => false,
        Some((head, rest)) => map.get(head).is_some_and(|v| walk(v, rest, each)),
    }
}
