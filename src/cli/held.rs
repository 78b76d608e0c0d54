//! What more than one verb tells of campaigns that wait: for approval, after an import or a pause; for an import to end.

use super::log::short;
use super::screen::{Screen, counted, grouped, plain};
use serde_json::Value;

/// Campaigns that were put back to wait for approval, and what to do.
pub fn held(held: &Value, screen: Screen) -> Vec<String> {
    let empty = Vec::new();
    let mut lines = Vec::new();
    for held in held.as_array().unwrap_or(&empty) {
        let name = held["campaign"].as_str().unwrap_or_default();
        let examples = held["examples"].as_array().unwrap_or(&empty);
        let examples: Vec<&str> = examples.iter().filter_map(Value::as_str).collect();
        let customers = held["customers"].as_u64().unwrap_or(0);
        lines.push(String::new());
        lines.push(screen.yellow(&format!(
            "{name} would now let in {} at its next occurrence, {} more than before",
            counted(customers, "customer", "customers"),
            grouped(held["more"].as_u64().unwrap_or(0)),
        )));
        lines.push(format!(
            "  ([safety] at_once allows {}), such as {}",
            grouped(held["allowed"].as_u64().unwrap_or(0)),
            plain(&examples.join(", "))
        ));
        lines.push(format!(
            "  It waits: `reveille campaign approve {name}` lets it go on"
        ));
    }
    lines
}

/// Edits of journeys that wait for approval, or will when all customers have been looked at, and what to do.
pub fn edits(waits: &Value, screen: Screen) -> Vec<String> {
    let empty = Vec::new();
    let mut lines = Vec::new();
    for edit in waits.as_array().unwrap_or(&empty) {
        let name = edit["campaign"].as_str().unwrap_or_default();
        lines.push(String::new());
        lines.push(screen.yellow(&format!("{name}: {}", edit_in_words(edit))));
        lines.push(format!(
            "  They stay where they are: `reveille campaign approve {name}` lets them go on"
        ));
    }
    lines
}

/// Whom an edit would move, and how many are allowed.
pub fn edit_in_words(edit: &Value) -> String {
    let examples = edit["examples"].as_array().into_iter().flatten();
    let examples: Vec<&str> = examples.filter_map(Value::as_str).collect();
    plain(&format!(
        "{}, such as {}; [safety] at_once allows {}",
        edit["what"].as_str().unwrap_or_default(),
        examples.join(", "),
        grouped(edit["allowed"].as_u64().unwrap_or(0)),
    ))
}

/// Imports of history that schedules wait for, and what to do.
pub fn imports(imports: &Value, screen: Screen) -> Vec<String> {
    let empty = Vec::new();
    let told = |import: &Value| {
        let since = short(import["since"].as_str().unwrap_or_default());
        let of = match import["source"].as_str().unwrap_or_default() {
            "" => "an import of history".to_owned(),
            source => format!("the import of {}", plain(source)),
        };
        match import["running"] == true {
            true => format!("schedules wait: {of} has been running since {since} UTC"),
            false => format!(
                "schedules wait: {of}, begun at {since} UTC, was broken off; import it again to its end, or \
                 `reveille resume --all`"
            ),
        }
    };
    (imports.as_array().unwrap_or(&empty).iter())
        .map(|import| screen.yellow(&told(import)))
        .collect()
}
