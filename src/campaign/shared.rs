//! `segments.toml` and `topics.toml`: what all campaigns may refer to.

use super::condition::{self, Entry, Scope};
use super::keys::TOPIC;
use super::localized;
use super::names::{Defined, Names};
use crate::config::toml_reader::{Item, Reader, canonical};
use crate::domain::campaign::{Localized, Topic};
use crate::domain::condition::Condition;
use crate::domain::id::{SegmentName, TopicId};
use std::collections::{BTreeMap, BTreeSet};
use toml::de::DeTable;

/// A definition with the canonical bytes of how it is written, for hashes.
#[derive(Clone, Debug)]
pub struct Written<T> {
    pub what: T,
    pub bytes: Vec<u8>,
}

/// The names at the top level, all taken for good for now.
pub fn defined(text: Option<&str>) -> Defined {
    match text.map(DeTable::parse) {
        None => Defined::default(),
        Some(Err(_)) => Defined {
            names: BTreeMap::new(),
            unreadable: true,
        },
        Some(Ok(root)) => Defined {
            names: root
                .get_ref()
                .keys()
                .map(|key| (key.get_ref().to_string(), true))
                .collect(),
            unreadable: false,
        },
    }
}

/// Calls `each` with every entry of the file's top level.
fn entries(reader: &Reader, mut each: impl FnMut(&Item<'_>)) {
    reader.free_document(|items| items.iter().for_each(&mut each));
}

fn bytes_of(item: &Item<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    canonical(item.value(), &mut bytes);
    bytes
}

/// Reads `[offers] name = ... description = ... default = ... on_request = ... confirm = ...`.
pub fn read_topics(
    reader: &Reader,
    shop_locale: &str,
    defined: &mut Defined,
) -> BTreeMap<TopicId, Written<Topic>> {
    let mut topics = BTreeMap::new();
    entries(reader, |item| {
        let before = reader.errors();
        let topic = read_topic(item, shop_locale);
        match topic.filter(|_| reader.errors() == before) {
            Some(topic) => {
                let bytes = bytes_of(item);
                topics.insert(topic.id.clone(), Written { what: topic, bytes });
            }
            None => {
                defined.names.insert(item.name.to_owned(), false);
            }
        }
    });
    topics
}

fn read_topic(item: &Item<'_>, shop_locale: &str) -> Option<Topic> {
    let id = match TopicId::parse(item.name) {
        Ok(id) => Some(id),
        Err(what) => {
            item.reader().error(item.key_span(), what, "");
            None
        }
    };
    let table = item.table(&TOPIC)?;
    let name = table
        .required(
            "name",
            "write name = { en = \"Offers\", ko = \"혜택\" }: customers see it",
        )
        .and_then(|i| localized::read(&i, shop_locale));
    let description = table
        .get("description")
        .map_or(Some(Localized::new()), |i| localized::read(&i, shop_locale));
    let on_request = table.get("on_request").map_or(Some(false), |i| i.flag())?;
    let confirm = table.get("confirm").map_or(Some(false), |i| i.flag())?;
    let default = table
        .get("default")
        .map_or(Some(!on_request && !confirm), |i| i.flag())?;
    if let Some(item) = table.get("default").filter(|_| confirm && default) {
        item.error(
            "a topic whose subscription is to be confirmed cannot be subscribed to by default",
            "remove `default` or `confirm`",
        );
    }
    if let Some(item) = table.get("default").filter(|_| on_request && default) {
        item.error(
            "a topic that is sent on request only cannot be subscribed to by default",
            "remove `default` or `on_request`",
        );
    }
    Some(Topic {
        id: id?,
        name: name?,
        description: description?,
        on_request,
        default,
        confirm,
    })
}

/// Reads `[repeat_buyers]` with a condition below. Circles are refused and printed; what leads into a circle or to a
/// wrong segment is not usable either.
pub fn read_segments(
    reader: &Reader,
    names: &Names<'_>,
    defined: &mut Defined,
) -> BTreeMap<SegmentName, Written<Condition>> {
    let mut segments = BTreeMap::new();
    let mut places = BTreeMap::new();
    entries(reader, |item| {
        places.insert(item.name.to_owned(), item.key_span());
        let before = reader.errors();
        let scope = Scope {
            names,
            entry: Entry::None,
            known: false,
        };
        let name = match SegmentName::parse(item.name) {
            Ok(name) => Some(name),
            Err(what) => {
                reader.error(item.key_span(), what, "");
                None
            }
        };
        let condition = condition::read(item, scope).filter(|_| reader.errors() == before);
        match name.zip(condition) {
            Some((name, what)) => {
                let bytes = bytes_of(item);
                segments.insert(name, Written { what, bytes });
            }
            None => {
                defined.names.insert(item.name.to_owned(), false);
            }
        }
    });
    let graph: BTreeMap<String, BTreeSet<String>> = segments
        .iter()
        .map(|(name, segment)| {
            let mut to = BTreeSet::new();
            segments_in(&segment.what, &mut to);
            (name.as_str().to_owned(), to)
        })
        .collect();
    for circle in circles(&graph) {
        let place = places.get(&circle[0]).cloned().unwrap_or(0..0);
        let shown: Vec<String> = circle
            .iter()
            .chain(circle.first())
            .map(|name| format!("`{name}`"))
            .collect();
        reader.error(
            place,
            format!("segments go in a circle: {}", shown.join(" -> ")),
            "a segment cannot be part of itself; remove one of these references",
        );
        for name in &circle {
            defined.names.insert(name.clone(), false);
        }
    }
    // What refers to a bad one is bad.
    loop {
        let bad = |name: &String| defined.names.get(name) == Some(&false);
        let more: Vec<String> = graph
            .iter()
            .filter(|(name, to)| !bad(name) && to.iter().any(bad))
            .map(|(name, _)| name.clone())
            .collect();
        if more.is_empty() {
            break;
        }
        for name in more {
            defined.names.insert(name, false);
        }
    }
    segments.retain(|name, _| defined.names.get(name.as_str()) == Some(&true));
    segments
}

/// The segments that a condition names.
pub fn segments_in(condition: &Condition, found: &mut BTreeSet<String>) {
    match condition {
        Condition::Segment(name) => {
            found.insert(name.as_str().to_owned());
        }
        Condition::All(list) | Condition::Any(list) => {
            for inner in list {
                segments_in(inner, found);
            }
        }
        Condition::Not(inner) => segments_in(inner, found),
        _ => {}
    }
}

/// The circles in a graph, each once, from its first name on.
fn circles(graph: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    fn visit(
        name: &str,
        graph: &BTreeMap<String, BTreeSet<String>>,
        way: &mut Vec<String>,
        done: &mut BTreeSet<String>,
        found: &mut Vec<Vec<String>>,
    ) {
        if let Some(at) = way.iter().position(|n| n == name) {
            found.push(way[at..].to_vec());
            return;
        }
        if done.contains(name) {
            return;
        }
        way.push(name.to_owned());
        for next in graph.get(name).into_iter().flatten() {
            visit(next, graph, way, done, found);
        }
        way.pop();
        done.insert(name.to_owned());
    }
    let mut found = Vec::new();
    let mut done = BTreeSet::new();
    for name in graph.keys() {
        visit(name, graph, &mut Vec::new(), &mut done, &mut found);
    }
    found
}
