//! What `check` asks of the store: which attributes customers lack, which tags they bear, and which events were ever seen.
//!
//! It reads, and changes nothing. Customers are read a page at a time; the history only until every event that is asked
//! about was met.

use super::batch::BatchError;
use super::core::Core;
use super::pages::RecordPages;
use super::shard::Refused;
use super::state::EventRow;
use crate::domain::id::TagName;
use crate::domain::value::{Value, any_at};
use crate::store::codec::decode;
use crate::store::{Row, Stream};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// More kinds of events, and more tags, than a shop has on purpose.
const MOST_NAMES: usize = 2_000;

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Survey {
    pub customers: u64,
    /// How many customers have no value for each attribute that was asked about.
    pub lacking: BTreeMap<String, u64>,
    /// Names of events; all of those asked about that were ever seen are among them.
    pub events: BTreeSet<String>,
    /// Tags that customers bear by hand or by a step; all of those asked about that anybody bears are among them.
    #[serde(default)]
    pub tags: BTreeSet<String>,
}

impl Core {
    /// Reads every customer once, and of the history what is needed.
    pub async fn survey(
        &self,
        attributes: &BTreeSet<String>,
        events: &BTreeSet<String>,
        tags: &BTreeSet<String>,
    ) -> Result<Survey, Refused> {
        let mut survey = Survey {
            lacking: attributes.iter().map(|name| (name.clone(), 0)).collect(),
            ..Survey::default()
        };
        let paths: Vec<(&String, Vec<String>)> = (attributes.iter())
            .map(|name| (name, name.split('.').map(str::to_owned).collect()))
            .collect();
        let mut pages = RecordPages::of(&*self.store);
        while let Some(records) = pages.next().await? {
            for record in &records {
                survey.customers += 1;
                for (name, path) in &paths {
                    let mut there = |value: &Value| *value != Value::Null;
                    // What templates see as `customer.consent` is the customer's word, and no attribute.
                    let word = path[0] == "consent" && !record.consents.is_empty();
                    if !word
                        && !any_at(&record.attributes, path, &mut there)
                        && let Some(count) = survey.lacking.get_mut(*name)
                    {
                        *count += 1;
                    }
                }
                for tag in record.tags.iter().map(TagName::as_str) {
                    if survey.tags.len() < MOST_NAMES || tags.contains(tag) {
                        survey.tags.insert(tag.to_owned());
                    }
                }
            }
        }
        if !events.is_empty() {
            survey.events = self.events_seen(events).await?;
        }
        Ok(survey)
    }

    async fn events_seen(&self, wanted: &BTreeSet<String>) -> Result<BTreeSet<String>, BatchError> {
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let (known, wanted) = (Arc::clone(&seen), wanted.clone());
        let take = move |rows: Vec<Row>| {
            let mut seen = known.lock().unwrap_or_else(PoisonError::into_inner);
            for row in rows {
                // A row that cannot be read is told of by `verify`.
                if let Ok(row) = decode::<EventRow>(&row.payload)
                    && !seen.contains(row.event.name.as_str())
                    && (seen.len() < MOST_NAMES || wanted.contains(row.event.name.as_str()))
                {
                    seen.insert(row.event.name.as_str().to_owned());
                }
            }
            !wanted.is_subset(&seen)
        };
        self.store.read_all(Stream::Events, Arc::new(take)).await?;
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut *seen))
    }
}
