//! What every request on TCP passes: it gets a name of its own, is logged and counted, and its answer gets the headers
//! that keep browsers from doing what we did not mean.
//!
//! In the log stands the route's pattern, never the path: a path may hold a token, a query an address. Who called is not
//! logged either.

use super::meters::Meters;
use crate::clock::stopwatch;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use ring::rand::{SecureRandom, SystemRandom};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Set where the answer does not say otherwise itself. A page that needs styles sets a policy of its own.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
];

/// A request's name: the caller's own where it gave one, else ours.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

impl RequestId {
    /// The caller's, if it is short and plain enough to stand in a log.
    fn given(headers: &HeaderMap) -> Option<RequestId> {
        let text = headers.get(&REQUEST_ID)?.to_str().ok()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let sane = (1..=64).contains(&text.len()) && text.chars().all(plain);
        sane.then(|| RequestId(text.to_owned()))
    }
}

/// 32 hexadecimal digits that nothing else has.
pub fn unique() -> String {
    static COUNTED: AtomicU64 = AtomicU64::new(0);
    let mut bytes = [0u8; 16];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        // Not to be guessed would be better; to be told apart must do.
        let count = COUNTED.fetch_add(1, Ordering::Relaxed);
        bytes[..8].copy_from_slice(&crate::clock::wall().to_be_bytes());
        bytes[8..].copy_from_slice(&count.to_be_bytes());
    }
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// The middleware.
pub async fn watch(
    State(meters): State<Arc<Meters>>,
    mut request: Request,
    next: Next,
) -> Response {
    let began = stopwatch();
    let id = RequestId::given(request.headers()).unwrap_or_else(|| RequestId(unique()));
    let method = named(request.method());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    request.extensions_mut().insert(id.clone());
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let mut response = answered.unwrap_or_else(|_| {
        tracing::error!(
            request_id = id.0,
            route,
            "answering a request failed; this is a fault of the program"
        );
        (StatusCode::INTERNAL_SERVER_ERROR, Body::empty()).into_response()
    });
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        headers.insert(REQUEST_ID, value);
    }
    let status = response.status();
    let took = began.elapsed();
    meters.answered(&route, method, status.as_u16(), took);
    let (status, took_ms) = (status.as_u16(), took.as_millis() as u64);
    // What goes well is many; what does not is worth a line wherever the log is kept.
    match status {
        ..400 => tracing::debug!(request_id = id.0, method, route, status, took_ms, "request"),
        _ => tracing::info!(request_id = id.0, method, route, status, took_ms, "request"),
    }
    response
}

/// A method as logs and metrics name it: callers may make up their own.
fn named(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}
