//! The private overlay of a batch: what its causes have read and changed so far. Nobody else sees it before the commit.

use crate::domain::address::{EmailAddress, MailboxId};
use crate::domain::best::segments_of;
use crate::domain::cause::Cause;
use crate::domain::engagement::HitClass;
use crate::domain::event::Event;
use crate::domain::hours::hour_shown;
use crate::domain::id::{CampaignId, CustomerNo, MessageNo};
use crate::domain::ledger::{LogRow, Status};
use crate::domain::policy::zone_of;
use crate::domain::posted::{Letter, Posted};
use crate::domain::quota::Quotas;
use crate::domain::react::{Answer, Reaction};
use crate::domain::record::{Mailbox, Record};
use crate::domain::time::{Span, Timestamp};
use crate::domain::wall::local;
use crate::engine::state::{CustomerState, EventRow, MailRow, Poison, Seen, SeenPage};
use crate::store::codec::{CodecError, Stored, encode};
use crate::store::{Append, Check, Key, Stream, keys};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::coupons::Coupons;
use super::once::as_one;
use super::person::Witness;
use super::{BatchError, Done, Recorded, Reply, Surroundings, Work};

#[derive(Default)]
pub(super) struct Overlay {
    pub(super) customers: HashMap<CustomerNo, Customer>,
    pub(super) mailboxes: HashMap<MailboxId, Box_>,
    /// Customers of other shards that an answer rests on.
    pub(super) witnesses: HashMap<CustomerNo, Witness>,
    pub(super) pages: HashMap<(CustomerNo, u32), Page>,
    /// Of these customers something that is stored cannot be read: their causes are refused.
    pub(super) unreadable: HashMap<CustomerNo, CodecError>,
    /// These were forgotten: nobody is made anew under their numbers.
    pub(super) gone: HashSet<CustomerNo>,
    pub(super) bad_boxes: HashMap<MailboxId, CodecError>,
    /// Of every campaign whose quota is a number.
    pub(super) quotas: Quotas,
    /// What a commit that rests on one of them checks.
    pub(super) quota_checks: BTreeMap<CampaignId, Vec<Check>>,
    /// Those that an answer rests on, and whether it changed them.
    pub(super) asked_quotas: BTreeMap<CampaignId, bool>,
    pub(super) coupons: Coupons,
    pub(super) appends: Vec<Append>,
    pub(super) puts: Vec<(Key, Vec<u8>)>,
    pub(super) deletes: Vec<Key>,
}

#[derive(Default)]
pub(super) struct Customer {
    pub(super) before: Option<Record>,
    pub(super) state: Option<CustomerState>,
    pub(super) changed: bool,
    /// Events of this batch, for a rebuild from history.
    pub(super) events: Vec<Event>,
    /// The customer's history before this batch, where it was read for all at once.
    pub(super) history: Option<Vec<Event>>,
}

pub(super) struct Box_ {
    pub(super) revision: Option<u64>,
    pub(super) mailbox: Mailbox,
    pub(super) changed: bool,
}

#[derive(Default)]
pub(super) struct Page {
    pub(super) page: SeenPage,
    pub(super) changed: bool,
}

