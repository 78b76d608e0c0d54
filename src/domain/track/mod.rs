//! Tracks: what a record remembers of events, as much and as long as the loaded conditions need.
//!
//! What to remember is the [`TrackPlan`]'s; here it is remembered. What a track holds is a function of the *set* of
//! events that it has met, never of their order: the newest so many instants, everything older folded into sums by the
//! hour (or dropped, where no condition can ask for it), so that late events need no special care and a rebuild from
//! history gives the same bytes. Which event was met before is told by the seen identities, not here.

mod plan;

pub use plan::{TrackPlan, count_within};

use super::about::values_at;
use super::condition::{Canonical, EventSelector};
use super::event::Event;
use super::time::{Span, Timestamp};
use super::value::{Properties, Value};
use plan::{Need, TrackKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use xxhash_rust::xxh3::xxh3_64;

/// The most single instants that a track keeps.
pub const MOST_INSTANTS: usize = 1_000;

/// The most hours behind those, so that a record stays bounded (some 80 kB a track) whatever one customer does. No
/// person is busy in more hours of a year; a robot's oldest events fall out of windows that look further back.
pub const MOST_HOURS: usize = 4_000;

const HOUR: i64 = 3_600_000;

/// Names a track: a stable hash of which events, which summed property, which correlation property.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct TrackKey(pub u64);

impl TrackKey {
    /// `value` is the path of the property that is summed; `correlation` the property that `same` or `per` names.
    pub fn of(
        select: &EventSelector,
        value: Option<&[String]>,
        correlation: Option<&str>,
    ) -> TrackKey {
        let mut canonical = Canonical::default();
        canonical.selector(select);
        canonical.option(value, Canonical::path);
        canonical.option(correlation, Canonical::text);
        TrackKey(canonical.hash())
    }

    /// Of one that remembers every value at `path`, each as an instant of its own.
    pub fn alike(select: &EventSelector, path: &[String]) -> TrackKey {
        let mut canonical = Canonical::default();
        canonical.selector(select);
        canonical.tag(202);
        canonical.path(path);
        TrackKey(canonical.hash())
    }
}

/// What one customer's record remembers of their events.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Tracks {
    /// Sorted by key.
    list: Vec<(TrackKey, Track)>,
}

/// What is remembered of one kind of event.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Track {
    /// The newest, sorted.
    instants: Vec<Instant>,
    /// What is older than those, by the hour; sorted. Never filled while `instants` has room.
    hours: Vec<Hour>,
    /// What is older than those hours: only its number and sum are known.
    rest: Option<Rest>,
    /// The earliest of all, where a condition asks for it.
    first: Option<Timestamp>,
}

/// One event. Ordered by time, so that equal sets make equal tracks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Instant {
    pub at: Timestamp,
    /// [`correlation_hash`] of the correlation property; `None` without it.
    pub correlation: Option<u64>,
    /// The summed property in millionths: whole numbers, whose sum hangs on no order.
    pub value: i64,
}

/// The events of one hour and one correlation value, too old to be kept singly. They count as if at its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hour {
    pub start: Timestamp,
    pub correlation: Option<u64>,
    pub count: u64,
    pub sum: i128,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Rest {
    pub count: u64,
    pub sum: i128,
}

/// A track can no longer place an event: the tracks must be rebuilt from history. Nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BelowFloor;

impl Tracks {
    /// Takes one event in, whenever it arrives; says whether anything changed. The caller has seen to it that no event
    /// comes twice. Costs what the tracks of that event's name cost.
    ///
    /// Every late event finds its place where a rebuild would put it. What undoes others, save where it says what is known
    /// already, is [`BelowFloor`]: what a track has dropped for those that it kept is found in the history only.
    pub fn absorb(&mut self, plan: &TrackPlan, event: &Event) -> Result<bool, BelowFloor> {
        if plan.undoes_nothing() {
            return Ok(self.take(plan, event, None));
        }
        for undoing in plan.undoing(&event.name) {
            let known = key_text(&event.properties, &undoing.same)
                .is_none_or(|text| self.was_undone(undoing.track, &text) == Some(true));
            if !known {
                return Err(BelowFloor);
            }
        }
        // Of ids that were folded away it is not known whether this one is among them.
        let lost = plan.kinds_for(&event.name).any(|kind| {
            let undone = kind.undone.as_ref();
            undone.is_some_and(|undone| self.was_undone(undone.track, "").is_none())
        });
        if lost {
            return Err(BelowFloor);
        }
        Ok(self.take(plan, event, None))
    }

