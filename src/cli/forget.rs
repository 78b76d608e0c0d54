//! `reveille customer forget`: a customer goes at once, and with `--now` the bytes in the store's files too.

use super::Context;
use super::failure::Failure;
use super::log::short;
use super::screen::{Screen, counted};
use super::table::Table;
use super::way::{Need, Way, each_line, request, through, who};
use axum::http::Method;
use serde_json::{Value, json};

#[derive(clap::Args)]
#[command(after_help = "\
At once, over restarts too: the profile, consents, messages that wait, and the id itself. Keyed
hashes of id and address stay, so that no later import or event brings the customer back, and the
address is suppressed until somebody there consents anew. What events, mails and log rows leave in
the store's files goes once a day while the daemon runs, or with --now; so do snapshots and the
journal, so a restore to an instant before it is possible from backups only. What lies outside the
store (backups, the mail folder, the shop's own systems) is not touched.

Examples:
  reveille customer forget c-1001
  reveille customer forget c-1001 --yes --now --json
  reveille customer forget --pending           # what is still to be erased
  reveille customer forget --pending --now     # erase it")]
pub struct Arguments {
    /// The shop's id
    #[arg(required_unless_present = "pending", conflicts_with = "pending")]
    id: Option<String>,
    /// Nobody new: those who were forgotten, and whose bytes are still to be erased
    #[arg(long)]
    pending: bool,
    /// Erase the bytes now
    #[arg(long)]
    now: bool,
    /// Don't ask
    #[arg(long)]
    yes: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let screen = context.screen;
    let Some(id) = &arguments.id else {
        return match arguments.now {
            true => {
                through(context, Need::Change, async |way| {
                    let passed = erase(way, screen).await?;
                    tell(arguments, &Value::Null, Some(&passed), screen)
                })
                .await
            }
            false => {
                through(context, Need::Look, async |way| {
                    list(way, arguments, screen).await
                })
                .await
            }
        };
    };
    if !arguments.yes {
        screen.complain(&format!(
            "Everything that is kept of customer {id} goes, and of whoever was merged into them. There is no way back."
        ));
        if !screen.confirm("Go on?") {
            return Err(Failure::Failed {
                what: "nothing was changed".into(),
                hint: "`--yes` does it without asking".into(),
            });
        }
    }
    through(context, Need::Change, async |way| {
        let order = json!({ "id": id, "by": who() });
        let forgot = way.post("/customer/forget", &order).await?;
        let passed = match arguments.now {
            true => Some(erase(way, screen).await?),
            false => None,
        };
        tell(arguments, &forgot, passed.as_ref(), screen)
    })
    .await
}

/// Runs the pass, with progress; what it came to, or null where there was nothing to do.
async fn erase(way: &mut Way, screen: Screen) -> Result<Value, Failure> {
    let response = way.send(request(Method::POST, "/erasures", None)).await?;
    let bar = screen.progress(0, "erasing");
    let mut last = Value::Null;
    each_line(response.into_body(), |line| {
        let told: Value = serde_json::from_slice(line)
            .map_err(|e| Failure::failed(format!("the daemon's answer was not understood: {e}")))?;
        if let Some(doing) = told["doing"].as_str() {
            bar.set_message(doing.to_owned());
            bar.set_length(told["of"].as_u64().unwrap_or(0));
            bar.set_position(told["done"].as_u64().unwrap_or(0));
        } else {
            last = told;
        }
        Ok(())
    })
    .await?;
    bar.finish_and_clear();
    match last.get("passed") {
        Some(passed) => Ok(passed.clone()),
        None => Err(Failure::Store {
            what: match last["error"].as_str() {
                Some(error) => format!("the bytes could not be erased: {error}"),
                None => "the daemon broke the erasing off".to_owned(),
            },
            hint: "who was forgotten stays forgotten; `reveille customer forget --pending --now` tries again"
                .into(),
        }),
    }
}

fn tell(
    arguments: &Arguments,
    forgot: &Value,
    passed: Option<&Value>,
    screen: Screen,
) -> Result<(), Failure> {
    if arguments.json {
        let done = json!({
            "already": forgot["already"] == true,
            "forgot": forgot["forgot"],
            "erased": passed.is_some(),
            "pass": passed,
        });
        return Ok(screen.json(&done)?);
    }
    if forgot["already"] == true {
        screen.say("this customer was forgotten already")?;
    } else if forgot["forgot"].is_object() {
        let merged = forgot["forgot"]["numbers"].as_array().map_or(0, Vec::len);
        let with = match merged {
            0 | 1 => String::new(),
            more => format!(", with {} merged into them", more - 1),
        };
        screen.say(&format!(
            "forgotten{with}: nothing happens to them any more"
        ))?;
        let others = forgot["forgot"]["shared_with"].as_array().into_iter();
        let others: Vec<&str> = others.flatten().filter_map(Value::as_str).collect();
        if !others.is_empty() {
            screen.say(&format!(
                "an address of theirs is another customer's, too ({}): it is suppressed until they consent anew",
                others.join(", ")
            ))?;
        }
    }
    let number = |passed: &Value, key: &str| passed[key].as_u64().unwrap_or(0);
    let said = match passed {
        Some(Value::Null) => "there was nothing to erase".to_owned(),
        Some(passed) => format!(
            "erased: {}, {} of the journal, {}",
            counted(number(passed, "rows"), "row", "rows"),
            counted(number(passed, "journal_files"), "file", "files"),
            counted(
                number(passed, "snapshots"),
                "older snapshot",
                "older snapshots"
            ),
        ),
        None => {
            "their bytes are erased by the daemon within a day, or at once with --now".to_owned()
        }
    };
    Ok(screen.say(&said)?)
}

async fn list(way: &mut Way, arguments: &Arguments, screen: Screen) -> Result<(), Failure> {
    let all = way.get("/erasures").await?;
    let pending = all.as_array().into_iter().flatten();
    let pending: Vec<Value> = pending.filter(|e| e["erased"] == false).cloned().collect();
    Ok(screen.rows(&Value::from(pending), arguments.json, table)?)
}

fn table(rows: &[Value], screen: Screen) -> String {
    if rows.is_empty() {
        return "nothing is to be erased".to_owned();
    }
    let mut table = Table::new(&["forgotten", "numbers"]);
    for row in rows {
        let at = short(row["at"].as_str().unwrap_or_default());
        let numbers = row["numbers"].as_array().into_iter().flatten();
        let numbers: Vec<String> = numbers.map(Value::to_string).collect();
        table.row(vec![at, numbers.join(", ")]);
    }
    table.render(&screen)
}
