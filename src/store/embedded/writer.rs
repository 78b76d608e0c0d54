//! The journal's thread: it gathers the batches that wait, judges their epochs and checks in order, writes those that
//! pass as one frame, and makes them visible once that is durable. There is no timer: while one sync runs, the next
//! group gathers. And the thread that applies to sled what has become durable.

use super::catalog::Change;
use super::journal::{Journal, with_files};
use super::record::{put_batch, put_change};
use super::shared::{Command, Shared, Survey, Task, Waiting};
use crate::store::port::{Batch, Committed, Key, Room, StoreError};
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, mpsc as blocking};
use tokio::sync::mpsc;

/// A group takes no further batch beyond this, in bytes.
const GROUP_BYTES: usize = 16 << 20;

type Rotated = blocking::Sender<Result<Vec<PathBuf>, StoreError>>;

#[derive(Default)]
struct Group {
    commits: Vec<Waiting>,
    changes: Vec<(Change, blocking::Sender<Result<(), StoreError>>)>,
    surveys: Vec<blocking::Sender<Survey>>,
    rotations: Vec<Rotated>,
    bytes: usize,
    stop: bool,
}

impl Group {
    fn take(&mut self, command: Command) {
        match command {
            Command::Commit(waiting) => {
                self.bytes += waiting.operations.len();
                self.commits.push(waiting);
            }
            Command::Change(change, reply) => self.changes.push((change, reply)),
            Command::Survey(reply) => self.surveys.push(reply),
            Command::Rotate(reply) => self.rotations.push(reply),
            Command::Stop => self.stop = true,
        }
    }
}

/// Runs until it is told to stop, or every sender is gone, and what they sent is done.
pub(super) fn run(shared: &Shared, mut journal: Journal, mut commands: mpsc::Receiver<Command>) {
    while let Some(first) = commands.blocking_recv() {
        let mut group = Group::default();
        group.take(first);
        while group.bytes < GROUP_BYTES {
            let Ok(next) = commands.try_recv() else { break };
            group.take(next);
        }
        if group.stop {
            commands.close();
        }
        let surveys = std::mem::take(&mut group.surveys);
        let rotations = std::mem::take(&mut group.rotations);
        write(shared, &mut journal, group);
        for reply in rotations {
            let old = with_files(&journal.files, |files| {
                files.iter().map(|file| file.path.clone()).collect()
            });
            let begun = journal.begin((shared.options.wall)());
            let _ = reply.send(begun.map(|()| old));
        }
        for reply in surveys {
            // One that no longer listens is not owed an answer, here and below.
            let _ = reply.send(Survey {
                journal: with_files(&journal.files, |files| files.clone()),
                segments: shared.streams.segments(),
            });
        }
    }
}

/// Why commits are refused before they are looked at: all of them, or those that are not urgent.
enum Refusal {
    All(StoreError),
    NotUrgent(StoreError),
}

fn refusal(shared: &Shared) -> Option<Refusal> {
    if let Some(error) = shared.failure() {
        return Some(Refusal::All(error));
    }
    let (room, free) = shared.measure_room();
    (room == Room::Full).then(|| {
        Refusal::NotUrgent(StoreError::Full(format!(
            "{free} bytes are left for {}, and {} are needed to go on safely; make room",
            shared.folder.root().display(),
            shared.options.floor_bytes
        )))
    })
}

/// Whether a batch may be written, judged as if those before it in the group already were.
fn judge(
    shared: &Shared,
    batch: &Batch,
    ahead: &HashMap<Key, Option<u64>>,
) -> Result<(), StoreError> {
    if batch.epochs.iter().any(|(_, epoch)| *epoch != shared.epoch) {
        return Err(StoreError::Fenced);
    }
    for check in &batch.checks {
        let found = match ahead.get(&check.key) {
            Some(found) => *found,
            None => shared.revision_of(&check.key)?,
        };
        if found != check.expected {
            let key = check.key.clone();
            return Err(StoreError::Conflict { key });
        }
    }
    Ok(())
}

fn write(shared: &Shared, journal: &mut Journal, group: Group) {
    shared.pending.wait_for_room(shared.options.pending_bytes);
    let urgent = group.commits.iter().any(|waiting| waiting.batch.urgent);
    let refusal = refusal(shared);
    if urgent && matches!(refusal, Some(Refusal::NotUrgent(_))) {
        shared.give_up_reserve();
    }
    let mut frame = gather(shared, journal, &group, refusal.as_ref());
    let mut written = put(shared, journal, &frame);
    if let Some(Err(error @ StoreError::Full(_))) = &written {
        shared.note_room(Room::Full);
        shared.reserve_asked.store(true, Ordering::Relaxed);
        // The disk had less room than it said: what is urgent is tried once more, with the reserve's room.
        if urgent {
            shared.give_up_reserve();
            let refusal = Refusal::NotUrgent(error.clone());
            frame = gather(shared, journal, &group, Some(&refusal));
            written = put(shared, journal, &frame);
        }
    }
    publish(shared, group, frame.judged, written);
    nudge(shared);
}

/// What of a group may be written, as one frame's payload.
struct Gathered {
    payload: Vec<u8>,
    revision: u64,
    position: u64,
    /// Of each commit: its revision and the position of its first row.
    judged: Vec<Result<(u64, u64), StoreError>>,
}

