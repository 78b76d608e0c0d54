//! The public pages over a real listener and the real engine: one-click and the unsubscribe page (RFC 8058), the
//! preference centre, what each does to messages that wait, and what the consent ledger keeps of it.

mod app;

use app::{App, CONFIG, load_config};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use mail_parser::MessageParser;
use reveille::domain::address::EmailAddress;
use reveille::domain::cause::{Cause, ConsentChange, Liveness, ProfileChange};
use reveille::domain::id::{CustomerId, CustomerNo, MessageNo, TopicId};
use reveille::domain::ledger::Status;
use reveille::domain::preference::ConsentState;
use reveille::domain::time::{Span, Timestamp};
use reveille::domain::wall::local;
use reveille::domain::window::Window;
use reveille::engine::state::EventRow;
use reveille::http::public;
use reveille::message::token::Token;
use reveille::report::{By, report};
use reveille::store::codec::decode;
use reveille::store::memory::MemoryStore;
use reveille::store::{Append, Batch, Store, Stream, StreamFilter};
use std::net::SocketAddr;
use std::sync::Arc;

const NOW: &str = "2026-03-02T10:00:00+09:00";

/// Advertising on the topic `offers`, as soon as the event happens.
const OFFER: &str = r#"
name = "Offer"
state = "live"
class = "advertising"
topic = "offers"
[trigger]
event = "Cart Viewed"
[entry]
again = "always"
[[step]]
id = "one"
template = "welcome"
subject = "An offer"
"#;

struct Site {
    app: App,
    at: SocketAddr,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

fn config() -> String {
    format!("{CONFIG}[http]\npublic_url = \"https://mail.shop.example\"\n")
}

async fn site(campaigns: &[(&str, &str)]) -> Site {
    site_on(Arc::new(MemoryStore::new()), campaigns).await
}

async fn site_on(store: Arc<dyn Store>, campaigns: &[(&str, &str)]) -> Site {
    serve(App::start_on(store, NOW, &config(), campaigns).await).await
}

async fn serve(app: App) -> Site {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let router = public::router(Arc::clone(&app.core));
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    Site { app, at }
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const PARTS: (&str, &str) = ("content-type", "multipart/form-data; boundary=xYz");
const ONE_CLICK: &str = "List-Unsubscribe=One-Click";
const ONE_CLICK_PARTS: &str = "--xYz\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--xYz--\r\n";

impl Site {
    async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<String>,
    ) -> Answer {
        let stream = tokio::net::TcpStream::connect(self.at).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "mail.shop.example")
            .body(Full::new(Bytes::from(body.into())))
            .unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        let answer = sender.send_request(request).await.unwrap();
        let (head, body) = answer.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "").await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        self.ask("POST", path, &[FORM], form.finish()).await
    }

    /// The paths of a mail's links: to leave, and to the preference centre.
    fn links(&self, at: usize) -> (String, String) {
        let (path, _) = self.app.mails().swap_remove(at);
        let bytes = std::fs::read(path).unwrap();
        let mail = MessageParser::new().parse(&bytes).unwrap();
        let raw = |name: &str| {
            let value = mail.header_raw(name).unwrap_or_default();
            value.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let leave = raw("List-Unsubscribe");
        let (page, rest) = (leave.strip_prefix("<https://mail.shop.example"))
            .and_then(|rest| rest.split_once('>'))
            .unwrap_or_else(|| panic!("{leave}"));
        let mailto = ", <mailto:unsubscribe@shop.example?subject=unsubscribe%20";
        assert!(rest.starts_with(mailto), "{rest}");
        assert_eq!(raw("List-Unsubscribe-Post"), ONE_CLICK);
        let text = mail.body_text(0).unwrap().into_owned();
        let link = |kind: &str| {
            let start = text
                .find(&format!("https://mail.shop.example/{kind}/"))
                .unwrap();
            let link = text[start..].split_whitespace().next().unwrap();
            link.strip_prefix("https://mail.shop.example")
                .unwrap()
                .to_owned()
        };
        assert_eq!(link("u"), page, "body and header lead to the same page");
        (page.to_owned(), link("p"))
    }

    async fn token(&self, customer: &str, topic: Option<&str>) -> String {
        let token = Token::Unsubscribe {
            customer: self.app.customer(customer).await,
            message: None,
            topic: topic.map(|t| TopicId::parse(t).unwrap()),
        };
        format!("/u/{}", self.app.core.token_keys().sign(&token))
    }

    async fn centre(&self, customer: &str) -> String {
        let token = Token::Preferences {
            customer: self.app.customer(customer).await,
            message: None,
        };
        format!("/p/{}", self.app.core.token_keys().sign(&token))
    }

    /// What is stored of a customer, to see that nothing changed.
    async fn stored(&self, customer: &str) -> String {
        let no = self.app.customer(customer).await;
        let (record, mailbox) = self
            .app
            .core
            .customer_and_mailbox(no)
            .await
            .unwrap()
            .unwrap();
        let ledger = self.app.core.consent_ledger(no).await.unwrap();
        format!("{record:?} {mailbox:?} {ledger:?}")
    }

    async fn word(&self, customer: &str, topic: Option<&str>) -> Option<ConsentState> {
        let no = self.app.customer(customer).await;
        let state = self.app.core.customer(no).await.unwrap().unwrap();
        let topic = topic.map(|t| TopicId::parse(t).unwrap());
        state.record.consents.get(&topic).map(|c| c.state)
    }

    async fn wants_offer(&self, customer: &str) {
        self.app
            .event(customer, "Cart Viewed", serde_json::json!({}))
            .await;
        self.app.settle().await;
    }

    /// Changes of a customer that are told elsewhere than on the page.
    async fn prefer(&self, customer: &str, set: impl FnOnce(&mut ProfileChange)) {
        let mut change = ProfileChange::default();
        set(&mut change);
        let cause = Cause::Profile(Box::new(change), Liveness::Live);
        self.app.act(customer, cause).await;
    }

    async fn reviews(&self, customer: &str) -> Vec<String> {
        let filter = StreamFilter {
            customers: Some(vec![self.app.customer(customer).await.0]),
            ..StreamFilter::default()
        };
        let rows = (self
            .app
            .core
            .store
            .read_stream(Stream::Events, filter)
            .await)
            .unwrap();
        (rows.iter())
            .map(|row| decode::<EventRow>(&row.payload).unwrap().event)
            .filter(|event| event.name.as_str() == "Preferences Reviewed")
            .map(|event| format!("{:?}", event.properties["changed"]))
            .collect()
    }
}

