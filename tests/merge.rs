//! Merging, end to end: an anonymous customer turns out to be a known one, on the real engine, with a store that dies
//! between any two commits.

mod app;

use app::watched::Watched;
use app::{App, CONFIG, shipped};
use chrono::Timelike;
use futures_util::future::{FutureExt, join_all};
use reveille::domain::address::EmailAddress;
use reveille::domain::cause::{Cause, ConsentChange, Liveness, ProfileChange};
use reveille::domain::consent_ledger::Origin;
use reveille::domain::event::Event;
use reveille::domain::id::{CustomerId, CustomerNo, EventName, ShardNo};
use reveille::domain::ledger::{LogRow, Reason, Status};
use reveille::domain::preference::ConsentState;
use reveille::domain::time::Span;
use reveille::engine::batch::Work;
use reveille::engine::golive::go_live;
use reveille::engine::merge::{AliasError, Merged};
use reveille::engine::outbox::Outbox;
use reveille::engine::query::LogFilter;
use reveille::engine::state::Poison;
use reveille::report::{By, report};
use reveille::store::codec::{decode, encode};
use reveille::store::{Batch, Direction, Store, StoreError, Stream, StreamFilter, keys};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

const START: &str = "2026-03-02T03:00:00Z";
const BROWSER: &str = "anon:7f3a";

fn id(text: &str) -> CustomerId {
    CustomerId::shown(text).unwrap()
}

async fn start(store: Arc<dyn Store>) -> App {
    let cart = shipped("cart_reminder.toml");
    App::start_on(store, START, CONFIG, &[("cart_reminder.toml", &cart)]).await
}

async fn fill_cart(app: &App, who: &str, cart: &str) {
    let product = json!({"cart_id": cart, "product_id": "p", "name": "Cup"});
    app.event(who, "Product Added", product).await;
}

async fn alias(app: &App, previous: &str, user: &str) -> Result<Merged, AliasError> {
    app.core.alias(&id(previous), &id(user)).await
}

/// An event with an identity of its own choice.
fn event(app: &App, name: &str, identity: u64) -> Cause {
    let event = Event {
        name: EventName::parse(name).unwrap(),
        time: app.now(),
        properties: Default::default(),
        identity,
        ahead: false,
    };
    Cause::Event(event, Liveness::Live)
}

async fn record(app: &App, no: CustomerNo) -> reveille::domain::record::Record {
    app.core.customer(no).await.unwrap().unwrap().record
}

/// How many events stand in the history, of each customer.
async fn events(app: &App) -> Vec<u64> {
    let rows = app
        .core
        .store
        .read_stream(Stream::Events, StreamFilter::default());
    rows.await.unwrap().iter().map(|r| r.customer).collect()
}

async fn letters(app: &App) -> usize {
    let mut found = 0;
    for shard in ShardNo::all() {
        let range = keys::inbox_all(shard);
        let rows = app.core.store.scan(range, Direction::Forward, usize::MAX);
        found += rows.await.unwrap().len();
    }
    found
}

/// How many events the cart's trigger is remembered to have met, by what the engine shows.
async fn remembered(app: &App, who: &str) -> u64 {
    let view = app.core.customer_view(&id(who)).await.unwrap().unwrap();
    (view.events.iter())
        .filter(|e| e.events.contains("Visited"))
        .map(|e| e.remembered)
        .sum()
}

