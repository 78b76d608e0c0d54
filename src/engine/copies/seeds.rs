//! Seed addresses (`[seeds]`): each gets one copy of each form of a mail (campaign, step, variant, locale) when the first
//! mail of that form has been accepted, and once more when its texts have changed.
//!
//! A form's row in the store says by which texts it went out, and which copies are still to go; it is written before
//! any of them goes, so a copy goes once, over restarts too. One whose outcome was lost with the process goes again with
//! the same Message-ID. The copies are made for a customer who is made up: no seed reads what is known of a real one.

use super::{Core, told};
use crate::domain::address::EmailAddress;
use crate::domain::campaign::Start;
use crate::domain::chance::{Salt, keyed_hash};
use crate::domain::id::{CampaignId, StepId};
use crate::domain::ledger::{Reason, Status};
use crate::domain::outcome::Outcome;
use crate::domain::record::{Message, Record};
use crate::domain::time::{Span, Timestamp};
use crate::engine::batch::BatchError;
use crate::engine::catalogue::Catalogue;
use crate::engine::preview::{Form, Person, Stage, form_locale};
use crate::engine::shard::Refused;
use crate::message::labelled::{Label, SEED_FIELD};
use crate::store::codec::{Stored, decode, encode};
use crate::store::memory::MemoryStore;
use crate::store::{Batch, Check, Direction, Key, StoreError, keys};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;
use xxhash_rust::xxh3::Xxh3;

const SEED: &str = "seed/";
/// So often a copy is tried.
const TRIES: u32 = 5;
/// Rows of forms that no campaign in force has are kept so long.
const KEPT: Span = Span::days(90);

/// One form of a mail that goes out, and the hash of its texts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GoesOut {
    campaign: CampaignId,
    form: Form,
    texts: u64,
}

/// A form that went out, as stored.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SeedRow {
    campaign: CampaignId,
    step: StepId,
    variant: Option<String>,
    locale: String,
    /// Of the texts by which it went out.
    texts: u64,
    at: Timestamp,
    copies: Vec<SeedCopy>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct SeedCopy {
    to: EmailAddress,
    tries: u32,
    not_before: Timestamp,
    settled: bool,
}

impl Stored for SeedRow {
    const WHAT: &'static str = "row of seeds";
    const VERSION: u8 = 1;
}

/// What is known in memory; the store's rows are the truth.
pub struct Seeds {
    /// The texts of forms whose row is known to be there.
    went: Mutex<HashMap<Key, u64>>,
    /// Copies may be waiting. True at first: a start goes on with what was cut off.
    waiting: AtomicBool,
    sending: tokio::sync::Mutex<()>,
    pub due: Notify,
}

impl Default for Seeds {
    fn default() -> Seeds {
        Seeds {
            went: Mutex::default(),
            waiting: AtomicBool::new(true),
            sending: tokio::sync::Mutex::default(),
            due: Notify::new(),
        }
    }
}

impl Core {
    /// Which form this message is of; none where nobody gets copies of it.
    pub(in crate::engine) fn goes_out(
        &self,
        catalogue: &Catalogue,
        record: &Record,
        message: &Message,
    ) -> Option<GoesOut> {
        let config = self.config();
        if config.seeds.is_empty() || message.staff.is_some() {
            return None;
        }
        let rules = &catalogue.rules;
        let campaign = rules.campaigns.get(&message.campaign)?;
        if matches!(campaign.start, Start::Asked) {
            return None;
        }
        let templates = catalogue.templates.get(&campaign.id)?;
        let step = campaign.step_of(message)?;
        let variant = message.variant.as_deref();
        let shop = &rules.shop.locale;
        let own = record.preferences.locale.as_deref().unwrap_or(shop);
        let form = Form {
            step: step.id.clone(),
            variant: message.variant.clone(),
            locale: form_locale(step, variant, templates, own, shop),
        };
        Some(GoesOut {
            texts: self.texts_of(catalogue, &campaign.id, &form)?,
            campaign: campaign.id.clone(),
            form,
        })
    }

    /// The hash of the texts that a form is made of by this catalogue; none where it has no such form.
    fn texts_of(&self, catalogue: &Catalogue, campaign: &CampaignId, form: &Form) -> Option<u64> {
        let templates = catalogue.templates.get(campaign)?;
        let step = catalogue.rules.campaigns.get(campaign)?.step(&form.step)?;
        let (template, subject, preheader) = step.texts(form.variant.as_deref());
        let mut hash = Xxh3::new();
        // What went out in rehearsal was seen by nobody.
        hash.update(&[u8::from(self.config().is_rehearsal())]);
        hash.update(format!("{subject:?}{preheader:?}").as_bytes());
        for (file, text) in templates.sources_of(template) {
            for part in [file, text] {
                hash.update(&(part.len() as u64).to_le_bytes());
                hash.update(part.as_bytes());
            }
        }
        Some(hash.digest())
    }

