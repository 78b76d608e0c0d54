//! Copies of mails for people of the shop: tests on request, and the copies of seed addresses ([`seeds`]).
//!
//! A copy is nobody's message: it stands in no record, takes no place, starts nothing, is followed by nothing and counts
//! in no report. The send log has a row of it, with the statuses `test` and `seed`, under nobody's number.

pub mod seeds;
mod test_mail;

pub use test_mail::{Sent, TestMail};

use super::batch::BatchError;
use super::core::Core;
use super::preview::Form;
use super::shard::Refused;
use crate::domain::address::EmailAddress;
use crate::domain::campaign::Step;
use crate::domain::id::{CampaignId, CustomerNo, EntryKey};
use crate::domain::ledger::{LogRow, Reason, Status};
use crate::domain::outcome::Outcome;
use crate::domain::record::SuppressionCause;
use crate::message::Finished;
use crate::message::labelled::Label;
use crate::store::codec::encode;
use crate::store::{Append, Batch, Stream};
use crate::transport::{Outgoing, Transport};

/// Under this number the rows of copies stand in the log: no customer has it.
pub const NOBODY: CustomerNo = CustomerNo(0);

impl Core {
    /// The transport that carries this step's mails.
    fn transport_of(&self, step: &Step) -> Option<&Transport> {
        let named = step
            .transport
            .as_deref()
            .or(self.default_transport.as_deref());
        let mut all = self.outbox.transports();
        match named {
            Some(name) => all.find(|transport| transport.name() == name),
            None => all.next(),
        }
    }

    /// Takes a copy out, beside the queue and without a turn of the pace.
    async fn deliver_copy(
        &self,
        transport: &Transport,
        finished: Finished,
        label: &Label<'_>,
    ) -> Outcome {
        let labelled = finished.labelled(label);
        let outgoing = Outgoing {
            from: self.from.sender.from.address.clone(),
            to: label.to.clone(),
            message_id: label.message_id.to_owned(),
            bytes: labelled.bytes.into(),
        };
        transport.deliver(outgoing).await
    }

    /// Why nothing is to go to this address, if it is suppressed.
    async fn suppression_of(
        &self,
        to: &EmailAddress,
    ) -> Result<Option<SuppressionCause>, BatchError> {
        let mailbox = self.mailbox(&to.mailbox()).await?;
        Ok(mailbox.suppression.map(|suppression| suppression.cause))
    }

    /// What the log is to say of a copy, and `more` in the same commit.
    async fn log_copy(&self, row: LogRow, more: Batch) -> Result<(), Refused> {
        let mut batch = more;
        batch.appends.push(Append {
            stream: Stream::Log,
            customer: NOBODY.0,
            time: row.time.millis(),
            payload: encode(&row),
        });
        // The mail has left: what became of it is written even where room is short.
        batch.urgent = true;
        self.store.commit(batch).await.map_err(BatchError::from)?;
        Ok(())
    }

    fn copy_row(
        &self,
        status: Status,
        campaign: &CampaignId,
        form: &Form,
        told: (Reason, String),
        attempt: u32,
    ) -> LogRow {
        LogRow {
            time: self.clock.now(),
            customer: NOBODY,
            campaign: campaign.clone(),
            step: Some(form.step.clone()),
            message: None,
            entry: EntryKey::default(),
            variant: form.variant.clone(),
            status,
            reason: told.0,
            detail: told.1,
            attempt,
            goal_until: None,
            value: None,
        }
    }
}

/// What became of a copy, as the log has it. A reply may hold the address, which is in the row masked.
fn told(outcome: &Outcome, to: &EmailAddress) -> (Reason, String) {
    let (reason, why) = match outcome {
        Outcome::Accepted { reply } => (Reason::Accepted, reply),
        Outcome::Refused {
            reply, suppress, ..
        } => match suppress {
            true => (Reason::DeadAddress, reply),
            false => (Reason::Refused, reply),
        },
        Outcome::TryLater { reply } => (Reason::TryLater, reply),
        Outcome::Uncertain { why } => (Reason::InDoubt, why),
        Outcome::RelayFault { what, .. } => (Reason::RelayFault, what),
        Outcome::NotStarted { why } => (Reason::NotStarted, why),
        Outcome::Undeliverable { why } => (Reason::Undeliverable, why),
        Outcome::TooFew { why } => (Reason::TooFewProducts, why),
    };
    let why = why.replace(to.as_str(), &to.masked());
    (reason, why)
}
