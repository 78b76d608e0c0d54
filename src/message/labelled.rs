//! A finished message made into a copy that is known as one: another recipient, a Message-ID of its own, a mark in the
//! head, perhaps one in the subject. For test mails and seed addresses; the bodies stay as they are.

use super::compose::Finished;
use super::header;
use crate::domain::address::EmailAddress;

/// What a test mail's subject begins with.
pub const TEST_SUBJECT: &str = "[TEST]";
/// The fields by which filters know a test mail and a seed's copy.
pub const TEST_FIELD: &str = "X-Reveille-Test";
pub const SEED_FIELD: &str = "X-Reveille-Seed";

/// How the copy is marked.
#[derive(Clone, Copy, Debug)]
pub struct Label<'a> {
    pub to: &'a EmailAddress,
    /// Without angle brackets.
    pub message_id: &'a str,
    /// Before the subject.
    pub subject: Option<&'a str>,
    /// A field of the head: its name and what it says.
    pub field: (&'a str, &'a str),
}

impl Finished {
    /// The same mail under this label.
    pub fn labelled(mut self, label: &Label<'_>) -> Finished {
        if let Some(mark) = label.subject {
            self.subject = format!("{mark} {}", self.subject);
        }
        let end = (self.bytes.windows(4)).position(|four| four == b"\r\n\r\n");
        let end = end.map_or(self.bytes.len(), |at| at + 2);
        let head = String::from_utf8_lossy(&self.bytes[..end]).into_owned();
        let mut out = String::with_capacity(head.len() + 200);
        for field in whole_fields(&head) {
            let name = field.split(':').next().unwrap_or_default();
            match name {
                // The customer's name does not stand beside somebody else's address.
                "To" => out.push_str(&header::mailbox("To", "", label.to)),
                "Subject" => out.push_str(&header::unstructured("Subject", &self.subject)),
                "Message-ID" => {
                    let id = format!("<{}>", label.message_id);
                    out.push_str(&header::structured("Message-ID", &[&id]));
                    out.push_str(&header::unstructured(label.field.0, label.field.1));
                }
                _ => out.push_str(&field),
            }
        }
        let mut bytes = out.into_bytes();
        bytes.extend_from_slice(&self.bytes[end..]);
        self.bytes = bytes;
        self
    }
}

/// Fields as they stand, folds and line ends included.
fn whole_fields(head: &str) -> Vec<String> {
    let mut fields: Vec<String> = Vec::new();
    for line in head.split_inclusive("\r\n") {
        match fields.last_mut() {
            Some(last) if line.starts_with([' ', '\t']) => last.push_str(line),
            _ => fields.push(line.to_owned()),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::{Label, TEST_FIELD, TEST_SUBJECT};
    use crate::domain::address::EmailAddress;
    use crate::message::Finished;
    use crate::message::reading::fields;

    #[test]
    fn a_copy_has_its_own_recipient_id_and_mark_and_the_same_body() {
        let subject = "장바구니에 담아 두신 상품이 그대로 기다리고 있어요, 천천히 둘러보세요";
        let head = [
            "From: Corner Shop <hello@shop.example>\r\n".to_owned(),
            "To: \"Kim, Mina\" <mina@customers.example>\r\n".to_owned(),
            crate::message::header::unstructured("Subject", subject),
            "Message-ID: <1.2.abc@shop.example>\r\nMIME-Version: 1.0\r\n".to_owned(),
        ];
        let body = "\r\nTo: nobody\r\nSubject: no header\r\n";
        let finished = Finished {
            bytes: format!("{}{body}", head.concat()).into_bytes(),
            subject: subject.to_owned(),
            html: String::new(),
            text: String::new(),
            preheader: String::new(),
        };
        let to = EmailAddress::parse("me@shop.example").unwrap();
        let copy = finished.labelled(&Label {
            to: &to,
            message_id: "test.1@shop.example",
            subject: Some(TEST_SUBJECT),
            field: (TEST_FIELD, "cart_reminder reminder\r\nBcc: x@y.example"),
        });
        let read = fields(&copy.bytes);
        let field = |name: &str| {
            let all: Vec<&str> = (read.iter().filter(|(n, _)| n == name))
                .map(|(_, v)| v.as_str())
                .collect();
            all.join("|")
        };
        assert_eq!(field("To"), "me@shop.example");
        assert_eq!(field("Subject"), format!("[TEST] {subject}"));
        assert_eq!(field("Message-ID"), "<test.1@shop.example>");
        assert_eq!(field(TEST_FIELD), "cart_reminder reminder Bcc: x@y.example");
        assert_eq!(field("Bcc"), "");
        assert!(copy.bytes.ends_with(body.as_bytes()));
        assert!(!String::from_utf8(copy.bytes).unwrap().contains("Mina"));
    }
}
