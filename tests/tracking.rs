//! Hits: pixels fetched and links followed. What they are taken for is held against a list labelled by hand; taking
//! them in, keeping them and what follows from them run on the real application.

mod app;

use app::{App, CONFIG};
use reveille::domain::address::EmailAddress;
use reveille::domain::cause::{Cause, Liveness, ProfileChange};
use reveille::domain::engagement::{
    Engagement, Hit, HitClass, HitKind, HitMethod, LinkPlace, Network, classify,
};
use reveille::domain::id::{CustomerNo, MessageNo, MessageRef};
use reveille::domain::ledger::Reason;
use reveille::domain::preference::ConsentState;
use reveille::domain::time::{Span, Timestamp};
use reveille::engine::hits::HitRow;
use reveille::http::tracking::{Tracking, router};
use reveille::message::token::{Token, TokenKeys};
use reveille::store::codec::decode;
use reveille::store::memory::MemoryStore;
use reveille::store::{Store, Stream, StreamFilter};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ACCEPTED: Timestamp = Timestamp(1_772_442_000_000);

/// One line of the labelled list.
struct Labelled {
    mail: u64,
    hit: Hit,
    class: String,
    reason: String,
}

/// `tests/data/hits.jsonl`: hits of many mails, each with what it is.
fn labelled() -> Vec<Labelled> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hits.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let read = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        let of = row["links"].as_u64().unwrap() as usize;
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        let link = match &row["link"] {
            Value::Null => None,
            Value::String(_) => Some(LinkPlace::honeypot(of)),
            place => Some(LinkPlace::new(place.as_u64().unwrap() as usize, of)),
        };
        Labelled {
            mail: row["mail"].as_u64().unwrap(),
            hit: Hit {
                kind: match text("kind").as_str() {
                    "open" => HitKind::Open,
                    _ => HitKind::Click,
                },
                link,
                at: ACCEPTED + Span::millis(row["after_ms"].as_i64().unwrap()),
                method: match text("method").as_str() {
                    "HEAD" => HitMethod::Head,
                    _ => HitMethod::Get,
                },
                agent: text("agent"),
                origin: row["origin"].as_u64(),
                network: Network::Other,
                ahead: row["ahead"].as_bool().unwrap(),
            },
            class: text("expect"),
            reason: text("reason"),
        }
    };
    text.lines().map(read).collect()
}

fn by_mail(all: &[Labelled]) -> BTreeMap<u64, Vec<&Labelled>> {
    let mut mails: BTreeMap<u64, Vec<&Labelled>> = BTreeMap::new();
    for one in all {
        mails.entry(one.mail).or_default().push(one);
    }
    mails
}