    /// A mail of this form was accepted: if it is the first by these texts, copies are to go. Durable when it returns; what
    /// cannot be written is left to the next mail of the form.
    pub(in crate::engine) async fn went_out(&self, out: GoesOut) {
        let key = row_key(&out);
        let known = |seeds: &super::seeds::Seeds| {
            let went = seeds.went.lock().unwrap_or_else(PoisonError::into_inner);
            went.get(&key) == Some(&out.texts)
        };
        if known(&self.seeds) {
            return;
        }
        match self.note(&key, &out).await {
            Ok(false) => {}
            Ok(true) => {
                let mut went = self
                    .seeds
                    .went
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                went.insert(key, out.texts);
            }
            Err(error) => {
                tracing::warn!(campaign = %out.campaign, %error, "copies for seeds could not be noted; the next mail of this form tries again");
            }
        }
    }

    /// Ends when a row of these texts stands; or when the files say something else by now: copies are made by the files, and
    /// a mail that was under way while they were read again must not have those of the texts of now go twice.
    async fn note(&self, key: &Key, out: &GoesOut) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let config = self.config();
        let copies = config.seeds.iter().map(|to| SeedCopy {
            to: to.clone(),
            tries: 0,
            not_before: now,
            settled: false,
        });
        let row = SeedRow {
            campaign: out.campaign.clone(),
            step: out.form.step.clone(),
            variant: out.form.variant.clone(),
            locale: out.form.locale.clone(),
            texts: out.texts,
            at: now,
            copies: copies.collect(),
        };
        loop {
            let found = self.store.get_many(vec![key.clone()]).await?;
            let found = found.into_iter().next().flatten();
            let stands = (found.as_ref()).and_then(|v| decode::<SeedRow>(&v.value).ok());
            if stands.is_some_and(|row| row.texts == out.texts) {
                return Ok(true);
            }
            let texts = self.texts_of(&self.catalogue(), &out.campaign, &out.form);
            if texts != Some(out.texts) {
                return Ok(false);
            }
            let expected = found.map(|v| v.revision);
            match self.store.commit(put(key, expected, &row)).await {
                Ok(_) => break,
                // Another mail of the form was a moment earlier; or a copy by the texts of before has just gone.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.seeds.waiting.store(true, Ordering::SeqCst);
        self.seeds.due.notify_one();
        Ok(true)
    }

    /// Waits until copies may have to go, or the daemon stops.
    pub async fn seeds_due(&self) {
        tokio::select! {
            () = self.seeds.due.notified() => {}
            () = self.outbox.stopped() => {}
        }
    }

    /// Sends the copies that are to go by now; says how many went.
    pub async fn send_seeds(&self) -> Result<usize, Refused> {
        let config = self.config();
        if config.seeds.is_empty() || self.held().is_some() {
            return Ok(0);
        }
        let Ok(_sending) = self.seeds.sending.try_lock() else {
            return Ok(0);
        };
        if !self.seeds.waiting.swap(false, Ordering::SeqCst) {
            return Ok(0);
        }
        let sent = self.send_waiting(&config.seeds).await;
        if sent.is_err() {
            self.seeds.waiting.store(true, Ordering::SeqCst);
        }
        sent
    }

    async fn send_waiting(&self, addresses: &[EmailAddress]) -> Result<usize, Refused> {
        let range = keys::house_all(SEED);
        let found = self.store.scan(range, Direction::Forward, usize::MAX).await;
        let (mut sent, mut left) = (0, false);
        for (key, value) in found.map_err(BatchError::from)? {
            let Ok(row) = decode::<SeedRow>(&value.value) else {
                tracing::error!("a row of seeds cannot be read; it is left as it is");
                continue;
            };
            let gone = !self.catalogue().rules.campaigns.contains_key(&row.campaign);
            if gone && row.at + KEPT < self.clock.now() {
                let batch = Batch {
                    deletes: vec![key],
                    ..Batch::default()
                };
                self.store.commit(batch).await.map_err(BatchError::from)?;
            } else if row.copies.iter().any(|copy| !copy.settled) {
                let (went, all) = self.send_row(key, value.revision, row, addresses).await?;
                sent += went;
                left |= !all;
            }
        }
        if left {
            self.seeds.waiting.store(true, Ordering::SeqCst);
        }
        Ok(sent)
    }

    /// The copies of one form; how many went, and whether none is left.
    async fn send_row(
        &self,
        key: Key,
        mut revision: u64,
        mut row: SeedRow,
        addresses: &[EmailAddress],
    ) -> Result<(usize, bool), Refused> {
        let (catalogue, config) = (self.catalogue(), self.config());
        let nowhere = MemoryStore::new();
        let now = self.clock.now();
        let salt = catalogue.rules.salt;
        let stage = Stage::of((*catalogue).clone(), &config, &nowhere, now).eased();
        let form = Form {
            step: row.step.clone(),
            variant: row.variant.clone(),
            locale: row.locale.clone(),
        };
        let campaign = catalogue.rules.campaigns.get(&row.campaign);
        let campaign = campaign.and_then(|_| stage.catalogue.rules.campaigns.get(&row.campaign));
        let made = match campaign {
            None => Err("the campaign is no longer in force".to_owned()),
            Some(campaign) => match stage.made(campaign, &form, &Person::MadeUp).await {
                Ok(made) => made.map(|made| made.plain),
                Err(error) => Err(error.to_string()),
            },
        };
        let transport = campaign
            .and_then(|c| c.step(&form.step))
            .and_then(|step| self.transport_of(step));
        let mut sent = 0;
        for at in 0..row.copies.len() {
            let copy = &mut row.copies[at];
            if copy.settled || copy.not_before > now || self.outbox.is_stopping() {
                continue;
            }
            copy.tries += 1;
            let (tries, to) = (copy.tries, copy.to.clone());
            let suppressed = self.suppression_of(&to).await?.is_some();
            let outcome = match (&made, transport) {
                _ if suppressed => Outcome::Undeliverable {
                    why: Reason::Suppressed.text().into(),
                },
                _ if !addresses.contains(&to) => Outcome::Undeliverable {
                    why: "no longer among [seeds]".into(),
                },
                (Err(why), _) => Outcome::Undeliverable { why: why.clone() },
                (_, None) => Outcome::Undeliverable {
                    why: "there is no transport for it".into(),
                },
                (_, Some(transport)) if !transport.may_send_to(&to) => Outcome::Undeliverable {
                    why: Reason::Rehearsal.text().into(),
                },
                (Ok(finished), Some(transport)) => {
                    let message_id =
                        seed_id(&salt, &row, &to, self.from.sender.from.address.domain());
                    let field = name_of(&row);
                    let label = Label {
                        to: &to,
                        message_id: &message_id,
                        subject: None,
                        field: (SEED_FIELD, &field),
                    };
                    self.deliver_copy(transport, finished.clone(), &label).await
                }
            };
            sent += usize::from(matches!(outcome, Outcome::Accepted { .. }));
            let again = matches!(
                outcome,
                Outcome::TryLater { .. } | Outcome::RelayFault { .. } | Outcome::NotStarted { .. }
            );
            let copy = &mut row.copies[at];
            copy.settled = !again || tries >= TRIES;
            let retry = &config.engine.retry;
            let wait = retry.get(tries as usize - 1).or(retry.last());
            copy.not_before = now + wait.copied().unwrap_or(Span::minutes(5));
            let (reason, detail) = match told(&outcome, &to) {
                (_, detail) if suppressed => (Reason::Suppressed, detail),
                told => told,
            };
            let told = (reason, format!("to {}: {detail}", to.masked()));
            let logged = self.copy_row(Status::Seed, &row.campaign, &form, told, tries);
            let put = put(&key, Some(revision), &row);
            match self.log_copy(logged.clone(), put).await {
                Ok(()) => {}
                // The form has gone out by newer texts meanwhile: its row is another. What became of this copy is told all
                // the same.
                Err(Refused::Store(StoreError::Conflict { .. })) => {
                    self.log_copy(logged, Batch::default()).await?;
                    return Ok((sent, false));
                }
                Err(error) => return Err(error),
            }
            let found = self.store.get_many(vec![key.clone()]).await;
            let found = found
                .map_err(BatchError::from)?
                .into_iter()
                .next()
                .flatten();
            match found.map(|v| (v.revision, decode::<SeedRow>(&v.value))) {
                Some((new, Ok(stored))) if stored == row => revision = new,
                _ => return Ok((sent, false)),
            }
        }
        Ok((sent, row.copies.iter().all(|copy| copy.settled)))
    }
}

/// Where the row of a form stands.
fn row_key(out: &GoesOut) -> Key {
    let Form {
        step,
        variant,
        locale,
    } = &out.form;
    // The fields' own hash; the key is not for people.
    let fields: [&[u8]; 5] = [
        out.campaign.as_str().as_bytes(),
        step.as_str().as_bytes(),
        &[u8::from(variant.is_some())],
        variant.as_deref().unwrap_or_default().as_bytes(),
        locale.as_bytes(),
    ];
    let hash = keyed_hash(&Salt::default(), &fields);
    keys::house(&format!("{SEED}{hash:016x}"))
}

fn put(key: &Key, expected: Option<u64>, row: &SeedRow) -> Batch {
    Batch {
        checks: vec![Check {
            key: key.clone(),
            expected,
        }],
        puts: vec![(key.clone(), encode(row))],
        ..Batch::default()
    }
}

fn name_of(row: &SeedRow) -> String {
    let parts = [
        Some(row.campaign.as_str()),
        Some(row.step.as_str()),
        row.variant.as_deref(),
        Some(row.locale.as_str()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// The same for the same copy, so that one that goes twice is seen to be one.
fn seed_id(salt: &Salt, row: &SeedRow, to: &EmailAddress, domain: &str) -> String {
    let texts = row.texts.to_le_bytes();
    let name = name_of(row);
    let fields: [&[u8]; 4] = [b"seed", name.as_bytes(), &texts, to.as_str().as_bytes()];
    format!("seed.{:016x}@{domain}", keyed_hash(salt, &fields))
}
