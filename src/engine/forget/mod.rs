//! Forgetting a customer (GDPR art. 17): at once all by which anything could still happen to them, and a keyed hash of id
//! and address in its place, so that no later import, event or form brings them back. The bytes in the store's files go
//! in a pass of the store's own ([`pending`](Core::pending_erasures)), and restored backups are told again ([`list`]).
//!
//! It takes several commits, since whoever was merged into somebody stands in another shard: first the row that says
//! what is to be done, with the hashes and without the ids' numbers, so that nothing comes in any more; then each shard;
//! last the mailboxes, when nothing is left that could write them again. Each may be done twice, and a start goes on with
//! what a crash cut off.

mod gather;
mod known;
mod list;
mod pass;
mod rows;
mod writer;

pub use known::{Forgotten, Stood};
pub use list::{Applied, joined};
pub use pass::Passed;

use super::batch::BatchError;
use super::core::Core;
use super::shard::{Order, Refused};
use crate::domain::address::MailboxId;
use crate::domain::explain::rfc3339;
use crate::domain::id::{CustomerId, CustomerNo, ShardNo};
use crate::domain::record::{Mailbox, SuppressionCause};
use crate::domain::time::Timestamp;
use crate::store::codec::{decode, encode};
use crate::store::{Batch, Check, Key, StoreError, Versioned, keys};
use gather::{Pages, Person, gather, others};
use known::{outlasts, since, suppression};
use rows::{Begun, Erasure, Since};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::oneshot;

/// What forgetting somebody came to. It does not name them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Forgot {
    /// The customer's number, and those of whoever was merged into them.
    pub numbers: Vec<u64>,
    #[serde(serialize_with = "rfc3339")]
    pub at: Timestamp,
    pub ids: usize,
    pub addresses: usize,
    /// Of these, how many another customer has, too: they are suppressed for both.
    pub shared: usize,
    /// Who that is.
    pub shared_with: BTreeSet<CustomerId>,
}

/// One erasure, as it is listed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ErasureView {
    pub erasure: u64,
    #[serde(serialize_with = "rfc3339")]
    pub at: Timestamp,
    pub numbers: Vec<u64>,
    /// Whether the bytes have gone, too.
    pub erased: bool,
}

impl ErasureView {
    fn of((erasure, row): (u64, Erasure)) -> ErasureView {
        ErasureView {
            erasure,
            at: row.at,
            numbers: row.numbers,
            erased: row.erased.is_some(),
        }
    }
}

/// Why a customer could not be forgotten.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ForgetError {
    #[error("this customer was forgotten already")]
    Already,
    #[error("there is no such customer")]
    Unknown,
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl From<BatchError> for ForgetError {
    fn from(error: BatchError) -> Self {
        ForgetError::Refused(error.into())
    }
}

impl Core {
    pub fn forgotten(&self) -> &Forgotten {
        &self.forgotten
    }

    /// Forgets the customer of this id, with all who were merged into them. When it returns, nothing happens to them any
    /// more, over restarts too; the bytes in the store's files are still to go.
    pub async fn forget(&self, id: &CustomerId) -> Result<Forgot, ForgetError> {
        // No two become one meanwhile.
        let _alone = self.forgetting.write().await;
        let found = self.directory.find(std::slice::from_ref(id)).await?;
        let Some(no) = found.into_iter().next().flatten() else {
            // Nothing is kept of them, which is all that a shop can have asked for.
            self.close_requests_of(id).await?;
            // One that failed half way is done when nothing of it is left, and not before.
            self.go_on_forgetting().await?;
            let ids = self.forgotten.ids(&*self.store, std::slice::from_ref(id));
            return Err(match ids.await?.contains(&true) {
                true => ForgetError::Already,
                false => ForgetError::Unknown,
            });
        };
        Ok(self.forget_number(id, no, self.clock.now()).await?)
    }

    /// The caller sees to it that nobody is merged meanwhile.
    async fn forget_number(
        &self,
        id: &CustomerId,
        no: CustomerNo,
        at: Timestamp,
    ) -> Result<Forgot, Refused> {
        let catalogue = self.catalogue();
        let staff = (catalogue.rules.shop.staff.values())
            .map(|address| address.mailbox())
            .collect();
        let person = gather(&*self.store, id, no, &staff).await?;
        let (erasure, row) = self.begin_erasure(person, at).await?;
        let forgot = self.end_erasure(erasure, row).await?;
        tracing::info!(numbers = ?forgot.numbers, "a customer was forgotten");
        Ok(forgot)
    }

