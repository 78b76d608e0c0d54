//! The daemon as a service manager and its users see it: ready, asked, reloaded, stopped, killed.

mod cli_house;

use cli_house::{House, ROWS};
use rustix::process::Signal;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

#[test]
fn both_ways_in_give_the_same_answers() {
    let house = House::new();
    house.write("rows.jsonl", ROWS);
    house.run(&["import", "rows.jsonl"]).good();
    house
        .run(&["suppression", "add", "two@customers.example"])
        .good();
    let asked: &[&[&str]] = &[
        &["customer", "show", "c-1", "--json"],
        &["customer", "list", "--json"],
        &["suppression", "list", "--json"],
        &["campaign", "list"],
        &["log", "--json"],
        &["explain", "c-1", "welcome"],
        &["customer", "show", "c-9"],
        &["campaign", "show", "none"],
        &["verify"],
    ];
    let all = || -> Vec<String> {
        // A minute may pass in between.
        let clock = regex::Regex::new(r"\d\d:\d\d").unwrap();
        let one = |a: &&[&str]| {
            let told = house.masked(&house.run(a).all());
            clock.replace_all(&told, "TIME").into_owned()
        };
        asked.iter().map(one).collect()
    };
    let direct = all();
    let running = house.start();
    let mode = fs::metadata(house.path("data/admin.sock"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);
    let served = all();
    for (direct, served) in direct.iter().zip(&served) {
        assert_eq!(direct, served);
    }
    running.stop();
}

#[test]
fn it_tells_the_service_manager_and_stops_cleanly() {
    let house = House::new();
    let running = house.start();
    running.told("WATCHDOG=1");
    let second = house.run(&["run"]);
    assert_eq!(second.code, 5, "{}", second.all());
    assert!(
        second.err.contains("another daemon answers"),
        "{}",
        second.err
    );
    let (status, log) = running.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("the store is closed"), "{log}");
    assert!(!house.path("data/admin.sock").exists());
    // Closed cleanly, it can be read without repair.
    house.run(&["campaign", "list"]).good();
}

/// A service manager that does not read its socket stops neither the engine nor the end.
#[test]
fn a_service_manager_that_does_not_listen_stops_nothing() {
    let house = House::new();
    let running = house.start();
    running.deafen();
    // It works on, and a reload says what it always says.
    assert_eq!(house.run(&["reload"]).good(), "reloaded\n");
    running.signal(Signal::HUP);
    running.signal(Signal::TERM);
    let (end, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || end.send(running.end()));
    let (status, log) = (ended.recv_timeout(std::time::Duration::from_secs(60)))
        .expect("it waits for a manager that does not read");
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("the store is closed"), "{log}");
}

#[test]
fn one_that_was_killed_starts_again_over_its_old_socket() {
    let house = House::new();
    house.start().kill();
    assert!(house.path("data/admin.sock").exists());
    // Reading repairs nothing: it works where the files can be trusted, and says so where they can't.
    let looked = house.run(&["campaign", "list"]);
    match looked.code {
        0 => assert_eq!(looked.err, ""),
        code => assert_eq!(code, 5, "{}", looked.all()),
    }
    let running = house.start();
    house.run(&["campaign", "list"]).good();
    assert_eq!(running.stop().0.code(), Some(0));
}

