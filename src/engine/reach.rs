//! Whom advertising can reach, and why not the others: what an import ends with.

use super::batch::BatchError;
use super::core::Core;
use super::pages::RecordPages;
use super::shard::Refused;
use crate::domain::address::MailboxId;
use crate::domain::preference::{ConsentState, Standing, consent_for, standing_on};
use crate::domain::record::{Mailbox, Record};
use crate::domain::rules::Rules;
use serde::Serialize;

/// How many customers at least one topic of advertising can reach, and the first reason for each of the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Reach {
    pub customers: u64,
    pub reachable: u64,
    pub no_address: u64,
    /// A dead address, a complaint, an unsubscribe, or by hand.
    pub suppressed: u64,
    /// They said no.
    pub refused: u64,
    /// They asked, and have not confirmed it yet.
    pub unconfirmed: u64,
    /// Nobody knows that they said yes.
    pub no_consent: u64,
}

impl Core {
    /// Reads every customer once.
    pub async fn reach(&self) -> Result<Reach, Refused> {
        let rules = std::sync::Arc::clone(&self.catalogue().rules);
        let mut reach = Reach::default();
        let mut pages = RecordPages::of(&*self.store);
        while let Some(records) = pages.next().await? {
            let ids: Vec<Option<MailboxId>> = records
                .iter()
                .map(|r| r.email.as_ref().map(|e| e.mailbox()))
                .collect();
            let boxes = self.mailboxes(ids.iter().flatten()).await?;
            let mut boxes = boxes.into_iter();
            for (record, id) in records.iter().zip(&ids) {
                let mailbox = id.as_ref().and_then(|_| boxes.next()).unwrap_or_default();
                count(&mut reach, record, &mailbox, &rules);
            }
        }
        Ok(reach)
    }

    async fn mailboxes(
        &self,
        ids: impl Iterator<Item = &MailboxId>,
    ) -> Result<Vec<Mailbox>, BatchError> {
        let ids: Vec<MailboxId> = ids.cloned().collect();
        let found = self.forgotten.mailboxes(&*self.store, &ids).await?;
        let decoded = found.into_iter().map(|stood| stood.mailbox);
        Ok(decoded.collect::<Result<_, _>>()?)
    }
}

fn count(reach: &mut Reach, record: &Record, mailbox: &Mailbox, rules: &Rules) {
    reach.customers += 1;
    let counter = if record.email.is_none() {
        &mut reach.no_address
    } else if mailbox.suppression.is_some() {
        &mut reach.suppressed
    } else {
        let mut whole = std::iter::once(None).chain(rules.topics.keys().map(Some));
        let mut refused = false;
        let given = whole.any(|topic| {
            let standing = standing_on(&record.consents, topic, &rules.topics);
            let by_mailbox = consent_for(&mailbox.refusals, topic)
                .is_some_and(|c| c.state == ConsentState::Refused);
            refused |= standing == Standing::Refused || by_mailbox;
            standing == Standing::Given && !by_mailbox
        });
        match (given, refused) {
            (true, _) => &mut reach.reachable,
            (false, true) => &mut reach.refused,
            (false, false) if !record.pending.is_empty() => &mut reach.unconfirmed,
            (false, false) => &mut reach.no_consent,
        }
    };
    *counter += 1;
}
