//! What a reply, or its absence, means for the message: DESIGN §9's line between a refusal that is the recipient's and a
//! fault that is the relay's. Told apart by phase, reply code and enhanced code, in this order (first match holds):
//!
//! | phase | reply | outcome |
//! | --- | --- | --- |
//! | any | 421 | relay fault: closing |
//! | until logged in | anything but what the phase asks for | relay fault: greeting, TLS, log-in |
//! | any | 530, 534, 535, 538 | relay fault: log-in |
//! | any | 500, 502, 503, 504 | relay fault: conversation (it is about the command, not about the message) |
//! | MAIL, RCPT, DATA, end | 4yz | try later |
//! | any | 5.7.x | relay fault: policy |
//! | any | 5.1.7, 5.1.8 | relay fault: sender |
//! | MAIL | 552, 5.3.4 | refused: this message is too large |
//! | MAIL | other 5yz | relay fault: sender |
//! | RCPT | other 5yz | refused, the recipient's |
//! | DATA, end | 5.1.x, 5.2.x | refused, the recipient's |
//! | DATA, end | other 5yz | refused, nobody's: this message, here |
//! | MAIL, RCPT, DATA | any other reply than the one asked for | relay fault: conversation |
//! | end | 3yz | uncertain: the reply belongs to another command |
//! | before the final dot | none: broken line, deadline, nonsense | relay fault, by phase |
//! | end | none: broken line, deadline, nonsense | uncertain |
//!
//! An address is suppressed only when the reply says that it is dead: 5.1.1, 5.1.2, 5.1.6, 5.1.10, and never together
//! with 552, the full mailbox. A bare 550 (551, 553) without an enhanced code refuses this message to this recipient
//! but does not suppress: the same bare 550 is how many servers refuse a listed sender or an unloved message at RCPT,
//! and a wrongly suppressed customer never hears of it, while a dead address shows itself again.

use super::reply::Reply;
use crate::domain::outcome::{Outcome, RelayPart};
use std::fmt;
use std::time::Duration;

/// Where in the conversation we stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    Connect,
    Greeting,
    Hello,
    Tls,
    Login,
    Mail,
    Rcpt,
    Data,
    /// The message is being written; its final dot is not out.
    Body,
    /// The final dot may be out; the reply to it is awaited.
    End,
}

impl Phase {
    fn part(self) -> RelayPart {
        match self {
            Phase::Connect => RelayPart::Connect,
            Phase::Greeting | Phase::Hello => RelayPart::Greeting,
            Phase::Tls => RelayPart::Tls,
            Phase::Login => RelayPart::Login,
            Phase::Mail | Phase::Rcpt | Phase::Data | Phase::Body | Phase::End => {
                RelayPart::Conversation
            }
        }
    }

    fn is_setting_up(self) -> bool {
        matches!(
            self,
            Phase::Connect | Phase::Greeting | Phase::Hello | Phase::Tls | Phase::Login
        )
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Connect => "connecting",
            Phase::Greeting => "the greeting",
            Phase::Hello => "EHLO",
            Phase::Tls => "the TLS handshake",
            Phase::Login => "the log-in",
            Phase::Mail => "MAIL FROM",
            Phase::Rcpt => "RCPT TO",
            Phase::Data => "DATA",
            Phase::Body => "sending the message",
            Phase::End => "the reply to the message",
        })
    }
}

/// Why there is no reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Break {
    /// The server closed the connection.
    Closed,
    /// The operating system or TLS says so.
    Failed(String),
    /// Nothing, or not all of it, within the deadline.
    Late(Duration),
    /// Something that is no SMTP reply.
    Nonsense(String),
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Break::Closed => f.write_str("the server closed the connection"),
            Break::Failed(why) => f.write_str(why),
            Break::Late(after) => write!(f, "no answer within {after:?}"),
            Break::Nonsense(what) => write!(f, "the server spoke nonsense: {what}"),
        }
    }
}

/// The meaning of a missing reply.
pub(crate) fn of_break(phase: Phase, broken: &Break) -> Outcome {
    match phase {
        Phase::End => Outcome::Uncertain {
            why: format!("the message was handed over, but {phase} was not read: {broken}"),
        },
        _ => Outcome::RelayFault {
            part: phase.part(),
            what: format!("during {phase}: {broken}"),
            reply: None,
        },
    }
}

