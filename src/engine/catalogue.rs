//! The catalogue: all campaigns in force, with the templates that each goes out with.
//!
//! It is made from the folders; a campaign whose files don't validate goes on as its last good version (file,
//! templates, partials, segments, tags and topics together), which the store keeps, over restarts too. Segments and tags of a last
//! good version are written into its conditions, so that it does not meet the new ones.

use super::coupons;
use super::kept::{self, Good};
use super::linked::{self, ShopLinks};
use super::opt_in;
use super::shard::Refused;
use super::wording::{self, Wrong};
use crate::campaign::{self, Context, Source, Sources};
use crate::config::Config;
use crate::config::problem::Problem;
use crate::domain::campaign::{Campaign, CampaignState, Start, Topic};
use crate::domain::condition::{Condition, Named};
use crate::domain::coupon::Pools;
use crate::domain::event::EventRules;
use crate::domain::id::{CampaignId, SegmentName, TagName, TopicId};
use crate::domain::once::Once;
use crate::domain::order::judging_order;
use crate::domain::rules::{Controls, Rules, Shop};
use crate::domain::track::TrackPlan;
use crate::message::{TemplateProblem, Templates};
use crate::store::codec::encode;
use crate::store::{Batch, Store};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Rises when the domain decides differently, so that every record is brought up to date.
const DOMAIN_VERSION: u64 = 3;

/// How a campaign's file stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    Good,
    /// The file does not validate; its last good version goes on.
    LastGood,
    /// The file does not validate and never did.
    Broken,
    /// The file has disappeared: paused until it is back or cancelled.
    Missing,
}

/// The campaigns in force.
#[derive(Clone)]
pub struct Catalogue {
    pub rules: Arc<Rules>,
    pub templates: HashMap<CampaignId, Arc<Templates>>,
    pub files: BTreeMap<CampaignId, FileState>,
    /// Those whose texts name the customer's events (`products`, `entry`): only for them is the history read.
    pub tells_events: BTreeSet<CampaignId>,
    /// Every error and warning of every file.
    pub problems: Vec<Problem>,
    pub template_problems: Vec<TemplateProblem>,
    /// New last good versions, to be kept; and those of names that campaigns no longer bear, which are not any more.
    keep: Batch,
    /// The shop's own pages (`[links]`), which templates name.
    pub links: Arc<ShopLinks>,
}

