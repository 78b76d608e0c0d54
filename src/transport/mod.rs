//! Getting a finished message out: over SMTP, or into a folder to look at. A transport writes nothing to the store and
//! decides nothing about customers; it says what became of each attempt ([`Outcome`]) and holds the pace.
//!
//! The caller's way, for each message:
//!
//! 1. [`Transport::permit`]: waits for the relay to be well, for a free connection that is open and ready, and for the
//!    pace. It may take long, and may be given up at any point.
//! 2. Ask `Ready`. Whatever could have made the message wait has been waited for, so an instant that was judged good
//!    is still good. If the answer is no, drop the permit: connection and turn go back.
//! 3. [`Permit::deliver`]: starts at once. *Dropping its future does not stop the delivery*: the conversation runs in a
//!    task of its own, since one that is cut off between command and reply leaves its message in doubt. Keep the
//!    future, or the outcome is lost.
//!
//! Whoever has no `Ready` to ask (a test mail) calls [`Transport::deliver`].

pub mod config;
mod folder;
mod health;
mod pace;
mod page;
mod reply;
mod session;
mod smtp;
mod tls;
mod verdict;
mod wire;

pub use crate::domain::outcome::{EnhancedCode, Outcome, RelayPart};
pub use health::Aside;

use crate::domain::address::EmailAddress;
use config::{AddressPattern, CarrierConfig, TransportConfig};
use folder::Folder;
use health::{Health, Pass, Sign};
use pace::Pace;
use session::Session;
use smtp::Smtp;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, sleep, timeout};

/// A finished message to one recipient.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The envelope's sender: where bounces go.
    pub from: EmailAddress,
    pub to: EmailAddress,
    /// With or without angle brackets, as in the message's own header.
    pub message_id: String,
    /// The message as RFC 5322 has it, lines ended by CRLF.
    pub bytes: Arc<[u8]>,
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TransportError {
    #[error("{}", .0.join("\n"))]
    Config(Vec<String>),
    #[error("transport \"{name}\": {why}")]
    SetUp { name: String, why: String },
}

/// One `[transport.NAME]` at work. Cheap to clone; clones share connections, pace and health.
#[derive(Clone)]
pub struct Transport {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    carrier: Carrier,
    connections: usize,
    only_to: Vec<AddressPattern>,
    start_within: Duration,
    slots: Arc<Semaphore>,
    pace: Pace,
    health: Arc<Health>,
    counters: Arc<Counters>,
}

/// The closed set of ways out.
enum Carrier {
    Smtp(Arc<Smtp>),
    Folder(Folder),
}

#[derive(Default)]
pub(crate) struct Counters {
    opened: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    try_later: AtomicU64,
    uncertain: AtomicU64,
    relay_faults: AtomicU64,
    not_started: AtomicU64,
    undeliverable: AtomicU64,
}

/// What metrics and alerts show of a transport. Counters run from the start of the process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    pub name: String,
    /// The most at once.
    pub connections: usize,
    /// Slots taken: messages under way and permits held.
    pub in_use: usize,
    /// Connections open and idle.
    pub idle: usize,
    /// Set aside, with the latest fault; the alert.
    pub aside: Option<Aside>,
    pub faults_in_a_row: u32,
    pub times_set_aside: u64,
    /// Connections opened or tried.
    pub opened: u64,
    pub accepted: u64,
    pub refused: u64,
    pub try_later: u64,
    pub uncertain: u64,
    /// Messages given back through the relay's fault, and connections that could not be made ready.
    pub relay_faults: u64,
    pub not_started: u64,
    pub undeliverable: u64,
}

impl Transport {
    /// Checks the configuration and reads what it refers to (certificates, the mail folder). Connects to nothing.
    pub fn new(config: TransportConfig) -> Result<Transport, TransportError> {
        let wrong = config.check();
        if !wrong.is_empty() {
            return Err(TransportError::Config(wrong));
        }
        let name = config.name;
        let counters = Arc::new(Counters::default());
        let slots = Arc::new(Semaphore::new(config.connections));
        let carrier = match config.carrier {
            CarrierConfig::Smtp(smtp) => {
                Smtp::new(*smtp, slots.clone(), counters.clone()).map(Carrier::Smtp)
            }
            CarrierConfig::Folder(folder) => Folder::open(folder).map(Carrier::Folder),
        }
        .map_err(|why| TransportError::SetUp {
            name: name.clone(),
            why,
        })?;
        Ok(Transport {
            shared: Arc::new(Shared {
                carrier,
                connections: config.connections,
                only_to: config.only_to,
                start_within: config.start_within,
                slots,
                pace: Pace::new(config.rate),
                health: Health::new(&name, config.back_off),
                counters,
                name,
            }),
        })
    }

    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// False: `only_to` keeps mail from this recipient (rehearsal); drop the message with that reason.
    pub fn may_send_to(&self, to: &EmailAddress) -> bool {
        self.shared.may_send_to(to)
    }

