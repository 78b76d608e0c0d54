//! A campaign's steps in words: where one stands, when it falls due, on what condition, and what it does.

use crate::domain::campaign::{Act, At, Campaign, DueFrom, Otherwise, Step};
use crate::domain::id::StepId;
use crate::domain::time::Span;
use serde::Serialize;
use std::fmt;

/// A place among a campaign's steps, from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct StepPlace {
    pub no: usize,
    pub of: usize,
}

impl StepPlace {
    /// Where `step` stands; none in a campaign of one step, or where the file has no such step.
    pub fn of(campaign: &Campaign, step: &StepId) -> Option<StepPlace> {
        let at = campaign.steps.iter().position(|s| s.id == *step)?;
        let of = campaign.steps.len();
        (of > 1).then_some(StepPlace { no: at + 1, of })
    }
}

impl fmt::Display for StepPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {} of {}", self.no, self.of)
    }
}

/// What a step does and when, as one line.
pub fn step_words(step: &Step) -> String {
    let mut words = match &step.act {
        None => "a message".to_owned(),
        Some(Act::Tag(tag)) => format!("gives the tag \"{tag}\""),
        Some(Act::Untag(tag)) => format!("takes the tag \"{tag}\" away"),
        Some(Act::Leave(topic)) => format!("makes the customer leave \"{topic}\""),
        Some(Act::Notify(staff)) => format!("a mail to \"{staff}\" of the staff"),
    };
    words.push_str(&match step.timing.from {
        DueFrom::Entry(Span::ZERO) | DueFrom::Before(Span::ZERO) => ", at once".to_owned(),
        DueFrom::Entry(after) => format!(", {after} after entry"),
        DueFrom::Before(wait) => match step.timing.until {
            Some(_) => format!(", at most {wait} later"),
            None => format!(", {wait} later"),
        },
    });
    if let Some(until) = &step.timing.until {
        words.push_str(&format!(" (sooner if {})", until.describe()));
    }
    match step.timing.at {
        Some(At::Clock(at)) => words.push_str(&format!(", at {}", at.format("%H:%M"))),
        Some(At::Best) => words.push_str(", at the hour that is best for each customer"),
        None => {}
    }
    if let Some(products) = step.shows.products.as_ref().filter(|p| p.fewest > 0) {
        words.push_str(&match products.fewest {
            1 => "; not without a product to show".to_owned(),
            fewest => format!("; not with fewer than {fewest} products to show"),
        });
    }
    if let Some(only_if) = &step.only_if {
        words.push_str(&format!("; only if {}", only_if.describe()));
        match &step.otherwise {
            Otherwise::Skip => {}
            Otherwise::Exit => words.push_str(", else the customer leaves"),
            Otherwise::GoTo(to) => words.push_str(&format!(", else \"{to}\" is next")),
        }
    }
    words
}
