//! The embedded adapter: one folder, nothing to install. The journal is the truth; sled holds what is read at random;
//! streams hold what is only appended, hot rows in memory and older ones in Parquet.
//!
//! A commit goes to the journal's thread (`writer`), which judges it and writes it with all that wait beside it as
//! one frame (`frame`, `journal`); once durable it is visible in `pending` and in `streams`, and is acknowledged; a
//! second thread applies it to sled (`tree`) by and by; a third (`maintain`) seals, snapshots and tidies. Reads run
//! on tokio's blocking threads, one hop for a call. `open` says what a folder must show to be trusted.

mod backup;
mod catalog;
mod disk;
mod erase;
mod erasures;
mod folder;
mod frame;
mod generation;
mod journal;
mod journal_read;
mod maintain;
mod mark;
mod open;
mod options;
mod pending;
#[cfg(test)]
mod power_cut;
mod rebuild;
mod recent;
mod record;
mod replay;
mod row_group;
mod segment;
mod segment_write;
mod shared;
mod snapshot;
mod streams;
mod tree;
mod verify;
mod writer;

pub use backup::{BackedUp, restore};
pub use disk::{Disk, RealDisk};
pub use erase::Erased;
pub use erasures::{ERASURES, find_erasures, put_erasures};
pub use options::{Opening, Options, Probe, Progress};
pub use tree::probe;
pub use verify::{Finding, verify};

use super::port::{
    Batch, Committed, Direction, Key, KeyRange, Room, Row, Store, StoreError, Stream, StreamFilter,
    TakeRows, Versioned,
};
use folder::{Folder, remove, sync_folder};
use futures_util::future::{BoxFuture, FutureExt};
use journal::{Journal, with_files};
use mark::Mark;
use shared::{Command, Shared, Task, Threads, Waiting, closed, versioned};
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, mpsc as blocking};
use std::thread;
use tokio::sync::{mpsc, oneshot};

/// Batches that may wait for the journal's thread; committers wait beyond it.
const QUEUE: usize = 1024;

/// A store in a folder. Dropping it without `close` leaves the folder as a crash would.
pub struct EmbeddedStore {
    shared: Arc<Shared>,
    /// The mark to write again when a store that was only read is closed.
    was_clean: Option<Mark>,
    lock: Mutex<Option<File>>,
}

/// Where the store stands, for metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    pub journal_bytes: u64,
    pub journal_files: u64,
    pub sled_bytes: u64,
    pub segment_bytes: u64,
    pub segments: u64,
    pub hot_rows: u64,
    pub hot_bytes: u64,
    /// What is durable and not yet in sled.
    pub pending_bytes: u64,
    /// The last durable frame, and the last one that sled holds.
    pub durable: u64,
    pub applied: u64,
    /// The last revision given.
    pub revision: u64,
    /// What the disk has left.
    pub free_bytes: u64,
    /// Commits are being refused for want of room.
    pub full: bool,
    /// The reserve file is in place.
    pub reserve: bool,
}

impl EmbeddedStore {
    /// Opens the store in a folder, or makes one. Blocks; rebuilding can take minutes (`Options::progress`).
    ///
    /// # Errors
    /// `Corrupt` where what was acknowledged cannot be had back from here: then nothing was changed. `Unavailable`
    /// where another process holds the folder, or it cannot be read without repair and only reading was asked for.
    pub fn open(path: &Path, options: Options) -> Result<(EmbeddedStore, Opening), StoreError> {
        let opened = open::open(path, &options)?;
        let (read_only, wall) = (options.read_only, options.wall);
        let folder = Folder::new(path);
        let mut opening = opened.opening;
        let epoch = opened.epoch + u64::from(!read_only);
        opening.epoch = epoch;
        let end = opened.end;
        let shared = Shared {
            folder: folder.clone(),
            instance: opened.instance,
            epoch,
            tree: RwLock::new(Some(opened.tree)),
            changes: Mutex::new(None),
            pending: opened.pending,
            streams: opened.streams,
            journal_files: Arc::new(Mutex::new(opened.files)),
            snapshots: Mutex::default(),
            durable: AtomicU64::new(end.sequence),
            wall: AtomicI64::new(end.wall),
            revision: AtomicU64::new(end.revision),
            since_snapshot: AtomicU64::new(0),
            marked: AtomicU64::new(0),
            seal_asked: AtomicBool::new(false),
            snapshot_asked: AtomicBool::new(false),
            room: AtomicU8::new(Room::Enough as u8),
            reserve_held: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            reserve_asked: AtomicBool::new(false),
            failure: Mutex::new(None),
            removing: Mutex::new(()),
            commands: Mutex::new(None),
            tasks: Mutex::new(None),
            threads: Mutex::new(Threads::default()),
            options,
        };
        let shared = Arc::new(shared);
        let store = EmbeddedStore {
            shared: Arc::clone(&shared),
            was_clean: opened.was_clean,
            lock: Mutex::new(Some(opened.lock)),
        };
        if read_only {
            return Ok((store, opening));
        }
        maintain::sweep(&shared)?;
        shared.streams.remove_replaced();
        shared.since_snapshot.store(
            maintain::journal_since_snapshot(&shared)?,
            Ordering::Relaxed,
        );
        maintain::write_mark(&shared)?;
        let mut journal = Journal {
            folder,
            disk: Arc::clone(&shared.options.disk),
            instance: shared.instance,
            epoch,
            segment_bytes: shared.options.journal_segment_bytes,
            files: Arc::clone(&shared.journal_files),
            number: opened.number,
            sequence: end.sequence,
            revision: end.revision,
            position: end.position,
            open: None,
            failed: None,
        };
        // Makes the epoch durable, and leaves the old file as it is.
        journal.begin(wall())?;
        if let Err(error) = maintain::take_reserve(&shared) {
            tracing::warn!(%error, "the reserve file could not be written");
        }
        store.start(journal)?;
        shared.measure_room();
        Ok((store, opening))
    }

