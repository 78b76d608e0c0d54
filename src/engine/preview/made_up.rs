//! A customer who is made up, with a history that has what templates mostly ask for: two products in a cart, an order, and
//! the event that starts the campaign.

use crate::domain::address::EmailAddress;
use crate::domain::campaign::{Campaign, Start};
use crate::domain::event::Event;
use crate::domain::id::{CustomerId, CustomerNo, EventName};
use crate::domain::opt_in::Pending;
use crate::domain::products::{CART_EVENTS, ORDER, Source, Wanted};
use crate::domain::record::Record;
use crate::domain::rules::Rules;
use crate::domain::time::{Span, Timestamp};
use crate::domain::value::{Properties, Value, properties_from_json};
use crate::engine::state::EventRow;
use crate::store::codec::encode;
use crate::store::memory::MemoryStore;
use crate::store::{Append, Batch, Store, StoreError, Stream};
use serde_json::json;

/// No customer of a shop has this number.
pub const NOBODY: CustomerNo = CustomerNo(0);

/// What templates know by these names where nothing else is said of them.
const ATTRIBUTES: [(&str, &str, &str); 3] = [
    ("first_name", "Mina", "민아"),
    ("last_name", "Kim", "김"),
    ("city", "Seoul", "서울"),
];

/// Somebody whom the shop has known for a year.
///
/// `bare`: nothing is known of them but the address. `lacking` are paths of what a template asks for and nobody has, such
/// as `customer.points`: each is shown by its name.
pub fn customer(
    campaign: &Campaign,
    rules: &Rules,
    domain: &str,
    locale: &str,
    lacking: &[String],
    bare: bool,
    now: Timestamp,
) -> Record {
    // Six letters are an id.
    let id = CustomerId::parse("sample").expect("an id");
    let mut record = Record::new(NOBODY, id, now - Span::days(365));
    record.email = EmailAddress::parse(&format!("sample@{domain}")).ok();
    record.preferences.locale = Some(locale.to_owned());
    let korean = is_korean(locale);
    if !bare {
        for (name, english, in_korean) in ATTRIBUTES {
            let value = if korean { in_korean } else { english };
            (record.attributes).insert(name.to_owned(), Value::Text(value.to_owned()));
        }
    }
    for path in lacking {
        if let Some(path) = path.strip_prefix("customer.") {
            put(&mut record.attributes, path);
        }
    }
    if matches!(campaign.start, Start::Asked)
        && let Some(topic) = rules.topics.values().find(|topic| topic.confirm)
    {
        let pending = Pending {
            at: now,
            source: "preview".into(),
            wording: None,
            since: now,
        };
        record.pending.insert(topic.id.clone(), pending);
    }
    record
}

/// A history that holds what starts the campaign and what the mail is to show, in a store of its own.
pub async fn history(
    campaign: &Campaign,
    shown: Option<&Wanted>,
    domain: &str,
    locale: &str,
    lacking: &[String],
    now: Timestamp,
) -> Result<MemoryStore, StoreError> {
    let store = MemoryStore::new();
    let events = events(campaign, shown, domain, locale, lacking, now);
    let appends = (events.into_iter()).map(|event| Append {
        stream: Stream::Events,
        customer: NOBODY.0,
        time: event.time.millis(),
        payload: encode(&EventRow {
            event,
            liveness: crate::domain::cause::Liveness::Live,
        }),
    });
    let batch = Batch {
        appends: appends.collect(),
        ..Batch::default()
    };
    store.commit(batch).await?;
    Ok(store)
}

