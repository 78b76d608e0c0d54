//! What the mail folder shows of a message: read back from the finished bytes, since those are what was sent.

use super::Outgoing;
use super::page;
use mail_parser::{MessageParser, MimeHeaders};
use serde::{Deserialize, Serialize};

/// One mail, as the pages list it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    /// The file's name without `.eml`.
    pub file: String,
    pub from: String,
    pub to: String,
    pub subject: String,
    /// RFC 3339, from the message's Date.
    pub date: String,
}

/// What the list shows of a mail, and its view. `mail` gives the envelope where the header tells less.
pub(crate) fn read_mail(name: &str, bytes: &[u8], mail: Option<&Outgoing>) -> (Row, String) {
    let parsed = MessageParser::default().parse(bytes);
    let shown = |addresses: Option<&mail_parser::Address<'_>>| {
        let first = addresses?.first()?;
        let address = first.address().unwrap_or_default();
        Some(match first.name() {
            Some(name) => format!("{name} <{address}>"),
            None => address.to_owned(),
        })
    };
    let parsed = parsed.as_ref();
    let envelope =
        |pick: fn(&Outgoing) -> &str| mail.map(|m| pick(m).to_owned()).unwrap_or_default();
    let row = Row {
        file: name.to_owned(),
        from: parsed
            .and_then(|p| shown(p.from()))
            .unwrap_or_else(|| envelope(|m| m.from.as_str())),
        to: parsed
            .and_then(|p| shown(p.to()))
            .unwrap_or_else(|| envelope(|m| m.to.as_str())),
        subject: parsed
            .and_then(|p| p.subject())
            .unwrap_or_default()
            .to_owned(),
        date: parsed
            .and_then(|p| p.date())
            .map(|d| d.to_rfc3339())
            .unwrap_or_default(),
    };
    // Only what is written as such: the parser would make HTML of a text part, and text of an HTML one.
    let written = |kind: &str, of: &[u32]| {
        let parsed = parsed?;
        let part = parsed.part(*of.first()?)?;
        let is_kind = part
            .content_type()
            .map_or(kind == "plain", |t| t.subtype() == Some(kind));
        part.text_contents().filter(|_| is_kind).map(str::to_owned)
    };
    let html = parsed.and_then(|p| written("html", &p.html_body));
    let text = parsed.and_then(|p| written("plain", &p.text_body));
    let view = page::mail(&row, html.as_deref(), text.as_deref());
    (row, view)
}

/// A file's name from a Message-ID. Ids that are not plain, or too long, are told apart by a hash.
pub(crate) fn file_name(message_id: &str) -> String {
    let id = message_id
        .trim()
        .trim_start_matches('<')
        .trim_end_matches('>');
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_@.+=".contains(c);
    let name: String = id
        .chars()
        .map(|c| if plain(c) { c } else { '_' })
        .take(120)
        .collect();
    let hidden = name.starts_with('.') || name.is_empty();
    if name == id && !hidden && name != "index" && !name.starts_with("older-") {
        return name;
    }
    let hash = xxhash_rust::xxh3::xxh3_128(id.as_bytes());
    format!("m{}-{hash:032x}", name.trim_start_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::file_name;
    use std::collections::HashSet;

    #[test]
    fn file_names_are_safe_and_distinct() {
        assert_eq!(file_name("<a.b-1@shop.example>"), "a.b-1@shop.example");
        let odd = [
            "a/b@x",
            "a\\b@x",
            "..",
            ".",
            "",
            "index",
            "older-1",
            "a b@x",
            &"x".repeat(300),
        ];
        let names: HashSet<String> = odd.iter().map(|id| file_name(id)).collect();
        assert_eq!(names.len(), odd.len());
        for name in names {
            assert!(!name.starts_with('.') && !name.contains(['/', '\\']) && name.len() < 200);
        }
    }
}
