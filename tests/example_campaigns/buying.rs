//! Carts, orders and what follows them; and the birthday.

use crate::same_as_ever;
use crate::shop::Shop;
use reveille::domain::preference::ConsentState;
use reveille::domain::time::Span;
use serde_json::{Value, json};

const START: &str = "2026-03-02T00:00:00Z";

fn added(cart: &str, product: &str, name: &str) -> Value {
    json!({
        "cart_id": cart, "product_id": product, "name": name, "price": 18000, "currency": "KRW", "quantity": 2,
        "url": format!("https://shop.example/p/{product}"),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn cart_series_reminds_twice_of_each_cart_until_it_is_ordered() {
    let shop = Shop::open(START, &["cart_series"]).await;
    for id in ["emma", "buyer", "more", "empties"] {
        shop.english(id).await;
    }
    shop.korean("mina").await;
    shop.meet("quiet", "Jo", "en", "Europe/London", &[]).await;
    // Noon in London, nine in the evening in Seoul.
    shop.pass(Span::hours(12)).await;
    for id in ["emma", "mina", "buyer", "more", "quiet", "empties"] {
        shop.event(id, "Product Added", added("c-1", "p-1", "Green tea"))
            .await;
    }
    shop.event("emma", "Product Added", added("c-1", "p-2", "Cup <small>"))
        .await;
    shop.event("mina", "Product Added", added("c-1", "p-2", "찻잔"))
        .await;
    shop.pass(Span::hours(20)).await;
    shop.event(
        "empties",
        "Product Removed",
        json!({ "cart_id": "c-1", "product_id": "p-1" }),
    )
    .await;
    shop.event("more", "Product Added", added("c-1", "p-3", "Whisk"))
        .await;
    shop.pass(Span::hours(10)).await;
    shop.event("buyer", "Order Completed", json!({ "order_id": "o-1" }))
        .await;
    shop.pass(Span::days(4)).await;

    assert_eq!(
        shop.inbox("emma"),
        [
            "2026-03-03T12:00:00Z Still thinking it over, Emma?",
            "2026-03-05T12:00:00Z Shall we keep your cart?",
        ]
    );
    // The shop's hours end at nine in the evening: Min-a reads it in the morning.
    assert_eq!(
        shop.inbox("mina"),
        [
            "2026-03-03T23:00:00Z (광고) 민아님, 장바구니에 담아 두신 상품이 있어요",
            "2026-03-05T23:00:00Z (광고) 장바구니를 계속 보관해 드릴까요?",
        ]
    );
    // The hours began anew with the second product: 08:00 and 24 hours.
    assert_eq!(
        shop.inbox("more")[0],
        "2026-03-04T08:00:00Z Still thinking it over, Emma?"
    );
    assert_eq!(
        shop.story("buyer").await,
        [
            "cart_series entered/trigger",
            "cart_series/first accepted/accepted",
            "cart_series/first goal/goal_reached",
            "cart_series left/exit",
        ]
    );
    assert_eq!(
        shop.story("quiet").await,
        [
            "cart_series entered/trigger",
            "cart_series/first dropped/no_consent",
            "cart_series/second dropped/no_consent",
        ]
    );
    // Nothing lies in it any more that they could be reminded of.
    assert_eq!(
        shop.story("empties").await,
        [
            "cart_series entered/trigger",
            "cart_series/first dropped/too_few_products",
            "cart_series/second dropped/too_few_products",
        ]
    );
    // Whatever a product is called, it stays text.
    assert!(shop.mails("emma")[0].html().contains("Cup &lt;small&gt;"));
    for (id, locale) in [("emma", "en"), ("mina", "ko")] {
        let mails = shop.mails(id);
        same_as_ever!(format!("cart_series_first_{locale}"), &mails[0]);
        same_as_ever!(format!("cart_series_second_{locale}"), &mails[1]);
    }
}

fn order(id: &str, product: &str, name: &str, category: &str) -> Value {
    json!({
        "order_id": id, "total": 68000, "currency": "KRW",
        "products": [{
            "product_id": product, "name": name, "category": category, "price": 68000, "currency": "KRW", "quantity": 1,
        }],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn post_purchase_asks_after_a_week_unless_it_went_back() {
    let shop = Shop::open(START, &["post_purchase"]).await;
    // No consent to advertising is needed.
    shop.meet("emma", "Emma", "en", "Europe/London", &[]).await;
    shop.meet("mina", "민아", "ko", "Asia/Seoul", &[]).await;
    shop.english("back").await;
    shop.english("often").await;
    for id in ["emma", "back", "often"] {
        shop.event(
            id,
            "Order Completed",
            order("o-1", "p-7", "Moon teapot", "teapots"),
        )
        .await;
    }
    shop.event(
        "mina",
        "Order Completed",
        order("o-1", "p-7", "달 찻주전자", "teapots"),
    )
    .await;
    shop.pass(Span::days(3)).await;
    shop.event("back", "Order Refunded", json!({ "order_id": "o-1" }))
        .await;
    shop.event(
        "often",
        "Order Completed",
        order("o-2", "p-1", "Green tea", "tea"),
    )
    .await;
    shop.pass(Span::days(14)).await;

    let sent = [
        "post_purchase entered/trigger",
        "post_purchase/how accepted/accepted",
    ];
    assert_eq!(shop.story("emma").await, sent);
    assert_eq!(shop.story("mina").await, sent);
    assert_eq!(
        shop.inbox("emma"),
        ["2026-03-09T10:00:00Z How do you like it, Emma?"]
    );
    assert_eq!(
        shop.story("back").await,
        ["post_purchase entered/trigger", "post_purchase left/exit"]
    );
    // Two orders within the week, one question.
    assert_eq!(
        shop.story("often").await,
        [
            "post_purchase entered/trigger",
            "post_purchase entered/trigger",
            "post_purchase/how accepted/accepted",
            "post_purchase/how dropped/cap",
        ]
    );
    same_as_ever!("post_purchase_how_en", &shop.mails("emma")[0]);
    same_as_ever!("post_purchase_how_ko", &shop.mails("mina")[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn accessory_follow_up_leaves_those_alone_who_have_some() {
    let shop = Shop::open(START, &["accessory_follow_up"]).await;
    for id in ["emma", "has", "buys", "cup", "back", "two"] {
        shop.english(id).await;
    }
    shop.korean("mina").await;
    let strainer = order("o-0", "p-5", "Strainer", "accessories");
    shop.past("has", Span::days(40), "Order Completed", strainer.clone())
        .await;
    for id in ["emma", "mina", "has", "buys", "back", "two"] {
        shop.event(
            id,
            "Order Completed",
            order("o-1", "p-7", "Moon teapot", "teapots"),
        )
        .await;
    }
    for (id, name) in [("emma", "Warmer"), ("mina", "티 워머")] {
        let seen = json!({
            "product_id": "p-6", "name": name, "category": "accessories", "price": 21000, "currency": "KRW",
            "url": "https://shop.example/p/6",
        });
        shop.event(id, "Product Viewed", seen).await;
    }
    shop.event("cup", "Order Completed", order("o-1", "p-2", "Cup", "cups"))
        .await;
    shop.pass(Span::days(6)).await;
    shop.event("buys", "Order Completed", strainer).await;
    shop.event("back", "Order Refunded", json!({ "order_id": "o-1" }))
        .await;
    shop.event(
        "two",
        "Order Completed",
        order("o-2", "p-8", "Sun teapot", "teapots"),
    )
    .await;
    shop.pass(Span::days(20)).await;

    let sent = [
        "accessory_follow_up entered/trigger",
        "accessory_follow_up/ideas accepted/accepted",
    ];
    assert_eq!(shop.story("emma").await, sent);
    assert_eq!(shop.story("mina").await, sent);
    assert_eq!(shop.story("has").await, Vec::<String>::new());
    assert_eq!(shop.story("cup").await, Vec::<String>::new());
    for id in ["buys", "back"] {
        assert_eq!(
            shop.story(id).await,
            [
                "accessory_follow_up entered/trigger",
                "accessory_follow_up left/exit"
            ],
            "{id}"
        );
    }
    // Two teapots, one mail.
    assert_eq!(
        shop.story("two").await,
        [
            "accessory_follow_up entered/trigger",
            "accessory_follow_up entered/trigger",
            "accessory_follow_up/ideas accepted/accepted",
            "accessory_follow_up/ideas dropped/cap",
        ]
    );
    same_as_ever!("accessory_follow_up_ideas_en", &shop.mails("emma")[0]);
    same_as_ever!("accessory_follow_up_ideas_ko", &shop.mails("mina")[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn birthday_comes_each_year_at_nine_of_their_own_clock() {
    let shop = Shop::open(START, &["birthday"]).await;
    shop.english("emma").await;
    shop.korean("mina").await;
    shop.english("unknown").await;
    shop.english("paused").await;
    shop.meet("quiet", "Jo", "en", "Europe/London", &[]).await;
    shop.attribute("emma", "birthday", "1990-03-05").await;
    shop.attribute("mina", "birthday", "03-05").await;
    shop.attribute("quiet", "birthday", "03-05").await;
    shop.attribute("paused", "birthday", "03-05").await;
    shop.attribute("unknown", "birthday", "in spring").await;
    let mut pause = reveille::domain::cause::ProfileChange::default();
    pause.preferences.pause_until = Some(Some(shop.app.now() + Span::days(30)));
    shop.change("paused", pause).await;
    shop.pass(Span::days(5)).await;

    assert_eq!(
        shop.inbox("emma"),
        ["2026-03-05T09:00:00Z Happy birthday, Emma!"]
    );
    assert_eq!(
        shop.inbox("mina"),
        ["2026-03-05T00:00:00Z (광고) 민아님, 생일 축하드려요!"]
    );
    assert_eq!(shop.story("unknown").await, Vec::<String>::new());
    assert_eq!(
        shop.story("quiet").await,
        ["birthday entered/date", "birthday/wish dropped/no_consent"]
    );
    assert_eq!(
        shop.story("paused").await,
        ["birthday entered/date", "birthday/wish dropped/pause"]
    );
    same_as_ever!("birthday_wish_en", &shop.mails("emma")[0]);
    same_as_ever!("birthday_wish_ko", &shop.mails("mina")[0]);
    // Next year again; not for who has left.
    shop.says("mina", ConsentState::Refused).await;
    shop.app.leap(Span::days(361)).await;
    shop.pass(Span::days(5)).await;
    assert_eq!(
        shop.inbox("emma")[1..],
        ["2027-03-05T09:00:00Z Happy birthday, Emma!"]
    );
    assert_eq!(shop.inbox("mina").len(), 1);
}
