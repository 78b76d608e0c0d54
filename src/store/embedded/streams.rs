//! The streams: for each the named segments, a generation of hot rows that is being sealed, and the one that commits
//! append to; a read goes through them in this order, which is that of positions. Sealing itself is for `maintain`,
//! the segments' files are for `segment`.

use super::catalog::{Catalog, Change, Listed, STREAMS, stream_code};
use super::generation::Generation;
use super::recent::Recent;
use super::segment::Segment;
use crate::store::port::{Append, Row, StoreError, Stream, StreamFilter};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

#[derive(Default)]
struct State {
    segments: Vec<Arc<Segment>>,
    frozen: Option<Arc<Generation>>,
    current: Generation,
}

#[derive(Default)]
struct Inner {
    /// All rows of frames up to here are visible.
    sequence: u64,
    catalog: Catalog,
    streams: [State; 4],
}

impl Inner {
    fn of(&self, stream: Stream) -> &State {
        &self.streams[usize::from(stream_code(stream))]
    }

    fn of_mut(&mut self, stream: Stream) -> &mut State {
        &mut self.streams[usize::from(stream_code(stream))]
    }
}

pub(super) struct Streams {
    folder: PathBuf,
    inner: RwLock<Inner>,
    recent: Recent,
    /// Files of replaced segments are removed; not while the journal is still being read at opening.
    removing: AtomicBool,
}

/// Rows taken to be sealed.
pub(super) struct Frozen {
    pub(super) rows: Arc<Generation>,
    /// All frames up to here have their rows in this generation or in those before it.
    pub(super) sequence: u64,
    pub(super) segments: Vec<Arc<Segment>>,
}

impl Streams {
    pub(super) fn new(folder: PathBuf, catalog: Catalog) -> Streams {
        let mut inner = Inner {
            catalog,
            ..Inner::default()
        };
        for stream in STREAMS {
            let named = inner.catalog.of(stream).segments.clone();
            let segments = named
                .into_iter()
                .map(|n| Arc::new(Segment::new(&folder, n)));
            inner.of_mut(stream).segments = segments.collect();
        }
        Streams {
            folder,
            inner: RwLock::new(inner),
            recent: Recent::default(),
            removing: AtomicBool::new(false),
        }
    }

    pub(super) fn remove_replaced(&self) {
        self.removing.store(true, Ordering::Release);
    }

