//! Coupons, end to end: which customer gets which code, when a code goes back, what a pool does that runs dry or is
//! edited; and that no code is given twice and none is lost, whatever crashes.

mod app;
#[path = "world/chance.rs"]
mod chance;

use app::watched::Watched;
use app::{App, CONFIG, load_config, scratch};
use chance::Chance;
use mail_parser::MessageParser;
use reveille::config::Config;
use reveille::domain::address::EmailAddress;
use reveille::domain::cause::{Cause, ProfileChange};
use reveille::domain::coupon::{Coupon, same, share_of};
use reveille::domain::id::{CustomerId, CustomerNo, MessageNo};
use reveille::domain::ledger::{LogRow, Status};
use reveille::domain::outcome::Outcome;
use reveille::domain::preference::ConsentState;
use reveille::domain::react::{Answer, Context, Needs, Offer, mailboxes_for, react};
use reveille::domain::record::{Mailbox, MessageState, Record};
use reveille::domain::time::Span;
use reveille::engine::batch::Work;
use reveille::engine::coupons::{Level, PoolView, Share};
use reveille::engine::forecast::{Forecast, Question};
use reveille::engine::golive::go_live;
use reveille::store::codec::decode;
use reveille::store::memory::MemoryStore;
use reveille::store::{Batch, Direction, Store, StoreError, keys};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

const START: &str = "2026-03-02T03:00:00Z";

/// Each order is an entry of its own.
fn campaign(step: &str) -> String {
    format!(
        r#"
name  = "Thanks"
state = "live"
class = "transactional"
[trigger]
event = "Order Completed"
per   = "order_id"
[[step]]
id       = "mail"
template = "thanks"
subject  = "Thank you"
{step}
"#
    )
}

const TEMPLATE: &str = "<p>{{#if coupon}}CODE={{coupon.code}}; UNTIL={{coupon.until}};{{/if}}</p>";

/// An app with these files beside the campaigns, and the campaign `thanks`.
async fn start(pools: &str, files: &[(&str, &str)], step: &str) -> App {
    start_on(Arc::new(MemoryStore::new()), pools, files, step).await
}

async fn start_on(store: Arc<dyn Store>, pools: &str, files: &[(&str, &str)], step: &str) -> App {
    let app = App::start_on(store, START, CONFIG, &[]).await;
    app.template("thanks.html.hbs", TEMPLATE);
    app.file("coupons.toml", Some(pools));
    for (name, text) in files {
        app.file(name, Some(text));
    }
    app.file("thanks.toml", Some(&campaign(step)));
    reload(&app).await;
    app
}

async fn reload(app: &App) {
    let catalogue = app.reload().await;
    let bad: Vec<String> = (catalogue.problems.iter())
        .filter(|p| p.is_error())
        .map(|p| p.to_line())
        .collect();
    assert!(bad.is_empty(), "{bad:?} {:?}", catalogue.template_problems);
}

const TEN: &str = "[ten]\nfile = \"ten.txt\"\nvalid = \"14d\"\n";
const STEP: &str = "coupon = \"ten\"";

async fn order(app: &App, id: &str, order: &str) {
    app.event(id, "Order Completed", json!({ "order_id": order }))
        .await;
}

/// What the mails say: recipient, code, until.
fn said(app: &App) -> Vec<(String, String, String)> {
    let after = |text: &str, from: &str| -> String {
        let rest = text.split_once(from).map_or("", |(_, rest)| rest);
        rest.split(';').next().unwrap_or_default().to_owned()
    };
    let mails = app.mails();
    let said = mails.iter().map(|(_, mail)| {
        let mail = MessageParser::default().parse(mail).unwrap();
        let to = mail
            .to()
            .unwrap()
            .first()
            .unwrap()
            .address()
            .unwrap()
            .to_owned();
        let text = mail.body_text(0).unwrap();
        (to, after(&text, "CODE="), after(&text, "UNTIL="))
    });
    said.collect()
}

async fn record(app: &App, no: CustomerNo) -> Record {
    app.core.customer(no).await.unwrap().unwrap().record
}

async fn coupons(app: &App, id: &str) -> Vec<Coupon> {
    let no = app.customer(id).await;
    record(app, no).await.coupons
}

async fn pool(app: &App, name: &str) -> PoolView {
    let pools = app.core.pools().await.unwrap();
    pools.into_iter().find(|p| p.pool.as_str() == name).unwrap()
}

async fn sum(app: &App, name: &str) -> (u64, u64, u64, Level) {
    let view = pool(app, name).await;
    (view.size, view.given, view.left, view.level)
}

fn list(codes: impl IntoIterator<Item = usize>) -> String {
    codes.into_iter().map(|n| format!("CODE-{n}\n")).collect()
}

#[tokio::test]
async fn a_customer_has_one_code_of_a_campaign_until_it_is_no_longer_good() {
    let app = start(TEN, &[("ten.txt", &list(0..10))], STEP).await;
    app.sign_up("mina", "Asia/Seoul").await;
    app.sign_up("joon", "America/New_York").await;
    let mut change = ProfileChange::default();
    change.preferences.locale = Some(Some("ko".into()));
    let live = reveille::domain::cause::Liveness::Live;
    app.act("mina", Cause::Profile(Box::new(change), live))
        .await;
    order(&app, "mina", "a").await;
    order(&app, "joon", "b").await;
    app.settle().await;
    let first = said(&app);
    assert_eq!(first.len(), 2);
    let (mina, joon) = (&first[0].1, &first[1].1);
    assert!(mina != joon && mina.starts_with("CODE-") && joon.starts_with("CODE-"));
    // 14 days on, by each customer's own calendar and in their language.
    let until: BTreeSet<&str> = first.iter().map(|s| s.2.as_str()).collect();
    assert_eq!(until, ["2026년 3월 16일", "March 15, 2026"].into());
    // What is kept says no less than the mail.
    let kept = &coupons(&app, "mina").await[0];
    assert_eq!(kept.sent, Some(app.now()));
    assert_eq!(kept.until, Some(app.now() + Span::days(14)));
    assert_eq!(sum(&app, "ten").await, (10, 2, 8, Level::Plenty));

    // The same campaign within that time: the same code, good as long as it was.
    app.leap(Span::days(10)).await;
    order(&app, "mina", "c").await;
    app.settle().await;
    let again = said(&app);
    let of_mina = |said: &[(String, String, String)]| -> Vec<(String, String)> {
        let of = said.iter().filter(|s| s.0.starts_with("mina"));
        let mut all: Vec<_> = of.map(|s| (s.1.clone(), s.2.clone())).collect();
        all.sort();
        all.dedup();
        all
    };
    assert_eq!((again.len(), of_mina(&again).len()), (3, 1));
    assert_eq!(sum(&app, "ten").await.1, 2);
    // After it: another.
    app.leap(Span::days(10)).await;
    order(&app, "mina", "d").await;
    app.settle().await;
    let later = of_mina(&said(&app));
    assert_eq!(later.len(), 2, "{later:?}");
    assert_eq!(sum(&app, "ten").await.1, 3);
    let mina = CustomerId::parse("mina").unwrap();
    let view = app.core.customer_view(&mina);
    let view = serde_json::to_value(view.await.unwrap().unwrap()).unwrap();
    assert_eq!(view["coupons"].as_array().unwrap().len(), 2);
    assert_eq!(view["coupons"][0]["pool"], "ten");
    // The log says that there was one, and not which.
    let log = app.log().await;
    assert!(
        log.iter()
            .any(|r| r.reason.code() == "coupon" && r.detail == "ten: a new one")
    );
    assert!(log.iter().all(|r| !r.detail.contains("CODE-")));
}

