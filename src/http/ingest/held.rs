//! What a request keeps in memory, counted against what may be in work at once ([`Ingest::in_hand`]): it grows with the
//! bytes that have come, so that who announces much and sends little holds little, and is given back when it is dropped.
//!
//! Of whom it is not known yet whether they may send at all, all together have a quarter of it: whoever has no key cannot
//! keep out those who have one.

use super::{Ingest, PERMIT_BYTES};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Some of the room, or of the share of those who are unproved.
struct Part {
    room: Arc<Semaphore>,
    /// All that there is: what is larger than that is taken when nothing else is in work.
    most: u32,
    permit: Option<OwnedSemaphorePermit>,
}

impl Part {
    fn grow(&mut self, bytes: usize) -> bool {
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

    fn shrink(&mut self, bytes: usize) {
        let wanted = bytes.div_ceil(PERMIT_BYTES).max(1);
        if let Some(permit) = &mut self.permit {
            drop(permit.split(permit.num_permits().saturating_sub(wanted)));
        }
    }
}

pub struct Held {
    room: Part,
    /// Until it is known that the sender may send.
    share: Option<Part>,
}

impl Held {
    /// For a sender who has shown a key.
    pub fn of(ingest: &Ingest) -> Held {
        Held::new((&ingest.room, ingest.permits), None)
    }

    /// For whoever is to be known by the body.
    pub fn unproved(ingest: &Ingest) -> Held {
        let share = (&ingest.unproved, ingest.unproved_permits);
        Held::new((&ingest.room, ingest.permits), Some(share))
    }

    fn new(room: (&Arc<Semaphore>, u32), share: Option<(&Arc<Semaphore>, u32)>) -> Held {
        let part = |(room, most): (&Arc<Semaphore>, u32)| Part {
            room: Arc::clone(room),
            most,
            permit: None,
        };
        Held {
            room: part(room),
            share: share.map(part),
        }
    }

    /// The sender is known: what they hold is no longer of the others' share.
    pub fn prove(&mut self) {
        self.share = None;
    }

    /// Holds so many bytes in all, at least as many as before. `false` where there is no room for them: then nothing is
    /// held any more, since nothing of the request will be kept.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let fits =
            (self.share.as_mut()).is_none_or(|share| share.grow(bytes)) && self.room.grow(bytes);
        if !fits {
            self.release();
        }
        fits
    }

    /// Gives back what is beyond so many bytes.
    pub fn shrink(&mut self, bytes: usize) {
        for part in self.share.iter_mut().chain([&mut self.room]) {
            part.shrink(bytes);
        }
    }

    /// Gives back everything.
    pub fn release(&mut self) {
        for part in self.share.iter_mut().chain([&mut self.room]) {
            part.permit = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Held;
    use std::sync::Arc;
    use tokio::sync::Semaphore;

    const KB: usize = 1 << 10;

    #[test]
    fn who_is_refused_holds_nothing_while_the_rest_is_read() {
        let room = Arc::new(Semaphore::new(8));
        let mut other = Held::new((&room, 8), None);
        assert!(other.grow(4 * KB));
        let mut held = Held::new((&room, 8), None);
        assert!(held.grow(3 * KB));
        assert!(!held.grow(5 * KB));
        assert_eq!(room.available_permits(), 4);
        assert!(other.grow(8 * KB));
    }

    #[test]
    fn who_is_unproved_has_a_share_and_leaves_it_once_proved() {
        let (room, share) = (Arc::new(Semaphore::new(8)), Arc::new(Semaphore::new(2)));
        let unproved = || Held::new((&room, 8), Some((&share, 2)));
        let mut first = unproved();
        assert!(first.grow(2 * KB));
        assert!(!unproved().grow(1), "the share is used up");
        assert!(Held::new((&room, 8), None).grow(6 * KB));
        first.prove();
        let mut second = unproved();
        assert!(second.grow(KB));
        assert_eq!(
            (room.available_permits(), share.available_permits()),
            (5, 1)
        );
        second.release();
        drop(first);
        assert_eq!(
            (room.available_permits(), share.available_permits()),
            (8, 2)
        );
    }
}
