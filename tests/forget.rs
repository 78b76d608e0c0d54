//! Forgetting a customer, on the real engine: what goes at once, what stays, and that nothing brings anybody back, with
//! a store that dies between any two commits.

mod app;

use app::watched::Watched;
use app::{App, CONFIG, shipped};
use reveille::domain::address::EmailAddress;
use reveille::domain::cause::{Cause, ConsentChange, Liveness, ProfileChange};
use reveille::domain::id::{CustomerId, CustomerNo, MessageNo, MessageRef, ShardNo};
use reveille::domain::ledger::{LogRow, Status};
use reveille::domain::outcome::Outcome;
use reveille::domain::preference::ConsentState;
use reveille::domain::record::{Suppression, SuppressionCause};
use reveille::domain::time::Span;
use reveille::engine::batch::Work;
use reveille::engine::forget::ForgetError;
use reveille::engine::ingest::Ingested;
use reveille::engine::intake::{Counter, Inbound, Reading, json as rows};
use reveille::engine::restored;
use reveille::engine::shard::Refused;
use reveille::store::codec::decode;
use reveille::store::{Batch, Direction, KeyRange, Store, StoreError, Stream, keys};
use serde_json::json;
use std::sync::Arc;

const START: &str = "2026-03-02T03:00:00Z";
const BROWSER: &str = "anon:7f3a-of-mina";

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

/// Keys and values that hold this text.
async fn holding(app: &App, text: &str) -> Vec<String> {
    let all = KeyRange {
        from: Vec::new(),
        to: vec![0xff; 300],
    };
    let found = app.core.store.scan(all, Direction::Forward, usize::MAX);
    let has = |bytes: &[u8]| bytes.windows(text.len()).any(|w| w == text.as_bytes());
    (found.await.unwrap().iter())
        .filter(|(key, value)| has(key) || has(&value.value))
        .map(|(key, _)| String::from_utf8_lossy(key).into_owned())
        .collect()
}

/// Keys of a customer's number in its shard, but the one that says that they are gone.
async fn keys_of(app: &App, no: CustomerNo) -> Vec<Vec<u8>> {
    let range = keys::prefix(vec![no.shard().0]);
    let found = app.core.store.scan(range, Direction::Forward, usize::MAX);
    let number = no.0.to_be_bytes();
    (found.await.unwrap().into_iter())
        .map(|(key, _)| key)
        .filter(|key| key.windows(8).any(|w| w == number) && *key != keys::gone(no))
        .collect()
}

async fn ingest(app: &App, row: serde_json::Value, live: Liveness) -> Result<Ingested, Refused> {
    let reading = Reading::new(app.now());
    let row: Inbound = rows::read_row(row.to_string().as_bytes(), &reading).unwrap();
    let salt = app.core.catalogue().rules.salt;
    let identity = Counter::new().identify(&salt, &row.customer, &row.identity);
    app.core.ingest(vec![(row, identity)], live).await.remove(0)
}

/// Mina, once only a browser, with a cart in each life; and juno, who has nothing to do with it.
async fn two(store: Arc<dyn Store>) -> App {
    let app = start(store).await;
    fill_cart(&app, BROWSER, "a").await;
    app.consent(BROWSER, ConsentState::Given).await;
    app.sign_up("mina", "Asia/Seoul").await;
    fill_cart(&app, "mina", "b").await;
    app.core.alias(&id(BROWSER), &id("mina")).await.unwrap();
    app.core
        .alias(&id("mina-of-old"), &id("mina"))
        .await
        .unwrap();
    app.sign_up("juno", "Asia/Seoul").await;
    fill_cart(&app, "juno", "c").await;
    app.settle().await;
    app
}

