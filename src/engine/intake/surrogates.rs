//! Halves of characters in JSON: JavaScript's strings may be cut inside a character beyond U+FFFF (`"..😀".slice(0, 3)`),
//! and are then sent with half of it as an escape, `\ud83d`, which is no text. A message is not lost for that: the half
//! becomes U+FFFD, the character for what cannot be read, of the same length in JSON.

/// The text with U+FFFD for each half that stands alone; `None` where none does.
pub fn mended(json: &[u8]) -> Option<Vec<u8>> {
    let mut halves = Vec::new();
    let mut at = 0;
    while let Some(step) = json.get(at..)?.iter().position(|b| *b == b'\\') {
        at += step;
        let Some(unit) = escaped(json, at) else {
            // Another escape, of two bytes; or the text is no JSON at all.
            at += 2;
            if at > json.len() {
                break;
            }
            continue;
        };
        let pair = matches!(unit, 0xd800..=0xdbff)
            && matches!(escaped(json, at + 6), Some(0xdc00..=0xdfff));
        if !pair && matches!(unit, 0xd800..=0xdfff) {
            halves.push(at);
        }
        at += if pair { 12 } else { 6 };
    }
    if halves.is_empty() {
        return None;
    }
    let mut text = json.to_vec();
    for at in halves {
        text[at..at + 6].copy_from_slice(b"\\ufffd");
    }
    Some(text)
}

/// The unit of UTF-16 whose escape stands at this place.
fn escaped(json: &[u8], at: usize) -> Option<u16> {
    let digits = json.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit: u16, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | digit as u16)
    })
}

#[cfg(test)]
mod tests {
    use super::mended;

    #[test]
    fn halves_that_stand_alone_are_replaced_and_nothing_else_is() {
        for (sent, taken) in [
            (r#"{"a":"x\ud83d"}"#, r#"{"a":"x\ufffd"}"#),
            (r#"{"a":"\uDE00y"}"#, r#"{"a":"\ufffdy"}"#),
            (
                r#"{"a":"\ud83d\ud83d\ude00"}"#,
                r#"{"a":"\ufffd\ud83d\ude00"}"#,
            ),
            (r#"{"a\ud83d\n":1}"#, r#"{"a\ufffd\n":1}"#),
            (
                r#"{"a":"\ud83d\u0041\\\udc00"}"#,
                r#"{"a":"\ufffd\u0041\\\ufffd"}"#,
            ),
        ] {
            let text = mended(sent.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(text).unwrap(), taken);
            let parsed: serde_json::Value = serde_json::from_str(taken).unwrap();
            assert!(parsed.is_object());
        }
        for whole in [
            r#"{"a":"\ud83d\ude00"}"#,
            // A backslash and letters, not an escape.
            r#"{"a":"\\ud83d"}"#,
            "{}",
            "",
            "\\",
            r"\u",
            r"\ud83",
        ] {
            assert_eq!(mended(whole.as_bytes()), None, "{whole}");
        }
    }
}
