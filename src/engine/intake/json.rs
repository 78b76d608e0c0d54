//! One row of JSON in the shape of Segment's messages: `identify`, `track`, `page` and `screen`
//! (segment.com/docs, spec/common and http-api; STANDARDS §9).
//!
//! What the fields mean, and what is said of those that can't be taken. [`super::parse`] takes the bytes apart.

use super::identity::canonical;
use super::parse::{Scalar, Top, parse};
use super::{
    Identity, Inbound, PROPERTY_LIMIT, ROW_LIMIT, Reading, What, not_before_1990, shown, traits,
};
use crate::domain::id::{CustomerId, EventName};
use crate::domain::time::Timestamp;
use crate::domain::value::{Properties, Value};

const TYPES: &str = "\"identify\", \"track\", \"page\" or \"screen\"";

/// Reads one row. The error names the field, what stands there and what should; it has no line number.
pub fn read_row(row: &[u8], reading: &Reading) -> Result<Inbound, String> {
    if row.len() > ROW_LIMIT {
        return Err(too_long());
    }
    understand(parse(row)?, reading)
}

pub(super) fn too_long() -> String {
    format!("the row is longer than {} KB", ROW_LIMIT / 1024)
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
            time: raw_time.unwrap_or_else(|| reading.clock.now()),
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
