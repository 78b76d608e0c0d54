//! One row of JSON in the shape of Segment's messages: `identify`, `track`, `page`, `screen` and, over HTTP, `group` and
//! `alias` (segment.com/docs, spec/common and http-api; STANDARDS §9).
//!
//! What the fields mean, and what is said of those that can't be taken. [`super::parse`] takes the bytes apart.

use super::consent::RowTime;
use super::identity::canonical;
use super::parse::{Scalar, Top, parse};
use super::surrogates::mended;
use super::{
    Identity, Inbound, PROPERTY_LIMIT, ROW_LIMIT, Reading, What, not_before_1990, shown, traits,
};
use crate::domain::id::{CustomerId, EventName};
use crate::domain::time::{Span, Timestamp};
use crate::domain::value::{Properties, Value};

const ALL_TYPES: &str = "\"identify\", \"track\", \"page\", \"screen\", \"group\" or \"alias\"";
/// The longest `messageId` taken over HTTP (STANDARDS §9: fewer than 100 characters).
const MESSAGE_ID_LIMIT: usize = 99;
/// A message may seem to be sent before it happened by so much: two clocks of one sender.
const SENT_BEFORE: Span = Span::minutes(-1);
const TYPES: &str = "\"identify\", \"track\", \"page\" or \"screen\"";

/// Reads one row. The error names the field, what stands there and what should; it has no line number.
pub fn read_row(row: &[u8], reading: &Reading) -> Result<Inbound, String> {
    if row.len() > ROW_LIMIT {
        return Err(too_long());
    }
    parsed(row, |top| understand(top, reading))
}

/// Takes the text apart, halves of characters replaced where that is what it lacks.
fn parsed<T>(text: &[u8], then: impl FnOnce(Top<'_>) -> Result<T, String>) -> Result<T, String> {
    match parse(text) {
        Ok(top) => then(top),
        Err(why) => match mended(text) {
            Some(text) => then(parse(&text)?),
            None => Err(why),
        },
    }
}

pub(super) fn too_long() -> String {
    format!("the row is longer than {} KB", ROW_LIMIT / 1024)
}

/// A message as it was delivered over HTTP, beside its own text.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    /// What a message is that doesn't say so itself: the address it was sent to does.
    pub kind: Option<MessageKind>,
    /// When its sender's clock says that it was sent; a message may say it itself.
    pub sent_at: Option<Timestamp>,
    /// The identity of a message that names neither itself nor its time: two of those are two.
    pub receipt: String,
}

/// The calls of Segment's interface.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum MessageKind {
    Identify,
    Track,
    Page,
    Screen,
    Group,
    Alias,
}

impl MessageKind {
    pub const ALL: [MessageKind; 6] = [
        MessageKind::Identify,
        MessageKind::Track,
        MessageKind::Page,
        MessageKind::Screen,
        MessageKind::Group,
        MessageKind::Alias,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            MessageKind::Identify => "identify",
            MessageKind::Track => "track",
            MessageKind::Page => "page",
            MessageKind::Screen => "screen",
            MessageKind::Group => "group",
            MessageKind::Alias => "alias",
        }
    }
}

/// A message, understood.
#[derive(Clone, PartialEq, Debug)]
pub struct Message {
    pub kind: MessageKind,
    /// What is told of a customer; an `alias` tells nothing but that two are one.
    pub row: Option<Inbound>,
    pub join: Option<Join>,
}

/// Somebody turned out to be a customer known under another id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Join {
    pub previous: Previous,
    pub user: CustomerId,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Previous {
    Anonymous(CustomerId),
    /// `alias` names an id without saying of which kind: the visitor, and the customer of that name if one can be called so.
    Either(CustomerId, Option<CustomerId>),
}

/// Reads one message as it came over HTTP: visitors are taken under an id of their own, `group` is an event, and the
/// sender's clock is corrected by `sentAt`.
pub fn read_message(
    text: &[u8],
    reading: &Reading,
    delivery: &Delivery,
) -> Result<Message, String> {
    if text.len() > ROW_LIMIT {
        return Err(too_long());
    }
    parsed(text, |top| understand_message(top, reading, delivery))
}

