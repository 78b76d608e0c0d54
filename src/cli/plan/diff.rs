//! `plan --diff`, and `reload --diff`: who is met otherwise by the edited files.

use super::{ask, hanging};
use crate::cli::failure::Failure;
use crate::cli::screen::{Screen, counted, plain};
use crate::cli::table::wrapped;
use crate::cli::way::{Way, query};
use serde_json::Value;

/// What the files of the configured folder would change in the next day, as text.
pub async fn of_edited(way: &mut Way, screen: Screen) -> Result<String, Failure> {
    let made = ask(way, &query("/plan", &[("diff", Some("true"))]), screen).await?;
    Ok(changes(&made["compared"], screen))
}

pub fn shown(compared: &Value, screen: Screen) -> String {
    let text = |key: &str| plain(compared[key].as_str().unwrap_or_default());
    let short = |key: &str| crate::cli::log::short(&text(key));
    let list = |key: &str| compared[key].as_array().map_or(&[][..], Vec::as_slice);
    let told = |key: &str| list(key).iter().filter_map(Value::as_str);
    let mut parts = vec![
        screen.bold(&format!(
            "The edited files against those in force, from {} to {} UTC",
            short("from"),
            short("until")
        )),
        changes(compared, screen),
    ];
    let notes: Vec<String> = told("notes")
        .map(|note| hanging(&plain(note), screen))
        .collect();
    if !notes.is_empty() {
        parts.push(notes.join("\n"));
    }
    let given: Vec<&str> = told("given").collect();
    let given = format!("It takes for given: {}.", given.join("; "));
    parts.push(screen.faint(&wrapped(&given, screen.columns, "")));
    parts.join("\n\n")
}

/// Campaign by campaign, with examples.
fn changes(compared: &Value, screen: Screen) -> String {
    let mut parts = Vec::new();
    for (campaign, difference) in compared["campaigns"].as_object().into_iter().flatten() {
        let mut lines = vec![screen.bold(&plain(campaign))];
        for (key, what) in [
            ("enter", "would enter"),
            ("no_longer_enter", "would no longer enter"),
            ("leave", "would leave"),
            ("mailed", "would get a mail"),
            ("mailed_at_once", "would get one within the hour"),
            ("no_longer_mailed", "would no longer get a mail"),
        ] {
            let who = &difference[key];
            let customers = who["customers"].as_u64().unwrap_or(0);
            if customers > 0 {
                let examples = who["examples"].as_array().into_iter().flatten();
                let examples: Vec<String> = examples.filter_map(Value::as_str).map(plain).collect();
                let many = counted(customers, "customer", "customers");
                let line = format!("{what}: {many}, as {}", examples.join(", "));
                lines.push(wrapped(&line, screen.columns.saturating_sub(2), "  "));
            }
        }
        parts.push(lines.join("\n"));
    }
    match parts.is_empty() {
        true => "nobody is met otherwise".to_owned(),
        false => parts.join("\n"),
    }
}
