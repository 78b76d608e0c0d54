//! `reveille campaign`: list, show, approve.

use super::Context;
use super::failure::Failure;
use super::held;
use super::log::short;
use super::screen::{Screen, counted, grouped, plain};
use super::standings;
use super::table::Table;
use super::way::{Need, query, through, who};
use serde_json::{Value, json};

#[derive(clap::Subcommand)]
pub enum Arguments {
    /// List all campaigns and how they stand
    #[command(after_help = "Example:\n  reveille campaign list")]
    List {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show one campaign
    #[command(after_help = "\
Examples:
  reveille campaign show wake_dormant
  reveille campaign show welcome --counts")]
    Show {
        /// Its file's name without .toml
        name: String,
        /// Count how many stand before each step, and until when; reads every customer
        #[arg(long)]
        counts: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Let a campaign start that would enter many customers at once
    #[command(after_help = "\
Holds for this version of the file's audience; who gave it is logged.

Example:
  reveille campaign show wake_dormant
  reveille campaign approve wake_dormant")]
    Approve {
        /// Its file's name without .toml
        name: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let screen = context.screen;
    match arguments {
        Arguments::List { json } => {
            through(context, Need::Look, async |way| {
                let answer = way.get("/campaigns").await?;
                match json {
                    true => Ok(screen.json(&answer)?),
                    false => Ok(screen.say(&list(&answer, screen))?),
                }
            })
            .await
        }
        Arguments::Show { name, counts, json } => {
            let path = query("/campaign", &[("id", Some(&name))]);
            through(context, Need::Look, async |way| {
                let mut answer = way.get(&path).await?;
                if counts {
                    answer["standing"] = standings::ask(way, &name, screen).await?;
                }
                match json {
                    true => Ok(screen.json(&answer)?),
                    false => Ok(screen.say(&show(&answer, screen))?),
                }
            })
            .await
        }
        Arguments::Approve { name, json } => {
            let order = json!({ "id": name, "by": who() });
            through(context, Need::Change, async |way| {
                let answer = way.post("/campaign/approve", &order).await?;
                match json {
                    true => Ok(screen.json(&answer)?),
                    false if answer["still_waits"] == true => Ok(screen.say(&format!(
                        "approved: {name}. The edit of its steps waits for an approval of its own: reveille campaign show {name}"
                    ))?),
                    false => Ok(screen.say(&format!("approved: {name}"))?),
                }
            })
            .await
        }
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list(answer: &Value, screen: Screen) -> String {
    let empty = Vec::new();
    let campaigns = answer["campaigns"].as_array().unwrap_or(&empty);
    let mut out = String::new();
    if let Some(why) = answer["held"].as_str() {
        out = format!("{}\n\n", screen.yellow(&format!("sending is held: {why}")));
    }
    for line in held::imports(&answer["imports"], screen) {
        out.push_str(&format!("{line}\n\n"));
    }
    for line in super::coupon::low(&answer["pools"], screen) {
        out.push_str(&format!("{line}\n\n"));
    }
    if let Some(count) = answer["poisonous"].as_u64().filter(|n| *n > 0) {
        let customers = counted(count, "customer", "customers");
        let line =
            format!("{customers} could not be worked on: `reveille customer poisonous` says why");
        out.push_str(&format!("{}\n\n", screen.yellow(&line)));
    }
    if campaigns.is_empty() {
        return out + "there are no campaigns";
    }
    let mut table = Table::new(&["campaign", "class", "due", "next (UTC)", "stands"]);
    for campaign in campaigns {
        table.row(vec![
            text(campaign, "id").to_owned(),
            text(campaign, "class").to_owned(),
            campaign["due"].as_u64().map(grouped).unwrap_or_default(),
            short(text(&campaign["next"], "at"))
                .chars()
                .take(16)
                .collect(),
            stands(campaign),
        ]);
    }
    out + &table.render(&screen)
}

/// The phase in a few words, and what is wrong with the file.
fn stands(campaign: &Value) -> String {
    let phase = &campaign["phase"];
    let number = |key: &str| grouped(phase[key].as_u64().unwrap_or(0));
    let words = match text(phase, "is") {
        "live" if text(campaign, "state") == "test" => "live for test customers".to_owned(),
        "walking" => format!("walking: {} of {}", number("done"), number("of")),
        "awaiting_approval" => format!("waits for approval ({})", number("customers")),
        "importing" => "waits for an import to end".to_owned(),
        "paused" => match text(phase, "what") {
            "" | "campaign" => "paused".to_owned(),
            what => format!("paused ({what})"),
        },
        "tripped" => format!("has paused itself: {}", text(phase, "why")),
        "missing" => "its file is gone: paused".to_owned(),
        "broken" => "its file is bad: `reveille check`".to_owned(),
        other => other.to_owned(),
    };
    match text(campaign, "file") {
        "last_good" => format!("{words}; its file is bad, the last good version goes on"),
        _ => words,
    }
}

fn show(campaign: &Value, screen: Screen) -> String {
    let mut out = screen.bold(&format!(
        "{} ({})",
        plain(text(campaign, "name")),
        text(campaign, "id")
    ));
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            out.push_str(&format!("\n  {name:<8} {}", plain(value)));
        }
    };
    line("stands", &stands(campaign));
    line("since", &short(text(&campaign["phase"], "since")));
    line("class", text(campaign, "class"));
    line("topic", text(campaign, "topic"));
    line("owner", text(campaign, "owner"));
    line("starts", text(campaign, "start"));
    let none = Vec::new();
    let steps = campaign["steps"].as_array().unwrap_or(&none);
    let standing = &campaign["standing"];
    let told = steps.len() > 1 || standing.is_object();
    for (n, step) in steps.iter().enumerate().filter(|_| told) {
        let name = format!("step {}", n + 1);
        line(
            &name,
            &format!("\"{}\": {}", text(step, "id"), text(step, "does")),
        );
        for words in standings::of_step(standing, text(step, "id")) {
            line("", &words);
        }
    }
    for gone in standings::gone(standing) {
        line("step", &format!("\"{gone}\": no longer in the file"));
        for words in standings::of_step(standing, gone) {
            line("", &words);
        }
    }
    if standing.is_object() {
        let number = |key: &str| standing[key].as_u64().unwrap_or(0);
        let all = counted(number("customers"), "customer", "customers");
        let under_way = grouped(number("under_way"));
        line("counted", &format!("{under_way} of {all} under way"));
    }
    let next = &campaign["next"];
    if next.is_object() {
        let whose = match next["own_clock"] == true {
            true => "on each customer's own clock; first ",
            false => "",
        };
        line(
            "next",
            &format!(
                "{whose}{} UTC ({} in {})",
                short(text(next, "at")),
                short(text(next, "local")),
                text(next, "zone")
            ),
        );
    }
    if let Some(due) = campaign["due"].as_u64() {
        line("due", &counted(due, "customer", "customers"));
    }
    let empty = Vec::new();
    let examples = campaign["phase"]["examples"].as_array().unwrap_or(&empty);
    if !examples.is_empty() {
        let names: Vec<&str> = examples.iter().filter_map(Value::as_str).collect();
        line("such as", &names.join(", "));
        let name = text(campaign, "id");
        let edit = text(&campaign["phase"], "edit");
        let lets = match edit.is_empty() {
            true => "lets them enter",
            false => "lets them go on; until then they stay where they are",
        };
        if !edit.is_empty() {
            out.push_str(&format!("\n\n  {}", plain(edit)));
        }
        out.push_str(&format!("\n\n  `reveille campaign approve {name}` {lets}"));
    }
    if text(&campaign["phase"], "is") == "tripped" {
        let name = text(campaign, "id");
        out.push_str(&format!(
            "\n\n  `reveille resume {name}` lets it go on, counted anew"
        ));
    }
    for problem in campaign["problems"].as_array().unwrap_or(&empty) {
        out.push_str(&format!(
            "\n  {}: {}",
            screen.yellow(text(problem, "severity")),
            plain(text(problem, "text"))
        ));
    }
    out
}
