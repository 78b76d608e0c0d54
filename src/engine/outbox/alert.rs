//! The mail that tells a campaign's owner that the campaign has paused itself.
//!
//! It is about no customer, so it is no message in anybody's ledger: the trip itself, among the controls, says whether it
//! was told. A crash between the mail and that note tells it twice, with the same Message-ID.

use super::super::core::Core;
use super::pump::Held;
use super::{Lane, Outbox};
use crate::domain::address::EmailAddress;
use crate::domain::breaker::{Harm, Trip};
use crate::domain::campaign::Campaign;
use crate::domain::id::{CampaignId, CustomerNo, MessageNo, MessageRef};
use crate::domain::outcome::Outcome;
use crate::domain::preference::Class;
use crate::domain::time::{Span, Timestamp};
use crate::message::{ComposeRequest, SenderBlock, Templates, compose};
use crate::transport::Outgoing;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// No customer has this number: it stands for the alert that is in hand.
const ALERT: MessageRef = MessageRef {
    customer: CustomerNo(u64::MAX),
    message: MessageNo(0),
};

/// One that could not be sent is tried again after so long, ...
const AGAIN: Span = Span::minutes(5);
/// ... but not for longer than this: by then somebody has looked, or nobody reads it.
const GIVE_UP: Span = Span::days(4);

/// What one try to tell of a trip came to.
enum Told {
    /// The mail went, or never can.
    Over,
    Later,
    /// It may have gone.
    InDoubt,
}

const EN: [&str; 2] = [
    "{{data.campaign}} has paused itself",
    "The campaign {{data.name}} ({{data.campaign}}) has paused itself at {{data.at}}.\n\nWhy: {{data.why}}.\n\nNothing more of it leaves until somebody looks. Its messages wait; what expires meanwhile is dropped.\nWhat was counted: reveille report {{data.campaign}}\nTo let it go on, counted anew: reveille resume {{data.campaign}}",
];
const KO: [&str; 2] = [
    "{{data.campaign}} 캠페인이 스스로 멈췄습니다",
    "{{data.name}} ({{data.campaign}}) 캠페인이 {{data.at}}에 스스로 멈췄습니다.\n\n이유: {{data.why}}\n\n확인하실 때까지 이 캠페인의 메일은 나가지 않고 기다립니다. 그사이 기한이 지난 메일은 보내지 않습니다.\n집계 보기: reveille report {{data.campaign}}\n다시 시작하기(새로 집계합니다): reveille resume {{data.campaign}}",
];

impl Outbox {
    /// Takes in hand the mail about a trip that nobody was told of yet; returns how many that were.
    pub(super) fn tell_owner(core: &Arc<Core>) -> usize {
        let catalogue = core.catalogue();
        let rules = &catalogue.rules;
        let tripped = &rules.controls.tripped;
        let outbox = &core.outbox;
        // Each trip waits for itself: an owner who cannot be reached keeps no other from being told.
        let due = {
            let now = core.clock.now();
            let mut again = outbox.alert_again();
            again.retain(|(id, at), _| tripped.get(id).is_some_and(|t| t.at == *at && !t.told));
            tripped.iter().find(|(id, trip)| {
                let waits = again.get(&((*id).clone(), trip.at));
                !trip.told && waits.is_none_or(|waits| waits.until <= now)
            })
        };
        let Some((id, trip)) = due.map(|(id, trip)| (id.clone(), trip.clone())) else {
            return 0;
        };
        if outbox.is_stopping() || !outbox.hand().insert(ALERT) {
            return 0;
        }
        let held = Held::of(core, ALERT);
        let campaign = rules.campaigns.get(&id).cloned();
        tokio::spawn(async move {
            let core = held.core();
            let told = match campaign {
                Some(campaign) => core.tell_of_trip(&campaign, &trip).await,
                None => Told::Over,
            };
            if !core.is_told(&id, &trip, told) {
                return;
            }
            let noted = core.turn(|controls| {
                if let Some(known) = controls.tripped.get_mut(&id)
                    && known.at == trip.at
                {
                    known.told = true;
                }
            });
            if let Err(error) = noted.await {
                tracing::error!(campaign = %id, %error, "that the owner was told could not be written; they may be told again");
                core.is_told(&id, &trip, Told::Later);
            }
        });
        1
    }
}

impl Core {
    /// Whether nobody is to be told of this trip any more. What may have gone is tried once more and no oftener: twice
    /// told is better than never, and worse than once.
    fn is_told(&self, id: &CampaignId, trip: &Trip, told: Told) -> bool {
        let mut again = self.outbox.alert_again();
        let waits = again.entry((id.clone(), trip.at)).or_default();
        let over = match told {
            Told::Over => true,
            Told::Later => false,
            Told::InDoubt => std::mem::replace(&mut waits.in_doubt, true),
        };
        waits.until = self.clock.now() + AGAIN;
        over
    }

