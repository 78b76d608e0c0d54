//! What the embedded store's threads and its callers share: the layers of what is stored, the positions that each
//! has reached, and the failure after which nothing more is committed.

use super::catalog::Change;
use super::erase::Erased;
use super::folder::{Folder, remove, sync_folder};
use super::journal::{JournalFile, JournalFiles};
use super::mark::Mark;
use super::options::{Options, Progress};
use super::pending::{Entry, Pending};
use super::segment::Segment;
use super::snapshot::Kept;
use super::streams::Streams;
use super::tree::Tree;
use crate::store::port::{
    Batch, Committed, Direction, Key, KeyRange, Room, StoreError, Stream, Versioned,
};
use std::cmp::Ordering as Order;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc as blocking;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use tokio::sync::{mpsc, oneshot};

/// A batch on its way to the journal.
pub(super) struct Waiting {
    pub(super) batch: Batch,
    pub(super) operations: Vec<u8>,
    pub(super) reply: oneshot::Sender<Result<Committed, StoreError>>,
}

/// What the journal's thread is asked to do.
pub(super) enum Command {
    Commit(Waiting),
    Change(Change, blocking::Sender<Result<(), StoreError>>),
    /// The journal's files and the segments that belong together, between two groups.
    Survey(blocking::Sender<Survey>),
    /// End the journal's file, between two groups; the answer names those that are ended.
    Rotate(blocking::Sender<Result<Vec<PathBuf>, StoreError>>),
    /// Take no more, do what waits, and end.
    Stop,
}

pub(super) struct Survey {
    pub(super) journal: Vec<JournalFile>,
    pub(super) segments: Vec<Arc<Segment>>,
}

/// What the maintaining thread is asked to do.
pub(super) enum Task {
    Seal(Option<blocking::Sender<Result<(), StoreError>>>),
    Snapshot(Option<blocking::Sender<Result<(), StoreError>>>),
    /// Forget the segments of a stream whose rows are all older than a time.
    Forget(Stream, i64, blocking::Sender<Result<u64, StoreError>>),
    /// Erase the rows of these customers, and every older copy of anything.
    Erase(
        Vec<u64>,
        Progress,
        blocking::Sender<Result<Erased, StoreError>>,
    ),
    Survey(blocking::Sender<Result<Survey, StoreError>>),
    TakeReserve,
    Close(blocking::Sender<Result<(), StoreError>>),
}

pub(super) struct Shared {
    pub(super) folder: Folder,
    pub(super) options: Options,
    pub(super) instance: [u8; 16],
    pub(super) epoch: u64,
    /// `None` once closed.
    pub(super) tree: RwLock<Option<Tree>>,
    /// The keys applied to sled since they are noted, if they are.
    pub(super) changes: Mutex<Option<BTreeSet<Key>>>,
    pub(super) pending: Pending,
    pub(super) streams: Streams,
    pub(super) journal_files: JournalFiles,
    pub(super) snapshots: Mutex<Vec<Kept>>,
    /// The last durable frame, and when it was written.
    pub(super) durable: AtomicU64,
    pub(super) wall: AtomicI64,
    pub(super) revision: AtomicU64,
    /// Journal bytes since the last snapshot.
    pub(super) since_snapshot: AtomicU64,
    /// The frames up to here are not needed by what the last written mark vouches for.
    pub(super) marked: AtomicU64,
    pub(super) seal_asked: AtomicBool,
    /// Somebody waits for the store to be closed: what may be done another time is broken off.
    pub(super) closing: AtomicBool,
    pub(super) snapshot_asked: AtomicBool,
    pub(super) room: AtomicU8,
    pub(super) reserve_held: AtomicBool,
    /// It is being taken, or was refused a moment ago.
    pub(super) reserve_asked: AtomicBool,
    pub(super) failure: Mutex<Option<StoreError>>,
    /// Held while files are copied: nothing is removed meanwhile.
    pub(super) removing: Mutex<()>,
    pub(super) commands: Mutex<Option<mpsc::Sender<Command>>>,
    pub(super) tasks: Mutex<Option<blocking::Sender<Task>>>,
    pub(super) threads: Mutex<Threads>,
}

#[derive(Default)]
pub(super) struct Threads {
    pub(super) writer: Option<JoinHandle<()>>,
    pub(super) applier: Option<JoinHandle<()>>,
    pub(super) keeper: Option<JoinHandle<()>>,
}

pub(super) fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}

impl Shared {
    pub(super) fn room(&self) -> Room {
        match self.room.load(Ordering::Relaxed) {
            0 => Room::Enough,
            1 => Room::Low,
            _ => Room::Full,
        }
    }

