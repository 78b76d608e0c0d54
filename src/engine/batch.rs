//! One batch of a shard: react to each cause in turn over a private overlay, commit once, then acknowledge.
//!
//! Nobody else sees the overlay. If the commit conflicts (another shard wrote a mailbox that this batch rests on),
//! overlay and reactions are thrown away and the causes redone on what stands now. A cause at which `react` panics is
//! stored, acknowledged and listed; that customer's alarm is parked, and nobody else is harmed.

use super::state::{CustomerState, EventRow, MailRow, Poison, Seen, SeenPage};
use crate::domain::address::MailboxId;
use crate::domain::cause::Cause;
use crate::domain::event::Event;
use crate::domain::id::{CampaignId, CustomerId, CustomerNo, MessageNo, MessageRef, ShardNo};
use crate::domain::react::{Answer, Boxes, Context, Reaction, mailboxes_for, react};
use crate::domain::record::{DueAt, Mailbox, Record};
use crate::domain::rules::Rules;
use crate::domain::time::{Span, Timestamp};
use crate::store::codec::{CodecError, decode, encode};
use crate::store::{Append, Batch, Check, Key, Store, StoreError, Stream, StreamFilter, keys};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What a shard is asked to do to one customer.
#[derive(Clone, Debug)]
pub struct Work {
    pub customer: CustomerNo,
    /// The shop's id, where the cause may be the first that is heard of this customer.
    pub id: Option<CustomerId>,
    pub cause: Cause,
    /// The finished message, stored with the commit that begins its first attempt.
    pub mail: Option<Arc<[u8]>>,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    pub answer: Option<Answer>,
    /// False for an event that was known already, and changed nothing.
    pub fresh: bool,
    /// The instant at which it was judged.
    pub now: Timestamp,
}

/// A cause with all that surrounded it, for replays.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub customer: CustomerNo,
    pub id: Option<CustomerId>,
    pub cause: Cause,
    pub now: Timestamp,
    pub rules: Arc<Rules>,
    pub unfinished: bool,
}

/// Why a batch could not be done.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BatchError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// What a batch rests on.
pub struct Surroundings<'a> {
    pub store: &'a dyn Store,
    pub shard: ShardNo,
    pub rules: &'a Arc<Rules>,
    pub now: Timestamp,
    pub unfinished: bool,
}

/// What a committed batch leads to.
#[derive(Debug, Default)]
pub struct Done {
    pub replies: Vec<Reply>,
    /// Customers with a message that waits to be released.
    pub wants_release: HashSet<CustomerNo>,
    /// Customers whose audience already held, by campaign, met by this walk.
    pub existing: BTreeMap<CampaignId, u64>,
    /// Zones in which a campaign's due index has its first customers of this batch.
    pub due_added: HashSet<(CampaignId, Option<chrono_tz::Tz>)>,
    /// Messages that stand newly, or earlier, in the outbox: the earliest instant.
    pub outbox: Option<Timestamp>,
    pub recorded: Vec<Recorded>,
    /// Alarms that rang and changed nothing but the alarm.
    pub idle: u64,
}

/// Reacts to `works` in turn and commits; `extra` (a cursor, a row of occurrences) is committed with them. It is given
/// what the batch led to, so that it may depend on it.
pub async fn process(
    around: &Surroundings<'_>,
    works: &[Work],
    extra: &(dyn Fn(&Done) -> Vec<(Key, Vec<u8>)> + Sync),
    record_causes: bool,
) -> Result<Done, BatchError> {
    loop {
        let mut overlay = Overlay::default();
        overlay.load(around, works).await?;
        let mut done = Done::default();
        for work in works {
            overlay.take(around, work, &mut done, record_causes).await?;
        }
        let mut batch = overlay.into_batch(around, &mut done);
        batch.puts.extend(extra(&done));
        if batch.puts.is_empty() && batch.deletes.is_empty() && batch.appends.is_empty() {
            return Ok(done);
        }
        match around.store.commit(batch).await {
            Ok(_) => return Ok(done),
            // Another shard wrote a mailbox meanwhile: redone on what stands now. Somebody else got through, so all
            // shards together always get on.
            Err(StoreError::Conflict { .. }) => {}
            Err(other) => return Err(other.into()),
        }
    }
}

