//! What stands around the messages of a request: the list of a batch, cut into the texts of its messages, and what is said
//! for all of them. The messages themselves are read one by one, so that a bad one spoils no other.

use super::MESSAGES_LIMIT;
use crate::domain::time::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A request's outermost object; all else in it (`context`, `integrations`) is not kept.
#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow, default)]
    batch: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "sentAt")]
    sent_at: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "writeKey")]
    write_key: Option<&'a RawValue>,
}

/// A request, taken apart.
pub struct Envelope<'a> {
    /// `None` where there is no list of that name.
    pub batch: Option<Vec<&'a RawValue>>,
    pub sent_at: Option<Timestamp>,
    pub write_key: Option<String>,
}

/// Takes the object apart. The error says why it is no JSON object.
pub fn open(body: &[u8]) -> Result<Envelope<'_>, String> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err("the body is not a JSON object".to_owned());
    }
    let raw: Raw<'_> = serde_json::from_slice(body).map_err(|e| bad(&e))?;
    let batch = match raw.batch {
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
