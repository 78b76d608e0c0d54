//! The SMTP transport against a real server on real sockets: what each fault at each phase does to the message and to
//! the connection, and that lettre's pitfalls (DESIGN §11) do not happen here.

mod smtp_server;

use reveille::domain::address::EmailAddress;
use reveille::transport::config::{
    AddressPattern, BackOff, CarrierConfig, Deadlines, Login, Password, SmtpConfig, Tls,
    TransportConfig,
};
use reveille::transport::{Outcome, Outgoing, RelayPart, Transport};
use smtp_server::process::ServerProcess;
use smtp_server::{Act, At, Encryption, Options, Rule, SmtpServer};
use std::future::Future;
use std::time::Duration;
use tokio::time::timeout;

/// Long enough for any honest exchange on a busy machine, short enough for a test of every phase.
const DEADLINE: Duration = Duration::from_millis(600);

fn mail_to(to: &str, n: usize) -> Outgoing {
    let address = EmailAddress::parse(to).unwrap();
    let to = address.as_str();
    let text = format!(
        "From: <hello@shop.example>\r\nTo: <{to}>\r\nSubject: Hello\r\nMessage-ID: <{n}@shop.example>\r\n\r\nHello\r\n"
    );
    Outgoing {
        from: EmailAddress::parse("hello@shop.example").unwrap(),
        to: address.clone(),
        message_id: format!("<{n}@shop.example>"),
        bytes: text.into_bytes().into(),
    }
}

fn mail(n: usize) -> Outgoing {
    mail_to("mina@shop.example", n)
}

fn config(server: &SmtpServer, change: impl FnOnce(&mut SmtpConfig)) -> TransportConfig {
    let mut config = TransportConfig::smtp("main", "127.0.0.1", server.port());
    config.connections = 1;
    let CarrierConfig::Smtp(smtp) = &mut config.carrier else {
        unreachable!("made as SMTP");
    };
    smtp.tls = Tls::None;
    smtp.deadlines = Deadlines::all(Duration::from_secs(20));
    change(smtp);
    config
}

fn transport(server: &SmtpServer, change: impl FnOnce(&mut SmtpConfig)) -> Transport {
    Transport::new(config(server, change)).unwrap()
}

/// The whole test within half a minute, so that a hang fails by name.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(30), work)
        .await
        .expect("done within 30 s")
}

fn short(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted { .. } => "accepted".into(),
        Outcome::Refused {
            recipient_fault,
            suppress,
            ..
        } => format!("refused {recipient_fault} {suppress}"),
        Outcome::TryLater { .. } => "later".into(),
        Outcome::Uncertain { .. } => "uncertain".into(),
        Outcome::RelayFault { part, .. } => part.word().into(),
        Outcome::NotStarted { .. } => "not started".into(),
        Outcome::Undeliverable { .. } | Outcome::TooFew { .. } => "undeliverable".into(),
    }
}

#[tokio::test]
async fn bytes_arrive_as_they_were_on_one_kept_connection() {
    let server = SmtpServer::start(Options::default()).await;
    let transport = transport(&server, |_| {});
    let bodies = [
        ".\r\n..\r\n.leading\r\n...\r\n",
        "\r\n\r\n.\r\n",
        "고객님 안녕하세요\r\n. \r\n",
        "ends without a line end",
        "MAIL FROM:<x@shop.example>\r\nQUIT\r\n",
    ];
    for (n, body) in bodies.iter().enumerate() {
        let mut mail = mail(n);
        mail.bytes = format!("Message-ID: <{n}@shop.example>\r\n\r\n{body}")
            .into_bytes()
            .into();
        let outcome = soon(transport.deliver(mail.clone())).await;
        assert_eq!(
            outcome,
            Outcome::Accepted {
                reply: "250 2.0.0 taken".into()
            }
        );
        let received = server.messages().pop().unwrap();
        let mut expected = mail.bytes.to_vec();
        if !expected.ends_with(b"\r\n") {
            expected.extend_from_slice(b"\r\n");
        }
        assert_eq!(received.bytes, expected);
        assert_eq!(
            (received.from.as_str(), received.to.as_str()),
            ("hello@shop.example", "mina@shop.example")
        );
        let eight_bit = if mail.bytes.is_ascii() {
            ""
        } else {
            "BODY=8BITMIME"
        };
        assert_eq!(received.mail_parameters, eight_bit);
        assert!(!received.bare_line_ends);
    }
    assert_eq!(server.opened(), 1);
}

