//! Tests of what a power cut may leave of the journal: every length that the unsynced tail may have been cut to, and
//! every few of its pages missing. What was acknowledged must be read exactly, the rest whole or not at all.

use super::disk::RealDisk;
use super::folder::Folder;
use super::frame::PAGE;
use super::journal::{Journal, JournalFiles};
use super::journal_read::{End, list, read};
use crate::store::port::StoreError;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const INSTANCE: [u8; 16] = [7; 16];

fn payload(frame: u64) -> Vec<u8> {
    let length = [10usize, 4040, 5000, 9_000, 40_000][frame as usize % 5];
    (0..length)
        .map(|at| (at as u64 * 31 + frame * 7) as u8)
        .collect()
}

/// A journal of two files; the last frame is long and counts as not synced. Returns its file and offset.
fn write(root: &Path, frames: u64) -> (PathBuf, u64) {
    let folder = Folder::new(root);
    folder.make().unwrap();
    let mut journal = Journal {
        folder,
        disk: Arc::new(RealDisk),
        instance: INSTANCE,
        epoch: 1,
        segment_bytes: 40_000,
        files: JournalFiles::default(),
        number: 0,
        sequence: 0,
        revision: 0,
        position: 0,
        open: None,
        failed: None,
    };
    let mut tail = (PathBuf::new(), 0);
    for frame in 1..=frames {
        let before = journal.files.lock().unwrap().last().cloned();
        journal
            .write(&payload(frame), frame * 2, frame * 3, frame as i64)
            .unwrap();
        let file = journal.files.lock().unwrap().last().cloned().unwrap();
        let same = before.filter(|before| before.path == file.path);
        tail = (file.path, same.map_or(PAGE as u64, |before| before.length));
    }
    tail
}

fn check(root: &Path, known: u64) -> Result<End, StoreError> {
    let listing = list(&root.join("journal"))?;
    let mut next = 1;
    let end = read(&listing, INSTANCE, 0, known, &mut |head, bytes, _, _| {
        assert_eq!(head.sequence, next);
        assert_eq!(bytes, payload(next), "frame {next}");
        next += 1;
        Ok(())
    })?;
    assert_eq!(end.sequence, next - 1);
    Ok(end)
}

#[test]
fn a_tail_cut_at_any_byte_leaves_what_was_acknowledged() {
    let root = tempfile::tempdir().unwrap();
    // Frame 3 is 9,000 bytes long, so that the tail spans three pages.
    let (path, offset) = write(root.path(), 3);
    let whole = fs::read(&path).unwrap();
    assert_eq!(check(root.path(), 2).unwrap().sequence, 3);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    for length in (offset as usize..whole.len()).rev() {
        file.set_len(length as u64).unwrap();
        let end = check(root.path(), 2).unwrap();
        assert_eq!(
            (end.sequence, end.revision, end.position, end.wall),
            (2, 4, 6, 2)
        );
        let left = length as u64 - offset;
        assert_eq!(
            end.cut,
            (left > 0).then(|| (path.clone(), offset, left)),
            "{length}"
        );
        if length % 1024 == 0 {
            let found = check(root.path(), 3);
            assert!(
                matches!(found, Err(StoreError::Corrupt { .. })),
                "a mark vouched for frame 3"
            );
        }
    }
}

#[test]
fn a_tail_without_any_four_of_its_pages_leaves_what_was_acknowledged() {
    let root = tempfile::tempdir().unwrap();
    let (path, offset) = write(root.path(), 9);
    let whole = fs::read(&path).unwrap();
    let pages = (whole.len() - offset as usize) / PAGE;
    assert_eq!(pages, 10);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    let mut subsets = 0;
    for subset in 1u32..1 << pages {
        if subset.count_ones() > 4 {
            continue;
        }
        subsets += 1;
        file.write_all_at(&whole[offset as usize..], offset)
            .unwrap();
        for page in (0..pages).filter(|page| subset & (1 << page) != 0) {
            let at = offset + (page * PAGE) as u64;
            file.write_all_at(&[0; PAGE], at).unwrap();
        }
        let end = check(root.path(), 8).unwrap();
        assert_eq!(
            (end.sequence, end.cut.unwrap().1),
            (8, offset),
            "{subset:b}"
        );
    }
    assert_eq!(subsets, 10 + 45 + 120 + 210);
}

#[test]
fn a_flipped_bit_below_what_is_synced_is_corruption_with_file_and_offset() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), 9);
    let mut seen = 0;
    for file in list(&root.path().join("journal")).unwrap().files {
        let whole = fs::read(&file.path).unwrap();
        let mut offsets = Vec::new();
        super::journal_read::walk(&whole, &file.header, &mut |_, _, offset| {
            offsets.push(offset);
            Ok(())
        })
        .unwrap();
        for at in (0..whole.len()).step_by(509) {
            let writer = OpenOptions::new().write(true).open(&file.path).unwrap();
            writer.write_all_at(&[whole[at] ^ 4], at as u64).unwrap();
            let begins = offsets.iter().rev().find(|offset| **offset <= at as u64);
            let last = file.header.number > 1 && begins == offsets.last();
            match check(root.path(), 0) {
                // The last frame might never have been synced: it is cut off.
                Ok(end) => assert!(last && end.sequence == 8, "{at}"),
                Err(StoreError::Corrupt {
                    file: named,
                    offset,
                    ..
                }) => {
                    assert!(!last, "{at}");
                    assert_eq!(
                        (named, offset),
                        (file.path.clone(), begins.copied().unwrap_or(0))
                    );
                    seen += 1;
                }
                Err(other) => panic!("{other}"),
            }
            writer.write_all_at(&whole[at..=at], at as u64).unwrap();
        }
    }
    assert!(seen > 100, "{seen}");
}

#[test]
fn a_missing_file_is_corruption() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), 30);
    let files = list(&root.path().join("journal")).unwrap().files;
    assert!(files.len() > 4);
    for file in &files[..files.len() - 1] {
        let bytes = fs::read(&file.path).unwrap();
        fs::remove_file(&file.path).unwrap();
        assert!(matches!(
            check(root.path(), 0),
            Err(StoreError::Corrupt { .. })
        ));
        fs::write(&file.path, bytes).unwrap();
    }
    assert_eq!(check(root.path(), 30).unwrap().sequence, 30);
}
