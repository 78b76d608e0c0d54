//! The JSON Schemas by which editors complete and check: they are those that stand in `schema/`, they know what the reader
//! knows, and what they say of a file agrees with `check`.
//!
//! A schema may be more generous than `check`, which sees all files together; it never refuses what `check` takes.

mod left_out;

use left_out::left_out;
use proptest::prelude::{Strategy, any, prop, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::{Config as Rounds, TestRunner};
use regex::Regex;
use reveille::campaign::{self, Context, Loaded, Source, Sources, compile};
use reveille::config::Config;
use reveille::config::schema::settings;
use reveille::config::schema::spelling::{self, Spelling};
use reveille::config::text;
use reveille::domain::address::EmailAddress;
use reveille::domain::breaker::Limits;
use reveille::domain::calendar::ClosedDays;
use reveille::domain::cap::Cap;
use reveille::domain::condition::{NumberRange, Range};
use reveille::domain::holdout::Share;
use reveille::domain::id::{CampaignId, EventName, StaffName, StepId, TagName};
use reveille::domain::quota::Quota;
use reveille::domain::schedule::CronRule;
use reveille::domain::time::Span;
use reveille::domain::window::Window;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Every kind, with its schema.
fn kinds() -> Vec<(&'static str, serde_json::Value)> {
    let mut kinds = vec![("config", settings::schema())];
    kinds.extend(campaign::schema::KINDS.map(|(kind, make)| (kind, make())));
    kinds
}

#[test]
fn the_files_in_schema_are_what_the_command_writes() {
    let folder = tempfile::tempdir().unwrap();
    let written = Command::new(env!("CARGO_BIN_EXE_reveille"))
        .args(["schema", "--write"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(written.status.success(), "{written:?}");
    let mut kinds: Vec<String> = kinds()
        .iter()
        .map(|(kind, _)| format!("{kind}.json"))
        .collect();
    kinds.sort();
    for file in &kinds {
        let new = std::fs::read_to_string(folder.path().join(file)).unwrap();
        assert!(
            new == read(&format!("schema/{file}")),
            "schema/{file} is not up to date: cargo run -- schema --write schema"
        );
    }
    let files = std::fs::read_dir(root().join("schema")).unwrap();
    let mut there: Vec<String> = files
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    there.sort();
    assert_eq!(there, kinds);
}

#[test]
fn the_command_prints_one_kind_and_names_them_all() {
    let run = |kind: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reveille"));
        command.arg("schema").args(kind).output().unwrap()
    };
    let printed = run(&["topics"]);
    assert_eq!(
        String::from_utf8(printed.stdout).unwrap(),
        read("schema/topics.json")
    );
    let all = String::from_utf8(run(&[]).stdout).unwrap();
    let names: Vec<&str> = all.lines().collect();
    assert_eq!(
        names,
        kinds().iter().map(|(kind, _)| *kind).collect::<Vec<_>>()
    );
    let none = run(&["topcis"]);
    assert_eq!(none.status.code(), Some(4));
    let said = String::from_utf8(none.stderr).unwrap();
    assert!(said.contains("did you mean `topics`?"), "{said}");
}

/// Files that we ship, each with the kind of its schema.
fn shipped() -> Vec<(PathBuf, &'static str)> {
    let configs = ["config.toml", "examples/config.toml"];
    let mut files: Vec<(PathBuf, &str)> = configs.map(|f| (root().join(f), "config")).into();
    let mut campaigns: Vec<PathBuf> = ["campaigns", "examples/campaigns"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(root().join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    campaigns.sort();
    for path in campaigns {
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let kind = kinds()
            .into_iter()
            .map(|(kind, _)| kind)
            .find(|kind| *kind == stem);
        files.push((path, kind.unwrap_or("campaign")));
    }
    files
}

#[test]
fn every_shipped_file_names_its_schema() {
    for (path, kind) in shipped() {
        let text = std::fs::read_to_string(&path).unwrap();
        let line = text.lines().next().unwrap();
        let named = line
            .strip_prefix("#:schema ")
            .unwrap_or_else(|| panic!("{} does not begin with its schema", path.display()));
        let schema = path.parent().unwrap().join(named);
        assert!(schema.is_file(), "{}: {named}", path.display());
        assert!(
            named.ends_with(&format!("/{kind}.json")),
            "{}: {named}",
            path.display()
        );
    }
}

// ---- Patterns and parsers

fn fits(spelling: &Spelling, text: &str) -> bool {
    (spelling.patterns)()
        .iter()
        .all(|pattern| Regex::new(pattern).unwrap().is_match(text))
}

type Taken = fn(&str) -> bool;

fn in_config(table: &str, key: &str, text: &str) -> bool {
    let value = toml::Value::String(text.to_owned());
    let text = format!("[{table}]\n{key} = {value}\n");
    Config::parse(Path::new("config.toml"), &text).is_ok()
}

fn in_list(table: &str, key: &str, text: &str) -> bool {
    let value = toml::Value::String(text.to_owned());
    let text = format!("[{table}]\n{key} = [{value}]\n");
    Config::parse(Path::new("config.toml"), &text).is_ok()
}

/// Each spelling with its parser, texts to begin from, and texts that both must refuse.
fn spellings() -> Vec<(
    &'static Spelling,
    Taken,
    &'static [&'static str],
    &'static [&'static str],
)> {
    vec![
        (
            &spelling::SHARE,
            |t| Share::parse(t).is_ok(),
            &["5%", " 0.5 % ", "99.9%"],
            &["", "5", "0%", "-5%", "five%"],
        ),
        (
            &spelling::QUOTA,
            |t| Quota::parse(t).is_ok(),
            &["1000 per 1d", "100", "10%", " 5 per 1h "],
            &["", "0", "0%", "ten", "5 per", "per 1d", "-5"],
        ),
        (
            &spelling::HARM,
            |t| Limits::parse(t).is_ok(),
            &[
                "2% of at least 200 in 1d",
                "50 in 1h",
                "off",
                "1% of at least 500 in 1d or 50 in 1h",
            ],
            &["", "2%", "in 1h", "50 in", "2% of 200 in 1d", "fifty in 1h"],
        ),
        (
            &spelling::DURATION,
            |t| Span::parse(t).is_ok(),
            &["90d", "1d 12h", "500ms", " 2w ", "0s"],
            &["", "90", "d", "90 d", "-3d", "1x", "1.5h", "3 days", "90D"],
        ),
        (
            &spelling::LENGTH,
            |t| text::positive(t).is_ok(),
            &["90d", "10h 30m", "3y"],
            &["", "0s", "0d 0h", "12", "1month", "P1D"],
        ),
        (
            &spelling::COUNT,
            |t| Range::<u64>::parse(t).is_ok(),
            &[">= 3", "3..5", "= 2", "<7", " 0 "],
            &["", ">=", "three", "3..", "-1", "1.5", "=> 3", "3-5"],
        ),
        (
            &spelling::AGE,
            |t| Range::<Span>::parse(t).is_ok(),
            &[">= 90d", "75d..90d", "< 24h", "<= 1d 12h"],
            &[
                "",
                "90d",
                "= 90d",
                ">= 90",
                "90d..",
                ">> 3d",
                "older than 3d",
            ],
        ),
        (
            &spelling::RANGE,
            |t| NumberRange::parse(t).is_ok(),
            &[">= 10.5", "10..20", "-3", "< .5", "= 5.", "0...5"],
            &["", ">=", "ten", "1e5", "1,5", "10..", "inf"],
        ),
        (
            &spelling::CAP,
            |t| Cap::parse(t).is_ok(),
            &[
                "2 per 7d",
                "1 per day",
                "3 Per WEEK",
                "5 per 1d 12h",
                "01 per 20H",
            ],
            &[
                "",
                "2",
                "2/7d",
                "0 per 7d",
                "2 per",
                "two per 7d",
                "1 per month",
                "-1 per 7d",
                "2 per 7",
            ],
        ),
        (
            &spelling::PACE,
            |t| text::Pace::parse(t).is_ok(),
            &["500 per 1d", "+5 per 1s", "50  per  1s"],
            &["", "50", "0 per 0s", "x per 1s", "5 per day", "5per1s"],
        ),
        (
            &spelling::HOURS,
            |t| Window::parse(t).is_ok(),
            &[
                "Mon-Fri 09:00-18:00",
                "Mon,Wed 08:00-12:00, Sat 10:00-14:00",
                "22:00-02:00",
                "monday – friday 9:00–24:00",
                "Fri-Mon9:00-10:00;Tue 1:00-2:00",
            ],
            &[
                "",
                "Mon-Fri",
                "09:00",
                "9-18",
                "Mo 09:00-18:00",
                "Mon 9:60-10:00",
                "25:00-26:00",
                "always",
                "Mon 09:00-18:00,",
            ],
        ),
        (
            &spelling::CRON,
            |t| CronRule::parse(t).is_ok(),
            &[
                "0 10 * * MON-FRI",
                "*/15 9-17/2 1,15 jan-Mar 1#2",
                "0 9 L * *",
                "5 4 * * 5L",
                "0 0 */2 * MON#1",
                "07 008 01 12 7",
            ],
            &[
                "",
                "0 10 * *",
                "60 10 * * *",
                "0 24 * * *",
                "0 0 32 * *",
                "0 0 * 13 *",
                "0 0 * * 8",
                "@daily",
                "0 0 ? * *",
                "0 0 * * MON#6",
                "5/10 * * * *",
                "* * * * * *",
                "0 0 * * L",
                "0 10 * * MON,",
            ],
        ),
        (
            &spelling::TIME,
            |t| step("at", t),
            &["10:00", "00:59", "23:00"],
            &[
                "", "10", "9:00", "24:00", "10:60", "10:00:00", "10.00", "noon",
            ],
        ),
        (
            &spelling::LOCAL,
            |t| schedule("on", t),
            &["2026-12-01 10:00", "2026-12-01T10:00:30"],
            &[
                "",
                "2026-12-01",
                "10:00",
                "1 December 2026",
                "2026/12/01 10:00",
            ],
        ),
        (
            &spelling::DAY,
            |t| in_config("events.\"A\"", "complete_since", t),
            &[
                "2025-01-01",
                "2025-01-01T00:00:00Z",
                "2025-01-01T00:00:00+09:00",
            ],
            &["", "2025", "1.1.2025", "January"],
        ),
        (
            &spelling::CLOSED,
            |t| ClosedDays::parse_one(t).is_ok(),
            &["2026-12-25", "Sun", "mon"],
            &["", "Sunday", "12-25", "2026-12-25 ", "daily"],
        ),
        (
            &spelling::NAME,
            |t| StepId::parse(t).is_ok(),
            &["miss-you", "a_1", "환영"],
            &["", "a b", "a.b", "a/b", "a\"b", "(a)"],
        ),
        (
            &spelling::EVENT,
            |t| EventName::parse(t).is_ok(),
            &["Order Completed", "*", "주문"],
            &["", " ", "a\nb"],
        ),
        (
            &spelling::TAG,
            |t| TagName::parse(t).is_ok(),
            &["vip", "very good", "단골"],
            &["", " ", "a\tb"],
        ),
        (
            &spelling::PATH,
            |t| condition("attribute", t, "exists = true"),
            &["plan", "address.city", "a b.c"],
            &["", ".", "a.", ".a", "a..b", "a. .b"],
        ),
        (
            &spelling::LOCALE,
            |t| text::locale(t).is_ok(),
            &["ko", "en-GB", "zh-Hant-TW"],
            &["", "EN", "english", "en_GB", "e", "en-"],
        ),
        (
            &spelling::EMAIL,
            |t| EmailAddress::parse(t).is_ok(),
            &["crm@shop.example", " a+b@x.y ", "고객@도메인.example"],
            &["", "crm", "@x", "a@", "a b@x.y", "a@b c"],
        ),
        (
            &spelling::SENDER,
            |t| text::Mailbox::parse(t).is_ok(),
            &[
                "Corner Shop <hello@shop.example>",
                "hello@shop.example",
                "\"A, B\" < a@b.c >",
            ],
            &[
                "",
                "Shop",
                "Shop <hello>",
                "Shop <>",
                "Shop hello@shop.example",
            ],
        ),
        (
            &spelling::SIZE,
            |t| text::size(t).is_ok(),
            &["64MB", "1 GB", "500KB "],
            &["", "64", "0MB", "MB", "64mb", "1.5GB", " 64MB"],
        ),
        (
            &spelling::AT_ONCE,
            |t| text::AtOnce::parse(t).is_ok(),
            &["200 or 1%", "7", "50%", "2.5 %", "200  or  1e1%"],
            &[
                "",
                "many",
                "1% or 200",
                "200 or",
                "200 or 1% or 2%",
                "-1",
                "200 1%",
            ],
        ),
        (
            &spelling::COUNTRY,
            |t| text::country(t).is_ok(),
            &["KR"],
            &["", "kr", "KOR", "K"],
        ),
        (
            &spelling::HOST,
            |t| transport("host", t),
            &["mail.shop.example", "127.0.0.1", "[::1]", "fe80::1"],
            &["", "a b", "a/b", "me@host"],
        ),
        (
            &spelling::RECIPIENTS,
            |t| text::Recipients::parse(t).is_ok(),
            &["*@shop.example", "*", "a+b@shop.example"],
            &["", "everybody", "*@", "a*@shop.example", "*@a b"],
        ),
        (
            &spelling::LISTEN,
            |t| in_config("http", "listen", t),
            &["127.0.0.1:8087", "[::1]:80", "0.0.0.0:1"],
            &["", "8087", "localhost:8087", "127.0.0.1", ":80"],
        ),
        (
            &spelling::WEB,
            |t| in_config("http", "public_url", t),
            &["https://mail.shop.example", "http://x/"],
            &[
                "",
                "mail.shop.example",
                "https://",
                "https://a b",
                "ftp://x",
            ],
        ),
        (
            &spelling::PAGE,
            |t| in_config("links", "shop", t),
            &[
                "https://shop.example",
                "http://shop.example:8080/a?b=1&c#d",
                "https://shop.example/장바구니",
            ],
            &[
                "",
                "shop.example/cart",
                "https://",
                "https:///cart",
                "https://me@shop.example",
                "https://shop.example/a b",
                "https://shop.example/?c={{customer.id}}",
                "ftp://shop.example",
            ],
        ),
        (
            &spelling::ORIGIN,
            |t| in_list("http", "origins", t),
            &["https://shop.example", "*", "http://localhost:3000"],
            &[
                "",
                "shop.example",
                "https://Shop.example",
                "https://shop.example/",
                "**",
            ],
        ),
        (
            &spelling::SHA256,
            |t| in_config("http.keys.a", "sha256", t),
            &["0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef"],
            &[
                "",
                "abc",
                "g123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef",
            ],
        ),
        (
            &spelling::LINE,
            |t| in_config("sender", "company", t),
            &["Corner Shop Ltd.", "가게"],
            &["", " ", "a\nb"],
        ),
        (
            &spelling::STEP,
            |t| step_asked(t),
            &["hello", "welcome/hello"],
            &["", "a/b/c", "a b", "/a"],
        ),
        (
            &spelling::PLACE,
            |t| webhook(t),
            &["shop-1", "a_b"],
            &["", "Shop", "a.b", "a b"],
        ),
    ]
}

/// One campaign that the reader takes, but for what a test puts in its stead.
fn campaign_with(schedule: &str, audience: &str, more: &str) -> String {
    format!(
        "name = \"C\"\nstate = \"live\"\nclass = \"informational\"\n[schedule]\n{schedule}\n[entry]\nexisting = \"skip\"\n\
         [audience]\n{audience}\n[[step]]\nid = \"hello\"\ntemplate = \"welcome\"\nsubject = \"s\"\n{more}\n"
    )
}

const DAILY: &str = "cron = \"0 10 * * *\"";

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn taken(text: &str) -> bool {
    compiled("welcome", text).good().count() == 1
}

fn step(key: &str, text: &str) -> bool {
    taken(&campaign_with(
        DAILY,
        "tag = \"a\"",
        &format!("{key} = {}", quoted(text)),
    ))
}

fn step_asked(text: &str) -> bool {
    // A step that is not there is another matter: only the text's own form counts.
    let asked = format!("message = {}\nwas = \"sent\"", quoted(text));
    let loaded = compiled("welcome", &campaign_with(DAILY, &asked, ""));
    loaded.good().count() == 1
        || loaded
            .problems
            .iter()
            .any(|p| p.what.contains("has no step"))
}

fn schedule(key: &str, text: &str) -> bool {
    taken(&campaign_with(
        &format!("{key} = {}", quoted(text)),
        "tag = \"a\"",
        "",
    ))
}

fn condition(key: &str, text: &str, more: &str) -> bool {
    taken(&campaign_with(
        DAILY,
        &format!("{key} = {}\n{more}", quoted(text)),
        "",
    ))
}

fn transport(key: &str, text: &str) -> bool {
    let text = format!(
        "[sender]\nfrom = \"a@b.c\"\n[transport.main]\nkind = \"smtp\"\n{key} = {}\n",
        quoted(text)
    );
    Config::parse(Path::new("config.toml"), &text).is_ok()
}

fn webhook(name: &str) -> bool {
    let text = format!(
        "[webhook.{}]\nplatform = \"shopify\"\nsecret_file = \"s\"\n",
        quoted(name)
    );
    Config::parse(Path::new("config.toml"), &text).is_ok()
}

fn compiled(stem: &str, text: &str) -> Loaded {
    let source = |file: &str, text: String| Source {
        file: file.to_owned(),
        text,
    };
    // Read once: the property tests come here often.
    static SHARED: LazyLock<(Context, [String; 3])> = LazyLock::new(|| {
        let files = ["segments", "topics", "tags"];
        (
            context(),
            files.map(|f| read(&format!("campaigns/{f}.toml"))),
        )
    });
    let (context, [segments, topics, tags]) = &*SHARED;
    let mut sources = Sources {
        campaigns: BTreeMap::new(),
        segments: Some(source("segments.toml", segments.clone())),
        topics: Some(source("topics.toml", topics.clone())),
        tags: Some(source("tags.toml", tags.clone())),
        ..Sources::default()
    };
    let file = source(&format!("{stem}.toml"), text.to_owned());
    match stem {
        "segments" => sources.segments = Some(file),
        "topics" => sources.topics = Some(file),
        "tags" => sources.tags = Some(file),
        "coupons" => sources.coupons = Some(file),
        _ => {
            _ = sources
                .campaigns
                .insert(CampaignId::parse(stem).unwrap(), file)
        }
    }
    compile(sources, context)
}

fn context() -> Context {
    let config = Config::parse(Path::new("config.toml"), &read("config.toml")).unwrap();
    let mut context = Context::of(&config);
    let crm = EmailAddress::parse("crm@shop.example").unwrap();
    context.shop.staff = [(StaffName::parse("crm").unwrap(), crm)].into();
    context
}

#[test]
fn wrong_texts_are_refused_by_pattern_and_parser() {
    let mut wrong = Vec::new();
    for (spelling, taken, good, bad) in spellings() {
        for text in good
            .iter()
            .chain([&spelling.example])
            .filter(|t| !t.is_empty())
        {
            if !taken(text) || !fits(spelling, text) {
                wrong.push(format!("{}: {text:?} is good", spelling.name));
            }
        }
        for text in bad {
            if taken(text) {
                wrong.push(format!("{}: the parser takes {text:?}", spelling.name));
            }
            if fits(spelling, text) {
                wrong.push(format!("{}: the pattern takes {text:?}", spelling.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(spellings().len(), spelling::ALL.len());
}

/// A good text with a few letters put in, taken out or changed: most are wrong, some are good in an odd way.
fn near(good: &'static [&'static str]) -> impl Strategy<Value = String> {
    let letters = "0123456789 .:-–,;/*#%@<>=+abdehilmnoprswyABDFHLMNPSTUW\"\u{a0}가";
    let letter = select(letters.chars().collect::<Vec<char>>());
    let edit = (any::<prop::sample::Index>(), letter, 0..3_u8);
    (select(good), prop::collection::vec(edit, 0..4)).prop_map(|(text, edits)| {
        let mut chars: Vec<char> = text.chars().collect();
        for (at, letter, how) in edits {
            let at = at.index(chars.len() + 1);
            match how {
                0 => chars.insert(at, letter),
                1 if at < chars.len() => chars[at] = letter,
                _ if at < chars.len() => _ = chars.remove(at),
                _ => {}
            }
        }
        chars.into_iter().collect()
    })
}

#[test]
fn what_a_parser_takes_its_pattern_takes() {
    let rounds = match std::env::var_os("REVEILLE_SOAK") {
        Some(_) => 20_000,
        None => 60,
    };
    for (spelling, taken, good, _) in spellings() {
        let patterns: Vec<Regex> = (spelling.patterns)()
            .iter()
            .map(|pattern| Regex::new(pattern).unwrap())
            .collect();
        let mut runner = TestRunner::new(Rounds {
            cases: rounds,
            failure_persistence: None,
            ..Rounds::default()
        });
        let texts = prop_oneof![9 => near(good), 1 => "\\PC{0,12}"];
        let done = runner.run(&texts, |text| {
            let fits = patterns.iter().all(|pattern| pattern.is_match(&text));
            proptest::prop_assert!(fits || !taken(&text), "{:?}", text);
            Ok(())
        });
        done.unwrap_or_else(|error| panic!("{}: {error}", spelling.name));
    }
}

// ---- taplo and check

/// taplo, as scripts/test installs it or as it is on this machine.
fn taplo() -> Option<PathBuf> {
    let installed = root().join("target/tools/python/bin/taplo");
    let found = [installed, PathBuf::from("taplo")]
        .into_iter()
        .find(|path| Command::new(path).arg("--version").output().is_ok());
    if found.is_none() {
        left_out(
            "what taplo says of the files",
            "taplo is not here: pip install taplo, or cargo install taplo-cli",
        );
    }
    found
}

/// Which of these files taplo refuses, and all that it says.
fn refused(taplo: &Path, folder: &Path, files: &[PathBuf]) -> (BTreeSet<PathBuf>, String) {
    let done = Command::new(taplo)
        .args(["lint", "--no-auto-config", "--colors", "never"])
        .args(files)
        .current_dir(folder)
        .env("RUST_LOG", "error")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    let bad: BTreeSet<PathBuf> = files
        .iter()
        .filter(|file| said.contains(&format!("path={:?}", file.display().to_string())))
        .cloned()
        .collect();
    assert_eq!(done.status.success(), bad.is_empty(), "{said}");
    (bad, said)
}

#[test]
fn taplo_takes_every_shipped_file() {
    let Some(taplo) = taplo() else { return };
    let files: Vec<PathBuf> = shipped().into_iter().map(|(path, _)| path).collect();
    let (bad, said) = refused(&taplo, root(), &files);
    assert!(bad.is_empty(), "{said}");
}

struct Case {
    /// The stem that decides what kind of file it is.
    stem: String,
    text: String,
    /// What `check` says.
    good: bool,
}

fn case(stem: &str, text: &str) -> Case {
    let good = match stem {
        "config" => Config::parse(Path::new("config.toml"), text).is_ok(),
        _ => !compiled(stem, text).has_errors(),
    };
    Case {
        stem: stem.to_owned(),
        text: text.to_owned(),
        good,
    }
}

/// Puts each where its schema is found, and asks taplo.
fn asked(taplo: &Path, cases: &[Case]) -> (Vec<bool>, String) {
    let folder = tempfile::tempdir().unwrap();
    for (kind, schema) in kinds() {
        std::fs::write(
            folder.path().join(format!("{kind}.json")),
            schema.to_string(),
        )
        .unwrap();
    }
    let mut files = Vec::new();
    for (n, case) in cases.iter().enumerate() {
        let known = kinds().into_iter().find(|(kind, _)| *kind == case.stem);
        let kind = known.map_or("campaign", |(kind, _)| kind);
        let path = folder.path().join(format!("case{n:03}.toml"));
        std::fs::write(&path, format!("#:schema ./{kind}.json\n{}", case.text)).unwrap();
        files.push(path);
    }
    let (bad, said) = refused(taplo, folder.path(), &files);
    (files.iter().map(|file| !bad.contains(file)).collect(), said)
}

/// The manual's campaigns, and the broken files with what `check` says of each.
fn known_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for block in read("docs/campaigns.md").split("\n```toml").skip(1) {
        let (kind, rest) = block.split_once('\n').unwrap();
        let text = rest.split_once("\n```").unwrap().0;
        match kind.trim() {
            "" => cases.push(case("manual", text)),
            "part" => {}
            kind => cases.push(case(kind, text)),
        }
    }
    let broken = std::fs::read_dir(root().join("tests/files/broken")).unwrap();
    for path in broken.map(|entry| entry.unwrap().path()) {
        if path.extension().is_some_and(|e| e == "toml") {
            let stem = path.file_stem().unwrap().to_str().unwrap();
            let kind = stem.split_once('_').unwrap().0;
            cases.push(case(kind, &std::fs::read_to_string(&path).unwrap()));
        }
    }
    cases
}

#[test]
fn taplo_refuses_nothing_that_check_takes() {
    let Some(taplo) = taplo() else { return };
    let cases = known_cases();
    assert!(cases.len() > 40 && cases.iter().filter(|case| case.good).count() > 5);
    let (answers, said) = asked(&taplo, &cases);
    let mut refused = 0;
    for (case, taken) in cases.iter().zip(answers) {
        assert!(taken || !case.good, "{}\n{}\n{said}", case.stem, case.text);
        refused += usize::from(!taken);
    }
    assert!(
        refused > 15,
        "only {refused} of the broken files are seen to be so"
    );
}

#[test]
fn taplo_and_check_refuse_the_same_slips() {
    let Some(taplo) = taplo() else { return };
    let good = campaign_with(
        DAILY,
        "all = [{ tag = \"a\" }]",
        "wait = \"3d\"\nat = \"10:00\"",
    );
    // What stands in the file, and what somebody writes in its place.
    let slips = [
        ("name = \"C\"", "nmae = \"C\""),
        ("name = \"C\"", "name = 3"),
        ("name = \"C\"\n", ""),
        ("state = \"live\"", "state = \"alive\""),
        ("state = \"live\"", "state = true"),
        ("class = \"informational\"", "class = \"advertising\""),
        ("class = \"informational\"", "class = \"newsletter\""),
        ("cron = \"0 10 * * *\"", "cron = \"0 10 * *\""),
        (
            "cron = \"0 10 * * *\"",
            "cron = \"0 10 * * *\"\non = \"2026-12-01 10:00\"",
        ),
        (
            "cron = \"0 10 * * *\"",
            "cron = \"0 10 * * *\"\ntimezone = \"Asia/Soul\"",
        ),
        (
            "cron = \"0 10 * * *\"",
            "cron = \"0 10 * * *\"\nmissed = \"never\"",
        ),
        ("existing = \"skip\"", "existing = \"slowly\""),
        (
            "existing = \"skip\"",
            "existing = \"skip\"\nagain = \"sometimes\"",
        ),
        ("existing = \"skip\"", "existing = \"skip\"\nat_most = 0"),
        (
            "existing = \"skip\"",
            "existing = \"skip\"\nexit = { tag = \"b\" }",
        ),
        ("{ tag = \"a\" }", "{ tga = \"a\" }"),
        ("{ tag = \"a\" }", "{ tag = \"a\", event = \"Signed Up\" }"),
        ("{ tag = \"a\" }", "{ within = \"3d\" }"),
        (
            "{ tag = \"a\" }",
            "{ event = \"Signed Up\", within = \"3 days\" }",
        ),
        ("{ tag = \"a\" }", "{ event = \"Signed Up\", count = 3 }"),
        (
            "{ tag = \"a\" }",
            "{ event = \"Signed Up\", last = \"90d\" }",
        ),
        (
            "{ tag = \"a\" }",
            "{ event = \"Signed Up\", where = { price = \">= 3\" } }",
        ),
        (
            "{ tag = \"a\" }",
            "{ event = \"Signed Up\", where = { price = { over = 3 } } }",
        ),
        (
            "{ tag = \"a\" }",
            "{ event = \"Signed Up\", sum = \"total\" }",
        ),
        ("{ tag = \"a\" }", "{ attribute = \"plan\" }"),
        ("{ tag = \"a\" }", "{ attribute = \"plan\", in = [] }"),
        ("{ tag = \"a\" }", "{ message = \"hello\" }"),
        ("{ tag = \"a\" }", "{ message = \"hello\", was = \"seen\" }"),
        (
            "{ tag = \"a\" }",
            "{ preference = \"hours\", exists = true }",
        ),
        ("{ tag = \"a\" }", "{ not = [{ tag = \"a\" }] }"),
        ("{ tag = \"a\" }", "{ any = [] }"),
        ("[{ tag = \"a\" }]", "{ tag = \"a\" }"),
        ("[[step]]", "[step]"),
        ("id = \"hello\"", "id = \"hello there\""),
        ("id = \"hello\"\n", ""),
        ("template = \"welcome\"\n", ""),
        ("subject = \"s\"\n", ""),
        ("subject = \"s\"", "subject = \" \""),
        ("subject = \"s\"", "subject = { english = \"s\" }"),
        (
            "subject = \"s\"",
            "subject = \"s\"\nvariants = [{ weight = 2 }]",
        ),
        ("subject = \"s\"", "subject = \"s\"\nrecheck = \"no\""),
        ("subject = \"s\"", "subject = \"s\"\nexpires = \"0d\""),
        ("wait = \"3d\"", "wait = \"3d\"\nafter = \"3d\""),
        ("wait = \"3d\"", "until = { tag = \"a\" }"),
        ("wait = \"3d\"", "wait = \"3d\"\notherwise = \"exit\""),
        ("wait = \"3d\"", "wait = 3"),
        ("at = \"10:00\"", "at = \"10 o'clock\""),
        (
            "at = \"10:00\"",
            "at = \"10:00\"\n[limits]\ncaps = \"2 per 7d\"",
        ),
        (
            "at = \"10:00\"",
            "at = \"10:00\"\n[limits]\ncaps = [\"2 a week\"]",
        ),
        (
            "at = \"10:00\"",
            "at = \"10:00\"\n[limits]\nwindow = \"9 to 5\"",
        ),
        (
            "at = \"10:00\"",
            "at = \"10:00\"\n[trigger]\nevent = \"Signed Up\"",
        ),
    ];
    let mut cases = vec![case("c", &good)];
    for (what, instead) in slips {
        assert!(good.contains(what), "{what}");
        cases.push(case("c", &good.replacen(what, instead, 1)));
    }
    let settings = "[defaults]\ntimezone = \"Asia/Seoul\"\n[transport.main]\nkind = \"folder\"\n";
    cases.push(case("config", settings));
    let first = cases.len();
    for (what, instead) in [
        ("timezone = \"Asia/Seoul\"", "timezone = \"KST\""),
        ("timezone = \"Asia/Seoul\"", "timezon = \"Asia/Seoul\""),
        ("timezone = \"Asia/Seoul\"", "caps = \"1 per day\""),
        ("kind = \"folder\"", "kind = \"smpt\""),
        ("kind = \"folder\"", "kind = \"smtp\""),
        ("kind = \"folder\"", "kind = \"folder\"\nport = 25"),
        ("[defaults]", "[default]"),
        ("[defaults]", "[http]\nlisten = 8087\n[defaults]"),
        ("[defaults]", "[http.keys.a]\nmay = [\"track\"]\n[defaults]"),
        (
            "[defaults]",
            "[webhook.shop]\nplatform = \"shopify\"\n[defaults]",
        ),
        ("[defaults]", "[engine]\nrelay_faults = 0\n[defaults]"),
        ("[defaults]", "[events.A]\nonce_per = true\n[defaults]"),
        ("[defaults]", "[safety]\nat_once = \"a few\"\n[defaults]"),
    ] {
        assert!(settings.contains(what), "{what}");
        cases.push(case("config", &settings.replacen(what, instead, 1)));
    }
    cases.push(case(
        "topics",
        "[offers]\nname = \"Offers\"\ndefault = \"yes\"\n",
    ));
    cases.push(case("topics", "[offers]\ndescription = \"Offers\"\n"));
    cases.push(case(
        "segments",
        "[a]\nevent = \"Signed Up\"\ncuont = \">= 2\"\n",
    ));
    cases.push(case("tags", "[a]\nall = [{ known_for = \"30d\" }]\n"));
    let (answers, _) = asked(&taplo, &cases);
    let mut wrong = Vec::new();
    for (n, (case, taken)) in cases.iter().zip(answers).enumerate() {
        let meant = n == 0 || n + 1 == first;
        if case.good != meant || taken != meant {
            wrong.push(format!(
                "check takes it: {}, taplo takes it: {taken}\n{}",
                case.good, case.text
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n----\n"));
}