/// (a), (d): both content types, twice, with whatever else a request may carry, and when the campaign's file is gone.
#[tokio::test]
async fn one_click_leaves_at_once_however_it_is_posted_and_whatever_became_of_the_campaign() {
    let site = site(&[("offer.toml", OFFER)]).await;
    for customer in ["mina", "joon"] {
        site.app.sign_up(customer, "Asia/Seoul").await;
        site.wants_offer(customer).await;
    }
    assert_eq!(site.app.mails().len(), 2);
    site.app.file("offer.toml", None);
    site.app.reload().await;
    let posts = [(PARTS, ONE_CLICK_PARTS), (FORM, ONE_CLICK)];
    for at in 0..2 {
        let (leave, _) = site.links(at);
        for (kind, body) in posts {
            let odd = [kind, ("origin", "https://evil.example"), ("cookie", "a=b")];
            let answer = site.ask("POST", &leave, &odd, body).await;
            assert_eq!(answer.status, StatusCode::OK);
            for absent in ["location", "set-cookie", "www-authenticate"] {
                assert!(!answer.headers.contains_key(absent), "{absent}");
            }
        }
    }
    for customer in ["mina", "joon"] {
        assert_eq!(
            site.word(customer, Some("offers")).await,
            Some(ConsentState::Refused)
        );
        assert_eq!(
            site.word(customer, None).await,
            Some(ConsentState::Given),
            "the rest stays"
        );
        // Told twice, it is written once: in the ledger, and in the send log beside the mail that it came by.
        let no = site.app.customer(customer).await;
        let ledger = site.app.core.consent_ledger(no).await.unwrap();
        let refusals: Vec<_> = ledger
            .iter()
            .filter(|r| r.state == ConsentState::Refused.into())
            .collect();
        assert_eq!(refusals.len(), 1);
        let row = refusals[0];
        assert_eq!(row.topic, Some(TopicId::parse("offers").unwrap()));
        assert_eq!((row.told, row.at), (site.app.now(), site.app.now()));
        assert_eq!(row.source, "one-click unsubscribe");
        assert_eq!(row.address.as_deref(), Some("127.0.0.1"));
        assert_eq!(row.message, Some(MessageNo(1)));
        assert_eq!(row.campaign.as_ref().unwrap().as_str(), "offer");
        let log = site.app.log().await;
        let of_customer = log.iter().filter(|r| r.customer == no);
        let left: Vec<_> = of_customer
            .filter(|r| r.status == Status::Unsubscribed)
            .collect();
        assert_eq!(left.len(), 1);
        assert_eq!(
            (left[0].message, left[0].step.as_ref().unwrap().as_str()),
            (Some(MessageNo(1)), "one")
        );
    }
}

/// (b): scanners follow links.
#[tokio::test]
async fn looking_changes_nothing_and_the_page_has_one_button() {
    let site = site(&[("offer.toml", OFFER)]).await;
    site.app.sign_up("mina", "Asia/Seoul").await;
    site.wants_offer("mina").await;
    let (leave, centre) = site.links(0);
    let before = site.stored("mina").await;
    for path in [&leave, &centre] {
        for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "GET"] {
            let answer = site
                .ask(
                    method,
                    &format!("{path}?{ONE_CLICK}&leave=yes&act=leave"),
                    &[FORM],
                    "",
                )
                .await;
            assert!(!answer.status.is_server_error(), "{method}");
            assert!(!answer.headers.contains_key("location"));
        }
    }
    assert_eq!(site.stored("mina").await, before);
    let page = site.get(&leave).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.text.matches("<button").count(), 1);
    assert_eq!(page.text.matches("<form method=\"post\">").count(), 1);
    assert!(page.text.contains("“Offers”"), "{}", page.text);
    assert!(
        page.text.contains("m…@customers.example"),
        "whom it is for, not told in full"
    );
    // The button does it, and says what it did.
    let done = site.post(&leave, &[("leave", "yes")]).await;
    assert_eq!(done.status, StatusCode::OK);
    assert!(
        done.text
            .contains("From now on you get no more mails about “Offers”.")
    );
    assert_eq!(
        site.word("mina", Some("offers")).await,
        Some(ConsentState::Refused)
    );
    let ledger = (site.app.core)
        .consent_ledger(site.app.customer("mina").await)
        .await
        .unwrap();
    let last = ledger.last().unwrap();
    assert_eq!(last.source, "unsubscribe page");
    assert_eq!(
        last.wording.as_deref(),
        Some("You will get no more mails about “Offers”.")
    );
}

