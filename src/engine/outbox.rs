//! The outbox: asks for each message that stands in it, and hands those that may go to their transport.
//!
//! It writes nothing itself. It composes first, waits until the transport could start at once, then asks `Ready`; the
//! finished bytes are stored with the commit that begins the first attempt, and every later attempt sends those bytes.
//! What became of an attempt is a cause again. What was under way when the daemon stopped is told at the next start as
//! in doubt.

use super::batch::{BatchError, Mail, Reply, Work};
use super::composer::{self, CannotCompose};
use super::core::Core;
use super::shard::Refused;
use super::state::{CustomerState, MailRow};
use crate::domain::cause::Cause;
use crate::domain::chance;
use crate::domain::id::{CustomerNo, MessageNo, MessageRef, ShardNo};
use crate::domain::outcome::Outcome;
use crate::domain::policy::recipient;
use crate::domain::react::Answer;
use crate::domain::record::{Message, MessageState, Record};
use crate::domain::time::Span;
use crate::store::codec::decode;
use crate::store::{Direction, Stream, StreamFilter, keys};
use crate::transport::{Outgoing, Transport};
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, Semaphore};

/// So many keys of one shard's outbox are looked at in one go.
const CHUNK: usize = 200;
/// So many messages are composed or asked for at once, per transport.
const IN_HAND: usize = 64;

/// A judgement older than this when it is durable is given back: with the time that a transport may take to start, it
/// makes up policy's lead of 5 s.
const COMMITTED_WITHIN: Span = Span::millis(2_500);

/// Messages in hand, so that none is asked for twice at once.
pub struct Outbox {
    transports: BTreeMap<String, Transport>,
    in_hand: Mutex<HashSet<MessageRef>>,
    room: Arc<Semaphore>,
    idle: Notify,
}

/// Why a message could not be brought to an end now; it stands in the outbox still.
#[derive(Debug, thiserror::Error)]
enum Stuck {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Batch(#[from] BatchError),
}

impl Outbox {
    pub fn new(transports: BTreeMap<String, Transport>) -> Outbox {
        Outbox {
            room: Arc::new(Semaphore::new(IN_HAND * transports.len().max(1))),
            transports,
            in_hand: Mutex::new(HashSet::new()),
            idle: Notify::new(),
        }
    }

    pub fn transports(&self) -> impl Iterator<Item = &Transport> {
        self.transports.values()
    }

    fn hand(&self) -> std::sync::MutexGuard<'_, HashSet<MessageRef>> {
        // A set of numbers is whole whatever panicked beside it.
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many messages are in hand.
    pub fn in_hand(&self) -> usize {
        self.hand().len()
    }

    /// Waits until nothing is in hand.
    pub async fn wait_idle(&self) {
        loop {
            let notified = self.idle.notified();
            if self.in_hand() == 0 {
                return;
            }
            notified.await;
        }
    }

    /// Messages that were under way when the store was last closed or lost: each is in doubt.
    pub async fn settle_doubts(core: &Arc<Core>) -> Result<u64, Refused> {
        let mut doubts = 0;
        for shard in ShardNo::all() {
            let found = core
                .store
                .scan(keys::attempting_all(shard), Direction::Forward, usize::MAX)
                .await
                .map_err(BatchError::from)?;
            for message in found
                .iter()
                .filter_map(|(key, _)| keys::read_attempting(key))
            {
                let Some(state) = core.customer(message.customer).await? else {
                    continue;
                };
                if let Some(m) = state.record.messages.get(&message.message)
                    && let MessageState::Attempting(attempt) = m.state
                {
                    let why = "the daemon stopped while this attempt was under way".to_owned();
                    let outcome = Outcome::Uncertain { why };
                    let cause = Cause::Outcome {
                        message: message.message,
                        attempt,
                        outcome,
                    };
                    core.act(message.customer, cause).await?;
                    doubts += 1;
                }
            }
        }
        Ok(doubts)
    }