impl Overlay {
    /// Takes one cause: the reaction becomes part of the overlay.
    pub(super) async fn take(
        &mut self,
        around: &Surroundings<'_>,
        work: &Work,
        done: &mut Done,
        record_causes: bool,
    ) -> Result<(), BatchError> {
        let no = work.customer;
        if let Some(error) = self.unreadable.get(&no).cloned() {
            return self.refuse(around, work, error, done).await;
        }
        let mut reply = Reply {
            answer: None,
            fresh: true,
            now: around.now,
            to: None,
        };
        let known = self.customers.entry(no).or_default();
        let is_new = known.state.is_none();
        if is_new {
            let Some(id) = work.id.as_ref().filter(|_| !self.gone.contains(&no)) else {
                self.destroy_letter(work);
                reply.answer = Some(Answer::Gone);
                reply.fresh = false;
                done.replies.push(Ok(reply));
                return Ok(());
            };
            known.state = Some(CustomerState {
                record: Record::new(no, id.clone(), around.now),
                seen: Seen::default(),
                posted: 0,
            });
            known.changed = true;
        }
        match self.learn_history(around, no).await {
            Err(BatchError::Codec(error)) => return self.refuse(around, work, error, done).await,
            other => other?,
        }
        if self.was_met(around, work).await? {
            reply.fresh = false;
            done.replies.push(Ok(reply));
            return Ok(());
        }
        // Whether it is known may not be told.
        if let Some(error) = self.unreadable.get(&no).cloned() {
            return self.refuse(around, work, error, done).await;
        }
        let opened = match self.open_letter(around, work).await {
            Err(BatchError::Codec(error)) => return self.refuse(around, work, error, done).await,
            other => other?,
        };
        let opened = opened.or_else(|| as_one(around.rules, work));
        let (sealed, work) = (work, opened.as_ref().unwrap_or(work));
        let person = self.person_of(around, work).await?;
        let reaction = match self.reaction(around, work, person.as_ref()).await {
            Err(BatchError::Codec(error)) => {
                if is_new {
                    self.customers.remove(&no);
                }
                return self.refuse(around, work, error, done).await;
            }
            other => other?,
        };
        // A mailbox that was not read cannot be written: its check would fail for ever.
        let unread = |r: &Reaction| r.boxes.keys().any(|id| !self.mailboxes.contains_key(id));
        let reaction = match reaction {
            Ok(reaction) if unread(&reaction) => {
                Err("it wrote a mailbox that it was not given".to_owned())
            }
            other => other,
        };
        // All that another customer had stands in it: it stays for another try, and whoever waits for it is told.
        if let (Err(panic), true) = (&reaction, is_absorb(sealed)) {
            let error = CodecError::Damaged {
                what: Letter::WHAT,
                why: panic.clone(),
            };
            return self.refuse(around, sealed, error, done).await;
        }
        self.destroy_letter(sealed);
        match reaction {
            // Nothing has happened: whoever offered it is to offer it to that one.
            Ok(Reaction {
                answer: moved @ Some(Answer::Moved(_)),
                ..
            }) => {
                reply.answer = moved;
                reply.fresh = false;
            }
            Ok(reaction) => {
                if record_causes {
                    done.recorded.push(Recorded {
                        customer: no,
                        id: work.id.clone(),
                        cause: work.cause.clone(),
                        now: around.now,
                        rules: Arc::clone(around.rules),
                        unfinished: around.unfinished,
                        person: person.map(Box::new),
                        quotas: self.quotas.clone(),
                        coupon: reaction.drawn.as_ref().map(|(_, code)| code.clone()),
                    });
                }
                reply.answer = reaction.answer.clone();
                if let Cause::Ready { message, .. } = &work.cause {
                    reply.to = judged_address(&reaction.record, *message);
                }
                self.absorb(around, work, reaction, done).await?;
                let own = sealed.cause.identity();
                if let Some(own) = own.filter(|own| Some(*own) != work.cause.identity()) {
                    self.meet(around, no, own).await?;
                }
            }
            Err(panic) => self.poison(around, sealed, panic).await?,
        }
        done.replies.push(Ok(reply));
        Ok(())
    }

    pub(super) async fn absorb(
        &mut self,
        around: &Surroundings<'_>,
        work: &Work,
        reaction: Reaction,
        done: &mut Done,
    ) -> Result<(), BatchError> {
        let no = work.customer;
        if let Some(answered) = answered_at(&work.cause, &reaction) {
            let zone = zone_of(&reaction.record, around.rules);
            let segments = segments_of(&reaction.record, around.rules, around.now);
            (done.counted).answer(hour_shown(local(answered, zone)), segments);
        }
        for (id, mailbox) in reaction.boxes {
            // Each was given; that was looked at before.
            if let Some(known) = self.mailboxes.get_mut(&id)
                && known.mailbox != mailbox
            {
                known.mailbox = mailbox;
                known.changed = true;
            }
        }
        for (id, taken) in reaction.quotas {
            if let Some(stood) = self.quotas.get_mut(&id) {
                *self.asked_quotas.entry(id).or_default() |= *stood != taken;
                *stood = taken;
            }
        }
        for row in &reaction.log {
            *done.decided.entry(row.status).or_default() += 1;
            if !self.is_to_staff(no, row.message) {
                done.counted.row(row);
            }
            self.appends.push(Append {
                stream: Stream::Log,
                customer: row.customer.0,
                time: row.time.millis(),
                payload: encode(row),
            });
        }
        for row in &reaction.consents {
            let (told, payload) = (row.told, encode(row));
            let key = keys::consent(no, told, self.puts.len(), &payload);
            self.puts.push((key, payload));
        }
        if reaction.wants_release {
            done.wants_release.insert(no);
        }
        for campaign in &reaction.existing {
            *done.existing.entry(campaign.clone()).or_default() += 1;
        }
        if let (Some(Answer::Attempting), Some(mail), Cause::Ready { message, .. }) =
            (&reaction.answer, &work.mail, &work.cause)
            // What was made for an address that is no longer the customer's is not what will leave.
            && judged_address(&reaction.record, *message).as_ref() == Some(&mail.to)
        {
            self.appends.push(Append {
                stream: Stream::Mails,
                customer: no.0,
                time: around.now.millis(),
                payload: encode(&MailRow {
                    message: *message,
                    bytes: mail.bytes.to_vec(),
                }),
            });
        }
        self.post(no, reaction.posts, done);
        self.note_coupons(around, reaction.drawn, reaction.given_back)
            .await?;
        if let Some(customer) = self.customers.get_mut(&no)
            && let Some(state) = customer.state.as_mut()
        {
            if matches!(work.cause, Cause::Alarm) {
                let mut same = reaction.record.clone();
                same.alarm = state.record.alarm;
                done.idle += u64::from(same == state.record);
            }
            customer.changed |= state.record != reaction.record;
            state.record = reaction.record;
            if let Cause::Event(event, liveness) = &work.cause {
                customer.changed = true;
                customer.events.push(event.clone());
                self.appends.push(Append {
                    stream: Stream::Events,
                    customer: no.0,
                    time: event.time.millis(),
                    payload: encode(&EventRow {
                        event: event.clone(),
                        liveness: *liveness,
                    }),
                });
            }
        }
        if let Some(identity) = work.cause.identity() {
            self.meet(around, no, identity).await?;
        }
        self.remember_letter(around, work).await
    }

