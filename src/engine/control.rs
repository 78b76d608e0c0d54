//! What operators turn: pause, resume, cancel, approve, hold, reload; and how the controls are changed at all.

use super::activation::activated;
use super::catalogue::Catalogue;
use super::core::{Core, write_controls};
use super::coupons::keep_former;
use super::going_on;
use super::golive::Mode;
use super::guard;
use super::kept;
use super::quotas;
use super::renames::Replaced;
use super::shard::{Order, Refused};
use super::state::Number;
use super::surprise::{Held, guarded};
use super::taken_away::TakenAway;
use crate::config::Config;
use crate::domain::id::CampaignId;
use crate::domain::opt_in;
use crate::domain::preference::Class;
use crate::domain::rules::{Awaited, Controls, Rules};
use crate::store::codec::encode;
use crate::store::{Batch, keys};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use tokio::sync::{MutexGuard, oneshot};

/// What a pause or resume speaks of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scope {
    Campaign(CampaignId),
    Class(Class),
    All,
}

/// What a resume led to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Resumed {
    /// How many customers' messages came back.
    pub released: u64,
    /// Campaigns that were put back to wait for approval.
    pub held: Vec<Held>,
}

/// Why an order was not obeyed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ControlError {
    #[error("there is no campaign {0:?}; `reveille campaign list` names them")]
    Unknown(String),
    #[error("campaign {0:?} waits for no approval")]
    NotAwaiting(String),
    #[error("campaign {0:?} was cancelled; give its file another name to start it anew")]
    Cancelled(String),
    #[error(
        "campaign {0:?} is the program's own: without it nobody could confirm a subscription again, so it cannot be cancelled for good; `reveille campaign pause {0}` holds its mails back until you resume it"
    )]
    Own(String),
    #[error("there is no message {0:?}; `reveille settle` lists those in doubt")]
    NoMessage(String),
    #[error("message {message:?} is not in doubt: it is {is}")]
    NotInDoubt { message: String, is: String },
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl Core {
    /// In force for every message not yet being attempted before this returns.
    pub async fn pause(self: &Arc<Self>, scope: &Scope, by: &str) -> Result<(), ControlError> {
        self.require(scope)?;
        tracing::info!(?scope, by, "paused");
        self.turn(|controls| match scope {
            Scope::Campaign(id) => {
                controls.paused.insert(id.clone());
                if let Some(trip) = controls.tripped.get_mut(id) {
                    trip.by_hand = true;
                }
            }
            Scope::Class(class) => _ = controls.paused_classes.insert(*class),
            Scope::All => controls.paused_all = true,
        })
        .await?;
        Ok(())
    }

    /// Lifts a pause; where `scope` is all, everything's hold too, and the wait for imports that were broken off. What
    /// gathered meanwhile may make a campaign wait for approval.
    pub async fn resume(
        self: &Arc<Self>,
        scope: &Scope,
        by: &str,
    ) -> Result<Resumed, ControlError> {
        self.require(scope)?;
        tracing::info!(?scope, by, "resumed");
        // What gathered while it was paused must surprise nobody at its next occurrence.
        let catalogue = self.catalogue();
        let controls = &catalogue.rules.controls;
        let resumed = guarded(&catalogue).filter(|campaign| match scope {
            Scope::Campaign(id) => *id == campaign.id && controls.paused.contains(id),
            Scope::Class(class) => {
                campaign.class == *class && controls.paused_classes.contains(class)
            }
            Scope::All => controls.paused_all,
        });
        let mut held = self.hold_surprises(&BTreeMap::new(), resumed).await?;
        if *scope == Scope::All {
            self.clock.resume();
            // Taken as ended; who would enter by them is counted all the same.
            held.extend(self.give_up_imports().await?);
        }
        let lifting = match scope {
            Scope::Campaign(id) => Some(self.lifting(id)),
            Scope::Class(_) | Scope::All => None,
        };
        self.turn(|controls| match scope {
            Scope::Campaign(id) => {
                controls.paused.remove(id);
                lifting.into_iter().for_each(|lift| lift(controls));
            }
            Scope::Class(class) => _ = controls.paused_classes.remove(class),
            Scope::All => {
                controls.paused_all = false;
                controls.held = None;
            }
        })
        .await?;
        let released = self.unpark().await;
        Ok(Resumed { released, held })
    }

    /// Ends a campaign for good: open entries leave, waiting messages are dropped. No message of it begins once this has
    /// returned; the entries' rows in the log follow as a walk meets their customers.
    pub async fn cancel(self: &Arc<Self>, id: &CampaignId, by: &str) -> Result<(), ControlError> {
        if id.as_str() == opt_in::CAMPAIGN {
            return Err(ControlError::Own(id.to_string()));
        }
        self.require(&Scope::Campaign(id.clone()))?;
        tracing::info!(campaign = %id, by, "cancelled");
        let forget = Batch {
            deletes: vec![kept::key(id), kept::key_of_links(id)],
            ..Batch::default()
        };
        self.turn_and_walk(
            forget,
            |_| true,
            |controls| {
                controls.cancelled.insert(id.clone());
                controls.paused.remove(id);
                controls.tripped.remove(id);
            },
        )
        .await?;
        self.unpark().await;
        Ok(())
    }

    /// Lets a campaign go live that would enter more than `[safety] at_once`.
    pub async fn approve(self: &Arc<Self>, id: &CampaignId, by: &str) -> Result<(), ControlError> {
        self.require(&Scope::Campaign(id.clone()))?;
        let catalogue = self.catalogue();
        let controls = &catalogue.rules.controls;
        let awaited = controls.awaited(id);
        let awaited = awaited.ok_or_else(|| ControlError::NotAwaiting(id.to_string()))?;
        let goes_on = matches!(awaited, Awaited::GoingOn(_));
        tracing::info!(campaign = %id, by, "approved");
        let _changing = self.imports.changing().await;
        let now = self.clock.now();
        // Others may have begun to hold while it waited: a pace is worked out from all of them.
        self.drain_notices().await;
        let existing = match catalogue.rules.campaigns.get(id) {
            Some(campaign) => self.count_existing(id, campaign).await?,
            None => 0,
        };
        let one = std::slice::from_ref(id);
        let counted = (catalogue.rules.campaigns.get(id))
            .map(|campaign| (id.clone(), (campaign.audience_hash, existing)));
        let measured = self.measured_anew(counted).await?;
        self.turn_and_walk(
            measured,
            |rules| goes_on || guard::let_existing_in(rules, one),
            |controls| {
                if goes_on {
                    going_on::approve(controls, id);
                }
                let waiting = controls.activations.get_mut(id);
                if let Some(activation) = waiting.filter(|a| a.awaiting_approval) {
                    activation.awaiting_approval = false;
                    activation.live = Some(now);
                    activation.existing = activation.existing.max(existing);
                }
            },
        )
        .await?;
        Ok(())
    }

    /// Nothing leaves until an operator resumes (after a restore).
    pub async fn hold(self: &Arc<Self>, why: &str) -> Result<(), Refused> {
        tracing::warn!(why, "sending is held");
        self.turn(|controls| controls.held = Some(why.to_owned()))
            .await
    }

    /// Reads config and campaigns again. A bad configuration changes nothing, nor does one by which a campaign that is in
    /// force could not go on; a bad campaign goes on as its last good version.
    pub async fn reload(self: &Arc<Self>, config: Config) -> Result<Arc<Catalogue>, Refused> {
        let (was, wanted) = (Mode::of(&self.config()), Mode::of(&config));
        if was != wanted {
            return Err(Refused::Mode(format!(
                "a reload cannot change from {was} to {wanted}; stop the daemon and start it with --go-live"
            )));
        }
        let changing = self.changing.lock().await;
        let old = self.catalogue();
        let mut catalogue = Catalogue::read(
            &config,
            &*self.store,
            old.rules.salt,
            Arc::clone(&old.rules.controls),
        )
        .await?;
        if let Some(taken_away) = TakenAway::of(&old, &catalogue) {
            return Err(Refused::TakenAway(Box::new(taken_away)));
        }
        self.drain_notices().await;
        let replaced = Replaced {
            rules: &old.rules,
            walked: self.has_walked().await,
        };
        let controls = activated(&catalogue, Some(replaced), self.clock.now());
        let kept = catalogue.take_kept();
        keep_former(&mut catalogue.rules, &old.rules);
        self.coupons.moved();
        catalogue = catalogue.with_controls(controls);
        write_controls(&*self.store, &catalogue.rules.controls, kept).await?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        {
            let mut walked = self.walked.lock().await;
            if walked.version != catalogue.rules.version {
                walked.version = catalogue.rules.version;
                walked.shards.clear();
            }
        }
        self.adopt(catalogue).await;
        // Every shard goes by the new names now.
        let moved = quotas::rename(&*self.store, &self.catalogue().rules).await;
        if let Err(error) = moved {
            tracing::error!(%error, "what was taken of quotas still stands under the former names of campaigns; keep `renamed_from` and reload again");
        }
        // A pause must not wait behind what follows.
        drop(changing);
        // A campaign whose file is back goes on where it stood.
        self.unpark().await;
        Ok(self.catalogue())
    }

    fn require(&self, scope: &Scope) -> Result<(), ControlError> {
        let Scope::Campaign(id) = scope else {
            return Ok(());
        };
        let catalogue = self.catalogue();
        let controls = &catalogue.rules.controls;
        if controls.cancelled.contains(id) {
            return Err(ControlError::Cancelled(id.to_string()));
        }
        if catalogue.files.contains_key(id) || controls.activations.contains_key(id) {
            Ok(())
        } else {
            Err(ControlError::Unknown(id.to_string()))
        }
    }

    /// Changes the controls, durably, then in every shard.
    pub(super) async fn turn(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Controls),
    ) -> Result<(), Refused> {
        self.turn_with(Batch::default(), change).await
    }

    /// The same, with `more` written in the same commit.
    pub(super) async fn turn_with(
        self: &Arc<Self>,
        more: Batch,
        change: impl FnOnce(&mut Controls),
    ) -> Result<(), Refused> {
        let changing = self.changing.lock().await;
        self.change(&changing, more, change).await
    }

    async fn change(
        &self,
        _changing: &MutexGuard<'_, ()>,
        more: Batch,
        change: impl FnOnce(&mut Controls),
    ) -> Result<(), Refused> {
        let catalogue = self.catalogue();
        let mut controls = (*catalogue.rules.controls).clone();
        change(&mut controls);
        controls.heed_approvals(self.clock.now());
        write_controls(&*self.store, &controls, more).await?;
        self.adopt(catalogue.with_controls(controls)).await;
        Ok(())
    }

    /// Changes the controls, with `more` in the same commit, and then, if `walks` says so of the rules in force, has every customer met by another walk.
    /// The walk is numbered, and the number is written in the commit of the change, so that a walk that was cut off is
    /// made up for at the next opening; two changes at the same time never share a number, or the later one's walk would
    /// be taken for made.
    pub(super) async fn turn_and_walk(
        self: &Arc<Self>,
        mut more: Batch,
        walks: impl FnOnce(&Rules) -> bool,
        change: impl FnOnce(&mut Controls),
    ) -> Result<(), Refused> {
        let changing = self.changing.lock().await;
        let round = match walks(&self.catalogue().rules) {
            true => Some(self.walks_asked_for().await? + 1),
            false => None,
        };
        let number = round.map(|round| Number(u64::from(round)));
        let number = number.map(|n| (keys::house(guard::WALKS), encode(&n)));
        more.puts.extend(number);
        self.change(&changing, more, change).await?;
        drop(changing);
        if let Some(round) = round {
            self.walk_again(round).await;
        }
        Ok(())
    }

    /// What was held back by a pause that is over comes back; returns how many customers' messages did. Where the store
    /// refuses, they follow with the next ticks.
    async fn unpark(&self) -> u64 {
        let mut waiting = Vec::new();
        for shard in &self.shards {
            let (answer, answered) = oneshot::channel();
            shard.order(Order::Unpark(answer)).await;
            waiting.push(answered);
        }
        let mut total = 0;
        let mut later = None;
        for answered in waiting {
            match answered.await.unwrap_or(Err(Refused::Stopping)) {
                Ok(customers) => total += customers,
                Err(error) => later = Some(error),
            }
        }
        if let Some(error) = later {
            tracing::warn!(%error, "messages that were held back come back when the store takes them");
        }
        total
    }
}
