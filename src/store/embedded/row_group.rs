//! Row groups: what is kept in memory of each, how one is decoded, and its checksum. Which of them are read, and what is
//! said of damaged ones, is for `segment`.

use crate::store::port::{Row, StreamFilter};
use bytes::Bytes;
use parquet::basic::Compression;
use parquet::column::reader::{ColumnReader, get_column_reader};
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::file::statistics::Statistics;
use parquet::schema::types::SchemaDescPtr;
use std::fs::File;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

/// The metadata key under which the groups' checksums stand.
pub(super) const CHECKSUMS: &str = "reveille.groups";

/// What is kept in memory of a row group. Numbers are (least, greatest).
#[derive(Clone, Debug)]
pub(super) struct Group {
    customers: (u64, u64),
    positions: (u64, u64),
    times: (i64, i64),
    checksum: u64,
    rows: u32,
    /// Where its columns begin in the file; they stand one behind the other.
    pub(super) offset: u64,
    /// How many bytes each has.
    lengths: [u32; COLUMNS],
}

const COLUMNS: usize = 4;

/// What a segment's footer says.
pub(super) struct Footer {
    pub(super) groups: Vec<Group>,
    schema: SchemaDescPtr,
    compression: Compression,
}

/// A row group as it was decoded; payloads are parts of its pages.
#[derive(Default)]
pub(super) struct Decoded {
    numbers: [Vec<i64>; 3],
    payloads: Vec<ByteArray>,
}

/// The checksum of a group's rows: customer, position, time, payload.
pub(super) fn group_checksum<'r>(rows: impl Iterator<Item = (u64, u64, i64, &'r [u8])>) -> u64 {
    let mut hasher = Xxh3::new();
    for (customer, position, time, payload) in rows {
        hasher.update(&customer.to_le_bytes());
        hasher.update(&position.to_le_bytes());
        hasher.update(&time.to_le_bytes());
        hasher.update(&(payload.len() as u64).to_le_bytes());
        hasher.update(payload);
    }
    hasher.digest()
}

impl Decoded {
    fn rows(&self) -> impl Iterator<Item = (u64, u64, i64, &[u8])> {
        let [customers, positions, times] = &self.numbers;
        (customers.iter().zip(positions).zip(times))
            .zip(&self.payloads)
            .map(|(((customer, position), time), payload)| {
                let customer = customer.cast_unsigned();
                (customer, position.cast_unsigned(), *time, payload.data())
            })
    }

    /// The rows that are wanted by their position, customer and time: only of these the payload is copied.
    pub(super) fn taken(&self, takes: impl Fn(u64, u64, i64) -> bool) -> impl Iterator<Item = Row> {
        (self.rows())
            .filter(move |(customer, position, time, _)| takes(*position, *customer, *time))
            .map(|(customer, position, time, payload)| Row {
                customer,
                position,
                time,
                payload: payload.to_vec(),
            })
    }
}

fn read_group_head(
    group: &RowGroupMetaData,
    checksum: u64,
    compression: Compression,
) -> Option<Group> {
    let range = |column: usize| -> Option<(i64, i64)> {
        match group.column(column).statistics()? {
            Statistics::Int64(found) => Some((*found.min_opt()?, *found.max_opt()?)),
            _ => None,
        }
    };
    let unsigned = |(least, most): (i64, i64)| (least.cast_unsigned(), most.cast_unsigned());
    let offset = group.column(0).byte_range().0;
    let mut next = offset;
    let mut lengths = [0; COLUMNS];
    if group.num_columns() != COLUMNS {
        return None;
    }
    for (column, length) in group.columns().iter().zip(&mut lengths) {
        let (begin, long) = column.byte_range();
        if begin != next || column.compression() != compression {
            return None;
        }
        *length = u32::try_from(long).ok()?;
        next = begin.checked_add(long)?;
    }
    Some(Group {
        customers: unsigned(range(0)?),
        positions: unsigned(range(1)?),
        times: range(2)?,
        checksum,
        rows: u32::try_from(group.num_rows()).ok()?,
        offset,
        lengths,
    })
}

