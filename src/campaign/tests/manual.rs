//! docs/campaigns.md, in English and in Korean, against the reader: every key is named, every example reads.

use super::{SHIPPED, STEP, context, source, sources, with};
use crate::campaign::keys::ALL_TABLES;
use crate::campaign::{Loaded, compile};
use crate::config::problem::render_all;

const MANUALS: [(&str, &str); 2] = [
    (
        "docs/campaigns.md",
        include_str!("../../../docs/campaigns.md"),
    ),
    (
        "docs/campaigns.ko.md",
        include_str!("../../../docs/campaigns.ko.md"),
    ),
];

/// The blocks of TOML in the manual, with the word that follows "toml".
fn examples(manual: &'static str) -> Vec<(&'static str, &'static str)> {
    manual
        .split("\n```toml")
        .skip(1)
        .map(|block| {
            let (kind, rest) = block.split_once('\n').unwrap();
            (kind.trim(), rest.split_once("\n```").unwrap().0)
        })
        .collect()
}

#[test]
fn the_manual_names_every_key_and_its_examples_read() {
    let [english, korean] = MANUALS.map(|(_, manual)| examples(manual).len());
    assert_eq!(english, korean, "each example stands in both");
    for (file, manual) in MANUALS {
        check(file, manual);
    }
}

/// The lines of a list below a heading, up to the next.
fn list_under(manual: &'static str, heading: &str) -> Vec<&'static str> {
    let (_, section) = manual.split_once(heading).unwrap();
    let section = section.split("\n## ").next().unwrap();
    section
        .lines()
        .filter_map(|line| line.strip_prefix("- "))
        .collect()
}

/// The bare word says nothing: another table may have that key today.
#[test]
fn the_manual_names_each_key_that_comes_later_with_its_table() {
    let later = ALL_TABLES.iter().flat_map(|keys| {
        let of = keys.of;
        keys.later.iter().map(move |key| (*key, of))
    });
    let later: Vec<(&str, &str)> = later.collect();
    let [english, korean] = MANUALS.map(|(_, manual)| manual);
    let listed = list_under(english, "\n## What comes later\n");
    let mut wanted: Vec<String> = (later.iter())
        .map(|(key, of)| format!("`{key}` of {of}"))
        .collect();
    wanted.sort();
    assert_eq!(listed, wanted);
    let listed = list_under(korean, "\n## 나중에 오는 것\n");
    assert_eq!(listed.len(), later.len(), "{listed:#?}");
    for (key, _) in &later {
        let many = |found: bool| usize::from(found);
        let here: usize = (listed.iter())
            .map(|line| many(line.contains(&format!("`{key}`"))))
            .sum();
        let there: usize = later.iter().map(|(other, _)| many(other == key)).sum();
        assert_eq!(here, there, "{key}: {listed:#?}");
    }
}

#[test]
fn the_manual_names_every_schema_that_is_written() {
    let [english, _] = MANUALS.map(|(_, manual)| manual);
    let line = english
        .lines()
        .find(|line| line.starts_with("reveille schema --write"))
        .unwrap();
    for (kind, _) in crate::campaign::schema::KINDS {
        assert!(line.contains(&format!("{kind}.json")), "{kind}: {line}");
    }
}

fn check(file: &str, manual: &'static str) {
    for keys in ALL_TABLES {
        for key in keys.known.iter().chain(keys.later) {
            let told = manual.contains(&format!("`{key}`")) || manual.contains(&format!("[{key}]"));
            assert!(told, "`{key}` of {} is not in {file}", keys.of);
        }
    }
    let examples = examples(manual);
    assert!(examples.len() > 8);
    let pools = examples
        .iter()
        .find(|(kind, _)| *kind == "coupons")
        .copied();
    for (kind, text) in examples {
        let loaded: Loaded = match kind {
            "segments" => {
                let mut sources = sources(&[]);
                sources.segments = Some(source("segments", text));
                compile(sources, &context())
            }
            "topics" => {
                let mut sources = sources(&[]);
                sources.topics = Some(source("topics", text));
                compile(sources, &context())
            }
            "tags" => {
                let mut sources = sources(&[]);
                sources.tags = Some(source("tags", text));
                compile(sources, &context())
            }
            "coupons" => {
                let mut sources = sources(&[]);
                sources.coupons = Some(source("coupons", text));
                let loaded = compile(sources, &context());
                assert!(!loaded.pools.is_empty());
                loaded
            }
            "part" => {
                let mut whole = with(text);
                let has = |table: &str| text.contains(table);
                if has("[schedule]") {
                    whole.push_str("\n[audience]\ntag = \"a\"\n[entry]\nexisting = \"skip\"\n");
                } else if !has("[trigger]") && !has("[entry]") {
                    whole.push_str("\n[trigger]\nevent = \"Signed Up\"\n");
                }
                if !has("[[step]]") {
                    whole.push_str(STEP);
                }
                let mut sources = sources(&[("c", &whole), SHIPPED[2]]);
                sources.coupons = pools.map(|(_, text)| source("coupons", text));
                compile(sources, &context())
            }
            _ => compile(sources(&[("c", text), SHIPPED[2]]), &context()),
        };
        assert!(
            loaded.problems.is_empty(),
            "{text}\n{}",
            render_all(&loaded.problems, false)
        );
    }
}
