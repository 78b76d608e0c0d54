//! SMTP replies (RFC 5321 §4.2): reading them out of bytes that may hold none, one or more, and showing them to people.
//! Kept apart from the stream so that every odd reply is a unit test.

use crate::domain::outcome::EnhancedCode;

/// The longest line and the longest reply that we read; a server that says more speaks nonsense.
const MOST_LINE: usize = 4_096;
const MOST_REPLY: usize = 65_536;
/// What is kept of a reply for people.
const MOST_SHOWN: usize = 500;

/// One reply, all its lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Reply {
    /// 200 to 599.
    pub code: u16,
    /// The text of each line, without code and line end.
    pub lines: Vec<String>,
}

impl Reply {
    /// Takes the first whole reply from the front of `bytes`: the reply and how many bytes it took, `None` if more
    /// bytes are needed. Errors are for bytes that cannot become a reply. Line ends may be LF only, text after the code
    /// may be missing, text that is not UTF-8 is made so.
    pub fn read(bytes: &[u8]) -> Result<Option<(Reply, usize)>, String> {
        let mut at = 0;
        let mut code = None;
        let mut lines = Vec::new();
        while let Some(end) = bytes[at..].iter().position(|b| *b == b'\n') {
            if end > MOST_LINE || at + end > MOST_REPLY {
                return Err("the reply is too long".into());
            }
            let line = &bytes[at..at + end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            at += end + 1;
            let (this, last, text) = split_line(line)?;
            if *code.get_or_insert(this) != this {
                return Err("the lines of one reply bear different codes".into());
            }
            lines.push(String::from_utf8_lossy(text).into_owned());
            if last {
                return Ok(Some((Reply { code: this, lines }, at)));
            }
        }
        if bytes.len() - at > MOST_LINE || bytes.len() > MOST_REPLY {
            return Err("the reply is too long".into());
        }
        Ok(None)
    }

    pub fn is_done(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// The enhanced code that the text begins with, if its class agrees with the reply (RFC 2034 §4).
    pub fn status(&self) -> Option<EnhancedCode> {
        let word = self.lines.first()?.split_whitespace().next()?;
        EnhancedCode::parse(word).filter(|s| u16::from(s.class) == self.code / 100)
    }

    /// The reply in one line: `550 5.1.1 No such user`. Controls become spaces, a status repeated on each line stands
    /// once, and it is clipped.
    pub fn shown(&self) -> String {
        let status = self.status().map(|s| s.to_string());
        let mut text = self.code.to_string();
        for (i, line) in self.lines.iter().enumerate() {
            let mut line = line.trim();
            if let Some(status) = status.as_deref().filter(|_| i > 0) {
                line = match line.strip_prefix(status) {
                    Some(rest) if rest.starts_with(' ') => rest.trim_start(),
                    _ => line,
                };
            }
            if !line.is_empty() {
                text.push(' ');
                text.push_str(line);
            }
        }
        text.chars()
            .take(MOST_SHOWN)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect()
    }
}

/// Code, whether it is the reply's last line, text.
fn split_line(line: &[u8]) -> Result<(u16, bool, &[u8]), String> {
    let nonsense = || {
        let shown: String = String::from_utf8_lossy(&line[..line.len().min(40)])
            .chars()
            .map(|c| if c.is_control() { '?' } else { c })
            .collect();
        Err(format!("{shown:?} is no SMTP reply"))
    };
    let Some((digits, rest)) = line.split_at_checked(3) else {
        return nonsense();
    };
    if !digits.iter().all(u8::is_ascii_digit) || !(b'2'..=b'5').contains(&digits[0]) {
        return nonsense();
    }
    let code = digits
        .iter()
        .fold(0u16, |n, d| n * 10 + u16::from(d - b'0'));
    match rest.split_first() {
        None => Ok((code, true, rest)),
        Some((b' ', text)) => Ok((code, true, text)),
        Some((b'-', text)) => Ok((code, false, text)),
        Some(_) => nonsense(),
    }
}

/// `text` with every address in it masked, for the daemon's own log.
pub(crate) fn without_addresses(text: &str) -> String {
    text.split_inclusive(|c: char| c.is_whitespace() || "<>()[]\"',;:".contains(c))
        .map(|piece| {
            let word =
                piece.trim_end_matches(|c: char| c.is_whitespace() || "<>()[]\"',;:".contains(c));
            if word.contains('@') {
                crate::domain::address::mask(word) + &piece[word.len()..]
            } else {
                piece.to_owned()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Reply, without_addresses};
    use proptest::prelude::{any, proptest};

    fn one(text: &str) -> Reply {
        let (reply, taken) = Reply::read(text.as_bytes()).unwrap().unwrap();
        assert_eq!(taken, text.len());
        reply
    }

    #[test]
    fn replies_are_read_and_shown() {
        let reply = one(
            "550-5.1.1 The account <mina@shop.example>\r\n550-5.1.1 does not\r\n550 5.1.1 exist\r\n",
        );
        assert_eq!(
            reply.shown(),
            "550 5.1.1 The account <mina@shop.example> does not exist"
        );
        assert_eq!(reply.status().unwrap().to_string(), "5.1.1");
        assert_eq!(one("250\r\n").shown(), "250");
        assert_eq!(one("250 ok\n").lines, ["ok"]);
        // A class that contradicts the reply is no status.
        assert_eq!(one("550 4.7.1 odd\r\n").status(), None);
        assert_eq!(
            without_addresses(&reply.shown()),
            "550 5.1.1 The account <m…@shop.example> does not exist"
        );
        let (first, taken) = Reply::read(b"250 a\r\n550 b\r\n").unwrap().unwrap();
        assert_eq!((first.code, taken), (250, 7));
        assert_eq!(
            Reply::read(b"250 \xff\x1b[31m\r\n")
                .unwrap()
                .unwrap()
                .0
                .shown(),
            "250 \u{fffd} [31m"
        );
    }

    #[test]
    fn what_is_no_reply_is_an_error_and_what_is_unfinished_waits() {
        for unfinished in ["", "25", "250 ok", "250-a\r\n", "250-a\r\n250"] {
            assert_eq!(
                Reply::read(unfinished.as_bytes()),
                Ok(None),
                "{unfinished:?}"
            );
        }
        let long_line = format!("250 {}", "x".repeat(5_000));
        let long_reply = "250-x\r\n".repeat(10_000);
        for bad in [
            "hello\r\n",
            "\r\n",
            "999 x\r\n",
            "100 x\r\n",
            "2506 x\r\n",
            "250-a\r\n550 b\r\n",
            long_line.as_str(),
            long_reply.as_str(),
        ] {
            assert!(Reply::read(bad.as_bytes()).is_err(), "{bad:.20?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(Some((reply, taken))) = Reply::read(&bytes) {
                assert!(taken <= bytes.len());
                assert!(!reply.shown().chars().any(char::is_control));
            }
        }
    }
}
