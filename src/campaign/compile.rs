//! From the texts to [`Loaded`]: topics, segments, then each campaign.

use super::ahead::{former_names, step_names};
use super::condition::{self, Entry, Scope};
use super::coupons::read_pools;
use super::doubt::{certain, warn_beyond_knowing};
use super::keys::CAMPAIGN;
use super::names::{Defined, Names, count_events};
use super::shared::{Written, defined, read_conditions, read_topics};
use super::standing::read_unless_in;
use super::step::{Around, needs_topic, read_class, read_steps};
use super::tagged::Tagged;
use super::{Context, Loaded, Source, Sources, alike, circles, goal, limits, start, version};
use crate::config::breakers;
use crate::config::problem::{Problem, sort};
use crate::config::toml_reader::{Item, Reader, Table};
use crate::domain::address::EmailAddress;
use crate::domain::campaign::{Campaign, CampaignState, EntryRules, Start, Topic};
use crate::domain::condition::{Condition, Named};
use crate::domain::id::{CampaignId, SegmentName, TagName, TopicId};
use crate::domain::preference::Class;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

pub(super) type Segments = BTreeMap<SegmentName, Written<Condition>>;
pub(super) type Tags = BTreeMap<TagName, Written<Condition>>;
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

    let mut known_pools = defined(text_of(&sources.coupons).as_deref());
    let mut pools = BTreeMap::new();
    if let Some(source) = &sources.coupons {
        let reader = Reader::new(&source.file, &source.text);
        pools = read_pools(&reader, &mut known_pools);
        problems.extend(reader.into_problems());
    }

    let mut known_segments = defined(text_of(&sources.segments).as_deref());
    let mut known_tags = defined(text_of(&sources.tags).as_deref());
    let steps = step_names(&sources);
    let tagged = Tagged::of(&sources);
    let (segments, tags, found) = {
        let (segments_now, tags_now) = (known_segments.clone(), known_tags.clone());
        let names = Names {
            context,
            segments: &segments_now,
            tags: &tags_now,
            topics: &known_topics,
            pools: &known_pools,
            in_files: &in_files,
            steps: &steps,
            own: None,
            data: &sources.data,
            tagged: &tagged,
        };
        read_named(&sources, &names, &mut known_segments, &mut known_tags)
    };
    problems.extend(found);
    let plain_segments: BTreeMap<SegmentName, Condition> = plain(&segments);
    let plain_tags: BTreeMap<TagName, Condition> = plain(&tags);
    let names = Names {
        context,
        segments: &known_segments,
        tags: &known_tags,
        topics: &known_topics,
        pools: &known_pools,
        in_files: &in_files,
        steps: &steps,
        own: None,
        data: &sources.data,
        tagged: &tagged,
    };
    let files = former_names(&sources);
    let named = Named {
        segments: &plain_segments,
        tags: &plain_tags,
    };
    let mut read = BTreeMap::new();
    for (id, source) in &sources.campaigns {
        let reader = Reader::new(&source.file, &source.text);
        let around = Shared {
            names: &Names {
                own: Some(id),
                ..names
            },
            segments: &segments,
            tags: &tags,
            named,
            topics: &topics,
            files: &files,
        };
        let mut place = 0..0;
        let campaign = reader.document(&CAMPAIGN, |root| {
            let asks = root.get("audience").or(root.get("entry"));
            let asks = asks.or(root.get("step"));
            place = asks.map_or(0..0, |item| item.key_span());
            read_campaign(id, &root, &around)
        });
        read.insert(id.clone(), (reader, campaign, place));
    }
    refuse_circles(&read, &named);
    let mut campaigns = BTreeMap::new();
    for (id, (reader, campaign, _)) in read {
        let mut found = reader.into_problems();
        sort(&mut found);
        let errors: Vec<Problem> = found.iter().filter(|p| p.is_error()).cloned().collect();
        let result = match campaign {
            Some(campaign) if errors.is_empty() => Ok(campaign),
            _ => Err(errors),
        };
        campaigns.insert(id, result);
        problems.append(&mut found);
    }
    sort(&mut problems);
    Loaded {
        campaigns,
        segments: plain_segments,
        tags: plain_tags,
        topics: topics.into_iter().map(|(id, t)| (id, t.what)).collect(),
        pools,
        codes: BTreeMap::new(),
        problems,
        sources,
    }
}

/// Reads segments and rules of tags, which may name each other.
fn read_named(
    sources: &Sources,
    names: &Names<'_>,
    known_segments: &mut Defined,
    known_tags: &mut Defined,
) -> (Segments, Tags, Vec<Problem>) {
    let reader = |source: &Source| Reader::new(&source.file, &source.text);
    let (of_segments, of_tags) = (
        sources.segments.as_ref().map(reader),
        sources.tags.as_ref().map(reader),
    );
    let (mut segments, segment_places) = match &of_segments {
        Some(reader) => read_conditions(reader, names, known_segments, SegmentName::parse),
        None => Default::default(),
    };
    let (mut tags, tag_places) = match &of_tags {
        Some(reader) => read_conditions(reader, names, known_tags, TagName::parse),
        None => Default::default(),
    };
    circles::cut(
        &mut segments,
        &mut tags,
        of_segments.as_ref().map(|reader| circles::File {
            reader,
            defined: known_segments,
            places: &segment_places,
        }),
        of_tags.as_ref().map(|reader| circles::File {
            reader,
            defined: known_tags,
            places: &tag_places,
        }),
    );
    let readers = of_segments.into_iter().chain(of_tags);
    let problems = readers.flat_map(Reader::into_problems).collect();
    (segments, tags, problems)
}

