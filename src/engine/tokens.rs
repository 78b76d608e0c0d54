//! The keys that sign public links: random, made once with the store and kept in it, so that they travel with its
//! backups and links in old mails go on working on another host. What a link says is for [`crate::message::token`].

use super::batch::BatchError;
use super::core::{Core, random_bytes};
use super::shard::Refused;
use crate::message::token::{KeyRing, TokenKeys};
use crate::store::codec::{Stored, decode, encode};
use crate::store::{Batch, Check, Store, StoreError, keys};
use std::sync::Arc;

const TOKEN_KEYS: &str = "token_keys";

impl Stored for TokenKeys {
    const WHAT: &'static str = "row of token keys";
    const VERSION: u8 = 1;
}

impl Core {
    /// The keys that public links are signed with.
    pub fn token_keys(&self) -> Arc<KeyRing> {
        Arc::clone(&self.token_keys)
    }

    /// A new key signs public links from now on; those of before are still read. Durable when it returns; says how many
    /// keys there are.
    pub async fn rotate_token_keys(&self) -> Result<usize, Refused> {
        let key = keys::house(TOKEN_KEYS);
        // What is committed last is in memory last, too: else a link that it signs could not be read before a restart.
        let _rotating = self.rotating.lock().await;
        loop {
            let found = self.store.get_many(vec![key.clone()]).await;
            let found = found.map_err(BatchError::from)?.into_iter().next();
            let Some(value) = found.flatten() else {
                return Err(Refused::Mode("this store has no keys yet".into()));
            };
            let mut ring: TokenKeys = decode(&value.value).map_err(BatchError::from)?;
            let mut secret = [0u8; 32];
            random_bytes(&mut secret)?;
            ring.rotate(secret)
                .map_err(|e| Refused::Mode(e.to_string()))?;
            let batch = Batch {
                checks: vec![Check {
                    key: key.clone(),
                    expected: Some(value.revision),
                }],
                puts: vec![(key.clone(), encode(&ring))],
                ..Batch::default()
            };
            match self.store.commit(batch).await {
                Ok(_) => {
                    let count = ring.count();
                    self.token_keys.replace(ring);
                    return Ok(count);
                }
                // Somebody else did the same.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(BatchError::from(error).into()),
            }
        }
    }
}

async fn read(store: &dyn Store) -> Result<Option<TokenKeys>, BatchError> {
    let found = store.get_many(vec![keys::house(TOKEN_KEYS)]).await?;
    let value = found.into_iter().next().flatten();
    Ok(value.map(|v| decode(&v.value)).transpose()?)
}

/// The store's keys; one that has none yet is given some, unless it is only looked at.
pub(super) async fn read_or_make(store: &dyn Store, make: bool) -> Result<TokenKeys, Refused> {
    loop {
        if let Some(keys) = read(store).await? {
            return Ok(keys);
        }
        let mut secret = [0u8; 32];
        random_bytes(&mut secret)?;
        let made = TokenKeys::new(secret);
        if !make {
            return Ok(made);
        }
        let key = keys::house(TOKEN_KEYS);
        let batch = Batch {
            checks: vec![Check {
                key: key.clone(),
                expected: None,
            }],
            puts: vec![(key, encode(&made))],
            ..Batch::default()
        };
        match store.commit(batch).await {
            // Read again either way: what stands in the store is what signs.
            Ok(_) | Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(BatchError::from(error).into()),
        }
    }
}