#[tokio::test]
async fn whatever_commit_it_dies_at_a_customer_is_there_or_gone_whole() {
    for dies in 0.. {
        let store = Watched::new();
        let app = two(store.clone()).await;
        let numbers = [app.customer("mina").await, app.customer(BROWSER).await];
        let source = app.core.customer(app.customer("mina").await).await.unwrap();
        let source = source.unwrap().record.absorbed[0];
        let juno = serde_json::to_value(app.core.export(&id("juno")).await.unwrap()).unwrap();
        let mut commits = 0;
        store.fail(move |_| {
            commits += 1;
            (commits > dies).then(|| StoreError::Unavailable("dead".into()))
        });
        let acknowledged = app.core.forget(&id("mina")).await.is_ok();
        let app = app.reopen(store.again()).await;
        app.settle().await;
        let gone = app.core.whom(&id("mina")).await.unwrap().is_none();
        assert_eq!(gone, dies > 0, "{dies}");
        let after = serde_json::to_value(app.core.export(&id("juno")).await.unwrap()).unwrap();
        assert_eq!(after["customer"], juno["customer"], "{dies}");
        if gone {
            assert_eq!(holding(&app, "mina").await, [""; 0], "{dies}");
            for no in numbers.into_iter().chain([source]) {
                assert_eq!(keys_of(&app, no).await, [[0u8; 0]; 0], "{dies}");
            }
            app.leap(Span::hours(24)).await;
            assert_eq!(app.mails().len(), 1, "juno's alone");
            let again = app.core.forget(&id(BROWSER)).await;
            assert_eq!(again, Err(ForgetError::Already));
        }
        if acknowledged {
            assert!(dies >= 4, "two shards, what was begun and what is done");
            break;
        }
        assert!(dies < 20, "it is never acknowledged");
    }
}

#[tokio::test]
async fn nothing_that_comes_later_brings_anybody_back() {
    let app = two(Watched::new()).await;
    let mina = app.customer("mina").await;
    let unknown = app.core.forget(&id("nobody")).await;
    assert_eq!(unknown, Err(ForgetError::Unknown));
    let forgot = app.core.forget(&id(BROWSER)).await.unwrap();
    assert_eq!((forgot.numbers.len(), forgot.ids, forgot.shared), (2, 3, 0));
    assert!(forgot.addresses >= 1);
    for who in ["mina", "mina-of-old"] {
        let row = json!({"type": "identify", "userId": who, "traits": {"email": "mina@customers.example", "consent": true, "consent_at": "2026-03-02T02:00:00Z"}});
        for live in [Liveness::Live, Liveness::History] {
            let told = ingest(&app, row.clone(), live).await;
            assert_eq!(told, Err(Refused::Forgotten), "{who}");
        }
    }
    // A caller who learned the number before.
    let late = Work {
        customer: mina,
        id: Some(id("mina")),
        cause: Cause::Profile(Box::default(), Liveness::Live),
        mail: None,
    };
    assert!(!app.core.shard(mina).act(late).await.unwrap().fresh);
    // Whoever is told to be them.
    fill_cart(&app, "anon:new", "z").await;
    assert!(app.core.alias(&id("anon:new"), &id("mina")).await.is_err());
    assert!(app.core.alias(&id(BROWSER), &id("juno")).await.is_err());
    // What became of a mail under way.
    let outcome = Cause::Outcome {
        message: MessageNo(1),
        attempt: 1,
        outcome: Outcome::Accepted {
            reply: "250".into(),
        },
    };
    app.core.act(mina, outcome).await.unwrap();
    app.leap(Span::hours(24)).await;
    assert_eq!(holding(&app, "mina").await, [""; 0]);
    assert_eq!(keys_of(&app, mina).await, [[0u8; 0]; 0]);
    assert!(app.mails().iter().all(|(_, text)| !text.contains("mina@")));
    for shard in ShardNo::all() {
        let range = keys::inbox_all(shard);
        let letters = app.core.store.scan(range, Direction::Forward, usize::MAX);
        assert!(letters.await.unwrap().is_empty());
    }
    // And after another opening.
    let pending = app.core.pending_erasures().await.unwrap();
    assert_eq!(pending.len(), 1);
    assert!(app.core.forgotten().has(mina));
}

