//! The forms of a campaign's mails: each step that sends one, in each variant and locale that its files have.

use super::PreviewError;
use crate::domain::campaign::{Act, Campaign, Step};
use crate::domain::id::StepId;
use crate::message::Templates;
use crate::message::source::{canonical, fallbacks};
use std::collections::BTreeSet;

/// Which forms are wanted; what is `None` is every one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    pub step: Option<StepId>,
    pub variant: Option<String>,
    /// As it was asked for, whether the files have it or not.
    pub locale: Option<String>,
    /// Without `locale`: each that the files have, not only the customer's own or the shop's.
    pub every_locale: bool,
}

/// One form.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Form {
    pub step: StepId,
    pub variant: Option<String>,
    pub locale: String,
}

/// The forms of a campaign that are wanted; `own` is the reader's locale.
pub fn forms(
    campaign: &Campaign,
    templates: &Templates,
    wanted: &Wanted,
    own: &str,
) -> Result<Vec<Form>, PreviewError> {
    let sends = |s: &&Step| matches!(s.act, None | Some(Act::Notify(_)));
    let steps: Vec<&Step> = campaign.steps.iter().filter(sends).collect();
    if let Some(step) = &wanted.step
        && !steps.iter().any(|s| s.id == *step)
    {
        let names = steps.iter().map(|s| s.id.as_str());
        return Err(unknown(
            "step that sends a mail",
            step.as_str(),
            campaign,
            names,
        ));
    }
    let chosen = |s: &&&Step| wanted.step.as_ref().is_none_or(|id| s.id == *id);
    let mut found = Vec::new();
    for step in steps.iter().filter(chosen) {
        let names: Vec<&str> = step.variants.iter().map(|v| v.name.as_str()).collect();
        let variants: Vec<Option<&str>> = match (&wanted.variant, names.is_empty()) {
            (Some(one), _) => (names.iter().filter(|n| *n == one).map(|n| Some(*n))).collect(),
            (None, true) => vec![None],
            (None, false) => names.iter().map(|n| Some(*n)).collect(),
        };
        for variant in variants {
            let locales = match &wanted.locale {
                Some(locale) => vec![locale.clone()],
                None if wanted.every_locale && step.act.is_none() => {
                    let all = locales(step, variant, templates, own);
                    all.into_iter().collect()
                }
                None => vec![own.to_owned()],
            };
            found.extend(locales.into_iter().map(|locale| Form {
                step: step.id.clone(),
                variant: variant.map(str::to_owned),
                locale,
            }));
        }
    }
    if found.is_empty()
        && let Some(variant) = &wanted.variant
    {
        let names = (steps.iter().filter(chosen)).flat_map(|s| s.variants.iter());
        let names = names.map(|v| v.name.as_str());
        return Err(unknown("variant", variant, campaign, names));
    }
    Ok(found)
}

fn unknown<'a>(
    what: &str,
    name: &str,
    campaign: &Campaign,
    names: impl Iterator<Item = &'a str>,
) -> PreviewError {
    let names: Vec<&str> = names.collect();
    let hint = match names.as_slice() {
        [] => "there is none".to_owned(),
        names => format!("there are: {}", names.join(", ")),
    };
    PreviewError::Unknown(format!("{} has no {what} {name:?}", campaign.id), hint)
}

/// The locales that a mail's texts are written in, and `own`, which is written to in the texts for every other if not.
fn locales(
    step: &Step,
    variant: Option<&str>,
    templates: &Templates,
    own: &str,
) -> BTreeSet<String> {
    let (template, subject, preheader) = step.texts(variant);
    let texts = subject.keys().chain(preheader.keys()).map(String::as_str);
    let written = texts.chain(templates.locales(template));
    let mut all: BTreeSet<String> = written.map(canonical).filter(|l| !l.is_empty()).collect();
    // Somebody whose language nobody wrote for gets the texts for every other.
    if !fallbacks(own).iter().any(|l| all.contains(l)) {
        all.insert(own.to_owned());
    }
    all
}

/// The locale of the form that a reader of `own` gets: one of a small set, whatever readers say of themselves.
pub fn form_locale(
    step: &Step,
    variant: Option<&str>,
    templates: &Templates,
    own: &str,
    shop: &str,
) -> String {
    let all = locales(step, variant, templates, shop);
    let nearest = fallbacks(own).into_iter().find(|l| all.contains(l));
    nearest.unwrap_or_else(|| shop.to_owned())
}
