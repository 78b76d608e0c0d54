//! Breakers: a campaign that does too much harm pauses itself, says why, tells its owner once, and goes on when somebody
//! resumes it; another campaign goes on meanwhile; a restart forgets nothing.

mod app;
mod smtp_server;

use app::watched::Watched;
use app::{App, CONFIG};
use reveille::domain::address::EmailAddress;
use reveille::domain::cause::{Cause, ConsentChange, Liveness, ProfileChange};
use reveille::domain::consent_ledger::{MailOf, Origin};
use reveille::domain::id::{CampaignId, EntryKey, MessageNo, MessageRef, ShardNo, StepId, TopicId};
use reveille::domain::ledger::{Reason, Status};
use reveille::domain::preference::ConsentState;
use reveille::domain::record::{Suppression, SuppressionCause};
use reveille::domain::time::Span;
use reveille::engine::control::Scope;
use reveille::engine::golive;
use reveille::engine::query::{Phase, SuppressionView};
use reveille::store::memory::MemoryStore;
use reveille::store::{Store, StoreError};
use reveille::transport::config::{CarrierConfig, Deadlines, Tls, TransportConfig};
use serde_json::json;
use smtp_server::{At, Options, Rule, SmtpServer};
use std::sync::Arc;
use std::time::Duration;

const START: &str = "2026-03-02T03:00:00Z";

fn news(event: &str, more: &str) -> String {
    format!(
        r#"
name  = "News of {event}"
state = "live"
class = "informational"
owner = "crm@shop.example"
{more}
[trigger]
event = "{event}"

[entry]
again = "always"

[[step]]
id       = "news"
template = "welcome"
subject  = "For {{{{customer.id}}}}"
"#
    )
}

fn config(breakers: &str) -> String {
    format!("{CONFIG}[breakers]\n{breakers}\n")
}

async fn shop(store: &Arc<dyn Store>, breakers: &str) -> App {
    let campaigns = [
        ("ping.toml", news("Ping", "")),
        ("pong.toml", news("Pong", "")),
    ];
    let campaigns: Vec<(&str, &str)> = campaigns.iter().map(|(n, t)| (*n, t.as_str())).collect();
    App::start_on(Arc::clone(store), START, &config(breakers), &campaigns).await
}

fn store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

fn id(name: &str) -> CampaignId {
    CampaignId::parse(name).unwrap()
}

/// Each of these customers does it, and gets what follows.
async fn each_does(app: &App, customers: std::ops::Range<usize>, event: &str) {
    for n in customers {
        app.event(&format!("c{n}"), event, json!({})).await;
    }
    app.settle().await;
}

/// The customer leaves by the link of the mail that they got of `ping`.
async fn leaves(app: &App, customer: &str) {
    says(app, customer, "ping", None, ConsentState::Refused, "").await;
}

/// The customer's word on a topic, by a link of the first mail that they got, which was this campaign's.
async fn says(
    app: &App,
    customer: &str,
    campaign: &str,
    topic: Option<&str>,
    state: ConsentState,
    wording: &str,
) {
    let message = MessageRef {
        customer: app.customer(customer).await,
        message: MessageNo(1),
    };
    let mail = MailOf {
        campaign: id(campaign),
        step: StepId::parse("news").unwrap(),
        entry: EntryKey::default(),
        variant: None,
    };
    let change = ConsentChange {
        topic: topic.map(|topic| TopicId::parse(topic).unwrap()),
        state,
        at: app.now(),
        source: "page".into(),
        wording: Some(wording.to_owned()),
        origin: Origin {
            message: Some(message),
            mail: Some(Box::new(mail)),
            ..Origin::default()
        },
    };
    app.act(customer, Cause::Consent(change, Liveness::Live))
        .await;
    app.settle().await;
}

async fn phase(app: &App, campaign: &str) -> Phase {
    let all = app.core.campaigns().await.unwrap();
    let found = all.into_iter().find(|c| c.id == id(campaign)).unwrap();
    found.phase
}

/// Why the campaign has paused itself, if it has.
async fn tripped(app: &App, campaign: &str) -> Option<String> {
    match phase(app, campaign).await {
        Phase::Tripped { why, .. } => Some(why),
        _ => None,
    }
}

