//! Which of the remembered events an event condition asks about, at one instant.
//!
//! Every window ends at `now`, so a selection is the newer part of a track: all that lies after one instant. No event
//! is ahead of `now` (events get the time of their receipt at the latest); one that were would count already.

use super::{EntryFacts, EventCondition, Facts};
use crate::domain::time::{Span, Timestamp};
use crate::domain::track::{Rest, Track, correlation_hash};

pub(super) struct Selection<'a> {
    track: Option<&'a Track>,
    /// Events after this instant, itself not in.
    after: Timestamp,
    same: Option<Same>,
    like: Option<Alike<'a>>,
    /// Nothing narrows it: no window, entry or correlation.
    pub whole: bool,
}

/// Only events that have one of these values; not the one at that instant.
#[derive(Clone, Copy)]
struct Alike<'a> {
    values: &'a [u64],
    except: Option<Timestamp>,
}

impl Alike<'_> {
    fn means(&self, at: Timestamp, value: Option<u64>) -> bool {
        Some(at) != self.except && value.is_some_and(|value| self.values.contains(&value))
    }
}

/// Only events of the entry's key; `lenient` takes those that bear none, too.
struct Same {
    key: u64,
    lenient: bool,
}

/// One event, or the events of one hour as if at its start.
#[derive(Clone, Copy)]
pub(super) struct Occurrence {
    pub at: Timestamp,
    pub count: u64,
    /// Millionths.
    pub value: i128,
}

impl Occurrence {
    /// When it is no longer in the window; `None`: never.
    pub fn leaves(&self, within: Option<Span>) -> Option<Timestamp> {
        self.at.0.checked_add(within?.0).map(Timestamp)
    }
}

impl<'a> Selection<'a> {
    /// `None` where the condition speaks of an entry and there is none.
    pub fn of(
        event: &EventCondition,
        absence: bool,
        facts: &Facts<'a>,
        now: Timestamp,
    ) -> Option<Selection<'a>> {
        let mut after = event
            .within
            .map_or(Timestamp(i64::MIN), |within| now - within);
        let names_trigger = |entry: &EntryFacts<'_>| {
            let trigger = entry.trigger;
            trigger.is_some_and(|trigger| event.select.names(trigger))
        };
        if event.since_entry {
            let entry = facts.entry.as_ref()?;
            let edge = if names_trigger(entry) {
                entry.at
            } else {
                entry.at - Span::millis(1)
            };
            after = after.max(edge);
        }
        let same = match &event.same {
            None => None,
            Some(_) => Some(Same {
                key: correlation_hash(facts.entry.as_ref()?.key),
                lenient: absence || facts.lenient_same,
            }),
        };
        let like = match event.alike() {
            None => None,
            Some(like) => {
                let entry = facts.entry.as_ref()?;
                Some(Alike {
                    values: entry.about.values(&like.of),
                    except: names_trigger(entry).then_some(entry.at),
                })
            }
        };
        let narrowed = event.since_entry || same.is_some() || like.is_some();
        Some(Selection {
            track: facts.tracks.get(event.track()),
            after,
            whole: event.within.is_none() && !narrowed,
            same,
            like,
        })
    }

    pub fn oldest_first(&self) -> impl DoubleEndedIterator<Item = Occurrence> {
        let (hours, instants) = match self.track {
            Some(track) => (track.hours(), track.instants()),
            None => (&[][..], &[][..]),
        };
        let hours = &hours[hours.partition_point(|hour| hour.start <= self.after)..];
        let instants = &instants[instants.partition_point(|one| one.at <= self.after)..];
        let meant = |at: Timestamp, correlation: Option<u64>| match (&self.same, &self.like) {
            (Some(same), _) => correlation.map_or(same.lenient, |key| key == same.key),
            (None, Some(like)) => like.means(at, correlation),
            (None, None) => true,
        };
        let hours = hours
            .iter()
            .filter(move |hour| meant(hour.start, hour.correlation))
            .map(|hour| Occurrence {
                at: hour.start,
                count: hour.count,
                value: hour.sum,
            });
        let instants = instants
            .iter()
            .filter(move |one| meant(one.at, one.correlation))
            .map(|one| Occurrence {
                at: one.at,
                count: 1,
                value: i128::from(one.value),
            });
        hours.chain(instants)
    }

    pub fn newest_first(&self) -> impl Iterator<Item = Occurrence> {
        self.oldest_first().rev()
    }

    /// What is too old to be placed: counts only where nothing narrows the question.
    pub fn rest(&self) -> Rest {
        self.track
            .filter(|_| self.whole)
            .and_then(Track::rest)
            .unwrap_or_default()
    }

    /// The earliest event and those after it. Of the whole track the earliest is kept apart.
    pub fn earliest_first(&self) -> impl Iterator<Item = Timestamp> {
        let apart = self.track.filter(|_| self.whole).and_then(Track::first);
        apart
            .into_iter()
            .chain(self.oldest_first().map(|one| one.at))
    }
}
