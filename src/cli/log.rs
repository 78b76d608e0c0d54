//! `reveille log`: the send log.

use super::Context;
use super::failure::Failure;
use super::screen::{Screen, plain};
use super::table::clipped;
use super::way::{Need, each_line, query, request, through};
use crate::domain::ledger::Reason;
use axum::http::Method;
use serde_json::Value;

#[derive(clap::Args)]
#[command(after_help = "\
A row is a decision: entered, waiting, attempting, retrying, accepted, refused, uncertain,
dropped, held_out, expired, bounced, left; skipped or done for a step; then opened, clicked,
unsubscribed, goal; with its reason. Times are UTC.

Examples:
  reveille log
  reveille log --customer c-1001
  reveille log --consents --customer c-1001
  reveille log --campaign welcome --status dropped --since 2026-03-01T00:00:00Z
  reveille log --all --json | jq -r 'select(.status == \"accepted\") | .campaign' | sort | uniq -c")]
pub struct Arguments {
    /// Only this customer (the shop's id)
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// Only this campaign
    #[arg(long, value_name = "NAME")]
    campaign: Option<String>,
    /// Only the message with this Message-ID
    #[arg(long, value_name = "ID")]
    message_id: Option<String>,
    /// Only rows of this status
    #[arg(long)]
    status: Option<String>,
    /// Only rows at or after this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only rows before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// The consent ledger instead: every change of consent, with how it was told
    #[arg(long, conflicts_with_all = ["campaign", "message_id", "status"])]
    consents: bool,
    /// The last so many rows [default: 50, or all with --json]
    #[arg(long, short = 'n', value_name = "N", conflicts_with = "all")]
    limit: Option<usize>,
    /// All rows
    #[arg(long)]
    all: bool,
    /// Print one JSON object a row: time, message_id, customer, campaign, step, variant, status, reason, detail, attempt, goal_until, value
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let limit = match (arguments.limit, arguments.all || arguments.json) {
        (Some(limit), _) => Some(limit),
        (None, true) => None,
        (None, false) => Some(50),
    };
    let limit = limit.map(|l| l.to_string());
    let path = query(
        if arguments.consents {
            "/consents"
        } else {
            "/log"
        },
        &[
            ("customer", arguments.customer.as_deref()),
            ("campaign", arguments.campaign.as_deref()),
            ("message_id", arguments.message_id.as_deref()),
            ("status", arguments.status.as_deref()),
            ("since", arguments.since.as_deref()),
            ("until", arguments.until.as_deref()),
            ("limit", limit.as_deref()),
        ],
    );
    let screen = context.screen;
    if arguments.consents {
        return through(context, Need::Look, async |way| {
            let rows = way.get(&path).await?;
            Ok(screen.rows(&rows, arguments.json, consents)?)
        })
        .await;
    }
    through(context, Need::Look, async |way| {
        let response = way.send(request(Method::GET, &path, None)).await?;
        let mut rows = 0u64;
        each_line(response.into_body(), |line| {
            rows += 1;
            if arguments.json {
                return Ok(screen.say(&String::from_utf8_lossy(line))?);
            }
            let row: Value = serde_json::from_slice(line)
                .map_err(|e| Failure::failed(format!("a row was not understood: {e}")))?;
            Ok(screen.say(&shown(&row, screen))?)
        })
        .await?;
        if rows == 0 && !arguments.json {
            screen.say("no rows")?;
        }
        Ok(())
    })
    .await
}

/// Two lines a row of the consent ledger: who and what; then how it was told.
fn consents(rows: &[Value], screen: Screen) -> String {
    if rows.is_empty() {
        return "no rows".to_owned();
    }
    let lines = rows.iter().map(|row| {
        let text = |key: &str| plain(row[key].as_str().unwrap_or_default());
        let topic = row["topic"].as_str().unwrap_or("advertising");
        let head = format!(
            "{}  {:<9} {}  {}",
            short(&text("told")),
            text("state"),
            clipped(&text("customer"), 20),
            plain(topic),
        );
        let more = [
            ("from", "address"),
            ("by", "campaign"),
            ("wording:", "wording"),
        ]
        .map(|(word, key)| match text(key) {
            none if none.is_empty() => none,
            text => format!(", {word} {text}"),
        });
        let told = clipped(&format!("{}{}", text("source"), more.concat()), 100);
        format!(
            "{head}\n{}",
            screen.faint(&format!("                     {told}"))
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Two lines a row: who and what; then why, where there is something to say.
fn shown(row: &Value, screen: Screen) -> String {
    let text = |key: &str| row[key].as_str().unwrap_or_default();
    let step = match text("step") {
        "" => text("campaign").to_owned(),
        step => format!("{}/{step}", text("campaign")),
    };
    let status = text("status");
    let dressed = match status {
        "accepted" => screen.green(status),
        "dropped" | "refused" | "uncertain" | "bounced" | "expired" => screen.yellow(status),
        _ => status.to_owned(),
    };
    let pad = " ".repeat(14usize.saturating_sub(status.len()));
    let head = format!(
        "{}  {dressed}{pad}{}  {}",
        short(text("time")),
        clipped(text("customer"), 20),
        clipped(&step, 26),
    );
    let reason = why(text("reason"));
    let detail = match text("detail") {
        "" => reason,
        detail => format!("{reason}: {detail}"),
    };
    format!(
        "{head}\n{}",
        screen.faint(&format!("                     {}", clipped(&detail, 100)))
    )
}

/// A reason's sentence; the code where this version does not know it.
pub fn why(code: &str) -> String {
    let known = Reason::ALL.iter().find(|r| r.code() == code);
    known.map_or(code, |r| r.text()).to_owned()
}

/// `2026-03-01T09:00:00.123Z` as `2026-03-01 09:00:00`.
pub fn short(time: &str) -> String {
    let time: String = time.chars().take(19).collect();
    time.replace('T', " ")
}
