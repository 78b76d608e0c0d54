//! Hits: pixels fetched and links followed, taken in fast, kept in batches, settled a minute later.
//!
//! Taking one in never waits: it goes into a bounded queue, and what finds it full is shed and counted, since a pixel
//! must answer whatever the store does. One task empties the queue, as many hits to a commit as wait. What was kept and
//! is not settled yet stands in memory ([`pending`]) and is read again from the stream at the start, behind the instant
//! up to which all hits were settled. Judging them is for the domain, telling customers' records for [`settle`].

mod pending;
mod settle;

use super::batch::BatchError;
use super::core::Core;
use super::forget::Forgotten;
use super::shard::Refused;
use super::state::Number;
use crate::domain::chance::Salt;
use crate::domain::engagement::{Hit, HitClass, HitKind, LinkPlace, SETTLING};
use crate::domain::id::{CustomerNo, MessageNo, MessageRef};
use crate::domain::ledger::Reason;
use crate::domain::time::Timestamp;
use crate::store::codec::{Stored, decode, encode};
use crate::store::{Append, Batch, Store, Stream, StreamFilter, keys};
use pending::Pending;
use ring::hmac;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{Mutex, mpsc, oneshot};

/// So many hits wait for the store at most.
const QUEUE: usize = 20_000;
/// At most so many make one commit.
const BATCH: usize = 5_000;
/// So many that are kept stand in memory at most, waiting to be settled.
const MOST_PENDING: usize = 1_500_000;
/// So many rows are read from the stream at once.
const PAGE: usize = 10_000;
/// Up to when all hits were settled.
const SETTLED: &str = "hits_settled";

/// A row of the stream of hits.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum HitRow {
    Hit {
        message: MessageNo,
        hit: Hit,
    },
    /// What a hit that stands before it was taken for, for good.
    Classed {
        message: MessageNo,
        kind: HitKind,
        link: Option<LinkPlace>,
        at: Timestamp,
        class: HitClass,
        reason: Reason,
    },
}

impl Stored for HitRow {
    const WHAT: &'static str = "row of hits";
    const VERSION: u8 = 1;
}

enum Item {
    Hit(MessageRef, Hit),
    /// Answered when all that was taken in before is kept, or lost.
    Flush(oneshot::Sender<()>),
}

/// The way to the hits.
pub struct Hits {
    queue: mpsc::Sender<Item>,
    pending: Arc<Pending>,
    shed: Arc<AtomicU64>,
    lost: Arc<AtomicU64>,
    forgotten: Arc<Forgotten>,
    key: hmac::Key,
    /// Held while hits are settled.
    settling: Mutex<()>,
}

impl Hits {
    /// Reads what is not settled yet, and starts to keep what comes.
    pub(super) async fn open(
        store: Arc<dyn Store>,
        salt: &Salt,
        forgotten: Arc<Forgotten>,
    ) -> Result<Hits, Refused> {
        let pending = Arc::new(Pending::default());
        let left_out = recall(&*store, &pending).await?;
        let (queue, waiting) = mpsc::channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let shed = Arc::new(AtomicU64::new(left_out as u64));
        tokio::spawn(keep(
            store,
            waiting,
            Arc::clone(&pending),
            Arc::clone(&lost),
            Arc::clone(&shed),
            Arc::clone(&forgotten),
        ));
        Ok(Hits {
            queue,
            pending,
            shed,
            lost,
            forgotten,
            key: hmac::Key::new(hmac::HMAC_SHA256, &[&salt[..], b"origin of a hit"].concat()),
            settling: Mutex::new(()),
        })
    }