/// (c): nothing tells a forged link from a broken one or from one whose customer is gone.
#[tokio::test]
async fn one_flipped_bit_is_nobodys_link_and_gets_the_constant_answer() {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let site = site(&[]).await;
    site.app.sign_up("mina", "Asia/Seoul").await;
    let before = site.stored("mina").await;
    let known = site.get("/u/nonsense").await;
    assert_eq!(known.status, StatusCode::NOT_FOUND);
    let mut strangers = Vec::new();
    for path in [
        site.token("mina", Some("offers")).await,
        site.centre("mina").await,
    ] {
        let (kind, token) = path.rsplit_once('/').unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
        for bit in (0..bytes.len() * 8).step_by(5) {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            strangers.push(format!("{kind}/{}", URL_SAFE_NO_PAD.encode(other)));
        }
        // The other kind's token; one cut short; odd letters.
        strangers.push(format!(
            "{}/{token}",
            if kind == "/u" { "/p" } else { "/u" }
        ));
        strangers.push(path[..path.len() - 3].to_owned());
        strangers.push(format!("{kind}/%00%ff"));
    }
    // Signed by us, of nobody.
    let nobody = Token::Unsubscribe {
        customer: CustomerNo(999_999),
        message: None,
        topic: None,
    };
    strangers.push(format!("/u/{}", site.app.core.token_keys().sign(&nobody)));
    for path in strangers {
        for answer in [
            site.get(&path).await,
            site.ask(
                "POST",
                &path,
                &[FORM],
                format!("{ONE_CLICK}&act=leave&leave=yes"),
            )
            .await,
        ] {
            assert_eq!(
                (answer.status, &answer.text),
                (known.status, &known.text),
                "{path}"
            );
        }
    }
    assert_eq!(site.stored("mina").await, before);
}

/// (e): what waits when they leave never goes.
#[tokio::test]
async fn what_already_waits_is_not_sent_after_the_answer() {
    let site = site(&[("offer.toml", OFFER)]).await;
    for customer in ["mina", "joon"] {
        site.app.sign_up(customer, "Asia/Seoul").await;
        let evening = Window::parse("Mon-Sun 19:00-21:00").unwrap();
        site.prefer(customer, |c| c.preferences.window = Some(Some(evening)))
            .await;
        site.wants_offer(customer).await;
    }
    assert!(site.app.mails().is_empty(), "they wait for the evening");
    let leave = site.token("mina", Some("offers")).await;
    assert_eq!(
        site.ask("POST", &leave, &[FORM], ONE_CLICK).await.status,
        StatusCode::OK
    );
    site.app.leap(Span::hours(9) + Span::minutes(1)).await;
    assert_eq!(site.app.mails().len(), 1, "only the other one's went");
    assert!(site.app.mails()[0].1.contains("joon@"));
    let story = site.app.story("mina").await;
    assert_eq!(
        story.last().unwrap(),
        "offer dropped/topic_refused",
        "{story:?}"
    );
}

/// (h), and whatever else is posted there.
#[tokio::test]
async fn without_the_word_nothing_is_left() {
    let site = site(&[]).await;
    site.app.sign_up("mina", "Asia/Seoul").await;
    let before = site.stored("mina").await;
    let leave = site.token("mina", Some("offers")).await;
    let huge = format!("x={}&{ONE_CLICK}", "y".repeat(100_000));
    for (kind, body) in [
        (FORM, ""),
        (FORM, "List-Unsubscribe=Two-Clicks"),
        (FORM, "leave=no"),
        (PARTS, ONE_CLICK),
        (FORM, ONE_CLICK_PARTS),
        (
            ("content-type", "application/json"),
            "{\"List-Unsubscribe\":\"One-Click\"}",
        ),
        (FORM, huge.as_str()),
    ] {
        let answer = site.ask("POST", &leave, &[kind], body).await;
        assert!(answer.status.is_client_error(), "{body:.60}");
    }
    assert_eq!(site.stored("mina").await, before);
}

/// The refusal binds the mailbox that the mail went to, and whoever has it by now.
#[tokio::test]
async fn who_leaves_speaks_for_the_address_that_the_mail_went_to() {
    let site = site(&[("offer.toml", OFFER)]).await;
    site.app.sign_up("mina", "Asia/Seoul").await;
    site.wants_offer("mina").await;
    let (leave, _) = site.links(0);
    let address = |text: &str| reveille::domain::address::EmailAddress::parse(text).unwrap();
    site.prefer("mina", |c| c.email = Some(address("new@customers.example")))
        .await;
    // Somebody else has the old address now, and agreed to advertising.
    site.prefer("sora", |c| {
        c.email = Some(address("mina@customers.example"))
    })
    .await;
    site.app.consent("sora", ConsentState::Given).await;
    site.app.leap(Span::hours(1)).await;
    assert_eq!(
        site.ask("POST", &leave, &[FORM], ONE_CLICK).await.status,
        StatusCode::OK
    );
    for customer in ["mina", "sora"] {
        site.wants_offer(customer).await;
        let story = site.app.story(customer).await;
        assert!(
            story.last().unwrap().ends_with("dropped/topic_refused"),
            "{customer} {story:?}"
        );
    }
    assert_eq!(site.app.mails().len(), 1);
}

/// Neither the copy of a mail nor a row of the log that cannot be read keeps anybody from leaving.
#[tokio::test]
async fn who_leaves_is_heard_whatever_of_their_history_cannot_be_read() {
    let site = site(&[("offer.toml", OFFER)]).await;
    site.app.sign_up("mina", "Asia/Seoul").await;
    site.wants_offer("mina").await;
    let (leave, _) = site.links(0);
    site.app.leap(Span::hours(1)).await;
    let no = site.app.customer("mina").await;
    for stream in [Stream::Mails, Stream::Log] {
        let batch = Batch {
            appends: vec![Append {
                stream,
                customer: no.0,
                time: site.app.now().millis(),
                payload: b"not a row".to_vec(),
            }],
            ..Batch::default()
        };
        site.app.core.store.commit(batch).await.unwrap();
    }
    let left = site.ask("POST", &leave, &[FORM], ONE_CLICK).await;
    assert_eq!(left.status, StatusCode::OK);
    assert_eq!(
        site.word("mina", Some("offers")).await,
        Some(ConsentState::Refused)
    );
    let ledger = site.app.core.consent_ledger(no).await.unwrap();
    let row = ledger.last().unwrap();
    assert!(row.message.is_some() && row.campaign.is_some(), "{row:?}");
}

