//! A message as it goes over the line after DATA: transparency (RFC 5321 §4.5.2) and line ends.

/// The header section: up to the first empty line.
pub(crate) fn headers(message: &[u8]) -> &[u8] {
    match message.windows(4).position(|w| w == b"\r\n\r\n") {
        Some(end) => &message[..end],
        None => message,
    }
}

/// The message as it goes over the line: lines that begin with a dot get a second one (RFC 5321 §4.5.2), a CR or LF
/// that stands alone becomes CRLF (§2.3.8; a bare one lets a message's text pass for commands at some servers), the
/// last line is ended, and the final dot follows.
pub(crate) fn stuff(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + message.len() / 64 + 8);
    let mut rest = message;
    while !rest.is_empty() {
        if rest[0] == b'.' {
            out.push(b'.');
        }
        match rest.iter().position(|b| matches!(b, b'\r' | b'\n')) {
            Some(end) => {
                out.extend_from_slice(&rest[..end]);
                let pair = rest[end..].starts_with(b"\r\n");
                rest = &rest[end + if pair { 2 } else { 1 }..];
            }
            None => {
                out.extend_from_slice(rest);
                rest = &[];
            }
        }
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::{headers, stuff};
    use proptest::prelude::{any, proptest};

    #[test]
    fn dots_and_line_ends() {
        for (message, line) in [
            ("", ".\r\n"),
            ("a", "a\r\n.\r\n"),
            ("a\r\n", "a\r\n.\r\n"),
            (".\r\n..\r\n", "..\r\n...\r\n.\r\n"),
            ("a\n.\nb\r.\rc", "a\r\n..\r\nb\r\n..\r\nc\r\n.\r\n"),
            ("a\r\r\n.b", "a\r\n\r\n..b\r\n.\r\n"),
            ("\n\n", "\r\n\r\n.\r\n"),
        ] {
            assert_eq!(
                String::from_utf8(stuff(message.as_bytes())).unwrap(),
                line,
                "{message:?}"
            );
        }
        assert_eq!(headers(b"A: b\r\nC: d\r\n\r\nbody"), b"A: b\r\nC: d");
    }

    proptest! {
        /// The oracle is a receiver, written from RFC 5321 §4.5.2: line by line until a lone dot, one dot taken off.
        #[test]
        fn a_receiver_reads_back_what_was_sent(bytes in proptest::collection::vec(
            proptest::sample::select(&b".\r\nab\xc3"[..]), 0..60), tail in any::<bool>()
        ) {
            let mut message = bytes;
            if tail { message.extend_from_slice(b"\r\n.\r\n"); }
            let wire = stuff(&message);
            let text: Vec<&[u8]> = wire.split(|b| *b == b'\n').collect();
            let mut received = Vec::new();
            let mut ended_at = None;
            for (i, line) in text.iter().enumerate() {
                let Some(line) = line.strip_suffix(b"\r") else { break };
                if line == b"." { ended_at = Some(i); break; }
                assert!(!line.contains(&b'\r'));
                received.push(line.strip_prefix(b".").unwrap_or(line).to_vec());
            }
            assert_eq!(ended_at, Some(text.len() - 2), "the first lone dot is the last line");
            let normal = String::from_utf8_lossy(&message).replace("\r\n", "\n").replace('\r', "\n");
            let mut expected: Vec<&str> = normal.split('\n').collect();
            if expected.last() == Some(&"") { expected.pop(); }
            let received: Vec<String> =
                received.iter().map(|l| String::from_utf8_lossy(l).into_owned()).collect();
            assert_eq!(received, expected);
        }
    }
}
