//! What shops ask of the operator for their customers: to forget one (GDPR art. 17), a copy of what is kept of one
//! (art. 15). Each is a row of its own, durable before the shop is answered, until somebody says that it was done or the
//! customer is forgotten. Nothing is done by itself: who may ask for an erasure is for the operator to judge.

use super::batch::BatchError;
use super::core::Core;
use super::shard::Refused;
use crate::domain::explain::rfc3339;
use crate::domain::id::CustomerId;
use crate::domain::time::Timestamp;
use crate::store::codec::{Stored, decode, encode};
use crate::store::{Batch, Direction, Key, Versioned, keys};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Asked {
    /// That a customer be forgotten.
    Forget,
    /// A copy of what is kept of a customer.
    Export,
    /// That all customers of the shop be forgotten.
    ForgetShop,
}

impl Asked {
    pub const ALL: [Asked; 3] = [Asked::Forget, Asked::Export, Asked::ForgetShop];

    pub fn as_str(self) -> &'static str {
        match self {
            Asked::Forget => "forget",
            Asked::Export => "export",
            Asked::ForgetShop => "forget-shop",
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Request {
    at: Timestamp,
    webhook: String,
    asked: Asked,
    customer: Option<CustomerId>,
}

impl Stored for Request {
    const WHAT: &'static str = "request of a shop";
    const VERSION: u8 = 1;
}

/// What came of keeping a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    pub request: String,
    /// The customer's, where Reveille knows them.
    pub number: Option<u64>,
    /// The customer was forgotten before: nothing is left to be done.
    pub settled: bool,
}

/// A request that nobody has done yet.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RequestView {
    pub request: String,
    #[serde(serialize_with = "rfc3339")]
    pub at: Timestamp,
    pub webhook: String,
    pub asked: &'static str,
    /// The shop's id; none where the shop gave none, or one of somebody who was forgotten.
    pub customer: Option<CustomerId>,
    /// Ours; none where nothing is kept under that id.
    pub number: Option<u64>,
}

impl Core {
    /// Keeps what the shop behind `webhook` asks; when it returns, that is durable. `told` is what two sendings of it
    /// share: they are one request.
    pub async fn keep_request(
        &self,
        webhook: &str,
        asked: Asked,
        customer: Option<&CustomerId>,
        told: &str,
    ) -> Result<Kept, Refused> {
        // Nobody is forgotten between the question whether they were and the row that names them.
        let _none_forgotten = self.forgetting.read().await;
        let mut number = None;
        let mut customer = customer;
        let mut settled = false;
        if let Some(id) = customer {
            let ids = std::slice::from_ref(id);
            number = self.directory.find(ids).await?.into_iter().next().flatten();
            if self.forgotten.ids(&*self.store, ids).await?.contains(&true) {
                // Their id is not written down again. A copy still wants an answer: that nothing is kept.
                customer = None;
                settled = asked == Asked::Forget;
            }
        }
        let request = name(&[webhook, asked.as_str(), told]);
        if !settled {
            let row = Request {
                at: self.clock.now(),
                webhook: webhook.to_owned(),
                asked,
                customer: customer.cloned(),
            };
            let batch = Batch {
                puts: vec![(keys::request(&request), encode(&row))],
                // A shop asks a few times and then no more: not even a full disk loses it.
                urgent: true,
                ..Batch::default()
            };
            self.store.commit(batch).await.map_err(BatchError::from)?;
        }
        Ok(Kept {
            request,
            number: number.map(|no| no.0),
            settled,
        })
    }

    /// Every open request, oldest first.
    pub async fn requests(&self) -> Result<Vec<RequestView>, Refused> {
        let mut rows = Vec::new();
        for (key, value) in self.request_rows().await? {
            let row: Request = decode(&value.value).map_err(BatchError::from)?;
            rows.extend(keys::read_request(&key).map(|request| (request, row)));
        }
        let ids: Vec<CustomerId> = rows
            .iter()
            .filter_map(|(_, r)| r.customer.clone())
            .collect();
        let numbers = self.directory.find(&ids).await?;
        let numbers: BTreeMap<CustomerId, _> = ids.into_iter().zip(numbers).collect();
        let mut views: Vec<RequestView> = (rows.into_iter())
            .map(|(request, row)| RequestView {
                request,
                at: row.at,
                webhook: row.webhook,
                asked: row.asked.as_str(),
                number: (row.customer.as_ref())
                    .and_then(|id| numbers.get(id).copied().flatten())
                    .map(|no| no.0),
                customer: row.customer,
            })
            .collect();
        views.sort_by(|a, b| (a.at, &a.request).cmp(&(b.at, &b.request)));
        Ok(views)
    }

    /// Closes a request that was done; false where none of this name is open.
    pub async fn request_done(&self, request: &str) -> Result<bool, Refused> {
        let key = keys::request(request);
        let found = self.store.get_many(vec![key.clone()]).await;
        if !found.map_err(BatchError::from)?.iter().any(Option::is_some) {
            return Ok(false);
        }
        self.close(vec![key]).await?;
        tracing::info!(request, "a request of a shop was done");
        Ok(true)
    }

    /// Closes those of somebody of whom nothing is kept.
    pub(super) async fn close_requests_of(&self, id: &CustomerId) -> Result<(), Refused> {
        let keys = self.requests_of(|other| other == id).await?;
        self.close(keys).await
    }

    async fn close(&self, deletes: Vec<Key>) -> Result<(), Refused> {
        if deletes.is_empty() {
            return Ok(());
        }
        let batch = Batch {
            deletes,
            urgent: true,
            ..Batch::default()
        };
        self.store.commit(batch).await.map_err(BatchError::from)?;
        Ok(())
    }

    /// The keys of the open requests of these customers.
    pub(super) async fn requests_of(
        &self,
        whose: impl Fn(&CustomerId) -> bool,
    ) -> Result<Vec<Key>, Refused> {
        let rows = self.request_rows().await?.into_iter();
        let theirs = rows.filter(|(_, value)| {
            // One that cannot be read is nobody's that could be told; `requests` says so.
            let row = decode::<Request>(&value.value).ok();
            row.and_then(|row| row.customer)
                .is_some_and(|id| whose(&id))
        });
        Ok(theirs.map(|(key, _)| key).collect())
    }

    async fn request_rows(&self) -> Result<Vec<(Key, Versioned)>, Refused> {
        let range = keys::requests_all();
        let rows = self.store.scan(range, Direction::Forward, usize::MAX).await;
        Ok(rows.map_err(BatchError::from)?)
    }
}

/// Short enough to be typed.
fn name(parts: &[&str]) -> String {
    let hash = digest(&SHA256, parts.join("\0").as_bytes());
    let short = hash.as_ref().iter().take(6);
    short.map(|byte| format!("{byte:02x}")).collect()
}
