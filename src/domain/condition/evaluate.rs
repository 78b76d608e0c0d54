//! Answering a condition, with the instant at which the answer can next change if nothing happens.
//!
//! Pure and without allocation on the usual paths: a whole customer base is put through here when a campaign is new.
//! A leaf's `until` is exactly the instant at which its answer changes; that of `all` and `any` is the earliest at
//! which it could (while an `all` fails, it fails at least until the last of its failing children may hold).

use super::complete::as_far_as_known;
use super::selection::Selection;
use super::standing::{engaged, unanswered, under_way};
use super::{Condition, EventCondition, EventTest, NumberRange, PropertyTest, Range, Verdict};
use crate::domain::about::About;
use crate::domain::campaign::{Campaign, Topic};
use crate::domain::engagement::SentMessages;
use crate::domain::id::{CampaignId, EventName, SegmentName, TagName, TopicId};
use crate::domain::policy::zone_of;
use crate::domain::preference::{self, Consents, Preferences, standing_on};
use crate::domain::record::{Entry, Record, Standing};
use crate::domain::rules::Rules;
use crate::domain::time::{Span, Timestamp};
use crate::domain::track::{TrackPlan, Tracks};
use crate::domain::value::Properties;
use chrono_tz::Tz;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// All that a condition can ask about one customer.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The earliest of `createdAt`, first event and first sight.
    pub known_since: Timestamp,
    pub attributes: &'a Properties,
    /// What the attribute `email` is.
    pub email: Option<&'a str>,
    /// Those set by hand.
    pub tags: &'a BTreeSet<TagName>,
    /// Those that the rules derive.
    pub derived: &'a BTreeMap<TagName, Condition>,
    pub consents: &'a Consents,
    pub topics: &'a BTreeMap<TopicId, Topic>,
    pub preferences: &'a Preferences,
    /// The customer's, else the shop's.
    pub zone: Tz,
    pub segments: &'a BTreeMap<SegmentName, Condition>,
    /// Built by `plan`, which was made from the conditions to be asked; of others no event is known.
    pub tracks: &'a Tracks,
    pub plan: &'a TrackPlan,
    /// The messages that left, as far as they are remembered.
    pub sent: &'a SentMessages,
    /// What is remembered of campaigns, and the campaigns themselves.
    pub standings: &'a BTreeMap<CampaignId, Standing>,
    pub campaigns: &'a BTreeMap<CampaignId, Arc<Campaign>>,
    /// What `since = "entry"` and `same` speak of.
    pub entry: Option<EntryFacts<'a>>,
    /// An event without the property counts as the same (for exits: Segment's `Order Completed` has no `cart_id`).
    pub lenient_same: bool,
}

/// The entry that a condition is judged for.
#[derive(Clone, Copy)]
pub struct EntryFacts<'a> {
    pub at: Timestamp,
    pub key: &'a str,
    /// The name of the event that made the entry.
    pub trigger: Option<&'a EventName>,
    /// What is remembered of it.
    pub about: &'a About,
}

impl<'a> EntryFacts<'a> {
    pub fn of(entry: &'a Entry, campaign: &'a Campaign) -> EntryFacts<'a> {
        EntryFacts {
            at: entry.at,
            key: &entry.key.0,
            trigger: campaign.trigger_name(),
            about: &entry.about,
        }
    }
}

impl<'a> Facts<'a> {
    /// What a customer's record and the rules say, outside any entry.
    pub fn of(record: &'a Record, rules: &'a Rules) -> Facts<'a> {
        Facts {
            known_since: record.known_since,
            attributes: &record.attributes,
            email: record.email.as_ref().map(|e| e.as_str()),
            tags: &record.tags,
            derived: &rules.tags,
            consents: &record.consents,
            topics: &rules.topics,
            preferences: &record.preferences,
            zone: zone_of(record, rules),
            segments: &rules.segments,
            tracks: &record.tracks,
            plan: &rules.plan,
            sent: &record.sent,
            standings: &record.campaigns,
            campaigns: &rules.campaigns,
            entry: None,
            lenient_same: false,
        }
    }

    /// The same, for the exit conditions of an entry.
    pub fn for_exit(self, entry: EntryFacts<'a>) -> Facts<'a> {
        Facts {
            entry: Some(entry),
            lenient_same: true,
            ..self
        }
    }
}

/// Whether the condition holds for the customer at `now`, which is not before any of their events, and until when.
pub fn evaluate(condition: &Condition, facts: &Facts<'_>, now: Timestamp) -> Verdict {
    evaluate_in(condition, facts, now, false)
}

