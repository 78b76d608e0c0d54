//! Which links the mails of a campaign have, and what its templates want beside them.
//!
//! Pages of the shop (`[links]`) are there in every mail, staff's too. What is made for each mail is there as far as it
//! can be made, so that a template which prints one that never is there is told before it costs every message.
//!
//! A page that is taken out of config.toml stays, as it was, for the campaigns that cannot do without it: they go on as
//! they were, as with any file that is bad. What the program makes itself cannot stay so ([`super::taken_away`]).

use super::kept::{self, GoodLinks};
use super::opt_in;
use crate::config::Config;
use crate::domain::campaign::{Act, Campaign, Start, Step};
use crate::domain::id::{CampaignId, LinkName};
use crate::message::Templates;
use crate::message::templates::linked::UnknownLinks;
use crate::store::codec::encode;
use crate::store::{Batch, Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};

/// What the campaign's templates and texts want.
pub fn unknown(config: &Config, campaign: &Campaign, templates: &Templates) -> UnknownLinks {
    beside(campaign, templates, |step| known(config, campaign, step))
}

/// What they want beside the links that are known at each step.
fn beside<'a>(
    campaign: &Campaign,
    templates: &Templates,
    known: impl Fn(&Step) -> BTreeSet<&'a str>,
) -> UnknownLinks {
    let mut all = UnknownLinks::default();
    for step in &campaign.steps {
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
        let found = UnknownLinks::of(templates, &names, &texts, &known(step), step.class);
        all.printed.extend(found.printed);
        all.doubtful.extend(found.doubtful);
        all.names.extend(found.names);
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

/// The shop's pages as the mails of each campaign have them.
#[derive(Clone, Debug, Default)]
pub struct ShopLinks {
    named: BTreeMap<LinkName, String>,
    /// No longer named: of those campaigns that go on as they were.
    stayed: BTreeMap<CampaignId, BTreeMap<LinkName, String>>,
    /// As the store keeps them.
    kept: BTreeMap<CampaignId, GoodLinks>,
}

impl ShopLinks {
    pub async fn read(config: &Config, store: &dyn Store) -> Result<ShopLinks, StoreError> {
        Ok(ShopLinks {
            named: config.links.clone(),
            stayed: BTreeMap::new(),
            kept: kept::all_links(store).await?,
        })
    }

    /// Those of a campaign's mails.
    pub fn of(&self, id: &CampaignId) -> impl Iterator<Item = (&LinkName, &String)> {
        let stayed = self.stayed.get(id).into_iter().flatten();
        self.named.iter().chain(stayed)
    }

    /// The configuration as it was for this campaign when it last validated, as far as links go.
    pub fn as_it_was(&self, id: &CampaignId, config: &Config) -> Config {
        let mut links = self.gone(id);
        links.extend(config.links.clone());
        Config {
            links,
            ..config.clone()
        }
    }

    /// The campaign goes on as it was.
    pub fn stay(&mut self, id: &CampaignId) {
        let gone = self.gone(id);
        if !gone.is_empty() {
            self.stayed.insert(id.clone(), gone);
        }
    }

    fn gone(&self, id: &CampaignId) -> BTreeMap<LinkName, String> {
        let kept = self.kept.get(id).map(|GoodLinks(kept)| kept);
        let gone = kept.into_iter().flatten();
        let gone = gone.filter(|(name, _)| !self.named.contains_key(*name));
        gone.map(|(name, page)| (name.clone(), page.clone()))
            .collect()
    }

    /// What the store is to keep of a campaign that validates.
    pub fn keep(&self, campaign: &Campaign, templates: &Templates, batch: &mut Batch) {
        let wanted = beside(campaign, templates, |_| BTreeSet::new()).names;
        let named = self.named.iter();
        let wanted = named.filter(|(name, _)| wanted.contains(name.as_str()));
        let links = GoodLinks(
            wanted
                .map(|(name, page)| (name.clone(), page.clone()))
                .collect(),
        );
        let key = kept::key_of_links(&campaign.id);
        match self.kept.get(&campaign.id) {
            None if links.0.is_empty() => {}
            Some(known) if *known == links => {}
            Some(_) if links.0.is_empty() => batch.deletes.push(key),
            _ => batch.puts.push((key, encode(&links))),
        }
    }
}
