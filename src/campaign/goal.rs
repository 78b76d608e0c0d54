//! `[goal]`: the event that counts as success, and within which time after a message.

use super::condition::read_selector;
use super::keys::GOAL;
use super::names::Names;
use super::value_test::path;
use crate::config::text::positive;
use crate::config::toml_reader::Table;
use crate::domain::goal::Goal;
use crate::domain::time::Span;

/// A window that is longer says nothing of a message any more, and would be remembered of each.
const LONGEST: Span = Span::days(366);

pub fn read(root: &Table<'_>, names: &Names<'_>) -> Option<Option<Goal>> {
    let Some(item) = root.get("goal") else {
        return Some(None);
    };
    let table = item.table(&GOAL)?;
    let event = table
        .required("event", "write event = \"Order Completed\"")
        .and_then(|item| read_selector(&item, &table, names));
    let within = table
        .required(
            "within",
            "write within = \"7d\": how long after a message it still counts",
        )
        .and_then(|item| item.parsed(within));
    // What `[events.NAME]` says of the event holds here, too.
    let name = event.as_ref().and_then(|event| event.name.as_ref());
    let rule = name.and_then(|name| names.context.events.get(name));
    let value = match table.get("value") {
        None => Some(rule.and_then(|rule| rule.value.clone())),
        Some(item) => (item.text())
            .and_then(|text| path(&item, text, false))
            .map(Some),
    };
    Some(Some(Goal {
        event: event?,
        within: within?,
        value: value?,
        undone_by: rule.and_then(|rule| rule.undone_by.clone()),
    }))
}

fn within(text: &str) -> Result<Span, String> {
    let span = positive(text)?;
    match span <= LONGEST {
        true => Ok(span),
        false => Err("it is too long; at most 366d".into()),
    }
}
