//! One request, from its bytes to its answer.

use super::answer::{Answer, Spoilt};
use super::keys::{Presented, find};
use super::{BATCH_LIMIT, Ingest, PERMIT_BYTES, body, envelope, join, right};
use crate::config::http::KeySettings;
use crate::domain::cause::Liveness;
use crate::domain::time::Timestamp;
use crate::engine::Core;
use crate::engine::ingest::Ingested;
use crate::engine::intake::json::{Delivery, Join, MessageKind, read_message};
use crate::engine::intake::{Counter, Inbound, Reading};
use crate::engine::shard::Refused;
use crate::http::access::{RequestId, unique};
use crate::http::meters::{Fate, Meters};
use axum::body::Body;
use axum::http::HeaderMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A store that answers later than this is taken for one that does not answer; what was begun goes on all the same.
const PATIENCE: Duration = Duration::from_secs(30);

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
    let presented = Presented::of(headers);
    // Read first whoever sends it, so that the sender gets to see what is answered.
    let read = body::read(body, BATCH_LIMIT).await;
    let shown = match &presented {
        Presented::Unreadable => return Answer::NoKey,
        Presented::Key(text) => match find(&config.http.keys, text) {
            Some(found) => Some(found),
            None => return Answer::NoKey,
        },
        Presented::None => None,
    };
    let bytes = match read {
        Ok(bytes) => bytes,
        Err(error) => return Answer::of_body(&error),
    };
    let envelope = match envelope::open(&bytes) {
        Ok(envelope) => envelope,
        Err(why) => return Answer::Bad(why),
    };
    let by_body = || find(&config.http.keys, envelope.write_key.as_deref()?);
    let Some((sender, key)) = shown.or_else(by_body) else {
        return Answer::NoKey;
    };
    let whole = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let texts: Vec<&[u8]> = match (call, &envelope.batch) {
        (Call::One(_), _) => vec![whole.trim_ascii()],
        (Call::Batch, Some(batch)) => batch.iter().map(|raw| raw.get().as_bytes()).collect(),
        (Call::Batch, None) => return Answer::Bad("batch is missing".into()),
    };
    if ingest.stopping.load(Ordering::SeqCst) {
        return Answer::stopping();
    }
    let permits = bytes.len().div_ceil(PERMIT_BYTES).max(1) as u32;
    let room = Arc::clone(&ingest.room);
    let now = ingest.core.clock.now();
    let Ok(permit) = room.try_acquire_many_owned(permits.min(ingest.permits)) else {
        ingest.meters.put_off.fetch_add(1, Ordering::Relaxed);
        return Answer::Busy(now);
    };
    let messages = Messages::read(&texts, call, envelope.sent_at, key, now);
    for (kind, _) in &messages.spoilt {
        ingest.meters.count(*kind, Fate::Refused, 1);
    }
    if let Some(first) = messages.spoilt.first() {
        let (many, first) = (messages.spoilt.len(), without_quotes(&first.1.error));
        tracing::info!(
            request_id = id.0,
            sender,
            many,
            first,
            "messages were not taken"
        );
    }
    if let Some(answer) = messages.refused_as_a_whole() {
        return answer;
    }
    // A task of its own: a sender who hangs up does not leave a message half taken.
    let doing = {
        let (core, meters) = (Arc::clone(&ingest.core), Arc::clone(&ingest.meters));
        tokio::spawn(async move {
            let answer = messages.write(&core, &meters).await;
            drop(permit);
            answer
        })
    };
    match tokio::time::timeout(PATIENCE, doing).await {
        Ok(Ok(answer)) => {
            ingest.wake.notify_one();
            answer
        }
        Ok(Err(error)) => {
            tracing::error!(request_id = id.0, %error, "taking messages in failed");
            Answer::refused(&Refused::Data(String::new()))
        }
        Err(_) => Answer::Unavailable {
            why: "the store does not answer in time".into(),
            again: 10,
        },
    }
}

/// The messages of a request, read.
struct Messages {
    rows: Vec<(usize, MessageKind, Inbound)>,
    /// Who is whom, with the message that told it.
    joins: Vec<(usize, MessageKind, Join)>,
    spoilt: Vec<(Option<MessageKind>, Spoilt)>,
    /// How many the key may not send.
    forbidden: usize,
    all: usize,
    call: Call,
}

