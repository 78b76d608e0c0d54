//! The message room: from a decision to a finished message.
//!
//! [`templates::Templates`] holds every template of a folder, compiled once and checked for what would bring the
//! process down; [`compose::compose`] makes of one of them, a subject and a customer's data the complete bytes of
//! a mail. Who gets what, and when, was decided before (`domain`); getting the bytes out is `transport`'s.
//!
//! [`lint`] looks a finished mail over for what readers would stumble on, before anybody gets it.
//!
//! [`links`] and [`tracking`] make the links that lead back to us, signed by [`token`].
//!
//! The MIME writing is our own: it is small, and then nothing a customer is called can make it panic or add a
//! header.

mod answers;
pub mod asked;
pub mod check;
pub mod classes;
pub mod compose;
pub mod dates;
pub mod formats;
pub mod header;
pub mod korean;
pub mod labelled;
pub mod links;
pub mod lint;
pub mod nesting;
pub mod part;
pub mod plain;
pub mod problem;
pub mod products;
pub mod reading;
pub mod source;
pub mod tags;
pub mod templates;
pub mod token;
pub mod tracking;
pub mod uses;
pub mod vocabulary;
mod words;

pub use compose::{ComposeError, ComposeRequest, Finished, SenderBlock, compose};
pub use problem::{RenderError, TemplateProblem};
pub use templates::{Templates, escape_html};
