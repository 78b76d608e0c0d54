//! The store's folder: what lies where in it, its lock, its instance and the marker of a restore; and files that are
//! written whole and durably. What is in the files is for the modules of their own.

use crate::store::port::StoreError;
use crate::store::wire::{Cursor, put_u64};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64;

/// How often the lock is tried, 10 ms apart.
const LOCK_TRIES: u32 = 30;

/// The store's folder, by its parts.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    pub(super) fn new(root: &Path) -> Folder {
        Folder {
            root: root.to_owned(),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    pub(super) fn streams(&self) -> PathBuf {
        self.root.join("streams")
    }

    pub(super) fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    pub(super) fn sled(&self) -> PathBuf {
        self.root.join("sled")
    }

    pub(super) fn sled_new(&self) -> PathBuf {
        self.root.join("sled.new")
    }

    pub(super) fn sled_aside(&self) -> PathBuf {
        self.root.join("sled.aside")
    }

    pub(super) fn mark(&self) -> PathBuf {
        self.root.join("mark")
    }

    pub(super) fn reserve(&self) -> PathBuf {
        self.root.join("reserve")
    }

    pub(super) fn instance(&self) -> PathBuf {
        self.root.join("instance")
    }

    pub(super) fn restored(&self) -> PathBuf {
        self.root.join("restored")
    }

    fn lock_file(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Makes the folder and its parts where they are missing.
    pub(super) fn make(&self) -> Result<(), StoreError> {
        for path in [
            self.root.clone(),
            self.journal(),
            self.streams(),
            self.snapshots(),
        ] {
            fs::create_dir_all(&path).map_err(|e| unavailable("create", &path, &e))?;
        }
        sync_folder(&self.root)
    }

    /// Takes the folder for this process, until the file that is returned is dropped.
    pub(super) fn lock(&self) -> Result<File, StoreError> {
        let path = self.lock_file();
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| unavailable("open", &path, &e))?;
        self.hold(file)
    }

    /// The same for reading only: nothing is written, and where no process ever took the folder there is none to wait for.
    pub(super) fn lock_to_read(&self) -> Result<Option<File>, StoreError> {
        let path = self.lock_file();
        match File::open(&path) {
            Ok(file) => self.hold(file).map(Some),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(unavailable("open", &path, &e)),
        }
    }

    fn hold(&self, file: File) -> Result<File, StoreError> {
        // A process that is being started holds copies of our files for a moment, and with them our locks.
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(10)),
                Err(TryLockError::Error(e)) => {
                    return Err(unavailable("lock", &self.lock_file(), &e));
                }
            }
        }
        Err(StoreError::Unavailable(format!(
            "the folder {} is in use by another process; stop that daemon first, or ask it through its admin socket",
            self.root.display()
        )))
    }

    /// The store's identity, if it has one, and whether this folder is a copy of the one in which it was written.
    pub(super) fn read_instance(&self) -> Result<Option<([u8; 16], bool)>, StoreError> {
        let path = self.instance();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(unavailable("read", &path, &e)),
        };
        let inode = inode_of(&path)
            .map_err(|e| unavailable("read", &path, &e))?
            .1;
        let mut cursor = Cursor::new(&bytes);
        let read = || Some((cursor.id()?, cursor.u64()?, cursor.u64()?));
        let found = { read }();
        match found {
            Some((id, written, sum)) if xxh3_64(&bytes[..24]) == sum => {
                Ok(Some((id, written != inode)))
            }
            _ => Err(corrupt(&path, 0, "the store's identity cannot be read")),
        }
    }

    /// Writes the identity, bound to the inode of its file: a copy of the folder is told from the original by it.
    pub(super) fn write_instance(&self, id: [u8; 16]) -> Result<(), StoreError> {
        let path = self.instance();
        let fresh = self.root.join("instance.new");
        let write = || -> io::Result<()> {
            let mut file = File::create(&fresh)?;
            let mut out = id.to_vec();
            put_u64(&mut out, file.metadata()?.ino());
            let sum = xxh3_64(&out);
            put_u64(&mut out, sum);
            file.write_all(&out)?;
            file.sync_all()?;
            fs::rename(&fresh, &path)
        };
        write().map_err(|e| unavailable("write", &path, &e))?;
        sync_folder(&self.root)
    }
}

/// Sixteen random bytes from the operating system.
pub(super) fn random_id() -> Result<[u8; 16], StoreError> {
    let path = Path::new("/dev/urandom");
    let mut id = [0u8; 16];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut id))
        .map_err(|e| unavailable("read", path, &e))?;
    Ok(id)
}

pub(super) fn random_seed() -> Result<u64, StoreError> {
    let [a, b, c, d, e, f, g, h, ..] = random_id()?;
    Ok(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
}

/// Device and inode.
pub(super) fn inode_of(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|e| unavailable("sync", path, &e))
}

/// Syncs every file below a folder, and the folders.
pub(super) fn sync_tree(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            match File::open(entry.path()) {
                Ok(file) => file.sync_all()?,
                // sled removes files of its own accord.
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
    }
    File::open(path)?.sync_all()
}

/// Writes a small file so that after a crash it is there whole or as it was before.
pub(super) fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = path.with_file_name(name);
    let write = || -> io::Result<()> {
        let mut file = File::create(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    write().map_err(|e| unavailable("write", path, &e))?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Removes a file if it is there; the folder is synced by the caller where the removal must be durable.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(unavailable("remove", path, &e)),
        _ => Ok(()),
    }
}

/// Removes a folder and all in it, if it is there.
pub(super) fn remove_tree(path: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(unavailable("remove", path, &e)),
        _ => Ok(()),
    }
}

/// The files of a folder, sorted by name. A folder that is missing has none.
pub(super) fn files(path: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let listing = match fs::read_dir(path) {
        Ok(listing) => listing,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(unavailable("list", path, &e)),
    };
    let mut found = Vec::new();
    for entry in listing {
        found.push(entry.map_err(|e| unavailable("list", path, &e))?.path());
    }
    found.sort();
    Ok(found)
}

/// An error of the operating system in the store's terms: `Full` if that is what it means.
pub(super) fn unavailable(did: &str, path: &Path, error: &io::Error) -> StoreError {
    let text = format!("cannot {did} {}: {error}", path.display());
    if is_full(error) {
        StoreError::Full(text)
    } else {
        StoreError::Unavailable(text)
    }
}

pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}

pub(super) fn corrupt(file: &Path, offset: u64, what: impl Into<String>) -> StoreError {
    StoreError::Corrupt {
        file: file.to_owned(),
        offset,
        what: what.into(),
    }
}
