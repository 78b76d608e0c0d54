//! What the service manager is told (sd_notify(3)). Outside systemd every call does nothing.

use sd_notify::NotifyState;
use std::time::Duration;

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}

/// The socket is open and the engine ticks.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload has begun; `ready` ends it. Managers that wait for it need the time (systemd 253).
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Starting takes longer than usual: asks for so much more time.
pub fn patience(more: Duration, status: &str) {
    let micros = u32::try_from(more.as_micros()).unwrap_or(u32::MAX);
    tell(&[
        NotifyState::ExtendTimeoutUsec(micros),
        NotifyState::Status(status),
    ]);
}

/// The watchdog: beats at most at half of what the manager waits, and only when it is told that work goes on.
pub struct Watchdog {
    every: Option<Duration>,
    last: Option<tokio::time::Instant>,
}

impl Watchdog {
    /// As the manager asks for it.
    pub fn asked_for() -> Watchdog {
        Watchdog {
            every: sd_notify::watchdog_enabled().map(|within| within / 2),
            last: None,
        }
    }

    /// The longest that the loop may wait between two turns so that it can still beat in time.
    pub fn at_least_every(&self, patience: Duration) -> Duration {
        self.every.map_or(patience, |every| patience.min(every))
    }

    /// A turn of the engine was done.
    pub fn advanced(&mut self) {
        let Some(every) = self.every else { return };
        let now = tokio::time::Instant::now();
        // Half of the half: turns do not come exactly on time.
        if self.last.is_none_or(|last| now - last >= every / 2) {
            tell(&[NotifyState::Watchdog]);
            self.last = Some(now);
        }
    }
}