#[test]
fn a_bad_file_harms_nobody_at_a_reload() {
    let house = House::new();
    let running = house.start();
    assert_eq!(house.run(&["reload"]).good(), "reloaded\n");

    let welcome = fs::read_to_string(house.path("campaigns/welcome.toml")).unwrap();
    house.write(
        "campaigns/welcome.toml",
        &welcome.replace("class =", "clas ="),
    );
    let bad = house.run(&["reload"]);
    assert_eq!(bad.code, 3, "{}", bad.all());
    assert!(
        bad.out.contains("clas") && bad.out.contains("last good version"),
        "{}",
        bad.out
    );
    let stands = house.run(&["campaign", "show", "welcome", "--json"]).json();
    assert_eq!(
        (&stands["file"], &stands["phase"]["is"]),
        (&"last_good".into(), &"live".into())
    );

    let config = fs::read_to_string(house.path("config.toml")).unwrap();
    house.write("config.toml", &config.replace("[safety]", "[safty]"));
    running.signal(Signal::HUP);
    running.told("RELOADING=1");
    running.told("READY=1");
    assert!(
        running.log().contains("nothing was reloaded"),
        "{}",
        running.log()
    );
    house.write("config.toml", &config);
    house.write("campaigns/welcome.toml", &welcome);
    house.run(&["reload"]).good();
    let stands = house.run(&["campaign", "show", "welcome", "--json"]).json();
    assert_eq!(stands["file"], "good");

    // What no last good version makes up for: the reload changes nothing.
    let pages = "\n[http]\nlisten = \"127.0.0.1:0\"\npublic_url = \"https://mail.shop.example\"";
    house.write("config.toml", &config.replacen("\n[http]", pages, 1));
    house.write("templates/welcome.html.hbs", "<p>{{links.preferences}}</p>");
    house.run(&["reload"]).good();
    house.write("config.toml", &config);
    let refused = house.run(&["reload"]);
    assert_eq!(refused.code, 3, "{}", refused.all());
    for told in [
        "`welcome` is in force, and it could not go on by this configuration",
        "welcome.html.hbs:1:4: there is no link `preferences`",
        "nothing was changed: config.toml is bad",
    ] {
        assert!(refused.out.contains(told), "{told}: {}", refused.out);
    }
    let stands = house.run(&["campaign", "show", "welcome", "--json"]).json();
    assert_eq!(stands["file"], "good");
    assert_eq!(running.stop().0.code(), Some(0));
}

#[test]
fn a_pipe_that_stays_open_is_acknowledged_as_it_goes() {
    let house = House::new();
    let running = house.start();
    let mut command = house.command(&["import", "--live", "--json", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let mut acks = BufReader::new(child.stdout.take().unwrap()).lines();
    for row in ROWS.lines() {
        writeln!(pipe, "{row}").unwrap();
        let ack = acks.next().unwrap().unwrap();
        assert!(ack.contains("\"upto\""), "{ack}");
    }
    house.run(&["customer", "show", "c-2"]).good();
    drop(pipe);
    assert!(child.wait().unwrap().success());
    assert_eq!(running.stop().0.code(), Some(0));
}

#[test]
fn an_import_that_is_broken_off_is_told_until_it_is_run_again() {
    let house = House::new();
    let running = house.start();
    let mut command = house.command(&["import", "--json", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let mut acks = BufReader::new(child.stdout.take().unwrap()).lines();
    writeln!(pipe, "{}", ROWS.lines().next().unwrap()).unwrap();
    acks.next().unwrap().unwrap();
    let list = || house.run(&["campaign", "list"]).good();
    let first = |list: &str| list.lines().next().unwrap().to_owned();
    assert!(
        first(&list()).starts_with("schedules wait: the import of standard input has been running"),
        "{}",
        list()
    );
    // Another one meanwhile lifts nothing.
    house.write("rows.jsonl", ROWS);
    let beside = house.run(&["import", "rows.jsonl"]).good();
    assert!(
        beside.contains("schedules wait: the import of standard input"),
        "{beside}"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    // The daemon notices when it reads on.
    let mut asked = (0..500).map(|_| house.run(&["campaign", "list", "--json"]).json());
    let told = asked
        .find(|told| told["imports"][0]["running"] == false)
        .unwrap();
    assert_eq!(told["imports"].as_array().map(Vec::len), Some(1), "{told}");
    assert!(
        first(&list()).contains("was broken off; import it again"),
        "{}",
        list()
    );
    assert!(
        running
            .log()
            .contains("an import of history was broken off"),
        "{}",
        running.log()
    );
    let again = house.run_with(&["import", "-"], ROWS).good();
    assert!(!again.contains("schedules wait"), "{again}");
    assert!(list().starts_with("campaign"), "{}", list());
    running.stop();
}

#[test]
fn a_backup_is_taken_while_it_runs() {
    let house = House::new();
    house.write("rows.jsonl", ROWS);
    let running = house.start();
    house.run(&["import", "rows.jsonl"]).good();
    house.run(&["backup", "copy"]).good();
    assert_eq!(house.run(&["verify"]).good(), "the store is whole\n");
    running.stop();
    fs::rename(house.path("data"), house.path("old")).unwrap();
    house.run(&["restore", "copy"]).good();
    let running = house.start();
    assert!(
        running.log().contains("sending is held"),
        "{}",
        running.log()
    );
    house.run(&["customer", "show", "c-2"]).good();
    running.stop();
}
