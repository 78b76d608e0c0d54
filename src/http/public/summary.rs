//! What a customer's choices mean, in a few sentences; and what the shop holds about them, with when and how it was told.

use super::entered::Seen;
use super::words::Language;
use crate::domain::cap::Cap;
use crate::domain::policy::{LEAD, zone_of};
use crate::domain::preference::{Consent, ConsentState, Format};
use crate::domain::time::{Span, Timestamp};
use crate::domain::wall::local;
use crate::domain::window::first_open;
use crate::engine::localized;
use chrono_tz::Tz;
use serde_json::{Value, json};

/// Windows are weekly patterns: what does not open together in two weeks never does.
const TWO_WEEKS: Span = Span::days(15);

/// A day as people write it.
pub fn day(at: Timestamp, zone: Tz, language: Language) -> String {
    let form = match language {
        Language::English => "%-d %B %Y",
        Language::Korean => "%Y년 %-m월 %-d일",
    };
    local(at, zone).format(form).to_string()
}

pub fn caps(caps: &[Cap], language: Language) -> String {
    let caps: Vec<String> = caps.iter().map(|c| language.cap(&c.to_string())).collect();
    caps.join(", ")
}

/// What it means for the customer.
pub fn sentences(seen: &Seen, language: Language) -> Vec<String> {
    let own = &seen.record.preferences;
    let zone = zone_of(&seen.record, &seen.rules);
    let only = seen.takes_on_request_only();
    let topics: Vec<&str> = (seen.rules.topics.iter())
        .filter(|(id, topic)| seen.gets(id) && (topic.on_request || !only))
        .map(|(_, topic)| localized(&topic.name, language.tag()))
        .collect();
    let mut lines = vec![match topics.as_slice() {
        [] => language.say("says_none").to_owned(),
        topics => language.fill("says_topics", &[&topics.join(", ")]),
    }];
    if only {
        lines.push(language.say("says_only").to_owned());
    }
    let waiting: Vec<&str> = (seen.rules.topics.iter())
        .filter(|(id, _)| seen.record.pending.contains_key(*id))
        .map(|(_, topic)| localized(&topic.name, language.tag()))
        .collect();
    if !waiting.is_empty() {
        lines.push(language.fill("says_waits", &[&waiting.join(", ")]));
    }
    lines.push(match &own.window {
        Some(window) => language.fill("says_hours", &[&language.hours(window), zone.name()]),
        None => language.say("says_any_hours").to_owned(),
    });
    lines.push(match &own.caps {
        Some(own) => language.fill("says_often", &[&caps(own, language)]),
        None => language.say("says_any_often").to_owned(),
    });
    if own.format == Some(Format::Text) {
        lines.push(language.say("says_text").to_owned());
    }
    if let Some(until) = seen.paused_until() {
        lines.push(language.fill("says_pause", &[&day(until, zone, language)]));
    }
    if let (Some(own), Some(shop)) = (&own.window, &seen.rules.shop.ceiling.window) {
        let upto = seen.now + TWO_WEEKS;
        if first_open(&[(own, zone), (shop, zone)], seen.now, LEAD, upto).is_none() {
            lines.push(language.fill("says_never", &[&language.hours(shop)]));
        }
    }
    lines
}

/// A language by its own name, where it is one of ours.
fn spoken(tag: &str) -> &str {
    let own = Language::ALL.into_iter().find(|own| own.tag() == tag);
    own.map_or(tag, |own| own.name())
}

/// What is held, each with when and how it was told.
pub fn held(seen: &Seen, language: Language) -> Value {
    let own = &seen.record.preferences;
    let zone = zone_of(&seen.record, &seen.rules);
    let none = || language.say("held_none").to_owned();
    let word = |consent: Option<&Consent>| {
        let Some(consent) = consent else {
            return none();
        };
        let state = language.say(match consent.state {
            ConsentState::Given => "state_given",
            ConsentState::Refused => "state_refused",
        });
        let source = language.source(&consent.source);
        format!("{state} · {} · {source}", day(consent.at, zone, language))
    };
    let consents = &seen.record.consents;
    let mut rows = vec![(
        language.say("held_advertising").to_owned(),
        word(consents.get(&None)),
    )];
    for (id, topic) in &seen.rules.topics {
        let name = localized(&topic.name, language.tag()).to_owned();
        let pending = seen.record.pending.get(id);
        let text = match consents.get(&Some(id.clone())) {
            _ if let Some(pending) = pending => {
                let at = day(pending.at, zone, language);
                let source = language.source(&pending.source);
                format!("{} · {at} · {source}", language.say("state_asked"))
            }
            None if seen.gets(id) => language.say("held_by_whole").to_owned(),
            own => word(own),
        };
        rows.push((name, text));
    }
    let often = (own.caps.as_ref()).map(|own| caps(own, language));
    let more = [
        (
            "held_only",
            (seen.takes_on_request_only()).then(|| language.say("state_given").to_owned()),
        ),
        ("held_hours", own.window.as_ref().map(|w| language.hours(w))),
        ("held_often", often),
        ("held_zone", own.timezone.map(|z| z.name().to_owned())),
        (
            "held_pause",
            seen.paused_until().map(|at| day(at, zone, language)),
        ),
        (
            "held_language",
            own.locale.as_deref().map(|tag| spoken(tag).to_owned()),
        ),
        (
            "held_format",
            own.format.map(|format| match format {
                Format::Html => language.say("format_html").to_owned(),
                Format::Text => language.say("format_text").to_owned(),
            }),
        ),
    ];
    rows.extend(more.map(|(key, text)| (language.say(key).to_owned(), text.unwrap_or_else(none))));
    let rows = rows
        .iter()
        .map(|(name, text)| json!({ "name": name, "text": text }));
    Value::from(rows.collect::<Vec<_>>())
}