#[derive(Default)]
struct Overlay {
    customers: HashMap<CustomerNo, Customer>,
    mailboxes: HashMap<MailboxId, Box_>,
    pages: HashMap<(CustomerNo, u32), Page>,
    appends: Vec<Append>,
    puts: Vec<(Key, Vec<u8>)>,
    deletes: Vec<Key>,
}

#[derive(Default)]
struct Customer {
    before: Option<Record>,
    state: Option<CustomerState>,
    changed: bool,
    /// Events of this batch, for a rebuild from history.
    events: Vec<Event>,
    /// The customer's history before this batch, where it was read for all at once.
    history: Option<Vec<Event>>,
}

struct Box_ {
    revision: Option<u64>,
    mailbox: Mailbox,
    changed: bool,
}

#[derive(Default)]
struct Page {
    page: SeenPage,
    changed: bool,
}

impl Overlay {
    /// Reads what the causes will need, in two rounds for the whole batch.
    async fn load(&mut self, around: &Surroundings<'_>, works: &[Work]) -> Result<(), BatchError> {
        let mut numbers: Vec<CustomerNo> = works.iter().map(|w| w.customer).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let found = around
            .store
            .get_many(numbers.iter().map(|no| keys::record(*no)).collect())
            .await?;
        for (no, value) in numbers.iter().zip(found) {
            let state: Option<CustomerState> = value.map(|v| decode(&v.value)).transpose()?;
            let customer = Customer {
                before: state.as_ref().map(|s| s.record.clone()),
                state,
                ..Customer::default()
            };
            self.customers.insert(*no, customer);
        }
        let mut boxes = HashSet::new();
        let mut pages = HashSet::new();
        for work in works {
            let Some(state) = self
                .customers
                .get(&work.customer)
                .and_then(|c| c.state.as_ref())
            else {
                continue;
            };
            boxes.extend(mailboxes_for(&state.record, &work.cause));
            if let Cause::Event(event, _) = &work.cause
                && let Some(page) = state.seen.page_of(event.identity)
            {
                pages.insert((work.customer, page));
            }
        }
        self.load_boxes(around, boxes).await?;
        self.load_pages(around, pages).await?;
        self.load_histories(around).await
    }

    /// Records built for another plan of tracks will be rebuilt: their histories are read in one go.
    async fn load_histories(&mut self, around: &Surroundings<'_>) -> Result<(), BatchError> {
        let plan = around.rules.plan.fingerprint();
        let outdated = |state: &CustomerState| {
            let record = &state.record;
            record.rules != 0 && record.rules != around.rules.version && record.plan != plan
        };
        let mut wanted: Vec<u64> = (self.customers.iter())
            .filter(|(_, c)| c.state.as_ref().is_some_and(outdated))
            .map(|(no, _)| no.0)
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        wanted.sort_unstable();
        for no in &wanted {
            if let Some(customer) = self.customers.get_mut(&CustomerNo(*no)) {
                customer.history = Some(Vec::new());
            }
        }
        let filter = StreamFilter {
            customers: Some(wanted),
            ..StreamFilter::default()
        };
        for row in around.store.read_stream(Stream::Events, filter).await? {
            let event = decode::<EventRow>(&row.payload)?.event;
            if let Some(customer) = self.customers.get_mut(&CustomerNo(row.customer))
                && let Some(history) = customer.history.as_mut()
            {
                history.push(event);
            }
        }
        Ok(())
    }

    async fn load_boxes(
        &mut self,
        around: &Surroundings<'_>,
        wanted: HashSet<MailboxId>,
    ) -> Result<(), BatchError> {
        let wanted: Vec<MailboxId> = wanted
            .into_iter()
            .filter(|id| !self.mailboxes.contains_key(id))
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let found = around
            .store
            .get_many(wanted.iter().map(keys::mailbox).collect())
            .await?;
        for (id, value) in wanted.into_iter().zip(found) {
            let revision = value.as_ref().map(|v| v.revision);
            let mailbox = value
                .map(|v| decode(&v.value))
                .transpose()?
                .unwrap_or_default();
            self.mailboxes.insert(
                id,
                Box_ {
                    revision,
                    mailbox,
                    changed: false,
                },
            );
        }
        Ok(())
    }