    /// Whether an event whose property is this text was undone; `None`: that is not remembered any more.
    fn was_undone(&self, track: TrackKey, text: &str) -> Option<bool> {
        let Some(track) = self.get(track) else {
            return Some(false);
        };
        let wanted = Some(correlation_hash(text));
        let single = track.instants.iter().map(|one| one.correlation);
        let folded = track.hours.iter().map(|hour| hour.correlation);
        match single.chain(folded).any(|own| own == wanted) {
            true => Some(true),
            false => track.rest.is_none().then_some(false),
        }
    }

    /// The tracks that this history makes, in whatever order it comes.
    pub fn rebuild<'a>(plan: &TrackPlan, history: impl IntoIterator<Item = &'a Event>) -> Tracks {
        let mut tracks = Tracks::default();
        if plan.undoes_nothing() {
            for event in history {
                tracks.take(plan, event, None);
            }
            return tracks;
        }
        let history: Vec<&Event> = history.into_iter().collect();
        let mut undone = BTreeSet::new();
        for event in &history {
            for undoing in plan.undoing(&event.name) {
                if let Some(text) = key_text(&event.properties, &undoing.same) {
                    undone.insert((undoing.track, correlation_hash(&text)));
                }
            }
        }
        for event in history {
            tracks.take(plan, event, Some(&undone));
        }
        tracks
    }

    pub fn get(&self, key: TrackKey) -> Option<&Track> {
        let place = self.list.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        Some(&self.list[place].1)
    }

    /// Whether this customer has so many of a condition's events that the older ones are known by the hour only.
    pub fn folded(&self, key: TrackKey) -> bool {
        self.get(key)
            .is_some_and(|track| !track.hours.is_empty() || track.rest.is_some())
    }

    /// `undone`: by track, what was undone; without it that is remembered.
    fn take(
        &mut self,
        plan: &TrackPlan,
        event: &Event,
        undone: Option<&BTreeSet<(TrackKey, u64)>>,
    ) -> bool {
        let mut changed = false;
        for kind in plan.kinds_for(&event.name) {
            if !kind
                .select
                .filter
                .iter()
                .all(|test| test.holds(&event.properties))
            {
                continue;
            }
            let never_happened = kind.undone.as_ref().is_some_and(|by| {
                let text = key_text(&event.properties, &by.same);
                text.is_some_and(|text| match undone {
                    Some(undone) => undone.contains(&(by.track, correlation_hash(&text))),
                    None => self.was_undone(by.track, &text) == Some(true),
                })
            });
            if never_happened {
                continue;
            }
            if let Some(path) = &kind.each {
                for value in values_at(&event.properties, path) {
                    changed |= self.take_one(
                        kind,
                        Instant {
                            at: event.time,
                            correlation: Some(value),
                            value: 0,
                        },
                    );
                }
                continue;
            }
            let instant = Instant {
                at: event.time,
                correlation: kind
                    .correlation
                    .as_deref()
                    .and_then(|property| key_text(&event.properties, property))
                    .map(|text| correlation_hash(&text)),
                value: kind
                    .value
                    .as_deref()
                    .map_or(0, |path| millionths(&event.properties, path)),
            };
            changed |= self.take_one(kind, instant);
        }
        changed
    }

    fn take_one(&mut self, kind: &TrackKind, instant: Instant) -> bool {
        let place = match self.list.binary_search_by_key(&kind.key, |(key, _)| *key) {
            Ok(place) => place,
            Err(place) => {
                self.list.insert(place, (kind.key, Track::default()));
                place
            }
        };
        self.list[place].1.take(instant, &kind.need)
    }
}

