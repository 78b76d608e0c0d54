//! One order counts once, whatever brings it: the shop's webhook, its export, a call of the interface; in whichever order
//! they come, over restarts and merges, whenever the rule (`once_per`) was made.

mod app;
mod cli_house;
mod http_house;
#[allow(dead_code)]
mod oracle;

use app::watched::Watched;
use app::{App, CONFIG};
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cli_house::{House, Running};
use http_house::{Answered, EVERYTHING, Shop, config, events, request_at};
use hyper::Request;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use reveille::domain::cause::Liveness;
use reveille::domain::id::{CustomerId, EventName};
use reveille::domain::time::Span;
use reveille::domain::value::Value as Property;
use reveille::engine::intake::orders::{Survey, Told};
use reveille::engine::intake::{
    Counter, Identity, Inbound, Options, Reading, Rows, What, identity_hash,
};
use reveille::http::server::Limits;
use reveille::store::StoreError;
use ring::hmac;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

const SECRET: &str = "what-the-shop-signs-with";
const ORDER: &str = include_str!("webhooks/woocommerce_order.json");
const WEBHOOK: &str = "[webhook.woo]\nplatform = \"woocommerce\"\nsecret_file = \"secret\"\n";
const UNDONE: &str = "[events.\"Order Completed\"]\nundone_by = { event = \"Order Cancelled\", same = \"order_id\" }\n";
const START: &str = "2026-03-02T08:00:00Z";
/// What orders come to, as conditions count them.
const TAGS: &str = r#"
[one]
event = "Order Completed"
count = "= 1"

[twice]
event = "Order Completed"
count = ">= 2"

[spent_50]
event = "Order Completed"
sum = "total"
is = ">= 50"
"#;

/// A delivery of WooCommerce's: this order of this member (0: a guest), in this state.
fn delivery(number: u32, member: u32, state: &str) -> Request<Body> {
    let mut order: Value = serde_json::from_str(ORDER).unwrap();
    order["id"] = json!(number);
    order["customer_id"] = json!(member);
    order["status"] = json!(state);
    order["total"] = json!("30.00");
    let body = order.to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = STANDARD.encode(hmac::sign(&key, body.as_bytes()));
    Request::post("/webhooks/woo")
        .header("x-wc-webhook-topic", "order.updated")
        .header("x-wc-webhook-delivery-id", format!("{number}-{state}"))
        .header("x-wc-webhook-signature", signature)
        .body(Body::from(body))
        .unwrap()
}

/// An export of the same shop: two rows an order, with its number, who ordered and its state.
fn export(orders: &[(u32, &str, &str)]) -> String {
    let mut rows = String::from(
        "Order ID,Customer User ID,Billing Email,Order Date,Order Status,Order Total,Item Name,Quantity\n",
    );
    for (number, member, state) in orders {
        for item in ["Tea", "Cup"] {
            rows.push_str(&format!(
                "{number},{member},Joon@customers.example,2026-03-02 17:30,{state},30.00,{item},1\n"
            ));
        }
    }
    rows
}

/// The orders of an export, as `reveille import --orders` reads them.
fn rows(app: &App, export: &str) -> Vec<(Inbound, u64)> {
    let told = Told {
        map: Vec::new(),
        dates: None,
        zone: chrono_tz::Asia::Seoul,
        decimals: None,
        totals: None,
    };
    let survey = Survey::of(export.as_bytes(), &told).unwrap();
    let taken = survey.read(export.as_bytes(), |e| panic!("{e}")).unwrap();
    let mut lines = Vec::new();
    taken.write(&mut lines).unwrap();
    let options = Options::new(Reading::new(app.now()));
    let rows = Rows::open(lines.as_slice(), options).unwrap();
    let salt = app.core.catalogue().rules.salt;
    let mut counter = Counter::new();
    let mut orders = Vec::new();
    for (_, row) in rows {
        let row = row.unwrap();
        if matches!(row.what, What::Event { .. }) {
            let identity = counter.identify(&salt, &row.customer, &row.identity);
            orders.push((row, identity));
        }
    }
    orders
}

