//! A forecast's days: under each campaign's numbers of a day, why messages wait and are not sent, in a word each. What the
//! words mean is told below, campaign by campaign.

use super::{Reasons, Sum};
use crate::cli::screen::{Screen, grouped};
use crate::cli::table::{Table, wrapped};

/// Reasons stand below the campaign's name.
const INDENT: &str = "            ";

pub struct Days {
    table: Table,
    /// A text for each row; empty where there is nothing to tell.
    reasons: Vec<String>,
}

impl Default for Days {
    fn default() -> Days {
        Days {
            table: Table::new(&["DAY", "CAMPAIGN", "ENTER", "SENT", "WAIT", "DROP"]),
            reasons: Vec::new(),
        }
    }
}

impl Days {
    pub fn add(&mut self, date: String, campaign: String, day: &Sum, screen: Screen) {
        self.table.row(day.row(vec![date, campaign]));
        let all: Vec<String> = [
            ("wait", &day.waits),
            ("drop", &day.dropped),
            ("not sent", &day.held_out),
        ]
        .into_iter()
        .filter_map(|(what, reasons)| in_words(what, reasons))
        .collect();
        let most = screen.columns.saturating_sub(INDENT.len());
        self.reasons.push(match all.is_empty() {
            true => String::new(),
            false => wrapped(&all.join("; "), most, INDENT),
        });
    }

    pub fn render(&self, screen: Screen) -> String {
        let table = self.table.render(&screen);
        let mut lines: Vec<String> = Vec::new();
        for (at, row) in table.lines().enumerate() {
            lines.push(row.to_owned());
            // The heading has none.
            let reasons = at.checked_sub(1).and_then(|at| self.reasons.get(at));
            lines.extend(reasons.filter(|r| !r.is_empty()).map(|r| screen.faint(r)));
        }
        lines.join("\n")
    }
}

/// `wait: window 40, cap 21`, most first.
fn in_words(what: &str, reasons: &Reasons) -> Option<String> {
    let mut reasons: Vec<(&String, &u64)> = reasons.iter().collect();
    reasons.sort_by_key(|(_, many)| std::cmp::Reverse(**many));
    let words: Vec<String> = (reasons.iter())
        .map(|(code, many)| format!("{} {}", word(code), grouped(**many)))
        .collect();
    (!words.is_empty()).then(|| format!("{what}: {}", words.join(", ")))
}

/// A reason's code as people read it.
pub fn word(code: &str) -> String {
    code.replace('_', " ")
}
