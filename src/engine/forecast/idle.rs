//! Whether anything will happen to a customer at all: most are quiet, and need not be played.

use super::firings::{Firings, Ticks};
use super::play::Stage;
use crate::domain::id::CampaignId;
use crate::domain::record::{DueAt, Record};
use crate::domain::rules::Rules;

/// Whether nothing will happen to a customer before the end.
pub fn is_idle(stage: &Stage, firings: &mut Firings, record: &Record) -> bool {
    if stage.walk_all || stage.walk_again || record.rules != stage.rules.version {
        return false;
    }
    let Ticks { start, end, .. } = stage.ticks;
    let index = record.index();
    let nothing_fires = |id: &CampaignId, place: DueAt, firings: &mut Firings| {
        let (rules, shard) = (&stage.rules, record.no.shard());
        !fits(rules, id, place)
            || (firings.next(id, place.zone, start).is_none()
                && (stage.marks.made_up(shard, rules, id, place, start)).is_empty())
    };
    index.alarm.is_none_or(|at| at >= end)
        && index.outbox.iter().all(|(_, at, _)| *at >= end)
        && index.attempting.is_empty()
        && (index.due.iter()).all(|(id, place)| nothing_fires(id, *place, firings))
}

/// Whether a place in the due index is one of the campaign as it stands.
pub fn fits(rules: &Rules, campaign: &CampaignId, place: DueAt) -> bool {
    (rules.campaigns.get(campaign)).is_some_and(|c| c.audience_hash == place.hash)
}
