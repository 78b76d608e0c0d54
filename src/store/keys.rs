//! Every key of the store.
//!
//! A customer's keys begin with the shard's number, so that a shard is one contiguous range; what customers share
//! (mailboxes, ids) and what the whole house shares has ranges of its own behind the last shard. Numbers are
//! big-endian, so that keys sort as the numbers do; instants are shifted to be unsigned.

mod coupons;
mod forgotten;
mod hourly;
mod outbox;
mod quotas;

pub use coupons::{coupon_given, coupon_share, coupons_all};
pub use forgotten::{erasure, erasures_all, forgotten_address, forgotten_id, gone, read_erasure};
pub use hourly::{hourly, hourly_all, hourly_before, read_hourly};
pub use outbox::{Queue, outbox, outbox_all, outbox_until, read_outbox};
pub use quotas::{quota, quotas_all};

use super::port::{Key, KeyRange};
use crate::domain::address::MailboxId;
use crate::domain::id::{CampaignId, CustomerId, CustomerNo, MessageNo, MessageRef, ShardNo};
use crate::domain::record::DueAt;
use crate::domain::time::Timestamp;

const RECORD: u8 = b'r';
const SEEN: u8 = b's';
const ALARM: u8 = b'a';
const DUE: u8 = b'd';
const OUTBOX: u8 = b'o';
const ATTEMPTING: u8 = b't';
const PARKED: u8 = b'p';
const OCCURRENCE: u8 = b'c';
const WALK: u8 = b'w';
const TICKED: u8 = b'k';
const CONSENT: u8 = b'l';
const POISON: u8 = b'x';
const INBOX: u8 = b'i';

const IDS: u8 = 0xFD;
const MAILBOXES: u8 = 0xFE;
const HOUSE: u8 = 0xFF;

fn start(shard: ShardNo, kind: u8) -> Key {
    vec![shard.0, kind]
}

fn instant(at: Timestamp) -> [u8; 8] {
    // Flipping the sign bit makes negative instants sort before positive ones.
    ((at.millis() as u64) ^ (1 << 63)).to_be_bytes()
}

fn read_instant(bytes: &[u8]) -> Option<Timestamp> {
    let raw = u64::from_be_bytes(bytes.get(..8)?.try_into().ok()?);
    Some(Timestamp((raw ^ (1 << 63)) as i64))
}

fn read_u64(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(..8)?.try_into().ok()?))
}

/// The range of all keys that begin with `prefix`.
pub fn prefix(prefix: Key) -> KeyRange {
    let mut to = prefix.clone();
    while let Some(last) = to.pop() {
        if last < u8::MAX {
            to.push(last + 1);
            break;
        }
    }
    if to.is_empty() {
        to = vec![u8::MAX; 300];
    }
    KeyRange { from: prefix, to }
}

pub fn record(no: CustomerNo) -> Key {
    let mut key = start(no.shard(), RECORD);
    key.extend(no.0.to_be_bytes());
    key
}

/// The records of `shard` after `after`.
pub fn records_after(shard: ShardNo, after: Option<CustomerNo>) -> KeyRange {
    let all = prefix(start(shard, RECORD));
    match after {
        Some(no) => all.after(record(no)),
        None => all,
    }
}

pub fn read_record(key: &[u8]) -> Option<CustomerNo> {
    read_u64(key.get(2..)?).map(CustomerNo)
}

/// One page of the event identities that a customer's record no longer holds itself.
pub fn seen(no: CustomerNo, page: u32) -> Key {
    let mut key = start(no.shard(), SEEN);
    key.extend(no.0.to_be_bytes());
    key.extend(page.to_be_bytes());
    key
}

pub fn alarm(at: Timestamp, no: CustomerNo) -> Key {
    let mut key = start(no.shard(), ALARM);
    key.extend(instant(at));
    key.extend(no.0.to_be_bytes());
    key
}

/// The alarms of `shard` that have rung by `now`.
pub fn alarms_until(shard: ShardNo, now: Timestamp) -> KeyRange {
    KeyRange {
        from: start(shard, ALARM),
        to: bound(start(shard, ALARM), now),
    }
}

