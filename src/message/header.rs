//! Header fields: cleaned, encoded (RFC 2047) and folded (RFC 5322 §2.2.3).
//!
//! Whatever comes in, what goes out is one field: no CR, LF or other control survives, so no customer's name can
//! begin another. Fields are folded at 78 characters; no token is longer than 900, so no line reaches 998.

use crate::domain::address::EmailAddress;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Lines are folded before they grow beyond this (RFC 5322 §2.1.1 says SHOULD).
const WIDTH: usize = 78;

/// The longest plain word that is written as it is; longer ones are encoded, which can be cut anywhere.
const LONGEST_WORD: usize = 200;

/// Octets of text in an encoded-word of at most 75 characters: 12 are `=?UTF-8?B?` and `?=`, 60 hold 45 octets.
const WORD_OCTETS: usize = 45;

/// `text` as one line: controls and line separators become spaces, runs of spaces one, none at the ends.
pub fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let space = c == ' ' || c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        if !space {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with(' ') {
            out.push(' ');
        }
    }
    if out.ends_with(' ') {
        out.pop();
    }
    out
}

/// At most `most` characters, never cut between what shows as one.
pub fn shortened(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    let chars: Vec<char> = text.chars().collect();
    let mut end = most.saturating_sub(1);
    while end > 0 && joins(chars[end - 1], chars[end]) {
        end -= 1;
    }
    let mut out: String = chars[..end].iter().collect();
    out.truncate(out.trim_end().len());
    out.push('…');
    out
}

/// Whether `next` belongs to what `before` shows: combining marks, joiners, variation selectors, skin tones, the
/// second letter of a flag.
fn joins(before: char, next: char) -> bool {
    let flag = |c: char| ('\u{1F1E6}'..='\u{1F1FF}').contains(&c);
    matches!(next, '\u{200d}' | '\u{300}'..='\u{36f}' | '\u{3099}' | '\u{309a}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{20d0}'..='\u{20ff}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{1160}'..='\u{11ff}')
        || before == '\u{200d}'
        || (flag(before) && flag(next))
}

/// A field of free text, such as Subject. `value` is cleaned first.
pub fn unstructured(name: &str, value: &str) -> String {
    let value = one_line(value);
    let tokens = if is_plain(&value) {
        words(&value)
    } else {
        encoded_words(&value, name.len() + 2)
    };
    fold(name, &tokens)
}

/// A field with one mailbox: From, To. A local part that is not ASCII stands there as it is, in UTF-8 (RFC 6532):
/// such a message may go to a server that offers SMTPUTF8 only.
pub fn mailbox(name: &str, display: &str, address: &EmailAddress) -> String {
    let display = shortened(&one_line(display), 200);
    let mut tokens = if display.is_empty() {
        return fold(name, &[address.as_str().to_owned()]);
    } else if !is_plain(&display) {
        encoded_words(&display, name.len() + 2)
    } else if display
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b" -_!#$%&'*+/=?^`{|}~".contains(&b))
    {
        words(&display)
    } else {
        words(&format!(
            "\"{}\"",
            display.replace('\\', "\\\\").replace('"', "\\\"")
        ))
    };
    tokens.push(format!("<{}>", address.as_str()));
    fold(name, &tokens)
}

/// A field of tokens that must not be encoded. Each token loses what is not printable ASCII.
pub fn structured(name: &str, tokens: &[&str]) -> String {
    let clean = |t: &&str| t.chars().filter(|c| (' '..='~').contains(c)).collect();
    fold(name, &tokens.iter().map(clean).collect::<Vec<String>>())
}

/// Printable ASCII that no reader takes for an encoded-word, in words that can be folded.
fn is_plain(value: &str) -> bool {
    value.bytes().all(|b| (b' '..=b'~').contains(&b))
        && !value.contains("=?")
        && value.split(' ').all(|w| w.len() <= LONGEST_WORD)
}

fn words(value: &str) -> Vec<String> {
    value.split(' ').map(str::to_owned).collect()
}

