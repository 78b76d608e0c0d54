//! Whether the campaign's quota has a place for this customer, and the place taken.

use super::Life;
use crate::domain::campaign::{Campaign, Schedule, ScheduleZone};
use crate::domain::id::{CampaignId, EntryKey};
use crate::domain::ledger::{Reason, Status};
use crate::domain::policy::zone_of;
use crate::domain::quota::{Quota, Taken, lot_of};
use chrono::NaiveDateTime;

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

    /// Whether one more may enter now.
    pub(super) fn has_room(&mut self, campaign: &Campaign) -> bool {
        let (now, zone) = (self.now, self.rules.shop.timezone);
        self.taken(campaign)
            .is_none_or(|(quota, taken)| taken.left(quota, now, zone) > 0)
    }

    pub(super) fn take_room(&mut self, campaign: &Campaign) {
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
