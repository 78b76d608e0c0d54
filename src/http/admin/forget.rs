//! Routes about forgetting: a customer, what is still to be erased, and erasing it.

use super::customers::Named;
use super::{Admin, Refusal};
use crate::domain::id::CustomerId;
use crate::engine::forget::ForgetError;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Forgets a customer at once; `already` where that was done before.
pub async fn forget(
    State(admin): State<Admin>,
    Json(named): Json<Named>,
) -> Result<Json<Value>, Refusal> {
    let id = CustomerId::shown(&named.id).map_err(Refusal::bad)?;
    let core = Arc::clone(&admin.core);
    // A task of its own: a caller who hangs up leaves nothing half done until the next start.
    let doing = tokio::spawn(async move { core.forget(&id).await });
    let done = doing.await.unwrap_or(Err(ForgetError::Refused(
        crate::engine::shard::Refused::Stopping,
    )));
    let answer = match done {
        Ok(forgot) => json!({ "already": false, "forgot": forgot }),
        Err(ForgetError::Already) => json!({ "already": true, "forgot": null }),
        Err(ForgetError::Refused(error)) => return Err(error.into()),
        Err(error @ ForgetError::Unknown) => {
            return Err(Refusal::not_found(error.to_string())
                .hint("ids are the shop's own; `reveille customer list` shows some"));
        }
    };
    admin.core.keep_erasures(&admin.store).await?;
    Ok(Json(answer))
}

/// Every erasure, oldest first, and whether the bytes have gone.
pub async fn list(State(admin): State<Admin>) -> Result<Json<Value>, Refusal> {
    Ok(Json(json!(admin.core.erasures().await?)))
}

/// Erases the bytes of those who were forgotten: lines of progress, and at the end `passed` (null where there was nothing
/// to do) or `error`.
pub async fn erase(State(admin): State<Admin>) -> Response {
    let (out, answers) = mpsc::channel::<Result<Bytes, std::io::Error>>(64);
    let line = |what: Value| Ok(Bytes::from(format!("{what}\n")));
    let telling = out.clone();
    let progress = Arc::new(move |doing: &str, done: u64, of: u64| {
        // Nobody waits for whoever reads slowly, or has gone.
        let _ = telling.try_send(line(json!({ "doing": doing, "done": done, "of": of })));
    });
    tokio::spawn(async move {
        let done = admin.core.erase_pending(&admin.store, progress).await;
        let told = match done {
            Ok(passed) => json!({ "passed": passed }),
            Err(error) => {
                tracing::error!(%error, "the bytes of customers who were forgotten could not be erased");
                let refusal = Refusal::from(error);
                json!({ "error": refusal.error, "hint": refusal.hint })
            }
        };
        let _ = out.send(line(told)).await;
    });
    let body = Body::from_stream(ReceiverStream::new(answers));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}
