//! The examples of docs/import.md are read as it says.

use reveille::config::Config;
use reveille::config::problem::render_all;
use reveille::domain::id::EventName;
use reveille::domain::time::Timestamp;
use reveille::engine::intake::dates::Dates;
use reveille::engine::intake::{Counter, Options, Reading, Rows};
use std::collections::HashSet;

/// The words of a fence's first line, quotes kept together.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|w| !w.is_empty());
    words
}

fn options(flags: &[String]) -> Options {
    let mut options = Options::new(Reading::new(Timestamp(1_780_000_000_000)));
    let (mut dates, mut zone) = (None, None);
    for pair in flags.chunks(2) {
        let [flag, told] = pair else {
            panic!("{flags:?}");
        };
        match flag.as_str() {
            "--map" => {
                let (column, field) = told.split_once('=').unwrap();
                options.map.push((column.into(), field.into()));
            }
            "--event" => options.event = Some(EventName::parse(told).unwrap()),
            "--dates" => dates = Some(told.as_str()),
            "--zone" => zone = Some(told.parse().unwrap()),
            other => panic!("{other}"),
        }
    }
    options.reading.dates = Dates::new(dates, zone).unwrap();
    options
}

/// What stands in config.toml is good, by itself.
fn settings(text: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    if let Err(problems) = Config::load(&path) {
        panic!("{}", render_all(&problems, false));
    }
}

#[test]
fn the_examples_of_the_page_are_read_as_it_says() {
    let page = include_str!("../docs/import.md");
    let mut blocks: Vec<(Vec<String>, String)> = Vec::new();
    for (i, part) in page.split("```").enumerate() {
        if i % 2 == 1 {
            let (head, body) = part.split_once('\n').unwrap();
            blocks.push((words(head), body.to_owned()));
        }
    }
    let (mut good, mut refused) = (0, 0);
    for (i, (head, body)) in blocks.iter().enumerate() {
        let (kind, rest) = head.split_first().unwrap();
        if kind == "text" {
            continue;
        }
        if kind == "toml" {
            settings(body);
            continue;
        }
        let is_refused = rest.first().is_some_and(|w| w == "refused");
        let flags = if is_refused { &rest[1..] } else { rest };
        let rows: Vec<_> = Rows::open(body.as_bytes(), options(flags))
            .unwrap_or_else(|e| panic!("{e}\n{body}"))
            .collect();
        assert!(!rows.is_empty());
        if is_refused {
            let told: Vec<String> = rows
                .iter()
                .map(|(_, r)| r.as_ref().unwrap_err().to_string())
                .collect();
            assert_eq!(blocks[i + 1].0, ["text", "told"]);
            assert_eq!(told.join("\n"), blocks[i + 1].1.trim_end());
            refused += rows.len();
        } else {
            let (mut counter, mut seen) = (Counter::new(), HashSet::new());
            for (_, row) in rows {
                let row = row.unwrap_or_else(|e| panic!("{e}\n{body}"));
                assert!(seen.insert(counter.identify(&[0; 16], &row.customer, &row.identity)));
                good += 1;
            }
        }
    }
    assert_eq!((good, refused), (14, 4), "blocks went unread");
}
