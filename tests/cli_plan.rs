//! `reveille plan` on the real program, with a daemon and without: what it prints, that nothing changes, and what edited
//! files would change.

mod cli_house;

use cli_house::{House, ROWS};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

const DAILY: &str = r#"
name = "Daily"
state = "live"
class = "informational"
[schedule]
cron = "0 10 * * *"
timezone = "Asia/Seoul"
[audience]
all = [{ event = "Order Completed", last = ">= 90d" }]
[entry]
existing = "enter"
[[step]]
id = "one"
template = "dormant"
subject = "Hello"
"#;

/// Goes to everybody who ever ordered, at once.
const INSTANT: &str = r#"
name = "Instant"
state = "live"
class = "transactional"
[audience]
all = [{ event = "Order Completed", count = ">= 1" }]
[entry]
existing = "enter"
[[step]]
id = "one"
template = "dormant"
subject = "Hello"
"#;

fn house() -> House {
    let house = House::new();
    for name in ["welcome", "cart_reminder", "wake_dormant"] {
        std::fs::remove_file(house.path(&format!("campaigns/{name}.toml"))).unwrap();
    }
    house.write("campaigns/daily.toml", DAILY);
    house.write("rows.jsonl", ROWS);
    house.run(&["import", "rows.jsonl"]).good();
    house
}

/// Every file of a store's folder, with its bytes; not those of sled, which tidies up by itself whenever it is opened and
/// holds nothing that the journal does not.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        if path.ends_with("sled") {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.insert(name, std::fs::read(&path).unwrap());
        }
    }
    found
}

fn decisions(text: &str) -> Vec<Value> {
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines
        .filter(|line: &Value| line["at"].is_string())
        .collect()
}

fn sent(text: &str, campaign: &str) -> usize {
    let all = decisions(text).into_iter();
    all.filter(|d| d["decision"] == "sent" && d["campaign"] == campaign)
        .count()
}

#[test]
fn without_a_daemon_it_forecasts_and_leaves_the_folder_as_it_is() {
    let house = house();
    let data = house.path("data");
    let before = files(&data);
    let told = house.run(&["plan", "--days", "8"]).good();
    assert!(
        told.contains("2 customers") && told.contains("daily"),
        "{told}"
    );
    assert!(
        told.contains("It takes for given: customers do nothing new"),
        "{told}"
    );
    assert!(told.contains("main sends 2 mails"), "{told}");
    let json = house.run(&["plan", "--days", "8", "--json"]).good();
    assert_eq!(sent(&json, "daily"), 2, "{json}");
    for decision in decisions(&json) {
        for key in [
            "at", "customer", "campaign", "step", "variant", "decision", "reason",
        ] {
            assert!(decision.get(key).is_some(), "{decision}");
        }
    }
    // The numbers come at last, day by day, and are those that the table prints with their reasons.
    let last: Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    let days = last["forecast"]["days"].as_array().unwrap();
    let put_off = days.iter().find(|day| day["waits"]["window"] == 1).unwrap();
    let date = put_off["day"].as_str().unwrap();
    let at = told.lines().position(|l| l.starts_with(date)).unwrap();
    assert_eq!(
        told.lines().nth(at + 1).unwrap().trim(),
        "wait: window 1",
        "{told}"
    );
    assert!(
        told.contains("1 wait: outside the hours") && told.contains("(window)"),
        "{told}"
    );
    assert!(
        told.lines().all(|line| line.chars().count() <= 100),
        "{told}"
    );
    // No address, masked or not.
    assert!(!json.contains('@') && !told.contains('@'));
    // c-1 reads mail on weekday evenings only.
    let own_hours = decisions(&json).into_iter();
    let waits = own_hours.filter(|d| d["customer"] == "c-1" && d["reason"] == "window");
    assert_eq!(waits.count(), 1, "{json}");
    assert!(files(&data) == before, "something was written");
}

