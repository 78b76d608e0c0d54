//! What became of one attempt to deliver a message: the cause that travels back from a transport to the customer's
//! record. Pure data; the transport room tells the outcomes apart, and what follows from each is decided in the domain.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An enhanced mail system status code (RFC 3463): class, subject, detail.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EnhancedCode {
    /// 2 success, 4 persistent transient failure, 5 permanent failure.
    pub class: u8,
    pub subject: u16,
    pub detail: u16,
}

impl EnhancedCode {
    /// Reads `5.1.1` as it stands at the beginning of a reply's text (RFC 2034 §4).
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let mut next = |most_digits: usize| {
            let part = parts.next()?;
            let digits = !part.is_empty()
                && part.len() <= most_digits
                && part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse::<u16>().ok()).flatten()
        };
        let (class, subject, detail) = (next(1)?, next(3)?, next(3)?);
        if parts.next().is_some() {
            return None;
        }
        match class {
            2 | 4 | 5 => Some(EnhancedCode {
                class: class as u8,
                subject,
                detail,
            }),
            _ => None,
        }
    }

    /// The address does not exist and will not: no such mailbox (5.1.1), no such domain (5.1.2), moved away (5.1.6),
    /// a domain that takes no mail at all (5.1.10, RFC 7505 §4.1).
    pub fn says_address_is_dead(self) -> bool {
        self.class == 5 && self.subject == 1 && matches!(self.detail, 1 | 2 | 6 | 10)
    }

    /// About the recipient: addressing (5.1.x) or the mailbox (5.2.x), save 5.1.7 and 5.1.8, which RFC 3463 §3.2 gives
    /// to the *sender's* address.
    pub fn blames_recipient(self) -> bool {
        self.class == 5
            && (self.subject == 2 || (self.subject == 1 && !matches!(self.detail, 7 | 8)))
    }

    /// About the sender's address: 5.1.7 (its syntax), 5.1.8 (its system).
    pub fn blames_sender(self) -> bool {
        self.class == 5 && self.subject == 1 && matches!(self.detail, 7 | 8)
    }

    /// Security or policy (5.7.x): something between the sender and the relay, never the recipient's fault.
    pub fn blames_policy(self) -> bool {
        self.class == 5 && self.subject == 7
    }
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

impl fmt::Debug for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which part of the relay's work failed. For metrics and alerts: a small closed set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelayPart {
    /// No connection: name not found, refused, timed out.
    Connect,
    /// The greeting or EHLO was refused, late or unreadable.
    Greeting,
    /// No encryption where it is required, or a certificate that cannot be trusted.
    Tls,
    /// The log-in was refused or cannot be done.
    Login,
    /// Our sender address was refused (MAIL FROM, 5.1.7, 5.1.8).
    Sender,
    /// 5.7.x: the relay's, or a receiver's, policy against us.
    Policy,
    /// 421: the service closes.
    Closing,
    /// The connection broke, stalled or spoke nonsense in the middle of a message, before its final dot.
    Conversation,
    /// The mail folder cannot be written.
    Folder,
}

impl RelayPart {
    /// The word for metrics' labels, the same as in stored outcomes.
    pub fn word(self) -> &'static str {
        match self {
            RelayPart::Connect => "connect",
            RelayPart::Greeting => "greeting",
            RelayPart::Tls => "tls",
            RelayPart::Login => "login",
            RelayPart::Sender => "sender",
            RelayPart::Policy => "policy",
            RelayPart::Closing => "closing",
            RelayPart::Conversation => "conversation",
            RelayPart::Folder => "folder",
        }
    }
}

/// What became of one attempt. Replies are the server's words in one line, clipped, free of control characters; they
/// may hold the recipient's address and so belong in the send log, not in the daemon's own log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The receiver has taken the message and owns it now (RFC 5321 §6.1).
    Accepted { reply: String },
    /// Refused for good.
    Refused {
        reply: String,
        status: Option<EnhancedCode>,
        /// It is the recipient's mailbox that was refused, not this message.
        recipient_fault: bool,
        /// The address is dead; do not send to it again. Never set without `recipient_fault`.
        suppress: bool,
    },
    /// Refused for now (4yz); worth another attempt later.
    TryLater { reply: String },
    /// The message was handed over but the answer was not read to its end: it may or may not have been taken.
    Uncertain { why: String },
    /// The relay's own fault: the message goes back to the state and place that it had. It was certainly not taken.
    RelayFault {
        part: RelayPart,
        what: String,
        reply: Option<String>,
    },
    /// Nothing was tried, since the transport could not begin in time. The message goes back.
    NotStarted { why: String },
    /// This message cannot go to this recipient through this transport, whenever it is tried.
    Undeliverable { why: String },
    /// There were fewer products to show than the step asks for; nothing was attempted.
    TooFew { why: String },
}

#[cfg(test)]
mod tests {
    use super::{EnhancedCode, Outcome, RelayPart};

    #[test]
    fn enhanced_codes_are_read_strictly() {
        for good in ["5.1.1", "4.2.2", "2.0.0", "5.7.515", "5.1.10"] {
            assert_eq!(EnhancedCode::parse(good).unwrap().to_string(), good);
        }
        for bad in [
            "", "5", "5.1", "5.1.1.1", "3.1.1", "5.1.1000", "5..1", "a.b.c", "55.1.1", "5.+1.1",
        ] {
            assert_eq!(EnhancedCode::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_words_of_metrics_are_those_that_are_stored() {
        for part in [
            RelayPart::Connect,
            RelayPart::Greeting,
            RelayPart::Tls,
            RelayPart::Login,
            RelayPart::Sender,
            RelayPart::Policy,
            RelayPart::Closing,
            RelayPart::Conversation,
            RelayPart::Folder,
        ] {
            assert_eq!(
                serde_json::to_value(part).unwrap(),
                serde_json::Value::from(part.word())
            );
        }
    }

    #[test]
    fn an_outcome_survives_being_stored() {
        let refused = Outcome::Refused {
            reply: "550 5.1.1 no such user".into(),
            status: EnhancedCode::parse("5.1.1"),
            recipient_fault: true,
            suppress: true,
        };
        let bytes = postcard::to_stdvec(&refused).unwrap();
        assert_eq!(postcard::from_bytes::<Outcome>(&bytes).unwrap(), refused);
    }
}
