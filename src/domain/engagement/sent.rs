//! What a customer's record remembers of messages that left: when each was sent, accepted, refused, and what came back.
//! It is what conditions on messages ask. Bounded: the send log and the hits are the memory of the house.

use super::{Engagement, HitClass, HitKind};
use crate::domain::id::{CampaignId, CustomerNo, EntryKey, MessageNo, MessageRef, StepId};
use crate::domain::record::Message;
use crate::domain::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// So many messages are remembered: where more left, those go first after which the same step wrote again.
const MOST: usize = 50;

/// An order, or a reply, this long after a message left still counts as an answer to it.
const ORDERED_WITHIN: Span = Span::days(7);

/// One message that left.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SentMessage {
    /// Who got it, where that was somebody who was merged into this customer; the number is one of theirs.
    pub by: Option<CustomerNo>,
    pub no: MessageNo,
    pub campaign: CampaignId,
    pub step: StepId,
    pub entry: EntryKey,
    pub variant: Option<String>,
    /// When its first attempt began.
    pub left: Timestamp,
    pub accepted: Option<Timestamp>,
    /// Refused for good by the recipient's server, at once or later.
    pub bounced: Option<Timestamp>,
    /// The latest open, or click, that is human-likely.
    pub opened: Option<Timestamp>,
    /// The latest of those and of opens by privacy proxies and by what is not known.
    pub maybe_opened: Option<Timestamp>,
    /// The latest human-likely click.
    pub clicked: Option<Timestamp>,
    /// The latest order, or reply, that counts as an answer to it.
    pub ordered: Option<Timestamp>,
    /// Which kinds and classes of hits the log has a row of already.
    pub told: u8,
}

impl SentMessage {
    /// Whether a person's open, or click, was told of it.
    pub fn has_told(&self, kind: HitKind) -> bool {
        self.told & told_bit(HitClass::HumanLikely, kind) != 0
    }

    /// The latest answer of any kind.
    pub fn answered(&self) -> Option<Timestamp> {
        self.opened.max(self.clicked).max(self.ordered)
    }
}

/// The messages remembered, in the order in which they left.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SentMessages(Vec<SentMessage>);

impl SentMessages {
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &SentMessage> {
        self.0.iter()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut SentMessage> {
        self.0.iter_mut()
    }

    /// One of the customer's own.
    pub fn get(&self, no: MessageNo) -> Option<&SentMessage> {
        self.0.iter().find(|m| m.no == no && m.by.is_none())
    }

    fn get_mut(&mut self, no: MessageNo) -> Option<&mut SentMessage> {
        (self.0.iter_mut()).find(|m| m.no == no && m.by.is_none())
    }

    /// All of them, as whoever `customer` is merged into remembers them.
    pub fn handed_over(&self, customer: CustomerNo) -> Vec<SentMessage> {
        let named = |m: &SentMessage| SentMessage {
            by: m.by.or(Some(customer)),
            ..m.clone()
        };
        self.0.iter().map(named).collect()
    }

    /// A message that somebody got who was merged into this customer, or what came back for it since.
    pub fn take_over(&mut self, message: SentMessage) {
        let same = |m: &&mut SentMessage| m.no == message.no && m.by == message.by;
        if let Some(known) = self.0.iter_mut().find(same) {
            known.left = message.left;
            known.accepted = known.accepted.max(message.accepted);
            known.bounced = known.bounced.max(message.bounced);
            known.opened = known.opened.max(message.opened);
            known.maybe_opened = known.maybe_opened.max(message.maybe_opened);
            known.clicked = known.clicked.max(message.clicked);
            known.ordered = known.ordered.max(message.ordered);
            known.told |= message.told;
            return;
        }
        let place = self.0.partition_point(|m| m.left <= message.left);
        self.0.insert(place, message);
        self.forget_excess();
    }

    /// A message that somebody got who was merged into this customer did not leave after all.
    pub fn take_back(&mut self, message: MessageRef) {
        (self.0).retain(|m| m.by != Some(message.customer) || m.no != message.message);
    }

    /// A message leaves, for the first time or again.
    pub fn leaves(&mut self, message: &Message, now: Timestamp) {
        if self.get(message.no).is_some() {
            return;
        }
        self.0.push(SentMessage {
            by: None,
            no: message.no,
            campaign: message.campaign.clone(),
            step: message.step.clone(),
            entry: message.entry.clone(),
            variant: message.variant.clone(),
            left: now,
            accepted: None,
            bounced: None,
            opened: None,
            maybe_opened: None,
            clicked: None,
            ordered: None,
            told: 0,
        });
        self.forget_excess();
    }

    fn forget_excess(&mut self) {
        if self.0.len() > MOST {
            let followed = |at: &usize| {
                let old = &self.0[*at];
                self.0[at + 1..]
                    .iter()
                    .any(|m| m.step == old.step && m.campaign == old.campaign)
            };
            let goes = (0..self.0.len()).find(followed).unwrap_or(0);
            self.0.remove(goes);
        }
    }

    /// It did not leave after all.
    pub fn came_back(&mut self, no: MessageNo) {
        self.0.retain(|m| m.no != no || m.by.is_some());
    }

    pub fn accepted(&mut self, no: MessageNo, now: Timestamp) {
        if let Some(message) = self.get_mut(no) {
            message.accepted = Some(now);
        }
    }

    pub fn bounced(&mut self, no: MessageNo, now: Timestamp) {
        if let Some(message) = self.get_mut(no) {
            message.bounced = Some(now);
        }
    }

    /// The customer ordered, or wrote to the shop: an answer to what left shortly before.
    pub fn ordered(&mut self, at: Timestamp) {
        for message in &mut self.0 {
            if message.left <= at && at.since(message.left) < ORDERED_WITHIN {
                message.ordered = message.ordered.max(Some(at));
            }
        }
    }

    /// Hits were settled. The message, if it is remembered, and whether these are its first of this kind and class.
    pub fn engaged(&mut self, engagement: &Engagement) -> Option<(SentMessage, bool)> {
        let message = self.get_mut(engagement.message)?;
        let last = Some(engagement.last);
        match (engagement.class, engagement.kind) {
            (HitClass::HumanLikely, kind) => {
                // Whoever followed a link has opened the mail, pictures shown or not.
                message.opened = message.opened.max(last);
                message.maybe_opened = message.maybe_opened.max(last);
                if kind == HitKind::Click {
                    message.clicked = message.clicked.max(last);
                }
            }
            (HitClass::PrivacyProxy | HitClass::Unknown, HitKind::Open) => {
                message.maybe_opened = message.maybe_opened.max(last);
            }
            (HitClass::PrivacyProxy | HitClass::Unknown, HitKind::Click)
            | (HitClass::Scanner, _) => {}
        }
        let bit = told_bit(engagement.class, engagement.kind);
        let first = message.told & bit == 0;
        message.told |= bit;
        Some((message.clone(), first))
    }
}

fn told_bit(class: HitClass, kind: HitKind) -> u8 {
    1 << (class as u8 * 2 + kind as u8)
}