/// Takes an export in; how many of its orders were new.
async fn import(app: &App, export: &str) -> usize {
    let done = app.core.ingest(rows(app, export), Liveness::History).await;
    done.iter().filter(|d| d.as_ref().unwrap().fresh).count()
}

async fn shop_on(store: Arc<Watched>) -> Shop {
    let settings = format!("{}\n{WEBHOOK}{UNDONE}", config(""));
    let app = App::start_on(store, START, &settings, &[("tags.toml", TAGS)]).await;
    app.advance(Span::hours(1)).await;
    std::fs::write(app.dir.path().join("secret"), format!("{SECRET}\n")).unwrap();
    Shop::before(app, Limits::default(), EVERYTHING).await
}

async fn tags(app: &App, id: &str) -> Vec<String> {
    let id = CustomerId::shown(id).unwrap();
    let view = app.core.customer_view(&id).await.unwrap().unwrap();
    view.tags
}

/// How many orders stand in a customer's history.
async fn orders(app: &App, id: &str) -> usize {
    let all = events(app, id).await;
    let ordered = all.iter().filter(|e| e.name.as_str() == "Order Completed");
    ordered.count()
}

#[tokio::test]
async fn a_webhook_an_export_and_a_call_tell_one_order_in_any_order() {
    let store = Watched::new();
    let shop = shop_on(store.clone()).await;
    // The webhook first.
    shop.request(delivery(4711, 26, "processing"))
        .await
        .done(1, 0);
    let both = export(&[(4711, "26", "completed"), (4712, "26", "completed")]);
    assert_eq!(import(&shop.app, &both).await, 1);
    assert_eq!(orders(&shop.app, "26").await, 2);
    assert_eq!(tags(&shop.app, "26").await, ["spent_50", "twice"]);
    // The export first.
    shop.request(delivery(4712, 26, "processing"))
        .await
        .done(0, 1);
    // Whoever has no account, told as 0 here and not at all there.
    let guests = export(&[(4713, "0", "completed"), (4714, "", "completed")]);
    assert_eq!(import(&shop.app, &guests).await, 2);
    for guest in [4713, 4714] {
        shop.request(delivery(guest, 0, "processing"))
            .await
            .done(1, 1);
    }
    assert_eq!(orders(&shop.app, "guest:joon@customers.example").await, 2);
    // The daemon starts anew, and everything is told again.
    let app = shop.close().await.reopen(store.again()).await;
    let shop = Shop::before(app, Limits::default(), EVERYTHING).await;
    for number in [4711, 4712] {
        shop.request(delivery(number, 26, "completed"))
            .await
            .done(0, 1);
    }
    assert_eq!(import(&shop.app, &both).await, 0);
    let call = |number: Value, id: &str| {
        json!({ "type": "track", "userId": "26", "event": "Order Completed", "messageId": id,
            "properties": { "order_id": number, "total": 99 } })
    };
    // A number is its digits; an order of two calls of one request is one.
    let batch = json!({ "batch": [call(json!(4711), "a"), call(json!("4715"), "b"), call(json!(4715), "c")] });
    shop.send("/v1/batch", &batch).await.done(1, 2);
    shop.send("/v1/track", &call(json!("4715"), "d"))
        .await
        .done(0, 1);
    // Without a number it is known by its row alone.
    for id in ["e", "f"] {
        shop.send("/v1/track", &call(Value::Null, id))
            .await
            .done(1, 0);
        shop.send("/v1/track", &call(Value::Null, id))
            .await
            .done(0, 1);
    }
    assert_eq!(orders(&shop.app, "26").await, 5);
    // Another customer's order of that number is another.
    shop.request(delivery(4711, 27, "processing"))
        .await
        .done(1, 0);
    assert_eq!(tags(&shop.app, "27").await, ["one"]);
    shop.close().await;
}

