//! Who is going: before dormancy, the way back in three steps, a good customer gone silent, the sunset.

use crate::same_as_ever;
use crate::shop::{Shop, live};
use reveille::domain::cause::ProfileChange;
use reveille::domain::id::{CustomerId, TagName};
use reveille::domain::preference::{ConsentState, Format};
use reveille::domain::time::Span;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};

/// Monday, eight in the morning in Seoul.
const START: &str = "2026-03-01T23:00:00Z";

/// An order like no other: each has a number of its own.
fn order(total: u64) -> Value {
    static ORDERS: AtomicU64 = AtomicU64::new(2);
    let number = ORDERS.fetch_add(1, Ordering::Relaxed);
    json!({ "order_id": format!("o-{number}"), "total": total })
}

async fn tag(shop: &Shop, id: &str, tag: &str) {
    let tags = vec![(TagName::parse(tag).unwrap(), true)];
    let change = ProfileChange {
        tags,
        ..ProfileChange::default()
    };
    shop.change(id, change).await;
}

async fn view(shop: &Shop, id: &str) -> Value {
    let id = CustomerId::parse(id).unwrap();
    let view = shop.app.core.customer_view(&id).await.unwrap().unwrap();
    serde_json::to_value(&view).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn before_dormancy_writes_on_day_75() {
    let shop = Shop::open(START, &["before_dormancy"]).await;
    for id in ["emma", "orders", "vip", "gone"] {
        shop.english(id).await;
    }
    shop.korean("mina").await;
    for (id, name) in [
        ("emma", "Green tea"),
        ("mina", "녹차"),
        ("orders", "Tea"),
        ("vip", "Tea"),
    ] {
        let tea = json!({ "product_id": "p-1", "name": name, "price": 18000, "currency": "KRW" });
        let order = json!({ "order_id": "o-1", "total": 20_000, "products": [tea] });
        shop.past(id, Span::days(74), "Order Completed", order)
            .await;
    }
    shop.past("gone", Span::days(95), "Order Completed", order(20_000))
        .await;
    let many: Vec<String> = (0..30).map(|n| format!("one-{n}")).collect();
    for id in &many {
        shop.english(id).await;
        shop.past(id, Span::days(74), "Order Completed", order(20_000))
            .await;
    }
    tag(&shop, "vip", "vip").await;
    shop.pass(Span::hours(20)).await;
    shop.event("orders", "Order Completed", order(30_000)).await;
    shop.pass(Span::days(20)).await;

    let sent = [
        "before_dormancy entered/schedule",
        "before_dormancy/hello accepted/accepted",
    ];
    assert_eq!(shop.story("emma").await, sent);
    assert_eq!(shop.story("mina").await, sent);
    // It was the 75th day from eleven in the evening on, in London.
    assert_eq!(
        shop.inbox("emma"),
        ["2026-03-03T10:00:00Z Is your tea running low, Emma?"]
    );
    for id in ["orders", "vip", "gone"] {
        assert_eq!(shop.story(id).await, Vec::<String>::new(), "{id}");
    }
    // One in ten or so gets nothing of it, so that it shows what it brings.
    let mut held = 0;
    for id in &many {
        let story = shop.story(id).await;
        match story[1].as_str() {
            "before_dormancy/hello held_out/holdout" => {
                held += 1;
                assert_eq!(shop.inbox(id), Vec::<String>::new());
            }
            _ => assert_eq!(story, sent, "{id}"),
        }
    }
    assert!((1..=8).contains(&held), "{held}");
    let why = shop.why("vip", "before_dormancy").await;
    assert!(why.contains("no not (tagged \"vip\")"), "{why}");
    same_as_ever!("before_dormancy_hello_en", &shop.mails("emma")[0]);
    same_as_ever!("before_dormancy_hello_ko", &shop.mails("mina")[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn win_back_asks_less_of_who_answers_and_tags_who_never_does() {
    let shop = Shop::open(START, &["win_back"]).await;
    for id in ["emma", "reader", "buyer", "never"] {
        shop.english(id).await;
    }
    shop.korean("mina").await;
    for id in ["emma", "mina", "reader", "buyer"] {
        shop.past(id, Span::days(200), "Order Completed", order(20_000))
            .await;
    }
    shop.pass(Span::days(3)).await;
    shop.clicks("reader", "hello").await;
    shop.pass(Span::days(12)).await;
    shop.event("buyer", "Order Completed", order(30_000)).await;
    shop.pass(Span::days(29)).await;

    let all = [
        "win_back entered/schedule",
        "win_back/hello accepted/accepted",
        "win_back/gift accepted/accepted",
        "win_back/survey accepted/accepted",
        "win_back/lapsed done/tagged",
    ];
    assert_eq!(shop.story("emma").await, all);
    assert_eq!(shop.story("mina").await, all);
    assert_eq!(
        shop.inbox("emma"),
        [
            "2026-03-03T10:00:00Z We have missed you, Emma",
            "2026-03-13T10:00:00Z Your next delivery is on us",
            "2026-03-27T10:00:00Z One question, and then we let you be",
        ]
    );
    assert_eq!(
        shop.story("reader").await,
        [
            "win_back entered/schedule",
            "win_back/hello accepted/accepted",
            "win_back/gift skipped/only_if",
            "win_back left/only_if"
        ]
    );
    assert_eq!(
        shop.story("buyer").await,
        [
            "win_back entered/schedule",
            "win_back/hello accepted/accepted",
            "win_back/gift accepted/accepted",
            "win_back/gift goal/goal_reached",
            "win_back left/exit",
        ]
    );
    assert_eq!(shop.story("never").await, Vec::<String>::new());
    assert!(
        view(&shop, "emma").await["tags"]
            .to_string()
            .contains("\"lapsed\"")
    );
    for (id, locale) in [("emma", "en"), ("mina", "ko")] {
        for (mail, step) in shop.mails(id).iter().zip(["hello", "gift", "survey"]) {
            same_as_ever!(format!("win_back_{step}_{locale}"), mail);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn vip_dormant_tells_staff_first_and_writes_unless_they_called() {
    let shop = Shop::open(START, &["vip_dormant"]).await;
    for id in ["emma", "called", "small", "looks"] {
        shop.english(id).await;
    }
    shop.korean("mina").await;
    for id in ["emma", "mina", "called", "looks"] {
        shop.past(id, Span::days(150), "Order Completed", order(700_000))
            .await;
        shop.past(id, Span::days(70), "Order Completed", order(500_000))
            .await;
    }
    shop.past("small", Span::days(70), "Order Completed", order(200_000))
        .await;
    shop.past("looks", Span::days(20), "Product Viewed", json!({}))
        .await;
    shop.pass(Span::hours(6)).await;
    let told = shop.mails_to("crm@shop.example");
    assert_eq!(told.len(), 3);
    assert_eq!(told[0].at.to_string(), "2026-03-02T00:00:00Z");
    tag(&shop, "called", "vip_called").await;
    shop.pass(Span::days(5)).await;

    let written = [
        "vip_dormant entered/schedule",
        "vip_dormant/tell-staff done/notified",
        "vip_dormant/tell-staff accepted/accepted",
        "vip_dormant/letter accepted/accepted",
    ];
    assert_eq!(shop.story("emma").await, written);
    assert_eq!(shop.story("mina").await, written);
    assert_eq!(
        shop.inbox("emma"),
        ["2026-03-05T10:00:00Z A personal word from Corner Shop"]
    );
    assert_eq!(
        shop.story("called").await.last().unwrap(),
        "vip_dormant/letter skipped/only_if"
    );
    assert_eq!(shop.inbox("called"), Vec::<String>::new());
    let told_of = |id: &'static str| {
        let mails = shop.mails_to("crm@shop.example");
        (mails.iter()).filter(|m| m.subject.contains(id)).count()
    };
    assert_eq!(told_of("(called)"), 1);
    assert_eq!(shop.story("small").await, Vec::<String>::new());
    assert_eq!(shop.story("looks").await, Vec::<String>::new());
    let about_emma = told.iter().find(|m| m.subject.starts_with("Emma (emma)"));
    same_as_ever!("vip_dormant_staff", about_emma.unwrap());
    same_as_ever!("vip_dormant_letter_en", &shop.mails("emma")[0]);
    same_as_ever!("vip_dormant_letter_ko", &shop.mails("mina")[0]);
    // Half a year on the tag is gone. They buy, fall silent once more, and are called once more.
    shop.event("called", "Order Completed", order(900_000))
        .await;
    shop.app.leap(Span::days(179)).await;
    shop.pass(Span::days(1)).await;
    let tags = view(&shop, "called").await["tags"].to_string();
    assert!(!tags.contains("\"vip_called\""), "{tags}");
    shop.pass(Span::days(5)).await;
    assert_eq!(told_of("(called)"), 2);
}

/// Three advertising mails, on three days.
const NEWS: &str = r#"
name = "News"
state = "live"
class = "advertising"
topic = "offers"
[schedule]
cron = "0 12 * * *"
[audience]
known_for = ">= 1d"
[entry]
again = "always"
at_most = 3
existing = "enter"
[[step]]
id = "m"
template = "before_dormancy_hello"
subject = "News"
"#;

/// Its own mails count as unanswered, too, and so do those of other campaigns before it.
#[tokio::test(flavor = "multi_thread")]
async fn win_back_comes_to_its_end_for_who_stays_silent_and_sunset_waits_for_it() {
    let files = [
        ("win_back.toml".to_owned(), live("win_back")),
        ("sunset.toml".to_owned(), live("sunset")),
        (
            "news.toml".to_owned(),
            NEWS.replace("at_most = 3", "at_most = 2"),
        ),
    ];
    let shop = Shop::with(START, &files).await;
    shop.english("emma").await;
    shop.english("reads").await;
    for id in ["emma", "reads"] {
        shop.past(id, Span::days(200), "Order Completed", order(20))
            .await;
    }
    shop.pass(Span::days(4)).await;
    shop.clicks("reads", "hello").await;
    shop.pass(Span::days(49)).await;
    // Two mails went unanswered before the first of these did.
    assert_eq!(
        shop.inbox("emma"),
        [
            "2026-03-02T08:00:00Z News",
            "2026-03-03T08:00:00Z News",
            "2026-03-04T08:00:00Z We have missed you, Emma",
            "2026-03-14T08:00:00Z Your next delivery is on us",
            "2026-03-28T08:00:00Z One question, and then we let you be",
            "2026-04-13T10:00:00Z Shall we stop writing to you?",
        ]
    );
    let mut story = shop.story("emma").await;
    story.retain(|row| !row.starts_with("news"));
    // Each Monday sunset would have her.
    let kept_out = "sunset kept_out/higher_priority";
    assert_eq!(
        story,
        [
            "win_back entered/schedule",
            "win_back/hello accepted/accepted",
            kept_out,
            "win_back/gift accepted/accepted",
            kept_out,
            kept_out,
            "win_back/survey accepted/accepted",
            kept_out,
            kept_out,
            "win_back/lapsed done/tagged",
            "sunset entered/schedule",
            "sunset/last-chance accepted/accepted",
        ]
    );
    assert_eq!(shop.subjects("reads").len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn sunset_gives_a_last_chance_and_takes_the_silent_off_the_list() {
    let files = [
        ("sunset.toml".to_owned(), live("sunset")),
        ("consent_given.toml".to_owned(), live("consent_given")),
        (
            "consent_withdrawn.toml".to_owned(),
            live("consent_withdrawn"),
        ),
        ("news.toml".to_owned(), NEWS.to_owned()),
    ];
    let shop = Shop::with(START, &files).await;
    let all = [
        "emma", "stays", "back", "reader", "chooses", "unseen", "plain",
    ];
    for id in all {
        shop.english(id).await;
    }
    // What becomes of mails to them is not followed, so nobody can say that they do not read them.
    shop.attribute("unseen", "tracking", "false").await;
    let mut text = ProfileChange::default();
    text.preferences.format = Some(Some(Format::Text));
    shop.change("plain", text).await;
    shop.korean("mina").await;
    // Has the digest and the offers, and answers to neither.
    shop.english("digest").await;
    shop.says_of("digest", "monthly", ConsentState::Given).await;
    for id in all.into_iter().chain(["mina", "digest"]) {
        shop.past(id, Span::days(200), "Order Completed", order(20_000))
            .await;
    }
    shop.pass(Span::days(4)).await;
    assert_eq!(
        shop.subjects("emma"),
        ["Your consent is noted", "News", "News", "News"]
    );
    shop.clicks("reader", "m").await;
    shop.pass(Span::days(6)).await;
    shop.clicks("stays", "last-chance").await;
    shop.event("back", "Product Viewed", json!({})).await;
    // The mail's other link: the page is saved, and nothing on it is changed.
    shop.saves_the_page(shop.mails("chooses").last().unwrap())
        .await;
    shop.pass(Span::days(15)).await;

    let story = |id: &'static str| {
        let shop = &shop;
        async move {
            let mut rows = shop.story(id).await;
            rows.retain(|row| row.starts_with("sunset"));
            rows
        }
    };
    let gone = [
        "sunset entered/schedule",
        "sunset/last-chance accepted/accepted",
        "sunset/mark done/tagged",
        "sunset/leave-offers done/left_topic",
        "sunset/leave-reminders done/left_topic",
        "sunset/leave-monthly done/left_topic",
    ];
    assert_eq!(story("emma").await, gone);
    assert_eq!(story("mina").await, gone);
    assert_eq!(story("digest").await, gone);
    for id in ["stays", "back", "chooses"] {
        assert_eq!(
            story(id).await,
            [
                "sunset entered/schedule",
                "sunset/last-chance accepted/accepted",
                "sunset left/exit"
            ],
            "{id}"
        );
    }
    assert_eq!(story("reader").await, Vec::<String>::new());
    assert_eq!(story("unseen").await, Vec::<String>::new());
    assert_eq!(story("plain").await, Vec::<String>::new());
    // They said nothing, so nobody tells them that they did. Should they come back, it is as it was.
    assert_eq!(shop.mails("emma").len(), 5);
    shop.says_of("emma", "offers", ConsentState::Given).await;
    shop.pass(Span::days(1)).await;
    assert!(
        !view(&shop, "emma").await["tags"]
            .to_string()
            .contains("\"sunset\"")
    );
    shop.says("emma", ConsentState::Refused).await;
    shop.pass(Span::days(1)).await;
    assert_eq!(
        shop.subjects("emma")[5..],
        ["Your consent is noted", "We noted what you no longer want"]
    );
    let ledger = view(&shop, "emma").await["consent_ledger"].to_string();
    assert!(ledger.contains("campaign sunset/leave-offers"), "{ledger}");
    let ledger = view(&shop, "stays").await["consent_ledger"].to_string();
    assert!(!ledger.contains("sunset"), "{ledger}");
    same_as_ever!("sunset_last_chance_en", &shop.mails("emma")[4]);
    same_as_ever!("sunset_last_chance_ko", &shop.mails("mina")[4]);
}