/// Asks for what a customer has waiting, as the outbox does.
async fn ask(app: &App, no: CustomerNo) -> Option<(MessageNo, u32, Answer)> {
    let record = record(app, no).await;
    let waiting = |m: &&reveille::domain::record::Message| {
        m.released && !matches!(m.state, MessageState::Attempting(_)) && m.not_before <= app.now()
    };
    let message = record.messages.values().find(waiting)?;
    let (message, attempt) = (message.no, message.attempts + 1);
    let cause = Cause::Ready { message, attempt };
    let answer = app.core.act(no, cause).await.unwrap().answer?;
    Some((message, attempt, answer))
}

async fn told(app: &App, no: CustomerNo, (message, attempt): (MessageNo, u32), outcome: Outcome) {
    let cause = Cause::Outcome {
        message,
        attempt,
        outcome,
    };
    app.core.act(no, cause).await.unwrap();
}

fn refused() -> Outcome {
    Outcome::Refused {
        reply: "550 no".into(),
        status: None,
        recipient_fault: false,
        suppress: false,
    }
}

fn accepted() -> Outcome {
    Outcome::Accepted { reply: "ok".into() }
}

fn uncertain() -> Outcome {
    Outcome::Uncertain { why: "cut".into() }
}

#[tokio::test]
async fn what_was_not_sent_goes_back_and_what_may_have_been_stays() {
    let app = start(TEN, &[("ten.txt", "ONLY\n")], STEP).await;
    for id in ["a", "b", "c", "d"] {
        app.sign_up(id, "Asia/Seoul").await;
        order(&app, id, "1").await;
    }
    app.core.advance().await.unwrap();
    let no = |id: &'static str| app.customer(id);
    // The first has it set aside, composed with it, refused: it is free again.
    let (message, attempt, answer) = ask(&app, no("a").await).await.unwrap();
    assert_eq!(answer, Answer::Coupon);
    assert_eq!(coupons(&app, "a").await[0].code, "ONLY");
    assert_eq!(sum(&app, "ten").await, (1, 1, 0, Level::UsedUp));
    // Whoever asks meanwhile waits.
    let (.., answer) = ask(&app, no("b").await).await.unwrap();
    assert_eq!(answer, Answer::Later(app.now() + Span::hours(1)));
    let (again, _, answer) = ask(&app, no("a").await).await.unwrap();
    assert_eq!((again, answer), (message, Answer::Attempting));
    told(&app, no("a").await, (message, attempt), refused()).await;
    assert_eq!(
        (coupons(&app, "a").await.len(), sum(&app, "ten").await.2),
        (0, 1)
    );
    // Given back unstarted it stays with its message; in doubt it is kept, and its resend has the same.
    let (message, attempt, answer) = ask(&app, no("c").await).await.unwrap();
    assert_eq!(answer, Answer::Coupon);
    assert_eq!(
        ask(&app, no("c").await).await.unwrap().2,
        Answer::Attempting
    );
    let not_started = Outcome::NotStarted { why: "late".into() };
    told(&app, no("c").await, (message, attempt), not_started).await;
    assert_eq!(coupons(&app, "c").await[0].sent, None);
    let (message, attempt, answer) = ask(&app, no("c").await).await.unwrap();
    assert_eq!((attempt, answer), (2, Answer::Attempting));
    told(&app, no("c").await, (message, attempt), uncertain()).await;
    app.clock.advance(Span::hours(1));
    app.core.advance().await.unwrap();
    let (message, attempt, answer) = ask(&app, no("c").await).await.unwrap();
    assert_eq!(answer, Answer::Attempting);
    told(&app, no("c").await, (message, attempt), refused()).await;
    let kept = coupons(&app, "c").await;
    assert_eq!((kept.len(), kept[0].sent), (1, Some(app.now())));
    assert_eq!(sum(&app, "ten").await.2, 0);
    // What waited is told once that there is none, and dropped when its time is over.
    for _ in 0..5 {
        app.leap(Span::hours(20)).await;
    }
    app.leap(Span::days(4)).await;
    let story = app.story("b").await;
    let waited = story
        .iter()
        .filter(|s| *s == "thanks waiting/coupons_gone")
        .count();
    assert_eq!(waited, 1, "{story:?}");
    let end = story
        .iter()
        .filter(|s| s.contains("dropped") || s.contains("expired"))
        .collect::<Vec<_>>();
    assert_eq!(end.len(), 1, "{story:?}");
    assert!(app.mails().is_empty());
}

