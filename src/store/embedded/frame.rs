//! The journal's bytes: the header page of a file and the frames behind it. A frame is one group of batches, begins
//! on a 4 KiB boundary and is padded with zeros to the next, so that no write touches a page that holds acknowledged
//! bytes. Checksums are seeded with a number drawn for each file: a frame's bytes that a customer sent in, or that an
//! earlier file left on the disk, never pass for a frame. What a frame says is for `record`, which files there are and
//! where the journal ends is for `journal_read`.

use crate::store::wire::{Cursor, put_i64, put_u32, put_u64};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Frames begin on multiples of this.
pub(super) const PAGE: usize = 4096;
/// The largest payload of a frame, in bytes. A batch that does not fit is refused.
pub(super) const PAYLOAD_MOST: usize = 256 << 20;

const FILE_MAGIC: &[u8; 8] = b"REVEILLJ";
const FILE_VERSION: u32 = 1;
const FRAME_MAGIC: u32 = u32::from_le_bytes(*b"RVFR");
const HEAD: usize = 56;

/// The first page of a journal file. It is durable before the first frame of the file is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FileHeader {
    /// Rises with every file.
    pub(super) number: u64,
    pub(super) instance: [u8; 16],
    /// Drawn at random for this file.
    pub(super) seed: u64,
    /// The store's epoch when the file was begun.
    pub(super) epoch: u64,
    /// The sequence that the file's first frame has or will have; all before it was durable.
    pub(super) first_sequence: u64,
    /// The last revision given before this file.
    pub(super) revision: u64,
    /// The position of the next row.
    pub(super) position: u64,
    /// Milliseconds since 1970.
    pub(super) wall: i64,
}

impl FileHeader {
    /// The page as it stands in the file.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(PAGE);
        out.extend_from_slice(FILE_MAGIC);
        put_u32(&mut out, FILE_VERSION);
        put_u64(&mut out, self.number);
        out.extend_from_slice(&self.instance);
        put_u64(&mut out, self.seed);
        put_u64(&mut out, self.epoch);
        put_u64(&mut out, self.first_sequence);
        put_u64(&mut out, self.revision);
        put_u64(&mut out, self.position);
        put_i64(&mut out, self.wall);
        let checksum = xxh3_64(&out);
        put_u64(&mut out, checksum);
        out.resize(PAGE, 0);
        out
    }

    /// `None` if it is not a header that this version wrote, whole and unchanged.
    pub(super) fn decode(page: &[u8]) -> Option<FileHeader> {
        let mut cursor = Cursor::new(page.get(..PAGE)?);
        if cursor.take(8)? != FILE_MAGIC || cursor.u32()? != FILE_VERSION {
            return None;
        }
        let header = FileHeader {
            number: cursor.u64()?,
            instance: cursor.id()?,
            seed: cursor.u64()?,
            epoch: cursor.u64()?,
            first_sequence: cursor.u64()?,
            revision: cursor.u64()?,
            position: cursor.u64()?,
            wall: cursor.i64()?,
        };
        // The whole page is compared, padding too: one rule for every bit.
        (header.encode() == page.get(..PAGE)?).then_some(header)
    }
}

/// What stands before a frame's payload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FrameHead {
    /// Rises by one with every frame of the store.
    pub(super) sequence: u64,
    /// Milliseconds since 1970, when it was written.
    pub(super) wall: i64,
    /// The last sequence known to be durable when this frame was written.
    pub(super) synced: u64,
    /// The last revision given, this frame's included.
    pub(super) revision: u64,
    /// The position of the next row, behind this frame's.
    pub(super) position: u64,
}

fn checksum(seed: u64, head: &[u8], payload: &[u8]) -> u64 {
    let mut hasher = Xxh3::with_seed(seed);
    hasher.update(head);
    hasher.update(payload);
    hasher.digest()
}

/// The frame, padded to whole pages. `payload` is at most `PAYLOAD_MOST`.
pub(super) fn encode(seed: u64, head: &FrameHead, payload: &[u8]) -> Vec<u8> {
    let length = (HEAD + payload.len()).next_multiple_of(PAGE);
    let mut out = Vec::with_capacity(length);
    put_u32(&mut out, FRAME_MAGIC);
    put_u32(&mut out, u32::try_from(payload.len()).unwrap_or(u32::MAX));
    put_u64(&mut out, head.sequence);
    put_i64(&mut out, head.wall);
    put_u64(&mut out, head.synced);
    put_u64(&mut out, head.revision);
    put_u64(&mut out, head.position);
    let sum = checksum(seed, &out, payload);
    put_u64(&mut out, sum);
    out.extend_from_slice(payload);
    out.resize(length, 0);
    out
}

/// The frame that begins `bytes`, with the length that it takes up in the file; `None` if there is none or a bit of
/// it is wrong.
pub(super) fn decode(seed: u64, bytes: &[u8]) -> Option<(FrameHead, &[u8], usize)> {
    let mut cursor = Cursor::new(bytes);
    if cursor.u32()? != FRAME_MAGIC {
        return None;
    }
    let length = cursor.u32()? as usize;
    let head = FrameHead {
        sequence: cursor.u64()?,
        wall: cursor.i64()?,
        synced: cursor.u64()?,
        revision: cursor.u64()?,
        position: cursor.u64()?,
    };
    let expected = cursor.u64()?;
    let payload = cursor.take(length)?;
    let whole = (HEAD + length).next_multiple_of(PAGE);
    if bytes
        .get(HEAD + length..whole)?
        .iter()
        .any(|byte| *byte != 0)
    {
        return None;
    }
    (checksum(seed, &bytes[..HEAD - 8], payload) == expected).then_some((head, payload, whole))
}

#[cfg(test)]
mod tests {
    use super::{FileHeader, FrameHead, PAGE, decode, encode};

    fn head() -> FrameHead {
        FrameHead {
            sequence: 4,
            wall: -5,
            synced: 3,
            revision: 9,
            position: 11,
        }
    }

    #[test]
    fn a_frame_comes_back_and_no_flipped_bit_passes() {
        let payload = vec![7u8; 150];
        let frame = encode(99, &head(), &payload);
        assert_eq!(frame.len(), PAGE);
        let (found, bytes, length) = decode(99, &frame).unwrap();
        assert_eq!((found, bytes, length), (head(), payload.as_slice(), PAGE));
        assert!(decode(98, &frame).is_none(), "another file's seed");
        for bit in 0..frame.len() * 8 {
            let mut bad = frame.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(99, &bad).is_none(), "bit {bit}");
        }
        for length in 0..frame.len() {
            assert!(decode(99, &frame[..length]).is_none(), "length {length}");
        }
    }

    #[test]
    fn a_header_comes_back_and_no_flipped_bit_passes() {
        let header = FileHeader {
            number: 1,
            instance: [3; 16],
            seed: 5,
            epoch: 6,
            first_sequence: 7,
            revision: 8,
            position: 9,
            wall: 10,
        };
        let page = header.encode();
        assert_eq!(FileHeader::decode(&page), Some(header));
        for bit in (0..page.len() * 8).step_by(3) {
            let mut bad = page.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(FileHeader::decode(&bad).is_none(), "bit {bit}");
        }
    }
}
