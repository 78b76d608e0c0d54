//! A customer's word as the public pages tell it: refusals that come by a link of a mail, choices made on the preference
//! centre; and the consent ledger read back.
//!
//! A refusal binds the mailbox that the mail went to, so that is looked up: in the record while the message is under
//! way, else in the copy of what was sent, else the customer's present address stands for it.

use super::batch::{BatchError, Work};
use super::core::Core;
use super::formats::ConsentRow1;
use super::shard::Refused;
use super::state::MailRow;
use crate::domain::address::{EmailAddress, MailboxId};
use crate::domain::cause::{Cause, ConsentChange, Liveness, ProfileChange};
use crate::domain::chance::keyed_hash;
use crate::domain::consent_ledger::{ConsentRow, MailOf, Origin};
use crate::domain::event::Event;
use crate::domain::id::{CustomerNo, EventName, MessageNo, MessageRef, TopicId};
use crate::domain::ledger::LogRow;
use crate::domain::preference::ConsentState;
use crate::domain::record::{Mailbox, Record};
use crate::domain::value::{Properties, Value};
use crate::store::codec::{CodecError, Stored, decode, read_body};
use crate::store::{Direction, Stream, StreamFilter, keys};

/// When customers looked at their preferences on the page and kept or changed them.
pub const REVIEWED: &str = "Preferences Reviewed";

const PAGE: usize = 1_000;

impl Stored for ConsentRow {
    const WHAT: &'static str = "row of the consent ledger";
    const VERSION: u8 = 2;

    fn migrate(version: u8, body: &[u8]) -> Result<Self, CodecError> {
        match version {
            1 => read_body::<Self, ConsentRow1>(body).map(ConsentRow::from),
            version => Err(CodecError::Unknown {
                what: Self::WHAT,
                version,
            }),
        }
    }
}

/// By which way a word came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct By {
    pub source: &'static str,
    /// The network address of whoever told it.
    pub address: Option<String>,
    /// The message whose link was followed.
    pub message: Option<MessageNo>,
}

/// What a customer chose on the preference centre.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    pub profile: ProfileChange,
    /// Topic (`None`: advertising as a whole), word, and the wording that was shown.
    pub consents: Vec<(Option<TopicId>, ConsentState, String)>,
}

impl Choices {
    /// Whether it differs from how the customer stands.
    pub fn change_anything(&self) -> bool {
        self.profile != ProfileChange::default() || !self.consents.is_empty()
    }
}

impl Core {
    /// Who writes, as customers know them.
    pub fn shop_name(&self) -> String {
        let sender = &self.from.sender;
        let name = sender.from.name.clone().or(sender.company.clone());
        name.unwrap_or_else(|| sender.from.address.domain().to_owned())
    }

    /// The customer, whoever they were merged into, and the mailbox of their present address; none if there is no such
    /// customer.
    pub async fn customer_and_mailbox(
        &self,
        no: CustomerNo,
    ) -> Result<Option<(Record, Mailbox)>, Refused> {
        let (_, Some(record)) = self.follow(no).await? else {
            return Ok(None);
        };
        let mailbox = match &record.email {
            Some(email) => self.mailbox(&email.mailbox()).await?,
            None => Mailbox::default(),
        };
        Ok(Some((record, mailbox)))
    }

    pub(super) async fn mailbox(&self, id: &MailboxId) -> Result<Mailbox, BatchError> {
        let ids = std::slice::from_ref(id);
        let found = self.forgotten.mailboxes(&*self.store, ids).await?;
        let mailbox = found.into_iter().next().map(|stood| stood.mailbox);
        Ok(mailbox.transpose()?.unwrap_or_default())
    }

    /// The customer leaves `topic` (`None`: advertising as a whole). Durable when it returns, and in force for whatever
    /// waits; telling it again changes nothing. False if there is no such customer.
    pub async fn leave(
        &self,
        no: CustomerNo,
        topic: Option<TopicId>,
        wording: Option<String>,
        by: By,
    ) -> Result<bool, Refused> {
        if self.customer_and_mailbox(no).await?.is_none() {
            return Ok(false);
        }
        let origin = self.origin(no, &by).await;
        // Whether it says anything new is for the reaction to tell, which alone knows all that was said since.
        let change = ConsentChange {
            topic,
            state: ConsentState::Refused,
            at: self.clock.now(),
            source: by.source.to_owned(),
            wording,
            origin,
        };
        self.act(no, Cause::Consent(change, Liveness::Live)).await?;
        Ok(true)
    }

