//! Opening: whether sled's folder can be trusted, building it anew where not, reading the journal for what sled and
//! the streams lack, cutting off a tail that was never acknowledged. Until all is found good nothing is removed that
//! the next try could need. Reading only, it does none of the mending, and says what to do instead.

use super::folder::{
    Folder, corrupt, files, random_id, remove, remove_tree, sync_folder, unavailable,
};
use super::journal::JournalFile;
use super::journal_read::{self, End, Listing};
use super::mark::{Kind, Mark};
use super::options::{Opening, Options};
use super::pending::Pending;
use super::rebuild::rebuild;
use super::replay::Replay;
use super::streams::Streams;
use super::tree::Tree;
use crate::store::port::StoreError;
use std::fs::{self, File, OpenOptions};
use std::path::Path;

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
        // What an erasing pass was building when it was cut off.
        remove_tree(&folder.sled_new())?;
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
