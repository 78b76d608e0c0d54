//! Opening: whether sled's folder can be trusted, building it anew where not, reading the journal for what sled and
//! the streams lack, cutting off a tail that was never acknowledged. Until all is found good nothing is removed that
//! the next try could need. Reading only, it does none of the mending, and says what to do instead.

use super::catalog::Catalog;
use super::folder::{
    Folder, corrupt, files, random_id, remove, remove_tree, sync_folder, sync_tree, unavailable,
};
use super::journal::JournalFile;
use super::journal_read::{self, End, Listing};
use super::mark::{Kind, Mark};
use super::options::{Opening, Options};
use super::pending::{Entry, Layer, Pending};
use super::record::{self, Record};
use super::snapshot;
use super::streams::Streams;
use super::tree::Tree;
use crate::store::port::StoreError;
use std::fs::{self, File, OpenOptions};
use std::path::Path;

/// The bytes of puts that are gathered before they go to sled.
const LAYER_BYTES: usize = 8 << 20;

/// A store that was opened and not yet set going.
pub(super) struct Opened {
    pub(super) lock: File,
    pub(super) instance: [u8; 16],
    pub(super) tree: Tree,
    pub(super) pending: Pending,
    pub(super) streams: Streams,
    pub(super) end: End,
    /// The highest epoch of any journal file, and the highest number.
    pub(super) epoch: u64,
    pub(super) number: u64,
    pub(super) files: Vec<JournalFile>,
    /// The mark that was found, where it is to be written again after reading only.
    pub(super) was_clean: Option<Mark>,
    pub(super) opening: Opening,
}

fn must_start(path: &Path, why: &str) -> StoreError {
    StoreError::Unavailable(format!(
        "the store in {} cannot be read without being repaired ({why}); start the daemon once, or run `reveille verify`",
        path.display()
    ))
}

pub(super) fn open(path: &Path, options: &Options) -> Result<Opened, StoreError> {
    let folder = Folder::new(path);
    if options.read_only {
        if !folder.instance().exists() {
            let text = format!(
                "there is no store in {}; start the daemon once",
                path.display()
            );
            return Err(StoreError::Unavailable(text));
        }
    } else {
        folder.make()?;
    }
    let lock = folder.lock()?;
    let mut opening = Opening::default();
    let instance = identify(&folder, options, &mut opening)?;
    let listing = journal_read::list(&folder.journal())?;
    let trusted = trust(&folder, options, &listing)?;
    let fresh = opening.fresh && listing.files.is_empty();
    opening.fresh = fresh;
    let (start, known, why) = match trusted {
        Trust::Yes(start) => (Some(start), 0, None),
        Trust::No { why, known } => (None, known, why),
    };
    let mut why = why;
    let mut known = known;
    let mut done = None;
    if let Some(start) = start {
        let start = *start;
        known = start.mark.position;
        let was_clean = (start.mark.kind == Kind::Clean).then(|| start.mark.clone());
        let tree = start.tree;
        let replay = Replay::new(&folder, options, &tree, start.position, start.mark.catalog);
        let (end, parts) = replay.run(&listing, instance, known)?;
        if start.position > end.sequence {
            why = Some("sled is ahead of the journal".to_owned());
            drop(tree);
        } else {
            done = Some((tree, end, parts, was_clean));
        }
    }
    let (tree, end, parts, was_clean) = match done {
        Some(done) => done,
        None if options.read_only => {
            return Err(must_start(
                path,
                why.as_deref().unwrap_or("it was never closed"),
            ));
        }
        None => {
            let (tree, position, catalog) = rebuild(&folder, options, instance, known)?;
            let replay = Replay::new(&folder, options, &tree, position, catalog);
            let (end, parts) = replay.run(&listing, instance, known)?;
            opening.rebuilt = if fresh { None } else { why };
            (tree, end, parts, None)
        }
    };
    opening.replayed = parts.replayed;
    opening.last_wall = (end.sequence > 0).then_some(end.wall);
    if let Some((file, offset, bytes)) = &end.cut {
        opening.cut = *bytes;
        if !options.read_only {
            cut(file, *offset)?;
        }
    }
    opening.clean = was_clean.is_some() && parts.replayed == 0 && opening.cut == 0;
    check_segments(&folder, &parts.streams)?;
    if !options.read_only {
        for stub in &listing.stubs {
            remove(stub)?;
        }
        sync_folder(&folder.journal())?;
    }
    let epoch = listing
        .files
        .iter()
        .map(|found| found.header.epoch)
        .max()
        .unwrap_or(0);
    let number = listing
        .files
        .iter()
        .map(|found| found.header.number)
        .max()
        .unwrap_or(0);
    Ok(Opened {
        lock,
        instance,
        tree,
        pending: parts.pending,
        streams: parts.streams,
        files: journal_files(&listing, &end),
        end,
        epoch,
        number,
        was_clean,
        opening,
    })
}