/// The same, where an odd number of `not` stands around it if `negated`: what cannot be known never makes the whole hold.
pub(super) fn evaluate_in(
    condition: &Condition,
    facts: &Facts<'_>,
    now: Timestamp,
    negated: bool,
) -> Verdict {
    match condition {
        Condition::All(children) => combine(children, true, facts, now, negated),
        Condition::Any(children) => combine(children, false, facts, now, negated),
        Condition::Not(child) => {
            let inner = evaluate_in(child, facts, now, !negated);
            Verdict {
                holds: !inner.holds,
                until: inner.until,
            }
        }
        Condition::Event(event) => {
            as_far_as_known(event, false, negated, now, |at| happened(event, facts, at))
        }
        Condition::NoEvent(event) => as_far_as_known(event, true, negated, now, |at| {
            did_not_happen(event, facts, at)
        }),
        Condition::KnownFor(range) => age([facts.known_since], None, range, now),
        Condition::Attribute(test) => stands(attribute(test, facts)),
        Condition::Tag(tag) => match facts.derived.get(tag) {
            Some(inner) => evaluate_in(inner, facts, now, negated),
            None => stands(facts.tags.contains(tag)),
        },
        Condition::Segment(name) => match facts.segments.get(name) {
            Some(inner) => evaluate_in(inner, facts, now, negated),
            None => stands(false),
        },
        Condition::Subscribed(topic) => stands(subscribed(topic, facts)),
        Condition::Message(message) => message.evaluate(facts, now),
        Condition::Date(date) => date.evaluate(facts, now),
        Condition::Preference(preference) => preference.evaluate(facts, now),
        Condition::Campaign(campaign) => campaign.evaluate(facts, now),
        Condition::UnderWay { above } => stands(under_way(facts, *above).next().is_some()),
        Condition::Engaged(range) => engaged(range, facts, now),
        Condition::Unanswered(range) => stands(range.contains(unanswered(facts))),
        Condition::ConsentAge(consent) => consent.evaluate(facts, now),
        Condition::Refused(refused) => refused.evaluate(facts, now),
    }
}

/// Every tag that the customer bears at `now`: those set by hand, and those that the rules derive. A tag that the rules
/// derive is never set by hand, whatever was told before they did.
pub fn tags_of(record: &Record, rules: &Rules, now: Timestamp) -> BTreeSet<TagName> {
    let facts = Facts::of(record, rules);
    let by_hand = (record.tags.iter()).filter(|tag| !rules.tags.contains_key(*tag));
    let derived = (rules.tags.iter())
        .filter(|(_, condition)| evaluate(condition, &facts, now).holds)
        .map(|(tag, _)| tag);
    by_hand.chain(derived).cloned().collect()
}

/// An answer that only a cause can change.
pub(super) fn stands(holds: bool) -> Verdict {
    Verdict { holds, until: None }
}

/// It happened, last `at`; with `within` in (now - d, now].
pub(super) fn came_within(at: Option<Timestamp>, within: Option<Span>, now: Timestamp) -> Verdict {
    let (Some(at), Some(within)) = (at, within) else {
        return stands(at.is_some());
    };
    let ends = at + within;
    let holds = now < ends;
    Verdict {
        holds,
        until: holds.then_some(ends),
    }
}

/// `all` for `agreed = true`, `any` for false: when every child answers `agreed`, so does the whole, for as long as
/// the first of them does; otherwise it answers the opposite, for as long as the last of those that differ.
fn combine(
    children: &[Condition],
    agreed: bool,
    facts: &Facts<'_>,
    now: Timestamp,
    negated: bool,
) -> Verdict {
    let mut least: Option<Timestamp> = None;
    let mut greatest: Option<Timestamp> = None;
    for child in children {
        let verdict = evaluate_in(child, facts, now, negated);
        match (verdict.holds == agreed, verdict.until) {
            (true, Some(until)) => least = Some(least.map_or(until, |t| t.min(until))),
            (true, None) => {}
            (false, Some(until)) => greatest = greatest.max(Some(until)),
            // It differs until something happens, so the whole does, whatever the others say.
            (false, None) => return stands(!agreed),
        }
    }
    match greatest {
        None => Verdict {
            holds: agreed,
            until: least,
        },
        until => Verdict {
            holds: !agreed,
            until,
        },
    }
}

fn attribute(test: &PropertyTest, facts: &Facts<'_>) -> bool {
    match test.path.as_slice() {
        [only] if only == "email" => test.holds_of_text(facts.email),
        _ => test.holds(facts.attributes),
    }
}

pub(super) fn subscribed(topic: &TopicId, facts: &Facts<'_>) -> bool {
    standing_on(facts.consents, Some(topic), facts.topics) == preference::Standing::Given
}

fn did_not_happen(event: &EventCondition, facts: &Facts<'_>, now: Timestamp) -> Verdict {
    let newest = Selection::of(event, true, facts, now).and_then(|s| s.newest_first().next());
    match newest {
        None => stands(true),
        Some(newest) => Verdict {
            holds: false,
            until: newest.leaves(event.within),
        },
    }
}