    async fn load_pages(
        &mut self,
        around: &Surroundings<'_>,
        wanted: HashSet<(CustomerNo, u32)>,
    ) -> Result<(), BatchError> {
        let wanted: Vec<_> = wanted
            .into_iter()
            .filter(|p| !self.pages.contains_key(p))
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let found = around
            .store
            .get_many(wanted.iter().map(|(no, p)| keys::seen(*no, *p)).collect())
            .await?;
        for (at, value) in wanted.into_iter().zip(found) {
            let page = value
                .map(|v| decode(&v.value))
                .transpose()?
                .unwrap_or_default();
            self.pages.insert(
                at,
                Page {
                    page,
                    changed: false,
                },
            );
        }
        Ok(())
    }

    /// Takes one cause: the reaction becomes part of the overlay.
    async fn take(
        &mut self,
        around: &Surroundings<'_>,
        work: &Work,
        done: &mut Done,
        record_causes: bool,
    ) -> Result<(), BatchError> {
        let no = work.customer;
        let mut reply = Reply {
            answer: None,
            fresh: true,
            now: around.now,
        };
        let known = self.customers.entry(no).or_default();
        if known.state.is_none() {
            let Some(id) = &work.id else {
                reply.answer = Some(Answer::Gone);
                reply.fresh = false;
                done.replies.push(reply);
                return Ok(());
            };
            known.state = Some(CustomerState {
                record: Record::new(no, id.clone(), around.now),
                seen: Seen::default(),
            });
            known.changed = true;
        }
        if let Cause::Event(event, _) = &work.cause
            && self.is_known(around, no, event.identity).await?
        {
            reply.fresh = false;
            done.replies.push(reply);
            return Ok(());
        }
        let reaction = self.reaction(around, work).await?;
        match reaction {
            Ok(reaction) => {
                if record_causes {
                    done.recorded.push(Recorded {
                        customer: no,
                        id: work.id.clone(),
                        cause: work.cause.clone(),
                        now: around.now,
                        rules: Arc::clone(around.rules),
                        unfinished: around.unfinished,
                    });
                }
                reply.answer = reaction.answer.clone();
                self.absorb(around, work, reaction, done).await?;
            }
            Err(panic) => self.poison(around, work, panic).await?,
        }
        done.replies.push(reply);
        Ok(())
    }

    /// Calls `react`, with the history if it asks for that. The inner error is a panic's text.
    async fn reaction(
        &mut self,
        around: &Surroundings<'_>,
        work: &Work,
    ) -> Result<Result<Reaction, String>, BatchError> {
        let no = work.customer;
        let mut history: Option<Vec<Event>> = None;
        loop {
            let Some(state) = self.customers.get(&no).and_then(|c| c.state.as_ref()) else {
                return Ok(Err("the record is missing".into()));
            };
            let wanted = mailboxes_for(&state.record, &work.cause);
            if wanted.iter().any(|id| !self.mailboxes.contains_key(id)) {
                self.load_boxes(around, wanted.into_iter().collect())
                    .await?;
                continue;
            }
            let boxes: Boxes = (wanted.into_iter())
                .filter_map(|id| self.mailboxes.get(&id).map(|b| (id, b.mailbox.clone())))
                .collect();
            let context = Context {
                now: around.now,
                rules: around.rules,
                history: history.as_deref(),
                unfinished: around.unfinished,
            };
            let reacted = catch_unwind(AssertUnwindSafe(|| {
                react(&state.record, &boxes, &work.cause, &context)
            }));
            match reacted {
                Ok(Ok(reaction)) => return Ok(Ok(reaction)),
                Ok(Err(_)) if history.is_some() => {
                    return Ok(Err("it asked for the history twice".into()));
                }
                Ok(Err(_)) => {
                    let customer = self.customers.get_mut(&no);
                    let known = customer.and_then(|c| c.history.take());
                    let mut events = match known {
                        Some(events) => events,
                        None => read_history(around.store, no).await?,
                    };
                    if let Some(customer) = self.customers.get(&no) {
                        events.extend(customer.events.iter().cloned());
                    }
                    history = Some(events);
                }
                Err(panic) => return Ok(Err(panic_text(&panic))),
            }
        }
    }

