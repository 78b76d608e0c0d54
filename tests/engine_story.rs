//! The shipped campaigns at work, end to end on the virtual clock: store, shards, outbox, messages, mail folder.

mod app;

use app::{App, CONFIG, shipped};
use reveille::domain::address::EmailAddress;
use reveille::domain::cause::{Cause, Liveness};
use reveille::domain::explain::PolicyAnswer;
use reveille::domain::id::{CustomerId, MessageNo};
use reveille::domain::ledger::Status;
use reveille::domain::outcome::Outcome;
use reveille::domain::preference::ConsentState;
use reveille::domain::react::Answer;
use reveille::domain::time::Span;
use reveille::engine::batch::{Mail, Work};
use reveille::engine::query::LogFilter;
use reveille::store::{Stream, StreamFilter};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_welcome_goes_ten_minutes_after_signing_up() {
    let app = App::start(
        "2026-03-02T03:00:00Z",
        &[("welcome.toml", &shipped("welcome.toml"))],
    )
    .await;
    app.sign_up("mina", "Asia/Seoul").await;
    app.event("mina", "Signed Up", json!({})).await;
    app.advance(Span::minutes(9)).await;
    assert_eq!(app.mails().len(), 0);
    app.advance(Span::minutes(1)).await;
    let mails = app.mails();
    assert_eq!(mails.len(), 1, "{:?}", app.story("mina").await);
    assert!(mails[0].1.contains("mina@customers.example"));
    assert_eq!(
        app.story("mina").await,
        [
            "welcome entered/trigger",
            "welcome waiting/step_due",
            "welcome attempting/policy",
            "welcome accepted/accepted"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cart_is_reminded_of_once_and_not_after_an_order() {
    let app = App::start(
        "2026-03-02T03:00:00Z",
        &[("cart_reminder.toml", &shipped("cart_reminder.toml"))],
    )
    .await;
    for id in ["mina", "joon"] {
        app.sign_up(id, "Asia/Seoul").await;
        let product = json!({"cart_id": "c1", "product_id": "p1", "name": "Blue cup", "price": 12000, "currency": "KRW", "quantity": 1});
        app.event(id, "Product Added", product).await;
    }
    app.advance(Span::hours(2)).await;
    app.event(
        "joon",
        "Order Completed",
        json!({"order_id": "o1", "total": 12000}),
    )
    .await;
    app.advance(Span::hours(23)).await;
    let mails = app.mails();
    assert_eq!(
        mails.len(),
        1,
        "{:?} {:?}",
        app.story("mina").await,
        app.story("joon").await
    );
    assert!(mails[0].1.contains("mina@customers.example"));
    assert!(
        mails[0].1.contains("Blue cup"),
        "the mail shows the cart: {}",
        mails[0].1
    );
    assert_eq!(
        app.story("joon").await,
        ["cart_reminder entered/trigger", "cart_reminder left/exit"]
    );
    app.advance(Span::hours(30)).await;
    assert_eq!(app.mails().len(), 1, "once a cart");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dormant_are_written_to_at_ten_on_their_own_clock() {
    let app = App::start(
        "2026-03-02T00:00:00Z",
        &[("wake_dormant.toml", &shipped("wake_dormant.toml"))],
    )
    .await;
    for (id, zone) in [("mina", "Asia/Seoul"), ("ana", "America/New_York")] {
        app.sign_up(id, zone).await;
        let long_ago = app.now() - Span::days(89) - Span::hours(23);
        app.event_at(
            id,
            "Order Completed",
            json!({"total": 10}),
            long_ago,
            Liveness::History,
        )
        .await;
    }
    app.settle().await;
    // The ninety days are over at 01:00 UTC, which is 10:00 in Seoul: the alarm rings first, then the schedule fires.
    app.advance(Span::minutes(59)).await;
    assert_eq!(app.mails().len(), 0, "{:?}", app.story("mina").await);
    app.advance(Span::minutes(1)).await;
    assert_eq!(app.mails().len(), 1, "{:?}", app.story("mina").await);
    assert!(app.mails()[0].1.contains("mina@"));
    // New York: 15:00 UTC.
    app.advance(Span::hours(13) + Span::minutes(59)).await;
    assert_eq!(app.mails().len(), 1, "{:?}", app.story("ana").await);
    app.advance(Span::minutes(1)).await;
    assert_eq!(app.mails().len(), 2, "{:?}", app.story("ana").await);
    app.advance(Span::hours(48)).await;
    assert_eq!(
        app.mails().len(),
        2,
        "once, until they have left and come back"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_reaches_messages_that_wait() {
    let app = App::start(
        "2026-03-02T12:00:00Z",
        &[("cart_reminder.toml", &shipped("cart_reminder.toml"))],
    )
    .await;
    app.sign_up("mina", "Asia/Seoul").await;
    app.event(
        "mina",
        "Product Added",
        json!({"cart_id": "c1", "product_id": "p1", "name": "Cup"}),
    )
    .await;
    // 24 hours later it is 21:00 in Seoul: outside the shop's hours, so the message waits until 08:00.
    app.advance(Span::hours(24) + Span::minutes(5)).await;
    assert!(
        app.story("mina")
            .await
            .contains(&"cart_reminder waiting/window".to_owned()),
        "{:?}",
        app.story("mina").await
    );
    app.consent("mina", ConsentState::Refused).await;
    app.advance(Span::hours(14)).await;
    assert_eq!(app.mails().len(), 0);
    assert_eq!(
        app.story("mina").await.last().unwrap(),
        "cart_reminder dropped/topic_refused"
    );
}

#[tokio::test]
async fn an_export_holds_all_that_is_kept_of_a_customer_and_of_nobody_else() {
    let welcome = shipped("welcome.toml");
    let app = App::start("2026-03-02T09:00:00Z", &[("welcome.toml", &welcome)]).await;
    for id in ["mina", "jo"] {
        app.sign_up(id, "Asia/Seoul").await;
        app.event(id, "Signed Up", json!({ "plan": format!("{id}s own") }))
            .await;
    }
    let before = app.now() - Span::days(400);
    app.event_at(
        "mina",
        "Order Completed",
        json!({ "total": 12_000 }),
        before,
        Liveness::History,
    )
    .await;
    app.leap(Span::minutes(10)).await;
    let export = app
        .core
        .export(&customer_id("mina"))
        .await
        .unwrap()
        .unwrap();
    let export = serde_json::to_value(export).unwrap();
    assert_eq!(export["customer"]["id"], "mina");
    assert_eq!(export["customer"]["consents"][0]["state"], "given");
    let history = export["history"].as_array().unwrap();
    let names: Vec<_> = history
        .iter()
        .map(|e| e["event"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["Signed Up", "Order Completed"]);
    assert_eq!(history[0]["properties"]["plan"], "minas own");
    assert_eq!(history[1]["history"], true);
    assert_eq!(history[1]["time"], "2025-01-26T09:00:00Z");
    let hers = LogFilter {
        customer: Some(customer_id("mina")),
        ..LogFilter::default()
    };
    let log = app.core.log(&hers).await.unwrap();
    assert_eq!(export["log"], serde_json::to_value(log).unwrap());
    let mails = export["mails"].as_array().unwrap();
    assert_eq!(mails.len(), 1);
    let (message_id, mail) = (
        &mails[0]["message_id"],
        mails[0]["message"].as_str().unwrap(),
    );
    assert!(mail.contains(&format!("Message-ID: <{}>", message_id.as_str().unwrap())));
    assert_eq!(export["log"][2]["message_id"], *message_id);
    assert!(!export.to_string().contains("jo"), "{export:#}");
    assert!(
        app.core
            .export(&customer_id("nobody"))
            .await
            .unwrap()
            .is_none()
    );
}

/// That staff were told something of the customer is the customer's to know; to whom it went is not.
#[tokio::test]
async fn an_export_tells_of_notes_to_staff_and_not_to_whom() {
    let config = format!("{CONFIG}[staff]\ncrm = \"pat@office.example\"\n");
    let file = format!(
        "{}[[step]]\nid = \"tell\"\nnotify = \"crm\"\nsubject = \"A word on {{{{customer.id}}}}\"\ntext = \"Call {{{{customer.id}}}}\"\n",
        shipped("welcome.toml")
    );
    let store = std::sync::Arc::new(reveille::store::memory::MemoryStore::new());
    let now = "2026-03-02T09:00:00Z";
    let app = App::start_on(store, now, &config, &[("welcome.toml", &file)]).await;
    app.sign_up("mina", "Asia/Seoul").await;
    app.event("mina", "Signed Up", json!({})).await;
    app.leap(Span::minutes(10)).await;
    app.leap(Span::minutes(10)).await;
    let mails = app.mails();
    assert!(
        mails
            .iter()
            .any(|(_, mail)| mail.contains("pat@office.example"))
    );
    let export = app
        .core
        .export(&customer_id("mina"))
        .await
        .unwrap()
        .unwrap();
    let export = serde_json::to_value(export).unwrap();
    assert_eq!(export["mails"].as_array().unwrap().len(), 1);
    let notes = export["notes_to_staff"].as_array().unwrap();
    assert_eq!(notes.len(), 1, "{export:#}");
    assert_eq!(
        (&notes[0]["step"], &notes[0]["status"]),
        (&json!("tell"), &json!("accepted"))
    );
    assert_eq!(notes[0]["time"], "2026-03-02T09:10:00Z");
    let text = export.to_string();
    assert!(
        !text.contains("pat@") && !text.contains("crm"),
        "{export:#}"
    );
}

/// A mail is kept from the moment its first attempt may begin; one that was given back never left.
#[tokio::test]
async fn an_export_hands_over_no_mail_that_never_left() {
    let welcome = shipped("welcome.toml");
    let app = App::start("2026-03-02T09:00:00Z", &[("welcome.toml", &welcome)]).await;
    app.sign_up("mina", "UTC").await;
    app.event("mina", "Signed Up", json!({})).await;
    app.clock.advance(Span::minutes(10));
    app.core.advance().await.unwrap();
    let no = app.customer("mina").await;
    let message = MessageNo(1);
    let begin = Work {
        customer: no,
        id: None,
        cause: Cause::Ready {
            message,
            attempt: 1,
        },
        mail: Some(Mail {
            to: EmailAddress::parse("mina@customers.example").unwrap(),
            bytes: zstd::encode_all(&b"Subject: Hello\r\n\r\n"[..], 0)
                .unwrap()
                .into(),
        }),
    };
    let replies = app.offer(vec![begin]).await;
    assert_eq!(
        replies[0].as_ref().unwrap().answer,
        Some(Answer::Attempting)
    );
    let mails = async || {
        let export = app.core.export(&customer_id("mina")).await;
        let export = serde_json::to_value(export.unwrap().unwrap()).unwrap();
        export["mails"].as_array().unwrap().clone()
    };
    let became = async |attempt, outcome| {
        let cause = Cause::Outcome {
            message,
            attempt,
            outcome,
        };
        app.core.act(no, cause).await.unwrap();
    };
    let why = || "the time was over".to_owned();
    became(1, Outcome::NotStarted { why: why() }).await;
    assert_eq!(mails().await, Vec::<serde_json::Value>::new());
    let again = Cause::Ready {
        message,
        attempt: 2,
    };
    app.core.act(no, again).await.unwrap();
    became(2, Outcome::Uncertain { why: why() }).await;
    let told = mails().await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["status"], "uncertain");
}

fn customer_id(text: &str) -> CustomerId {
    CustomerId::parse(text).unwrap()
}

/// Half of the customers are held out: nothing is made or sent for them, it is foretold, and what they order is credited
/// beside what the others order.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_held_out_gets_no_mail_and_is_told_of_everywhere() {
    let welcome = shipped("welcome.toml");
    let text = format!(
        "{welcome}\n[goal]\nevent = \"Order Completed\"\nwithin = \"7d\"\nvalue = \"total\"\n[limits]\nholdout = \"50%\"\n"
    );
    let app = App::start("2026-03-02T03:00:00Z", &[("welcome.toml", &text)]).await;
    let ids: Vec<String> = (0..16).map(|n| format!("c{n}")).collect();
    for id in &ids {
        app.sign_up(id, "Asia/Seoul").await;
        app.event(id, "Signed Up", json!({})).await;
    }
    app.advance(Span::minutes(1)).await;
    let mut foretold = Vec::new();
    for id in &ids {
        let id = CustomerId::parse(id).unwrap();
        let explained = app.core.explain(&id, None).await.unwrap().unwrap();
        let message = &explained.campaigns[0].messages[0];
        let held = message.answer == PolicyAnswer::HeldOut;
        assert!(held || message.answer == PolicyAnswer::Goes);
        let said = explained
            .render()
            .contains("is held out on Mon 2 Mar 2026, 12:10");
        assert_eq!(said, held);
        foretold.push(held);
    }
    app.advance(Span::minutes(9)).await;
    let held = foretold.iter().filter(|held| **held).count();
    assert!((2..14).contains(&held), "{held}");
    assert_eq!(app.mails().len(), ids.len() - held);
    let kept = app
        .core
        .store
        .read_stream(Stream::Mails, StreamFilter::default());
    assert_eq!(kept.await.unwrap().len(), ids.len() - held);
    app.advance(Span::minutes(1)).await;
    for (id, held) in ids.iter().zip(foretold) {
        let story = app.story(id).await;
        let last = match held {
            true => "welcome held_out/holdout",
            false => "welcome accepted/accepted",
        };
        assert_eq!(story.last().unwrap(), last);
        app.event(id, "Order Completed", json!({ "total": 12.5 }))
            .await;
        let id = CustomerId::parse(id).unwrap();
        let view = app.core.customer_view(&id).await.unwrap().unwrap();
        let entry = &view.enrollments[0];
        assert!(entry.counted && !view.control);
        assert_eq!(entry.held_out, held.then_some("holdout"));
        let explained = app.core.explain(&id, None).await.unwrap().unwrap();
        let text = explained.render();
        assert_eq!(
            text.contains("; held out, so its messages are not sent"),
            held
        );
        let filter = LogFilter {
            customer: Some(id),
            status: Some(Status::Goal),
            ..LogFilter::default()
        };
        let rows = app.core.log(&filter).await.unwrap();
        let told: Vec<_> = rows
            .iter()
            .map(|r| (r.reason, r.value, &r.message_id))
            .collect();
        assert!(
            matches!(told[..], [("goal_reached", Some(12.5), Some(_))]),
            "{told:?}"
        );
    }
}