/// All alarms of `shard`.
pub fn alarms_all(shard: ShardNo) -> KeyRange {
    prefix(start(shard, ALARM))
}

/// Behind all keys up to `now` that begin so.
fn bound(mut to: Key, now: Timestamp) -> Key {
    to.extend(instant(Timestamp(now.millis().saturating_add(1))));
    to
}

pub fn read_alarm(key: &[u8]) -> Option<(Timestamp, CustomerNo)> {
    Some((
        read_instant(key.get(2..)?)?,
        CustomerNo(read_u64(key.get(10..)?)?),
    ))
}

fn campaign_part(shard: ShardNo, kind: u8, campaign: &CampaignId) -> Key {
    let mut key = start(shard, kind);
    key.extend(campaign.as_str().as_bytes());
    key.push(0);
    key
}

/// Who stands in a scheduled campaign's due index: campaign, audience hash, zone (empty where the schedule has its
/// own), customer.
pub fn due(no: CustomerNo, campaign: &CampaignId, at: DueAt) -> Key {
    let mut key = due_prefix(no.shard(), campaign, at);
    key.extend(no.0.to_be_bytes());
    key
}

/// The due indexes of all campaigns in a shard.
pub fn due_all(shard: ShardNo) -> KeyRange {
    prefix(start(shard, DUE))
}

/// All keys of one campaign, audience and zone in a shard.
pub fn due_prefix(shard: ShardNo, campaign: &CampaignId, at: DueAt) -> Key {
    let mut key = due_campaign(shard, campaign, at.hash);
    key.extend(at.zone.map_or("", |z| z.name()).as_bytes());
    key.push(0);
    key
}

/// All keys of one campaign and audience in a shard, whatever the zone.
pub fn due_campaign(shard: ShardNo, campaign: &CampaignId, hash: u64) -> Key {
    let mut key = campaign_part(shard, DUE, campaign);
    key.extend(hash.to_be_bytes());
    key
}

pub fn read_due_customer(key: &[u8]) -> Option<CustomerNo> {
    read_u64(key.get(key.len().checked_sub(8)?..)?).map(CustomerNo)
}

fn message_key(kind: u8, message: MessageRef) -> Key {
    let mut key = start(message.customer.shard(), kind);
    key.extend(message.customer.0.to_be_bytes());
    key.extend(message.message.0.to_be_bytes());
    key
}

fn read_message_key(key: &[u8]) -> Option<MessageRef> {
    Some(MessageRef {
        customer: CustomerNo(read_u64(key.get(2..)?)?),
        message: MessageNo(u32::from_be_bytes(key.get(10..14)?.try_into().ok()?)),
    })
}

/// A message whose attempt is under way; at opening, one in doubt.
pub fn attempting(message: MessageRef) -> Key {
    message_key(ATTEMPTING, message)
}

pub fn attempting_all(shard: ShardNo) -> KeyRange {
    prefix(start(shard, ATTEMPTING))
}

pub fn read_attempting(key: &[u8]) -> Option<MessageRef> {
    read_message_key(key)
}

/// A message held back while its campaign or class is paused.
pub fn parked(message: MessageRef) -> Key {
    message_key(PARKED, message)
}

pub fn parked_all(shard: ShardNo) -> KeyRange {
    prefix(start(shard, PARKED))
}

pub fn read_parked(key: &[u8]) -> Option<MessageRef> {
    read_message_key(key)
}

/// How far a campaign's occurrences are done in a shard and zone.
pub fn occurrence(shard: ShardNo, campaign: &CampaignId, zone: &str) -> Key {
    let mut key = campaign_part(shard, OCCURRENCE, campaign);
    key.extend(zone.as_bytes());
    key
}

pub fn occurrences_all(shard: ShardNo) -> KeyRange {
    prefix(start(shard, OCCURRENCE))
}

