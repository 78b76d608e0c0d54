//! Comparisons as people write them: `">= 3"`, `"< 5"`, `"3..5"` (both ends in), `"3"`.
//!
//! Pure text functions, for every file that holds a comparison. What can never hold is refused here, where the text is
//! at hand, rather than found out by a campaign that sends to nobody.

use super::{Edge, NumberRange, Range};
use crate::domain::time::Span;

/// What a comparison is made of, before its values are read.
enum Form<'a> {
    AtLeast(&'a str),
    Above(&'a str),
    AtMost(&'a str),
    Below(&'a str),
    Exactly(&'a str),
    Between(&'a str, &'a str),
}

fn form(text: &str) -> Form<'_> {
    let text = text.trim();
    let after = |sign: &str| text.strip_prefix(sign).map(str::trim);
    // The two-letter signs first: ">" is the beginning of ">=".
    if let Some(rest) = after(">=") {
        Form::AtLeast(rest)
    } else if let Some(rest) = after("<=") {
        Form::AtMost(rest)
    } else if let Some(rest) = after(">") {
        Form::Above(rest)
    } else if let Some(rest) = after("<") {
        Form::Below(rest)
    } else if let Some(rest) = after("=") {
        Form::Exactly(rest)
    } else if let Some((low, high)) = text.split_once("..") {
        Form::Between(low.trim(), high.trim())
    } else {
        Form::Exactly(text)
    }
}

fn upside_down(text: &str, low: &str, high: &str) -> String {
    format!("\"{text}\" can never hold: {low} is more than {high}; write \"{high}..{low}\"")
}

impl<T: PartialOrd> Range<T> {
    /// Both ends are in.
    pub fn contains(&self, value: T) -> bool {
        self.low.as_ref().is_none_or(|low| *low <= value)
            && self.high.as_ref().is_none_or(|high| value <= *high)
    }
}

impl Range<u64> {
    /// Reads a comparison of counts. The error says what to write instead.
    pub fn parse(text: &str) -> Result<Range<u64>, String> {
        let number = |digits: &str| -> Result<u64, String> {
            let whole = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            digits.parse().ok().filter(|_| whole).ok_or_else(|| {
                format!(
                    "\"{text}\" is not a comparison of whole numbers; write one such as \">= 3\", \"< 5\", \"3\" or \"3..5\" (both ends in)"
                )
            })
        };
        let (low, high) = match form(text) {
            Form::AtLeast(n) => (Some(number(n)?), None),
            Form::Above(n) => match number(n)?.checked_add(1) {
                Some(next) => (Some(next), None),
                None => {
                    return Err(format!(
                        "\"{text}\" can never hold: no count is larger; write one such as \">= 3\""
                    ));
                }
            },
            Form::AtMost(n) => (None, Some(number(n)?)),
            Form::Below(n) => match number(n)?.checked_sub(1) {
                Some(last) => (None, Some(last)),
                None => {
                    return Err(format!(
                        "\"{text}\" can never hold: a count is never below 0; for \"none at all\" write \"0\""
                    ));
                }
            },
            Form::Exactly(n) => (Some(number(n)?), Some(number(n)?)),
            Form::Between(low, high) => match (number(low)?, number(high)?) {
                (l, h) if l > h => return Err(upside_down(text, low, high)),
                (l, h) => (Some(l), Some(h)),
            },
        };
        Ok(Range { low, high })
    }
}

impl Range<Span> {
    /// Reads a comparison of ages and lengths of time. A single one (`"90d"`) is refused: it would hold for one
    /// millisecond.
    pub fn parse(text: &str) -> Result<Range<Span>, String> {
        let span = |part: &str| {
            Span::parse(part).map_err(|_| {
                format!(
                    "\"{text}\" is not a comparison of durations; write one such as \">= 90d\", \"< 24h\" or \"75d..90d\" (both ends in)"
                )
            })
        };
        let never = |why: &str| {
            Err(format!(
                "\"{text}\" can never hold: {why}; write one such as \">= 90d\" or \"< 24h\""
            ))
        };
        let millisecond = Span::millis(1);
        let (low, high) = match form(text) {
            Form::AtLeast(s) => (Some(span(s)?), None),
            Form::Above(s) => match span(s)?.0.checked_add(millisecond.0) {
                Some(next) => (Some(Span(next)), None),
                None => return never("nothing is older"),
            },
            Form::AtMost(s) => (None, Some(span(s)?)),
            Form::Below(s) => match span(s)? {
                Span::ZERO => return never("no length of time is below 0"),
                s => (None, Some(Span(s.0 - millisecond.0))),
            },
            Form::Exactly(s) => {
                span(s)?;
                return Err(format!(
                    "\"{text}\" would hold for one millisecond only; write \">= {s}\", \"<= {s}\", or a range such as \"75d..90d\""
                ));
            }
            Form::Between(low, high) => match (span(low)?, span(high)?) {
                (l, h) if l > h => return Err(upside_down(text, low, high)),
                (l, h) => (Some(l), Some(h)),
            },
        };
        Ok(Range { low, high })
    }
}

impl NumberRange {
    /// Reads a comparison of numbers, with decimals and signs.
    pub fn parse(text: &str) -> Result<NumberRange, String> {
        let number = |part: &str| -> Result<f64, String> {
            let plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-');
            part.parse()
                .ok()
                .filter(|n: &f64| n.is_finite() && part.chars().all(plain))
                .ok_or_else(|| {
                    format!(
                        "\"{text}\" is not a comparison of numbers; write one such as \">= 10.5\", \"< 100\", \"5\" or \"10..20\" (both ends in)"
                    )
                })
        };
        let (low, high) = match form(text) {
            Form::AtLeast(n) => (Some((number(n)?, Edge::Inclusive)), None),
            Form::Above(n) => (Some((number(n)?, Edge::Exclusive)), None),
            Form::AtMost(n) => (None, Some((number(n)?, Edge::Inclusive))),
            Form::Below(n) => (None, Some((number(n)?, Edge::Exclusive))),
            Form::Exactly(n) => {
                let end = Some((number(n)?, Edge::Inclusive));
                (end, end)
            }
            Form::Between(low, high) => match (number(low)?, number(high)?) {
                (l, h) if l > h => return Err(upside_down(text, low, high)),
                (l, h) => (Some((l, Edge::Inclusive)), Some((h, Edge::Inclusive))),
            },
        };
        Ok(NumberRange { low, high })
    }

    pub fn contains(&self, value: f64) -> bool {
        self.holds(value, |end| end)
    }

    /// Whether a sum of millionths lies in the range; the ends are rounded to millionths too, so that ten times 0.1
    /// is 1.
    pub fn contains_millionths(&self, sum: i128) -> bool {
        self.holds(sum, |end| (end * 1e6).round() as i128)
    }

    fn holds<T: PartialOrd>(&self, value: T, end: impl Fn(f64) -> T) -> bool {
        let low = self.low.is_none_or(|(low, edge)| match edge {
            Edge::Inclusive => end(low) <= value,
            Edge::Exclusive => end(low) < value,
        });
        low && self.high.is_none_or(|(high, edge)| match edge {
            Edge::Inclusive => value <= end(high),
            Edge::Exclusive => value < end(high),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{NumberRange, Range};
    use crate::domain::time::Span;

    #[test]
    fn comparisons_of_counts_are_read() {
        let cases = [
            (">= 3", Some(3), None),
            (">=3", Some(3), None),
            (" > 1 ", Some(2), None),
            ("< 5", None, Some(4)),
            ("< 1", None, Some(0)),
            ("<= 2", None, Some(2)),
            ("3..5", Some(3), Some(5)),
            ("3 .. 3", Some(3), Some(3)),
            ("3", Some(3), Some(3)),
            ("= 2", Some(2), Some(2)),
            ("0", Some(0), Some(0)),
        ];
        for (text, low, high) in cases {
            assert_eq!(Range::<u64>::parse(text), Ok(Range { low, high }), "{text}");
        }
    }

    #[test]
    fn comparisons_of_durations_and_numbers_are_read() {
        let days = Span::days;
        let cases = [
            (">= 90d", Some(days(90)), None),
            ("75d..90d", Some(days(75)), Some(days(90))),
            ("> 1d", Some(Span(86_400_001)), None),
            ("< 24h", None, Some(Span(86_399_999))),
            ("<= 1d 12h", None, Some(Span::hours(36))),
        ];
        for (text, low, high) in cases {
            assert_eq!(
                Range::<Span>::parse(text),
                Ok(Range { low, high }),
                "{text}"
            );
        }
        let holds = |text: &str, n: f64| NumberRange::parse(text).unwrap().contains(n);
        assert!(holds(">= 10.5", 10.5) && !holds(">= 10.5", 10.49));
        assert!(holds("< 5", 4.99) && !holds("< 5", 5.0));
        assert!(holds("-5..-1", -5.0) && holds("-5..-1", -1.0) && !holds("-5..-1", -0.9));
        assert!(holds("= 3", 3.0) && !holds("3", 3.1));
        let tenth = NumberRange::parse("= 0.3").unwrap();
        assert!(tenth.contains_millionths(300_000) && !tenth.contains_millionths(300_001));
    }

    #[test]
    fn what_is_no_comparison_or_can_never_hold_is_refused_with_an_example() {
        for bad in [
            "",
            "three",
            ">= ",
            "=> 3",
            "3..",
            "..5",
            "5..3",
            "< 0",
            "3 times",
            "-1",
            "+3",
            "1.5",
            "> 18446744073709551615",
            "99999999999999999999",
        ] {
            let why = Range::<u64>::parse(bad).unwrap_err();
            assert!(
                why.starts_with(&format!("\"{bad}\"")) && why.contains("write"),
                "{why}"
            );
        }
        for bad in [
            "",
            "90d",
            "= 90d",
            ">= 90",
            "90d..75d",
            "< 0s",
            "soon",
            "> 9223372036854775807ms",
        ] {
            let why = Range::<Span>::parse(bad).unwrap_err();
            assert!(
                why.starts_with(&format!("\"{bad}\"")) && why.contains("write"),
                "{why}"
            );
        }
        for bad in ["", "ten", "NaN", ">= inf", "20..10", "1e400", "1,5"] {
            let why = NumberRange::parse(bad).unwrap_err();
            assert!(
                why.starts_with(&format!("\"{bad}\"")) && why.contains("write"),
                "{why}"
            );
        }
        assert_eq!(
            Range::<u64>::parse("5..3").unwrap_err(),
            "\"5..3\" can never hold: 5 is more than 3; write \"3..5\""
        );
    }
}