fn mails_to(app: &App, address: &str) -> Vec<String> {
    let to = format!("To: {address}");
    let mails = app.mails().into_iter().map(|(_, text)| text);
    mails.filter(|text| text.contains(&to)).collect()
}

async fn count(app: &App, campaign: &str, status: Status, reason: Reason) -> usize {
    let log = app.log().await;
    (log.iter())
        .filter(|r| r.campaign == id(campaign) && (r.status, r.reason) == (status, reason))
        .count()
}

#[tokio::test]
async fn unsubscribes_pause_a_campaign_also_over_restarts() {
    let store = store();
    let app = shop(&store, "unsubscribes = \"10% of at least 20 in 1d\"").await;
    app.crowd(0..30).await;
    each_does(&app, 0..20, "Ping").await;
    leaves(&app, "c0").await;
    assert_eq!(tripped(&app, "ping").await, None);

    // What was counted before the daemon died counts after it.
    let app = app.reopen(Arc::clone(&store)).await;
    app.settle().await;
    app.advance(Span::hours(5)).await;
    leaves(&app, "c1").await;
    let why = "2 unsubscribed, of 20 mails (limit: 10% of at least 20 in 1d)";
    assert_eq!(tripped(&app, "ping").await.as_deref(), Some(why));
    assert_eq!(app.core.tally().trips()[&id("ping")], 1);

    let told = mails_to(&app, "crm@shop.example");
    assert_eq!(told.len(), 1, "{told:?}");
    let said = told[0].replace("=\r\n", "");
    for part in [
        why,
        "Subject: ping has paused itself",
        "reveille resume ping",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }

    // Its next mail waits; the other campaign's goes.
    each_does(&app, 20..21, "Ping").await;
    assert!(mails_to(&app, "c20@customers.example").is_empty());
    each_does(&app, 20..21, "Pong").await;
    assert_eq!(mails_to(&app, "c20@customers.example").len(), 1);
    assert_eq!(
        count(&app, "ping", Status::Waiting, Reason::Tripped).await,
        1
    );

    // Paused it stays, and nobody is told again.
    let app = app.reopen(Arc::clone(&store)).await;
    app.settle().await;
    app.advance(Span::minutes(20)).await;
    assert_eq!(tripped(&app, "ping").await.as_deref(), Some(why));
    assert_eq!(mails_to(&app, "crm@shop.example").len(), 1);

    let scope = Scope::Campaign(id("ping"));
    app.core.resume(&scope, "test").await.unwrap();
    app.settle().await;
    assert_eq!(mails_to(&app, "c20@customers.example").len(), 2);
    assert!(matches!(phase(&app, "ping").await, Phase::Live { .. }));
    // It is counted anew: from here on twenty mails and two who leave.
    leaves(&app, "c2").await;
    leaves(&app, "c3").await;
    each_does(&app, 4..22, "Ping").await;
    assert_eq!(tripped(&app, "ping").await, None);
    let app = app.reopen(Arc::clone(&store)).await;
    app.settle().await;
    assert_eq!(tripped(&app, "ping").await, None);
    // The twentieth mail is the one that the share waits for.
    each_does(&app, 22..23, "Ping").await;
    assert!(tripped(&app, "ping").await.is_some());
    app.settle().await;
    assert_eq!(mails_to(&app, "crm@shop.example").len(), 2);
}

#[tokio::test]
async fn who_leaves_again_or_leaves_several_topics_is_counted_once() {
    let (yes, no) = (ConsentState::Given, ConsentState::Refused);
    let store = store();
    let app = shop(&store, "unsubscribes = \"4 in 1d\"").await;
    app.crowd(0..5).await;
    each_does(&app, 0..4, "Ping").await;
    // The page and the mail program's button, in turns: the wording differs, and the customer is the same.
    for wording in ["a", "b", "a", "b", "a"] {
        says(&app, "c0", "ping", None, no, wording).await;
        app.advance(Span::minutes(1)).await;
    }
    // One form, all topics; then back and forth by the same mail.
    for topic in ["offers", "reminders", "monthly"] {
        says(&app, "c1", "ping", Some(topic), no, "").await;
    }
    for state in [yes, no, yes, no] {
        app.advance(Span::minutes(1)).await;
        says(&app, "c1", "ping", Some("offers"), state, "").await;
    }
    // Who had left before any mail leaves nobody by it.
    app.consent("c2", no).await;
    leaves(&app, "c2").await;
    let app = app.reopen(Arc::clone(&store)).await;
    says(&app, "c0", "ping", None, no, "c").await;
    leaves(&app, "c3").await;
    assert_eq!(tripped(&app, "ping").await, None);
    let rows = count(&app, "ping", Status::Unsubscribed, Reason::Unsubscribed).await;
    assert_eq!(rows, 3);
    each_does(&app, 4..5, "Ping").await;
    leaves(&app, "c4").await;
    let why = tripped(&app, "ping").await.unwrap();
    assert!(why.starts_with("4 unsubscribed, of 5 mails"), "{why}");
}

