//! Reveille: a campaign automation daemon.

pub mod campaign;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod domain;
pub mod engine;
pub mod http;
pub mod message;
pub mod store;
pub mod transport;
