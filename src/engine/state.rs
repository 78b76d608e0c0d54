//! What the engine keeps of one customer beside the record: the identities of events already seen.
//!
//! A record holds its newest identities itself; the others lie in pages beside it, spread by their hash, so that asking
//! for one reads one page however many there are.

use super::formats::{
    Controls1, CustomerState1, CustomerState2, CustomerState3, CustomerState4, CustomerState5,
    Letter1, Letter2, Letter3, Letter4, LogRow1,
};
use crate::domain::address::{EmailAddress, MailboxId};
use crate::domain::cause::Liveness;
use crate::domain::event::Event;
use crate::domain::id::{CampaignId, CustomerId, CustomerNo, MessageNo};
use crate::domain::ledger::LogRow;
use crate::domain::posted::Letter;
use crate::domain::record::{Mailbox, Record};
use crate::domain::rules::Controls;
use crate::domain::time::Timestamp;
use crate::store::codec::{CodecError, Stored, read_body};
use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One customer, as stored under the record's key.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CustomerState {
    pub record: Record,
    pub seen: Seen,
    /// How many letters this customer has posted: each has a number of its own.
    pub posted: u64,
}

impl Stored for CustomerState {
    const WHAT: &'static str = "customer record";
    const VERSION: u8 = 6;

    fn migrate(version: u8, body: &[u8]) -> Result<Self, CodecError> {
        match version {
            1 => read_body::<Self, CustomerState1>(body)
                .map(|old| CustomerState3::from(CustomerState2::from(old)).into()),
            2 => {
                read_body::<Self, CustomerState2>(body).map(|old| CustomerState3::from(old).into())
            }
            3 => read_body::<Self, CustomerState3>(body).map(CustomerState::from),
            4 => read_body::<Self, CustomerState4>(body).map(CustomerState::from),
            5 => read_body::<Self, CustomerState5>(body).map(CustomerState::from),
            version => Err(CodecError::Unknown {
                what: Self::WHAT,
                version,
            }),
        }
    }
}

/// The shop's own id in a stored [`CustomerState`], without reading the rest: postcard writes fields one after the other,
/// and a record begins with its number and its id. `None` where that can't be told.
pub fn id_of_stored(bytes: &[u8]) -> Option<CustomerId> {
    let (version, body) = bytes.split_first()?;
    // All formats so far begin alike.
    if *version == 0 || *version > CustomerState::VERSION {
        return None;
    }
    let head: (CustomerNo, CustomerId) = postcard::take_from_bytes(body).ok()?.0;
    Some(head.1)
}

/// The mailbox of the present address in a stored [`CustomerState`], likewise. `None` where there is no address, or that
/// can't be told.
pub fn mailbox_of_stored(bytes: &[u8]) -> Option<MailboxId> {
    type Head = (
        CustomerNo,
        CustomerId,
        u64,
        u64,
        Timestamp,
        Timestamp,
        Option<EmailAddress>,
    );
    let (version, body) = bytes.split_first()?;
    if *version == 0 || *version > CustomerState::VERSION {
        return None;
    }
    let head: Head = postcard::take_from_bytes(body).ok()?.0;
    head.6.map(|email| email.mailbox())
}

/// Identities of events already taken in.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Seen {
    pub recent: Vec<u64>,
    /// How many pages the older ones are spread over: 0 or a power of two.
    pub pages: u32,
    pub spilled: u32,
}

impl Seen {
    /// So many are held in the record.
    pub const RECENT: usize = 32;
    /// So many a page holds on average before the pages are doubled.
    pub const PAGE: u32 = 128;

    /// The page on which `identity` lies, if it is not among the recent ones.
    pub fn page_of(&self, identity: u64) -> Option<u32> {
        (self.pages > 0).then(|| (identity % u64::from(self.pages)) as u32)
    }
}

/// One page of identities.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SeenPage(pub Vec<u64>);

impl Stored for SeenPage {
    const WHAT: &'static str = "page of event identities";
    const VERSION: u8 = 1;
}

impl Stored for Letter {
    const WHAT: &'static str = "letter between customers";
    const VERSION: u8 = 5;

    fn migrate(version: u8, body: &[u8]) -> Result<Self, CodecError> {
        match version {
            1 => read_body::<Self, Letter1>(body).map(Letter::from),
            2 => read_body::<Self, Letter2>(body).map(Letter::from),
            3 => read_body::<Self, Letter3>(body).map(Letter::from),
            4 => read_body::<Self, Letter4>(body).map(Letter::from),
            version => Err(CodecError::Unknown {
                what: Self::WHAT,
                version,
            }),
        }
    }
}

