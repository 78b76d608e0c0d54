//! Goals: windows open when messages leave or are held out, and events are credited to them as they come in.

use super::Life;
use crate::domain::event::Event;
use crate::domain::goal::{Credit, amount};
use crate::domain::id::CampaignId;
use crate::domain::ledger::{LogRow, Reason, Status};
use crate::domain::record::Message;
use std::collections::BTreeSet;

impl Life<'_> {
    /// The message leaves now, or would: what happens from now on may be credited to it.
    pub(super) fn open_goal(&mut self, message: &Message) {
        let campaign = self.rules.campaigns.get(&message.campaign);
        if let Some(goal) = campaign.and_then(|c| c.goal.as_ref()) {
            self.record.goals.opens(message, self.now, goal.within);
        }
    }

    /// An event came in, told live, late or as history: each campaign whose goal it is credits it once.
    pub(super) fn note_goals(&mut self, event: &Event) {
        let windows = self.record.goals.windows();
        let open: BTreeSet<CampaignId> = windows.map(|w| w.campaign.clone()).collect();
        let rules = self.rules;
        for id in &open {
            let campaign = rules.campaigns.get(rules.present_name(id));
            let Some(goal) = campaign.and_then(|c| c.goal.as_ref()) else {
                continue;
            };
            if let Some(undo) = goal.undone_by.as_ref().filter(|u| u.event == event.name) {
                for credit in self.record.goals.undo(id, undo, event) {
                    self.log_goal(id, credit, Reason::GoalUndone, event);
                }
            }
            if goal.event.selects(event)
                && let Some(credit) = self.record.goals.credit(id, goal, event)
            {
                self.log_goal(id, credit, Reason::GoalReached, event);
            }
        }
    }

    fn log_goal(&mut self, id: &CampaignId, credit: Credit, reason: Reason, event: &Event) {
        let mut detail = format!("{} at {}", event.name, event.time);
        if let Some(value) = credit.value {
            detail.push_str(&format!(", value {}", amount(value)));
        }
        let row = self.row(id, &credit.entry, Status::Goal, reason, detail);
        self.log.push(LogRow {
            // Beside the message, whoever that one was merged into since.
            customer: credit.by.unwrap_or(self.record.no),
            step: Some(credit.step),
            message: Some(credit.no),
            variant: credit.variant,
            value: credit.value,
            ..row
        });
    }
}