    /// The bad cause is kept and listed; the customer's alarm is parked, and so is a message whose asking it was, so that
    /// it isn't met again every second. A message comes back with the next resume.
    pub(super) async fn poison(
        &mut self,
        around: &Surroundings<'_>,
        work: &Work,
        panic: String,
    ) -> Result<(), BatchError> {
        tracing::error!(
            customer = work.customer.0,
            panic,
            "a cause could not be reacted to; it is kept for the developers"
        );
        self.list(around, work, panic).await?;
        if let Some(customer) = self.customers.get_mut(&work.customer)
            && let Some(state) = customer.state.as_mut()
        {
            state.record.alarm = None;
            if let Cause::Ready { message, .. } | Cause::Claim { message, .. } = work.cause
                && let Some(message) = state.record.messages.get_mut(&message)
            {
                message.parked = true;
                message.released = false;
            }
            customer.changed = true;
        }
        Ok(())
    }
}

impl Overlay {
    /// Whether a message of the customer's, as they stood before the cause, goes to staff.
    fn is_to_staff(&self, no: CustomerNo, message: Option<MessageNo>) -> bool {
        let state = self.customers.get(&no).and_then(|c| c.state.as_ref());
        let found = message
            .zip(state)
            .and_then(|(m, s)| s.record.messages.get(&m));
        found.is_some_and(|m| m.staff.is_some())
    }

    /// Lists a cause that could not be reacted to.
    pub(super) async fn list(
        &mut self,
        around: &Surroundings<'_>,
        work: &Work,
        panic: String,
    ) -> Result<(), BatchError> {
        let row = Poison {
            at: around.now,
            cause: format!("{:?}", work.cause),
            panic,
        };
        // Several at one instant are kept side by side.
        let mut key = keys::poison(work.customer, around.now);
        let mut at = around.now;
        loop {
            let stored = around.store.get_many(vec![key.clone()]).await?;
            let free = stored.iter().all(Option::is_none);
            if free && !self.puts.iter().any(|(known, _)| *known == key) {
                break;
            }
            at = at + Span::millis(1);
            key = keys::poison(work.customer, at);
        }
        self.puts.push((key, encode(&row)));
        Ok(())
    }
}

/// The hour that the customer's clock showed when they answered, as people do, for the first time in that way.
fn answered_at(cause: &Cause, reaction: &Reaction) -> Option<Timestamp> {
    let answer = match cause {
        Cause::Engagement(answer) if answer.class == HitClass::HumanLikely => answer,
        _ => return None,
    };
    let first = |row: &LogRow| matches!(row.status, Status::Opened | Status::Clicked);
    (reaction.log.iter().any(first)).then_some(answer.first)
}

fn is_absorb(work: &Work) -> bool {
    matches!(&work.cause, Cause::Posted(letter) if matches!(letter.posted, Posted::Absorb(_)))
}

/// Whom the message goes to, by the reaction.
fn judged_address(record: &Record, message: MessageNo) -> Option<EmailAddress> {
    record.messages.get(&message)?.to.clone()
}
