//! What is durable and not yet in sled: two sorted layers in front of it, one that commits add to and one that is
//! being applied. A reader looks here first and in sled second, and so never misses what was acknowledged, though
//! sled lags behind. Applying goes by whole layers, sorted and without what was overwritten meanwhile.

use crate::store::port::{Direction, Key};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

/// A put, or a delete where there is no value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) revision: u64,
    pub(super) value: Option<Vec<u8>>,
}

/// What an entry costs in memory, roughly.
pub(super) fn entry_bytes(key: &[u8], value: Option<&[u8]>) -> usize {
    key.len() + value.map_or(0, <[u8]>::len) + 64
}

pub(super) type Layer = BTreeMap<Key, Entry>;

#[derive(Default)]
struct Layers {
    current: Layer,
    applying: Arc<Layer>,
}

#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Progress {
    /// All frames up to here are visible.
    pub(super) published: u64,
    /// All frames up to here are in sled.
    pub(super) applied: u64,
    /// The bytes that are still to be applied, roughly.
    pub(super) bytes: usize,
    applying_bytes: usize,
    /// No more is coming, or nobody applies any more.
    pub(super) stopped: bool,
}

#[derive(Default)]
pub(super) struct Pending {
    layers: RwLock<Layers>,
    progress: Mutex<Progress>,
    changed: Condvar,
}

impl Pending {
    pub(super) fn new(applied: u64) -> Pending {
        let pending = Pending::default();
        {
            let mut progress = pending.lock();
            (progress.published, progress.applied) = (applied, applied);
        }
        pending
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn progress(&self) -> Progress {
        *self.lock()
    }

    /// Makes one batch visible.
    pub(super) fn add(&self, revision: u64, puts: Vec<(Key, Vec<u8>)>, deletes: Vec<Key>) {
        let mut bytes = 0;
        {
            let mut layers = self.layers.write().unwrap_or_else(PoisonError::into_inner);
            for key in deletes {
                bytes += entry_bytes(&key, None);
                let value = None;
                layers.current.insert(key, Entry { revision, value });
            }
            for (key, value) in puts {
                bytes += entry_bytes(&key, Some(&value));
                let value = Some(value);
                layers.current.insert(key, Entry { revision, value });
            }
        }
        self.lock().bytes += bytes;
    }

    /// Says that all of a frame is visible.
    pub(super) fn published(&self, sequence: u64) {
        self.lock().published = sequence;
        self.changed.notify_all();
    }

    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Waits until no more than `most` bytes are waiting to be applied, or applying has stopped.
    pub(super) fn wait_for_room(&self, most: usize) {
        let progress = self.lock();
        let full = |progress: &mut Progress| progress.bytes > most && !progress.stopped;
        drop(self.changed.wait_while(progress, full));
    }

    /// Waits until everything up to `sequence` is in sled; false if applying stopped before.
    pub(super) fn wait_applied(&self, sequence: u64) -> bool {
        let behind = |progress: &mut Progress| progress.applied < sequence && !progress.stopped;
        let waited = self.changed.wait_while(self.lock(), behind);
        waited.is_ok_and(|progress| progress.applied >= sequence)
    }

    /// The next layer to apply, with the sequence that is then reached; `None` when stopped. The caller says
    /// `applied` when it is in sled.
    pub(super) fn next_layer(&self) -> Option<(Arc<Layer>, u64)> {
        let idle =
            |progress: &mut Progress| progress.published == progress.applied && !progress.stopped;
        let waited = self.changed.wait_while(self.lock(), idle);
        let mut progress = waited.unwrap_or_else(PoisonError::into_inner);
        if progress.stopped {
            return None;
        }
        let sequence = progress.published;
        progress.applying_bytes = progress.bytes;
        drop(progress);
        let mut layers = self.layers.write().unwrap_or_else(PoisonError::into_inner);
        // What was added since `published` was read goes along: it is durable, and applying it early is harmless,
        // for opening applies the frames behind `sequence` once more.
        layers.applying = Arc::new(std::mem::take(&mut layers.current));
        Some((Arc::clone(&layers.applying), sequence))
    }

    /// Some bytes of the layer that is being applied are in sled: committers need not wait for the whole of it.
    pub(super) fn relieve(&self, bytes: usize) {
        let mut progress = self.lock();
        let bytes = bytes.min(progress.applying_bytes);
        progress.bytes = progress.bytes.saturating_sub(bytes);
        progress.applying_bytes -= bytes;
        self.changed.notify_all();
    }

    pub(super) fn applied(&self, sequence: u64) {
        let done = {
            let mut layers = self.layers.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut layers.applying)
        };
        drop(done);
        let mut progress = self.lock();
        progress.applied = sequence;
        progress.bytes = progress.bytes.saturating_sub(progress.applying_bytes);
        progress.applying_bytes = 0;
        self.changed.notify_all();
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Entry> {
        let layers = self.layers.read().unwrap_or_else(PoisonError::into_inner);
        let found = layers.current.get(key).or_else(|| layers.applying.get(key));
        found.cloned()
    }

    /// The revision at which a key stands here: `None` if only sled can tell, `Some(None)` if it is deleted.
    pub(super) fn revision(&self, key: &[u8]) -> Option<Option<u64>> {
        let layers = self.layers.read().unwrap_or_else(PoisonError::into_inner);
        let found = layers
            .current
            .get(key)
            .or_else(|| layers.applying.get(key))?;
        Some(found.value.is_some().then_some(found.revision))
    }

    /// What stands here from `from` (in) to `to` (out), about `most` keys from that end at which the direction
    /// begins. The second part is the last key that the answer covers, where it does not cover all.
    pub(super) fn overlay(
        &self,
        from: &[u8],
        to: &[u8],
        direction: Direction,
        most: usize,
    ) -> (Layer, Option<Key>) {
        let layers = self.layers.read().unwrap_or_else(PoisonError::into_inner);
        let mut out = Layer::new();
        let mut edge: Option<Key> = None;
        for layer in [layers.applying.as_ref(), &layers.current] {
            let range = layer.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)));
            let mut last = None;
            let mut count = 0;
            let mut take = |(key, entry): (&Key, &Entry)| {
                out.insert(key.clone(), entry.clone());
                last = Some(key.clone());
                count += 1;
            };
            match direction {
                Direction::Forward => range.take(most).for_each(&mut take),
                Direction::Backward => range.rev().take(most).for_each(&mut take),
            }
            if count == most {
                edge = match (edge, last, direction) {
                    (Some(a), Some(b), Direction::Forward) => Some(a.min(b)),
                    (Some(a), Some(b), Direction::Backward) => Some(a.max(b)),
                    (a, b, _) => a.or(b),
                };
            }
        }
        if let Some(edge) = &edge {
            match direction {
                Direction::Forward => out.retain(|key, _| key <= edge),
                Direction::Backward => out.retain(|key, _| key >= edge),
            }
        }
        (out, edge)
    }
}
