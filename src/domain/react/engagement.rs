//! What came back for a message: remembered with it, and told in the log once for each kind and class.

use super::Life;
use crate::domain::engagement::{Engagement, HitClass, HitKind, SentMessage};
use crate::domain::hours::hour_shown;
use crate::domain::ledger::{LogRow, Reason, Status};
use crate::domain::policy::zone_of;
use crate::domain::time::{Span, Timestamp};
use crate::domain::wall;

/// A complaint is about a mail that left within this time, if about any.
const COMPLAINED_WITHIN: Span = Span::days(30);

impl Life<'_> {
    /// The customer reported mail as unwanted. Which one is seldom told: it is laid to the latest that left to them.
    pub(super) fn lay_complaint(&mut self) {
        let latest = self.record.sent.iter().next_back();
        let recent = latest.filter(|m| self.now.since(m.left) <= COMPLAINED_WITHIN);
        let Some(message) = recent.cloned() else {
            return;
        };
        let (status, reason) = (Status::Complained, Reason::Complained);
        let row = LogRow {
            // The number is that of whoever got it.
            customer: message.by.unwrap_or(self.record.no),
            step: Some(message.step),
            message: Some(message.no),
            variant: message.variant,
            ..self.row(&message.campaign, &message.entry, status, reason, "")
        };
        self.log.push(row);
    }

    /// The customer answered, as people do.
    fn learn_hour(&mut self, at: Timestamp) {
        let shown = wall::local(at, zone_of(&self.record, self.rules));
        self.record.hours.note(hour_shown(shown), at);
    }

    /// What has come back since for a message that somebody got who was merged into this customer; what had come before
    /// that came with all else.
    pub(super) fn learn_from_sent(&mut self, sent: &SentMessage) {
        let same = |m: &&SentMessage| m.no == sent.no && m.by == sent.by;
        let Some(known) = self.record.sent.iter().find(same).cloned() else {
            return;
        };
        for (kind, at) in [(HitKind::Open, sent.opened), (HitKind::Click, sent.clicked)] {
            if let Some(at) = at
                && sent.has_told(kind)
                && !known.has_told(kind)
            {
                self.learn_hour(at);
            }
        }
    }

    pub(super) fn take_engagement(&mut self, engagement: &Engagement) {
        // One that the record no longer remembers changes nothing; its hits are kept all the same.
        let Some((message, first)) = self.record.sent.engaged(engagement) else {
            return;
        };
        if !first {
            return;
        }
        if engagement.class == HitClass::HumanLikely && self.record.moved_to.is_none() {
            self.learn_hour(engagement.first);
        }
        let status = match engagement.kind {
            HitKind::Open => Status::Opened,
            HitKind::Click => Status::Clicked,
        };
        let at = engagement.first;
        let detail = match engagement.link {
            Some(link) if !link.is_honeypot() => {
                let (place, of) = (u16::from(link.place()) + 1, link.of());
                format!(
                    "{} at {at}, link {place} of {of}",
                    engagement.class.as_str()
                )
            }
            _ => format!("{} at {at}", engagement.class.as_str()),
        };
        let row = LogRow {
            step: Some(message.step),
            message: Some(message.no),
            variant: message.variant,
            ..self.row(
                &message.campaign,
                &message.entry,
                status,
                engagement.reason,
                detail,
            )
        };
        self.log.push(row);
    }
}
