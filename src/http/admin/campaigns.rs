//! Routes about campaigns: list, show, approve, pause, resume, cancel.

use super::upkeep::blocking;
use super::{Admin, Refusal};
use crate::domain::id::CampaignId;
use crate::domain::preference::Class;
use crate::engine::control::Scope;
use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
pub struct Named {
    pub id: String,
}

#[derive(Deserialize)]
pub struct Order {
    id: String,
    /// Who says so, for the log.
    by: String,
}

/// What a pause or resume speaks of: one of the three.
#[derive(Deserialize)]
pub struct Scoped {
    campaign: Option<String>,
    class: Option<Class>,
    #[serde(default)]
    all: bool,
    by: String,
}

pub fn campaign(id: &str) -> Result<CampaignId, Refusal> {
    CampaignId::parse(id).map_err(Refusal::bad)
}

pub fn unknown(id: &CampaignId) -> Refusal {
    Refusal::not_found(format!("there is no campaign {:?}", id.as_str()))
        .hint("`reveille campaign list` names them")
}

pub async fn list(State(admin): State<Admin>) -> Result<Json<Value>, Refusal> {
    let campaigns = admin.core.campaigns().await?;
    Ok(Json(json!({
        "held": admin.core.held(),
        "imports": admin.core.imports().await?,
        "poisonous": admin.core.poisonous_customers().await?,
        "campaigns": campaigns,
        "pools": admin.core.pools().await?,
    })))
}

pub async fn show(
    State(admin): State<Admin>,
    Query(named): Query<Named>,
) -> Result<Json<Value>, Refusal> {
    let id = campaign(&named.id)?;
    match admin.core.campaign(&id).await? {
        Some(view) => Ok(Json(json!(view))),
        None => Err(unknown(&id)),
    }
}

/// Edits in the files that would wait for approval if they were taken now.
pub async fn edits(State(admin): State<Admin>) -> Result<Json<Value>, Refusal> {
    let edits = admin.core.edits_in_files().await?;
    Ok(Json(json!({ "edits": edits })))
}

pub async fn approve(
    State(admin): State<Admin>,
    Json(order): Json<Order>,
) -> Result<Json<Value>, Refusal> {
    let id = campaign(&order.id)?;
    admin.core.approve(&id, &order.by).await?;
    admin.wake.notify_one();
    let still = admin.core.catalogue().rules.controls.awaits_approval(&id);
    Ok(Json(
        json!({ "approved": id.as_str(), "still_waits": still }),
    ))
}

pub async fn cancel(
    State(admin): State<Admin>,
    Json(order): Json<Order>,
) -> Result<Json<Value>, Refusal> {
    let id = campaign(&order.id)?;
    admin.core.cancel(&id, &order.by).await?;
    Ok(Json(json!({ "cancelled": id.as_str() })))
}

impl Scoped {
    fn scope(&self) -> Result<Scope, Refusal> {
        match (&self.campaign, self.class, self.all) {
            (Some(id), None, false) => Ok(Scope::Campaign(campaign(id)?)),
            (None, Some(class), false) => Ok(Scope::Class(class)),
            (None, None, true) => Ok(Scope::All),
            _ => Err(Refusal::bad("name one campaign, one class, or all")),
        }
    }
}

pub async fn pause(
    State(admin): State<Admin>,
    Json(scoped): Json<Scoped>,
) -> Result<Json<Value>, Refusal> {
    admin.core.pause(&scoped.scope()?, &scoped.by).await?;
    Ok(Json(json!({ "paused": true })))
}

pub async fn resume(
    State(admin): State<Admin>,
    Json(scoped): Json<Scoped>,
) -> Result<Json<Value>, Refusal> {
    let scope = scoped.scope()?;
    let resumed = admin.core.resume(&scope, &scoped.by).await?;
    if scope == Scope::All {
        // Whoever resumes everything has seen what would leave: a restored store counts as the original from now on.
        let store = admin.store.clone();
        blocking(move || store.release()).await?;
    }
    admin.wake.notify_one();
    Ok(Json(json!(resumed)))
}
