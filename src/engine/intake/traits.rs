//! Traits, as `identify` rows and customer tables tell them, to a [`ProfileChange`].
//!
//! Segment's reserved names get the names that templates use (`firstName` -> `first_name`); preferences, tags and
//! consent go where they belong; every other trait is an attribute as it stands, `null` removing it. A trait that says
//! something about when to write to a customer and can't be read spoils its row: better no change than mail at 3 a.m.

use super::consent::{self, RowTime};
use super::dates::Hour;
use super::{Reading, not_before_1990, quoted, shown};
use crate::domain::address::EmailAddress;
use crate::domain::cap::Cap;
use crate::domain::cause::{ConsentChange, PreferenceChange, ProfileChange};
use crate::domain::id::TagName;
use crate::domain::preference::{Format, ON_REQUEST_ONLY};
use crate::domain::time::{Span, Timestamp};
use crate::domain::value::{Properties, Value};
use crate::domain::window::Window;
use chrono_tz::Tz;

/// Our name for a trait: the snake_case one for those that Segment reserves or that mean something here.
pub fn plain_name(name: &str) -> &str {
    match name {
        "firstName" | "firstname" => "first_name",
        "lastName" | "lastname" => "last_name",
        "createdAt" => "created_at",
        "timeZone" | "time_zone" => "timezone",
        "language" => "locale",
        "hours" => "window",
        "frequency" => "caps",
        "pauseUntil" => "pause_until",
        "onRequestOnly" => ON_REQUEST_ONLY,
        "consentAt" => "consent_at",
        "consentSource" => "consent_source",
        "consentWording" => "consent_wording",
        "unsubscribedAt" => "unsubscribed_at",
        other => other,
    }
}

/// Reads a row's traits; `row_time` is the row's own time, if it names one.
pub(super) fn read(
    traits: Properties,
    row_time: Option<RowTime>,
    reading: &Reading,
) -> Result<(ProfileChange, Vec<ConsentChange>), String> {
    let mut change = ProfileChange::default();
    let mut told = consent::Told::default();
    for (name, value) in traits {
        match plain_name(&name) {
            "email" => change.email = email(&value)?,
            "created_at" => {
                let Some(value) = given(value) else { continue };
                let at = instant("created_at", &value, Hour::Noon, reading)?;
                change.created_at = Some(at);
                // Kept as an attribute too: conditions and templates speak of it.
                let text = Value::Text(at.to_string());
                change.attributes.insert("created_at".to_owned(), text);
            }
            "tags" => change.tags = tags(&value)?,
            "test" => {
                let mark = yes_or_no("test", &value)?;
                change.attributes.insert(name, mark);
            }
            ON_REQUEST_ONLY => {
                let only = yes_or_no(ON_REQUEST_ONLY, &value)?;
                change.attributes.insert(ON_REQUEST_ONLY.to_owned(), only);
            }
            "birthday" => {
                let value = birthday(value, reading);
                change.attributes.insert(name, value);
            }
            "consent" => told.consent = Some(value),
            "consent_at" => told.at = Some(value),
            "consent_source" => told.source = Some(value),
            "consent_wording" => told.wording = Some(value),
            "unsubscribed" => told.unsubscribed = Some(value),
            "unsubscribed_at" => told.unsubscribed_at = Some(value),
            plain => {
                if !preference(plain, &value, &mut change.preferences, reading)? {
                    change.attributes.insert(plain.to_owned(), value);
                }
            }
        }
    }
    let consents = consent::read(told, row_time, reading)?;
    Ok((change, consents))
}

fn yes_or_no(name: &str, value: &Value) -> Result<Value, String> {
    match value {
        Value::Null => Ok(Value::Null),
        value => (truth(value).map(Value::Bool))
            .ok_or_else(|| format!("{name} {} is not true or false", shown(value))),
    }
}

/// `null` and an empty text tell no address: what is known stays.
fn email(value: &Value) -> Result<Option<EmailAddress>, String> {
    match value {
        Value::Null => Ok(None),
        Value::Text(text) if text.trim().is_empty() => Ok(None),
        Value::Text(text) => {
            let email = EmailAddress::parse(text);
            email.map(Some).map_err(|why| format!("email {why}"))
        }
        other => Err(format!("email {} is not a text", shown(other))),
    }
}

fn given(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Text(text) if text.trim().is_empty() => None,
        value => Some(value),
    }
}

