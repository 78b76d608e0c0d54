//! HTTP: the admin interface, over a unix socket or inside a command's own process; and what is served on TCP, where
//! anybody may call: events in ([`ingest`], [`webhooks`]), the customers' own pages ([`public`]), pixels and links of mails
//! ([`tracking`]), health, metrics and a description of it all ([`ops`]). [`server`] listens, [`faces`] says what is
//! served at which listener, [`access`] is passed by every request.

pub mod access;
pub mod admin;
pub mod described;
pub mod faces;
pub mod ingest;
pub mod meters;
pub mod ops;
mod origin;
pub mod public;
pub mod pulse;
pub mod server;
pub mod tracking;
pub mod viewer;
pub mod webhooks;
