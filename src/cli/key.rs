//! `reveille key`: makes a key for sending events over HTTP. It is printed once and kept nowhere; config.toml gets its
//! hash. `reveille key rotate-links`: a new key that signs the links of mails.

use super::Context;
use super::failure::Failure;
use super::way::{Need, through};
use crate::config::http::May;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "\
The key is shown this once. Give it to whatever sends events; put the printed lines into config.toml
and run `reveille reload`. To take a key back, remove its lines.

Examples:
  reveille key website
  reveille key scraper --may metrics
  reveille key rotate-links")]
pub struct Arguments {
    /// What the key is for: its name in config.toml and in the log
    #[arg(required = true)]
    name: Option<String>,
    /// What it may do: identify, track, page, screen, group, alias, metrics; by default all but metrics
    #[arg(long, value_name = "WORD", value_delimiter = ',')]
    may: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Sign the links of mails with a new key from now on; links of before go on working
    #[command(after_help = "\
New links are signed with a key that older backups of the store do not hold. It takes nothing back:
the old keys are still read, since links of old mails must work, so whoever has seen one of them can
go on making links with it. The keys are in the store and its backups.

Example:
  reveille key rotate-links")]
    RotateLinks {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    if let Some(Verb::RotateLinks { json }) = arguments.verb {
        return through(context, Need::Change, async |way| {
            let done = way.post("/links/rotate", &json!({})).await?;
            if json {
                return Ok(context.screen.json(&done)?);
            }
            let keys = done["keys"].as_u64().unwrap_or_default();
            let said = format!("a new key signs links from now on; {keys} keys are read");
            Ok(context.screen.say(&said)?)
        })
        .await;
    }
    let name = arguments.name.as_deref().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        return Err(Failure::Usage(format!(
            "the name {name:?} may hold letters, digits, \"-\" and \"_\" only"
        )));
    }
    let may: Vec<May> = match arguments.may.is_empty() {
        true => May::USUAL.to_vec(),
        false => (arguments.may.iter())
            .map(|word| May::parse(word.trim()))
            .collect::<Result<_, _>>()
            .map_err(Failure::Usage)?,
    };
    let mut secret = [0u8; 32];
    SystemRandom::new()
        .fill(&mut secret)
        .map_err(|_| Failure::failed("the system gave no random bytes"))?;
    let key = format!("rvl_{}", URL_SAFE_NO_PAD.encode(secret));
    let hash = digest(&SHA256, key.as_bytes());
    let hex: String = hash.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    if arguments.json {
        let may: Vec<&str> = may.iter().map(|m| m.as_str()).collect();
        let made = json!({ "name": name, "key": key, "sha256": hex, "may": may });
        return Ok(context.screen.json(&made)?);
    }
    let words: Vec<String> = may.iter().map(|m| format!("\"{}\"", m.as_str())).collect();
    let may = words.join(", ");
    context.screen.say(&format!(
        "{key}\n\n[http.keys.{name}]\nsha256 = \"{hex}\"\nmay    = [{may}]\n"
    ))?;
    Ok(())
}