/// The meaning of a reply that is not the one that takes the conversation on (2yz, or 354 to DATA), and of the last
/// one.
pub(crate) fn of_reply(phase: Phase, reply: &Reply) -> Outcome {
    let shown = reply.shown();
    let status = reply.status();
    let fault = |part, what: &str| Outcome::RelayFault {
        part,
        what: format!("during {phase}: {what}"),
        reply: Some(shown.clone()),
    };
    let refused = |recipient_fault: bool, suppress: bool| Outcome::Refused {
        reply: shown.clone(),
        status,
        recipient_fault,
        suppress,
    };
    let says = |test: fn(crate::domain::outcome::EnhancedCode) -> bool| status.is_some_and(test);
    match (phase, reply.code) {
        (_, 421) => fault(RelayPart::Closing, "the relay closes its service"),
        _ if phase.is_setting_up() => fault(phase.part(), "the relay refused"),
        (_, 530 | 534 | 535 | 538) => fault(RelayPart::Login, "the relay wants a log-in"),
        (_, 500 | 502..=504) => fault(RelayPart::Conversation, "the relay refused the command"),
        (_, 400..=499) => Outcome::TryLater { reply: shown },
        (_, 500..=599) if says(|s| s.blames_policy()) => {
            fault(RelayPart::Policy, "refused by policy")
        }
        (_, 500..=599) if says(|s| s.blames_sender()) => {
            fault(RelayPart::Sender, "the sender address was refused")
        }
        (Phase::Mail, 500..=599) => {
            let too_large =
                |s: crate::domain::outcome::EnhancedCode| (s.subject, s.detail) == (3, 4);
            if reply.code == 552 || says(too_large) {
                refused(false, false)
            } else {
                fault(RelayPart::Sender, "the sender address was refused")
            }
        }
        (_, 500..=599) => {
            let recipients = phase == Phase::Rcpt || says(|s| s.blames_recipient());
            let dead = says(|s| s.says_address_is_dead()) && reply.code != 552;
            refused(recipients, recipients && dead)
        }
        (Phase::End, 200..=299) => Outcome::Accepted { reply: shown },
        (Phase::End, _) => Outcome::Uncertain {
            why: format!(
                "the message was handed over, but the reply belongs to another command: {shown}"
            ),
        },
        _ => fault(RelayPart::Conversation, "the reply is out of step"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Break, Phase, of_break, of_reply};
    use crate::domain::outcome::{Outcome, RelayPart};
    use crate::transport::reply::Reply;
    use std::time::Duration;

    /// A short form of an outcome: what the table says about it.
    fn short(outcome: &Outcome) -> String {
        match outcome {
            Outcome::Accepted { .. } => "accepted".into(),
            Outcome::Refused {
                recipient_fault,
                suppress,
                ..
            } => match (recipient_fault, suppress) {
                (true, true) => "refused, dead".into(),
                (true, false) => "refused, recipient's".into(),
                (false, false) => "refused".into(),
                (false, true) => "nonsense: suppressed without fault".into(),
            },
            Outcome::TryLater { .. } => "later".into(),
            Outcome::Uncertain { .. } => "uncertain".into(),
            Outcome::RelayFault { part, .. } => format!("relay: {}", part.word()),
            Outcome::NotStarted { .. } => "not started".into(),
            Outcome::Undeliverable { .. } | Outcome::TooFew { .. } => "undeliverable".into(),
        }
    }

    #[test]
    fn the_table() {
        use Phase::{Data, End, Greeting, Hello, Login, Mail, Rcpt, Tls};
        for (phase, line, expected) in [
            (Greeting, "554 no service", "relay: greeting"),
            (Greeting, "450 busy", "relay: greeting"),
            (Greeting, "421 too many", "relay: closing"),
            (Hello, "550 who are you", "relay: greeting"),
            (Tls, "454 TLS not available", "relay: tls"),
            (Login, "535 5.7.8 wrong password", "relay: login"),
            (Login, "454 4.7.0 try again", "relay: login"),
            (Mail, "421 4.3.2 closing", "relay: closing"),
            (Mail, "451 4.3.0 local error", "later"),
            (Mail, "452 4.3.1 full", "later"),
            (Mail, "550 5.1.8 sender unknown", "relay: sender"),
            (Mail, "550 refused", "relay: sender"),
            (Mail, "553 5.1.0 not owned by you", "relay: sender"),
            (Mail, "530 5.7.0 authenticate first", "relay: login"),
            (Mail, "552 5.3.4 too large", "refused"),
            (Mail, "554 5.7.1 listed", "relay: policy"),
            (Rcpt, "421 4.3.2 closing", "relay: closing"),
            (Rcpt, "450 4.2.0 greylisted", "later"),
            (Rcpt, "451 4.7.1 later", "later"),
            (Rcpt, "452 4.2.2 full", "later"),
            (Rcpt, "550 5.1.1 unknown", "refused, dead"),
            (Rcpt, "550 5.1.2 no such domain", "refused, dead"),
            (Rcpt, "551 5.1.6 moved", "refused, dead"),
            (Rcpt, "556 5.1.10 null MX", "refused, dead"),
            (Rcpt, "550 unknown or unloved", "refused, recipient's"),
            (Rcpt, "551 not here", "refused, recipient's"),
            (Rcpt, "552 5.2.2 full", "refused, recipient's"),
            (
                Rcpt,
                "552 5.1.1 full, wrongly coded",
                "refused, recipient's",
            ),
            (Rcpt, "550 5.2.1 disabled", "refused, recipient's"),
            (Rcpt, "553 bad name", "refused, recipient's"),
            (Rcpt, "554 no", "refused, recipient's"),
            (Rcpt, "550 5.1.7 sender's syntax", "relay: sender"),
            (Rcpt, "550 5.7.1 relaying denied", "relay: policy"),
            (Rcpt, "550 5.7.515 not authenticated", "relay: policy"),
            (Rcpt, "503 need MAIL", "relay: conversation"),
            (Rcpt, "354 go on", "relay: conversation"),
            (Data, "250 ok", "relay: conversation"),
            (Data, "550 5.1.1 unknown", "refused, dead"),
            (Data, "554 no valid recipients", "refused"),
            (Data, "451 later", "later"),
            (End, "250 2.0.0 queued", "accepted"),
            (End, "354 go on", "uncertain"),
            (End, "421 4.3.2 closing", "relay: closing"),
            (End, "451 4.3.0 later", "later"),
            (End, "452 4.3.1 later", "later"),
            (End, "550 5.1.1 unknown", "refused, dead"),
            (End, "552 5.2.2 full", "refused, recipient's"),
            (End, "552 5.2.3 too large", "refused, recipient's"),
            (End, "550 refused", "refused"),
            (End, "554 5.6.0 bad content", "refused"),
            (End, "554 transaction failed", "refused"),
            (End, "550 5.7.1 looks like spam", "relay: policy"),
        ] {
            let (reply, _) = Reply::read(format!("{line}\r\n").as_bytes())
                .unwrap()
                .unwrap();
            assert_eq!(short(&of_reply(phase, &reply)), expected, "{phase}: {line}");
        }
    }

    #[test]
    fn only_the_final_dot_makes_silence_uncertain() {
        for broken in [
            Break::Closed,
            Break::Failed("reset".into()),
            Break::Late(Duration::from_secs(1)),
            Break::Nonsense("x".into()),
        ] {
            for (phase, part) in [
                (Phase::Connect, RelayPart::Connect),
                (Phase::Greeting, RelayPart::Greeting),
                (Phase::Hello, RelayPart::Greeting),
                (Phase::Tls, RelayPart::Tls),
                (Phase::Login, RelayPart::Login),
                (Phase::Mail, RelayPart::Conversation),
                (Phase::Rcpt, RelayPart::Conversation),
                (Phase::Data, RelayPart::Conversation),
                (Phase::Body, RelayPart::Conversation),
            ] {
                assert_eq!(
                    short(&of_break(phase, &broken)),
                    format!("relay: {}", part.word())
                );
            }
            assert_eq!(short(&of_break(Phase::End, &broken)), "uncertain");
        }
    }
}
