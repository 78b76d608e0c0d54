//! Days and hours on the customer's own clock in which messages may go.
//!
//! A window is a weekly pattern of local hours; here it is asked whether it stands open, when it next opens and when
//! it closes. Which windows apply to a message, and what `"always"` means, is policy's matter; how a window is read
//! and printed is in `text`.
//!
//! Instants are walked in stretches in which the wall clock runs steadily ([`super::wall`]), never by constructing
//! local times: so a repeated hour is open twice, a skipped one never, and a skipped midnight needs no special case.

mod text;

use super::time::{Span, Timestamp};
use super::wall::{DAY, offset, steady_after};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

const MINUTE: i64 = 60_000;
const DAY_MINUTES: u32 = 1_440;
/// How far ahead an opening is looked for. Every weekly pattern recurs within two weeks, whatever the clock does;
/// the year is for openings that only a change of the clock makes long enough for the lead.
const HORIZON: Span = Span::days(400);
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

/// A place in the local week: the weekday (0 is Monday), the minute of the day, the milliseconds into that minute.
#[derive(Clone, Copy)]
struct Place {
    weekday: u32,
    minute: u32,
    rest: i64,
}

impl Place {
    fn of(shown: i64) -> Place {
        let day = shown.div_euclid(DAY);
        let in_day = shown.rem_euclid(DAY);
        Place {
            // 1970-01-01 was a Thursday.
            weekday: (day + 3).rem_euclid(7) as u32,
            minute: (in_day / MINUTE) as u32,
            rest: in_day % MINUTE,
        }
    }
}

impl WindowSpan {
    fn on(self, weekday: u32) -> bool {
        self.days >> (weekday % 7) & 1 == 1
    }

    /// If the span is open at `place`, the milliseconds until it ends.
    fn open_for(self, place: Place) -> Option<i64> {
        let (start, end) = (u32::from(self.start), u32::from(self.end));
        let since_yesterday = place.minute + DAY_MINUTES;
        let left = if self.on(place.weekday) && start <= place.minute && place.minute < end {
            end - place.minute
        } else if self.on(place.weekday + 6) && start <= since_yesterday && since_yesterday < end {
            end - since_yesterday
        } else {
            return None;
        };
        Some(i64::from(left) * MINUTE - place.rest)
    }

    /// The milliseconds from `place` until the span next begins; `None` if it is on no day or empty.
    fn opens_in(self, place: Place) -> Option<i64> {
        let start = u32::from(self.start);
        if self.start >= self.end {
            return None;
        }
        (0..=7)
            .filter(|ahead| self.on(place.weekday + ahead))
            .map(|ahead| ahead * DAY_MINUTES + start)
            .find(|begin| *begin > place.minute)
            .map(|begin| i64::from(begin - place.minute) * MINUTE - place.rest)
    }
}

impl Window {
    /// Whether the local clock in `zone` stands in the window at `at`.
    pub fn contains(&self, at: Timestamp, zone: Tz) -> bool {
        let place = Place::of(at.0.saturating_add(offset(at, zone)));
        self.spans.iter().any(|s| s.open_for(place).is_some())
    }

    /// The first instant at or after `at` that the window contains and, with it, the whole of the following `lead`
    /// (policy ends windows a little early, since a message starts to leave up to `lead` after it was judged).
    /// `None` if there is none within 400 days: for a pattern by the week that means never.
    pub fn next_open(&self, at: Timestamp, zone: Tz, lead: Span) -> Option<Timestamp> {
        let limit = at.saturating_add(HORIZON);
        let mut since: Option<Timestamp> = None;
        for stretch in Stretches::of(self, at, zone) {
            if !stretch.open {
                since = None;
            } else {
                let begin = *since.get_or_insert(stretch.from);
                if stretch.to > begin.saturating_add(lead) {
                    return Some(begin);
                }
            }
            // An opening that began within the limit is followed to its end.
            if stretch.to >= limit && (since.is_none() || lead > HORIZON) {
                break;
            }
        }
        None
    }

