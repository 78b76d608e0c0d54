//! Events straight from the shop's pages: browsers ask first whether a page of that origin may send here, and show it the
//! answer only if it may (the Fetch standard's CORS protocol). Which may is said by `[http] origins`; cookies are never
//! asked for nor taken, the key is all there is.

use super::Ingest;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// For so many seconds a browser need not ask again.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
const METHODS: HeaderValue = HeaderValue::from_static("POST");
const SENT: HeaderValue = HeaderValue::from_static("authorization, content-type, content-encoding");
const SHOWN: HeaderValue = HeaderValue::from_static("retry-after, x-ratelimit-reset, x-request-id");

/// The middleware.
pub async fn allow(State(ingest): State<Ingest>, request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/v1/") {
        return next.run(request).await;
    }
    let origins = &ingest.core.config().http.origins;
    if origins.is_empty() {
        return next.run(request).await;
    }
    let allowed = allowed(origins, request.headers());
    let asks = request.method() == Method::OPTIONS
        && (request.headers()).contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match asks && allowed.is_some() {
        true => StatusCode::NO_CONTENT.into_response(),
        false => next.run(request).await,
    };
    let headers = response.headers_mut();
    // Whoever keeps an answer keeps it for one origin.
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, SHOWN);
        if asks {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, SENT);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
    }
    response
}

/// What a page of the request's origin is answered, if it may send.
fn allowed(origins: &[String], headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    if origins.iter().any(|o| o == "*") {
        return Some(HeaderValue::from_static("*"));
    }
    let known = origins.iter().any(|o| o.as_bytes() == origin.as_bytes());
    known.then(|| origin.clone())
}
