//! How an export writes its dates, found out from all of its values.

use crate::domain::time::Timestamp;
use crate::engine::intake::dates::{Dates, Hour};
use chrono_tz::Tz;

/// The forms of dates that are tried, after RFC 3339 and `2026-03-01 18:30`. Of those that fit equally many values, the
/// first; where two read the same values as other days, neither.
const FORMS: [&str; 30] = [
    "%Y-%m-%d %H:%M:%S %z",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d",
    "%Y.%m.%d %H:%M:%S",
    "%Y.%m.%d %H:%M",
    "%Y.%m.%d",
    "%Y. %m. %d. %p %I:%M:%S",
    "%Y. %m. %d. %p %I:%M",
    "%Y. %m. %d. %H:%M",
    "%Y. %m. %d.",
    "%Y. %m. %d",
    "%Y-%m-%d %p %I:%M:%S",
    "%Y-%m-%d %p %I:%M",
    "%Y년 %m월 %d일 %H:%M",
    "%Y년 %m월 %d일",
    "%Y%m%d%H%M%S",
    "%Y%m%d",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y",
    "%b %d %Y",
    "%B %d, %Y",
    "%d %b %Y",
];

/// Finds the form that dates have.
pub struct DateForms {
    tried: Vec<(Dates, Option<&'static str>, u64)>,
    seen: u64,
}

/// The words for morning and afternoon as `%p` reads them.
fn plain(text: &str) -> String {
    text.replace("오전", "AM").replace("오후", "PM")
}

impl DateForms {
    /// Dates that name no zone are read in `zone`.
    pub fn new(zone: Tz) -> DateForms {
        let forms = std::iter::once(None).chain(FORMS.iter().copied().map(Some));
        let tried = forms
            .filter_map(|form| Some((Dates::new(form, Some(zone)).ok()?, form, 0)))
            .collect();
        DateForms { tried, seen: 0 }
    }

    /// Takes a value into account.
    pub fn see(&mut self, text: &str) {
        let text = plain(text);
        self.seen += 1;
        for (dates, _, fit) in &mut self.tried {
            let read = dates.instant(&text, Hour::Noon);
            *fit += u64::from(read.is_ok_and(|at| at >= Timestamp::EARLIEST));
        }
    }

    /// The form of nine values in ten at least; an error that says what to do where there is none, or more than one.
    pub fn found(&self) -> Result<Option<&'static str>, String> {
        let most = self.tried.iter().map(|(_, _, fit)| *fit).max().unwrap_or(0);
        if most == 0 || most * 10 < self.seen * 9 {
            return Err("the dates have no form that is known here; name it, such as --dates \"%d.%m.%Y %H:%M\"".to_owned());
        }
        let mut best = (self.tried.iter()).filter(|(_, _, fit)| *fit == most);
        let form = best.next().and_then(|(_, form, _)| *form);
        let month_first = |form: &str| form.starts_with("%m/%d");
        let day_first = |(_, form, _): &(Dates, Option<&str>, u64)| {
            form.is_some_and(|form| form.starts_with("%d/%m"))
        };
        match form.is_some_and(month_first) && best.any(day_first) {
            true => Err("the dates can be read with the month first or the day first, and all of them fit both; say which, such as --dates \"%d/%m/%Y\"".to_owned()),
            false => Ok(form),
        }
    }
}

/// Reads the dates of a file whose form is known.
pub struct When(Dates);

impl When {
    pub fn new(form: Option<&str>, zone: Tz) -> Result<When, String> {
        Dates::new(form, Some(zone)).map(When)
    }

    pub fn read(&self, text: &str) -> Result<Timestamp, String> {
        let at = self.0.instant(&plain(text), Hour::Noon)?;
        crate::engine::intake::not_before_1990("the time", text, at)
    }
}

#[cfg(test)]
mod tests {
    use super::{DateForms, When};
    use chrono_tz::Asia::Seoul;

    #[test]
    fn dates_are_found_out_in_the_form_that_all_have() {
        for (values, want) in [
            (
                &["2025-03-01 18:30", "2025-03-02"][..],
                "2025-03-01T09:30:00Z",
            ),
            (&["2025-03-01 18:30:05 +0900"], "2025-03-01T09:30:05Z"),
            (&["2025.03.01", "2025.12.31"], "2025-03-01T03:00:00Z"),
            (
                &["2025. 3. 1. 오후 6:30", "2025. 12. 31. 오전 1:05"],
                "2025-03-01T09:30:00Z",
            ),
            (
                &["2025년 3월 1일", "2025년 11월 30일"],
                "2025-03-01T03:00:00Z",
            ),
            (&["20250301", "20251231"], "2025-03-01T03:00:00Z"),
            (&["20250301183000"], "2025-03-01T09:30:00Z"),
            (
                &["3/1/2025 18:30", "12/31/2025 09:00"],
                "2025-03-01T09:30:00Z",
            ),
            (&["1/3/2025", "31/12/2025"], "2025-03-01T03:00:00Z"),
            (
                &["01.03.2025 18:30", "31.12.2025 07:00"],
                "2025-03-01T09:30:00Z",
            ),
            (&["Mar 1 2025"], "2025-03-01T03:00:00Z"),
            (&["March 1, 2025"], "2025-03-01T03:00:00Z"),
        ] {
            let mut forms = DateForms::new(Seoul);
            values.iter().for_each(|text| forms.see(text));
            let form = forms.found().unwrap_or_else(|e| panic!("{values:?}: {e}"));
            let when = When::new(form, Seoul).unwrap();
            let read = when.read(values[0]).map(|at| at.to_string());
            assert_eq!(read.as_deref(), Ok(want), "{values:?} by {form:?}");
        }
    }

    #[test]
    fn dates_that_can_be_read_two_ways_are_not_guessed() {
        for (values, want) in [
            (
                &["3/1/2025", "4/2/2025"][..],
                "month first or the day first",
            ),
            (&["soon", "later"], "no form that is known"),
            (&["2025-03-01", "x", "y"], "no form that is known"),
        ] {
            let mut forms = DateForms::new(Seoul);
            values.iter().for_each(|text| forms.see(text));
            let told = forms.found().unwrap_err();
            assert!(told.contains(want) && told.contains("--dates"), "{told}");
        }
    }
}
