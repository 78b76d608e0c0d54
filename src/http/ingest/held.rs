//! What a request keeps in memory, counted against what may be in work at once ([`Ingest::in_hand`]): it grows with the
//! bytes that have come, so that who announces much and sends little holds little, and is given back when it is dropped.

use super::{Ingest, PERMIT_BYTES};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub struct Held {
    room: Arc<Semaphore>,
    /// All that there is: what is larger than that is taken when nothing else is in work.
    most: u32,
    permit: Option<OwnedSemaphorePermit>,
}

impl Held {
    pub fn of(ingest: &Ingest) -> Held {
        Held {
            room: Arc::clone(&ingest.room),
            most: ingest.permits,
            permit: None,
        }
    }

    /// Holds so many bytes in all, at least as many as before; `false` where there is no room for them.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let wanted = u32::try_from(bytes.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX);
        let wanted = wanted.clamp(1, self.most);
        let held = self.permit.as_ref().map_or(0, |p| p.num_permits() as u32);
        if wanted <= held {
            return true;
        }
        let more = Arc::clone(&self.room).try_acquire_many_owned(wanted - held);
        match (more, &mut self.permit) {
            (Err(_), _) => return false,
            (Ok(more), Some(permit)) => permit.merge(more),
            (Ok(more), none) => *none = Some(more),
        }
        true
    }

    /// Gives back what is beyond so many bytes.
    pub fn shrink(&mut self, bytes: usize) {
        let wanted = bytes.div_ceil(PERMIT_BYTES).max(1);
        if let Some(permit) = &mut self.permit {
            drop(permit.split(permit.num_permits().saturating_sub(wanted)));
        }
    }
}