#[tokio::test]
async fn a_cancelled_order_that_is_told_again_stays_cancelled() {
    let shop = shop_on(Watched::new()).await;
    for number in [1, 2] {
        shop.request(delivery(number, 26, "processing"))
            .await
            .done(1, 0);
    }
    shop.request(delivery(1, 26, "cancelled")).await.done(1, 0);
    assert_eq!(tags(&shop.app, "26").await, ["one"]);
    // An export from before knows nothing of it; one from after leaves it out.
    let before = export(&[(1, "26", "completed"), (2, "26", "completed")]);
    let after = export(&[(1, "26", "cancelled"), (2, "26", "completed")]);
    for export in [before, after] {
        assert_eq!(import(&shop.app, &export).await, 0);
        assert_eq!(tags(&shop.app, "26").await, ["one"]);
    }
    // Told by the export first, cancelled by the webhook, and told by it once more.
    assert_eq!(
        import(&shop.app, &export(&[(3, "26", "completed")])).await,
        1
    );
    assert_eq!(tags(&shop.app, "26").await, ["spent_50", "twice"]);
    shop.request(delivery(3, 26, "cancelled")).await.done(1, 0);
    shop.request(delivery(3, 26, "completed")).await.done(0, 1);
    assert_eq!(tags(&shop.app, "26").await, ["one"]);
    // So does one that was paid back.
    shop.request(delivery(2, 26, "refunded")).await.done(2, 0);
    shop.request(delivery(2, 26, "completed")).await.done(0, 1);
    assert!(tags(&shop.app, "26").await.is_empty());
    shop.close().await;
}

const THANKS: &str = r#"
name  = "Thanks"
state = "live"
class = "transactional"
[trigger]
event = "Order Completed"
per   = "order_id"
[entry]
again = "always"
[[step]]
id       = "thanks"
wait     = "1h"
template = "welcome"
subject  = "Thank you"
"#;

/// History starts nothing, and what is known from history starts nothing when it is told live. What began live goes on
/// when an export tells it again.
#[tokio::test]
async fn whichever_comes_first_says_whether_it_starts_anything() {
    let app = App::start(START, &[("thanks.toml", THANKS)]).await;
    app.sign_up("mina", "Asia/Seoul").await;
    app.advance(Span::hours(2)).await;
    let order = |number: u32| json!({ "order_id": number.to_string(), "total": 30 });
    let tell = async |number, liveness| {
        app.event_at(
            "mina",
            "Order Completed",
            order(number),
            app.now(),
            liveness,
        )
        .await
        .fresh
    };
    assert!(tell(1, Liveness::History).await);
    assert!(!tell(1, Liveness::Live).await);
    app.advance(Span::hours(2)).await;
    assert_eq!((app.entered("thanks").await, app.mails().len()), (0, 0));
    assert!(tell(2, Liveness::Live).await);
    assert!(!tell(2, Liveness::History).await);
    assert!(!tell(2, Liveness::Live).await);
    app.advance(Span::hours(2)).await;
    assert_eq!((app.entered("thanks").await, app.mails().len()), (1, 1));
}

/// A browser tells an order before it is known whose it is, the shop tells it again, and the daemon dies at some commit.
#[tokio::test]
async fn whatever_commit_it_dies_at_an_order_told_under_two_names_is_one() {
    let browser = "anon:7f3a";
    for dies in 0.. {
        let store = Watched::new();
        let app = App::start_on(store.clone(), START, CONFIG, &[("tags.toml", TAGS)]).await;
        let order = json!({ "order_id": "1", "total": 30 });
        app.event(browser, "Order Completed", order.clone()).await;
        app.sign_up("mina", "Asia/Seoul").await;
        let mut commits = 0;
        store.fail(move |_| {
            commits += 1;
            (commits > dies).then(|| StoreError::Unavailable("dead".into()))
        });
        let shown = |id: &str| CustomerId::shown(id).unwrap();
        let told = export(&[(1, "mina", "completed")]);
        let rows = rows(&app, &told);
        let first = app.core.ingest(rows, Liveness::History).await.remove(0);
        let merged = app.core.alias(&shown(browser), &shown("mina")).await;
        let app = app.reopen(store.again()).await;
        app.settle().await;
        // All of it once more, and the order by each name.
        let fresh = import(&app, &told).await;
        assert_eq!(fresh, usize::from(first.is_err()), "{dies}");
        app.core
            .alias(&shown(browser), &shown("mina"))
            .await
            .unwrap();
        app.settle().await;
        assert_eq!(import(&app, &told).await, 0);
        for name in [browser, "mina"] {
            let reply = app.event(name, "Order Completed", order.clone()).await;
            assert!(!reply.fresh, "{dies}: {name}");
        }
        assert_eq!(orders(&app, "mina").await, 1, "{dies}");
        assert_eq!(tags(&app, "mina").await, ["one"], "{dies}");
        if first.is_ok() && merged.is_ok() {
            assert!(dies >= 3, "an order and a merge are three commits at least");
            break;
        }
        assert!(dies < 20, "it is never acknowledged");
    }
}

