//! Events through `/v1/batch` and pixel hits: the program itself, listening, and a load generator on the same machine.

use super::load::{self, Ran};
use super::{CONFIG, NOW, RECEIPT, event, fill, id, numbers, offer_all, open, postgres, profile};
use reveille::clock::{Clock, stopwatch};
use reveille::domain::cause::{Cause, Liveness};
use reveille::domain::id::MessageNo;
use reveille::engine::batch::Work;
use reveille::engine::hits::HitRow;
use reveille::engine::state::MailRow;
use reveille::http::faces::{Outside, Serves};
use reveille::http::pulse::Pulse;
use reveille::http::server::{Limits, Server, bind};
use reveille::message::token::Token;
use reveille::message::tracking::OPEN;
use reveille::store::codec::decode;
use reveille::store::{Store, Stream, StreamFilter};
use reveille::transport::config::TransportConfig;
use ring::digest::{SHA256, digest};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Notify;

/// A process of its own that serves this folder with everything but the commit, if [`PRETENDS`] is set.
pub const SERVE: &str = "REVEILLE_BENCH_SERVE";
const PRETENDS: &str = "REVEILLE_BENCH_PRETENDS";

const KEY: &str = "rvl_the-key-of-the-load-generator";
/// Messages in a request: what the SDK for Python sends at once.
const BATCH: u64 = 100;
const CONNECTIONS: usize = 16;
/// Events a second that the daemon is to take.
const AIM: u64 = 15_000;

fn config(dir: &Path, address: SocketAddr) {
    let hash = digest(&SHA256, KEY.as_bytes());
    let hash: String = hash.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    let http = format!(
        "[http]\nlisten = \"{address}\"\npublic_url = \"https://mail.shop.example\"\n\
         [http.keys.load]\nsha256 = \"{hash}\"\nmay = [\"identify\", \"track\", \"metrics\"]\n"
    );
    std::fs::write(dir.join("config.toml"), format!("{CONFIG}{http}")).expect("a file");
}

/// It watches what the load generator sends: each event moves what its customer's record remembers.
const BROWSING: &str = r#"
name  = "Browsing"
state = "live"
class = "informational"
[schedule]
cron = "0 10 * * *"
timezone = "UTC"
[audience]
all = [
  { event = "Product Viewed", count = ">= 3", within = "7d" },
  { no_event = "Order Completed", within = "7d" },
]
[entry]
existing = "skip"
[[step]]
id = "hello"
template = "plain"
subject = "Hello"
"#;

/// An address that nobody listens at.
fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// `reveille run` over a folder, ready.
fn daemon(dir: &Path, address: SocketAddr) -> Child {
    config(dir, address);
    let mut child = Command::new(env!("CARGO_BIN_EXE_reveille"))
        .current_dir(dir)
        .env("REVEILLE_CONFIG", "config.toml")
        .arg("run")
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(dir.join("log.txt")).expect("a file"))
        .spawn()
        .expect("it runs");
    let patience = stopwatch();
    let ready = || get(address, "/readyz").is_some_and(|told| told.starts_with("HTTP/1.1 200"));
    while !ready() {
        if patience.elapsed() > Duration::from_secs(60) {
            let _ = child.kill();
            let _ = child.wait();
            let log = std::fs::read_to_string(dir.join("log.txt")).unwrap_or_default();
            panic!("the daemon is not ready: {log}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    child
}

fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAuthorization: Bearer {KEY}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).ok()?;
    std::io::read_to_string(stream).ok()
}

/// Asks it to stop and waits until it has.
fn stop(mut child: Child) {
    let pid = rustix::process::Pid::from_child(&child);
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    let status = child.wait().expect("it ends");
    assert!(status.success(), "{status}");
}

