//! Holding out: a message that might leave now, and does not, so that what the others bring about can be measured.

use super::{Answer, Life};
use crate::domain::holdout::{Drawn, who, withheld};
use crate::domain::ledger::{Reason, Status};
use crate::domain::record::Message;

impl Life<'_> {
    /// Why a message that policy lets go is not sent, if it isn't. What is drawn for its entry is fixed now, if it was
    /// not before.
    pub(super) fn withheld(&mut self, message: &Message) -> Option<Reason> {
        // What somebody who was merged into another has still under way was decided on before.
        if self.record.moved_to.is_some() {
            return None;
        }
        let (rules, no) = (self.rules, self.record.no);
        let campaign = rules.campaigns.get(&message.campaign)?;
        let standing = self.record.campaigns.get_mut(&message.campaign)?;
        let entry = (standing.entries.iter_mut()).find(|e| e.sends(message.no))?;
        entry
            .drawn
            .get_or_insert_with(|| Drawn::of(no, campaign, rules));
        withheld(message, Some(entry), no, campaign, rules)
    }

    /// It takes no place, counts as entered, and the journey goes on as if it were settled.
    pub(super) fn hold_out(&mut self, message: &Message, reason: Reason) -> Answer {
        let rules = self.rules;
        self.count_in(message);
        self.open_goal(message);
        let campaign = rules.campaigns.get(&message.campaign);
        let detail = campaign.map_or_else(String::new, |c| who(reason, c, rules));
        self.conclude(message.no, Status::HeldOut, reason, detail);
        Answer::HeldOut
    }
}
