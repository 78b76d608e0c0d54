//! The owner of a campaign hears by mail that it waits for approval, and that a pool of coupons runs low: once a case, over
//! restarts too, in the shop's language, never while sending is held, and with no customer named.

mod app;

use app::{App, CONFIG};
use mail_parser::MessageParser;
use reveille::domain::time::Span;
use reveille::engine::control::Scope;
use reveille::store::memory::MemoryStore;
use serde_json::json;
use std::sync::Arc;

const START: &str = "2026-03-02T03:00:00Z";

fn buyers(event: &str) -> String {
    format!(
        r#"
name  = "Buyers"
state = "live"
class = "informational"
owner = "crm@shop.example"

[schedule]
cron     = "0 9 * * *"
timezone = "UTC"

[audience]
event = "{event}"

[entry]
existing = "enter"

[[step]]
id       = "hello"
template = "welcome"
subject  = "Hello"
"#
    )
}

/// Each who signs up gets a code of the pool.
fn gift(owner: &str) -> String {
    format!(
        r#"
name  = "Gift"
state = "live"
class = "transactional"
owner = "{owner}"

[trigger]
event = "Signed Up"

[[step]]
id       = "gift"
template = "gift"
subject  = "A gift"
coupon   = "ten"
"#
    )
}

/// What this owner was told: subject and text.
fn told(app: &App, owner: &str) -> Vec<(String, String)> {
    let mails = app.mails().into_iter().filter_map(|(_, mail)| {
        let mail = MessageParser::default().parse(&mail)?.into_owned();
        let to = mail.to()?.first()?.address()?.to_owned();
        let text = mail.body_text(0)?.into_owned();
        (to == owner).then(|| (mail.subject().unwrap_or_default().to_owned(), text))
    });
    let mut told: Vec<_> = mails.collect();
    told.sort();
    told
}

fn subjects(app: &App, owner: &str) -> Vec<String> {
    let told = told(app, owner);
    told.into_iter().map(|(subject, _)| subject).collect()
}

#[tokio::test]
async fn that_a_campaign_waits_for_approval_is_told_once_a_case() {
    let store = Arc::new(MemoryStore::new());
    let app = App::start_on(store.clone(), START, CONFIG, &[]).await;
    app.buyers(0..250).await;
    app.file("buyers.toml", Some(&buyers("Order Completed")));
    app.reload().await;
    assert!(app.awaits_approval("buyers"));
    let first = told(&app, "crm@shop.example");
    assert_eq!(first.len(), 1);
    let (subject, text) = &first[0];
    assert_eq!(subject, "buyers waits for approval");
    for part in [
        "Buyers (buyers)",
        "250 customers",
        "2026-03-02 12:00 (Asia/Seoul)",
        "reveille campaign approve buyers",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("customers.example") && !text.contains("c1"));

    // Not again: after a restart, for an edited text, under another name.
    let app = app.reopen(Arc::new(store.reopen())).await;
    app.settle().await;
    let text = buyers("Order Completed").replace("\"Hello\"", "\"Good day\"");
    app.file("buyers.toml", Some(&text));
    app.reload().await;
    let renamed = format!("renamed_from = \"buyers\"\n{text}");
    app.file("buyers.toml", None);
    app.file("customers.toml", Some(&renamed));
    app.reload().await;
    app.advance(Span::minutes(20)).await;
    assert!(app.awaits_approval("customers"));
    assert_eq!(told(&app, "crm@shop.example"), first);

    // What it waits for next is another case.
    app.approve("customers").await;
    let edited = renamed.replace("event = \"Order", "event = \"*\"\n#");
    app.file("customers.toml", Some(&edited));
    app.reload().await;
    assert!(app.awaits_approval("customers"));
    assert_eq!(
        subjects(&app, "crm@shop.example"),
        ["buyers waits for approval", "customers waits for approval"]
    );
}