pub fn read_occurrence(key: &[u8]) -> Option<(CampaignId, String)> {
    let rest = key.get(2..)?;
    let end = rest.iter().position(|b| *b == 0)?;
    let campaign = CampaignId::parse(std::str::from_utf8(&rest[..end]).ok()?).ok()?;
    Some((
        campaign,
        std::str::from_utf8(&rest[end + 1..]).ok()?.to_owned(),
    ))
}

/// How far the walk of a shard has come.
pub fn walk(shard: ShardNo) -> Key {
    start(shard, WALK)
}

/// Up to when a shard has done every occurrence, at least.
pub fn ticked(shard: ShardNo) -> Key {
    start(shard, TICKED)
}

/// A row of the consent ledger, told then as the `place`th of its batch. Two rows never share a key, also of two batches
/// at one instant, unless they say the same.
pub fn consent(no: CustomerNo, told: Timestamp, place: usize, row: &[u8]) -> Key {
    let mut key = start(no.shard(), CONSENT);
    key.extend(no.0.to_be_bytes());
    key.extend(instant(told));
    key.extend(u32::try_from(place).unwrap_or(u32::MAX).to_be_bytes());
    key.extend(xxhash_rust::xxh3::xxh3_64(row).to_be_bytes());
    key
}

/// All rows of the consent ledger in `shard`, customer by customer.
pub fn consents_all(shard: ShardNo) -> KeyRange {
    prefix(start(shard, CONSENT))
}

/// Whose row of the consent ledger it is.
pub fn read_consent(key: &[u8]) -> Option<CustomerNo> {
    read_u64(key.get(2..)?).map(CustomerNo)
}

/// A customer's rows of the consent ledger.
pub fn consents_of(no: CustomerNo) -> KeyRange {
    let mut key = start(no.shard(), CONSENT);
    key.extend(no.0.to_be_bytes());
    prefix(key)
}

/// A cause that could not be reacted to, or met what cannot be read, kept for the developers.
pub fn poison(no: CustomerNo, at: Timestamp) -> Key {
    let mut key = start(no.shard(), POISON);
    key.extend(no.0.to_be_bytes());
    key.extend(instant(at));
    key
}

pub fn poison_of(no: CustomerNo) -> KeyRange {
    let mut key = start(no.shard(), POISON);
    key.extend(no.0.to_be_bytes());
    prefix(key)
}

pub fn poison_all(shard: ShardNo) -> KeyRange {
    prefix(start(shard, POISON))
}

/// A letter to a customer: by its sender, and the how-manieth of that sender's it is.
pub fn inbox(to: CustomerNo, sender: CustomerNo, letter: u64) -> Key {
    let mut key = inbox_start(to);
    key.extend(sender.0.to_be_bytes());
    key.extend(letter.to_be_bytes());
    key
}

fn inbox_start(to: CustomerNo) -> Key {
    let mut key = start(to.shard(), INBOX);
    key.extend(to.0.to_be_bytes());
    key
}

/// The letters to one customer, those of each sender in the order in which they were posted.
pub fn inbox_of(to: CustomerNo) -> KeyRange {
    prefix(inbox_start(to))
}

pub fn inbox_all(shard: ShardNo) -> KeyRange {
    prefix(start(shard, INBOX))
}

/// To whom a letter is.
pub fn read_inbox(key: &[u8]) -> Option<CustomerNo> {
    read_u64(key.get(2..)?).map(CustomerNo)
}

pub fn read_poison(key: &[u8]) -> Option<CustomerNo> {
    read_u64(key.get(2..)?).map(CustomerNo)
}

/// The pages of event identities beside a customer's record.
pub fn seen_of(no: CustomerNo) -> KeyRange {
    let mut key = start(no.shard(), SEEN);
    key.extend(no.0.to_be_bytes());
    prefix(key)
}

/// The shop's own id of a customer, leading to its number.
pub fn id(id: &CustomerId) -> Key {
    let mut key = vec![IDS];
    key.extend(id.as_str().as_bytes());
    key
}

