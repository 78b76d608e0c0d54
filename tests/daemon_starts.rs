//! How the daemon starts and stops: signals before it is ready, going live, a socket that cannot be had, what its log
//! looks like, and a stop with a mail under way.

mod cli_house;
mod smtp_server;

use cli_house::{House, ROWS, Running};
use rustix::process::Signal;
use smtp_server::{At, Options, Rule, SmtpServer};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// A campaign whose file cannot be read before somebody writes it: while the daemon waits for that, it is being opened.
struct Gate(fs::File);

impl Gate {
    const FILE: &str = "campaigns/slow.toml";

    fn make(house: &House) {
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, house.path(Gate::FILE), kind, mode, 0).unwrap();
    }

    /// Returns when the daemon reads it.
    fn reached(house: &House) -> Gate {
        let path = house.path(Gate::FILE);
        let file = fs::File::options().write(true).open(&path).unwrap();
        // Later readings of the folder don't find it.
        fs::remove_file(path).unwrap();
        Gate(file)
    }

    fn open(self) {
        drop(self.0);
    }
}

#[test]
fn a_hangup_before_it_is_ready_is_kept_and_reloads() {
    let house = House::new();
    Gate::make(&house);
    let running = house.spawn(&["run"], &[]);
    let gate = Gate::reached(&house);
    running.signal(Signal::HUP);
    gate.open();
    running.told("READY=1");
    running.told("RELOADING=1");
    running.told("READY=1");
    assert!(running.log().contains("reloaded"), "{}", running.log());
    assert_eq!(running.stop().0.code(), Some(0));
}

#[test]
fn a_stop_while_it_is_opening_closes_what_was_opened() {
    let house = House::new();
    Gate::make(&house);
    let running = house.spawn(&["run"], &[]);
    let gate = Gate::reached(&house);
    running.signal(Signal::TERM);
    let before = running.told("STOPPING=1");
    gate.open();
    let (status, log) = running.end();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("the store is closed"), "{log}");
    assert!(
        !before.iter().any(|told| told.contains("READY=1")),
        "{before:?}"
    );
    assert!(!house.path("data/admin.sock").exists());
    house.run(&["campaign", "list"]).good();
}

/// The configuration with a relay in place of the mail folder.
fn by_smtp(house: &House, port: u16, more: &str) -> String {
    let config = fs::read_to_string(house.path("config.toml")).unwrap();
    let folder = "[transport.main]\nkind = \"folder\"\npath = \"mail\"\n";
    assert!(config.contains(folder));
    let relay = format!(
        "[transport.main]\nkind = \"smtp\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n"
    );
    let config = config
        .replace(folder, &relay)
        .replace("# address = ", "address = ")
        .replace("# unsubscribe_mailto =", "unsubscribe_mailto =");
    format!("{config}{more}")
}

fn rehearsed() -> (House, String) {
    let house = House::new();
    house.write("rows.jsonl", ROWS);
    house.run(&["import", "rows.jsonl"]).good();
    let rehearsal = fs::read_to_string(house.path("config.toml")).unwrap();
    house.write("config.toml", &by_smtp(&house, 9, ""));
    (house, rehearsal)
}

#[test]
fn going_live_changes_the_store_and_ends() {
    let (house, _) = rehearsed();
    let refused = house.run(&["run"]);
    assert_eq!(refused.code, 1, "{}", refused.all());
    assert!(refused.err.contains("reveille go-live"), "{}", refused.err);
    // Nobody can be asked: nothing happens.
    let unasked = house.run(&["go-live"]);
    assert_eq!(unasked.code, 1, "{}", unasked.all());
    assert!(
        unasked.err.contains("from \"rehearsal\" to \"real\""),
        "{}",
        unasked.err
    );
    assert!(
        unasked.err.contains("nothing was changed"),
        "{}",
        unasked.err
    );
    assert_eq!(house.run(&["run"]).code, 1);

    let done = house.run(&["go-live", "--yes"]).good();
    assert!(
        done.contains("\"real\" now: 2 customers kept; 0 enrollments ended"),
        "{done}"
    );
    let again = house.run(&["go-live", "--json"]).json();
    assert_eq!(
        (&again["mode"], &again["changed"]),
        (&"real".into(), &false.into())
    );
    let running = house.start();
    house.run(&["customer", "show", "c-2"]).good();
    let beside = house.run(&["go-live", "--yes"]);
    assert_eq!(beside.code, 5, "{}", beside.all());
    assert!(
        beside.err.contains("another daemon answers"),
        "{}",
        beside.err
    );
    assert_eq!(running.stop().0.code(), Some(0));
}

