//! Events in, in the way of Segment's HTTP interface (STANDARDS §9): `POST /v1/batch` and one path a call.
//!
//! What is acknowledged is durable. A message that cannot be taken loses none of the others; its sender is told why. What
//! stands in the way for a while (too much at once, a full disk, a daemon that stops) is answered 429 or 503 with
//! `Retry-After`, never 400: senders drop what they were told is bad, for good.
//!
//! What a message means is read by [`crate::engine::intake`], as in an import.

pub(super) mod answer;
pub(super) mod body;
pub(super) mod browser;
mod envelope;
pub(super) mod held;
mod join;
mod keys;
pub(super) mod messages;
mod schema;
mod take;

use super::described::Operation;
use super::meters::Meters;
use super::server::Unread;
use crate::config::http::May;
use crate::engine::Core;
use crate::engine::intake::json::MessageKind;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::routing::post;
use body::BodyError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Notify, Semaphore};

pub use answer::Answer;
pub use keys::{Presented, find};

/// The largest batch, unpacked.
pub const BATCH_LIMIT: usize = 500 * 1024;
/// The most messages in a batch.
pub const MESSAGES_LIMIT: usize = 2_500;
/// What a permit of [`Ingest::room`] stands for.
const PERMIT_BYTES: usize = 1_024;

/// Those who are unproved have so much of the room together: one part in four.
const UNPROVED_SHARE: u32 = 4;

/// What the routes act on.
#[derive(Clone)]
pub struct Ingest {
    pub core: Arc<Core>,
    /// Rung when something may have fallen due.
    pub wake: Arc<Notify>,
    pub meters: Arc<Meters>,
    /// A permit for each KiB of requests in work, from their first byte on.
    room: Arc<Semaphore>,
    permits: u32,
    /// Of that, what those may have of whom it is not known yet whether they may send.
    unproved: Arc<Semaphore>,
    unproved_permits: u32,
    stopping: Arc<AtomicBool>,
}

impl Ingest {
    /// Takes events in for `core`, at most so many bytes of them at once.
    pub fn new(core: Arc<Core>, wake: Arc<Notify>, meters: Arc<Meters>, in_hand: u64) -> Ingest {
        let permits = (in_hand / PERMIT_BYTES as u64).clamp(1, 1 << 28) as u32;
        let unproved_permits = (permits / UNPROVED_SHARE).max(1);
        Ingest {
            unproved: Arc::new(Semaphore::new(unproved_permits as usize)),
            unproved_permits,
            core,
            wake,
            meters,
            room: Arc::new(Semaphore::new(permits as usize)),
            permits,
            stopping: Arc::default(),
        }
    }

    /// How many bytes of messages are in work, roughly.
    pub fn in_hand(&self) -> u64 {
        let free = self.room.available_permits() as u64;
        u64::from(self.permits).saturating_sub(free) * PERMIT_BYTES as u64
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// The answer where there is no room for what a request brings. Who stops keeps all the room to itself.
    pub(super) fn busy(&self) -> Answer {
        if self.is_stopping() {
            return Answer::stopping();
        }
        self.meters.put_off.fetch_add(1, Ordering::Relaxed);
        Answer::Busy(self.core.clock.now())
    }

    /// The answer to a request whose body was not read.
    fn unread(&self, error: &BodyError) -> Answer {
        match error {
            BodyError::Unread(Unread::NoRoom) => self.busy(),
            error => Answer::of_body(error),
        }
    }

    /// Takes nothing more (503); waits until what was begun is done.
    pub async fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        // Whoever holds all permits holds those of the works under way. Never closed.
        let _all = self.room.acquire_many(self.permits).await;
    }
}

/// What a key must be allowed to do for this call.
fn right(kind: MessageKind) -> May {
    match kind {
        MessageKind::Identify => May::Identify,
        MessageKind::Track => May::Track,
        MessageKind::Page => May::Page,
        MessageKind::Screen => May::Screen,
        MessageKind::Group => May::Group,
        MessageKind::Alias => May::Alias,
    }
}

/// All operations.
pub fn operations() -> Vec<Operation<Ingest>> {
    let single = MessageKind::ALL.into_iter().map(|kind| {
        let word = kind.as_str();
        Operation {
            path: format!("/v1/{word}"),
            method: "post",
            id: word.to_owned(),
            summary: format!("Take one `{word}` message in"),
            tag: "events",
            keyed: true,
            body: Some(schema::message(Some(kind))),
            answers: answer::documented(),
            handler: post(
                move |State(ingest): State<Ingest>,
                      Extension(id),
                      headers: HeaderMap,
                      body: Body| async move {
                    take::take(&ingest, take::Call::One(kind), id, &headers, body).await
                },
            ),
        }
    });
    let batch = Operation {
        path: "/v1/batch".to_owned(),
        method: "post",
        id: "batch".to_owned(),
        summary: "Take many messages in".to_owned(),
        tag: "events",
        keyed: true,
        body: Some(schema::batch()),
        answers: answer::documented(),
        handler: post(
            |State(ingest): State<Ingest>, Extension(id), headers: HeaderMap, body: Body| async move {
                take::take(&ingest, take::Call::Batch, id, &headers, body).await
            },
        ),
    };
    std::iter::once(batch).chain(single).collect()
}
