//! Occurrences of schedules: which is due, and walking the due index of one in chunks. What is done stands in the store
//! with the chunk that did it, so that none is done twice and one that was cut off goes on.

use crate::domain::campaign::{Campaign, Missed, Schedule, ScheduleZone, Start, When};
use crate::domain::cause::Cause;
use crate::domain::id::CampaignId;
use crate::domain::record::DueAt;
use crate::domain::rules::Rules;
use crate::domain::schedule::instant_of;
use crate::domain::time::{Span, Timestamp};
use crate::engine::batch::Work;
use crate::engine::shard::{Refused, Shard};
use crate::engine::state::{Number, Occurrence, Walking};
use crate::store::codec::encode;
use crate::store::keys;
use chrono::NaiveDateTime;
use chrono_tz::Tz;
use std::sync::Arc;

use super::{CHUNK, KEEP, Lots, PROMPT, Phase, Row};

/// The next occurrence of a campaign in a zone after `upto`; none for a campaign that is not live, or paused, nor
/// while history is imported.
pub(in crate::engine) fn next_of(
    rules: &Rules,
    id: &CampaignId,
    zone: &str,
    upto: Timestamp,
) -> Option<(NaiveDateTime, Timestamp)> {
    let (_, schedule, zone) = live_schedule(rules, id, zone)?;
    match &schedule.when {
        When::Cron(rule) => rule.next(upto, zone),
        When::On(local) => Some((*local, instant_of(*local, zone))).filter(|(_, at)| *at > upto),
    }
}

/// A campaign's schedule and the zone that it goes by, where it fires at all at present.
pub(in crate::engine) fn live_schedule<'a>(
    rules: &'a Rules,
    id: &CampaignId,
    zone: &str,
) -> Option<(&'a Campaign, &'a Schedule, Tz)> {
    let campaign = rules.campaigns.get(id)?;
    let controls = &rules.controls;
    let live = controls
        .activations
        .get(id)
        .is_some_and(|a| a.live.is_some());
    let stopped = controls.paused_all
        || controls.importing.is_some()
        || controls.paused.contains(id)
        || controls.cancelled.contains(id)
        || controls.paused_classes.contains(&campaign.class);
    let Start::Scheduled(schedule) = &campaign.start else {
        return None;
    };
    let zone = match (schedule.zone, zone) {
        (ScheduleZone::Fixed(zone), "") => zone,
        (ScheduleZone::Customer, name) => name.parse().ok()?,
        // A row of an earlier version of the file.
        (ScheduleZone::Fixed(_), _) => return None,
    };
    (live && !stopped).then_some((campaign.as_ref(), schedule, zone))
}