/// A campaign's reader, the campaign if it could be read, and where it asks about others.
type Read = BTreeMap<CampaignId, (Reader, Option<Campaign>, Range<usize>)>;

/// Campaigns that ask about each other in a circle: none of them can be judged before the others.
fn refuse_circles(read: &Read, named: &Named<'_>) {
    let good: Vec<&Campaign> = (read.values())
        .filter(|(reader, ..)| !reader.failed())
        .filter_map(|(_, campaign, _)| campaign.as_ref())
        .collect();
    for circle in circles::of_campaigns(&good, named) {
        let shown: Vec<String> = (circle.iter().chain(circle.first()))
            .map(|id| format!("`{id}`"))
            .collect();
        for (reader, _, place) in circle.iter().filter_map(|id| read.get(id)) {
            reader.error(
                place.clone(),
                format!(
                    "campaigns ask about each other in a circle: {}",
                    shown.join(" -> ")
                ),
                "none of them could be judged before the others; remove one of these questions (`campaign`, or `unless_in`, which asks about every campaign of a higher priority)",
            );
        }
    }
}

fn plain<N: Ord + Clone>(written: &BTreeMap<N, Written<Condition>>) -> BTreeMap<N, Condition> {
    let plain = |(name, one): (&N, &Written<Condition>)| (name.clone(), one.what.clone());
    written.iter().map(plain).collect()
}

/// The events that files name, with how often.
pub(super) fn event_names(sources: &Sources) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let shared = sources.segments.iter().chain(&sources.tags);
    for source in sources.campaigns.values().chain(shared) {
        if let Ok(root) = DeTable::parse(&source.text) {
            count_events(&DeValue::Table(root.into_inner()), &mut counts);
        }
    }
    counts
}

/// What all campaigns may refer to.
pub(super) struct Shared<'a> {
    pub names: &'a Names<'a>,
    pub segments: &'a Segments,
    pub tags: &'a Tags,
    /// Both, as conditions.
    pub named: Named<'a>,
    pub topics: &'a Topics,
    /// All files, and what each says that it was called before.
    pub files: &'a BTreeMap<CampaignId, Option<String>>,
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
    let tracking = match root.get("tracking") {
        None => Some(None),
        Some(item) => item.flag().map(Some),
    };
    let renamed_from = match root.get("renamed_from") {
        None => Some(None),
        Some(item) => read_former_name(id, &item, shared).map(Some),
    };
    let start = start::read_start(root, shared.names);
    let audience = read_audience(root, start.as_ref(), shared);
    let entry = start::read_entry(root, start.as_ref(), shared.names);
    alike::refuse_after_leaving(root, audience.iter().flatten().next(), entry.as_ref());
    let steps = read_steps(
        root,
        &Around {
            names: shared.names,
            class,
            has_topic: root.has("topic"),
            per: start::per_of(start.as_ref()),
            by_event: alike::by_event(start.as_ref()),
            named: shared.named,
        },
    );
    let limits = limits::read(root, class, shared.names);
    let goal = goal::read(root, shared.names);
    limits::refuse_two_paces(root, entry.as_ref(), limits.as_ref());
    let breakers = breakers::read(root);
    let priority = i32::try_from(priority?).ok()?;
    let unless = read_unless_in(root, priority);
    let mut campaign = Campaign {
        id: id.clone(),
        name: name?,
        state: state?,
        owner: owner?,
        class: class?,
        topic: topic?,
        priority,
        tracking: tracking?,
        start: start?,
        audience: audience?,
        entry: EntryRules {
            unless_in: unless?,
            ..entry?
        },
        steps: steps?,
        limits: limits?,
        hash: 0,
        audience_hash: 0,
        journey: 0,
        renamed_from: renamed_from?,
        goal: goal?,
        breakers: breakers?,
    };
    campaign.hash = version::hash(root, &campaign, shared);
    campaign.journey = campaign.journey_hash(&shared.named);
    campaign.audience_hash = version::audience_hash(root, &campaign, shared);
    Some(campaign)
}

/// The name of a file that is no longer there, and that no other one goes on for.
fn read_former_name(id: &CampaignId, item: &Item<'_>, shared: &Shared<'_>) -> Option<CampaignId> {
    let old = item.parsed(CampaignId::parse)?;
    if shared.files.contains_key(&old) {
        item.error(
            format!("there is still a file `{old}.toml`"),
            "remove it, or this line: a renamed file stands under its new name only",
        );
        return None;
    }
    let others = shared
        .files
        .iter()
        .filter(|(other, former)| *other != id && former.as_deref() == Some(old.as_str()));
    if let Some((other, _)) = others.into_iter().next() {
        item.error(
            format!("`{other}` says that it was `{old}`, too"),
            "what customers had of a campaign can go on in one file only",
        );
        return None;
    }
    Some(old)
}

fn label(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.len() > 200 || text.chars().any(char::is_control) {
        Err("it must be one line of 1 to 200 bytes; write for example \"Welcome\"".into())
    } else {
        Ok(text.to_owned())
    }
}

fn read_audience(
    root: &Table<'_>,
    start: Option<&Start>,
    shared: &Shared<'_>,
) -> Option<Option<Condition>> {
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
        by_event: alike::by_event(start),
    };
    let audience = condition::read(&item, scope)?;
    warn_beyond_knowing(&item, &audience);
    match certain(&audience, &shared.named) {
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
