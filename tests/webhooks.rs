//! Shops' webhooks, before a real listener (STANDARDS §10): only what proves to come from the shop is taken, what comes
//! twice or in the wrong order does no harm, and a checkout that was left alone is reminded of.

mod app;
mod http_house;

use app::shipped;
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_house::{
    Answered, EVERYTHING, Moody, NOW, SCRAPER, Shop, basic, config, events, hash, request_at,
};
use hyper::{Request, StatusCode};
use reveille::domain::preference::ConsentState;
use reveille::domain::record::Record;
use reveille::domain::time::Span;
use reveille::http::server::Limits;
use reveille::store::Store;
use reveille::store::memory::MemoryStore;
use ring::hmac;
use serde_json::{Value, json};
use std::sync::Arc;

const SECRET: &str = "shpss_what-the-shop-signs-with";
const CHECKOUT: &str = include_str!("webhooks/shopify_checkout.json");
const ORDER: &str = include_str!("webhooks/shopify_order.json");
const CUSTOMER: &str = include_str!("webhooks/shopify_customer.json");
const REFUND: &str = include_str!("webhooks/shopify_refund.json");
/// The customer of the samples.
const MINA: &str = "70123456789";

fn settings() -> String {
    let webhook = |name: &str, platform: &str| {
        format!("[webhook.{name}]\nplatform = \"{platform}\"\nsecret_file = \"secret\"\n")
    };
    let all = [
        webhook("shop", "shopify"),
        webhook("woo", "woocommerce"),
        webhook("cafe", "cafe24"),
    ];
    format!("{}\n{}", config(""), all.concat())
}

async fn open_on(store: Arc<dyn Store>, campaigns: &[(&str, &str)]) -> Shop {
    // Campaigns are live by the time that the samples speak of.
    let before = "2026-03-02T08:00:00Z";
    let app = app::App::start_on(store, before, &settings(), campaigns).await;
    app.advance(Span::hours(1)).await;
    std::fs::write(app.dir.path().join("secret"), format!("{SECRET}\n")).unwrap();
    Shop::before(app, Limits::default(), EVERYTHING).await
}

async fn open(campaigns: &[(&str, &str)]) -> Shop {
    open_on(Arc::new(MemoryStore::new()), campaigns).await
}