/// The store's identity, given to a new one; and whether sending is held since this is a copy.
fn identify(
    folder: &Folder,
    options: &Options,
    opening: &mut Opening,
) -> Result<[u8; 16], StoreError> {
    let id = match folder.read_instance()? {
        Some((id, false)) => id,
        Some((_, true)) if options.read_only => {
            return Err(must_start(folder.root(), "its folder is a copy"));
        }
        Some((id, true)) => {
            if !folder.restored().exists() {
                let text = "this folder is a copy of another store's";
                super::folder::write_durably(&folder.restored(), text.as_bytes())?;
            }
            folder.write_instance(id)?;
            id
        }
        None if !files(&folder.journal())?.is_empty() => {
            let what = "the file with the store's identity is missing beside a journal; restore it from a backup";
            return Err(corrupt(&folder.instance(), 0, what));
        }
        None => {
            opening.fresh = true;
            let id = random_id()?;
            folder.write_instance(id)?;
            id
        }
    };
    if let Ok(text) = fs::read_to_string(folder.restored()) {
        opening.held = Some(text);
    }
    Ok(id)
}

struct Start {
    tree: Tree,
    position: u64,
    mark: Mark,
}

enum Trust {
    Yes(Box<Start>),
    /// Why not, unless there was nothing to trust; and the sequence that had been durable by the mark.
    No {
        why: Option<String>,
        known: u64,
    },
}

/// Opens sled's folder if a durable mark vouches for it.
fn trust(folder: &Folder, options: &Options, listing: &Listing) -> Result<Trust, StoreError> {
    let no = |why: &str, known| {
        Ok(Trust::No {
            why: Some(why.to_owned()),
            known,
        })
    };
    let mark = match Mark::read(folder)? {
        None if listing.files.is_empty() && !folder.sled().exists() => {
            return Ok(Trust::No {
                why: None,
                known: 0,
            });
        }
        None => return no("there is no mark that vouches for it", 0),
        Some(None) => return no("the mark that vouches for it cannot be read", 0),
        Some(Some(mark)) => mark,
    };
    // The mark's position was durable in the journal that it names, whatever became of sled.
    let names_journal =
        super::folder::inode_of(&folder.journal()).is_ok_and(|ids| ids == mark.journal);
    let known = if names_journal { mark.position } else { 0 };
    if let Some(why) = mark.distrust(folder) {
        return no(&why, known);
    }
    if mark.kind == Kind::Clean {
        // Opening makes sled write: from here on the mark vouches for a kill, no longer for a power cut.
        Mark::of(folder, Kind::Running, mark.position, mark.catalog.clone())?.write(folder)?;
    }
    let tree = match Tree::open(&folder.sled(), options, mark.kind == Kind::Running) {
        Ok(tree) => tree,
        Err(why) => return no(&why, known),
    };
    let Some(position) = tree.position() else {
        return no("it holds no position", known);
    };
    let fits = match mark.kind {
        Kind::Clean => position == mark.position,
        Kind::Running => position >= mark.position,
        Kind::Building => false,
    };
    if !fits {
        let why = format!(
            "it is at frame {position}, and the mark says {}",
            mark.position
        );
        return no(&why, known);
    }
    Ok(Trust::Yes(Box::new(Start {
        tree,
        position,
        mark,
    })))
}

