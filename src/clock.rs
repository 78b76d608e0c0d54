//! The clock: the system's, one that runs as the system's does and shows another time, or a virtual one for tests and
//! forecasts. The only file that reads one.
//!
//! `now` never goes back: it is the larger of the wall clock and the last `now`. The clock guard compares the wall clock
//! with the time since boot: when they part by more than `[engine] clock_gap` (five minutes), somebody has set the clock, and sending is held
//! until they agree again or an operator takes the wall clock as it is ([`Clock::resume`]).

use crate::domain::time::{Span, Timestamp};
use std::sync::{Arc, Mutex, PoisonError};

/// How far wall clock and time since boot may part, unless [`Clock::allow`] says otherwise.
const TOLERANCE: Span = Span::minutes(5);

/// A clock, cheap to clone; clones share one time.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    source: Source,
    state: Mutex<State>,
}

enum Source {
    System,
    /// The system's, so many milliseconds later.
    Shifted(i64),
    /// Wall clock and time since boot, in milliseconds, moved by hand.
    Virtual(Mutex<(i64, i64)>),
}

struct State {
    last: i64,
    /// How far wall clock and time since boot may part.
    tolerance: Span,
    /// Where wall clock and time since boot last agreed.
    anchor: (i64, i64),
    parted: Option<String>,
}

impl Clock {
    pub fn system() -> Clock {
        Clock::over(Source::System)
    }

    /// A clock that shows `at` now, and goes on as the system's does.
    pub fn system_from(at: Timestamp) -> Clock {
        Clock::over(Source::Shifted(at.millis() - wall()))
    }

    /// A clock that stands at `at` until it is moved.
    pub fn virtual_at(at: Timestamp) -> Clock {
        Clock::over(Source::Virtual(Mutex::new((at.millis(), 0))))
    }

    fn over(source: Source) -> Clock {
        let anchor = source.read();
        Clock(Arc::new(Inner {
            source,
            state: Mutex::new(State {
                last: anchor.0,
                tolerance: TOLERANCE,
                anchor,
                parted: None,
            }),
        }))
    }

    /// From now on wall clock and time since boot may part so far before sending is held.
    pub fn allow(&self, gap: Span) {
        self.lock().tolerance = gap;
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.read(|state| Timestamp(state.last))
    }

    /// Why sending is held, if wall clock and time since boot have parted.
    pub fn parted(&self) -> Option<String> {
        self.read(|state| state.parted.clone())
    }

    fn read<T>(&self, then: impl FnOnce(&mut State) -> T) -> T {
        let (wall, boot) = self.0.source.read();
        let mut state = self.lock();
        let expected = state.anchor.0 + (boot - state.anchor.1);
        if (wall - expected).abs() <= state.tolerance.0 {
            state.anchor = (wall, boot);
            state.parted = None;
            state.last = state.last.max(wall);
        } else {
            let (moved, by) = if wall > expected {
                // After a leap forward time goes on as it did; the leapt time is used for nothing.
                state.last = state.last.max(expected);
                ("forward", Span(wall - expected))
            } else {
                // After a step back it stands until the wall clock has caught up.
                state.last = state.last.max(wall);
                ("back", Span(expected - wall))
            };
            state.parted = Some(format!("the system clock was set {moved} by {by}"));
        }
        then(&mut state)
    }

    /// At start: the wall clock must not lie behind the last thing that was written, nor more than `far` ahead of it.
    /// Returns why sending is to be held.
    pub fn compare_with_journal(&self, last_written: Timestamp, far: Span) -> Option<String> {
        let now = self.now();
        if now < last_written {
            Some(format!(
                "the system clock ({now}) lies before the last thing that was written ({last_written})"
            ))
        } else if now.since(last_written) > far {
            Some(format!(
                "the last thing was written at {last_written}, {} ago: longer than [safety] resume_after ({far})",
                now.since(last_written)
            ))
        } else {
            None
        }
    }

    /// An operator takes the wall clock as it is.
    pub fn resume(&self) {
        let (wall, boot) = self.0.source.read();
        let mut state = self.lock();
        state.anchor = (wall, boot);
        state.last = wall;
        state.parted = None;
    }

    /// Moves a virtual clock on, wall and boot time alike. Does nothing to the system's.
    pub fn advance(&self, by: Span) {
        if let Source::Virtual(both) = &self.0.source {
            let mut both = both.lock().unwrap_or_else(PoisonError::into_inner);
            both.0 += by.0;
            both.1 += by.0;
        }
    }