#[tokio::test]
async fn bare_line_ends_never_reach_the_server() {
    let server = SmtpServer::start(Options::default()).await;
    let transport = transport(&server, |_| {});
    let mut smuggler = mail(1);
    smuggler.bytes = b"Subject: x\r\n\r\na\n.\nMAIL FROM:<x@y.example>\r.\rb"
        .to_vec()
        .into();
    soon(transport.deliver(smuggler)).await;
    let received = server.messages().pop().unwrap();
    assert!(!received.bare_line_ends);
    assert_eq!(
        received.bytes,
        b"Subject: x\r\n\r\na\r\n.\r\nMAIL FROM:<x@y.example>\r\n.\r\nb\r\n"
    );
    assert_eq!(server.taken(), 1);
}

/// lettre's pool: the next message was told what was meant for the one that was cut off.
#[tokio::test]
async fn a_caller_that_gives_up_harms_neither_its_message_nor_the_next() {
    for at in [At::Mail, At::Rcpt, At::Data, At::Body, At::End, At::Taken] {
        let server = SmtpServer::start(Options::default()).await;
        server.rule(Rule::at(at).wait(Duration::from_millis(50)).times(1));
        server.rule(
            Rule::at(At::Rcpt)
                .to("dead@shop.example")
                .say("550 5.1.1 no"),
        );
        let transport = transport(&server, |_| {});
        let given_up = timeout(Duration::from_millis(10), transport.deliver(mail(1))).await;
        assert!(given_up.is_err());
        let next = soon(transport.deliver(mail_to("dead@shop.example", 2))).await;
        assert_eq!(short(&next), "refused true true", "{at:?}");
        soon(server.wait_for(1)).await;
        assert_eq!(server.copies().get("1@shop.example"), Some(&1), "{at:?}");
        assert_eq!((server.taken(), server.most_open()), (1, 1), "{at:?}");
        assert_eq!(transport.status().accepted, 1);
    }
}

#[tokio::test]
async fn a_server_that_stalls_or_hangs_up_or_babbles_is_dropped_at_every_phase() {
    let cases = [
        (At::Greeting, "greeting"),
        (At::Hello, "greeting"),
        (At::Mail, "conversation"),
        (At::Rcpt, "conversation"),
        (At::Data, "conversation"),
        (At::End, "uncertain"),
        (At::Taken, "uncertain"),
    ];
    let acts = [
        Act::Stall,
        Act::HangUp,
        Act::Send(b"ho ho ho\r\n".to_vec()),
        Act::Send(vec![b'2'; 10_000]),
        Act::SendAndHangUp(b"250-half a rep".to_vec()),
        Act::SendAndHangUp(b"250-first\r\n550 second\r\n".to_vec()),
    ];
    for (at, expected) in cases {
        for act in &acts {
            let server = SmtpServer::start(Options::default()).await;
            server.rule(Rule::at(at).act(act.clone()).times(1));
            let transport = transport(&server, |smtp| smtp.deadlines = Deadlines::all(DEADLINE));
            let outcome = soon(transport.deliver(mail(1))).await;
            let case = format!("{at:?}, {act:?}: {outcome:?}");
            assert_eq!(short(&outcome), expected, "{case}");
            assert_eq!(server.taken(), usize::from(at == At::Taken), "{case}");
            // The next message gets a connection of its own, and its own answer.
            assert_eq!(
                short(&soon(transport.deliver(mail(2))).await),
                "accepted",
                "{case}"
            );
            assert_eq!(server.opened(), 2, "{case}");
            soon(server.wait_until_open(1)).await;
        }
    }
}

