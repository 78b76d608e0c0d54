//! Suppressed mailboxes: listing them, adding and taking back by hand, and complaints.
//!
//! A mailbox is written directly, with a check, as a shard writes it. Nothing more is needed for what waits: before every
//! attempt `Ready` reads the mailbox and commits with a check of it, so no message that was not under way when `suppress`
//! returned leaves afterwards; it is dropped, with that reason in the log, when its turn comes.

use crate::domain::address::{EmailAddress, MailboxId};
use crate::domain::cause::{Cause, Liveness};
use crate::domain::explain::rfc3339;
use crate::domain::id::CustomerNo;
use crate::domain::record::{Mailbox, Record, Suppression, SuppressionCause};
use crate::domain::time::Timestamp;
use crate::engine::batch::BatchError;
use crate::engine::core::Core;
use crate::engine::forget::Stood;
use crate::engine::pages::RecordPages;
use crate::engine::shard::Refused;
use crate::store::codec::{decode, encode};
use crate::store::{Batch, Check, Direction, StoreError, keys};
use serde::Serialize;

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

    /// Somebody with this address reported mail as unwanted: nothing but transactional mail goes there from now on, and
    /// the complaint is laid to the latest mail that left there. A suppression that stops everything stays; told again,
    /// nothing is counted again. False if nothing changed.
    pub async fn complain(&self, address: &EmailAddress, note: &str) -> Result<bool, Refused> {
        let mailbox = address.mailbox();
        let stands = self.mailbox(&mailbox).await?.suppression;
        if stands.is_some_and(|s| s.cause != SuppressionCause::Unsubscribe) {
            return Ok(false);
        }
        let suppression = Suppression {
            cause: SuppressionCause::Complaint,
            at: self.clock.now(),
            note: note.to_owned(),
        };
        let mut customers = self.customers_of(&mailbox).await?;
        // The first to be told of it is the one to whose mail it is laid.
        customers.sort_by_key(|(_, left)| std::cmp::Reverse(*left));
        for (no, _) in &customers {
            let cause = Cause::Suppress {
                mailbox: mailbox.clone(),
                suppression: Some(suppression.clone()),
            };
            self.act(*no, cause).await?;
        }
        if customers.is_empty() {
            let binds = |old: Option<&Suppression>| match old.map(|s| s.cause) {
                None | Some(SuppressionCause::Unsubscribe) => Some(Some(suppression.clone())),
                _ => None,
            };
            return self.change_suppression(&mailbox, binds).await;
        }
        // Whoever suppressed it by hand meanwhile was not overruled.
        let stands = self.mailbox(&mailbox).await?.suppression;
        Ok(stands.is_some_and(|s| s.cause == SuppressionCause::Complaint))
    }

    /// What stands of an address.
    pub async fn suppression(
        &self,
        address: &EmailAddress,
    ) -> Result<Option<SuppressionView>, Refused> {
        let id = address.mailbox();
        let stands = self.mailbox(&id).await?.suppression;
        Ok(stands.map(|s| SuppressionView::of(&id, &s)))
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
        for (no, _) in self.customers_of(&mailbox).await? {
            // A change of nothing: it asks again what the suppression had answered, and writes no mailbox, so that one
            // who suppresses the address anew meanwhile is not overruled.
            let cause = Cause::Profile(Box::default(), Liveness::Live);
            self.act(no, cause).await?;
        }
        Ok(true)
    }

    /// Writes what `change` makes of the suppression (`None`: nothing), on what stands at the commit.
    async fn change_suppression(
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

    /// Whose address it is, each with the instant at which the latest mail left to them.
    async fn customers_of(
        &self,
        mailbox: &MailboxId,
    ) -> Result<Vec<(CustomerNo, Option<Timestamp>)>, Refused> {
        let mut of = Vec::new();
        let mut pages = RecordPages::of(&*self.store);
        while let Some(records) = pages.next().await? {
            let own = |r: &Record| r.email.as_ref().map(|e| e.mailbox()).as_ref() == Some(mailbox);
            let latest = |r: &Record| r.sent.iter().map(|m| m.left).max();
            of.extend((records.iter().filter(|r| own(r))).map(|r| (r.no, latest(r))));
        }
        Ok(of)
    }
}
