//! What wakes the engine: one repeating job of the cron scheduler, which rings a bell; and what rings when it doesn't.
//!
//! The scheduler is the alarm clock, not the memory: what is due the engine works out from its store. It goes by the
//! wall clock, so a clock that is set back silences it; the daemon's loop then goes on by tokio's monotonic time and has
//! the job made anew.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// The shortest period that the scheduler keeps; shorter ones are kept by tokio.
const SHORTEST: Duration = Duration::from_secs(1);

pub struct Bell {
    pub rung: Arc<Notify>,
    period: Duration,
    scheduler: Option<JobScheduler>,
}

impl Bell {
    /// A bell that rings every `period`. Where the scheduler cannot be had it never rings, and the loop's own patience
    /// does its work.
    pub async fn hang(period: Duration, rung: Arc<Notify>) -> Bell {
        let mut bell = Bell {
            rung,
            period,
            scheduler: None,
        };
        bell.make().await;
        bell
    }

    /// How long to wait for it before going on without.
    pub fn patience(&self) -> Duration {
        if self.period < SHORTEST {
            self.period
        } else {
            self.period * 3
        }
    }

    /// It has not rung for longer than `patience`: the job is made anew.
    pub async fn make_anew(&mut self) {
        if self.period < SHORTEST {
            return;
        }
        tracing::warn!(
            "the scheduler has not rung for three periods; its job is made anew (was the clock set?)"
        );
        self.stop().await;
        self.make().await;
    }

    async fn make(&mut self) {
        match ring(self.period.max(SHORTEST), Arc::clone(&self.rung)).await {
            Ok(scheduler) => self.scheduler = Some(scheduler),
            Err(error) => {
                tracing::error!(%error, "the scheduler cannot be started; ticking without it")
            }
        }
    }

    pub async fn stop(&mut self) {
        if let Some(mut scheduler) = self.scheduler.take()
            && let Err(error) = scheduler.shutdown().await
        {
            tracing::warn!(%error, "the scheduler did not stop");
        }
    }
}

async fn ring(period: Duration, bell: Arc<Notify>) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    let job = Job::new_repeated_async(period, move |_, _| {
        let bell = Arc::clone(&bell);
        Box::pin(async move { bell.notify_one() })
    })?;
    scheduler.add(job).await?;
    scheduler.start().await?;
    Ok(scheduler)
}
