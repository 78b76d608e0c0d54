//! `reveille restore`: puts a backup where the store was.

use super::Context;
use super::failure::Failure;
use super::screen::grouped;
use crate::daemon::DaemonError;
use crate::daemon::socket;
use crate::store::StoreError;
use crate::store::embedded::restore;
use serde_json::json;
use std::path::PathBuf;

#[derive(clap::Args)]
#[command(after_help = "\
The configured store's folder must be empty or not there: move the old one away first. Afterwards
sending is held, since mails may have left after the backup was made: `reveille resume --all` shows
what would leave and lets it go.

Example:
  mv data data.broken && reveille restore /backup/reveille-2026-03-01")]
pub struct Arguments {
    /// The folder of the backup
    backup: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let config = context.load()?;
    let (backup, dest) = (arguments.backup.clone(), config.store.path.clone());
    if !backup.is_dir() {
        return Err(Failure::NotFound {
            what: format!("there is no folder {}", backup.display()),
            hint: "name the folder that `reveille backup` wrote".into(),
        });
    }
    // Where it lies in the store's folder, one that a killed daemon has left is nothing worth keeping.
    socket::remove_stale(&config.admin.socket)
        .await
        .map_err(DaemonError::from)?;
    let into = dest.clone();
    let done = tokio::task::spawn_blocking(move || restore(&backup, &into)).await;
    let done = done
        .map_err(|e| StoreError::Unavailable(format!("restoring failed: {e}")))?
        .map_err(|error| match error {
            StoreError::Unavailable(what) if what.contains("is not empty") => Failure::Store {
                what,
                hint: format!(
                    "the store there is not overwritten; move it away first: mv {0} {0}.old",
                    dest.display()
                ),
            },
            other => other.into(),
        })?;
    if arguments.json {
        let json = json!({ "files": done.files, "bytes": done.bytes, "position": done.position });
        return Ok(context.screen.json(&json)?);
    }
    context.screen.say(&format!(
        "restored to {}: {} files, {} bytes",
        dest.display(),
        grouped(done.files),
        grouped(done.bytes)
    ))?;
    Ok(context.screen.say(
        "sending is held: start the daemon, then `reveille resume --all` shows what would leave and lets it go",
    )?)
}
