//! The preference centre: shows how a customer stands, takes what they choose, says what it means. Works without
//! JavaScript; a few lines of it find the time zone.

use super::body::Posted;
use super::choices::{LONGEST_PAUSE, Problem, read, wording};
use super::entered::{CAPS, Entered, KEEP, Seen};
use super::page::{Page, masked};
use super::visitor::{Answer, Visitor};
use super::words::Language;
use super::{Public, Shared, summary, zones};
use crate::domain::id::{CustomerNo, MessageNo};
use crate::domain::opt_in::is_held_back;
use crate::domain::policy::zone_of;
use crate::domain::preference::ConsentState;
use crate::domain::time::Span;
use crate::domain::wall::local;
use crate::engine::consent::{By, Choices};
use crate::engine::localized;
use crate::http::origin;
use crate::message::token::Token;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Extensions, HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse;
use serde_json::{Value, json};

/// How the consent ledger names this page.
const SOURCE: &str = "preference centre";

fn of_preferences(token: Token) -> Option<(CustomerNo, Option<MessageNo>)> {
    match token {
        Token::Preferences { customer, message } => Some((customer, message)),
        _ => None,
    }
}

impl Public {
    fn form(
        &self,
        seen: &Seen,
        entered: &Entered,
        language: Language,
        problems: &[Problem],
    ) -> Page {
        let mut page = Page::of(&self.core, language, "title");
        page.offer_languages(language);
        page.set("address", masked(&seen.record));
        page.set("stopped", seen.mailbox.suppression.is_some());
        page.set("topics", topics(seen, entered, language));
        page.set("hours", hours(seen, entered, language));
        let days = (0..7usize).map(|day| {
            let checked = entered.days.contains(&day.to_string());
            json!({ "number": day.to_string(), "name": language.day(day), "checked": checked })
        });
        page.set("days", days.collect::<Vec<_>>());
        let shop_zone = seen.rules.shop.timezone.name();
        page.set(
            "zone",
            json!({
                "own": !entered.zone.is_empty(),
                "shop_label": language.fill("zone_shop", &[shop_zone]),
                "regions": zones::shown(&entered.zone),
            }),
        );
        page.set("often", often(seen, entered, language));
        let zone = zone_of(&seen.record, &seen.rules);
        let day = |ahead: Span| local(seen.now + ahead, zone).date().to_string();
        page.set(
            "pause",
            json!({ "value": entered.pause, "min": day(Span::days(1)), "max": day(LONGEST_PAUSE) }),
        );
        page.set("locales", locales(seen, entered, language));
        page.set("formats", formats(entered, language));
        let waits = seen
            .record
            .pending
            .keys()
            .any(|t| seen.rules.topics.contains_key(t));
        page.set("was", json!(entered.was));
        let offers_only = seen.rules.topics.values().any(|t| t.on_request);
        page.set("offers_only", offers_only || seen.takes_on_request_only());
        page.set("only", entered.only == "yes");
        page.set("waits", waits);
        page.set(
            "questions_held",
            waits && is_held_back(&seen.rules.controls),
        );
        page.set("held", summary::held(seen, language));
        let mut errors = serde_json::Map::new();
        let mut list = Vec::new();
        for (field, key) in problems {
            errors.insert((*field).to_owned(), language.say(key).into());
            list.push(json!({ "field": field, "text": language.say(key) }));
        }
        page.set("errors", errors);
        page.set("problems", list);
        page
    }
}

fn topics(seen: &Seen, entered: &Entered, language: Language) -> Value {
    let topics = seen.rules.topics.iter().map(|(id, topic)| {
        json!({
            "id": id.as_str(),
            "name": localized(&topic.name, language.tag()),
            "description": localized(&topic.description, language.tag()),
            "on_request": topic.on_request,
            "on": entered.had.contains(id.as_str()),
            "waits": seen.record.pending.get(id).map(|pending| {
                let zone = zone_of(&seen.record, &seen.rules);
                language.fill("waits", &[&summary::day(pending.at, zone, language)])
            }),
            "checked": entered.topics.contains(id.as_str()),
        })
    });
    Value::from(topics.collect::<Vec<_>>())
}

fn hours(seen: &Seen, entered: &Entered, language: Language) -> Value {
    let usual = language.say("hours_any");
    let shop = seen.rules.shop.window.as_ref();
    let own = seen.record.preferences.window.as_ref();
    let kept = own.filter(|_| Entered::of(seen).hours == KEEP);
    json!({
        "any": entered.hours == "any",
        "own": entered.hours == "own",
        "keep": entered.hours == KEEP,
        "any_label": match shop {
            Some(window) => format!("{usual} ({})", language.hours(window)),
            None => usual.to_owned(),
        },
        "keep_label": kept.map(|window| language.fill("hours_keep", &[&language.hours(window)])),
        "from": entered.from,
        "to": entered.to,
    })
}