#[test]
fn going_live_needs_a_store_and_no_credential() {
    let house = House::new();
    let config = by_smtp(&house, 9, "").replace(
        "tls = \"none\"\n",
        "tls = \"none\"\nusername = \"shop\"\ncredential = \"smtp-password\"\n",
    );
    let rehearsal = fs::read_to_string(house.path("config.toml")).unwrap();
    house.write("config.toml", &config);
    let none = house.run(&["go-live", "--yes"]);
    assert_eq!(none.code, 4, "{}", none.all());
    assert!(!house.path("data").exists());
    house.write("config.toml", &rehearsal);
    house.write("rows.jsonl", ROWS);
    house.run(&["import", "rows.jsonl"]).good();
    house.write("config.toml", &config);
    let done = house.run(&["go-live", "--yes"]).good();
    assert!(done.contains("\"real\" now"), "{done}");
}

#[test]
fn run_goes_live_only_if_everything_else_can_be_opened() {
    let (house, rehearsal) = rehearsed();
    let real = fs::read_to_string(house.path("config.toml")).unwrap();
    // The folder of the socket cannot be made, as /run/reveille can't by hand.
    house.write("in-the-way", "");
    let usual = "# socket = \"data/admin.sock\"";
    assert!(real.contains(usual));
    let shut = real.replace(usual, "socket = \"in-the-way/admin.sock\" #");
    house.write("config.toml", &shut);
    let refused = house.run(&["run", "--go-live"]);
    assert_eq!(refused.code, 5, "{}", refused.all());
    assert!(
        refused.err.contains("in-the-way/admin.sock"),
        "{}",
        refused.err
    );
    // The store still rehearses.
    house.write("config.toml", &rehearsal);
    house.run(&["customer", "set", "c-1", "locale=ko"]).good();
    house.write("config.toml", &real);
    assert_eq!(house.run(&["run"]).code, 1);

    let running = house.spawn(&["run", "--go-live"], &[]);
    running.told("READY=1");
    assert!(
        running.log().contains("taken to another mode"),
        "{}",
        running.log()
    );
    assert_eq!(running.stop().0.code(), Some(0));
    let running = house.start();
    assert_eq!(running.stop().0.code(), Some(0));
}

#[test]
fn the_log_is_json_where_that_is_asked_for() {
    let house = House::new();
    let running = house.spawn(&["--log", "json", "run"], &[]);
    running.told("READY=1");
    let (_, log) = running.stop();
    let mut said = Vec::new();
    for line in log.lines() {
        let event: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        for key in ["timestamp", "level", "target", "message"] {
            assert!(event[key].is_string(), "no {key}: {line}");
        }
        said.push(event["message"].as_str().unwrap().to_owned());
    }
    for message in [
        "starting",
        "ready",
        "stopping",
        "stopped; the store is closed",
    ] {
        assert!(said.iter().any(|s| s == message), "{message}: {said:?}");
    }
}

#[test]
fn the_log_is_plain_text_where_nobody_sits_and_prioritized_in_the_journal() {
    let house = House::new();
    let running = house.spawn(&["run"], &[("JOURNAL_STREAM", "1:1")]);
    running.told("READY=1");
    let (_, log) = running.stop();
    let ready = log.lines().find(|line| line.contains(" ready ")).unwrap();
    assert!(ready.contains(" INFO "), "{ready}");
    assert!(!log.contains('\u{1b}'), "{log}");
    let listed = house.run(&["campaign", "list"]);
    assert!(!listed.all().contains('\u{1b}'), "{}", listed.all());

    // The same file is written again, as the journal's stream that standard error is.
    let file = fs::metadata(house.path("stderr")).unwrap();
    let stream = format!("{}:{}", file.dev(), file.ino());
    let running = house.spawn(&["run"], &[("JOURNAL_STREAM", &stream)]);
    running.told("READY=1");
    let (_, log) = running.stop();
    for line in log.lines() {
        assert!(line.starts_with("<6>"), "{line}");
    }
    assert!(!log.contains('\u{1b}') && log.contains("ready"), "{log}");
}

