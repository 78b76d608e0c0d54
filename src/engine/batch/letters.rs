//! Letters between customers: written in the commit of the reaction that posts them, deleted in the commit of the one
//! that reads them. So each takes effect exactly once.
//!
//! The events of whoever was merged are not copied into a letter, nor into the history: they stay under their number.
//! Here they are read, and those that the target's own history does not hold already are handed to `react` with the
//! letter: what counts afterwards is what counts when that history is read again. That is one batch for all of them, as
//! rebuilding a customer's tracks is.

use super::once::said_by;
use super::overlay::Overlay;
use super::{BatchError, Done, Surroundings, Work, read_events};
use crate::domain::cause::{Cause, Liveness};
use crate::domain::event::Event;
use crate::domain::id::CustomerNo;
use crate::domain::posted::{Absorb, Letter, Posted};
use crate::domain::record::Record;
use crate::engine::state::{CustomerState, Seen, SeenPage};
use crate::store::codec::{decode, encode};
use crate::store::{Store, keys};

impl Overlay {
    /// The cause as `react` is to meet it: with the events that belong to it.
    pub(super) async fn open_letter(
        &mut self,
        around: &Surroundings<'_>,
        work: &Work,
    ) -> Result<Option<Work>, BatchError> {
        let Cause::Posted(letter) = &work.cause else {
            return Ok(None);
        };
        let Posted::Absorb(from) = &letter.posted else {
            return Ok(None);
        };
        if self
            .record(work.customer)
            .is_none_or(|r| r.moved_to.is_some())
        {
            return Ok(None);
        }
        let mut from = from.clone();
        from.events = self.unmet(around, work.customer, &from).await?;
        let letter = Letter {
            sender: letter.sender,
            no: letter.no,
            posted: Posted::Absorb(from),
        };
        Ok(Some(Work {
            cause: Cause::Posted(Box::new(letter)),
            ..work.clone()
        }))
    }

    /// The events of the source, and of whom it had absorbed, that are none of the customer's.
    async fn unmet(
        &self,
        around: &Surroundings<'_>,
        no: CustomerNo,
        from: &Absorb,
    ) -> Result<Vec<(Event, Liveness)>, BatchError> {
        let Some(customer) = self.customers.get(&no) else {
            return Ok(Vec::new());
        };
        let record = customer.state.as_ref().map(|state| &state.record);
        let own: Vec<CustomerNo> = record.into_iter().flat_map(Record::numbers).collect();
        let theirs = std::iter::once(from.source).chain(from.earlier.iter().copied());
        let numbers: Vec<CustomerNo> = own.iter().copied().chain(theirs).collect();
        let rows = read_events(around.store, &numbers).await?;
        let (known, told): (Vec<_>, Vec<_>) =
            (rows.into_iter()).partition(|(no, _)| own.contains(no));
        let mut sieve = around.rules.sieve();
        let known = known.iter().map(|(_, row)| &row.event);
        // Those of this batch are stored with it.
        for event in known.chain(&customer.events) {
            sieve.lets_through(event);
        }
        Ok((told.into_iter())
            .filter(|(_, row)| sieve.lets_through(&row.event))
            .map(|(_, row)| (row.event, row.liveness))
            .collect())
    }

    /// The letter was read, or cannot be and is listed: it is gone with this commit.
    pub(super) fn destroy_letter(&mut self, work: &Work) {
        if let Cause::Posted(letter) = &work.cause {
            let key = keys::inbox(work.customer, letter.sender, letter.no);
            self.deletes.push(key);
        }
    }

    /// The identities of what came with a letter are met from now on.
    pub(super) async fn remember_letter(
        &mut self,
        around: &Surroundings<'_>,
        work: &Work,
    ) -> Result<(), BatchError> {
        let Cause::Posted(letter) = &work.cause else {
            return Ok(());
        };
        let (Posted::Absorb(from), Some(customer)) =
            (&letter.posted, self.customers.get_mut(&work.customer))
        else {
            return Ok(());
        };
        let Some(state) = customer.state.as_mut() else {
            return Ok(());
        };
        for (event, _) in &from.events {
            let said = said_by(around.rules, event).filter(|said| *said != event.identity);
            state.seen.recent.push(event.identity);
            state.seen.recent.extend(said);
        }
        // Of profiles and consents only the identities are kept: a copy that comes under the target's number from now on
        // must not undo what was said since.
        let theirs = seen_by(around.store, from.source).await?;
        let mut new = Vec::new();
        for identity in theirs {
            if !self.is_known(around, work.customer, identity).await? {
                new.push(identity);
            }
        }
        let Some(state) =
            (self.customers.get_mut(&work.customer)).and_then(|customer| customer.state.as_mut())
        else {
            return Ok(());
        };
        state.seen.recent.extend(new);
        if state.seen.recent.len() > Seen::RECENT {
            self.spill(around, work.customer).await?;
        }
        Ok(())
    }

    /// Puts what a reaction posts into the inboxes.
    pub(super) fn post(
        &mut self,
        sender: CustomerNo,
        posts: Vec<(CustomerNo, Posted)>,
        done: &mut Done,
    ) {
        let customer = self.customers.get_mut(&sender);
        let Some(customer) = customer.filter(|_| !posts.is_empty()) else {
            return;
        };
        let Some(state) = customer.state.as_mut() else {
            return;
        };
        customer.changed = true;
        for (to, posted) in posts {
            state.posted += 1;
            let letter = Letter {
                sender,
                no: state.posted,
                posted,
            };
            let key = keys::inbox(to, sender, letter.no);
            self.puts.push((key, encode(&letter)));
            done.posted.insert(to);
        }
    }

    fn record(&self, no: CustomerNo) -> Option<&Record> {
        let state = self.customers.get(&no)?.state.as_ref()?;
        Some(&state.record)
    }
}

/// The identities that a customer who was merged has met. They meet no more: what is told of them goes to the target.
async fn seen_by(store: &dyn Store, no: CustomerNo) -> Result<Vec<u64>, BatchError> {
    let found = store.get_many(vec![keys::record(no)]).await?;
    let Some(found) = found.into_iter().next().flatten() else {
        return Ok(Vec::new());
    };
    // Who cannot be read is told of where they are asked for themselves.
    let Ok(CustomerState { seen, .. }) = decode::<CustomerState>(&found.value) else {
        return Ok(Vec::new());
    };
    let pages = (0..seen.pages).map(|page| keys::seen(no, page)).collect();
    let mut all = seen.recent;
    for page in store.get_many(pages).await?.into_iter().flatten() {
        all.extend(decode::<SeenPage>(&page.value).unwrap_or_default().0);
    }
    Ok(all)
}