#[test]
fn each_hit_of_the_labelled_list_is_taken_for_what_it_is() {
    let all = labelled();
    assert!(all.len() >= 200, "{}", all.len());
    let mut wrong = Vec::new();
    let mut reasons = std::collections::BTreeSet::new();
    for (mail, lines) in by_mail(&all) {
        let hits: Vec<Hit> = lines.iter().map(|l| l.hit.clone()).collect();
        for (line, (class, reason)) in lines.iter().zip(classify(&hits, Some(ACCEPTED))) {
            reasons.insert(reason);
            if (class.as_str(), reason.code()) != (&line.class, &line.reason) {
                let (agent, at) = (&line.hit.agent, line.hit.at.since(ACCEPTED));
                wrong.push(format!(
                    "mail {mail}, {at} after acceptance, {agent:?}: {}/{} and not {}/{}",
                    class.as_str(),
                    reason.code(),
                    line.class,
                    line.reason
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(reasons.len(), 16, "each reason is met: {reasons:?}");
}

#[test]
fn the_order_in_which_hits_were_written_down_changes_nothing() {
    for lines in by_mail(&labelled()).into_values() {
        let hits: Vec<Hit> = lines.iter().map(|l| l.hit.clone()).collect();
        let mut turned = hits.clone();
        turned.reverse();
        let mut answers = classify(&turned, Some(ACCEPTED));
        answers.reverse();
        assert_eq!(answers, classify(&hits, Some(ACCEPTED)));
    }
}

#[test]
fn a_mail_whose_acceptance_is_not_known_is_judged_by_all_the_rest() {
    let alone = |after: i64, agent: &str| {
        let hit = Hit {
            kind: HitKind::Open,
            link: None,
            at: ACCEPTED + Span::millis(after),
            method: HitMethod::Get,
            agent: agent.to_owned(),
            origin: None,
            network: Network::Other,
            ahead: false,
        };
        classify(std::slice::from_ref(&hit), None)[0]
    };
    let reader = (HitClass::HumanLikely, Reason::Reader);
    assert_eq!(alone(100, "Mozilla/5.0 (X11) Firefox/127.0"), reader);
    let apple = (HitClass::PrivacyProxy, Reason::ApplePrivacy);
    assert_eq!(alone(100, "Mozilla/5.0"), apple);
}

/// Whoever holds one token can send as many hits as they like: judging them must stay cheap.
#[test]
fn very_many_hits_of_one_message_are_judged_in_one_go() {
    let hits: Vec<Hit> = (0..100_000)
        .map(|n: i64| Hit {
            kind: HitKind::Click,
            link: Some(LinkPlace::new((n % 40) as usize, 40)),
            at: ACCEPTED + Span::seconds(60) + Span::millis(n / 2),
            method: HitMethod::Get,
            agent: "Mozilla/5.0 (X11)".into(),
            origin: Some((n % 7) as u64),
            network: Network::Other,
            ahead: false,
        })
        .collect();
    let judged = classify(&hits, Some(ACCEPTED));
    assert!(judged.iter().all(|(class, _)| *class == HitClass::Scanner));
}

#[test]
fn a_links_place_goes_into_its_token_and_comes_back() {
    for (place, of) in [(0, 1), (3, 4), (249, 250), (400, 900)] {
        let link = LinkPlace::new(place, of);
        assert_eq!(LinkPlace::from_code(link.code()), link);
        assert!(!link.is_honeypot());
        assert_eq!(usize::from(link.of()), of.min(250));
    }
    let pot = LinkPlace::honeypot(7);
    assert!(pot.is_honeypot() && pot.of() == 7);
}

// --- On the real application. ---

const READER: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0.0.0 Safari/537.36";

fn config() -> String {
    format!("{CONFIG}\n[http]\npublic_url = \"https://mail.shop.example\"\n")
}

/// One mail of two links, a minute after the event that asks for it.
const LETTER: &str = r#"
name = "Letter"
state = "live"
class = "informational"
tracking = true
[trigger]
event = "Signed Up"
[[step]]
id = "hello"
template = "letter"
after = "1m"
subject = "Hello"
"#;

/// Follows on a click of that mail.
const THANKS: &str = r#"
name = "Thanks"
state = "live"
class = "informational"
[audience]
message = "letter/hello"
was = "clicked"
[[step]]
id = "thanks"
template = "letter"
subject = "Thank you"
"#;

const HTML: &str = "<html><body><p>Hello</p><a href=\"https://shop.example/a?x=1&amp;y=2\">a</a> \
<a href=\"https://shop.example/b\">b</a> <a href=\"{{links.unsubscribe}}\">leave</a></body></html>";

async fn letter_app(store: Arc<dyn Store>, campaigns: &[(&str, &str)]) -> App {
    let app = App::start_on(store, "2026-03-02T03:00:00Z", &config(), &[]).await;
    app.template("letter.html.hbs", HTML);
    for (name, text) in campaigns {
        app.file(name, Some(text));
    }
    app.reload().await;
    app
}

/// A tracked mail as its reader has it.
struct Letter {
    html: String,
}

impl Letter {
    async fn sent(app: &App, id: &str) -> Letter {
        app.sign_up(id, "Asia/Seoul").await;
        app.event(id, "Signed Up", json!({})).await;
        app.advance(Span::minutes(2)).await;
        Letter::of(app, id)
    }

    fn of(app: &App, id: &str) -> Letter {
        let to = format!("{id}@customers.example");
        let mails = app.mails();
        let (_, text) = (mails.iter().find(|(_, text)| text.contains(&to)))
            .unwrap_or_else(|| panic!("no mail to {id}"));
        let mail = mail_parser::MessageParser::default().parse(text).unwrap();
        Letter {
            html: mail.body_html(0).unwrap().into_owned(),
        }
    }

    fn paths(&self, of: &str) -> Vec<String> {
        let parts = self.html.split("https://mail.shop.example").skip(1);
        parts
            .filter(|part| part.starts_with(of))
            .map(|part| part.split('"').next().unwrap().to_owned())
            .collect()
    }

    fn pixel(&self) -> String {
        self.paths("/t/o/")[0].clone()
    }

    /// In their order; the hidden one is the last.
    fn links(&self) -> Vec<String> {
        self.paths("/t/c/")
    }
}

/// The routes behind a real listener.
struct Served {
    at: SocketAddr,
}

impl Served {
    async fn start(app: &App) -> Served {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let core = Arc::clone(&app.core);
        let routes = router(Tracking { core });
        let service = routes.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Served { at }
    }

    /// Head and body of the answer, over a connection of its own.
    async fn ask(&self, method: &str, path: &str, headers: &str) -> (String, Vec<u8>) {
        let mut stream = tokio::net::TcpStream::connect(self.at).await.unwrap();
        let asked = format!(
            "{method} {path} HTTP/1.1\r\nHost: mail.shop.example\r\nConnection: close\r\n{headers}\r\n"
        );
        stream.write_all(asked.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        (head.to_ascii_lowercase(), answer[end + 4..].to_vec())
    }

    async fn by(&self, agent: &str, path: &str) -> (String, Vec<u8>) {
        self.ask("GET", path, &format!("User-Agent: {agent}\r\n"))
            .await
    }
}

async fn rows(app: &App) -> Vec<HitRow> {
    app.core.hits().flush().await;
    let rows = app
        .core
        .store
        .read_stream(Stream::Hits, StreamFilter::default())
        .await
        .unwrap();
    rows.iter().map(|r| decode(&r.payload).unwrap()).collect()
}

/// What the hits were taken for.
async fn classed(app: &App) -> Vec<(HitKind, HitClass, Reason)> {
    let rows = rows(app).await;
    let of = |row: HitRow| match row {
        HitRow::Classed {
            kind,
            class,
            reason,
            ..
        } => Some((kind, class, reason)),
        HitRow::Hit { .. } => None,
    };
    rows.into_iter().filter_map(of).collect()
}

fn story_has(story: &[String], row: &str) -> bool {
    story.iter().any(|line| line == row)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_is_judged_a_minute_later_and_starts_what_asks_for_it() {
    let files = [("letter.toml", LETTER), ("thanks.toml", THANKS)];
    let app = letter_app(Arc::new(MemoryStore::new()), &files).await;
    let letter = Letter::sent(&app, "mina").await;
    let served = Served::start(&app).await;
    app.advance(Span::minutes(10)).await;
    let (head, gif) = served.by(READER, &letter.pixel()).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains("content-type: image/gif") && head.contains("no-store"));
    assert!(gif.starts_with(b"GIF89a"));
    app.clock.advance(Span::seconds(20));
    let (head, _) = served.by(READER, &letter.links()[0]).await;
    assert!(head.starts_with("http/1.1 302"), "{head}");
    assert!(
        head.contains("location: https://shop.example/a?x=1&y=2"),
        "{head}"
    );
    assert!(head.contains("no-store") && head.contains("referrer-policy: no-referrer"));
    app.core.hits().flush().await;
    // Kept at once, judged a minute later.
    app.leap(Span::seconds(59)).await;
    let opened = (HitKind::Open, HitClass::HumanLikely, Reason::Reader);
    assert_eq!(classed(&app).await, [opened]);
    assert!(!story_has(
        &app.story("mina").await,
        "thanks entered/audience"
    ));
    app.leap(Span::seconds(1)).await;
    let clicked = (HitKind::Click, HitClass::HumanLikely, Reason::Reader);
    assert_eq!(classed(&app).await, [opened, clicked]);
    let story = app.story("mina").await;
    assert!(story_has(&story, "letter opened/reader"), "{story:?}");
    assert!(story_has(&story, "letter clicked/reader"), "{story:?}");
    assert!(story_has(&story, "thanks entered/audience"), "{story:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_scanner_follows_starts_nothing() {
    let files = [("letter.toml", LETTER), ("thanks.toml", THANKS)];
    let app = letter_app(Arc::new(MemoryStore::new()), &files).await;
    let letter = Letter::sent(&app, "mina").await;
    let served = Served::start(&app).await;
    app.advance(Span::minutes(3)).await;
    served.by(READER, &letter.pixel()).await;
    for link in letter.links() {
        served.by(READER, &link).await;
        app.clock.advance(Span::millis(2_500));
    }
    served.ask("HEAD", &letter.links()[1], "").await;
    app.core.hits().flush().await;
    app.advance(Span::minutes(2)).await;
    let all = classed(&app).await;
    assert_eq!(all.len(), 5, "{all:?}");
    assert!(
        all.iter().all(|(_, class, _)| *class == HitClass::Scanner),
        "{all:?}"
    );
    let reasons: Vec<Reason> = all.iter().map(|(_, _, reason)| *reason).collect();
    for reason in [
        Reason::WithScanner,
        Reason::AllLinks,
        Reason::Honeypot,
        Reason::HeadRequest,
    ] {
        assert!(reasons.contains(&reason), "{reason:?} in {reasons:?}");
    }
    let story = app.story("mina").await;
    assert!(
        !story.iter().any(|line| line.starts_with("thanks")),
        "{story:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_we_did_not_sign_gets_the_same_answer_whatever_it_is() {
    let app = letter_app(Arc::new(MemoryStore::new()), &[("letter.toml", LETTER)]).await;
    let letter = Letter::sent(&app, "mina").await;
    let served = Served::start(&app).await;
    let good = letter.links()[0].clone();
    let (_, gif) = served.by(READER, &letter.pixel()).await;
    let mut flipped = good.clone().into_bytes();
    let last = flipped.len() - 9;
    flipped[last] = if flipped[last] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).unwrap();
    // The tokens of other pages are signed by us, and lead nowhere here.
    let leave = letter.paths("/u/")[0].replace("/u/", "/t/c/");
    let open = letter.pixel().replace("/t/o/", "/t/c/").replace(".gif", "");
    let foreign = TokenKeys::new([9; 32]).sign(&Token::Click {
        customer: CustomerNo(1),
        message: MessageNo(1),
        link: 1,
        url: "https://elsewhere.example".into(),
    });
    let forged = [
        "/t/c/x".to_owned(),
        flipped,
        leave,
        open,
        format!("/t/c/{foreign}"),
    ];
    let mut answers = BTreeSet::new();
    for path in &forged {
        let (head, body) = served.by(READER, path).await;
        assert!(head.starts_with("http/1.1 404"), "{path}: {head}");
        assert!(!head.contains("location"), "{head}");
        let head = head.lines().filter(|l| !l.starts_with("date:"));
        answers.insert((head.map(str::to_owned).collect::<Vec<_>>(), body));
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    for path in ["/t/o/x.gif", "/t/o/", "/t/o/%FF.gif"] {
        let (head, body) = served.by(READER, path).await;
        let known = head.starts_with("http/1.1 200") && body == gif;
        assert!(known || path != "/t/o/x.gif", "{path}: {head}");
    }
    // What is signed and leads to no web address is not followed either.
    let odd = app.core.token_keys().sign(&Token::Click {
        customer: CustomerNo(1),
        message: MessageNo(1),
        link: 1,
        url: "javascript:alert(1)".into(),
    });
    let (head, _) = served.by(READER, &format!("/t/c/{odd}")).await;
    assert!(head.starts_with("http/1.1 404"), "{head}");
    let (head, _) = served.ask("POST", &good, "Content-Length: 0\r\n").await;
    assert!(head.starts_with("http/1.1 405"), "{head}");
    let hits = rows(&app).await;
    assert_eq!(hits.len(), 1, "only the pixel's own is a hit: {hits:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hits_of_a_minute_before_a_crash_are_settled_after_it_and_once() {
    let store = Arc::new(MemoryStore::new());
    let files = [("letter.toml", LETTER), ("thanks.toml", THANKS)];
    let app = letter_app(Arc::clone(&store) as Arc<dyn Store>, &files).await;
    let letter = Letter::sent(&app, "mina").await;
    let served = Served::start(&app).await;
    app.advance(Span::minutes(10)).await;
    served.by(READER, &letter.pixel()).await;
    app.core.hits().flush().await;
    app.clock.advance(Span::seconds(70));
    let app = app.reopen(store.clone()).await;
    app.settle().await;
    let opened = (HitKind::Open, HitClass::HumanLikely, Reason::Reader);
    assert_eq!(classed(&app).await, [opened]);
    // A crash after the record was told and before the classes were kept: all of it again.
    let served = Served::start(&app).await;
    served.by(READER, &letter.links()[1]).await;
    app.core.hits().flush().await;
    let customer = app.customer("mina").await;
    let told = Cause::Engagement(Engagement {
        message: MessageNo(1),
        kind: HitKind::Click,
        class: HitClass::HumanLikely,
        reason: Reason::Reader,
        link: None,
        first: app.now(),
        last: app.now(),
    });
    app.core.act(customer, told).await.unwrap();
    let app = app.reopen(store).await;
    app.advance(Span::minutes(3)).await;
    let clicked = (HitKind::Click, HitClass::HumanLikely, Reason::Reader);
    assert_eq!(classed(&app).await, [opened, clicked]);
    let story = app.story("mina").await;
    let count = |row: &str| story.iter().filter(|line| *line == row).count();
    assert_eq!(count("letter opened/reader"), 1, "{story:?}");
    assert_eq!(count("letter clicked/reader"), 1, "{story:?}");
    assert_eq!(count("thanks entered/audience"), 1, "{story:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_mails_of_those_who_agreed_are_followed() {
    let plain = LETTER.replace("tracking = true\n", "");
    let ad = LETTER
        .replace("informational", "advertising")
        .replace("tracking = true", "topic = \"offers\"")
        .replace("Signed Up", "Product Viewed");
    let sold = LETTER
        .replace("informational", "transactional")
        .replace("Signed Up", "Order Completed");
    let files = [
        ("letter.toml", LETTER.to_owned()),
        ("ad.toml", ad),
        ("sold.toml", sold),
        ("plain.toml", plain.replace("Signed Up", "Signed In")),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(n, t)| (*n, t.as_str())).collect();
    let app = letter_app(Arc::new(MemoryStore::new()), &files).await;
    let cases = [
        // Who, what they did, the attribute `tracking`, consent, whether it is followed.
        ("a", "Signed Up", None, true, true),
        ("b", "Signed Up", Some(false), true, false),
        ("c", "Signed Up", None, false, false),
        ("d", "Signed Up", Some(true), false, true),
        ("e", "Signed In", None, true, false),
        ("f", "Product Viewed", None, true, true),
        ("g", "Product Viewed", Some(false), true, false),
        ("h", "Order Completed", None, true, true),
        ("i", "Order Completed", None, false, false),
    ];
    for (id, event, own, consents, _) in cases {
        let mut change = ProfileChange {
            email: EmailAddress::parse(&format!("{id}@customers.example")).ok(),
            ..ProfileChange::default()
        };
        if let Some(own) = own {
            let own = reveille::domain::value::Value::Bool(own);
            change.attributes.insert("tracking".into(), own);
        }
        let profile = Cause::Profile(Box::new(change), Liveness::Live);
        app.act(id, profile).await;
        if consents {
            app.consent(id, ConsentState::Given).await;
        }
        app.event(id, event, json!({})).await;
    }
    app.advance(Span::minutes(3)).await;
    for (id, event, own, consents, followed) in cases {
        let letter = Letter::of(&app, id);
        let case = format!("{id} {event} {own:?} {consents}: {}", letter.html);
        assert_eq!(letter.html.contains("/t/o/"), followed, "{case}");
        assert_eq!(letter.html.contains("/t/c/"), followed, "{case}");
        assert_eq!(
            letter.html.contains("https://shop.example/b"),
            !followed,
            "{case}"
        );
        assert_eq!(letter.paths("/u/").len(), 1, "{case}");
    }
}

/// Nothing that sends a hit waits, however many come: what finds no room is shed.
#[tokio::test]
async fn too_many_hits_at_once_are_shed_and_nobody_waits() {
    let app = letter_app(Arc::new(MemoryStore::new()), &[]).await;
    let hit = labelled()[0].hit.clone();
    let message = |n: u64| MessageRef {
        customer: CustomerNo(n),
        message: MessageNo(1),
    };
    // Of one thread: nobody empties the queue meanwhile.
    let taken = (0..50_000)
        .filter(|n| app.core.hits().offer(message(*n), hit.clone()))
        .count();
    assert_eq!(taken, 20_000);
    assert_eq!(app.core.hits().shed(), 30_000);
    assert_eq!(rows(&app).await.len(), 20_000);
    assert!(app.core.hits().offer(message(1), hit));
}
