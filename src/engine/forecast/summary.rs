//! The numbers of a forecast: by day and campaign who enters, what is sent, waits and is dropped, and why; which campaigns
//! stand in each other's way; what the transports have to carry in their busiest hour.

use super::pools::{Drawn, Draws};
use super::told::Decision;
use crate::config::Config;
use crate::config::transport::TransportSettings;
use crate::domain::explain::rfc3339;
use crate::domain::id::CampaignId;
use crate::domain::ledger::{Reason, Status};
use crate::domain::record::{MessageState, Record};
use crate::domain::rules::Rules;
use crate::domain::time::{Span, Timestamp};
use crate::domain::wall;
use chrono::{NaiveDate, NaiveDateTime};
use chrono_tz::Tz;
use serde::Serialize;
use std::collections::BTreeMap;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// Numbers by the code of a reason.
pub type Reasons = BTreeMap<&'static str, u64>;

/// What is counted while a forecast is played; those of several threads are added up.
#[derive(Default)]
pub struct Counts {
    days: BTreeMap<(NaiveDate, CampaignId), Day>,
    collisions: BTreeMap<(CampaignId, CampaignId), (u64, u64)>,
    /// By transport, and minute since 1970.
    minutes: BTreeMap<String, BTreeMap<i64, u64>>,
    /// Messages that wait at the end.
    waiting: BTreeMap<CampaignId, u64>,
    pub unreadable: u64,
    pub unplayable: u64,
    pub draws: Draws,
}

/// One campaign's day.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Day {
    pub entered: u64,
    pub sent: u64,
    /// Messages put off, by reason.
    pub waits: Reasons,
    /// Messages that never go, by reason.
    pub dropped: Reasons,
    /// Customers who leave before the end, by reason.
    pub left: Reasons,
    /// Messages held out, by reason.
    pub held_out: Reasons,
}

/// One line of a forecast.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DayOf {
    /// On the shop's calendar.
    pub day: NaiveDate,
    pub campaign: CampaignId,
    #[serde(flatten)]
    pub counts: Day,
}

/// A campaign's messages that waited or were dropped since another's filled the cap, or stood too near.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Collision {
    pub campaign: CampaignId,
    pub in_the_way: CampaignId,
    pub waited: u64,
    pub dropped: u64,
}

/// What one transport has to carry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Load {
    pub transport: String,
    pub sent: u64,
    /// The hour in which most leave, by the shop's clock, and how many.
    pub busiest: NaiveDateTime,
    pub in_busiest: u64,
    /// How many its `rate` lets go in an hour.
    pub allows: Option<u64>,
    /// The longest that a message waits for its turn, in seconds.
    pub longest_wait: u64,
}

/// A forecast.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Forecast {
    #[serde(serialize_with = "rfc3339")]
    pub from: Timestamp,
    #[serde(serialize_with = "rfc3339")]
    pub until: Timestamp,
    /// The shop's, by which days are told.
    pub zone: Tz,
    pub customers: u64,
    /// Customers who cannot be read, and such over whom the forecast stumbled; they are left out.
    pub unreadable: u64,
    pub unplayable: u64,
    pub days: Vec<DayOf>,
    pub collisions: Vec<Collision>,
    pub loads: Vec<Load>,
    /// Messages that still wait at the end, by campaign.
    pub waiting: BTreeMap<CampaignId, u64>,
    /// What is in force beside the files, and how the forecast goes by it.
    pub notes: Vec<String>,
    /// What it takes for given.
    pub given: Vec<String>,
    /// What is asked of the pools of coupons.
    pub pools: Vec<Drawn>,
}

/// Whether a row that says "waiting" tells where somebody is on the way, and not what a mail waits for.
pub fn is_place(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::StepDue | Reason::Notified | Reason::Edited | Reason::Appended | Reason::Coupon
    )
}