#[tokio::test]
async fn an_anonymous_cart_becomes_the_known_customers_mail() {
    let app = start(Watched::new()).await;
    fill_cart(&app, BROWSER, "c").await;
    app.advance(Span::hours(2)).await;
    app.sign_up("mina", "Asia/Seoul").await;
    assert_eq!(alias(&app, BROWSER, "mina").await, Ok(Merged::Absorbed));
    assert_eq!(letters(&app).await, 0);
    assert_eq!(alias(&app, BROWSER, "mina").await, Ok(Merged::Already));
    app.leap(Span::hours(21)).await;
    assert!(app.mails().is_empty());
    app.leap(Span::hours(1)).await;
    assert_eq!(app.mails().len(), 1);
    assert!(app.mails()[0].1.contains("mina@customers.example"));
    // The product, told to the anonymous customer, stands in the mail.
    assert!(app.mails()[0].1.contains("Cup"));
    app.advance(Span::hours(3)).await;
    assert_eq!(app.mails().len(), 1);

    // By either id it is one customer, listed once.
    let by_old = app.core.customer_view(&id(BROWSER)).await.unwrap().unwrap();
    let by_new = app.core.customer_view(&id("mina")).await.unwrap().unwrap();
    assert_eq!(by_old.id, by_new.id);
    assert_eq!(by_new.enrollments.len(), 1);
    let listed = app.core.customers(None, 10).await.unwrap();
    let ids: Vec<_> = listed.iter().map(|c| c.id.to_string()).collect();
    assert_eq!(ids, ["mina"]);
    assert_eq!(app.core.reach().await.unwrap().customers, 1);
    let explained = app.core.explain(&id(BROWSER), None).await.unwrap();
    assert!(explained.is_some());
    for who in [BROWSER, "mina"] {
        let filter = LogFilter {
            customer: Some(id(who)),
            limit: Some(100),
            ..LogFilter::default()
        };
        let rows = app.core.log(&filter).await.unwrap();
        let told: Vec<_> = rows.iter().map(|r| r.reason).collect();
        let expected = [
            "trigger", "moved", "merged", "step_due", "policy", "accepted",
        ];
        assert_eq!(told, expected, "{who}");
    }
}

#[tokio::test]
async fn what_is_told_by_an_old_id_reaches_the_customer() {
    let store = Watched::new();
    let app = start(store.clone()).await;
    fill_cart(&app, BROWSER, "c").await;
    let source = app.customer(BROWSER).await;
    app.sign_up("mina", "Asia/Seoul").await;
    let mina = app.customer("mina").await;
    let visit = |n: u64| Work {
        customer: source,
        id: Some(id(BROWSER)),
        cause: event(&app, "Visited", n),
        mail: None,
    };
    // What stands in the queue as the merge comes, and what was resolved before it, is carried on.
    let offered = join_all((0..300).map(|n| app.core.shard(source).offer_in_order(visit(n))));
    let (merged, offered) = tokio::join!(alias(&app, BROWSER, "mina"), offered);
    assert_eq!(merged, Ok(Merged::Absorbed));
    for answer in offered {
        assert!(answer.await.unwrap().unwrap().fresh);
    }
    // Each again, by the old number and by the id: all are known.
    for n in 0..300 {
        let again = app.core.shard(source).act(visit(n)).await.unwrap();
        assert!(!again.fresh, "{n}");
        let reply = app.act(BROWSER, event(&app, "Visited", n)).await;
        assert!(!reply.fresh, "{n}");
    }
    assert_eq!(events(&app).await.len(), 301);
    // A refusal by the old number is in force when it is acknowledged.
    app.consent(BROWSER, ConsentState::Refused).await;
    let consents = record(&app, mina).await.consents;
    assert_eq!(consents[&None].state, ConsentState::Refused);
    app.leap(Span::hours(25)).await;
    assert!(app.mails().is_empty());
    assert_eq!(letters(&app).await, 0);
    // All of it stands after another opening.
    let app = app.reopen(store.again()).await;
    app.settle().await;
    assert_eq!(record(&app, source).await.moved_to, Some(mina));
    assert_eq!(record(&app, mina).await.absorbed, [source]);
}

#[tokio::test]
async fn one_identity_on_both_sides_is_one_event_also_when_history_is_read_again() {
    let visited = r#"
name  = "Visited"
state = "draft"
class = "informational"
[audience]
event = "Visited"
count = ">= 1000"
[entry]
existing = "skip"
[[step]]
id       = "hello"
template = "welcome"
subject  = "Hello"
"#;
    let store = Watched::new();
    let app = start(store.clone()).await;
    app.file("visited.toml", Some(visited));
    app.reload().await;
    app.sign_up("mina", "Asia/Seoul").await;
    // More than a record holds itself, on both sides; 50 of them are the same.
    for n in 0..150 {
        app.act(BROWSER, event(&app, "Visited", n)).await;
        app.act("mina", event(&app, "Visited", n + 100)).await;
    }
    alias(&app, BROWSER, "mina").await.unwrap();
    assert_eq!(remembered(&app, "mina").await, 250);
    for n in 0..250 {
        let reply = app.act("mina", event(&app, "Visited", n)).await;
        assert!(!reply.fresh, "{n}");
    }
    // Another plan of tracks: all are rebuilt from history.
    let wider = visited.replace(
        "count = \">= 1000\"",
        "count = \">= 1000\"\nwithin = \"90d\"",
    );
    app.file("visited.toml", Some(&wider));
    app.reload().await;
    assert_eq!(remembered(&app, "mina").await, 250);
    let walked = record(&app, app.customer(BROWSER).await).await;
    assert_eq!(walked.id, id("mina"));
}