impl Catalogue {
    /// Reads the folders that `config` names, and what the store keeps. A bad file is a problem, never an error; a store that
    /// cannot answer is one.
    pub async fn read(
        config: &Config,
        store: &dyn Store,
        salt: [u8; 16],
        controls: Arc<Controls>,
    ) -> Result<Catalogue, Refused> {
        let kept = kept::all(store).await.map_err(Refused::Store)?;
        let links = ShopLinks::read(config, store).await;
        let mut links = links.map_err(Refused::Store)?;
        let (mut templates, mut template_problems) = match Templates::load(&config.templates) {
            Ok(templates) => (templates, Vec::new()),
            Err(problems) => (Templates::from_sources(BTreeMap::new()), problems),
        };
        template_problems.extend(templates.problems().iter().cloned());
        let context = context(config, &templates);
        let mut loaded = campaign::load(&config.campaigns, &context);
        let secret = coupons::secret(store, false).await?;
        let pools = coupons::pools_of(&mut loaded, secret);
        loaded
            .problems
            .extend(campaign::cross::check(config, &loaded));
        loaded.problems.extend(config.warnings.iter().cloned());
        for (id, campaign) in &mut loaded.campaigns {
            let Ok(good) = campaign else { continue };
            let source = loaded.sources.campaigns.get(id);
            let wrong = Wrong::of(config, good, source, &mut templates);
            if !wrong.is_nothing() {
                loaded.problems.extend(wrong.texts);
                template_problems.extend(wrong.templates);
                *campaign = Err(Vec::new());
            }
        }
        let mut made = Making {
            shop: config.shop(),
            events: config.events.clone(),
            campaigns: BTreeMap::new(),
            templates: HashMap::new(),
            topics: loaded.topics.clone(),
            files: BTreeMap::new(),
            tells_events: BTreeSet::new(),
        };
        let mut keep = Batch::default();
        let (asking, mut shipped) = opt_in::own_campaign(&templates);
        wording::compile(shipped.as_mut().unwrap_or(&mut templates), &asking);
        if loaded.topics.values().any(|topic| topic.confirm) {
            let wanted = linked::unknown_of_asking(config, &templates).printed;
            match wanted.is_empty() {
                true => links.keep(&asking, shipped.as_ref().unwrap_or(&templates), &mut keep),
                false => links.stay(&asking.id),
            }
            template_problems.extend(wanted);
        }
        let all_templates = Arc::new(templates);
        for (id, outcome) in &loaded.campaigns {
            match outcome {
                Ok(campaign) => {
                    let good = good_version(campaign, &loaded.sources, &all_templates);
                    if kept.get(id) != Some(&good) {
                        keep.puts.push((kept::key(id), encode(&good)));
                    }
                    links.keep(campaign, &all_templates, &mut keep);
                    made.take(
                        campaign.clone(),
                        Arc::clone(&all_templates),
                        FileState::Good,
                    );
                }
                Err(_) => match kept
                    .get(id)
                    .and_then(|good| revive(id, good, &links.as_it_was(id, config)))
                {
                    Some((campaign, topics, templates)) => {
                        links.stay(id);
                        for (topic, row) in topics {
                            made.topics.entry(topic).or_insert(row);
                        }
                        made.take(campaign, Arc::new(templates), FileState::LastGood);
                    }
                    None => {
                        made.files.insert(id.clone(), FileState::Broken);
                    }
                },
            }
        }
        if made.topics.values().any(|topic| topic.confirm) {
            let templates = shipped.map_or_else(|| Arc::clone(&all_templates), Arc::new);
            made.take(asking, templates, FileState::Good);
        }
        let former = |id: &CampaignId| {
            let mut campaigns = made.campaigns.values();
            campaigns.any(|c| c.renamed_from.as_ref() == Some(id))
        };
        for id in kept.keys().filter(|id| !loaded.campaigns.contains_key(*id)) {
            if former(id) {
                let keys = [kept::key(id), kept::key_of_links(id)];
                keep.deletes.extend(keys);
            } else if !controls.cancelled.contains(id) {
                made.files.insert(id.clone(), FileState::Missing);
            }
        }
        let rules = made.rules(loaded.segments, loaded.tags, &pools, salt, controls);
        Ok(Catalogue {
            rules: Arc::new(Rules {
                pools: Arc::new(pools),
                ..rules
            }),
            templates: made.templates,
            files: made.files,
            tells_events: made.tells_events,
            problems: loaded.problems,
            template_problems,
            keep,
            links: Arc::new(links),
        })
    }

    /// What the store is to keep of this, and what no more.
    pub fn take_kept(&mut self) -> Batch {
        std::mem::take(&mut self.keep)
    }

    pub fn has_errors(&self) -> bool {
        !self.template_problems.is_empty() || self.problems.iter().any(Problem::is_error)
    }

    /// The same campaigns under other controls.
    pub fn with_controls(&self, controls: Controls) -> Catalogue {
        let mut rules = (*self.rules).clone();
        rules.controls = Arc::new(controls);
        Catalogue {
            rules: Arc::new(rules),
            ..self.clone()
        }
    }
}

/// What campaign files are read against.
fn context(config: &Config, templates: &Templates) -> Context {
    let mut context = Context::of(config);
    let hash = |name: &str| {
        let mut hash = Xxh3::new();
        for (file, text) in templates.sources_of(name) {
            for part in [file, text] {
                hash.update(&(part.len() as u64).to_le_bytes());
                hash.update(part.as_bytes());
            }
        }
        hash.digest()
    };
    context.templates = Some(
        templates
            .names()
            .map(|name| (name.to_owned(), hash(name)))
            .collect(),
    );
    context
}

