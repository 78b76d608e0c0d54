//! What is wrong with a campaign's own texts (subjects, preheaders, what staff are told) and with the links that its mails
//! want, told where it stands: a text in the campaign's file, a link in its template.

use super::linked;
use crate::campaign::Source;
use crate::config::Config;
use crate::config::problem::Problem;
use crate::domain::campaign::Campaign;
use crate::message::{TemplateProblem, Templates};

/// What stands in the way of a campaign whose file is good by itself.
#[derive(Default)]
pub(super) struct Wrong {
    /// In its file.
    pub texts: Vec<Problem>,
    /// In templates that it uses; `template` is the campaign's name.
    pub templates: Vec<TemplateProblem>,
}

impl Wrong {
    /// Compiles the campaign's texts, and asks for the links of its mails. `source` is its file.
    pub(super) fn of(
        config: &Config,
        campaign: &Campaign,
        source: Option<&Source>,
        templates: &mut Templates,
    ) -> Wrong {
        let bad_text = compile(templates, campaign);
        let links = linked::unknown(config, campaign, templates).printed;
        let mut wrong = Wrong::default();
        for problem in bad_text.into_iter().chain(links) {
            let (what, help) = (&problem.what, &problem.help);
            match source {
                // A text is its own name.
                Some(Source { file, text }) if templates.text_of(&problem.file).is_none() => {
                    let shown = Problem::at_text(file, text, &problem.file, what, help);
                    wrong.texts.push(shown);
                }
                _ => wrong.templates.push(TemplateProblem {
                    template: campaign.id.to_string(),
                    ..problem
                }),
            }
        }
        wrong
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.texts.is_empty() && self.templates.is_empty()
    }
}

/// Compiles the subjects and preheaders of a campaign; what is wrong with the first bad one.
pub(super) fn compile(templates: &mut Templates, campaign: &Campaign) -> Option<TemplateProblem> {
    for step in &campaign.steps {
        let own = [&step.subject, &step.preheader].into_iter();
        let own = own.chain(&step.text);
        let variants = step
            .variants
            .iter()
            .flat_map(|v| v.subject.iter().chain(v.preheader.iter()));
        let texts = own.chain(variants).flat_map(|texts| texts.values());
        for text in texts {
            if let Err(mut problem) = templates.inline(text) {
                problem.template = campaign.id.to_string();
                return Some(problem);
            }
        }
    }
    None
}