#[tokio::test]
async fn a_dry_pool_that_is_filled_sends_what_waits_and_edits_do_what_one_expects() {
    let app = start(
        &format!("{TEN}warn_below = 2\n"),
        &[("ten.txt", &list(0..3))],
        STEP,
    )
    .await;
    for n in 0..5 {
        app.sign_up(&format!("c{n}"), "Asia/Seoul").await;
        order(&app, &format!("c{n}"), "1").await;
    }
    app.settle().await;
    assert_eq!(said(&app).len(), 3);
    assert_eq!(sum(&app, "ten").await, (3, 3, 0, Level::UsedUp));
    // Two lines are taken out, whose codes stay given; three come.
    app.file("ten.txt", Some(&list([2, 7, 8, 9])));
    reload(&app).await;
    assert_eq!(sum(&app, "ten").await, (4, 1, 3, Level::Plenty));
    app.leap(Span::hours(1)).await;
    let codes = |app: &App| -> BTreeSet<String> { said(app).into_iter().map(|s| s.1).collect() };
    assert_eq!((said(&app).len(), codes(&app).len()), (5, 5));
    assert_eq!(sum(&app, "ten").await, (4, 3, 1, Level::Low));
    // The removed ones come back into the list, which is called otherwise now: they are still given.
    app.file("ten.txt", None);
    app.file("tenth.txt", Some(&list([0, 1, 2, 3, 9, 8, 7])));
    app.file(
        "coupons.toml",
        Some("[tenth]\nfile = \"tenth.txt\"\nrenamed_from = \"ten\"\nvalid = \"14d\"\n"),
    );
    app.file("thanks.toml", Some(&campaign("coupon = \"tenth\"")));
    reload(&app).await;
    assert_eq!(sum(&app, "tenth").await, (7, 5, 2, Level::Plenty));
    // Whoever has one is told the same.
    order(&app, "c0", "2").await;
    app.settle().await;
    assert_eq!((said(&app).len(), codes(&app).len()), (6, 5));
    for n in 5..9 {
        app.sign_up(&format!("c{n}"), "Asia/Seoul").await;
        order(&app, &format!("c{n}"), "1").await;
    }
    app.settle().await;
    let all = said(&app);
    assert_eq!((all.len(), codes(&app).len()), (8, 7), "{all:?}");
    // A bad file changes nothing, and is told.
    app.file("tenth.txt", Some("A\nA\n"));
    let catalogue = app.reload().await;
    let bad: Vec<String> = catalogue.problems.iter().map(|p| p.what.clone()).collect();
    assert_eq!(bad, ["line 2 holds the same code as line 1"]);
    assert_eq!(sum(&app, "tenth").await, (7, 7, 0, Level::UsedUp));
    assert_eq!(
        app.file_state("thanks"),
        Some(reveille::engine::catalogue::FileState::Good)
    );
}

#[tokio::test]
async fn limits_hold_over_all_campaigns_and_a_variant_may_have_what_another_has_not() {
    let pools = "[tea]\ngenerate = { prefix = \"TEA-\", length = 8, count = 100 }\nmost = 4\nmost_each = 1\n";
    let step = "variants = [{ name = \"gift\", coupon = \"tea\" }, { name = \"plain\" }]";
    let app = start(pools, &[], step).await;
    let other = campaign("coupon = \"tea\"").replace("Order Completed", "Signed Up");
    app.file("welcome2.toml", Some(&other));
    reload(&app).await;
    for n in 0..30 {
        let id = format!("c{n}");
        app.sign_up(&id, "Asia/Seoul").await;
        order(&app, &id, "1").await;
    }
    app.settle().await;
    let mails = said(&app);
    let with: Vec<_> = mails.iter().filter(|s| !s.1.is_empty()).collect();
    assert_eq!(with.len(), 4);
    assert!(
        with.iter()
            .all(|s| s.1.starts_with("TEA-") && s.1.len() == 12 && s.2.is_empty())
    );
    let log = app.log().await;
    let of = |variant: &str, status| {
        let of = |r: &&LogRow| r.variant.as_deref() == Some(variant) && r.status == status;
        log.iter().filter(of).count()
    };
    // Those without a code left at once; those with one, as far as there were any.
    assert_eq!(
        of("plain", Status::Accepted) + of("gift", Status::Accepted),
        mails.len()
    );
    assert_eq!(of("gift", Status::Accepted), 4);
    assert!(of("plain", Status::Accepted) > 5);
    assert_eq!(sum(&app, "tea").await, (4, 4, 0, Level::UsedUp));
    // Whoever has had one of the pool gets none by another campaign.
    let had = with[0].0.split('@').next().unwrap().to_owned();
    app.event(&had, "Signed Up", json!({})).await;
    app.settle().await;
    let story = app.story(&had).await;
    assert_eq!(
        story.last().unwrap(),
        "welcome2 dropped/coupon_limit",
        "{story:?}"
    );
    let views = app.core.pools().await.unwrap();
    let users: Vec<&str> = views[0].campaigns.iter().map(|c| c.as_str()).collect();
    assert_eq!(users, ["thanks", "welcome2"]);
}

#[tokio::test]
async fn a_code_goes_with_whom_it_was_given_to() {
    let app = start(TEN, &[("ten.txt", &list(0..10))], STEP).await;
    const BROWSER: &str = "anon:7f3a";
    app.sign_up("mina", "Asia/Seoul").await;
    let change = ProfileChange {
        email: Some(EmailAddress::parse("guest@customers.example").unwrap()),
        ..ProfileChange::default()
    };
    let live = reveille::domain::cause::Liveness::Live;
    app.act(BROWSER, Cause::Profile(Box::new(change), live))
        .await;
    order(&app, BROWSER, "1").await;
    app.settle().await;
    let code = said(&app)[0].1.clone();
    let id = |text: &str| CustomerId::shown(text).unwrap();
    app.core.alias(&id(BROWSER), &id("mina")).await.unwrap();
    app.settle().await;
    assert_eq!(coupons(&app, "mina").await[0].code, code);
    // The known customer is told the same again, within its time.
    order(&app, "mina", "2").await;
    app.settle().await;
    let codes: BTreeSet<String> = said(&app).into_iter().map(|s| s.1).collect();
    assert_eq!(codes, [code.clone()].into());
    // Whoever is forgotten leaves the code given, and nothing of themselves; what was set aside only is free.
    app.sign_up("joon", "Asia/Seoul").await;
    order(&app, "joon", "1").await;
    app.core.advance().await.unwrap();
    let joon = app.customer("joon").await;
    assert_eq!(ask(&app, joon).await.unwrap().2, Answer::Coupon);
    assert_eq!(sum(&app, "ten").await.1, 2);
    app.core.forget(&id("joon")).await.unwrap();
    assert_eq!(sum(&app, "ten").await.1, 1);
    app.core.forget(&id("mina")).await.unwrap();
    assert_eq!(sum(&app, "ten").await.1, 1);
    let kept = given(&app).await;
    assert_eq!(kept, [same(&code)].into());
}

