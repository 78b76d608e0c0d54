//! Reveille: a campaign automation daemon.

pub mod domain;
pub mod engine;
pub mod store;
