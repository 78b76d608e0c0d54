//! Every value of the store: a format version, then postcard.
//!
//! Each kind of value has a chain of migrations: `decode` brings bytes of any older version up to the newest, one step
//! at a time. A version that is newer than this program is refused, not guessed at.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A kind of value, with its newest format.
pub trait Stored: Serialize + DeserializeOwned {
    /// For error texts.
    const WHAT: &'static str;
    /// The newest format's version; it rises when the shape changes.
    const VERSION: u8;

    /// Reads a body of an older version. Each step of the chain reads one version and hands on to the next.
    fn migrate(version: u8, body: &[u8]) -> Result<Self, CodecError> {
        let _ = body;
        Err(CodecError::Unknown {
            what: Self::WHAT,
            version,
        })
    }
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CodecError {
    #[error(
        "a {what} of format {version}: this program is older than the data; install the newer one"
    )]
    Unknown { what: &'static str, version: u8 },
    #[error("a {what} cannot be read: {why}")]
    Damaged { what: &'static str, why: String },
}

pub fn encode<T: Stored>(value: &T) -> Vec<u8> {
    let bytes = vec![T::VERSION];
    // Serialising plain data into a growing vector cannot fail: no map of unknown length, no I/O.
    postcard::to_extend(value, bytes).expect("plain data always encodes")
}

pub fn decode<T: Stored>(bytes: &[u8]) -> Result<T, CodecError> {
    let Some((version, body)) = bytes.split_first() else {
        return Err(CodecError::Damaged {
            what: T::WHAT,
            why: "it is empty".into(),
        });
    };
    if *version != T::VERSION {
        return T::migrate(*version, body);
    }
    read_body::<T, T>(body)
}

/// Reads the body of a `T` in a shape of its own: an older format, on the way to the newest.
pub fn read_body<T: Stored, Shape: DeserializeOwned>(body: &[u8]) -> Result<Shape, CodecError> {
    postcard::from_bytes(body).map_err(|e| CodecError::Damaged {
        what: T::WHAT,
        why: e.to_string(),
    })
}
