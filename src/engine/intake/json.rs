//! One row of JSON in the shape of Segment's messages: `identify`, `track`, `page` and `screen`
//! (segment.com/docs, spec/common and http-api; STANDARDS §9).
//!
//! Read in one pass from the bytes, since import lives on this: what is looked at is borrowed, what is ignored
//! (`context`, `integrations`, `sentAt`, ...) is skipped. Depth is counted on the way down, so hostile nesting ends in
//! an error and not in the stack. Where a key stands twice the last one counts, as with JSON.parse.

use super::identity::canonical;
use super::{
    DEPTH_LIMIT, Identity, Inbound, PROPERTY_LIMIT, ROW_LIMIT, Reading, What, not_before_1990,
    shown, traits,
};
use crate::domain::id::{CustomerId, EventName};
use crate::domain::time::Timestamp;
use crate::domain::value::{Properties, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

const TYPES: &str = "\"identify\", \"track\", \"page\" or \"screen\"";

/// Reads one row. The error names the field, what stands there and what should; it has no line number.
pub fn read_row(row: &[u8], reading: &Reading) -> Result<Inbound, String> {
    if row.len() > ROW_LIMIT {
        return Err(too_long());
    }
    let mut json = serde_json::Deserializer::from_slice(row);
    let top = json
        .deserialize_any(TopVisitor)
        .and_then(|top| json.end().map(|()| top))
        .map_err(|e| not_json(&e))?;
    understand(top, reading)
}

pub(super) fn too_long() -> String {
    format!("the row is longer than {} KB", ROW_LIMIT / 1024)
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

fn understand(top: Top<'_>, reading: &Reading) -> Result<Inbound, String> {
    let kind = match &top.kind {
        None => return Err(format!("type is missing; a row is {TYPES}")),
        Some(Scalar::Text(kind)) => kind.as_ref(),
        Some(other) => return Err(format!("type {} is not {TYPES}", other.shown())),
    };
    match kind {
        "identify" | "track" | "page" | "screen" => {}
        "group" | "alias" => {
            return Err(format!(
                "\"{kind}\" rows are not taken: groups and joining customers come in a later release"
            ));
        }
        other => return Err(format!("type {} is not {TYPES}", super::quoted(other))),
    }
    let customer = match &top.user_id {
        Some(Scalar::Text(id)) => CustomerId::parse(id)?,
        Some(Scalar::Other(Value::Int(id))) => CustomerId::parse(&id.to_string())?,
        None | Some(Scalar::Other(Value::Null)) if top.anonymous => {
            return Err("userId is missing, there is only anonymousId: anonymous customers come in a later release".to_owned());
        }
        None | Some(Scalar::Other(Value::Null)) => return Err("userId is missing".to_owned()),
        Some(other) => return Err(format!("userId {} is not a text", other.shown())),
    };
    let raw_time = match top.timestamp {
        Some(Scalar::Other(Value::Null)) | None => {
            instant("originalTimestamp", top.original_timestamp.as_ref())?
        }
        told => instant("timestamp", told.as_ref())?,
    };
    let message_id = message_id(top.message_id)?;
    if kind == "identify" {
        let told = object("traits", top.traits)?;
        let identity = message_id.unwrap_or_else(|| canonical(None, raw_time, &told));
        let (change, consents) = traits::read(told, raw_time, reading)?;
        let change = Box::new(change);
        return Ok(Inbound {
            customer,
            what: What::Profile { change, consents },
            identity,
            raw_time,
        });
    }
    let mut properties = object("properties", top.properties)?;
    let name = if kind == "track" {
        match &top.event {
            Some(Scalar::Text(name)) => EventName::parse(name)?,
            None | Some(Scalar::Other(Value::Null)) => return Err("event is missing".to_owned()),
            Some(other) => return Err(format!("event {} is not a text", other.shown())),
        }
    } else {
        for (field, told) in [("name", top.name), ("category", top.category)] {
            if let Some(told) = told.map(Scalar::into_value).filter(|v| *v != Value::Null) {
                properties.entry(field.to_owned()).or_insert(told);
            }
        }
        EventName::parse(if kind == "page" {
            "Page Viewed"
        } else {
            "Screen Viewed"
        })?
    };
    let identity =
        message_id.unwrap_or_else(|| canonical(Some(name.as_str()), raw_time, &properties));
    Ok(Inbound {
        customer,
        what: What::Event {
            name,
            time: raw_time.unwrap_or(reading.received),
            properties,
        },
        identity,
        raw_time,
    })
}

fn instant(field: &str, told: Option<&Scalar<'_>>) -> Result<Option<Timestamp>, String> {
    match told {
        None | Some(Scalar::Other(Value::Null)) => Ok(None),
        Some(Scalar::Text(text)) => match Timestamp::parse_rfc3339(text) {
            Some(at) => not_before_1990(field, text, at).map(Some),
            None => Err(format!("{field} {} is not RFC 3339", super::quoted(text))),
        },
        Some(other) => Err(format!("{field} {} is not RFC 3339", other.shown())),
    }
}

fn message_id(told: Option<Scalar<'_>>) -> Result<Option<Identity>, String> {
    let text = match told {
        None | Some(Scalar::Other(Value::Null)) => return Ok(None),
        Some(Scalar::Text(text)) => text.into_owned(),
        Some(Scalar::Other(Value::Int(id))) => id.to_string(),
        Some(other) => return Err(format!("messageId {} is not a text", other.shown())),
    };
    check_message_id(&text)?;
    Ok(Some(Identity::MessageId(text)))
}

/// A message id that all rows share would make them one: an empty one is an error.
pub(super) fn check_message_id(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("messageId is empty".to_owned());
    }
    if text.len() > 200 {
        return Err("messageId is longer than 200 bytes".to_owned());
    }
    Ok(())
}

fn object(field: &str, told: Option<Value>) -> Result<Properties, String> {
    match told {
        None | Some(Value::Null) => Ok(Properties::new()),
        Some(Value::Map(map)) if map.len() > PROPERTY_LIMIT => {
            Err(format!("{field} has more than {PROPERTY_LIMIT} entries"))
        }
        Some(Value::Map(map)) => Ok(map),
        Some(other) => Err(format!(
            "{field} is {}; it must be an object",
            shown(&other)
        )),
    }
}

/// What is looked at of a row.
#[derive(Default)]
struct Top<'de> {
    kind: Option<Scalar<'de>>,
    user_id: Option<Scalar<'de>>,
    anonymous: bool,
    event: Option<Scalar<'de>>,
    timestamp: Option<Scalar<'de>>,
    original_timestamp: Option<Scalar<'de>>,
    message_id: Option<Scalar<'de>>,
    name: Option<Scalar<'de>>,
    category: Option<Scalar<'de>>,
    properties: Option<Value>,
    traits: Option<Value>,
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
                "anonymousId" => {
                    map.next_value::<IgnoredAny>()?;
                    top.anonymous = true;
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

/// A text, borrowed where it holds no escapes, or whatever else stands in its place.
enum Scalar<'de> {
    Text(Cow<'de, str>),
    Other(Value),
}

impl Scalar<'_> {
    fn shown(&self) -> String {
        match self {
            Scalar::Text(text) => super::quoted(text),
            Scalar::Other(value) => shown(value),
        }
    }

    fn into_value(self) -> Value {
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
