//! Routes about messages in doubt: which there are, and an operator's word on one.

use super::{Admin, Refusal};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

pub async fn list(State(admin): State<Admin>) -> Result<Json<Value>, Refusal> {
    Ok(Json(json!(admin.core.doubts().await?)))
}

#[derive(Deserialize)]
pub struct Settle {
    message_id: String,
    /// Send it again; else it is taken as sent.
    resend: bool,
    /// Who says so, for the log.
    by: String,
}

pub async fn settle(
    State(admin): State<Admin>,
    Json(asked): Json<Settle>,
) -> Result<Json<Value>, Refusal> {
    let Settle {
        message_id,
        resend,
        by,
    } = asked;
    admin.core.settle_doubt(&message_id, resend, &by).await?;
    admin.wake.notify_one();
    Ok(Json(json!({ "settled": message_id, "resend": resend })))
}
