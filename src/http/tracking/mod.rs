//! Tracking: the pixel of a mail, and its links. Both answer at once whatever the engine does; the hit itself is taken in
//! by [`crate::engine::hits`].
//!
//! Nothing is told to whoever asks: a pixel is a pixel for every token, a link of ours leads where its signed token says
//! and nowhere else, and all others get one page that never differs. A request changes nothing but the list of hits.

mod client;

use crate::domain::engagement::{Hit, HitKind, HitMethod, LinkPlace, MOST_AGENT};
use crate::domain::id::MessageRef;
use crate::engine::Core;
use crate::http::origin;
use crate::message::token::Token;
use crate::message::tracking::{CLICK, OPEN, is_web_address};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;

/// A transparent GIF of one pixel.
const PIXEL: &[u8] = &[
    0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 0x01, 0x00, 0x01, 0x00, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00,
    0xFF, 0xFF, 0xFF, 0x21, 0xF9, 0x04, 0x01, 0x00, 0x00, 0x00, 0x00, 0x2C, 0x00, 0x00, 0x00, 0x00,
    0x01, 0x00, 0x01, 0x00, 0x00, 0x02, 0x02, 0x44, 0x01, 0x00, 0x3B,
];

const UNKNOWN: &str = "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width\"><title>Link not found</title></head>\n\
<body><main><h1>This link leads nowhere</h1>\
<p>It may have been cut off or changed on its way. Please open it from the mail again.</p>\
<p lang=\"ko\">링크를 찾을 수 없어요. 메일에서 다시 한 번 눌러 주세요.</p></main></body>\n</html>\n";

/// What the routes act on.
#[derive(Clone)]
pub struct Tracking {
    pub core: Arc<Core>,
}

/// `GET /t/o/TOKEN.gif` and `GET /t/c/TOKEN`. Where requests come from is read from axum's `ConnectInfo`, if the listener
/// adds it.
pub fn router(state: Tracking) -> Router {
    Router::new()
        .route(&format!("{OPEN}{{file}}"), get(open))
        .route(&format!("{CLICK}{{token}}"), get(click))
        .with_state(state)
}

async fn open(
    State(tracking): State<Tracking>,
    Path(file): Path<String>,
    method: Method,
    headers: HeaderMap,
    extensions: Extensions,
) -> Response {
    let token = file.strip_suffix(".gif").unwrap_or(&file);
    let core = &tracking.core;
    if let Some(Token::Open { customer, message }) = core.token_keys().read(token) {
        let hit = hit(core, HitKind::Open, None, &method, &headers, &extensions);
        core.hits().offer(MessageRef { customer, message }, hit);
    }
    let mut answer = ([(header::CONTENT_TYPE, "image/gif")], PIXEL).into_response();
    private(&mut answer);
    answer
}

async fn click(
    State(tracking): State<Tracking>,
    Path(token): Path<String>,
    method: Method,
    headers: HeaderMap,
    extensions: Extensions,
) -> Response {
    let core = &tracking.core;
    let Some(Token::Click {
        customer,
        message,
        link,
        url,
    }) = core.token_keys().read(&token)
    else {
        return unknown();
    };
    // Signed links are written as plain ASCII; whatever is not is not followed.
    let Ok(location) = HeaderValue::from_str(&url) else {
        return unknown();
    };
    if !is_web_address(&url) || core.forgotten().has(customer) {
        return unknown();
    }
    let link = Some(LinkPlace::from_code(link));
    let hit = hit(core, HitKind::Click, link, &method, &headers, &extensions);
    core.hits().offer(MessageRef { customer, message }, hit);
    let mut answer = (StatusCode::FOUND, [(header::LOCATION, location)]).into_response();
    private(&mut answer);
    answer
}

/// The same for everything that we did not sign.
fn unknown() -> Response {
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    let mut answer = (StatusCode::NOT_FOUND, kind, UNKNOWN).into_response();
    private(&mut answer);
    answer.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
    );
    answer
}

/// Nothing of this is kept or told on by whoever stands in between.
fn private(answer: &mut Response) {
    let headers = answer.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CACHE_CONTROL, "no-store, max-age=0");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    let robots = header::HeaderName::from_static("x-robots-tag");
    set(robots, "noindex, nofollow");
}

fn hit(
    core: &Core,
    kind: HitKind,
    link: Option<LinkPlace>,
    method: &Method,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> Hit {
    let address = origin::address(extensions, headers);
    Hit {
        kind,
        link,
        at: core.clock.now(),
        method: match *method {
            Method::HEAD => HitMethod::Head,
            _ => HitMethod::Get,
        },
        agent: agent(headers),
        origin: address.map(|address| core.hits().origin(address)),
        network: address.map(client::network).unwrap_or_default(),
        ahead: client::is_ahead(headers),
    }
}

/// What the client calls itself, cut to what is kept.
fn agent(headers: &HeaderMap) -> String {
    let Some(value) = headers.get(header::USER_AGENT) else {
        return String::new();
    };
    let text = String::from_utf8_lossy(value.as_bytes());
    let mut agent = String::new();
    for c in text.chars().filter(|c| !c.is_control()) {
        if agent.len() + c.len_utf8() > MOST_AGENT {
            break;
        }
        agent.push(c);
    }
    agent
}
