//! The threads that play: a few of their own, at low priority, so that a forecast never keeps the living shards from
//! theirs. Jobs and results go through short queues; results come out in the order of the jobs.

use super::ForecastError;
use crate::engine::batch::BatchError;
use crate::engine::shard::Refused;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// So many jobs, and so many results, wait at most.
const QUEUE: usize = 4;
/// How much nicer than the daemon's own threads they are.
const NICER: i32 = 10;

/// Where jobs are put in.
pub struct Jobs<J> {
    jobs: mpsc::Sender<(u64, J)>,
    next: u64,
}

/// Nobody wants the results any more.
pub struct Unwanted;

impl<J> Jobs<J> {
    /// How many were put in.
    pub fn put_in(&self) -> u64 {
        self.next
    }

    pub async fn put(&mut self, job: J) -> Result<(), Unwanted> {
        let sent = self.jobs.send((self.next, job)).await;
        self.next += 1;
        sent.map_err(|_| Unwanted)
    }
}

/// The threads at work. They end when the jobs do, or when this is dropped.
pub struct Crew<R> {
    results: mpsc::Receiver<(u64, R)>,
    /// Those that came before their turn.
    early: BTreeMap<u64, R>,
    next: u64,
}

impl<R: Send + 'static> Crew<R> {
    /// So many threads, each with a worker of its own.
    pub fn start<J: Send + 'static, W: FnMut(J) -> R + Send + 'static>(
        threads: usize,
        worker: impl Fn() -> W,
    ) -> Result<(Jobs<J>, Crew<R>), ForecastError> {
        let (jobs_in, jobs) = mpsc::channel::<(u64, J)>(QUEUE);
        let (results_in, results) = mpsc::channel(QUEUE);
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..threads.max(1) {
            let (jobs, results) = (Arc::clone(&jobs), results_in.clone());
            let mut work = worker();
            let run = move || {
                // Where the system does not allow it, it is played at the usual priority.
                let _ = rustix::process::nice(NICER);
                loop {
                    let job = (jobs.lock().unwrap_or_else(PoisonError::into_inner)).blocking_recv();
                    let Some((no, job)) = job else { return };
                    if results.blocking_send((no, work(job))).is_err() {
                        return;
                    }
                }
            };
            (std::thread::Builder::new().name("forecast".into()))
                .spawn(run)
                .map_err(|e| Refused::Data(format!("cannot start a thread: {e}")))?;
        }
        let jobs = Jobs {
            jobs: jobs_in,
            next: 0,
        };
        let crew = Crew {
            results,
            early: BTreeMap::new(),
            next: 0,
        };
        Ok((jobs, crew))
    }

    /// The next result, in the order of the jobs; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<R>, ForecastError> {
        loop {
            if let Some(result) = self.early.remove(&self.next) {
                self.next += 1;
                return Ok(Some(result));
            }
            match self.results.recv().await {
                Some((no, result)) => _ = self.early.insert(no, result),
                None if self.early.is_empty() => return Ok(None),
                None => {
                    let text = "a thread of the forecast ended before its time".to_owned();
                    return Err(Refused::Data(text).into());
                }
            }
        }
    }
}

impl From<BatchError> for ForecastError {
    fn from(error: BatchError) -> Self {
        ForecastError::Refused(error.into())
    }
}
