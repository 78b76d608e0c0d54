//! Reports against a naive recount: of what `reveille log --json` prints and of the classed hits, one by one, by code
//! that shares nothing with the report's.

mod app;

use app::App;
use reveille::domain::engagement::{Hit, HitClass, HitKind, HitMethod, LinkPlace, Network};
use reveille::domain::id::{CustomerNo, MessageRef};
use reveille::domain::ledger::Status;
use reveille::domain::time::{Span, Timestamp};
use reveille::engine::core::preset_salt;
use reveille::engine::hits::HitRow;
use reveille::engine::query::LogFilter;
use reveille::report::{By, Group, Rate, report};
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

/// What is added to it where holdout and goal are measured.
const MEASURED: &str = r#"
[entry]
again = "always"
[limits]
holdout = "35%"
[goal]
event = "Order Completed"
within = "36h"
value = "total"
"#;

/// The control group gets none of it.
const ADVERTISING: &str = r#"
name = "Offer"
state = "live"
class = "advertising"
topic = "offers"
[trigger]
event = "Signed Up"
[entry]
again = "always"
[[step]]
id = "offer"
template = "welcome"
subject = "An offer"
[[step]]
id = "again"
wait = "10h"
template = "welcome"
subject = "The offer again"
[limits]
holdout = "20%"
[goal]
event = "Order Completed"
within = "20h"
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
    let measured = format!("{WITH_VARIANTS}{MEASURED}");
    let files = [
        ("hello.toml", measured.as_str()),
        ("plain.toml", PLAIN),
        ("offer.toml", ADVERTISING),
    ];
    let config = format!(
        "{}window = \"always\"\ncaps = []\n[control]\nshare = \"25%\"\n[events.\"Order Completed\"]\n{}",
        app::CONFIG,
        "undone_by = { event = \"Order Cancelled\", same = \"order_id\" }\n"
    );
    let store = Arc::new(MemoryStore::new());
    let app = App::start_on(store, "2026-03-02T03:00:00Z", &config, &files).await;
    let customers = 12 + dice.below(12);
    for n in 0..customers {
        app.sign_up(&format!("c{n}"), dice.of(&ZONES)).await;
    }
    for order in 0..customers * 2 {
        let id = format!("c{}", dice.below(customers));
        if dice.below(2) == 0 {
            app.event(&id, "Signed Up", json!({})).await;
        } else {
            let total = dice.below(90);
            let name = json!({ "order_id": format!("o{order}"), "total": total });
            app.event(&id, "Order Completed", name).await;
            if dice.below(4) == 0 {
                let name = json!({ "order_id": format!("o{order}") });
                app.event(&id, "Order Cancelled", name).await;
            }
        }
        app.leap(Span::minutes(dice.below(300) as i64)).await;
        for _ in 0..dice.below(4) {
            hit(&app, dice).await;
        }
    }
    // The time of some messages is not over yet.
    app.leap(Span::hours(4 + dice.below(26) as i64)).await;
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

/// What became of customers by their goal.
#[derive(Default, PartialEq, Debug)]
struct GoalCounted {
    goals: i64,
    value: f64,
    converted: (u64, u64),
    held_out: (u64, u64),
    control: (u64, u64),
    /// Of those written to and those held out, without who was both.
    lift: Option<((u64, u64), (u64, u64))>,
}

