//! Whose causes could not be worked on: `react` panicked at them, or something stored of the customer cannot be read. They
//! are kept for the developers until an operator clears them (invariant 10: such a customer is listed, and harms nobody).

use crate::domain::explain::rfc3339;
use crate::domain::id::{CustomerId, CustomerNo, ShardNo};
use crate::domain::record::Record;
use crate::domain::time::Timestamp;
use crate::engine::batch::BatchError;
use crate::engine::core::Core;
use crate::engine::shard::Refused;
use crate::engine::state::{Number, Poison, id_of_stored};
use crate::store::codec::decode;
use crate::store::{Batch, Direction, Key, Versioned, keys};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// So many ids are read at once.
const PAGE: usize = 10_000;

/// A cause that could not be worked on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PoisonView {
    /// None where nothing tells whose number it is.
    pub customer: Option<CustomerId>,
    pub number: u64,
    #[serde(serialize_with = "rfc3339")]
    pub at: Timestamp,
    /// The cause, as developers write it; holds what the customer sent.
    pub cause: String,
    pub why: String,
}

impl Core {
    /// Every such cause, the customers in the order of their numbers within a shard, the oldest first.
    pub async fn poisonous(&self) -> Result<Vec<PoisonView>, Refused> {
        let mut views = Vec::new();
        for shard in ShardNo::all() {
            for (key, value) in self.poison_rows(shard).await? {
                let Some(no) = keys::read_poison(&key) else {
                    continue;
                };
                let row = decode::<Poison>(&value.value).unwrap_or_else(|error| Poison {
                    at: Timestamp::EARLIEST,
                    cause: "it is not known any more".to_owned(),
                    panic: error.to_string(),
                });
                views.push(PoisonView {
                    customer: None,
                    number: no.0,
                    at: row.at,
                    cause: row.cause,
                    why: row.panic,
                });
            }
        }
        let names = self.names_of(views.iter().map(|v| v.number)).await?;
        for view in &mut views {
            view.customer = names.get(&view.number).cloned();
        }
        Ok(views)
    }

    /// How many customers have such causes.
    pub async fn poisonous_customers(&self) -> Result<u64, Refused> {
        let mut customers = BTreeSet::new();
        for shard in ShardNo::all() {
            let rows = self.poison_rows(shard).await?;
            customers.extend(rows.iter().filter_map(|(key, _)| keys::read_poison(key)));
        }
        Ok(customers.len() as u64)
    }

    /// Forgets a customer's, once what they tell of is mended; those of whoever was merged into them with them, since an
    /// id of theirs leads here. Returns how many there were, nothing where nobody has that id.
    pub async fn clear_poison(&self, id: &CustomerId) -> Result<Option<u64>, Refused> {
        let found = self.directory.find(std::slice::from_ref(id)).await?;
        let Some(known) = found.into_iter().next().flatten() else {
            return Ok(None);
        };
        // One whose record cannot be read is listed for just that, and has nobody else's numbers.
        let mut numbers = BTreeSet::from([known]);
        if let Ok((no, record)) = self.follow(known).await {
            numbers.insert(no);
            numbers.extend(record.iter().flat_map(Record::numbers));
        }
        let mut deletes: Vec<Key> = Vec::new();
        for no in numbers {
            let range = keys::poison_of(no);
            let found = self.store.scan(range, Direction::Forward, usize::MAX).await;
            let found = found.map_err(BatchError::from)?;
            deletes.extend(found.into_iter().map(|(key, _)| key));
        }
        let count = deletes.len() as u64;
        if count > 0 {
            let batch = Batch {
                deletes,
                ..Batch::default()
            };
            self.store.commit(batch).await.map_err(BatchError::from)?;
        }
        Ok(Some(count))
    }

    async fn poison_rows(&self, shard: ShardNo) -> Result<Vec<(Key, Versioned)>, Refused> {
        let rows = (self.store).scan(keys::poison_all(shard), Direction::Forward, usize::MAX);
        Ok(rows.await.map_err(BatchError::from)?)
    }

    /// The shop's ids of these numbers: by their records, or where those cannot be read by the directory, which is read
    /// from end to end then.
    async fn names_of(
        &self,
        numbers: impl Iterator<Item = u64>,
    ) -> Result<BTreeMap<u64, CustomerId>, Refused> {
        let mut unnamed: BTreeSet<u64> = numbers.collect();
        let wanted: Vec<u64> = unnamed.iter().copied().collect();
        let records = wanted.iter().map(|no| keys::record(CustomerNo(*no)));
        let found = self.store.get_many(records.collect()).await;
        let mut names = BTreeMap::new();
        for (no, value) in wanted.iter().zip(found.map_err(BatchError::from)?) {
            if let Some(id) = value.and_then(|v| id_of_stored(&v.value)) {
                unnamed.remove(no);
                names.insert(*no, id);
            }
        }
        let mut after: Option<CustomerId> = None;
        while !unnamed.is_empty() {
            let range = keys::ids_after(after.as_ref().map(CustomerId::as_str));
            let page = self.store.scan(range, Direction::Forward, PAGE).await;
            let page = page.map_err(BatchError::from)?;
            for (key, value) in &page {
                if let Ok(Number(no)) = decode(&value.value)
                    && unnamed.contains(&no)
                    && let Some(id) = keys::read_id(key)
                {
                    unnamed.remove(&no);
                    names.insert(no, id);
                }
            }
            after = page.last().and_then(|(key, _)| keys::read_id(key));
            if page.len() < PAGE || after.is_none() {
                break;
            }
        }
        Ok(names)
    }
}
