//! `[transport.NAME]`: how mail gets out. Settings only; the `transport` room does the sending.

use super::keys::{TIMEOUTS, TRANSPORT};
use super::secret::PasswordSource;
use super::text::{Pace, Recipients};
use super::toml_reader::{Item, Table};
use crate::domain::time::Span;
use std::path::{Path, PathBuf};

/// One way out.
#[derive(Clone, PartialEq, Debug)]
pub enum TransportSettings {
    /// One .eml a message and an index page, in this folder: rehearsal, nothing leaves.
    Folder {
        path: PathBuf,
    },
    Smtp(Box<SmtpSettings>),
}

#[derive(Clone, PartialEq, Debug)]
pub struct SmtpSettings {
    pub host: String,
    pub port: u16,
    pub tls: TlsMode,
    /// The name that the relay's certificate must bear, where that is not `host`.
    pub tls_name: Option<String>,
    /// A certificate authority of the relay's own, PEM.
    pub ca_file: Option<PathBuf>,
    pub login: Option<Login>,
    /// The name given in EHLO; `None` is the host's own.
    pub helo: Option<String>,
    /// At most so many at once.
    pub connections: usize,
    pub rate: Option<Pace>,
    /// For rehearsal: every other recipient is dropped with that reason.
    pub only_to: Option<Vec<Recipients>>,
    pub timeouts: Timeouts,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Login {
    pub username: String,
    pub password: PasswordSource,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TlsMode {
    None,
    /// Required: a relay without it is set aside, never spoken to in clear text.
    Starttls,
    Implicit,
}

/// Deadlines of the phases of one conversation (RFC 5321 §4.5.3.2 asks for at least these; a relay of one's own may
/// be given less).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timeouts {
    pub connect: Span,
    pub tls: Span,
    pub greeting: Span,
    pub helo: Span,
    pub auth: Span,
    pub mail: Span,
    pub rcpt: Span,
    /// For the answer to DATA.
    pub data: Span,
    /// For writing the message.
    pub body: Span,
    /// For the reply to the final dot: short of it the message is in doubt.
    pub reply: Span,
    pub quit: Span,
    /// A connection without work is closed after this.
    pub idle: Span,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connect: Span::seconds(30),
            tls: Span::seconds(60),
            greeting: Span::minutes(5),
            helo: Span::minutes(5),
            auth: Span::seconds(60),
            mail: Span::minutes(5),
            rcpt: Span::minutes(5),
            data: Span::minutes(2),
            body: Span::minutes(3),
            reply: Span::minutes(10),
            quit: Span::seconds(5),
            idle: Span::seconds(30),
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Folder,
    Smtp,
}

/// Reads one `[transport.NAME]`; `beside` is the folder that relative paths start from.
pub fn read(item: &Item<'_>, beside: &Path) -> Option<TransportSettings> {
    let table = item.table(&TRANSPORT)?;
    let kind = table
        .required("kind", "write kind = \"smtp\" or kind = \"folder\"")?
        .choice(&[("folder", Kind::Folder), ("smtp", Kind::Smtp)])?;
    if kind == Kind::Folder {
        for other in table
            .items()
            .iter()
            .filter(|i| i.name != "kind" && i.name != "path")
        {
            if TRANSPORT.known.contains(&other.name) {
                table.reader().error(
                    other.key_span(),
                    format!("`{}` has no meaning for a folder", other.name),
                    "remove it, or set kind = \"smtp\"",
                );
            }
        }
        let path = table.get("path").map_or(Some("mail"), |i| i.text())?;
        return Some(TransportSettings::Folder {
            path: beside.join(path),
        });
    }
    if let Some(path) = table.get("path") {
        table.reader().error(
            path.key_span(),
            "`path` has no meaning for smtp",
            "remove it, or set kind = \"folder\"",
        );
    }
    let host = table
        .required(
            "host",
            "write host = \"mail.shop.example\" or an address such as \"127.0.0.1\"",
        )
        .and_then(|i| i.parsed(host_name));
    let tls = table.get("tls").map_or(Some(TlsMode::Starttls), |i| {
        i.choice(&[
            ("none", TlsMode::None),
            ("starttls", TlsMode::Starttls),
            ("implicit", TlsMode::Implicit),
        ])
    });
    let usual_port = match tls {
        Some(TlsMode::Implicit) => 465,
        Some(TlsMode::Starttls) => 587,
        _ => 25,
    };
    let port = table
        .get("port")
        .map_or(Some(usual_port), |i| i.whole(1, 65_535));
    let login = read_login(&table, beside);
    // Each is read before any is missed, so that all that is wrong is said.
    let ca_file = optional(table.get("ca_file"), |i| Some(beside.join(i.text()?)));
    let tls_name = optional(table.get("tls_name"), |i| i.parsed(host_name));
    let helo = optional(table.get("helo"), |i| i.parsed(host_name));
    let connections = table
        .get("connections")
        .map_or(Some(8), |i| i.whole(1, 1_000));
    let rate = optional(table.get("rate"), |i| i.parsed(Pace::parse));
    let only_to = optional(table.get("only_to"), |i| {
        let patterns = i.parsed_list("write only_to = [\"*@shop.example\"]", Recipients::parse)?;
        if patterns.is_empty() {
            i.error(
                "`only_to` names nobody, so nobody could be written to",
                "name who may, or remove it",
            );
        }
        Some(patterns)
    });
    let timeouts = table
        .get("timeouts")
        .map_or(Some(Timeouts::default()), |i| read_timeouts(&i));
    let settings = SmtpSettings {
        host: host?,
        port: u16::try_from(port?).ok()?,
        tls: tls?,
        tls_name: tls_name?,
        ca_file: ca_file?,
        login: login?,
        helo: helo?,
        connections: usize::try_from(connections?).ok()?,
        rate: rate?,
        only_to: only_to?,
        timeouts: timeouts?,
    };
    if settings.login.is_some() && settings.tls == TlsMode::None && !is_loopback(&settings.host) {
        let at = table.get("tls").map_or(table.span(), |i| i.span());
        table.reader().error(
            at,
            format!("the password would go to {} in clear text", settings.host),
            "set tls = \"starttls\" or \"implicit\"",
        );
    }
    Some(TransportSettings::Smtp(Box::new(settings)))
}

/// `Some(None)` where the key is absent, `None` where its value is wrong.
pub(super) fn optional<'a, T>(
    item: Option<Item<'a>>,
    read: impl FnOnce(&Item<'a>) -> Option<T>,
) -> Option<Option<T>> {
    match item {
        None => Some(None),
        Some(item) => read(&item).map(Some),
    }
}

fn read_login(table: &Table<'_>, beside: &Path) -> Option<Option<Login>> {
    let username = table.get("username");
    let file = table.get("password_file");
    let credential = table.get("credential");
    if let (Some(_), Some(both)) = (&file, &credential) {
        table.reader().error(
            both.key_span(),
            "there are both `password_file` and `credential`",
            "keep one of them",
        );
        return None;
    }
    let source = file.or(credential);
    match (username, source) {
        (None, None) => Some(None),
        (Some(username), None) => {
            table.reader().error(
                username.key_span(),
                "`username` stands without a password",
                "add password_file = \"FILE\" or credential = \"NAME\" (systemd's LoadCredential)",
            );
            None
        }
        (None, Some(source)) => {
            table.reader().error(
                source.key_span(),
                format!("`{}` stands without `username`", source.name),
                "add username = \"...\"",
            );
            None
        }
        (Some(username), Some(source)) => {
            let username = username.text()?.to_owned();
            let password = if source.name == "credential" {
                PasswordSource::Credential(source.parsed(|name| {
                    if name.is_empty() || name.contains('/') || name.starts_with('.') {
                        Err("it is not the name of a credential; write the name that LoadCredential gives it".into())
                    } else {
                        Ok(name.to_owned())
                    }
                })?)
            } else {
                PasswordSource::File(beside.join(source.text()?))
            };
            Some(Some(Login { username, password }))
        }
    }
}

fn read_timeouts(item: &Item<'_>) -> Option<Timeouts> {
    let table = item.table(&TIMEOUTS)?;
    let usual = Timeouts::default();
    let read = |key: &str, or: Span| {
        table
            .get(key)
            .map_or(Some(or), |i| i.parsed(super::text::positive))
    };
    let connect = read("connect", usual.connect);
    let tls = read("tls", usual.tls);
    let greeting = read("greeting", usual.greeting);
    let helo = read("helo", usual.helo);
    let auth = read("auth", usual.auth);
    let mail = read("mail", usual.mail);
    let rcpt = read("rcpt", usual.rcpt);
    let data = read("data", usual.data);
    let body = read("body", usual.body);
    let reply = read("reply", usual.reply);
    let quit = read("quit", usual.quit);
    let idle = read("idle", usual.idle);
    Some(Timeouts {
        connect: connect?,
        tls: tls?,
        greeting: greeting?,
        helo: helo?,
        auth: auth?,
        mail: mail?,
        rcpt: rcpt?,
        data: data?,
        body: body?,
        reply: reply?,
        quit: quit?,
        idle: idle?,
    })
}

fn host_name(text: &str) -> Result<String, String> {
    let good = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | ':' | '_' | '[' | ']');
    // One colon parts a port off; an IPv6 address has more.
    if text.is_empty() || !text.chars().all(good) || text.matches(':').count() == 1 {
        return Err(format!(
            "{text:?} is no name of a host; write for example \"mail.shop.example\" (the port has a key of its own)"
        ));
    }
    Ok(text.to_owned())
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}
