//! Every verb on the real program without a daemon: its happy path, its main errors, its exit code.

mod cli_house;

use cli_house::{House, ROWS};
use reveille::domain::id::CustomerNo;
use reveille::store::embedded::{EmbeddedStore, Options};
use reveille::store::{Batch, Store, keys};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

const VERBS: &[&[&str]] = &[
    &["run"],
    &["demo"],
    &["check"],
    &["go-live"],
    &["reload"],
    &["import"],
    &["customer", "show"],
    &["customer", "list"],
    &["customer", "set"],
    &["customer", "export"],
    &["customer", "poisonous"],
    &["customer", "requests"],
    &["log"],
    &["explain"],
    &["plan"],
    &["campaign", "list"],
    &["campaign", "show"],
    &["campaign", "approve"],
    &["pause"],
    &["resume"],
    &["cancel"],
    &["settle"],
    &["suppression", "list"],
    &["suppression", "add"],
    &["suppression", "remove"],
    &["suppression", "import"],
    &["verify"],
    &["backup"],
    &["restore"],
];

fn with_customers() -> House {
    let house = House::new();
    house.write("rows.jsonl", ROWS);
    house.run(&["import", "rows.jsonl"]).good();
    house
}

#[test]
fn the_help_of_every_verb_holds_an_example() {
    let house = House::new();
    for verb in VERBS {
        let help = house.run(&[verb, &["--help"][..]].concat()).good();
        assert!(help.contains("Example"), "{verb:?}");
    }
    let help = house.run(&["--help"]).good();
    assert!(help.contains("Exit codes") && help.contains("the store is in use"));
    assert!(!help.contains("probe"));
    assert_eq!(house.run(&["pause"]).code, 2);
    assert_eq!(house.run(&["no-such-verb"]).code, 2);
}

#[test]
fn check_tells_all_that_is_wrong() {
    let house = House::new();
    insta::assert_snapshot!(house.run(&["check"]).all());
    house.write(
        "campaigns/bad.toml",
        "name = \"Bad\"\nstate = \"live\"\nclas = \"informational\"\n",
    );
    let bad = house.run(&["check"]);
    assert_eq!(bad.code, 3);
    insta::assert_snapshot!(bad.all());
    let json = house.run(&["check", "--json"]);
    assert_eq!(json.code, 3);
    let told: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        told["problems"][0]["file"]
            .as_str()
            .map(|f| f.ends_with("bad.toml")),
        Some(true)
    );
    // A template that asks for data which its step does not have could never be written.
    house.write("templates/code.html.hbs", "<p>{{data.code}}</p>");
    let spring = "name = \"Spring\"\nstate = \"live\"\nclass = \"informational\"\n[trigger]\nevent = \"Signed Up\"\n[[step]]\nid = \"hello\"\ntemplate = \"code\"\nsubject = \"{{data.greeting}}\"\n";
    house.write("campaigns/spring.toml", spring);
    let told = house.run(&["check"]).all();
    for asked in [
        "code.html.hbs:1:4 asks for `data.code`",
        "asks for `data.greeting`",
    ] {
        assert!(told.contains(asked), "{told}");
    }
    let data = format!("{spring}data = {{ code = \"A\", greeting = \"Hi\" }}\n");
    house.write("campaigns/spring.toml", &data);
    assert!(!house.run(&["check"]).all().contains("asks for"));
    // The service's start is not kept by a bad campaign.
    assert_eq!(house.run(&["check", "--settings"]).code, 0);
    house.write("config.toml", "[stroe]\npath = \"data\"\n");
    assert_eq!(house.run(&["check", "--settings"]).code, 3);
    let run = house.run(&["run"]);
    assert_eq!(run.code, 3, "{}", run.all());
    assert!(run.err.contains("stroe") && !house.path("data").exists());
}

