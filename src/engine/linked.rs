//! Which links the mails of a campaign have, and what its templates want beside them.
//!
//! Pages of the shop (`[links]`) are there in every mail, staff's too. What is made for each mail is there as far as it
//! can be made, so that a template which prints one that never is there is told before it costs every message.

use super::opt_in;
use crate::config::Config;
use crate::domain::campaign::{Act, Campaign, Start, Step};
use crate::message::Templates;
use crate::message::templates::linked::UnknownLinks;
use std::collections::BTreeSet;

/// What the campaign's templates and texts want.
pub fn unknown(config: &Config, campaign: &Campaign, templates: &Templates) -> UnknownLinks {
    let mut all = UnknownLinks::default();
    for step in &campaign.steps {
        let known = known(config, campaign, step);
        let variants = step.variants.iter();
        let of_variants = variants.clone().filter_map(|v| v.template.as_deref());
        let names: BTreeSet<&str> = std::iter::once(step.template.as_str())
            .chain(of_variants)
            .collect();
        let of_variants = variants.flat_map(|v| v.subject.iter().chain(v.preheader.iter()));
        let own = [&step.subject, &step.preheader].into_iter();
        let texts: Vec<&str> = own
            .chain(of_variants)
            .chain(&step.text)
            .flat_map(|texts| texts.values())
            .map(String::as_str)
            .collect();
        let found = UnknownLinks::of(templates, &names, &texts, &known);
        all.printed.extend(found.printed);
        all.doubtful.extend(found.doubtful);
    }
    all
}

/// What the mail that asks for a confirmation wants, by the shop's template if it has one.
pub fn unknown_of_asking(config: &Config, of_shop: &Templates) -> UnknownLinks {
    let (asking, shipped) = opt_in::own_campaign(of_shop);
    unknown(config, &asking, shipped.as_ref().unwrap_or(of_shop))
}

fn known<'a>(config: &'a Config, campaign: &Campaign, step: &Step) -> BTreeSet<&'a str> {
    let mut known: BTreeSet<&str> = config.links.keys().map(|name| name.as_str()).collect();
    if matches!(step.act, Some(Act::Notify(_))) {
        return known;
    }
    let pages = config.http.public_url.is_some();
    let asks = matches!(campaign.start, Start::Asked);
    if asks {
        known.insert("confirm");
    } else if pages {
        known.insert("preferences");
    }
    if config.sender.unsubscribe_mailto.is_some() || (pages && !asks) {
        known.insert("unsubscribe");
    }
    known
}
