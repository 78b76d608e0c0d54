//! The examples as a set, and the pages about them: all pass `check`, are drafts in two languages, can be taken into use
//! as their page says, and get along with each other; the cookbook's snippets are campaigns.

use crate::shop::{Shop, config, live};
use reveille::domain::cause::Liveness;
use reveille::domain::ledger::Status;
use reveille::domain::time::{Span, Timestamp};
use reveille::engine::intake::{Inbound, Options, Reading, Rows, What};
use reveille::engine::sample::{Sample, generate};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What stands in a folder, without what ends each name.
fn names(folder: &str, end: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
    names
        .filter_map(|name| name.strip_suffix(end).map(str::to_owned))
        .collect()
}

/// Every example campaign.
fn examples() -> BTreeSet<String> {
    let mut names = names("examples/campaigns", ".toml");
    for shared in ["coupons", "segments", "tags", "topics"] {
        assert!(names.remove(shared), "{shared}");
    }
    names
}

/// What `check` says of a project.
fn check(config: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_reveille"))
        .args(["check", "--config"])
        .arg(config)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(output.status.success(), "{said}");
    said
}

fn copy(from: PathBuf, to: PathBuf) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::copy(&from, &to).unwrap_or_else(|e| panic!("{}: {e}", from.display()));
}

fn copy_all(from: &str, to: &Path) {
    for entry in std::fs::read_dir(root().join(from)).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            copy(path.clone(), to.join(path.file_name().unwrap()));
        }
    }
}

#[test]
fn all_examples_pass_check_together_without_a_warning() {
    let said = check(&root().join("examples/config.toml"));
    assert_eq!(
        said.trim(),
        "good: config.toml, 19 campaigns and 23 templates"
    );
    assert_eq!(examples().len(), 19);
}

#[test]
fn each_example_is_a_draft_in_two_languages_with_a_snapshot_of_each_mail() {
    let templates = names("examples/templates", ".html.hbs");
    let snapshots = names("tests/snapshots/examples", ".snap");
    let page = std::fs::read_to_string(root().join("examples/README.md")).unwrap();
    let mut used = BTreeSet::new();
    for name in examples() {
        let text = crate::shop::example(&name);
        assert!(text.starts_with('#'), "{name} says what it is");
        assert!(text.contains("\nstate    = \"draft\""), "{name} is a draft");
        let row = format!("[{name}](campaigns/{name}.toml)");
        assert!(page.contains(&row), "examples/README.md has {name}");
        let file: toml::Table = text.parse().unwrap();
        for step in file["step"].as_array().unwrap() {
            let Some(template) = step.get("template") else {
                continue;
            };
            let template = template.as_str().unwrap().to_owned();
            assert!(template.starts_with(&format!("{name}_")), "{template}");
            for text in ["subject", "preheader"] {
                let of = |locale: &str| step[text][locale].as_str().unwrap().to_owned();
                let korean = of("ko");
                let has_hangul = korean.chars().any(|c| ('가'..='힣').contains(&c));
                assert!(!of("en").is_empty() && has_hangul, "{template} {text}");
                assert!(!korean.contains("광고)"), "the program writes it: {korean}");
            }
            for locale in ["", ".ko"] {
                assert!(
                    templates.contains(&format!("{template}{locale}")),
                    "{template}"
                );
                used.insert(format!("{template}{locale}"));
            }
            for locale in ["en", "ko"] {
                assert!(
                    snapshots.contains(&format!("{template}_{locale}")),
                    "{template}"
                );
            }
        }
    }
    assert_eq!(templates, used, "every template is used");
}

/// Whoever did not answer so many mails is asked whether to go on, and no longer won back.
#[test]
fn win_back_leaves_to_sunset_whom_sunset_takes() {
    let unanswered = |name: &str| {
        let file: toml::Table = crate::shop::example(name).parse().unwrap();
        let audience = file["audience"]["all"].as_array().unwrap().clone();
        let any = (audience.iter()).filter_map(|one| one.get("any")?.as_array());
        let all = audience.iter().chain(any.flatten());
        let found = all.clone().find_map(|one| one.get("unanswered"));
        found.unwrap().as_str().unwrap().to_owned()
    };
    let (less, more) = (unanswered("win_back"), unanswered("sunset"));
    assert_eq!(
        less.strip_prefix("< ").unwrap(),
        more.strip_prefix(">= ").unwrap()
    );
}

#[test]
fn an_example_is_taken_into_use_as_its_page_says() {
    let page = std::fs::read_to_string(root().join("examples/README.md")).unwrap();
    assert!(page.contains("\n   reveille init --example birthday\n"));
    let shop = tempfile::tempdir().unwrap();
    copy(root().join("config.toml"), shop.path().join("config.toml"));
    for folder in ["campaigns", "templates", "templates/partials"] {
        copy_all(folder, &shop.path().join(folder));
    }
    let before = check(&shop.path().join("config.toml"));
    let taken = Command::new(env!("CARGO_BIN_EXE_reveille"))
        .args(["init", "--example", "birthday"])
        .current_dir(shop.path())
        .output()
        .unwrap();
    assert!(taken.status.success(), "{taken:?}");
    std::fs::write(
        shop.path().join("campaigns/birthday.toml"),
        live("birthday"),
    )
    .unwrap();
    let after = check(&shop.path().join("config.toml"));
    assert_eq!(
        (before.trim(), after.trim()),
        (
            "good: config.toml, 3 campaigns and 4 templates",
            "good: config.toml, 4 campaigns and 5 templates"
        )
    );
}

