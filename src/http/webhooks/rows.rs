//! From a delivery to messages in the shape of Segment's, by the shop's mapping.

use super::delivery::Delivery;
use crate::config::webhook::mapping::{Ask, Consent, Identify, Mapping, On, Track};
use crate::domain::time::{Span, Timestamp};
use crate::engine::intake::ROW_LIMIT;
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value, json};

/// Of a list, at most so many elements; fewer where the message would grow too long.
const MOST: usize = 100;
/// What Segment's interface takes as `messageId` (STANDARDS §9).
const IDENTITY_LIMIT: usize = 99;

/// What a delivery comes to.
#[derive(Default, Debug)]
pub struct Made {
    /// Some `[[on]]` is for this topic.
    pub known: bool,
    /// Messages, each as JSON.
    pub messages: Vec<String>,
    /// Visitors who are one though nobody knows who: the former is a name of the latter, whoever that is.
    pub joins: Vec<(String, String)>,
    /// What the shop asks of the operator, and for whom.
    pub asked: Vec<(Ask, Option<String>)>,
    /// Tells its bytes from others: what is signed, whatever its headers say.
    pub bytes: String,
}

/// Who a delivery is about.
struct Whom {
    user: Option<String>,
    visitor: Option<String>,
}

/// What the messages of a delivery share.
struct Shared<'a> {
    webhook: &'a str,
    mapping: &'a Mapping,
    topic: &'a str,
    /// The shop's own id of it.
    own: Option<String>,
    /// What two sendings of it share.
    id: String,
    now: Timestamp,
}

/// All that becomes of a delivery on `topic`; `bytes` are its body's.
pub fn make(
    (webhook, mapping): (&str, &Mapping),
    delivery: &mut Delivery<'_>,
    topic: &str,
    bytes: &[u8],
    now: Timestamp,
) -> Made {
    let told = mapping.id.as_ref().and_then(|pick| delivery.text(pick));
    let shared = Shared {
        webhook,
        mapping,
        topic,
        id: told.clone().unwrap_or_else(|| hash(bytes)),
        own: told,
        now,
    };
    let mut made = Made {
        bytes: hash(bytes),
        ..Made::default()
    };
    for on in mapping
        .on
        .iter()
        .filter(|on| on.topics.iter().any(|t| t == topic))
    {
        made.known = true;
        if delivery.holds(&on.when) {
            apply(on, &shared, delivery, &mut made);
        }
    }
    made
}

fn apply(on: &On, shared: &Shared<'_>, delivery: &mut Delivery<'_>, made: &mut Made) {
    let whom = Whom {
        user: on.user.as_ref().and_then(|pick| delivery.text(pick)),
        visitor: on.visitor.as_ref().and_then(|pick| delivery.text(pick)),
    };
    if let Some(ask) = on.ask {
        made.asked.push((ask, whom.user.clone()));
    }
    let aliases = on.aliases.iter().filter_map(|pick| delivery.text(pick));
    if let (None, Some(visitor)) = (&whom.user, &whom.visitor) {
        let others = aliases.filter(|alias| alias != visitor);
        made.joins
            .extend(others.map(|alias| (visitor.clone(), alias)));
    } else if let Some(user) = &whom.user {
        let mut names: Vec<String> = whom.visitor.clone().into_iter().chain(aliases).collect();
        names.dedup();
        let alias = |previous| json!({ "type": "alias", "previousId": previous, "userId": user });
        made.messages
            .extend(names.into_iter().map(|name| alias(name).to_string()));
    }
    if whom.user.is_none() && whom.visitor.is_none() {
        return;
    }
    if let Some(identify) = &on.identify {
        let nth = made.messages.len().to_string();
        let message = fitting(delivery, |d| {
            of_identify((identify, &nth), shared, &whom, d)
        });
        made.messages.push(message);
    }
    for track in &on.tracks {
        if delivery.holds(&track.when) {
            let message = fitting(delivery, |d| of_track(track, shared, &whom, d));
            made.messages.push(message);
        }
    }
}

/// The message with its lists as long as fits: an order of many products is an order.
fn fitting(delivery: &mut Delivery<'_>, write: impl Fn(&Delivery<'_>) -> Value) -> String {
    delivery.most = MOST;
    loop {
        let text = write(delivery).to_string();
        if text.len() <= ROW_LIMIT || delivery.most == 0 {
            return text;
        }
        delivery.most /= 2;
    }
}

