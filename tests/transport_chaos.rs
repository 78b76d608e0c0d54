//! Chaos: a relay that fails in random ways at random places while several senders work. Whatever it does, what was
//! accepted was taken, what was taken was accepted or is in doubt, and nothing else was taken at all. The oracle is the
//! server's own list of what it took. `REVEILLE_SEED` repeats a run; `REVEILLE_SOAK=1` makes it long.

mod smtp_server;

use reveille::domain::address::EmailAddress;
use reveille::transport::config::{BackOff, CarrierConfig, Deadlines, Tls, TransportConfig};
use reveille::transport::{Outcome, Outgoing, Transport};
use smtp_server::{At, Options, Rule, SmtpServer};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// SplitMix64: small, and the same for ever.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

fn rule(chance: &mut Chance) -> Rule {
    let places = [
        At::Greeting,
        At::Hello,
        At::Mail,
        At::Rcpt,
        At::Data,
        At::Body,
        At::End,
        At::Taken,
        At::AfterTaken,
        At::Reset,
        At::Noop,
    ];
    let at = places[chance.below(places.len() as u64) as usize];
    let rule = Rule::at(at).after(chance.below(12) as usize).times(1);
    // What a server says after it took a message is never a refusal: that would be a lie that no sender can see.
    let lies = matches!(at, At::Taken | At::AfterTaken | At::Body);
    match chance.below(8) {
        0 => rule.hang_up(),
        1 => rule.stall(),
        2 => rule.wait(Duration::from_millis(chance.below(30))),
        _ if lies => rule.hang_up(),
        3 => rule.say("421 4.3.2 closing"),
        4 => rule.say_and_hang_up("451 4.3.0 trouble"),
        5 => rule.say("550 5.1.1 unknown"),
        6 => rule.say("what?"),
        _ => rule.say("450-4.2.1 later\r\n450 4.2.1 later"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_was_taken_and_nothing_else_is_believed() {
    let soak = std::env::var_os("REVEILLE_SOAK").is_some();
    let seed = std::env::var("REVEILLE_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or_else(|| RandomState::new().hash_one(0));
    println!("REVEILLE_SEED={seed}");
    let mut chance = Chance(seed);
    let (mut accepted, mut in_doubt) = (0, 0);
    for round in 0..if soak { 300 } else { 6 } {
        let server = SmtpServer::start(Options::default()).await;
        for _ in 0..20 {
            server.rule(rule(&mut chance));
        }
        let mut config = TransportConfig::smtp("main", "127.0.0.1", server.port());
        config.connections = 3;
        config.back_off = BackOff {
            first: Duration::from_millis(5),
            most: Duration::from_millis(20),
            ..BackOff::default()
        };
        if let CarrierConfig::Smtp(smtp) = &mut config.carrier {
            smtp.tls = Tls::None;
            smtp.probe_after = Duration::from_millis(5);
            smtp.deadlines = Deadlines::all(Duration::from_millis(200));
        }
        let transport = Transport::new(config).unwrap();
        let sends = (0..60).map(|n| {
            let transport = transport.clone();
            let id = format!("{round}-{n}@shop.example");
            tokio::spawn(async move {
                let outgoing = Outgoing {
                    from: EmailAddress::parse("hello@shop.example").unwrap(),
                    to: EmailAddress::parse("mina@shop.example").unwrap(),
                    message_id: id.clone(),
                    bytes: format!("Message-ID: <{id}>\r\n\r\n.{n}\r\n")
                        .into_bytes()
                        .into(),
                };
                (id, transport.permit().await.deliver(outgoing).await)
            })
        });
        let all = tokio::time::timeout(
            Duration::from_secs(60),
            futures_util::future::join_all(sends),
        );
        let outcomes: HashMap<String, Outcome> = all
            .await
            .expect("no relay makes the transport hang")
            .into_iter()
            .map(|o| o.unwrap())
            .collect();
        let copies = server.copies();
        for (id, outcome) in &outcomes {
            let taken = copies.get(id).copied().unwrap_or(0);
            match outcome {
                Outcome::Accepted { .. } => assert_eq!(taken, 1, "{id} {outcome:?}"),
                Outcome::Uncertain { .. } => assert!(taken <= 1, "{id} {outcome:?}"),
                _ => assert_eq!(taken, 0, "{id} {outcome:?}"),
            }
            accepted += usize::from(matches!(outcome, Outcome::Accepted { .. }));
            in_doubt += usize::from(matches!(outcome, Outcome::Uncertain { .. }));
        }
    }
    println!("{accepted} accepted, {in_doubt} in doubt");
    assert!(accepted > 0 && in_doubt > 0, "the chaos reached something");
}