#[tokio::test]
async fn ids_lead_where_they_may() {
    let app = start(Watched::new()).await;
    // Never heard of: another name, whatever it is.
    assert_eq!(alias(&app, BROWSER, "mina").await, Ok(Merged::Linked));
    assert_eq!(alias(&app, "old-7", "mina").await, Ok(Merged::Linked));
    let mina = app.customer("mina").await;
    assert_eq!(app.customer(BROWSER).await, mina);
    assert_eq!(app.customer("old-7").await, mina);
    fill_cart(&app, BROWSER, "c").await;
    assert_eq!(record(&app, mina).await.campaigns.len(), 1);
    // Somebody else at the same browser: it belongs to mina.
    fill_cart(&app, "juno", "d").await;
    let elsewhere = alias(&app, BROWSER, "juno").await;
    assert_eq!(elsewhere, Err(AliasError::BelongsToAnother(id(BROWSER))));
    // Two whom the shop knows stay two.
    let refused = alias(&app, "juno", "mina").await;
    assert_eq!(refused, Err(AliasError::NotAnonymous(id("juno"))));
    assert_eq!(alias(&app, "mina", "mina").await, Ok(Merged::Already));
    // A chain, and what would close it to a circle.
    for (who, cart) in [("anon:a", "x"), ("anon:b", "y")] {
        fill_cart(&app, who, cart).await;
    }
    assert_eq!(alias(&app, "anon:a", "anon:b").await, Ok(Merged::Absorbed));
    assert_eq!(alias(&app, "anon:b", "anon:a").await, Ok(Merged::Already));
    assert_eq!(alias(&app, "anon:b", "juno").await, Ok(Merged::Absorbed));
    assert_eq!(alias(&app, "anon:a", "juno").await, Ok(Merged::Already));
    let juno = app.customer("juno").await;
    assert_eq!(record(&app, juno).await.absorbed.len(), 2);
    fill_cart(&app, "anon:a", "z").await;
    let entries = &record(&app, juno).await.campaigns;
    let keys: Vec<_> = (entries.values())
        .flat_map(|s| s.entries.iter().map(|e| e.key.0.as_str()))
        .collect();
    assert_eq!(keys.len(), 4, "{keys:?}");
}

#[tokio::test]
async fn merges_that_meet_never_make_a_circle() {
    let app = start(Watched::new()).await;
    let names: Vec<String> = (0..12).map(|n| format!("anon:{n}")).collect();
    for name in &names {
        fill_cart(&app, name, name).await;
    }
    // Each into the next one, and back, all at once; then the known customer.
    let pairs: Vec<(&String, &String)> = (0..12)
        .flat_map(|n| {
            let (a, b) = (&names[n], &names[(n + 1) % 12]);
            [(a, b), (b, a)]
        })
        .collect();
    let done = join_all(pairs.iter().map(|(a, b)| alias(&app, a, b))).await;
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    let absorbed = done.iter().filter(|d| **d == Ok(Merged::Absorbed)).count();
    assert_eq!(absorbed, 11);
    app.sign_up("mina", "Asia/Seoul").await;
    alias(&app, &names[5], "mina").await.unwrap();
    app.settle().await;
    let mina = app.customer("mina").await;
    let own = record(&app, mina).await;
    assert_eq!(own.absorbed.len(), 12);
    assert_eq!(letters(&app).await, 0);
    for name in &names {
        let view = app.core.customer_view(&id(name)).await.unwrap().unwrap();
        assert_eq!(view.id, id("mina"));
        assert_eq!(view.enrollments.len(), 12);
    }
}

