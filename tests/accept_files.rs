//! A bad file harms nobody: it goes on as its last good version, over restarts too, and the others don't notice.

mod app;

use app::{App, shipped};
use reveille::domain::id::CampaignId;
use reveille::domain::time::Span;
use reveille::engine::catalogue::FileState;
use serde_json::json;

const START: &str = "2026-03-02T03:00:00Z";

fn triggered(event: &str, template: &str, subject: &str) -> String {
    format!(
        r#"
name  = "On {event}"
state = "live"
class = "informational"

[trigger]
event = "{event}"

[entry]
again = "always"

[[step]]
id       = "hello"
template = "{template}"
after    = "10m"
subject  = "{subject}"
"#
    )
}

fn fans(segment: &str) -> String {
    format!(
        r#"
name  = "Fans"
state = "live"
class = "informational"

[audience]
segment = "{segment}"

[[step]]
id       = "hello"
template = "welcome"
subject  = "For fans"
"#
    )
}

const SEGMENTS: &str = "[fans]\nevent = \"Order Completed\"\ncount = \">= 2\"\n";

async fn subjects(app: &App) -> Vec<String> {
    let mut found: Vec<String> = (app.mails().iter())
        .filter_map(|(_, text)| text.lines().find_map(|l| l.strip_prefix("Subject: ")))
        .map(str::to_owned)
        .collect();
    found.sort();
    found
}

#[tokio::test]
async fn a_bad_file_goes_on_as_its_last_good_version_over_restarts_too() {
    let hello = triggered("Signed Up", "note", "Hello");
    let other = triggered("Product Viewed", "welcome", "Seen");
    let app = App::start(START, &[]).await;
    app.template("note.html.hbs", "<p>The first text</p>");
    for (name, text) in [
        ("hello.toml", hello.as_str()),
        ("other.toml", &other),
        ("fans.toml", &fans("fans")),
        ("segments.toml", SEGMENTS),
    ] {
        app.file(name, Some(text));
    }
    let catalogue = app.reload().await;
    assert!(!catalogue.has_errors(), "{:?}", catalogue.problems);
    app.sign_up("mina", "Asia/Seoul").await;
    app.sign_up("joon", "Asia/Seoul").await;
    let version = app.core.catalogue().rules.version;

    // A misspelt key; a campaign that is bad while its segment now means something else; one that was never good.
    app.file("hello.toml", Some(&hello.replace("subject", "subjekt")));
    app.file("fans.toml", Some(&fans("fons")));
    app.file("segments.toml", Some(&SEGMENTS.replace('2', "5")));
    app.file(
        "never.toml",
        Some("name = 7\n[trigger]\nevent = \"Signed Up\"\n"),
    );
    let catalogue = app.reload().await;
    assert!(catalogue.has_errors());
    assert_ne!(catalogue.rules.version, 0);
    let states =
        |app: &App| ["hello", "fans", "other", "never"].map(|id| app.file_state(id).unwrap());
    let expected = [
        FileState::LastGood,
        FileState::LastGood,
        FileState::Good,
        FileState::Broken,
    ];
    assert_eq!(states(&app), expected, "{version}");
    app.event("mina", "Signed Up", json!({})).await;
    app.event("mina", "Product Viewed", json!({})).await;
    app.event("mina", "Order Completed", json!({})).await;
    app.event("mina", "Order Completed", json!({})).await;
    app.leap(Span::minutes(15)).await;
    assert_eq!(subjects(&app).await, ["For fans", "Hello", "Seen"]);
    assert_eq!(app.entered("never").await, 0);

    // Restarted over the same store, the folder still bad, and the template broken too.
    app.template("note.html.hbs", "<p>The second text {{#if</p>");
    let store = app.core.store.clone();
    let app = app.reopen(store).await;
    app.settle().await;
    assert_eq!(states(&app), expected);
    app.event("joon", "Signed Up", json!({})).await;
    app.event("joon", "Product Viewed", json!({})).await;
    app.event("joon", "Order Completed", json!({})).await;
    app.event("joon", "Order Completed", json!({})).await;
    app.leap(Span::minutes(15)).await;
    assert_eq!(
        subjects(&app).await,
        ["For fans", "For fans", "Hello", "Hello", "Seen", "Seen"]
    );
    let texts = app.mails();
    let first = texts.iter().filter(|(_, t)| t.contains("The first text"));
    assert_eq!(first.count(), 2, "the template of its own time");

    // Mended.
    app.template("note.html.hbs", "<p>The third text</p>");
    app.file("hello.toml", Some(&hello.replace("Hello", "Hello again")));
    app.file("fans.toml", Some(&fans("fans")));
    app.file("never.toml", None);
    let catalogue = app.reload().await;
    assert!(!catalogue.has_errors(), "{:?}", catalogue.problems);
    assert_eq!(app.file_state("hello"), Some(FileState::Good));
    assert_eq!(app.file_state("never"), None, "it never was one");
    app.event("mina", "Signed Up", json!({})).await;
    app.leap(Span::minutes(15)).await;
    assert!(subjects(&app).await.contains(&"Hello again".to_owned()));
}