/// Takes a preference; says whether `name` is one. `null` goes back to the shop's default.
fn preference(
    name: &str,
    value: &Value,
    change: &mut PreferenceChange,
    reading: &Reading,
) -> Result<bool, String> {
    match name {
        "timezone" => change.timezone = Some(text(name, value)?.map(zone).transpose()?),
        "locale" => change.locale = Some(text(name, value)?.map(locale).transpose()?),
        "window" => change.window = Some(window(value)?),
        "caps" => change.caps = Some(caps(value)?),
        "gap" => {
            let gap = text(name, value)?.map(Span::parse).transpose();
            change.gap = Some(gap.map_err(|why| format!("gap {why}"))?);
        }
        "format" => {
            let format = text(name, value)?.map(Format::parse).transpose();
            change.format = Some(format.map_err(|why| format!("format {why}"))?);
        }
        "pause_until" => {
            let until = match value {
                Value::Null => None,
                value => Some(instant(name, value, Hour::Midnight, reading)?),
            };
            change.pause_until = Some(until);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn zone(name: &str) -> Result<Tz, String> {
    name.trim().parse().map_err(|_| {
        format!(
            "timezone {} is not a time zone; write one like \"Asia/Seoul\"",
            quoted(name)
        )
    })
}

/// A language tag (BCP 47) in its usual spelling of separators: `ko_KR` is `ko-KR`.
fn locale(text: &str) -> Result<String, String> {
    let tag = text.trim().replace('_', "-");
    let part = |p: &str| (1..=8).contains(&p.len()) && p.chars().all(|c| c.is_ascii_alphanumeric());
    let language = tag.split('-').next().unwrap_or_default();
    let good = tag.len() <= 35
        && tag.split('-').all(part)
        && (2..=3).contains(&language.len())
        && language.chars().all(|c| c.is_ascii_alphabetic());
    match good {
        true => Ok(tag),
        false => Err(format!(
            "locale {} is not a language tag; write one like \"ko\" or \"en-GB\"",
            quoted(text)
        )),
    }
}

/// A text, or a list of texts that together make one window.
fn window(value: &Value) -> Result<Option<Window>, String> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::List(_) => words("window", value)?.join("; "),
        value => match text("window", value)? {
            None => return Ok(None),
            Some(text) => text.to_owned(),
        },
    };
    Window::parse(&text).map(Some)
}

fn caps(value: &Value) -> Result<Option<Vec<Cap>>, String> {
    if *value == Value::Null {
        return Ok(None);
    }
    let caps = words("caps", value)?;
    caps.iter()
        .map(|cap| Cap::parse(cap))
        .collect::<Result<_, _>>()
        .map(Some)
}

/// A list or a text of tags sets them; an object sets (`true`) and takes away (`false`).
fn tags(value: &Value) -> Result<Vec<(TagName, bool)>, String> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Map(map) => {
            let one = |(tag, bears): (&String, &Value)| match truth(bears) {
                Some(bears) => Ok((TagName::parse(tag)?, bears)),
                None => Err(format!(
                    "the tag {} is {}, not true or false",
                    quoted(tag),
                    shown(bears)
                )),
            };
            map.iter().map(one).collect()
        }
        value => words("tags", value)?
            .iter()
            .map(|tag| Ok((TagName::parse(tag)?, true)))
            .collect(),
    }
}

/// With a date format given, a birthday in it becomes `2001-02-03`; any other stays as it stands.
fn birthday(value: Value, reading: &Reading) -> Value {
    match value.as_text().and_then(|text| reading.dates.day(text)) {
        Some(day) => Value::Text(day.to_string()),
        None => value,
    }
}

/// Reads an instant: a text as [`super::dates::Dates`] reads it, or seconds (or milliseconds) since 1970.
pub(super) fn instant(
    field: &str,
    value: &Value,
    hour: Hour,
    reading: &Reading,
) -> Result<Timestamp, String> {
    match value {
        Value::Text(text) => {
            let at = reading.dates.instant(text, hour);
            let at = at.map_err(|why| format!("{field} {why}"))?;
            not_before_1990(field, text, at)
        }
        Value::Int(n) => {
            // Milliseconds since 1990 have 12 digits and more; seconds have 11 until the year 5138.
            let millis = if *n < 100_000_000_000 {
                n.saturating_mul(1_000)
            } else {
                *n
            };
            not_before_1990(field, &n.to_string(), Timestamp(millis))
        }
        other => Err(format!("{field} {} is not a time", shown(other))),
    }
}

/// What people write for yes and no; `None` for anything else.
pub(super) fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(b) => Some(*b),
        Value::Int(1) => Some(true),
        Value::Int(0) => Some(false),
        Value::Text(text) => {
            let is = |words: &[&str]| words.iter().any(|w| text.trim().eq_ignore_ascii_case(w));
            if is(&["true", "yes", "y", "1", "given"]) {
                Some(true)
            } else if is(&["false", "no", "n", "0", "refused"]) {
                Some(false)
            } else {
                None
            }
        }
        _ => None,
    }
}

/// The texts of a list, or of one text parted by `,`, `;` or `|`.
pub(super) fn words(field: &str, value: &Value) -> Result<Vec<String>, String> {
    let part = |text: &str| -> Vec<String> {
        let parts = text.split([',', ';', '|']).map(str::trim);
        parts.filter(|p| !p.is_empty()).map(str::to_owned).collect()
    };
    match value {
        Value::Text(text) => Ok(part(text)),
        Value::List(items) => items
            .iter()
            .map(|item| match item {
                Value::Text(text) => Ok(text.clone()),
                other => Err(format!("{field} holds {}, not a text", shown(other))),
            })
            .collect(),
        other => Err(format!("{field} {} is not a list of texts", shown(other))),
    }
}

fn text<'a>(field: &str, value: &'a Value) -> Result<Option<&'a str>, String> {
    match value {
        Value::Null => Ok(None),
        Value::Text(text) if text.trim().is_empty() => Ok(None),
        Value::Text(text) => Ok(Some(text)),
        other => Err(format!("{field} {} is not a text", shown(other))),
    }
}
