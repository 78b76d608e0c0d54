//! Several relays at once: one that does not answer keeps nobody else's mail, and a stop does not wait for it.

mod app;
mod smtp_server;

use app::{App, CONFIG};
use reveille::domain::ledger::Status;
use reveille::domain::time::Span;
use reveille::engine::outbox::Outbox;
use reveille::store::keys::Queue;
use reveille::transport::config::{CarrierConfig, Rate, Tls, TransportConfig};
use serde_json::json;
use smtp_server::{At, Options, Rule, SmtpServer};
use std::sync::Arc;
use std::time::Duration;

/// More than are ever in hand for one transport.
const MANY: usize = 150;
const FEW: usize = 10;

fn campaign(event: &str, transport: &str, class: &str, priority: i32) -> String {
    format!(
        r#"
name  = "After {event}"
state = "live"
owner = "crm@shop.example"
class = "{class}"
priority = {priority}

[trigger]
event = "{event}"

[[step]]
id        = "mail"
template  = "welcome"
subject   = "Hello"
transport = "{transport}"
"#
    )
}

fn relay(name: &str, server: &SmtpServer) -> TransportConfig {
    let mut config = TransportConfig::smtp(name, "127.0.0.1", server.port());
    if let CarrierConfig::Smtp(smtp) = &mut config.carrier {
        smtp.tls = Tls::None;
    }
    config
}

async fn two_relays(dead: &SmtpServer, well: &SmtpServer, class: &str) -> App {
    // The engine is given the relays themselves; the file only has to name them.
    let config = format!("{CONFIG}[transport.dead]\nkind = \"folder\"\npath = \"dead\"\n");
    let files = [
        ("viewed.toml", campaign("Product Viewed", "dead", class, 2)),
        ("signed.toml", campaign("Signed Up", "main", class, 1)),
    ];
    let files: Vec<_> = files
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    let relays = vec![relay("dead", dead), relay("main", well)];
    let app = App::start_with(relays, "2026-03-02T09:00:00Z", &config, &files).await;
    app.crowd(0..MANY + FEW).await;
    app
}

