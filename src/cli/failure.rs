//! How a command can fail: each with its exit code, a text and a hint.

use super::screen::Screen;
use crate::config::problem::{Problem, render_all};
use crate::daemon::DaemonError;
use crate::daemon::house::OpenError;
use crate::daemon::socket::SocketError;
use crate::engine::shard::Refused;
use crate::http::admin::Refusal;
use crate::store::StoreError;
use std::fmt;
use std::io;

#[derive(Debug)]
pub enum Failure {
    /// It did not work, for this reason.
    Failed {
        what: String,
        hint: String,
    },
    /// What was typed makes no sense together.
    Usage(String),
    /// No configuration was found.
    NoConfiguration(String),
    /// config.toml is bad.
    Configuration(Vec<Problem>),
    /// What is wrong with the files has been printed already.
    BadFiles,
    /// Something that the configuration asks for cannot be had.
    BadSetting(String),
    NotFound {
        what: String,
        hint: String,
    },
    /// In use, unavailable, full or damaged.
    Store {
        what: String,
        hint: String,
    },
    /// Damage has been printed already.
    Damaged,
    /// What came in is not what it must be; for mail servers (`EX_DATAERR` of sysexits).
    BadMail(String),
    /// For mail servers: to be tried again, for this reason (`EX_TEMPFAIL`).
    TryLater(Box<Failure>),
    /// Whoever read our output has gone: no failure of ours.
    Unread,
}

impl Failure {
    pub fn failed(what: impl Into<String>) -> Failure {
        Failure::Failed {
            what: what.into(),
            hint: String::new(),
        }
    }

    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Unread => 0,
            Failure::Failed { .. } => 1,
            Failure::Usage(_) => 2,
            Failure::NoConfiguration(_)
            | Failure::Configuration(_)
            | Failure::BadFiles
            | Failure::BadSetting(_) => 3,
            Failure::NotFound { .. } => 4,
            Failure::Store { .. } | Failure::Damaged => 5,
            Failure::BadMail(_) => 65,
            Failure::TryLater(_) => 75,
        }
    }

    /// Text and hint for people; nothing where it was printed already.
    fn words(&self) -> Option<(String, String)> {
        match self {
            Failure::Unread | Failure::BadFiles | Failure::Damaged => None,
            Failure::Failed { what, hint }
            | Failure::NotFound { what, hint }
            | Failure::Store { what, hint } => Some((what.clone(), hint.clone())),
            Failure::BadMail(what) => Some((what.clone(), String::new())),
            Failure::TryLater(why) => why.words(),
            Failure::Usage(what) => Some((what.clone(), "--help says how it is used".into())),
            Failure::NoConfiguration(what) => Some((
                what.clone(),
                "`reveille demo` needs none; for a shop of your own begin with a copy of config.toml"
                    .into(),
            )),
            Failure::BadSetting(what) => Some((
                what.clone(),
                "change config.toml, then run `reveille check`".into(),
            )),
            Failure::Configuration(_) => None,
        }
    }

    /// Prints it to standard error.
    pub fn print(&self, screen: Screen) {
        if let Failure::TryLater(why) = self {
            return why.print(screen);
        }
        if let Failure::Configuration(problems) = self {
            screen.complain(&render_all(problems, screen.colour_on_stderr));
        }
        if let Some((what, hint)) = self.words() {
            screen.error(&what, &hint);
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.words() {
            Some((what, _)) => f.write_str(&what),
            None => f.write_str("see above"),
        }
    }
}

impl From<io::Error> for Failure {
    /// Of writing to standard output; other errors are told where they happen.
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::Unread,
            _ => Failure::failed(format!("the output could not be written: {error}")),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        let refusal = Refusal::from(error.clone());
        let hint = match error {
            StoreError::Unavailable(_) => {
                "one process holds the store at a time: is another command or a daemon with another \
                 [admin] socket running?"
                    .to_owned()
            }
            _ => refusal.hint.unwrap_or_default(),
        };
        Failure::Store {
            what: refusal.error,
            hint,
        }
    }
}

impl From<Refused> for Failure {
    fn from(error: Refused) -> Failure {
        match error {
            Refused::Store(error) => error.into(),
            Refused::Data(_) | Refused::Unreadable(_) => Failure::Store {
                what: error.to_string(),
                hint: "`reveille verify` tells what of the store is damaged".into(),
            },
            Refused::Forgotten | Refused::TakenAway(_) => Failure::failed(error.to_string()),
            Refused::Mode(what) => Failure::failed(what),
            Refused::Stopping => Failure::Store {
                what: "the engine is stopping".into(),
                hint: "try again".into(),
            },
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Failure {
        match error {
            OpenError::Transports(what) => Failure::BadSetting(what),
            OpenError::Store(error) => error.into(),
            OpenError::Engine(error) => error.into(),
            OpenError::NoStore(_) => Failure::NotFound {
                what: error.to_string(),
                hint: "`reveille run` or `reveille import` makes it; is --config the right one?"
                    .into(),
            },
        }
    }
}

impl From<DaemonError> for Failure {
    fn from(error: DaemonError) -> Failure {
        match error {
            DaemonError::Open(error) => error.into(),
            DaemonError::Close(error) => error.into(),
            DaemonError::Listen(error) => Failure::Failed {
                what: error.to_string(),
                hint: "is another program listening there? [http] in config.toml says where this one does".into(),
            },
            DaemonError::Socket(error) => {
                let what = error.to_string();
                let hint = match error {
                    SocketError::InUse(_) => "stop it first (`systemctl stop reveille`)",
                    SocketError::NotASocket(_) => "move it away, or set [admin] socket",
                    SocketError::Io { .. } => {
                        "its folder must be there and yours to write in (/run/reveille is there while the \
                         service runs only); or set [admin] socket in config.toml"
                    }
                };
                Failure::Store {
                    what,
                    hint: hint.into(),
                }
            }
        }
    }
}
