//! One batch of a shard: react to each cause in turn over a private overlay, commit once, then acknowledge.
//!
//! Nobody else sees the overlay. If the commit conflicts (another shard wrote a mailbox that this batch rests on),
//! overlay and reactions are thrown away and the causes redone on what stands now. A cause at which `react` panics is
//! stored, acknowledged and listed; that customer's alarm is parked, and nobody else is harmed. What is stored of a
//! customer and cannot be read refuses that customer's causes, is listed once, and is left as it is.

mod commit;
mod coupons;
mod letters;
mod loading;
mod once;
mod overlay;
mod person;
mod reacting;
mod seen;
mod unreadable;
mod walked;

pub use walked::walked;

use super::state::EventRow;
use crate::domain::address::EmailAddress;
use crate::domain::cause::{Cause, Liveness, Operator};
use crate::domain::event::Event;
use crate::domain::id::{CampaignId, CustomerId, CustomerNo, ShardNo};
use crate::domain::once::Sieve;
use crate::domain::quota::Quotas;
use crate::domain::react::Answer;
use crate::domain::record::Record;
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;
use crate::engine::forget::Forgotten;
use crate::engine::hourly::Counted;
use crate::engine::tally::Decided;
use crate::store::codec::{CodecError, decode};
use crate::store::{Key, Store, StoreError, Stream, StreamFilter};
use overlay::Overlay;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// What a shard is asked to do to one customer.
#[derive(Clone, Debug)]
pub struct Work {
    pub customer: CustomerNo,
    /// The shop's id, where the cause may be the first that is heard of this customer.
    pub id: Option<CustomerId>,
    pub cause: Cause,
    /// The finished message, stored with the commit that begins its first attempt.
    pub mail: Option<Mail>,
}

/// A finished message, compressed, and whom it was made for.
#[derive(Clone, Debug)]
pub struct Mail {
    pub to: EmailAddress,
    pub bytes: Arc<[u8]>,
}

impl Work {
    /// What must be written even when the disk is full, from what is kept in reserve: what became of a message, and
    /// whatever keeps one from leaving.
    pub fn is_urgent(&self) -> bool {
        use Cause::{Consent, Outcome, Suppress};
        matches!(
            self.cause,
            Outcome { .. }
                | Consent(_, Liveness::Live)
                | Suppress { .. }
                | Cause::Operator(Operator::Settle { .. })
        )
    }
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    pub answer: Option<Answer>,
    /// False for what was known already, and changed nothing.
    pub fresh: bool,
    /// The instant at which it was judged.
    pub now: Timestamp,
    /// Of an attempt that begins: the address that policy judged, which may be another than the message was made for.
    pub to: Option<EmailAddress>,
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
    /// Whom the customer was merged into, where that was asked for.
    pub person: Option<Box<Record>>,
    /// What had been taken of quotas.
    pub quotas: Quotas,
    /// The coupon code that was offered.
    pub coupon: Option<String>,
}

/// Why a batch could not be done.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BatchError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The id is that of a customer who was forgotten.
    #[error("this customer was forgotten, and nothing more is taken in of them")]
    Forgotten,
}

/// What a batch rests on.
pub struct Surroundings<'a> {
    pub store: &'a dyn Store,
    pub shard: ShardNo,
    pub rules: &'a Arc<Rules>,
    pub forgotten: &'a Forgotten,
    /// No message gets a lower number: those below may have been given before a restore.
    pub first_message: u32,
    pub now: Timestamp,
    pub unfinished: bool,
    /// Nothing in it may wait for room on the disk.
    pub urgent: bool,
}

/// What a committed batch leads to.
#[derive(Debug, Default)]
pub struct Done {
    /// One for each cause; an error where what is stored of its customer cannot be read. The others are done.
    pub replies: Vec<Result<Reply, CodecError>>,
    /// Customers with a message that waits to be released.
    pub wants_release: HashSet<CustomerNo>,
    /// By campaign that is not live yet, how many were found to stand in its audience.
    pub existing: BTreeMap<CampaignId, u64>,
    /// Zones in which a campaign's due index has its first customers of this batch.
    pub due_added: HashSet<(CampaignId, Option<chrono_tz::Tz>)>,
    pub recorded: Vec<Recorded>,
    /// Who was posted a letter.
    pub posted: BTreeSet<CustomerNo>,
    /// Alarms that rang and changed nothing but the alarm.
    pub idle: u64,
    /// Rows of the send log, by status.
    pub decided: Decided,
    /// What is counted by the hour.
    pub counted: Counted,
}

/// What else is committed with a batch, given what the batch led to.
pub type Extra<'a> = &'a (dyn Fn(&Done) -> Vec<(Key, Vec<u8>)> + Sync);

/// Reacts to `works` in turn and commits; `extra` (a cursor, a row of occurrences) is committed with them. It is given
/// what the batch led to, so that it may depend on it.
pub async fn process(
    around: &Surroundings<'_>,
    works: &[Work],
    extra: Extra<'_>,
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

/// A customer's events, in the order in which they were taken in; then those of each who was merged into this customer.
/// Of those that are one by the rules that the sieve is of, the first: whenever the rules were made.
pub async fn read_history(
    store: &dyn Store,
    record: &Record,
    mut sieve: Sieve<'_>,
) -> Result<Vec<Event>, BatchError> {
    let numbers: Vec<CustomerNo> = record.numbers().collect();
    let rows = read_events(store, &numbers).await?;
    let events = rows.into_iter().map(|(_, row)| row.event);
    Ok(events.filter(|event| sieve.lets_through(event)).collect())
}

/// All events that stand under these numbers, number by number.
async fn read_events(
    store: &dyn Store,
    numbers: &[CustomerNo],
) -> Result<Vec<(CustomerNo, EventRow)>, BatchError> {
    let mut sorted: Vec<u64> = numbers.iter().map(|no| no.0).collect();
    sorted.sort_unstable();
    sorted.dedup();
    let filter = StreamFilter {
        customers: Some(sorted),
        ..StreamFilter::default()
    };
    let rows = store.read_stream(Stream::Events, filter).await?;
    let mut events = Vec::with_capacity(rows.len());
    for row in &rows {
        events.push((CustomerNo(row.customer), decode::<EventRow>(&row.payload)?));
    }
    let place = |no: &CustomerNo| numbers.iter().position(|n| n == no);
    if numbers.len() > 1 {
        events.sort_by_key(|(no, _)| place(no));
    }
    Ok(events)
}
