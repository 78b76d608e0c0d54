//! The files as they are now, and one mail of them for one customer.

use super::forms::{Form, Wanted, forms};
use super::{PreviewError, made_up, names_attribute};
use crate::config::Config;
use crate::config::settings::Tracking;
use crate::domain::address::EmailAddress;
use crate::domain::campaign::{Act, Campaign, Start};
use crate::domain::coupon::Coupon;
use crate::domain::id::EntryKey;
use crate::domain::products::{Source, Wanted as Products};
use crate::domain::react::pool_wanted;
use crate::domain::record::{Message, Record};
use crate::domain::rules::{Controls, Rules};
use crate::domain::time::Timestamp;
use crate::domain::track::key_text;
use crate::engine::batch::{BatchError, read_history};
use crate::engine::catalogue::Catalogue;
use crate::engine::composer::{CannotCompose, From, finish};
use crate::message::Finished;
use crate::message::links::Links;
use crate::message::token::{KeyRing, TokenKeys};
use crate::store::Store;
use std::sync::Arc;

/// So much may be absent of one who is made up before it is given up.
const MOST_LACKING: usize = 50;

/// Pages that say that they do nothing are there, below `[http] public_url`.
pub const TEST: &str = "/test";

pub struct Stage<'a> {
    pub catalogue: Catalogue,
    store: &'a dyn Store,
    config: &'a Config,
    /// As it leaves.
    from: From,
    /// Without tracking.
    plain: From,
    now: Timestamp,
}

/// For whom a mail is made.
pub enum Person {
    MadeUp,
    Known(Box<Record>),
}

/// A mail that could be made.
pub struct Made {
    pub exact: Finished,
    pub plain: Finished,
    pub notes: Vec<String>,
    /// What a customer of whom nothing is known lacks for it: the path, and what the composer says.
    pub lacking: Vec<(String, String)>,
}

