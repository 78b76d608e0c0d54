//! What people ask of the engine, on the shipped campaigns and a small sample shop, with a virtual clock and a mail folder.

use futures_util::future::BoxFuture;
use reveille::clock::Clock;
use reveille::config::Config;
use reveille::domain::address::EmailAddress;
use reveille::domain::cause::{ConsentChange, Liveness, ProfileChange};
use reveille::domain::explain::PolicyAnswer;
use reveille::domain::id::{CampaignId, CustomerId, CustomerNo, EntryKey, ShardNo, TagName};
use reveille::domain::ledger::{LogRow, Reason, Status};
use reveille::domain::preference::ConsentState;
use reveille::domain::time::{Span, Timestamp};
use reveille::engine::control::Scope;
use reveille::engine::golive::{self, Mode, ModeError, WentLive};
use reveille::engine::imports::Ended;
use reveille::engine::ingest::Ingested;
use reveille::engine::intake::{Counter, Inbound, Options, Reading, Rows};
use reveille::engine::query::{LogFilter, LogView, Phase};
use reveille::engine::sample::{Sample, generate};
use reveille::engine::shard::Refused;
use reveille::engine::{Core, Parts};
use reveille::store::codec::encode;
use reveille::store::embedded::{EmbeddedStore, Options as StoreOptions};
use reveille::store::memory::MemoryStore;
use reveille::store::{
    Append, Batch, Committed, Direction, Key, KeyRange, Row, Store, StoreError, Stream,
    StreamFilter, Versioned, keys,
};
use reveille::transport::Transport;
use reveille::transport::config::TransportConfig;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use tempfile::TempDir;

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

fn start() -> Timestamp {
    // A Tuesday.
    at("2026-09-01T00:00:00Z")
}

fn customer(id: &str) -> CustomerId {
    CustomerId::parse(id).unwrap()
}

fn campaign(id: &str) -> CampaignId {
    CampaignId::parse(id).unwrap()
}

/// The shop of one test: its folder, and the engine over a store.
struct Shop {
    folder: TempDir,
    clock: Clock,
    store: Arc<dyn Store>,
    core: Arc<Core>,
    counter: Counter,
}

const BESIDE: &str = "
[sender]
from = \"Corner Shop <hello@shop.example>\"
address = \"1 Market Street, Seoul\"
unsubscribe_mailto = \"unsubscribe@shop.example\"
company = \"Corner Shop\"
phone = \"+82 2 000 0000\"
[defaults]
timezone = \"UTC\"
locale = \"en\"
window = \"Mon-Sun 08:00-21:00\"
caps = [\"1 per 20h\", \"3 per 7d\"]
";

fn config(folder: &Path, more: &str) -> Config {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = format!(
        "campaigns = {:?}\ntemplates = {:?}\n{BESIDE}{more}",
        folder.join("campaigns"),
        root.join("templates"),
    );
    Config::parse(&folder.join("config.toml"), &text).unwrap_or_else(|p| panic!("{p:?}"))
}

fn copy_campaigns(folder: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("campaigns");
    std::fs::create_dir_all(folder.join("campaigns")).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.join("campaigns").join(file.file_name())).unwrap();
    }
}

fn mail_folder(path: PathBuf) -> BTreeMap<String, Transport> {
    let transport = Transport::new(TransportConfig::folder("main", path)).unwrap();
    BTreeMap::from([("main".to_owned(), transport)])
}

async fn open(
    folder: &Path,
    store: &Arc<dyn Store>,
    clock: &Clock,
    more: &str,
) -> Result<Arc<Core>, Refused> {
    Core::open(Parts {
        store: Arc::clone(store),
        clock: clock.clone(),
        config: config(folder, more),
        transports: mail_folder(folder.join("mail")),
        recorder: None,
    })
    .await
}

impl Shop {
    async fn over(store: Arc<dyn Store>, more: &str) -> Shop {
        let folder = TempDir::new().unwrap();
        copy_campaigns(folder.path());
        let clock = Clock::virtual_at(start());
        let core = open(folder.path(), &store, &clock, more).await.unwrap();
        core.settle().await.unwrap();
        Shop {
            folder,
            clock,
            store,
            core,
            counter: Counter::new(),
        }
    }

    async fn new(more: &str) -> Shop {
        Shop::over(Arc::new(MemoryStore::new()), more).await
    }

    async fn take(&mut self, rows: &str, liveness: Liveness) -> Vec<Result<Ingested, Refused>> {
        let reading = Reading::new(self.clock.now());
        let salt = self.core.catalogue().rules.salt;
        let rows: Vec<(Inbound, u64)> = Rows::open(rows.as_bytes(), Options::new(reading))
            .unwrap()
            .map(|(_, row)| row.unwrap())
            .map(|row| {
                let identity = self.counter.identify(&salt, &row.customer, &row.identity);
                (row, identity)
            })
            .collect();
        self.core.ingest(rows, liveness).await
    }

