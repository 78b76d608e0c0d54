//! Test mails: really sent, by the transport of their step, to somebody of the shop who asked for them.

use super::{Core, told};
use crate::domain::address::EmailAddress;
use crate::domain::ledger::Status;
use crate::domain::outcome::Outcome;
use crate::domain::record::SuppressionCause;
use crate::engine::core::random_bytes;
use crate::engine::preview::{Person, PreviewError, Question, Stage, Who};
use crate::message::labelled::{Label, TEST_FIELD, TEST_SUBJECT};
use crate::store::Batch;
use crate::store::memory::MemoryStore;
use serde::{Deserialize, Serialize};

/// No more test mails go at once.
pub const MOST: usize = 20;

/// What is to be sent.
#[derive(Clone, Debug)]
pub struct TestMail {
    pub question: Question,
    pub to: EmailAddress,
    /// Who asked for it, for the log.
    pub by: String,
}

/// What became of one test mail.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sent {
    pub campaign: String,
    pub step: String,
    pub variant: Option<String>,
    pub locale: String,
    pub transport: String,
    pub message_id: String,
    pub accepted: bool,
    /// The reason's code, as the log has it.
    pub reason: String,
    pub detail: String,
}

impl Core {
    /// Sends the mails of the question to that address, by the files as they are now. No window, cap, pause or hold stands
    /// against it: somebody asked for it. `only_to` does, and an address that must not be written to at all.
    pub async fn test_send(&self, test: &TestMail) -> Result<Vec<Sent>, PreviewError> {
        self.may_be_tested(&test.to).await?;
        let (config, now) = (self.config(), self.clock.now());
        let nowhere = MemoryStore::new();
        let salt = self.catalogue().rules.salt;
        let stage = match test.question.who {
            Who::MadeUp => Stage::read(&config, &nowhere, salt, now).await?.eased(),
            _ => Stage::read(&config, &*self.store, salt, now).await?,
        };
        let question = &test.question;
        let people = self.people(&question.who, question, &stage).await?;
        let mut mails = Vec::new();
        for campaign in stage.campaigns(question.campaign.as_ref())? {
            for person in &people {
                for form in stage.forms(&campaign, &question.wanted, person)? {
                    mails.push((campaign.clone(), form, person));
                }
            }
        }
        if mails.is_empty() || mails.len() > MOST {
            return Err(PreviewError::Asked(format!(
                "that would be {} mails, and 1 to {MOST} go at once: choose with --step, --variant and --locale",
                mails.len()
            )));
        }
        // All can be made and carried, or none goes.
        let mut ready = Vec::new();
        for (campaign, form, person) in mails {
            let made = stage.made(&campaign, &form, person).await?;
            let made = made.map_err(|why| {
                PreviewError::Asked(format!("{} cannot be made: {why}", form.step))
            })?;
            let step = campaign.step(&form.step);
            let Some(transport) = step.and_then(|s| self.transport_of(s)) else {
                return Err(PreviewError::Asked(format!(
                    "there is no transport for step {}",
                    form.step
                )));
            };
            if !transport.may_send_to(&test.to) {
                return Err(PreviewError::Asked(format!(
                    "{} is not among the recipients of `only_to` of [transport.{}]",
                    test.to.as_str(),
                    transport.name()
                )));
            }
            ready.push((campaign, form, person, made.plain, transport.clone()));
        }
        let mut sent = Vec::new();
        for (campaign, form, person, finished, transport) in ready {
            let message_id = self.test_id()?;
            let whose = match person {
                Person::MadeUp => "made-up customer".to_owned(),
                Person::Known(_) => "customer's data".to_owned(),
            };
            let parts = [
                Some(campaign.id.as_str()),
                Some(form.step.as_str()),
                form.variant.as_deref(),
                Some(form.locale.as_str()),
                Some(whose.as_str()),
            ];
            let field = parts.into_iter().flatten().collect::<Vec<_>>().join("; ");
            let label = Label {
                to: &test.to,
                message_id: &message_id,
                subject: Some(TEST_SUBJECT),
                field: (TEST_FIELD, &field),
            };
            let outcome = self.deliver_copy(&transport, finished, &label).await;
            let (reason, detail) = told(&outcome, &test.to);
            let row = (
                reason,
                format!(
                    "to {}, asked for by {}: {detail}",
                    test.to.masked(),
                    test.by
                ),
            );
            let row = self.copy_row(Status::Test, &campaign.id, &form, row, 1);
            tracing::info!(campaign = %campaign.id, step = %form.step, by = test.by, reason = reason.code(), "a test mail");
            self.log_copy(row, Batch::default()).await?;
            // Of a folder people look at the page.
            transport.flush().await;
            sent.push(Sent {
                campaign: campaign.id.to_string(),
                step: form.step.to_string(),
                variant: form.variant,
                locale: form.locale,
                transport: transport.name().to_owned(),
                message_id,
                accepted: matches!(outcome, Outcome::Accepted { .. }),
                reason: reason.code().to_owned(),
                detail,
            });
        }
        Ok(sent)
    }

    /// Who left advertising may test it all the same: they ask for it themselves. An address that is dead, that complained,
    /// that was forgotten or is barred by hand is left alone, since sending there harms the sender.
    async fn may_be_tested(&self, to: &EmailAddress) -> Result<(), PreviewError> {
        match self.suppression_of(to).await? {
            Some(cause) if cause != SuppressionCause::Unsubscribe => {
                Err(PreviewError::Asked(format!(
                    "{} is suppressed: `reveille suppression list` says why",
                    to.as_str()
                )))
            }
            _ => Ok(()),
        }
    }

    fn test_id(&self) -> Result<String, PreviewError> {
        let mut random = [0u8; 12];
        random_bytes(&mut random)?;
        let hex: String = random.iter().map(|b| format!("{b:02x}")).collect();
        let domain = self.from.sender.from.address.domain();
        Ok(format!("test.{hex}@{domain}"))
    }
}
