//! Who one customer is, whole: every number, id and address under which something of them may stand.

use crate::domain::address::{EmailAddress, MailboxId};
use crate::domain::id::{CustomerId, CustomerNo};
use crate::domain::posted::{Letter, Posted};
use crate::domain::record::{Mailbox, Message, Record};
use crate::engine::batch::BatchError;
use crate::engine::consent::recipient;
use crate::engine::pages::RecordPages;
use crate::engine::state::{CustomerState, MailRow, Number, id_of_stored};
use crate::store::codec::decode;
use crate::store::{Direction, KeyRange, Store, Stream, StreamFilter, Versioned, keys};
use std::collections::{BTreeMap, BTreeSet};

const PAGE: usize = 10_000;

#[derive(Default, Debug)]
pub(super) struct Person {
    pub numbers: BTreeSet<u64>,
    pub ids: BTreeSet<CustomerId>,
    pub addresses: BTreeSet<MailboxId>,
}

/// Reads the whole customer base (forgetting is rare, and must miss nothing). What cannot be read is passed by: it is
/// forgotten by its key.
pub(super) async fn gather(
    store: &dyn Store,
    id: &CustomerId,
    no: CustomerNo,
    staff: &BTreeSet<MailboxId>,
) -> Result<Person, BatchError> {
    let mut person = Person::default();
    person.ids.insert(id.clone());
    person.numbers.insert(no.0);
    let moved = all_moved(store).await?;
    loop {
        let before = person.numbers.len();
        for (from, to) in &moved {
            if person.numbers.contains(from) || person.numbers.contains(to) {
                person.numbers.extend([from, to]);
            }
        }
        for no in person.numbers.clone() {
            person.meet(store, CustomerNo(no)).await?;
        }
        if person.numbers.len() == before {
            break;
        }
    }
    person.sent_to(store, staff).await?;
    person.named(store).await?;
    person.former(store).await?;
    Ok(person)
}

/// Who was merged into whom.
async fn all_moved(store: &dyn Store) -> Result<Vec<(u64, u64)>, BatchError> {
    let mut moved = Vec::new();
    let mut pages = RecordPages::of(store);
    while let Some((_, found)) = pages.next_stored().await? {
        let records = found.iter().filter_map(record);
        moved.extend(records.filter_map(|r| Some((r.no.0, r.moved_to?.0))));
    }
    Ok(moved)
}

fn record((_, value): &(Vec<u8>, Versioned)) -> Option<Record> {
    Some(decode::<CustomerState>(&value.value).ok()?.record)
}

/// The messages that go to the customer's own mailboxes, and not to staff.
fn of_customer(record: &Record) -> impl Iterator<Item = &Message> {
    record.messages.values().filter(|m| m.staff.is_none())
}

impl Person {
    fn has(&mut self, email: &Option<EmailAddress>) {
        self.addresses.extend(email.iter().map(|e| e.mailbox()));
    }

    /// One of the numbers: its record, and the letters that wait for it.
    async fn meet(&mut self, store: &dyn Store, no: CustomerNo) -> Result<(), BatchError> {
        let found = store.get_many(vec![keys::record(no)]).await?;
        if let Some(value) = found.into_iter().next().flatten() {
            self.ids.extend(id_of_stored(&value.value));
            if let Ok(CustomerState { record, .. }) = decode(&value.value) {
                self.addresses.extend(mailboxes_of(&record));
                self.numbers.extend(record.absorbed.iter().map(|no| no.0));
            }
        }
        let letters = store.scan(keys::inbox_of(no), Direction::Forward, usize::MAX);
        for (_, value) in letters.await? {
            if let Ok(Letter {
                posted: Posted::Absorb(from),
                ..
            }) = decode(&value.value)
            {
                self.has(&from.email);
                self.numbers.insert(from.source.0);
                self.numbers.extend(from.earlier.iter().map(|no| no.0));
            }
        }
        Ok(())
    }

