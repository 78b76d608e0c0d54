//! `reveille customer`: show, list, export, set, poisonous; forget and requests have files of their own.

use super::Context;
use super::failure::Failure;
use super::forget;
use super::log::short;
use super::requests;
use super::screen::{Screen, counted, plain};
use super::table::Table;
use super::way::{Need, query, through, who};
use axum::http::Method;
use serde_json::{Map, Value, json};

#[derive(clap::Subcommand)]
pub enum Arguments {
    /// Show all that is known of a customer
    #[command(after_help = "Example:\n  reveille customer show c-1001")]
    Show {
        /// The shop's id
        id: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List customers in the order of their ids
    #[command(after_help = "\
Examples:
  reveille customer list --limit 20
  reveille customer list --after c-1020 --json | jq -r .id")]
    List {
        /// Those behind this id
        #[arg(long, value_name = "ID")]
        after: Option<String>,
        /// At most so many
        #[arg(long, short = 'n', default_value_t = 20, value_name = "N")]
        limit: usize,
        /// Print one JSON object a customer
        #[arg(long)]
        json: bool,
    },
    /// Print everything that is kept of a customer: profile, consents, events, send log, sent mails
    #[command(after_help = "\
One JSON object, to be handed to the customer who asks what is known of them. Sent mails are there
as long as [retention] sent_copies keeps them.

Example:
  reveille customer export c-1001 > c-1001.json")]
    Export {
        /// The shop's id
        id: String,
    },
    /// Change a customer's address, preferences, consent, tags or attributes
    #[command(after_help = "\
Fields are those of an import: email, timezone, locale, window, caps, gap, pause_until, format,
consent, tags, created_at, test, and any attribute. A value that is JSON is taken as such (null
goes back to the shop's default, or removes an attribute); anything else is a text.

Examples:
  reveille customer set c-1001 timezone=Asia/Seoul 'window=Mon-Fri 18:00-22:00'
  reveille customer set c-1001 'caps=[\"2 per 7d\"]' gap=3d
  reveille customer set c-1001 pause_until=2026-09-01 first_name=Mina
  reveille customer set c-1001 unsubscribed=true")]
    Set {
        /// The shop's id
        id: String,
        /// field=value
        #[arg(required = true, value_name = "FIELD=VALUE")]
        fields: Vec<String>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Forget a customer: everything that is kept of them goes, for good
    Forget(forget::Arguments),
    /// List what shops have asked for their customers, and say what was done
    Requests(requests::Arguments),
    /// List customers of whom something could not be worked on, and why
    #[command(after_help = "\
Either the program met a defect, or something that is stored of the customer cannot be read;
everybody else is served. --json prints what a report needs: the cause (it holds what the customer
sent) and the text of the failure. An entry stays until it is cleared; what fails again is listed
again.

Examples:
  reveille customer poisonous
  reveille customer poisonous --json > report.jsonl
  reveille customer poisonous --clear c-1001")]
    Poisonous {
        /// Forget what is listed of this customer, once it is mended
        #[arg(long, value_name = "ID")]
        clear: Option<String>,
        /// Print one JSON object an entry
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let screen = context.screen;
    match arguments {
        Arguments::Show { id, json } => {
            let path = query("/customer", &[("id", Some(&id))]);
            through(context, Need::Look, async |way| {
                let view = way.get(&path).await?;
                match json {
                    true => Ok(screen.json(&view)?),
                    false => Ok(screen.say(&show(&view, screen))?),
                }
            })
            .await
        }
        Arguments::List { after, limit, json } => {
            let limit = limit.to_string();
            let path = query(
                "/customers",
                &[("after", after.as_deref()), ("limit", Some(&limit))],
            );
            through(context, Need::Look, async |way| {
                let rows = way.get(&path).await?;
                Ok(screen.rows(&rows, json, list)?)
            })
            .await
        }
        Arguments::Export { id } => {
            let path = query("/customer/export", &[("id", Some(&id))]);
            through(context, Need::Look, async |way| {
                Ok(screen.json(&way.get(&path).await?)?)
            })
            .await
        }
        Arguments::Requests(arguments) => requests::run(&arguments, context).await,
        Arguments::Forget(arguments) => forget::run(&arguments, context).await,
        Arguments::Poisonous { clear: None, json } => {
            through(context, Need::Look, async |way| {
                let rows = way.get("/customers/poisonous").await?;
                Ok(screen.rows(&rows, json, poisonous)?)
            })
            .await
        }
        Arguments::Poisonous {
            clear: Some(id),
            json,
        } => {
            let path = query("/customers/poisonous", &[("id", Some(&id))]);
            through(context, Need::Change, async |way| {
                let answer = way.ask(Method::DELETE, &path, None).await?;
                let count = answer["cleared"].as_u64().unwrap_or(0);
                match json {
                    true => Ok(screen.json(&answer)?),
                    false => Ok(screen.say(&format!(
                        "{} of {id} cleared",
                        counted(count, "entry", "entries")
                    ))?),
                }
            })
            .await
        }
        Arguments::Set { id, fields, json } => {
            let traits = read(&fields)?;
            let order = json!({ "id": id, "traits": traits, "by": who() });
            through(context, Need::Change, async |way| {
                let view = way.post("/customer", &order).await?;
                match json {
                    true => Ok(screen.json(&view)?),
                    false => Ok(screen.say(&format!("{id} was changed"))?),
                }
            })
            .await
        }
    }
}

/// `field=value` pairs; values that are JSON are taken as such.
fn read(fields: &[String]) -> Result<Map<String, Value>, Failure> {
    let mut traits = Map::new();
    for field in fields {
        let Some((name, value)) = field.split_once('=') else {
            return Err(Failure::Usage(format!(
                "{field:?} is not field=value, such as timezone=Asia/Seoul"
            )));
        };
        let value = match serde_json::from_str::<Value>(value) {
            // An id or a telephone number of digits only stays what was typed when it would lose its zeros; JSON refuses those.
            Ok(value) => value,
            Err(_) => Value::from(value),
        };
        traits.insert(name.trim().to_owned(), value);
    }
    Ok(traits)
}

fn list(rows: &[Value], screen: Screen) -> String {
    if rows.is_empty() {
        return "no customers".to_owned();
    }
    let mut table = Table::new(&["customer", "zone", "advertising", "open", "email"]);
    for row in rows {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        table.row(vec![
            text("id"),
            text("timezone"),
            match row["advertising"].as_str() {
                Some(word) => word.to_owned(),
                None => "unknown".to_owned(),
            },
            row["open"].to_string(),
            text("email"),
        ]);
    }
    table.render(&screen)
}

fn poisonous(rows: &[Value], screen: Screen) -> String {
    if rows.is_empty() {
        return "there is nothing that could not be worked on".to_owned();
    }
    let told = |row: &Value| {
        let who = match row["customer"].as_str() {
            Some(id) => plain(id),
            None => format!("number {}", row["number"]),
        };
        format!(
            "{}  {} UTC\n  {}",
            screen.bold(&who),
            short(row["at"].as_str().unwrap_or_default()),
            words(&row["why"])
        )
    };
    let mut lines: Vec<String> = rows.iter().map(told).collect();
    lines.push(String::new());
    lines.push("--json prints the causes as well, for a report".to_owned());
    lines.join("\n")
}

/// Any JSON as a person would write it down.
fn words(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => plain(text),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(words).collect();
            items.join(", ")
        }
        other => plain(&other.to_string()),
    }
}

fn show(view: &Value, screen: Screen) -> String {
    let empty = Vec::new();
    let none = Map::new();
    let mut out = screen.bold(&words(&view["id"]));
    let mut line = |name: &str, value: String| {
        if !value.is_empty() && value != "-" {
            out.push_str(&format!("\n  {name:<12} {value}"));
        }
    };
    let time = |value: &Value| short(value.as_str().unwrap_or_default());
    line("email", words(&view["email"]));
    line("known since", time(&view["known_since"]));
    for (name, value) in view["attributes"].as_object().unwrap_or(&none) {
        line(&plain(name), words(value));
    }
    line("tags", words(&view["tags"]));
    let preferences = &view["preferences"];
    for key in ["zone", "locale", "window", "caps", "gap"] {
        line(key, words(&preferences[key]));
    }
    line("pause until", time(&preferences["pause_until"]));
    line("format", words(&preferences["format"]));
    if view["control"] == true {
        let said = "in the control group, which gets no advertising";
        line("control", said.to_owned());
    }
    for consent in view["consents"].as_array().unwrap_or(&empty) {
        let topic = consent["topic"].as_str().unwrap_or("advertising");
        line(
            "consent",
            format!(
                "{topic}: {} {} ({})",
                words(&consent["state"]),
                time(&consent["at"]),
                words(&consent["source"])
            ),
        );
    }
    for pending in view["unconfirmed"].as_array().unwrap_or(&empty) {
        line(
            "consent",
            format!(
                "{}: waits for confirmation since {} ({})",
                words(&pending["topic"]),
                time(&pending["asked"]),
                words(&pending["source"])
            ),
        );
    }
    for row in view["consent_ledger"].as_array().unwrap_or(&empty) {
        let topic = row["topic"].as_str().unwrap_or("advertising");
        let from = match row["address"].as_str() {
            Some(address) => format!(", from {}", plain(address)),
            None => String::new(),
        };
        line(
            "told",
            format!(
                "{} {topic}: {} ({}{from})",
                time(&row["told"]),
                words(&row["state"]),
                words(&row["source"]),
            ),
        );
    }
    let suppression = &view["mailbox"]["suppression"];
    if suppression.is_object() {
        let said = format!(
            "{} ({})",
            words(&suppression["cause"]),
            words(&suppression["note"])
        );
        line("suppressed", said);
    }
    for place in view["mailbox"]["places"].as_array().unwrap_or(&empty) {
        line(
            "sent",
            format!("{} {}", time(&place["at"]), words(&place["campaign"])),
        );
    }
    let mut tracks: Vec<String> = Vec::new();
    for track in view["events"].as_array().unwrap_or(&empty) {
        let latest = match time(&track["latest"]) {
            none if none.is_empty() => "never".to_owned(),
            at => at,
        };
        let said = format!(
            "{}: {}, latest {latest}",
            words(&track["events"]),
            track["remembered"],
        );
        // Conditions that differ in what they remember may speak of the same events.
        if !tracks.contains(&said) {
            tracks.push(said);
        }
    }
    for track in tracks {
        line("events", track);
    }
    for entry in view["enrollments"].as_array().unwrap_or(&empty) {
        let at = time(&entry["at"]);
        let until = if at.is_empty() {
            at.clone()
        } else {
            format!(", {at}")
        };
        let (campaign, state) = (words(&entry["campaign"]), words(&entry["state"]));
        let number = |key: &str| entry["place"][key].as_u64().unwrap_or(0);
        let step = format!(
            "step {} of {}, \"{}\",",
            number("no"),
            number("of"),
            words(&entry["step"])
        );
        let stands = match (number("of"), state.as_str()) {
            (0, _) => format!("{state}{until}"),
            (_, "waiting") => format!("waits at {step} until {at}"),
            _ => format!("{step} is on its way"),
        };
        let held = match entry["held_out"].as_str() {
            Some(_) => ", held out",
            None => "",
        };
        line("campaign", format!("{campaign}: {stands}{held}"));
    }
    for coupon in view["coupons"].as_array().unwrap_or(&empty) {
        let until = match time(&coupon["until"]) {
            none if none.is_empty() => String::new(),
            until => format!(", good until {until}"),
        };
        let sent = match time(&coupon["sent"]) {
            none if none.is_empty() => "not sent yet".to_owned(),
            at => format!("sent {at}"),
        };
        line(
            "coupon",
            format!(
                "{} ({}): {sent}{until}",
                words(&coupon["code"]),
                words(&coupon["campaign"])
            ),
        );
    }
    for message in view["messages"].as_array().unwrap_or(&empty) {
        line(
            "message",
            format!(
                "{}/{}: {}, not before {}",
                words(&message["campaign"]),
                words(&message["step"]),
                words(&message["state"]),
                time(&message["not_before"])
            ),
        );
    }
    out
}
