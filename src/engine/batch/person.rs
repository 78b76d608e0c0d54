//! Whose mail it is: a message that stayed with one who was merged into another is judged by that other's record.
//!
//! That one may live in another shard, whose writer goes on meanwhile. So the record is read like a mailbox: with its
//! revision, which is checked at the commit. Whatever was acknowledged there before, a refusal above all, either was read
//! here or makes the commit conflict, and the asking is redone on what stands.

use super::overlay::{Customer, Overlay};
use super::{BatchError, Surroundings, Work};
use crate::domain::cause::Cause;
use crate::domain::id::CustomerNo;
use crate::domain::record::Record;
use crate::engine::state::CustomerState;
use crate::store::codec::decode;
use crate::store::keys;

/// A customer of another shard, as read.
pub(super) struct Witness {
    pub(super) revision: Option<u64>,
    record: Option<Record>,
}

impl Overlay {
    /// At the end of the chain, whom the customer was merged into; none where nothing can be told of that one.
    pub(super) async fn person_of(
        &mut self,
        around: &Surroundings<'_>,
        work: &Work,
    ) -> Result<Option<Record>, BatchError> {
        let (Cause::Ready { .. } | Cause::Claim { .. }) = work.cause else {
            return Ok(None);
        };
        let own = self.customers.get(&work.customer);
        let Some(mut at) = own.and_then(|c| c.state.as_ref()?.record.moved_to) else {
            return Ok(None);
        };
        loop {
            // Nobody moves on from where they moved to, so that only the last one's revision matters; no chain is a circle.
            match self.other(around, at).await? {
                Some(Record {
                    moved_to: Some(to), ..
                }) => at = *to,
                found => return Ok(found.cloned()),
            }
        }
    }

    /// Another customer's record: as this batch has made it, where the customer is of this shard.
    async fn other(
        &mut self,
        around: &Surroundings<'_>,
        no: CustomerNo,
    ) -> Result<Option<&Record>, BatchError> {
        let own = no.shard() == around.shard;
        let known = match own {
            true => self.customers.contains_key(&no) || self.unreadable.contains_key(&no),
            false => self.witnesses.contains_key(&no),
        };
        if !known {
            let found = around.store.get_many(vec![keys::record(no)]).await?;
            let found = found.into_iter().next().flatten();
            let revision = found.as_ref().map(|v| v.revision);
            let state: Option<CustomerState> = match found.map(|v| decode(&v.value)).transpose() {
                Ok(state) => state,
                Err(error) if own => {
                    self.unreadable.insert(no, error);
                    return Ok(None);
                }
                // It is their own shard that lists it.
                Err(_) => None,
            };
            if own {
                let customer = Customer {
                    before: state.as_ref().map(|s| s.record.clone()),
                    state,
                    ..Customer::default()
                };
                self.customers.insert(no, customer);
            } else {
                let record = state.map(|s| s.record);
                self.witnesses.insert(no, Witness { revision, record });
            }
        }
        Ok(match own {
            true => (self.customers.get(&no)).and_then(|c| Some(&c.state.as_ref()?.record)),
            false => self.witnesses.get(&no).and_then(|w| w.record.as_ref()),
        })
    }
}
