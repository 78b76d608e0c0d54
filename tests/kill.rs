//! `kill -9` at random instants while events stream in and mails go out to a real SMTP server: every acknowledged event
//! is there, no message is missing, no Message-ID is accepted twice save those in doubt, each of which the log settles, and
//! no coupon code goes to two customers, or is lost.
//!
//! The child is this test binary again: the real engine on the embedded store with the system's clock. 8 rounds by
//! default, 200 with `REVEILLE_SOAK=1`; the seed is printed and can be given as `REVEILLE_SEED`.

mod app;
mod smtp_server;

use app::lay_out;
use reveille::clock::Clock;
use reveille::config::Config;
use reveille::domain::cause::{Cause, Liveness, ProfileChange};
use reveille::domain::event::Event;
use reveille::domain::id::{CustomerId, EventName};
use reveille::domain::ledger::{LogRow, Status};
use reveille::domain::value::Properties;
use reveille::engine::batch::Work;
use reveille::engine::state::EventRow;
use reveille::engine::{Core, Parts};
use reveille::store::codec::decode;
use reveille::store::embedded::{EmbeddedStore, Options};
use reveille::store::{Direction, Store, Stream, StreamFilter, keys};
use reveille::transport::Transport;
use reveille::transport::config::{Deadlines, TransportConfig};
use smtp_server::{At, Rule, SmtpServer};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const DIR: &str = "REVEILLE_KILL_DIR";
const PORT: &str = "REVEILLE_KILL_PORT";

const CONFIG: &str = r#"
[sender]
from = "Corner Shop <hello@shop.example>"
[transport.main]
kind = "smtp"
host = "127.0.0.1"
port = 25
tls = "none"
[engine]
retry = ["20ms"]
settle = "20ms"
relay_aside = "20ms"
"#;

const CAMPAIGN: &str = r#"
name  = "Receipt"
state = "live"
class = "transactional"

[trigger]
event = "Order Completed"

[[step]]
id       = "receipt"
template = "receipt"
subject  = "Thank you, {{customer.id}}"
coupon   = "thanks"
"#;

const POOLS: &str = "[thanks]\ngenerate = { prefix = \"K-\", length = 10, count = 20000 }\n";

fn store_options() -> Options {
    Options {
        reserve_bytes: 0,
        journal_segment_bytes: 1 << 20,
        seal_bytes: 1 << 20,
        snapshot_bytes: 2 << 20,
        wall: reveille::clock::wall,
        ..Options::default()
    }
}

/// The child's part: takes a customer's number a line, answers when their order is durable, mails meanwhile.
#[test]
fn child() {
    let (Ok(dir), Ok(port)) = (std::env::var(DIR), std::env::var(PORT)) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async move {
        let (store, _) =
            EmbeddedStore::open(&Path::new(&dir).join("data"), store_options()).unwrap();
        let config = Config::load(&Path::new(&dir).join("config.toml")).unwrap();
        let mut smtp = TransportConfig::smtp("main", "127.0.0.1", port.parse().unwrap());
        smtp.connections = 8;
        // The server below is unkind on purpose: it must not be set aside for longer than a life lasts.
        smtp.back_off.first = Duration::from_millis(20);
        smtp.back_off.most = Duration::from_millis(100);
        if let reveille::transport::config::CarrierConfig::Smtp(smtp) = &mut smtp.carrier {
            smtp.tls = reveille::transport::config::Tls::None;
            smtp.deadlines = Deadlines::all(Duration::from_secs(5));
        }
        let transports = BTreeMap::from([("main".to_owned(), Transport::new(smtp).unwrap())]);
        let parts = Parts {
            store: Arc::new(store),
            clock: Clock::system(),
            config,
            transports,
            recorder: None,
        };
        let core = Core::open(parts).await.unwrap();
        let ticking = Arc::clone(&core);
        tokio::spawn(async move {
            loop {
                if let Err(error) = ticking.tick().await {
                    eprintln!("tick: {error}");
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        let (lines_in, mut lines) = tokio::sync::mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                if lines_in.send(line).is_err() {
                    return;
                }
            }
        });
        while let Some(line) = lines.recv().await {
            let core = Arc::clone(&core);
            tokio::spawn(async move {
                order(&core, &line).await;
                println!("ack {line}");
            });
        }
    });
}

