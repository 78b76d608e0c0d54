//! Who share a mailbox, and so must be played together. Found by the heads of all records and by the messages under way;
//! 16 bytes a customer are held meanwhile.

use crate::domain::id::{CustomerNo, ShardNo};
use crate::domain::record::Record;
use crate::engine::batch::BatchError;
use crate::engine::pages::RecordPages;
use crate::engine::state::{CustomerState, mailbox_of_stored};
use crate::store::codec::decode;
use crate::store::{Direction, Store, keys};
use std::collections::{BTreeSet, HashMap};
use xxhash_rust::xxh3::xxh3_64;

/// So many records are read at once.
const CHUNK: usize = 1_000;

/// The customers who share a mailbox with another, or wait for one.
#[derive(Default)]
pub struct Shared {
    /// Each in the order of shards, then numbers.
    pub groups: Vec<Vec<CustomerNo>>,
    members: HashMap<CustomerNo, usize>,
}

impl Shared {
    /// Looks through all records.
    pub async fn find(store: &dyn Store) -> Result<Shared, BatchError> {
        let mut links: Vec<(u64, u64)> = Vec::new();
        let mut pages = RecordPages::of(store);
        while let Some((_, found)) = pages.next_stored().await? {
            for (key, value) in found {
                if let (Some(no), Some(mailbox)) =
                    (keys::read_record(&key), mailbox_of_stored(&value.value))
                {
                    links.push((xxh3_64(mailbox.0.as_bytes()), no.0));
                }
            }
        }
        // Messages under way may go to another address than the present one, and those of a customer who was merged
        // concern whom they were merged into.
        let busy: Vec<CustomerNo> = busy(store).await?.into_iter().collect();
        for chunk in busy.chunks(CHUNK) {
            let wanted = chunk.iter().map(|no| keys::record(*no)).collect();
            for value in store.get_many(wanted).await?.into_iter().flatten() {
                if let Ok(state) = decode::<CustomerState>(&value.value) {
                    links.extend(links_of(&state.record));
                }
            }
        }
        links.sort_unstable();
        links.dedup();
        Ok(Shared::of(&links))
    }

    fn of(links: &[(u64, u64)]) -> Shared {
        // Who is joined with whom: a chain to the first of them.
        let mut joined: HashMap<u64, u64> = HashMap::new();
        fn first(joined: &HashMap<u64, u64>, mut no: u64) -> u64 {
            while let Some(next) = joined.get(&no).filter(|next| **next != no) {
                no = *next;
            }
            no
        }
        for together in links
            .chunk_by(|a, b| a.0 == b.0)
            .filter(|run| run.len() > 1)
        {
            let head = first(&joined, together[0].1);
            for (_, no) in together {
                let other = first(&joined, *no);
                joined.insert(other, head);
                joined.insert(*no, head);
            }
            joined.insert(head, head);
        }
        let mut by_head: HashMap<u64, Vec<CustomerNo>> = HashMap::new();
        for no in joined.keys() {
            let head = first(&joined, *no);
            by_head.entry(head).or_default().push(CustomerNo(*no));
        }
        let mut groups: Vec<Vec<CustomerNo>> = by_head.into_values().collect();
        for group in &mut groups {
            group.sort_unstable_by_key(|no| (no.shard(), *no));
        }
        groups.sort_unstable();
        let members = (groups.iter().enumerate())
            .flat_map(|(at, group)| group.iter().map(move |no| (*no, at)))
            .collect();
        Shared { groups, members }
    }

    pub fn holds(&self, no: CustomerNo) -> bool {
        self.members.contains_key(&no)
    }
}

/// What a record is linked by: its mailboxes, and whom it was merged into.
fn links_of(record: &Record) -> Vec<(u64, u64)> {
    // A mail to staff holds no place in their mailbox: all whom it is about have nothing to do with each other.
    let mailboxes = (record.messages.values())
        .filter(|m| m.staff.is_none())
        .filter_map(|m| m.to.as_ref())
        .map(|to| xxh3_64(to.mailbox().0.as_bytes()));
    let mut links: Vec<(u64, u64)> = mailboxes.map(|hash| (hash, record.no.0)).collect();
    if let Some(to) = record.moved_to {
        let both = xxh3_64(format!("merged into {}", to.0).as_bytes());
        links.extend([(both, record.no.0), (both, to.0)]);
    }
    links
}

/// Customers with messages that were released or are under way.
async fn busy(store: &dyn Store) -> Result<BTreeSet<CustomerNo>, BatchError> {
    let mut busy = BTreeSet::new();
    for shard in ShardNo::all() {
        let all = async |range| store.scan(range, Direction::Forward, usize::MAX).await;
        for (key, _) in all(keys::outbox_all(shard)).await? {
            busy.extend(keys::read_outbox(&key).map(|(_, message)| message.customer));
        }
        for (key, _) in all(keys::parked_all(shard)).await? {
            busy.extend(keys::read_parked(&key).map(|message| message.customer));
        }
        for (key, _) in all(keys::attempting_all(shard)).await? {
            busy.extend(keys::read_attempting(&key).map(|message| message.customer));
        }
    }
    Ok(busy)
}

#[cfg(test)]
mod tests {
    use super::Shared;
    use crate::domain::id::CustomerNo;

    #[test]
    fn who_are_linked_by_any_chain_of_mailboxes_are_one_group() {
        let links = [
            (1, 5),
            (2, 6),
            (3, 5),
            (3, 70),
            (4, 70),
            (4, 9),
            (8, 2),
            (8, 3),
        ];
        let shared = Shared::of(&links);
        let numbers = |group: &Vec<CustomerNo>| group.iter().map(|no| no.0).collect::<Vec<_>>();
        let groups: Vec<_> = shared.groups.iter().map(numbers).collect();
        // 70 is of shard 6.
        assert_eq!(groups, [vec![2, 3], vec![5, 70, 9]]);
        assert!(shared.holds(CustomerNo(70)) && !shared.holds(CustomerNo(6)));
    }
}
