//! Cron schedules by Debian cron's rule: croner parses and matches naive local times, gaps and repeats are ours.
//!
//! The rule (DESIGN of time): a job whose minute or hour field begins with `*` runs as the clock shows, both times
//! in a repeated hour and not at all in a skipped one; any other runs once for each local time that matches, in a
//! skipped hour right after the gap, in a repeated one the first time. croner has a rule of its own for this, which
//! takes `5,35 2,3` for an interval job; so it is asked only whether a date matches, and never about a zone.
//!
//! Which occurrences are done, and what becomes of missed ones, is the engine's matter.

mod fields;

use super::time::{Span, Timestamp};
use super::wall::{DAY, Showing, local, millis, naive, showing, steady_after, steady_before};
use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};
use chrono_tz::Tz;
use croner::parser::{CronParser, Seconds, Year};
use croner::{Cron, Weekday};
use fields::{FIELDS, FIVE, instead_of_nickname};
use std::fmt;
use std::sync::Arc;

/// A change of the clock repeats or skips a day at most; this much further the walls of two instants are in order.
const BEYOND_A_CHANGE: Span = Span::hours(26);
/// After that many years the calendar repeats itself.
const CYCLE_YEARS: i32 = 400;
const MINUTES_A_DAY: u32 = 1_440;

/// A parsed five-field cron expression.
#[derive(Clone)]
pub struct CronRule {
    text: String,
    cron: Arc<Cron>,
    /// Bit n: the minute n of an hour matches.
    minutes: u64,
    /// Bit n: the hour n of a day matches.
    hours: u32,
    /// Runs as the clock shows: the minute or hour field begins with `*`.
    interval: bool,
}

impl CronRule {
    /// Reads minute, hour, day of month, month and weekday: numbers, ranges, lists, steps (`*/15`, `9-17/2`), English
    /// names of months and weekdays, `L` for the last day of the month, `5L` or `FRIL` for the last Friday, `1#2` or
    /// `MON#2` for the second Monday. Sunday is 0 or 7. Where both day of month and weekday are set, either suffices;
    /// one that begins with `*` is not set, and only narrows the other down (`0 9 */2 * MON`: Mondays that are odd
    /// days), as in Debian's cron.
    ///
    /// Refused are seconds, years, `@daily` and its like, `W`, `?`, `+`, steps from a single number (`5/10`), and
    /// what never occurs, such as 30 February.
    pub fn parse(text: &str) -> Result<CronRule, String> {
        let text = text.trim();
        let wrong = |why: String| format!("\"{text}\" is not a schedule: {why}");
        let upper = text.to_uppercase();
        if upper.starts_with('@') {
            return Err(wrong(instead_of_nickname(&upper)));
        }
        let fields: Vec<&str> = upper.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(wrong(format!(
                "it has {} fields, not five; {FIVE}",
                fields.len()
            )));
        };
        for (field, text) in FIELDS.iter().zip(&fields) {
            field.check(text).map_err(wrong)?;
        }
        let narrows = day.starts_with('*') || weekday.starts_with('*');
        let cron = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .dom_and_dow(narrows)
            .build()
            .parse(&[*minute, *hour, *day, *month, *weekday].join(" "))
            .map_err(|e| wrong(format!("{e}; {FIVE}")))?;
        let bits = |values: Vec<u16>| values.iter().fold(0_u64, |set, n| set | 1 << n);
        let rule = CronRule {
            text: text.to_owned(),
            minutes: bits(cron.pattern.minutes.values()),
            hours: bits(cron.pattern.hours.values()) as u32,
            interval: minute.starts_with('*') || hour.starts_with('*'),
            cron: Arc::new(cron),
        };
        // Any start will do, since the calendar repeats.
        if rule.naive_next(naive(0)).is_none() {
            return Err(wrong(
                "no day is ever like that, so it would never run; look at its day, month and weekday".to_owned(),
            ));
        }
        Ok(rule)
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first occurrence strictly after `after`: its naive local time and the instant. The local time is the one
    /// that the expression matches; if the clock leaps over it the instant is the leap's end. Of several local times
    /// that one leap brings to the same instant, which are one occurrence, it is the latest.
    pub fn next(&self, after: Timestamp, zone: Tz) -> Option<(NaiveDateTime, Timestamp)> {
        if self.interval {
            return self.next_shown(after, zone);
        }
        // What the clock had shown or leapt over by `after` is done. In a repeated hour that is more than it shows.
        let mut wall = self.naive_next(local(after, zone))?;
        while instant_of(wall, zone) <= after {
            wall = self.naive_next(wall)?;
        }
        let at = instant_of(wall, zone);
        if let Showing::Skipped(_) = showing(wall, zone) {
            while let Some(later) = self.naive_next(wall) {
                if instant_of(later, zone) > at {
                    break;
                }
                wall = later;
            }
        }
        Some((wall, at))
    }

