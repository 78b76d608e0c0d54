//! Mails before anybody gets them: previews through the real program, with a daemon and without a store; what the lint
//! finds; test mails and seeds' copies over a real SMTP server, and that nothing counts them.

mod app;
mod cli_house;
mod smtp_server;

use app::watched::Watched;
use app::{App, CONFIG};
use cli_house::{House, ROWS};
use futures_util::FutureExt;
use reveille::domain::address::EmailAddress;
use reveille::domain::cause::{Cause, Liveness, ProfileChange};
use reveille::domain::id::{CampaignId, CustomerId};
use reveille::domain::ledger::Status;
use reveille::domain::record::{Mailbox, Suppression, SuppressionCause};
use reveille::domain::time::Span;
use reveille::engine::copies::{Sent, TestMail};
use reveille::engine::preview::{PreviewError, Question, Wanted, Who};
use reveille::engine::query::LogFilter;
use reveille::report::{By, report};
use reveille::store::codec::encode;
use reveille::store::memory::MemoryStore;
use reveille::store::{Batch, Store, keys};
use reveille::transport::config::{AddressPattern, CarrierConfig, Deadlines, Tls, TransportConfig};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use smtp_server::{At, Options, Received, Rule, SmtpServer};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

const BAD: &str = r#"
name  = "Bad"
state = "draft"
class = "advertising"
topic = "offers"

[trigger]
event = "Plan Bought"
per   = "plan.id"
where = { kind = "gold" }

[[step]]
id        = "one"
template  = "bad"
subject   = "BUY (광고) {{entry.event.properties.plan.name}}"
preheader = "Only today"

[[step]]
id       = "two"
wait     = "2d"
template = "welcome"
subject  = "THE SAME THING"
preheader = "THE SAME THING"

[[step]]
id       = "long"
wait     = "2d"
template = "long"
subject  = "A subject that goes on and on, for the whole length of a line and then for another one"
"#;

const BAD_HTML: &str = r##"<html><body>
<h1>Hi {{customer.first_name}}</h1>
<p>You have {{customer.points}} points</p>
<img src="http://cdn.elsewhere.shop/a.png">
<a href="">empty</a> <a href="http://elsewhere.shop/x">x</a> <a href="/relative">y</a>
<p>\{{left}} over</p>
<a href="https://www.example.com/{{customer.id}}">z</a>
<img src="https://shop.example/undefined.png" alt="undefined">
</body></html>
"##;

fn bad_house() -> House {
    let house = House::new();
    house.write("campaigns/bad.toml", BAD);
    house.write("templates/bad.html.hbs", BAD_HTML);
    let long = format!(
        "<p>{}<a href=\"{{{{links.unsubscribe}}}}\">leave</a></p>",
        "word ".repeat(22_000)
    );
    house.write("templates/long.html.hbs", &long);
    house
}

#[test]
fn the_shipped_mails_pass_and_need_no_store() {
    let house = House::new();
    let checked = house.run(&["preview", "--check", "--json"]).json();
    assert_eq!(checked["errors"], 0, "{checked}");
    assert!(checked["mails"].as_u64().unwrap() >= 8, "{checked}");

    let told = house
        .run(&[
            "preview",
            "wake_dormant",
            "--variant",
            "gift",
            "--locale",
            "ko",
        ])
        .good();
    assert!(told.contains("Subject: 민아님께 드리는 선물"), "{told}");
    assert!(told.contains("made up"), "{told}");
    assert!(!told.contains("오랜만이에요\n\nwake_dormant"), "{told}");
    let all = house.run(&["preview", "wake_dormant", "--json"]).json();
    let variants: Vec<&str> = (all.as_array().unwrap().iter())
        .map(|m| m["variant"].as_str().unwrap())
        .collect();
    assert_eq!(variants, ["plain", "gift"]);
    assert!(!house.path("data").exists(), "a preview made a store");

    // The cart's mail knows of a cart.
    let cart = house.run(&["preview", "cart_reminder", "--json"]).json();
    let text = cart[0]["text"].as_str().unwrap();
    assert!(
        text.contains("Stoneware teapot") && text.contains("$27.50"),
        "{text}"
    );
}

const WISHES: &str = r#"
name  = "Wishes"
state = "draft"
class = "advertising"
topic = "offers"

[trigger]
event = "Wish List Opened"

[[step]]
id        = "wishes"
template  = "wishes"
subject   = "Your wishes"
preheader = "Still there"
products  = { from = "Wish Made", where = { category = "garden" }, within = "7d", fewest = 3, except = "Order Completed" }

[[step]]
id        = "viewed"
wait      = "2d"
template  = "wishes"
subject   = "Seen today"
preheader = "Still there"
products  = { from = "Product Viewed", within = "1d", fewest = 1 }
variants  = [
  { name = "cart",  products = { from = "cart", within = "1h", fewest = 4 } },
  { name = "order", products = { from = "order", fewest = 2 } },
]
"#;

