//! What a template asks of a step's `data` whatever happens: without it no message of that step could be written.
//!
//! Only what is certain is told: not what stands within `{{#if}}` and the like, nor what a helper takes as absent. What a
//! partial asks is left out, too: it may be another's.

use super::source::compile_inline;
use super::templates::Templates;
use super::vocabulary::needs_its_values;
use handlebars::Template;
use handlebars::template::{HelperTemplate, Parameter, TemplateElement};

/// One question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// From `data` on: `["code"]` of `{{data.code}}`.
    pub path: Vec<String>,
    /// The file with line and column; of a subject, its text.
    pub place: String,
}

/// What the forms of template `name` ask of `data`.
pub fn of_template(templates: &Templates, name: &str) -> Vec<Asked> {
    let forms = templates.forms_of(name);
    let mut found = Vec::new();
    for (file, template) in forms {
        walk(template, &file, &mut found);
    }
    found
}

/// What a subject or preheader asks of `data`.
pub fn of_text(text: &str) -> Vec<Asked> {
    let mut found = Vec::new();
    if let Ok(template) = compile_inline(text) {
        walk(&template, "", &mut found);
    }
    for asked in &mut found {
        asked.place = format!("{text:?}");
    }
    found
}

fn walk(template: &Template, file: &str, found: &mut Vec<Asked>) {
    for (element, at) in template.elements.iter().zip(&template.mapping) {
        let mut paths = Vec::new();
        match element {
            TemplateElement::Expression(call) | TemplateElement::HtmlExpression(call) => {
                calls(call, &mut paths);
            }
            // Its block is written for other values, or not always.
            TemplateElement::HelperBlock(call) => calls(call, &mut paths),
            TemplateElement::PartialBlock(partial) if partial.params.is_empty() => {
                if let Some(block) = &partial.template {
                    walk(block, file, found);
                }
            }
            _ => {}
        }
        found.extend(paths.into_iter().map(|path| Asked {
            path,
            place: format!("{file}:{}:{}", at.0, at.1),
        }));
    }
}

fn calls(call: &HelperTemplate, paths: &mut Vec<Vec<String>>) {
    let Some(name) = call.name.as_name() else {
        return;
    };
    if call.params.is_empty() && call.hash.is_empty() && !call.block {
        paths.extend(of_data(name));
        return;
    }
    let needs = needs_its_values(call);
    for parameter in &call.params {
        match parameter {
            Parameter::Path(_) if needs => paths.extend(parameter.as_name().and_then(of_data)),
            Parameter::Subexpression(sub) => {
                if let TemplateElement::Expression(inner) = sub.as_element() {
                    calls(inner, paths);
                }
            }
            _ => {}
        }
    }
}

/// `data.a.[b c].0` without `data`, if that is what it begins with.
fn of_data(path: &str) -> Option<Vec<String>> {
    let path = ["@root.", "this.", "./"]
        .iter()
        .find_map(|before| path.strip_prefix(before))
        .unwrap_or(path);
    let rest = path.strip_prefix("data.")?;
    let parts = rest.split(['.', '/']);
    Some(
        parts
            .map(|part| part.trim_matches(['[', ']']).to_owned())
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::{of_template, of_text};
    use crate::message::Templates;

    fn asked(text: &str) -> Vec<String> {
        let files = [
            ("t.html.hbs", text),
            ("partials/layout.html.hbs", "{{> @partial-block}}"),
        ];
        let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let templates = Templates::from_sources(files.into());
        assert!(
            templates.problems().is_empty(),
            "{:?}",
            templates.problems()
        );
        let found = of_template(&templates, "t");
        found.iter().map(|a| a.path.join(" ")).collect()
    }

    #[test]
    fn what_every_mail_needs_is_told_and_nothing_that_it_may_do_without() {
        for (text, expected) in [
            (
                "{{data.code}} {{{data.html}}} {{@root.data.x.y}}",
                vec!["code", "html", "x y"],
            ),
            ("{{#> layout}}<b>{{data.code}}</b>{{/layout}}", vec!["code"]),
            (
                "{{date data.until}} {{money (times data.price 2) \"KRW\"}}",
                vec!["until", "price"],
            ),
            ("{{#each data.rows}}{{data.name}}{{/each}}", vec!["rows"]),
            (
                "{{default data.code \"x\"}}{{#if data.code}}{{data.code}}{{/if}}",
                vec![],
            ),
            (
                "{{#if (contains data.tags \"x\")}}y{{/if}}{{datas.x}}{{customer.data}}",
                vec![],
            ),
            (
                "{{#if (eq data.kind \"gold\")}}y{{/if}}{{default (upper data.city) \"x\"}}",
                vec!["kind", "city"],
            ),
            (
                "{{#each data.rows}}a{{else}}b{{/each}}{{#if (or data.a data.b)}}c{{/if}}",
                vec![],
            ),
        ] {
            assert_eq!(asked(text), expected, "{text}");
        }
        let found = of_text("{{data.code}} for you");
        assert_eq!(found[0].path, ["code"]);
        assert!(found[0].place.contains("for you"));
    }
}
