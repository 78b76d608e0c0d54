//! What keeps a customer out of a campaign that would let them in otherwise: an exit that holds already, so that they would
//! leave as they came; a journey of higher priority, where the file says `unless_in`.
//!
//! It is no part of the audience: whoever is kept out for a while has neither left the audience nor begins to stand in it
//! afterwards.

use super::Life;
use crate::domain::campaign::Campaign;
use crate::domain::condition::{Condition, Facts, evaluate};
use crate::domain::id::{CampaignId, EntryKey};
use crate::domain::ledger::{Reason, Status};
use crate::domain::record::Record;
use crate::domain::rules::Rules;
use crate::domain::time::{Span, Timestamp};

/// What keeps somebody out in the same way is told once in so long: it is asked at each event.
const TOLD_EVERY: Span = Span::days(1);

/// Why somebody is kept out.
pub struct KeptOut {
    pub reason: Reason,
    /// The condition, in words.
    pub detail: String,
    /// It is so until then, if nothing happens.
    pub until: Option<Timestamp>,
}

/// What keeps the customer of `record` out at `now`. Exits that look at the entry (`since = "entry"`, `same`) say nothing
/// before there is one.
pub fn kept_out(
    campaign: &Campaign,
    record: &Record,
    rules: &Rules,
    now: Timestamp,
) -> Option<KeptOut> {
    let entry = &campaign.entry;
    if entry.unless_in.is_none() && entry.exit.is_empty() {
        return None;
    }
    let facts = Facts::of(record, rules);
    let because = |condition: &Condition, until, reason| KeptOut {
        reason,
        detail: condition.describe(),
        until,
    };
    let exits = (entry.exit.iter()).filter(|exit| !exit.looks_at_entry());
    for exit in exits {
        let verdict = evaluate(exit, &facts, now);
        if verdict.holds {
            return Some(because(exit, verdict.until, Reason::Exit));
        }
    }
    let unless = entry.unless_in.as_ref()?;
    let verdict = evaluate(unless, &facts, now);
    (!verdict.holds).then(|| because(unless, verdict.until, Reason::HigherPriority))
}

impl Life<'_> {
    pub(super) fn log_kept_out(&mut self, id: &CampaignId, key: &EntryKey, kept: KeptOut) {
        let now = self.now;
        let standing = self.record.campaigns.entry(id.clone()).or_default();
        let told = standing.kept_out.as_ref();
        if told.is_some_and(|(of, reason, at)| {
            of == key && *reason == kept.reason && now < *at + TOLD_EVERY
        }) {
            return;
        }
        standing.kept_out = Some((key.clone(), kept.reason, now));
        self.log_entry(id, key, Status::KeptOut, kept.reason, kept.detail);
    }
}