/// A credential is there under systemd only: whoever edits campaigns must be able to check them all the same.
#[test]
fn a_password_out_of_reach_keeps_the_service_from_starting_and_not_the_check_of_campaigns() {
    let house = House::new();
    let relay = |password: &str| {
        let config = fs::read_to_string(house.path("config.toml")).unwrap();
        let own = "[transport.main]\nkind = \"folder\"\npath = \"mail\"\n";
        let from = "# address = ";
        assert!(config.contains(own) && config.contains(from));
        config
            .replace(own, &format!("[transport.main]\nkind = \"smtp\"\nhost = \"127.0.0.1\"\ntls = \"none\"\nusername = \"shop\"\n{password}\n"))
            .replace(from, "address = ")
            .replace("# unsubscribe_mailto =", "unsubscribe_mailto =")
    };
    let shipped = fs::read_to_string(house.path("config.toml")).unwrap();
    house.write("config.toml", &relay("credential = \"smtp-password\""));
    let check = house.run(&["check"]);
    assert_eq!(check.code, 0, "{}", check.all());
    assert!(
        check.out.contains(
            "warning: transport \"main\": the credential \"smtp-password\" cannot be read"
        ) && check.out.contains("1 warning"),
        "{}",
        check.out
    );
    let json = house.run(&["check", "--json"]).json();
    assert_eq!((&json["errors"], &json["warnings"]), (&0.into(), &1.into()));
    assert_eq!(json["problems"][0]["severity"], "warning");
    let strict = house.run(&["check", "--settings"]);
    assert_eq!(strict.code, 3, "{}", strict.all());
    assert!(
        strict.out.contains("error: transport \"main\""),
        "{}",
        strict.out
    );
    // With the credential, as systemd gives it.
    house.write("smtp-password", "hunter two\n");
    let mut under_systemd = house.command(&["check", "--settings"]);
    under_systemd.env("CREDENTIALS_DIRECTORY", house.path(""));
    let output = under_systemd.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    // A file that is wrong for whoever reads it is an error for everybody.
    for (text, what) in [("hunter\ntwo\n", "more than one line"), ("\n", "is empty")] {
        house.write("config.toml", &shipped);
        house.write("config.toml", &relay("password_file = \"smtp-password\""));
        house.write("smtp-password", text);
        let wrong = house.run(&["check"]);
        assert_eq!(wrong.code, 3, "{}", wrong.all());
        assert!(
            wrong.out.contains(what) && !wrong.out.contains("hunter"),
            "{}",
            wrong.out
        );
    }
}

#[test]
fn no_configuration_and_no_store() {
    let house = House::new();
    assert_eq!(house.run(&["customer", "list"]).code, 4);
    assert_eq!(house.run(&["verify"]).code, 4);
    assert_eq!(house.run(&["reload"]).code, 4);
    let nowhere = house.run(&["--config", "none.toml", "campaign", "list"]);
    assert_eq!(nowhere.code, 3, "{}", nowhere.all());
    assert!(!house.path("data").exists());
}

#[test]
fn import_tells_good_from_bad_and_counts_nothing_twice() {
    let house = House::new();
    let bad =
        r#"{"type":"track","userId":"c-1","event":"Order Completed","timestamp":"yesterday"}"#;
    house.write("rows.jsonl", &format!("{ROWS}{bad}\n"));
    let first = house.run(&["import", "rows.jsonl"]);
    insta::assert_snapshot!(house.masked(&first.all()));
    assert_eq!(
        fs::read_to_string(house.path("rows.jsonl.rejected"))
            .unwrap()
            .trim_end(),
        bad
    );
    let again = house.run(&["import", "rows.jsonl"]);
    assert!(
        again.out.contains("3 events (0 new, 3 known already)"),
        "{}",
        again.out
    );
    let shown = house.run(&["customer", "show", "c-2", "--json"]).json();
    // Two equal rows of one file are two orders; the file again is none.
    assert_eq!(shown["events"][0]["remembered"], 2, "{shown}");

    house.write(
        "orders.csv",
        "Kunde,date,total\nc-3,01.03.2026,5\nc-4,nie,5\n",
    );
    let csv = house.run(&[
        "import",
        "orders.csv",
        "--event",
        "Order Completed",
        "--map",
        "Kunde=customer",
        "--dates",
        "%d.%m.%Y",
        "--zone",
        "Europe/Berlin",
        "--rejected",
        "left.csv",
    ]);
    assert_eq!(csv.code, 1);
    assert_eq!(
        fs::read_to_string(house.path("left.csv")).unwrap(),
        "Kunde,date,total\nc-4,nie,5\n"
    );
    assert_eq!(house.run(&["customer", "show", "c-3"]).code, 0);
    assert_eq!(house.run(&["import", "none.csv"]).code, 4);
    assert_eq!(
        house.run(&["import", "rows.jsonl", "--zone", "Mars"]).code,
        2
    );
}

