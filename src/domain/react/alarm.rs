//! The alarm, and release.

use super::Life;
use crate::domain::policy::is_waiting;
use crate::domain::record::MessageState;

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

    /// All causes up to now are applied: waiting messages may stand in the outbox. It promises nothing; what is paused
    /// comes back here when it is resumed.
    pub(super) fn release(&mut self) {
        let now = self.now;
        for message in self.record.messages.values_mut() {
            if matches!(message.state, MessageState::Attempting(_)) {
                continue;
            }
            if std::mem::take(&mut message.parked) {
                message.released = true;
                message.not_before = message.not_before.min(now).max(message.due);
            }
            if message.not_before <= now {
                message.released = true;
            }
        }
    }
}
