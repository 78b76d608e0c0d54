//! The list of erasures beside the store's own files: what is in it is the engine's, that it is there after a crash and
//! found again when a backup is put in the place of the store is ours.

use super::EmbeddedStore;
use super::backup::instance_of;
use super::folder::{Folder, sync_folder, unavailable, write_durably};
use crate::store::port::StoreError;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Its name in the store's folder.
pub const ERASURES: &str = "erasures.json";

impl EmbeddedStore {
    /// Writes the list durably. Blocks.
    pub fn keep_erasures(&self, list: &[u8]) -> Result<(), StoreError> {
        write_durably(&self.shared.folder.root().join(ERASURES), list)
    }

    /// Puts the list aside under another name, where nothing reads or overwrites it; returns where it is now. Blocks.
    pub fn set_erasures_aside(&self) -> Result<PathBuf, StoreError> {
        let root = self.shared.folder.root();
        let list = root.join(ERASURES);
        let mut aside = root.join("erasures.unfit.json");
        let mut more = 1;
        while aside.exists() {
            more += 1;
            aside = root.join(format!("erasures.unfit-{more}.json"));
        }
        fs::rename(&list, &aside).map_err(|e| unavailable("rename", &list, &e))?;
        sync_folder(root)?;
        Ok(aside)
    }

    /// The list, if there is one. Blocks.
    pub fn kept_erasures(&self) -> Result<Option<Vec<u8>>, StoreError> {
        read(&self.shared.folder.root().join(ERASURES))
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path) {
        Ok(list) => Ok(Some(list)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(unavailable("read", path, &e)),
    }
}

/// Puts a list into the folder of a store that is not open.
pub fn put_erasures(folder: &Path, list: &[u8]) -> Result<(), StoreError> {
    write_durably(&folder.join(ERASURES), list)
}

/// Lists of the store that `backup` is of, in `dest` itself and in folders beside it: where a store lies that was moved
/// away.
pub fn find_erasures(backup: &Path, dest: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let instance = instance_of(backup)?;
    let mut found = Vec::new();
    if dest.join(ERASURES).exists() {
        found.push(dest.join(ERASURES));
    }
    let beside = dest.parent().filter(|p| !p.as_os_str().is_empty());
    // What cannot be listed holds nothing that could be found.
    let listing = fs::read_dir(beside.unwrap_or(Path::new(".")));
    for entry in listing.into_iter().flatten().flatten() {
        let list = entry.path().join(ERASURES);
        if entry.path() == dest || !list.exists() {
            continue;
        }
        if let Ok(Some((id, _))) = Folder::new(&entry.path()).read_instance()
            && id == instance
        {
            found.push(list);
        }
    }
    found.sort();
    Ok(found)
}