#[test]
fn import_takes_a_pipe_and_acknowledges() {
    let house = House::new();
    let done = house
        .run_with(&["import", "--live", "--json", "-"], ROWS)
        .good();
    let lines: Vec<Value> = done
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let acknowledged: u64 = lines.iter().filter_map(|l| l["fresh"].as_u64()).sum();
    assert_eq!(acknowledged, 5, "{done}");
    assert_eq!(lines.last().unwrap()["summary"]["rows"], 5);
}

#[test]
fn customers_are_shown_listed_and_changed() {
    let house = House::new();
    // What a rule finds must not hang on the day on which this runs.
    house.write(
        "campaigns/tags.toml",
        "[buyer]\nevent = \"Order Completed\"\n[looker]\nnot = { tag = \"buyer\" }\n",
    );
    house.write("rows.jsonl", ROWS);
    house.run(&["import", "rows.jsonl"]).good();
    insta::assert_snapshot!(house.masked(&house.run(&["customer", "show", "c-1"]).good()));
    insta::assert_snapshot!(house.masked(&house.run(&["customer", "list"]).good()));
    let missing = house.run(&["customer", "show", "c-9"]);
    insta::assert_snapshot!(missing.all());
    house
        .run(&[
            "customer",
            "set",
            "c-2",
            "timezone=Europe/Paris",
            "gap=3d",
            "tier=gold",
        ])
        .good();
    let shown = house.run(&["customer", "show", "c-2", "--json"]).json();
    assert_eq!(shown["preferences"]["timezone"], "Europe/Paris");
    assert_eq!(shown["attributes"]["tier"], "gold");
    let wrong = house.run(&["customer", "set", "c-2", "timezone=Mars"]);
    assert_eq!(wrong.code, 1);
    assert!(wrong.err.contains("Mars"), "{}", wrong.err);
    // A tag that a rule derives is shown with those set by hand, and is set by nobody.
    let tags = |house: &House| {
        let shown = house.run(&["customer", "show", "c-2", "--json"]).json();
        shown["tags"].to_string()
    };
    assert_eq!(tags(&house), "[\"buyer\"]");
    let derived = house.run(&["customer", "set", "c-2", "tags=looker"]);
    assert_eq!(derived.code, 1);
    assert!(
        derived.err.contains("`looker`") && derived.err.contains("tags.toml"),
        "{}",
        derived.err
    );
    house.run(&["customer", "set", "c-2", "tags=friend"]).good();
    assert_eq!(tags(&house), "[\"buyer\",\"friend\"]");
    assert_eq!(house.run(&["customer", "set", "c-2", "timezone"]).code, 2);
    assert_eq!(house.run(&["customer", "set", "c-9", "tier=gold"]).code, 4);
}

