//! Faults: what is in doubt when the daemon dies, a store that fails for a while, two shards at one mailbox, and a
//! customer whose record cannot be reacted to.

mod app;

use app::watched::Watched;
use app::{App, CONFIG, shipped};
use reveille::domain::address::EmailAddress;
use reveille::domain::cause::{Cause, Liveness, ProfileChange};
use reveille::domain::id::{CustomerId, CustomerNo};
use reveille::domain::ledger::{LogRow, Status};
use reveille::domain::record::Mailbox;
use reveille::domain::time::{Span, Timestamp};
use reveille::domain::value::Value;
use reveille::engine::batch::Work;
use reveille::engine::control::{ControlError, Scope};
use reveille::engine::shard::Refused;
use reveille::engine::state::{CustomerState, Poison};
use reveille::store::codec::{decode, encode};
use reveille::store::{Append, Batch, Direction, Store, StoreError, Stream, StreamFilter, keys};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

const START: &str = "2026-03-02T03:00:00Z";

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

/// The daemon dies between a mail's leaving and the commit of its outcome. Gives what runs afterwards, unsettled, and
/// the mail as it left the first time.
async fn died_in_doubt(config: &str) -> (App, Arc<Watched>, String) {
    let (app, again, text) = died(config).await;
    let app = app.reopen(again.clone()).await;
    (app, again, text)
}

/// The same, not yet started again, with the store as the next opening has it.
async fn died(config: &str) -> (App, Arc<Watched>, String) {
    let store = Watched::new();
    let welcome = shipped("welcome.toml");
    let app = App::start_on(store.clone(), START, config, &[("welcome.toml", &welcome)]).await;
    app.sign_up("mina", "Asia/Seoul").await;
    app.event("mina", "Signed Up", json!({})).await;
    app.leap(Span::minutes(9)).await;
    let mut begun = false;
    store.fail(move |batch| {
        let down = begun;
        begun |= batch.appends.iter().any(|a| a.stream == Stream::Mails);
        down.then(|| StoreError::Unavailable("down".into()))
    });
    app.clock.advance(Span::minutes(1));
    app.core.tick().await.unwrap();
    while app.mails().is_empty() {
        tokio::task::yield_now().await;
    }
    let (path, text) = app.mails().remove(0);
    std::fs::remove_file(path).unwrap();
    // Texts that are edited meanwhile are not what was sent.
    app.template("welcome.html.hbs", "<p>Another text</p>");
    app.file("welcome.toml", Some(&welcome.replace("Welcome,", "Hi,")));
    (app, store.again(), text)
}

async fn mailbox(app: &App, id: &str) -> Mailbox {
    let address =
        reveille::domain::address::EmailAddress::parse(&format!("{id}@customers.example"));
    let key = keys::mailbox(&address.unwrap().mailbox());
    let found = app.core.store.get_many(vec![key]).await.unwrap();
    decode(&found[0].as_ref().unwrap().value).unwrap()
}

#[tokio::test]
async fn what_is_in_doubt_is_sent_again_the_same_bytes_and_id_and_its_place_moves() {
    let (app, _, text) = died_in_doubt(CONFIG).await;
    let began = at(START) + Span::minutes(10);
    assert_eq!(
        app.story("mina").await.last().unwrap(),
        "welcome uncertain/in_doubt"
    );
    assert_eq!(
        mailbox(&app, "mina").await.places[0].at,
        began,
        "held while in doubt"
    );
    app.leap(Span::seconds(30)).await;
    assert_eq!(app.mails().len(), 0, "not before [engine] settle");
    app.leap(Span::minutes(5)).await;
    let again = app.mails();
    assert_eq!(again.len(), 1);
    assert_eq!(
        again[0].1, text,
        "the same bytes, the Message-ID among them"
    );
    let places = mailbox(&app, "mina").await.places;
    assert_eq!(places.len(), 1);
    assert!(places[0].at > began, "moved to the latest attempt");
    assert_eq!(
        app.story("mina").await[2..],
        [
            "welcome attempting/policy",
            "welcome uncertain/in_doubt",
            "welcome attempting/resent",
            "welcome accepted/accepted"
        ]
    );
    let attempts: Vec<u32> = app.log().await[2..].iter().map(|r| r.attempt).collect();
    assert_eq!(attempts, [1, 1, 2, 2]);
}

