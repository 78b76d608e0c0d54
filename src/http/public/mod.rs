//! What customers see: leaving by one press or by one click of their mail program, choosing what they get and when, and
//! confirming what they asked for.
//!
//! A signed token in the path says who is meant ([`crate::message::token`]); whoever has the link may use it, without a
//! login, a cookie or a check of where the request came from, as mailbox providers need it (RFC 8058). A GET changes
//! nothing, since scanners follow every link; only a POST does. Whatever is no token of ours gets one constant answer.
//! Limits on sizes, times and connections as a whole are the server's.

mod body;
mod choices;
mod confirm;
mod entered;
mod page;
mod preferences;
mod summary;
mod test_links;
mod unsubscribe;
mod visitor;
mod words;
mod zones;

use crate::engine::Core;
use crate::engine::shard::Refused;
use crate::message::token::Token;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use page::{Page, Pages};
use std::sync::Arc;
use visitor::Instead;
use words::Language;

/// A form of ours has some 2 kB; what a mail program posts, some 200 bytes.
const LARGEST_BODY: usize = 64 * 1024;

/// What the pages need.
#[derive(Clone)]
struct Public {
    core: Arc<Core>,
    pages: Arc<Pages>,
}

/// `/u/TOKEN`, `/p/TOKEN`, `/c/TOKEN`, `/test/..` for the links of tests, and the two files that their pages load from `/a/`.
pub fn router(core: Arc<Core>) -> Router {
    let pages = Arc::new(Pages::new());
    Router::new()
        .route(
            "/u/{token}",
            get(unsubscribe::show).post(unsubscribe::leave),
        )
        .route(
            "/p/{token}",
            get(preferences::show).post(preferences::choose),
        )
        .route("/c/{token}", get(confirm::show).post(confirm::confirm))
        .route(
            "/test/{*link}",
            get(test_links::show).post(test_links::show),
        )
        .route("/a/page.css", get(page::style))
        .route("/a/page.js", get(page::script))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn(guarded))
        .with_state(Public { core, pages })
}

/// Nothing on these pages comes from elsewhere, is shown inside another page, is kept, or tells where it came from.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
];

async fn guarded(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

impl Public {
    /// What the token at the end of the path is for, if it is one of ours and `of` knows what to do with it.
    fn token<T>(&self, uri: &Uri, of: impl FnOnce(Token) -> Option<T>) -> Result<T, Instead> {
        let text = uri.path().rsplit('/').next();
        let token = text.and_then(|text| self.core.token_keys().read(text));
        token.and_then(of).ok_or_else(|| self.gone().into())
    }

    /// One answer for a forged token, a broken one and a customer who is gone.
    fn gone(&self) -> Response {
        (StatusCode::NOT_FOUND, self.pages.gone()).into_response()
    }

    /// It could not be done now. What stood in the way is for the log; it holds no token and no address.
    fn trouble(&self, error: &Refused, language: Language) -> Response {
        tracing::error!(%error, "what a customer told on a public page could not be taken");
        let page = Page::of(&self.core, language, "trouble_title");
        let mut response = self.pages.show("trouble", page);
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        let soon = HeaderValue::from_static("30");
        response.headers_mut().insert(header::RETRY_AFTER, soon);
        response
    }
}

type Shared = State<Public>;