    /// When the opening in which `at` lies ends; `None` if the window is shut at `at`, or doesn't shut within
    /// 400 days (`Mon-Sun 00:00-24:00`).
    pub fn closes(&self, at: Timestamp, zone: Tz) -> Option<Timestamp> {
        let limit = at.saturating_add(HORIZON);
        let mut open = false;
        for stretch in Stretches::of(self, at, zone) {
            if !stretch.open {
                return open.then_some(stretch.from);
            }
            open = true;
            if stretch.to >= limit {
                break;
            }
        }
        None
    }
}

/// The first instant in [`at`, `upto`] from which all `windows`, each in its zone, stand open for the whole of the
/// following `lead`. Without windows that is `at`. Looks 400 days ahead at most.
pub fn first_open(
    windows: &[(&Window, Tz)],
    at: Timestamp,
    lead: Span,
    upto: Timestamp,
) -> Option<Timestamp> {
    let upto = upto.min(at.saturating_add(HORIZON));
    let mut t = at;
    // Each window moves t to its own next opening until none does. No instant passed over can be an answer, since
    // at each of them some window is shut; so the first instant at which all agree is the first there is.
    loop {
        let before = t;
        for (window, zone) in windows {
            t = window.next_open(t, *zone, lead)?;
            if t > upto {
                return None;
            }
        }
        if t == before {
            return (t <= upto).then_some(t);
        }
    }
}

/// The time from an instant on, cut where the window opens, where it may close, and where the clock changes.
struct Stretches<'a> {
    window: &'a Window,
    zone: Tz,
    from: Timestamp,
    /// The offset, and until when it is known to stay.
    steady: Option<(i64, Timestamp)>,
}

struct Stretch {
    from: Timestamp,
    to: Timestamp,
    open: bool,
}

impl<'a> Stretches<'a> {
    fn of(window: &'a Window, from: Timestamp, zone: Tz) -> Self {
        Stretches {
            window,
            zone,
            from,
            steady: None,
        }
    }
}

