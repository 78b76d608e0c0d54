//! `reveille test-send`: a campaign's mails really sent, to somebody of the shop.

use super::Context;
use super::failure::Failure;
use super::screen::plain;
use super::way::{Need, through, who};
use super::which::Which;
use serde_json::{Map, Value, json};

#[derive(clap::Args)]
#[command(after_help = "\
By the step's transport, from the files as they are now: a draft too, whether a daemon runs or
not. The subject begins with [TEST], the field X-Reveille-Test says what it is, nothing in it is
followed, and its links to leave or choose lead to a page that says that this is a test. No
window, cap or pause stands against it, and no report counts it; `reveille log --status test`
shows it. An address that is outside `only_to`, or suppressed for anything but unsubscribing, is
refused.

Exits with 1 if one of them was not accepted.

Examples:
  reveille test-send wake_dormant --to me@shop.example
  reveille test-send cart_reminder --to me@shop.example --customer c-1042
  reveille test-send wake_dormant --to me@shop.example --variant gift --locale ko")]
pub struct Arguments {
    /// The campaign: its file's name without .toml
    #[arg(value_name = "CAMPAIGN")]
    campaign: String,
    /// Where it goes
    #[arg(long, value_name = "ADDRESS")]
    to: String,
    #[command(flatten)]
    which: Which,
    /// Print one JSON object a mail
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let asked = arguments.which.asked(Some(&arguments.campaign));
    let mails: Map<String, Value> = (asked.into_iter())
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let body = json!({ "to": arguments.to, "by": who(), "mails": mails });
    let sent = through(context, Need::Send, async |way| {
        way.post("/test-send", &body).await
    })
    .await?;
    let sent = sent.as_array().map_or(&[][..], Vec::as_slice);
    let screen = context.screen;
    for mail in sent {
        if arguments.json {
            screen.json(mail)?;
            continue;
        }
        let text = |key: &str| plain(mail[key].as_str().unwrap_or_default());
        let parts = [
            text("campaign"),
            text("step"),
            text("variant"),
            text("locale"),
        ];
        let name: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let became = match mail["accepted"].as_bool() {
            Some(true) => screen.green("accepted"),
            _ => screen.yellow(&text("reason")),
        };
        let (name, transport) = (name.join(" / "), text("transport"));
        screen.say(&format!(
            "{name}: {became} by {transport}: {}",
            text("detail")
        ))?;
    }
    match sent
        .iter()
        .all(|mail| mail["accepted"] == Value::Bool(true))
    {
        true => Ok(()),
        false => Err(Failure::failed("not every test mail was accepted")),
    }
}
