//! The interface's description, OpenAPI 3.1, made of the same lists that the routers are made of.

use super::{health, operations};
use crate::http::described::{Operation, paths};
use crate::http::{ingest, webhooks};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

fn itself() -> Operation<()> {
    Operation {
        path: "/openapi.json".to_owned(),
        method: "get",
        id: "description".to_owned(),
        summary: "This description".to_owned(),
        tag: "operations",
        keyed: false,
        body: None,
        answers: vec![(200, "the description", Some(json!({ "type": "object" })))],
        handler: get(async || Json(document())),
    }
}

pub fn router() -> Router {
    crate::http::described::router(vec![itself()])
}

/// All that programs speak to, wherever its parts are served. The links of mails are not in it: only mails tell them.
pub fn document() -> Value {
    let mut all = paths(&ingest::operations());
    all.extend(paths(&webhooks::operations()));
    all.extend(paths(&health()));
    all.extend(paths(&operations()));
    all.extend(paths(&[itself()]));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Reveille",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Events in, in the way of Segment's HTTP interface or by shops' webhooks; health and metrics. The customers' own pages and the links of mails (/u, /p, /c, /a, /t) are not described here: their addresses are signed, and only mails hold them.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "tags": [{ "name": "events" }, { "name": "operations" }],
        "paths": all,
        "components": {
            "securitySchemes": {
                "key": { "type": "http", "scheme": "basic", "description": "the key as user name, no password" },
                "bearer": { "type": "http", "scheme": "bearer" },
            },
        },
    })
}
