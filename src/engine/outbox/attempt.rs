//! One message's next attempt: composed, its transport's turn waited for, asked, delivered, told.

use super::super::batch::{BatchError, Mail, Reply, Work};
use super::super::composer::{self, CannotCompose};
use super::super::copies::seeds::GoesOut;
use super::super::core::Core;
use super::super::shard::Refused;
use super::super::state::{CustomerState, MailRow};
use super::Known;
use crate::domain::address::EmailAddress;
use crate::domain::cause::Cause;
use crate::domain::chance;
use crate::domain::id::{CustomerNo, MessageNo, MessageRef};
use crate::domain::outcome::Outcome;
use crate::domain::policy::recipient;
use crate::domain::react::{Answer, goes_before, wants_code};
use crate::domain::record::Message;
use crate::domain::time::{Span, Timestamp};
use crate::store::codec::decode;
use crate::store::keys::{self, Queue};
use crate::store::{Stream, StreamFilter};
use crate::transport::Outgoing;
use std::sync::Arc;
use std::time::Duration;

/// A judgement older than this when it is durable is given back: with the time that a transport may take to start, it
/// makes up policy's lead of 5 s.
const COMMITTED_WITHIN: Span = Span::millis(2_500);

/// A message that waited longer than this for its transport is made anew: what it says is of now, its date too.
const FRESH: Span = Span::minutes(1);

/// Why a message could not be brought to an end now; it stands in the outbox still.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stuck {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Batch(#[from] BatchError),
}

/// A message as it was when it was composed.
struct Composed {
    revision: u64,
    queue: Queue,
    at: Timestamp,
    attempt: u32,
    to: Option<EmailAddress>,
    /// None where the campaign is no longer in force; `Ready` says why it can't go.
    bytes: Option<Arc<[u8]>>,
    /// The bytes are new, and are stored with the attempt.
    made_now: bool,
    /// What seed addresses get a copy of, if it is the first of its form.
    goes_out: Option<GoesOut>,
}

/// What composing came to.
enum Made {
    Ready(Box<Composed>),
    /// The message is gone, or goes by another transport.
    Gone,
    /// Another of the customer's messages goes first.
    Behind(MessageNo),
    /// It is to be given a coupon code before this attempt.
    WantsCoupon(u32),
    /// It was not composed; what is told of it.
    Failed(Outcome),
}

