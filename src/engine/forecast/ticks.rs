//! A group tick by tick: alarms, occurrences in the order of the clockwork, release, outbox. At an occurrence whose lots
//! are not drawn it stands still, and goes on from there when they are.

use super::firings::Firing;
use super::group::Group;
use super::idle::fits;
use super::play::{Play, Teller};
use crate::domain::cause::Cause;
use crate::domain::id::CampaignId;
use crate::domain::quota::lot_of;
use crate::domain::react::{keeps_some_out, takes_room};
use crate::domain::record::DueAt;
use crate::domain::time::Timestamp;
use crate::engine::clockwork::{Occasion, enters};
use chrono::NaiveDateTime;

/// Lots that are to be drawn. In this order they are.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct OpenLot {
    pub tick: Timestamp,
    pub occasion: Occasion,
    pub local: NaiveDateTime,
}

/// What a group waits for.
pub struct Waits {
    pub lot: OpenLot,
    /// The numbers of those in it who would take a place.
    pub numbers: Vec<f64>,
}

/// A group as it stands at the end, or before lots that are not drawn.
pub type Played = (Group, Option<Waits>);

impl<T: Teller> Play<'_, T> {
    /// Goes on to the end, or to the next lots that are not drawn.
    pub(super) fn go_on(mut self) -> Played {
        let (start, end) = (self.stage.ticks.start, self.stage.ticks.end);
        loop {
            if self.group.acting.is_empty() {
                let next = self.group.queue.first().map(|(at, _)| *at);
                let Some(now) = next.filter(|now| *now < end) else {
                    return (self.group, None);
                };
                self.begin(now);
            }
            if let Some(waits) = self.fire() {
                return (self.group, Some(waits));
            }
            let acting = std::mem::take(&mut self.group.acting);
            let now = self.group.now;
            self.end(&acting, now);
            let stirred = std::mem::take(&mut self.group.stirred);
            let Group { people, queue, .. } = &mut self.group;
            for who in acting {
                queue.insert((people[who].next, who));
            }
            // Whoever was written to by another looks about at the next tick; as it begins, all do anyway.
            for who in stirred.into_iter().filter(|_| now > start) {
                let person = &mut people[who];
                queue.remove(&(person.next, who));
                person.next = person.next.min(self.stage.ticks.after(now));
                queue.insert((person.next, who));
            }
        }
    }

    /// A tick of those who have something to do at it: its alarms.
    fn begin(&mut self, now: Timestamp) {
        let group = &mut self.group;
        (group.now, group.passed) = (now, None);
        while let Some((at, who)) = group.queue.first().copied().filter(|(at, _)| *at == now) {
            group.queue.remove(&(at, who));
            group.acting.push(who);
        }
        for who in group.acting.clone() {
            let alarm = self.group.people[who].record.alarm;
            if alarm.is_some_and(|at| at <= now) {
                self.react(who, &Cause::Alarm, now);
            }
        }
    }

    /// The rest of the tick, once its occurrences are over.
    fn end(&mut self, acting: &[usize], now: Timestamp) {
        for &who in acting {
            if self.group.people[who].wants_release {
                self.react(who, &Cause::Release, now);
                self.group.people[who].wants_release = false;
            }
        }
        if self.stage.sends {
            self.pump(acting, now);
        }
        for &who in acting {
            self.group.people[who].next = self.next(who, now);
        }
    }

    /// The occurrences that are met at this tick, as far as their lots are drawn.
    fn fire(&mut self) -> Option<Waits> {
        let (stage, now) = (self.stage, self.group.now);
        while let Some((occasion, who, local)) = self.next_firing() {
            let campaign = stage.rules.campaigns.get(&occasion.campaign)?;
            if stage.drawn.is_open(campaign, &occasion.zone, local) {
                let tick = now;
                return Some(self.waits(OpenLot {
                    tick,
                    occasion,
                    local,
                }));
            }
            let cause = Cause::Fires {
                campaign: occasion.campaign.clone(),
                occurrence: local,
            };
            self.group.passed = Some((occasion, who));
            self.react(who, &cause, now);
        }
        None
    }

    /// The first occurrence of this tick that is not over, and whom it is for.
    fn next_firing(&mut self) -> Option<(Occasion, usize, NaiveDateTime)> {
        let now = self.group.now;
        let mut first: Option<(Occasion, usize, NaiveDateTime)> = None;
        for at in 0..self.group.acting.len() {
            let who = self.group.acting[at];
            let record = &self.group.people[who].record;
            let due: Vec<(CampaignId, DueAt)> = (record.index().due.into_iter())
                .filter(|(id, place)| fits(&self.stage.rules, id, *place))
                .map(|(id, place)| (id.clone(), place))
                .collect();
            for (campaign, place) in due {
                for firing in self.met(who, &campaign, place, now) {
                    let zone = place.zone.map_or("", |zone| zone.name());
                    let occasion = Occasion::new(&self.stage.rules, firing.due, &campaign, zone);
                    let found = (occasion, who, firing.local);
                    let over = self
                        .group
                        .passed
                        .as_ref()
                        .is_some_and(|(passed, of)| (&found.0, found.1) <= (passed, *of));
                    if !over && first.as_ref().is_none_or(|first| found < *first) {
                        first = Some(found);
                    }
                }
            }
        }
        first
    }

    /// What fires for this customer in this place of the due index.
    fn met(
        &mut self,
        who: usize,
        campaign: &CampaignId,
        place: DueAt,
        now: Timestamp,
    ) -> Vec<Firing> {
        let (stage, no) = (self.stage, self.group.people[who].record.no);
        if now > stage.ticks.start {
            let met = self.firings.at(campaign, place.zone, now);
            return met.into_iter().collect();
        }
        let marks = &stage.marks;
        let made_up = marks.made_up(no.shard(), &stage.rules, campaign, place, now);
        (made_up.into_iter())
            .filter(|(_, cursor)| cursor.is_none_or(|last| no > last))
            .map(|(firing, _)| firing)
            .collect()
    }

    /// Who of the group would take a place, as the engine counts them.
    fn waits(&self, lot: OpenLot) -> Waits {
        let (rules, group) = (&self.stage.rules, &self.group);
        let Occasion { campaign, zone, .. } = &lot.occasion;
        let mut numbers = Vec::new();
        for person in group.acting.iter().map(|who| &group.people[*who]) {
            let (record, no) = (&person.record, person.record.no);
            let due = record.campaigns.get(campaign).and_then(|s| s.due);
            let (Some(place), Some(campaign)) = (due, rules.campaigns.get(campaign)) else {
                continue;
            };
            let stands = fits(rules, &campaign.id, place)
                && place.zone.map_or("", |zone| zone.name()) == zone
                && !person.broken;
            let enters = || {
                !keeps_some_out(campaign) || enters(record, campaign, rules, lot.local, group.now)
            };
            if stands && takes_room(no, campaign, rules) && enters() {
                numbers.push(lot_of(&rules.salt, &campaign.id, no, lot.local));
            }
        }
        Waits { lot, numbers }
    }
}