impl Group {
    /// The bytes of its columns.
    pub(super) fn length(&self) -> usize {
        self.lengths.iter().map(|length| *length as usize).sum()
    }

    /// Whether rows may be in it that the filter takes.
    pub(super) fn meets(&self, filter: &StreamFilter) -> bool {
        let (least, most) = self.customers;
        self.positions.1 >= filter.from_position
            && self.times.1 >= filter.from_time
            && self.times.0 < filter.to_time
            && filter.customers.as_ref().is_none_or(|wanted| {
                let next = wanted.partition_point(|customer| *customer < least);
                wanted.get(next).is_some_and(|customer| *customer <= most)
            })
    }

    /// Whether these are the rows that were written.
    pub(super) fn holds(&self, decoded: &Decoded) -> bool {
        group_checksum(decoded.rows()) == self.checksum
    }
}

impl Footer {
    pub(super) fn read(file: &File) -> Result<Footer, ParquetError> {
        let metadata = ParquetMetaDataReader::new().parse_and_finish(file)?;
        let about = metadata.file_metadata();
        let checksums = (about.key_value_metadata())
            .and_then(|all| all.iter().find(|entry| entry.key == CHECKSUMS))
            .and_then(|entry| entry.value.as_deref())
            .unwrap_or_default();
        let mut compression = Compression::UNCOMPRESSED;
        let mut groups = Vec::with_capacity(metadata.num_row_groups());
        for (number, group) in metadata.row_groups().iter().enumerate() {
            compression = (group.columns().first()).map_or(compression, |c| c.compression());
            let group = checksums
                .get(number * 16..number * 16 + 16)
                .and_then(|text| u64::from_str_radix(text, 16).ok())
                .and_then(|checksum| read_group_head(group, checksum, compression))
                .ok_or_else(|| {
                    let what = format!("row group {number} is not as this program writes them");
                    ParquetError::General(what)
                })?;
            groups.push(group);
        }
        Ok(Footer {
            groups,
            schema: about.schema_descr_ptr(),
            compression,
        })
    }

    /// The rows of a group, of whose columns these are the bytes.
    pub(super) fn decode(&self, group: &Group, bytes: Vec<u8>) -> Result<Decoded, ParquetError> {
        let bytes = Arc::new(Bytes::from(bytes));
        let count = group.rows as usize;
        let failed = |what: &str| ParquetError::General(what.to_owned());
        let mut begin = 0;
        let mut column = |number: usize| -> Result<ColumnReader, ParquetError> {
            let about = self.schema.column(number);
            let length = i64::from(group.lengths[number]);
            let chunk = ColumnChunkMetaData::builder(about.clone())
                .set_compression(self.compression)
                .set_num_values(i64::from(group.rows))
                .set_data_page_offset(begin)
                .set_total_compressed_size(length)
                .build()?;
            begin += length;
            let pages = SerializedPageReader::new(Arc::clone(&bytes), &chunk, count, None)?;
            Ok(get_column_reader(about, Box::new(pages)))
        };
        let mut numbers: [Vec<i64>; 3] = Default::default();
        for (number, values) in numbers.iter_mut().enumerate() {
            let ColumnReader::Int64ColumnReader(mut column) = column(number)? else {
                return Err(failed("a column has another type"));
            };
            while values.len() < count {
                let (read, ..) = column.read_records(count - values.len(), None, None, values)?;
                if read == 0 {
                    return Err(failed("a column is cut short"));
                }
            }
        }
        let ColumnReader::ByteArrayColumnReader(mut column) = column(3)? else {
            return Err(failed("a column has another type"));
        };
        let mut payloads: Vec<ByteArray> = Vec::with_capacity(count);
        while payloads.len() < count {
            let (read, ..) =
                column.read_records(count - payloads.len(), None, None, &mut payloads)?;
            if read == 0 {
                return Err(failed("a column is cut short"));
            }
        }
        Ok(Decoded { numbers, payloads })
    }
}
