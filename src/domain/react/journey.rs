//! Journeys: which step an entry waits for, when that falls due, and what happens then.
//!
//! An entry remembers the steps behind it. What is next is always the first step of the file that is not behind it, so
//! that no step is had twice, however the file is edited.

use super::Life;
use super::enrollment::exits;
use super::jumping::stays_put;
use crate::domain::best::{best_instant, learned_from};
use crate::domain::campaign::{At, Campaign, DueFrom, Otherwise, Step};
use crate::domain::condition::{Condition, EntryFacts, Facts, Verdict, evaluate};
use crate::domain::id::{CampaignId, EntryKey, StepId};
use crate::domain::ledger::{LogRow, Reason, Status};
use crate::domain::policy::zone_of;
use crate::domain::record::{ByClock, Entry, EntryState, Message, Standing};
use crate::domain::time::Timestamp;
use crate::domain::wall::{first_showing, local};
use crate::domain::way::steps_of;
use chrono::{NaiveTime, Timelike};
use chrono_tz::Tz;

/// The entry waits for the first step that is not behind it, or has come to its end. Without its campaign's file nobody
/// knows when that step falls due: it is worked out when the file is back ([`super::edits`]).
pub(super) fn place(entry: &mut Entry, campaign: Option<&Campaign>, now: Timestamp, zone: Tz) {
    let Some(campaign) = campaign else { return };
    let next = (campaign.steps.iter()).find(|s| !entry.passed.contains(&s.id));
    match next {
        None => entry.end(EntryState::Finished { at: now }),
        Some(step) => {
            let (due, clock) = falls_due(step, entry, now, zone);
            entry.clock = clock;
            entry.state = EntryState::Waiting {
                step: step.id.clone(),
                due,
            };
        }
    }
}

/// When `step` falls due for an entry that has come to it; never before `now`.
pub(super) fn falls_due(
    step: &Step,
    entry: &Entry,
    now: Timestamp,
    zone: Tz,
) -> (Timestamp, Option<ByClock>) {
    by_clock(step.timing.at, counts_from(step, entry).max(now), zone)
}

/// The same, whatever the hour.
pub(super) fn counts_from(step: &Step, entry: &Entry) -> Timestamp {
    match step.timing.from {
        DueFrom::Entry(after) => entry.at + after,
        DueFrom::Before(wait) => entry.since + wait,
    }
}

/// The instant itself, or the first one from it on at which the customer's clock shows `at`. The best hour is chosen when
/// that instant has come, by what is known then.
fn by_clock(at: Option<At>, from: Timestamp, zone: Tz) -> (Timestamp, Option<ByClock>) {
    let Some(At::Clock(time)) = at else {
        return (from, None);
    };
    let at = time.num_seconds_from_midnight() * 1_000;
    let clock = ByClock { from, at, zone };
    (first_showing(time, from, zone), Some(clock))
}

/// When the first step would fall due for somebody who entered at `at`.
pub fn first_due(step: &Step, at: Timestamp, zone: Tz) -> Timestamp {
    let (DueFrom::Entry(span) | DueFrom::Before(span)) = step.timing.from;
    by_clock(step.timing.at, at + span, zone).0
}

