//! Events that are one by what they say (`once_per`): one order, told by the shop's webhook and by its export.
//!
//! Such an event stands in the history under the identity that all share that are one with it, and its row's own is
//! remembered beside it: so the same row is known too where the rule came later, or goes again.
//!
//! Three things hold whatever rule was in force when: what counts is the history sifted by the rule as it is now
//! ([`super::read_history`], from which tracks are made anew when the rule has changed); what a customer has met holds all
//! that this history says by that rule; and what is taken in, or over from somebody else, says nothing of it. So what is
//! added one by one is what reading it all again would give.

use super::overlay::Overlay;
use super::{BatchError, Surroundings, Work, read_history};
use crate::domain::cause::Cause;
use crate::domain::event::Event;
use crate::domain::id::CustomerNo;
use crate::domain::record::Record;
use crate::domain::rules::Rules;

/// What the cause shares with all that are one with it by what they say.
pub(super) fn said_once(rules: &Rules, cause: &Cause) -> Option<u64> {
    match cause {
        Cause::Event(event, _) => said_by(rules, event),
        _ => None,
    }
}

pub(super) fn said_by(rules: &Rules, event: &Event) -> Option<u64> {
    (rules.once).identity(&rules.salt, &event.name, &event.properties)
}

/// The cause as `react` is to meet it, where it is an event that is one with others.
pub(super) fn as_one(rules: &Rules, work: &Work) -> Option<Work> {
    let identity = said_once(rules, &work.cause)?;
    let mut one = work.clone();
    if let Cause::Event(event, _) = &mut one.cause {
        event.identity = identity;
    }
    Some(one)
}

/// Whether what is one by what it says was another thing when the record was last brought up to date.
pub(super) fn is_by_another_rule(rules: &Rules, record: &Record) -> bool {
    // Whoever moved meets nothing more; and whoever is new has nothing yet.
    let stands = record.rules != 0 && record.moved_to.is_none();
    stands && record.rules != rules.version && record.plan != rules.plan.fingerprint()
}

impl Overlay {
    /// Whoever was brought up to date by another rule meets all that their history says by this one: in the batch that
    /// makes their tracks anew, and before it takes in anything else.
    pub(super) async fn learn_history(
        &mut self,
        around: &Surroundings<'_>,
        no: CustomerNo,
    ) -> Result<(), BatchError> {
        let Some(customer) = self.customers.get_mut(&no) else {
            return Ok(());
        };
        let record = customer.state.as_ref().map(|state| &state.record);
        let Some(record) = record.filter(|record| is_by_another_rule(around.rules, record)) else {
            return Ok(());
        };
        if customer.history.is_none() {
            customer.history =
                Some(read_history(around.store, record, around.rules.sieve()).await?);
        }
        let history = customer.history.iter().flatten();
        let said: Vec<u64> = history.filter_map(|e| said_by(around.rules, e)).collect();
        for said in said {
            if !self.is_known(around, no, said).await? && !self.unreadable.contains_key(&no) {
                self.meet(around, no, said).await?;
            }
        }
        Ok(())
    }

    /// Whether the cause was met before: as the row that it came in, or by what it says.
    pub(super) async fn was_met(
        &mut self,
        around: &Surroundings<'_>,
        work: &Work,
    ) -> Result<bool, BatchError> {
        let no = work.customer;
        let said = said_once(around.rules, &work.cause);
        if let Some(own) = work.cause.identity()
            && self.is_known(around, no, own).await?
        {
            if let Some(said) = said {
                self.learn(around, work, said).await?;
            }
            return Ok(true);
        }
        match said {
            Some(said) => self.is_known(around, no, said).await,
            None => Ok(false),
        }
    }

    /// A row that was taken in before there was the rule, and comes again, teaches what it says: whatever else tells that
    /// event is known from now on.
    async fn learn(
        &mut self,
        around: &Surroundings<'_>,
        work: &Work,
        said: u64,
    ) -> Result<(), BatchError> {
        let no = work.customer;
        let state = self.customers.get(&no).and_then(|c| c.state.as_ref());
        let gone_on = state.is_none_or(|state| state.record.moved_to.is_some());
        if gone_on || self.is_known(around, no, said).await? || self.unreadable.contains_key(&no) {
            return Ok(());
        }
        self.meet(around, no, said).await
    }
}
