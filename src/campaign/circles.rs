//! Circles: segments, tags and campaigns may ask about each other, but not in a circle. Here they are found and printed.

use super::compile::{Segments, Tags};
use super::names::Defined;
use super::shared::Places;
use crate::config::toml_reader::Reader;
use crate::domain::campaign::Campaign;
use crate::domain::condition::{Condition, Named};
use crate::domain::id::CampaignId;
use crate::domain::preference::Class;
use std::collections::{BTreeMap, BTreeSet};

type Graph<N> = BTreeMap<N, BTreeSet<N>>;

/// A condition with a name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Name {
    Segment(String),
    Tag(String),
}

impl Name {
    fn text(&self) -> &str {
        match self {
            Name::Segment(name) | Name::Tag(name) => name,
        }
    }
}

/// The segments and tags that a condition names.
pub fn names_in(condition: &Condition, found: &mut BTreeSet<Name>) {
    condition.each_leaf(&mut |leaf| match leaf {
        Condition::Segment(name) => _ = found.insert(Name::Segment(name.as_str().to_owned())),
        Condition::Tag(tag) => _ = found.insert(Name::Tag(tag.as_str().to_owned())),
        _ => {}
    });
}

/// One of the two files of named conditions, while it is read.
pub struct File<'a> {
    pub reader: &'a Reader,
    pub defined: &'a mut Defined,
    pub places: &'a Places,
}

/// Takes out what is in a circle or leads to what is wrong, and says so in the file of the circle's first name.
pub fn cut<'a>(
    segments: &mut Segments,
    tags: &mut Tags,
    mut of_segments: Option<File<'a>>,
    mut of_tags: Option<File<'a>>,
) {
    let mut graph: Graph<Name> = BTreeMap::new();
    let mut bad: BTreeSet<Name> = BTreeSet::new();
    let mut node = |name: Name, condition: &Condition| {
        let mut to = BTreeSet::new();
        names_in(condition, &mut to);
        graph.insert(name, to);
    };
    for (name, written) in &*segments {
        node(Name::Segment(name.as_str().to_owned()), &written.what);
    }
    for (name, written) in &*tags {
        node(Name::Tag(name.as_str().to_owned()), &written.what);
    }
    // What refers to a bad one is bad: those that could not be read are known to `Defined` only.
    let unread = |file: &Option<File<'_>>, of: fn(String) -> Name| -> Vec<Name> {
        let names = file.iter().flat_map(|file| &file.defined.names);
        let wrong = names.filter(|(_, good)| !**good);
        wrong.map(|(name, _)| of(name.clone())).collect()
    };
    bad.extend(unread(&of_segments, Name::Segment));
    bad.extend(unread(&of_tags, Name::Tag));
    for circle in circles(&graph) {
        let first = &circle[0];
        let file = match first {
            Name::Segment(_) => &of_segments,
            Name::Tag(_) => &of_tags,
        };
        let only_segments = circle.iter().all(|name| matches!(name, Name::Segment(_)));
        let (what, help) = match only_segments {
            true => (
                "segments go in a circle",
                "a segment cannot be part of itself; remove one of these references",
            ),
            false => (
                "segments and tags go in a circle",
                "neither can be part of itself; remove one of these references",
            ),
        };
        let shown: Vec<String> = (circle.iter().chain(circle.first()))
            .map(|name| match name {
                Name::Tag(name) => format!("tag `{name}`"),
                Name::Segment(name) if only_segments => format!("`{name}`"),
                Name::Segment(name) => format!("segment `{name}`"),
            })
            .collect();
        if let Some(file) = file {
            let place = file.places.get(first.text()).cloned().unwrap_or(0..0);
            let what = format!("{what}: {}", shown.join(" -> "));
            file.reader.error(place, what, help);
        }
        bad.extend(circle);
    }
    loop {
        let more: Vec<Name> = (graph.iter())
            .filter(|(name, to)| !bad.contains(*name) && to.iter().any(|to| bad.contains(to)))
            .map(|(name, _)| name.clone())
            .collect();
        if more.is_empty() {
            break;
        }
        bad.extend(more);
    }
    for name in &bad {
        let file = match name {
            Name::Segment(_) => &mut of_segments,
            Name::Tag(_) => &mut of_tags,
        };
        if let Some(file) = file {
            file.defined.names.insert(name.text().to_owned(), false);
        }
    }
    segments.retain(|name, _| !bad.contains(&Name::Segment(name.as_str().to_owned())));
    tags.retain(|name, _| !bad.contains(&Name::Tag(name.as_str().to_owned())));
}

/// Campaigns that ask about each other in a circle, each circle from its first on.
pub fn of_campaigns(campaigns: &[&Campaign], named: &Named<'_>) -> Vec<Vec<CampaignId>> {
    let graph: Graph<CampaignId> = (campaigns.iter())
        .map(|campaign| {
            let mut to = BTreeSet::new();
            for condition in campaign.conditions() {
                asked(condition, named, &mut |condition| match condition {
                    Condition::Campaign(other) => _ = to.insert(other.campaign.clone()),
                    Condition::UnderWay { above } => to.extend(
                        (campaigns.iter())
                            .filter(|c| c.priority > *above && c.class != Class::Transactional)
                            .map(|c| c.id.clone()),
                    ),
                    _ => {}
                });
            }
            (campaign.id.clone(), to)
        })
        .collect();
    circles(&graph)
}

/// Every leaf of a condition, through segments and tags, which hold no circle.
fn asked(condition: &Condition, named: &Named<'_>, each: &mut dyn FnMut(&Condition)) {
    let mut inner = Vec::new();
    condition.each_leaf(&mut |leaf| match leaf {
        Condition::Segment(name) => inner.extend(named.segments.get(name)),
        Condition::Tag(tag) => inner.extend(named.tags.get(tag)),
        leaf => each(leaf),
    });
    for condition in inner {
        asked(condition, named, each);
    }
}

/// The circles in a graph, each once, from its first name on.
fn circles<N: Ord + Clone>(graph: &Graph<N>) -> Vec<Vec<N>> {
    fn visit<N: Ord + Clone>(
        name: &N,
        graph: &Graph<N>,
        way: &mut Vec<N>,
        done: &mut BTreeSet<N>,
        found: &mut Vec<Vec<N>>,
    ) {
        if let Some(at) = way.iter().position(|n| n == name) {
            found.push(way[at..].to_vec());
            return;
        }
        if done.contains(name) {
            return;
        }
        way.push(name.clone());
        for next in graph.get(name).into_iter().flatten() {
            visit(next, graph, way, done, found);
        }
        way.pop();
        done.insert(name.clone());
    }
    let mut found = Vec::new();
    let mut done = BTreeSet::new();
    for name in graph.keys() {
        visit(name, graph, &mut Vec::new(), &mut done, &mut found);
    }
    found
}
