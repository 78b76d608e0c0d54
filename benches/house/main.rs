//! Whole-house figures, measured in one run on one machine: events made durable, the cost of a tick, evaluation of a new
//! campaign, mails accepted by a local SMTP server, opening time and memory.
//!
//! `cargo bench --bench house [-- PART ...]` with parts `events`, `import`, `mails`, `http`, `tick`, `walk`, `plan`, `open`;
//! all by default.
//! `REVEILLE_BENCH_CUSTOMERS` (default 1000000) sets the size of the base.

mod http;
mod load;
mod plan;
mod postgres;
#[path = "../../tests/smtp_server/mod.rs"]
mod smtp_server;
#[path = "../../tests/app/watched.rs"]
mod watched;

use reveille::clock::{Clock, stopwatch};
use reveille::config::Config;
use reveille::domain::address::EmailAddress;
use reveille::domain::cause::{Cause, Liveness, ProfileChange};
use reveille::domain::event::Event;
use reveille::domain::id::{CustomerId, CustomerNo, EventName};
use reveille::domain::time::{Span, Timestamp};
use reveille::domain::value::{Properties, Value};
use reveille::engine::batch::Work;
use reveille::engine::{Core, Parts};
use reveille::store::Store;
use reveille::store::embedded::{EmbeddedStore, Options};
use reveille::transport::Transport;
use reveille::transport::config::{CarrierConfig, Tls, TransportConfig};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use watched::Watched;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CONFIG: &str = r#"
[sender]
from = "Corner Shop <hello@shop.example>"
[transport.main]
kind = "folder"
path = "mail"
[safety]
at_once = "100000000 or 100%"
"#;

const DORMANT: &str = r#"
name  = "Dormant"
state = "live"
class = "informational"
[schedule]
cron = "0 10 * * *"
timezone = "UTC"
[audience]
all = [{ event = "Order Completed", last = ">= 90d" }, { not = { tag = "vip" } }]
[entry]
again = "after_leaving"
existing = "skip"
[[step]]
id = "hello"
template = "plain"
subject = "Hello"
"#;

const RECEIPT: &str = r#"
name  = "Receipt"
state = "live"
class = "transactional"
[trigger]
event = "Receipt Wanted"
[[step]]
id = "receipt"
template = "plain"
subject = "Thank you, {{customer.id}}"
"#;

/// Another campaign for the walk: a new audience over the same events and one more.
const NEW: &str = r#"
name  = "New"
state = "live"
class = "informational"
[schedule]
cron = "0 11 * * *"
timezone = "UTC"
[audience]
all = [{ event = "Order Completed", last = ">= 60d" }, { known_for = ">= 30d" }]
[entry]
existing = "skip"
[[step]]
id = "hello"
template = "plain"
subject = "Hello"
"#;

const NOW: Timestamp = Timestamp(1_772_000_000_000);

struct House {
    core: Arc<Core>,
    clock: Clock,
    /// Counts what a tick asks of the store.
    store: Arc<Watched<EmbeddedStore>>,
}

fn campaigns(dir: &Path, files: &[(&str, &str)]) {
    std::fs::create_dir_all(dir.join("campaigns")).expect("a folder");
    std::fs::create_dir_all(dir.join("templates")).expect("a folder");
    std::fs::write(dir.join("config.toml"), CONFIG).expect("a file");
    std::fs::write(
        dir.join("templates/plain.html.hbs"),
        "<h1>Thank you, {{customer.id}}</h1><p>We are glad that you came by; this is what you asked for.</p>",
    )
    .expect("a file");
    for (name, text) in files {
        std::fs::write(dir.join("campaigns").join(name), text).expect("a file");
    }
}

fn options() -> Options {
    Options {
        wall: reveille::clock::wall,
        ..Options::default()
    }
}

async fn open(dir: &Path, transport: TransportConfig) -> House {
    let (store, opening) =
        EmbeddedStore::open(&dir.join("data"), options()).expect("the store opens");
    println!("    opening: {opening}");
    let store = Watched::over(store);
    let clock = Clock::virtual_at(NOW);
    let config = Config::load(&dir.join("config.toml")).expect("a good config");
    let transports = BTreeMap::from([(
        "main".to_owned(),
        Transport::new(transport).expect("a transport"),
    )]);
    let parts = Parts {
        store: Arc::clone(&store) as Arc<dyn Store>,
        clock: clock.clone(),
        config,
        transports,
        recorder: None,
    };
    let core = Core::open(parts).await.expect("the engine opens");
    core.settle().await.expect("settles");
    House { core, clock, store }
}

