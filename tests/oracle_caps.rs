//! Caps and gaps against a naive recount, which shares no code with the domain: every instant is tried, local days
//! and weeks are chrono's.

mod oracle;

use chrono::{DateTime, Datelike, IsoWeek, NaiveDate, Utc};
use chrono_tz::Tz;
use oracle::{check, ensure, places, soak};
use proptest::prelude::{Strategy, prop_oneof};
use proptest::test_runner::TestCaseError;
use reveille::domain::cap::{Cap, Period, gap_fit};
use reveille::domain::time::{Span, Timestamp};

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;

fn stamps(places: &[i64]) -> Vec<Timestamp> {
    places.iter().copied().map(Timestamp).collect()
}

fn reads_back(cap: Cap) -> Result<(), TestCaseError> {
    let again = Cap::parse(&cap.to_string());
    ensure(again == Ok(cap), || format!("{cap} reads as {again:?}"))
}

#[test]
fn a_rolling_cap_fits_at_the_first_instant_that_trying_finds() {
    let cases = if soak() { 50_000 } else { 1_500 };
    // Small numbers, so that every millisecond can be tried and edges meet often.
    let strategy = (
        1..4_u32,
        1..60_i64,
        proptest::collection::vec(0..300_i64, 0..12),
        0..300_i64,
    );
    check(cases, &strategy, |(most, period, places, now)| {
        let cap = Cap {
            most,
            period: Period::Rolling(Span(period)),
        };
        reads_back(cap)?;
        let count = |t: i64| places.iter().filter(|s| (t - **s).abs() < period).count() as u32;
        let expected = (now..).find(|t| count(*t) < most).unwrap_or(i64::MAX);
        let given = stamps(&places);
        let found = cap.next_fit(&given, Timestamp(now), Tz::UTC);
        ensure(found == Timestamp(expected), || {
            format!("{} is not {expected}", found.0)
        })?;
        let taken = cap.taken(&given, Timestamp(now), Tz::UTC);
        ensure(taken == count(now), || {
            format!("{taken} are taken, not {}", count(now))
        })?;
        let far = |s: &i64| (now - s).abs() > cap.reach().0;
        let near: Vec<i64> = places.iter().copied().filter(|s| !far(s)).collect();
        ensure(
            cap.taken(&stamps(&near), Timestamp(now), Tz::UTC) == taken,
            || "a place beyond the reach counts".into(),
        )
    });
}

#[test]
fn a_gap_fits_at_the_first_instant_that_trying_finds() {
    let cases = if soak() { 50_000 } else { 1_500 };
    let strategy = (
        0..60_i64,
        proptest::collection::vec(0..300_i64, 0..12),
        0..300_i64,
    );
    check(cases, &strategy, |(gap, places, now)| {
        let clear = |t: i64| places.iter().all(|s| (t - s).abs() >= gap);
        let expected = (now..).find(|t| clear(*t)).unwrap_or(i64::MAX);
        let found = gap_fit(&stamps(&places), Span(gap), Timestamp(now));
        ensure(found == Timestamp(expected), || {
            format!("{} is not {expected}", found.0)
        })
    });
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Day(NaiveDate),
    Week(IsoWeek),
}

fn named(at: i64, zone: Tz, week: bool) -> Named {
    let date = DateTime::<Utc>::from_timestamp_millis(at)
        .unwrap()
        .with_timezone(&zone)
        .date_naive();
    if week {
        Named::Week(date.iso_week())
    } else {
        Named::Day(date)
    }
}

