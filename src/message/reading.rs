//! A finished message's head as people read it: one line a field, encoded words (RFC 2047) in plain letters. Reads what
//! this room writes, and leaves everything else as it stands.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The fields of the head, in their order.
pub fn fields(bytes: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(bytes);
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in head.split("\r\n") {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }
    for (_, value) in &mut fields {
        *value = decoded(value);
    }
    fields
}

/// Words next to each other that are encoded are one text (RFC 2047 §6.2).
fn decoded(value: &str) -> String {
    let mut out = String::new();
    let mut pending: Vec<u8> = Vec::new();
    let mut after_encoded = false;
    for word in value.split(' ') {
        let inner = (word.strip_prefix("=?UTF-8?B?")).and_then(|w| w.strip_suffix("?="));
        if let Some(bytes) = inner.and_then(|inner| STANDARD.decode(inner).ok()) {
            if !after_encoded && !out.is_empty() {
                out.push(' ');
            }
            pending.extend(bytes);
            after_encoded = true;
            continue;
        }
        out.push_str(&String::from_utf8_lossy(&std::mem::take(&mut pending)));
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
        after_encoded = false;
    }
    out.push_str(&String::from_utf8_lossy(&pending));
    out
}

#[cfg(test)]
mod tests {
    use super::fields;
    use crate::domain::address::EmailAddress;
    use crate::message::header::{mailbox, unstructured};

    #[test]
    fn what_this_room_writes_is_read_back() {
        let long = "장바구니에 담아 두신 상품이 그대로 기다리고 있어요, 천천히 둘러보세요";
        let to = EmailAddress::parse("mina@shop.example").unwrap();
        let head = [
            unstructured("Subject", long),
            mailbox("To", "민아", &to),
            unstructured("X-Plain", &"word ".repeat(40)),
        ]
        .concat();
        let read = fields(format!("{head}\r\nbody: none\r\n").as_bytes());
        assert_eq!(
            read,
            [
                ("Subject".to_owned(), long.to_owned()),
                ("To".to_owned(), "민아 <mina@shop.example>".to_owned()),
                ("X-Plain".to_owned(), "word ".repeat(40).trim().to_owned()),
            ]
        );
    }
}
