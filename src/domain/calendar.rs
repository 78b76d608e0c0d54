//! Days on which advertising waits: dates, and weekdays, of each customer's own calendar.

use super::time::{Span, Timestamp};
use super::wall::{first_showing, local};
use chrono::{Datelike, NaiveDate, NaiveTime};
use chrono_tz::Tz;
use std::collections::BTreeSet;
use std::fmt;

/// So many closed days on end are looked over; longer ones never end.
const MOST: usize = 2_000;

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ClosedDays {
    dates: BTreeSet<NaiveDate>,
    /// Bit 0 is Monday.
    weekdays: u8,
}

impl ClosedDays {
    /// Reads one day: a date (`2026-12-25`) or a weekday (`Sun`).
    pub fn parse_one(text: &str) -> Result<ClosedDays, String> {
        let mut one = ClosedDays::default();
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
        match WEEKDAYS.iter().position(|d| d.eq_ignore_ascii_case(text)) {
            Some(day) => one.weekdays = 1 << day,
            None => _ = one.dates.insert(date.filter(|_| text.len() == 10).ok_or_else(|| {
                format!("{text:?} is no day; write a date such as \"2026-12-25\", or a weekday such as \"Sun\"")
            })?),
        }
        Ok(one)
    }

    pub fn extend(&mut self, more: ClosedDays) {
        self.dates.extend(more.dates);
        self.weekdays |= more.weekdays;
    }

    pub fn is_empty(&self) -> bool {
        self.dates.is_empty() && self.weekdays == 0
    }

    /// Whether no weekday is left open.
    pub fn is_every_day(&self) -> bool {
        self.weekdays.count_ones() == 7
    }

    pub fn holds(&self, date: NaiveDate) -> bool {
        let weekday = date.weekday().num_days_from_monday();
        self.weekdays >> weekday & 1 == 1 || self.dates.contains(&date)
    }

    /// The first instant at or after `at` on an open day of `zone`, with the whole of the following `lead`.
    pub fn next_open(&self, at: Timestamp, zone: Tz, lead: Span) -> Timestamp {
        let mut at = at;
        for _ in 0..MOST {
            let closed = [at, at.saturating_add(lead)]
                .into_iter()
                .find(|t| self.holds(local(*t, zone).date()));
            let Some(closed) = closed else {
                return at;
            };
            // Midnight, or what comes instead of it; after one that is shown twice the evening may be closed again.
            let tomorrow = local(closed, zone).date().succ_opt();
            let midnight =
                first_showing(NaiveTime::MIN, closed.saturating_add(Span::millis(1)), zone);
            if tomorrow.is_none() || midnight <= closed {
                break;
            }
            at = midnight;
        }
        Timestamp::NEVER
    }
}

impl fmt::Display for ClosedDays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weekdays = (WEEKDAYS.iter().enumerate()).filter(|(n, _)| self.weekdays >> n & 1 == 1);
        let dates = self.dates.iter().map(ToString::to_string);
        let all: Vec<String> = weekdays
            .map(|(_, name)| (*name).to_owned())
            .chain(dates)
            .collect();
        f.write_str(&all.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::ClosedDays;
    use crate::domain::time::{Span, Timestamp};
    use chrono_tz::Tz;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn closed(days: &[&str]) -> ClosedDays {
        let mut closed = ClosedDays::default();
        days.iter()
            .for_each(|day| closed.extend(ClosedDays::parse_one(day).unwrap()));
        closed
    }

    #[test]
    fn it_opens_at_the_midnight_of_the_customers_own_clock() {
        let days = closed(&["2026-12-25", "Sun", "2026-12-26"]);
        assert_eq!(days.to_string(), "Sun, 2026-12-25, 2026-12-26");
        let lead = Span::seconds(5);
        for (from, zone, opens) in [
            (
                "2026-12-24T14:59:54Z",
                Tz::Asia__Seoul,
                "2026-12-24T14:59:54Z",
            ),
            // Within five seconds of midnight it would leave on the closed day. Friday to Sunday are closed.
            (
                "2026-12-24T14:59:56Z",
                Tz::Asia__Seoul,
                "2026-12-27T15:00:00Z",
            ),
            ("2026-12-24T15:00:00Z", Tz::UTC, "2026-12-24T15:00:00Z"),
            ("2026-12-25T15:00:00Z", Tz::UTC, "2026-12-28T00:00:00Z"),
            // Chile skips the midnight of 6 September 2026, a Sunday: Monday's is as ever.
            (
                "2026-09-06T05:00:00Z",
                Tz::America__Santiago,
                "2026-09-07T03:00:00Z",
            ),
        ] {
            assert_eq!(
                days.next_open(at(from), zone, lead),
                at(opens),
                "{from} {zone}"
            );
        }
        let all = closed(&["Mon", "tue", "Wed", "Thu", "Fri", "Sat", "Sun"]);
        assert!(all.is_every_day());
        let never = all.next_open(at("2026-12-24T14:59:54Z"), Tz::UTC, lead);
        assert_eq!(never, Timestamp::NEVER);
        for far in [Timestamp(i64::MIN), Timestamp::NEVER] {
            days.next_open(far, Tz::Asia__Seoul, lead);
        }
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in ["", "Sunday", "2026-02-30", "25.12.2026", "2026-1-1"] {
            assert!(ClosedDays::parse_one(text).is_err(), "{text}");
        }
    }
}