/// Fills two carts, lets the store die at commit `dies` of the merge (and of what follows it), and opens it again.
/// Gives the application, and whether the merge had been acknowledged.
async fn killed_at(dies: usize) -> (App, bool) {
    let store = Watched::new();
    let app = start(store.clone()).await;
    fill_cart(&app, BROWSER, "a").await;
    app.consent(BROWSER, ConsentState::Given).await;
    app.sign_up("mina", "Asia/Seoul").await;
    fill_cart(&app, "mina", "b").await;
    app.settle().await;
    let mut commits = 0;
    store.fail(move |_| {
        commits += 1;
        (commits > dies).then(|| StoreError::Unavailable("dead".into()))
    });
    let acknowledged = alias(&app, BROWSER, "mina").await.is_ok();
    let app = app.reopen(store.again()).await;
    (app, acknowledged)
}

#[tokio::test]
async fn whatever_commit_it_dies_at_a_merge_happens_once() {
    for repeated in [true, false] {
        for dies in 0.. {
            let (app, acknowledged) = killed_at(dies).await;
            if repeated {
                alias(&app, BROWSER, "mina").await.unwrap();
            }
            app.settle().await;
            assert_eq!(letters(&app).await, 0, "{dies}");
            let mina = app.customer("mina").await;
            let merged = !record(&app, mina).await.absorbed.is_empty();
            // From its first commit on, nobody need repeat it.
            assert_eq!(merged, repeated || dies > 0, "{dies}");
            // Both events stand in the history, once.
            assert_eq!(events(&app).await.len(), 2);
            app.leap(Span::hours(24)).await;
            // The shop lets one go in 20 hours.
            app.leap(Span::hours(21)).await;
            app.leap(Span::hours(48)).await;
            let log = app.log().await;
            let sent = log.iter().filter(|r| r.status == Status::Accepted).count();
            assert_eq!(
                (sent, app.mails().len()),
                if merged { (2, 2) } else { (1, 1) },
                "{dies}: {log:#?}"
            );
            if merged {
                let own = record(&app, mina).await;
                let standing = own.campaigns.values().next().unwrap();
                assert_eq!((standing.entered, standing.entries.len()), (2, 2));
                assert_eq!(own.absorbed.len(), 1);
            }
            if acknowledged {
                assert!(dies >= 2, "a merge is two commits at least");
                break;
            }
            assert!(dies < 20, "it is never acknowledged");
        }
    }
}

/// The daemon dies while the source's mail is under way, and after the merge.
#[tokio::test]
async fn a_mail_in_doubt_is_settled_where_it_began() {
    let store = Watched::new();
    let app = start(store.clone()).await;
    app.sign_up("mina", "Asia/Seoul").await;
    let profile = ProfileChange {
        email: Some(EmailAddress::parse("form@customers.example").unwrap()),
        ..ProfileChange::default()
    };
    app.act(BROWSER, Cause::Profile(Box::new(profile), Liveness::Live))
        .await;
    app.consent(BROWSER, ConsentState::Given).await;
    fill_cart(&app, BROWSER, "a").await;
    // What becomes of the mail is never told.
    store.fail(|batch| {
        let told = batch.appends.iter().any(|row| {
            row.stream == Stream::Log
                && decode::<LogRow>(&row.payload).unwrap().status == Status::Accepted
        });
        told.then(|| StoreError::Unavailable("down".into()))
    });
    app.clock.advance(Span::hours(24));
    app.core.tick().await.unwrap();
    while app.mails().is_empty() {
        tokio::task::yield_now().await;
    }
    let (path, text) = app.mails().remove(0);
    std::fs::remove_file(path).unwrap();
    let source = app.customer(BROWSER).await;
    assert_eq!(alias(&app, BROWSER, "mina").await, Ok(Merged::Absorbed));
    assert_eq!(record(&app, source).await.messages.len(), 1);
    let app = app.reopen(store.again()).await;
    app.advance(Span::hours(1)).await;
    let mails = app.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].1, text, "the same bytes to the same address");
    assert!(record(&app, source).await.messages.is_empty());
    app.leap(Span::hours(30)).await;
    assert_eq!(app.mails().len(), 1);
    let standing = record(&app, app.customer("mina").await).await.campaigns;
    let entries: Vec<_> = standing.values().flat_map(|s| &s.entries).collect();
    assert_eq!(entries.len(), 1);
    assert!(entries[0].counted && !entries[0].state.is_open());
    assert_eq!(letters(&app).await, 0);
}

