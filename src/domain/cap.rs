//! At most N messages in a period.
//!
//! A cap counts places: the instants at which messages left. Which places a mailbox keeps, and which caps apply,
//! is the record's and policy's matter; here it is only counted, and worked out when one more fits.
//!
//! A rolling period counts on both sides of `now`, since after a step of the clock a place can lie ahead: no period
//! of that length, wherever it is laid, may hold more than the cap. Calendar days and weeks are told apart by number
//! (days since 1970, weeks from Monday), not by their length, which a change of the clock makes 23 or 25 hours.

use super::time::{Span, Timestamp};
use super::wall::{DAY, shown, steady_after};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use std::fmt;

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

/// A calendar period: days or weeks, numbered on the wall clock.
#[derive(Clone, Copy)]
enum Calendar {
    Day,
    Week,
}

impl Calendar {
    /// The number of the day or week on which the wall clock stands. 1970-01-01 was a Thursday.
    fn number(self, shown: i64) -> i64 {
        let day = shown.div_euclid(DAY);
        match self {
            Calendar::Day => day,
            Calendar::Week => (day + 3).div_euclid(7),
        }
    }

    /// What the wall clock shows when that day or week begins.
    fn begin(self, number: i64) -> i64 {
        let day = match self {
            Calendar::Day => number,
            Calendar::Week => number * 7 - 3,
        };
        day.saturating_mul(DAY)
    }
}

/// The longest period.
pub const LONGEST: Span = Span::days(366);

impl Cap {
    /// Reads `2 per 7d`, `1 per 20h`, `1 per day`, `3 per week`.
    pub fn parse(text: &str) -> Result<Cap, String> {
        let text = text.trim();
        let wrong = |why: &str| {
            format!(
                "\"{text}\" is not a cap: {why}; write how many and in what time, such as \"2 per 7d\", \"1 per 20h\", \"1 per day\" or \"3 per week\""
            )
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let [most, per, period @ ..] = words.as_slice() else {
            return Err(wrong("it has no \"per\""));
        };
        if !per.eq_ignore_ascii_case("per") {
            return Err(wrong("its second word is not \"per\""));
        }
        if !most.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong(&format!("\"{most}\" is not a whole number")));
        }
        let Ok(most) = most.parse::<u32>() else {
            return Err(wrong(&format!("{most} is too many")));
        };
        if most == 0 {
            return Err(format!(
                "\"{text}\" would let nothing go, for ever; to stop messages use `pause`, else let at least 1 go"
            ));
        }
        let period = match period.join(" ").to_lowercase().as_str() {
            "" => return Err(wrong("after \"per\" the time is missing")),
            "day" => Period::Day,
            "week" => Period::Week,
            "month" | "year" | "hour" => {
                return Err(wrong(
                    "calendar periods are \"day\" and \"week\"; others roll, as \"30d\", \"365d\" or \"1h\"",
                ));
            }
            length => match Span::parse(length) {
                Err(why) => return Err(wrong(&why)),
                Ok(Span(..=0)) => return Err(wrong("a period must be longer than nothing")),
                Ok(span) if span > LONGEST => {
                    return Err(wrong("a period can be at most 366d"));
                }
                Ok(span) => Period::Rolling(span),
            },
        };
        Ok(Cap { most, period })
    }

    /// The first instant at or after `now` at which one more message fits, given the instants of the places taken
    /// (in any order). [`Timestamp::NEVER`] if none ever does, which takes a cap of 0.
    pub fn next_fit(&self, places: &[Timestamp], now: Timestamp, zone: Tz) -> Timestamp {
        match self.period {
            Period::Rolling(period) => rolling_fit(self.most, period, places, now),
            Period::Day => calendar_fit(self.most, Calendar::Day, places, now, zone),
            Period::Week => calendar_fit(self.most, Calendar::Week, places, now, zone),
        }
    }

    /// How many of `places` count at `now`.
    pub fn taken(&self, places: &[Timestamp], now: Timestamp, zone: Tz) -> u32 {
        let same = |calendar: Calendar| {
            let today = calendar.number(shown(now, zone));
            let own = places.iter().map(|s| calendar.number(shown(*s, zone)));
            own.filter(|number| *number == today).count()
        };
        let count = match self.period {
            Period::Rolling(period) => places
                .iter()
                .filter(|s| now.0.abs_diff(s.0) < period.0.max(0) as u64)
                .count(),
            Period::Day => same(Calendar::Day),
            Period::Week => same(Calendar::Week),
        };
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// How long a place can matter for this cap: further from `now` than this, it counts in no zone. A calendar day
    /// or week is given a day more than its 24 hours or 7 days, for what a zone's clock may repeat.
    pub fn reach(&self) -> Span {
        match self.period {
            Period::Rolling(period) => period,
            Period::Day => Span::days(2),
            Period::Week => Span::days(8),
        }
    }
}