    /// Moves a virtual clock on to `at`, if that lies ahead.
    pub fn advance_to(&self, at: Timestamp) {
        let now = self.now();
        if at > now {
            self.advance(at.since(now));
        }
    }

    /// Sets a virtual wall clock, as an administrator would: the time since boot stays. Does nothing to the system's.
    pub fn set_wall(&self, at: Timestamp) {
        if let Source::Virtual(both) = &self.0.source {
            both.lock().unwrap_or_else(PoisonError::into_inner).0 = at.millis();
        }
    }

    /// Whether it shows the time of the machine.
    pub fn is_system(&self) -> bool {
        matches!(self.0.source, Source::System)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // The state is whole after every statement, so a panic elsewhere leaves nothing half-done in it.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if !self.is_system() {
            "Clock (virtual)"
        } else {
            "Clock"
        })
    }
}

impl Source {
    /// Wall clock and time since boot, in milliseconds.
    fn read(&self) -> (i64, i64) {
        match self {
            Source::System => (wall(), boot()),
            Source::Shifted(by) => (wall() + by, boot()),
            Source::Virtual(both) => *both.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// The system's wall clock in milliseconds since 1970, for stamps that decide nothing.
#[allow(clippy::disallowed_methods)]
pub fn wall() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

/// Milliseconds since boot, suspended time included (CLOCK_BOOTTIME).
fn boot() -> i64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    t.tv_sec * 1_000 + t.tv_nsec / 1_000_000
}

/// Real time for measuring how long something took (deadlines, progress); decides nothing about customers.
#[allow(clippy::disallowed_methods)]
pub fn stopwatch() -> std::time::Instant {
    std::time::Instant::now()
}

#[cfg(test)]
mod tests {
    use super::Clock;
    use crate::domain::time::{Span, Timestamp};

    const START: Timestamp = Timestamp(1_750_000_000_000);

    #[test]
    fn how_far_the_clocks_may_part_is_as_set() {
        let clock = Clock::virtual_at(START);
        clock.allow(Span::seconds(30));
        clock.set_wall(START + Span::seconds(30));
        assert_eq!(clock.parted(), None);
        assert_eq!(clock.now(), START + Span::seconds(30));
        clock.set_wall(START + Span::seconds(61));
        assert!(clock.parted().is_some());
        clock.allow(Span::minutes(5));
        assert_eq!(clock.parted(), None);
    }

    #[test]
    fn a_leap_forward_holds_sending_and_leapt_time_is_used_for_nothing() {
        let clock = Clock::virtual_at(START);
        clock.set_wall(START + Span::days(30));
        assert_eq!(clock.now(), START);
        assert!(clock.parted().is_some());
        clock.advance(Span::minutes(10));
        assert_eq!(clock.now(), START + Span::minutes(10));
        clock.resume();
        assert_eq!(clock.parted(), None);
        assert_eq!(clock.now(), START + Span::days(30) + Span::minutes(10));
    }

    #[test]
    fn after_a_step_back_time_stands_until_the_wall_reaches_it() {
        let clock = Clock::virtual_at(START);
        clock.set_wall(START - Span::hours(1));
        assert_eq!(clock.now(), START);
        assert!(clock.parted().is_some());
        clock.advance(Span::minutes(30));
        assert_eq!(clock.now(), START);
        clock.set_wall(START + Span::minutes(30));
        assert_eq!(clock.parted(), None, "the clocks agree again");
        assert_eq!(clock.now(), START + Span::minutes(30));
    }

    #[test]
    fn small_corrections_pass() {
        let clock = Clock::virtual_at(START);
        clock.set_wall(START - Span::minutes(4));
        assert_eq!((clock.now(), clock.parted()), (START, None));
    }

    #[test]
    fn the_wall_at_start_is_held_against_the_journal() {
        let clock = Clock::virtual_at(START);
        let week = Span::days(7);
        assert!(
            clock
                .compare_with_journal(START + Span::seconds(1), week)
                .is_some()
        );
        assert!(
            clock
                .compare_with_journal(START - Span::days(8), week)
                .is_some()
        );
        assert_eq!(
            clock.compare_with_journal(START - Span::days(6), week),
            None
        );
    }
}