    async fn begin_erasure(
        &self,
        person: Person,
        at: Timestamp,
    ) -> Result<(u64, Erasure), Refused> {
        let forgotten = &self.forgotten;
        let row = Erasure {
            at,
            numbers: person.numbers.into_iter().collect(),
            ids: person.ids.iter().map(|id| forgotten.of_id(id)).collect(),
            addresses: (person.addresses.iter())
                .map(|id| forgotten.of_address(id))
                .collect(),
            begun: Some(Begun {
                ids: person.ids.into_iter().collect(),
                addresses: (person.addresses.into_iter())
                    .map(|mailbox| (mailbox, false))
                    .collect(),
            }),
            erased: None,
        };
        forgotten.note(&row.numbers);
        match self.write_erasure(&row).await {
            Ok(erasure) => Ok((erasure, row)),
            // Nobody was forgotten, and what comes of them goes on being kept.
            Err(error) => {
                forgotten.unnote(&row.numbers);
                Err(error)
            }
        }
    }

    /// Writes a new erasure's row, under the next number, with its hashes and without its ids.
    async fn write_erasure(&self, row: &Erasure) -> Result<u64, Refused> {
        let ids: Vec<&CustomerId> = row.begun.iter().flat_map(|begun| &begun.ids).collect();
        // What shops have asked for them goes with them.
        let mut deletes = self.requests_of(|id| ids.contains(&id)).await?;
        deletes.extend(ids.into_iter().map(keys::id));
        let hashes = row.ids.iter().map(|hash| keys::forgotten_id(hash));
        let mut hashes: Vec<_> = hashes.map(|key| (key, since(row.at))).collect();
        let addresses = &row.addresses;
        let addresses = (self.forgotten).since_of_addresses(&*self.store, addresses, row.at);
        hashes.extend(addresses.await?);
        loop {
            let range = keys::erasures_all();
            let last = (self
                .store
                .scan(range, crate::store::Direction::Backward, 1)
                .await)
                .map_err(BatchError::from)?;
            let last = last.first().and_then(|(key, _)| keys::read_erasure(key));
            let erasure = last.map_or(1, |last| last + 1);
            let key = keys::erasure(erasure);
            let mut puts = hashes.clone();
            puts.push((key.clone(), encode(row)));
            let batch = Batch {
                checks: vec![Check {
                    key,
                    expected: None,
                }],
                puts,
                deletes: deletes.clone(),
                urgent: true,
                ..Batch::default()
            };
            match self.store.commit(batch).await {
                Ok(_) => return Ok(erasure),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(BatchError::from(error).into()),
            }
        }
    }

