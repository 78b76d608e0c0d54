//! Reveille: a campaign automation daemon.

pub mod campaign;
pub mod config;
pub mod domain;
pub mod store;
