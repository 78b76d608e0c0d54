//! Parquet segments: rows of one stream, sorted by customer, in small row groups, so that the rows of one customer
//! cost a group and not a file. The least and greatest customer, position and time of each group are kept in memory
//! once the file was touched. Analysts open the files as they are; for ourselves each group has a checksum in the
//! footer's metadata, and the footer one in the catalog, so that no flipped bit is taken for data.
//! Which segments there are is for `streams`.

use super::catalog::Named;
use super::folder::{corrupt, unavailable};
use crate::store::port::{Row, StoreError, StreamFilter};
use parquet::column::reader::ColumnReader;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::statistics::Statistics;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// The metadata key under which the groups' checksums stand.
pub(super) const CHECKSUMS: &str = "reveille.groups";
/// What is kept in memory of a row group. Numbers are (least, greatest).
#[derive(Clone, Debug)]
struct Group {
    customers: (u64, u64),
    positions: (u64, u64),
    times: (i64, i64),
    checksum: u64,
    offset: u64,
}

/// A named segment. One that was replaced removes its file when nobody reads it any more.
pub(super) struct Segment {
    pub(super) named: Named,
    path: PathBuf,
    groups: OnceLock<Vec<Group>>,
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

pub(super) fn group_checksum(rows: &[&Row]) -> u64 {
    let mut hasher = Xxh3::new();
    for row in rows {
        hasher.update(&row.customer.to_le_bytes());
        hasher.update(&row.position.to_le_bytes());
        hasher.update(&row.time.to_le_bytes());
        hasher.update(&(row.payload.len() as u64).to_le_bytes());
        hasher.update(&row.payload);
    }
    hasher.digest()
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
            named,
            groups: OnceLock::new(),
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

    fn open(&self) -> Result<SerializedFileReader<File>, StoreError> {
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
        if footer_checksum(&self.path, length)? != self.named.footer {
            return Err(self.damaged(length - 8, "its footer is not what was written"));
        }
        SerializedFileReader::new(file).map_err(|e| self.damaged(0, e))
    }

    fn groups(&self) -> Result<&[Group], StoreError> {
        if let Some(groups) = self.groups.get() {
            return Ok(groups);
        }
        let reader = self.open()?;
        let metadata = reader.metadata();
        let entries = metadata.file_metadata().key_value_metadata();
        let checksums = entries
            .and_then(|all| all.iter().find(|entry| entry.key == CHECKSUMS))
            .and_then(|entry| entry.value.as_deref())
            .unwrap_or_default();
        let mut groups = Vec::new();
        for (number, group) in metadata.row_groups().iter().enumerate() {
            let group = checksums
                .get(number * 16..number * 16 + 16)
                .and_then(|text| u64::from_str_radix(text, 16).ok())
                .and_then(|checksum| read_group_head(group, checksum))
                .ok_or_else(|| self.damaged(0, format!("row group {number} has no statistics")))?;
            groups.push(group);
        }
        Ok(self.groups.get_or_init(|| groups))
    }

    /// Adds the rows that are wanted, in the order of positions, until `out` holds as many as the filter allows.
    pub(super) fn read(&self, filter: &StreamFilter, out: &mut Vec<Row>) -> Result<(), StoreError> {
        let groups = self.groups()?;
        let wanted: Vec<usize> = (0..groups.len())
            .filter(|n| meets(&groups[*n], filter))
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let reader = self.open()?;
        let mut found = Vec::new();
        for number in wanted {
            let rows = self.read_group(&reader, number, &groups[number])?;
            found.extend(
                rows.into_iter()
                    .filter(|row| filter.takes(row.position, row.customer, row.time)),
            );
        }
        found.sort_by_key(|row| row.position);
        found.truncate(filter.limit.saturating_sub(out.len()));
        out.append(&mut found);
        Ok(())
    }

    /// Hands over all rows, one row group after the other; false once `take` has seen enough.
    pub(super) fn read_all(&self, take: &dyn Fn(Vec<Row>) -> bool) -> Result<bool, StoreError> {
        let groups = self.groups()?;
        let reader = self.open()?;
        for (number, group) in groups.iter().enumerate() {
            if !take(self.read_group(&reader, number, group)?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn read_group(
        &self,
        reader: &SerializedFileReader<File>,
        number: usize,
        group: &Group,
    ) -> Result<Vec<Row>, StoreError> {
        // Decoders of foreign formats are not trusted with damaged bytes: a panic is damage too.
        let decode = std::panic::AssertUnwindSafe(|| decode_group(reader, number));
        let rows = std::panic::catch_unwind(decode)
            .unwrap_or_else(|_| Err(ParquetError::General("it cannot be decoded".to_owned())))
            .map_err(|e| self.damaged(group.offset, format!("row group {number}: {e}")))?;
        let all: Vec<&Row> = rows.iter().collect();
        if group_checksum(&all) != group.checksum {
            let what = format!("row group {number} is not what was written");
            return Err(self.damaged(group.offset, what));
        }
        Ok(rows)
    }
}

fn read_group_head(group: &RowGroupMetaData, checksum: u64) -> Option<Group> {
    let range = |column: usize| -> Option<(i64, i64)> {
        match group.column(column).statistics()? {
            Statistics::Int64(found) => Some((*found.min_opt()?, *found.max_opt()?)),
            _ => None,
        }
    };
    let unsigned = |(least, most): (i64, i64)| (least.cast_unsigned(), most.cast_unsigned());
    Some(Group {
        customers: unsigned(range(0)?),
        positions: unsigned(range(1)?),
        times: range(2)?,
        checksum,
        offset: group.column(0).byte_range().0,
    })
}

fn meets(group: &Group, filter: &StreamFilter) -> bool {
    let (least, most) = group.customers;
    group.positions.1 >= filter.from_position
        && group.times.1 >= filter.from_time
        && group.times.0 < filter.to_time
        && filter.customers.as_ref().is_none_or(|wanted| {
            let next = wanted.partition_point(|customer| *customer < least);
            wanted.get(next).is_some_and(|customer| *customer <= most)
        })
}

fn decode_group(
    reader: &SerializedFileReader<File>,
    number: usize,
) -> Result<Vec<Row>, ParquetError> {
    let group = reader.get_row_group(number)?;
    let count = usize::try_from(group.metadata().num_rows())?;
    let short = || ParquetError::General("a column is cut short".to_owned());
    let mut numbers: [Vec<i64>; 3] = Default::default();
    for (column, values) in numbers.iter_mut().enumerate() {
        let ColumnReader::Int64ColumnReader(mut column) = group.get_column_reader(column)? else {
            return Err(ParquetError::General(
                "a column has another type".to_owned(),
            ));
        };
        while values.len() < count {
            if column
                .read_records(count - values.len(), None, None, values)?
                .0
                == 0
            {
                return Err(short());
            }
        }
    }
    let ColumnReader::ByteArrayColumnReader(mut column) = group.get_column_reader(3)? else {
        return Err(ParquetError::General(
            "a column has another type".to_owned(),
        ));
    };
    let mut payloads: Vec<ByteArray> = Vec::with_capacity(count);
    while payloads.len() < count {
        if column
            .read_records(count - payloads.len(), None, None, &mut payloads)?
            .0
            == 0
        {
            return Err(short());
        }
    }
    let [customers, positions, times] = &numbers;
    let rows = payloads.iter().enumerate().map(|(at, payload)| Row {
        customer: customers[at].cast_unsigned(),
        position: positions[at].cast_unsigned(),
        time: times[at],
        payload: payload.data().to_vec(),
    });
    Ok(rows.collect())
}

#[cfg(test)]
mod tests {
    use super::Segment;
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
            segment.read(&filter, &mut found).unwrap();
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
            match segment.read(&StreamFilter::default(), &mut found) {
                Ok(()) => assert_eq!(found, rows, "byte {at}"),
                Err(StoreError::Corrupt { .. }) => refused += 1,
                Err(other) => panic!("byte {at}: {other}"),
            }
        }
        assert!(refused > 100, "{refused}");
    }
}