async fn forecast(app: &App) -> Forecast {
    let (out, mut told) = tokio::sync::mpsc::channel(4);
    let listening = tokio::spawn(async move { while told.recv().await.is_some() {} });
    let question = Question {
        days: 3,
        running: true,
        ..Question::default()
    };
    let forecast = app.core.forecast(question, out).await.unwrap();
    listening.await.unwrap();
    forecast
}

#[tokio::test]
async fn a_forecast_foresees_a_pool_that_runs_dry_and_changes_nothing() {
    let step = "coupon = \"ten\"\nafter = \"1d\"\n";
    let app = start(TEN, &[("ten.txt", &list(0..3))], step).await;
    for n in 0..8 {
        app.sign_up(&format!("c{n}"), "Asia/Seoul").await;
        order(&app, &format!("c{n}"), "1").await;
    }
    app.settle().await;
    let before = values(&*app.core.store).await;
    let found = forecast(&app).await;
    assert_eq!(values(&*app.core.store).await, before);
    let pool = &found.pools[0];
    assert_eq!((pool.left, pool.wanted, pool.without), (3, 8, 5));
    let dry = pool.dry.unwrap();
    assert!(dry.since(app.now()) >= Span::hours(23) && dry.since(app.now()) <= Span::hours(25));
    let sent: u64 = found.days.iter().map(|d| d.counts.sent).sum();
    let waits: u64 = found
        .days
        .iter()
        .filter_map(|d| d.counts.waits.get("coupons_gone"))
        .sum();
    assert_eq!((sent, waits), (3, 5));
    // So it comes.
    app.leap(Span::days(1)).await;
    assert_eq!(said(&app).len(), 3);
}

#[tokio::test]
async fn what_a_rehearsal_gave_goes_back_when_the_store_goes_live() {
    let store = Arc::new(MemoryStore::new());
    let app = start_on(store.clone(), TEN, &[("ten.txt", &list(0..3))], STEP).await;
    app.sign_up("mina", "Asia/Seoul").await;
    order(&app, "mina", "1").await;
    app.settle().await;
    assert_eq!(given(&app).await.len(), 1);
    let config = |kind: &str| {
        let dir = scratch();
        let text = CONFIG.replace("kind = \"folder\"\npath = \"mail\"", kind);
        app::lay_out(dir.path(), &text, &[]);
        (load_config(dir.path()), dir)
    };
    let real: (Config, _) =
        config("kind = \"smtp\"\nhost = \"127.0.0.1\"\nport = 25\ntls = \"none\"");
    let rehearsal = load_config(app.dir.path());
    let go = async |config: &Config| {
        let went = go_live(&*store, config, app.now(), &|_| {}).await.unwrap();
        went.unwrap().coupons_back
    };
    assert!(go(&real.0).await);
    assert!(given(&app).await.is_empty());
    // Once it has been real, what is given stays given.
    assert!(!go(&rehearsal).await);
    assert!(!go(&real.0).await);
}

#[tokio::test]
async fn what_was_given_in_earnest_stays_given_where_going_to_rehearse_was_cut_off() {
    let store = Watched::new();
    let app = start_on(store.clone(), TEN, &[("ten.txt", &list(0..3))], STEP).await;
    app.sign_up("mina", "Asia/Seoul").await;
    let dir = scratch();
    let smtp = "kind = \"smtp\"\nhost = \"127.0.0.1\"\nport = 25\ntls = \"none\"";
    let text = CONFIG.replace("kind = \"folder\"\npath = \"mail\"", smtp);
    app::lay_out(dir.path(), &text, &[]);
    let (real, rehearsal) = (load_config(dir.path()), load_config(app.dir.path()));
    let go = async |config: &Config| {
        let went = go_live(&*store, config, app.now(), &|_| {}).await;
        went.map(|went| went.unwrap().coupons_back)
    };
    assert_eq!(go(&real).await, Ok(true));
    order(&app, "mina", "1").await;
    app.settle().await;
    assert_eq!(given(&app).await.len(), 1);
    // The mark is written, and nothing after it.
    let mut commits = 0;
    store.fail(move |_| {
        commits += 1;
        (commits > 1).then(|| StoreError::Unavailable("gone".into()))
    });
    assert!(go(&rehearsal).await.is_err());
    store.mend();
    assert_eq!(go(&real).await, Ok(false));
    assert_eq!(given(&app).await.len(), 1);
}

#[tokio::test]
async fn mistakes_in_pools_are_told_with_what_to_do() {
    let app = App::start(START, &[]).await;
    app.template("thanks.html.hbs", TEMPLATE);
    app.file("thanks.toml", Some(&campaign("coupon = \"tem\"")));
    let told = async |pools: &str| -> Vec<String> {
        app.file("coupons.toml", Some(pools));
        let catalogue = app.reload().await;
        let lines = catalogue
            .problems
            .iter()
            .map(|p| format!("{} | {}", p.what, p.help.as_deref().unwrap_or_default()));
        lines.collect()
    };
    let all = told("[ten]\nfile = \"nowhere.txt\"\n").await;
    let wrong = "there is no pool of coupons `tem` in coupons.toml | did you mean `ten`?";
    assert!(all.iter().any(|line| line == wrong), "{all:?}");
    let missing = "this file of codes cannot be read: ";
    assert!(all.iter().any(|line| line.starts_with(missing)), "{all:?}");
    app.file("thanks.toml", Some(&campaign("coupon = \"ten\"")));
    for (pools, expected) in [
        ("[ten]\nvalid = \"14d\"\n", "this pool has no codes"),
        (
            "[ten]\nfile = \"a\"\ngenerate = { count = 3 }\n",
            "a pool has `file` or `generate`, not both",
        ),
        (
            "[ten]\ngenerate = { length = 6, count = 100000 }\n",
            "100000 codes of 6 letters are so close together that trying finds one | write length = 7",
        ),
        (
            "[ten]\ngenerate = { length = 5, count = 1 }\n",
            "`length` must be from 6 to 16",
        ),
        (
            "[ten]\ngenerate = { prefix = \"T 1\", count = 1 }\n",
            "`prefix`: it has up to 20 letters",
        ),
        (
            "[ten]\ngenerate = { count = 1 }\nmost = 0\n",
            "`most` must be from 1 to 1000000",
        ),
        (
            "[ten]\ngenerate = { count = 1 }\n[two]\ngenerate = { count = 9 }\n",
            "the pools `ten` and `two` would have the same codes",
        ),
        (
            "[ten]\ngenerate = { count = 1 }\nleft = 3\n",
            "unknown key `left`",
        ),
    ] {
        let all = told(pools).await;
        assert!(
            all.iter().any(|line| line.starts_with(expected)),
            "{pools}: {all:?}"
        );
    }
    assert_eq!(
        told("[ten]\ngenerate = { count = 5 }\n").await,
        Vec::<String>::new()
    );
    app.file(
        "thanks.toml",
        Some(&campaign("coupon = \"ten\"").replace("template", "tag = \"x\"\ntemplate")),
    );
    let all = told("[ten]\ngenerate = { count = 5 }\n").await;
    assert!(
        all.iter()
            .any(|l| l.starts_with("only a message to the customer has a coupon")),
        "{all:?}"
    );
}