#[tokio::test]
async fn a_template_that_breaks_leaves_its_campaigns_as_they_were() {
    let hello = triggered("Signed Up", "note", "Hello");
    let other = triggered("Product Viewed", "welcome", "Seen");
    let app = App::start(START, &[("other.toml", &other)]).await;
    app.template("note.html.hbs", "<p>The first text</p>");
    app.file("hello.toml", Some(&hello));
    app.reload().await;
    for broken in [
        "<p>{{#if customer.first_name}}</p>",
        "<p>{{> nowhere}}</p>",
        "<p>{{customer.first_name",
    ] {
        app.template("note.html.hbs", broken);
        let catalogue = app.reload().await;
        assert!(catalogue.has_errors(), "{broken}");
        assert_eq!(
            app.file_state("hello"),
            Some(FileState::LastGood),
            "{broken}"
        );
        assert_eq!(app.file_state("other"), Some(FileState::Good), "{broken}");
    }
    // The campaign's file is edited well, but its template is still broken: it stays as it was, as a whole.
    app.file("hello.toml", Some(&hello.replace("Hello", "Edited")));
    app.reload().await;
    app.sign_up("mina", "Asia/Seoul").await;
    app.event("mina", "Signed Up", json!({})).await;
    app.leap(Span::minutes(15)).await;
    assert_eq!(subjects(&app).await, ["Hello"]);
    assert!(app.mails()[0].1.contains("The first text"));
    // The whole folder of templates gone: nothing new can be made, and all go on.
    std::fs::remove_dir_all(app.dir.path().join("templates")).unwrap();
    app.reload().await;
    assert_eq!(app.file_state("other"), Some(FileState::LastGood));
    app.event("mina", "Product Viewed", json!({})).await;
    app.leap(Span::minutes(15)).await;
    assert_eq!(subjects(&app).await, ["Hello", "Seen"]);
}

#[tokio::test]
async fn a_start_with_bad_files_only_is_a_start() {
    let files = [
        ("bad.toml", "this is no TOML at all ["),
        ("segments.toml", "[loop]\nsegment = \"loop\"\n"),
        ("topics.toml", "offers = 3\n"),
    ];
    let app = App::start(START, &[]).await;
    for (name, text) in files {
        app.file(name, Some(text));
    }
    let store = app.core.store.clone();
    let app = app.reopen(store).await;
    app.settle().await;
    assert!(app.core.catalogue().has_errors());
    app.sign_up("mina", "Asia/Seoul").await;
    assert!(app.event("mina", "Signed Up", json!({})).await.fresh);
    app.leap(Span::days(1)).await;
    assert_eq!(app.log().await, []);
}

#[tokio::test]
async fn a_file_that_disappears_is_a_pause_until_it_is_back() {
    let hello = triggered("Signed Up", "welcome", "Hello");
    let other = triggered("Product Viewed", "welcome", "Seen");
    for restarted in [false, true] {
        let app = App::start(START, &[("hello.toml", &hello), ("other.toml", &other)]).await;
        app.sign_up("mina", "Asia/Seoul").await;
        app.sign_up("joon", "Asia/Seoul").await;
        // Mina's message stands ready in the outbox, held by everything's pause; joon's step is not due yet.
        app.core.hold("test").await.unwrap();
        app.event("mina", "Signed Up", json!({})).await;
        app.leap(Span::minutes(11)).await;
        app.event("joon", "Signed Up", json!({})).await;
        app.file("hello.toml", None);
        app.reload().await;
        let all = reveille::engine::control::Scope::All;
        app.core.resume(&all, "test").await.unwrap();
        app.leap(Span::minutes(20)).await;
        assert_eq!(app.file_state("hello"), Some(FileState::Missing));
        assert_eq!(app.mails().len(), 0);
        app.event("joon", "Product Viewed", json!({})).await;
        app.leap(Span::minutes(20)).await;
        assert_eq!(subjects(&app).await, ["Seen"], "the others go on");
        let app = match restarted {
            false => app,
            true => {
                let store = app.core.store.clone();
                let app = app.reopen(store).await;
                app.leap(Span::minutes(20)).await;
                assert_eq!(app.file_state("hello"), Some(FileState::Missing));
                app.file("hello.toml", Some(&hello));
                let store = app.core.store.clone();
                app.reopen(store).await
            }
        };
        app.file("hello.toml", Some(&hello));
        app.reload().await;
        app.leap(Span::minutes(1)).await;
        assert_eq!(app.file_state("hello"), Some(FileState::Good));
        assert_eq!(
            subjects(&app).await,
            ["Hello", "Hello", "Seen"],
            "{:?} {:?}",
            app.story("mina").await,
            app.story("joon").await
        );
    }
}

#[tokio::test]
async fn a_file_that_disappears_can_be_cancelled() {
    let hello = triggered("Signed Up", "welcome", "Hello");
    let app = App::start(
        START,
        &[
            ("hello.toml", &hello),
            ("cart_reminder.toml", &shipped("cart_reminder.toml")),
        ],
    )
    .await;
    app.sign_up("mina", "Asia/Seoul").await;
    app.core.hold("test").await.unwrap();
    app.event("mina", "Signed Up", json!({})).await;
    app.leap(Span::minutes(11)).await;
    app.file("hello.toml", None);
    app.reload().await;
    let id = CampaignId::parse("hello").unwrap();
    app.core.cancel(&id, "test").await.unwrap();
    let all = reveille::engine::control::Scope::All;
    app.core.resume(&all, "test").await.unwrap();
    app.leap(Span::minutes(1)).await;
    let store = app.core.store.clone();
    let app = app.reopen(store).await;
    assert_eq!(app.file_state("hello"), None, "no longer named");
    app.leap(Span::minutes(1)).await;
    // Nor does it come back to life with its file.
    app.file("hello.toml", Some(&hello));
    app.reload().await;
    app.event("mina", "Signed Up", json!({})).await;
    app.leap(Span::minutes(20)).await;
    assert_eq!(app.mails().len(), 0, "{:?}", app.story("mina").await);
    let story = app.story("mina").await;
    assert!(
        story.last().unwrap().ends_with("campaign_cancelled"),
        "{story:?}"
    );
}
