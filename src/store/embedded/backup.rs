//! Backup and restore of a whole store: snapshots, segments and journal as they belong together at one instant, with
//! a manifest of checksums. sled is not copied: a restored store builds it anew. A restored folder says of itself
//! that it is one, and the daemon holds sending until an operator has looked.

use super::folder::{
    Folder, corrupt, files, is_full, sync_folder, sync_tree, unavailable, write_durably,
};
use super::segment::file_checksum;
use super::shared::{Shared, Task};
use super::snapshot;
use crate::store::port::StoreError;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::PoisonError;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

const MANIFEST: &str = "manifest.json";
const FORMAT: u32 = 1;

/// What a backup holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BackedUp {
    pub files: u64,
    pub bytes: u64,
    /// The last frame of the journal that is in it.
    pub position: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    instance: String,
    position: u64,
    /// Milliseconds since 1970.
    made: i64,
    files: Vec<Item>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    /// The path below the store's folder.
    path: String,
    length: u64,
    /// xxh3, in hexadecimal.
    checksum: String,
}

/// The manifest's file: its checksum stands beside it, so that it vouches for itself.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    manifest: String,
    checksum: String,
}

fn io(did: &str, path: &Path) -> impl Fn(std::io::Error) -> StoreError {
    move |e| unavailable(did, path, &e)
}

fn must_be_empty(dest: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(dest).map_err(io("create", dest))?;
    if files(dest)?.is_empty() {
        return Ok(());
    }
    let text = format!("{} is not empty; name a folder that is", dest.display());
    Err(StoreError::Unavailable(text))
}

/// The same for what is restored to: a list of erasures may wait there.
fn must_be_free(dest: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(dest).map_err(io("create", dest))?;
    match files(dest)?.as_slice() {
        [only] if only.ends_with(super::ERASURES) => Ok(()),
        _ => must_be_empty(dest),
    }
}

/// Copies the first `length` bytes of a file, durably, and returns their checksum.
fn copy(from: &Path, to: &Path, length: u64) -> Result<u64, StoreError> {
    let mut input = File::open(from).map_err(io("open", from))?.take(length);
    let mut output = File::create(to).map_err(io("write", to))?;
    let mut hasher = Xxh3::new();
    let mut buffer = vec![0; 1 << 18];
    let mut left = length;
    while left > 0 {
        let count = input.read(&mut buffer).map_err(io("read", from))?;
        if count == 0 {
            return Err(corrupt(
                from,
                length - left,
                "this file is shorter than it should be",
            ));
        }
        hasher.update(&buffer[..count]);
        output
            .write_all(&buffer[..count])
            .map_err(io("write", to))?;
        left -= count as u64;
    }
    output.sync_all().map_err(io("sync", to))?;
    Ok(hasher.digest())
}

pub(super) fn backup(shared: &Shared, dest: &Path) -> Result<BackedUp, StoreError> {
    must_be_empty(dest)?;
    let _guard = shared
        .removing
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let survey = shared.ask_and_wait(Task::Survey)?;
    let position = survey.journal.last().map_or(0, |file| file.last);
    let mut wanted = Vec::new();
    for path in snapshot::list(&shared.folder.snapshots())? {
        let length = fs::metadata(&path).map_err(io("read", &path))?.len();
        wanted.push(("snapshots", path, length, None));
    }
    for segment in &survey.segments {
        let named = &segment.named;
        wanted.push((
            "streams",
            segment.path().to_owned(),
            named.length,
            Some(named.checksum),
        ));
    }
    for file in &survey.journal {
        wanted.push(("journal", file.path.clone(), file.length, None));
    }
    let mut manifest = Manifest {
        format: FORMAT,
        instance: super::tree::hex(&shared.instance),
        position,
        made: (shared.options.wall)(),
        files: Vec::new(),
    };
    let all: u64 = wanted.iter().map(|(_, _, length, _)| length).sum();
    let mut done = 0;
    for folder in ["journal", "streams", "snapshots"] {
        let path = dest.join(folder);
        fs::create_dir(&path).map_err(io("create", &path))?;
    }
    for (folder, path, length, expected) in wanted {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let below = format!("{folder}/{name}");
        let checksum = copy(&path, &dest.join(&below), length)?;
        if expected.is_some_and(|expected| expected != checksum) {
            return Err(corrupt(&path, 0, "this segment is not what was written"));
        }
        done += length;
        shared.options.report("copying the store", done, all);
        manifest.files.push(Item {
            path: below,
            length,
            checksum: format!("{checksum:016x}"),
        });
    }
    sync_tree(dest).map_err(io("sync", dest))?;
    let text =
        serde_json::to_string(&manifest).map_err(|e| StoreError::Unavailable(e.to_string()))?;
    let sealed = Sealed {
        checksum: format!("{:016x}", xxh3_64(text.as_bytes())),
        manifest: text,
    };
    let bytes =
        serde_json::to_vec_pretty(&sealed).map_err(|e| StoreError::Unavailable(e.to_string()))?;
    // Last: a backup without its manifest is not one.
    write_durably(&dest.join(MANIFEST), &bytes)?;
    Ok(BackedUp {
        files: manifest.files.len() as u64,
        bytes: all,
        position,
    })
}