fn understand_message(
    top: Top<'_>,
    reading: &Reading,
    delivery: &Delivery,
) -> Result<Message, String> {
    let kind = match &top.kind {
        None | Some(Scalar::Other(Value::Null)) => delivery
            .kind
            .ok_or_else(|| format!("type is missing; a message is {ALL_TYPES}"))?,
        Some(Scalar::Text(word)) => (MessageKind::ALL.into_iter())
            .find(|kind| kind.as_str() == word)
            .ok_or_else(|| format!("type {} is not {ALL_TYPES}", super::quoted(word)))?,
        Some(other) => return Err(format!("type {} is not {ALL_TYPES}", other.shown())),
    };
    if let Some(asked) = delivery.kind.filter(|asked| *asked != kind) {
        let (is, asked) = (kind.as_str(), asked.as_str());
        return Err(format!("type \"{is}\" was sent to /v1/{asked}"));
    }
    let user = match id("userId", &top.user_id)? {
        Some(text) if text.is_empty() && top.anonymous_id.is_some() => None,
        Some(text) => Some(CustomerId::parse(&text)?),
        None => None,
    };
    let visitor = match id("anonymousId", &top.anonymous_id)? {
        // Of a known customer it is only needed to join the two.
        Some(text) if user.is_some() => CustomerId::anonymous(&text).ok(),
        Some(text) => Some(CustomerId::anonymous(&text)?),
        None => None,
    };
    if kind == MessageKind::Alias {
        let join = Some(alias(&top, user)?);
        return Ok(Message {
            kind,
            row: None,
            join,
        });
    }
    let join = match (&user, &visitor) {
        (Some(user), Some(visitor)) if kind == MessageKind::Identify => Some(Join {
            previous: Previous::Anonymous(visitor.clone()),
            user: user.clone(),
        }),
        _ => None,
    };
    let customer = user
        .or(visitor)
        .ok_or("userId and anonymousId are missing; a message says whose it is")?;
    let row = tell(kind, customer, top, reading, Some(delivery))?;
    Ok(Message {
        kind,
        row: Some(row),
        join,
    })
}

fn alias(top: &Top<'_>, user: Option<CustomerId>) -> Result<Join, String> {
    let user = user.ok_or("userId is missing; an alias says who the customer is now")?;
    let previous = id("previousId", &top.previous_id)?
        .ok_or("previousId is missing; an alias says who the customer was before")?;
    let visitor = CustomerId::anonymous(&previous)?;
    let known = CustomerId::parse(&previous).ok();
    Ok(Join {
        previous: Previous::Either(visitor, known),
        user,
    })
}

/// An id is a text or a whole number.
fn id(field: &str, told: &Option<Scalar<'_>>) -> Result<Option<String>, String> {
    match told {
        None | Some(Scalar::Other(Value::Null)) => Ok(None),
        Some(Scalar::Text(text)) => Ok(Some(text.as_ref().to_owned())),
        Some(Scalar::Other(Value::Int(id))) => Ok(Some(id.to_string())),
        Some(other) => Err(format!("{field} {} is not a text", other.shown())),
    }
}

fn understand(top: Top<'_>, reading: &Reading) -> Result<Inbound, String> {
    let kind = match &top.kind {
        None => return Err(format!("type is missing; a row is {TYPES}")),
        Some(Scalar::Text(kind)) => kind.as_ref(),
        Some(other) => return Err(format!("type {} is not {TYPES}", other.shown())),
    };
    let kind = match kind {
        "identify" => MessageKind::Identify,
        "track" => MessageKind::Track,
        "page" => MessageKind::Page,
        "screen" => MessageKind::Screen,
        "group" | "alias" => {
            return Err(format!(
                "\"{kind}\" rows are not taken: groups and joining customers come in a later release"
            ));
        }
        other => return Err(format!("type {} is not {TYPES}", super::quoted(other))),
    };
    let customer = match id("userId", &top.user_id)? {
        Some(id) => CustomerId::parse(&id)?,
        None if top.anonymous_id.is_some() => {
            return Err("userId is missing, there is only anonymousId: anonymous customers come in a later release".to_owned());
        }
        None => return Err("userId is missing".to_owned()),
    };
    tell(kind, customer, top, reading, None)
}