#[tokio::test]
async fn nobody_is_told_while_sending_is_held_and_koreans_in_korean() {
    let app = App::start(START, &[]).await;
    let path = app.dir.path().join("config.toml");
    let korean = CONFIG.replace("locale = \"en\"", "locale = \"ko\"");
    std::fs::write(path, korean).unwrap();
    app.buyers(0..250).await;
    app.core.hold("the store was restored").await.unwrap();
    app.file("buyers.toml", Some(&buyers("Order Completed")));
    app.reload().await;
    app.advance(Span::minutes(10)).await;
    assert!(app.awaits_approval("buyers"));
    assert_eq!(subjects(&app, "crm@shop.example"), [""; 0]);
    app.core.resume(&Scope::All, "test").await.unwrap();
    app.settle().await;
    let told = told(&app, "crm@shop.example");
    assert_eq!(told.len(), 1);
    let (subject, text) = &told[0];
    assert_eq!(subject, "buyers 캠페인이 승인을 기다립니다");
    assert!(text.contains("고객이 250명"), "{text}");
}

/// So many more sign up.
async fn sign_up(app: &App, range: std::ops::Range<usize>) {
    for n in range {
        let id = format!("mina{n}");
        app.sign_up(&id, "Asia/Seoul").await;
        app.event(&id, "Signed Up", json!({})).await;
        app.settle().await;
    }
}

fn list(codes: std::ops::Range<usize>) -> String {
    codes.map(|n| format!("CODE-{n}\n")).collect()
}

#[tokio::test]
async fn that_a_pool_runs_low_is_told_to_each_owner_once_before_it_is_dry_and_once_when_it_is() {
    let store = Arc::new(MemoryStore::new());
    let app = App::start_on(store.clone(), START, CONFIG, &[]).await;
    app.template("gift.html.hbs", "<p>{{coupon.code}}</p>");
    app.file("ten.txt", Some(&list(0..6)));
    let pool = "[ten]\nfile = \"ten.txt\"\nwarn_below = 3\n";
    app.file("coupons.toml", Some(pool));
    app.file("gift.toml", Some(&gift("crm@shop.example")));
    // Two campaigns of one owner, a draft's, and another's.
    let more = gift("crm@shop.example").replace("Signed Up", "Never");
    app.file("more.toml", Some(&more));
    let other = gift("ceo@shop.example").replace("Signed Up", "Never");
    app.file("other.toml", Some(&other));
    let draft = gift("draft@shop.example").replace("\"live\"", "\"draft\"");
    app.file("draft.toml", Some(&draft));
    app.reload().await;
    sign_up(&app, 0..3).await;
    assert_eq!(subjects(&app, "crm@shop.example"), [""; 0]);
    sign_up(&app, 3..4).await;
    let low = "The coupons of ten run low: 2 left";
    for owner in ["crm@shop.example", "ceo@shop.example"] {
        assert_eq!(subjects(&app, owner), [low], "{owner}");
    }
    let text = &told(&app, "crm@shop.example")[0].1;
    for part in ["6 codes", "gift, more, other", "reveille coupon list"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("mina") && !text.contains("CODE"), "{text}");
    let app = app.reopen(Arc::new(store.reopen())).await;
    app.settle().await;
    sign_up(&app, 4..6).await;
    let dry = "The coupons of ten are used up";
    assert_eq!(subjects(&app, "crm@shop.example"), [dry, low]);
    let app = app.reopen(Arc::new(store.reopen())).await;
    app.settle().await;
    app.advance(Span::minutes(20)).await;
    assert_eq!(subjects(&app, "crm@shop.example"), [dry, low]);

    // Filled up, it may run low again.
    app.file("ten.txt", Some(&list(0..10)));
    app.reload().await;
    assert_eq!(subjects(&app, "crm@shop.example"), [dry, low]);
    sign_up(&app, 6..8).await;
    assert_eq!(subjects(&app, "ceo@shop.example"), [dry, low, low]);
    assert_eq!(subjects(&app, "draft@shop.example"), [""; 0]);
}