impl Track {
    /// The newest, oldest first.
    pub fn instants(&self) -> &[Instant] {
        &self.instants
    }

    /// What is older than the instants, oldest first.
    pub fn hours(&self) -> &[Hour] {
        &self.hours
    }

    pub fn rest(&self) -> Option<Rest> {
        self.rest
    }

    /// The earliest event of all, where the plan keeps it.
    pub fn first(&self) -> Option<Timestamp> {
        self.first
    }

    fn take(&mut self, instant: Instant, need: &Need) -> bool {
        let mut changed = false;
        if need.first && self.first.is_none_or(|first| instant.at < first) {
            self.first = Some(instant.at);
            changed = true;
        }
        let newest = self
            .instants
            .last()
            .map_or(instant.at, |last| last.at.max(instant.at));
        // At any `now` that is not before the newest event, what lies here is out of every window.
        let gone = need.reach.map(|reach| newest - reach);
        if gone.is_some_and(|gone| instant.at <= gone) {
            return changed;
        }
        let place = self.instants.partition_point(|other| *other <= instant);
        self.instants.insert(place, instant);
        if self.instants.len() > need.keep {
            let oldest = self.instants.remove(0);
            let folded = need.fold && self.fold(oldest, gone);
            if oldest == instant {
                return folded || changed;
            }
        }
        if let Some(gone) = gone {
            let kept = self.instants.partition_point(|other| other.at <= gone);
            self.instants.drain(..kept);
            let kept = self.hours.partition_point(|hour| hour.start <= gone);
            self.hours.drain(..kept);
        }
        true
    }

    fn fold(&mut self, instant: Instant, gone: Option<Timestamp>) -> bool {
        let start = Timestamp(instant.at.0.div_euclid(HOUR) * HOUR);
        if gone.is_some_and(|gone| start <= gone) {
            return false;
        }
        let key = (start, instant.correlation);
        let value = i128::from(instant.value);
        match self
            .hours
            .binary_search_by_key(&key, |hour| (hour.start, hour.correlation))
        {
            Ok(place) => {
                let hour = &mut self.hours[place];
                hour.count += 1;
                hour.sum += value;
            }
            Err(place) => {
                let hour = Hour {
                    start,
                    correlation: instant.correlation,
                    count: 1,
                    sum: value,
                };
                self.hours.insert(place, hour);
            }
        }
        if self.hours.len() > MOST_HOURS {
            let oldest = self.hours.remove(0);
            // Where everything asks for a bounded time, no condition counts what it cannot place.
            if gone.is_none() {
                let rest = self.rest.get_or_insert_default();
                rest.count += oldest.count;
                rest.sum += oldest.sum;
            } else {
                return (oldest.start, oldest.correlation) != key;
            }
        }
        true
    }
}

/// The text that identifies an event's cart, order, ...: the property's [`Value::as_key`]. A name with dots leads into
/// maps, unless a property bears it as it stands. For `same` and a trigger's `per`, so that the two agree.
pub fn key_text(properties: &Properties, property: &str) -> Option<String> {
    if let Some(value) = properties.get(property) {
        return value.as_key();
    }
    let (head, rest) = property.split_once('.')?;
    match properties.get(head)? {
        Value::Map(inner) => key_text(inner, rest),
        _ => None,
    }
}

/// What tracks remember of a correlation property's text.
pub fn correlation_hash(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

/// The number at `path` in millionths, 0 where there is none; of a path through a list, the sum over its elements.
/// Beyond some nine million million it stays there.
pub fn millionths(properties: &Properties, path: &[String]) -> i64 {
    let mut total = 0_i64;
    let mut add = |value: &Value| {
        let one = match value {
            Value::Int(n) => n.saturating_mul(1_000_000),
            other => (other.as_number().unwrap_or(0.0) * 1e6).round() as i64,
        };
        total = total.saturating_add(one);
        false
    };
    super::value::any_at(properties, path, &mut add);
    total
}

/// The length of time that both of two asks need; `None` is for ever.
fn longer(a: Option<Span>, b: Option<Span>) -> Option<Span> {
    Some(a?.max(b?))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
