//! What the composer finds before a first attempt: that a message has fewer products to show than its step asks for.

use super::group::Person;
use super::play::ReadHistory;
use crate::domain::cause::Cause;
use crate::domain::id::MessageNo;
use crate::domain::outcome::Outcome;
use crate::domain::products::{select, too_few};
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;

/// What the outbox tells of such a message.
pub fn lacks_products(
    person: &Person,
    no: MessageNo,
    rules: &Rules,
    read: ReadHistory<'_>,
    now: Timestamp,
) -> Option<Cause> {
    let messages = &person.record.messages;
    let message = messages.get(&no).filter(|m| m.attempts == 0)?;
    let step = (rules.campaigns.get(&message.campaign)?).step_of(message)?;
    let wanted = step.shown(message.variant.as_deref()).products;
    let wanted = wanted.filter(|wanted| wanted.fewest > 0)?;
    let history = person.history(rules, read)?;
    let found = select(&wanted, &history, &message.entry.0, now).len();
    let why = too_few(&wanted, found)?;
    Some(Cause::Outcome {
        message: no,
        attempt: 0,
        outcome: Outcome::TooFew { why },
    })
}
