//! Rows of a file, one after the other: JSON Lines or a table, told apart by name or first byte.

use super::csv::{self, Record, Records};
use super::json;
use super::lines::Lines;
use super::mapping::{Mapping, Table};
use super::{Inbound, RAW_LIMIT, ROW_LIMIT, Reading, RowError};
use crate::domain::id::EventName;
use std::fmt;
use std::io::BufRead;
use std::path::Path;

/// What a file is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    JsonLines,
    Csv,
}

impl Kind {
    /// By the extension, where it is a known one.
    pub fn of_path(path: &Path) -> Option<Kind> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "jsonl" | "ndjson" | "json" => Some(Kind::JsonLines),
            "csv" | "tsv" => Some(Kind::Csv),
            _ => None,
        }
    }
}

/// How a file is to be read.
#[derive(Clone, Debug)]
pub struct Options {
    pub reading: Reading,
    /// `None`: a file that begins with `{` is JSON Lines, any other a table.
    pub kind: Option<Kind>,
    /// `None`: told by its columns.
    pub table: Option<Table>,
    /// Column and field, as with `--map column=field`.
    pub map: Vec<(String, String)>,
    /// The name of all events of a table without a column for it.
    pub event: Option<EventName>,
}

impl Options {
    pub fn new(reading: Reading) -> Options {
        Options {
            reading,
            kind: None,
            table: None,
            map: Vec::new(),
            event: None,
        }
    }
}

/// A file that can't be read at all; the text says why and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenError(pub String);

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}

/// The rows of a file, with the line on which each begins. Blank lines are passed over; after a [`RowError`] that is not
/// `fatal` the next row follows.
pub struct Rows<R> {
    source: Source<R>,
    reading: Reading,
    done: bool,
}

enum Source<R> {
    Json {
        lines: Lines<R>,
        line: Vec<u8>,
    },
    Table {
        records: Box<Records<R>>,
        mapping: Mapping,
        header: Vec<u8>,
    },
}

impl<R: BufRead> Rows<R> {
    /// Looks at the file's first bytes and, in a table, at its header.
    pub fn open(reader: R, options: Options) -> Result<Rows<R>, OpenError> {
        let mut lines = Lines::new(reader);
        let failed = |e: std::io::Error| OpenError(format!("the file can't be read: {e}"));
        let start = lines.peek().map_err(failed)?;
        if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
            return Err(OpenError(
                "the file is UTF-16; save it as UTF-8 (in a spreadsheet: \"CSV UTF-8\")".to_owned(),
            ));
        }
        if start.starts_with(b"\x1f\x8b") || start.starts_with(b"PK\x03\x04") {
            return Err(OpenError(
                "the file is packed; unpack it first (a spreadsheet: save it as \"CSV UTF-8\")"
                    .to_owned(),
            ));
        }
        let body = start
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(start)
            .trim_ascii_start();
        let kind = options.kind.unwrap_or(match body.first() {
            Some(b'{' | b'[') | None => Kind::JsonLines,
            Some(_) => Kind::Csv,
        });
        if kind == Kind::JsonLines && body.first() == Some(&b'[') {
            return Err(OpenError("the file is one JSON list; write one object a line, without commas between (jq -c '.[]' does it)".to_owned()));
        }
        let source = match kind {
            Kind::JsonLines => Source::Json {
                lines,
                line: Vec::new(),
            },
            Kind::Csv => open_table(lines, &options)?,
        };
        Ok(Rows {
            source,
            reading: options.reading,
            done: false,
        })
    }

    /// Bytes of the file taken so far, for a progress bar.
    pub fn bytes_read(&self) -> u64 {
        match &self.source {
            Source::Json { lines, .. } => lines.bytes(),
            Source::Table { records, .. } => records.lines().bytes(),
        }
    }

    /// How a table's columns were understood; displays as a summary.
    pub fn mapping(&self) -> Option<&Mapping> {
        match &self.source {
            Source::Json { .. } => None,
            Source::Table { mapping, .. } => Some(mapping),
        }
    }

    /// A table's header as it stood: the first line of a file of bad rows.
    pub fn header(&self) -> Option<&[u8]> {
        match &self.source {
            Source::Json { .. } => None,
            Source::Table { header, .. } => Some(header),
        }
    }

    fn unreadable(
        &mut self,
        line: u64,
        error: &std::io::Error,
    ) -> (u64, Result<Inbound, RowError>) {
        self.done = true;
        let text = format!("the file can't be read further: {error}");
        (
            line,
            Err(RowError {
                line,
                text,
                raw: Vec::new(),
                fatal: true,
            }),
        )
    }
}

