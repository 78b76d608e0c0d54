//! The order of the house, held by reading the code: a room uses those below it and never one above; the domain is
//! pure; only `clock.rs` reads a clock; modules are small, say what they do, and bear names of the trade.
//!
//! It reads tokens (`source/`), so that comments, texts and line breaks neither hide a path nor make one up, and paths
//! inside macros count too.

mod source;

use proc_macro2::{Delimiter, TokenTree};
use source::{Path, Source};

/// The rooms from the ground up. Those in one row stand side by side and don't know one another.
const FLOORS: [&[&str]; 10] = [
    &["domain"],
    &["clock"],
    &["config"],
    &["campaign", "store", "message", "transport"],
    &["engine"],
    &["report"],
    &["http"],
    &["daemon"],
    &["cli"],
    &["main"],
];

/// A module that cannot be held in mind is cut in two.
const LONG: usize = 450;

/// The files that are longer, how long they may be, and why they are one. An exception that is no longer needed fails.
const LONGER: [(&str, usize, &str); 2] = [
    (
        "src/domain/condition/evaluate_tests.rs",
        650,
        "a table of cases at the edges, read one by one",
    ),
    (
        "src/domain/schedule.rs",
        600,
        "half of it tests of one rule",
    ),
];

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

fn all() -> Vec<Source> {
    let sources = Source::all();
    assert!(sources.len() > 100, "the sources are not where they were");
    sources
}

fn none(what: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

/// Why this path may not stand in that room, if so.
fn upward(source: &Source, path: &Path) -> Option<String> {
    let target = match path.segments.first().map(String::as_str) {
        Some("crate" | "reveille") => path.segments.get(1)?,
        _ => return None,
    };
    let room = source.room();
    let (Some(from), Some(to)) = (floor(room), floor(target)) else {
        return (target != room).then(|| {
            format!("{target} is no room of DESIGN §3 (a name re-exported at the root hides where it comes from)")
        });
    };
    let why = match to.cmp(&from) {
        std::cmp::Ordering::Less => return None,
        std::cmp::Ordering::Equal if target == room => return None,
        std::cmp::Ordering::Equal => "stands beside it",
        std::cmp::Ordering::Greater => "stands above it",
    };
    Some(format!("{room} uses {target}, which {why}"))
}

#[test]
fn no_room_uses_one_above_or_beside_it() {
    let mut found = Vec::new();
    let mut uses = 0;
    for source in all().iter().filter(|source| source.room() != "lib") {
        if floor(source.room()).is_none() {
            found.push(format!(
                "{}: {} is no room of DESIGN §3",
                source.name,
                source.room()
            ));
        }
        for path in source.paths() {
            uses += usize::from(path.segments[0] == "crate");
            if let Some(why) = upward(source, &path) {
                found.push(format!("{}:{}: {why}", source.name, path.line));
            }
        }
    }
    assert!(
        uses > 300,
        "only {uses} paths were read: the reader is broken"
    );
    none("upward or sideways imports", found);
}

#[test]
fn an_upward_import_is_seen_however_it_is_written() {
    let seen = |name: &str, text: &str| -> usize {
        let source = Source::parse(name, text);
        let paths = source.paths();
        paths.iter().filter_map(|p| upward(&source, p)).count()
    };
    for bad in [
        "use crate::engine::Core;",
        "use crate :: engine\n::Core;",
        "use crate::{domain::id::CampaignId, engine::Core};",
        "use {crate::engine::Core};",
        "fn f() { crate::engine::start() }",
        "fn f() { println!(\"{}\", crate::engine::COUNT) }",
        "use super::super::engine::Core;",
        "use super::super::{domain, engine::Core};",
        "mod tests { use super::super::super::engine::Core; }",
        "use crate::message::Mail;",
        "pub(in crate::engine) fn f() {}",
        "use reveille::engine::Core;",
        "use crate::nowhere::Core;",
    ] {
        assert_eq!(seen("src/store/keys.rs", bad), 1, "{bad}");
    }
    for good in [
        "use crate::domain::id::CampaignId;",
        "use crate::store::port::Store;",
        "// crate::engine::Core\n/// [`crate::engine::Core`]\nfn f() { let _ = \"crate::engine\"; }",
        "use super::port::Store;",
        "use super::super::domain::id::CampaignId;",
        "mod tests { use super::super::port::Store; }",
        "pub(crate) fn f() {}",
    ] {
        assert_eq!(seen("src/store/keys.rs", good), 0, "{good}");
    }
    assert_eq!(
        seen("src/store/mod.rs", "use super::engine::Core;"),
        1,
        "a room's own mod.rs is one step below the root"
    );
}

#[test]
fn the_domain_is_pure() {
    // No I/O, no clock, no threads, no async, no randomness: DESIGN §3. Its tests may print and read a variable.
    let forbidden = |path: &Path| match path.segments[0].as_str() {
        "tokio" | "sled" | "lettre" | "axum" | "hyper" | "tracing" | "rustix" | "tempfile" => true,
        "std" | "core" => path.segments.get(1).is_some_and(|part| {
            [
                "fs", "io", "net", "process", "thread", "os", "time", "sync", "env",
            ]
            .contains(&part.as_str())
        }),
        _ => false,
    };
    // Shared, immutable parts of the rules are counted, and Arc is how.
    let harmless = |path: &Path| path.segments.join("::").starts_with("std::sync::Arc");
    let mut found = Vec::new();
    for source in all().iter().filter(|source| source.room() == "domain") {
        for path in source.paths() {
            if forbidden(&path) && !harmless(&path) && !path.in_tests {
                let name = path.segments.join("::");
                found.push(format!("{}:{}: {name}", source.name, path.line));
            }
        }
        found.extend(
            source
                .words("async")
                .map(|line| format!("{}:{line}: async", source.name)),
        );
    }
    none("the domain is to be pure", found);
}

#[test]
fn only_the_clock_reads_a_clock() {
    let mut found = Vec::new();
    for source in all().iter().filter(|source| source.name != "src/clock.rs") {
        let paths = source.paths();
        // tokio's Instant is a timer for deadlines, which tests pause; no decision is made by it.
        let timer = paths
            .iter()
            .any(|path| path.segments == ["tokio", "time", "Instant"]);
        for path in &paths {
            let parts: Vec<&str> = path.segments.iter().map(String::as_str).collect();
            let reads = match parts.as_slice() {
                [.., "tokio", "time", "Instant", "now"] => false,
                ["Instant", "now"] => !timer,
                [.., "SystemTime" | "Instant" | "Utc" | "Local", "now"] => true,
                _ => false,
            };
            if reads {
                found.push(format!(
                    "{}:{}: {}",
                    source.name,
                    path.line,
                    parts.join("::")
                ));
            }
        }
    }
    none("time is a parameter; these read a clock", found);
}

#[test]
fn every_module_says_what_it_does() {
    let found = Source::every()
        .iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| source.name.clone())
        .collect();
    none("these do not open with a //! comment", found);
}