#[tokio::test]
async fn a_message_that_the_server_stops_reading_was_not_taken() {
    for act in [Act::Stall, Act::HangUp] {
        let server = SmtpServer::start(Options::default()).await;
        server.rule(Rule::at(At::Body).act(act).times(1));
        let transport = transport(&server, |smtp| {
            smtp.deadlines = Deadlines::all(DEADLINE);
        });
        let mut large = mail(1);
        let mut bytes = large.bytes.to_vec();
        // More than the buffers of both sides hold.
        bytes.resize(32 << 20, b'x');
        large.bytes = bytes.into();
        let outcome = soon(transport.deliver(large)).await;
        assert_eq!(short(&outcome), "conversation", "{outcome:?}");
    }
}

#[tokio::test]
async fn replies_mean_what_the_table_says_and_the_connection_stays_in_step() {
    // Phase, reply, outcome, whether the connection can be kept.
    let cases = [
        (At::Greeting, "421 4.3.2 too busy", "closing", false),
        (At::Greeting, "554 5.3.2 no service", "greeting", false),
        (At::Hello, "550 5.7.1 who are you", "greeting", false),
        (At::Mail, "451 4.3.0 trouble", "later", true),
        (At::Mail, "550 5.1.8 unknown sender", "sender", true),
        (At::Mail, "554 5.7.1 listed", "policy", true),
        (At::Mail, "552 5.3.4 too large", "refused false false", true),
        (At::Mail, "530 5.7.0 log in", "login", true),
        (At::Rcpt, "421 4.3.2 closing", "closing", false),
        (At::Rcpt, "450 4.2.1 greylisted", "later", true),
        (At::Rcpt, "451 4.3.0 trouble", "later", true),
        (At::Rcpt, "452 4.2.2 full", "later", true),
        (At::Rcpt, "550 5.1.1 unknown", "refused true true", true),
        (At::Rcpt, "550 unknown", "refused true false", true),
        (At::Rcpt, "551 not here", "refused true false", true),
        (At::Rcpt, "552 5.2.2 full", "refused true false", true),
        (At::Rcpt, "553 5.1.3 bad name", "refused true false", true),
        (At::Rcpt, "554 no", "refused true false", true),
        (At::Rcpt, "550 5.7.1 no relaying", "policy", true),
        (At::Rcpt, "354 too early", "conversation", false),
        (At::Data, "451 4.3.0 trouble", "later", true),
        (At::Data, "554 no", "refused false false", true),
        (At::Data, "250 ok", "conversation", false),
        (At::End, "421 4.3.2 closing", "closing", false),
        (At::End, "450 4.2.1 later", "later", true),
        (At::End, "452 4.2.2 full", "later", true),
        (At::End, "550 5.1.1 unknown", "refused true true", true),
        (At::End, "552 5.2.2 full", "refused true false", true),
        (At::End, "554 5.6.0 content", "refused false false", true),
        (At::End, "550 5.7.1 spam", "policy", true),
        (At::End, "354 what", "uncertain", false),
        (At::Taken, "250-long\r\n250 answer", "accepted", true),
        (At::Taken, "250 ok\r\n250 once more", "accepted", false),
    ];
    for (at, reply, expected, kept) in cases {
        let server = SmtpServer::start(Options::default()).await;
        server.rule(Rule::at(at).say(reply).times(1));
        let transport = transport(&server, |_| {});
        let outcome = soon(transport.deliver(mail(1))).await;
        assert_eq!(short(&outcome), expected, "{at:?} {reply}: {outcome:?}");
        if let Outcome::Refused { status, .. } = &outcome {
            let status = status.map(|s| s.to_string());
            let word = reply.split(' ').nth(1).filter(|w| w.starts_with("5."));
            assert_eq!(status.as_deref(), word, "{reply}");
        }
        assert_eq!(
            short(&soon(transport.deliver(mail(2))).await),
            "accepted",
            "{at:?} {reply}"
        );
        assert_eq!(server.opened(), if kept { 1 } else { 2 }, "{at:?} {reply}");
    }
}