impl Counts {
    pub fn add(&mut self, decision: &Decision, rules: &Rules) {
        let (shop, campaign) = (rules.shop.timezone, &decision.campaign);
        let key = (wall::local(decision.at, shop).date(), campaign.clone());
        let day = self.days.entry(key).or_default();
        let code = decision.reason.code();
        match decision.status {
            Status::Entered => day.entered += 1,
            Status::Left => *day.left.entry(code).or_default() += 1,
            Status::Attempting => {
                // What goes to staff is no mail to a customer, and fills a transport all the same.
                day.sent += u64::from(decision.reason != Reason::Notified);
                let minute = decision.at.millis().div_euclid(MINUTE);
                let transport = transport_of(decision, rules);
                let minutes = self.minutes.entry(transport).or_default();
                *minutes.entry(minute).or_default() += 1;
            }
            Status::Waiting | Status::Retrying if !is_place(decision.reason) => {
                *day.waits.entry(code).or_default() += 1;
            }
            // At the next occurrence they are drawn again.
            Status::NotDrawn | Status::KeptOut => *day.waits.entry(code).or_default() += 1,
            Status::HeldOut => *day.held_out.entry(code).or_default() += 1,
            Status::Dropped | Status::Expired => {
                *day.dropped.entry(code).or_default() += 1;
            }
            _ => {}
        }
        for other in decision
            .in_the_way
            .iter()
            .filter(|other| *other != campaign)
        {
            let key = (campaign.clone(), other.clone());
            let (waited, dropped) = self.collisions.entry(key).or_default();
            match decision.status {
                Status::Dropped | Status::Expired => *dropped += 1,
                _ => *waited += 1,
            }
        }
    }

    /// A customer as the forecast ends.
    pub fn stands(&mut self, record: &Record) {
        for message in record.messages.values().filter(|m| m.staff.is_none()) {
            if !matches!(message.state, MessageState::Attempting(_)) {
                *self.waiting.entry(message.campaign.clone()).or_default() += 1;
            }
        }
    }

    pub fn merge(&mut self, other: Counts) {
        for (key, day) in other.days {
            let own = self.days.entry(key).or_default();
            own.entered += day.entered;
            own.sent += day.sent;
            for (own, other) in [
                (&mut own.waits, day.waits),
                (&mut own.dropped, day.dropped),
                (&mut own.left, day.left),
                (&mut own.held_out, day.held_out),
            ] {
                for (reason, many) in other {
                    *own.entry(reason).or_default() += many;
                }
            }
        }
        for (key, (waited, dropped)) in other.collisions {
            let own = self.collisions.entry(key).or_default();
            own.0 += waited;
            own.1 += dropped;
        }
        for (transport, minutes) in other.minutes {
            let own = self.minutes.entry(transport).or_default();
            for (minute, many) in minutes {
                *own.entry(minute).or_default() += many;
            }
        }
        for (campaign, many) in other.waiting {
            *self.waiting.entry(campaign).or_default() += many;
        }
        self.draws.merge(other.draws);
        self.unreadable += other.unreadable;
        self.unplayable += other.unplayable;
    }

    /// One campaign's day.
    pub fn day(&mut self, day: NaiveDate, campaign: &CampaignId) -> &mut Day {
        self.days.entry((day, campaign.clone())).or_default()
    }

    /// The lines by day, of one campaign where one is asked for.
    pub fn days(&self, one: Option<&CampaignId>) -> Vec<DayOf> {
        let wanted = (self.days.iter()).filter(|((_, id), _)| one.is_none_or(|one| one == id));
        let lines = wanted.map(|((day, campaign), counts)| DayOf {
            day: *day,
            campaign: campaign.clone(),
            counts: counts.clone(),
        });
        lines.collect()
    }

    pub fn waiting(&self, one: Option<&CampaignId>) -> BTreeMap<CampaignId, u64> {
        let wanted = (self.waiting.iter()).filter(|(id, _)| one.is_none_or(|one| one == *id));
        wanted.map(|(id, many)| (id.clone(), *many)).collect()
    }

