//! How many stand before each step of a campaign, and what they wait for.
//!
//! Nobody keeps such counts: they would be written with every step of everybody. Whoever asks has every customer read
//! once, a page at a time, and may hang up; nothing else of the campaign's life needs it.

use crate::domain::campaign::Campaign;
use crate::domain::explain::rfc3339_or_null;
use crate::domain::id::{CampaignId, StepId};
use crate::domain::react::stays_put;
use crate::domain::record::{Entry, EntryState, MessageState, Record};
use crate::domain::rules::Rules;
use crate::domain::time::{Span, Timestamp};
use crate::engine::core::Core;
use crate::engine::pages::RecordPages;
use crate::engine::shard::Refused;
use serde::Serialize;

/// All steps of a campaign that somebody stands before, or that its file has.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Standings {
    /// So many customers were read.
    pub customers: u64,
    /// So many of them are under way in it, some perhaps more than once (an entry for each cart).
    pub under_way: u64,
    /// In the file's order; behind them those that the file no longer has.
    pub steps: Vec<StepStanding>,
}

/// The entries that stand before one step.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct StepStanding {
    pub id: StepId,
    /// False: the file has it no longer.
    pub in_file: bool,
    /// They wait for the step's time.
    pub waiting: u64,
    /// How far off that is.
    pub due: DueIn,
    /// The earliest and the latest such time.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub first: Option<Timestamp>,
    #[serde(serialize_with = "rfc3339_or_null")]
    pub last: Option<Timestamp>,
    /// Their message is there and has not left yet: it waits for its hours, for a limit, or for the relay.
    pub sending: u64,
    /// Of those: held back by a pause.
    pub held: u64,
    /// Of those: nobody knows whether it arrived.
    pub in_doubt: u64,
    /// Of those who wait: nobody knows when it falls due, since the edit of the steps waits, or the file was gone when
    /// the step before was settled. They are not among `due`.
    pub unknown: u64,
}

/// Each whose time is known is counted once, where it first fits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct DueIn {
    /// The time has come, or is over: a pause or a file that is bad keeps it from being done.
    pub now: u64,
    pub hour: u64,
    pub day: u64,
    pub week: u64,
    pub later: u64,
}

impl Core {
    /// Counts those of the campaign by reading every customer. `told` hears how many were read of how many, and says
    /// whether anybody still wants to know. None if nobody did, or if there is no such campaign.
    pub async fn standings(
        &self,
        id: &CampaignId,
        mut told: impl FnMut(u64, u64) -> bool,
    ) -> Result<Option<Standings>, Refused> {
        let catalogue = self.catalogue();
        if !catalogue.files.contains_key(id) && !catalogue.rules.controls.cancelled.contains(id) {
            return Ok(None);
        }
        let (of, now) = (self.directory.count().await?, self.clock.now());
        let campaign = catalogue.rules.campaigns.get(id).map(|c| &**c);
        let mut standings = Standings::of(campaign);
        let mut pages = RecordPages::of(&*self.store);
        while let Some(records) = pages.next().await? {
            for record in &records {
                standings.count(record, id, &catalogue.rules, now);
            }
            if !told(standings.customers, of) {
                return Ok(None);
            }
        }
        Ok(Some(standings))
    }
}

impl Standings {
    fn of(campaign: Option<&Campaign>) -> Standings {
        let steps = campaign.into_iter().flat_map(|c| &c.steps);
        Standings {
            steps: steps.map(|s| StepStanding::new(&s.id, true)).collect(),
            ..Standings::default()
        }
    }

    fn count(&mut self, record: &Record, id: &CampaignId, rules: &Rules, now: Timestamp) {
        self.customers += 1;
        let standing = record.campaigns.get(id);
        let entries = standing.into_iter().flat_map(|standing| &standing.entries);
        let mut under_way = false;
        for entry in entries.filter(|entry| entry.state.is_under_way()) {
            under_way = true;
            let campaign = rules.campaigns.get(id);
            let stays = campaign.is_some_and(|c| stays_put(entry, c, &rules.controls));
            self.count_entry(record, entry, stays, now);
        }
        self.under_way += u64::from(under_way);
    }

    fn count_entry(&mut self, record: &Record, entry: &Entry, stays: bool, now: Timestamp) {
        match &entry.state {
            EntryState::Waiting { step, due } => {
                let known = !stays && *due != Timestamp::NEVER;
                self.step(step).wait(known.then_some(*due), now);
            }
            EntryState::Sending { step, message } => {
                let message = record.messages.get(message);
                let step = self.step(step);
                step.sending += 1;
                step.held += u64::from(message.is_some_and(|m| m.parked));
                let doubted = message.is_some_and(|m| m.state == MessageState::Uncertain);
                step.in_doubt += u64::from(doubted);
            }
            // The message is with one who was merged into this customer.
            EntryState::Elsewhere { step } => self.step(step).sending += 1,
            EntryState::Finished { .. } | EntryState::Left { .. } => {}
        }
    }

    fn step(&mut self, id: &StepId) -> &mut StepStanding {
        let at = match self.steps.iter().position(|step| step.id == *id) {
            Some(at) => at,
            None => {
                self.steps.push(StepStanding::new(id, false));
                self.steps.len() - 1
            }
        };
        &mut self.steps[at]
    }
}

impl StepStanding {
    fn new(id: &StepId, in_file: bool) -> StepStanding {
        StepStanding {
            id: id.clone(),
            in_file,
            waiting: 0,
            due: DueIn::default(),
            first: None,
            last: None,
            sending: 0,
            held: 0,
            in_doubt: 0,
            unknown: 0,
        }
    }

    fn wait(&mut self, due: Option<Timestamp>, now: Timestamp) {
        self.waiting += 1;
        let Some(due) = due else {
            self.unknown += 1;
            return;
        };
        self.first = Some(self.first.map_or(due, |first| first.min(due)));
        self.last = Some(self.last.map_or(due, |last| last.max(due)));
        let within = &mut self.due;
        let count = match due {
            due if due <= now => &mut within.now,
            due if due <= now + Span::hours(1) => &mut within.hour,
            due if due <= now + Span::days(1) => &mut within.day,
            due if due <= now + Span::days(7) => &mut within.week,
            _ => &mut within.later,
        };
        *count += 1;
    }
}
