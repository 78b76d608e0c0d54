//! Which listener serves what: one address for everything, or events and operations on addresses of their own.
//!
//! Health and the interface's description are served at each. The admin interface proper stays on its unix socket.

use super::access::watch;
use super::ingest::{self, Ingest, browser};
use super::meters::Meters;
use super::ops::{self, Ops};
use super::public;
use super::pulse::Pulse;
use super::server::{ListenError, bind};
use super::tracking::{self, Tracking};
use super::webhooks::{self, Webhooks};
use super::{described, ops::openapi};
use crate::config::http::Http;
use crate::engine::Core;
use crate::store::embedded::EmbeddedStore;
use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// What is served at one address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Serves {
    /// Links in mails and pages.
    pub public: bool,
    pub events: bool,
    /// Metrics.
    pub operations: bool,
    /// Who asks must show a key for them.
    pub keyed: bool,
}

impl Serves {
    /// The addresses that the configuration names, and what is served at each.
    pub fn of(http: &Http) -> Vec<(SocketAddr, Serves)> {
        let public = http.listen.map(|address| {
            let serves = Serves {
                public: true,
                events: http.ingest_listen.is_none(),
                operations: http.admin_listen.is_none(),
                keyed: true,
            };
            (address, serves)
        });
        let events = http.ingest_listen.map(|address| {
            let serves = Serves {
                events: true,
                ..Serves::default()
            };
            (address, serves)
        });
        let operations = http.admin_listen.map(|address| {
            let serves = Serves {
                operations: true,
                ..Serves::default()
            };
            (address, serves)
        });
        public.into_iter().chain(events).chain(operations).collect()
    }

    /// For the log.
    pub fn words(self) -> String {
        [
            (self.public, "pages"),
            (self.events, "events"),
            (self.operations, "metrics"),
            (true, "health"),
        ]
        .into_iter()
        .filter(|(is, _)| *is)
        .map(|(_, word)| word)
        .collect::<Vec<_>>()
        .join(", ")
    }
}

/// An open port, and what will be served there.
pub struct Face {
    pub listener: TcpListener,
    pub address: SocketAddr,
    pub serves: Serves,
}

/// Opens all ports that the configuration names.
pub fn open(http: &Http) -> Result<Vec<Face>, ListenError> {
    let mut faces = Vec::new();
    for (asked, serves) in Serves::of(http) {
        let listener = bind(asked)?;
        // The system chose the port where 0 was asked for.
        let address = listener.local_addr().unwrap_or(asked);
        faces.push(Face {
            listener,
            address,
            serves,
        });
    }
    Ok(faces)
}

/// What all faces act on.
#[derive(Clone)]
pub struct Outside {
    pub core: Arc<Core>,
    /// `None` in tests on a store without a folder.
    pub store: Option<Arc<EmbeddedStore>>,
    pub pulse: Arc<Pulse>,
    pub meters: Arc<Meters>,
    pub ingest: Ingest,
}

impl Outside {
    pub fn new(
        core: Arc<Core>,
        store: Option<Arc<EmbeddedStore>>,
        wake: Arc<Notify>,
        pulse: Arc<Pulse>,
    ) -> Outside {
        let meters = Arc::<Meters>::default();
        let in_hand = core.config().http.in_hand;
        let ingest = Ingest::new(Arc::clone(&core), wake, Arc::clone(&meters), in_hand);
        Outside {
            core,
            store,
            pulse,
            meters,
            ingest,
        }
    }

    /// What is served at one address.
    pub fn router(&self, serves: Serves) -> Router {
        let ops = Ops {
            core: Arc::clone(&self.core),
            store: self.store.clone(),
            pulse: Arc::clone(&self.pulse),
            meters: Arc::clone(&self.meters),
            ingest: self.ingest.clone(),
            keyed: serves.keyed,
        };
        let mut router = described::router(ops::health()).with_state(ops.clone());
        if serves.operations {
            router = router.merge(described::router(ops::operations()).with_state(ops));
        }
        if serves.events {
            let events = described::router(ingest::operations());
            router = router.merge(events.with_state(self.ingest.clone()));
            let shops = Webhooks::new(self.ingest.clone());
            router = router.merge(described::router(webhooks::operations()).with_state(shops));
        }
        if serves.public {
            let core = Arc::clone(&self.core);
            let followed = tracking::router(Tracking { core });
            router = (router.merge(public::router(Arc::clone(&self.core)))).merge(followed);
        }
        let mut router = router
            .merge(openapi::router())
            .fallback(nothing_here)
            .method_not_allowed_fallback(not_so);
        if serves.events {
            router = router.layer(from_fn_with_state(self.ingest.clone(), browser::allow));
        }
        router.layer(from_fn_with_state(Arc::clone(&self.meters), watch))
    }
}

async fn nothing_here() -> Response {
    let body = axum::Json(json!({ "success": false, "error": "there is nothing at this address" }));
    (StatusCode::NOT_FOUND, body).into_response()
}

async fn not_so() -> Response {
    let body =
        axum::Json(json!({ "success": false, "error": "this address is asked by another method" }));
    (StatusCode::METHOD_NOT_ALLOWED, body).into_response()
}