    /// Most first.
    pub fn collisions(&self, one: Option<&CampaignId>) -> Vec<Collision> {
        let mut all: Vec<Collision> = (self.collisions.iter())
            .filter(|((a, b), _)| one.is_none_or(|one| one == a || one == b))
            .map(|((campaign, in_the_way), (waited, dropped))| Collision {
                campaign: campaign.clone(),
                in_the_way: in_the_way.clone(),
                waited: *waited,
                dropped: *dropped,
            })
            .collect();
        all.sort_by_key(|c| std::cmp::Reverse(c.waited + c.dropped));
        all
    }

    pub fn loads(&self, config: &Config, zone: Tz) -> Vec<Load> {
        let load = |(name, minutes): (&String, &BTreeMap<i64, u64>)| {
            let name = match name.as_str() {
                "" => config.default_transport().unwrap_or_default(),
                name => name,
            };
            load(name, minutes, rate_of(config, name), zone)
        };
        self.minutes.iter().filter_map(load).collect()
    }
}

/// The transport that a message goes by; empty where the step leaves it to the configuration.
fn transport_of(decision: &Decision, rules: &Rules) -> String {
    let campaign = rules.campaigns.get(&decision.campaign);
    let steps = campaign.map_or(&[][..], |c| c.steps.as_slice());
    let step = steps.iter().find(|s| Some(&s.id) == decision.step.as_ref());
    step.and_then(|s| s.transport.clone()).unwrap_or_default()
}

/// So many in so long.
fn rate_of(config: &Config, transport: &str) -> Option<(u32, Span)> {
    match config.transports.get(transport)? {
        TransportSettings::Smtp(smtp) => smtp.rate.as_ref().map(|rate| (rate.count, rate.per)),
        _ => None,
    }
}

/// What leaves in each minute, sent on at the transport's rate: whoever comes when others wait, waits behind them.
fn load(
    name: &str,
    minutes: &BTreeMap<i64, u64>,
    rate: Option<(u32, Span)>,
    zone: Tz,
) -> Option<Load> {
    let mut hours: BTreeMap<i64, u64> = BTreeMap::new();
    for (minute, many) in minutes {
        let shown = wall::shown(Timestamp(minute * MINUTE), zone);
        *hours.entry(shown.div_euclid(HOUR)).or_default() += many;
    }
    let (hour, in_busiest) = hours.iter().rev().max_by_key(|(_, many)| **many)?;
    let per_minute =
        rate.map(|(count, per)| f64::from(count) * MINUTE as f64 / per.0.max(1) as f64);
    let mut longest = 0.0f64;
    if let Some(per_minute) = per_minute.filter(|rate| *rate > 0.0) {
        let (mut waiting, mut last) = (0.0f64, None);
        for (minute, many) in minutes {
            if let Some(last) = last {
                waiting = (waiting - per_minute * (minute - last) as f64).max(0.0);
            }
            last = Some(*minute);
            waiting += *many as f64;
            longest = longest.max(waiting / per_minute * 60.0);
        }
    }
    Some(Load {
        transport: name.to_owned(),
        sent: minutes.values().sum(),
        busiest: wall::naive(hour * HOUR),
        in_busiest: *in_busiest,
        allows: per_minute.map(|rate| (rate * 60.0) as u64),
        longest_wait: longest.round() as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::{MINUTE, load};
    use crate::domain::time::Span;
    use chrono_tz::Asia::Kolkata;
    use std::collections::BTreeMap;

    #[test]
    fn what_comes_faster_than_the_rate_waits() {
        // 600 at 10:00 and 60 at 10:01, at 2 a second; then nobody waits any more.
        let ten = 1_788_000_000_000 / MINUTE;
        let minutes = BTreeMap::from([(ten, 600), (ten + 1, 60), (ten + 60, 30)]);
        let found = load("main", &minutes, Some((2, Span::seconds(1))), Kolkata).unwrap();
        assert_eq!((found.sent, found.in_busiest), (690, 660));
        assert_eq!((found.allows, found.longest_wait), (Some(7_200), 300));
        let free = load("main", &minutes, None, Kolkata).unwrap();
        assert_eq!((free.allows, free.longest_wait), (None, 0));
        assert!(load("main", &BTreeMap::new(), None, Kolkata).is_none());
    }
}
