//! `reveille restore`: puts a backup where the store was.

use super::Context;
use super::failure::Failure;
use super::screen::grouped;
use crate::daemon::DaemonError;
use crate::daemon::socket;
use crate::engine::forget::joined;
use crate::store::StoreError;
use crate::store::embedded::{find_erasures, put_erasures, restore};
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
#[command(after_help = "\
The configured store's folder must be empty or not there: move the old one away first. Afterwards
sending is held, since mails may have left after the backup was made: `reveille resume --all`
shows what would leave and lets it go. Customers who were forgotten since the backup was made are
forgotten again when the store is opened, by the list `erasures.json` of the store that was moved
away, or by the one that --erasures names.

Example:
  mv data data.broken && reveille restore /backup/reveille-2026-03-01")]
pub struct Arguments {
    /// The folder of the backup
    backup: PathBuf,
    /// The list of customers who were forgotten since (`erasures.json`); those beside the store's folder are found
    #[arg(long, value_name = "FILE")]
    erasures: Vec<PathBuf>,
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
    let named = arguments.erasures.clone();
    let done = tokio::task::spawn_blocking(move || {
        // Before anything is written: without the list nobody would be forgotten again.
        let (lists, list) = erasures(&backup, &into, named)?;
        let done = restore(&backup, &into)?;
        if let Some(list) = list {
            put_erasures(&into, &list)?;
        }
        Ok::<_, StoreError>((done, lists))
    })
    .await;
    let (done, lists) = done
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
        let json = json!({ "files": done.files, "bytes": done.bytes, "position": done.position, "erasures": lists });
        return Ok(context.screen.json(&json)?);
    }
    context.screen.say(&format!(
        "restored to {}: {} files, {} bytes",
        dest.display(),
        grouped(done.files),
        grouped(done.bytes)
    ))?;
    context.screen.say(&match lists.as_slice() {
        [] => "no list of erasures was found: whoever was forgotten since the backup was made is in this store again; \
               `reveille customer forget` forgets them anew"
            .to_owned(),
        lists => {
            let lists: Vec<String> = lists.iter().map(|l| l.display().to_string()).collect();
            format!("customers who were forgotten since are forgotten again at the next start, by {}", lists.join(", "))
        }
    })?;
    Ok(context.screen.say(
        "sending is held: start the daemon, then `reveille resume --all` shows what would leave and lets it go",
    )?)
}

/// The lists of erasures that there are, and all of them as one.
fn erasures(
    backup: &Path,
    dest: &Path,
    named: Vec<PathBuf>,
) -> Result<(Vec<PathBuf>, Option<Vec<u8>>), StoreError> {
    let lists = match named.is_empty() {
        true => find_erasures(backup, dest)?,
        false => named,
    };
    let unreadable = |path: &Path, why: String| {
        StoreError::Unavailable(format!(
            "the list of erasures {} cannot be used: {why}",
            path.display()
        ))
    };
    let read = |path: &PathBuf| std::fs::read(path).map_err(|e| unreadable(path, e.to_string()));
    let texts = lists.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let list = joined(&texts).map_err(|why| {
        let first = lists.first().map_or(dest, PathBuf::as_path);
        unreadable(first, why)
    })?;
    Ok((lists, list))
}
