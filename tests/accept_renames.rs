//! Renamed files and steps in the engine: what waits for approval, what was approved and whom its owner heard of stay as
//! they were, and what is told before a reload is what then happens.

mod app;

use app::watched::Watched;
use app::{App, CONFIG};
use mail_parser::MessageParser;
use reveille::domain::id::{CampaignId, ShardNo};
use reveille::domain::ledger::Status;
use reveille::domain::time::Span;

use reveille::engine::forecast::Question;
use reveille::engine::going_on::Waits;
use reveille::engine::query::Phase;
use reveille::engine::state::Walk;
use reveille::store::codec::decode;
use reveille::store::{StoreError, keys};
use serde_json::json;

const START: &str = "2026-03-02T03:00:00Z";

/// A way of two steps or more, whose second one names the first.
struct Series {
    head: &'static str,
    entry: &'static str,
    first: (&'static str, &'static str),
    wait: &'static str,
    rest: &'static str,
}

impl Series {
    fn text(&self) -> String {
        let Series {
            head,
            entry,
            first: (id, was),
            wait,
            rest,
        } = self;
        format!(
            r#"
name  = "Series"
state = "live"
class = "informational"
owner = "crm@shop.example"
{head}

[audience]
event = "Order Completed"

[entry]
existing = "enter"
{entry}

[[step]]
id       = "{id}"
template = "welcome"
subject  = "Hello"
{was}

[[step]]
id       = "later"
wait     = "{wait}"
only_if  = {{ not = {{ message = "{id}", was = "clicked" }} }}
template = "welcome"
subject  = "Later"
{rest}
"#
        )
    }
}

const BEGUN: Series = Series {
    head: "",
    entry: "on_change = \"jump\"",
    first: ("hello", ""),
    wait: "10d",
    rest: "",
};

/// With seven who entered two days ago; as many as three may be moved at once.
async fn begun(series: &Series) -> (App, std::sync::Arc<Watched>) {
    let store = Watched::new();
    let config = format!("{CONFIG}[safety]\nat_once = \"3\"\n");
    let app = App::start_on(store.clone(), START, &config, &[]).await;
    app.buyers(0..7).await;
    app.file("series.toml", Some(&series.text()));
    app.reload().await;
    app.approve("series").await;
    app.advance(Span::minutes(5)).await;
    app.leap(Span::days(2)).await;
    (app, store)
}

/// How often the owner was told, by subject.
fn told(app: &App) -> Vec<String> {
    let mails = app.mails().into_iter().filter_map(|(_, mail)| {
        let mail = MessageParser::default().parse(&mail)?.into_owned();
        let to = mail.to()?.first()?.address()?.to_owned();
        (to == "crm@shop.example").then(|| mail.subject().unwrap_or_default().to_owned())
    });
    mails.collect()
}

async fn had(app: &App, step: &str) -> usize {
    let log = app.log().await;
    (log.iter().filter(|r| r.status == Status::Attempting))
        .filter(|r| r.step.as_ref().is_some_and(|s| s.as_str() == step))
        .count()
}

/// How many wait for approval to be moved by an edit, with how many examples.
async fn waiting(app: &App, name: &str) -> Option<(u64, usize)> {
    let id = CampaignId::parse(name).unwrap();
    match app.core.campaign(&id).await.unwrap().unwrap().phase {
        Phase::AwaitingApproval {
            customers,
            examples,
            edit: Some(_),
            ..
        } => Some((customers, examples.len())),
        _ => None,
    }
}

fn renamed(app: &App, from: &str, to: &str, series: &Series) {
    app.file(&format!("{from}.toml"), None);
    app.file(&format!("{to}.toml"), Some(&series.text()));
}

