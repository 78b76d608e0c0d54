//! One delivery, from its bytes to its answer.

use super::delivery::Delivery;
use super::rows::{Made, make};
use super::{BODY_LIMIT, Webhooks, proof};
use crate::config::Config;
use crate::config::webhook::Webhook;
use crate::config::webhook::mapping::{Ask, Mapping};
use crate::domain::time::Timestamp;
use crate::engine::intake::dates::Dates;
use crate::engine::intake::json::{Delivery as Sent, Message, read_message};
use crate::engine::intake::{Reading, What, quoted};
use crate::http::access::{RequestId, unique};
use crate::http::ingest::answer::Answer;
use crate::http::ingest::body::{BodyError, read_raw};
use crate::http::ingest::held::Held;
use crate::http::ingest::messages::{Joins, Messages};
use crate::http::meters::Delivered;
use crate::http::server::{Unread, pass_over};
use axum::body::Body;
use axum::http::HeaderMap;
use std::sync::Arc;

pub async fn take(
    webhooks: &Webhooks,
    name: &str,
    id: RequestId,
    headers: &HeaderMap,
    body: Body,
) -> Answer {
    let ingest = &webhooks.ingest;
    let config = ingest.core.config();
    let Some((name, webhook)) = config.webhooks.get_key_value(name) else {
        pass_over(body, BODY_LIMIT).await;
        return Answer::Nothing;
    };
    let shop = Shop { name, webhook };
    let (answer, delivered) = deliver(webhooks, &config, shop, &id, headers, body).await;
    ingest.meters.delivered(name, delivered);
    answer
}

/// Whose address was called.
#[derive(Clone, Copy)]
struct Shop<'a> {
    name: &'a str,
    webhook: &'a Webhook,
}

async fn deliver(
    webhooks: &Webhooks,
    config: &Arc<Config>,
    shop: Shop<'_>,
    id: &RequestId,
    headers: &HeaderMap,
    body: Body,
) -> (Answer, Delivered) {
    let ingest = &webhooks.ingest;
    if ingest.is_stopping() {
        pass_over(body, BODY_LIMIT).await;
        return (Answer::stopping(), Delivered::PutOff);
    }
    // Whose it is can only be told from all of its bytes: they are counted as they come.
    let mut held = Held::of(ingest);
    let bytes = match read_raw(body, BODY_LIMIT, &mut held).await {
        Ok(bytes) => bytes,
        Err(error) => return unread(webhooks, &error),
    };
    let mapping = &shop.webhook.mapping;
    if is_ping(mapping, &bytes) {
        return (nothing(), Delivered::Ping);
    }
    let secret = match webhooks.secrets.of(config, shop.name).await {
        Ok(secret) => secret,
        Err(error) => {
            let webhook = shop.name;
            tracing::error!(webhook, %error, "a delivery was put off: the secret cannot be read");
            let why = "this cannot be taken now; the daemon's log says why".into();
            return (Answer::Unavailable { why, again: 60 }, Delivered::PutOff);
        }
    };
    if !proof::holds(&mapping.signature, &secret, headers, &bytes) {
        return (Answer::Unproved, Delivered::Unproved);
    }
    proved(webhooks, shop, id, headers, &bytes, held).await
}

/// Nothing was to be done, and that is all right.
fn nothing() -> Answer {
    Answer::Done {
        taken: 0,
        known: 0,
        errors: Vec::new(),
    }
}

fn unread(webhooks: &Webhooks, error: &BodyError) -> (Answer, Delivered) {
    match error {
        BodyError::Unread(Unread::NoRoom) => (webhooks.ingest.busy(), Delivered::PutOff),
        BodyError::Unread(Unread::TooLong) => (Answer::TooLarge, Delivered::Unreadable),
        error => (Answer::of_body(error), Delivered::Unreadable),
    }
}

/// A shop that tries the address sends a form with a number, which nothing signs and which changes nothing.
fn is_ping(mapping: &Mapping, bytes: &[u8]) -> bool {
    let Some(field) = &mapping.ping else {
        return false;
    };
    let number = (bytes.strip_prefix(field.as_bytes())).and_then(|rest| rest.strip_prefix(b"="));
    number.is_some_and(|n| (1..=20).contains(&n.len()) && n.iter().all(u8::is_ascii_digit))
}