    async fn is_known(
        &mut self,
        around: &Surroundings<'_>,
        no: CustomerNo,
        identity: u64,
    ) -> Result<bool, BatchError> {
        let Some(state) = self.customers.get(&no).and_then(|c| c.state.as_ref()) else {
            return Ok(false);
        };
        if state.seen.recent.contains(&identity) {
            return Ok(true);
        }
        let Some(page) = state.seen.page_of(identity) else {
            return Ok(false);
        };
        self.load_pages(around, HashSet::from([(no, page)])).await?;
        Ok(self
            .pages
            .get(&(no, page))
            .is_some_and(|p| p.page.0.contains(&identity)))
    }

    async fn absorb(
        &mut self,
        around: &Surroundings<'_>,
        work: &Work,
        reaction: Reaction,
        done: &mut Done,
    ) -> Result<(), BatchError> {
        let no = work.customer;
        for (id, mailbox) in reaction.boxes {
            match self.mailboxes.get_mut(&id) {
                Some(known) if known.mailbox == mailbox => {}
                Some(known) => {
                    known.mailbox = mailbox;
                    known.changed = true;
                }
                // react makes boxes only among those it was asked to be given.
                None => {
                    self.mailboxes.insert(
                        id,
                        Box_ {
                            revision: None,
                            mailbox,
                            changed: true,
                        },
                    );
                }
            }
        }
        for row in &reaction.log {
            self.appends.push(Append {
                stream: Stream::Log,
                customer: no.0,
                time: row.time.millis(),
                payload: encode(row),
            });
        }
        if reaction.wants_release {
            done.wants_release.insert(no);
        }
        for campaign in &reaction.existing {
            *done.existing.entry(campaign.clone()).or_default() += 1;
        }
        if let (Some(Answer::Attempting), Some(mail), Cause::Ready { message, .. }) =
            (&reaction.answer, &work.mail, &work.cause)
        {
            self.appends.push(Append {
                stream: Stream::Mails,
                customer: no.0,
                time: around.now.millis(),
                payload: encode(&MailRow {
                    message: *message,
                    bytes: mail.to_vec(),
                }),
            });
        }
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
                state.seen.recent.push(event.identity);
                if state.seen.recent.len() > Seen::RECENT {
                    self.spill(around, no).await?;
                }
            }
        }
        Ok(())
    }

    /// Moves the identities that the record holds to the pages beside it; pages that have grown full are doubled.
    async fn spill(&mut self, around: &Surroundings<'_>, no: CustomerNo) -> Result<(), BatchError> {
        let Some(state) = self.customers.get_mut(&no).and_then(|c| c.state.as_mut()) else {
            return Ok(());
        };
        let moved = std::mem::take(&mut state.seen.recent);
        let (old, spilled) = (state.seen.pages, state.seen.spilled + moved.len() as u32);
        let mut pages = old.max(1);
        while spilled > pages * Seen::PAGE {
            pages *= 2;
        }
        state.seen.pages = pages;
        state.seen.spilled = spilled;
        let all: HashSet<_> = (0..old).map(|p| (no, p)).collect();
        self.load_pages(around, all).await?;
        let mut identities = moved;
        if pages != old {
            for page in 0..old {
                if let Some(p) = self.pages.get_mut(&(no, page)) {
                    identities.append(&mut p.page.0);
                    p.changed = true;
                }
            }
        }
        for identity in identities {
            let page = (identity % u64::from(pages)) as u32;
            let page = self.pages.entry((no, page)).or_default();
            page.page.0.push(identity);
            page.changed = true;
        }
        Ok(())
    }

    /// The bad cause is kept and listed; the customer's alarm is parked, and so is a message whose asking it was, so that
    /// it isn't met again every second. A message comes back with the next resume.
    async fn poison(
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
        if let Some(customer) = self.customers.get_mut(&work.customer)
            && let Some(state) = customer.state.as_mut()
        {
            state.record.alarm = None;
            if let Cause::Ready { message, .. } = work.cause
                && let Some(message) = state.record.messages.get_mut(&message)
            {
                message.parked = true;
                message.released = false;
            }
            customer.changed = true;
        }
        Ok(())
    }

    /// What is to be written: one function writes a record and all its index keys.
    fn into_batch(self, around: &Surroundings<'_>, done: &mut Done) -> Batch {
        let mut batch = Batch {
            epochs: vec![(around.shard.0, around.store.epoch())],
            puts: self.puts,
            deletes: self.deletes,
            appends: self.appends,
            ..Batch::default()
        };
        for (no, customer) in self.customers {
            let Some(state) = customer.state.filter(|_| customer.changed) else {
                continue;
            };
            write_index(
                no,
                customer.before.as_ref(),
                &state.record,
                &mut batch,
                done,
            );
            batch.puts.push((keys::record(no), encode(&state)));
        }
        for ((no, page), row) in self.pages {
            if row.changed {
                batch.puts.push((keys::seen(no, page), encode(&row.page)));
            }
        }
        for (id, row) in self.mailboxes {
            let key = keys::mailbox(&id);
            // What was only read is checked too, absence included: an answer may rest on it.
            batch.checks.push(Check {
                key: key.clone(),
                expected: row.revision,
            });
            if row.changed {
                batch.puts.push((key, encode(&row.mailbox)));
            }
        }
        batch
    }
}

