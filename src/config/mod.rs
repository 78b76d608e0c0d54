//! config.toml: the settings of one daemon, typed and checked before a port or a file is opened; and secrets.
//!
//! The room also holds what reads any TOML that people write ([`toml_reader`], [`problem`], [`nearest`]), since the
//! `campaign` room above it shows its problems in the same way. It opens nothing but the configuration itself: a
//! secret is read when whoever needs it asks ([`secret::PasswordSource::read`]), so that `check` can run without the right to.

pub mod breakers;
mod events;
pub mod find;
pub mod http;
pub mod keys;
pub mod links;
pub mod nearest;
pub mod problem;
pub mod read;
pub mod schema;
pub mod secret;
pub mod settings;
mod shop;
#[cfg(test)]
mod tests;
pub mod text;
pub mod toml_reader;
pub mod transport;
pub mod webhook;

pub use settings::Config;
