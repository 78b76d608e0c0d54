//! The threads that play: a few of their own, at low priority, so that a forecast never keeps the living shards from
//! theirs. Jobs and results go through short queues; results come out in the order of the jobs. One that panics ends it
//! with an error: nothing waits for it without end.

use super::ForecastError;
use crate::engine::batch::BatchError;
use crate::engine::shard::Refused;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// So many jobs, and so many results, wait at most.
pub const QUEUE: usize = 4;
/// How much nicer than the daemon's own threads they are.
const NICER: i32 = 10;

/// A daemon at work keeps half of the processors for itself.
pub fn threads(running: bool) -> usize {
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    match running {
        true => (all / 2).max(1),
        false => all,
    }
}

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
    /// None of a job over which its thread panicked.
    results: mpsc::Receiver<(u64, Option<R>)>,
    /// Those that came before their turn.
    early: BTreeMap<u64, Option<R>>,
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
                    // A worker that panicked may be half changed: it takes no other job.
                    let done = catch_unwind(AssertUnwindSafe(|| work(job))).ok();
                    let broken = done.is_none();
                    if results.blocking_send((no, done)).is_err() || broken {
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

    /// The next result, in the order of the jobs; `None` where all threads have ended, after the last.
    pub async fn next(&mut self) -> Result<Option<R>, ForecastError> {
        loop {
            if let Some(result) = self.early.remove(&self.next) {
                self.next += 1;
                return result.map(Some).ok_or_else(cut_short);
            }
            match self.results.recv().await {
                Some((no, result)) => _ = self.early.insert(no, result),
                None if self.early.is_empty() => return Ok(None),
                None => return Err(cut_short()),
            }
        }
    }
}

/// Not all customers were played, so what is known of the others is no forecast.
pub fn cut_short() -> ForecastError {
    let text = "a thread of the forecast ended before its time: a fault in the daemon, whose log tells where";
    Refused::Data(text.to_owned()).into()
}

impl From<BatchError> for ForecastError {
    fn from(error: BatchError) -> Self {
        ForecastError::Refused(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::{Crew, ForecastError};

    #[tokio::test]
    async fn a_job_that_panics_ends_it_with_an_error() {
        for threads in [1, 3] {
            let work = || |job: u64| 100 / (3 - job);
            let (mut jobs, mut crew) = Crew::start(threads, work).ok().unwrap();
            for job in 0..4 {
                assert!(jobs.put(job).await.is_ok());
            }
            // The jobs' end is held all the while, as it is where groups may yet go on.
            for expected in [33, 50, 100] {
                assert_eq!(crew.next().await.ok().flatten(), Some(expected));
            }
            let end = crew.next().await;
            assert!(matches!(end, Err(ForecastError::Refused(_))), "{threads}");
            assert_eq!(jobs.put_in(), 4);
        }
    }
}
