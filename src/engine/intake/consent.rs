//! Consent as rows tell it: `consent`, `consent_at`, `consent_source`, `consent_wording`, `unsubscribed`.
//!
//! A consent must say since when. If the time of import stood in for it, importing an old list again would overrule
//! everyone who unsubscribed meanwhile. A refusal without a time is as of now: it can only stop mail.

use super::traits::{instant, truth, words};
use super::{Reading, shown};
use crate::domain::cause::ConsentChange;
use crate::domain::consent_ledger::Origin;
use crate::domain::id::TopicId;
use crate::domain::preference::ConsentState;
use crate::domain::time::{Span, Timestamp};
use crate::domain::value::{Properties, Value};

/// A date without an hour, in whatever zone, is not ahead of its receipt by more.
const DAY: Span = Span::days(1);

/// The traits that speak of consent, taken out of the others.
#[derive(Default)]
pub(super) struct Told {
    pub consent: Option<Value>,
    pub at: Option<Value>,
    pub source: Option<Value>,
    pub wording: Option<Value>,
    pub unsubscribed: Option<Value>,
    pub unsubscribed_at: Option<Value>,
}

/// When a row happened that says so itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowTime {
    /// Put right by when it was sent, where it was: a copy that is sent again, or whose `sentAt` is made anew, may get
    /// another time.
    pub at: Timestamp,
    /// No later than that, nor than the sender's clock said: the same for each copy. A consent counts from here on, so
    /// that a copy of it never overrules whoever has unsubscribed meanwhile.
    pub since: Timestamp,
}

/// The consent changes that a row tells.
pub(super) fn read(
    told: Told,
    row_time: Option<RowTime>,
    reading: &Reading,
) -> Result<Vec<ConsentChange>, String> {
    let raw_time = row_time.map(|time| time.at);
    let received = reading.clock.now();
    let own_time = optional_time("consent_at", told.at.as_ref(), reading)?;
    let source = text("consent_source", told.source)?;
    let proof = Proof {
        given: (own_time.or(row_time.map(|time| time.since))).or(reading.consent_at),
        refused: own_time.or(raw_time).unwrap_or(received),
        received,
        anew: own_time.is_some(),
        source: source.unwrap_or_else(|| reading.consent_source.clone()),
        wording: text("consent_wording", told.wording)?,
    };
    let left = match &told.unsubscribed {
        None | Some(Value::Null) => false,
        Some(value) => truth(value)
            .ok_or_else(|| format!("unsubscribed {} is not true or false", shown(value)))?,
    };
    let mut changes = match told.consent {
        None => Vec::new(),
        Some(value) => states(&value)?
            .into_iter()
            .map(|(topic, state)| proof.change(topic, state))
            .collect::<Result<Vec<_>, String>>()?,
    };
    if left {
        // Who has left has left: a consent in the same row is what they left.
        changes.retain(|c| c.state == ConsentState::Refused && c.topic.is_some());
        let at = optional_time("unsubscribed_at", told.unsubscribed_at.as_ref(), reading)?;
        changes.push(ConsentChange {
            // `consent_at` is when they came, not when they left.
            at: at.or(raw_time).unwrap_or(received),
            ..proof.change(None, ConsentState::Refused)?
        });
    }
    Ok(changes)
}

struct Proof {
    given: Option<Timestamp>,
    refused: Timestamp,
    received: Timestamp,
    /// It says itself when it was given: a form was sent, and no page merely loaded.
    anew: bool,
    source: String,
    wording: Option<String>,
}

impl Proof {
    fn change(&self, topic: Option<TopicId>, state: ConsentState) -> Result<ConsentChange, String> {
        let at = match state {
            ConsentState::Refused => self.refused,
            ConsentState::Given => self.given.ok_or_else(|| {
                "consent is given, but not since when: add \"consent_at\" (or the row's \"timestamp\")".to_owned()
            })?,
        };
        // Taken at its receipt each night, it would overrule whoever has unsubscribed meanwhile.
        if state == ConsentState::Given && at > self.received + DAY {
            return Err(format!(
                "consent is given, but from {at} on: it must say when it was given"
            ));
        }
        Ok(ConsentChange {
            topic,
            state,
            at,
            source: self.source.clone(),
            wording: self.wording.clone(),
            origin: Origin {
                anew: self.anew,
                ..Origin::default()
            },
        })
    }
}

type State = (Option<TopicId>, ConsentState);

/// `true` and `false` speak of advertising as a whole, a list gives its topics, an object says it topic by topic.
fn states(consent: &Value) -> Result<Vec<State>, String> {
    let state = |given| match given {
        true => ConsentState::Given,
        false => ConsentState::Refused,
    };
    if let Some(given) = truth(consent) {
        return Ok(vec![(None, state(given))]);
    }
    match consent {
        Value::Null => Ok(Vec::new()),
        Value::Text(text) if text.trim().is_empty() || text.trim() == "unknown" => Ok(Vec::new()),
        Value::Text(_) | Value::List(_) => words("consent", consent)?
            .iter()
            .map(|topic| Ok((Some(TopicId::parse(topic)?), ConsentState::Given)))
            .collect(),
        Value::Map(map) => by_topic(map, state),
        other => Err(format!(
            "consent {} is not true, false or topics",
            shown(other)
        )),
    }
}

fn by_topic(map: &Properties, state: fn(bool) -> ConsentState) -> Result<Vec<State>, String> {
    let mut states = Vec::new();
    for (topic, value) in map {
        if *value == Value::Null {
            continue;
        }
        let given = truth(value).ok_or_else(|| {
            format!(
                "consent to {} is {}, not true or false",
                super::quoted(topic),
                shown(value)
            )
        })?;
        states.push((Some(TopicId::parse(topic)?), state(given)));
    }
    Ok(states)
}

fn optional_time(
    field: &str,
    told: Option<&Value>,
    reading: &Reading,
) -> Result<Option<Timestamp>, String> {
    match told {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Text(text)) if text.trim().is_empty() => Ok(None),
        Some(value) => instant(field, value, super::dates::Hour::Noon, reading).map(Some),
    }
}

fn text(field: &str, told: Option<Value>) -> Result<Option<String>, String> {
    match told {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text).filter(|t| !t.trim().is_empty())),
        Some(other) => Err(format!("{field} {} is not a text", shown(&other))),
    }
}
