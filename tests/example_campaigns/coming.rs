//! Who comes, and who is looking round: welcome, a look without a cart, a secret offer, a price that was asked.

use crate::same_as_ever;
use crate::shop::Shop;
use reveille::domain::time::Span;
use serde_json::json;

/// Monday, nine in the morning in Seoul.
const START: &str = "2026-03-02T00:00:00Z";

#[tokio::test(flavor = "multi_thread")]
async fn welcome_series_greets_and_gives_to_those_who_have_not_ordered() {
    let shop = Shop::open(START, &["welcome_series"]).await;
    shop.english("emma").await;
    shop.korean("mina").await;
    shop.english("buyer").await;
    shop.meet("quiet", "Jo", "en", "Europe/London", &[]).await;
    for id in ["emma", "mina", "buyer", "quiet"] {
        shop.event(id, "Signed Up", json!({})).await;
    }
    shop.pass(Span::days(2)).await;
    shop.event("buyer", "Order Completed", json!({ "order_id": "o-1" }))
        .await;
    shop.pass(Span::days(3)).await;

    // Ten o'clock of their own, once three days are over.
    assert_eq!(
        shop.inbox("emma"),
        [
            "2026-03-02T01:00:00Z Welcome, Emma",
            "2026-03-05T10:00:00Z A little something for your first parcel",
        ]
    );
    assert_eq!(
        shop.inbox("mina"),
        [
            "2026-03-02T01:00:00Z 민아님, 반갑습니다",
            "2026-03-05T01:00:00Z (광고) 첫 주문에 작은 선물을 함께 보내 드려요",
        ]
    );
    assert_eq!(
        shop.story("buyer").await,
        [
            "welcome_series entered/trigger",
            "welcome_series/hello accepted/accepted",
            "welcome_series/hello goal/goal_reached",
            "welcome_series left/exit",
        ]
    );
    // A welcome needs no consent to advertising; a present with an order does.
    assert_eq!(
        shop.story("quiet").await,
        [
            "welcome_series entered/trigger",
            "welcome_series/hello accepted/accepted",
            "welcome_series/gift dropped/no_consent",
        ]
    );
    for (id, locale) in [("emma", "en"), ("mina", "ko")] {
        let mails = shop.mails(id);
        same_as_ever!(format!("welcome_series_hello_{locale}"), &mails[0]);
        same_as_ever!(format!("welcome_series_gift_{locale}"), &mails[1]);
    }
}

