//! What a sender is answered, and how the interface's description says it.

use super::body::BodyError;
use super::{BATCH_LIMIT, MESSAGES_LIMIT};
use crate::domain::time::{Span, Timestamp};
use crate::engine::intake::ROW_LIMIT;
use crate::engine::shard::Refused;
use crate::http::server::Unread;
use crate::store::StoreError;
use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};

/// A message that was not taken.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Spoilt {
    /// Its place in the batch, from 0.
    pub index: usize,
    pub error: String,
    /// Dropped by what the house has promised somebody, which is no fault of the sender's.
    #[serde(skip)]
    pub dropped: bool,
}

impl Spoilt {
    pub fn new(index: usize, error: String) -> Spoilt {
        Spoilt {
            index,
            error,
            dropped: false,
        }
    }
}

/// What became of a request.
#[derive(Debug)]
pub enum Answer {
    /// All that is counted here is durable; the rest is told.
    Done {
        taken: u64,
        known: u64,
        errors: Vec<Spoilt>,
    },
    /// What was sent makes no sense, and will make none when it is sent again.
    Bad(String),
    Late,
    /// Larger than what is taken at all.
    TooLarge,
    NoKey,
    /// A delivery does not prove whose it is.
    Unproved,
    /// There is no webhook of this name.
    Nothing,
    NotAllowed(String),
    /// Too much at once; the instant is now.
    Busy(Timestamp),
    /// Not now.
    Unavailable {
        why: String,
        again: u64,
    },
}

impl Answer {
    pub fn of_body(error: &BodyError) -> Answer {
        match error {
            BodyError::Unread(Unread::Late) => Answer::Late,
            BodyError::Unread(Unread::TooLong) => Answer::Bad(format!(
                "the request is larger than {} KB, unpacked; send several",
                BATCH_LIMIT / 1024
            )),
            BodyError::Unread(Unread::NoRoom | Unread::Broken) => {
                Answer::Bad("the request broke off".into())
            }
            BodyError::BadGzip => Answer::Bad("the body is not gzip, though it begins so".into()),
        }
    }

    pub fn stopping() -> Answer {
        Answer::Unavailable {
            why: "the daemon is stopping".into(),
            again: 5,
        }
    }

    /// Why the engine cannot take anything for a while. The store's own words may name its files: they are for the log.
    pub fn refused(error: &Refused) -> Answer {
        let (why, again) = match error {
            Refused::Stopping => return Answer::stopping(),
            Refused::Store(StoreError::Full(_)) => ("the disk is full", 60),
            Refused::Store(_) => ("the store cannot take anything now", 10),
            Refused::Data(_)
            | Refused::Unreadable(_)
            | Refused::Mode(_)
            | Refused::TakenAway(_)
            | Refused::Forgotten => ("this cannot be taken now; the daemon's log says why", 60),
        };
        Answer::Unavailable {
            why: why.into(),
            again,
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let refusal = |status: StatusCode, error: &str| {
            let body = json!({ "success": false, "error": error });
            (status, Json(body)).into_response()
        };
        match self {
            Answer::Done {
                taken,
                known,
                errors,
            } => {
                let body =
                    json!({ "success": true, "taken": taken, "known": known, "errors": errors });
                Json(body).into_response()
            }
            Answer::Bad(why) => refusal(StatusCode::BAD_REQUEST, &why),
            Answer::Late => refusal(
                StatusCode::REQUEST_TIMEOUT,
                "the request did not come in time",
            ),
            Answer::NoKey => {
                let text = "no key, or one that is not declared; send it as Basic \"KEY:\", as Bearer, or as writeKey";
                let mut response = refusal(StatusCode::UNAUTHORIZED, text);
                let scheme = HeaderValue::from_static("Basic realm=\"reveille\"");
                response
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, scheme);
                response
            }
            Answer::TooLarge => refusal(StatusCode::PAYLOAD_TOO_LARGE, "the delivery is too large"),
            Answer::Unproved => {
                let mut response = refusal(StatusCode::UNAUTHORIZED, "this was not accepted");
                let scheme = HeaderValue::from_static("Signature realm=\"reveille\"");
                response
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, scheme);
                response
            }
            Answer::Nothing => refusal(StatusCode::NOT_FOUND, "there is nothing at this address"),
            Answer::NotAllowed(why) => refusal(StatusCode::FORBIDDEN, &why),
            Answer::Busy(now) => {
                let text = "too many messages are being written; try again";
                let mut response = refusal(StatusCode::TOO_MANY_REQUESTS, text);
                let headers = response.headers_mut();
                headers.insert(header::RETRY_AFTER, HeaderValue::from(1));
                // In seconds since 1970, as Segment's SDKs read it.
                let reset = (now + Span::seconds(1)).millis() / 1_000;
                let name = HeaderName::from_static("x-ratelimit-reset");
                headers.insert(name, HeaderValue::from(reset));
                response
            }
            Answer::Unavailable { why, again } => {
                let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, &why);
                response
                    .headers_mut()
                    .insert(header::RETRY_AFTER, HeaderValue::from(again));
                response
            }
        }
    }
}

/// The same for OpenAPI.
pub fn documented() -> Vec<(u16, &'static str, Option<Value>)> {
    let count = || json!({ "type": "integer", "minimum": 0 });
    let done = json!({
        "type": "object",
        "required": ["success", "taken", "known", "errors"],
        "properties": {
            "success": { "const": true },
            "taken": count(),
            "known": count(),
            "errors": {
                "type": "array",
                "maxItems": MESSAGES_LIMIT,
                "items": {
                    "type": "object",
                    "required": ["index", "error"],
                    "properties": { "index": count(), "error": { "type": "string" } },
                },
            },
        },
    });
    let refused = || {
        Some(json!({
            "type": "object",
            "required": ["success", "error"],
            "properties": { "success": { "const": false }, "error": { "type": "string" } },
        }))
    };
    vec![
        (
            200,
            "taken: what is counted is durable, what could not be taken is told",
            Some(done),
        ),
        (
            400,
            "not JSON, too large, or a single message that makes no sense",
            refused(),
        ),
        (401, "no key, or one that is not declared", refused()),
        (403, "the key may not send this", refused()),
        (408, "the request did not come in time", refused()),
        (
            429,
            "too much at once; nothing of it was lost, send it again",
            refused(),
        ),
        (
            503,
            "not now: the disk is full, the store is unavailable, the daemon is stopping",
            refused(),
        ),
    ]
}

const _: () = assert!(ROW_LIMIT == 32 * 1024);