#[tokio::test]
async fn what_waits_for_approval_waits_on_under_another_name_and_is_told_once() {
    let (mut app, store) = begun(&BEGUN).await;
    let shorter = Series {
        wait: "1d",
        ..BEGUN
    };
    app.file("series.toml", Some(&shorter.text()));
    app.reload().await;
    app.advance(Span::minutes(20)).await;
    assert_eq!(waiting(&app, "series").await, Some((7, 5)));
    let heard = told(&app);
    assert_eq!(heard.len(), 2, "{heard:?}");

    let first = Series {
        head: "renamed_from = \"series\"",
        first: ("greeting", "renamed_from = \"hello\""),
        ..shorter
    };
    renamed(&app, "series", "course", &first);
    app.reload().await;
    app.advance(Span::minutes(20)).await;
    assert_eq!(waiting(&app, "course").await, Some((7, 5)));
    let again = Series {
        head: "renamed_from = \"course\"",
        ..first
    };
    renamed(&app, "course", "path", &again);
    app.reload().await;
    app = app.reopen(store.again()).await;
    app.settle().await;
    app.advance(Span::minutes(20)).await;
    assert_eq!(waiting(&app, "path").await, Some((7, 5)));
    assert_eq!((told(&app), had(&app, "later").await), (heard.clone(), 0));

    // Approved, and renamed before those who are under way have heard of it.
    let id = CampaignId::parse("path").unwrap();
    app.core.approve(&id, "test").await.unwrap();
    let at_last = Series {
        head: "renamed_from = \"path\"",
        first: ("first", "renamed_from = \"greeting\""),
        ..shorter
    };
    renamed(&app, "path", "way", &at_last);
    app.reload().await;
    assert!(!app.awaits_approval("way"));
    app.advance(Span::minutes(20)).await;
    assert_eq!((told(&app), had(&app, "later").await), (heard, 7));
}

/// What else is edited with it asks anew.
#[tokio::test]
async fn what_is_renamed_and_edited_once_more_waits_for_another_approval() {
    let (app, _) = begun(&BEGUN).await;
    let shorter = Series {
        wait: "1d",
        ..BEGUN
    };
    app.file("series.toml", Some(&shorter.text()));
    app.reload().await;
    let id = CampaignId::parse("series").unwrap();
    app.core.approve(&id, "test").await.unwrap();
    let once_more = Series {
        head: "renamed_from = \"series\"",
        wait: "2h",
        ..BEGUN
    };
    renamed(&app, "series", "course", &once_more);
    app.reload().await;
    app.advance(Span::minutes(20)).await;
    let asked = waiting(&app, "course").await.is_some();
    assert_eq!(had(&app, "later").await, if asked { 0 } else { 7 });
}

/// Whoever the walk has not come to yet stands by the former name; once that is told no more, they count as moved.
#[tokio::test]
async fn a_name_that_is_dropped_before_the_walk_has_come_lets_nobody_have_a_step_twice() {
    let renamed = |first| Series { first, ..BEGUN };
    for (now, was) in [("greeting", ""), ("first", "renamed_from = \"greeting\"")] {
        let (app, store) = begun(&BEGUN).await;
        let walks: Vec<Vec<u8>> = ShardNo::all().map(keys::walk).collect();
        store.fail(move |batch| {
            let mut rows = (batch.puts.iter())
                .filter(|(key, _)| walks.contains(key))
                .map(|(_, value)| decode::<Walk>(value).unwrap());
            let gets_on = rows.any(|walk| walk.walked > 0 || walk.done);
            gets_on.then(|| StoreError::Unavailable("away".into()))
        });
        for first in [("greeting", "renamed_from = \"hello\""), (now, was)] {
            assert!(!app.core.has_walked().await || first.0 == "greeting");
            app.file("series.toml", Some(&renamed(first).text()));
            let config = app::load_config(app.dir.path());
            app.core.reload(config).await.unwrap();
        }
        store.mend();
        app.settle().await;
        app.advance(Span::minutes(20)).await;
        assert_eq!(had(&app, now).await, 0, "{now}");
        assert_eq!(waiting(&app, "series").await, Some((7, 5)), "{now}");
    }
}

/// What is told of edited files: before a reload, after it and before the walk, and by the comparison.
async fn foretold(app: &App) -> Vec<Waits> {
    let before = app.core.edits_in_files().await.unwrap();
    let (out, mut progress) = tokio::sync::mpsc::channel(4);
    tokio::spawn(async move { while progress.recv().await.is_some() {} });
    let question = Question {
        days: 1,
        running: true,
        ..Question::default()
    };
    let compared = app.core.compare(question, out).await.unwrap();
    let waits: Vec<&String> = (compared.notes.iter())
        .filter(|note| note.contains("waits for approval"))
        .collect();
    assert_eq!(waits.len(), before.len(), "{waits:?}");
    for (note, edit) in waits.iter().zip(&before) {
        assert!(note.contains(&edit.what), "{note} {}", edit.what);
        let example = edit.examples[0].as_str();
        assert!(note.contains(example), "{note} {example}");
    }
    let config = app::load_config(app.dir.path());
    app.core.reload(config).await.unwrap();
    let after = app.core.edits_in_force().await.unwrap();
    assert_eq!(after, before);
    app.settle().await;
    assert_eq!(app.core.edits_in_force().await.unwrap(), before);
    before
}

