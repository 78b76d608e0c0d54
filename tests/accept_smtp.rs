//! The engine over a real SMTP server that misbehaves: no mail is lost, none goes twice save in doubt, none goes to an
//! address that is no longer the customer's, and the log says what became of each.

mod app;
mod smtp_server;

use app::{App, CONFIG};
use reveille::domain::address::EmailAddress;
use reveille::domain::cause::{Cause, Liveness, ProfileChange};
use reveille::domain::time::Span;
use reveille::transport::config::{
    BackOff, CarrierConfig, Deadlines, Login, Password, SmtpConfig, Tls, TransportConfig,
};
use serde_json::json;
use smtp_server::{Act, At, Encryption, Options, Received, Rule, SmtpServer};
use std::future::Future;
use std::time::Duration;

const START: &str = "2026-03-02T03:00:00Z";

const RECEIPT: &str = r#"
name  = "Receipt"
state = "live"
class = "transactional"

[trigger]
event  = "Order Completed"

[[step]]
id       = "receipt"
template = "welcome"
subject  = "Thank you, {{customer.id}}"
"#;

/// The whole test in a minute and a half, so that a hang fails by name.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(90), work)
        .await
        .expect("done within 90 s")
}

async fn shop(port: u16, change: impl FnOnce(&mut TransportConfig, &mut SmtpConfig)) -> App {
    let mut config = TransportConfig::smtp("main", "127.0.0.1", port);
    let CarrierConfig::Smtp(mut smtp) = config.carrier.clone() else {
        unreachable!("made as SMTP");
    };
    config.connections = 1;
    // Each case is a fault of its own, and none is to be spared the next.
    config.back_off = BackOff {
        in_a_row: 1_000,
        faults: 100,
        ..BackOff::default()
    };
    smtp.tls = Tls::None;
    smtp.deadlines = Deadlines::all(Duration::from_secs(20));
    change(&mut config, &mut smtp);
    config.carrier = CarrierConfig::Smtp(smtp);
    let engine = "[engine]\nretry = [\"1m\"]\nsettle = \"1m\"\n";
    App::start_with(
        vec![config],
        START,
        &format!("{CONFIG}{engine}"),
        &[("receipt.toml", RECEIPT)],
    )
    .await
}

/// One customer orders, and time goes on until nothing more can come of it. Their rows behind the first, and their mails.
async fn order(app: &App, server: &SmtpServer, id: &str) -> (Vec<String>, Vec<Received>) {
    app.sign_up(id, "UTC").await;
    app.event(id, "Order Completed", json!({})).await;
    for _ in 0..4 {
        app.leap(Span::minutes(2)).await;
    }
    let to = format!("{id}@customers.example");
    let mails = server.messages().into_iter().filter(|m| m.to == to);
    let story = app.story(id).await;
    assert_eq!(
        story[..2],
        ["receipt entered/trigger", "receipt waiting/step_due"]
    );
    let rows = story[2..].iter().map(|r| r.replace("receipt ", ""));
    (rows.collect(), mails.collect())
}