fn event(name: &str, at: Timestamp, identity: u64) -> Event {
    let mut properties = Properties::new();
    properties.insert("order_id".into(), Value::Text(format!("o{identity}")));
    properties.insert("total".into(), Value::Float(29.33));
    properties.insert("currency".into(), Value::Text("EUR".into()));
    Event {
        name: EventName::parse(name).expect("a name"),
        time: at,
        properties,
        identity,
        ahead: false,
    }
}

/// Offers works in order, many in flight, and waits for all.
async fn offer_all(core: &Arc<Core>, works: Vec<Work>) {
    let mut tasks = Vec::new();
    let mut by_shard: BTreeMap<u64, Vec<Work>> = BTreeMap::new();
    for work in works {
        by_shard.entry(work.customer.0 % 64).or_default().push(work);
    }
    for works in by_shard.into_values() {
        let core = Arc::clone(core);
        tasks.push(tokio::spawn(async move {
            let mut answers = Vec::with_capacity(works.len());
            for work in works {
                let customer = work.customer;
                answers.push(core.shard(customer).offer(work).await);
            }
            for answer in answers {
                answer.await.expect("answered").expect("durable");
            }
        }));
    }
    for task in tasks {
        task.await.expect("no panic");
    }
}

fn id(n: u64) -> CustomerId {
    CustomerId::parse(&format!("customer-{n:08}")).expect("a good id")
}

async fn numbers(core: &Core, from: u64, to: u64) -> Vec<CustomerNo> {
    let ids: Vec<CustomerId> = (from..to).map(id).collect();
    core.directory.resolve(&ids).await.expect("numbers")
}

fn profile(n: u64) -> Cause {
    let mut change = ProfileChange {
        email: EmailAddress::parse(&format!("c{n}@customers.example")).ok(),
        ..ProfileChange::default()
    };
    change
        .attributes
        .insert("first_name".into(), Value::Text("Mina".into()));
    Cause::Profile(Box::new(change), Liveness::History)
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find(|l| l.starts_with("VmRSS:"))
        .unwrap_or("");
    line.split_whitespace()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(0)
        / 1024
}

async fn fill(house: &House, customers: u64) {
    let start = stopwatch();
    for from in (0..customers).step_by(20_000) {
        let to = (from + 20_000).min(customers);
        let works = numbers(&house.core, from, to)
            .await
            .into_iter()
            .zip(from..)
            .flat_map(|(no, n)| {
                // None of them becomes dormant while a tick is measured.
                let age = Span::hours((n % 2_000) as i64);
                let order = Cause::Event(event("Order Completed", NOW - age, n), Liveness::History);
                [profile(n), order].map(|cause| Work {
                    customer: no,
                    id: Some(id(n)),
                    cause,
                    mail: None,
                })
            })
            .collect();
        offer_all(&house.core, works).await;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "    filled: {customers} customers, a profile and an order each, in {seconds:.1} s ({:.0} causes/s); resident {} MB",
        2.0 * customers as f64 / seconds,
        resident()
    );
}

async fn events(customers: u64) {
    println!("events made durable, over {customers} customers, shipped-like campaigns loaded");
    let dir = tempfile::tempdir().expect("a folder");
    campaigns(
        dir.path(),
        &[("dormant.toml", DORMANT), ("receipt.toml", RECEIPT)],
    );
    let house = open(
        dir.path(),
        TransportConfig::folder("main", dir.path().join("mail")),
    )
    .await;
    fill(&house, customers).await;
    let total = 400_000u64;
    let numbers = numbers(&house.core, 0, customers).await;
    let start = stopwatch();
    for from in (0..total).step_by(20_000) {
        let works = (from..from + 20_000)
            .map(|n| {
                // Spread over the base as a hash would, not in order.
                let who = (n.wrapping_mul(2_654_435_761) % customers) as usize;
                let age = Span::minutes((n % 10_000) as i64);
                let cause = Cause::Event(
                    event("Order Completed", NOW - age, (1 << 40) + n),
                    Liveness::History,
                );
                Work {
                    customer: numbers[who],
                    id: None,
                    cause,
                    mail: None,
                }
            })
            .collect();
        offer_all(&house.core, works).await;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "  {total} events in {seconds:.2} s: {:.0} events/s; resident {} MB",
        total as f64 / seconds,
        resident()
    );
    house.store.inner.close().expect("closes");
}

