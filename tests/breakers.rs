//! Breakers: a campaign that does too much harm pauses itself, says why, tells its owner once, and goes on when somebody
//! resumes it; another campaign goes on meanwhile; a restart forgets nothing.

mod app;
mod smtp_server;

use app::{App, CONFIG};
use reveille::domain::address::EmailAddress;
use reveille::domain::cause::{Cause, ConsentChange, Liveness};
use reveille::domain::consent_ledger::{MailOf, Origin};
use reveille::domain::id::{CampaignId, EntryKey, MessageNo, MessageRef, StepId};
use reveille::domain::ledger::{Reason, Status};
use reveille::domain::preference::ConsentState;
use reveille::domain::record::{Suppression, SuppressionCause};
use reveille::domain::time::Span;
use reveille::engine::control::Scope;
use reveille::engine::query::Phase;
use reveille::store::Store;
use reveille::store::memory::MemoryStore;
use reveille::transport::config::{CarrierConfig, Deadlines, Tls, TransportConfig};
use serde_json::json;
use smtp_server::{At, Options, Rule, SmtpServer};
use std::sync::Arc;
use std::time::Duration;

const START: &str = "2026-03-02T03:00:00Z";

fn news(event: &str, more: &str) -> String {
    format!(
        r#"
name  = "News of {event}"
state = "live"
class = "informational"
owner = "crm@shop.example"
{more}
[trigger]
event = "{event}"

[entry]
again = "always"

[[step]]
id       = "news"
template = "welcome"
subject  = "For {{{{customer.id}}}}"
"#
    )
}

fn config(breakers: &str) -> String {
    format!("{CONFIG}[breakers]\n{breakers}\n")
}

async fn shop(store: &Arc<dyn Store>, breakers: &str) -> App {
    let campaigns = [
        ("ping.toml", news("Ping", "")),
        ("pong.toml", news("Pong", "")),
    ];
    let campaigns: Vec<(&str, &str)> = campaigns.iter().map(|(n, t)| (*n, t.as_str())).collect();
    App::start_on(Arc::clone(store), START, &config(breakers), &campaigns).await
}

fn store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

fn id(name: &str) -> CampaignId {
    CampaignId::parse(name).unwrap()
}

/// Each of these customers does it, and gets what follows.
async fn each_does(app: &App, customers: std::ops::Range<usize>, event: &str) {
    for n in customers {
        app.event(&format!("c{n}"), event, json!({})).await;
    }
    app.settle().await;
}

/// The customer leaves by the link of the mail that they got of `ping`.
async fn leaves(app: &App, customer: &str) {
    let message = MessageRef {
        customer: app.customer(customer).await,
        message: MessageNo(1),
    };
    let mail = MailOf {
        campaign: id("ping"),
        step: StepId::parse("news").unwrap(),
        entry: EntryKey::default(),
        variant: None,
    };
    let change = ConsentChange {
        topic: None,
        state: ConsentState::Refused,
        at: app.now(),
        source: "page".into(),
        wording: None,
        origin: Origin {
            message: Some(message),
            mail: Some(Box::new(mail)),
            ..Origin::default()
        },
    };
    app.act(customer, Cause::Consent(change, Liveness::Live))
        .await;
    app.settle().await;
}

async fn phase(app: &App, campaign: &str) -> Phase {
    let all = app.core.campaigns().await.unwrap();
    let found = all.into_iter().find(|c| c.id == id(campaign)).unwrap();
    found.phase
}

/// Why the campaign has paused itself, if it has.
async fn tripped(app: &App, campaign: &str) -> Option<String> {
    match phase(app, campaign).await {
        Phase::Tripped { why, .. } => Some(why),
        _ => None,
    }
}

fn mails_to(app: &App, address: &str) -> Vec<String> {
    let to = format!("To: {address}");
    let mails = app.mails().into_iter().map(|(_, text)| text);
    mails.filter(|text| text.contains(&to)).collect()
}

async fn count(app: &App, campaign: &str, status: Status, reason: Reason) -> usize {
    let log = app.log().await;
    (log.iter())
        .filter(|r| r.campaign == id(campaign) && (r.status, r.reason) == (status, reason))
        .count()
}

