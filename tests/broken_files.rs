//! What a marketer and an administrator see when a file is wrong: each broken file's messages, exactly.

use reveille::campaign::{Context, Loaded, Source, Sources, compile};
use reveille::config::Config;
use reveille::config::problem::{Problem, render_all};
use reveille::domain::address::EmailAddress;
use reveille::domain::id::{CampaignId, StaffName};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn context() -> Context {
    let config = Config::parse(Path::new("config.toml"), &text("config.toml")).unwrap();
    let mut context = Context::of(&config);
    let templates = ["welcome", "cart_reminder", "dormant"];
    context.templates = Some(templates.map(|name| (name.to_owned(), 1)).into());
    context.events_seen = ["Signed Up", "Order Completed", "Product Added"]
        .map(str::to_owned)
        .into();
    let crm = EmailAddress::parse("crm@shop.example").unwrap();
    context.shop.staff = [(StaffName::parse("crm").unwrap(), crm)].into();
    context
}

fn source(file: &str, text: String) -> Source {
    Source {
        file: file.to_owned(),
        text,
    }
}

/// The problems of one broken file, read beside the shipped topics and segments.
fn problems_of(stem: &str) -> Vec<Problem> {
    let broken = text(&format!("tests/files/broken/{stem}.toml"));
    if stem.starts_with("config") {
        return Config::parse(Path::new("config.toml"), &broken).unwrap_err();
    }
    let mut sources = Sources {
        campaigns: BTreeMap::new(),
        segments: Some(source(
            "campaigns/segments.toml",
            text("campaigns/segments.toml"),
        )),
        topics: Some(source(
            "campaigns/topics.toml",
            text("campaigns/topics.toml"),
        )),
        tags: None,
        data: BTreeMap::new(),
        coupons: None,
    };
    let (kind, _) = stem.split_once('_').unwrap();
    let file = source(&format!("campaigns/{kind}.toml"), broken);
    match kind {
        "segments" => sources.segments = Some(file),
        "topics" => sources.topics = Some(file),
        "tags" => sources.tags = Some(file),
        _ => {
            let id = CampaignId::parse(stem).unwrap();
            let file = source(&format!("campaigns/{stem}.toml"), file.text);
            sources.campaigns.insert(id, file);
        }
    }
    let loaded = compile(sources, &context());
    let usable = loaded.campaigns.values().all(Result::is_ok);
    let errors = loaded.problems.iter().any(Problem::is_error);
    if !loaded.campaigns.is_empty() {
        assert_eq!(
            usable, !errors,
            "{stem}: an error and only an error makes a campaign unusable"
        );
    }
    loaded.problems
}