const FINISHED: Series = Series {
    entry: "appended = \"finished\"",
    wait: "1d",
    ..BEGUN
};
const APPENDED: &str = "[[step]]\nid = \"last\"\ntemplate = \"welcome\"\nsubject = \"Last\"\n";

#[tokio::test]
async fn what_is_told_of_a_renamed_and_edited_file_is_what_happens() {
    let exit = "appended = \"finished\"\nexit = [{ event = \"Product Viewed\" }]";
    let both = "on_change = \"jump\"\nappended = \"finished\"";
    // The file before and after, how many then wait, and which step they have in the end.
    let cases = [
        (
            "appended",
            FINISHED,
            FINISHED.entry,
            "1d",
            APPENDED,
            7,
            "last",
        ),
        ("put forward", BEGUN, BEGUN.entry, "1d", "", 7, "later"),
        ("put off", BEGUN, BEGUN.entry, "11d", "", 0, "none"),
        ("renamed alone", BEGUN, BEGUN.entry, "10d", "", 0, "none"),
        // What nobody asked about before is asked about the past.
        ("with an exit", FINISHED, exit, "1d", APPENDED, 4, "last"),
        ("both, appended", FINISHED, both, "1d", APPENDED, 7, "last"),
        ("both, put forward", BEGUN, both, "1d", "", 7, "later"),
    ];
    for (what, before, entry, wait, rest, many, step) in cases {
        for step_too in [false, true] {
            let (app, _) = begun(&before).await;
            for who in 0..3 {
                app.event(&format!("c{who}"), "Product Viewed", json!({}))
                    .await;
            }
            let first = match step_too {
                true => ("greeting", "renamed_from = \"hello\""),
                false => before.first,
            };
            let edited = Series {
                head: "renamed_from = \"series\"",
                entry,
                first,
                wait,
                rest,
            };
            let had_before = had(&app, step).await;
            renamed(&app, "series", "course", &edited);
            let waits = foretold(&app).await;
            let customers: Vec<u64> = waits.iter().map(|w| w.customers).collect();
            let expected: &[u64] = if many > 0 { &[many] } else { &[] };
            assert_eq!(customers, expected, "{what}");
            let found = waiting(&app, "course").await.map(|(many, _)| many);
            assert_eq!(found, (many > 0).then_some(many), "{what}");
            app.advance(Span::minutes(5)).await;
            assert_eq!(had(&app, step).await, had_before, "{what}");
            if many > 0 {
                app.approve("course").await;
                app.advance(Span::minutes(5)).await;
                let came = had(&app, step).await - had_before;
                assert_eq!(came as u64, many, "{what}");
            }
        }
    }
}

/// A campaign that somebody cancelled, or whose edit nobody is moved by, is none that waits.
#[tokio::test]
async fn what_was_cancelled_waits_for_nothing() {
    let (app, _) = begun(&BEGUN).await;
    let shorter = Series {
        wait: "1d",
        ..BEGUN
    };
    app.file("series.toml", Some(&shorter.text()));
    app.reload().await;
    assert_eq!(app.core.edits_in_force().await.unwrap().len(), 1);
    let id = CampaignId::parse("series").unwrap();
    app.core.cancel(&id, "test").await.unwrap();
    assert_eq!(app.core.edits_in_force().await.unwrap(), []);
}

/// One with a schedule stands in its index under the new name before it goes on; that it was let go live stands.
#[tokio::test]
async fn what_was_let_enter_by_schedule_is_not_asked_anew_under_another_name() {
    let config = format!("{CONFIG}[safety]\nat_once = \"3\"\n");
    let app = App::start_on(Watched::new(), START, &config, &[]).await;
    app.buyers(0..7).await;
    let daily = |head| Series {
        head,
        entry: "again = \"always\"\n[schedule]\ncron = \"0 9 * * *\"\ntimezone = \"UTC\"",
        wait: "1h",
        ..BEGUN
    };
    app.file("series.toml", Some(&daily("").text()));
    app.reload().await;
    app.approve("series").await;
    for _ in 0..8 {
        app.leap(Span::hours(3)).await;
    }
    assert_eq!(app.entered("series").await, 7);
    let heard = told(&app);
    renamed(
        &app,
        "series",
        "course",
        &daily("renamed_from = \"series\""),
    );
    app.reload().await;
    app.advance(Span::minutes(5)).await;
    assert!(!app.awaits_approval("course"));
    app.buyers(7..9).await;
    for _ in 0..8 {
        app.leap(Span::hours(3)).await;
    }
    assert_eq!((app.entered("course").await, told(&app)), (9, heard));
}