    /// Takes what the customer chose on the preference centre, and that they looked at it. Durable when it returns.
    pub async fn choose(&self, no: CustomerNo, choices: Choices, by: By) -> Result<bool, Refused> {
        if self.customer_and_mailbox(no).await?.is_none() {
            return Ok(false);
        }
        let changed = choices.change_anything();
        let mut origin = self.origin(no, &by).await;
        // Whoever ticks it, or presses the button, wants the mail.
        origin.anew = true;
        let now = self.clock.now();
        let mut causes = Vec::new();
        for (topic, state, wording) in choices.consents {
            let change = ConsentChange {
                topic,
                state,
                at: now,
                source: by.source.to_owned(),
                wording: Some(wording),
                origin: origin.clone(),
            };
            let cause = Cause::Consent(change, Liveness::Live);
            // Refusals first and by themselves: what stops mail is taken on a full disk too, whatever becomes of the rest.
            match state {
                ConsentState::Refused => _ = self.act(no, cause).await?,
                ConsentState::Given => causes.push(cause),
            }
        }
        if choices.profile != ProfileChange::default() {
            let profile = Box::new(choices.profile);
            causes.push(Cause::Profile(profile, Liveness::Live));
        }
        let salt = self.catalogue().rules.salt;
        let identity = keyed_hash(
            &salt,
            &[
                REVIEWED.as_bytes(),
                &no.0.to_le_bytes(),
                &now.millis().to_le_bytes(),
            ],
        );
        let properties = Properties::from([
            ("changed".to_owned(), Value::Bool(changed)),
            ("source".to_owned(), Value::Text(by.source.to_owned())),
        ]);
        causes.push(Cause::Event(
            Event {
                name: EventName::parse(REVIEWED).map_err(Refused::Data)?,
                time: now,
                properties,
                identity,
                ahead: false,
            },
            Liveness::Live,
        ));
        let mut answers = Vec::with_capacity(causes.len());
        for cause in causes {
            let work = Work {
                customer: no,
                id: None,
                cause,
                mail: None,
            };
            answers.push(self.shard(no).offer_in_order(work).await);
        }
        for answer in answers {
            answer.await.unwrap_or(Err(Refused::Stopping))?;
        }
        Ok(true)
    }

    /// `customer` is the one whom the link names: the message is of theirs, whoever they were merged into. What cannot be
    /// read keeps nobody from being heard: without it the word binds the present address.
    pub(super) async fn origin(&self, customer: CustomerNo, by: &By) -> Origin {
        let mut origin = Origin {
            address: by.address.clone(),
            message: by.message.map(|message| MessageRef { customer, message }),
            ..Origin::default()
        };
        if let Some(no) = by.message
            && let Err(error) = self.look_up_mail(customer, no, &mut origin).await
        {
            tracing::error!(customer = customer.0, message = no.0, %error, "what a mail was whose link was followed cannot be read; the customer's word is taken without it");
        }
        origin
    }

    /// The mailbox that this message of theirs went to, as far as it can still be told.
    pub async fn went_to(&self, customer: CustomerNo, message: MessageNo) -> Option<MailboxId> {
        let by = By {
            source: "",
            address: None,
            message: Some(message),
        };
        self.origin(customer, &by).await.mailbox
    }

    /// What the message was and where it went.
    async fn look_up_mail(
        &self,
        customer: CustomerNo,
        no: MessageNo,
        origin: &mut Origin,
    ) -> Result<(), BatchError> {
        let state = self.customer(customer).await?;
        if let Some(message) = state.as_ref().and_then(|s| s.record.messages.get(&no)) {
            origin.mail = Some(Box::new(MailOf {
                campaign: message.campaign.clone(),
                step: message.step.clone(),
                entry: message.entry.clone(),
                variant: message.variant.clone(),
            }));
            origin.mailbox = message.to.as_ref().map(EmailAddress::mailbox);
            return Ok(());
        }
        let of_customer = || StreamFilter {
            customers: Some(vec![customer.0]),
            ..StreamFilter::default()
        };
        let mails = self.store.read_stream(Stream::Mails, of_customer()).await?;
        for row in mails.iter().rev() {
            match decode::<MailRow>(&row.payload) {
                Ok(mail) if mail.message == no => {
                    origin.mailbox = recipient(&mail.bytes);
                    break;
                }
                Ok(_) => {}
                Err(error) => unreadable(customer, &error),
            }
        }
        let log = self.store.read_stream(Stream::Log, of_customer()).await?;
        for row in log.iter().rev() {
            let row: LogRow = match decode(&row.payload) {
                Ok(row) => row,
                Err(error) => {
                    unreadable(customer, &error);
                    continue;
                }
            };
            if let (Some(message), Some(step)) = (row.message, row.step)
                && message == no
            {
                origin.mail = Some(Box::new(MailOf {
                    campaign: row.campaign,
                    step,
                    entry: row.entry,
                    variant: row.variant,
                }));
                break;
            }
        }
        Ok(())
    }

    /// A customer's rows of the consent ledger, oldest first.
    pub async fn consent_ledger(&self, no: CustomerNo) -> Result<Vec<ConsentRow>, BatchError> {
        let mut rows = Vec::new();
        let mut range = keys::consents_of(no);
        loop {
            let found = (self.store)
                .scan(range.clone(), Direction::Forward, PAGE)
                .await?;
            for (_, value) in &found {
                rows.push(decode(&value.value)?);
            }
            match found.last() {
                Some((last, _)) if found.len() == PAGE => range = range.after(last.clone()),
                _ => return Ok(rows),
            }
        }
    }
}

fn unreadable(customer: CustomerNo, error: &CodecError) {
    tracing::error!(customer = customer.0, %error, "a row is passed over in looking for the mail whose link was followed");
}

/// The mailbox that a stored mail is addressed to.
pub(super) fn recipient(compressed: &[u8]) -> Option<MailboxId> {
    let bytes = zstd::decode_all(compressed).ok()?;
    let head_end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    // A header of ours: `To: NAME <address>`, perhaps folded, and the address always last.
    let head = String::from_utf8_lossy(&bytes[..head_end]).replace("\r\n ", " ");
    let to = head
        .split("\r\n")
        .find_map(|line| line.strip_prefix("To: "))?;
    let address = to.rsplit_once('<')?.1.trim_end().strip_suffix('>')?;
    Some(EmailAddress::parse(address).ok()?.mailbox())
}
