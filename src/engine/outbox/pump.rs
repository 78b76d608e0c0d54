//! Which messages are taken in hand, and when: those that stand in the outbox for now, as far as the lanes of their
//! transports have room.

use super::super::batch::BatchError;
use super::super::core::Core;
use super::super::shard::Refused;
use super::{Known, Outbox};
use crate::domain::id::{CampaignId, CustomerNo, MessageRef, ShardNo};
use crate::domain::record::Message;
use crate::store::codec::decode;
use crate::store::keys::{self, Queue};
use crate::store::{Direction, Key};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// So many keys of one shard's outbox are looked at in one go.
const CHUNK: usize = 200;

/// A lane without room for so long is passed by until the next look.
const PATIENCE: Duration = Duration::from_millis(250);

/// What one look leaves for the next: the messages that it passed by, and their lanes, so that their customers need not
/// be read again only to be passed by again.
#[derive(Default)]
pub(super) struct Passed {
    rules: u64,
    lanes: HashMap<MessageRef, usize>,
    /// Where it ended for want of room: the next one begins there, so that nobody waits for ever behind the others.
    ended: Option<(ShardNo, Key)>,
    /// Campaigns without a transport, told once.
    untransported: HashSet<CampaignId>,
}

/// One look at a queue of the outbox.
struct Look<'a> {
    core: &'a Arc<Core>,
    queue: Queue,
    /// Lanes that had no room for as long as we are patient.
    full: BTreeSet<usize>,
    before: Passed,
    passed: Passed,
    taken: usize,
}

impl Outbox {
    /// Takes in hand what the outbox holds for now; returns how many that were. Waits for room as long as messages go;
    /// what a transport without room has waiting stays where it is, and the others' goes.
    pub async fn pump(core: &Arc<Core>) -> Result<usize, Refused> {
        let express = Outbox::pump_queue(core, Queue::Express).await?;
        Ok(express + Outbox::pump_queue(core, Queue::Ordinary).await?)
    }

    /// The same for one queue. The daemon empties each by itself, so that none waits while the other is looked through.
    pub async fn pump_queue(core: &Arc<Core>, queue: Queue) -> Result<usize, Refused> {
        let passed = || {
            let passed = &core.outbox.passed[queue as usize];
            passed.lock().unwrap_or_else(PoisonError::into_inner)
        };
        let rules = core.catalogue().rules.version;
        let kept = std::mem::take(&mut *passed());
        let before = Some(kept).filter(|before| before.rules == rules);
        let mut look = Look {
            core,
            queue,
            full: BTreeSet::new(),
            before: before.unwrap_or_default(),
            passed: Passed {
                rules,
                ..Passed::default()
            },
            taken: 0,
        };
        look.passed.untransported = std::mem::take(&mut look.before.untransported);
        let looked = look.through().await;
        let Look {
            passed: left,
            taken,
            ..
        } = look;
        *passed() = left;
        let told = match queue {
            Queue::Express => Outbox::tell_owner(core),
            Queue::Ordinary => 0,
        };
        looked.map(|()| taken + told)
    }
}