#[tokio::test]
async fn the_address_stays_suppressed_until_a_later_word_of_their_own() {
    let store = Watched::new();
    let app = two(store.clone()).await;
    app.core.forget(&id("mina")).await.unwrap();
    let app = app.reopen(store.again()).await;
    app.settle().await;
    let profile = |live| {
        let change = ProfileChange {
            email: Some(EmailAddress::parse("Mina@customers.example").unwrap()),
            ..ProfileChange::default()
        };
        Cause::Profile(Box::new(change), live)
    };
    app.act("m-2", profile(Liveness::Live)).await;
    let suppressed = async |app: &App| {
        let view = app.core.customer_view(&id("m-2")).await.unwrap().unwrap();
        let mailbox = serde_json::to_value(view).unwrap()["mailbox"].clone();
        mailbox["suppression"]["cause"] == json!(SuppressionCause::Forgotten)
    };
    assert!(suppressed(&app).await);
    let consent = |at| ConsentChange {
        topic: None,
        state: ConsentState::Given,
        at,
        source: "test".into(),
        wording: None,
        origin: Default::default(),
    };
    app.leap(Span::hours(1)).await;
    let old = consent(app.now() - Span::hours(2));
    app.act("m-2", Cause::Consent(consent(app.now()), Liveness::History))
        .await;
    app.act("m-2", Cause::Consent(old, Liveness::Live)).await;
    assert!(
        suppressed(&app).await,
        "a list of consents, and an old word"
    );
    fill_cart(&app, "m-2", "q").await;
    app.leap(Span::hours(24)).await;
    assert!(app.mails().iter().all(|(_, text)| !text.contains("ina@")));
    app.act("m-2", Cause::Consent(consent(app.now()), Liveness::Live))
        .await;
    assert!(!suppressed(&app).await);
    fill_cart(&app, "m-2", "r").await;
    app.leap(Span::hours(26)).await;
    assert!(app.mails().iter().any(|(_, text)| text.contains("ina@")));
}

