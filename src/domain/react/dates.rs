//! Campaigns that start by a date of the profile: a birthday, a renewal.

use super::Life;
use crate::domain::campaign::Campaign;
use crate::domain::cause::Liveness;
use crate::domain::condition::{DateTrigger, Facts, evaluate};
use crate::domain::id::{CampaignId, EntryKey};
use crate::domain::ledger::Reason;
use crate::domain::policy::zone_of;

impl Life<'_> {
    /// Enters whose date has come, once for each date (of a yearly one once a year), if they are welcome at that time;
    /// else sets the alarm for it. What is told as history is met without entering anybody.
    pub(super) fn enter_by_date(
        &mut self,
        id: &CampaignId,
        campaign: &Campaign,
        trigger: &DateTrigger,
        liveness: Liveness,
    ) {
        let rules = self.rules;
        if rules.controls.cancelled.contains(id) {
            return;
        }
        let zone = zone_of(&self.record, rules);
        let near = trigger.near(&self.record.attributes, zone, self.now);
        self.wake_at(near.next.map(|(_, at)| at));
        let Some((date, at)) = near.latest else {
            return;
        };
        let active = (rules.controls.activations.get(id)).is_some_and(|a| at >= a.at);
        if !active || self.now.since(at) > trigger.fresh {
            return;
        }
        let met = self.record.campaigns.get(id).and_then(|s| s.met);
        if met.is_some_and(|met| trigger.is_over(met.date(), date)) {
            return;
        }
        let standing = self.record.campaigns.entry(id.clone()).or_default();
        standing.met = Some(date.and_time(trigger.at));
        let welcome = (campaign.audience.as_ref())
            .is_none_or(|a| evaluate(a, &Facts::of(&self.record, rules), self.now).holds);
        if liveness == Liveness::Live && welcome {
            let key = EntryKey(date.to_string());
            let detail = trigger.describe();
            self.enter(id, campaign, key, at, Reason::Date, detail);
        }
    }
}