#[tokio::test]
async fn each_code_at_each_phase_is_answered_as_it_must_be() {
    soon(async {
        let server = SmtpServer::start(Options::default()).await;
        let app = shop(server.port(), |_, _| {}).await;
        let phases = [
            At::Greeting,
            At::Hello,
            At::Mail,
            At::Rcpt,
            At::Data,
            At::End,
        ];
        let mut told = Vec::new();
        for at in phases {
            for code in [421, 450, 451, 452, 550, 552, 554] {
                // The case needs a connection of its own: its greeting may be what fails.
                server.hang_up();
                server.wait_until_open(0).await;
                server.forget_rules();
                server.rule(Rule::at(at).say(&format!("{code} no")).times(1));
                let case = format!("{at:?} {code}");
                let id = format!("c{}", told.len());
                let (rows, mails) = order(&app, &server, &id).await;
                told.push(format!("{case}: {}", rows.join(" ")));
                let refused = rows.last().is_some_and(|r| r.starts_with("refused/"));
                if refused {
                    assert_eq!(rows.len(), 2, "{case}: {rows:?}");
                    assert_eq!(mails.len(), 0, "{case}");
                } else {
                    assert_eq!(
                        rows.last().unwrap(),
                        "accepted/accepted",
                        "{case}: {rows:?}"
                    );
                    // A message is asked for when its connection is ready; then once more, a minute later.
                    let rows_of = match at {
                        At::Greeting | At::Hello => 2,
                        _ => 4,
                    };
                    assert_eq!(rows.len(), rows_of, "{case}: {rows:?}");
                    assert_eq!(mails.len(), 1, "{case}");
                }
                // For good is what the recipient's server says of this mail; the rest is the relay's, or for now.
                let of_this_mail = matches!(at, At::Rcpt | At::Data | At::End);
                let for_good = code >= 550 && (of_this_mail || (at == At::Mail && code == 552));
                assert_eq!(refused, for_good, "{case}: {rows:?}");
                assert!(rows.iter().all(|r| !r.starts_with("uncertain")), "{case}");
            }
        }
        println!("{}", told.join("\n"));
        assert_eq!(server.copies().values().max(), Some(&1));
    })
    .await;
}

#[tokio::test]
async fn a_server_that_stalls_hangs_up_or_babbles_anywhere_loses_no_mail() {
    soon(async {
        let server = SmtpServer::start(Options::default()).await;
        let app = shop(server.port(), |_, smtp| {
            smtp.deadlines = Deadlines::all(Duration::from_secs(1));
        })
        .await;
        let phases = [
            At::Greeting,
            At::Hello,
            At::Mail,
            At::Rcpt,
            At::Data,
            At::Body,
            At::End,
            At::Taken,
            At::AfterTaken,
        ];
        let acts = [
            Act::Stall,
            Act::HangUp,
            Act::Send(b"ho ho ho\r\n".to_vec()),
            Act::SendAndHangUp(b"250-half a rep".to_vec()),
        ];
        let mut n = 0;
        for at in phases {
            for act in &acts {
                server.hang_up();
                server.wait_until_open(0).await;
                server.forget_rules();
                server.rule(Rule::at(at).act(act.clone()).times(1));
                n += 1;
                let (rows, mails) = order(&app, &server, &format!("c{n}")).await;
                let case = format!("{at:?} {act:?}: {rows:?}");
                assert_eq!(rows.last().unwrap(), "accepted/accepted", "{case}");
                let doubts = rows.iter().filter(|r| r.starts_with("uncertain/")).count();
                let expected = match at {
                    At::AfterTaken => (0, 1),
                    At::Taken => (1, 2),
                    // Whether the dot was seen is not known to whoever sent it.
                    At::End => (1, 1),
                    At::Body => (doubts.min(1), 1),
                    _ => (0, 1),
                };
                assert_eq!((doubts, mails.len()), expected, "{case}");
                assert!(
                    mails.iter().all(|m| m.bytes == mails[0].bytes),
                    "the same bytes and Message-ID: {case}"
                );
            }
        }
    })
    .await;
}

/// Mina orders; nothing can leave yet, and the log says of no attempt that none was made.
async fn order_that_waits(app: &App, faults: u64) {
    app.sign_up("mina", "UTC").await;
    app.event("mina", "Order Completed", json!({})).await;
    app.core.tick().await.unwrap();
    let transport = app.core.outbox.transports().next().unwrap();
    while transport.status().relay_faults < faults {
        tokio::task::yield_now().await;
    }
    assert!(transport.status().aside.is_some());
    let story = app.story("mina").await;
    assert_eq!(story.last().unwrap(), "receipt waiting/step_due");
}

/// In hand at once when the relay is well again.
async fn gone(app: &App, server: &SmtpServer) {
    app.core.outbox.wait_idle().await;
    assert_eq!(server.taken(), 1);
    let story = app.story("mina").await;
    assert_eq!(
        story[2..],
        ["receipt attempting/policy", "receipt accepted/accepted"]
    );
}

