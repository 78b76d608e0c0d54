//! What `check` says of campaigns, templates and customers together: templates that no campaign uses, and attributes that
//! templates print though customers lack them.

use super::screen::{counted, grouped};
use crate::campaign::{Loaded, template_names};
use crate::config::problem::{Place, Problem, Severity};
use crate::domain::campaign::{Campaign, Localized};
use crate::domain::opt_in;
use crate::domain::preference::Class;
use crate::message::Templates;
use crate::message::source::{File, compile_inline};
use crate::message::uses::{self, Use};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// A note for each template and partial that no campaign reaches. While files are broken nobody knows what they use, and
/// nothing is told.
pub fn unused(templates: &Templates, loaded: &Loaded, folder: &Path) -> Vec<Problem> {
    if loaded.campaigns.values().any(Result::is_err) || !templates.problems().is_empty() {
        return Vec::new();
    }
    let used: BTreeSet<&str> = (loaded.good())
        .flat_map(|campaign| template_names(&campaign.steps))
        .chain([opt_in::TEMPLATE])
        .collect();
    let reached = templates.reached(&used);
    let mut names: BTreeMap<(bool, &str), (&str, bool)> = BTreeMap::new();
    for path in templates.files() {
        if let Some(file) = File::named(path) {
            let entry = names.entry((file.partial, file.name));
            let (_, any) = entry.or_insert((path, false));
            *any |= reached.contains_key(path);
        }
    }
    let unused = names.into_iter().filter(|(_, (_, any))| !any);
    unused
        .map(|((partial, name), (path, _))| {
            let what = match partial {
                true => format!("no template that a campaign uses includes the partial `{name}`"),
                false => format!("no campaign uses the template `{name}`"),
            };
            let file = folder.join(path).display().to_string();
            let help = "if it is kept for later, nothing is amiss";
            Problem::of_file(file, what, help).only(Severity::Note)
        })
        .collect()
}

/// What the campaigns' texts cannot do without: each attribute with the places that print it.
#[derive(Default)]
pub struct Needed(BTreeMap<String, BTreeMap<(String, usize, usize), Place>>);

impl Needed {
    pub fn of(templates: &Templates, loaded: &Loaded, folder: &Path) -> Needed {
        let mut needed = Needed::default();
        // What is written for one class of message only is needed where a message of it has the template.
        let steps = || loaded.good().flat_map(|campaign| &campaign.steps);
        let classes: BTreeSet<Class> = steps().map(|step| step.class).collect();
        let reached = classes.into_iter().flat_map(|class| {
            let steps = steps().filter(|step| step.class == class);
            let names = steps.flat_map(|step| template_names(std::slice::from_ref(step)));
            let reached = templates.reached(&names.collect());
            reached
                .into_iter()
                .map(move |(path, facts)| (class, path, facts))
        });
        for (class, path, facts) in reached {
            let text: Arc<str> = templates.text_of(path).unwrap_or("").into();
            let file = folder.join(path).display().to_string();
            for one in facts.uses.iter().filter(|one| one.classes.has(class)) {
                let start = offset(&text, one.line, one.column);
                let end = text[start..].find("}}").map_or(start, |at| start + at + 2);
                let place = Place::of(&text, start..end);
                needed.add(&one.name, &file, place);
            }
        }
        for campaign in loaded.good() {
            let Some(source) = loaded.sources.campaigns.get(&campaign.id) else {
                continue;
            };
            let whole: Arc<str> = source.text.as_str().into();
            for text in texts(campaign) {
                let Ok(template) = compile_inline(text) else {
                    continue;
                };
                let start = whole.find(text).unwrap_or(0);
                let wanted = |one: &Use| campaign.steps.iter().any(|s| one.classes.has(s.class));
                for one in uses::of_customer(&template).into_iter().filter(wanted) {
                    let place = Place::of(&whole, start..start + text.len());
                    needed.add(&one.name, &source.file, place);
                }
            }
        }
        needed
    }

    fn add(&mut self, attribute: &str, file: &str, place: Place) {
        let places = self.0.entry(attribute.to_owned()).or_default();
        places.insert((file.to_owned(), place.line, place.column), place);
    }

    pub fn attributes(&self) -> BTreeSet<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// A warning for each attribute that some of the customers lack.
    pub fn lacking(&self, customers: u64, lacking: &BTreeMap<String, u64>) -> Vec<Problem> {
        let mut found = Vec::new();
        for (attribute, places) in &self.0 {
            let lack = lacking.get(attribute).copied().unwrap_or(0);
            let Some(((file, ..), place)) = places.first_key_value().filter(|_| lack > 0) else {
                continue;
            };
            let many = counted(places.len() as u64, "place prints", "places print");
            let what = format!(
                "`{attribute}` is missing for {} of {}, and {many} it without saying what stands there instead: their messages cannot be made",
                grouped(lack),
                counted(customers, "customer", "customers"),
            );
            found.push(Problem {
                severity: Severity::Warning,
                file: file.clone(),
                place: Some(place.clone()),
                what,
                help: Some(format!("write {{{{default customer.{attribute} \"...\"}}}}, or put it into {{{{#if customer.{attribute}}}}} ... {{{{/if}}}}")),
            });
        }
        found
    }
}

/// Where line and column, from 1, stand in the text.
pub fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = (text.split_inclusive('\n').take(line.saturating_sub(1)))
        .map(str::len)
        .sum();
    let rest = text.get(before..).unwrap_or("");
    let within = rest.char_indices().nth(column.saturating_sub(1));
    before + within.map_or(0, |(at, _)| at)
}

/// Everything in a campaign's file that is filled in as templates are, each text once: that of the shop's own locale is
/// also that of every other.
pub fn texts(campaign: &Campaign) -> BTreeSet<&str> {
    let mut all = BTreeSet::new();
    for step in &campaign.steps {
        let variants = step.variants.iter();
        let of_variants = variants.flat_map(|v| v.subject.iter().chain(v.preheader.iter()));
        let own: [&Localized; 2] = [&step.subject, &step.preheader];
        let localized = own.into_iter().chain(&step.text).chain(of_variants);
        all.extend(localized.flat_map(|texts| texts.values().map(String::as_str)));
    }
    all
}