    /// The latest occurrence in (after, upto], if any.
    pub fn latest(
        &self,
        after: Timestamp,
        upto: Timestamp,
        zone: Tz,
    ) -> Option<(NaiveDateTime, Timestamp)> {
        if after >= upto {
            return None;
        }
        if self.interval {
            return self.latest_shown(after, upto, zone);
        }
        // The latest local time that the clock has shown: in a repeated hour, at its second showing, it showed more.
        let now = local(upto, zone);
        let shown = match showing(now, zone) {
            Showing::Twice(first, second) if second <= upto => {
                now.checked_add_signed(TimeDelta::milliseconds(second.since(first).0))?
            }
            _ => now,
        };
        let mut wall = self.naive_latest(shown)?;
        while instant_of(wall, zone) > upto {
            wall = self.naive_latest(wall.checked_sub_signed(TimeDelta::milliseconds(1))?)?;
        }
        let at = instant_of(wall, zone);
        (at > after).then_some((wall, at))
    }

    /// The first local time strictly after `after` that the expression matches, whatever any clock does then.
    pub fn naive_next(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        let from = minute_begin(after)?.checked_add_signed(TimeDelta::minutes(1))?;
        let mut date = from.date();
        let mut floor = minute_of_day(from);
        let limit = date.year().saturating_add(CYCLE_YEARS);
        while date.year() <= limit {
            if !self.month_matches(date) {
                let (year, month) = (date.year(), date.month());
                let next = if month == 12 {
                    (year + 1, 1)
                } else {
                    (year, month + 1)
                };
                date = NaiveDate::from_ymd_opt(next.0, next.1, 1)?;
                floor = 0;
                continue;
            }
            if self.day_matches(date)
                && let Some(minute) = self.minute_from(floor)
            {
                return at_minute(date, minute);
            }
            date = date.succ_opt()?;
            floor = 0;
        }
        None
    }

    /// The latest local time at or before `upto` that the expression matches, whatever any clock does then.
    pub fn naive_latest(&self, upto: NaiveDateTime) -> Option<NaiveDateTime> {
        let mut date = upto.date();
        let mut ceiling = minute_of_day(upto);
        let limit = date.year().saturating_sub(CYCLE_YEARS);
        while date.year() >= limit {
            if !self.month_matches(date) {
                date = date.with_day(1)?.pred_opt()?;
                ceiling = MINUTES_A_DAY - 1;
                continue;
            }
            if self.day_matches(date)
                && let Some(minute) = self.minute_until(ceiling)
            {
                return at_minute(date, minute);
            }
            date = date.pred_opt()?;
            ceiling = MINUTES_A_DAY - 1;
        }
        None
    }

    /// The first instant after `after` at which the clock shows a matching minute beginning.
    fn next_shown(&self, after: Timestamp, zone: Tz) -> Option<(NaiveDateTime, Timestamp)> {
        let mut t = after.saturating_add(Span::millis(1));
        let (mut offset, mut until) = steady_after(t, zone);
        let mut wall = self.naive_from(t.0.saturating_add(offset))?;
        loop {
            let at = Timestamp(millis(wall).saturating_sub(offset));
            if at < until {
                return Some((wall, at));
            }
            // Not in this stretch of the clock. What it may still show again lies close to `after`; beyond that
            // nothing before `wall` can come, and the stretches between need not be walked.
            t = until;
            if t.since(after) > BEYOND_A_CHANGE {
                t = t.max(Timestamp(millis(wall)).saturating_sub(Span(2 * DAY)));
            }
            let before = offset;
            (offset, until) = steady_after(t, zone);
            if until <= t {
                return None;
            }
            if offset != before {
                wall = self.naive_from(t.0.saturating_add(offset))?;
            }
        }
    }

