//! Events over HTTP, before a real listener: what is acknowledged is there, once, whatever befalls sender or daemon
//! (STANDARDS §9), and no caller can keep the others from being heard.

mod app;
mod http_house;

use axum::body::Body;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_house::{
    EVERYTHING, KEY, Moody, NOW, SCRAPER, Shop, TRACKS, basic, config, events, posted, request_at,
};
use hyper::{Request, StatusCode};
use reveille::domain::event::Event;
use reveille::domain::id::CustomerId;
use reveille::domain::preference::ConsentState;
use reveille::domain::record::Record;
use reveille::domain::time::{Span, Timestamp};
use reveille::http::faces::Serves;
use reveille::http::pulse::Pulse;
use reveille::http::server::Limits;
use reveille::store::memory::MemoryStore;
use reveille::store::{Batch, Store, keys};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn track(user: &str, message: &str) -> Value {
    json!({ "type": "track", "userId": user, "event": "Product Added", "messageId": message,
            "timestamp": "2026-03-02T08:59:00Z", "properties": { "cart_id": "k-1" } })
}

fn batch(messages: &[Value]) -> Value {
    json!({ "batch": messages, "sentAt": NOW })
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn one_message_id_is_one_event_in_a_call_in_another_and_after_a_restart() {
    let store = Arc::new(MemoryStore::new());
    let shop = Shop::open_on(store.clone(), "", &[]).await;
    let twice = batch(&[track("c-1", "m-1"), track("c-1", "m-1")]);
    assert!(shop.send("/v1/batch", &twice).await.done(1, 1).is_empty());
    // Sent again, as SDKs do it: the same messages under a new `sentAt`.
    let again = json!({ "batch": [track("c-1", "m-1")], "sentAt": "2026-03-02T09:00:07Z" });
    shop.send("/v1/batch", &again).await.done(0, 1);
    shop.send("/v1/track", &track("c-1", "m-1"))
        .await
        .done(0, 1);

    let app = shop.close().await.reopen(store).await;
    let shop = Shop::before(app, Limits::default(), EVERYTHING).await;
    shop.send("/v1/batch", &again).await.done(0, 1);
    shop.send("/v1/track", &track("c-1", "m-2"))
        .await
        .done(1, 0);
    assert_eq!(shop.events("c-1").await.len(), 2);
}

#[tokio::test]
async fn messages_without_an_id_are_told_apart_unless_time_and_content_are_the_same() {
    let shop = Shop::open().await;
    let view = json!({ "userId": "c-1", "event": "Product Viewed", "properties": { "sku": 1 } });
    for _ in 0..2 {
        shop.send("/v1/track", &view).await.done(1, 0);
    }
    let mut timed = view;
    timed["timestamp"] = "2026-03-01T12:00:00Z".into();
    timed["sentAt"] = NOW.into();
    shop.send("/v1/track", &timed).await.done(1, 0);
    timed["sentAt"] = "2026-03-02T09:00:30Z".into();
    shop.send("/v1/track", &timed).await.done(0, 1);
    assert_eq!(shop.events("c-1").await.len(), 3);
}

#[tokio::test]
async fn the_limits_are_met_to_the_byte_and_to_the_message() {
    let shop = Shop::open().await;
    let padded = |user: &str, length: usize| {
        let with = |pad: usize| {
            let pad = "x".repeat(pad);
            json!({ "type": "track", "userId": user, "event": "e", "messageId": user, "properties": { "p": pad } })
                .to_string()
        };
        let text = with(length - with(0).len());
        assert_eq!(text.len(), length);
        text
    };
    const EVENT: usize = 32 * 1024;
    shop.post("/v1/track", padded("e-1", EVENT - 1))
        .await
        .done(1, 0);
    shop.post("/v1/track", padded("e-2", EVENT))
        .await
        .done(1, 0);
    let long = shop
        .post("/v1/track", padded("e-3", EVENT + 1))
        .await
        .error(400);
    assert!(long.contains("longer than 32 KB"), "{long}");

    const BATCH: usize = 500 * 1024;
    let filled = |length: usize| {
        let one = padded("b-1", 30_000);
        let list = vec![one; 16].join(",");
        let rest = length - r#"{"batch":[],"context":""}"#.len() - list.len();
        let text = format!(r#"{{"batch":[{list}],"context":"{}"}}"#, "x".repeat(rest));
        assert_eq!(text.len(), length);
        text
    };
    shop.post("/v1/batch", filled(BATCH - 1)).await.done(1, 15);
    shop.post("/v1/batch", filled(BATCH)).await.done(0, 16);
    let large = shop.post("/v1/batch", filled(BATCH + 1)).await.error(400);
    assert!(large.contains("500 KB"), "{large}");
    let large = shop.post("/v1/batch", filled(BATCH * 3)).await.error(400);
    assert!(large.contains("500 KB"), "{large}");

    let many = |count: usize| {
        let one = |n: usize| json!({ "type": "track", "userId": "m", "event": "e", "messageId": n.to_string() });
        batch(&(0..count).map(one).collect::<Vec<_>>())
    };
    shop.send("/v1/batch", &many(2_500)).await.done(2_500, 0);
    let more = shop.send("/v1/batch", &many(2_501)).await.error(400);
    assert!(more.contains("2500 at most"), "{more}");
    shop.send("/v1/batch", &many(0)).await.done(0, 0);

    let id = |length: usize| track("i", &"i".repeat(length));
    shop.send("/v1/track", &id(99)).await.done(1, 0);
    let long = shop.send("/v1/track", &id(100)).await.error(400);
    assert!(long.contains("messageId"), "{long}");
}

#[tokio::test]
async fn a_senders_clock_is_corrected_by_what_it_says_when_it_sent() {
    let shop = Shop::open().await;
    // Two hours fast: happened ten minutes before it was sent, sent now.
    let mut skewed = track("c-1", "m-1");
    skewed["timestamp"] = "2026-03-02T10:50:00Z".into();
    let body = json!({ "batch": [skewed], "sentAt": "2026-03-02T11:00:00Z" });
    shop.send("/v1/batch", &body).await.done(1, 0);
    // A clock that was never set; `originalTimestamp` goes before.
    let body = json!({ "userId": "c-1", "event": "e", "messageId": "m-2", "timestamp": "2026-01-01T00:00:00Z",
        "originalTimestamp": "1970-01-01T00:00:10Z", "sentAt": "1970-01-01T00:00:40Z" });
    shop.send("/v1/track", &body).await.done(1, 0);
    // Behind; no `sentAt` that can be read: taken as told.
    let mut plain = track("c-1", "m-3");
    plain["sentAt"] = "yesterday".into();
    shop.send("/v1/track", &plain).await.done(1, 0);
    let times: Vec<String> = (shop.events("c-1").await.iter())
        .map(|e| e.time.to_string())
        .collect();
    let at = |text: &str| Timestamp::parse_rfc3339(text).unwrap().to_string();
    assert_eq!(
        times,
        [
            at("2026-03-02T08:50:00Z"),
            at("2026-03-02T08:59:30Z"),
            at("2026-03-02T08:59:00Z")
        ]
    );
}

async fn record(shop: &Shop, id: &str) -> Record {
    let id = CustomerId::shown(id).unwrap();
    shop.app.core.whom(&id).await.unwrap().unwrap().1.unwrap()
}

#[tokio::test]
async fn the_ledger_keeps_where_a_consent_was_said_as_the_sender_tells() {
    let shop = Shop::open().await;
    let contexts = [
        (
            json!({ "ip": "203.0.113.7", "page": { "url": "/" } }),
            Some("203.0.113.7"),
        ),
        (json!({ "ip": "::ffff:203.0.113.8" }), Some("203.0.113.8")),
        (json!({ "ip": "not an address" }), None),
        (json!({ "ip": 7 }), None),
        (json!([{ "ip": "203.0.113.9" }]), None),
        (json!("203.0.113.9"), None),
        (json!(null), None),
    ];
    for (n, (context, kept)) in contexts.into_iter().enumerate() {
        let id = format!("c-{n}");
        let told = json!({ "userId": id, "timestamp": NOW, "context": context,
            "traits": { "email": format!("{id}@customers.example"), "consent": true } });
        shop.send("/v1/identify", &told).await.done(1, 0);
        let no = record(&shop, &id).await.no;
        let ledger = shop.app.core.consent_ledger(no).await.unwrap();
        let addresses: Vec<_> = ledger.iter().map(|row| row.address.as_deref()).collect();
        assert_eq!(addresses, [kept], "{context}");
    }
}

/// The answer to an `identify` is lost, and its sender tells it once more.
#[tokio::test]
async fn a_copy_of_an_identify_undoes_nothing_that_was_said_since() {
    let store = Arc::new(MemoryStore::new());
    let mut shop = Shop::open_on(store.clone(), "", &[]).await;
    let identify = |message: Option<&str>| {
        json!({ "type": "identify", "userId": "mina", "messageId": message, "timestamp": NOW,
                "traits": { "email": "mina@customers.example", "city": "Seoul", "consent": true,
                            "window": "Mon-Fri 09:00-18:00", "pause_until": null } })
    };
    let body = |message| json!({ "batch": [identify(message)], "sentAt": "2026-03-02T09:00:01Z" });
    let both = [Some("i-1"), None];
    for message in both {
        shop.send("/v1/batch", &body(message)).await.done(1, 0);
    }
    shop.app.advance(Span::minutes(10)).await;
    shop.app.consent("mina", ConsentState::Refused).await;
    let later = json!({ "userId": "mina", "messageId": "i-2",
        "traits": { "email": "new@customers.example", "city": "Busan", "window": "19:00-21:00" } });
    shop.send("/v1/identify", &later).await.done(1, 0);
    let stands = record(&shop, "mina").await;
    shop.app.advance(Span::minutes(20)).await;
    for restarted in [false, true] {
        if restarted {
            let app = shop.close().await.reopen(store.clone()).await;
            shop = Shop::before(app, Limits::default(), EVERYTHING).await;
        }
        for message in both {
            shop.send("/v1/batch", &body(message)).await.done(0, 1);
            let mut alone = identify(message);
            alone["sentAt"] = "2026-03-02T09:30:00Z".into();
            shop.send("/v1/identify", &alone).await.done(0, 1);
        }
        let after = record(&shop, "mina").await;
        assert_eq!(after.consents, stands.consents);
        assert_eq!(after.consents[&None].state, ConsentState::Refused);
        assert_eq!(after.email, stands.email);
        assert_eq!(after.attributes, stands.attributes);
        assert_eq!(after.preferences, stands.preferences);
    }
    // One that nobody knows any more, or tells something besides, gives no consent anew either.
    let mut other = identify(Some("i-3"));
    other["sentAt"] = "2026-03-02T09:00:01Z".into();
    shop.send("/v1/identify", &other).await.done(1, 0);
    let after = record(&shop, "mina").await;
    assert_eq!(after.consents[&None].state, ConsentState::Refused);
    // An event may bear the identify's `messageId`.
    shop.send("/v1/track", &track("mina", "i-1"))
        .await
        .done(1, 0);
}

#[tokio::test]
async fn a_copy_of_what_a_visitor_told_is_known_once_they_are_a_customer() {
    let shop = Shop::open().await;
    let told = json!({ "anonymousId": "v-1", "messageId": "i-1", "timestamp": NOW,
                       "traits": { "city": "Seoul", "consent": true } });
    shop.send("/v1/identify", &told).await.done(1, 0);
    let mina = json!({ "userId": "mina", "anonymousId": "v-1", "traits": { "city": "Busan" } });
    shop.send("/v1/identify", &mina).await.done(1, 0);
    shop.send("/v1/identify", &told).await.done(0, 1);
    let stands = record(&shop, "mina").await;
    assert_eq!(stands.attributes["city"].as_text(), Some("Busan"));
}

#[tokio::test]
async fn a_clock_that_was_set_between_telling_and_sending_loses_no_message() {
    let shop = Shop::open().await;
    for (nth, (told, sent, happened)) in [
        (
            "2026-03-02T08:59:00Z",
            "9999-01-01T00:00:00Z",
            "2026-03-02T08:59:00Z",
        ),
        (
            "2026-03-02T08:58:00Z",
            "1970-01-01T00:00:05Z",
            "2026-03-02T08:58:00Z",
        ),
        // Set forward, and no clock to go by.
        ("1970-01-01T00:00:00Z", "2026-03-02T09:00:00Z", NOW),
        ("1970-01-01T00:00:00Z", "yesterday", NOW),
        ("2030-01-01T00:00:00Z", "2026-03-02T09:00:00Z", NOW),
        // Two clocks of one sender.
        ("2026-03-02T08:57:00Z", "2026-03-02T08:56:30Z", NOW),
        (
            "2026-03-02T08:56:00Z",
            "2026-03-02T08:54:30Z",
            "2026-03-02T08:56:00Z",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let user = format!("c-{nth}");
        let mut message = track(&user, "m");
        message["timestamp"] = told.into();
        message["sentAt"] = sent.into();
        shop.send("/v1/track", &message).await.done(1, 0);
        let event = shop.events(&user).await.remove(0);
        assert_eq!(
            event.time,
            Timestamp::parse_rfc3339(happened).unwrap(),
            "{told} {sent}"
        );
    }
}

#[tokio::test]
async fn gzip_and_json_are_known_by_content_whatever_their_labels_say() {
    let shop = Shop::open().await;
    let body = |message: &str| batch(&[track("c-1", message)]).to_string();
    let labels = [
        ("m-1", "application/json", None),
        ("m-2", "application/x-www-form-urlencoded", None),
        ("m-3", "text/plain", Some("gzip")),
        ("m-4", "image/png", Some("br")),
    ];
    for (packed, prefix) in [(true, "z"), (false, "p")] {
        for (message, kind, encoding) in labels {
            let text = body(&format!("{prefix}{message}")).into_bytes();
            let bytes = if packed { gzip(&text) } else { text };
            let mut request = posted("/v1/batch", KEY, bytes);
            let headers = request.headers_mut();
            headers.insert("content-type", kind.parse().unwrap());
            if let Some(encoding) = encoding {
                headers.insert("content-encoding", encoding.parse().unwrap());
            }
            shop.request(request).await.done(1, 0);
        }
    }
    assert_eq!(shop.events("c-1").await.len(), 8);
    // Two members in a row are one text; half of one is none; a bomb is stopped at the limit.
    let text = body("two").into_bytes();
    let (a, b) = text.split_at(20);
    shop.post("/v1/batch", [gzip(a), gzip(b)].concat())
        .await
        .done(1, 0);
    let mut half = gzip(&text);
    half.truncate(half.len() / 2);
    let bad = shop.post("/v1/batch", half).await.error(400);
    assert!(bad.contains("gzip"), "{bad}");
    let bomb = gzip(&vec![b' '; 256 << 20]);
    assert!(bomb.len() < 500 * 1024);
    let bad = shop.post("/v1/batch", bomb).await.error(400);
    assert!(bad.contains("500 KB"), "{bad}");
}

#[tokio::test]
async fn a_key_is_shown_in_one_of_three_ways_and_does_what_it_may() {
    let shop = Shop::open().await;
    let body = |n: u32| track("c-1", &format!("m-{n}"));
    let with = |header: Option<String>, body: &Value| {
        let mut request = Request::post("/v1/track");
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        request.body(Body::from(body.to_string())).unwrap()
    };
    shop.request(with(Some(basic(KEY)), &body(1)))
        .await
        .done(1, 0);
    shop.request(with(Some(format!("Bearer {KEY}")), &body(2)))
        .await
        .done(1, 0);
    let mut inside = body(3);
    inside["writeKey"] = KEY.into();
    shop.request(with(None, &inside)).await.done(1, 0);
    let mut all = batch(&[body(4)]);
    all["writeKey"] = TRACKS.into();
    let request = Request::post("/v1/batch")
        .body(Body::from(all.to_string()))
        .unwrap();
    shop.request(request).await.done(1, 0);

    let mut wrong = body(5);
    wrong["writeKey"] = "rvl_wrong".into();
    for (header, body) in [
        (None, &body(5)),
        (None, &wrong),
        (Some(basic("rvl_wrong")), &inside),
        (Some(basic("")), &body(5)),
        (Some("nonsense".to_owned()), &inside),
        (Some(basic(&KEY[..KEY.len() - 1])), &body(5)),
    ] {
        let refused = shop.request(with(header, body)).await;
        assert!(refused.headers.contains_key("www-authenticate"));
        refused.error(401);
    }

    let who = json!({ "type": "identify", "userId": "c-1", "traits": {} });
    let refused = shop
        .request(posted("/v1/identify", TRACKS, who.to_string()))
        .await;
    assert!(refused.error(403).contains("identify"));
    let mixed = batch(&[who.clone(), body(6)]);
    let errors = shop
        .request(posted("/v1/batch", TRACKS, mixed.to_string()))
        .await
        .done(1, 0);
    assert_eq!(errors[0]["index"], 0);
    let none = batch(&[who]);
    shop.request(posted("/v1/batch", TRACKS, none.to_string()))
        .await
        .error(403);
    assert_eq!(shop.events("c-1").await.len(), 5);
}

#[tokio::test]
async fn a_bad_message_loses_none_of_the_good_ones() {
    let shop = Shop::open().await;
    let body = json!({ "sentAt": NOW, "batch": [
        track("c-1", "m-1"),
        { "type": "track", "userId": "c-1", "messageId": "m-2" },
        "nonsense",
        { "type": "identify", "userId": "c-1", "messageId": "m-3", "traits": { "email": "no address" } },
        { "type": "track", "userId": "c-1", "event": "Nested", "messageId": "m-4",
          "properties": (0..40).fold(json!(1), |inner, _| json!([inner])) },
        { "type": "tracks", "userId": "c-1" },
        { "type": "track", "event": "Nobody" },
        { "type": "track", "userId": "anon:x", "event": "e" },
        track("c-2", "m-5"),
        { "type": "identify", "userId": "c-2", "messageId": "m-6", "traits": { "email": "two@customers.example" } },
    ] });
    let errors = shop.send("/v1/batch", &body).await.done(3, 0);
    let told: Vec<(u64, &str)> = (errors.iter())
        .map(|e| (e["index"].as_u64().unwrap(), e["error"].as_str().unwrap()))
        .collect();
    let expected = [
        (1, "event is missing"),
        (2, "one JSON object"),
        (3, "email"),
        (4, "nested deeper"),
        (5, "type \"tracks\" is not"),
        (6, "userId and anonymousId are missing"),
        (7, "anonymous"),
    ];
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for ((index, error), (place, text)) in told.iter().zip(expected) {
        assert_eq!(*index, place);
        assert!(error.contains(text), "{error}");
    }
    assert_eq!(shop.events("c-1").await.len(), 1);
    assert_eq!(shop.events("c-2").await.len(), 1);
    for bad in [
        "",
        "{",
        "[]",
        "null",
        "\"x\"",
        "{}",
        r#"{"batch":{}}"#,
        "{\"batch\":[1,}",
    ] {
        shop.post("/v1/batch", bad).await.error(400);
    }
    // A single message is the request.
    shop.send("/v1/track", &json!({ "userId": "c-1" }))
        .await
        .error(400);
    shop.send("/v1/identify", &track("c-1", "m-9"))
        .await
        .error(400);
}

#[tokio::test]
async fn each_call_becomes_what_the_page_says() {
    let shop = Shop::open().await;
    let send = |path: &'static str, body: Value| {
        let shop = &shop;
        async move { shop.send(path, &body).await.done(1, 0) }
    };
    send(
        "/v1/page",
        json!({ "anonymousId": "v-1", "name": "Home", "properties": { "url": "/" } }),
    )
    .await;
    send(
        "/v1/screen",
        json!({ "anonymousId": "v-1", "name": "Cart", "category": "Shop" }),
    )
    .await;
    send(
        "/v1/group",
        json!({ "userId": 7, "groupId": "g-1", "traits": { "plan": "pro" } }),
    )
    .await;
    send(
        "/v1/identify",
        json!({ "userId": "c-1", "anonymousId": "v-1", "traits": { "email": "c@shop.example" } }),
    )
    .await;
    send("/v1/alias", json!({ "previousId": "v-1", "userId": "c-1" })).await;
    let view = |e: &Event| {
        let properties: Vec<String> = e
            .properties
            .iter()
            .map(|(k, v)| format!("{k}={}", v.to_json()))
            .collect();
        format!("{} {}", e.name, properties.join(" "))
    };
    let visitor: Vec<String> = shop.events("c-1").await.iter().map(view).collect();
    assert_eq!(
        visitor,
        [
            r#"Page Viewed name="Home" url="/""#,
            r#"Screen Viewed category="Shop" name="Cart""#
        ]
    );
    let grouped: Vec<String> = shop.events("7").await.iter().map(view).collect();
    assert_eq!(grouped, [r#"Group Joined group_id="g-1" plan="pro""#]);
    for (path, body) in [
        ("/v1/group", json!({ "userId": "c-1" })),
        ("/v1/alias", json!({ "userId": "c-1" })),
        ("/v1/alias", json!({ "previousId": "v-1" })),
        ("/v1/page", json!({ "name": "Home" })),
    ] {
        let error = shop.send(path, &body).await.error(400);
        assert!(error.contains("missing"), "{error}");
    }
}

#[tokio::test]
async fn a_visitors_cart_is_the_customers_once_they_say_who_they_are() {
    let campaign = app::shipped("cart_reminder.toml");
    let campaigns = [("cart_reminder.toml", campaign.as_str())];
    let shop = Shop::open_on(Arc::new(MemoryStore::new()), "", &campaigns).await;
    let added = |visitor: &str| {
        json!({ "type": "track", "anonymousId": visitor, "event": "Product Added",
                "properties": { "cart_id": visitor, "product_id": "p-1", "name": "Blue cup" } })
    };
    let is = |user: &str, visitor: Option<&str>| {
        json!({ "type": "identify", "userId": user, "anonymousId": visitor, "timestamp": NOW, "messageId": user,
                "traits": { "email": format!("{user}@customers.example"), "timezone": "Asia/Seoul", "consent": true } })
    };
    let carts = [added("v-1"), added("v-2"), added("v-3")];
    shop.send("/v1/batch", &batch(&carts)).await.done(3, 0);
    shop.app.advance(Span::hours(2)).await;
    // One by an identify, one by an alias, one in the call in which the cart came; the third orders.
    let known = [
        is("mina", Some("v-1")),
        is("joon", None),
        json!({ "type": "alias", "previousId": "v-2", "userId": "joon" }),
        is("sora", Some("v-3")),
        json!({ "type": "track", "anonymousId": "v-3", "event": "Order Completed", "messageId": "o-1",
                "properties": { "cart_id": "v-3" } }),
    ];
    shop.send("/v1/batch", &json!({ "batch": known }))
        .await
        .done(5, 0);
    // Told again it changes nothing; two whom the shop knows stay two; a visitor has one owner.
    shop.send("/v1/identify", &is("mina", Some("v-1"))).await;
    // Whoever was forgotten comes back by neither form of the id.
    shop.send("/v1/identify", &is("gone", None)).await;
    let gone = CustomerId::parse("gone").unwrap();
    shop.app.core.forget(&gone).await.unwrap();
    let back = json!({ "previousId": "gone", "userId": "mina" });
    shop.send("/v1/alias", &back).await;
    let visitor = CustomerId::shown("anon:gone").unwrap();
    assert_eq!(shop.app.core.whom(&visitor).await, Ok(None));
    let two = json!({ "previousId": "joon", "userId": "mina" });
    let error = shop.send("/v1/alias", &two).await.error(400);
    assert!(error.contains("only anonymous"), "{error}");
    let errors = shop
        .send("/v1/batch", &batch(&[is("joon", Some("v-1"))]))
        .await;
    assert_eq!(errors.status, 200);
    assert!(
        errors.text().contains("belongs to another"),
        "{}",
        errors.text()
    );

    shop.app.advance(Span::hours(23)).await;
    let mut to: Vec<String> = (shop.app.mails().iter())
        .map(|(_, mail)| {
            let line = mail.lines().find(|line| line.starts_with("To: ")).unwrap();
            line.to_owned()
        })
        .collect();
    to.sort();
    assert_eq!(to.len(), 2, "{to:?}");
    assert!(to[0].contains("joon@") && to[1].contains("mina@"), "{to:?}");
    let request = Request::get("/metrics").header("authorization", basic(SCRAPER));
    let metrics = shop
        .request(request.body(Body::empty()).unwrap())
        .await
        .text();
    let sent = "reveille_decisions_total{status=\"accepted\"} 2";
    assert!(metrics.lines().any(|line| line == sent), "{metrics}");
}

/// Senders don't keep the order of what happened.
#[tokio::test]
async fn an_order_that_comes_in_before_its_cart_ends_the_reminder() {
    let campaign = app::shipped("cart_reminder.toml");
    let campaigns = [("cart_reminder.toml", campaign.as_str())];
    let shop = Shop::open_on(Arc::new(MemoryStore::new()), "", &campaigns).await;
    for customer in ["mina", "joon"] {
        shop.app.sign_up(customer, "Asia/Seoul").await;
    }
    // What happened before the campaign went live would be history.
    shop.app.advance(Span::hours(1)).await;
    let sent = |messages: &[Value]| json!({ "batch": messages, "sentAt": "2026-03-02T10:00:00Z" });
    let told = |user: &str, event: &str, at: &str| {
        json!({ "type": "track", "userId": user, "event": event, "messageId": format!("{user} {event}"),
                "timestamp": at, "properties": { "cart_id": user, "product_id": "p-1", "name": "Blue cup" } })
    };
    let order = told("mina", "Order Completed", "2026-03-02T09:50:00Z");
    shop.send("/v1/batch", &sent(&[order])).await.done(1, 0);
    let late = ["mina", "joon"].map(|user| told(user, "Product Added", "2026-03-02T09:40:00Z"));
    shop.send("/v1/batch", &sent(&late)).await.done(2, 0);
    shop.app.advance(Span::hours(26)).await;
    let mails = shop.app.mails();
    assert_eq!(mails.len(), 1, "only who did not order is reminded");
    assert!(mails[0].1.contains("joon@"), "{}", mails[0].1);
}

#[tokio::test]
async fn too_much_at_once_is_put_off_and_a_full_disk_too() {
    let store = Moody::new();
    let shop = Arc::new(Shop::open_on(store.clone(), "in_hand = \"1KB\"", &[]).await);
    store.shut(true);
    let first = tokio::spawn({
        let shop = Arc::clone(&shop);
        async move { shop.send("/v1/track", &track("c-1", "m-1")).await }
    });
    store.waits.notified().await;
    let busy = shop.send("/v1/track", &track("c-1", "m-2")).await;
    assert_eq!(busy.headers["retry-after"], "1");
    let reset: i64 = busy.headers["x-ratelimit-reset"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(reset, shop.app.now().millis() / 1_000 + 1);
    busy.error(429);
    store.shut(false);
    first.await.unwrap().done(1, 0);
    shop.send("/v1/track", &track("c-1", "m-2"))
        .await
        .done(1, 0);

    store.full(true);
    let full = shop.send("/v1/track", &track("c-1", "m-3")).await;
    assert!(full.headers.contains_key("retry-after"));
    assert_eq!(full.error(503), "the disk is full");
    store.full(false);
    shop.send("/v1/track", &track("c-1", "m-3"))
        .await
        .done(1, 0);
    assert_eq!(shop.events("c-1").await.len(), 3);
}

/// A request that announces so many bytes more than it has sent; the answer comes when the rest is sent.
async fn begun(shop: &Shop, header: &str, sent: usize, more: usize) -> TcpStream {
    let mut stream = TcpStream::connect(shop.address).await.unwrap();
    let head = format!(
        "POST /v1/batch HTTP/1.1\r\nhost: x\r\n{header}content-length: {}\r\n\r\n",
        sent + more
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b' '; sent]).await.unwrap();
    stream
}

#[tokio::test]
async fn what_nobody_vouches_for_is_counted_as_it_comes_and_a_wrong_key_keeps_nothing() {
    let store = Arc::new(MemoryStore::new());
    let shop = Shop::open_on(store, "in_hand = \"64KB\"", &[]).await;
    // Whose it is stands in its body, which is still to come.
    let mut slow = begun(&shop, "", 48 << 10, 1).await;
    let kept = async {
        while shop.outside.ingest.in_hand() < 48 << 10 {
            tokio::task::yield_now().await;
        }
    };
    (tokio::time::timeout(Duration::from_secs(20), kept).await)
        .expect("bytes that were not counted");

    let large = || "x".repeat(32 << 10);
    let wrong = posted("/v1/batch", "rvl_wrong", large());
    shop.request(wrong).await.error(401);
    let unnamed = |body: Vec<u8>| Request::post("/v1/batch").body(Body::from(body)).unwrap();
    let put_off = shop.request(unnamed(large().into_bytes())).await;
    assert!(put_off.headers.contains_key("retry-after"));
    put_off.error(429);
    // Small as it is sent, large as it is unpacked.
    let bomb = gzip(&vec![b' '; 400 << 10]);
    assert!(bomb.len() < 8 << 10);
    shop.request(unnamed(bomb.clone())).await.error(429);
    shop.send("/v1/track", &track("c-1", "m-1"))
        .await
        .done(1, 0);

    slow.write_all(b" ").await.unwrap();
    let mut answer = [0; 12];
    slow.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
    shop.request(unnamed(bomb)).await.error(400);
    assert_eq!(shop.outside.ingest.in_hand(), 0);
}

#[tokio::test]
async fn a_join_with_a_customer_who_cannot_be_read_is_an_error_of_that_message() {
    let store = Arc::new(MemoryStore::new());
    let shop = Shop::open_on(store.clone(), "", &[]).await;
    shop.send("/v1/track", &track("bad", "m-0"))
        .await
        .done(1, 0);
    let damage = Batch {
        puts: vec![(
            keys::record(shop.app.customer("bad").await),
            b"not a record".to_vec(),
        )],
        ..Batch::default()
    };
    store.commit(damage).await.unwrap();
    let alias = |previous: &str, user: &str| json!({ "type": "alias", "previousId": previous, "userId": user });
    let seen = |visitor: &str| json!({ "type": "track", "anonymousId": visitor, "event": "Product Added", "messageId": visitor });
    let body = json!({ "sentAt": NOW, "batch": [
        seen("v-1"), seen("v-2"), seen("v-3"),
        alias("v-1", "bad"),
        { "type": "identify", "userId": "bad", "anonymousId": "v-2", "messageId": "i-1", "traits": {} },
        alias("v-3", "c-1"),
        track("c-1", "m-1"),
        alias("bad", "c-1"),
    ] });
    let errors = shop.send("/v1/batch", &body).await.done(5, 0);
    let places: Vec<&Value> = errors.iter().map(|e| &e["index"]).collect();
    assert_eq!(places, [3, 4, 7], "{errors:?}");
    for error in &errors {
        let error = error["error"].as_str().unwrap();
        assert!(error.contains("cannot be read"), "{error}");
    }
    assert_eq!(shop.events("c-1").await.len(), 2);
    let alone = shop.send("/v1/alias", &alias("v-1", "bad")).await;
    assert!(alone.error(400).contains("cannot be read"));
}

#[tokio::test]
async fn a_customer_whose_number_cannot_be_read_holds_up_nobody_else() {
    let store = Arc::new(MemoryStore::new());
    let shop = Shop::open_on(store.clone(), "", &[]).await;
    shop.send("/v1/track", &track("bad", "m-0"))
        .await
        .done(1, 0);
    let bad = CustomerId::parse("bad").unwrap();
    let damage = Batch {
        puts: vec![(keys::id(&bad), b"no number".to_vec())],
        ..Batch::default()
    };
    store.commit(damage).await.unwrap();
    let body = batch(&[
        track("c-1", "m-1"),
        track("bad", "m-2"),
        track("c-2", "m-3"),
    ]);
    let errors = shop.send("/v1/batch", &body).await.done(2, 0);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0]["index"], 1);
    assert!(
        errors[0]["error"]
            .as_str()
            .unwrap()
            .contains("cannot be read")
    );
    let alias = json!({ "previousId": "v-1", "userId": "bad" });
    let error = shop.send("/v1/alias", &alias).await.error(400);
    assert!(error.contains("cannot be read"), "{error}");
    // No second number.
    assert_eq!(shop.app.core.directory.count().await.unwrap(), 3);
    assert!(shop.app.core.directory.find(&[bad]).await.is_err());
}

#[tokio::test]
async fn newcomers_who_wait_are_admitted_in_one_commit() {
    let store = Moody::new();
    let shop = Shop::open_on(store.clone(), "", &[]).await;
    let directory = &shop.app.core.directory;
    let admit = |n: usize| async move {
        // Each second one is asked for twice.
        let ids = [n, n / 2 * 2].map(|n| CustomerId::parse(&format!("c-{n}")).unwrap());
        directory.admit(&ids).await.unwrap()
    };
    let before = store.commits();
    store.shut(true);
    let mut all = Box::pin(futures_util::future::join_all((0..40).map(admit)));
    assert!(futures_util::poll!(&mut all).is_pending());
    store.shut(false);
    let given = all.await;
    assert_eq!(
        store.commits() - before,
        2,
        "the first alone, then all others"
    );
    let mut numbers: Vec<_> = given
        .iter()
        .map(|two| two[0].clone().unwrap().unwrap())
        .collect();
    assert_eq!(given[0][0], given[1][1]);
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 40);
}

#[tokio::test]
async fn many_visitors_who_say_who_they_are_at_once_are_all_known() {
    let shop = Shop::open().await;
    let seen = |n: usize| json!({ "type": "track", "anonymousId": format!("v-{n}"), "event": "Cart Viewed", "messageId": "s" });
    let is = |n: usize| json!({ "type": "identify", "userId": format!("c-{n}"), "anonymousId": format!("v-{n}"), "messageId": "i" });
    let two = [
        seen(1),
        json!({ "type": "alias", "previousId": "v-1", "userId": "c-2" }),
    ];
    let body: Vec<Value> = (0..300)
        .map(seen)
        .chain((0..300).map(is))
        .chain(two)
        .collect();
    let errors = shop.send("/v1/batch", &batch(&body)).await.done(600, 1);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0]["index"], 601);
    for n in [0, 1, 2, 299] {
        assert_eq!(shop.events(&format!("c-{n}")).await.len(), 1, "{n}");
    }
}

