//! Everything that is kept of one customer, as data that can be handed over to them: the view, each event as it was
//! taken in, each row of the send log, each mail that left, with what became of it (as long as `[retention]` keeps them).
//!
//! A mail to staff about the customer is told of, not handed over: whom it went to, and when they read it, is theirs
//! (GDPR art. 15(4)), and what it says of the customer stands in the rest.

use super::{CustomerView, LogFilter, LogView};
use crate::domain::cause::Liveness;
use crate::domain::chance;
use crate::domain::explain::rfc3339;
use crate::domain::id::{CampaignId, CustomerId, CustomerNo, MessageRef};
use crate::domain::ledger::{LogRow, Reason, Status};
use crate::domain::time::Timestamp;
use crate::domain::value::properties_to_json;
use crate::engine::batch::BatchError;
use crate::engine::core::Core;
use crate::engine::hits::HitRow;
use crate::engine::shard::Refused;
use crate::engine::state::{EventRow, MailRow};
use crate::store::codec::decode;
use crate::store::{Row, Stream, StreamFilter};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// One customer, whole.
#[derive(Clone, Debug, Serialize)]
pub struct Export {
    #[serde(serialize_with = "rfc3339")]
    pub exported: Timestamp,
    pub customer: CustomerView,
    /// In the order in which they were taken in.
    pub history: Vec<EventView>,
    /// Oldest first.
    pub log: Vec<LogView>,
    /// Oldest first.
    pub mails: Vec<SentMail>,
    /// Pixels fetched and links followed, and what each was taken for.
    pub hits: Vec<HitView>,
    /// By the hour of their clock, how many answers count there: newer ones whole, older ones in part.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub answer_hours: BTreeMap<String, f64>,
    /// Mails to staff about the customer that left, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes_to_staff: Vec<StaffNote>,
}

/// That a mail to staff was written about the customer.
#[derive(Clone, Debug, Serialize)]
pub struct StaffNote {
    pub message_id: String,
    #[serde(serialize_with = "rfc3339")]
    pub time: Timestamp,
    pub campaign: CampaignId,
    pub step: Option<String>,
    /// As of a mail.
    pub status: &'static str,
}

/// A hit, or what it was taken for.
#[derive(Clone, Debug, Serialize)]
pub struct HitView {
    pub message_id: String,
    #[serde(serialize_with = "rfc3339")]
    pub time: Timestamp,
    #[serde(flatten)]
    pub what: Value,
}

/// An event, as it was taken in.
#[derive(Clone, Debug, Serialize)]
pub struct EventView {
    pub event: String,
    #[serde(serialize_with = "rfc3339")]
    pub time: Timestamp,
    pub properties: Value,
    /// It was brought in as history, and started nothing.
    pub history: bool,
}

/// A mail, as it left the first time.
#[derive(Clone, Debug, Serialize)]
pub struct SentMail {
    pub message_id: String,
    #[serde(serialize_with = "rfc3339")]
    pub time: Timestamp,
    /// What became of it, by its last row in the log that says: `accepted`, `uncertain`, `refused` or `bounced`.
    pub status: &'static str,
    /// The whole message (RFC 5322), headers first.
    pub message: String,
}

