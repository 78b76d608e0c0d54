//! Verifying: every frame, segment and snapshot is read and compared with its checksum; what is wrong is told with
//! file and offset, and reading goes on behind it. Nothing is written. sled is looked at only in an open store, for
//! opening it writes.

use super::catalog::{Catalog, Named};
use super::folder::{Folder, files, unavailable};
use super::frame::{self, FileHeader};
use super::journal_read::{next_frame, walk};
use super::mark::Mark;
use super::record::{self, Record};
use super::segment::{Segment, file_checksum};
use super::shared::{Shared, Task};
use super::snapshot;
use crate::store::port::{StoreError, StreamFilter};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

/// Something that is not as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    pub file: PathBuf,
    pub offset: u64,
    pub what: String,
    /// False where it is only a tail that was never acknowledged, or what a crash left over: the next start clears
    /// it away.
    pub damage: bool,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let kind = if self.damage { "damaged" } else { "harmless" };
        write!(
            f,
            "{kind}: {} at byte {}: {}",
            self.file.display(),
            self.offset,
            self.what
        )
    }
}

#[derive(Default)]
struct Found(Vec<Finding>);

impl Found {
    fn add(&mut self, file: &Path, offset: u64, what: impl Into<String>, damage: bool) {
        self.0.push(Finding {
            file: file.to_owned(),
            offset,
            what: what.into(),
            damage,
        });
    }

    /// Takes damage as a finding; other errors end the verifying.
    fn take<T>(&mut self, done: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match done {
            Ok(done) => Ok(Some(done)),
            Err(StoreError::Corrupt { file, offset, what }) => {
                self.add(&file, offset, what, true);
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }
}

/// Verifies the store in a folder that no process has open: what is being written would look damaged.
pub fn verify(path: &Path) -> Result<Vec<Finding>, StoreError> {
    let folder = Folder::new(path);
    let _held = folder.lock_to_read()?;
    let mut found = Found::default();
    let identity = folder.read_instance();
    let instance = match found.take(identity)? {
        Some(None) => {
            let text = format!("there is no store in {}", path.display());
            return Err(StoreError::Unavailable(text));
        }
        Some(Some((id, _))) => Some(id),
        None => None,
    };
    let mut catalog = Catalog::default();
    let newest = verify_snapshots(&folder, instance, &mut found)?;
    if let Some(head) = newest {
        catalog = head.catalog;
    }
    let journal: Vec<(PathBuf, Option<u64>)> = files(&folder.journal())?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "journal"))
        .map(|path| (path, None))
        .collect();
    let mark = Mark::read(&folder)?.flatten();
    let known = mark.map_or(0, |mark| mark.position);
    verify_journal(&journal, instance, known, &mut catalog, &mut found)?;
    let names: BTreeMap<String, Named> = catalog
        .names()
        .map(|named| (named.name.clone(), named.clone()))
        .collect();
    for named in names.values() {
        verify_segment(&Segment::new(&folder.streams(), named.clone()), &mut found)?;
    }
    for path in files(&folder.streams())? {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if !names.contains_key(name) {
            let what = if found.0.iter().any(|finding| finding.damage) {
                "nothing that can be read names this file; keep it until the damage is understood"
            } else {
                "nothing names this file; a crash left it, and the next start removes it"
            };
            found.add(&path, 0, what, false);
        }
    }
    Ok(found.0)
}

/// Verifies an open store, with what stands in sled.
pub(super) fn verify_open(shared: &Shared) -> Result<Vec<Finding>, StoreError> {
    let _guard = shared
        .removing
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let survey = shared.ask_and_wait(Task::Survey)?;
    let mut found = Found::default();
    verify_snapshots(&shared.folder, Some(shared.instance), &mut found)?;
    let journal: Vec<(PathBuf, Option<u64>)> = survey
        .journal
        .iter()
        .map(|file| (file.path.clone(), Some(file.length)))
        .collect();
    let known = u64::MAX;
    verify_journal(
        &journal,
        Some(shared.instance),
        known,
        &mut Catalog::default(),
        &mut found,
    )?;
    for segment in &survey.segments {
        verify_segment(segment, &mut found)?;
    }
    shared.with_tree(|tree| {
        for entry in tree.range(&[], None) {
            found.take(entry)?;
        }
        Ok(())
    })?;
    Ok(found.0)
}

fn verify_snapshots(
    folder: &Folder,
    instance: Option<[u8; 16]>,
    found: &mut Found,
) -> Result<Option<snapshot::Head>, StoreError> {
    let mut newest = None;
    for path in snapshot::list(&folder.snapshots())? {
        let Some(summary) = found.take(snapshot::read(&path, |_, _, _| Ok(())))? else {
            continue;
        };
        if instance.is_some_and(|id| id != summary.head.instance) {
            found.add(&path, 8, "this snapshot belongs to another store", true);
        }
        newest.get_or_insert(summary.head);
    }
    Ok(newest)
}

