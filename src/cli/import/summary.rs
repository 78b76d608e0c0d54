//! What an import says at its end: how much it took in, whom advertising reaches now, what waits for a person.

use super::{Acknowledged, Arguments, Taken};
use crate::cli::held;
use crate::cli::screen::{Screen, counted, grouped};
use serde_json::Value;

pub(super) fn summary(
    read: &Taken,
    told: &Acknowledged,
    arguments: &Arguments,
    screen: Screen,
) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(mapping) = &read.mapping {
        lines.push(screen.faint(mapping.trim_end()));
    }
    let profiles = read.rows - read.events;
    let known_events = told.known.saturating_sub(told.known_profiles);
    let new_events = (read.events.saturating_sub(known_events)).min(told.fresh);
    let of_profiles = match told.known_profiles {
        0 => String::new(),
        known => format!(" ({} known already)", grouped(known)),
    };
    lines.push(format!(
        "{} of {}: {} ({} new, {} known already), {}{of_profiles}",
        counted(read.rows, "row", "rows"),
        counted(read.customers.len() as u64, "customer", "customers"),
        counted(read.events, "event", "events"),
        grouped(new_events),
        grouped(known_events),
        counted(profiles, "profile", "profiles"),
    ));
    if told.parts > 0 {
        lines.push(format!(
            "{} of an order that an earlier row has told, and which counts once (`once_per` under [events] in config.toml): only the earlier is taken; if each row is one item of an order, import the file with --orders",
            counted(told.parts, "row tells", "rows tell"),
        ));
    }
    if told.forgotten > 0 {
        lines.push(format!(
            "{} of customers who were forgotten: dropped",
            counted(told.forgotten, "row", "rows")
        ));
    }
    if !arguments.live && read.events > 0 {
        lines.push("taken in as history, which starts nothing (--live does)".to_owned());
    }
    let end = told.end.clone().unwrap_or(Value::Null);
    lines.extend(reach(&end["reach"], screen));
    lines.extend(held::held(&end["held"], screen));
    lines.extend(held::imports(&end["waits_for"], screen));
    lines
}

/// Whom advertising reaches, and why not the others.
pub fn reach(reach: &Value, screen: Screen) -> Vec<String> {
    if !reach.is_object() {
        return Vec::new();
    }
    let number = |key: &str| reach[key].as_u64().unwrap_or(0);
    let mut lines = vec![format!(
        "advertising can reach {} of {}",
        screen.bold(&grouped(number("reachable"))),
        counted(number("customers"), "customer", "customers"),
    )];
    for (key, why) in [
        ("no_address", "have no email address"),
        ("suppressed", "have a suppressed address"),
        ("refused", "have refused advertising"),
        ("unconfirmed", "have not confirmed yet what they asked for"),
        ("no_consent", "have not consented to advertising"),
    ] {
        if number(key) > 0 {
            lines.push(format!("  {:>7} {why}", grouped(number(key))));
        }
    }
    lines
}
