//! Reports against a naive recount: of what `reveille log --json` prints and of the classed hits, one by one, by code
//! that shares nothing with the report's.

mod app;

use app::App;
use reveille::domain::engagement::{Hit, HitClass, HitKind, HitMethod, LinkPlace, Network};
use reveille::domain::id::{CustomerNo, MessageRef};
use reveille::domain::ledger::Status;
use reveille::domain::time::{Span, Timestamp};
use reveille::engine::hits::HitRow;
use reveille::engine::query::LogFilter;
use reveille::report::{By, Group, report};
use reveille::store::codec::decode;
use reveille::store::memory::MemoryStore;
use reveille::store::{Stream, StreamFilter};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}

const WITH_VARIANTS: &str = r#"
name = "Hello"
state = "live"
class = "informational"
[trigger]
event = "Signed Up"
[[step]]
id = "hello"
template = "welcome"
subject = "Hello"
variants = [
  { name = "plain", subject = "Hello" },
  { name = "warm", subject = "How good to see you" },
]
"#;

const PLAIN: &str = r#"
name = "Plain"
state = "live"
class = "transactional"
[trigger]
event = "Order Completed"
per = "order_id"
[[step]]
id = "receipt"
template = "welcome"
subject = "Your order"
"#;

const ZONES: [&str; 4] = ["Asia/Seoul", "Europe/Berlin", "America/New_York", "UTC"];
const AGENTS: [&str; 6] = [
    "Mozilla/5.0 (X11; Linux x86_64) Firefox/127.0",
    "Mozilla/5.0",
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
    "YahooMailProxy; https://help.yahoo.com",
    "curl/8.5.0",
    "",
];

/// Random customers, mails and hits over some days.
async fn some_days(dice: &mut Dice) -> App {
    let files = [("hello.toml", WITH_VARIANTS), ("plain.toml", PLAIN)];
    let store = Arc::new(MemoryStore::new());
    let app = App::start_on(store, "2026-03-02T03:00:00Z", app::CONFIG, &files).await;
    let customers = 12 + dice.below(12);
    for n in 0..customers {
        app.sign_up(&format!("c{n}"), dice.of(&ZONES)).await;
    }
    for order in 0..customers * 2 {
        let id = format!("c{}", dice.below(customers));
        if dice.below(2) == 0 {
            app.event(&id, "Signed Up", json!({})).await;
        } else {
            let order = json!({ "order_id": format!("o{order}") });
            app.event(&id, "Order Completed", order).await;
        }
        app.leap(Span::minutes(dice.below(300) as i64)).await;
        for _ in 0..dice.below(4) {
            hit(&app, dice).await;
        }
    }
    app.leap(Span::hours(30)).await;
    app.leap(Span::minutes(2)).await;
    app
}

/// A hit of a message that was sent, or of one that never was.
async fn hit(app: &App, dice: &mut Dice) {
    let log = app.log().await;
    let sent: Vec<MessageRef> = (log.iter())
        .filter(|row| row.status == Status::Accepted)
        .filter_map(|row| {
            Some(MessageRef {
                customer: row.customer,
                message: row.message?,
            })
        })
        .collect();
    if sent.is_empty() {
        return;
    }
    let mut message = dice.of(&sent);
    if dice.below(20) == 0 {
        message.customer = CustomerNo(9_999);
    }
    let click = dice.below(3) == 0;
    let hit = Hit {
        kind: if click { HitKind::Click } else { HitKind::Open },
        link: click.then(|| match dice.below(8) {
            0 => LinkPlace::honeypot(4),
            n => LinkPlace::new(n as usize % 4, 4),
        }),
        at: app.now(),
        method: dice.of(&[
            HitMethod::Get,
            HitMethod::Get,
            HitMethod::Get,
            HitMethod::Head,
        ]),
        agent: dice.of(&AGENTS).to_owned(),
        origin: Some(dice.below(30)),
        network: Network::Other,
        ahead: false,
    };
    assert!(app.core.hits().offer(message, hit));
    app.core.hits().flush().await;
    app.leap(Span::millis(dice.of(&[0, 700, 15_000, 90_000])))
        .await;
}

