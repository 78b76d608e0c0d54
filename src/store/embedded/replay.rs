//! Reading the journal at opening: puts and deletes behind sled's position go to sled (or, reading only, stand in
//! front of it), rows that no segment holds become hot rows, and the catalog is brought up to date.

use super::catalog::Catalog;
use super::folder::{Folder, corrupt};
use super::journal_read::{self, End, Listing};
use super::options::Options;
use super::pending::{Entry, Layer, Pending};
use super::record::{self, Record};
use super::streams::Streams;
use super::tree::Tree;
use crate::store::port::StoreError;

/// The bytes of puts that are gathered before they go to sled.
pub(super) const LAYER_BYTES: usize = 8 << 20;

/// What reading the journal leaves behind.
pub(super) struct Parts {
    pub(super) pending: Pending,
    pub(super) streams: Streams,
    pub(super) replayed: u64,
}

pub(super) struct Replay<'a> {
    options: &'a Options,
    tree: &'a Tree,
    /// sled's position at the beginning.
    position: u64,
    from: u64,
    streams: Streams,
    layer: Layer,
    bytes: usize,
    replayed: u64,
}

impl<'a> Replay<'a> {
    pub(super) fn new(
        folder: &Folder,
        options: &'a Options,
        tree: &'a Tree,
        position: u64,
        catalog: Catalog,
    ) -> Replay<'a> {
        Replay {
            options,
            tree,
            position,
            from: position.min(catalog.read_from()),
            streams: Streams::new(folder.streams(), catalog),
            layer: Layer::new(),
            bytes: 0,
            replayed: 0,
        }
    }

    pub(super) fn run(
        mut self,
        listing: &Listing,
        instance: [u8; 16],
        known: u64,
    ) -> Result<(End, Parts), StoreError> {
        let of = listing.files.iter().map(|found| found.length).sum();
        let mut done = 0;
        let from = self.from;
        let end = journal_read::read(
            listing,
            instance,
            from,
            known,
            &mut |head, payload, file, offset| {
                let records = record::decode(payload).ok_or_else(|| {
                    let what =
                        "a frame of the journal says something that this version does not know";
                    corrupt(file, offset, what)
                })?;
                self.replayed += 1;
                done += payload.len() as u64;
                self.options.report("reading the journal", done, of);
                self.frame(head.sequence, records)
            },
        )?;
        let pending = Pending::new(end.sequence.max(self.position));
        if self.options.read_only {
            // Never applied: they stand in front of sled as long as the store is open.
            for (key, entry) in self.layer {
                match entry.value {
                    Some(value) => pending.add(entry.revision, vec![(key, value)], Vec::new()),
                    None => pending.add(entry.revision, Vec::new(), vec![key]),
                }
            }
        } else if end.sequence > self.position {
            self.tree.apply(&self.layer, end.sequence, |_| ())?;
        }
        self.streams.passed(end.sequence);
        let parts = Parts {
            pending,
            streams: self.streams,
            replayed: self.replayed,
        };
        Ok((end, parts))
    }

    fn frame(&mut self, sequence: u64, records: Vec<Record>) -> Result<(), StoreError> {
        let mut rows = Vec::new();
        for record in records {
            match record {
                Record::Change(change) => {
                    self.streams.add(sequence, std::mem::take(&mut rows));
                    self.streams.apply(&change);
                }
                Record::Batch(told) => {
                    rows.push((told.position, told.appends));
                    if sequence <= self.position {
                        continue;
                    }
                    let revision = told.revision;
                    let deletes = told.deletes.into_iter().map(|key| (key, None));
                    let puts = told.puts.into_iter().map(|(key, value)| (key, Some(value)));
                    for (key, value) in deletes.chain(puts) {
                        self.bytes += key.len() + value.as_ref().map_or(0, Vec::len) + 64;
                        self.layer.insert(key, Entry { revision, value });
                    }
                }
            }
        }
        self.streams.add(sequence, rows);
        if self.bytes >= LAYER_BYTES && !self.options.read_only {
            self.tree.apply(&self.layer, sequence, |_| ())?;
            self.layer.clear();
            self.bytes = 0;
        }
        Ok(())
    }
}
