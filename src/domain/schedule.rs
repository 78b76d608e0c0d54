//! Cron schedules by Debian cron's rule: croner parses and matches naive local times, gaps and repeats are ours.

use super::time::Timestamp;
use chrono::NaiveDateTime;
use chrono_tz::Tz;

/// A parsed five-field cron expression.
#[derive(Clone, Debug)]
pub struct CronRule {
    text: String,
}

impl CronRule {
    /// Five fields, names, `L`, `#`; a bare range in the minute field and the like are refused.
    pub fn parse(_text: &str) -> Result<CronRule, String> {
        todo!()
    }
    pub fn as_str(&self) -> &str {
        &self.text
    }
    /// The first occurrence strictly after `after`: its naive local time and the instant.
    pub fn next(&self, _after: Timestamp, _zone: Tz) -> Option<(NaiveDateTime, Timestamp)> {
        todo!()
    }
    /// The latest occurrence in (after, upto], if any.
    pub fn latest(
        &self,
        _after: Timestamp,
        _upto: Timestamp,
        _zone: Tz,
    ) -> Option<(NaiveDateTime, Timestamp)> {
        todo!()
    }
}

/// The instant at which the local clock in `zone` shows `local`: in a repeated hour the first time, in a skipped one
/// the instant right after the gap.
pub fn instant_of(_local: NaiveDateTime, _zone: Tz) -> Timestamp {
    todo!()
}