async fn order(core: &Core, n: &str) {
    let id = CustomerId::parse(&format!("c{n}")).unwrap();
    let no = core
        .directory
        .resolve(std::slice::from_ref(&id))
        .await
        .unwrap()[0];
    let work = |cause| Work {
        customer: no,
        id: Some(id.clone()),
        cause,
        mail: None,
    };
    let change = ProfileChange {
        email: Some(format!("c{n}@customers.example").as_str())
            .map(|a| reveille::domain::address::EmailAddress::parse(a).unwrap()),
        ..ProfileChange::default()
    };
    core.shard(no)
        .act(work(Cause::Profile(Box::new(change), Liveness::Live)))
        .await
        .unwrap();
    let event = Event {
        name: EventName::parse("Order Completed").unwrap(),
        time: core.clock.now(),
        properties: Properties::new(),
        identity: n.parse().unwrap(),
        ahead: false,
    };
    core.shard(no)
        .act(work(Cause::Event(event, Liveness::Live)))
        .await
        .unwrap();
}

struct Running {
    child: Child,
    acked: Arc<Mutex<HashSet<u64>>>,
}

fn start(dir: &Path, port: u16) -> Running {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .env(PORT, port.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let acked = Arc::new(Mutex::new(HashSet::new()));
    let out = BufReader::new(child.stdout.take().unwrap());
    let set = Arc::clone(&acked);
    std::thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            // The test harness may print before the first acknowledgement on the same line.
            if let Some(at) = line.find("ack ")
                && let Ok(n) = line[at + 4..].parse()
            {
                set.lock().unwrap().insert(n);
            }
        }
    });
    Running { child, acked }
}

