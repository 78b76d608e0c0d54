//! The alarm, and release.

use super::Life;
use crate::domain::policy::{is_waiting, paused};

impl Life<'_> {
    /// Sets the alarm after a reaction; true if a message waits to be released. The alarm's key is moved only when the
    /// new alarm is earlier; one that rings too early is corrected when it rings (only a ring clears it).
    pub(super) fn set_alarm(&mut self) -> bool {
        let unreleased = (self.record.messages.values())
            .filter(|m| is_waiting(m) && !m.released)
            .map(|m| m.not_before)
            .min();
        self.wake_at(unreleased);
        let wake = Some(self.wake).filter(|_| self.wake.millis() != i64::MAX);
        self.record.alarm = match (self.record.alarm, wake) {
            (Some(key), Some(wake)) => Some(key.min(wake)),
            (key, wake) => key.or(wake),
        };
        unreleased.is_some_and(|at| at <= self.now)
    }

    /// All causes up to now are applied: waiting messages may stand in the outbox. It promises nothing; what was paused
    /// comes back here when it is resumed.
    pub(super) fn release(&mut self) {
        self.unpark();
        for message in self.record.messages.values_mut() {
            if is_waiting(message) && message.not_before <= self.now {
                message.released = true;
            }
        }
    }

    /// Messages whose pause is over stand in the outbox again, and are asked now.
    pub(super) fn unpark(&mut self) {
        for message in self.record.messages.values_mut() {
            if message.parked && paused(message, self.rules).is_none() {
                message.parked = false;
                message.released = true;
            }
        }
    }
}