    /// Brings what was begun to its end.
    async fn end_erasure(&self, erasure: u64, row: Erasure) -> Result<Forgot, Refused> {
        self.forgotten.note(&row.numbers);
        let mut shards: BTreeMap<ShardNo, Vec<CustomerNo>> = BTreeMap::new();
        for no in row.numbers.iter().map(|no| CustomerNo(*no)) {
            shards.entry(no.shard()).or_default().push(no);
        }
        for numbers in shards.into_values() {
            let Some(shard) = numbers.first().map(|no| self.shard(*no)) else {
                continue;
            };
            let (answer, answered) = oneshot::channel();
            shard.order(Order::Forget(numbers, erasure, answer)).await;
            answered.await.unwrap_or(Err(Refused::Stopping))?;
        }
        // Only now: nothing is left that could write a mailbox of theirs again. The shards may have found addresses that
        // were told meanwhile.
        let found = self.value(keys::erasure(erasure)).await?;
        let row = match found {
            Some(value) => decode(&value.value).map_err(BatchError::from)?,
            None => row,
        };
        let begun = row.begun.iter().flat_map(|begun| &begun.addresses);
        let addresses: BTreeSet<MailboxId> = begun.map(|(mailbox, _)| mailbox.clone()).collect();
        let numbers: BTreeSet<u64> = row.numbers.iter().copied().collect();
        let ids = row.ids.len();
        let done = Erasure { begun: None, ..row };
        loop {
            // Read before it is asked who else has them: whoever takes one meanwhile and writes there makes the commit fail.
            let wanted = addresses.iter().map(keys::mailbox).collect();
            let stand = self
                .store
                .get_many(wanted)
                .await
                .map_err(BatchError::from)?;
            let others = others(&*self.store, &numbers, &addresses).await?;
            let mut batch = Batch {
                puts: vec![(keys::erasure(erasure), encode(&done))],
                urgent: true,
                ..Batch::default()
            };
            for (mailbox, found) in addresses.iter().zip(stand) {
                let shared = others.contains_key(mailbox);
                self.forget_mailbox(mailbox, found, shared, done.at, &mut batch);
            }
            match self.store.commit(batch).await {
                Ok(_) => {
                    return Ok(Forgot {
                        numbers: done.numbers,
                        at: done.at,
                        ids,
                        addresses: addresses.len(),
                        shared: others.len(),
                        shared_with: others.into_values().flatten().collect(),
                    });
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(BatchError::from(error).into()),
            }
        }
    }

    async fn value(&self, key: Key) -> Result<Option<Versioned>, Refused> {
        let found = self.store.get_many(vec![key]).await;
        Ok(found
            .map_err(BatchError::from)?
            .into_iter()
            .next()
            .flatten())
    }

    /// The mailbox goes, and what kept mail from it stands under its hash; one that is somebody else's, too, is suppressed.
    fn forget_mailbox(
        &self,
        id: &MailboxId,
        found: Option<Versioned>,
        shared: bool,
        at: Timestamp,
        batch: &mut Batch,
    ) {
        let key = keys::mailbox(id);
        batch.checks.push(Check {
            key: key.clone(),
            expected: found.as_ref().map(|value| value.revision),
        });
        let mailbox = match found.map(|value| decode::<Mailbox>(&value.value)) {
            Some(Ok(mailbox)) => mailbox,
            // Nobody can be written to by it, nor be forgotten for good while it stands: it goes like any other.
            Some(Err(error)) => {
                tracing::error!(%error, "a mailbox of a forgotten customer could not be read; nothing is left of it but that it is suppressed");
                Mailbox::default()
            }
            None if shared => Mailbox::default(),
            None => return,
        };
        let known = mailbox.suppression.as_ref().map(|s| s.cause);
        let stronger = known.filter(|cause| outlasts(*cause));
        if !shared {
            let since = Since {
                at,
                cause: stronger.unwrap_or(SuppressionCause::Forgotten),
            };
            let hash = self.forgotten.of_address(id);
            batch.deletes.push(key);
            (batch.puts).push((keys::forgotten_address(&hash), encode(&since)));
        } else if stronger.is_none() {
            let mailbox = Mailbox {
                suppression: Some(suppression(Since::forgotten(at))),
                ..mailbox
            };
            batch.puts.push((key, encode(&mailbox)));
        }
    }

    /// What a crash or a failing store cut off is brought to its end: at opening, before anything is sent; when somebody is
    /// forgotten again; and before bytes are erased. The caller sees to it that nobody is forgotten meanwhile.
    pub(super) async fn go_on_forgetting(&self) -> Result<(), Refused> {
        for (erasure, row) in self.erasure_rows().await? {
            if row.begun.is_some() {
                tracing::warn!(
                    erasure,
                    "forgetting a customer was cut off; it is ended now"
                );
                self.end_erasure(erasure, row).await?;
            }
        }
        Ok(())
    }

    async fn erasure_rows(&self) -> Result<Vec<(u64, Erasure)>, Refused> {
        let mut rows = Vec::new();
        let mut pages = Pages::of(&*self.store, keys::erasures_all());
        while let Some(found) = pages.next().await? {
            for (key, value) in found {
                let row: Erasure = decode(&value.value).map_err(BatchError::from)?;
                rows.extend(keys::read_erasure(&key).map(|no| (no, row)));
            }
        }
        Ok(rows)
    }

    /// Every erasure, oldest first.
    pub async fn erasures(&self) -> Result<Vec<ErasureView>, Refused> {
        let rows = self.erasure_rows().await?.into_iter();
        Ok(rows.map(ErasureView::of).collect())
    }

    /// Those whose bytes still stand in the store's files, and of whom nothing else is left: what was begun is ended first,
    /// and one that cannot be ended keeps nobody else's bytes from going. What was taken in under their numbers a moment
    /// before they were forgotten is kept first, so that it goes, too.
    pub async fn pending_erasures(&self) -> Result<Vec<ErasureView>, Refused> {
        {
            let _alone = self.forgetting.write().await;
            if let Err(error) = self.go_on_forgetting().await {
                tracing::error!(%error, "forgetting a customer was cut off and could not be ended; it is tried again");
            }
        }
        self.hits.rest().await;
        let all = self.erasure_rows().await?.into_iter();
        let whole = all.filter(|(_, row)| row.begun.is_none() && row.erased.is_none());
        Ok(whole.map(ErasureView::of).collect())
    }

    /// The bytes of these have gone.
    pub async fn note_erased(&self, erased: &[ErasureView]) -> Result<(), Refused> {
        let now = self.clock.now();
        let mut batch = Batch::default();
        for (erasure, row) in self.erasure_rows().await? {
            if row.begun.is_none() && erased.iter().any(|e| e.erasure == erasure) {
                let row = Erasure {
                    erased: Some(now),
                    ..row
                };
                batch.puts.push((keys::erasure(erasure), encode(&row)));
            }
        }
        if !batch.puts.is_empty() {
            self.store.commit(batch).await.map_err(BatchError::from)?;
        }
        Ok(())
    }
}
