//! Erasing: the bytes of customers whose keys are gone already. Segments that hold rows of theirs are written anew
//! without them; what else holds any (journal, snapshots, sled's files, folders set aside) is replaced by what is made
//! from the present state, and removed. Commits and reads go on beside it, save for the moment in which sled's folder is
//! swapped. Cut off anywhere it has done no harm, and the next pass does it all.

use super::catalog::{Change, STREAMS};
use super::folder::{files, remove, remove_tree, sync_folder, sync_tree, unavailable};
use super::journal::with_files;
use super::maintain::{name, read_back, seal_stream, write_mark, write_snapshot};
use super::mark::Mark;
use super::options::Progress;
use super::pending::{Entry, Layer};
use super::replay::LAYER_BYTES;
use super::segment::Segment;
use super::segment_write;
use super::shared::{Command, Shared, closed};
use super::tree::Tree;
use crate::store::port::{Row, StoreError, Stream, StreamFilter};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, mpsc as blocking};

/// What an erasing pass removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Erased {
    /// Rows of the streams.
    pub rows: u64,
    /// Segments written anew.
    pub segments: u64,
    /// Files of the journal, and snapshots.
    pub journal_files: u64,
    pub snapshots: u64,
}

/// Erases these customers' rows (sorted), and every older copy of whatever the store no longer holds.
pub(super) fn erase(
    shared: &Shared,
    customers: &[u64],
    progress: &Progress,
) -> Result<Erased, StoreError> {
    let busy = |_| {
        let text = "a backup is being made; erasing is tried again later";
        StoreError::Unavailable(text.to_owned())
    };
    // Nothing else is removed meanwhile, and nothing copied.
    let _guard = shared.removing.try_lock().map_err(busy)?;
    if let Some(error) = shared.failure() {
        return Err(error);
    }
    // Segments, snapshots and sled's folder are written anew beside the old ones.
    let (_, free) = shared.measure_room();
    let options = &shared.options;
    if free < options.floor_bytes.saturating_add(options.reserve_bytes) {
        let text = "the disk has no room to erase: what stays is written anew first; make room, and erasing is tried again";
        return Err(StoreError::Full(text.to_owned()));
    }
    let mut erased = Erased::default();
    // The files up to here hold what is to go. First, so that no row is left that they alone hold.
    let old = rotate(shared)?;
    for stream in STREAMS {
        seal_stream(shared, stream)?;
    }
    let all = shared.streams.segments().len() as u64;
    let mut done = 0;
    for stream in STREAMS {
        for segment in shared.streams.segments_of(stream) {
            go_on(shared)?;
            let rows = rewrite(shared, stream, &segment, customers)?;
            erased.rows += rows;
            erased.segments += u64::from(rows > 0);
            done += 1;
            progress("rewriting what was appended", done, all);
        }
    }
    let steps = 4;
    go_on(shared)?;
    progress("taking snapshots", 1, steps);
    let first = snapshot_behind(shared)?;
    name(shared, nothing())?;
    let second = snapshot_behind(shared)?;
    for path in files(&shared.folder.snapshots())? {
        if path != first && path != second {
            remove(&path)?;
            erased.snapshots += 1;
        }
    }
    sync_folder(&shared.folder.snapshots())?;
    (shared
        .snapshots
        .lock()
        .unwrap_or_else(PoisonError::into_inner))
    .retain(|kept| kept.path == first || kept.path == second);
    write_mark(shared)?;
    progress("dropping the journal", 2, steps);
    erased.journal_files = drop_journal(shared, old)?;
    progress("building sled anew", 3, steps);
    rebuild_beside(shared, progress)?;
    check(shared, customers)?;
    progress("done", steps, steps);
    Ok(erased)
}

/// Nobody who closes the store waits for a whole pass: the next one does it all.
fn go_on(shared: &Shared) -> Result<(), StoreError> {
    match shared.closing.load(Ordering::Acquire) {
        true => Err(StoreError::Unavailable(
            "the store is being closed; erasing is tried again".to_owned(),
        )),
        false => Ok(()),
    }
}