impl Core {
    /// All that is kept of a customer; none if the id was never heard of.
    pub async fn export(&self, id: &CustomerId) -> Result<Option<Export>, Refused> {
        let Some(customer) = self.customer_view(id).await? else {
            return Ok(None);
        };
        let Some((_, Some(record))) = self.whom(id).await? else {
            return Ok(None);
        };
        // Those who were merged into this customer are this customer.
        let mut numbers: Vec<u64> = record.numbers().map(|no| no.0).collect();
        numbers.sort_unstable();
        let rows = async |stream| -> Result<Vec<Row>, BatchError> {
            let filter = StreamFilter {
                customers: Some(numbers.clone()),
                ..StreamFilter::default()
            };
            Ok(self.store.read_stream(stream, filter).await?)
        };
        let mut history = Vec::new();
        for row in rows(Stream::Events).await? {
            let EventRow { event, liveness } = decode(&row.payload).map_err(BatchError::from)?;
            history.push(EventView {
                event: event.name.to_string(),
                time: event.time,
                properties: properties_to_json(&event.properties),
                history: liveness == Liveness::History,
            });
        }
        let salt = self.catalogue().rules.salt;
        let domain = self.from.sender.from.address.domain();
        // A mail is kept from the moment its first attempt may begin: one that was given back, or that the server never
        // took for good, did not leave.
        let message_id =
            |message: MessageRef| format!("{}@{domain}", chance::message_id(&salt, message));
        let mut left: BTreeMap<MessageRef, Status> = BTreeMap::new();
        let mut notes: BTreeMap<MessageRef, LogRow> = BTreeMap::new();
        for row in rows(Stream::Log).await? {
            let row: LogRow = decode(&row.payload).map_err(BatchError::from)?;
            let of = |message| MessageRef {
                customer: row.customer,
                message,
            };
            if let (Some(message), Reason::Notified) = (row.message.map(of), row.reason) {
                notes.insert(message, row.clone());
            }
            if let (
                Some(message),
                Status::Accepted | Status::Uncertain | Status::Refused | Status::Bounced,
            ) = (row.message, row.status)
            {
                left.insert(of(message), row.status);
            }
        }
        let (mut mails, mut notes_to_staff) = (Vec::new(), Vec::new());
        for row in rows(Stream::Mails).await? {
            let time = Timestamp(row.time);
            let mail: MailRow = decode(&row.payload).map_err(BatchError::from)?;
            let reference = MessageRef {
                customer: CustomerNo(row.customer),
                message: mail.message,
            };
            let Some(status) = left.get(&reference) else {
                continue;
            };
            if let Some(row) = notes.get(&reference) {
                notes_to_staff.push(StaffNote {
                    message_id: message_id(reference),
                    time,
                    campaign: row.campaign.clone(),
                    step: row.step.as_ref().map(ToString::to_string),
                    status: status.as_str(),
                });
                continue;
            }
            let bytes = zstd::decode_all(mail.bytes.as_slice())
                .map_err(|e| Refused::Data(format!("a sent mail cannot be read: {e}")))?;
            mails.push(SentMail {
                message_id: message_id(reference),
                time,
                status: status.as_str(),
                message: String::from_utf8_lossy(&bytes).into_owned(),
            });
        }
        let mut hits = Vec::new();
        for row in rows(Stream::Hits).await? {
            let (message, view) = match decode(&row.payload).map_err(BatchError::from)? {
                HitRow::Hit { message, hit } => (
                    message,
                    json!({ "kind": hit.kind, "agent": hit.agent, "method": hit.method }),
                ),
                HitRow::Classed {
                    message,
                    kind,
                    class,
                    reason,
                    ..
                } => (
                    message,
                    json!({ "kind": kind, "taken_for": class, "because": reason.text() }),
                ),
            };
            let reference = MessageRef {
                customer: CustomerNo(row.customer),
                message,
            };
            if notes.contains_key(&reference) {
                continue;
            }
            hits.push(HitView {
                message_id: message_id(reference),
                time: Timestamp(row.time),
                what: view,
            });
        }
        let filter = LogFilter {
            customer: Some(id.clone()),
            ..LogFilter::default()
        };
        // Whom it went to may stand in what the server answered.
        let of_notes: BTreeSet<String> = notes.keys().map(|note| message_id(*note)).collect();
        let mut log = self.log(&filter).await?;
        for row in &mut log {
            let of_note = (row.message_id.as_ref()).is_some_and(|id| of_notes.contains(id));
            if of_note || row.reason == Reason::Notified.code() {
                row.detail.clear();
            }
        }
        Ok(Some(Export {
            exported: self.clock.now(),
            customer,
            history,
            log,
            mails,
            hits,
            answer_hours: record.hours.by_hour().collect(),
            notes_to_staff,
        }))
    }
}