#[tokio::test]
async fn what_is_in_doubt_waits_for_an_operator_where_the_shop_wants_it() {
    let config = format!("{CONFIG}[safety]\nin_doubt = \"hold\"\n");
    for resend in [true, false] {
        let (app, _, text) = died_in_doubt(&config).await;
        app.leap(Span::hours(20)).await;
        assert_eq!(
            app.story("mina").await.last().unwrap(),
            "welcome uncertain/in_doubt_held"
        );
        let doubts = app.core.doubts().await.unwrap();
        assert_eq!(doubts.len(), 1);
        let doubt = &doubts[0];
        assert!(doubt.held && doubt.again.is_none(), "{doubt:?}");
        assert_eq!(doubt.customer.as_str(), "mina");
        assert_eq!(doubt.since, Some(at(START) + Span::minutes(10)));
        assert!(doubt.why.contains("stopped"), "{doubt:?}");
        assert!(text.contains(&doubt.message_id), "{doubt:?}");
        // As it stands in a header too.
        let id = format!("<{}>", doubt.message_id);
        app.core.settle_doubt(&id, resend, "test").await.unwrap();
        if !resend {
            let again = app.core.settle_doubt(&id, true, "test").await;
            assert!(matches!(again, Err(ControlError::NotInDoubt { .. })));
        }
        app.leap(Span::minutes(1)).await;
        let last = app.story("mina").await.pop().unwrap();
        let mails = app.mails();
        if resend {
            assert_eq!(last, "welcome accepted/accepted");
            assert_eq!(mails[0].1, text);
        } else {
            assert_eq!(last, "welcome dropped/taken_as_sent");
            assert_eq!(mails.len(), 0);
            assert_eq!(
                mailbox(&app, "mina").await.places.len(),
                1,
                "it may have arrived"
            );
        }
    }
}

#[tokio::test]
async fn a_store_that_fails_refuses_and_goes_on_by_itself() {
    for error in [
        StoreError::Full("no space".into()),
        StoreError::Unavailable("away".into()),
    ] {
        let store = Watched::new();
        let welcome = shipped("welcome.toml");
        let app = App::start_on(store.clone(), START, CONFIG, &[("welcome.toml", &welcome)]).await;
        app.crowd(0..20).await;
        for n in 0..10 {
            app.event(&format!("c{n}"), "Signed Up", json!({})).await;
        }
        store.fail_all(error.clone());
        app.clock.advance(Span::minutes(10));
        assert!(app.core.tick().await.is_err(), "the tick says so");
        for n in 10..20 {
            let no = app.customer(&format!("c{n}")).await;
            let refused = app.core.act(no, Cause::Release).await;
            let event = app.past(no, "Signed Up", app.now()).cause;
            let Cause::Event(event, _) = event else {
                unreachable!()
            };
            let event = app.core.act(no, Cause::Event(event, Liveness::Live)).await;
            assert_eq!(event, Err(Refused::Store(error.clone())));
            // Nothing to write, nothing to refuse.
            assert!(refused.is_ok());
        }
        store.mend();
        app.leap(Span::minutes(1)).await;
        assert_eq!(app.mails().len(), 10, "what was acknowledged goes");
        assert_eq!(
            app.entered("welcome").await,
            10,
            "what was refused did not happen"
        );
        for n in 10..20 {
            app.event(&format!("c{n}"), "Signed Up", json!({})).await;
        }
        app.leap(Span::minutes(10)).await;
        assert_eq!(app.mails().len(), 20);
    }
}

