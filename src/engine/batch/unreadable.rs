//! Customers of whom something stored cannot be read: their causes are refused with the reason, nothing of theirs is
//! written, and everybody else's go through.
//!
//! It is listed beside the causes at which `react` panicked, once and not at each ring of an alarm. Alarms, due keys and
//! the outbox's keys stay where they are: a record that can be read again (a newer program, a backup put in place) finds
//! them as it left them.

use crate::engine::state::Poison;
use crate::store::codec::{CodecError, decode};
use crate::store::{Direction, keys};

use super::overlay::Overlay;
use super::{BatchError, Done, Surroundings, Work};

impl Overlay {
    pub(super) async fn refuse(
        &mut self,
        around: &Surroundings<'_>,
        work: &Work,
        error: CodecError,
        done: &mut Done,
    ) -> Result<(), BatchError> {
        let why = error.to_string();
        if !self.is_listed(around, work, &why).await? {
            tracing::error!(
                customer = work.customer.0,
                %error,
                "what is stored of a customer cannot be read; nothing happens to this customer until it can"
            );
            self.list(around, work, why).await?;
        }
        done.replies.push(Err(error));
        Ok(())
    }

    async fn is_listed(
        &self,
        around: &Surroundings<'_>,
        work: &Work,
        why: &str,
    ) -> Result<bool, BatchError> {
        let range = keys::poison_of(work.customer);
        let listed = |key: &[u8], value: &[u8]| {
            *key >= *range.from
                && *key < *range.to
                && decode::<Poison>(value).is_ok_and(|row| row.panic == why)
        };
        if self.puts.iter().any(|(key, value)| listed(key, value)) {
            return Ok(true);
        }
        let found = (around.store)
            .scan(range.clone(), Direction::Forward, usize::MAX)
            .await?;
        Ok(found.iter().any(|(key, value)| listed(key, &value.value)))
    }
}