impl<'a> Stage<'a> {
    /// Reads the folders. A bad file is told where its campaign is asked for.
    pub async fn read(
        config: &'a Config,
        store: &'a dyn Store,
        salt: [u8; 16],
        now: Timestamp,
    ) -> Result<Stage<'a>, PreviewError> {
        let controls = Arc::<Controls>::default();
        let catalogue = Catalogue::read(config, store, salt, controls).await?;
        Ok(Stage::of(catalogue, config, store, now))
    }

    /// By campaigns that were read already.
    pub fn of(
        catalogue: Catalogue,
        config: &'a Config,
        store: &'a dyn Store,
        now: Timestamp,
    ) -> Stage<'a> {
        // What it signs is read by nobody.
        let keys = Arc::new(KeyRing::new(TokenKeys::new([0; 32])));
        let public = config.http.public_url.as_ref();
        let from = From {
            sender: config.sender.clone(),
            country: config.law.country.clone(),
            tracking: config.tracking,
            keys: Arc::clone(&keys),
            links: public.map(|public_url| Links {
                public_url: format!("{public_url}{TEST}"),
                keys,
            }),
        };
        let plain = From {
            tracking: Tracking {
                opens: false,
                clicks: false,
                honeypot: false,
            },
            ..from.clone()
        };
        Stage {
            catalogue,
            store,
            config,
            from,
            plain,
            now,
        }
    }

    /// The same for one who is made up: whatever starts a campaign is what they did, and whatever it shows is what they
    /// looked at, lately.
    pub fn eased(mut self) -> Stage<'a> {
        let mut rules = (*self.catalogue.rules).clone();
        for campaign in rules.campaigns.values_mut() {
            let campaign = Arc::make_mut(campaign);
            if let Start::Triggered(trigger) = &mut campaign.start {
                trigger.event.filter.clear();
            }
            for step in &mut campaign.steps {
                let variants = step.variants.iter_mut().map(|variant| &mut variant.shows);
                let all = variants.chain([&mut step.shows]);
                all.filter_map(|shows| shows.products.as_mut())
                    .for_each(ease);
            }
        }
        self.catalogue.rules = Arc::new(rules);
        self
    }

    /// The forms that are wanted for this person.
    pub fn forms(
        &self,
        campaign: &Campaign,
        wanted: &Wanted,
        person: &Person,
    ) -> Result<Vec<Form>, PreviewError> {
        let shop = &self.catalogue.rules.shop.locale;
        let own = match person {
            Person::MadeUp => None,
            Person::Known(record) => record.preferences.locale.as_deref(),
        };
        match self.catalogue.templates.get(&campaign.id) {
            Some(templates) => forms(campaign, templates, wanted, own.unwrap_or(shop)),
            None => Ok(Vec::new()),
        }
    }

    pub(super) fn domain(&self) -> &str {
        self.config.sender.from.address.domain()
    }

    pub(super) fn config(&self) -> &Config {
        self.config
    }

    /// One mail; the inner error says why it cannot be made.
    pub async fn made(
        &self,
        campaign: &Campaign,
        form: &Form,
        person: &Person,
    ) -> Result<Result<Made, String>, PreviewError> {
        match person {
            Person::MadeUp => self.for_nobody(campaign, form).await,
            Person::Known(record) => {
                let mut record = (**record).clone();
                record.preferences.locale = Some(form.locale.clone());
                let mut notes = Vec::new();
                let entry = self.entry(campaign, &record, self.store).await?;
                if entry.is_none() && matches!(campaign.start, Start::Triggered(_)) {
                    notes.push(
                        "this customer never did what starts the campaign, so the mail knows of no event"
                            .to_owned(),
                    );
                }
                let entry = entry.unwrap_or_default();
                let store = self.store;
                let exact = self.finish(campaign, form, &record, &entry, store, &self.from);
                let exact = match exact.await? {
                    Ok(exact) => exact,
                    Err(why) => return Ok(Err(why)),
                };
                let plain = self.finish(campaign, form, &record, &entry, store, &self.plain);
                Ok((plain.await?).map(|plain| Made {
                    exact,
                    plain,
                    notes,
                    lacking: Vec::new(),
                }))
            }
        }
    }

    /// For one who is made up. What a template asks for and nobody has is shown by its name.
    async fn for_nobody(
        &self,
        campaign: &Campaign,
        form: &Form,
    ) -> Result<Result<Made, String>, PreviewError> {
        let mut lacking: Vec<String> = Vec::new();
        let mut whys = Vec::new();
        // Of whom nothing is known: what this one lacks, customers may lack.
        loop {
            let told = match self
                .nobody(campaign, form, &lacking, true, &self.plain)
                .await?
            {
                Ok(_) => break,
                Err(why) => why,
            };
            let path = told.split('`').nth(1).unwrap_or_default().to_owned();
            let can_be_put =
                path.starts_with("customer.") || path.starts_with("entry.event.properties.");
            if !can_be_put || lacking.contains(&path) || lacking.len() == MOST_LACKING {
                return Ok(Err(told));
            }
            lacking.push(path);
            whys.push(told);
        }
        let notes = (lacking.iter()).filter(|path| {
            let name = path.strip_prefix("customer.").unwrap_or_default();
            !made_up::is_known(name)
        });
        let notes = notes.map(|path| {
            let name = path.rsplit('.').next().unwrap_or(path);
            format!("{path} is not known of a customer who is made up: it is shown as [{name}]")
        });
        let notes = notes.collect();
        // What the campaign itself asks for, its customers have.
        let lacks = |path: &str| match path.strip_prefix("customer.") {
            Some(name) => !names_attribute(campaign, name),
            None => true,
        };
        let whys = (whys.into_iter().zip(&lacking))
            .filter(|(_, path)| lacks(path))
            .map(|(why, path)| (path.clone(), why));
        let whys = whys.collect();
        let exact = self.nobody(campaign, form, &lacking, false, &self.from);
        let exact = match exact.await? {
            Ok(exact) => exact,
            Err(why) => return Ok(Err(why)),
        };
        let plain = self.nobody(campaign, form, &lacking, false, &self.plain);
        Ok((plain.await?).map(|plain| Made {
            exact,
            plain,
            notes,
            lacking: whys,
        }))
    }

    async fn nobody(
        &self,
        campaign: &Campaign,
        form: &Form,
        lacking: &[String],
        bare: bool,
        from: &From,
    ) -> Result<Result<Finished, String>, PreviewError> {
        let (rules, domain) = (&self.catalogue.rules, self.domain());
        let (locale, now) = (form.locale.as_str(), self.now);
        let record = made_up::customer(campaign, rules, domain, locale, lacking, bare, now);
        let step = campaign.step(&form.step);
        let shown = step.and_then(|step| step.shown(form.variant.as_deref()).products);
        let shown = shown.as_ref();
        let store = made_up::history(campaign, shown, domain, locale, lacking, now).await;
        let store = store.map_err(BatchError::from)?;
        let entry = self.entry(campaign, &record, &store).await?;
        let entry = entry.unwrap_or_default();
        self.finish(campaign, form, &record, &entry, &store, from)
            .await
    }

    /// The entry that the customer would have: by the latest event that starts the campaign, or by what is asked.
    async fn entry(
        &self,
        campaign: &Campaign,
        record: &Record,
        store: &dyn Store,
    ) -> Result<Option<EntryKey>, PreviewError> {
        match &campaign.start {
            Start::Triggered(trigger) => {
                let history = read_history(store, record, self.catalogue.rules.sieve()).await?;
                let starts = history.iter().filter(|e| trigger.event.selects(e));
                let latest = starts.max_by_key(|e| e.time);
                let key = |property: &String, event: &crate::domain::event::Event| {
                    key_text(&event.properties, property).unwrap_or_default()
                };
                Ok(latest.map(|event| match &trigger.per {
                    Some(per) => EntryKey(key(per, event)),
                    None => EntryKey::default(),
                }))
            }
            Start::Asked => Ok((record.pending.keys().next()).map(crate::domain::opt_in::key_of)),
            Start::Scheduled(_) | Start::Dated(_) | Start::Audience => {
                Ok(Some(EntryKey::default()))
            }
        }
    }

    async fn finish(
        &self,
        campaign: &Campaign,
        form: &Form,
        record: &Record,
        entry: &EntryKey,
        store: &dyn Store,
        from: &From,
    ) -> Result<Result<Finished, String>, PreviewError> {
        let rules = &self.catalogue.rules;
        let Some(step) = campaign.step(&form.step) else {
            return Ok(Err("the step is no longer in the campaign's file".into()));
        };
        let mut message = Message::waiting(record, campaign, step, entry, self.now, &rules.salt);
        message.variant.clone_from(&form.variant);
        let to: Option<EmailAddress> = match &step.act {
            Some(Act::Notify(staff)) => {
                message.staff = Some(staff.clone());
                rules.shop.staff.get(staff).cloned()
            }
            _ => record.email.clone(),
        };
        let Some(to) = to else {
            return Ok(Err("there is no email address".into()));
        };
        let with_code = coupon(record, &mut message, rules, self.now);
        let record = with_code.as_ref().unwrap_or(record);
        let made = finish(
            store,
            &self.catalogue,
            from,
            record,
            &message,
            &to,
            self.now,
        )
        .await?;
        Ok(made.map_err(|why| match why {
            CannotCompose::NotInForce => "the step is no longer in the campaign's file".to_owned(),
            CannotCompose::Because(why) | CannotCompose::TooFew(why) => why,
        }))
    }
}

/// Products as one who is made up has them: of no certain kind, and none bought since. How many there are to be stays:
/// so many they have.
fn ease(wanted: &mut Products) {
    wanted.within = None;
    wanted.same = None;
    wanted.except.clear();
    if let Source::Events(selector) = &mut wanted.from {
        selector.filter.clear();
    }
}

/// Where the message is to have a code: the customer with one that is made up. None is taken out of a pool.
fn coupon(record: &Record, message: &mut Message, rules: &Rules, now: Timestamp) -> Option<Record> {
    let pool = pool_wanted(message, rules)?.clone();
    let code = format!("{}-SAMPLE", pool.as_str().to_uppercase());
    message.coupon = Some(code.clone());
    let mut record = record.clone();
    record.coupons.push(Coupon {
        pool,
        campaign: message.campaign.clone(),
        code,
        given: now,
        sent: None,
        until: None,
    });
    Some(record)
}
