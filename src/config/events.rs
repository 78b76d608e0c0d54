//! `[events."NAME"]`: what is said of kinds of events: since when they are told completely, what is their value, what
//! undoes them, which of them are one.

use super::keys::{EVENT_RULE, UNDONE_BY};
use super::toml_reader::{Item, Table};
use crate::domain::event::{EventRule, EventRules, OncePer, Undo};
use crate::domain::id::EventName;
use crate::domain::schedule::instant_of;
use crate::domain::time::Timestamp;
use chrono::{NaiveDate, NaiveTime};
use chrono_tz::Tz;
use toml::de::DeValue;

/// Reads the section. Days are those of the shop's `zone`.
pub fn read(root: &Table<'_>, zone: Option<Tz>) -> Option<EventRules> {
    let Some(item) = root.get("events") else {
        return Some(EventRules::new());
    };
    let zone = zone.unwrap_or(Tz::UTC);
    let entries = item.entries("write [events.\"Order Completed\"]")?;
    let mut rules = EventRules::new();
    let mut good = true;
    for entry in &entries {
        match name(entry).zip(read_rule(entry, zone)) {
            Some((name, rule)) => _ = rules.insert(name, rule),
            None => good = false,
        }
    }
    for entry in &entries {
        let undoes = |rule: &EventRule| {
            let undo = rule.undone_by.as_ref();
            undo.is_some_and(|undo| undo.event.as_str() == entry.name)
        };
        let undone = rules
            .get(entry.name)
            .is_some_and(|rule| rule.undone_by.is_some());
        if undone && rules.values().any(undoes) {
            entry.reader().error(
                entry.key_span(),
                format!(
                    "`{}` undoes an event, so it cannot be undone itself",
                    entry.name
                ),
                "remove `undone_by` from one of the two",
            );
            good = false;
        }
    }
    good.then_some(rules)
}

fn name(entry: &Item<'_>) -> Option<EventName> {
    match EventName::parse(entry.name) {
        Ok(name) => Some(name),
        Err(what) => {
            entry.reader().error(entry.key_span(), what, "");
            None
        }
    }
}

fn read_rule(entry: &Item<'_>, zone: Tz) -> Option<EventRule> {
    let table = entry.table(&EVENT_RULE)?;
    let complete_since = match table.get("complete_since") {
        None => Some(None),
        Some(item) => instant(&item, zone).map(Some),
    };
    let value = match table.get("value") {
        None => Some(None),
        Some(item) => {
            property(&item).map(|text| Some(text.split('.').map(str::to_owned).collect()))
        }
    };
    let undone_by = match table.get("undone_by") {
        None => Some(None),
        Some(item) => read_undo(&item).map(Some),
    };
    let once_per = match table.get("once_per") {
        None => Some(OncePer::Usual),
        Some(item) => read_once(&item),
    };
    Some(EventRule {
        complete_since: complete_since?,
        value: value?,
        undone_by: undone_by?,
        once_per: once_per?,
    })
}

/// A property, or `false`.
fn read_once(item: &Item<'_>) -> Option<OncePer> {
    match item.value() {
        DeValue::Boolean(false) => Some(OncePer::Never),
        DeValue::String(_) => property(item).map(OncePer::Property),
        _ => {
            item.error(
                format!("`once_per`: {} is no name of a property", item.written()),
                "write once_per = \"order_id\"; or once_per = false, where each that is told is one",
            );
            None
        }
    }
}

fn read_undo(item: &Item<'_>) -> Option<Undo> {
    let table = item.table(&UNDONE_BY)?;
    let help = "write undone_by = { event = \"Order Cancelled\", same = \"order_id\" }";
    let event = table
        .required("event", help)
        .and_then(|i| i.parsed(EventName::parse));
    let same = table.required("same", help).and_then(|i| property(&i));
    Some(Undo {
        event: event?,
        same: same?,
    })
}

/// The name of a property, or a path to one.
fn property(item: &Item<'_>) -> Option<String> {
    let text = item.text()?;
    if text.split('.').any(|part| part.trim().is_empty()) {
        item.error(
            format!("{text:?} is no name of a property"),
            "write \"total\", or a path such as \"order.total\"",
        );
        return None;
    }
    Some(text.to_owned())
}

/// A day, which begins where the shop is, or an instant.
fn instant(item: &Item<'_>, zone: Tz) -> Option<Timestamp> {
    let text = match item.value() {
        DeValue::Datetime(at) => at.to_string(),
        _ => item.text()?.to_owned(),
    };
    let day = NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok();
    let at = day
        .map(|day| instant_of(day.and_time(NaiveTime::MIN), zone))
        .or_else(|| Timestamp::parse_rfc3339(&text));
    if at.is_none() {
        item.error(
            format!("`complete_since`: {text:?} is no day"),
            "write complete_since = \"2025-01-01\": from the beginning of that day on every such event was told",
        );
    }
    at
}
