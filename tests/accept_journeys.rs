//! Journeys at work in the real engine: mails to staff, restarts and edits in the middle, a file that is renamed.

mod app;

use app::{App, CONFIG};
use reveille::domain::cause::{Cause, Liveness, ProfileChange};
use reveille::domain::consent_ledger::Word;
use reveille::domain::id::{CampaignId, CustomerId};
use reveille::domain::time::{Span, Timestamp};
use reveille::domain::value::Value;
use reveille::engine::catalogue::FileState;
use reveille::engine::control::Scope;
use reveille::report::{By, report};
use reveille::store::Store;
use reveille::store::memory::MemoryStore;
use serde_json::json;
use std::sync::Arc;

const START: &str = "2026-03-02T03:00:00Z";

/// Hello at once; on the third day at ten, by the customer's clock, a second mail and a word to staff.
const SERIES: &str = r#"
name  = "Series"
state = "live"
class = "informational"
topic = "offers"

[trigger]
event = "Signed Up"

[[step]]
id       = "hello"
template = "welcome"
subject  = "Hello {{customer.first_name}}"

[[step]]
id       = "again"
wait     = "2d"
at       = "10:00"
template = "welcome"
subject  = "Hello again"

[[step]]
id      = "told"
notify  = "crm"
subject = "{{customer.id}} was welcomed"
text    = """
{{customer.first_name}} has had both mails.
Call them?"""
"#;

fn config() -> String {
    format!("{CONFIG}[staff]\ncrm = \"crm@shop.example\"\n")
}

async fn start(campaigns: &[(&str, &str)]) -> (App, Arc<dyn Store>) {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let app = App::start_on(Arc::clone(&store), START, &config(), campaigns).await;
    (app, store)
}

