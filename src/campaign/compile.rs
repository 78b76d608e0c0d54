//! From the texts to [`Loaded`]: topics, segments, then each campaign, and the hashes that tell versions apart.

use super::condition::{self, Entry, Scope};
use super::doubt::certain;
use super::keys::CAMPAIGN;
use super::names::{Defined, Names, count_events};
use super::shared::{Written, defined, read_segments, read_topics, segments_in};
use super::step::{Around, needs_topic, read_class, read_steps};
use super::{Context, Loaded, Source, Sources, limits, start};
use crate::config::problem::{Problem, sort};
use crate::config::toml_reader::{Item, Reader, Table, canonical};
use crate::domain::address::EmailAddress;
use crate::domain::campaign::{Campaign, CampaignState, Start, Step, Topic};
use crate::domain::condition::Condition;
use crate::domain::id::{CampaignId, SegmentName, TopicId};
use crate::domain::preference::Class;
use std::collections::{BTreeMap, BTreeSet};
use toml::de::{DeTable, DeValue};
use xxhash_rust::xxh3::Xxh3;

type Segments = BTreeMap<SegmentName, Written<Condition>>;
type Topics = BTreeMap<TopicId, Written<Topic>>;

/// Compiles a set of files. Pure: the same texts and context give the same result.
pub fn compile(sources: Sources, context: &Context) -> Loaded {
    let mut problems = Vec::new();
    let in_files = event_names(&sources);
    let text_of = |source: &Option<Source>| source.as_ref().map(|s| s.text.clone());

    let mut known_topics = defined(text_of(&sources.topics).as_deref());
    let mut topics = Topics::new();
    if let Some(source) = &sources.topics {
        let reader = Reader::new(&source.file, &source.text);
        topics = read_topics(&reader, &context.shop.locale, &mut known_topics);
        problems.extend(reader.into_problems());
    }

    let mut known_segments = defined(text_of(&sources.segments).as_deref());
    let mut segments = Segments::new();
    if let Some(source) = &sources.segments {
        let reader = Reader::new(&source.file, &source.text);
        let names_now = Defined {
            names: known_segments.names.clone(),
            unreadable: false,
        };
        let names = Names {
            context,
            segments: &names_now,
            topics: &known_topics,
            in_files: &in_files,
        };
        segments = read_segments(&reader, &names, &mut known_segments);
        problems.extend(reader.into_problems());
    }

    let plain_segments: BTreeMap<SegmentName, Condition> = segments
        .iter()
        .map(|(name, segment)| (name.clone(), segment.what.clone()))
        .collect();
    let names = Names {
        context,
        segments: &known_segments,
        topics: &known_topics,
        in_files: &in_files,
    };
    let around = Shared {
        names: &names,
        segments: &segments,
        conditions: &plain_segments,
        topics: &topics,
    };
    let mut campaigns = BTreeMap::new();
    for (id, source) in &sources.campaigns {
        let reader = Reader::new(&source.file, &source.text);
        let campaign = reader.document(&CAMPAIGN, |root| read_campaign(id, &root, &around));
        let mut found = reader.into_problems();
        sort(&mut found);
        let errors: Vec<Problem> = found.iter().filter(|p| p.is_error()).cloned().collect();
        let result = match campaign {
            Some(campaign) if errors.is_empty() => Ok(campaign),
            _ => Err(errors),
        };
        campaigns.insert(id.clone(), result);
        problems.append(&mut found);
    }
    sort(&mut problems);
    Loaded {
        campaigns,
        segments: plain_segments,
        topics: topics.into_iter().map(|(id, t)| (id, t.what)).collect(),
        problems,
        sources,
    }
}

fn event_names(sources: &Sources) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for source in sources.campaigns.values().chain(&sources.segments) {
        if let Ok(root) = DeTable::parse(&source.text) {
            count_events(&DeValue::Table(root.into_inner()), &mut counts);
        }
    }
    counts
}

/// What all campaigns may refer to.
struct Shared<'a> {
    names: &'a Names<'a>,
    segments: &'a Segments,
    conditions: &'a BTreeMap<SegmentName, Condition>,
    topics: &'a Topics,
}

