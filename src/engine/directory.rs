//! The shop's own ids of customers, and the numbers that stand for them in all keys.
//!
//! A number is given at first sight, in one commit with the counter, before anything else is written of the customer.
//! A number without a record is harmless: it stands for somebody of whom only the id was heard.

use super::batch::BatchError;
use super::forget::Forgotten;
use super::state::Number;
use crate::domain::id::{CustomerId, CustomerNo};
use crate::store::codec::{decode, encode};
use crate::store::{Batch, Check, Store, StoreError, keys};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Mutex;

const COUNTER: &str = "numbers";

pub struct Directory {
    store: Arc<dyn Store>,
    forgotten: Arc<Forgotten>,
    /// Held while numbers are given, so that one id never gets two.
    giving: Mutex<()>,
}

impl Directory {
    pub fn new(store: Arc<dyn Store>, forgotten: Arc<Forgotten>) -> Directory {
        Directory {
            store,
            forgotten,
            giving: Mutex::new(()),
        }
    }

    /// The numbers of those ids that are known.
    pub async fn find(&self, ids: &[CustomerId]) -> Result<Vec<Option<CustomerNo>>, BatchError> {
        let found = self
            .store
            .get_many(ids.iter().map(keys::id).collect())
            .await?;
        found
            .into_iter()
            .map(|value| {
                let number = value.map(|v| decode::<Number>(&v.value)).transpose()?;
                Ok(number.map(|n| CustomerNo(n.0)))
            })
            .collect()
    }

    /// The numbers of all ids; the new ones are given theirs. An error if one of them is a forgotten customer's.
    pub async fn resolve(&self, ids: &[CustomerId]) -> Result<Vec<CustomerNo>, BatchError> {
        let numbers = self.admit(ids).await?.into_iter();
        let numbers: Option<Vec<CustomerNo>> = numbers.collect();
        numbers.ok_or(BatchError::Forgotten)
    }

    /// The same, with none for those who were forgotten.
    pub async fn admit(&self, ids: &[CustomerId]) -> Result<Vec<Option<CustomerNo>>, BatchError> {
        let found = self.find(ids).await?;
        if found.iter().all(Option::is_some) {
            return Ok(found);
        }
        let _giving = self.giving.lock().await;
        loop {
            match self.give(ids).await {
                Err(BatchError::Store(StoreError::Conflict { .. })) => {}
                other => return other,
            }
        }
    }

    async fn give(&self, ids: &[CustomerId]) -> Result<Vec<Option<CustomerNo>>, BatchError> {
        let found = self.find(ids).await?;
        // Behind `find`: with an id's number its hash comes, in one commit.
        let forgotten = self.forgotten.ids(&*self.store, ids).await?;
        let counter_key = keys::house(COUNTER);
        let counter = self
            .store
            .get_many(vec![counter_key.clone()])
            .await?
            .into_iter()
            .next()
            .flatten();
        let expected = counter.as_ref().map(|v| v.revision);
        let mut next = match counter {
            Some(value) => decode::<Number>(&value.value)?.0,
            None => 1,
        };
        let mut batch = Batch::default();
        let mut given: HashMap<&CustomerId, CustomerNo> = HashMap::new();
        let mut numbers = Vec::with_capacity(ids.len());
        for ((id, known), forgotten) in ids.iter().zip(found).zip(forgotten) {
            if known.is_none() && forgotten {
                numbers.push(None);
                continue;
            }
            let no = match known.or_else(|| given.get(id).copied()) {
                Some(no) => no,
                None => {
                    let no = CustomerNo(next);
                    next += 1;
                    let key = keys::id(id);
                    let hash = self.forgotten.of_id(id);
                    for key in [key.clone(), keys::forgotten_id(&hash)] {
                        let expected = None;
                        batch.checks.push(Check { key, expected });
                    }
                    batch.puts.push((key, encode(&Number(no.0))));
                    given.insert(id, no);
                    no
                }
            };
            numbers.push(Some(no));
        }
        if !given.is_empty() {
            batch.checks.push(Check {
                key: counter_key.clone(),
                expected,
            });
            batch.puts.push((counter_key, encode(&Number(next))));
            self.store.commit(batch).await?;
        }
        Ok(numbers)
    }

    /// Makes an id that was never heard of another name for a customer; returns whom it stands for, which is another if
    /// somebody else heard of it first.
    pub async fn link(&self, id: &CustomerId, no: CustomerNo) -> Result<CustomerNo, BatchError> {
        let _giving = self.giving.lock().await;
        loop {
            let known = self.find(std::slice::from_ref(id)).await?;
            if let Some(known) = known.into_iter().next().flatten() {
                return Ok(known);
            }
            let forgotten = self.forgotten.ids(&*self.store, std::slice::from_ref(id));
            if forgotten.await?.contains(&true) {
                return Err(BatchError::Forgotten);
            }
            let key = keys::id(id);
            let batch = Batch {
                checks: vec![Check {
                    key: key.clone(),
                    expected: None,
                }],
                puts: vec![(key, encode(&Number(no.0)))],
                ..Batch::default()
            };
            match self.store.commit(batch).await {
                Ok(_) => return Ok(no),
                Err(StoreError::Conflict { .. }) => {}
                Err(other) => return Err(other.into()),
            }
        }
    }

    /// The id stands for this customer from now on: whom it stood for was merged into that one.
    pub async fn relink(&self, id: &CustomerId, no: CustomerNo) -> Result<(), BatchError> {
        let _giving = self.giving.lock().await;
        let batch = Batch {
            puts: vec![(keys::id(id), encode(&Number(no.0)))],
            ..Batch::default()
        };
        self.store.commit(batch).await?;
        Ok(())
    }

    /// How many customers have been given a number.
    pub async fn count(&self) -> Result<u64, BatchError> {
        let counter = self.store.get_many(vec![keys::house(COUNTER)]).await?;
        Ok(match counter.into_iter().next().flatten() {
            Some(value) => decode::<Number>(&value.value)?.0 - 1,
            None => 0,
        })
    }
}
