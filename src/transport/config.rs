//! What a transport must be told. Plain values: the config room reads them from `[transport.NAME]` and builds them;
//! [`TransportConfig::check`] finds what no single value shows to be wrong.

use crate::domain::address::EmailAddress;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// One `[transport.NAME]`.
#[derive(Clone, Debug)]
pub struct TransportConfig {
    /// The NAME, for logs and metrics.
    pub name: String,
    pub carrier: CarrierConfig,
    /// The most messages in hand at once; for SMTP, the most connections open at once, idle ones included.
    pub connections: usize,
    /// The most messages per time; `None` is as fast as it goes.
    pub rate: Option<Rate>,
    /// For rehearsal: only these recipients; empty is everybody. The outbox drops the others with that reason; the
    /// transport refuses them once more.
    pub only_to: Vec<AddressPattern>,
    /// An attempt begins within this time of `deliver`, or the message is given back.
    pub start_within: Duration,
    pub back_off: BackOff,
}

#[derive(Clone, Debug)]
pub enum CarrierConfig {
    Smtp(Box<SmtpConfig>),
    Folder(FolderConfig),
}

#[derive(Clone, Debug)]
pub struct SmtpConfig {
    /// A name or an address.
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    /// The name that the certificate must bear, where it is not `host`.
    pub tls_name: Option<String>,
    /// A PEM file of authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    pub login: Option<Login>,
    /// How we call ourselves in EHLO: a domain name, or `[192.0.2.1]` (RFC 5321 §4.1.3).
    pub hello: String,
    pub deadlines: Deadlines,
    /// A connection idle for so long is closed.
    pub idle_for: Duration,
    /// A connection idle for so long is asked (NOOP) whether it still lives before a message is given to it.
    pub probe_after: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tls {
    None,
    /// STARTTLS, required: a server without it is a relay fault, there is no falling back (RFC 3207).
    StartTls,
    /// TLS from the first byte (RFC 8314 §3.3).
    Implicit,
}

#[derive(Clone, Debug)]
pub struct Login {
    pub user: String,
    pub password: Password,
}

/// Where the password is found.
#[derive(Clone)]
pub enum Password {
    /// Read at each log-in, so that a changed password needs no restart. A newline at its end is dropped.
    File(PathBuf),
    Text(String),
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Password::File(path) => f.debug_tuple("File").field(path).finish(),
            Password::Text(_) => f.write_str("Text(…)"),
        }
    }
}

/// How long each phase may take before the connection is dropped. Defaults follow RFC 5321 §4.5.3.2 where it names one.
#[derive(Clone, Debug)]
pub struct Deadlines {
    pub connect: Duration,
    pub greeting: Duration,
    pub hello: Duration,
    pub tls: Duration,
    pub login: Duration,
    pub mail: Duration,
    pub rcpt: Duration,
    pub data: Duration,
    /// For the whole of the message.
    pub body: Duration,
    /// For the reply after the final dot; if it passes, the message is in doubt, so it is the longest.
    pub end: Duration,
    pub quit: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Deadlines {
            connect: Duration::from_secs(30),
            greeting: Duration::from_secs(300),
            hello: Duration::from_secs(300),
            tls: Duration::from_secs(60),
            login: Duration::from_secs(60),
            mail: Duration::from_secs(300),
            rcpt: Duration::from_secs(300),
            data: Duration::from_secs(120),
            body: Duration::from_secs(180),
            end: Duration::from_secs(600),
            quit: Duration::from_secs(5),
        }
    }
}

impl Deadlines {
    /// The same time for each phase: for tests, whose chaos runs in milliseconds.
    pub fn all(each: Duration) -> Self {
        Deadlines {
            connect: each,
            greeting: each,
            hello: each,
            tls: each,
            login: each,
            mail: each,
            rcpt: each,
            data: each,
            body: each,
            end: each,
            quit: each,
        }
    }
}

/// When a relay is set aside, and for how long.
#[derive(Clone, Debug)]
pub struct BackOff {
    /// So many faults in a row.
    pub in_a_row: u32,
    /// Or so many ...
    pub faults: usize,
    /// ... of the newest this many attempts.
    pub of_last: usize,
    /// Set aside for so long at first, then twice as long after each failed trial, ...
    pub first: Duration,
    /// ... up to this.
    pub most: Duration,
}

impl Default for BackOff {
    fn default() -> Self {
        BackOff {
            in_a_row: 5,
            faults: 20,
            of_last: 100,
            first: Duration::from_secs(30),
            most: Duration::from_secs(15 * 60),
        }
    }
}

/// `50 per 1s`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    pub count: u32,
    pub per: Duration,
}

#[derive(Clone, Debug)]
pub struct FolderConfig {
    pub path: PathBuf,
    /// Each message is on the disk before it counts as accepted. Off only where the mails are for looking at.
    pub durable: bool,
    /// The index page is written at most once in this time.
    pub page_every: Duration,
}

/// `*@shop.example`, `mina@shop.example` or `*`; case does not matter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressPattern(String);

impl AddressPattern {
    pub fn parse(text: &str) -> Result<Self, String> {
        let pattern = text.trim();
        let wrong = || {
            format!(
                "{text:?} is no address pattern; write \"*@shop.example\", a whole address, or \"*\""
            )
        };
        if pattern == "*" {
            return Ok(AddressPattern("*".into()));
        }
        // The domain is brought into the form that addresses have, by parsing an address that ends in it.
        let (local, domain) = pattern.rsplit_once('@').ok_or_else(wrong)?;
        let stand_in = if local == "*" { "any" } else { local };
        let address = EmailAddress::parse(&format!("{stand_in}@{domain}")).map_err(|_| wrong())?;
        Ok(AddressPattern(if local == "*" {
            format!("*@{}", address.domain())
        } else {
            address.mailbox().0
        }))
    }

