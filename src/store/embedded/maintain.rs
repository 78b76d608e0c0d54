//! The maintaining thread: it seals streams, takes snapshots, keeps the mark fresh, drops what of the journal nobody
//! needs any more, and closes the store. It does one thing at a time; commits and reads go on beside it.

use super::catalog::{Change, STREAMS};
use super::erase::erase;
use super::folder::{files, remove, sync_folder, sync_tree, unavailable};
use super::journal::with_files;
use super::mark::{Kind, Mark};
use super::segment_write;
use super::shared::{Command, Shared, Survey, Task, closed};
use super::snapshot::{self, Head, Kept, Moment};
use crate::store::port::{StoreError, Stream, StreamFilter};
use std::fs::{self, File};
use std::io::Write;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::sync::mpsc as blocking;
use std::time::Duration;

/// How often the disk's room is looked at while nothing is to be done.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// So many looks later a reserve that was refused is tried again.
const RESERVE_AGAIN: u32 = 60;

/// Runs until the store is closed or every sender is gone.
pub(super) fn run(shared: &Shared, tasks: &blocking::Receiver<Task>) {
    let mut looks = 0;
    loop {
        let task = match tasks.recv_timeout(LOOK_EVERY) {
            Ok(task) => task,
            // Room that comes back must be seen, though nobody may write for want of it.
            Err(blocking::RecvTimeoutError::Timeout) => {
                looks += 1;
                if looks % RESERVE_AGAIN == 0 {
                    shared.reserve_asked.store(false, Ordering::Relaxed);
                }
                shared.measure_room();
                continue;
            }
            Err(blocking::RecvTimeoutError::Disconnected) => return,
        };
        match task {
            Task::Seal(reply) => {
                shared.seal_asked.store(false, Ordering::Release);
                answer("sealing the streams", reply, seal(shared));
            }
            Task::Snapshot(reply) => {
                let taken = take_snapshot(shared);
                shared.snapshot_asked.store(false, Ordering::Release);
                answer("taking a snapshot", reply, taken);
            }
            Task::Forget(stream, before, reply) => {
                let _ = reply.send(forget(shared, stream, before));
            }
            Task::Erase(customers, progress, reply) => {
                let _ = reply.send(erase(shared, &customers, &progress));
            }
            Task::Survey(reply) => {
                let _ = reply.send(survey(shared));
            }
            Task::TakeReserve => {
                match take_reserve(shared) {
                    Ok(()) => shared.reserve_asked.store(false, Ordering::Relaxed),
                    Err(error) => {
                        tracing::warn!(%error, "the reserve file could not be written; sending waits for it");
                    }
                }
                shared.measure_room();
            }
            Task::Close(reply) => {
                let _ = reply.send(close(shared));
                return;
            }
        }
    }
}

fn answer(
    what: &str,
    reply: Option<blocking::Sender<Result<(), StoreError>>>,
    done: Result<(), StoreError>,
) {
    match (reply, done) {
        (Some(reply), done) => drop(reply.send(done)),
        (None, Err(error)) => tracing::error!(%error, "{what} failed"),
        (None, Ok(())) => {}
    }
}

fn survey(shared: &Shared) -> Result<Survey, StoreError> {
    let (tell, told) = blocking::channel();
    let sent = shared.commands()?.blocking_send(Command::Survey(tell));
    sent.map_err(|_| closed())?;
    told.recv().map_err(|_| closed())
}

/// Takes a stream's segments out of the catalog whose rows are all older than `before`; returns how many rows went.
fn forget(shared: &Shared, stream: Stream, before: i64) -> Result<u64, StoreError> {
    let catalog = shared.streams.catalog();
    let segments = &catalog.of(stream).segments;
    let old: Vec<_> = segments
        .iter()
        .filter(|named| named.newest < before)
        .collect();
    if old.is_empty() {
        return Ok(0);
    }
    let change = Change {
        stream,
        sealed_to: 0,
        read_from: 0,
        add: None,
        remove: old.iter().map(|named| named.name.clone()).collect(),
    };
    name(shared, change)?;
    write_mark(shared)?;
    Ok(old.iter().map(|named| named.rows).sum())
}

fn seal(shared: &Shared) -> Result<(), StoreError> {
    let mut sealed = false;
    for stream in STREAMS {
        sealed |= seal_stream(shared, stream)?;
    }
    if sealed {
        write_mark(shared)?;
        tidy(shared)?;
    }
    Ok(())
}

