//! Schedules against what others computed: the table of expected runs, and a walk of every minute with a cron matcher
//! of its own, which shares no code with the domain (it takes the zones' offsets from chrono-tz, as everybody does).

mod left_out;
mod oracle;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use oracle::{check, ensure, places, soak};
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::test_runner::TestCaseError;
use reveille::domain::schedule::{CronRule, instant_of};
use reveille::domain::time::Timestamp;

#[test]
fn the_expected_runs_are_met_in_full() {
    let what = "cron: the expected runs of 144 jobs";
    let Some(text) = left_out::data("cron_expected.json", what) else {
        return;
    };
    let table: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rows = table.as_array().unwrap();
    assert_eq!(rows.len(), 144);
    for row in rows {
        let field = |name: &str| row[name].as_str().unwrap();
        let zone: Tz = field("zone").parse().unwrap();
        let rule = CronRule::parse(field("cron")).unwrap();
        let start = Timestamp::parse_rfc3339(field("after")).unwrap();
        let mut after = start;
        for next in row["next"].as_array().unwrap() {
            let expected = Timestamp::parse_rfc3339(next["utc"].as_str().unwrap()).unwrap();
            let place = format!("{} {} after {after}", field("zone"), field("cron"));
            let (wall, at) = rule.next(after, zone).unwrap();
            assert_eq!(at, expected, "{place}");
            // In a repeated hour the local time's instant is its first showing.
            assert!(instant_of(wall, zone) <= at, "{place}");
            assert_eq!(rule.latest(after, at, zone), Some((wall, at)), "{place}");
            assert_eq!(rule.latest(start, at, zone), Some((wall, at)), "{place}");
            after = at;
        }
    }
}

/// One field of an expression, as the oracle understands it.
#[derive(Clone, Debug)]
enum Part {
    Star,
    StarStep(u32),
    List(Vec<(u32, u32, u32)>), // from, to, step
    Last,                       // day of month L
    Nth(u32, u32),              // weekday, which of the month
    LastOf(u32),                // weekday
}

impl Part {
    fn text(&self) -> String {
        match self {
            Part::Star => "*".into(),
            Part::StarStep(n) => format!("*/{n}"),
            Part::List(items) => {
                let items = items
                    .iter()
                    .map(|(from, to, step)| match (to - from, step) {
                        (0, _) => format!("{from}"),
                        (_, 1) => format!("{from}-{to}"),
                        _ => format!("{from}-{to}/{step}"),
                    });
                items.collect::<Vec<_>>().join(",")
            }
            Part::Last => "L".into(),
            Part::Nth(day, nth) => format!("{day}#{nth}"),
            Part::LastOf(day) => format!("{day}L"),
        }
    }
    fn starred(&self) -> bool {
        matches!(self, Part::Star | Part::StarStep(_))
    }
    fn has(&self, value: u32, low: u32) -> bool {
        match self {
            Part::Star => true,
            Part::StarStep(n) => (value - low).is_multiple_of(*n),
            Part::List(items) => items
                .iter()
                .any(|(from, to, step)| (*from..=*to).step_by(*step as usize).any(|v| v == value)),
            _ => false,
        }
    }
}

#[derive(Clone, Debug)]
struct Expression {
    minute: Part,
    hour: Part,
    day: Part,
    month: Part,
    weekday: Part,
}