async fn silent() -> SmtpServer {
    let server = SmtpServer::start(Options::default()).await;
    server.rule(Rule::at(At::Greeting).stall());
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_never_answers_keeps_nobody_elses_mail_and_no_stop_waits_for_it() {
    let dead = silent().await;
    let well = SmtpServer::start(Options::default()).await;
    let app = two_relays(&dead, &well, "transactional").await;
    for n in 0..MANY {
        app.event(&format!("c{n}"), "Product Viewed", json!({}))
            .await;
    }
    app.clock.advance(Span::seconds(1));
    app.core.tick().await.unwrap();
    // All that may be in hand for the one is; now the other's come.
    for n in 0..MANY {
        app.event(&format!("c{n}"), "Signed Up", json!({})).await;
    }
    app.clock.advance(Span::seconds(1));
    app.core.advance().await.unwrap();
    let others = async {
        while well.taken() < MANY {
            Outbox::pump(&app.core).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let passed = tokio::time::timeout(Duration::from_secs(10), others).await;
    let status: Vec<_> = app.core.outbox.transports().map(|t| t.status()).collect();
    let story = app.story("c0").await;
    assert!(
        passed.is_ok(),
        "{} of {MANY} went: {story:?} {status:#?}",
        well.taken()
    );
    assert_eq!(dead.taken(), 0);
    assert!(app.core.outbox.in_hand() > 0);
    // They wait for nothing but the relay, so a stop lets go of them, and they stay where they were.
    app.core.outbox.stop();
    let idle = tokio::time::timeout(Duration::from_secs(20), app.core.outbox.wait_idle());
    idle.await.expect("a stop waits for no relay");
    let log = app.log().await;
    let viewed = log.iter().filter(|row| row.campaign.as_str() == "viewed");
    assert!(viewed.clone().count() >= MANY);
    assert!(viewed.clone().all(|row| row.status != Status::Attempting));
}

/// Where a customer's first message waits for a relay that is gone, their others wait behind it; nobody else's do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_behind_a_message_of_a_dead_relay_takes_no_room_from_the_others() {
    let dead = silent().await;
    let well = SmtpServer::start(Options::default()).await;
    let app = two_relays(&dead, &well, "informational").await;
    for n in 0..MANY {
        app.event(&format!("c{n}"), "Product Viewed", json!({}))
            .await;
    }
    for n in 0..MANY + FEW {
        app.event(&format!("c{n}"), "Signed Up", json!({})).await;
    }
    app.clock.advance(Span::seconds(1));
    app.core.advance().await.unwrap();
    let others = async {
        while well.taken() < FEW {
            Outbox::pump(&app.core).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let passed = tokio::time::timeout(Duration::from_secs(60), others).await;
    assert!(passed.is_ok(), "{} of {FEW} went", well.taken());
    app.core.outbox.stop();
    app.core.outbox.wait_idle().await;
    assert_eq!(well.taken(), FEW);
}

/// A relay that takes a message now and then, and always more of them waiting at the front.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_slow_relay_everybody_has_their_turn() {
    let server = SmtpServer::start(Options::default()).await;
    let mut slow = relay("main", &server);
    slow.connections = 1;
    slow.rate = Some(Rate {
        count: 1,
        per: Duration::from_millis(260),
    });
    let text = campaign("Signed Up", "main", "transactional", 1)
        .replace("[[step]]", "[entry]\nagain = \"always\"\n\n[[step]]");
    let files = [("signed.toml", text.as_str())];
    let app = App::start_with(vec![slow], "2026-03-02T09:00:00Z", CONFIG, &files).await;
    app.crowd(0..64).await;
    // By their numbers they stand in shards of their own.
    let mut numbers = Vec::new();
    for n in 0..64 {
        let id = format!("c{n}");
        numbers.push((app.customer(&id).await.shard(), id));
    }
    numbers.sort();
    let last = numbers.pop().unwrap().1;
    app.event(&last, "Signed Up", json!({})).await;
    let to = format!("{last}@customers.example");
    let reached = async {
        while !server.messages().iter().any(|mail| mail.to == to) {
            // The front never runs dry.
            for (_, id) in &numbers[..20] {
                app.event(id, "Signed Up", json!({})).await;
            }
            app.clock.advance(Span::millis(1));
            app.core.advance().await.unwrap();
            Outbox::pump(&app.core).await.unwrap();
        }
    };
    let reached = tokio::time::timeout(Duration::from_secs(60), reached).await;
    assert!(reached.is_ok(), "{} others went", server.taken());
    app.core.outbox.stop();
    app.core.outbox.wait_idle().await;
}

/// A receipt for somebody while 1,000 advertising mails wait for a relay that takes its time with each, or that is to be
/// given so many a second: it is the next to go, save what is under way on the connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_goes_before_all_advertising_that_waits() {
    const CONNECTIONS: usize = 4;
    let each = Duration::from_millis(60);
    for (takes, rate) in [
        (Some(each), None),
        (
            None,
            Some(Rate {
                count: 1,
                per: each,
            }),
        ),
    ] {
        let server = SmtpServer::start(Options::default()).await;
        if let Some(takes) = takes {
            server.rule(Rule::at(At::End).wait(takes));
        }
        let mut slow = relay("main", &server);
        slow.connections = CONNECTIONS;
        slow.rate = rate;
        let files = [
            campaign("Product Viewed", "main", "advertising", 9)
                .replace("[trigger]", "topic = \"offers\"\n\n[trigger]"),
            campaign("Order Completed", "main", "transactional", 0),
        ];
        let files = [("ad.toml", &*files[0]), ("receipt.toml", &*files[1])];
        let app = App::start_with(vec![slow], "2026-03-02T09:00:00Z", CONFIG, &files).await;
        app.crowd(0..1_000).await;
        for n in 0..1_000 {
            app.event(&format!("c{n}"), "Product Viewed", json!({}))
                .await;
        }
        app.sign_up("buyer", "Asia/Seoul").await;
        app.clock.advance(Span::seconds(1));
        app.core.advance().await.unwrap();
        // As the daemon does it: each queue by itself.
        let pumps = Queue::ALL.map(|queue| {
            let core = Arc::clone(&app.core);
            tokio::spawn(async move {
                loop {
                    Outbox::pump_queue(&core, queue).await.unwrap();
                    tokio::task::yield_now().await;
                }
            })
        });
        let begun = tokio::time::timeout(Duration::from_secs(30), server.wait_for(20));
        let begun = begun.await;
        assert!(begun.is_ok(), "{:?}", app.story("c0").await);
        let order = json!({"order_id": "1"});
        app.event("buyer", "Order Completed", order).await;
        app.clock.advance(Span::millis(1));
        app.core.advance().await.unwrap();
        let before = server.taken();
        let reached = async {
            let mut taken = before;
            loop {
                let place = (server.messages().iter()).position(|m| m.to.starts_with("buyer@"));
                if let Some(place) = place {
                    return place;
                }
                taken += 1;
                server.wait_for(taken).await;
            }
        };
        let place = tokio::time::timeout(Duration::from_secs(60), reached).await;
        let place = place.expect("it goes");
        println!("it was message {place}, {before} had gone when it waited");
        // What had its permit already goes first, and what goes while it is composed.
        assert!(place - before <= 2 * CONNECTIONS, "{place} - {before}");
        pumps.iter().for_each(|pump| pump.abort());
        app.core.outbox.stop();
        let idle = tokio::time::timeout(Duration::from_secs(20), app.core.outbox.wait_idle());
        idle.await.expect("nothing is under way for long");
    }
}
