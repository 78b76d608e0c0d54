//! Suppressed mailboxes: listing them, adding and taking back by hand. Complaints are [`super::complaints`].
//!
//! A mailbox is written directly, with a check, as a shard writes it. Nothing more is needed for what waits: before every
//! attempt `Ready` reads the mailbox and commits with a check of it, so no message that was not under way when `suppress`
//! returned leaves afterwards; it is dropped, with that reason in the log, when its turn comes.

use crate::domain::address::{EmailAddress, MailboxId};
use crate::domain::cause::{Cause, Liveness};
use crate::domain::explain::rfc3339;
use crate::domain::record::{Mailbox, Suppression, SuppressionCause};
use crate::domain::time::Timestamp;
use crate::engine::batch::BatchError;
use crate::engine::core::Core;
use crate::engine::forget::Stood;
use crate::engine::shard::Refused;
use crate::store::codec::{decode, encode};
use crate::store::{Batch, Check, Direction, StoreError, keys};
use serde::Serialize;
use std::collections::BTreeSet;

const PAGE: usize = 1_000;

/// A mailbox that must not be sent to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SuppressionView {
    pub mailbox: String,
    pub cause: SuppressionCause,
    #[serde(serialize_with = "rfc3339")]
    pub at: Timestamp,
    pub note: String,
}

impl SuppressionView {
    pub(super) fn of(id: &MailboxId, suppression: &Suppression) -> SuppressionView {
        SuppressionView {
            mailbox: id.0.clone(),
            cause: suppression.cause,
            at: suppression.at,
            note: suppression.note.clone(),
        }
    }
}

impl Core {
    /// Every suppressed mailbox, by address.
    pub async fn suppressions(&self) -> Result<Vec<SuppressionView>, Refused> {
        let mut all = Vec::new();
        let mut after: Option<MailboxId> = None;
        loop {
            let range = keys::mailboxes_after(after.as_ref());
            let found = (self.store.scan(range, Direction::Forward, PAGE).await)
                .map_err(BatchError::from)?;
            for (key, value) in &found {
                let Some(id) = keys::read_mailbox(key) else {
                    continue;
                };
                let mailbox: Mailbox = decode(&value.value).map_err(BatchError::from)?;
                all.extend((mailbox.suppression.iter()).map(|s| SuppressionView::of(&id, s)));
                after = Some(id);
            }
            if found.len() < PAGE {
                return Ok(all);
            }
        }
    }

    /// Nothing of any class goes to this mailbox from now on. False if that was so already (by hand, or a dead address); a
    /// complaint or an unsubscribe is replaced, since those let transactional messages through.
    pub async fn suppress(&self, address: &EmailAddress, note: &str) -> Result<bool, Refused> {
        let suppression = Suppression {
            cause: SuppressionCause::ByHand,
            at: self.clock.now(),
            note: note.to_owned(),
        };
        self.change_suppression(&address.mailbox(), |old| match old.map(|s| s.cause) {
            Some(SuppressionCause::ByHand | SuppressionCause::HardBounce) => None,
            _ => Some(Some(suppression.clone())),
        })
        .await
    }

    /// Takes a suppression back, whatever its cause; false if there was none. Customers whose messages it had dropped may
    /// be written to again: they are looked for among all, since nobody keeps who shares a mailbox. Refusals of topics
    /// stand: only the customer's own word lifts them.
    pub async fn unsuppress(&self, address: &EmailAddress) -> Result<bool, Refused> {
        let mailbox = address.mailbox();
        let was = (self.change_suppression(&mailbox, |old| old.map(|_| None))).await?;
        if !was {
            return Ok(false);
        }
        let found = self.customers_of(&BTreeSet::from([mailbox])).await?;
        for no in found.into_values().flatten().map(|r| r.no) {
            // A change of nothing: it asks again what the suppression had answered, and writes no mailbox, so that one
            // who suppresses the address anew meanwhile is not overruled.
            let cause = Cause::Profile(Box::default(), Liveness::Live);
            self.act(no, cause).await?;
        }
        Ok(true)
    }

    /// Writes what `change` makes of the suppression (`None`: nothing), on what stands at the commit.
    pub(super) async fn change_suppression(
        &self,
        id: &MailboxId,
        change: impl Fn(Option<&Suppression>) -> Option<Option<Suppression>>,
    ) -> Result<bool, Refused> {
        let key = keys::mailbox(id);
        loop {
            let ids = std::slice::from_ref(id);
            let found = self.forgotten.mailboxes(&*self.store, ids).await?;
            let Some(Stood { revision, mailbox }) = found.into_iter().next() else {
                return Ok(false);
            };
            let (expected, mut mailbox) = (revision, mailbox.map_err(BatchError::from)?);
            let Some(new) = change(mailbox.suppression.as_ref()) else {
                return Ok(false);
            };
            mailbox.suppression = new;
            let batch = Batch {
                checks: vec![Check {
                    key: key.clone(),
                    expected,
                }],
                puts: vec![(key.clone(), encode(&mailbox))],
                // In force on a full disk too.
                urgent: true,
                ..Batch::default()
            };
            match self.store.commit(batch).await {
                Ok(_) => return Ok(true),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(BatchError::from(error).into()),
            }
        }
    }
}