    async fn tell_of_trip(self: &Arc<Self>, campaign: &Campaign, trip: &Trip) -> Told {
        let id = &campaign.id;
        let owner = campaign.owner.as_deref();
        let Some(to) = owner.and_then(|owner| EmailAddress::parse(owner).ok()) else {
            return Told::Over;
        };
        let catalogue = self.catalogue();
        let shop = &catalogue.rules.shop;
        let barred = |only: &Vec<_>| {
            let only: &Vec<crate::domain::condition::Pattern> = only;
            !only.iter().any(|p| p.0.is_match(to.as_str()))
        };
        if shop.only_to.as_ref().is_some_and(barred) {
            tracing::warn!(campaign = %id, "`only_to` keeps the mail about its pause from the owner");
            return Told::Over;
        }
        let outgoing = match self.alert(campaign, trip, &to) {
            Ok(outgoing) => outgoing,
            Err(why) => {
                tracing::error!(campaign = %id, why, "the mail about its pause could not be made");
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
        let (told, why) = match permit.deliver(outgoing).await {
            Outcome::Accepted { .. } => {
                tracing::info!(campaign = %id, "the owner was told that the campaign has paused itself");
                return Told::Over;
            }
            // It shows no products: the last of these cannot come of it.
            Outcome::Refused { .. } | Outcome::Undeliverable { .. } | Outcome::TooFew { .. } => {
                tracing::error!(campaign = %id, "the mail about its pause was refused; look at `owner`");
                return Told::Over;
            }
            Outcome::TryLater { .. } => (Told::Later, "the server asked to try again later"),
            Outcome::RelayFault { .. } => (Told::Later, "the relay is at fault"),
            Outcome::NotStarted { .. } => (Told::Later, "it did not begin to leave"),
            Outcome::Uncertain { .. } => (Told::InDoubt, "it is not known to have left"),
        };
        let over = self.clock.now().since(trip.at) > GIVE_UP;
        tracing::warn!(campaign = %id, why, "it is not certain that the owner was told that the campaign has paused itself");
        if over { Told::Over } else { told }
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
        campaign: &Campaign,
        trip: &Trip,
        to: &EmailAddress,
    ) -> Result<Outgoing, String> {
        let catalogue = self.catalogue();
        let shop = &catalogue.rules.shop;
        let sender = &self.from.sender;
        let from = &sender.from.address;
        let korean = shop.locale.split(['-', '_']).next() == Some("ko");
        let [subject, body] = if korean { KO } else { EN };
        let mut templates = Templates::from_sources(BTreeMap::new());
        for text in [subject, body] {
            templates.inline(text).map_err(|e| e.to_string())?;
        }
        let identity = format!("{}/{}/{}", campaign.id, trip.at, trip.harm.as_str());
        let salted = [&catalogue.rules.salt[..], identity.as_bytes()].concat();
        let message_id = format!("{:016x}.tripped@{}", xxh3_64(&salted), from.domain());
        let why = match korean {
            true => in_korean(trip),
            false => trip.to_string(),
        };
        let at = crate::domain::wall::local(trip.at, shop.timezone).format("%Y-%m-%d %H:%M");
        let at = format!("{at} ({})", shop.timezone);
        let name = &campaign.name;
        let request = ComposeRequest {
            template: "",
            body: Some(body),
            subject,
            preheader: "",
            locale: &shop.locale,
            zone: shop.timezone,
            context: json!({ "data": { "campaign": campaign.id.as_str(), "name": name, "why": why, "at": at } }),
            message_id: &message_id,
            from_name: sender.from.name.as_deref().unwrap_or_default(),
            from,
            to_name: None,
            to,
            date: self.clock.now(),
            class: Class::Transactional,
            campaign: &campaign.id,
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

fn in_korean(trip: &Trip) -> String {
    let Trip {
        many, of, limit, ..
    } = trip;
    let what = match trip.harm {
        Harm::Unsubscribes => format!("메일 {of}통 중 수신 거부 {many}건"),
        Harm::Refusals => format!("메일 {of}통 중 수신 서버가 거절한 메일 {many}통"),
        Harm::Complaints => format!("메일 {of}통 중 스팸 신고 {many}건"),
        Harm::Errors => format!("메일 {of}통 중 만들지 못한 메일 {many}통"),
    };
    format!("{what} (한도: {limit})")
}

/// Mails that could not be sent, by campaign and the instant of its trip.
pub(super) type Again = BTreeMap<(CampaignId, Timestamp), Waits>;

/// Until when such a mail waits.
#[derive(Default)]
pub(super) struct Waits {
    until: Timestamp,
    /// It may have gone already.
    in_doubt: bool,
}
