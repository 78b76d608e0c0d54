//! The hashes that tell versions of a campaign apart: by what it says, not by how it is written.

use super::circles::{Name, names_in};
use super::compile::Shared;
use super::keys::CAMPAIGN;
use super::shared::Written;
use crate::config::toml_reader::{Item, Table, canonical};
use crate::domain::campaign::{Act, Campaign, Start, Step};
use crate::domain::condition::{Condition, ConsentAge, Refused};
use crate::domain::id::TopicId;
use crate::domain::quota::Quota;
use crate::domain::value::properties_to_json;
use std::collections::BTreeSet;
use xxhash_rust::xxh3::Xxh3;

/// The segments and tags that a campaign names anywhere, and those that these name.
fn names_of(conditions: &[&Condition], shared: &Shared<'_>) -> BTreeSet<Name> {
    let mut found = BTreeSet::new();
    for condition in conditions {
        names_in(condition, &mut found);
    }
    let mut open: Vec<Name> = found.iter().cloned().collect();
    while let Some(name) = open.pop() {
        let mut inner = BTreeSet::new();
        if let Some(named) = written(&name, shared) {
            names_in(&named.what, &mut inner);
        }
        for next in inner {
            if found.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    found
}

/// What a name stands for; a tag that is set by hand stands for nothing.
fn written<'a>(name: &Name, shared: &Shared<'a>) -> Option<&'a Written<Condition>> {
    match name {
        Name::Segment(name) => shared.segments.get(name.as_str()),
        Name::Tag(name) => shared.tags.get(name.as_str()),
    }
}

/// The topics that conditions ask about, also through the segments and tags that they name.
fn topics_of(
    conditions: &[&Condition],
    names: &BTreeSet<Name>,
    shared: &Shared<'_>,
) -> BTreeSet<TopicId> {
    let mut found = BTreeSet::new();
    let named = names.iter().filter_map(|name| written(name, shared));
    for condition in (conditions.iter().copied()).chain(named.map(|named| &named.what)) {
        condition.each_leaf(&mut |leaf| {
            if let Condition::Subscribed(topic)
            | Condition::ConsentAge(ConsentAge { topic, .. })
            | Condition::Refused(Refused { topic, .. }) = leaf
            {
                found.insert(topic.clone());
            }
        });
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

    fn add_names(&mut self, names: &BTreeSet<Name>, shared: &Shared<'_>) {
        for name in names {
            if let Some(named) = written(name, shared) {
                let label = match name {
                    Name::Segment(name) => name.clone(),
                    Name::Tag(name) => format!("tag {name}"),
                };
                self.add(&label, &named.bytes);
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
pub fn hash(root: &Table<'_>, campaign: &Campaign, shared: &Shared<'_>) -> u64 {
    let mut parts = Parts::new("campaign 1");
    for key in CAMPAIGN.known {
        parts.add_item(root.get(key));
    }
    let conditions: Vec<&Condition> = campaign.conditions().collect();
    let names = names_of(&conditions, shared);
    parts.add_names(&names, shared);
    let mut topics = topics_of(&conditions, &names, shared);
    topics.extend(campaign.topic.clone());
    topics.extend(campaign.steps.iter().filter_map(|s| match &s.act {
        Some(Act::Leave(topic)) => Some(topic.clone()),
        _ => None,
    }));
    parts.add_topics(&topics, shared);
    if let Some(known) = &shared.names.context.templates {
        for name in template_names(&campaign.steps) {
            if let Some(hash) = known.get(name) {
                parts.add(name, &hash.to_le_bytes());
            }
        }
    }
    for step in &campaign.steps {
        let own = std::iter::once((step.id.as_str(), &step.shows));
        let variants = step.variants.iter().map(|v| (v.name.as_str(), &v.shows));
        for (name, shows) in own.chain(variants) {
            // What data files say; the keys of `data` are in the file's own part, too.
            if let Some(data) = &shows.data {
                parts.add(name, properties_to_json(data).to_string().as_bytes());
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
pub fn audience_hash(root: &Table<'_>, campaign: &Campaign, shared: &Shared<'_>) -> u64 {
    let mut parts = Parts::new("audience 1");
    // By meaning, not by the letter: a comparison written otherwise is the same audience.
    if let Some(audience) = &campaign.audience {
        let hash = audience.stable_hash(&shared.named);
        parts.add("audience", &hash.to_le_bytes());
    }
    parts.add_item(root.get("schedule"));
    if let Start::Scheduled(schedule) = &campaign.start {
        let zone = format!("{:?}", schedule.zone);
        parts.add("zone", zone.as_bytes());
    }
    // A new time is met from the edit on, by those whose date comes after it.
    if let Start::Dated(_) = &campaign.start {
        parts.add_item(root.get("trigger"));
    }
    // A larger share is met like a larger audience: counted first.
    if let Some(share @ Quota::Share(_)) = campaign.quota() {
        parts.add("quota", share.to_string().as_bytes());
    }
    let conditions: Vec<&Condition> = campaign.audience.iter().collect();
    let names = names_of(&conditions, shared);
    parts.add_topics(&topics_of(&conditions, &names, shared), shared);
    parts.finish()
}
