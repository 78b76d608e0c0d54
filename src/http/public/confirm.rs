//! Confirming a subscription (double opt-in): the page with one button that the link in the mail leads to. Looking changes
//! nothing, since scanners follow every link.

use super::body::Posted;
use super::entered::Seen;
use super::page::{Page, masked};
use super::visitor::{Answer, Visitor};
use super::{Public, Shared};
use crate::domain::id::{CustomerNo, MessageNo, TopicId};
use crate::domain::opt_in::{Asking, asking, is_barred};
use crate::domain::record::Record;
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
    fn of(token: Token) -> Option<Confirming> {
        match token {
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

    /// How it stands, and whether nothing will come of it although it is confirmed.
    fn state(&self, seen: &Seen) -> (Asking, bool) {
        let (record, mailbox, now) = (&seen.record, &seen.mailbox, seen.now);
        let rules = &seen.rules;
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
    async fn page_of_asking(&self, confirming: &Confirming, visitor: &Visitor) -> Response {
        let (seen, language) = (&visitor.seen, visitor.language);
        let topic = &confirming.topic;
        let (state, stopped) = confirming.state(seen);
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
        let about = seen.rules.topics.get(topic).map(|t| &t.description);
        page.set(
            "about",
            about.map_or("", |about| localized(about, language.tag())),
        );
        page.set("stopped", stopped);
        if self.is_theirs(confirming, &seen.record).await {
            page.set("address", masked(&seen.record));
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
pub async fn show(State(public): Shared, uri: Uri) -> Answer {
    let confirming = public.token(&uri, Confirming::of)?;
    let visitor = public.visitor(confirming.customer, &uri).await?;
    Ok(public.page_of_asking(&confirming, &visitor).await)
}

/// Confirms, by the page's button; anything else shows the page again and changes nothing.
pub async fn confirm(
    State(public): Shared,
    uri: Uri,
    extensions: Extensions,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let confirming = public.token(&uri, Confirming::of)?;
    let visitor = public.visitor(confirming.customer, &uri).await?;
    let language = visitor.language;
    if Posted::read(&headers, &body).get("confirm") != Some("yes") {
        let again = public.page_of_asking(&confirming, &visitor);
        return Ok((StatusCode::BAD_REQUEST, again.await).into_response());
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
    let stands = confirming.state(&visitor.seen);
    let wording = match stands {
        (_, false) => language.fill("confirm_wording", &[&name]),
        (_, true) => language.fill("confirm_wording_stopped", &[&name]),
    };
    let confirmed = (public.core).confirm(*customer, topic.clone(), *asked, wording, by);
    if let Err(error) = confirmed.await {
        return Ok(public.trouble(&error, language));
    }
    // Whatever came of it, the page says how it stands.
    let seen = public.see(*customer, language).await?;
    let visitor = Visitor { seen, language };
    Ok(public.page_of_asking(&confirming, &visitor).await)
}
