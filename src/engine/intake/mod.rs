//! Intake: from outside rows to causes. A row of JSON Lines (in the shape of Segment's messages) or of CSV becomes an
//! [`Inbound`]: a customer, what is told of them, and what two copies of the row share.
//!
//! Pure text to types: nothing is stored, no clock is read (the time of receipt is given), and a bad row is an error
//! with its line and its raw text, never the end of the file. What is history and what is live, and who is who inside
//! the store, is for the callers. `docs/import.md` tells users what is written here.

pub mod consent;
pub mod csv;
pub mod dates;
pub mod encoding;
pub mod identity;
pub mod json;
pub mod lines;
pub mod mapping;
pub mod orders;
mod parse;
pub mod parts;
pub mod rows;
pub mod surrogates;
pub mod traits;

use crate::clock::Clock;
use crate::domain::cause::{ConsentChange, ProfileChange};
use crate::domain::id::{CustomerId, EventName};
use crate::domain::time::Timestamp;
use crate::domain::value::{Properties, Value};
use dates::Dates;
use serde::{Deserialize, Serialize};
use std::fmt;

pub use identity::{Counter, Identity, identity_hash};
pub use rows::{Kind, OpenError, Options, Rows};

/// The longest row taken, in bytes (Segment's own limit for one message).
pub const ROW_LIMIT: usize = 32 * 1024;
/// How deep lists and maps may stand in one another, the properties themselves counted.
pub const DEPTH_LIMIT: usize = 32;
/// How many properties or traits one row may have.
pub const PROPERTY_LIMIT: usize = 1_000;
/// How much of a bad row is kept to be written to a file.
pub const RAW_LIMIT: usize = 1024 * 1024;

/// One row, understood. Serialised as it crosses from a command to the daemon.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Inbound {
    pub customer: CustomerId,
    pub what: What,
    pub identity: Identity,
    /// The time that the row itself names; without one, an event's time is its receipt's.
    pub raw_time: Option<Timestamp>,
}

impl Inbound {
    /// Whether this row, come again, changes nothing: the caller then leaves out a known identity. A profile that names
    /// neither itself nor its time is told anew each time: tomorrow's export may go back to what was said the day before
    /// yesterday, and to leave that out would keep yesterday's.
    pub fn counts_once(&self) -> bool {
        match (&self.what, &self.identity) {
            (What::Event { .. }, _) | (_, Identity::MessageId(_)) => true,
            (What::Profile { .. }, Identity::Canonical(_)) => self.raw_time.is_some(),
        }
    }
}

/// What a row tells of its customer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum What {
    Event {
        name: EventName,
        /// As told, also where it lies ahead of the receipt: `Event::settle_time` is the caller's.
        time: Timestamp,
        properties: Properties,
    },
    Profile {
        change: Box<ProfileChange>,
        consents: Vec<ConsentChange>,
    },
}

/// What reading a row needs to know besides the row.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Tells the time of receipt, which is that of an event that names none. Asked row by row: a pipe may stay open for
    /// weeks.
    pub clock: Clock,
    /// How dates that are not RFC 3339 are written, and in which zone.
    pub dates: Dates,
    /// What proves a consent whose row does not say so, such as `import`.
    pub consent_source: String,
    /// When consents were given whose row does not say so.
    pub consent_at: Option<Timestamp>,
}

impl Reading {
    /// Rows received at `received`, with RFC 3339 times only.
    pub fn new(received: Timestamp) -> Reading {
        Reading::by(Clock::virtual_at(received))
    }

    /// Rows received as `clock` goes on.
    pub fn by(clock: Clock) -> Reading {
        Reading {
            clock,
            dates: Dates::default(),
            consent_source: "import".to_owned(),
            consent_at: None,
        }
    }
}

/// A row that could not be taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowError {
    /// Counted from 1; a row of several lines has its first.
    pub line: u64,
    pub text: String,
    /// The row as it stood, without its line end, at most [`RAW_LIMIT`] bytes of it; empty if the file could not be read.
    pub raw: Vec<u8>,
    /// The file itself could not be read further: no row follows.
    pub fatal: bool,
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}

impl std::error::Error for RowError {}

/// The first 60 characters of what somebody wrote, in quotes, for an error text.
pub(crate) fn quoted(text: &str) -> String {
    let mut clipped: String = text.chars().take(60).collect();
    if clipped.len() < text.len() {
        clipped.push('…');
    }
    format!("{clipped:?}")
}

/// A value as an error text shows it.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => quoted(text),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "an object".to_owned(),
        plain => plain.to_json().to_string(),
    }
}

/// The instant, unless it lies before 1990: nothing that a shop knows is older.
pub(crate) fn not_before_1990(field: &str, text: &str, at: Timestamp) -> Result<Timestamp, String> {
    if at < Timestamp::EARLIEST {
        return Err(format!("{field} {} is before 1990", quoted(text)));
    }
    Ok(at)
}
