//! Routes about public links: a new key that signs them, and leaving by a token that came by mail.

use super::{Admin, Refusal};
use crate::engine::consent::By;
use crate::message::token::Token;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

/// How the consent ledger names this way.
const SOURCE: &str = "mail to the unsubscribe address";

pub async fn rotate(State(admin): State<Admin>) -> Result<Json<Value>, Refusal> {
    let keys = admin.core.rotate_token_keys().await?;
    Ok(Json(json!({ "keys": keys })))
}

#[derive(Deserialize)]
pub struct Candidates {
    /// Texts of a mail that may be a token, the likeliest first.
    tokens: Vec<String>,
}

/// Leaves by the first that is one to leave by. None is no error: the mail was no answer to one of ours.
pub async fn unsubscribe(
    State(admin): State<Admin>,
    Json(Candidates { tokens }): Json<Candidates>,
) -> Result<Json<Value>, Refusal> {
    let core = &admin.core;
    let keys = core.token_keys();
    let found = tokens.iter().find_map(|text| match keys.read(text) {
        Some(Token::Unsubscribe {
            customer,
            message,
            topic,
        }) => Some((customer, message, topic)),
        _ => None,
    });
    let Some((customer, message, topic)) = found else {
        return Ok(Json(json!({ "token": false, "customer": false })));
    };
    let by = By {
        source: SOURCE,
        address: None,
        message,
    };
    let known = core.leave(customer, topic, None, by).await?;
    admin.wake.notify_one();
    Ok(Json(json!({ "token": true, "customer": known })))
}
