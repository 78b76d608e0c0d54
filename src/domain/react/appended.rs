//! Steps that were appended to the end of a file: where its campaign says `appended = "finished"`, those who have come to
//! its end have them, too.
//!
//! What is behind an entry says what is new to it, so nothing hangs on when the file was edited, or how often meanwhile.

use super::Life;
use super::journey::place;
use crate::domain::campaign::Campaign;
use crate::domain::id::{CampaignId, EntryKey};
use crate::domain::ledger::{LogRow, Reason, Status};
use crate::domain::policy::zone_of;
use crate::domain::record::{Entry, EntryState};

impl Life<'_> {
    /// Entries that have finished go on with the steps that stand after all that they had. Of each key the latest only;
    /// who counted as entered without having had anything goes on with nothing.
    pub(super) fn have_appended(&mut self, id: &CampaignId, campaign: &Campaign) {
        let cancelled = self.rules.controls.cancelled.contains(id);
        if !campaign.entry.appended || cancelled || !self.admits(campaign.state) {
            return;
        }
        let (now, zone) = (self.now, zone_of(&self.record, self.rules));
        let Some(standing) = self.record.campaigns.get_mut(id) else {
            return;
        };
        let mut reopened: Vec<EntryKey> = Vec::new();
        for n in 0..standing.entries.len() {
            let (entry, later) = match standing.entries[n..].split_first_mut() {
                Some(both) => both,
                None => break,
            };
            let finished = matches!(entry.state, EntryState::Finished { .. });
            if !finished || later.iter().any(|e| e.key == entry.key) {
                continue;
            }
            let Some(last) = (campaign.steps.iter()).rposition(|s| entry.passed.contains(&s.id))
            else {
                continue;
            };
            if last + 1 < campaign.steps.len() {
                (campaign.steps[..last].iter()).for_each(|s| entry.pass(s.id.clone()));
                place(entry, Some(campaign), now, zone);
                reopened.push(entry.key.clone());
            }
        }
        for key in reopened {
            if let Some(Entry {
                state: EntryState::Waiting { step, due },
                ..
            }) = self.open_entry(id, &key)
            {
                let (step, detail) = (Some(step.clone()), format!("due {due}"));
                let row = self.row(id, &key, Status::Waiting, Reason::Appended, detail);
                self.log.push(LogRow { step, ..row });
            }
        }
        while self.leave_the_oldest(id) {}
    }
}
