//! Reading the journal: which files there are, the frames in their order, and where the journal ends. Here stands the
//! rule that tells a tail that was never acknowledged (cut off) from damage (an error with file and offset): a frame
//! is written only after the one before it is durable, so whatever is followed by a good frame, by a later file, or
//! lies at or below a position that a mark vouches for, had been durable. Writing is for `journal`, meaning for
//! `record`.

use super::folder::{corrupt, files, unavailable};
use super::frame::{self, FileHeader, FrameHead, PAGE};
use crate::store::port::StoreError;
use std::fs;
use std::path::{Path, PathBuf};

/// A journal file with a good header.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) header: FileHeader,
    pub(super) length: u64,
}

/// What is in the journal's folder.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// In the order of their numbers.
    pub(super) files: Vec<Found>,
    /// Files that were begun and never got a header: they cannot hold a frame.
    pub(super) stubs: Vec<PathBuf>,
}

/// Where the journal ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct End {
    /// The last good frame.
    pub(super) sequence: u64,
    pub(super) revision: u64,
    pub(super) position: u64,
    pub(super) wall: i64,
    /// What lies behind it and must be cut off: file, offset, and how many bytes.
    pub(super) cut: Option<(PathBuf, u64, u64)>,
}

/// What a walk through one file came to.
pub(super) struct Walk {
    pub(super) last: Option<FrameHead>,
    /// Where the first bad frame begins; the sequence expected there; and whether good frames follow it.
    pub(super) bad: Option<(usize, u64, bool)>,
}

/// What is done with each frame: its head, payload, file and offset.
pub(super) type Reader<'a> =
    &'a mut dyn FnMut(&FrameHead, &[u8], &Path, u64) -> Result<(), StoreError>;

/// The same within one file: its head, payload and offset.
pub(super) type Visit<'a> = &'a mut dyn FnMut(&FrameHead, &[u8], u64) -> Result<(), StoreError>;

pub(super) fn list(folder: &Path) -> Result<Listing, StoreError> {
    let mut listing = Listing::default();
    for path in files(folder)? {
        if path.extension().is_none_or(|ending| ending != "journal") {
            continue;
        }
        let (page, length) = read_head(&path).map_err(|e| unavailable("read", &path, &e))?;
        match FileHeader::decode(&page) {
            Some(header) => listing.files.push(Found {
                path,
                header,
                length,
            }),
            None if length <= PAGE as u64 => listing.stubs.push(path),
            None => {
                return Err(corrupt(
                    &path,
                    0,
                    "the header of this journal file is wrong",
                ));
            }
        }
    }
    listing.files.sort_by_key(|found| found.header.number);
    Ok(listing)
}

fn read_head(path: &Path) -> std::io::Result<(Vec<u8>, u64)> {
    use std::io::Read;
    let file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    let mut page = Vec::with_capacity(PAGE);
    file.take(PAGE as u64).read_to_end(&mut page)?;
    Ok((page, length))
}

/// Walks through the frames of one file, from its first to the last good one.
pub(super) fn walk(bytes: &[u8], header: &FileHeader, visit: Visit) -> Result<Walk, StoreError> {
    let mut walk = Walk {
        last: None,
        bad: None,
    };
    let mut offset = PAGE;
    let mut expected = header.first_sequence;
    while offset < bytes.len() {
        match frame::decode(header.seed, &bytes[offset..]) {
            Some((head, payload, length)) if head.sequence == expected => {
                visit(&head, payload, offset as u64)?;
                walk.last = Some(head);
                expected += 1;
                offset += length;
            }
            _ => {
                let followed = next_frame(bytes, header.seed, offset, expected).is_some();
                walk.bad = Some((offset, expected, followed));
                break;
            }
        }
    }
    Ok(walk)
}

/// The offset of the next good frame behind `offset` that says that `sequence` was durable.
pub(super) fn next_frame(bytes: &[u8], seed: u64, offset: usize, sequence: u64) -> Option<usize> {
    (offset..bytes.len()).step_by(PAGE).find(|at| {
        frame::decode(seed, &bytes[*at..]).is_some_and(|(head, _, _)| head.synced >= sequence)
    })
}

/// Reads every frame behind the sequence `from`, and finds the end. `known` is a sequence that is vouched for by
/// other means (a mark); a journal that ends before it is damaged.
pub(super) fn read(
    listing: &Listing,
    instance: [u8; 16],
    from: u64,
    known: u64,
    visit: Reader,
) -> Result<End, StoreError> {
    let list = &listing.files;
    let mut end = End::default();
    // The last file whose first frame is not behind what is needed is where reading begins.
    let begin = list
        .iter()
        .rposition(|found| found.header.first_sequence <= from + 1)
        .unwrap_or(0);
    for (index, found) in list.iter().enumerate().skip(begin) {
        let (path, header) = (&found.path, &found.header);
        if header.instance != instance {
            return Err(corrupt(
                path,
                0,
                "this journal file belongs to another store",
            ));
        }
        let needed = if index == begin {
            from + 1
        } else {
            end.sequence + 1
        };
        let gap =
            header.first_sequence > needed || (index > begin && header.first_sequence < needed);
        if gap {
            let what = format!(
                "this journal file begins with frame {}, but frame {needed} is needed: a file before it is missing",
                header.first_sequence
            );
            return Err(corrupt(path, 0, what));
        }
        end.sequence = header.first_sequence - 1;
        (end.revision, end.position, end.wall) = (header.revision, header.position, header.wall);
        let bytes = fs::read(path).map_err(|e| unavailable("read", path, &e))?;
        let mut pass = |head: &FrameHead, payload: &[u8], offset: u64| {
            if head.sequence > from {
                visit(head, payload, path, offset)
            } else {
                Ok(())
            }
        };
        let walked = walk(&bytes, header, &mut pass)?;
        if let Some(last) = &walked.last {
            end.sequence = last.sequence;
            (end.revision, end.position, end.wall) = (last.revision, last.position, last.wall);
        }
        let later = list.get(index + 1);
        if let Some((offset, expected, followed)) = walked.bad {
            let passed_by = later.is_some_and(|next| next.header.first_sequence > expected);
            if followed || passed_by || expected <= known {
                let what =
                    format!("frame {expected} of the journal, which was durable, is damaged");
                return Err(corrupt(path, offset as u64, what));
            }
            end.cut = Some((path.clone(), offset as u64, (bytes.len() - offset) as u64));
        }
    }
    if end.sequence < known.max(from) {
        let (path, length) = list
            .last()
            .map(|found| (found.path.clone(), found.length))
            .unwrap_or_default();
        let what = format!(
            "the journal ends with frame {}, but frame {} had been durable",
            end.sequence,
            known.max(from)
        );
        return Err(corrupt(&path, length, what));
    }
    Ok(end)
}
