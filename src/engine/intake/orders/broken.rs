//! Rows that cannot be read at all, of too few fields, too many, or with a quote left open: of which order they are is
//! told by what can be read of them, and where that tells nothing by the rows beside them.

use crate::engine::intake::{PROPERTY_LIMIT, ROW_LIMIT};
use std::collections::HashSet;

/// One such row.
#[derive(Debug)]
pub struct Broken {
    /// What stands where an order's number may be.
    numbers: Vec<String>,
    /// The first of them surely is the number: its column is the first.
    is_sure: bool,
    /// What stands where a refund names its order.
    parents: Vec<String>,
    /// The orders of the rows before and behind it.
    before: Option<String>,
    pub behind: Option<String>,
}

impl Broken {
    /// `raw` is the row as it stood, `fields` what it was parted into, if it was. The number stands in one column of so
    /// many, that of the order which a refund takes back perhaps in another.
    pub fn new(
        row: (&[u8], &[String]),
        delimiter: u8,
        (number, parent): (Place, Option<Place>),
        before: Option<String>,
    ) -> Broken {
        let (numbers, is_sure) = found(row, delimiter, number);
        let parents = parent.map(|place| found(row, delimiter, place).0);
        Broken {
            numbers,
            is_sure,
            parents: parents.unwrap_or_default(),
            before,
            behind: None,
        }
    }

    /// The orders that it may be of. `is_known` tells which numbers other rows bear.
    pub fn orders(self, is_known: impl Fn(&str) -> bool) -> HashSet<String> {
        let known: HashSet<String> = (self.numbers.iter())
            .filter(|number| is_known(number))
            .cloned()
            .collect();
        let parents = (self.parents.iter()).filter(|number| is_known(number));
        let parents: Vec<String> = parents.cloned().collect();
        let mut all: HashSet<String> = match (known.is_empty(), self.is_sure) {
            (false, _) => known,
            (true, true) => self.numbers.into_iter().collect(),
            (true, false) => [self.before, self.behind].into_iter().flatten().collect(),
        };
        all.extend(parents);
        all
    }
}

/// A column, of so many.
type Place = (usize, usize);

/// What may stand in a column; and whether the first of it surely does.
fn found(
    (raw, fields): (&[u8], &[String]),
    delimiter: u8,
    (column, columns): Place,
) -> (Vec<String>, bool) {
    let mut numbers = Vec::new();
    let mut is_sure = false;
    // An open quote may have swallowed the rows behind.
    for (at, line) in raw.split(|b| *b == b'\n').enumerate() {
        let number = whole_fields(line, delimiter).into_iter().nth(column);
        if let Some(number) = number.filter(|number| !number.is_empty()) {
            is_sure |= at == 0 && column == 0;
            numbers.push(number);
        }
    }
    // Counted from the end: there may be a field too many, or too few, before it.
    let from_end = columns - column;
    let number = (fields.len().checked_sub(from_end)).and_then(|at| fields.get(at));
    numbers.extend(number.filter(|number| !number.is_empty()).cloned());
    (numbers, is_sure)
}

/// The fields of a line that stand whole, up to a quote that is left open.
fn whole_fields(line: &[u8], delimiter: u8) -> Vec<String> {
    let mut line = line[..line.len().min(ROW_LIMIT)].to_vec();
    line.push(b'\n');
    let mut reader = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
    let mut fields = vec![0; line.len()];
    let mut ends = vec![0; PROPERTY_LIMIT + 1];
    let (_, _, _, ended) = reader.read_record(&line, &mut fields, &mut ends);
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let parts = starts.zip(ends.iter().copied()).take(ended);
    let text = |(start, end)| {
        String::from_utf8_lossy(&fields[start..end])
            .trim()
            .to_owned()
    };
    parts.map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::Broken;
    use std::collections::BTreeSet;

    /// The orders that a row is laid to, of a table in whose column `column` of five numbers stand; the row before is of
    /// order 1, that behind it of order 2.
    fn of(row: &str, column: usize) -> BTreeSet<String> {
        let fields: Vec<String> = row.split(',').map(str::to_owned).collect();
        let before = Some("1".to_owned());
        let mut broken = Broken::new((row.as_bytes(), &fields), b',', ((column, 5), None), before);
        broken.behind = Some("2".to_owned());
        let known = |number: &str| ["1", "2", "7"].contains(&number);
        broken.orders(known).into_iter().collect()
    }

    #[test]
    fn a_row_is_laid_to_the_order_whose_number_it_bears_or_to_those_beside_it() {
        let set = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect();
        for (row, column, want) in [
            ("7,a,2025-01-01,Tea", 0, &["7"][..]),
            ("7,a,2025-01-01,\"Tea,8", 0, &["7"]),
            ("7,a,2025-01-01,Tea, green,8", 0, &["7"]),
            // The comma too many stands before the number.
            ("Tea, green,a,7,2025-01-01,8", 2, &["7"]),
            // A number that no other row bears: alone in its order.
            ("9,a,2025-01-01,Tea", 0, &["9"]),
            // Nothing of it is a number.
            ("a,\"b", 3, &["1", "2"]),
            ("a,b,c", 3, &["1", "2"]),
            // The quote was closed two rows on.
            ("7,a,\"Tea\n2,b\",8", 0, &["2", "7"]),
        ] {
            assert_eq!(of(row, column), set(want), "{row}");
        }
    }
}