/// The mailbox that a refusal names is the one that a mail of the target went to; the source has nothing to do with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_by_a_link_after_a_merge_stops_what_is_under_way_at_the_source_too() {
    let store = Watched::new();
    let app = start(store.clone()).await;
    app.sign_up("mina", "Asia/Seoul").await;
    let profile = ProfileChange {
        email: Some(EmailAddress::parse("form@customers.example").unwrap()),
        ..ProfileChange::default()
    };
    app.act(BROWSER, Cause::Profile(Box::new(profile), Liveness::Live))
        .await;
    app.consent(BROWSER, ConsentState::Given).await;
    fill_cart(&app, BROWSER, "a").await;
    app.clock.advance(Span::hours(24));
    // The source's mail is in doubt when it moves.
    store.fail(|batch| {
        let told = batch.appends.iter().any(|row| {
            row.stream == Stream::Log
                && decode::<LogRow>(&row.payload).unwrap().status == Status::Accepted
        });
        told.then(|| StoreError::Unavailable("down".into()))
    });
    app.core.tick().await.unwrap();
    while app.mails().is_empty() {
        tokio::task::yield_now().await;
    }
    // What is in one batch with the outcome fails with it: whoever told it tells it again.
    while alias(&app, BROWSER, "mina").await.is_err() {
        tokio::task::yield_now().await;
    }
    let app = app.reopen(store.again()).await;
    let target = app.customer("mina").await;
    let mut refusal = ConsentChange {
        topic: None,
        state: ConsentState::Refused,
        at: app.now(),
        source: "test".into(),
        wording: None,
        origin: Origin::default(),
    };
    let elsewhere = EmailAddress::parse("elsewhere@customers.example").unwrap();
    refusal.origin.mailbox = Some(elsewhere.mailbox());
    let told = app
        .core
        .act(target, Cause::Consent(refusal, Liveness::Live));
    told.await.unwrap();
    let ticked = tokio::time::timeout(std::time::Duration::from_secs(20), app.settle());
    ticked.await.expect("nobody goes round in a circle");
    app.leap(Span::hours(1)).await;
    let story = app.story(BROWSER).await;
    assert!(!story.iter().any(|row| row.contains("resent")), "{story:?}");
}

/// A rehearsal ends while a letter lies unread: customers, events and consent go on, enrollments don't.
#[tokio::test]
async fn going_live_takes_enrollments_out_of_letters() {
    let store = Watched::new();
    let app = start(store.clone()).await;
    fill_cart(&app, BROWSER, "a").await;
    app.consent(BROWSER, ConsentState::Given).await;
    app.sign_up("mina", "Asia/Seoul").await;
    let mut commits = 0;
    store.fail(move |_| {
        commits += 1;
        (commits > 1).then(|| StoreError::Unavailable("dead".into()))
    });
    alias(&app, BROWSER, "mina").await.unwrap_err();
    assert_eq!(letters(&app).await, 1);
    // Campaigns start anew, after these events.
    app.clock.advance(Span::minutes(1));
    let store = store.again();
    let folder = "kind = \"folder\"\npath = \"mail\"";
    let real = "kind = \"smtp\"\nhost = \"127.0.0.1\"\nport = 1\ntls = \"none\"";
    let live = CONFIG.replace(folder, real);
    app::lay_out(app.dir.path(), &live, &[]);
    let config = app::load_config(app.dir.path());
    let went = go_live(&*store, &config, app.now(), &|_| {}).await.unwrap();
    assert!(went.is_some());
    let app = app.reopen(store).await;
    app.settle().await;
    assert_eq!(letters(&app).await, 0);
    let own = record(&app, app.customer("mina").await).await;
    assert_eq!((own.absorbed.len(), own.consents.len()), (1, 1));
    assert!(own.campaigns.values().all(|s| s.entries.is_empty()));
    app.leap(Span::hours(30)).await;
    assert!(app.log().await.iter().all(|r| r.status != Status::Waiting));
}

