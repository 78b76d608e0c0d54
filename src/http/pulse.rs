//! Whether the engine gets on, as those outside may see it: how long ago it last did. On the monotonic clock, since the
//! wall clock may leap.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Set by whoever turns the engine, read by whoever asks after its health.
#[derive(Debug)]
pub struct Pulse {
    last: Mutex<Instant>,
    /// After so long without a beat something is wrong.
    patience: Duration,
}

impl Pulse {
    /// It has just begun to beat.
    pub fn new(patience: Duration) -> Pulse {
        Pulse {
            last: Mutex::new(Instant::now()),
            patience,
        }
    }

    /// The engine got on.
    pub fn beat(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    pub fn age(&self) -> Duration {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.elapsed()
    }

    pub fn is_alive(&self) -> bool {
        self.age() <= self.patience
    }
}