#[tokio::test]
async fn pages_of_named_origins_may_send_from_a_browser_and_no_others() {
    let asked = |origin: &str, path: &str| {
        Request::options(path)
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization,content-type",
            )
            .body(Body::empty())
            .unwrap()
    };
    let (ours, theirs) = ("https://shop.example", "https://shop.example.evil.example");
    let sent = |origin: &str| {
        let mut request = posted("/v1/track", KEY, track("c-1", "m-1").to_string());
        (request.headers_mut()).insert("origin", origin.parse().unwrap());
        request
    };
    let config = format!("origins = [\"{ours}\"]");
    let shop = Shop::open_on(Arc::new(MemoryStore::new()), &config, &[]).await;
    let may = shop.request(asked(ours, "/v1/batch")).await;
    assert_eq!(may.status, 204);
    assert_eq!(may.headers["access-control-allow-origin"], ours);
    assert_eq!(may.headers["access-control-allow-methods"], "POST");
    let allowed = may.headers["access-control-allow-headers"]
        .to_str()
        .unwrap();
    assert!(allowed.contains("authorization") && allowed.contains("content-type"));
    assert!(!may.headers.contains_key("access-control-allow-credentials"));
    let taken = shop.request(sent(ours)).await;
    assert_eq!(taken.headers["access-control-allow-origin"], ours);
    assert_eq!(taken.headers["vary"], "origin");
    taken.done(1, 0);
    // A refusal is shown to the page too.
    let refused = Request::post("/v1/track")
        .header("origin", ours)
        .body(Body::from("{}"));
    let refused = shop.request(refused.unwrap()).await;
    assert_eq!(refused.headers["access-control-allow-origin"], ours);
    refused.error(401);
    for origin in [theirs, "null", "http://shop.example"] {
        let no = shop.request(asked(origin, "/v1/batch")).await;
        assert_eq!(no.status, 405);
        assert!(!no.headers.contains_key("access-control-allow-origin"));
        let sent = shop.request(sent(origin)).await;
        assert!(!sent.headers.contains_key("access-control-allow-origin"));
    }
    let elsewhere = shop.request(asked(ours, "/metrics")).await;
    assert!(
        !elsewhere
            .headers
            .contains_key("access-control-allow-origin")
    );

    let shop = Shop::open().await;
    assert_eq!(shop.request(asked(ours, "/v1/batch")).await.status, 405);
    let all = Shop::open_on(Arc::new(MemoryStore::new()), "origins = [\"*\"]", &[]).await;
    let may = all.request(asked(theirs, "/v1/batch")).await;
    assert_eq!(may.headers["access-control-allow-origin"], "*");
}

