//! The bytes of a request: packed or not by what they are, whatever their label says, and never more than the limit.

use crate::http::server::{Unread, read_body};
use axum::body::Body;
use flate2::read::MultiGzDecoder;
use std::io::Read;

/// Why a body cannot be taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BodyError {
    Unread(Unread),
    /// It is gzip by its first bytes, and then it is not.
    BadGzip,
}

/// Reads and unpacks; the limit holds before and after.
pub async fn read(body: Body, most: usize) -> Result<Vec<u8>, BodyError> {
    let bytes = read_body(body, most).await.map_err(BodyError::Unread)?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    unpack(&bytes, most)
}

/// Stops as soon as more than the limit has come out: what is small may unpack to a thousand times as much.
fn unpack(bytes: &[u8], most: usize) -> Result<Vec<u8>, BodyError> {
    let mut plain = Vec::with_capacity(bytes.len().saturating_mul(4).min(most + 1));
    let mut decoder = MultiGzDecoder::new(bytes).take(most as u64 + 1);
    decoder
        .read_to_end(&mut plain)
        .map_err(|_| BodyError::BadGzip)?;
    match plain.len() > most {
        true => Err(BodyError::Unread(Unread::TooLong)),
        false => Ok(plain),
    }
}
