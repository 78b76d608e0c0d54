//! `reveille report`: opens, clicks, who left and who reached the goal, by campaign, variant or hour.

use super::Context;
use super::failure::Failure;
use super::screen::{Screen, plain};
use super::table::Table;
use super::way::{Need, query, through};
use serde_json::Value;

#[derive(clap::Subcommand)]
#[command(after_help = "\
Opened and clicked are by people, as far as can be told; what machines alone opened
stands apart. Rates are of the mails delivered, with their 95 % interval; of fewer than
30 they tell too little, and the report says so. Where a campaign has a goal, its rate is of
customers, beside those held out. docs/reports.md says what counts.

Examples:
  reveille report campaigns --since 30d
  reveille report variants --json | jq '.groups[] | {variant, opened: .opened.rate}'")]
pub enum Arguments {
    /// By campaign
    #[command(after_help = "Example:\n  reveille report campaigns --since 30d")]
    Campaigns(Which),
    /// By step and variant, with which does better
    #[command(after_help = "Example:\n  reveille report variants")]
    Variants(Which),
    /// By the weekday and hour at which it reached its recipient, on their own clock
    #[command(after_help = "Example:\n  reveille report hours --since 90d")]
    Hours(Which),
}

#[derive(clap::Args)]
pub struct Which {
    /// Only mails sent since this time (RFC 3339), or so long ago (30d)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let (by, which) = match arguments {
        Arguments::Campaigns(which) => ("campaigns", which),
        Arguments::Variants(which) => ("variants", which),
        Arguments::Hours(which) => ("hours", which),
    };
    let since = which.since.as_deref();
    let path = query("/report", &[("by", Some(by)), ("since", since)]);
    let screen = context.screen;
    through(context, Need::Look, async |way| {
        let answer = way.get(&path).await?;
        if which.json {
            return Ok(screen.json(&answer)?);
        }
        let groups = answer["groups"].as_array().map_or(&[][..], Vec::as_slice);
        let text = match (groups, arguments) {
            ([], _) => "no mail was sent in that time".to_owned(),
            (groups, Arguments::Hours(_)) => hours(groups, screen),
            (groups, _) => blocks(groups, &answer["verdicts"], screen),
        };
        Ok(screen.say(&text)?)
    })
    .await
}

/// A block a group: one rate a line.
fn blocks(groups: &[Value], verdicts: &Value, screen: Screen) -> String {
    let lines = [
        ("delivered", "delivered"),
        ("opened", "opened"),
        ("machine_only", "by machines only"),
        ("clicked", "clicked"),
        ("unsubscribed", "unsubscribed"),
    ];
    let mut parts = Vec::new();
    for group in groups {
        let named = ["campaign", "step", "variant"].map(|key| group[key].as_str());
        let name: Vec<&str> = named.into_iter().flatten().collect();
        let mut text = screen.bold(&plain(&name.join("/")));
        text.push_str(&format!("\n  {:<18}{}", "sent", group["sent"]));
        for (key, label) in lines {
            let rate = group[key]["text"].as_str().unwrap_or_default();
            text.push_str(&format!("\n  {label:<18}{rate}"));
        }
        text.push_str(&goal(&group["goal"]));
        parts.push(text);
    }
    for verdict in verdicts.as_array().into_iter().flatten() {
        let text = |key: &str| plain(verdict[key].as_str().unwrap_or_default());
        parts.push(format!(
            "{}/{}: {}",
            text("campaign"),
            text("step"),
            text("text")
        ));
    }
    parts.join("\n\n")
}

/// What the group brought about, where its campaign has a goal.
fn goal(goal: &Value) -> String {
    let mut text = String::new();
    let mut line = |label: &str, said: &str| text.push_str(&format!("\n  {label:<18}{said}"));
    if !goal.is_object() {
        return text;
    }
    let reached = &goal["written_to"];
    let value = reached["value"].as_f64().unwrap_or_default();
    let worth = match value == 0.0 {
        true => String::new(),
        false => format!(", value {value}"),
    };
    line("goals", &format!("{}{worth}", reached["goals"]));
    let said = |arm: &str| (goal[arm]["converted"]["text"].as_str()).unwrap_or_default();
    line("converted", said("written_to"));
    if let Some(lift) = goal["lift"]["text"].as_str() {
        line("held out", said("held_out"));
        line("lift", lift);
    }
    let in_control = |key: &str| goal["control"][key].as_u64();
    if in_control("goals").unwrap_or(0) > 0 || goal["control"]["converted"]["of"] != 0 {
        line("control group", said("control"));
    }
    text
}

fn hours(groups: &[Value], screen: Screen) -> String {
    let mut table = Table::new(&["WHEN", "SENT", "OPENED", "CLICKED"]);
    for group in groups {
        let day = group["weekday"].as_str().unwrap_or_default();
        let hour = group["hour"].as_u64().unwrap_or_default();
        let short = |key: &str| short(&group[key]);
        table.row(vec![
            format!("{day} {hour:02}:00"),
            group["sent"].to_string(),
            short("opened"),
            short("clicked"),
        ]);
    }
    table.render(&screen)
}

/// `24.0 % (18.0 to 31.2)`, or that it tells too little.
fn short(rate: &Value) -> String {
    let percent = |key: &str| rate[key].as_f64().unwrap_or_default() * 100.0;
    match rate["tells"].as_bool() {
        Some(true) => format!(
            "{:.1} % ({:.1} to {:.1})",
            percent("rate"),
            percent("low"),
            percent("high")
        ),
        _ => format!("{} of {}: too few", rate["count"], rate["of"]),
    }
}

#[cfg(test)]
mod tests {
    use super::goal;
    use serde_json::{Value, json};

    #[test]
    fn a_goal_is_told_with_what_there_is_of_it() {
        let arm = |goals: u64, of: u64| {
            let converted = json!({ "of": of, "text": format!("{goals} of {of}") });
            json!({ "goals": goals, "value": goals as f64 * 2.5, "converted": converted })
        };
        assert_eq!(goal(&Value::Null), "");
        let told = json!({
            "written_to": arm(0, 0), "held_out": arm(0, 0), "control": arm(0, 0), "lift": null,
        });
        assert_eq!(
            goal(&told),
            "\n  goals             0\n  converted         0 of 0"
        );
        let told = json!({
            "written_to": arm(9, 100), "held_out": arm(1, 40), "control": arm(0, 3),
            "lift": { "text": "+6.5 points" },
        });
        assert_eq!(
            goal(&told),
            "\n  goals             9, value 22.5\n  converted         9 of 100\n  held out          1 of 40\n  lift              +6.5 points\n  control group     0 of 3"
        );
    }
}
