//! The port: an ordered, transactional key-value store with append-only streams, the smallest that serves,
//! asynchronous and in batches so that a database across a network can stand behind it.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::path::PathBuf;
use std::sync::Arc;

/// A key; keys are ordered bytewise.
pub type Key = Vec<u8>;

/// A value with the revision that its last put gave it. Revisions rise; none is used twice for a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Versioned {
    pub revision: u64,
    pub value: Vec<u8>,
}

/// Keys from `from` (in) to `to` (out).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyRange {
    pub from: Key,
    pub to: Key,
}

impl KeyRange {
    /// Without `key` and all before it.
    pub fn after(mut self, mut key: Key) -> KeyRange {
        key.push(0);
        self.from = key;
        self
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    Forward,
    Backward,
}

/// A stream of rows that are only ever appended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Stream {
    /// Event history.
    Events,
    /// The send log.
    Log,
    /// Finished messages, as they left.
    Mails,
    /// Pixels fetched and links followed, and what each was taken for.
    Hits,
}

/// A row to append.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Append {
    pub stream: Stream,
    pub customer: u64,
    /// Milliseconds since 1970; what retention goes by.
    pub time: i64,
    pub payload: Vec<u8>,
}

/// A row as it stands in a stream. `position` rises with every row of the store, in the order of commits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    pub position: u64,
    pub customer: u64,
    pub time: i64,
    pub payload: Vec<u8>,
}

/// Which rows of a stream are wanted. Rows come in the order of `position`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamFilter {
    /// Only these customers (sorted); `None` is all.
    pub customers: Option<Vec<u64>>,
    /// Only rows at or after this position.
    pub from_position: u64,
    /// Only rows with time in [from, to).
    pub from_time: i64,
    pub to_time: i64,
    /// At most so many rows.
    pub limit: usize,
}

impl Default for StreamFilter {
    fn default() -> Self {
        StreamFilter {
            customers: None,
            from_position: 0,
            from_time: i64::MIN,
            to_time: i64::MAX,
            limit: usize::MAX,
        }
    }
}

/// A check: the key must stand at this revision, or be absent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    pub key: Key,
    pub expected: Option<u64>,
}

impl StreamFilter {
    /// Whether a row that stands there, of that customer and time, is wanted (`limit` aside).
    pub fn takes(&self, position: u64, customer: u64, time: i64) -> bool {
        position >= self.from_position
            && (self.from_time..self.to_time).contains(&time)
            && self
                .customers
                .as_ref()
                .is_none_or(|wanted| wanted.binary_search(&customer).is_ok())
    }
}

/// What is committed as one: all of it or nothing. Deletes come before puts (a key in both is put), and of two puts
/// of one key the later one stays.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    /// The shards that it speaks for, with the epoch at which their writer took them.
    pub epochs: Vec<(u8, u64)>,
    pub checks: Vec<Check>,
    pub puts: Vec<(Key, Vec<u8>)>,
    pub deletes: Vec<Key>,
    pub appends: Vec<Append>,
    /// What must not wait for room on the disk: what became of a message, a consent, a suppression, a pause. It may use
    /// what is kept in reserve; all else is refused as `Full` before.
    pub urgent: bool,
}

/// How much the store can still take.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Room {
    Enough,
    /// It is running out: no more is to be begun that has consequences to be written, such as a message.
    Low,
    /// Only urgent batches are taken.
    Full,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Committed {
    /// The revision that the batch's puts have.
    pub revision: u64,
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoreError {
    /// A check failed; nothing of the batch was written.
    #[error("another writer changed what this batch rests on")]
    Conflict { key: Key },
    /// An epoch of the batch is stale: another daemon has taken the shard.
    #[error("another daemon has taken this shard over")]
    Fenced,
    /// The disk is full; nothing of the batch was written.
    #[error("the disk is full: {0}")]
    Full(String),
    /// The store cannot answer now; whether the batch was written is not known until it is opened again.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    #[error("the store is damaged: {} at byte {offset}: {what}", file.display())]
    Corrupt {
        file: PathBuf,
        offset: u64,
        what: String,
    },
}

/// Takes rows, lot by lot; false once it has seen enough.
pub type TakeRows = Arc<dyn Fn(Vec<Row>) -> bool + Send + Sync>;

/// So many rows make a lot, where a store has no lots of its own.
const LOT: usize = 20_000;

/// The port. `commit` returns when the batch is durable; `scan` is no snapshot.
pub trait Store: Send + Sync + 'static {
    /// The epoch that this opening holds for every shard.
    fn epoch(&self) -> u64;
    fn get_many(&self, keys: Vec<Key>)
    -> BoxFuture<'_, Result<Vec<Option<Versioned>>, StoreError>>;
    fn scan(
        &self,
        range: KeyRange,
        direction: Direction,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(Key, Versioned)>, StoreError>>;
    fn read_stream(
        &self,
        stream: Stream,
        filter: StreamFilter,
    ) -> BoxFuture<'_, Result<Vec<Row>, StoreError>>;
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed, StoreError>>;

    /// Hands over every row of a stream, each once, in no certain order: for who reads all of it. `take` may block.
    fn read_all(&self, stream: Stream, take: TakeRows) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            let mut from_position = 0;
            loop {
                let filter = StreamFilter {
                    from_position,
                    limit: LOT,
                    ..StreamFilter::default()
                };
                let rows = self.read_stream(stream, filter).await?;
                let few = rows.len() < LOT;
                from_position = rows.last().map_or(from_position, |row| row.position + 1);
                if !take(rows) || few {
                    return Ok(());
                }
            }
        }
        .boxed()
    }

    /// How much can still be written. Asked before each message, so it answers from what is known.
    fn room(&self) -> Room {
        Room::Enough
    }
}
