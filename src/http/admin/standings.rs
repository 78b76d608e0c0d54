//! `GET /campaign/standings`: how many stand before each step, as lines of JSON while every customer is read: now and then
//! `{"progress": {"done": 5000, "of": 100000}}`, at the end `{"standings": {..}}` or `{"stopped": "why", "hint": "..",
//! "status": 500}`. Whoever hangs up ends it.

use super::campaigns::{Named, campaign, unknown};
use super::{Admin, Refusal};
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// So often it is told how far it is.
const EACH: u64 = 5_000;

pub async fn show(
    State(admin): State<Admin>,
    Query(named): Query<Named>,
) -> Result<Response, Refusal> {
    let id = campaign(&named.id)?;
    if admin.core.campaign(&id).await?.is_none() {
        return Err(unknown(&id));
    }
    let (out, answers) = mpsc::channel::<Result<Bytes, std::io::Error>>(4);
    let line = |what: Value| Ok(Bytes::from(format!("{what}\n")));
    let telling = out.clone();
    let mut next = EACH;
    let told = move |done: u64, of: u64| {
        if done >= next {
            next = done + EACH;
            // Nobody waits for whoever reads slowly.
            let _ = telling.try_send(line(json!({ "progress": { "done": done, "of": of } })));
        }
        !telling.is_closed()
    };
    tokio::spawn(async move {
        let last = match admin.core.standings(&id, told).await {
            Ok(standings) => json!({ "standings": standings }),
            Err(error) => {
                let refusal = Refusal::from(error);
                json!({
                    "stopped": refusal.error,
                    "hint": refusal.hint,
                    "status": refusal.status.as_u16(),
                })
            }
        };
        let _ = out.send(line(last)).await;
    });
    let body = Body::from_stream(ReceiverStream::new(answers));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}
