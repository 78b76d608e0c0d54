//! Reveille: a campaign automation daemon.

pub mod clock;
pub mod campaign;
pub mod config;
pub mod domain;
pub mod engine;
pub mod message;
pub mod store;
pub mod transport;
