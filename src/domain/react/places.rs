//! Places: one of the N messages of a cap, held in the mailbox that the message goes to and in every mailbox that took
//! it over when the customer changed the address. Both must say the same, so there is one function that writes them.

use super::Life;
use crate::domain::campaign::{Campaign, Start};
use crate::domain::id::MessageRef;
use crate::domain::preference::Class;
use crate::domain::record::{Mailbox, Message, Place};
use crate::domain::rules::Rules;
use crate::domain::time::Timestamp;
use std::sync::Arc;

impl Life<'_> {
    /// The message's place is at `at` from now on, or nowhere. Returns where it was. Transactional messages take
    /// none, save the mail that asks for a confirmation, which has a cap of its own.
    pub(super) fn set_place(
        &mut self,
        message: &Message,
        at: Option<Timestamp>,
    ) -> Option<Timestamp> {
        let own = message.to.as_ref().map(|to| to.mailbox())?;
        if at.is_some() && !takes_place(message, self.rules) {
            return None;
        }
        let reference = self.message_ref(message.no);
        let keep_from = self.now - self.rules.keep_places();
        if at.is_some() {
            self.boxes.entry(own.clone()).or_default();
        }
        let mut old = None;
        for (id, mailbox) in &mut self.boxes {
            let was = remove(mailbox, reference);
            let holds = was.is_some() || *id == own;
            old = old.or(was);
            if let Some(at) = at.filter(|_| holds) {
                mailbox.places.retain(|p| p.at >= keep_from);
                insert(mailbox, message, reference, at);
            }
        }
        old
    }

    /// Gives the message's place back, if it has one.
    pub(super) fn give_back_place(&mut self, message: &Message) {
        if self.set_place(message, None).is_some() {
            // Room for what waits.
            self.ask_again();
        }
    }
}

fn remove(mailbox: &mut Mailbox, reference: MessageRef) -> Option<Timestamp> {
    let at = mailbox.places.iter().position(|p| p.message == reference)?;
    Some(mailbox.places.remove(at).at)
}

fn insert(mailbox: &mut Mailbox, message: &Message, reference: MessageRef, at: Timestamp) {
    mailbox.places.push(Place {
        at,
        message: reference,
        campaign: message.campaign.clone(),
        class: message.class,
    });
    mailbox.places.sort_by_key(|p| (p.at, p.message));
}

/// Whether the message takes a place, so that policy may put it off.
pub(super) fn takes_place(message: &Message, rules: &Rules) -> bool {
    let capped = |c: &Arc<Campaign>| matches!(c.start, Start::Asked);
    message.class != Class::Transactional
        || (rules.campaigns.get(&message.campaign)).is_some_and(capped)
}
