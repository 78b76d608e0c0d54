//! Steps that were appended to the end of a file: where its campaign says `appended = "finished"`, those who have come to
//! its end have them, too, once it is known that they are not too many at once ([`Controls::moved`]).
//!
//! What is behind an entry says what is new to it, so nothing hangs on when the file was edited, or how often meanwhile.
//!
//! [`Controls::moved`]: crate::domain::rules::Controls::moved

use super::Life;
use super::enrollment::exits;
use super::journey::place;
use super::walk::admits;
use crate::domain::campaign::Campaign;
use crate::domain::id::{CampaignId, EntryKey};
use crate::domain::ledger::{LogRow, Reason, Status};
use crate::domain::policy::zone_of;
use crate::domain::record::{Entry, EntryState, Record};
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;

/// Whether an entry of this customer has finished, and would go on with what was appended.
pub(super) fn would_go_on(
    record: &Record,
    campaign: &Campaign,
    rules: &Rules,
    now: Timestamp,
) -> bool {
    campaign.entry.appended
        && record.moved_to.is_none()
        && admits(record, campaign.state)
        && go_on(record, campaign, rules, now).next().is_some()
}

/// Which entries go on, and the last step that each has had; not those that would leave at once.
fn go_on<'a>(
    record: &'a Record,
    campaign: &'a Campaign,
    rules: &'a Rules,
    now: Timestamp,
) -> impl Iterator<Item = (usize, usize)> + 'a {
    let entries = (record.campaigns.get(&campaign.id)).map_or(&[][..], |s| s.entries.as_slice());
    (0..entries.len()).filter_map(move |n| {
        let last = last_had(&entries[n..], campaign)?;
        let exits = exits(campaign, record, rules, &entries[n], now);
        (!exits.iter().any(|(_, verdict)| verdict.holds)).then_some((n, last))
    })
}

/// The place of the last step that the first of these entries has had, if it has finished, is the latest of its key, and
/// steps stand after that.
fn last_had(entries: &[Entry], campaign: &Campaign) -> Option<usize> {
    let (entry, later) = entries.split_first()?;
    let finished = matches!(entry.state, EntryState::Finished { .. });
    if !finished || later.iter().any(|e| e.key == entry.key) {
        return None;
    }
    let last = (campaign.steps.iter()).rposition(|s| entry.passed.contains(&s.id))?;
    (last + 1 < campaign.steps.len()).then_some(last)
}

impl Life<'_> {
    /// All campaigns': what was let since the rules were taken.
    pub(super) fn go_on_with_appended(&mut self) {
        let rules = self.rules;
        if self.record.moved_to.is_some() {
            return;
        }
        for (id, campaign) in rules.campaigns.iter().filter(|(_, c)| c.entry.appended) {
            self.have_appended(id, campaign);
        }
    }

    /// Entries that have finished go on with the steps that stand after all that they had. Of each key the latest only;
    /// who counted as entered without having had anything goes on with nothing.
    pub(super) fn have_appended(&mut self, id: &CampaignId, campaign: &Campaign) {
        let moved = self.record.moved_to.is_some();
        if moved || !campaign.entry.appended || !self.admits(campaign.state) {
            return;
        }
        let controls = &self.rules.controls;
        if controls.cancelled.contains(id) || !controls.go_on(campaign) {
            return;
        }
        let (now, zone) = (self.now, zone_of(&self.record, self.rules));
        let which: Vec<(usize, usize)> = go_on(&self.record, campaign, self.rules, now).collect();
        let Some(standing) = self.record.campaigns.get_mut(id) else {
            return;
        };
        let mut reopened: Vec<EntryKey> = Vec::new();
        for (n, last) in which {
            let entry = &mut standing.entries[n];
            (campaign.steps[..last].iter()).for_each(|s| entry.pass(s.id.clone()));
            place(entry, Some(campaign), now, zone);
            reopened.push(entry.key.clone());
        }
        for key in reopened {
            self.stand_by(id, campaign, &key);
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