#[test]
fn whatever_products_a_campaign_asks_for_a_made_up_customer_has() {
    let house = House::new();
    house.write("campaigns/wishes.toml", WISHES);
    house.write(
        "templates/wishes.html.hbs",
        "<p>{{#each products}}[{{name}}]{{/each}} <a href=\"{{links.unsubscribe}}\">leave</a></p>",
    );
    let all = house.run(&["preview", "wishes", "--json"]).json();
    let shown: Vec<(&str, usize)> = (all.as_array().unwrap().iter())
        .map(|m| {
            assert!(m["failed"].is_null(), "{m}");
            let name = m["variant"].as_str().or(m["step"].as_str());
            (
                name.unwrap(),
                m["html"].as_str().unwrap().matches('[').count(),
            )
        })
        .collect();
    assert_eq!(shown, [("wishes", 3), ("cart", 4), ("order", 2)]);
}

#[test]
fn each_thing_that_readers_stumble_on_is_found_at_its_place() {
    let house = bad_house();
    let came = house.run(&["preview", "bad", "--check", "--json"]);
    assert_eq!(came.code, 1, "{}", came.all());
    let checked: Value = serde_json::from_str(&came.out).unwrap();
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for finding in checked["findings"].as_array().unwrap() {
        let text = |key: &str| finding[key].as_str().unwrap_or_default();
        let of = match text("file") {
            "" => text("part"),
            file => file,
        };
        let place = match finding["line"].as_u64() {
            Some(line) if !text("file").is_empty() => format!("{of}:{line}"),
            _ => of.to_owned(),
        };
        let severity = &text("severity")[..1];
        let row = format!("{severity} {} {place}", text("rule"));
        found
            .entry(text("step").to_owned())
            .or_default()
            .insert(row);
    }
    let rows = |step: &str| found[step].iter().cloned().collect::<Vec<_>>();
    assert_eq!(
        rows("one"),
        [
            "e alt_missing bad.html.hbs:4",
            "e law_mark_twice subject",
            "e link_empty bad.html.hbs:5",
            "e link_example bad.html.hbs:7",
            "e link_relative bad.html.hbs:5",
            "e placeholder bad.html.hbs:6",
            "e placeholder bad.html.hbs:8",
            "e placeholder text",
            "e unsubscribe_missing html",
            "e unsubscribe_missing text",
            "w lacking bad.html.hbs:2",
            "w lacking bad.html.hbs:3",
            "w lacking subject",
            "w link_insecure bad.html.hbs:5",
            "w text_made text",
        ]
    );
    assert_eq!(
        rows("two"),
        [
            "w preheader_is_subject preheader",
            "w subject_capitals subject"
        ]
    );
    assert_eq!(
        rows("long"),
        [
            "e size html",
            "w preheader_missing preheader",
            "w subject_long subject",
            "w text_made text",
        ]
    );
    let people = house.run(&["preview", "bad", "--check"]);
    assert_eq!(people.code, 1);
    assert!(
        people
            .out
            .contains("error: bad.html.hbs:4: a picture has no `alt`"),
        "{}",
        people.out
    );
}

#[test]
fn a_broken_template_is_told_with_its_line_and_harms_no_other_campaign() {
    let house = bad_house();
    house.write("templates/bad.html.hbs", "<p>\n{{#if x}}\n</p>");
    let came = house.run(&["preview", "bad"]);
    assert_eq!(came.code, 3, "{}", came.all());
    assert!(came.err.contains("bad.html.hbs:"), "{}", came.err);
    house.run(&["preview", "welcome"]).good();
    // One that renders only with data that nobody has says where it asks for it.
    house.write("templates/bad.html.hbs", "<p>\n{{data.absent}}</p>");
    let came = house.run(&["preview", "bad", "--step", "one"]);
    assert_eq!(came.code, 1, "{}", came.all());
    assert!(came.out.contains("bad.html.hbs:2:"), "{}", came.out);

    let came = house.run(&["preview", "bed"]);
    assert_eq!(came.code, 4, "{}", came.all());
    let came = house.run(&["preview", "bad", "--step", "three"]);
    assert_eq!(came.code, 4, "{}", came.all());
    assert!(came.err.contains("one, two, long"), "{}", came.err);
}