async fn values(store: &dyn Store) -> Vec<(Vec<u8>, reveille::store::Versioned)> {
    let range = reveille::store::KeyRange {
        from: Vec::new(),
        to: vec![255; 64],
    };
    store
        .scan(range, Direction::Forward, usize::MAX)
        .await
        .unwrap()
}

/// The codes that have a row as given.
async fn given(app: &App) -> BTreeSet<String> {
    let (given, _) = kept(app).await;
    given
}

/// Codes as given, and the shares of pools.
async fn kept(app: &App) -> (BTreeSet<String>, BTreeMap<(String, u8), Share>) {
    let rows = app
        .core
        .store
        .scan(keys::coupons_all(), Direction::Forward, usize::MAX);
    let (mut given, mut shares) = (BTreeSet::new(), BTreeMap::new());
    for (key, value) in rows.await.unwrap() {
        match key[1] {
            b'g' => _ = given.insert(String::from_utf8(key[2..].to_vec()).unwrap()),
            _ => {
                let name = String::from_utf8(key[2..key.len() - 2].to_vec()).unwrap();
                let share: Share = decode(&value.value).unwrap();
                shares.insert((name, key[key.len() - 1]), share);
            }
        }
    }
    (given, shares)
}

/// Every code is given to one customer or free, and every row says the same.
async fn adds_up(app: &App, numbers: &[CustomerNo]) {
    let (given, shares) = kept(app).await;
    let mut held: BTreeMap<String, CustomerNo> = BTreeMap::new();
    for no in numbers {
        let Some(state) = app.core.customer(*no).await.unwrap() else {
            continue;
        };
        for coupon in &state.record.coupons {
            let other = held.insert(same(&coupon.code), *no);
            assert_eq!(other, None, "{} is given twice", coupon.code);
        }
        for message in state.record.messages.values() {
            let code = message.coupon.as_ref();
            let has = |code: &String| state.record.coupons.iter().any(|c| c.code == *code);
            assert!(
                code.is_none_or(has),
                "a message names a code that is not its customer's"
            );
        }
        let unsent = state.record.coupons.iter().filter(|c| c.sent.is_none());
        for coupon in unsent {
            let mut messages = state.record.messages.values();
            let named = messages.any(|m| m.coupon.as_ref() == Some(&coupon.code));
            assert!(named, "{} is held by nobody's message", coupon.code);
        }
    }
    let held: BTreeSet<String> = held.into_keys().collect();
    assert_eq!(held, given, "what customers hold, and what is given");
    let rules = &app.core.catalogue().rules;
    for pool in rules.pools.values() {
        let mut marked = 0;
        for no in 0..64u8 {
            let codes: Vec<&str> = pool.codes.share(no).collect();
            let share = shares.get(&(pool.name.to_string(), no));
            let Some(share) = share.filter(|s| s.list == pool.codes.hash()) else {
                continue;
            };
            let of = |code: &&&str| given.contains(&same(code));
            assert!(codes.iter().all(|code| share_of(code) == no));
            assert_eq!(share.given(), codes.iter().filter(of).count(), "share {no}");
            marked += share.given();
        }
        let view = app.core.pools().await.unwrap();
        let view = view.into_iter().find(|v| v.pool == pool.name).unwrap();
        let all = pool
            .codes
            .iter()
            .filter(|code| given.contains(&same(code)))
            .count();
        assert_eq!(
            (view.given, view.given + view.left),
            (all as u64, view.size)
        );
        assert!(marked <= all);
    }
}

/// Many customers of many shards, mails that go every way a mail can, pools edited and stores that die between any two
/// commits.
#[tokio::test]
async fn no_code_is_given_twice_and_none_is_lost_whatever_happens() {
    let seed = std::env::var("REVEILLE_SEED")
        .ok()
        .and_then(|s| s.parse().ok());
    let rounds = if std::env::var("REVEILLE_SOAK").is_ok() {
        60
    } else {
        4
    };
    for round in 0..rounds {
        let seed = seed.unwrap_or(20_260_302 + round);
        println!("seed {seed} (REVEILLE_SEED)");
        random_lives(Chance(seed)).await;
    }
}

const TRIGGERED: &str = "coupon = \"ten\"\nexpires = \"2d\"\n";

