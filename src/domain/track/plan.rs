//! The plan of tracks: which events to remember, how many and how long, worked out from every loaded condition.
//!
//! Asks of the same events, summed property and correlation share one track, sized for the most demanding. A count
//! needs no more than decides it, since a window always ends at `now`: for `>= n` the n newest, for `<= n` one more.
//! What cannot be bounded so (sums, correlations, the earliest in a window) keeps the newest
//! [`MOST_INSTANTS`] and the hours before them.

use super::{MOST_INSTANTS, TrackKey, Tracks, correlation_hash, longer};
use crate::domain::campaign::Trigger;
use crate::domain::condition::{Canonical, Condition, EventCondition, EventSelector, EventTest};
use crate::domain::event::{Event, EventRules, Undo};
use crate::domain::id::EventName;
use crate::domain::once::Once;
use crate::domain::time::{Span, Timestamp};
use std::collections::BTreeMap;

/// What to remember, derived from every condition of the loaded rules.
#[derive(Clone, Debug, Default)]
pub struct TrackPlan {
    /// Sorted by key.
    kinds: Vec<TrackKind>,
    /// Where the kinds of one event name stand.
    by_name: BTreeMap<EventName, Vec<usize>>,
    /// Those of `"*"`.
    of_any: Vec<usize>,
    /// What undoes other events: the track that remembers which, by name.
    undoing: BTreeMap<EventName, Vec<Undoing>>,
    fingerprint: u64,
}

/// Where it is remembered what was undone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Undoing {
    pub track: TrackKey,
    /// The property that both events bear.
    pub same: String,
}

/// One track of the plan.
#[derive(Clone, Debug)]
pub(super) struct TrackKind {
    pub key: TrackKey,
    pub select: EventSelector,
    pub value: Option<Vec<String>>,
    pub correlation: Option<String>,
    pub need: Need,
    /// Events that this says were undone are left out.
    pub undone: Option<Undoing>,
    /// In place of a correlation: every value at this path is remembered, as an instant of its own.
    pub each: Option<Vec<String>>,
}

/// How much of a track is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Need {
    /// So many newest instants, at least 1, at most [`MOST_INSTANTS`].
    pub keep: usize,
    /// What is older is folded into hours; else it can't matter and is dropped.
    pub fold: bool,
    /// The earliest of all is kept too.
    pub first: bool,
    /// Nothing asks further back than this from `now`.
    pub reach: Option<Span>,
}

impl Need {
    fn newest(n: u64, reach: Option<Span>) -> Need {
        let keep = usize::try_from(n).unwrap_or(usize::MAX).max(1);
        Need {
            keep: keep.min(MOST_INSTANTS),
            fold: keep > MOST_INSTANTS,
            first: false,
            reach: Need::at_least_one_ms(reach),
        }
    }

    fn all(reach: Option<Span>) -> Need {
        Need {
            keep: MOST_INSTANTS,
            fold: true,
            first: false,
            reach: Need::at_least_one_ms(reach),
        }
    }

    /// A window of no length would prune the very event that it is reckoned from.
    fn at_least_one_ms(reach: Option<Span>) -> Option<Span> {
        reach.map(|reach| reach.max(Span::millis(1)))
    }

    fn of(event: &EventCondition, absence: bool) -> Need {
        let reach = event.within;
        if event.same.is_some() || event.alike().is_some() {
            return Need::all(reach);
        }
        match &event.test {
            _ if absence => Need::newest(1, reach),
            EventTest::Count(range) => {
                let above = range.high.map_or(0, |high| high.saturating_add(1));
                Need::newest(range.low.unwrap_or(0).max(above), reach)
            }
            EventTest::Last(_) => Need::newest(1, reach),
            EventTest::Gap(_) => Need::newest(2, reach),
            EventTest::First(_) if event.within.is_none() && !event.since_entry => Need {
                first: true,
                ..Need::newest(1, None)
            },
            EventTest::First(_) | EventTest::Sum { .. } => Need::all(reach),
        }
    }

