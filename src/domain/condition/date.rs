//! Dates in a customer's profile: a birthday, a renewal; near ([`DateCondition`]), or come ([`DateTrigger`]).
//!
//! A date is a day of the customer's own calendar: it begins when their clock first shows its midnight (right after the
//! leap, where the clock leaps over that) and ends when the next day begins. 29 February is the 28th in other years.

use super::explain::rough;
use super::{Facts, Verdict};
use crate::domain::schedule::instant_of;
use crate::domain::time::{Span, Timestamp};
use crate::domain::value::{Properties, Value, any_at};
use crate::domain::wall;
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime};
use chrono_tz::Tz;

/// Which date of a profile is meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DateRule {
    /// Leads into the attributes; the first value there that reads as a date counts.
    pub path: Vec<String>,
    /// It comes again each year, from its own year on. One that is written without a year always does.
    pub yearly: bool,
}

/// The date is near: it holds from the beginning of the day `before` days before it to the end of the day `after` days
/// after it. Together at most [`DateCondition::MOST_DAYS`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DateCondition {
    pub rule: DateRule,
    pub before: u32,
    pub after: u32,
}

/// The date comes: `shift` days after it (before it, if negative), at this local time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DateTrigger {
    pub rule: DateRule,
    pub shift: i32,
    pub at: NaiveTime,
    /// So late it may still be made up for.
    pub fresh: Span,
}

/// A date as a profile has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Written {
    Day(NaiveDate),
    EachYear { month: u32, day: u32 },
}

/// How far away a date may be, in years, lest the calendar end.
const YEARS: std::ops::RangeInclusive<i32> = 1..=9_990;

impl Written {
    /// `1990-05-17`, `05-17`, `--05-17`, or RFC 3339: of an instant, the day that it is on the customer's clock. Midnight
    /// in UTC is how programs write a bare date, and is taken for that.
    fn read(text: &str, zone: Tz) -> Option<Written> {
        let text = text.trim();
        if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
            let bare = instant.offset().local_minus_utc() == 0 && instant.time() == NaiveTime::MIN;
            let day = match bare {
                true => instant.date_naive(),
                false => wall::local(Timestamp(instant.timestamp_millis()), zone).date(),
            };
            return Some(Written::Day(day)).filter(|_| YEARS.contains(&day.year()));
        }
        let number = |digits: &str, width: usize| -> Option<u32> {
            let plain = digits.len() == width && digits.bytes().all(|b| b.is_ascii_digit());
            digits.parse().ok().filter(|_| plain)
        };
        let parts: Vec<&str> = text.strip_prefix("--").unwrap_or(text).split('-').collect();
        match parts.as_slice() {
            [month, day] => {
                let (month, day) = (number(month, 2)?, number(day, 2)?);
                // 2000 had a 29 February.
                NaiveDate::from_ymd_opt(2000, month, day)?;
                Some(Written::EachYear { month, day })
            }
            [year, month, day] if !text.starts_with("--") => {
                let year = i32::try_from(number(year, 4)?).ok()?;
                let day = NaiveDate::from_ymd_opt(year, number(month, 2)?, number(day, 2)?)?;
                Some(Written::Day(day)).filter(|_| YEARS.contains(&year))
            }
            _ => None,
        }
    }
}

/// The day in that year; 29 February is the 28th where there is none.
fn in_year(year: i32, month: u32, day: u32) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(year, month, day)
        .or_else(|| NaiveDate::from_ymd_opt(year, 2, 28).filter(|_| (month, day) == (2, 29)))
}

fn moved(date: NaiveDate, days: i64) -> Option<NaiveDate> {
    match u64::try_from(days) {
        Ok(days) => date.checked_add_days(Days::new(days)),
        Err(_) => date.checked_sub_days(Days::new(days.unsigned_abs())),
    }
}

/// When the customer's clock first shows the beginning of that day.
fn begins(date: NaiveDate, zone: Tz) -> Timestamp {
    instant_of(date.and_time(NaiveTime::MIN), zone)
}

impl DateRule {
    fn written(&self, attributes: &Properties, zone: Tz) -> Option<Written> {
        let mut found = None;
        any_at(attributes, &self.path, &mut |value| {
            found = value.as_text().and_then(|text| Written::read(text, zone));
            found.is_some()
        });
        found
    }

    /// The days that may concern `now`, rising: all that lie less than a year away, and more.
    fn days(
        &self,
        attributes: &Properties,
        zone: Tz,
        now: Timestamp,
    ) -> impl Iterator<Item = NaiveDate> + use<> {
        let year = wall::local(now, zone).year();
        let (once, each) = match self.written(attributes, zone) {
            None => (None, None),
            Some(Written::EachYear { month, day }) => (None, Some((i32::MIN, month, day))),
            Some(Written::Day(date)) if self.yearly => {
                (None, Some((date.year(), date.month(), date.day())))
            }
            Some(Written::Day(date)) => (Some(date), None),
        };
        let each = each.into_iter().flat_map(move |(from, month, day)| {
            // What comes first may lie ahead by any number of years.
            let first = (year.saturating_sub(2)).max(from);
            (first..first.saturating_add(5)).filter_map(move |year| in_year(year, month, day))
        });
        once.into_iter().chain(each)
    }