#[test]
fn the_consent_ledger_is_listed_for_all_and_for_one() {
    let house = with_customers();
    let before = house.run(&["log", "--consents", "--json"]).good();
    house
        .run(&["customer", "set", "c-1", "unsubscribed=true"])
        .good();
    let after = house.run(&["log", "--consents", "--json"]).good();
    assert_eq!(after.lines().count(), before.lines().count() + 1);
    assert!(after.starts_with(&before), "what stood there stands");
    let last: serde_json::Value = serde_json::from_str(after.lines().last().unwrap()).unwrap();
    assert_eq!(last["customer"], "c-1");
    assert_eq!(last["state"], "refused");
    assert!(last["source"].as_str().unwrap().starts_with("set by "));
    let of_one = house.run(&["log", "--consents", "--customer", "c-1", "-n", "1"]);
    let text = of_one.good();
    assert!(text.contains("refused   c-1  advertising"), "{text}");
    assert_eq!(text.lines().count(), 2, "{text}");
    let nobody = house.run(&["log", "--consents", "--customer", "c-9"]);
    assert_eq!(nobody.code, 4);
    assert_eq!(house.run(&["log", "--consents", "--status", "x"]).code, 2);
}

#[test]
fn a_customer_is_explained() {
    let house = with_customers();
    let text = house.run(&["explain", "c-1", "wake_dormant"]).good();
    assert!(
        text.contains("c-1") && text.contains("Order Completed"),
        "{text}"
    );
    let json = house.run(&["explain", "c-1", "--json"]).json();
    assert!(json["campaigns"].as_array().is_some_and(|c| c.len() == 3));
    assert_eq!(house.run(&["explain", "c-9"]).code, 4);
    assert_eq!(house.run(&["explain", "c-1", "none"]).code, 4);
}

#[test]
fn campaigns_are_listed_paused_resumed_and_cancelled() {
    let house = with_customers();
    let listed = house.run(&["campaign", "list"]).good();
    assert!(listed.lines().all(|l| l.chars().count() <= 80), "{listed}");
    let stands = |name: &str| {
        let all = house.run(&["campaign", "list", "--json"]).json();
        let all = all["campaigns"].as_array().unwrap().clone();
        let one = all.into_iter().find(|c| c["id"] == name).unwrap();
        one["phase"]["is"].as_str().unwrap().to_owned()
    };
    assert_eq!(stands("welcome"), "live");
    house.run(&["pause", "welcome"]).good();
    assert_eq!(stands("welcome"), "paused");
    house.run(&["resume", "welcome"]).good();
    assert_eq!(stands("welcome"), "live");
    house.run(&["pause", "--class", "advertising"]).good();
    assert_eq!(stands("cart_reminder"), "paused");
    house.run(&["resume", "--class", "advertising"]).good();
    house.run(&["pause", "--all"]).good();
    // Nobody to ask: nothing is resumed without --yes.
    let unasked = house.run(&["resume", "--all"]);
    assert_eq!(unasked.code, 1);
    house.run(&["resume", "--all", "--yes"]).good();
    assert_eq!(house.run(&["cancel", "welcome"]).code, 1);
    assert_eq!(stands("welcome"), "live");
    house.run(&["cancel", "welcome", "--yes"]).good();
    assert_eq!(stands("welcome"), "cancelled");
    assert_eq!(house.run(&["pause", "none"]).code, 4);
    assert_eq!(house.run(&["campaign", "show", "none"]).code, 4);
    assert_eq!(house.run(&["campaign", "approve", "cart_reminder"]).code, 1);
    house.run(&["campaign", "show", "wake_dormant"]).good();
}

