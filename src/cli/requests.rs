//! `reveille customer requests`: what shops have asked for their customers, and that one was done.

use super::Context;
use super::failure::Failure;
use super::log::short;
use super::screen::{Screen, plain};
use super::table::Table;
use super::way::{Need, through};
use serde_json::{Value, json};

#[derive(clap::Args)]
#[command(after_help = "\
Shops pass on what customers have a right to: to be forgotten, and a copy of what is kept of them.
Each stays listed until it is done. `reveille customer forget ID` closes all of that customer by
itself; say --done after a copy was handed over, or where nothing is kept of the customer.

Examples:
  reveille customer requests
  reveille customer export c-1001 > c-1001.json
  reveille customer requests --done 5f0c2a9e71d4")]
pub struct Arguments {
    /// This request was done
    #[arg(long, value_name = "ID")]
    done: Option<String>,
    /// Print one JSON object a request
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let screen = context.screen;
    match &arguments.done {
        None => {
            through(context, Need::Look, async |way| {
                let rows = way.get("/requests").await?;
                Ok(screen.rows(&rows, arguments.json, table)?)
            })
            .await
        }
        Some(request) => {
            through(context, Need::Change, async |way| {
                let order = json!({ "request": request });
                let answer = way.post("/requests/done", &order).await?;
                match arguments.json {
                    true => Ok(screen.json(&answer)?),
                    false => Ok(screen.say(&format!("request {request} is closed"))?),
                }
            })
            .await
        }
    }
}

fn table(rows: &[Value], screen: Screen) -> String {
    if rows.is_empty() {
        return "no shop asks for anything".to_owned();
    }
    let mut table = Table::new(&["request", "asked", "webhook", "customer", "what to run"]);
    for row in rows {
        let text = |key: &str| plain(row[key].as_str().unwrap_or_default());
        let customer = match row["customer"].as_str() {
            Some(id) => plain(id),
            None => "-".to_owned(),
        };
        let kept = row["number"].is_u64();
        let to_run = match (row["asked"].as_str(), kept) {
            (Some("forget"), true) => format!("reveille customer forget {customer}"),
            (Some("export"), true) => format!("reveille customer export {customer}, then --done"),
            (Some("forget-shop"), _) => {
                "remove the webhook, forget its customers, then --done".to_owned()
            }
            _ => "nothing is kept of this customer: --done".to_owned(),
        };
        let asked = short(row["at"].as_str().unwrap_or_default());
        table.row(vec![
            text("request"),
            asked,
            text("webhook"),
            customer,
            to_run,
        ]);
    }
    table.render(&screen)
}