/// The first instant at or after `now` that is at least `gap` from every one of `places`, before and after.
pub fn gap_fit(places: &[Timestamp], gap: Span, now: Timestamp) -> Timestamp {
    // A gap is a cap of one in that time.
    rolling_fit(1, gap, places, now)
}

fn rolling_fit(most: u32, period: Span, places: &[Timestamp], now: Timestamp) -> Timestamp {
    let mut sorted = places.to_vec();
    sorted.sort_unstable();
    let most = most as usize;
    let fits = |t: Timestamp| {
        // Places in (t - period, t + period).
        let low = sorted.partition_point(|s| s.saturating_add(period) <= t);
        let high = sorted.partition_point(|s| s.saturating_sub(period) < t);
        high.saturating_sub(low) < most
    };
    if fits(now) {
        return now;
    }
    // Room comes only when a place stops counting, so no other instant can be the first.
    sorted
        .iter()
        .map(|s| s.saturating_add(period))
        .filter(|t| *t > now)
        .find(|t| fits(*t))
        .unwrap_or(Timestamp::NEVER)
}

fn calendar_fit(
    most: u32,
    calendar: Calendar,
    places: &[Timestamp],
    now: Timestamp,
    zone: Tz,
) -> Timestamp {
    let numbers: Vec<i64> = places
        .iter()
        .map(|s| calendar.number(shown(*s, zone)))
        .collect();
    if most == 0 {
        return Timestamp::NEVER;
    }
    let mut t = now;
    // The number of the day changes at a midnight, or where the clock is set over one, in either direction. Each
    // full day or week holds a place, so after as many of them as there are places one has room.
    loop {
        let (offset, until) = steady_after(t, zone);
        let number = calendar.number(t.0.saturating_add(offset));
        if numbers.iter().filter(|n| **n == number).count() < most as usize {
            return t;
        }
        let next = Timestamp(calendar.begin(number + 1).saturating_sub(offset)).min(until);
        if next <= t {
            return Timestamp::NEVER;
        }
        t = next;
    }
}