    /// Takes a hit in; never waits. False: there are too many, and it was shed; or the customer was forgotten.
    pub fn offer(&self, message: MessageRef, hit: Hit) -> bool {
        if self.forgotten.has(message.customer) {
            return false;
        }
        let taken = self.pending.len() < MOST_PENDING
            && self.queue.try_send(Item::Hit(message, hit)).is_ok();
        if !taken {
            self.shed.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    /// What stands for a client's address: equal for equal ones.
    pub fn origin(&self, address: IpAddr) -> u64 {
        let tag = match address.to_canonical() {
            IpAddr::V4(a) => hmac::sign(&self.key, &a.octets()),
            IpAddr::V6(a) => hmac::sign(&self.key, &a.octets()),
        };
        let mut first = [0; 8];
        first.copy_from_slice(&tag.as_ref()[..8]);
        u64::from_be_bytes(first)
    }

    /// Hits that found no room, since the start.
    pub fn shed(&self) -> u64 {
        self.shed.load(Ordering::Relaxed)
    }

    /// Hits that the store did not take, since the start.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Returns when all that was taken in so far is kept, and what is being settled is.
    pub(super) async fn rest(&self) {
        drop(self.settling.lock().await);
        self.flush().await;
    }

    /// Returns when all that was taken in so far is kept.
    pub async fn flush(&self) {
        let (answer, answered) = oneshot::channel();
        if self.queue.send(Item::Flush(answer)).await.is_ok() {
            let _ = answered.await;
        }
    }
}

impl Core {
    /// Pixels fetched and links followed.
    pub fn hits(&self) -> &Hits {
        &self.hits
    }
}

async fn settled_upto(store: &dyn Store) -> Result<Option<Timestamp>, BatchError> {
    let found = store.get_many(vec![keys::house(SETTLED)]).await?;
    let value = found.into_iter().next().flatten();
    let number: Option<Number> = value.map(|v| decode(&v.value)).transpose()?;
    Ok(number.and_then(|n| i64::try_from(n.0).ok()).map(Timestamp))
}

/// Hits that were kept and not settled stand in memory again, with those just before them. Returns how many found no room.
async fn recall(store: &dyn Store, pending: &Pending) -> Result<usize, Refused> {
    let mut left_out = 0;
    let settled = settled_upto(store).await?;
    let mut filter = StreamFilter {
        from_time: settled.map_or(i64::MIN, |at| (at - SETTLING).millis()),
        limit: PAGE,
        ..StreamFilter::default()
    };
    loop {
        let rows =
            (store.read_stream(Stream::Hits, filter.clone()).await).map_err(BatchError::from)?;
        let last = rows.last().map(|row| row.position);
        let full = rows.len() == PAGE;
        let mut found = Vec::new();
        for row in rows {
            match decode(&row.payload) {
                Ok(HitRow::Hit { message, hit }) => {
                    let customer = CustomerNo(row.customer);
                    found.push((MessageRef { customer, message }, hit));
                }
                Ok(HitRow::Classed { .. }) => {}
                // A hit is not worth a start.
                Err(error) => tracing::warn!(%error, "a hit cannot be read and is passed by"),
            }
        }
        // What is kept and not settled may be more than stands in memory: after a long stop, or a crash under a flood.
        left_out += pending.leave_out(&mut found);
        let room = MOST_PENDING.saturating_sub(pending.len());
        left_out += found.len().saturating_sub(room);
        found.truncate(room);
        pending.add(found, settled);
        match last {
            Some(last) if full => filter.from_position = last + 1,
            _ => break,
        }
    }
    if left_out > 0 {
        tracing::warn!(
            hits = left_out,
            "more opens and clicks wait to be settled than are held in memory; these are never classed"
        );
    }
    Ok(left_out)
}

/// Keeps what comes, until the house is closed.
async fn keep(
    store: Arc<dyn Store>,
    mut queue: mpsc::Receiver<Item>,
    pending: Arc<Pending>,
    lost: Arc<AtomicU64>,
    shed: Arc<AtomicU64>,
    forgotten: Arc<Forgotten>,
) {
    let mut items = Vec::new();
    let mut failing = false;
    while queue.recv_many(&mut items, BATCH).await > 0 {
        let mut hits = Vec::new();
        let mut flushed = Vec::new();
        for item in items.drain(..) {
            match item {
                Item::Hit(message, hit) => hits.push((message, hit)),
                Item::Flush(answer) => flushed.push(answer),
            }
        }
        hits.retain(|(message, _)| !forgotten.has(message.customer));
        // Here and not where a hit is offered: a pixel's answer waits for no lock.
        shed.fetch_add(pending.leave_out(&mut hits) as u64, Ordering::Relaxed);
        if !hits.is_empty() {
            let appends = hits.iter().map(|(message, hit)| Append {
                stream: Stream::Hits,
                customer: message.customer.0,
                time: hit.at.millis(),
                payload: encode(&HitRow::Hit {
                    message: message.message,
                    hit: hit.clone(),
                }),
            });
            let batch = Batch {
                appends: appends.collect(),
                ..Batch::default()
            };
            match store.commit(batch).await {
                Ok(_) => {
                    failing = false;
                    pending.add(hits, None);
                }
                Err(error) => {
                    lost.fetch_add(hits.len() as u64, Ordering::Relaxed);
                    // Told once until it changes.
                    if !failing {
                        tracing::error!(%error, "opens and clicks cannot be kept; they are lost until the store goes on");
                    }
                    failing = true;
                }
            }
        }
        for answer in flushed {
            let _ = answer.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{HitRow, Pending, recall};
    use crate::domain::engagement::{Hit, HitKind, HitMethod, Network};
    use crate::domain::id::MessageNo;
    use crate::domain::time::Timestamp;
    use crate::store::codec::encode;
    use crate::store::memory::MemoryStore;
    use crate::store::{Append, Batch, Store, Stream};

    /// Hits of one message beyond what a message may have, as a store of before that bound holds them.
    #[tokio::test]
    async fn what_is_recalled_is_bounded_as_what_comes() {
        let store = MemoryStore::new();
        let append = |n: i64| Append {
            stream: Stream::Hits,
            customer: 1,
            time: n,
            payload: encode(&HitRow::Hit {
                message: MessageNo(1),
                hit: Hit {
                    kind: HitKind::Open,
                    link: None,
                    at: Timestamp(n),
                    method: HitMethod::Get,
                    agent: String::new(),
                    origin: None,
                    network: Network::Other,
                    ahead: false,
                },
            }),
        };
        let batch = Batch {
            appends: (0..700).map(append).collect(),
            ..Batch::default()
        };
        store.commit(batch).await.unwrap();
        let pending = Pending::default();
        assert_eq!(recall(&store, &pending).await, Ok(200));
        assert_eq!(pending.len(), 500);
    }
}
