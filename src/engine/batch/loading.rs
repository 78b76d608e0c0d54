//! What a batch will need, read in few rounds for all its causes.

use crate::domain::address::MailboxId;
use crate::domain::id::CustomerNo;
use crate::domain::react::mailboxes_for;
use crate::engine::forget::Stood;
use crate::engine::quotas;
use crate::engine::state::{CustomerState, EventRow};
use crate::store::codec::decode;
use crate::store::{Stream, StreamFilter, keys};
use std::collections::HashSet;

use super::once::{is_by_another_rule, said_by, said_once};
use super::overlay::{Box_, Customer, Overlay, Page};
use super::{BatchError, Surroundings, Work};

impl Overlay {
    /// Reads what the causes will need, in two rounds for the whole batch.
    pub(super) async fn load(
        &mut self,
        around: &Surroundings<'_>,
        works: &[Work],
    ) -> Result<(), BatchError> {
        let mut numbers: Vec<CustomerNo> = works.iter().map(|w| w.customer).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let found = around
            .store
            .get_many(numbers.iter().map(|no| keys::record(*no)).collect())
            .await?;
        for (no, value) in numbers.iter().zip(found) {
            let mut state: Option<CustomerState> = match value.map(|v| decode(&v.value)).transpose()
            {
                Ok(state) => state,
                Err(error) => {
                    self.unreadable.insert(*no, error);
                    continue;
                }
            };
            if let Some(CustomerState { record, .. }) = &mut state {
                record.next_message = record.next_message.max(around.first_message);
            }
            let customer = Customer {
                before: state.as_ref().map(|s| s.record.clone()),
                state,
                ..Customer::default()
            };
            self.customers.insert(*no, customer);
        }
        self.load_gone(around, works).await?;
        let mut boxes = HashSet::new();
        let mut pages = HashSet::new();
        for work in works {
            let Some(state) = self
                .customers
                .get(&work.customer)
                .and_then(|c| c.state.as_ref())
            else {
                continue;
            };
            boxes.extend(mailboxes_for(&state.record, &work.cause, around.rules));
            let identities = [work.cause.identity(), said_once(around.rules, &work.cause)];
            let found = identities.into_iter().flatten();
            pages.extend(found.filter_map(|id| Some((work.customer, state.seen.page_of(id)?))));
        }
        self.load_boxes(around, boxes).await?;
        self.load_pages(around, pages).await?;
        for (id, stood) in quotas::read(around.store, around.rules).await? {
            self.quotas.insert(id.clone(), stood.taken);
            self.quota_checks.insert(id, stood.checks);
        }
        self.load_histories(around).await
    }

    /// Who is told of for the first time, and was forgotten since the caller learned the number.
    async fn load_gone(
        &mut self,
        around: &Surroundings<'_>,
        works: &[Work],
    ) -> Result<(), BatchError> {
        if !around.forgotten.any() {
            return Ok(());
        }
        let first_told = |work: &&Work| {
            let known = self.customers.get(&work.customer);
            work.id.is_some() && known.is_some_and(|c| c.state.is_none())
        };
        let told: Vec<CustomerNo> = (works.iter().filter(first_told))
            .map(|w| w.customer)
            .collect();
        let wanted: Vec<_> = told.iter().map(|no| keys::gone(*no)).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let found = around.store.get_many(wanted).await?;
        let gone = told.into_iter().zip(found).filter(|(_, f)| f.is_some());
        self.gone.extend(gone.map(|(no, _)| no));
        Ok(())
    }

    /// Records built for another plan of tracks will be rebuilt: their histories are read in one go.
    pub(super) async fn load_histories(
        &mut self,
        around: &Surroundings<'_>,
    ) -> Result<(), BatchError> {
        // Those who absorbed others, and those who moved, are few: theirs are read one by one.
        let outdated = |state: &CustomerState| {
            state.record.absorbed.is_empty() && is_by_another_rule(around.rules, &state.record)
        };
        let mut wanted: Vec<u64> = (self.customers.iter())
            .filter(|(_, c)| c.state.as_ref().is_some_and(outdated))
            .map(|(no, _)| no.0)
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        wanted.sort_unstable();
        for no in &wanted {
            if let Some(customer) = self.customers.get_mut(&CustomerNo(*no)) {
                customer.history = Some(Vec::new());
            }
        }
        let filter = StreamFilter {
            customers: Some(wanted),
            ..StreamFilter::default()
        };
        for row in around.store.read_stream(Stream::Events, filter).await? {
            let no = CustomerNo(row.customer);
            match decode::<EventRow>(&row.payload) {
                Ok(row) => {
                    if let Some(customer) = self.customers.get_mut(&no)
                        && let Some(history) = customer.history.as_mut()
                    {
                        history.push(row.event);
                    }
                }
                Err(error) => _ = self.unreadable.insert(no, error),
            }
        }
        let mut pages = HashSet::new();
        for (no, customer) in &mut self.customers {
            let (Some(history), Some(state)) = (&mut customer.history, &customer.state) else {
                continue;
            };
            let mut sieve = around.rules.sieve();
            history.retain(|event| sieve.lets_through(event));
            let said = history.iter().filter_map(|e| said_by(around.rules, e));
            pages.extend(said.filter_map(|said| Some((*no, state.seen.page_of(said)?))));
        }
        self.load_pages(around, pages).await
    }

    pub(super) async fn load_boxes(
        &mut self,
        around: &Surroundings<'_>,
        wanted: HashSet<MailboxId>,
    ) -> Result<(), BatchError> {
        let wanted: Vec<MailboxId> = wanted
            .into_iter()
            .filter(|id| !self.mailboxes.contains_key(id) && !self.bad_boxes.contains_key(id))
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let found = around.forgotten.mailboxes(around.store, &wanted).await?;
        for (id, Stood { revision, mailbox }) in wanted.into_iter().zip(found) {
            let mailbox = match mailbox {
                Ok(mailbox) => mailbox,
                Err(error) => {
                    self.bad_boxes.insert(id, error);
                    continue;
                }
            };
            self.mailboxes.insert(
                id,
                Box_ {
                    revision,
                    mailbox,
                    changed: false,
                },
            );
        }
        Ok(())
    }

    pub(super) async fn load_pages(
        &mut self,
        around: &Surroundings<'_>,
        wanted: HashSet<(CustomerNo, u32)>,
    ) -> Result<(), BatchError> {
        let wanted: Vec<_> = wanted
            .into_iter()
            .filter(|p| !self.pages.contains_key(p))
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let found = around
            .store
            .get_many(wanted.iter().map(|(no, p)| keys::seen(*no, *p)).collect())
            .await?;
        for (at, value) in wanted.into_iter().zip(found) {
            let page = match value.map(|v| decode(&v.value)).transpose() {
                Ok(page) => page.unwrap_or_default(),
                Err(error) => {
                    self.unreadable.insert(at.0, error);
                    continue;
                }
            };
            self.pages.insert(
                at,
                Page {
                    page,
                    changed: false,
                },
            );
        }
        Ok(())
    }
}