/// Replies that run ahead: each later answer would be taken for the one before it.
#[tokio::test]
async fn a_connection_out_of_step_is_never_used_again() {
    let server = SmtpServer::start(Options::default()).await;
    server.rule(Rule::at(At::Mail).say("250 ok\r\n250 ok").times(1));
    server.rule(
        Rule::at(At::Rcpt)
            .to("dead@shop.example")
            .say("550 5.1.1 no"),
    );
    let transport = transport(&server, |_| {});
    // The stray 250 stands for the reply to RCPT, the 550 for the one to DATA. No harm: nothing is ever accepted.
    let first = soon(transport.deliver(mail_to("dead@shop.example", 1))).await;
    assert!(!matches!(first, Outcome::Accepted { .. }), "{first:?}");
    let second = soon(transport.deliver(mail_to("dead@shop.example", 2))).await;
    assert_eq!(short(&second), "refused true true");
    assert_eq!(short(&soon(transport.deliver(mail(3))).await), "accepted");
    assert_eq!(server.taken(), 1);
}

#[tokio::test]
async fn what_breaks_after_the_final_dot_is_in_doubt_and_sent_once() {
    let server = SmtpServer::start(Options::default()).await;
    server.rule(Rule::at(At::AfterTaken).hang_up().times(1));
    server.rule(Rule::at(At::Taken).after(1).hang_up().times(1));
    let transport = transport(&server, |_| {});
    // Hung up after the 250: accepted, and the dead connection is nobody's fault.
    assert_eq!(short(&soon(transport.deliver(mail(1))).await), "accepted");
    assert_eq!(short(&soon(transport.deliver(mail(2))).await), "uncertain");
    assert_eq!(short(&soon(transport.deliver(mail(3))).await), "accepted");
    assert!(
        server.copies().values().all(|n| *n == 1),
        "{:?}",
        server.copies()
    );
    assert_eq!(server.taken(), 3);
}

#[tokio::test]
async fn a_kept_connection_that_died_meanwhile_is_replaced() {
    let server = SmtpServer::start(Options::default()).await;
    // The relay takes two messages a connection, and says so only then.
    server.rule(
        Rule::at(At::Mail)
            .nth_message(3)
            .say_and_hang_up("421 4.7.0 enough"),
    );
    let transport = transport(&server, |_| {});
    for n in 0..6 {
        assert_eq!(
            short(&soon(transport.deliver(mail(n))).await),
            "accepted",
            "{n}"
        );
    }
    assert_eq!(server.opened(), 3);
    for n in 6..9 {
        server.hang_up();
        soon(server.wait_until_open(0)).await;
        assert_eq!(
            short(&soon(transport.deliver(mail(n))).await),
            "accepted",
            "{n}"
        );
    }
    assert_eq!(transport.status().relay_faults, 0);
    assert_eq!(server.taken(), 9);
    // Once only: if the fresh one fails as well, it is the relay.
    server.forget_rules();
    server.rule(Rule::at(At::Mail).hang_up());
    let opened = server.opened();
    assert_eq!(
        short(&soon(transport.deliver(mail(9))).await),
        "conversation"
    );
    assert_eq!(server.opened(), opened + 1);
}