#[test]
fn what_makes_no_sense_is_refused_with_a_reason() {
    let house = house();
    for (arguments, code, text) in [
        (&["--campaign", "none"][..], 4, "there is no campaign"),
        (&["--days", "0"], 1, "1 to 366 days"),
        (
            &["--from", "2020-01-01T00:00:00Z"],
            1,
            "what has happened is in the log",
        ),
        (&["--from", "soon"], 1, "is no time"),
        (&["--campaigns", "nowhere"], 4, "there is no folder"),
        (&["--diff"], 1, "no daemon is running"),
    ] {
        let came = house.run(&[&["plan"][..], arguments].concat());
        assert_eq!(came.code, code, "{arguments:?} {}", came.all());
        assert!(came.err.contains(text), "{arguments:?} {}", came.all());
    }
    std::fs::create_dir(house.path("other")).unwrap();
    house.write("other/daily.toml", &DAILY.replace("class", "clas"));
    let came = house.run(&["plan", "--campaigns", "other"]);
    assert_eq!(came.code, 1, "{}", came.all());
    assert!(
        came.err.contains("daily.toml") && came.err.contains("clas"),
        "{}",
        came.all()
    );
}

#[test]
fn the_daemon_forecasts_and_tells_what_edited_files_would_change() {
    let house = house();
    let running = house.start();
    let json = house.run(&["plan", "--days", "8", "--json"]).good();
    assert_eq!(sent(&json, "daily"), 2, "{json}");
    let none = house.run(&["plan", "--diff"]).good();
    assert!(none.contains("nobody is met otherwise"), "{none}");
    // The one is narrowed, the other is new.
    house.write(
        "campaigns/daily.toml",
        &DAILY.replace("}]", "}, { tag = \"vip\" }]"),
    );
    house.write("campaigns/instant.toml", INSTANT);
    let told = house.run(&["plan", "--diff", "--json"]).json();
    let of = |campaign: &str, key: &str| told["campaigns"][campaign][key]["customers"].clone();
    assert_eq!(of("daily", "no_longer_enter"), 2, "{told}");
    assert_eq!(of("instant", "enter"), 2, "{told}");
    assert_eq!(of("instant", "mailed_at_once"), 2, "{told}");
    assert_eq!(told["campaigns"]["instant"]["enter"]["examples"][0], "c-1");
    let text = house
        .run(&["plan", "--diff", "--campaign", "instant"])
        .good();
    assert!(
        text.contains("would enter: 2 customers, as c-1, c-2"),
        "{text}"
    );
    assert!(!text.contains("would no longer enter"), "{text}");
    let reloaded = house.run(&["reload", "--diff"]).good();
    assert!(
        reloaded.contains("would get one within the hour: 2 customers"),
        "{reloaded}"
    );
    let none = house.run(&["plan", "--diff"]).good();
    assert!(none.contains("nobody is met otherwise"), "{none}");

    // A reload shows it unasked, and only if it is not told to be quick.
    let again = INSTANT.replace("Instant", "Twice");
    house.write("campaigns/twice.toml", &again);
    let quick = house.run(&["reload", "--no-diff"]).good();
    assert_eq!(quick, "reloaded\n");
    house.write("campaigns/thrice.toml", &again);
    let shown = house.run(&["reload"]).good();
    assert!(
        shown.contains("thrice\n  would enter: 2 customers, as c-1, c-2")
            && shown.ends_with("\nreloaded\n"),
        "{shown}"
    );
    house.write("campaigns/fourth.toml", &again);
    let json = house.run(&["reload", "--json"]).json();
    assert_eq!(json["taken"], true, "{json}");
    let enter = &json["compared"]["campaigns"]["fourth"]["enter"];
    assert_eq!(enter["customers"], 2, "{json}");
    // Bad files are told once, by the reload itself.
    house.write("campaigns/fourth.toml", &again.replace("class", "clas"));
    let bad = house.run(&["reload"]);
    assert_eq!((bad.code, bad.err.as_str()), (3, ""), "{}", bad.all());
    assert_eq!(bad.out.matches("fourth.toml:").count(), 1, "{}", bad.out);
    let bad = house.run(&["reload", "--json"]);
    let told: Value = serde_json::from_str(&bad.out).unwrap();
    assert!(
        told["not_compared"]
            .as_str()
            .unwrap()
            .contains("the campaigns are bad"),
        "{told}"
    );
    running.stop();
}

