//! What is known of an address, whoever's it is: [`Mailbox`].

use super::id::{CampaignId, MessageRef};
use super::preference::{Class, Consents};
use super::time::Timestamp;
use serde::{Deserialize, Serialize};

/// One address: what all customers who share it share.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Mailbox {
    pub suppression: Option<Suppression>,
    /// Refusals bind all customers of the mailbox until a later consent.
    pub refusals: Consents,
    /// Places taken, oldest first, kept for the longest cap in force.
    pub places: Vec<Place>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Suppression {
    pub cause: SuppressionCause,
    pub at: Timestamp,
    pub note: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuppressionCause {
    HardBounce,
    Complaint,
    Unsubscribe,
    ByHand,
    /// A customer with this address was forgotten: until somebody consents anew, nothing goes there.
    Forgotten,
}

/// One of the N messages of a cap.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Place {
    pub at: Timestamp,
    pub message: MessageRef,
    pub campaign: CampaignId,
    pub class: Class,
}
