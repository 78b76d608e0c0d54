//! At most N messages in a period.

use super::time::{Span, Timestamp};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cap {
    pub most: u32,
    pub period: Period,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Period {
    /// `24h`, `7d`: a place at s counts while |now - s| < period.
    Rolling(Span),
    /// `day`: the customer's calendar day.
    Day,
    /// `week`: the customer's calendar week, from Monday.
    Week,
}

impl Cap {
    /// Reads `2 per 7d`, `1 per day`.
    pub fn parse(_text: &str) -> Result<Cap, String> {
        todo!()
    }
    /// The first instant at or after `now` at which one more message fits, given the instants of the places taken.
    pub fn next_fit(&self, _places: &[Timestamp], _now: Timestamp, _zone: Tz) -> Timestamp {
        todo!()
    }
    /// How many of `places` count at `now`.
    pub fn taken(&self, _places: &[Timestamp], _now: Timestamp, _zone: Tz) -> u32 {
        todo!()
    }
    /// How long a place can matter for this cap.
    pub fn reach(&self) -> Span {
        todo!()
    }
}

pub const LONGEST: Span = Span::days(366);
pub fn gap_fit(_places: &[Timestamp], _gap: Span, _now: Timestamp) -> Timestamp {
    todo!()
}
impl std::fmt::Display for Cap {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        todo!()
    }
}
