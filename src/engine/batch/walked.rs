//! Customers as the walk to the present rules will find them, though it has not come to them yet. Nothing is written.

use super::overlay::Overlay;
use super::{BatchError, Done, Surroundings, Work};
use crate::domain::cause::Cause;
use crate::domain::id::CustomerNo;
use crate::domain::record::Record;
use std::collections::HashMap;

/// The records of these, brought up to date; none of those who cannot be read.
pub async fn walked(
    around: &Surroundings<'_>,
    customers: &[CustomerNo],
) -> Result<HashMap<CustomerNo, Record>, BatchError> {
    if customers.is_empty() {
        return Ok(HashMap::new());
    }
    let works: Vec<Work> = (customers.iter())
        .map(|no| Work {
            customer: *no,
            id: None,
            cause: Cause::Walk,
            mail: None,
        })
        .collect();
    let mut overlay = Overlay::default();
    overlay.load(around, &works).await?;
    let mut done = Done::default();
    for work in &works {
        overlay.take(around, work, &mut done, false).await?;
    }
    let records = overlay.customers.into_iter();
    Ok(records
        .filter_map(|(no, customer)| Some((no, customer.state?.record)))
        .collect())
}