    /// The latest instant in (after, upto] at which the clock shows a matching minute beginning.
    fn latest_shown(
        &self,
        after: Timestamp,
        upto: Timestamp,
        zone: Tz,
    ) -> Option<(NaiveDateTime, Timestamp)> {
        let mut t = upto;
        let (mut offset, mut since) = steady_before(t, zone);
        let mut wall = self.naive_latest(naive(t.0.saturating_add(offset)))?;
        loop {
            let at = Timestamp(millis(wall).saturating_sub(offset));
            if at >= since {
                return (at > after).then_some((wall, at));
            }
            t = since.saturating_sub(Span::millis(1));
            if upto.since(t) > BEYOND_A_CHANGE {
                t = t.min(Timestamp(millis(wall)).saturating_add(Span(2 * DAY)));
            }
            if t <= after {
                return None;
            }
            let before = offset;
            (offset, since) = steady_before(t, zone);
            if offset != before {
                wall = self.naive_latest(naive(t.0.saturating_add(offset)))?;
            }
        }
    }

    /// The first match at or after a wall-clock time in milliseconds.
    fn naive_from(&self, wall: i64) -> Option<NaiveDateTime> {
        self.naive_next(naive(wall.saturating_sub(1)))
    }

    fn month_matches(&self, date: NaiveDate) -> bool {
        self.cron.pattern.month_match(date.month()).unwrap_or(false)
    }

    fn day_matches(&self, date: NaiveDate) -> bool {
        let weekday = Weekday::from_days_from_sunday(date.weekday().num_days_from_sunday());
        self.cron
            .pattern
            .day_match(date.year(), date.month(), date.day(), weekday)
            .unwrap_or(false)
    }

    /// The first matching minute of a day at or after `floor`.
    fn minute_from(&self, floor: u32) -> Option<u32> {
        let (hour, minute) = (floor / 60, floor % 60);
        if self.hours >> hour & 1 == 1 {
            let left = self.minutes >> minute;
            if left != 0 {
                return Some(floor + left.trailing_zeros());
            }
        }
        let later = self.hours >> (hour + 1);
        (later != 0)
            .then(|| (hour + 1 + later.trailing_zeros()) * 60 + self.minutes.trailing_zeros())
    }

    /// The last matching minute of a day at or before `ceiling`.
    fn minute_until(&self, ceiling: u32) -> Option<u32> {
        let (hour, minute) = (ceiling / 60, ceiling % 60);
        if self.hours >> hour & 1 == 1 {
            let left = self.minutes & (u64::MAX >> (63 - minute));
            if left != 0 {
                return Some(hour * 60 + left.ilog2());
            }
        }
        let earlier = self.hours & ((1 << hour) - 1);
        (earlier != 0).then(|| earlier.ilog2() * 60 + self.minutes.ilog2())
    }
}

impl fmt::Debug for CronRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CronRule({:?})", self.text)
    }
}

/// The instant at which the local clock in `zone` shows `local`: in a repeated hour the first time, in a skipped one
/// the instant right after the gap.
pub fn instant_of(local: NaiveDateTime, zone: Tz) -> Timestamp {
    match showing(local, zone) {
        Showing::Once(at) | Showing::Twice(at, _) | Showing::Skipped(at) => at,
    }
}

fn minute_of_day(t: NaiveDateTime) -> u32 {
    t.hour() * 60 + t.minute()
}

fn minute_begin(t: NaiveDateTime) -> Option<NaiveDateTime> {
    at_minute(t.date(), minute_of_day(t))
}

fn at_minute(date: NaiveDate, minute: u32) -> Option<NaiveDateTime> {
    NaiveTime::from_num_seconds_from_midnight_opt(minute * 60, 0).map(|time| date.and_time(time))
}

#[cfg(test)]
mod tests {
    use super::{CronRule, instant_of};
    use crate::domain::time::{Span, Timestamp};
    use chrono::NaiveDateTime;
    use chrono_tz::Tz;

