//! A page to look at finished mails, served on this machine while `reveille preview --serve` runs: every step, variant and
//! locale, wide and narrow side by side.
//!
//! A mail is hostile here: whoever wrote its template, or told us a customer's name, may have put anything into it. So
//! each stands in a frame that is sandboxed twice, by the frame and by its own answer: no scripts, no forms, no way out.
//! Pictures are fetched from elsewhere only where the reader switched that on. The path holds a random token, so that no
//! other page and no other user of the machine comes upon it.

mod page;

use crate::engine::preview::{Previewed, Previews};
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use std::sync::{Arc, PoisonError, RwLock};

/// Makes the mails anew; the error says what is wrong, and what to do.
pub type Source = Arc<dyn Fn() -> BoxFuture<'static, Result<Previews, String>> + Send + Sync>;

#[derive(Clone)]
struct Viewer {
    source: Source,
    token: Arc<str>,
    /// As the page was last made; its frames show these.
    shown: Arc<RwLock<Arc<Vec<Previewed>>>>,
}

#[derive(Deserialize)]
struct Switches {
    /// `1`: pictures from elsewhere are fetched.
    #[serde(default)]
    pictures: u8,
}

/// The page at `/TOKEN/`, and each mail's frame below it.
pub fn router(source: Source, token: &str) -> Router {
    let viewer = Viewer {
        source,
        token: token.into(),
        shown: Arc::default(),
    };
    Router::new()
        .route("/{token}/", get(overview))
        .route("/{token}/mail/{number}", get(mail))
        .fallback(async || nothing())
        .with_state(viewer)
}

impl Viewer {
    fn knows(&self, token: &str) -> bool {
        // Compared by hash, so that the time it takes tells nothing of how much was right.
        let digest = |text: &str| ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        digest(token).as_ref() == digest(&self.token).as_ref()
    }
}

async fn overview(
    State(viewer): State<Viewer>,
    Path(token): Path<String>,
    Query(switches): Query<Switches>,
) -> Response {
    if !viewer.knows(&token) {
        return nothing();
    }
    let html = match (viewer.source)().await {
        Ok(made) => {
            let page = page::overview(&made, switches.pictures == 1);
            let mut shown = viewer.shown.write().unwrap_or_else(PoisonError::into_inner);
            *shown = Arc::new(made.mails);
            page
        }
        Err(why) => page::trouble(&why),
    };
    answered(
        html,
        "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    )
}

async fn mail(
    State(viewer): State<Viewer>,
    Path((token, number)): Path<(String, usize)>,
    Query(switches): Query<Switches>,
) -> Response {
    let mails = Arc::clone(&viewer.shown.read().unwrap_or_else(PoisonError::into_inner));
    let Some(mail) = mails.get(number).filter(|_| viewer.knows(&token)) else {
        return nothing();
    };
    let pictures = match switches.pictures {
        1 => "img-src data: https: http:",
        _ => "img-src data:",
    };
    let policy = format!(
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; {pictures}; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    );
    answered(mail.html.clone(), &policy)
}

fn answered(html: String, policy: &str) -> Response {
    let mut response = Html(html).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn nothing() -> Response {
    (StatusCode::NOT_FOUND, "there is nothing at this address\n").into_response()
}

#[cfg(test)]
mod tests;
