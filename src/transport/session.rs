//! One connection's conversation with an SMTP server: greeting, EHLO, TLS, log-in, then message after message. We drive
//! each phase ourselves, with a deadline of its own, so that what went wrong is known by phase. lettre (0.11.23) gives
//! the commands and the log-in mechanisms; its connection is not used, since it joins the body with the reply to it
//! (whether the final dot was out is then unknown, and with it whether a message is in doubt), joins greeting with EHLO,
//! adds a blank line to a message that ends in CRLF, and hides what is unread (see [`super::wire`]).

use super::Outgoing;
use super::config::{Deadlines, SmtpConfig, Tls};
use super::login::log_in;
use super::reply::Reply;
use super::tls::TlsSetup;
use super::transparency::{headers, stuff};
use super::verdict::{Break, Phase, of_break, of_reply};
use super::wire::{Wire, within};
use crate::domain::address::EmailAddress;
use crate::domain::outcome::{Outcome, RelayPart};
use lettre::Address;
use lettre::transport::smtp::commands::{Data, Ehlo, Mail, Noop, Quit, Rcpt, Rset, Starttls};
use lettre::transport::smtp::extension::{ClientId, MailBodyParameter, MailParameter};
use tokio::time::Instant;

/// What the server offers (its EHLO keywords, which are compared without case, RFC 5321 §2.4).
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub(crate) struct Offers {
    eight_bit: bool,
    smtputf8: bool,
    start_tls: bool,
    /// The largest message that it takes, in bytes (RFC 1870); `None` where it does not say.
    size: Option<usize>,
    pub plain: bool,
    pub login: bool,
}

impl Offers {
    fn read(hello: &Reply) -> Offers {
        let mut offers = Offers::default();
        for line in hello.lines.iter().skip(1) {
            let line = line.to_ascii_uppercase();
            let mut words = line.split_whitespace();
            match words.next() {
                Some("8BITMIME") => offers.eight_bit = true,
                Some("SMTPUTF8") => offers.smtputf8 = true,
                Some("STARTTLS") => offers.start_tls = true,
                Some("SIZE") => {
                    // Zero means that there is no fixed limit.
                    offers.size = words.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
                }
                Some("AUTH") => {
                    for mechanism in words {
                        offers.plain |= mechanism == "PLAIN";
                        offers.login |= mechanism == "LOGIN";
                    }
                }
                _ => {}
            }
        }
        offers
    }
}

/// How a connection stands after a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rest {
    /// It can take the next message.
    Ready,
    /// A transaction is open; after RSET it can.
    NeedsReset,
    /// It must be dropped.
    Broken,
}

/// What became of a message on this connection.
pub(crate) struct Attempt {
    pub outcome: Outcome,
    pub rest: Rest,
    /// The connection failed before MAIL was answered: on a kept connection that means that it was stale, and nothing
    /// about the relay.
    pub stale: bool,
}

pub(crate) struct Session {
    wire: Wire,
    offers: Offers,
    deadlines: Deadlines,
    /// Since when it is at rest.
    pub rested: Instant,
    /// It was put aside at rest at least once; the server may have hung up meanwhile.
    pub kept: bool,
}

