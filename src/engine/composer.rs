//! From a message that may go to its finished bytes: gathers what its templates see, and composes.

use super::batch::{BatchError, read_history};
use super::catalogue::Catalogue;
use super::opt_in::what_to_confirm;
use crate::config::settings::{Sender, Tracking};
use crate::domain::address::EmailAddress;
use crate::domain::campaign::{Campaign, Localized, Start, Trigger};
use crate::domain::chance;
use crate::domain::condition::tags_of;
use crate::domain::event::Event;
use crate::domain::id::MessageRef;
use crate::domain::policy::zone_of;
use crate::domain::preference::{
    Class, ConsentState, Format, Standing, consent_for, resting_on, standing_on,
};
use crate::domain::products::{Source, Wanted, select, too_few};
use crate::domain::record::{Message, Record};
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;
use crate::domain::track::key_text;
use crate::domain::value::{Value, properties_to_json};
use crate::message;
use crate::message::dates::date;
use crate::message::korean::names_korea;
use crate::message::links::Links;
use crate::message::token::{KeyRing, Token};
use crate::message::tracking::MailTracking;
use crate::message::{ComposeRequest, Finished, SenderBlock, compose};
use crate::store::Store;
use chrono_tz::Tz;
use serde_json::{Map, json};
use std::sync::Arc;

/// Who sends, from config.
#[derive(Clone, Debug)]
pub struct From {
    pub sender: Sender,
    /// `[law] country`, for customers without the attribute.
    pub country: Option<String>,
    /// What of a mail is followed, where it may be.
    pub tracking: Tracking,
    /// What the address to write to is signed with.
    pub keys: Arc<KeyRing>,
    /// With `[http] public_url`: what the links of a mail are made with.
    pub links: Option<Links>,
}

/// Why a message cannot be composed; another try would end the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CannotCompose {
    /// The campaign, step or its templates are not in force.
    NotInForce,
    Because(String),
    /// There are fewer products to show than the step asks for.
    TooFew(String),
}

/// A text for `locale`: exactly, then its language, then the one for everybody else, then any.
pub fn localized<'a>(texts: &'a Localized, locale: &str) -> &'a str {
    let language = locale.split(['-', '_']).next().unwrap_or(locale);
    [locale, language, "", "en"]
        .iter()
        .find_map(|l| texts.get(*l))
        .or_else(|| texts.values().next())
        .map_or("", String::as_str)
}

