//! Tables: CSV with a header, of customers or of events (RFC 4180, as spreadsheets write it: comma, semicolon or tab).
//!
//! Records are put together line by line and split by `csv-core`, not read ahead by a whole-file reader: so a quote that
//! is never closed costs the row in which it stands and not the rest of the file, and memory stays bounded.

use super::identity::canonical;
use super::json::{check_message_id, too_long};
use super::lines::Lines;
use super::mapping::{Field, Mapping, Table};
use super::parse::whole;
use super::{Identity, Inbound, PROPERTY_LIMIT, ROW_LIMIT, Reading, What, not_before_1990, traits};
use crate::domain::id::{CustomerId, EventName};
use crate::domain::value::{Properties, Value};
use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};
use std::collections::VecDeque;
use std::io::{self, BufRead};

/// Splits a file into records.
pub(super) struct Records<R> {
    lines: Lines<R>,
    splitter: Reader,
    /// Lines that were read for a record whose quote never closed, to be read anew.
    held: VecDeque<(u64, Vec<u8>)>,
    fields: Vec<u8>,
    ends: Vec<usize>,
    count: usize,
    raw: Vec<u8>,
    first_line: u64,
}

/// How a record was read.
pub(super) enum Record {
    Good,
    Bad(String),
    End,
}

impl<R: BufRead> Records<R> {
    pub fn new(lines: Lines<R>, delimiter: u8) -> Records<R> {
        Records {
            lines,
            splitter: ReaderBuilder::new()
                .delimiter(delimiter)
                .terminator(Terminator::Any(b'\n'))
                .build(),
            held: VecDeque::new(),
            fields: vec![0; ROW_LIMIT + 1],
            ends: vec![0; PROPERTY_LIMIT + 1],
            count: 0,
            raw: Vec::new(),
            first_line: 0,
        }
    }

    pub fn lines(&self) -> &Lines<R> {
        &self.lines
    }

    /// The line on which the record read last began.
    pub fn first_line(&self) -> u64 {
        self.first_line
    }

    /// The record read last, as it stood.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The fields of the record read last; `None` for a field that is not UTF-8.
    pub fn fields(&self) -> impl Iterator<Item = Option<&str>> {
        (0..self.count).map(|i| {
            let start = if i == 0 { 0 } else { self.ends[i - 1] };
            std::str::from_utf8(&self.fields[start..self.ends[i]]).ok()
        })
    }

    fn next_line(&mut self, line: &mut Vec<u8>) -> io::Result<Option<u64>> {
        if let Some((number, held)) = self.held.pop_front() {
            *line = held;
            return Ok(Some(number));
        }
        Ok(self.lines.next_into(line)?.then(|| self.lines.number()))
    }

    pub fn read(&mut self) -> io::Result<Record> {
        self.splitter.reset();
        self.raw.clear();
        self.count = 0;
        let mut filled = 0;
        let mut line = Vec::new();
        let mut more: Vec<(u64, Vec<u8>)> = Vec::new();
        loop {
            let Some(number) = self.next_line(&mut line)? else {
                if self.raw.is_empty() {
                    return Ok(Record::End);
                }
                return Ok(self.unclosed(more));
            };
            if self.raw.is_empty() {
                if line.trim_ascii().is_empty() {
                    continue;
                }
                self.first_line = number;
                if line.len() > ROW_LIMIT {
                    std::mem::swap(&mut self.raw, &mut line);
                    return Ok(Record::Bad(too_long()));
                }
                self.raw.extend_from_slice(&line);
            } else {
                more.push((number, line.clone()));
                if self.raw.len() + line.len() >= ROW_LIMIT {
                    return Ok(self.unclosed(more));
                }
                self.raw.push(b'\n');
                self.raw.extend_from_slice(&line);
            }
            line.push(b'\n');
            let (result, _, wrote, ended) = self.splitter.read_record(
                &line,
                &mut self.fields[filled..],
                &mut self.ends[self.count..],
            );
            filled += wrote;
            self.count += ended;
            match result {
                ReadRecordResult::Record => return Ok(Record::Good),
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => return Ok(Record::Bad(too_long())),
                ReadRecordResult::OutputEndsFull => {
                    return Ok(Record::Bad(format!(
                        "the row has more than {PROPERTY_LIMIT} fields"
                    )));
                }
                ReadRecordResult::End => return Ok(Record::End),
            }
        }
    }

    /// Gives the lines after the first one back.
    fn unclosed(&mut self, more: Vec<(u64, Vec<u8>)>) -> Record {
        for line in more.into_iter().rev() {
            self.held.push_front(line);
        }
        let first = self.raw.iter().position(|b| *b == b'\n');
        self.raw.truncate(first.unwrap_or(self.raw.len()));
        Record::Bad(
            "a quote (\") opened in this row is not closed; write \"\" for a quote within quotes"
                .to_owned(),
        )
    }
}

