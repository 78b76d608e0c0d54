//! Segment's own SDKs, unmodified, send to the real daemon while it is killed and started again under them: every event
//! arrives, once. `scripts/test` installs them into target/tools.

mod cli_house;
mod left_out;

use cli_house::House;
use left_out::left_out;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn tools(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target/tools")
        .join(name)
}

fn rounds() -> usize {
    match std::env::var_os("REVEILLE_SOAK") {
        Some(_) => 20,
        None => 3,
    }
}

/// A shop whose daemon listens; its address and key.
fn shop() -> (House, String, String) {
    let house = House::new();
    let port = {
        // Free a moment ago, and asked for by nobody else.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let made = house.run(&["key", "sdk", "--json"]).json();
    let key = made["key"].as_str().unwrap().to_owned();
    let hash = made["sha256"].as_str().unwrap();
    let config = std::fs::read_to_string(house.path("config.toml")).unwrap();
    let listen = format!("\n[http]\nlisten = \"127.0.0.1:{port}\"");
    let config = config.replacen("\n[http]", &listen, 1);
    let key_lines = format!("\n[http.keys.sdk]\nsha256 = \"{hash}\"\n");
    house.write("config.toml", &(config + &key_lines));
    (house, format!("http://127.0.0.1:{port}"), key)
}

/// Runs the sender, kills the daemon each time it has come a good way further, and counts what arrived.
fn every_event_once(mut sender: Command, house: &House, prefix: &str, many: usize) {
    let mut daemon = house.start();
    let mut child = sender.stdout(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
    let step = many / (rounds() + 1);
    let mut next = step;
    let mut kills = 0;
    let mut last = String::new();
    while let Some(Ok(line)) = told.next() {
        if line.parse::<usize>().is_ok_and(|n| n >= next) {
            next += step;
            kills += 1;
            daemon.kill();
            daemon = house.start();
        }
        last = line;
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(last, "done");
    assert!(kills >= rounds(), "killed {kills} times only");
    let (status, log) = daemon.stop();
    assert!(status.success(), "{log}");
    let mut seen: Vec<u64> = Vec::new();
    for n in 0..7 {
        let export = house.run(&["customer", "export", &format!("{prefix}-{n}")]);
        for event in export.json()["history"].as_array().unwrap() {
            assert_eq!(event["event"], "Sent By Sdk");
            seen.push(number(&event["properties"]["n"]));
        }
    }
    seen.sort_unstable();
    let sent: Vec<u64> = (0..many as u64).collect();
    assert_eq!(seen, sent, "each once");
}

fn number(value: &Value) -> u64 {
    value.as_f64().unwrap() as u64
}

#[test]
fn the_sdk_for_node_delivers_each_event_once_over_kills() {
    let sdk = tools("node");
    if !sdk.join("node_modules/@segment/analytics-node").is_dir() {
        return left_out(
            "Segment's SDK for Node",
            "it is not in target/tools; scripts/test puts it there",
        );
    }
    let (house, host, key) = shop();
    let many = 150 * rounds();
    let mut sender = Command::new("node");
    sender
        .arg("tests/sdk/send.mjs")
        .arg(&sdk)
        .args([&host, &key, &many.to_string()])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    every_event_once(sender, &house, "node", many);
}

#[test]
fn the_sdk_for_python_delivers_each_event_once_over_kills() {
    let python = tools("python/bin/python");
    if !python.is_file() {
        return left_out(
            "Segment's SDK for Python",
            "it is not in target/tools; scripts/test puts it there",
        );
    }
    let (house, host, key) = shop();
    let many = 150 * rounds();
    let mut sender = Command::new(python);
    sender
        .arg("tests/sdk/send.py")
        .args([&host, &key, &many.to_string()])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    every_event_once(sender, &house, "python", many);
}
