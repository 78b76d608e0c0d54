//! Bodies: lines ended and encoded so that any server carries them: ASCII, CRLF only, lines of at most 76.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The longest line of quoted-printable and base64 (RFC 2045 §6.7, §6.8).
const WIDTH: usize = 76;

/// `text` with LF line ends, without other controls than tab, ending in one line end. That is what the reader's
/// program gets back.
pub fn canonical(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 1);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                if chars.peek() != Some(&'\n') {
                    out.push('\n');
                }
            }
            '\n' | '\t' => out.push(c),
            c if c.is_control() || c == '\u{feff}' => {}
            c => out.push(c),
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// A part with its headers, in whichever encoding is the shorter; begins with `Content-Type`, ends with CRLF.
/// `text` is canonical.
pub fn write(kind: &str, text: &str) -> String {
    let crlf = text.replace('\n', "\r\n");
    // What an octet costs: three in quoted-printable unless printable ASCII, four thirds in base64.
    let encoded = crlf.bytes().filter(|b| !b.is_ascii() || *b == b'=').count();
    let (name, body) = if encoded * 6 > crlf.len() {
        ("base64", base64_lines(crlf.as_bytes()))
    } else {
        ("quoted-printable", quoted_printable(&crlf))
    };
    format!(
        "Content-Type: {kind}; charset=utf-8\r\nContent-Transfer-Encoding: {name}\r\n\r\n{body}"
    )
}

fn base64_lines(bytes: &[u8]) -> String {
    let encoded = STANDARD.encode(bytes);
    let mut out = String::with_capacity(encoded.len() + encoded.len() / WIDTH * 2 + 4);
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, behind) = rest.split_at(rest.len().min(WIDTH));
        out.push_str(line);
        out.push_str("\r\n");
        rest = behind;
    }
    out
}

/// RFC 2045 §6.7. A dot at a line's begin is encoded too, and the F of `From `: then neither SMTP nor a mail folder
/// has anything to change.
fn quoted_printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 5 / 4);
    for line in text.split_inclusive("\r\n") {
        let (line, ended) = match line.strip_suffix("\r\n") {
            Some(line) => (line, true),
            None => (line, false),
        };
        let bytes = line.as_bytes();
        let mut column = 0;
        for (i, byte) in bytes.iter().enumerate() {
            let last = i + 1 == bytes.len();
            let literal = match byte {
                b' ' | b'\t' => !last,
                b'=' => false,
                b'.' => column > 0,
                b'F' => column > 0 || !line[i..].starts_with("From "),
                b => (b'!'..=b'~').contains(b),
            };
            let length = if literal { 1 } else { 3 };
            // One column is kept for the soft break's "=", unless this is the last of its line.
            if column + length > if last { WIDTH } else { WIDTH - 1 } {
                out.push_str("=\r\n");
                column = 0;
            }
            // After a soft break a dot may have come to stand first.
            if literal && !(column == 0 && *byte == b'.') {
                out.push(char::from(*byte));
                column += 1;
            } else {
                out.push_str(&format!("={byte:02X}"));
                column += 3;
            }
        }
        if ended {
            out.push_str("\r\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{canonical, quoted_printable, write};

    #[test]
    fn line_ends_and_controls_are_put_right() {
        assert_eq!(canonical("a\rb\r\nc\u{0}\u{8}\td \n\n"), "a\nb\nc\td\n");
        assert_eq!(canonical(""), "\n");
    }

    #[test]
    fn quoted_printable_is_what_the_standard_says() {
        assert_eq!(
            quoted_printable("a=b \r\n.x\r\nFrom y\r\n"),
            "a=3Db=20\r\n=2Ex\r\n=46rom y\r\n"
        );
        assert_eq!(quoted_printable("é\r\n"), "=C3=A9\r\n");
        assert_eq!(quoted_printable(&"x".repeat(76)), "x".repeat(76));
        let dots = quoted_printable(&format!("{}\r\n", ".".repeat(5_000)));
        for line in dots.split("\r\n") {
            assert!(line.len() <= 76 && !line.starts_with('.'), "{line}");
        }
    }

    #[test]
    fn the_shorter_encoding_is_taken() {
        assert!(write("text/plain", "plain\n").contains("quoted-printable"));
        assert!(write("text/plain", "안녕하세요\n").contains("base64"));
        assert!(
            write("text/plain", &"가".repeat(5_000))
                .split("\r\n")
                .all(|l| l.len() <= 76)
        );
    }
}