/// Puts down in config.toml whether orders count once, and how many orders somebody has by it.
fn rule(app: &App, once: bool) {
    let rule = match once {
        true => "\"order_id\"",
        false => "false",
    };
    let config = format!("{CONFIG}[events.\"Order Completed\"]\nonce_per = {rule}\n");
    std::fs::write(app.dir.path().join("config.toml"), config).unwrap();
}

/// `n1`, `n2`, ...: that many orders, as conditions count them.
fn counting() -> String {
    let tag = |n| format!("[n{n}]\nevent = \"Order Completed\"\ncount = \"= {n}\"\n");
    (1..=MOST).map(tag).collect()
}

const MOST: usize = 30;

/// What the tags of [`counting`] say.
async fn counted(app: &App, id: &str) -> usize {
    let id = CustomerId::shown(id).unwrap();
    let view = app.core.customer_view(&id).await.unwrap();
    let tags = view.map(|view| view.tags).unwrap_or_default();
    let told: Vec<usize> = (tags.iter())
        .filter_map(|tag| tag.strip_prefix('n')?.parse().ok())
        .collect();
    assert!(told.len() <= 1, "{told:?}");
    told.first().copied().unwrap_or(0)
}

async fn tell(app: &App, who: &str, number: u32) -> bool {
    let order = json!({ "order_id": number.to_string(), "total": 30 });
    app.event(who, "Order Completed", order).await.fresh
}

/// Told while each row counted, to a browser and to a customer, and once more after the rule; then the two are one.
#[tokio::test]
async fn an_order_stored_before_the_rule_counts_once_after_a_merge() {
    let browser = "anon:7f3a";
    let counting = counting();
    for merged_first in [false, true] {
        let store = Watched::new();
        let app = App::start_on(store.clone(), START, CONFIG, &[("tags.toml", &counting)]).await;
        rule(&app, false);
        app.reload().await;
        for number in [1, 2] {
            assert!(tell(&app, browser, number).await);
        }
        app.sign_up("mina", "Asia/Seoul").await;
        assert!(tell(&app, "mina", 3).await && tell(&app, "mina", 3).await);
        assert_eq!(counted(&app, "mina").await, 2);
        let [from, to] = [browser, "mina"].map(|id| CustomerId::shown(id).unwrap());
        if merged_first {
            assert!(tell(&app, "mina", 1).await);
            app.core.alias(&from, &to).await.unwrap();
            assert_eq!(counted(&app, "mina").await, 5);
        }
        rule(&app, true);
        app.reload().await;
        // What was told twice before is one from now on, and so is what another tells again.
        assert!(!tell(&app, "mina", 3).await);
        assert_eq!(tell(&app, "mina", 1).await, !merged_first);
        app.core.alias(&from, &to).await.unwrap();
        for who in [browser, "mina"] {
            for number in [1, 2, 3] {
                assert!(!tell(&app, who, number).await, "{who}: {number}");
            }
        }
        assert_eq!(counted(&app, "mina").await, 3, "{merged_first}");
        assert_eq!(orders(&app, "mina").await, 3);
        // Read again from the history, it is the same; and without the rule each row counts as it was taken in.
        let app = app.reopen(store.again()).await;
        app.file(
            "tags.toml",
            Some(&format!(
                "{counting}\n[spent]\nevent = \"Order Completed\"\nsum = \"total\"\nis = \"= 90\"\n"
            )),
        );
        app.reload().await;
        assert_eq!(counted(&app, "mina").await, 3);
        assert!(tags(&app, "mina").await.contains(&"spent".to_owned()));
        rule(&app, false);
        app.reload().await;
        assert_eq!(counted(&app, "mina").await, 5);
    }
}

