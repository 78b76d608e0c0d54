//! How the embedded store is opened, and what opening it came to.

use super::disk::{Disk, RealDisk};
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Told what is being done, and how much of how much is done.
pub type Progress = Arc<dyn Fn(&str, u64, u64) + Send + Sync>;

/// A program that tries sled's folder in a process of its own: it is run with `args` and the folder's path behind
/// them, is to call `probe`, and to exit with 0 if that returns `Ok`.
#[derive(Clone, Debug)]
pub struct Probe {
    pub program: PathBuf,
    pub args: Vec<OsString>,
}

#[derive(Clone)]
pub struct Options {
    /// sled's cache, in bytes.
    pub cache_bytes: u64,
    /// A journal file ends at this size, in bytes.
    pub journal_segment_bytes: u64,
    /// A stream is sealed when its rows in memory reach this size, in bytes.
    pub seal_bytes: u64,
    /// A snapshot is taken when the journal behind the last one reaches this size, in bytes.
    pub snapshot_bytes: u64,
    /// What is durable and not yet in sled; commits wait beyond it. In bytes.
    pub pending_bytes: usize,
    /// The size of the file that is given up when the disk is full, in bytes; 0 for none.
    pub reserve_bytes: u64,
    /// Commits are refused as `Full` while the disk has less room than this, in bytes: sled, segments and snapshots
    /// need some to go on.
    pub floor_bytes: u64,
    /// The journal of the last so many milliseconds is kept even where nothing needs it.
    pub journal_keep: i64,
    /// How long sled may take to open its folder.
    pub sled_open_deadline: Duration,
    /// Only read: nothing is repaired, cut off or rebuilt, and no commit is taken. (sled itself writes when it is
    /// opened; so a `clean` mark is `running` meanwhile, and `clean` again after `close`.)
    pub read_only: bool,
    pub probe: Option<Probe>,
    pub progress: Option<Progress>,
    /// The wall clock, in milliseconds since 1970.
    pub wall: fn() -> i64,
    pub disk: Arc<dyn Disk>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            cache_bytes: 64 << 20,
            journal_segment_bytes: 64 << 20,
            seal_bytes: 64 << 20,
            snapshot_bytes: 1 << 30,
            pending_bytes: 64 << 20,
            reserve_bytes: 64 << 20,
            floor_bytes: 128 << 20,
            journal_keep: 90 * 86_400_000,
            sled_open_deadline: Duration::from_secs(60),
            read_only: false,
            probe: None,
            progress: None,
            wall: || 0,
            disk: Arc::new(RealDisk),
        }
    }
}

impl Options {
    pub(super) fn report(&self, what: &str, done: u64, of: u64) {
        if let Some(progress) = &self.progress {
            progress(what, done, of);
        }
    }
}

/// What opening came to, for the log and for what hangs on it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Opening {
    /// There was no store in the folder.
    pub fresh: bool,
    /// The store had been closed, and nothing was to be made good.
    pub clean: bool,
    /// Frames of the journal that were read again.
    pub replayed: u64,
    /// Bytes cut off the journal's end: written and never acknowledged.
    pub cut: u64,
    /// sled's folder was not trusted, for this reason, and was set aside as `sled.aside` (where there was one) and
    /// built anew.
    pub rebuilt: Option<String>,
    /// When the journal's last frame was written, in milliseconds since 1970; `None` in a fresh store.
    pub last_wall: Option<i64>,
    /// The folder is a restored backup or a copy, and why we think so: sending is held until `release` is called.
    pub held: Option<String>,
    /// The epoch of this opening.
    pub epoch: u64,
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.fresh {
            f.write_str("a new store was made")?;
        } else if self.clean {
            f.write_str("the store had been closed cleanly")?;
        } else {
            f.write_str("the store had not been closed")?;
        }
        write!(
            f,
            "; {} frames of the journal were read again",
            self.replayed
        )?;
        if self.cut > 0 {
            write!(
                f,
                "; {} bytes that were never acknowledged were cut off the journal",
                self.cut
            )?;
        }
        if let Some(why) = &self.rebuilt {
            write!(f, "; sled was rebuilt from snapshot and journal: {why}")?;
        }
        if let Some(why) = &self.held {
            write!(f, "; sending is held: {why}")?;
        }
        Ok(())
    }
}
