//! One value of a file, and the ways to take it: each reports what is wrong and then answers `None`.

use super::{Keys, Reader, Table, entries};
use crate::config::nearest::nearest;
use std::ops::Range;
use toml::Spanned;
use toml::de::DeValue;

/// One value with its key. In a list, the key is the list's.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    pub(super) reader: &'a Reader,
    pub name: &'a str,
    pub(super) key_span: (usize, usize),
    pub(super) value: &'a Spanned<DeValue<'a>>,
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

    /// A list of texts that `parse` understands; each that it doesn't is reported.
    pub fn parsed_list<T>(
        &self,
        help: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let items = self.list(help)?;
        // All are read before one that is wrong spoils the list.
        let read: Vec<Option<T>> = items.iter().map(|item| item.parsed(&parse)).collect();
        read.into_iter().collect()
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
