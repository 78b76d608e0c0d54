//! `reveille verify`: everything in the store is compared with its checksums.

use super::Context;
use super::failure::Failure;
use super::screen::counted;
use super::way::Way;
use crate::store::StoreError;
use crate::store::embedded::{Finding, verify};
use serde_json::{Value, json};

#[derive(clap::Args)]
#[command(after_help = "\
Nothing is written. Exits with 5 if something is damaged; what a crash left over is harmless.

Examples:
  reveille verify
  reveille verify --json | jq '.findings[] | select(.damage)'")]
pub struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let found = match Way::daemon(context).await {
        Ok(mut daemon) => daemon.get("/verify").await?,
        // Without a daemon the files are read as they lie: a store that does not open can be verified.
        Err(Failure::NotFound { .. }) => {
            let config = context.load()?;
            let path = config.store.path;
            if !path.is_dir() {
                return Err(Failure::NotFound {
                    what: format!("there is no store in {} yet", path.display()),
                    hint: "is --config the right one?".into(),
                });
            }
            let done = tokio::task::spawn_blocking(move || verify(&path)).await;
            let failed = |e| StoreError::Unavailable(format!("verifying failed: {e}"));
            let findings = done.map_err(failed)??;
            json!({ "findings": findings.iter().map(told).collect::<Vec<Value>>() })
        }
        Err(other) => return Err(other),
    };
    let empty = Vec::new();
    let findings = found["findings"].as_array().unwrap_or(&empty);
    let damage = findings.iter().filter(|f| f["damage"] == true).count() as u64;
    let screen = &context.screen;
    if arguments.json {
        screen.json(&found)?;
    } else {
        for finding in findings {
            let kind = match finding["damage"] == true {
                true => screen.yellow("damaged"),
                false => "harmless".to_owned(),
            };
            screen.say(&format!(
                "{kind}: {} at byte {}: {}",
                finding["file"].as_str().unwrap_or_default(),
                finding["offset"],
                finding["what"].as_str().unwrap_or_default()
            ))?;
        }
        screen.say(&match damage {
            0 => "the store is whole".to_owned(),
            n => format!(
                "{}; `reveille restore` puts a backup in place",
                counted(n, "place is damaged", "places are damaged")
            ),
        })?;
    }
    if damage > 0 {
        Err(Failure::Damaged)
    } else {
        Ok(())
    }
}

fn told(f: &Finding) -> Value {
    json!({
        "file": f.file.display().to_string(),
        "offset": f.offset,
        "what": f.what,
        "damage": f.damage,
    })
}
