//! Leaving: the page with one button, what it posts, and one-click from mail programs (RFC 8058).

use super::body::Posted;
use super::page::{Page, masked};
use super::visitor::{Answer, Visitor};
use super::words::Language;
use super::{Public, Shared};
use crate::domain::id::{CustomerNo, MessageNo, TopicId};
use crate::engine::consent::By;
use crate::engine::localized;
use crate::http::origin;
use crate::message::token::Token;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Extensions, HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse;

/// Who wants to leave what.
struct Leaving {
    customer: CustomerNo,
    message: Option<MessageNo>,
    topic: Option<TopicId>,
}

impl Leaving {
    fn of(token: Token) -> Option<Leaving> {
        match token {
            Token::Unsubscribe {
                customer,
                message,
                topic,
            } => Some(Leaving {
                customer,
                message,
                topic,
            }),
            _ => None,
        }
    }
}

impl Public {
    /// A page about leaving: `key` names its words for a topic and for advertising as a whole.
    fn page_of_leaving(
        &self,
        leaving: &Leaving,
        visitor: &Visitor,
        title: &'static str,
        [of_topic, of_whole]: [&'static str; 2],
    ) -> Page {
        let language = visitor.language;
        let mut page = Page::of(&self.core, language, title);
        page.offer_languages(language);
        page.set(
            "what",
            match &leaving.topic {
                Some(topic) => language.fill(of_topic, &[&self.name_of(topic, language)]),
                None => language.say(of_whole).to_owned(),
            },
        );
        page.set("address", masked(&visitor.seen.record));
        let preferences = Token::Preferences {
            customer: leaving.customer,
            message: leaving.message,
        };
        page.set("preferences", self.core.token_keys().sign(&preferences));
        page
    }

    /// The topic as customers know it; its id once it is gone from the files.
    pub(super) fn name_of(&self, topic: &TopicId, language: Language) -> String {
        let catalogue = self.core.catalogue();
        let known = catalogue.rules.topics.get(topic);
        let name = known.map_or("", |t| localized(&t.name, language.tag()));
        match name {
            "" => topic.to_string(),
            name => name.to_owned(),
        }
    }
}

const ASKS: [&str; 2] = ["leave_topic", "leave_whole"];
const DONE: [&str; 2] = ["left_topic", "left_whole"];

/// The page with its one button; changes nothing.
pub async fn show(State(public): Shared, uri: Uri) -> Answer {
    let leaving = public.token(&uri, Leaving::of)?;
    let visitor = public.visitor(leaving.customer, &uri).await?;
    let page = public.page_of_leaving(&leaving, &visitor, "leave_title", ASKS);
    Ok(public.pages.show("unsubscribe", page))
}

/// Leaves, by the page's button or by one click of a mail program. Anything else shows the page again and changes
/// nothing.
pub async fn leave(
    State(public): Shared,
    uri: Uri,
    extensions: Extensions,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let leaving = public.token(&uri, Leaving::of)?;
    let visitor = public.visitor(leaving.customer, &uri).await?;
    let language = visitor.language;
    let page = |title, words| public.page_of_leaving(&leaving, &visitor, title, words);
    let posted = Posted::read(&headers, &body);
    let one_click = posted.is_one_click();
    if !one_click && posted.get("leave") != Some("yes") {
        let again = public.pages.show("unsubscribe", page("leave_title", ASKS));
        return Ok((StatusCode::BAD_REQUEST, again).into_response());
    }
    let by = By {
        source: if one_click {
            "one-click unsubscribe"
        } else {
            "unsubscribe page"
        },
        address: origin::address(&extensions, &headers).map(|a| a.to_string()),
        message: leaving.message,
    };
    let wording = (!one_click).then(|| match &leaving.topic {
        Some(topic) => language.fill("leave_topic", &[&public.name_of(topic, language)]),
        None => language.say("leave_whole").to_owned(),
    });
    let left = public
        .core
        .leave(leaving.customer, leaving.topic.clone(), wording, by);
    Ok(match left.await {
        Err(error) => public.trouble(&error, language),
        Ok(false) => public.gone(),
        // No page and no redirect: a program asked (RFC 8058 §3.1).
        Ok(true) if one_click => "unsubscribed\n".into_response(),
        Ok(true) => public.pages.show("left", page("left_title", DONE)),
    })
}