/// The same, and the daemon dies at some commit after the rule was written.
#[tokio::test]
async fn whatever_commit_it_dies_at_an_order_from_before_the_rule_is_one() {
    let browser = "anon:7f3a";
    let counting = counting();
    for dies in 0.. {
        let store = Watched::new();
        let app = App::start_on(store.clone(), START, CONFIG, &[("tags.toml", &counting)]).await;
        rule(&app, false);
        app.reload().await;
        assert!(tell(&app, browser, 1).await);
        app.sign_up("mina", "Asia/Seoul").await;
        assert!(tell(&app, "mina", 2).await && tell(&app, "mina", 2).await);
        rule(&app, true);
        let mut commits = 0;
        store.fail(move |_| {
            commits += 1;
            (commits > dies).then(|| StoreError::Unavailable("dead".into()))
        });
        let [from, to] = [browser, "mina"].map(|id| CustomerId::shown(id).unwrap());
        let both = export(&[(1, "mina", "completed"), (2, "mina", "completed")]);
        let reloaded = app.core.reload(app::load_config(app.dir.path())).await;
        let told = app.core.ingest(rows(&app, &both), Liveness::History).await;
        let merged = app.core.alias(&from, &to).await;
        let alive = reloaded.is_ok() && told.iter().all(Result::is_ok) && merged.is_ok();
        let app = app.reopen(store.again()).await;
        app.settle().await;
        // All of it once more, in the other order.
        app.core.alias(&from, &to).await.unwrap();
        import(&app, &both).await;
        app.settle().await;
        for who in [browser, "mina"] {
            for number in [1, 2] {
                assert!(!tell(&app, who, number).await, "{dies}: {who} {number}");
            }
        }
        assert_eq!(counted(&app, "mina").await, 2, "{dies}");
        if alive {
            assert!(dies >= 4, "rules, a walk, an order and a merge");
            break;
        }
        assert!(dies < 300, "it is never acknowledged");
    }
}

const BROWSER: &str = "anon:b";
const NAMES: [&str; 3] = [BROWSER, "mina", "joon"];

/// What may happen.
#[derive(Clone, Debug)]
enum Step {
    /// A row of this name (or of none) tells this order (or one without a number) of this customer.
    Told {
        who: usize,
        row: u8,
        order: Option<u8>,
        as_text: bool,
    },
    /// The browser turns out to be mina's.
    Merged,
    /// config.toml says that orders count once, or that each is one.
    Ruled(bool),
    /// Other conditions ask of orders: what is remembered of them is read anew from the history.
    Rebuilt,
    Reopened,
}

fn step() -> impl Strategy<Value = Step> {
    let order = prop_oneof![1 => Just(None), 4 => (0..4u8).prop_map(Some)];
    let told = (0..3usize, 0..6u8, order, any::<bool>());
    prop_oneof![
        12 => told.prop_map(|(who, row, order, as_text)| Step::Told { who, row, order, as_text }),
        1 => Just(Step::Merged),
        2 => any::<bool>().prop_map(Step::Ruled),
        1 => Just(Step::Rebuilt),
        1 => Just(Step::Reopened),
    ]
}

/// What stands for an event: the row that told it, with the name that it was told under, or its number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Known {
    Row(usize, u8),
    Order(u8),
}

/// What stands in the history, with its number.
type Stands = (Known, Option<u8>);

/// The same with sets, and nothing else.
#[derive(Default)]
struct Naive {
    /// By person: what is known, and what stands in the history, each with its number.
    people: BTreeMap<usize, (BTreeSet<Known>, BTreeSet<Stands>)>,
    merged: bool,
}