fn subjects(app: &App) -> Vec<String> {
    let mails = app.mails();
    let subject = |text: &str| {
        let line = text.lines().find(|l| l.starts_with("Subject: "));
        line.unwrap().trim_start_matches("Subject: ").to_owned()
    };
    let mut all: Vec<String> = mails.iter().map(|(_, text)| subject(text)).collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journey_goes_on_over_a_restart_and_tells_staff_at_its_end() {
    let (app, store) = start(&[("series.toml", SERIES)]).await;
    app.sign_up("mina", "Asia/Seoul").await;
    let mut change = ProfileChange::default();
    let name = Value::Text("<b>Mina</b>".into());
    change.attributes.insert("first_name".into(), name);
    app.act("mina", Cause::Profile(Box::new(change), Liveness::Live))
        .await;
    app.event("mina", "Signed Up", json!({})).await;
    app.advance(Span::minutes(1)).await;
    assert_eq!(app.mails().len(), 1);

    let id = CustomerId::parse("mina").unwrap();
    let view = app.core.customer_view(&id).await.unwrap().unwrap();
    let stands = serde_json::to_value(&view.enrollments[0]).unwrap();
    assert_eq!(stands["place"], json!({"no": 2, "of": 3}));
    // The 4th, 12:00 in Seoul, is two days later; the next 10:00 is the morning after.
    assert_eq!(stands["at"], "2026-03-05T01:00:00Z");
    let explained = app.core.explain(&id, None).await.unwrap().unwrap().render();
    let line = "step 2 of 3, \"again\", falls due on Thu 5 Mar 2026, 10:00";
    assert!(explained.contains(line), "{explained}");

    let app = app.reopen(store).await;
    app.settle().await;
    app.leap(Span::days(2) + Span::hours(21)).await;
    assert_eq!(app.mails().len(), 1);
    app.advance(Span::hours(2)).await;
    assert_eq!(
        app.story("mina").await[3..],
        [
            "series accepted/accepted",
            "series waiting/step_due",
            "series attempting/policy",
            "series accepted/accepted",
            "series done/notified",
            "series waiting/notified",
            "series attempting/notified",
            "series accepted/accepted"
        ]
    );
    let mails = app.mails();
    let (_, told) = (mails.iter())
        .find(|(_, text)| text.contains("mina was welcomed"))
        .unwrap();
    assert!(told.contains("To: <crm@shop.example>") || told.contains("To: crm@shop.example"));
    assert!(told.contains("<b>Mina</b> has had both mails.\r\nCall them?"));
    // Quoted-printable breaks long lines.
    let told = told.replace("=\r\n", "");
    assert!(told.contains("&lt;b&gt;Mina&lt;/b&gt; has had both mails."));
    assert!(!told.contains("List-Unsubscribe"), "{told}");
    // What goes to staff is no mail to a customer.
    let report = report(&app.core, By::Campaigns, None).await.unwrap();
    assert_eq!(report.groups[0].sent, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stands_before_a_step_is_counted_with_what_they_wait_for() {
    let (app, _) = start(&[("series.toml", SERIES)]).await;
    let id = CampaignId::parse("series").unwrap();
    for name in ["mina", "juno", "noah", "rests"] {
        app.sign_up(name, "Asia/Seoul").await;
    }
    app.event("mina", "Signed Up", json!({})).await;
    app.event("juno", "Signed Up", json!({})).await;
    app.advance(Span::minutes(1)).await;
    app.core
        .pause(&Scope::Campaign(id.clone()), "a test")
        .await
        .unwrap();
    app.event("noah", "Signed Up", json!({})).await;
    app.advance(Span::minutes(1)).await;

    let counted = async || app.core.standings(&id, |_, _| true).await.unwrap().unwrap();
    let seen = counted().await;
    assert_eq!((seen.customers, seen.under_way), (4, 3));
    let [hello, again, told] = &seen.steps[..] else {
        panic!("{seen:?}");
    };
    assert_eq!((hello.waiting, hello.sending, hello.held), (0, 1, 1));
    assert_eq!((again.waiting, again.due.week, again.sending), (2, 2, 0));
    let due = Timestamp::parse_rfc3339("2026-03-05T01:00:00Z");
    assert_eq!((again.first, again.last), (due, due));
    assert_eq!((told.waiting, told.sending, told.in_file), (0, 0, true));

    // Time goes by while nothing is done.
    app.leap(Span::days(2) + Span::hours(21)).await;
    let again = counted().await.steps[1].due;
    assert_eq!((again.now + again.hour + again.day, again.week), (2, 0));
    // Without the file the steps are those that somebody stands before.
    app.file("series.toml", None);
    app.reload().await;
    let seen = counted().await;
    assert!(seen.steps.iter().all(|step| !step.in_file), "{seen:?}");
    assert_eq!(seen.under_way, 3);
    // Nobody is read for whoever has gone, nor for a campaign that is not there.
    assert_eq!(app.core.standings(&id, |_, _| false).await.unwrap(), None);
    let nothing = CampaignId::parse("nothing").unwrap();
    let none = app.core.standings(&nothing, |_, _| panic!("asked"));
    assert_eq!(none.await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_in_the_middle_reaches_those_under_way() {
    let (app, _) = start(&[("series.toml", SERIES)]).await;
    app.sign_up("mina", "Asia/Seoul").await;
    app.event("mina", "Signed Up", json!({})).await;
    app.advance(Span::minutes(1)).await;
    let jump = SERIES.replace("[[step]]\nid       = \"again\"\nwait     = \"2d\"\nat       = \"10:00\"", "[entry]\non_change = \"jump\"\n\n[[step]]\nid       = \"inserted\"\ntemplate = \"welcome\"\nsubject  = \"Inserted\"\nwait = \"1h\"\n\n[[step]]\nid       = \"again\"\nwait     = \"1h\"");
    app.file("series.toml", Some(&jump));
    app.reload().await;
    app.advance(Span::hours(3)).await;
    assert_eq!(
        subjects(&app),
        ["Hello again", "Hello mina", "Inserted", "mina was welcomed"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_file_goes_on_paused_or_not_and_asks_nobody() {
    let (app, store) = start(&[("series.toml", SERIES)]).await;
    app.sign_up("mina", "Asia/Seoul").await;
    app.event("mina", "Signed Up", json!({})).await;
    app.advance(Span::minutes(1)).await;
    let old = Scope::Campaign(CampaignId::parse("series").unwrap());
    app.core.pause(&old, "test").await.unwrap();
    app.file("series.toml", None);
    app.file(
        "renewed.toml",
        Some(&format!("renamed_from = \"series\"\n{SERIES}")),
    );
    let catalogue = app.reload().await;
    let controls = &catalogue.rules.controls;
    let new = CampaignId::parse("renewed").unwrap();
    assert!(controls.paused.contains(&new) && controls.paused.len() == 1);
    assert!(controls.activations[&new].live.is_some());
    assert_eq!(app.file_state("series"), None);
    // Nor after a restart: the old name is forgotten.
    let app = app.reopen(store).await;
    app.settle().await;
    assert_eq!(app.file_state("series"), None);
    assert_eq!(app.file_state("renewed"), Some(FileState::Good));
    app.leap(Span::days(3)).await;
    assert_eq!(app.mails().len(), 1, "paused");
    app.core
        .resume(&Scope::Campaign(new), "test")
        .await
        .unwrap();
    app.advance(Span::minutes(5)).await;
    assert_eq!(
        subjects(&app),
        ["Hello again", "Hello mina", "mina was welcomed"]
    );
    app.event("mina", "Signed Up", json!({})).await;
    app.advance(Span::minutes(5)).await;
    assert_eq!(app.entered("renewed").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_leaves_a_topic_is_in_the_ledger_and_keeps_what_the_mailbox_held() {
    let leaves = SERIES
        .replace("class = \"informational\"", "class = \"advertising\"")
        .replace("wait     = \"2d\"\nat       = \"10:00\"\ntemplate = \"welcome\"\nsubject  = \"Hello again\"", "wait = \"1h\"\nleave = \"offers\"");
    let (app, _) = start(&[("series.toml", &leaves)]).await;
    app.sign_up("mina", "Asia/Seoul").await;
    app.event("mina", "Signed Up", json!({})).await;
    app.advance(Span::minutes(70)).await;
    let id = CustomerId::parse("mina").unwrap();
    let view = app.core.customer_view(&id).await.unwrap().unwrap();
    let row = view.consent_ledger.last().unwrap();
    assert_eq!(row.state, Word::Refused);
    assert_eq!(row.source, "campaign series/again");
    let mailbox = view.mailbox.unwrap();
    assert_eq!((mailbox.refusals.len(), mailbox.places.len()), (1, 1));
    // It stays so, whatever happens to the customer next.
    app.event("mina", "Visited", json!({})).await;
    app.advance(Span::minutes(1)).await;
    let view = app.core.customer_view(&id).await.unwrap().unwrap();
    assert_eq!(view.mailbox.unwrap().places.len(), 1);
}
