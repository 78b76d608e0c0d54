//! Days and hours on the customer's own clock in which messages may go.

use super::time::{Span, Timestamp};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// A weekly pattern of local hours. Spans are [start, end); a span that crosses midnight belongs to the
/// weekday of its start.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Window {
    pub spans: Vec<WindowSpan>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WindowSpan {
    /// Bit 0 is Monday.
    pub days: u8,
    /// Minutes after local midnight, 0..1440.
    pub start: u16,
    /// Minutes after the start day's local midnight, start < end <= start + 1440.
    pub end: u16,
}

impl Window {
    /// Reads `Mon-Fri 09:00-18:00`, `22:00-02:00` (every day), several joined by commas.
    pub fn parse(_text: &str) -> Result<Window, String> {
        todo!()
    }
    /// Whether the local clock in `zone` stands in the window at `at`.
    pub fn contains(&self, _at: Timestamp, _zone: Tz) -> bool {
        todo!()
    }
    /// The first instant at or after `at` that the window contains and, with it, the whole of the following `lead`
    /// (policy ends windows a little early, since a message starts to leave up to `lead` after it was judged).
    pub fn next_open(&self, _at: Timestamp, _zone: Tz, _lead: Span) -> Option<Timestamp> {
        todo!()
    }
}

pub fn first_open(
    _w: &[(&Window, Tz)],
    _at: Timestamp,
    _lead: Span,
    _upto: Timestamp,
) -> Option<Timestamp> {
    todo!()
}
impl std::fmt::Display for Window {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        todo!()
    }
}