impl Look<'_> {
    async fn through(&mut self) -> Result<(), Refused> {
        let ended = self.before.ended.take();
        let first = ended.as_ref().map_or(0, |(shard, _)| usize::from(shard.0));
        let all: Vec<ShardNo> = ShardNo::all().collect();
        // The one where it begins comes last once more, for what stands before that place.
        let order = all[first..].iter().chain(&all[..=first]);
        for (nth, shard) in order.enumerate() {
            let mut range = keys::outbox_until(*shard, self.queue, self.core.clock.now());
            if let Some((_, from)) = ended.as_ref().filter(|_| nth == 0) {
                range.from.clone_from(from);
            }
            loop {
                let outbox = &self.core.outbox;
                if self.core.held().is_some() || outbox.is_stopping() {
                    return Ok(());
                }
                // Nobody has room: what stands further on is looked at next time.
                if self.full.len() == outbox.lanes.len() {
                    self.passed.ended = Some((*shard, range.from));
                    return Ok(());
                }
                let found = self
                    .core
                    .store
                    .scan(range.clone(), Direction::Forward, CHUNK)
                    .await
                    .map_err(BatchError::from)?;
                let Some((last, _)) = found.last() else {
                    break;
                };
                range = range.after(last.clone());
                let messages = found
                    .iter()
                    .filter_map(|(key, _)| keys::read_outbox(key))
                    .map(|(_, message)| message);
                self.take(messages.collect()).await?;
                if found.len() < CHUNK {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn take(&mut self, messages: Vec<MessageRef>) -> Result<(), Refused> {
        let mut wanted = Vec::with_capacity(messages.len());
        {
            let hand = self.core.outbox.hand();
            for message in messages {
                if hand.contains(&message) {
                    continue;
                }
                match self.before.lanes.get(&message) {
                    Some(lane) if self.has_no_room(*lane) => {
                        self.passed.lanes.insert(message, *lane);
                    }
                    _ => wanted.push(message),
                }
            }
        }
        let states = self.core.states_of(&wanted).await?;
        for message in wanted {
            let Some(known) = states.get(&message.customer) else {
                continue;
            };
            let Some(found) = known.state.record.messages.get(&message.message) else {
                continue;
            };
            let Some(lane) = self.core.lane_of(found) else {
                if self.passed.untransported.insert(found.campaign.clone()) {
                    tracing::error!(campaign = %found.campaign, "there is no transport for this campaign's messages; they wait");
                }
                continue;
            };
            match self.room(lane).await {
                Some(room) => {
                    let known = Arc::clone(known);
                    self.taken += usize::from(take_in_hand(self.core, message, known, lane, room));
                }
                None => _ = self.passed.lanes.insert(message, lane),
            }
        }
        Ok(())
    }

    fn has_no_room(&self, lane: usize) -> bool {
        let room = self.core.outbox.lanes[lane].room(self.queue);
        self.full.contains(&lane) && room.available_permits() == 0
    }

    /// Room in a lane. Waits a little where messages go; not where the relay is set aside.
    async fn room(&mut self, lane: usize) -> Option<OwnedSemaphorePermit> {
        let of = &self.core.outbox.lanes[lane];
        let room = of.room(self.queue);
        if let Ok(room) = Arc::clone(room).try_acquire_owned() {
            return Some(room);
        }
        if !self.full.contains(&lane) && of.transport.status().aside.is_none() {
            let freed = tokio::time::timeout(PATIENCE, Arc::clone(room).acquire_owned());
            // The semaphore is never closed.
            if let Ok(Ok(room)) = freed.await {
                return Some(room);
            }
        }
        self.full.insert(lane);
        None
    }
}

fn take_in_hand(
    core: &Arc<Core>,
    message: MessageRef,
    known: Arc<Known>,
    lane: usize,
    room: OwnedSemaphorePermit,
) -> bool {
    if !core.outbox.hand().insert(message) {
        return false;
    }
    let held = Held::of(core, message);
    tokio::spawn(async move {
        let core = &held.core;
        // A message given up by policy in favour of another of this customer: that one goes first.
        let mut next = Some(message.message);
        let mut known = Some(known);
        let mut first = None;
        while let Some(no) = next {
            match core.bring(message.customer, no, lane, known.take()).await {
                Ok(before) => {
                    core.outbox.went_well();
                    next = before.filter(|b| *b != no);
                    if let Some(before) = next.filter(|b| *b != message.message) {
                        let before = MessageRef {
                            customer: message.customer,
                            message: before,
                        };
                        // Another task has it: this one is looked at again when that has come to its end.
                        if !core.outbox.hand().insert(before) {
                            break;
                        }
                        first = Some(Held::of(core, before));
                    }
                }
                Err(error) => {
                    if core.outbox.is_new_trouble() {
                        tracing::warn!(customer = message.customer.0, %error, "messages stay in the outbox, this one and perhaps more");
                    }
                    break;
                }
            }
        }
        drop((first, room));
    });
    true
}

/// A message in hand; it is out of it however its task ends, a panic included.
pub(super) struct Held {
    core: Arc<Core>,
    message: MessageRef,
}

impl Held {
    pub(super) fn of(core: &Arc<Core>, message: MessageRef) -> Held {
        let core = Arc::clone(core);
        Held { core, message }
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        &self.core
    }
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
    /// The lane of the transport that takes a message out.
    pub(super) fn lane_of(&self, message: &Message) -> Option<usize> {
        let catalogue = self.catalogue();
        let step = (catalogue.rules.campaigns.get(&message.campaign))
            .and_then(|c| c.steps.iter().find(|s| s.id == message.step));
        let named = step
            .and_then(|s| s.transport.as_deref())
            .or(self.default_transport.as_deref());
        let lanes = &self.outbox.lanes;
        match named {
            Some(name) => lanes.iter().position(|lane| lane.transport.name() == name),
            None => (!lanes.is_empty()).then_some(0),
        }
    }

    /// The customers of these messages, as stored.
    async fn states_of(
        &self,
        messages: &[MessageRef],
    ) -> Result<HashMap<CustomerNo, Arc<Known>>, BatchError> {
        let numbers: BTreeSet<CustomerNo> = messages.iter().map(|m| m.customer).collect();
        let keys = numbers.iter().map(|no| keys::record(*no)).collect();
        let found = self.store.get_many(keys).await?;
        let mut states = HashMap::with_capacity(numbers.len());
        for (no, value) in numbers.into_iter().zip(found) {
            let Some(value) = value else { continue };
            match decode(&value.value) {
                Ok(state) => {
                    let revision = value.revision;
                    states.insert(no, Arc::new(Known { state, revision }));
                }
                // Their mail stays; everybody else's goes.
                Err(error) if self.outbox.is_new_trouble() => {
                    tracing::error!(customer = no.0, %error, "a customer cannot be read; their messages stay in the outbox");
                }
                Err(_) => {}
            }
        }
        Ok(states)
    }
}
