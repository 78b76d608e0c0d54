//! The settings, as types, and their defaults.
//!
//! What each means to a person is written once, in the commented default file that is embedded here and written out
//! by `reveille init`; a test shows that it says exactly these defaults.

use super::problem::Problem;
use super::text::{AtOnce, Mailbox};
use super::transport::TransportSettings;
use crate::domain::address::EmailAddress;
use crate::domain::breaker::Breakers;
use crate::domain::calendar::ClosedDays;
use crate::domain::cap::Cap;
use crate::domain::event::EventRules;
use crate::domain::holdout::Share;
use crate::domain::id::{LinkName, StaffName};
use crate::domain::rules::{Ceiling, InDoubt, Shop};
use crate::domain::time::Span;
use crate::domain::window::Window;
use chrono_tz::Tz;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The commented default file.
pub const DEFAULT_FILE: &str = include_str!("../../config.toml");

/// All of config.toml. Every path has been joined to the folder of the file.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    /// The file that this was read from.
    pub path: PathBuf,
    /// The folder of campaign files.
    pub campaigns: PathBuf,
    /// The folder of templates.
    pub templates: PathBuf,
    pub store: StoreSettings,
    pub retention: Retention,
    pub sender: Sender,
    /// By name; never empty.
    pub transports: BTreeMap<String, TransportSettings>,
    pub http: super::http::Http,
    /// By name.
    pub webhooks: BTreeMap<String, super::webhook::Webhook>,
    pub tracking: Tracking,
    pub admin: Admin,
    pub defaults: Defaults,
    pub ceiling: Limits,
    pub law: Law,
    /// Whom campaigns may tell of customers, by name.
    pub staff: BTreeMap<StaffName, EmailAddress>,
    /// Days on which advertising waits.
    pub closed: ClosedDays,
    pub safety: Safety,
    pub engine: Engine,
    /// `[events.NAME]`.
    pub events: EventRules,
    /// Of all customers: they get no advertising, whatever the campaign.
    pub control: Option<Share>,
    /// What the file says that its writer probably did not mean.
    pub warnings: Vec<Problem>,
    /// How much harm a campaign may do before it pauses itself.
    pub breakers: Breakers,
    /// Who of the shop gets a copy of each form of a mail, the first time that it goes out.
    pub seeds: Vec<EmailAddress>,
    /// Pages of the shop that templates may name.
    pub links: BTreeMap<LinkName, String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoreSettings {
    pub path: PathBuf,
    /// Bytes of memory for what is read at random.
    pub cache: u64,
}

/// How long things are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retention {
    pub events: Span,
    pub log: Span,
    pub journal: Span,
    pub sent_copies: Span,
}

/// Who the mails come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sender {
    pub from: Mailbox,
    /// Postal.
    pub address: Option<String>,
    pub company: Option<String>,
    pub phone: Option<String>,
    pub unsubscribe_mailto: Option<EmailAddress>,
}

/// What of a mail is followed, where it may be at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tracking {
    pub opens: bool,
    pub clicks: bool,
    /// A link that no person sees.
    pub honeypot: bool,
}

