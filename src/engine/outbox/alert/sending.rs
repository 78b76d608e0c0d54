//! Makes and sends one mail to an owner.

use super::super::super::core::Core;
use super::super::Lane;
use super::texts::Letter;
use super::{News, Told, What};
use crate::domain::address::EmailAddress;
use crate::domain::alert::Case;
use crate::domain::condition::Pattern;
use crate::domain::outcome::Outcome;
use crate::domain::preference::Class;
use crate::domain::time::Span;
use crate::engine::coupons::PoolView;
use crate::engine::shard::Refused;
use crate::message::{ComposeRequest, SenderBlock, Templates, compose};
use crate::transport::Outgoing;
use std::collections::BTreeMap;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// One that cannot be sent is not tried for longer than this: by then somebody has looked, or nobody reads it.
const GIVE_UP: Span = Span::days(4);

impl Core {
    pub(super) async fn tell(self: &Arc<Self>, news: &News) -> Told {
        let id = &news.campaign.id;
        let Ok(to) = EmailAddress::parse(&news.owner) else {
            return Told::Over;
        };
        let catalogue = self.catalogue();
        let shop = &catalogue.rules.shop;
        let barred = |only: &Vec<Pattern>| !only.iter().any(|p| p.0.is_match(to.as_str()));
        let what = news.in_the_log();
        if shop.only_to.as_ref().is_some_and(barred) {
            tracing::warn!(campaign = %id, what, "`only_to` keeps a mail from the campaign's owner");
            return Told::Over;
        }
        let pool = match self.pool_of(news).await {
            Ok(pool) => pool,
            Err(error) => {
                tracing::warn!(campaign = %id, what, %error, "the owner is told later");
                return Told::Later;
            }
        };
        let outgoing = match self.alert(news, pool.as_ref(), &to) {
            Ok(outgoing) => outgoing,
            Err(why) => {
                tracing::error!(campaign = %id, what, why, "a mail to the campaign's owner could not be made");
                return Told::Over;
            }
        };
        let Some(lane) = self.alert_lane() else {
            return Told::Over;
        };
        let mut stopping = self.outbox.stopping.subscribe();
        let permit = tokio::select! {
            permit = lane.transport.next_permit() => permit,
            _ = stopping.wait_for(|stopping| *stopping) => return Told::Later,
        };
        if self.held().is_some() {
            return Told::Later;
        }
        let (told, why) = match permit.deliver(outgoing).await {
            Outcome::Accepted { .. } => {
                tracing::info!(campaign = %id, what, "the owner was told");
                return Told::Over;
            }
            // It shows no products: the last of these cannot come of it.
            Outcome::Refused { .. } | Outcome::Undeliverable { .. } | Outcome::TooFew { .. } => {
                tracing::error!(campaign = %id, what, "the mail to the owner was refused; look at `owner`");
                return Told::Over;
            }
            Outcome::TryLater { .. } => (Told::Later, "the server asked to try again later"),
            Outcome::RelayFault { .. } => (Told::Later, "the relay is at fault"),
            Outcome::NotStarted { .. } => (Told::Later, "it did not begin to leave"),
            Outcome::Uncertain { .. } => (Told::InDoubt, "it is not known to have left"),
        };
        let over = self.clock.now().since(news.at) > GIVE_UP;
        tracing::warn!(campaign = %id, what, why, "it is not certain that the owner was told");
        if over { Told::Over } else { told }
    }

    /// How the pool stands that this is about, if it is about one.
    async fn pool_of(&self, news: &News) -> Result<Option<PoolView>, Refused> {
        let What::Case(Case::Low(name) | Case::UsedUp(name)) = &news.what else {
            return Ok(None);
        };
        let pools = self.pools().await?;
        Ok(pools.into_iter().find(|pool| pool.pool == *name))
    }

    /// The shop's usual way out.
    fn alert_lane(&self) -> Option<&Lane> {
        let usual = self.default_transport.as_deref();
        let lanes = &self.outbox.lanes;
        (lanes
            .iter()
            .find(|lane| Some(lane.transport.name()) == usual))
        .or(lanes.first())
    }

    fn alert(
        &self,
        news: &News,
        pool: Option<&PoolView>,
        to: &EmailAddress,
    ) -> Result<Outgoing, String> {
        let catalogue = self.catalogue();
        let shop = &catalogue.rules.shop;
        let sender = &self.from.sender;
        let from = &sender.from.address;
        let letter = Letter::of(news, pool, &catalogue.rules);
        let Letter { subject, body, .. } = letter;
        let mut templates = Templates::from_sources(BTreeMap::new());
        for text in [subject, body] {
            templates.inline(text).map_err(|e| e.to_string())?;
        }
        let (identity, kind) = news.identity();
        let salted = [&catalogue.rules.salt[..], identity.as_bytes()].concat();
        let message_id = format!("{:016x}.{kind}@{}", xxh3_64(&salted), from.domain());
        let request = ComposeRequest {
            template: "",
            body: Some(body),
            subject,
            preheader: "",
            locale: &shop.locale,
            zone: shop.timezone,
            context: letter.context,
            message_id: &message_id,
            from_name: sender.from.name.as_deref().unwrap_or_default(),
            from,
            to_name: None,
            to,
            date: self.clock.now(),
            class: Class::Transactional,
            campaign: &news.campaign.id,
            list_domain: from.domain(),
            links: None,
            tracking: None,
            text_only: true,
            unsubscribe_mailto: None,
            korean: false,
            sender: &SenderBlock::default(),
        };
        let finished = compose(&templates, &request).map_err(|e| e.to_string())?;
        Ok(Outgoing {
            from: from.clone(),
            to: to.clone(),
            message_id,
            bytes: Arc::from(finished.bytes),
        })
    }
}

impl News {
    /// What the same news has each time it is told, and no other; and its kind.
    fn identity(&self) -> (String, &'static str) {
        let Self {
            campaign,
            at,
            owner,
            ..
        } = self;
        match &self.what {
            What::Tripped(trip) => (
                format!("{}/{at}/{}", campaign.id, trip.harm.as_str()),
                "tripped",
            ),
            What::Case(case) => (format!("{case:?}/{at}/{owner}"), "alert"),
        }
    }

    fn in_the_log(&self) -> &'static str {
        match &self.what {
            What::Tripped(_) => "the campaign has paused itself",
            What::Case(Case::Enters(_) | Case::GoesOn(_)) => "the campaign waits for approval",
            What::Case(Case::Low(_)) => "a pool of coupons runs low",
            What::Case(Case::UsedUp(_)) => "a pool of coupons is used up",
        }
    }
}
