//! A shop's own export of its orders, as it stands, to rows that an import takes: one row an order or one an item, in
//! the words, dates and amounts of the shop. [`Survey`] finds out how the file is written and what its columns mean, and
//! [`Survey::read`] makes of it customers and orders, which [`Taken::write`] writes as JSON Lines.
//!
//! A proposal, made to be looked at: whoever knows better says so (`--map`, `--dates`, `--decimals`, `--totals`). Where the file lies and what is
//! done with the rows is for the callers.

mod amounts;
mod book;
mod broken;
mod columns;
mod order;
mod refunds;
mod spending;
mod totals;
mod writing;

pub use amounts::Decimals;
pub use book::Taken;
pub use columns::{Column, Known};
pub use spending::Spending;
pub use totals::Totals;

use super::csv::{Record, Records, delimiter};
use super::lines::Lines;
use super::{OpenError, RowError};
use amounts::{Marks, currency_of};
use book::Row;
use chrono_tz::Tz;
use columns::understood;
use std::io::BufRead;
use writing::{DateForms, When};

/// What the user says of an export.
#[derive(Clone, Debug)]
pub struct Told {
    /// Column and field.
    pub map: Vec<(String, String)>,
    /// How dates are written (strftime); `None`: found out.
    pub dates: Option<String>,
    /// The zone of times that name none.
    pub zone: Tz,
    /// The mark of fractions; `None`: found out.
    pub decimals: Option<Decimals>,
    /// Whose totals the rows of one order have; `None`: found out.
    pub totals: Option<Totals>,
}

/// One column of an export, as it was understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Understood {
    pub heading: String,
    pub column: Column,
    /// The first value that is not empty.
    pub example: String,
}

/// How an export is written.
#[derive(Clone, Debug)]
pub struct Survey {
    pub columns: Vec<Understood>,
    pub rows: u64,
    /// The form of dates; `None`: RFC 3339 or the like.
    pub form: Option<String>,
    pub zone: Tz,
    /// Whether Hangul occurs.
    pub is_korean: bool,
    /// Every amount's currency, where a sign says so and no column does.
    pub currency: Option<&'static str>,
    pub decimals: Decimals,
    pub totals: Totals,
    delimiter: u8,
}

/// So many rows are looked at for the form of dates and amounts.
const LOOKED_AT: u64 = 200_000;

/// A table's records behind its header.
struct Opened<R> {
    records: Records<R>,
    headings: Vec<String>,
    header: Vec<u8>,
    delimiter: u8,
}

fn open<R: BufRead>(reader: R) -> Result<Opened<R>, OpenError> {
    let mut lines = Lines::new(reader);
    let unread = |e: std::io::Error| OpenError(format!("the file can't be read: {e}"));
    let start = lines.peek().map_err(unread)?;
    if start.starts_with(b"PK\x03\x04") || start.starts_with(b"\xd0\xcf\x11\xe0") {
        return Err(OpenError(
            "the file is a workbook or packed; save it as CSV first".to_owned(),
        ));
    }
    let mut header = Vec::new();
    while header.trim_ascii().is_empty() {
        if !lines.next_into(&mut header).map_err(unread)? {
            return Err(OpenError(
                "the file is empty; it needs a header and rows".to_owned(),
            ));
        }
    }
    let delimiter = delimiter(&header);
    let mut first = Records::new(Lines::new(header.as_slice()), delimiter);
    if !matches!(first.read(), Ok(Record::Good)) {
        return Err(OpenError("the header cannot be understood".to_owned()));
    }
    let text = |field: Option<&str>| field.unwrap_or_default().trim().to_owned();
    let headings = first.fields().map(text).collect();
    Ok(Opened {
        records: Records::new(lines, delimiter),
        headings,
        header,
        delimiter,
    })
}

/// What the record that was read last is parted into.
fn parted<R: BufRead>(records: &Records<R>) -> impl Iterator<Item = String> {
    let text = |cell: Option<&str>| cell.unwrap_or_default().trim().to_owned();
    records.fields().map(text)
}

/// The cells of the record that was read last, if they are as many as the headings.
fn cells<R: BufRead>(records: &Records<R>, headings: usize) -> Result<Vec<String>, String> {
    let cells: Vec<String> = parted(records).collect();
    match cells.len() == headings {
        true => Ok(cells),
        false => Err(format!(
            "the row has {} fields, the header {headings}",
            cells.len()
        )),
    }
}

fn is_hangul(c: char) -> bool {
    matches!(c, '\u{ac00}'..='\u{d7a3}')
}

