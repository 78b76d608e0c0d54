//! The consent ledger as people and programs read it, over all customers or of one.

use super::customer::{LedgerView, ledger};
use crate::domain::consent_ledger::ConsentRow;
use crate::domain::id::{CustomerId, CustomerNo, ShardNo};
use crate::domain::time::Timestamp;
use crate::engine::batch::BatchError;
use crate::engine::core::Core;
use crate::engine::shard::Refused;
use crate::engine::state::id_of_stored;
use crate::store::codec::decode;
use crate::store::{Direction, keys};
use serde::Serialize;

const PAGE: usize = 1_000;

/// Which rows are wanted; what is `None` is not asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsentFilter {
    pub customer: Option<CustomerId>,
    /// Rows told in [from, to).
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    /// The last so many.
    pub limit: usize,
}

/// One row of the ledger, and whose it is.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ConsentLogView {
    /// The shop's own id.
    pub customer: String,
    #[serde(flatten)]
    pub row: LedgerView,
}

impl Core {
    /// The rows that the filter takes, in the order in which they were told; of more than `limit` the last ones.
    pub async fn consents(&self, filter: &ConsentFilter) -> Result<Vec<ConsentLogView>, Refused> {
        let ranges = match &filter.customer {
            None => ShardNo::all().map(keys::consents_all).collect(),
            Some(id) => {
                // Those who were merged into this customer are this customer.
                let numbers: Vec<CustomerNo> = match self.whom(id).await? {
                    Some((_, Some(record))) => record.numbers().collect(),
                    Some((no, None)) => vec![no],
                    None => Vec::new(),
                };
                numbers
                    .into_iter()
                    .map(keys::consents_of)
                    .collect::<Vec<_>>()
            }
        };
        let mut rows: Vec<(CustomerNo, ConsentRow)> = Vec::new();
        let last = |rows: &mut Vec<(CustomerNo, ConsentRow)>| {
            rows.sort_by_key(|(no, row)| (row.told, *no));
            rows.drain(..rows.len().saturating_sub(filter.limit));
        };
        for mut range in ranges {
            loop {
                let scan = self.store.scan(range.clone(), Direction::Forward, PAGE);
                let found = scan.await.map_err(BatchError::from)?;
                for (key, value) in &found {
                    let row: ConsentRow = decode(&value.value).map_err(BatchError::from)?;
                    let wanted = filter.from.is_none_or(|from| row.told >= from)
                        && filter.to.is_none_or(|to| row.told < to);
                    if let Some(no) = keys::read_consent(key).filter(|_| wanted) {
                        rows.push((no, row));
                    }
                }
                // Never more in memory than twice what is wanted, and a page.
                if rows.len() > filter.limit.saturating_mul(2) {
                    last(&mut rows);
                }
                match found.last() {
                    Some((key, _)) if found.len() == PAGE => range = range.after(key.clone()),
                    _ => break,
                }
            }
        }
        last(&mut rows);
        let rules = std::sync::Arc::clone(&self.catalogue().rules);
        let domain = self.from.sender.from.address.domain();
        let records = rows.iter().map(|(no, _)| keys::record(*no)).collect();
        let records = (self.store.get_many(records).await).map_err(BatchError::from)?;
        let views = rows
            .into_iter()
            .zip(records)
            .flat_map(|((no, row), value)| {
                let id = value.and_then(|value| id_of_stored(&value.value));
                // A row whose record is gone still names its customer, by number.
                let customer = id.map_or_else(|| format!("#{}", no.0), |id| id.to_string());
                let views = ledger(vec![row], no, &rules, domain);
                (views.into_iter()).map(move |row| ConsentLogView {
                    customer: customer.clone(),
                    row,
                })
            });
        Ok(views.collect())
    }
}
