//! What keeps a customer out of a campaign that would let them in otherwise: an exit that holds already, so that they would
//! leave as they came; a journey of higher priority, where the file says `unless_in`.
//!
//! It is no part of the audience: whoever is kept out for a while has neither left the audience nor begins to stand in it
//! afterwards.

use crate::domain::campaign::Campaign;
use crate::domain::condition::{Condition, Facts, evaluate};
use crate::domain::ledger::Reason;
use crate::domain::record::Record;
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;

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
