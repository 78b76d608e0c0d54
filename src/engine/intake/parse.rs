//! From the bytes of one row to what is looked at of it, in one pass, since import lives on this: texts are borrowed,
//! what is ignored (`integrations`, all of `context` but `ip`, ...) is skipped. Depth is counted on the way down, so hostile
//! nesting ends in an error and not in the stack. Where a key stands twice the last one counts, as with JSON.parse.
//! What the fields mean is for [`super::json`].

use super::{DEPTH_LIMIT, quoted, shown};
use crate::domain::value::{Properties, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

/// Takes one row apart.
pub(super) fn parse(row: &[u8]) -> Result<Top<'_>, String> {
    let mut json = serde_json::Deserializer::from_slice(row);
    json.deserialize_any(TopVisitor)
        .and_then(|top| json.end().map(|()| top))
        .map_err(|e| not_json(&e))
}

fn not_json(error: &serde_json::Error) -> String {
    let full = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = full.strip_suffix(&place).unwrap_or(&full);
    match error.classify() {
        serde_json::error::Category::Data => text.to_owned(),
        _ => format!("not JSON: {text} (column {})", error.column()),
    }
}

/// What is looked at of a row.
#[derive(Default)]
pub(super) struct Top<'de> {
    pub kind: Option<Scalar<'de>>,
    pub user_id: Option<Scalar<'de>>,
    pub anonymous_id: Option<Scalar<'de>>,
    pub previous_id: Option<Scalar<'de>>,
    pub group_id: Option<Scalar<'de>>,
    pub sent_at: Option<Scalar<'de>>,
    pub event: Option<Scalar<'de>>,
    pub timestamp: Option<Scalar<'de>>,
    pub original_timestamp: Option<Scalar<'de>>,
    pub message_id: Option<Scalar<'de>>,
    pub name: Option<Scalar<'de>>,
    pub category: Option<Scalar<'de>>,
    pub properties: Option<Value>,
    pub traits: Option<Value>,
    /// Of `context`: the network address that the customer was at, as the sender says.
    pub ip: Option<IpAddr>,
}

struct TopVisitor;

impl<'de> Visitor<'de> for TopVisitor {
    type Value = Top<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one JSON object a line")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Top<'de>, A::Error> {
        let mut top = Top::default();
        while let Some(key) = map.next_key_seed(TextSeed)? {
            let field = match key.as_ref() {
                "type" => &mut top.kind,
                "userId" => &mut top.user_id,
                "anonymousId" => &mut top.anonymous_id,
                "previousId" => &mut top.previous_id,
                "groupId" => &mut top.group_id,
                "sentAt" => &mut top.sent_at,
                "event" => &mut top.event,
                "timestamp" => &mut top.timestamp,
                "originalTimestamp" => &mut top.original_timestamp,
                "messageId" => &mut top.message_id,
                "name" => &mut top.name,
                "category" => &mut top.category,
                "properties" => {
                    top.properties = Some(map.next_value_seed(ValueSeed::TOP)?);
                    continue;
                }
                "traits" => {
                    top.traits = Some(map.next_value_seed(ValueSeed::TOP)?);
                    continue;
                }
                "context" => {
                    top.ip = map.next_value_seed(AddressSeed)?;
                    continue;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *field = Some(map.next_value_seed(ScalarSeed)?);
        }
        Ok(top)
    }
}

/// The `ip` of a context; none where there is none, whatever stands there instead.
struct AddressSeed;

impl<'de> DeserializeSeed<'de> for AddressSeed {
    type Value = Option<IpAddr>;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AddressSeed {
    type Value = Option<IpAddr>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut ip = None;
        while let Some(key) = map.next_key_seed(TextSeed)? {
            if key.as_ref() == "ip" {
                ip = match map.next_value_seed(ScalarSeed)? {
                    Scalar::Text(text) => text.trim().parse().ok(),
                    Scalar::Other(_) => None,
                };
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(ip)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// A text, borrowed where it holds no escapes, or whatever else stands in its place.
pub(super) enum Scalar<'de> {
    Text(Cow<'de, str>),
    Other(Value),
}

impl Scalar<'_> {
    pub fn shown(&self) -> String {
        match self {
            Scalar::Text(text) => quoted(text),
            Scalar::Other(value) => shown(value),
        }
    }

    pub fn into_value(self) -> Value {
        match self {
            Scalar::Text(text) => Value::Text(text.into_owned()),
            Scalar::Other(value) => value,
        }
    }
}

struct ScalarSeed;

impl<'de> DeserializeSeed<'de> for ScalarSeed {
    type Value = Scalar<'de>;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Scalar<'de>, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ScalarSeed {
    type Value = Scalar<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }
    fn visit_unit<E: Error>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Other(Value::Null))
    }
    fn visit_bool<E: Error>(self, b: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Other(Value::Bool(b)))
    }
    fn visit_i64<E: Error>(self, i: i64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Other(Value::Int(i)))
    }
    fn visit_u64<E: Error>(self, u: u64) -> Result<Scalar<'de>, E> {
        ValueSeed::TOP.visit_u64(u).map(Scalar::Other)
    }
    fn visit_f64<E: Error>(self, f: f64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Other(whole(f)))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Scalar<'de>, A::Error> {
        ValueSeed::TOP.visit_seq(seq).map(Scalar::Other)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Scalar<'de>, A::Error> {
        ValueSeed::TOP.visit_map(map).map(Scalar::Other)
    }
}

struct TextSeed;

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = Cow<'de, str>;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Cow<'de, str>, D::Error> {
        d.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for TextSeed {
    type Value = Cow<'de, str>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// A value, with how many levels of lists and maps it may still open.
#[derive(Clone, Copy)]
struct ValueSeed {
    levels: usize,
}

impl ValueSeed {
    const TOP: ValueSeed = ValueSeed {
        levels: DEPTH_LIMIT,
    };

    fn deeper<E: Error>(self) -> Result<ValueSeed, E> {
        match self.levels.checked_sub(1) {
            Some(levels) => Ok(ValueSeed { levels }),
            None => Err(E::custom(format_args!(
                "nested deeper than {DEPTH_LIMIT} levels"
            ))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E: Error>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }
    fn visit_i64<E: Error>(self, i: i64) -> Result<Value, E> {
        Ok(Value::Int(i))
    }
    fn visit_u64<E: Error>(self, u: u64) -> Result<Value, E> {
        Ok(i64::try_from(u).map_or(Value::Float(u as f64), Value::Int))
    }
    fn visit_f64<E: Error>(self, f: f64) -> Result<Value, E> {
        Ok(whole(f))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let seed = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(seed)? {
            items.push(item);
        }
        Ok(Value::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let seed = self.deeper()?;
        let mut all = Properties::new();
        while let Some(key) = map.next_key_seed(TextSeed)? {
            let value = map.next_value_seed(seed)?;
            all.insert(key.into_owned(), value);
        }
        Ok(Value::Map(all))
    }
}

/// 3.0 is 3: whole numbers are `Int` as long as a float tells each of them apart (2^53).
pub(super) fn whole(f: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if f.fract() == 0.0 && f.abs() <= EXACT {
        Value::Int(f as i64)
    } else {
        Value::Float(f)
    }
}