    async fn take_sample(&mut self, customers: u32) -> u64 {
        let rows = sample(customers);
        let taken = self.take(&rows, Liveness::History).await;
        taken.iter().filter(|t| t.as_ref().unwrap().fresh).count() as u64
    }

    /// Moves the clock on in steps, doing all that is due at each.
    async fn run(&self, until: Timestamp, step: Span) {
        while self.clock.now() < until {
            self.clock.advance_to((self.clock.now() + step).min(until));
            self.core.settle().await.unwrap();
        }
    }

    async fn log(&self, filter: LogFilter) -> Vec<LogView> {
        self.core.log(&filter).await.unwrap()
    }

    async fn phase(&self, id: &str) -> Phase {
        let view = self.core.campaign(&campaign(id)).await.unwrap().unwrap();
        view.phase
    }
}

fn sample(customers: u32) -> String {
    let mut bytes = Vec::new();
    let sample = Sample {
        customers,
        ..Sample::new(start())
    };
    generate(sample, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

const MINA: &str = r#"{"type":"identify","userId":"mina","traits":{"email":"Mina@customers.example","firstName":"Mina","timezone":"Asia/Seoul","consent":true,"consent_at":"2026-01-01T00:00:00Z"}}"#;

const CART: &str = r#"{"cart_id":"c-1","product_id":"p","name":"Tea","price":3,"currency":"EUR"}"#;

fn event(who: &str, name: &str, time: Timestamp, properties: &str) -> String {
    format!(
        r#"{{"type":"track","userId":"{who}","event":"{name}","timestamp":"{time}","properties":{properties}}}"#
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_taken_in_twice_counts_once() {
    let mut shop = Shop::new("").await;
    let rows = sample(200);
    let first = shop.take(&rows, Liveness::History).await;
    assert_eq!(first.len(), rows.lines().count());
    assert!(first.iter().all(|t| *t == Ok(Ingested { fresh: true })));
    shop.counter = Counter::new();
    let second = shop.take(&rows, Liveness::History).await;
    let fresh = second.iter().filter(|t| t.as_ref().unwrap().fresh).count();
    assert_eq!(fresh, 0, "each says when it was told");
    let anew = r#"{"type":"identify","userId":"mina","traits":{"plan":"gold"}}"#;
    for _ in 0..2 {
        let told = shop.take(anew, Liveness::History).await;
        assert_eq!(told, [Ok(Ingested { fresh: true })]);
        shop.counter = Counter::new();
    }
    assert_eq!(shop.core.directory.count().await.unwrap(), 201);
    // History starts nothing by itself.
    shop.core.settle().await.unwrap();
    assert_eq!(shop.log(LogFilter::default()).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_one_customer_keep_their_order() {
    let mut shop = Shop::new("").await;
    // The refusal comes with the address that it binds.
    let no = r#"{"type":"identify","userId":"no","traits":{"email":"no@customers.example","consent":false,"consent_at":"2026-01-01T00:00:00Z"}}"#;
    let mut rows = format!("{no}\n");
    for city in ["Seoul", "Busan", "Daegu"] {
        rows.push_str(&format!(
            r#"{{"type":"identify","userId":"no","traits":{{"city":"{city}"}}}}"#
        ));
        rows.push('\n');
    }
    shop.take(&rows, Liveness::History).await;
    let view = shop.core.customer_view(&customer("no")).await.unwrap();
    let view = view.unwrap();
    assert_eq!(
        serde_json::to_value(&view).unwrap()["attributes"]["city"],
        "Daegu"
    );
    let refusals = view.mailbox.unwrap().refusals;
    assert_eq!(refusals.len(), 1);
    assert_eq!(refusals[0].state, ConsentState::Refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_welcome_is_explained_before_and_logged_after() {
    let mut shop = Shop::new("").await;
    shop.clock.advance(Span::hours(12));
    let signed_up = event("mina", "Signed Up", shop.clock.now(), "{}");
    let taken = shop
        .take(&format!("{MINA}\n{signed_up}\n"), Liveness::Live)
        .await;
    assert!(taken.iter().all(Result::is_ok), "{taken:?}");
    let (mina, welcome) = (customer("mina"), campaign("welcome"));
    let told = shop.core.explain(&mina, Some(&welcome)).await.unwrap();
    let told = told.unwrap();
    assert_eq!(told.campaigns.len(), 1);
    let planned = &told.campaigns[0].messages[0];
    assert_eq!(
        (planned.state, planned.answer),
        ("planned", PolicyAnswer::Goes)
    );
    // Informational: the shop's hours don't bind it (it is 21:00 in Seoul), and it goes ten minutes after.
    let goes = at("2026-09-01T12:10:00Z");
    assert_eq!(planned.goes, Some(goes));
    shop.run(goes, Span::minutes(1)).await;
    let log = shop.log(LogFilter::default()).await;
    let told: Vec<(&str, &str)> = log.iter().map(|r| (r.status, r.reason)).collect();
    assert_eq!(
        told,
        [
            ("entered", "trigger"),
            ("waiting", "step_due"),
            ("attempting", "policy"),
            ("accepted", "accepted")
        ]
    );
    let last = serde_json::to_value(&log[3]).unwrap();
    let keys: Vec<&String> = last.as_object().unwrap().keys().collect();
    let mut wanted = vec![
        "time",
        "message_id",
        "customer",
        "campaign",
        "step",
        "variant",
        "status",
        "reason",
        "detail",
        "attempt",
        "goal_until",
        "value",
    ];
    wanted.sort_unstable();
    let mut keys: Vec<&str> = keys.into_iter().map(|k| k.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, wanted);
    assert_eq!(last["customer"], "mina");
    assert_eq!(last["time"], "2026-09-01T12:10:00Z");
    // The Message-ID of the log is the mail's own.
    let id = log[3].message_id.clone().unwrap();
    let mails: Vec<String> = std::fs::read_dir(shop.folder.path().join("mail"))
        .unwrap()
        .map(|f| f.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "eml"))
        .map(|p| std::fs::read_to_string(p).unwrap())
        .collect();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].contains(&format!("<{id}>")), "{id}\n{}", mails[0]);
    // Filters.
    let by_id = |text: String| LogFilter {
        message_id: Some(text),
        ..LogFilter::default()
    };
    assert_eq!(shop.log(by_id(format!("<{id}>"))).await.len(), 3);
    let forged = format!("1.1.{:016x}@shop.example", 7);
    assert_eq!(shop.log(by_id(forged)).await, []);
    assert_eq!(shop.log(by_id("nonsense".into())).await, []);
    let by_status = LogFilter {
        status: Some(Status::Accepted),
        campaign: Some(welcome.clone()),
        customer: Some(mina.clone()),
        ..LogFilter::default()
    };
    assert_eq!(shop.log(by_status.clone()).await, log[3..]);
    let nobody = LogFilter {
        customer: Some(customer("nobody")),
        ..LogFilter::default()
    };
    assert_eq!(shop.log(nobody).await, []);
    let last_two = LogFilter {
        limit: Some(2),
        ..LogFilter::default()
    };
    assert_eq!(shop.log(last_two).await, log[2..]);
    let until = LogFilter {
        from: Some(start()),
        to: Some(goes),
        ..LogFilter::default()
    };
    assert_eq!(shop.log(until).await.len(), 1, "before the mail: the entry");
    let view = shop.core.customer_view(&mina).await.unwrap().unwrap();
    assert_eq!(view.enrollments[0].state, "finished");
    assert_eq!(view.mailbox.unwrap().places.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cart_mail_goes_when_explain_says() {
    let mut shop = Shop::new("").await;
    // 23:30 in Seoul: a day later is outside the shop's hours of 08:00 to 21:00.
    shop.clock.advance_to(at("2026-09-01T14:30:00Z"));
    let added = event("mina", "Product Added", shop.clock.now(), CART);
    shop.take(&format!("{MINA}\n{added}\n"), Liveness::Live)
        .await;
    let (mina, cart) = (customer("mina"), campaign("cart_reminder"));
    let told = shop.core.explain(&mina, Some(&cart)).await.unwrap();
    let told = told.unwrap();
    let planned = &told.campaigns[0].messages[0];
    assert_eq!(planned.answer, PolicyAnswer::Waits);
    assert_eq!(planned.reason, "window");
    let goes = at("2026-09-02T23:00:00Z");
    assert_eq!(planned.goes, Some(goes));
    assert!(told.render().contains("Thu 3 Sep 2026, 08:00"));
    let all = shop.core.explain(&mina, None).await.unwrap().unwrap();
    insta::assert_snapshot!("a_cart_mail_explained", all.render());
    let json = serde_json::to_value(&all).unwrap();
    assert_eq!(json["zone"], "Asia/Seoul");
    assert_eq!(
        json["campaigns"][0]["messages"][0]["goes"],
        "2026-09-02T23:00:00Z"
    );
    shop.run(goes, Span::minutes(30)).await;
    let accepted = LogFilter {
        status: Some(Status::Accepted),
        ..LogFilter::default()
    };
    let sent = shop.log(accepted).await;
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].time, goes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_would_wake_many_waits_for_approval() {
    let mut shop = Shop::new("[safety]\nat_once = \"20\"\n").await;
    let _cut_off = shop.core.import_begin("sample").await.unwrap();
    assert!(matches!(
        shop.phase("wake_dormant").await,
        Phase::Importing { .. }
    ));
    shop.take_sample(200).await;
    let dormant = shop.core.campaign(&campaign("wake_dormant")).await.unwrap();
    let due = dormant.unwrap().due.unwrap();
    assert!(due > 20, "{due} customers are dormant");
    // Ten in the morning comes and goes everywhere: nobody enters while the import runs, ...
    shop.run(start() + Span::hours(30), Span::hours(1)).await;
    assert_eq!(shop.log(LogFilter::default()).await, []);
    // ... nor after a crash in the middle of it, ...
    let core = open(
        shop.folder.path(),
        &shop.store,
        &shop.clock,
        "[safety]\nat_once = \"20\"\n",
    );
    shop.core = core.await.unwrap();
    shop.core.settle().await.unwrap();
    let import = shop.core.import_begin("sample").await.unwrap();
    shop.run(start() + Span::hours(50), Span::hours(1)).await;
    assert_eq!(shop.log(LogFilter::default()).await, []);
    // ... nor when it has ended.
    let ended = shop.core.import_end(import).await.unwrap();
    assert_eq!(ended.waits_for, []);
    let held = ended.held;
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].campaign, campaign("wake_dormant"));
    assert_eq!(held[0].allowed, 20);
    assert!(held[0].more > 20 && held[0].customers >= held[0].more);
    let names: BTreeSet<&CustomerId> = held[0].examples.iter().collect();
    assert_eq!(names.len(), 5);
    shop.run(start() + Span::hours(80), Span::hours(1)).await;
    assert_eq!(shop.log(LogFilter::default()).await, []);
    match shop.phase("wake_dormant").await {
        Phase::AwaitingApproval {
            customers,
            allowed,
            examples,
            edit: None,
        } => {
            assert!(customers > 20);
            assert_eq!((allowed, examples.len()), (20, 5));
        }
        other => panic!("{other:?}"),
    }
    let wake = campaign("wake_dormant");
    shop.core.approve(&wake, "a test").await.unwrap();
    assert!(matches!(
        shop.phase("wake_dormant").await,
        Phase::Live { .. }
    ));
    shop.run(start() + Span::hours(130), Span::hours(1)).await;
    let entered = LogFilter {
        status: Some(Status::Entered),
        ..LogFilter::default()
    };
    let entered = shop.log(entered).await;
    assert!(entered.len() > 20, "{}", entered.len());
    assert!(entered.iter().all(|r| r.campaign == "wake_dormant"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_changes_little_holds_nothing() {
    let mut shop = Shop::new("").await;
    let import = shop.core.import_begin("sample").await.unwrap();
    shop.take_sample(50).await;
    let ended = shop.core.import_end(import).await.unwrap();
    assert_eq!(ended, Ended::default());
    assert!(matches!(
        shop.phase("wake_dormant").await,
        Phase::Live { .. }
    ));
    // Resuming everything ends a wait that nobody else ends.
    drop(shop.core.import_begin("sample").await.unwrap());
    assert!(shop.core.importing().is_some());
    shop.core.resume(&Scope::All, "a test").await.unwrap();
    assert_eq!(shop.core.importing(), None);
    assert!(matches!(
        shop.phase("wake_dormant").await,
        Phase::Live { .. }
    ));
    assert_eq!(shop.core.imports().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resuming_after_an_import_was_cut_off_counts_who_would_enter() {
    let mut shop = Shop::new("[safety]\nat_once = \"20\"\n").await;
    let import = shop.core.import_begin("sample").await.unwrap();
    shop.take_sample(200).await;
    // While it runs, it is waited for.
    let resumed = shop.core.resume(&Scope::All, "a test").await.unwrap();
    assert_eq!(resumed.held, []);
    assert!(shop.core.importing().is_some());
    drop(import);
    let resumed = shop.core.resume(&Scope::All, "a test").await.unwrap();
    assert_eq!(resumed.held[0].campaign, campaign("wake_dormant"));
    assert!(resumed.held[0].customers > 20);
    assert_eq!(shop.core.importing(), None);
    assert!(matches!(
        shop.phase("wake_dormant").await,
        Phase::AwaitingApproval { .. }
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suppressed_mailbox_gets_nothing_that_waited() {
    let mut shop = Shop::new("").await;
    shop.clock.advance(Span::hours(12));
    let added = event("mina", "Product Added", shop.clock.now(), CART);
    shop.take(&format!("{MINA}\n{added}\n"), Liveness::Live)
        .await;
    let mina = EmailAddress::parse("mina@customers.example").unwrap();
    assert!(
        shop.core
            .suppress(&mina, "asked by telephone")
            .await
            .unwrap()
    );
    assert!(!shop.core.suppress(&mina, "again").await.unwrap());
    let all = shop.core.suppressions().await.unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].note, "asked by telephone");
    let told = shop.core.explain(&customer("mina"), None).await.unwrap();
    let text = told.unwrap().render();
    assert!(text.contains("asked by telephone"), "{text}");
    shop.run(start() + Span::hours(60), Span::hours(1)).await;
    let log = shop.log(LogFilter::default()).await;
    assert_eq!(
        log.last().map(|r| (r.status, r.reason)),
        Some(("dropped", "suppressed"))
    );
    assert!(shop.core.unsuppress(&mina).await.unwrap());
    assert!(!shop.core.unsuppress(&mina).await.unwrap());
    assert_eq!(shop.core.suppressions().await.unwrap(), []);
    let view = shop.core.customer_view(&customer("mina")).await.unwrap();
    assert!(view.unwrap().mailbox.unwrap().suppression.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_dropped_for_a_suppression_is_due_again_when_it_is_lifted() {
    let mut shop = Shop::new("").await;
    let ordered = event("mina", "Order Completed", start() - Span::days(100), "{}");
    shop.take(&format!("{MINA}\n{ordered}\n"), Liveness::History)
        .await;
    let mina = EmailAddress::parse("mina@customers.example").unwrap();
    shop.core.suppress(&mina, "by mistake").await.unwrap();
    let wake = campaign("wake_dormant");
    shop.run(start() + Span::hours(26), Span::hours(1)).await;
    let view = shop.core.campaign(&wake).await.unwrap().unwrap();
    assert_eq!(view.due, Some(0), "dropped, and not due again");
    assert!(shop.core.unsuppress(&mina).await.unwrap());
    let view = shop.core.campaign(&wake).await.unwrap().unwrap();
    assert_eq!(view.due, Some(1));
    let told = shop
        .core
        .explain(&customer("mina"), Some(&wake))
        .await
        .unwrap()
        .unwrap();
    let goes = told.campaigns[0]
        .messages
        .last()
        .and_then(|m| m.goes)
        .unwrap();
    shop.run(goes, Span::hours(1)).await;
    let log = shop.log(LogFilter::default()).await;
    let last = log.last().unwrap();
    assert_eq!((last.status, last.time), ("accepted", goes));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_foretells_what_a_week_brings() {
    let mut shop = Shop::new("").await;
    shop.take_sample(200).await;
    shop.core.settle().await.unwrap();
    let wake = campaign("wake_dormant");
    let rows = shop.core.customers(None, usize::MAX).await.unwrap();
    assert_eq!(rows.len(), 200);
    let until = start() + Span::days(7);
    let (mut foretold, mut entries) = (BTreeMap::new(), BTreeMap::new());
    for row in &rows {
        let told = shop
            .core
            .explain(&row.id, Some(&wake))
            .await
            .unwrap()
            .unwrap();
        let one = &told.campaigns[0];
        assert!(!told.render().is_empty());
        if let Some(enters) = one.enters.filter(|at| *at <= until) {
            entries.insert(row.id.to_string(), enters);
            let sent = one.messages.last().and_then(|m| m.goes);
            if let Some(goes) = sent.filter(|goes| *goes <= until) {
                foretold.insert(row.id.to_string(), goes);
            }
        }
    }
    assert!(foretold.len() > 10, "{}", foretold.len());
    // On the hour and the quarter, where schedules and windows lie.
    shop.run(until, Span::minutes(15)).await;
    let of = |status| LogFilter {
        campaign: Some(wake.clone()),
        status: Some(status),
        ..LogFilter::default()
    };
    let mut entered: BTreeMap<String, Vec<Timestamp>> = BTreeMap::new();
    for row in shop.log(of(Status::Entered)).await {
        entered.entry(row.customer).or_default().push(row.time);
    }
    let first: BTreeMap<String, Timestamp> = (entered.iter())
        .map(|(id, times)| (id.clone(), times[0]))
        .collect();
    assert_eq!(first, entries);
    // Whose first entry could send nothing (no hours before it expires) may enter again and be sent to then.
    let sent: BTreeMap<String, Timestamp> = (shop.log(of(Status::Accepted)).await)
        .into_iter()
        .filter(|row| entered[&row.customer].len() == 1)
        .map(|row| (row.customer, row.time))
        .collect();
    assert_eq!(sent, foretold);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_is_changed_by_hand() {
    let mut shop = Shop::new("").await;
    shop.take(&format!("{MINA}\n"), Liveness::Live).await;
    let vip = TagName::parse("vip").unwrap();
    let change = ProfileChange {
        tags: vec![(vip, true)],
        ..ProfileChange::default()
    };
    let refuse = ConsentChange {
        topic: None,
        state: ConsentState::Refused,
        at: shop.clock.now(),
        source: "telephone".into(),
        wording: None,
        origin: Default::default(),
    };
    let mina = customer("mina");
    let view = shop
        .core
        .set_customer(&mina, change.clone(), vec![refuse])
        .await;
    let view = view.unwrap().unwrap();
    // The shipped tags.toml says the first, the hand the second.
    assert_eq!(view.tags, ["stage_prospect", "vip"]);
    assert_eq!(view.consents[0].state, ConsentState::Refused);
    assert_eq!(view.preferences.zone.name(), "Asia/Seoul");
    let nobody = customer("nobody");
    let none = shop.core.set_customer(&nobody, change, Vec::new()).await;
    assert!(none.unwrap().is_none());
    assert!(shop.core.customer_view(&nobody).await.unwrap().is_none());
    let rows = shop.core.customers(None, 10).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].advertising, Some(ConsentState::Refused));
    assert_eq!(shop.core.customers(Some(&mina), 10).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn campaigns_say_how_their_files_stand() {
    let shop = Shop::new("").await;
    let folder = shop.folder.path().join("campaigns");
    std::fs::write(folder.join("welcome.toml"), "name = 7\n").unwrap();
    std::fs::write(folder.join("new.toml"), "nonsense = 1\n").unwrap();
    std::fs::remove_file(folder.join("cart_reminder.toml")).unwrap();
    shop.core
        .reload(config(shop.folder.path(), ""))
        .await
        .unwrap();
    shop.core.settle().await.unwrap();
    shop.core
        .cancel(&campaign("wake_dormant"), "a test")
        .await
        .unwrap();
    let views = shop.core.campaigns().await.unwrap();
    let by_id: BTreeMap<&str, _> = views.iter().map(|v| (v.id.as_str(), v)).collect();
    let json = |id: &str| serde_json::to_value(by_id[id]).unwrap();
    assert_eq!(json("welcome")["file"], "last_good");
    assert_eq!(json("welcome")["phase"]["is"], "live");
    assert!(!by_id["welcome"].problems.is_empty());
    assert_eq!(json("new")["file"], "broken");
    assert_eq!(by_id["new"].phase, Phase::Broken);
    assert!(by_id["new"].problems[0].text.contains("new.toml"));
    assert_eq!(by_id["cart_reminder"].phase, Phase::Missing);
    assert_eq!(by_id["wake_dormant"].phase, Phase::Cancelled);
    let none = shop.core.campaign(&campaign("nothing")).await.unwrap();
    assert!(none.is_none());
}

const REAL: &str = "
[transport.main]
kind = \"smtp\"
host = \"127.0.0.1\"
port = 25
tls = \"none\"
";

fn real(folder: &Path) -> Config {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = format!(
        "campaigns = {:?}\ntemplates = {:?}\n{BESIDE}{REAL}",
        folder.join("campaigns"),
        root.join("templates"),
    );
    Config::parse(&folder.join("config.toml"), &text).unwrap_or_else(|p| panic!("{p:?}"))
}

async fn rehearsed(store: Arc<dyn Store>) -> Shop {
    let mut shop = Shop::over(store, "").await;
    shop.take_sample(100).await;
    shop.clock.advance(Span::hours(1));
    let signed_up = event("mina", "Signed Up", shop.clock.now(), "{}");
    let added = event("mina", "Product Added", shop.clock.now(), CART);
    shop.take(&format!("{MINA}\n{signed_up}\n{added}\n"), Liveness::Live)
        .await;
    shop.run(start() + Span::hours(20), Span::minutes(30)).await;
    shop
}

async fn goes_live(shop: Shop) {
    let accepted = LogFilter {
        status: Some(Status::Accepted),
        ..LogFilter::default()
    };
    let mina = customer("mina");
    let before = shop.core.customer_view(&mina).await.unwrap().unwrap();
    assert!(before.enrollments.iter().any(|e| e.state == "waiting"));
    let sent = shop.log(accepted.clone()).await.len();
    assert!(sent > 0);
    let (mode, since) = shop.core.mode().await.unwrap();
    assert_eq!((mode, since), (Mode::Rehearsal, start()));
    let now = shop.clock.now();
    let real = real(shop.folder.path());
    assert_eq!(
        golive::require(&*shop.store, &real, now).await,
        Err(ModeError::Rehearsed)
    );
    let reload = shop.core.reload(real.clone()).await;
    assert!(
        matches!(reload, Err(Refused::Mode(_))),
        "no reload changes it"
    );
    let went = golive::go_live(&*shop.store, &real, now, &|_| {})
        .await
        .unwrap();
    let went: WentLive = went.unwrap();
    assert_eq!(went.customers, 101);
    assert!(went.enrollments > 0);
    assert_eq!(
        golive::go_live(&*shop.store, &real, now, &|_| {})
            .await
            .unwrap(),
        None
    );
    // The old configuration is refused now, as the new one was before.
    let back = open(shop.folder.path(), &shop.store, &shop.clock, "").await;
    assert!(matches!(back, Err(Refused::Mode(_))));
    let core = Core::open(Parts {
        store: Arc::clone(&shop.store),
        clock: shop.clock.clone(),
        config: real,
        transports: mail_folder(shop.folder.path().join("real mail")),
        recorder: None,
    })
    .await
    .unwrap();
    core.settle().await.unwrap();
    assert_eq!(core.mode().await.unwrap(), (Mode::Real, now));
    let after = core.customer_view(&mina).await.unwrap().unwrap();
    assert!(after.enrollments.is_empty() && after.messages.is_empty());
    assert!(after.mailbox.unwrap().places.is_empty());
    assert_eq!(after.consents, before.consents);
    assert_eq!(after.events, before.events);
    // The log stays, and nothing that was rehearsed leaves.
    assert_eq!(core.log(&accepted).await.unwrap().len(), sent);
    // Campaigns start anew, and those who are dormant enter at the file's pace.
    let wake = core.campaign(&campaign("wake_dormant")).await.unwrap();
    let wake = wake.unwrap();
    assert!(
        matches!(wake.phase, Phase::Live { since } if since == now),
        "{wake:?}"
    );
    assert!(wake.due.unwrap() > 0);
    while shop.clock.now() < start() + Span::hours(60) {
        shop.clock.advance(Span::hours(1));
        core.settle().await.unwrap();
    }
    let later = core.log(&accepted).await.unwrap();
    assert!(later.len() > sent, "they are met again");
    assert!(later[sent..].iter().all(|r| r.campaign == "wake_dormant"));
    let ids: BTreeSet<_> = later.iter().map(|r| r.message_id.clone()).collect();
    assert_eq!(ids.len(), later.len(), "no Message-ID is given twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn going_live_forgets_the_rehearsal_and_keeps_the_customers() {
    goes_live(rehearsed(Arc::new(MemoryStore::new())).await).await;
}

/// A store that breaks after so many commits.
struct Breaking {
    store: Arc<dyn Store>,
    left: AtomicUsize,
}

impl Store for Breaking {
    fn epoch(&self) -> u64 {
        self.store.epoch()
    }
    fn get_many(
        &self,
        keys: Vec<Key>,
    ) -> BoxFuture<'_, Result<Vec<Option<Versioned>>, StoreError>> {
        self.store.get_many(keys)
    }
    fn scan(
        &self,
        range: KeyRange,
        direction: Direction,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(Key, Versioned)>, StoreError>> {
        self.store.scan(range, direction, limit)
    }
    fn read_stream(
        &self,
        stream: Stream,
        filter: StreamFilter,
    ) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        self.store.read_stream(stream, filter)
    }
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed, StoreError>> {
        let one_less = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(SeqCst, SeqCst, one_less).is_err() {
            return Box::pin(async { Err(StoreError::Unavailable("cut off".into())) });
        }
        self.store.commit(batch)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn going_live_that_is_cut_off_is_done_again() {
    let shop = rehearsed(Arc::new(MemoryStore::new())).await;
    let real = real(shop.folder.path());
    let now = shop.clock.now();
    let mut cuts = 0;
    loop {
        let breaking = Breaking {
            store: Arc::clone(&shop.store),
            left: AtomicUsize::new(cuts),
        };
        match golive::go_live(&breaking, &real, now, &|_| {}).await {
            Ok(went) => {
                assert_eq!(went.unwrap().customers, 101);
                break;
            }
            Err(_) if cuts == 0 => {}
            Err(_) => {
                for config in [&real, &config(shop.folder.path(), "")] {
                    let refused = golive::require(&*shop.store, config, now).await;
                    assert_eq!(refused, Err(ModeError::CutOff), "after {cuts} commits");
                }
            }
        }
        cuts += 1;
    }
    assert!(cuts > 3, "{cuts}");
    assert_eq!(
        golive::require(&*shop.store, &real, now).await,
        Ok(Mode::Real)
    );
}

/// What cannot be read is passed by and told; everybody else is taken there, and the engine opens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn going_live_ends_beside_a_customer_and_a_mailbox_that_cannot_be_read() {
    let shop = rehearsed(Arc::new(MemoryStore::new())).await;
    let real = real(shop.folder.path());
    let mina = shop.core.directory.find(&[customer("mina")]).await.unwrap()[0].unwrap();
    let address = EmailAddress::parse("mina@customers.example").unwrap();
    let record = keys::record(mina);
    let garbled = [record.clone(), keys::mailbox(&address.mailbox())];
    let spoil = Batch {
        puts: (garbled.iter())
            .map(|key| (key.clone(), b"garbled".to_vec()))
            .collect(),
        ..Batch::default()
    };
    shop.store.commit(spoil).await.unwrap();
    let now = shop.clock.now();
    let went = golive::go_live(&*shop.store, &real, now, &|_| {}).await;
    let went = went.unwrap().unwrap();
    assert_eq!(went.customers, 100);
    let told: Vec<_> = went.unreadable.iter().map(|u| u.what.as_str()).collect();
    assert_eq!(
        told,
        [
            format!("customer number {}", mina.0).as_str(),
            &format!("address {}", address.masked())
        ]
    );
    assert!(went.unreadable[0].why.contains("customer record"));
    let none_left = async |range| {
        let found = shop.store.scan(range, Direction::Forward, usize::MAX).await;
        assert_eq!(found.unwrap(), []);
    };
    // No key of what was begun is left, of those who cannot be read neither.
    for shard in ShardNo::all() {
        none_left(keys::outbox_all(shard)).await;
        none_left(keys::parked_all(shard)).await;
        none_left(keys::alarms_until(shard, now + Span::days(1000))).await;
    }
    let kept = shop.store.get_many(vec![record]).await.unwrap().remove(0);
    assert_eq!(kept.unwrap().value, b"garbled", "left as it was");
    let core = Core::open(Parts {
        store: Arc::clone(&shop.store),
        clock: shop.clock.clone(),
        config: real,
        transports: mail_folder(shop.folder.path().join("real mail")),
        recorder: None,
    })
    .await
    .unwrap();
    assert_eq!(core.mode().await.unwrap(), (Mode::Real, now));
    core.settle().await.unwrap();
    // Listed with the shop's id, which the damaged record no longer tells; once, however often it is met since.
    let listed = core.poisonous().await.unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0].customer, Some(customer("mina")));
    assert_eq!(listed[0].number, mina.0);
    assert!(listed[0].why.contains("customer record"), "{listed:?}");
    assert_eq!(core.poisonous_customers().await.unwrap(), 1);
    assert_eq!(core.clear_poison(&customer("mina")).await.unwrap(), Some(1));
    assert_eq!(core.poisonous().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn going_live_on_the_embedded_store() {
    let folder = TempDir::new().unwrap();
    let options = StoreOptions {
        floor_bytes: 0,
        reserve_bytes: 0,
        ..StoreOptions::default()
    };
    let (store, _) = EmbeddedStore::open(&folder.path().join("data"), options).unwrap();
    let store = Arc::new(store);
    goes_live(rehearsed(Arc::clone(&store) as Arc<dyn Store>).await).await;
    store.close().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_leaves_after_the_suppression_was_acknowledged() {
    for round in 0..10 {
        let mut shop = Shop::new("").await;
        let mut rows = String::new();
        for n in 0..40 {
            let who = format!("c{n}");
            rows.push_str(&format!(
                r#"{{"type":"identify","userId":"{who}","traits":{{"email":"shared@customers.example"}}}}"#
            ));
            rows.push('\n');
            rows.push_str(&event(&who, "Signed Up", shop.clock.now(), "{}"));
            rows.push('\n');
        }
        shop.take(&rows, Liveness::Live).await;
        shop.clock.advance(Span::minutes(10));
        let shared = EmailAddress::parse("shared@customers.example").unwrap();
        let begun = LogFilter {
            status: Some(Status::Attempting),
            ..LogFilter::default()
        };
        let suppressed = async {
            for _ in 0..round * 20 {
                tokio::task::yield_now().await;
            }
            shop.core.suppress(&shared, "a test").await.unwrap();
            shop.core.log(&begun).await.unwrap().len()
        };
        let (ticked, before) = tokio::join!(shop.core.tick(), suppressed);
        ticked.unwrap();
        shop.core.settle().await.unwrap();
        assert_eq!(shop.log(begun).await.len(), before);
        let dropped = LogFilter {
            status: Some(Status::Dropped),
            ..LogFilter::default()
        };
        assert_eq!(shop.log(dropped).await.len() + before, 40);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_log_is_read_in_pages() {
    let mut shop = Shop::new("").await;
    shop.take(&format!("{MINA}\n"), Liveness::History).await;
    let row = |n: i64| LogRow {
        time: start() - Span::days(40) + Span::minutes(n),
        // Every third is of somebody whose record is gone.
        customer: CustomerNo(if n % 3 == 0 { 99 } else { 1 }),
        campaign: campaign("welcome"),
        step: None,
        message: None,
        entry: EntryKey::default(),
        variant: None,
        status: Status::Entered,
        reason: Reason::Trigger,
        detail: n.to_string(),
        attempt: 0,
        goal_until: None,
        value: None,
    };
    let rows: Vec<LogRow> = (0..25_000).map(row).collect();
    let batch = Batch {
        appends: (rows.iter())
            .map(|row| Append {
                stream: Stream::Log,
                customer: row.customer.0,
                time: row.time.millis(),
                payload: encode(row),
            })
            .collect(),
        ..Batch::default()
    };
    shop.store.commit(batch).await.unwrap();
    let all = LogFilter::default();
    let mut pages = shop.core.log_pages(&all).await.unwrap();
    let (mut count, mut read) = (0, 0);
    while let Some(page) = pages.next().await.unwrap() {
        count += 1;
        for row in page {
            assert_eq!(row.detail, read.to_string());
            let customer = if read % 3 == 0 { "#99" } else { "mina" };
            assert_eq!(row.customer, customer);
            read += 1;
        }
    }
    assert_eq!(read, 25_000);
    assert!(count > 1);
    assert_eq!(shop.log(all.clone()).await.len(), 25_000);
    // The last ones lie weeks back, and are found all the same.
    let last = LogFilter {
        limit: Some(30),
        customer: Some(customer("mina")),
        ..all
    };
    let last = shop.log(last).await;
    assert_eq!(last.len(), 30);
    assert_eq!(last[29].detail, "24998");
}