#[test]
fn where_no_campaign_is_named_the_good_ones_are_shown_and_each_bad_one_is_told() {
    let house = House::new();
    let whole = house.run(&["preview", "--check", "--json"]).json();
    house.write("campaigns/a_bad.toml", "name = \"A\"\nstat = \"draft\"\n");
    house.write("campaigns/z_bad.toml", "name = \"Z\"\nclass = 7\n");
    house.write("templates/welcome.html.hbs", "<p>\n{{#if x}}\n</p>");
    house.write("templates/spare.html.hbs", "<p>\n\n{{#if x}}\n</p>");

    let came = house.run(&["preview", "--check", "--json"]);
    assert_eq!(came.code, 3, "{}", came.all());
    let told: Value = serde_json::from_str(&came.out).unwrap();
    let bad: Vec<&Value> = told["bad"].as_array().unwrap().iter().collect();
    let names: Vec<Option<&str>> = bad.iter().map(|b| b["campaign"].as_str()).collect();
    let expected = [Some("a_bad"), Some("welcome"), Some("z_bad"), None];
    assert_eq!(names, expected, "{told}");
    for (at, place) in [
        (0, "a_bad.toml:2:1"),
        (1, "welcome.toml:14:13"),
        (1, "welcome.html.hbs:3:5"),
        (2, "z_bad.toml:2:9"),
        (3, "spare.html.hbs:4:5"),
    ] {
        assert!(bad[at]["problems"].to_string().contains(place), "{told}");
    }
    // All but the mails of the welcome, in English and Korean.
    let (mails, all) = (told["mails"].as_u64(), whole["mails"].as_u64());
    assert_eq!(mails.unwrap() + 2, all.unwrap(), "{told}");

    let came = house.run(&["preview", "--check"]);
    assert_eq!(came.code, 3, "{}", came.all());
    assert!(
        came.out.contains("3 campaigns with bad files"),
        "{}",
        came.out
    );
    assert!(came.err.contains("z_bad.toml:2:9"), "{}", came.err);

    let came = house.run(&["preview"]);
    assert_eq!(came.code, 3, "{}", came.all());
    assert!(came.out.contains("cart_reminder / ") && came.out.contains("wake_dormant / "));
    assert!(came.err.contains("a_bad.toml:2:1"), "{}", came.err);
    let came = house.run(&["preview", "--json"]);
    let shown: Value = serde_json::from_str(&came.out).unwrap();
    assert!(!shown.as_array().unwrap().is_empty(), "{}", came.all());

    // Files of the good ones only; a step or variant that some campaigns have is of those.
    let came = house.run(&["preview", "--variant", "gift", "--out", "all"]);
    assert_eq!(came.code, 3, "{}", came.all());
    assert_eq!(std::fs::read_dir(house.path("all")).unwrap().count(), 3);
    let came = house.run(&["preview", "--variant", "gone"]);
    assert_eq!(came.code, 3, "{}", came.all());

    // What a store has kept of a bad file is not what the file says: it is no mail to look at.
    house.run_with(&["import", "-"], ROWS).good();
    let came = house.run(&["preview", "--check", "--sample", "1"]);
    assert_eq!(came.code, 3, "{}", came.all());
    assert!(came.err.contains("welcome"), "{}", came.err);
}