/// JavaScript cuts strings by halves of characters.
#[tokio::test]
async fn half_a_character_loses_no_message() {
    let shop = Shop::open().await;
    let order = |message: &str| {
        format!(
            r#"{{"type":"track","userId":"c-1","event":"Order Completed","messageId":"{message}","properties":{{"note":"Tea \ud83d","whole":"\ud83d\ude00"}}}}"#
        )
    };
    shop.post("/v1/track", order("m-1")).await.done(1, 0);
    let body = format!(
        r#"{{"context":{{"title":"\udc00"}},"batch":[{}]}}"#,
        order("m-2")
    );
    shop.post("/v1/batch", body).await.done(1, 0);
    for event in shop.events("c-1").await {
        assert_eq!(event.properties["note"].as_text(), Some("Tea \u{fffd}"));
        assert_eq!(event.properties["whole"].as_text(), Some("😀"));
    }
    assert_eq!(shop.events("c-1").await.len(), 2);
}

#[tokio::test]
async fn of_a_key_that_stands_twice_the_last_counts_and_a_message_may_have_a_batch() {
    let shop = Shop::open().await;
    let body = r#"{"sentAt":"2026-03-02T08:00:00Z","batch":7,"sentAt":"2026-03-02T09:00:00Z",
        "batch":[{"type":"track","userId":"c-1","event":"x","event":"y","messageId":"m","timestamp":"2026-03-02T08:50:00Z"}]}"#;
    shop.post("/v1/batch", body).await.done(1, 0);
    let event = shop.events("c-1").await.remove(0);
    assert_eq!(event.name.as_str(), "y");
    assert_eq!(
        event.time,
        Timestamp::parse_rfc3339("2026-03-02T08:50:00Z").unwrap()
    );
    for list in ["7", "null", "{}", "[1]"] {
        let body = format!(
            r#"{{"userId":"c-1","event":"x","messageId":"{}","batch":{list}}}"#,
            list.len()
        );
        assert_eq!(shop.post("/v1/track", body).await.status, 200, "{list}");
    }
    assert_eq!(
        shop.post("/v1/batch", r#"{"batch":{}}"#).await.error(400),
        "batch is not a list"
    );
    assert_eq!(
        shop.post("/v1/batch", r#"{"batch":null}"#).await.error(400),
        "batch is missing"
    );
}

#[tokio::test]
async fn who_has_no_key_leaves_room_for_who_has_one() {
    let store = Arc::new(MemoryStore::new());
    let shop = Shop::open_on(store, "in_hand = \"64KB\"", &[]).await;
    let holds = async |bytes: u64| {
        let held = async {
            while shop.outside.ingest.in_hand() < bytes {
                tokio::task::yield_now().await;
            }
        };
        let held = tokio::time::timeout(Duration::from_secs(20), held).await;
        held.expect("bytes that were not counted");
    };
    let _slow = begun(&shop, "", 14 << 10, 100).await;
    holds(14 << 10).await;
    let unnamed = Request::post("/v1/batch").body(Body::from("x".repeat(4 << 10)));
    shop.request(unnamed.unwrap()).await.error(429);
    shop.send("/v1/track", &track("c-1", "m-1"))
        .await
        .done(1, 0);
    // Who has a key has room for what was announced, before it comes.
    let key = format!("authorization: {}\r\n", basic(KEY));
    let _announced = begun(&shop, &key, 1, 40 << 10).await;
    holds(54 << 10).await;
    let large = "x".repeat(12 << 10);
    shop.post("/v1/track", large).await.error(429);
}

#[tokio::test]
async fn a_daemon_that_stops_finishes_what_it_began_and_puts_off_the_rest() {
    let store = Moody::new();
    let shop = Arc::new(Shop::open_on(store.clone(), "", &[]).await);
    store.shut(true);
    let first = tokio::spawn({
        let shop = Arc::clone(&shop);
        async move { shop.send("/v1/track", &track("c-1", "m-1")).await }
    });
    store.waits.notified().await;
    let ingest = shop.outside.ingest.clone();
    let mut stopping = Box::pin(async move { ingest.stop().await });
    assert!(futures_util::poll!(&mut stopping).is_pending());
    let late = shop.send("/v1/track", &track("c-1", "m-2")).await;
    assert!(late.headers.contains_key("retry-after"));
    assert!(late.error(503).contains("stopping"));
    store.shut(false);
    stopping.await;
    first.await.unwrap().done(1, 0);
    assert_eq!(shop.events("c-1").await.len(), 1);
}

#[tokio::test]
async fn a_sender_that_hangs_up_leaves_all_of_it_or_nothing() {
    let store = Moody::new();
    let shop = Shop::open_on(store.clone(), "", &[]).await;
    let sent = async |body: &str, much: usize| {
        let head = format!(
            "POST /v1/batch HTTP/1.1\r\nhost: shop\r\nauthorization: {}\r\ncontent-length: {}\r\n\r\n",
            basic(KEY),
            body.len()
        );
        let mut stream = TcpStream::connect(shop.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body.as_bytes()[..much]).await.unwrap();
        stream
    };
    // In the middle of the body: nothing of it.
    let body = batch(&[track("c-3", "m-3"), track("c-4", "m-4")]).to_string();
    drop(sent(&body, body.len() - 1).await);
    // While it is being written: all of it, though nobody hears so.
    let body = batch(&[track("c-1", "m-1"), track("c-2", "m-2")]).to_string();
    store.shut(true);
    let stream = sent(&body, body.len()).await;
    store.waits.notified().await;
    drop(stream);
    store.shut(false);
    let app = shop.close().await;
    assert_eq!(events(&app, "c-1").await.len(), 1);
    assert_eq!(events(&app, "c-2").await.len(), 1);
    assert_eq!(events(&app, "c-3").await.len(), 0);
}

#[tokio::test]
async fn slow_and_swollen_callers_are_cut_off() {
    let app = app::App::start_on(Arc::new(MemoryStore::new()), NOW, &config(""), &[]).await;
    let limits = Limits {
        connections: 2,
        header_time: Duration::from_millis(100),
        body_time: Duration::from_millis(100),
        ..Limits::default()
    };
    let shop = Shop::before(app, limits, EVERYTHING).await;
    let cut = async |bytes: String| {
        let mut stream = TcpStream::connect(shop.address).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // Ends only when the other side closes.
        let _ = stream.read_to_string(&mut answer).await;
        answer
    };
    // Headers that never end; two of them take all the room, and whoever comes next waits for it.
    let (a, b, next) = tokio::join!(
        cut("GET /healthz HTTP/1.1\r\nhost: x\r\n".into()),
        cut("GET /healthz HTTP/1.1\r\nx".into()),
        shop.get("/healthz"),
    );
    assert_eq!(
        (a.contains("200 OK"), b.contains("200 OK")),
        (false, false),
        "{a}{b}"
    );
    assert_eq!(next.status, 200);
    let auth = basic(KEY);
    let slow = cut(format!(
        "POST /v1/track HTTP/1.1\r\nhost: x\r\nauthorization: {auth}\r\ncontent-length: 100\r\n\r\n{{"
    ));
    let slow = slow.await;
    assert!(slow.starts_with("HTTP/1.1 408 "), "{slow}");
    // Headers that are too long, or too many.
    let long = cut(format!(
        "GET /healthz HTTP/1.1\r\nx: {}\r\n\r\n",
        "x".repeat(64 << 10)
    ))
    .await;
    assert!(!long.contains("200 OK"), "{long}");
    let many: String = (0..100).map(|n| format!("x-{n}: 1\r\n")).collect();
    let many = cut(format!("GET /healthz HTTP/1.1\r\n{many}\r\n")).await;
    assert!(many.starts_with("HTTP/1.1 431 "), "{many}");
    assert_eq!(shop.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn health_readiness_and_metrics_tell_how_it_is() {
    let shop = Shop::open().await;
    assert_eq!(shop.get("/healthz").await.text(), "alive\n");
    let ready = shop.get("/readyz").await;
    assert_eq!(ready.status, 200);
    assert_eq!(ready.json()["engine"], "advancing");

    shop.send(
        "/v1/batch",
        &batch(&[
            track("c-1", "m-1"),
            track("c-1", "m-1"),
            json!({ "type": "x" }),
        ]),
    )
    .await
    .done(1, 1);
    shop.get("/metrics").await.error(401);
    let asks = |key: &str| {
        let request = Request::get("/metrics").header("authorization", format!("Bearer {key}"));
        shop.request(request.body(Body::empty()).unwrap())
    };
    asks(KEY).await.error(403);
    let metrics = asks(SCRAPER).await;
    assert!(
        metrics.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
    let text = metrics.text();
    for line in [
        "reveille_http_messages_total{type=\"track\",fate=\"taken\"} 1",
        "reveille_http_messages_total{type=\"track\",fate=\"known\"} 1",
        "reveille_http_messages_total{type=\"unreadable\",fate=\"refused\"} 1",
        "reveille_customers 1",
        "reveille_sending_held 0",
        "reveille_poisonous_customers 0",
        "reveille_imports_broken_off 0",
        "# TYPE reveille_hits_shed_total counter",
        "# TYPE reveille_hits_lost_total counter",
        "reveille_store_room 0",
        "reveille_deliveries_total{transport=\"main\",outcome=\"accepted\"} 0",
        "reveille_http_request_duration_seconds_count{route=\"/v1/batch\",method=\"POST\",status=\"200\"} 1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("c-1"), "a customer stands in a metric");
    let mut families = std::collections::BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(name.starts_with("reveille_"), "{name}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name} {kind}");
            assert!(families.insert(name.to_owned()), "{name} twice");
        }
    }

    let app = shop.close().await;
    let mut shop = Shop::before(app, Limits::default(), EVERYTHING).await;
    shop.outside.pulse = Arc::new(Pulse::new(Duration::ZERO));
    let app = shop.outside.router(EVERYTHING);
    let asked = Request::get("/readyz").body(Body::empty()).unwrap();
    let still = tower::ServiceExt::oneshot(app, asked).await.unwrap();
    assert_eq!(still.status(), 503, "an engine that stands still is told");

    let app = shop.close().await;
    let shop = Shop::before(
        app,
        Limits::default(),
        Serves {
            operations: true,
            ..Serves::default()
        },
    )
    .await;
    assert_eq!(
        shop.get("/metrics").await.status,
        200,
        "no key where nobody else comes"
    );
    shop.post("/v1/track", track("c-1", "m-9").to_string())
        .await
        .error(404);
}

#[tokio::test]
async fn every_answer_bears_a_request_id_and_keeps_browsers_in_check() {
    let shop = Shop::open().await;
    let with = |id: &str| {
        let request = Request::get("/healthz").header("x-request-id", id);
        shop.request(request.body(Body::empty()).unwrap())
    };
    assert_eq!(
        with("from-the.proxy_1").await.headers["x-request-id"],
        "from-the.proxy_1"
    );
    for odd in ["", "a b", "<script>", &"x".repeat(65)] {
        let given = with(odd).await.headers["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned();
        assert_eq!(given.len(), 32, "{given}");
    }
    for path in ["/healthz", "/nothing-here", "/v1/track"] {
        let answer = shop.get(path).await;
        for (header, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(answer.headers[header], value, "{path}");
        }
        assert!(answer.headers.contains_key("content-security-policy"));
    }
    shop.get("/nothing-here").await.error(404);
    shop.get("/v1/track").await.error(405);
    let other = request_at(shop.address, posted("/v2/track", KEY, "{}")).await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_told_and_all_else_too() {
    let store = Moody::new();
    let shop = Shop::open_on(store.clone(), "", &[]).await;
    let router = shop.outside.router(EVERYTHING);
    let metrics = async || {
        let request = Request::get("/metrics").header("authorization", basic(SCRAPER));
        let asked = request.body(Body::empty()).unwrap();
        let answer = tower::ServiceExt::oneshot(router.clone(), asked);
        let body = answer.await.unwrap().into_body();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    let has = |text: &str, line: &str| text.lines().any(|l| l == line);
    let well = metrics().await;
    assert!(has(&well, "reveille_store_answers 1"), "{well}");
    assert!(has(&well, "reveille_customers 0"), "{well}");
    store.deaf(true);
    // From here on, time goes as fast as nothing happens.
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let text = metrics().await;
    assert!(began.elapsed() < std::time::Duration::from_secs(3));
    assert!(has(&text, "reveille_store_answers 0"), "{text}");
    assert!(has(&text, "reveille_sending_held 0"), "{text}");
    assert!(text.contains("reveille_http_put_off_total"), "{text}");
    assert!(!text.contains("\nreveille_customers "), "{text}");
    tokio::time::resume();
    store.deaf(false);
    assert!(has(&metrics().await, "reveille_store_answers 1"));
}
