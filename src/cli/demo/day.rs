//! What one day came to: how many were sent, how many wait, how many were dropped, and why.

use super::super::failure::Failure;
use super::super::screen::{Screen, grouped};
use crate::domain::ledger::Reason;
use crate::domain::time::{Span, Timestamp};
use crate::engine::Core;
use crate::engine::query::LogFilter;
use std::collections::BTreeMap;

type Counts = BTreeMap<String, u64>;

pub struct Day {
    name: String,
    sent: Counts,
    waits: Counts,
    dropped: Counts,
}

/// Mon 16 Mar
pub fn name(from: Timestamp) -> String {
    from.to_utc().format("%a %e %b").to_string()
}

impl Day {
    pub async fn read(core: &Core, from: Timestamp) -> Result<Day, Failure> {
        let filter = LogFilter {
            from: Some(from),
            to: Some(from + Span::days(1)),
            ..LogFilter::default()
        };
        let mut day = Day {
            name: name(from),
            sent: Counts::new(),
            waits: Counts::new(),
            dropped: Counts::new(),
        };
        for row in core.log(&filter).await? {
            let (counts, key) = match (row.status, row.reason) {
                ("accepted", _) => (&mut day.sent, row.campaign),
                ("waiting", "step_due") => continue,
                ("waiting" | "retrying", reason) => (&mut day.waits, brief(reason)),
                ("dropped" | "expired" | "refused", reason) => (&mut day.dropped, brief(reason)),
                _ => continue,
            };
            *counts.entry(key).or_insert(0) += 1;
        }
        Ok(day)
    }

    pub fn render(&self, screen: &Screen) -> String {
        let part = |word: &str, counts: &Counts| {
            let total: u64 = counts.values().sum();
            format!("{word} {:>5}", grouped(total))
        };
        let mut out = format!(
            "{}   {}   {}   {}",
            screen.bold(&self.name),
            screen.green(&part("sent", &self.sent)),
            part("made to wait", &self.waits),
            screen.yellow(&part("dropped", &self.dropped)),
        );
        for (word, counts) in [
            ("sent", &self.sent),
            ("waited", &self.waits),
            ("dropped", &self.dropped),
        ] {
            if !counts.is_empty() {
                out.push_str(&format!(
                    "\n{}",
                    screen.faint(&format!("    {word:<8} {}", most(counts)))
                ));
            }
        }
        out
    }
}

/// The most frequent first, as many as fit a line.
fn most(counts: &Counts) -> String {
    let mut all: Vec<(&String, &u64)> = counts.iter().collect();
    all.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let mut out = String::new();
    for (what, count) in all {
        let one = format!("{what} {}", grouped(*count));
        if !out.is_empty() && out.len() + one.len() > 62 {
            out.push_str(", ...");
            break;
        }
        if !out.is_empty() {
            out.push_str(", ");
        }
        out.push_str(&one);
    }
    out
}

/// A reason in two or three words.
fn brief(code: &str) -> String {
    let known = Reason::ALL.iter().find(|r| r.code() == code);
    let words = match known {
        Some(Reason::Window) => "outside their hours",
        Some(Reason::Cap) => "had enough already",
        Some(Reason::Gap) => "too soon after another",
        Some(Reason::Pause) => "asked for a pause",
        Some(Reason::NoConsent) => "no consent",
        Some(Reason::TopicRefused) => "topic refused",
        Some(Reason::NotRequested | Reason::OnRequestOnly) => "not asked for",
        Some(Reason::Exit) => "ordered meanwhile",
        Some(Reason::Expires | Reason::Expired) => "would come too late",
        Some(Reason::NoAddress) => "no address",
        Some(Reason::Suppressed) => "suppressed",
        Some(Reason::AudienceFails) => "no longer meant",
        _ => code,
    };
    words.to_owned()
}