async fn random_lives(mut chance: Chance) {
    let mut store = Watched::new();
    let many = 40 + chance.below(160) as usize;
    let mut app = start_on(
        store.clone(),
        TEN,
        &[("ten.txt", &list(0..many))],
        TRIGGERED,
    )
    .await;
    let numbers = app.crowd(0..120).await;
    let (mut conflicts, dawdles) = (0, chance.once_in(2));
    store.dawdles.store(dawdles, Relaxed);
    let ids: Vec<String> = (0..120).map(|n| format!("c{n}")).collect();
    let (mut crashes, mut orders, mut left) = (0, 0, BTreeSet::new());
    for _ in 0..60 {
        let crash = chance.once_in(4);
        if crash {
            // The fuse burns for so many commits; the last one is made or not, and nobody hears of it.
            let mut fuse = chance.below(30);
            let dead = StoreError::Unavailable("it died".into());
            store.fail(move |_| match fuse {
                0 => Some(dead.clone()),
                _ => {
                    fuse -= 1;
                    None
                }
            });
        }
        match chance.below(8) {
            0 | 4 => {
                for _ in 0..chance.below(40) {
                    orders += 1;
                    let id = &ids[chance.below(120) as usize];
                    let no = numbers[id[1..].parse::<usize>().unwrap()];
                    let mut event = app.past(no, "Order Completed", app.now());
                    if let Cause::Event(event, live) = &mut event.cause {
                        *live = reveille::domain::cause::Liveness::Live;
                        let order = format!("o{}", orders % 300);
                        event.properties.insert(
                            "order_id".into(),
                            reveille::domain::value::Value::Text(order),
                        );
                        event.identity = chance.next();
                    }
                    let _ = app.core.shard(no).act(event).await;
                }
            }
            1 if !crash => {
                let kept: Vec<usize> = (0..many + 40).filter(|_| !chance.once_in(6)).collect();
                app.file("ten.txt", Some(&list(kept)));
                let config = load_config(app.dir.path());
                app.core.reload(config).await.unwrap();
            }
            2 => {
                app.clock.advance(Span::hours(chance.between(1, 60)));
            }
            3 => {
                let id = &ids[chance.below(120) as usize];
                let state = chance.of(&[ConsentState::Given, ConsentState::Refused]);
                if !crash {
                    app.consent(id, state).await;
                }
            }
            _ => {}
        }
        let _ = app.core.advance().await;
        attend(&app, &numbers, &mut chance, &mut left).await;
        if crash {
            crashes += 1;
            // What still runs over the old store is fenced off.
            conflicts += store.conflicts.load(Relaxed);
            store = store.again();
            store.dawdles.store(dawdles, Relaxed);
            app = app.reopen(store.clone()).await;
        }
        adds_up(&app, &numbers).await;
    }
    assert!(
        crashes > 5 && left.len() > 5,
        "{crashes} crashes, {} codes",
        left.len()
    );
    conflicts += store.conflicts.load(Relaxed);
    println!(
        "{orders} orders, {crashes} crashes, {conflicts} conflicts, {} left",
        left.len()
    );
    let (given, _) = kept(&app).await;
    assert!(
        left.is_subset(&given),
        "a code whose mail left is given for good"
    );
}

/// What the outbox does, for all customers at once, with outcomes by chance.
async fn attend(
    app: &App,
    numbers: &[CustomerNo],
    chance: &mut Chance,
    left: &mut BTreeSet<String>,
) {
    for _ in 0..2 {
        let mut works = Vec::new();
        for no in numbers {
            let Ok(Some(state)) = app.core.customer(*no).await else {
                continue;
            };
            for message in state.record.messages.values() {
                let cause = match message.state {
                    MessageState::Attempting(attempt) => Cause::Outcome {
                        message: message.no,
                        attempt,
                        outcome: match chance.below(8) {
                            0 => refused(),
                            1 => uncertain(),
                            2 => Outcome::NotStarted { why: "late".into() },
                            3 => Outcome::TryLater {
                                reply: "451".into(),
                            },
                            4 => Outcome::Undeliverable { why: "no".into() },
                            _ => accepted(),
                        },
                    },
                    _ if message.released && message.not_before <= app.now() => Cause::Ready {
                        message: message.no,
                        attempt: message.attempts + 1,
                    },
                    _ => continue,
                };
                if matches!(
                    &cause,
                    Cause::Outcome {
                        outcome: Outcome::Accepted { .. },
                        ..
                    }
                ) {
                    left.extend(message.coupon.as_deref().map(same));
                }
                works.push(Work {
                    customer: *no,
                    id: None,
                    cause,
                    mail: None,
                });
            }
        }
        // All shards at once; what a dead store refuses is asked again in the next life.
        let mut waiting = Vec::new();
        for work in works {
            waiting.push(app.core.shard(work.customer).offer(work).await);
        }
        for answered in waiting {
            let _ = answered.await;
        }
    }
}

#[tokio::test]
async fn explain_and_the_outbox_say_the_same_of_a_coupon() {
    let pools = "[ten]\nfile = \"ten.txt\"\nmost_each = 1\n";
    let app = start(pools, &[("ten.txt", "ONLY\n")], STEP).await;
    app.file(
        "second.toml",
        Some(&campaign(STEP).replace("Order Completed", "Signed Up")),
    );
    reload(&app).await;
    let said = async |id: &str, of: &str| {
        let id = CustomerId::parse(id).unwrap();
        let campaign = reveille::domain::id::CampaignId::parse(of).unwrap();
        let explained = app.core.explain(&id, Some(&campaign)).await.unwrap();
        let explained = serde_json::to_value(explained).unwrap();
        let message = explained["campaigns"][0]["messages"][0].clone();
        let checks = message["checks"].as_array().unwrap();
        let coupon = checks.iter().find(|c| c["what"] == "coupon").unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        (
            text(&message["answer"]),
            text(&message["reason"]),
            text(&coupon["present"]),
        )
    };
    for id in ["mina", "joon"] {
        app.sign_up(id, "Asia/Seoul").await;
    }
    let (answer, _, present) = said("mina", "thanks").await;
    assert_eq!(
        (answer.as_str(), present.as_str()),
        ("goes", "given when it goes, if one is left")
    );
    order(&app, "mina", "1").await;
    order(&app, "joon", "1").await;
    app.settle().await;
    // One of the two was first.
    let (first, other) = match coupons(&app, "mina").await.len() {
        1 => ("mina", "joon"),
        _ => ("joon", "mina"),
    };
    let (answer, reason, present) = said(other, "thanks").await;
    assert_eq!(
        (answer.as_str(), reason.as_str()),
        ("waits", "coupons_gone")
    );
    assert_eq!(present, "none was left; it is asked for again");
    assert_eq!(
        said(first, "thanks").await.2,
        "the one that the customer has"
    );
    let (answer, reason, _) = said(first, "second").await;
    assert_eq!(
        (answer.as_str(), reason.as_str()),
        ("never", "coupon_limit")
    );
}

