//! The mail that asks for a confirmation (double opt-in): the program's own campaign with its texts, which are part of the
//! program and give way to a shop's template of that name; and the confirmation as the page tells it.

use super::composer::localized;
use super::consent::By;
use super::core::Core;
use super::shard::Refused;
use crate::domain::campaign::{Campaign, Localized};
use crate::domain::cause::{Cause, ConsentChange};
use crate::domain::id::{CustomerNo, TopicId};
use crate::domain::opt_in::{DAYS, TEMPLATE, campaign, topic_of};
use crate::domain::preference::ConsentState;
use crate::domain::react::Answer;
use crate::domain::record::{Message, Record};
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;
use crate::message::Templates;
use crate::message::links::Links;
use serde_json::json;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::Xxh3;

macro_rules! shipped {
    ($($file:literal),*) => {
        [$(($file, include_str!(concat!("../../templates/", $file)))),*]
    };
}

/// The shipped forms, and the partials that they use.
const SHIPPED: [(&str, &str); 11] = shipped![
    "confirm_subscription.html.hbs",
    "confirm_subscription.txt.hbs",
    "confirm_subscription.ko.html.hbs",
    "confirm_subscription.ko.txt.hbs",
    "partials/button.html.hbs",
    "partials/footer.html.hbs",
    "partials/footer.ko.html.hbs",
    "partials/footer.txt.hbs",
    "partials/footer.ko.txt.hbs",
    "partials/layout.html.hbs",
    "partials/product.html.hbs"
];

const SUBJECTS: [(&str, &str); 2] = [
    ("", "Please confirm: {{data.topic.name}}"),
    ("ko", "‘{{data.topic.name}}’ 수신 신청을 확인해 주세요"),
];

/// The campaign, by the shop's template if it has one that can be used (then none is returned), else by the shipped one.
pub(super) fn own_campaign(of_shop: &Templates) -> (Campaign, Option<Templates>) {
    let shipped = (!of_shop.has(TEMPLATE)).then(|| {
        let texts = SHIPPED.map(|(file, text)| (file.to_owned(), text.to_owned()));
        Templates::from_sources(BTreeMap::from(texts))
    });
    let mut hash = Xxh3::new();
    for (file, text) in shipped.as_ref().unwrap_or(of_shop).sources_of(TEMPLATE) {
        hash.update(file.as_bytes());
        hash.update(text.as_bytes());
    }
    let subject: Localized = SUBJECTS
        .map(|(l, text)| (l.to_owned(), text.to_owned()))
        .into();
    (campaign(subject, hash.digest()), shipped)
}

/// What the mail's template sees beside what all see: `data.topic`, `data.days` and `links.confirm`; why there is nothing
/// to say.
pub(super) fn what_to_confirm(
    record: &Record,
    message: &Message,
    rules: &Rules,
    links: Option<&Links>,
    locale: &str,
) -> Result<(serde_json::Value, String), String> {
    let asks = |topic: &TopicId| {
        let pending = record.pending.get(topic);
        // An asking of before that instant is not confirmed by anything any more: its link would lead nowhere.
        pending.is_some_and(|pending| message.due >= pending.since)
    };
    let topic = topic_of(&message.entry).filter(asks);
    let topic = topic.ok_or("nothing is left to confirm")?;
    let links = links.ok_or("without `[http] public_url` nobody can confirm anything")?;
    let known = rules.topics.get(&topic);
    let name = known.map_or("", |t| localized(&t.name, locale));
    let about = known.map_or("", |t| localized(&t.description, locale));
    let data = json!({
        "topic": {
            "id": topic.as_str(),
            "name": match name {
                "" => topic.as_str(),
                name => name,
            },
            "description": about,
        },
        "days": DAYS,
    });
    let link = links.to_confirm(record.no, topic, message.due, message.no);
    Ok((data, link))
}

impl Core {
    /// The customer confirms what they asked for then. Durable when it returns; false if there is nothing to confirm, or
    /// not by this link any more; told again it is true again.
    pub async fn confirm(
        &self,
        no: CustomerNo,
        topic: TopicId,
        asked: Timestamp,
        wording: String,
        by: By,
    ) -> Result<bool, Refused> {
        let Some((record, _)) = self.customer_and_mailbox(no).await? else {
            return Ok(false);
        };
        let origin = self.origin(no, &by).await;
        let change = ConsentChange {
            topic: Some(topic),
            state: ConsentState::Given,
            at: self.clock.now(),
            source: by.source.to_owned(),
            wording: Some(wording),
            origin,
        };
        let reply = self.act(record.no, Cause::Confirm { asked, change });
        Ok(reply.await?.answer == Some(Answer::Settled))
    }
}