/// A change of the catalog that changes nothing: it makes a frame.
fn nothing() -> Change {
    Change {
        stream: Stream::Events,
        sealed_to: 0,
        read_from: 0,
        add: None,
        remove: Vec::new(),
    }
}

fn rows_of(customers: &[u64]) -> StreamFilter {
    StreamFilter {
        customers: Some(customers.to_vec()),
        ..StreamFilter::default()
    }
}

/// Writes a segment anew without these customers' rows, all others as they are; returns how many rows went. Readers that
/// are at the old one read it to its end.
fn rewrite(
    shared: &Shared,
    stream: Stream,
    segment: &Arc<Segment>,
    customers: &[u64],
) -> Result<u64, StoreError> {
    let mut of_theirs = Vec::new();
    segment.read(&rows_of(customers), None, &mut of_theirs)?;
    if of_theirs.is_empty() {
        return Ok(0);
    }
    let mut rows: Vec<Row> = Vec::new();
    segment.read(&StreamFilter::default(), None, &mut rows)?;
    let before = rows.len();
    rows.retain(|row| customers.binary_search(&row.customer).is_err());
    let named = &segment.named;
    let add = match rows.is_empty() {
        true => None,
        false => Some(segment_write::write_again(
            &shared.folder.streams(),
            stream,
            &rows,
            named,
        )?),
    };
    let change = Change {
        add,
        remove: vec![named.name.clone()],
        stream,
        ..nothing()
    };
    name(shared, change)?;
    Ok((before - rows.len()) as u64)
}

/// Ends the journal's file; returns those that are ended by now.
fn rotate(shared: &Shared) -> Result<Vec<PathBuf>, StoreError> {
    let (tell, told) = blocking::channel();
    let sent = shared.commands()?.blocking_send(Command::Rotate(tell));
    sent.map_err(|_| closed())?;
    told.recv().unwrap_or_else(|_| Err(closed()))
}

/// A snapshot of all that is durable by now, read back.
fn snapshot_behind(shared: &Shared) -> Result<PathBuf, StoreError> {
    let durable = shared.durable.load(Ordering::Acquire);
    if !shared.pending.wait_applied(durable) {
        return Err(shared.failure().unwrap_or_else(closed));
    }
    let path = write_snapshot(shared)?;
    read_back(shared, path.clone())?;
    Ok(path)
}

/// Drops these files of the journal, however young: all that they hold is in two snapshots, in sled and in segments.
fn drop_journal(shared: &Shared, old: Vec<PathBuf>) -> Result<u64, StoreError> {
    let kept = {
        let kept = (shared.snapshots.lock()).unwrap_or_else(PoisonError::into_inner);
        kept.iter().map(|kept| kept.position).min().unwrap_or(0)
    };
    let free = kept.min(shared.marked.load(Ordering::Acquire));
    let mut dropped = 0;
    for path in old {
        let needed = with_files(&shared.journal_files, |files| {
            let at = files.iter().position(|file| file.path == path);
            match at {
                Some(at) if files[at].last <= free && at + 1 < files.len() => {
                    files.remove(at);
                    false
                }
                Some(_) => true,
                None => false,
            }
        });
        if needed {
            let text = format!("{} is still needed; erasing is tried again", path.display());
            return Err(StoreError::Unavailable(text));
        }
        remove(&path)?;
        // In their order: were a later one gone and an earlier one left, the journal would have a hole.
        sync_folder(&shared.folder.journal())?;
        dropped += 1;
    }
    Ok(dropped)
}

/// Builds sled's folder anew from what it holds, beside it, and swaps the two: the old files keep the bytes of whatever
/// was ever in them. What is applied meanwhile is noted, and copied again at the end.
fn rebuild_beside(shared: &Shared, progress: &Progress) -> Result<(), StoreError> {
    let folder = &shared.folder;
    let fresh = folder.sled_new();
    remove_tree(&fresh)?;
    remove_tree(&folder.sled_aside())?;
    shared.note_changes(true);
    // sled may panic where it writes.
    let built = catch_unwind(AssertUnwindSafe(|| copy(shared, &fresh, progress)));
    let built = built.unwrap_or_else(|_| {
        let text = "sled panicked while its folder was built anew; erasing is tried again";
        Err(StoreError::Unavailable(text.to_owned()))
    });
    let swapped = built.and_then(|tree| swap(shared, tree));
    shared.note_changes(false);
    if swapped.is_err() {
        // Best effort: the next pass and the next opening remove it, too.
        let _ = remove_tree(&fresh);
    }
    swapped?;
    remove_tree(&folder.sled_aside())?;
    sync_folder(folder.root())?;
    write_mark(shared)
}

