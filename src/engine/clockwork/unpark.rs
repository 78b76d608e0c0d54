//! Messages that a pause held back come back to the outbox, chunk by chunk, so that a large pause's end blocks nobody.

use super::super::batch::{BatchError, Work};
use super::super::shard::{Refused, Shard};
use super::CHUNK;
use crate::domain::cause::Cause;
use crate::domain::id::CustomerNo;
use crate::store::{Direction, Key, keys};
use std::collections::BTreeSet;
use tokio::sync::oneshot;

type Answered = oneshot::Sender<Result<u64, Refused>>;

/// How far the parked messages have been gone through.
pub struct Unparking {
    /// Not yet gone through to the end since it was last asked for; at opening, too: a run may have been cut off.
    wanted: bool,
    /// An error stopped it; the next tick takes it up again.
    stopped: bool,
    /// Who waits for the run under way.
    answers: Vec<Answered>,
    /// Who asked while it was under way: what it passed may go since then, so there is another run.
    next: Vec<Answered>,
    cursor: Option<Key>,
    last: Option<CustomerNo>,
    customers: u64,
}

impl Default for Unparking {
    fn default() -> Unparking {
        Unparking {
            wanted: true,
            stopped: false,
            answers: Vec::new(),
            next: Vec::new(),
            cursor: None,
            last: None,
            customers: 0,
        }
    }
}

impl Unparking {
    pub fn ask(&mut self, answer: Answered) {
        self.wanted = true;
        self.stopped = false;
        match self.cursor {
            None => self.answers.push(answer),
            Some(_) => self.next.push(answer),
        }
    }

    pub fn is_asked(&self) -> bool {
        self.wanted && !self.stopped
    }

    /// What an error stopped goes on.
    pub fn take_up(&mut self) {
        self.stopped = false;
    }

    /// An error stopped it: who waits is told, and it is taken up again.
    pub fn stop(&mut self, error: &Refused) {
        let waiting = self.answers.drain(..).chain(self.next.drain(..));
        for answer in waiting {
            let _ = answer.send(Err(error.clone()));
        }
        *self = Unparking {
            wanted: self.wanted,
            stopped: true,
            ..Unparking::default()
        };
    }

    /// The run under way came to its end; who asked meanwhile gets another.
    fn end(&mut self) {
        for answer in self.answers.drain(..) {
            let _ = answer.send(Ok(self.customers));
        }
        let answers = std::mem::take(&mut self.next);
        *self = Unparking {
            wanted: !answers.is_empty(),
            answers,
            ..Unparking::default()
        };
    }
}

impl Shard {
    pub(super) async fn unpark_chunk(&mut self) -> Result<(), Refused> {
        let mut range = keys::parked_all(self.no);
        if let Some(cursor) = &self.clockwork.unparking.cursor {
            range.from = cursor.clone();
            range.from.push(0);
        }
        let found = self
            .store
            .scan(range, Direction::Forward, CHUNK)
            .await
            .map_err(BatchError::from)?;
        let Some((last, _)) = found.last() else {
            self.clockwork.unparking.end();
            return Ok(());
        };
        let cursor = last.clone();
        let mut customers: BTreeSet<CustomerNo> = found
            .iter()
            .filter_map(|(key, _)| keys::read_parked(key))
            .map(|message| message.customer)
            .collect();
        // One whose messages fill the end of a chunk and the beginning of the next is released once.
        if let Some(last) = self.clockwork.unparking.last {
            customers.remove(&last);
        }
        let works: Vec<Work> = (customers.iter())
            .map(|no| Shard::work(*no, Cause::Release))
            .collect();
        self.process(&works, &|_| Vec::new()).await?;
        let run = &mut self.clockwork.unparking;
        run.customers += works.len() as u64;
        run.last = customers.last().copied().or(run.last);
        run.cursor = Some(cursor);
        Ok(())
    }
}
