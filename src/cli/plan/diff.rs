//! `plan --diff`, and what `reload` shows first: who is met otherwise by the edited files.

use super::{hanging, hear};
use crate::cli::screen::{Screen, counted, grouped, plain};
use crate::cli::table::wrapped;
use crate::cli::way::{Way, query};
use serde_json::Value;

/// The files of the configured folder against those in force, in the next day.
pub enum Edited {
    Compared(Value),
    /// Why there is no comparison, and whether it is since the files are bad.
    Not {
        why: String,
        bad_files: bool,
    },
}

/// Compares, unless there are more than so many customers.
pub async fn of_edited(way: &mut Way, at_most: Option<u64>, screen: Screen) -> Edited {
    let at_most = at_most.map(|most| most.to_string());
    let asked = [("diff", Some("true")), ("at_most", at_most.as_deref())];
    let mut told = match hear(way, &query("/plan", &asked), screen).await {
        Ok(told) => told,
        Err(failure) => {
            let (why, bad_files) = (failure.to_string(), false);
            return Edited::Not { why, bad_files };
        }
    };
    match told["stopped"].as_str() {
        None => Edited::Compared(told["compared"].take()),
        Some(why) => Edited::Not {
            why: why.to_owned(),
            bad_files: told["status"] == UNPROCESSABLE,
        },
    }
}

/// What the route answers where the files are bad.
const UNPROCESSABLE: u16 = 422;

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
pub fn changes(compared: &Value, screen: Screen) -> String {
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
            ("enter_more", "would enter more often"),
            ("enter_less", "would enter less often"),
            ("mailed_more", "would get more mails of the same step"),
            ("mailed_less", "would get fewer mails of the same step"),
        ] {
            let who = &difference[key];
            let customers = who["customers"].as_u64().unwrap_or(0);
            if customers > 0 {
                let examples = who["examples"].as_array().into_iter().flatten();
                let examples: Vec<String> = examples.filter_map(Value::as_str).map(plain).collect();
                let many = counted(customers, "customer", "customers");
                let less = key.ends_with("_less");
                let times = match who["times"].as_u64() {
                    None | Some(0) => String::new(),
                    Some(n) if less => format!(" ({} fewer in all)", grouped(n)),
                    Some(n) => format!(" ({} more in all)", grouped(n)),
                };
                let line = format!("{what}: {many}{times}, as {}", examples.join(", "));
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
