//! A condition's answer with its reasons: what each part asks, what it finds, and when that can next change.

use super::evaluate::evaluate_in;
use super::selection::Selection;
use super::standing::{last_answer, unanswered, under_way};
use super::{Condition, ConsentAge, EventCondition, EventTest, Facts, Refused, Verdict, describe};
use crate::domain::preference::{ConsentState, consent_for};
use crate::domain::time::{Span, Timestamp};
use crate::domain::value::{Value, any_at};

/// A condition, answered.
#[derive(Clone, PartialEq, Debug)]
pub struct Explained {
    /// What is asked ([`Condition::describe`]).
    pub text: String,
    pub verdict: Verdict,
    /// What is so at present: `3 in the last 90d`, `latest 2026-05-01T09:00:00Z, 83d ago`.
    pub present: String,
    /// The parts of `all`, `any`, `not` and of a segment.
    pub children: Vec<Explained>,
}

/// Answers as [`evaluate()`](super::evaluate()) does, with the reasons.
pub fn explain(condition: &Condition, facts: &Facts<'_>, now: Timestamp) -> Explained {
    explain_in(condition, facts, now, false)
}

fn explain_in(
    condition: &Condition,
    facts: &Facts<'_>,
    now: Timestamp,
    negated: bool,
) -> Explained {
    let children: Vec<Explained> = match condition {
        Condition::All(parts) | Condition::Any(parts) => (parts.iter())
            .map(|part| explain_in(part, facts, now, negated))
            .collect(),
        Condition::Not(part) => vec![explain_in(part, facts, now, !negated)],
        Condition::Segment(_) | Condition::Tag(_) => {
            let inner = match condition {
                Condition::Segment(name) => facts.segments.get(name),
                Condition::Tag(tag) => facts.derived.get(tag),
                _ => None,
            };
            inner
                .map(|inner| explain_in(inner, facts, now, negated))
                .into_iter()
                .collect()
        }
        _ => Vec::new(),
    };
    Explained {
        text: condition.describe(),
        verdict: evaluate_in(condition, facts, now, negated),
        present: present(condition, &children, facts, now) + &unknown(condition, now, negated),
        children,
    }
}

/// What keeps the answer from being known.
fn unknown(condition: &Condition, now: Timestamp, negated: bool) -> String {
    let (event, absence) = match condition {
        Condition::Event(event) => (event, false),
        Condition::NoEvent(event) => (event, true),
        _ => return String::new(),
    };
    match (event.known_from(absence, negated), event.complete_since) {
        (Some(from), Some(since)) if now < from => {
            format!("; but it is told completely since {since} only, and this looks further back")
        }
        _ => String::new(),
    }
}