/// A shop that sends through this server, with an owner for each campaign.
async fn shop_of_two(server: &SmtpServer) -> App {
    let mut transport = TransportConfig::smtp("main", "127.0.0.1", server.port());
    let CarrierConfig::Smtp(mut smtp) = transport.carrier.clone() else {
        unreachable!("made as SMTP");
    };
    smtp.tls = Tls::None;
    smtp.deadlines = Deadlines::all(Duration::from_secs(20));
    transport.carrier = CarrierConfig::Smtp(smtp);
    let pong = news("Pong", "").replace("crm@", "ceo@");
    let campaigns = [("ping.toml", news("Ping", "")), ("pong.toml", pong)];
    let campaigns: Vec<(&str, &str)> = campaigns.iter().map(|(n, t)| (*n, t.as_str())).collect();
    let config = config("unsubscribes = \"1 in 1d\"");
    let app = App::start_with(vec![transport], START, &config, &campaigns).await;
    app.crowd(0..2).await;
    each_does(&app, 0..1, "Ping").await;
    each_does(&app, 1..2, "Pong").await;
    app
}

fn got(server: &SmtpServer, to: &str) -> usize {
    let mails = server.messages();
    mails.iter().filter(|mail| mail.to == to).count()
}

#[tokio::test]
async fn an_owner_who_cannot_be_reached_keeps_no_other_from_being_told() {
    let server = SmtpServer::start(Options::default()).await;
    let app = shop_of_two(&server).await;
    let crm = Rule::at(At::Rcpt).to("crm@shop.example");
    server.rule(crm.say("451 4.2.1 later"));
    leaves(&app, "c0").await;
    assert_eq!(got(&server, "crm@shop.example"), 0);
    says(&app, "c1", "pong", None, ConsentState::Refused, "").await;
    app.settle().await;
    assert_eq!(got(&server, "ceo@shop.example"), 1);
    // The first is tried again and again, the other left in peace.
    server.forget_rules();
    for _ in 0..4 {
        app.advance(Span::minutes(4)).await;
    }
    assert_eq!(got(&server, "crm@shop.example"), 1);
    assert_eq!(got(&server, "ceo@shop.example"), 1);
}

#[tokio::test]
async fn an_owner_who_may_have_been_told_is_told_once_more_and_no_oftener() {
    let server = SmtpServer::start(Options::default()).await;
    let app = shop_of_two(&server).await;
    server.rule(Rule::at(At::Taken).to("crm@shop.example").hang_up());
    leaves(&app, "c0").await;
    for _ in 0..8 {
        app.advance(Span::minutes(6)).await;
    }
    assert_eq!(got(&server, "crm@shop.example"), 2);
}

#[tokio::test]
async fn what_tripped_in_rehearsal_goes_with_it_and_what_people_paused_stays() {
    let store = store();
    let app = shop(&store, "unsubscribes = \"1 in 1d\"").await;
    app.crowd(0..2).await;
    each_does(&app, 0..1, "Ping").await;
    each_does(&app, 1..2, "Pong").await;
    leaves(&app, "c0").await;
    says(&app, "c1", "pong", None, ConsentState::Refused, "").await;
    assert!(tripped(&app, "ping").await.is_some() && tripped(&app, "pong").await.is_some());
    let scope = Scope::Campaign(id("pong"));
    app.core.pause(&scope, "test").await.unwrap();

    let text = CONFIG.replace(
        "kind = \"folder\"\npath = \"mail\"",
        "kind = \"smtp\"\nhost = \"127.0.0.1\"\nport = 25\ntls = \"none\"",
    );
    let path = app.dir.path().join("config.toml");
    let real = reveille::config::Config::parse(&path, &text).unwrap_or_else(|p| panic!("{p:?}"));
    let rehearsal = app::load_config(app.dir.path());
    for config in [&real, &rehearsal] {
        let went = golive::go_live(&*store, config, app.now(), &|_| {}).await;
        assert!(went.unwrap().is_some());
    }
    let app = app.reopen(Arc::clone(&store)).await;
    app.settle().await;
    assert!(matches!(phase(&app, "ping").await, Phase::Live { .. }));
    assert!(matches!(phase(&app, "pong").await, Phase::Paused { .. }));
}