fn read_campaign(id: &CampaignId, root: &Table<'_>, shared: &Shared<'_>) -> Option<Campaign> {
    let name = root
        .required(
            "name",
            "write name = \"Welcome\": how people call this campaign",
        )
        .and_then(|i| i.parsed(label));
    let state = root
        .required(
            "state",
            "write state = \"draft\" while you work on it, later \"test\" or \"live\"",
        )
        .and_then(|i| {
            i.choice(&[
                ("draft", CampaignState::Draft),
                ("test", CampaignState::Test),
                ("live", CampaignState::Live),
            ])
        });
    let owner = match root.get("owner") {
        None => Some(None),
        Some(item) => item
            .parsed(|text| EmailAddress::parse(text).map(|a| a.as_str().to_owned()))
            .map(Some),
    };
    let class_item = root.required(
        "class",
        "write class = \"advertising\", \"informational\" or \"transactional\"",
    );
    let class = class_item.as_ref().and_then(read_class);
    let topic = match root.get("topic") {
        None => Some(None),
        Some(item) => shared
            .names
            .topic(&item)
            .and_then(|name| TopicId::parse(name).ok())
            .map(Some),
    };
    if let Some(item) = &class_item
        && class == Some(Class::Advertising)
        && !root.has("topic")
    {
        needs_topic(item);
    }
    let priority = root
        .get("priority")
        .map_or(Some(0), |i| i.whole(-1_000, 1_000));
    let start = start::read_start(root, shared.names);
    let audience = read_audience(root, shared);
    let entry = start::read_entry(root, start.as_ref(), shared.names);
    let steps = read_steps(
        root,
        &Around {
            names: shared.names,
            class,
            has_topic: root.has("topic"),
        },
    );
    let limits = limits::read(root, class, shared.names);
    let mut campaign = Campaign {
        id: id.clone(),
        name: name?,
        state: state?,
        owner: owner?,
        class: class?,
        topic: topic?,
        priority: i32::try_from(priority?).ok()?,
        start: start?,
        audience: audience?,
        entry: entry?,
        steps: steps?,
        limits: limits?,
        hash: 0,
        audience_hash: 0,
    };
    campaign.hash = hash(root, &campaign, shared);
    campaign.audience_hash = audience_hash(root, &campaign, shared);
    Some(campaign)
}

fn label(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.len() > 200 || text.chars().any(char::is_control) {
        Err("it must be one line of 1 to 200 bytes; write for example \"Welcome\"".into())
    } else {
        Ok(text.to_owned())
    }
}

fn read_audience(root: &Table<'_>, shared: &Shared<'_>) -> Option<Option<Condition>> {
    let Some(item) = root.get("audience") else {
        if let Some(schedule) = root.get("schedule") {
            root.reader().error(
                schedule.key_span(),
                "a scheduled campaign needs an audience",
                "add [audience] and, below it, who is meant",
            );
            return None;
        }
        if !root.has("trigger") {
            root.reader().error(
                root.span(),
                "nothing starts this campaign: there is no [schedule], no [trigger] and no [audience]",
                "add one of them",
            );
            return None;
        }
        return Some(None);
    };
    let scope = Scope {
        names: shared.names,
        entry: Entry::None,
        // The event that starts it tells that the customer is known.
        known: root.has("trigger"),
    };
    let audience = condition::read(&item, scope)?;
    match certain(&audience, shared.conditions) {
        Some(true) => root.reader().warn(
            item.key_span(),
            "this audience always holds: everybody is in it",
            "is that meant?",
        ),
        Some(false) => root.reader().warn(
            item.key_span(),
            "this audience can never hold: nobody will ever be in it",
            "look for conditions that exclude each other",
        ),
        None => {}
    }
    Some(Some(audience))
}