fn often(seen: &Seen, entered: &Entered, language: Language) -> Value {
    let option = |value: &str, name: String| json!({ "value": value, "name": name, "selected": value == entered.often });
    let mut options = vec![option("", language.say("often_any").to_owned())];
    if let Some(own) = &seen.record.preferences.caps
        && Entered::of(seen).often == KEEP
    {
        let kept = language.fill("often_keep", &[&summary::caps(own, language)]);
        options.push(option(KEEP, kept));
    }
    options.extend(CAPS.map(|cap| option(cap, language.cap(cap))));
    Value::from(options)
}

fn formats(entered: &Entered, language: Language) -> Value {
    let option = |value: &str, name: &'static str| json!({ "value": value, "name": language.say(name), "checked": value == entered.format });
    let options = [option("html", "format_html"), option("text", "format_text")];
    Value::from(options.to_vec())
}

fn locales(seen: &Seen, entered: &Entered, language: Language) -> Value {
    let option = |value: &str, name: &str, lang: Option<&str>| json!({ "value": value, "name": name, "lang": lang, "selected": value == entered.locale });
    let mut options = vec![option("", language.say("language_shop"), None)];
    options.extend(Language::ALL.map(|l| option(l.tag(), l.name(), Some(l.tag()))));
    if let Some(own) = &seen.record.preferences.locale
        && Language::ALL.iter().all(|l| l.tag() != own)
    {
        options.push(option(own, own, None));
    }
    Value::from(options)
}

/// The form as the customer stands; changes nothing.
pub async fn show(State(public): Shared, uri: Uri) -> Answer {
    let (customer, _) = public.token(&uri, of_preferences)?;
    let Visitor { seen, language } = public.visitor(customer, &uri).await?;
    let page = public.form(&seen, &Entered::of(&seen), language, &[]);
    Ok(public.pages.show("preferences", page))
}

/// Takes what was chosen, or says beside each field what is wrong with it and takes nothing.
pub async fn choose(
    State(public): Shared,
    uri: Uri,
    extensions: Extensions,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let (customer, message) = public.token(&uri, of_preferences)?;
    let Visitor { seen, language } = public.visitor(customer, &uri).await?;
    let before = Entered::of(&seen);
    let posted = Posted::read(&headers, &body);
    let choices = match posted.get("act") {
        Some("save") => {
            let entered = Entered::posted(&posted);
            match read(&entered, &before, &seen, language) {
                Ok(choices) => choices,
                Err(problems) => {
                    let page = public.form(&seen, &entered, language, &problems);
                    let shown = public.pages.show("preferences", page);
                    return Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response());
                }
            }
        }
        Some("leave") => {
            let wording = language.say("leave_all_wording").to_owned();
            Choices {
                consents: vec![(None, ConsentState::Refused, wording)],
                ..Choices::default()
            }
        }
        Some("again") => {
            let again = posted.get("again").unwrap_or_default();
            let asked = (seen.record.pending.keys()).find(|id| id.as_str() == again);
            let known = asked.and_then(|id| seen.rules.topics.get(id));
            let asks = known.map(|topic| {
                let wording = wording(topic, language);
                (Some(topic.id.clone()), ConsentState::Given, wording)
            });
            // What was confirmed, or taken back, meanwhile needs no other mail; the page shows how it stands.
            Choices {
                consents: asks.into_iter().collect(),
                ..Choices::default()
            }
        }
        _ => {
            let shown =
                (public.pages).show("preferences", public.form(&seen, &before, language, &[]));
            return Ok((StatusCode::BAD_REQUEST, shown).into_response());
        }
    };
    let head = match (posted.get("act"), choices.change_anything()) {
        (Some("again"), true) if seen.can_be_asked() => "asked_again",
        (_, true) => "saved",
        (_, false) => "kept",
    };
    let by = By {
        source: SOURCE,
        address: origin::address(&extensions, &headers).map(|a| a.to_string()),
        message,
    };
    match public.core.choose(customer, choices, by).await {
        Err(error) => return Ok(public.trouble(&error, language)),
        Ok(false) => return Ok(public.gone()),
        Ok(true) => {}
    }
    let seen = public.see(customer, language).await?;
    // A language that was just chosen is spoken at once.
    let entered = Entered::of(&seen);
    let language = match entered.locale == before.locale {
        true => language,
        false => public.language_of(&seen),
    };
    let mut page = public.form(&seen, &entered, language, &[]);
    page.set(
        "said",
        json!({ "head": language.say(head), "lines": summary::sentences(&seen, language) }),
    );
    Ok(public.pages.show("preferences", page))
}