    /// Notes what the disk has room for, and says so when it changes.
    pub(super) fn note_room(&self, room: Room) {
        if self.room.swap(room as u8, Ordering::Relaxed) == room as u8 {
            return;
        }
        let folder = self.folder.root().display();
        match room {
            Room::Enough => tracing::info!(%folder, "the disk has room again"),
            Room::Low => tracing::warn!(%folder, "the disk is nearly full; make room"),
            Room::Full => {
                tracing::error!(%folder, "the disk is full: only what must not wait is written; make room");
            }
        }
    }

    /// Looks at the disk. A reserve that was given up counts as used: its room is for urgent batches, and until it is
    /// taken again there is not enough. A disk that refused although it says that it has room (a quota) is not asked
    /// for the reserve again before a while.
    pub(super) fn measure_room(&self) -> (Room, u64) {
        let options = &self.options;
        // Where the room cannot be told, the write itself will tell.
        let free = (options.disk.free(self.folder.root())).unwrap_or(u64::MAX);
        let reserve = options.reserve_bytes;
        let lacking = reserve > 0 && !self.reserve_held.load(Ordering::Relaxed);
        let spare = free.saturating_sub(if lacking { reserve } else { 0 });
        let room = if spare < options.floor_bytes {
            Room::Full
        } else if spare < options.floor_bytes.saturating_add(reserve) || lacking {
            Room::Low
        } else {
            Room::Enough
        };
        let for_reserve = options.floor_bytes.saturating_add(2 * reserve);
        if lacking && free >= for_reserve && !self.reserve_asked.swap(true, Ordering::Relaxed) {
            let _ = self.ask(Task::TakeReserve);
        }
        self.note_room(room);
        (room, free)
    }

    /// Gives the reserve file's room up, for urgent batches.
    pub(super) fn give_up_reserve(&self) {
        if !self.reserve_held.swap(false, Ordering::Relaxed) {
            return;
        }
        let given = remove(&self.folder.reserve()).and_then(|()| sync_folder(self.folder.root()));
        match given {
            Ok(()) => tracing::warn!(
                "the disk is full: the reserve is given up for outcomes, consents and suppressions; make room"
            ),
            Err(error) => tracing::error!(%error, "the reserve file could not be removed"),
        }
    }

    /// Begins to note which keys are applied to sled, or ends it.
    pub(super) fn note_changes(&self, noting: bool) {
        // Nothing is being applied while it begins.
        let _alone = self.tree.write().unwrap_or_else(PoisonError::into_inner);
        *(self.changes.lock()).unwrap_or_else(PoisonError::into_inner) = noting.then(BTreeSet::new);
    }

    /// Takes the keys that were noted so far.
    pub(super) fn take_changes(&self) -> BTreeSet<Key> {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn fail(&self, error: &StoreError) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert_with(|| error.clone());
    }

