//! Snapshots: all that sled holds, in one compressed, checksummed file, taken while commits go on. The position is
//! that up to which every frame was applied when the scan began; later values may be in it too, and replaying the
//! journal behind the position puts every key right, for the last put or delete of a key stays. Where the scan began
//! and ended is noted, for a later restore to an instant.

use super::catalog::Catalog;
use super::folder::{corrupt, files, sync_folder, unavailable};
use crate::store::port::{Key, StoreError, Versioned};
use crate::store::wire::{Cursor, put_bytes, put_i64, put_u32, put_u64};
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

const MAGIC: &[u8; 8] = b"REVSNAP1";
const BLOCK: usize = 256 << 10;
const LEVEL: i32 = 1;

/// The last durable frame at an instant, and the wall clock, in milliseconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Moment {
    pub(super) sequence: u64,
    pub(super) wall: i64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub(super) instance: [u8; 16],
    /// Frames up to here are in it.
    pub(super) position: u64,
    pub(super) began: Moment,
    pub(super) catalog: Catalog,
}

/// What reading a snapshot to its end came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Summary {
    pub(super) head: Head,
    pub(super) ended: Moment,
    pub(super) keys: u64,
}

/// A snapshot that was read back and found good.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) path: PathBuf,
    pub(super) position: u64,
}

/// The snapshots' files of a folder, newest first.
pub(super) fn list(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut found = files(folder)?;
    found.retain(|path| path.extension().is_some_and(|ending| ending == "snapshot"));
    found.reverse();
    Ok(found)
}

fn encode_head(head: &Head) -> Vec<u8> {
    let mut out = head.instance.to_vec();
    put_u64(&mut out, head.position);
    put_u64(&mut out, head.began.sequence);
    put_i64(&mut out, head.began.wall);
    head.catalog.encode(&mut out);
    out
}

fn decode_head(bytes: &[u8]) -> Option<Head> {
    let mut cursor = Cursor::new(bytes);
    Some(Head {
        instance: cursor.id()?,
        position: cursor.u64()?,
        began: Moment {
            sequence: cursor.u64()?,
            wall: cursor.i64()?,
        },
        catalog: Catalog::decode(&mut cursor)?,
    })
}

struct Writer {
    out: BufWriter<File>,
    /// Over the checksums of all parts: none can be missing or moved.
    chain: Xxh3,
}

impl Writer {
    /// A part: its length, its checksum, its bytes, compressed.
    fn part(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let packed = zstd::bulk::compress(bytes, LEVEL)?;
        let mut head = Vec::with_capacity(16);
        put_u32(
            &mut head,
            u32::try_from(bytes.len()).map_err(std::io::Error::other)?,
        );
        put_u32(
            &mut head,
            u32::try_from(packed.len()).map_err(std::io::Error::other)?,
        );
        put_u64(&mut head, xxh3_64(&packed));
        self.chain.update(&head);
        self.out.write_all(&head)?;
        self.out.write_all(&packed)
    }
}

/// Writes a snapshot, durably, under the name that its position gives it. `end` is asked when the scan has ended.
pub(super) fn write(
    folder: &Path,
    head: &Head,
    entries: impl Iterator<Item = Result<(Key, Versioned), StoreError>>,
    end: impl FnOnce() -> Moment,
) -> Result<PathBuf, StoreError> {
    let path = folder.join(format!("{:016}.snapshot", head.position));
    let fresh = folder.join(format!("{:016}.new", head.position));
    let failed = |e: std::io::Error| unavailable("write", &fresh, &e);
    let file = File::create(&fresh).map_err(failed)?;
    let mut writer = Writer {
        out: BufWriter::with_capacity(1 << 20, file),
        chain: Xxh3::new(),
    };
    writer.out.write_all(MAGIC).map_err(failed)?;
    writer.part(&encode_head(head)).map_err(failed)?;
    let mut keys = 0u64;
    let mut block = Vec::with_capacity(BLOCK + 4096);
    for entry in entries {
        let (key, versioned) = entry?;
        keys += 1;
        put_bytes(&mut block, &key);
        put_u64(&mut block, versioned.revision);
        put_bytes(&mut block, &versioned.value);
        if block.len() >= BLOCK {
            writer.part(&block).map_err(failed)?;
            block.clear();
        }
    }
    if !block.is_empty() {
        writer.part(&block).map_err(failed)?;
    }
    // A part of no bytes ends the values; the footer stands behind it.
    writer.part(&[]).map_err(failed)?;
    let ended = end();
    let mut footer = Vec::new();
    put_u64(&mut footer, keys);
    put_u64(&mut footer, ended.sequence);
    put_i64(&mut footer, ended.wall);
    let mut chain = writer.chain;
    chain.update(&footer);
    put_u64(&mut footer, chain.digest());
    writer.out.write_all(&footer).map_err(failed)?;
    let file = writer
        .out
        .into_inner()
        .map_err(|e| failed(e.into_error()))?;
    file.sync_all().map_err(failed)?;
    fs::rename(&fresh, &path).map_err(failed)?;
    sync_folder(folder)?;
    Ok(path)
}