#[tokio::test]
async fn what_tripped_in_earnest_stays_over_a_rehearsal_until_somebody_resumes() {
    let server = SmtpServer::start(Options::default()).await;
    let folder = config("unsubscribes = \"1 in 1d\"");
    let port = server.port();
    let smtp = format!("kind = \"smtp\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"");
    let real = folder.replace("kind = \"folder\"\npath = \"mail\"", &smtp);
    let store = store();
    let ping = news("Ping", "");
    let files = [("ping.toml", ping.as_str())];
    let app = App::start_on(Arc::clone(&store), START, &real, &files).await;
    app.crowd(0..1).await;
    each_does(&app, 0..1, "Ping").await;
    leaves(&app, "c0").await;
    let why = tripped(&app, "ping").await;
    assert!(why.is_some());
    let mut app = app;
    for text in [&folder, &real] {
        let path = app.dir.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        let config = app::load_config(app.dir.path());
        let went = golive::go_live(&*store, &config, app.now(), &|_| {}).await;
        assert!(went.unwrap().is_some());
        app = app.reopen(Arc::clone(&store)).await;
        app.settle().await;
        assert_eq!(tripped(&app, "ping").await, why);
    }
    let scope = Scope::Campaign(id("ping"));
    app.core.resume(&scope, "test").await.unwrap();
    assert!(matches!(phase(&app, "ping").await, Phase::Live { .. }));
}

/// How often all customers were read.
async fn passes<T>(store: &Watched, work: impl Future<Output = T>) -> (u64, T) {
    let before = store.counts().scans;
    let done = work.await;
    let scans = store.counts().scans - before;
    assert_eq!(scans % ShardNo::all().count() as u64, 0, "{scans} scans");
    (scans / ShardNo::all().count() as u64, done)
}

#[tokio::test]
async fn complaints_read_nobody_who_has_not_complained_and_all_customers_once_at_most() {
    let store = Watched::new();
    let all: Arc<dyn Store> = store.clone();
    let app = shop(&all, "complaints = \"off\"").await;
    let receipt = news("Paid", "").replace("informational", "transactional");
    app.file("paid.toml", Some(&receipt));
    app.reload().await;
    app.crowd(0..8).await;
    each_does(&app, 0..4, "Ping").await;
    each_does(&app, 4..6, "Paid").await;
    let addresses = |range: std::ops::Range<usize>| -> Vec<EmailAddress> {
        let text = range.map(|n| format!("c{n}@customers.example"));
        text.map(|text| EmailAddress::parse(&text).unwrap())
            .collect()
    };
    let laid = async |campaign: &str| {
        let (status, reason) = (Status::Complained, Reason::Complained);
        count(&app, campaign, status, reason).await
    };
    // Their mailboxes know whose mail it was.
    let some = addresses(0..4);
    let (read, changed) = passes(&store, app.core.complain_all(&some, "loop")).await;
    assert_eq!((read, changed.unwrap()), (0, vec![true; 4]));
    assert_eq!(laid("ping").await, 4);
    // Receipts leave no place there; two got nothing, and one is nobody's address.
    let more = addresses(4..9);
    let more = [&some[..], &more, &more].concat();
    let (read, changed) = passes(&store, app.core.complain_all(&more, "loop")).await;
    let changed = changed.unwrap().into_iter().filter(|c| *c).count();
    assert_eq!((read, changed), (1, 5));
    assert_eq!((laid("ping").await, laid("paid").await), (4, 2));
    let stand = app.core.suppressions().await.unwrap();
    assert_eq!(stand.len(), 9);
    let complaint = |s: &SuppressionView| s.cause == SuppressionCause::Complaint;
    assert!(stand.iter().all(complaint), "{stand:?}");

    // In force though the search is cut off, and laid when it is told again.
    app.crowd(20..21).await;
    each_does(&app, 20..21, "Paid").await;
    let last = addresses(20..21);
    let mut commits = 0;
    store.fail(move |_| {
        commits += 1;
        (commits > 1).then(|| StoreError::Unavailable("gone".into()))
    });
    assert!(app.core.complain_all(&last, "loop").await.is_err());
    assert_eq!(app.core.suppressions().await.unwrap().len(), 10);
    store.mend();
    assert_eq!(app.core.complain_all(&last, "loop").await, Ok(vec![true]));
    assert_eq!(laid("paid").await, 3);
}

#[tokio::test]
async fn a_complaint_from_a_former_address_is_laid_to_whoever_got_the_mail_there() {
    let store = store();
    let app = shop(&store, "complaints = \"off\"").await;
    app.crowd(0..1).await;
    each_does(&app, 0..1, "Ping").await;
    let moves = ProfileChange {
        email: Some(EmailAddress::parse("new@customers.example").unwrap()),
        ..ProfileChange::default()
    };
    let cause = Cause::Profile(Box::new(moves), Liveness::Live);
    app.act("c0", cause).await;
    let old = EmailAddress::parse("c0@customers.example").unwrap();
    assert!(app.core.complain(&old, "loop").await.unwrap());
    let laid = count(&app, "ping", Status::Complained, Reason::Complained).await;
    assert_eq!(laid, 1);
    let stand = app.core.suppressions().await.unwrap();
    assert_eq!(stand.len(), 1, "the new address is another mailbox");
}

#[tokio::test]
async fn a_complaint_that_is_told_by_its_address_is_counted_once_and_loosens_nothing() {
    let store = store();
    let app = shop(&store, "complaints = \"2 in 1d\"").await;
    app.crowd(0..4).await;
    each_does(&app, 0..4, "Ping").await;
    let address = |n: usize| EmailAddress::parse(&format!("c{n}@customers.example")).unwrap();
    let told = async |n: usize| {
        app.core
            .complain(&address(n), "feedback loop")
            .await
            .unwrap()
    };
    assert!(told(0).await);
    assert!(!told(0).await, "it is known");
    let nobody = EmailAddress::parse("nobody@customers.example").unwrap();
    assert!(app.core.complain(&nobody, "").await.unwrap());
    app.core.suppress(&address(1), "asked").await.unwrap();
    assert!(!told(1).await);
    assert_eq!(tripped(&app, "ping").await, None);
    let stand = app.core.suppressions().await.unwrap();
    let causes: Vec<_> = stand
        .iter()
        .map(|s| (s.mailbox.as_str(), s.cause))
        .collect();
    assert_eq!(
        causes,
        [
            ("c0@customers.example", SuppressionCause::Complaint),
            ("c1@customers.example", SuppressionCause::ByHand),
            ("nobody@customers.example", SuppressionCause::Complaint),
        ]
    );
    // Two customers share the mailbox: one complaint, about the mail that left last.
    let shared = ProfileChange {
        email: Some(address(2)),
        ..ProfileChange::default()
    };
    let cause = Cause::Profile(Box::new(shared), Liveness::Live);
    app.act("c3", cause).await;
    assert!(told(2).await);
    app.settle().await;
    let why = tripped(&app, "ping").await.unwrap();
    assert!(why.starts_with("2 complained, of 4 mails"), "{why}");
    let rows = count(&app, "ping", Status::Complained, Reason::Complained).await;
    assert_eq!(rows, 2);
}

#[tokio::test]
async fn of_refusals_nothing_but_what_is_under_way_follows_the_limit() {
    let server = SmtpServer::start(Options::default()).await;
    let dead = "550 5.1.1 no such user";
    server.rule(Rule::at(At::Rcpt).say(dead));
    let mut transport = TransportConfig::smtp("main", "127.0.0.1", server.port());
    let CarrierConfig::Smtp(mut smtp) = transport.carrier.clone() else {
        unreachable!("made as SMTP");
    };
    transport.connections = 2;
    smtp.tls = Tls::None;
    smtp.deadlines = Deadlines::all(Duration::from_secs(20));
    transport.carrier = CarrierConfig::Smtp(smtp);
    let campaigns = [
        ("ping.toml", news("Ping", "")),
        (
            "pong.toml",
            news("Pong", "[breakers]\nrefusals = \"off\"\n"),
        ),
    ];
    let campaigns: Vec<(&str, &str)> = campaigns.iter().map(|(n, t)| (*n, t.as_str())).collect();
    let config = config("refusals = \"5 in 1h\"");
    let app = App::start_with(vec![transport], START, &config, &campaigns).await;
    app.crowd(0..60).await;
    for n in 0..60 {
        app.event(&format!("c{n}"), "Ping", json!({})).await;
    }
    app.settle().await;
    assert!(tripped(&app, "ping").await.is_some());
    // Two connections: each may have begun another before the fifth refusal was durable.
    let refused = count(&app, "ping", Status::Refused, Reason::DeadAddress).await;
    assert!((5..=9).contains(&refused), "{refused}");
    let parked = count(&app, "ping", Status::Waiting, Reason::Tripped).await;
    assert_eq!(parked + refused, 60);

    // The campaign that switched it off goes on.
    each_does(&app, 50..60, "Pong").await;
    assert_eq!(tripped(&app, "pong").await, None);
    let refused = count(&app, "pong", Status::Refused, Reason::DeadAddress).await;
    assert_eq!(refused, 10);

    // The owner's address is refused, too: that is told in the log and not tried again.
    server.forget_rules();
    app.advance(Span::minutes(20)).await;
    assert_eq!(server.taken(), 0);
}

#[tokio::test]
async fn complaints_are_laid_to_the_latest_mail() {
    let store = store();
    let app = shop(&store, "complaints = \"2 in 1d\"").await;
    app.crowd(0..5).await;
    each_does(&app, 0..5, "Pong").await;
    app.advance(Span::hours(1)).await;
    each_does(&app, 0..4, "Ping").await;
    // The last one's latest mail is the other campaign's; a complaint that is told again is no second one.
    for customer in ["c4", "c0", "c0"] {
        complains(&app, customer).await;
    }
    assert_eq!(tripped(&app, "ping").await, None);
    let app = app.reopen(Arc::clone(&store)).await;
    complains(&app, "c1").await;
    let why = tripped(&app, "ping").await.unwrap();
    assert!(why.starts_with("2 complained, of 4 mails"), "{why}");
    assert_eq!(tripped(&app, "pong").await, None);
    let complained = count(&app, "ping", Status::Complained, Reason::Complained).await;
    assert_eq!(complained, 2);
}

async fn complains(app: &App, customer: &str) {
    let address = format!("{customer}@customers.example");
    let suppression = Suppression {
        cause: SuppressionCause::Complaint,
        at: app.now(),
        note: "reported as spam".into(),
    };
    let cause = Cause::Suppress {
        mailbox: EmailAddress::parse(&address).unwrap().mailbox(),
        suppression: Some(suppression),
    };
    app.act(customer, cause).await;
    app.settle().await;
}

#[tokio::test]
async fn errors_count_within_their_window_only() {
    let store = store();
    let app = shop(&store, "errors = \"3 in 2h\"").await;
    // Its subject needs what nobody has.
    let text = news("Ping", "").replace("customer.id", "customer.nickname");
    app.file("ping.toml", Some(&text));
    app.reload().await;
    app.crowd(0..10).await;
    each_does(&app, 0..2, "Ping").await;
    app.leap(Span::hours(4)).await;
    each_does(&app, 2..4, "Ping").await;
    assert_eq!(tripped(&app, "ping").await, None);
    let app = app.reopen(Arc::clone(&store)).await;
    each_does(&app, 4..5, "Ping").await;
    let why = tripped(&app, "ping").await.unwrap();
    assert!(
        why.starts_with("3 of 3 mails could not be composed"),
        "{why}"
    );

    // What comes after it is not lost: it goes when the text is mended and somebody resumes.
    each_does(&app, 5..8, "Ping").await;
    app.file("ping.toml", Some(&news("Ping", "")));
    app.reload().await;
    let scope = Scope::Campaign(id("ping"));
    app.core.resume(&scope, "test").await.unwrap();
    app.settle().await;
    let lost = count(&app, "ping", Status::Dropped, Reason::RenderError).await;
    assert_eq!(lost, 5);
    for n in 5..8 {
        let to = format!("c{n}@customers.example");
        assert_eq!(mails_to(&app, &to).len(), 1, "{to}");
    }
}