    /// Why nothing can be committed any more, if so.
    pub(super) fn failure(&self) -> Option<StoreError> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.clone()
    }

    pub(super) fn commands(&self) -> Result<mpsc::Sender<Command>, StoreError> {
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        commands.clone().ok_or_else(closed)
    }

    pub(super) fn ask(&self, task: Task) -> Result<(), StoreError> {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = tasks.as_ref().map(|tasks| tasks.send(task));
        sent.and_then(Result::ok).ok_or_else(closed)
    }

    /// Ends the journal's thread when it has done what waits. Blocks, also where blocking is not allowed otherwise.
    pub(super) fn stop_writer(&self) {
        let commands = {
            let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
            commands.take()
        };
        if let Some(commands) = commands {
            // In a thread of its own: a full queue must be waited for, and this may be a tokio worker.
            let tell = thread::spawn(move || drop(commands.blocking_send(Command::Stop)));
            // Neither a thread that panicked nor a writer that is gone already has anything to stop.
            let _ = tell.join();
        }
        let writer = self
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .writer
            .take();
        let _ = writer.map(JoinHandle::join);
    }

    pub(super) fn stop_applier(&self) {
        self.pending.stop();
        let applier = self
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .applier
            .take();
        let _ = applier.map(JoinHandle::join);
    }

    /// Asks for something that is told back when it is done. Blocks.
    pub(super) fn ask_and_wait<T>(
        &self,
        task: impl FnOnce(blocking::Sender<Result<T, StoreError>>) -> Task,
    ) -> Result<T, StoreError> {
        let (tell, told) = blocking::channel();
        self.ask(task(tell))?;
        told.recv().unwrap_or_else(|_| Err(closed()))
    }

    pub(super) fn with_tree<T>(
        &self,
        work: impl FnOnce(&Tree) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let tree = self.tree.read().unwrap_or_else(PoisonError::into_inner);
        work(tree.as_ref().ok_or_else(closed)?)
    }

    /// Reads in sled. What it cannot read it cannot be trusted with: the mark is withdrawn, so that the next opening
    /// builds sled anew from snapshot and journal, and until then nothing more is committed.
    fn look_up<T>(
        &self,
        work: impl FnOnce(&Tree) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.with_tree(|tree| {
            let done = catch_unwind(AssertUnwindSafe(|| work(tree)));
            let done = done.unwrap_or_else(|_| {
                Err(StoreError::Unavailable(
                    "sled panicked while it was read".to_owned(),
                ))
            });
            done.inspect_err(|error| self.distrust(error))
        })
    }

    /// Withdraws the mark that vouches for sled's folder.
    pub(super) fn distrust(&self, error: &StoreError) {
        if self.failure().is_some() {
            return;
        }
        tracing::error!(%error, "sled's folder is damaged; restart the daemon, and it is built anew from the journal");
        self.fail(error);
        let durable = self.durable.load(Ordering::Acquire);
        let mark = Mark::building(&self.folder, durable);
        if let Err(error) = mark.and_then(|mark| mark.write(&self.folder)) {
            tracing::error!(%error, "the mark could not be withdrawn; remove the file `mark` by hand before the daemon starts");
        }
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Versioned>, StoreError> {
        match self.pending.get(key) {
            Some(entry) => Ok(versioned(entry)),
            None => self.look_up(|tree| tree.get(key)),
        }
    }

    /// The revision at which a key stands, for a check.
    pub(super) fn revision_of(&self, key: &[u8]) -> Result<Option<u64>, StoreError> {
        match self.pending.revision(key) {
            Some(revision) => Ok(revision),
            None => self.look_up(|tree| Ok(tree.get(key)?.map(|found| found.revision))),
        }
    }

    pub(super) fn scan(
        &self,
        range: &KeyRange,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<(Key, Versioned)>, StoreError> {
        let mut out = Vec::new();
        let (mut from, mut to) = (range.from.clone(), range.to.clone());
        let most = limit.clamp(64, 4096);
        while from < to && out.len() < limit {
            // The layers first, sled second: what leaves them meanwhile is in sled by then.
            let (layer, edge) = self.pending.overlay(&from, &to, direction, most);
            let (mut low, mut high) = (from.clone(), to.clone());
            match (&edge, direction) {
                (Some(edge), Direction::Forward) => {
                    high = edge.clone();
                    high.push(0);
                    from = high.clone();
                }
                (Some(edge), Direction::Backward) => {
                    low = edge.clone();
                    to = low.clone();
                }
                (None, _) => from = to.clone(),
            }
            self.look_up(|tree| {
                let beneath = tree.range(&low, Some(&high));
                match direction {
                    Direction::Forward => {
                        merge(layer.into_iter(), beneath, Key::cmp, limit, &mut out)
                    }
                    Direction::Backward => {
                        let order = |a: &Key, b: &Key| b.cmp(a);
                        merge(
                            layer.into_iter().rev(),
                            beneath.rev(),
                            order,
                            limit,
                            &mut out,
                        )
                    }
                }
            })?;
        }
        Ok(out)
    }
}

pub(super) fn versioned(entry: Entry) -> Option<Versioned> {
    let revision = entry.revision;
    entry.value.map(|value| Versioned { revision, value })
}

/// Merges what is pending over what sled holds, both sorted by `order`. Of two values the later revision stands.
fn merge(
    above: impl Iterator<Item = (Key, Entry)>,
    beneath: impl Iterator<Item = Result<(Key, Versioned), StoreError>>,
    order: impl Fn(&Key, &Key) -> Order,
    limit: usize,
    out: &mut Vec<(Key, Versioned)>,
) -> Result<(), StoreError> {
    let mut above = above.peekable();
    let mut beneath = beneath.peekable();
    while out.len() < limit {
        let side = match (above.peek(), beneath.peek()) {
            (None, None) => return Ok(()),
            (Some(_), None) => Order::Less,
            (None, Some(_)) => Order::Greater,
            (Some(_), Some(Err(_))) => Order::Greater,
            (Some((a, _)), Some(Ok((b, _)))) => order(a, b),
        };
        let upper = if side.is_le() { above.next() } else { None };
        let lower = if side.is_ge() {
            beneath.next().transpose()?
        } else {
            None
        };
        let kept = match (upper, lower) {
            (Some((_, entry)), Some((key, found))) if found.revision > entry.revision => {
                Some((key, found))
            }
            (Some((key, entry)), _) => versioned(entry).map(|found| (key, found)),
            (None, lower) => lower,
        };
        out.extend(kept);
    }
    Ok(())
}
