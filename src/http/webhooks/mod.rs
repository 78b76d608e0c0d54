//! Shops' webhooks: `POST /webhooks/NAME`. A delivery that proves to come from the shop becomes, by the shop's mapping
//! ([`crate::config::webhook`]), messages in the shape of Segment's; from there on they go the way of all others
//! ([`super::ingest`]), with the same limits, identities and answers.
//!
//! Whatever the shop can do nothing about is answered 200 and counted: a shop stops sending where too much fails. What
//! stands in the way for a while is answered 429 or 503, and the shop sends it again.

mod delivery;
mod proof;
mod rows;
mod secrets;
mod take;

use super::described::Operation;
use super::ingest::Ingest;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::HeaderMap;
use axum::routing::post;
use secrets::Secrets;
use serde_json::{Value, json};
use std::sync::Arc;

/// The largest delivery: an order with some hundred products has a few hundred KB.
pub const BODY_LIMIT: usize = 1024 * 1024;

/// What the route acts on.
#[derive(Clone)]
pub struct Webhooks {
    ingest: Ingest,
    secrets: Arc<Secrets>,
}

impl Webhooks {
    pub fn new(ingest: Ingest) -> Webhooks {
        Webhooks {
            ingest,
            secrets: Arc::default(),
        }
    }
}

/// The one operation.
pub fn operations() -> Vec<Operation<Webhooks>> {
    vec![Operation {
        path: "/webhooks/{name}".to_owned(),
        method: "post",
        id: "webhook".to_owned(),
        summary: "Take a delivery of a shop in, proved by its signature as the shop's mapping says"
            .to_owned(),
        tag: "events",
        keyed: false,
        body: Some(json!({ "type": "object" })),
        answers: documented(),
        handler: post(
            |State(webhooks): State<Webhooks>,
             name: Result<Path<String>, PathRejection>,
             Extension(id),
             headers: HeaderMap,
             body: Body| async move {
                // What is no text is nobody's name.
                let name = name.map(|Path(name)| name).unwrap_or_default();
                take::take(&webhooks, &name, id, &headers, body).await
            },
        ),
    }]
}

fn documented() -> Vec<(u16, &'static str, Option<Value>)> {
    let own = |status: u16, meaning: &'static str| {
        let schema = json!({
            "type": "object",
            "required": ["success", "error"],
            "properties": { "success": { "const": false }, "error": { "type": "string" } },
        });
        (status, meaning, Some(schema))
    };
    // Of those of ingestion: what is taken, what came too late, what has to wait.
    let shared = super::ingest::answer::documented()
        .into_iter()
        .filter(|(status, ..)| matches!(status, 200 | 408 | 429 | 503));
    let mut all: Vec<_> = shared.collect();
    all.push(own(400, "the request broke off"));
    all.push(own(401, "it does not prove that it comes from the shop"));
    all.push(own(404, "there is no webhook of this name"));
    all.push(own(413, "the delivery is too large"));
    all.sort_by_key(|(status, ..)| *status);
    all
}
