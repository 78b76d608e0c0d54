//! `reveille pause`: from when it returns, nothing of what was named leaves that is not leaving already.

use super::Context;
use super::failure::Failure;
use super::way::{Need, through, who};
use crate::domain::preference::Class;
use serde_json::{Value, json};

#[derive(clap::Args)]
#[command(after_help = "\
In force when the command returns, for every message whose attempt has not begun; kept over
restarts. Waits run on: what has expired when it is resumed is dropped.

Examples:
  reveille pause welcome
  reveille pause --class advertising
  reveille pause --all")]
pub struct Arguments {
    #[command(flatten)]
    scope: Scope,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What a pause or resume speaks of.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub struct Scope {
    /// This campaign
    pub campaign: Option<String>,
    /// All messages of a class: advertising, informational, transactional
    #[arg(long, value_parser = class)]
    pub class: Option<Class>,
    /// Everything
    #[arg(long)]
    pub all: bool,
}

fn class(text: &str) -> Result<Class, String> {
    [
        Class::Advertising,
        Class::Informational,
        Class::Transactional,
    ]
    .into_iter()
    .find(|c| c.as_str() == text)
    .ok_or_else(|| "write advertising, informational or transactional".to_owned())
}

impl Scope {
    pub fn to_json(&self) -> Value {
        json!({
            "campaign": self.campaign,
            "class": self.class.map(Class::as_str),
            "all": self.all,
            "by": who(),
        })
    }

    /// For people.
    pub fn words(&self) -> String {
        match (&self.campaign, self.class) {
            (Some(campaign), _) => format!("campaign {campaign}"),
            (None, Some(class)) => format!("every {} message", class.as_str()),
            (None, None) => "everything".to_owned(),
        }
    }

    /// The arguments as they would be typed.
    pub fn typed(&self) -> String {
        match (&self.campaign, self.class) {
            (Some(campaign), _) => campaign.clone(),
            (None, Some(class)) => format!("--class {}", class.as_str()),
            (None, None) => "--all".to_owned(),
        }
    }
}

pub async fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    through(context, Need::Change, async |way| {
        let done = way.post("/pause", &arguments.scope.to_json()).await?;
        if arguments.json {
            return Ok(context.screen.json(&done)?);
        }
        Ok(context.screen.say(&format!(
            "paused: {}; `reveille resume {}` lets it go on",
            arguments.scope.words(),
            arguments.scope.typed()
        ))?)
    })
    .await
}