impl Default for Tracking {
    fn default() -> Self {
        Tracking {
            opens: true,
            clicks: true,
            honeypot: true,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Admin {
    /// The daemon's unix socket.
    pub socket: PathBuf,
}

/// For customers who have said nothing of their own.
#[derive(Clone, PartialEq, Debug)]
pub struct Defaults {
    pub timezone: Tz,
    pub locale: String,
    pub window: Option<Window>,
    pub caps: Vec<Cap>,
    pub gap: Option<Span>,
}

/// For every advertising and informational message, whoever asked for more.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Limits {
    pub window: Option<Window>,
    pub caps: Vec<Cap>,
    pub gap: Option<Span>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Law {
    /// ISO 3166, of customers without an attribute `country`.
    pub country: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Safety {
    pub at_once: AtOnce,
    /// A wall clock further ahead of the journal than this at start holds sending.
    pub resume_after: Span,
    pub in_doubt: InDoubt,
}

/// Deadlines and back-offs of the daemon itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Engine {
    /// Between two looks at alarms and schedules.
    pub tick: Span,
    /// Before the second, third, ... attempt; the last is repeated.
    pub retry: Vec<Span>,
    /// From the first attempt; after it nothing is tried again.
    pub give_up: Span,
    /// A message judged fit leaves within this, or is given back; at most [`Engine::START_WITHIN_MOST`].
    pub start_within: Span,
    /// Before a message in doubt is sent again.
    pub settle: Span,
    /// How long a failing relay is set aside at first; twice as long after each failed trial, ...
    pub relay_aside: Span,
    /// ... up to this.
    pub relay_aside_most: Span,
    /// Faults of a relay in a row that set it aside.
    pub relay_faults: u32,
    /// How far wall clock and monotonic clock may part before sending is held.
    pub clock_gap: Span,
    /// What is in hand is finished within this after SIGTERM.
    pub stop_within: Span,
}

impl Engine {
    /// Policy ends windows 5 s early; half of that is for the commit, the other half for the start.
    pub const START_WITHIN_MOST: Span = Span::millis(2_500);
    /// What is tried again sends the bytes of the first attempt, which are kept so long by default.
    pub const GIVE_UP_MOST: Span = Span::days(30);
}

impl Default for Engine {
    fn default() -> Self {
        Engine {
            tick: Span::seconds(1),
            retry: vec![
                Span::minutes(5),
                Span::minutes(30),
                Span::hours(1),
                Span::hours(2),
                Span::hours(4),
            ],
            give_up: Span::days(4),
            start_within: Engine::START_WITHIN_MOST,
            settle: Span::minutes(1),
            relay_aside: Span::seconds(30),
            relay_aside_most: Span::minutes(15),
            relay_faults: 5,
            clock_gap: Span::minutes(5),
            stop_within: Span::seconds(30),
        }
    }
}

impl Default for Safety {
    fn default() -> Self {
        Safety {
            at_once: AtOnce {
                count: 200,
                share: 0.01,
            },
            resume_after: Span::days(7),
            in_doubt: InDoubt::Resend,
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Retention {
            events: Span::days(3 * 365),
            log: Span::days(3 * 365),
            journal: Span::days(90),
            sent_copies: Span::days(30),
        }
    }
}

impl Config {
    /// What the domain's rules need to know of the shop.
    pub fn shop(&self) -> Shop {
        Shop {
            timezone: self.defaults.timezone,
            locale: self.defaults.locale.clone(),
            window: self.defaults.window.clone(),
            caps: self.defaults.caps.clone(),
            gap: self.defaults.gap,
            ceiling: Ceiling {
                window: self.ceiling.window.clone(),
                caps: self.ceiling.caps.clone(),
                gap: self.ceiling.gap,
            },
            settle: self.engine.settle,
            give_up: self.engine.give_up,
            retry: self.engine.retry.clone(),
            in_doubt: self.safety.in_doubt,
            only_to: self
                .smtp()
                .find_map(|smtp| smtp.only_to.as_ref())
                .map(|list| list.iter().map(|r| r.pattern.clone()).collect()),
            staff: self.staff.clone(),
            closed: self.closed.clone(),
            control: self.control,
        }
    }

    /// The transport of a step that names none: `main`, or the only one.
    pub fn default_transport(&self) -> Option<&str> {
        if self.transports.contains_key("main") {
            return Some("main");
        }
        match self.transports.keys().next() {
            Some(only) if self.transports.len() == 1 => Some(only),
            _ => None,
        }
    }

    /// Whether mail really leaves by that transport.
    pub fn is_real(&self, transport: &str) -> bool {
        matches!(
            self.transports.get(transport),
            Some(TransportSettings::Smtp(_))
        )
    }

    /// Whether no transport is a real one: a rehearsal.
    pub fn is_rehearsal(&self) -> bool {
        self.smtp().next().is_none()
    }

    pub(super) fn smtp(&self) -> impl Iterator<Item = &super::transport::SmtpSettings> {
        self.transports.values().filter_map(|t| match t {
            TransportSettings::Smtp(smtp) => Some(&**smtp),
            TransportSettings::Folder { .. } => None,
        })
    }
}
