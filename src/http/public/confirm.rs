//! Confirming a subscription (double opt-in): the page with one button that the link in the mail leads to. Looking changes
//! nothing, since scanners follow every link.

use super::body::{Posted, asked_language};
use super::page::{Page, language, masked};
use super::words::Language;
use super::{Public, Shared};
use crate::domain::id::{CustomerNo, MessageNo, TopicId};
use crate::domain::opt_in::{Asking, asking, is_barred};
use crate::domain::record::{Mailbox, Record};
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;
use crate::engine::consent::By;
use crate::engine::localized;
use crate::http::origin;
use crate::message::token::Token;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Extensions, HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

/// How the consent ledger names this page.
const SOURCE: &str = "confirmation page";

/// Who confirms what, as asked for then.
struct Confirming {
    customer: CustomerNo,
    topic: TopicId,
    asked: Timestamp,
    message: Option<MessageNo>,
}

impl Confirming {
    /// How it stands, and whether nothing will come of it although it is confirmed.
    fn state(
        &self,
        record: &Record,
        mailbox: &Mailbox,
        rules: &Rules,
        now: Timestamp,
    ) -> (Asking, bool) {
        let state = asking(record, Some(mailbox), rules, &self.topic, self.asked, now);
        let stopped = match state {
            Asking::Open => is_barred(mailbox, now),
            Asking::Confirmed => mailbox.suppression.is_some(),
            Asking::Over => false,
        };
        (state, stopped)
    }
}

impl Public {
    fn confirming(&self, uri: &Uri) -> Option<Confirming> {
        match self.token(uri)? {
            Token::Confirm {
                customer,
                topic,
                asked,
                message,
            } => Some(Confirming {
                customer,
                topic,
                asked,
                message,
            }),
            _ => None,
        }
    }

    /// Whether the link was mailed to the customer's present address. Whoever has a former one may follow it still, and
    /// gets no way to the customer's preferences by it.
    async fn is_theirs(&self, confirming: &Confirming, record: &Record) -> bool {
        let (Some(message), Some(email)) = (confirming.message, &record.email) else {
            return false;
        };
        let went_to = self.core.went_to(confirming.customer, message).await;
        went_to == Some(email.mailbox())
    }

    /// The page as the asking stands at present.
    async fn page_of_asking(
        &self,
        confirming: &Confirming,
        record: &Record,
        mailbox: &Mailbox,
        language: Language,
    ) -> Response {
        let rules = &self.core.catalogue().rules;
        let topic = &confirming.topic;
        let (state, stopped) = confirming.state(record, mailbox, rules, self.core.clock.now());
        let (template, title, what) = match (state, stopped) {
            (Asking::Open, false) => ("confirm", "confirm_title", "confirm_what"),
            (Asking::Open, true) => ("confirm", "confirm_title", "confirm_what_stopped"),
            (Asking::Confirmed, false) => ("confirmed", "confirmed_title", "confirmed_what"),
            (Asking::Confirmed, true) => ("confirmed", "confirmed_title", "confirmed_what_stopped"),
            (Asking::Over, _) => ("over", "over_title", "over_what"),
        };
        let mut page = Page::of(&self.core, language, title);
        page.offer_languages(language);
        let name = self.name_of(topic, language);
        page.set("what", language.fill(what, &[&name]));
        let about = rules.topics.get(topic).map(|t| &t.description);
        page.set(
            "about",
            about.map_or("", |about| localized(about, language.tag())),
        );
        page.set("stopped", stopped);
        if self.is_theirs(confirming, record).await {
            page.set("address", masked(record));
            let preferences = Token::Preferences {
                customer: confirming.customer,
                message: None,
            };
            page.set("preferences", self.core.token_keys().sign(&preferences));
        }
        let shown = self.pages.show(template, page);
        match state {
            Asking::Over => (StatusCode::GONE, shown).into_response(),
            Asking::Open | Asking::Confirmed => shown,
        }
    }
}

/// The page; changes nothing.
pub async fn show(State(public): Shared, uri: Uri) -> Response {
    let Some(confirming) = public.confirming(&uri) else {
        return public.gone();
    };
    let asked = asked_language(&uri);
    match public.core.customer_and_mailbox(confirming.customer).await {
        Err(error) => public.trouble(&error, Language::English),
        Ok(None) => public.gone(),
        Ok(Some((record, mailbox))) => {
            let language = language(asked.as_deref(), &record, &public.core);
            (public.page_of_asking(&confirming, &record, &mailbox, language)).await
        }
    }
}

/// Confirms, by the page's button; anything else shows the page again and changes nothing.
pub async fn confirm(
    State(public): Shared,
    uri: Uri,
    extensions: Extensions,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(confirming) = public.confirming(&uri) else {
        return public.gone();
    };
    let asked = asked_language(&uri);
    let (record, mailbox) = match public.core.customer_and_mailbox(confirming.customer).await {
        Err(error) => return public.trouble(&error, Language::English),
        Ok(None) => return public.gone(),
        Ok(Some(found)) => found,
    };
    let language = language(asked.as_deref(), &record, &public.core);
    if Posted::read(&headers, &body).get("confirm") != Some("yes") {
        let again = public.page_of_asking(&confirming, &record, &mailbox, language);
        return (StatusCode::BAD_REQUEST, again.await).into_response();
    }
    let name = public.name_of(&confirming.topic, language);
    let by = By {
        source: SOURCE,
        address: origin::address(&extensions, &headers).map(|a| a.to_string()),
        message: confirming.message,
    };
    let Confirming {
        customer,
        topic,
        asked,
        ..
    } = &confirming;
    let rules = &public.core.catalogue().rules;
    let stands = confirming.state(&record, &mailbox, rules, public.core.clock.now());
    let wording = match stands {
        (_, false) => language.fill("confirm_wording", &[&name]),
        (_, true) => language.fill("confirm_wording_stopped", &[&name]),
    };
    let confirmed = (public.core).confirm(*customer, topic.clone(), *asked, wording, by);
    if let Err(error) = confirmed.await {
        return public.trouble(&error, language);
    }
    // Whatever came of it, the page says how it stands.
    match public.core.customer_and_mailbox(confirming.customer).await {
        Err(error) => public.trouble(&error, language),
        Ok(None) => public.gone(),
        Ok(Some((record, mailbox))) => {
            let page = public.page_of_asking(&confirming, &record, &mailbox, language);
            page.await
        }
    }
}