/// Every third commit fails; who is refused offers the same again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_and_nothing_is_sent_twice_by_a_store_that_fails_often() {
    let store = Watched::new();
    let welcome = shipped("welcome.toml");
    let app = App::start_on(store.clone(), START, CONFIG, &[("welcome.toml", &welcome)]).await;
    let numbers = app.crowd(0..150).await;
    let mut nth = 0;
    store.fail(move |_| {
        nth += 1;
        (nth % 3 == 0).then(|| StoreError::Unavailable("one in three".into()))
    });
    let mut refused = 0;
    let mut waiting: Vec<Work> = (numbers.iter())
        .map(|no| {
            let mut work = app.past(*no, "Signed Up", app.now());
            if let Cause::Event(_, liveness) = &mut work.cause {
                *liveness = Liveness::Live;
            }
            work
        })
        .collect();
    while !waiting.is_empty() {
        let replies = app.offer(waiting.clone()).await;
        let bad = waiting.into_iter().zip(replies).filter(|(_, r)| r.is_err());
        waiting = bad.map(|(work, _)| work).collect();
        refused += waiting.len();
    }
    app.clock.advance(Span::minutes(10));
    for _ in 0..100 {
        // Each call does what it can; the next one goes on.
        let _ = app.core.tick().await;
        app.core.outbox.wait_idle().await;
    }
    let log = app.log().await;
    let with = |status| log.iter().filter(|r: &&LogRow| r.status == status).count();
    println!("{refused} refusals");
    assert!(refused > 10);
    assert_eq!(with(Status::Entered), 150);
    assert_eq!(
        (with(Status::Attempting), with(Status::Accepted)),
        (150, 150)
    );
    assert_eq!(app.mails().len(), 150);
    let events = store.read_stream(Stream::Events, StreamFilter::default());
    assert_eq!(events.await.unwrap().len(), 150);
}