    fn start(&self, journal: Journal) -> Result<(), StoreError> {
        let (commands, queue) = mpsc::channel(QUEUE);
        let (tasks, asked) = blocking::channel();
        let shared = &self.shared;
        *shared
            .commands
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(commands);
        *shared.tasks.lock().unwrap_or_else(PoisonError::into_inner) = Some(tasks);
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
            thread.map_err(|e| StoreError::Unavailable(format!("cannot start a thread: {e}")))
        };
        let (one, two, three) = (Arc::clone(shared), Arc::clone(shared), Arc::clone(shared));
        let writer = spawn(
            "store-journal",
            Box::new(move || writer::run(&one, journal, queue)),
        )?;
        let applier = spawn("store-apply", Box::new(move || writer::apply(&two)))?;
        let keeper = spawn(
            "store-keep",
            Box::new(move || maintain::run(&three, &asked)),
        )?;
        *shared
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Threads {
            writer: Some(writer),
            applier: Some(applier),
            keeper: Some(keeper),
        };
        Ok(())
    }

    /// Seals the streams, writes out and syncs everything, and marks the folder as cleanly closed. Commits that are
    /// not acknowledged by then may be refused. Blocks. Afterwards every call is refused.
    pub fn close(&self) -> Result<(), StoreError> {
        let shared = &self.shared;
        if shared.options.read_only {
            if let (Some(mark), None) = (&self.was_clean, shared.failure()) {
                maintain::finish(shared, mark.position, mark.catalog.clone())?;
            }
            self.crash();
            return Ok(());
        }
        shared.closing.store(true, Ordering::Release);
        let done = match shared.failure() {
            Some(error) => Err(error),
            None => shared.ask_and_wait(Task::Close),
        };
        self.crash();
        done
    }

    /// Seals all hot rows now. Blocks.
    pub fn seal(&self) -> Result<(), StoreError> {
        self.shared.ask_and_wait(|tell| Task::Seal(Some(tell)))
    }

    /// Takes a snapshot now, reads it back, and drops what of the journal is no longer needed. Blocks.
    pub fn snapshot(&self) -> Result<(), StoreError> {
        self.shared.ask_and_wait(|tell| Task::Snapshot(Some(tell)))
    }

    /// Forgets rows of a stream that are older than `before` (milliseconds since 1970), as far as whole segments
    /// hold nothing younger: what retention asks for. Returns how many rows went. Blocks.
    pub fn forget(&self, stream: Stream, before: i64) -> Result<u64, StoreError> {
        self.shared
            .ask_and_wait(|tell| Task::Forget(stream, before, tell))
    }

    /// Removes the bytes of these customers (sorted), whose keys are gone already, from everything in the folder: segments,
    /// journal, snapshots, sled's files. Older copies of all else go with them, so afterwards `restore` to an instant
    /// before is possible from backups only. Blocks, and may take minutes; commits and reads go on.
    pub fn erase(&self, customers: &[u64], progress: Progress) -> Result<Erased, StoreError> {
        let customers = customers.to_vec();
        self.shared
            .ask_and_wait(|tell| Task::Erase(customers, progress, tell))
    }

    /// Reads every frame, segment and snapshot while the store is open, and every value in sled. Blocks.
    pub fn verify(&self) -> Result<Vec<Finding>, StoreError> {
        verify::verify_open(&self.shared)
    }

    /// Copies the store to a folder that is empty or not there yet, while commits go on. Blocks.
    pub fn backup(&self, dest: &Path) -> Result<BackedUp, StoreError> {
        backup::backup(&self.shared, dest)
    }

    /// The operator has seen what would leave: the folder counts as the original from now on.
    pub fn release(&self) -> Result<(), StoreError> {
        remove(&self.shared.folder.restored())?;
        sync_folder(self.shared.folder.root())
    }

    pub fn stats(&self) -> Stats {
        let shared = &self.shared;
        let progress = shared.pending.progress();
        let (hot_rows, hot_bytes) = shared.streams.hot();
        let segments = shared.streams.segments();
        let (journal_bytes, journal_files) = with_files(&shared.journal_files, |files| {
            (
                files.iter().map(|file| file.length).sum(),
                files.len() as u64,
            )
        });
        Stats {
            journal_bytes,
            journal_files,
            sled_bytes: shared.with_tree(|tree| Ok(tree.bytes())).unwrap_or(0),
            segment_bytes: segments.iter().map(|segment| segment.named.length).sum(),
            segments: segments.len() as u64,
            hot_rows,
            hot_bytes,
            pending_bytes: progress.bytes as u64,
            durable: shared.durable.load(Ordering::Acquire),
            applied: progress.applied,
            revision: shared.revision.load(Ordering::Relaxed),
            free_bytes: shared.options.disk.free(shared.folder.root()).unwrap_or(0),
            full: shared.room() == Room::Full,
            reserve: shared.reserve_held.load(Ordering::Relaxed),
        }
    }

    /// Stops the threads where they are, without making anything good.
    fn crash(&self) {
        let shared = &self.shared;
        drop(
            shared
                .tasks
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let keeper = shared
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .keeper
            .take();
        // A thread that panicked has ended, too.
        let _ = keeper.map(thread::JoinHandle::join);
        shared.stop_writer();
        shared.stop_applier();
        drop(
            shared
                .tree
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let lock = self
            .lock
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // Said outright: a process that is being started may hold a copy of the file for a moment longer. What
        // cannot be unlocked is unlocked when the file is closed.
        let _ = lock.map(|file| file.unlock());
    }

    /// Runs a read where it may block.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        let done = tokio::task::spawn_blocking(move || work(&shared)).await;
        done.unwrap_or_else(|e| Err(StoreError::Unavailable(format!("reading failed: {e}"))))
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.crash();
    }
}