/// Links of old mails work after a restart, wherever the store is then, and after a new key signs.
#[tokio::test]
async fn links_outlive_the_process() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let site = site_on(Arc::clone(&store), &[]).await;
    site.app.sign_up("mina", "Asia/Seoul").await;
    let leave = site.token("mina", None).await;
    assert_eq!(site.app.core.rotate_token_keys().await.unwrap(), 2);
    let new = site.token("mina", None).await;
    assert_ne!(new, leave);
    assert_eq!(site.get(&leave).await.status, StatusCode::OK);
    let site = serve(site.app.reopen(store).await).await;
    assert_eq!(
        site.token("mina", None).await,
        new,
        "the new key still signs"
    );
    assert_eq!(site.get(&new).await.status, StatusCode::OK);
    site.app.clock.advance(Span::days(45));
    assert_eq!(site.get(&leave).await.status, StatusCode::OK);
    assert_eq!(
        site.post(&leave, &[("leave", "yes")]).await.status,
        StatusCode::OK
    );
    assert_eq!(site.word("mina", None).await, Some(ConsentState::Refused));
}

const WEEK: &[(&str, &str)] = &[
    ("act", "save"),
    ("topic", "offers"),
    ("topic", "reminders"),
    ("had", "offers"),
    ("had", "reminders"),
    ("hours", "own"),
    ("day", "0"),
    ("day", "1"),
    ("day", "2"),
    ("day", "3"),
    ("day", "4"),
    ("from", "19:00"),
    ("to", "21:00"),
    ("zone", "America/New_York"),
    ("often", "1 per 7d"),
    ("pause", ""),
    ("locale", ""),
];

/// The issue's end to end: chosen on the page, kept to for three months, over a change of the clock.
#[tokio::test]
async fn hours_and_frequency_chosen_on_the_page_are_kept_to_for_three_months() {
    let daily = |topic: &str| {
        format!(
            "name = \"Daily\"\nstate = \"live\"\nclass = \"advertising\"\ntopic = \"{topic}\"\n\
             [schedule]\ncron = \"0 10 * * *\"\ntimezone = \"Asia/Seoul\"\n\
             [audience]\nattribute = \"first_name\"\nexists = true\n\
             [entry]\nagain = \"always\"\nexisting = \"enter\"\n\
             [[step]]\nid = \"one\"\ntemplate = \"welcome\"\nsubject = \"Today\"\n"
        )
    };
    let (offers, reminders) = (daily("offers"), daily("reminders"));
    let site = site(&[("offers.toml", &offers), ("reminders.toml", &reminders)]).await;
    site.app.sign_up("mina", "Asia/Seoul").await;
    let centre = site.centre("mina").await;
    let saved = site.post(&centre, WEEK).await;
    assert_eq!(saved.status, StatusCode::OK);
    for said in [
        "Saved",
        "You get: Offers, Reminders.",
        "Only Mon-Fri 19:00-21:00 on your clock (America/New_York).",
        "At most 1 a week.",
    ] {
        assert!(
            saved.text.contains(&format!(">{said}</")),
            "{said} in {}",
            saved.text
        );
    }
    for _ in 0..92 * 24 {
        site.app.leap(Span::hours(1)).await;
    }
    let log = site.app.log().await;
    let sent: Vec<Timestamp> = (log.iter())
        .filter(|row| row.status == Status::Attempting)
        .map(|row| row.time)
        .collect();
    assert!(
        (12..=14).contains(&sent.len()),
        "about once a week: {sent:?}"
    );
    let zone = "America/New_York".parse().unwrap();
    let hours = Window::parse("Mon-Fri 19:00-21:00").unwrap();
    for pair in sent.windows(2) {
        assert!(pair[1].since(pair[0]) >= Span::days(7), "{pair:?}");
    }
    for at in sent {
        assert!(hours.contains(at, zone), "{}", local(at, zone));
    }
}

#[tokio::test]
async fn the_page_shows_how_they_stand_and_takes_only_what_they_changed() {
    let site = site(&[]).await;
    site.app.sign_up("mina", "Asia/Seoul").await;
    site.app.leap(Span::hours(1)).await;
    let centre = site.centre("mina").await;
    let page = site.get(&centre).await.text;
    for ticked in ["offers", "reminders"] {
        assert!(
            page.contains(&format!("value=\"{ticked}\" checked")),
            "{page}"
        );
    }
    assert!(
        !page.contains("value=\"monthly\" checked"),
        "only for those who ask"
    );
    assert!(page.contains("<option value=\"Asia/Seoul\" selected>"));
    // Kept as it is: an event says that they looked, and nothing else changes.
    let kept: &[_] = &[
        ("act", "save"),
        ("topic", "offers"),
        ("topic", "reminders"),
        ("had", "offers"),
        ("had", "reminders"),
        ("hours", "any"),
        ("zone", "Asia/Seoul"),
        ("often", ""),
        ("pause", ""),
        ("locale", ""),
    ];
    let before = (
        site.word("mina", Some("offers")).await,
        site.word("mina", None).await,
    );
    let answer = site.post(&centre, kept).await;
    assert!(
        answer.text.contains("Nothing was changed"),
        "{}",
        answer.text
    );
    assert_eq!(site.reviews("mina").await, ["Bool(false)"]);
    assert_eq!(
        (
            site.word("mina", Some("offers")).await,
            site.word("mina", None).await
        ),
        before
    );
    // One topic left, one asked for, a break: a ledger row each, with the wording that was shown.
    site.app.leap(Span::hours(1)).await;
    let changed: &[_] = &[
        ("act", "save"),
        ("topic", "reminders"),
        ("topic", "monthly"),
        ("had", "offers"),
        ("had", "reminders"),
        ("hours", "any"),
        ("zone", "Asia/Seoul"),
        ("often", "1 per 30d"),
        ("pause", "2026-04-01"),
        ("locale", "ko"),
    ];
    let answer = site.post(&centre, changed).await;
    assert_eq!(answer.status, StatusCode::OK);
    for said in [
        "저장했습니다",
        "받으실 소식: 월간 소식, 장바구니 알림",
        "30일에 최대 1회",
        "2026년 4월 1일",
    ] {
        assert!(answer.text.contains(said), "{said} in {}", answer.text);
    }
    assert_eq!(site.reviews("mina").await, ["Bool(false)", "Bool(true)"]);
    assert_eq!(
        site.word("mina", Some("offers")).await,
        Some(ConsentState::Refused)
    );
    assert_eq!(
        site.word("mina", Some("monthly")).await,
        Some(ConsentState::Given)
    );
    assert_eq!(
        site.word("mina", Some("reminders")).await,
        None,
        "it was not touched"
    );
    let no = site.app.customer("mina").await;
    let record = site.app.core.customer(no).await.unwrap().unwrap().record;
    let midnight = Timestamp::parse_rfc3339("2026-04-01T00:00:00+09:00");
    assert_eq!(
        record.preferences.pause_until, midnight,
        "the day begins on their clock"
    );
    let ledger = site.app.core.consent_ledger(no).await.unwrap();
    let wording = |topic: &str| {
        let of_topic = ledger
            .iter()
            .find(|r| r.topic.as_ref().is_some_and(|t| t.as_str() == topic));
        of_topic.unwrap().wording.clone().unwrap()
    };
    assert_eq!(
        wording("monthly"),
        "The month's digest: One mail at the end of each month"
    );
    assert!(wording("offers").starts_with("Offers: "));
    assert!(
        ledger
            .iter()
            .skip(1)
            .all(|row| row.source == "preference centre")
    );
    // The form of before, posted again from an old tab after they left, brings nothing back.
    site.app.leap(Span::hours(1)).await;
    site.post(&centre, &[("act", "leave")]).await;
    site.app.leap(Span::hours(1)).await;
    site.post(&centre, kept).await;
    let page = site.get(&centre).await.text;
    assert!(!page.contains("checked aria-describedby"), "{page}");
    // Until they tick one anew.
    site.post(
        &centre,
        &[
            ("act", "save"),
            ("topic", "offers"),
            ("hours", "any"),
            ("zone", "Asia/Seoul"),
        ],
    )
    .await;
    let page = site.get(&centre).await.text;
    assert!(
        page.contains("value=\"offers\" checked") && !page.contains("value=\"reminders\" checked")
    );
}

