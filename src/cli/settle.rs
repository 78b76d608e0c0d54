//! `reveille settle`: messages of which it is not known whether they were delivered.

use super::Context;
use super::failure::Failure;
use super::log::short;
use super::screen::{Screen, counted, plain};
use super::way::{Need, through, who};
use serde_json::{Value, json};

#[derive(clap::Args)]
#[command(after_help = "\
A message is in doubt if the daemon was killed, or the connection broke, before the mail server's
answer to it was read. With [safety] in_doubt = \"resend\" it is sent again by itself; with \"hold\"
it waits for you. Look into the mail server's log for its Message-ID, then say which: --sent if it
was taken (nothing more is sent, and it counts in the customer's limits), --resend if it was not
(the same bytes with the same Message-ID, at the next instant that the customer's hours and limits
allow; dropped if its time is over).

Without a Message-ID all messages in doubt are listed.

Examples:
  reveille settle
  reveille settle 224.1.3f3b702c68ee933a@shop.example --resend
  reveille settle --json | jq -r 'select(.held) | .message_id'")]
pub struct Arguments {
    /// The message's Message-ID, as the list and the log have it
    #[arg(value_name = "MESSAGE_ID", requires = "word")]
    message_id: Option<String>,
    /// Send it again
    #[arg(long, group = "word", requires = "message_id")]
    resend: bool,
    /// Take it as sent
    #[arg(long, group = "word", requires = "message_id")]
    sent: bool,
    /// Print one JSON object a message
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let screen = context.screen;
    let Some(message_id) = &arguments.message_id else {
        return through(context, Need::Look, async |way| {
            let doubts = way.get("/doubts").await?;
            let empty = Vec::new();
            let doubts = doubts.as_array().unwrap_or(&empty);
            if arguments.json {
                for doubt in doubts {
                    screen.json(doubt)?;
                }
                return Ok(());
            }
            Ok(screen.say(&list(doubts, screen))?)
        })
        .await;
    };
    through(context, Need::Change, async |way| {
        let word = json!({ "message_id": message_id, "resend": arguments.resend, "by": who() });
        let done = way.post("/doubts/settle", &word).await?;
        if arguments.json {
            return Ok(screen.json(&done)?);
        }
        let what = match arguments.resend {
            true => "it is sent again as soon as the customer's hours and limits allow",
            false => "taken as sent",
        };
        Ok(screen.say(&format!("settled: {what}"))?)
    })
    .await
}

/// Message-IDs are there to be copied: one a line, whole.
fn list(doubts: &[Value], screen: Screen) -> String {
    if doubts.is_empty() {
        return "no message is in doubt".to_owned();
    }
    let held = doubts.iter().filter(|d| d["held"] == true).count();
    let mut lines = Vec::new();
    for doubt in doubts {
        let text = |key: &str| plain(doubt[key].as_str().unwrap_or_default());
        lines.push(screen.bold(&text("message_id")));
        lines.push(format!("  {} to {}", text("customer"), text("address")));
        let then = match doubt["held"] == true {
            true => "waits for you".to_owned(),
            false => format!("is sent again at {} UTC", short(&text("again"))),
        };
        lines.push(format!(
            "  {}/{}, in doubt since {} UTC, {then}",
            text("campaign"),
            text("step"),
            short(&text("since"))
        ));
        lines.push(screen.faint(&format!("  {}", text("why"))));
    }
    lines.push(String::new());
    lines.push(format!(
        "{} in doubt, {held} held; `reveille settle MESSAGE_ID --sent` or `--resend` settles one",
        counted(doubts.len() as u64, "message", "messages"),
    ));
    lines.join("\n")
}
