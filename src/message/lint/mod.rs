//! Looking a finished mail over for what readers would stumble on, each finding with its place and what to do.
//!
//! The mail is looked at twice: as it leaves, for its size and its way to unsubscribe, and without tracking, for the links
//! as they were written. Nothing is fetched: whether a link leads anywhere is not known here.

mod body;
mod place;
mod subject;

use super::compose::Finished;
use super::templates::Templates;
use crate::config::problem::Severity;
use crate::domain::preference::Class;
use serde::{Deserialize, Serialize};

pub use body::{CLIPPED, NEARLY_CLIPPED};

/// One mail, and what is known of how it was made.
#[derive(Clone, Copy, Debug)]
pub struct Looked<'a> {
    /// As it leaves.
    pub finished: &'a Finished,
    /// The same without tracking.
    pub plain: &'a Finished,
    pub class: Class,
    pub templates: &'a Templates,
    /// Its name; a mail to staff has none.
    pub template: Option<&'a str>,
    pub locale: &'a str,
    /// The subject as the campaign's file has it.
    pub subject: &'a str,
    /// The sender's domain: links there are the shop's own, whatever it is called.
    pub domain: &'a str,
}

/// One thing that is wrong, or looks as if it were.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// `error` or `warning`.
    pub severity: String,
    /// What was looked for; a word for programs.
    pub rule: String,
    /// `subject`, `preheader`, `headers`, `html` or `text`.
    pub part: String,
    /// The file that it comes from, relative to the templates' folder, where that can be told; else the line is one of
    /// the part itself.
    pub file: Option<String>,
    pub line: Option<usize>,
    pub what: String,
    pub help: String,
}

impl Finding {
    fn new(severity: Severity, rule: &str, part: &str, what: String, help: &str) -> Finding {
        Finding {
            severity: severity.as_str().to_owned(),
            rule: rule.to_owned(),
            part: part.to_owned(),
            file: None,
            line: None,
            what,
            help: help.to_owned(),
        }
    }

    pub fn error(rule: &str, part: &str, what: impl Into<String>, help: &str) -> Finding {
        Finding::new(Severity::Error, rule, part, what.into(), help)
    }

    pub fn warning(rule: &str, part: &str, what: impl Into<String>, help: &str) -> Finding {
        Finding::new(Severity::Warning, rule, part, what.into(), help)
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error.as_str()
    }

    /// Where it stands: `dormant.ko.html.hbs:4`, `html:12`, `subject`.
    pub fn place(&self) -> String {
        let of = self.file.as_deref().unwrap_or(&self.part);
        match self.line {
            Some(line) => format!("{of}:{line}"),
            None => of.to_owned(),
        }
    }
}

/// All findings, errors first.
pub fn lint(mail: &Looked<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    subject::look(mail, &mut found);
    body::look(mail, &mut found);
    found.sort_by_key(|f| !f.is_error());
    found.dedup();
    found
}

/// What templates leave behind when something went wrong, and what it is.
const REMAINS: [(&str, &str); 6] = [
    ("{{", "a placeholder that was not filled in"),
    ("}}", "the end of a placeholder that was not filled in"),
    ("[object", "an object where a text was meant"),
    (
        "undefined",
        "the word of a script for a value that is absent",
    ),
    ("*|", "a placeholder of another mail program"),
    ("|*", "a placeholder of another mail program"),
];

/// The first of them that a text holds.
fn remains(text: &str) -> Option<(&'static str, &'static str)> {
    REMAINS
        .into_iter()
        .find(|(mark, _)| match mark.chars().all(char::is_alphabetic) {
            true => has_word(text, mark),
            false => text.contains(mark),
        })
}

fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        !letter(text[..at].chars().next_back()) && !letter(text[at + word.len()..].chars().next())
    })
}
