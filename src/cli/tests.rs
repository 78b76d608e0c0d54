//! The whole surface: every verb parses, has an example, and prints within a terminal.

use super::Cli;
use super::screen::{grouped, plain};
use super::table::{clipped, width};
use super::way::query;
use clap::CommandFactory;

#[test]
fn the_commands_are_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn every_verb_shows_an_example() {
    fn look(command: &mut clap::Command, path: &str) {
        let name = format!("{path} {}", command.get_name());
        if command.get_subcommands().next().is_none() {
            let help = command.render_long_help().to_string();
            assert!(help.contains("Example"), "{name} shows no example");
            assert!(help.contains("reveille "), "{name} shows no example");
        }
        for verb in command.get_subcommands_mut() {
            look(verb, &name);
        }
    }
    look(&mut Cli::command(), "");
}

#[test]
fn what_stands_below_a_help_is_broken_into_lines_by_nobody_else() {
    fn look(command: &clap::Command, path: &str) {
        let name = format!("{path} {}", command.get_name());
        let below = command.get_after_help().map(ToString::to_string);
        for line in below.unwrap_or_default().lines() {
            assert!(width(line) <= 100, "{name}: {line}");
        }
        for verb in command.get_subcommands() {
            look(verb, &name);
        }
    }
    look(&Cli::command(), "");
}

#[test]
fn queries_are_encoded() {
    let path = query(
        "/log",
        &[("a", Some("x&y=z/ 값")), ("b", None), ("c", Some("1"))],
    );
    assert_eq!(path, "/log?a=x%26y%3Dz%2F%20%EA%B0%92&c=1");
    assert!(path.parse::<axum::http::Uri>().is_ok());
}

#[test]
fn texts_fit_their_columns() {
    assert_eq!(width("값ab"), 4);
    assert_eq!(clipped("값값값", 5), "값값…");
    assert_eq!(clipped("short", 5), "short");
    assert_eq!(plain("a\u{1b}[31m\nb"), "a\u{fffd}[31m\nb");
    assert_eq!(grouped(1_234_567), "1,234,567");
    assert_eq!(grouped(12), "12");
}
