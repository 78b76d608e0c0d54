//! One request, from its bytes to its answer.

use super::answer::Answer;
use super::held::Held;
use super::keys::{Presented, find};
use super::messages::{Joins, Messages};
use super::{BATCH_LIMIT, Ingest, body, envelope, right};
use crate::config::http::KeySettings;
use crate::domain::time::Timestamp;
use crate::engine::intake::Reading;
use crate::engine::intake::json::{Delivery, MessageKind, read_message};
use crate::http::access::{RequestId, unique};
use crate::http::server::pass_over;
use axum::body::Body;
use axum::http::HeaderMap;
use hyper::body::Body as _;

/// Which address was called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    Batch,
    One(MessageKind),
}

pub async fn take(
    ingest: &Ingest,
    call: Call,
    id: RequestId,
    headers: &HeaderMap,
    body: Body,
) -> Answer {
    let config = ingest.core.config();
    let shown = match Presented::of(headers) {
        Presented::Unreadable => Err(()),
        Presented::Key(text) => find(&config.http.keys, &text).map(Some).ok_or(()),
        // Whose it is stands in the body: what is kept of it until then is counted.
        Presented::None => Ok(None),
    };
    let Ok(shown) = shown else {
        // Read to its end all the same, so that the sender gets to see what is answered.
        pass_over(body, BATCH_LIMIT).await;
        return Answer::NoKey;
    };
    if ingest.is_stopping() {
        pass_over(body, BATCH_LIMIT).await;
        return Answer::stopping();
    }
    let mut held = match shown {
        Some(_) => Held::of(ingest),
        None => Held::unproved(ingest),
    };
    // Who may send has room for all that they announce from the start, or is asked to come again before they send it.
    let announced = body.size_hint().upper().filter(|_| shown.is_some());
    let announced = announced.and_then(|bytes| usize::try_from(bytes).ok());
    if announced.is_some_and(|bytes| bytes <= BATCH_LIMIT && !held.grow(bytes)) {
        pass_over(body, BATCH_LIMIT).await;
        return ingest.busy();
    }
    let bytes = match body::read(body, BATCH_LIMIT, &mut held).await {
        Ok(bytes) => bytes,
        Err(error) => return ingest.unread(&error),
    };
    let envelope = match envelope::open(&bytes, call == Call::Batch) {
        Ok(envelope) => envelope,
        Err(why) => return Answer::Bad(why),
    };
    let by_body = || find(&config.http.keys, envelope.write_key.as_deref()?);
    let Some((sender, key)) = shown.or_else(by_body) else {
        return Answer::NoKey;
    };
    held.prove();
    let whole = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let texts: Vec<&[u8]> = match (call, &envelope.batch) {
        (Call::One(_), _) => vec![whole.trim_ascii()],
        (Call::Batch, Some(batch)) => batch.iter().map(|raw| raw.get().as_bytes()).collect(),
        (Call::Batch, None) => return Answer::Bad("batch is missing".into()),
    };
    if !held.grow(bytes.len()) {
        return ingest.busy();
    }
    let now = ingest.core.clock.now();
    let (messages, forbidden) = read(&texts, call, envelope.sent_at, key, now);
    messages.tell_spoilt(&ingest.meters, &id, sender);
    // A single message that cannot be taken is the request; a batch is more than any of its messages, unless the key may
    // send none of them.
    if let Some(first) = messages.first_error() {
        if forbidden == texts.len() {
            return Answer::NotAllowed(first.to_owned());
        }
        if let Call::One(_) = call {
            return Answer::Bad(first.to_owned());
        }
    }
    match messages.take_in(ingest, held, &id, sender).await {
        Answer::Done {
            taken: 0,
            known: 0,
            mut errors,
        } if matches!(call, Call::One(_)) && errors.iter().any(|e| !e.dropped) => {
            Answer::Bad(errors.swap_remove(0).error)
        }
        answer => answer,
    }
}

/// The messages, and how many of them the key may not send.
fn read(
    texts: &[&[u8]],
    call: Call,
    sent_at: Option<Timestamp>,
    key: &KeySettings,
    now: Timestamp,
) -> (Messages, usize) {
    let mut messages = Messages::new(Joins::Last);
    let mut forbidden = 0;
    let reading = Reading {
        consent_source: "http".to_owned(),
        ..Reading::new(now)
    };
    let request = unique();
    for (index, text) in texts.iter().enumerate() {
        let delivery = Delivery {
            kind: match call {
                Call::Batch => None,
                Call::One(kind) => Some(kind),
            },
            sent_at,
            receipt: format!("{request}/{index}"),
        };
        match read_message(text, &reading, &delivery) {
            Ok(message) if !key.may.contains(&right(message.kind)) => {
                forbidden += 1;
                let error = format!("this key may not send \"{}\"", message.kind.as_str());
                messages.spoil(index, Some(message.kind), error);
            }
            Ok(message) => messages.add(index, message),
            Err(error) => messages.spoil(index, delivery.kind, error),
        }
    }
    (messages, forbidden)
}