#[tokio::test]
async fn who_wants_only_what_they_asked_for_gets_no_other_advertising() {
    let monthly = OFFER
        .replace("topic = \"offers\"", "topic = \"monthly\"")
        .replace("Cart Viewed", "Digest Out");
    let site = site(&[("offer.toml", OFFER), ("digest.toml", &monthly)]).await;
    site.app.sign_up("mina", "Asia/Seoul").await;
    site.app.leap(Span::hours(1)).await;
    let centre = site.centre("mina").await;
    let page = site.get(&centre).await.text;
    assert!(page.contains("id=\"only\" name=\"only\" value=\"yes\" aria"));
    let form = |more: &[(&'static str, &'static str)]| {
        let mut form = vec![("act", "save"), ("hours", "any"), ("zone", "Asia/Seoul")];
        for topic in ["offers", "reminders", "monthly"] {
            form.extend([("had", topic), ("topic", topic)]);
        }
        form.extend_from_slice(more);
        form
    };
    let asked = [("act", "save"), ("hours", "any"), ("zone", "Asia/Seoul")];
    let asked: Vec<_> = (asked.into_iter())
        .chain(["offers", "reminders"].map(|t| ("had", t)))
        .chain(["offers", "reminders", "monthly"].map(|t| ("topic", t)))
        .chain([("was_only", ""), ("only", "yes")])
        .collect();
    let saved = site.post(&centre, &asked).await;
    assert_eq!(saved.status, StatusCode::OK);
    assert!(
        saved.text.contains("You get: The month") && saved.text.contains("No other advertising"),
        "{}",
        saved.text
    );
    let page = site.get(&centre).await.text;
    assert!(page.contains("name=\"only\" value=\"yes\" checked"));
    assert!(page.contains("name=\"was_only\" value=\"yes\""));
    let korean = site.get(&format!("{centre}?lang=ko")).await.text;
    assert!(korean.contains("직접 신청한 소식만 받기"));

    site.wants_offer("mina").await;
    let story = site.app.story("mina").await;
    let last = story.last().unwrap();
    assert!(last.ends_with("dropped/on_request_only"), "{story:?}");
    let id = reveille::domain::id::CustomerId::parse("mina").unwrap();
    let explained = site.app.core.explain(&id, None).await.unwrap().unwrap();
    let explained = serde_json::to_string(&explained).unwrap();
    assert!(
        explained.contains("takes only topics that go to those"),
        "{explained}"
    );
    let digest = serde_json::json!({});
    site.app.event("mina", "Digest Out", digest).await;
    site.app.settle().await;
    assert_eq!(site.app.mails().len(), 1, "what they asked for comes");

    // A form without the box says nothing of it; without the tick it is taken back.
    site.app.leap(Span::days(8)).await;
    site.post(&centre, &form(&[])).await;
    site.wants_offer("mina").await;
    assert_eq!(site.app.mails().len(), 1);
    site.post(&centre, &form(&[("was_only", "yes")])).await;
    site.wants_offer("mina").await;
    assert_eq!(site.app.mails().len(), 2);
}

