//! What the interface's description promises is kept, whatever is sent: schemathesis makes requests up from it, good ones
//! and bad ones, and checks each answer against it (no 5xx, no status, content type, header or shape that is not told,
//! no method that is answered and not described, no answer without the key). First the real daemon by its own
//! /openapi.json; then the links of mails, which only mails tell, by a description that stands here. And what the daemon
//! tells Prometheus after that is as Prometheus' own tool wants it.
//!
//! `scripts/test` puts schemathesis and promtool into target/tools.

mod app;
mod cli_house;
mod http_house;
mod left_out;

use axum::body::Body;
use cli_house::House;
use http_house::{Shop, basic, request_at};
use hyper::Request;
use left_out::left_out;
use reveille::domain::id::{MessageNo, TopicId};
use reveille::domain::time::Timestamp;
use reveille::message::token::Token;
use serde_json::{Value, json};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Far more than it takes; what hangs must end some time.
const PATIENCE: Duration = Duration::from_secs(180);

/// The description cannot say all that makes a message senseless: that good ones are taken is for other tests to hold.
/// Webhooks are asked for by the name of one that there is.
const SETTINGS: &str = r#"
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "3xx", 400, 404, 422]

[[operations]]
include-path = "/webhooks/{name}"
parameters = { "path.name" = "cafe" }
"#;
/// Senders drop for good what they are told is bad, so more is taken than the description says to send: that bad data are
/// refused is nothing that it promises, and is not checked here.
const NOT_PROMISED: &str = "negative_data_rejection";
/// What the shop shows, as its deliveries do: without it no delivery would be read.
const SHOP: &str = "what-the-shop-shows";

fn tool(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools");
    let file = folder.join(name);
    if !file.is_file() {
        let name = file.file_name().unwrap().to_string_lossy();
        let why = format!("{name} is not in target/tools; scripts/test puts it there");
        left_out("what others' tools say of the HTTP interface", &why);
        return None;
    }
    Some(file)
}

/// Runs schemathesis on a description; what it reports. The examples are for each operation.
async fn judge(program: &Path, description: &str, examples: usize, more: &[&str]) -> Value {
    // It keeps notes where it stands.
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("schemathesis.toml"), SETTINGS).unwrap();
    let run = Command::new(program)
        .arg("--config-file")
        .arg(file("schemathesis.toml"))
        .args(["run", description])
        .args(["--seed", "1", "--max-examples", &examples.to_string()])
        .args(["--phases", "examples,coverage,fuzzing", "--checks", "all"])
        .args(["--exclude-checks", NOT_PROMISED])
        .args(["--generation-database", "none", "--no-shrink", "--no-color"])
        .args(["--request-timeout", "10", "--report", "json"])
        .arg("--report-json-path")
        .arg(file("report.json"))
        .args(more)
        .current_dir(folder.path())
        .kill_on_drop(true)
        .output();
    let run = tokio::time::timeout(PATIENCE, run).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    let wrong = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}{wrong}");
    let report = std::fs::read(file("report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert!(report["complete"] == true && report["errors"] == json!([]));
    assert!(!said.contains("Authentication failed"), "{said}");
    let operations = &report["operations"];
    assert_eq!(operations["tested"], operations["total"], "{said}");
    println!("{}", report["test_cases"]);
    report
}

/// Where the daemon listens, by what it says in its log.
fn address(log: &str) -> SocketAddr {
    let line = log.lines().find(|line| line.contains("listening")).unwrap();
    let (_, rest) = line.split_once("address=").unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_made_up_requests_get_described_answers_and_the_metrics_are_clean() {
    let house = House::new();
    let may = "identify,track,page,screen,group,alias,metrics";
    let printed = house.run(&["key", "contract", "--may", may]).good();
    let (key, lines) = printed.split_once('\n').unwrap();
    let config = std::fs::read_to_string(house.path("config.toml")).unwrap();
    let config = config.replacen("\n[http]", "\n[http]\nlisten = \"127.0.0.1:0\"", 1);
    let webhook = "[webhook.cafe]\nplatform = \"cafe24\"\nsecret_file = \"shop-secret\"\n";
    house.write("config.toml", &format!("{config}\n{lines}\n{webhook}"));
    house.write("shop-secret", SHOP);
    let running = house.start();
    let address = address(&running.log());
    if let Some(program) = tool("python/bin/st") {
        let description = format!("http://{address}/openapi.json");
        let auth = format!("{key}:");
        let shown = format!("X-API-Key: {SHOP}");
        let more = ["--auth", &auth, "--header", &shown];
        let report = judge(&program, &description, 50, &more).await;
        let cases = report["test_cases"]["generated"].as_u64().unwrap();
        assert!(cases >= 500, "{cases}");
    }
    let asked = Request::get("/metrics").header("authorization", basic(key));
    let metrics = request_at(address, asked.body(Body::empty()).unwrap()).await;
    assert_eq!(metrics.status, 200);
    if tool("python/bin/st").is_some() {
        let text = String::from_utf8_lossy(&metrics.body).into_owned();
        let proved =
            "reveille_webhook_deliveries_total{webhook=\"cafe\",outcome=\"unknown_topic\"} ";
        let many = text.lines().find_map(|l| l.strip_prefix(proved)).unwrap();
        assert!(many.parse::<u64>().unwrap() > 0, "no delivery was read");
    }
    if let Some(promtool) = tool("promtool") {
        let mut check = std::process::Command::new(promtool)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = check.stdin.take().unwrap();
        stdin.write_all(&metrics.body).unwrap();
        drop(stdin);
        let said = check.wait_with_output().unwrap();
        let text = [said.stdout, said.stderr].concat();
        // It exits with 3 for what is only bad style.
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&text));
        assert!(text.is_empty(), "{}", String::from_utf8_lossy(&text));
    }
    let (status, log) = running.stop();
    assert!(status.success(), "{log}");
    assert!(!log.contains("fault of the program"), "{log}");
}

