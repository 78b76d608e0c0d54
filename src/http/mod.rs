//! HTTP: the admin interface, over a unix socket or inside a command's own process; the customers' own pages; pixels and
//! links of mails. Taking events in comes later.

pub mod admin;
pub mod public;
pub mod tracking;
