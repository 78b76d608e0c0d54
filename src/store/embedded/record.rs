//! What a journal frame says: batches, and changes of the catalog. The bytes of a batch's operations are made by the
//! committer, outside the journal's thread; revision and position are put before them when the batch's turn comes.

use super::catalog::{Change, decode_segment, encode_segment, stream_code, stream_of};
use crate::store::port::{Append, Batch, Key};
use crate::store::wire::{Cursor, put_bytes, put_i64, put_u32, put_u64};

const BATCH: u8 = 1;
const CHANGE: u8 = 2;

/// A batch as the journal tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Told {
    pub(super) revision: u64,
    /// The position of its first row; the others follow without a gap.
    pub(super) position: u64,
    pub(super) puts: Vec<(Key, Vec<u8>)>,
    pub(super) deletes: Vec<Key>,
    pub(super) appends: Vec<Append>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Record {
    Batch(Told),
    Change(Change),
}

/// The operations of a batch, without what only its turn decides. `None` if one of its parts is too large to be told.
pub(super) fn encode_operations(batch: &Batch) -> Option<Vec<u8>> {
    let puts: usize = batch.puts.iter().map(|(k, v)| k.len() + v.len() + 8).sum();
    let deletes: usize = batch.deletes.iter().map(|key| key.len() + 4).sum();
    let appends: usize = batch.appends.iter().map(|row| row.payload.len() + 21).sum();
    let length = 12 + puts + deletes + appends;
    if length > super::frame::PAYLOAD_MOST / 2 {
        return None;
    }
    let mut out = Vec::with_capacity(length);
    put_u32(&mut out, u32::try_from(batch.puts.len()).ok()?);
    for (key, value) in &batch.puts {
        put_bytes(&mut out, key);
        put_bytes(&mut out, value);
    }
    put_u32(&mut out, u32::try_from(batch.deletes.len()).ok()?);
    for key in &batch.deletes {
        put_bytes(&mut out, key);
    }
    put_u32(&mut out, u32::try_from(batch.appends.len()).ok()?);
    for row in &batch.appends {
        out.push(stream_code(row.stream));
        put_u64(&mut out, row.customer);
        put_i64(&mut out, row.time);
        put_bytes(&mut out, &row.payload);
    }
    Some(out)
}

/// Adds a batch to a frame's payload.
pub(super) fn put_batch(payload: &mut Vec<u8>, revision: u64, position: u64, operations: &[u8]) {
    payload.push(BATCH);
    put_u64(payload, revision);
    put_u64(payload, position);
    payload.extend_from_slice(operations);
}

/// Adds a change of the catalog to a frame's payload.
pub(super) fn put_change(payload: &mut Vec<u8>, change: &Change) {
    payload.push(CHANGE);
    payload.push(stream_code(change.stream));
    put_u64(payload, change.sealed_to);
    put_u64(payload, change.read_from);
    payload.push(u8::from(change.add.is_some()));
    if let Some(segment) = &change.add {
        encode_segment(payload, segment);
    }
    put_u32(
        payload,
        u32::try_from(change.remove.len()).unwrap_or(u32::MAX),
    );
    for name in &change.remove {
        put_bytes(payload, name.as_bytes());
    }
}

/// All that a frame says, in order; `None` if the bytes are not what `put_batch` and `put_change` made.
pub(super) fn decode(payload: &[u8]) -> Option<Vec<Record>> {
    let mut cursor = Cursor::new(payload);
    let mut records = Vec::new();
    while cursor.left() > 0 {
        records.push(match cursor.u8()? {
            BATCH => Record::Batch(decode_batch(&mut cursor)?),
            CHANGE => Record::Change(decode_change(&mut cursor)?),
            _ => return None,
        });
    }
    Some(records)
}

fn decode_batch(cursor: &mut Cursor) -> Option<Told> {
    let mut told = Told {
        revision: cursor.u64()?,
        position: cursor.u64()?,
        puts: Vec::new(),
        deletes: Vec::new(),
        appends: Vec::new(),
    };
    for _ in 0..cursor.u32()? {
        let key = cursor.bytes()?.to_vec();
        told.puts.push((key, cursor.bytes()?.to_vec()));
    }
    for _ in 0..cursor.u32()? {
        told.deletes.push(cursor.bytes()?.to_vec());
    }
    for _ in 0..cursor.u32()? {
        told.appends.push(Append {
            stream: stream_of(cursor.u8()?)?,
            customer: cursor.u64()?,
            time: cursor.i64()?,
            payload: cursor.bytes()?.to_vec(),
        });
    }
    Some(told)
}

fn decode_change(cursor: &mut Cursor) -> Option<Change> {
    let stream = stream_of(cursor.u8()?)?;
    let sealed_to = cursor.u64()?;
    let read_from = cursor.u64()?;
    let add = match cursor.u8()? {
        0 => None,
        _ => Some(decode_segment(cursor)?),
    };
    let mut remove = Vec::new();
    for _ in 0..cursor.u32()? {
        remove.push(cursor.text()?);
    }
    Some(Change {
        stream,
        sealed_to,
        read_from,
        add,
        remove,
    })
}

#[cfg(test)]
mod tests {
    use super::{Record, decode, encode_operations, put_batch, put_change};
    use crate::store::embedded::catalog::{Change, Named};
    use crate::store::port::{Append, Batch, Stream};

    #[test]
    fn what_is_told_is_read_again() {
        let batch = Batch {
            puts: vec![(b"k".to_vec(), b"v".to_vec()), (vec![], vec![])],
            deletes: vec![b"gone".to_vec()],
            appends: vec![Append {
                stream: Stream::Mails,
                customer: u64::MAX,
                time: -1,
                payload: vec![1, 2, 3],
            }],
            ..Batch::default()
        };
        let change = Change {
            stream: Stream::Log,
            sealed_to: 9,
            read_from: 4,
            add: Some(Named {
                name: "log-1.parquet".to_owned(),
                first: 2,
                to: 9,
                rows: 5,
                bytes: 77,
                length: 66,
                checksum: 55,
                footer: 44,
                newest: -3,
            }),
            remove: vec!["log-0.parquet".to_owned()],
        };
        let mut payload = Vec::new();
        put_batch(&mut payload, 3, 10, &encode_operations(&batch).unwrap());
        put_change(&mut payload, &change);
        let records = decode(&payload).unwrap();
        let Record::Batch(told) = &records[0] else {
            panic!("{records:?}")
        };
        assert_eq!((told.revision, told.position), (3, 10));
        assert_eq!(told.puts, batch.puts);
        assert_eq!(told.deletes, batch.deletes);
        assert_eq!(told.appends, batch.appends);
        assert_eq!(records[1], Record::Change(change));
        for length in 1..payload.len() {
            // Cut short it is either refused or, at the seam, the first record alone.
            assert!(decode(&payload[..length]).is_none_or(|found| found.len() == 1));
        }
    }
}
