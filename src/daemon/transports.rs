//! From `[transport.NAME]` of the configuration to transports at work.
//!
//! This is where the settings of `config` become those of `transport`, which knows nothing of config.toml.

use crate::config::Config;
use crate::config::secret::Unreadable;
use crate::config::settings::Engine;
use crate::config::transport::{SmtpSettings, TlsMode, TransportSettings};
use crate::domain::time::Span;
use crate::transport::Transport;
use crate::transport::config::{
    AddressPattern, BackOff, CarrierConfig, Deadlines, FolderConfig, Login, Password, Rate,
    SmtpConfig, Tls, TransportConfig,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// How mail folders are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Folders {
    /// Each mail is on the disk before it counts as accepted.
    Durable,
    /// For looking at only (the demo).
    Quick,
}

/// All transports of `config`, ready to work; connects to nothing. The error says all that is wrong.
pub fn make(config: &Config, folders: Folders) -> Result<BTreeMap<String, Transport>, String> {
    let mut made = BTreeMap::new();
    let mut wrong = Vec::new();
    for (name, settings) in &config.transports {
        let transport = translate(name, settings, &config.engine, folders)
            .and_then(|config| Transport::new(config).map_err(|e| e.to_string()));
        match transport {
            Ok(transport) => _ = made.insert(name.clone(), transport),
            Err(why) => wrong.push(why),
        }
    }
    if wrong.is_empty() {
        Ok(made)
    } else {
        Err(wrong.join("\n"))
    }
}

/// What [`check`] found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Checked {
    pub wrong: Vec<String>,
    /// Passwords that whoever asks cannot read; the daemon, as another user or under systemd, perhaps can.
    pub out_of_reach: Vec<String>,
}

/// What `check` can say of the transports without opening anything: passwords that cannot be had, host names that are
/// none.
pub fn check(config: &Config) -> Checked {
    let mut checked = Checked::default();
    for (name, settings) in &config.transports {
        let mut settings = settings.clone();
        if let TransportSettings::Smtp(smtp) = &mut settings
            && let Some(login) = &smtp.login
            && let Err(why) = login.password.read()
        {
            let told = format!("transport \"{name}\": {why}");
            match why {
                Unreadable::NotHere(_) => checked.out_of_reach.push(told),
                Unreadable::Wrong(_) => checked.wrong.push(told),
            }
            // Said once; everything else of this transport is looked at all the same.
            smtp.login = None;
        }
        match translate(name, &settings, &config.engine, Folders::Durable) {
            Ok(config) => checked.wrong.extend(config.check()),
            Err(why) => checked.wrong.push(why),
        }
    }
    checked
}

fn translate(
    name: &str,
    settings: &TransportSettings,
    engine: &Engine,
    folders: Folders,
) -> Result<TransportConfig, String> {
    let smtp = match settings {
        TransportSettings::Folder { path } => {
            let mut config = TransportConfig::folder(name, path.clone());
            if let CarrierConfig::Folder(folder) = &mut config.carrier {
                *folder = FolderConfig {
                    durable: folders == Folders::Durable,
                    ..folder.clone()
                };
            }
            config.start_within = duration(engine.start_within);
            return Ok(config);
        }
        TransportSettings::Smtp(smtp) => smtp,
    };
    let only_to = smtp.only_to.iter().flatten();
    let only_to: Result<Vec<_>, String> = only_to
        .map(|recipients| AddressPattern::parse(&recipients.text))
        .collect();
    Ok(TransportConfig {
        name: name.to_owned(),
        connections: smtp.connections,
        rate: smtp.rate.map(|pace| Rate {
            count: pace.count,
            per: duration(pace.per),
        }),
        only_to: only_to?,
        start_within: duration(engine.start_within),
        back_off: BackOff {
            in_a_row: engine.relay_faults,
            first: duration(engine.relay_aside),
            most: duration(engine.relay_aside_most),
            ..BackOff::default()
        },
        carrier: CarrierConfig::Smtp(Box::new(relay(name, smtp)?)),
    })
}

fn relay(name: &str, smtp: &SmtpSettings) -> Result<SmtpConfig, String> {
    let login = match &smtp.login {
        None => None,
        Some(login) => Some(Login {
            user: login.username.clone(),
            // Read at each log-in, so that a changed password needs no restart.
            password: Password::File(
                login
                    .password
                    .path()
                    .map_err(|why| format!("transport \"{name}\": {why}"))?,
            ),
        }),
    };
    let t = &smtp.timeouts;
    let base = TransportConfig::smtp(name, &smtp.host, smtp.port);
    let CarrierConfig::Smtp(base) = base.carrier else {
        return Err(format!("transport \"{name}\" is no relay"));
    };
    Ok(SmtpConfig {
        host: smtp.host.clone(),
        port: smtp.port,
        tls: match smtp.tls {
            TlsMode::None => Tls::None,
            TlsMode::Starttls => Tls::StartTls,
            TlsMode::Implicit => Tls::Implicit,
        },
        tls_name: smtp.tls_name.clone(),
        ca_file: smtp.ca_file.clone(),
        login,
        hello: smtp.helo.clone().unwrap_or_else(host_name),
        deadlines: Deadlines {
            connect: duration(t.connect),
            greeting: duration(t.greeting),
            hello: duration(t.helo),
            tls: duration(t.tls),
            login: duration(t.auth),
            mail: duration(t.mail),
            rcpt: duration(t.rcpt),
            data: duration(t.data),
            body: duration(t.body),
            end: duration(t.reply),
            quit: duration(t.quit),
        },
        idle_for: duration(t.idle),
        probe_after: base.probe_after.min(duration(t.idle)),
    })
}

/// This host's name where it can stand in EHLO, else the address literal of the loopback (RFC 5321 §4.1.4).
fn host_name() -> String {
    let name = rustix::system::uname();
    let name = name.nodename().to_string_lossy().into_owned();
    let good = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() <= 253 && name.split('.').all(good) {
        name
    } else {
        "[127.0.0.1]".to_owned()
    }
}

/// A span as the transport counts time; none is negative in a configuration that was read.
pub fn duration(span: Span) -> Duration {
    Duration::from_millis(span.0.max(0).unsigned_abs())
}