/// The walk of a new campaign, its going live, and the entering of those who held at its start.
#[tokio::test]
async fn a_start_that_the_store_interrupts_is_finished() {
    let audience = r#"
name  = "Buyers"
state = "live"
class = "informational"
[audience]
event = "Order Completed"
[entry]
existing = "enter"
[[step]]
id       = "hello"
template = "welcome"
subject  = "Hello"
"#;
    // Cut off after so many commits, for good: the daemon is started again; or for a while.
    for (commits, restarted) in [
        (1, false),
        (40, false),
        (65, false),
        (66, false),
        (90, false),
        (1, true),
        (40, true),
        (65, true),
        (66, true),
        (67, true),
        (90, true),
    ] {
        let store = Watched::new();
        let app = App::start_on(store.clone(), START, CONFIG, &[]).await;
        app.buyers(0..100).await;
        app.file("buyers.toml", Some(audience));
        let mut left = commits;
        store.fail(move |_| {
            left -= 1;
            (left < 0).then(|| StoreError::Unavailable("away".into()))
        });
        let config = app::load_config(app.dir.path());
        app.core.reload(config).await.unwrap();
        let mut failed = false;
        for _ in 0..4 {
            failed |= app.core.tick().await.is_err();
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
        }
        let before = app.entered("buyers").await;
        let app = match restarted {
            true => app.reopen(store.again()).await,
            false => {
                store.mend();
                app
            }
        };
        for _ in 0..3 {
            app.leap(Span::minutes(1)).await;
        }
        println!("{commits} commits: {before} had entered, failed {failed}");
        assert_eq!(
            app.entered("buyers").await,
            100,
            "{commits} commits, restarted {restarted}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_customers_of_one_mailbox_never_break_its_caps() {
    let campaign = |n: usize| {
        format!(
            "name = \"Offer {n}\"\nstate = \"live\"\nclass = \"advertising\"\ntopic = \"offers\"\npriority = {n}\n\
             [trigger]\nevent = \"Product Viewed\"\n[[step]]\nid = \"a\"\ntemplate = \"welcome\"\nafter = \"10m\"\n\
             expires = \"3d\"\nsubject = \"Offer {n}\"\n"
        )
    };
    let (one, two, three) = (campaign(1), campaign(2), campaign(3));
    let store = Watched::new();
    let config = format!("{CONFIG}window = \"always\"\ncaps = [\"1 per 20h\"]\n");
    let files = [
        ("one.toml", one.as_str()),
        ("two.toml", &two),
        ("three.toml", &three),
    ];
    let app = App::start_on(store.clone(), START, &config, &files).await;
    let numbers = app.crowd(0..40).await;
    // The odd ones read the mail of the even ones before them; their numbers lie in shards beside each other.
    let mut works = Vec::new();
    for (n, no) in numbers.iter().enumerate().skip(1).step_by(2) {
        let shared = format!("c{}@customers.example", n - 1);
        let change = ProfileChange {
            email: Some(reveille::domain::address::EmailAddress::parse(&shared).unwrap()),
            ..ProfileChange::default()
        };
        works.push(Work {
            customer: *no,
            id: None,
            cause: Cause::Profile(Box::new(change), Liveness::Live),
            mail: None,
        });
    }
    assert!(app.offer(works).await.iter().all(Result::is_ok));
    for n in 0..40 {
        app.event(&format!("c{n}"), "Product Viewed", json!({}))
            .await;
    }
    store.dawdles.store(true, Relaxed);
    for _ in 0..6 {
        app.leap(Span::minutes(10)).await;
        for _ in 0..12 {
            app.leap(Span::hours(1)).await;
        }
    }
    let conflicts = store.conflicts.load(Relaxed);
    println!("{conflicts} conflicts, {} mails", app.mails().len());
    assert!(conflicts > 0, "the test must make shards meet");
    let mut left: BTreeMap<u64, Vec<Timestamp>> = BTreeMap::new();
    for row in app.log().await {
        if row.status == Status::Attempting {
            let pair = numbers.iter().position(|no| *no == row.customer).unwrap() / 2;
            left.entry(pair as u64).or_default().push(row.time);
        }
    }
    assert_eq!(left.len(), 20, "every mailbox had mail");
    for (pair, times) in &mut left {
        times.sort();
        for two in times.windows(2) {
            assert!(
                two[1].since(two[0]) >= Span::hours(20),
                "mailbox {pair}: {times:?}"
            );
        }
        assert!(times.len() >= 3, "{times:?}");
    }
}

/// A record at the edge of a number: nothing that the engine makes, and `react` stops at it where overflow is checked.
async fn spoil(app: &App, id: &str, how: impl Fn(&mut CustomerState)) -> CustomerNo {
    let no = app.customer(id).await;
    let mut state = app.core.customer(no).await.unwrap().unwrap();
    how(&mut state);
    let batch = Batch {
        puts: vec![(keys::record(no), encode(&state))],
        ..Batch::default()
    };
    app.core.store.commit(batch).await.unwrap();
    no
}

/// What an anonymous customer had is handed over in a letter; the target cannot take it in until it is mended.
#[tokio::test]
async fn what_a_merged_customer_had_waits_until_it_can_be_taken_in() {
    if !cfg!(debug_assertions) {
        println!("left out: overflow is checked in debug builds only");
        return;
    }
    let welcome = shipped("welcome.toml");
    let app = App::start(START, &[("welcome.toml", &welcome)]).await;
    app.sign_up("mina", "Asia/Seoul").await;
    let browser = CustomerId::anonymous("a-1").unwrap();
    let mina = CustomerId::parse("mina").unwrap();
    for id in ["mina", browser.as_str()] {
        app.event(id, "Signed Up", json!({})).await;
    }
    let profile = ProfileChange {
        attributes: BTreeMap::from([("colour".to_owned(), Value::Text("red".into()))]),
        ..ProfileChange::default()
    };
    let profile = Cause::Profile(Box::new(profile), Liveness::Live);
    app.act(browser.as_str(), profile).await;
    app.settle().await;
    spoil(&app, browser.as_str(), |s| {
        for standing in s.record.campaigns.values_mut() {
            standing.entered = 1;
        }
    })
    .await;
    let no = spoil(&app, "mina", |s| {
        for standing in s.record.campaigns.values_mut() {
            standing.entered = u32::MAX;
        }
    })
    .await;
    let colour = || async {
        let state = app.core.customer(no).await.unwrap().unwrap();
        state.record.attributes.get("colour").cloned()
    };
    for _ in 0..2 {
        let merged = app.core.alias(&browser, &mina).await;
        assert!(merged.is_err(), "it is not told as done: {merged:?}");
        let listed = poisons(&app, no).await;
        assert_eq!(listed.len(), 1, "{listed:?}");
        assert!(listed[0].panic.contains("overflow"), "{listed:?}");
    }
    assert_eq!(colour().await, None);
    // Others are served, and so is the target.
    app.event("mina", "Product Viewed", json!({})).await;

    spoil(&app, "mina", |s| {
        for standing in s.record.campaigns.values_mut() {
            standing.entered = 0;
        }
    })
    .await;
    app.core.alias(&browser, &mina).await.unwrap();
    assert_eq!(colour().await, Some(Value::Text("red".into())));
}

async fn poisons(app: &App, no: CustomerNo) -> Vec<Poison> {
    let found = app
        .core
        .store
        .scan(keys::poison_all(no.shard()), Direction::Forward, usize::MAX);
    let rows = found.await.unwrap();
    rows.iter()
        .map(|(_, value)| decode(&value.value).unwrap())
        .collect()
}

#[tokio::test]
async fn a_cause_that_cannot_be_reacted_to_harms_nobody_else() {
    if !cfg!(debug_assertions) {
        println!("left out: overflow is checked in debug builds only");
        return;
    }
    let welcome = shipped("welcome.toml");
    let app = App::start(START, &[("welcome.toml", &welcome)]).await;
    // Number 65 stands in the shard of number 1.
    let numbers = app.crowd(0..66).await;
    assert_eq!(numbers[0].shard(), numbers[64].shard());
    for n in [0, 1, 64] {
        app.event(&format!("c{n}"), "Signed Up", json!({})).await;
    }
    // The first cannot be given a message; the second's cannot be begun.
    let first = spoil(&app, "c0", |s| s.record.next_message = u32::MAX).await;
    let second = spoil(&app, "c1", |s| {
        for standing in s.record.campaigns.values_mut() {
            standing.entered = u32::MAX;
        }
    })
    .await;
    app.leap(Span::minutes(10)).await;
    assert_eq!(app.mails().len(), 1, "{:?}", app.story("c64").await);
    for no in [first, second] {
        let listed = poisons(&app, no).await;
        assert_eq!(listed.len(), 1, "{listed:?}");
        assert!(listed[0].panic.contains("overflow"), "{listed:?}");
    }
    assert!(poisons(&app, first).await[0].cause.contains("Alarm"));
    assert!(poisons(&app, second).await[0].cause.contains("Ready"));
    // It isn't met again by itself, ...
    for _ in 0..10 {
        app.leap(Span::minutes(1)).await;
    }
    assert_eq!(poisons(&app, first).await.len(), 1);
    assert_eq!(poisons(&app, second).await.len(), 1);
    // ... and each cause that is brought is acknowledged, and stored where it cannot be reacted to.
    let both = vec![
        app.past(first, "Product Viewed", app.now()),
        app.past(first, "Product Viewed", app.now()),
        app.past(numbers[64], "Product Viewed", app.now()),
    ];
    assert!(app.offer(both).await.iter().all(Result::is_ok));
    assert_eq!(poisons(&app, first).await.len(), 3, "each of them");
    // Once the cause of it is mended, both get their mail.
    spoil(&app, "c0", |s| s.record.next_message = 1).await;
    spoil(&app, "c1", |s| {
        for standing in s.record.campaigns.values_mut() {
            standing.entered = 0;
        }
    })
    .await;
    app.event("c0", "Product Viewed", json!({})).await;
    app.core.resume(&Scope::All, "test").await.unwrap();
    app.leap(Span::minutes(1)).await;
    assert_eq!(
        app.mails().len(),
        3,
        "{:?} {:?}",
        app.story("c0").await,
        app.story("c1").await
    );
}

/// A shard whose data cannot be read or written says so at each tick; the mail of all others goes.
#[tokio::test]
async fn a_shard_that_cannot_get_on_keeps_nobody_elses_mail() {
    let store = Watched::new();
    let welcome = shipped("welcome.toml");
    let app = App::start_on(store.clone(), START, CONFIG, &[("welcome.toml", &welcome)]).await;
    app.crowd(0..3).await;
    for n in 0..3 {
        app.event(&format!("c{n}"), "Signed Up", json!({})).await;
    }
    let shard = app.customer("c0").await.shard().0;
    store.fail(move |batch| {
        let concerned = batch.epochs.iter().any(|(of, _)| *of == shard);
        concerned.then(|| StoreError::Unavailable("a bad sector".into()))
    });
    app.clock.advance(Span::minutes(10));
    for _ in 0..3 {
        assert!(matches!(app.core.tick().await, Err(Refused::Store(_))));
        app.core.outbox.wait_idle().await;
    }
    assert_eq!(app.mails().len(), 2);
}

/// Spoils what stands in the store under this key; gives what stood there.
async fn garble(app: &App, key: Vec<u8>) -> Option<Vec<u8>> {
    let found = app.core.store.get_many(vec![key.clone()]).await.unwrap();
    put_back(app, key, Some(b"not a record".to_vec())).await;
    found[0].clone().map(|v| v.value)
}

async fn put_back(app: &App, key: Vec<u8>, value: Option<Vec<u8>>) {
    let mut batch = Batch::default();
    match value {
        Some(value) => batch.puts.push((key, value)),
        None => batch.deletes.push(key),
    }
    app.core.store.commit(batch).await.unwrap();
}

/// Invariant 10: the causes of a customer whose record cannot be read fail alone.
#[tokio::test]
async fn a_customer_who_cannot_be_read_harms_nobody_else_of_the_shard() {
    let welcome = shipped("welcome.toml");
    let app = App::start(START, &[("welcome.toml", &welcome)]).await;
    // Number 65 stands in the shard of number 1.
    let numbers = app.crowd(0..66).await;
    let (bad, neighbour) = (numbers[0], numbers[64]);
    assert_eq!(bad.shard(), neighbour.shard());
    for n in [0, 1, 64] {
        app.event(&format!("c{n}"), "Signed Up", json!({})).await;
    }
    let was = garble(&app, keys::record(bad)).await;
    app.clock.advance(Span::minutes(10));
    // The alarms of both ring in one batch.
    for _ in 0..3 {
        app.core.tick().await.unwrap();
        app.core.outbox.wait_idle().await;
    }
    assert_eq!(app.mails().len(), 2, "{:?}", app.story("c64").await);
    let listed = poisons(&app, bad).await;
    assert_eq!(listed.len(), 1, "once, however often it rings: {listed:?}");
    assert!(listed[0].cause.contains("Alarm"), "{listed:?}");
    assert!(listed[0].panic.contains("customer record"), "{listed:?}");
    // What comes in for this customer is refused with the reason, what comes in beside it is taken.
    let mixed = vec![
        app.past(neighbour, "Product Viewed", app.now()),
        app.past(bad, "Product Viewed", app.now()),
        Work {
            // Not taken for somebody new either.
            id: Some(reveille::domain::id::CustomerId::parse("c0").unwrap()),
            ..app.past(bad, "Product Viewed", app.now())
        },
        app.past(neighbour, "Product Viewed", app.now()),
    ];
    let replies = app.offer(mixed).await;
    let good: Vec<bool> = replies.iter().map(Result::is_ok).collect();
    assert_eq!(good, [true, false, false, true]);
    let Err(Refused::Unreadable(why)) = &replies[1] else {
        panic!("{:?}", replies[1]);
    };
    assert!(why.contains("customer record"), "{why}");
    // The walk of a new campaign passes by, and the campaign goes live.
    let other = welcome.replace("Signed Up", "Other");
    app.file("other.toml", Some(&other));
    app.core
        .reload(app::load_config(app.dir.path()))
        .await
        .unwrap();
    for _ in 0..3 {
        app.core.tick().await.unwrap();
        while !app.core.has_walked().await {
            tokio::task::yield_now().await;
            app.core.tick().await.unwrap();
        }
    }
    // Once the record is whole again, its alarm is where it was.
    put_back(&app, keys::record(bad), was).await;
    app.leap(Span::minutes(1)).await;
    assert_eq!(app.mails().len(), 3, "{:?}", app.story("c0").await);
}

#[tokio::test]
async fn a_mailbox_a_page_or_a_history_that_cannot_be_read_harms_its_customers_only() {
    let welcome = shipped("welcome.toml");
    let app = App::start(START, &[("welcome.toml", &welcome)]).await;
    let numbers = app.crowd(0..66).await;
    let (bad, neighbour) = (numbers[0], numbers[64]);
    // So many that their identities lie on pages beside the record.
    let many = (0..40).map(|_| app.past(bad, "Product Viewed", app.now()));
    assert!(app.offer(many.collect()).await.iter().all(Result::is_ok));
    let address = reveille::domain::address::EmailAddress::parse("c0@customers.example").unwrap();
    let consent = |no| Work {
        customer: no,
        id: None,
        cause: Cause::Profile(Box::default(), Liveness::Live),
        mail: None,
    };
    let event = |no| app.past(no, "Product Viewed", app.now());
    for (key, works) in [
        (
            keys::mailbox(&address.mailbox()),
            [consent(bad), consent(neighbour)],
        ),
        (keys::seen(bad, 0), [event(bad), event(neighbour)]),
    ] {
        let was = garble(&app, key.clone()).await;
        let replies = app.offer(works.to_vec()).await;
        assert!(
            matches!(replies[0], Err(Refused::Unreadable(_))),
            "{replies:?}"
        );
        assert!(replies[1].is_ok(), "{replies:?}");
        put_back(&app, key, was).await;
        let replies = app.offer(works.to_vec()).await;
        assert!(replies.iter().all(Result::is_ok), "{replies:?}");
    }
    // A history is read when the plan of tracks changes.
    let batch = Batch {
        appends: vec![Append {
            stream: Stream::Events,
            customer: bad.0,
            time: app.now().millis(),
            payload: b"not an event".to_vec(),
        }],
        ..Batch::default()
    };
    app.core.store.commit(batch).await.unwrap();
    let regulars = welcome.replace(
        "[[step]]",
        "[audience]\nevent = \"Other\"\ncount = \">= 3\"\n[[step]]",
    );
    assert_ne!(regulars, welcome);
    app.file("regulars.toml", Some(&regulars));
    app.reload().await;
    let listed = poisons(&app, bad).await;
    let of_history = listed.iter().filter(|p| p.panic.contains("history"));
    assert_eq!(of_history.count(), 1, "{listed:?}");
    app.event("c64", "Signed Up", json!({})).await;
    app.leap(Span::minutes(10)).await;
    assert_eq!(app.mails().len(), 1);
}

#[tokio::test]
async fn a_start_passes_by_a_message_in_doubt_that_cannot_be_read() {
    let address = EmailAddress::parse("mina@customers.example").unwrap();
    for what in ["record", "mailbox"] {
        let (app, store, _) = died(CONFIG).await;
        let no = app.customer("mina").await;
        let key = match what {
            "record" => keys::record(no),
            _ => keys::mailbox(&address.mailbox()),
        };
        let damage = Batch {
            puts: vec![(key, b"not a record".to_vec())],
            ..Batch::default()
        };
        store.commit(damage).await.unwrap();
        let app = app.reopen(store.again()).await;
        assert!(app.core.tick().await.is_ok(), "{what}");
    }
}

#[tokio::test]
async fn a_row_of_the_log_that_cannot_be_read_keeps_no_doubt_from_being_listed() {
    let config = format!("{CONFIG}[safety]\nin_doubt = \"hold\"\n");
    let (app, store, _) = died_in_doubt(&config).await;
    app.leap(Span::minutes(1)).await;
    let no = app.customer("mina").await;
    let batch = Batch {
        appends: vec![Append {
            stream: Stream::Log,
            customer: no.0,
            time: app.now().millis(),
            payload: b"no row".to_vec(),
        }],
        ..Batch::default()
    };
    store.commit(batch).await.unwrap();
    let doubts = app.core.doubts().await.unwrap();
    assert_eq!(doubts.len(), 1);
    assert!(doubts[0].since.is_some() && doubts[0].why.contains("stopped"));
}