fn happened(event: &EventCondition, facts: &Facts<'_>, now: Timestamp) -> Verdict {
    let Some(selection) = Selection::of(event, false, facts, now) else {
        return stands(false);
    };
    let within = event.within;
    match &event.test {
        EventTest::Count(range) => count(&selection, within, range),
        EventTest::Sum { is, .. } => sum(&selection, within, is),
        EventTest::Last(range) => age(
            selection.newest_first().next().map(|one| one.at),
            within,
            range,
            now,
        ),
        EventTest::First(range) => age(selection.earliest_first(), within, range, now),
        EventTest::Gap(range) => gap(&selection, within, range),
    }
}

/// A count only falls while nothing happens. It changes its answer when it falls to the upper end (should the events
/// that leave together not take it below the lower one at once) or below the lower end.
fn count(selection: &Selection<'_>, within: Option<Span>, range: &Range<u64>) -> Verdict {
    let low = range.low.unwrap_or(0);
    // The first count that is too many.
    let excess = range.high.map(|high| high.saturating_add(1));
    let enough = excess.unwrap_or(0).max(low);
    let rest = selection.rest().count;
    let mut total = 0_u64;
    let mut newer = 0_u64;
    let mut at = None;
    let mut lowest = None;
    for one in selection.newest_first() {
        if at != Some(one.at) {
            newer = total;
            at = Some(one.at);
        }
        let before = total;
        total = total.saturating_add(one.count);
        if before < low && low <= total {
            lowest = one.leaves(within);
        }
        if excess.is_some_and(|excess| before < excess && excess <= total) {
            let falls_into = newer >= low;
            let until = if falls_into { one.leaves(within) } else { None };
            return Verdict {
                holds: false,
                until,
            };
        }
        if total >= enough {
            break;
        }
    }
    let holds = range.contains(total.saturating_add(rest));
    Verdict {
        holds,
        until: if holds { lowest } else { None },
    }
}

/// The oldest leave first; the sum changes its answer when what is left is on the other side.
fn sum(selection: &Selection<'_>, within: Option<Span>, is: &NumberRange) -> Verdict {
    let total: i128 =
        selection.oldest_first().map(|one| one.value).sum::<i128>() + selection.rest().sum;
    let holds = is.contains_millionths(total);
    if within.is_none() {
        return stands(holds);
    }
    let mut left = total;
    let mut events = selection.oldest_first().peekable();
    while let Some(one) = events.next() {
        left -= one.value;
        let together = events.peek().is_some_and(|next| next.at == one.at);
        if !together && is.contains_millionths(left) != holds {
            return Verdict {
                holds,
                until: one.leaves(within),
            };
        }
    }
    stands(holds)
}

fn gap(selection: &Selection<'_>, within: Option<Span>, range: &Range<Span>) -> Verdict {
    // An hour that holds several events has no time between them that is known; 0 is the nearest.
    let mut newest = selection.newest_first();
    let Some(latest) = newest.next() else {
        return stands(false);
    };
    let second = if latest.count > 1 {
        Some(latest)
    } else {
        newest.next()
    };
    match second {
        Some(second) if range.contains(latest.at.since(second.at)) => Verdict {
            holds: true,
            until: second.leaves(within),
        },
        _ => stands(false),
    }
}

/// The age of the first of `instants` (rising). When it leaves the window, the next takes its place with a smaller age,
/// until none is left and the answer is no.
pub(super) fn age(
    instants: impl IntoIterator<Item = Timestamp>,
    within: Option<Span>,
    range: &Range<Span>,
    now: Timestamp,
) -> Verdict {
    let mut instants = instants.into_iter().peekable();
    let Some(first) = instants.peek() else {
        return stands(false);
    };
    let holds = range.contains(now.since(*first));
    // `from` is the instant from which the one at hand is the first.
    let mut from = now;
    for instant in instants {
        let leaves = within.map_or(Timestamp::NEVER, |within| instant + within);
        if leaves <= from {
            continue;
        }
        let begins = range.low.map_or(Timestamp(i64::MIN), |low| instant + low);
        let ends = range
            .high
            .map_or(Timestamp::NEVER, |high| instant + high + Span::millis(1));
        let change = match holds {
            true if from < begins || ends <= from => from,
            true => ends,
            false => from.max(begins),
        };
        let there = change < leaves && (holds || change < ends);
        if there {
            return Verdict {
                holds,
                until: Some(change),
            };
        }
        from = leaves;
        if within.is_none() {
            break;
        }
    }
    Verdict {
        holds,
        until: Some(from).filter(|from| holds && *from < Timestamp::NEVER),
    }
}

#[cfg(test)]
#[path = "evaluate_tests.rs"]
mod tests;
