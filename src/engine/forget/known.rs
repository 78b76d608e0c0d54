//! Who was forgotten, as far as that may still be known: keyed hashes of ids and addresses, and the numbers under which
//! nothing is to be kept again. The key is random and never leaves the store.

use crate::domain::address::MailboxId;
use crate::domain::id::{CustomerId, CustomerNo};
use crate::domain::record::{Mailbox, Suppression, SuppressionCause};
use crate::domain::time::Timestamp;
use crate::engine::batch::BatchError;
use crate::engine::core::random_bytes;
use crate::engine::kept_secret::kept_secret;
use crate::engine::shard::Refused;
use crate::engine::state::Number;
use crate::store::codec::{CodecError, decode, encode};
use crate::store::{Direction, Key, Store, Versioned, keys};
use ring::{digest, hmac};
use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

use super::rows::{Erasure, Hash, Since};

const KEY: &str = "erasure_key";
const PAGE: usize = 1_000;
/// What a suppression by forgetting says of itself.
const NOTE: &str = "the customer of this address was forgotten";

pub struct Forgotten {
    key: hmac::Key,
    fingerprint: String,
    /// Nothing is taken in, kept or shown under these numbers. Empty: nobody was ever forgotten.
    numbers: RwLock<HashSet<u64>>,
    any: std::sync::atomic::AtomicBool,
}

/// A mailbox as it stands, and the revision that a check is to name.
pub struct Stood {
    pub revision: Option<u64>,
    pub mailbox: Result<Mailbox, CodecError>,
}

impl Forgotten {
    /// Reads who was forgotten. A store without a key is given one, unless it is only looked at.
    pub async fn open(store: &dyn Store, making: bool) -> Result<Forgotten, Refused> {
        let secret = read_or_make(store, making).await?;
        let fingerprint = digest::digest(&digest::SHA256, &[&b"reveille"[..], &secret].concat());
        let fingerprint = fingerprint.as_ref().iter().take(8);
        let forgotten = Forgotten {
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            fingerprint: fingerprint.map(|byte| format!("{byte:02x}")).collect(),
            numbers: RwLock::default(),
            any: std::sync::atomic::AtomicBool::new(false),
        };
        let mut range = keys::erasures_all();
        loop {
            let found = (store.scan(range.clone(), Direction::Forward, PAGE).await)
                .map_err(BatchError::from)?;
            for (_, value) in &found {
                let row: Erasure = decode(&value.value).map_err(BatchError::from)?;
                forgotten.note(&row.numbers);
            }
            match found.last() {
                Some((key, _)) if found.len() == PAGE => range = range.after(key.clone()),
                _ => return Ok(forgotten),
            }
        }
    }

    /// Tells one store's key from another's, and nothing of the key.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Nothing is to be kept of these any more.
    pub(super) fn note(&self, numbers: &[u64]) {
        let mut known = self.numbers.write().unwrap_or_else(PoisonError::into_inner);
        known.extend(numbers);
        self.any.store(true, std::sync::atomic::Ordering::Release);
    }

