//! For `reveille check`: links that templates and subjects print or ask for, and that no mail has.

use super::across::offset;
use crate::campaign::Loaded;
use crate::config::Config;
use crate::config::problem::{Place, Problem, Severity};
use crate::engine::linked::{unknown, unknown_of_asking};
use crate::message::{TemplateProblem, Templates};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An error for each that is printed, a warning for each that is asked for under nearly the name of one; each once,
/// however many campaigns use what wants it.
pub fn check(config: &Config, loaded: &Loaded, templates: &Templates) -> Vec<Problem> {
    let mut found = BTreeMap::new();
    let own = loaded.good().map(|campaign| {
        let source = loaded.sources.campaigns.get(&campaign.id);
        let file = source.map(|source| (source.file.as_str(), source.text.as_str()));
        (file, unknown(config, campaign, templates))
    });
    let confirms = loaded.topics.values().any(|topic| topic.confirm);
    let asking = confirms.then(|| (None, unknown_of_asking(config, templates)));
    for (file, unknown) in own.chain(asking) {
        let printed = unknown.printed.into_iter().map(|p| (p, Severity::Error));
        let doubtful = unknown.doubtful.into_iter().map(|p| (p, Severity::Warning));
        for (problem, severity) in printed.chain(doubtful) {
            let shown = shown(config, templates, file, &problem).only(severity);
            found.entry((shown.file.clone(), problem)).or_insert(shown);
        }
    }
    found.into_values().collect()
}

/// In its template, or as a text in its campaign's file.
fn shown(
    config: &Config,
    templates: &Templates,
    campaign: Option<(&str, &str)>,
    problem: &TemplateProblem,
) -> Problem {
    let (what, help) = (&problem.what, &problem.help);
    if let Some(text) = templates.text_of(&problem.file) {
        let text: Arc<str> = text.into();
        let start = offset(&text, problem.line, problem.column);
        let end = text[start..].find("}}").map_or(start, |at| start + at + 2);
        return Problem {
            severity: Severity::Error,
            file: config.templates.join(&problem.file).display().to_string(),
            place: Some(Place::of(&text, start..end)),
            what: what.clone(),
            help: Some(help.clone()),
        };
    }
    match campaign {
        Some((file, text)) => Problem::at_text(file, text, &problem.file, what, help),
        None => Problem::of_file(problem.file.clone(), what.clone(), help),
    }
}