/// Requests of [`BATCH`] messages each, none sent before.
fn requests(address: SocketAddr, run: u64, count: u64, customers: u64, batch: u64) -> Vec<Vec<u8>> {
    let now = Clock::system().now();
    let message = |n: u64| {
        let who = n.wrapping_mul(2_654_435_761) % customers;
        format!(
            "{{\"type\":\"track\",\"userId\":\"customer-{who:08}\",\"event\":\"Product Viewed\",\"messageId\":\"run-{run}-{n}\",\
             \"timestamp\":\"{now}\",\"context\":{{\"library\":{{\"name\":\"bench\",\"version\":\"1.0.0\"}}}},\
             \"properties\":{{\"product_id\":\"p-{0}\",\"sku\":\"TEA-{0}\",\"category\":\"tea\",\"name\":\"Green tea\",\"price\":12.5,\
             \"currency\":\"EUR\",\"position\":3}}}}",
            n % 1_000
        )
    };
    (0..count)
        .map(|request| {
            let messages: Vec<String> = (0..batch).map(|n| message(request * batch + n)).collect();
            let body = format!(
                "{{\"writeKey\":\"{KEY}\",\"batch\":[{}]}}",
                messages.join(",")
            );
            let head = format!(
                "POST /v1/batch HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            [head, body].concat().into_bytes()
        })
        .collect()
}

fn tell(what: &str, ran: &Ran, batch: u64) {
    println!(
        "  {what}: {:.0} events/s ({:.0} requests/s); median {:.1} ms, 99 % {:.1} ms",
        (ran.requests as u64 * batch) as f64 / ran.seconds,
        ran.requests as f64 / ran.seconds,
        ran.percentile(0.5),
        ran.percentile(0.99)
    );
}

/// Events through `/v1/batch`.
pub async fn batches(customers: u64) {
    println!(
        "events through /v1/batch, {BATCH} a request, {CONNECTIONS} connections, over {customers} customers"
    );
    let dir = tempfile::tempdir().expect("a folder");
    super::campaigns(
        dir.path(),
        &[("browsing.toml", BROWSING), ("receipt.toml", RECEIPT)],
    );
    let folder = TransportConfig::folder("main", dir.path().join("mail"));
    let house = open(dir.path(), folder).await;
    fill(&house, customers).await;
    house.store.inner.close().expect("closes");
    drop(house);

    let address = free();
    let child = daemon(dir.path(), address);
    let warm = requests(address, 0, 500, customers, BATCH);
    load::run(address, warm, CONNECTIONS, None).await;
    let ran = load::run(
        address,
        requests(address, 1, 4_000, customers, BATCH),
        CONNECTIONS,
        None,
    )
    .await;
    tell("the daemon, as fast as it answers", &ran, BATCH);
    let half = ran.requests as f64 / ran.seconds / 2.0;
    let many = requests(address, 2, (half * 10.0) as u64, customers, BATCH);
    let ran = load::run(address, many, 64, Some(half)).await;
    tell("the daemon, at half of that", &ran, BATCH);
    let many = requests(address, 4, AIM / 2 * 20 / BATCH, customers, BATCH);
    let ran = load::run(address, many, 64, Some(AIM as f64 / 2.0 / BATCH as f64)).await;
    tell("the daemon, at half of the aim, for 20 s", &ran, BATCH);
    let single = requests(address, 3, 20_000, customers, 1);
    let ran = load::run(address, single, 64, None).await;
    tell("the daemon, one event a request, 64 connections", &ran, 1);
    stop(child);

    for pretends in [false, true] {
        let (child, address) = served(dir.path(), pretends);
        let run = 10 + u64::from(pretends);
        let many = requests(address, run, 4_000, customers, BATCH);
        let ran = load::run(address, many, CONNECTIONS, None).await;
        let what = match pretends {
            false => "the handler alone (no schedules beside it)",
            true => "the handler alone, the commit left out",
        };
        tell(what, &ran, BATCH);
        end(child);
    }
    postgres::inserts(10);
}

/// Starts [`serve`] in a process of its own.
fn served(dir: &Path, pretends: bool) -> (Child, SocketAddr) {
    let mut command = Command::new(std::env::current_exe().expect("a program"));
    command
        .env(SERVE, dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    if pretends {
        command.env(PRETENDS, "yes");
    }
    let mut child = command.spawn().expect("it runs");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut lines = lines.map_while(Result::ok);
    let address = lines
        .find_map(|line| line.strip_prefix("serving ").map(str::to_owned))
        .expect("an address");
    (child, address.parse().expect("an address"))
}

fn end(mut child: Child) {
    drop(child.stdin.take());
    child.wait().expect("it ends");
}

/// The ingestion handler over the store of a folder, until the input ends.
pub async fn serve(dir: &Path) {
    config(dir, free());
    let house = open(dir, TransportConfig::folder("main", dir.join("mail"))).await;
    let pretends = std::env::var_os(PRETENDS).is_some();
    house.store.pretends.store(pretends, Ordering::Relaxed);
    let pulse = Arc::new(Pulse::new(Duration::from_secs(3_600)));
    let outside = Outside::new(
        Arc::clone(&house.core),
        None,
        Arc::new(Notify::new()),
        pulse,
    );
    let listener = bind(free()).expect("a port");
    let address = listener.local_addr().expect("an address");
    let serves = Serves {
        events: true,
        ..Serves::default()
    };
    let server = Server::start(vec![(listener, outside.router(serves))], Limits::default());
    println!("serving {address}");
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().lines().count()).await;
    outside.ingest.stop().await;
    server.stop(Duration::from_secs(2)).await;
    house.store.pretends.store(false, Ordering::Relaxed);
    house.store.inner.close().expect("closes");
}

/// Pixels of mails that were sent.
pub async fn pixels(customers: u64) {
    println!("pixel hits, {CONNECTIONS} connections, of {customers} mails");
    let dir = tempfile::tempdir().expect("a folder");
    super::campaigns(dir.path(), &[("receipt.toml", RECEIPT)]);
    config(dir.path(), free());
    let house = open(
        dir.path(),
        TransportConfig::folder("main", dir.path().join("mail")),
    )
    .await;
    let numbers = numbers(&house.core, 0, customers).await;
    let works = numbers.iter().zip(0..).flat_map(|(no, n)| {
        let wanted = Cause::Event(event("Receipt Wanted", NOW, n), Liveness::Live);
        [profile(n), wanted].map(|cause| Work {
            customer: *no,
            id: Some(id(n)),
            cause,
            mail: None,
        })
    });
    offer_all(&house.core, works.collect()).await;
    house.core.settle().await.expect("settles");
    let keys = house.core.token_keys();
    let mails = rows(&house.store.inner, Stream::Mails).await;
    let tokens: Vec<String> = mails
        .iter()
        .map(|(customer, payload)| {
            let row: MailRow = decode(payload).expect("a sent mail");
            keys.sign(&Token::Open {
                customer: reveille::domain::id::CustomerNo(*customer),
                message: MessageNo(row.message.0),
            })
        })
        .collect();
    house.store.inner.close().expect("closes");
    drop(house);

    let address = free();
    let child = daemon(dir.path(), address);
    let total = 200_000;
    let requests = (0..total)
        .map(|n| {
            let token = &tokens[n % tokens.len()];
            format!(
                "GET {OPEN}{token}.gif HTTP/1.1\r\nHost: {address}\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\nAccept: image/*\r\n\r\n"
            )
            .into_bytes()
        })
        .collect();
    let ran = load::run(address, requests, CONNECTIONS, None).await;
    println!(
        "  {total} hits answered in {:.2} s: {:.0} hits/s; median {:.2} ms, 99 % {:.2} ms",
        ran.seconds,
        ran.requests as f64 / ran.seconds,
        ran.percentile(0.5),
        ran.percentile(0.99)
    );
    stop(child);
    let clock = Clock::system();
    let now = clock.now();
    let folder = TransportConfig::folder("main", dir.path().join("mail"));
    let house = open(dir.path(), folder).await;
    let hits = rows(&house.store.inner, Stream::Hits).await;
    let kept = hits
        .iter()
        .filter(|(_, row)| matches!(decode::<HitRow>(row), Ok(HitRow::Hit { .. })))
        .count();
    println!("  kept: {kept} of {total}");
    house
        .clock
        .advance_to(now + reveille::domain::time::Span::minutes(2));
    let start = stopwatch();
    house.core.settle().await.expect("settles");
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "  judged and told to their customers in {seconds:.2} s: {:.0} hits/s",
        kept as f64 / seconds
    );
    house.store.inner.close().expect("closes");
}

/// All rows of a stream: the customer's number and the bytes.
async fn rows(store: &dyn Store, stream: Stream) -> Vec<(u64, Vec<u8>)> {
    let mut all = Vec::new();
    let mut filter = StreamFilter {
        limit: 10_000,
        ..StreamFilter::default()
    };
    loop {
        let found = store
            .read_stream(stream, filter.clone())
            .await
            .expect("reads");
        let Some(last) = found.last() else {
            return all;
        };
        filter.from_position = last.position + 1;
        all.extend(found.into_iter().map(|row| (row.customer, row.payload)));
    }
}