impl Session {
    /// Connects and goes through everything up to being ready for MAIL. The error is a relay fault.
    pub async fn open(smtp: &SmtpConfig, tls: Option<&TlsSetup>) -> Result<Session, Outcome> {
        let at = |phase| move |broken: Break| of_break(phase, &broken);
        let deadlines = &smtp.deadlines;
        let mut wire = Wire::connect(&smtp.host, smtp.port, deadlines.connect)
            .await
            .map_err(at(Phase::Connect))?;
        let secure = |wire: Wire| async move {
            let Some(tls) = tls.cloned() else {
                return Err(Break::Failed("TLS is not set up".into()));
            };
            wire.start_tls(tls.config, tls.name, deadlines.tls).await
        };
        if smtp.tls == Tls::Implicit {
            wire = secure(wire).await.map_err(at(Phase::Tls))?;
        }
        let greeting = wire
            .reply(deadlines.greeting)
            .await
            .map_err(at(Phase::Greeting))?;
        if !greeting.is_done() {
            return Err(of_reply(Phase::Greeting, &greeting));
        }
        let mut offers = hello(&mut wire, smtp).await?;
        if smtp.tls == Tls::StartTls {
            if !offers.start_tls {
                return Err(Outcome::RelayFault {
                    part: RelayPart::Tls,
                    what: "the relay does not offer STARTTLS, which is required".into(),
                    reply: None,
                });
            }
            let reply = wire
                .ask(&Starttls.to_string(), deadlines.tls)
                .await
                .map_err(at(Phase::Tls))?;
            if !reply.is_done() {
                return Err(of_reply(Phase::Tls, &reply));
            }
            wire = secure(wire).await.map_err(at(Phase::Tls))?;
            // What was offered in clear text is forgotten (RFC 3207 §4.2).
            offers = hello(&mut wire, smtp).await?;
        }
        if let Some(login) = &smtp.login {
            log_in(&mut wire, &offers, login, deadlines).await?;
        }
        Ok(Session {
            wire,
            offers,
            deadlines: deadlines.clone(),
            rested: Instant::now(),
            kept: false,
        })
    }

    /// Takes one message to one recipient.
    pub async fn deliver(&mut self, mail: &Outgoing) -> Attempt {
        let parameters = match self.parameters(mail) {
            Ok(parameters) => parameters,
            Err(outcome) => {
                return Attempt {
                    outcome,
                    rest: Rest::Ready,
                    stale: false,
                };
            }
        };
        let from = Mail::new(Some(address(&mail.from)), parameters).to_string();
        let to = Rcpt::new(address(&mail.to), Vec::new()).to_string();
        let steps = [
            (Phase::Mail, from, self.deadlines.mail),
            (Phase::Rcpt, to, self.deadlines.rcpt),
            (Phase::Data, Data.to_string(), self.deadlines.data),
        ];
        for (phase, command, deadline) in steps {
            match self.wire.ask(&command, deadline).await {
                Ok(reply) if phase == Phase::Data && reply.code == 354 => {}
                Ok(reply) if phase != Phase::Data && reply.is_done() => {}
                Ok(reply) => return self.ended(phase, &reply),
                Err(broken) => return self.broke(phase, &broken),
            }
        }
        self.body(&mail.bytes).await
    }

    async fn body(&mut self, bytes: &[u8]) -> Attempt {
        let stuffed = stuff(bytes);
        let mut sent = 0;
        let writing = self.wire.write_counting(&stuffed, &mut sent);
        match within(self.deadlines.body, writing).await {
            Ok(()) => {}
            Err(broken) if sent < stuffed.len() => {
                // A server that has seen enough says so, then hangs up: if its reply came through, it is the better
                // reason. The message cannot have been taken, whatever the reply.
                return match self.wire.reply(self.deadlines.quit).await {
                    Ok(reply) if reply.code >= 400 => Attempt {
                        outcome: of_reply(Phase::Data, &reply),
                        rest: Rest::Broken,
                        stale: false,
                    },
                    _ => self.broke(Phase::Body, &broken),
                };
            }
            Err(broken) => return self.broke(Phase::End, &broken),
        }
        match self.wire.reply(self.deadlines.end).await {
            Ok(reply) => self.ended(Phase::End, &reply),
            Err(broken) => self.broke(Phase::End, &broken),
        }
    }

    /// The attempt ended with this reply.
    fn ended(&mut self, phase: Phase, reply: &Reply) -> Attempt {
        let outcome = of_reply(phase, reply);
        let in_step = match (phase, reply.code) {
            (_, 421) => false,
            (Phase::End, code) => !(300..400).contains(&code),
            (_, code) => code >= 400,
        };
        let rest = if !in_step || !self.wire.is_quiet() {
            Rest::Broken
        } else if phase == Phase::End {
            Rest::Ready
        } else {
            Rest::NeedsReset
        };
        Attempt {
            outcome,
            rest,
            stale: phase == Phase::Mail && reply.code == 421,
        }
    }