impl fmt::Display for Cap {
    /// Reads back as the same cap.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.period {
            Period::Rolling(span) => write!(f, "{} per {span}", self.most),
            Period::Day => write!(f, "{} per day", self.most),
            Period::Week => write!(f, "{} per week", self.most),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cap, LONGEST, Period, gap_fit};
    use crate::domain::time::{Span, Timestamp};
    use chrono_tz::Tz;

    fn cap(text: &str) -> Cap {
        Cap::parse(text).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn caps_read_and_print_the_same() {
        for text in [
            "2 per 7d",
            "1 per 20h",
            "1 per day",
            "3 per week",
            "5 per 1d 12h",
        ] {
            assert_eq!(cap(text).to_string(), text);
        }
        assert_eq!(cap(" 1  Per Day ").period, Period::Day);
        assert_eq!(cap("1 per 1d").period, Period::Rolling(Span::hours(24)));
        assert_eq!(cap("1 per 366d").period, Period::Rolling(LONGEST));
        assert!(
            Cap::parse("1 per 367d").is_err(),
            "its places would be forgotten before it is over"
        );
    }

    #[test]
    fn what_is_no_cap_is_refused_with_help() {
        for (text, says) in [
            ("", "no \"per\""),
            ("2", "no \"per\""),
            ("2/7d", "no \"per\""),
            ("two per 7d", "\"two\" is not a whole number"),
            ("-1 per 7d", "not a whole number"),
            ("9999999999 per 7d", "too many"),
            ("2 in 7d", "second word"),
            ("2 per", "missing"),
            ("2 per month", "\"30d\""),
            ("2 per 7", "not a duration"),
            ("2 per 0s", "longer than nothing"),
            ("0 per 7d", "`pause`"),
        ] {
            let error = Cap::parse(text).unwrap_err();
            assert!(error.contains(says), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_place_counts_until_the_period_is_over_on_either_side() {
        let two = cap("2 per 7d");
        let now = at("2026-11-22T12:00:00Z");
        let places = [now - Span::days(7), now - Span::days(1)];
        assert_eq!(two.taken(&places, now, Tz::UTC), 1);
        assert_eq!(two.taken(&places, now - Span::millis(1), Tz::UTC), 2);
        assert_eq!(two.next_fit(&places, now - Span::hours(3), Tz::UTC), now);
        // Both places are ahead: the clock was set back.
        let ahead = [now + Span::days(1), now + Span::days(2)];
        assert_eq!(two.taken(&ahead, now, Tz::UTC), 2);
        assert_eq!(two.next_fit(&ahead, now, Tz::UTC), now + Span::days(8));
        assert_eq!(
            two.next_fit(&ahead, now - Span::days(5), Tz::UTC),
            now - Span::days(5)
        );
    }

    #[test]
    fn more_places_than_the_cap_wait_for_all_of_them() {
        let one = cap("1 per 1h");
        let now = at("2026-11-22T12:00:00Z");
        let places = [0, 50, 20].map(|m| now + Span::minutes(m));
        assert_eq!(
            one.next_fit(&places, now, Tz::UTC),
            now + Span::minutes(110)
        );
    }

    #[test]
    fn a_day_is_the_customers_own() {
        let one = cap("1 per day");
        let place = [at("2026-11-22T23:30:00+09:00")];
        let now = at("2026-11-22T23:45:00+09:00");
        assert_eq!(
            one.next_fit(&place, now, Tz::Asia__Seoul),
            at("2026-11-23T00:00:00+09:00")
        );
        // In UTC both are the afternoon of the 22nd.
        assert_eq!(
            one.next_fit(&place, now, Tz::UTC),
            at("2026-11-23T00:00:00Z")
        );
        let places = [
            at("2026-11-22T08:00:00Z"),
            at("2026-11-23T08:00:00Z"),
            at("2026-11-24T08:00:00Z"),
        ];
        assert_eq!(
            one.next_fit(&places, places[0], Tz::UTC),
            at("2026-11-25T00:00:00Z")
        );
    }

    #[test]
    fn a_day_begins_where_its_midnight_is_skipped_and_ends_where_it_is_repeated() {
        let one = cap("1 per day");
        // Santiago's clock goes from 00:00 to 01:00 on 6 September 2026.
        let place = [at("2026-09-05T10:00:00-04:00")];
        assert_eq!(
            one.next_fit(&place, place[0], Tz::America__Santiago),
            at("2026-09-06T01:00:00-03:00")
        );
        // Until 2011 Newfoundland went from 00:01 back to 23:01 of the day before.
        let zone = Tz::America__St_Johns;
        let place = [at("2010-11-07T00:00:30-02:30")];
        assert_eq!(
            one.next_fit(&place, place[0], zone),
            at("2010-11-06T23:01:00-03:30")
        );
        let place = [at("2010-11-06T12:00:00-02:30")];
        assert_eq!(
            one.next_fit(&place, place[0], zone),
            at("2010-11-07T00:00:00-02:30")
        );
        assert_eq!(
            one.next_fit(&place, at("2010-11-06T23:30:00-03:30"), zone),
            at("2010-11-07T00:00:00-03:30")
        );
    }

    #[test]
    fn a_week_begins_on_monday() {
        let one = cap("1 per week");
        // 2026-11-22 is a Sunday.
        let place = [at("2026-11-22T12:00:00Z")];
        assert_eq!(
            one.next_fit(&place, at("2026-11-16T00:00:00Z"), Tz::UTC),
            at("2026-11-23T00:00:00Z")
        );
        assert_eq!(one.taken(&place, at("2026-11-15T23:59:59Z"), Tz::UTC), 0);
        assert_eq!(one.taken(&place, at("2026-11-16T00:00:00Z"), Tz::UTC), 1);
    }

    #[test]
    fn a_gap_is_kept_on_both_sides() {
        let now = at("2026-11-22T12:00:00Z");
        let gap = Span::days(3);
        assert_eq!(gap_fit(&[], gap, now), now);
        assert_eq!(gap_fit(&[now - gap], gap, now), now);
        assert_eq!(
            gap_fit(&[now - Span::days(2)], gap, now),
            now + Span::days(1)
        );
        let places = [now - Span::days(2), now + Span::days(3)];
        assert_eq!(gap_fit(&places, gap, now), now + Span::days(6));
        assert_eq!(gap_fit(&[now], Span::ZERO, now), now);
    }

    #[test]
    fn odd_values_do_no_harm() {
        let zero = Cap {
            most: 0,
            period: Period::Day,
        };
        assert_eq!(zero.next_fit(&[], Timestamp(0), Tz::UTC), Timestamp::NEVER);
        for period in [Period::Day, Period::Week, Period::Rolling(Span(i64::MAX))] {
            let one = Cap { most: 1, period };
            for t in [i64::MIN, -1, i64::MAX] {
                one.next_fit(&[Timestamp(t)], Timestamp(t), Tz::Pacific__Apia);
                one.taken(&[Timestamp(t)], Timestamp(t), Tz::Pacific__Apia);
            }
        }
    }
}