/// Two tabs: what was chosen in the newer one is not undone by the older one, which was open all the while.
#[tokio::test]
async fn a_form_of_before_changes_what_was_changed_in_it_and_no_more() {
    let site = site(&[]).await;
    site.app.sign_up("mina", "Asia/Seoul").await;
    site.app.leap(Span::hours(1)).await;
    let centre = site.centre("mina").await;
    let page = site.get(&centre).await.text;
    let stood: &[_] = &[
        ("was_hours", "any"),
        ("was_zone", "Asia/Seoul"),
        ("was_often", ""),
        ("was_pause", ""),
        ("was_locale", ""),
        ("was_format", "html"),
    ];
    for (field, value) in stood {
        let hidden = format!("<input type=\"hidden\" name=\"{field}\" value=\"{value}\">");
        assert!(page.contains(&hidden), "{hidden} in {page}");
    }
    let form = |chosen: &[(&'static str, &'static str)]| {
        let mut form = vec![("act", "save"), ("had", "offers"), ("topic", "offers")];
        form.extend([("had", "reminders"), ("topic", "reminders")]);
        form.extend_from_slice(stood);
        for (field, value) in stood {
            let name = field.strip_prefix("was_").unwrap();
            if chosen.iter().all(|(chosen, _)| *chosen != name) {
                form.push((name, *value));
            }
        }
        form.extend_from_slice(chosen);
        form
    };
    let newer = form(&[
        ("hours", "own"),
        ("day", "5"),
        ("from", "10:00"),
        ("to", "12:00"),
        ("zone", "Europe/Paris"),
        ("often", "1 per 30d"),
        ("pause", "2026-04-01"),
        ("locale", "ko"),
        ("format", "text"),
    ]);
    let saved = site.post(&centre, &newer).await;
    assert_eq!(saved.status, StatusCode::OK, "{}", saved.text);
    let no = site.app.customer("mina").await;
    let preferences = || async {
        let state = site.app.core.customer(no).await.unwrap().unwrap();
        state.record.preferences
    };
    let chosen = preferences().await;
    assert!(chosen.window.is_some() && chosen.caps.is_some() && chosen.pause_until.is_some());

    // Nothing was touched in the older tab, then one field.
    let kept = site.post(&centre, &form(&[])).await;
    assert!(kept.text.contains("바뀐 내용 없이"), "{}", kept.text);
    assert_eq!(preferences().await, chosen);
    site.post(&centre, &form(&[("often", "1 per 7d")])).await;
    let caps = reveille::domain::cap::Cap::parse("1 per 7d").unwrap();
    let expected = reveille::domain::preference::Preferences {
        caps: Some(vec![caps]),
        ..chosen
    };
    assert_eq!(preferences().await, expected);
}

#[tokio::test]
async fn what_is_wrong_is_told_beside_its_field_and_nothing_is_taken() {
    let site = site(&[]).await;
    site.app.sign_up("mina", "Asia/Seoul").await;
    let before = site.stored("mina").await;
    let centre = site.centre("mina").await;
    let nasty = "\"><script>alert(1)</script>";
    for (field, value, said) in [
        ("day", "", "Choose at least one day."),
        ("from", "7 pm", "Write the start as a time, such as 19:00."),
        (
            "to",
            "19:00",
            "Write the end as a time, such as 21:00, other than the start.",
        ),
        (
            "to",
            nasty,
            "Write the end as a time, such as 21:00, other than the start.",
        ),
        ("zone", nasty, "This is not a time zone that we know."),
        ("often", "1000 per 1s", "Choose one from the list."),
        (
            "pause",
            "2026-03-01",
            "Write a day ahead, within two years, such as 2027-03-01.",
        ),
        (
            "pause",
            "2126-03-02",
            "Write a day ahead, within two years, such as 2027-03-01.",
        ),
        (
            "pause",
            nasty,
            "Write a day ahead, within two years, such as 2027-03-01.",
        ),
        ("locale", nasty, "Choose one from the list."),
    ] {
        let mut fields: Vec<_> = WEEK
            .iter()
            .copied()
            .filter(|(name, _)| *name != field)
            .collect();
        // A change that would be good by itself.
        fields.retain(|(name, value)| (*name, *value) != ("topic", "offers"));
        fields.push((field, value));
        let answer = site.post(&centre, &fields).await;
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{field} {value}"
        );
        assert!(answer.text.contains("nothing was saved"));
        let of_field = if field == "day" { "hours" } else { field };
        let beside = format!("<p class=\"error\" id=\"{of_field}-error\">{said}</p>");
        assert!(answer.text.contains(&beside), "{beside} in {}", answer.text);
        assert!(
            answer
                .text
                .contains(&format!("<a href=\"#{of_field}\">{said}</a>"))
        );
        assert!(!answer.text.contains("<script>"), "{field}");
        assert!(
            !answer.text.contains("value=\"offers\" checked"),
            "what was entered stays"
        );
        assert_eq!(site.stored("mina").await, before, "{field} {value}");
    }
    // What is no form of ours.
    for body in ["", "act=everything", "\u{0}\u{1}=%ff%fe"] {
        let answer = site.ask("POST", &centre, &[FORM], body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    }
    assert_eq!(site.stored("mina").await, before);
}

#[tokio::test]
async fn the_pages_speak_the_customers_language_and_can_be_switched() {
    let site = site(&[]).await;
    site.app.sign_up("mina", "Asia/Seoul").await;
    site.prefer("mina", |c| {
        c.preferences.locale = Some(Some("ko-KR".into()))
    })
    .await;
    let (leave, centre) = (
        site.token("mina", Some("offers")).await,
        site.centre("mina").await,
    );
    for (path, korean, english) in [
        (
            &leave,
            "‘혜택 소식’ 메일을 더 이상 보내 드리지 않습니다.",
            "You will get no more mails about “Offers”.",
        ),
        (&centre, "메일 수신 설정", "What you get, and when"),
    ] {
        let page = site.get(path).await.text;
        assert!(
            page.contains("<html lang=\"ko\">") && page.contains(korean),
            "{page}"
        );
        assert!(page.contains("<a href=\"?lang=en\" lang=\"en\" hreflang=\"en\">English</a>"));
        let page = site.get(&format!("{path}?lang=en")).await.text;
        assert!(
            page.contains("<html lang=\"en\">") && page.contains(english),
            "{page}"
        );
        assert!(page.contains("<a href=\"?lang=ko\""));
    }
    // Their own tag is none of the two, and stays what it is.
    let page = site.get(&centre).await.text;
    assert!(page.contains("<option value=\"ko-KR\" selected>"));
    let done = site.post(&leave, &[("leave", "yes")]).await.text;
    assert!(done.contains("수신거부가 완료되었습니다"));
    assert!(
        site.get(&centre)
            .await
            .text
            .contains("수신 거부 · 2026년 3월 2일 · 수신거부 페이지")
    );
}