#[test]
fn who_stands_before_a_step_is_counted_when_it_is_asked_for() {
    let house = House::new();
    house.start().stop();
    let row = |n: usize| {
        format!(r#"{{"type":"track","userId":"c-{n}","event":"Signed Up","messageId":"s-{n}"}}"#)
            + "\n"
    };
    let rows: String = (1..=3).map(row).collect();
    house.run_with(&["import", "--live", "-"], &rows).good();
    let shown = house.run(&["campaign", "show", "welcome"]).good();
    assert!(!shown.contains("wait for it"), "{shown}");
    for running in [false, true] {
        let running = running.then(|| house.start());
        let shown = house
            .run(&["campaign", "show", "welcome", "--counts"])
            .good();
        assert!(shown.contains("3 wait for it: 3 within an hour"), "{shown}");
        let asked = ["campaign", "show", "welcome", "--counts", "--json"];
        let told = house.run(&asked).json();
        assert_eq!(told["id"], "welcome");
        let standing = &told["standing"];
        assert_eq!(standing["customers"], 3, "{told}");
        assert_eq!(standing["steps"][0]["id"], "hello", "{told}");
        assert_eq!(standing["steps"][0]["waiting"], 3, "{told}");
        let none = house.run(&["campaign", "show", "none", "--counts"]);
        assert_eq!(none.code, 4, "{}", none.all());
        if let Some(running) = running {
            assert!(running.stop().0.success());
        }
    }
}

/// One customer whose record is damaged keeps nobody else's rows out, and no list from being made.
#[test]
fn an_import_goes_on_beside_a_customer_who_cannot_be_read() {
    let house = with_customers();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = Options {
            wall: reveille::clock::wall,
            ..Options::default()
        };
        let (store, _) = EmbeddedStore::open(&house.path("data"), options).unwrap();
        let key = keys::record(CustomerNo(1));
        assert!(store.get_many(vec![key.clone()]).await.unwrap()[0].is_some());
        let batch = Batch {
            puts: vec![(key, b"not a record".to_vec())],
            ..Batch::default()
        };
        store.commit(batch).await.unwrap();
        store.close().unwrap();
    });
    let more = ROWS.replace("\"m-", "\"n-").replace("2026-02", "2026-03");
    house.write("more.jsonl", &more);
    let import = house.run(&["import", "more.jsonl"]);
    assert_eq!(import.code, 1, "{}", import.all());
    assert!(
        import
            .err
            .contains("line 1: what is stored of this customer cannot be read"),
        "{}",
        import.err
    );
    assert!(
        import.err.contains("2 rows were not taken"),
        "{}",
        import.err
    );
    let shown = house.run(&["customer", "show", "c-2", "--json"]).json();
    // The first of its tracks remembers no more than two.
    assert_eq!(shown["events"][1]["remembered"], 4, "{shown}");
    assert_eq!(house.run(&["customer", "show", "c-1"]).code, 5);
    let listed = house.run(&["customer", "list"]).good();
    assert!(listed.contains("c-2"), "{listed}");
    // It has come to its end: schedules wait no longer.
    let list = || house.run(&["campaign", "list"]).good();
    assert!(!list().contains("schedules wait"), "{}", list());
    // The customer is listed, and people are told so, until somebody clears it.
    assert!(
        list().starts_with("1 customer could not be worked on"),
        "{}",
        list()
    );
    let listed = house.run(&["customer", "poisonous"]).good();
    assert!(
        listed.starts_with("c-1 ") && listed.contains("a customer record"),
        "{listed}"
    );
    let json = house.run(&["customer", "poisonous", "--json"]).json();
    assert_eq!(
        (&json["customer"], &json["number"]),
        (&"c-1".into(), &1.into())
    );
    assert!(
        json["cause"].as_str().unwrap().contains("Profile"),
        "{json}"
    );
    let clear = |id| house.run(&["customer", "poisonous", "--clear", id]);
    assert_eq!(clear("c-2").code, 4);
    assert_eq!(clear("c-1").good(), "1 entry of c-1 cleared\n");
    assert!(list().starts_with("campaign"), "{}", list());
    let listed = house.run(&["customer", "poisonous"]).good();
    assert_eq!(listed, "there is nothing that could not be worked on\n");
}

/// Standard input that breaks after `text`: a socket whose other end was closed with something unread.
fn breaking(text: &str) -> Stdio {
    let (theirs, mut ours) = UnixStream::pair().unwrap();
    (&theirs).write_all(b"never read").unwrap();
    ours.write_all(text.as_bytes()).unwrap();
    drop(ours);
    Stdio::from(OwnedFd::from(theirs))
}