#[tokio::test]
async fn idle_connections_are_asked_then_closed() {
    let server = SmtpServer::start(Options::default()).await;
    let transport = transport(&server, |smtp| {
        smtp.probe_after = Duration::ZERO;
        smtp.idle_for = Duration::from_millis(400);
    });
    soon(transport.deliver(mail(1))).await;
    soon(transport.deliver(mail(2))).await;
    assert_eq!(server.opened(), 1);
    assert!(server.commands().contains(&"NOOP".to_owned()));
    // One that no longer answers the question is replaced, and nobody notices.
    server.rule(Rule::at(At::Noop).say("421 4.4.2 idle").times(1));
    assert_eq!(short(&soon(transport.deliver(mail(3))).await), "accepted");
    assert_eq!(server.opened(), 2);
    soon(server.wait_until_open(0)).await;
    assert_eq!(server.commands().last().map(String::as_str), Some("QUIT"));
    assert_eq!(transport.status().idle, 0);
}

/// lettre's pool: `max_size = 2` and 20 sends opened 20 connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_more_connections_than_allowed() {
    let server = SmtpServer::start(Options::default()).await;
    let mut config = config(&server, |_| {});
    config.connections = 2;
    let transport = Transport::new(config).unwrap();
    let sends = (0..40).map(|n| {
        let transport = transport.clone();
        tokio::spawn(async move {
            if n % 2 == 0 {
                transport.permit().await.deliver(mail(n)).await
            } else {
                transport.deliver(mail(n)).await
            }
        })
    });
    for send in soon(futures_util::future::join_all(sends)).await {
        assert_eq!(short(&send.unwrap()), "accepted");
    }
    assert!(server.most_open() <= 2, "{}", server.most_open());
    assert!(server.opened() <= 2, "{}", server.opened());
    assert_eq!((server.taken(), server.copies().len()), (40, 40));
    soon(transport.close()).await;
    soon(server.wait_until_open(0)).await;
}