    /// Waits until a message could start at once. Safe to stop waiting for. Hold the permit for milliseconds only: it
    /// keeps a connection from everybody else.
    pub async fn permit(&self) -> Permit {
        let shared = &self.shared;
        loop {
            let pass = shared.health.pass().await;
            let slot = shared.slot().await;
            let mut held = Held::new(shared, slot);
            if let Carrier::Smtp(smtp) = &shared.carrier {
                match smtp.ready().await {
                    Ok(session) => held.session = Some(session),
                    Err(fault) => {
                        shared.counters.relay_faults.fetch_add(1, Relaxed);
                        pass.settle(sign(&fault));
                        drop(held);
                        sleep(shared.health.pause()).await;
                        continue;
                    }
                }
            }
            shared.pace.turn().await;
            held.paced = true;
            // While this one waited, others may have found the relay ill.
            if shared.health.aside().is_some() && !pass.is_trial() {
                continue;
            }
            return Permit { held, pass };
        }
    }

    /// Takes a message out without a permit of the caller's: for single mails such as a test. Gives it back if no
    /// connection comes free in the time in which it has to start; does not keep the pace. As with
    /// [`Permit::deliver`], dropping the future does not stop the delivery.
    pub async fn deliver(&self, outgoing: Outgoing) -> Outcome {
        let shared = &self.shared;
        let start_by = Instant::now() + shared.start_within;
        let not_started = |why: String| {
            let outcome = Outcome::NotStarted { why };
            shared.counters.count(&outcome);
            outcome
        };
        let Ok(pass) = shared.health.try_pass() else {
            let fault = shared.health.aside().map_or(String::new(), |a| a.fault);
            return not_started(format!(
                "the relay \"{}\" is set aside after faults; the latest: {fault}",
                shared.name
            ));
        };
        let Ok(slot) = timeout(shared.start_within, shared.slot()).await else {
            return not_started(format!(
                "no connection to the relay \"{}\" came free within {:?}",
                shared.name, shared.start_within
            ));
        };
        let permit = Permit {
            held: Held::new(shared, slot),
            pass,
        };
        permit.start(outgoing, start_by).await
    }

    pub fn status(&self) -> Status {
        let shared = &self.shared;
        let counters = &shared.counters;
        Status {
            name: shared.name.clone(),
            connections: shared.connections,
            in_use: shared
                .connections
                .saturating_sub(shared.slots.available_permits()),
            idle: match &shared.carrier {
                Carrier::Smtp(smtp) => smtp.idle_connections(),
                Carrier::Folder(_) => 0,
            },
            aside: shared.health.aside(),
            faults_in_a_row: shared.health.faults_in_a_row(),
            times_set_aside: shared.health.times_aside(),
            opened: counters.opened.load(Relaxed),
            accepted: counters.accepted.load(Relaxed),
            refused: counters.refused.load(Relaxed),
            try_later: counters.try_later.load(Relaxed),
            uncertain: counters.uncertain.load(Relaxed),
            relay_faults: counters.relay_faults.load(Relaxed),
            not_started: counters.not_started.load(Relaxed),
            undeliverable: counters.undeliverable.load(Relaxed),
        }
    }

    /// At the end: waits for the messages that are under way (each bounded by its deadlines; stop waiting if that is
    /// too long), closes the idle connections and finishes the folder's page. Nothing can be sent afterwards, and
    /// permits still held by the caller must be dropped first.
    pub async fn close(&self) {
        let shared = &self.shared;
        let all = u32::try_from(shared.connections).unwrap_or(u32::MAX);
        let everything = shared.slots.clone().acquire_many_owned(all).await;
        match &shared.carrier {
            Carrier::Smtp(smtp) => smtp.close().await,
            Carrier::Folder(folder) => folder.flush().await,
        }
        // For good: whoever asks for a slot now waits for ever.
        std::mem::forget(everything);
    }

    /// Brings what people look at up to date: the folder's index page. Nothing to do for SMTP.
    pub async fn flush(&self) {
        if let Carrier::Folder(folder) = &self.shared.carrier {
            folder.flush().await;
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Transport").field(&self.shared.name).finish()
    }
}

impl Shared {
    fn may_send_to(&self, to: &EmailAddress) -> bool {
        self.only_to.is_empty() || self.only_to.iter().any(|pattern| pattern.matches(to))
    }