/// The delimiter that stands most often in the header, outside quotes; the comma if there is none.
pub(super) fn delimiter(header: &[u8]) -> u8 {
    let count = |delimiter: u8| {
        let mut quoted = false;
        let outside = |b: &&u8| {
            quoted ^= **b == b'"';
            !quoted && **b == delimiter
        };
        header.iter().filter(outside).count()
    };
    let all = [b',', b';', b'\t'].map(|d| (count(d), d));
    let most = all.iter().rev().max_by_key(|(n, _)| *n);
    most.filter(|(n, _)| *n > 0).map_or(b',', |(_, d)| *d)
}

/// Understands one record.
pub(super) fn read_record<'a>(
    fields: impl Iterator<Item = Option<&'a str>>,
    count: usize,
    mapping: &Mapping,
    reading: &Reading,
) -> Result<Inbound, String> {
    if count != mapping.columns.len() {
        return Err(format!(
            "the row has {count} fields, the header {}",
            mapping.columns.len()
        ));
    }
    let (mut customer, mut event, mut time, mut message_id) = (None, None, None, None);
    let mut told = Properties::new();
    for ((heading, field), cell) in mapping.columns.iter().zip(fields) {
        let Some(cell) = cell else {
            return Err(format!(
                "column {heading} is not UTF-8; save the file as \"CSV UTF-8\""
            ));
        };
        let cell = cell.trim();
        match field {
            Field::Ignored => {}
            _ if cell.is_empty() => {}
            Field::Customer => customer = Some(cell),
            Field::Event => event = Some(cell),
            Field::Time => time = Some((heading, cell)),
            Field::MessageId => message_id = Some(cell),
            Field::Named(name) => {
                told.insert(name.clone(), value_of(name, cell));
            }
        }
    }
    let customer = CustomerId::parse(customer.ok_or("the customer's id is empty")?)?;
    let own = match message_id {
        Some(id) => {
            check_message_id(id)?;
            Some(Identity::MessageId(id.to_owned()))
        }
        None => None,
    };
    if mapping.table == Table::Customers {
        let identity = own.unwrap_or_else(|| canonical(None, None, &told));
        let (change, consents) = traits::read(told, None, reading)?;
        return Ok(Inbound {
            customer,
            what: What::Profile {
                change: Box::new(change),
                consents,
            },
            identity,
            raw_time: None,
        });
    }
    let name =
        EventName::parse((mapping.event.as_deref().or(event)).ok_or("the event's name is empty")?)?;
    let (heading, cell) = time.ok_or("the time is empty")?;
    let at = (reading.dates.instant(cell, super::dates::Hour::Noon))
        .map_err(|why| format!("{heading} {why}"))?;
    let at = not_before_1990(heading, cell, at)?;
    let identity = own.unwrap_or_else(|| canonical(Some(name.as_str()), Some(at), &told));
    Ok(Inbound {
        customer,
        what: What::Event {
            name,
            time: at,
            properties: told,
        },
        identity,
        raw_time: Some(at),
    })
}

/// A cell as a value: numbers and true/false are recognised, save in columns that hold texts by their name. What would
/// not be written the same again (`007`, `+82`, `1e3`, 20 digits) stays a text.
fn value_of(name: &str, cell: &str) -> Value {
    let text = || Value::Text(cell.to_owned());
    if is_text(name) {
        return text();
    }
    match cell {
        "true" | "TRUE" | "True" => return Value::Bool(true),
        "false" | "FALSE" | "False" => return Value::Bool(false),
        _ => {}
    }
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    let (int, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let plain = all_digits(int) && all_digits(fraction) && (int == "0" || !int.starts_with('0'));
    if !plain || digits.len() > 15 {
        return text();
    }
    cell.parse().map_or_else(|_| text(), whole)
}

fn is_text(name: &str) -> bool {
    let dates = [
        "created_at",
        "consent_at",
        "unsubscribed_at",
        "pause_until",
        "birthday",
    ];
    let texts = [
        "id",
        "name",
        "phone",
        "zip",
        "postcode",
        "postal_code",
        "sku",
        "code",
    ];
    dates.contains(&name)
        || texts.contains(&name)
        || ["_id", "Id", "_name", "_code", "_phone"]
            .iter()
            .any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::{delimiter, value_of};
    use crate::domain::value::Value;

    #[test]
    fn numbers_are_recognised_where_nothing_is_lost() {
        for (cell, want) in [
            ("29.33", Value::Float(29.33)),
            ("-3", Value::Int(-3)),
            ("2.0", Value::Int(2)),
            ("0.5", Value::Float(0.5)),
            ("true", Value::Bool(true)),
        ] {
            assert_eq!(value_of("units", cell), want, "{cell}");
        }
        for text in [
            "007",
            "+82 10",
            "1e3",
            "1,5",
            "12345678901234567890",
            ".5",
            "5.",
            "-",
            "NaN",
            "inf",
            "1.2.3",
        ] {
            assert_eq!(value_of("units", text), Value::Text(text.into()), "{text}");
        }
        assert_eq!(value_of("order_id", "12345"), Value::Text("12345".into()));
    }

    #[test]
    fn the_delimiter_is_the_one_that_the_header_uses() {
        for (header, want) in [
            ("id,email", b','),
            ("id;\"a,b,c\";email", b';'),
            ("id\temail", b'\t'),
            ("id", b','),
        ] {
            assert_eq!(delimiter(header.as_bytes()), want, "{header}");
        }
    }
}
