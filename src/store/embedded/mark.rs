//! The mark: what lets the next opening trust sled's folder. `clean` is written after every file of sled's has been
//! synced; `running` vouches only for a process that was killed, not for a power cut, and so names the boot. Both
//! name device and inode of sled's folder and of the journal's, a position, and carry the catalog of segments.

use super::catalog::Catalog;
use super::folder::{Folder, inode_of, unavailable, write_durably};
use crate::store::port::StoreError;
use crate::store::wire::{Cursor, put_bytes, put_u64};
use std::fs;
use std::io::ErrorKind;
use xxhash_rust::xxh3::xxh3_64;

const MAGIC: &[u8; 8] = b"REVMARK1";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Clean,
    Running,
    /// sled is being built anew, or is to be: nothing vouches for it, but the journal's position still counts.
    Building,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Mark {
    pub(super) kind: Kind,
    pub(super) boot: String,
    /// Device and inode of sled's folder, then of the journal's.
    pub(super) sled: (u64, u64),
    pub(super) journal: (u64, u64),
    /// `Building`: the journal had been durable up to here. `Clean`: sled's position and the journal's end. `Running`: a position that sled had written out by then.
    pub(super) position: u64,
    pub(super) catalog: Catalog,
}

/// The kernel's id of this boot; empty where there is none, and then no `running` mark is trusted.
fn boot_id() -> String {
    let read = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    read.map(|text| text.trim().to_owned()).unwrap_or_default()
}

impl Mark {
    /// A mark that vouches for nothing but the journal up to `position`.
    pub(super) fn building(folder: &Folder, position: u64) -> Result<Mark, StoreError> {
        let path = folder.journal();
        Ok(Mark {
            kind: Kind::Building,
            boot: String::new(),
            sled: (0, 0),
            journal: inode_of(&path).map_err(|e| unavailable("read", &path, &e))?,
            position,
            catalog: Catalog::default(),
        })
    }

    /// A mark about the folders as they are now.
    pub(super) fn of(
        folder: &Folder,
        kind: Kind,
        position: u64,
        catalog: Catalog,
    ) -> Result<Mark, StoreError> {
        let ids =
            |path: std::path::PathBuf| inode_of(&path).map_err(|e| unavailable("read", &path, &e));
        Ok(Mark {
            kind,
            boot: boot_id(),
            sled: ids(folder.sled())?,
            journal: ids(folder.journal())?,
            position,
            catalog,
        })
    }

    pub(super) fn write(&self, folder: &Folder) -> Result<(), StoreError> {
        write_durably(&folder.mark(), &self.encode())
    }

    /// The folder's mark: `Ok(None)` if there is none, `Ok(Some(None))` if it cannot be read as one.
    pub(super) fn read(folder: &Folder) -> Result<Option<Option<Mark>>, StoreError> {
        let path = folder.mark();
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(Mark::decode(&bytes))),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(unavailable("read", &path, &e)),
        }
    }

    /// Why sled's folder cannot be trusted by this mark, if so; its position is still to be compared.
    pub(super) fn distrust(&self, folder: &Folder) -> Option<String> {
        let same = |path: std::path::PathBuf, ids| inode_of(&path).is_ok_and(|found| found == ids);
        if self.kind == Kind::Building {
            return Some("it was found damaged, or building it anew was interrupted".to_owned());
        }
        if !same(folder.sled(), self.sled) {
            return Some(
                "sled's folder is missing or is not the one that the mark names".to_owned(),
            );
        }
        if !same(folder.journal(), self.journal) {
            return Some("the journal's folder is not the one that the mark names".to_owned());
        }
        let boot = boot_id();
        if self.kind == Kind::Running && (boot.is_empty() || boot != self.boot) {
            return Some("the machine went down while the store was open".to_owned());
        }
        None
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.push(match self.kind {
            Kind::Clean => 0,
            Kind::Running => 1,
            Kind::Building => 2,
        });
        put_bytes(&mut out, self.boot.as_bytes());
        let (sled, journal) = (self.sled, self.journal);
        for number in [sled.0, sled.1, journal.0, journal.1, self.position] {
            put_u64(&mut out, number);
        }
        self.catalog.encode(&mut out);
        let sum = xxh3_64(&out);
        put_u64(&mut out, sum);
        out
    }

    fn decode(bytes: &[u8]) -> Option<Mark> {
        let (told, sum) = bytes.split_at_checked(bytes.len().checked_sub(8)?)?;
        if Cursor::new(sum).u64()? != xxh3_64(told) {
            return None;
        }
        let mut cursor = Cursor::new(told);
        if cursor.take(8)? != MAGIC {
            return None;
        }
        Some(Mark {
            kind: match cursor.u8()? {
                0 => Kind::Clean,
                1 => Kind::Running,
                2 => Kind::Building,
                _ => return None,
            },
            boot: cursor.text()?,
            sled: (cursor.u64()?, cursor.u64()?),
            journal: (cursor.u64()?, cursor.u64()?),
            position: cursor.u64()?,
            catalog: Catalog::decode(&mut cursor)?,
        })
    }
}
