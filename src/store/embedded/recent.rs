//! The row groups that were decoded last: customers whose mails are due at one instant stand one after the other, and so
//! share their groups. Only reads of chosen customers ask here; who reads everything decodes each group once anyway.

use super::row_group::Decoded;
use crate::store::port::StoreError;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many groups are kept, of some 128 kB each as they are written now.
const MOST: usize = 64;

struct Kept {
    segment: Arc<str>,
    group: usize,
    decoded: Arc<Decoded>,
}

#[derive(Default)]
struct Groups {
    /// The one asked for last stands first.
    kept: VecDeque<Kept>,
    /// How often a segment was let go of.
    forgotten: u64,
}

impl Groups {
    fn find(&mut self, segment: &str, group: usize) -> Option<Arc<Decoded>> {
        let at = (self.kept.iter()).position(|k| k.group == group && *k.segment == *segment)?;
        let kept = self.kept.remove(at)?;
        let decoded = Arc::clone(&kept.decoded);
        self.kept.push_front(kept);
        Some(decoded)
    }
}

#[derive(Default)]
pub(super) struct Recent {
    groups: Mutex<Groups>,
}

impl Recent {
    fn groups(&self) -> MutexGuard<'_, Groups> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A segment's group as it is kept, or as `decode` makes it.
    pub(super) fn group(
        &self,
        segment: &Arc<str>,
        group: usize,
        decode: impl FnOnce() -> Result<Decoded, StoreError>,
    ) -> Result<Arc<Decoded>, StoreError> {
        let forgotten = {
            let mut groups = self.groups();
            match groups.find(segment, group) {
                Some(decoded) => return Ok(decoded),
                None => groups.forgotten,
            }
        };
        let decoded = Arc::new(decode()?);
        let mut groups = self.groups();
        // One that was let go of meanwhile may hold rows that were erased: nothing of it stays behind.
        if forgotten == groups.forgotten && groups.find(segment, group).is_none() {
            groups.kept.truncate(MOST - 1);
            groups.kept.push_front(Kept {
                segment: Arc::clone(segment),
                group,
                decoded: Arc::clone(&decoded),
            });
        }
        Ok(decoded)
    }

    /// Lets go of all groups of a segment that is none any more.
    pub(super) fn forget(&self, segment: &str) {
        let mut groups = self.groups();
        groups.forgotten += 1;
        groups.kept.retain(|kept| *kept.segment != *segment);
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Recent};
    use crate::store::embedded::row_group::Decoded;
    use std::sync::Arc;

    #[test]
    fn the_groups_asked_for_last_are_kept_and_no_more_of_them() {
        let recent = Recent::default();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let made = |segment: &Arc<str>, group: usize| {
            let mut made = false;
            let decode = || {
                made = true;
                Ok(Decoded::default())
            };
            recent.group(segment, group, decode).unwrap();
            made
        };
        assert!((0..MOST).all(|group| made(&a, group)));
        assert!(!made(&a, 0));
        assert!(made(&b, 0));
        assert!(!made(&a, 0) && made(&a, 1) && !made(&a, 3));
        recent.forget("a");
        assert!(!made(&b, 0) && made(&a, 0));
        assert_eq!(recent.groups().kept.len(), 2);
    }

    #[test]
    fn what_was_let_go_of_while_it_was_decoded_is_not_kept() {
        let recent = Recent::default();
        let segment: Arc<str> = "a".into();
        let decode = || {
            recent.forget("a");
            Ok(Decoded::default())
        };
        recent.group(&segment, 1, decode).unwrap();
        assert!(recent.groups().kept.is_empty());
    }
}
