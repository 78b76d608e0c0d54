//! `reveille settle` on the real program: a mail server that takes a mail and never says so, and an operator who does.

mod cli_house;
mod smtp_server;

use cli_house::{House, Running};
use serde_json::Value;
use smtp_server::{At, Options, Rule, SmtpServer};

const CAMPAIGN: &str = r#"
name  = "Receipt"
state = "live"
class = "transactional"

[trigger]
event = "Order Completed"

[[step]]
id       = "receipt"
template = "welcome"
subject  = "Thank you"
"#;

fn shop(port: u16) -> House {
    let house = House::new();
    house.write(
        "config.toml",
        &format!(
            r#"
[sender]
from = "Corner Shop <hello@shop.example>"
address = "1 Market Street, Seoul"
unsubscribe_mailto = "unsubscribe@shop.example"
[transport.main]
kind = "smtp"
host = "127.0.0.1"
port = {port}
tls  = "none"
[defaults]
locale = "en"
[safety]
in_doubt = "hold"
"#
        ),
    );
    house.write("campaigns/receipt.toml", CAMPAIGN);
    house
}

fn order(house: &House, customer: &str) {
    let rows = format!(
        "{{\"type\":\"identify\",\"userId\":\"{customer}\",\"traits\":{{\"email\":\"{customer}@customers.example\"}}}}\n\
         {{\"type\":\"track\",\"userId\":\"{customer}\",\"event\":\"Order Completed\"}}\n"
    );
    house.run_with(&["import", "--live", "-"], &rows).good();
}

/// The messages in doubt, once there are so many.
fn doubts(house: &House, wanted: usize) -> Vec<Value> {
    let mut asked = (0..500).map(|_| {
        let out = house.run(&["settle", "--json"]).good();
        let lines = out.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect::<Vec<Value>>()
    });
    asked.find(|doubts| doubts.len() == wanted).unwrap()
}

fn id_of<'a>(doubts: &'a [Value], customer: &str) -> &'a str {
    let of = |d: &&Value| d["customer"] == customer;
    doubts.iter().find(of).unwrap()["message_id"]
        .as_str()
        .unwrap()
}

fn log(house: &House, message: &str) -> Vec<String> {
    let out = house
        .run(&["log", "--message-id", message, "--json"])
        .good();
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        format!("{}/{}", text("status"), text("reason"))
    };
    out.lines().map(row).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_settles_what_is_in_doubt() {
    let server = SmtpServer::start(Options::default()).await;
    server.rule(Rule::at(At::Taken).hang_up().times(2));
    let house = shop(server.port());
    assert_eq!(house.run(&["settle"]).code, 4, "there is no store yet");
    let running: Running = house.start();
    assert_eq!(house.run(&["settle"]).good(), "no message is in doubt\n");
    order(&house, "mina");
    order(&house, "joon");
    let both = doubts(&house, 2);
    let (mina, joon) = (id_of(&both, "mina"), id_of(&both, "joon"));
    for doubt in &both {
        assert_eq!(doubt["campaign"], "receipt");
        assert_eq!(doubt["step"], "receipt");
        assert_eq!(doubt["held"], true);
        assert_eq!(doubt["again"], Value::Null);
        let address = doubt["address"].as_str().unwrap();
        assert!(
            address.contains('…') && !address.contains("mina"),
            "{address}"
        );
        assert!(doubt["since"].is_string() && doubt["why"] != "", "{doubt}");
    }
    let shown = house.run(&["settle"]).good();
    assert!(shown.contains(mina) && shown.contains(joon), "{shown}");
    assert!(shown.contains("waits for you"), "{shown}");
    assert!(shown.contains("2 messages in doubt, 2 held"), "{shown}");
    assert!(!shown.contains("mina@"), "{shown}");

    // What makes no sense is refused, and settles nothing.
    assert_eq!(house.run(&["settle", mina]).code, 2);
    assert_eq!(house.run(&["settle", "--sent"]).code, 2);
    assert_eq!(house.run(&["settle", mina, "--sent", "--resend"]).code, 2);
    let nobody = house.run(&["settle", "1.9.0000000000000000@shop.example", "--sent"]);
    assert_eq!(nobody.code, 4, "{}", nobody.all());
    assert_eq!(house.run(&["settle", "rubbish", "--sent"]).code, 4);
    assert_eq!(doubts(&house, 2).len(), 2);

    house.run(&["settle", mina, "--sent"]).good();
    assert_eq!(log(&house, mina).last().unwrap(), "dropped/taken_as_sent");
    let again = house.run(&["settle", mina, "--resend"]);
    assert_eq!(again.code, 1, "{}", again.all());
    assert!(again.err.contains("settled already"), "{}", again.err);

    // Kept over a restart, and settled without a daemon: it goes when there is one.
    running.stop();
    assert_eq!(doubts(&house, 1)[0]["customer"], "joon");
    let told = house.run(&["settle", joon, "--resend", "--json"]).json();
    assert_eq!(
        (&told["settled"], &told["resend"]),
        (&joon.into(), &true.into())
    );
    let running = house.start();
    let mut asked = (0..500).map(|_| log(&house, joon));
    let rows = asked.find(|rows| rows.last().unwrap() == "accepted/accepted");
    let rows = rows.unwrap_or_else(|| panic!("{:?}", log(&house, joon)));
    assert_eq!(
        rows[rows.len() - 4..],
        [
            "uncertain/in_doubt_held",
            "uncertain/operator",
            "attempting/resent",
            "accepted/accepted"
        ]
    );
    running.stop();
    // Twice to the one whom the operator said so of, the same message; once to the other.
    let mails = server.messages();
    let to = |who: &str| {
        mails
            .iter()
            .filter(|m| m.to.contains(who))
            .collect::<Vec<_>>()
    };
    assert_eq!((to("mina").len(), to("joon").len()), (1, 2));
    assert_eq!(to("joon")[0].bytes, to("joon")[1].bytes, "the same bytes");
}
