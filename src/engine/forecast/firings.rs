//! When schedules fire in a forecast: at the ticks of the engine, folded and dropped by the clockwork's own rules.

use crate::domain::id::{CampaignId, CustomerNo, ShardNo};
use crate::domain::record::DueAt;
use crate::domain::rules::Rules;
use crate::domain::time::{Span, Timestamp};
use crate::engine::batch::BatchError;
use crate::engine::clockwork::{is_made_up, late_by, latest_of, live_schedule, next_of};
use crate::engine::state::{Number, Occurrence};
use crate::store::codec::decode;
use crate::store::{Direction, Store, keys};
use chrono::NaiveDateTime;
use chrono_tz::Tz;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The instants at which the engine looks: every `tick` from `start` on, before `end`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ticks {
    pub start: Timestamp,
    pub end: Timestamp,
    pub tick: Span,
}

impl Ticks {
    /// The first tick at or after `at`.
    pub fn at_or_after(&self, at: Timestamp) -> Timestamp {
        let tick = self.tick.0.max(1);
        let since = at.millis().saturating_sub(self.start.millis()).max(0);
        // Far ahead, past any forecast's end, there are no ticks.
        match since.checked_add(tick - 1) {
            Some(up) => Timestamp(self.start.millis() + up / tick * tick),
            None => Timestamp::NEVER,
        }
    }

    /// The tick after the one at `at`.
    pub fn after(&self, at: Timestamp) -> Timestamp {
        at + Span(self.tick.0.max(1))
    }
}

/// How far the shards' clockworks have come as the forecast begins.
pub struct Marks(Vec<Mark>);

struct Mark {
    ticked: Timestamp,
    rows: BTreeMap<(CampaignId, String), Occurrence>,
}

impl Marks {
    /// As they are stored. Where the engine is at work (`running`) it has ticked up to `start`.
    pub async fn read(
        store: &dyn Store,
        start: Timestamp,
        running: bool,
    ) -> Result<Marks, BatchError> {
        let mut marks = Vec::new();
        for shard in ShardNo::all() {
            let mut rows = BTreeMap::new();
            let range = keys::occurrences_all(shard);
            for (key, value) in store.scan(range, Direction::Forward, usize::MAX).await? {
                if let Some(at) = keys::read_occurrence(&key) {
                    rows.insert(at, decode(&value.value)?);
                }
            }
            let ticked = store.get_many(vec![keys::ticked(shard)]).await?;
            let ticked = match ticked.into_iter().next().flatten() {
                Some(value) if !running => {
                    let Number(ticked) = decode(&value.value)?;
                    Timestamp(ticked as i64)
                }
                _ => start,
            };
            marks.push(Mark { ticked, rows });
        }
        Ok(Marks(marks))
    }

    /// What a shard makes up for at its first tick, and after which customer each goes on.
    pub fn made_up(
        &self,
        shard: ShardNo,
        rules: &Rules,
        campaign: &CampaignId,
        place: DueAt,
        start: Timestamp,
    ) -> Vec<(Firing, Option<CustomerNo>)> {
        let name = place.zone.map_or("", |zone| zone.name());
        let mut found = Vec::new();
        let (Some((_, schedule, zone)), Some(mark)) = (
            live_schedule(rules, campaign, name),
            self.0.get(usize::from(shard.0)),
        ) else {
            return found;
        };
        let row = mark.rows.get(&(campaign.clone(), name.to_owned()));
        let mut upto = match row {
            Some(row) => row.upto,
            None => {
                let activation = rules.controls.activations.get(campaign);
                activation.map_or(mark.ticked, |a| a.at.max(mark.ticked))
            }
        };
        if let Some(walking) = row.and_then(|row| row.walking) {
            let firing = Firing {
                at: start,
                local: walking.local,
                due: walking.at,
            };
            found.push((firing, walking.cursor));
            upto = walking.at;
        }
        if let Some((local, at)) = latest_of(schedule, upto, start, zone)
            && is_made_up(schedule, late_by(rules, campaign, at, start))
        {
            let firing = Firing {
                at: start,
                local,
                due: at,
            };
            found.push((firing, None));
        }
        found
    }
}

/// One firing: the tick at which it is met, the local time that it stands for, and the instant at which it was due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Firing {
    pub at: Timestamp,
    pub local: NaiveDateTime,
    pub due: Timestamp,
}

/// The firings after the first tick, worked out once for each campaign and zone.
pub struct Firings {
    rules: Arc<Rules>,
    ticks: Ticks,
    known: HashMap<(CampaignId, Option<Tz>), Arc<[Firing]>>,
}

impl Firings {
    pub fn new(rules: Arc<Rules>, ticks: Ticks) -> Firings {
        Firings {
            rules,
            ticks,
            known: HashMap::new(),
        }
    }

    /// Those of one campaign for the customers of one zone, in order of time.
    pub fn of(&mut self, campaign: &CampaignId, zone: Option<Tz>) -> Arc<[Firing]> {
        let key = (campaign.clone(), zone);
        if let Some(known) = self.known.get(&key) {
            return Arc::clone(known);
        }
        let made: Arc<[Firing]> = self.make(campaign, zone).into();
        self.known.insert(key, Arc::clone(&made));
        made
    }

    fn make(&self, campaign: &CampaignId, zone: Option<Tz>) -> Vec<Firing> {
        let (rules, ticks) = (&self.rules, self.ticks);
        let name = zone.map_or("", |zone| zone.name());
        let mut firings = Vec::new();
        let Some((_, schedule, zone)) = live_schedule(rules, campaign, name) else {
            return firings;
        };
        let mut upto = ticks.start;
        while let Some((_, next)) = next_of(rules, campaign, name, upto) {
            let tick = ticks.at_or_after(next);
            if tick >= ticks.end {
                break;
            }
            // Several between two ticks are one.
            let (local, at) = latest_of(schedule, upto, tick, zone)
                .unwrap_or_else(|| (crate::domain::wall::local(next, zone), next));
            upto = at;
            if is_made_up(schedule, late_by(rules, campaign, at, tick)) {
                firings.push(Firing {
                    at: tick,
                    local,
                    due: at,
                });
            }
        }
        firings
    }

    /// The first tick after `now` at which the campaign fires there.
    pub fn next(
        &mut self,
        campaign: &CampaignId,
        zone: Option<Tz>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let firings = self.of(campaign, zone);
        let next = firings.partition_point(|firing| firing.at <= now);
        firings.get(next).map(|firing| firing.at)
    }

    /// What fires there at exactly `now`.
    pub fn at(
        &mut self,
        campaign: &CampaignId,
        zone: Option<Tz>,
        now: Timestamp,
    ) -> Option<Firing> {
        let firings = self.of(campaign, zone);
        let at = firings
            .binary_search_by_key(&now, |firing| firing.at)
            .ok()?;
        firings.get(at).copied()
    }
}
