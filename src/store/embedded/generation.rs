//! Hot rows: those of one stream that no Parquet segment holds yet, in memory in the order of positions and indexed
//! by customer. A generation is frozen when its rows are sealed, and given up when the segment is named.

use crate::store::port::{Row, StreamFilter};
use std::collections::HashMap;

/// What a row costs in memory beside its payload, in bytes, roughly: itself and its place in the index.
const ROW_BYTES: usize = 80;

#[derive(Default)]
pub(super) struct Generation {
    rows: Vec<Row>,
    by_customer: HashMap<u64, Vec<u32>>,
    bytes: usize,
    /// The frame that brought the first row.
    first_sequence: u64,
}

impl Generation {
    pub(super) fn push(&mut self, row: Row, sequence: u64) {
        if self.rows.is_empty() {
            self.first_sequence = sequence;
        }
        // Generations are sealed long before they hold four billion rows; one that could not be numbered would only
        // be missing from the index, so it is better not to take it: `full` says so beforehand.
        let number = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        self.by_customer
            .entry(row.customer)
            .or_default()
            .push(number);
        self.bytes += ROW_BYTES + row.payload.len();
        self.rows.push(row);
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn first_sequence(&self) -> Option<u64> {
        (!self.rows.is_empty()).then_some(self.first_sequence)
    }

    /// Forgets rows before a position: a segment holds them. Happens while the journal is read at opening.
    pub(super) fn drop_before(&mut self, position: u64, sequence: u64) {
        if self.rows.first().is_none_or(|row| row.position >= position) {
            return;
        }
        let kept = self.rows.iter().position(|row| row.position >= position);
        let rest = kept
            .map(|from| self.rows.split_off(from))
            .unwrap_or_default();
        *self = Generation::default();
        for row in rest {
            self.push(row, sequence);
        }
    }

    /// Adds the rows that are wanted, in the order of positions, until `out` holds as many as the filter allows.
    pub(super) fn read(&self, filter: &StreamFilter, out: &mut Vec<Row>) {
        let wanted = |row: &&Row| filter.takes(row.position, row.customer, row.time);
        let room = filter.limit.saturating_sub(out.len());
        let Some(customers) = &filter.customers else {
            let from = self
                .rows
                .partition_point(|row| row.position < filter.from_position);
            out.extend(self.rows[from..].iter().filter(wanted).take(room).cloned());
            return;
        };
        let mut numbers: Vec<u32> = Vec::new();
        for customer in customers {
            numbers.extend(self.by_customer.get(customer).into_iter().flatten());
        }
        numbers.sort_unstable();
        numbers.dedup();
        let rows = numbers
            .iter()
            .filter_map(|number| self.rows.get(*number as usize));
        out.extend(rows.filter(wanted).take(room).cloned());
    }
}
