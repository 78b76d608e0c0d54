//! `POST /import`: rows come in as a streamed body, one JSON object a line, and acknowledgements go out as rows become
//! durable, in order, while more are still coming; so a pipe that stays open is an import too.
//!
//! In: `{"line": 12, "row": {..}}`, rows understood by the caller already ([`Inbound`]), and behind the last one
//! `{"end": true}` ([`END`]): a body that ends without it was broken off, whatever kept its caller from reading on, and
//! schedules go on waiting. Out: `{"upto": 12, "fresh": 9, "known": 3, "known_profiles": 1, "parts": 0, "failed": [..]}` a batch (`parts`: rows
//! that tell an event of which an earlier row said other things), at the end `{"end": {..}}` or `{"broken_off": true}`, or `{"stopped": "why", "hint": ".."}` if rows can be taken no longer; rows behind the last
//! acknowledgement were not taken.

use super::{Admin, Refusal};
use crate::domain::cause::Liveness;
use crate::domain::id::{CustomerId, EventName};
use crate::engine::Core;
use crate::engine::imports::{Ended, Import};
use crate::engine::ingest::Ingested;
use crate::engine::intake::parts::Parts;
use crate::engine::intake::{Counter, Inbound, What};
use crate::engine::shard::Refused;
use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

/// At most so many rows are taken in at once.
const CHUNK: usize = 5_000;
/// A line longer than this is no row (a row itself has at most 32 KiB, and its canonical text as much again).
const LONGEST_LINE: usize = 1 << 20;

/// The last line of a body, byte for byte: everything was read.
pub const END: &[u8] = b"{\"end\": true}\n";

/// A row on its way to the engine, with the line that it stood on.
#[derive(Serialize, Deserialize)]
pub struct Sent {
    pub line: u64,
    pub row: Inbound,
}

#[derive(Deserialize)]
pub struct How {
    #[serde(default)]
    live: bool,
    /// What is read: an import of the same source goes on with one that was broken off.
    #[serde(default)]
    source: String,
}

type Out = mpsc::Sender<Result<Bytes, std::io::Error>>;

pub async fn import(
    State(admin): State<Admin>,
    Query(how): Query<How>,
    body: Body,
) -> Result<Response, Refusal> {
    let liveness = match how.live {
        true => Liveness::Live,
        false => Liveness::History,
    };
    let history = match liveness {
        Liveness::History => Some(admin.core.import_begin(&how.source).await?),
        Liveness::Live => None,
    };
    let (out, answers) = mpsc::channel(16);
    let intake = Intake {
        core: admin.core,
        wake: admin.wake,
        liveness,
        history,
        counter: Counter::new(),
        parts: Parts::default(),
        out,
        under_way: None,
    };
    tokio::spawn(intake.run(body.into_data_stream()));
    let body = Body::from_stream(ReceiverStream::new(answers));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// The rows of a batch by their lines, and whether each is a profile; how many are parts of events; and the batch.
type UnderWay = (
    Vec<(u64, bool)>,
    u64,
    JoinHandle<Vec<Result<Ingested, Refused>>>,
);

struct Intake {
    core: Arc<Core>,
    wake: Arc<Notify>,
    liveness: Liveness,
    /// The wait of schedules; it stands if the import is broken off.
    history: Option<Import>,
    counter: Counter,
    parts: Parts,
    out: Out,
    /// The batch that is being written while the next one is read.
    under_way: Option<UnderWay>,
}

/// How a body came to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Came {
    /// With its last line.
    Whole,
    BrokenOff,
}

/// Nothing more can be taken; the caller was told why, or is gone.
struct Stopped;

impl Intake {
    async fn run(mut self, body: BodyDataStream) {
        let end = match self.take_all(body).await {
            Ok(Came::Whole) => match self.end().await {
                Ok(end) => json!({ "end": end }),
                Err(refusal) => json!({ "stopped": refusal.error, "hint": refusal.hint }),
            },
            Ok(Came::BrokenOff) => json!({ "broken_off": true }),
            Err(Stopped) => return,
        };
        // It counts as broken off before its caller hears so.
        drop(self.history.take());
        let _ = self.tell(end).await;
    }

