//! Parquet segments: rows of one stream, sorted by customer, in small row groups, so that the rows of one customer
//! cost a group and not a file. Where each group stands, and its least and greatest customer, position and time, are kept
//! in memory once the file was touched, so that its footer is parsed once. Analysts open the files as they are; for
//! ourselves each group has a checksum in the footer's metadata, and the footer one in the catalog, so that no flipped
//! bit is taken for data.
//! Which segments there are is for `streams`.

use super::catalog::Named;
use super::folder::{corrupt, unavailable};
use super::recent::Recent;
use super::row_group::{Decoded, Footer, Group};
use crate::store::port::{Row, StoreError, StreamFilter};
use parquet::errors::ParquetError;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// A named segment. One that was replaced removes its file when nobody reads it any more.
pub(super) struct Segment {
    pub(super) named: Named,
    name: Arc<str>,
    path: PathBuf,
    footer: OnceLock<Footer>,
    replaced: AtomicBool,
}

impl Drop for Segment {
    fn drop(&mut self) {
        if self.replaced.load(Ordering::Acquire) {
            // A file that stays is unnamed, and removed at the next opening.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The length of a file and the checksum of all of it.
pub(super) fn file_checksum(path: &Path) -> Result<(u64, u64), StoreError> {
    let failed = |e: std::io::Error| unavailable("read", path, &e);
    let mut file = File::open(path).map_err(failed)?;
    let mut hasher = Xxh3::new();
    let mut buffer = vec![0; 1 << 18];
    let mut length = 0;
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => return Ok((length, hasher.digest())),
            count => {
                hasher.update(&buffer[..count]);
                length += count as u64;
            }
        }
    }
}

/// The checksum of a Parquet file's footer: its metadata, their length and the closing magic.
pub(super) fn footer_checksum(path: &Path, length: u64) -> Result<u64, StoreError> {
    let failed = |e: std::io::Error| unavailable("read", path, &e);
    let file = File::open(path).map_err(failed)?;
    let end = length
        .checked_sub(8)
        .ok_or_else(|| corrupt(path, 0, "the segment is cut short"))?;
    let mut tail = [0; 8];
    file.read_exact_at(&mut tail, end).map_err(failed)?;
    let [a, b, c, d, ..] = tail;
    let metadata = u64::from(u32::from_le_bytes([a, b, c, d]));
    let begin = end
        .checked_sub(metadata)
        .ok_or_else(|| corrupt(path, end, "the length of the segment's footer is wrong"))?;
    let mut bytes = vec![0; usize::try_from(length - begin).unwrap_or(0)];
    file.read_exact_at(&mut bytes, begin).map_err(failed)?;
    Ok(xxh3_64(&bytes))
}

impl Segment {
    pub(super) fn new(folder: &Path, named: Named) -> Segment {
        Segment {
            path: folder.join(&named.name),
            name: Arc::from(named.name.as_str()),
            named,
            footer: OnceLock::new(),
            replaced: AtomicBool::new(false),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// From now on the file goes when its last reader does.
    pub(super) fn mark_replaced(&self) {
        self.replaced.store(true, Ordering::Release);
    }

    fn damaged(&self, offset: u64, what: impl std::fmt::Display) -> StoreError {
        corrupt(
            &self.path,
            offset,
            format!("the segment is damaged: {what}"),
        )
    }

    fn open(&self) -> Result<File, StoreError> {
        let file = File::open(&self.path).map_err(|e| {
            if e.kind() == std::io::ErrorKind::NotFound {
                self.damaged(0, "the file is missing")
            } else {
                unavailable("open", &self.path, &e)
            }
        })?;
        let length = file
            .metadata()
            .map_err(|e| unavailable("read", &self.path, &e))?
            .len();
        if length != self.named.length {
            let what = format!("it has {length} bytes instead of {}", self.named.length);
            return Err(self.damaged(length.min(self.named.length), what));
        }
        Ok(file)
    }

    fn footer(&self) -> Result<&Footer, StoreError> {
        if let Some(footer) = self.footer.get() {
            return Ok(footer);
        }
        let file = self.open()?;
        let length = self.named.length;
        if footer_checksum(&self.path, length)? != self.named.footer {
            return Err(self.damaged(length - 8, "its footer is not what was written"));
        }
        let footer = Footer::read(&file).map_err(|e| self.damaged(0, e))?;
        Ok(self.footer.get_or_init(|| footer))
    }

    /// Adds the rows that are wanted, in the order of positions, until `out` holds as many as the filter allows. Groups
    /// that were decoded a moment ago are found among `recent`, if that is told.
    pub(super) fn read(
        &self,
        filter: &StreamFilter,
        recent: Option<&Recent>,
        out: &mut Vec<Row>,
    ) -> Result<(), StoreError> {
        let footer = self.footer()?;
        let wanted = (footer.groups.iter().enumerate()).filter(|(_, group)| group.meets(filter));
        let mut file = None;
        let mut found = Vec::new();
        for (number, group) in wanted {
            let mut decode = || {
                let file = match &mut file {
                    Some(file) => file,
                    none => none.insert(self.open()?),
                };
                self.read_group(file, footer, number, group)
            };
            let rows = match recent {
                Some(recent) => recent.group(&self.name, number, &mut decode)?,
                None => Arc::new(decode()?),
            };
            found.extend(
                rows.taken(|position, customer, time| filter.takes(position, customer, time)),
            );
        }
        found.sort_by_key(|row| row.position);
        found.truncate(filter.limit.saturating_sub(out.len()));
        out.append(&mut found);
        Ok(())
    }

    /// Hands over all rows, one row group after the other; false once `take` has seen enough.
    pub(super) fn read_all(&self, take: &dyn Fn(Vec<Row>) -> bool) -> Result<bool, StoreError> {
        let footer = self.footer()?;
        let file = self.open()?;
        for (number, group) in footer.groups.iter().enumerate() {
            let rows = self.read_group(&file, footer, number, group)?;
            if !take(rows.taken(|_, _, _| true).collect()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn read_group(
        &self,
        file: &File,
        footer: &Footer,
        number: usize,
        group: &Group,
    ) -> Result<Decoded, StoreError> {
        let length = group.length();
        let end = group.offset.checked_add(length as u64);
        if end.is_none_or(|end| end > self.named.length) {
            let what = format!("row group {number} reaches beyond its end");
            return Err(self.damaged(group.offset, what));
        }
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, group.offset)
            .map_err(|e| unavailable("read", &self.path, &e))?;
        // Decoders of foreign formats are not trusted with damaged bytes: a panic is damage too.
        let decode = std::panic::AssertUnwindSafe(|| footer.decode(group, bytes));
        let decoded = std::panic::catch_unwind(decode)
            .unwrap_or_else(|_| Err(ParquetError::General("it cannot be decoded".to_owned())))
            .map_err(|e| self.damaged(group.offset, format!("row group {number}: {e}")))?;
        if !group.holds(&decoded) {
            let what = format!("row group {number} is not what was written");
            return Err(self.damaged(group.offset, what));
        }
        Ok(decoded)
    }
}

#[cfg(test)]
mod tests {
    use super::Segment;
    use crate::store::embedded::recent::Recent;
    use crate::store::embedded::segment_write::write;
    use crate::store::port::{Row, StoreError, Stream, StreamFilter};
    use std::fs;

    fn rows() -> Vec<Row> {
        (0..20_000u64)
            .map(|n| Row {
                position: n * 2,
                customer: (n * 7919) % 500 + if n % 97 == 0 { u64::MAX - 600 } else { 0 },
                time: 1_000 - i64::try_from(n).unwrap(),
                payload: n.to_le_bytes().repeat((n % 9) as usize),
            })
            .collect()
    }

    #[test]
    fn rows_come_back_by_any_filter() {
        let folder = tempfile::tempdir().unwrap();
        let rows = rows();
        let named = write(folder.path(), Stream::Log, &rows, 40_000).unwrap();
        let segment = Segment::new(folder.path(), named);
        let customers = Some(vec![3, 77, 499, u64::MAX - 590]);
        for filter in [
            StreamFilter::default(),
            StreamFilter {
                customers: customers.clone(),
                ..StreamFilter::default()
            },
            StreamFilter {
                customers: Some(vec![]),
                ..StreamFilter::default()
            },
            StreamFilter {
                from_position: 39_001,
                limit: 10,
                ..StreamFilter::default()
            },
            StreamFilter {
                from_time: -5,
                to_time: 300,
                customers,
                ..StreamFilter::default()
            },
        ] {
            let mut found = Vec::new();
            segment.read(&filter, None, &mut found).unwrap();
            let expected: Vec<Row> = rows
                .iter()
                .filter(|row| filter.takes(row.position, row.customer, row.time))
                .take(filter.limit)
                .cloned()
                .collect();
            assert_eq!(found, expected, "{filter:?}");
        }
    }

    #[test]
    fn what_was_decoded_a_moment_ago_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let rows = rows();
        let named = write(folder.path(), Stream::Log, &rows, 40_000).unwrap();
        let segment = Segment::new(folder.path(), named);
        let recent = Recent::default();
        let read = |customer: u64| {
            let filter = StreamFilter {
                customers: Some(vec![customer]),
                ..StreamFilter::default()
            };
            let mut found = Vec::new();
            segment.read(&filter, Some(&recent), &mut found)?;
            Ok::<_, StoreError>(found)
        };
        let of = |customer: u64| -> Vec<Row> {
            (rows.iter().filter(|row| row.customer == customer))
                .cloned()
                .collect()
        };
        assert_eq!(read(77).unwrap(), of(77));
        fs::remove_file(segment.path()).unwrap();
        assert_eq!(read(77).unwrap(), of(77));
        assert!(matches!(read(400), Err(StoreError::Corrupt { .. })));
        recent.forget(&segment.named.name);
        assert!(matches!(read(77), Err(StoreError::Corrupt { .. })));
    }

    #[test]
    fn all_rows_come_once_and_no_more_when_enough_was_seen() {
        let folder = tempfile::tempdir().unwrap();
        let rows = rows();
        let named = write(folder.path(), Stream::Log, &rows, 40_000).unwrap();
        let segment = Segment::new(folder.path(), named);
        let found = std::sync::Mutex::new((0, Vec::new()));
        let take = |enough: usize| {
            let found = &found;
            move |lot: Vec<Row>| {
                let mut found = found.lock().unwrap();
                found.0 += 1;
                found.1.extend(lot);
                found.0 < enough
            }
        };
        assert!(segment.read_all(&take(usize::MAX)).unwrap());
        let (lots, mut all) = std::mem::take(&mut *found.lock().unwrap());
        all.sort_by_key(|row| row.position);
        assert!(all == rows && lots > 1, "{lots} lots");
        assert!(!segment.read_all(&take(1)).unwrap());
        assert_eq!(found.lock().unwrap().0, 1);
    }

    #[test]
    fn a_flipped_bit_anywhere_is_an_error_or_without_effect() {
        let folder = tempfile::tempdir().unwrap();
        let rows = rows()[..300].to_vec();
        let named = write(folder.path(), Stream::Log, &rows, 600).unwrap();
        let path = folder.path().join(&named.name);
        let good = fs::read(&path).unwrap();
        let mut refused = 0;
        for at in (0..good.len()).step_by(11) {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            fs::write(&path, &bad).unwrap();
            let segment = Segment::new(folder.path(), named.clone());
            let mut found = Vec::new();
            match segment.read(&StreamFilter::default(), None, &mut found) {
                Ok(()) => assert_eq!(found, rows, "byte {at}"),
                Err(StoreError::Corrupt { .. }) => refused += 1,
                Err(other) => panic!("byte {at}: {other}"),
            }
        }
        assert!(refused > 100, "{refused}");
    }
}
