//! What mails show beside the customer: products of the customer's own events, data of the campaign's, and links of the
//! shop's; end to end on the virtual clock, and foretold.

mod app;

use app::{App, CONFIG, load_config, shipped};
use axum::body::Body;
use axum::http::{Request, header};
use mail_parser::MessageParser;
use reveille::domain::cause::{Cause, Liveness, ProfileChange};
use reveille::domain::id::CampaignId;
use reveille::domain::time::Span;
use reveille::engine::catalogue::FileState;
use reveille::engine::forecast::{Question, Told};
use reveille::engine::shard::Refused;
use reveille::http::tracking::{Tracking, router};
use reveille::store::memory::MemoryStore;
use serde_json::json;
use std::sync::Arc;
use tower::ServiceExt;

const START: &str = "2026-03-02T03:00:00Z";

/// The HTML and the text of the mail to this customer; the latest, if there are several.
fn mail_to(app: &App, id: &str) -> Option<(String, String)> {
    let address = format!("{id}@customers.example");
    let mut mails = app.mails();
    mails.retain(|(_, raw)| raw.contains(&address));
    let (_, raw) = mails.pop()?;
    let mail = MessageParser::default().parse(raw.as_bytes()).unwrap();
    let html = mail.body_html(0).unwrap().into_owned();
    Some((html, mail.body_text(0).unwrap().into_owned()))
}

fn campaign(step: &str) -> String {
    format!(
        r#"
name  = "A test"
state = "live"
class = "informational"

[trigger]
event = "Signed Up"

[entry]
again = "always"

[[step]]
id       = "hello"
template = "note"
after    = "10m"
subject  = "Hello"
{step}
"#
    )
}

/// One product a line.
const NOTE: &str =
    "{{#each products}}[{{id}} {{name}} {{quantity}} {{price_text}} {{url}} {{image}}]{{/each}}";

async fn speaks(app: &App, id: &str, locale: &str) {
    let mut profile = ProfileChange::default();
    profile.preferences.locale = Some(Some(locale.to_owned()));
    app.act(id, Cause::Profile(Box::new(profile), Liveness::Live))
        .await;
}

