//! A shard's part: all that it holds of these numbers goes in one commit, between two of its batches, so that nothing it
//! has begun can bring any of it back.

use crate::domain::id::{CustomerNo, MessageRef};
use crate::engine::batch::BatchError;
use crate::engine::shard::{Refused, Shard};
use crate::store::{Batch, Direction, Key, KeyRange, keys};

impl Shard {
    pub(in crate::engine) async fn forget(
        &mut self,
        numbers: &[CustomerNo],
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
        self.store.commit(batch).await.map_err(BatchError::from)?;
        Ok(())
    }

    async fn keys_in(&self, range: KeyRange) -> Result<Vec<Key>, Refused> {
        let found = self.store.scan(range, Direction::Forward, usize::MAX).await;
        let found = found.map_err(BatchError::from)?;
        Ok(found.into_iter().map(|(key, _)| key).collect())
    }
}