    fn broke(&self, phase: Phase, broken: &Break) -> Attempt {
        Attempt {
            outcome: of_break(phase, broken),
            rest: Rest::Broken,
            stale: phase == Phase::Mail,
        }
    }

    /// The parameters of MAIL, only those that were offered (RFC 6152, RFC 6531); or what forbids sending this message.
    fn parameters(&self, mail: &Outgoing) -> Result<Vec<MailParameter>, Outcome> {
        let undeliverable = |why: String| Err(Outcome::Undeliverable { why });
        let mut parameters = Vec::new();
        if !mail.bytes.is_ascii() {
            if !self.offers.eight_bit {
                return undeliverable(
                    "the message holds 8-bit text, which the relay does not take (no 8BITMIME)"
                        .into(),
                );
            }
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let foreign_recipient = !mail.to.as_str().is_ascii();
        let foreign_sender = !mail.from.as_str().is_ascii();
        if foreign_recipient || foreign_sender || !headers(&mail.bytes).is_ascii() {
            if !self.offers.smtputf8 {
                let without = "which the relay does not take (no SMTPUTF8)";
                return if foreign_sender {
                    Err(Outcome::RelayFault {
                        part: RelayPart::Sender,
                        what: format!(
                            "the sender address holds characters outside ASCII, {without}"
                        ),
                        reply: None,
                    })
                } else if foreign_recipient {
                    undeliverable(format!(
                        "the address holds characters outside ASCII before \"@\", {without}"
                    ))
                } else {
                    undeliverable(format!(
                        "the message's header holds characters outside ASCII, {without}"
                    ))
                };
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if let Some(most) = self.offers.size.filter(|most| mail.bytes.len() > *most) {
            return undeliverable(format!(
                "the message has {} bytes, the relay takes at most {most}",
                mail.bytes.len()
            ));
        }
        Ok(parameters)
    }

    /// Ends an open transaction. False: drop the connection.
    pub async fn reset(&mut self) -> bool {
        self.answers(&Rset.to_string()).await
    }

    /// Asks whether the server is still there.
    pub async fn probe(&mut self) -> bool {
        self.answers(&Noop.to_string()).await
    }

    async fn answers(&mut self, command: &str) -> bool {
        // As short as QUIT's: whoever takes longer over a command without meaning is better replaced.
        match self.wire.ask(command, self.deadlines.quit).await {
            Ok(reply) => reply.is_done() && self.wire.is_quiet(),
            Err(_) => false,
        }
    }

    pub fn is_quiet(&mut self) -> bool {
        self.wire.is_quiet()
    }

    /// Takes leave politely; what comes of it does not matter.
    pub async fn quit(mut self) {
        let _ = self.wire.ask(&Quit.to_string(), self.deadlines.quit).await;
    }
}

async fn hello(wire: &mut Wire, smtp: &SmtpConfig) -> Result<Offers, Outcome> {
    let command = Ehlo::new(ClientId::Domain(smtp.hello.clone())).to_string();
    let reply = wire
        .ask(&command, smtp.deadlines.hello)
        .await
        .map_err(|broken| of_break(Phase::Hello, &broken))?;
    if reply.is_done() {
        Ok(Offers::read(&reply))
    } else {
        Err(of_reply(Phase::Hello, &reply))
    }
}

/// Our addresses are checked when they are made, more strictly than lettre does.
fn address(address: &EmailAddress) -> Address {
    Address::new_dangerous(address.local(), address.domain())
}

#[cfg(test)]
mod tests {
    use super::Offers;
    use crate::transport::reply::Reply;

    #[test]
    fn offers_are_read_without_case_and_not_from_the_greeting_line() {
        let text = "250-8BITMIME is my name\r\n250-size 1000\r\n250-SmtpUtf8\r\n250-auth login plain\r\n250 HELP\r\n";
        let (reply, _) = Reply::read(text.as_bytes()).unwrap().unwrap();
        assert_eq!(
            Offers::read(&reply),
            Offers {
                eight_bit: false,
                smtputf8: true,
                start_tls: false,
                size: Some(1000),
                plain: true,
                login: true,
            }
        );
    }
}
