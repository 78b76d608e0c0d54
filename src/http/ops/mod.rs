//! For those who watch over the daemon: is it alive, is it ready, how does it do; and what its interface is.

pub mod exposition;
pub mod metrics;
pub mod openapi;

use super::described::Operation;
use super::ingest::{Answer, Ingest, Presented, find};
use super::meters::Meters;
use super::pulse::Pulse;
use crate::config::http::May;
use crate::engine::Core;
use crate::store::embedded::EmbeddedStore;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// A store that does not answer a read in this time is not ready.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub struct Ops {
    pub core: Arc<Core>,
    pub store: Option<Arc<EmbeddedStore>>,
    pub pulse: Arc<Pulse>,
    pub meters: Arc<Meters>,
    pub ingest: Ingest,
    /// Whether who asks for metrics must show a key.
    pub keyed: bool,
}

/// Served at every address.
pub fn health() -> Vec<Operation<Ops>> {
    let ready = || {
        Some(json!({
            "type": "object",
            "required": ["ready", "store", "engine"],
            "properties": {
                "ready": { "type": "boolean" },
                "store": { "enum": ["open", "not answering"] },
                "engine": { "enum": ["advancing", "standing still"] },
            },
        }))
    };
    vec![
        Operation {
            path: "/healthz".to_owned(),
            method: "get",
            id: "health".to_owned(),
            summary: "Whether the process is alive".to_owned(),
            tag: "operations",
            keyed: false,
            body: None,
            answers: vec![(200, "alive", None)],
            handler: get(async || "alive\n"),
        },
        Operation {
            path: "/readyz".to_owned(),
            method: "get",
            id: "ready".to_owned(),
            summary: "Whether the store is open and the engine gets on".to_owned(),
            tag: "operations",
            keyed: false,
            body: None,
            answers: vec![(200, "ready", ready()), (503, "not ready", ready())],
            handler: get(readiness),
        },
    ]
}

/// Served where operations are.
pub fn operations() -> Vec<Operation<Ops>> {
    let refused = || {
        Some(json!({
            "type": "object",
            "required": ["success", "error"],
            "properties": { "success": { "const": false }, "error": { "type": "string" } },
        }))
    };
    vec![Operation {
        path: "/metrics".to_owned(),
        method: "get",
        id: "metrics".to_owned(),
        summary: "Metrics for Prometheus; without a key on `admin_listen`".to_owned(),
        tag: "operations",
        keyed: true,
        body: None,
        answers: vec![
            (200, "the metrics, in Prometheus' text format 0.0.4", None),
            (401, "no key, or one that is not declared", refused()),
            (403, "the key may not read metrics", refused()),
        ],
        handler: get(tell_metrics),
    }]
}

async fn readiness(State(ops): State<Ops>) -> Response {
    let asked = tokio::time::timeout(PATIENCE, ops.core.directory.count()).await;
    let store = matches!(asked, Ok(Ok(_)));
    let engine = ops.pulse.is_alive();
    let body: Value = json!({
        "ready": store && engine,
        "store": if store { "open" } else { "not answering" },
        "engine": if engine { "advancing" } else { "standing still" },
    });
    let status = match store && engine {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(body)).into_response()
}

async fn tell_metrics(State(ops): State<Ops>, headers: HeaderMap) -> Response {
    if ops.keyed {
        let config = ops.core.config();
        let found = match Presented::of(&headers) {
            Presented::Key(text) => find(&config.http.keys, &text).map(|(_, key)| key.may.clone()),
            _ => None,
        };
        match found {
            None => return Answer::NoKey.into_response(),
            Some(may) if !may.contains(&May::Metrics) => {
                return Answer::NotAllowed("this key may not read metrics".into()).into_response();
            }
            Some(_) => {}
        }
    }
    let text = metrics::collect(&ops).await;
    let kind = (
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    );
    ([kind], text).into_response()
}