impl Shard {
    /// One chunk of an occurrence that is due, or the end of the phase.
    pub(in crate::engine) async fn occurrence_chunk(&mut self) -> Result<(), Refused> {
        let now = self.clockwork.tick.upto;
        let rules = Arc::clone(&self.rules);
        let Some(here) = self.clockwork.first_due(&rules) else {
            self.clockwork.draw = None;
            self.clockwork.phase = Phase::Release;
            self.runner.arrives();
            return self.note_tick(now).await;
        };
        self.runner.comes_to(&here);
        let (id, zone) = (here.campaign.clone(), here.zone.clone());
        let row = self.clockwork.occurrences.get(&(id.clone(), zone.clone()));
        let Some(mut stored) = row.map(|row| row.stored.clone()) else {
            self.clockwork.agenda = None;
            return Ok(());
        };
        let Some((campaign, schedule, tz)) = live_schedule(&rules, &id, &zone) else {
            // Paused or gone in the middle of it: what is not done yet is missed.
            stored.walking = None;
            return self.store_occurrence(id, zone, stored).await;
        };
        let walking = match stored.walking {
            Some(walking) => walking,
            None => {
                let Some((local, at)) = latest_of(schedule, stored.upto, now, tz) else {
                    stored.upto = now;
                    return self.store_occurrence(id, zone, stored).await;
                };
                let late = late_by(&rules, &id, at, now);
                if !is_made_up(schedule, late) {
                    tracing::warn!(campaign = %id, occurrence = %local, zone, late = %late, "an occurrence was missed and is dropped");
                    stored.upto = at;
                    return self.store_occurrence(id, zone, stored).await;
                }
                Walking {
                    local,
                    at,
                    cursor: None,
                }
            }
        };
        let place = DueAt {
            hash: campaign.audience_hash,
            zone: (schedule.zone == ScheduleZone::Customer).then_some(tz),
        };
        if walking.cursor.is_none() {
            match self
                .draw_lots(campaign, place, walking.local, &here)
                .await?
            {
                Lots::Drawn => {}
                Lots::Later => return Ok(()),
                Lots::PutOff => {
                    self.put_off();
                    return Ok(());
                }
            }
        }
        let mut range = keys::prefix(keys::due_prefix(self.no, &id, place));
        if let Some(cursor) = walking.cursor {
            range = range.after(keys::due(cursor, &id, place));
        }
        let customers = self.chunk(range, keys::read_due_customer).await?;
        stored = match customers.last() {
            Some(last) if customers.len() == CHUNK => Occurrence {
                walking: Some(Walking {
                    cursor: Some(*last),
                    ..walking
                }),
                ..stored
            },
            _ => Occurrence {
                upto: walking.at,
                walking: None,
            },
        };
        let works: Vec<Work> = customers
            .into_iter()
            .map(|no| {
                let cause = Cause::Fires {
                    campaign: id.clone(),
                    occurrence: walking.local,
                };
                Shard::work(no, cause)
            })
            .collect();
        self.clockwork.ticked.fired += works.len() as u64;
        let put = (keys::occurrence(self.no, &id, &zone), encode(&stored));
        self.process(&works, &|_| vec![put.clone()]).await?;
        self.note_occurrence(id, zone, stored);
        Ok(())
    }

    /// Every occurrence up to `now` is done. Written now and then only: an older mark is as true.
    pub(in crate::engine) async fn note_tick(&mut self, now: Timestamp) -> Result<(), Refused> {
        self.clockwork.upto = now;
        if now.since(self.clockwork.kept) >= KEEP {
            self.clockwork.kept = now;
            let put = (keys::ticked(self.no), encode(&Number(now.millis() as u64)));
            self.process(&[], &|_| vec![put.clone()]).await?;
        }
        Ok(())
    }

    pub(in crate::engine) async fn store_occurrence(
        &mut self,
        id: CampaignId,
        zone: String,
        stored: Occurrence,
    ) -> Result<(), Refused> {
        let put = (keys::occurrence(self.no, &id, &zone), encode(&stored));
        self.process(&[], &|_| vec![put.clone()]).await?;
        self.note_occurrence(id, zone, stored);
        Ok(())
    }

    fn note_occurrence(&mut self, id: CampaignId, zone: String, stored: Occurrence) {
        let next = next_of(&self.rules, &id, &zone, stored.upto);
        let rules = Arc::clone(&self.rules);
        (self.clockwork).note_row(&rules, id, zone, Row { stored, next });
    }
}

/// How late an occurrence is met at `now`: a campaign that went live after it could not meet it before.
pub(in crate::engine) fn late_by(
    rules: &Rules,
    id: &CampaignId,
    at: Timestamp,
    now: Timestamp,
) -> Span {
    let live = rules.controls.activations.get(id).and_then(|a| a.live);
    now.since(live.map_or(at, |live| live.max(at)))
}

/// Whether an occurrence that is met so late is made up for.
pub(in crate::engine) fn is_made_up(schedule: &Schedule, late: Span) -> bool {
    match schedule.missed {
        Missed::RunOnce => late <= schedule.max_late,
        Missed::Skip => late <= PROMPT,
    }
}

/// The latest occurrence in (after, upto]; missed ones before it are folded into it.
pub(in crate::engine) fn latest_of(
    schedule: &Schedule,
    after: Timestamp,
    upto: Timestamp,
    zone: Tz,
) -> Option<(NaiveDateTime, Timestamp)> {
    match &schedule.when {
        When::Cron(rule) => rule.latest(after, upto, zone),
        When::On(local) => {
            Some((*local, instant_of(*local, zone))).filter(|(_, at)| *at > after && *at <= upto)
        }
    }
}