/// Which edits wait for approval is told, of all customers; a quick reload does not look.
#[test]
fn a_quick_reload_does_not_ask_whom_edits_move() {
    let house = house();
    let config = std::fs::read_to_string(house.path("config.toml")).unwrap();
    let strict = config.replace("\"200 or 1%\"", "\"1\"");
    assert!(strict != config);
    house.write("config.toml", &strict);
    let file = |wait: &str| {
        format!(
            "name = \"Asked\"\nstate = \"live\"\nclass = \"transactional\"\n[trigger]\nevent = \"Asked\"\n[entry]\n\
             on_change = \"jump\"\n[[step]]\nid = \"one\"\n{wait}template = \"dormant\"\nsubject = \"Hello\"\n"
        )
    };
    house.write("campaigns/asked.toml", &file("wait = \"10d\"\n"));
    let running = house.start();
    let asked = ["c-1", "c-2"]
        .map(|id| format!("{{\"type\":\"track\",\"userId\":\"{id}\",\"event\":\"Asked\"}}\n"));
    let rows = asked.concat();
    house.run_with(&["import", "--live", "-"], &rows).good();
    house.write("campaigns/asked.toml", &file(""));
    let told = house.run(&["reload", "--no-diff", "--json"]).json();
    assert_eq!(
        (&told["taken"], &told["waits"]),
        (&true.into(), &Value::Array(Vec::new()))
    );
    // Still so, whether the daemon has counted them by now or not.
    let told = house.run(&["reload", "--json"]).json();
    assert_eq!(told["waits"][0]["campaign"], "asked", "{told}");
    assert_eq!(told["waits"][0]["customers"], 2, "{told}");
    let text = house.run(&["reload"]).good();
    assert!(
        text.contains("`reveille campaign approve asked` lets them go on"),
        "{text}"
    );
    running.stop();
}

/// What everybody gets again and again bears the same entry key each time: it is the number that differs.
#[test]
fn a_digest_that_comes_daily_instead_of_weekly_is_told() {
    let house = house();
    let weekly = DAILY.replace("0 10 * * *", "0 10 * * MON").replace(
        "existing = \"enter\"",
        "existing = \"enter\"\nagain = \"always\"",
    ) + "[limits]\nwindow = \"always\"\n";
    house.write("campaigns/daily.toml", &weekly);
    let running = house.start();
    house.write("campaigns/daily.toml", &weekly.replace("* * MON", "* * *"));
    let week = ["plan", "--diff", "--days", "8"];
    let told = house.run(&[&week[..], &["--json"]].concat()).json();
    let daily = &told["campaigns"]["daily"];
    for key in ["mailed_more", "enter_more"] {
        assert_eq!(daily[key]["customers"], 2, "{told:#}");
        // Eight or seven days for the one or two Mondays among them.
        let times = daily[key]["times"].as_u64().unwrap();
        assert!((10..=14).contains(&times), "{told:#}");
    }
    assert_eq!(daily["mailed"]["customers"], 0, "{told:#}");
    let text = house.run(&week).good();
    assert!(
        text.contains("would get more mails of the same step: 2 customers (1")
            && text.contains(" more in all), as c-1, c-2"),
        "{text}"
    );
    // And the other way round.
    house.run(&["reload"]).good();
    house.write("campaigns/daily.toml", &weekly);
    let text = house.run(&week).good();
    assert!(
        text.contains("would get fewer mails of the same step: 2 customers (1")
            && text.contains("would enter less often: 2 customers (1"),
        "{text}"
    );
    running.stop();
}