/// Only what was read to its end lifts the wait of schedules.
#[test]
fn an_import_that_fails_is_broken_off() {
    let house = House::new();
    let table = "customer,email\nc-1,one@customers.example\nc-2,two@customers.example\n";
    let waits = || house.run(&["campaign", "list"]).good();
    for running in [false, true] {
        let running = running.then(|| house.start());
        // What cannot be begun leaves all as it was.
        let unknown = ["import", "-", "--map", "nothing=email"];
        let failed = house.run_with(&unknown, table);
        assert_eq!(failed.code, 1, "{}", failed.all());
        assert!(failed.err.contains("nothing"), "{}", failed.err);
        assert!(!waits().contains("schedules wait"), "{}", waits());
        let mut import = house.command(&["import", "-"]);
        let failed = import.stdin(breaking(table)).output().unwrap();
        let told = String::from_utf8(failed.stderr).unwrap();
        assert_eq!(failed.status.code(), Some(1), "{told}");
        assert!(told.contains("can't be read further"), "{told}");
        assert!(told.contains("schedules wait"), "{told}");
        // What was read is in.
        assert!(house.run(&["customer", "list"]).good().contains("c-2"));
        assert!(
            waits().contains("the import of standard input, begun"),
            "{}",
            waits()
        );
        if running.is_none() {
            // A start names it; a command, which may be the one that goes on with it, does not.
            let (_, log) = house.start().stop();
            let told = log.lines().find(|l| l.contains("was broken off"));
            assert!(told.is_some_and(|l| l.contains("standard input")), "{log}");
            let paused = house.run(&["pause", "welcome"]);
            assert!(!paused.err.contains("broken off"), "{}", paused.err);
            house.run(&["resume", "welcome"]).good();
        }
        // Nor does one that fails go on with it.
        let failed = house.run_with(&unknown, table);
        assert_eq!(failed.code, 1, "{}", failed.all());
        assert!(waits().contains("was broken off"), "{}", waits());
        house.run_with(&["import", "-"], table).good();
        assert!(!waits().contains("schedules wait"), "{}", waits());
        if let Some(running) = running {
            assert!(running.stop().0.success());
        }
    }
}

/// Spreadsheets in Korea still write CP949; a pipe from one is read in its letters as a file is.
#[test]
fn standard_input_is_read_in_the_letters_that_are_named() {
    let house = House::new();
    let table = "customer,email,first_name\nc-1,one@customers.example,똠방 김민아\n";
    let (korean, _, unknown) = encoding_rs::EUC_KR.encode(table);
    assert!(!unknown);
    let piped = ["import", "-", "--encoding", "cp949"];
    house.run_with_bytes(&piped, &korean).good();
    let name = || {
        let shown = house.run(&["customer", "show", "c-1", "--json"]).json();
        shown["attributes"]["first_name"].clone()
    };
    assert_eq!(name(), "똠방 김민아");
    // Of a file it is the same.
    fs::write(house.path("two.csv"), &korean[..]).unwrap();
    house
        .run(&["import", "two.csv", "--encoding", "cp949"])
        .good();
    assert_eq!(name(), "똠방 김민아");
    let wrong = house.run_with(&["import", "-", "--encoding", "utf-7"], table);
    assert_eq!(wrong.code, 2, "{}", wrong.all());
    // What is gone through several times cannot come by a pipe.
    let orders = house.run_with(&["import", "-", "--orders"], table);
    assert_eq!(orders.code, 2, "{}", orders.all());
    assert!(orders.err.contains("save it to a file"), "{}", orders.err);
}

