//! Windows against a walk of every minute, which shares no code with the domain: whether a local time lies in a
//! window is asked of chrono's weekday, hour and minute, and openings are found by trying.

mod oracle;

use chrono::{DateTime, Datelike, Timelike, Utc};
use chrono_tz::Tz;
use oracle::{check, ensure, places, soak};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::TestCaseError;
use reveille::domain::time::{Span, Timestamp};
use reveille::domain::window::{Window, first_open};

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;
const NAMES: [&str; 7] = ["mon", "Tue", "WED", "Thursday", "fri", "sat", "sun"];

/// Days (0 is Monday), start and end in minutes of the day; an end at or before the start is on the next day.
#[derive(Clone, Debug)]
struct Hours {
    days: Vec<usize>,
    start: u32,
    end: u32,
}

#[derive(Clone, Debug)]
struct Pattern(Vec<Hours>);

impl Pattern {
    fn text(&self) -> String {
        let spans = self.0.iter().map(|hours| {
            let days: Vec<&str> = hours.days.iter().map(|d| NAMES[*d]).collect();
            let clock = |m: u32| format!("{:02}:{:02}", m / 60, m % 60);
            format!(
                "{} {}-{}",
                days.join(","),
                clock(hours.start),
                clock(hours.end)
            )
        });
        spans.collect::<Vec<_>>().join(", ")
    }

    fn has(&self, at: i64, zone: Tz) -> bool {
        let wall = DateTime::<Utc>::from_timestamp_millis(at)
            .unwrap()
            .with_timezone(&zone);
        let today = wall.weekday().num_days_from_monday() as usize;
        let yesterday = wall.weekday().pred().num_days_from_monday() as usize;
        let minute = wall.hour() * 60 + wall.minute();
        self.0.iter().any(|hours| {
            if hours.start < hours.end {
                hours.days.contains(&today) && (hours.start..hours.end).contains(&minute)
            } else {
                hours.days.contains(&today) && minute >= hours.start
                    || hours.days.contains(&yesterday) && minute < hours.end
            }
        })
    }

    /// Whether the whole of [at, at + lead] lies in the window. Walls change their minute on UTC's.
    fn has_all(&self, at: i64, lead: i64, zone: Tz) -> bool {
        let minutes = (at / MINUTE + 1..=(at + lead) / MINUTE).map(|m| m * MINUTE);
        self.has(at, zone)
            && minutes.into_iter().all(|m| self.has(m, zone))
            && self.has(at + lead, zone)
    }
}

fn hours() -> impl Strategy<Value = Hours> {
    let days = prop_oneof![
        2 => Just(vec![0, 1, 2, 3, 4, 5, 6]),
        1 => Just(vec![0, 1, 2, 3, 4]),
        3 => proptest::sample::subsequence((0..7).collect::<Vec<_>>(), 1..=3)
    ];
    // The small hours are where clocks change; whole hours are what people write.
    let time = || {
        prop_oneof![
            2 => (0..24_u32).prop_map(|h| h * 60),
            2 => 0..240_u32,
            1 => 0..1_440_u32
        ]
    };
    let end = prop_oneof![4 => time(), 1 => Just(1_440_u32)];
    (days, time(), end).prop_map(|(days, start, end)| Hours {
        days,
        start,
        end: if start == end { end % 1_440 + 1 } else { end },
    })
}

fn pattern() -> impl Strategy<Value = Pattern> {
    proptest::collection::vec(hours(), 1..4).prop_map(Pattern)
}

fn lead() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => Just(5_000_i64),
        1 => Just(0),
        1 => 1..120_000_i64,
        1 => 1..10_800_000_i64
    ]
}

fn read(pattern: &Pattern) -> Result<Window, TestCaseError> {
    let text = pattern.text();
    let window = Window::parse(&text).map_err(TestCaseError::fail)?;
    let again = Window::parse(&window.to_string());
    ensure(again.as_ref() == Ok(&window), || {
        format!("{text} prints as {window}, which reads as {again:?}")
    })?;
    Ok(window)
}

#[test]
fn a_window_holds_the_minutes_that_its_text_says() {
    let cases = if soak() { 30_000 } else { 600 };
    check(cases, &(pattern(), places()), |(pattern, (zone, at))| {
        let window = read(&pattern)?;
        let start = at - at.rem_euclid(MINUTE);
        let minutes = (-720..720).step_by(7).map(|m| start + m * MINUTE);
        for t in minutes.flat_map(|t| [t - 1, t, t + 999, t + MINUTE - 1, at]) {
            let expected = pattern.has(t, zone);
            ensure(window.contains(Timestamp(t), zone) == expected, || {
                format!("{window} in {zone} at {}: not {expected}", Timestamp(t))
            })?;
        }
        Ok(())
    });
}

