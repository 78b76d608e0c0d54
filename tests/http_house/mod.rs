//! The real engine behind the real listener, and a real client in front of it.
#![allow(dead_code)]

use crate::app::{App, CONFIG};
use axum::body::{Body, Bytes};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use hyper::client::conn::http1::handshake;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use reveille::domain::event::Event;
use reveille::domain::id::CustomerId;
use reveille::engine::batch::read_history;
use reveille::http::faces::{Outside, Serves};
use reveille::http::pulse::Pulse;
use reveille::http::server::{Limits, Server, bind};
use reveille::store::memory::MemoryStore;
use reveille::store::{
    Batch, Committed, Direction, Key, KeyRange, Row, Store, StoreError, Stream, StreamFilter,
    Versioned,
};
use ring::digest::{SHA256, digest};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};

pub const NOW: &str = "2026-03-02T09:00:00Z";
pub const KEY: &str = "rvl_a-key-that-may-send-everything";
pub const TRACKS: &str = "rvl_a-key-that-may-track";
pub const SCRAPER: &str = "rvl_a-key-that-may-read-metrics";

pub fn hash(key: &str) -> String {
    let hash = digest(&SHA256, key.as_bytes());
    hash.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

/// The configuration of the test shop, with these keys of `[http]`.
pub fn config(http: &str) -> String {
    let key = |name: &str, key: &str, may: &str| {
        let sha256 = hash(key);
        format!("[http.keys.{name}]\nsha256 = \"{sha256}\"\n{may}\n")
    };
    let keys = [
        key("shop", KEY, ""),
        key("web", TRACKS, "may = [\"track\"]"),
        key("scraper", SCRAPER, "may = [\"metrics\"]"),
    ];
    format!("{CONFIG}\n[http]\n{http}\n{}", keys.concat())
}

pub struct Shop {
    pub app: App,
    pub outside: Outside,
    pub address: SocketAddr,
    pub wake: Arc<Notify>,
    server: Server,
}

/// What was answered.
pub struct Answered {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answered {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// 200, with so many taken and known; the errors.
    #[track_caller]
    pub fn done(&self, taken: u64, known: u64) -> Vec<Value> {
        let told = self.json();
        assert_eq!(self.status, 200, "{told}");
        assert_eq!(
            (&told["taken"], &told["known"]),
            (&taken.into(), &known.into()),
            "{told}"
        );
        told["errors"].as_array().unwrap().clone()
    }

    #[track_caller]
    pub fn error(&self, status: u16) -> String {
        let told = self.text();
        assert_eq!(self.status, status, "{told}");
        self.json()["error"].as_str().unwrap().to_owned()
    }
}

pub const EVERYTHING: Serves = Serves {
    public: true,
    events: true,
    operations: true,
    keyed: true,
};

impl Shop {
    pub async fn open() -> Shop {
        Shop::open_on(Arc::new(MemoryStore::new()), "", &[]).await
    }

    pub async fn open_on(store: Arc<dyn Store>, http: &str, campaigns: &[(&str, &str)]) -> Shop {
        let app = App::start_on(store, NOW, &config(http), campaigns).await;
        Shop::before(app, Limits::default(), EVERYTHING).await
    }

    /// A listener before this engine.
    pub async fn before(app: App, limits: Limits, serves: Serves) -> Shop {
        let wake = Arc::new(Notify::new());
        let pulse = Arc::new(Pulse::new(Duration::from_secs(3600)));
        let outside = Outside::new(Arc::clone(&app.core), None, Arc::clone(&wake), pulse);
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::start(vec![(listener, outside.router(serves))], limits);
        Shop {
            app,
            outside,
            address,
            wake,
            server,
        }
    }

    /// The listener is closed; the engine goes on.
    pub async fn close(self) -> App {
        self.outside.ingest.stop().await;
        self.server.stop(Duration::from_secs(10)).await;
        self.app
    }

    pub async fn request(&self, request: Request<Body>) -> Answered {
        request_at(self.address, request).await
    }

    pub async fn get(&self, path: &str) -> Answered {
        self.request(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    /// Sends bytes with the key that may do everything.
    pub async fn post(&self, path: &str, body: impl Into<Body>) -> Answered {
        self.request(posted(path, KEY, body)).await
    }

    pub async fn send(&self, path: &str, body: &Value) -> Answered {
        self.post(path, body.to_string()).await
    }

    /// What is stored of a customer's events.
    pub async fn events(&self, id: &str) -> Vec<Event> {
        events(&self.app, id).await
    }
}

pub async fn events(app: &App, id: &str) -> Vec<Event> {
    let id = CustomerId::shown(id).unwrap();
    match app.core.whom(&id).await.unwrap() {
        Some((_, Some(record))) => {
            let rules = &app.core.catalogue().rules;
            let read = read_history(&*app.core.store, &record, rules.sieve());
            read.await.unwrap()
        }
        _ => Vec::new(),
    }
}

pub fn basic(key: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{key}:")))
}

pub fn posted(path: &str, key: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path)
        .header("authorization", basic(key))
        .header("content-type", "application/json")
        .body(body.into())
        .unwrap()
}

pub async fn request_at(address: SocketAddr, mut request: Request<Body>) -> Answered {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let host = address.to_string().parse().unwrap();
    request.headers_mut().insert("host", host);
    let response = sender.send_request(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Answered {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

/// A store that can be told to keep commits or reads waiting, or to have a full disk.
pub struct Moody {
    inner: MemoryStore,
    shut: watch::Sender<bool>,
    full: AtomicBool,
    deaf: watch::Sender<bool>,
    /// Told when a commit begins to wait.
    pub waits: Notify,
    commits: AtomicU64,
}

impl Moody {
    pub fn new() -> Arc<Moody> {
        Arc::new(Moody {
            inner: MemoryStore::new(),
            shut: watch::Sender::new(false),
            full: AtomicBool::new(false),
            deaf: watch::Sender::new(false),
            waits: Notify::new(),
            commits: AtomicU64::new(0),
        })
    }

    /// How many commits were begun.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }

    pub fn shut(&self, shut: bool) {
        self.shut.send_replace(shut);
    }

    pub fn full(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    /// No read is answered for as long as it is.
    pub fn deaf(&self, deaf: bool) {
        self.deaf.send_replace(deaf);
    }

    async fn hears(&self) {
        let _ = self.deaf.subscribe().wait_for(|deaf| !*deaf).await;
    }
}

impl Store for Moody {
    fn epoch(&self) -> u64 {
        self.inner.epoch()
    }
    fn get_many(
        &self,
        keys: Vec<Key>,
    ) -> BoxFuture<'_, Result<Vec<Option<Versioned>>, StoreError>> {
        Box::pin(async move {
            self.hears().await;
            self.inner.get_many(keys).await
        })
    }
    fn scan(
        &self,
        range: KeyRange,
        direction: Direction,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(Key, Versioned)>, StoreError>> {
        Box::pin(async move {
            self.hears().await;
            self.inner.scan(range, direction, limit).await
        })
    }
    fn read_stream(
        &self,
        stream: Stream,
        filter: StreamFilter,
    ) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        self.inner.read_stream(stream, filter)
    }
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed, StoreError>> {
        Box::pin(async move {
            self.commits.fetch_add(1, Ordering::SeqCst);
            if *self.shut.borrow() {
                self.waits.notify_one();
                let _ = self.shut.subscribe().wait_for(|shut| !*shut).await;
            }
            if self.full.load(Ordering::SeqCst) && !batch.urgent {
                return Err(StoreError::Full("a test says so".into()));
            }
            self.inner.commit(batch).await
        })
    }
}
