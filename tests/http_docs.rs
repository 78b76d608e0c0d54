//! The page on HTTP is true: its examples are run by a shell before the real listener and answer as it says; the
//! description of the interface has every route and answer; and the real daemon opens its ports, takes keys from
//! `reveille key`, and keeps what it acknowledged when it is killed.

mod app;
mod cli_house;
mod http_house;

use cli_house::{House, Running};
use http_house::{KEY, Shop, posted, request_at};
use hyper::Request;
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::process::Command;

/// The blocks of the page, with their kinds.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let inside = page.split("```").enumerate().filter(|(i, _)| i % 2 == 1);
    inside
        .filter_map(|(_, part)| part.split_once('\n'))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_the_page_answer_as_it_says() {
    let shop = Shop::open().await;
    let page = include_str!("../docs/http.md");
    let blocks = blocks(page);
    let mut run = 0;
    for (i, (kind, text)) in blocks.iter().enumerate() {
        if *kind != "sh" || !text.contains("curl") {
            continue;
        }
        let done = Command::new("sh")
            .args(["-c", text])
            .env("URL", format!("http://{}", shop.address))
            .env("KEY", KEY)
            .output()
            .await
            .unwrap();
        let (out, err) = (
            String::from_utf8(done.stdout).unwrap(),
            String::from_utf8(done.stderr).unwrap(),
        );
        assert!(
            done.status.success(),
            "{text}{err} (the examples need curl)"
        );
        run += 1;
        match blocks.get(i + 1) {
            Some(("json", told)) => {
                let told: Value = serde_json::from_str(told).unwrap();
                let answered: Value =
                    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}"));
                assert_eq!(answered, told, "{text}");
            }
            Some(("text", told)) => assert_eq!(out, *told, "{text}"),
            _ => {}
        }
    }
    assert!(run >= 8, "only {run} examples were run");
    assert_eq!(shop.events("c-1001").await.len(), 2);
    assert_eq!(shop.events("anon:7f3a").await.len(), 1);
}

#[tokio::test]
async fn the_description_has_every_route_and_every_answer() {
    let shop = Shop::open().await;
    let told = shop.get("/openapi.json").await;
    assert_eq!(told.status, 200);
    let document = told.json();
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    let named: Vec<&str> = paths.keys().map(String::as_str).collect();
    let expected = [
        "/healthz",
        "/metrics",
        "/openapi.json",
        "/readyz",
        "/v1/alias",
        "/v1/batch",
        "/v1/group",
        "/v1/identify",
        "/v1/page",
        "/v1/screen",
        "/v1/track",
        "/webhooks/{name}",
    ];
    assert_eq!(named, expected);
    let mut ids = std::collections::BTreeSet::new();
    let bodies = [
        "",
        "{}",
        "[]",
        "{\"batch\":[{}]}",
        "{\"userId\":\"c\",\"event\":\"e\",\"groupId\":\"g\",\"previousId\":\"p\"}",
    ];
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap()));
            for key in [KEY, "wrong", http_house::TRACKS, http_house::SCRAPER] {
                for body in bodies {
                    let mut request = posted(path, key, body);
                    *request.method_mut() = method.to_uppercase().parse().unwrap();
                    let answer = shop.request(request).await;
                    let status = answer.status.as_str();
                    let documented = &operation["responses"][status];
                    assert!(
                        documented.is_object(),
                        "{method} {path} answers {status}, which is not documented"
                    );
                    let content = documented["content"].as_object().unwrap();
                    let kind = answer.headers["content-type"].to_str().unwrap();
                    assert!(
                        content.keys().any(|k| kind.starts_with(k.as_str())),
                        "{path}: {kind}"
                    );
                }
            }
        }
    }
}

/// Where the daemon listens, by what it says in its log.
fn addresses(running: &Running) -> Vec<SocketAddr> {
    let log = running.log();
    (log.lines().filter(|line| line.contains("listening")))
        .filter_map(|line| {
            let rest = line.split_once("address=")?.1;
            rest.split_whitespace().next()?.parse().ok()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_listens_takes_its_keys_and_forgets_nothing_when_it_is_killed() {
    let house = House::new();
    let printed = house
        .run(&["key", "website", "--may", "track,identify"])
        .good();
    let (key, lines) = printed.split_once('\n').unwrap();
    assert!(
        key.starts_with("rvl_") && lines.contains("[http.keys.website]"),
        "{printed}"
    );
    assert!(!lines.contains(key));
    assert_eq!(house.run(&["key", "web site"]).code, 2);
    assert_eq!(house.run(&["key", "web", "--may", "fly"]).code, 2);
    let config = std::fs::read_to_string(house.path("config.toml")).unwrap();
    let open = "[http]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"";
    house.write(
        "config.toml",
        &config.replacen("\n[http]", &format!("\n{open}"), 1),
    );

    let running = house.start();
    let listens = addresses(&running);
    let [address, admin] = listens[..] else {
        panic!("{}", running.log());
    };
    let body =
        json!({ "type": "track", "userId": "c-1", "event": "Product Added", "messageId": "m-1" });
    let send = |address| request_at(address, posted("/v1/track", key, body.to_string()));
    send(address).await.error(401);
    house.write(
        "config.toml",
        &format!(
            "{}\n{lines}",
            config.replacen("\n[http]", &format!("\n{open}"), 1)
        ),
    );
    assert_eq!(house.run(&["reload"]).good(), "reloaded\n");
    send(address).await.done(1, 0);
    let asked = |path: &str| Request::get(path).body(axum::body::Body::empty()).unwrap();
    let metrics = request_at(admin, asked("/metrics")).await.text();
    assert!(metrics.contains("reveille_store_frames_total"), "{metrics}");
    assert_eq!(request_at(admin, asked("/readyz")).await.status, 200);
    request_at(address, asked("/metrics")).await.error(404);
    running.kill();

    let running = house.start();
    let [address, _] = addresses(&running)[..] else {
        panic!("{}", running.log());
    };
    send(address).await.done(0, 1);
    // A port that somebody has is told, and nothing is changed.
    let other = House::new();
    let taken = config.replacen("\n[http]", &format!("\n[http]\nlisten = \"{address}\""), 1);
    other.write("config.toml", &taken);
    let failed = other.run(&["run"]);
    assert_eq!(failed.code, 1, "{}", failed.all());
    assert!(
        failed.err.contains("cannot listen on 127.0.0.1"),
        "{}",
        failed.err
    );
    let (status, log) = running.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(
        !log.contains(key) && !log.contains("Product Added"),
        "{log}"
    );
}
