//! `where = { "products.category" = { same = "category" } }`: only events that are like the one that started the entry.

use super::condition::Scope;
use super::value_test::{path, read_properties};
use crate::config::toml_reader::{Item, Table};
use crate::domain::campaign::{Again, EntryRules, Start};
use crate::domain::condition::{Condition, Like, PropertyTest};

/// Reads `where` of a condition on events; `counts` says whether it is one of those that happened.
pub fn read_where_of(
    item: &Item<'_>,
    table: &Table<'_>,
    (counts, scope): (bool, Scope<'_>),
) -> Option<(Vec<PropertyTest>, Option<Like>)> {
    let entries = item.entries("write where = { property = value }")?;
    let (alike, plain): (Vec<Item<'_>>, Vec<Item<'_>>) = entries
        .into_iter()
        .partition(|entry| same_of(entry).is_some());
    let Some(first) = alike.first() else {
        return Some((read_properties(item, &plain)?, None));
    };
    let tests = match plain.is_empty() {
        true => Some(Vec::new()),
        false => read_properties(item, &plain),
    };
    let like = read_like(first, scope);
    if let Some(second) = alike.get(1) {
        second.reader().error(
            second.key_span(),
            "one property is compared with the entry's event, and here are two",
            "make two conditions of it: all = [{ ... }, { ... }]",
        );
    }
    let beside: &[&str] = match counts {
        true => &["count", "sum", "is", "gap", "same"],
        false => &["same"],
    };
    for key in beside {
        if let Some(other) = table.get(key) {
            other.reader().error(
                other.key_span(),
                format!("`{key}` cannot stand beside what compares with the entry's event: it asks whether there was one"),
                "remove it; `within`, `since`, `last` and `first` can",
            );
        }
    }
    Some((tests?, Some(like?)))
}

/// What a property is to be the same as.
fn same_of<'a>(entry: &Item<'a>) -> Option<Item<'a>> {
    let inner = entry.is_table().then(|| entry.entries("")).flatten()?;
    match inner.as_slice() {
        [only] if only.name == "same" => Some(*only),
        _ => None,
    }
}

fn read_like(entry: &Item<'_>, scope: Scope<'_>) -> Option<Like> {
    let property = path(entry, entry.name, true);
    let same = same_of(entry)?;
    let of = same.text().and_then(|text| path(&same, text, false));
    if !scope.by_event {
        same.reader().error(
            same.key_span(),
            "`same` compares with the event that started the entry, and no event starts one here",
            "use it where [trigger] names an `event`: in [audience], in `exit` and in steps",
        );
    }
    Some(Like {
        property: property?,
        of: of?,
    })
}

/// Whether an event starts the entries of a campaign; of one whose start could not be read nothing is said against it.
pub fn by_event(start: Option<&Start>) -> bool {
    matches!(start, None | Some(Start::Triggered(_)))
}

/// Whether an audience holds apart from any entry is not known where it compares with the entry's event.
pub fn refuse_after_leaving(
    root: &Table<'_>,
    audience: Option<&Condition>,
    entry: Option<&EntryRules>,
) {
    let mut compares = false;
    if let Some(audience) = audience {
        audience.each_event(&mut |event, _| compares |= event.alike().is_some());
    }
    let leaves = entry.is_some_and(|e| e.again == Again::AfterLeaving);
    if let (true, true, Some(item)) = (compares, leaves, root.get("audience")) {
        root.reader().error(
            item.key_span(),
            "again = \"after_leaving\" asks whether the audience holds apart from any entry, and this compares with the event that starts one",
            "write again = \"always\", or a time such as \"90d\"",
        );
    }
}