/// Somebody of the browser whose mail is in doubt, merged into mina, who lives in another shard: the store and the
/// application, opened again after it, and both numbers.
async fn merged_in_doubt() -> (Arc<Watched>, App, CustomerNo, CustomerNo) {
    let store = Watched::new();
    let app = start(store.clone()).await;
    app.sign_up("mina", "Asia/Seoul").await;
    let profile = ProfileChange {
        email: Some(EmailAddress::parse("form@customers.example").unwrap()),
        ..ProfileChange::default()
    };
    app.act(BROWSER, Cause::Profile(Box::new(profile), Liveness::Live))
        .await;
    app.consent(BROWSER, ConsentState::Given).await;
    let source = app.customer(BROWSER).await;
    fill_cart(&app, BROWSER, "a").await;
    app.clock.advance(Span::hours(24));
    store.fail(|batch| {
        let told = batch.appends.iter().any(|row| {
            row.stream == Stream::Log
                && decode::<LogRow>(&row.payload).unwrap().status == Status::Accepted
        });
        told.then(|| StoreError::Unavailable("down".into()))
    });
    app.core.tick().await.unwrap();
    while app.mails().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(alias(&app, BROWSER, "mina").await, Ok(Merged::Absorbed));
    let target = app.customer("mina").await;
    assert_ne!(source.shard(), target.shard());
    let store = store.again();
    let app = app.reopen(store.clone()).await;
    (store, app, source, target)
}

/// The reasons of all rows of the log, in order.
async fn reasons(app: &App) -> Vec<Reason> {
    let rows = app.log().await;
    rows.iter().map(|row| row.reason).collect()
}

fn refusal(app: &App) -> Cause {
    let change = ConsentChange {
        topic: None,
        state: ConsentState::Refused,
        at: app.now(),
        source: "test".into(),
        wording: None,
        origin: Origin::default(),
    };
    Cause::Consent(change, Liveness::Live)
}

/// The source's shard may be as late as it likes to learn of anything: what was acknowledged at the target binds.
#[tokio::test]
async fn a_refusal_acknowledged_by_the_target_binds_the_source_from_that_instant() {
    let (store, app, source, target) = merged_in_doubt().await;
    // No letter to the source is ever read.
    let inbox = keys::inbox_of(source);
    store.fail(move |batch| {
        let reads = (batch.deletes.iter()).any(|key| inbox.from <= *key && *key < inbox.to);
        reads.then(|| StoreError::Unavailable("not now".into()))
    });
    app.core.act(target, refusal(&app)).await.unwrap();
    app.leap(Span::hours(1)).await;
    let told = reasons(&app).await;
    assert!(!told.contains(&Reason::Resent), "{told:?}");
    assert!(told.contains(&Reason::TopicRefused), "{told:?}");
}

/// The refusal is acknowledged between what the source's shard reads and its commit.
#[tokio::test]
async fn a_refusal_that_comes_while_the_source_is_asked_binds_the_answer() {
    let (store, app, _, target) = merged_in_doubt().await;
    let (core, cause) = (Arc::clone(&app.core), refusal(&app));
    let mut refuse = Some(async move {
        core.act(target, cause).await.unwrap();
    });
    store.before(move |batch| {
        let resent = batch.appends.iter().any(|row| {
            row.stream == Stream::Log
                && decode::<LogRow>(&row.payload).unwrap().reason == Reason::Resent
        });
        let refuse = resent.then(|| refuse.take()).flatten();
        refuse.map(|refuse| refuse.boxed())
    });
    app.leap(Span::hours(1)).await;
    assert_eq!(store.conflicts.load(Relaxed), 1);
    let told = reasons(&app).await;
    assert!(!told.contains(&Reason::Resent), "{told:?}");
    assert!(told.contains(&Reason::TopicRefused), "{told:?}");
}

