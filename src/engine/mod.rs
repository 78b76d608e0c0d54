//! The engine: drives `react` over a store. Shards, schedules, alarms, outbox, walks; what the daemon's commands act on.

pub mod batch;
pub mod catalogue;
mod clockwork;
mod composer;
pub mod consent;
pub mod control;
pub mod core;
pub mod directory;
pub mod forecast;
pub mod forget;
mod formats;
pub mod golive;
mod guard;
pub mod hits;
pub mod imports;
pub mod ingest;
pub mod intake;
mod kept;
pub mod merge;
mod opt_in;
pub mod outbox;
mod pages;
mod post;
pub mod query;
pub mod reach;
mod renames;
pub mod sample;
pub mod shard;
pub mod state;
pub mod surprise;
pub mod tally;
mod tokens;
pub mod waiting;

pub use composer::localized;
pub use core::{Core, Parts};