    async fn take_all(&mut self, mut body: BodyDataStream) -> Result<Came, Stopped> {
        // Live rows are not kept waiting for company.
        let patience = match self.liveness {
            Liveness::Live => Duration::from_millis(2),
            Liveness::History => Duration::from_millis(50),
        };
        let mut pending: Vec<u8> = Vec::new();
        let mut rows: Vec<(u64, Inbound)> = Vec::new();
        let mut came = Came::BrokenOff;
        loop {
            let next = if rows.is_empty() && self.under_way.is_none() {
                body.next().await
            } else {
                match tokio::time::timeout(patience, body.next()).await {
                    Ok(next) => next,
                    Err(_) => {
                        self.write(std::mem::take(&mut rows)).await?;
                        self.acknowledge().await?;
                        continue;
                    }
                }
            };
            let bytes = match next {
                Some(Ok(bytes)) => bytes,
                // The caller broke off: what was taken stays taken.
                Some(Err(_)) => {
                    self.write(rows).await?;
                    self.acknowledge().await?;
                    return Err(Stopped);
                }
                None => break,
            };
            pending.extend_from_slice(&bytes);
            let mut from = 0;
            while let Some(end) = pending[from..].iter().position(|b| *b == b'\n') {
                let line = &pending[from..from + end];
                from += end + 1;
                if came == Came::Whole {
                    return self
                        .stop("a line follows the end of the request", None)
                        .await;
                }
                if Some(line) == END.strip_suffix(b"\n") {
                    came = Came::Whole;
                } else if !line.is_empty() {
                    match read(line) {
                        Ok(sent) => rows.push((sent.line, sent.row)),
                        Err(why) => return self.stop(&why, None).await,
                    }
                }
                if rows.len() >= CHUNK {
                    self.write(std::mem::take(&mut rows)).await?;
                }
            }
            pending.drain(..from);
            if pending.len() > LONGEST_LINE {
                return self
                    .stop("a line of the request is longer than 1 MiB", None)
                    .await;
            }
        }
        self.write(rows).await?;
        self.acknowledge().await?;
        Ok(came)
    }

    /// Begins to write these rows, once those before them are durable: so a customer's rows keep their order.
    async fn write(&mut self, rows: Vec<(u64, Inbound)>) -> Result<(), Stopped> {
        if rows.is_empty() {
            return Ok(());
        }
        self.acknowledge().await?;
        let catalogue = self.core.catalogue();
        let rules = &catalogue.rules;
        let mut parts = 0;
        let mut lines = Vec::with_capacity(rows.len());
        let mut works = Vec::with_capacity(rows.len());
        for (line, row) in rows {
            let identity = (self.counter).identify(&rules.salt, &row.customer, &row.identity);
            parts += u64::from(self.parts.is_another(rules, &row, identity));
            lines.push((line, matches!(row.what, What::Profile { .. })));
            works.push((row, identity));
        }
        let core = Arc::clone(&self.core);
        let liveness = self.liveness;
        let writing = tokio::spawn(async move { core.ingest(works, liveness).await });
        self.under_way = Some((lines, parts, writing));
        Ok(())
    }

    /// Waits for the batch under way and acknowledges it.
    async fn acknowledge(&mut self) -> Result<(), Stopped> {
        let Some((lines, parts, writing)) = self.under_way.take() else {
            return Ok(());
        };
        let Ok(results) = writing.await else {
            return self.stop("taking rows in failed", None).await;
        };
        let (mut fresh, mut known, mut known_profiles) = (0u64, 0u64, 0u64);
        let mut failed = Vec::new();
        let mut forgotten = Vec::new();
        let mut why = None;
        for ((line, is_profile), result) in lines.iter().zip(results) {
            match result {
                Ok(Ingested { fresh: true }) => fresh += 1,
                Ok(Ingested { fresh: false }) => {
                    known += 1;
                    known_profiles += u64::from(*is_profile);
                }
                Err(Refused::Forgotten) => forgotten.push(*line),
                Err(error) => {
                    failed.push(json!({ "line": line, "error": error.to_string() }));
                    // One customer who cannot be read keeps nobody else's rows out.
                    if !matches!(error, Refused::Unreadable(_)) {
                        why.get_or_insert(error);
                    }
                }
            }
        }
        let upto = lines.last().map(|(line, _)| line);
        let ack = json!({ "upto": upto, "fresh": fresh, "known": known, "known_profiles": known_profiles,
            "parts": parts, "failed": failed, "forgotten": forgotten });
        self.tell(ack).await?;
        if self.liveness == Liveness::Live {
            self.wake.notify_one();
        }
        match why {
            None => Ok(()),
            Some(error) => {
                let refusal = Refusal::from(error);
                self.stop(&refusal.error, refusal.hint).await
            }
        }
    }

    async fn end(&mut self) -> Result<Value, Refusal> {
        let ended = match self.history.take() {
            Some(import) => self.core.import_end(import).await?,
            None => Ended::default(),
        };
        self.wake.notify_one();
        let reach = match self.liveness {
            Liveness::History => Some(self.core.reach().await?),
            Liveness::Live => None,
        };
        Ok(json!({ "held": ended.held, "waits_for": ended.waits_for, "reach": reach }))
    }

    async fn stop<T>(&self, why: &str, hint: Option<String>) -> Result<T, Stopped> {
        let _ = self.tell(json!({ "stopped": why, "hint": hint })).await;
        Err(Stopped)
    }

    async fn tell(&self, what: Value) -> Result<(), Stopped> {
        let mut line = what.to_string().into_bytes();
        line.push(b'\n');
        let sent = self.out.send(Ok(Bytes::from(line))).await;
        sent.map_err(|_| Stopped)
    }
}

/// A line of the body. Names are parsed again: what stands in the store went through `parse`, whoever sent it.
fn read(line: &[u8]) -> Result<Sent, String> {
    let sent: Sent = serde_json::from_slice(line)
        .map_err(|e| format!("a line of the request is no row: {e}"))?;
    CustomerId::shown(sent.row.customer.as_str())?;
    if let What::Event { name, .. } = &sent.row.what {
        EventName::parse(name.as_str())?;
    }
    Ok(sent)
}
