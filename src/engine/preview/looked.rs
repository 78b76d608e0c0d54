//! One mail as whoever looks at it sees it, with what was found in it.

use super::stage::{Person, Stage};
use super::{Form, PreviewError, Previewed};
use crate::domain::campaign::{Campaign, Start};
use crate::engine::composer::localized;
use crate::message::lint::{Finding, Looked, lint};
use crate::message::reading::fields;

impl Stage<'_> {
    /// One mail, looked over; that it cannot be made is told in it.
    pub async fn previewed(
        &self,
        campaign: &Campaign,
        form: &Form,
        person: &Person,
    ) -> Result<Previewed, PreviewError> {
        let step = campaign.step(&form.step);
        let mut shown = Previewed {
            campaign: campaign.id.to_string(),
            step: form.step.to_string(),
            variant: form.variant.clone(),
            locale: form.locale.clone(),
            customer: match person {
                Person::MadeUp => None,
                Person::Known(record) => Some(record.id.to_string()),
            },
            class: step.map_or(campaign.class, |s| s.class).as_str().to_owned(),
            ..Previewed::default()
        };
        let made = match self.made(campaign, form, person).await? {
            Ok(made) => made,
            Err(why) => {
                let (file, line) = place_of(&why);
                let help = "until then this mail goes to nobody";
                let finding = Finding::error("cannot_be_made", "mail", why.clone(), help);
                shown.findings = vec![Finding {
                    file,
                    line,
                    ..finding
                }];
                shown.failed = Some(why);
                return Ok(shown);
            }
        };
        if let (Some(step), Some(templates)) = (step, self.catalogue.templates.get(&campaign.id)) {
            let (template, subject, _) = step.texts(form.variant.as_deref());
            shown.findings = lint(&Looked {
                finished: &made.exact,
                plain: &made.plain,
                class: step.class,
                templates,
                template: step.text.is_none().then_some(template),
                locale: &form.locale,
                subject: localized(subject, &form.locale),
                domain: self.domain(),
            });
        }
        // The program's own mail: its step is in no file of the shop's.
        if matches!(campaign.start, Start::Asked) {
            shown.findings.retain(|f| f.rule != "preheader_missing");
        }
        shown.findings.extend(made.lacking.iter().map(|(path, why)| {
            let (file, line) = place_of(why);
            let what = format!("`{path}` has nothing to stand there in its place");
            let finding = Finding::warning(
                "lacking",
                if file.is_some() { "html" } else { "subject" },
                what,
                "who lacks it gets no mail: say what stands there instead, {{default customer.first_name \"friend\"}}",
            );
            Finding { file, line, ..finding }
        }));
        shown.headers = fields(&made.exact.bytes);
        shown.eml = String::from_utf8_lossy(&made.exact.bytes).into_owned();
        shown.notes = made.notes;
        shown.subject = made.exact.subject;
        shown.preheader = made.exact.preheader;
        shown.html = made.exact.html;
        shown.text = made.exact.text;
        Ok(shown)
    }
}

/// The file and line that an error of a template begins with: `dormant.html.hbs:3:7: ...`.
fn place_of(why: &str) -> (Option<String>, Option<usize>) {
    let Some((place, _)) = why.split_once(": ") else {
        return (None, None);
    };
    let mut parts = place.rsplitn(3, ':');
    let (_column, line, file) = (parts.next(), parts.next(), parts.next());
    match (file, line.and_then(|l| l.parse().ok())) {
        (Some(file), Some(line)) if file.ends_with(".hbs") => (Some(file.to_owned()), Some(line)),
        _ => (None, None),
    }
}