#[test]
fn names_are_of_the_trade() {
    let vague = [
        "util", "utils", "helper", "helpers", "common", "manager", "misc",
    ];
    let found = Source::every()
        .iter()
        .filter(|source| source.module().iter().any(|part| vague.contains(&&**part)))
        .map(|source| source.name.clone())
        .collect();
    none("these names say nothing", found);
}

#[test]
fn imports_are_named() {
    let found = Source::every()
        .iter()
        .flat_map(|source| {
            source
                .star_imports()
                .into_iter()
                .map(|line| format!("{}:{line}", source.name))
        })
        .collect();
    none("star imports", found);
}

#[test]
fn a_star_is_seen_and_a_product_is_not() {
    let lines = |text: &str| {
        Source::parse("src/store/keys.rs", text)
            .star_imports()
            .len()
    };
    assert_eq!(lines("use super::*;"), 1);
    assert_eq!(lines("use a::{b::*, c::{d, *}};"), 2);
    assert_eq!(lines("fn f() { let _ = A::B * 2; let _ = { *x }; }"), 0);
    assert_eq!(lines("macro_rules! m { ($($x:expr),*) => { $($x),* } }"), 0);
}

#[test]
fn modules_can_be_held_in_mind() {
    let sources = all();
    let mut found = Vec::new();
    for source in &sources {
        let lines = source.text.lines().count();
        let (most, why) = LONGER
            .iter()
            .find(|(name, _, _)| *name == source.name)
            .map_or((LONG, String::new()), |(_, most, why)| {
                (*most, format!(" ({why})"))
            });
        if lines > most {
            let name = &source.name;
            found.push(format!(
                "{name}: {lines} lines, {most} at most: cut it in two{why}"
            ));
        }
    }
    for (name, _, _) in LONGER {
        let lines = sources
            .iter()
            .find(|source| source.name == name)
            .map_or(0, |source| source.text.lines().count());
        if lines <= LONG {
            found.push(format!(
                "{name}: {lines} lines need no exception in tests/rooms.rs; remove it"
            ));
        }
    }
    none("too long", found);
}

/// What the reader of tokens promises the tests above.
#[test]
fn groups_are_what_they_seem() {
    let source = Source::parse("src/store/keys.rs", "use a::{b::{c, d as e}, f};");
    let paths: Vec<String> = source
        .paths()
        .iter()
        .map(|path| path.segments.join("::"))
        .collect();
    assert_eq!(paths, ["a::b::c", "a::b::d", "a::f"]);
    let Some(TokenTree::Group(group)) = source.tokens().nth(4) else {
        panic!("no group");
    };
    assert_eq!(group.delimiter(), Delimiter::Brace);
}
