//! What is read of all campaign files before any is compiled: their steps' ids, and what they were called before.

use super::{Source, Sources};
use crate::domain::id::CampaignId;
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

/// The steps of each campaign whose file can be read as TOML.
pub(super) fn step_names(sources: &Sources) -> BTreeMap<String, Vec<String>> {
    let steps_of = |source: &Source| {
        let root = DeTable::parse(&source.text).ok()?;
        let root = root.get_ref();
        let steps = match root.get("step").map(|step| step.get_ref()) {
            Some(DeValue::Array(steps)) => steps.iter().collect(),
            Some(_) => Vec::new(),
            None => Vec::new(),
        };
        let id = |step: &toml::Spanned<DeValue<'_>>| match step.get_ref().get("id")?.get_ref() {
            DeValue::String(id) => Some(id.to_string()),
            _ => None,
        };
        Some(steps.into_iter().filter_map(id).collect())
    };
    (sources.campaigns.iter())
        .filter_map(|(id, source)| Some((id.to_string(), steps_of(source)?)))
        .collect()
}

/// Each file with what it says that it was called before.
pub(super) fn former_names(sources: &Sources) -> BTreeMap<CampaignId, Option<String>> {
    let former = |source: &Source| {
        let root = DeTable::parse(&source.text).ok()?;
        match root.get_ref().get("renamed_from")?.get_ref() {
            DeValue::String(old) => Some(old.to_string()),
            _ => None,
        }
    };
    let files = sources.campaigns.iter();
    files.map(|(id, s)| (id.clone(), former(s))).collect()
}