/// A file that is good by itself may be bad by its texts, or by a link that no mail has.
#[test]
fn a_bad_subject_and_a_link_that_is_not_there_are_told_with_their_places() {
    let house = House::new();
    let file = house.path("campaigns/welcome.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    let html = std::fs::read_to_string(house.path("templates/welcome.html.hbs")).unwrap();
    let begins = |text: &str| {
        assert!(good.contains("{ en = 'Welcome,"), "{good}");
        good.replace("{ en = 'Welcome,", &format!("{{ en = 'Welcome {text},"))
    };
    for (text, first_line, wanted) in [
        (
            "{{#if x}}",
            "",
            &["campaigns/welcome.toml:17:21: this is not"][..],
        ),
        (
            "{{links.nope}}",
            "{{links.nowhere}}\n",
            &[
                "campaigns/welcome.toml:17:21: there is no link `nope`",
                "welcome.html.hbs:1:1: there is no link `nowhere`",
            ],
        ),
    ] {
        house.write("campaigns/welcome.toml", &begins(text));
        house.write("templates/welcome.html.hbs", &format!("{first_line}{html}"));
        let came = house.run(&["preview", "welcome"]);
        assert_eq!(came.code, 3, "{}", came.all());
        for place in wanted {
            assert!(came.err.contains(place), "{place}: {}", came.err);
        }
        // Each once, under the campaign.
        assert_eq!(came.err.matches("error: ").count(), 1, "{}", came.err);
        assert!(!came.err.contains("{{:"), "{}", came.err);
        let checked = house.run(&["check", "--json"]);
        let told: Value = serde_json::from_str(&checked.out).unwrap();
        assert_eq!(told["errors"], wanted.len(), "{told}");
    }
}

const TOLD: &str = r#"
name  = "Told"
state = "draft"
class = "informational"

[trigger]
event = "Signed Up"

[[step]]
id      = "staff"
notify  = "crm"
subject = { en = "New: {{customer.id}}", ko = "새 고객: {{customer.id}}" }
text    = { en = """
Somebody new has come.
Say hello to {{customer.id}}.""", ko = """
새 고객이 오셨습니다.
{{customer.id}}님께 인사해 주세요.""" }
"#;

#[test]
fn staff_read_what_is_told_to_them_in_the_shops_own_language() {
    let house = House::new();
    house.write("campaigns/told.toml", TOLD);
    let config = std::fs::read_to_string(house.path("config.toml")).unwrap();
    assert!(config.contains("locale   = \"en\"\n") && config.contains("[staff]\n"));
    let config = config.replace("[staff]\n", "[staff]\ncrm = \"crm@shop.example\"\n");
    let shop = |locale: &str| {
        let own = format!("locale   = {locale:?}\n");
        let config = config.replace("locale   = \"en\"\n", &own);
        house.write("config.toml", &config);
    };
    for (locale, subject, line) in [
        ("en", "New: sample", "Say hello to sample."),
        ("ko", "새 고객: sample", "sample님께 인사해 주세요."),
    ] {
        shop(locale);
        let mails = house.run(&["preview", "told", "--json"]).json();
        assert_eq!(mails[0]["subject"], subject, "{mails}");
        let text = mails[0]["text"].as_str().unwrap();
        assert!(text.lines().any(|l| l == line), "{text}");
    }
    // A table without the shop's own locale, an empty text, and one that is no template.
    for (from, to, told) in [
        ("text    = { en = ", "text    = { de = ", None),
        (
            "새 고객이 오셨습니다.\n{{customer.id}}님께 인사해 주세요.",
            " ",
            Some("1 to 100000"),
        ),
        (
            "{{customer.id}}님께",
            "{{customer.id님께",
            Some("told.toml"),
        ),
    ] {
        assert!(TOLD.contains(from), "{from}");
        house.write("campaigns/told.toml", &TOLD.replace(from, to));
        let checked = house.run(&["check"]);
        assert_eq!(
            checked.code,
            told.map_or(0, |_| 3),
            "{to}: {}",
            checked.all()
        );
        assert!(
            checked.out.contains(told.unwrap_or("")),
            "{}",
            checked.all()
        );
    }
    shop("en");
    house.write(
        "campaigns/told.toml",
        &TOLD.replace("text    = { en = ", "text    = { de = "),
    );
    let checked = house.run(&["check"]);
    assert!(
        checked.out.contains("`text` has no text for"),
        "{}",
        checked.all()
    );
}

/// What does not differ by the instant at which it was made.
fn timeless(mails: &Value) -> Value {
    let mails = mails.as_array().unwrap().iter();
    mails
        .map(|m| {
            json!([
                m["customer"],
                m["subject"],
                m["text"],
                m["html"],
                m["notes"]
            ])
        })
        .collect()
}

#[test]
fn a_customers_mail_is_the_same_with_a_daemon_and_without() {
    let house = House::new();
    house.run_with(&["import", "-"], ROWS).good();
    let ask = ["preview", "welcome", "--customer", "c-1", "--json"];
    let without = house.run(&ask).json();
    assert_eq!(without[0]["customer"], "c-1");
    let head = without[0]["headers"].to_string();
    assert!(head.contains("one@customers.example"), "{head}");
    assert_eq!(without[0]["subject"], "Welcome, One");
    let sample = house
        .run(&["preview", "welcome", "--sample", "5", "--json"])
        .json();
    assert_eq!(sample.as_array().unwrap().len(), 2);

    let daemon = house.start();
    // What is looked at are the files as they are, not those that the daemon runs.
    let with = house.run(&ask).json();
    assert_eq!(timeless(&with), timeless(&without));
    let file = house.path("campaigns/welcome.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("Welcome, {{", "So glad, {{")).unwrap();
    let edited = house.run(&ask).json();
    assert_eq!(edited[0]["subject"], "So glad, One");
    let came = house.run(&["preview", "welcome", "--customer", "nobody"]);
    assert_eq!(came.code, 4, "{}", came.all());
    daemon.stop();
}

#[test]
fn mails_are_written_to_files() {
    let house = House::new();
    let came = house.run(&["preview", "wake_dormant", "--out", "one.html"]);
    assert_eq!(came.code, 1, "{}", came.all());
    assert!(!house.path("one.html").exists());
    let one = ["preview", "wake_dormant", "--variant", "gift"];
    for (file, begins) in [
        ("a.html", "<!DOCTYPE html>"),
        ("a.eml", "From: "),
        ("a.txt", "It has been"),
    ] {
        let arguments: Vec<&str> = one.iter().copied().chain(["--out", file]).collect();
        house.run(&arguments).good();
        let text = std::fs::read_to_string(house.path(file)).unwrap();
        assert!(text.starts_with(begins), "{file}: {text}");
    }
    house
        .run(&["preview", "wake_dormant", "--out", "all"])
        .good();
    let mut names: Vec<String> = std::fs::read_dir(house.path("all"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 6, "{names:?}");
    assert_eq!(names[0], "wake_dormant.miss-you.gift.en.eml");
}

/// One request over a connection of its own; status line, headers and body as they came.
fn get(url: &str) -> String {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_at(rest.find('/').unwrap());
    let mut stream = TcpStream::connect(host).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    all
}

#[test]
fn mails_are_served_to_this_machine_until_it_is_ended() {
    let house = House::new();
    let mut command = house.command(&["preview", "--serve"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut url = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut url).unwrap();
    let url = url.trim();
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    let page = get(url);
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    for mail in [
        "wake_dormant · miss-you · gift · ko",
        "welcome · hello · en",
    ] {
        assert!(page.contains(mail), "{page}");
    }
    let mail = get(&format!("{url}mail/0"));
    assert!(
        mail.contains("content-security-policy: sandbox; default-src 'none'"),
        "{mail}"
    );
    let root = &url[..url.trim_end_matches('/').rfind('/').unwrap()];
    assert!(get(&format!("{root}/guess/")).starts_with("HTTP/1.1 404"));
    // An edit shows at the next look.
    let file = house.path("campaigns/welcome.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("Welcome, {{", "So glad, {{")).unwrap();
    assert!(get(url).contains("So glad, Mina"));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert!(child.wait().unwrap().success());
}

const START: &str = "2026-03-02T03:00:00Z";

const RECEIPT: &str = r#"
name  = "Receipt"
state = "live"
class = "transactional"

[trigger]
event = "Order Completed"

[entry]
again = "always"

[[step]]
id       = "receipt"
template = "welcome"
subject  = { en = "Thank you, {{customer.id}}", ko = "감사합니다, {{customer.id}}님" }
"#;

/// An advertising campaign, for the links of tests.
const OFFER: &str = r#"
name  = "Offer"
state = "draft"
class = "advertising"
topic = "offers"

[trigger]
event = "Product Viewed"

[[step]]
id       = "offer"
template = "dormant"
subject  = "An offer"
"#;

const MORE: &str = r#"
[engine]
retry = ["1m"]
[seeds]
addresses = ["crm@shop.example", "Boss@Shop.Example", "boss@shop.example"]
[http]
listen     = "127.0.0.1:0"
public_url = "https://mail.shop.example"
"#;

async fn shop(port: u16, only_to: &[&str]) -> App {
    let mut config = TransportConfig::smtp("main", "127.0.0.1", port);
    let CarrierConfig::Smtp(mut smtp) = config.carrier.clone() else {
        unreachable!("made as SMTP");
    };
    smtp.tls = Tls::None;
    smtp.deadlines = Deadlines::all(Duration::from_secs(20));
    config.carrier = CarrierConfig::Smtp(smtp);
    config.only_to = (only_to.iter())
        .map(|p| AddressPattern::parse(p).unwrap())
        .collect();
    let campaigns = [("receipt.toml", RECEIPT), ("offer.toml", OFFER)];
    App::start_with(vec![config], START, &format!("{CONFIG}{MORE}"), &campaigns).await
}

/// A minute and a half, so that a hang fails by name.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(Duration::from_secs(90), work).await;
    done.expect("done within 90 s")
}

fn text_of(mail: &Received) -> String {
    String::from_utf8_lossy(&mail.bytes).into_owned()
}

fn field(mail: &Received, name: &str) -> String {
    let fields = reveille::message::reading::fields(&mail.bytes);
    let found = fields.into_iter().find(|(n, _)| n == name);
    found.map(|(_, value)| value).unwrap_or_default()
}

async fn test_send(
    app: &App,
    campaign: &str,
    to: &str,
    who: Who,
) -> Result<Vec<Sent>, PreviewError> {
    let question = Question {
        campaign: Some(CampaignId::parse(campaign).unwrap()),
        wanted: Wanted::default(),
        who,
    };
    let test = TestMail {
        question,
        to: EmailAddress::parse(to).unwrap(),
        by: "operator".into(),
    };
    app.core.test_send(&test).await
}

async fn rows(app: &App, status: Status) -> Vec<String> {
    let filter = LogFilter {
        status: Some(status),
        ..LogFilter::default()
    };
    let rows = app.core.log(&filter).await.unwrap();
    let row = |r: reveille::engine::query::LogView| {
        let variant = r.variant.unwrap_or_default();
        let step = r.step.unwrap_or_default();
        format!(
            "{} {}/{step}{variant} {} {}",
            r.customer, r.campaign, r.reason, r.detail
        )
    };
    rows.into_iter().map(row).collect()
}

#[tokio::test]
async fn a_test_mail_is_really_sent_and_nothing_counts_it() {
    soon(async {
        let server = SmtpServer::start(Options::default()).await;
        let app = shop(server.port(), &[]).await;
        app.sign_up("c-1", "UTC").await;
        // A draft, with what is known of a customer.
        let who = Who::Customer(CustomerId::shown("c-1").unwrap());
        let sent = test_send(&app, "offer", "me@shop.example", who)
            .await
            .unwrap();
        assert!(sent[0].accepted, "{sent:?}");
        let mails = server.messages();
        let [mail] = mails.as_slice() else {
            panic!("{} mails", mails.len());
        };
        assert_eq!(mail.to, "me@shop.example");
        assert_eq!(field(mail, "To"), "me@shop.example");
        assert_eq!(field(mail, "Subject"), "[TEST] An offer");
        assert_eq!(
            field(mail, "X-Reveille-Test"),
            "offer; offer; en; customer's data"
        );
        assert_eq!(
            field(mail, "Message-ID"),
            format!("<{}>", sent[0].message_id)
        );
        let unsubscribe = field(mail, "List-Unsubscribe");
        assert!(
            unsubscribe.starts_with("<https://mail.shop.example/test/u/"),
            "{unsubscribe}"
        );
        // Its token is none of ours: whoever copied it to the real page would find nothing there.
        let token = unsubscribe.split("/u/").nth(1).unwrap();
        let token = token.split('>').next().unwrap();
        assert_eq!(app.core.token_keys().read(token), None);
        let whole = text_of(mail).replace("=\r\n", "");
        assert!(
            !whole.contains("/t/o/") && !whole.contains("/t/c/"),
            "{whole}"
        );

        // No place, no message, no row of the customer's; one row that says what it was.
        let id = CustomerId::shown("c-1").unwrap();
        let view = app.core.customer_view(&id).await.unwrap().unwrap();
        assert!(view.messages.is_empty() && view.mailbox.unwrap().places.is_empty());
        assert_eq!(app.story("c-1").await, Vec::<String>::new());
        let told = report(&app.core, By::Campaigns, None).await.unwrap();
        assert!(told.groups.is_empty(), "{told:?}");
        let told = rows(&app, Status::Test).await;
        assert_eq!(told.len(), 1);
        assert!(
            told[0].starts_with(
                "- offer/offer accepted to m…@shop.example, asked for by operator: 250"
            ),
            "{told:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_test_mail_goes_to_nobody_who_must_not_be_written_to() {
    soon(async {
        let server = SmtpServer::start(Options::default()).await;
        let app = shop(server.port(), &["*@shop.example"]).await;
        let refused = async |to: &str| {
            let sent = test_send(&app, "receipt", to, Who::MadeUp).await;
            sent.unwrap_err().to_string()
        };
        let why = refused("me@elsewhere.example").await;
        assert!(why.contains("only_to"), "{why}");
        for (cause, stands_against) in [
            (SuppressionCause::HardBounce, true),
            (SuppressionCause::Complaint, true),
            (SuppressionCause::ByHand, true),
            (SuppressionCause::Unsubscribe, false),
        ] {
            let to = EmailAddress::parse(&format!("{cause:?}@shop.example")).unwrap();
            suppress(&app, &to, cause).await;
            let sent = test_send(&app, "receipt", to.as_str(), Who::MadeUp).await;
            assert_eq!(sent.is_err(), stands_against, "{cause:?}: {sent:?}");
        }
        assert_eq!(server.messages().len(), 1);
        // What the server says of the address is in the answer and the log, the address itself not in the log.
        server.rule(Rule::at(At::Rcpt).say("550 5.1.1 <gone@shop.example> is unknown"));
        let sent = test_send(&app, "receipt", "gone@shop.example", Who::MadeUp)
            .await
            .unwrap();
        assert!(
            !sent[0].accepted && sent[0].reason == "dead_address",
            "{sent:?}"
        );
        let told = rows(&app, Status::Test).await;
        assert!(
            told.iter().all(|row| !row.contains("gone@shop.example")),
            "{told:?}"
        );
        // Nothing is suppressed by a test.
        server.forget_rules();
        let sent = test_send(&app, "receipt", "gone@shop.example", Who::MadeUp)
            .await
            .unwrap();
        assert!(sent[0].accepted, "{sent:?}");
    })
    .await;
}

async fn suppress(app: &App, to: &EmailAddress, cause: SuppressionCause) {
    let mailbox = Mailbox {
        suppression: Some(Suppression {
            cause,
            at: app.now(),
            note: String::new(),
        }),
        ..Mailbox::default()
    };
    let batch = Batch {
        puts: vec![(keys::mailbox(&to.mailbox()), encode(&mailbox))],
        ..Batch::default()
    };
    app.core.store.commit(batch).await.unwrap();
}

async fn speaks(app: &App, id: &str, locale: &str) {
    let mut change = ProfileChange::default();
    change.preferences.locale = Some(Some(locale.to_owned()));
    let cause = Cause::Profile(Box::new(change), Liveness::Live);
    app.act(id, cause).await;
}

/// Which copies seeds got: address and form.
fn copies(server: &SmtpServer) -> Vec<(String, String)> {
    let mails = server.messages();
    let mut copies: Vec<_> = (mails.iter())
        .map(|m| (m.to.clone(), field(m, "X-Reveille-Seed")))
        .filter(|(_, form)| !form.is_empty())
        .collect();
    copies.sort();
    copies
}

fn both(form: &str) -> Vec<(String, String)> {
    let to = ["Boss@shop.example", "crm@shop.example"];
    to.map(|to| (to.to_owned(), form.to_owned())).to_vec()
}

#[tokio::test]
async fn seeds_get_one_copy_of_each_form_and_no_more_after_a_restart() {
    soon(async {
        let server = SmtpServer::start(Options::default()).await;
        let app = shop(server.port(), &[]).await;
        for id in ["c-1", "c-2", "c-3"] {
            app.sign_up(id, "UTC").await;
            app.event(id, "Order Completed", json!({})).await;
            app.leap(Span::minutes(1)).await;
        }
        let english = both("receipt; receipt; en");
        assert_eq!(copies(&server), english);
        // A customer's locale that nobody wrote for is no form of its own; one that somebody did is.
        for (id, locale) in [("c-4", "fr-CA"), ("c-5", "ko-KR"), ("c-6", "ko")] {
            app.sign_up(id, "UTC").await;
            speaks(&app, id, locale).await;
            app.event(id, "Order Completed", json!({})).await;
            app.leap(Span::minutes(1)).await;
        }
        let mut all = [english, both("receipt; receipt; ko")].concat();
        all.sort();
        assert_eq!(copies(&server), all);

        // What a seed reads is nobody's: no id, no name, no link that does anything.
        let mails = server.messages();
        let copy = mails.iter().find(|m| m.to == "crm@shop.example").unwrap();
        assert_eq!(field(copy, "Subject"), "Thank you, sample");
        assert!(!text_of(copy).contains("c-1"));

        let told = rows(&app, Status::Seed).await;
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(
            told[0].starts_with("- receipt/receipt accepted to "),
            "{told:?}"
        );
        let counted = report(&app.core, By::Campaigns, None).await.unwrap();
        assert_eq!(
            counted.groups[0].sent, 6,
            "copies are no mails of the campaign"
        );
        let ids: BTreeSet<String> = mails.iter().map(|m| m.message_id.clone()).collect();
        assert_eq!(ids.len(), mails.len());
    })
    .await;
}

#[tokio::test]
async fn an_edited_text_goes_to_seeds_again_and_a_restart_sends_what_was_cut_off() {
    soon(async {
        let store = MemoryStore::new();
        let config = format!("{CONFIG}{MORE}");
        let campaigns = [("receipt.toml", RECEIPT)];
        let app = App::start_on(Arc::new(store.clone()), START, &config, &campaigns).await;
        let mails = async |app: &App| {
            let folder = app.dir.path().join("mail");
            let all = std::fs::read_dir(folder).unwrap();
            let names = all.map(|e| e.unwrap().file_name().into_string().unwrap());
            let mut seeds: Vec<String> = names
                .filter(|n| n.starts_with("seed.") && n.ends_with(".eml"))
                .collect();
            seeds.sort();
            seeds
        };
        let order = async |app: &App| {
            app.event("c-1", "Order Completed", json!({})).await;
            app.leap(Span::minutes(1)).await;
        };
        app.sign_up("c-1", "UTC").await;
        order(&app).await;
        let first = mails(&app).await;
        assert_eq!(first.len(), 2, "{first:?}");
        // Started again on the same store: the next mail is not the first.
        let app = app.reopen(Arc::new(store.reopen())).await;
        app.settle().await;
        order(&app).await;
        assert_eq!(mails(&app).await, first);
        // Another text is another mail to look at; a file that is touched is not.
        app.file("receipt.toml", Some(&format!("# touched\n{RECEIPT}")));
        app.reload().await;
        order(&app).await;
        assert_eq!(mails(&app).await, first);
        app.file(
            "receipt.toml",
            Some(&RECEIPT.replace("Thank you", "Many thanks")),
        );
        app.reload().await;
        // The daemon dies between the mail and its copies.
        let before = app.mails().len();
        app.event("c-1", "Order Completed", json!({})).await;
        app.clock.advance(Span::minutes(1));
        while app.mails().len() == before {
            app.core.tick().await.unwrap();
            app.core.outbox.wait_idle().await;
        }
        assert_eq!(mails(&app).await, first);
        let app = app.reopen(Arc::new(store.reopen())).await;
        app.settle().await;
        let second = mails(&app).await;
        assert_eq!(second.len(), 4, "{second:?}");
        assert!(first.iter().all(|copy| second.contains(copy)));
    })
    .await;
}

#[tokio::test]
async fn a_seed_that_is_suppressed_gets_nothing() {
    soon(async {
        let server = SmtpServer::start(Options::default()).await;
        let app = shop(server.port(), &[]).await;
        let crm = EmailAddress::parse("crm@shop.example").unwrap();
        suppress(&app, &crm, SuppressionCause::ByHand).await;
        app.sign_up("c-1", "UTC").await;
        app.event("c-1", "Order Completed", json!({})).await;
        app.leap(Span::minutes(5)).await;
        let form = "receipt; receipt; en".to_owned();
        assert_eq!(copies(&server), [("Boss@shop.example".to_owned(), form)]);
        let told = rows(&app, Status::Seed).await;
        let suppressed = told.iter().filter(|row| row.contains(" suppressed "));
        assert_eq!((told.len(), suppressed.count()), (2, 1), "{told:?}");
    })
    .await;
}

/// Somebody else writes the form's row between what a mail of new texts read and what it writes.
#[tokio::test]
async fn copies_of_new_texts_go_though_the_row_was_written_meanwhile() {
    soon(async {
        let store = Watched::new();
        let config = format!("{CONFIG}{MORE}");
        let campaigns = [("receipt.toml", RECEIPT)];
        let all: Arc<dyn Store> = store.clone();
        let app = App::start_on(all, START, &config, &campaigns).await;
        let order = async || {
            app.event("c-1", "Order Completed", json!({})).await;
            app.leap(Span::minutes(1)).await;
        };
        app.sign_up("c-1", "UTC").await;
        order().await;
        assert_eq!(rows(&app, Status::Seed).await.len(), 2);
        let texts = RECEIPT.replace("Thank you", "Many thanks");
        app.file("receipt.toml", Some(&texts));
        app.reload().await;
        let (inner, mut once) = (store.inner.clone(), false);
        store.after_read(move |read| {
            let row = read
                .first()
                .filter(|key| key.starts_with(&keys::house("seed/")))?;
            let (inner, row) = (inner.clone(), row.clone());
            if std::mem::replace(&mut once, true) {
                return None;
            }
            let meanwhile = async move {
                let stands = inner.get_many(vec![row.clone()]).await.unwrap();
                let value = stands.into_iter().flatten().next().unwrap().value;
                let batch = Batch {
                    puts: vec![(row, value)],
                    ..Batch::default()
                };
                inner.commit(batch).await.unwrap();
            };
            Some(meanwhile.boxed())
        });
        order().await;
        assert_eq!(rows(&app, Status::Seed).await.len(), 4);
    })
    .await;
}

/// A mail was under way when the files were read again, and one by the new texts is accepted before it.
#[tokio::test]
async fn a_mail_by_former_texts_that_is_accepted_late_has_no_copies_go_again() {
    soon(async {
        let store = Watched::new();
        let config = format!("{CONFIG}{MORE}");
        let campaigns = [("receipt.toml", RECEIPT)];
        let all: Arc<dyn Store> = store.clone();
        let app = App::start_on(all, START, &config, &campaigns).await;
        for id in ["c-1", "c-2"] {
            app.sign_up(id, "UTC").await;
        }
        // The first mail's outcome is held up before it is noted for seeds.
        let (reached, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (reach, go) = (Arc::clone(&reached), Arc::clone(&go_on));
        let mut once = false;
        store.after_read(move |read| {
            let row = keys::house("seed/");
            if !read.first().is_some_and(|key| key.starts_with(&row))
                || std::mem::replace(&mut once, true)
            {
                return None;
            }
            reach.notify_one();
            let go = Arc::clone(&go);
            Some(async move { go.notified().await }.boxed())
        });
        app.event("c-1", "Order Completed", json!({})).await;
        app.core.tick().await.unwrap();
        reached.notified().await;
        let texts = RECEIPT.replace("Thank you", "Many thanks");
        app.file("receipt.toml", Some(&texts));
        let config = app::load_config(app.dir.path());
        app.core.reload(config).await.unwrap();
        app.event("c-2", "Order Completed", json!({})).await;
        let mut went = 0;
        while went < 2 {
            app.core.tick().await.unwrap();
            went += app.core.send_seeds().await.unwrap();
            tokio::task::yield_now().await;
        }
        go_on.notify_one();
        app.settle().await;
        app.event("c-2", "Order Completed", json!({})).await;
        app.leap(Span::minutes(1)).await;
        assert_eq!(app.mails().len(), 3 + 2, "three mails and two copies");
        assert_eq!(rows(&app, Status::Seed).await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_copy_that_the_relay_puts_off_goes_later_and_once() {
    soon(async {
        let server = SmtpServer::start(Options::default()).await;
        let app = shop(server.port(), &[]).await;
        let crm = Rule::at(At::Rcpt).to("crm@shop.example");
        server.rule(crm.times(2).say("451 later"));
        let boss = Rule::at(At::Rcpt).to("Boss@shop.example");
        server.rule(boss.say("550 5.1.1 no such user"));
        app.sign_up("c-1", "UTC").await;
        app.event("c-1", "Order Completed", json!({})).await;
        app.settle().await;
        assert_eq!(copies(&server), []);
        for _ in 0..4 {
            app.leap(Span::minutes(2)).await;
        }
        let form = "receipt; receipt; en".to_owned();
        assert_eq!(copies(&server), [("crm@shop.example".to_owned(), form)]);
        let told = rows(&app, Status::Seed).await;
        let count = |reason: &str| told.iter().filter(|row| row.contains(reason)).count();
        assert_eq!(
            (
                count(" try_later "),
                count(" accepted "),
                count(" dead_address ")
            ),
            (2, 1, 1),
            "{told:?}"
        );
        // The customer's own mail was never in anybody's way.
        assert_eq!(server.copies().get("c-1@customers.example"), None);
        assert!(
            server
                .messages()
                .iter()
                .any(|m| m.to == "c-1@customers.example")
        );
    })
    .await;
}
