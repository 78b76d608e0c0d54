//! How an export writes its amounts: which mark parts whole units from fractions is found out from all of them.

/// Which mark parts whole units from fractions; the other one parts thousands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decimals {
    Point,
    Comma,
}

/// Currencies whose smallest unit is a thousandth: three digits behind the mark are a fraction.
const OF_THOUSANDTHS: [&str; 7] = ["KWD", "BHD", "OMR", "JOD", "TND", "IQD", "LYD"];

/// What was seen of the marks in amounts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Marks {
    /// Values in which it can be nothing else than the mark of fractions.
    points: u64,
    commas: u64,
    /// Values in which a point, or a comma, parts thousands.
    thousands_by_point: u64,
    thousands_by_comma: u64,
}

impl Marks {
    /// Takes an amount in this currency (empty: not told) into account. `1.234,50` and `12,5` speak for a comma,
    /// `1,234.50` and `12.5` for a point. What comes twice parts thousands, and so does what stands before three digits:
    /// but for `0.850` and `1234.500`, where no thousands can be, and for currencies of thousandths.
    pub fn see(&mut self, text: &str, currency: &str) {
        let Some(at) = text.rfind(['.', ',']) else {
            return;
        };
        let (whole, fraction) = (&text[..at], &text[at + 1..]);
        if whole.ends_with(char::is_alphabetic) {
            return;
        }
        let (own, other) = match &text[at..=at] {
            "," => (',', '.'),
            _ => ('.', ','),
        };
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).count();
        let first = whole.chars().find(char::is_ascii_digit);
        let no_thousands = matches!(first, None | Some('0'))
            || digits(whole) > 3
            || (OF_THOUSANDTHS.iter())
                .any(|c| currency.eq_ignore_ascii_case(c) || text.contains(c));
        let before_three = digits(fraction) == 3 && !whole.contains(other) && !no_thousands;
        let count = match (own, whole.contains(own) || before_three) {
            (',', false) => &mut self.commas,
            (_, false) => &mut self.points,
            (',', true) => &mut self.thousands_by_comma,
            (_, true) => &mut self.thousands_by_point,
        };
        *count += 1;
    }

    /// The mark of fractions. Where no value says so by itself, the mark that only ever stands before three digits parts
    /// thousands: `150.000` is a hundred and fifty thousand, as it is for whoever writes so.
    pub fn found(self) -> Decimals {
        let comma = match self.points == self.commas {
            true => self.thousands_by_point > self.thousands_by_comma,
            false => self.commas > self.points,
        };
        match comma {
            true => Decimals::Comma,
            false => Decimals::Point,
        }
    }
}

impl Decimals {
    /// As `--decimals` names it.
    pub fn parse(text: &str) -> Result<Decimals, String> {
        match text {
            "point" => Ok(Decimals::Point),
            "comma" => Ok(Decimals::Comma),
            _ => Err(format!(
                "amounts have a decimal \"point\" or a decimal \"comma\", not {}",
                crate::engine::intake::quoted(text)
            )),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Decimals::Point => "point",
            Decimals::Comma => "comma",
        }
    }

    /// A number, with the signs of currencies taken off; `None` if it is none.
    pub fn read(self, text: &str) -> Option<f64> {
        let mark = match self {
            Decimals::Point => '.',
            Decimals::Comma => ',',
        };
        let mut plain = String::new();
        let negative = text.trim_start().starts_with('(');
        let mut before = ' ';
        for c in text.chars() {
            match c {
                '0'..='9' => plain.push(c),
                '-' | '\u{2212}' if plain.is_empty() => plain.push('-'),
                // That of an abbreviation: "Rs.850".
                '.' if before.is_alphabetic() => {}
                c if c == mark => plain.push('.'),
                ',' | '.' | '\'' | ' ' | '\u{a0}' | '(' | ')' => {}
                c if c.is_alphabetic() || "₩$€£¥￦".contains(c) => {}
                _ => return None,
            }
            before = c;
        }
        let number: f64 = plain.parse().ok().filter(|n: &f64| n.is_finite())?;
        Some(if negative { -number } else { number })
    }
}

/// The currency whose sign an amount bears, where it can be no other's.
pub fn currency_of(amount: &str) -> Option<&'static str> {
    let signs = [
        ("₩", "KRW"),
        ("￦", "KRW"),
        ("원", "KRW"),
        ("€", "EUR"),
        ("£", "GBP"),
    ];
    let sign = signs.iter().find(|(sign, _)| amount.contains(sign));
    sign.map(|(_, currency)| *currency)
}

#[cfg(test)]
mod tests {
    use super::{Decimals, Marks, currency_of};

    #[test]
    fn amounts_are_read_as_their_column_writes_them() {
        for (values, currency, want) in [
            (&["12,000", "3,500"][..], "", 12_000.0),
            (&["₩12,000원"], "", 12_000.0),
            (&["12.5"], "", 12.5),
            (&["1,234.50"], "", 1_234.5),
            (&["1.234,50"], "", 1_234.5),
            (&["1.234", "12,50"], "", 1_234.0),
            (&["29,99 €"], "", 29.99),
            (&["$ 1'250.00"], "", 1_250.0),
            (&["150.000", "48.000"], "", 150_000.0),
            (&["1.250.000", "9.000"], "", 1_250_000.0),
            (&["1,250,000"], "", 1_250_000.0),
            (&["-5"], "", -5.0),
            (&["(5.00)"], "", -5.0),
            // Three digits that can be no thousands.
            (&["12.500", "0.850"], "", 12.5),
            (&["1234.500"], "", 1_234.5),
            (&["1.250", "1234,500"], "", 1_250.0),
            (&["-.850"], "", -0.85),
            (&["12.500"], "KWD", 12.5),
            (&["12.500"], "bhd", 12.5),
            (&["12.500 JOD"], "", 12.5),
            (&["1,250.000"], "OMR", 1_250.0),
            (&["12.500"], "KRW", 12_500.0),
            (&["Rs.850"], "", 850.0),
        ] {
            let mut marks = Marks::default();
            values.iter().for_each(|text| marks.see(text, currency));
            assert_eq!(marks.found().read(values[0]), Some(want), "{values:?}");
        }
        for text in ["", "free", "5%", "1-2"] {
            assert_eq!(Decimals::Point.read(text), None, "{text}");
        }
        assert_eq!(currency_of("12,000원"), Some("KRW"));
        assert_eq!(currency_of("$5"), None);
    }
}