fn added(cart: &str, id: &str, name: &str, won: u64, more: serde_json::Value) -> serde_json::Value {
    let mut product = json!({ "cart_id": cart, "product_id": id, "name": name, "price": won, "currency": "KRW",
        "url": format!("https://shop.example/p/{id}"), "image_url": format!("https://shop.example/i/{id}.png") });
    product
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    product
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cart_reminder_shows_what_lies_in_that_cart_in_the_readers_language() {
    let app = App::start(
        START,
        &[("cart_reminder.toml", &shipped("cart_reminder.toml"))],
    )
    .await;
    for id in ["mina", "joon"] {
        app.sign_up(id, "Asia/Seoul").await;
    }
    speaks(&app, "mina", "ko").await;
    for id in ["mina", "joon"] {
        for product in [
            added("c1", "tea", "Green tea", 9_800, json!({ "quantity": 1 })),
            added("c2", "oil", "Olive oil", 16_500, json!({})),
            added(
                "c1",
                "mug",
                "<script>alert(\"mug\")</script>",
                24_000,
                json!({ "quantity": 2, "url": "javascript:alert(1)" }),
            ),
            added(
                "c1",
                "box",
                "Gift box",
                45_000,
                json!({ "image_url": "http://shop.example/i/box.png" }),
            ),
        ] {
            app.event(id, "Product Added", product).await;
            app.advance(Span::minutes(1)).await;
        }
        app.event(
            id,
            "Product Removed",
            json!({ "cart_id": "c1", "product_id": "tea", "quantity": 1 }),
        )
        .await;
        app.event(id, "Order Completed", json!({ "cart_id": "c2" }))
            .await;
    }
    app.advance(Span::hours(26)).await;
    let (ko, ko_text) = mail_to(&app, "mina").unwrap_or_else(|| panic!("no mail"));
    let (en, en_text) = mail_to(&app, "joon").unwrap_or_else(|| panic!("no mail"));
    assert_eq!(app.mails().len(), 2, "the other cart was ordered");
    for (html, text, price, twice) in [
        (&ko, &ko_text, "45,000원", "2 × 24,000원"),
        (&en, &en_text, "₩45,000", "2 × ₩24,000"),
    ] {
        assert!(html.contains(price) && text.contains(price), "{html}");
        assert!(
            html.contains(&twice.replace('×', "&times;")) && text.contains(twice),
            "{html}{text}"
        );
        assert!(
            html.contains("src=\"https://shop.example/i/mug.png\""),
            "{html}"
        );
        assert!(
            html.contains("href=\"https://shop.example/p/box\""),
            "{html}"
        );
        assert!(
            html.find("Gift box").unwrap() < html.find("alert(").unwrap(),
            "the newest is the first"
        );
        for never in [
            "<script>",
            "javascript:",
            "http://shop.example/i",
            "Green tea",
            "Olive oil",
        ] {
            assert!(!html.contains(never), "{never}: {html}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_cart_is_not_reminded_of_and_the_forecast_knew() {
    let app = App::start(
        START,
        &[("cart_reminder.toml", &shipped("cart_reminder.toml"))],
    )
    .await;
    for id in ["mina", "joon"] {
        app.sign_up(id, "Asia/Seoul").await;
        app.event(
            id,
            "Product Added",
            added("c1", "tea", "Green tea", 9_800, json!({})),
        )
        .await;
    }
    app.event(
        "mina",
        "Product Removed",
        json!({ "cart_id": "c1", "product_id": "tea" }),
    )
    .await;
    let question = Question {
        days: 3,
        decisions: true,
        running: true,
        tick: Some(Span::minutes(1)),
        ..Question::default()
    };
    let (out, mut told) = tokio::sync::mpsc::channel(4);
    let listening = tokio::spawn(async move {
        let mut found = Vec::new();
        while let Some(told) = told.recv().await {
            if let Told::Decisions(more) = told {
                found.extend(more);
            }
        }
        found
    });
    app.core.forecast(question, out).await.unwrap();
    let mut foretold: Vec<String> = (listening.await.unwrap().iter())
        .filter(|d| ["dropped", "attempting"].contains(&d.status.as_str()))
        .map(|d| format!("{} {} {}", d.customer, d.status.as_str(), d.reason.code()))
        .collect();
    foretold.sort();
    assert_eq!(
        foretold,
        ["joon attempting policy", "mina dropped too_few_products"]
    );
    app.advance(Span::hours(26)).await;
    assert_eq!(app.mails().len(), 1);
    assert_eq!(
        app.story("mina").await,
        [
            "cart_reminder entered/trigger",
            "cart_reminder waiting/step_due",
            "cart_reminder dropped/too_few_products"
        ]
    );
    let row = app.log().await.pop().unwrap();
    assert!(
        app.log()
            .await
            .iter()
            .any(|row| row.detail == "0 of at least 1"),
        "{row:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_seen_and_not_bought_since_is_shown() {
    let step = r#"products = { from = "Product Viewed", where = { category = "tea" }, within = "14d", most = 2, except = "Order Completed" }"#;
    let app = App::start(START, &[]).await;
    app.template("note.html.hbs", NOTE);
    app.file("seen.toml", Some(&campaign(step)));
    let catalogue = app.reload().await;
    assert!(!catalogue.has_errors(), "{:?}", catalogue.problems);
    app.sign_up("mina", "Asia/Seoul").await;
    let viewed =
        |id: &str, category: &str| json!({ "product_id": id, "name": id, "category": category });
    let past = |days: i64| app.now() - Span::days(days);
    for (id, category, days) in [
        ("old", "tea", 15),
        ("a", "tea", 9),
        ("b", "tea", 8),
        ("c", "tea", 7),
        ("mug", "home", 6),
        ("d", "tea", 5),
    ] {
        app.event_at(
            "mina",
            "Product Viewed",
            viewed(id, category),
            past(days),
            Liveness::History,
        )
        .await;
    }
    app.event_at(
        "mina",
        "Order Completed",
        json!({ "products": [{ "product_id": "d" }] }),
        past(4),
        Liveness::History,
    )
    .await;
    app.event("mina", "Signed Up", json!({})).await;
    app.advance(Span::minutes(11)).await;
    assert_eq!(
        mail_to(&app, "mina").unwrap().0.trim(),
        "[c c 1   ][b b 1   ]"
    );
    // Somebody who has seen nothing gets an empty list.
    app.sign_up("joon", "Asia/Seoul").await;
    app.event("joon", "Signed Up", json!({})).await;
    app.advance(Span::minutes(11)).await;
    assert_eq!(mail_to(&app, "joon").unwrap().0.trim(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn templates_see_data_and_a_broken_data_file_leaves_the_last_good_version_in_force() {
    let app = App::start(START, &[]).await;
    app.template(
        "note.html.hbs",
        "{{data.code}}|{{data.from}}|{{#each data.rows}}{{name}} {{money price \"KRW\"}};{{/each}}|{{default data.extra \"none\"}}",
    );
    let step = r#"data_file = "spring/lookbook.csv"
data     = { code = "A", from = 2026-03-01 }
variants = [{ name = "only", data = { code = "B", extra = "more" } }]
"#;
    std::fs::create_dir(app.dir.path().join("campaigns/spring")).unwrap();
    app.file("spring/lookbook.csv", Some("name,price\n머그컵,24000\n"));
    app.file("spring.toml", Some(&campaign(step)));
    let catalogue = app.reload().await;
    assert!(!catalogue.has_errors(), "{:?}", catalogue.problems);
    let hash = |app: &App| {
        let rules = app.core.catalogue().rules.clone();
        rules
            .campaigns
            .values()
            .find(|c| c.id.as_str() == "spring")
            .unwrap()
            .hash
    };
    let first = hash(&app);
    app.sign_up("mina", "Asia/Seoul").await;
    let sent = async |app: &App| {
        app.event("mina", "Signed Up", json!({})).await;
        app.advance(Span::minutes(11)).await;
        mail_to(app, "mina").unwrap().0.trim().to_owned()
    };
    assert_eq!(sent(&app).await, "B|2026-03-01|머그컵 ₩24,000;|more");

    app.file("spring/lookbook.csv", Some("name,price\n머그컵,24000,1\n"));
    let catalogue = app.reload().await;
    let problem = catalogue.problems.iter().find(|p| p.is_error()).unwrap();
    assert!(problem.file.ends_with("spring/lookbook.csv"), "{problem:?}");
    let place = problem.place.as_ref().unwrap();
    assert_eq!((place.line, place.column), (2, 1));
    assert_eq!(app.file_state("spring"), Some(FileState::LastGood));
    assert_eq!(sent(&app).await, "B|2026-03-01|머그컵 ₩24,000;|more");
    assert_eq!(hash(&app), first);

    app.file("spring/lookbook.csv", None);
    app.reload().await;
    assert_eq!(app.file_state("spring"), Some(FileState::LastGood));
    assert_eq!(hash(&app), first);

    app.file("spring/lookbook.csv", Some("name,price\n머그컵,25000\n"));
    assert!(!app.reload().await.has_errors());
    assert_ne!(hash(&app), first, "what is approved includes the data");
    assert_eq!(sent(&app).await, "B|2026-03-01|머그컵 ₩25,000;|more");
    assert_eq!(app.file_state("spring"), Some(FileState::Good));
    // Numbers are numbers, lists are lists.
    app.template(
        "note.html.hbs",
        "{{#each data.lines}}{{this}},{{/each}}{{times data.n 2}}",
    );
    app.file(
        "spring.toml",
        Some(&campaign("data = { lines = [\"a\", \"b\"], n = 2.5 }")),
    );
    assert!(!app.reload().await.has_errors());
    assert_eq!(sent(&app).await, "a,b,5");
}

const LINKS: &str =
    "shop = \"https://shop.example/\"\ncart = \"https://shop.example/cart?a=1&b=2\"";

#[tokio::test(flavor = "multi_thread")]
async fn the_shops_links_stand_in_mails_and_a_change_of_them_is_taken_up_at_once() {
    let config = |links: &str| {
        format!(
            "{CONFIG}[http]\npublic_url = \"https://mail.shop.example\"\n[staff]\ncrm = \"crm@shop.example\"\n[links]\n{links}\n"
        )
    };
    let store = Arc::new(MemoryStore::new());
    let app = App::start_on(store, START, &config(LINKS), &[]).await;
    app.template(
        "note.html.hbs",
        "<body><a href=\"{{links.cart}}\">cart</a> {{links.cart}} {{#if links.blog}}{{links.blog}}{{else}}no blog{{/if}}\
         <a href=\"{{links.preferences}}\">choose</a></body>",
    );
    app.template("note.txt.hbs", "{{links.cart}}");
    let tell = "\n[[step]]\nid = \"tell\"\nnotify = \"crm\"\nsubject = \"New: {{customer.id}}\"\ntext = \"See {{links.shop}}\"\n";
    let text = campaign(tell).replace("class = ", "tracking = true\nclass = ");
    app.file("spring.toml", Some(&text));
    let catalogue = app.reload().await;
    assert_eq!(catalogue.template_problems, []);
    let hash = |app: &App| {
        let rules = app.core.catalogue().rules.clone();
        let mut all = rules.campaigns.values();
        all.find(|c| c.id.as_str() == "spring").map(|c| c.hash)
    };
    let first = hash(&app);
    let asks = async |id: &str| {
        app.sign_up(id, "Asia/Seoul").await;
        app.event(id, "Signed Up", json!({})).await;
    };
    asks("mina").await;
    app.advance(Span::minutes(11)).await;
    let (html, text) = mail_to(&app, "mina").unwrap();
    assert_eq!(text.trim(), "https://shop.example/cart?a=1&b=2");
    // Escaped as HTML wants it.
    let escaped = " https://shop.example/cart?a=1&amp;b=2 ";
    assert!(html.contains(escaped), "{html}");
    assert!(html.contains("no blog"), "{html}");
    // It leads through the daemon, which knows where to.
    let begin = "<a href=\"https://mail.shop.example/t/c/";
    let path = html.split(begin).nth(1).unwrap().split('"').next().unwrap();
    let asked = Request::get(format!("/t/c/{path}")).body(Body::empty());
    let core = Arc::clone(&app.core);
    let answer = router(Tracking { core }).oneshot(asked.unwrap()).await;
    let answer = answer.unwrap();
    assert_eq!(
        answer.headers()[header::LOCATION],
        "https://shop.example/cart?a=1&b=2"
    );
    let staff = app
        .mails()
        .into_iter()
        .find(|(_, raw)| raw.contains("crm@shop.example"));
    assert!(staff.unwrap().1.contains("See https://shop.example/"));

    let change = |links: &str| {
        std::fs::write(app.dir.path().join("config.toml"), config(links)).unwrap();
    };
    change(&format!("{LINKS}\nblog = \"https://blog.example\""));
    assert!(!app.reload().await.has_errors());
    assert_eq!(hash(&app), first, "it is no new version");
    asks("joon").await;
    app.advance(Span::minutes(11)).await;
    let (html, _) = mail_to(&app, "joon").unwrap();
    assert!(html.contains("https://blog.example"), "{html}");

    // A link that its mails cannot do without is taken out: they go on with it as it was, over restarts too.
    asks("yuna").await;
    change("crat = \"https://shop.example/cart\"\nshop = \"https://shop.example/\"");
    let told = app.reload().await.template_problems.clone();
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "note.html.hbs:1:16: there is no link `cart`\n  help: did you mean `crat`?",
            "note.html.hbs:1:41: there is no link `cart`\n  help: did you mean `crat`?",
            "note.txt.hbs:1:1: there is no link `cart`\n  help: did you mean `crat`?",
        ]
    );
    assert_eq!(app.file_state("spring"), Some(FileState::LastGood));
    app.advance(Span::minutes(11)).await;
    let (html, text) = mail_to(&app, "yuna").unwrap();
    assert_eq!(text.trim(), "https://shop.example/cart?a=1&b=2");
    assert!(html.contains("no blog"), "only asked for: {html}");
    change("shop = \"https://new.example/\"");
    let store = app.core.store.clone();
    let app = app.reopen(store).await;
    app.settle().await;
    assert_eq!(app.file_state("spring"), Some(FileState::LastGood));
    app.sign_up("hana", "Asia/Seoul").await;
    app.event("hana", "Signed Up", json!({})).await;
    app.advance(Span::minutes(11)).await;
    let (_, text) = mail_to(&app, "hana").unwrap();
    assert_eq!(text.trim(), "https://shop.example/cart?a=1&b=2");
    let of_staff = |new: &str| {
        let mails = app.mails();
        mails.iter().any(|(_, raw)| raw.contains(new))
    };
    assert!(of_staff("See https://new.example/"));
    // Back, with another address, which holds at once.
    let file = app.dir.path().join("config.toml");
    let back = LINKS.replace("a=1", "a=2");
    std::fs::write(&file, config(&back)).unwrap();
    assert!(!app.reload().await.has_errors());
    assert_eq!(app.file_state("spring"), Some(FileState::Good));
    app.sign_up("dara", "Asia/Seoul").await;
    app.event("dara", "Signed Up", json!({})).await;
    app.advance(Span::minutes(11)).await;
    let (_, text) = mail_to(&app, "dara").unwrap();
    assert_eq!(text.trim(), "https://shop.example/cart?a=2&b=2");
}

/// The program's own links and the staff, which no last good version can keep.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_takes_from_campaigns_in_force_what_they_need_changes_nothing() {
    let pages = "[http]\npublic_url = \"https://mail.shop.example\"\n";
    let staff = "[staff]\ncrm = \"crm@shop.example\"\n";
    let store = Arc::new(MemoryStore::new());
    let both = format!("{CONFIG}{pages}{staff}");
    let app = App::start_on(store, START, &both, &[]).await;
    app.template("note.html.hbs", "<p>{{links.preferences}}</p>");
    app.template("note.txt.hbs", "Hello");
    let tell = "\n[[step]]\nid = \"tell\"\nnotify = \"crm\"\nsubject = \"New\"\ntext = \"Look\"\n";
    app.file("spring.toml", Some(&campaign("")));
    app.file("told.toml", Some(&campaign(tell)));
    let draft = campaign(tell).replace("live", "draft");
    app.file("draft.toml", Some(&draft));
    assert!(!app.reload().await.has_errors());
    let file = app.dir.path().join("config.toml");
    let refused = async |app: &App, config: String| {
        std::fs::write(&file, config).unwrap();
        let refused = app.core.reload(load_config(app.dir.path())).await;
        let Err(Refused::TakenAway(why)) = refused else {
            panic!("it was not refused")
        };
        let told = why.told(&file);
        let places: Vec<String> = (told.iter().map(|p| p.to_line()))
            .chain(why.template_problems.iter().map(ToString::to_string))
            .collect();
        let names = why.campaigns.iter().map(|id| id.to_string());
        (names.collect::<Vec<_>>().join(" "), places.join("\n"))
    };
    let (names, told) = refused(&app, format!("{CONFIG}{staff}")).await;
    assert_eq!(names, "spring told");
    assert!(
        told.contains("`spring`, `told` are in force")
            && told.contains("note.html.hbs:1:4: there is no link `preferences`"),
        "{told}"
    );
    let (names, told) = refused(&app, format!("{CONFIG}{pages}")).await;
    assert_eq!(names, "told");
    assert!(told.contains("campaigns/told.toml:20:10"), "{told}");
    // All is as it was.
    let states = |app: &App| ["spring", "told", "draft"].map(|id| app.file_state(id).unwrap());
    assert_eq!(states(&app), [FileState::Good; 3]);
    let told = app.core.config();
    assert!(told.http.public_url.is_some());

    // At a start there is nothing to go on by: it waits, and goes on when the address is back.
    std::fs::write(&file, format!("{CONFIG}{staff}")).unwrap();
    let store = app.core.store.clone();
    let app = app.reopen(store).await;
    app.settle().await;
    assert_eq!(states(&app)[0], FileState::Broken);
    // What is broken is not made worse.
    std::fs::write(
        &file,
        format!("{CONFIG}{staff}[links]\nshop = \"https://shop.example\"\n"),
    )
    .unwrap();
    app.reload().await;
    std::fs::write(&file, &both).unwrap();
    assert!(!app.reload().await.has_errors());
    assert_eq!(states(&app), [FileState::Good; 3]);
    // Cancelled, it is in nobody's way.
    for name in ["spring", "told"] {
        let id = CampaignId::parse(name).unwrap();
        app.core.cancel(&id, "test").await.unwrap();
    }
    std::fs::write(&file, CONFIG).unwrap();
    app.reload().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_mails_show_their_buttons_where_the_shop_has_such_pages() {
    let files = [
        ("welcome.toml", &*shipped("welcome.toml")),
        ("cart_reminder.toml", &*shipped("cart_reminder.toml")),
    ];
    let with_links = format!("{CONFIG}[links]\n{LINKS}\n");
    for (config, shown) in [(with_links.as_str(), 1), (CONFIG, 0)] {
        let store = Arc::new(MemoryStore::new());
        let app = App::start_on(store, START, config, &files).await;
        app.sign_up("mina", "Asia/Seoul").await;
        app.event("mina", "Signed Up", json!({})).await;
        app.sign_up("joon", "Asia/Seoul").await;
        let tea = added("c1", "tea", "Green tea", 9_800, json!({}));
        app.event("joon", "Product Added", tea).await;
        app.advance(Span::days(1)).await;
        for (id, href, text) in [
            (
                "mina",
                "<a href=\"https://shop.example/\"",
                "Look round the shop: https://shop.example/",
            ),
            (
                "joon",
                "<a href=\"https://shop.example/cart?a=1&amp;b=2\"",
                "Back to your cart: https://shop.example/cart?a=1&b=2",
            ),
        ] {
            let (html, plain) = mail_to(&app, id).unwrap();
            assert_eq!(html.matches(href).count(), shown, "{html}");
            assert_eq!(plain.matches(text).count(), shown, "{plain}");
        }
    }
}