#[tokio::test]
async fn who_shares_the_address_stays_and_is_not_written_to() {
    let app = two(Watched::new()).await;
    let email = EmailAddress::parse("mina@customers.example").unwrap();
    let profile = ProfileChange {
        email: Some(email.clone()),
        ..ProfileChange::default()
    };
    let profile = Cause::Profile(Box::new(profile), Liveness::Live);
    app.act("juno", profile).await;
    let forgot = app.core.forget(&id("mina")).await.unwrap();
    assert_eq!(forgot.shared, 1);
    app.leap(Span::hours(24)).await;
    assert!(app.mails().is_empty());
    let all = app.core.suppressions().await.unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].cause, SuppressionCause::Forgotten);
    // An operator may know better.
    assert!(app.core.unsuppress(&email).await.unwrap());
    assert!(app.core.suppressions().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_mail_under_way_leaves_nothing_behind() {
    let store = Watched::new();
    let app = two(store.clone()).await;
    // The daemon is killed while mina's mail is at the server.
    store.fail(|batch| {
        let told = batch.appends.iter().any(|row| {
            row.stream == Stream::Log
                && decode::<LogRow>(&row.payload).unwrap().status == Status::Accepted
        });
        told.then(|| StoreError::Unavailable("down".into()))
    });
    app.clock.advance(Span::hours(24));
    app.core.tick().await.unwrap();
    while app.mails().len() < 2 {
        tokio::task::yield_now().await;
    }
    let mina = app.customer("mina").await;
    let record = app.core.customer(mina).await.unwrap().unwrap().record;
    let under_way = record.messages.len();
    assert!(under_way > 0);
    app.core.forget(&id("mina")).await.unwrap();
    let message = MessageRef {
        customer: mina,
        message: *record.messages.keys().next().unwrap(),
    };
    let app = app.reopen(store.again()).await;
    app.leap(Span::days(3)).await;
    assert_eq!(holding(&app, "mina").await, [""; 0]);
    assert_eq!(keys_of(&app, message.customer).await, [[0u8; 0]; 0]);
}

#[tokio::test]
async fn what_failed_half_way_is_ended_when_it_is_told_again_or_erased() {
    for told_again in [true, false] {
        let store = Watched::new();
        let app = two(store.clone()).await;
        let mina = app.customer("mina").await;
        let mut commits = 0;
        store.fail(move |_| {
            commits += 1;
            (commits > 1).then(|| StoreError::Unavailable("down".into()))
        });
        let failed = app.core.forget(&id("mina")).await;
        assert!(matches!(failed, Err(ForgetError::Refused(_))), "{failed:?}");
        // Nobody's bytes are called erased while the rest of them is there.
        assert_eq!(app.core.pending_erasures().await.unwrap(), []);
        store.mend();
        match told_again {
            true => {
                let again = app.core.forget(&id("mina")).await;
                assert_eq!(again, Err(ForgetError::Already));
            }
            false => assert_eq!(app.core.pending_erasures().await.unwrap().len(), 1),
        }
        assert_eq!(holding(&app, "mina").await, [""; 0], "{told_again}");
        assert_eq!(keys_of(&app, mina).await, [[0u8; 0]; 0], "{told_again}");
        app.leap(Span::hours(24)).await;
        assert_eq!(app.mails().len(), 1, "juno's alone");
    }
}

fn told_address(text: &str) -> Cause {
    let change = ProfileChange {
        email: Some(EmailAddress::parse(text).unwrap()),
        ..ProfileChange::default()
    };
    Cause::Profile(Box::new(change), Liveness::Live)
}

#[tokio::test]
async fn former_addresses_without_a_place_go_too() {
    let app = start(Watched::new()).await;
    app.sign_up("mina", "Asia/Seoul").await;
    app.act("mina", told_address("kept.one@customers.example"))
        .await;
    app.consent("mina", ConsentState::Refused).await;
    app.act("mina", told_address("kept.two@customers.example"))
        .await;
    let dead = EmailAddress::parse("kept.two@customers.example").unwrap();
    assert!(app.core.suppress(&dead, "bounced").await.unwrap());
    app.act("mina", told_address("kept.three@customers.example"))
        .await;
    // A visitor with an address of their own, who turns out to be her.
    app.act(BROWSER, told_address("kept.four@customers.example"))
        .await;
    app.consent(BROWSER, ConsentState::Refused).await;
    app.core.alias(&id(BROWSER), &id("mina")).await.unwrap();
    app.settle().await;
    assert!(!holding(&app, "kept.four@").await.is_empty());
    let forgot = app.core.forget(&id("mina")).await.unwrap();
    assert_eq!(forgot.addresses, 5, "{forgot:?}");
    assert_eq!(holding(&app, "kept.").await, [""; 0]);
}

#[tokio::test]
async fn an_address_told_while_somebody_is_forgotten_goes_too() {
    let store = Watched::new();
    let app = two(store.clone()).await;
    let mina = app.customer("mina").await;
    let core = Arc::clone(&app.core);
    let mut told = false;
    // Behind all that was read of her, before anything of her is gone.
    store.before(move |batch| {
        let begins = batch.deletes.contains(&keys::id(&id("mina")));
        if !begins || std::mem::replace(&mut told, true) {
            return None;
        }
        let core = Arc::clone(&core);
        Some(Box::pin(async move {
            core.act(mina, told_address("late@customers.example"))
                .await
                .unwrap();
            let juno = core.whom(&id("juno")).await.unwrap().unwrap().0;
            core.act(juno, told_address("mina@customers.example"))
                .await
                .unwrap();
        }))
    });
    let forgot = app.core.forget(&id("mina")).await.unwrap();
    assert_eq!((forgot.addresses, forgot.shared), (2, 1));
    assert_eq!(forgot.shared_with, [id("juno")].into());
    assert_eq!(holding(&app, "late@").await, [""; 0]);
    app.act("m-2", told_address("late@customers.example")).await;
    assert_eq!(cause_of(&app, "m-2").await, json!("forgotten"));
    assert_eq!(cause_of(&app, "juno").await, json!("forgotten"));
}

/// Why nothing goes to their address.
async fn cause_of(app: &App, who: &str) -> serde_json::Value {
    let view = app.core.customer_view(&id(who)).await.unwrap().unwrap();
    serde_json::to_value(view).unwrap()["mailbox"]["suppression"]["cause"].clone()
}

#[tokio::test]
async fn a_mailbox_that_cannot_be_read_keeps_nobody_from_being_forgotten() {
    for shared in [false, true] {
        let store = Watched::new();
        let app = two(store.clone()).await;
        let email = EmailAddress::parse("mina@customers.example").unwrap();
        if shared {
            app.act("juno", told_address("mina@customers.example"))
                .await;
        }
        let spoilt = Batch {
            puts: vec![(keys::mailbox(&email.mailbox()), vec![1, 0xff])],
            ..Batch::default()
        };
        app.core.store.commit(spoilt).await.unwrap();
        app.core.forget(&id("mina")).await.unwrap();
        let app = app.reopen(store.again()).await;
        app.act("m-2", told_address("mina@customers.example")).await;
        assert_eq!(cause_of(&app, "m-2").await, json!("forgotten"), "{shared}");
    }
}

#[tokio::test]
async fn what_kept_mail_from_an_address_before_does_so_after() {
    let app = two(Watched::new()).await;
    let email = EmailAddress::parse("mina@customers.example").unwrap();
    app.core.suppress(&email, "quetzal said so").await.unwrap();
    // Whoever has the address after her, too.
    for who in ["mina", "m-2", "m-3"] {
        app.act(who, told_address("mina@customers.example")).await;
        app.leap(Span::hours(1)).await;
        app.consent(who, ConsentState::Given).await;
        assert_eq!(cause_of(&app, who).await, json!("by_hand"), "{who}");
        app.core.forget(&id(who)).await.unwrap();
        assert_eq!(holding(&app, "quetzal").await, [""; 0]);
    }
    // An operator may know better, and that is not undone by a later forgetting.
    assert!(app.core.unsuppress(&email).await.unwrap());
    app.act("m-4", told_address("mina@customers.example")).await;
    app.core.forget(&id("m-4")).await.unwrap();
    app.act("m-5", told_address("mina@customers.example")).await;
    assert_eq!(cause_of(&app, "m-5").await, json!("forgotten"));
}

#[tokio::test]
async fn a_complaint_at_a_shared_address_stays() {
    let app = two(Watched::new()).await;
    let email = EmailAddress::parse("mina@customers.example").unwrap();
    app.act("juno", told_address("mina@customers.example"))
        .await;
    let complaint = Suppression {
        cause: SuppressionCause::Complaint,
        at: app.now(),
        note: "she complained".into(),
    };
    let cause = Cause::Suppress {
        mailbox: email.mailbox(),
        suppression: Some(complaint),
    };
    app.act("mina", cause).await;
    app.core.forget(&id("mina")).await.unwrap();
    app.leap(Span::hours(1)).await;
    app.consent("juno", ConsentState::Given).await;
    assert_eq!(cause_of(&app, "juno").await, json!("complaint"));
}

/// Who lost their number to somebody else would be unsubscribed by a stranger's link.
#[tokio::test]
async fn a_restored_store_gives_no_number_that_was_given_after_its_backup() {
    let store = Watched::new();
    let app = two(store.clone()).await;
    let (count, juno) = (
        app.core.directory.count().await.unwrap(),
        app.customer("juno").await,
    );
    let next = async |app: &App, no| {
        let state = app.core.customer(no).await.unwrap().unwrap();
        state.record.next_message
    };
    let before = next(&app, juno).await;
    restored::leap(&*app.core.store, app.now()).await.unwrap();
    let app = app.reopen(store.again()).await;
    app.sign_up("new", "Asia/Seoul").await;
    let first = app.customer("new").await;
    assert!(first.0 > 1 << 40, "{first:?}");
    assert_eq!(app.core.directory.count().await.unwrap(), count + 1);
    app.leap(Span::hours(24)).await;
    let seconds = app.now().millis() as u32 / 1_000;
    assert!(before < 10 && next(&app, juno).await > seconds / 2);
    // Restored again from the same backup, or from one of since; with a clock that is behind.
    for earlier in [Span::ZERO, Span::days(2)] {
        let no = app.customer("new").await;
        let at = app.now() - earlier;
        restored::leap(&*app.core.store, at).await.unwrap();
        let who = format!("newer-{}", earlier.0);
        app.sign_up(&who, "Asia/Seoul").await;
        assert!(app.customer(&who).await.0 > no.0 + (1 << 31), "{earlier:?}");
    }
    let all = app.core.directory.count().await.unwrap();
    assert_eq!(all, count + 3);
}