    /// What it is, in a phrase.
    fn describe(&self) -> String {
        let path = self.path.join(".");
        match self.yearly {
            true => format!("the yearly date \"{path}\""),
            false => format!("the date \"{path}\""),
        }
    }
}

impl DateCondition {
    /// Of a date that comes each year, some day of each year must lie outside.
    pub const MOST_DAYS: u32 = 363;

    /// The stretches in which it holds, rising.
    fn stretches(
        &self,
        attributes: &Properties,
        zone: Tz,
        now: Timestamp,
    ) -> impl Iterator<Item = (Timestamp, Timestamp)> + use<> {
        let (before, after) = (i64::from(self.before), i64::from(self.after));
        (self.rule.days(attributes, zone, now)).filter_map(move |date| {
            let first = begins(moved(date, -before)?, zone);
            let end = begins(moved(date, after + 1)?, zone);
            // A day that the calendar leaps over is none.
            (first < end).then_some((first, end))
        })
    }

    pub(super) fn evaluate(&self, facts: &Facts<'_>, now: Timestamp) -> Verdict {
        let mut holds_until = None;
        for (first, end) in self.stretches(facts.attributes, facts.zone, now) {
            match holds_until {
                // Those that touch are one.
                Some(until) if first <= until => holds_until = Some(end),
                Some(_) => break,
                None if first <= now && now < end => holds_until = Some(end),
                None if now < first => {
                    return Verdict {
                        holds: false,
                        until: Some(first),
                    };
                }
                None => {}
            }
        }
        Verdict {
            holds: holds_until.is_some(),
            until: holds_until,
        }
    }

    /// What it asks, in a phrase.
    pub(super) fn describe(&self) -> String {
        let days = |n: u32| Span::days(i64::from(n));
        let date = self.rule.describe();
        match (self.before, self.after) {
            (0, 0) => format!("{date} is today"),
            (before, 0) => format!("{date} is at most {} ahead", days(before)),
            (0, after) => format!("{date} was at most {} ago", days(after)),
            (before, after) => format!(
                "{date} is at most {} ahead or {} ago",
                days(before),
                days(after)
            ),
        }
    }

    /// What is so at present.
    pub(super) fn present(&self, facts: &Facts<'_>, now: Timestamp) -> String {
        present(&self.rule, facts.attributes, facts.zone, now)
    }
}

fn present(rule: &DateRule, attributes: &Properties, zone: Tz, now: Timestamp) -> String {
    let mut text = None;
    any_at(attributes, &rule.path, &mut |value| {
        let there = !matches!(value, Value::Null);
        if there {
            text = Some(super::describe::value(value));
        }
        there
    });
    let Some(text) = text else {
        return "not set".to_owned();
    };
    match rule.written(attributes, zone) {
        None => format!("{text} is no date"),
        Some(_) => {
            let next = rule
                .days(attributes, zone, now)
                .map(|date| begins(date, zone));
            match next.into_iter().find(|at| *at > now) {
                Some(at) => format!("{text}, next in {}", rough(at.since(now))),
                None => text,
            }
        }
    }
}

/// What a date trigger finds about one customer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Near {
    /// The latest that has come: which day it is about, and when it came.
    pub latest: Option<(NaiveDate, Timestamp)>,
    pub next: Option<(NaiveDate, Timestamp)>,
}

impl DateTrigger {
    pub fn near(&self, attributes: &Properties, zone: Tz, now: Timestamp) -> Near {
        let mut near = Near::default();
        for date in self.rule.days(attributes, zone, now) {
            let Some(day) = moved(date, i64::from(self.shift)) else {
                continue;
            };
            let at = instant_of(day.and_time(self.at), zone);
            if at <= now {
                near.latest = Some((date, at));
            } else {
                near.next = Some((date, at));
                break;
            }
        }
        near
    }

    /// Whether `date` is over for who has met `met` already: each year's comes once, of others each later date does.
    pub fn is_over(&self, met: NaiveDate, date: NaiveDate) -> bool {
        match self.rule.yearly {
            true => date.year() <= met.year(),
            false => date <= met,
        }
    }

    /// What lets customers in, in a phrase.
    pub fn describe(&self) -> String {
        let date = self.rule.describe();
        let days = |n: u32| Span::days(i64::from(n));
        let day = match self.shift {
            0 => format!("on {date}"),
            n if n < 0 => format!("{} before {date}", days(n.unsigned_abs())),
            n => format!("{} after {date}", days(n.unsigned_abs())),
        };
        format!(
            "{day}, at {} on each customer's own clock",
            self.at.format("%H:%M")
        )
    }
}

#[cfg(test)]
#[path = "date_tests.rs"]
mod tests;
