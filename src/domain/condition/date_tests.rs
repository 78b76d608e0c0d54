//! Dates, with the edges of their days a millisecond either side.

use super::{DateCondition, DateRule, DateTrigger, Near, Written};
use crate::domain::condition::Facts;
use crate::domain::condition::Verdict;
use crate::domain::engagement::SentMessages;
use crate::domain::preference::{Consents, Preferences};
use crate::domain::time::{Span, Timestamp};
use crate::domain::track::{TrackPlan, Tracks};
use crate::domain::value::{Properties, Value};
use chrono::{NaiveDate, NaiveTime};
use chrono_tz::Tz;
use std::collections::{BTreeMap, BTreeSet};

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

fn profile(value: &str) -> Properties {
    Properties::from([("day".to_owned(), Value::Text(value.to_owned()))])
}

fn rule(yearly: bool) -> DateRule {
    DateRule {
        path: vec!["day".into()],
        yearly,
    }
}

fn ask(value: &str, yearly: bool, days: (u32, u32), zone: Tz, now: Timestamp) -> Verdict {
    let condition = DateCondition {
        rule: rule(yearly),
        before: days.0,
        after: days.1,
    };
    let facts = Facts {
        known_since: now,
        attributes: &profile(value),
        email: None,
        tags: &BTreeSet::new(),
        derived: &BTreeMap::new(),
        consents: &Consents::new(),
        topics: &BTreeMap::new(),
        preferences: &Preferences::default(),
        zone,
        segments: &BTreeMap::new(),
        tracks: &Tracks::default(),
        plan: &TrackPlan::default(),
        sent: &SentMessages::default(),
        standings: &BTreeMap::new(),
        campaigns: &BTreeMap::new(),
        entry: None,
        lenient_same: false,
    };
    condition.evaluate(&facts, now)
}

/// It holds from `first` to `end`, to the millisecond, and says so before and within.
fn holds_from_to(value: &str, yearly: bool, days: (u32, u32), zone: Tz, first: &str, end: &str) {
    let (first, end) = (at(first), at(end));
    let ms = Span::millis(1);
    let answer = |now| ask(value, yearly, days, zone, now);
    let yes = Verdict {
        holds: true,
        until: Some(end),
    };
    let before = answer(first - ms);
    assert!(!before.holds, "{value} {zone} before {first}");
    assert_eq!(before.until, Some(first), "{value} {zone}");
    assert_eq!(answer(first), yes, "{value} {zone}");
    assert_eq!(answer(end - ms), yes, "{value} {zone}");
    assert!(!answer(end).holds, "{value} {zone} at {end}");
}

#[test]
fn a_date_is_a_day_of_the_customers_own_calendar() {
    let seoul = Tz::Asia__Seoul;
    let (first, end) = ("2026-05-16T15:00:00Z", "2026-05-17T15:00:00Z");
    holds_from_to("2026-05-17", false, (0, 0), seoul, first, end);
    for yearly in ["1990-05-17", "05-17", "--05-17", " 05-17 "] {
        holds_from_to(yearly, true, (0, 0), seoul, first, end);
    }
    // A month and a day come each year, whether that is written or not.
    holds_from_to("05-17", false, (0, 0), seoul, first, end);
    let (first, end) = ("2026-05-17T04:00:00Z", "2026-05-18T04:00:00Z");
    holds_from_to("05-17", true, (0, 0), Tz::America__New_York, first, end);
}

#[test]
fn days_before_and_after_are_days_of_the_calendar_over_changes_of_the_clock() {
    let york = Tz::America__New_York;
    // The clock leaps on 8 March 2026: that day has 23 hours.
    let (first, end) = ("2026-03-06T05:00:00Z", "2026-03-10T04:00:00Z");
    holds_from_to("2026-03-08", false, (2, 1), york, first, end);
    let (first, end) = ("2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z");
    holds_from_to("2026-03-08", false, (0, 0), york, first, end);
    // 1 November has 25.
    let (first, end) = ("2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z");
    holds_from_to("11-01", true, (0, 0), york, first, end);
    // In Chile the clock leaps from 24:00 to 01:00: the day begins there.
    let santiago = Tz::America__Santiago;
    let (first, end) = ("2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z");
    holds_from_to("2026-09-06", false, (0, 0), santiago, first, end);
    // In Cuba the hour from midnight on is shown twice: the day begins at the first.
    let (first, end) = ("2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z");
    holds_from_to("2026-11-01", false, (0, 0), Tz::America__Havana, first, end);
}