#[tokio::test]
async fn nothing_that_a_shop_or_a_customer_is_called_becomes_markup() {
    let nasty = "<img src=x onerror=alert(1)>\"'&amp;";
    let site = site(&[]).await;
    let topics = format!("[offers]\nname = '''{nasty}'''\ndescription = '''{nasty}'''\n");
    site.app.file("topics.toml", Some(&topics));
    site.app.reload().await;
    site.app.sign_up("mina", "Asia/Seoul").await;
    let consent = ConsentChange {
        topic: Some(TopicId::parse("offers").unwrap()),
        state: ConsentState::Given,
        at: site.app.now(),
        source: nasty.into(),
        wording: Some(nasty.into()),
        origin: Default::default(),
    };
    site.app
        .act("mina", Cause::Consent(consent, Liveness::Live))
        .await;
    site.prefer("mina", |c| c.preferences.locale = Some(Some(nasty.into())))
        .await;
    let (leave, centre) = (
        site.token("mina", Some("offers")).await,
        site.centre("mina").await,
    );
    for path in [&leave, &centre] {
        for query in ["", "?lang=%3Cimg%20src%3Dx%3E", "?lang=ko"] {
            let page = site.get(&format!("{path}{query}")).await;
            assert_eq!(page.status, StatusCode::OK);
            assert!(!page.text.contains("<img"), "{}", page.text);
        }
    }
    assert!(site.get(&leave).await.text.contains("&lt;img src"));
}

#[tokio::test]
async fn the_pages_need_no_script_and_let_nothing_in_from_elsewhere() {
    let site = site(&[]).await;
    site.app.sign_up("mina", "Asia/Seoul").await;
    let (leave, centre) = (site.token("mina", None).await, site.centre("mina").await);
    let gone = "/u/AAAA".to_owned();
    for path in [&leave, &centre, &gone] {
        let page = site.get(path).await;
        let header = |name: &str| page.headers[name].to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'")
        );
        assert!(!policy.contains("unsafe") && !policy.contains("http"));
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert!(header("content-type").starts_with("text/html"));
        let text = &page.text;
        assert!(!text.contains("style=") && !text.contains("<style") && !text.contains("onclick"));
        let scripts = if *path == centre { 1 } else { 0 };
        assert_eq!(text.matches("<script src=\"../a/page.js?").count(), scripts);
        assert_eq!(text.matches("<script").count(), scripts);
        // Every control has a label of its own.
        for control in text
            .split("<input ")
            .skip(1)
            .chain(text.split("<select ").skip(1))
        {
            let tag = control.split('>').next().unwrap();
            if tag.contains("type=\"hidden\"") {
                continue;
            }
            let id = tag
                .split("id=\"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap();
            assert!(text.contains(&format!("<label for=\"{id}\">")), "{id}");
        }
    }
    for (path, kind) in [
        ("/a/page.css?x", "text/css"),
        ("/a/page.js?x", "text/javascript"),
    ] {
        let file = site.get(path).await;
        assert_eq!(file.status, StatusCode::OK);
        assert!(
            file.headers["content-type"]
                .to_str()
                .unwrap()
                .starts_with(kind)
        );
        assert!(
            file.headers["cache-control"]
                .to_str()
                .unwrap()
                .contains("max-age")
        );
    }
}

/// Hours that the page cannot show stay as they are until others are chosen.
#[tokio::test]
async fn what_the_form_cannot_say_is_kept() {
    let site = site(&[]).await;
    site.app.sign_up("mina", "Asia/Seoul").await;
    let odd = Window::parse("Mon-Fri 09:00-12:00, Sat 14:00-18:00").unwrap();
    site.prefer("mina", |c| {
        c.preferences.window = Some(Some(odd.clone()));
        c.preferences.caps = Some(Some(vec![
            reveille::domain::cap::Cap::parse("5 per 9d").unwrap(),
        ]));
    })
    .await;
    let centre = site.centre("mina").await;
    let page = site.get(&centre).await.text;
    assert!(
        page.contains("As set now: Mon-Fri 09:00-12:00, Sat 14:00-18:00"),
        "{page}"
    );
    assert!(page.contains("<option value=\"keep\" selected>As set now: 5 per 9d</option>"));
    let keep: &[_] = &[
        ("act", "save"),
        ("hours", "keep"),
        ("often", "keep"),
        ("zone", "Asia/Seoul"),
    ];
    site.post(&centre, keep).await;
    let no = site.app.customer("mina").await;
    let own = site
        .app
        .core
        .customer(no)
        .await
        .unwrap()
        .unwrap()
        .record
        .preferences;
    assert_eq!((own.window, own.caps.unwrap().len()), (Some(odd), 1));
    // Midnight to midnight is the whole day; an end before the start is on the next day.
    for (from, to, said) in [
        ("00:00", "00:00", "Sun 00:00-24:00"),
        ("22:00", "02:00", "Sun 22:00-02:00"),
    ] {
        let fields = [
            ("act", "save"),
            ("hours", "own"),
            ("day", "6"),
            ("from", from),
            ("to", to),
            ("often", "keep"),
            ("zone", "Asia/Seoul"),
        ];
        let answer = site.post(&centre, &fields).await;
        assert!(
            answer.text.contains(&format!("Only {said} on your clock")),
            "{}",
            answer.text
        );
    }
}

/// Without a public address, as before: an address to write to, and no promise of one click.
#[tokio::test]
async fn without_a_public_address_mails_name_the_address_to_write_to() {
    let app = App::start(NOW, &[("offer.toml", OFFER)]).await;
    assert!(load_config(app.dir.path()).http.public_url.is_none());
    app.sign_up("mina", "Asia/Seoul").await;
    app.event("mina", "Cart Viewed", serde_json::json!({}))
        .await;
    app.settle().await;
    let mail = app.mails().remove(0).1;
    assert!(mail.contains("<mailto:unsubscribe@shop.example?subject=unsubscribe%20"));
    assert!(!mail.contains("List-Unsubscribe-Post") && !mail.contains("https://mail."));
}

