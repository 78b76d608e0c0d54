//! The engine: drives `react` over a store.

pub mod batch;
pub mod state;
