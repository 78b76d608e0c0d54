//! Bad rows and odd customers, from the command that imports them, through the running daemon, to the bytes that an SMTP
//! server gets: each costs itself only.

mod cli_house;
mod smtp_server;

use cli_house::House;
use mail_parser::MessageParser;
use serde_json::{Value, json};
use smtp_server::{Options, SmtpServer};
use std::fs;
use std::time::Duration;

const RECEIPT: &str = r#"
name  = "Receipt"
state = "live"
class = "transactional"

[trigger]
event = "Order Completed"

[[step]]
id       = "receipt"
template = "welcome"
subject  = "Thank you, {{customer.first_name}}"
"#;

/// A shop that writes by SMTP to whoever orders.
fn shop(port: u16) -> House {
    let house = House::new();
    for campaign in ["welcome", "cart_reminder", "wake_dormant"] {
        fs::remove_file(house.path(&format!("campaigns/{campaign}.toml"))).unwrap();
    }
    house.write("campaigns/receipt.toml", RECEIPT);
    house.write(
        "config.toml",
        &format!(
            "[sender]\nfrom = \"Corner Shop <hello@shop.example>\"\n\
             [transport.main]\nkind = \"smtp\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n"
        ),
    );
    house
}

fn identify(id: &str, email: &str, name: &str) -> String {
    let traits = json!({ "email": email, "firstName": name });
    json!({ "type": "identify", "userId": id, "traits": traits }).to_string()
}

/// Without an id, and without a time.
fn order(id: &str) -> String {
    json!({ "type": "track", "userId": id, "event": "Order Completed" }).to_string()
}

fn order_with(id: &str, more: Value) -> String {
    let mut row = json!({ "type": "track", "userId": id, "event": "Order Completed" });
    let more = more.as_object().unwrap().clone();
    row.as_object_mut().unwrap().extend(more);
    row.to_string()
}