#[derive(Default, PartialEq, Debug)]
struct Counted {
    sent: u64,
    delivered: u64,
    opened: u64,
    machine_only: u64,
    clicked: u64,
}

/// The names of what a group stands for, in one text.
fn name_of(group: &Group) -> String {
    let part = |text: &Option<String>| text.clone().unwrap_or_default();
    format!(
        "{}/{}/{}/{}/{}",
        part(&group.campaign),
        part(&group.step),
        part(&group.variant),
        group.weekday.unwrap_or_default(),
        group.hour.map(|h| h.to_string()).unwrap_or_default()
    )
}

/// Counts by hand. The log's rows as JSON, as the command prints them.
async fn recount(app: &App, by: By, since: Option<Timestamp>) -> BTreeMap<String, Counted> {
    let views = app.core.log(&LogFilter::default()).await.unwrap();
    let rows: Vec<Value> = views
        .iter()
        .map(|v| serde_json::to_value(v).unwrap())
        .collect();
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let ids: BTreeSet<String> = rows.iter().map(|r| text(r, "message_id")).collect();
    let hits = app
        .core
        .store
        .read_stream(Stream::Hits, StreamFilter::default())
        .await
        .unwrap();
    let mut groups: BTreeMap<String, Counted> = BTreeMap::new();
    for id in ids.iter().filter(|id| !id.is_empty()) {
        let own: Vec<&Value> = rows
            .iter()
            .filter(|r| text(r, "message_id") == *id)
            .collect();
        let has = |status: &str| own.iter().any(|r| r["status"] == status);
        let Some(left) = own.iter().rfind(|r| r["status"] == "attempting") else {
            continue;
        };
        let at = Timestamp::parse_rfc3339(&text(left, "time")).unwrap();
        let ended = ["accepted", "refused", "uncertain", "bounced"]
            .iter()
            .any(|s| has(s));
        if !ended || since.is_some_and(|since| at < since) {
            continue;
        }
        let name = match by {
            By::Campaigns => format!("{}////", text(left, "campaign")),
            By::Variants => {
                let (campaign, step) = (text(left, "campaign"), text(left, "step"));
                format!("{campaign}/{step}/{}//", text(left, "variant"))
            }
            By::Hours => {
                let customer = reveille::domain::id::CustomerId::parse(&text(left, "customer"));
                let view = app
                    .core
                    .customer_view(&customer.unwrap())
                    .await
                    .unwrap()
                    .unwrap();
                let local = at.to_utc().with_timezone(&view.preferences.zone);
                format!("///{}/{}", local.format("%a"), local.format("%-H"))
            }
        };
        let mut numbers = id.split(['.', '@']);
        let customer = u64::from_str_radix(numbers.next().unwrap(), 16).unwrap();
        let message = u32::from_str_radix(numbers.next().unwrap(), 16).unwrap();
        let classes: Vec<(HitKind, HitClass)> = (hits.iter())
            .filter(|row| row.customer == customer)
            .filter_map(|row| match decode(&row.payload).unwrap() {
                HitRow::Classed {
                    message: no,
                    kind,
                    class,
                    ..
                } if no.0 == message => Some((kind, class)),
                _ => None,
            })
            .collect();
        let human = |kind| classes.contains(&(kind, HitClass::HumanLikely));
        let opened = human(HitKind::Open) || human(HitKind::Click);
        let machine = (classes.iter())
            .any(|(kind, class)| *kind == HitKind::Open && *class != HitClass::HumanLikely);
        let counted = groups.entry(name).or_default();
        counted.sent += 1;
        if has("accepted") && !has("bounced") {
            counted.delivered += 1;
            counted.opened += u64::from(opened);
            counted.machine_only += u64::from(machine && !opened);
            counted.clicked += u64::from(human(HitKind::Click));
        }
    }
    groups
}

