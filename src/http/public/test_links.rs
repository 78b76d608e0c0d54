//! Where the links of previews and test mails lead: one page for all, which says so and does nothing.

use super::words::Language;
use super::{Shared, page::Page};
use axum::extract::State;
use axum::response::Response;

/// To a GET and to the one click of a mail program alike: nobody is meant.
pub async fn show(State(public): Shared) -> Response {
    let catalogue = public.core.catalogue();
    let language = Language::of(&catalogue.rules.shop.locale);
    let page = Page::of(&public.core, language, "test_title");
    public.pages.show("test", page)
}
