//! Events that are one by what they say (`once_per`): one order, told by the shop's webhook and by its export.
//!
//! Such an event stands in the history under the identity that all share that are one with it, and its row's own is
//! remembered beside it: so the same row is known too where the rule came later, or goes again.

use super::overlay::Overlay;
use super::{BatchError, Surroundings, Work};
use crate::domain::cause::Cause;
use crate::domain::rules::Rules;

/// What the cause shares with all that are one with it by what they say.
pub(super) fn said_once(rules: &Rules, cause: &Cause) -> Option<u64> {
    match cause {
        Cause::Event(event, _) => {
            (rules.once).identity(&rules.salt, &event.name, &event.properties)
        }
        _ => None,
    }
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

impl Overlay {
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
