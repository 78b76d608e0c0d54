//! Whether the campaign's quota has a place for this customer, and the place taken.
//!
//! A place is for somebody who is written to: who enters and is held out, to be compared with the others, comes in beside
//! the number, by the same chance. And who would not enter, though due, is not drawn.

use super::Life;
use super::kept_out::kept_out;
use super::walk::admits;
use crate::domain::campaign::{Campaign, Schedule, ScheduleZone, Start};
use crate::domain::condition::{Facts, evaluate};
use crate::domain::holdout::Drawn;
use crate::domain::id::{CampaignId, CustomerNo, EntryKey};
use crate::domain::ledger::{Reason, Status};
use crate::domain::policy::zone_of;
use crate::domain::quota::{Quota, Taken, lot_of};
use crate::domain::record::Record;
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;
use chrono::NaiveDateTime;

/// Whether an entry of this customer takes a place: not where every message of it would be held out.
pub fn takes_room(no: CustomerNo, campaign: &Campaign, rules: &Rules) -> bool {
    let drawn = Drawn::of(no, campaign, rules);
    let mut messages = campaign.steps.iter().filter(|s| s.act.is_none());
    messages.any(|s| drawn.withholds(s.class).is_none())
        || campaign.steps.iter().all(|s| s.act.is_some())
}

/// Whether some who are due may not enter, which only their records tell.
pub fn keeps_some_out(campaign: &Campaign) -> bool {
    let entry = &campaign.entry;
    entry.unless_in.is_some() || entry.exit.iter().any(|exit| !exit.looks_at_entry())
}

/// Whether the customer of `record`, who is due, would enter at this occurrence if they were drawn.
pub fn would_enter(
    record: &Record,
    campaign: &Campaign,
    rules: &Rules,
    occurrence: NaiveDateTime,
    now: Timestamp,
) -> bool {
    let Some(standing) = record.campaigns.get(&campaign.id) else {
        return false;
    };
    let met = standing.met.is_some_and(|met| met >= occurrence);
    let holds = (campaign.audience.as_ref())
        .is_none_or(|a| evaluate(a, &Facts::of(record, rules), now).holds);
    holds
        && !(met || standing.blocked)
        && record.moved_to.is_none()
        && admits(record, campaign.state)
        && kept_out(campaign, record, rules, now).is_none()
}

impl Life<'_> {
    /// Whether the customer is of the share that may enter at all; so, where the quota is a number, or there is none.
    pub(super) fn is_in_share(&self, campaign: &Campaign) -> bool {
        let (salt, no) = (&self.rules.salt, self.record.no);
        campaign
            .quota()
            .is_none_or(|quota| quota.admits(salt, &campaign.id, no))
    }

    /// What has been taken of the quota, where it is a number. From now on the reaction rests on it.
    fn taken<'q>(&mut self, campaign: &'q Campaign) -> Option<(&'q Quota, &mut Taken)> {
        let quota = campaign.quota().filter(|quota| quota.is_number())?;
        let known = self.quotas.get(&campaign.id);
        let taken = self.asked_quotas.entry(campaign.id.clone());
        Some((
            quota,
            taken.or_insert_with(|| known.cloned().unwrap_or_default()),
        ))
    }

    /// Whether one more may enter now. Of those by lot who take no place none is to miss it for coming after the others.
    pub(super) fn has_room(&mut self, campaign: &Campaign) -> bool {
        let (now, zone) = (self.now, self.rules.shop.timezone);
        let by_lot = matches!(campaign.start, Start::Scheduled(_));
        let beside = by_lot && !takes_room(self.record.no, campaign, self.rules);
        self.taken(campaign).is_none_or(|(quota, taken)| {
            (beside && !taken.lots.is_empty()) || taken.left(quota, now, zone) > 0
        })
    }

    pub(super) fn take_room(&mut self, campaign: &Campaign) {
        if !takes_room(self.record.no, campaign, self.rules) {
            return;
        }
        let (now, zone) = (self.now, self.rules.shop.timezone);
        if let Some((quota, taken)) = self.taken(campaign) {
            taken.take(quota, now, zone);
        }
    }

    /// Whether the customer is drawn of those who are due at this occurrence.
    pub(super) fn is_drawn(
        &self,
        campaign: &Campaign,
        schedule: &Schedule,
        occurrence: NaiveDateTime,
    ) -> bool {
        let zone = match schedule.zone {
            ScheduleZone::Customer => zone_of(&self.record, self.rules).name(),
            ScheduleZone::Fixed(_) => "",
        };
        let number = lot_of(&self.rules.salt, &campaign.id, self.record.no, occurrence);
        // The lots of an occurrence are drawn once: whoever is not drawn rests on nothing that others change, so their
        // batch need not be redone when somebody else takes a place.
        let numbered = campaign.quota().filter(|quota| quota.is_number());
        let known = numbered.and_then(|_| self.quotas.get(&campaign.id));
        known.is_none_or(|taken| taken.draws(zone, occurrence, number))
    }

    pub(super) fn log_not_drawn(&mut self, id: &CampaignId, campaign: &Campaign, key: &EntryKey) {
        let detail = campaign.quota().map(Quota::to_string).unwrap_or_default();
        self.log_entry(id, key, Status::NotDrawn, Reason::Quota, detail);
    }
}