#[tokio::test]
async fn unsubscribes_pause_a_campaign_also_over_restarts() {
    let store = store();
    let app = shop(&store, "unsubscribes = \"10% of at least 20 in 1d\"").await;
    app.crowd(0..30).await;
    each_does(&app, 0..20, "Ping").await;
    leaves(&app, "c0").await;
    assert_eq!(tripped(&app, "ping").await, None);

    // What was counted before the daemon died counts after it.
    let app = app.reopen(Arc::clone(&store)).await;
    app.settle().await;
    app.advance(Span::hours(5)).await;
    leaves(&app, "c1").await;
    let why = "2 unsubscribed, of 20 mails (limit: 10% of at least 20 in 1d)";
    assert_eq!(tripped(&app, "ping").await.as_deref(), Some(why));
    assert_eq!(app.core.tally().trips()[&id("ping")], 1);

    let told = mails_to(&app, "crm@shop.example");
    assert_eq!(told.len(), 1, "{told:?}");
    let said = told[0].replace("=\r\n", "");
    for part in [
        why,
        "Subject: ping has paused itself",
        "reveille resume ping",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }

    // Its next mail waits; the other campaign's goes.
    each_does(&app, 20..21, "Ping").await;
    assert!(mails_to(&app, "c20@customers.example").is_empty());
    each_does(&app, 20..21, "Pong").await;
    assert_eq!(mails_to(&app, "c20@customers.example").len(), 1);
    assert_eq!(
        count(&app, "ping", Status::Waiting, Reason::Tripped).await,
        1
    );

    // Paused it stays, and nobody is told again.
    let app = app.reopen(Arc::clone(&store)).await;
    app.settle().await;
    app.advance(Span::minutes(20)).await;
    assert_eq!(tripped(&app, "ping").await.as_deref(), Some(why));
    assert_eq!(mails_to(&app, "crm@shop.example").len(), 1);

    let scope = Scope::Campaign(id("ping"));
    app.core.resume(&scope, "test").await.unwrap();
    app.settle().await;
    assert_eq!(mails_to(&app, "c20@customers.example").len(), 2);
    assert!(matches!(phase(&app, "ping").await, Phase::Live { .. }));
    // It is counted anew: from here on twenty mails and two who leave.
    leaves(&app, "c2").await;
    leaves(&app, "c3").await;
    each_does(&app, 4..22, "Ping").await;
    assert_eq!(tripped(&app, "ping").await, None);
    let app = app.reopen(Arc::clone(&store)).await;
    app.settle().await;
    assert_eq!(tripped(&app, "ping").await, None);
    // The twentieth mail is the one that the share waits for.
    each_does(&app, 22..23, "Ping").await;
    assert!(tripped(&app, "ping").await.is_some());
    app.settle().await;
    assert_eq!(mails_to(&app, "crm@shop.example").len(), 2);
}