impl Core {
    /// Brings one message to its next state, if it goes by the transport of `lane`. Returns the message that `react` wants
    /// asked first, if it said so.
    pub(super) async fn bring(
        self: &Arc<Self>,
        customer: CustomerNo,
        no: MessageNo,
        lane: usize,
        known: Option<Arc<Known>>,
    ) -> Result<Option<MessageNo>, Stuck> {
        let mut made = self.composed(customer, no, lane, known).await?;
        if let Made::WantsCoupon(attempt) = made {
            let cause = Cause::Claim {
                message: no,
                attempt,
            };
            self.coupons.moved();
            match self.act(customer, cause).await?.answer {
                Some(Answer::Coupon) => made = self.composed(customer, no, lane, None).await?,
                Some(Answer::After(before)) => return Ok(Some(before)),
                _ => return Ok(None),
            }
        }
        let Made::Ready(composed) = &made else {
            return self.not_asked(customer, no, made).await;
        };
        let (revision, at) = (composed.revision, composed.at);
        // Whatever could make it wait is waited for here, so that the instant that is judged good is still good.
        let transport = &self.outbox.lanes[lane].transport;
        let permit = async {
            match composed.queue {
                Queue::Express => transport.next_permit().await,
                Queue::Ordinary => transport.permit().await,
            }
        };
        let mut stopping = self.outbox.stopping.subscribe();
        let permit = tokio::select! {
            permit = permit => permit,
            _ = stopping.wait_for(|stopping| *stopping) => return Ok(None),
        };
        if self.held().is_some() {
            return Ok(None);
        }
        self.heed_breakers().await?;
        let stands = self.revision_of(customer).await?;
        if stands != Some(revision) || self.clock.now().since(at) > FRESH {
            made = self.composed(customer, no, lane, None).await?;
        }
        let Made::Ready(composed) = made else {
            return self.not_asked(customer, no, made).await;
        };
        let Composed {
            attempt,
            to,
            bytes,
            made_now,
            goes_out,
            ..
        } = *composed;
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
                // The address changed in the instant between the last look and the asking: it is made anew.
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
                            chance::message_id(&self.catalogue().rules.salt, reference),
                            self.from.sender.from.address.domain()
                        ),
                        bytes,
                    };
                    permit.deliver(outgoing).await
                };
                let accepted = matches!(outcome, Outcome::Accepted { .. });
                self.tell_outcome(customer, no, attempt, outcome).await;
                if let Some(goes_out) = goes_out.filter(|_| accepted) {
                    self.went_out(goes_out).await;
                }
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

    /// What follows where there is nothing to ask for; the message that is to be asked first, if there is one.
    async fn not_asked(
        self: &Arc<Self>,
        customer: CustomerNo,
        message: MessageNo,
        made: Made,
    ) -> Result<Option<MessageNo>, Stuck> {
        let outcome = match made {
            // It is asked for again with what it wants at the next look.
            Made::Ready(_) | Made::Gone | Made::WantsCoupon(_) => return Ok(None),
            Made::Behind(other) => return Ok(Some(other)),
            Made::Failed(outcome) => outcome,
        };
        // A mail that could not be made may have been the last that its campaign was allowed: this one waits then.
        self.heed_breakers().await?;
        let cause = Cause::Outcome {
            message,
            attempt: 0,
            outcome,
        };
        self.act(customer, cause).await?;
        Ok(None)
    }

    /// A message as its customer stands now, or as it first left; if it goes by the transport of `lane`.
    async fn composed(
        &self,
        customer: CustomerNo,
        no: MessageNo,
        lane: usize,
        known: Option<Arc<Known>>,
    ) -> Result<Made, BatchError> {
        let known = match known {
            Some(known) => known,
            None => {
                let found = self.store.get_many(vec![keys::record(customer)]).await?;
                let Some(value) = found.into_iter().next().flatten() else {
                    return Ok(Made::Gone);
                };
                Arc::new(Known {
                    state: decode(&value.value)?,
                    revision: value.revision,
                })
            }
        };
        let state = &known.state;
        let Some(message) = state.record.messages.get(&no) else {
            return Ok(Made::Gone);
        };
        // One that was asked for first may go another way: it waits for room there, not in this lane.
        if self.lane_of(message) != Some(lane) {
            return Ok(Made::Gone);
        }
        // What `Ready` would say of another that goes first is found out before this one takes a turn of the relay's.
        if state.record.messages.len() > 1 {
            let boxes = self.boxes_of(&state.record).await?;
            let (rules, now) = (&self.catalogue().rules, self.clock.now());
            // Of one who moved `Ready` asks whom they were merged into; here it is only guessed by their own record.
            let first = goes_before(&state.record, &boxes, rules, now, message);
            if let Some(other) = first.and_then(|no| state.record.messages.get(&no))
                && other.released
            {
                return Ok(Made::Behind(other.no));
            }
        }
        let (rules, now) = (&self.catalogue().rules, self.clock.now());
        if wants_code(&state.record, message, rules, now) {
            let store = &*self.store;
            // Without a code this is found out while composing, before it is asked for: so here too.
            let lacks = composer::lacks_products(store, rules, &state.record, message, now);
            return Ok(match lacks.await? {
                Some(why) => Made::Failed(Outcome::TooFew { why }),
                None => Made::WantsCoupon(message.attempts + 1),
            });
        }
        let to = recipient(message, &state.record).cloned();
        let kept = self.sent_before(customer, message).await?;
        let at = self.clock.now();
        let (bytes, made_now) = match (&to, kept) {
            (_, Some(bytes)) => (Some(bytes), false),
            (None, None) => (None, false),
            (Some(to), None) => {
                let catalogue = self.catalogue();
                let store = &*self.store;
                let made = composer::finish(
                    store,
                    &catalogue,
                    &self.from,
                    &state.record,
                    message,
                    to,
                    at,
                );
                match made.await? {
                    Ok(finished) => (Some(Arc::from(finished.bytes)), true),
                    // `Ready` says why it can't go.
                    Err(CannotCompose::NotInForce) => (None, true),
                    Err(CannotCompose::Because(why)) => {
                        return Ok(Made::Failed(Outcome::Undeliverable { why }));
                    }
                    Err(CannotCompose::TooFew(why)) => {
                        return Ok(Made::Failed(Outcome::TooFew { why }));
                    }
                }
            }
        };
        Ok(Made::Ready(Box::new(Composed {
            attempt: message.attempts + 1,
            queue: Queue::of(message.class),
            revision: known.revision,
            at,
            to,
            bytes,
            made_now,
            goes_out: self.goes_out(&self.catalogue(), &state.record, message),
        })))
    }

    async fn revision_of(&self, customer: CustomerNo) -> Result<Option<u64>, BatchError> {
        let found = self.store.get_many(vec![keys::record(customer)]).await?;
        Ok(found.into_iter().next().flatten().map(|v| v.revision))
    }

    /// Tells what became of an attempt until it is durable, or the daemon stops (then it is in doubt).
    async fn tell_outcome(
        &self,
        customer: CustomerNo,
        message: MessageNo,
        attempt: u32,
        outcome: Outcome,
    ) {
        let mut wait = Duration::from_millis(50);
        let mut told = false;
        loop {
            let cause = Cause::Outcome {
                message,
                attempt,
                outcome: outcome.clone(),
            };
            match self.act(customer, cause).await {
                Ok(_) | Err(Refused::Stopping) => return,
                // Another try would end the same. The message is in doubt at the next start.
                Err(error @ Refused::Unreadable(_)) => {
                    tracing::error!(customer = customer.0, %error, "what became of a message could not be written");
                    return;
                }
                Err(error) => {
                    if !told && self.outbox.is_new_trouble() {
                        tracing::error!(%error, "what became of a message could not be written; trying again");
                    }
                    told = true;
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(Duration::from_secs(10));
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
