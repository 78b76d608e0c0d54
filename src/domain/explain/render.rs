//! An explanation as a text that people read: their customer's own clock, plain words, no codes.

use super::Explanation;

impl Explanation {
    pub fn render(&self) -> String {
        render(self)
    }
}

/// The text.
pub fn render(explanation: &Explanation) -> String {
    format!("{}", explanation.customer)
}
