//! A shop's own export of its orders, found out and made into rows: for `reveille import --orders` and `reveille init`.

use super::source::opened;
use crate::cli::failure::Failure;
use crate::cli::screen::{Screen, counted};
use crate::cli::table::Table;
use crate::config::text::zone;
use crate::engine::intake::encoding::{Decoded, Letters, guess};
use crate::engine::intake::orders::{self, Column, Known, Survey};
use crate::engine::intake::{OpenError, RowError};
use chrono_tz::Tz;
use std::collections::BTreeSet;
use std::io::BufReader;
use std::path::PathBuf;

/// What the user says of an export.
#[derive(Clone, Debug, Default)]
pub struct Told {
    pub file: PathBuf,
    pub map: Vec<String>,
    pub dates: Option<String>,
    pub zone: Option<String>,
    pub encoding: Option<String>,
}

/// An export, looked through.
pub struct Export {
    pub told: Told,
    pub survey: Survey,
    letters: Letters,
}

/// What an export came to, besides its rows.
pub struct Made {
    /// What its columns were taken for, and how many orders there are.
    pub told: String,
    pub header: Vec<u8>,
    pub refused: Vec<RowError>,
}

/// The encoding that is named.
pub fn letters(told: Option<&str>) -> Result<Option<Letters>, Failure> {
    told.map(Letters::parse).transpose().map_err(Failure::Usage)
}

/// The user's column=field pairs.
pub fn pairs(told: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let pair = |text: &String| match text.rsplit_once('=') {
        Some((column, field)) => Ok((column.to_owned(), field.to_owned())),
        None => Err(Failure::Usage(format!(
            "--map {text:?} is not column=field"
        ))),
    };
    told.iter().map(pair).collect()
}

impl Export {
    /// Reads it once, and finds out how it is written. Times that name no zone are in the one told, else in `shop`'s.
    pub fn open(told: Told, shop: Tz) -> Result<Export, Failure> {
        if told.file.as_os_str() == "-" {
            return Err(Failure::Usage(
                "an export of orders is read more than once, so it can't come from standard input: save it to a file"
                    .into(),
            ));
        }
        let named = told.zone.as_deref().map(zone).transpose();
        let said = orders::Told {
            map: pairs(&told.map)?,
            dates: told.dates.clone(),
            zone: named.map_err(Failure::Usage)?.unwrap_or(shop),
        };
        let letters = match letters(told.encoding.as_deref())? {
            Some(letters) => letters,
            None => guess(opened(&told.file)?).map_err(|e| {
                Failure::failed(format!("{} can't be read: {e}", told.file.display()))
            })?,
        };
        let reader = BufReader::new(Decoded::new(opened(&told.file)?, letters));
        let survey = Survey::of(reader, &said).map_err(|e| told.unread(&e))?;
        Ok(Export {
            told,
            survey,
            letters,
        })
    }

    /// Its customers and orders, as JSON Lines.
    pub fn made(&self) -> Result<(Vec<u8>, Made), Failure> {
        let reader = BufReader::new(Decoded::new(opened(&self.told.file)?, self.letters));
        let mut refused = Vec::new();
        let taken = self.survey.read(reader, |row| refused.push(row));
        let taken = taken.map_err(|e| self.told.unread(&e))?;
        if taken.has_bad_orders() {
            let reader = BufReader::new(Decoded::new(opened(&self.told.file)?, self.letters));
            let own: BTreeSet<u64> = refused.iter().map(|row| row.line).collect();
            let mut others = Vec::new();
            let read = self.survey.others(reader, &taken, |row| {
                if !own.contains(&row.line) {
                    others.push(row);
                }
            });
            read.map_err(|e| self.told.unread(&e))?;
            refused.extend(others);
            refused.sort_by_key(|row| row.line);
        }
        let mut lines = Vec::new();
        taken.write(&mut lines)?;
        let columns = self.survey.columns.iter();
        let columns = columns.filter(|c| c.column != Column::Ignored);
        let columns = columns.map(|c| format!("{} <- {}", c.column.name(), c.heading));
        let undone = match taken.undone() {
            0 => String::new(),
            n => format!(" (without {n} that were cancelled or sent back)"),
        };
        let made = Made {
            told: format!(
                "orders: {}; {}, dates like {}\n{} of {}{undone}",
                columns.collect::<Vec<_>>().join(", "),
                self.letters.name(),
                self.survey.form.as_deref().unwrap_or("2026-03-01 18:30"),
                counted(taken.orders(), "order", "orders"),
                counted(taken.customers(), "customer", "customers"),
            ),
            header: taken.header,
            refused,
        };
        Ok((lines, made))
    }

    /// What each column is taken for, to be looked at before anything is taken in.
    pub fn shown(&self, screen: Screen) -> String {
        let survey = &self.survey;
        let mut table = Table::new(&["COLUMN", "IS", "FOR INSTANCE"]);
        for column in &survey.columns {
            let (is, example) = match &column.column {
                // What is left out is left out here, too.
                Column::Ignored => ("(left out)".to_owned(), String::new()),
                Column::Property(name) => (format!("property {name}"), column.example.clone()),
                Column::Known(known) => (known.name().to_owned(), column.example.clone()),
            };
            table.row(vec![column.heading.clone(), is, example]);
        }
        let mut lines = vec![
            format!(
                "{}: {}, {}, columns parted by {}\n",
                screen.bold(&self.told.file.display().to_string()),
                counted(survey.rows, "row", "rows"),
                self.letters.name(),
                survey.parted_by()
            ),
            table.render(&screen),
            String::new(),
        ];
        lines.push(match &survey.form {
            Some(form) if form.contains("%z") => format!("Dates are read as {form}."),
            Some(form) => format!("Dates are read as {form}, on the clock of {}.", survey.zone),
            None => format!(
                "Dates that name no zone are on the clock of {}.",
                survey.zone
            ),
        });
        if !survey.has(Known::Customer) {
            lines.push(
                "Customers are known by their address: there is no column with an id.".to_owned(),
            );
        }
        for (known, without) in [
            (
                Known::Email,
                "There is no column with addresses: nobody can be written to before you import them.",
            ),
            (
                Known::Consent,
                "There is no column on consent: advertising goes to nobody before you import who gave it.",
            ),
            (
                Known::Order,
                "There is no column with an order's number: each row is an order.",
            ),
            (
                Known::Total,
                "There is no column with totals: they are added up from prices and quantities, where there are any.",
            ),
        ] {
            if !survey.has(known) {
                lines.push(without.to_owned());
            }
        }
        lines.join("\n")
    }
}

impl Told {
    fn unread(&self, error: &OpenError) -> Failure {
        Failure::failed(format!("{}: {error}", self.file.display()))
    }
}