/// The hours, the break and the caps of the one who they turned out to be.
#[tokio::test]
async fn what_the_target_wants_holds_for_what_is_under_way_at_the_source() {
    let (_store, app, _, target) = merged_in_doubt().await;
    let mut change = ProfileChange::default();
    change.preferences.pause_until = Some(Some(app.now() + Span::hours(30)));
    let change = Cause::Profile(Box::new(change), Liveness::Live);
    app.core.act(target, change).await.unwrap();
    app.leap(Span::hours(29)).await;
    let told = reasons(&app).await;
    assert!(!told.contains(&Reason::Resent), "{told:?}");
    assert!(told.contains(&Reason::Pause), "{told:?}");
    app.leap(Span::hours(2)).await;
    let told = reasons(&app).await;
    assert!(told.contains(&Reason::Resent), "{told:?}");
}

/// A merge is told, and told again after the connection was cut off: it is called done when it is.
#[tokio::test]
async fn a_merge_told_again_waits_until_all_is_there() {
    let store = Watched::new();
    let app = start(store.clone()).await;
    fill_cart(&app, BROWSER, "a").await;
    fill_cart(&app, "anon:b", "b").await;
    app.sign_up("mina", "Asia/Seoul").await;
    let (source, target) = (app.customer(BROWSER).await, app.customer("mina").await);
    let inbox = keys::inbox_of(target);
    store.fail(move |batch| {
        let reads = (batch.deletes.iter()).any(|key| inbox.from <= *key && *key < inbox.to);
        reads.then(|| StoreError::Unavailable("not now".into()))
    });
    alias(&app, BROWSER, "mina").await.unwrap_err();
    let again = alias(&app, BROWSER, "mina").await;
    assert!(matches!(again, Err(AliasError::Refused(_))), "{again:?}");
    assert_eq!(app.customer(BROWSER).await, source);
    store.mend();
    assert_eq!(alias(&app, BROWSER, "mina").await, Ok(Merged::Already));
    assert_eq!(record(&app, target).await.absorbed, [source]);
    // The id leads there at once, as after any merge.
    assert_eq!(app.customer(BROWSER).await, target);
    // In a chain too, wherever it was cut off.
    let between = app.customer("anon:b").await;
    let inbox = keys::inbox_of(between);
    fill_cart(&app, "anon:c", "c").await;
    let first = app.customer("anon:c").await;
    store.fail(move |batch| {
        let reads = (batch.deletes.iter()).any(|key| inbox.from <= *key && *key < inbox.to);
        reads.then(|| StoreError::Unavailable("not now".into()))
    });
    alias(&app, "anon:c", "anon:b").await.unwrap_err();
    assert_eq!(alias(&app, "anon:b", "mina").await, Ok(Merged::Absorbed));
    alias(&app, "anon:c", "mina").await.unwrap_err();
    store.mend();
    assert_eq!(alias(&app, "anon:c", "mina").await, Ok(Merged::Already));
    assert_eq!(letters(&app).await, 0);
    assert_eq!(
        record(&app, target).await.absorbed,
        [source, between, first]
    );
}

/// A cause of the source's could not be worked on; the operator knows whichever id.
#[tokio::test]
async fn what_is_listed_of_whoever_was_merged_is_cleared_by_either_id() {
    for by in [BROWSER, "mina"] {
        let store = Watched::new();
        let app = start(store.clone()).await;
        fill_cart(&app, BROWSER, "a").await;
        let source = app.customer(BROWSER).await;
        let row = Poison {
            at: app.now(),
            cause: "a cause".into(),
            panic: "a panic".into(),
        };
        let listed = Batch {
            puts: vec![(keys::poison(source, app.now()), encode(&row))],
            ..Batch::default()
        };
        store.commit(listed).await.unwrap();
        app.sign_up("mina", "Asia/Seoul").await;
        alias(&app, BROWSER, "mina").await.unwrap();
        assert_eq!(app.core.poisonous_customers().await.unwrap(), 1);
        assert_eq!(app.core.clear_poison(&id("nobody")).await, Ok(None));
        assert_eq!(app.core.clear_poison(&id(by)).await, Ok(Some(1)), "{by}");
        assert_eq!(app.core.poisonous_customers().await.unwrap(), 0);
    }
}

