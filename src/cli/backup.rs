//! `reveille backup`: copies the store, while the daemon goes on.

use super::Context;
use super::failure::Failure;
use super::screen::grouped;
use super::way::{Need, through};
use serde_json::json;
use std::path::PathBuf;

#[derive(clap::Args)]
#[command(after_help = "\
The folder must be empty or not there yet. Every file in it has a checksum, and `reveille restore`
compares them. Campaigns, templates and config.toml are not in it.

Example:
  reveille backup /backup/reveille-$(date +%F)")]
pub struct Arguments {
    /// The folder to copy to
    dest: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let dest = std::path::absolute(&arguments.dest)
        .map_err(|e| Failure::failed(format!("{}: {e}", arguments.dest.display())))?;
    if !context.load()?.store.path.is_dir() {
        return Err(Failure::NotFound {
            what: format!(
                "there is no store in {} yet",
                context.load()?.store.path.display()
            ),
            hint: "is --config the right one?".into(),
        });
    }
    // A snapshot may have to be taken, so the store is opened to write.
    through(context, Need::Change, async |way| {
        let done = way.post("/backup", &json!({ "dest": dest })).await?;
        if arguments.json {
            return Ok(context.screen.json(&done)?);
        }
        let number = |key: &str| grouped(done[key].as_u64().unwrap_or(0));
        Ok(context.screen.say(&format!(
            "backed up to {}: {} files, {} bytes",
            dest.display(),
            number("files"),
            number("bytes")
        ))?)
    })
    .await
}
