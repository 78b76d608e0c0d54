//! `reveille cancel`: ends a campaign for good.

use super::Context;
use super::failure::Failure;
use super::way::{Need, through, who};
use serde_json::json;

#[derive(clap::Args)]
#[command(after_help = "\
Open entries leave and waiting messages are dropped; each is told in the log (\"left: the campaign
was cancelled\") as a walk over all customers comes by. Nothing more begins once the command
returns. There is no way back: to start it anew, give its file another name. `reveille pause` is
the gentle way.

Example:
  reveille cancel welcome --yes")]
pub struct Arguments {
    campaign: String,
    /// Don't ask
    #[arg(long)]
    yes: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let name = &arguments.campaign;
    let question = format!("Cancel {name} for good?");
    if !arguments.yes && !context.screen.confirm(&question) {
        return Err(Failure::Failed {
            what: "nothing was cancelled".into(),
            hint: format!("`reveille cancel {name} --yes` does it without asking"),
        });
    }
    through(context, Need::Change, async |way| {
        let order = json!({ "id": name, "by": who() });
        let done = way.post("/campaign/cancel", &order).await?;
        if arguments.json {
            return Ok(context.screen.json(&done)?);
        }
        Ok(context.screen.say(&format!("cancelled: {name}"))?)
    })
    .await
}