    async fn slot(&self) -> OwnedSemaphorePermit {
        match self.slots.clone().acquire_owned().await {
            Ok(slot) => slot,
            // The semaphore is never closed.
            Err(_) => std::future::pending().await,
        }
    }
}

/// Leave to send one message now: a slot, for SMTP a connection that is ready, a turn of the pace.
#[must_use = "a permit that is dropped gives everything back; deliver with it"]
pub struct Permit {
    held: Held,
    pass: Pass,
}

/// What is given back when a permit goes.
struct Held {
    shared: Arc<Shared>,
    session: Option<Session>,
    paced: bool,
    /// Last, so that the connection is put back or closed before the slot is free.
    _slot: OwnedSemaphorePermit,
}

impl Held {
    fn new(shared: &Arc<Shared>, slot: OwnedSemaphorePermit) -> Held {
        Held {
            shared: shared.clone(),
            session: None,
            paced: false,
            _slot: slot,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.paced {
            self.shared.pace.give_back();
        }
        if let (Some(session), Carrier::Smtp(smtp)) = (self.session.take(), &self.shared.carrier) {
            smtp.keep(session);
        }
    }
}

impl Permit {
    /// Takes the message out and says what became of it. Never panics. The delivery goes on if this future is dropped;
    /// what became of it is then unknown, so do not.
    pub async fn deliver(self, outgoing: Outgoing) -> Outcome {
        let start_by = Instant::now() + self.held.shared.start_within;
        self.start(outgoing, start_by).await
    }

    async fn start(self, outgoing: Outgoing, start_by: Instant) -> Outcome {
        let (tell, told) = oneshot::channel();
        tokio::spawn(self.carry(outgoing, start_by, tell));
        told.await.unwrap_or_else(|_| Outcome::Uncertain {
            why: "the delivery ended without an answer: a defect of the transport, or the daemon is stopping"
                .into(),
        })
    }

    async fn carry(self, mail: Outgoing, start_by: Instant, tell: oneshot::Sender<Outcome>) {
        let Permit { mut held, pass } = self;
        let shared = held.shared.clone();
        if !shared.may_send_to(&mail.to) {
            let outcome = Outcome::Undeliverable {
                why: format!(
                    "only_to of transport \"{}\" keeps mail from this recipient",
                    shared.name
                ),
            };
            shared.counters.count(&outcome);
            // Nobody listening is the caller's choice.
            let _ = tell.send(outcome);
            return;
        }
        held.paced = false;
        let (outcome, left) = match &shared.carrier {
            Carrier::Smtp(smtp) => smtp.carry(held.session.take(), &mail, start_by).await,
            Carrier::Folder(folder) => (folder.put(&mail).await, None),
        };
        shared.counters.count(&outcome);
        if let Outcome::Uncertain { why } = &outcome {
            tracing::warn!(
                relay = %shared.name,
                message_id = %mail.message_id,
                why = %reply::without_addresses(why),
                "a message is in doubt"
            );
        }
        pass.settle(sign(&outcome));
        let _ = tell.send(outcome);
        if let (Carrier::Smtp(smtp), Some((session, rest))) = (&shared.carrier, left) {
            smtp.take_back(session, rest).await;
        }
        // Only now is the slot free.
        drop(held);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}

impl Counters {
    fn count(&self, outcome: &Outcome) {
        let counter = match outcome {
            Outcome::Accepted { .. } => &self.accepted,
            Outcome::Refused { .. } => &self.refused,
            Outcome::TryLater { .. } => &self.try_later,
            Outcome::Uncertain { .. } => &self.uncertain,
            Outcome::RelayFault { .. } => &self.relay_faults,
            Outcome::NotStarted { .. } => &self.not_started,
            Outcome::Undeliverable { .. } => &self.undeliverable,
        };
        counter.fetch_add(1, Relaxed);
    }
}

/// What an outcome says about the relay's health.
fn sign(outcome: &Outcome) -> Sign {
    match outcome {
        Outcome::Accepted { .. } | Outcome::Refused { .. } | Outcome::TryLater { .. } => Sign::Good,
        Outcome::RelayFault { what, reply, .. } => {
            let reply = reply.as_deref().map_or(String::new(), |r| format!(": {r}"));
            Sign::Fault(reply::without_addresses(&format!("{what}{reply}")))
        }
        Outcome::Uncertain { why } => Sign::Fault(reply::without_addresses(why)),
        Outcome::NotStarted { .. } | Outcome::Undeliverable { .. } => Sign::None,
    }
}
