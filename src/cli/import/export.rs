//! A shop's own export of its orders, found out and made into rows: for `reveille import --orders` and `reveille init`.

use super::source::opened;
use crate::cli::failure::Failure;
use crate::cli::screen::{Screen, counted, plain};
use crate::cli::table::Table;
use crate::config::text::zone;
use crate::engine::intake::encoding::{Decoded, Letters, guess};
use crate::engine::intake::orders::{
    self, Column, Decimals, Known, Spending, Survey, Taken, Totals,
};
use crate::engine::intake::{OpenError, RowError};
use chrono_tz::Tz;
use std::collections::BTreeSet;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// What the user says of an export.
#[derive(Clone, Debug, Default)]
pub struct Told {
    pub file: PathBuf,
    pub map: Vec<String>,
    pub dates: Option<String>,
    pub zone: Option<String>,
    pub encoding: Option<String>,
    /// The mark of fractions, and whose totals rows have.
    pub decimals: Option<String>,
    pub totals: Option<String>,
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
    /// How to say of a part of it what was found out of the whole: a few rows may look otherwise.
    pub options: String,
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
            decimals: (told.decimals.as_deref().map(Decimals::parse).transpose())
                .map_err(Failure::Usage)?,
            totals: (told.totals.as_deref().map(Totals::parse).transpose())
                .map_err(Failure::Usage)?,
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

    /// Its customers and orders; rows that cannot be taken go to `refused`.
    fn taken(&self, refused: impl FnMut(RowError)) -> Result<Taken, Failure> {
        let reader = BufReader::new(Decoded::new(opened(&self.told.file)?, self.letters));
        let taken = self.survey.read(reader, refused);
        taken.map_err(|e| self.told.unread(&e))
    }

    /// What its customers spent in its last year.
    pub fn spending(&self) -> Result<Option<Spending>, Failure> {
        Ok(self.taken(|_| ())?.spending())
    }

    /// Its customers and orders, as JSON Lines.
    pub fn made(&self) -> Result<(Vec<u8>, Made), Failure> {
        let mut refused = Vec::new();
        let taken = self.taken(|row| refused.push(row))?;
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
                "orders: {}; {}, dates like {}{}\n{} of {}{undone}",
                columns.collect::<Vec<_>>().join(", "),
                self.letters.name(),
                self.survey.form.as_deref().unwrap_or("2026-03-01 18:30"),
                self.amounts(),
                counted(taken.orders(), "order", "orders"),
                counted(taken.customers(), "customer", "customers"),
            ),
            header: taken.header,
            refused,
            options: self.options(),
        };
        Ok((lines, made))
    }

    fn has_amounts(&self) -> bool {
        self.survey.has(Known::Total) || self.survey.has(Known::Price)
    }

    fn has_totals(&self) -> bool {
        self.survey.has(Known::Total) && self.survey.has(Known::Order)
    }

    /// How amounts were read, for the summary.
    fn amounts(&self) -> String {
        let mut told = String::new();
        if self.has_amounts() {
            told += &format!(", amounts with a decimal {}", self.survey.decimals.name());
        }
        match (self.has_totals(), self.survey.totals) {
            (false, _) => {}
            (true, Totals::Item) => told += ", a total in each row of an order",
            (true, Totals::Order) => told += ", one total an order",
        }
        told
    }

    /// The options by which a part of it, in UTF-8, is read as the whole was.
    fn options(&self) -> String {
        let mut all = vec![("--dates", self.survey.form.clone())];
        all.push(("--zone", self.told.zone.clone()));
        let decimals = self.has_amounts().then(|| self.survey.decimals.name());
        all.push(("--decimals", decimals.map(str::to_owned)));
        let totals = self.has_totals().then(|| self.survey.totals.name());
        all.push(("--totals", totals.map(str::to_owned)));
        let maps = self.told.map.iter().cloned();
        all.extend(maps.map(|pair| ("--map", Some(pair))));
        let said = all
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        let said = said.map(|(name, value)| format!(" {name} {}", typed(&value)));
        format!("--orders{}", said.collect::<String>())
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
        if self.has_amounts() {
            let (is, other) = match survey.decimals {
                Decimals::Point => ("1,234.50 is twelve hundred and some", "comma"),
                Decimals::Comma => ("1.234,50 is twelve hundred and some", "point"),
            };
            lines.push(format!(
                "Amounts have a decimal {}: {is} (--decimals {other} for the other way).",
                survey.decimals.name()
            ));
        }
        if self.has_totals() {
            lines.push(match survey.totals {
                Totals::Item => "Totals are those of each row, and are added up in an order of several rows (--totals order: they are the order's)."
                    .to_owned(),
                Totals::Order => "Totals are those of the order, and count once in one of several rows (--totals item: they are each row's own)."
                    .to_owned(),
            });
        }
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

/// The command that imports a file of rejected rows.
pub fn command(config: Option<&Path>, file: &Path, options: &str) -> String {
    let typed_path = |path: &Path| typed(&path.display().to_string());
    let config = config.map(|path| format!(" --config {}", typed_path(path)));
    let config = config.unwrap_or_default();
    plain(&format!(
        "reveille{config} import {} {options}",
        typed_path(file)
    ))
}

/// A value as it is typed into a shell.
fn typed(value: &str) -> String {
    let is_bare = |c: char| c.is_alphanumeric() || "%./:_=,+-".contains(c);
    match !value.is_empty() && value.chars().all(is_bare) {
        true => value.to_owned(),
        false => format!("'{}'", value.replace('\'', "'\\''")),
    }
}

impl Told {
    fn unread(&self, error: &OpenError) -> Failure {
        Failure::failed(format!("{}: {error}", self.file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::command;
    use std::path::Path;

    #[test]
    fn a_command_can_be_typed_as_it_stands() {
        let file = Path::new("our orders'.csv.rejected");
        let told = command(Some(Path::new("shop/config.toml")), file, "--orders");
        let want =
            r"reveille --config shop/config.toml import 'our orders'\''.csv.rejected' --orders";
        assert_eq!(told, want);
    }
}
