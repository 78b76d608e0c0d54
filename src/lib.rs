//! Reveille: a campaign automation daemon.

pub mod campaign;
pub mod clock;
pub mod config;
pub mod domain;
pub mod engine;
pub mod message;
pub mod store;
pub mod transport;
