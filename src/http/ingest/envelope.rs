//! What stands around the messages of a request: the list of a batch, cut into the texts of its messages, and what is said
//! for all of them. The messages themselves are read one by one, so that a bad one spoils no other.

use super::MESSAGES_LIMIT;
use crate::domain::time::Timestamp;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// A request's outermost object; all else in it (`context`, `integrations`) is not kept. Where a key stands twice the
/// last one counts, as with JSON.parse.
#[derive(Default)]
struct Raw<'a> {
    batch: Option<&'a RawValue>,
    sent_at: Option<&'a RawValue>,
    write_key: Option<&'a RawValue>,
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw<'de>, A::Error> {
        let mut raw = Raw::default();
        while let Some(key) = map.next_key::<String>()? {
            let field = match key.as_str() {
                "batch" => &mut raw.batch,
                "sentAt" => &mut raw.sent_at,
                "writeKey" => &mut raw.write_key,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            let told: &RawValue = map.next_value()?;
            *field = Some(told).filter(|told| told.get() != "null");
        }
        Ok(raw)
    }
}

/// A request, taken apart.
pub struct Envelope<'a> {
    /// `None` where there is no list of that name, and where none was asked for.
    pub batch: Option<Vec<&'a RawValue>>,
    pub sent_at: Option<Timestamp>,
    pub write_key: Option<String>,
}

/// Takes the object apart, and its list where that is `wanted`: a single message may have a `batch` of its own, which
/// means nothing. The error says why it cannot be.
pub fn open(body: &[u8], wanted: bool) -> Result<Envelope<'_>, String> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err("the body is not a JSON object".to_owned());
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let raw = (json.deserialize_map(RawVisitor))
        .and_then(|raw| json.end().map(|()| raw))
        .map_err(|e| bad(&e))?;
    let batch = match raw.batch.filter(|_| wanted) {
        None => None,
        Some(list) => {
            let list: Vec<&RawValue> =
                serde_json::from_str(list.get()).map_err(|_| "batch is not a list".to_owned())?;
            if list.len() > MESSAGES_LIMIT {
                return Err(format!(
                    "the batch has {} messages, {MESSAGES_LIMIT} at most",
                    list.len()
                ));
            }
            Some(list)
        }
    };
    let text = |raw: Option<&RawValue>| -> Option<String> { serde_json::from_str(raw?.get()).ok() };
    Ok(Envelope {
        batch,
        // It only mends a clock: one that cannot be read spoils nothing.
        sent_at: text(raw.sent_at).and_then(|text| Timestamp::parse_rfc3339(&text)),
        write_key: text(raw.write_key),
    })
}

fn bad(error: &serde_json::Error) -> String {
    let full = error.to_string();
    match error.classify() {
        serde_json::error::Category::Data => full,
        _ => format!("the body is not JSON: {full}"),
    }
}
