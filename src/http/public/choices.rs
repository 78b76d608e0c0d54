//! From what was entered on the preference centre to what is told to the engine, or to what is wrong with it, field by
//! field. Only what differs from how the customer stands is told.

use super::entered::{CAPS, Entered, KEEP, Seen};
use super::words::Language;
use crate::domain::campaign::Topic;
use crate::domain::cap::Cap;
use crate::domain::cause::PreferenceChange;
use crate::domain::policy::zone_of;
use crate::domain::preference::{ConsentState, Format, ON_REQUEST_ONLY};
use crate::domain::time::{Span, Timestamp};
use crate::domain::value::Value;
use crate::domain::wall::{Showing, local, showing};
use crate::domain::window::{Window, WindowSpan};
use crate::engine::consent::Choices;
use crate::engine::localized;
use chrono::{NaiveDate, NaiveTime};
use chrono_tz::Tz;

/// The longest break that is taken.
pub const LONGEST_PAUSE: Span = Span::days(731);
/// The longest language tag that is taken.
const LONGEST_LOCALE: usize = 35;

/// A field (the id of what shows it) and the key of what to say about it.
pub type Problem = (&'static str, &'static str);

/// What the customer chose, by the form that showed `before`.
pub fn read(
    entered: &Entered,
    before: &Entered,
    seen: &Seen,
    language: Language,
) -> Result<Choices, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut change = PreferenceChange::default();
    let mut zone = zone_of(&seen.record, &seen.rules);
    if entered.changes("zone", before) {
        match entered.zone.as_str() {
            "" => {
                change.timezone = Some(None);
                zone = seen.rules.shop.timezone;
            }
            name => match name.parse::<Tz>() {
                Ok(chosen) => {
                    change.timezone = Some(Some(chosen));
                    zone = chosen;
                }
                Err(_) => problems.push(("zone", "problem_zone")),
            },
        }
    }
    let window = match entered.changes("hours", before) {
        true => window(entered, &mut problems),
        false => None,
    };
    if let Some(window) = window.filter(|window| *window != seen.record.preferences.window) {
        change.window = Some(window);
    }
    if entered.changes("often", before) {
        match entered.often.as_str() {
            "" => change.caps = Some(None),
            KEEP => {}
            cap if CAPS.contains(&cap) => change.caps = Cap::parse(cap).ok().map(|c| Some(vec![c])),
            _ => problems.push(("often", "problem_often")),
        }
    }
    // A day is a day in the customer's zone: in another zone the same day is another instant.
    let moves = change.timezone.is_some() && !entered.pause.is_empty();
    if entered.changes("pause", before) || (moves && entered.pause == before.pause) {
        match pause(&entered.pause, zone, seen.now) {
            Ok(pause) => change.pause_until = Some(pause),
            Err(()) => problems.push(("pause", "problem_pause")),
        }
    }
    if entered.changes("locale", before) {
        match entered.locale.as_str() {
            "" => change.locale = Some(None),
            tag if is_language_tag(tag) => change.locale = Some(Some(tag.to_owned())),
            _ => problems.push(("locale", "problem_locale")),
        }
    }
    // A form of before there was the choice says nothing of it.
    if entered.changes("format", before) && !entered.format.is_empty() {
        match Format::parse(&entered.format) {
            Ok(format) => change.format = Some(Some(format)),
            Err(_) => problems.push(("format", "problem_format")),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut choices = Choices::default();
    // No tick says nothing where the form had no such box.
    let had_box = entered.was.contains_key("only") && !seen.rules.topics.is_empty();
    if had_box && entered.changes("only", before) {
        let only = Value::Bool(entered.only == "yes");
        let told = &mut choices.profile.attributes;
        told.insert(ON_REQUEST_ONLY.to_owned(), only);
    }
    choices.profile.preferences = change;
    for (id, topic) in &seen.rules.topics {
        let wants = entered.topics.contains(id.as_str());
        if wants == entered.had.contains(id.as_str()) || wants == seen.wants(id) {
            continue;
        }
        let state = match wants {
            true => ConsentState::Given,
            false => ConsentState::Refused,
        };
        let wording = wording(topic, language);
        choices.consents.push((Some(id.clone()), state, wording));
    }
    Ok(choices)
}

/// What stands beside the tick, as the ledger keeps it.
pub fn wording(topic: &Topic, language: Language) -> String {
    let name = localized(&topic.name, language.tag());
    match localized(&topic.description, language.tag()) {
        "" => name.to_owned(),
        about => format!("{name}: {about}"),
    }
}

/// The window that was chosen; `None` where it stays, or where it is told as a problem.
fn window(entered: &Entered, problems: &mut Vec<Problem>) -> Option<Option<Window>> {
    match entered.hours.as_str() {
        "any" => return Some(None),
        "own" => {}
        _ => return None,
    }
    let days = (0..7u8)
        .filter(|day| entered.days.contains(&day.to_string()))
        .fold(0, |days, day| days | 1 << day);
    if days == 0 {
        problems.push(("hours", "problem_days"));
    }
    let from = minutes(&entered.from);
    let to = minutes(&entered.to);
    if from.is_none() {
        problems.push(("from", "problem_from"));
    }
    // From midnight to midnight is the whole day; any other time to itself is none.
    let (start, end) = match (from, to) {
        (Some(0), Some(0)) => (0, 1_440),
        (Some(from), Some(to)) if from != to => (from, if to > from { to } else { to + 1_440 }),
        (None, Some(_)) => return None,
        _ => {
            problems.push(("to", "problem_to"));
            return None;
        }
    };
    (days != 0).then(|| {
        Some(Window {
            spans: vec![WindowSpan { days, start, end }],
        })
    })
}

/// `19:00` as browsers post it, `19:00:00` as some do.
fn minutes(text: &str) -> Option<u16> {
    let time = NaiveTime::parse_from_str(text, "%H:%M")
        .or_else(|_| NaiveTime::parse_from_str(text, "%H:%M:%S"));
    let seconds = chrono::Timelike::num_seconds_from_midnight(&time.ok()?);
    u16::try_from(seconds / 60).ok()
}

/// The instant at which that day begins; nothing for no break.
fn pause(text: &str, zone: Tz, now: Timestamp) -> Result<Option<Timestamp>, ()> {
    if text.is_empty() {
        return Ok(None);
    }
    let day: NaiveDate = text.parse().map_err(|_| ())?;
    if day <= local(now, zone).date() || day > local(now + LONGEST_PAUSE, zone).date() {
        return Err(());
    }
    Ok(Some(match showing(day.and_time(NaiveTime::MIN), zone) {
        Showing::Once(at) | Showing::Twice(at, _) | Showing::Skipped(at) => at,
    }))
}

/// Letters and digits in parts of at most 8 (RFC 5646 §2.1).
fn is_language_tag(text: &str) -> bool {
    let part =
        |p: &str| !p.is_empty() && p.len() <= 8 && p.bytes().all(|b| b.is_ascii_alphanumeric());
    text.len() <= LONGEST_LOCALE && text.split(['-', '_']).all(part)
}