    fn rule(text: &str) -> CronRule {
        CronRule::parse(text).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn wall(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    /// All occurrences in (from, to].
    fn runs(text: &str, from: &str, to: &str, zone: Tz) -> Vec<Timestamp> {
        let rule = rule(text);
        let mut found = Vec::new();
        let mut t = at(from);
        while let Some((_, next)) = rule.next(t, zone).filter(|(_, next)| *next <= at(to)) {
            found.push(next);
            t = next;
        }
        found
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_help() {
        for (text, says) in [
            ("", "0 fields"),
            ("0 9 * *", "4 fields"),
            ("0 0 9 * * *", "6 fields"),
            ("0 0 9 * * * 2026", "7 fields"),
            ("@daily", "\"0 0 * * *\""),
            ("@reboot", "\"@\""),
            ("60 9 * * *", "minute \"60\" is not a number from 0 to 59"),
            ("0 24 * * *", "hour \"24\""),
            ("0 9 0 * *", "day of month \"0\""),
            ("0 9 32 * *", "day of month \"32\""),
            ("0 9 * 13 *", "month \"13\""),
            ("0 9 * * 8", "weekday \"8\""),
            ("0 9 * * JAN", "weekday \"JAN\""),
            ("0 9 * MON *", "month \"MON\""),
            ("0 9 * * MONDAY", "weekday \"MONDAY\""),
            ("0 9 * * FRI-MON", "runs backwards"),
            ("0 17-9 * * *", "runs backwards"),
            ("5/10 * * * *", "\"5-59/10\""),
            ("/10 * * * *", "single value"),
            ("*/0 * * * *", "the step \"0\""),
            ("*/90 * * * *", "the step \"90\""),
            ("1,,2 * * * *", "missing"),
            (", * * * *", "missing"),
            ("*,5 * * * *", "\"*\" among"),
            ("0 9 * * L", "\"FRIL\""),
            ("0 9 * * MON#6", "from 1 to 5"),
            ("0 9 15W * *", "\"15W\""),
            ("0 9 ? * MON", "\"?\""),
            ("0 9 1 * +MON", "\"+MON\""),
            ("0 L * * *", "hour \"L\""),
            ("0 0 30 2 *", "never run"),
            ("0 0 31 4,6 *", "never run"),
            ("0 0 */32 * MON", "the step \"32\""),
        ] {
            let error = CronRule::parse(text).unwrap_err();
            assert!(error.contains(says), "{text:?}: {error}");
        }
    }

    #[test]
    fn names_last_days_and_nth_weekdays_are_read() {
        let after = wall("2026-11-22T12:00:00");
        for (text, next) in [
            ("0 9 * * mon-fri", "2026-11-23T09:00:00"),
            ("0 9 * * FRI-SUN", "2026-11-27T09:00:00"),
            ("0 9 * * 7", "2026-11-29T09:00:00"),
            ("0 9 L * *", "2026-11-30T09:00:00"),
            ("0 9 * * FRIL", "2026-11-27T09:00:00"),
            ("0 9 * * 5L", "2026-11-27T09:00:00"),
            ("0 9 * * TUE#1", "2026-12-01T09:00:00"),
            ("0 9 * * MON#5", "2026-11-30T09:00:00"),
            ("15 8-18/5 * FEB *", "2027-02-01T08:15:00"),
            // Either suffices, where both are set.
            ("0 9 13 * FRI", "2026-11-27T09:00:00"),
            // One that begins with a star narrows the other down.
            ("0 9 */2 * MON", "2026-11-23T09:00:00"),
            ("0 9 */10 * MON", "2026-12-21T09:00:00"),
            ("0 0 29 2 *", "2028-02-29T00:00:00"),
            ("0 0 * 2 MON#5", "2044-02-29T00:00:00"),
            ("0-2 12 * * *", "2026-11-22T12:01:00"),
        ] {
            let rule = rule(text);
            let found = rule.naive_next(after).unwrap();
            assert_eq!(found, wall(next), "{text}");
            assert_eq!(rule.naive_latest(found), Some(found), "{text}");
            assert!(rule.naive_latest(wall("2026-11-22T12:00:00")) <= Some(after));
        }
    }

    #[test]
    fn a_fixed_time_in_a_skipped_hour_runs_once_right_after_the_gap() {
        let zone = Tz::America__New_York;
        let day = ("2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z");
        assert_eq!(
            runs("30 2 * * *", day.0, day.1, zone),
            [at("2026-03-08T07:00:00Z")]
        );
        // Three local times, one instant, one occurrence.
        assert_eq!(
            runs("0,15,30 2 * * *", day.0, day.1, zone),
            [at("2026-03-08T07:00:00Z")]
        );
        let (named, when) = rule("0,15 2 * * *").next(at(day.0), zone).unwrap();
        assert_eq!(
            (named, when),
            (wall("2026-03-08T02:15:00"), at("2026-03-08T07:00:00Z"))
        );
        assert_eq!(
            rule("0,15 2 * * *").latest(at(day.0), at(day.1), zone),
            Some((named, when))
        );
        assert_eq!(runs("*/30 2 * * *", day.0, day.1, zone), []);
    }

    #[test]
    fn a_fixed_time_in_a_repeated_hour_runs_the_first_time_only() {
        let zone = Tz::America__New_York;
        let day = ("2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z");
        assert_eq!(
            runs("30 1 * * *", day.0, day.1, zone),
            [at("2026-11-01T05:30:00Z")]
        );
        assert_eq!(
            runs("*/30 1 * * *", day.0, day.1, zone),
            [
                at("2026-11-01T05:00:00Z"),
                at("2026-11-01T05:30:00Z"),
                at("2026-11-01T06:00:00Z"),
                at("2026-11-01T06:30:00Z")
            ]
        );
        // At the second 01:10 the first 01:30 is past.
        let second = at("2026-11-01T06:10:00Z");
        let half_past = rule("30 1 * * *");
        assert_eq!(
            half_past.latest(at(day.0), second, zone).unwrap().1,
            at("2026-11-01T05:30:00Z")
        );
        assert_eq!(
            half_past.next(second, zone).unwrap().1,
            at("2026-11-02T06:30:00Z")
        );
    }

    #[test]
    fn what_a_repeated_hour_shows_again_is_not_passed_over() {
        // The next match on the clock's face is a year ahead, but this one comes round again.
        let zone = Tz::America__New_York;
        assert_eq!(
            rule("* 1 1 11 *")
                .next(at("2026-11-01T05:59:00Z"), zone)
                .map(|o| o.1),
            Some(at("2026-11-01T06:00:00Z"))
        );
        // At the second 01:35 the first 01:45 is past, though the clock's face says otherwise.
        let second = at("2026-04-04T15:05:00Z");
        for text in ["*/45 1 5 4 *", "45 1 5 4 *"] {
            assert_eq!(
                rule(text).latest(second - Span::days(1), second, Tz::Australia__Lord_Howe),
                Some((wall("2026-04-05T01:45:00"), at("2026-04-04T14:45:00Z")))
            );
        }
    }

    #[test]
    fn rare_interval_jobs_are_found_far_ahead_and_behind() {
        let zone = Tz::Europe__Berlin;
        let yearly = rule("* 3 1 1 *");
        assert_eq!(
            yearly.next(at("2026-01-01T02:59:00Z"), zone).unwrap().1,
            at("2027-01-01T02:00:00Z")
        );
        assert_eq!(
            yearly
                .latest(Timestamp::EARLIEST, at("2026-12-31T00:00:00Z"), zone)
                .unwrap()
                .1,
            at("2026-01-01T02:59:00Z")
        );
        // Always in the hour that is skipped, as far as the zone's rules are known.
        let skipped = rule("* 2 * 3 SUN#2").next(at("2026-01-01T00:00:00Z"), Tz::America__New_York);
        assert!(skipped.is_none_or(|(_, t)| t > at("2099-01-01T00:00:00Z")));
    }

    #[test]
    fn nothing_lies_in_an_empty_stretch_and_the_end_of_time_does_no_harm() {
        let daily = rule("0 9 * * *");
        let nine = at("2026-11-22T09:00:00Z");
        assert_eq!(daily.latest(nine, nine + Span::hours(5), Tz::UTC), None);
        assert_eq!(daily.latest(nine, nine, Tz::UTC), None);
        assert_eq!(
            daily
                .latest(nine - Span::millis(1), nine, Tz::UTC)
                .map(|o| o.1),
            Some(nine)
        );
        for text in ["0 9 * * *", "* * * * *", "* * 29 2 *"] {
            for t in [i64::MIN, -1, i64::MAX - 1, i64::MAX] {
                let _ = rule(text).next(Timestamp(t), Tz::Pacific__Apia);
                let _ = rule(text).latest(Timestamp(i64::MIN), Timestamp(t), Tz::Pacific__Apia);
            }
        }
    }

    #[test]
    fn a_local_time_has_one_instant() {
        assert_eq!(
            instant_of(wall("2026-11-01T01:30:00"), Tz::America__New_York),
            at("2026-11-01T05:30:00Z")
        );
        assert_eq!(
            instant_of(wall("2026-03-08T02:30:00"), Tz::America__New_York),
            at("2026-03-08T07:00:00Z")
        );
    }
}