/// The outbox may claim for a message twice at once, or after a reload that took the coupon away: no attempt begins by it,
/// since there is no mail.
#[tokio::test]
async fn claiming_begins_nothing() {
    let app = start(TEN, &[("ten.txt", "ONE\nTWO\n")], STEP).await;
    for id in ["a", "b"] {
        app.sign_up(id, "Asia/Seoul").await;
        order(&app, id, "1").await;
    }
    app.core.advance().await.unwrap();
    let claim = async |no: CustomerNo| {
        let message = *record(&app, no).await.messages.keys().next().unwrap();
        let cause = Cause::Claim {
            message,
            attempt: 1,
        };
        let answer = app.core.act(no, cause).await.unwrap().answer;
        let state = record(&app, no).await.messages[&message].state;
        (answer, state)
    };
    let (a, b) = (app.customer("a").await, app.customer("b").await);
    let given = (Some(Answer::Coupon), MessageState::Waiting);
    assert_eq!(claim(a).await, given);
    assert_eq!(claim(a).await, given);
    assert_eq!(sum(&app, "ten").await.1, 1);
    app.file("thanks.toml", Some(&campaign("")));
    let reloaded = app.core.reload(load_config(app.dir.path())).await;
    assert!(!reloaded.unwrap().has_errors());
    assert_eq!(claim(b).await, given);
    assert_eq!(sum(&app, "ten").await.1, 1);
    app.settle().await;
    assert_eq!(said(&app).len(), 2);
}

/// Two messages of one customer for one moment, the later one of a higher priority: both are in hand at once.
#[tokio::test]
async fn messages_of_one_customer_that_want_coupons_all_leave() {
    let app = start(TEN, &[("ten.txt", &list(0..60))], STEP).await;
    let ranked = |priority: u32, event: &str| {
        campaign(STEP)
            .replace("\"transactional\"", "\"informational\"")
            .replace("[trigger]", &format!("priority = {priority}\n[trigger]"))
            .replace("Order Completed", event)
    };
    app.file("thanks.toml", Some(&ranked(1, "Order Completed")));
    app.file("second.toml", Some(&ranked(9, "Order Paid")));
    reload(&app).await;
    for n in 0..20 {
        let id = format!("c{n}");
        app.sign_up(&id, "Asia/Seoul").await;
        order(&app, &id, "1").await;
        app.event(&id, "Order Paid", json!({ "order_id": "1" }))
            .await;
    }
    app.settle().await;
    assert_eq!(said(&app).len(), 40);
    assert_eq!(sum(&app, "ten").await.1, 40);
}

/// What is stored bears the campaign's former name: a code is looked for by what the reaction makes of it.
#[tokio::test]
async fn after_a_rename_waiting_messages_find_the_pool() {
    let app = start(TEN, &[("ten.txt", &list(0..10))], STEP).await;
    app.sign_up("mina", "Asia/Seoul").await;
    order(&app, "mina", "1").await;
    app.core.advance().await.unwrap();
    let mina = app.customer("mina").await;
    let stored = record(&app, mina).await;
    app.file("thanks.toml", None);
    let renamed = format!("renamed_from = \"thanks\"\n{}", campaign(STEP));
    app.file("merci.toml", Some(&renamed));
    reload(&app).await;
    let rules = Arc::clone(&app.core.catalogue().rules);
    let cause = Cause::Claim {
        message: *stored.messages.keys().next().unwrap(),
        attempt: 1,
    };
    let found = |coupon| {
        let context = Context {
            now: app.now(),
            rules: &rules,
            history: None,
            unfinished: false,
            person: None,
            quotas: &Default::default(),
            coupon,
        };
        let boxes = mailboxes_for(&stored, &cause, &rules);
        let boxes = boxes.into_iter().map(|id| (id, Default::default()));
        react(&stored, &boxes.collect(), &cause, &context)
    };
    let Err(Needs::Code(pool)) = found(None) else {
        panic!("no code was asked for");
    };
    assert_eq!(pool.as_str(), "ten");
    let reaction = found(Some(Offer::Code("CODE-7"))).unwrap();
    assert_eq!(reaction.answer, Some(Answer::Coupon));
    assert_eq!(reaction.drawn.map(|(_, code)| code), Some("CODE-7".into()));
    let dry = found(Some(Offer::NoneLeft)).unwrap();
    assert_eq!(dry.answer, Some(Answer::Later(app.now() + Span::hours(1))));
    app.settle().await;
    assert!(said(&app)[0].1.starts_with("CODE-"));
}

#[tokio::test]
async fn a_mail_never_names_a_code_that_is_no_longer_good() {
    let app = start(TEN, &[("ten.txt", &list(0..10))], STEP).await;
    app.sign_up("mina", "Asia/Seoul").await;
    order(&app, "mina", "1").await;
    app.settle().await;
    let mina = app.customer("mina").await;
    app.leap(Span::hours(14 * 24 - 1)).await;
    order(&app, "mina", "2").await;
    app.core.advance().await.unwrap();
    let (message, _, answer) = ask(&app, mina).await.unwrap();
    assert_eq!(answer, Answer::Coupon);
    assert_eq!(sum(&app, "ten").await.1, 1, "the one that the customer has");
    // The relay is away until it is good no more.
    app.clock.advance(Span::hours(2));
    let id = CustomerId::parse("mina").unwrap();
    let explained = app.core.explain(&id, None);
    let explained = serde_json::to_string(&explained.await.unwrap()).unwrap();
    assert!(explained.contains("given when it goes, if one is left"));
    let (again, _, answer) = ask(&app, mina).await.unwrap();
    assert_eq!((again, answer), (message, Answer::Coupon));
    assert_eq!(sum(&app, "ten").await.1, 2, "another");
    app.settle().await;
    let codes: BTreeSet<String> = said(&app).into_iter().map(|s| s.1).collect();
    assert_eq!(codes.len(), 2);
}