impl Expression {
    fn text(&self) -> String {
        let fields = [
            &self.minute,
            &self.hour,
            &self.day,
            &self.month,
            &self.weekday,
        ];
        fields.map(Part::text).join(" ")
    }
    fn interval(&self) -> bool {
        self.minute.starred() || self.hour.starred()
    }
    fn on_day(&self, date: NaiveDate) -> bool {
        let tomorrow = date.succ_opt().unwrap();
        let in_a_week = date + Days::new(7);
        let day = match self.day {
            Part::Last => tomorrow.month() != date.month(),
            ref part => part.has(date.day(), 1),
        };
        let number = date.weekday().num_days_from_sunday();
        let weekday = match self.weekday {
            Part::Nth(which, nth) => number == which % 7 && date.day().div_ceil(7) == nth,
            Part::LastOf(which) => number == which % 7 && in_a_week.month() != date.month(),
            ref part => part.has(number, 0) || (number == 0 && part.has(7, 0)),
        };
        let both = self.day.starred() || self.weekday.starred();
        self.month.has(date.month(), 1) && if both { day && weekday } else { day || weekday }
    }
    fn at(&self, wall: NaiveDateTime) -> bool {
        self.minute.has(wall.minute(), 0)
            && self.hour.has(wall.hour(), 0)
            && self.on_day(wall.date())
    }
}

fn list(low: u32, high: u32) -> impl Strategy<Value = Part> {
    let item = (low..=high, 0..8_u32, 1..4_u32)
        .prop_map(move |(from, more, step)| (from, (from + more).min(high), step));
    let single = (low..=high).prop_map(|n| (n, n, 1));
    proptest::collection::vec(prop_oneof![2 => single, 1 => item], 1..4).prop_map(Part::List)
}

fn expression() -> impl Strategy<Value = Expression> {
    let minute = prop_oneof![
        1 => Just(Part::Star),
        1 => (1..=59_u32).prop_map(Part::StarStep),
        4 => list(0, 59)
    ];
    // The small hours are where clocks change.
    let hour = prop_oneof![
        1 => Just(Part::Star),
        1 => (1..=23_u32).prop_map(Part::StarStep),
        2 => list(0, 23),
        3 => list(0, 3)
    ];
    let day = prop_oneof![
        8 => Just(Part::Star),
        1 => (1..=31_u32).prop_map(Part::StarStep),
        2 => list(1, 31),
        1 => Just(Part::Last)
    ];
    let month = prop_oneof![6 => Just(Part::Star), 1 => (1..=12_u32).prop_map(Part::StarStep), 1 => list(1, 12)];
    let weekday = prop_oneof![
        8 => Just(Part::Star),
        1 => (1..=7_u32).prop_map(Part::StarStep),
        2 => list(0, 7),
        1 => (0..=7_u32, 1..=5_u32).prop_map(|(d, n)| Part::Nth(d, n)),
        1 => (0..=7_u32).prop_map(Part::LastOf)
    ];
    (minute, hour, day, month, weekday).prop_map(|(minute, hour, day, month, weekday)| Expression {
        minute,
        hour,
        day,
        month,
        weekday,
    })
}

/// Every run in (after, to] by the rule, found by looking at each minute: instant and the local time that is named.
fn walk(expression: &Expression, zone: Tz, after: i64, to: i64) -> Vec<(NaiveDateTime, i64)> {
    let wall = |minute: i64| {
        DateTime::<Utc>::from_timestamp(minute * 60, 0)
            .unwrap()
            .with_timezone(&zone)
            .naive_local()
    };
    let mut found = Vec::new();
    let mut minute = after / 60_000 - 2 * 1_440;
    let mut furthest = wall(minute);
    while (minute + 1) * 60_000 <= to {
        minute += 1;
        let now = wall(minute);
        let mut named = None;
        if expression.interval() {
            named = expression.at(now).then_some(now);
        } else {
            while furthest < now {
                furthest += TimeDelta::minutes(1);
                if expression.at(furthest) {
                    named = Some(furthest);
                }
            }
        }
        if let Some(named) = named
            && minute * 60_000 > after
        {
            found.push((named, minute * 60_000));
        }
    }
    found
}

