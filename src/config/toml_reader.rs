//! Reads TOML by hand, key by key, and collects every problem with its place.
//!
//! Serde's derive stops at the first mistake and words it for programmers. Marketers and administrators need all of
//! them in one run, in plain words, with the nearest known name; so a reader asks for the keys it knows, each answer
//! is an `Option`, and whatever is wrong has been reported by then. Which keys a table knows is one constant beside
//! the code that reads it ([`Keys`]); the manual is checked against those constants.

use super::nearest::{nearest, suggest};
use super::problem::{Place, Problem, Severity};
use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

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

/// One value with its key. In a list, the key is the list's.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    reader: &'a Reader,
    pub name: &'a str,
    key_span: (usize, usize),
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Item<'a> {
    pub fn reader(&self) -> &'a Reader {
        self.reader
    }

    pub fn span(&self) -> Range<usize> {
        self.value.span()
    }

    pub fn key_span(&self) -> Range<usize> {
        self.key_span.0..self.key_span.1
    }

    pub fn value(&self) -> &'a DeValue<'a> {
        self.value.get_ref()
    }

    /// An error at the value.
    pub fn error(&self, what: impl Into<String>, help: impl Into<String>) {
        self.reader.error(self.span(), what, help);
    }

    pub fn warn(&self, what: impl Into<String>, help: impl Into<String>) {
        self.reader.warn(self.span(), what, help);
    }

    fn wrong_kind(&self, wanted: &str, help: &str) {
        let found = match self.value() {
            DeValue::String(_) => "text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.error(
            format!("`{}` must be {wanted}; this is {found}", self.name),
            help,
        );
    }

    pub fn as_text(&self) -> Option<&'a str> {
        match self.value() {
            DeValue::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn is_table(&self) -> bool {
        matches!(self.value(), DeValue::Table(_))
    }

    pub fn text(&self) -> Option<&'a str> {
        if self.as_text().is_none() {
            self.wrong_kind("text", "put it in quotes");
        }
        self.as_text()
    }

    /// Text that `parse` understands; what it says against it is reported.
    pub fn parsed<T>(&self, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        // Parsers say "what is wrong; what to write": the second half is the help.
        let halves = |what: &str| match what.split_once("; ") {
            Some((what, help)) => (what.to_owned(), help.to_owned()),
            None => (what.to_owned(), String::new()),
        };
        let Some(text) = self.as_text() else {
            let help = match parse(self.written()) {
                Ok(_) => format!("put it in quotes: {} = \"{}\"", self.name, self.written()),
                Err(what) => halves(&what).1,
            };
            self.wrong_kind("text", &help);
            return None;
        };
        match parse(text) {
            Ok(value) => Some(value),
            Err(what) => {
                let (what, help) = halves(&what);
                self.error(format!("`{}`: {what}", self.name), help);
                None
            }
        }
    }

    /// The value as it stands in the file.
    pub fn written(&self) -> &'a str {
        let text: &'a str = &self.reader.text;
        text.get(self.span()).unwrap_or("")
    }

    pub fn flag(&self) -> Option<bool> {
        match self.value() {
            DeValue::Boolean(b) => Some(*b),
            _ => {
                self.wrong_kind("true or false, without quotes", "");
                None
            }
        }
    }

    /// A whole number from `low` to `high`.
    pub fn whole(&self, low: i64, high: i64) -> Option<i64> {
        let DeValue::Integer(number) = self.value() else {
            self.wrong_kind("a whole number, without quotes", "");
            return None;
        };
        let value = i64::from_str_radix(number.as_str(), number.radix()).ok();
        let inside = value.filter(|n| (low..=high).contains(n));
        if inside.is_none() {
            self.error(
                format!("`{}` must be from {low} to {high}", self.name),
                String::new(),
            );
        }
        inside
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&self, of: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = of.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let words: Vec<String> = of.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            let help = nearest(text, of.iter().map(|(word, _)| *word))
                .map_or(String::new(), |word| format!("did you mean \"{word}\"?"));
            self.error(
                format!(
                    "`{}` must be {}; this is {text:?}",
                    self.name,
                    one_of(&words)
                ),
                help,
            );
        }
        found.map(|(_, value)| *value)
    }

    pub fn table(&self, keys: &'static Keys) -> Option<Table<'a>> {
        match self.value() {
            DeValue::Table(map) => Some(Table::new(self.reader, keys, map, self.heading())),
            _ => {
                let help = format!("write it as {{ {} = ... }}", keys.known[0]);
                self.wrong_kind("a table", &help);
                None
            }
        }
    }

    /// What messages about the table as a whole point at: its key where it has one on the way, else its text.
    fn heading(&self) -> Range<usize> {
        let value = self.value.span();
        if self.key_span.0 >= value.start && self.key_span.1 <= value.end {
            return value;
        }
        if value.is_empty() {
            self.key_span()
        } else {
            value
        }
    }

    /// The entries of a table whose keys are the writer's own.
    pub fn entries(&self, help: &str) -> Option<Vec<Item<'a>>> {
        match self.value() {
            DeValue::Table(map) => Some(entries(self.reader, map)),
            _ => {
                self.wrong_kind("a table", help);
                None
            }
        }
    }

    pub fn list(&self, help: &str) -> Option<Vec<Item<'a>>> {
        match self.value() {
            DeValue::Array(items) => Some(
                items
                    .iter()
                    .map(|value| Item {
                        reader: self.reader,
                        name: self.name,
                        key_span: self.key_span,
                        value,
                    })
                    .collect(),
            ),
            _ => {
                self.wrong_kind("a list", help);
                None
            }
        }
    }

    /// A list of texts that `parse` understands; those that it doesn't are reported and left out.
    pub fn parsed_list<T>(
        &self,
        help: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let items = self.list(help)?;
        Some(
            items
                .iter()
                .filter_map(|item| item.parsed(&parse))
                .collect(),
        )
    }
}

/// `"a"`, `"b"` or `"c"`.
fn one_of(words: &[String]) -> String {
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// Appends a form of `value` that is the same however it is written (order of keys, spaces, comments, radix) and
/// differs where what it says differs.
pub fn canonical(value: &DeValue<'_>, out: &mut Vec<u8>) {
    fn tagged(out: &mut Vec<u8>, tag: u8, text: &str) {
        out.push(tag);
        out.extend((text.len() as u64).to_le_bytes());
        out.extend(text.as_bytes());
    }
    match value {
        DeValue::String(text) => tagged(out, b's', text),
        DeValue::Integer(n) => match i64::from_str_radix(n.as_str(), n.radix()) {
            Ok(n) => tagged(out, b'i', &n.to_string()),
            Err(_) => tagged(out, b'I', &n.to_string()),
        },
        DeValue::Float(n) => match n.as_str().parse::<f64>() {
            Ok(n) => tagged(out, b'f', &n.to_string()),
            Err(_) => tagged(out, b'F', n.as_str()),
        },
        DeValue::Boolean(b) => tagged(out, b'b', if *b { "1" } else { "0" }),
        DeValue::Datetime(at) => tagged(out, b'd', &at.to_string()),
        DeValue::Array(items) => {
            tagged(out, b'a', &items.len().to_string());
            items.iter().for_each(|item| canonical(item.get_ref(), out));
        }
        DeValue::Table(map) => {
            tagged(out, b't', &map.len().to_string());
            // The map is ordered by key.
            for (key, value) in map.iter() {
                tagged(out, b'k', key.get_ref());
                canonical(value.get_ref(), out);
            }
        }
    }
}