impl Naive {
    fn person(&self, who: usize) -> usize {
        match self.merged && NAMES[who] == BROWSER {
            true => 1,
            false => who,
        }
    }

    /// Whether it is new.
    fn tell(&mut self, who: usize, row: u8, order: Option<u8>, once: bool) -> bool {
        let by_row = Known::Row(who, row);
        let by_order = order.filter(|_| once).map(Known::Order);
        let (known, told) = self.people.entry(self.person(who)).or_default();
        if known.contains(&by_row) {
            // It teaches its number.
            known.extend(by_order);
            return false;
        }
        if by_order.as_ref().is_some_and(|order| known.contains(order)) {
            return false;
        }
        known.insert(by_row.clone());
        known.extend(by_order.clone());
        told.insert((by_order.unwrap_or(by_row), order));
        true
    }

    fn merge(&mut self, once: bool) {
        let (known, told) = self.people.remove(&0).unwrap_or_default();
        let mina = self.people.entry(1).or_default();
        mina.0.extend(known);
        mina.1.extend(told);
        self.merged = true;
        self.rule(once);
    }

    /// Where orders count once, all that were told are known.
    fn rule(&mut self, once: bool) {
        for (known, told) in self.people.values_mut().filter(|_| once) {
            known.extend(told.iter().filter_map(|(_, order)| order.map(Known::Order)));
        }
    }

    /// How many orders somebody has.
    fn count(&self, who: usize, once: bool) -> usize {
        let told = self.people.get(&self.person(who)).map(|(_, told)| told);
        let one = |(row, order): &Stands| match order.filter(|_| once) {
            Some(order) => Known::Order(order),
            None => row.clone(),
        };
        let all: BTreeSet<Known> = told.into_iter().flatten().map(one).collect();
        all.len()
    }
}

/// A row of an order, and its own identity.
fn row(app: &App, who: usize, row: u8, order: Option<u8>, as_text: bool) -> (Inbound, u64) {
    let customer = CustomerId::shown(NAMES[who]).unwrap();
    let identity = Identity::MessageId(format!("row-{row}"));
    let number = order.map(|order| match as_text {
        true => Property::Text(order.to_string()),
        false => Property::Int(i64::from(order)),
    });
    let salt = app.core.catalogue().rules.salt;
    let own = identity_hash(&salt, &customer, &identity, 0);
    let what = What::Event {
        name: EventName::parse("Order Completed").unwrap(),
        time: app.now(),
        properties: (number.into_iter())
            .map(|number| ("order_id".to_owned(), number))
            .collect(),
    };
    let inbound = Inbound {
        customer,
        what,
        identity,
        raw_time: None,
    };
    (inbound, own)
}

async fn as_sets_have_it(steps: &[Step]) {
    let mut store = Watched::new();
    let tags = counting();
    let mut app = App::start_on(store.clone(), START, CONFIG, &[("tags.toml", &tags)]).await;
    let (mut naive, mut once) = (Naive::default(), true);
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Told {
                who,
                row: name,
                order,
                as_text,
            } => {
                let told = row(&app, *who, *name, *order, *as_text);
                let done = app.core.ingest(vec![told], Liveness::Live).await.remove(0);
                let fresh = naive.tell(*who, *name, *order, once);
                assert_eq!(done.unwrap().fresh, fresh, "{at}: {steps:#?}");
            }
            Step::Merged => {
                let [browser, mina] = [BROWSER, "mina"].map(|id| CustomerId::shown(id).unwrap());
                app.core.alias(&browser, &mina).await.unwrap();
                naive.merge(once);
            }
            Step::Ruled(is_once) => {
                once = *is_once;
                rule(&app, once);
                app.reload().await;
                naive.rule(once);
            }
            Step::Rebuilt => {
                let other = format!(
                    "{tags}\n[t{at}]\nevent = \"Order Completed\"\nsum = \"p{at}\"\nis = \"> 0\"\n"
                );
                app.file("tags.toml", Some(&other));
                app.reload().await;
            }
            Step::Reopened => {
                store = store.again();
                app = app.reopen(store.clone()).await;
            }
        }
    }
    for (who, name) in NAMES.iter().enumerate() {
        let told = naive.count(who, once);
        assert_eq!(orders(&app, name).await, told, "{name}: {steps:#?}");
        assert_eq!(counted(&app, name).await, told, "{name}: {steps:#?}");
    }
}