#[tokio::test(flavor = "multi_thread")]
async fn every_number_equals_a_naive_recount_over_log_and_hits() {
    let seeds = match std::env::var("REVEILLE_SEED") {
        Ok(seed) => seed.parse().map(|s: u64| s..s + 1).unwrap(),
        Err(_) if std::env::var("REVEILLE_SOAK").is_ok_and(|v| v == "1") => 1..200,
        Err(_) => 1..6,
    };
    let mut seen = Counted::default();
    for seed in seeds {
        let dice = &mut Dice(seed);
        let app = some_days(dice).await;
        let middle = app.now() - Span::hours(60);
        for by in [By::Campaigns, By::Variants, By::Hours] {
            for since in [None, Some(middle)] {
                let case = format!("seed {seed}, {by:?}, since {since:?}");
                let told = report(&app.core, by, since).await.unwrap();
                let mut counted = BTreeMap::new();
                for group in &told.groups {
                    let of = [&group.opened, &group.machine_only, &group.clicked];
                    assert!(of.iter().all(|r| r.of == group.delivered.count), "{case}");
                    assert_eq!(group.delivered.of, group.sent, "{case}");
                    let numbers = Counted {
                        sent: group.sent,
                        delivered: group.delivered.count,
                        opened: group.opened.count,
                        machine_only: group.machine_only.count,
                        clicked: group.clicked.count,
                    };
                    seen.sent += numbers.sent;
                    seen.opened += numbers.opened;
                    seen.machine_only += numbers.machine_only;
                    seen.clicked += numbers.clicked;
                    counted.insert(name_of(group), numbers);
                }
                assert_eq!(counted, recount(&app, by, since).await, "{case}");
            }
        }
    }
    // The run means something: all kinds occur.
    let Counted {
        sent,
        opened,
        machine_only,
        clicked,
        ..
    } = seen;
    assert!(
        sent > 100 && opened > 10 && machine_only > 5 && clicked > 5,
        "{seen:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn variants_are_compared_only_where_there_is_enough_to_tell() {
    let files = [("hello.toml", WITH_VARIANTS)];
    let store = Arc::new(MemoryStore::new());
    let app = App::start_on(store, "2026-03-02T03:00:00Z", app::CONFIG, &files).await;
    let greet = async |from: usize, to: usize| {
        for n in from..to {
            let id = format!("c{n}");
            app.sign_up(&id, "Asia/Seoul").await;
            app.event(&id, "Signed Up", json!({})).await;
        }
        app.advance(Span::minutes(1)).await;
    };
    greet(0, 10).await;
    let told = report(&app.core, By::Variants, None).await.unwrap();
    assert_eq!(
        told.verdicts[0].text,
        "too few to tell which is opened more; too few to tell which is clicked more"
    );
    assert!(told.groups[0].opened.text.starts_with("too few to tell"));
    greet(10, 120).await;
    // Everybody who got the warm one opens it.
    for row in app.log().await {
        if let (Status::Accepted, Some("warm"), Some(message)) =
            (row.status, row.variant.as_deref(), row.message)
        {
            let hit = Hit {
                kind: HitKind::Open,
                link: None,
                at: app.now() + Span::minutes(5),
                method: HitMethod::Get,
                agent: AGENTS[0].to_owned(),
                origin: None,
                network: Network::Other,
                ahead: false,
            };
            let customer = row.customer;
            app.core.hits().offer(MessageRef { customer, message }, hit);
        }
    }
    app.core.hits().flush().await;
    app.leap(Span::minutes(7)).await;
    let told = report(&app.core, By::Variants, None).await.unwrap();
    assert_eq!(
        told.verdicts[0].text,
        "\"warm\" is opened more than the others; too few to tell which is clicked more"
    );
    let warm = (told.groups.iter()).find(|g| g.variant.as_deref() == Some("warm"));
    assert_eq!(warm.unwrap().opened.rate, Some(1.0));
}
