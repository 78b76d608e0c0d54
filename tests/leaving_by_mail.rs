//! Leaving by a mail to `[sender] unsubscribe_mailto`, on the real program: each mail names that address with a token of
//! its own, `reveille unsubscribe` takes what a mail server pipes in, and a new key for links leaves those of before working.

mod cli_house;

use cli_house::House;
use mail_parser::MessageParser;
use serde_json::Value;

const CONFIG: &str = r#"
[sender]
from = "Corner Shop <hello@shop.example>"
address = "1 Market Street, Seoul"
unsubscribe_mailto = "unsubscribe@shop.example"
[transport.main]
kind = "folder"
path = "mail"
[defaults]
locale = "en"
window = "always"
caps = []
"#;

const OFFER: &str = r#"
name = "Offer"
state = "live"
class = "advertising"
topic = "offers"
[trigger]
event = "Cart Viewed"
[[step]]
id = "one"
template = "welcome"
subject = "An offer"
"#;

/// The token in the mail that this customer got, from the address to write to.
fn token(house: &House, customer: &str) -> String {
    let mails = std::fs::read_dir(house.path("mail")).unwrap();
    for entry in mails {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "eml") {
            continue;
        }
        let bytes = std::fs::read(path).unwrap();
        let mail = MessageParser::new().parse(&bytes).unwrap();
        let to = mail.to().unwrap().first().unwrap().address().unwrap();
        if to == format!("{customer}@customers.example") {
            let leave = mail.header_raw("List-Unsubscribe").unwrap();
            let leave: String = leave.split_whitespace().collect();
            let uri = "<mailto:unsubscribe@shop.example?subject=unsubscribe%20";
            let token = leave.strip_prefix(uri).unwrap_or_else(|| panic!("{leave}"));
            return token.strip_suffix('>').unwrap().to_owned();
        }
    }
    panic!("{customer} got no mail");
}

fn customer(house: &House, id: &str) -> Value {
    house.run(&["customer", "show", id, "--json"]).json()
}

/// The customer's word on the topic, and by which way it came.
fn word(house: &House, id: &str) -> Option<(String, String)> {
    let view = customer(house, id);
    let consents = view["consents"].as_array().unwrap();
    let of_topic = consents.iter().find(|c| c["topic"] == "offers")?;
    let text = |key: &str| of_topic[key].as_str().unwrap().to_owned();
    Some((text("state"), text("source")))
}

fn left() -> Option<(String, String)> {
    let way = "mail to the unsubscribe address";
    Some(("refused".to_owned(), way.to_owned()))
}