/// The blocks of TOML of the cookbook, with the word that follows "toml".
fn snippets(page: &str) -> Vec<(&str, &str)> {
    page.split("\n```toml")
        .skip(1)
        .map(|block| {
            let (kind, rest) = block.split_once('\n').unwrap();
            (kind.trim(), rest.split_once("\n```").unwrap().0)
        })
        .collect()
}

#[test]
fn every_snippet_of_the_cookbook_passes_check() {
    let page = std::fs::read_to_string(root().join("docs/cookbook.md")).unwrap();
    let recipes = page.lines().filter(|l| l.starts_with("## ")).count();
    assert_eq!(recipes, 15);
    for section in page.split("\n## ").skip(1) {
        assert!(section.contains("\n```toml\n"), "a snippet for {section}");
    }
    let shop = tempfile::tempdir().unwrap();
    std::fs::write(shop.path().join("config.toml"), config()).unwrap();
    copy_all("campaigns", &shop.path().join("campaigns"));
    copy_all("examples/templates", &shop.path().join("templates"));
    for file in ["coupons.toml", "data/travel_teapot.toml"] {
        let from = root().join("examples/campaigns").join(file);
        copy(from, shop.path().join("campaigns").join(file));
    }
    copy_all(
        "templates/partials",
        &shop.path().join("templates/partials"),
    );
    for entry in std::fs::read_dir(shop.path().join("campaigns")).unwrap() {
        let path = entry.unwrap().path();
        let shared = ["coupons", "segments", "tags", "topics"].map(|n| format!("{n}.toml"));
        if path.is_file()
            && !shared.contains(&path.file_name().unwrap().to_str().unwrap().to_owned())
        {
            std::fs::remove_file(path).unwrap();
        }
    }
    let mut whole = 0;
    for (number, (kind, text)) in snippets(&page).into_iter().enumerate() {
        let file = match kind {
            "" => {
                whole += 1;
                format!("recipe_{number}.toml")
            }
            kind => format!("{kind}.toml"),
        };
        std::fs::write(shop.path().join("campaigns").join(file), text).unwrap();
    }
    let said = check(&shop.path().join("config.toml"));
    let expected = format!("good: config.toml, {whole} campaigns and 23 templates");
    // Beside that there are notes on the examples' templates that no recipe uses.
    assert!(
        said.lines().any(|line| line.starts_with(&expected)),
        "{said}"
    );
    assert!(!said.contains("warning: "), "{said}");
}

/// The sample shop for a while with all of them live: nobody gets more than they may, and every mail can be made.
#[tokio::test(flavor = "multi_thread")]
async fn all_of_them_live_together_keep_to_the_limits() {
    let until = Timestamp::parse_rfc3339("2026-09-01T00:00:00Z").unwrap();
    let sample = Sample {
        customers: 150,
        days: 240,
        until,
        seed: 7,
    };
    let mut bytes = Vec::new();
    generate(sample, &mut bytes).unwrap();
    let rows = Rows::open(bytes.as_slice(), Options::new(Reading::new(until))).unwrap();
    let (profiles, mut events): (Vec<Inbound>, Vec<Inbound>) = (rows.map(|(_, row)| row.unwrap()))
        .partition(|row| matches!(row.what, What::Profile { .. }));
    let time = |row: &Inbound| match &row.what {
        What::Event { time, .. } => *time,
        What::Profile { .. } => unreachable!("profiles are apart"),
    };
    let files: Vec<(String, String)> = examples()
        .iter()
        .map(|name| (format!("{name}.toml"), live(name)))
        .collect();
    // Seven months are history, a month is lived.
    let start = until - Span::days(30);
    let shop = Shop::with(&start.to_string(), &files).await;
    let app = &shop.app;
    app.take_in(&profiles, Liveness::History).await;
    let mut rest = events.split_off(events.partition_point(|e| time(e) <= start));
    app.take_in(&events, Liveness::History).await;
    app.settle().await;
    while app.now() < until {
        app.clock.advance(Span::hours(1));
        let later = rest.split_off(rest.partition_point(|e| time(e) <= app.now()));
        app.take_in(&rest, Liveness::Live).await;
        rest = later;
        app.settle().await;
    }

    let log = app.log().await;
    let mut sent: BTreeMap<_, Vec<Timestamp>> = BTreeMap::new();
    let mut wrote = BTreeSet::new();
    for row in &log {
        assert_ne!(row.status, Status::Refused, "{row:?}");
        assert!(!row.reason.code().contains("compose"), "{row:?}");
        if row.status == Status::Accepted {
            wrote.insert(row.campaign.as_str());
            let steps = &app.core.catalogue().rules.campaigns[&row.campaign].steps;
            let class = steps
                .iter()
                .find(|s| Some(&s.id) == row.step.as_ref())
                .unwrap();
            if class.class == reveille::domain::preference::Class::Advertising
                && class.act.is_none()
            {
                sent.entry(row.customer).or_default().push(row.time);
            }
        }
    }
    // The shop says 3 per 7d; customers who have said something of their own want less.
    for times in sent.values_mut() {
        times.sort();
        for four in times.windows(4) {
            assert!(four[3].since(four[0]) >= Span::days(7), "{four:?}");
        }
    }
    let mails: usize = sent.values().map(Vec::len).sum();
    assert!(mails > 60 && wrote.len() >= 8, "{mails} mails, {wrote:?}");
}