/// Writes a stream's hot rows as a segment, together with the newest segments as far as they are small beside it
/// (else many stops would leave many small files), and names it.
pub(super) fn seal_stream(shared: &Shared, stream: Stream) -> Result<bool, StoreError> {
    let Some(frozen) = shared.streams.freeze(stream) else {
        return Ok(false);
    };
    let mut bytes = frozen.rows.bytes() as u64;
    let mut merged = Vec::new();
    for segment in frozen.segments.iter().rev() {
        let size = segment.named.bytes;
        if size > 2 * bytes || size + bytes > shared.options.seal_bytes {
            break;
        }
        bytes += size;
        merged.push(segment);
    }
    let mut rows = Vec::new();
    for segment in merged.iter().rev() {
        segment.read(&StreamFilter::default(), None, &mut rows)?;
    }
    rows.extend_from_slice(frozen.rows.rows());
    let to = rows.last().map_or(0, |row| row.position + 1);
    let added = segment_write::write(&shared.folder.streams(), stream, &rows, to)?;
    let change = Change {
        stream,
        sealed_to: to,
        read_from: frozen.sequence,
        add: Some(added),
        remove: merged
            .iter()
            .map(|segment| segment.named.name.clone())
            .collect(),
    };
    name(shared, change)?;
    Ok(true)
}

/// Has the journal say that the catalog changes.
pub(super) fn name(shared: &Shared, change: Change) -> Result<(), StoreError> {
    let (tell, told) = blocking::channel();
    let sent = shared
        .commands()?
        .blocking_send(Command::Change(change, tell));
    sent.map_err(|_| closed())?;
    told.recv().unwrap_or_else(|_| Err(closed()))
}

fn now(shared: &Shared) -> Moment {
    Moment {
        sequence: shared.durable.load(Ordering::Acquire),
        wall: (shared.options.wall)(),
    }
}

fn take_snapshot(shared: &Shared) -> Result<(), StoreError> {
    let folder = shared.folder.snapshots();
    for stream in STREAMS {
        seal_stream(shared, stream)?;
    }
    let path = write_snapshot(shared)?;
    read_back(shared, path)?;
    let kept: Vec<_> = keep_two(shared)?;
    let (_guard, removable) = match shared.removing.try_lock() {
        Ok(guard) => (Some(guard), true),
        Err(_) => (None, false),
    };
    if removable && kept.len() == 2 {
        let oldest = kept.iter().map(|kept| kept.position).min().unwrap_or(0);
        for path in snapshot::list(&folder)? {
            let position = path
                .file_stem()
                .and_then(|stem| stem.to_str()?.parse::<u64>().ok());
            if position.is_some_and(|position| position < oldest) {
                remove(&path)?;
            }
        }
    }
    drop(_guard);
    write_mark(shared)?;
    tidy(shared)
}

/// Writes a snapshot of what sled holds.
pub(super) fn write_snapshot(shared: &Shared) -> Result<std::path::PathBuf, StoreError> {
    // The position before the scan: every frame up to it is applied by now.
    let head = Head {
        instance: shared.instance,
        position: shared.pending.progress().applied,
        began: now(shared),
        catalog: shared.streams.catalog(),
    };
    shared.since_snapshot.store(0, Ordering::Relaxed);
    let folder = shared.folder.snapshots();
    shared.with_tree(|tree| {
        snapshot::write(&folder, &head, tree.range(&[], None), || now(shared)).inspect_err(
            |error| match error {
                StoreError::Corrupt { file, .. } if *file == shared.folder.sled() => {
                    shared.distrust(error);
                }
                _ => {}
            },
        )
    })
}

pub(super) fn read_back(shared: &Shared, path: std::path::PathBuf) -> Result<(), StoreError> {
    let summary = snapshot::read(&path, |_, _, _| Ok(()))?;
    let position = summary.head.position.min(summary.head.catalog.read_from());
    let mut kept = shared
        .snapshots
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    kept.retain(|known| known.path != path);
    kept.push(Kept { path, position });
    Ok(())
}

/// The two newest snapshots that were read back and found good; those of earlier runs are read now.
fn keep_two(shared: &Shared) -> Result<Vec<Kept>, StoreError> {
    let mut good = Vec::new();
    for path in snapshot::list(&shared.folder.snapshots())? {
        let known = |shared: &Shared| {
            let kept = shared
                .snapshots
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            kept.iter().find(|kept| kept.path == path).cloned()
        };
        if known(shared).is_none()
            && let Err(error) = read_back(shared, path.clone())
        {
            tracing::error!(%error, "a snapshot cannot be used; an older one and more of the journal are kept");
            continue;
        }
        good.extend(known(shared));
        if good.len() == 2 {
            break;
        }
    }
    Ok(good)
}

/// Writes a `running` mark with what sled has written out by now.
pub(super) fn write_mark(shared: &Shared) -> Result<(), StoreError> {
    if let Some(error) = shared.failure() {
        return Err(error);
    }
    let position = shared.with_tree(|tree| {
        let position = tree.position().unwrap_or(0);
        tree.flush()?;
        Ok(position)
    })?;
    let catalog = shared.streams.catalog();
    let free = position.min(catalog.read_from());
    Mark::of(&shared.folder, Kind::Running, position, catalog)?.write(&shared.folder)?;
    shared.marked.store(free, Ordering::Release);
    Ok(())
}