#[test]
fn a_socket_that_a_killed_daemon_left_is_in_nobodys_way() {
    let house = House::new();
    house.write("rows.jsonl", ROWS);
    let running = house.start();
    house.run(&["import", "rows.jsonl"]).good();
    house.run(&["backup", "copy"]).good();
    let answered = house.run(&["restore", "copy"]);
    assert_eq!(answered.code, 5, "{}", answered.all());
    assert!(
        answered.err.contains("another daemon answers"),
        "{}",
        answered.err
    );
    running.kill();
    let socket = house.path("data/admin.sock");
    assert!(socket.exists());
    for entry in fs::read_dir(house.path("data")).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => fs::remove_dir_all(path).unwrap(),
            false if path == socket => {}
            false => fs::remove_file(path).unwrap(),
        }
    }
    house.run(&["restore", "copy"]).good();
    let running = house.start();
    house.run(&["customer", "show", "c-2"]).good();
    running.stop();
}

const RECEIPT: &str = r#"
name  = "Receipt"
state = "live"
class = "transactional"

[trigger]
event = "Order Completed"

[[step]]
id       = "receipt"
template = "receipt"
subject  = "Thank you"
"#;

/// A server that tells when it has taken a message, and says so to the daemon only when it is let.
fn slow(server: &SmtpServer) -> (Receiver<()>, Sender<()>) {
    let (arrived_in, arrived) = channel();
    let (go, may_go) = channel::<()>();
    server.on_taken(move |_| {
        let _ = arrived_in.send(());
        // Let go of by a word, or by the end of the test.
        let _ = may_go.recv();
    });
    (arrived, go)
}

fn ordering(house: &House, port: u16, engine: &str) {
    house.write("campaigns/receipt.toml", RECEIPT);
    house.write("templates/receipt.html.hbs", "<p>Thank you.</p>\n");
    let config = by_smtp(house, port, "");
    let config = config.replace("[engine]\n", &format!("[engine]\n{engine}"));
    house.write("config.toml", &config);
}

fn order(house: &House, n: usize) {
    let rows = format!(
        concat!(
            r#"{{"type":"identify","userId":"c-{0}","traits":{{"email":"c-{0}@customers.example"}}}}"#,
            "\n",
            r#"{{"type":"track","userId":"c-{0}","event":"Order Completed","properties":{{"order_id":"o-{0}"}}}}"#,
            "\n"
        ),
        n
    );
    house.run_with(&["import", "--live", "-"], &rows).good();
}

