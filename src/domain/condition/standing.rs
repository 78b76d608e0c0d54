//! Conditions on where a customer stands: what became of campaigns, what they have set as preferences, and how they
//! answer what is sent to them.

use super::evaluate::{age, came_within};
use super::explain::rough;
use super::{Facts, Range, Verdict};
use crate::domain::engagement::SentMessage;
use crate::domain::id::CampaignId;
use crate::domain::preference::Class;
use crate::domain::record::{Entry, EntryState, Standing};
use crate::domain::time::{Span, Timestamp};

/// What may have become of a customer in a campaign.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CampaignWas {
    Entered,
    /// Came to its end.
    Finished,
    /// Left before its end: by an exit, or since an operator said so.
    Left,
}

impl CampaignWas {
    /// As campaign files write it.
    pub const ALL: [(&'static str, CampaignWas); 3] = [
        ("entered", CampaignWas::Entered),
        ("finished", CampaignWas::Finished),
        ("left", CampaignWas::Left),
    ];

    fn text(self) -> &'static str {
        match self {
            CampaignWas::Entered => "entered",
            CampaignWas::Finished => "finished",
            CampaignWas::Left => "left before its end",
        }
    }

    /// When this last happened, of the entries that are remembered.
    fn last(self, standing: &Standing) -> Option<Timestamp> {
        let of_entry = |state: &EntryState, at: Timestamp| match (self, state) {
            (CampaignWas::Entered, _) => Some(at),
            (CampaignWas::Finished, EntryState::Finished { at }) => Some(*at),
            (CampaignWas::Left, EntryState::Left { at }) => Some(*at),
            _ => None,
        };
        // What ended in the instant in which it began never was: of an entry and its exit at one instant, either may be
        // told first.
        let never_was = |entry: &&Entry| {
            !entry.counted && matches!(entry.state, EntryState::Left { at } if at == entry.at)
        };
        (standing.entries.iter())
            .filter(|entry| !never_was(entry))
            .filter_map(|entry| of_entry(&entry.state, entry.at))
            .max()
    }
}

/// A test of what became of the customer in another campaign. Rules evaluate that campaign first.
#[derive(Clone, PartialEq, Debug)]
pub struct CampaignCondition {
    pub campaign: CampaignId,
    pub was: CampaignWas,
    /// Only in (now - within, now].
    pub within: Option<Span>,
}

impl CampaignCondition {
    fn latest(&self, facts: &Facts<'_>) -> Option<Timestamp> {
        let standing = facts.standings.get(&self.campaign)?;
        self.was.last(standing)
    }

    pub(super) fn evaluate(&self, facts: &Facts<'_>, now: Timestamp) -> Verdict {
        came_within(self.latest(facts), self.within, now)
    }

    pub(super) fn describe(&self) -> String {
        let within = (self.within).map_or_else(String::new, |span| format!(" in the last {span}"));
        format!(
            "the campaign \"{}\" was {}{within}",
            self.campaign,
            self.was.text()
        )
    }

    pub(super) fn present(&self, facts: &Facts<'_>, now: Timestamp) -> String {
        match self.latest(facts) {
            Some(at) => format!("last {at}, {} ago", rough(now.since(at))),
            None => "never, as far as is remembered".to_owned(),
        }
    }
}

/// The campaigns in which the customer is under way and whose priority is higher. Transactional ones are no journeys.
pub(super) fn under_way<'a>(
    facts: &Facts<'a>,
    priority: i32,
) -> impl Iterator<Item = &'a CampaignId> {
    let campaigns = facts.campaigns;
    (facts.standings.iter())
        .filter(move |(id, standing)| {
            let higher = campaigns
                .get(*id)
                .is_some_and(|c| c.priority > priority && c.class != Class::Transactional);
            higher && standing.entries.iter().any(|e| e.state.is_under_way())
        })
        .map(|(id, _)| id)
}

/// When the customer last answered any message.
pub(super) fn last_answer(facts: &Facts<'_>) -> Option<Timestamp> {
    facts.sent.iter().filter_map(SentMessage::answered).max()
}

pub(super) fn engaged(range: &Range<Span>, facts: &Facts<'_>, now: Timestamp) -> Verdict {
    age(last_answer(facts), None, range, now)
}

/// How many of the latest advertising messages, in a row, have no answer. Those that bounced reached nobody and count for
/// nothing; whether a message advertised is told by its campaign's file.
pub(super) fn unanswered(facts: &Facts<'_>) -> u64 {
    let advertised = |message: &&SentMessage| {
        let campaign = facts.campaigns.get(&message.campaign);
        let step = campaign.and_then(|c| c.steps.iter().find(|s| s.id == message.step));
        let class = step.map(|s| s.class).or(campaign.map(|c| c.class));
        class == Some(Class::Advertising)
    };
    (facts.sent.iter().rev())
        .filter(advertised)
        .filter(|message| message.bounced.is_none())
        .take_while(|message| message.answered().is_none())
        .count() as u64
}