/// Counts goals by hand, from the same rows.
async fn recount_goals(
    app: &App,
    by: By,
    since: Option<Timestamp>,
) -> BTreeMap<String, GoalCounted> {
    let rows: Vec<Value> = (app.core.log(&LogFilter::default()).await.unwrap().iter())
        .map(|v| serde_json::to_value(v).unwrap())
        .collect();
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let time = |text: &str| Timestamp::parse_rfc3339(text).unwrap();
    // One message each: its group, that of its step, its customer, its arm, whether its time is over, its credits.
    let mut mails: Vec<(String, String, String, String, bool, i64, f64)> = Vec::new();
    let ids: BTreeSet<String> = rows.iter().map(|r| text(r, "message_id")).collect();
    for id in ids.iter().filter(|id| !id.is_empty()) {
        let own = || rows.iter().filter(|r| text(r, "message_id") == *id);
        let begins = |r: &&Value| r["status"] == "attempting" || r["status"] == "held_out";
        let Some(left) = own().rfind(begins) else {
            continue;
        };
        let ended = own().any(|r| r["status"] == "accepted" || r["status"] == "refused");
        let Some(until) = left["goal_until"].as_str() else {
            continue;
        };
        let held = left["status"] == "held_out";
        if (!held && !ended) || since.is_some_and(|since| time(&text(left, "time")) < since) {
            continue;
        }
        let (campaign, step) = (text(left, "campaign"), text(left, "step"));
        let (group, arms) = match by {
            By::Campaigns => (format!("{campaign}////"), campaign),
            _ => (
                format!("{campaign}/{step}/{}//", text(left, "variant")),
                format!("{campaign}/{step}"),
            ),
        };
        let arm = match held {
            true => text(left, "reason"),
            false => "sent".to_owned(),
        };
        let credits = own().filter(|r| r["status"] == "goal");
        let (mut goals, mut value) = (0, 0.0);
        for credit in credits {
            goals += if credit["reason"] == "goal_reached" {
                1
            } else {
                -1
            };
            value += credit["value"].as_f64().unwrap_or_default();
        }
        let over = time(until) <= app.now();
        mails.push((group, arms, text(left, "customer"), arm, over, goals, value));
    }
    let mut counted: BTreeMap<String, GoalCounted> = BTreeMap::new();
    let groups: BTreeSet<&String> = mails.iter().map(|m| &m.0).collect();
    for group in groups {
        let arms = &mails.iter().find(|m| m.0 == *group).unwrap().1;
        let of_step = |arm: &'static str| mails.iter().filter(move |m| m.1 == *arms && m.3 == arm);
        let who = |arm| -> BTreeSet<&String> { of_step(arm).map(|m| &m.2).collect() };
        let both: BTreeSet<&String> = who("sent").intersection(&who("holdout")).copied().collect();
        let sent = || mails.iter().filter(|m| m.0 == *group && m.3 == "sent");
        let rate = |of: Vec<&(String, String, String, String, bool, i64, f64)>, without: bool| {
            let over = || {
                of.iter()
                    .filter(|m| m.4 && !(without && both.contains(&m.2)))
            };
            let all: BTreeSet<&String> = over().map(|m| &m.2).collect();
            let did: BTreeSet<&String> = over().filter(|m| m.5 > 0).map(|m| &m.2).collect();
            (did.len() as u64, all.len() as u64)
        };
        let found = GoalCounted {
            goals: sent().map(|m| m.5).sum(),
            value: sent().map(|m| m.6).sum(),
            converted: rate(sent().collect(), false),
            held_out: rate(of_step("holdout").collect(), false),
            control: rate(of_step("control").collect(), false),
            lift: (of_step("holdout").next().is_some()).then(|| {
                (
                    rate(sent().collect(), true),
                    rate(of_step("holdout").collect(), true),
                )
            }),
        };
        counted.insert(group.clone(), found);
    }
    counted
}

fn goals_of(group: &Group) -> Option<GoalCounted> {
    let goal = group.goal.as_ref()?;
    let rate = |rate: &Rate| (rate.count, rate.of);
    Some(GoalCounted {
        goals: i64::try_from(goal.written_to.goals).unwrap(),
        value: goal.written_to.value,
        converted: rate(&goal.written_to.converted),
        held_out: rate(&goal.held_out.converted),
        control: rate(&goal.control.converted),
        lift: (goal.lift.as_ref()).map(|lift| (rate(&lift.written_to), rate(&lift.held_out))),
    })
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
    let mut goals_seen = GoalCounted::default();
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
                    // Of a group that was held out altogether nothing was sent.
                    if numbers.sent > 0 {
                        counted.insert(name_of(group), numbers);
                    }
                }
                assert_eq!(counted, recount(&app, by, since).await, "{case}");
                let goals: BTreeMap<String, GoalCounted> = (told.groups.iter())
                    .filter_map(|group| Some((name_of(group), goals_of(group)?)))
                    .collect();
                if by == By::Hours {
                    assert!(goals.is_empty());
                    continue;
                }
                assert_eq!(goals, recount_goals(&app, by, since).await, "{case}");
                for counted in goals.values() {
                    goals_seen.goals += counted.goals;
                    goals_seen.converted.0 += counted.converted.0;
                    goals_seen.held_out.0 += counted.held_out.0;
                    goals_seen.control.0 += counted.control.0;
                }
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
    assert!(
        goals_seen.goals > 50
            && goals_seen.converted.0 > 20
            && goals_seen.held_out.0 > 10
            && goals_seen.control.0 > 5
            // Some in windows that are open still, or by one customer.
            && goals_seen.goals > i64::try_from(goals_seen.converted.0).unwrap(),
        "{goals_seen:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn variants_are_compared_only_where_there_is_enough_to_tell() {
    let files = [("hello.toml", WITH_VARIANTS)];
    let store = Arc::new(MemoryStore::new());
    // By a salt of its own, one in 512 runs would give all of the first ten the same variant.
    preset_salt(&*store, [7; 16]).await.unwrap();
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
