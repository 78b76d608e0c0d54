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
pub(super) struct Recent {
    /// The one asked for last stands first.
    groups: Mutex<VecDeque<Kept>>,
}

impl Recent {
    fn groups(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A segment's group as it is kept, or as `decode` makes it.
    pub(super) fn group(
        &self,
        segment: &Arc<str>,
        group: usize,
        decode: impl FnOnce() -> Result<Decoded, StoreError>,
    ) -> Result<Arc<Decoded>, StoreError> {
        let find = |groups: &mut VecDeque<Kept>| {
            let at = (groups.iter()).position(|k| k.group == group && k.segment == *segment)?;
            let kept = groups.remove(at)?;
            let decoded = Arc::clone(&kept.decoded);
            groups.push_front(kept);
            Some(decoded)
        };
        if let Some(decoded) = find(&mut self.groups()) {
            return Ok(decoded);
        }
        let decoded = Arc::new(decode()?);
        let mut groups = self.groups();
        if find(&mut groups).is_none() {
            groups.truncate(MOST - 1);
            groups.push_front(Kept {
                segment: Arc::clone(segment),
                group,
                decoded: Arc::clone(&decoded),
            });
        }
        Ok(decoded)
    }

    /// Lets go of all groups of a segment that is none any more.
    pub(super) fn forget(&self, segment: &str) {
        self.groups().retain(|kept| *kept.segment != *segment);
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
        assert_eq!(recent.groups().len(), 2);
    }
}