    fn with(self, other: Need) -> Need {
        Need {
            keep: self.keep.max(other.keep),
            fold: self.fold || other.fold,
            first: self.first || other.first,
            reach: longer(self.reach, other.reach),
        }
    }
}

impl TrackPlan {
    /// The plan for these conditions (every audience, exit and segment: segments are not entered by name) and these
    /// triggers.
    pub fn from_conditions<'a>(
        conditions: impl IntoIterator<Item = &'a Condition>,
        triggers: impl IntoIterator<Item = &'a Trigger>,
    ) -> TrackPlan {
        TrackPlan::with_events(conditions, triggers, &EventRules::new())
    }

    /// The same, by what is said of events.
    pub fn with_events<'a>(
        conditions: impl IntoIterator<Item = &'a Condition>,
        triggers: impl IntoIterator<Item = &'a Trigger>,
        events: &EventRules,
    ) -> TrackPlan {
        // What undoes others is never undone itself, so it can be told by itself.
        let undoes = |name: &EventName| {
            let mut undos = events.values().filter_map(|rule| rule.undone_by.as_ref());
            undos.any(|undo| undo.event == *name)
        };
        let undone = |select: &EventSelector| {
            let name = select.name.as_ref().filter(|name| !undoes(name))?;
            let undo = events.get(name)?.undone_by.as_ref()?;
            Some(Undoing {
                track: TrackKey::of(&undo_selector(undo), None, Some(&undo.same)),
                same: undo.same.clone(),
            })
        };
        let mut kinds: BTreeMap<TrackKey, TrackKind> = BTreeMap::new();
        let mut ask = |kind: TrackKind| {
            kinds
                .entry(kind.key)
                .and_modify(|known| known.need = known.need.with(kind.need))
                .or_insert(kind);
        };
        for condition in conditions {
            condition.each_event(&mut |event, absence| {
                ask(TrackKind {
                    key: event.track(),
                    select: event.select.clone(),
                    value: match &event.test {
                        EventTest::Sum { property, .. } => Some(property.clone()),
                        _ => None,
                    },
                    correlation: event.same.clone(),
                    need: Need::of(event, absence),
                    undone: undone(&event.select),
                    each: event.alike().map(|like| like.property.clone()),
                });
            });
        }
        // One event is enough for a trigger that counts to one: nothing has to be remembered.
        for trigger in triggers.into_iter().filter(|trigger| trigger.count > 1) {
            ask(TrackKind {
                key: TrackPlan::trigger_track(trigger),
                select: trigger.event.clone(),
                value: None,
                correlation: trigger.per.clone(),
                need: match (&trigger.per, trigger.within) {
                    (None, None) => Need::newest(trigger.count, None),
                    // Who comes late is counted with those of its own time, whatever came since.
                    (_, within) => Need::all(within.map(|within| within + trigger.fresh)),
                },
                undone: undone(&trigger.event),
                each: None,
            });
        }
        let asked: Vec<(EventName, Undoing)> = (kinds.values())
            .filter_map(|kind| kind.select.name.clone().zip(kind.undone.clone()))
            .collect();
        let mut undoing: BTreeMap<EventName, Vec<Undoing>> = BTreeMap::new();
        for (name, known) in asked {
            let Some(undo) = events.get(&name).and_then(|rule| rule.undone_by.as_ref()) else {
                continue;
            };
            let need = Need::all(None);
            kinds
                .entry(known.track)
                .and_modify(|kind| kind.need = kind.need.with(need))
                .or_insert_with(|| TrackKind {
                    key: known.track,
                    select: undo_selector(undo),
                    value: None,
                    correlation: Some(undo.same.clone()),
                    need,
                    undone: None,
                    each: None,
                });
            let all = undoing.entry(undo.event.clone()).or_default();
            if !all.contains(&known) {
                all.push(known);
            }
        }
        TrackPlan {
            undoing,
            ..TrackPlan::indexed(kinds.into_values().collect(), &Once::of(events))
        }
    }

    /// Where it is remembered what an event of this name undoes.
    pub(super) fn undoing(&self, name: &EventName) -> &[Undoing] {
        self.undoing.get(name).map_or(&[], Vec::as_slice)
    }

    pub(super) fn undoes_nothing(&self) -> bool {
        self.undoing.is_empty()
    }

    fn indexed(kinds: Vec<TrackKind>, once: &Once) -> TrackPlan {
        let mut by_name: BTreeMap<EventName, Vec<usize>> = BTreeMap::new();
        let mut of_any = Vec::new();
        let mut canonical = Canonical::default();
        // By another rule other events count.
        once.write(&mut canonical);
        for (place, kind) in kinds.iter().enumerate() {
            match &kind.select.name {
                Some(name) => by_name.entry(name.clone()).or_default().push(place),
                None => of_any.push(place),
            }
            canonical.int(kind.key.0 as i64);
            canonical.count(kind.need.keep);
            canonical.tag(u8::from(kind.need.fold));
            canonical.tag(u8::from(kind.need.first));
            canonical.option(kind.need.reach, |to, reach| to.int(reach.0));
            // Without it the fingerprint is as it always was.
            if let Some(undone) = &kind.undone {
                canonical.int(undone.track.0 as i64);
                canonical.text(&undone.same);
            }
        }
        TrackPlan {
            fingerprint: canonical.hash(),
            kinds,
            by_name,
            of_any,
            undoing: BTreeMap::new(),
        }
    }

    /// Tracks built for a plan of another fingerprint must be rebuilt from history.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Whether any track asks for events of this name.
    pub fn concerns(&self, name: &EventName) -> bool {
        self.by_name.contains_key(name) || (!self.of_any.is_empty() && Event::is_own(name))
    }

    /// The track that counts for this trigger; it is in the plan where the trigger counts to more than one.
    pub fn trigger_track(trigger: &Trigger) -> TrackKey {
        TrackKey::of(&trigger.event, None, trigger.per.as_deref())
    }

    /// The largest count that the track tells from a larger one; `None`: it counts every one.
    pub fn counts_up_to(&self, key: TrackKey) -> Option<u64> {
        let need = self.need(key)?;
        (!need.fold).then_some(need.keep as u64)
    }

    pub(super) fn kinds_for(&self, name: &EventName) -> impl Iterator<Item = &TrackKind> {
        let named = self.by_name.get(name).map_or(&[][..], Vec::as_slice);
        let any = if Event::is_own(name) {
            self.of_any.as_slice()
        } else {
            &[]
        };
        named.iter().chain(any).map(|place| &self.kinds[*place])
    }

    fn need(&self, key: TrackKey) -> Option<Need> {
        let place = self
            .kinds
            .binary_search_by_key(&key, |kind| kind.key)
            .ok()?;
        Some(self.kinds[place].need)
    }
}

