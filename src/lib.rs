//! Reveille: a campaign automation daemon.

pub mod domain;
pub mod store;
pub mod transport;