#[test]
fn a_mail_with_the_token_unsubscribes_and_no_other_does() {
    let house = House::new();
    house.write("config.toml", CONFIG);
    house.write("campaigns/offer.toml", OFFER);
    let running = house.start();
    let customers = ["mina", "joon", "sora", "hana"];
    for id in customers {
        let rows = format!(
            "{{\"type\":\"identify\",\"userId\":\"{id}\",\"traits\":{{\"email\":\"{id}@customers.example\",\"consent\":true,\"consent_at\":\"2026-01-05T10:00:00Z\"}}}}\n\
             {{\"type\":\"track\",\"userId\":\"{id}\",\"event\":\"Cart Viewed\"}}\n"
        );
        house.run_with(&["import", "--live", "-"], &rows).good();
    }
    let sent = || {
        house
            .run(&["log", "--status", "accepted", "--json"])
            .good()
            .lines()
            .count()
    };
    assert!(
        (0..500).any(|_| sent() == customers.len()),
        "not all were sent"
    );

    // By the daemon, as a mail program writes it.
    let mina = token(&house, "mina");
    let mail = format!(
        "From mina@customers.example  Mon Mar  2 10:00:00 2026\nReceived: from mx.example by mail.shop.example; Mon, 2 Mar 2026 10:00:00 +0900\nFrom: =?utf-8?B?66+464KY?= <mina@customers.example>\nTo: unsubscribe@shop.example\nSubject: unsubscribe {mina}\nMessage-ID: <1@customers.example>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n6re466eMIOuztOuCtCDso7zshLjsmpQK\n"
    );
    for _ in 0..2 {
        let done = house.run_with(&["unsubscribe"], &mail);
        assert_eq!(
            (done.code, done.out.as_str(), done.err.as_str()),
            (0, "", "")
        );
    }
    assert_eq!(word(&house, "mina"), left());
    let view = customer(&house, "mina");
    let rows = view["consent_ledger"].as_array().unwrap();
    let row = rows.iter().find(|r| r["state"] == "refused").unwrap();
    assert_eq!(
        (&row["topic"], &row["campaign"]),
        (&"offers".into(), &"offer".into())
    );
    let log = house
        .run(&["log", "--status", "unsubscribed", "--json"])
        .good();
    assert_eq!(
        log.lines().count(),
        1,
        "told twice, it is written once: {log}"
    );

    // A known address proves nothing; neither does a token of another kind or one that was altered.
    let joon = token(&house, "joon");
    let mut bent = joon.clone().into_bytes();
    bent[9] = if bent[9] == b'A' { b'B' } else { b'A' };
    let bent = String::from_utf8(bent).unwrap();
    for subject in ["unsubscribe".to_owned(), format!("unsubscribe {bent}")] {
        let mail = format!("From: joon@customers.example\nSubject: {subject}\n\nplease stop\n");
        let refused = house.run_with(&["unsubscribe"], &mail);
        assert_eq!(refused.code, 65, "{}", refused.all());
        assert!(
            refused.err.contains("Please use the unsubscribe link"),
            "{}",
            refused.err
        );
    }
    for text in ["", "no mail at all", "\n\n"] {
        assert_eq!(house.run_with(&["unsubscribe"], text).code, 65, "{text:?}");
    }
    // A machine's answer is passed over, whatever it quotes.
    let vacation = format!(
        "From: joon@customers.example\nAuto-Submitted: auto-replied\nSubject: Away: unsubscribe {joon}\n\n"
    );
    assert_eq!(house.run_with(&["unsubscribe"], &vacation).code, 0);
    assert_eq!(word(&house, "joon"), None);
    // Quoted, in a subject of the reader's own, behind much else.
    let much = "blah ".repeat(20_000);
    let quoted = format!(
        "From: joon@customers.example\nSubject: Re: An offer\n\n{much}\n> https://x.example/u/{joon}\n"
    );
    assert_eq!(house.run_with(&["unsubscribe"], &quoted).code, 0);
    assert_eq!(word(&house, "joon"), left());

    // A new key: links of before are read, also after a restart, and from a backup.
    let sora = token(&house, "sora");
    let hana = token(&house, "hana");
    assert_eq!(
        house.run(&["key", "rotate-links", "--json"]).json()["keys"],
        2
    );
    running.stop();
    let again = house.run(&["key", "rotate-links"]).good();
    assert_eq!(
        again,
        "a new key signs links from now on; 3 keys are read\n"
    );
    let by = |token: &str| format!("From: a@b.example\nSubject: unsubscribe {token}\n\n");
    assert_eq!(
        house.run_with(&["unsubscribe"], &by(&sora)).code,
        0,
        "without a daemon"
    );
    assert_eq!(word(&house, "sora"), left());
    let backup = house.path("kept");
    house.run(&["backup", backup.to_str().unwrap()]).good();
    std::fs::remove_dir_all(house.path("data")).unwrap();
    house.run(&["restore", backup.to_str().unwrap()]).good();
    assert_eq!(house.run_with(&["unsubscribe"], &by(&hana)).code, 0);
    assert_eq!(word(&house, "hana"), left());

    // What stands in the way is for the mail server to try again.
    house.write("config.toml", "[sendr]\n");
    assert_eq!(house.run_with(&["unsubscribe"], &by(&hana)).code, 75);
}