/// The segments that a campaign names anywhere, and those that these name.
fn segments_of(conditions: &[&Condition], shared: &Shared<'_>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for condition in conditions {
        segments_in(condition, &mut found);
    }
    let mut open: Vec<String> = found.iter().cloned().collect();
    while let Some(name) = open.pop() {
        let mut inner = BTreeSet::new();
        if let Some(segment) = shared.segments.get(name.as_str()) {
            segments_in(&segment.what, &mut inner);
        }
        for next in inner {
            if found.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    found
}

/// The topics that conditions ask about, also through the segments that they name.
fn topics_of(
    conditions: &[&Condition],
    segments: &BTreeSet<String>,
    shared: &Shared<'_>,
) -> BTreeSet<TopicId> {
    fn walk(condition: &Condition, found: &mut BTreeSet<TopicId>) {
        match condition {
            Condition::Subscribed(topic) => {
                found.insert(topic.clone());
            }
            Condition::All(list) | Condition::Any(list) => {
                list.iter().for_each(|inner| walk(inner, found));
            }
            Condition::Not(inner) => walk(inner, found),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    conditions.iter().for_each(|c| walk(c, &mut found));
    for name in segments {
        if let Some(segment) = shared.segments.get(name.as_str()) {
            walk(&segment.what, &mut found);
        }
    }
    found
}

/// A hash of labelled parts; lengths go in, so that parts cannot run into each other.
struct Parts(Xxh3);

impl Parts {
    fn new(purpose: &str) -> Parts {
        let mut parts = Parts(Xxh3::new());
        parts.add(purpose, b"");
        parts
    }

    fn add(&mut self, label: &str, bytes: &[u8]) {
        for part in [label.as_bytes(), bytes] {
            self.0.update(&(part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
    }

    fn add_item(&mut self, item: Option<Item<'_>>) {
        if let Some(item) = item {
            let mut bytes = Vec::new();
            canonical(item.value(), &mut bytes);
            self.add(item.name, &bytes);
        }
    }

    fn add_segments(&mut self, names: &BTreeSet<String>, shared: &Shared<'_>) {
        for name in names {
            if let Some(segment) = shared.segments.get(name.as_str()) {
                self.add(name, &segment.bytes);
            }
        }
    }

    fn add_topics(&mut self, topics: &BTreeSet<TopicId>, shared: &Shared<'_>) {
        for id in topics {
            if let Some(topic) = shared.topics.get(id) {
                self.add(id.as_str(), &topic.bytes);
            }
        }
    }

    fn finish(self) -> u64 {
        self.0.digest()
    }
}

/// All that an approval holds for. Comments, spaces and the order of keys do not count.
fn hash(root: &Table<'_>, campaign: &Campaign, shared: &Shared<'_>) -> u64 {
    let mut parts = Parts::new("campaign 1");
    for key in CAMPAIGN.known {
        parts.add_item(root.get(key));
    }
    let mut conditions: Vec<&Condition> = campaign.entry.exit.iter().collect();
    conditions.extend(&campaign.audience);
    let segments = segments_of(&conditions, shared);
    parts.add_segments(&segments, shared);
    let mut topics = topics_of(&conditions, &segments, shared);
    topics.extend(campaign.topic.clone());
    parts.add_topics(&topics, shared);
    if let Some(known) = &shared.names.context.templates {
        for name in template_names(&campaign.steps) {
            if let Some(hash) = known.get(name) {
                parts.add(name, &hash.to_le_bytes());
            }
        }
    }
    parts.finish()
}

/// The templates that steps name, each once.
pub fn template_names(steps: &[Step]) -> BTreeSet<&str> {
    let own = steps.iter().map(|s| s.template.as_str());
    let variants = steps
        .iter()
        .flat_map(|s| &s.variants)
        .filter_map(|v| v.template.as_deref());
    own.chain(variants)
        .filter(|name| !name.is_empty())
        .collect()
}

/// What decides who stands in the due index.
fn audience_hash(root: &Table<'_>, campaign: &Campaign, shared: &Shared<'_>) -> u64 {
    let mut parts = Parts::new("audience 1");
    // By meaning, not by the letter: a comparison written otherwise is the same audience.
    if let Some(audience) = &campaign.audience {
        let hash = audience.stable_hash(shared.conditions);
        parts.add("audience", &hash.to_le_bytes());
    }
    parts.add_item(root.get("schedule"));
    if let Start::Scheduled(schedule) = &campaign.start {
        let zone = format!("{:?}", schedule.zone);
        parts.add("zone", zone.as_bytes());
    }
    let conditions: Vec<&Condition> = campaign.audience.iter().collect();
    let segments = segments_of(&conditions, shared);
    parts.add_topics(&topics_of(&conditions, &segments, shared), shared);
    parts.finish()
}
