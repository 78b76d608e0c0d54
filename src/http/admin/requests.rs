//! Routes about what shops ask of the operator: what is open, and that one was done.

use super::{Admin, Refusal};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

/// Every open request, oldest first.
pub async fn list(State(admin): State<Admin>) -> Result<Json<Value>, Refusal> {
    Ok(Json(json!(admin.core.requests().await?)))
}

#[derive(Deserialize)]
pub struct Done {
    request: String,
}

pub async fn done(
    State(admin): State<Admin>,
    Json(done): Json<Done>,
) -> Result<Json<Value>, Refusal> {
    match admin.core.request_done(&done.request).await? {
        true => Ok(Json(json!({ "done": done.request }))),
        false => Err(
            Refusal::not_found(format!("no request {:?} is open", done.request))
                .hint("`reveille customer requests` lists those that are"),
        ),
    }
}
