//! `reveille schema`: JSON Schemas of the files that people write, for editors.

use super::Context;
use super::failure::Failure;
use super::screen::counted;
use crate::campaign;
use crate::config::nearest::suggest;
use crate::config::schema::Kind;
use crate::config::schema::settings;
use serde_json::Value;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
#[command(after_help = "\
An editor that knows TOML by taplo (VS Code with \"Even Better TOML\", Neovim, Helix, Zed) completes
keys, says what they mean and marks mistakes in a file whose first line names its schema, as in
  #:schema ../schema/campaign.json

Examples:
  reveille schema --write schema
  reveille schema campaign > campaign.json")]
pub struct Arguments {
    /// One of them: config, campaign, segments, tags, topics, coupons
    #[arg(value_name = "KIND", conflicts_with = "write")]
    kind: Option<String>,
    /// Write all of them into this folder, as KIND.json
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

/// Every kind of file, with its schema.
fn kinds() -> Vec<Kind> {
    let mut kinds: Vec<Kind> = vec![("config", settings::schema)];
    kinds.extend(campaign::schema::KINDS);
    kinds
}

/// As it is printed and written: with an end of line.
fn text(schema: &Value) -> String {
    format!("{schema:#}\n")
}

/// Writes all of them into a folder, which is made if it is not there.
pub fn write(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    kinds().iter().try_for_each(|(kind, make)| {
        std::fs::write(folder.join(format!("{kind}.json")), text(&make()))
    })
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let kinds = kinds();
    if let Some(folder) = &arguments.write {
        write(folder)
            .map_err(|e| Failure::failed(format!("{} cannot be written: {e}", folder.display())))?;
        let many = counted(kinds.len() as u64, "schema", "schemas");
        context
            .screen
            .say(&format!("wrote {many} to {}", folder.display()))?;
        return Ok(());
    }
    let names = || kinds.iter().map(|(kind, _)| *kind);
    let Some(wanted) = &arguments.kind else {
        for kind in names() {
            context.screen.say(kind)?;
        }
        return Ok(());
    };
    match kinds.iter().find(|(kind, _)| kind == wanted) {
        Some((_, make)) => Ok(context.screen.say(text(&make()).trim_end())?),
        None => Err(Failure::NotFound {
            what: format!("there is no schema `{wanted}`"),
            hint: suggest(wanted, names().collect::<Vec<_>>()),
        }),
    }
}