fn present(
    condition: &Condition,
    children: &[Explained],
    facts: &Facts<'_>,
    now: Timestamp,
) -> String {
    let holding = children.iter().filter(|child| child.verdict.holds).count();
    match condition {
        Condition::All(_) | Condition::Any(_) => {
            format!("{holding} of {} hold", children.len())
        }
        Condition::Not(_) | Condition::Segment(_) => match children {
            [] => "there is no such segment".to_owned(),
            _ if holding > 0 => "it holds".to_owned(),
            _ => "it does not hold".to_owned(),
        },
        Condition::Event(event) => events(event, false, facts, now),
        Condition::NoEvent(event) => events(event, true, facts, now),
        Condition::KnownFor(_) => {
            let since = facts.known_since;
            format!("known since {since}, {}", rough(now.since(since)))
        }
        Condition::Attribute(test) => match test.path.as_slice() {
            [only] if only == "email" => match facts.email {
                Some(email) => crate::domain::address::mask(email),
                None => "not set".to_owned(),
            },
            path => {
                let mut found = None;
                any_at(facts.attributes, path, &mut |value| {
                    let there = !matches!(value, Value::Null);
                    if there {
                        found = Some(describe::value(value));
                    }
                    there
                });
                found.unwrap_or_else(|| "not set".to_owned())
            }
        },
        Condition::Tag(tag) => {
            let derived = facts.derived.contains_key(tag);
            let by_hand = facts.tags.contains(tag);
            let tagged = if derived { holding > 0 } else { by_hand };
            let text = if tagged { "tagged" } else { "not tagged" };
            match (derived, by_hand) {
                (true, true) => {
                    format!("{text}, by its rule; it was set by hand once, which no longer counts")
                }
                (true, false) => format!("{text}, by its rule"),
                (false, _) => text.to_owned(),
            }
        }
        Condition::Subscribed(topic)
        | Condition::ConsentAge(ConsentAge { topic, .. })
        | Condition::Refused(Refused { topic, .. }) => {
            let consent = consent_for(facts.consents, Some(topic));
            let by_name = facts.consents.contains_key(&Some(topic.clone()));
            match consent {
                None => "no consent is known".to_owned(),
                Some(c) if c.state == ConsentState::Refused => {
                    format!("refused {} ({})", c.at, c.source)
                }
                Some(c) if by_name || super::evaluate::subscribed(topic, facts) => {
                    format!("consent given {} ({})", c.at, c.source)
                }
                Some(_) => "advertising is consented to, this topic was not asked for".to_owned(),
            }
        }
        Condition::Message(message) => message.present(facts, now),
        Condition::Date(date) => date.present(facts, now),
        Condition::Preference(preference) => preference.present(facts),
        Condition::Campaign(campaign) => campaign.present(facts, now),
        Condition::UnderWay { above } => {
            let ids: Vec<String> =
                (under_way(facts, *above).map(|id| format!("\"{id}\""))).collect();
            match ids.is_empty() {
                true => "under way in none".to_owned(),
                false => format!("under way in {}", ids.join(", ")),
            }
        }
        Condition::Engaged(_) => one("latest", last_answer(facts), now),
        Condition::Unanswered(_) => format!("{} in a row", unanswered(facts)),
    }
}

fn events(event: &EventCondition, absence: bool, facts: &Facts<'_>, now: Timestamp) -> String {
    let Some(selection) = Selection::of(event, absence, facts, now) else {
        return "there is no entry to count from".to_owned();
    };
    let mut text = match &event.test {
        _ if absence => latest(&selection, now),
        EventTest::Count(_) => {
            let kept: u64 = selection.oldest_first().map(|one| one.count).sum();
            let most = facts.plan.counts_up_to(event.track());
            // The plan keeps no more than decides the answer.
            let head = if most.is_some_and(|most| kept >= most) {
                "at least "
            } else {
                ""
            };
            let count = kept.saturating_add(selection.rest().count);
            match event.within {
                Some(within) => format!("{head}{count} in the last {within}"),
                None if event.since_entry => format!("{head}{count} since the entry"),
                None => format!("{head}{count} so far"),
            }
        }
        EventTest::Sum { .. } => {
            let kept: i128 = selection.oldest_first().map(|one| one.value).sum();
            let sum = kept.saturating_add(selection.rest().sum);
            format!("adds up to {}", sum as f64 / 1e6)
        }
        EventTest::Last(_) => latest(&selection, now),
        EventTest::First(_) => one("first", selection.earliest_first().next(), now),
        EventTest::Gap(_) => {
            let mut newest = selection.newest_first();
            match (newest.next(), newest.next()) {
                (Some(last), Some(before)) => {
                    format!(
                        "{} between {} and {}",
                        rough(last.at.since(before.at)),
                        before.at,
                        last.at
                    )
                }
                _ => "fewer than two".to_owned(),
            }
        }
    };
    if facts.tracks.folded(event.track()) {
        text.push_str(" (older events are counted by the hour)");
    }
    text
}

fn latest(selection: &Selection<'_>, now: Timestamp) -> String {
    one(
        "latest",
        selection.newest_first().next().map(|one| one.at),
        now,
    )
}

fn one(which: &str, at: Option<Timestamp>, now: Timestamp) -> String {
    match at {
        Some(at) => format!("{which} {at}, {} ago", rough(now.since(at))),
        None => "none".to_owned(),
    }
}

/// A length of time in its largest two units of the clock.
pub(super) fn rough(span: Span) -> String {
    let unit = match span.0.unsigned_abs() {
        0..3_600_000 => 1_000,
        3_600_000..86_400_000 => 60_000,
        86_400_000..864_000_000 => 3_600_000,
        _ => 86_400_000,
    };
    Span(span.0 / unit * unit).to_string()
}
