//! The room as a whole: the default file, and what settings need of one another.

use super::keys::ALL_TABLES;
use crate::config::Config;
use crate::config::settings::{DEFAULT_FILE, Engine, Retention, Safety};
use crate::config::transport::{TlsMode, TransportSettings};
use crate::domain::time::Span;
use std::path::{Path, PathBuf};

fn parse(text: &str) -> Result<Config, Vec<String>> {
    Config::parse(Path::new("/etc/shop/config.toml"), text)
        .map_err(|problems| problems.iter().map(|p| p.to_line()).collect())
}

#[test]
fn the_commented_file_says_exactly_the_defaults() {
    let config = parse(DEFAULT_FILE).unwrap();
    assert_eq!(config, parse("").unwrap());
    assert_eq!(config.warnings, []);
    assert_eq!(config.engine, Engine::default());
    assert_eq!(config.retention, Retention::default());
    assert_eq!(config.safety, Safety::default());
    assert!(config.is_rehearsal());
}

#[test]
fn every_key_stands_in_the_commented_file() {
    for keys in ALL_TABLES {
        for key in keys.known {
            let told = DEFAULT_FILE
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|word| word == *key);
            assert!(told, "`{key}` of {} is not in config.toml", keys.of);
        }
    }
}

/// What the comments of the default file offer must be right, too.
#[test]
fn the_commented_file_still_reads_with_its_examples_taken() {
    let folder = "[transport.main]\nkind = \"folder\"\npath = \"mail\"\n";
    assert!(DEFAULT_FILE.contains(folder));
    let taken: String = DEFAULT_FILE
        .replace(folder, "")
        .lines()
        .map(|line| {
            let example = line.strip_prefix("# ").filter(|rest| {
                rest.starts_with('[')
                    || rest.split_once('=').is_some_and(|(key, _)| {
                        key.trim()
                            .chars()
                            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
                    })
            });
            format!("{}\n", example.unwrap_or(line))
        })
        .collect();
    let config = parse(&taken).unwrap();
    let Some(TransportSettings::Smtp(smtp)) = config.transports.get("main") else {
        panic!("no smtp transport in {taken}");
    };
    assert_eq!(smtp.tls, TlsMode::Starttls);
    assert_eq!(smtp.port, 587);
    assert_eq!(smtp.timeouts, Default::default());
    assert_eq!(config.law.country.as_deref(), Some("KR"));
    assert_eq!(config.ceiling.caps.len(), 1);
    assert_eq!(
        config.admin.socket,
        PathBuf::from("/etc/shop/data/admin.sock")
    );
    assert!(config.sender.unsubscribe_mailto.is_some());
    assert_eq!(
        config.http.public_url.as_deref(),
        Some("https://mail.shop.example")
    );
    assert_eq!(config.shop().only_to.unwrap().len(), 1);
    assert_eq!(config.defaults.gap, Some(Span::hours(12)));
    let shown = format!("{config:?}");
    assert!(
        shown.contains("smtp-password"),
        "the file's name may be seen: {shown}"
    );
}

#[test]
fn paths_start_from_the_folder_of_the_file() {
    let config = parse("[store]\npath = \"/var/lib/reveille\"\n").unwrap();
    assert_eq!(config.campaigns, PathBuf::from("/etc/shop/campaigns"));
    assert_eq!(config.store.path, PathBuf::from("/var/lib/reveille"));
    assert_eq!(
        config.admin.socket,
        PathBuf::from("/var/lib/reveille/admin.sock")
    );
    assert_eq!(
        config.transports["main"],
        TransportSettings::Folder {
            path: "/etc/shop/mail".into()
        }
    );
    assert_eq!(config.default_transport(), Some("main"));
}

#[test]
fn windows_may_be_always_and_timings_milliseconds() {
    let config = parse(
        "[defaults]\nwindow = \"always\"\ncaps = []\n[engine]\ntick = \"5ms\"\nretry = [\"1ms\"]\n",
    )
    .unwrap();
    let shop = config.shop();
    assert!(shop.window.is_none() && shop.caps.is_empty());
    assert_eq!(config.engine.tick, Span::millis(5));
    assert_eq!(config.engine.retry, [Span::millis(1)]);
}

#[test]
fn what_policy_cannot_keep_and_what_has_no_effect_is_refused() {
    let config = parse("[engine]\nstart_within = \"2500ms\"\nclock_gap = \"1m\"\n").unwrap();
    assert_eq!(config.engine.start_within, Engine::START_WITHIN_MOST);
    assert_eq!(config.engine.clock_gap, Span::minutes(1));
    let text = "[engine]\ntick = \"1s\"\nstart_within = \"2501ms\"\n";
    let problems = Config::parse(Path::new("config.toml"), text).unwrap_err();
    assert_eq!(
        problems[0].to_line(),
        "config.toml:3:16: `start_within`: it is too long (at most 2.5s (\"2500ms\"): policy ends windows 5 s early, half of it is for the commit)"
    );
    // Each attempt sends the bytes of the first.
    let errors = parse("[retention]\nsent_copies = \"3d\"\n").unwrap_err();
    assert!(
        errors[0].contains("`sent_copies` is shorter than [engine] give_up (4d)"),
        "{errors:?}"
    );
    let shorter = "[retention]\nsent_copies = \"3d\"\n[engine]\ngive_up = \"3d\"\n";
    assert_eq!(parse(shorter).unwrap().engine.give_up, Span::days(3));
    let errors = parse("[engine]\ngive_up = \"31d\"\n").unwrap_err();
    assert!(errors[0].contains("at most 30d"), "{errors:?}");
    for key in ["queue", "batch"] {
        let errors = parse(&format!("[engine]\n{key} = 1000\n")).unwrap_err();
        assert!(
            errors[0].contains(&format!("unknown key `{key}`")),
            "{errors:?}"
        );
    }
}

#[test]
fn smtp_needs_a_sender_and_one_rule_for_recipients() {
    let relay = |name: &str, only: &str| {
        format!("[transport.{name}]\nkind = \"smtp\"\nhost = \"127.0.0.1\"\ntls = \"none\"\n{only}")
    };
    let errors = parse(&relay("main", "")).unwrap_err();
    assert!(
        errors[0].contains("`from` is missing in [sender]"),
        "{errors:?}"
    );
    let from = "[sender]\nfrom = \"a@shop.example\"\n";
    let config = parse(&format!("{from}{}", relay("out", ""))).unwrap();
    assert_eq!(config.default_transport(), Some("out"));
    assert!(!config.is_rehearsal());
    let two = format!(
        "{from}{}{}",
        relay("a", "only_to = [\"*@shop.example\"]\n"),
        relay("b", "")
    );
    let errors = parse(&two).unwrap_err();
    assert!(errors[0].contains("`only_to` differs"), "{errors:?}");
}

#[test]
fn a_file_that_is_not_there_or_not_text_is_one_problem() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    assert_eq!(Config::load(&path).unwrap_err().len(), 1);
    std::fs::write(&path, b"\xff\xfe").unwrap();
    assert!(Config::load(&path).unwrap_err()[0].what.contains("UTF-8"));
    std::fs::write(&path, "").unwrap();
    assert!(Config::load(&path).is_ok());
}
