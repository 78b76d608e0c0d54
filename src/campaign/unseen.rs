//! Events that campaign files name and that never came: told by `check` where the store can be asked. And those that
//! config.toml speaks of under a name that nobody knows.
//!
//! A name that nobody knows is a warning from the reader itself ([`super::names`]); here are those that shops usually
//! send, and this one has not yet.

use super::compile::event_names;
use super::names::{USUAL_EVENTS, count_events, doubt};
use super::{Loaded, Source, Sources};
use crate::config::Config;
use crate::config::nearest::nearest;
use crate::config::problem::{Problem, Severity};
use std::collections::{BTreeMap, BTreeSet};
use toml::de::{DeTable, DeValue};

/// Every event that these files name.
pub fn named(sources: &Sources) -> BTreeSet<String> {
    let names = event_names(sources).into_keys();
    names.filter(|name| name != "*").collect()
}

/// A note for each file and usual event that is not among `seen`. Where nothing was seen at all the shop is new, and
/// nothing is told.
pub fn notes(loaded: &Loaded, seen: &BTreeSet<String>) -> Vec<Problem> {
    if seen.is_empty() {
        return Vec::new();
    }
    let sources = &loaded.sources;
    let shared = sources.segments.iter().chain(&sources.tags);
    let mut found = Vec::new();
    for source in sources.campaigns.values().chain(shared) {
        for name in names_in(source) {
            if seen.contains(&name) || !USUAL_EVENTS.contains(&name.as_str()) {
                continue;
            }
            let help = match nearest(&name, seen.iter().map(String::as_str)) {
                Some(near) => format!("the shop sends `{near}`; is that meant?"),
                None => "if the shop is yet to send it, nothing is amiss".to_owned(),
            };
            let what = format!("no event `{name}` has come yet");
            let quoted = format!("\"{name}\"");
            let problem = Problem::at_text(&source.file, &source.text, &quoted, &what, &help);
            found.push(problem.only(Severity::Note));
        }
    }
    found
}

/// Every event that `[events.NAME]` speaks of.
pub fn ruled(config: &Config) -> BTreeSet<String> {
    let rules = config.events.iter();
    rules
        .flat_map(|(name, rule)| {
            let undo = rule.undone_by.as_ref().map(|undo| &undo.event);
            std::iter::once(name).chain(undo)
        })
        .map(ToString::to_string)
        .collect()
}

/// A warning for each of them that is doubtful: nothing would ever go by what is said of it. `text` is config.toml.
pub fn doubtful(
    config: &Config,
    text: &str,
    sources: &Sources,
    seen: &BTreeSet<String>,
) -> Vec<Problem> {
    let in_files = event_names(sources);
    let file = config.path.display().to_string();
    let doubted = ruled(config).into_iter().filter_map(|name| {
        let help = doubt(&name, seen, &in_files)?;
        let what = format!("[events] speaks of `{name}`, and no such event is known");
        let quoted = format!("\"{name}\"");
        let problem = Problem::at_text(&file, text, &quoted, &what, &help);
        Some(problem.only(Severity::Warning))
    });
    doubted.collect()
}

fn names_in(source: &Source) -> BTreeSet<String> {
    let mut counts = BTreeMap::new();
    if let Ok(root) = DeTable::parse(&source.text) {
        count_events(&DeValue::Table(root.into_inner()), &mut counts);
    }
    counts.into_keys().collect()
}
