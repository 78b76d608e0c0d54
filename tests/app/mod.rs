//! The real application on a temporary folder: real store, real campaigns and templates, virtual clock, mail folder.
//! Tests read as stories: `app.event(..)`, `app.advance(..)`, `app.mails()`.
#![allow(dead_code)]

pub mod watched;

use reveille::clock::Clock;
use reveille::config::Config;
use reveille::domain::cause::{Cause, ConsentChange, Liveness, ProfileChange};
use reveille::domain::event::Event;
use reveille::domain::id::{CampaignId, CustomerId, CustomerNo, EventName};
use reveille::domain::ledger::{LogRow, Status};
use reveille::domain::preference::ConsentState;
use reveille::domain::time::{Span, Timestamp};
use reveille::domain::value::{Value, properties_from_json};
use reveille::engine::batch::{Recorded, Reply, Work};
use reveille::engine::catalogue::{Catalogue, FileState};
use reveille::engine::core::preset_salt;
use reveille::engine::intake::{Counter, Inbound, What};
use reveille::engine::shard::Refused;
use reveille::engine::{Core, Parts};
use reveille::store::codec::decode;
use reveille::store::memory::MemoryStore;
use reveille::store::{Store, Stream, StreamFilter};
use reveille::transport::Transport;
use reveille::transport::config::TransportConfig;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::mpsc::UnboundedSender;
use xxhash_rust::xxh3::xxh3_64;

pub struct App {
    pub core: Arc<Core>,
    pub clock: Clock,
    pub dir: TempDir,
    counter: std::sync::atomic::AtomicU64,
}

pub const CONFIG: &str = r#"
[sender]
from = "Corner Shop <hello@shop.example>"
address = "1 Market Street, Seoul"
unsubscribe_mailto = "unsubscribe@shop.example"
[transport.main]
kind = "folder"
path = "mail"
[defaults]
timezone = "Asia/Seoul"
locale = "en"
"#;

