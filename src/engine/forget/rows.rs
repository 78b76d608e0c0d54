//! What the store keeps of an erasure.

use crate::domain::address::MailboxId;
use crate::domain::id::CustomerId;
use crate::domain::record::SuppressionCause;
use crate::domain::time::Timestamp;
use crate::engine::state::Number;
use crate::store::codec::{CodecError, Stored, read_body};
use serde::{Deserialize, Serialize};

/// A keyed hash (HMAC-SHA-256).
pub type Hash = [u8; 32];

/// One customer's erasure. It names nobody, but for as long as it is being made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Erasure {
    pub at: Timestamp,
    /// The customer's, and those of whoever was merged into them.
    pub numbers: Vec<u64>,
    pub ids: Vec<Hash>,
    pub addresses: Vec<Hash>,
    /// What is still to be taken away at once; gone with the commit that ends it.
    pub begun: Option<Begun>,
    /// When the bytes had gone, too.
    pub erased: Option<Timestamp>,
}

/// What a start after a crash needs to go on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Begun {
    pub ids: Vec<CustomerId>,
    /// Whether somebody else has the address is asked at the end; older versions noted it here.
    pub addresses: Vec<(MailboxId, bool)>,
}

/// What stands under an address' keyed hash: since when, and what kept mail from it before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Since {
    pub at: Timestamp,
    pub cause: SuppressionCause,
}

impl Since {
    pub fn forgotten(at: Timestamp) -> Since {
        Since {
            at,
            cause: SuppressionCause::Forgotten,
        }
    }
}

impl Stored for Since {
    const WHAT: &'static str = "forgotten address";
    const VERSION: u8 = 2;

    fn migrate(version: u8, body: &[u8]) -> Result<Self, CodecError> {
        match version {
            1 => read_body::<Self, Number>(body).map(|at| Since::forgotten(Timestamp(at.0 as i64))),
            version => Err(CodecError::Unknown {
                what: Self::WHAT,
                version,
            }),
        }
    }
}

impl Stored for Erasure {
    const WHAT: &'static str = "row of erasures";
    const VERSION: u8 = 1;
}