/// Writes the difference between two records' index keys.
fn write_index(
    no: CustomerNo,
    before: Option<&Record>,
    after: &Record,
    batch: &mut Batch,
    done: &mut Done,
) {
    let old = before.map(|r| r.index()).unwrap_or_default();
    let new = after.index();
    if old.alarm != new.alarm {
        batch
            .deletes
            .extend(old.alarm.map(|at| keys::alarm(at, no)));
        batch
            .puts
            .extend(new.alarm.map(|at| (keys::alarm(at, no), Vec::new())));
    }
    let message = |m| MessageRef {
        customer: no,
        message: m,
    };
    for (campaign, at) in &old.due {
        if !new.due.contains(&(*campaign, *at)) {
            batch.deletes.push(keys::due(no, campaign, *at));
        }
    }
    for (campaign, at) in &new.due {
        if !old.due.contains(&(*campaign, *at)) {
            let DueAt { zone, .. } = *at;
            done.due_added.insert(((*campaign).clone(), zone));
            batch.puts.push((keys::due(no, campaign, *at), Vec::new()));
        }
    }
    for (at, m) in &old.outbox {
        if !new.outbox.contains(&(*at, *m)) {
            batch.deletes.push(keys::outbox(*at, message(*m)));
        }
    }
    for (at, m) in &new.outbox {
        if !old.outbox.contains(&(*at, *m)) {
            done.outbox = Some(done.outbox.map_or(*at, |t| t.min(*at)));
            batch
                .puts
                .push((keys::outbox(*at, message(*m)), Vec::new()));
        }
    }
    let moved =
        |old: &[MessageNo], new: &[MessageNo], key: fn(MessageRef) -> Key, batch: &mut Batch| {
            for m in old.iter().filter(|m| !new.contains(m)) {
                batch.deletes.push(key(message(*m)));
            }
            for m in new.iter().filter(|m| !old.contains(m)) {
                batch.puts.push((key(message(*m)), Vec::new()));
            }
        };
    moved(&old.attempting, &new.attempting, keys::attempting, batch);
    moved(&old.parked, &new.parked, keys::parked, batch);
}

/// A customer's events, in the order in which they were taken in.
pub async fn read_history(store: &dyn Store, no: CustomerNo) -> Result<Vec<Event>, BatchError> {
    let filter = StreamFilter {
        customers: Some(vec![no.0]),
        ..StreamFilter::default()
    };
    let rows = store.read_stream(Stream::Events, filter).await?;
    rows.iter()
        .map(|row| Ok(decode::<EventRow>(&row.payload)?.event))
        .collect()
}

fn panic_text(panic: &Box<dyn std::any::Any + Send>) -> String {
    (panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".into())
}
