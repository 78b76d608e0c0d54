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
