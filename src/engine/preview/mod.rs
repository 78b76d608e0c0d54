//! Finished mails to look at before anybody gets them: the campaign files and templates as they are now, whatever runs,
//! composed by the composer that sends, for a customer or for one who is made up. Nothing is sent and nothing is kept.
//!
//! Links to pages of ours are not live: they lead to `/test`, signed with a key that no daemon reads, so nobody can leave
//! or choose in a customer's name by looking at their mail. [`super::copies`] sends such mails as tests.

mod forms;
mod looked;
mod made_up;
mod readable;
mod stage;

pub(super) use forms::form_locale;
pub use forms::{Form, Wanted};
pub(super) use stage::{Person, Stage};

use super::batch::BatchError;
use super::core::Core;
use super::pages::RecordPages;
use super::shard::Refused;
use crate::config::Config;
use crate::domain::campaign::{Campaign, Start};
use crate::domain::id::{CampaignId, CustomerId};
use crate::domain::record::Record;
use crate::domain::time::Timestamp;
use crate::engine::written::as_written;
use crate::message::lint::Finding;
use crate::store::Store;
use crate::store::memory::MemoryStore;
use serde::{Deserialize, Serialize};

/// No more mails are made at once, and of no more customers.
pub const MOST: usize = 300;
pub const MOST_CUSTOMERS: usize = 20;
/// Among so many customers those are looked for whom a campaign could write to.
const LOOKED_AT: usize = 400;

/// Which mails are wanted; what is `None` is every one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Question {
    pub campaign: Option<CampaignId>,
    pub wanted: Wanted,
    pub who: Who,
}

/// For whom they are made.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Who {
    /// Somebody made up, so that no store is needed.
    #[default]
    MadeUp,
    Customer(CustomerId),
    /// So many customers of the store.
    Sample(usize),
}

/// One finished mail.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Previewed {
    pub campaign: String,
    pub step: String,
    pub variant: Option<String>,
    pub locale: String,
    /// The shop's own id; none of one who is made up.
    pub customer: Option<String>,
    pub class: String,
    pub subject: String,
    pub preheader: String,
    /// The head, decoded, in its order.
    pub headers: Vec<(String, String)>,
    /// Empty for who wants plain text alone.
    pub html: String,
    pub text: String,
    /// The whole message (RFC 5322).
    pub eml: String,
    /// What whoever looks at it should know of how it was made.
    pub notes: Vec<String>,
    /// Why there is no such mail; all parts are empty then.
    pub failed: Option<String>,
    pub findings: Vec<Finding>,
}

/// The mails that were asked for, and what stands in the way of others.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Previews {
    pub mails: Vec<Previewed>,
    pub bad: Vec<Bad>,
}

/// A campaign of which no mail can be shown, since its files do not validate.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Bad {
    /// `None`: what is wrong with templates, which any bad campaign may need.
    pub campaign: Option<String>,
    /// A line each, with its place and what to do.
    pub problems: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// There is no such campaign, step, variant or customer; what there is.
    #[error("{0}")]
    Unknown(String, String),
    #[error("{0}")]
    Asked(String),
    /// The campaign's own files do not validate; one text each.
    #[error("the files of {campaign} are bad:\n  {}", .problems.join("\n  "))]
    Files {
        campaign: String,
        problems: Vec<String>,
    },
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl From<BatchError> for PreviewError {
    fn from(error: BatchError) -> PreviewError {
        PreviewError::Refused(error.into())
    }
}

/// The mails as they would go to somebody made up: from the files alone, without a store.
pub async fn made_up(
    config: &Config,
    question: &Question,
    now: Timestamp,
) -> Result<Previews, PreviewError> {
    let store = MemoryStore::new();
    let stage = Stage::read(config, &store, [0; 16], now).await?;
    let people = [Person::MadeUp];
    all(&stage.eased(), question, &people).await
}

impl Core {
    /// The mails as they would go to customers of the store; the files are read anew.
    pub async fn preview(&self, question: &Question) -> Result<Previews, PreviewError> {
        let (in_use, now) = (self.config(), self.clock.now());
        let config = as_written(&in_use).await;
        let config = config.unwrap_or_else(|_| (*in_use).clone());
        if question.who == Who::MadeUp {
            return made_up(&config, question, now).await;
        }
        let salt = self.catalogue().rules.salt;
        let stage = Stage::read(&config, &*self.store, salt, now).await?;
        let people = self.people(&question.who, question, &stage).await?;
        all(&stage, question, &people).await
    }

