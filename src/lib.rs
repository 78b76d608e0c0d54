//! Reveille: a campaign automation daemon. It follows what each customer does, works out who is due, and sends mail
//! within that customer's hours and limits, with a reason for every decision.
//!
//! This is the map of the house. `ARCHITECTURE.md` walks an event through it.
//!
//! # The one idea
//!
//! A customer is a small state machine with one alarm clock. Whatever happens (an event, the alarm, a schedule, a mail
//! accepted or bounced, a changed preference) is a *cause*, and one pure function takes it from there:
//! [`domain::react`]. It reads no clock, no store and no network, so all that is decided can be tested, replayed and
//! explained. Everything around it moves causes to it and carries out its answers.
//!
//! # The rooms
//!
//! A room uses those below it, never one above or beside it; `tests/rooms.rs` reads the paths and holds it so.
//!
//! | room | does |
//! | --- | --- |
//! | [`cli`] | one file a verb: what people type and what they see |
//! | [`daemon`] | builds, supervises, reloads, stops; the only room that knows signals and systemd |
//! | [`http`] | the admin interface, over a unix socket or inside a command's own process; events, pages, pixels and links, health and metrics on TCP |
//! | [`report`] | questions asked of the send log and the hits |
//! | [`engine`] | shards, schedules, alarms, outbox, walks: drives `react` over a store |
//! | [`transport`] | gets a finished message out, and says what became of it: SMTP, or a folder to look at |
//! | [`message`] | templates and composing: from a decision to a finished message |
//! | [`store`] | the port and its adapters; journal, streams, keys, codec |
//! | [`campaign`] | from TOML to typed campaigns, with diagnostics |
//! | [`config`] | from config.toml to typed settings; secrets |
//! | [`clock`] | the system's clock, or a virtual one |
//! | [`domain`] | customer, event, condition, preference, policy, `react`: pure |
//!
//! [`campaign`], [`store`], [`message`] and [`transport`] stand side by side and don't know one another.
//!
//! # Where to begin
//!
//! - Whether a mail may go, and when: [`domain::policy`].
//! - Who enters a campaign: [`domain::react`].
//! - What conditions mean: [`domain::condition`].
//! - What is durable, and when: [`store::port`], [`store::embedded`].
//! - What a relay's reply means: [`transport`].
//! - What marketers may write: [`campaign`], and `docs/campaigns.md`.

pub mod campaign;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod domain;
pub mod engine;
pub mod http;
pub mod message;
pub mod report;
pub mod store;
pub mod transport;