/// Composes `message` for the customer as they stand at `now`.
pub async fn finish(
    store: &dyn Store,
    catalogue: &Catalogue,
    from: &From,
    record: &Record,
    message: &Message,
    to: &EmailAddress,
    now: Timestamp,
) -> Result<Result<Finished, CannotCompose>, BatchError> {
    let rules = &catalogue.rules;
    let campaign = rules.campaigns.get(&message.campaign);
    let templates = catalogue.templates.get(&message.campaign);
    let step = campaign.and_then(|c| c.step_of(message));
    let (Some(campaign), Some(templates), Some(step)) = (campaign, templates, step) else {
        return Ok(Err(CannotCompose::NotInForce));
    };
    let shown = step.shown(message.variant.as_deref());
    let tells = catalogue.tells_events.contains(&message.campaign);
    let trigger = match &campaign.start {
        Start::Triggered(trigger) if tells => Some(trigger),
        _ => None,
    };
    let history = match (&shown.products, trigger) {
        (None, None) => Vec::new(),
        _ => read_history(store, record, rules.sieve()).await?,
    };
    let events: Vec<&Event> = (trigger.iter())
        .flat_map(|trigger| {
            let ours = |e: &&Event| same_entry(trigger.per.as_deref(), e, message);
            (history.iter().filter(|e| trigger.event.selects(e))).filter(ours)
        })
        .collect();
    let products = match (&shown.products, trigger) {
        (Some(wanted), _) => select(wanted, &history, &message.entry.0, now),
        (None, Some(trigger)) => select(&of_entry(trigger), &history, &message.entry.0, now),
        (None, None) => Vec::new(),
    };
    if let Some(wanted) = &shown.products
        && let Some(why) = too_few(wanted, products.len())
    {
        return Ok(Err(CannotCompose::TooFew(why)));
    }
    // Staff read what is about the customer in the shop's language, by the shop's clock.
    let to_staff = message.staff.is_some();
    let own = record.preferences.locale.as_deref();
    let locale = own.filter(|_| !to_staff).unwrap_or(&rules.shop.locale);
    let zone = match to_staff {
        true => rules.shop.timezone,
        false => zone_of(record, rules),
    };
    let (template, subject, preheader) = step.texts(message.variant.as_deref());
    let reference = MessageRef {
        customer: record.no,
        message: message.no,
    };
    let local = chance::message_id(&rules.salt, reference);
    let sender = &from.sender;
    let address = &sender.from.address;
    let message_id = format!("{local}@{}", address.domain());
    let block = SenderBlock {
        company: sender
            .company
            .clone()
            .or(sender.from.name.clone())
            .unwrap_or_default(),
        address: sender.address.clone().unwrap_or_default(),
        phone: sender.phone.clone().unwrap_or_default(),
        email: address.as_str().to_owned(),
    };
    let korean = is_in_korea(record, from);
    // Who writes there is known by the subject (RFC 6068 §2): whom a mail says that it is from proves nothing.
    let unsubscribe = sender.unsubscribe_mailto.as_ref().map(|address| {
        let token = from.keys.sign(&Token::Unsubscribe {
            customer: record.no,
            message: Some(message.no),
            topic: message.topic.clone(),
        });
        format!("{}?subject=unsubscribe%20{token}", address.as_str())
    });
    // What asks for a confirmation went wherever a form said: its one link gives nobody the keys to the customer.
    let links = (from.links.as_ref())
        .filter(|_| !to_staff && !matches!(campaign.start, Start::Asked))
        .map(|links| links.of_mail(record.no, message.no, message.topic.as_ref()));
    // A plain text fetches nothing, and its links stand there in the clear.
    let text_only = !to_staff && record.preferences.format == Some(Format::Text);
    let tracking = (!to_staff && !text_only && may_track(record, campaign, message, rules))
        .then(|| tracking_of(from, reference))
        .flatten();
    let to_name = display_name(record).filter(|_| !to_staff);
    let unsubscribe = unsubscribe.filter(|_| !to_staff);
    let mut context = context(record, message, &events, rules, now);
    for (name, page) in catalogue.links.of(&message.campaign) {
        context["links"][name.as_str()] = page.as_str().into();
    }
    context["customer"]["consents"] = words(record, rules, locale);
    context["products"] = message::products::shown(&products, locale);
    if let Some(data) = &shown.data {
        context["data"] = properties_to_json(data);
    }
    context["coupon"] = coupon(record, message, rules, (locale, zone), now);
    if matches!(campaign.start, Start::Asked) {
        let found = what_to_confirm(record, message, rules, from.links.as_ref(), locale);
        match found {
            Ok((data, link)) => {
                context["data"] = data;
                context["links"]["confirm"] = link.into();
            }
            Err(why) => return Ok(Err(CannotCompose::Because(why))),
        }
    }
    let request = ComposeRequest {
        template,
        body: step.text.as_ref().map(|texts| localized(texts, locale)),
        subject: localized(subject, locale),
        preheader: localized(preheader, locale),
        locale,
        zone,
        context,
        message_id: &message_id,
        from_name: sender.from.name.as_deref().unwrap_or_default(),
        from: address,
        to_name: to_name.as_deref(),
        to,
        date: now,
        class: message.class,
        campaign: &message.campaign,
        list_domain: address.domain(),
        links: links.as_ref(),
        tracking: tracking.as_ref(),
        text_only,
        unsubscribe_mailto: unsubscribe.as_deref(),
        korean,
        sender: &block,
    };
    Ok(compose(templates, &request).map_err(|e| CannotCompose::Because(e.to_string())))
}

/// What is said of a message whose step asks for more products than there are to show, if it does.
pub async fn lacks_products(
    store: &dyn Store,
    rules: &Rules,
    record: &Record,
    message: &Message,
    now: Timestamp,
) -> Result<Option<String>, BatchError> {
    let campaign = rules.campaigns.get(&message.campaign);
    let step = campaign.and_then(|c| c.step_of(message));
    let wanted = step.and_then(|step| step.shown(message.variant.as_deref()).products);
    let Some(wanted) = wanted.filter(|wanted| wanted.fewest > 0) else {
        return Ok(None);
    };
    let history = read_history(store, record, rules.sieve()).await?;
    let found = select(&wanted, &history, &message.entry.0, now).len();
    Ok(too_few(&wanted, found))
}

/// Whether what comes back from this mail may be followed: the customer's own word first, then the campaign's. What is no
/// advertising is followed only where the campaign says so and the customer consented to advertising, or to tracking.
fn may_track(record: &Record, campaign: &Campaign, message: &Message, rules: &Rules) -> bool {
    let own = match record.attributes.get("tracking") {
        Some(Value::Bool(own)) => Some(*own),
        Some(Value::Text(text)) => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" => Some(true),
            "false" | "no" => Some(false),
            _ => None,
        },
        _ => None,
    };
    let advertising = message.class == Class::Advertising;
    let consents = || standing_on(&record.consents, None, &rules.topics) == Standing::Given;
    own != Some(false)
        && campaign.tracking.unwrap_or(advertising)
        && (advertising || own == Some(true) || consents())
}

fn tracking_of(from: &From, message: MessageRef) -> Option<MailTracking> {
    let Tracking {
        opens,
        clicks,
        honeypot,
    } = from.tracking;
    let links = from.links.clone()?;
    (opens || clicks).then_some(MailTracking {
        links,
        customer: message.customer,
        message: message.message,
        opens,
        clicks,
        honeypot,
    })
}

