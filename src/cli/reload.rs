//! `reveille reload`: has the running daemon read configuration and campaigns again, and prints what it found.

use super::Context;
use super::failure::Failure;
use super::held;
use super::plan::diff;
use super::screen::plain;
use super::way::Way;
use serde_json::json;

#[derive(Default, clap::Args)]
#[command(after_help = "\
A bad config.toml changes nothing. A campaign whose files are bad goes on as its last good version.
Exits with 3 if anything is bad.

Examples:
  reveille reload
  reveille reload --diff")]
pub struct Arguments {
    /// First show who is met otherwise in the next day; with many customers that takes a while
    #[arg(long, conflicts_with = "json")]
    diff: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let screen = &context.screen;
    let mut way = Way::daemon(context).await?;
    if arguments.diff {
        match diff::of_edited(&mut way, context.screen).await {
            Ok(changes) => screen.say(&format!("{changes}\n"))?,
            // Bad files are told by the reload itself.
            Err(failure) => screen.complain(&format!("no comparison: {failure}")),
        }
    }
    let done = way.post("/reload", &json!({})).await?;
    let empty = Vec::new();
    let list = |key: &str| done[key].as_array().unwrap_or(&empty).clone();
    let (problems, templates) = (list("problems"), list("templates"));
    let taken = done["taken"].as_bool().unwrap_or(false);
    let bad = !taken || !templates.is_empty() || problems.iter().any(|p| p["severity"] == "error");
    if arguments.json {
        screen.json(&done)?;
    } else {
        for problem in &problems {
            screen.say(&format!(
                "{}\n",
                plain(problem["rendered"].as_str().unwrap_or_default())
            ))?;
        }
        for problem in &templates {
            screen.say(&format!(
                "error: {}\n",
                plain(problem.as_str().unwrap_or_default())
            ))?;
        }
        let said = match (taken, bad) {
            (false, _) => "nothing was changed: config.toml is bad",
            (true, true) => {
                "reloaded; what is bad goes on as its last good version (`reveille campaign list`)"
            }
            (true, false) => "reloaded",
        };
        screen.say(said)?;
        let later: Vec<String> = list("later")
            .iter()
            .filter_map(|l| l.as_str().map(str::to_owned))
            .collect();
        if !later.is_empty() {
            screen.say(&format!(
                "taken up at the next start only: {}",
                later.join(", ")
            ))?;
        }
        for line in held::edits(&done["waits"], *screen) {
            screen.say(&line)?;
        }
    }
    if bad { Err(Failure::BadFiles) } else { Ok(()) }
}
