//! `reveille reload`: has the running daemon read configuration and campaigns again, and prints what it found; before
//! it, who is met otherwise by the edited files.

use super::Context;
use super::failure::Failure;
use super::held;
use super::plan::diff::{self, Edited};
use super::screen::{Screen, plain};
use super::way::Way;
use serde_json::json;

#[derive(Default, clap::Args)]
#[command(after_help = "\
A bad config.toml changes nothing, nor does one by which a campaign in force could not go on at all.
A campaign whose files are bad goes on as its last good version. Exits with 3 if anything is bad.

First it shows who is met otherwise in the next day, as `plan --diff` does, where there are no
more than 20,000 customers; --diff shows it of as many as there are. At last it says which edits
of steps wait for approval; where some may, it reads every customer once for that.

Examples:
  reveille reload
  reveille reload --diff
  reveille reload --json | jq .compared.campaigns")]
pub struct Arguments {
    /// First show who is met otherwise in the next day, of however many customers; that may take a while
    #[arg(long)]
    diff: bool,
    /// Reload at once, and show nothing of the kind, nor which edits wait for approval
    #[arg(long, conflicts_with = "diff")]
    no_diff: bool,
    /// Tells which edits wait for approval all the same
    #[arg(skip)]
    edits: bool,
    /// Print one JSON object; `compared` holds who is met otherwise, or `not_compared` why that is not known
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub fn without_comparison() -> Arguments {
        Arguments {
            no_diff: true,
            edits: true,
            ..Arguments::default()
        }
    }

    /// Compares first, where that is wanted.
    async fn edited(&self, way: &mut Way, screen: Screen) -> Option<Edited> {
        let at_most = match self.diff {
            true => None,
            false => Some(QUICK),
        };
        match self.no_diff {
            true => None,
            false => Some(diff::of_edited(way, at_most, screen).await),
        }
    }
}

/// So many customers are compared in a second or two.
const QUICK: u64 = 20_000;

pub async fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let screen = &context.screen;
    let mut way = Way::daemon(context).await?;
    let edited = arguments.edited(&mut way, context.screen).await;
    if !arguments.json {
        match &edited {
            // There is nobody who could be met otherwise.
            Some(Edited::Compared(told)) if told["customers"] == 0 && !arguments.diff => {}
            Some(Edited::Compared(told)) => {
                let changes = diff::changes(told, context.screen);
                screen.say(&format!("{changes}\n"))?;
            }
            // Bad files are told by the reload itself.
            Some(Edited::Not { bad_files, .. }) if *bad_files && !arguments.diff => {}
            Some(Edited::Not { why, .. }) => {
                screen.complain(&format!("who is met otherwise is not known: {why}"));
            }
            None => {}
        }
    }
    let quick = arguments.no_diff && !arguments.edits;
    let mut done = way.post("/reload", &json!({ "quick": quick })).await?;
    match edited {
        Some(Edited::Compared(told)) => done["compared"] = told,
        Some(Edited::Not { why, .. }) => done["not_compared"] = why.into(),
        None => {}
    }
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