    /// Addresses that mails left for.
    async fn sent_to(
        &mut self,
        store: &dyn Store,
        staff: &BTreeSet<MailboxId>,
    ) -> Result<(), BatchError> {
        let filter = StreamFilter {
            customers: Some(self.numbers.iter().copied().collect()),
            ..StreamFilter::default()
        };
        for row in store.read_stream(Stream::Mails, filter).await? {
            let mail = decode::<MailRow>(&row.payload).ok();
            let mailbox = mail.and_then(|mail| recipient(&mail.bytes));
            // What told staff of the customer made no mailbox of theirs the customer's.
            self.addresses
                .extend(mailbox.filter(|mailbox| !staff.contains(mailbox)));
        }
        Ok(())
    }

    /// All ids that lead to one of the numbers.
    async fn named(&mut self, store: &dyn Store) -> Result<(), BatchError> {
        let mut pages = Pages::of(store, keys::ids_after(None));
        while let Some(found) = pages.next().await? {
            for (key, value) in found {
                if let Ok(Number(no)) = decode(&value.value)
                    && self.numbers.contains(&no)
                {
                    self.ids.extend(keys::read_id(&key));
                }
            }
        }
        Ok(())
    }

    /// Former addresses that only this customer's messages still hold places in: those that no record remembers.
    async fn former(&mut self, store: &dyn Store) -> Result<(), BatchError> {
        let mut former = BTreeSet::new();
        let mut pages = Pages::of(store, keys::mailboxes_after(None));
        while let Some(found) = pages.next().await? {
            for (key, value) in found {
                if let Ok(Mailbox { places, .. }) = decode(&value.value)
                    && !places.is_empty()
                    && (places.iter()).all(|p| self.numbers.contains(&p.message.customer.0))
                    && let Some(id) = keys::read_mailbox(&key)
                    && !self.addresses.contains(&id)
                {
                    former.insert(id);
                }
            }
        }
        // Places move with a customer who changes address: such a mailbox is that customer's.
        let theirs = others(store, &self.numbers, &former).await?;
        former.retain(|mailbox| !theirs.contains_key(mailbox));
        self.addresses.extend(former);
        Ok(())
    }
}

/// Every mailbox that a record knows as the customer's, now or before.
pub(super) fn mailboxes_of(record: &Record) -> BTreeSet<MailboxId> {
    let under_way = of_customer(record).filter_map(|m| m.to.as_ref());
    let addresses = record.email.iter().chain(under_way);
    let mut all: BTreeSet<MailboxId> = addresses.map(|a| a.mailbox()).collect();
    all.extend(record.former.iter().cloned());
    all
}

/// Which of these mailboxes somebody else has at present, and who.
pub(super) async fn others(
    store: &dyn Store,
    numbers: &BTreeSet<u64>,
    mailboxes: &BTreeSet<MailboxId>,
) -> Result<BTreeMap<MailboxId, BTreeSet<CustomerId>>, BatchError> {
    let mut others: BTreeMap<MailboxId, BTreeSet<CustomerId>> = BTreeMap::new();
    if mailboxes.is_empty() {
        return Ok(others);
    }
    let mut pages = RecordPages::of(store);
    while let Some((_, found)) = pages.next_stored().await? {
        for record in found.iter().filter_map(record) {
            if numbers.contains(&record.no.0) {
                continue;
            }
            let under_way = of_customer(&record).filter_map(|m| m.to.as_ref());
            for address in record.email.iter().chain(under_way) {
                let mailbox = address.mailbox();
                if mailboxes.contains(&mailbox) {
                    others.entry(mailbox).or_default().insert(record.id.clone());
                }
            }
        }
    }
    Ok(others)
}

/// A range of keys, page by page.
pub(super) struct Pages<'a> {
    store: &'a dyn Store,
    range: Option<KeyRange>,
}

impl<'a> Pages<'a> {
    pub fn of(store: &'a dyn Store, range: KeyRange) -> Pages<'a> {
        Pages {
            store,
            range: Some(range),
        }
    }

    pub async fn next(&mut self) -> Result<Option<Vec<(Vec<u8>, Versioned)>>, BatchError> {
        let Some(range) = self.range.take() else {
            return Ok(None);
        };
        let found = (self.store)
            .scan(range.clone(), Direction::Forward, PAGE)
            .await?;
        if let Some((last, _)) = found.last()
            && found.len() == PAGE
        {
            self.range = Some(range.after(last.clone()));
        }
        Ok(Some(found))
    }
}
