//! What the examples are measured by, and what they learn: who reached the goal within its time as the report tells it, the
//! hour at which each reads their mail, and the breaker of the campaign that goes to many at once.

use crate::shop::{Shop, live};
use reveille::domain::id::CampaignId;
use reveille::domain::ledger::{Reason, Status};
use reveille::domain::time::Span;
use reveille::engine::control::Scope;
use reveille::engine::query::Phase;
use reveille::report::{By, report};
use serde_json::{Value, json};

/// Monday, nine in the morning in London.
const START: &str = "2026-03-02T09:00:00Z";

/// How a customer comes into the campaign, and what its goal is.
struct Case {
    example: &'static str,
    /// All of it happens, five minutes apart.
    comes: Vec<(&'static str, Value)>,
    /// By then they have its mail.
    mail: Span,
    /// The goal's `within`.
    within: Span,
    /// What reaches it.
    order: Value,
    /// An order that does not.
    other: Option<Value>,
}

/// What the report says of the campaign's goal: how often it was reached, what that is worth, and by how many of whom.
async fn reached(shop: &Shop, campaign: &str) -> (u64, f64, u64, u64) {
    let told = report(&shop.app.core, By::Campaigns, None).await.unwrap();
    let group = (told.groups.iter()).find(|g| g.campaign.as_deref() == Some(campaign));
    let goal = group.unwrap().goal.as_ref().unwrap();
    let (reached, rate) = (&goal.written_to, &goal.written_to.converted);
    (reached.goals, reached.value, rate.count, rate.of)
}

/// Four get the mail. One orders in time, one too late, one something else, if that matters, and one nothing.
async fn the_report_tells_who_ordered_in_time(case: Case) {
    let shop = Shop::open(START, &[case.example]).await;
    for id in ["orders", "late", "other", "silent"] {
        shop.english(id).await;
        for (event, properties) in &case.comes {
            shop.event(id, event, properties.clone()).await;
            shop.pass(Span::minutes(5)).await;
        }
    }
    shop.pass(case.mail).await;
    for id in ["orders", "late", "other", "silent"] {
        assert_eq!(shop.mails(id).len(), 1, "{} {id}", case.example);
    }
    shop.pass(Span::hours(20)).await;
    shop.event("orders", "Order Completed", case.order.clone())
        .await;
    if let Some(other) = &case.other {
        shop.event("other", "Order Completed", other.clone()).await;
    }
    shop.pass(case.within).await;
    shop.event("late", "Order Completed", case.order.clone())
        .await;
    shop.pass(Span::hours(1)).await;

    assert_eq!(
        reached(&shop, case.example).await,
        (1, 30.0, 1, 4),
        "{}",
        case.example
    );
    let log = shop.app.log().await;
    let credited = (log.iter())
        .filter(|row| row.status == Status::Goal && row.reason == Reason::GoalReached)
        .map(|row| row.customer);
    let credited: Vec<_> = credited.collect();
    assert_eq!(credited, [shop.app.customer("orders").await]);
}

fn order(product: Value) -> Value {
    json!({ "order_id": "o-9", "total": 30, "products": [product] })
}

fn teapot() -> Value {
    json!({ "product_id": "p-7", "name": "Moon teapot", "category": "teapots", "collection": "signature" })
}

#[tokio::test(flavor = "multi_thread")]
async fn browse_abandonment_counts_orders_within_a_week() {
    the_report_tells_who_ordered_in_time(Case {
        example: "browse_abandonment",
        comes: vec![("Product Viewed", teapot()), ("Product Viewed", teapot())],
        mail: Span::hours(6),
        within: Span::days(7),
        order: order(json!({ "product_id": "p-1" })),
        other: None,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accessory_follow_up_counts_accessories_within_two_weeks() {
    let seen = json!({ "product_id": "p-6", "name": "Warmer", "category": "accessories", "price": 21000, "currency": "KRW" });
    let first = json!({ "order_id": "o-1", "total": 500, "products": [teapot()] });
    the_report_tells_who_ordered_in_time(Case {
        example: "accessory_follow_up",
        comes: vec![("Product Viewed", seen), ("Order Completed", first)],
        mail: Span::days(15),
        within: Span::days(14),
        order: order(json!({ "product_id": "p-6", "category": "accessories" })),
        other: Some(order(json!({ "product_id": "p-1", "category": "tea" }))),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secret_coupon_counts_orders_of_the_collection_within_a_week() {
    let look = ("Product Viewed", teapot());
    the_report_tells_who_ordered_in_time(Case {
        example: "secret_coupon",
        comes: vec![look.clone(), look.clone(), look],
        mail: Span::hours(4),
        within: Span::days(7),
        order: order(teapot()),
        other: Some(order(json!({ "product_id": "p-1", "collection": "daily" }))),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn price_asked_counts_orders_within_a_week() {
    let asks = json!({ "text": "How much is the Moon teapot?" });
    the_report_tells_who_ordered_in_time(Case {
        example: "price_asked",
        comes: vec![("Message Received", asks)],
        mail: Span::days(1),
        within: Span::days(7),
        order: order(teapot()),
        other: None,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn price_asked_often_counts_orders_within_two_weeks() {
    let asks = ("Message Received", json!({ "text": "Any discounts?" }));
    the_report_tells_who_ordered_in_time(Case {
        example: "price_asked_often",
        comes: vec![asks.clone(), asks.clone(), asks],
        mail: Span::hours(3),
        within: Span::days(14),
        order: order(teapot()),
        other: None,
    })
    .await;
}

/// Three advertising mails, on three days.
const NEWS: &str = r#"
name = "News"
state = "live"
class = "advertising"
topic = "offers"
[schedule]
cron = "0 9 * * *"
timezone = "customer"
[audience]
known_for = ">= 1d"
[entry]
again = "always"
at_most = 3
existing = "enter"
[[step]]
id = "news"
template = "before_dormancy_hello"
subject = "News"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn before_dormancy_comes_at_the_hour_at_which_each_reads_their_mail() {
    let files = [
        ("before_dormancy.toml".to_owned(), live("before_dormancy")),
        ("news.toml".to_owned(), NEWS.to_owned()),
    ];
    let shop = Shop::with("2026-03-01T23:00:00Z", &files).await;
    let tea = json!({ "order_id": "o-1", "total": 20, "products": [{ "product_id": "p-1", "name": "Tea" }] });
    for id in ["early", "late", "owl", "emma"] {
        shop.english(id).await;
        shop.past(id, Span::days(65), "Order Completed", tea.clone())
            .await;
    }
    // The news comes at nine: one reads it within the hour, two in the evening, and Emma never.
    for _ in 0..3 {
        shop.pass(Span::minutes(10 * 60 + 30)).await;
        shop.clicks("early", "news").await;
        shop.pass(Span::hours(11)).await;
        shop.clicks("late", "news").await;
        shop.clicks("owl", "news").await;
        shop.pass(Span::minutes(2 * 60 + 30)).await;
    }
    // The 75th day begins at eleven in the evening of the 11th.
    shop.pass(Span::hours(7 * 24 + 12)).await;
    let why = shop.why("late", "before_dormancy").await;
    assert!(
        why.contains("20:00, learned from 3 answers of theirs"),
        "{why}"
    );
    shop.pass(Span::days(2)).await;
    let came = |id: &str| shop.inbox(id)[3..].to_vec();
    let at = |time: &str| vec![format!("{time} Is your tea running low, Emma?")];
    assert_eq!(came("early"), at("2026-03-13T09:00:00Z"));
    for id in ["late", "owl"] {
        assert_eq!(came(id), at("2026-03-12T20:00:00Z"), "{id}");
    }
    // Of her nothing is known: hers is the shop's hour.
    assert_eq!(came("emma"), at("2026-03-12T20:00:00Z"));

    // Of four who were written to one orders within its two weeks, and one after them.
    shop.event(
        "owl",
        "Order Completed",
        order(json!({ "product_id": "p-1" })),
    )
    .await;
    shop.pass(Span::days(14)).await;
    shop.event(
        "late",
        "Order Completed",
        order(json!({ "product_id": "p-1" })),
    )
    .await;
    shop.pass(Span::hours(1)).await;
    assert_eq!(reached(&shop, "before_dormancy").await, (1, 30.0, 1, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn product_launch_stops_itself_when_one_in_a_hundred_leaves() {
    let shop = Shop::open("2027-03-01T00:00:00Z", &["product_launch"]).await;
    shop.app.crowd(0..99).await;
    shop.korean("mina").await;
    shop.english("emma").await;
    let ids: Vec<String> = (0..99).map(|n| format!("c{n}")).collect();
    let all = (ids.iter().map(String::as_str)).chain(["mina", "emma"]);
    for id in all {
        let look = json!({ "product_id": "p-1", "category": "teapots" });
        shop.past(id, Span::days(30), "Product Viewed", look).await;
    }
    // Ten in the morning in Seoul; in London the night is not over.
    shop.pass(Span::hours(26)).await;
    let sent = |shop: &Shop| {
        let mails = shop.app.mails();
        let of_it = |text: &str| text.contains("<product_launch.");
        mails.iter().filter(|(_, text)| of_it(text)).count()
    };
    assert_eq!(sent(&shop), 100);
    let phase = async |shop: &Shop| {
        let all = shop.app.core.campaigns().await.unwrap();
        let found = all.into_iter().find(|c| c.id.as_str() == "product_launch");
        found.unwrap().phase
    };
    assert!(matches!(phase(&shop).await, Phase::Live { .. }));
    shop.leaves_by(&shop.mails("c7")[0]).await;
    match phase(&shop).await {
        Phase::Tripped { why, .. } => assert_eq!(
            why,
            "1 unsubscribed, of 100 mails (limit: 1% of at least 100 in 1d)"
        ),
        other => panic!("{other:?}"),
    }
    let told = shop.mails_to("crm@shop.example");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].subject, "product_launch has paused itself");

    // Emma's mail waits until somebody has looked.
    shop.pass(Span::hours(12)).await;
    assert_eq!(shop.inbox("emma"), Vec::<String>::new());
    let id = CampaignId::parse("product_launch").unwrap();
    let scope = Scope::Campaign(id);
    shop.app.core.resume(&scope, "test").await.unwrap();
    shop.pass(Span::hours(1)).await;
    assert_eq!(shop.subjects("emma"), ["On Friday: the travel teapot"]);
}
