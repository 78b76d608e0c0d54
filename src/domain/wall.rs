//! The clock on the wall of a zone: what it shows at an instant, how long it runs steadily, when it shows a time.
//!
//! The ground under [`super::window`], [`super::cap`] and [`super::schedule`], so that changes of the clock are met
//! in one place. `chrono-tz` tells the offset at an instant but not when it next changes; that is found here by
//! looking a day ahead and halving. No zone has made two changes within a day that undo each other since 1990 (a test
//! looks), so none is overlooked. Weekdays, hours and cron fields are left to the rooms above.

use super::time::{Span, Timestamp};
use chrono::{DateTime, Days, NaiveDateTime, NaiveTime, Offset, TimeZone};
use chrono_tz::{GapInfo, Tz};

/// Milliseconds in a day of 24 hours.
pub const DAY: i64 = 86_400_000;

/// How far the wall clock of `zone` is ahead of UTC at `at`, in milliseconds.
pub fn offset(at: Timestamp, zone: Tz) -> i64 {
    let utc = at.to_utc().naive_utc();
    i64::from(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc()) * 1_000
}

/// What the wall clock shows at `at`, as the milliseconds since 1970-01-01T00:00 that it would be in UTC.
pub fn shown(at: Timestamp, zone: Tz) -> i64 {
    at.0.saturating_add(offset(at, zone))
}

/// What the wall clock shows at `at`.
pub fn local(at: Timestamp, zone: Tz) -> NaiveDateTime {
    naive(shown(at, zone))
}

/// A wall-clock time from the milliseconds of [`shown`]; beyond chrono's range its first or last.
pub fn naive(millis: i64) -> NaiveDateTime {
    match DateTime::from_timestamp_millis(millis) {
        Some(t) => t.naive_utc(),
        None if millis < 0 => NaiveDateTime::MIN,
        None => NaiveDateTime::MAX,
    }
}

/// The milliseconds of [`shown`] from a wall-clock time.
pub fn millis(local: NaiveDateTime) -> i64 {
    local.and_utc().timestamp_millis()
}

/// The offset at `at`, and an instant after `at`, at most a day later, until which it stays: the next change of the
/// clock if it is that near.
pub fn steady_after(at: Timestamp, zone: Tz) -> (i64, Timestamp) {
    let here = offset(at, zone);
    let ahead = at.saturating_add(Span(DAY));
    if offset(ahead, zone) == here {
        return (here, ahead);
    }
    let (mut same, mut changed) = (at.0, ahead.0);
    while changed - same > 1 {
        let middle = same + (changed - same) / 2;
        if offset(Timestamp(middle), zone) == here {
            same = middle;
        } else {
            changed = middle;
        }
    }
    (here, Timestamp(changed))
}

/// The offset at `at`, and an instant at or before `at`, at most a day earlier, since which it stands: the latest
/// change of the clock if it is that near.
pub fn steady_before(at: Timestamp, zone: Tz) -> (i64, Timestamp) {
    let here = offset(at, zone);
    let behind = at.saturating_sub(Span(DAY));
    if offset(behind, zone) == here {
        return (here, behind);
    }
    let (mut changed, mut same) = (behind.0, at.0);
    while same - changed > 1 {
        let middle = changed + (same - changed) / 2;
        if offset(Timestamp(middle), zone) == here {
            same = middle;
        } else {
            changed = middle;
        }
    }
    (here, Timestamp(same))
}

/// When the wall clock shows a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Showing {
    Once(Timestamp),
    /// The clock goes back and shows it again.
    Twice(Timestamp, Timestamp),
    /// The clock leaps over it: the instant right after the leap.
    Skipped(Timestamp),
}

/// When the wall clock in `zone` shows `local`.
pub fn showing(local: NaiveDateTime, zone: Tz) -> Showing {
    let wall = millis(local);
    let minus = |offset: i64| Timestamp(wall.saturating_sub(offset));
    let millis_of = |o: chrono_tz::TzOffset| i64::from(o.fix().local_minus_utc()) * 1_000;
    match zone.offset_from_local_datetime(&local) {
        chrono::MappedLocalTime::Single(o) => Showing::Once(minus(millis_of(o))),
        chrono::MappedLocalTime::Ambiguous(a, b) => {
            let (a, b) = (minus(millis_of(a)), minus(millis_of(b)));
            Showing::Twice(a.min(b), a.max(b))
        }
        chrono::MappedLocalTime::None => {
            // A leap begins, on the old offset, at the very instant at which it ends on the new one.
            match GapInfo::new(&local, &zone).and_then(|gap| gap.begin) {
                Some((begin, before)) => {
                    Showing::Skipped(Timestamp(millis(begin).saturating_sub(millis_of(before))))
                }
                // Not met: a leap needs an offset before it. The offset a day earlier is the next best.
                None => Showing::Skipped(minus(offset(minus(DAY), zone))),
            }
        }
    }
}

/// The first instant from `from` on at which the clock of `zone` shows `time`; on a day on which it leaps over it, right
/// after the leap.
pub fn first_showing(time: NaiveTime, from: Timestamp, zone: Tz) -> Timestamp {
    let today = local(from, zone).date();
    // From yesterday: a clock that goes back at midnight shows that evening twice. A date that a zone left out is
    // followed by one that it has.
    let days = (0..4).filter_map(|n| {
        let day = today.checked_sub_days(Days::new(1))?;
        day.checked_add_days(Days::new(n))
    });
    let instants = days.flat_map(|day| match showing(day.and_time(time), zone) {
        Showing::Once(at) | Showing::Skipped(at) => [at, at],
        Showing::Twice(a, b) => [a, b],
    });
    // Beyond the years that a clock can show there is none to wait for.
    (instants.filter(|at| *at >= from)).min().unwrap_or(from)
}