    pub fn matches(&self, address: &EmailAddress) -> bool {
        match self.0.strip_prefix("*@") {
            Some(domain) => address.domain().eq_ignore_ascii_case(domain),
            None => self.0 == "*" || self.0 == address.mailbox().0,
        }
    }
}

impl TransportConfig {
    /// An SMTP transport with the defaults of section 10 of the design.
    pub fn smtp(name: &str, host: &str, port: u16) -> Self {
        TransportConfig {
            name: name.into(),
            carrier: CarrierConfig::Smtp(Box::new(SmtpConfig {
                host: host.into(),
                port,
                tls: Tls::StartTls,
                tls_name: None,
                ca_file: None,
                login: None,
                hello: "localhost".into(),
                deadlines: Deadlines::default(),
                idle_for: Duration::from_secs(60),
                probe_after: Duration::from_secs(15),
            })),
            connections: 8,
            rate: None,
            only_to: Vec::new(),
            start_within: Duration::from_secs(5),
            back_off: BackOff::default(),
        }
    }

    /// A folder of mails.
    pub fn folder(name: &str, path: impl Into<PathBuf>) -> Self {
        TransportConfig {
            name: name.into(),
            carrier: CarrierConfig::Folder(FolderConfig {
                path: path.into(),
                durable: true,
                page_every: Duration::from_millis(500),
            }),
            connections: 8,
            rate: None,
            only_to: Vec::new(),
            start_within: Duration::from_secs(5),
            back_off: BackOff::default(),
        }
    }

    /// Everything that is wrong with it, each in words for the administrator.
    pub fn check(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut expect = |good: bool, what: &str| {
            if !good {
                wrong.push(format!("transport \"{}\": {what}", self.name));
            }
        };
        expect(
            (1..=1000).contains(&self.connections),
            "connections must be 1 to 1000",
        );
        expect(
            self.rate.is_none_or(|r| r.count > 0 && !r.per.is_zero()),
            "rate must be at least one message per time, such as \"50 per 1s\"",
        );
        expect(
            !self.start_within.is_zero(),
            "start_within must not be zero",
        );
        let b = &self.back_off;
        expect(
            b.in_a_row > 0 && b.faults > 0 && b.of_last >= b.faults,
            "back-off needs at least one fault, and no more faults than the attempts they are counted in",
        );
        expect(
            !b.first.is_zero() && b.most >= b.first,
            "back-off must be longer than nothing and its longest time no shorter than its first",
        );
        if let CarrierConfig::Smtp(smtp) = &self.carrier {
            let word =
                |t: &str| !t.is_empty() && t.chars().all(|c| !c.is_control() && !c.is_whitespace());
            expect(word(&smtp.host), "host must be a name or an address");
            expect(smtp.port != 0, "port must be 1 to 65535");
            expect(
                word(&smtp.hello) && smtp.hello.is_ascii(),
                "the name for EHLO must be a domain name or an address in brackets",
            );
            let near = matches!(smtp.host.as_str(), "localhost" | "127.0.0.1" | "::1");
            expect(
                smtp.login.is_none() || smtp.tls != Tls::None || near,
                "a password is not sent over a network in clear text; set tls = \"starttls\" or \"implicit\"",
            );
            expect(
                smtp.ca_file.is_none() || smtp.tls != Tls::None,
                "ca_file has no meaning with tls = \"none\"",
            );
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::{
        AddressPattern, CarrierConfig, EmailAddress, Login, Password, Rate, Tls, TransportConfig,
    };
    use std::time::Duration;

    #[test]
    fn patterns_hold_for_whom_they_say() {
        let mina = EmailAddress::parse("Mina@Shop.Example").unwrap();
        for (pattern, holds) in [
            ("*", true),
            ("*@shop.example", true),
            ("*@SHOP.example", true),
            ("mina@shop.example", true),
            ("*@sub.shop.example", false),
            ("*@hop.example", false),
            ("ina@shop.example", false),
        ] {
            let pattern = AddressPattern::parse(pattern).unwrap();
            assert_eq!(pattern.matches(&mina), holds, "{pattern:?}");
        }
        for bad in [
            "",
            "shop.example",
            "*@",
            "a b@shop.example",
            "m*@shop.example@",
        ] {
            assert!(AddressPattern::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_cannot_work_is_said_all_at_once() {
        let mut config = TransportConfig::smtp("main", "mail.shop.example", 587);
        assert_eq!(config.check(), Vec::<String>::new());
        config.connections = 0;
        config.rate = Some(Rate {
            count: 0,
            per: Duration::from_secs(1),
        });
        if let CarrierConfig::Smtp(smtp) = &mut config.carrier {
            smtp.tls = Tls::None;
            smtp.login = Some(Login {
                user: "shop".into(),
                password: Password::Text("secret".into()),
            });
            smtp.hello = "two words".into();
        }
        let wrong = config.check();
        assert_eq!(wrong.len(), 4, "{wrong:?}");
        assert!(wrong.iter().all(|w| w.starts_with("transport \"main\": ")));
        assert!(!format!("{config:?}").contains("secret"));
    }
}
