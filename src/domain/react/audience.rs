//! Settling: after every cause, each campaign's audience is judged; those who begin to hold enter where the campaign
//! goes by that, stand in the due index where it goes by a schedule; and entries move on.

use super::Life;
use super::enrollment::may_enter;
use super::kept_out::kept_out;
use crate::domain::campaign::{Again, Campaign, Existing, Schedule, ScheduleZone, Start};
use crate::domain::cause::Liveness;
use crate::domain::chance::draw;
use crate::domain::condition::{Facts, Verdict, evaluate};
use crate::domain::id::{CampaignId, EntryKey};
use crate::domain::ledger::Reason;
use crate::domain::policy::zone_of;
use crate::domain::record::DueAt;
use crate::domain::rules::Activation;
use crate::domain::time::{Span, Timestamp};
use chrono::NaiveDateTime;

/// So often acts may make each other happen within one reaction; the rest follows an hour later.
const MOST_ROUNDS: usize = 8;

impl Life<'_> {
    /// Judges every campaign afresh, and gathers when something may next change by itself; again, while acts change what
    /// campaigns ask. What acts bring about happens now, whatever the cause was.
    pub(super) fn settle(&mut self, liveness: Liveness) {
        self.settle_once(liveness);
        self.triggering.clear();
        for _ in 0..MOST_ROUNDS {
            if !std::mem::take(&mut self.changed) {
                return;
            }
            self.settle_once(Liveness::Live);
        }
        // Campaigns that go on undoing each other's tags must not keep the daemon busy.
        if std::mem::take(&mut self.changed) {
            self.wake_at(Some(self.now + Span::hours(1)));
        }
    }

    fn settle_once(&mut self, liveness: Liveness) {
        self.wake = Timestamp::NEVER;
        if let Some(to) = self.record.moved_to {
            return self.hand_over(to);
        }
        let rules = self.rules;
        for id in &rules.controls.cancelled {
            if !rules.campaigns.contains_key(id) {
                self.leave_all(id, Reason::CampaignCancelled);
            }
        }
        // In the order in which they ask about each other.
        for id in &rules.order {
            let Some(campaign) = rules.campaigns.get(id) else {
                continue;
            };
            if !self.admits(campaign.state) {
                self.stand_nowhere(id);
                self.advance_entries(id, campaign);
                continue;
            }
            match &campaign.start {
                Start::Scheduled(schedule) => {
                    let verdict = self.judge_audience(id, campaign);
                    // Who leaves now may be due again.
                    self.advance_entries(id, campaign);
                    self.stand_in_due_index(id, campaign, schedule, verdict);
                }
                Start::Audience => {
                    self.enter_at_edge(id, campaign, liveness);
                    self.advance_entries(id, campaign);
                    // Whose way ends now makes room for itself.
                    if self.enter_existing(id, campaign) {
                        self.advance_entries(id, campaign);
                    }
                }
                Start::Asked => self.advance_entries(id, campaign),
                Start::Triggered(trigger) => {
                    self.pull_triggers(id, campaign, trigger);
                    let known = self.record.campaigns.contains_key(id);
                    if known && campaign.entry.again == Again::AfterLeaving {
                        self.judge_audience(id, campaign);
                    }
                    self.advance_entries(id, campaign);
                }
                Start::Dated(trigger) => {
                    self.enter_by_date(id, campaign, trigger, liveness);
                    let known = self.record.campaigns.contains_key(id);
                    if known && campaign.entry.again == Again::AfterLeaving {
                        self.judge_audience(id, campaign);
                    }
                    self.advance_entries(id, campaign);
                }
            }
        }
    }

    fn stand_nowhere(&mut self, id: &CampaignId) {
        if let Some(standing) = self.record.campaigns.get_mut(id) {
            standing.due = None;
        }
    }

    /// The audience's answer, remembered in the customer's standing.
    fn judge_audience(&mut self, id: &CampaignId, campaign: &Campaign) -> Verdict {
        let verdict = match &campaign.audience {
            None => Verdict {
                holds: true,
                until: None,
            },
            Some(audience) => evaluate(audience, &Facts::of(&self.record, self.rules), self.now),
        };
        self.wake_at(verdict.until);
        // Who never held, and has no history with a campaign, needs no row.
        if !verdict.holds && !self.record.campaigns.contains_key(id) {
            return verdict;
        }
        let standing = self.record.campaigns.entry(id.clone()).or_default();
        standing.judged_by = campaign.audience_hash;
        standing.held = verdict.holds;
        if !verdict.holds {
            standing.left_since_entry = true;
            standing.existing = false;
        }
        verdict
    }

    fn stand_in_due_index(
        &mut self,
        id: &CampaignId,
        campaign: &Campaign,
        schedule: &Schedule,
        verdict: Verdict,
    ) {
        let standing = self.record.campaigns.get(id);
        let (free, until) = may_enter(standing, campaign, &EntryKey::default(), self.now);
        let wanted = verdict.holds
            && self.is_in_share(campaign)
            && !self.rules.controls.cancelled.contains(id)
            && standing.is_none_or(|s| !s.blocked);
        if wanted && !free {
            self.wake_at(until);
        }
        let zone = match schedule.zone {
            ScheduleZone::Customer => Some(zone_of(&self.record, self.rules)),
            ScheduleZone::Fixed(_) => None,
        };
        let due = (wanted && free).then_some(DueAt {
            hash: campaign.audience_hash,
            zone,
        });
        if let Some(standing) = self.record.campaigns.get_mut(id) {
            standing.due = due;
        }
    }

    fn enter_at_edge(&mut self, id: &CampaignId, campaign: &Campaign, liveness: Liveness) {
        let held = self.record.campaigns.get(id).is_some_and(|s| s.held);
        let verdict = self.judge_audience(id, campaign);
        if !verdict.holds || self.rules.controls.cancelled.contains(id) {
            return;
        }
        let activation = self.rules.controls.activations.get(id);
        let live = activation.and_then(|a| a.live).is_some();
        let begins = !held;
        if begins && liveness == Liveness::Live && live {
            self.enter(
                id,
                campaign,
                EntryKey::default(),
                self.now,
                Reason::Audience,
                String::new(),
            );
        } else if begins && liveness == Liveness::Live {
            // It begins to hold before the campaign is live (the walk or an approval is awaited): it is one of those
            // who hold at the start.
            if self.is_in_share(campaign) {
                self.existing.push(id.clone());
                self.hold_at_start(id, campaign.entry.existing);
            }
        }
    }

    /// Lets in whose audience held at the start, as soon as it is their turn and nothing stands in the way: the same
    /// instant at which a former way of theirs ends, too. True if they entered.
    fn enter_existing(&mut self, id: &CampaignId, campaign: &Campaign) -> bool {
        let activation = self.rules.controls.activations.get(id);
        let Some(at) = activation.and_then(|a| self.admitted_at(id, campaign, a)) else {
            return false;
        };
        // What their steps did just now may have taken them out of the audience: then all is judged again.
        let facts = Facts::of(&self.record, self.rules);
        let holds =
            (campaign.audience.as_ref()).is_none_or(|a| evaluate(a, &facts, self.now).holds);
        if !holds || self.rules.controls.cancelled.contains(id) {
            return false;
        }
        if at > self.now {
            self.wake_at(Some(at));
            return false;
        }
        let key = EntryKey::default();
        let (free, until) = may_enter(self.record.campaigns.get(id), campaign, &key, self.now);
        if !free {
            self.wake_at(until);
            return false;
        }
        if let Some(kept) = kept_out(campaign, &self.record, self.rules, self.now) {
            // They wait until nothing keeps them out any more.
            self.wake_at(kept.until);
            return false;
        }
        let (now, detail) = (self.now, String::new());
        self.enter(id, campaign, key, now, Reason::Existing, detail)
    }

    /// From when on a customer whose audience already held at the start may enter: at once, or at the pace of the file;
    /// `None` for all others, and while the campaign is not live.
    fn admitted_at(
        &self,
        id: &CampaignId,
        campaign: &Campaign,
        activation: &Activation,
    ) -> Option<Timestamp> {
        let live = activation.live?;
        self.record.campaigns.get(id).filter(|s| s.existing)?;
        match campaign.entry.existing {
            Existing::Skip => None,
            Existing::Enter => Some(live),
            Existing::Pace { count, per } => {
                let h = draw(
                    &self.rules.salt,
                    "existing",
                    id,
                    self.record.no,
                    &EntryKey::default(),
                );
                let periods = (h * activation.existing as f64 / f64::from(count.max(1))).floor();
                Some(live + Span::millis((periods * per.0 as f64) as i64))
            }
        }
    }

    /// A schedule fired for a customer who stood in the due index.
    pub(super) fn fire(&mut self, id: &CampaignId, occurrence: NaiveDateTime) {
        let rules = self.rules;
        let Some(campaign) = rules.campaigns.get(id) else {
            return;
        };
        let activation = rules.controls.activations.get(id);
        let live = activation.and_then(|a| a.live).is_some();
        let scheduled = matches!(campaign.start, Start::Scheduled(_));
        if self.record.moved_to.is_some() || !scheduled || rules.controls.cancelled.contains(id) {
            return;
        }
        let verdict = self.judge_audience(id, campaign);
        let Some(standing) = self.record.campaigns.get_mut(id) else {
            return;
        };
        // Each local time is met at most once, also by a customer who moves to another zone.
        if standing.met.is_some_and(|met| met >= occurrence) || !live {
            return;
        }
        standing.met = Some(occurrence);
        if !verdict.holds || standing.blocked || !self.admits(campaign.state) {
            return;
        }
        let existing = self.record.campaigns.get(id).is_some_and(|s| s.existing);
        let admitted = activation.and_then(|a| self.admitted_at(id, campaign, a));
        if existing && admitted.is_none_or(|at| at > self.now) {
            return;
        }
        let key = EntryKey::default();
        let (free, _) = may_enter(self.record.campaigns.get(id), campaign, &key, self.now);
        if let Start::Scheduled(schedule) = &campaign.start
            && free
            && !self.is_drawn(campaign, schedule, occurrence)
        {
            return self.log_not_drawn(id, campaign, &key);
        }
        let reason = if existing {
            Reason::Existing
        } else {
            Reason::Schedule
        };
        let detail = format!("occurrence {}", occurrence.format("%Y-%m-%d %H:%M"));
        self.enter(id, campaign, key, self.now, reason, detail);
    }
}
