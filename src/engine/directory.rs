//! The shop's own ids of customers, and the numbers that stand for them in all keys.
//!
//! A number is given at first sight, in one commit with the counter, before anything else is written of the customer.
//! A number without a record is harmless: it stands for somebody of whom only the id was heard.

use super::batch::BatchError;
use super::forget::Forgotten;
use super::state::Number;
use crate::domain::id::{CustomerId, CustomerNo};
use crate::store::codec::{CodecError, decode, encode};
use crate::store::{Batch, Check, Store, StoreError, Versioned, keys};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{Mutex, oneshot};

/// The next number.
pub(super) const COUNTER: &str = "numbers";
/// So many were never given: leapt over after a restore.
pub(super) const LEFT_OUT: &str = "numbers_left_out";
/// So many ids get their numbers in one commit, and those of one more caller.
const GROUP: usize = 10_000;

/// What is known of one id: its number, none, or that what stands there cannot be read.
pub type Known = Result<Option<CustomerNo>, CodecError>;
type Admitted = Result<Vec<Known>, BatchError>;

/// Ids that wait for their numbers.
struct Waiting {
    ids: Vec<CustomerId>,
    answer: oneshot::Sender<Admitted>,
}

pub struct Directory {
    store: Arc<dyn Store>,
    forgotten: Arc<Forgotten>,
    /// Who waits while numbers are given to others: the next commit is for all of them.
    waiting: StdMutex<VecDeque<Waiting>>,
    /// Held while numbers are given.
    giving: Mutex<()>,
}

impl Directory {
    pub fn new(store: Arc<dyn Store>, forgotten: Arc<Forgotten>) -> Directory {
        Directory {
            store,
            forgotten,
            waiting: StdMutex::default(),
            giving: Mutex::new(()),
        }
    }

    /// The numbers of those ids that are known, one by one: an entry that cannot be read is that one's fault alone.
    pub async fn find_each(&self, ids: &[CustomerId]) -> Result<Vec<Known>, BatchError> {
        let found = self
            .store
            .get_many(ids.iter().map(keys::id).collect())
            .await?;
        let number = |value: Option<Versioned>| {
            let number = value.map(|v| decode::<Number>(&v.value)).transpose()?;
            Ok(number.map(|n| CustomerNo(n.0)))
        };
        Ok(found.into_iter().map(number).collect())
    }

    /// The same; an error if one of them cannot be read.
    pub async fn find(&self, ids: &[CustomerId]) -> Result<Vec<Option<CustomerNo>>, BatchError> {
        let found = self.find_each(ids).await?.into_iter();
        Ok(found.collect::<Result<_, CodecError>>()?)
    }

    /// The numbers of all ids; the new ones are given theirs. An error if one of them is a forgotten customer's.
    pub async fn resolve(&self, ids: &[CustomerId]) -> Result<Vec<CustomerNo>, BatchError> {
        let numbers = self.admit(ids).await?.into_iter();
        let numbers: Vec<Option<CustomerNo>> = numbers.collect::<Result<_, CodecError>>()?;
        let numbers: Option<Vec<CustomerNo>> = numbers.into_iter().collect();
        numbers.ok_or(BatchError::Forgotten)
    }