/// Drops journal files that neither sled, nor a stream, nor one of two good snapshots needs, and that are old enough.
fn tidy(shared: &Shared) -> Result<(), StoreError> {
    let Ok(_guard) = shared.removing.try_lock() else {
        return Ok(());
    };
    let kept = keep_two(shared)?;
    if kept.len() < 2 {
        return Ok(());
    }
    let marked = shared.marked.load(Ordering::Acquire);
    let free = kept.iter().map(|kept| kept.position).fold(marked, u64::min);
    let before = (shared.options.wall)().saturating_sub(shared.options.journal_keep);
    let dropped = with_files(&shared.journal_files, |files| {
        let droppable =
            |file: &&super::journal::JournalFile| file.last <= free && file.wall <= before;
        let count = files
            .iter()
            .take(files.len().saturating_sub(1))
            .take_while(droppable)
            .count();
        files.drain(..count).collect::<Vec<_>>()
    });
    for file in &dropped {
        remove(&file.path)?;
        // In their order: were a later one gone and an earlier one left, the journal would have a hole.
        sync_folder(&shared.folder.journal())?;
    }
    Ok(())
}

/// Writes the reserve file, with bytes in every block of it, if there is room.
pub(super) fn take_reserve(shared: &Shared) -> Result<(), StoreError> {
    let (path, size) = (shared.folder.reserve(), shared.options.reserve_bytes);
    if size == 0 || fs::metadata(&path).is_ok_and(|found| found.len() == size) {
        shared.reserve_held.store(size > 0, Ordering::Relaxed);
        return Ok(());
    }
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&path)?;
        let block = vec![0x5a; 1 << 20];
        let mut left = size;
        while left > 0 {
            let part = usize::try_from(left)
                .unwrap_or(block.len())
                .min(block.len());
            file.write_all(&block[..part])?;
            left -= part as u64;
        }
        file.sync_all()
    };
    write().map_err(|e| {
        // Half a reserve only takes room away.
        let _ = fs::remove_file(&path);
        unavailable("write", &path, &e)
    })?;
    shared.reserve_held.store(true, Ordering::Relaxed);
    Ok(())
}

/// Seals what is hot, waits until sled has everything, syncs every file of sled's and writes the `clean` mark.
fn close(shared: &Shared) -> Result<(), StoreError> {
    if let Some(error) = shared.failure() {
        return Err(error);
    }
    for stream in STREAMS {
        seal_stream(shared, stream)?;
    }
    shared.stop_writer();
    let end = shared.durable.load(Ordering::Acquire);
    if !shared.pending.wait_applied(end) {
        return Err(shared.failure().unwrap_or_else(closed));
    }
    shared.stop_applier();
    write_mark(shared)?;
    tidy(shared)?;
    finish(shared, end, shared.streams.catalog())
}

/// Closes sled, syncs its files and writes the `clean` mark.
pub(super) fn finish(
    shared: &Shared,
    end: u64,
    catalog: super::catalog::Catalog,
) -> Result<(), StoreError> {
    let tree = {
        let mut tree = shared.tree.write().unwrap_or_else(PoisonError::into_inner);
        tree.take().ok_or_else(closed)?
    };
    tree.flush()?;
    drop(tree);
    let path = shared.folder.sled();
    sync_tree(&path).map_err(|e| unavailable("sync", &path, &e))?;
    sync_folder(shared.folder.root())?;
    Mark::of(&shared.folder, Kind::Clean, end, catalog)?.write(&shared.folder)
}

/// Removes what a crash left half written, and segments that nothing names.
pub(super) fn sweep(shared: &Shared) -> Result<(), StoreError> {
    let catalog = shared.streams.catalog();
    for path in files(&shared.folder.streams())? {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name.ends_with(".parquet") && !catalog.names().any(|named| named.name == name) {
            remove(&path)?;
        }
    }
    for path in files(&shared.folder.snapshots())? {
        if path.extension().is_some_and(|ending| ending == "new") {
            remove(&path)?;
        }
    }
    Ok(())
}

/// The bytes of the journal behind the newest snapshot.
pub(super) fn journal_since_snapshot(shared: &Shared) -> Result<u64, StoreError> {
    let newest = snapshot::list(&shared.folder.snapshots())?;
    let position = newest
        .first()
        .and_then(|path| path.file_stem()?.to_str()?.parse::<u64>().ok());
    let position = position.unwrap_or(0);
    Ok(with_files(&shared.journal_files, |files| {
        let behind = files.iter().filter(|file| file.last > position);
        behind.map(|file| file.length).sum()
    }))
}