fn gather(
    shared: &Shared,
    journal: &Journal,
    group: &Group,
    refusal: Option<&Refusal>,
) -> Gathered {
    let commits = &group.commits;
    let checked: HashSet<Key> = commits
        .iter()
        .flat_map(|waiting| waiting.batch.checks.iter().map(|check| check.key.clone()))
        .collect();
    let mut ahead: HashMap<Key, Option<u64>> = HashMap::new();
    let mut payload = Vec::with_capacity(group.bytes + 64 * commits.len());
    let (mut revision, mut position) = (journal.revision, journal.position);
    let mut judged: Vec<Result<(u64, u64), StoreError>> = Vec::with_capacity(commits.len());
    for Waiting {
        batch, operations, ..
    } in commits
    {
        let verdict = match refusal {
            Some(Refusal::All(error)) => Err(error.clone()),
            Some(Refusal::NotUrgent(error)) if !batch.urgent => Err(error.clone()),
            _ => judge(shared, batch, &ahead),
        };
        judged.push(verdict.map(|()| {
            revision += 1;
            let first = position;
            put_batch(&mut payload, revision, first, operations);
            position += batch.appends.len() as u64;
            if !checked.is_empty() {
                let deletes = batch.deletes.iter().map(|key| (key, None));
                let puts = batch.puts.iter().map(|(key, _)| (key, Some(revision)));
                for (key, now) in deletes.chain(puts) {
                    if checked.contains(key) {
                        ahead.insert(key.clone(), now);
                    }
                }
            }
            (revision, first)
        }));
    }
    for (change, _) in &group.changes {
        put_change(&mut payload, change);
    }
    Gathered {
        payload,
        revision,
        position,
        judged,
    }
}

/// Writes a frame durably, if there is anything in it.
fn put(
    shared: &Shared,
    journal: &mut Journal,
    frame: &Gathered,
) -> Option<Result<u64, StoreError>> {
    if frame.payload.is_empty() {
        return None;
    }
    let wall = (shared.options.wall)();
    shared.wall.store(wall, Ordering::Relaxed);
    let written = journal.write(&frame.payload, frame.revision, frame.position, wall);
    match &written {
        Ok(_) => {
            let length = frame.payload.len() as u64;
            shared.since_snapshot.fetch_add(length, Ordering::Relaxed);
        }
        Err(StoreError::Full(_)) => {}
        Err(error) => shared.fail(error),
    }
    Some(written)
}

/// Makes a durable frame visible, and only then answers. Refusals wait as well: whoever reads again after a conflict
/// must find what it conflicted with.
fn publish(
    shared: &Shared,
    group: Group,
    judged: Vec<Result<(u64, u64), StoreError>>,
    written: Option<Result<u64, StoreError>>,
) {
    let mut answers = Vec::with_capacity(judged.len());
    let mut rows = Vec::new();
    for (
        Waiting {
            mut batch, reply, ..
        },
        verdict,
    ) in group.commits.into_iter().zip(judged)
    {
        let verdict = match (&written, verdict) {
            (Some(Err(error)), Ok(_)) => Err(error.clone()),
            (_, verdict) => verdict,
        };
        let answer = verdict.map(|(revision, first)| {
            if !batch.appends.is_empty() {
                rows.push((first, std::mem::take(&mut batch.appends)));
            }
            shared.pending.add(revision, batch.puts, batch.deletes);
            shared.revision.store(revision, Ordering::Relaxed);
            Committed { revision }
        });
        answers.push((reply, answer));
    }
    let changes = match &written {
        Some(Ok(sequence)) => {
            shared.streams.add(*sequence, rows);
            for (change, _) in &group.changes {
                shared.streams.apply(change);
            }
            shared.durable.store(*sequence, Ordering::Release);
            shared.pending.published(*sequence);
            Ok(())
        }
        Some(Err(error)) => Err(error.clone()),
        None => Ok(()),
    };
    for (reply, answer) in answers {
        let _ = reply.send(answer);
    }
    for (_, reply) in group.changes {
        let _ = reply.send(changes.clone());
    }
}

/// Asks for a seal or a snapshot where one is due and not asked for yet.
fn nudge(shared: &Shared) {
    let options = &shared.options;
    if shared.streams.is_full(options.seal_bytes) && !shared.seal_asked.swap(true, Ordering::AcqRel)
    {
        let _ = shared.ask(Task::Seal(None));
    }
    if shared.since_snapshot.load(Ordering::Relaxed) >= options.snapshot_bytes
        && !shared.snapshot_asked.swap(true, Ordering::AcqRel)
    {
        let _ = shared.ask(Task::Snapshot(None));
    }
}

/// Applies durable layers to sled until told to stop or sled fails.
pub(super) fn apply(shared: &Arc<Shared>) {
    while let Some((layer, sequence)) = shared.pending.next_layer() {
        let work = || {
            shared.with_tree(|tree| {
                // Under sled's lock: who copies it either finds the value or its key here.
                let mut changes = shared
                    .changes
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                if let Some(changes) = changes.as_mut() {
                    changes.extend(layer.keys().cloned());
                }
                drop(changes);
                tree.apply(&layer, sequence, |bytes| shared.pending.relieve(bytes))
            })
        };
        let applied = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
            let text = "sled panicked while it was written; restart the daemon";
            Err(StoreError::Unavailable(text.to_owned()))
        });
        drop(layer);
        if let Err(error) = applied {
            // What is durable stays readable from the layers, and is applied at the next opening.
            shared.fail(&error);
            shared.pending.stop();
            return;
        }
        shared.pending.applied(sequence);
    }
}
