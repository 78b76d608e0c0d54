//! What the dependencies may be, by deny.toml: their licences, their doubles, where they come from. It reads what
//! cargo says of them, so that no further program is needed to hold the rules.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rules() -> toml::Table {
    let text = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    text.parse().unwrap()
}

/// The packages that cargo names for this machine: first from what is at hand, else it may fetch what is missing.
fn packages() -> Vec<Value> {
    let host = host();
    let ask = |more: &[&str]| {
        Command::new(env!("CARGO"))
            .current_dir(root())
            .args(["metadata", "--format-version", "1", "--locked"])
            .args(["--filter-platform", &host])
            .args(more)
            .output()
            .unwrap()
    };
    let mut answer = ask(&["--offline"]);
    if !answer.status.success() {
        answer = ask(&[]);
    }
    let said = String::from_utf8_lossy(&answer.stderr);
    assert!(answer.status.success(), "cargo metadata: {said}");
    let mut all: Value = serde_json::from_slice(&answer.stdout).unwrap();
    let Value::Array(packages) = all["packages"].take() else {
        panic!("cargo metadata named no packages");
    };
    assert!(packages.len() > 100, "only {} packages", packages.len());
    packages
}

fn host() -> String {
    let said = Command::new("rustc").arg("-vV").output().unwrap();
    String::from_utf8(said.stdout)
        .unwrap()
        .lines()
        .find_map(|line| line.strip_prefix("host: ").map(String::from))
        .unwrap()
}

/// Whether an SPDX expression can be met by what is allowed, and which of it was used. `/` is how older packages
/// write OR. AND binds before OR (SPDX 2.3, annex D).
fn permitted(expression: &str, allowed: &BTreeSet<&str>, used: &mut BTreeSet<String>) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let holds = either(&words, &mut at, allowed, used);
    holds && at == words.len()
}

fn either(
    words: &[&str],
    at: &mut usize,
    allowed: &BTreeSet<&str>,
    used: &mut BTreeSet<String>,
) -> bool {
    let mut holds = both(words, at, allowed, used);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        holds |= both(words, at, allowed, used);
    }
    holds
}

fn both(
    words: &[&str],
    at: &mut usize,
    allowed: &BTreeSet<&str>,
    used: &mut BTreeSet<String>,
) -> bool {
    let mut holds = one(words, at, allowed, used);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        holds &= one(words, at, allowed, used);
    }
    holds
}

fn one(
    words: &[&str],
    at: &mut usize,
    allowed: &BTreeSet<&str>,
    used: &mut BTreeSet<String>,
) -> bool {
    if words.get(*at) == Some(&"(") {
        *at += 1;
        let holds = either(words, at, allowed, used);
        let closed = words.get(*at) == Some(&")");
        *at += 1;
        return holds && closed;
    }
    let Some(name) = words.get(*at) else {
        return false;
    };
    *at += 1;
    let mut name = (*name).to_owned();
    if words.get(*at) == Some(&"WITH") {
        name = format!("{name} WITH {}", words.get(*at + 1).unwrap_or(&""));
        *at += 2;
    }
    let holds = allowed.contains(name.as_str());
    if holds {
        used.insert(name);
    }
    holds
}

#[test]
fn every_licence_is_one_that_we_allow() {
    let rules = rules();
    let allowed: BTreeSet<&str> = rules["licenses"]["allow"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    let mut used = BTreeSet::new();
    let refused: Vec<String> = packages()
        .iter()
        .filter_map(|package| {
            let licence = package["license"].as_str().unwrap_or("");
            let (name, version) = (&package["name"], &package["version"]);
            (!permitted(licence, &allowed, &mut used))
                .then(|| format!("{name} {version}: \"{licence}\""))
        })
        .collect();
    assert!(refused.is_empty(), "not allowed by deny.toml: {refused:#?}");
    let idle: Vec<&str> = allowed
        .into_iter()
        .filter(|name| !used.contains(*name))
        .collect();
    assert!(
        idle.is_empty(),
        "allowed by deny.toml, needed by nobody: {idle:?}"
    );
}

#[test]
fn an_expression_is_read_as_spdx_means_it() {
    let allowed = BTreeSet::from(["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"]);
    let holds = |expression: &str| permitted(expression, &allowed, &mut BTreeSet::new());
    for good in [
        "MIT",
        "MIT/GPL-3.0",
        "GPL-3.0 OR MIT",
        "MIT AND ISC",
        "GPL-3.0 AND ISC OR MIT",
        "(GPL-3.0 OR MIT) AND ISC",
        "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
    ] {
        assert!(holds(good), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(MIT OR ISC) AND GPL-3.0",
        "Apache-2.0",
        "MIT ISC",
        "(MIT",
        "MIT AND",
    ] {
        assert!(!holds(bad), "{bad}");
    }
}

#[test]
fn every_double_is_known_and_comes_from_the_registry() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in packages() {
        let text = |key: &str| package[key].as_str().unwrap_or("").to_owned();
        versions
            .entry(text("name"))
            .or_default()
            .insert(text("version"));
        let from = text("source");
        assert!(
            text("name") == "reveille"
                || from == "registry+https://github.com/rust-lang/crates.io-index",
            "{} comes from {from:?}",
            text("name")
        );
    }
    let doubles: BTreeSet<String> = versions
        .iter()
        .filter(|(_, versions)| versions.len() > 1)
        .flat_map(|(name, versions)| {
            // Text order misplaces 0.9 and 0.10, so the newest is found by number.
            let newest = versions.iter().max_by_key(|version| numbers(version));
            let older = versions
                .iter()
                .filter(move |version| Some(*version) != newest);
            older.map(move |version| format!("{name}@{version}"))
        })
        .collect();
    let rules = rules();
    let known: BTreeSet<String> = rules["bans"]["skip"]
        .as_array()
        .unwrap()
        .iter()
        .map(|skip| skip["crate"].as_str().unwrap().to_owned())
        .collect();
    let fresh: Vec<_> = doubles.difference(&known).collect();
    assert!(
        fresh.is_empty(),
        "two versions of one crate, not named in deny.toml: {fresh:?}"
    );
    let gone: Vec<_> = known.difference(&doubles).collect();
    assert!(
        gone.is_empty(),
        "named as doubles in deny.toml, but no longer so: {gone:?}"
    );
}

fn numbers(version: &str) -> Vec<u64> {
    let plain = version.split(['+', '-']).next().unwrap_or("");
    plain
        .split('.')
        .map(|part| part.parse().unwrap_or(0))
        .collect()
}

#[test]
fn an_advisory_is_ignored_only_with_a_reason_and_only_while_it_matters() {
    let rules = rules();
    let names: BTreeSet<String> = packages()
        .iter()
        .map(|package| package["name"].as_str().unwrap_or("").to_owned())
        .collect();
    for advisory in rules["advisories"]["ignore"].as_array().unwrap() {
        let (id, reason) = (&advisory["id"], advisory["reason"].as_str().unwrap());
        let about = reason.split_whitespace().next().unwrap();
        assert!(
            names.contains(about),
            "{id}: {about} is no longer a dependency"
        );
        assert!(reason.len() > 60, "{id}: say why it does not concern us");
    }
}
