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
    use super::{file_name, read_mail};
    use std::collections::HashSet;

    #[test]
    fn a_mail_of_two_parts_is_shown_with_both_and_its_header_decoded() {
        let bytes = "From: =?utf-8?b?6rCA6rKM?= <hello@shop.example>\r\nTo: <mina@shop.example>\r\n\
             Subject: =?utf-8?q?caf=C3=A9?=\r\nDate: Mon, 2 Mar 2026 09:00:00 +0900\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
             plain words\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
             <p title=3D\"x\">rich words</p>\r\n--b--\r\n";
        let (row, view) = read_mail("1", bytes.as_bytes(), None);
        assert_eq!(
            (row.from.as_str(), row.to.as_str(), row.subject.as_str()),
            ("가게 <hello@shop.example>", "mina@shop.example", "café")
        );
        assert_eq!(row.date, "2026-03-02T09:00:00+09:00");
        assert!(
            view.contains("&lt;p title=&quot;x&quot;&gt;rich words&lt;/p&gt;"),
            "{view}"
        );
        assert!(view.contains("<pre>plain words"), "{view}");
        assert_eq!(view.matches("rich words").count(), 1, "{view}");
        // What is no message at all is shown as far as it goes.
        read_mail("2", b"\xff\0no mail", None);
    }

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