/// Reads journal files up to the lengths given, or to their ends. Frames up to `known` had been durable.
fn verify_journal(
    list: &[(PathBuf, Option<u64>)],
    instance: Option<[u8; 16]>,
    known: u64,
    catalog: &mut Catalog,
    found: &mut Found,
) -> Result<(), StoreError> {
    let mut expected: Option<u64> = None;
    for (index, (path, length)) in list.iter().enumerate() {
        let mut bytes = fs::read(path).map_err(|e| unavailable("read", path, &e))?;
        if let Some(length) = length {
            bytes.truncate(usize::try_from(*length).unwrap_or(usize::MAX));
        }
        let Some(header) = FileHeader::decode(&bytes) else {
            let damage = bytes.len() > frame::PAGE;
            found.add(path, 0, "the header of this journal file is wrong", damage);
            continue;
        };
        if instance.is_some_and(|id| id != header.instance) {
            found.add(path, 0, "this journal file belongs to another store", true);
        }
        if expected.is_some_and(|expected| expected != header.first_sequence) {
            let what = format!(
                "this file begins with frame {}, and frame {} should come next",
                header.first_sequence,
                expected.unwrap_or(0)
            );
            found.add(path, 0, what, true);
        }
        let known = if index + 1 == list.len() {
            known
        } else {
            u64::MAX
        };
        let next = verify_frames(path, &bytes, &header, known, catalog, found)?;
        expected = Some(next);
    }
    let ended = expected.map_or(0, |next| next - 1);
    let (path, length) = list.last().cloned().unwrap_or_default();
    let told = found.0.iter().any(|finding| finding.file == path);
    if known != u64::MAX && ended < known && !told {
        let length = length.or_else(|| fs::metadata(&path).map(|found| found.len()).ok());
        let what =
            format!("the journal ends with frame {ended}, but frame {known} had been durable");
        found.add(&path, length.unwrap_or(0), what, true);
    }
    Ok(())
}

/// Reads the frames of a file, and goes on behind damaged ones. Returns the sequence that should come next.
fn verify_frames(
    path: &Path,
    bytes: &[u8],
    header: &FileHeader,
    known: u64,
    catalog: &mut Catalog,
    found: &mut Found,
) -> Result<u64, StoreError> {
    let mut unknown = Vec::new();
    let mut tell = |payload: &[u8], offset: u64| match record::decode(payload) {
        Some(records) => {
            for record in records {
                if let Record::Change(change) = record {
                    catalog.apply(&change);
                }
            }
        }
        None => unknown.push(offset),
    };
    let walked = walk(bytes, header, &mut |_, payload, offset| {
        tell(payload, offset);
        Ok(())
    })?;
    let mut next = walked
        .last
        .as_ref()
        .map_or(header.first_sequence, |last| last.sequence + 1);
    let mut bad = walked.bad;
    while let Some((offset, sequence, followed)) = bad.take() {
        if !followed {
            let damage = sequence <= known;
            let what = if damage {
                format!("frame {sequence} is damaged")
            } else {
                format!(
                    "frame {sequence} is not whole and was never acknowledged; the next start cuts it off"
                )
            };
            found.add(path, offset as u64, what, damage);
            break;
        }
        found.add(
            path,
            offset as u64,
            format!("frame {sequence} is damaged"),
            true,
        );
        let mut at = next_frame(bytes, header.seed, offset, sequence).unwrap_or(bytes.len());
        while at < bytes.len() {
            match frame::decode(header.seed, &bytes[at..]) {
                Some((head, payload, length)) => {
                    tell(payload, at as u64);
                    next = head.sequence + 1;
                    at += length;
                }
                None => {
                    let followed = next_frame(bytes, header.seed, at, next).is_some();
                    bad = Some((at, next, followed));
                    break;
                }
            }
        }
    }
    for offset in unknown {
        found.add(
            path,
            offset,
            "a frame says something that this version does not know",
            true,
        );
    }
    Ok(next)
}

fn verify_segment(segment: &Segment, found: &mut Found) -> Result<(), StoreError> {
    let before = found.0.len();
    let read = segment.read(&StreamFilter::default(), None, &mut Vec::new());
    found.take(read)?;
    // Where every row is right something between them may still not be.
    if found.0.len() == before
        && file_checksum(segment.path())? != (segment.named.length, segment.named.checksum)
    {
        found.add(
            segment.path(),
            0,
            "the segment's rows are right, but the file is not what was written",
            true,
        );
    }
    Ok(())
}