/// Waits for a message at the server, then presses stop; returns when the daemon is stopping.
fn stop_in_the_middle(running: &Running, arrived: &Receiver<()>) {
    arrived.recv_timeout(PATIENCE).expect("a message comes");
    running.signal(Signal::TERM);
    running.told("STOPPING=1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_mail_under_way_at_the_stop_is_waited_for_and_sent_once() {
    let server = SmtpServer::start(Options::default()).await;
    let (arrived, go) = slow(&server);
    let house = House::new();
    ordering(&house, server.port(), "");
    let running = house.start();
    order(&house, 1);
    stop_in_the_middle(&running, &arrived);
    go.send(()).unwrap();
    let (status, log) = running.end();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!log.contains("not all messages in hand"), "{log}");
    assert_eq!(statuses(&house, 1), ["waiting", "attempting", "accepted"]);

    // The next start sends what is new, and nothing again.
    drop(go);
    let running = house.start();
    order(&house, 2);
    arrived.recv_timeout(PATIENCE).unwrap();
    let (status, log) = running.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!log.contains("in doubt"), "{log}");
    let to: Vec<String> = server.messages().into_iter().map(|m| m.to).collect();
    assert_eq!(to, ["c-1@customers.example", "c-2@customers.example"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_mail_that_does_not_end_in_time_is_in_doubt_and_not_lost() {
    let server = SmtpServer::start(Options::default()).await;
    // After the final dot nothing comes for ever; the message is not taken.
    server.rule(Rule::at(At::End).stall().times(1));
    let house = House::new();
    ordering(&house, server.port(), "");
    let config = fs::read_to_string(house.path("config.toml")).unwrap();
    let hasty = [
        ("stop_within   = \"30s\"", "stop_within = \"300ms\""),
        ("settle        = \"1m\"", "settle = \"10ms\""),
    ];
    let config = hasty.iter().fold(config, |text, (was, is)| {
        assert!(text.contains(was), "{was}");
        text.replace(was, is)
    });
    house.write("config.toml", &config);
    let (arrived_in, arrived) = channel();
    server.on_taken(move |_| arrived_in.send(()).unwrap());
    let running = house.start();
    order(&house, 1);
    let said = tokio::time::timeout(PATIENCE, server.wait_for_command("DATA"));
    said.await.expect("a message comes");
    let (status, log) = running.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(
        log.contains("not all messages in hand came to an end in time"),
        "{log}"
    );

    let running = house.start();
    assert!(running.log().contains("in doubt"), "{}", running.log());
    arrived
        .recv_timeout(PATIENCE)
        .expect("it is sent once more");
    assert_eq!(running.stop().0.code(), Some(0));
    let rows = statuses(&house, 1);
    assert!(rows.contains(&"uncertain".to_owned()), "{rows:?}");
    assert_eq!(
        rows.last().map(String::as_str),
        Some("accepted"),
        "{rows:?}"
    );
    assert_eq!(server.taken(), 1);
}

/// What became of the customer's message, step by step.
fn statuses(house: &House, n: usize) -> Vec<String> {
    let customer = format!("c-{n}");
    let rows = house
        .run(&["log", "--customer", &customer, "--json"])
        .good();
    let rows = rows
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut all: Vec<String> = rows
        .filter(|row| row["message_id"].is_string())
        .map(|row| row["status"].as_str().unwrap().to_owned())
        .collect();
    all.dedup();
    all
}

/// `[engine] clock_gap` is how far the clocks may part before sending is held.
#[tokio::test]
async fn sending_is_held_as_soon_as_the_clocks_part_by_clock_gap() {
    use reveille::clock::Clock;
    use reveille::config::Config;
    use reveille::daemon::house::{House as Opened, How, Purpose};
    use reveille::domain::time::{Span, Timestamp};
    for (gap, held) in [("5m", false), ("30s", true)] {
        let house = House::new();
        let config = fs::read_to_string(house.path("config.toml")).unwrap();
        let usual = "clock_gap     = \"5m\"";
        assert!(config.contains(usual));
        house.write(
            "config.toml",
            &config.replace(usual, &format!("clock_gap = \"{gap}\"")),
        );
        let config = Config::load(&house.path("config.toml")).unwrap();
        let clock = Clock::virtual_at(Timestamp(1_800_000_000_000));
        let how = How {
            clock: clock.clone(),
            ..How::new(Purpose::Serve)
        };
        let opened = Opened::open(&config, how).await.unwrap();
        assert_eq!(opened.core.held(), None);
        clock.set_wall(clock.now() + Span::minutes(1));
        assert_eq!(
            opened.core.held().is_some(),
            held,
            "{gap}: {:?}",
            opened.core.held()
        );
        opened.close().await.unwrap();
    }
}

/// The demo begins at a fixed instant and chance falls the same way: whoever runs it reads the same story.
#[test]
fn the_demo_tells_the_same_story_wherever_and_whenever_it_is_run() {
    let story = |zone: &str| {
        let house = House::new();
        let mut command =
            house.command(&["demo", "--days", "2", "--customers", "400", "--dir", "shop"]);
        let output = command.env("TZ", zone).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let text = text.replace(house.path("shop").to_str().unwrap(), "SHOP");
        // How long it took is the machine's.
        let took = regex::Regex::new(r"\(\d+(\.\d)? s\)").unwrap();
        took.replace_all(&text, "(TIME)").into_owned()
    };
    let first = story("Asia/Tokyo");
    assert!(
        first.contains("Mon 16 Mar") && first.contains("Tue 17 Mar"),
        "{first}"
    );
    assert_eq!(first, story("America/Los_Angeles"));
}

#[test]
fn the_demo_stays_until_it_is_stopped() {
    let house = House::new();
    let running = house.spawn(
        &[
            "demo",
            "--stay",
            "--days",
            "1",
            "--customers",
            "60",
            "--dir",
            "shop",
        ],
        &[],
    );
    running.told("READY=1");
    let shop = ["--config", "shop/config.toml"];
    let asked = |verb: &[&str]| house.run(&[&shop[..], verb].concat()).good();
    assert!(asked(&["campaign", "list"]).contains("welcome"));
    // Its clock goes on from where the story ended.
    let explained = asked(&["explain", "customer-00001"]);
    assert!(
        explained.lines().next().unwrap().contains(" Mar 2026"),
        "{explained}"
    );
    assert!(house.path("shop/data/admin.sock").exists());
    let (status, log) = running.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!house.path("shop/data/admin.sock").exists());
    assert!(asked(&["log", "-n", "1"]).contains("2026-03-"));
}