#[test]
fn the_29th_of_february_is_the_28th_in_other_years() {
    let utc = Tz::UTC;
    for leap in ["1992-02-29", "02-29"] {
        let (first, end) = ("2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z");
        holds_from_to(leap, true, (0, 0), utc, first, end);
        let (first, end) = ("2028-02-29T00:00:00Z", "2028-03-01T00:00:00Z");
        holds_from_to(leap, true, (0, 0), utc, first, end);
        let (first, end) = ("2026-02-21T00:00:00Z", "2026-03-01T00:00:00Z");
        holds_from_to(leap, true, (7, 0), utc, first, end);
    }
}

#[test]
fn a_yearly_date_goes_over_the_turn_of_the_year_and_begins_in_its_own() {
    let utc = Tz::UTC;
    let (first, end) = ("2026-12-27T00:00:00Z", "2027-01-04T00:00:00Z");
    holds_from_to("1990-01-03", true, (7, 0), utc, first, end);
    let (first, end) = ("2026-12-30T00:00:00Z", "2027-01-02T00:00:00Z");
    holds_from_to("1990-12-30", true, (0, 2), utc, first, end);
    // Not before the date itself, however far ahead.
    let far = ask("2040-05-17", true, (0, 0), utc, at("2026-05-17T12:00:00Z"));
    assert_eq!(
        far,
        Verdict {
            holds: false,
            until: Some(at("2040-05-17T00:00:00Z"))
        }
    );
    // At its longest some day of each year still lies outside.
    let long = (DateCondition::MOST_DAYS, 0);
    let (first, end) = ("2026-05-19T00:00:00Z", "2027-05-18T00:00:00Z");
    holds_from_to("1990-05-17", true, long, utc, first, end);
}

#[test]
fn a_single_date_that_is_over_never_comes_again() {
    let over = ask(
        "2026-05-17",
        false,
        (3, 3),
        Tz::UTC,
        at("2026-05-21T00:00:00Z"),
    );
    let never = Verdict {
        holds: false,
        until: None,
    };
    assert_eq!(over, never);
    for no_date in [
        "",
        "soon",
        "2026-02-30",
        "13-01",
        "1990-5-17",
        "20260517",
        "0000-01-01",
        "--1990-05-17",
    ] {
        assert_eq!(
            ask(no_date, true, (3, 3), Tz::UTC, at("2026-05-17T00:00:00Z")),
            never,
            "{no_date}"
        );
    }
}

#[test]
fn an_instant_is_the_day_on_the_customers_clock_and_midnight_in_utc_a_bare_date() {
    let day = |text: &str| NaiveDate::parse_from_str(text, "%Y-%m-%d").unwrap();
    let read = |text: &str, zone| Written::read(text, zone);
    let seoul = Tz::Asia__Seoul;
    let is = |text: &str| Some(Written::Day(day(text)));
    assert_eq!(read("1990-05-16T15:00:00Z", seoul), is("1990-05-17"));
    assert_eq!(read("1990-05-17T00:00:00+09:00", seoul), is("1990-05-17"));
    assert_eq!(
        read("1990-05-17T00:00:00Z", Tz::America__New_York),
        is("1990-05-17")
    );
    assert_eq!(
        read("1990-05-17T00:00:00.000Z", Tz::America__New_York),
        is("1990-05-17")
    );
    assert_eq!(
        read("1990-05-17T00:00:01Z", Tz::America__New_York),
        is("1990-05-16")
    );
}

#[test]
fn a_trigger_finds_the_latest_that_came_and_the_next() {
    let nine = NaiveTime::from_hms_opt(9, 0, 0).unwrap();
    let trigger = DateTrigger {
        rule: rule(true),
        shift: -3,
        at: nine,
        fresh: Span::hours(24),
    };
    let near = |now: &str| trigger.near(&profile("1990-01-02"), Tz::Asia__Seoul, at(now));
    let of = |date: &str, when: &str| {
        Some((
            NaiveDate::parse_from_str(date, "%Y-%m-%d").unwrap(),
            at(when),
        ))
    };
    let (one, two) = (
        of("2027-01-02", "2026-12-30T00:00:00Z"),
        of("2028-01-02", "2027-12-30T00:00:00Z"),
    );
    let before = near("2026-12-29T23:59:59.999Z");
    assert_eq!(before.next, one);
    assert_eq!(
        near("2026-12-30T00:00:00Z"),
        Near {
            latest: one,
            next: two
        }
    );
    let date = |text| NaiveDate::parse_from_str(text, "%Y-%m-%d").unwrap();
    // A birthday that is changed after it was met does not come twice in its year.
    assert!(trigger.is_over(date("2027-01-02"), date("2027-06-01")));
    assert!(!trigger.is_over(date("2027-01-02"), date("2028-01-02")));
    let once = DateTrigger {
        rule: rule(false),
        ..trigger
    };
    assert!(!once.is_over(date("2027-01-02"), date("2027-06-01")));
    assert!(once.is_over(date("2027-01-02"), date("2027-01-02")));
}