impl Store for EmbeddedStore {
    fn epoch(&self) -> u64 {
        self.shared.epoch
    }

    fn get_many(
        &self,
        keys: Vec<Key>,
    ) -> BoxFuture<'_, Result<Vec<Option<Versioned>>, StoreError>> {
        async move {
            let found: Vec<_> = keys
                .iter()
                .map(|key| self.shared.pending.get(key))
                .collect();
            if found.iter().all(Option::is_some) {
                return Ok(found.into_iter().flatten().map(versioned).collect());
            }
            self.read(move |shared| {
                let value = |(key, found): (Key, Option<pending::Entry>)| match found {
                    Some(entry) => Ok(versioned(entry)),
                    None => shared.get(&key),
                };
                keys.into_iter().zip(found).map(value).collect()
            })
            .await
        }
        .boxed()
    }

    fn scan(
        &self,
        range: KeyRange,
        direction: Direction,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(Key, Versioned)>, StoreError>> {
        self.read(move |shared| shared.scan(&range, direction, limit))
            .boxed()
    }

    fn read_stream(
        &self,
        stream: Stream,
        filter: StreamFilter,
    ) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        self.read(move |shared| shared.streams.read(stream, &filter))
            .boxed()
    }

    fn read_all(&self, stream: Stream, take: TakeRows) -> BoxFuture<'_, Result<(), StoreError>> {
        self.read(move |shared| shared.streams.read_all(stream, &*take))
            .boxed()
    }

    fn room(&self) -> Room {
        self.shared.room()
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Committed, StoreError>> {
        async move {
            if self.shared.options.read_only {
                let text = "the store was opened for reading only";
                return Err(StoreError::Unavailable(text.to_owned()));
            }
            let operations = record::encode_operations(&batch).ok_or_else(|| {
                StoreError::Unavailable("this batch is too large to be committed as one".to_owned())
            })?;
            let commands = self.shared.commands()?;
            let (reply, answer) = oneshot::channel();
            let waiting = Waiting {
                batch,
                operations,
                reply,
            };
            commands
                .send(Command::Commit(waiting))
                .await
                .map_err(|_| closed())?;
            drop(commands);
            answer.await.unwrap_or_else(|_| Err(closed()))
        }
        .boxed()
    }
}
