//! sled, held at arm's length: opening it where it may panic or hang, and the few calls that the store makes of it,
//! with every value in its envelope and every error in the port's terms. Keys of the store stand behind a byte 1, so
//! that the applied position has a key of its own in the same tree and goes into the same batches.

use super::options::{Options, Probe};
use super::pending::{Entry, Layer, entry_bytes};
use crate::store::envelope;
use crate::store::port::{Key, StoreError, Versioned};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const POSITION: &[u8] = &[0];
const PREFIX: u8 = 1;
/// sled holds every reader up while it applies a batch, so batches are small.
const BATCH: usize = 256;

#[derive(Clone)]
pub(super) struct Tree {
    db: sled::Db,
    path: PathBuf,
}

pub(super) fn inner_key(key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(key.len() + 1);
    out.push(PREFIX);
    out.extend_from_slice(key);
    out
}

fn config(path: &Path, cache_bytes: u64) -> sled::Config {
    sled::Config::default()
        .path(path)
        .cache_capacity(cache_bytes)
        .mode(sled::Mode::HighThroughput)
        .flush_every_ms(Some(500))
}

/// Opens a sled folder and reads its position and last key: what the child process of a `Probe` does. It panics,
/// hangs or fails where the daemon otherwise would.
pub fn probe(path: &Path) -> Result<(), String> {
    let db = config(path, 16 << 20).open().map_err(|e| e.to_string())?;
    db.get(POSITION).map_err(|e| e.to_string())?;
    db.last().map_err(|e| e.to_string())?;
    Ok(())
}

/// Runs the child; `Err` says why the folder should not be opened here.
fn run_probe(probe: &Probe, path: &Path, deadline: Duration) -> Result<(), String> {
    let mut child = Command::new(&probe.program)
        .args(&probe.args)
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("the process that tries sled's folder cannot be started: {e}"))?;
    let step = Duration::from_millis(10);
    let mut waited = Duration::ZERO;
    while waited < deadline {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("sled failed to open its folder ({status})")),
            Ok(None) => thread::sleep(step),
            Err(e) => return Err(format!("the process that tries sled's folder is lost: {e}")),
        }
        waited += step;
    }
    // It hangs; killing what has ended meanwhile does no harm.
    let _ = child.kill();
    let _ = child.wait();
    Err("sled hangs when it opens its folder".to_owned())
}

impl Tree {
    /// Opens the folder, in a thread with a deadline; `doubtful` ones first in a child process if there is a probe.
    pub(super) fn open(path: &Path, options: &Options, doubtful: bool) -> Result<Tree, String> {
        if let (true, Some(probe)) = (doubtful, &options.probe) {
            run_probe(probe, path, options.sled_open_deadline)?;
        }
        let (tell, told) = mpsc::channel();
        let config = config(path, options.cache_bytes);
        let open = move || {
            // A crash in this process may leave sled's own lock held for a moment by a thread that is still ending.
            let mut tries = 0;
            let opened = loop {
                let opened = catch_unwind(AssertUnwindSafe(|| config.open()));
                match &opened {
                    Ok(Err(sled::Error::Io(e))) if is_locked(e) && tries < 200 => {
                        tries += 1;
                        thread::sleep(Duration::from_millis(10));
                    }
                    _ => break opened,
                }
            };
            // Nobody listens any more when the deadline has passed.
            let _ = tell.send(opened);
        };
        let started = thread::Builder::new()
            .name("sled-open".to_owned())
            .spawn(open);
        started.map_err(|e| format!("no thread could be started: {e}"))?;
        match told.recv_timeout(options.sled_open_deadline) {
            Ok(Ok(Ok(db))) => Ok(Tree {
                db,
                path: path.to_owned(),
            }),
            Ok(Ok(Err(e))) => Err(format!("sled failed to open its folder: {e}")),
            Ok(Err(_)) => Err("sled panicked when it opened its folder".to_owned()),
            Err(_) => Err("sled hangs when it opens its folder".to_owned()),
        }
    }

    fn failed(&self, error: &sled::Error) -> StoreError {
        let text = format!(
            "sled in {} failed: {error}; restart the daemon",
            self.path.display()
        );
        StoreError::Unavailable(text)
    }

    fn unseal(&self, key: &[u8], sealed: &[u8]) -> Result<Versioned, StoreError> {
        envelope::open(key, sealed).ok_or_else(|| StoreError::Corrupt {
            file: self.path.clone(),
            offset: 0,
            what: format!("the value of the key {} is not what was written", hex(key)),
        })
    }

    /// The position up to which frames are applied; `None` if it was never written or cannot be read.
    pub(super) fn position(&self) -> Option<u64> {
        let found = catch_unwind(AssertUnwindSafe(|| self.db.get(POSITION)));
        let bytes = found.ok()?.ok()??;
        Some(u64::from_be_bytes(bytes.as_ref().try_into().ok()?))
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Versioned>, StoreError> {
        let found = self.db.get(inner_key(key)).map_err(|e| self.failed(&e))?;
        found.map(|sealed| self.unseal(key, &sealed)).transpose()
    }

    /// Keys and values in [from, to), or to the end.
    pub(super) fn range(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
    ) -> impl DoubleEndedIterator<Item = Result<(Key, Versioned), StoreError>> + '_ {
        let to = to.map_or(vec![PREFIX + 1], inner_key);
        self.db.range(inner_key(from)..to).map(|item| {
            let (key, sealed) = item.map_err(|e| self.failed(&e))?;
            let key = key.get(1..).unwrap_or_default().to_vec();
            let value = self.unseal(&key, &sealed)?;
            Ok((key, value))
        })
    }

    /// Applies a layer; the position goes with the last batch. `done` is told the bytes that each batch came to.
    pub(super) fn apply(
        &self,
        layer: &Layer,
        position: u64,
        mut done: impl FnMut(usize),
    ) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        let mut count = 0;
        let mut bytes = 0;
        for (key, Entry { revision, value }) in layer {
            match value {
                Some(value) => batch.insert(inner_key(key), envelope::seal(key, *revision, value)),
                None => batch.remove(inner_key(key)),
            }
            count += 1;
            bytes += entry_bytes(key, value.as_deref());
            if count == BATCH {
                let full = std::mem::take(&mut batch);
                self.db.apply_batch(full).map_err(|e| self.failed(&e))?;
                count = 0;
                done(std::mem::take(&mut bytes));
            }
        }
        batch.insert(POSITION, &position.to_be_bytes());
        self.db.apply_batch(batch).map_err(|e| self.failed(&e))
    }

    /// Hands everything to the operating system (which is not the disk: see `folder::sync_tree`).
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        self.db.flush().map(|_| ()).map_err(|e| self.failed(&e))
    }

    pub(super) fn bytes(&self) -> u64 {
        self.db.size_on_disk().unwrap_or(0)
    }
}

fn is_locked(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::WouldBlock
        || error.to_string().contains("could not acquire lock")
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
