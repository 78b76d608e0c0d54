//! HTTP. In this release the admin interface only, over a unix socket or inside a command's own process; taking events
//! in and serving pages come later.

pub mod admin;
pub mod tracking;