/// A delivery that comes from the shop.
async fn proved(
    webhooks: &Webhooks,
    Shop { name, webhook }: Shop<'_>,
    id: &RequestId,
    headers: &HeaderMap,
    bytes: &[u8],
    held: Held,
) -> (Answer, Delivered) {
    let ingest = &webhooks.ingest;
    let mapping = &webhook.mapping;
    let now = ingest.core.clock.now();
    let Ok(body) = serde_json::from_slice::<serde_json::Value>(bytes) else {
        tracing::warn!(webhook = name, request_id = id.0, "a delivery is not JSON");
        return (nothing(), Delivered::Unreadable);
    };
    // Without a format of their own, dates are read in whatever zone.
    let dates = Dates::new(None, mapping.zone).unwrap_or_default();
    let mut delivery = Delivery {
        headers,
        body: &body,
        dates: &dates,
        most: usize::MAX,
    };
    let topic = delivery.text(&mapping.topic).unwrap_or_default();
    let made = make((name, mapping), &mut delivery, &topic, bytes, now);
    if !made.known {
        let topic = quoted(&topic);
        tracing::info!(
            webhook = name,
            request_id = id.0,
            topic,
            "nothing is said of this topic"
        );
        return (nothing(), Delivered::UnknownTopic);
    }
    tell(name, &made);
    if made.messages.is_empty() {
        return match made.asked.is_empty() {
            true => (nothing(), Delivered::Nothing),
            false => (nothing(), Delivered::Asked),
        };
    }
    let messages = read(name, &made, dates, now);
    messages.tell_spoilt(&ingest.meters, id, name);
    let answer = messages.take_in(ingest, held, id).await;
    let delivered = match &answer {
        Answer::Done { errors, .. } if !errors.is_empty() => Delivered::Spoilt,
        Answer::Done { taken: 0, .. } => Delivered::Known,
        Answer::Done { .. } => Delivered::Taken,
        _ => Delivered::PutOff,
    };
    (answer, delivered)
}

/// The messages, read as those that come by Segment's interface are.
fn read(name: &str, made: &Made, dates: Dates, now: Timestamp) -> Messages {
    let mut messages = Messages::new(Joins::First);
    let reading = Reading {
        consent_source: name.to_owned(),
        dates,
        ..Reading::new(now)
    };
    let request = unique();
    for (index, text) in made.messages.iter().enumerate() {
        let sent = Sent {
            receipt: format!("{request}/{index}"),
            ..Sent::default()
        };
        match read_message(text.as_bytes(), &reading, &sent) {
            Ok(message) => messages.add(index, with_its_time(message)),
            Err(error) => messages.spoil(index, None, error),
        }
    }
    messages
}

/// A shop's deliveries come in any order: what is told of a customer is as of its own time.
fn with_its_time(mut message: Message) -> Message {
    if let Some(row) = &mut message.row
        && let What::Profile { change, .. } = &mut row.what
    {
        change.as_of = row.raw_time;
    }
    message
}

/// What the shop asks of the operator, in the log: a line each, with what to run.
fn tell(name: &str, made: &Made) {
    for (ask, customer) in &made.asked {
        let what = match ask {
            Ask::Forget => {
                "the shop asks that a customer be forgotten: run `reveille customer forget ID` (their ID is in the shop's own notice)"
            }
            Ask::Export => {
                "the shop asks for a copy of what is kept of a customer: run `reveille customer export ID` (their ID is in the shop's own notice)"
            }
            Ask::ForgetShop => {
                "the shop asks that all of its customers be forgotten: remove this webhook, and run `reveille customer forget ID` for each"
            }
        };
        let customer = customer.as_deref().map(masked);
        tracing::warn!(webhook = name, customer, "{what}");
    }
}

/// An id as a log may hold it.
fn masked(id: &str) -> String {
    let first: String = id.chars().take(2).collect();
    let rest = id.chars().count().saturating_sub(2);
    format!("{first}{}", "*".repeat(rest.min(8)))
}
