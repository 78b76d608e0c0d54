//! Calling `react`: with the mailboxes that the cause concerns, and again with whatever it turns out to need.

use super::overlay::Overlay;
use super::{BatchError, Surroundings, Work, read_history};
use crate::domain::event::Event;
use crate::domain::react::{Boxes, Context, Needs, Offer, Reaction, mailboxes_for, react};
use crate::domain::record::Record;
use std::panic::{AssertUnwindSafe, catch_unwind};

impl Overlay {
    /// Calls `react`, with the history and a coupon code if it asks for them. The inner error is a panic's text.
    pub(super) async fn reaction(
        &mut self,
        around: &Surroundings<'_>,
        work: &Work,
        person: Option<&Record>,
    ) -> Result<Result<Reaction, String>, BatchError> {
        let no = work.customer;
        let mut history: Option<Vec<Event>> = None;
        // What was found, if one was looked for.
        let mut code: Option<Option<String>> = None;
        loop {
            let Some(state) = self.customers.get(&no).and_then(|c| c.state.as_ref()) else {
                return Ok(Err("the record is missing".into()));
            };
            let wanted = mailboxes_for(&state.record, &work.cause, around.rules);
            if let Some(error) = wanted.iter().find_map(|id| self.bad_boxes.get(id)) {
                return Err(error.clone().into());
            }
            if wanted.iter().any(|id| !self.mailboxes.contains_key(id)) {
                self.load_boxes(around, wanted.into_iter().collect())
                    .await?;
                continue;
            }
            let boxes: Boxes = (wanted.into_iter())
                .filter_map(|id| self.mailboxes.get(&id).map(|b| (id, b.mailbox.clone())))
                .collect();
            let context = Context {
                now: around.now,
                rules: around.rules,
                history: history.as_deref(),
                unfinished: around.unfinished,
                person,
                quotas: &self.quotas,
                coupon: code.as_ref().map(|found| match found {
                    Some(code) => Offer::Code(code),
                    None => Offer::NoneLeft,
                }),
            };
            let reacted = catch_unwind(AssertUnwindSafe(|| {
                react(&state.record, &boxes, &work.cause, &context)
            }));
            match reacted {
                Ok(Ok(reaction)) => return Ok(Ok(reaction)),
                Ok(Err(Needs::History)) if history.is_none() => {
                    let record = state.record.clone();
                    let customer = self.customers.get_mut(&no);
                    let known = customer.and_then(|c| c.history.take());
                    let mut events = match known {
                        Some(events) => events,
                        None => read_history(around.store, &record, around.rules.sieve()).await?,
                    };
                    if let Some(customer) = self.customers.get(&no) {
                        events.extend(customer.events.iter().cloned());
                    }
                    history = Some(events);
                }
                Ok(Err(Needs::Code(pool))) if code.is_none() => {
                    code = Some(self.offer(around, &pool).await?);
                }
                Ok(Err(needs)) => return Ok(Err(format!("it asked twice: {needs:?}"))),
                Err(panic) => return Ok(Err(panic_text(&panic))),
            }
        }
    }
}

fn panic_text(panic: &Box<dyn std::any::Any + Send>) -> String {
    (panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".into())
}