struct Reader<'a> {
    path: &'a Path,
    input: BufReader<File>,
    chain: Xxh3,
    offset: u64,
}

impl Reader<'_> {
    fn damaged(&self, what: &str) -> StoreError {
        corrupt(
            self.path,
            self.offset,
            format!("the snapshot is damaged: {what}"),
        )
    }

    fn exact(&mut self, length: usize) -> Result<Vec<u8>, StoreError> {
        let mut bytes = vec![0; length];
        self.input.read_exact(&mut bytes).map_err(|e| {
            if e.kind() == std::io::ErrorKind::UnexpectedEof {
                self.damaged("it is cut short")
            } else {
                unavailable("read", self.path, &e)
            }
        })?;
        Ok(bytes)
    }

    fn part(&mut self) -> Result<Vec<u8>, StoreError> {
        let head = self.exact(16)?;
        let mut cursor = Cursor::new(&head);
        let read = (cursor.u32(), cursor.u32(), cursor.u64());
        let (Some(length), Some(packed), Some(sum)) = read else {
            return Err(self.damaged("a part has no head"));
        };
        // A value is at most half a frame's payload; a larger part is a damaged length, not to be allocated.
        if (length as usize).max(packed as usize) > super::frame::PAYLOAD_MOST {
            return Err(self.damaged("a part's length is wrong"));
        }
        let bytes = self.exact(packed as usize)?;
        if xxh3_64(&bytes) != sum {
            return Err(self.damaged("a part is not what was written"));
        }
        let bytes = zstd::bulk::decompress(&bytes, length as usize)
            .map_err(|_| self.damaged("a part cannot be decompressed"))?;
        if bytes.len() != length as usize {
            return Err(self.damaged("a part has another length"));
        }
        self.chain.update(&head);
        self.offset += 16 + u64::from(packed);
        Ok(bytes)
    }
}

/// Reads a snapshot to its end and hands over every value. What was handed over counts only if this returns `Ok`.
pub(super) fn read(
    path: &Path,
    mut each: impl FnMut(&[u8], u64, &[u8]) -> Result<(), StoreError>,
) -> Result<Summary, StoreError> {
    let file = File::open(path).map_err(|e| unavailable("open", path, &e))?;
    let mut reader = Reader {
        path,
        input: BufReader::with_capacity(1 << 20, file),
        chain: Xxh3::new(),
        offset: 0,
    };
    if reader.exact(8)? != MAGIC {
        return Err(reader.damaged("it does not begin like one"));
    }
    reader.offset = 8;
    let head = decode_head(&reader.part()?).ok_or_else(|| reader.damaged("its head is wrong"))?;
    let mut keys = 0;
    loop {
        let block = reader.part()?;
        if block.is_empty() {
            break;
        }
        let mut cursor = Cursor::new(&block);
        while cursor.left() > 0 {
            let entry = (cursor.bytes(), cursor.u64(), cursor.bytes());
            let (Some(key), Some(revision), Some(value)) = entry else {
                return Err(reader.damaged("a value is cut short"));
            };
            each(key, revision, value)?;
            keys += 1;
        }
    }
    let footer = reader.exact(32)?;
    reader.chain.update(&footer[..24]);
    let mut cursor = Cursor::new(&footer);
    let read = (cursor.u64(), cursor.u64(), cursor.i64(), cursor.u64());
    let (Some(count), Some(sequence), Some(wall), Some(sum)) = read else {
        return Err(reader.damaged("its footer is cut short"));
    };
    let mut behind = [0; 1];
    let more = reader
        .input
        .read(&mut behind)
        .map_err(|e| unavailable("read", path, &e))?;
    if count != keys || sum != reader.chain.digest() || more != 0 {
        return Err(reader.damaged("its footer does not fit"));
    }
    Ok(Summary {
        head,
        ended: Moment { sequence, wall },
        keys,
    })
}