#[tokio::test]
async fn of_refusals_nothing_but_what_is_under_way_follows_the_limit() {
    let server = SmtpServer::start(Options::default()).await;
    let dead = "550 5.1.1 no such user";
    server.rule(Rule::at(At::Rcpt).say(dead));
    let mut transport = TransportConfig::smtp("main", "127.0.0.1", server.port());
    let CarrierConfig::Smtp(mut smtp) = transport.carrier.clone() else {
        unreachable!("made as SMTP");
    };
    transport.connections = 2;
    smtp.tls = Tls::None;
    smtp.deadlines = Deadlines::all(Duration::from_secs(20));
    transport.carrier = CarrierConfig::Smtp(smtp);
    let campaigns = [
        ("ping.toml", news("Ping", "")),
        (
            "pong.toml",
            news("Pong", "[breakers]\nrefusals = \"off\"\n"),
        ),
    ];
    let campaigns: Vec<(&str, &str)> = campaigns.iter().map(|(n, t)| (*n, t.as_str())).collect();
    let config = config("refusals = \"5 in 1h\"");
    let app = App::start_with(vec![transport], START, &config, &campaigns).await;
    app.crowd(0..60).await;
    for n in 0..60 {
        app.event(&format!("c{n}"), "Ping", json!({})).await;
    }
    app.settle().await;
    assert!(tripped(&app, "ping").await.is_some());
    // Two connections: each may have begun another before the fifth refusal was durable.
    let refused = count(&app, "ping", Status::Refused, Reason::DeadAddress).await;
    assert!((5..=9).contains(&refused), "{refused}");
    let parked = count(&app, "ping", Status::Waiting, Reason::Tripped).await;
    assert_eq!(parked + refused, 60);

    // The campaign that switched it off goes on.
    each_does(&app, 50..60, "Pong").await;
    assert_eq!(tripped(&app, "pong").await, None);
    let refused = count(&app, "pong", Status::Refused, Reason::DeadAddress).await;
    assert_eq!(refused, 10);

    // The owner's address is refused, too: that is told in the log and not tried again.
    server.forget_rules();
    app.advance(Span::minutes(20)).await;
    assert_eq!(server.taken(), 0);
}

#[tokio::test]
async fn complaints_are_laid_to_the_latest_mail() {
    let store = store();
    let app = shop(&store, "complaints = \"2 in 1d\"").await;
    app.crowd(0..5).await;
    each_does(&app, 0..5, "Pong").await;
    app.advance(Span::hours(1)).await;
    each_does(&app, 0..4, "Ping").await;
    // The last one's latest mail is the other campaign's; a complaint that is told again is no second one.
    for customer in ["c4", "c0", "c0"] {
        complains(&app, customer).await;
    }
    assert_eq!(tripped(&app, "ping").await, None);
    let app = app.reopen(Arc::clone(&store)).await;
    complains(&app, "c1").await;
    let why = tripped(&app, "ping").await.unwrap();
    assert!(why.starts_with("2 complained, of 4 mails"), "{why}");
    assert_eq!(tripped(&app, "pong").await, None);
    let complained = count(&app, "ping", Status::Complained, Reason::Complained).await;
    assert_eq!(complained, 2);
}

async fn complains(app: &App, customer: &str) {
    let address = format!("{customer}@customers.example");
    let suppression = Suppression {
        cause: SuppressionCause::Complaint,
        at: app.now(),
        note: "reported as spam".into(),
    };
    let cause = Cause::Suppress {
        mailbox: EmailAddress::parse(&address).unwrap().mailbox(),
        suppression: Some(suppression),
    };
    app.act(customer, cause).await;
    app.settle().await;
}

#[tokio::test]
async fn errors_count_within_their_window_only() {
    let store = store();
    let app = shop(&store, "errors = \"3 in 2h\"").await;
    // Its subject needs what nobody has.
    let text = news("Ping", "").replace("customer.id", "customer.nickname");
    app.file("ping.toml", Some(&text));
    app.reload().await;
    app.crowd(0..10).await;
    each_does(&app, 0..2, "Ping").await;
    app.leap(Span::hours(4)).await;
    each_does(&app, 2..4, "Ping").await;
    assert_eq!(tripped(&app, "ping").await, None);
    let app = app.reopen(Arc::clone(&store)).await;
    each_does(&app, 4..5, "Ping").await;
    let why = tripped(&app, "ping").await.unwrap();
    assert!(
        why.starts_with("3 of 3 mails could not be composed"),
        "{why}"
    );

    // What comes after it is not lost: it goes when the text is mended and somebody resumes.
    each_does(&app, 5..8, "Ping").await;
    app.file("ping.toml", Some(&news("Ping", "")));
    app.reload().await;
    let scope = Scope::Campaign(id("ping"));
    app.core.resume(&scope, "test").await.unwrap();
    app.settle().await;
    let lost = count(&app, "ping", Status::Dropped, Reason::RenderError).await;
    assert_eq!(lost, 5);
    for n in 5..8 {
        let to = format!("c{n}@customers.example");
        assert_eq!(mails_to(&app, &to).len(), 1, "{to}");
    }
}