fn open_table<R: BufRead>(lines: Lines<R>, options: &Options) -> Result<Source<R>, OpenError> {
    let mut lines = lines;
    let mut header = Vec::new();
    loop {
        let more = lines.next_into(&mut header);
        if !more.map_err(|e| OpenError(format!("the file can't be read: {e}")))? {
            return Err(OpenError(
                "the file is empty; a table needs a header".to_owned(),
            ));
        }
        if !header.trim_ascii().is_empty() {
            break;
        }
    }
    let delimiter = csv::delimiter(&header);
    // A heading may be quoted: it is split as any record is.
    let mut first = Records::new(Lines::new(header.as_slice()), delimiter);
    let problem = match first.read() {
        Ok(Record::Good) => None,
        Ok(Record::Bad(text)) => Some(text),
        Ok(Record::End) | Err(_) => Some("it is empty".to_owned()),
    };
    if let Some(problem) = problem {
        return Err(OpenError(format!(
            "line {}, the header: {problem}",
            lines.number()
        )));
    }
    let headings: Option<Vec<String>> = first
        .fields()
        .map(|f| f.map(|f| f.trim().to_owned()))
        .collect();
    let Some(headings) = headings else {
        return Err(OpenError(
            "the header is not UTF-8; save the file as \"CSV UTF-8\"".to_owned(),
        ));
    };
    let event = options.event.as_ref().map(EventName::as_str);
    let mapping = Mapping::of(&headings, &options.map, options.table, event).map_err(OpenError)?;
    Ok(Source::Table {
        records: Box::new(Records::new(lines, delimiter)),
        mapping,
        header,
    })
}

impl<R: BufRead> Iterator for Rows<R> {
    type Item = (u64, Result<Inbound, RowError>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        match &mut self.source {
            Source::Json { lines, line } => {
                loop {
                    match lines.next_into(line) {
                        Ok(true) if line.trim_ascii().is_empty() => {}
                        Ok(true) => break,
                        Ok(false) => return None,
                        Err(e) => {
                            let number = lines.number() + 1;
                            return Some(self.unreadable(number, &e));
                        }
                    }
                }
                let read = json::read_row(line, &self.reading);
                Some(row(lines.number(), read, line))
            }
            Source::Table {
                records, mapping, ..
            } => loop {
                let read = match records.read() {
                    Ok(Record::End) => return None,
                    // What spreadsheets leave behind a table.
                    Ok(Record::Good) if records.fields().all(|f| f.is_some_and(str::is_empty)) => {
                        continue;
                    }
                    Ok(Record::Good) => {
                        let count = records.fields().count();
                        csv::read_record(records.fields(), count, mapping, &self.reading)
                    }
                    Ok(Record::Bad(text)) => Err(text),
                    Err(e) => {
                        let number = records.lines().number() + 1;
                        return Some(self.unreadable(number, &e));
                    }
                };
                return Some(row(records.first_line(), read, records.raw()));
            },
        }
    }
}

fn row(line: u64, read: Result<Inbound, String>, raw: &[u8]) -> (u64, Result<Inbound, RowError>) {
    let read = read.map_err(|mut text| {
        if raw.len() >= RAW_LIMIT {
            text.push_str(" (its first MB is kept)");
        }
        RowError {
            line,
            text,
            raw: raw.to_vec(),
            fatal: false,
        }
    });
    (line, read)
}

const _: () = assert!(RAW_LIMIT > ROW_LIMIT);
