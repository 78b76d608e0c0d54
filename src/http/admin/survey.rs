//! The route by which `check` asks what customers lack, which tags they bear and which events were seen.

use super::{Admin, Refusal};
use crate::engine::survey::Survey;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use std::collections::BTreeSet;

#[derive(Deserialize)]
pub struct Asked {
    /// Paths of attributes.
    attributes: BTreeSet<String>,
    /// Names of events.
    events: BTreeSet<String>,
    /// Names of tags.
    #[serde(default)]
    tags: BTreeSet<String>,
}

pub async fn survey(
    State(admin): State<Admin>,
    Json(asked): Json<Asked>,
) -> Result<Json<Survey>, Refusal> {
    let (attributes, events) = (&asked.attributes, &asked.events);
    let found = admin.core.survey(attributes, events, &asked.tags).await?;
    Ok(Json(found))
}
