//! The few things asked of a disk that must be seen to fail in tests: a journal's write and sync, and the room that
//! is left. All else goes to the file system directly and is tested on real files.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

pub trait Disk: Send + Sync {
    /// Writes all of `bytes` at `offset`.
    fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Returns when what was written is on the medium.
    fn sync(&self, file: &File) -> io::Result<()>;
    /// The bytes that may still be written to the file system that holds `path`.
    fn free(&self, path: &Path) -> io::Result<u64>;
}

/// The machine's own.
pub struct RealDisk;

impl Disk for RealDisk {
    fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn free(&self, path: &Path) -> io::Result<u64> {
        let found = rustix::fs::statvfs(path)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }
}