impl Life<'_> {
    /// Those whose exit condition holds leave; those whose step fell due have it.
    pub(super) fn advance_entries(&mut self, id: &CampaignId, campaign: &Campaign) {
        if self.rules.controls.cancelled.contains(id) {
            return self.leave_all(id, Reason::CampaignCancelled);
        }
        self.let_jump(id, campaign);
        for (key, _) in self.open_entries(id) {
            // What ends at once makes room for the next step, before which the exits are judged again.
            while self.stays(id, campaign, &key)
                && !self.stays_put(id, campaign, &key)
                && self.step_due(id, campaign, &key)
            {}
        }
    }

    /// How a condition stands for an entry that is open; for none it does not hold.
    fn judge_for(&self, condition: &Condition, campaign: &Campaign, entry: &EntryKey) -> Verdict {
        let facts = Facts::of(&self.record, self.rules);
        let standing = self.record.campaigns.get(&campaign.id);
        let mut entries = standing.into_iter().flat_map(|s| &s.entries);
        match entries.find(|e| e.key == *entry && e.state.is_open()) {
            Some(entry) => {
                let facts = facts.for_exit(EntryFacts::of(entry, campaign));
                evaluate(condition, &facts, self.now)
            }
            None => Verdict {
                holds: false,
                until: None,
            },
        }
    }

    /// Whether no exit condition holds; else the entry ends.
    pub(super) fn stays(&mut self, id: &CampaignId, campaign: &Campaign, key: &EntryKey) -> bool {
        if self.is_answered(&campaign.start, key) {
            self.leave(id, key, Reason::Answered, "");
            return false;
        }
        let (record, rules, now) = (&self.record, self.rules, self.now);
        let standing = record.campaigns.get(id);
        let mut entries = standing.into_iter().flat_map(|s| &s.entries);
        let Some(entry) = entries.find(|e| e.key == *key && e.state.is_open()) else {
            return false;
        };
        let verdicts = exits(campaign, record, rules, entry, now);
        if let Some((condition, _)) = verdicts.iter().find(|(_, v)| v.holds) {
            let text = condition.describe();
            self.leave(id, key, Reason::Exit, &text);
            return false;
        }
        for (_, verdict) in &verdicts {
            self.wake_at(verdict.until);
        }
        true
    }

    /// Does the entry's step, if it has fallen due by now; else the alarm is set for it. True if the step is behind the
    /// entry already, so that the one after it may be due.
    fn step_due(&mut self, id: &CampaignId, campaign: &Campaign, key: &EntryKey) -> bool {
        self.follow_clock(id, key);
        let Some(Entry {
            state: EntryState::Waiting { step, due },
            ..
        }) = self.open_entry(id, key)
        else {
            return false;
        };
        let (name, mut due) = (step.clone(), *due);
        let Some(step) = campaign.step(&name) else {
            self.leave(id, key, Reason::StepGone, name.as_str());
            return false;
        };
        let chosen = self.chooses_hour(id, key, step) == Some(true);
        if due > self.now
            && !chosen
            && let Some(until) = &step.timing.until
        {
            let verdict = self.judge_for(until, campaign, key);
            match verdict.holds {
                true => due = self.bring_forward(id, key, step, due),
                false => self.wake_at(verdict.until),
            }
        }
        if due <= self.now && self.chooses_hour(id, key, step) == Some(false) {
            due = self.choose_hour(id, campaign, key, step);
        }
        if due > self.now {
            self.wake_at(Some(due));
            return false;
        }
        if let Some(only_if) = &step.only_if
            && !self.judge_for(only_if, campaign, key).holds
        {
            let detail = only_if.describe();
            self.log_step(id, key, step, Status::Skipped, Reason::OnlyIf, detail);
            self.go_on(id, Some(campaign), key, &step.otherwise);
            return true;
        }
        match &step.act {
            Some(act) => {
                self.act(id, campaign, key, step, act);
                self.go_on(id, Some(campaign), key, &Otherwise::Skip);
                true
            }
            None => self.message_due(id, campaign, key, step, due),
        }
    }

    /// The step's message waits to be released. True if its time was over before it could.
    fn message_due(
        &mut self,
        id: &CampaignId,
        campaign: &Campaign,
        key: &EntryKey,
        step: &Step,
        due: Timestamp,
    ) -> bool {
        let salt = &self.rules.salt;
        let message = Message::waiting(&self.record, campaign, step, key, due, salt);
        let no = message.no;
        self.record.next_message += 1;
        if let Some(entry) = self.open_entry(id, key) {
            entry.clock = None;
            entry.state = EntryState::Sending {
                step: step.id.clone(),
                message: no,
            };
        }
        let learned = learned_from(step, &self.record, self.rules, due).unwrap_or_default();
        self.log_message(&message, Status::Waiting, Reason::StepDue, learned);
        let expired = message.expires <= self.now;
        self.record.messages.insert(no, message);
        if expired {
            self.conclude(no, Status::Expired, Reason::Expired, "");
        }
        expired
    }

    /// Whether the entry's step goes at the best hour, and if so, whether that has been chosen.
    fn chooses_hour(&mut self, id: &CampaignId, key: &EntryKey, step: &Step) -> Option<bool> {
        let best = step.timing.at == Some(At::Best);
        (self.open_entry(id, key).filter(|_| best)).map(|entry| entry.clock.is_some())
    }

    /// The step's time has come: it waits for the best hour of the coming day, unless that is now.
    fn choose_hour(
        &mut self,
        id: &CampaignId,
        campaign: &Campaign,
        key: &EntryKey,
        step: &Step,
    ) -> Timestamp {
        let (now, zone) = (self.now, zone_of(&self.record, self.rules));
        let due = best_instant(step, campaign, &self.record, self.rules, now);
        if due > now
            && let Some(entry) = self.open_entry(id, key)
        {
            let shown = local(due, zone).time();
            entry.clock = Some(ByClock {
                from: now,
                at: shown.num_seconds_from_midnight() * 1_000,
                zone,
            });
            entry.state = EntryState::Waiting {
                step: step.id.clone(),
                due,
            };
        }
        due
    }

    /// What the step waited for has come: it is due now, or at the next such time of the clock, if that is earlier.
    fn bring_forward(
        &mut self,
        id: &CampaignId,
        key: &EntryKey,
        step: &Step,
        due: Timestamp,
    ) -> Timestamp {
        let zone = zone_of(&self.record, self.rules);
        let (earlier, clock) = by_clock(step.timing.at, self.now, zone);
        if earlier < due
            && let Some(entry) = self.open_entry(id, key)
        {
            entry.clock = clock;
            entry.state = EntryState::Waiting {
                step: step.id.clone(),
                due: earlier,
            };
        }
        earlier.min(due)
    }

    /// Works out anew when a step falls due at a time of the customer's clock, if that clock is another one by now.
    fn follow_clock(&mut self, id: &CampaignId, key: &EntryKey) {
        let (now, zone) = (self.now, zone_of(&self.record, self.rules));
        let Some(entry) = self.open_entry(id, key) else {
            return;
        };
        if let (Some(clock), EntryState::Waiting { due, .. }) = (&mut entry.clock, &mut entry.state)
            && clock.zone != zone
            && *due > now
            && let Some(time) = NaiveTime::from_num_seconds_from_midnight_opt(clock.at / 1_000, 0)
        {
            clock.zone = zone;
            *due = first_showing(time, clock.from.max(now), zone);
        }
    }

    /// The entry's present step is behind it: the next one waits, or that was its end.
    pub(super) fn go_on(
        &mut self,
        id: &CampaignId,
        campaign: Option<&Campaign>,
        key: &EntryKey,
        otherwise: &Otherwise,
    ) {
        if *otherwise == Otherwise::Exit {
            return self.leave(id, key, Reason::OnlyIf, "");
        }
        let (now, zone) = (self.now, zone_of(&self.record, self.rules));
        let controls = &self.rules.controls;
        let Some(Standing { entries, ways, .. }) = self.record.campaigns.get_mut(id) else {
            return;
        };
        let open = entries
            .iter_mut()
            .find(|e| e.key == *key && e.state.is_open());
        let Some(entry) = open else {
            return;
        };
        let stays = campaign.is_some_and(|c| stays_put(entry, c, controls));
        if let Some(step) = entry.state.step().cloned() {
            entry.pass(step);
        }
        if let (Otherwise::GoTo(to), Some(campaign)) = (otherwise, campaign) {
            pass_before(entry, campaign, to);
        }
        entry.since = now;
        let new = campaign.into_iter().flat_map(|c| &c.steps).map(|s| &s.id);
        match campaign {
            Some(_) if !stays => place(entry, campaign, now, zone),
            // Its file is gone for now, or the edit of it waits; by the order known what is next waits with it.
            _ => match (steps_of(ways, entry.journey).iter().chain(new))
                .find(|s| !entry.passed.contains(s))
            {
                Some(next) => {
                    entry.clock = None;
                    entry.state = EntryState::Waiting {
                        step: next.clone(),
                        due: Timestamp::NEVER,
                    };
                }
                None => entry.end(EntryState::Finished { at: now }),
            },
        }
        self.forget_old_entries(id);
    }

    pub(super) fn log_step(
        &mut self,
        id: &CampaignId,
        key: &EntryKey,
        step: &Step,
        status: Status,
        reason: Reason,
        detail: impl Into<String>,
    ) {
        let row = LogRow {
            step: Some(step.id.clone()),
            ..self.row(id, key, status, reason, detail)
        };
        self.log.push(row);
    }
}

/// The steps before `to` are behind the entry.
pub(super) fn pass_before(entry: &mut Entry, campaign: &Campaign, to: &StepId) {
    let before = (campaign.steps.iter()).take_while(|s| s.id != *to);
    before.for_each(|s| entry.pass(s.id.clone()));
}
