//! The tags that files name: those that steps give, and those that conditions ask for and steps take away; and what to say
//! of one that nobody gives.
//!
//! A tag needs no definition, since people and other systems set them too. So a name that no file gives is doubted only
//! where it is near to one that is known; who has asked the store which tags customers bear ([`super::Context`]) doubts
//! every other one as well.

use super::Sources;
use super::names::Defined;
use crate::config::nearest::nearest;
use std::collections::{BTreeMap, BTreeSet};
use toml::de::{DeTable, DeValue};

/// The tags of a folder's files.
#[derive(Clone, Debug, Default)]
pub struct Tagged {
    /// Those that a step gives.
    given: BTreeSet<String>,
    /// Those that conditions ask for and steps take away, and in how many places each stands.
    asked: BTreeMap<String, usize>,
}

/// Every tag that these files ask for or take away.
pub fn asked(sources: &Sources) -> BTreeSet<String> {
    Tagged::of(sources).asked.into_keys().collect()
}

impl Tagged {
    pub fn of(sources: &Sources) -> Tagged {
        let mut found = Tagged::default();
        for source in sources.segments.iter().chain(&sources.tags) {
            if let Ok(root) = DeTable::parse(&source.text) {
                found.conditions(&DeValue::Table(root.into_inner()));
            }
        }
        for source in sources.campaigns.values() {
            let Ok(root) = DeTable::parse(&source.text) else {
                continue;
            };
            for (key, value) in root.get_ref() {
                match (&**key.get_ref(), value.get_ref()) {
                    ("step", DeValue::Array(steps)) => {
                        steps.iter().for_each(|step| found.step(step.get_ref()));
                    }
                    (_, value) => found.conditions(value),
                }
            }
        }
        found
    }

    fn step(&mut self, step: &DeValue<'_>) {
        let DeValue::Table(step) = step else {
            return;
        };
        for (key, value) in step.iter() {
            match (&**key.get_ref(), value.get_ref()) {
                ("tag", DeValue::String(name)) => {
                    self.given.insert(name.trim().to_owned());
                }
                ("untag", DeValue::String(name)) => self.ask(name),
                (_, value) => self.conditions(value),
            }
        }
    }

    fn conditions(&mut self, value: &DeValue<'_>) {
        match value {
            DeValue::Table(map) => {
                for (key, value) in map.iter() {
                    match value.get_ref() {
                        DeValue::String(name) if key.get_ref() == "tag" => self.ask(name),
                        value => self.conditions(value),
                    }
                }
            }
            DeValue::Array(items) => items.iter().for_each(|i| self.conditions(i.get_ref())),
            _ => {}
        }
    }

    fn ask(&mut self, name: &str) {
        *self.asked.entry(name.trim().to_owned()).or_default() += 1;
    }

    /// What is doubtful about a tag's name, and what to do about it. `borne` are the tags that customers bear, if that is
    /// known.
    pub fn doubt(
        &self,
        name: &str,
        rules: &Defined,
        borne: Option<&BTreeSet<String>>,
    ) -> Option<(String, String)> {
        let is_borne = borne.is_some_and(|borne| borne.contains(name));
        if is_borne || self.given.contains(name) || rules.names.contains_key(name) {
            return None;
        }
        let known = (rules.names.keys()).chain(&self.given);
        let known = known.chain(borne.into_iter().flatten());
        let here = self.asked.get(name).copied().unwrap_or(0);
        let near = nearest(name, known.map(String::as_str)).or_else(|| {
            let more = self.asked.iter().filter(|(_, count)| **count > here);
            nearest(name, more.map(|(other, _)| other.as_str()))
        });
        let what = format!("no rule in tags.toml and no step gives the tag `{name}`");
        match (near, borne) {
            (Some(near), None) => Some((
                what,
                format!(
                    "did you mean `{near}`? If it is set by hand, `reveille check --store` says whether a customer bears it"
                ),
            )),
            (None, None) => None,
            (near, Some(_)) => Some((
                format!("{what}, and no customer bears it"),
                match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "if it is yet to be set by hand, nothing is amiss".to_owned(),
                },
            )),
        }
    }
}