fn undo_selector(undo: &Undo) -> EventSelector {
    EventSelector {
        name: Some(undo.event.clone()),
        filter: Vec::new(),
    }
}

/// How many events of a track lie in (now - within, now], of this correlation value where one is given; at least as
/// exact as the conditions and triggers of the plan need (a trigger that counts to n learns of n, not of more).
pub fn count_within(
    tracks: &Tracks,
    key: TrackKey,
    correlation: Option<&str>,
    within: Option<Span>,
    now: Timestamp,
) -> u64 {
    let Some(track) = tracks.get(key) else {
        return 0;
    };
    let wanted = correlation.map(correlation_hash);
    // Events that bear no such property share the empty key.
    let bare = correlation == Some("");
    let counts = |at: Timestamp, own: Option<u64>| {
        at <= now
            && within.is_none_or(|within| at > now - within)
            && (wanted.is_none() || own == wanted || (bare && own.is_none()))
    };
    let single = track
        .instants()
        .iter()
        .filter(|i| counts(i.at, i.correlation))
        .count() as u64;
    let folded = track
        .hours()
        .iter()
        .filter(|h| counts(h.start, h.correlation))
        .map(|h| h.count);
    let rest = match (wanted, within) {
        (None, None) => track.rest().map_or(0, |rest| rest.count),
        _ => 0,
    };
    single + folded.sum::<u64>() + rest
}