/// What gathered during a pause would surprise: the resume says so, and what to do.
#[test]
fn a_resume_names_whom_it_held_back() {
    let house = House::new();
    let config = fs::read_to_string(house.path("config.toml")).unwrap();
    house.write("config.toml", &config.replace("\"200 or 1%\"", "\"1\""));
    house.run(&["pause", "wake_dormant"]).good();
    // Live rows are not guarded as they come in.
    house.run_with(&["import", "--live", "-"], ROWS).good();
    let resumed = house.run(&["resume", "wake_dormant"]).good();
    assert!(
        resumed.starts_with("resumed: campaign wake_dormant"),
        "{resumed}"
    );
    for told in [
        "wake_dormant would now let in 2 customers",
        "such as c-1, c-2",
        "`reveille campaign approve wake_dormant`",
    ] {
        assert!(resumed.contains(told), "{told}: {resumed}");
    }
    house.run(&["campaign", "approve", "wake_dormant"]).good();
    house.run(&["pause", "wake_dormant"]).good();
    let json = house.run(&["resume", "wake_dormant", "--json"]).json();
    assert_eq!(json["held"][0]["campaign"], "wake_dormant");
    assert_eq!(json["held"][0]["customers"], 2);
    assert_eq!(json["released"], 0);
}

#[test]
fn addresses_are_suppressed_and_let_go() {
    let house = with_customers();
    house
        .run(&[
            "suppression",
            "add",
            "two@customers.example",
            "--note",
            "asked by telephone",
        ])
        .good();
    insta::assert_snapshot!(house.masked(&house.run(&["suppression", "list"]).good()));
    assert_eq!(house.run(&["suppression", "add", "nobody"]).code, 1);
    // What has not happened is not said to have: it stands as it stood.
    for (more, uncounted) in [(&["--complaint"][..], true), (&[], false)] {
        let add = ["suppression", "add", "two@customers.example"];
        let told = house.run(&[&add[..], more].concat()).good();
        assert!(
            told.starts_with("nothing was changed: this address was suppressed by hand already (")
                && told.contains("and nothing is sent to it"),
            "{told}"
        );
        assert_eq!(
            told.contains("No complaint was counted"),
            uncounted,
            "{told}"
        );
    }
    let complains = ["suppression", "add", "--complaint", "c@customers.example"];
    let told = house.run(&complains).good();
    assert!(
        told.starts_with("nothing but transactional mail will"),
        "{told}"
    );
    let told = house.run(&complains).good();
    assert!(
        told.contains("after a complaint already (")
            && told.contains("nothing but transactional mail is sent to it. No complaint"),
        "{told}"
    );
    house
        .run(&["suppression", "remove", "c@customers.example"])
        .good();
    house
        .run(&["suppression", "remove", "two@customers.example"])
        .good();
    assert_eq!(
        house
            .run(&["suppression", "remove", "two@customers.example"])
            .code,
        4
    );
    house.write(
        "bounced.txt",
        "email,why\na@customers.example,x\nnot one\nb@customers.example\n",
    );
    let import = house.run(&["suppression", "import", "bounced.txt"]);
    assert_eq!(import.code, 1);
    assert!(import.err.contains("line 3: "), "{}", import.err);
    assert!(
        import.out.contains("2 addresses are suppressed\n"),
        "{}",
        import.out
    );
    let again = house.run(&["suppression", "import", "bounced.txt"]);
    let told = "0 addresses are suppressed; 2 were so before";
    assert!(again.out.contains(told), "{}", again.out);
    let listed = house.run(&["suppression", "list", "--json"]).good();
    assert_eq!(listed.lines().count(), 2);

    // Reports of unwanted mail, many at once; who must get nothing at all stays so.
    house.write(
        "reported.csv",
        "email;when\nOne@customers.example;x\none@customers.example;x\na@customers.example;x\n",
    );
    let reported = ["suppression", "import", "--complaint", "reported.csv"];
    let told = house.run(&reported).good();
    assert!(told.contains("but for transactional mail"), "{told}");
    let listed = house.run(&["suppression", "list", "--json"]).good();
    let mut rows: Vec<Value> = listed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    rows.retain(|row| row["mailbox"] != "b@customers.example");
    let causes: Vec<_> = rows.iter().map(|row| &row["cause"]).collect();
    assert_eq!(causes, ["by_hand", "complaint"], "{listed}");
    let note = rows[1]["note"].as_str().unwrap();
    assert_eq!(
        (&rows[1]["mailbox"], note),
        (&"one@customers.example".into(), "complained (operator)")
    );
}