fn whose(message: &mut Map<String, Value>, whom: &Whom, by_visitor: bool) {
    let visitor = whom.visitor.as_ref().filter(|_| by_visitor);
    match (visitor, &whom.user, &whom.visitor) {
        (Some(visitor), ..) | (None, None, Some(visitor)) => {
            message.insert("anonymousId".into(), visitor.clone().into());
        }
        (None, Some(user), _) => _ = message.insert("userId".into(), user.clone().into()),
        (None, None, None) => {}
    }
}

/// `nth` tells it from what else becomes of the same delivery.
fn of_identify(
    (identify, nth): (&Identify, &str),
    shared: &Shared<'_>,
    whom: &Whom,
    delivery: &Delivery<'_>,
) -> Value {
    let mut message = Map::new();
    message.insert("type".into(), "identify".into());
    whose(&mut message, whom, false);
    let time = identify.time.as_ref().or(shared.mapping.time.as_ref());
    if let Some(at) = time.and_then(|pick| delivery.instant(pick)) {
        message.insert("timestamp".into(), at.to_string().into());
    }
    // Without an id of the shop's own it is known by its time and what it says, and without a time it is told anew: the
    // same body may come again and say once more what was otherwise meanwhile. One id may stand on several topics.
    if let Some(own) = &shared.own {
        let parts = [shared.webhook, shared.topic, own, nth];
        message.insert("messageId".into(), identity(&parts).into());
    }
    let mut traits = Map::new();
    for (name, field) in &identify.traits {
        match delivery.field(field) {
            Some(value) => _ = traits.insert(name.clone(), value),
            // What the shop has no longer goes here too.
            None if delivery.is_told_empty(field) => _ = traits.insert(name.clone(), Value::Null),
            None => {}
        }
    }
    if let Some(consent) = &identify.consent {
        of_consent(consent, shared, delivery, &mut traits);
    }
    message.insert("traits".into(), traits.into());
    message.into()
}

fn of_consent(
    consent: &Consent,
    shared: &Shared<'_>,
    delivery: &Delivery<'_>,
    traits: &mut Map<String, Value>,
) {
    let Some(state) = delivery.text(&consent.state) else {
        return;
    };
    let at = delivery.instant(&consent.at);
    let given = consent.given.contains(&state);
    // A consent without a time, or of the day after tomorrow, would overrule a refusal told meanwhile.
    let proved = at.is_some_and(|at| at <= shared.now + Span::days(1));
    let says = consent.refused.contains(&state) || (given && proved);
    if !says {
        return;
    }
    let word = match &consent.topic {
        None => given.into(),
        Some(topic) => json!({ topic.as_str(): given }),
    };
    traits.insert("consent".into(), word);
    let at = at.map(|at| at.to_string());
    let source = consent.source.as_deref().unwrap_or(shared.webhook);
    for (name, value) in [
        ("consent_at", at.as_deref()),
        ("consent_source", Some(source)),
        ("consent_wording", consent.wording.as_deref()),
    ] {
        if let Some(value) = value {
            traits.insert(name.into(), value.into());
        }
    }
}

fn of_track(track: &Track, shared: &Shared<'_>, whom: &Whom, delivery: &Delivery<'_>) -> Value {
    let mut message = Map::new();
    let event = track.event.as_str();
    message.insert("type".into(), "track".into());
    message.insert("event".into(), event.into());
    whose(&mut message, whom, track.by_visitor);
    let time = track.time.as_ref().and_then(|pick| delivery.instant(pick));
    let usual = || delivery.instant(shared.mapping.time.as_ref()?);
    if let Some(at) = time.or_else(usual) {
        message.insert("timestamp".into(), at.to_string().into());
    }
    let parts: Option<Vec<String>> = (track.identity.iter())
        .map(|pick| delivery.text(pick))
        .collect();
    // What the business fact does not tell apart, the delivery does.
    let parts =
        (parts.filter(|parts| !parts.is_empty())).unwrap_or_else(|| vec![shared.id.clone()]);
    let all: Vec<&str> = [shared.webhook, event]
        .into_iter()
        .chain(parts.iter().map(String::as_str))
        .collect();
    message.insert("messageId".into(), identity(&all).into());
    let properties: Map<String, Value> = (track.properties.iter())
        .filter_map(|(name, field)| Some((name.clone(), delivery.field(field)?)))
        .collect();
    message.insert("properties".into(), properties.into());
    message.into()
}

/// The parts as one text; a long one by its hash.
fn identity(parts: &[&str]) -> String {
    let text = parts.join("/");
    match text.len() <= IDENTITY_LIMIT {
        true => text,
        false => hash(text.as_bytes()),
    }
}

fn hash(bytes: &[u8]) -> String {
    let hash = digest(&SHA256, bytes);
    hash.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}