    /// The customers that are meant.
    pub(super) async fn people(
        &self,
        who: &Who,
        question: &Question,
        stage: &Stage<'_>,
    ) -> Result<Vec<Person>, PreviewError> {
        match who {
            Who::MadeUp => Ok(vec![Person::MadeUp]),
            Who::Customer(id) => match self.whom(id).await? {
                Some((_, Some(record))) => Ok(vec![Person::Known(Box::new(record))]),
                _ => Err(PreviewError::Unknown(
                    format!("there is no customer {:?}", id.as_str()),
                    "ids are the shop's own; `reveille customer list` shows some".into(),
                )),
            },
            Who::Sample(n) if (1..=MOST_CUSTOMERS).contains(n) => {
                let found = sample(&*self.store, *n, question, stage).await?;
                match found.is_empty() {
                    true => Err(PreviewError::Unknown(
                        "no customer of the store has an address".into(),
                        "leave --sample out: then one is made up".into(),
                    )),
                    false => Ok(found),
                }
            }
            Who::Sample(_) => Err(PreviewError::Asked(format!(
                "a sample is of 1 to {MOST_CUSTOMERS} customers"
            ))),
        }
    }
}

/// Customers with an address; first those who did what starts the campaign, if something does.
async fn sample(
    store: &dyn Store,
    n: usize,
    question: &Question,
    stage: &Stage<'_>,
) -> Result<Vec<Person>, PreviewError> {
    let campaign = question.campaign.as_ref();
    let campaign = campaign.and_then(|id| stage.catalogue.rules.campaigns.get(id));
    let trigger = match campaign.map(|c| &c.start) {
        Some(Start::Triggered(trigger)) => Some(trigger),
        _ => None,
    };
    let (mut first, mut others): (Vec<Record>, Vec<Record>) = (Vec::new(), Vec::new());
    let mut pages = RecordPages::of(store);
    let mut looked = 0;
    'pages: while let Some(page) = pages.next().await? {
        for record in page.into_iter().filter(|r| r.email.is_some()) {
            if first.len() == n || looked == LOOKED_AT {
                break 'pages;
            }
            looked += 1;
            let did = match trigger {
                None => true,
                Some(trigger) => {
                    let sieve = stage.catalogue.rules.sieve();
                    let history = super::batch::read_history(store, &record, sieve).await?;
                    history.iter().any(|event| trigger.event.selects(event))
                }
            };
            match did {
                true => first.push(record),
                false if others.len() < n => others.push(record),
                false => {}
            }
        }
    }
    let all = first.into_iter().chain(others).take(n);
    Ok(all.map(|r| Person::Known(Box::new(r))).collect())
}

/// Every mail of the question, for each of these people.
async fn all(
    stage: &Stage<'_>,
    question: &Question,
    people: &[Person],
) -> Result<Previews, PreviewError> {
    let (campaigns, bad) = stage.readable(question.campaign.as_ref())?;
    let mut mails = Vec::new();
    let mut without = None;
    for campaign in campaigns {
        for person in people {
            let forms = match stage.forms(&campaign, &question.wanted, person) {
                Ok(forms) => forms,
                // Of all campaigns those are meant that have such a step or variant.
                Err(error @ PreviewError::Unknown(..)) if question.campaign.is_none() => {
                    without.get_or_insert(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            for form in forms {
                if mails.len() == MOST {
                    return Err(PreviewError::Asked(format!(
                        "that would be more than {MOST} mails: name a campaign, a step, a variant or a locale"
                    )));
                }
                mails.push(stage.previewed(&campaign, &form, person).await?);
            }
        }
    }
    if mails.is_empty() && bad.is_empty() {
        return Err(without.unwrap_or_else(|| nothing(question.campaign.as_ref())));
    }
    Ok(Previews { mails, bad })
}

fn nothing(campaign: Option<&CampaignId>) -> PreviewError {
    let what = match campaign {
        Some(id) => format!("no step of {id} sends a mail"),
        None => "no campaign sends a mail".to_owned(),
    };
    PreviewError::Unknown(what, "a step with a `template` does".into())
}

/// Whether the campaign's own conditions or start name this attribute: who gets its mail has it.
fn names_attribute(campaign: &Campaign, name: &str) -> bool {
    let told = format!("{:?}{:?}", campaign.audience, campaign.start);
    told.contains(&format!("{name:?}"))
}