fn stems() -> Vec<String> {
    let mut stems: Vec<String> = std::fs::read_dir(root().join("tests/files/broken"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    stems.sort();
    stems
}

#[test]
fn every_broken_file_says_what_a_person_needs_to_mend_it() {
    let stems = stems();
    assert!(stems.len() >= 25);
    insta::with_settings!({
        snapshot_path => "files/broken/snapshots",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        for stem in stems {
            let problems = problems_of(&stem);
            assert!(!problems.is_empty(), "{stem} is not broken");
            insta::assert_snapshot!(stem.clone(), render_all(&problems, false));
        }
    });
}

#[test]
fn every_problem_has_a_place_and_is_there_for_machines_too() {
    for stem in stems() {
        for problem in problems_of(&stem) {
            let json = problem.to_json();
            assert!(json["line"].as_u64().unwrap() >= 1, "{json}");
            assert!(json["column"].as_u64().unwrap() >= 1, "{json}");
            assert!(!json["what"].as_str().unwrap().is_empty());
            assert!(problem.to_line().starts_with("c"), "{}", problem.to_line());
        }
    }
}

fn load_folder(folder: &Path) -> Loaded {
    reveille::campaign::load(folder, &context())
}

#[test]
fn one_bad_file_never_stops_the_others() {
    let folder = tempfile::tempdir().unwrap();
    for file in [
        "welcome",
        "cart_reminder",
        "wake_dormant",
        "topics",
        "segments",
    ] {
        let name = format!("{file}.toml");
        std::fs::copy(
            root().join("campaigns").join(&name),
            folder.path().join(&name),
        )
        .unwrap();
    }
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("bad.toml", b"name = ");
    write("latin.toml", b"name = \"caf\xe9\"");
    write("two words.toml", b"name = \"x\"");
    write("coupons.toml", b"");
    write("huge.toml", &vec![b'#'; 2 << 20]);
    write(".hidden.toml", b"name = ");
    write("notes.txt", b"name = ");
    std::fs::create_dir(folder.path().join("old.toml")).unwrap();
    let loaded = load_folder(folder.path());
    let good: Vec<&str> = loaded.good().map(|c| c.id.as_str()).collect();
    assert_eq!(good, ["cart_reminder", "wake_dormant", "welcome"]);
    let files: Vec<&str> = loaded
        .problems
        .iter()
        .map(|p| p.file.rsplit('/').next().unwrap())
        .collect();
    assert_eq!(
        files,
        ["bad.toml", "huge.toml", "latin.toml", "two words.toml"]
    );
    assert!(loaded.campaigns[&CampaignId::parse("bad").unwrap()].is_err());

    let nowhere = load_folder(&folder.path().join("nowhere"));
    assert!(nowhere.campaigns.is_empty() && nowhere.problems.len() == 1);
}

#[test]
fn a_segment_that_is_wrong_breaks_those_campaigns_only_that_name_it() {
    let campaign = |condition: &str| {
        format!(
            "name = \"x\"\nstate = \"live\"\nclass = \"informational\"\n[audience]\n{condition}\n\
             [[step]]\nid = \"m\"\ntemplate = \"welcome\"\nsubject = \"s\"\n"
        )
    };
    let id = |text: &str| CampaignId::parse(text).unwrap();
    let compile_with = |segments: &str| {
        let campaigns = [
            ("uses", "segment = \"wrong\""),
            ("leads", "not = { segment = \"leads\" }"),
            ("free", "tag = \"vip\""),
        ];
        compile(
            Sources {
                campaigns: campaigns
                    .map(|(name, condition)| (id(name), source(name, campaign(condition))))
                    .into(),
                segments: Some(source("segments.toml", segments.to_owned())),
                topics: None,
                tags: None,
                data: BTreeMap::new(),
                coupons: None,
            },
            &context(),
        )
    };
    for broken in [
        "[wrong]\nevnt = \"Order Completed\"\n[leads]\nsegment = \"wrong\"\n",
        "[wrong\n",
    ] {
        let loaded = compile_with(broken);
        assert!(loaded.campaigns[&id("uses")].is_err(), "{broken}");
        assert!(loaded.campaigns[&id("leads")].is_err(), "{broken}");
        assert!(loaded.campaigns[&id("free")].is_ok(), "{broken}");
        assert!(loaded.segments.is_empty());
    }
    let loaded = compile_with("[wrong]\ntag = \"a\"\n[leads]\nsegment = \"wrong\"\n");
    assert!(!loaded.has_errors());
}

/// Files as editors of all kinds leave them, and files made to break a reader.
#[test]
fn odd_files_read_or_are_told() {
    let welcome = text("campaigns/welcome.toml");
    let deep = |open: &str, close: &str| {
        let inner = "{ tag = \"x\" }";
        format!(
            "name = \"x\"\nstate = \"live\"\nclass = \"informational\"\naudience = {}{inner}{}\n\
             [[step]]\nid = \"m\"\ntemplate = \"welcome\"\nsubject = \"s\"\n",
            open.repeat(20_000),
            close.repeat(20_000)
        )
    };
    let dotted = format!("name = \"x\"\n{} = 1\n", vec!["a"; 20_000].join("."));
    for (what, text, good) in [
        ("CRLF", welcome.replace('\n', "\r\n"), true),
        ("byte order mark", format!("\u{feff}{welcome}"), true),
        ("no last line end", welcome.trim_end().to_owned(), true),
        ("nothing", String::new(), false),
        ("deep lists", deep("{ any = [", "] }"), false),
        ("deep tables", deep("{ not = ", " }"), false),
        ("a long path", dotted, false),
        ("a null", format!("{welcome}\0"), false),
    ] {
        let sources = Sources {
            campaigns: [(CampaignId::parse("odd").unwrap(), source("odd.toml", text))].into(),
            ..Sources::default()
        };
        let loaded = compile(sources, &context());
        let shown = render_all(&loaded.problems, false);
        assert_eq!(loaded.good().count() == 1, good, "{what}: {shown:.400}");
        assert_eq!(loaded.problems.is_empty(), good, "{what}");
        assert!(shown.len() < 4_000, "{what}: {} bytes", shown.len());
    }
}
