//! Dates as tables and traits write them: RFC 3339, plain local times, or a format that the user names.

use super::quoted;
use crate::domain::time::Timestamp;
use crate::domain::wall::{Showing, showing};
use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use chrono_tz::Tz;

/// How dates are written, and in which zone those that don't say.
#[derive(Clone, Debug, Default)]
pub struct Dates {
    format: Option<String>,
    zone: Option<Tz>,
}

/// What hour a date without one means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hour {
    /// 12:00: for what happened on a day. The middle of the day is least likely to fall on another one elsewhere.
    Noon,
    /// 00:00: for what lasts until a day.
    Midnight,
}

impl Dates {
    /// `format` is strftime's (`%d.%m.%Y %H:%M`); `zone` is for times without an offset.
    pub fn new(format: Option<&str>, zone: Option<Tz>) -> Result<Dates, String> {
        if let Some(format) = format {
            if StrftimeItems::new(format).any(|item| matches!(item, Item::Error)) {
                return Err(format!(
                    "{} is not a date format; write one like \"%Y-%m-%d\" or \"%d.%m.%Y %H:%M\"",
                    quoted(format)
                ));
            }
            if !format.contains('%') {
                return Err(format!(
                    "the date format {} names no part of a date; write one like \"%Y-%m-%d\"",
                    quoted(format)
                ));
            }
        }
        Ok(Dates {
            format: format.map(str::to_owned),
            zone,
        })
    }

    /// Reads an instant. A local time that the clock shows twice is the first, one that it leaps over is right after.
    pub fn instant(&self, text: &str, hour: Hour) -> Result<Timestamp, String> {
        let text = text.trim();
        if let Some(format) = &self.format {
            if let Ok(t) = DateTime::parse_from_str(text, format) {
                return Ok(Timestamp(t.timestamp_millis()));
            }
            return match self.local(text, hour) {
                Some(local) => self.in_zone(text, local),
                None => Err(format!("{} does not fit {}", quoted(text), quoted(format))),
            };
        }
        if let Some(at) = Timestamp::parse_rfc3339(text) {
            return Ok(at);
        }
        match self.local(text, hour) {
            Some(local) => self.in_zone(text, local),
            None => Err(format!(
                "{} is not a time; write it like \"2026-03-01T09:00:00Z\", or name its format",
                quoted(text)
            )),
        }
    }

    /// Reads the day alone, as a birthday is one.
    pub fn day(&self, text: &str) -> Option<NaiveDate> {
        self.local(text.trim(), Hour::Noon).map(|l| l.date())
    }

    fn local(&self, text: &str, hour: Hour) -> Option<NaiveDateTime> {
        let at = match hour {
            Hour::Noon => NaiveTime::from_hms_opt(12, 0, 0),
            Hour::Midnight => NaiveTime::from_hms_opt(0, 0, 0),
        };
        let bare = |date: NaiveDate| at.map(|at| date.and_time(at));
        if let Some(format) = &self.format {
            return NaiveDateTime::parse_from_str(text, format)
                .ok()
                .or_else(|| NaiveDate::parse_from_str(text, format).ok().and_then(bare));
        }
        for format in [
            "%Y-%m-%d %H:%M:%S%.f",
            "%Y-%m-%dT%H:%M:%S%.f",
            "%Y-%m-%d %H:%M",
            "%Y-%m-%dT%H:%M",
        ] {
            if let Ok(local) = NaiveDateTime::parse_from_str(text, format) {
                return Some(local);
            }
        }
        NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .ok()
            .and_then(bare)
    }

    fn in_zone(&self, text: &str, local: NaiveDateTime) -> Result<Timestamp, String> {
        let Some(zone) = self.zone else {
            return Err(format!(
                "{} does not say in which zone; name one for all rows, such as --zone Asia/Seoul",
                quoted(text)
            ));
        };
        Ok(match showing(local, zone) {
            Showing::Once(at) | Showing::Twice(at, _) | Showing::Skipped(at) => at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Dates, Hour};
    use chrono_tz::Tz;

    #[test]
    fn dates_are_read_as_people_write_them() {
        let seoul: Tz = "Asia/Seoul".parse().unwrap();
        let york: Tz = "America/New_York".parse().unwrap();
        for (format, zone, text, hour, want) in [
            (
                None,
                None,
                "2026-03-01T18:00:00+09:00",
                Hour::Noon,
                "2026-03-01T09:00:00Z",
            ),
            (
                None,
                Some(seoul),
                "2026-03-01",
                Hour::Noon,
                "2026-03-01T03:00:00Z",
            ),
            (
                None,
                Some(seoul),
                "2026-03-01",
                Hour::Midnight,
                "2026-02-28T15:00:00Z",
            ),
            (
                None,
                Some(seoul),
                " 2026-03-01 18:30 ",
                Hour::Noon,
                "2026-03-01T09:30:00Z",
            ),
            (
                None,
                Some(seoul),
                "2026-03-01T18:30:05.250",
                Hour::Noon,
                "2026-03-01T09:30:05.250Z",
            ),
            (
                Some("%Y-%m-%d"),
                Some(Tz::UTC),
                "1997-01-01",
                Hour::Noon,
                "1997-01-01T12:00:00Z",
            ),
            (
                Some("%d.%m.%Y %H:%M"),
                Some(seoul),
                "01.03.2026 18:00",
                Hour::Noon,
                "2026-03-01T09:00:00Z",
            ),
            (
                Some("%d/%m/%Y %H:%M %z"),
                None,
                "01/03/2026 18:00 +0900",
                Hour::Noon,
                "2026-03-01T09:00:00Z",
            ),
            // Shown twice: the first. Leapt over: right after the leap.
            (
                None,
                Some(york),
                "2026-11-01 01:30",
                Hour::Noon,
                "2026-11-01T05:30:00Z",
            ),
            (
                None,
                Some(york),
                "2026-03-08 02:30",
                Hour::Noon,
                "2026-03-08T07:00:00Z",
            ),
        ] {
            let dates = Dates::new(format, zone).unwrap();
            let got = dates
                .instant(text, hour)
                .unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(got.to_string(), want, "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_told() {
        let told = |format: Option<&str>, zone, text: &str| {
            Dates::new(format, zone)
                .and_then(|d| d.instant(text, Hour::Noon))
                .unwrap_err()
        };
        assert_eq!(
            told(None, None, "2026-03-01"),
            "\"2026-03-01\" does not say in which zone; name one for all rows, such as --zone Asia/Seoul"
        );
        assert_eq!(
            told(Some("%d.%m.%Y"), None, "2026-03-01"),
            "\"2026-03-01\" does not fit \"%d.%m.%Y\""
        );
        assert!(told(Some("%Q"), None, "x").contains("is not a date format"));
        assert!(told(Some("day"), None, "day").contains("names no part of a date"));
        assert!(told(None, None, "yesterday").starts_with("\"yesterday\" is not a time"));
    }
}