#[cfg(test)]
mod tests {
    use super::{DAY, Showing, first_showing, offset, showing, steady_after, steady_before};
    use crate::domain::time::{Span, Timestamp};
    use chrono::NaiveDateTime;
    use chrono_tz::{TZ_VARIANTS, Tz};

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn wall(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    #[test]
    fn a_change_of_the_clock_is_found_to_the_millisecond() {
        let change = at("2026-03-08T07:00:00Z");
        let before = change - Span::hours(9);
        assert_eq!(
            steady_after(before, Tz::America__New_York),
            (-5 * 3_600_000, change)
        );
        assert_eq!(
            steady_after(change, Tz::America__New_York),
            (-4 * 3_600_000, change + Span(DAY))
        );
        assert_eq!(
            steady_before(change + Span::hours(9), Tz::America__New_York),
            (-4 * 3_600_000, change)
        );
        assert_eq!(
            steady_before(change - Span::millis(1), Tz::America__New_York).0,
            -5 * 3_600_000
        );
    }

    #[test]
    fn a_time_is_shown_once_twice_or_leapt_over() {
        let zone = Tz::Australia__Lord_Howe;
        assert_eq!(
            showing(wall("2026-10-04T02:10:00"), zone),
            Showing::Skipped(at("2026-10-03T15:30:00Z"))
        );
        assert_eq!(
            showing(wall("2026-04-05T01:45:00"), zone),
            Showing::Twice(at("2026-04-04T14:45:00Z"), at("2026-04-04T15:15:00Z"))
        );
        // Samoa had no 30 December 2011.
        assert_eq!(
            showing(wall("2011-12-30T10:00:00"), Tz::Pacific__Apia),
            Showing::Skipped(at("2011-12-30T10:00:00Z"))
        );
        assert_eq!(
            showing(wall("2026-07-01T05:45:00"), Tz::Asia__Kathmandu),
            Showing::Once(at("2026-07-01T00:00:00Z"))
        );
    }

    #[test]
    fn a_time_of_day_is_met_first_from_an_instant_on() {
        let first = |time: &str, from: &str, zone| {
            let time = chrono::NaiveTime::parse_from_str(time, "%H:%M").unwrap();
            first_showing(time, at(from), zone)
        };
        let seoul = Tz::Asia__Seoul;
        for (time, from, zone, expected) in [
            // At that very instant, a millisecond after it, and the evening before.
            (
                "10:00",
                "2026-03-09T01:00:00Z",
                seoul,
                "2026-03-09T01:00:00Z",
            ),
            (
                "10:00",
                "2026-03-09T01:00:00.001Z",
                seoul,
                "2026-03-10T01:00:00Z",
            ),
            (
                "10:00",
                "2026-03-08T20:00:00Z",
                seoul,
                "2026-03-09T01:00:00Z",
            ),
            // New York leaps from 02:00 to 03:00 on 8 March 2026.
            (
                "02:30",
                "2026-03-08T05:00:00Z",
                Tz::America__New_York,
                "2026-03-08T07:00:00Z",
            ),
            (
                "02:30",
                "2026-03-08T07:00:00.001Z",
                Tz::America__New_York,
                "2026-03-09T06:30:00Z",
            ),
            // It shows 01:30 twice on 1 November 2026.
            (
                "01:30",
                "2026-11-01T05:00:00Z",
                Tz::America__New_York,
                "2026-11-01T05:30:00Z",
            ),
            (
                "01:30",
                "2026-11-01T05:30:00.001Z",
                Tz::America__New_York,
                "2026-11-01T06:30:00Z",
            ),
            // Samoa had no 30 December 2011.
            (
                "10:00",
                "2011-12-29T21:00:00Z",
                Tz::Pacific__Apia,
                "2011-12-30T10:00:00Z",
            ),
        ] {
            assert_eq!(first(time, from, zone), at(expected), "{time} from {from}");
        }
        for far in [Timestamp(i64::MIN), Timestamp::NEVER] {
            first_showing(chrono::NaiveTime::MIN, far, seoul);
        }
    }

    /// What [`steady_after`] rests on. By default the years around now, hour by hour for a few zones known for
    /// frequent changes; all zones since 1990 under `REVEILLE_SOAK=1`.
    #[test]
    fn no_two_changes_within_a_day_undo_each_other() {
        let soak = std::env::var_os("REVEILLE_SOAK").is_some();
        let zones: Vec<Tz> = if soak {
            TZ_VARIANTS.to_vec()
        } else {
            vec![
                Tz::Africa__Casablanca,
                Tz::Africa__Cairo,
                Tz::Asia__Gaza,
                Tz::Antarctica__Troll,
                Tz::Antarctica__Casey,
            ]
        };
        let (from, to) = if soak { (20, 80) } else { (50, 60) };
        for zone in zones {
            let year = 365 * DAY;
            let mut t = Timestamp(from * year);
            let mut last_change: Option<(Timestamp, i64)> = None;
            let mut here = offset(t, zone);
            while t.0 < to * year {
                let next = offset(t + Span::hours(1), zone);
                t = t + Span::hours(1);
                if next != here {
                    if let Some((when, was)) = last_change {
                        assert!(
                            t.since(when) > Span::hours(26) || was != next,
                            "{zone}: the change near {when} is undone near {t}"
                        );
                    }
                    last_change = Some((t, here));
                    here = next;
                }
            }
        }
    }
}