fn teapot() -> serde_json::Value {
    json!({
        "product_id": "p-7", "name": "Moon teapot", "category": "teapots", "collection": "signature",
        "price": 68000, "currency": "KRW", "url": "https://shop.example/p/7", "image_url": "https://shop.example/p/7.jpg",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn browse_abandonment_follows_a_second_look_once_a_week_and_behind_what_matters_more() {
    let shop = Shop::open(START, &["browse_abandonment", "cart_series"]).await;
    for id in ["emma", "glance", "cart", "again", "owner", "kept"] {
        shop.english(id).await;
    }
    // The very product was bought, or put into a cart, in the last month.
    let bought = json!({ "order_id": "o-1", "products": [{ "product_id": "p-7" }] });
    shop.past("owner", Span::days(10), "Order Completed", bought)
        .await;
    shop.past("kept", Span::days(10), "Product Added", teapot())
        .await;
    shop.korean("mina").await;
    let looks = |id: &'static str| {
        let shop = &shop;
        async move {
            shop.event(id, "Product Viewed", teapot()).await;
            shop.pass(Span::minutes(20)).await;
            shop.event(id, "Product Viewed", teapot()).await;
        }
    };
    looks("emma").await;
    looks("mina").await;
    looks("cart").await;
    looks("again").await;
    looks("owner").await;
    looks("kept").await;
    shop.event("glance", "Product Viewed", teapot()).await;
    let cart = json!({ "cart_id": "c-1", "product_id": "p-7", "name": "Moon teapot" });
    shop.event("cart", "Product Added", cart).await;
    shop.pass(Span::days(2)).await;
    // Another product, two days after the first mail.
    let other = json!({ "product_id": "p-8", "name": "Sun teapot" });
    shop.event("again", "Product Viewed", other.clone()).await;
    shop.event("again", "Product Viewed", other).await;
    shop.pass(Span::days(3)).await;

    let subject = "browse_abandonment/look accepted/accepted";
    for id in ["emma", "mina"] {
        assert_eq!(
            shop.story(id).await,
            ["browse_abandonment entered/trigger", subject]
        );
    }
    for id in ["glance", "owner", "kept"] {
        assert_eq!(shop.story(id).await, Vec::<String>::new(), "{id}");
    }
    // The cart comes first: the reminder of the cart is what they get.
    assert_eq!(
        shop.story("cart").await,
        [
            "browse_abandonment entered/trigger",
            "cart_series entered/trigger",
            "browse_abandonment left/exit",
            "cart_series/first accepted/accepted",
            "cart_series/second accepted/accepted",
        ]
    );
    // The second waited for the campaign's cap longer than it was news.
    assert_eq!(
        shop.story("again").await[2..],
        [
            "browse_abandonment entered/trigger",
            "browse_abandonment/look dropped/cap",
        ]
    );
    same_as_ever!("browse_abandonment_look_en", &shop.mails("emma")[0]);
    same_as_ever!("browse_abandonment_look_ko", &shop.mails("mina")[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn secret_coupon_goes_to_who_looks_three_to_five_times_once_ever() {
    let shop = Shop::open(START, &["secret_coupon"]).await;
    for id in ["emma", "six", "owner", "other"] {
        shop.english(id).await;
    }
    shop.korean("mina").await;
    let order = json!({ "order_id": "o-1", "products": [{ "product_id": "p-7", "collection": "signature" }] });
    shop.past("owner", Span::days(2), "Order Completed", order)
        .await;
    for id in ["emma", "mina", "owner", "six"] {
        for _ in 0..3 {
            shop.event(id, "Product Viewed", teapot()).await;
            shop.pass(Span::minutes(5)).await;
        }
    }
    for _ in 0..4 {
        let plain = json!({ "product_id": "p-9", "collection": "daily" });
        shop.event("other", "Product Viewed", plain).await;
    }
    // Three more before the mail leaves.
    for _ in 0..3 {
        shop.event("six", "Product Viewed", teapot()).await;
    }
    shop.pass(Span::days(1)).await;
    let sent = [
        "secret_coupon entered/trigger",
        "secret_coupon/offer accepted/accepted",
    ];
    assert_eq!(shop.story("emma").await, sent);
    assert_eq!(shop.story("mina").await, sent);
    assert_eq!(
        shop.story("six").await,
        ["secret_coupon entered/trigger", "secret_coupon left/exit"]
    );
    assert_eq!(shop.story("owner").await, Vec::<String>::new());
    assert_eq!(shop.story("other").await, Vec::<String>::new());
    // A year later it is still the same offer, and no longer secret.
    shop.app.leap(Span::days(365)).await;
    for _ in 0..3 {
        shop.event("emma", "Product Viewed", teapot()).await;
    }
    shop.pass(Span::days(1)).await;
    assert_eq!(shop.story("emma").await, sent);
    same_as_ever!("secret_coupon_offer_en", &shop.mails("emma")[0]);
    same_as_ever!("secret_coupon_offer_ko", &shop.mails("mina")[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn price_asked_answers_after_twelve_hours_and_asking_often_warms_until_it_cools() {
    let shop = Shop::open(START, &["price_asked", "price_asked_often"]).await;
    for id in ["emma", "hot", "thanks", "buyer", "bought"] {
        shop.english(id).await;
    }
    shop.korean("mina").await;
    shop.korean("hot-ko").await;
    let asks = |text: &str| json!({ "text": text });
    shop.event(
        "emma",
        "Message Received",
        asks("How much is the Moon teapot?"),
    )
    .await;
    shop.event("mina", "Message Received", asks("달 찻주전자 얼마예요?"))
        .await;
    shop.event("thanks", "Message Received", asks("Thank you, it arrived."))
        .await;
    shop.event("buyer", "Message Received", asks("Any discounts?"))
        .await;
    // The same letters, and no price among them.
    for text in [
        "배송은 얼마나 걸려요?",
        "얼마 전에 주문했어요",
        "좋다기보다 신기해요",
    ] {
        shop.event("thanks", "Message Received", asks(text)).await;
    }
    // Who has ordered meanwhile is no case for staff.
    let ordered = json!({ "order_id": "o-3" });
    shop.event("bought", "Order Completed", ordered).await;
    for text in [
        "What are your prices?",
        "얼마인가요?",
        "찻잔은 얼마나 하나요?",
    ] {
        shop.event("bought", "Message Received", asks(text)).await;
    }
    shop.pass(Span::hours(3)).await;
    shop.event("buyer", "Order Completed", json!({ "order_id": "o-1" }))
        .await;
    for (id, text) in [
        ("hot", "What is the price for ten?"),
        ("hot-ko", "열 개면 할인되나요?"),
    ] {
        for _ in 0..3 {
            shop.event(id, "Message Received", asks(text)).await;
            shop.pass(Span::hours(2)).await;
        }
    }
    shop.pass(Span::days(1)).await;

    let answered = [
        "price_asked entered/trigger",
        "price_asked/answer accepted/accepted",
    ];
    assert_eq!(shop.story("emma").await, answered);
    assert_eq!(shop.story("mina").await, answered);
    assert_eq!(shop.story("thanks").await, Vec::<String>::new());
    for row in shop.story("bought").await {
        assert!(!row.starts_with("price_asked_often"), "{row}");
    }
    assert_eq!(
        shop.story("buyer").await,
        ["price_asked entered/trigger", "price_asked left/exit"]
    );
    // The third question takes over from the first.
    for id in ["hot", "hot-ko"] {
        let mut story = shop.story(id).await;
        // Two mails under way at once: either may be taken first.
        story[5..].sort();
        assert_eq!(
            story,
            [
                "price_asked entered/trigger",
                "price_asked_often entered/trigger",
                "price_asked_often/hot done/tagged",
                "price_asked_often/tell-staff done/notified",
                "price_asked left/exit",
                "price_asked_often/offer accepted/accepted",
                "price_asked_often/tell-staff accepted/accepted",
            ],
            "{id}"
        );
    }
    let told = shop.mails_to("crm@shop.example");
    assert_eq!(told.len(), 2);
    assert_eq!(
        told[0].subject,
        "Emma (hot) asks about prices again and again"
    );
    let tagged = |id: &'static str| {
        let shop = &shop;
        async move {
            let id = reveille::domain::id::CustomerId::parse(id).unwrap();
            let view = shop.app.core.customer_view(&id).await.unwrap().unwrap();
            serde_json::to_value(&view).unwrap()["tags"]
                .to_string()
                .contains("\"price_hot\"")
        }
    };
    assert!(tagged("hot").await && tagged("hot-ko").await);
    // An order cools at once, silence in two weeks.
    shop.event("hot", "Order Completed", json!({ "order_id": "o-2" }))
        .await;
    shop.pass(Span::hours(1)).await;
    assert_eq!(
        shop.story("hot").await.last().unwrap(),
        "price_asked_often/cool done/untagged"
    );
    assert!(!tagged("hot").await && tagged("hot-ko").await);
    shop.pass(Span::days(15)).await;
    assert!(!tagged("hot-ko").await);
    same_as_ever!("price_asked_answer_en", &shop.mails("emma")[0]);
    same_as_ever!("price_asked_answer_ko", &shop.mails("mina")[0]);
    same_as_ever!("price_asked_often_offer_en", &shop.mails("hot")[0]);
    same_as_ever!("price_asked_often_offer_ko", &shop.mails("hot-ko")[0]);
    same_as_ever!("price_asked_often_staff", &told[0]);
}