impl Iterator for Stretches<'_> {
    type Item = Stretch;

    /// Ends where time does, or where a window without any span would be waited for.
    fn next(&mut self) -> Option<Stretch> {
        let from = self.from;
        let (offset, until) = match self.steady {
            Some(known) if known.1 > from => known,
            _ => *self.steady.insert(steady_after(from, self.zone)),
        };
        let place = Place::of(from.0.saturating_add(offset));
        let spans = self.window.spans.iter();
        let open_for = spans.clone().filter_map(|s| s.open_for(place)).max();
        let length = match open_for {
            Some(left) => left,
            None => spans.filter_map(|s| s.opens_in(place)).min()?,
        };
        let to = from.saturating_add(Span(length)).min(until);
        if to <= from {
            return None;
        }
        self.from = to;
        Some(Stretch {
            from,
            to,
            open: open_for.is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Window, WindowSpan, first_open};
    use crate::domain::time::{Span, Timestamp};
    use chrono_tz::Tz;

    const LEAD: Span = Span::seconds(5);

    fn window(text: &str) -> Window {
        Window::parse(text).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn windows_read_and_print_the_same() {
        for (text, printed) in [
            ("Mon-Fri 09:00-18:00", "Mon-Fri 09:00-18:00"),
            ("mon,WED 8:00-12:00", "Mon,Wed 08:00-12:00"),
            ("Sat-Sun 10:00-14:00", "Sat-Sun 10:00-14:00"),
            ("22:00-02:00", "Mon-Sun 22:00-02:00"),
            ("Friday - Monday 09:00 - 24:00", "Mon,Fri-Sun 09:00-24:00"),
            ("Mon–Thurs 00:00–24:00", "Mon-Thu 00:00-24:00"),
            (
                "Mon-Fri 09:00-12:00, Mon-Fri 13:00-18:00",
                "Mon-Fri 09:00-12:00, Mon-Fri 13:00-18:00",
            ),
            (
                "Mon,Wed 09:00-12:00; Tue,Thu-Fri 22:00-00:00",
                "Mon,Wed 09:00-12:00, Tue,Thu-Fri 22:00-24:00",
            ),
            (
                "08:00-12:00, 13:00-18:00",
                "Mon-Sun 08:00-12:00, Mon-Sun 13:00-18:00",
            ),
        ] {
            let read = window(text);
            assert_eq!(read.to_string(), printed, "{text}");
            assert_eq!(window(printed), read, "{text}");
        }
        assert_eq!(
            window("Sun 22:00-02:00").spans,
            [WindowSpan {
                days: 0b100_0000,
                start: 1_320,
                end: 1_560
            }]
        );
    }

    #[test]
    fn what_is_no_window_is_refused_with_help() {
        for (text, says) in [
            ("", "a span is missing"),
            ("Mon-Fri", "have no hours"),
            ("Mon; Wed 09:00-12:00", "have no hours"),
            ("Mon-Fri 09:00-12:00,", "a span is missing"),
            ("Mon,, Wed 09:00-12:00", "a span is missing"),
            ("Moon 09:00-12:00", "\"Moon\" is no day"),
            ("Mo 09:00-12:00", "\"Mo\" is no day"),
            ("Mon Wed 09:00-12:00", "\"Mon Wed\" is no day"),
            ("daily 09:00-12:00", "\"Mon-Sun\""),
            ("always", "\"00:00-24:00\""),
            ("Mon 09:00", "no \"-\""),
            ("Mon 9-18", "HH:MM"),
            ("Mon 09:00-25:00", "HH:MM"),
            ("Mon 09:00-24:01", "HH:MM"),
            ("Mon 09:60-10:00", "HH:MM"),
            ("Mon 09:00-+9:30", "HH:MM"),
            ("Mon 09:00-10:00-11:00", "HH:MM"),
            ("Mon 24:00-02:00", "starts at 24:00"),
            ("Mon 09:00-09:00", "same time"),
            ("Mon,09:00-10:00", "put a space"),
            (
                "Mon-Fri 09:00-12:00, 13:00-18:00",
                "\"Mon-Sun 13:00-18:00\"",
            ),
        ] {
            let error = Window::parse(text).unwrap_err();
            assert!(error.contains(says), "{text:?}: {error}");
        }
        assert!(Window::parse(&"00:00-01:00,".repeat(500)).is_err());
    }

    #[test]
    fn a_span_is_closed_at_its_end_and_belongs_to_the_day_it_starts_on() {
        let w = window("Fri 22:00-02:00");
        let seoul = Tz::Asia__Seoul;
        // 2026-11-20 is a Friday; Seoul is nine hours ahead.
        for (text, open) in [
            ("2026-11-20T22:00:00+09:00", true),
            ("2026-11-20T21:59:59.999+09:00", false),
            ("2026-11-21T01:59:59.999+09:00", true),
            ("2026-11-21T02:00:00+09:00", false),
            ("2026-11-20T01:00:00+09:00", false),
            ("2026-11-21T22:00:00+09:00", false),
        ] {
            assert_eq!(w.contains(at(text), seoul), open, "{text}");
        }
    }

    #[test]
    fn it_opens_at_the_next_start_and_a_lead_before_the_end_no_more() {
        let w = window("Mon-Fri 09:00-18:00");
        let zone = Tz::Europe__Berlin;
        let open = |t: &str| w.next_open(at(t), zone, LEAD).unwrap();
        assert_eq!(
            open("2026-11-20T17:59:54+01:00"),
            at("2026-11-20T17:59:54+01:00")
        );
        assert_eq!(
            open("2026-11-20T17:59:54.999+01:00"),
            at("2026-11-20T17:59:54.999+01:00")
        );
        assert_eq!(
            open("2026-11-20T17:59:55+01:00"),
            at("2026-11-23T09:00:00+01:00")
        );
        assert_eq!(
            w.closes(at("2026-11-20T17:59:55+01:00"), zone),
            Some(at("2026-11-20T18:00:00+01:00"))
        );
        assert_eq!(w.closes(at("2026-11-20T18:00:00+01:00"), zone), None);
    }

    #[test]
    fn spans_that_touch_are_one_opening() {
        let w = window("Mon 00:00-12:00, Mon 12:00-24:00, Tue 00:00-01:00");
        let t = at("2026-11-23T11:59:58Z");
        assert_eq!(w.next_open(t, Tz::UTC, LEAD), Some(t));
        assert_eq!(w.closes(t, Tz::UTC), Some(at("2026-11-24T01:00:00Z")));
        let day = window("00:00-24:00");
        assert_eq!(day.next_open(t, Tz::UTC, Span::days(30)), Some(t));
        assert_eq!(day.closes(t, Tz::UTC), None);
    }

    #[test]
    fn an_opening_shorter_than_the_lead_is_none() {
        let t = at("2026-11-23T11:59:58Z");
        let w = window("Mon 09:00-09:01");
        assert!(w.next_open(t, Tz::UTC, Span::millis(59_999)).is_some());
        assert_eq!(w.next_open(t, Tz::UTC, Span::minutes(1)), None);
        assert_eq!(Window { spans: vec![] }.next_open(t, Tz::UTC, LEAD), None);
        // Lord Howe's repeated half hour makes an hour and a half of this hour, once a year.
        let w = window("01:30-02:30");
        assert_eq!(
            w.next_open(t, Tz::Australia__Lord_Howe, Span::minutes(75)),
            Some(at("2027-04-04T01:30:00+11:00"))
        );
    }

    #[test]
    fn a_skipped_hour_never_opens_and_a_repeated_one_opens_twice() {
        let zone = Tz::America__New_York;
        let w = window("Sun 02:00-03:00");
        // 02:00 to 03:00 on 8 March 2026 does not exist.
        assert_eq!(
            w.next_open(at("2026-03-08T00:00:00-05:00"), zone, LEAD),
            Some(at("2026-03-15T02:00:00-04:00"))
        );
        let w = window("Sun 02:30-04:00");
        assert_eq!(
            w.next_open(at("2026-03-08T00:00:00-05:00"), zone, LEAD),
            Some(at("2026-03-08T03:00:00-04:00"))
        );
        let w = window("Sun 01:00-01:30");
        let first = at("2026-11-01T01:30:00-04:00");
        assert_eq!(
            w.next_open(first, zone, LEAD),
            Some(at("2026-11-01T01:00:00-05:00"))
        );
    }

    #[test]
    fn days_that_do_not_exist_and_midnights_that_are_skipped() {
        // Samoa went from Thursday 29 to Saturday 31 December 2011.
        let w = window("Fri 09:00-18:00");
        assert_eq!(
            w.next_open(at("2011-12-29T08:00:00-10:00"), Tz::Pacific__Apia, LEAD),
            Some(at("2012-01-06T09:00:00+14:00"))
        );
        // Santiago's clock goes from 00:00 to 01:00 on Sunday 6 September 2026.
        let w = window("Sun 00:00-06:00");
        assert_eq!(
            w.next_open(at("2026-09-05T12:00:00-04:00"), Tz::America__Santiago, LEAD),
            Some(at("2026-09-06T01:00:00-03:00"))
        );
    }

    #[test]
    fn several_windows_open_together_or_not_at_all() {
        let day = window("Mon-Fri 09:00-18:00");
        let evening = window("Wed 17:00-22:00");
        let t = at("2026-11-20T12:00:00Z");
        let upto = t + Span::days(30);
        let both = [(&day, Tz::UTC), (&evening, Tz::UTC)];
        assert_eq!(
            first_open(&both, t, LEAD, upto),
            Some(at("2026-11-25T17:00:00Z"))
        );
        let exactly = at("2026-11-25T17:00:00Z");
        assert_eq!(first_open(&both, t, LEAD, exactly), Some(exactly));
        assert_eq!(first_open(&both, t, LEAD, exactly - Span::millis(1)), None);
        let sunday = window("Sun 09:00-18:00");
        let never = [(&day, Tz::UTC), (&sunday, Tz::UTC)];
        assert_eq!(first_open(&never, t, LEAD, Timestamp::NEVER), None);
        assert_eq!(first_open(&[], t, LEAD, upto), Some(t));
        assert_eq!(first_open(&[], t, LEAD, t - Span::millis(1)), None);
    }

    #[test]
    fn instants_at_the_end_of_time_do_no_harm() {
        let w = window("Mon-Fri 09:00-18:00");
        for t in [i64::MIN, i64::MIN + 1, -1, i64::MAX - 1, i64::MAX] {
            let t = Timestamp(t);
            w.contains(t, Tz::Pacific__Apia);
            w.next_open(t, Tz::Pacific__Apia, LEAD);
            w.closes(t, Tz::Pacific__Apia);
            first_open(&[(&w, Tz::UTC)], t, LEAD, Timestamp::NEVER);
        }
    }
}
