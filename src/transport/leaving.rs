//! Mails written to the unsubscribe address: whether a person, or their mail program, asks for something, and which texts
//! in it may be a token of ours. Which of them is one, and what it says, is for the engine.
//!
//! Programs alter subjects (`Re: `, encoded words) and people write into them, so the token is looked for anywhere in the
//! subject, then in the body, where a quoted mail of ours has its link.

use mail_parser::{HeaderValue, Message, MessageParser};

/// No more of a mail is looked at.
pub const LARGEST: usize = 1024 * 1024;
/// A token of ours has some 40 letters at least, and some 4,000 at most.
const SHORTEST_TOKEN: usize = 24;
const LONGEST_TOKEN: usize = 4_096;
/// So many are looked at.
const MOST: usize = 50;

/// What a mail is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Read {
    /// It has no headers that a mail has.
    NoMail,
    /// A machine wrote it: a vacation notice, a delivery report (RFC 3834 §2).
    Automatic,
    /// Texts that may be tokens, the likeliest first.
    Asks(Vec<String>),
}

/// Reads a mail, of which the first [`LARGEST`] bytes are enough.
pub fn read(bytes: &[u8]) -> Read {
    let bytes = bytes.get(..LARGEST).unwrap_or(bytes);
    let bytes = without_envelope(bytes);
    let Some(mail) = MessageParser::new().parse(bytes) else {
        return Read::NoMail;
    };
    let known = ["From", "Subject", "Received", "Message-ID", "Date"];
    if known.iter().all(|name| mail.header_raw(*name).is_none()) {
        return Read::NoMail;
    }
    if is_automatic(&mail) {
        return Read::Automatic;
    }
    let mut found = Vec::new();
    tokens_in(mail.subject().unwrap_or_default(), &mut found);
    for part in 0..mail.text_body_count() {
        tokens_in(&mail.body_text(part).unwrap_or_default(), &mut found);
    }
    for part in 0..mail.html_body_count() {
        tokens_in(&mail.body_html(part).unwrap_or_default(), &mut found);
    }
    found.truncate(MOST);
    Read::Asks(found)
}

/// Postfix's pipe can put a `From ` line before the mail (its flag `F`).
fn without_envelope(bytes: &[u8]) -> &[u8] {
    if !bytes.starts_with(b"From ") {
        return bytes;
    }
    let end = bytes.iter().position(|b| *b == b'\n');
    end.and_then(|end| bytes.get(end + 1..)).unwrap_or_default()
}

/// RFC 3834 §2: what says that it was made without a person, what comes from nobody, what is a report.
fn is_automatic(mail: &Message<'_>) -> bool {
    let raw = |name: &str| {
        mail.header_raw(name)
            .unwrap_or_default()
            .trim()
            .to_lowercase()
    };
    let submitted = raw("Auto-Submitted");
    let submitted = submitted.split(';').next().unwrap_or_default().trim();
    let report = match mail.header("Content-Type") {
        Some(HeaderValue::ContentType(kind)) => {
            kind.ctype().eq_ignore_ascii_case("multipart")
                && kind
                    .subtype()
                    .is_some_and(|s| s.eq_ignore_ascii_case("report"))
        }
        _ => false,
    };
    report
        || !(submitted.is_empty() || submitted == "no")
        || raw("Return-Path") == "<>"
        || !raw("X-Autoreply").is_empty()
        || !raw("X-Autorespond").is_empty()
}

fn tokens_in(text: &str, found: &mut Vec<String>) {
    let part_of_one = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    for word in text.split(|c| !part_of_one(c)) {
        let fits = (SHORTEST_TOKEN..=LONGEST_TOKEN).contains(&word.len());
        if fits && found.len() < MOST && !found.iter().any(|known| known == word) {
            found.push(word.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LARGEST, Read, read};

    const TOKEN: &str = "AQHwogQBAwEGb2ZmZXJz_9sB-0123456789abcdefgh";

    fn found(mail: &str) -> Vec<String> {
        match read(mail.as_bytes()) {
            Read::Asks(found) => found,
            other => panic!("{other:?}: {mail}"),
        }
    }

    #[test]
    fn the_token_is_found_wherever_mail_programs_leave_it() {
        use base64::Engine;
        use base64::engine::general_purpose::STANDARD;
        let korean = STANDARD.encode(format!("회신: unsubscribe {TOKEN}"));
        let quoted = format!("그만 받고 싶어요\n> https://mail.shop.example/u/{TOKEN}\n");
        let body = STANDARD.encode(&quoted);
        let half = TOKEN.len() / 2;
        let soft = format!("{}=\r\n{}", &TOKEN[..half], &TOKEN[half..]);
        for mail in [
            // A mail program's own button: subject as the address says, an empty body.
            format!("From: a@b.example\r\nSubject: unsubscribe {TOKEN}\r\n\r\n"),
            format!("From: a@b.example\nSubject: Re: unsubscribe {TOKEN}\n\nplease\n"),
            format!("From: a@b.example\r\nSubject: unsubscribe\r\n {TOKEN}\r\n\r\n"),
            format!("From: a@b.example\r\nSubject: =?utf-8?B?{korean}?=\r\n\r\nx\r\n"),
            format!(
                "From a@b.example Mon Mar  2 10:00:00 2026\nFrom: a@b.example\nSubject: {TOKEN}\n\n"
            ),
            format!(
                "From: a@b.example\r\nSubject: stop\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{body}\r\n"
            ),
            format!(
                "From: a@b.example\r\nSubject: stop\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{soft}\r\n"
            ),
            format!(
                "From: a@b.example\r\nSubject: stop\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\nstop\r\n--x\r\nContent-Type: text/html\r\n\r\n<p><a href=\"https://mail.shop.example/u/{TOKEN}\">leave</a></p>\r\n--x--\r\n"
            ),
        ] {
            assert!(found(&mail).iter().any(|t| t == TOKEN), "{mail}");
        }
        let both = format!("Subject: {TOKEN}\n\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n");
        assert_eq!(found(&both)[0], TOKEN, "the subject goes first");
        assert!(found("Subject: unsubscribe\n\nplease\n").is_empty());
    }

    #[test]
    fn machines_are_not_answered_and_what_is_no_mail_is_none() {
        for header in [
            "Auto-Submitted: auto-replied",
            "Auto-Submitted: auto-generated; owner=x",
            "Return-Path: <>",
            "X-Autoreply: yes",
            "Content-Type: multipart/report; report-type=delivery-status; boundary=x",
        ] {
            let mail =
                format!("From: a@b.example\r\n{header}\r\nSubject: unsubscribe {TOKEN}\r\n\r\n");
            assert_eq!(read(mail.as_bytes()), Read::Automatic, "{header}");
        }
        let by_hand = format!("Auto-Submitted: no\r\nSubject: {TOKEN}\r\n\r\n");
        assert_eq!(found(&by_hand), [TOKEN]);
        for text in ["", "hello", "\0\u{1}\u{2}", "\n\n\n", "a: b\n\n"] {
            assert_eq!(read(text.as_bytes()), Read::NoMail, "{text:?}");
        }
        let huge = format!(
            "Subject: x\n\n{}",
            "word-word-word-word-word-word ".repeat(LARGEST / 10)
        );
        assert!(found(&huge).len() <= 50);
    }
}