#[test]
fn the_store_is_verified_backed_up_and_restored() {
    let house = with_customers();
    assert_eq!(house.run(&["verify"]).good(), "the store is whole\n");
    house.run(&["backup", "copy"]).good();
    assert_eq!(house.run(&["backup", "copy"]).code, 5, "not empty");
    let refused = house.run(&["restore", "copy"]);
    assert_eq!(refused.code, 5);
    insta::assert_snapshot!(house.masked(&refused.err));
    fs::rename(house.path("data"), house.path("old")).unwrap();
    house.run(&["restore", "copy"]).good();
    assert_eq!(house.run(&["restore", "nowhere"]).code, 4);
    // The first command that writes builds sled anew and holds sending.
    house.run(&["resume", "welcome"]).good();
    let held = house.run(&["campaign", "list"]).good();
    assert!(held.starts_with("sending is held: "), "{held}");
    house.run(&["customer", "show", "c-1"]).good();
    assert_eq!(house.run(&["resume", "--all"]).code, 1);
    house.run(&["resume", "--all", "--yes"]).good();
    let free = house.run(&["campaign", "list"]).good();
    assert!(free.starts_with("campaign"), "{free}");

    // A flipped byte of the journal is found, with file and offset.
    let journal = fs::read_dir(house.path("data/journal")).unwrap();
    let mut files: Vec<_> = journal.map(|e| e.unwrap().path()).collect();
    files.sort_by_key(|f| std::cmp::Reverse(fs::metadata(f).unwrap().len()));
    let mut bytes = fs::read(&files[0]).unwrap();
    // In the first frame: behind it lie others that were acknowledged.
    let first = bytes.iter().skip(4096).position(|b| *b != 0).unwrap() + 4096;
    bytes[first + 24] ^= 0x40;
    fs::write(&files[0], bytes).unwrap();
    let damaged = house.run(&["verify"]);
    assert_eq!(damaged.code, 5, "{}", damaged.all());
    assert!(damaged.out.contains(" at byte "), "{}", damaged.out);
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let house = with_customers();
    let mut command = house.command(&["customer", "list", "--json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&done.stderr), "");
}

#[test]
fn the_demo_plays_and_leaves_a_shop_behind() {
    let house = House::new();
    let shown = house
        .run(&["demo", "--days", "2", "--customers", "150", "--dir", "shop"])
        .good();
    assert!(shown.contains("advertising can reach"), "{shown}");
    assert!(shown.contains("mail/index.html"), "{shown}");
    assert!(house.path("shop/mail/index.html").is_file(), "{shown}");
    let shop = ["--config", "shop/config.toml"];
    let list = house
        .run(&[&shop[..], &["campaign", "list"]].concat())
        .good();
    assert!(list.contains("wake_dormant"));
    house.run(&[&shop[..], &["log"]].concat()).good();
    let again = house.run(&["demo", "--dir", "shop"]);
    assert_eq!(again.code, 1, "{}", again.all());
}

/// What a shop asks comes in by webhooks (tests/webhooks.rs keeps and closes it); here is what an operator sees.
#[test]
fn what_shops_ask_is_listed_and_what_is_not_open_cannot_be_done() {
    let house = with_customers();
    let none = house.run(&["customer", "requests"]).good();
    assert_eq!(none, "no shop asks for anything\n");
    let done = house.run(&["customer", "requests", "--done", "5f0c2a9e71d4"]);
    assert_eq!(done.code, 4, "{}", done.all());
    assert!(done.err.contains("5f0c2a9e71d4"), "{}", done.err);
}