    /// Takes in hand what the outbox holds for now; returns how many that were. Waits while too many are in hand.
    pub async fn pump(core: &Arc<Core>) -> Result<usize, Refused> {
        let mut taken = 0;
        for shard in ShardNo::all() {
            let mut range = keys::outbox_until(shard, core.clock.now());
            loop {
                if core.held().is_some() {
                    return Ok(taken);
                }
                let found = core
                    .store
                    .scan(range.clone(), Direction::Forward, CHUNK)
                    .await
                    .map_err(BatchError::from)?;
                let Some((last, _)) = found.last() else {
                    break;
                };
                range = range.after(last.clone());
                for (key, _) in &found {
                    if let Some((_, message)) = keys::read_outbox(key) {
                        taken += usize::from(Outbox::take_in_hand(core, message).await);
                    }
                }
                if found.len() < CHUNK {
                    break;
                }
            }
        }
        Ok(taken)
    }

    async fn take_in_hand(core: &Arc<Core>, message: MessageRef) -> bool {
        let outbox = &core.outbox;
        if !outbox.hand().insert(message) {
            return false;
        }
        let held = Held {
            core: Arc::clone(core),
            message,
        };
        let Ok(room) = Arc::clone(&outbox.room).acquire_owned().await else {
            return false;
        };
        tokio::spawn(async move {
            let core = &held.core;
            // A message given up by policy in favour of another of this customer: that one goes first.
            let mut next = Some(message.message);
            while let Some(no) = next {
                match core.bring(message.customer, no).await {
                    Ok(before) => next = before.filter(|b| *b != no),
                    Err(error) => {
                        tracing::warn!(customer = message.customer.0, %error, "a message stays in the outbox");
                        break;
                    }
                }
            }
            drop(room);
        });
        true
    }
}

/// A message in hand; it is out of it however its task ends, a panic included.
struct Held {
    core: Arc<Core>,
    message: MessageRef,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut hand = self.core.outbox.hand();
        hand.remove(&self.message);
        if hand.is_empty() {
            self.core.outbox.idle.notify_waiters();
        }
    }
}

impl Core {
    /// Brings one message to its next state. Returns the message that `react` wants asked first, if it said so.
    async fn bring(
        self: &Arc<Self>,
        customer: CustomerNo,
        no: MessageNo,
    ) -> Result<Option<MessageNo>, Stuck> {
        let Some(state) = self.customer(customer).await? else {
            return Ok(None);
        };
        let record = &state.record;
        let Some(message) = record.messages.get(&no) else {
            return Ok(None);
        };
        let attempt = message.attempts + 1;
        let catalogue = self.catalogue();
        let Some(transport) = self.transport_of(record, message) else {
            // Nothing to send it with: policy's answer is asked for all the same, and it waits.
            tracing::error!(campaign = %message.campaign, "no transport for this campaign's messages");
            return Ok(None);
        };
        let to = recipient(message, record).cloned();
        let kept = self.sent_before(customer, message).await?;
        let made_now = kept.is_none();
        let bytes = match (&to, kept) {
            (_, Some(bytes)) => Some(bytes),
            (None, None) => None,
            (Some(to), None) => {
                let made = composer::finish(
                    &*self.store,
                    &catalogue,
                    &self.from,
                    record,
                    message,
                    to,
                    self.clock.now(),
                );
                match made.await? {
                    Ok(finished) => Some(Arc::from(finished.bytes)),
                    // `Ready` says why it can't go.
                    Err(CannotCompose::NotInForce) => None,
                    Err(CannotCompose::Because(why)) => {
                        let outcome = Outcome::Undeliverable { why };
                        let cause = Cause::Outcome {
                            message: no,
                            attempt: 0,
                            outcome,
                        };
                        self.act(customer, cause).await?;
                        return Ok(None);
                    }
                }
            }
        };
        // Whatever could make it wait is waited for here, so that the instant that is judged good is still good.
        let permit = transport.permit().await;
        if self.held().is_some() {
            return Ok(None);
        }
        let mail = match (&bytes, &to) {
            (Some(bytes), Some(to)) if made_now => Some(Mail {
                to: to.clone(),
                bytes: compressed(bytes),
            }),
            _ => None,
        };
        let work = Work {
            customer,
            id: None,
            cause: Cause::Ready {
                message: no,
                attempt,
            },
            mail,
        };
        let reply: Reply = self.shard(customer).act(work).await?;
        match (reply.answer, bytes, to) {
            (Some(Answer::Attempting), Some(bytes), Some(to)) => {
                let late = self.clock.now().since(reply.now) > COMMITTED_WITHIN;
                // The customer's address changed while the message waited for its transport: it is made anew.
                let moved = reply.to.as_ref() != Some(&to);
                let reference = MessageRef {
                    customer,
                    message: no,
                };
                let outcome = if moved {
                    Outcome::NotStarted {
                        why: "the address has changed since the message was made".into(),
                    }
                } else if late {
                    Outcome::NotStarted {
                        why: "judged too long ago to start".into(),
                    }
                } else {
                    let outgoing = Outgoing {
                        from: self.from.sender.from.address.clone(),
                        to,
                        message_id: format!(
                            "{}@{}",
                            chance::message_id(&catalogue.rules.salt, reference),
                            self.from.sender.from.address.domain()
                        ),
                        bytes,
                    };
                    permit.deliver(outgoing).await
                };
                self.tell_outcome(customer, no, attempt, outcome).await;
                Ok(None)
            }
            (Some(Answer::Attempting), ..) => {
                let outcome = Outcome::NotStarted {
                    why: "there is nothing to send".into(),
                };
                self.tell_outcome(customer, no, attempt, outcome).await;
                Ok(None)
            }
            (Some(Answer::After(before)), ..) => Ok(Some(before)),
            _ => Ok(None),
        }
    }