/// A folder that is gone afterwards: in memory where that can be had, since mails are synced one by one.
pub fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// A folder with this configuration, these campaigns (file name and text), topics, and the shipped templates.
pub fn lay_out(dir: &Path, config: &str, campaigns: &[(&str, &str)]) {
    std::fs::write(dir.join("config.toml"), config).unwrap();
    std::fs::create_dir_all(dir.join("campaigns")).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::copy(
        root.join("campaigns/topics.toml"),
        dir.join("campaigns/topics.toml"),
    )
    .unwrap();
    for (name, text) in campaigns {
        std::fs::write(dir.join("campaigns").join(name), text).unwrap();
    }
    copy_dir(&root.join("templates"), &dir.join("templates"));
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A campaign as shipped.
pub fn shipped(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(root.join("campaigns").join(name)).unwrap()
}

impl App {
    /// Starts on the memory store.
    pub async fn start(now: &str, campaigns: &[(&str, &str)]) -> App {
        App::start_on(Arc::new(MemoryStore::new()), now, CONFIG, campaigns).await
    }

    pub async fn start_on(
        store: Arc<dyn Store>,
        now: &str,
        config: &str,
        campaigns: &[(&str, &str)],
    ) -> App {
        let dir = scratch();
        lay_out(dir.path(), config, campaigns);
        let clock = Clock::virtual_at(Timestamp::parse_rfc3339(now).unwrap());
        let core = open(store, clock.clone(), dir.path()).await;
        App::begin(core, clock, dir).await
    }

    async fn begin(core: Arc<Core>, clock: Clock, dir: TempDir) -> App {
        let app = App {
            core,
            clock,
            dir,
            counter: Default::default(),
        };
        app.settle().await;
        app
    }

    /// On a folder that was laid out already.
    pub async fn start_in(dir: TempDir, now: &str) -> App {
        App::start_in_on(Arc::new(MemoryStore::new()), dir, now).await
    }

    /// The same, on this store.
    pub async fn start_in_on(store: Arc<dyn Store>, dir: TempDir, now: &str) -> App {
        let clock = Clock::virtual_at(Timestamp::parse_rfc3339(now).unwrap());
        let core = open(store, clock.clone(), dir.path()).await;
        App::begin(core, clock, dir).await
    }

    /// As [`App::start_on`], with these transports in place of a mail folder.
    pub async fn start_with(
        transports: Vec<TransportConfig>,
        now: &str,
        config: &str,
        campaigns: &[(&str, &str)],
    ) -> App {
        App::start_drawn(transports, now, config, campaigns, None).await
    }

    /// The same; by this salt, where it is to be one that is known: what is drawn by chance falls the same way each time.
    pub async fn start_drawn(
        transports: Vec<TransportConfig>,
        now: &str,
        config: &str,
        campaigns: &[(&str, &str)],
        salt: Option<[u8; 16]>,
    ) -> App {
        let store = Arc::new(MemoryStore::new());
        if let Some(salt) = salt {
            preset_salt(&*store, salt).await.unwrap();
        }
        let dir = scratch();
        lay_out(dir.path(), config, campaigns);
        let clock = Clock::virtual_at(Timestamp::parse_rfc3339(now).unwrap());
        let made = transports.into_iter().map(|t| {
            let name = t.name.clone();
            (name, Transport::new(t).unwrap())
        });
        let parts = Parts {
            store,
            clock: clock.clone(),
            config: load_config(dir.path()),
            transports: made.collect(),
            recorder: None,
        };
        let core = Core::open(parts).await.unwrap();
        App::begin(core, clock, dir).await
    }

    /// As [`App::start_on`], with every cause told to `recorder`.
    pub async fn start_recorded(
        now: &str,
        campaigns: &[(&str, &str)],
        recorder: UnboundedSender<Recorded>,
    ) -> App {
        let dir = scratch();
        lay_out(dir.path(), CONFIG, campaigns);
        let clock = Clock::virtual_at(Timestamp::parse_rfc3339(now).unwrap());
        let store = Arc::new(MemoryStore::new());
        let core = open_as_is(store, clock.clone(), dir.path(), Some(recorder)).await;
        App::begin(core, clock, dir).await
    }

    /// The daemon dies and is started again over `store`, on the same folder and clock. Nothing is settled yet; a
    /// campaign file may be bad.
    pub async fn reopen(self, store: Arc<dyn Store>) -> App {
        let App {
            core,
            clock,
            dir,
            counter,
        } = self;
        drop(core);
        let core = open_as_is(store, clock.clone(), dir.path(), None).await;
        App {
            core,
            clock,
            dir,
            counter,
        }
    }

    /// Writes (or with `None` removes) a file in the folder of campaigns.
    pub fn file(&self, name: &str, text: Option<&str>) {
        let path = self.dir.path().join("campaigns").join(name);
        match text {
            Some(text) => std::fs::write(path, text).unwrap(),
            None => std::fs::remove_file(path).unwrap(),
        }
    }

    /// Writes a template.
    pub fn template(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join("templates").join(name), text).unwrap();
    }

    /// Reads the folders again and lets the walk end.
    pub async fn reload(&self) -> Arc<Catalogue> {
        let catalogue = self.core.reload(load_config(self.dir.path())).await;
        let catalogue = catalogue.unwrap();
        self.settle().await;
        catalogue
    }

    /// Offers all causes at once and waits until each is durable.
    pub async fn offer(&self, works: Vec<Work>) -> Vec<Result<Reply, Refused>> {
        let mut waiting = Vec::with_capacity(works.len());
        for work in works {
            waiting.push(self.core.shard(work.customer).offer_in_order(work).await);
        }
        let mut replies = Vec::with_capacity(waiting.len());
        for answered in waiting {
            replies.push(answered.await.unwrap());
        }
        replies
    }

    /// Takes in rows as an import would; returns how many events were fresh.
    pub async fn take_in(&self, rows: &[Inbound], live: Liveness) -> usize {
        let mut works = Vec::new();
        let mut counter = Counter::new();
        let ids: Vec<_> = rows.iter().map(|r| r.customer.clone()).collect();
        let numbers = self.core.directory.resolve(&ids).await.unwrap();
        let salt = self.core.catalogue().rules.salt;
        for (row, no) in rows.iter().zip(numbers) {
            let mut add = |cause| {
                works.push(Work {
                    customer: no,
                    id: Some(row.customer.clone()),
                    cause,
                    mail: None,
                });
            };
            match &row.what {
                What::Event {
                    name,
                    time,
                    properties,
                } => {
                    let event = Event {
                        name: name.clone(),
                        time: *time,
                        properties: properties.clone(),
                        identity: counter.identify(&salt, &row.customer, &row.identity),
                        ahead: false,
                    };
                    add(Cause::Event(event.settle_time(self.now()), live));
                }
                What::Profile { change, consents } => {
                    add(Cause::Profile(change.clone(), live));
                    for consent in consents {
                        add(Cause::Consent(consent.clone(), live));
                    }
                }
            }
        }
        let replies = self.offer(works).await;
        replies
            .into_iter()
            .filter(|r| r.as_ref().unwrap().fresh)
            .count()
    }

    /// Customers with an address and consent, by number in their id: `c0`, `c1`, ...
    pub async fn crowd(&self, range: std::ops::Range<usize>) -> Vec<CustomerNo> {
        let ids: Vec<_> = (range.clone())
            .map(|n| CustomerId::parse(&format!("c{n}")).unwrap())
            .collect();
        let numbers = self.core.directory.resolve(&ids).await.unwrap();
        let mut works = Vec::new();
        for (id, no) in ids.iter().zip(&numbers) {
            let profile = ProfileChange {
                email: Some(format!("{id}@customers.example").parse_address()),
                ..ProfileChange::default()
            };
            let consent = ConsentChange {
                topic: None,
                state: ConsentState::Given,
                at: self.now(),
                source: "test".into(),
                wording: None,
                origin: Default::default(),
            };
            for cause in [
                Cause::Profile(Box::new(profile), Liveness::History),
                Cause::Consent(consent, Liveness::History),
            ] {
                works.push(Work {
                    customer: *no,
                    id: Some(id.clone()),
                    cause,
                    mail: None,
                });
            }
        }
        for reply in self.offer(works).await {
            reply.unwrap();
        }
        numbers
    }

    /// An event of long ago, as an import brings it in.
    pub fn past(&self, no: CustomerNo, name: &str, time: Timestamp) -> Work {
        let n = self
            .counter
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let event = Event {
            name: EventName::parse(name).unwrap(),
            time,
            properties: Default::default(),
            identity: xxh3_64(format!("{no:?}/{name}/{n}").as_bytes()),
            ahead: false,
        };
        Work {
            customer: no,
            id: None,
            cause: Cause::Event(event, Liveness::History),
            mail: None,
        }
    }

    /// A crowd of whom each ordered once, some days ago, as history.
    pub async fn buyers(&self, range: std::ops::Range<usize>) -> Vec<CustomerNo> {
        let numbers = self.crowd(range).await;
        let at = self.now() - Span::days(10);
        let orders = numbers
            .iter()
            .map(|no| self.past(*no, "Order Completed", at));
        for reply in self.offer(orders.collect()).await {
            reply.unwrap();
        }
        numbers
    }

    pub fn file_state(&self, campaign: &str) -> Option<FileState> {
        let id = CampaignId::parse(campaign).unwrap();
        self.core.catalogue().files.get(&id).copied()
    }

    pub fn awaits_approval(&self, campaign: &str) -> bool {
        let id = CampaignId::parse(campaign).unwrap();
        let catalogue = self.core.catalogue();
        catalogue.rules.controls.awaits_approval(&id)
    }

    pub async fn approve(&self, campaign: &str) {
        let id = CampaignId::parse(campaign).unwrap();
        self.core.approve(&id, "test").await.unwrap();
        self.settle().await;
    }

    /// How many entered a campaign so far.
    pub async fn entered(&self, campaign: &str) -> usize {
        let log = self.log().await;
        log.iter()
            .filter(|r| r.campaign.as_str() == campaign && r.status == Status::Entered)
            .count()
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub async fn settle(&self) {
        self.core.settle().await.unwrap();
    }

    /// Moves the clock on in steps of a minute at most, settling after each; longer steps with `leap`.
    pub async fn advance(&self, by: Span) {
        let end = self.now() + by;
        while self.now() < end {
            let step = Span::minutes(1).0.min(end.since(self.now()).0);
            self.clock.advance(Span(step));
            self.settle().await;
        }
    }

    /// Moves the clock on in one leap, as if nothing had ticked in between.
    pub async fn leap(&self, by: Span) {
        self.clock.advance(by);
        self.settle().await;
    }

    pub async fn customer(&self, id: &str) -> CustomerNo {
        let id = CustomerId::shown(id).unwrap();
        self.core.directory.resolve(&[id]).await.unwrap()[0]
    }

    pub async fn act(&self, id: &str, cause: Cause) -> Reply {
        let no = self.customer(id).await;
        let work = Work {
            customer: no,
            id: Some(CustomerId::shown(id).unwrap()),
            cause,
            mail: None,
        };
        self.core.shard(no).act(work).await.unwrap()
    }

    /// A live event that happens now.
    pub async fn event(&self, id: &str, name: &str, properties: serde_json::Value) -> Reply {
        self.event_at(id, name, properties, self.now(), Liveness::Live)
            .await
    }

    pub async fn event_at(
        &self,
        id: &str,
        name: &str,
        properties: serde_json::Value,
        time: Timestamp,
        liveness: Liveness,
    ) -> Reply {
        let n = self
            .counter
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let serde_json::Value::Object(map) = properties else {
            panic!("properties are an object")
        };
        let event = Event {
            name: EventName::parse(name).unwrap(),
            time,
            properties: properties_from_json(map),
            identity: xxh3_64(format!("{id}/{name}/{n}").as_bytes()),
            ahead: false,
        };
        self.act(id, Cause::Event(event, liveness)).await
    }

    /// A customer with an address, a zone, and consent to advertising.
    pub async fn sign_up(&self, id: &str, zone: &str) {
        let mut change = ProfileChange {
            email: Some(format!("{id}@customers.example").parse_address()),
            ..ProfileChange::default()
        };
        change
            .attributes
            .insert("first_name".into(), Value::Text(id.to_owned()));
        change.preferences.timezone = Some(Some(zone.parse().unwrap()));
        self.act(id, Cause::Profile(Box::new(change), Liveness::Live))
            .await;
        self.consent(id, ConsentState::Given).await;
    }

    pub async fn consent(&self, id: &str, state: ConsentState) {
        let change = ConsentChange {
            topic: None,
            state,
            at: self.now(),
            source: "test".into(),
            wording: None,
            origin: Default::default(),
        };
        self.act(id, Cause::Consent(change, Liveness::Live)).await;
    }

    /// The mails in the folder: file name and text.
    pub fn mails(&self) -> Vec<(PathBuf, String)> {
        let mut found = Vec::new();
        let Ok(entries) = std::fs::read_dir(self.dir.path().join("mail")) else {
            return found;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "eml") {
                found.push((path.clone(), std::fs::read_to_string(&path).unwrap()));
            }
        }
        found.sort();
        found
    }

    pub async fn log(&self) -> Vec<LogRow> {
        let rows = self
            .core
            .store
            .read_stream(Stream::Log, StreamFilter::default())
            .await
            .unwrap();
        rows.iter().map(|r| decode(&r.payload).unwrap()).collect()
    }

    /// Status and reason of a customer's rows, as `status/reason`.
    pub async fn story(&self, id: &str) -> Vec<String> {
        let no = self.customer(id).await;
        self.log()
            .await
            .iter()
            .filter(|r| r.customer == no)
            .map(|r| format!("{} {}/{}", r.campaign, r.status.as_str(), r.reason.code()))
            .collect()
    }
}