/// Sets sled's folder aside and builds it anew from the newest good snapshot. The mark says so meanwhile, so a crash
/// begins it again; `known`, up to which the journal had been durable, is not forgotten over it.
fn rebuild(
    folder: &Folder,
    options: &Options,
    instance: [u8; 16],
    known: u64,
) -> Result<(Tree, u64, Catalog), StoreError> {
    // A folder that was itself half built is no evidence of anything; one set aside before it is.
    let half_built = matches!(Mark::read(folder)?, Some(Some(mark)) if mark.kind == Kind::Building)
        && folder.sled_aside().exists();
    if half_built {
        remove_tree(&folder.sled())?;
    }
    Mark::building(folder, known)?.write(folder)?;
    let moved = |e: std::io::Error| unavailable("set aside", &folder.sled(), &e);
    if folder.sled().exists() {
        remove_tree(&folder.sled_aside())?;
        fs::rename(folder.sled(), folder.sled_aside()).map_err(moved)?;
    }
    let mut position = 0;
    let mut catalog = Catalog::default();
    for path in snapshot::list(&folder.snapshots())? {
        match load(folder, options, instance, &path) {
            Ok(head) => {
                (position, catalog) = (head.position, head.catalog);
                break;
            }
            Err(error @ StoreError::Corrupt { .. }) => {
                tracing::error!(%error, "a snapshot is passed by");
                remove_tree(&folder.sled_new())?;
            }
            Err(error) => return Err(error),
        }
    }
    if folder.sled_new().exists() {
        fs::rename(folder.sled_new(), folder.sled()).map_err(moved)?;
    }
    let tree = Tree::open(&folder.sled(), options, false).map_err(StoreError::Unavailable)?;
    if tree.position() != Some(position) {
        tree.apply(&Layer::new(), position)?;
    }
    sync_folder(folder.root())?;
    Ok((tree, position, catalog))
}

/// Builds a sled folder from a snapshot, under the name `sled.new`.
fn load(
    folder: &Folder,
    options: &Options,
    instance: [u8; 16],
    path: &Path,
) -> Result<snapshot::Head, StoreError> {
    let fresh = folder.sled_new();
    remove_tree(&fresh)?;
    let tree = Tree::open(&fresh, options, false).map_err(StoreError::Unavailable)?;
    let of = fs::metadata(path).map_or(0, |found| found.len());
    let mut layer = Layer::new();
    let mut bytes = 0;
    let mut done = 0;
    let summary = snapshot::read(path, |key, revision, value| {
        bytes += key.len() + value.len();
        let value = Some(value.to_vec());
        layer.insert(key.to_vec(), Entry { revision, value });
        if bytes >= LAYER_BYTES {
            tree.apply(&layer, 0)?;
            layer.clear();
            done += bytes as u64;
            bytes = 0;
            options.report("rebuilding from the snapshot", done, of.max(done));
        }
        Ok(())
    })?;
    if summary.head.instance != instance {
        return Err(corrupt(path, 8, "this snapshot belongs to another store"));
    }
    tree.apply(&layer, summary.head.position)?;
    tree.flush()?;
    drop(tree);
    sync_tree(&fresh).map_err(|e| unavailable("sync", &fresh, &e))?;
    Ok(summary.head)
}

/// What reading the journal leaves behind.
struct Parts {
    pending: Pending,
    streams: Streams,
    replayed: u64,
}

struct Replay<'a> {
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
    fn new(
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

    fn run(
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
            self.tree.apply(&self.layer, end.sequence)?;
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
            self.tree.apply(&self.layer, sequence)?;
            self.layer.clear();
            self.bytes = 0;
        }
        Ok(())
    }
}

/// Cuts a tail off a journal file, durably, before anything is written behind it.
fn cut(path: &Path, offset: u64) -> Result<(), StoreError> {
    OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|file| file.set_len(offset).and_then(|()| file.sync_all()))
        .map_err(|e| unavailable("cut", path, &e))
}

/// Every segment that is named must be there, with its length.
fn check_segments(folder: &Folder, streams: &Streams) -> Result<(), StoreError> {
    for segment in streams.segments() {
        let path = folder.streams().join(&segment.named.name);
        match fs::metadata(&path) {
            Ok(found) if found.len() == segment.named.length => {}
            Ok(found) => {
                let what = format!("this segment should have {} bytes", segment.named.length);
                return Err(corrupt(&path, found.len(), what));
            }
            Err(_) => return Err(corrupt(&path, 0, "this segment is missing")),
        }
    }
    Ok(())
}

fn journal_files(listing: &Listing, end: &End) -> Vec<JournalFile> {
    let list = &listing.files;
    let file = |(index, found): (usize, &journal_read::Found)| {
        let next = list.get(index + 1).map(|next| &next.header);
        let cut = end.cut.as_ref().filter(|(path, _, _)| *path == found.path);
        JournalFile {
            path: found.path.clone(),
            last: next.map_or(end.sequence, |next| next.first_sequence - 1),
            wall: next.map_or(end.wall, |next| next.wall),
            length: cut.map_or(found.length, |(_, offset, _)| *offset),
        }
    };
    list.iter().enumerate().map(file).collect()
}
