//! What the oracles of windows, caps and schedules have in common: zones and instants worth trying, and a property
//! runner whose seed is printed. Shares no code with the domain.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use std::hash::{BuildHasher, Hasher, RandomState};

/// Whether the full figures were asked for.
pub fn soak() -> bool {
    std::env::var_os("REVEILLE_SOAK").is_some()
}

/// A runner whose seed is printed, and taken from `REVEILLE_SEED` where that is set.
fn runner(cases: u32) -> TestRunner {
    let seed = std::env::var("REVEILLE_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or_else(|| RandomState::new().build_hasher().finish());
    println!("to see this run again: REVEILLE_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

pub fn check<S: Strategy>(
    cases: u32,
    strategy: &S,
    test: impl Fn(S::Value) -> Result<(), TestCaseError>,
) where
    S::Value: std::fmt::Debug,
{
    match runner(cases).run(strategy, test) {
        Ok(()) => {}
        Err(TestError::Fail(why, value)) => panic!("{why}\nfor {value:#?}"),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

pub fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), TestCaseError> {
    if holds {
        Ok(())
    } else {
        Err(TestCaseError::fail(why()))
    }
}

fn zones() -> Vec<Tz> {
    if soak() {
        return chrono_tz::TZ_VARIANTS.to_vec();
    }
    [
        "UTC",
        "Asia/Seoul",
        "Asia/Kathmandu",
        "Asia/Kolkata",
        "Asia/Tehran",
        "Asia/Gaza",
        "Africa/Casablanca",
        "Africa/Cairo",
        "America/New_York",
        "America/St_Johns",
        "America/Santiago",
        "America/Asuncion",
        "America/Havana",
        "America/Scoresbysund",
        "Antarctica/Troll",
        "Atlantic/Azores",
        "Australia/Lord_Howe",
        "Australia/Eucla",
        "Europe/Berlin",
        "Europe/Dublin",
        "Pacific/Apia",
        "Pacific/Chatham",
        "Pacific/Kiritimati",
        "Pacific/Marquesas",
        "Asia/Amman",
    ]
    .map(|name| name.parse().unwrap())
    .to_vec()
}

/// The instants, in seconds since 1970, at which the offset of a zone changes, from 1990 to 2040.
fn changes(zone: Tz) -> Vec<i64> {
    let offset = |second: i64| {
        let at = DateTime::<Utc>::from_timestamp(second, 0).unwrap();
        at.with_timezone(&zone).naive_local() - at.naive_utc()
    };
    let days = (7_305..25_567).map(|day| day * 86_400);
    days.filter(|day| offset(*day) != offset(day - 86_400))
        .map(|day| {
            (day - 86_399..=day)
                .step_by(60)
                .map(|second| second - second.rem_euclid(60))
                .find(|minute| offset(*minute) != offset(day - 86_400))
                .unwrap_or(day)
        })
        .collect()
}

/// A zone and an instant in it, in milliseconds, most often within a day and a half, or an hour,
/// of a change of the clock.
pub fn places() -> impl Strategy<Value = (Tz, i64)> {
    let zones: Vec<(Tz, Vec<i64>)> = zones().into_iter().map(|z| (z, changes(z))).collect();
    let any_day = 7_305..25_567_i64;
    (
        proptest::sample::select(zones),
        0..4_u8,
        any_day,
        proptest::prelude::any::<proptest::sample::Index>(),
        -129_600_000..129_600_000_i64,
        proptest::bool::ANY,
    )
        .prop_map(|((zone, changes), kind, day, index, shift, whole)| {
            let at = match kind {
                1 | 2 if !changes.is_empty() => *index.get(&changes) * 1_000 + shift,
                3 if !changes.is_empty() => *index.get(&changes) * 1_000 + shift / 36,
                _ => day * 86_400_000 + shift,
            };
            (
                zone,
                if whole {
                    at - at.rem_euclid(60_000)
                } else {
                    at
                },
            )
        })
}
