//! What stands around a value in sled: its revision and a checksum of key, revision and value, verified at every
//! read. A flipped bit in a serialized value often decodes without an error, so the codec cannot be the one to notice.

use super::port::Versioned;
use super::wire::{Cursor, put_u32, put_u64};

const HEAD: usize = 12;

fn checksum(key: &[u8], revision: u64, value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(&revision.to_le_bytes());
    hasher.update(value);
    hasher.finalize()
}

pub(super) fn seal(key: &[u8], revision: u64, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD + value.len());
    put_u32(&mut out, checksum(key, revision, value));
    put_u64(&mut out, revision);
    out.extend_from_slice(value);
    out
}

/// The value, or `None` if any bit of it, of its revision or of its key is not what was written.
pub(super) fn open(key: &[u8], sealed: &[u8]) -> Option<Versioned> {
    let mut cursor = Cursor::new(sealed);
    let expected = cursor.u32()?;
    let revision = cursor.u64()?;
    let value = cursor.take(cursor.left())?;
    (checksum(key, revision, value) == expected).then(|| Versioned {
        revision,
        value: value.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::{open, seal};

    #[test]
    fn a_value_comes_back_and_any_flipped_bit_is_noticed() {
        let sealed = seal(b"key", 7, b"value");
        let opened = open(b"key", &sealed).unwrap();
        assert_eq!(
            (opened.revision, opened.value.as_slice()),
            (7, &b"value"[..])
        );
        assert!(open(b"kez", &sealed).is_none());
        for bit in 0..sealed.len() * 8 {
            let mut bad = sealed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(open(b"key", &bad).is_none(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(open(b"key", &sealed[..length]).is_none());
        }
    }
}
