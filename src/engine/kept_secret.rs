//! Secrets of the store's own: random, made once and kept as long as the store is.

use super::batch::BatchError;
use super::core::random_bytes;
use super::shard::Refused;
use crate::store::{Batch, Check, Store, StoreError, keys};

/// The secret that stands under `name`; `what` is what an error calls it. With `make` one that is not there is made, the
/// same for everybody who makes it at once; otherwise there is none.
pub async fn kept_secret(
    store: &dyn Store,
    name: &str,
    make: bool,
    what: &str,
) -> Result<Option<[u8; 32]>, Refused> {
    let key = keys::house(name);
    loop {
        let found = store.get_many(vec![key.clone()]).await;
        let found = found.map_err(BatchError::from)?.into_iter().next();
        if let Some(value) = found.flatten() {
            let secret = <[u8; 32]>::try_from(value.value.as_slice());
            let unreadable = |_| Refused::Data(format!("{what} cannot be read"));
            return secret.map(Some).map_err(unreadable);
        }
        if !make {
            return Ok(None);
        }
        let mut secret = [0; 32];
        random_bytes(&mut secret)?;
        let batch = Batch {
            checks: vec![Check {
                key: key.clone(),
                expected: None,
            }],
            puts: vec![(key.clone(), secret.to_vec())],
            ..Batch::default()
        };
        match store.commit(batch).await {
            // Read again either way: what stands in the store is what counts.
            Ok(_) | Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(BatchError::from(error).into()),
        }
    }
}