fn signed(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    STANDARD.encode(hmac::sign(&key, body))
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A delivery of Shopify's, under these headers.
fn delivery(headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::post("/webhooks/shop").header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

/// Delivered by Shopify: `event` is what its retries share.
async fn shopify(shop: &Shop, topic: &str, event: &str, at: &str, body: &str) -> Answered {
    let headers = [
        ("x-shopify-topic", topic),
        ("x-shopify-event-id", event),
        ("x-shopify-triggered-at", at),
        ("x-shopify-shop-domain", "corner.example"),
        ("x-shopify-hmac-sha256", &signed(SECRET, body.as_bytes())),
    ];
    shop.request(delivery(&headers, body)).await
}

async fn woo(shop: &Shop, topic: &str, body: &str) -> Answered {
    let request = Request::post("/webhooks/woo")
        .header("x-wc-webhook-topic", topic)
        .header("x-wc-webhook-delivery-id", hash(body))
        .header("x-wc-webhook-signature", signed(SECRET, body.as_bytes()))
        .body(Body::from(body.to_owned()))
        .unwrap();
    shop.request(request).await
}

async fn cafe24(shop: &Shop, key: &str, trace: &str, body: &str) -> Answered {
    let request = Request::post("/webhooks/cafe")
        .header("x-api-key", key)
        .header("x-trace-id", trace)
        .body(Body::from(body.to_owned()))
        .unwrap();
    shop.request(request).await
}

async fn record(shop: &Shop, id: &str) -> Record {
    let no = shop.app.customer(id).await;
    let state = shop.app.core.customer(no).await.unwrap().unwrap();
    state.record
}

fn attribute(record: &Record, name: &str) -> Option<String> {
    let value = record.attributes.get(name)?;
    value.as_text().map(str::to_owned)
}

fn names(events: &[reveille::domain::event::Event]) -> Vec<&str> {
    events.iter().map(|e| e.name.as_str()).collect()
}

async fn counted(shop: &Shop, webhook: &str, outcome: &str) -> u64 {
    let request = Request::get("/metrics").header("authorization", basic(SCRAPER));
    let page = shop
        .request(request.body(Body::empty()).unwrap())
        .await
        .text();
    let labels = format!(
        "reveille_webhook_deliveries_total{{webhook=\"{webhook}\",outcome=\"{outcome}\"}} "
    );
    let line = page.lines().find_map(|line| line.strip_prefix(&labels));
    line.unwrap_or_else(|| panic!("{labels}: {page}"))
        .parse()
        .unwrap()
}

#[tokio::test]
async fn only_the_bytes_that_the_shop_signed_are_taken() {
    let shop = open(&[]).await;
    let good = signed(SECRET, CUSTOMER.as_bytes());
    let send = |headers: &[(&str, &str)], body: &str| {
        let headers = [&[("x-shopify-topic", "customers/update")], headers].concat();
        let request = delivery(&headers, body);
        shop.request(request)
    };
    let name = "x-shopify-hmac-sha256";
    let flipped = CUSTOMER.replacen("Mina", "Mena", 1);
    let again = value(CUSTOMER).to_string();
    assert_ne!(again, CUSTOMER, "a proxy that writes JSON anew");
    let pretty = serde_json::to_string_pretty(&value(CUSTOMER)).unwrap();
    let mut other = good.clone().into_bytes();
    other[0] ^= 1;
    let other = String::from_utf8(other).unwrap();
    let wrong = signed("another", CUSTOMER.as_bytes());
    let hex: String = good.bytes().map(|b| format!("{b:02x}")).collect();
    let mut told = Vec::new();
    for (headers, body) in [
        (vec![(name, good.as_str())], flipped.as_str()),
        (vec![(name, good.as_str())], &again),
        (vec![(name, good.as_str())], &pretty),
        (vec![(name, good.as_str())], ""),
        (vec![(name, other.as_str())], CUSTOMER),
        (vec![(name, wrong.as_str())], CUSTOMER),
        (vec![(name, hex.as_str())], CUSTOMER),
        (vec![(name, SECRET)], CUSTOMER),
        (vec![(name, "")], CUSTOMER),
        (vec![], CUSTOMER),
        (vec![(name, good.as_str()), (name, good.as_str())], CUSTOMER),
        // Not a ping of this shop's.
        (vec![], "webhook_id=7"),
    ] {
        let answer = send(&headers, body).await;
        assert!(answer.headers.contains_key("www-authenticate"));
        told.push(answer.error(401));
    }
    told.dedup();
    assert_eq!(told, ["this was not accepted"]);
    assert_eq!(counted(&shop, "shop", "unproved").await, 12);
    assert!(events(&shop.app, MINA).await.is_empty());
    send(&[(name, good.as_str())], CUSTOMER).await.done(1, 0);
    assert_eq!(
        attribute(&record(&shop, MINA).await, "first_name").unwrap(),
        "Mina"
    );

    let nobody = Request::post("/webhooks/none")
        .body(Body::from(CUSTOMER))
        .unwrap();
    shop.request(nobody).await.error(404);
    let no_text = Request::post("/webhooks/%ff").body(Body::from(CUSTOMER));
    shop.request(no_text.unwrap()).await.error(404);
    let large = format!("{CUSTOMER}{}", " ".repeat(1 << 20));
    send(&[(name, &signed(SECRET, large.as_bytes()))], &large)
        .await
        .error(413);
    let get = shop.get("/webhooks/shop").await;
    assert_eq!(get.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn an_older_update_overwrites_no_newer_one() {
    let shop = open(&[]).await;
    let told = |at: &str, first: &str, email: &str, state: &str, consent_at: &str, city: Value| {
        let mut body = value(CUSTOMER);
        body["updated_at"] = at.into();
        body["first_name"] = first.into();
        body["email"] = email.into();
        body["email_marketing_consent"]["state"] = state.into();
        body["email_marketing_consent"]["consent_updated_at"] = consent_at.into();
        body["default_address"]["city"] = city;
        body.to_string()
    };
    let newer = told(
        "2026-03-02T17:30:01+09:00",
        "Minah",
        "new@customers.example",
        "unsubscribed",
        "2026-03-02T17:20:00+09:00",
        Value::Null,
    );
    let older = told(
        "2026-03-02T17:30:00+09:00",
        "Mina",
        "old@customers.example",
        "subscribed",
        "2026-03-01T09:00:00+09:00",
        "Busan".into(),
    );
    let topic = "customers/update";
    shopify(&shop, topic, "e-2", "2026-03-02T08:30:02Z", &newer)
        .await
        .done(1, 0);
    // Nothing signs what the headers say of when it was sent: who holds an older body may send it as new.
    for (event, at) in [
        ("e-1", "2026-03-02T08:30:01Z"),
        ("e-x", "2026-03-02T08:59:00Z"),
    ] {
        shopify(&shop, topic, event, at, &older).await.done(1, 0);
    }
    let stands = record(&shop, MINA).await;
    assert_eq!(attribute(&stands, "first_name").unwrap(), "Minah");
    assert_eq!(
        stands.email.as_ref().unwrap().as_str(),
        "new@customers.example"
    );
    assert_eq!(
        attribute(&stands, "city"),
        None,
        "what was removed comes back"
    );
    assert_eq!(stands.consents[&None].state, ConsentState::Refused);
    // An order of before tells the older name and address too.
    let order = ORDER.replace("17:55:02+09:00", "17:29:00+09:00");
    shopify(
        &shop,
        "orders/create",
        "o-1",
        "2026-03-02T08:29:00Z",
        &order,
    )
    .await;
    let stands = record(&shop, MINA).await;
    assert_eq!(attribute(&stands, "first_name").unwrap(), "Minah");
    assert_eq!(stands.consents[&None].state, ConsentState::Refused);
    // A newer one counts.
    let newest = told(
        "2026-03-02T17:55:00+09:00",
        "Mi",
        "new@customers.example",
        "subscribed",
        "2026-03-02T17:50:00+09:00",
        "Jeju".into(),
    );
    shopify(&shop, topic, "e-3", "2026-03-02T08:55:00Z", &newest)
        .await
        .done(1, 0);
    let stands = record(&shop, MINA).await;
    assert_eq!(attribute(&stands, "first_name").unwrap(), "Mi");
    assert_eq!(attribute(&stands, "city").unwrap(), "Jeju");
    assert_eq!(stands.consents[&None].state, ConsentState::Given);
    // "Subscribed" without a time is no consent: it could overrule a later refusal.
    shop.app.consent(MINA, ConsentState::Refused).await;
    let timeless = newest.replace("\"2026-03-02T17:50:00+09:00\"", "null");
    assert_ne!(timeless, newest);
    shopify(&shop, topic, "e-4", "2026-03-02T09:00:00Z", &timeless)
        .await
        .done(1, 0);
    let stands = record(&shop, MINA).await;
    assert_eq!(stands.consents[&None].state, ConsentState::Refused);
}

#[tokio::test]
async fn what_is_delivered_again_counts_once_also_after_a_restart() {
    let store = Arc::new(MemoryStore::new());
    let shop = open_on(store.clone(), &[]).await;
    let orders = async |shop: &Shop| {
        let events = events(&shop.app, MINA).await;
        let all = names(&events);
        all.iter()
            .filter(|name| **name == "Order Completed")
            .count()
    };
    shopify(&shop, "orders/create", "e-1", "2026-03-02T08:55:02Z", ORDER).await;
    let again = shopify(&shop, "orders/create", "e-1", "2026-03-02T08:55:02Z", ORDER).await;
    assert_eq!(again.json()["known"], 2, "{}", again.text());
    // Paid is the same order, though another delivery.
    let paid = ORDER.replace("17:55:02+09:00", "17:56:00+09:00");
    shopify(&shop, "orders/paid", "e-2", "2026-03-02T08:56:00Z", &paid).await;
    assert_eq!(orders(&shop).await, 1);

    let app = shop.close().await.reopen(store).await;
    let shop = Shop::before(app, Limits::default(), EVERYTHING).await;
    shopify(&shop, "orders/create", "e-1", "2026-03-02T08:55:02Z", ORDER).await;
    shopify(&shop, "orders/paid", "e-2", "2026-03-02T08:56:00Z", &paid).await;
    assert_eq!(orders(&shop).await, 1);
    // A test order is none, and a refund finds its order's customer.
    let test = ORDER
        .replace("\"test\":false", "\"test\":true")
        .replace("5678901234567", "99");
    shopify(&shop, "orders/create", "e-3", "2026-03-02T08:57:00Z", &test)
        .await
        .done(0, 0);
    for _ in 0..2 {
        shopify(
            &shop,
            "refunds/create",
            "e-4",
            "2026-03-02T09:30:00Z",
            REFUND,
        )
        .await;
    }
    let cancelled = ORDER.replace(
        "\"cancelled_at\":null",
        "\"cancelled_at\":\"2026-03-02T17:58:00+09:00\"",
    );
    shopify(
        &shop,
        "orders/cancelled",
        "e-5",
        "2026-03-02T08:58:00Z",
        &cancelled,
    )
    .await;
    // Paid back as a whole it is the same cancellation; in part it is none, nor is any other change.
    // (Whose it is, is told each time.)
    for (state, known) in [("refunded", 1), ("partially_refunded", 0), ("paid", 0)] {
        let refunded = cancelled.replace("\"paid\"", &format!("\"{state}\""));
        shopify(
            &shop,
            "orders/updated",
            "e-6",
            "2026-03-02T08:59:00Z",
            &refunded,
        )
        .await
        .done(known, known);
    }
    let mut all = events(&shop.app, MINA).await;
    all.sort_by_key(|e| e.name.to_string());
    assert_eq!(
        names(&all),
        ["Order Cancelled", "Order Completed", "Order Refunded"]
    );
    for event in &all {
        assert_eq!(
            event.properties["order_id"].as_text(),
            Some("5678901234567")
        );
    }
    assert_eq!(all[2].properties["refund_id"].as_text(), Some("900100200"));
    let order = &all[1];
    assert_eq!(
        order.time.to_string(),
        "2026-03-02T08:55:00.000Z".replace(".000", "")
    );
    let properties = reveille::domain::value::properties_to_json(&order.properties);
    assert_eq!(properties["total"], 38_000);
    assert_eq!(properties["products"][0]["name"], "Blue cup");
    assert_eq!(properties["checkout_id"], "b2f5c1d09a7e4f63");
    assert_eq!(all[2].properties["total"].as_number(), Some(19_000.0));
}

#[tokio::test]
async fn a_checkout_left_alone_is_reminded_of_and_one_whose_order_came_is_not() {
    let reminder = shipped("cart_reminder.toml")
        .replace("Product Added", "Checkout Started")
        .replace("cart_id", "checkout_id");
    let campaigns = [("checkout_reminder.toml", reminder.as_str())];
    let known = |token: &str, customer: &str, address: &str| {
        let mut body = value(CHECKOUT);
        body["token"] = token.into();
        body["customer"] = value(ORDER)["customer"].clone();
        body["customer"]["id"] = customer.parse::<u64>().unwrap().into();
        body["customer"]["email"] = address.into();
        body["email"] = address.into();
        body
    };
    let order_of = |token: &str, customer: &str, address: &str| {
        let mut body = known(token, customer, address);
        body["id"] = format!("5{customer}").parse::<u64>().unwrap().into();
        body["order_number"] = 1042.into();
        body["checkout_token"] = token.into();
        body["created_at"] = "2026-03-02T08:55:00Z".into();
        body.to_string()
    };
    let shop = open(&campaigns).await;
    // A guest, whose checkout is changed; the update comes first.
    let later = CHECKOUT
        .replace("08:41:10", "08:50:00")
        .replace("Large", "Small");
    let at = "2026-03-02T08:50:00Z";
    shopify(&shop, "checkouts/update", "e-2", at, &later).await;
    shopify(
        &shop,
        "checkouts/create",
        "e-1",
        "2026-03-02T08:41:10Z",
        CHECKOUT,
    )
    .await;
    shopify(
        &shop,
        "checkouts/create",
        "e-1",
        "2026-03-02T08:41:10Z",
        CHECKOUT,
    )
    .await;
    // A customer whom the shop knows.
    let of_joon = known("t-joon", "11", "joon@customers.example").to_string();
    shopify(&shop, "checkouts/create", "e-3", at, &of_joon).await;
    // One who orders, and one whose order is told first.
    let of_sora = known("t-sora", "12", "sora@customers.example").to_string();
    shopify(&shop, "checkouts/create", "e-4", at, &of_sora).await;
    let order = order_of("t-sora", "12", "sora@customers.example");
    shopify(
        &shop,
        "orders/create",
        "e-5",
        "2026-03-02T08:55:01Z",
        &order,
    )
    .await;
    let order = order_of("t-yuna", "13", "yuna@customers.example");
    shopify(
        &shop,
        "orders/create",
        "e-6",
        "2026-03-02T08:55:01Z",
        &order,
    )
    .await;
    let of_yuna = known("t-yuna", "13", "yuna@customers.example").to_string();
    shopify(&shop, "checkouts/create", "e-7", at, &of_yuna).await;
    // A guest whose order, told first, names the customer that they have become.
    let order = order_of("t-hana", "14", "hana@customers.example");
    shopify(
        &shop,
        "orders/create",
        "e-8",
        "2026-03-02T08:55:01Z",
        &order,
    )
    .await;
    let of_hana = CHECKOUT
        .replace("b2f5c1d09a7e4f63", "t-hana")
        .replace("mina@", "hana@");
    shopify(&shop, "checkouts/update", "e-9", at, &of_hana).await;
    // One that was completed is no cart.
    let done = known("t-done", "15", "done@customers.example").to_string();
    let done = done.replace(
        "\"completed_at\":null",
        "\"completed_at\":\"2026-03-02T08:55:00Z\"",
    );
    shopify(&shop, "checkouts/update", "e-10", at, &done)
        .await
        .done(0, 0);

    shop.app.advance(Span::hours(25)).await;
    let mut mails = shop.app.mails();
    mails.sort_by_key(|(_, mail)| mail.contains("mina@"));
    let to: Vec<&str> = (mails.iter())
        .map(|(_, mail)| mail.lines().find(|line| line.starts_with("To: ")).unwrap())
        .collect();
    assert_eq!(to.len(), 2, "{to:?}");
    assert!(to[0].contains("joon@") && to[1].contains("mina@"), "{to:?}");
    assert!(mails[1].1.contains("Blue cup"), "{}", mails[1].1);
    let carts = events(&shop.app, "anon:shopify-checkout-b2f5c1d09a7e4f63").await;
    assert_eq!(
        names(&carts),
        ["Checkout Started", "Cart Viewed", "Cart Viewed"]
    );
    let url = carts[0].properties["abandoned_checkout_url"]
        .as_text()
        .unwrap();
    assert!(url.starts_with("https://shop.example/checkouts/"), "{url}");
    assert_eq!(carts[0].properties["cart_id"].as_text(), Some("c1-4ff7a0"));
    let guest = record(&shop, "anon:shopify-checkout-b2f5c1d09a7e4f63").await;
    assert_eq!(guest.consents[&None].at.to_string(), "2026-03-02T08:40:00Z");
}

#[tokio::test]
async fn woocommerce_pings_orders_and_customers() {
    let shop = open(&[]).await;
    let order = include_str!("webhooks/woocommerce_order.json");
    let ping =
        Request::post("/webhooks/woo").header("content-type", "application/x-www-form-urlencoded");
    shop.request(ping.body(Body::from("webhook_id=12")).unwrap())
        .await
        .done(0, 0);
    assert_eq!(counted(&shop, "woo", "ping").await, 1);
    for not in ["webhook_id=", "webhook_id=x", "webhook_id=1&a=b", "id=1"] {
        let request = Request::post("/webhooks/woo")
            .body(Body::from(not))
            .unwrap();
        shop.request(request).await.error(401);
    }
    let status = |status: &str, minute: u32| {
        order
            .replace("\"processing\"", &format!("\"{status}\""))
            .replace("T08:31:00", &format!("T08:{minute}:00"))
    };
    woo(&shop, "order.created", &status("pending", 30))
        .await
        .done(0, 0);
    // Declined, and paid after all.
    woo(&shop, "order.updated", &status("failed", 30))
        .await
        .done(1, 0);
    woo(&shop, "order.updated", order).await.done(2, 0);
    woo(&shop, "order.updated", &status("completed", 40))
        .await
        .done(1, 1);
    // Nothing is left of it.
    woo(&shop, "order.updated", &status("refunded", 50))
        .await
        .done(2, 0);
    woo(&shop, "order.updated", &status("cancelled", 55))
        .await
        .done(0, 1);
    woo(&shop, "order.deleted", "{\"id\":4711}")
        .await
        .done(0, 0);
    assert_eq!(counted(&shop, "woo", "nothing").await, 2);
    let all = events(&shop.app, "guest:joon@customers.example").await;
    assert_eq!(
        names(&all),
        [
            "Payment Failed",
            "Order Completed",
            "Order Cancelled",
            "Order Refunded"
        ]
    );
    for event in &all {
        assert_eq!(event.properties["order_id"].as_text(), Some("4711"));
    }
    let all = &all[1..];
    assert_eq!(all[0].time.to_string(), "2026-03-02T08:30:00Z");
    let properties = reveille::domain::value::properties_to_json(&all[0].properties);
    assert_eq!(properties["total"], 44.7);
    assert_eq!(
        properties["products"][0],
        json!({ "product_id": "31", "sku": "TEA-1", "name": "Tea",
        "price": 19.9, "quantity": 2, "image_url": "https://shop.example/tea.jpg" })
    );

    let customer = include_str!("webhooks/woocommerce_customer.json");
    woo(&shop, "customer.created", customer).await.done(2, 0);
    woo(&shop, "customer.created", customer).await.done(0, 2);
    let joon = record(&shop, "26").await;
    assert_eq!(attribute(&joon, "last_name").unwrap(), "Park");
    assert_eq!(joon.known_since.to_string(), "2026-03-02T08:00:00Z");
    assert_eq!(names(&events(&shop.app, "26").await), ["Signed Up"]);
}

#[tokio::test]
async fn cafe24_members_carts_and_orders() {
    let shop = open(&[]).await;
    let member = include_str!("webhooks/cafe24_member.json");
    let cart = include_str!("webhooks/cafe24_cart.json");
    let order = include_str!("webhooks/cafe24_order.json");
    for wrong in ["", "shpss", &format!("{SECRET}x"), &SECRET.to_uppercase()] {
        cafe24(&shop, wrong, "t-0", member).await.error(401);
    }
    cafe24(&shop, SECRET, "t-1", member).await.done(2, 0);
    for _ in 0..2 {
        cafe24(&shop, SECRET, "t-2", cart).await;
    }
    cafe24(&shop, SECRET, "t-3", order).await;
    let paid = order
        .replace("90023", "90025")
        .replace("create_order", "paid_order");
    cafe24(&shop, SECRET, "t-4", &paid).await;
    cafe24(
        &shop,
        SECRET,
        "t-5",
        "{\"event_no\":90080,\"resource\":{\"member_id\":\"sora7\"}}",
    )
    .await
    .done(0, 0);
    let sora = record(&shop, "sora7").await;
    let consent = &sora.consents[&None];
    assert_eq!(
        (consent.state, consent.source.as_str()),
        (ConsentState::Given, "cafe24")
    );
    assert_eq!(consent.at.to_string(), "2026-03-02T06:26:00Z");
    assert_eq!(attribute(&sora, "name").unwrap(), "소라");
    let mut all = events(&shop.app, "sora7").await;
    all.sort_by_key(|e| e.time);
    assert_eq!(
        names(&all),
        ["Signed Up", "Order Completed", "Product Added"]
    );
    assert_eq!(all[1].properties["total"].as_number(), Some(24_680.0));
    let guest = order
        .replace("\"sora7\"", "\"\"")
        .replace("0000017", "0000018");
    cafe24(&shop, SECRET, "t-6", &guest).await;
    assert_eq!(
        events(&shop.app, "guest:sora@customers.example")
            .await
            .len(),
        1
    );
}

#[tokio::test]
async fn what_a_shop_can_do_nothing_about_is_answered_well_and_counted() {
    let shop = open(&[]).await;
    let at = "2026-03-02T08:50:00Z";
    shopify(&shop, "products/update", "e-1", at, "{\"id\":1}")
        .await
        .done(0, 0);
    shopify(&shop, "orders/create", "e-2", at, "[1,")
        .await
        .done(0, 0);
    shopify(&shop, "orders/create", "e-3", at, "{\"id\":null}")
        .await
        .done(0, 0);
    let redact = "{\"shop_id\":1,\"shop_domain\":\"corner.example\",\"customer\":{\"id\":70123456789,\"email\":\"mina@customers.example\"},\"orders_to_redact\":[]}";
    for topic in ["customers/redact", "customers/data_request", "shop/redact"] {
        shopify(&shop, topic, "e-4", at, redact).await.done(0, 0);
    }
    // A bad address spoils what is told of the customer, not the order.
    let bad = ORDER.replace("mina@customers.example", "no address");
    let errors = shopify(&shop, "orders/create", "e-5", at, &bad).await;
    assert_eq!(errors.status, 200);
    assert!(errors.text().contains("email"), "{}", errors.text());
    assert_eq!(events(&shop.app, MINA).await.len(), 1);
    // An order of more products than a message holds is an order.
    let mut large = value(ORDER);
    let item = large["line_items"][0].clone();
    large["id"] = 77.into();
    large["line_items"] = vec![item; 900].into();
    let answer = shopify(&shop, "orders/create", "e-6", at, &large.to_string()).await;
    assert_eq!(answer.json()["errors"], json!([]), "{}", answer.text());
    assert_eq!(events(&shop.app, MINA).await.len(), 2);
    for (outcome, many) in [
        ("unknown_topic", 1),
        ("unreadable", 1),
        ("nothing", 1),
        ("asked", 3),
        ("spoilt", 1),
        ("taken", 1),
        ("put_off", 0),
    ] {
        assert_eq!(counted(&shop, "shop", outcome).await, many, "{outcome}");
    }
}

#[tokio::test]
async fn what_cannot_be_written_now_is_put_off_and_taken_when_it_comes_again() {
    let store = Moody::new();
    let shop = open_on(store.clone(), &[]).await;
    let at = "2026-03-02T08:50:00Z";
    store.full(true);
    let full = shopify(&shop, "orders/create", "e-1", at, ORDER).await;
    assert!(full.headers.contains_key("retry-after"));
    assert_eq!(full.error(503), "the disk is full");
    store.full(false);
    shopify(&shop, "orders/create", "e-1", at, ORDER).await;
    assert_eq!(events(&shop.app, MINA).await.len(), 1);
    assert_eq!(counted(&shop, "shop", "put_off").await, 1);
    // Without its secret, nothing is taken and nothing is lost.
    let other = open(&[]).await;
    std::fs::remove_file(other.app.dir.path().join("secret")).unwrap();
    let put_off = shopify(&other, "orders/create", "e-1", at, ORDER).await;
    assert!(put_off.headers.contains_key("retry-after"));
    put_off.error(503);
    std::fs::write(other.app.dir.path().join("secret"), SECRET).unwrap();
    assert_eq!(
        shopify(&other, "orders/create", "e-1", at, ORDER)
            .await
            .status,
        200
    );
    // Closed, it answers that it is stopping.
    other.outside.ingest.stop().await;
    let late = shopify(&other, "orders/create", "e-2", at, ORDER).await;
    assert!(late.error(503).contains("stopping"));
}

/// The example of docs/webhooks.md, as it stands there: the mapping, the delivery, what becomes of it.
#[tokio::test]
async fn the_example_of_the_page_works_as_it_says() {
    let page = include_str!("../docs/webhooks.md");
    let (_, example) = page.split_once("## An example").unwrap();
    let blocks: Vec<(&str, &str)> = (example.split("```").skip(1).step_by(2))
        .filter_map(|block| block.split_once('\n'))
        .collect();
    let [
        ("toml", settings),
        ("toml", mapping),
        ("json", body),
        ("json", becomes),
        ..,
    ] = blocks[..]
    else {
        panic!("{blocks:?}");
    };
    let dir = app::scratch();
    app::lay_out(dir.path(), &format!("{}\n{settings}", config("")), &[]);
    std::fs::write(dir.path().join("my-shop.toml"), mapping).unwrap();
    std::fs::write(dir.path().join("my-shop-secret"), SECRET).unwrap();
    let clock = reveille::clock::Clock::virtual_at(
        reveille::domain::time::Timestamp::parse_rfc3339(NOW).unwrap(),
    );
    let core = app::open(Arc::new(MemoryStore::new()), clock, dir.path()).await;
    let pulse = Arc::new(reveille::http::pulse::Pulse::new(
        std::time::Duration::from_secs(3600),
    ));
    let outside =
        reveille::http::faces::Outside::new(core.clone(), None, Default::default(), pulse);
    let listener = reveille::http::server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let router = outside.router(EVERYTHING);
    let _server =
        reveille::http::server::Server::start(vec![(listener, router)], Limits::default());
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = hmac::sign(&key, body.as_bytes());
    let hex: String = tag.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    let request = || {
        Request::post("/webhooks/my-shop")
            .header("x-signature", format!("sha256={hex}"))
            .body(Body::from(body))
            .unwrap()
    };
    request_at(address, request()).await.done(2, 0);
    request_at(address, request()).await.done(0, 2);
    let told = value(becomes);
    let id = reveille::domain::id::CustomerId::parse(told["userId"].as_str().unwrap()).unwrap();
    let (_, record) = core.whom(&id).await.unwrap().unwrap();
    let record = record.unwrap();
    let rules = &core.catalogue().rules;
    let all = reveille::engine::batch::read_history(&*core.store, &record, rules.sieve())
        .await
        .unwrap();
    assert_eq!(all[0].name.as_str(), told["event"]);
    assert_eq!(all[0].time.to_string(), told["timestamp"]);
    assert_eq!(
        reveille::domain::value::properties_to_json(&all[0].properties),
        told["properties"]
    );
    assert_eq!(record.email.unwrap().as_str(), "kim@customers.example");
}

/// GDPR art. 15 and 17: a shop passes them on once, and what it is answered 200 must not be lost.
#[tokio::test]
async fn what_a_shop_asks_for_a_customer_is_kept_until_it_is_done() {
    let store = Moody::new();
    let shop = open_on(store.clone(), &[]).await;
    let at = "2026-03-02T08:50:00Z";
    shopify(&shop, "customers/create", "e-1", at, CUSTOMER).await;
    let asks = |customer: u64| {
        json!({ "shop_id": 1, "shop_domain": "corner.example",
            "customer": { "id": customer, "email": "mina@customers.example" } })
        .to_string()
    };
    let (mina, stranger): (u64, u64) = (MINA.parse().unwrap(), 99);
    // What cannot be kept is not answered 200.
    store.shut(true);
    tokio::time::pause();
    let request = {
        let body = asks(mina);
        let proof = signed(SECRET, body.as_bytes());
        let headers = [
            ("x-shopify-topic", "customers/redact"),
            ("x-shopify-event-id", "e-2"),
            ("x-shopify-hmac-sha256", &proof),
        ];
        delivery(&headers, &body)
    };
    let answer = tower::ServiceExt::oneshot(shop.outside.router(EVERYTHING), request);
    assert_eq!(answer.await.unwrap().status(), 503);
    tokio::time::resume();
    store.shut(false);
    // A full disk takes it; and it is one request, however often it is told.
    store.full(true);
    for _ in 0..2 {
        shopify(&shop, "customers/redact", "e-2", at, &asks(mina))
            .await
            .done(0, 0);
    }
    store.full(false);
    let topic = "customers/data_request";
    shopify(&shop, topic, "e-3", at, &asks(mina)).await;
    shopify(&shop, topic, "e-4", at, &asks(stranger)).await;
    shopify(&shop, "shop/redact", "e-5", at, &asks(mina)).await;
    let gone = "{\"id\":26,\"email\":\"joon@customers.example\"}";
    woo(&shop, "customer.deleted", gone).await.done(0, 0);
    let left = "{\"event_no\":90147,\"resource\":{\"mall_id\":\"corner\",\"member_id\":\"sora7\"}}";
    cafe24(&shop, SECRET, "t-1", left).await.done(0, 0);
    let metrics = async |shop: &Shop| {
        let request = Request::get("/metrics").header("authorization", basic(SCRAPER));
        let page = shop.request(request.body(Body::empty()).unwrap()).await;
        page.text()
    };
    let text = metrics(&shop).await;
    for line in [
        "reveille_customer_requests_open{asked=\"forget\"} 3",
        "reveille_customer_requests_open{asked=\"export\"} 2",
        "reveille_customer_requests_open{asked=\"forget-shop\"} 1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }

    // Over a restart too.
    let app = shop.close().await.reopen(store).await;
    let shop = Shop::before(app, Limits::default(), EVERYTHING).await;
    let core = &shop.app.core;
    let listed = async || {
        let all = core.requests().await.unwrap();
        let mut all: Vec<_> = (all.into_iter())
            .map(|r| {
                (
                    r.webhook,
                    r.asked,
                    r.customer.map(|id| id.to_string()),
                    r.number,
                )
            })
            .collect();
        all.sort();
        all
    };
    let number = Some(shop.app.customer(MINA).await.0);
    let of = |webhook: &str, asked, customer: Option<&str>, number| {
        (
            webhook.to_owned(),
            asked,
            customer.map(str::to_owned),
            number,
        )
    };
    let all = [
        of("cafe", "forget", Some("sora7"), None),
        of("shop", "export", Some(MINA), number),
        of("shop", "export", Some("99"), None),
        of("shop", "forget", Some(MINA), number),
        of("shop", "forget-shop", None, None),
        of("woo", "forget", Some("26"), None),
    ];
    assert_eq!(listed().await, all);
    // Forgetting closes all of that customer's, also of one who is not known; what was done is closed by its name.
    let id = |text: &str| reveille::domain::id::CustomerId::parse(text).unwrap();
    core.forget(&id(MINA)).await.unwrap();
    core.forget(&id("99")).await.unwrap_err();
    let all = core.requests().await.unwrap();
    let woo_s = all.iter().find(|r| r.webhook == "woo").unwrap();
    assert!(core.request_done(&woo_s.request).await.unwrap());
    assert!(!core.request_done(&woo_s.request).await.unwrap());
    assert_eq!(
        listed().await,
        [
            of("cafe", "forget", Some("sora7"), None),
            of("shop", "forget-shop", None, None)
        ]
    );
    // Who was forgotten is not written down again by what the shop asks later; a copy wants an answer all the same.
    shopify(&shop, "customers/redact", "e-6", at, &asks(mina))
        .await
        .done(0, 0);
    shopify(&shop, topic, "e-7", at, &asks(mina)).await;
    assert_eq!(
        listed().await,
        [
            of("cafe", "forget", Some("sora7"), None),
            of("shop", "export", None, None),
            of("shop", "forget-shop", None, None)
        ]
    );
}

/// What is about somebody who was forgotten is dropped and answered well; it brings nobody back.
#[tokio::test]
async fn a_delivery_about_somebody_who_was_forgotten_brings_nobody_back() {
    let shop = open(&[]).await;
    let at = "2026-03-02T08:50:00Z";
    shopify(&shop, "customers/create", "e-1", at, CUSTOMER).await;
    let id = reveille::domain::id::CustomerId::parse(MINA).unwrap();
    shop.app.core.forget(&id).await.unwrap();
    let answer = shopify(&shop, "customers/update", "e-2", at, CUSTOMER).await;
    assert_eq!(answer.status, 200);
    shopify(&shop, "orders/create", "e-3", at, ORDER)
        .await
        .done(0, 0);
    assert!(shop.app.core.whom(&id).await.unwrap().is_none());
    assert!(events(&shop.app, MINA).await.is_empty());
    assert!(!answer.text().contains("mina@"), "{}", answer.text());
}

/// Who orders for a friend, with the friend's address, is reached at their own account's.
#[tokio::test]
async fn the_address_of_an_order_is_not_the_accounts() {
    let shop = open(&[]).await;
    let at = "2026-03-02T08:50:00Z";
    let friend = "friend@elsewhere.example";
    let address = async |id: &str| {
        let record = record(&shop, id).await;
        record.email.map(|email| email.as_str().to_owned())
    };
    shopify(&shop, "customers/create", "e-1", at, CUSTOMER).await;
    let mut order = value(ORDER);
    order["email"] = friend.into();
    order["contact_email"] = friend.into();
    order["billing_address"] = json!({ "first_name": "Friend", "last_name": "Other" });
    shopify(&shop, "orders/create", "e-2", at, &order.to_string()).await;
    let mut checkout = value(CHECKOUT);
    checkout["email"] = friend.into();
    checkout["customer"] = order["customer"].clone();
    checkout["billing_address"] = order["billing_address"].clone();
    shopify(&shop, "checkouts/create", "e-3", at, &checkout.to_string()).await;
    let mina = record(&shop, MINA).await;
    assert_eq!(address(MINA).await.unwrap(), "mina@customers.example");
    assert_eq!(attribute(&mina, "first_name").unwrap(), "Mina");
    assert_eq!(attribute(&mina, "last_name").unwrap(), "Kim");

    let customer = include_str!("webhooks/woocommerce_customer.json");
    woo(&shop, "customer.created", customer).await.done(2, 0);
    let own = address("26").await.unwrap();
    let mut order = value(include_str!("webhooks/woocommerce_order.json"));
    order["customer_id"] = 26.into();
    order["billing"]["email"] = friend.into();
    order["billing"]["first_name"] = "Friend".into();
    woo(&shop, "order.updated", &order.to_string())
        .await
        .done(1, 0);
    assert_eq!(address("26").await.unwrap(), own);
    let joon = record(&shop, "26").await;
    assert_ne!(attribute(&joon, "first_name").unwrap(), "Friend");
    assert_eq!(events(&shop.app, "26").await.len(), 2);

    let member = include_str!("webhooks/cafe24_member.json");
    cafe24(&shop, SECRET, "t-1", member).await.done(2, 0);
    let order = include_str!("webhooks/cafe24_order.json");
    let order = order
        .replace("sora@customers.example", friend)
        .replace("소라", "친구");
    cafe24(&shop, SECRET, "t-2", &order).await.done(1, 0);
    assert_eq!(address("sora7").await.unwrap(), "sora@customers.example");
    let sora = record(&shop, "sora7").await;
    assert_eq!(attribute(&sora, "name").unwrap(), "소라");
    assert_eq!(events(&shop.app, "sora7").await.len(), 2);
}

/// An order that was paid back long ago and is told again now, as when it is put away, was taken back then.
#[tokio::test]
async fn a_refund_of_before_is_told_as_of_its_own_time() {
    let shop = open(&[]).await;
    let mut order = value(ORDER);
    order["financial_status"] = "refunded".into();
    let at = "2026-03-02T08:59:00Z";
    for (id, refunds, told) in [
        (
            1_u64,
            json!([{ "created_at": "2026-01-05T10:00:00+09:00" }, { "created_at": "2026-01-07T10:00:00+09:00" }]),
            "2026-01-07T01:00:00Z",
        ),
        (2, json!([]), "2026-03-02T08:55:02Z"),
    ] {
        order["id"] = id.into();
        order["refunds"] = refunds;
        let event = format!("e-{id}");
        shopify(&shop, "orders/updated", &event, at, &order.to_string()).await;
        let all = events(&shop.app, MINA).await;
        let last = all
            .iter()
            .find(|event| event.properties["order_id"].as_text() == Some(id.to_string().as_str()));
        let last = last.unwrap();
        assert_eq!(last.name.as_str(), "Order Cancelled");
        assert_eq!(last.time.to_string(), told);
    }
}

/// Without a customer, order, cancellation and refund are one guest's, who is the checkout's; and the order counts once
/// when a later delivery says who that was.
#[tokio::test]
async fn a_guests_order_is_theirs_and_counts_once_when_they_get_a_name() {
    let reminder = shipped("cart_reminder.toml")
        .replace("Product Added", "Checkout Started")
        .replace("cart_id", "checkout_id");
    let campaigns = [("checkout_reminder.toml", reminder.as_str())];
    let shop = open(&campaigns).await;
    let at = "2026-03-02T08:55:00Z";
    let mut named = value(ORDER);
    let mut guest = named.clone();
    guest.as_object_mut().unwrap().remove("customer");
    let mut cancelled = guest.clone();
    cancelled["cancelled_at"] = "2026-03-02T17:58:00+09:00".into();
    shopify(&shop, "checkouts/create", "e-1", at, CHECKOUT).await;
    shopify(&shop, "orders/create", "e-2", at, &guest.to_string()).await;
    shopify(&shop, "orders/cancelled", "e-3", at, &cancelled.to_string()).await;
    shopify(&shop, "refunds/create", "e-4", at, REFUND).await;
    // What is no cancellation is not taken for one, whatever its header says.
    shopify(&shop, "orders/cancelled", "e-x", at, &guest.to_string())
        .await
        .done(0, 0);
    let all = [
        "Checkout Started",
        "Cart Viewed",
        "Order Completed",
        "Order Cancelled",
        "Order Refunded",
    ];
    for id in [
        "anon:shopify-checkout-b2f5c1d09a7e4f63",
        "anon:shopify-order-5678901234567",
    ] {
        let theirs = events(&shop.app, id).await;
        let mut told = names(&theirs);
        told.sort_by_key(|name| all.iter().position(|n| n == name));
        assert_eq!(told, all, "{id}");
        let email = record(&shop, id).await.email.unwrap();
        assert_eq!(email.as_str(), "mina@customers.example");
    }
    named["financial_status"] = "paid".into();
    shopify(&shop, "orders/paid", "e-5", at, &named.to_string()).await;
    shopify(&shop, "orders/create", "e-2", at, &guest.to_string()).await;
    let theirs = events(&shop.app, MINA).await;
    let mut told = names(&theirs);
    told.sort_by_key(|name| all.iter().position(|n| n == name));
    assert_eq!(told, all);
    shop.app.advance(Span::hours(25)).await;
    assert_eq!(shop.app.mails().len(), 0, "the cart was ordered");
}

/// What somebody chose on a page stands against a delivery that was on its way.
#[tokio::test]
async fn what_was_chosen_on_the_page_stands_against_a_late_delivery() {
    use reveille::domain::cause::{Cause, Liveness, ProfileChange};
    let shop = open(&[]).await;
    let made = value(CUSTOMER);
    let mut first = made.clone();
    first["default_address"]["city"] = Value::Null;
    shopify(&shop, "customers/create", "e-1", "", &first.to_string()).await;
    let no = shop.app.customer(MINA).await;
    let mut change = ProfileChange::default();
    let city = reveille::domain::value::Value::Text("Jeju".to_owned());
    change.attributes.insert("city".to_owned(), city);
    let work = Cause::Profile(Box::new(change), Liveness::Live);
    shop.app.core.act(no, work).await.unwrap();
    let mut late = made;
    late["updated_at"] = "2026-03-02T17:59:00+09:00".into();
    shopify(&shop, "customers/update", "e-2", "", &late.to_string()).await;
    assert_eq!(
        attribute(&record(&shop, MINA).await, "city").unwrap(),
        "Jeju"
    );
    late["updated_at"] = "2026-03-03T17:59:00+09:00".into();
    shop.app.advance(Span::days(1)).await;
    shopify(&shop, "customers/update", "e-3", "", &late.to_string()).await;
    assert_eq!(
        attribute(&record(&shop, MINA).await, "city").unwrap(),
        "Seoul"
    );
}

/// A name that belongs to somebody else already is told, and keeps out nothing else of the delivery.
#[tokio::test]
async fn a_join_that_cannot_be_made_keeps_the_order() {
    let shop = open(&[]).await;
    let at = "2026-03-02T08:55:00Z";
    shopify(&shop, "orders/create", "e-1", at, ORDER).await;
    // The same checkout, by another order, as another customer's.
    let mut other = value(ORDER);
    other["id"] = 88.into();
    other["customer"]["id"] = 77.into();
    let answer = shopify(&shop, "orders/create", "e-2", at, &other.to_string()).await;
    assert_eq!(answer.status, 200);
    let errors = answer.json()["errors"].as_array().unwrap().clone();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(counted(&shop, "shop", "spoilt").await, 1);
    assert_eq!(names(&events(&shop.app, "77").await), ["Order Completed"]);
    assert_eq!(names(&events(&shop.app, MINA).await), ["Order Completed"]);
}