/// Whether any text of the campaign may name its events.
fn tells_events(campaign: &Campaign, templates: &Templates) -> bool {
    let names = |text: &str| text.contains("products") || text.contains("entry");
    campaign.steps.iter().any(|step| {
        let variants = step.variants.iter();
        let files = variants.clone().filter_map(|v| v.template.as_deref());
        let texts = variants.flat_map(|v| v.subject.iter().chain(v.preheader.iter()));
        let own = [&step.subject, &step.preheader].into_iter();
        let texts = own.chain(&step.text).chain(texts);
        texts.flat_map(|t| t.values()).any(|t| names(t))
            || std::iter::once(step.template.as_str())
                .chain(files)
                .flat_map(|name| templates.sources_of(name))
                .any(|(_, text)| names(text))
    })
}

fn good_version(campaign: &Campaign, sources: &Sources, templates: &Templates) -> Good {
    let source = sources.campaigns.get(&campaign.id);
    let pair = |s: &Option<Source>| s.as_ref().map(|s| (s.file.clone(), s.text.clone()));
    let names: BTreeSet<&str> = (campaign.steps.iter())
        .flat_map(|s| {
            let of_variants = s.variants.iter().filter_map(|v| v.template.as_deref());
            std::iter::once(s.template.as_str()).chain(of_variants)
        })
        .collect();
    Good {
        file: source.map(|s| s.file.clone()).unwrap_or_default(),
        text: source.map(|s| s.text.clone()).unwrap_or_default(),
        segments: pair(&sources.segments),
        topics: pair(&sources.topics),
        tags: pair(&sources.tags),
        data: (source.iter().flat_map(|s| campaign::data_files_of(&s.text)))
            .filter_map(|name| {
                let read = sources.data.get(&name)?.as_ref().ok()?;
                Some((name, (read.file.clone(), read.text.clone())))
            })
            .collect(),
        templates: (names.into_iter())
            .flat_map(|name| templates.sources_of(name))
            .map(|(file, text)| (file.to_owned(), text.to_owned()))
            .collect(),
    }
}

/// A campaign made again from its last good version, by the same code as the folder's.
fn revive(
    id: &CampaignId,
    good: &Good,
    config: &Config,
) -> Option<(Campaign, BTreeMap<TopicId, Topic>, Templates)> {
    let mut templates = Templates::from_sources(good.templates.clone());
    let source = |pair: &Option<(String, String)>| {
        pair.as_ref().map(|(file, text)| Source {
            file: file.clone(),
            text: text.clone(),
        })
    };
    let sources = Sources {
        campaigns: BTreeMap::from([(
            id.clone(),
            Source {
                file: good.file.clone(),
                text: good.text.clone(),
            },
        )]),
        segments: source(&good.segments),
        topics: source(&good.topics),
        tags: source(&good.tags),
        data: (good.data.iter())
            .filter_map(|(name, pair)| Some((name.clone(), Ok(source(&Some(pair.clone()))?))))
            .collect(),
        // Its pools are not of its version: codes are given out of those that stand now.
        coupons: None,
    };
    let mut context = context(config, &templates);
    context.any_pool = true;
    let mut loaded = campaign::compile(sources, &context);
    let campaign = loaded.campaigns.remove(id)?.ok()?;
    let wants = |templates: &Templates| linked::unknown(config, &campaign, templates).printed;
    if wording::compile(&mut templates, &campaign).is_some() || !wants(&templates).is_empty() {
        return None;
    }
    let campaign = campaign::alone(
        &campaign,
        &Named {
            segments: &loaded.segments,
            tags: &loaded.tags,
        },
    );
    Some((campaign, loaded.topics, templates))
}

