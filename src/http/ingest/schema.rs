//! The shapes that are taken, as JSON Schema for the interface's description: what to send. More than that is taken
//! (`null` is as if it were not there, a clock that cannot be right is passed over), since senders drop for good what they
//! are told is bad.

use super::MESSAGES_LIMIT;
use crate::engine::intake::json::MessageKind;
use serde_json::{Value, json};

/// No control character, as ids and names are.
const PLAIN: &str = r"^[^\u0000-\u001f\u007f-\u009f]+$";

/// A message of this kind, or of any, which then says its `type`.
pub fn message(kind: Option<MessageKind>) -> Value {
    let text = || json!({ "type": "string", "minLength": 1, "maxLength": 200, "pattern": PLAIN });
    let time = || json!({ "type": "string", "format": "date-time" });
    let object = || json!({ "type": "object" });
    let mut schema = json!({
        "type": "object",
        "properties": {
            "userId": { "oneOf": [text(), { "type": "integer", "minimum": i64::MIN, "maximum": i64::MAX }], "description": "the shop's own id of the customer" },
            "anonymousId": { "type": "string", "minLength": 1, "maxLength": 200, "pattern": PLAIN, "description": "of a visitor who has not said who they are" },
            "messageId": { "type": "string", "minLength": 1, "maxLength": 99, "description": "by which a copy is known" },
            "timestamp": time(),
            "originalTimestamp": time(),
            "sentAt": time(),
            "writeKey": { "type": "string", "description": "the key, where no header shows it" },
            "context": object(),
            "integrations": object(),
        },
    });
    let mut required: Vec<&str> = Vec::new();
    let properties = &mut schema["properties"];
    match kind {
        Some(kind) => properties["type"] = json!({ "const": kind.as_str() }),
        None => {
            let words: Vec<&str> = MessageKind::ALL.iter().map(|k| k.as_str()).collect();
            properties["type"] = json!({ "enum": words });
            required.push("type");
        }
    }
    let any = kind.is_none();
    if any || kind == Some(MessageKind::Track) {
        properties["event"] = text();
    }
    if any || matches!(kind, Some(MessageKind::Identify | MessageKind::Group)) {
        properties["traits"] = object();
    }
    if any
        || matches!(
            kind,
            Some(MessageKind::Track | MessageKind::Page | MessageKind::Screen)
        )
    {
        properties["properties"] = object();
    }
    if any || matches!(kind, Some(MessageKind::Page | MessageKind::Screen)) {
        properties["name"] = json!({ "type": "string" });
        properties["category"] = json!({ "type": "string" });
    }
    if any || kind == Some(MessageKind::Group) {
        properties["groupId"] = text();
    }
    if any || kind == Some(MessageKind::Alias) {
        properties["previousId"] = text();
    }
    match kind {
        Some(MessageKind::Track) => required.push("event"),
        Some(MessageKind::Group) => required.push("groupId"),
        Some(MessageKind::Alias) => required.extend(["previousId", "userId"]),
        _ => {}
    }
    schema["required"] = json!(required);
    if kind != Some(MessageKind::Alias) {
        schema["anyOf"] = json!([{ "required": ["userId"] }, { "required": ["anonymousId"] }]);
    }
    schema
}

/// Many messages.
pub fn batch() -> Value {
    json!({
        "type": "object",
        "required": ["batch"],
        "properties": {
            "batch": { "type": "array", "maxItems": MESSAGES_LIMIT, "items": message(None) },
            "sentAt": { "type": "string", "format": "date-time" },
            "writeKey": { "type": "string" },
            "context": { "type": "object" },
            "integrations": { "type": "object" },
        },
    })
}
