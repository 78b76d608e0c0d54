//! Letters from other customers take effect, customer by customer, each with the commit that deletes it.

use super::super::batch::{BatchError, Work};
use super::super::shard::{Refused, Shard};
use crate::domain::cause::Cause;
use crate::domain::id::{CustomerNo, ShardNo};
use crate::domain::posted::Letter;
use crate::store::codec::decode;
use crate::store::{Direction, Store, keys};
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::oneshot;

type Answered = oneshot::Sender<Result<(), Refused>>;

/// A letter may hold a whole customer and lead to a history; so many are read at once.
const LETTERS: usize = 50;

/// Whose letters are to be read.
#[derive(Default)]
pub struct Letters {
    to: BTreeSet<CustomerNo>,
    /// Who waits until a customer's have taken effect.
    answers: BTreeMap<CustomerNo, Vec<Answered>>,
    /// After an error, nothing is tried before the next tick.
    stopped: bool,
}

impl Letters {
    /// Whoever has letters as the shard is opened.
    pub async fn open(store: &dyn Store, shard: ShardNo) -> Result<Letters, BatchError> {
        let range = keys::inbox_all(shard);
        let found = store.scan(range, Direction::Forward, usize::MAX).await?;
        Ok(Letters {
            to: (found.iter())
                .filter_map(|(key, _)| keys::read_inbox(key))
                .collect(),
            ..Letters::default()
        })
    }

    pub fn ask(&mut self, customer: CustomerNo, answer: Option<Answered>) {
        self.to.insert(customer);
        self.stopped = false;
        if let Some(answer) = answer {
            self.answers.entry(customer).or_default().push(answer);
        }
    }

    /// Whether any are to be read now.
    pub fn wait(&self) -> bool {
        !self.stopped && !self.to.is_empty()
    }

    pub fn again(&mut self) {
        self.stopped = false;
    }

    pub fn stop(&mut self, error: &Refused) {
        self.stopped = true;
        for (_, answers) in std::mem::take(&mut self.answers) {
            for answer in answers {
                let _ = answer.send(Err(error.clone()));
            }
        }
    }

    fn done(&mut self, customer: CustomerNo, result: Result<(), Refused>) {
        self.to.remove(&customer);
        for answer in self.answers.remove(&customer).unwrap_or_default() {
            let _ = answer.send(result.clone());
        }
    }
}

impl Shard {
    /// Reads the letters of one customer, so many at a time.
    pub(super) async fn letter_chunk(&mut self) -> Result<(), Refused> {
        let Some(customer) = self.clockwork.letters.to.first().copied() else {
            return Ok(());
        };
        let range = keys::inbox_of(customer);
        let found = (self.store.scan(range, Direction::Forward, LETTERS).await)
            .map_err(BatchError::from)?;
        let mut works = Vec::with_capacity(found.len());
        for (_, value) in &found {
            let letter: Letter = match decode(&value.value) {
                Ok(letter) => letter,
                Err(error) => {
                    tracing::error!(customer = customer.0, %error, "a letter between customers cannot be read; it stays");
                    let error = Refused::Unreadable(error.to_string());
                    self.clockwork.letters.done(customer, Err(error));
                    return Ok(());
                }
            };
            works.push(Work {
                customer,
                id: None,
                cause: Cause::Posted(Box::new(letter)),
                mail: None,
            });
        }
        let mut failed = None;
        if !works.is_empty() {
            // A letter may hold a refusal, acknowledged with what posted it: it is taken on a full disk too.
            let done = self.process_as(&works, &|_| Vec::new(), true).await?;
            failed = done.replies.into_iter().find_map(Result::err);
        }
        if let Some(error) = failed {
            // It was listed; the letters stay until the customer can be read.
            let error = Refused::Unreadable(error.to_string());
            self.clockwork.letters.done(customer, Err(error));
        } else if found.len() < LETTERS {
            self.clockwork.letters.done(customer, Ok(()));
        }
        Ok(())
    }
}