/// Encoded-words that decode to `value` one after the other. `used` columns of the first line are taken.
fn encoded_words(value: &str, used: usize) -> Vec<String> {
    let mut out = Vec::new();
    let mut room = WORD_OCTETS.min(WIDTH.saturating_sub(used + 12) / 4 * 3);
    let mut piece = String::new();
    // What shows as one character stays in one word while it fits there.
    let mut cluster = String::new();
    let mut last = None;
    for c in value.chars().map(Some).chain([None]) {
        if let (Some(before), Some(next)) = (last, c)
            && joins(before, next)
            && cluster.len() + next.len_utf8() <= 30
        {
            cluster.push(next);
            last = c;
            continue;
        }
        if !piece.is_empty() && piece.len() + cluster.len() > room {
            out.push(std::mem::take(&mut piece));
            room = WORD_OCTETS;
        }
        piece.push_str(&cluster);
        cluster.clear();
        cluster.extend(c);
        last = c;
    }
    if !piece.is_empty() {
        out.push(piece);
    }
    out.iter()
        .map(|piece| format!("=?UTF-8?B?{}?=", STANDARD.encode(piece)))
        .collect()
}

/// `Name: token token`, CRLF at the end, broken before a token that would cross [`WIDTH`].
fn fold(name: &str, tokens: &[String]) -> String {
    let mut out = format!("{name}:");
    let mut column = out.len();
    for (i, token) in tokens.iter().enumerate() {
        let length = token.chars().count();
        // The first token stays with the name: a line of the name alone confuses some readers.
        if i > 0 && column + 1 + length > WIDTH {
            out.push_str("\r\n");
            column = 0;
        }
        out.push(' ');
        out.push_str(token);
        column += 1 + length;
    }
    out.push_str("\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::{mailbox, one_line, shortened, structured, unstructured};
    use crate::domain::address::EmailAddress;

    fn address(text: &str) -> EmailAddress {
        EmailAddress::parse(text).unwrap()
    }

    #[test]
    fn plain_subjects_stay_readable_and_others_are_encoded() {
        assert_eq!(
            unstructured("Subject", "Your cart"),
            "Subject: Your cart\r\n"
        );
        assert_eq!(
            unstructured("Subject", "장바구니"),
            "Subject: =?UTF-8?B?7J6l67CU6rWs64uI?=\r\n"
        );
        assert_eq!(
            unstructured("Subject", "=?x?="),
            "Subject: =?UTF-8?B?PT94Pz0=?=\r\n"
        );
        assert_eq!(
            unstructured("Subject", "a\r\nBcc: x@y\u{0}"),
            "Subject: a Bcc: x@y\r\n"
        );
        for long in [
            "word ".repeat(80),
            "가".repeat(400),
            "x".repeat(990),
            "👩‍👩‍👧‍👦 ".repeat(60),
        ] {
            for line in unstructured("Subject", &long).split("\r\n") {
                assert!(line.len() <= 78, "{line}");
            }
        }
    }

    #[test]
    fn what_shows_as_one_character_stays_in_one_word() {
        let family = "👩‍👩‍👧‍👦";
        for word in unstructured("Subject", &family.repeat(20))
            .split_whitespace()
            .skip(1)
        {
            use base64::Engine;
            let inner = word.trim_start_matches("=?UTF-8?B?").trim_end_matches("?=");
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(inner)
                .unwrap();
            let text = String::from_utf8(bytes).unwrap();
            assert_eq!(text.replace(family, ""), "", "{text}");
        }
    }

    #[test]
    fn mailboxes_are_quoted_where_they_must_be() {
        let a = address("mina@shop.example");
        assert_eq!(mailbox("To", "", &a), "To: mina@shop.example\r\n");
        assert_eq!(
            mailbox("To", "Mina Kim", &a),
            "To: Mina Kim <mina@shop.example>\r\n"
        );
        assert_eq!(
            mailbox("To", "Kim, \"M\" \\", &a),
            "To: \"Kim, \\\"M\\\" \\\\\" <mina@shop.example>\r\n"
        );
        assert_eq!(
            mailbox("To", "민아", &a),
            "To: =?UTF-8?B?66+87JWE?= <mina@shop.example>\r\n"
        );
        assert_eq!(
            mailbox("To", "a\r\nBcc: x@y", &a),
            "To: \"a Bcc: x@y\" <mina@shop.example>\r\n"
        );
        assert_eq!(
            mailbox("To", "", &address("고객@도메인.example")),
            "To: 고객@xn--hq1bm8jm9l.example\r\n"
        );
    }

    #[test]
    fn texts_are_made_one_line_and_cut_between_characters() {
        assert_eq!(one_line(" a\t\r\n\u{85}b\u{2028}c  "), "a b c");
        assert_eq!(shortened("abc", 3), "abc");
        assert_eq!(shortened("ab👩‍👩‍👧‍👦x", 6), "ab…");
        assert_eq!(
            structured("List-Id", &["a\r\nb", "<c>"]),
            "List-Id: ab <c>\r\n"
        );
    }
}
