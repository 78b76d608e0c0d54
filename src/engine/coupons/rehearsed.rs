//! What becomes of codes when a store goes from rehearsing to sending for real: those that only a rehearsal gave were sent
//! to nobody, and go back. A store that has once been real keeps all for good, since nothing tells the two apart.

use crate::engine::batch::BatchError;
use crate::engine::golive::Mode;
use crate::engine::shard::Refused;
use crate::store::{Batch, Direction, Key, Store, keys};

const WAS_REAL: &str = "coupons_were_real";
const CHUNK: usize = 500;

/// Whether what records know of coupons goes when the store is taken from one mode to another; from one to the same, where
/// going to the other was cut off.
pub async fn go_back(store: &dyn Store, from: Mode, wanted: Mode) -> Result<bool, Refused> {
    let key = keys::house(WAS_REAL);
    match (from, wanted) {
        (Mode::Real, _) => {
            let batch = Batch {
                puts: vec![(key, vec![1])],
                ..Batch::default()
            };
            store.commit(batch).await.map_err(BatchError::from)?;
            Ok(false)
        }
        (Mode::Rehearsal, Mode::Rehearsal) => Ok(false),
        (Mode::Rehearsal, Mode::Real) => {
            let found = store.get_many(vec![key]).await;
            let found = found.map_err(BatchError::from)?;
            Ok(found.iter().all(Option::is_none))
        }
    }
}

/// Forgets all codes that are given.
pub async fn clear(store: &dyn Store) -> Result<(), Refused> {
    loop {
        let found = store
            .scan(keys::coupons_all(), Direction::Forward, CHUNK)
            .await
            .map_err(BatchError::from)?;
        let few = found.len() < CHUNK;
        let deletes: Vec<Key> = found.into_iter().map(|(key, _)| key).collect();
        if !deletes.is_empty() {
            let batch = Batch {
                deletes,
                ..Batch::default()
            };
            store.commit(batch).await.map_err(BatchError::from)?;
        }
        if few {
            return Ok(());
        }
    }
}
