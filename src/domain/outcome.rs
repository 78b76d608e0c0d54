//! What became of an attempt to deliver a message.

use serde::{Deserialize, Serialize};

/// The end of one attempt, as the transport saw it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// The receiver took it over (RFC 5321 §6.1).
    Accepted { reply: String },
    /// Refused for good, and the fault is the recipient's or the message's.
    Refused {
        reply: String,
        status: Option<String>,
        recipient_fault: bool,
        /// The address is dead: nothing must be sent to it again.
        suppress: bool,
    },
    /// Refused for now (4yz).
    TryLater { reply: String },
    /// The reply after the final dot was not read to its end: it may or may not have been accepted.
    Uncertain { why: String },
    /// The relay's own fault: the message goes back to the state and place that it had.
    RelayFault { what: String, reply: Option<String> },
    /// The attempt never began.
    NotStarted { why: String },
    /// It can't be sent to this customer at all.
    Undeliverable { why: String },
}
