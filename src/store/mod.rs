//! The store: a port, and the adapters behind it. What the bytes mean is for `keys` and `codec` to say.
//!
//! `memory` is for tests; `embedded` is the default: sled behind a journal, with streams in Parquet, in one folder;
//! `overlay` keeps what is written to itself, over any other.
//! `envelope` and `wire` are the formats of bytes that the embedded adapter's files share.

pub mod codec;
pub mod embedded;
mod envelope;
pub mod keys;
pub mod memory;
pub mod overlay;
pub mod port;
mod wire;

pub use port::{
    Append, Batch, Check, Committed, Direction, Key, KeyRange, Room, Row, Store, StoreError,
    Stream, StreamFilter, TakeRows, Versioned,
};
