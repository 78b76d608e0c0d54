//! Complaints: somebody with this address reported mail as unwanted. From then on nothing but transactional mail goes
//! there, and the complaint is laid to the latest mail that left there.
//!
//! Whose mail that was the mailbox itself tells: every message that counts in caps leaves its place there. Only where
//! none did are the customers looked for among all, once for all addresses that were told together.

use crate::domain::address::{EmailAddress, MailboxId};
use crate::domain::cause::Cause;
use crate::domain::id::CustomerNo;
use crate::domain::record::{Place, Record, Suppression, SuppressionCause};
use crate::engine::batch::BatchError;
use crate::engine::core::Core;
use crate::engine::pages::{RecordPages, records_of};
use crate::engine::shard::Refused;
use crate::engine::state::mailbox_of_stored;
use crate::store::keys;
use std::collections::{BTreeMap, BTreeSet};

/// So often somebody is followed to whom they were merged into.
const FOLLOWED: usize = 10;

impl Core {
    /// A suppression that stops everything stays; told again, nothing is counted again. False if nothing changed.
    pub async fn complain(&self, address: &EmailAddress, note: &str) -> Result<bool, Refused> {
        let one = std::slice::from_ref(address);
        Ok(self.complain_all(one, note).await? > 0)
    }

    /// The same for many addresses; returns for how many anything changed.
    pub async fn complain_all(
        &self,
        addresses: &[EmailAddress],
        note: &str,
    ) -> Result<u64, Refused> {
        let at = self.clock.now();
        let suppression = |cause| Suppression {
            cause,
            at,
            note: note.to_owned(),
        };
        let complaint = suppression(SuppressionCause::Complaint);
        let mut changed = 0;
        let mut looked_for = BTreeSet::new();
        for id in addresses.iter().map(EmailAddress::mailbox) {
            let mailbox = self.mailbox(&id).await?;
            let stands = mailbox.suppression.map(|s| s.cause);
            if stands.is_some_and(|cause| cause != SuppressionCause::Unsubscribe)
                || looked_for.contains(&id)
            {
                continue;
            }
            changed += 1;
            if let Some(no) = self.latest_of_places(&id, &mailbox.places).await? {
                self.lay_complaint(Some(no), &id, &complaint).await?;
                continue;
            }
            // In force at once. As an unsubscribe, which stops the same: where the search is cut off, the complaint is
            // laid when it is told again.
            let left = suppression(SuppressionCause::Unsubscribe);
            self.change_suppression(&id, |old| old.is_none().then(|| Some(left.clone())))
                .await?;
            looked_for.insert(id);
        }
        if looked_for.is_empty() {
            return Ok(changed);
        }
        let found = self.customers_of(&looked_for).await?;
        for id in &looked_for {
            let of = found.get(id).into_iter().flatten();
            let latest = of.max_by_key(|r| latest_left(r)).map(|r| r.no);
            self.lay_complaint(latest, id, &complaint).await?;
        }
        Ok(changed)
    }

    /// Suppresses the mailbox, and has the customer's latest mail bear the complaint.
    async fn lay_complaint(
        &self,
        customer: Option<CustomerNo>,
        id: &MailboxId,
        complaint: &Suppression,
    ) -> Result<(), Refused> {
        if let Some(no) = customer {
            let cause = Cause::Suppress {
                mailbox: id.clone(),
                suppression: Some(complaint.clone()),
            };
            match self.act(no, cause).await {
                Ok(_) => return Ok(()),
                // They are listed as such; their mailbox is theirs alone to lose.
                Err(Refused::Unreadable(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let binds = |old: Option<&Suppression>| match old.map(|s| s.cause) {
            None | Some(SuppressionCause::Unsubscribe) => Some(Some(complaint.clone())),
            _ => None,
        };
        self.change_suppression(id, binds).await?;
        Ok(())
    }

    /// To whom the latest of those mails left that have a place there: whose address it still is before those who have
    /// another one now.
    async fn latest_of_places(
        &self,
        id: &MailboxId,
        places: &[Place],
    ) -> Result<Option<CustomerNo>, BatchError> {
        let numbers: BTreeSet<CustomerNo> = places.iter().map(|p| p.message.customer).collect();
        let mut numbers: Vec<CustomerNo> = numbers.into_iter().collect();
        let mut records: Vec<Record> = Vec::new();
        for _ in 0..FOLLOWED {
            if numbers.is_empty() {
                break;
            }
            let found = records_of(&*self.store, &numbers).await?;
            let found = found.into_iter().flatten();
            let (moved, stay): (Vec<Record>, Vec<Record>) =
                found.partition(|r| r.moved_to.is_some());
            records.extend(stay);
            numbers = moved.iter().filter_map(|r| r.moved_to).collect();
        }
        let latest = records
            .iter()
            .max_by_key(|r| (has(r, id), latest_left(r), r.no));
        Ok(latest.map(|r| r.no))
    }

    /// Whose addresses these are. Reads all customers once, and of each no more than the address.
    pub(super) async fn customers_of(
        &self,
        mailboxes: &BTreeSet<MailboxId>,
    ) -> Result<BTreeMap<MailboxId, Vec<Record>>, BatchError> {
        let mut numbers = Vec::new();
        let mut pages = RecordPages::of(&*self.store);
        while let Some((_, page)) = pages.next_stored().await? {
            numbers.extend(page.iter().filter_map(|(key, value)| {
                let own = mailbox_of_stored(&value.value)?;
                mailboxes.contains(&own).then(|| keys::read_record(key))?
            }));
            // A store in memory never waits: others have their turn between two pages.
            tokio::task::yield_now().await;
        }
        let mut of: BTreeMap<MailboxId, Vec<Record>> = BTreeMap::new();
        let records = records_of(&*self.store, &numbers).await?;
        for record in records.into_iter().flatten() {
            // Who was merged into another is that one.
            if let (None, Some(email)) = (record.moved_to, &record.email) {
                of.entry(email.mailbox()).or_default().push(record);
            }
        }
        Ok(of)
    }
}

fn has(record: &Record, id: &MailboxId) -> bool {
    record.email.as_ref().map(EmailAddress::mailbox).as_ref() == Some(id)
}

fn latest_left(record: &Record) -> Option<crate::domain::time::Timestamp> {
    record.sent.iter().map(|m| m.left).max()
}
