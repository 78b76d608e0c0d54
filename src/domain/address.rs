//! Email addresses, checked at the door (RFC 5321 §4.5.3.1: local part at most 64 octets, address at most 254).

use serde::{Deserialize, Serialize};
use std::fmt;

/// An address that can stand in an envelope and a header: no controls, no spaces, no angle brackets.
/// The local part may hold non-ASCII (RFC 6531); the domain is kept in A-labels (`xn--`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Takes `local@domain`. The domain is lower-cased and turned into A-labels (IDNA 2008, UTS 46).
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let wrong = |why: &str| Err(format!("{:?} is no email address: {why}", mask(text)));
        let Some((local, domain)) = text.rsplit_once('@') else {
            return wrong("there is no \"@\"");
        };
        if local.is_empty() || local.len() > 64 {
            return wrong("the part before \"@\" must have 1 to 64 bytes");
        }
        let atom = |c: char| {
            c.is_ascii_alphanumeric()
                || "!#$%&'*+-/=?^_`{|}~.".contains(c)
                || (!c.is_ascii() && c.is_alphanumeric())
        };
        if !local.chars().all(atom)
            || local.starts_with('.')
            || local.ends_with('.')
            || local.contains("..")
        {
            return wrong("the part before \"@\" holds a character that may not stand there");
        }
        let Ok(domain) = idna::domain_to_ascii_strict(domain) else {
            return wrong("its domain is not one");
        };
        let label = |l: &str| !l.is_empty() && l.len() <= 63;
        if domain.len() > 253 || !domain.split('.').all(label) {
            return wrong("its domain is not one");
        }
        if local.len() + 1 + domain.len() > 254 {
            return wrong("it is longer than 254 bytes");
        }
        Ok(EmailAddress(format!("{local}@{domain}")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn local(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(l, _)| l)
    }

    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, d)| d)
    }

    /// What two spellings of one mailbox share: the whole address in lower case.
    pub fn mailbox(&self) -> MailboxId {
        MailboxId(self.0.to_lowercase())
    }

    /// For logs: `m…@shop.example`.
    pub fn masked(&self) -> String {
        mask(&self.0)
    }
}

/// `m…@shop.example`; for texts without "@", the first letter only. For logs and error messages.
pub fn mask(text: &str) -> String {
    let head: String = text.chars().take(1).filter(|c| *c != '@').collect();
    match text.rsplit_once('@') {
        Some((_, domain)) => format!("{head}…@{domain}"),
        None => format!("{head}…"),
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

/// A mailbox: the canonical form of an address. Two customers with one mailbox are one mailbox.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MailboxId(pub String);

impl fmt::Debug for MailboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::EmailAddress;

    #[test]
    fn addresses_are_checked_at_the_door() {
        for good in [
            "mina@shop.example",
            "a+b.c@sub.shop.example",
            "고객@도메인.example",
        ] {
            assert!(EmailAddress::parse(good).is_ok(), "{good}");
        }
        let long_local = format!("{}@shop.example", "x".repeat(65));
        for bad in [
            "",
            "mina",
            "@shop.example",
            "mina@",
            "a b@shop.example",
            "a@shop..example",
            "a\r\nBcc: x@y.example",
            "<a@shop.example>",
            ".a@shop.example",
            "a..b@shop.example",
            "\"a\"@shop.example",
            "a@shop_.example",
            long_local.as_str(),
        ] {
            assert!(EmailAddress::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_domain_goes_as_a_labels_and_a_mailbox_folds_case() {
        let a = EmailAddress::parse("User@도메인.Example").unwrap();
        assert_eq!(a.domain(), "xn--hq1bm8jm9l.example");
        assert_eq!(a.local(), "User");
        assert_eq!(a.mailbox().0, "user@xn--hq1bm8jm9l.example");
        assert_eq!(format!("{a:?}"), "U…@xn--hq1bm8jm9l.example");
    }
}