/// The same through the command: a file of JSON Lines, read, checked, resolved and made durable by a process of its own.
fn import(customers: u64) {
    println!("rows imported by `reveille import`, {customers} customers");
    let dir = tempfile::tempdir().expect("a folder");
    campaigns(
        dir.path(),
        &[("dormant.toml", DORMANT), ("receipt.toml", RECEIPT)],
    );
    let total = 4 * customers;
    let mut text = String::new();
    for n in 0..customers {
        text += &format!(
            "{{\"type\":\"identify\",\"userId\":\"c-{n}\",\"timestamp\":\"2026-01-01T00:00:00Z\",\"traits\":{{\"email\":\"c{n}@customers.example\"}}}}\n"
        );
    }
    for n in 0..total {
        let who = n.wrapping_mul(2_654_435_761) % customers;
        let (day, minute) = (1 + n % 28, n % 60);
        text += &format!(
            "{{\"type\":\"track\",\"userId\":\"c-{who}\",\"event\":\"Order Completed\",\"timestamp\":\"2026-01-{day:02}T08:{minute:02}:00Z\",\"messageId\":\"m-{n}\",\"properties\":{{\"order_id\":\"o-{n}\",\"total\":42.5}}}}\n"
        );
    }
    std::fs::write(dir.path().join("rows.jsonl"), text).expect("writes");
    let start = stopwatch();
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_reveille"))
        .current_dir(dir.path())
        .env("REVEILLE_CONFIG", "config.toml")
        .args(["import", "rows.jsonl"])
        .output()
        .expect("it runs");
    let seconds = start.elapsed().as_secs_f64();
    assert!(done.status.success(), "{done:?}");
    let rows = customers + total;
    println!(
        "  {rows} rows in {seconds:.2} s, from start to end of the process: {:.0} rows/s",
        rows as f64 / seconds
    );
}

async fn tick(customers: u64, changed: u64) -> (u64, u64) {
    let dir = tempfile::tempdir().expect("a folder");
    campaigns(dir.path(), &[("dormant.toml", DORMANT)]);
    let house = open(
        dir.path(),
        TransportConfig::folder("main", dir.path().join("mail")),
    )
    .await;
    fill(&house, customers).await;
    house.core.settle().await.expect("settles");
    // `changed` customers become dormant in the next hour: their alarms ring.
    let works = numbers(&house.core, customers, customers + changed)
        .await
        .into_iter()
        .zip(customers..)
        .flat_map(|(no, n)| {
            let at = NOW - Span::days(90) + Span::minutes((n % 60) as i64 + 1);
            [
                profile(n),
                Cause::Event(event("Order Completed", at, n), Liveness::History),
            ]
            .map(|cause| Work {
                customer: no,
                id: Some(id(n)),
                cause,
                mail: None,
            })
        })
        .collect();
    offer_all(&house.core, works).await;
    house.clock.advance(Span::hours(1) + Span::minutes(1));
    let before = house.store.counts();
    let start = stopwatch();
    let ticked = house.core.tick().await.expect("ticks");
    let seconds = start.elapsed().as_secs_f64();
    let asked = house.store.counts() - before;
    let (calls, keys) = (asked.calls(), asked.keys());
    println!(
        "  {customers} customers, {changed} changed: {} rang, {calls} calls on {keys} keys, {seconds:.3} s",
        ticked.rung
    );
    let quiet = house.store.counts();
    let start = stopwatch();
    house.core.tick().await.expect("ticks");
    println!(
        "  a tick in which nothing happened: {} calls, {:.4} s",
        (house.store.counts() - quiet).calls(),
        start.elapsed().as_secs_f64()
    );
    house.store.inner.close().expect("closes");
    (calls, keys)
}

async fn walk(customers: u64) {
    println!("a new campaign over {customers} customers");
    let dir = tempfile::tempdir().expect("a folder");
    campaigns(dir.path(), &[("dormant.toml", DORMANT)]);
    let house = open(
        dir.path(),
        TransportConfig::folder("main", dir.path().join("mail")),
    )
    .await;
    fill(&house, customers).await;
    campaigns(dir.path(), &[("new.toml", NEW)]);
    let config = Config::load(&dir.path().join("config.toml")).expect("a good config");
    let start = stopwatch();
    house.core.reload(config).await.expect("reloads");
    while !house.core.has_walked().await {
        house.core.tick().await.expect("ticks");
        tokio::task::yield_now().await;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "  walked in {seconds:.2} s: {:.0} customers/s read, brought up to date and written",
        customers as f64 / seconds
    );
    house.store.inner.close().expect("closes");
}