struct Making {
    shop: Shop,
    events: EventRules,
    campaigns: BTreeMap<CampaignId, Arc<Campaign>>,
    templates: HashMap<CampaignId, Arc<Templates>>,
    topics: BTreeMap<TopicId, Topic>,
    files: BTreeMap<CampaignId, FileState>,
    tells_events: BTreeSet<CampaignId>,
}

impl Making {
    fn take(&mut self, mut campaign: Campaign, templates: Arc<Templates>, state: FileState) {
        // Going from test to live is a start of its own: those who were not admitted before may be now.
        let admits = match campaign.state {
            CampaignState::Draft => 0u8,
            CampaignState::Test => 1,
            CampaignState::Live => 2,
        };
        let mut bytes = campaign.audience_hash.to_le_bytes().to_vec();
        bytes.push(admits);
        // So is an edit of who may enter, and how often: the walk counts them, and the guard asks.
        let entry = &campaign.entry;
        bytes.extend(format!("{:?}", (entry.again, entry.at_most, entry.existing)).bytes());
        // 0 is kept for "judged by none".
        campaign.audience_hash = xxh3_64(&bytes).max(1);
        let id = campaign.id.clone();
        if tells_events(&campaign, &templates) {
            self.tells_events.insert(id.clone());
        }
        self.templates.insert(id.clone(), templates);
        self.files.insert(id.clone(), state);
        self.campaigns.insert(id, Arc::new(campaign));
    }

    fn rules(
        &self,
        segments: BTreeMap<SegmentName, Condition>,
        tags: BTreeMap<TagName, Condition>,
        pools: &Pools,
        salt: [u8; 16],
        controls: Arc<Controls>,
    ) -> Rules {
        let of_campaigns = self.campaigns.values().flat_map(|c| c.conditions());
        let triggers = self.campaigns.values().filter_map(|c| match &c.start {
            Start::Triggered(trigger) => Some(trigger),
            _ => None,
        });
        let shared = segments.values().chain(tags.values());
        let plan = TrackPlan::with_events(of_campaigns.chain(shared), triggers, &self.events);
        let named = Named {
            segments: &segments,
            tags: &tags,
        };
        let order = judging_order(&self.campaigns, &named);
        let mut hash = Xxh3::new();
        hash.update(&DOMAIN_VERSION.to_le_bytes());
        hash.update(chrono_tz::IANA_TZDB_VERSION.as_bytes());
        hash.update(format!("{:?}{:?}", self.shop, self.topics).as_bytes());
        if !self.events.is_empty() {
            hash.update(format!("{:?}", self.events).as_bytes());
        }
        for campaign in self.campaigns.values() {
            hash.update(&campaign.hash.to_le_bytes());
            hash.update(&campaign.audience_hash.to_le_bytes());
        }
        for (name, segment) in &segments {
            hash.update(name.as_str().as_bytes());
            hash.update(&segment.stable_hash(&named).to_le_bytes());
        }
        for (name, tag) in &tags {
            hash.update(b"tag");
            hash.update(name.as_str().as_bytes());
            hash.update(&tag.stable_hash(&named).to_le_bytes());
        }
        // Of pools what records go by: who has had enough, and under which names.
        for pool in pools.values() {
            if pool.most_each.is_some() || pool.renamed_from.is_some() {
                let known = (&pool.name, pool.most_each, &pool.renamed_from);
                hash.update(format!("pool{known:?}").as_bytes());
            }
        }
        hash.update(&plan.fingerprint().to_le_bytes());
        Rules {
            // 0 is kept for "built for none".
            version: hash.digest().max(1),
            campaigns: self.campaigns.clone(),
            segments,
            tags,
            order,
            topics: self.topics.clone(),
            shop: self.shop.clone(),
            plan,
            controls,
            salt,
            pools: Arc::default(),
            once: Once::of(&self.events),
        }
    }
}