fn soon_again(config: &mut TransportConfig) {
    config.back_off = BackOff {
        in_a_row: 2,
        first: Duration::from_millis(20),
        most: Duration::from_millis(100),
        ..BackOff::default()
    };
}

#[tokio::test]
async fn mail_waits_for_a_relay_that_refuses_connections() {
    soon(async {
        let mut server = SmtpServer::start(Options::default()).await;
        let port = server.port();
        server.go_away().await;
        drop(server);
        let app = shop(port, |config, _| soon_again(config)).await;
        order_that_waits(&app, 3).await;
        let server = SmtpServer::start(Options {
            port,
            ..Options::default()
        })
        .await;
        gone(&app, &server).await;
    })
    .await;
}

#[tokio::test]
async fn mail_waits_for_a_relay_that_never_greets() {
    soon(async {
        let server = SmtpServer::start(Options::default()).await;
        server.rule(Rule::at(At::Greeting).stall());
        let app = shop(server.port(), |config, smtp| {
            soon_again(config);
            smtp.deadlines = Deadlines::all(Duration::from_secs(1));
        })
        .await;
        order_that_waits(&app, 3).await;
        server.forget_rules();
        gone(&app, &server).await;
    })
    .await;
}

#[tokio::test]
async fn mail_waits_for_a_relay_that_refuses_the_log_in() {
    soon(async {
        let server = SmtpServer::start(Options {
            encryption: Encryption::Implicit,
            login: Some(("shop".into(), "new".into())),
            ..Options::default()
        })
        .await;
        let dir = tempfile::tempdir().unwrap();
        let (ca, password) = (dir.path().join("ca.pem"), dir.path().join("password"));
        std::fs::write(&ca, server.ca_pem()).unwrap();
        std::fs::write(&password, "outworn\n").unwrap();
        let app = shop(server.port(), |config, smtp| {
            soon_again(config);
            smtp.tls = Tls::Implicit;
            smtp.ca_file = Some(ca.clone());
            smtp.login = Some(Login {
                user: "shop".into(),
                password: Password::File(password.clone()),
            });
        })
        .await;
        order_that_waits(&app, 3).await;
        let transport = app.core.outbox.transports().next().unwrap();
        let why = transport.status().aside.unwrap().fault;
        assert!(why.contains("535") && !why.contains("outworn"), "{why}");
        // Mended while the daemon runs: the file is read at each log-in.
        std::fs::write(&password, "new\n").unwrap();
        gone(&app, &server).await;
    })
    .await;
}

#[tokio::test]
async fn an_address_that_changes_while_its_mail_waits_for_the_relay_gets_the_mail_made_anew() {
    soon(async {
        let server = SmtpServer::start(Options::default()).await;
        let app = shop(server.port(), |_, _| {}).await;
        app.sign_up("mina", "UTC").await;
        // Somebody else has the only connection.
        let transport = app.core.outbox.transports().next().unwrap().clone();
        let permit = transport.permit().await;
        app.event("mina", "Order Completed", json!({})).await;
        app.core.tick().await.unwrap();
        // On one thread and a store that never waits, it is made by now, and waits for the connection.
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(app.core.outbox.in_hand(), 1);
        let moved = ProfileChange {
            email: Some(EmailAddress::parse("mina@elsewhere.example").unwrap()),
            ..ProfileChange::default()
        };
        app.act("mina", Cause::Profile(Box::new(moved), Liveness::Live))
            .await;
        drop(permit);
        app.core.outbox.wait_idle().await;
        app.settle().await;
        app.leap(Span::minutes(5)).await;
        let mails = server.messages();
        assert_eq!(mails.len(), 1, "{:?}", app.story("mina").await);
        assert_eq!(mails[0].to, "mina@elsewhere.example");
        let text = String::from_utf8_lossy(&mails[0].bytes).into_owned();
        assert!(text.contains("mina@elsewhere.example"), "{text}");
        assert!(!text.contains("mina@customers.example"), "{text}");
        // Before it is asked for, so that nothing is begun only to be given back.
        assert_eq!(
            app.story("mina").await[2..],
            ["receipt attempting/policy", "receipt accepted/accepted"]
        );
    })
    .await;
}