impl Messages {
    fn read(
        texts: &[&[u8]],
        call: Call,
        sent_at: Option<Timestamp>,
        key: &KeySettings,
        now: Timestamp,
    ) -> Messages {
        let mut messages = Messages {
            rows: Vec::with_capacity(texts.len()),
            joins: Vec::new(),
            spoilt: Vec::new(),
            forbidden: 0,
            all: texts.len(),
            call,
        };
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
                    messages.forbidden += 1;
                    let error = format!("this key may not send \"{}\"", message.kind.as_str());
                    let spoilt = Spoilt { index, error };
                    messages.spoilt.push((Some(message.kind), spoilt));
                }
                Ok(message) => {
                    let kind = message.kind;
                    messages
                        .rows
                        .extend(message.row.map(|row| (index, kind, row)));
                    messages
                        .joins
                        .extend(message.join.map(|join| (index, kind, join)));
                }
                Err(error) => messages
                    .spoilt
                    .push((delivery.kind, Spoilt { index, error })),
            }
        }
        messages
    }

    /// A single message that cannot be taken is the request; a batch is more than any of its messages, unless the key may
    /// send none of them.
    fn refused_as_a_whole(&self) -> Option<Answer> {
        let (_, first) = self.spoilt.first()?;
        if self.forbidden == self.all {
            return Some(Answer::NotAllowed(first.error.clone()));
        }
        matches!(self.call, Call::One(_)).then(|| Answer::Bad(first.error.clone()))
    }

    /// Makes all of it durable.
    async fn write(self, core: &Core, meters: &Meters) -> Answer {
        let salt = core.catalogue().rules.salt;
        let mut counter = Counter::new();
        let mut places = Vec::with_capacity(self.rows.len());
        let mut works = Vec::with_capacity(self.rows.len());
        for (index, kind, row) in self.rows {
            let identity = counter.identify(&salt, &row.customer, &row.identity);
            places.push((index, kind));
            works.push((row, identity));
        }
        let results = match works.is_empty() {
            true => Vec::new(),
            false => core.ingest(works, Liveness::Live).await,
        };
        let (mut taken, mut known) = (0, 0);
        let mut errors: Vec<Spoilt> = self.spoilt.into_iter().map(|(_, spoilt)| spoilt).collect();
        let mut failed = None;
        let mut forgotten = false;
        for ((index, kind), result) in places.into_iter().zip(results) {
            let fate = match result {
                Ok(Ingested { fresh: true }) => Fate::Taken,
                Ok(Ingested { fresh: false }) => Fate::Known,
                // One customer who cannot be read keeps nobody else's messages out.
                Err(error @ Refused::Unreadable(_)) => {
                    tracing::error!(%error, "a message was not taken");
                    let error = "what is stored of this customer cannot be read".to_owned();
                    errors.push(Spoilt { index, error });
                    Fate::Refused
                }
                // Dropped, as its sender may know; nobody else's are held up by it.
                Err(error @ Refused::Forgotten) => {
                    forgotten = true;
                    let error = error.to_string();
                    errors.push(Spoilt { index, error });
                    Fate::Refused
                }
                Err(error) => {
                    failed.get_or_insert(error);
                    continue;
                }
            };
            match fate {
                Fate::Taken => taken += 1,
                Fate::Known => known += 1,
                Fate::Refused => {}
            }
            meters.count(Some(kind), fate, 1);
        }
        // Those that were taken are known when all are sent again.
        for (index, kind, join) in self.joins {
            if failed.is_some() {
                break;
            }
            // An `identify` was counted by what it told of its customer.
            let alone = kind == MessageKind::Alias;
            match join::join(core, join).await {
                Ok(Ok(())) if alone => {
                    taken += 1;
                    meters.count(Some(kind), Fate::Taken, 1);
                }
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    errors.push(Spoilt { index, error });
                    if alone {
                        meters.count(Some(kind), Fate::Refused, 1);
                    }
                }
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            tracing::warn!(%error, "messages could not be taken for now; their sender was asked to try again");
            return Answer::refused(&error);
        }
        errors.sort_by_key(|spoilt| spoilt.index);
        // What is told of somebody who was forgotten is no fault of the sender's.
        if matches!(self.call, Call::One(_))
            && !forgotten
            && taken + known == 0
            && let Some(only) = errors.pop()
        {
            return Answer::Bad(only.error);
        }
        Answer::Done {
            taken,
            known,
            errors,
        }
    }
}

/// What is said against a message, for the log: what the sender wrote is left out, since it may be an address.
fn without_quotes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '"' {
            plain.push(c);
            continue;
        }
        while let Some(c) = chars.next() {
            match c {
                '\\' => _ = chars.next(),
                '"' => break,
                _ => {}
            }
        }
        plain.push('…');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::without_quotes;

    #[test]
    fn what_a_sender_wrote_stays_out_of_the_log() {
        for (told, logged) in [
            ("event is missing", "event is missing"),
            (r#"email "a@b.example" has no"#, "email … has no"),
            (r#"email "a\"b@c.example" has "x"."#, "email … has …."),
            (r#"email "a@b.example"#, "email …"),
        ] {
            assert_eq!(without_quotes(told), logged);
        }
    }
}
