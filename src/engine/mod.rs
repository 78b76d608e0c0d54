//! The engine: what drives `react` over a store.

pub mod intake;
pub mod sample;
