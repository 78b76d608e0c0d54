//! Routes about the house itself: status, reload, verify, backup.

use super::{Admin, Refusal};
use crate::store::StoreError;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;

pub async fn status(State(admin): State<Admin>) -> Result<Json<Value>, Refusal> {
    let stats = admin.store.stats();
    Ok(Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "now": admin.core.clock.now().to_string(),
        "held": admin.core.held(),
        "imports": admin.core.imports().await?,
        "poisonous": admin.core.poisonous_customers().await?,
        "in_hand": admin.core.outbox.in_hand(),
        "store": {
            "journal_bytes": stats.journal_bytes,
            "segments": stats.segments,
            "free_bytes": stats.free_bytes,
            "full": stats.full,
        },
    })))
}

/// What would leave if sending went on.
pub async fn waiting(State(admin): State<Admin>) -> Result<Json<Value>, Refusal> {
    let campaigns = admin.core.waiting().await?;
    Ok(Json(
        json!({ "held": admin.core.held(), "campaigns": campaigns }),
    ))
}

/// What is wanted of a reload beside itself.
#[derive(Default, Deserialize)]
pub struct Reloading {
    /// Which edits wait for approval is not wanted: to tell that, every customer may have to be read.
    #[serde(default)]
    quick: bool,
}

pub async fn reload(
    State(admin): State<Admin>,
    wanted: Option<Json<Reloading>>,
) -> Result<Json<Value>, Refusal> {
    let Some(reload) = &admin.reload else {
        return Err(Refusal::not_found("no daemon is running")
            .hint("there is nothing to reload; `reveille check` checks the files"));
    };
    let done = reload().await?;
    let quick = wanted.is_some_and(|Json(wanted)| wanted.quick);
    let waits = match done.taken && !quick {
        // All is in force by now: that this could not be told is no failure of it.
        true => (admin.core.edits_in_force().await).unwrap_or_else(|error| {
            tracing::warn!(%error, "which edits will wait for approval is not known yet");
            Vec::new()
        }),
        false => Vec::new(),
    };
    let problems: Vec<Value> = done
        .problems
        .iter()
        .map(|p| {
            let mut json = p.to_json();
            json["rendered"] = p.render(false).into();
            json
        })
        .collect();
    Ok(Json(json!({
        "taken": done.taken,
        "problems": problems,
        "templates": done.templates,
        "later": done.later,
        "waits": waits,
    })))
}

pub async fn verify(State(admin): State<Admin>) -> Result<Json<Value>, Refusal> {
    let store = admin.store;
    let findings = blocking(move || store.verify()).await?;
    let findings: Vec<Value> = findings
        .iter()
        .map(|f| {
            json!({
                "file": f.file.display().to_string(),
                "offset": f.offset,
                "what": f.what,
                "damage": f.damage,
            })
        })
        .collect();
    Ok(Json(json!({ "findings": findings })))
}

#[derive(Deserialize)]
pub struct BackupTo {
    /// Absolute: the daemon's working folder is not the caller's.
    dest: PathBuf,
}

pub async fn backup(
    State(admin): State<Admin>,
    Json(to): Json<BackupTo>,
) -> Result<Json<Value>, Refusal> {
    if !to.dest.is_absolute() {
        return Err(Refusal::bad("the backup's folder must be an absolute path"));
    }
    let store = admin.store;
    let done = blocking(move || store.backup(&to.dest)).await?;
    Ok(Json(json!({
        "files": done.files,
        "bytes": done.bytes,
        "position": done.position,
    })))
}

/// Runs what blocks where it may.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Refusal> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(Refusal::from),
        Err(error) => Err(Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the work failed: {error}"),
        )),
    }
}