    /// The same one by one, with none for those who were forgotten. All who come while numbers are given to somebody else
    /// get theirs together, in the next commit.
    pub async fn admit(&self, ids: &[CustomerId]) -> Result<Vec<Known>, BatchError> {
        let mut found = self.find_each(ids).await?;
        let is_new = |known: &Known| matches!(known, Ok(None));
        let places: Vec<usize> = (0..found.len()).filter(|at| is_new(&found[*at])).collect();
        if places.is_empty() {
            return Ok(found);
        }
        let given = loop {
            let (answer, mut answered) = oneshot::channel();
            let ids = places.iter().map(|at| ids[*at].clone()).collect();
            self.waiting().push_back(Waiting { ids, answer });
            let _giving = self.giving.lock().await;
            let mut told = answered.try_recv();
            while matches!(told, Err(TryRecvError::Empty)) {
                // Nobody took these along: whoever holds the lock gives to all who wait, themselves among them.
                self.give_to_all().await;
                told = answered.try_recv();
            }
            // If whoever took these along was cut off, they wait once more.
            if let Ok(given) = told {
                break given?;
            }
        };
        for (at, known) in places.into_iter().zip(given) {
            found[at] = known;
        }
        Ok(found)
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives numbers to those who wait, as many as one commit is for.
    async fn give_to_all(&self) {
        let mut group: Vec<Waiting> = Vec::new();
        {
            let mut waiting = self.waiting();
            let mut many = 0;
            // Who has gone away waits no more.
            waiting.retain(|one| !one.answer.is_closed());
            while many < GROUP
                && let Some(next) = waiting.pop_front()
            {
                many += next.ids.len();
                group.push(next);
            }
        }
        let ids: Vec<CustomerId> = group.iter().flat_map(|one| one.ids.clone()).collect();
        let given = loop {
            match self.give(&ids).await {
                Err(BatchError::Store(StoreError::Conflict { .. })) => {}
                other => break other,
            }
        };
        let mut given = given.map(Vec::into_iter);
        for Waiting { ids, answer } in group {
            let own = match &mut given {
                Ok(given) => Ok(given.by_ref().take(ids.len()).collect()),
                Err(error) => Err(error.clone()),
            };
            let _ = answer.send(own);
        }
    }

    async fn give(&self, ids: &[CustomerId]) -> Result<Vec<Known>, BatchError> {
        let found = self.find_each(ids).await?;
        // Behind that: with an id's number its hash comes, in one commit.
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
            // Whose number cannot be read has one: a second would make two of one customer.
            if known != Ok(None) {
                numbers.push(known);
                continue;
            }
            if forgotten {
                numbers.push(Ok(None));
                continue;
            }
            let no = match given.get(id).copied() {
                Some(no) => no,
                None => {
                    let no = CustomerNo(next);
                    next += 1;
                    let key = keys::id(id);
                    self.check_free(id, &mut batch);
                    batch.puts.push((key, encode(&Number(no.0))));
                    given.insert(id, no);
                    no
                }
            };
            numbers.push(Ok(Some(no)));
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

    /// The commit is void if somebody else has written or forgotten this id meanwhile.
    fn check_free(&self, id: &CustomerId, batch: &mut Batch) {
        let hash = self.forgotten.of_id(id);
        for key in [keys::id(id), keys::forgotten_id(&hash)] {
            let expected = None;
            batch.checks.push(Check { key, expected });
        }
    }

    /// Makes an id that was never heard of another name for a customer; returns whom it stands for, which is another if
    /// somebody else heard of it first.
    pub async fn link(&self, id: &CustomerId, no: CustomerNo) -> Result<CustomerNo, BatchError> {
        loop {
            let known = self.find(std::slice::from_ref(id)).await?;
            if let Some(known) = known.into_iter().next().flatten() {
                return Ok(known);
            }
            let forgotten = self.forgotten.ids(&*self.store, std::slice::from_ref(id));
            if forgotten.await?.contains(&true) {
                return Err(BatchError::Forgotten);
            }
            let mut batch = Batch::default();
            self.check_free(id, &mut batch);
            batch.puts.push((keys::id(id), encode(&Number(no.0))));
            match self.store.commit(batch).await {
                Ok(_) => return Ok(no),
                Err(StoreError::Conflict { .. }) => {}
                Err(other) => return Err(other.into()),
            }
        }
    }

    /// The id stands for this customer from now on: whom it stood for was merged into that one.
    pub async fn relink(&self, id: &CustomerId, no: CustomerNo) -> Result<(), BatchError> {
        let batch = Batch {
            puts: vec![(keys::id(id), encode(&Number(no.0)))],
            ..Batch::default()
        };
        self.store.commit(batch).await?;
        Ok(())
    }

    /// How many customers have been given a number.
    pub async fn count(&self) -> Result<u64, BatchError> {
        let wanted = [COUNTER, LEFT_OUT].map(keys::house).to_vec();
        let mut numbers = [1, 0];
        let found = self.store.get_many(wanted).await?;
        for (number, value) in numbers.iter_mut().zip(found) {
            if let Some(value) = value {
                *number = decode::<Number>(&value.value)?.0;
            }
        }
        let [next, left_out] = numbers;
        Ok((next - 1).saturating_sub(left_out))
    }
}
