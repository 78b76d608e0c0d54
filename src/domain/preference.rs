//! What a customer has said about being written to: preferences, topics, consent; and the classes of message.

use super::campaign::Topic;
use super::cap::Cap;
use super::id::TopicId;
use super::time::{Span, Timestamp};
use super::value::{Properties, Value};
use super::window::Window;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a message is before the law and the customer; decides which rules it obeys (policy).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Needs consent and topic; obeys every window, cap, gap and pause.
    Advertising,
    /// Needs no consent; obeys what the customer has set.
    Informational,
    /// Obeys nothing, takes no place; stopped by hard bounces and suppression by hand only.
    Transactional,
}

impl Class {
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Advertising => "advertising",
            Class::Informational => "informational",
            Class::Transactional => "transactional",
        }
    }
}

/// How a customer wants to be written to. What is `None` is left to the shop's `[defaults]`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Preferences {
    pub timezone: Option<Tz>,
    /// A language tag such as `ko` or `en-GB`.
    pub locale: Option<String>,
    /// Days and hours in which messages may go; replaces the shop's default window.
    pub window: Option<Window>,
    /// At most so many in a period; replaces the shop's default caps.
    pub caps: Option<Vec<Cap>>,
    /// Least time between two messages.
    pub gap: Option<Span>,
    pub pause_until: Option<Timestamp>,
    pub format: Option<Format>,
}

/// What a customer's mails are made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A designed form, and a plain text for programs that show no other.
    Html,
    /// Plain text alone: no pictures, nothing that is fetched.
    Text,
}

impl Format {
    pub fn parse(text: &str) -> Result<Format, String> {
        match text.trim().to_ascii_lowercase().as_str() {
            "html" => Ok(Format::Html),
            "text" => Ok(Format::Text),
            other => Err(format!("{other:?} is not \"html\" or \"text\"")),
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Format::Html => "html",
            Format::Text => "text",
        }
    }
}

/// The attribute by which a customer says that they want no advertising but what they asked for by name: topics that are
/// `on_request`. It is held with their other traits, and so is told, imported, merged and shown as those are.
pub const ON_REQUEST_ONLY: &str = "on_request_only";

/// Whether a customer of these attributes takes topics that are `on_request`, and no other advertising.
pub fn takes_on_request_only(attributes: &Properties) -> bool {
    match attributes.get(ON_REQUEST_ONLY) {
        Some(Value::Bool(only)) => *only,
        Some(Value::Text(text)) => {
            matches!(text.trim().to_ascii_lowercase().as_str(), "true" | "yes")
        }
        _ => false,
    }
}

/// Whether such a customer gets advertising on `topic`.
pub fn is_on_request(topic: Option<&TopicId>, topics: &BTreeMap<TopicId, Topic>) -> bool {
    (topic.and_then(|topic| topics.get(topic))).is_some_and(|topic| topic.on_request)
}

/// A customer's word on one topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentState {
    Given,
    Refused,
}

/// Consent as it was told, with what proves it. A topic without a row is *unknown*.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Consent {
    pub state: ConsentState,
    pub at: Timestamp,
    pub source: String,
    pub wording: Option<String>,
}

/// Consents of a customer or refusals of a mailbox. The key `None` speaks of advertising as a whole.
pub type Consents = BTreeMap<Option<TopicId>, Consent>;

/// The consent in force for `topic`: the newer of the topic's own row and the row for advertising as a
/// whole, except that a refusal of the whole is undone only by a newer consent that names the topic or the whole.
pub fn consent_for<'a>(consents: &'a Consents, topic: Option<&TopicId>) -> Option<&'a Consent> {
    let whole = consents.get(&None);
    let own = topic.and_then(|t| consents.get(&Some(t.clone())));
    match (whole, own) {
        (Some(whole), Some(own)) => Some(match (whole.state, own.state) {
            // The topic's own word is the more precise one; the whole's refusal binds it when it came later.
            (ConsentState::Refused, _) if whole.at > own.at => whole,
            _ => own,
        }),
        (whole, own) => own.or(whole),
    }
}

/// What a customer's consents say of one topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    Given,
    Refused,
    Unknown,
    /// The topic goes only to those who asked for it, and this customer did not.
    NotRequested,
}

/// Whether `consents` let advertising on `topic` through (`None`: advertising as a whole). A topic with `default` goes by
/// the consent to advertising as a whole unless it was refused by name; one that is `on_request`, not `default`, or
/// unknown to `topics`, must be given by its own name; so must one that is to be confirmed (`default` is off there).
pub fn standing_on(
    consents: &Consents,
    topic: Option<&TopicId>,
    topics: &BTreeMap<TopicId, Topic>,
) -> Standing {
    let Some(consent) = consent_for(consents, topic) else {
        return match topic.and_then(|t| topics.get(t)) {
            Some(topic) if topic.on_request => Standing::NotRequested,
            _ => Standing::Unknown,
        };
    };
    if consent.state == ConsentState::Refused {
        return Standing::Refused;
    }
    let Some(id) = topic else {
        return Standing::Given;
    };
    let topic = topics.get(id);
    let follows_whole = topic.is_some_and(|t| t.default && !t.on_request);
    if follows_whole || consents.contains_key(&Some(id.clone())) {
        Standing::Given
    } else if topic.is_some_and(|t| t.on_request) {
        Standing::NotRequested
    } else {
        Standing::Unknown
    }
}

/// The latest consent that a subscription to the topic rests on: by the topic's own name, or to advertising as a whole
/// where the topic follows it. None where there is no subscription.
pub fn rests_on<'a>(
    consents: &'a Consents,
    topic: &TopicId,
    topics: &BTreeMap<TopicId, Topic>,
) -> Option<&'a Consent> {
    if standing_on(consents, Some(topic), topics) != Standing::Given {
        return None;
    }
    let follows = (topics.get(topic)).is_some_and(|t| t.default && !t.on_request);
    let whole = consents.get(&None).filter(|_| follows);
    let own = consents.get(&Some(topic.clone()));
    (whole.into_iter().chain(own))
        .filter(|word| word.state == ConsentState::Given)
        .max_by_key(|word| word.at)
}
