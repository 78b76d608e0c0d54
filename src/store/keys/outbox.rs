//! The keys of the outbox: what is to be asked for, and from when on, in two queues.

use super::{OUTBOX, bound, instant, prefix, read_instant, read_u64, start};
use crate::domain::id::{CustomerNo, MessageNo, MessageRef, ShardNo};
use crate::domain::preference::Class;
use crate::domain::time::Timestamp;
use crate::store::port::{Key, KeyRange};

/// One of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Queue {
    /// What waits for nobody: transactional messages.
    Express,
    Ordinary,
}

impl Queue {
    pub const ALL: [Queue; 2] = [Queue::Express, Queue::Ordinary];

    pub fn of(class: Class) -> Queue {
        match class {
            Class::Transactional => Queue::Express,
            Class::Informational | Class::Advertising => Queue::Ordinary,
        }
    }
}

fn queue_start(shard: ShardNo, queue: Queue) -> Key {
    let mut key = start(shard, OUTBOX);
    key.push(queue as u8);
    key
}

pub fn outbox(queue: Queue, at: Timestamp, message: MessageRef) -> Key {
    let mut key = queue_start(message.customer.shard(), queue);
    key.extend(instant(at));
    key.extend(message.customer.0.to_be_bytes());
    key.extend(message.message.0.to_be_bytes());
    key
}

/// What the outbox of `shard` is to ask for by `now`.
pub fn outbox_until(shard: ShardNo, queue: Queue, now: Timestamp) -> KeyRange {
    let from = queue_start(shard, queue);
    let to = bound(from.clone(), now);
    KeyRange { from, to }
}

/// The whole outbox of `shard`, both queues.
pub fn outbox_all(shard: ShardNo) -> KeyRange {
    prefix(start(shard, OUTBOX))
}

pub fn read_outbox(key: &[u8]) -> Option<(Timestamp, MessageRef)> {
    Some((
        read_instant(key.get(3..)?)?,
        MessageRef {
            customer: CustomerNo(read_u64(key.get(11..)?)?),
            message: MessageNo(u32::from_be_bytes(key.get(19..23)?.try_into().ok()?)),
        },
    ))
}