fn read_manifest(backup: &Path) -> Result<Manifest, StoreError> {
    let path = backup.join(MANIFEST);
    let bytes = fs::read(&path).map_err(|e| {
        StoreError::Unavailable(format!(
            "{} is not a whole backup: its {MANIFEST} cannot be read: {e}",
            backup.display()
        ))
    })?;
    let bad = |what: String| {
        corrupt(
            &path,
            0,
            format!("the backup's manifest is damaged: {what}"),
        )
    };
    let sealed: Sealed = serde_json::from_slice(&bytes).map_err(|e| bad(e.to_string()))?;
    if sealed.checksum != format!("{:016x}", xxh3_64(sealed.manifest.as_bytes())) {
        return Err(bad("its checksum does not fit".to_owned()));
    }
    let manifest: Manifest =
        serde_json::from_str(&sealed.manifest).map_err(|e| bad(e.to_string()))?;
    if manifest.format != FORMAT {
        let text = format!(
            "the backup in {} has format {}, and this version reads {FORMAT}",
            backup.display(),
            manifest.format
        );
        return Err(StoreError::Unavailable(text));
    }
    Ok(manifest)
}

/// The store that a backup is of.
pub(super) fn instance_of(backup: &Path) -> Result<[u8; 16], StoreError> {
    let manifest = read_manifest(backup)?;
    unhex(&manifest.instance)
        .ok_or_else(|| corrupt(&backup.join(MANIFEST), 0, "the store's identity is wrong"))
}

/// Puts a whole backup into a folder that is empty or not there yet. Every file is compared with the manifest first;
/// the folder is a store only when all is in place. Opening it builds sled, and says that sending is to be held.
pub fn restore(backup: &Path, dest: &Path) -> Result<BackedUp, StoreError> {
    let manifest = read_manifest(backup)?;
    let mut bytes = 0;
    for item in &manifest.files {
        let path = backup.join(&item.path);
        if !is_plain(&item.path) {
            return Err(corrupt(&path, 0, "this path has no place in a backup"));
        }
        let (length, checksum) = file_checksum(&path)?;
        if length != item.length || format!("{checksum:016x}") != item.checksum {
            let what = "this file of the backup is not what the manifest says";
            return Err(corrupt(&path, length.min(item.length), what));
        }
        bytes += length;
    }
    must_be_free(dest)?;
    let folder = Folder::new(dest);
    folder.make()?;
    for item in &manifest.files {
        copy(
            &backup.join(&item.path),
            &dest.join(&item.path),
            item.length,
        )?;
    }
    sync_tree(dest).map_err(|e| {
        if is_full(&e) {
            StoreError::Full(e.to_string())
        } else {
            unavailable("sync", dest, &e)
        }
    })?;
    let text = format!(
        "restored from a backup that ends with frame {}",
        manifest.position
    );
    write_durably(&folder.restored(), text.as_bytes())?;
    let id = unhex(&manifest.instance)
        .ok_or_else(|| corrupt(&backup.join(MANIFEST), 0, "the store's identity is wrong"))?;
    folder.write_instance(id)?;
    sync_folder(dest)?;
    Ok(BackedUp {
        files: manifest.files.len() as u64,
        bytes,
        position: manifest.position,
    })
}

/// One of the three folders and a name: nothing that leads out of the destination.
fn is_plain(path: &str) -> bool {
    path.split_once('/').is_some_and(|(folder, name)| {
        ["journal", "streams", "snapshots"].contains(&folder)
            && !name.is_empty()
            && !name.contains('/')
            && name != ".."
    })
}

fn unhex(text: &str) -> Option<[u8; 16]> {
    let mut id = [0; 16];
    if text.len() != 32 {
        return None;
    }
    for (at, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(id)
}