    /// Tells what became of an attempt until it is durable, or the daemon stops (then it is in doubt).
    async fn tell_outcome(
        &self,
        customer: CustomerNo,
        message: MessageNo,
        attempt: u32,
        outcome: Outcome,
    ) {
        let mut wait = std::time::Duration::from_millis(50);
        loop {
            let cause = Cause::Outcome {
                message,
                attempt,
                outcome: outcome.clone(),
            };
            match self.act(customer, cause).await {
                Ok(_) | Err(Refused::Stopping) => return,
                Err(error) => {
                    tracing::error!(%error, "an outcome could not be written; trying again");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(std::time::Duration::from_secs(10));
                }
            }
        }
    }

    /// The bytes of the message's first attempt, if there was one.
    async fn sent_before(
        &self,
        customer: CustomerNo,
        message: &Message,
    ) -> Result<Option<Arc<[u8]>>, BatchError> {
        if message.attempts == 0 {
            return Ok(None);
        }
        let filter = StreamFilter {
            customers: Some(vec![customer.0]),
            ..StreamFilter::default()
        };
        for row in self
            .store
            .read_stream(Stream::Mails, filter)
            .await?
            .iter()
            .rev()
        {
            let mail: MailRow = decode(&row.payload)?;
            if mail.message == message.no {
                let bytes = zstd::decode_all(mail.bytes.as_slice());
                return Ok(bytes.ok().map(Arc::from));
            }
        }
        Ok(None)
    }

    fn transport_of(&self, record: &Record, message: &Message) -> Option<&Transport> {
        let _ = record;
        let catalogue = self.catalogue();
        let named = (catalogue.rules.campaigns.get(&message.campaign))
            .and_then(|c| c.steps.iter().find(|s| s.id == message.step))
            .and_then(|s| s.transport.clone())
            .or_else(|| self.default_transport.clone());
        match named {
            Some(name) => self.outbox.transports.get(&name),
            None => self.outbox.transports.values().next(),
        }
    }

    /// One customer, as stored.
    pub async fn customer(&self, no: CustomerNo) -> Result<Option<CustomerState>, BatchError> {
        let found = self.store.get_many(vec![keys::record(no)]).await?;
        let value = found.into_iter().next().flatten();
        Ok(value.map(|v| decode(&v.value)).transpose()?)
    }
}

thread_local! {
    /// Making a compressor costs more than compressing a mail, so each thread keeps one.
    static COMPRESSOR: std::cell::RefCell<Option<zstd::bulk::Compressor<'static>>> = const { std::cell::RefCell::new(None) };
}

fn compressed(bytes: &[u8]) -> Arc<[u8]> {
    COMPRESSOR.with_borrow_mut(|kept| {
        let made = match kept.take() {
            Some(compressor) => Ok(compressor),
            None => zstd::bulk::Compressor::new(3),
        };
        // Compressing from memory into memory fails only if memory does.
        let mut compressor = made.expect("a compressor in memory");
        let packed = compressor.compress(bytes).expect("compressing in memory");
        *kept = Some(compressor);
        Arc::from(packed)
    })
}