impl Running {
    fn offer(&mut self, n: u64) {
        let stdin = self.child.stdin.as_mut().unwrap();
        let _ = writeln!(stdin, "{n}");
        let _ = stdin.flush();
    }
    fn kill(mut self) -> HashSet<u64> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.acked.lock().unwrap().clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_instant_nothing_is_lost_and_nothing_sent_twice_save_in_doubt() {
    if std::env::var(DIR).is_ok() {
        return;
    }
    let soak = std::env::var("REVEILLE_SOAK").is_ok();
    let rounds = if soak { 200 } else { 8 };
    let seed = std::env::var("REVEILLE_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or_else(|| u64::from(std::process::id()).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    println!("seed {seed} (REVEILLE_SEED), {rounds} rounds");
    let mut state = seed | 1;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let dir = tempfile::tempdir().unwrap();
    lay_out(dir.path(), CONFIG, &[("receipt.toml", CAMPAIGN)]);
    std::fs::write(
        dir.path().join("templates/receipt.html.hbs"),
        "<p>Thank you, {{customer.id}}. CODE:{{coupon.code}}.</p>",
    )
    .unwrap();
    std::fs::write(dir.path().join("campaigns/coupons.toml"), POOLS).unwrap();
    let server = SmtpServer::start(smtp_server::Options::default()).await;
    // The world is unkind even without kills: hang-ups after the final dot are doubts of their own.
    server.rule(Rule::at(At::Taken).hang_up().nth_message(5));
    server.rule(
        Rule::at(At::Rcpt)
            .say("451 4.7.1 greylisted")
            .nth_message(9)
            .times(1),
    );
    let mut next = 0u64;
    let mut acked: HashSet<u64> = HashSet::new();
    for round in 0..rounds {
        let mut running = start(dir.path(), server.port());
        // What was not acknowledged is offered again, and some that was: known events change nothing.
        for n in 0..next {
            if !acked.contains(&n) || random(20) == 0 {
                running.offer(n);
            }
        }
        let lives = Duration::from_millis(150 + random(900));
        let until = reveille::clock::stopwatch() + lives;
        while reveille::clock::stopwatch() < until {
            if next < (round + 1) * 60 {
                running.offer(next);
                next += 1;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        acked.extend(running.kill());
    }
    // The last life is left alone until every order is acknowledged and every receipt is out.
    let mut running = start(dir.path(), server.port());
    for n in 0..next {
        if !acked.contains(&n) {
            running.offer(n);
        }
    }
    let deadline = reveille::clock::stopwatch() + Duration::from_secs(60);
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let mut known = acked.clone();
        known.extend(running.acked.lock().unwrap().iter());
        let reached: HashSet<String> = server.messages().iter().map(|m| m.to.clone()).collect();
        if known.len() as u64 == next && reached.len() as u64 == next {
            break;
        }
        assert!(
            reveille::clock::stopwatch() < deadline,
            "{} of {next} acknowledged, {} reached",
            known.len(),
            reached.len()
        );
    }
    // Time for what is in doubt to be settled, then the last kill.
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    acked.extend(running.kill());
    judge(dir.path(), &server, next, &acked).await;
}

/// Opens what the children left and holds it against what the server took.
async fn judge(dir: &Path, server: &SmtpServer, next: u64, acked: &HashSet<u64>) {
    let (store, opening) = EmbeddedStore::open(&dir.join("data"), store_options()).unwrap();
    println!("{opening}");
    let rows = store
        .read_stream(Stream::Events, StreamFilter::default())
        .await
        .unwrap();
    let mut events: HashMap<u64, usize> = HashMap::new();
    for row in &rows {
        let row: EventRow = decode(&row.payload).unwrap();
        *events.entry(row.event.identity).or_default() += 1;
    }
    for n in acked {
        assert_eq!(
            events.get(n),
            Some(&1),
            "acknowledged order {n} must be there once"
        );
    }
    let log = store
        .read_stream(Stream::Log, StreamFilter::default())
        .await
        .unwrap();
    let log: Vec<LogRow> = log.iter().map(|r| decode(&r.payload).unwrap()).collect();
    let mut doubted: HashMap<u64, usize> = HashMap::new();
    let mut accepted: HashMap<u64, usize> = HashMap::new();
    for row in &log {
        match row.status {
            Status::Uncertain => *doubted.entry(row.customer.0).or_default() += 1,
            Status::Accepted => *accepted.entry(row.customer.0).or_default() += 1,
            _ => {}
        }
    }
    let mut copies: HashMap<String, (usize, HashSet<String>)> = HashMap::new();
    let mut codes: HashMap<String, String> = HashMap::new();
    for message in server.messages() {
        let text = String::from_utf8_lossy(&message.bytes).replace("=\r\n", "");
        let (_, code) = text.split_once("CODE:").expect("each names a code");
        let code = code.split('.').next().unwrap().to_owned();
        let other = codes.insert(code, message.to.clone());
        let same = other.is_none_or(|other| other == message.to);
        assert!(same, "a coupon code was sent to two customers");
        let at = copies.entry(message.to.clone()).or_default();
        at.0 += 1;
        at.1.insert(message.message_id.clone());
    }
    assert_eq!(copies.len() as u64, next, "no message is missing");
    assert_eq!(codes.len() as u64, next, "each customer has one code");
    // None is lost: as many are given as customers have.
    let kept = store.scan(keys::coupons_all(), Direction::Forward, usize::MAX);
    let given = kept
        .await
        .unwrap()
        .into_iter()
        .filter(|(key, _)| key[1] == b'g');
    assert_eq!(given.count() as u64, next);
    // Whose number is whose: the Message-ID begins with the customer's number in hexadecimal.
    let mut twice = 0;
    for (to, (count, ids)) in &copies {
        assert_eq!(ids.len(), 1, "{to}: one entry, one step, one Message-ID");
        let id = ids.iter().next().unwrap();
        let no =
            u64::from_str_radix(id.trim_start_matches('<').split('.').next().unwrap(), 16).unwrap();
        let doubts = doubted.get(&no).copied().unwrap_or(0);
        assert!(
            *count <= 1 + doubts,
            "{to} got {count} copies with {doubts} doubts"
        );
        assert_eq!(
            accepted.get(&no),
            Some(&1),
            "{to}: accepted once in the log, doubts {doubts}"
        );
        twice += usize::from(*count > 1);
    }
    println!(
        "{next} orders, {} acknowledged before the end, {} messages in doubt, {twice} of them delivered twice",
        acked.len(),
        doubted.len()
    );
}