    /// They were not forgotten after all.
    pub(super) fn unnote(&self, numbers: &[u64]) {
        let mut known = self.numbers.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|no| !numbers.contains(no));
    }

    /// Whether somebody was forgotten since the store was made.
    pub fn any(&self) -> bool {
        self.any.load(std::sync::atomic::Ordering::Acquire)
    }

    pub fn has(&self, no: CustomerNo) -> bool {
        let known = self.numbers.read().unwrap_or_else(PoisonError::into_inner);
        known.contains(&no.0)
    }

    fn hash(&self, kind: &str, text: &str) -> Hash {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(kind.as_bytes());
        context.update(text.as_bytes());
        let mut hash = [0; 32];
        // SHA-256 has 32 bytes.
        hash.copy_from_slice(context.sign().as_ref());
        hash
    }

    pub fn of_id(&self, id: &CustomerId) -> Hash {
        self.hash("id\0", id.as_str())
    }

    pub fn of_address(&self, address: &MailboxId) -> Hash {
        self.hash("address\0", &address.0)
    }

    /// Of each id whether it is a forgotten customer's.
    pub async fn ids(
        &self,
        store: &dyn Store,
        ids: &[CustomerId],
    ) -> Result<Vec<bool>, BatchError> {
        if !self.any() {
            return Ok(vec![false; ids.len()]);
        }
        let wanted = ids.iter().map(|id| keys::forgotten_id(&self.of_id(id)));
        let found = store.get_many(wanted.collect()).await?;
        Ok(found.iter().map(Option::is_some).collect())
    }

    /// Mailboxes as they stand. One of which nothing is known but that its customer was forgotten is suppressed.
    pub async fn mailboxes(
        &self,
        store: &dyn Store,
        ids: &[MailboxId],
    ) -> Result<Vec<Stood>, BatchError> {
        let found = store
            .get_many(ids.iter().map(keys::mailbox).collect())
            .await?;
        let unknown = ids.iter().zip(&found).filter(|(_, value)| value.is_none());
        let unknown: Vec<_> = match self.any() {
            true => unknown
                .map(|(id, _)| keys::forgotten_address(&self.of_address(id)))
                .collect(),
            false => Vec::new(),
        };
        let mut since = match unknown.is_empty() {
            true => Vec::new(),
            false => store.get_many(unknown).await?,
        }
        .into_iter();
        let mut stood = Vec::with_capacity(ids.len());
        for value in found {
            stood.push(match value {
                Some(value) => Stood {
                    revision: Some(value.revision),
                    mailbox: decode(&value.value),
                },
                None => Stood {
                    revision: None,
                    mailbox: match since.next().flatten() {
                        Some(since) => decode(&since.value).map(|since| Mailbox {
                            suppression: Some(suppression(since)),
                            ..Mailbox::default()
                        }),
                        None => Ok(Mailbox::default()),
                    },
                },
            });
        }
        Ok(stood)
    }

    /// What is to stand under these addresses' hashes from now on. One that had its own reason keeps it.
    pub(super) async fn since_of_addresses(
        &self,
        store: &dyn Store,
        hashes: &[Hash],
        at: Timestamp,
    ) -> Result<Vec<(Key, Vec<u8>)>, BatchError> {
        let wanted: Vec<Key> = (hashes.iter())
            .map(|hash| keys::forgotten_address(hash))
            .collect();
        let found = store.get_many(wanted.clone()).await?;
        let kept = |value: Versioned| decode::<Since>(&value.value).ok();
        let puts = wanted.into_iter().zip(found).map(|(key, found)| {
            let known = found.and_then(kept).filter(|known| outlasts(known.cause));
            (key, encode(&known.unwrap_or(Since::forgotten(at))))
        });
        Ok(puts.collect())
    }
}

/// Whether no consent lifts a suppression of this cause: it stays through a forgetting.
pub(super) fn outlasts(cause: SuppressionCause) -> bool {
    match cause {
        SuppressionCause::ByHand | SuppressionCause::HardBounce | SuppressionCause::Complaint => {
            true
        }
        SuppressionCause::Unsubscribe | SuppressionCause::Forgotten => false,
    }
}

/// What keeps mail from an address whose customer was forgotten.
pub(super) fn suppression(since: Since) -> Suppression {
    Suppression {
        cause: since.cause,
        at: since.at,
        note: NOTE.to_owned(),
    }
}

/// What stands under the keyed hash of an id.
pub(super) fn since(at: Timestamp) -> Vec<u8> {
    encode(&Number(at.millis() as u64))
}

async fn read_or_make(store: &dyn Store, making: bool) -> Result<[u8; 32], Refused> {
    if let Some(kept) = kept_secret(store, KEY, making, "the key of erasures").await? {
        return Ok(kept);
    }
    // Where there is none nobody was forgotten: one that nothing was hashed with finds nobody.
    let mut passing = [0; 32];
    random_bytes(&mut passing)?;
    Ok(passing)
}
