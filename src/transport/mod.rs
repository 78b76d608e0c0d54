//! Getting a finished message out: over SMTP, or into a folder to look at. A transport writes nothing to the store and
//! decides nothing about customers; it says what became of each attempt ([`Outcome`]) and holds the pace.
//!
//! The caller's way, for each message:
//!
//! 1. [`Transport::permit`]: waits for the relay to be well, for a free connection that is open and ready, and for the
//!    pace. It may take long, and may be given up at any point. What must not wait behind others asks for
//!    [`Transport::next_permit`].
//! 2. Ask `Ready`. Whatever could have made the message wait has been waited for, so an instant that was judged good
//!    is still good. If the answer is no, drop the permit: connection and turn go back.
//! 3. [`Permit::deliver`]: starts at once. *Dropping its future does not stop the delivery*: the conversation runs in a
//!    task of its own, since one that is cut off between command and reply leaves its message in doubt. Keep the
//!    future, or the outcome is lost.
//!
//! Whoever has no `Ready` to ask (a test mail) calls [`Transport::deliver`].

pub mod config;
mod eml;
mod folder;
mod health;
pub mod leaving;
mod login;
mod pace;
mod page;
mod permit;
mod precedence;
mod reply;
mod session;
mod smtp;
mod status;
mod tls;
mod transparency;
mod verdict;
mod wire;

pub use crate::domain::outcome::{EnhancedCode, Outcome, RelayPart};
pub use health::Aside;
pub use permit::Permit;
pub use status::Status;

use crate::domain::address::EmailAddress;
use config::{AddressPattern, CarrierConfig, TransportConfig};
use folder::Folder;
use health::{Health, Pass};
use pace::Pace;
use permit::Held;
use precedence::Precedence;
use smtp::Smtp;
use status::{Counters, sign};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
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
    precedence: Precedence,
    health: Arc<Health>,
    counters: Arc<Counters>,
}

/// The closed set of ways out.
enum Carrier {
    Smtp(Arc<Smtp>),
    Folder(Folder),
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
                precedence: Precedence::default(),
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
        let first = &self.shared.precedence;
        loop {
            first.nobody().await;
            let pass = self.shared.health.pass().await;
            let slot = tokio::select! {
                slot = self.shared.slot() => slot,
                () = first.somebody() => continue,
            };
            // Whoever goes first takes this connection; it stood behind this message in the line.
            if first.is_there() {
                continue;
            }
            let Some((held, pass)) = self.ready(slot, pass).await else {
                sleep(self.shared.health.pause()).await;
                continue;
            };
            let permit = tokio::select! {
                biased;
                () = first.somebody() => None,
                () = self.shared.pace.turn() => self.paced(held, pass),
            };
            if let Some(permit) = permit {
                return permit;
            }
        }
    }

    /// A permit before all who wait for one by [`Transport::permit`], whatever they have waited for so far. Others yield
    /// a connection to it, and a turn of the pace; while it opens the connection that it has, or waits after a fault of
    /// the relay, they go on with what is left.
    pub async fn next_permit(&self) -> Permit {
        let precedence = &self.shared.precedence;
        loop {
            let pass = self.shared.health.pass().await;
            let first = precedence.take();
            let slot = self.shared.slot().await;
            drop(first);
            let Some((held, pass)) = self.ready(slot, pass).await else {
                sleep(self.shared.health.pause()).await;
                continue;
            };
            let _first = precedence.take();
            self.shared.pace.next_turn().await;
            if let Some(permit) = self.paced(held, pass) {
                return permit;
            }
        }
    }

    /// What a message needs beside its turn: for SMTP a connection. `None` where there is none to be had just now: the
    /// caller waits a while, holding nothing.
    async fn ready(&self, slot: OwnedSemaphorePermit, pass: Pass) -> Option<(Held, Pass)> {
        let shared = &self.shared;
        let mut held = Held::new(shared, slot);
        if let Carrier::Smtp(smtp) = &shared.carrier {
            match smtp.ready().await {
                Ok(session) => held.session = Some(session),
                Err(fault) => {
                    shared.counters.relay_faults.fetch_add(1, Relaxed);
                    pass.settle(sign(&fault));
                    return None;
                }
            }
        }
        Some((held, pass))
    }

    /// With a turn of the pace. `None` where others have found the relay ill meanwhile.
    fn paced(&self, mut held: Held, pass: Pass) -> Option<Permit> {
        let shared = &self.shared;
        held.paced = true;
        let ill = shared.health.aside().is_some() && !pass.is_trial();
        (!ill).then_some(Permit { held, pass })
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

#[cfg(test)]
mod tests {
    use super::{EmailAddress, Outcome, Outgoing, Transport, TransportConfig, TransportError};
    use crate::transport::config::CarrierConfig;
    use std::time::Duration;

    fn mail(n: usize) -> Outgoing {
        Outgoing {
            from: EmailAddress::parse("hello@shop.example").unwrap(),
            to: EmailAddress::parse("mina@shop.example").unwrap(),
            message_id: format!("<{n}@shop.example>"),
            bytes: format!("Subject: Mail {n}\r\n\r\nHello\r\n")
                .into_bytes()
                .into(),
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_folder_is_a_transport_like_another() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = TransportConfig::folder("mails", dir.path());
        if let CarrierConfig::Folder(folder) = &mut config.carrier {
            folder.page_every = Duration::ZERO;
        }
        config.connections = 2;
        let transport = Transport::new(config).unwrap();
        let sends = (0..10).map(|n| {
            let transport = transport.clone();
            tokio::spawn(async move { transport.permit().await.deliver(mail(n)).await })
        });
        for outcome in futures_util::future::join_all(sends).await {
            assert!(matches!(outcome.unwrap(), Outcome::Accepted { .. }));
        }
        // The page follows by itself.
        let index = dir.path().join("index.html");
        let follows = async {
            while std::fs::read_to_string(&index)
                .unwrap()
                .matches(".eml\"")
                .count()
                < 10
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), follows)
            .await
            .expect("the page shows all mails");
        transport.close().await;
        assert_eq!(transport.status().accepted, 10);
    }

    #[tokio::test]
    async fn a_configuration_that_cannot_work_is_refused_whole() {
        let mut config = TransportConfig::smtp("main", "", 0);
        config.connections = 0;
        let Err(TransportError::Config(wrong)) = Transport::new(config) else {
            panic!("it was taken");
        };
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        let mut config = TransportConfig::smtp("main", "mail.shop.example", 587);
        if let CarrierConfig::Smtp(smtp) = &mut config.carrier {
            smtp.ca_file = Some("/nowhere/ca.pem".into());
        }
        let error = Transport::new(config).unwrap_err().to_string();
        assert!(
            error.contains("ca_file /nowhere/ca.pem: cannot be read"),
            "{error}"
        );
    }
}
