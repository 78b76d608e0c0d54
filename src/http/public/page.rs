//! The pages themselves: templates that are part of the program, compiled once; whatever stands in them is escaped. What
//! they say is for [`super::words`], what they show for those who ask for them.

use super::words::Language;
use crate::domain::address::EmailAddress;
use crate::domain::record::Record;
use crate::engine::Core;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use handlebars::Handlebars;
use serde_json::{Map, Value, json};

const STYLE: &str = include_str!("assets/page.css");
const SCRIPT: &str = include_str!("assets/page.js");

const TEMPLATES: [(&str, &str); 10] = [
    ("layout", include_str!("assets/layout.html.hbs")),
    ("unsubscribe", include_str!("assets/unsubscribe.html.hbs")),
    ("left", include_str!("assets/left.html.hbs")),
    ("preferences", include_str!("assets/preferences.html.hbs")),
    ("confirm", include_str!("assets/confirm.html.hbs")),
    ("confirmed", include_str!("assets/confirmed.html.hbs")),
    ("over", include_str!("assets/over.html.hbs")),
    ("trouble", include_str!("assets/trouble.html.hbs")),
    ("gone", include_str!("assets/gone.html.hbs")),
    ("test", include_str!("assets/test.html.hbs")),
];

/// The compiled pages.
pub struct Pages {
    engine: Handlebars<'static>,
    /// Of style and script: a new program is not shown with what browsers kept of the old one.
    version: String,
}

/// What one page shows.
pub struct Page(Map<String, Value>);

impl Page {
    /// A page in this language, whose title is the text of that key.
    pub fn of(core: &Core, language: Language, title: &'static str) -> Page {
        let mut page = Page(Map::new());
        page.set("lang", language.tag());
        page.set("w", language.all().clone());
        page.set("title", language.say(title));
        page.set("shop", core.shop_name());
        page
    }

    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// The way to the other language.
    pub fn offer_languages(&mut self, current: Language) {
        let languages = Language::ALL
            .map(|l| json!({ "tag": l.tag(), "name": l.name(), "current": l == current }));
        self.set("languages", Value::from(languages.to_vec()));
    }
}

impl Pages {
    pub fn new() -> Pages {
        let mut engine = Handlebars::new();
        for (name, text) in TEMPLATES {
            // They are part of the program, and the tests show each.
            (engine.register_template_string(name, text)).expect("a page of the program compiles");
        }
        let both = [STYLE, SCRIPT].concat();
        let version = format!("{:016x}", xxhash_rust::xxh3::xxh3_64(both.as_bytes()));
        Pages { engine, version }
    }

    pub fn show(&self, template: &str, mut page: Page) -> Response {
        page.set("version", self.version.as_str());
        match self.engine.render(template, &Value::Object(page.0)) {
            Ok(html) => Html(html).into_response(),
            Err(error) => {
                tracing::error!(template, error = %error.reason(), "a page could not be made");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }

    /// The constant page for whatever is no link of ours.
    pub fn gone(&self) -> Response {
        self.show("gone", Page(Map::new()))
    }
}

/// An address as its owner knows it again and nobody else learns it: `mi…@shop.example`.
pub fn masked(record: &Record) -> Option<String> {
    record.email.as_ref().map(EmailAddress::masked)
}

pub async fn style() -> Response {
    kept("text/css; charset=utf-8", STYLE)
}

pub async fn script() -> Response {
    kept("text/javascript; charset=utf-8", SCRIPT)
}

/// Files that change with the program only: their address holds what they are.
fn kept(kind: &'static str, text: &'static str) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let week = HeaderValue::from_static("public, max-age=604800");
    headers.insert(header::CACHE_CONTROL, week);
    response
}