pub fn load_config(dir: &Path) -> Config {
    Config::load(&dir.join("config.toml")).unwrap_or_else(|problems| {
        panic!(
            "{}",
            reveille::config::problem::render_all(&problems, false)
        )
    })
}

/// Opens the engine over a store, as the daemon does, on the folder `dir`; its files must be good.
pub async fn open(store: Arc<dyn Store>, clock: Clock, dir: &Path) -> Arc<Core> {
    let core = open_as_is(store, clock, dir, None).await;
    let catalogue = core.catalogue();
    let errors: Vec<_> = catalogue.problems.iter().filter(|p| p.is_error()).collect();
    assert!(
        errors.is_empty(),
        "{errors:?} {:?}",
        catalogue.template_problems
    );
    assert!(
        catalogue.template_problems.is_empty(),
        "{:?}",
        catalogue.template_problems
    );
    core
}

/// Opens the engine over whatever stands in the folder.
pub async fn open_as_is(
    store: Arc<dyn Store>,
    clock: Clock,
    dir: &Path,
    recorder: Option<UnboundedSender<Recorded>>,
) -> Arc<Core> {
    try_open(store, clock, dir, recorder).await.unwrap()
}

/// The same, where opening itself may fail.
pub async fn try_open(
    store: Arc<dyn Store>,
    clock: Clock,
    dir: &Path,
    recorder: Option<UnboundedSender<Recorded>>,
) -> Result<Arc<Core>, Refused> {
    let config = load_config(dir);
    let folder = TransportConfig::folder("main", dir.join("mail"));
    let transports = BTreeMap::from([("main".to_owned(), Transport::new(folder).unwrap())]);
    let parts = Parts {
        store,
        clock,
        config,
        transports,
        recorder,
    };
    Core::open(parts).await
}

trait ParseAddress {
    fn parse_address(&self) -> reveille::domain::address::EmailAddress;
}

impl ParseAddress for String {
    fn parse_address(&self) -> reveille::domain::address::EmailAddress {
        reveille::domain::address::EmailAddress::parse(self).unwrap()
    }
}