/// What a message tells of its customer.
fn tell(
    kind: MessageKind,
    customer: CustomerId,
    top: Top<'_>,
    reading: &Reading,
    delivery: Option<&Delivery>,
) -> Result<Inbound, String> {
    let told = {
        let (timestamp, original) = (
            ("timestamp", &top.timestamp),
            ("originalTimestamp", &top.original_timestamp),
        );
        // A row that was exported has been corrected already, and says so in `timestamp`.
        let (first, second) = match delivery {
            None => (timestamp, original),
            Some(_) => (original, timestamp),
        };
        match instant(first.0, first.1)? {
            Some(told) => Some(told),
            None => instant(second.0, second.1)?,
        }
    };
    // What two copies of a message share is its time as it was told: it is sent again with another `sentAt`.
    let raw_time = told.as_ref().map(|told| told.at);
    let time = match (told, delivery) {
        (None, _) => None,
        (Some(told), None) => {
            let at = told.checked(told.at)?;
            Some(RowTime { at, since: at })
        }
        (Some(told), Some(delivery)) => {
            let sent = lenient(&top.sent_at).or(delivery.sent_at);
            let at = corrected(told.at, sent, reading.clock.now());
            let since = at.min(told.at).max(Timestamp::EARLIEST);
            Some(RowTime { at, since })
        }
    };
    let own = match (message_id(top.message_id)?, delivery) {
        (Some(Identity::MessageId(id)), Some(_)) if id.chars().count() > MESSAGE_ID_LIMIT => {
            return Err(format!(
                "messageId has more than {MESSAGE_ID_LIMIT} characters"
            ));
        }
        (Some(own), _) => Some(own),
        (None, Some(delivery)) if raw_time.is_none() => {
            Some(Identity::MessageId(delivery.receipt.clone()))
        }
        (None, _) => None,
    };
    if kind == MessageKind::Identify {
        let told = object("traits", top.traits)?;
        let identity = own.unwrap_or_else(|| canonical(None, raw_time, &told));
        let (change, mut consents) = traits::read(told, time, reading)?;
        let change = Box::new(change);
        // For the ledger: where the customer was when they said it, as far as the sender tells.
        for consent in &mut consents {
            consent.origin.address = top.ip.map(|ip| ip.to_canonical().to_string());
        }
        return Ok(Inbound {
            customer,
            what: What::Profile { change, consents },
            identity,
            raw_time,
        });
    }
    let mut properties = match kind {
        MessageKind::Group => object("traits", top.traits)?,
        _ => object("properties", top.properties)?,
    };
    let name = match kind {
        MessageKind::Track => match &top.event {
            Some(Scalar::Text(name)) => EventName::parse(name)?,
            None | Some(Scalar::Other(Value::Null)) => return Err("event is missing".to_owned()),
            Some(other) => return Err(format!("event {} is not a text", other.shown())),
        },
        MessageKind::Group => {
            let group = id("groupId", &top.group_id)?
                .filter(|group| !group.trim().is_empty())
                .ok_or("groupId is missing")?;
            properties.insert("group_id".to_owned(), Value::Text(group));
            EventName::parse("Group Joined")?
        }
        _ => {
            for (field, told) in [("name", top.name), ("category", top.category)] {
                if let Some(told) = told.map(Scalar::into_value).filter(|v| *v != Value::Null) {
                    properties.entry(field.to_owned()).or_insert(told);
                }
            }
            EventName::parse(match kind {
                MessageKind::Screen => "Screen Viewed",
                _ => "Page Viewed",
            })?
        }
    };
    let identity = own.unwrap_or_else(|| canonical(Some(name.as_str()), raw_time, &properties));
    Ok(Inbound {
        customer,
        what: What::Event {
            name,
            time: time.map_or_else(|| reading.clock.now(), |time| time.at),
            properties,
        },
        identity,
        raw_time,
    })
}

/// When a message happened by our clock, given when it happened and was sent by its sender's. What no clock that goes
/// evenly can say is passed over: a message is not lost for a clock that was set between the two.
fn corrected(told: Timestamp, sent: Option<Timestamp>, received: Timestamp) -> Timestamp {
    let by_sent = sent.and_then(|sent| {
        let before = sent.since(told);
        let at = received - before;
        (before >= SENT_BEFORE && at >= Timestamp::EARLIEST).then_some(at)
    });
    match by_sent {
        Some(at) => at,
        None if told >= Timestamp::EARLIEST => told,
        None => received,
    }
}

/// An instant that a row tells, with its field and its text for what is said against it.
struct Told<'a> {
    field: &'static str,
    text: &'a str,
    at: Timestamp,
}

impl Told<'_> {
    /// `at`, which is what is made of it, unless that lies before 1990.
    fn checked(&self, at: Timestamp) -> Result<Timestamp, String> {
        not_before_1990(self.field, self.text, at)
    }
}

fn instant<'a>(
    field: &'static str,
    told: &'a Option<Scalar<'_>>,
) -> Result<Option<Told<'a>>, String> {
    match told {
        None | Some(Scalar::Other(Value::Null)) => Ok(None),
        Some(Scalar::Text(text)) => match Timestamp::parse_rfc3339(text) {
            Some(at) => Ok(Some(Told { field, text, at })),
            None => Err(format!("{field} {} is not RFC 3339", super::quoted(text))),
        },
        Some(other) => Err(format!("{field} {} is not RFC 3339", other.shown())),
    }
}

/// `sentAt` only mends a clock: one that can't be read spoils nothing.
fn lenient(told: &Option<Scalar<'_>>) -> Option<Timestamp> {
    match told {
        Some(Scalar::Text(text)) => Timestamp::parse_rfc3339(text),
        _ => None,
    }
}

fn message_id(told: Option<Scalar<'_>>) -> Result<Option<Identity>, String> {
    let text = match told {
        None | Some(Scalar::Other(Value::Null)) => return Ok(None),
        Some(Scalar::Text(text)) => text.into_owned(),
        Some(Scalar::Other(Value::Int(id))) => id.to_string(),
        Some(other) => return Err(format!("messageId {} is not a text", other.shown())),
    };
    check_message_id(&text)?;
    Ok(Some(Identity::MessageId(text)))
}

/// A message id that all rows share would make them one: an empty one is an error.
pub(super) fn check_message_id(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("messageId is empty".to_owned());
    }
    if text.len() > 200 {
        return Err("messageId is longer than 200 bytes".to_owned());
    }
    Ok(())
}

fn object(field: &str, told: Option<Value>) -> Result<Properties, String> {
    match told {
        None | Some(Value::Null) => Ok(Properties::new()),
        Some(Value::Map(map)) if map.len() > PROPERTY_LIMIT => {
            Err(format!("{field} has more than {PROPERTY_LIMIT} entries"))
        }
        Some(Value::Map(map)) => Ok(map),
        Some(other) => Err(format!(
            "{field} is {}; it must be an object",
            shown(&other)
        )),
    }
}