/// The first instant at or after `at` from which the window holds all of the lead, looking `days` ahead.
fn first(pattern: &Pattern, zone: Tz, at: i64, lead: i64, days: i64) -> Option<i64> {
    let minutes = (at / MINUTE + 1..=(at + days * DAY) / MINUTE).map(|m| m * MINUTE);
    std::iter::once(at)
        .chain(minutes)
        .find(|t| pattern.has_all(*t, lead, zone))
}

#[test]
fn the_next_opening_is_the_first_that_trying_finds() {
    let cases = if soak() { 10_000 } else { 200 };
    let days = 15;
    check(
        cases,
        &(pattern(), places(), lead()),
        |(pattern, (zone, at), lead)| {
            let window = read(&pattern)?;
            let found = window.next_open(Timestamp(at), zone, Span(lead));
            let place = || {
                format!(
                    "{window} in {zone} after {} for {}",
                    Timestamp(at),
                    Span(lead)
                )
            };
            match first(&pattern, zone, at, lead, days) {
                Some(t) => ensure(found == Some(Timestamp(t)), || {
                    format!("{}: {found:?}, not {}", place(), Timestamp(t))
                })?,
                None => ensure(found.is_none_or(|t| t.0 > at + days * DAY), || {
                    format!("{}: {found:?}, but trying finds none", place())
                })?,
            }
            // Second by second: open to the last millisecond of the lead, and not a second earlier.
            if let Some(found) = found {
                let seconds = (0..=lead.min(120_000)).step_by(1_000).chain([lead]);
                for t in seconds.map(|s| found.0 + s) {
                    ensure(pattern.has(t, zone), || {
                        format!("{}: shut at {}", place(), Timestamp(t))
                    })?;
                }
                let earlier = (1..=120).map(|s| found.0 - s * 1_000).chain([found.0 - 1]);
                for t in earlier.filter(|t| *t >= at) {
                    ensure(!pattern.has_all(t, lead, zone), || {
                        format!("{}: {found}, but {} would do", place(), Timestamp(t))
                    })?;
                }
            }
            // About the last instant at which the lead still fits before the opening ends.
            if let Some(end) = window.closes(Timestamp(at), zone) {
                for t in (-1..=1).map(|ms| end.0 - lead + ms).filter(|t| *t >= at) {
                    let here =
                        window.next_open(Timestamp(t), zone, Span(lead)) == Some(Timestamp(t));
                    ensure(here == pattern.has_all(t, lead, zone), || {
                        format!("{}: open at {} is {here}", place(), Timestamp(t))
                    })?;
                }
            }
            Ok(())
        },
    );
}

#[test]
fn an_opening_closes_at_the_first_minute_outside() {
    let cases = if soak() { 10_000 } else { 200 };
    let days = 9;
    check(cases, &(pattern(), places()), |(pattern, (zone, at))| {
        let window = read(&pattern)?;
        let found = window.closes(Timestamp(at), zone);
        let expected = (at / MINUTE + 1..(at + days * DAY) / MINUTE)
            .map(|m| m * MINUTE)
            .find(|m| !pattern.has(*m, zone))
            .filter(|_| pattern.has(at, zone));
        // A window without a break lasts longer than was tried.
        let far = found.filter(|t| t.0 < at + days * DAY);
        ensure(far.map(|t| t.0) == expected, || {
            format!(
                "{window} in {zone} at {}: {found:?}, not {expected:?}",
                Timestamp(at)
            )
        })
    });
}

#[test]
fn windows_open_together_at_the_first_instant_that_trying_finds() {
    let cases = if soak() { 5_000 } else { 100 };
    let strategy = (
        pattern(),
        pattern(),
        places(),
        places(),
        any::<bool>(),
        lead(),
        0..8 * DAY,
    );
    check(
        cases,
        &strategy,
        |(one, two, (zone, at), (other, _), same, lead, reach)| {
            let other = if same { zone } else { other };
            let (first, second) = (read(&one)?, read(&two)?);
            let windows = [(&first, zone), (&second, other)];
            let upto = at + reach;
            let found = first_open(&windows, Timestamp(at), Span(lead), Timestamp(upto));
            let minutes = (at / MINUTE + 1..=upto / MINUTE).map(|m| m * MINUTE);
            let expected = std::iter::once(at)
                .chain(minutes)
                .find(|t| one.has_all(*t, lead, zone) && two.has_all(*t, lead, other));
            ensure(found.map(|t| t.0) == expected, || {
                format!(
                    "{first} in {zone} with {second} in {other} in [{}, {}]: {found:?}, not {expected:?}",
                    Timestamp(at),
                    Timestamp(upto)
                )
            })
        },
    );
}
