//! The bytes of a request: packed or not by what they are, whatever their label says, never more than the limit, and
//! counted against what may be in work at once, packed and unpacked.

use super::held::Held;
use crate::http::server::{Unread, read_body_while};
use axum::body::Body;
use flate2::read::MultiGzDecoder;
use std::io::Read;

/// Unpacked in pieces of so many bytes.
const PIECE: usize = 16 << 10;

/// Why a body cannot be taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BodyError {
    Unread(Unread),
    /// It is gzip by its first bytes, and then it is not.
    BadGzip,
}

/// Reads the bytes as they were sent.
pub async fn read_raw(body: Body, most: usize, held: &mut Held) -> Result<Vec<u8>, BodyError> {
    let read = read_body_while(body, most, |length| match length {
        Some(length) => held.grow(length),
        None => {
            held.release();
            false
        }
    });
    let read = read.await;
    read.map_err(BodyError::Unread)
}

/// Reads and unpacks; the limit holds before and after.
pub async fn read(body: Body, most: usize, held: &mut Held) -> Result<Vec<u8>, BodyError> {
    let bytes = read_raw(body, most, held).await?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let plain = unpack(&bytes, most, held)?;
    held.shrink(plain.len());
    Ok(plain)
}

/// Stops as soon as more than the limit has come out: what is small may unpack to a thousand times as much.
fn unpack(bytes: &[u8], most: usize, held: &mut Held) -> Result<Vec<u8>, BodyError> {
    let mut plain = Vec::new();
    let mut decoder = MultiGzDecoder::new(bytes);
    loop {
        let piece = (PIECE as u64).min((most + 1 - plain.len()) as u64);
        if !held.grow(bytes.len() + plain.len() + piece as usize) {
            return Err(BodyError::Unread(Unread::NoRoom));
        }
        let got = (decoder.by_ref().take(piece))
            .read_to_end(&mut plain)
            .map_err(|_| BodyError::BadGzip)?;
        if plain.len() > most {
            return Err(BodyError::Unread(Unread::TooLong));
        }
        if got == 0 {
            return Ok(plain);
        }
    }
}
