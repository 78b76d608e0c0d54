//! Calling `react` in a forecast: again with whatever it turns out to need. A code that nobody has is made up.

use super::group::Person;
use super::play::ReadHistory;
use super::pools::imagined;
use crate::domain::cause::Cause;
use crate::domain::react::{Boxes, Context, Needs, Offer, Reaction, react};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// None where `react` panics, or the history cannot be read.
pub fn reaction(
    person: &Person,
    boxes: &Boxes,
    cause: &Cause,
    bare: &Context<'_>,
    read: ReadHistory<'_>,
) -> Option<Reaction> {
    let reacted = catch_unwind(AssertUnwindSafe(|| {
        let (mut history, mut code) = (None, None);
        loop {
            let context = Context {
                history: history.as_deref(),
                coupon: code.as_deref().map(Offer::Code),
                ..*bare
            };
            match react(&person.record, boxes, cause, &context) {
                Err(Needs::Code(_)) if code.is_none() => {
                    code = Some(imagined(&person.record, cause));
                }
                Err(Needs::History) if history.is_none() => {
                    history = Some(person.history(bare.rules, read)?);
                }
                reacted => return reacted.ok(),
            }
        }
    }));
    reacted.ok().flatten()
}
