//! Reads TOML by hand, key by key, and collects every problem with its place.
//!
//! Serde's derive stops at the first mistake and words it for programmers. Marketers and administrators need all of
//! them in one run, in plain words, with the nearest known name; so a reader asks for the keys it knows, each answer
//! is an `Option`, and whatever is wrong has been reported by then. Which keys a table knows is one constant beside
//! the code that reads it ([`Keys`]); the manual is checked against those constants.

mod canonical;
mod item;

use super::nearest::{nearest, suggest};
use super::problem::{Place, Problem, Severity};
use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::DeTable;

pub use canonical::canonical;
pub use item::Item;

/// The keys of one kind of table.
#[derive(Debug)]
pub struct Keys {
    /// How messages name the table: `[entry]`, `a step`.
    pub of: &'static str,
    pub known: &'static [&'static str],
    /// Keys of later releases, refused by that name.
    pub later: &'static [&'static str],
}

/// One file being read, and what is wrong with it so far.
pub struct Reader {
    file: String,
    text: Arc<str>,
    problems: RefCell<Vec<Problem>>,
}

impl Reader {
    /// `file` is the name that messages give.
    pub fn new(file: &str, text: &str) -> Reader {
        Reader {
            file: file.to_owned(),
            text: text.into(),
            problems: RefCell::default(),
        }
    }

    /// Parses the file and hands its top level to `read`. A file that is not TOML is one problem, and `None`.
    pub fn document<T>(
        &self,
        keys: &'static Keys,
        read: impl FnOnce(Table<'_>) -> Option<T>,
    ) -> Option<T> {
        let text = self.text.clone();
        let root = self.parse(&text)?;
        read(Table::new(self, keys, root.get_ref(), 0..0))
    }

    /// As [`Reader::document`], for a file whose top level holds the writer's own names.
    pub fn free_document(&self, read: impl FnOnce(&[Item<'_>])) {
        let text = self.text.clone();
        if let Some(root) = self.parse(&text) {
            read(&entries(self, root.get_ref()));
        }
    }

    fn parse<'t>(&self, text: &'t str) -> Option<Spanned<DeTable<'t>>> {
        match DeTable::parse(text) {
            Ok(root) => Some(root),
            Err(error) => {
                let span = error.span().unwrap_or(0..0);
                let (what, help) = plain_words(error.message());
                self.error(span, what, help);
                None
            }
        }
    }

    pub fn error(&self, span: Range<usize>, what: impl Into<String>, help: impl Into<String>) {
        self.report(Severity::Error, span, what.into(), help.into());
    }

    pub fn warn(&self, span: Range<usize>, what: impl Into<String>, help: impl Into<String>) {
        self.report(Severity::Warning, span, what.into(), help.into());
    }

    fn report(&self, severity: Severity, span: Range<usize>, what: String, help: String) {
        self.problems.borrow_mut().push(Problem {
            severity,
            file: self.file.clone(),
            place: Some(Place::of(&self.text, span)),
            what,
            help: (!help.is_empty()).then_some(help),
        });
    }

    /// Something wrong with another file that this one names, which makes this one unusable, too.
    pub fn add(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// Whether the file cannot be used.
    pub fn failed(&self) -> bool {
        self.problems.borrow().iter().any(Problem::is_error)
    }

    /// How many errors there are by now; a part of the file is good if reading it added none.
    pub fn errors(&self) -> usize {
        self.problems
            .borrow()
            .iter()
            .filter(|p| p.is_error())
            .count()
    }

    pub fn into_problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }
}

/// The parser's message for people who do not write programs.
fn plain_words(message: &str) -> (String, String) {
    let help = if message.contains("duplicate key") {
        "each key may stand once in its table; remove one of them"
    } else if message.contains("string") || message.contains("quote") {
        "texts stand in straight quotes, \"like this\", on one line"
    } else if message.contains("key with no value") || message.contains("expected `=`") {
        "each line is key = value"
    } else if message.contains("array") || message.contains(']') {
        "lists stand in [ ], their items parted by commas"
    } else if message.contains("inline table") || message.contains('}') {
        "tables in one line stand in { }, their entries parted by commas"
    } else {
        "texts stand in quotes, lists in [ ], tables in { } or under a [heading]"
    };
    (
        format!("this is not valid TOML: {message}"),
        help.to_owned(),
    )
}

/// One table, its unknown keys already reported.
#[derive(Clone)]
pub struct Table<'a> {
    reader: &'a Reader,
    keys: &'static Keys,
    /// `None`: absent, so empty.
    map: Option<&'a DeTable<'a>>,
    span: Range<usize>,
}

impl<'a> Table<'a> {
    fn new(
        reader: &'a Reader,
        keys: &'static Keys,
        map: &'a DeTable<'a>,
        span: Range<usize>,
    ) -> Table<'a> {
        for key in map.keys() {
            let name: &str = key.get_ref();
            if keys.known.contains(&name) {
                continue;
            }
            if keys.later.contains(&name) {
                reader.error(
                    key.span(),
                    format!("`{name}` comes in a later release"),
                    "remove it for now",
                );
            } else {
                reader.error(
                    key.span(),
                    format!("unknown key `{name}` in {}", keys.of),
                    suggest(name, keys.known.iter().copied()),
                );
            }
        }
        Table {
            reader,
            keys,
            map: Some(map),
            span,
        }
    }

    pub fn reader(&self) -> &'a Reader {
        self.reader
    }

    /// A table of that kind that says nothing, for reading defaults; its place is this table's.
    pub fn empty(&self, keys: &'static Keys) -> Table<'a> {
        Table {
            reader: self.reader,
            keys,
            map: None,
            span: self.span.clone(),
        }
    }

    /// Of the table's heading.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    pub fn has(&self, key: &str) -> bool {
        self.map.is_some_and(|map| map.contains_key(key))
    }

    pub fn get(&self, key: &str) -> Option<Item<'a>> {
        debug_assert!(
            self.keys.known.contains(&key),
            "`{key}` is not among the keys of {}",
            self.keys.of
        );
        let (key, value) = self.map?.get_key_value(key)?;
        Some(Item {
            reader: self.reader,
            name: key.get_ref(),
            key_span: (key.span().start, key.span().end),
            value,
        })
    }

    /// As [`Table::get`]; its absence is an error.
    pub fn required(&self, key: &str, help: &str) -> Option<Item<'a>> {
        let item = self.get(key);
        // One mistake, one message: a key that is there but misspelt has been reported as such.
        let unknown = self
            .map
            .into_iter()
            .flat_map(|map| map.keys())
            .filter(|name| !self.keys.known.contains(&name.get_ref().as_ref()));
        let misspelt = unknown
            .map(|name| nearest(name.get_ref(), self.keys.known.iter().copied()))
            .any(|near| near == Some(key));
        if item.is_none() && !misspelt {
            let what = if self.keys.of.is_empty() {
                format!("`{key}` is missing")
            } else {
                format!("`{key}` is missing in {}", self.keys.of)
            };
            self.reader.error(self.span(), what, help);
        }
        item
    }

    /// All entries from top to bottom.
    pub fn items(&self) -> Vec<Item<'a>> {
        self.map
            .map_or_else(Vec::new, |map| entries(self.reader, map))
    }
}

fn entries<'a>(reader: &'a Reader, map: &'a DeTable<'a>) -> Vec<Item<'a>> {
    let mut items: Vec<Item<'a>> = map
        .iter()
        .map(|(key, value)| Item {
            reader,
            name: key.get_ref(),
            key_span: (key.span().start, key.span().end),
            value,
        })
        .collect();
    items.sort_by_key(|item| item.key_span);
    items
}
