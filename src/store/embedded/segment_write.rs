//! Writing a Parquet segment: rows sorted by customer, in small row groups, with a checksum for each. Reading is for
//! `segment`.

use super::catalog::{Named, stream_name};
use super::folder::{sync_folder, unavailable};
use super::row_group::{CHECKSUMS, group_checksum};
use super::segment::{file_checksum, footer_checksum};
use crate::store::port::{Row, StoreError, Stream};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

const SCHEMA: &str = "message row {
    REQUIRED INT64 customer (INTEGER(64,false));
    REQUIRED INT64 position (INTEGER(64,false));
    REQUIRED INT64 time (TIMESTAMP(MILLIS,true));
    REQUIRED BYTE_ARRAY payload;
}";
/// A row group ends at so many rows or bytes, whichever comes first: who reads one customer's rows decodes all of a group.
const GROUP_ROWS: usize = 512;
const GROUP_BYTES: usize = 1 << 17;

fn properties() -> Result<WriterProperties, ParquetError> {
    let mut builder = WriterProperties::builder()
        .set_created_by("reveille".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_max_row_group_row_count(None)
        .set_column_statistics_enabled(ColumnPath::from("payload"), EnabledStatistics::None);
    for column in ["customer", "position", "time"] {
        let path = ColumnPath::from(column);
        builder = builder.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
    }
    Ok(builder.build())
}

fn write_rows<'r>(file: &File, sorted: &'r [&Row]) -> Result<(), ParquetError> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties()?))?;
    let mut checksums = String::new();
    let mut rest = sorted;
    while !rest.is_empty() {
        let mut bytes = 0;
        let mut fits = |row: &&Row| {
            bytes += row.payload.len() + 24;
            bytes <= GROUP_BYTES
        };
        let most = rest
            .iter()
            .take(GROUP_ROWS)
            .take_while(|row| fits(row))
            .count()
            .max(1);
        let (rows, behind) = rest.split_at(most);
        rest = behind;
        let of = |row: &'r &Row| (row.customer, row.position, row.time, &row.payload[..]);
        checksums.push_str(&format!("{:016x}", group_checksum(rows.iter().map(of))));
        let mut group = writer.next_row_group()?;
        let numbers: [Vec<i64>; 3] = [
            rows.iter().map(|row| row.customer.cast_signed()).collect(),
            rows.iter().map(|row| row.position.cast_signed()).collect(),
            rows.iter().map(|row| row.time).collect(),
        ];
        for column in numbers {
            let Some(mut out) = group.next_column()? else {
                return Err(ParquetError::General("a column is missing".to_owned()));
            };
            out.typed::<Int64Type>().write_batch(&column, None, None)?;
            out.close()?;
        }
        let Some(mut out) = group.next_column()? else {
            return Err(ParquetError::General("a column is missing".to_owned()));
        };
        let payloads: Vec<ByteArray> = rows
            .iter()
            .map(|row| ByteArray::from(row.payload.clone()))
            .collect();
        out.typed::<ByteArrayType>()
            .write_batch(&payloads, None, None)?;
        out.close()?;
        group.close()?;
    }
    writer.append_key_value_metadata(KeyValue::new(CHECKSUMS.to_owned(), checksums));
    writer.close()?;
    Ok(())
}

/// Writes rows (in the order of positions, not none) as a segment, durably. Nothing refers to it yet.
pub(super) fn write(
    folder: &Path,
    stream: Stream,
    rows: &[Row],
    to: u64,
) -> Result<Named, StoreError> {
    let first = rows.first().map_or(to, |row| row.position);
    let name = format!("{}-{first:012}-{to:012}.parquet", stream_name(stream));
    write_as(folder, name, rows, first, to)
}

/// The same for what is left of a segment, which it is to replace: under another name, at the same place.
pub(super) fn write_again(
    folder: &Path,
    stream: Stream,
    rows: &[Row],
    old: &Named,
) -> Result<Named, StoreError> {
    let (first, to) = (old.first, old.to);
    // How often it was written anew stands behind its name.
    let times = old.name.strip_suffix(".parquet").and_then(|stem| {
        let (_, times) = stem.rsplit_once("-e")?;
        times.parse::<u32>().ok()
    });
    let times = times.unwrap_or(0) + 1;
    let stream = stream_name(stream);
    let name = format!("{stream}-{first:012}-{to:012}-e{times}.parquet");
    write_as(folder, name, rows, first, to)
}

fn write_as(
    folder: &Path,
    name: String,
    rows: &[Row],
    first: u64,
    to: u64,
) -> Result<Named, StoreError> {
    let path = folder.join(&name);
    let mut sorted: Vec<&Row> = rows.iter().collect();
    sorted.sort_by_key(|row| (row.customer, row.position));
    let failed = |e: std::io::Error| unavailable("write", &path, &e);
    let file = File::create(&path).map_err(failed)?;
    write_rows(&file, &sorted).map_err(|e| match e {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(io) => failed(*io),
            Err(other) => {
                StoreError::Unavailable(format!("cannot write {}: {other}", path.display()))
            }
        },
        other => StoreError::Unavailable(format!("cannot write {}: {other}", path.display())),
    })?;
    file.sync_all().map_err(failed)?;
    sync_folder(folder)?;
    let (length, checksum) = file_checksum(&path)?;
    Ok(Named {
        name,
        first,
        to,
        rows: rows.len() as u64,
        bytes: rows.iter().map(|row| row.payload.len() as u64 + 24).sum(),
        length,
        checksum,
        footer: footer_checksum(&path, length)?,
        newest: rows.iter().map(|row| row.time).max().unwrap_or(i64::MIN),
    })
}
