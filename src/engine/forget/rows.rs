//! What the store keeps of an erasure.

use crate::domain::address::MailboxId;
use crate::domain::id::CustomerId;
use crate::domain::time::Timestamp;
use crate::store::codec::Stored;
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
    /// Whether somebody else has the address, too.
    pub addresses: Vec<(MailboxId, bool)>,
}

impl Stored for Erasure {
    const WHAT: &'static str = "row of erasures";
    const VERSION: u8 = 1;
}
