//! What a delivery holds, and how a mapping's places are looked up in it. What is empty (null, an empty text or list)
//! counts as nothing, and so does what cannot be made into what the mapping wants.

use crate::config::webhook::pick::{Field, Form, Pick, Place, Source, Test, When};
use crate::domain::time::Timestamp;
use crate::engine::intake::dates::{Dates, Hour};
use axum::http::HeaderMap;
use serde_json::{Map, Value};

pub struct Delivery<'a> {
    pub headers: &'a HeaderMap,
    pub body: &'a Value,
    /// How times are read.
    pub dates: &'a Dates,
    /// Of a list at most so many elements are taken.
    pub most: usize,
}

impl Delivery<'_> {
    /// The first place that holds something.
    pub fn pick(&self, pick: &Pick) -> Option<Value> {
        self.pick_at(pick, self.body)
    }

    fn pick_at(&self, pick: &Pick, at: &Value) -> Option<Value> {
        pick.places.iter().find_map(|place| self.at(place, at))
    }

    pub fn text(&self, pick: &Pick) -> Option<String> {
        self.pick(pick).as_ref().and_then(plain)
    }

    pub fn instant(&self, pick: &Pick) -> Option<Timestamp> {
        let at = |place: &Place| {
            let found = self.raw(&place.from, self.body)?;
            self.read_instant(&found)
        };
        pick.places.iter().find_map(at)
    }

    pub fn holds(&self, conditions: &[When]) -> bool {
        conditions.iter().all(|when| {
            let found = self.text(&when.pick);
            match &when.test {
                Test::Empty(empty) => self.pick(&when.pick).is_none() == *empty,
                Test::Is(words) => found.is_some_and(|text| words.contains(&text)),
                Test::Not(words) => found.is_none_or(|text| !words.contains(&text)),
            }
        })
    }

    pub fn field(&self, field: &Field) -> Option<Value> {
        match field {
            Field::One(pick) => self.pick(pick),
            Field::Each { list, fields } => {
                let Value::Array(items) = walk(self.body, list)? else {
                    return None;
                };
                let one = |item: &Value| {
                    let found = fields
                        .iter()
                        .filter_map(|(name, pick)| Some((name.clone(), self.pick_at(pick, item)?)));
                    Value::Object(found.collect::<Map<_, _>>())
                };
                let taken: Vec<Value> = items.iter().take(self.most).map(one).collect();
                (!taken.is_empty()).then_some(Value::Array(taken))
            }
        }
    }

    /// Whether the shop says that there is nothing: the place is there, and empty.
    pub fn is_told_empty(&self, field: &Field) -> bool {
        let Field::One(pick) = field else {
            return false;
        };
        pick.places.iter().any(|place| match &place.from {
            Source::Path(path) => walk(self.body, path).is_some_and(is_empty),
            Source::Header(_) | Source::Const(_) => false,
        })
    }

    fn at(&self, place: &Place, at: &Value) -> Option<Value> {
        let found = self.raw(&place.from, at)?;
        if !place.except.is_empty() && plain(&found).is_some_and(|t| place.except.contains(&t)) {
            return None;
        }
        let made = match place.form {
            None => found,
            Some(Form::Text) => Value::String(plain(&found)?),
            Some(Form::Lower) => Value::String(plain(&found)?.trim().to_lowercase()),
            Some(Form::Number) => number(&found)?,
            Some(Form::Time) => Value::String(self.read_instant(&found)?.to_string()),
        };
        match place.prefix.as_str() {
            "" => Some(made),
            prefix => Some(Value::String(format!("{prefix}{}", plain(&made)?))),
        }
    }

    fn raw(&self, from: &Source, at: &Value) -> Option<Value> {
        let found = match from {
            Source::Path(path) => walk(at, path)?.clone(),
            Source::Const(value) => value.to_json(),
            Source::Header(name) => {
                let text = self.headers.get(name.as_str())?.to_str().ok()?;
                Value::String(text.trim().to_owned())
            }
        };
        (!is_empty(&found)).then_some(found)
    }

    /// Seconds since 1970 count too, and milliseconds.
    fn read_instant(&self, value: &Value) -> Option<Timestamp> {
        let at = match value {
            Value::String(text) => self.dates.instant(text, Hour::Noon).ok()?,
            Value::Number(number) => match number.as_i64()? {
                seconds @ ..100_000_000_000 => Timestamp(seconds.saturating_mul(1_000)),
                millis => Timestamp(millis),
            },
            _ => return None,
        };
        (at >= Timestamp::EARLIEST).then_some(at)
    }
}

fn walk<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(value, |at, step| match at {
        Value::Object(map) => map.get(step),
        Value::Array(items) => match step.strip_prefix('-') {
            Some(back) => items.get(items.len().checked_sub(back.parse().ok()?)?),
            None => items.get(step.parse::<usize>().ok()?),
        },
        _ => None,
    })
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The text that a plain value is.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is) => Some(is.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// `19.90` and `"19.90"`; a whole number stays one.
fn number(value: &Value) -> Option<Value> {
    match value {
        Value::Number(_) => Some(value.clone()),
        Value::String(text) => {
            let text = text.trim();
            match text.parse::<i64>() {
                Ok(whole) => Some(whole.into()),
                Err(_) => {
                    let number: f64 = text.parse().ok()?;
                    serde_json::Number::from_f64(number).map(Value::Number)
                }
            }
        }
        _ => None,
    }
}
