//! What a tick goes through: its beginning, which occurrence is next in it, and one that is put off to the next tick.

use super::course::{Occasion, Tick, rank_of};
use super::occurrences::{latest_of, live_schedule};
use super::{Answered, Clockwork, Phase, Row};
use crate::domain::id::CampaignId;
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;
use crate::engine::shard::Shard;

impl Clockwork {
    /// The first occurrence that is due in this tick, in the order that all shards keep to.
    pub(super) fn first_due(&mut self, rules: &Rules) -> Option<Occasion> {
        let upto = self.tick.upto;
        let rows = &self.occurrences;
        let agenda = self.agenda.get_or_insert_with(|| {
            let due = rows.iter();
            due.filter_map(|((id, zone), row)| occasion(rules, id, zone, row, upto))
                .collect()
        });
        let first = agenda.first().cloned();
        self.at.clone_from(&first);
        first
    }

    /// What was done of a row is noted; it may be due once more.
    pub(super) fn note_row(&mut self, rules: &Rules, id: CampaignId, zone: String, row: Row) {
        let again = occasion(rules, &id, &zone, &row, self.tick.upto);
        if let Some(agenda) = &mut self.agenda {
            let of_row = |known: &Occasion| known.campaign == id && known.zone == zone;
            if agenda.first().is_some_and(of_row) {
                agenda.pop_first();
                agenda.extend(again);
            } else {
                self.agenda = None;
            }
        }
        self.occurrences.insert((id, zone), row);
    }

    /// Up to when the occurrences of a campaign are over in a zone that is new to this shard.
    pub(super) fn over_for(&self, rules: &Rules, id: &CampaignId, zone: &str) -> Timestamp {
        let over = self.at.as_ref().map(|here| {
            let of_new = (rank_of(rules, id), id, zone);
            let comes_yet = of_new > (here.rank, &here.campaign, here.zone.as_str());
            match comes_yet {
                true => Timestamp(here.at.millis() - 1),
                false => here.at,
            }
        });
        over.map_or(self.upto, |over| over.max(self.upto))
    }
}

/// The occurrence of a row that is to be done by `upto`, if one is.
fn occasion(
    rules: &Rules,
    id: &CampaignId,
    zone: &str,
    row: &Row,
    upto: Timestamp,
) -> Option<Occasion> {
    let at = match (&row.stored.walking, row.next) {
        (Some(walking), _) => walking.at,
        (None, Some((_, next))) if next <= upto => {
            // Those that were missed are folded into the latest.
            let folded = live_schedule(rules, id, zone)
                .and_then(|(_, schedule, tz)| latest_of(schedule, row.stored.upto, upto, tz));
            folded.map_or(next, |(_, at)| at)
        }
        _ => return None,
    };
    Some(Occasion::new(rules, at, id, zone))
}

impl Shard {
    pub(in crate::engine) fn ask_tick(&mut self, tick: Tick, answer: Answered) {
        if self.clockwork.ask_tick(tick, answer) {
            self.begin_tick();
        }
    }

    /// The tick that was asked for last begins.
    pub(super) fn begin_tick(&mut self) {
        let clockwork = &mut self.clockwork;
        clockwork.tick = clockwork.asked;
        clockwork.phase = Phase::Alarms;
        clockwork.alarm_cursor = None;
        (clockwork.agenda, clockwork.at) = (None, None);
        clockwork.waits = false;
        self.runner.begins(clockwork.tick);
    }

    /// The occurrence that this tick is at waits for the next one, and so do those after it.
    pub(super) fn put_off(&mut self) {
        self.runner.stops();
        (self.clockwork.agenda, self.clockwork.at) = (None, None);
        self.clockwork.phase = Phase::Release;
    }

    /// Whether the clockwork has something to do now.
    pub(in crate::engine) fn has_work(&mut self) -> bool {
        self.clockwork.waits &= !self.runner.has_moved();
        self.clockwork.is_busy()
    }
}
