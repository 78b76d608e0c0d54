//! The connections to one relay: a few, kept and owned. A message takes an idle one or opens a new one; whoever holds
//! one of the transport's slots may have one connection open, so there are never more than slots. A connection that is
//! not at rest after its message is closed.

use super::Outgoing;
use super::config::SmtpConfig;
use super::session::{Attempt, Rest, Session};
use super::status::Counters;
use super::tls::{TlsSetup, set_up};
use crate::domain::outcome::{Outcome, RelayPart};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout_at};

/// A connection opened no longer ago than this was alive when its message began.
const FRESH: Duration = Duration::from_secs(1);

pub(crate) struct Smtp {
    config: SmtpConfig,
    tls: Option<TlsSetup>,
    idle: Mutex<Idle>,
    /// One for each connection that may be open; idle connections hold none, but whoever opens or closes one does.
    slots: Arc<Semaphore>,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Idle {
    /// Used last, taken first; so the first one has been idle longest.
    sessions: Vec<Session>,
    /// A task is there that closes them in time.
    has_closer: bool,
}

impl Smtp {
    pub fn new(
        config: SmtpConfig,
        slots: Arc<Semaphore>,
        counters: Arc<Counters>,
    ) -> Result<Arc<Smtp>, String> {
        let tls = set_up(&config)?;
        Ok(Arc::new(Smtp {
            config,
            tls,
            idle: Mutex::default(),
            slots,
            counters,
        }))
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn idle_connections(&self) -> usize {
        self.idle().sessions.len()
    }

    /// A connection that is ready for a message: an idle one that still lives, or a new one. The caller holds a slot.
    pub async fn ready(&self) -> Result<Session, Outcome> {
        loop {
            let Some(mut session) = self.idle().sessions.pop() else {
                return self.open().await;
            };
            let idle_since = session.rested.elapsed();
            if idle_since >= self.config.idle_for || !session.is_quiet() {
                continue;
            }
            if idle_since < self.config.probe_after {
                return Ok(session);
            }
            if session.probe().await {
                session.rested = Instant::now();
                return Ok(session);
            }
        }
    }

    async fn open(&self) -> Result<Session, Outcome> {
        self.counters.opened.fetch_add(1, Relaxed);
        Session::open(&self.config, self.tls.as_ref()).await
    }

    /// [`Smtp::ready`] or a relay fault, before `start_by`.
    async fn ready_by(&self, start_by: Instant, anew: bool) -> Result<Session, Outcome> {
        let opening = async {
            if anew {
                self.open().await
            } else {
                self.ready().await
            }
        };
        match timeout_at(start_by, opening).await {
            Ok(opened) => opened,
            Err(_) => Err(Outcome::RelayFault {
                part: RelayPart::Connect,
                what: "no connection to the relay was ready in the time in which the message had to start"
                    .into(),
                reply: None,
            }),
        }
    }

    /// Takes one message out. What comes back with the outcome is the connection, if it can be of further use, and how
    /// it stands. A kept connection that turns out to be dead is replaced once.
    pub async fn carry(
        &self,
        held: Option<Session>,
        mail: &Outgoing,
        start_by: Instant,
    ) -> (Outcome, Option<(Session, Rest)>) {
        let held = match held {
            Some(session) => Ok(session),
            None => self.ready_by(start_by, false).await,
        };
        let mut session = match held {
            Ok(session) => session,
            Err(fault) => return (fault, None),
        };
        let kept = session.kept || session.rested.elapsed() > FRESH;
        let mut attempt: Attempt = session.deliver(mail).await;
        if kept && attempt.stale && Instant::now() < start_by {
            // Gone before another is opened in its place.
            drop(session);
            session = match self.ready_by(start_by, true).await {
                Ok(session) => session,
                Err(fault) => return (fault, None),
            };
            attempt = session.deliver(mail).await;
        }
        match attempt.rest {
            Rest::Broken => (attempt.outcome, None),
            rest => (attempt.outcome, Some((session, rest))),
        }
    }

    /// Takes a connection back after its message. Still under the caller's slot.
    pub async fn take_back(self: &Arc<Self>, mut session: Session, rest: Rest) {
        let good = match rest {
            Rest::Ready => true,
            Rest::NeedsReset => session.reset().await,
            Rest::Broken => false,
        };
        if good {
            session.rested = Instant::now();
            self.keep(session);
        }
    }

    /// Puts a connection at rest among the idle ones.
    pub fn keep(self: &Arc<Self>, mut session: Session) {
        session.kept = true;
        let mut idle = self.idle();
        idle.sessions.push(session);
        if !idle.has_closer {
            idle.has_closer = true;
            tokio::spawn(close_in_time(Arc::downgrade(self)));
        }
    }

    /// Closes all idle connections, politely.
    pub async fn close(&self) {
        let sessions = std::mem::take(&mut self.idle().sessions);
        futures_util::future::join_all(sessions.into_iter().map(Session::quit)).await;
    }

    /// Takes a connection out that has been idle too long, with a slot for it; or says when to look again, if any are
    /// left.
    fn overdue(&self) -> Overdue {
        let mut idle = self.idle();
        let Some(oldest) = idle.sessions.iter().map(|s| s.rested).min() else {
            idle.has_closer = false;
            return Overdue::NoneLeft;
        };
        let due = oldest + self.config.idle_for;
        let now = Instant::now();
        if due > now {
            return Overdue::LookAgain(due);
        }
        // All slots taken: their holders are about to take the idle connections, or will give a slot back soon.
        let Ok(slot) = self.slots.clone().try_acquire_owned() else {
            return Overdue::LookAgain(now + Duration::from_millis(100));
        };
        match idle.sessions.iter().position(|s| s.rested == oldest) {
            Some(at) => Overdue::Close(Box::new(idle.sessions.swap_remove(at)), slot),
            None => Overdue::LookAgain(now),
        }
    }
}

enum Overdue {
    Close(Box<Session>, OwnedSemaphorePermit),
    LookAgain(Instant),
    NoneLeft,
}

/// Runs while there are idle connections; holds no transport alive.
async fn close_in_time(smtp: Weak<Smtp>) {
    loop {
        let Some(alive) = smtp.upgrade() else {
            return;
        };
        let overdue = alive.overdue();
        drop(alive);
        match overdue {
            Overdue::Close(session, slot) => {
                // Apart, so that a server that is slow to say good-bye keeps no other connection open.
                tokio::spawn(async move {
                    session.quit().await;
                    drop(slot);
                });
            }
            Overdue::LookAgain(at) => sleep_until(at).await,
            Overdue::NoneLeft => return,
        }
    }
}
