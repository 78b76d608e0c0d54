//! Reveille: a campaign automation daemon.

pub mod domain;
pub mod message;
pub mod store;
