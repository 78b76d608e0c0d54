//! The store: a port, and the adapters behind it. What the bytes mean is for `keys` and `codec` to say.

pub mod codec;
pub mod keys;
pub mod port;

pub use port::{
    Append, Batch, Check, Committed, Direction, Key, KeyRange, Row, Store, StoreError, Stream,
    StreamFilter, Versioned,
};