/// The ids after `after`, in their order.
pub fn ids_after(after: Option<&str>) -> KeyRange {
    let all = prefix(vec![IDS]);
    match after {
        Some(after) => all.after([&[IDS], after.as_bytes()].concat()),
        None => all,
    }
}

pub fn read_id(key: &[u8]) -> Option<CustomerId> {
    CustomerId::shown(std::str::from_utf8(key.get(1..)?).ok()?).ok()
}

pub fn mailbox(id: &MailboxId) -> Key {
    let mut key = vec![MAILBOXES];
    key.extend(id.0.as_bytes());
    key
}

pub fn mailboxes_after(after: Option<&MailboxId>) -> KeyRange {
    let all = prefix(vec![MAILBOXES]);
    match after {
        Some(after) => all.after(mailbox(after)),
        None => all,
    }
}

pub fn read_mailbox(key: &[u8]) -> Option<MailboxId> {
    Some(MailboxId(
        std::str::from_utf8(key.get(1..)?).ok()?.to_owned(),
    ))
}

/// What the whole house shares: `salt`, `numbers`, `controls`, `mode`, and the last good rules.
pub fn house(name: &str) -> Key {
    let mut key = vec![HOUSE];
    key.extend(name.as_bytes());
    key
}

pub fn house_all(prefix_of: &str) -> KeyRange {
    prefix(house(prefix_of))
}

const REQUESTS: &str = "request:";

/// What a shop asks of the operator, by the request's name.
pub fn request(name: &str) -> Key {
    let mut key = house(REQUESTS);
    key.extend(name.as_bytes());
    key
}

pub fn requests_all() -> KeyRange {
    prefix(house(REQUESTS))
}

pub fn read_request(key: &[u8]) -> Option<String> {
    let name = key.strip_prefix(house(REQUESTS).as_slice())?;
    String::from_utf8(name.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::{
        KeyRange, Queue, alarm, alarms_until, due, due_prefix, outbox, outbox_all, outbox_until,
        prefix, read_alarm, read_due_customer, read_outbox,
    };
    use crate::domain::id::{CampaignId, CustomerNo, MessageNo, MessageRef};
    use crate::domain::record::DueAt;
    use crate::domain::time::Timestamp;

    #[test]
    fn instants_sort_as_numbers_do() {
        let at = |t: i64| alarm(Timestamp(t), CustomerNo(1));
        assert!(at(-5) < at(0) && at(0) < at(7) && at(7) < at(i64::MAX));
        let range = alarms_until(CustomerNo(1).shard(), Timestamp(7));
        let inside = |t: i64| range.from <= at(t) && at(t) < range.to;
        assert!(inside(-5) && inside(7) && !inside(8));
        assert_eq!(read_alarm(&at(-5)), Some((Timestamp(-5), CustomerNo(1))));
    }

    #[test]
    fn keys_read_back() {
        let message = MessageRef {
            customer: CustomerNo(70_000),
            message: MessageNo(9),
        };
        for queue in Queue::ALL {
            let key = outbox(queue, Timestamp(3), message);
            assert_eq!(read_outbox(&key), Some((Timestamp(3), message)));
            let until = |at| outbox_until(message.customer.shard(), queue, Timestamp(at));
            let inside = |range: KeyRange| range.from <= key && key < range.to;
            assert!(inside(until(3)) && !inside(until(2)));
            assert!(inside(outbox_all(message.customer.shard())));
        }
        let campaign = CampaignId::parse("welcome").unwrap();
        let at = DueAt {
            hash: 0xFF00,
            zone: Some(chrono_tz::Asia::Seoul),
        };
        let key = due(CustomerNo(70_000), &campaign, at);
        assert!(key.starts_with(&due_prefix(CustomerNo(70_000).shard(), &campaign, at)));
        assert_eq!(read_due_customer(&key), Some(CustomerNo(70_000)));
    }

    #[test]
    fn a_prefix_range_holds_its_keys_only() {
        let range = prefix(vec![3, 255]);
        assert_eq!(range.to, vec![4]);
        assert!(prefix(vec![255, 255]).to > vec![255, 255, 255, 255]);
    }
}
