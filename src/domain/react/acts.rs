//! Acts: what a step does that is no message to the customer. They take effect in the reaction in which they fall due.

use super::Life;
use crate::domain::campaign::{Act, Campaign, Step};
use crate::domain::cause::ConsentChange;
use crate::domain::consent_ledger::Origin;
use crate::domain::id::{CampaignId, EntryKey, StaffName, TopicId};
use crate::domain::ledger::{Reason, Status};
use crate::domain::preference::{Class, ConsentState};
use crate::domain::record::Message;

impl Life<'_> {
    pub(super) fn act(
        &mut self,
        id: &CampaignId,
        campaign: &Campaign,
        key: &EntryKey,
        step: &Step,
        act: &Act,
    ) {
        let (reason, detail) = match act {
            Act::Tag(tag) => {
                self.changed |= self.record.tags.insert(tag.clone());
                (Reason::Tagged, tag.as_str())
            }
            Act::Untag(tag) => {
                self.changed |= self.record.tags.remove(tag);
                (Reason::Untagged, tag.as_str())
            }
            Act::Leave(topic) => {
                self.leave_topic(topic, format!("campaign {id}/{}", step.id));
                (Reason::LeftTopic, topic.as_str())
            }
            Act::Notify(staff) => (Reason::Notified, staff.as_str()),
        };
        self.log_step(id, key, step, Status::Done, reason, detail);
        if let Act::Notify(staff) = act {
            self.notify(id, campaign, key, step, staff);
        }
        self.count(id, key);
    }

    /// A refusal in the customer's name.
    fn leave_topic(&mut self, topic: &TopicId, source: String) {
        let refusal = ConsentChange {
            topic: Some(topic.clone()),
            state: ConsentState::Refused,
            at: self.now,
            source,
            wording: None,
            origin: Origin::default(),
        };
        self.take_word(&refusal);
        self.changed = true;
    }

    /// A mail to staff about this customer: it goes by the same outbox, asks for nobody's consent, and nothing waits for it.
    fn notify(
        &mut self,
        id: &CampaignId,
        campaign: &Campaign,
        key: &EntryKey,
        step: &Step,
        staff: &StaffName,
    ) {
        let Some(to) = self.rules.shop.staff.get(staff) else {
            let detail = format!("[staff] names no `{staff}`");
            self.log_step(id, key, step, Status::Dropped, Reason::NoAddress, detail);
            return;
        };
        let (now, salt) = (self.now, &self.rules.salt);
        let message = Message {
            class: Class::Transactional,
            topic: None,
            to: Some(to.clone()),
            staff: Some(staff.clone()),
            ..Message::waiting(&self.record, campaign, step, key, now, salt)
        };
        self.record.next_message += 1;
        self.log_message(&message, Status::Waiting, Reason::Notified, staff.as_str());
        self.record.messages.insert(message.no, message);
    }

    /// Something of the entry took effect: it counts for `again` and `at_most`.
    fn count(&mut self, id: &CampaignId, key: &EntryKey) {
        let Some(standing) = self.record.campaigns.get_mut(id) else {
            return;
        };
        let open = (standing.entries.iter_mut()).find(|e| e.key == *key && e.state.is_open());
        if let Some(entry) = open
            && !entry.counted
        {
            entry.counted = true;
            standing.entered += 1;
        }
    }
}