/// The links of mails as OpenAPI: tokens of ours, and whatever else.
fn links(site: &str, tokens: [Vec<String>; 4]) -> Value {
    let html = || json!({ "description": "a page", "content": { "text/html": { "schema": { "type": "string" } } } });
    let word = || json!({ "type": "string" });
    let token = |ours: &[String]| {
        json!([{
            "name": "token", "in": "path", "required": true,
            "schema": { "anyOf": [
                { "enum": ours },
                { "type": "string", "pattern": "^[A-Za-z0-9_-]{1,90}$" },
            ]},
        }])
    };
    let form = |fields: Value| {
        let schema = json!({ "type": "object", "properties": fields });
        json!({ "content": {
            "application/x-www-form-urlencoded": { "schema": schema },
            "multipart/form-data": { "schema": schema },
        }})
    };
    let leaves = form(json!({
        "List-Unsubscribe": { "enum": ["One-Click", "Two-Clicks"] },
        "leave": { "enum": ["yes", "no"] },
    }));
    let chooses = form(json!({
        "act": { "enum": ["save", "leave", "fly"] }, "topic": { "enum": ["offers", "monthly", "?"] },
        "had": word(), "hours": { "enum": ["any", "own", "keep", "?"] }, "day": word(),
        "from": word(), "to": word(), "zone": word(), "often": word(), "pause": word(), "locale": word(),
    }));
    let [leave, choose, open, click] = tokens;
    // A mail program is answered in a word, a person by a page.
    let mut left = html();
    left["content"]["text/plain"] = json!({ "schema": word() });
    json!({
        "openapi": "3.1.0",
        "info": { "title": "the links of mails", "version": "1" },
        "servers": [{ "url": site }],
        "paths": {
            "/u/{token}": {
                "parameters": token(&leave),
                "get": { "responses": { "200": html(), "404": html() } },
                "post": { "requestBody": leaves, "responses": { "200": left, "400": html(), "404": html() } },
            },
            "/p/{token}": {
                "parameters": token(&choose),
                "get": { "responses": { "200": html(), "404": html() } },
                "post": { "requestBody": chooses, "responses": { "200": html(), "400": html(), "404": html(), "422": html() } },
            },
            "/t/o/{token}": {
                "parameters": token(&open),
                "get": { "responses": { "200": { "description": "a pixel", "content": { "image/gif": {} } } } },
            },
            "/t/c/{token}": {
                "parameters": token(&click),
                "get": { "responses": {
                    "200": { "description": "where the link leads", "content": { "text/plain": { "schema": word() } } },
                    "404": html(),
                }},
            },
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn links_of_mails_answer_as_they_should_to_tokens_of_ours_and_to_others() {
    let Some(program) = tool("python/bin/st") else {
        return;
    };
    let shop = Shop::open().await;
    shop.app.sign_up("c-1", "Asia/Seoul").await;
    let customer = shop.app.customer("c-1").await;
    let message = MessageNo(1);
    let sign = |token: Token| shop.app.core.token_keys().sign(&token);
    let offers = TopicId::parse("offers").unwrap();
    let leave = |message, topic| Token::Unsubscribe {
        customer,
        message,
        topic,
    };
    let confirm = Token::Confirm {
        customer,
        topic: offers.clone(),
        asked: Timestamp::EARLIEST,
        message: None,
    };
    let choose = Token::Preferences {
        customer,
        message: Some(message),
    };
    let open = Token::Open { customer, message };
    let click = Token::Click {
        customer,
        message,
        link: 0,
        url: format!("http://{}/healthz", shop.address),
    };
    // The first of each is of its kind, the last of another.
    let other = sign(confirm);
    let tokens = [
        vec![
            sign(leave(None, None)),
            sign(leave(Some(message), Some(offers))),
            other.clone(),
        ],
        vec![sign(choose), other.clone()],
        vec![format!("{}.gif", sign(open)), other.clone()],
        vec![sign(click), other],
    ];
    let file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    let site = format!("http://{}", shop.address);
    std::fs::write(file.path(), links(&site, tokens).to_string()).unwrap();
    let before = shop.app.core.consent_ledger(customer).await.unwrap();
    let path = file.path().to_str().unwrap();
    let report = judge(&program, path, 40, &["--url", &site]).await;
    let cases = report["test_cases"]["generated"].as_u64().unwrap();
    assert!(cases >= 200, "{cases}");
    // Some of it was a good word by a good token, or nothing was tried.
    let after = shop.app.core.consent_ledger(customer).await.unwrap();
    let sources: Vec<&str> = after.iter().map(|row| row.source.as_str()).collect();
    assert!(after.len() > before.len(), "{sources:?}");
}