fn copy(shared: &Shared, fresh: &std::path::Path, progress: &Progress) -> Result<Tree, StoreError> {
    let tree = Tree::open(fresh, &shared.options, false).map_err(StoreError::Unavailable)?;
    let mut from = Vec::new();
    let mut keys = 0;
    loop {
        go_on(shared)?;
        let mut layer = Layer::new();
        let mut bytes = 0;
        // A part at a time, so that nobody waits for sled's lock for long.
        shared.with_tree(|old| {
            for entry in old.range(&from, None) {
                let (key, found) = entry?;
                bytes += key.len() + found.value.len();
                let (revision, value) = (found.revision, Some(found.value));
                layer.insert(key, Entry { revision, value });
                if bytes >= LAYER_BYTES {
                    break;
                }
            }
            Ok(())
        })?;
        let Some((last, _)) = layer.last_key_value() else {
            return Ok(tree);
        };
        from = last.clone();
        from.push(0);
        keys += layer.len() as u64;
        tree.apply(&layer, 0, |_| ())?;
        progress("building sled anew", keys, keys);
    }
}

/// Copies again what changed meanwhile, and puts the new folder in the old one's place. Readers and the thread that
/// applies wait for as long as it takes to open it.
fn swap(shared: &Shared, fresh: Tree) -> Result<(), StoreError> {
    let folder = &shared.folder;
    let mut place = shared.tree.write().unwrap_or_else(PoisonError::into_inner);
    let old = place.as_ref().ok_or_else(closed)?;
    let position = old.position().unwrap_or(0);
    let mut layer = Layer::new();
    for key in shared.take_changes() {
        let entry = match old.get(&key)? {
            Some(found) => Entry {
                revision: found.revision,
                value: Some(found.value),
            },
            None => Entry {
                revision: 0,
                value: None,
            },
        };
        layer.insert(key, entry);
    }
    fresh.apply(&layer, position, |_| ())?;
    fresh.flush()?;
    drop(fresh);
    let path = folder.sled_new();
    sync_tree(&path).map_err(|e| unavailable("sync", &path, &e))?;
    // From here on the mark vouches for neither: a crash builds sled from the snapshot, which is as new.
    let durable = shared.durable.load(Ordering::Acquire);
    Mark::building(folder, durable)?.write(folder)?;
    drop(place.take());
    let put = || -> Result<Tree, StoreError> {
        let moved = |e: std::io::Error| unavailable("put in place", &folder.sled(), &e);
        fs::rename(folder.sled(), folder.sled_aside()).map_err(moved)?;
        fs::rename(folder.sled_new(), folder.sled()).map_err(moved)?;
        sync_folder(folder.root())?;
        Tree::open(&folder.sled(), &shared.options, false).map_err(StoreError::Unavailable)
    };
    let tree = put().inspect_err(|error| shared.fail(error))?;
    if tree.position() != Some(position) {
        let text =
            "sled's folder was built anew and does not say what was written; restart the daemon";
        let error = StoreError::Unavailable(text.to_owned());
        shared.fail(&error);
        return Err(error);
    }
    *place = Some(tree);
    Ok(())
}

/// No row of theirs is left.
fn check(shared: &Shared, customers: &[u64]) -> Result<(), StoreError> {
    let mut left = 0;
    for stream in STREAMS {
        left += shared.streams.read(stream, &rows_of(customers))?.len();
    }
    if left > 0 {
        let text =
            format!("{left} rows came in while they were being erased; erasing is tried again");
        return Err(StoreError::Unavailable(text));
    }
    Ok(())
}
