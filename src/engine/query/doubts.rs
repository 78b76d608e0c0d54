//! Messages in doubt: which there are, and an operator's word on one.

use super::log::read_message_id;
use crate::domain::cause::{Cause, Operator};
use crate::domain::chance;
use crate::domain::explain::{rfc3339, rfc3339_or_null, state_word};
use crate::domain::id::{CampaignId, CustomerId, CustomerNo, MessageNo, MessageRef, ShardNo};
use crate::domain::ledger::{LogRow, Status};
use crate::domain::react::Answer;
use crate::domain::record::{MessageState, Record};
use crate::domain::time::Timestamp;
use crate::engine::batch::BatchError;
use crate::engine::control::ControlError;
use crate::engine::core::Core;
use crate::engine::pages::{PAGE, messages_to_go, records_of};
use crate::engine::shard::Refused;
use crate::store::codec::decode;
use crate::store::{Stream, StreamFilter};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A message of which it is not known whether the mail server took it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DoubtView {
    pub message_id: String,
    pub customer: CustomerId,
    pub campaign: CampaignId,
    pub step: String,
    /// Masked.
    pub address: Option<String>,
    #[serde(serialize_with = "rfc3339_or_null")]
    pub since: Option<Timestamp>,
    /// Why it is not known.
    pub why: String,
    /// The attempt that is in doubt.
    pub attempt: u32,
    /// It waits for an operator; else it is sent again at `again`.
    pub held: bool,
    #[serde(serialize_with = "rfc3339_or_null")]
    pub again: Option<Timestamp>,
    #[serde(serialize_with = "rfc3339")]
    pub expires: Timestamp,
}

impl Core {
    /// Every message in doubt, the customers in the order of their numbers.
    pub async fn doubts(&self) -> Result<Vec<DoubtView>, Refused> {
        let mut customers: BTreeSet<CustomerNo> = BTreeSet::new();
        for shard in ShardNo::all() {
            // One that is held stands in the outbox as well, at no instant that ever comes.
            let messages = messages_to_go(&*self.store, shard).await?;
            customers.extend(messages.iter().map(|message| message.customer));
        }
        let customers: Vec<CustomerNo> = customers.into_iter().collect();
        let mut doubts = Vec::new();
        for page in customers.chunks(PAGE) {
            for record in records_of(&*self.store, page).await?.into_iter().flatten() {
                self.doubts_of(&record, &mut doubts);
            }
        }
        self.tell_since(&mut doubts).await?;
        Ok(doubts.into_iter().map(|(_, view)| view).collect())
    }

    fn doubts_of(&self, record: &Record, doubts: &mut Vec<(MessageRef, DoubtView)>) {
        let salt = self.catalogue().rules.salt;
        let domain = self.from.sender.from.address.domain();
        let in_doubt = (record.messages.values()).filter(|m| m.state == MessageState::Uncertain);
        for message in in_doubt {
            let reference = MessageRef {
                customer: record.no,
                message: message.no,
            };
            let held = message.not_before == Timestamp::NEVER;
            let view = DoubtView {
                message_id: format!("{}@{domain}", chance::message_id(&salt, reference)),
                customer: record.id.clone(),
                campaign: message.campaign.clone(),
                step: message.step.to_string(),
                address: message.to.as_ref().map(|to| to.masked()),
                since: None,
                why: String::new(),
                attempt: message.attempts,
                held,
                again: (!held).then_some(message.not_before),
                expires: message.expires,
            };
            doubts.push((reference, view));
        }
    }

    /// Since when, and why: the log knows.
    async fn tell_since(&self, doubts: &mut [(MessageRef, DoubtView)]) -> Result<(), Refused> {
        if doubts.is_empty() {
            return Ok(());
        }
        let mut customers: Vec<u64> = doubts.iter().map(|(m, _)| m.customer.0).collect();
        customers.dedup();
        let filter = StreamFilter {
            customers: Some(customers),
            ..StreamFilter::default()
        };
        let rows = self.store.read_stream(Stream::Log, filter).await;
        // By message and attempt: its first row in doubt.
        let mut told: BTreeMap<(CustomerNo, MessageNo, u32), LogRow> = BTreeMap::new();
        for row in rows.map_err(BatchError::from)? {
            // A row that cannot be read keeps nobody else's doubt from being told.
            let Ok(row) = decode::<LogRow>(&row.payload) else {
                continue;
            };
            if let (Some(message), Status::Uncertain) = (row.message, row.status) {
                let of = (row.customer, message, row.attempt);
                told.entry(of).or_insert(row);
            }
        }
        for (message, view) in doubts {
            let of = (message.customer, message.message, view.attempt);
            if let Some(row) = told.remove(&of) {
                view.since = Some(row.time);
                view.why = row.detail;
            }
        }
        Ok(())
    }

    /// An operator's word on a message in doubt: it is sent again, with the same Message-ID and the same bytes, when
    /// policy allows; or it is taken as sent, and its place stays taken.
    pub async fn settle_doubt(
        self: &Arc<Self>,
        message_id: &str,
        resend: bool,
        by: &str,
    ) -> Result<(), ControlError> {
        let unknown = || ControlError::NoMessage(message_id.to_owned());
        let local = message_id.trim().trim_start_matches('<');
        let local = local.split(['@', '>']).next().unwrap_or(local);
        let salt = self.catalogue().rules.salt;
        let message = read_message_id(local)
            .filter(|m| chance::message_id(&salt, *m) == local)
            .ok_or_else(unknown)?;
        let settle = Operator::Settle {
            message: message.message,
            resend,
        };
        // Whether it is in doubt is for the shard to say: the next attempt may be about to begin.
        let reply = (self.act(message.customer, Cause::Operator(settle))).await?;
        if reply.answer == Some(Answer::Settled) {
            tracing::info!(message = %local, resend, by, "a message in doubt was settled");
            return Ok(());
        }
        let state = (self.customer(message.customer).await).map_err(Refused::from)?;
        let record = &state.as_ref().ok_or_else(unknown)?.record;
        let is = match record.messages.get(&message.message) {
            // Not a word from `react`, and nothing done.
            Some(m) if m.state == MessageState::Uncertain => {
                let why = "this word could not be taken in; `reveille customer poisonous` says why";
                return Err(Refused::Data(why.to_owned()).into());
            }
            Some(m) => state_word(m.state).to_string(),
            None if message.message.0 < record.next_message => "settled already".to_owned(),
            None => return Err(unknown()),
        };
        Err(ControlError::NotInDoubt {
            message: message_id.to_owned(),
            is,
        })
    }
}
