//! Mails to the owners of campaigns: a campaign has paused itself, or waits for approval; a pool of coupons runs low. Here
//! is who is to be told of what, and that each is told once; [`sending`] makes and sends the mail, [`texts`] words it.
//!
//! They are about no customer, so they are no messages in anybody's ledger: what is told of stands among the controls, and
//! there, too, whether it was told. A crash between the mail and that note tells it twice, with the same Message-ID.

mod sending;
mod texts;

use super::super::core::Core;
use super::Outbox;
use super::pump::Held;
use crate::domain::alert::Case;
use crate::domain::breaker::Trip;
use crate::domain::campaign::{Campaign, CampaignState};
use crate::domain::chance::{Salt, keyed_hash};
use crate::domain::id::{CampaignId, CustomerNo, MessageNo, MessageRef};
use crate::domain::rules::{Controls, Rules};
use crate::domain::time::{Span, Timestamp};
use crate::engine::coupons::users;
use std::collections::BTreeMap;
use std::sync::Arc;

/// No customer has this number: it stands for the alert that is in hand.
const ALERT: MessageRef = MessageRef {
    customer: CustomerNo(u64::MAX),
    message: MessageNo(0),
};

/// One that could not be sent is tried again after so long.
const AGAIN: Span = Span::minutes(5);

/// What one try to tell somebody came to.
enum Told {
    /// The mail went, or never can.
    Over,
    Later,
    /// It may have gone.
    InDoubt,
}

/// What somebody is told of.
enum What {
    Tripped(Trip),
    Case(Case),
}

/// What one address is to be told.
struct News {
    what: What,
    /// Since when it is so.
    at: Timestamp,
    /// As whose owner they are told.
    campaign: Arc<Campaign>,
    owner: String,
}

/// By which it is known.
type NewsKey = (Option<Case>, Option<CampaignId>, Timestamp, String);

impl News {
    fn key(&self) -> NewsKey {
        let (case, campaign) = match &self.what {
            What::Tripped(_) => (None, Some(self.campaign.id.clone())),
            // Who owns several campaigns of a pool is told of it once.
            What::Case(case) => (Some(case.clone()), None),
        };
        (case, campaign, self.at, self.owner.clone())
    }
}

/// How an address stands among those that were told.
fn hashed(salt: &Salt, owner: &str) -> u64 {
    keyed_hash(salt, &[b"told", owner.as_bytes()])
}

/// All that somebody is to be told, each owner apart.
fn to_tell(rules: &Rules) -> Vec<News> {
    let controls = &rules.controls;
    let tripped = controls.tripped.iter().filter(|(_, trip)| !trip.told);
    let tripped = tripped.filter_map(|(id, trip)| {
        let campaign = rules.campaigns.get(id)?;
        Some(News {
            what: What::Tripped(trip.clone()),
            at: trip.at,
            owner: campaign.owner.clone()?,
            campaign: Arc::clone(campaign),
        })
    });
    let mut news: Vec<News> = tripped.collect();
    for (case, alert) in &controls.alerts {
        let mut owners: BTreeMap<&str, &Arc<Campaign>> = BTreeMap::new();
        for campaign in campaigns_of(rules, case) {
            if let Some(owner) = &campaign.owner {
                owners.entry(owner).or_insert(campaign);
            }
        }
        let untold = (owners.into_iter())
            .filter(|(owner, _)| !alert.told.contains(&hashed(&rules.salt, owner)));
        news.extend(untold.map(|(owner, campaign)| News {
            what: What::Case(case.clone()),
            at: alert.at,
            campaign: Arc::clone(campaign),
            owner: owner.to_owned(),
        }));
    }
    news
}

/// Whose owners hear of a case, in the order of their names.
fn campaigns_of<'r>(rules: &'r Rules, case: &'r Case) -> Vec<&'r Arc<Campaign>> {
    let controls = &rules.controls;
    match case {
        Case::Enters(id) | Case::GoesOn(id) => rules.campaigns.get(id).into_iter().collect(),
        // One that is used up is told as such alone.
        Case::Low(pool) if controls.alerts.contains_key(&Case::UsedUp(pool.clone())) => Vec::new(),
        Case::Low(pool) | Case::UsedUp(pool) => {
            let gives = |c: &&Arc<Campaign>| {
                c.state != CampaignState::Draft && !controls.cancelled.contains(&c.id)
            };
            users(rules, pool).filter(gives).collect()
        }
    }
}

impl Outbox {
    /// Takes in hand the mail about something that somebody was not told of yet; returns how many that were. None leaves
    /// while sending is held.
    pub(super) fn tell_owner(core: &Arc<Core>) -> usize {
        if core.held().is_some() {
            return 0;
        }
        let outbox = &core.outbox;
        // Each waits for itself: an owner who cannot be reached keeps no other from being told.
        let news = to_tell(&core.catalogue().rules);
        let due = {
            let now = core.clock.now();
            let mut again = outbox.alert_again();
            again.retain(|key, _| news.iter().any(|news| news.key() == *key));
            news.into_iter().find(|news| {
                let waits = again.get(&news.key());
                waits.is_none_or(|waits| waits.until <= now)
            })
        };
        let Some(news) = due else {
            return 0;
        };
        if outbox.is_stopping() || !outbox.hand().insert(ALERT) {
            return 0;
        }
        let held = Held::of(core, ALERT);
        tokio::spawn(async move {
            let core = held.core();
            let told = core.tell(&news).await;
            if !core.is_told(&news, told) {
                return;
            }
            let salt = core.catalogue().rules.salt;
            let noted = core.turn(|controls| note(controls, &news, &salt));
            if let Err(error) = noted.await {
                tracing::error!(campaign = %news.campaign.id, %error, "that the owner was told could not be written; they may be told again");
                core.is_told(&news, Told::Later);
            }
        });
        1
    }
}

/// Writes down that somebody was told, if it still stands.
fn note(controls: &mut Controls, news: &News, salt: &Salt) {
    match &news.what {
        What::Tripped(_) => {
            let trip = controls.tripped.get_mut(&news.campaign.id);
            if let Some(trip) = trip.filter(|trip| trip.at == news.at) {
                trip.told = true;
            }
        }
        What::Case(case) => {
            let alert = controls.alerts.get_mut(case);
            if let Some(alert) = alert.filter(|alert| alert.at == news.at) {
                alert.told.insert(hashed(salt, &news.owner));
            }
        }
    }
}

impl Core {
    /// Whether nobody is to be told of this any more. What may have gone is tried once more and no oftener: twice told is
    /// better than never, and worse than once.
    fn is_told(&self, news: &News, told: Told) -> bool {
        let mut again = self.outbox.alert_again();
        let waits = again.entry(news.key()).or_default();
        let over = match told {
            Told::Over => true,
            Told::Later => false,
            Told::InDoubt => std::mem::replace(&mut waits.in_doubt, true),
        };
        waits.until = self.clock.now() + AGAIN;
        over
    }
}

/// Mails that could not be sent.
pub(super) type Again = BTreeMap<NewsKey, Waits>;

/// Until when such a mail waits.
#[derive(Default)]
pub(super) struct Waits {
    until: Timestamp,
    /// It may have gone already.
    in_doubt: bool,
}