async fn mails(count: u64) {
    println!(
        "{count} mails rendered, ledgered and accepted by an SMTP server in a process of its own"
    );
    let dir = tempfile::tempdir().expect("a folder");
    campaigns(dir.path(), &[("receipt.toml", RECEIPT)]);
    let server = smtp_server::process::ServerProcess::start(false);
    let mut config = TransportConfig::smtp("main", "127.0.0.1", server.port);
    config.connections = 16;
    if let CarrierConfig::Smtp(smtp) = &mut config.carrier {
        smtp.tls = Tls::None;
    }
    let house = open(dir.path(), config).await;
    let works = numbers(&house.core, 0, count)
        .await
        .into_iter()
        .zip(0..)
        .flat_map(|(no, n)| {
            [
                profile(n),
                Cause::Event(event("Receipt Wanted", NOW, n), Liveness::Live),
            ]
            .map(|cause| Work {
                customer: no,
                id: Some(id(n)),
                cause,
                mail: None,
            })
        })
        .collect();
    offer_all(&house.core, works).await;
    let start = stopwatch();
    house.core.settle().await.expect("settles");
    let seconds = start.elapsed().as_secs_f64();
    let accepted: u64 = house
        .core
        .outbox
        .transports()
        .map(|t| t.status().accepted)
        .sum();
    println!(
        "  {accepted} accepted in {seconds:.2} s: {:.0} mails/s",
        accepted as f64 / seconds
    );
    smtp_source(server.port, count);
    house.store.inner.close().expect("closes");
}

/// What is possible: Debian's `smtp-source` (package postfix) sends as many mails of 4 KB to the same server.
fn smtp_source(port: u16, count: u64) {
    let program = ["/usr/sbin/smtp-source", "smtp-source"];
    let found = program.iter().find(|p| Path::new(p).exists());
    let Some(program) = found else {
        println!("  the limit was not measured: install Debian's postfix for smtp-source");
        return;
    };
    let start = stopwatch();
    let status = std::process::Command::new(program)
        .args([
            "-s",
            "16",
            "-l",
            "4096",
            "-m",
            &count.to_string(),
            "-f",
            "hello@shop.example",
        ])
        .args(["-t", "c1@customers.example", &format!("127.0.0.1:{port}")])
        .status();
    let seconds = start.elapsed().as_secs_f64();
    match status {
        Ok(status) if status.success() => {
            println!(
                "  the limit, smtp-source with 16 sessions: {:.0} mails/s",
                count as f64 / seconds
            );
        }
        other => println!("  smtp-source failed: {other:?}"),
    }
}

async fn reopen(customers: u64) {
    println!("opening with {customers} customers");
    let dir = tempfile::tempdir().expect("a folder");
    campaigns(dir.path(), &[("dormant.toml", DORMANT)]);
    let folder = || TransportConfig::folder("main", dir.path().join("mail"));
    let house = open(dir.path(), folder()).await;
    fill(&house, customers).await;
    house.store.inner.close().expect("closes");
    drop(house);
    // In a process of its own, so that nothing else stands in its memory.
    let program = std::env::current_exe().expect("a program");
    let status = std::process::Command::new(program)
        .env(OPEN, dir.path())
        .status();
    assert!(
        status.is_ok_and(|s| s.success()),
        "the second process opens it"
    );
}

/// The second process of `open`: store and engine over a folder that was filled before.
const OPEN: &str = "REVEILLE_BENCH_OPEN";

async fn open_only(dir: &Path) {
    let start = stopwatch();
    let (store, opening) =
        EmbeddedStore::open(&dir.join("data"), options()).expect("the store opens");
    println!(
        "  store opened ({opening}) in {:.2} s; resident {} MB",
        start.elapsed().as_secs_f64(),
        resident()
    );
    store.close().expect("closes");
    drop(store);
    let start = stopwatch();
    let house = open(dir, TransportConfig::folder("main", dir.join("mail"))).await;
    println!(
        "  store and engine opened in {:.2} s; resident {} MB",
        start.elapsed().as_secs_f64(),
        resident()
    );
    house.store.inner.close().expect("closes");
}

fn main() {
    smtp_server::process::serve_if_asked();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if let Ok(dir) = std::env::var(http::SERVE) {
        return runtime.block_on(http::serve(Path::new(&dir)));
    }
    if let Ok(dir) = std::env::var(OPEN) {
        return runtime.block_on(open_only(Path::new(&dir)));
    }
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let wants = |part: &str| asked.is_empty() || asked.iter().any(|a| a == part);
    let customers = std::env::var("REVEILLE_BENCH_CUSTOMERS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(1_000_000);
    runtime.block_on(async {
        if wants("events") {
            events(customers.min(100_000)).await;
        }
        if wants("import") {
            import(customers.min(100_000));
        }
        if wants("mails") {
            mails(30_000).await;
        }
        if wants("http") {
            http::batches(customers.min(100_000)).await;
            http::pixels(customers.min(20_000)).await;
        }
        if wants("tick") {
            println!("the cost of a tick follows what changed");
            let small = tick(customers / 10, customers / 100).await;
            let large = tick(customers, customers / 100).await;
            println!("  equal: {}", small == large);
        }
        if wants("walk") {
            walk(customers).await;
        }
        if wants("plan") {
            plan::plan(customers).await;
        }
        if wants("open") {
            reopen(customers).await;
        }
    });
}