impl Stored for Mailbox {
    const WHAT: &'static str = "mailbox";
    const VERSION: u8 = 1;
}

impl Stored for Controls {
    const WHAT: &'static str = "row of controls";
    const VERSION: u8 = 2;

    fn migrate(version: u8, body: &[u8]) -> Result<Self, CodecError> {
        match version {
            1 => read_body::<Self, Controls1>(body).map(Controls::from),
            version => Err(CodecError::Unknown {
                what: Self::WHAT,
                version,
            }),
        }
    }
}

impl Stored for LogRow {
    const WHAT: &'static str = "row of the send log";
    const VERSION: u8 = 2;

    fn migrate(version: u8, body: &[u8]) -> Result<Self, CodecError> {
        match version {
            1 => read_body::<Self, LogRow1>(body).map(LogRow::from),
            version => Err(CodecError::Unknown {
                what: Self::WHAT,
                version,
            }),
        }
    }
}

/// A row of the event history.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct EventRow {
    pub event: Event,
    pub liveness: Liveness,
}

impl Stored for EventRow {
    const WHAT: &'static str = "row of the event history";
    const VERSION: u8 = 1;
}

/// A finished message, as it left.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MailRow {
    pub message: MessageNo,
    /// zstd-compressed RFC 5322 bytes.
    pub bytes: Vec<u8>,
}

impl Stored for MailRow {
    const WHAT: &'static str = "sent mail";
    const VERSION: u8 = 1;
}

/// How far a campaign's occurrences are done in one shard and zone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Occurrence {
    /// Every occurrence up to this instant is done.
    pub upto: Timestamp,
    /// The one that is being walked.
    pub walking: Option<Walking>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Walking {
    pub local: NaiveDateTime,
    pub at: Timestamp,
    /// The last customer of the due index that was done.
    pub cursor: Option<CustomerNo>,
}

impl Stored for Occurrence {
    const WHAT: &'static str = "row of occurrences";
    const VERSION: u8 = 1;
}

/// How far the walk of a shard has come.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Walk {
    pub version: u64,
    /// The latest walk to let existing customers in that this one serves for.
    pub round: u32,
    pub cursor: Option<CustomerNo>,
    pub done: bool,
    pub walked: u64,
    /// How many stood in each campaign's audience when they were first judged by it.
    pub existing: BTreeMap<CampaignId, Standing>,
}

/// How many stood in an audience as its campaign started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Standing {
    /// The audience's hash: an edit counts anew.
    pub hash: u64,
    pub customers: u64,
}

impl Stored for Walk {
    const WHAT: &'static str = "walk";
    const VERSION: u8 = 1;
}

/// A number, under a name of the house.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Number(pub u64);

impl Stored for Number {
    const WHAT: &'static str = "number";
    const VERSION: u8 = 1;
}

/// A text, under a name of the house.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Text(pub String);

impl Stored for Text {
    const WHAT: &'static str = "text";
    const VERSION: u8 = 1;
}

/// A cause at which `react` panicked, or whose customer cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Poison {
    pub at: Timestamp,
    /// The cause, for developers; holds what the customer sent.
    pub cause: String,
    /// The panic's text, or why it cannot be read.
    pub panic: String,
}

impl Stored for Poison {
    const WHAT: &'static str = "poisonous cause";
    const VERSION: u8 = 1;
}

#[cfg(test)]
mod tests {
    use super::{CustomerState, Seen, id_of_stored, mailbox_of_stored};
    use crate::domain::address::EmailAddress;
    use crate::domain::id::{CustomerId, CustomerNo};
    use crate::domain::record::Record;
    use crate::domain::time::Timestamp;
    use crate::store::codec::encode;

    #[test]
    fn the_id_is_read_from_the_head_of_a_stored_record() {
        for (no, id) in [(1, "a"), (70_000, "고객 7"), (u64::MAX, "x@y")] {
            let id = CustomerId::parse(id).unwrap();
            let mut state = CustomerState {
                record: Record::new(CustomerNo(no), id.clone(), Timestamp(5)),
                seen: Seen::default(),
                posted: 0,
            };
            assert_eq!(id_of_stored(&encode(&state)), Some(id));
            assert_eq!(mailbox_of_stored(&encode(&state)), None);
            let email = EmailAddress::parse("Mina@shop.example").unwrap();
            state.record.email = Some(email.clone());
            assert_eq!(mailbox_of_stored(&encode(&state)), Some(email.mailbox()));
        }
        assert_eq!(id_of_stored(&[]), None);
        assert_eq!(id_of_stored(&[1, 2]), None);
    }
}
