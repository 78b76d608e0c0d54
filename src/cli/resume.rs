//! `reveille resume`: lifts a pause; with `--all` also a hold, after showing what would leave.

use super::Context;
use super::failure::Failure;
use super::held;
use super::pause::Scope;
use super::screen::{Screen, counted, grouped};
use super::table::Table;
use super::way::{Need, Way, through};
use serde_json::Value;

#[derive(clap::Args)]
#[command(after_help = "\
After a restore, or when the clock was not what it should be, sending is held: `reveille resume
--all` shows what would leave and asks before it lets it go (--yes says so beforehand). It also
takes imports that were broken off as ended. A campaign that would let in more than [safety]
at_once at its next occurrence, for what gathered meanwhile, is named and waits for `reveille
campaign approve`.

Examples:
  reveille resume welcome
  reveille resume --all
  reveille resume --all --yes")]
pub struct Arguments {
    #[command(flatten)]
    scope: Scope,
    /// Don't ask
    #[arg(long)]
    yes: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    through(context, Need::Change, async |way| {
        if arguments.scope.all && !arguments.yes {
            look_first(way, context.screen).await?;
        }
        let done = way.post("/resume", &arguments.scope.to_json()).await?;
        if arguments.json {
            return Ok(context.screen.json(&done)?);
        }
        let released = done["released"].as_u64().unwrap_or(0);
        let came_back = match released {
            0 => "no message was waiting for it".to_owned(),
            n => format!(
                "the messages of {} may go again",
                counted(n, "customer", "customers")
            ),
        };
        let mut lines = vec![format!("resumed: {}; {came_back}", arguments.scope.words())];
        lines.extend(held::held(&done["held"], context.screen));
        Ok(context.screen.say(&lines.join("\n"))?)
    })
    .await
}

/// Shows what waits, and asks.
async fn look_first(way: &mut Way, screen: Screen) -> Result<(), Failure> {
    let waiting = way.get("/waiting").await?;
    if let Some(why) = waiting["held"].as_str() {
        screen.complain(&format!("sending is held: {why}"));
    }
    screen.complain(&leaving(&waiting, screen));
    if screen.confirm("Let it go?") {
        return Ok(());
    }
    Err(Failure::Failed {
        what: "nothing was resumed".into(),
        hint: "`reveille resume --all --yes` does it without asking".into(),
    })
}

/// What would leave, by campaign.
pub fn leaving(waiting: &Value, screen: Screen) -> String {
    let empty = Vec::new();
    let rows = waiting["campaigns"].as_array().unwrap_or(&empty);
    if rows.is_empty() {
        return "no message is waiting to leave".to_owned();
    }
    let mut table = Table::new(&["campaign", "now", "within a day", "later", "earliest (UTC)"]);
    let number = |v: &Value| grouped(v.as_u64().unwrap_or(0));
    for row in rows {
        table.row(vec![
            row["campaign"].as_str().unwrap_or_default().to_owned(),
            number(&row["now"]),
            number(&row["day"]),
            number(&row["later"]),
            super::log::short(row["earliest"].as_str().unwrap_or_default()),
        ]);
    }
    format!("messages that would leave:\n{}", table.render(&screen))
}
