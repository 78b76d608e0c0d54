//! The engine: drives `react` over a store.

pub mod batch;
pub mod clockwork;
pub mod shard;
pub mod state;