#[test]
fn runs_are_those_that_a_walk_of_every_minute_finds() {
    let cases = if soak() { 20_000 } else { 400 };
    let days = 1..6_i64;
    let strategy = (expression(), places(), days, 0.0..1.0_f64);
    check(
        cases,
        &strategy,
        |(expression, (zone, after), days, part)| {
            let text = expression.text();
            let Ok(rule) = CronRule::parse(&text) else {
                return never(&expression, after);
            };
            let to = after + days * 86_400_000;
            let expected = walk(&expression, zone, after, to);
            let mut found = Vec::new();
            let mut t = Timestamp(after);
            while let Some((wall, at)) = rule.next(t, zone) {
                ensure(at > t, || format!("{text}: no progress at {t}"))?;
                if at.0 > to {
                    break;
                }
                found.push((wall, at.0));
                t = at;
            }
            ensure(found == expected, || {
                let differ = found.iter().zip(&expected).find(|(a, b)| a != b);
                format!("{text} in {zone} after {}: {differ:?}", Timestamp(after))
            })?;
            let near = after + (10_800_000.0 * part) as i64;
            for upto in [to, after + ((to - after) as f64 * part) as i64, near] {
                let last = expected.iter().rev().find(|(_, at)| *at <= upto).copied();
                let latest = rule.latest(Timestamp(after), Timestamp(upto), zone);
                ensure(latest.map(|(wall, at)| (wall, at.0)) == last, || {
                    format!(
                        "{text} in {zone}: latest in ({}, {}] is {latest:?}, not {last:?}",
                        Timestamp(after),
                        Timestamp(upto)
                    )
                })?;
            }
            Ok(())
        },
    );
}

/// What the domain refuses must not occur for a long time.
fn never(expression: &Expression, from: i64) -> Result<(), TestCaseError> {
    let start = DateTime::<Utc>::from_timestamp_millis(from)
        .unwrap()
        .date_naive();
    let day = start
        .iter_days()
        .take(366 * 13)
        .find(|date| expression.on_day(*date));
    ensure(day.is_none(), || {
        format!("{} is refused, but occurs on {day:?}", expression.text())
    })
}

#[test]
fn local_times_are_those_that_a_walk_of_every_day_finds() {
    let cases = if soak() { 20_000 } else { 400 };
    check(
        cases,
        &(expression(), 7_305..25_567_i64, 0..1_440_i64),
        |(expression, day, minute)| {
            let text = expression.text();
            let start = DateTime::<Utc>::from_timestamp(day * 86_400 + minute * 60, 0)
                .unwrap()
                .naive_utc();
            let Ok(rule) = CronRule::parse(&text) else {
                return never(&expression, day * 86_400_000);
            };
            let minutes = |date: NaiveDate| {
                (0..24).flat_map(move |h| (0..60).filter_map(move |m| date.and_hms_opt(h, m, 0)))
            };
            let ahead = start.date().iter_days().take(366 * 5);
            let next = ahead
                .filter(|date| expression.on_day(*date))
                .take(2)
                .flat_map(minutes)
                .find(|wall| *wall > start && expression.at(*wall));
            let behind = (0..366 * 5).map(|n| start.date() - Days::new(n));
            let latest = behind
                .filter(|date| expression.on_day(*date))
                .take(2)
                .flat_map(|date| minutes(date).collect::<Vec<_>>().into_iter().rev())
                .find(|wall| *wall <= start && expression.at(*wall));
            let found = rule.naive_next(start);
            ensure(next.is_none() || found == next, || {
                format!("{text} after {start}: {found:?}, not {next:?}")
            })?;
            let far = TimeDelta::days(366 * 5 - 2);
            ensure(
                next.is_some() || found.is_none_or(|f| f - start > far),
                || format!("{text} after {start}: {found:?}, but a walk of five years finds none"),
            )?;
            let found = rule.naive_latest(start);
            ensure(latest.is_none() || found == latest, || {
                format!("{text} up to {start}: {found:?}, not {latest:?}")
            })?;
            ensure(
                latest.is_some() || found.is_none_or(|f| start - f > far),
                || format!("{text} up to {start}: {found:?}, but a walk of five years finds none"),
            )
        },
    );
}
