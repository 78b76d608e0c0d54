//! The permit: everything that a message could have to wait for, waited for; and the delivery that uses it up. The
//! delivery runs in a task of its own, so that no caller can cut a conversation off between command and reply.

use super::health::Pass;
use super::reply::without_addresses;
use super::session::Session;
use super::status::sign;
use super::{Carrier, Outcome, Outgoing, Shared};
use std::fmt;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

/// Leave to send one message now: a slot, for SMTP a connection that is ready, a turn of the pace.
#[must_use = "a permit that is dropped gives everything back; deliver with it"]
pub struct Permit {
    pub(super) held: Held,
    pub(super) pass: Pass,
}

/// What is given back when a permit goes.
pub(super) struct Held {
    shared: Arc<Shared>,
    /// A connection that is ready.
    pub session: Option<Session>,
    /// A turn of the pace was taken and not yet used.
    pub paced: bool,
    /// Last, so that the connection is put back or closed before the slot is free.
    _slot: OwnedSemaphorePermit,
}

impl Held {
    pub fn new(shared: &Arc<Shared>, slot: OwnedSemaphorePermit) -> Held {
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

    pub(super) async fn start(self, outgoing: Outgoing, start_by: Instant) -> Outcome {
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
                why = %without_addresses(why),
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
