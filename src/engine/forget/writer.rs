//! A shard's part: all that it holds of these numbers goes in one commit, between two of its batches, so that nothing it
//! has begun can bring any of it back. What the records know of addresses by then is noted in the same commit: an address
//! may have been told since the erasure was begun.

use super::gather::mailboxes_of;
use super::rows::Erasure;
use crate::domain::address::MailboxId;
use crate::domain::id::{CustomerNo, MessageRef};
use crate::engine::batch::BatchError;
use crate::engine::coupons::freed;
use crate::engine::shard::{Refused, Shard};
use crate::engine::state::CustomerState;
use crate::store::codec::{decode, encode};
use crate::store::{Batch, Check, Direction, Key, KeyRange, keys};
use std::collections::BTreeSet;

impl Shard {
    pub(in crate::engine) async fn forget(
        &mut self,
        numbers: &[CustomerNo],
        erasure: u64,
    ) -> Result<(), Refused> {
        let mut batch = Batch {
            epochs: vec![(self.no.0, self.store.epoch())],
            // What keeps mail from leaving is written on a full disk too.
            urgent: true,
            ..Batch::default()
        };
        for no in numbers {
            batch.deletes.push(keys::record(*no));
            batch.puts.push((keys::gone(*no), Vec::new()));
            for range in [
                keys::seen_of(*no),
                keys::consents_of(*no),
                keys::poison_of(*no),
                keys::inbox_of(*no),
            ] {
                batch.deletes.extend(self.keys_in(range).await?);
            }
        }
        // Looked for among all, not in the record: one that cannot be read is to be forgotten like any other.
        let of = |no: Option<CustomerNo>| no.is_some_and(|no| numbers.contains(&no));
        let customer = |message: MessageRef| message.customer;
        for key in self.keys_in(keys::alarms_all(self.no)).await? {
            if of(keys::read_alarm(&key).map(|(_, no)| no)) {
                batch.deletes.push(key);
            }
        }
        for key in self.keys_in(keys::due_all(self.no)).await? {
            if of(keys::read_due_customer(&key)) {
                batch.deletes.push(key);
            }
        }
        for key in self.keys_in(keys::outbox_all(self.no)).await? {
            if of(keys::read_outbox(&key).map(|(_, message)| message.customer)) {
                batch.deletes.push(key);
            }
        }
        for key in self.keys_in(keys::attempting_all(self.no)).await? {
            if of(keys::read_attempting(&key).map(customer)) {
                batch.deletes.push(key);
            }
        }
        for key in self.keys_in(keys::parked_all(self.no)).await? {
            if of(keys::read_parked(&key).map(customer)) {
                batch.deletes.push(key);
            }
        }
        self.free_coupons(numbers, &mut batch).await?;
        self.note_addresses(numbers, erasure, &mut batch).await?;
        self.store.commit(batch).await.map_err(BatchError::from)?;
        Ok(())
    }

    /// What was set aside for them, and nobody has seen, goes back.
    async fn free_coupons(&self, numbers: &[CustomerNo], batch: &mut Batch) -> Result<(), Refused> {
        let wanted = numbers.iter().map(|no| keys::record(*no)).collect();
        let found = self
            .store
            .get_many(wanted)
            .await
            .map_err(BatchError::from)?;
        for value in found.into_iter().flatten() {
            // Of one that cannot be read the codes stay given.
            if let Ok(CustomerState { record, .. }) = decode(&value.value) {
                freed::free(&record, &self.rules, batch);
            }
        }
        Ok(())
    }

    /// Adds to the erasure's row the addresses of the records that are about to go, as far as it does not have them.
    async fn note_addresses(
        &self,
        numbers: &[CustomerNo],
        erasure: u64,
        batch: &mut Batch,
    ) -> Result<(), Refused> {
        let key = keys::erasure(erasure);
        let mut wanted = vec![key.clone()];
        wanted.extend(numbers.iter().map(|no| keys::record(*no)));
        let found = self
            .store
            .get_many(wanted)
            .await
            .map_err(BatchError::from)?;
        let mut found = found.into_iter();
        let Some(value) = found.next().flatten() else {
            return Ok(());
        };
        let mut row: Erasure = decode(&value.value).map_err(BatchError::from)?;
        let Some(begun) = &mut row.begun else {
            return Ok(());
        };
        // What cannot be read goes by its key.
        let states = found.flatten().filter_map(|v| decode(&v.value).ok());
        let mut new: BTreeSet<MailboxId> = states
            .flat_map(|state: CustomerState| mailboxes_of(&state.record))
            .collect();
        new.retain(|mailbox| begun.addresses.iter().all(|(known, _)| known != mailbox));
        if new.is_empty() {
            return Ok(());
        }
        let hashes: Vec<_> = new.iter().map(|m| self.forgotten.of_address(m)).collect();
        let since = (self.forgotten).since_of_addresses(&*self.store, &hashes, row.at);
        batch.puts.extend(since.await?);
        begun.addresses.extend(new.into_iter().map(|m| (m, false)));
        row.addresses.extend(hashes);
        batch.checks.push(Check {
            key: key.clone(),
            expected: Some(value.revision),
        });
        batch.puts.push((key, encode(&row)));
        Ok(())
    }

    async fn keys_in(&self, range: KeyRange) -> Result<Vec<Key>, Refused> {
        let found = self.store.scan(range, Direction::Forward, usize::MAX).await;
        let found = found.map_err(BatchError::from)?;
        Ok(found.into_iter().map(|(key, _)| key).collect())
    }
}
