//! For `reveille check`: a step whose templates ask for data that it does not have.

use crate::campaign::Loaded;
use crate::config::problem::{Problem, Severity};
use crate::domain::campaign::{Campaign, Localized, Step};
use crate::domain::value::{Properties, Value};
use crate::message::Templates;
use crate::message::asked::{Asked, of_template, of_text};
use std::collections::BTreeSet;

/// A warning for each, in the campaign's file.
pub fn check(loaded: &Loaded, templates: &Templates) -> Vec<Problem> {
    let mut problems = Vec::new();
    for campaign in loaded.good() {
        for step in &campaign.steps {
            let mut told = BTreeSet::new();
            let variants = step.variants.iter().map(|v| Some(v.name.as_str()));
            for variant in std::iter::once(None).chain(variants) {
                // Where every variant has a template of its own, the step has none.
                let (template, subject, preheader) = step.texts(variant);
                if variant.is_none() && !step.variants.is_empty() {
                    continue;
                }
                let mut asked = of_template(templates, template);
                asked.extend(texts(step, [subject, preheader]));
                let data = step.shown(variant).data;
                for one in asked {
                    let has = data.as_ref().is_some_and(|data| has(data, &one.path));
                    if !has && told.insert(one.path.clone()) {
                        problems.push(problem(loaded, campaign, step, &one));
                    }
                }
            }
        }
    }
    problems
}

fn texts(step: &Step, texts: [&Localized; 2]) -> Vec<Asked> {
    let all = texts.into_iter().chain(&step.text);
    all.flat_map(|texts| texts.values())
        .flat_map(|text| of_text(text))
        .collect()
}

/// Whether there is something at that place of the data.
fn has(data: &Properties, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else {
        return true;
    };
    let mut at = data.get(first);
    for part in rest {
        at = match at {
            Some(Value::Map(map)) => map.get(part),
            Some(Value::List(items)) => part.parse().ok().and_then(|n: usize| items.get(n)),
            _ => None,
        };
    }
    at.is_some()
}

fn problem(loaded: &Loaded, campaign: &Campaign, step: &Step, asked: &Asked) -> Problem {
    let path = asked.path.join(".");
    let what = format!(
        "{} asks for `data.{path}`, which the step `{}` does not have: no mail of it could be written",
        asked.place, step.id
    );
    let help = format!(
        "add data = {{ ... }} or data_file = \"...\" with it to the step, or write {{{{default data.{path} \"...\"}}}}"
    );
    let found = match loaded.sources.campaigns.get(&campaign.id) {
        Some(source) => Problem::at_text(
            &source.file,
            &source.text,
            &format!("\"{}\"", step.id),
            &what,
            &help,
        ),
        None => Problem::of_file(campaign.id.to_string(), what, &help),
    };
    Problem {
        severity: Severity::Warning,
        ..found
    }
}