#[test]
fn a_calendar_cap_fits_at_the_first_minute_that_trying_finds() {
    let cases = if soak() { 5_000 } else { 120 };
    // Places around now, some ahead as after a step of the clock, thick enough to fill days.
    let shifts = prop_oneof![
        2 => proptest::collection::vec(-2 * DAY..3 * DAY, 0..7),
        1 => proptest::collection::vec(-8 * DAY..16 * DAY, 0..5),
        1 => proptest::collection::vec(-3_600_000..3_600_000_i64, 0..4)
    ];
    let strategy = (1..4_u32, proptest::bool::ANY, shifts, places());
    check(cases, &strategy, |(most, week, shifts, (zone, now))| {
        let period = if week { Period::Week } else { Period::Day };
        let cap = Cap { most, period };
        reads_back(cap)?;
        let places: Vec<i64> = shifts.iter().map(|s| now + s).collect();
        let names: Vec<Named> = places.iter().map(|s| named(*s, zone, week)).collect();
        let count = |t: i64| {
            let name = named(t, zone, week);
            names.iter().filter(|n| **n == name).count() as u32
        };
        let minutes = (now / MINUTE + 1..).map(|m| m * MINUTE);
        let expected = std::iter::once(now)
            .chain(minutes)
            .find(|t| count(*t) < most)
            .unwrap_or(i64::MAX);
        let given = stamps(&places);
        let place = || format!("{cap} in {zone} at {} with {given:?}", Timestamp(now));
        let found = cap.next_fit(&given, Timestamp(now), zone);
        ensure(found == Timestamp(expected), || {
            format!("{}: {found}, not {}", place(), Timestamp(expected))
        })?;
        ensure(found.0 == now || count(found.0 - 1) >= most, || {
            format!("{}: a millisecond before {found} would do", place())
        })?;
        let taken = cap.taken(&given, Timestamp(now), zone);
        ensure(taken == count(now), || {
            format!("{}: {taken} taken", place())
        })?;
        let far = |s: &i64| (now - s).abs() > cap.reach().0;
        let near: Vec<i64> = places.iter().copied().filter(|s| !far(s)).collect();
        ensure(
            cap.taken(&stamps(&near), Timestamp(now), zone) == taken,
            || format!("{}: a place beyond the reach counts", place()),
        )
    });
}

#[test]
fn whoever_sends_as_soon_as_all_caps_allow_breaks_none_in_two_years() {
    let cases = if soak() { 1_000 } else { 15 };
    let cap = || {
        prop_oneof![
            (1..5_u32, 1..=14 * 24_i64).prop_map(|(most, hours)| Cap {
                most,
                period: Period::Rolling(Span::hours(hours))
            }),
            (1..3_u32).prop_map(|most| Cap {
                most,
                period: Period::Day
            }),
            (1..5_u32).prop_map(|most| Cap {
                most,
                period: Period::Week
            })
        ]
    };
    let strategy = (
        proptest::collection::vec(cap(), 1..4),
        0..72_i64,
        places(),
        proptest::collection::vec(0..2 * DAY, 50),
    );
    check(cases, &strategy, |(caps, gap, (zone, start), waits)| {
        let gap = Span::hours(gap);
        let mut sent: Vec<Timestamp> = Vec::new();
        let mut now = Timestamp(start);
        for wait in waits.iter().cycle() {
            if now.0 > start + 730 * DAY {
                break;
            }
            // Two rules move each other's answer until neither does.
            loop {
                let before = now;
                now = gap_fit(&sent, gap, now);
                for cap in &caps {
                    now = cap.next_fit(&sent, now, zone);
                }
                if now == before {
                    break;
                }
            }
            sent.push(now);
            now = now + Span(*wait);
        }
        ensure(sent.len() > 50, || {
            format!("only {} in two years", sent.len())
        })?;
        for pair in sent.windows(2) {
            ensure(pair[1].0 - pair[0].0 >= gap.0, || {
                format!("gap broken: {pair:?}")
            })?;
        }
        for cap in &caps {
            for run in sent.windows(cap.most as usize + 1) {
                let (first, last) = (run[0].0, run[cap.most as usize].0);
                let kept = match cap.period {
                    Period::Rolling(period) => last - first >= period.0,
                    Period::Day => named(first, zone, false) != named(last, zone, false),
                    Period::Week => named(first, zone, true) != named(last, zone, true),
                };
                ensure(kept, || format!("{cap} broken in {zone}: {run:?}"))?;
            }
        }
        Ok(())
    });
}
