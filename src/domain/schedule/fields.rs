//! The five fields of a cron expression: what each may hold, and the words for what it may not.
//!
//! Checked before croner reads the expression, which drops empty items of a list, takes the name of a month for a
//! weekday and names no field in its errors. What the fields mean is croner's and the schedule's matter.

pub(super) const FIVE: &str =
    "write minute, hour, day of month, month and weekday, such as \"0 10 * * MON-FRI\"";

pub(super) fn instead_of_nickname(name: &str) -> String {
    let written_out = match name {
        "@HOURLY" => "0 * * * *",
        "@DAILY" | "@MIDNIGHT" => "0 0 * * *",
        "@WEEKLY" => "0 0 * * SUN",
        "@MONTHLY" => "0 0 1 * *",
        "@YEARLY" | "@ANNUALLY" => "0 0 1 1 *",
        _ => return format!("words with \"@\" are not taken; {FIVE}"),
    };
    format!("words with \"@\" are not taken; write it out, here \"{written_out}\"")
}

/// What one field of an expression may hold. Narrower than croner, which drops empty items of a list and reads the
/// name of a month as a weekday.
pub(super) struct Field {
    name: &'static str,
    low: u32,
    high: u32,
    /// The first stands for `low`.
    names: &'static [&'static str],
}

pub(super) const FIELDS: [Field; 5] = [
    Field::numbers("minute", 0, 59),
    Field::numbers("hour", 0, 23),
    Field::numbers("day of month", 1, 31),
    Field {
        name: "month",
        low: 1,
        high: 12,
        names: &[
            "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
        ],
    },
    Field {
        name: "weekday",
        low: 0,
        high: 7,
        names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
    },
];

impl Field {
    const fn numbers(name: &'static str, low: u32, high: u32) -> Field {
        Field {
            name,
            low,
            high,
            names: &[],
        }
    }

    /// Says what is wrong with the text (in capitals) of this field.
    pub(super) fn check(&self, text: &str) -> Result<(), String> {
        let list = text.split(',').count() > 1;
        text.split(',')
            .try_for_each(|item| self.check_item(item, list))
    }

    fn check_item(&self, item: &str, list: bool) -> Result<(), String> {
        let name = self.name;
        if item.is_empty() {
            return Err(format!("a value is missing beside a \",\" in its {name}"));
        }
        let (base, step) = match item.split_once('/') {
            None => (item, None),
            Some((base, step)) => (base, Some(step)),
        };
        if let Some(step) = step {
            let size = number(step).filter(|n| (1..=self.high).contains(n));
            if size.is_none() {
                return Err(format!(
                    "the step \"{step}\" in its {name} is not a number from 1 to {}",
                    self.high
                ));
            }
            if base != "*" && !base.contains('-') {
                return Err(format!(
                    "in its {name}, \"{item}\" steps from a single value; write where to stop too, as \"{base}-{}/{step}\"",
                    self.high
                ));
            }
        }
        if base == "*" {
            return if list && step.is_none() {
                Err(format!(
                    "its {name} has a \"*\" among other values; it alone says all of them"
                ))
            } else {
                Ok(())
            };
        }
        if let Some((first, last)) = base.split_once('-') {
            let (low, mut high) = (self.value(first)?, self.value(last)?);
            if last == "SUN" {
                high = 7;
            }
            return if low <= high {
                Ok(())
            } else {
                Err(format!(
                    "in its {name}, \"{base}\" runs backwards; write it as a list of two"
                ))
            };
        }
        if self.high == 31 && base == "L" {
            return Ok(());
        }
        if self.high == 7 {
            if let Some((day, nth)) = base.split_once('#') {
                self.value(day)?;
                return match number(nth) {
                    Some(1..=5) => Ok(()),
                    _ => Err(format!(
                        "in its weekday, \"{base}\" must have a number from 1 to 5 after \"#\""
                    )),
                };
            }
            if let Some(day) = base.strip_suffix('L') {
                if day.is_empty() {
                    return Err(
                        "\"L\" alone is no weekday; write which is to be the month's last, as \"FRIL\" or \"5L\""
                            .to_owned(),
                    );
                }
                return self.value(day).map(drop);
            }
        }
        self.value(base).map(drop)
    }

    fn value(&self, text: &str) -> Result<u32, String> {
        let named = self.names.iter().position(|n| *n == text);
        let value = match named {
            Some(n) => self.low + n as u32,
            None => number(text).unwrap_or(u32::MAX),
        };
        if (self.low..=self.high).contains(&value) {
            return Ok(value);
        }
        let names = match (self.names.first(), self.names.last()) {
            (Some(first), Some(last)) => format!(" or a name ({first} to {last})"),
            _ => String::new(),
        };
        Err(format!(
            "its {} \"{text}\" is not a number from {} to {}{names}; {FIVE}",
            self.name, self.low, self.high
        ))
    }
}

fn number(text: &str) -> Option<u32> {
    (text.bytes().all(|b| b.is_ascii_digit()) && text.len() <= 4)
        .then(|| text.parse().ok())
        .flatten()
}