/// Random rows told under three names, two of which turn out to be one, while the rule comes and goes and the daemon is
/// started anew.
#[test]
fn what_counts_once_is_what_naive_sets_say() {
    let cases = if oracle::soak() { 2_000 } else { 16 };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let steps = proptest::collection::vec(step(), 1..60);
    oracle::check(cases, &steps, |steps| {
        runtime.block_on(as_sets_have_it(&steps));
        Ok(())
    });
}

fn address(running: &Running) -> SocketAddr {
    let log = running.log();
    let line = log.lines().find(|line| line.contains("listening")).unwrap();
    let rest = line.split_once("address=").unwrap().1;
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

async fn deliver(running: &Running, number: u32) -> Answered {
    request_at(address(running), delivery(number, 26, "processing")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_daemon_and_the_real_import_count_it_once_over_a_kill() {
    let house = House::new();
    let shipped = std::fs::read_to_string(house.path("config.toml")).unwrap();
    let open = shipped.replacen("\n[http]", "\n[http]\nlisten = \"127.0.0.1:0\"", 1);
    house.write("config.toml", &format!("{open}\n{WEBHOOK}"));
    house.write("secret", &format!("{SECRET}\n"));
    let import = |orders: &[(u32, &str, &str)]| {
        house.write("orders.csv", &export(orders));
        house.run(&["import", "orders.csv", "--orders"]).good()
    };
    let running = house.start();
    deliver(&running, 1).await.done(1, 0);
    let both = [(1, "26", "completed"), (2, "26", "completed")];
    let told = import(&both);
    assert!(told.contains("2 events (1 new, 1 known already)"), "{told}");
    running.kill();

    let running = house.start();
    for number in [1, 2] {
        deliver(&running, number).await.done(0, 1);
    }
    let told = import(&both);
    assert!(told.contains("2 events (0 new, 2 known already)"), "{told}");
    // A row an item, and nobody said that it is an export of orders.
    house.write(
        "items.csv",
        "customer,date,order_id,product\n26,2026-03-02,9,Tea\n26,2026-03-02,9,Cup\n26,2026-03-03,10,Tea\n",
    );
    let items = "import items.csv --zone UTC --event";
    let items: Vec<&str> = items.split(' ').chain(["Order Completed"]).collect();
    let told = house.run(&items).good();
    assert!(
        told.contains("3 events (2 new, 1 known already)")
            && told.contains("1 row tells of an order that an earlier row has told")
            && told.contains("import the file with --orders"),
        "{told}"
    );
    let kept = house.run(&["customer", "export", "26"]).json();
    let text = kept.to_string();
    assert_eq!(text.matches("\"Order Completed\"").count(), 4, "{text}");
    let (status, log) = running.stop();
    assert_eq!(status.code(), Some(0), "{log}");
}

#[test]
fn check_doubts_events_that_nobody_knows() {
    let house = House::new();
    let shipped = std::fs::read_to_string(house.path("config.toml")).unwrap();
    let rule = |name: &str, once_per: &str| {
        let rule = format!("\n[events.\"{name}\"]\nonce_per = {once_per}\n");
        house.write("config.toml", &format!("{shipped}{rule}"));
        house.run(&["check"])
    };
    let told = rule("Order Complete", "\"order_id\"").good();
    assert!(
        told.contains("[events] speaks of `Order Complete`, and no such event is known")
            && told.contains("did you mean `Order Completed`?"),
        "{told}"
    );
    for good in ["\"order_id\"", "\"order.number\"", "false"] {
        let told = rule("Order Completed", good).good();
        assert!(!told.contains("[events]"), "{told}");
    }
    let told = rule("Order Completed", "true");
    assert_eq!(told.code, 3);
    assert!(
        told.out
            .contains("`once_per`: true is no name of a property"),
        "{}",
        told.out
    );
}