fn same_entry(per: Option<&str>, event: &Event, message: &Message) -> bool {
    per.is_none_or(|property| {
        key_text(&event.properties, property).unwrap_or_default() == message.entry.0
    })
}

/// Whether Korean rules apply to the recipient. A country that is not understood says nothing: the shop's counts.
fn is_in_korea(record: &Record, from: &From) -> bool {
    let own = record.attributes.get("country").and_then(Value::as_text);
    let shops = || from.country.as_deref().and_then(names_korea);
    own.and_then(names_korea).or_else(shops).unwrap_or(false)
}

fn display_name(record: &Record) -> Option<String> {
    let part = |name: &str| record.attributes.get(name).and_then(Value::as_text);
    match (part("name"), part("first_name"), part("last_name")) {
        (Some(name), ..) => Some(name.to_owned()),
        (None, Some(first), Some(last)) => Some(format!("{first} {last}")),
        (None, first, last) => first.or(last).map(str::to_owned),
    }
}

/// What templates see of the customer, and of the entry with the event that made it.
fn context(
    record: &Record,
    message: &Message,
    events: &[&Event],
    rules: &Rules,
    now: Timestamp,
) -> serde_json::Value {
    let mut customer = Map::new();
    for (name, value) in &record.attributes {
        customer.insert(name.clone(), value.to_json());
    }
    customer.insert("id".into(), record.id.as_str().into());
    if let Some(email) = &record.email {
        customer.insert("email".into(), email.as_str().into());
    }
    let tags = tags_of(record, rules, now);
    let tags: Vec<&str> = tags.iter().map(|t| t.as_str()).collect();
    customer.insert("tags".into(), json!(tags));
    let (consents, topic) = (&record.consents, message.topic.as_ref());
    let word = resting_on(consents, topic, &rules.topics).or_else(|| consent_for(consents, topic));
    if let Some(consent) = word {
        customer.insert("consent".into(), json!({ "given": consent.state == ConsentState::Given, "at": consent.at.to_string(), "source": consent.source }));
    }
    let latest = events.iter().max_by_key(|e| e.time);
    let entry = json!({
        "key": message.entry.0,
        "time": message.due.to_string(),
        "event": latest.map(|e| json!({
            "name": e.name.as_str(),
            "time": e.time.to_string(),
            "properties": properties_to_json(&e.properties),
        })),
    });
    json!({
        "customer": customer,
        "entry": entry,
        "products": [],
        "data": {},
        "links": {},
    })
}

/// The customer's word on each topic of the shop, as far as they said one, the newest first.
fn words(record: &Record, rules: &Rules, locale: &str) -> serde_json::Value {
    let mut words = Vec::new();
    for (id, topic) in &rules.topics {
        let given = resting_on(&record.consents, Some(id), &rules.topics);
        let refused =
            || consent_for(&record.consents, Some(id)).filter(|w| w.state == ConsentState::Refused);
        if let Some(word) = given.or_else(refused) {
            let told = json!({
                "topic": id.as_str(),
                "name": localized(&topic.name, locale),
                "given": given.is_some(),
                "at": word.at.to_string(),
                "source": word.source,
            });
            words.push((word.at, told));
        }
    }
    words.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    words.into_iter().map(|(_, told)| told).collect()
}

/// The message's coupon: its code, and until when it is good, in words. What the mail says comes before it is accepted, and
/// so promises no more than holds. Null for a message without one.
fn coupon(
    record: &Record,
    message: &Message,
    rules: &Rules,
    (locale, zone): (&str, Tz),
    now: Timestamp,
) -> serde_json::Value {
    let code = message.coupon.as_ref();
    let Some(coupon) = code.and_then(|code| record.coupons.iter().find(|c| c.code == *code)) else {
        return serde_json::Value::Null;
    };
    let pool = rules.pools.values().find(|p| p.is_called(&coupon.pool));
    let from_now = pool.and_then(|pool| pool.valid).map(|valid| now + valid);
    let until = coupon.until.or(from_now.filter(|_| coupon.sent.is_none()));
    let instant = until.map(|until| until.to_string());
    let words = instant
        .clone()
        .and_then(|at| date(&at.into(), "long", locale, zone).ok());
    json!({ "code": coupon.code, "until": words, "until_time": instant })
}

/// At most so many products stand in a mail whose step does not say which.
const MOST_PRODUCTS: usize = 12;

/// What is shown where the step does not say: the products that the entry's own events name.
fn of_entry(trigger: &Trigger) -> Wanted {
    Wanted {
        from: Source::Events(trigger.event.clone()),
        within: None,
        most: MOST_PRODUCTS,
        fewest: 0,
        same: trigger.per.clone(),
        except: Vec::new(),
        undone: Vec::new(),
    }
}