/// What the source got before it was merged is told by the clock of whom they turned out to be.
#[tokio::test]
async fn reports_by_hour_go_by_the_clock_of_whoever_it_is() {
    let app = start(Watched::new()).await;
    let mut profile = ProfileChange {
        email: Some(EmailAddress::parse("form@customers.example").unwrap()),
        ..ProfileChange::default()
    };
    profile.preferences.timezone = Some(Some("America/New_York".parse().unwrap()));
    app.act(BROWSER, Cause::Profile(Box::new(profile), Liveness::Live))
        .await;
    app.consent(BROWSER, ConsentState::Given).await;
    fill_cart(&app, BROWSER, "a").await;
    app.leap(Span::hours(24)).await;
    // In the morning, by their clock.
    app.leap(Span::hours(11)).await;
    let left = (app.log().await.iter())
        .find(|row| row.status == Status::Attempting)
        .unwrap()
        .time;
    let hour = |zone: &str| {
        let zone: chrono_tz::Tz = zone.parse().unwrap();
        left.to_utc().with_timezone(&zone).hour()
    };
    let told = async || {
        let told = report(&app.core, By::Hours, None).await.unwrap();
        let hours: Vec<_> = told.groups.iter().map(|g| g.hour.unwrap()).collect();
        hours
    };
    assert_eq!(told().await, [hour("America/New_York")]);
    app.sign_up("mina", "Europe/Berlin").await;
    alias(&app, BROWSER, "mina").await.unwrap();
    assert_eq!(told().await, [hour("Europe/Berlin")]);
}

/// The address changes in the instant between the outbox's last look and the asking.
#[tokio::test]
async fn a_mail_made_for_an_address_that_has_just_changed_is_made_anew() {
    let store = Watched::new();
    let app = start(store.clone()).await;
    app.sign_up("mina", "Asia/Seoul").await;
    fill_cart(&app, "mina", "a").await;
    let mina = app.customer("mina").await;
    app.clock.advance(Span::hours(24));
    app.core.advance().await.unwrap();
    let profile = ProfileChange {
        email: Some(EmailAddress::parse("new@customers.example").unwrap()),
        ..ProfileChange::default()
    };
    let (core, key) = (Arc::clone(&app.core), keys::record(mina));
    let mut changes = Some(async move {
        let change = Cause::Profile(Box::new(profile), Liveness::Live);
        core.act(mina, change).await.unwrap();
    });
    // Its first read is the look that composes, its second the last one.
    let mut looks = 0;
    store.after_read(move |keys| {
        looks += usize::from(*keys == [key.clone()]);
        let last = looks == 2;
        last.then(|| changes.take()).flatten().map(|c| c.boxed())
    });
    Outbox::pump(&app.core).await.unwrap();
    app.core.outbox.wait_idle().await;
    assert!(app.mails().is_empty());
    let told = reasons(&app).await;
    assert!(told.contains(&Reason::NotStarted), "{told:?}");
    app.settle().await;
    let mails = app.mails();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].1.contains("new@customers.example"));
    assert!(!mails[0].1.contains("mina@customers.example"));
}

/// The chain breaks in the middle: a letter finds its reader moved already.
#[tokio::test]
async fn letters_follow_whoever_moved_on_meanwhile() {
    let store = Watched::new();
    let app = start(store.clone()).await;
    fill_cart(&app, "anon:a", "a").await;
    fill_cart(&app, "anon:b", "b").await;
    app.sign_up("mina", "Asia/Seoul").await;
    // The letter to b is written and not read.
    let source = app.customer("anon:a").await;
    let between = app.customer("anon:b").await;
    let inbox = keys::inbox_of(between);
    store.fail(move |batch| {
        let reads = (batch.deletes.iter()).any(|key| inbox.from <= *key && *key < inbox.to);
        reads.then(|| StoreError::Unavailable("not now".into()))
    });
    let cut_off = alias(&app, "anon:a", "anon:b").await;
    assert!(
        matches!(cut_off, Err(AliasError::Refused(_))),
        "{cut_off:?}"
    );
    assert_eq!(letters(&app).await, 1);
    assert_eq!(alias(&app, "anon:b", "mina").await, Ok(Merged::Absorbed));
    store.mend();
    app.settle().await;
    app.settle().await;
    assert_eq!(letters(&app).await, 0);
    let own = record(&app, app.customer("mina").await).await;
    assert_eq!(own.absorbed, [between, source]);
    app.leap(Span::hours(24)).await;
    app.leap(Span::hours(24)).await;
    assert_eq!(app.mails().len(), 2);
}
