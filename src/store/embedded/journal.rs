//! Writing the journal: one frame at a time, each durable before the next is written. After a write or sync that
//! failed nothing more is written to that file; where the disk was merely full, what was begun is cut off again and
//! the next frame goes to a new file, so that work goes on when there is room. Which batches make up a frame is for
//! `writer` to say.

use super::disk::Disk;
use super::folder::{Folder, is_full, random_seed, remove, sync_folder, unavailable};
use super::frame::{self, FileHeader, FrameHead, PAGE};
use crate::store::port::StoreError;
use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// A file of the journal.
#[derive(Clone, Debug)]
pub(super) struct JournalFile {
    pub(super) path: PathBuf,
    /// The last frame in it or, while there is none, before it.
    pub(super) last: u64,
    /// When its last frame was written, in milliseconds since 1970.
    pub(super) wall: i64,
    /// The bytes that are durable.
    pub(super) length: u64,
}

/// The journal's files, oldest first; shared with those who tidy and back up.
pub(super) type JournalFiles = Arc<Mutex<Vec<JournalFile>>>;

pub(super) fn with_files<T>(
    files: &JournalFiles,
    work: impl FnOnce(&mut Vec<JournalFile>) -> T,
) -> T {
    work(&mut files.lock().unwrap_or_else(PoisonError::into_inner))
}

pub(super) struct Journal {
    pub(super) folder: Folder,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) instance: [u8; 16],
    pub(super) epoch: u64,
    pub(super) segment_bytes: u64,
    pub(super) files: JournalFiles,
    /// The number of the last file.
    pub(super) number: u64,
    /// The last durable frame, the last revision given, the position of the next row.
    pub(super) sequence: u64,
    pub(super) revision: u64,
    pub(super) position: u64,
    pub(super) open: Option<(File, u64, u64)>,
    pub(super) failed: Option<StoreError>,
}

impl Journal {
    /// Begins a new file, durably.
    pub(super) fn begin(&mut self, wall: i64) -> Result<(), StoreError> {
        self.number += 1;
        let header = FileHeader {
            number: self.number,
            instance: self.instance,
            seed: random_seed()?,
            epoch: self.epoch,
            first_sequence: self.sequence + 1,
            revision: self.revision,
            position: self.position,
            wall,
        };
        let path = self
            .folder
            .journal()
            .join(format!("{:010}.journal", self.number));
        let create = || {
            let file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&path)?;
            self.disk.write(&file, &header.encode(), 0)?;
            self.disk.sync(&file)?;
            Ok(file)
        };
        let made = create()
            .map_err(|e| unavailable("begin", &path, &e))
            .and_then(|file| sync_folder(&self.folder.journal()).map(|()| file));
        let file = made.inspect_err(|_| {
            // It holds no frame; if it cannot be removed, reading passes it by.
            let _ = remove(&path);
        })?;
        self.open = Some((file, header.seed, PAGE as u64));
        let begun = JournalFile {
            path,
            last: self.sequence,
            wall,
            length: PAGE as u64,
        };
        with_files(&self.files, |files| files.push(begun));
        Ok(())
    }

    /// Writes one frame and returns when it is durable. `Full`: nothing was written, a later try may succeed. Any
    /// other error: what became of the frame is known when the store is opened again, and until then every further
    /// write fails.
    pub(super) fn write(
        &mut self,
        payload: &[u8],
        revision: u64,
        position: u64,
        wall: i64,
    ) -> Result<u64, StoreError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let written = self.try_write(payload, revision, position, wall);
        match &written {
            Ok(_) | Err(StoreError::Full(_)) => {}
            Err(error) => {
                self.open = None;
                self.failed = Some(error.clone());
            }
        }
        written
    }

    fn try_write(
        &mut self,
        payload: &[u8],
        revision: u64,
        position: u64,
        wall: i64,
    ) -> Result<u64, StoreError> {
        if self
            .open
            .as_ref()
            .is_none_or(|(_, _, end)| *end >= self.segment_bytes)
        {
            self.open = None;
            self.begin(wall)?;
        }
        let Some((file, seed, offset)) = &mut self.open else {
            return Err(StoreError::Unavailable(
                "the journal has no file".to_owned(),
            ));
        };
        let head = FrameHead {
            sequence: self.sequence + 1,
            wall,
            synced: self.sequence,
            revision,
            position,
        };
        let bytes = frame::encode(*seed, &head, payload);
        let path = self.folder.journal();
        if let Err(error) = self.disk.write(file, &bytes, *offset) {
            if !is_full(&error) {
                return Err(unavailable("write", &path, &error));
            }
            // Not one byte of this frame may stay: the next file begins with the same sequence.
            let cut = file.set_len(*offset).and_then(|()| self.disk.sync(file));
            self.open = None;
            return Err(match cut {
                Ok(()) => unavailable("write", &path, &error),
                Err(e) => StoreError::Unavailable(format!(
                    "the disk filled up and the journal in {} could not be cut back: {e}; restart the daemon",
                    path.display()
                )),
            });
        }
        if let Err(error) = self.disk.sync(file) {
            return Err(StoreError::Unavailable(format!(
                "the journal in {} could not be synced: {error}; restart the daemon",
                path.display()
            )));
        }
        *offset += bytes.len() as u64;
        self.sequence += 1;
        (self.revision, self.position) = (revision, position);
        let (sequence, length) = (self.sequence, *offset);
        with_files(&self.files, |files| {
            if let Some(file) = files.last_mut() {
                (file.last, file.wall, file.length) = (sequence, wall, length);
            }
        });
        Ok(sequence)
    }
}
