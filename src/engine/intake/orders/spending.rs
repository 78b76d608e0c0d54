//! What the customers of an export spent in its last year.

use super::book::Taken;
use crate::domain::time::{Span, Timestamp};
use std::collections::HashMap;

/// What each customer spent who ordered in the last year of an export.
#[derive(Clone, PartialEq, Debug)]
pub struct Spending {
    /// When its last order was made.
    pub until: Timestamp,
    /// The least first.
    pub sums: Vec<f64>,
}

impl Taken {
    /// `None` if no order says what it came to.
    pub fn spending(&self) -> Option<Spending> {
        let until = self.standing().map(|(order, _)| order.at).max()?;
        let since = until - Span::days(365);
        let mut sums: HashMap<&str, f64> = HashMap::new();
        for (order, left) in self.standing().filter(|(order, _)| order.at > since) {
            if let Some(total) = left.total {
                *sums.entry(order.customer.as_str()).or_default() += total;
            }
        }
        let mut sums: Vec<f64> = sums.into_values().filter(|sum| *sum > 0.0).collect();
        sums.sort_by(f64::total_cmp);
        (!sums.is_empty()).then_some(Spending { until, sums })
    }
}
