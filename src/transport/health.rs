//! Whether the relay can be trusted with messages now (DESIGN §9). After so many faults in a row, or so many of the
//! newest attempts, it is set aside; when the back-off ends one message at a time is let through as a trial, and what
//! becomes of it decides. One log event when it is set aside, one when it is back; in between, [`Health::aside`] is for
//! alerts. A message left in doubt counts as a fault as well: each may become a duplicate, so a relay that keeps doing
//! it must not be given all of them.

use super::config::BackOff;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

pub(crate) struct Health {
    relay: String,
    rules: BackOff,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// The newest attempts, oldest first; true is a fault.
    recent: VecDeque<bool>,
    in_a_row: u32,
    aside: Option<SetAside>,
    times_aside: u64,
}

struct SetAside {
    until: Instant,
    wait: Duration,
    fault: String,
    trial_is_out: bool,
}

/// A relay that is set aside, as alerts and metrics show it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Aside {
    /// The next trial is due in so long; zero while one is under way or could be.
    pub trial_in: Duration,
    /// The latest fault, without addresses.
    pub fault: String,
}

/// What an attempt says about the relay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Sign {
    Good,
    /// With a text free of addresses.
    Fault(String),
    /// Nothing.
    None,
}

impl Health {
    pub fn new(relay: &str, rules: BackOff) -> Arc<Health> {
        Arc::new(Health {
            relay: relay.to_owned(),
            rules,
            state: Mutex::default(),
            changed: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a message may be tried. Safe to stop waiting for.
    pub async fn pass(self: &Arc<Self>) -> Pass {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.try_pass() {
                Ok(pass) => return pass,
                Err(Some(until)) => {
                    tokio::select! {
                        () = sleep_until(until) => {}
                        () = changed => {}
                    }
                }
                Err(None) => changed.await,
            }
        }
    }

    /// A pass if there is one now; else the instant of the next trial, or `None` while one is under way.
    pub fn try_pass(self: &Arc<Self>) -> Result<Pass, Option<Instant>> {
        let mut state = self.state();
        let trial = match &mut state.aside {
            None => false,
            Some(aside) if Instant::now() < aside.until => return Err(Some(aside.until)),
            Some(aside) if aside.trial_is_out => return Err(None),
            Some(aside) => {
                aside.trial_is_out = true;
                true
            }
        };
        Ok(Pass {
            health: self.clone(),
            trial,
        })
    }

    /// `None` while all is well.
    pub fn aside(&self) -> Option<Aside> {
        self.state().aside.as_ref().map(|aside| Aside {
            trial_in: aside.until.saturating_duration_since(Instant::now()),
            fault: aside.fault.clone(),
        })
    }

    pub fn faults_in_a_row(&self) -> u32 {
        self.state().in_a_row
    }

    pub fn times_aside(&self) -> u64 {
        self.state().times_aside
    }

    /// How long to pause after a fault that has not yet set the relay aside.
    pub fn pause(&self) -> Duration {
        (self.rules.first / 10).min(Duration::from_secs(1))
    }

    fn note(&self, sign: Sign, trial: bool) {
        let mut state = self.state();
        let fault = match sign {
            Sign::None => return,
            Sign::Good => {
                state.in_a_row = 0;
                push(&mut state.recent, false, self.rules.of_last);
                // A message that was on its way before the relay was set aside shows nothing about it now.
                if trial && state.aside.take().is_some() {
                    state.recent.clear();
                    tracing::info!(relay = %self.relay, "the relay is back");
                    self.changed.notify_waiters();
                }
                return;
            }
            Sign::Fault(text) => text,
        };
        state.in_a_row = state.in_a_row.saturating_add(1);
        push(&mut state.recent, true, self.rules.of_last);
        let now = Instant::now();
        let in_a_row = state.in_a_row;
        if let Some(aside) = &mut state.aside {
            if trial {
                aside.wait = (aside.wait * 2).min(self.rules.most);
                aside.until = now + aside.wait;
            }
            aside.fault = fault;
            return;
        }
        let of_last = state.recent.iter().filter(|f| **f).count();
        if in_a_row < self.rules.in_a_row && of_last < self.rules.faults {
            return;
        }
        tracing::error!(
            relay = %self.relay,
            in_a_row,
            of_last,
            retry_in_seconds = self.rules.first.as_secs_f64(),
            fault = %fault,
            "the relay is set aside; messages wait"
        );
        state.times_aside += 1;
        state.recent.clear();
        state.aside = Some(SetAside {
            until: now + self.rules.first,
            wait: self.rules.first,
            fault,
            trial_is_out: false,
        });
    }
}

fn push(recent: &mut VecDeque<bool>, fault: bool, most: usize) {
    recent.push_back(fault);
    while recent.len() > most {
        recent.pop_front();
    }
}

/// Leave to try one message. Dropped without [`Pass::settle`], it leaves the trial to somebody else.
pub(crate) struct Pass {
    health: Arc<Health>,
    trial: bool,
}

impl Pass {
    pub fn is_trial(&self) -> bool {
        self.trial
    }

    /// Says what the attempt showed.
    pub fn settle(self, sign: Sign) {
        self.health.note(sign, self.trial);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.trial {
            if let Some(aside) = &mut self.health.state().aside {
                aside.trial_is_out = false;
            }
            self.health.changed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BackOff, Health, Sign};
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::time::{Instant, timeout};

    fn fault() -> Sign {
        Sign::Fault("connection refused".into())
    }

    fn health() -> Arc<Health> {
        Health::new(
            "main",
            BackOff {
                first: Duration::from_secs(10),
                most: Duration::from_secs(25),
                ..BackOff::default()
            },
        )
    }

    #[tokio::test(start_paused = true)]
    async fn five_in_a_row_set_it_aside_and_each_failed_trial_doubles_the_wait() {
        let health = health();
        for n in 0..5 {
            assert!(health.aside().is_none(), "{n}");
            health.pass().await.settle(fault());
        }
        for wait in [10, 20, 25, 25] {
            let from = Instant::now();
            let trial = health.pass().await;
            assert_eq!(from.elapsed().as_secs(), wait);
            // One trial at a time.
            assert!(
                timeout(Duration::from_millis(1), health.pass())
                    .await
                    .is_err()
            );
            tokio::time::advance(Duration::ZERO).await;
            trial.settle(fault());
        }
        assert_eq!(health.times_aside(), 1);
        let trial = health.pass().await;
        let waiting = tokio::spawn({
            let health = health.clone();
            async move { health.pass().await.trial }
        });
        tokio::task::yield_now().await;
        trial.settle(Sign::Good);
        assert!(!waiting.await.unwrap(), "all may pass again");
        assert!(health.aside().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_that_was_not_used_goes_to_the_next() {
        let health = health();
        for _ in 0..5 {
            health.pass().await.settle(fault());
        }
        drop(health.pass().await);
        let again = timeout(Duration::from_millis(1), health.pass()).await;
        assert!(again.is_ok_and(|pass| pass.trial));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_on_its_way_before_does_not_bring_it_back() {
        let health = health();
        let early = health.pass().await;
        for _ in 0..5 {
            health.pass().await.settle(fault());
        }
        early.settle(Sign::Good);
        assert!(health.aside().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn twenty_of_a_hundred_set_it_aside_and_nineteen_do_not() {
        for (every, aside) in [(5, true), (6, false)] {
            let health = health();
            for n in 0..1_000 {
                if health.aside().is_some() {
                    break;
                }
                let sign = if n % every == 0 { fault() } else { Sign::Good };
                health.pass().await.settle(sign);
            }
            assert_eq!(health.aside().is_some(), aside, "every {every}");
        }
    }
}