async fn soon(work: impl Future<Output = ()>) {
    tokio::time::timeout(Duration::from_secs(60), work)
        .await
        .expect("done within 60 s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_names_reach_the_server_as_one_mail_each_with_no_header_more() {
    let server = SmtpServer::start(Options::default()).await;
    let house = shop(server.port());
    let long = "x".repeat(10_000);
    // As they are told, and as a subject has them.
    let names = [
        ("plain", "Mina", "Mina"),
        (
            "crlf",
            "Mina\r\nBcc: victim@elsewhere.example\r\n\r\n<p>Hi",
            "Mina Bcc: victim@elsewhere.example <p>Hi",
        ),
        ("long", long.as_str(), "xxx"),
        ("emoji", "👩‍👩‍👧‍👦 🏳️‍🌈", "👩‍👩‍👧‍👦 🏳️‍🌈"),
        ("rtl", "\u{202e}שלום مرحبا", "שלום مرحبا"),
        ("null", "a\0b", "a"),
    ];
    let mut rows = Vec::new();
    for (id, name, _) in names {
        rows.push(identify(id, &format!("{id}@customers.example"), name));
        rows.push(order(id));
    }
    let running = house.start();
    house
        .run_with(&["import", "--live", "-"], &(rows.join("\n") + "\n"))
        .good();
    soon(server.wait_for(names.len())).await;
    assert_eq!(running.stop().0.code(), Some(0));
    assert_eq!(server.taken(), names.len());
    for (id, _, subject) in names {
        let to = format!("{id}@customers.example");
        let mails = server.messages();
        let mail = mails.iter().find(|m| m.to == to).unwrap();
        assert!(!mail.bare_line_ends, "{id}");
        let message = MessageParser::default().parse(&mail.bytes).unwrap();
        let mut headers: Vec<&str> = message.headers().iter().map(|h| h.name()).collect();
        assert!(!headers.contains(&"Bcc"), "{id}: {headers:?}");
        headers.sort_unstable();
        let all = headers.len();
        headers.dedup();
        assert_eq!(headers.len(), all, "{id}: {headers:?}");
        let address = message.to().unwrap().first().unwrap().address();
        assert_eq!(address, Some(to.as_str()));
        assert_eq!(message.to().unwrap().iter().count(), 1, "{id}");
        let got = message.subject().unwrap();
        assert!(
            got.contains(subject) && got.starts_with("Thank you, "),
            "{id}: {got:?}"
        );
        assert!(got.len() < 2_000, "{id}: {}", got.len());
    }
    assert_eq!(house.run(&["verify"]).good(), "the store is whole\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_rows_are_told_by_line_and_the_mail_of_the_others_goes() {
    let server = SmtpServer::start(Options::default()).await;
    let house = shop(server.port());
    let nested = |depth: usize| {
        let text = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        order("deep").replace('}', &format!(",\"properties\":{{\"a\":{text}}}}}"))
    };
    let rows = [
        identify("mina", "mina@customers.example", "Mina"),
        identify("nobody", "not an address", "Nobody"),
        order("nobody"),
        order_with("mina", json!({ "timestamp": "1970-01-01T00:00:00Z" })),
        order_with(
            "mina",
            json!({ "properties": { "note": "x".repeat(5_000_000) } }),
        ),
        nested(200),
        identify("ahead", "ahead@customers.example", "Ahead"),
        order_with("ahead", json!({ "timestamp": "2090-01-01T00:00:00Z" })),
        order("mina"),
    ];
    let running = house.start();
    let told = house.run_with(
        &["import", "--live", "--rejected", "left.jsonl", "-"],
        &(rows.join("\n") + "\n"),
    );
    assert_eq!(told.code, 1, "{}", told.all());
    for line in [
        "line 2: email \"n…\" is no email address",
        "line 4: timestamp \"1970-01-01T00:00:00Z\" is before 1990",
        "line 5: the row is longer than 32 KB",
        "line 6: nested deeper than 32 levels",
        "4 rows were not taken",
    ] {
        assert!(told.err.contains(line), "{line}: {}", told.err);
    }
    assert!(told.err.len() < 2_000, "{}", told.err.len());
    let left = fs::read_to_string(house.path("left.jsonl")).unwrap();
    assert_eq!(left.lines().count(), 4);
    soon(server.wait_for(2)).await;
    // Ahead of its receipt, it happened at its receipt.
    let shown = house.run(&["customer", "show", "ahead", "--json"]).good();
    assert!(!shown.contains("2090"), "{shown}");
    let log = house.run(&["log", "--json"]).good();
    let dropped = |row: &Value| row["customer"] == "nobody" && row["reason"] == "no_address";
    let rows: Vec<Value> = (log.lines())
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert!(rows.iter().any(dropped), "{log}");
    assert_eq!(running.stop().0.code(), Some(0));
    let mut to: Vec<String> = server.messages().into_iter().map(|m| m.to).collect();
    to.sort();
    assert_eq!(to, ["ahead@customers.example", "mina@customers.example"]);
}

/// All that is wrong with the files in one run, each with its place; the daemon starts with the others.
#[test]
fn check_tells_of_every_bad_file_and_the_good_ones_run() {
    let house = House::new();
    let campaign = |template: &str, more: &str| {
        format!(
            "name = \"A test\"\nstate = \"live\"\nclass = \"informational\"\n{more}\n\
             [[step]]\nid = \"mail\"\ntemplate = \"{template}\"\nsubject = \"Hello\"\n"
        )
    };
    let signs_up = "[trigger]\nevent = \"Signed Up\"";
    let fires = |cron: &str, zone: &str, audience: &str| {
        format!(
            "[schedule]\ncron = \"{cron}\"\ntimezone = \"{zone}\"\n[audience]\n{audience}\n\
             [entry]\nexisting = \"skip\""
        )
    };
    let vip = "tag = \"vip\"";
    let never = "all = [{ tag = \"vip\" }, { not = { tag = \"vip\" } }]";
    let always = "any = [{ tag = \"vip\" }, { not = { tag = \"vip\" } }]";
    house.write(
        "templates/torn.html.hbs",
        "<p>Hello\n{{#if customer.first_name}}</p>",
    );
    for (name, text) in [
        ("missing", campaign("nowhere", signs_up)),
        ("torn", campaign("torn", signs_up)),
        (
            "unknown",
            campaign("welcome", &format!("colour = \"red\"\n{signs_up}")),
        ),
        (
            "typed",
            campaign("welcome", &format!("priority = \"high\"\n{signs_up}")),
        ),
        (
            "feb30",
            campaign("welcome", &fires("0 0 30 2 *", "UTC", vip)),
        ),
        (
            "mars",
            campaign("welcome", &fires("0 10 * * *", "Mars/Olympus", vip)),
        ),
        (
            "nobody",
            campaign("welcome", &fires("0 10 * * *", "UTC", never)),
        ),
        (
            "everybody",
            campaign("welcome", &fires("0 10 * * *", "UTC", always)),
        ),
        (
            "circular",
            campaign("welcome", &fires("0 10 * * *", "UTC", "segment = \"a\"")),
        ),
    ] {
        house.write(&format!("campaigns/{name}.toml"), &text);
    }
    let segments = fs::read_to_string(house.path("campaigns/segments.toml")).unwrap();
    let circle = format!("{segments}\n[a]\nsegment = \"b\"\n[b]\nnot = {{ segment = \"a\" }}\n");
    house.write("campaigns/segments.toml", &circle);
    let checked = house.run(&["check", "--json"]);
    assert_eq!(checked.code, 3, "{}", checked.all());
    let told: Value = serde_json::from_str(&checked.out).unwrap();
    let all = told["problems"].as_array().unwrap();
    for (file, line, severity, what) in [
        ("missing.toml", 8, "error", "no template `nowhere`"),
        ("torn.html.hbs", 2, "error", ""),
        ("unknown.toml", 4, "error", "unknown key `colour`"),
        (
            "typed.toml",
            4,
            "error",
            "`priority` must be a whole number",
        ),
        ("feb30.toml", 5, "error", "never"),
        ("mars.toml", 6, "error", "no time zone \"Mars/Olympus\""),
        ("nobody.toml", 7, "warning", "can never hold"),
        ("everybody.toml", 7, "warning", "always holds"),
        (
            "segments.toml",
            0,
            "error",
            "segments go in a circle: `a` -> `b` -> `a`",
        ),
    ] {
        let fits = |p: &&Value| {
            let place = line == 0 || p["line"] == line;
            p["file"].as_str().unwrap().ends_with(file) && place
        };
        let Some(problem) = all.iter().find(fits) else {
            panic!("{file}:{line} is not told: {told:#}");
        };
        assert_eq!(problem["severity"], severity, "{problem}");
        assert!(
            problem["what"].as_str().unwrap().contains(what),
            "{problem}"
        );
    }
    let running = house.start();
    let listed = house.run(&["campaign", "list", "--json"]).json();
    let stands = |id: &str| -> String {
        let all = listed["campaigns"].as_array().unwrap();
        let one = all.iter().find(|c| c["id"] == id).unwrap();
        one["file"].as_str().unwrap().to_owned()
    };
    for good in ["welcome", "cart_reminder", "nobody", "everybody"] {
        assert_eq!(stands(good), "good");
    }
    for bad in [
        "missing", "torn", "unknown", "typed", "feb30", "mars", "circular",
    ] {
        assert_ne!(stands(bad), "good", "{bad}");
    }
    assert_eq!(running.stop().0.code(), Some(0));
}