#[tokio::test]
async fn what_goes_first_holds_nobody_up_while_its_connection_is_opened() {
    let server = SmtpServer::start(Options::default()).await;
    server.rule(Rule::at(At::Greeting).times(1));
    let mut config = config(&server, |_| {});
    config.connections = 2;
    let transport = Transport::new(config).unwrap();
    let first = transport.clone();
    let express = tokio::spawn(async move { first.next_permit().await.deliver(mail(0)).await });
    soon(async {
        while server.opened() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // The server never greets that one; there is a second connection for all others.
    for n in 1..=3 {
        let sent = timeout(Duration::from_secs(10), async {
            transport.permit().await.deliver(mail(n)).await
        });
        let outcome = sent.await.expect("ordinary mail moves");
        assert_eq!(short(&outcome), "accepted");
    }
    assert!(!express.is_finished());
    express.abort();
}

/// Mail that goes first comes in all the time; each of its connections is cut after the message.
#[tokio::test]
async fn ordinary_mail_moves_beside_a_steady_flow_of_what_goes_first() {
    let server = SmtpServer::start(Options::default()).await;
    server.rule(Rule::at(At::AfterTaken).hang_up());
    server.rule(Rule::at(At::Greeting).wait(Duration::from_millis(20)));
    let mut config = config(&server, |_| {});
    config.connections = 3;
    let transport = Transport::new(config).unwrap();
    let steady: Vec<_> = (0..2)
        .map(|flow| {
            let transport = transport.clone();
            tokio::spawn(async move {
                for n in 0.. {
                    let permit = transport.next_permit().await;
                    permit.deliver(mail(flow * 1_000_000 + n)).await;
                }
            })
        })
        .collect();
    soon(server.wait_for(4)).await;
    for n in 1..=5 {
        let sent = timeout(Duration::from_secs(10), async {
            transport.permit().await.deliver(mail(9_000_000 + n)).await
        });
        let outcome = sent.await.expect("ordinary mail moves");
        assert_eq!(short(&outcome), "accepted");
    }
    steady.iter().for_each(|flow| flow.abort());
}

#[tokio::test]
async fn a_message_for_which_no_connection_comes_free_is_given_back() {
    let server = SmtpServer::start(Options::default()).await;
    let mut config = config(&server, |_| {});
    config.start_within = Duration::from_millis(100);
    let transport = Transport::new(config).unwrap();
    let permit = soon(transport.permit()).await;
    assert_eq!(
        short(&soon(transport.deliver(mail(1))).await),
        "not started"
    );
    assert_eq!(short(&soon(permit.deliver(mail(2))).await), "accepted");
    assert_eq!(server.taken(), 1);
    // A permit that is not used gives its connection back.
    for _ in 0..3 {
        drop(soon(transport.permit()).await);
    }
    assert_eq!(short(&soon(transport.deliver(mail(3))).await), "accepted");
    assert_eq!(server.opened(), 1);
}

#[tokio::test]
async fn required_tls_never_falls_back() {
    let dir = tempfile::tempdir().unwrap();
    let ca_file = dir.path().join("ca.pem");
    let plain = SmtpServer::start(Options::default()).await;
    let tls = SmtpServer::start(Options {
        encryption: Encryption::StartTls,
        login: Some(("shop".into(), "secret".into())),
        ..Options::default()
    })
    .await;
    std::fs::write(&ca_file, tls.ca_pem()).unwrap();
    let secure = |smtp: &mut SmtpConfig| {
        smtp.tls = Tls::StartTls;
        smtp.ca_file = Some(ca_file.clone());
        smtp.deadlines = Deadlines::all(Duration::from_secs(2));
        smtp.login = Some(Login {
            user: "shop".into(),
            password: Password::Text("secret".into()),
        });
    };
    let outcome = soon(transport(&plain, secure).deliver(mail(1))).await;
    assert_eq!(short(&outcome), "tls", "{outcome:?}");
    assert!(
        plain.commands().iter().all(|c| c.starts_with("EHLO")),
        "{:?}",
        plain.commands()
    );

    // Offered and then refused, cut off, or mixed with clear text that would pass for encrypted: the same.
    for rule in [
        Rule::at(At::StartTls).say("454 4.7.0 not now"),
        Rule::at(At::StartTls).say("220 go on\r\n250 injected"),
        Rule::at(At::Handshake).hang_up(),
        Rule::at(At::Handshake).act(Act::Send(b"no TLS here\r\n".to_vec())),
        Rule::at(At::Handshake).stall(),
    ] {
        tls.forget_rules();
        tls.rule(rule.clone());
        let outcome = soon(transport(&tls, secure).deliver(mail(1))).await;
        assert_eq!(short(&outcome), "tls", "{rule:?}: {outcome:?}");
    }
    tls.forget_rules();
    assert!(
        tls.commands()
            .iter()
            .all(|c| !c.starts_with("AUTH") && !c.starts_with("MAIL"))
    );

    // A certificate that nobody we trust has signed, or for another name.
    std::fs::write(dir.path().join("other.pem"), {
        let other = SmtpServer::start(Options {
            encryption: Encryption::Implicit,
            ..Options::default()
        })
        .await;
        other.ca_pem().to_owned()
    })
    .unwrap();
    for (change, why) in [
        (Some("other.pem"), "a foreign authority"),
        (None, "a foreign name"),
    ] {
        let transport = transport(&tls, |smtp| {
            secure(smtp);
            match change {
                Some(file) => smtp.ca_file = Some(dir.path().join(file)),
                None => smtp.tls_name = Some("mail.shop.example".into()),
            }
        });
        let outcome = soon(transport.deliver(mail(1))).await;
        assert_eq!(short(&outcome), "tls", "{why}: {outcome:?}");
    }
    assert_eq!(plain.taken() + tls.taken(), 0);

    let good = transport(&tls, secure);
    for n in 0..2 {
        assert_eq!(short(&soon(good.deliver(mail(n))).await), "accepted");
    }
    assert!(tls.messages().iter().all(|m| m.encrypted));
    assert_eq!(tls.taken(), 2);
}

#[tokio::test]
async fn implicit_tls_and_logins() {
    let dir = tempfile::tempdir().unwrap();
    let ca_file = dir.path().join("ca.pem");
    let password_file = dir.path().join("password");
    for mechanisms in ["PLAIN LOGIN", "LOGIN", "CRAM-MD5"] {
        let server = SmtpServer::start(Options {
            encryption: Encryption::Implicit,
            login: Some(("shop".into(), "pass word".into())),
            mechanisms,
            ..Options::default()
        })
        .await;
        std::fs::write(&ca_file, server.ca_pem()).unwrap();
        std::fs::write(&password_file, "wrong\n").unwrap();
        let transport = transport(&server, |smtp| {
            smtp.tls = Tls::Implicit;
            smtp.ca_file = Some(ca_file.clone());
            smtp.login = Some(Login {
                user: "shop".into(),
                password: Password::File(password_file.clone()),
            });
        });
        let outcome = soon(transport.deliver(mail(1))).await;
        assert_eq!(short(&outcome), "login", "{mechanisms}: {outcome:?}");
        assert!(!format!("{outcome:?}").contains("wrong\n"));
        // Mended while running: read at each log-in.
        std::fs::write(&password_file, "pass word\n").unwrap();
        let outcome = soon(transport.deliver(mail(2))).await;
        let expected = if mechanisms == "CRAM-MD5" {
            "login"
        } else {
            "accepted"
        };
        assert_eq!(short(&outcome), expected, "{mechanisms}: {outcome:?}");
        std::fs::remove_file(&password_file).unwrap();
    }
}

#[tokio::test]
async fn addresses_outside_ascii_need_smtputf8_and_harm_nobody_else() {
    for smtputf8 in [true, false] {
        let server = SmtpServer::start(Options {
            smtputf8,
            ..Options::default()
        })
        .await;
        let transport = transport(&server, |_| {});
        let outcome = soon(transport.deliver(mail_to("고객@도메인.example", 1))).await;
        // A foreign domain alone goes as A-labels.
        let domain = soon(transport.deliver(mail_to("user@도메인.example", 2))).await;
        assert_eq!(short(&domain), "accepted");
        let received = server.messages().pop().unwrap();
        assert_eq!(received.to, "user@xn--hq1bm8jm9l.example");
        if smtputf8 {
            assert_eq!(short(&outcome), "accepted", "{outcome:?}");
            let first = server.messages().remove(0);
            assert!(first.mail_parameters.contains("SMTPUTF8"));
            assert_eq!(first.to, "고객@xn--hq1bm8jm9l.example");
        } else {
            assert_eq!(short(&outcome), "undeliverable", "{outcome:?}");
            assert_eq!(transport.status().faults_in_a_row, 0);
        }
        assert_eq!(server.opened(), 1);
    }
    let server = SmtpServer::start(Options {
        eight_bit: false,
        size: Some(1_000),
        ..Options::default()
    })
    .await;
    let transport = transport(&server, |_| {});
    let mut eight_bit = mail(1);
    eight_bit.bytes = "Subject: x\r\n\r\né\r\n".as_bytes().into();
    assert_eq!(
        short(&soon(transport.deliver(eight_bit)).await),
        "undeliverable"
    );
    let mut large = mail(2);
    large.bytes = vec![b'x'; 1_001].into();
    assert_eq!(
        short(&soon(transport.deliver(large)).await),
        "undeliverable"
    );
    assert_eq!(short(&soon(transport.deliver(mail(3))).await), "accepted");
}

#[tokio::test]
async fn a_relay_at_fault_is_set_aside_and_comes_back() {
    let server = SmtpServer::start(Options::default()).await;
    server.rule(
        Rule::at(At::Greeting)
            .say_and_hang_up("554 5.3.2 closed for repair")
            .times(6),
    );
    let mut config = config(&server, |_| {});
    config.connections = 4;
    config.back_off = BackOff {
        first: Duration::from_millis(20),
        most: Duration::from_millis(100),
        ..BackOff::default()
    };
    let transport = Transport::new(config).unwrap();
    // Nothing is judged and then kept waiting: the permit comes when the relay is well.
    let permit = soon(transport.permit()).await;
    let status = transport.status();
    assert_eq!((status.times_set_aside, status.relay_faults), (1, 6));
    let aside = status.aside.expect("until a message went through");
    assert!(
        aside.fault.contains("554 5.3.2 closed for repair"),
        "{}",
        aside.fault
    );
    // Only one trial at a time.
    assert_eq!(
        short(&soon(transport.deliver(mail(1))).await),
        "not started"
    );
    assert_eq!(short(&soon(permit.deliver(mail(2))).await), "accepted");
    assert_eq!(transport.status().aside, None);

    // Faults in the middle of messages count as well; a refused recipient does not.
    server.rule(
        Rule::at(At::Rcpt)
            .to("dead@shop.example")
            .say("550 5.1.1 no"),
    );
    for n in 0..10 {
        soon(transport.deliver(mail_to("dead@shop.example", n))).await;
    }
    assert_eq!(transport.status().aside, None);
    server.rule(Rule::at(At::Mail).say("550 sender <hello@shop.example> refused"));
    for n in 0..5 {
        assert_eq!(short(&soon(transport.deliver(mail(n))).await), "sender");
    }
    let aside = transport.status().aside.expect("five in a row");
    assert!(
        !aside.fault.contains("hello@"),
        "addresses are masked: {}",
        aside.fault
    );
    assert_eq!(server.taken(), 1);
}

#[tokio::test]
async fn a_relay_that_leaves_messages_in_doubt_does_not_get_all_of_them() {
    let server = SmtpServer::start(Options::default()).await;
    server.rule(Rule::at(At::Taken).hang_up());
    let transport = transport(&server, |_| {});
    let mut outcomes = Vec::new();
    for n in 0..7 {
        outcomes.push(short(&soon(transport.deliver(mail(n))).await));
    }
    assert_eq!(outcomes[..5], ["uncertain"; 5]);
    assert_eq!(outcomes[5..], ["not started"; 2]);
    assert_eq!(server.taken(), 5);
}

#[tokio::test]
async fn nobody_at_home() {
    let mut server = SmtpServer::start(Options::default()).await;
    server.go_away().await;
    let transport = transport(&server, |_| {});
    let outcome = soon(transport.deliver(mail(1))).await;
    assert!(
        matches!(
            &outcome,
            Outcome::RelayFault {
                part: RelayPart::Connect,
                ..
            }
        ),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn rehearsal_reaches_only_whom_it_may() {
    let server = SmtpServer::start(Options::default()).await;
    let mut config = config(&server, |_| {});
    config.only_to = vec![AddressPattern::parse("*@shop.example").unwrap()];
    let transport = Transport::new(config).unwrap();
    let stranger = EmailAddress::parse("mina@elsewhere.example").unwrap();
    assert!(!transport.may_send_to(&stranger));
    let outcome = soon(transport.deliver(mail_to("mina@elsewhere.example", 1))).await;
    assert_eq!(short(&outcome), "undeliverable");
    assert_eq!(short(&soon(transport.deliver(mail(2))).await), "accepted");
    assert_eq!(server.taken(), 1);
}

#[tokio::test]
async fn the_server_runs_in_a_process_of_its_own() {
    let mut server = ServerProcess::start(true);
    let mut config = TransportConfig::smtp("main", "127.0.0.1", server.port);
    if let CarrierConfig::Smtp(smtp) = &mut config.carrier {
        smtp.tls = Tls::None;
    }
    let transport = Transport::new(config).unwrap();
    assert_eq!(short(&soon(transport.deliver(mail(1))).await), "accepted");
    let taken = server.next_taken().unwrap();
    assert_eq!(
        taken,
        (
            "1@shop.example".into(),
            "mina@shop.example".into(),
            mail(1).bytes.len()
        )
    );
}
