//! One delivery, from its bytes to its answer.

use super::delivery::Delivery;
use super::rows::{Made, make};
use super::{BODY_LIMIT, Webhooks, proof};
use crate::config::Config;
use crate::config::webhook::Webhook;
use crate::config::webhook::mapping::{Ask, Mapping};
use crate::domain::id::CustomerId;
use crate::domain::time::Timestamp;
use crate::engine::intake::dates::Dates;
use crate::engine::intake::json::{
    Delivery as Sent, Join, Message, MessageKind, Previous, read_message,
};
use crate::engine::intake::surrogates::mended;
use crate::engine::intake::{Reading, What, quoted};
use crate::engine::requests::Asked;
use crate::engine::shard::Refused;
use crate::http::access::{RequestId, unique};
use crate::http::ingest::answer::Answer;
use crate::http::ingest::body::{BodyError, read_raw};
use crate::http::ingest::held::Held;
use crate::http::ingest::messages::{Joins, Messages, PATIENCE};
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
    let mut held = Held::unproved(ingest);
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
    held.prove();
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
    let body = serde_json::from_slice::<serde_json::Value>(bytes);
    let body = body.or_else(|error| match mended(bytes) {
        Some(text) => serde_json::from_slice(&text),
        None => Err(error),
    });
    let Ok(body) = body else {
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
    if let Err(answer) = keep(webhooks, name, id, &made).await {
        return (answer, Delivered::PutOff);
    }
    if made.messages.is_empty() {
        return match made.asked.is_empty() {
            true => (nothing(), Delivered::Nothing),
            false => (nothing(), Delivered::Asked),
        };
    }
    let messages = read(name, &made, dates, now);
    messages.tell_spoilt(&ingest.meters, id, name);
    let answer = messages.take_in(ingest, held, id, name).await;
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
    for (index, (visitor, other)) in made.joins.iter().enumerate() {
        let index = made.messages.len() + index;
        match one_visitor(visitor, other) {
            Ok(message) => messages.add(index, message),
            Err(error) => messages.spoil(index, Some(MessageKind::Alias), error),
        }
    }
    messages
}

/// Nobody knows who they are, but that they are one.
fn one_visitor(visitor: &str, other: &str) -> Result<Message, String> {
    let join = Join {
        previous: Previous::Anonymous(CustomerId::anonymous(visitor)?),
        user: CustomerId::anonymous(other)?,
    };
    Ok(Message {
        kind: MessageKind::Alias,
        row: None,
        join: Some(join),
    })
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

/// Keeps what the shop asks of the operator, each until it is done; the log says what to run, and names nobody. An answer
/// where that cannot be written now: the shop sends it again.
async fn keep(webhooks: &Webhooks, name: &str, id: &RequestId, made: &Made) -> Result<(), Answer> {
    for (ask, customer) in &made.asked {
        let (asked, what) = match ask {
            Ask::Forget => (
                Asked::Forget,
                "the shop asks that a customer be forgotten: `reveille customer requests` says whom, `reveille customer forget ID` does it",
            ),
            Ask::Export => (
                Asked::Export,
                "the shop asks for a copy of what is kept of a customer: `reveille customer requests` says of whom, `reveille customer export ID` prints it",
            ),
            Ask::ForgetShop => (
                Asked::ForgetShop,
                "the shop asks that all of its customers be forgotten: remove this webhook, and run `reveille customer forget ID` for each",
            ),
        };
        let request_id = &id.0;
        let customer = customer.as_deref().map(CustomerId::parse);
        let customer = customer.and_then(|id| match id {
            Ok(id) => Some(id),
            Err(_) => {
                tracing::warn!(
                    webhook = name,
                    request_id,
                    "a request names a customer by what is no id; the shop's own notice names them"
                );
                None
            }
        });
        // A task of its own: a shop that hangs up does not leave it half kept.
        let doing = {
            let (core, webhook) = (Arc::clone(&webhooks.ingest.core), name.to_owned());
            let bytes = made.bytes.clone();
            tokio::spawn(async move {
                core.keep_request(&webhook, asked, customer.as_ref(), &bytes)
                    .await
            })
        };
        let kept = match tokio::time::timeout(PATIENCE, doing).await {
            Ok(Ok(kept)) => kept,
            Ok(Err(error)) => Err(Refused::Data(error.to_string())),
            Err(_) => {
                let why = "the store does not answer in time".into();
                return Err(Answer::Unavailable { why, again: 10 });
            }
        };
        match kept {
            Ok(kept) if kept.settled => {
                tracing::info!(
                    webhook = name,
                    request_id,
                    "the shop asks that a customer be forgotten who was forgotten before"
                );
            }
            Ok(kept) => {
                let (request, number) = (kept.request, kept.number);
                tracing::warn!(webhook = name, request_id, request, number, "{what}");
            }
            Err(error) => {
                tracing::warn!(webhook = name, request_id, %error, "what a shop asks could not be kept for now; it was asked to try again");
                return Err(Answer::refused(&error));
            }
        }
    }
    Ok(())
}