impl Survey {
    /// Reads an export (UTF-8) to its end, and finds out how it is written.
    pub fn of(reader: impl BufRead, told: &Told) -> Result<Survey, OpenError> {
        let Opened {
            mut records,
            headings,
            header,
            delimiter,
        } = open(reader)?;
        let mut rows: Vec<Vec<String>> = Vec::new();
        let mut examples = vec![String::new(); headings.len()];
        let mut is_korean = String::from_utf8_lossy(&header).chars().any(is_hangul);
        let mut count = 0;
        loop {
            match records.read() {
                Ok(Record::End) => break,
                Ok(Record::Bad(_)) => count += 1,
                Ok(Record::Good) => {
                    count += 1;
                    let Ok(row) = cells(&records, headings.len()) else {
                        continue;
                    };
                    for (example, cell) in examples.iter_mut().zip(&row) {
                        if example.is_empty() {
                            example.clone_from(cell);
                        }
                    }
                    is_korean |= row.iter().any(|cell| cell.chars().any(is_hangul));
                    if count <= LOOKED_AT {
                        rows.push(row);
                    }
                }
                Err(e) => return Err(OpenError(format!("the file can't be read further: {e}"))),
            }
        }
        if rows.is_empty() {
            return Err(OpenError("the file has a header and no rows".to_owned()));
        }
        let sample = |at: usize| examples.get(at).cloned();
        let columns = understood(&headings, &told.map, sample).map_err(OpenError)?;
        let all = || {
            let columns = &columns;
            rows.iter().map(move |cells| Row { columns, cells })
        };
        let values = |known: Known| all().filter_map(move |row| row.get(known));
        let form = match &told.dates {
            Some(form) => {
                When::new(Some(form), told.zone).map_err(OpenError)?;
                Some(form.clone())
            }
            None => {
                let mut forms = DateForms::new(told.zone);
                values(Known::Time).for_each(|text| forms.see(text));
                let form = forms.found().map_err(OpenError)?;
                form.map(str::to_owned)
            }
        };
        let mut marks = Marks::default();
        let mut money = "";
        for row in all() {
            // Some exports name the currency in an order's first row only.
            money = row.get(Known::Currency).unwrap_or(money);
            let amounts = [Known::Total, Known::Price].map(|known| row.get(known));
            (amounts.into_iter().flatten()).for_each(|text| marks.see(text, money));
        }
        let decimals = told.decimals.unwrap_or_else(|| marks.found());
        let totals = told.totals.unwrap_or_else(|| {
            let tell = all().filter_map(|row| {
                Some(totals::Told {
                    order: row.get(Known::Order)?,
                    total: row.get(Known::Total)?,
                    price: row.get(Known::Price),
                    quantity: row.get(Known::Quantity),
                })
            });
            totals::found(tell, decimals)
        });
        let written = || values(Known::Total).chain(values(Known::Price));
        let has = |known: Known| columns.contains(&Column::Known(known));
        let mut signs = written().map(|text| currency_of(text));
        let first = signs.next().flatten();
        let currency = first.filter(|c| !has(Known::Currency) && signs.all(|s| s == Some(*c)));
        let columns = (headings.into_iter().zip(columns).zip(examples))
            .map(|((heading, column), example)| Understood {
                heading,
                column,
                example,
            })
            .collect();
        Ok(Survey {
            columns,
            rows: count,
            form,
            zone: told.zone,
            is_korean,
            currency,
            decimals,
            totals,
            delimiter,
        })
    }

    pub fn has(&self, known: Known) -> bool {
        let is = |c: &Understood| c.column == Column::Known(known);
        self.columns.iter().any(is)
    }

    /// The currency of its amounts, as the first row that names one has it.
    pub fn money(&self) -> Option<&str> {
        let named = (self.columns.iter())
            .find(|c| c.column == Column::Known(Known::Currency))
            .map(|c| c.example.as_str());
        named.filter(|code| !code.is_empty()).or(self.currency)
    }

    /// Reads the same export again, by what was found out. Rows that cannot be taken go to `refused`.
    pub fn read(
        &self,
        reader: impl BufRead,
        mut refused: impl FnMut(RowError),
    ) -> Result<Taken, OpenError> {
        let opened = open(reader)?;
        let mut records = opened.records;
        let when = When::new(self.form.as_deref(), self.zone).map_err(OpenError)?;
        let mut taken = Taken::new(self, opened.header);
        loop {
            let read = match records.read() {
                Ok(Record::End) => break,
                Ok(Record::Good) => match cells(&records, self.columns.len()) {
                    Ok(row) => taken.take(row, &when),
                    Err(text) => {
                        let fields: Vec<String> = parted(&records).collect();
                        taken.take_broken(records.raw(), &fields, self.delimiter);
                        Err(text)
                    }
                },
                Ok(Record::Bad(text)) => {
                    taken.take_broken(records.raw(), &[], self.delimiter);
                    Err(text)
                }
                Err(e) => return Err(OpenError(format!("the file can't be read further: {e}"))),
            };
            if let Err(text) = read {
                refused(RowError {
                    line: records.first_line(),
                    text,
                    raw: records.raw().to_vec(),
                    fatal: false,
                });
            }
        }
        taken.settle();
        Ok(taken)
    }

    /// Reads the same export once more, for the other rows of orders of which a row could not be taken: they go to
    /// `refused`, so that whole orders can be mended.
    pub fn others(
        &self,
        reader: impl BufRead,
        taken: &Taken,
        mut refused: impl FnMut(RowError),
    ) -> Result<(), OpenError> {
        let mut records = open(reader)?.records;
        loop {
            match records.read() {
                Ok(Record::End) => return Ok(()),
                Ok(Record::Good) => {
                    let row = cells(&records, self.columns.len());
                    if row.is_ok_and(|row| taken.is_of_bad_order(&row)) {
                        refused(RowError {
                            line: records.first_line(),
                            text: "another row of its order, or one beside it that may be, cannot be taken"
                                .to_owned(),
                            raw: records.raw().to_vec(),
                            fatal: false,
                        });
                    }
                }
                Ok(Record::Bad(_)) => {}
                Err(e) => return Err(OpenError(format!("the file can't be read further: {e}"))),
            }
        }
    }

    /// What parts columns, in a word.
    pub fn parted_by(&self) -> &'static str {
        match self.delimiter {
            b';' => "semicolons",
            b'\t' => "tabs",
            _ => "commas",
        }
    }
}

#[cfg(test)]
mod refund_tests;
#[cfg(test)]
mod tests;