/// A list that is imported each night says nothing new; what does is added and never altered.
#[tokio::test]
async fn the_ledger_holds_each_change_once_and_the_customers_view_shows_it() {
    let site = site(&[]).await;
    site.app.sign_up("mina", "Asia/Seoul").await;
    let no = site.app.customer("mina").await;
    let start = site.app.now();
    let mut rows = Vec::new();
    for (after, state, at, expected) in [
        (1, ConsentState::Given, 0, 2), // from another source than at signing up
        (1, ConsentState::Given, 0, 2), // the same list again
        (1, ConsentState::Given, 2, 3), // agreed to anew
        (1, ConsentState::Refused, 4, 4),
        (1, ConsentState::Refused, 5, 4), // the list of those who left, again
        (1, ConsentState::Given, 0, 4),   // the old list: overruled long ago
    ] {
        site.app.leap(Span::days(after)).await;
        let change = ConsentChange {
            topic: None,
            state,
            // The first is a millisecond after what was said at signing up.
            at: start + Span::days(at) + Span::millis(1),
            source: "list".into(),
            wording: Some("I agree".into()),
            origin: Default::default(),
        };
        site.app
            .act("mina", Cause::Consent(change, Liveness::Live))
            .await;
        let now = site.app.core.consent_ledger(no).await.unwrap();
        assert_eq!(now.len(), expected, "{now:?}");
        assert_eq!(now[..rows.len()], rows, "what stood there stands");
        rows = now;
    }
    let id = reveille::domain::id::CustomerId::parse("mina").unwrap();
    let view = site.app.core.customer_view(&id).await.unwrap().unwrap();
    let view = serde_json::to_value(view).unwrap();
    let last = &view["consent_ledger"][3];
    assert_eq!(last["state"], "refused");
    assert_eq!(last["told"], "2026-03-06T01:00:00Z");
    assert_eq!(
        (&last["source"], &last["wording"]),
        (&"list".into(), &"I agree".into())
    );
}

/// The link of a mail that somebody got before they were merged into another: the refusal is the other's, and is told
/// beside that mail, whose number may be that of another mail of theirs.
#[tokio::test]
async fn who_leaves_by_a_mail_of_before_a_merge_is_counted_with_that_mail() {
    let other = OFFER.replace("Cart Viewed", "Wishlist Viewed");
    let site = site(&[("offer.toml", OFFER), ("wish.toml", &other)]).await;
    let browser = CustomerId::anonymous("a-1").unwrap();
    site.app
        .consent(browser.as_str(), ConsentState::Given)
        .await;
    let address = EmailAddress::parse("mina@customers.example").unwrap();
    site.prefer(browser.as_str(), |c| c.email = Some(address))
        .await;
    site.wants_offer(browser.as_str()).await;
    let (leave, _) = site.links(0);
    let bytes = std::fs::read(&site.app.mails()[0].0).unwrap();
    let mail = MessageParser::new().parse(&bytes).unwrap();
    let message_id = mail.message_id().unwrap().to_owned();
    site.app.sign_up("mina", "Asia/Seoul").await;
    let event = site
        .app
        .event("mina", "Wishlist Viewed", serde_json::json!({}));
    event.await;
    site.app.advance(Span::days(1)).await;
    assert_eq!(site.app.mails().len(), 2, "both have a message 1");
    let source = site.app.customer(browser.as_str()).await;
    let mina = CustomerId::parse("mina").unwrap();
    site.app.core.alias(&browser, &mina).await.unwrap();
    site.app.settle().await;

    let left = site.ask("POST", &leave, &[FORM], ONE_CLICK).await;
    assert_eq!(left.status, StatusCode::OK);
    assert_eq!(
        site.word("mina", Some("offers")).await,
        Some(ConsentState::Refused)
    );
    let log = site.app.log().await;
    let rows: Vec<_> = (log.iter())
        .filter(|r| r.status == Status::Unsubscribed)
        .collect();
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].customer, rows[0].message, rows[0].campaign.as_str()),
        (source, Some(MessageNo(1)), "offer")
    );
    let report = report(&site.app.core, By::Campaigns, None).await.unwrap();
    let counted = |campaign: &str| {
        let mut groups = report.groups.iter();
        let group = groups.find(|g| g.campaign.as_deref() == Some(campaign));
        group.unwrap().unsubscribed.count
    };
    assert_eq!((counted("offer"), counted("wish")), (1, 0));
    let view = site.app.core.customer_view(&mina).await.unwrap().unwrap();
    let row = view.consent_ledger.last().unwrap();
    assert_eq!(row.message_id.as_deref(), Some(message_id.as_str()));
}

/// What stands in a test mail or a preview leads to one page, and does nothing whoever's token it bears.
#[tokio::test]
async fn the_links_of_tests_say_so_and_do_nothing() {
    let site = site(&[("offer.toml", OFFER)]).await;
    site.app.sign_up("c-1", "Asia/Seoul").await;
    let before = site.app.customer("c-1").await;
    let stored = async || site.app.core.customer(before).await.unwrap().unwrap();
    let record = stored().await.record;
    for path in [
        format!("/test{}", site.token("c-1", Some("offers")).await),
        format!("/test{}", site.centre("c-1").await),
        "/test/t/c/anything".to_owned(),
    ] {
        let shown = site.get(&path).await;
        assert_eq!(shown.status, StatusCode::OK, "{path}");
        assert!(shown.text.contains("This was a test"), "{}", shown.text);
        assert!(!shown.text.contains("<form"), "{}", shown.text);
        let pressed = site.ask("POST", &path, &[FORM], ONE_CLICK).await;
        assert_eq!(pressed.status, StatusCode::OK, "{path}");
        assert!(pressed.headers.contains_key("content-security-policy"));
    }
    assert_eq!(stored().await.record, record);
}