#[tokio::test]
async fn a_row_of_a_code_that_cannot_be_read_keeps_nobody_from_the_others() {
    let app = start(TEN, &[("ten.txt", "ONE\nTWO\n")], STEP).await;
    app.settle().await;
    let batch = Batch {
        puts: vec![(keys::coupon_given("ONE"), vec![250, 1, 2])],
        ..Batch::default()
    };
    app.core.store.commit(batch).await.unwrap();
    for id in ["a", "b"] {
        app.sign_up(id, "Asia/Seoul").await;
        order(&app, id, "1").await;
    }
    app.settle().await;
    let codes: Vec<String> = said(&app).into_iter().map(|s| s.1).collect();
    assert_eq!(codes, ["TWO"]);
    let waits = |r: &LogRow| r.reason.code() == "coupons_gone";
    assert_eq!(app.log().await.iter().filter(|r| waits(r)).count(), 1);
}

/// As without a coupon, and as in a forecast: what lacks products takes no code, and is in neither arm of a holdout.
#[tokio::test]
async fn what_lacks_products_is_found_out_before_a_code_is_given() {
    let step = "coupon = \"ten\"\nproducts = { from = \"Order Completed\", fewest = 2 }";
    let app = start(TEN, &[("ten.txt", &list(0..10))], step).await;
    let held = format!(
        "{}\n[limits]\nholdout = \"50%\"\n[goal]\nevent = \"Order Paid\"\nwithin = \"7d\"\n",
        campaign(step)
    );
    app.file("thanks.toml", Some(&held));
    reload(&app).await;
    for n in 0..10 {
        let id = format!("c{n}");
        app.sign_up(&id, "Asia/Seoul").await;
        order(&app, &id, "1").await;
    }
    app.settle().await;
    let log = app.log().await;
    let of = |code: &str| log.iter().filter(|r| r.reason.code() == code).count();
    assert_eq!((of("too_few_products"), of("coupon")), (10, 0));
}

/// Who has had enough is not entered at each occurrence only to be dropped again, until the rules change.
#[tokio::test]
async fn who_has_had_enough_does_not_enter_a_schedule_again() {
    let pools =
        |most: u32| format!("[ten]\nfile = \"ten.txt\"\nvalid = \"1h\"\nmost_each = {most}\n");
    let app = start(&pools(1), &[("ten.txt", &list(0..10))], STEP).await;
    let daily = campaign(STEP)
        .replace("event = \"Order Completed\"\nper   = \"order_id\"", "")
        .replace("[trigger]", "[schedule]\ncron = \"0 13 * * *\"\n[audience]\nevent = \"Order Completed\"\n[entry]\nagain = \"always\"\nexisting = \"enter\"");
    app.file("thanks.toml", Some(&daily));
    reload(&app).await;
    app.sign_up("mina", "Asia/Seoul").await;
    order(&app, "mina", "1").await;
    app.settle().await;
    let entered = async |days: u32| {
        for _ in 0..days {
            app.leap(Span::hours(1)).await;
            app.leap(Span::hours(23)).await;
        }
        app.entered("thanks").await
    };
    // A code; then the limit; then nothing any more.
    assert_eq!((entered(2).await, said(&app).len()), (2, 1));
    assert_eq!(entered(3).await, 2);
    app.file("coupons.toml", Some(&pools(2)));
    reload(&app).await;
    app.settle().await;
    assert_eq!((entered(1).await, said(&app).len()), (3, 2));
}

/// Codes and places are told by the present names, so that a second rename finds them.
#[tokio::test]
async fn what_was_given_and_sent_is_known_after_two_renames() {
    let app = start(TEN, &[("ten.txt", &list(0..10))], STEP).await;
    let mails = campaign(STEP).replace("\"transactional\"", "\"informational\"");
    app.file("thanks.toml", Some(&mails));
    reload(&app).await;
    app.sign_up("mina", "Asia/Seoul").await;
    order(&app, "mina", "1").await;
    app.settle().await;
    let first = said(&app)[0].1.clone();
    for (name, former) in [("merci", "thanks"), ("gracias", "merci")] {
        let pool = format!("of-{name}");
        let was = match former {
            "thanks" => "ten".to_owned(),
            former => format!("of-{former}"),
        };
        let pools = TEN.replace("[ten]", &format!("[{pool}]\nrenamed_from = \"{was}\""));
        app.file("coupons.toml", Some(&pools));
        let step = mails.replace("\"ten\"", &format!("\"{pool}\""));
        let file = format!("renamed_from = \"{former}\"\n{step}");
        app.file(&format!("{name}.toml"), Some(&file));
        app.file(&format!("{former}.toml"), None);
        reload(&app).await;
        app.settle().await;
    }
    let known = &coupons(&app, "mina").await[0];
    assert_eq!(
        (known.campaign.as_str(), known.pool.as_str()),
        ("gracias", "of-gracias")
    );
    let to = EmailAddress::parse("mina@customers.example").unwrap();
    let wanted = vec![keys::mailbox(&to.mailbox())];
    let found = app.core.store.get_many(wanted).await.unwrap();
    let mailbox: Mailbox = decode(&found[0].as_ref().unwrap().value).unwrap();
    let places: Vec<&str> = mailbox.places.iter().map(|p| p.campaign.as_str()).collect();
    assert_eq!(places, ["gracias"]);
    order(&app, "mina", "2").await;
    app.settle().await;
    let codes: Vec<String> = said(&app).into_iter().map(|s| s.1).collect();
    assert_eq!(codes, [first.clone(), first]);
}

/// Codes are never made of another secret than the store's own: what cannot be read is an error.
#[tokio::test]
async fn a_reload_without_the_secret_leaves_generated_pools_as_they_are() {
    let pools = "[made]\ngenerate = { prefix = \"TEA-\", length = 8, count = 50 }\n";
    let app = start(pools, &[], "coupon = \"made\"").await;
    let codes = |app: &App| {
        let rules = Arc::clone(&app.core.catalogue().rules);
        rules.pools.values().next().unwrap().codes.hash()
    };
    let before = codes(&app);
    let batch = Batch {
        puts: vec![(keys::house("coupon_secret"), vec![1, 2])],
        ..Batch::default()
    };
    app.core.store.commit(batch).await.unwrap();
    let config = app.core.config();
    let reloaded = app.core.reload((*config).clone()).await;
    assert!(reloaded.is_err_and(|e| e.to_string().contains("secret of coupon codes")));
    assert_eq!(codes(&app), before);
}