    fn look(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the rows of one frame, each batch with the position of its first row. Rows that a segment already holds
    /// are passed by, which happens only when the journal is read at opening.
    pub(super) fn add(&self, sequence: u64, batches: Vec<(u64, Vec<Append>)>) {
        let mut inner = self.change();
        let sealed = STREAMS.map(|stream| inner.catalog.of(stream).sealed_to);
        for (first, appends) in batches {
            for (position, append) in (first..).zip(appends) {
                if position < sealed[usize::from(stream_code(append.stream))] {
                    continue;
                }
                let row = Row {
                    position,
                    customer: append.customer,
                    time: append.time,
                    payload: append.payload,
                };
                inner.of_mut(append.stream).current.push(row, sequence);
            }
        }
        inner.sequence = inner.sequence.max(sequence);
    }

    /// Says that frames up to here brought nothing more.
    pub(super) fn passed(&self, sequence: u64) {
        let mut inner = self.change();
        inner.sequence = inner.sequence.max(sequence);
    }

    /// Takes the hot rows of a stream to be sealed; `None` if there are none. A generation whose sealing failed is
    /// given out again.
    pub(super) fn freeze(&self, stream: Stream) -> Option<Frozen> {
        let mut inner = self.change();
        let sequence = inner.sequence;
        let state = inner.of_mut(stream);
        let segments = state.segments.clone();
        if let Some(frozen) = &state.frozen {
            let rows = Arc::clone(frozen);
            // Frames behind its last row may be in `current`: only what is before that is certain.
            let first = state.current.first_sequence();
            let sequence = first.map_or(sequence, |first| first - 1);
            return Some(Frozen {
                rows,
                sequence,
                segments,
            });
        }
        if state.current.is_empty() {
            return None;
        }
        let rows = Arc::new(std::mem::take(&mut state.current));
        state.frozen = Some(Arc::clone(&rows));
        Some(Frozen {
            rows,
            sequence,
            segments,
        })
    }

    /// A change of the catalog has become durable: segments are swapped in, and hot rows that they hold given up.
    pub(super) fn apply(&self, change: &Change) {
        let mut inner = self.change();
        inner.catalog.apply(change);
        let named = inner.catalog.of(change.stream).segments.clone();
        let state = inner.of_mut(change.stream);
        let mut old = std::mem::take(&mut state.segments);
        for name in named {
            let known = old.iter().position(|segment| segment.named == name);
            state.segments.push(match known {
                Some(at) => old.swap_remove(at),
                None => Arc::new(Segment::new(&self.folder, name)),
            });
        }
        (old.iter()).for_each(|segment| self.recent.forget(&segment.named.name));
        if self.removing.load(Ordering::Acquire) {
            old.iter().for_each(|segment| segment.mark_replaced());
        }
        let sealed = |rows: &Arc<Generation>| {
            rows.rows()
                .last()
                .is_none_or(|row| row.position < change.sealed_to)
        };
        if state.frozen.as_ref().is_some_and(sealed) {
            state.frozen = None;
        }
        state
            .current
            .drop_before(change.sealed_to, change.read_from + 1);
    }

    /// The catalog with what it says of the journal brought up to date: a stream without hot rows needs nothing of
    /// it, another needs it from its first hot row.
    pub(super) fn catalog(&self) -> Catalog {
        let inner = self.look();
        let mut catalog = inner.catalog.clone();
        for stream in STREAMS {
            let state = inner.of(stream);
            let frozen = state.frozen.as_ref().and_then(|rows| rows.first_sequence());
            let first = frozen.or(state.current.first_sequence());
            let free = first.map_or(inner.sequence, |first| first - 1);
            let listed: &mut Listed = catalog.of_mut(stream);
            listed.read_from = listed.read_from.max(free);
        }
        catalog
    }

    pub(super) fn segments_of(&self, stream: Stream) -> Vec<Arc<Segment>> {
        self.look().of(stream).segments.clone()
    }

    pub(super) fn segments(&self) -> Vec<Arc<Segment>> {
        let inner = self.look();
        inner
            .streams
            .iter()
            .flat_map(|state| state.segments.clone())
            .collect()
    }

    /// Rows and bytes in memory.
    pub(super) fn hot(&self) -> (u64, u64) {
        let inner = self.look();
        let mut sum = (0, 0);
        for state in &inner.streams {
            let frozen = state.frozen.as_deref();
            for rows in frozen.into_iter().chain([&state.current]) {
                sum.0 += rows.rows().len() as u64;
                sum.1 += rows.bytes() as u64;
            }
        }
        sum
    }

    /// Whether a stream's hot rows have come to be `most` bytes or more.
    pub(super) fn is_full(&self, most: u64) -> bool {
        let inner = self.look();
        inner
            .streams
            .iter()
            .any(|state| state.current.bytes() as u64 >= most)
    }

    /// Hands over every row, each once: of a segment row group by row group, so that none is decoded twice.
    pub(super) fn read_all(
        &self,
        stream: Stream,
        take: &dyn Fn(Vec<Row>) -> bool,
    ) -> Result<(), StoreError> {
        let all = StreamFilter::default();
        let mut hot = Vec::new();
        let (segments, frozen) = {
            let inner = self.look();
            let state = inner.of(stream);
            // Under one lock, as in `read`.
            state.current.read(&all, &mut hot);
            (state.segments.clone(), state.frozen.clone())
        };
        for segment in segments {
            if !segment.read_all(take)? {
                return Ok(());
            }
        }
        let mut sealing = Vec::new();
        if let Some(rows) = frozen {
            rows.read(&all, &mut sealing);
        }
        _ = take(sealing) && take(hot);
        Ok(())
    }

    pub(super) fn read(
        &self,
        stream: Stream,
        filter: &StreamFilter,
    ) -> Result<Vec<Row>, StoreError> {
        let mut hot = Vec::new();
        let (segments, frozen) = {
            let inner = self.look();
            let state = inner.of(stream);
            // Copied under the same lock under which the segments were listed: no row is seen twice or missed.
            state.current.read(filter, &mut hot);
            (state.segments.clone(), state.frozen.clone())
        };
        // Who reads everything decodes each group once anyway.
        let recent = filter.customers.as_ref().map(|_| &self.recent);
        let mut out = Vec::new();
        for segment in segments {
            if out.len() >= filter.limit {
                return Ok(out);
            }
            if segment.named.to > filter.from_position && segment.named.newest >= filter.from_time {
                segment.read(filter, recent, &mut out)?;
            }
        }
        if let Some(rows) = frozen {
            rows.read(filter, &mut out);
        }
        let room = filter.limit.saturating_sub(out.len());
        out.extend(hot.into_iter().take(room));
        Ok(out)
    }
}
