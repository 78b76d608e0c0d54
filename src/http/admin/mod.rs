//! The admin interface: what the commands ask of the engine, as one axum router. The daemon serves it on its socket; a
//! command that finds no daemon calls the same router in its own process, so there is one code path and two ways in.
//!
//! Answers are JSON; errors are `{"error": .., "hint": ..}` under an honest status. Who may ask is for the socket's mode to
//! say (0660): there is no other check.

mod campaigns;
mod coupons;
mod customers;
mod doubts;
mod forget;
mod import;
mod links;
mod plan;
mod preview;
mod refusal;
mod report;
mod requests;
mod standings;
mod survey;
mod upkeep;

pub use import::{END, Sent};
pub use refusal::Refusal;

use crate::config::problem::Problem;
use crate::engine::Core;
use crate::store::embedded::EmbeddedStore;
use axum::Router;
use axum::routing::{delete, get, post};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use tokio::sync::Notify;

/// What a reload came to.
#[derive(Clone, Debug, Default)]
pub struct Reloaded {
    /// Everything that is wrong with the files, errors and warnings.
    pub problems: Vec<Problem>,
    /// What is wrong with templates, as text.
    pub templates: Vec<String>,
    /// False: the configuration is bad, and nothing was changed.
    pub taken: bool,
    /// What changed and is taken up at the next start only.
    pub later: Vec<String>,
}

/// Reads configuration and campaigns again; the daemon's own, since it knows what else hangs on them.
pub type Reload = Arc<dyn Fn() -> BoxFuture<'static, Result<Reloaded, Refusal>> + Send + Sync>;

/// What the routes act on.
#[derive(Clone)]
pub struct Admin {
    pub core: Arc<Core>,
    pub store: Arc<EmbeddedStore>,
    /// Rung when something may have fallen due.
    pub wake: Arc<Notify>,
    /// `None` in a command's own process: there is nothing to reload.
    pub reload: Option<Reload>,
}

/// All routes.
pub fn router(admin: Admin) -> Router {
    Router::new()
        .route("/status", get(upkeep::status))
        .route("/waiting", get(upkeep::waiting))
        .route("/reload", post(upkeep::reload))
        .route("/verify", get(upkeep::verify))
        .route("/backup", post(upkeep::backup))
        .route("/customers", get(customers::list))
        .route("/customer", get(customers::show).post(customers::set))
        .route("/customers/poisonous", get(customers::poisonous))
        .route("/customers/poisonous", delete(customers::clear_poison))
        .route("/customer/export", get(customers::export))
        .route("/customer/forget", post(forget::forget))
        .route("/requests", get(requests::list))
        .route("/requests/done", post(requests::done))
        .route("/erasures", get(forget::list).post(forget::erase))
        .route("/explain", get(customers::explain))
        .route("/log", get(customers::log))
        .route("/consents", get(customers::consents))
        .route("/report", get(report::show))
        .route("/plan", get(plan::plan))
        .route("/preview", get(preview::preview))
        .route("/test-send", post(preview::test_send))
        .route("/doubts", get(doubts::list))
        .route("/doubts/settle", post(doubts::settle))
        .route("/suppressions", get(customers::suppressions))
        .route("/suppressions", post(customers::suppress))
        .route("/suppressions", delete(customers::unsuppress))
        .route("/coupons", get(coupons::list))
        .route("/coupons/codes", get(coupons::codes))
        .route("/campaigns", get(campaigns::list))
        .route("/campaign", get(campaigns::show))
        .route("/campaign/standings", get(standings::show))
        .route("/campaign/approve", post(campaigns::approve))
        .route("/campaign/cancel", post(campaigns::cancel))
        .route("/links/rotate", post(links::rotate))
        .route("/unsubscribe", post(links::unsubscribe))
        .route("/pause", post(campaigns::pause))
        .route("/resume", post(campaigns::resume))
        .route("/survey", post(survey::survey))
        .route("/edits", get(campaigns::edits))
        .route("/import", post(import::import))
        .fallback(refusal::no_such_route)
        .with_state(admin)
}