fn events(
    campaign: &Campaign,
    shown: Option<&Wanted>,
    domain: &str,
    locale: &str,
    lacking: &[String],
    now: Timestamp,
) -> Vec<Event> {
    let told = |name: &str, ago: Span, identity: u64, properties: Properties| {
        Some(Event {
            name: EventName::parse(name).ok()?,
            time: now - ago,
            properties,
            identity,
            ahead: false,
        })
    };
    let products = shown.map_or(0, |wanted| wanted.fewest).max(USUAL);
    let usual = || properties(products, domain, locale);
    let before = [
        "Signed Up",
        "Order Completed",
        "Product Viewed",
        "Product Added",
        "Cart Viewed",
    ];
    let mut all: Vec<Event> = (before.iter().enumerate())
        .filter_map(|(i, name)| {
            let days = 60 - i as i64;
            let mut properties = usual();
            properties.insert("cart_id".into(), Value::Text("A-1000".into()));
            let ago = Span::days(days) + Span::hours(1);
            told(name, ago, i as u64 + 1, properties)
        })
        .collect();
    let mut started_by = None;
    if let Start::Triggered(trigger) = &campaign.start {
        let mut properties = usual();
        if let Some(per) = &trigger.per
            && crate::domain::track::key_text(&properties, per).is_none()
        {
            put(&mut properties, per);
        }
        for path in lacking {
            if let Some(path) = path.strip_prefix("entry.event.properties.") {
                put(&mut properties, path);
            }
        }
        let name = trigger
            .event
            .name
            .as_ref()
            .map_or("Product Viewed", |n| n.as_str());
        all.extend(told(name, Span::hours(1), 100, properties));
        started_by = Some(name);
    }
    if let Some(name) = shown.map(event_of).filter(|name| started_by != Some(*name)) {
        // After an order that starts the campaign, which empties the cart; before what any event starts.
        let ago = if starts_by_any(campaign) { 90 } else { 30 };
        all.extend(told(name, Span::minutes(ago), 101, usual()));
    }
    all
}

/// So many products a cart has where nothing asks for more.
const USUAL: usize = 2;

fn starts_by_any(campaign: &Campaign) -> bool {
    matches!(&campaign.start, Start::Triggered(trigger) if trigger.event.name.is_none())
}

/// An event that names such products.
fn event_of(wanted: &Wanted) -> &str {
    match &wanted.from {
        Source::Events(selector) => {
            (selector.name.as_ref()).map_or("Product Viewed", |n| n.as_str())
        }
        Source::Cart => CART_EVENTS[2],
        Source::Order => ORDER,
    }
}

/// What events of shops mostly carry, by Segment's names, with so many products.
fn properties(products: usize, domain: &str, locale: &str) -> Properties {
    let (names, prices, currency) = match is_korean(locale) {
        true => (
            ["도자기 찻주전자", "린넨 앞치마", "나무 도마"],
            [48_000.0, 27_000.0, 19_000.0],
            "KRW",
        ),
        false => (
            ["Stoneware teapot", "Linen apron", "Wooden board"],
            [48.0, 27.5, 19.0],
            "USD",
        ),
    };
    let product = |i: usize| {
        json!({
            "product_id": format!("P-{}", i + 1),
            "sku": format!("P-{}", i + 1),
            "name": names[i % names.len()],
            "category": "kitchen",
            "price": prices[i % prices.len()],
            "quantity": i % 2 + 1,
            "currency": currency,
            "url": format!("https://{domain}/products/{}", i + 1),
            "image_url": format!("https://{domain}/products/{}.jpg", i + 1),
        })
    };
    let mut all = product(0);
    let each = |i: usize| prices[i % prices.len()] * (i % 2 + 1) as f64;
    let total: f64 = (0..products).map(each).sum();
    let products: Vec<_> = (0..products).map(product).collect();
    for (name, value) in [
        ("products", json!(products)),
        ("cart_id", json!("A-1024")),
        ("order_id", json!("2048")),
        ("checkout_id", json!("C-512")),
        ("total", json!(total)),
        ("revenue", json!(total)),
        ("value", json!(total)),
    ] {
        all[name] = value;
    }
    match all {
        serde_json::Value::Object(map) => properties_from_json(map),
        _ => Properties::new(),
    }
}

pub fn is_korean(locale: &str) -> bool {
    let language = locale.split(['-', '_']).next().unwrap_or(locale);
    language.eq_ignore_ascii_case("ko")
}

/// Puts `[name]` where the path leads, if nothing is there; what stands in its way stays.
fn put(properties: &mut Properties, path: &str) {
    match path.split_once('.') {
        None => {
            let shown = || Value::Text(format!("[{path}]"));
            properties.entry(path.to_owned()).or_insert_with(shown);
        }
        Some((head, rest)) => {
            let inner = (properties.entry(head.to_owned()))
                .or_insert_with(|| Value::Map(Properties::new()));
            if let Value::Map(inner) = inner {
                put(inner, rest);
            }
        }
    }
}

/// Whether one who is made up has this attribute of their own.
pub fn is_known(name: &str) -> bool {
    ATTRIBUTES.iter().any(|(known, ..)| *known == name)
}
