//! The route of reports.

use super::{Admin, Refusal};
use crate::domain::time::{Span, Timestamp};
use crate::report::{By, report};
use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
pub struct Asked {
    by: By,
    /// An instant, or how long ago.
    since: Option<String>,
}

pub async fn show(
    State(admin): State<Admin>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, Refusal> {
    let now = admin.core.clock.now();
    let since = asked.since.map(|text| {
        Timestamp::parse_rfc3339(&text)
            .or_else(|| Span::parse(&text).ok().map(|ago| now - ago))
            .ok_or_else(|| {
                Refusal::bad(format!(
                    "since {text:?} is no time; write RFC 3339, or how long ago: \"30d\""
                ))
            })
    });
    let answer = report(&admin.core, asked.by, since.transpose()?).await?;
    Ok(Json(json!(answer)))
}
