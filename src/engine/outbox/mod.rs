//! The outbox: asks for each message that stands in it, and hands those that may go to their transport.
//!
//! It writes nothing itself. It composes first, waits until the transport could start at once, then asks `Ready`; the
//! finished bytes are stored with the commit that begins the first attempt, and every later attempt sends those bytes.
//! What became of an attempt is a cause again. What was under way when the daemon stopped is told at the next start as
//! in doubt.
//!
//! Each transport has a lane of its own, so that a relay that is slow or set aside keeps nobody else's mail. In each lane
//! transactional messages have a queue and room of their own, and go before all others that wait for the transport: a
//! receipt is written to somebody who waits for it.

mod alert;
mod attempt;
mod pump;

use super::batch::BatchError;
use super::core::Core;
use super::shard::Refused;
use super::state::CustomerState;
use crate::domain::cause::Cause;
use crate::domain::id::{MessageRef, ShardNo};
use crate::domain::outcome::Outcome;
use crate::domain::record::MessageState;
use crate::store::Direction;
use crate::store::keys::{self, Queue};
use crate::transport::Transport;
use pump::Passed;
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, Semaphore, watch};

/// So many messages are composed or asked for at once for each connection of a transport, and for a transport at most.
const IN_HAND: usize = 8;
const IN_HAND_MOST: usize = 64;

/// Messages in hand, so that none is asked for twice at once.
pub struct Outbox {
    lanes: Vec<Lane>,
    in_hand: Mutex<HashSet<MessageRef>>,
    idle: Notify,
    stopping: watch::Sender<bool>,
    passed: [Mutex<Passed>; 2],
    /// What goes wrong is told once, until something goes well again.
    stuck: AtomicBool,
    /// When owners who could not be told are to be told again.
    alert: Mutex<alert::Again>,
}

/// A customer as read, and the revision at which the record stood then.
struct Known {
    state: CustomerState,
    revision: u64,
}

/// A transport, and how many more messages of each queue may be in hand for it.
struct Lane {
    transport: Transport,
    rooms: [Arc<Semaphore>; 2],
}

impl Lane {
    fn room(&self, queue: Queue) -> &Arc<Semaphore> {
        &self.rooms[queue as usize]
    }
}

impl Outbox {
    pub fn new(transports: BTreeMap<String, Transport>) -> Outbox {
        let lane = |transport: Transport| {
            let room = (transport.status().connections * IN_HAND).min(IN_HAND_MOST);
            Lane {
                rooms: Queue::ALL.map(|_| Arc::new(Semaphore::new(room))),
                transport,
            }
        };
        Outbox {
            lanes: transports.into_values().map(lane).collect(),
            in_hand: Mutex::new(HashSet::new()),
            idle: Notify::new(),
            stopping: watch::Sender::new(false),
            passed: Default::default(),
            stuck: AtomicBool::new(false),
            alert: Default::default(),
        }
    }

    pub fn transports(&self) -> impl Iterator<Item = &Transport> {
        self.lanes.iter().map(|lane| &lane.transport)
    }

    fn hand(&self) -> MutexGuard<'_, HashSet<MessageRef>> {
        // A set of numbers is whole whatever panicked beside it.
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn alert_again(&self) -> MutexGuard<'_, alert::Again> {
        // Lost is at most when somebody is told again.
        self.alert.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Takes nothing more in hand, and lets go of what waits for its transport; deliveries under way go on.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Waits until nothing more is taken in hand.
    pub async fn stopped(&self) {
        // The sender stands beside it: it is never gone.
        let _ = self
            .stopping
            .subscribe()
            .wait_for(|stopping| *stopping)
            .await;
    }

    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
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
                let state = match core.customer(message.customer).await {
                    Ok(Some(state)) => state,
                    Ok(None) => continue,
                    // One customer whose record cannot be read keeps nobody from starting.
                    Err(BatchError::Codec(error)) => {
                        tracing::error!(customer = message.customer.0, %error, "a message in doubt stays as it is");
                        continue;
                    }
                    Err(error) => return Err(error.into()),
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
                    match core.act(message.customer, cause).await {
                        Ok(_) => doubts += 1,
                        // Their mailbox, or their history: the same.
                        Err(Refused::Unreadable(error)) => {
                            tracing::error!(customer = message.customer.0, %error, "a message in doubt stays as it is");
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        Ok(doubts)
    }

    /// Whether this trouble is the first since something went well.
    fn is_new_trouble(&self) -> bool {
        !self.stuck.swap(true, Ordering::Relaxed)
    }

    fn went_well(&self) {
        self.stuck.store(false, Ordering::Relaxed);
    }
}
